"""DataParallel for machines without GPUs: the wrapper PyTorch also falls back to there."""

from __future__ import annotations

from .modules.module import Module

__all__ = ["DataParallel"]


class DataParallel(Module):
    """Calls `module` as it is. Parameters keep PyTorch's `module.` prefix, so checkpoints fit both ways."""

    def __init__(self, module: Module, device_ids=None, output_device=None, dim: int = 0) -> None:
        super().__init__()
        self.module = module
        self.device_ids: list = []
        self.dim = dim

    def forward(self, *inputs, **kwargs):
        return self.module(*inputs, **kwargs)
