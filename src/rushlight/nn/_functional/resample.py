"""Resizing images and sampling them at arbitrary places, composed of gathers, so differentiable as they stand."""

from __future__ import annotations

from math import floor, pi, sin

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..._C import Tensor

__all__ = ["affine_grid", "grid_sample", "interpolate", "upsample", "upsample_bilinear", "upsample_nearest"]

_LINEAR_DIMS = {"linear": 1, "bilinear": 2, "trilinear": 3}


def interpolate(
    input: Tensor,
    size=None,
    scale_factor=None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """Resizes (N, C, *spatial) to `size` or by `scale_factor`.

    `mode`: nearest, nearest-exact, area; linear (3-D input), bilinear, bicubic (4-D), trilinear (5-D); lanczos with
    `antialias`. `align_corners` maps corner pixels' centres on each other instead of the images' edges.

    >>> import rushlight as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[1.0, 3.0]]]), size=4, mode="linear")
    tensor([[[1.0000, 1.5000, 2.5000, 3.0000]]])
    """
    if mode in ("nearest", "area", "nearest-exact"):
        if align_corners is not None:
            raise ValueError(
                "align_corners option can only be set with the "
                "interpolating modes: linear | bilinear | bicubic | trilinear"
            )
    elif align_corners is None:
        align_corners = False
    ndim = input.dim() - 2
    sizes, factors = _output_sizes(input, ndim, size, scale_factor, recompute_scale_factor or mode == "area")
    if antialias and not (mode in ("bilinear", "bicubic", "lanczos") and ndim == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires a 4-D tensor as input"
        )
    _check_mode(mode, ndim, align_corners, antialias)
    if mode == "area":
        from .. import functional as F

        return (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)[ndim - 1](input, sizes)
    output = input
    # The last dimension first, as the kernels do.
    for d in reversed(range(ndim)):
        dim, before, after = d + 2, input.size(d + 2), sizes[d]
        if mode in ("nearest", "nearest-exact"):
            output = output.index_select(dim, _nearest(before, after, factors[d], mode == "nearest-exact"))
            continue
        scale = _scale(before, after, factors[d], align_corners)
        if antialias:
            output = _filtered(output, dim, after, scale, mode)
        elif mode == "bicubic":
            output = _cubic(output, dim, _sources(output, after, scale, align_corners))
        else:
            output = _linear(output, dim, _sources(output, after, scale, align_corners).clamp(min=0))
    return output


def _output_sizes(input: Tensor, ndim: int, size, scale_factor, recompute: bool):
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if recompute and scale_factor is not None:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        if not isinstance(size, (list, tuple)):
            return [int(size)] * ndim, [None] * ndim
        if len(size) != ndim:
            raise ValueError(
                "Input and output must have the same number of spatial dimensions, but got "
                f"input with spatial dimensions of {list(input.shape[2:])} and output size of {size}. "
                "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
                "output size in (o1, o2, ...,oK) format."
            )
        return [int(n) for n in size], [None] * ndim
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if not isinstance(scale_factor, (list, tuple)):
        factors = [float(scale_factor)] * ndim
    elif len(scale_factor) == ndim:
        factors = [float(factor) for factor in scale_factor]
    else:
        raise ValueError(
            "Input and scale_factor must have the same number of spatial dimensions, but "
            f"got input with spatial dimensions of {list(input.shape[2:])} and "
            f"scale_factor of shape {scale_factor}. "
            "Please provide input tensor in (N, C, d1, d2, ...,dK) format and "
            "scale_factor in (s1, s2, ...,sK) format."
        )
    sizes = [floor(n * factor) for n, factor in zip(input.shape[2:], factors, strict=True)]
    return sizes, [None] * ndim if recompute else factors


def _check_mode(mode: str, ndim: int, align_corners: bool | None, antialias: bool) -> None:
    if mode in ("nearest", "nearest-exact", "area") and 1 <= ndim <= 3:
        return
    if mode in _LINEAR_DIMS and 1 <= ndim <= 3:
        if _LINEAR_DIMS[mode] == ndim:
            return
        raise NotImplementedError(f"Got {ndim + 2}D input, but {mode} mode needs {_LINEAR_DIMS[mode] + 2}D input")
    if mode == "bicubic" and ndim == 2:
        return
    if mode == "lanczos" and ndim == 2:
        if align_corners:
            raise ValueError("Lanczos mode does not support align_corners=True")
        if not antialias:
            raise ValueError("Lanczos mode requires antialias=True")
        return
    raise NotImplementedError(
        "Input Error: Only 3D, 4D and 5D input Tensors supported"
        f" (got {ndim + 2}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | area"
        f" | nearest-exact (got {mode})"
    )


def _scale(before: int, after: int, factor: float | None, align_corners: bool | None) -> float:
    """Input pixels an output pixel."""
    if align_corners:
        return (before - 1) / (after - 1) if after > 1 else 0.0
    return 1.0 / factor if factor else before / after


def _sources(input: Tensor, after: int, scale: float, align_corners: bool | None) -> Tensor:
    places = _C.arange(after, dtype=input.dtype, device=input.device)
    return places * scale if align_corners else (places + 0.5) * scale - 0.5


def _nearest(before: int, after: int, factor: float | None, exact: bool) -> Tensor:
    # In float32, as the kernels count whatever the dtype.
    places = _C.arange(after, dtype=_C.float32)
    if exact:
        places = places + 0.5
    return (places * _scale(before, after, factor, False)).floor().to(_C.int64).clamp(max=before - 1)


def _weighted(input: Tensor, dim: int, index: Tensor, weight: Tensor) -> Tensor:
    return input.index_select(dim, index) * weight.view((-1, *[1] * (input.dim() - 1 - dim)))


def _linear(input: Tensor, dim: int, sources: Tensor) -> Tensor:
    last = input.size(dim) - 1
    left = sources.to(_C.int64).clamp(max=last)
    share = (sources - left).clamp(0, 1)
    if input.dtype in (_C.float32, _C.float64):
        share = share.view((-1, *[1] * (input.dim() - 1 - dim)))
        return _C._blend(input, dim, left, (left + 1).clamp(max=last), share)
    return _weighted(input, dim, left, 1 - share) + _weighted(input, dim, (left + 1).clamp(max=last), share)


def _cubic_weights(share: Tensor, a: float = -0.75) -> tuple[Tensor, ...]:
    """Weights of the four neighbours of a place `share` past the second (Keys, 1981)."""

    def near(x: Tensor) -> Tensor:
        return ((a + 2) * x - (a + 3)) * x * x + 1

    def far(x: Tensor) -> Tensor:
        return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a

    return far(share + 1), near(share), near(1 - share), far(2 - share)


def _cubic(input: Tensor, dim: int, sources: Tensor) -> Tensor:
    last = input.size(dim) - 1
    base = sources.floor()
    index = base.to(_C.int64)
    taps = [
        _weighted(input, dim, (index + offset).clamp(0, last), weight)
        for offset, weight in zip((-1, 0, 1, 2), _cubic_weights(sources - base), strict=True)
    ]
    return taps[0] + taps[1] + taps[2] + taps[3]


def _triangle(x: float) -> float:
    return max(0.0, 1.0 - abs(x))


def _keys(x: float, a: float = -0.5) -> float:
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((x - 5) * x + 8) * x * a - 4 * a if x < 2 else 0.0


def _lanczos(x: float) -> float:
    def sinc(t: float) -> float:
        return sin(pi * t) / (pi * t) if t else 1.0

    return sinc(x) * sinc(x / 3) if abs(x) < 3 else 0.0


_FILTERS = {"bilinear": (_triangle, 1.0), "bicubic": (_keys, 2.0), "lanczos": (_lanczos, 3.0)}


def _filtered(input: Tensor, dim: int, after: int, scale: float, mode: str) -> Tensor:
    """Each output pixel is the mean of the input under the filter, widened where the image shrinks."""
    weigh, radius = _FILTERS[mode]
    before = input.size(dim)
    stretch = max(scale, 1.0)
    rows = []
    for place in range(after):
        centre = scale * (place + 0.5)
        start = max(int(centre - radius * stretch + 0.5), 0)
        stop = min(int(centre + radius * stretch + 0.5), before)
        row = [0.0] * before
        row[start:stop] = [weigh((i - centre + 0.5) / stretch) for i in range(start, stop)]
        total = sum(row)
        rows.append([value / total for value in row])
    weights = _C.tensor(rows, dtype=input.dtype, device=input.device)
    return _C.matmul(input.movedim(dim, -1), weights.t()).movedim(-1, dim)


def _deprecated(old: str) -> None:
    import warnings

    warnings.warn(f"`nn.functional.{old}` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=3)


def upsample(input: Tensor, size=None, scale_factor=None, mode="nearest", align_corners=None) -> Tensor:
    """Deprecated name of `interpolate`."""
    _deprecated("upsample")
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """Deprecated: `interpolate` with mode="nearest"."""
    _deprecated("upsample_nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input: Tensor, size=None, scale_factor=None) -> Tensor:
    """Deprecated: `interpolate` with mode="bilinear", align_corners=True."""
    _deprecated("upsample_bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _default_corners(align_corners: bool | None) -> bool:
    if align_corners is None:
        import warnings

        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. "
            "Please specify align_corners=True if the old behavior is desired. "
            "See the documentation of grid_sample for details.",
            stacklevel=3,
        )
        return False
    return align_corners


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Samples (N, C, H, W) at `grid` (N, H_out, W_out, 2) of (x, y) in [-1, 1]; likewise in three dimensions.

    Source: Jaderberg et al., 2015.
    """
    if mode not in ("bilinear", "nearest", "bicubic"):
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError(
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', "
            f"but got: '{padding_mode}'"
        )
    align_corners = _default_corners(align_corners)
    ndim = input.dim() - 2
    if ndim not in (2, 3) or grid.dim() != input.dim():
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, "
            f"but got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.size(-1) != ndim:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {ndim} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}"
        )
    if mode == "bicubic" and ndim == 3:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    # From here places are in pixels, the slowest dimension first; the grid has x first.
    sizes = input.shape[2:]
    places = []
    for d, size in enumerate(sizes):
        place = grid[..., ndim - 1 - d]
        place = (place + 1) / 2 * (size - 1) if align_corners else ((place + 1) * size - 1) / 2
        if mode != "bicubic":
            place = _inside(place, size, padding_mode, align_corners)
        places.append(place)
    if mode == "nearest":
        output = _pick(input, [place.round() for place in places])
        if grid.requires_grad:  # its gradient is 0, not missing
            output = output + grid[..., 0].masked_fill(_C.tensor(True), 0).unsqueeze(1)
        return output
    bases = [place.floor() for place in places]
    shares = [place - base for place, base in zip(places, bases, strict=True)]
    if mode == "bilinear":
        first, weights = 0, [(1 - share, share) for share in shares]
    else:
        first, weights = -1, [_cubic_weights(share) for share in shares]
    output = None
    taps = len(weights[0])
    for corner in range(taps**ndim):
        weight, indices = None, []
        for d in range(ndim):
            corner, step = divmod(corner, taps)
            index = bases[d] + (first + step)
            if mode == "bicubic":
                index = _inside(index, sizes[d], padding_mode, align_corners)
            indices.append(index)
            weight = weights[d][step] if weight is None else weight * weights[d][step]
        part = _pick(input, indices) * weight.unsqueeze(1)
        output = part if output is None else output + part
    return output


def _inside(place: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    if padding_mode == "zeros":
        return place
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        if span == 0:
            place = place * 0
        else:
            distance = (place - low).abs()
            rest = distance.fmod(span)
            turned = (distance / span).floor().detach() % 2 == 1
            place = _C.where(turned, span - rest, rest) + low
    return place.clamp(0, size - 1)


def _pick(input: Tensor, indices: list[Tensor]) -> Tensor:
    """input[n, :, indices...], zero where an index lies outside."""
    batch, channels, *sizes = input.shape
    flat: Any = 0
    valid = None
    for index, size in zip(indices, sizes, strict=True):
        within = (index >= 0) & (index <= size - 1)
        valid = within if valid is None else valid & within
        flat = flat * size + index.detach().clamp(0, size - 1).to(_C.int64)
    shape = (batch, 1, -1)
    values = input.flatten(2).gather(2, flat.reshape(shape).expand(-1, channels, -1))
    return values.masked_fill(~valid.reshape(shape), 0).view(batch, channels, *flat.shape[1:])


def affine_grid(theta: Tensor, size: list[int], align_corners: bool | None = None) -> Tensor:
    """The grid for `grid_sample` of affine maps: theta (N, 2, 3), size (N, C, H, W), or (N, 3, 4) and five sizes."""
    align_corners = _default_corners(align_corners)
    if not theta.is_floating_point():
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    ndim = len(size) - 2
    if ndim not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. "
            f"Got size {size}."
        )
    if theta.dim() != 3 or theta.shape[1:] != (ndim, ndim + 1):
        raise ValueError(
            f"Expected a batch of {ndim}D affine matrices of shape Nx{ndim}x{ndim + 1} for size {size}. "
            f"Got {theta.shape}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {size}")
    spatial = list(size[2:])
    axes = []
    for n in spatial:
        axis = _C.linspace(-1, 1, n, dtype=theta.dtype, device=theta.device) if n > 1 else theta.new_zeros(1)
        axes.append(axis if align_corners else axis * ((n - 1) / n))
    base = theta.new_ones((*spatial, ndim + 1))
    for d, axis in enumerate(axes):
        base[..., ndim - 1 - d] = axis.view((-1, *[1] * (ndim - 1 - d)))
    return _C.matmul(base.view(1, -1, ndim + 1), theta.transpose(1, 2)).view(size[0], *spatial, ndim)
