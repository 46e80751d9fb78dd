"""Resilient backpropagation."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, check_lr, scalar_state
from .optimizer import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Rprop(PerTensorOptimizer):
    """Steps whose length ignores the gradient's: it grows while the gradient keeps its sign.

        s = clamp(s * (etas[1] if g * g_prev > 0, etas[0] if < 0, else 1), *step_sizes)
        g = 0 where the sign changed;    p = p - sign(g) * s

    Source: Riedmiller and Braun, A Direct Adaptive Method for Faster Backpropagation Learning: The
    RPROP Algorithm (1993).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Rprop([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([ 0.9000, -1.9000])
    """

    _later_options = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        super().__init__(
            params,
            dict(
                lr=lr,
                etas=etas,
                step_sizes=step_sizes,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _init_state(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr = float(group["lr"])
        state["step"] = scalar_state(0.0)
        state["prev"] = _C.zeros_like(p)
        state["step_size"] = _C.full_like(grad, complex(lr, lr) if p.is_complex() else lr)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        shrink, grow = group["etas"]
        previous = state["prev"]
        state["step"] += 1
        agreement = grad.mul(previous.clone() if group["differentiable"] else previous)
        factor = agreement.sign().masked_fill_(agreement.gt(0), grow).masked_fill_(agreement.lt(0), shrink)
        factor.masked_fill_(agreement.eq(0), 1)
        step_size = state["step_size"].mul_(factor).clamp_(*group["step_sizes"])
        grad = grad.masked_fill(agreement.lt(0), 0)
        p.addcmul_(grad.sign(), step_size, value=-1)
        previous.copy_(grad)
