"""Handles that undo a hook's registration, and the machinery behind a module's backward hooks."""

from __future__ import annotations

from _collections import OrderedDict
from _weakref import ref as weak_ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["RemovableHandle", "unserializable_hook", "warn_if_has_hooks", "BackwardHook"]


class RemovableHandle:
    """What a ``register_*hook`` returns: ``handle.remove()`` takes the hook away again.

    Also a context manager that removes the hook on leaving.
    """

    id: int
    next_id: int = 0

    def __init__(self, hooks_dict: Any, *, extra_dict: Any = None) -> None:
        self.hooks_dict_ref = weak_ref(hooks_dict)
        self.id = RemovableHandle.next_id
        RemovableHandle.next_id += 1
        if extra_dict is None:
            extra_dict = ()
        elif isinstance(extra_dict, dict):
            extra_dict = (extra_dict,)
        self.extra_dict_ref = tuple([weak_ref(d) for d in extra_dict])

    def remove(self) -> None:
        for reference in (self.hooks_dict_ref, *self.extra_dict_ref):
            hooks = reference()
            if hooks is not None:
                hooks.pop(self.id, None)

    def __getstate__(self):
        return self.hooks_dict_ref(), self.id, tuple([reference() for reference in self.extra_dict_ref])

    def __setstate__(self, state) -> None:
        hooks, self.id, *extra = state
        # A handle whose dict was already gone points at a fresh one, dead at once: remove() does nothing.
        self.hooks_dict_ref = weak_ref(OrderedDict() if hooks is None else hooks)
        self.extra_dict_ref = tuple([weak_ref(d) for d in (extra[0] if extra else None) or () if d is not None])
        RemovableHandle.next_id = max(RemovableHandle.next_id, self.id + 1)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, type: Any, value: Any, tb: Any) -> None:
        self.remove()


def unserializable_hook(f: Callable) -> Callable:
    """Marks a hook as one that saving may drop in silence."""
    f.__torch_unserializable__ = True
    return f


def warn_if_has_hooks(tensor: Any) -> None:
    """Warns for each hook on ``tensor`` that saving it will lose."""
    for hook in (tensor._backward_hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            import warnings

            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  "
                "If this is expected, you can decorate the function with "
                "@torch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )


_identity = None


def _identity_function():
    """An autograd node that passes everything through: a place in the graph to hang hooks on."""
    global _identity
    if _identity is None:
        from ..autograd import Function

        class BackwardHookFunction(Function):
            @staticmethod
            def forward(ctx, *args):
                ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
                return args

            @staticmethod
            def backward(ctx, *grads):
                return grads

        _identity = BackwardHookFunction
    return _identity


class BackwardHook:
    """Runs a module's full backward hooks and pre-hooks for one call of it.

    The module's inputs and outputs each go through one identity node. Backward reaches the output
    node first: its gradients are the module's grad_output, where pre-hooks run. The input node comes
    later, with grad_input: there the hooks run, given both. Where no input needs a gradient, there is
    no input node, and the hooks run at the output node.
    """

    def __init__(self, module: Any, user_hooks: list, user_pre_hooks: list) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs = None
        self.n_inputs = self.n_outputs = -1
        self.input_tensors_index = self.output_tensors_index = None

    @staticmethod
    def _spread(index, values, size: int) -> tuple:
        """values[i] at place index[i] of a tuple otherwise None."""
        spread = [None] * size
        for i, value in zip(index, values, strict=True):
            spread[i] = value
        return tuple(spread)

    def _through_identity(self, args, hook):
        """Sends the tensors of args through one node with that hook; also returns their places."""
        import rushlight as torch

        index = [i for i, arg in enumerate(args) if isinstance(arg, torch.Tensor)]
        if not torch.is_grad_enabled() or not any([args[i].requires_grad for i in index]):
            return args, None
        tensors = _identity_function().apply(*[args[i] for i in index])
        next(t.grad_fn for t in tensors if t.grad_fn is not None).register_hook(hook)
        args_list = list(args)
        for i, tensor in zip(index, tensors, strict=True):
            args_list[i] = tensor
        # A namedtuple takes its fields one by one.
        return (tuple(args_list) if type(args) is tuple else type(args)(*args_list)), index

    def setup_input_hook(self, args: tuple) -> tuple:
        self.n_inputs = len(args)
        args, self.input_tensors_index = self._through_identity(args, self._at_inputs)
        return args

    def setup_output_hook(self, result: Any) -> Any:
        args = result if isinstance(result, tuple) else (result,)
        self.n_outputs = len(args)
        args, self.output_tensors_index = self._through_identity(args, self._at_outputs)
        return args if isinstance(result, tuple) else args[0]

    def _at_inputs(self, grad_input, _):
        if self.grad_outputs is None:
            return None  # backward started inside the module and never passed its outputs
        grads = self._spread(self.input_tensors_index, grad_input, self.n_inputs)
        for hook in self.user_hooks:
            new = hook(self.module, grads, self.grad_outputs)
            if new is None:
                continue
            if len(new) != len(grads):
                raise RuntimeError(
                    f"Backward hook returned an invalid number of grad_input, got {len(new)}, but expected {len(grads)}"
                )
            grads = new
        self.grad_outputs = None
        return tuple([grads[i] for i in self.input_tensors_index])

    def _at_outputs(self, _, grad_output):
        grads = self._spread(self.output_tensors_index, grad_output, self.n_outputs)
        for pre_hook in self.user_pre_hooks:
            new = pre_hook(self.module, grads)
            if new is None:
                continue
            if len(new) != len(grads):
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(new)}, but expected {len(grads)}"
                )
            grads = new
        self.grad_outputs = grads
        if self.input_tensors_index is None:
            self._run_without_inputs()
        return tuple([grads[i] for i in self.output_tensors_index])

    def _run_without_inputs(self) -> None:
        import warnings

        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
            "require gradients. See https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=6,
        )
        no_grads = (None,) * self.n_inputs
        for hook in self.user_hooks:
            new = hook(self.module, no_grads, self.grad_outputs)
            if new is not None and not (isinstance(new, tuple) and all([grad is None for grad in new])):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient "
                    "should always return None or None for all gradients."
                )
        self.grad_outputs = None
