"""PyTorch's file name for `ExponentialFamily`."""

from .distribution import ExponentialFamily

__all__ = ["ExponentialFamily"]
