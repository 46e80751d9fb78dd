"""`torch.cuda.amp`, the older spelling of `torch.amp` for device "cuda"."""

from __future__ import annotations

from .. import amp as _amp
from ..amp import custom_bwd, custom_fwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["autocast", "GradScaler", "custom_fwd", "custom_bwd"]


class autocast(_amp.autocast):
    """`torch.amp.autocast("cuda", ...)`: disabled, as there is no CUDA."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        _amp._warn_of_old_name("cuda", "autocast")
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(_amp.GradScaler):
    """`torch.amp.GradScaler("cuda", ...)`: disabled, as there is no CUDA."""

    def __init__(
        self,
        init_scale: float = 65536.0,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        _amp._warn_of_old_name("cuda", "GradScaler")
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)
