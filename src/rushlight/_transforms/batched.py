"""Tensors with a hidden batch dimension, and what happens to operations on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .levels import Frame, Wrapper, make_wrapper

_ISSUE = "please try to rewrite what you're doing with other operations."


class BatchFrame(Frame):
    """A running vmap: its batch size, and what it does about random operations."""

    __slots__ = ("randomness", "size")

    def __init__(self, size: int, randomness: str) -> None:
        self.size = size
        self.randomness = randomness


class BatchedTensor(Wrapper):
    """One example's tensor to whoever looks; inside, all of them along dimension 0 of `_value`."""

    wrapped_name = "BatchedTensor"
    _value: Tensor

    @property
    def inner(self) -> Tensor:
        return self._value

    @property
    def logical_shape(self) -> tuple[int, ...]:
        return tuple(self._value.shape)[1:]

    def item(self) -> Any:
        raise RuntimeError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling .item() on a "
            f"Tensor, {_ISSUE} If error is occurring somewhere inside PyTorch internals, please file a bug report."
        )

    def __bool__(self) -> bool:
        raise RuntimeError(
            "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. "
            "We don't support that yet, please shout over at https://github.com/pytorch/functorch/issues/257 ."
        )

    def tolist(self) -> Any:
        raise RuntimeError("vmap: It looks like you're calling .tolist() on a Tensor: its values differ by example.")

    def numpy(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("vmap: It looks like you're calling .numpy() on a Tensor: its values differ by example.")

    @staticmethod
    def handle(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
        from .batching_rules import RULES

        if name.endswith("_") and not name.endswith("__"):
            return _in_place(frame, name, fn, args, kwargs)
        rule = RULES.get(name)
        result = NotImplemented if rule is None else rule(frame, name, fn, args, kwargs)
        if result is NotImplemented:
            return one_by_one(frame, fn, args, kwargs)
        return wrap_results(frame, result)


def wrap(frame: BatchFrame, value: Tensor) -> BatchedTensor:
    """A tensor whose dimension 0 is the batch."""
    batched = make_wrapper(BatchedTensor, frame)
    batched._value = value
    return batched


def is_batched(frame: BatchFrame, x: Any) -> bool:
    """Whether it is wrapped by this very frame."""
    return isinstance(x, BatchedTensor) and x._frame is frame


def raw(frame: BatchFrame, x: Any) -> Any:
    """What is inside a tensor of this frame; anything else as it is."""
    return x._value if isinstance(x, BatchedTensor) and x._frame is frame else x


def with_batch(frame: BatchFrame, x: Any) -> Tensor:
    """Its value, with a batch dimension in any case."""
    if is_batched(frame, x):
        return x._value
    return x.unsqueeze(0).expand(frame.size, *x.shape)


def wrap_results(frame: BatchFrame, result: Any) -> Any:
    """Wraps each tensor that a rule returned."""
    if isinstance(result, Tensor):
        return wrap(frame, result)
    if isinstance(result, (tuple, list)) and not isinstance(result, _C.Size):
        return type(result)([wrap_results(frame, item) for item in result])
    return result


def one_by_one(frame: BatchFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Any operation, on one example after another: right for all of them, and slow."""

    def example(x: Any, i: int) -> Any:
        if is_batched(frame, x):
            return x._value[i]
        if isinstance(x, (list, tuple)) and not isinstance(x, _C.Size):
            return type(x)([example(item, i) for item in x]) if not hasattr(x, "_fields") else x
        return x

    results = [
        fn(*[example(x, i) for x in args], **{key: example(x, i) for key, x in kwargs.items()})
        for i in range(frame.size)
    ]
    return _stacked(frame, results)


def _stacked(frame: BatchFrame, results: list[Any]) -> Any:
    first = results[0]
    if isinstance(first, Tensor):
        return wrap(frame, _C.stack(results))
    if isinstance(first, (tuple, list)) and not isinstance(first, _C.Size):
        parts = [_stacked(frame, [result[k] for result in results]) for k in range(len(first))]
        return type(first)(parts)
    if any([result != first for result in results]):
        raise RuntimeError(f"vmap: an operation gave another {type(first).__name__} for each example")
    return first


def _in_place(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """x.op_(...): writes over the value of x, which must have room for every example."""
    from .batching_rules import RANDOM_FILLS, fill_at_random

    target = args[0]
    if not is_batched(frame, target):
        raise RuntimeError(
            "vmap: inplace arithmetic(self, *extra_args) is not possible because there exists a Tensor `other` in "
            "extra_args that has more elements than `self`. This happened due to `other` being vmapped over but "
            "`self` not being vmapped over in a vmap. Please try to use out-of-place operators instead of inplace "
            "arithmetic. If said operator is being called inside the PyTorch framework, please file a bug report "
            "instead."
        )
    value = target._value
    if name in RANDOM_FILLS:
        fill_at_random(frame, value, lambda part: fn(part, *args[1:], **kwargs))
    elif name in ("zero_", "fill_", "requires_grad_", "detach_") and not any(is_batched(frame, x) for x in args[1:]):
        fn(value, *args[1:], **kwargs)
    elif name == "copy_":
        source = with_batch(frame, args[1])
        value.copy_(lift(source, value.dim()))
    else:
        changed = BatchedTensor.handle(frame, name[:-1], _out_of_place(name[:-1], fn), args, kwargs)
        value.copy_(with_batch(frame, changed))
    return target


def _out_of_place(name: str, fn: Callable) -> Callable:
    """The operation of that name that leaves its argument alone."""

    def copied(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        x = x.clone()
        fn(x, *args, **kwargs)
        return x

    return getattr(Tensor, name, None) or getattr(_C, name, None) or copied


def lift(value: Tensor, ndim: int) -> Tensor:
    """Inserts dimensions of one after the batch, until there are `ndim`."""
    missing = ndim - value.dim()
    return value[(slice(None), *[None] * missing)] if missing > 0 else value
