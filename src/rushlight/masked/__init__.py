"""`torch.masked`: reductions and normalisations that leave out the elements where a mask does not hold.

`mask` has the shape of `input` or broadcasts to it; what is left out stands as the identity of the operation (0 for a
sum, -inf for a maximum). Where nothing is left in, the result is that identity; NaN for mean, median, var and std.
The class MaskedTensor is not here: masks are arguments.

>>> import rushlight as torch
>>> torch.masked.mean(torch.tensor([1.0, 5.0, 3.0]), mask=torch.tensor([True, False, True]))
tensor(2.)
"""

from __future__ import annotations

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .._C import Tensor

__all__ = [
    "amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean", "median",
    "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var",
]  # fmt: skip

_INF = float("inf")


def _spread(input: Tensor, mask: Tensor) -> Tensor:
    if mask.dim() > input.dim():
        raise IndexError("_input_mask expected broadcastable mask (got mask dimensionality higher than of the input)")
    return mask.broadcast_to(input.shape).bool()


def _filled(input: Tensor, mask: Tensor | None, identity: Any) -> Tensor:
    if mask is None:
        return input
    return _C.where(_spread(input, mask), input, _C.tensor(identity, dtype=input.dtype))


def _lowest(input: Tensor) -> Any:
    if input.is_floating_point() or input.is_complex():
        return -_INF
    from .._functions import iinfo

    return iinfo(input.dtype).min


def _highest(input: Tensor) -> Any:
    if input.is_floating_point():
        return _INF
    from .._functions import iinfo

    return iinfo(input.dtype).max


def _dims(dim: int | Sequence[int] | None, ndim: int) -> list[int]:
    """The dimensions meant, in order; none given means all."""
    if dim is None or dim == ():
        return list(range(ndim))
    ndim = max(ndim, 1)
    found: list[int] = []
    for d in (dim,) if isinstance(dim, int) else dim:
        if not -ndim <= d < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})")
        if d % ndim in found:
            raise RuntimeError(f"dim={d} appears multiple times in the list of dims")
        found.append(d % ndim)
    return sorted(found)


def _wide(dtype: Any) -> Any:
    """Of sums and products: small integers and bool become int64."""
    return dtype if dtype.is_floating_point or dtype.is_complex else _C.int64


# ---------------------------------------------------------------- reductions


