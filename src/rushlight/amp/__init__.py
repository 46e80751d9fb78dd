"""Mixed precision: `autocast` and `GradScaler`, with PyTorch's behaviour where there is no accelerator.

Without CUDA, autocast("cuda") warns and does nothing and GradScaler("cuda") passes through, as in PyTorch.
autocast("cpu") differs: rushlight computes in the dtype of its tensors, so it warns once and does nothing.
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
_said = False


def _say_once() -> None:
    global _said
    if not _said:
        import warnings

        _said = True
        warnings.warn(
            "rushlight computes in the dtype of its tensors: autocast('cpu') has no effect. "
            "Use .to(torch.bfloat16) to choose a dtype.",
            UserWarning,
            stacklevel=4,
        )


class autocast:
    """Context manager and decorator that, in PyTorch, runs products in a narrower dtype; here it changes nothing.

    Device "cuda" warns and is disabled, as in PyTorch without CUDA; so is "cpu" (see the module). An unknown device
    type raises RuntimeError.

    >>> import rushlight as torch
    >>> with torch.amp.autocast("cpu", enabled=False):
    ...     torch.ones(2) @ torch.ones(2)
    tensor(2.)
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
            else:
                _say_once()
        self._enabled = False

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> bool:
        return False

    def __call__(self, func: Callable) -> Callable:
        return func


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast takes effect on a kind of device: nowhere."""
    return False


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether autocast is in effect: never."""
    return False


def get_autocast_dtype(device_type: str) -> Any:
    """The narrower dtype that autocast uses by default: bfloat16 on CPU, float16 elsewhere."""
    return _C.bfloat16 if device_type == "cpu" else _C.float16


def custom_fwd(fwd: Callable | None = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Callable:
    """Marks `forward` of a custom Function for autocast; returns it unchanged."""
    return fwd if fwd is not None else lambda function: function


def custom_bwd(bwd: Callable | None = None, *, device_type: str = "cuda") -> Callable:
    """Marks `backward` of a custom Function for autocast; returns it unchanged."""
    return bwd if bwd is not None else lambda function: function
