"""`torch.cpu`: what scripts ask of every kind of device, asked of the CPU."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["current_device", "device_count", "is_available", "is_initialized", "set_device", "synchronize"]


def is_available() -> bool:
    """True.

    >>> import rushlight as torch
    >>> torch.cpu.is_available(), torch.cpu.device_count(), torch.cpu.current_device()
    (True, 1, 'cpu')
    """
    return True


is_initialized = is_available


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """'cpu'."""
    return "cpu"


def set_device(device: Any) -> None:
    """Does nothing: there is one."""


def synchronize(device: Any = None) -> None:
    """Does nothing: an operation is done when its call returns."""


def __getattr__(name: str) -> object:
    if name == "amp":
        __import__(f"{__name__}.amp")
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
