"""RAdam."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, check_betas, check_lr, check_not_negative, scalar_state
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class RAdam(PerTensorOptimizer):
    """Adam that distrusts its running mean of squares until it has seen enough gradients.

        m = beta1 * m + (1 - beta1) * g,    v = beta2 * v + (1 - beta2) * g^2,    M = m / (1 - beta1^t)
        rho_inf = 2 / (1 - beta2) - 1,      rho = rho_inf - 2 t beta2^t / (1 - beta2^t)
        r = sqrt((rho - 4)(rho - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho))
        p = p - lr * M * r * sqrt(1 - beta2^t) / (sqrt(v) + eps)   if rho > 5,   else   p - lr * M

    Source: Liu et al., On the Variance of the Adaptive Learning Rate and Beyond (2019).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.RAdam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([ 0.8000, -1.6000])
    """

    _later_options = {
        "foreach": None,
        "maximize": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "capturable": False,
    }

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        super().__init__(
            params,
            dict(
                lr=lr,
                betas=betas,
                eps=eps,
                weight_decay=weight_decay,
                maximize=maximize,
                foreach=foreach,
                capturable=capturable,
                decoupled_weight_decay=decoupled_weight_decay,
                differentiable=differentiable,
            ),
        )

    def _init_state(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] = scalar_state(0.0)
        state["exp_avg"] = _C.zeros_like(p)
        state["exp_avg_sq"] = _C.zeros_like(p)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr = to_scalar(group["lr"])
        beta1, beta2 = group["betas"]
        state["step"] += 1
        step = state["step"].item()
        if group["decoupled_weight_decay"] and group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        mean = state["exp_avg"].lerp_(grad, 1 - beta1)
        square = state["exp_avg_sq"].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)

        bias2 = 1 - beta2**step
        update = mean / (1 - beta1**step) * lr
        rho_inf = 2 / (1 - beta2) - 1
        rho = rho_inf - 2 * step * (beta2**step) / bias2
        if rho > 5.0:
            rectifier = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
            update = update * (bias2**0.5 / square.sqrt().add(group["eps"])) * rectifier
        p.add_(update, alpha=-1.0)
