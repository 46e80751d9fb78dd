"""Averaged stochastic gradient descent."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, check_lr, check_not_negative, scalar_state
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class ASGD(PerTensorOptimizer):
    """Stochastic gradient descent that also keeps the average of the parameters, in `state[p]["ax"]`.

        p  = p * (1 - lambd * eta) - eta * g
        ax = ax + mu * (p - ax)
        eta = lr / (1 + lambd * lr * t)^alpha,    mu = 1 / max(1, t - t0)

    Source: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging (1992).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.ASGD([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([ 0.8000, -1.6000])
    """

    _later_options = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
    _scalars = ("step", "eta", "mu")
    _capturable_needs = "params, mus, etas, and state_steps"

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                lambd=lambd,
                alpha=alpha,
                t0=t0,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
                differentiable=differentiable,
                capturable=capturable,
            ),
        )

    def _init_state(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] = scalar_state(0.0)
        state["eta"] = scalar_state(float(group["lr"]))
        state["mu"] = scalar_state(1.0)
        state["ax"] = _C.zeros_like(p)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, lambd = to_scalar(group["lr"]), group["lambd"]
        eta, mu, average = state["eta"], state["mu"], state["ax"]
        state["step"] += 1
        step = state["step"].item()
        p.mul_(1 - lambd * eta.item()).add_(grad, alpha=-eta.item())
        if mu.item() == 1:
            average.copy_(p)
        else:
            average.add_(p.sub(average).mul_(mu))
        eta.copy_(_C.as_tensor(lr / (1 + lambd * lr * step) ** group["alpha"]))
        mu.copy_(_C.as_tensor(1 / max(1, step - group["t0"])))
