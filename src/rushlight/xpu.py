"""`torch.xpu` away from Intel's GPUs: no devices; commands raise as in PyTorch."""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed; `torch.manual_seed` seeds the CPU."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed; `torch.manual_seed` seeds the CPU."""


def empty_cache() -> None:
    """Gives the memory that rushlight keeps for the next tensors back to the system: there is only the CPU's."""
    _C._empty_cache()


def _no_xpu(*args: Any, **kwargs: Any) -> NoReturn:
    raise AssertionError("Torch not compiled with XPU enabled")


synchronize = current_device = current_stream = get_device_name = get_device_properties = init = _no_xpu
