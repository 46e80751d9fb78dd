"""Signal processing: windows."""

from __future__ import annotations


def __getattr__(name: str) -> object:
    if name == "windows":
        __import__(f"{__name__}.windows")
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "windows"})
