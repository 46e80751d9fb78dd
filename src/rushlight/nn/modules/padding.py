"""Padding layers. `padding` is an int for all sides, or (left, right), (left, right, top, bottom), ..."""

from __future__ import annotations

from .. import functional as F
from .module import Module
from .utils import _ntuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _Pad(Module):
    """A subclass names its number of spatial dimensions and the mode of F.pad."""

    __constants__ = ["padding"]
    padding: tuple[int, ...]
    _ndim: int
    _mode: str

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._ndim)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ConstantPad(_Pad):
    __constants__ = ["padding", "value"]
    value: float

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Widens (N, C, L) with `value`."""

    _ndim = 1


class ConstantPad2d(_ConstantPad):
    """Widens (N, C, H, W) with `value`."""

    _ndim = 2


class ConstantPad3d(_ConstantPad):
    """Widens (N, C, D, H, W) with `value`."""

    _ndim = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad, ConstantPad1d):
    """Widens (N, C, L) with zeros."""


class ZeroPad2d(_ZeroPad, ConstantPad2d):
    """Widens (N, C, H, W) with zeros.

    >>> import rushlight as torch
    >>> torch.nn.ZeroPad2d(1)(torch.ones(1, 1, 1))
    tensor([[[0., 0., 0.],
             [0., 1., 0.],
             [0., 0., 0.]]])
    """


class ZeroPad3d(_ZeroPad, ConstantPad3d):
    """Widens (N, C, D, H, W) with zeros."""


class ReflectionPad1d(_Pad):
    """Widens (N, C, L) with its mirror image, the edge not repeated.

    >>> import rushlight as torch
    >>> torch.nn.ReflectionPad1d(2)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 2., 1., 2., 3., 2., 1.]])
    """

    _ndim, _mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Widens (N, C, H, W) with its mirror image, the edge not repeated."""

    _ndim, _mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Widens (N, C, D, H, W) with its mirror image, the edge not repeated."""

    _ndim, _mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Widens (N, C, L) by repeating its edge.

    >>> import rushlight as torch
    >>> torch.nn.ReplicationPad1d(1)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 1., 2., 3., 3.]])
    """

    _ndim, _mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Widens (N, C, H, W) by repeating its edge."""

    _ndim, _mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Widens (N, C, D, H, W) by repeating its edge."""

    _ndim, _mode = 3, "replicate"


class _CircularPad(_Pad):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        unbatched = self._ndim + 1
        if input.dim() not in (unbatched, unbatched + 1):
            raise ValueError(f"expected {unbatched}D or {unbatched + 1}D input (got {input.dim()}D input)")
        return F.pad(input, self.padding, "circular")


class CircularPad1d(_CircularPad):
    """Widens (N, C, L) as if it went round.

    >>> import rushlight as torch
    >>> torch.nn.CircularPad1d(1)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[3., 1., 2., 3., 1.]])
    """

    _ndim = 1


class CircularPad2d(_CircularPad):
    """Widens (N, C, H, W) as if it went round."""

    _ndim = 2


class CircularPad3d(_CircularPad):
    """Widens (N, C, D, H, W) as if it went round."""

    _ndim = 3
