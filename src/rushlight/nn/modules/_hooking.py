"""Hooks of nn.Module: registering them, those common to all modules, and a call that runs them.

A module without hooks never comes here: ModuleBase goes straight to ``forward``.
"""

from __future__ import annotations

from _collections import OrderedDict

from ..._C import ModuleBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...utils.hooks import RemovableHandle

    _Base = ModuleBase  # what the methods find on self; Module inherits from it beside this class
else:
    _Base = object

_global_buffer_registration_hooks: dict[int, Callable] = OrderedDict()
_global_module_registration_hooks: dict[int, Callable] = OrderedDict()
_global_parameter_registration_hooks: dict[int, Callable] = OrderedDict()

_global_backward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_backward_hooks: dict[int, Callable] = OrderedDict()
_global_is_full_backward_hook: bool | None = None
_global_forward_pre_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks: dict[int, Callable] = OrderedDict()
_global_forward_hooks_always_called: dict[int, bool] = OrderedDict()
_global_forward_hooks_with_kwargs: dict[int, bool] = OrderedDict()


def _add(hooks: Any, hook: Callable, prepend: bool = False, marks: tuple = ()) -> RemovableHandle:
    """Registers hook; marks are pairs (dict of ids, whether this hook belongs in it)."""
    from ...utils.hooks import RemovableHandle

    handle = RemovableHandle(hooks, extra_dict=[ids for ids, _ in marks])
    hooks[handle.id] = hook
    for ids, marked in marks:
        if marked:
            ids[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, buffer)`` whenever any module registers a buffer; it may return another."""
    return _add(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, submodule)`` whenever any module registers a submodule; it may return another."""
    ModuleBase._watch_registration()
    return _add(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, name, param)`` whenever any module registers a parameter; it may return another."""
    return _add(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, args)`` before the forward of every module."""
    ModuleBase._watch_calls()
    return _add(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Calls ``hook(module, args, output)`` after the forward of every module."""
    ModuleBase._watch_calls()
    marks = (_global_forward_hooks_with_kwargs, with_kwargs), (_global_forward_hooks_always_called, always_call)
    return _add(_global_forward_hooks, hook, marks=marks)


def _set_global_backward_kind(full: bool) -> None:
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is (not full):
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _global_is_full_backward_hook = full
    ModuleBase._watch_calls()


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The older form of register_module_full_backward_hook; sees only the last node of each module."""
    _set_global_backward_kind(full=False)
    return _add(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, grad_output)`` before backward goes through each module."""
    ModuleBase._watch_calls()
    return _add(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Calls ``hook(module, grad_input, grad_output)`` once backward has gone through each module."""
    _set_global_backward_kind(full=True)
    return _add(_global_backward_hooks, hook)


class _WrappedHook:
    """A hook that is also given its module, held weakly so that the hook does not keep it alive."""

    def __init__(self, hook: Callable, module: Any = None) -> None:
        from functools import update_wrapper
        from weakref import ref

        self.hook = hook
        update_wrapper(self, hook)
        self.with_module = module is not None
        if self.with_module:
            self.module = ref(module)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict) -> None:
        if state["with_module"] and state["module"] is None:
            raise RuntimeError("You are trying to revive the hook of a dead Module!")
        self.__init__(state["hook"], state.get("module"))


def _warn(message: str, category: type[Warning] = UserWarning, depth: int = 3) -> None:
    import warnings

    warnings.warn(message, category, stacklevel=depth)


class _HookedCall:
    """One call of a module with hooks; args, kwargs and result change as the hooks replace them."""

    __slots__ = ("already_called", "args", "kwargs", "module", "result")

    def __init__(self, module, args, kwargs) -> None:
        self.module, self.args, self.kwargs = module, args, kwargs
        self.result = None
        self.already_called = set()

    def run(self):
        module = self.module
        pre_hooks = module._get_backward_pre_hooks()
        full_hooks, legacy_hooks = module._get_backward_hooks()
        self._run_forward_pre_hooks()
        backward_hook = None
        if full_hooks or pre_hooks:
            from ...utils.hooks import BackwardHook

            backward_hook = BackwardHook(module, full_hooks, pre_hooks)
            self.args = backward_hook.setup_input_hook(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        self._run_forward_hooks()
        if backward_hook is not None:
            self._check_output_is_tensors()
            self.result = backward_hook.setup_output_hook(self.result)
        if legacy_hooks:
            self._set_legacy_hooks(legacy_hooks)
        return self.result

    def _run_forward_pre_hooks(self) -> None:
        module = self.module
        for hook_id, hook in (*_global_forward_pre_hooks.items(), *module._forward_pre_hooks.items()):
            if hook_id in module._forward_pre_hooks_with_kwargs:
                new = hook(module, self.args, self.kwargs)
                if new is None:
                    continue
                if not (isinstance(new, tuple) and len(new) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {new}."
                    )
                self.args, self.kwargs = new
            else:
                new = hook(module, self.args)
                if new is not None:
                    self.args = new if isinstance(new, tuple) else (new,)

    def _run_forward_hooks(self) -> None:
        module = self.module
        for hook_id, hook in (*_global_forward_hooks.items(), *module._forward_hooks.items()):
            if hook_id in module._forward_hooks_always_called or hook_id in _global_forward_hooks_always_called:
                self.already_called.add(hook_id)
            with_kwargs = hook_id in module._forward_hooks_with_kwargs or hook_id in _global_forward_hooks_with_kwargs
            self._run_forward_hook(hook, with_kwargs)

    def _run_forward_hook(self, hook, with_kwargs: bool) -> None:
        if with_kwargs:
            new = hook(self.module, self.args, self.kwargs, self.result)
        else:
            new = hook(self.module, self.args, self.result)
        if new is not None:
            self.result = new

    def run_always_called(self) -> None:
        """After an error: the hooks that asked to be called all the same, their own errors silenced."""
        module = self.module
        # As in PyTorch, a global hook is not given the kwargs here, even if it asked for them.
        kinds = (
            (_global_forward_hooks, _global_forward_hooks_always_called, (), "global module"),
            (module._forward_hooks, module._forward_hooks_always_called, module._forward_hooks_with_kwargs, "module"),
        )
        for hooks, always_called, with_kwargs, kind in kinds:
            for hook_id, hook in list(hooks.items()):
                if hook_id not in always_called or hook_id in self.already_called:
                    continue
                try:
                    self._run_forward_hook(hook, hook_id in with_kwargs)
                except Exception as error:
                    _warn(
                        f"{kind} forward hook with ``always_call=True`` raised an exception "
                        f"that was silenced as another error was raised in forward: {error!s}"
                    )

    def _check_output_is_tensors(self) -> None:
        from rushlight import Tensor

        if not isinstance(self.result, (Tensor, tuple)):
            _warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                f"but received {type(self.result)}"
            )

    def _set_legacy_hooks(self, hooks: list) -> None:
        """Hangs the older kind of hooks on the node that made the first tensor of the result."""
        from rushlight import Tensor

        first = self.result
        while not isinstance(first, Tensor):
            if isinstance(first, dict):
                first = next(value for value in first.values() if isinstance(value, Tensor))
            else:
                first = first[0]
        node = first.grad_fn
        if node is None:
            return
        for hook in hooks:
            node.register_hook(_WrappedHook(hook, self.module))
        complaint = _legacy_hook_complaint(self.args, self.result, node)
        if complaint:
            _warn(complaint, FutureWarning)


