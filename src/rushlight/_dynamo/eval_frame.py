"""The module that `torch.compile(module)` gives, and what else programs call of the compiler."""

from __future__ import annotations

from ..nn import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["OptimizedModule", "disable", "reset"]


class OptimizedModule(Module):
    """A module in the wrapper that `torch.compile` puts around it; calls go to the module itself.

    Programs see the wrapper: keys of its state_dict begin with `_orig_mod.`, `print` shows it, and `_orig_mod` is the
    module. Other attributes are the module's.

    >>> import rushlight as torch
    >>> list(torch.compile(torch.nn.Linear(1, 1)).state_dict())
    ['_orig_mod.weight', '_orig_mod.bias']
    """

    _orig_mod: Module
    __module__ = "torch._dynamo.eval_frame"

    def __init__(self, mod: Module) -> None:
        super().__init__()
        super().__setattr__("_orig_mod", mod)
        super().__setattr__("training", mod.training)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._orig_mod(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return super().__getattr__(name)
        return getattr(self._orig_mod, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_orig_mod", "training", "forward"):
            super().__setattr__(name, value)
        else:
            setattr(self._orig_mod, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._orig_mod, name)

    def __len__(self) -> int:
        return len(self._orig_mod)  # type: ignore[arg-type]

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *dir(self._orig_mod)})


def reset() -> None:
    """Forgets what was compiled, which is nothing."""


def disable(fn: Callable | None = None, recursive: bool = True, **kwargs: Any) -> Any:
    """The function itself, as a call or a decorator: it is not compiled in any case."""
    return (lambda function: function) if fn is None else fn
