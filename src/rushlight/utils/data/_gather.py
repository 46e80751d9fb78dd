"""Whole batches by one gather per tensor, for datasets that are tensors underneath.

Fetching a batch sample by sample and stacking it costs Python once per sample. Where the dataset is built
of our own classes only, the batch is `tensor.index_select(0, indices)`: the same values, shapes, dtypes
and strides in fresh memory, the same indices drawn at the same moments. `plan` decides this once per
iterator and returns None wherever anything, however unlikely, could be told apart.
"""

from __future__ import annotations

from rushlight import _C
from rushlight.utils.data.dataset import ConcatDataset, Subset, TensorDataset
from rushlight.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler, WeightedRandomSampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Batches = Iterator[list[_C.Tensor]]
    Rows = Callable[[_C.Tensor], list[_C.Tensor]]

_index_select = _C.index_select
_narrow = _C.narrow


def plan(dataset: object, batch_sampler: object) -> Batches | None:
    """The batches of one pass, or None where they must be fetched sample by sample."""
    if type(batch_sampler) is not BatchSampler:
        return None
    sampler, size, drop_last = batch_sampler.sampler, batch_sampler.batch_size, batch_sampler.drop_last
    if type(sampler) is SequentialSampler:
        if sampler.data_source is not dataset:
            return None
        if type(dataset) is TensorDataset:
            return _slices(dataset.tensors, size, drop_last) if _is_plain(dataset) else None
        chunks = _natural_order
    elif type(sampler) is RandomSampler:
        if sampler.data_source is not dataset:
            return None
        chunks = RandomSampler._index_chunks
    elif type(sampler) is WeightedRandomSampler and len(sampler.weights) <= len(dataset):
        chunks = WeightedRandomSampler._index_chunks
    else:
        return None
    rows = _rows(dataset)
    return None if rows is None else _gathered(rows, chunks(sampler), size, drop_last)


def _natural_order(sampler: SequentialSampler) -> Iterator[_C.Tensor]:
    yield _C.arange(len(sampler.data_source))


def _slices(tensors: tuple[_C.Tensor, ...], size: int, drop_last: bool) -> Batches:
    n = tensors[0].size(0)
    full = n - n % size
    for start in range(0, full, size):
        # Cloned: a batch that shared the dataset's memory would let the training loop write into it.
        yield [_narrow(tensor, 0, start, size).clone() for tensor in tensors]
    if full < n and not drop_last:
        yield [_narrow(tensor, 0, full, n - full).clone() for tensor in tensors]


def _gathered(rows: Rows, chunks: Iterator[_C.Tensor], size: int, drop_last: bool) -> Batches:
    rest = None
    for chunk in chunks:
        if rest is not None:
            chunk = _C.cat((rest, chunk))
        n = chunk.size(0)
        full = n - n % size
        for start in range(0, full, size):
            yield rows(_narrow(chunk, 0, start, size))
        rest = _narrow(chunk, 0, full, n - full) if full < n else None
    if rest is not None and not drop_last:
        yield rows(rest)


def _is_plain(dataset: TensorDataset) -> bool:
    """True where stacking single rows and gathering rows give equal tensors in every respect."""
    tensors = dataset.tensors
    if not tensors or len(dataset) == 0:
        return False
    for tensor in tensors:
        if type(tensor) is not _C.Tensor or tensor.requires_grad or tensor.layout is not _C.strided:
            return False
        # Stacking, gathering and copying rows agree on the strides of the result only for these.
        if not tensor.is_contiguous() or tensor.size(0) != tensors[0].size(0):
            return False
    return True


def _rows(dataset: object) -> Rows | None:
    kind = type(dataset)
    if kind is TensorDataset:
        return _tensor_rows(dataset)
    if kind is Subset:
        return _subset_rows(dataset)
    if kind is ConcatDataset:
        return _concat_rows(dataset)
    return None


def _tensor_rows(dataset: TensorDataset) -> Rows | None:
    if not _is_plain(dataset):
        return None
    tensors = dataset.tensors

    def rows(index: _C.Tensor) -> list[_C.Tensor]:
        return [_index_select(tensor, 0, index) for tensor in tensors]

    return rows


def _subset_rows(dataset: Subset) -> Rows | None:
    inner = _rows(dataset.dataset)
    indices = dataset.indices
    # Lists and ranges of true ints only: a bool, a float or a tensor as an index means something else.
    if inner is None or not indices or type(indices) not in (list, tuple, range) or set(map(type, indices)) != {int}:
        return None
    if min(indices) < 0 or max(indices) >= len(dataset.dataset):
        return None
    own = _C.tensor(indices if type(indices) is not range else list(indices))

    def rows(index: _C.Tensor) -> list[_C.Tensor]:
        return inner(_index_select(own, 0, index))

    return rows


def _concat_rows(dataset: ConcatDataset) -> Rows | None:
    parts = [_rows(part) for part in dataset.datasets]
    if None in parts:
        return None
    first_row = _C.zeros(1, dtype=_C.int64)
    kinds = {tuple([(t.dtype, t.device, tuple(t.shape)) for t in rows(first_row)]) for rows in parts}
    if len(kinds) != 1:
        return None
    starts = [0, *dataset.cumulative_sizes]
    spans = list(zip(parts, starts, starts[1:]))

    def rows(index: _C.Tensor) -> list[_C.Tensor]:
        columns, places = [], []
        for part, start, end in spans:
            place = ((index >= start) & (index < end)).nonzero().view(-1)
            if place.size(0):
                columns.append(part(_index_select(index, 0, place) - start))
                places.append(place)
        if len(columns) == 1:
            return columns[0]
        # The parts lie one after the other now; `back` says where each row of the batch went.
        back = _C.argsort(_C.cat(places))
        return [_index_select(_C.cat(column), 0, back) for column in zip(*columns)]

    return rows
