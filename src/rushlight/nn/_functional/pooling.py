"""Pooling with PyTorch's optional indices, and the poolings composed of others."""

from __future__ import annotations

from ... import _C
from ..modules.utils import _list_with_default, _ntuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor

__all__ = [
    "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d", "adaptive_max_pool1d_with_indices",
    "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices", "adaptive_max_pool3d",
    "adaptive_max_pool3d_with_indices", "fractional_max_pool2d", "fractional_max_pool2d_with_indices",
    "fractional_max_pool3d", "fractional_max_pool3d_with_indices", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "max_pool1d", "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d",
    "max_unpool3d",
]  # fmt: skip


def max_pool1d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
):
    """The largest element of each window of (N, C, L)."""
    if return_indices:
        return max_pool1d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _C.max_pool1d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
):
    """The largest element of each window of (N, C, H, W); with `return_indices` also its place in its plane.

    >>> import rushlight as torch
    >>> torch.nn.functional.max_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
    tensor([[[ 5.,  7.],
             [13., 15.]]])
    """
    if return_indices:
        return _C.max_pool2d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _C.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
):
    """The largest element of each window of (N, C, D, H, W)."""
    if return_indices:
        return _C.max_pool3d_with_indices(input, kernel_size, stride, padding, dilation, ceil_mode)
    return _C.max_pool3d(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool1d_with_indices(
    input: Tensor, kernel_size, stride=None, padding=0, dilation=1, ceil_mode: bool = False, return_indices=False
) -> tuple[Tensor, Tensor]:
    """`max_pool1d` with the place of each largest element: `max_pool2d_with_indices` on rows of height 1."""

    def flat(size, across: int) -> tuple[int, int]:
        return across, size if isinstance(size, int) else size[0]

    stride = kernel_size if stride is None else stride
    values, indices = _C.max_pool2d_with_indices(
        input.unsqueeze(-2), flat(kernel_size, 1), flat(stride, 1), flat(padding, 0), flat(dilation, 1), ceil_mode
    )
    return values.squeeze(-2), indices.squeeze(-2)


def adaptive_max_pool1d_with_indices(input: Tensor, output_size, return_indices=False) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool1d` and the places."""
    return _C.adaptive_max_pool1d(input, output_size)


def adaptive_max_pool2d_with_indices(input: Tensor, output_size, return_indices=False) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool2d` and the places."""
    return _C.adaptive_max_pool2d(input, _list_with_default(output_size, input.shape))


def adaptive_max_pool3d_with_indices(input: Tensor, output_size, return_indices=False) -> tuple[Tensor, Tensor]:
    """`adaptive_max_pool3d` and the places."""
    return _C.adaptive_max_pool3d(input, _list_with_default(output_size, input.shape))


def adaptive_max_pool1d(input: Tensor, output_size, return_indices: bool = False):
    """Largest elements over windows chosen so that the output has `output_size`."""
    result = adaptive_max_pool1d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool2d(input: Tensor, output_size, return_indices: bool = False):
    """Largest elements over windows chosen so that the output has `output_size`; None keeps a dimension."""
    result = adaptive_max_pool2d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool3d(input: Tensor, output_size, return_indices: bool = False):
    """Largest elements over windows chosen so that the output has `output_size`; None keeps a dimension."""
    result = adaptive_max_pool3d_with_indices(input, output_size)
    return result if return_indices else result[0]


def adaptive_avg_pool2d(input: Tensor, output_size) -> Tensor:
    """Means over windows chosen so that the output has `output_size`; None keeps a dimension."""
    return _C.adaptive_avg_pool2d(input, _list_with_default(output_size, input.shape))


def adaptive_avg_pool3d(input: Tensor, output_size) -> Tensor:
    """Means over windows chosen so that the output has `output_size`; None keeps a dimension."""
    return _C.adaptive_avg_pool3d(input, _list_with_default(output_size, input.shape))


def _max_unpool(input: Tensor, indices: Tensor, kernel_size, stride, padding, output_size, ndim: int) -> Tensor:
    spread = _ntuple(ndim)
    kernel_size, padding = spread(kernel_size), spread(padding)
    stride = kernel_size if stride is None else spread(stride)
    default = [
        (n - 1) * s + k - 2 * p for n, s, k, p in zip(input.shape[-ndim:], stride, kernel_size, padding, strict=True)
    ]
    if output_size is None:
        sizes = default
    else:
        sizes = list(output_size)
        if len(sizes) == ndim + 2:
            sizes = sizes[2:]
        if len(sizes) != ndim:
            raise ValueError(
                f"output_size should be a sequence containing {ndim} or {ndim + 2} elements, "
                f"but it has a length of '{len(sizes)}'"
            )
        for d in range(ndim):
            low, high = default[d] - stride[d], default[d] + stride[d]
            if not low < sizes[d] < high:
                raise ValueError(f'invalid output_size "{sizes}" (dim {d} must be between {low} and {high})')
    for d, size in enumerate(sizes):
        if size < 0:
            raise ValueError(
                "max_unpooling: output_size must contain non-negative spatial dimensions, "
                f"but got output_size[{d}]={size}"
            )
    if indices.dtype != _C.int64:
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype}")
    if indices.shape != input.shape:
        raise RuntimeError(
            f"Expected shape of indices to be same as that of the input tensor ({list(input.shape)}) "
            f"but got indices tensor with shape: {list(indices.shape)}"
        )
    leading = input.shape[:-ndim]
    places = 1
    for size in sizes:
        places *= size
    empty = input.new_zeros((*leading, places))
    return empty.scatter(-1, indices.flatten(-ndim), input.flatten(-ndim)).reshape(*leading, *sizes)


def max_unpool1d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Puts pooled values back at their places, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 1)


def max_unpool2d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Puts pooled values back at their places, zeros elsewhere (Zeiler and Fergus, 2014)."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 2)


def max_unpool3d(input: Tensor, indices: Tensor, kernel_size, stride=None, padding=0, output_size=None) -> Tensor:
    """Puts pooled values back at their places, zeros elsewhere."""
    return _max_unpool(input, indices, kernel_size, stride, padding, output_size, 3)


def _lp_pool(input: Tensor, p: float, kernel_size, stride, ceil_mode: bool, ndim: int) -> Tensor:
    max_pool = (max_pool1d, max_pool2d, max_pool3d)[ndim - 1]
    avg_pool = (_C.avg_pool1d, _C.avg_pool2d, _C.avg_pool3d)[ndim - 1]
    if p == float("inf"):
        return max_pool(input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    if p == -float("inf"):
        return -max_pool(-input.abs(), kernel_size, stride, 0, 1, ceil_mode)
    mean = avg_pool(input.pow(p), kernel_size, stride, 0, ceil_mode)
    count = 1
    for size in _ntuple(ndim)(kernel_size):
        count *= size
    # sign(m) relu(|m|), as PyTorch has it: the derivative at an all-zero window is that of relu, 0.
    return (mean.sign() * _C.relu(mean.abs())).mul(count).pow(1.0 / p)


def lp_pool1d(input: Tensor, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """(sum of x^p)^(1/p) over each window."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 1)


def lp_pool2d(input: Tensor, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """(sum of x^p)^(1/p) over each window."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 2)


def lp_pool3d(input: Tensor, norm_type: float, kernel_size, stride=None, ceil_mode: bool = False) -> Tensor:
    """(sum of x^p)^(1/p) over each window."""
    return _lp_pool(input, norm_type, kernel_size, stride, ceil_mode, 3)


def _fractional_starts(samples: Tensor, size: int, kernel: int, output: int) -> Tensor:
    """Where each of `output` windows begins, for a random offset a plane: Graham's (2014) pseudo-random sequence."""
    last = size - kernel
    if output == 1:
        return _C.full((*samples.shape, 1), last, dtype=_C.int64)
    step = last / (output - 1)
    offsets = samples.unsqueeze(-1)
    places = _C.arange(output - 1, dtype=samples.dtype)
    starts = ((places + offsets) * step).to(_C.int64) - (offsets * step).to(_C.int64)
    return _C.cat((starts, _C.full((*samples.shape, 1), last, dtype=_C.int64)), -1)


def _fractional_max_pool(input, kernel_size, output_size, output_ratio, samples, ndim: int):
    name = f"fractional_max_pool{ndim}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    spread = _ntuple(ndim)
    unbatched = input.dim() == ndim + 1
    if unbatched:
        input = input.unsqueeze(0)
    batch, channels, *sizes = input.shape
    if output_size is None:
        output_size = [int(n * ratio) for n, ratio in zip(sizes, spread(output_ratio), strict=True)]
    output_size, kernel_size = spread(output_size), spread(kernel_size)
    if samples is None:
        samples = _C.rand(batch, channels, ndim, dtype=input.dtype, device=input.device)
    samples = samples[:batch]  # of an unbatched input PyTorch reads the first
    # PyTorch's 2-D kernel takes the first sample for the width, its 3-D kernel for the depth.
    order = (1, 0) if ndim == 2 else (0, 1, 2)
    flat = _C.zeros((batch, channels) + (1,) * (2 * ndim), dtype=_C.int64)
    for d, (size, kernel, output) in enumerate(zip(sizes, kernel_size, output_size, strict=True)):
        if output + kernel - 1 > size:
            raise RuntimeError(f"{name}_out(): pool size ({kernel}) too large relative to input size ({size})")
        starts = _fractional_starts(samples[:, :, order[d]], size, kernel, output)
        places = starts.unsqueeze(-1) + _C.arange(kernel)
        shape = [batch, channels] + [1] * (2 * ndim)
        shape[2 + d], shape[2 + ndim + d] = output, kernel
        flat = flat * size + places.reshape(shape)
    indices = flat.flatten(-ndim)
    windows = input.flatten(2).gather(2, indices.flatten(2)).reshape(indices.shape)
    values, best = windows.max(-1)
    indices = indices.gather(-1, best.unsqueeze(-1)).squeeze(-1)
    return (values.squeeze(0), indices.squeeze(0)) if unbatched else (values, indices)


def fractional_max_pool2d_with_indices(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool2d` and the places."""
    return _fractional_max_pool(input, kernel_size, output_size, output_ratio, _random_samples, 2)


def fractional_max_pool3d_with_indices(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
) -> tuple[Tensor, Tensor]:
    """`fractional_max_pool3d` and the places."""
    return _fractional_max_pool(input, kernel_size, output_size, output_ratio, _random_samples, 3)


def fractional_max_pool2d(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Largest elements of windows at random steps of 1 or 2 or more (Graham, 2014)."""
    result = fractional_max_pool2d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return result if return_indices else result[0]


def fractional_max_pool3d(
    input: Tensor, kernel_size, output_size=None, output_ratio=None, return_indices=False, _random_samples=None
):
    """Largest elements of windows at random steps (Graham, 2014)."""
    result = fractional_max_pool3d_with_indices(
        input, kernel_size, output_size, output_ratio, _random_samples=_random_samples
    )
    return result if return_indices else result[0]
