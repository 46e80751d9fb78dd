"""Tensors that stand for other tensors, and the stack of transforms that are running.

A transform pushes a frame; its wrappers carry it. An operation on several wrappers belongs to the innermost frame
among them: its handler unwraps one layer and calls the operation again, which then meets the wrappers of the frames
further out, until plain tensors are left. (The scheme of JAX's and functorch's interpreters.)
"""

from __future__ import annotations

import operator
import threading
from collections.abc import Callable
from typing import Any, ClassVar

from .. import _C
from .._C import Tensor

# No wrapper owns numbers. Built over an empty tensor, one that slips past dispatch fails by its shape instead of
# giving a wrong result.
_HOLLOW = _C.empty(0)


class Frame:
    """One running transform."""

    __slots__ = ("level",)

    def __enter__(self) -> Frame:
        self.level = len(_running.frames)
        _running.frames.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _running.frames.pop()


class _Running(threading.local):
    def __init__(self) -> None:
        self.frames: list[Frame] = []


_running = _Running()


def running_frames() -> list[Frame]:
    """The transforms of this thread, from the outermost to the innermost."""
    return _running.frames


class Wrapper(Tensor):
    """A tensor that stands for others; subclasses say how an operation is carried out on what is inside."""

    _frame: Frame
    wrapped_name: ClassVar[str] = "Wrapper"

    @staticmethod
    def handle(frame: Any, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
        """Carries out an operation some of whose arguments are wrapped by the frame."""
        raise NotImplementedError

    @property
    def inner(self) -> Tensor:
        """The tensor whose dtype, device and history stand for this one's."""
        raise NotImplementedError

    @classmethod
    def __torch_function__(cls, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name = getattr(func, "__name__", "")
        if name == "__get__":  # PyTorch's way of saying: an attribute that this class does not define
            return func(args[0].inner)
        return dispatch(name, func, args, kwargs or {})

    # What is asked without an operation.

    @property
    def shape(self) -> _C.Size:
        return _C.Size(self.logical_shape)

    @property
    def logical_shape(self) -> tuple[int, ...]:
        return tuple(self.inner.shape)

    @property
    def ndim(self) -> int:
        return len(self.logical_shape)

    @property
    def dtype(self) -> _C.dtype:
        return self.inner.dtype

    @property
    def device(self) -> _C.device:
        return self.inner.device

    @property
    def layout(self) -> Any:
        return self.inner.layout

    @property
    def requires_grad(self) -> bool:
        return self.inner.requires_grad

    @property
    def grad_fn(self) -> Any:
        return self.inner.grad_fn

    @property
    def data(self) -> Tensor:
        return self.detach()

    @property
    def T(self) -> Tensor:
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> Tensor:
        return self.transpose(-2, -1)

    def dim(self) -> int:
        return len(self.logical_shape)

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        count = 1
        for size in self.logical_shape:
            count *= size
        return count

    nelement = numel

    def __len__(self) -> int:
        if not self.logical_shape:
            raise TypeError("len() of a 0-d tensor")
        return self.logical_shape[0]

    def __iter__(self) -> Any:
        if not self.logical_shape:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return self.dtype.is_complex

    def is_contiguous(self, *args: Any, **kwargs: Any) -> bool:
        return self.inner.is_contiguous()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"{self.wrapped_name}(level={self._frame.level}, {self._contents()})"

    def _contents(self) -> str:
        return repr(self.inner)

    def __hash__(self) -> int:
        return id(self)

    def __getitem__(self, index: Any) -> Tensor:
        return dispatch("__getitem__", operator.getitem, (self, index), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        dispatch("__setitem__", operator.setitem, (self, index, value), {})

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        return dispatch("to", Tensor.to, (self, *args), kwargs)

    def detach(self) -> Tensor:
        return dispatch("detach", Tensor.detach, (self,), {})

    def item(self) -> Any:
        return self.inner.item()

    def tolist(self) -> Any:
        return self.inner.tolist()

    def __bool__(self) -> bool:
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())


def _operators() -> None:
    """Arithmetic goes to dispatch under the operation's name, in the order in which it was written."""

    def binary(name: str, function: Callable) -> None:
        def direct(self: Any, other: Any) -> Any:
            return dispatch(name, function, (self, other), {})

        def reflected(self: Any, other: Any) -> Any:
            return dispatch(name, function, (other, self), {})

        def in_place(self: Any, other: Any) -> Any:
            return dispatch(f"{name}_", in_place_form(function), (self, other), {})

        setattr(Wrapper, f"__{name}__", direct)
        setattr(Wrapper, f"__r{name}__", reflected)
        setattr(Wrapper, f"__i{name}__", in_place)

    for name in "add sub mul truediv floordiv mod pow matmul".split():
        binary(name, getattr(operator, name))
    for name, function in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor)):
        binary(name, function)

    def single(name: str, function: Callable) -> None:
        def method(self: Any, *other: Any) -> Any:
            return dispatch(name, function, (self, *other), {})

        method.__name__ = f"__{name}__"
        setattr(Wrapper, method.__name__, method)

    for name in "lt le eq ne gt ge".split():
        single(name, getattr(operator, name))
    for name in "neg abs invert".split():
        single(name, getattr(operator, name))


