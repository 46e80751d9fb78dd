"""Modules whose parameters get their shapes from the first input."""

from __future__ import annotations

from ..parameter import is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .module import Module

    _Base = Module  # the class that the mixin is put before
else:
    _Base = object

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin(_Base):
    """Put before the module class: ``class LazyLinear(LazyModuleMixin, Linear)``.

    The subclass creates UninitializedParameters, and overrides ``initialize_parameters(*args)``,
    which is given the arguments of the first call and materializes them. After that call the module's
    class becomes ``cls_to_become``, if that is not None. Loading a state_dict materializes them too.
    """

    cls_to_become: type | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(self._infer_parameters, with_kwargs=True)

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        for name, value in self._persistent_state():
            destination[prefix + name] = value if is_lazy(value) or keep_vars else value.detach()

    def _lazy_load_hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs):
        from rushlight import no_grad

        for name, param in (*self._parameters.items(), *self._buffers.items()):
            saved = state_dict.get(prefix + name)
            if is_lazy(param) and saved is not None and not is_lazy(saved):
                with no_grad():
                    param.materialize(saved.shape)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materializes the parameters for these arguments of forward."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether the shape of any parameter or buffer of this module is still unknown."""
        return any([is_lazy(value) for value in (*self._parameters.values(), *self._buffers.values())])

    def _infer_parameters(self, module, args: tuple, kwargs: dict[str, Any] | None = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        module._initialize_hook.remove()
        module._load_hook.remove()
        del module._initialize_hook, module._load_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _replicate_for_data_parallel(self):
        raise RuntimeError(
            "Modules with uninitialized parameters can't be used with `DataParallel`. "
            "Run a dummy forward pass to correctly initialize the modules"
        )
