"""PyTorch's file name for `autocast`."""

from . import autocast, custom_bwd, custom_fwd, is_autocast_available

__all__ = ["autocast", "custom_fwd", "custom_bwd", "is_autocast_available"]
