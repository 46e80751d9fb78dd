"""Batching rules of products, layers and losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .batched import BatchFrame, is_batched, raw, with_batch, wrap
from .batching_rules import argument, elementwise, others_batched, rule

# ---------------------------------------------------------------- products


@rule("matmul mm bmm mv dot vdot inner")
def matmul(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """One product of the whole batch: a plain one where a matrix is shared, a batched one otherwise."""
    a, b = args
    if kwargs or (name == "inner" and (a.dim() > 1 or b.dim() > 1)):
        return NotImplemented
    rows, columns = a.dim(), b.dim()
    x, y = raw(frame, a), raw(frame, b)
    if not is_batched(frame, b) and columns <= 2 and (rows or columns):
        return _C.matmul(x, y)  # x's batch is one more dimension of rows
    if not is_batched(frame, a) and rows == 2 and columns == 1:
        return _C.matmul(y, x.transpose(0, 1))
    # Vectors become matrices, and the dimensions in front of the matrices are aligned behind the batch.
    if rows == 1:
        x = x.unsqueeze(-2)
    if columns == 1:
        y = y.unsqueeze(-1)
    between = max(rows, columns, 2) - 2
    x = _between(x, between - max(rows - 2, 0)) if is_batched(frame, a) else x
    y = _between(y, between - max(columns - 2, 0)) if is_batched(frame, b) else y
    result = _C.matmul(x, y)
    if columns == 1:
        result = result.squeeze(-1)
    return result.squeeze(-2 if columns != 1 else -1) if rows == 1 else result


def _between(value: Tensor, count: int) -> Tensor:
    return value[(slice(None), *[None] * count)] if count > 0 else value


@rule("outer ger")
def outer(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    a, b = args
    return raw(frame, a).unsqueeze(-1) * raw(frame, b).unsqueeze(-2)


@rule("linear")
def linear(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    """x w^T + b; with a weight for each example, one batched product."""
    x = args[0]
    weight = argument(args, kwargs, 1, ("weight",))
    bias = argument(args, kwargs, 2, ("bias",))
    if not is_batched(frame, weight) and not is_batched(frame, bias):
        return fn(raw(frame, x), weight, bias)
    if is_batched(frame, weight) and x.dim() == 2 and (bias is None or is_batched(frame, bias)):
        inputs = with_batch(frame, x)
        transposed = weight._value.transpose(1, 2)
        if bias is None:
            return _C.bmm(inputs, transposed)
        return _C.baddbmm(bias._value.unsqueeze(1), inputs, transposed)
    product = _C.matmul(x, weight.transpose(-2, -1))
    return raw(frame, product if bias is None else product + bias)


@rule("addmm addmv baddbmm")
def addmm(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    added, a, b = args
    result = kwargs.get("alpha", 1) * _C.matmul(a, b) + kwargs.get("beta", 1) * added
    return raw(frame, result)


@rule("einsum")
def einsum(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """One more letter, for the batch."""
    equation, *operands = args
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = list(operands[0])
    if not isinstance(equation, str):
        return NotImplemented
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    if not arrow:
        letters = sorted({c for c in left if c.isalpha() and left.count(c) == 1})
        right = ("..." if "..." in left else "") + "".join(letters)
    batch = next(c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBA" if c not in equation)
    terms = [batch + term if is_batched(frame, x) else term for term, x in zip(left.split(","), operands)]
    return _C.einsum(f"{','.join(terms)}->{batch}{right}", *[raw(frame, x) for x in operands])


# ---------------------------------------------------------------- layers

# The number of dimensions of a mini-batch of what these take.
_IMAGES = {
    **dict.fromkeys("conv1d conv_transpose1d max_pool1d avg_pool1d adaptive_avg_pool1d adaptive_max_pool1d".split(), 3),
    **dict.fromkeys("conv2d conv_transpose2d max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d".split(), 4),
    **dict.fromkeys("conv3d conv_transpose3d max_pool3d avg_pool3d adaptive_avg_pool3d adaptive_max_pool3d".split(), 5),
    "pixel_shuffle": 4,
    "group_norm": 4,
}


@rule(" ".join(_IMAGES))
def images(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """A batch of mini-batches is one larger mini-batch."""
    x = args[0]
    if not is_batched(frame, x) or others_batched(frame, args, kwargs):
        return NotImplemented
    value = x._value
    whole = _IMAGES[name]
    if x.dim() == whole - 1:
        return fn(value, *args[1:], **kwargs)
    if x.dim() != whole or name.endswith("with_indices"):
        return NotImplemented
    result = fn(value.flatten(0, 1), *args[1:], **kwargs)
    if not isinstance(result, Tensor):
        return NotImplemented
    return result.unflatten(0, (frame.size, value.shape[1]))


@rule("layer_norm")
def layer_norm(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    if not others_batched(frame, args, kwargs):
        return fn(raw(frame, args[0]), *args[1:], **kwargs)
    weight, bias = argument(args, kwargs, 2, ("weight",)), argument(args, kwargs, 3, ("bias",))
    eps = argument(args, kwargs, 4, ("eps",), 1e-5)
    result = fn(args[0], argument(args, kwargs, 1, ("normalized_shape",)), None, None, eps)
    if weight is not None:
        result = result * weight
    return raw(frame, result if bias is None else result + bias)


@rule("embedding")
def embedding(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    if not is_batched(frame, args[0]) or others_batched(frame, args, kwargs):
        return NotImplemented
    return fn(args[0]._value, *args[1:], **kwargs)


# ---------------------------------------------------------------- losses


def _averaged(loss: Tensor, reduction: str) -> Tensor:
    """Mean or sum over each example."""
    if reduction == "none":
        return loss
    flat = loss.reshape(loss.shape[0], -1)
    return flat.mean(1) if reduction == "mean" else flat.sum(1)


@rule("mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy binary_cross_entropy_with_logits")
def elementwise_loss(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    reduction = kwargs.get("reduction", "mean")
    # By position, `reduction` has the deprecated size_average and reduce before it.
    if len(args) > 2 or kwargs.get("size_average") is not None or kwargs.get("reduce") is not None:
        return NotImplemented
    args = tuple([x if is_batched(frame, x) else wrap(frame, with_batch(frame, x)) for x in args])
    losses = elementwise(frame, name, fn, args, {**kwargs, "reduction": "none"})
    return _averaged(losses, reduction)


@rule("cross_entropy nll_loss")
def class_loss(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Classes by index: the examples' rows are rows of one larger problem."""
    rest = {key: value for key, value in kwargs.items() if value is not None}
    if len(args) != 2 or not rest.keys() <= {"reduction", "ignore_index", "label_smoothing"}:
        return NotImplemented
    scores, target = args
    if target.is_floating_point() or scores.dim() > 2 or rest.get("label_smoothing"):
        return NotImplemented
    reduction = rest.pop("reduction", "mean")
    x, y = (with_batch(frame, t) for t in args)
    losses = fn(x.reshape(-1, x.shape[-1]), y.reshape(-1), **rest, reduction="none").reshape(y.shape)
    if reduction != "mean":
        return _averaged(losses, reduction)
    counted = (y != rest.get("ignore_index", -100)).reshape(frame.size, -1).sum(1)
    return losses.reshape(frame.size, -1).sum(1) / counted
