"""Adadelta."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, check_lr, check_not_negative, scalar_state
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adadelta(PerTensorOptimizer):
    """Gradients scaled by the ratio of two running root mean squares: of the steps and of themselves.

        v = rho * v + (1 - rho) * g^2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d^2
        p = p - lr * d

    Source: Zeiler, ADADELTA: An Adaptive Learning Rate Method (2012).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adadelta([w], lr=1.0)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([ 0.9968, -1.9968])
    """

    _later_options = {"foreach": None, "maximize": False, "differentiable": False, "capturable": False}
    _native_step = _C._adadelta_step
    _capturable_devices = ["cuda", "xpu", "hpu", "privateuseone"]

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                rho=rho,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                capturable=capturable,
                foreach=foreach,
                differentiable=differentiable,
            ),
        )

    def _init_state(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] = scalar_state(0.0)
        state["square_avg"] = _C.zeros_like(p)
        state["acc_delta"] = _C.zeros_like(p)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        rho, eps = group["rho"], group["eps"]
        state["step"] += 1
        square = state["square_avg"].mul_(rho).addcmul_(grad, grad, value=1 - rho)
        deltas = state["acc_delta"]
        delta = deltas.add(eps).sqrt().div(square.add(eps).sqrt()).mul(grad)
        deltas.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-to_scalar(group["lr"]))
