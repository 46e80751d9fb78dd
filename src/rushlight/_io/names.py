"""The names that pickles of tensors use: PyTorch's, for what is ours.

A file names classes and functions. While it is read nothing is imported and nothing else is called: each
name is looked up in the table here, in what the program declared safe, or is refused.
"""

from __future__ import annotations

import sys

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# dtype -> the storage type under which its tensors are saved; all others are saved as bytes.
STORAGE_NAMES = {
    "float64": "DoubleStorage",
    "float32": "FloatStorage",
    "float16": "HalfStorage",
    "bfloat16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
    "complex128": "ComplexDoubleStorage",
    "complex64": "ComplexFloatStorage",
}
OTHER_DTYPES = (
    "complex32",
    "uint16",
    "uint32",
    "uint64",
    "float8_e4m3fn",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
)


class StorageType:
    """Stands for a storage class in a pickle: the name it has there, and its dtype."""

    def __init__(self, module: str, name: str, dtype: _C.dtype) -> None:
        self.module = module
        self.name = name
        self.dtype = dtype


def dtype_name(dtype: _C.dtype) -> str:
    return str(dtype)[len("torch.") :]


def storage_type(dtype: _C.dtype) -> StorageType:
    name = STORAGE_NAMES.get(dtype_name(dtype))
    if name is None:
        return StorageType("torch.storage", "UntypedStorage", _C.uint8)
    return StorageType("torch", name, dtype)


def saved_module(module: str) -> str:
    """The module name to write for one of ours, so that PyTorch finds the class too."""
    if module == "rushlight" or module.startswith("rushlight."):
        return "torch" + module[len("rushlight") :].removeprefix("._C")
    return module


def our_module(module: str) -> str:
    if module == "torch" or module.startswith("torch."):
        return "rushlight" + module[len("torch") :]
    return module


