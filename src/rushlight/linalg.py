"""Linear algebra: decompositions, solving, norms. Names are found in the native table when they are first used."""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class LinAlgError(RuntimeError):
    """A matrix that cannot be factorised or inverted."""


LinAlgError.__module__ = "torch._C"
LinAlgError.__qualname__ = LinAlgError.__name__ = "_LinAlgError"


def __getattr__(name: str) -> Any:
    value = getattr(_C, f"linalg_{name}", None)
    if value is None or name.startswith("_"):
        raise AttributeError(f"module 'rushlight.linalg' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(["LinAlgError", *(name[7:] for name in dir(_C) if name.startswith("linalg_"))])