def sum(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The sum of what the mask leaves in."""
    dtype = _wide(input.dtype) if dtype is None else dtype
    return _C.sum(_filled(input, mask, 0), _dims(dim, input.dim()), keepdim, dtype=dtype)


def prod(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The product of what the mask leaves in."""
    result = _filled(input, mask, 1).to(_wide(input.dtype) if dtype is None else dtype)
    for d in reversed(_dims(dim, input.dim())):
        result = result.prod(d, keepdim)
    return result


def cumsum(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Sums so far, in input's dtype."""
    return _C.cumsum(_filled(input, mask, 0), dim, dtype=input.dtype if dtype is None else dtype)


def cumprod(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """Products so far, in input's dtype."""
    return _C.cumprod(_filled(input, mask, 1), dim, dtype=input.dtype if dtype is None else dtype)


def amax(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The largest of what the mask leaves in."""
    result = _C.amax(_filled(input, mask, _lowest(input)), _dims(dim, input.dim()), keepdim)
    return result if dtype is None else result.to(dtype)


def amin(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The smallest of what the mask leaves in."""
    result = _C.amin(_filled(input, mask, _highest(input)), _dims(dim, input.dim()), keepdim)
    return result if dtype is None else result.to(dtype)


def argmax(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The position of the largest of what the mask leaves in; as PyTorch's, a number of input's dtype."""
    found = _C.argmax(_filled(input, mask, _lowest(input)), dim, keepdim)
    return found.to(input.dtype if dtype is None else dtype)


def argmin(
    input: Tensor, dim: int | None = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The position of the smallest of what the mask leaves in; as PyTorch's, a number of input's dtype."""
    found = _C.argmin(_filled(input, mask, _highest(input)), dim, keepdim)
    return found.to(input.dtype if dtype is None else dtype)


def _count(input: Tensor, dims: list[int], keepdim: bool, mask: Tensor | None) -> Any:
    if mask is not None:
        return _spread(input, mask).sum(dims, keepdim) if dims else _spread(input, mask).long()
    count = 1
    for d in dims:
        count *= input.shape[d] if input.dim() else 1
    return count


def mean(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The mean of what the mask leaves in."""
    source, wanted = ("Input", input.dtype) if dtype is None else ("Optional", dtype)
    if not (wanted.is_floating_point or wanted.is_complex):
        raise ValueError(
            f"mean(): Could not infer output dtype. {source} dtype must be either a floating point or complex dtype. "
            f"Got: {wanted}"
        )
    total = sum(input, dim, keepdim=keepdim, dtype=wanted, mask=mask)
    return total / _count(input, _dims(dim, input.dim()), keepdim, mask)


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """The median of what the mask leaves in: of an even number the lower one."""
    wanted = input.dtype if dtype is None else dtype
    x = input if input.is_floating_point() else input.float()
    result = _C.nanmedian(_filled(x, mask, float("nan")), dim, keepdim)[0]
    if not input.is_floating_point():
        if result.isnan().any():
            raise ValueError("masked median expects no fully masked out rows if dtype is not floating point")
        return result.to(wanted)
    return result


def logsumexp(
    input: Tensor, dim: Any = None, *, keepdim: bool = False, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """log of the sum of exp."""
    result = _C.logsumexp(_filled(input, mask, _lowest(input)), _dims(dim, input.dim()), keepdim)
    return result.to(input.dtype if dtype is None else dtype)


def logaddexp(
    input: Tensor,
    other: Tensor,
    *,
    dtype: Any = None,
    input_mask: Tensor | None = None,
    other_mask: Tensor | None = None,
) -> Tensor:
    """log(exp(input) + exp(other)), each without what its mask leaves out."""
    result = _C.logaddexp(_filled(input, input_mask, _lowest(input)), _filled(other, other_mask, _lowest(other)))
    return result.to(input.dtype if dtype is None else dtype)


def norm(
    input: Tensor,
    ord: float | None = 2.0,
    dim: Any = None,
    *,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The p-norm of what the mask leaves in."""
    x = _filled(input, mask, _INF if ord == -_INF else 0)
    return _C.linalg_vector_norm(x, 2.0 if ord is None else ord, _dims(dim, input.dim()), keepdim, dtype=dtype)


def var(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The variance of what the mask leaves in: the mean square of differences, over count - correction (1)."""
    if unbiased is not None and correction is not None:
        raise AssertionError("Only one of unbiased and correction may be given")
    if correction is None:
        correction = 0.0 if unbiased is False else 1.0
    inexact = input.is_floating_point() or input.is_complex()
    dtype = (input.dtype if inexact else _C.float32) if dtype is None else dtype
    compute = dtype if dtype.is_floating_point or dtype.is_complex else _C.float32
    dims = _dims(dim, input.dim())
    centre = sum(input, dim, keepdim=True, dtype=dtype, mask=mask) / _count(input, dims, True, mask)
    away = input - centre
    total = sum(away * away.conj(), dim, keepdim=keepdim, dtype=compute, mask=mask)
    count = _count(input, dims, keepdim, mask)
    count = count if isinstance(count, _C.Tensor) else _C.tensor(count)
    real = _C.float64 if compute in (_C.float64, _C.complex128) else _C.float32 if compute.is_complex else compute
    return (total / (count.to(real) - correction).clamp(min=0)).to(dtype)


def std(
    input: Tensor,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
    dtype: Any = None,
    mask: Tensor | None = None,
) -> Tensor:
    """The square root of var()."""
    return var(input, dim, unbiased, correction=correction, keepdim=keepdim, dtype=dtype, mask=mask).sqrt()


# ---------------------------------------------------------------- normalisations


def softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """exp(x) / sum exp(x) over what the mask leaves in; 0 elsewhere."""
    x = _filled(input, mask, _lowest(input))
    return _C.softmax(x, dim, dtype=input.dtype if dtype is None else dtype)


def log_softmax(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """log softmax(x) over what the mask leaves in; -inf elsewhere."""
    x = _filled(input, mask, _lowest(input))
    return _C.log_softmax(x, dim, dtype=input.dtype if dtype is None else dtype)


def softmin(input: Tensor, dim: int, *, dtype: Any = None, mask: Tensor | None = None) -> Tensor:
    """softmax(-x) over what the mask leaves in; 0 elsewhere."""
    x = _filled(input, mask, _highest(input))
    return _C.softmax(-x, dim, dtype=input.dtype if dtype is None else dtype)


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Tensor | None = None
) -> Tensor:
    """x / max(|x|, eps), with the p-norm of what the mask leaves in; 0 elsewhere."""
    size = norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask)
    return _filled(input, mask, 0) / _C.maximum(size, size.new_full([], eps))