_USE_FULL = " Please use register_full_backward_hook to get the documented behavior."


def _legacy_hook_complaint(inputs, result, node) -> str | None:
    """What such a hook will not see, in PyTorch's words; None where it sees everything."""
    from rushlight import Tensor

    result = (result,) if isinstance(result, Tensor) else result
    if not (isinstance(result, tuple) and all([isinstance(r, Tensor) for r in result])):
        return (
            "Using non-full backward hooks on a Module that does not return a single Tensor or a tuple of Tensors is "
            "deprecated and will be removed in future versions. This hook will be missing some of the grad_output."
            + _USE_FULL
        )
    if not all([isinstance(i, Tensor) for i in inputs]):
        return (
            "Using non-full backward hooks on a Module that does not take as input a single Tensor or a tuple of "
            "Tensors is deprecated and will be removed in future versions. This hook will be missing some of the "
            "grad_input." + _USE_FULL
        )
    nodes = {r.grad_fn for r in result if r.grad_fn is not None}
    if node not in nodes and len(nodes) <= 1:
        return (
            "Using a non-full backward hook when outputs are nested in python data structure is deprecated and will be "
            "removed in future versions. This hook will be missing some grad_output."
        )
    if len(nodes) > 1:
        return (
            "Using a non-full backward hook when outputs are generated by different autograd Nodes is deprecated and "
            "will be removed in future versions. This hook will be missing some grad_output." + _USE_FULL
        )
    if {i.grad_fn for i in inputs if i.grad_fn is not None} != {edge[0] for edge in node.next_functions}:
        return (
            "Using a non-full backward hook when the forward contains multiple autograd Nodes is deprecated and will "
            "be removed in future versions. This hook will be missing some grad_input." + _USE_FULL
        )
    return None


class HookMethods(_Base):
    """The part of Module that registers hooks and calls with them."""

    __slots__ = ()

    _is_full_backward_hook: bool | None = None

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args)`` before forward; what it returns, if not None, replaces args.

        With ``with_kwargs`` it is ``hook(module, args, kwargs)`` and may return a new pair of them.
        """
        return _add(self._forward_pre_hooks, hook, prepend, ((self._forward_pre_hooks_with_kwargs, with_kwargs),))

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Calls ``hook(module, args, output)`` after forward; what it returns, if not None, replaces output.

        With ``with_kwargs`` it is ``hook(module, args, kwargs, output)``; with ``always_call`` it is
        called even when forward raises.

        >>> import rushlight as torch
        >>> layer = torch.nn.Identity()
        >>> handle = layer.register_forward_hook(lambda module, args, output: output * 2)
        >>> layer(torch.tensor(3.))
        tensor(6.)
        >>> handle.remove()
        """
        marks = (self._forward_hooks_with_kwargs, with_kwargs), (self._forward_hooks_always_called, always_call)
        return _add(self._forward_hooks, hook, prepend, marks)

    def _set_backward_kind(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a "
                "single Module. Please use only one of them."
            )
        self._is_full_backward_hook = full

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The older form of register_full_backward_hook; sees only the last node that forward made."""
        self._set_backward_kind(full=False)
        return _add(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_input, grad_output)`` once backward has gone through the module.

        What it returns, if not None, is used in place of grad_input.
        """
        self._set_backward_kind(full=True)
        return _add(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Calls ``hook(module, grad_output)`` before backward goes through the module; may return a new grad_output."""
        return _add(self._backward_pre_hooks, hook, prepend)

    def _get_backward_hooks(self) -> tuple[list, list]:
        full, legacy = [], []
        for kind, hooks in (
            (_global_is_full_backward_hook, _global_backward_hooks),
            (self._is_full_backward_hook, self._backward_hooks),
        ):
            if kind is not None:
                (full if kind else legacy).extend(hooks.values())
        return full, legacy

    def _get_backward_pre_hooks(self) -> list:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _call_with_hooks(self, /, *args, **kwargs):
        call = _HookedCall(self, args, kwargs)
        try:
            return call.run()
        except Exception:
            call.run_always_called()
            raise
