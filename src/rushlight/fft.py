"""Discrete Fourier transforms. Names are found in the native table when they are first used."""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def __getattr__(name: str) -> Any:
    value = getattr(_C, f"fft_{name}", None)
    if value is None or name.startswith("_"):
        raise AttributeError(f"module 'rushlight.fft' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(name[4:] for name in dir(_C) if name.startswith("fft_"))
