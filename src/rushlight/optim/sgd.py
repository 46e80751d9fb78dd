"""Stochastic gradient descent."""

from __future__ import annotations

from .. import _C
from ._pertensor import PerTensorOptimizer, add_decay, check_fused
from .optimizer import Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


class SGD(PerTensorOptimizer):
    """Stochastic gradient descent, optionally with momentum.

        g = gradient + weight_decay * p
        b = momentum * b + (1 - dampening) * g       (b = g the first time)
        p = p - lr * (g + momentum * b  if nesterov else  b)

    Without momentum, `p = p - lr * g`.  Note where `lr` stands: Sutskever et al. put it inside `b`.
    `foreach` and `fused` are accepted and change nothing: a step is one native call a group anyway.

    Source: Sutskever et al., On the importance of initialization and momentum in deep learning (2013).

    >>> import rushlight as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     (w ** 2).sum().backward()
    ...     optimizer.step()
    >>> w.data
    tensor([ 0.4600, -0.9200])
    """

    _later_options = {"nesterov": False, "maximize": False, "foreach": None, "differentiable": False, "fused": False}
    _native_step = _C._sgd_step

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError("Tensor lr must be 1-element")
        if lr < 0.0:
            raise ValueError(f"Invalid learning rate: {lr}")
        if momentum < 0.0:
            raise ValueError(f"Invalid momentum value: {momentum}")
        if weight_decay < 0.0:
            raise ValueError(f"Invalid weight_decay value: {weight_decay}")
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = dict(
            lr=lr,
            momentum=momentum,
            dampening=dampening,
            weight_decay=weight_decay,
            nesterov=nesterov,
            maximize=maximize,
            foreach=foreach,
            differentiable=differentiable,
            fused=fused,
        )
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def _step_one(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        # The rule is linear: it holds for complex and sparse gradients as it stands.  State is made
        # only when there is momentum to keep.
        if group["maximize"]:
            grad = -grad
        self._update(p, add_decay(grad, p, group), self.state[p] if group["momentum"] != 0 else {}, group)

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        lr, momentum = to_scalar(group["lr"]), group["momentum"]
        if momentum != 0:
            buffer = state.get("momentum_buffer")
            if buffer is None:
                buffer = state["momentum_buffer"] = grad.detach().clone()
            else:
                buffer.mul_(momentum).add_(grad, alpha=1 - group["dampening"])
            grad = grad.add(buffer, alpha=momentum) if group["nesterov"] else buffer
        if isinstance(lr, Tensor) and lr.requires_grad:
            p.addcmul_(grad, lr, value=-1)
        else:
            p.add_(grad, alpha=-lr)
