"""Adagrad."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, check_fused, check_lr, check_not_negative, scalar_state
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adagrad(PerTensorOptimizer):
    """Gradients divided by the root of the sum of all their squares so far.

        s = s + g^2
        p = p - lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)

    Source: Duchi et al., Adaptive Subgradient Methods for Online Learning and Stochastic
    Optimization (2011).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adagrad([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([ 0.9000, -1.9000])
    """

    _later_options = {"foreach": None, "maximize": False, "differentiable": False, "fused": None}
    _native_step = _C._adagrad_step

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_not_negative("lr_decay value", lr_decay)
        check_not_negative("weight_decay value", weight_decay)
        check_not_negative("initial_accumulator_value value", initial_accumulator_value)
        check_not_negative("epsilon value", eps)
        super().__init__(
            params,
            dict(
                lr=lr,
                lr_decay=lr_decay,
                eps=eps,
                weight_decay=weight_decay,
                initial_accumulator_value=initial_accumulator_value,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                fused=fused,
            ),
        )
        check_fused(fused, foreach, differentiable)
        # Unlike the others, Adagrad has its state from the start: programs call share_memory() on it.
        for group in self.param_groups:
            for p in group["params"]:
                self._init_state(p, p, self.state[p], group)

    def share_memory(self) -> None:
        """Moves the sums to memory that several processes share."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _init_state(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        start = self.defaults["initial_accumulator_value"]
        state["step"] = scalar_state(0.0)
        state["sum"] = _C.full_like(p, complex(start, start) if p.is_complex() else start)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] += 1
        lr = to_scalar(group["lr"]) / (1 + (state["step"].item() - 1) * group["lr_decay"])
        total = state["sum"].addcmul_(grad, grad, value=1)
        p.addcdiv_(grad, total.sqrt().add(group["eps"]), value=-lr)
