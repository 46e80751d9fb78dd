"""`torch.mps` away from Apple's GPUs: no devices; commands raise as in PyTorch."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed; `torch.manual_seed` seeds the CPU."""


def seed() -> None:
    """Nothing to seed."""


def _needs_mps(action: str) -> Callable[..., NoReturn]:
    def raises(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(f"Cannot execute {action}() without MPS backend.")

    return raises


synchronize = _needs_mps("deviceSynchronize")
empty_cache = _needs_mps("emptyCache")
current_allocated_memory = _needs_mps("getCurrentAllocatedMemory")
driver_allocated_memory = _needs_mps("getDriverAllocatedMemory")
recommended_max_memory = _needs_mps("getRecommendedMaxMemory")
set_per_process_memory_fraction = _needs_mps("setMemoryFraction")
