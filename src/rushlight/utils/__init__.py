"""Utilities around training; each submodule is imported when it is first named."""

from __future__ import annotations

_SUBMODULES = frozenset({"_pytree", "benchmark", "checkpoint", "data", "dlpack", "hooks"})


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        # `from . import data` would ask this very function for `data` and never return.
        __import__(f"{__name__}.{name}")
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(globals().keys() | _SUBMODULES)
