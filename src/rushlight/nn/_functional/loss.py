"""Losses composed of elementary operations; the ones most programs train with are native (see `functional.py`).

Each returns its elementwise formula reduced by `reduction`: "none", "mean" or "sum".
"""

from __future__ import annotations

from math import log, pi

from ... import _C
from .._reduction import legacy_get_string
from .distance import pairwise_distance

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._C import Tensor

__all__ = [
    "cosine_embedding_loss", "ctc_loss", "gaussian_nll_loss", "hinge_embedding_loss", "kl_div", "margin_ranking_loss",
    "multi_margin_loss", "multilabel_margin_loss", "multilabel_soft_margin_loss", "poisson_nll_loss",
    "soft_margin_loss", "triplet_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "mean":
        return loss.mean()
    if reduction == "sum":
        return loss.sum()
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction")


def _reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    if size_average is None and reduce is None:
        return reduction
    return legacy_get_string(size_average, reduce)


def _autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Inside torch.autocast these losses compute in float32, as the native ones do."""
    if _C._get_autocast() is None:
        return tensors
    return tuple([t.float() if t.dtype in (_C.bfloat16, _C.float16) else t for t in tensors])


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """target (log target - input), input being log-probabilities; `reduction` may also be "batchmean"."""
    input, target = _autocast(input, target)
    if size_average is not None or reduce is not None:
        reduction = legacy_get_string(size_average, reduce)
    elif reduction == "mean":
        import warnings

        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition."
            "'mean' will be changed to behave the same as 'batchmean' in the next major release.",
            stacklevel=2,
        )
    if log_target:
        loss = target.exp() * (target - input)
    else:
        loss = _C.xlogy(target, target) - target * input
    if reduction == "batchmean":
        total = loss.sum()
        return total / input.shape[0] if input.dim() else total
    return _reduce(loss, reduction)


def poisson_nll_loss(
    input: Tensor,
    target: Tensor,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """exp(x) - y x, or x - y log(x + eps) without `log_input`; `full` adds Stirling's estimate of log(y!)."""
    input, target = _autocast(input, target)
    reduction = _reduction_of(size_average, reduce, reduction)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not a valid value for reduction")
    loss = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return _reduce(loss, reduction)


def gaussian_nll_loss(
    input: Tensor,
    target: Tensor,
    var: Tensor | float,
    full: bool = False,
    eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:
    """(log max(var, eps) + (x - y)^2 / max(var, eps)) / 2; `full` adds log(2 pi) / 2 (Nix and Weigend, 1994)."""
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * _C.ones_like(input)
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif input.dim() != var.dim() or sum(y for x, y in zip(input.shape, var.shape, strict=True) if x != y) != 1:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(reduction + " is not valid")
    # The clamp keeps the gradient of 1 at var below eps, as PyTorch's in-place clamp outside the graph does.
    var = var + (var.detach().clamp(min=eps) - var.detach())
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * log(2 * pi)
    return _reduce(loss, reduction)


def hinge_embedding_loss(
    input: Tensor,
    target: Tensor,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """x where y is 1, max(0, margin - x) where y is -1."""
    input, target = _autocast(input, target)
    apart = (margin - input).clamp_min(0).masked_fill(target == 1, 0)
    return _reduce(apart + input.masked_fill(target == -1, 0), _reduction_of(size_average, reduce, reduction))


def margin_ranking_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, -y (x1 - x2) + margin)."""
    input1, input2, target = _autocast(input1, input2, target)
    if input1.dim() != input2.dim() or input1.dim() != target.dim():
        raise RuntimeError(
            f"margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    loss = (-target * (input1 - input2) + margin).clamp_min(0)
    return _reduce(loss, _reduction_of(size_average, reduce, reduction))


def cosine_embedding_loss(
    input1: Tensor,
    input2: Tensor,
    target: Tensor,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """1 - cos(x1, x2) where y is 1, max(0, cos(x1, x2) - margin) where y is -1. Inputs (N, D) or (D)."""
    input1, input2, target = _autocast(input1, input2, target)
    dims = target.dim()
    if dims not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if input1.dim() != dims + 1 or input2.dim() != dims + 1:
        raise RuntimeError(
            f"{dims}D target tensor expects {dims + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    # 1e-12 under the root, as PyTorch has it: the loss of a zero vector is finite.
    squares1 = (input1 * input1).sum(dims) + 1e-12
    squares2 = (input2 * input2).sum(dims) + 1e-12
    cosine = (input1 * input2).sum(dims) / (squares1 * squares2).sqrt()
    zeros = _C.zeros_like(cosine)
    loss = _C.where(target == 1, 1 - cosine, zeros)
    loss = loss + _C.where(target == -1, (cosine - margin).clamp_min(0), zeros)
    return _reduce(loss, _reduction_of(size_average, reduce, reduction))


def soft_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """log(1 + exp(-y x)), y being 1 or -1."""
    input, target = _autocast(input, target)
    loss = (-target * input).exp().log1p()
    return _reduce(loss, _reduction_of(size_average, reduce, reduction))


def multilabel_soft_margin_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """-(y log sigmoid(x) + (1 - y) log sigmoid(-x)), averaged over the classes (the last dimension)."""
    loss = -(target * _C.logsigmoid(input) + (1 - target) * _C.logsigmoid(-input))
    if weight is not None:
        loss = loss * weight
    loss = loss.sum(-1) / input.size(-1)
    return _reduce(loss, _reduction_of(size_average, reduce, reduction))


def multi_margin_loss(
    input: Tensor,
    target: Tensor,
    p: int = 1,
    margin: float = 1.0,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over j != y of w_y max(0, margin - x_y + x_j)^p / C. Input (N, C) or (C), target (N) or ()."""
    (input,) = _autocast(input)
    reduction = _reduction_of(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if input.dim() == 0:
        input = input.unsqueeze(0)
    index = target.unsqueeze(-1)
    loss = (margin - input.gather(-1, index) + input).clamp_min(0)
    if p != 1:
        loss = loss**p
    if weight is not None:
        loss = loss * weight[index]
    loss = loss.scatter(-1, index, 0).sum(-1) / input.size(-1)
    return _reduce(loss, reduction)


def multilabel_margin_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """sum over labels i and non-labels j of max(0, 1 - (x_i - x_j)) / C; a row of labels ends at its first -1."""
    (input,) = _autocast(input)
    reduction = _reduction_of(size_average, reduce, reduction)
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if 0 in input.shape[-1:] or input.dim() > 2:
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: " + str(list(input.shape))
        )
    if input.dim() == 0:
        input = input.unsqueeze(0)
    if target.dim() == 0:
        target = target.unsqueeze(0)
    listed = (target < 0).cumsum(-1) == 0
    labels = target.masked_fill(~listed, 0)
    is_label = _C.zeros_like(target).scatter_add(-1, labels, listed.to(target.dtype)) > 0
    gaps = (1 - input.gather(-1, labels).unsqueeze(-1) + input.unsqueeze(-2)).clamp_min(0)
    counted = listed.unsqueeze(-1) & ~is_label.unsqueeze(-2)
    return _reduce(gaps.masked_fill(~counted, 0).sum((-2, -1)) / input.size(-1), reduction)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """max(0, d(a, p) - d(a, n) + margin); `swap` takes the nearer of d(a, n), d(p, n) (Balntas et al., 2016)."""
    anchor, positive, negative = _autocast(anchor, positive, negative)
    reduction = _reduction_of(size_average, reduce, reduction)

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap, reduction=reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Tensor:
    """`triplet_margin_loss` with any distance."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    dims = anchor.dim(), positive.dim(), negative.dim()
    if len(set(dims)) != 1:
        raise RuntimeError(
            f"The anchor, positive, and negative tensors are expected to have the same number of dimensions, "
            f"but got: anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )
    if distance_function is None:
        distance_function = pairwise_distance
    near = distance_function(anchor, positive)
    far = distance_function(anchor, negative)
    if swap:
        far = _C.minimum(far, distance_function(positive, negative))
    return _reduce((margin + near - far).clamp_min(0), reduction)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Tensor,
    target_lengths: Tensor,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of all alignments of `targets` with `log_probs` (Graves et al., 2006).

    log_probs (T, N, C) from log_softmax; targets (N, S), or all targets joined; lengths (N). Also without N.
    "mean" divides each loss by its target's length first. The gradient is PyTorch's, which takes
    `log_probs` for the result of log_softmax: it contains exp(log_probs), which log_softmax's derivative cancels.
    """
    (log_probs,) = _autocast(log_probs)
    batched = log_probs.dim() == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
    steps, lengths = ([int(n) for n in (given if batched else [given])] for given in (input_lengths, target_lengths))
    batch, longest = log_probs.size(1), max(lengths)
    labels = _padded_labels(targets, lengths, batch, longest)
    # The path alternates blanks and labels: blank l1 blank l2 ... blank.
    path = _C.full((batch, 2 * longest + 1), blank, dtype=_C.int64)
    path[:, 1::2] = labels
    # A label may follow another directly, without a blank between, only if it differs from it.
    may_skip = _C.zeros(path.shape, dtype=_C.bool)
    may_skip[:, 2:] = (path[:, 2:] != blank) & (path[:, 2:] != path[:, :-2])

    # Impossible states carry a large finite cost: the derivative of logsumexp over infinities is not a number.
    impossible = -1e30
    emitted = log_probs.gather(2, path.expand(log_probs.size(0), *path.shape))
    start = _C.full(path.shape, impossible, dtype=log_probs.dtype)
    start[:, :2] = 0
    alpha = start + emitted[0]
    wall = _C.full((batch, 2), impossible, dtype=log_probs.dtype)
    frames = _C.tensor(steps).unsqueeze(1)
    for t in range(1, max(steps)):
        moved = _C.cat((wall, alpha), 1)
        ways = _C.stack((alpha, moved[:, 1:-1], moved[:, :-2].masked_fill(~may_skip, impossible)))
        alpha = _C.where(t < frames, _C.logsumexp(ways, 0) + emitted[t], alpha)

    # The path ends on the last label or on the blank after it; an empty target has only the blank.
    last = 2 * _C.tensor(lengths).unsqueeze(1)
    on_label = alpha.gather(1, (last - 1).clamp(min=0)).masked_fill(last == 0, impossible)
    ends = _C.stack((alpha.gather(1, last), on_label))
    loss = -_C.logsumexp(ends, 0).squeeze(1)
    infinite = loss > 1e29
    # Nothing in value, exp(log_probs) in the gradient.
    chances = log_probs.exp().masked_fill(_C.arange(log_probs.size(0)).view(-1, 1, 1) >= frames, 0.0)
    loss = loss + (chances - chances.detach()).sum((0, 2))
    loss = loss.masked_fill(infinite, 0.0 if zero_infinity else float("inf"))
    if reduction == "mean":
        return (loss / _C.tensor(lengths, dtype=loss.dtype).clamp(min=1)).mean()
    return _reduce(loss if batched else loss.squeeze(0), reduction)


def _padded_labels(targets: Tensor, lengths: list[int], batch: int, longest: int) -> Tensor:
    if targets.dim() == 2:
        return targets[:, :longest].to(_C.int64)
    labels = _C.zeros((batch, longest), dtype=_C.int64)
    start = 0
    for row, length in enumerate(lengths):
        labels[row, :length] = targets[start : start + length]
        start += length
    return labels
