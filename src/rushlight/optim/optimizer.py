"""The base of all optimizers: parameter groups, state, checkpoints, hooks."""

from __future__ import annotations

from _collections import OrderedDict, defaultdict

from .. import _C
from .._hints import hinted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ..utils.hooks import RemovableHandle

Tensor = _C.Tensor
_zero_grad = _C._zero_grad


class _RequiredParameter:
    """Stands for a default that each parameter group must supply."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

_global_pre_hooks: OrderedDict = OrderedDict()
_global_post_hooks: OrderedDict = OrderedDict()


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` before every step of every optimizer."""
    _hook_steps_in_use(Optimizer)
    return _register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls `hook(optimizer, args, kwargs)` after every step of every optimizer."""
    _hook_steps_in_use(Optimizer)
    return _register(_global_post_hooks, hook)


def _register(hooks: OrderedDict, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
    from ..utils.hooks import RemovableHandle

    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _hook_steps_in_use(cls: type) -> None:
    # Only classes of which there has been an instance: in a class that merely serves as a base,
    # a hooked `step` would call the hooks a second time when a subclass calls super().step().
    if "_in_use" in vars(cls):
        _hook_step(cls)
    for subclass in cls.__subclasses__():
        _hook_steps_in_use(subclass)


def _hook_step(cls: Any) -> None:
    if not getattr(cls.step, "hooked", False):
        cls.step = Optimizer.profile_hook_step(cls.step)
        cls.step.hooked = True


def _typename(value: object) -> str:
    if isinstance(value, Tensor):
        return value.type()
    described = value if hasattr(value, "__qualname__") else type(value)
    module = getattr(described, "__module__", None) or ""
    return described.__qualname__ if module in ("", "builtins") else f"{module}.{described.__qualname__}"


def call_with_grad(closure: Callable[[], Any]) -> Any:
    """What a closure given to `step` computes, with gradients recorded."""
    previous = _C.is_grad_enabled()
    _C._set_grad_enabled(True)
    try:
        return closure()
    finally:
        _C._set_grad_enabled(previous)


def to_scalar(value: Any) -> Any:
    """A one-element tensor made 0-dimensional; anything else as it is."""
    return value.squeeze() if isinstance(value, Tensor) and value.dim() != 0 else value


class Optimizer:
    """Base class for all optimizers.

    `params` is an iterable of tensors, of `(name, tensor)` pairs or of dicts, each of which
    describes one group: its `"params"` and whatever options differ from `defaults`.

    Subclasses define `step`.  Steps are plain methods: hooks cost nothing until one is registered,
    at which moment the class's `step` is wrapped.
    """

    _in_use: bool
    _optimizer_step_pre_hooks: dict[int, Callable]
    _optimizer_step_post_hooks: dict[int, Callable]
    _optimizer_state_dict_pre_hooks: dict[int, Callable]
    _optimizer_state_dict_post_hooks: dict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: dict[int, Callable]
    _optimizer_load_state_dict_post_hooks: dict[int, Callable]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        # One by one: through __dict__ the interpreter would lose its quick way to an object's attributes.
        self._optimizer_step_pre_hooks = OrderedDict()
        self._optimizer_step_post_hooks = OrderedDict()
        self._optimizer_state_dict_pre_hooks = OrderedDict()
        self._optimizer_state_dict_post_hooks = OrderedDict()
        self._optimizer_load_state_dict_pre_hooks = OrderedDict()
        self._optimizer_load_state_dict_post_hooks = OrderedDict()
        cls = type(self)
        if "_in_use" not in vars(cls):
            cls._in_use = True
        if _global_pre_hooks or _global_post_hooks:
            _hook_step(cls)

        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                "but got " + _typename(params)
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        if isinstance(params, _C.ModuleBase) and not hasattr(params, "__iter__"):
            name = _typename(params).rpartition(".")[2]
            raise hinted(
                TypeError(f"{name!r} object is not iterable"),
                f"an optimizer takes the parameters of a model: {cls.__name__}(model.parameters(), ...)",
            )
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self) -> dict[str, Any]:
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state: dict[str, Any]) -> None:
        mine = self.__dict__
        mine.update(state)
        for event in ("step", "state_dict", "load_state_dict"):
            for moment in ("pre", "post"):
                mine.setdefault(f"_optimizer_{event}_{moment}_hooks", OrderedDict())
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        groups = ""
        for i, group in enumerate(self.param_groups):
            options = "".join(f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params")
            groups += f"\nParameter Group {i}\n{options}"
        return f"{type(self).__name__} ({groups})"

    # ------------------------------------------------------------ the training rhythm

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates the parameters once; `closure` recomputes the loss, which is then returned."""
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forgets all gradients: sets them to None, or with `set_to_none=False` to zeros."""
        if set_to_none and _zero_grad(self.param_groups):
            return
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                    continue
                if p.grad.grad_fn is not None:
                    p.grad.detach_()
                else:
                    p.grad.requires_grad_(False)
                p.grad.zero_()

    # ------------------------------------------------------------ groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own; options not given take the defaults."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, Tensor):
            params = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the ordering of "
                "tensors in sets will change between runs. Please use a list instead."
            )
        params = list(params)
        names = [p[0] for p in params if isinstance(p, tuple)]
        params = [p[1] if isinstance(p, tuple) else p for p in params]
        param_group["params"] = params
        if names:
            if len(names) != len(params):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = names

        for p in params:
            if not isinstance(p, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {_typename(p)}")
            if not self.defaults.get("differentiable") and not (p.is_leaf or p.retains_grad):
                raise hinted(
                    ValueError("can't optimize a non-leaf Tensor"),
                    f"it is the result of {p.grad_fn.name()}; "
                    "make the tensor to be trained with .detach().requires_grad_()",
                )
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(f"parameter group didn't specify a value of required optimization parameter {name}")
            param_group.setdefault(name, default)

        distinct = set(params)
        if len(distinct) != len(params):
            import warnings

            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; "
                "in future, this will cause an error; "
                "see github.com/pytorch/pytorch/issues/40967 for more information",
                stacklevel=3,
            )
        named = "param_names" in param_group
        for group in self.param_groups:
            if ("param_names" in group) != named:
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param group "
                    f"{'with names' if named else 'without names'} to the optimizer"
                )
        if not all(distinct.isdisjoint(group["params"]) for group in self.param_groups):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    # ------------------------------------------------------------ checkpoints

    def state_dict(self) -> dict[str, Any]:
        """`{"state": ..., "param_groups": ...}` with each parameter replaced by its index."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        index: dict[int, int] = {}
        position = 0
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                index.setdefault(id(p), position)
                position += 1
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [index[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {index[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items()}
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            replaced = hook(self, result)
            if replaced is not None:
                result = replaced
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` returned, here or in PyTorch.

        Parameters are matched by position.  Floating-point state takes the dtype of its parameter,
        except `step`; options, the learning rate included, come from the checkpoint.
        """
        from copy import deepcopy

        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            replaced = hook(self, state_dict)
            if replaced is not None:
                state_dict = replaced

        groups = self.param_groups
        saved_groups = deepcopy(state_dict["param_groups"])
        if len(groups) != len(saved_groups):
            raise ValueError("loaded state dict has a different number of parameter groups")
        owners: dict[Any, tuple[Any, dict[str, Any]]] = {}
        for group, saved in zip(groups, saved_groups):
            if len(group["params"]) != len(saved["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group"
                )
            for key, p in zip(saved["params"], group["params"]):
                owners[key] = p, saved

        state: defaultdict = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in owners:
                p, saved = owners[key]
                state[p] = _adapt(value, p, None, saved)
            else:
                state[key] = value
        for group, saved in zip(groups, saved_groups):
            saved["params"] = group["params"]
            if "param_names" in group:
                saved.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved_groups})

        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ------------------------------------------------------------ hooks

    @staticmethod
    def profile_hook_step(step: Callable[..., Any]) -> Callable[..., Any]:
        """`step` with the hooks of its optimizer, and those of all optimizers, around it."""
        from functools import wraps

        @wraps(step)
        def hooked_step(self, *args, **kwargs):
            called, named = (self, *args), kwargs
            for hook in (*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()):
                replaced = hook(self, called, named)
                if replaced is None:
                    continue
                if not (isinstance(replaced, tuple) and len(replaced) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
                    )
                called, named = replaced
            result = step(*called, **named)
            for hook in (*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()):
                hook(self, called, named)
            return result

        return hooked_step

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` before each step; it may return new `(args, kwargs)`."""
        _hook_step(type(self))
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls `hook(optimizer, args, kwargs)` after each step."""
        _hook_step(type(self))
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` before `state_dict` gathers anything."""
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` on the result; what it returns replaces it."""
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer, state_dict)` before loading; what it returns is loaded instead."""
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls `hook(optimizer)` after loading."""
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _adapt(value: Any, p: Tensor, key: Any, group: dict[str, Any]) -> Any:
    """`value` of a checkpoint, fitted to its parameter's dtype and device, containers included."""
    if isinstance(value, Tensor):
        if key == "step":
            # A count, not a quantity of the parameter's dtype: bfloat16 counts no further than 256.
            if group.get("capturable") or group.get("fused"):
                return value.to(dtype=_C.float32, device=p.device)
            return value
        if p.is_floating_point():
            return value.to(dtype=p.dtype, device=p.device)
        return value.to(device=p.device)
    if isinstance(value, dict):
        return {name: _adapt(item, p, name, group) for name, item in value.items()}
    if hasattr(type(value), "__iter__") and not isinstance(value, str):
        return type(value)(_adapt(item, p, None, group) for item in value)
    return value
