"""Whole batches by one gather per tensor, for datasets that are tensors underneath.

Fetching a batch sample by sample and stacking it costs Python once per sample. Where the dataset is built
of our own classes only, the batch is `tensor.index_select(0, indices)`: the same values, shapes, dtypes
and strides in fresh memory, the same indices drawn at the same moments. `plan` decides this once per
iterator and returns None wherever anything, however unlikely, could be told apart.
"""

from __future__ import annotations

from rushlight import _C
from rushlight.utils.data.dataset import ConcatDataset, Subset, TensorDataset
from rushlight.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    Batches = Iterator[list[_C.Tensor]]
    Chunks = Iterator[_C.Tensor]

_index_select = _C.index_select
_index_select_parts = _C._index_select_parts
_narrow = _C.narrow


class _Rows:
    """A dataset as tensors: `columns` has, for each tensor of a sample, the parts that lie one behind the other,
    and sample i is row `order[i]` of them, or row i where `order` is None."""

    __slots__ = ("columns", "order", "size")

    def __init__(self, columns: list[tuple[_C.Tensor, ...]], order: _C.Tensor | None, size: int) -> None:
        self.columns = columns
        self.order = order
        self.size = size


def plan(dataset: object, batch_sampler: object) -> Batches | None:
    """The batches of one pass, or None where they must be fetched sample by sample."""
    if type(batch_sampler) is not BatchSampler:
        return None
    rows = _rows(dataset)
    if rows is None or rows.size == 0:
        return None
    sampler, size, drop_last = batch_sampler.sampler, batch_sampler.batch_size, batch_sampler.drop_last
    if type(sampler) is SequentialSampler and rows.order is None and len(rows.columns[0]) == 1:
        if len(sampler.data_source) != rows.size:
            return None
        return _slices([parts[0] for parts in rows.columns], rows.size, size, drop_last)
    chunks = _chunks(sampler, rows.size)
    return None if chunks is None else _gathered(rows, chunks, size, drop_last)


def row_fetcher(dataset: object, otherwise: Callable) -> Callable:
    """A function from a list of indices to a batch, for samplers that are not ours; `otherwise` is that function for
    datasets and indices that cannot be gathered."""
    rows = _rows(dataset)
    if rows is None:
        return otherwise
    size, order, take = rows.size, rows.order, _taker(rows.columns)

    def fetch(indices: object) -> object:
        vector = _index_vector(indices, size)
        if vector is None:
            return otherwise(indices)
        return take(vector if order is None else _index_select(order, 0, vector))

    return fetch


def _chunks(sampler: Any, size: int) -> Chunks | None:
    """What a sampler of ours will yield, as vectors of indices, if all of it lies below `size`."""
    kind = type(sampler)
    if kind is SequentialSampler and len(sampler.data_source) <= size:
        return _in_order(sampler)
    if kind is RandomSampler and len(sampler.data_source) <= size:
        return sampler._index_chunks()
    if kind is WeightedRandomSampler and len(sampler.weights) <= size:
        return sampler._index_chunks()
    if kind is SubsetRandomSampler:
        chosen = _index_vector(sampler.indices, size)
        return None if chosen is None else _permuted(sampler, chosen)
    return None


def _in_order(sampler: SequentialSampler) -> Chunks:
    yield _C.arange(len(sampler.data_source))


def _permuted(sampler: SubsetRandomSampler, chosen: _C.Tensor) -> Chunks:
    yield _index_select(chosen, 0, _C.randperm(chosen.size(0), generator=sampler.generator))


def _slices(tensors: list[_C.Tensor], n: int, size: int, drop_last: bool) -> Batches:
    full = n - n % size
    for start in range(0, full, size):
        # Cloned: a batch that shared the dataset's memory would let the training loop write into it.
        yield [_narrow(tensor, 0, start, size).clone() for tensor in tensors]
    if full < n and not drop_last:
        yield [_narrow(tensor, 0, full, n - full).clone() for tensor in tensors]


def _gathered(rows: _Rows, chunks: Chunks, size: int, drop_last: bool) -> Batches:
    order, take = rows.order, _taker(rows.columns)
    rest = None
    for chunk in chunks:
        if order is not None:
            chunk = _index_select(order, 0, chunk)
        if rest is not None:
            chunk = _C.cat((rest, chunk))
        n = chunk.size(0)
        full = n - n % size
        for start in range(0, full, size):
            yield take(_narrow(chunk, 0, start, size))
        rest = _narrow(chunk, 0, full, n - full) if full < n else None
    if rest is not None and not drop_last:
        yield take(rest)


def _taker(columns: list[tuple[_C.Tensor, ...]]) -> Callable[[_C.Tensor], list[_C.Tensor]]:
    """A function from row numbers to a batch."""
    if len(columns[0]) > 1:
        return lambda index: [_index_select_parts(parts, index) for parts in columns]
    tensors = [parts[0] for parts in columns]
    return lambda index: [_index_select(tensor, 0, index) for tensor in tensors]


def _rows(dataset: Any) -> _Rows | None:
    kind = type(dataset)
    if kind is TensorDataset:
        if not _is_plain(dataset):
            return None
        return _Rows([(tensor,) for tensor in dataset.tensors], None, len(dataset))
    if kind is Subset:
        inner = _rows(dataset.dataset)
        chosen = None if inner is None else _index_vector(dataset.indices, inner.size)
        if chosen is None:
            return None
        order = chosen if inner.order is None else _index_select(inner.order, 0, chosen)
        return _Rows(inner.columns, order, chosen.size(0))
    if kind is ConcatDataset:
        return _joined([_rows(part) for part in dataset.datasets])
    return None


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


def _index_vector(indices: Any, size: int) -> _C.Tensor | None:
    """Indices as a tensor, if they are integers that count from the front."""
    if type(indices) is range:
        vector = _C.tensor(list(indices), dtype=_C.int64)
    # Lists of true ints only: a bool, a float or a tensor as an index means something else.
    elif type(indices) in (list, tuple) and set(map(type, indices)) == {int}:
        vector = _C.tensor(indices)
    else:
        return None
    if vector.size(0) == 0 or vector.min().item() < 0 or vector.max().item() >= size:
        return None
    return vector


def _joined(parts: list[_Rows | None]) -> _Rows | None:
    if None in parts:
        return None
    kinds = {tuple([(c[0].dtype, c[0].device, tuple(c[0].shape[1:])) for c in rows.columns]) for rows in parts}
    if len(kinds) != 1:
        return None
    columns = [sum(column, ()) for column in zip(*[rows.columns for rows in parts])]
    size = sum([rows.size for rows in parts])
    if all([rows.order is None for rows in parts]):
        return _Rows(columns, None, size)
    orders, start = [], 0
    for rows in parts:
        orders.append((_C.arange(rows.size) if rows.order is None else rows.order) + start)
        start += sum([tensor.size(0) for tensor in rows.columns[0]])
    return _Rows(columns, _C.cat(orders), size)
