"""`save` and `load`: PyTorch's `.pt` files."""

from __future__ import annotations

import os

from rushlight import _C
from rushlight._hints import hinted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

    FileLike = str | os.PathLike[str] | IO[bytes]
    MapLocation = Callable[[Any, str], Any] | _C.device | str | dict[str, str] | None

_UNSAFE_MESSAGE = (
    "In PyTorch 2.6, we changed the default value of the `weights_only` argument in `torch.load` "
    "from `False` to `True`. Re-running `torch.load` with `weights_only` set to `False` will likely succeed, "
    "but it can result in arbitrary code execution. Do it only if you got the file from a trusted source."
)


def save(
    obj: object,
    f: FileLike,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Writes an object with the tensors in it to a file that PyTorch can load too.

    Tensors that share memory share it again when loaded. Given a path, the file appears under it only once it is
    complete: a save that fails leaves what was there. The pickle in it is always Python's own (`pickle_module` is
    accepted and unused); the format before PyTorch 1.6 is read but not written.

    >>> torch.save({"w": torch.ones(2)}, "/tmp/w.pt"); torch.load("/tmp/w.pt")
    {'w': tensor([1., 1.])}
    """
    if not _use_new_zipfile_serialization:
        raise RuntimeError("the format before PyTorch 1.6 is not written: drop _use_new_zipfile_serialization=False")
    if not isinstance(f, (str, os.PathLike)):
        if not hasattr(f, "write"):
            raise AttributeError("expected 'f' to be string, path, or a file-like object with a 'write' attribute")
        _write(obj, f, "archive", pickle_protocol, _disable_byteorder_record)
        f.flush()
        return
    path = os.path.realpath(os.fspath(f))
    folder, base = os.path.split(path)
    if not os.path.isdir(folder):
        raise RuntimeError(f"Parent directory {os.path.dirname(os.fspath(f))} does not exist.")
    stem = os.path.basename(os.fspath(f)).rpartition(".")[0] or base
    prefix = stem if stem.isascii() else "archive"
    if os.path.exists(path) and not os.path.isfile(path):  # a directory (an error) or a device: nothing to replace
        with open(path, "wb") as file:
            _write(obj, file, prefix, pickle_protocol, _disable_byteorder_record)
        return
    temporary = os.path.join(folder, f".{base}.{os.getpid()}.{id(obj):x}.tmp")
    try:
        with open(temporary, "xb") as file:
            _write(obj, file, prefix, pickle_protocol, _disable_byteorder_record)
        if os.path.exists(path):
            os.chmod(temporary, os.stat(path).st_mode)
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


def _write(obj: object, file: IO[bytes], prefix: str, protocol: int, without_byteorder: bool) -> None:
    import sys
    from io import BytesIO

    from rushlight._io.archive import ALIGNMENT, ArchiveWriter
    from rushlight._io.pickling import Pickler

    buffer = BytesIO()
    pickler = Pickler(buffer, protocol)
    pickler.dump(obj)
    archive = ArchiveWriter(file, prefix)
    archive.write("data.pkl", buffer.getvalue())
    archive.write(".format_version", b"1")
    archive.write(".storage_alignment", b"%d" % ALIGNMENT)
    if not without_byteorder:
        archive.write("byteorder", sys.byteorder.encode())
    for key, tensor in pickler.storages.items():
        archive.write(f"data/{key}", _C._storage_bytes(tensor))
    archive.close()


def load(
    f: FileLike,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """Reads what `save`, or PyTorch's, wrote (since PyTorch 1.6; also the older format without zip).

    Nothing that the file names is imported or called. With `weights_only` (the default) it may hold tensors,
    containers, numbers, strings, NumPy arrays, and what `serialization.add_safe_globals` was told. Without it,
    also objects of classes from modules that the program has imported; their code runs, so trust the file.

    `map_location` says where tensors go that were saved on another device: a device, a dict from saved to new
    devices, or a function of storage and saved location. `mmap=True` (a path is needed) maps the file into memory:
    its contents are read when they are used, and writing to a tensor leaves the file alone.
    """
    if weights_only is None:
        weights_only = pickle_module is None and not _from_environment("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    if _from_environment("TORCH_FORCE_WEIGHTS_ONLY_LOAD"):
        weights_only = True
    if weights_only and pickle_module is not None:
        raise RuntimeError("Can not safely load weights when explicit pickle_module is specified")
    if weights_only and pickle_load_args:
        from warnings import warn

        warn("pickle_load_args only works if `weights_only=False`.", stacklevel=2)
    pickle_load_args.setdefault("encoding", "utf-8")

    is_path = isinstance(f, (str, os.PathLike))
    if mmap and not is_path:
        raise ValueError("f must be a file path in order to use the mmap argument")
    if is_path:
        with open(f, "rb") as file:
            return _load_file(file, map_location, weights_only, bool(mmap), pickle_load_args)
    _check_seekable(f)
    return _load_file(f, map_location, weights_only, False, pickle_load_args)


def _load_file(
    file: IO[bytes], map_location: MapLocation, weights_only: bool, mmap: bool, pickle_args: dict[str, Any]
) -> Any:
    from _pickle import UnpicklingError

    start = file.tell()
    head = file.read(16)
    is_zip = head[:4] == b"PK\3\4"
    file.seek(start)
    if mmap and not is_zip:
        raise RuntimeError(
            "mmap can only be used with files saved with "
            f"`torch.save({file.name}, _use_new_zipfile_serialization=True), "
            "please torch.save your checkpoint with this option in order to use mmap."
        )
    restore = _location_rule(map_location)
    try:
        if is_zip:
            return _load_archive(file, restore, weights_only, mmap, pickle_args)
        from rushlight._io.legacy import load_legacy

        return load_legacy(file, restore, _unpickler(weights_only, pickle_args))
    except (UnpicklingError, EOFError) as error:
        reported = error
        if weights_only and isinstance(error, UnpicklingError):
            reported = UnpicklingError(_explain(str(error)))
        if not is_zip and head[:1] != b"\x80":  # the first byte of every pickle since protocol 2
            name = getattr(file, "name", None)
            begins = f"it begins with {head!r}" if head else "it is empty"
            hinted(reported, f"{'this' if name is None else repr(name)} was not written by torch.save: {begins}")
        if reported is error:
            raise
        raise reported from None


def _load_archive(
    file: IO[bytes], restore: _Restore, weights_only: bool, mmap: bool, pickle_args: dict[str, Any]
) -> Any:
    import sys
    from io import BytesIO

    from rushlight._io.archive import ArchiveReader
    from rushlight._utils import FlatStorage

    archive = ArchiveReader(file)
    if "constants.pkl" in archive:
        raise RuntimeError("this is a TorchScript archive, which rushlight cannot run: load it with PyTorch")
    byteorder = archive.read("byteorder") if "byteorder" in archive else b"little"
    if byteorder not in (b"little", b"big"):
        raise ValueError("Unknown endianness type: " + byteorder.decode(errors="replace"))
    swap = byteorder.decode() != sys.byteorder
    mapped = _map(file) if mmap else None
    storages: dict[str, FlatStorage] = {}

    def read(record: str, dtype: _C.dtype, numel: int) -> _C.Tensor:
        nbytes = numel * dtype.itemsize
        if archive.size(record) < nbytes:
            raise RuntimeError(
                f"storage {record} is declared to have {nbytes} bytes, but its record holds {archive.size(record)}"
            )
        place = archive.place(record)
        if mapped is not None and nbytes and not swap and place % dtype.itemsize == 0:
            return _C.frombuffer(mapped, dtype=dtype, count=numel, offset=place)
        flat = _C.empty(numel, dtype=dtype)
        target = _C._storage_bytes(flat)[:nbytes]
        archive.read_into(record, target)
        if swap:
            swap_bytes(target, dtype)
        return flat

    def persistent_load(saved_id: Any) -> FlatStorage:
        kind, key, location, numel = storage_id(saved_id, 5)
        if key not in storages:
            storages[key] = restore(location, kind.dtype, numel, lambda: read(f"data/{key}", kind.dtype, numel))
        return storages[key]

    unpickle = _unpickler(weights_only, pickle_args)
    return unpickle(BytesIO(archive.read("data.pkl")), persistent_load)


def storage_id(saved_id: Any, length: int) -> list:
    """The parts of a storage's persistent id after the word "storage", checked."""
    from _pickle import UnpicklingError

    from rushlight._io.names import StorageType

    if type(saved_id) is not tuple or len(saved_id) != length:
        raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(saved_id)}")
    what, kind, key, location, numel = [p.decode() if isinstance(p, bytes) else p for p in saved_id[:5]]
    if what != "storage":
        raise UnpicklingError(f"Only persistent_load of storage is allowed, but got {what!r}")
    if not isinstance(kind, StorageType) or not isinstance(location, str) or not isinstance(key, (str, int)):
        raise UnpicklingError("the id of a storage is damaged")
    if type(numel) is not int or not 0 <= numel < 1 << 60:
        raise UnpicklingError(f"a storage cannot have {numel} elements")
    return [kind, key, location, numel]


