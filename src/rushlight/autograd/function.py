"""``autograd.Function``: operations whose forward and backward the user writes."""

from __future__ import annotations

from .. import _C
from .grad_mode import no_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["BackwardCFunction", "Function", "FunctionCtx", "FunctionMeta", "once_differentiable"]

_Tensor = _C.Tensor


class FunctionCtx(_C._FunctionBase):
    """The first argument of ``forward`` and ``backward``: carries tensors and attributes from one to the other.

    It is the graph's own node, so ``y.grad_fn`` is the context that ``forward`` saw.
    """

    __module__ = "torch.autograd.function"


class BackwardCFunction(FunctionCtx):
    """The base of the ``<Name>Backward`` classes that contexts are instances of."""

    __module__ = "torch.autograd.function"


class FunctionMeta(type):
    """Makes the class of the contexts along with each Function."""

    def __init__(cls, name: str, bases: tuple, attrs: dict) -> None:
        cls._backward_cls = type(
            f"{name}Backward", (BackwardCFunction,), {"_forward_cls": cls, "__module__": "torch.autograd.function"}
        )
        super().__init__(name, bases, attrs)


class Function(FunctionCtx, metaclass=FunctionMeta):
    """An operation with a hand-written derivative; use it through ``apply``.

    ``forward(ctx, *args)`` computes without recording; ``backward(ctx, *grads)`` takes one gradient for each
    output and returns one for each argument (None where there is none). With ``setup_context(ctx, inputs,
    output)`` defined, ``forward`` takes the arguments alone. ``jvp`` and ``vmap`` are not used.

    >>> import rushlight as torch
    >>> class Exp(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         y = x.exp()
    ...         ctx.save_for_backward(y)
    ...         return y
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (y,) = ctx.saved_tensors
    ...         return grad * y
    >>> x = torch.zeros(2, requires_grad=True)
    >>> Exp.apply(x).sum().backward()
    >>> x.grad
    tensor([1., 1.])
    """

    __module__ = "torch.autograd.function"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import warnings

        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions "
            "are all static, so you should invoke them on the class itself. "
            "Instantiating an autograd function will raise an "
            "error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. "
            "Please use new-style autograd function with static forward method. "
            "(Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for "
            "your custom autograd.Function to use it with backward "
            "mode AD."
        )

    vjp = backward


_C._bind_function(Function)


def _bind(cls: type[Function], *args: Any, **kwargs: Any) -> tuple:
    """The arguments of ``cls.forward`` in order, with its defaults: what setup_context gets as inputs."""
    import inspect

    bound = inspect.signature(cls.forward).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound.args


class Error(Function):
    """Passes its arguments through and refuses to be differentiated."""

    @staticmethod
    def forward(ctx, *values):
        return tuple([value if value is None else value.view_as(value) for value in values])

    @staticmethod
    def backward(ctx, *grads):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


# Printed as the native node that PyTorch has in this place.
Error._backward_cls = type("Error", (BackwardCFunction,), {"_forward_cls": Error, "__module__": "builtins"})


def once_differentiable(fn: Callable) -> Callable:
    """Marks a ``backward`` that is not itself differentiable; differentiating twice then raises RuntimeError."""
    import functools

    @functools.wraps(fn)
    def wrapper(ctx, *grads):
        with no_grad():
            outputs = fn(ctx, *grads)
        if not _C.is_grad_enabled():
            return outputs
        # The inputs of backward are the values that a second derivative would be taken through.
        if not any([isinstance(grad, _Tensor) and grad.requires_grad for grad in grads]):
            return outputs
        if not isinstance(outputs, tuple):
            outputs = (outputs,)
        return Error.apply(*[out if out is None else out.detach().requires_grad_() for out in outputs])

    return wrapper
