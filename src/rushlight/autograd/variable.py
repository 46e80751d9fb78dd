"""``Variable``: what tensors with gradients were called before tensors had gradients."""

from __future__ import annotations

from .. import _C

__all__ = ["Variable", "VariableMeta"]


class VariableMeta(type):
    def __instancecheck__(cls, other: object) -> bool:
        return isinstance(other, _C.Tensor)


class Variable(metaclass=VariableMeta):
    """``Variable(tensor, requires_grad=False)`` is a tensor over the same memory, without history."""

    def __new__(cls, data: _C.Tensor, requires_grad: bool = False, volatile: bool = False) -> _C.Tensor:
        if not isinstance(data, _C.Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)
