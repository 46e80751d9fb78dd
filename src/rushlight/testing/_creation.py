"""make_tensor: random tensors of any dtype within bounds."""

from __future__ import annotations

from math import ceil, isnan, prod
from typing import Any

from .. import _C
from .._functions import finfo, iinfo

__all__ = ["make_tensor"]


def _bounds(dtype: Any, low: float | None, high: float | None, default: tuple, limits: tuple) -> tuple[Any, Any]:
    """The interval to draw from, within what the dtype can hold."""
    low = default[0] if low is None else low
    high = default[1] if high is None else high
    if isnan(low) or isnan(high):
        raise ValueError(f"`low` and `high` cannot be NaN, but got {low=} and {high=}")
    if low > high or (low == high and not (dtype.is_floating_point or dtype.is_complex)):
        raise ValueError(f"`low` must be less than `high`, but got {low} >= {high}")
    if high < limits[0] or low >= limits[1]:
        raise ValueError(
            f"The value interval specified by `low` and `high` is [{low}, {high}), "
            f"but {dtype} only supports [{limits[0]}, {limits[1]})"
        )
    return min(max(low, limits[0]), limits[1]), min(max(high, limits[0]), limits[1])


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> _C.Tensor:
    """A tensor drawn uniformly from [low, high): by default [-9, 9) for floats, [-9, 10) for signed integers,
    [0, 10) for unsigned ones and [0, 2) for bool.

    ValueError for an empty interval or for gradients of integers.

    >>> import rushlight as torch
    >>> torch.testing.make_tensor((2, 3), dtype=torch.float32, device="cpu").shape
    torch.Size([2, 3])
    """
    if len(shape) == 1 and isinstance(shape[0], (list, tuple)):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, "
            f"but got {noncontiguous=} and {memory_format=}"
        )
    inexact = dtype.is_floating_point or dtype.is_complex
    if requires_grad and not inexact:
        raise ValueError(f"`requires_grad=True` is not supported for boolean and integral dtypes, but got {dtype=}")
    # Every other element of twice as many, from the second on: neither contiguous nor at the start.
    gaps = noncontiguous and prod(shape) > 1
    drawn = (*shape[:-1], 2 * shape[-1]) if gaps else shape
    if inexact:
        info = finfo(dtype)
        low, high = _bounds(dtype, low, high, (-9, 9), (info.min, info.max))
        result = _C.empty(drawn, device=device, dtype=dtype)
        (_C.view_as_real(result) if dtype.is_complex else result).uniform_(low, high)
    else:
        if dtype is _C.bool:
            default = limits = (0, 2)
        else:
            whole = iinfo(dtype)
            default, limits = (-9, 10), (whole.min, whole.max + (dtype is not _C.int64))
        low, high = _bounds(dtype, low, high, default, limits)
        result = _C.randint(ceil(low), ceil(high), drawn, device=device, dtype=dtype)
    if gaps:
        result = result[..., 1::2]
    elif memory_format is not None:
        result = result.clone(memory_format=memory_format)
    if exclude_zero:
        result[result == 0] = finfo(dtype).tiny if inexact else 1
    if inexact:
        result.requires_grad_(requires_grad)
    return result
