"""`torch.compiler`: answers for programs that steer PyTorch's compiler; nothing is compiled here."""

from __future__ import annotations

from ._functions import compile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "allow_in_graph",
    "compile",
    "cudagraph_mark_step_begin",
    "disable",
    "is_compiling",
    "is_dynamo_compiling",
    "is_exporting",
    "list_backends",
    "reset",
    "set_stance",
]


def is_compiling() -> bool:
    """False: code always runs as it is written.

    >>> import rushlight as torch
    >>> torch.compiler.is_compiling()
    False
    """
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """Forgets what was compiled, which is nothing."""


def cudagraph_mark_step_begin() -> None:
    """Does nothing: there are no CUDA graphs."""


def disable(fn: Callable | None = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself, as a call or a decorator: it is not compiled in any case."""
    return (lambda function: function) if fn is None else fn


def allow_in_graph(fn: Any) -> Any:
    """The function itself."""
    return fn


def list_backends(exclude_tags: tuple[str, ...] = ("debug", "experimental")) -> list[str]:
    """[]: there is no backend; `torch.compile` takes any name."""
    return []


class set_stance:
    """When to compile, for a block or a function; it is never done."""

    def __init__(self, stance: str = "default", **options: Any) -> None:
        self.stance = stance

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        pass

    def __call__(self, fn: Callable) -> Callable:
        return fn
