"""Dual numbers: a tensor with its derivative along one direction, which operations carry forward.

f(p + t e) = f(p) + f'(p) t e with e^2 = 0. (Wengert, A simple automatic derivative evaluation program, CACM 7, 1964.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .levels import Frame, Wrapper, make_wrapper


class DualFrame(Frame):
    """A running forward-mode derivative."""

    __slots__ = ()


class DualTensor(Wrapper):
    """A primal value and its tangent, of the same shape."""

    wrapped_name = "DualTensor"
    _primal: Tensor
    _tangent: Tensor

    @property
    def inner(self) -> Tensor:
        return self._primal

    def _contents(self) -> str:
        return f"primal={self._primal!r}, tangent={self._tangent!r}"

    @staticmethod
    def handle(frame: DualFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
        from .dual_rules import RULES, through_reverse

        if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")):
            return _in_place(frame, name, fn, args, kwargs)
        rule = RULES.get(name)
        if rule is not None:
            result = rule(frame, fn, args, kwargs)
            if result is not NotImplemented:
                return result
        return through_reverse(frame, fn, args, kwargs)


def make_dual(frame: DualFrame, primal: Tensor, tangent: Tensor) -> DualTensor:
    """primal + tangent e."""
    dual = make_wrapper(DualTensor, frame)
    dual._primal = primal
    dual._tangent = tangent
    return dual


def primal_of(frame: DualFrame, x: Any) -> Any:
    """The value of a dual number of this frame; anything else, and the items of lists, likewise."""
    if isinstance(x, DualTensor) and x._frame is frame:
        return x._primal
    if isinstance(x, (list, tuple)) and any([isinstance(item, DualTensor) for item in x]):
        return type(x)([primal_of(frame, item) for item in x])
    return x


def tangent_of(frame: DualFrame, x: Any) -> Tensor | None:
    """The tangent; None of what has none."""
    return x._tangent if isinstance(x, DualTensor) and x._frame is frame else None


def _in_place(frame: DualFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Writes over the primal, whose memory others may share, and over the tangent."""
    target = args[0]
    if tangent_of(frame, target) is None:
        raise RuntimeError(
            f"forward mode: {name} would write a tensor that has a tangent over one that has none. "
            "Use an operation that makes a new tensor."
        )
    primals = [primal_of(frame, x) for x in args]
    if name == "__setitem__":
        primals[0][primals[1]] = primals[2]
        new = tangent_of(frame, args[2])
        # Adding zeros of the new tangent's kind: it may be batched where the old one is not.
        target._tangent = target._tangent + (0 if new is None else _C.zeros_like(new).sum())
        target._tangent[primals[1]] = 0 if new is None else new
        return None
    if name in ("zero_", "fill_", "copy_"):
        fn(*primals, **kwargs)
        new = tangent_of(frame, args[1]) if name == "copy_" else None
        target._tangent = _C.zeros_like(target._tangent) if new is None else new.expand_as(target._tangent)
        return target
    if name in ("requires_grad_", "detach_"):
        fn(*primals, **kwargs)
        return target
    plain = getattr(Tensor, name[:-1])
    changed = DualTensor.handle(frame, name[:-1], plain, args, kwargs)
    target._primal.copy_(primal_of(frame, changed))
    target._tangent = changed._tangent
    return target
