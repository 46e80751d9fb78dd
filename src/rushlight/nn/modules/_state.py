"""Saving and loading the state of a module tree: state_dict and load_state_dict."""

from __future__ import annotations

from _collections import OrderedDict

from ..._C import ModuleBase, Parameter, Tensor, _set_grad_enabled, is_grad_enabled
from ..._hints import hinted
from ._hooking import _add, _WrappedHook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ...utils.hooks import RemovableHandle

    _Base = ModuleBase  # what the methods find on self; Module inherits from it beside this class
else:
    _Base = object

_EXTRA_STATE_KEY_SUFFIX = "_extra_state"
_UNREACHABLE = (
    "Reached a code path in Module.{}_extra_state() that should never be called. Please file an issue at "
    "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml to report this bug."
)


_PARAMETERS, _BUFFERS, _MODULES = range(3)  # as in module.c

_PLAIN = (Tensor, Parameter)


def _copy_failure(key: str, param: Any, saved: Any, error: Exception) -> str:
    return (
        f'While copying the parameter named "{key}", whose dimensions in the model are {param.size()} and '
        f"whose dimensions in the checkpoint are {saved.size()}, an exception occurred : {error.args}."
    )


class _IncompatibleKeys(tuple):
    """What load_state_dict returns: ``missing_keys`` and ``unexpected_keys``, a named pair."""

    # Written out, because collections.namedtuple costs an import and a compilation at start-up.
    __slots__ = ()
    _fields = __match_args__ = ("missing_keys", "unexpected_keys")

    def __new__(cls, missing_keys: list[str], unexpected_keys: list[str]):
        return tuple.__new__(cls, (missing_keys, unexpected_keys))

    def __getnewargs__(self) -> tuple:
        return tuple(self)

    @property
    def missing_keys(self) -> list[str]:
        return self[0]

    @property
    def unexpected_keys(self) -> list[str]:
        return self[1]

    def _asdict(self) -> dict[str, list[str]]:
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changes: list[str]) -> _IncompatibleKeys:
        return _IncompatibleKeys(**{**self._asdict(), **changes})

    def __repr__(self) -> str:
        if not self[0] and not self[1]:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self[0]!r}, unexpected_keys={self[1]!r})"

    __str__ = __repr__


