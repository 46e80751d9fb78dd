"""Adafactor."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, scalar_state
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class Adafactor(PerTensorOptimizer):
    """Adam's second moment kept as the outer product of a row and a column, for little memory.

        b = step^beta2_decay
        R = lerp(R, mean(g^2, -1), b),  C = lerp(C, mean(g^2, -2), b),  V = R C / mean(R)
        u = g / sqrt(max(V, eps1^2)),  p = p * (1 - lr * weight_decay)
        p = p - max(eps2, rms(p)) * min(lr, 1 / sqrt(step)) * u / max(1, rms(u) / d)

    Vectors keep V itself. `eps[0]` None is the machine epsilon of the parameter's dtype. With `maximize` g is negated.

    Source: Shazeer and Stern, Adafactor: Adaptive Learning Rates with Sublinear Memory Cost (2018).
    """

    _later_options: dict[str, Any] = {"foreach": None}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if not 0.0 <= lr:
            raise ValueError(f"Learning rate should be >= 0 but is: {lr}")
        if not 0.0 >= beta2_decay:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        for i, value in enumerate(eps, 1):
            if value is not None and not 0.0 <= value:
                raise ValueError(f"epsilon{i} should be >= 0 but is: {value}")
        if not 1.0 <= d:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        if not 0.0 <= weight_decay:
            raise ValueError(f"weight_decay should be >= 0 but is: {weight_decay}")
        super().__init__(
            params,
            dict(
                lr=lr,
                beta2_decay=beta2_decay,
                eps=eps,
                d=d,
                weight_decay=weight_decay,
                foreach=foreach,
                maximize=maximize,
            ),
        )

    def _step_one(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        if p.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        if grad.is_sparse:
            raise RuntimeError("Adafactor does not support sparse gradients")
        state = self.state[p]
        if not state:
            state["step"] = scalar_state(0.0)
            if grad.dim() > 1:
                state["row_var"] = grad.new_zeros([*grad.shape[:-1], 1])
                state["col_var"] = grad.new_zeros([*grad.shape[:-2], 1, grad.shape[-1]])
            else:
                state["variance"] = _C.zeros_like(grad)
        self._update(p, -grad if group["maximize"] else grad, state, group)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        eps1, eps2 = group["eps"]
        if eps1 is None:
            from .._functions import finfo

            eps1 = finfo(p.dtype).eps
        lr = to_scalar(group["lr"])
        state["step"] += 1
        step = state["step"].item()
        weight = step ** group["beta2_decay"]
        size = max(eps2, p.norm(2).item() / p.numel() ** 0.5) * min(lr, 1 / step**0.5)
        if group["weight_decay"] != 0:
            p.mul_(1 - lr * group["weight_decay"])
        if grad.dim() > 1:
            rows, columns = state["row_var"], state["col_var"]
            for kept, dim in ((rows, -1), (columns, -2)):
                kept.lerp_(grad.norm(dim=dim, keepdim=True).square_().div_(grad.size(dim)), weight)
            estimate = (rows @ columns).div_(rows.mean(dim=-2, keepdim=True).clamp_(min=eps1))
        else:
            estimate = state["variance"].lerp_(grad * grad, weight)
        update = estimate.clamp(min=eps1 * eps1).rsqrt_().mul_(grad)
        clip = max(1.0, update.norm(2).item() / (update.numel() ** 0.5 * group["d"]))
        p.add_(update, alpha=-size / clip)
