"""What programs touch of PyTorch's compiler: they reset it and set its options, which changes nothing here."""

from __future__ import annotations

from types import SimpleNamespace

from .eval_frame import OptimizedModule, disable, reset

__all__ = ["OptimizedModule", "config", "disable", "reset"]

config = SimpleNamespace(suppress_errors=False, verbose=False, cache_size_limit=8, recompile_limit=8)
