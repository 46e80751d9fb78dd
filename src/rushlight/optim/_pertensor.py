"""The frame that optimizers share which treat each parameter by itself, in tensor operations."""

from __future__ import annotations

from .. import _C
from .optimizer import Optimizer, Tensor, call_with_grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# PyTorch's lists, as its error messages name them.
_FUSED_DEVICES = ["mps", "cuda", "xpu", "hpu", "cpu", "mtia", "privateuseone"]
_CAPTURABLE_DEVICES = ["cuda", "xpu", "hpu", "privateuseone", "xla"]


def check_lr(lr: float | Tensor) -> None:
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError("Tensor lr must be 1-element")
    check_not_negative("learning rate", lr)


def check_not_negative(what: str, value: float | Tensor) -> None:
    if not 0.0 <= value:
        raise ValueError(f"Invalid {what}: {value}")


def check_betas(betas: tuple[Any, Any]) -> None:
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_fused(fused: bool | None, foreach: bool | None, differentiable: bool) -> None:
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")


def scalar_state(value: float) -> Tensor:
    """A number kept in an optimizer's state: 0-dimensional, float64 only where that is the default."""
    return _C.tensor(value, dtype=_C.float64 if _C.get_default_dtype() == _C.float64 else _C.float32)


def add_decay(grad: Tensor, p: Tensor, group: dict[str, Any]) -> Tensor:
    weight_decay = group.get("weight_decay", 0)
    if group.get("decoupled_weight_decay"):
        return grad
    if isinstance(weight_decay, Tensor) and weight_decay.requires_grad:
        return grad.addcmul(p.clone(), weight_decay)  # differentiable=True, with a decay that is learnt
    return grad.add(p, alpha=weight_decay) if weight_decay != 0 else grad


class PerTensorOptimizer(Optimizer):
    """An optimizer whose step is `_update` for each parameter that has a gradient.

    Subclasses define `_update(p, grad, state, group)` and, where they keep state, `_init_state(p,
    grad, state, group)`.  `grad` comes negated where the group maximizes and with `weight_decay` times
    the parameter added, unless decoupled.  A complex parameter comes as its view in real pairs, and so
    do its gradient and state: all these rules work on each part by itself.
    """

    # Options that checkpoints written before the option existed lack, with what they then mean.
    _later_options: dict[str, Any] = {"foreach": None, "maximize": False, "differentiable": False}
    # Takes the step of a whole group, `native(group, state)`, or answers False and has done nothing.
    _native_step: Callable[[dict[str, Any], Any], bool] | None = None
    # State that is a 0-dimensional tensor now and was a Python number in old checkpoints.
    _scalars: tuple[str, ...] = ("step",)
    _capturable_needs = "params and state_steps"
    _capturable_devices = _CAPTURABLE_DEVICES
    _sparse_advice = ""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for name, value in self._later_options.items():
                group.setdefault(name, value)
            for p in group["params"]:
                entry = self.state.get(p) or {}
                for name in self._scalars:
                    if name in entry and not isinstance(entry[name], Tensor):
                        entry[name] = scalar_state(float(entry[name]))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once; `closure` recomputes the loss, which is then returned."""
        loss = None if closure is None else call_with_grad(closure)
        native, state = self._native_step, self.state
        for group in self.param_groups:
            if native is None or not native(group, state):
                self._step_group(group)
        return loss

    def _step_group(self, group: dict[str, Any]) -> None:
        previous = _C.is_grad_enabled()
        _C._set_grad_enabled(self.defaults.get("differentiable", False))
        try:
            for p in group["params"]:
                grad = p.grad
                if grad is not None:
                    self._step_one(p, grad, group)
        finally:
            _C._set_grad_enabled(previous)

    def _step_one(self, p: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        if grad.is_sparse:
            raise RuntimeError(f"{type(self).__name__} does not support sparse gradients{self._sparse_advice}")
        if group.get("fused") and not p.is_floating_point():
            raise RuntimeError(
                "`fused=True` requires all the params to be floating point Tensors of supported devices: "
                f"{_FUSED_DEVICES} but {p.dtype} and {p.device.type}"
            )
        state = self.state[p]
        if not state:
            self._init_state(p, grad, state, group)
        if group.get("capturable"):
            raise AssertionError(
                f"If capturable=True, {self._capturable_needs} must be on supported devices: "
                f"{self._capturable_devices}."
            )
        if group["maximize"]:
            grad = -grad
        grad = add_decay(grad, p, group)
        if p.is_complex():
            p, grad = _C.view_as_real(p), _C.view_as_real(grad)
            state = {
                name: _C.view_as_real(value) if isinstance(value, Tensor) and value.is_complex() else value
                for name, value in state.items()
            }
        self._update(p, grad, state, group)

    def _init_state(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        pass

    def _update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        raise NotImplementedError
