"""`torch.accelerator` without one: it is not available, and what needs a device raises as in PyTorch.

>>> import rushlight as torch
>>> torch.accelerator.current_accelerator() or torch.device("cpu")
device(type='cpu')
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

__all__ = ["is_available", "device_count", "current_accelerator", "synchronize", "empty_cache", "memory_allocated"]


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None: there is no accelerator."""
    return None


def _none_there(*args: Any, **kwargs: Any) -> NoReturn:
    raise RuntimeError("Cannot access accelerator device when none is available.")


synchronize = empty_cache = empty_host_cache = current_stream = set_stream = _none_there
current_device_index = current_device_idx = set_device_index = set_device_idx = device_index = _none_there
memory_allocated = max_memory_allocated = memory_reserved = max_memory_reserved = memory_stats = _none_there
reset_peak_memory_stats = reset_accumulated_memory_stats = get_memory_info = get_device_capability = _none_there