class StateMethods(_Base):
    """The part of Module that saves and loads."""

    __slots__ = ()

    _version: int = 1  # a subclass raises it when its state changes shape; saved in state_dict()._metadata

    def get_extra_state(self) -> Any:
        """Override, together with set_extra_state, to save more than parameters and buffers."""
        raise RuntimeError(_UNREACHABLE.format("get"))

    def set_extra_state(self, state: Any) -> None:
        """Receives on loading what get_extra_state returned on saving."""
        raise RuntimeError(_UNREACHABLE.format("set"))

    # ------------------------------------------------------------------ saving

    def _register_state_dict_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was "
                "previously registered via register_state_dict_post_hook"
            )
        return _add(self._state_dict_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata)`` after state_dict; it may change state_dict."""
        hook._from_public_api = True
        return _add(self._state_dict_hooks, hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Calls ``hook(module, prefix, keep_vars)`` before state_dict."""
        return _add(self._state_dict_pre_hooks, hook)

    def _persistent_state(self) -> list[tuple[str, Any]]:
        """Parameters, then buffers that are saved, without those that are None."""
        unsaved = self._peek("_non_persistent_buffers_set") or ()
        state = [item for item in self._parameters.items() if item[1] is not None]
        state += [item for item in self._buffers.items() if item[1] is not None and item[0] not in unsaved]
        return state

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, value in self._persistent_state():
            destination[prefix + name] = value if keep_vars else value.detach()
        if type(self).get_extra_state is not StateMethods.get_extra_state:
            destination[prefix + _EXTRA_STATE_KEY_SUFFIX] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by their path, as an OrderedDict of detached tensors.

        The tensors share memory with the module. With ``keep_vars`` they are the parameters themselves.

        >>> import rushlight as torch
        >>> list(torch.nn.Sequential(torch.nn.Linear(2, 1)).state_dict())
        ['0.weight', '0.bias']
        """
        if args:
            import warnings

            warnings.warn(
                "Positional args are being deprecated, use kwargs instead. Refer to "
                "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict for details.",
                FutureWarning,
                stacklevel=2,
            )
            if destination is None:
                destination = args[0]
            prefix = prefix or "".join(args[1:2])
            keep_vars = keep_vars or any(args[2:3])
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        if self._save_tree(destination, getattr(destination, "_metadata", None), prefix, keep_vars):
            return destination
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in (self._peek("_state_dict_pre_hooks") or {}).values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=destination, prefix=prefix + name + ".", keep_vars=keep_vars)
        for hook in (self._peek("_state_dict_hooks") or {}).values():
            replaced = hook(self, destination, prefix, local_metadata)
            if replaced is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = replaced
        return destination

    # ------------------------------------------------------------------ loading

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return _add(self._load_state_dict_pre_hooks, _WrappedHook(hook, self if with_module else None))

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Calls ``hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)`` first."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Calls ``hook(module, incompatible_keys)`` after loading; it may change the keys in place."""
        return _add(self._load_state_dict_post_hooks, hook)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Loads this module's own state, not its children's. Subclasses override it to read older layouts."""
        for hook in (self._peek("_load_state_dict_pre_hooks") or {}).values():
            hook(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        local_state = dict(self._persistent_state())
        assign = local_metadata.get("assign_to_params_buffers", False)
        found = 0
        recording = is_grad_enabled()
        _set_grad_enabled(False)
        try:
            for name, param in local_state.items():
                key = prefix + name
                if key in state_dict:
                    found += 1
                    message = self._load_one(name, key, param, state_dict[key], assign)
                    if message:
                        error_msgs.append(message)
                elif strict:
                    missing_keys.append(key)
        finally:
            _set_grad_enabled(recording)

        extra_state_key = prefix + _EXTRA_STATE_KEY_SUFFIX
        if type(self).set_extra_state is not StateMethods.set_extra_state:
            if extra_state_key in state_dict:
                self.set_extra_state(state_dict[extra_state_key])
            elif strict:
                missing_keys.append(extra_state_key)
        elif strict and extra_state_key in state_dict:
            unexpected_keys.append(extra_state_key)
        if not strict or found == len(state_dict):
            return
        start, modules = len(prefix), self._modules
        for key in state_dict:
            if not key.startswith(prefix) or key == extra_state_key:
                continue
            dot = key.find(".", start)
            if (key[start:] not in local_state) if dot < 0 else (key[start:dot] not in modules):
                unexpected_keys.append(key)

    def _load_one(self, name: str, key: str, param: Any, saved: Any, assign: bool) -> str | None:
        """Copies (or assigns) one saved tensor, while nothing is recorded; returns what went wrong."""
        if not assign and type(saved) in _PLAIN and type(param) in _PLAIN and saved.shape == param.shape:
            if not param.is_meta:
                try:
                    param.copy_(saved)
                    return None
                except Exception as error:
                    return _copy_failure(key, param, saved, error)
        import rushlight as torch

        from ..parameter import is_lazy

        if not (isinstance(saved, torch.Tensor) or hasattr(type(saved), "__torch_function__")):
            return (
                f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like object from '
                f"checkpoint but received {type(saved)}"
            )
        if not is_lazy(param):
            if len(param.shape) == 0 and tuple(saved.shape) == (1,):
                saved = saved[0]  # PyTorch before 0.4 saved scalars so
            if saved.shape != param.shape:
                return (
                    f"size mismatch for {key}: copying a param with shape {saved.shape} from checkpoint, "
                    f"the shape in current model is {param.shape}."
                )
        if param.is_meta and not saved.is_meta and not assign:
            import warnings

            warnings.warn(
                f"for {key}: copying from a non-meta parameter in the checkpoint to a meta parameter in the current "
                "model, which is a no-op. (Did you mean to pass `assign=True` to assign items in the state dictionary "
                "to their corresponding key in the module instead of copying them in place?)",
                stacklevel=3,
            )
        try:
            if not assign:
                param.copy_(saved)
                return None
            if isinstance(param, torch.nn.Parameter):
                if isinstance(saved, torch.nn.Parameter):
                    saved.requires_grad_(param.requires_grad)
                else:
                    saved = torch.nn.Parameter(saved, requires_grad=param.requires_grad)
            setattr(self, name, saved)
            return None
        except Exception as error:
            return _copy_failure(key, param, saved, error)

    def _loads_plainly(self) -> bool:
        """Whether loading this module, its children aside, is copying tensors and no more."""
        cls = type(self)
        return (
            cls._load_from_state_dict in _PLAIN_LOADERS
            and cls.set_extra_state is StateMethods.set_extra_state
            and not (
                self._peek("_non_persistent_buffers_set")
                or self._peek("_load_state_dict_pre_hooks")
                or self._peek("_load_state_dict_post_hooks")
            )
        )

    def _load_plainly(self, state_dict: Mapping[str, Any]) -> bool:
        """Copies a state_dict that fits the tree exactly; False where the whole procedure is needed."""
        params = self._members(_PARAMETERS, "", True, False)
        buffers = self._members(_BUFFERS, "", True, False)
        if params is None or buffers is None or len(params) + len(buffers) != len(state_dict):
            return False
        if not all([module._loads_plainly() for module in self._members(_MODULES, None, True, True)]):
            return False
        pairs = []
        for key, own in params + buffers:
            saved = state_dict.get(key)
            if type(saved) not in _PLAIN or type(own) not in _PLAIN or saved.shape != own.shape or own.is_meta:
                return False
            pairs.append((own, saved))
        recording = is_grad_enabled()
        _set_grad_enabled(False)
        try:
            for own, saved in pairs:
                own.copy_(saved)
        except RuntimeError:
            return False  # the whole procedure says which
        finally:
            _set_grad_enabled(recording)
        return True

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copies a state_dict into this module tree; returns the keys that did not match.

        With ``strict`` any mismatch is a RuntimeError that lists them all. With ``assign`` the saved
        tensors take the place of the module's own instead of being copied into them.
        """
        if not isinstance(state_dict, dict):
            from collections.abc import Mapping

            if not isinstance(state_dict, Mapping):
                error = TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
                if isinstance(state_dict, ModuleBase):
                    raise hinted(error, "load_state_dict(other.state_dict()) takes the values of another module")
                raise hinted(error, "load_state_dict(torch.load(path)) reads them from a file")
        if not assign and self._load_plainly(state_dict):
            return _IncompatibleKeys([], [])
        missing_keys: list[str] = []
        unexpected_keys: list[str] = []
        error_msgs: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        state_dict = OrderedDict(state_dict)  # hooks may change it
        if metadata is not None:
            state_dict._metadata = metadata

        def load(module, own_state, prefix=""):
            local_metadata = {} if metadata is None else metadata.get(prefix[:-1], {})
            if assign:
                local_metadata["assign_to_params_buffers"] = assign
            module._load_from_state_dict(
                own_state, prefix, local_metadata, True, missing_keys, unexpected_keys, error_msgs
            )
            for name, child in module._modules.items():
                if child is not None:
                    child_prefix = prefix + name + "."
                    load(child, {k: v for k, v in own_state.items() if k.startswith(child_prefix)}, child_prefix)
            keys = _IncompatibleKeys(missing_keys, unexpected_keys)
            for hook in (module._peek("_load_state_dict_post_hooks") or {}).values():
                if hook(module, keys) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                        "values, if incompatible_keys need to be modified, it should be done inplace."
                    )

        load(self, state_dict)
        if strict:
            for kind, keys in (("Unexpected", unexpected_keys), ("Missing", missing_keys)):
                if keys:
                    listed = ", ".join([f'"{key}"' for key in keys])
                    error_msgs.insert(0, f"{kind} key(s) in state_dict: {listed}. ")
        if error_msgs:
            error = RuntimeError(
                "Error(s) in loading state_dict for {}:\n\t{}".format(type(self).__name__, "\n\t".join(error_msgs))
            )
            if unexpected_keys and all([key.startswith("module.") for key in unexpected_keys]):
                hinted(
                    error,
                    "the keys come from a DataParallel; torch.nn.modules.utils.consume_prefix_in_state_dict_if_present"
                    '(state_dict, "module.") takes the prefix off',
                )
            raise error
        return _IncompatibleKeys(missing_keys, unexpected_keys)


# The `_load_from_state_dict` that do no more than copy where every key is there.
_PLAIN_LOADERS = {StateMethods._load_from_state_dict}
