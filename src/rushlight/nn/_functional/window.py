"""Padding, and rearrangements of pixels and patches."""

from __future__ import annotations

from ... import _C
from ..modules.utils import _pair

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._C import Tensor

__all__ = [
    "channel_shuffle", "fold", "native_channel_shuffle", "pad", "pixel_shuffle", "pixel_unshuffle", "unfold",
]  # fmt: skip


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Widens the last dimensions; `pad` is (left, right) of the last, then of the one before, ...

    `mode` is "constant" (with `value`, default 0), "reflect", "replicate" or "circular"; negative sizes crop.

    >>> import rushlight as torch
    >>> torch.nn.functional.pad(torch.arange(3.0), (1, 2))
    tensor([0., 0., 1., 2., 0., 0.])
    """
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * input.dim():
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return _C.constant_pad_nd(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    places = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}.get(mode)
    if places is None:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if input.dim() - len(pad) // 2 not in (1, 2) or len(pad) > 6:
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {input.dim()}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    output = input
    for i in range(0, len(pad), 2):
        before, after = pad[i], pad[i + 1]
        if before or after:
            dim = input.dim() - 1 - i // 2
            if mode == "reflect" and max(before, after) >= input.size(dim):
                raise RuntimeError(
                    "Argument #4: Padding size should be less than the corresponding input dimension, "
                    f"but got: padding ({before}, {after}) at dimension {dim} of input {list(input.shape)}"
                )
            output = output.index_select(dim, places(input.size(dim), before, after))
    return output


def _reflected(size: int, before: int, after: int) -> Tensor:
    if before >= 0 and after >= 0:
        return _C.cat([_C.arange(before, 0, -1), _C.arange(size), _C.arange(size - 2, size - 2 - after, -1)])
    return size - 1 - (size - 1 - _C.arange(-before, size + after).abs()).abs()


def _replicated(size: int, before: int, after: int) -> Tensor:
    if before >= 0 and after >= 0:
        return _C.cat([_C.zeros(before, dtype=_C.int64), _C.arange(size), _C.full((after,), size - 1)])
    return _C.arange(-before, size + after).clamp(0, size - 1)


def _wrapped(size: int, before: int, after: int) -> Tensor:
    if before > size or after > size:
        raise RuntimeError("Padding value causes wrapping around more than once.")
    # What is cropped does not come round again.
    kept = _C.arange(max(-before, 0), size - max(-after, 0))
    return kept[_C.arange(-max(before, 0), kept.numel() + max(after, 0)) % kept.numel()]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, C r^2, H, W) -> (*, C, H r, W r) (Shi et al., 2016)."""
    r = upscale_factor
    if input.dim() < 3:
        raise RuntimeError(
            f"pixel_shuffle expects input to have at least 3 dimensions, but got input with {input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *leading, channels, height, width = input.shape
    if channels % (r * r):
        raise RuntimeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={channels} is not divisible by {r * r}"
        )
    parts = input.reshape(*leading, channels // (r * r), r, r, height, width)
    n = len(leading)
    order = (*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return parts.permute(order).reshape(*leading, channels // (r * r), height * r, width * r)


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(*, C, H r, W r) -> (*, C r^2, H, W): `pixel_shuffle` undone."""
    r = downscale_factor
    if input.dim() < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, "
            f"but got input with {input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *leading, channels, height, width = input.shape
    for name, size, place in (("height", height, -2), ("width", width, -1)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, "
                f"but input.size({place})={size} is not divisible by {r}"
            )
    parts = input.reshape(*leading, channels, height // r, r, width // r, r)
    n = len(leading)
    order = (*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return parts.permute(order).reshape(*leading, channels * r * r, height // r, width // r)


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Deals the channels of (N, C, ...) out to `groups`, interleaving them (Zhang et al., 2017)."""
    if input.dim() <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    batch, channels, *spatial = input.shape
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    return input.reshape(batch, groups, channels // groups, *spatial).transpose(1, 2).reshape(input.shape)


native_channel_shuffle = channel_shuffle


def unfold(input: Tensor, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Patches as columns: (N, C, H, W) -> (N, C prod(kernel_size), L), L the number of places (im2col).

    >>> import rushlight as torch
    >>> torch.nn.functional.unfold(torch.zeros(1, 3, 5, 5), kernel_size=3).shape
    torch.Size([1, 27, 9])
    """
    unbatched = input.dim() == 3
    if unbatched:
        input = input.unsqueeze(0)
    elif input.dim() != 4:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero dimensions "
            f"for input, but got: {list(input.shape)}"
        )
    kernel, (pad_h, pad_w) = _pair(kernel_size), _pair(padding)
    if pad_h or pad_w:
        input = _C.constant_pad_nd(input, (pad_w, pad_w, pad_h, pad_h))
    batch, channels, height, width = input.shape
    rows, cols = _places((height, width), kernel, _pair(dilation), _pair(stride))
    patches = input  # as a view, which is copied once
    for dim, k, d, s in zip((2, 3), kernel, _pair(dilation), _pair(stride), strict=True):
        patches = patches.unfold(dim, d * (k - 1) + 1, s)[..., ::d]
    shape = (batch, channels * kernel[0] * kernel[1], rows.size(1) * cols.size(1))
    patches = patches.permute(0, 1, 4, 5, 2, 3).reshape(shape)
    return patches.squeeze(0) if unbatched else patches


def fold(input: Tensor, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor:
    """Columns summed back to an image: (N, C prod(kernel_size), L) -> (N, C, *output_size) (col2im)."""
    unbatched = input.dim() == 2
    if unbatched:
        input = input.unsqueeze(0)
    elif input.dim() != 3:
        raise RuntimeError(
            f"Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    kernel, (pad_h, pad_w), output_size = _pair(kernel_size), _pair(padding), _pair(output_size)
    height, width = output_size[0] + 2 * pad_h, output_size[1] + 2 * pad_w
    batch, planes, columns = input.shape
    if planes % (kernel[0] * kernel[1]):
        raise RuntimeError(
            f"Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={planes} and kernel_size=({kernel[0]}, {kernel[1]})."
        )
    rows, cols = _places((height, width), kernel, _pair(dilation), _pair(stride))
    blocks = rows.size(1) * cols.size(1)
    if columns != blocks:
        raise RuntimeError(
            f"Given output_size={tuple(output_size)}, kernel_size={kernel}, dilation={_pair(dilation)}, "
            f"padding={_pair(padding)}, stride={_pair(stride)}, "
            f"expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{rows.size(1)} * {cols.size(1)} = {blocks}, but got input.size(2)={columns}."
        )
    channels = planes // (kernel[0] * kernel[1])
    flat = rows.view(kernel[0], 1, -1, 1) * width + cols.view(1, kernel[1], 1, -1)
    image = input.new_zeros((batch, channels, height * width))
    image = image.index_add(2, flat.flatten(), input.reshape(batch, channels, -1))
    image = image.view(batch, channels, height, width)[:, :, pad_h : height - pad_h, pad_w : width - pad_w]
    return image.squeeze(0) if unbatched else image


def _places(sizes: tuple[int, int], kernel, dilation, stride) -> list[Tensor]:
    """For height and width, the (kernel, places) table of the coordinate each kernel element reads."""
    tables = []
    for n, k, d, s in zip(sizes, kernel, dilation, stride, strict=True):
        count = (n - d * (k - 1) - 1) // s + 1
        if count < 1:
            raise RuntimeError(
                f"calculated shape of the array of sliding blocks has a size of {count} in a dimension, "
                "but its components must be at least one."
            )
        tables.append(_C.arange(k).unsqueeze(1) * d + _C.arange(count) * s)
    return tables
