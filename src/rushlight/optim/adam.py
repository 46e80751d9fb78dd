"""Adam."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, check_betas, check_fused, check_not_negative, scalar_state
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adam(PerTensorOptimizer):
    """Adam: steps scaled by running means of the gradient and of its square.

        g = gradient + weight_decay * p
        m = beta1 * m + (1 - beta1) * g,    v = beta2 * v + (1 - beta2) * g^2
        p = p - lr * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + eps)

    With `amsgrad`, the largest `v` so far stands in its place.  With `decoupled_weight_decay` the
    rule is AdamW's.  `foreach` and `fused` are accepted and change nothing: a step is one native
    call a group anyway.  `capturable` asks for an accelerator and fails at the first step.

    Sources: Kingma and Ba, Adam: A Method for Stochastic Optimization (2014); Reddi et al., On the
    Convergence of Adam and Beyond (2018).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.Adam([w], lr=0.1)
    >>> (w ** 2).sum().backward()
    >>> optimizer.step()
    >>> w.data
    tensor([ 0.9000, -1.9000])
    """

    _later_options = {
        "amsgrad": False,
        "maximize": False,
        "foreach": None,
        "capturable": False,
        "differentiable": False,
        "decoupled_weight_decay": False,
        "fused": None,
    }
    _native_step = _C._adam_step
    _sparse_advice = ", please consider SparseAdam instead"

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        _check_tensor_option("lr", lr, foreach, capturable)
        check_not_negative("learning rate", lr)
        check_not_negative("epsilon value", eps)
        check_betas(betas)
        check_not_negative("weight_decay value", weight_decay)
        if not any(all(isinstance(beta, kind) for beta in betas) for kind in (float, Tensor)):
            raise ValueError("betas must be either both floats or both Tensors")
        for i, beta in enumerate(betas):
            _check_tensor_option(f"betas[{i}]", beta, foreach, capturable)
        defaults = dict(
            lr=lr,
            betas=tuple(map(to_scalar, betas)),
            eps=eps,
            weight_decay=weight_decay,
            amsgrad=amsgrad,
            maximize=maximize,
            foreach=foreach,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=decoupled_weight_decay,
        )
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _init_state(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        state["step"] = scalar_state(0.0)
        state["exp_avg"] = _C.zeros_like(p)
        state["exp_avg_sq"] = _C.zeros_like(p)
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = _C.zeros_like(p)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        differentiable = group["differentiable"]
        if differentiable and state["step"].requires_grad:
            raise RuntimeError("`requires_grad` is not supported for `step` in differentiable mode")
        lr = to_scalar(group["lr"])
        beta1, beta2 = map(to_scalar, group["betas"])
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        step = state["step"].clone() if differentiable else state["step"].item()

        if group["decoupled_weight_decay"] and group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        mean.lerp_(grad, 1 - (beta1.to(p.dtype) if isinstance(beta1, Tensor) else beta1))
        if isinstance(beta2, Tensor) and beta2.requires_grad:
            square.lerp_(_C.square(grad), 1 - beta2)
        else:
            square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        if group["amsgrad"]:
            largest = state["max_exp_avg_sq"]
            square = largest.copy_(_C.maximum(largest.clone() if differentiable else largest, square))

        step_size = lr / (1 - beta1**step)
        bias2_sqrt = (1 - beta2**step) ** 0.5
        if differentiable:
            # The learning rate goes into the denominator, where it may be a tensor with a history.
            # `square` and `mean` are written again next step: their histories need copies.
            denominator = (square.clone().sqrt() / (bias2_sqrt * -step_size)).add(group["eps"] / -step_size)
            p.addcdiv_(mean.clone(), denominator)
        else:
            denominator = (square.sqrt() / bias2_sqrt).add_(group["eps"])
            p.addcdiv_(mean, denominator, value=-step_size)


def _check_tensor_option(name: str, value: float | Tensor, foreach: bool | None, capturable: bool) -> None:
    if not isinstance(value, Tensor):
        return
    if foreach and not capturable:
        raise ValueError(f"{name} as a Tensor is not supported for capturable=False and foreach=True")
    if value.numel() != 1:
        raise ValueError(f"Tensor {name} must be 1-element")
