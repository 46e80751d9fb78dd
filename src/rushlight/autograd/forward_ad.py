"""`torch.autograd.forward_ad`: forward-mode derivatives of tensors that carry a tangent.

>>> import rushlight as torch
>>> from rushlight.autograd import forward_ad
>>> with forward_ad.dual_level():
...     x = forward_ad.make_dual(torch.tensor(3.0), torch.tensor(1.0))
...     forward_ad.unpack_dual(x * x).tangent
tensor(6.)
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any

from .._C import Tensor
from .._transforms.dual import DualFrame, DualTensor, make_dual as _make_dual
from .._transforms.levels import running_frames

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])

_levels: list[DualFrame] = []


def enter_dual_level() -> int:
    """Opens the level in which tensors may carry tangents; returns 0. Levels do not nest: RuntimeError."""
    if _levels:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    _levels.append(DualFrame())
    _levels[-1].__enter__()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Closes the level."""
    if not _levels:
        raise RuntimeError(
            "Trying to exit a forward AD level that was not entered or that was not the last one entered."
        )
    _levels.pop().__exit__()


class dual_level:
    """`with dual_level():` the level in which tensors may carry tangents."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *error: Any) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """The tensor with a tangent of the same shape and dtype; operations on it carry the tangent forward.

    Unlike PyTorch's, the result is another object than a view of the tensor: what is written to the tensor later
    shows in its value, and gives it no tangent.
    """
    if not _levels:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    if not (tensor.is_floating_point() or tensor.is_complex()):
        raise ValueError(f"Expected primal to be floating point or complex, but got: {tensor.dtype}")
    if not (tangent.is_floating_point() or tangent.is_complex()):
        raise ValueError(f"Expected tangent to be floating point or complex, but got: {tangent.dtype}")
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    return _make_dual(_levels[-1], tensor, tangent)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent); the tangent is None where the tensor has none, or its level is closed."""
    if isinstance(tensor, DualTensor):
        running = tensor._frame in running_frames()
        return UnpackedDualTensor(tensor._primal, tensor._tangent if running else None)
    return UnpackedDualTensor(tensor, None)
