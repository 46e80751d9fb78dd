"""Rebuilding tensors from what a pickle holds of them: a storage, and where in it they lie."""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class FlatStorage:
    """All of one storage, seen as a one-dimensional tensor; what pickles call a typed storage."""

    __slots__ = ("flat",)

    def __init__(self, flat: _C.Tensor) -> None:
        self.flat = flat

    def __reduce__(self) -> tuple:
        flat = self.flat
        return _storage_from_bytes, (bytes(_C._storage_bytes(flat)), str(flat.dtype)[len("torch.") :])


def _storage_from_bytes(data: bytes, dtype: str) -> FlatStorage:
    kind = getattr(_C, dtype)
    return FlatStorage(_C._tensor_from_bytes(data, kind) if data else _C.empty(0, dtype=kind))


def _reduce_tensor(tensor: _C.Tensor) -> tuple:
    """What `Tensor.__reduce_ex__` returns for a plain tensor outside of `save`."""
    from _collections import OrderedDict

    flat = _C.empty(0, dtype=tensor.dtype).set_(tensor.untyped_storage())
    place = tensor.storage_offset(), tuple(tensor.size()), tensor.stride()
    return _rebuild_tensor_v2, (FlatStorage(flat), *place, tensor.requires_grad, OrderedDict())


def _rebuild_tensor(storage: FlatStorage, storage_offset: int, size: tuple, stride: tuple) -> _C.Tensor:
    """A tensor over part of a storage; RuntimeError where it would reach outside."""
    flat = storage.flat
    last = storage_offset
    count = 1
    if len(size) != len(stride) or storage_offset < 0 or min(size, default=0) < 0 or min(stride, default=0) < 0:
        raise RuntimeError(f"a tensor cannot have size {tuple(size)}, stride {stride} and offset {storage_offset}")
    for n, step in zip(size, stride):
        count *= n
        last += (n - 1) * step
    if count and last >= flat.numel():
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {storage_offset} require "
            f"{last + 1} elements, which is out of bounds for a storage of {flat.numel()}"
        )
    if flat.device.type == "meta":
        return _C.empty_strided(tuple(size), tuple(stride), dtype=flat.dtype, device="meta")
    # `.data`: a tensor in its own right rather than a view, though it shares the memory.
    return flat.as_strided(tuple(size), tuple(stride), storage_offset).data


def _rebuild_tensor_v2(
    storage: FlatStorage,
    storage_offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    metadata: dict | None = None,
) -> _C.Tensor:
    if metadata:
        raise RuntimeError(f"tensors marked {sorted(metadata)} (lazy conjugation or negation) are not supported")
    tensor = _rebuild_tensor(storage, storage_offset, size, stride)
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_tensor_v3(
    storage: FlatStorage,
    storage_offset: int,
    size: tuple,
    stride: tuple,
    requires_grad: bool,
    backward_hooks: Any,
    dtype: _C.dtype,
    metadata: dict | None = None,
) -> _C.Tensor:
    """As v2, for the dtypes that have no storage type of their own: the storage is one of bytes."""
    typed = FlatStorage(storage.flat.view(dtype))
    return _rebuild_tensor_v2(typed, storage_offset, size, stride, requires_grad, backward_hooks, metadata)


def _rebuild_meta_tensor_no_storage(dtype: _C.dtype, size: tuple, stride: tuple, requires_grad: bool) -> _C.Tensor:
    tensor = _C.empty_strided(tuple(size), tuple(stride), dtype=dtype, device="meta")
    return tensor.requires_grad_() if requires_grad else tensor


def _rebuild_parameter(data: _C.Tensor, requires_grad: bool, backward_hooks: Any) -> _C.Parameter:
    return _C.Parameter(data, requires_grad)


def _rebuild_parameter_with_state(
    data: _C.Tensor, requires_grad: bool, backward_hooks: Any, state: Any
) -> _C.Parameter:
    return _restore_state(_C.Parameter(data, requires_grad), state)


def _rebuild_from_type_v2(func: Any, new_type: type, args: tuple, state: Any) -> Any:
    """A tensor of a subclass, or one that carries attributes."""
    result = func(*args)
    if type(result) is not new_type:
        result = result.as_subclass(new_type)
    return _restore_state(result, state)


def _restore_state(target: Any, state: Any) -> Any:
    if type(target).__dict__.get("__setstate__") is not None:
        target.__setstate__(state)
        return target
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    for values in (attributes, slots):
        for name, value in (values or {}).items():
            if name[:2] == "__":
                raise RuntimeError(f"a file may not set the attribute {name!r}")
            setattr(target, name, value)
    return target
