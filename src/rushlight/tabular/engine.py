"""The tensor library that fits and predicts: rushlight, or PyTorch where the user asks for it by name.

Everything else in this package is written against the namespace that `load` returns, using only names that both
libraries have.  This is the one place in rushlight that can import PyTorch.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

ENGINES = ("rushlight", "torch")


def load(name: str = "rushlight") -> ModuleType:
    """The namespace that goes by the name `torch` in this package."""
    if name == "rushlight":
        import rushlight

        return rushlight
    from rushlight.tabular.errors import DataError

    if name not in ENGINES:
        raise DataError(f"no engine {name!r}: choose one of {', '.join(ENGINES)}")
    from importlib import import_module

    try:
        return import_module("torch")
    except ImportError as error:
        raise DataError(f"--engine torch needs PyTorch, which cannot be imported here ({error})") from None
