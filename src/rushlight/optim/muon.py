"""Muon."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_SHAPE_RULES = (None, "original", "match_rms_adamw")


def _orthogonalised(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """About U V^T of the matrix U S V^T, by Newton and Schulz's iteration in bfloat16:

    x = a x + b (x x^T) x + c (x x^T)^2 x
    """
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    tall = matrix.size(0) > matrix.size(1)
    x = matrix.bfloat16()
    if tall:
        x = x.t()
    x.div_(x.norm().clamp(min=eps))  # so that no singular value is above 1
    for _ in range(steps):
        gram = x @ x.t()
        x = _C.addmm(x, _C.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.t() if tall else x


class Muon(PerTensorOptimizer):
    """Momentum whose steps are made orthogonal matrices; for the 2D parameters of hidden layers.

        m = momentum * m + (1 - momentum) * g
        u = orthogonalised(lerp(g, m, momentum)  if nesterov else  m)
        p = p * (1 - lr * weight_decay) - lr * r * u

    `r` is sqrt(max(1, rows / columns)), or with `adjust_lr_fn="match_rms_adamw"` 0.2 sqrt(max(rows, columns)).

    Source: Jordan et al., Muon: An optimizer for hidden layers in neural networks (2024).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        for what, value in (("Learning rate", lr), ("momentum", momentum), ("weight decay", weight_decay)):
            if not 0.0 <= value:
                raise ValueError(f"{what} should be >= 0 but is: {value}")
        if adjust_lr_fn not in _SHAPE_RULES:
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(
            params,
            dict(
                lr=lr,
                weight_decay=weight_decay,
                momentum=momentum,
                nesterov=nesterov,
                ns_coefficients=ns_coefficients,
                eps=eps,
                ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            ),
        )
        for group in self.param_groups:
            for p in group["params"]:
                if p.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {p.size()}"
                    )

    _later_options: dict[str, Any] = {}

    def _step_one(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        if p.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        if grad.is_sparse:
            raise RuntimeError("Muon does not support sparse gradients")
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = _C.zeros_like(grad)
        momentum, lr = group["momentum"], to_scalar(group["lr"])
        buffer = state["momentum_buffer"].lerp_(grad, 1 - momentum)
        update = grad.lerp(buffer, momentum) if group["nesterov"] else buffer
        update = _orthogonalised(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        rows, columns = p.shape
        match = group["adjust_lr_fn"] == "match_rms_adamw"
        ratio = 0.2 * max(rows, columns) ** 0.5 if match else max(1, rows / columns) ** 0.5
        p.mul_(1 - lr * group["weight_decay"])
        p.add_(update, alpha=-lr * ratio)
