"""Folds a batch normalisation that is done learning into the layer before it."""

from __future__ import annotations

import copy

from ... import _C
from .. import Parameter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..._C import Tensor

__all__ = ["fuse_conv_bn_eval", "fuse_conv_bn_weights", "fuse_linear_bn_eval", "fuse_linear_bn_weights"]


def _fused(
    weight: Tensor, bias: Tensor | None, mean: Tensor, var: Tensor, eps: float, scale: Tensor | None,
    shift: Tensor | None, channels: int,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of the layer that does both; `channels` is the dimension of the weight that they belong to."""
    factor = (_C.ones_like(mean) if scale is None else scale) * _C.rsqrt(var + eps)
    offset = (_C.zeros_like(mean) if bias is None else bias) - mean
    shape = [1] * weight.dim()
    shape[channels] = -1
    new_weight = (weight * factor.reshape(shape)).to(weight.dtype)
    new_bias = (offset * factor + (0 if shift is None else shift)).to(weight.dtype if bias is None else bias.dtype)
    keep = weight.requires_grad
    return Parameter(new_weight, keep), Parameter(new_bias, keep if bias is None else bias.requires_grad)


def fuse_conv_bn_weights(
    conv_w: Tensor, conv_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None,
    bn_b: Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a convolution with the normalisation after it."""
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 1 if transpose else 0)


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """A copy of the convolution that does what conv and then bn do; both must be in eval mode.

    >>> import rushlight as torch
    >>> conv, bn = torch.nn.Conv1d(1, 1, 1).eval(), torch.nn.BatchNorm1d(1).eval()
    >>> x = torch.ones(1, 1, 2)
    >>> torch.allclose(torch.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)))
    True
    """
    assert not (conv.training or bn.training), "Fusion only for eval!"
    fused = copy.deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: Tensor, linear_b: Tensor | None, bn_rm: Tensor, bn_rv: Tensor, bn_eps: float, bn_w: Tensor | None,
    bn_b: Tensor | None,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a linear layer with the normalisation after it."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, 0)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """A copy of the linear layer that does what linear and then bn do; both must be in eval mode."""
    assert not (linear.training or bn.training), "Fusion only for eval!"
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError("To fuse, linear.out_features == bn.num_features or bn.num_features == 1")
    fused = copy.deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    )
    return fused
