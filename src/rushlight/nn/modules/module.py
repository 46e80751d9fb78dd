"""nn.Module: the base of every layer and model.

What runs at each call, attribute access or train() is native (ModuleBase, _core/module.c); this file
and its two parts, `_hooking` and `_state`, hold the rest.
"""

from __future__ import annotations

from _weakref import ref as weak_ref

from ..._C import ModuleBase, Parameter, Tensor
from ..._hints import hinted
from . import _hooking, _state
from ._hooking import (
    HookMethods,
    _global_buffer_registration_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from ._state import _BUFFERS, _MODULES, _PARAMETERS, StateMethods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

__all__ = [
    "register_module_forward_pre_hook",
    "register_module_forward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_backward_hook",
    "register_module_full_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "Module",
]


def _typename(obj: Any) -> str:
    from rushlight import typename

    return typename(obj)


def _addindent(text: str, spaces: int) -> str:
    """Indents all lines but the first."""
    first, *rest = text.split("\n")
    return "\n".join([first, *[" " * spaces + line if line.strip() else "" for line in rest]])


def _forward_unimplemented(self, *input: Any) -> None:
    raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')


class _CallSignature:
    """What inspect.signature cannot see in a native ``__call__`` and ``__init__``: ``(*args, **kwargs)``."""

    def __get__(self, module: Module | None, owner: type) -> Any:
        if module is None and owner.__init__ is not ModuleBase.__init__:
            raise AttributeError("__signature__")  # the class has a signature of its own
        from inspect import signature

        return signature(lambda *args, **kwargs: None)


class _LayerNote(str):
    """The note an exception carries out of a model: ``in Net.fc.1: Linear(in_features=3, ...)``.

    While the exception passes up, each caller that contains ``outer``, the outermost module named so
    far, puts a note with a longer path in its place.
    """

    outer: weak_ref[Module]
    path: str
    layer: str

    def __new__(cls, outer: Module, path: str, layer: str):
        text = f"in {outer._get_name()}.{path}: {layer}" if path else f"in {layer}"
        note = super().__new__(cls, text)
        note.outer, note.path, note.layer = weak_ref(outer), path, layer
        return note

    def __reduce_ex__(self, protocol: Any):
        return str, (str(self),)  # an exception sent to another process leaves the model behind


def _path_to(inner: Module, outer: Module) -> str | None:
    for name, child in outer._modules.items():
        if child is inner:
            return name
    return next((path for path, module in outer.named_modules() if module is inner and path), None)


class Module(HookMethods, StateMethods, ModuleBase):
    """Base class of layers and models: a tree of modules that holds parameters and buffers.

    A subclass calls ``super().__init__()``, sets parameters and submodules as attributes, and defines
    ``forward``; calling the module calls ``forward`` with the hooks around it.

    An exception that leaves ``forward`` gets a note with the path of the layer it came from.

    >>> import rushlight as torch
    >>> class Scale(torch.nn.Module):
    ...     def __init__(self, by):
    ...         super().__init__()
    ...         self.by = torch.nn.Parameter(torch.tensor(by))
    ...     def forward(self, x):
    ...         return x * self.by
    >>> Scale(2.)(torch.ones(2)).tolist()
    [2.0, 2.0]
    """

    dump_patches: bool = False
    call_super_init: bool = False
    _compiled_call_impl: Callable | None = None

    if TYPE_CHECKING:
        training: bool
        _parameters: dict[str, Parameter | None]
        _buffers: dict[str, Tensor | None]
        _modules: dict[str, Module | None]
        _non_persistent_buffers_set: set[str]

        # Native, in ModuleBase.
        def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
        def __getattr__(self, name: str) -> Any: ...
        def train(self, mode: bool = True) -> Self: ...
        def eval(self) -> Self: ...
        def zero_grad(self, set_to_none: bool = True) -> None: ...
        def apply(self, fn: Callable[[Module], None]) -> Self: ...
        def children(self) -> Iterator[Module]: ...

    forward: Callable[..., Any] = _forward_unimplemented
    __signature__ = _CallSignature()

    # ------------------------------------------------------------------ registration

    @staticmethod
    def _check_name(kind: str, name: str) -> None:
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')

    def _not_initialised(self, what: str) -> AttributeError:
        return hinted(
            AttributeError(f"cannot assign {what} before Module.__init__() call"),
            f"begin {type(self).__name__}.__init__ with super().__init__()",
        )

    def _check_unused(self, registry: dict, name: str) -> None:
        if hasattr(self, name) and name not in registry:
            raise KeyError(f"attribute '{name}' already exists")

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Adds a tensor that belongs to the state but is not trained, such as a running mean.

        It moves and converts with the module; with ``persistent=False`` it is left out of state_dict.
        """
        buffers = self._peek("_buffers")
        if buffers is None:
            raise self._not_initialised("buffer")
        if not isinstance(name, str):
            raise TypeError(f"buffer name should be a string. Got {_typename(name)}")
        self._check_name("buffer", name)
        self._check_unused(buffers, name)
        if not (tensor is None or isinstance(tensor, Tensor) or hasattr(tensor, "__torch_function__")):
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        for hook in _global_buffer_registration_hooks.values():
            replaced = hook(self, name, tensor)
            tensor = tensor if replaced is None else replaced
        buffers[name] = tensor
        if not persistent:
            self._non_persistent_buffers_set.add(name)
        elif self._peek("_non_persistent_buffers_set"):
            self._non_persistent_buffers_set.discard(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Adds a parameter, or with None a place for one; the same as setting it as an attribute."""
        params = self._peek("_parameters")
        if params is None:
            raise self._not_initialised("parameter")
        if not isinstance(name, str):
            raise TypeError(f"parameter name should be a string. Got {_typename(name)}")
        self._check_name("parameter", name)
        self._check_unused(params, name)
        if param is not None:
            if not isinstance(param, Parameter):
                raise TypeError(
                    f"cannot assign '{_typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)"
                )
            if param.grad_fn is not None:
                raise ValueError(
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                    f"explicitly. To express '{name}' as a function of another Tensor, compute the value in the "
                    "forward() method."
                )
            for hook in _global_parameter_registration_hooks.values():
                replaced = hook(self, name, param)
                param = param if replaced is None else replaced
        params[name] = param

    def add_module(self, name: str, module: Module | None) -> None:
        """Adds a submodule; the same as setting it as an attribute, for names that are no identifiers."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {_typename(name)}")
        self._check_unused(self._modules, name)
        self._check_name("module", name)
        self._modules[name] = self._hook_registration(name, module)

    def register_module(self, name: str, module: Module | None) -> None:
        """Another name of add_module."""
        self.add_module(name, module)

    def _hook_registration(self, name: str, module: Module | None) -> Module | None:
        for hook in _global_module_registration_hooks.values():
            replaced = hook(self, name, module)
            module = module if replaced is None else replaced
        return module

    def _assign(self, name: str, value: Any) -> None:
        """``self.name = value`` where ModuleBase.__setattr__ found a tensor or a registered name."""
        params, buffers, modules = [self._peek(registry) for registry in ("_parameters", "_buffers", "_modules")]
        if isinstance(value, Parameter):
            if params is None:
                raise self._not_initialised("parameters")
            self._forget(name, buffers, modules)
            self.register_parameter(name, value)
        elif params and name in params:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as parameter '{name}' (torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if modules is None:
                raise self._not_initialised("module")
            self._forget(name, params, buffers)
            modules[name] = self._hook_registration(name, value)
        elif modules and name in modules:
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as child module '{name}' (torch.nn.Module or None expected)"
                )
            modules[name] = self._hook_registration(name, value)
        elif buffers and name in buffers or getattr(value, "_is_buffer", False):
            self._assign_buffer(name, value)
        else:
            object.__setattr__(self, name, value)

    def _forget(self, name: str, *registries: dict) -> None:
        """Removes whatever else on this instance goes by that name."""
        self._drop(name)
        unsaved = self._peek("_non_persistent_buffers_set")
        if unsaved:
            unsaved.discard(name)
        for registry in registries:
            registry.pop(name, None)

    def _assign_buffer(self, name: str, value: Any) -> None:
        if not (value is None or isinstance(value, Tensor) or hasattr(value, "__torch_function__")):
            raise TypeError(
                f"cannot assign '{_typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if getattr(value, "_is_buffer", False):
            persistent = value.persistent
        else:
            persistent = name not in (self._peek("_non_persistent_buffers_set") or ())
        if type(self).register_buffer is not Module.register_buffer:
            from inspect import signature

            if "persistent" not in signature(self.register_buffer).parameters:
                if not persistent:
                    raise RuntimeError(
                        "Registering a non-persistent buffer on a Module subclass that implements "
                        "register_buffer() without the persistent argument is not allowed."
                    )
                self.register_buffer(name, value)
                return
        self.register_buffer(name, value, persistent)

    # ------------------------------------------------------------------ looking up by path

    def get_submodule(self, target: str) -> Module:
        """The submodule at a path such as ``"encoder.layers.0"``; ``""`` is the module itself."""
        module = self
        for name in target.split(".") if target else ():
            parent, module = module, getattr(module, name, None)
            if module is None and not hasattr(parent, name):
                raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Puts a module at a path; with ``strict`` only where there is one already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if not hasattr(parent, name):
            if strict:
                raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        elif not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def _get_member(self, target: str) -> tuple[Module, str, Any]:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as ``"fc.weight"``."""
        _, name, param = self._get_member(target)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path such as ``"bn.running_mean"``."""
        module, name, buffer = self._get_member(target)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    # ------------------------------------------------------------------ walking the tree

    def _named_members(
        self, get_members_fn: Callable, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in get_members_fn(module):
                if value is None or value in seen:
                    continue
                if remove_duplicate:
                    seen.add(value)
                yield f"{path}.{name}" if path else name, value

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Each parameter once, in the order of registration; with ``recurse=False`` only this module's own."""
        if type(self).named_parameters is Module.named_parameters:
            params = self._members(_PARAMETERS, None, recurse, True)
            if params is not None:
                yield from params
                return
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Pairs (path, parameter)."""
        pairs = self._members(_PARAMETERS, prefix, recurse, remove_duplicate)
        if pairs is None:
            pairs = self._named_members(lambda module: module._parameters.items(), prefix, recurse, remove_duplicate)
        yield from pairs

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Each buffer once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Pairs (path, buffer)."""
        pairs = self._members(_BUFFERS, prefix, recurse, remove_duplicate)
        if pairs is None:
            pairs = self._named_members(lambda module: module._buffers.items(), prefix, recurse, remove_duplicate)
        yield from pairs

    def _walk_children(self) -> Iterator[Module]:
        """children() where ModuleBase cannot list them."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Pairs (name, module) of the modules directly below this one."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, parents first."""
        modules = self._members(_MODULES, None, True, remove_duplicate)
        if modules is None:
            modules = [module for _, module in self.named_modules(remove_duplicate=remove_duplicate)]
        yield from modules

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """Pairs (path, module) of this module, whose path is ``prefix``, and all below it."""
        pairs = self._members(_MODULES, prefix, True, remove_duplicate) if memo is None else None
        if pairs is not None:
            yield from pairs
            return
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    # ------------------------------------------------------------------ parameters as a whole

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freezes (False) or unfreezes all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def _zero_grad(self, set_to_none: bool) -> None:
        """zero_grad where ModuleBase cannot just drop the gradients."""
        if getattr(self, "_is_replica", False):
            import warnings

            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. The parameters are "
                "copied (in a differentiable manner) from the original module. This means they are not leaf nodes in "
                "autograd and so don't accumulate gradients. If you need gradients in your forward method, consider "
                "using autograd.grad instead.",
                stacklevel=2,
            )
        for param in self.parameters():
            if param.grad is None:
                continue
            if set_to_none:
                param.grad = None
                continue
            if param.grad.grad_fn is not None:
                param.grad.detach_()
            else:
                param.grad.requires_grad_(False)
            param.grad.zero_()

    def share_memory(self) -> Self:
        """Returns the module as it is: tensors stay in the memory of the process that made them."""
        return self

    def _apply(self, fn: Callable[[Any], Tensor], recurse: bool = True) -> Self:
        """Replaces the contents of all parameters, their gradients, and all buffers by fn of them."""
        from rushlight import no_grad

        if recurse:
            for module in self.children():
                module._apply(fn)
        for name, param in self._parameters.items():
            if param is None:
                continue
            grad = param.grad
            with no_grad():
                applied = fn(param)
                grad_applied = None if grad is None else fn(grad)
            if applied.device.type == param.device.type:
                param.data = applied  # the parameter stays the object that an optimizer may hold
            else:
                param = self._parameters[name] = Parameter(applied, param.requires_grad)
            if grad is None:
                continue
            if param.grad is grad and grad_applied.device.type == grad.device.type:
                grad.data = grad_applied
            else:
                param.grad = grad_applied.requires_grad_(grad.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Moves and converts parameters and buffers in place: ``to(device)``, ``to(dtype)``, ``to(tensor)``.

        A dtype must be floating point or complex, and integral buffers keep theirs.
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None:
            if not (dtype.is_floating_point or dtype.is_complex):
                raise TypeError(
                    f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}"
                )
            if dtype.is_complex:
                import warnings

                warnings.warn(
                    "Complex modules are a new feature under active development whose design may change, and some "
                    "modules might not work as expected when using complex tensors as parameters or buffers. Please "
                    "file an issue at https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml if a "
                    "complex module does not work as expected.",
                    stacklevel=2,
                )

        def convert(t):
            own_dtype = dtype if t.is_floating_point() or t.is_complex() else None
            try:
                if memory_format is not None and t.dim() in (4, 5):
                    return t.to(device, own_dtype, non_blocking, memory_format=memory_format)
                return t.to(device, own_dtype, non_blocking)
            except NotImplementedError as error:
                if str(error) != "Cannot copy out of meta tensor; no data!":
                    raise
                raise NotImplementedError(
                    f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() when moving module "
                    "from meta to a different device."
                ) from None

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Self:
        """Moves to a device without copying: the values are undefined."""
        from rushlight import empty_like

        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def cpu(self) -> Self:
        """Moves to the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Self:
        """Raises AssertionError if there is anything to move: this build has no CUDA."""
        return self._apply(lambda t: t.cuda(device))

    def xpu(self, device: Any = None) -> Self:
        """As cuda."""
        return self._apply(lambda t: t.xpu(device))

    def ipu(self, device: Any = None) -> Self:
        """As cuda."""
        return self._apply(lambda t: t.ipu(device))

    def mtia(self, device: Any = None) -> Self:
        """As cuda."""
        return self._apply(lambda t: t.mtia(device))

    def type(self, dst_type: Any) -> Self:
        """Converts parameters and buffers to a dtype, integral ones too."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Converts floating-point parameters and buffers to float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Self:
        """Converts floating-point parameters and buffers to float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Self:
        """Converts floating-point parameters and buffers to float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Self:
        """Converts floating-point parameters and buffers to bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Accepted for PyTorch's sake: calls are native already and stay eager."""

    # ------------------------------------------------------------------ how it looks

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What repr shows between the brackets besides the submodules; override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()]
        if len(extra_lines) == 1 and not child_lines:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join(["", *extra_lines, *child_lines])
        return f"{self._get_name()}({body}\n)" if body else f"{self._get_name()}()"

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *ModuleBase.__getstate__(self), *self._parameters, *self._modules, *self._buffers]
        return sorted([name for name in names if not name[0].isdigit()])

    def _annotate_error(self, error: BaseException) -> None:
        """Called from ModuleBase while an exception leaves this module's call."""
        notes = getattr(error, "__notes__", ())
        for i, note in enumerate(notes):
            if type(note) is not _LayerNote:
                continue
            inner = note.outer()
            path = None if inner is self or inner is None else _path_to(inner, self)
            if path is not None:
                notes[i] = _LayerNote(self, f"{path}.{note.path}" if note.path else path, note.layer)
            return
        extra = self.extra_repr()
        layer = f"{self._get_name()}({extra})" if extra and self._modules else self._get_name()
        error.add_note(_LayerNote(self, "", layer if self._modules else repr(self)))

    def _replicate_for_data_parallel(self) -> Self:
        replica = self.__new__(type(self))
        ModuleBase.__setstate__(replica, ModuleBase.__getstate__(self))
        replica._parameters = {}
        replica._buffers = self._buffers.copy()
        replica._modules = self._modules.copy()
        replica._is_replica = True
        return replica


def _parse_to(*args, device=None, dtype=None, non_blocking=False, copy=False, memory_format=None, tensor=None):
    """The overloads of ``to``: (device, dtype, non_blocking), (dtype, non_blocking), (tensor, non_blocking)."""
    import rushlight as torch

    if args and isinstance(args[0], torch.dtype):
        dtype, *rest = args
    elif args and isinstance(args[0], Tensor) or tensor is not None:
        like, *rest = args if tensor is None else (tensor, *args)
        device, dtype = like.device, like.dtype
    else:
        device, *rest = args or (device,)
        if rest:
            dtype, *rest = rest
    if rest:
        non_blocking, *rest = rest
    if device is not None:
        device = torch.device(device)
    return device, dtype, non_blocking, memory_format


ModuleBase._bind(Module, Tensor, Parameter)


def __getattr__(name: str) -> Any:
    # PyTorch keeps the global hooks, _IncompatibleKeys and the like in this module.
    for part in (_hooking, _state):
        if hasattr(part, name):
            return getattr(part, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
