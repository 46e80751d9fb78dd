"""Bilinear forms and bags of embeddings."""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor

__all__ = ["bilinear", "embedding_bag"]


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y_k = x1^T A_k x2 + b_k: (*, in1), (*, in2), weight (out, in1, in2) -> (*, out)."""
    if input1.dim() != input2.dim():
        raise RuntimeError(f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}")
    for d in range(input1.dim() - 1):
        if input1.size(d) != input2.size(d):
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {d}: got {input1.size(d)} and {input2.size(d)}"
            )
    for name, given, dim in (("input1", input1, 1), ("input2", input2, 2)):
        if given.size(-1) != weight.size(dim):
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: "
                f"got {given.size(-1)} but expected {weight.size(dim)}"
            )
    left = input1.reshape(-1, input1.size(-1))
    right = input2.reshape(-1, input2.size(-1))
    # (N, in1) @ (out, in1, in2) -> (out, N, in2), then a row-wise product with x2.
    output = (_C.matmul(left, weight) * right).sum(-1).t()
    if bias is not None:
        output = output + bias
    return output.reshape(*input1.shape[:-1], weight.size(0))


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or max of the embeddings in each bag: rows of a 2-D `input`, or slices at `offsets` of a 1-D one.

    Entries equal to `padding_idx` do not count; an empty bag gives zeros.
    """
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, "
            f"then it must have the same shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        bags = input.size(0)
        bag_of = _C.arange(bags).repeat_interleave(input.size(1))
        input = input.reshape(-1)
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights.reshape(-1)
    elif input.dim() == 1:
        if offsets is None:
            raise ValueError("offsets has to be a 1D Tensor but got None")
        if offsets.dim() != 1:
            raise ValueError("offsets has to be a 1D Tensor")
        starts = offsets[:-1] if include_last_offset else offsets
        if offsets.numel() and offsets[0].item() != 0:
            raise RuntimeError(
                "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
                f"However, got {offsets[0].item()}"
            )
        bags = starts.numel()
        # The bag of a place is the number of bags that begin at or before it, less one.
        bag_of = (_C.arange(input.numel()).unsqueeze(1) >= starts).sum(1) - 1
    else:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max":
        if scale_grad_by_freq:
            raise ValueError("max mode does not support scaling the gradient by the frequency")
        if sparse:
            raise ValueError("max mode does not support sparse weights")
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}'). Please open a feature request on GitHub."
        )
    if padding_idx is not None:
        if not -weight.size(0) <= padding_idx < weight.size(0):
            raise RuntimeError("padding_idx must be within the number of embeddings")
        counts = (input != padding_idx % weight.size(0)).nonzero().squeeze(1)
        input, bag_of = input[counts], bag_of[counts]
        if per_sample_weights is not None:
            per_sample_weights = per_sample_weights[counts]
    rows = _C.embedding(input, weight, None, max_norm, norm_type, scale_grad_by_freq, sparse)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.unsqueeze(1)
    empty = _C.zeros((bags, weight.size(1)), dtype=weight.dtype, device=weight.device)
    if mode == "max":
        return empty.index_reduce(0, bag_of, rows, "amax", include_self=False)
    total = empty.index_add(0, bag_of, rows)
    if mode == "sum":
        return total
    size = _C.zeros(bags, dtype=weight.dtype).index_add(0, bag_of, _C.ones(bag_of.shape, dtype=weight.dtype))
    return total / size.clamp(min=1).unsqueeze(1)
