"""`torch.backends.cudnn`: absent; its settings are kept and change nothing."""

from __future__ import annotations

from ._flags import Flags

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True
fp32_precision = "none"


def is_available() -> bool:
    """False."""
    return False


def version() -> None:
    """None: there is no cuDNN."""
    return None


def is_acceptable(tensor: object) -> bool:
    """False: cuDNN takes tensors on a GPU."""
    return False


def set_flags(
    _enabled: bool | None = None,
    _benchmark: bool | None = None,
    _benchmark_limit: int | None = None,
    _deterministic: bool | None = None,
    _allow_tf32: bool | None = None,
) -> tuple:
    """Sets what is not None; returns the settings as they were."""
    before = enabled, benchmark, benchmark_limit, deterministic, allow_tf32
    flags(_enabled, _benchmark, _benchmark_limit, _deterministic, _allow_tf32).__enter__()
    return before


def flags(
    enabled: bool | None = False,
    benchmark: bool | None = False,
    benchmark_limit: int | None = 10,
    deterministic: bool | None = False,
    allow_tf32: bool | None = True,
) -> Flags:
    """`with flags(enabled=...)`: settings for a while."""
    return Flags(
        __name__,
        enabled=enabled,
        benchmark=benchmark,
        benchmark_limit=benchmark_limit,
        deterministic=deterministic,
        allow_tf32=allow_tf32,
    )
