"""The file format before PyTorch 1.6: a row of pickles, then the bytes of the storages."""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO, Any

    from rushlight._io.serialization import Unpickle, _Restore

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


def load_legacy(file: IO[bytes], restore: _Restore, unpickle: Unpickle) -> Any:
    """Reads magic number, version, system, object, storage keys, then for each key its length and contents."""
    from _pickle import UnpicklingError
    from io import BytesIO

    from rushlight._io.serialization import storage_id, swap_bytes
    from rushlight._io.unpickling import Unpickler
    from rushlight._utils import FlatStorage

    stream = BytesIO(file.read())
    end = len(stream.getbuffer())
    storages: dict[Any, FlatStorage] = {}
    blank: dict[Any, _C.Tensor] = {}

    def no_storage(saved_id: Any) -> None:
        raise UnpicklingError("unsupported persistent id encountered")

    def plain() -> Any:
        return Unpickler(stream, no_storage).load()

    def persistent_load(saved_id: Any) -> Any:
        if type(saved_id) is tuple and len(saved_id) == 4 and saved_id[0] == "module":
            return saved_id[1]  # a class, with its source code, which does not interest us
        kind, key, location, numel = storage_id(saved_id, 6)
        view = saved_id[5]
        if key not in storages:
            nbytes = numel * kind.dtype.itemsize
            if nbytes > end:
                raise RuntimeError(f"storage {key} is declared to have {nbytes} bytes, but the file has {end}")

            def allocate() -> _C.Tensor:
                # Filled in below: the contents come after the object.
                blank[key] = _C.zeros(numel, dtype=kind.dtype)
                return blank[key]

            storages[key] = restore(location, kind.dtype, numel, allocate)
        if view is None:
            return storages[key]
        _, offset, size = view
        return FlatStorage(storages[key].flat.narrow(0, offset, size).data)

    magic = plain()
    if magic != _MAGIC:
        raise RuntimeError("Invalid magic number; corrupt file?")
    version = plain()
    if version != _VERSION:
        raise RuntimeError(f"Invalid protocol version: {version}")
    system = plain()
    result = unpickle(stream, persistent_load)
    keys = plain()
    big = isinstance(system, dict) and system.get("little_endian") is False
    for key in keys if isinstance(keys, list) else ():
        numel = int.from_bytes(stream.read(8), "big" if big else "little")
        flat = blank.get(key)
        if flat is None:
            raise RuntimeError(f"storage {key!r} has contents in the file, but no tensor uses it")
        if numel != flat.numel():
            raise RuntimeError(f"storage {key!r} has {numel} elements in the file where {flat.numel()} are declared")
        target = _C._storage_bytes(flat)
        data = stream.read(len(target))
        if len(data) < len(target):
            raise RuntimeError(f"unexpected EOF, storage {key!r} ends early; the file might be corrupted")
        target[:] = data
        if big:
            swap_bytes(target, flat.dtype)
    return result
