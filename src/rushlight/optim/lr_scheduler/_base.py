"""The base of all schedules, and what they share."""

from __future__ import annotations

from _weakref import ref

from ... import _C
from ..optimizer import Optimizer, Tensor, to_scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. "
    "Please use `scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from "
    "None, the closed form is used instead of the new chainable form, where available. Please open an issue "
    "if you are unable to replicate your use case: https://github.com/pytorch/pytorch/issues/new/choose."
)
# group_values(groups, key) lists that option of each group, tensors copied; with a third argument, times that.
group_values = _C._group_values
_set_group_values = _C._set_group_values
_ORDER_HELP = "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"


def warn(message: str, stacklevel: int = 3) -> None:
    import warnings

    warnings.warn(message, UserWarning, stacklevel=stacklevel)


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def copied(value: Any) -> Any:
    """Tensors among options are written in place: keep a copy of what must not change with them."""
    return value.clone() if isinstance(value, Tensor) else value


def set_group_value(group: dict[str, Any], key: str, value: float | Tensor) -> None:
    if isinstance(group[key], Tensor):
        group[key].fill_(to_scalar(value))
    else:
        group[key] = value


def one_per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """The option `name` for each parameter group: `value` for all, or a list as long as they are, else ValueError."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        value = [value] * count
    elif len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. "
            f"{name} has {len(value)} values, param_groups has {count}."
        )
    return [copied(each) for each in value]


def set_momentum(group: dict[str, Any], momentum: float, use_beta1: bool) -> None:
    if use_beta1:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum


class LRScheduler:
    """Sets the learning rate of each parameter group, anew at each `step()`.

    Subclasses define `get_lr`, from `self.last_epoch` and the groups' present rates to the next
    ones, and may define `_get_closed_form_lr`, which `step(epoch)` uses to jump.
    """

    _get_lr_called_within_step: bool = False
    _is_initial: bool = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        if last_epoch == -1:
            for group in optimizer.param_groups:
                group.setdefault("initial_lr", copied(group["lr"]))
        else:
            for i, group in enumerate(optimizer.param_groups):
                if "initial_lr" not in group:
                    raise KeyError(
                        f"param 'initial_lr' is not specified in param_groups[{i}] when resuming scheduler with "
                        "last_epoch >= 0.\n"
                        "This typically happens when:\n"
                        "1. You're trying to resume training from a checkpoint but haven't properly loaded the "
                        "optimizer state\n"
                        "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
                    )
        self.base_lrs: list[float | Tensor] = group_values(optimizer.param_groups, "initial_lr")
        self.last_epoch = last_epoch
        _note_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[float | Tensor]:
        """The rates that the last `step()` set, one for each group."""
        return self._last_lr

    def get_lr(self) -> list[float | Tensor]:
        """The next rates.  For `step` to call; programs want `get_last_lr`."""
        raise NotImplementedError

    def step(self, epoch: int | None = None) -> None:
        """Sets the next learning rates.  Belongs after `optimizer.step()`."""
        if self._step_count == 1:
            self._check_order()
        self._step_count += 1
        if epoch is not None:
            warn(EPOCH_DEPRECATION_WARNING)
        self._update_lr(epoch)

    def _check_order(self) -> None:
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warn(
                "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization. "
                "Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`. " + _ORDER_HELP,
                stacklevel=4,
            )
        elif not getattr(self.optimizer, "_opt_called", False):
            warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and later, "
                "you should call them in the opposite order: `optimizer.step()` before `lr_scheduler.step()`.  "
                "Failure to do this will result in PyTorch skipping the first value of the learning rate "
                "schedule. " + _ORDER_HELP,
                stacklevel=4,
            )

    def _update_lr(self, epoch: int | None = None) -> None:
        self._get_lr_called_within_step = True
        try:
            if epoch is None:
                self.last_epoch += 1
                values = self.get_lr()
            else:
                self.last_epoch = epoch
                values = getattr(self, "_get_closed_form_lr", self.get_lr)()
        finally:
            self._get_lr_called_within_step = False
        self._set_lrs(values)

    def _set_lrs(self, values: list[float | Tensor]) -> None:
        groups = self.optimizer.param_groups
        last = _set_group_values(groups, "lr", values)
        if last is None:
            for group, lr in zip(groups, values, strict=True):
                set_group_value(group, "lr", lr)
            last = group_values(groups, "lr")
        self._last_lr: list[float | Tensor] = last

    def _warn_outside_step(self) -> None:
        warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.", stacklevel=4)


class _LRScheduler(LRScheduler):
    """The name that LRScheduler had before PyTorch 2.0."""


def _note_steps(optimizer: Optimizer) -> None:
    """Makes `optimizer.step` note that it was called, for the warning about the order of steps."""
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    # A step of the instance's own stays what it is; the class's is looked up at each call, since
    # registering a hook replaces it.  The reference is weak so that an optimizer is freed without
    # waiting for the garbage collector.
    own = optimizer.__dict__["step"].__func__ if "step" in optimizer.__dict__ else None
    cls = type(optimizer)
    optimizer_ref = ref(optimizer)

    def step(*args: Any, **kwargs: Any) -> Any:
        optimizer = optimizer_ref()
        optimizer._opt_called = True
        return (own or cls.step)(optimizer, *args, **kwargs)

    step.__doc__ = cls.step.__doc__
    step.__wrapped__ = own or cls.step
    step._wrapped_by_lr_sched = True
    optimizer.step = step