def modern(module: str, name: str) -> tuple[str, str]:
    """The present name of what protocol 2 names as Python 2 did (`__builtin__.set`)."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    return NAME_MAPPING.get((module, name)) or (IMPORT_MAPPING.get(module, module), name)


# ---------------------------------------------------------------- what the program declared safe

_declared: set = set()

# Nothing from these can be declared safe.
BLOCKED_MODULES = frozenset({"sys", "os", "posix", "nt"})


def add_safe_globals(safe_globals: list) -> None:
    """Lets `load(weights_only=True)` use these classes and functions; an item may be `(object, "full.name")`."""
    _declared.update(safe_globals)


def get_safe_globals() -> list:
    """What was declared safe so far."""
    return list(_declared)


def clear_safe_globals() -> None:
    """Forgets all that was declared safe."""
    _declared.clear()


class safe_globals:
    """`with safe_globals([...]):` declares objects safe for the time of the block."""

    def __init__(self, safe_globals: list) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exc_info: object) -> None:
        _declared.difference_update(self.safe_globals)


def declared() -> dict[str, Any]:
    """The declared objects by the names that files use for them."""
    result = {}
    for item in _declared:
        if isinstance(item, tuple):
            if len(item) != 2:
                raise ValueError(
                    "Expected tuple of length 2 (global, str of callable full path), "
                    f"but got tuple of length: {len(item)}"
                )
            target, name = item
            if type(name) is not str:
                raise TypeError(f"Expected second item in tuple to be str of callable full path, but got: {type(name)}")
            result[name] = target
        else:
            result[f"{saved_module(item.__module__)}.{item.__qualname__}"] = item
    return result


# ---------------------------------------------------------------- what is always safe

_table: dict[str, Any] = {}


def table() -> dict[str, Any]:
    """The names that any file may use. What the values can do is bounded by the size of the file."""
    if not _table:
        from _collections import OrderedDict

        from rushlight import _utils
        from rushlight._io import numpy_forms

        for dtype in (*STORAGE_NAMES, *OTHER_DTYPES):
            if hasattr(_C, dtype):
                _table[f"torch.{dtype}"] = getattr(_C, dtype)
        for dtype, name in STORAGE_NAMES.items():
            _table[f"torch.{name}"] = _table[f"torch.storage.{name}"] = storage_type(getattr(_C, dtype))
        for module in ("torch", "torch.storage"):
            _table[f"{module}.UntypedStorage"] = StorageType("torch.storage", "UntypedStorage", _C.uint8)
        for function in (
            _utils._rebuild_tensor,
            _utils._rebuild_tensor_v2,
            _utils._rebuild_tensor_v3,
            _utils._rebuild_meta_tensor_no_storage,
            _utils._rebuild_parameter,
            _utils._rebuild_parameter_with_state,
        ):
            _table[f"torch._utils.{function.__name__}"] = function
        _table["torch._tensor._rebuild_from_type_v2"] = _utils._rebuild_from_type_v2
        _table["torch.Tensor"] = _C.Tensor
        _table["torch.nn.parameter.Parameter"] = _C.Parameter
        _table["torch.Size"] = _C.Size
        _table["torch.device"] = _C.device
        _table["torch.serialization._get_layout"] = _layout
        _table["collections.OrderedDict"] = OrderedDict
        _table["collections.Counter"] = _counter
        _table["builtins.set"] = set
        _table["builtins.frozenset"] = frozenset
        _table["builtins.complex"] = complex
        _table["builtins.bytearray"] = _bytearray
        _table["_codecs.encode"] = _encode
        _table.update(numpy_forms.NAMES)
    return _table


def _layout(name: str) -> Any:
    if name != "torch.strided":
        raise RuntimeError(f"layout {name} is not supported")
    return _C.strided


def _counter(*args: Any) -> Any:
    from collections import Counter

    return Counter(*args)


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 spells bytes. Other codecs would let a small file become a very large value."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"bytes in encoding {encoding!r}")
    return text.encode("latin1")


def _bytearray(data: bytes | str = b"", encoding: str = "latin1") -> bytearray:
    if isinstance(data, str):
        data = _encode(data, encoding)
    if type(data) is not bytes:  # an int would allocate that many bytes
        raise TypeError("a bytearray is made from bytes")
    return bytearray(data)


# ---------------------------------------------------------------- weights_only=False

_SAFE_BUILTINS = frozenset(
    "bool int float complex str bytes bytearray list tuple dict set frozenset slice range object".split()
)


def imported(module: str, name: str) -> Any:
    """A class or function of a module that the program itself has imported."""
    from _pickle import UnpicklingError

    full = f"{module}.{name}"
    if module in BLOCKED_MODULES or (module == "builtins" and name not in _SAFE_BUILTINS):
        raise UnpicklingError(f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked.")
    found = _ours(our_module(module)) if our_module(module) != module else sys.modules.get(module)
    if found is None:
        raise UnpicklingError(
            f"The file names {full}, but the module {module!r} has not been imported. Loading never imports what a "
            f"file names: if you trust it, write `import {module}` before the call of load."
        )
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise UnpicklingError(f"The file names {full}, but the module {module!r} has no {name!r}.") from None
    return found


def _ours(module: str) -> Any:
    """A module of this package, by way of attributes: parts of it are imported when first named."""
    found: Any = sys.modules["rushlight"]
    for part in module.split(".")[1:]:
        found = getattr(found, part, None)
    return sys.modules.get(module, found)


def resolver() -> Callable[[str, str], Any]:
    """A function from module and name to an allowed object; UnpicklingError for all others."""
    from _pickle import UnpicklingError

    always, by_program = table(), declared()

    def find(module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if module in BLOCKED_MODULES:
            raise UnpicklingError(f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked.")
        if full in by_program:
            return by_program[full]
        if full in always:
            return always[full]
        full = full.removeprefix("builtins.")
        raise UnpicklingError(
            f"Unsupported global: GLOBAL {full} was not an allowed global by default. "
            f"Please use `torch.serialization.add_safe_globals([{full}])` or the "
            f"`torch.serialization.safe_globals([{full}])` context manager to allowlist this global "
            "if you trust this class/function."
        )

    return find