def in_place_form(function: Callable) -> Callable:
    """An in-place function made of one that is not: writes the result over the first argument."""

    def written(target: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return target.copy_(function(target, *args, **kwargs))

    return written


_operators()

# Names under which the same operation may arrive.
_SAME = {
    **{f"__{name}__": name for name in "add sub mul truediv floordiv mod pow matmul and or xor neg abs invert".split()},
    **{f"__{name}__": name for name in "lt le eq ne gt ge".split()},
    **dict.fromkeys(("div", "true_divide", "divide"), "truediv"),
    "multiply": "mul",
    "subtract": "sub",
    "floor_divide": "floordiv",
    "remainder": "mod",
    "bitwise_and": "and",
    "bitwise_or": "or",
    "bitwise_xor": "xor",
    "bitwise_not": "invert",
    "negative": "neg",
    "absolute": "abs",
    "swapaxes": "transpose",
    "swapdims": "transpose",
    "concat": "cat",
    "concatenate": "cat",
    "moveaxis": "movedim",
}
# __rsub__ and the like, as PyTorch names them, take their arguments the other way round.
_REFLECTED = {f"__r{name}__": name for name in "add sub mul truediv floordiv mod pow matmul and or xor".split()}
_REFLECTED["__rdiv__"] = "truediv"
_ARITHMETIC = {name: getattr(operator, name) for name in "add sub mul truediv floordiv mod pow matmul".split()}


def wrappers_in(value: Any) -> list[Wrapper]:
    """The wrappers among an operation's arguments, inside lists, tuples and slices too."""
    if isinstance(value, Wrapper):
        return [value]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in wrappers_in(item)]
    return []


def dispatch(name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Hands an operation to the innermost frame among its arguments'."""
    if name in _REFLECTED:
        name, args = _REFLECTED[name], (args[1], args[0], *args[2:])
        fn = _ARITHMETIC.get(name, fn)
    name = _SAME.get(name, name)
    if name in _ARITHMETIC and len(args) == 2 and not kwargs:
        # The native method insists on a tensor first, which `2 - x` does not have.
        fn = _ARITHMETIC[name]
    found = wrappers_in(args) + wrappers_in(tuple(kwargs.values()))
    if not found:
        return fn(*args, **kwargs)
    innermost = max(found, key=lambda wrapper: wrapper._frame.level)
    return innermost.handle(innermost._frame, name, fn, args, kwargs)


def make_wrapper(cls: type[Any], frame: Frame) -> Any:
    """An instance of a subclass of Wrapper, still without contents."""
    wrapper = Tensor._make_subclass(cls, _HOLLOW)
    wrapper._frame = frame
    return wrapper
