"""Special functions. Names are found in the native table when they are first used."""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_SHARED = frozenset(("softmax", "log_softmax"))  # under the same name in `torch` itself


def __getattr__(name: str) -> Any:
    value = getattr(_C, name if name in _SHARED else f"special_{name}", None)
    if value is None or name.startswith("_"):
        raise AttributeError(f"module 'rushlight.special' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_SHARED, *(name[8:] for name in dir(_C) if name.startswith("special_"))])
