"""Making one batch out of a list of samples."""

from __future__ import annotations

import sys
from _collections_abc import Mapping, MutableMapping, MutableSequence, Sequence

from rushlight import _C
from rushlight._hints import hinted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    CollateMap = dict[type | tuple[type, ...], Callable]

default_collate_err_msg_format = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_collate(batch: Any) -> Any:
    """Joins samples along a new first dimension.

    Tensors and arrays are stacked, numbers become one tensor (float64 or int64), strings stay a list;
    mappings, named tuples, tuples (which become lists) and lists are joined item by item.

    >>> torch.utils.data.default_collate([(torch.zeros(2), 1), (torch.ones(2), 2)])
    [tensor([[0., 0.],
            [1., 1.]]), tensor([1, 2])]
    """
    return collate(batch, collate_fn_map=_collate_fn_map)


def collate(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    """`default_collate` with functions of one's own for some sample types.

    A function is found by the exact type of the first sample, else by the first key it is an instance of;
    it is called as `function(batch, collate_fn_map=collate_fn_map)`.
    """
    elem = batch[0]
    elem_type = type(elem)
    if collate_fn_map is not None:
        function = collate_fn_map.get(elem_type)
        if function is not None:
            return function(batch, collate_fn_map=collate_fn_map)
        for key in collate_fn_map:
            if isinstance(elem, key):
                return collate_fn_map[key](batch, collate_fn_map=collate_fn_map)

    if isinstance(elem, tuple) and not hasattr(elem, "_fields"):
        return [collate(samples, collate_fn_map=collate_fn_map) for samples in _transpose(batch)]
    if isinstance(elem, Mapping):
        columns = {key: collate([d[key] for d in batch], collate_fn_map=collate_fn_map) for key in elem}
        return columns if elem_type is dict else _refill_mapping(elem, columns)
    if isinstance(elem, tuple):
        return elem_type(*[collate(samples, collate_fn_map=collate_fn_map) for samples in zip(*batch)])
    if isinstance(elem, Sequence):
        columns = [collate(samples, collate_fn_map=collate_fn_map) for samples in _transpose(batch)]
        return columns if elem_type is list else _refill_sequence(elem, columns)
    if collate_fn_map is _collate_fn_map and _learn_numpy():
        return collate(batch, collate_fn_map=collate_fn_map)
    raise TypeError(default_collate_err_msg_format.format(elem_type))


def _transpose(batch: Any) -> list[tuple]:
    columns = _C._transpose_rows(batch)
    if columns is not None:
        return columns
    if len(set(map(len, batch))) > 1:
        raise RuntimeError("each element in list of batch should be of equal size")
    return list(zip(*batch))


def _refill_mapping(like: Mapping, items: dict) -> Any:
    """`items` in a mapping of the type of `like`, with its extra state where it can be copied."""
    try:
        if isinstance(like, MutableMapping):
            from copy import copy

            clone = copy(like)
            clone.update(items)
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:  # cannot be copied, updated, or built from a dict
        return items


def _refill_sequence(like: Sequence, items: list) -> Any:
    try:
        if isinstance(like, MutableSequence):
            from copy import copy

            clone = copy(like)
            for i, item in enumerate(items):
                clone[i] = item
            return clone
        return type(like)(items)  # type: ignore[call-arg]
    except TypeError:  # cannot be copied, written, or (`range`) built from a list
        return items


def collate_tensor_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> _C.Tensor:
    try:
        return _C.stack(batch, 0)
    except RuntimeError as error:
        if len({sample.shape for sample in batch}) > 1:
            hinted(error, "samples of a batch have one shape; pad them, or give the DataLoader a collate_fn that does")
        raise


def collate_numpy_array_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    if batch[0].dtype.kind in "SUO":
        raise TypeError(default_collate_err_msg_format.format(batch[0].dtype))
    return collate([_C.as_tensor(array) for array in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> _C.Tensor:
    return _C.as_tensor(batch)


def collate_float_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> _C.Tensor:
    return _C.tensor(batch, dtype=_C.float64)


def collate_int_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> _C.Tensor:
    return _C.tensor(batch)


def collate_str_fn(batch: Any, *, collate_fn_map: CollateMap | None = None) -> Any:
    return batch


_collate_fn_map: CollateMap = {
    _C.Tensor: collate_tensor_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}


def _learn_numpy() -> bool:
    """Adds NumPy's types to the default map once NumPy is there; False where that changes nothing."""
    numpy = sys.modules.get("numpy")
    if numpy is None or numpy.ndarray in _collate_fn_map:
        return False
    _collate_fn_map[numpy.ndarray] = collate_numpy_array_fn
    _collate_fn_map[(numpy.bool_, numpy.number, numpy.object_)] = collate_numpy_scalar_fn
    return True


def __getattr__(name: str) -> CollateMap:
    # Whoever asks for the map by its public name means to copy or extend it: then it is to be complete.
    if name == "default_collate_fn_map":
        try:
            import numpy  # noqa: F401
        except ImportError:
            pass
        _learn_numpy()
        return _collate_fn_map
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def default_convert(data: Any) -> Any:
    """NumPy arrays and scalars, also inside containers, as tensors; all else unchanged. A tuple becomes a list."""
    cls = type(data)
    if isinstance(data, _C.Tensor):
        return data
    if cls.__module__ == "numpy" and cls.__name__ not in ("str_", "string_"):
        if cls.__name__ == "ndarray" and data.dtype.kind in "SUO":
            return data
        return _C.as_tensor(data)
    if isinstance(data, Mapping):
        return _refill_mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        items = [default_convert(item) for item in data]
        return cls(*items) if hasattr(data, "_fields") else items
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _refill_sequence(data, [default_convert(item) for item in data])
    return data
