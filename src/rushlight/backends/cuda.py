"""`torch.backends.cuda`: absent; its settings are kept and change nothing."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class _Settings:
    def __init__(self, **settings: Any) -> None:
        self.__dict__.update(settings)


matmul = _Settings(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=True,
    allow_bf16_reduced_precision_reduction=True,
    allow_fp16_accumulation=False,
    fp32_precision="none",
)
cufft_plan_cache = _Settings(size=0, max_size=0)


def is_built() -> bool:
    """False."""
    return False


# Which of PyTorch's attention kernels may be chosen: name -> setting.
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def _enabled(kernel: str) -> Callable[[], bool]:
    def enabled() -> bool:
        """What was set last."""
        return _attention[kernel]

    return enabled


def _enable(kernel: str) -> Callable[[bool], None]:
    def enable(enabled: bool) -> None:
        """Keeps the setting."""
        _attention[kernel] = enabled

    return enable


flash_sdp_enabled, enable_flash_sdp = _enabled("flash"), _enable("flash")
mem_efficient_sdp_enabled, enable_mem_efficient_sdp = _enabled("mem_efficient"), _enable("mem_efficient")
math_sdp_enabled, enable_math_sdp = _enabled("math"), _enable("math")
cudnn_sdp_enabled, enable_cudnn_sdp = _enabled("cudnn"), _enable("cudnn")


def is_flash_attention_available() -> bool:
    """False."""
    return False


def preferred_linalg_library(backend: str | None = None) -> str:
    """Always "default": there is no choice."""
    return "default"


def preferred_blas_library(backend: str | None = None) -> str:
    """Always "default": there is no choice."""
    return "default"


class sdp_kernel:
    """`with sdp_kernel(...)`: settings of attention kernels for a while."""

    def __init__(
        self,
        enable_flash: bool = True,
        enable_math: bool = True,
        enable_mem_efficient: bool = True,
        enable_cudnn: bool = True,
    ) -> None:
        self._settings = {
            "flash": enable_flash,
            "math": enable_math,
            "mem_efficient": enable_mem_efficient,
            "cudnn": enable_cudnn,
        }

    def __enter__(self) -> dict[str, bool]:
        self._before = dict(_attention)
        _attention.update(self._settings)
        return {}

    def __exit__(self, *error: object) -> None:
        _attention.update(self._before)
