"""Mixed precision: `autocast` and `GradScaler`, with PyTorch's behaviour where there is no accelerator.

Without CUDA, autocast("cuda") warns and does nothing and GradScaler("cuda") passes through, as in PyTorch.
autocast("cpu") casts what goes into products to the narrow dtype and what goes into losses to float32. Which operations
those are says the table (`autocast=` of a record). Recurrent layers compute in the dtype of their weights.
"""

from __future__ import annotations

from .. import _C
from .grad_scaler import GradScaler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available", "GradScaler"]

# In the order of PyTorch's message.
_DEVICES = """cpu cuda ipu xpu mkldnn opengl opencl ideep hip ve fpga maia xla lazy vulkan mps meta hpu mtia
privateuseone""".split()
_default_dtype = {"cpu": _C.bfloat16}


class autocast:
    """Context manager and decorator in which products compute in a narrower dtype and losses in float32.

    Device "cuda" warns and is disabled, as in PyTorch without CUDA. An unknown device type raises RuntimeError.

    >>> import rushlight as torch
    >>> with torch.amp.autocast("cpu"):
    ...     torch.ones(1, 2) @ torch.ones(2, 1)
    tensor([[2.]], dtype=torch.bfloat16)
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        if device_type not in _DEVICES:
            raise RuntimeError(
                f"Expected one of {', '.join(_DEVICES)} device type at start of device string: {device_type}"
            )
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        self._cache_enabled = True if cache_enabled is None else cache_enabled
        if enabled:
            if device_type != "cpu":
                import warnings

                what = "CUDA is not available or torch_xla is imported. Disabling autocast."
                if device_type != "cuda":
                    what = f"User provided device_type of '{device_type}', but there is no such device. Disabling"
                warnings.warn(what, UserWarning, stacklevel=2)
            elif self.fast_dtype not in (_C.bfloat16, _C.float16):
                import warnings

                warnings.warn(
                    "In CPU autocast, but the target dtype is not supported. Disabling autocast.\n"
                    "CPU Autocast only supports dtypes of torch.bfloat16, torch.float16 currently.",
                    UserWarning,
                    stacklevel=2,
                )
                enabled = False
        self._enabled = enabled and device_type == "cpu"
        self._before: list[tuple[Any, Any]] = []

    def __enter__(self) -> autocast:
        if self.device == "cpu":
            before = _C._set_autocast(self.fast_dtype if self._enabled else None)
            self._before.append((before, _default_dtype["cpu"]))
            _default_dtype["cpu"] = self.fast_dtype
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> bool:
        if self.device == "cpu":
            before, _default_dtype["cpu"] = self._before.pop()
            _C._set_autocast(before)
        return False

    def __call__(self, func: Callable) -> Callable:
        from functools import wraps

        @wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast takes effect on a kind of device: on the CPU."""
    return device_type == "cpu"


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is in effect for a kind of device, "cuda" by default."""
    return device_type == "cpu" and _C._get_autocast() is not None


def get_autocast_dtype(device_type: str) -> Any:
    """The narrower dtype of autocast: bfloat16 on CPU unless a block says otherwise, float16 elsewhere."""
    return _default_dtype.get(device_type, _C.float16)


def set_autocast_enabled(device_type: str, enabled: bool) -> None:
    """Turns autocast on or off until the next call or the end of the block around it."""
    if device_type == "cpu":
        _C._set_autocast(_default_dtype["cpu"] if enabled else None)


def set_autocast_dtype(device_type: str, dtype: Any) -> None:
    """Chooses the narrower dtype."""
    _default_dtype[device_type] = dtype
    if device_type == "cpu" and _C._get_autocast() is not None:
        _C._set_autocast(dtype)


def is_autocast_cpu_enabled() -> bool:
    """As `is_autocast_enabled("cpu")`, which replaces it."""
    return is_autocast_enabled("cpu")


def get_autocast_cpu_dtype() -> Any:
    """As `get_autocast_dtype("cpu")`, which replaces it."""
    return get_autocast_dtype("cpu")


def _warn_of_old_name(device_type: str, name: str) -> None:
    """torch.cpu.amp and torch.cuda.amp do the same as torch.amp, and say so."""
    import warnings

    warnings.warn(
        f"`torch.{device_type}.amp.{name}(args...)` is deprecated. "
        f"Please use `torch.amp.{name}('{device_type}', args...)` instead.",
        FutureWarning,
        stacklevel=3,
    )


def custom_fwd(fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Callable:
    """Marks `forward` of a custom Function for autocast; returns it unchanged."""
    return fwd if fwd is not None else lambda function: function


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Callable:
    """Marks `backward` of a custom Function for autocast; returns it unchanged."""
    return bwd if bwd is not None else lambda function: function