def swap_bytes(data: memoryview, dtype: _C.dtype) -> None:
    """Reverses the bytes of each number in place."""
    width = dtype.itemsize // 2 if dtype.is_complex else dtype.itemsize
    copy = bytes(data)
    for i in range(width):
        data[i::width] = copy[width - 1 - i :: width]


def _map(file: IO[bytes]) -> Any:
    import mmap

    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)


if TYPE_CHECKING:
    Unpickle = Callable[[IO[bytes], Callable[[Any], Any]], Any]
    _Restore = Callable[[str, _C.dtype, int, Callable[[], _C.Tensor]], Any]


def _unpickler(weights_only: bool, pickle_args: dict[str, Any]) -> Unpickle:
    """A function that reads one object from a file, with the given function for storages."""
    if weights_only:
        from rushlight._io.unpickling import Unpickler

        return lambda file, persistent_load: Unpickler(file, persistent_load, pickle_args["encoding"]).load()
    return lambda file, persistent_load: _trusting_unpickler(file, persistent_load, pickle_args).load()


def _trusting_unpickler(file: IO[bytes], persistent_load: Callable[[Any], Any], pickle_args: dict[str, Any]) -> Any:
    import _pickle

    from rushlight._io import names

    known = names.table()

    class Unpickler(_pickle.Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            module, name = names.modern(module, name)
            full = f"{module}.{name}"
            # NumPy's own functions serve better here than our reader of their arguments.
            if full in known and not module.startswith("numpy"):
                return known[full]
            return names.imported(module, name)

        def persistent_load(self, saved_id: Any) -> Any:
            return persistent_load(saved_id)

    return Unpickler(file, **pickle_args)


def _location_rule(map_location: MapLocation) -> _Restore:
    """A function that makes the storage of a saved location: read where it belongs here, or refused."""
    from rushlight._utils import FlatStorage

    def restore(location: str, dtype: _C.dtype, numel: int, read: Callable[[], _C.Tensor]) -> FlatStorage:
        if isinstance(map_location, dict):
            location = map_location.get(location, location)
        elif isinstance(map_location, bytes):
            location = map_location.decode()
        elif isinstance(map_location, (str, _C.device)):
            location = str(map_location)
        elif map_location is not None:
            flat = read()
            storage = flat.untyped_storage()
            chosen = map_location(storage, location)
            if chosen is not None:
                if chosen is not storage and chosen.data_ptr() != storage.data_ptr():
                    flat = _C.empty(0, dtype=dtype).set_(chosen)
                return FlatStorage(flat)
        if str(location) == "meta":
            return FlatStorage(_C.empty(numel, dtype=dtype, device="meta"))
        _require_cpu(str(location))
        return FlatStorage(read())

    return restore


def _require_cpu(location: str) -> None:
    backend = location.partition(":")[0]
    if backend == "cpu":
        return
    if backend.rstrip("0123456789") in ("cuda", "xpu", "hpu", "mps", "mtia"):
        backend = backend.rstrip("0123456789")
        raise RuntimeError(
            f"Attempting to deserialize object on a {backend.upper()} "
            f"device but torch.{backend}.is_available() is False. "
            "If you are running on a CPU-only machine, "
            "please use torch.load with map_location=torch.device('cpu') "
            "to map your storages to the CPU."
        )
    raise RuntimeError(
        f"don't know how to restore data location of torch.storage.UntypedStorage (tagged with {location})"
    )


def _from_environment(name: str) -> bool:
    return os.environ.get(name, "0").lower() in ("1", "y", "yes", "true")


def _check_seekable(f: Any) -> None:
    from io import UnsupportedOperation

    try:
        f.seek(f.tell())
    except (UnsupportedOperation, AttributeError) as error:
        raise type(error)(
            f"{error}. You can only torch.load from a file that is seekable."
            " Please pre-load the data into a buffer like io.BytesIO and"
            " try to load from it instead."
        ) from None


def _explain(message: str) -> str:
    """The message of a refused file, with what its reader can do about it."""
    if "was not an allowed global by default" in message:
        return (
            "Weights only load failed. This file can still be loaded, to do so you have two options, "
            "\033[1mdo those steps only if you trust the source of the checkpoint\033[0m. "
            f"\n\t(1) {_UNSAFE_MESSAGE}\n\t(2) Alternatively, to load with `weights_only=True` please check "
            f"the recommended steps in the following error message.\n\tWeightsUnpickler error: {message}"
        )
    return f"Weights only load failed. WeightsUnpickler error: {message}"
