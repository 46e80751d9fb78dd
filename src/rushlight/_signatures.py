"""Functions of the root namespace that nn.functional has under other signatures.

Here they take what PyTorch's operations take: `reduction` is 0 (none), 1 (mean) or 2 (sum), modes are numbers, weights
come before indices. Programs rarely mean these; code written against `torch.` instead of `torch.nn.functional.` does.
"""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._C import Tensor

_REDUCTIONS = ("none", "mean", "sum")


def _functional(name: str) -> Callable:
    from .nn import functional

    return getattr(functional, name)


# ---------------------------------------------------------------- losses


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None, reduction: int = 1
) -> Tensor:
    """-(t log s(x) + (1 - t) log(1 - s(x))) with s the logistic function.

    >>> import rushlight as torch
    >>> torch.binary_cross_entropy_with_logits(torch.zeros(2), torch.ones(2), reduction=2)
    tensor(1.3863)
    """
    return _C.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_REDUCTIONS[reduction], pos_weight=pos_weight
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1."""
    return _functional("cosine_embedding_loss")(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:
    """Connectionist temporal classification (Graves et al., 2006)."""
    how = _REDUCTIONS[reduction]
    return _functional("ctc_loss")(log_probs, targets, input_lengths, target_lengths, blank, how, zero_infinity)


def hinge_embedding_loss(input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 1) -> Tensor:
    """x where target is 1, max(0, margin - x) where it is -1."""
    return _functional("hinge_embedding_loss")(input, target, margin, reduction=_REDUCTIONS[reduction])


def kl_div(input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False) -> Tensor:
    """target (log target - input), with input in logarithms; the mean is over all elements."""
    losses = _functional("kl_div")(input, target, reduction="none", log_target=log_target)
    return losses if reduction == 0 else losses.mean() if reduction == 1 else losses.sum()


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """max(0, -target (x1 - x2) + margin)."""
    return _functional("margin_ranking_loss")(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def poisson_nll_loss(input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int) -> Tensor:
    """exp(x) - target x, or x - target log(x + eps) without log_input."""
    how = _REDUCTIONS[reduction]
    return _functional("poisson_nll_loss")(input, target, log_input, full, eps=eps, reduction=how)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 1,
) -> Tensor:
    """max(0, |a - p| - |a - n| + margin)."""
    how = _REDUCTIONS[reduction]
    return _functional("triplet_margin_loss")(anchor, positive, negative, margin, p, eps, swap, reduction=how)


# ---------------------------------------------------------------- tables, grids, norms


def embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Tensor:
    """Rows of weight by index; a row number padding_idx >= 0 gets no gradient.

    >>> import rushlight as torch
    >>> torch.embedding(torch.eye(2), torch.tensor([1]))
    tensor([[0., 1.]])
    """
    padding = None if padding_idx < 0 else padding_idx
    return _C.embedding(indices, weight, padding, None, 2.0, scale_grad_by_freq, sparse)


def embedding_renorm_(input: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> Tensor:
    """Shortens the rows that indices name to max_norm, in place."""
    with _C.no_grad():
        _C.embedding(indices, input, None, max_norm, norm_type)
    return input


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """nn.functional.embedding_bag() with mode 0 (sum), 1 (mean) or 2 (max), and what PyTorch keeps for its backward: of
    which only the sizes of the bags are filled in."""
    how = ("sum", "mean", "max")[mode]
    out = _functional("embedding_bag")(
        indices, weight, offsets, None, 2.0, scale_grad_by_freq, how, sparse, per_sample_weights, include_last_offset,
        padding_idx,
    )  # fmt: skip
    ends = offsets[1:] if include_last_offset else _C.cat([offsets[1:], offsets.new_tensor([indices.numel()])])
    starts = offsets[:-1] if include_last_offset else offsets
    bag_of = _C.repeat_interleave(_C.arange(starts.numel(), dtype=indices.dtype), ends - starts)
    empty = indices.new_zeros([0])
    return out, bag_of, ends - starts, empty


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """nn.functional.grid_sample() with its modes as numbers: bilinear, nearest, bicubic; zeros, border, reflection."""
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    padding = ("zeros", "border", "reflection")[padding_mode]
    return _functional("grid_sample")(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """nn.functional.affine_grid()."""
    return _functional("affine_grid")(theta, size, align_corners)


def instance_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    use_input_stats: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Tensor:
    """nn.functional.instance_norm()."""
    return _functional("instance_norm")(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The p-norms of the slices along a dimension (-1: of everything), with the other dimensions kept at size 1."""
    if dim == -1:
        return v.norm(pow)
    others = [d for d in range(v.dim()) if d != dim]
    return _C.linalg_vector_norm(v, pow, others, True) if others else v.abs()


# ---------------------------------------------------------------- recurrent networks


def _network(name: str) -> Callable:
    def run(
        input: Tensor,
        hx: Any,
        params: Any,
        has_biases: Any,
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        batch_first: bool = False,
    ) -> tuple[Tensor, ...]:
        from .nn._functional import recurrent

        whole = getattr(recurrent, name)
        if isinstance(has_biases, bool):
            return whole(input, hx, list(params), has_biases, num_layers, dropout, train, bidirectional, batch_first)
        # packed: (data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)
        data, batch_sizes, state, weights, biases = input, hx, params, has_biases, num_layers
        return whole(data, state, list(weights), biases, dropout, train, bidirectional, batch_first, False, batch_sizes)

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"What nn.{name.split('_')[0].upper()} computes: (output, *final states); padded or packed input."
    return run


lstm = _network("lstm")
gru = _network("gru")
rnn_tanh = _network("rnn_tanh")
rnn_relu = _network("rnn_relu")


def lstm_cell(
    input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: (h', c')."""
    from .nn._functional import recurrent

    return recurrent.cell("LSTM", input, tuple(hx), w_ih, w_hh, b_ih, b_hh)


def _cell(name: str, mode: str) -> Callable:
    def run(
        input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
    ) -> Tensor:
        from .nn._functional import recurrent

        return recurrent.cell(mode, input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]

    run.__name__ = run.__qualname__ = name
    run.__doc__ = f"One step of nn.{mode.split('_')[0]}: h'."
    return run


gru_cell = _cell("gru_cell", "GRU")
rnn_tanh_cell = _cell("rnn_tanh_cell", "RNN_TANH")
rnn_relu_cell = _cell("rnn_relu_cell", "RNN_RELU")
