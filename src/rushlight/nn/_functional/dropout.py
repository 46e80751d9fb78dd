"""Dropout of whole channels, and dropout that keeps mean and variance."""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor

__all__ = ["alpha_dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout"]

# The value SELU tends to for large negative x: -scale * alpha (Klambauer et al., 2017).
_SELU_FLOOR = -1.7580993408473766


def _check(p: float) -> None:
    if p < 0.0 or p > 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _drop(input: Tensor, p: float, inplace: bool, channels: bool, keep_moments: bool) -> Tensor:
    """Multiplies by one random draw an element, or a channel (N, C, ...)."""
    if p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    if channels:
        if input.dim() < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        noise = input.new_empty((*input.shape[:2], *[1] * (input.dim() - 2)))
    else:
        noise = _C.empty_like(input)
    noise.bernoulli_(1 - p)
    shift = None
    if keep_moments:
        # Dropped elements become the floor; a and shift then restore mean 0 and variance 1.
        a = 1.0 / ((_SELU_FLOOR * _SELU_FLOOR * p + 1) * (1 - p)) ** 0.5
        shift = (noise - 1).mul_(-_SELU_FLOOR * a).add_(-_SELU_FLOOR * a * p)
        noise.mul_(a)
    else:
        noise.div_(1 - p)
    output = input.mul_(noise) if inplace else input * noise
    return output if shift is None else output.add_(shift)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps zero mean and unit variance (Klambauer et al., 2017)."""
    _check(p)
    return _drop(input, p, inplace, False, True) if training else input


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels."""
    _check(p)
    return _drop(input, p, inplace, True, True) if training else input


def _drop_channels(input: Tensor, p: float, training: bool, inplace: bool, unbatched: bool) -> Tensor:
    if not training:
        return input
    if not unbatched:
        return _drop(input, p, inplace, True, False)
    output = _drop(input.unsqueeze(0), p, inplace, True, False)
    return input if inplace else output.squeeze(0)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of (N, C, L) or (C, L)."""
    _check(p)
    ndim = input.dim()
    if ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {ndim}D input. Note that dropout1d exists to provide "
            "channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional batch "
            "dimension (i.e. 2D or 3D inputs)."
        )
    return _drop_channels(input, p, training, inplace, ndim == 2)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of (N, C, H, W). A 3-D input is read as (N, C, L), with PyTorch's warning."""
    _check(p)
    ndim = input.dim()
    if ndim not in (3, 4):
        _warn_dimensions("dropout2d", ndim, 2)
    if ndim == 3:
        import warnings

        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is "
            "desired - input is interpreted as shape (N, C, L), where C is the channel dim. This behavior will change "
            "in a future release to interpret the input as one without a batch dimension, i.e. shape (C, H, W). To "
            "maintain the 1D channel-wise dropout behavior, please switch to using dropout1d instead.",
            stacklevel=2,
        )
    return _drop_channels(input, p, training, inplace, False)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zeroes whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    _check(p)
    ndim = input.dim()
    if ndim not in (4, 5):
        _warn_dimensions("dropout3d", ndim, 3)
    return _drop_channels(input, p, training, inplace, ndim != 5)


def _warn_dimensions(name: str, ndim: int, spatial: int) -> None:
    import warnings

    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future "
        f"release. To retain the behavior and silence this warning, please use dropout instead. Note that {name} "
        f"exists to provide channel-wise dropout on inputs with {spatial} spatial dimensions, a channel dimension, "
        f"and an optional batch dimension (i.e. {spatial + 1}D or {spatial + 2}D inputs).",
        stacklevel=3,
    )
