"""Writing the pickle part of a `.pt` file: the objects, with each storage left out and named by a key."""

from __future__ import annotations

import pickle
import sys
from types import FunctionType

from rushlight import _C, _utils
from rushlight._io.names import STORAGE_NAMES, StorageType, dtype_name, saved_module, storage_type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any


class _Storage:
    """Stands for the storage of a tensor until `persistent_id` replaces it by its key."""

    def __init__(self, tensor: _C.Tensor) -> None:
        self.tensor = tensor


# The native pickler offers no way to write a class under another name than its own; the one in Python does.
class Pickler(pickle._Pickler):
    """Writes an object with PyTorch's names for what is ours; `storages` then maps keys to tensors over them."""

    def __init__(self, file: IO[bytes], protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: dict[str, _C.Tensor] = {}
        self._keys: dict[Any, tuple[str, _C.dtype]] = {}
        self._storage_types: dict[str, StorageType] = {}

    def persistent_id(self, obj: Any) -> tuple | None:
        if type(obj) is not _Storage:
            return None
        tensor = obj.tensor
        kind = storage_type(tensor.dtype)
        kind = self._storage_types.setdefault(kind.name, kind)  # one object each: written once, then referred to
        storage = tensor.untyped_storage()
        nbytes = storage.nbytes()
        # Empty storages share no memory, even where they share an address.
        identity = (storage.data_ptr(), nbytes) if nbytes else ("empty", id(tensor))
        key, dtype = self._keys.setdefault(identity, (str(len(self._keys)), kind.dtype))
        if dtype != kind.dtype:
            raise RuntimeError("Cannot save multiple tensors or storages that view the same data as different types")
        self.storages.setdefault(key, tensor)
        return "storage", kind, key, "cpu", nbytes // kind.dtype.itemsize

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, _C.Tensor):
            return _reduce_tensor(obj)
        if type(obj) is _C.Size:
            return _C.Size, (tuple(obj),)
        if type(obj) is _C.device:
            return _C.device, (obj.type,) if obj.index is None else (obj.type, obj.index)
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        place = _PLACES.get(obj)
        if place is None:
            name = name or getattr(obj, "__qualname__", None) or obj.__name__
            module = pickle.whichmodule(obj, name)
            place = saved_module(module), name
            if place[0] == module:
                super().save_global(obj, name)
                return
            found: Any = sys.modules[module]
            for part in name.split("."):
                found = getattr(found, part, None)
            if found is not obj:
                raise pickle.PicklingError(f"Can't pickle {obj!r}: it's not the same object as {module}.{name}")
        self._write_global(obj, *place)

    def _write_global(self, obj: Any, module: str, name: str) -> None:
        if self.proto >= 4:
            self.save(module)
            self.save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
        self.memoize(obj)

    def save_storage_type(self, obj: StorageType) -> None:
        self._write_global(obj, obj.module, obj.name)

    def save_dtype(self, obj: _C.dtype) -> None:
        self._write_global(obj, "torch", dtype_name(obj))

    dispatch = {
        **pickle._Pickler.dispatch,
        StorageType: save_storage_type,
        _C.dtype: save_dtype,
        FunctionType: save_global,
    }


# Native classes, whose own module names are an implementation's affair.
_PLACES = {
    _C.Tensor: ("torch", "Tensor"),
    _C.Parameter: ("torch.nn.parameter", "Parameter"),
    _C.Size: ("torch", "Size"),
    _C.device: ("torch", "device"),
    _C.dtype: ("torch", "dtype"),
    _utils._rebuild_from_type_v2: ("torch._tensor", "_rebuild_from_type_v2"),
}


def _reduce_tensor(tensor: _C.Tensor) -> tuple:
    from _collections import OrderedDict

    state = getattr(tensor, "__dict__", None)
    if isinstance(tensor, _C.Parameter):
        whole = tensor.data, tensor.requires_grad, OrderedDict()
        if state:
            return _utils._rebuild_parameter_with_state, (*whole, state)
        return _utils._rebuild_parameter, whole
    place = tensor.storage_offset(), tuple(tensor.size()), tensor.stride()
    args: tuple
    if tensor.device.type == "meta":
        function = _utils._rebuild_meta_tensor_no_storage
        args = tensor.dtype, *place[1:], tensor.requires_grad
    elif dtype_name(tensor.dtype) in STORAGE_NAMES:
        function = _utils._rebuild_tensor_v2
        args = _Storage(tensor), *place, tensor.requires_grad, OrderedDict()
    else:
        function = _utils._rebuild_tensor_v3
        args = _Storage(tensor), *place, tensor.requires_grad, OrderedDict(), tensor.dtype
    if type(tensor) is _C.Tensor and not state:
        return function, args
    return _utils._rebuild_from_type_v2, (function, type(tensor), args, state or {})
