"""Distances, unit vectors, one-hot codes."""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor

__all__ = ["cosine_similarity", "normalize", "one_hot", "pairwise_distance", "pdist"]


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """x1 . x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`; the inputs broadcast.

    >>> import rushlight as torch
    >>> torch.nn.functional.cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    if not (x1.is_floating_point() and x2.is_floating_point()):
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {_C.result_type(x1, x2)}")
    x1, x2 = _C.broadcast_tensors(x1, x2)
    unit1 = x1 / _C.linalg_vector_norm(x1, 2, dim, True).clamp_min(eps)
    unit2 = x2 / _C.linalg_vector_norm(x2, 2, dim, True).clamp_min(eps)
    return (unit1 * unit2).sum(dim)


def pairwise_distance(x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Tensor:
    """|x1 - x2 + eps|_p over the last dimension."""
    # eps keeps the derivative finite where the inputs meet. The sizes decide which way they broadcast.
    dim = max(x1.dim(), x2.dim()) - 1
    return _C.linalg_vector_norm(x1 - x2 + eps, p, dim, keepdim)


def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distances of the rows of (N, M), pair by pair: (N (N - 1) / 2), as scipy's pdist orders them."""
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    first, second = _C.triu_indices(input.size(0), input.size(0), 1)
    return _C.linalg_vector_norm(input[first] - input[second], p, 1)


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None) -> Tensor:
    """x / max(|x|_p, eps) along `dim`.

    >>> import rushlight as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    length = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / length if out is None else _C.div(input, length, out=out)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Integers (*) to codes (*, num_classes): 1 at the integer's place, else 0; -1 takes the largest plus 1.

    >>> import rushlight as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]), num_classes=3)
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    if tensor.dtype != _C.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return _C.zeros((*tensor.shape, num_classes), dtype=tensor.dtype, device=tensor.device)
    if tensor.device.type != "meta":
        if tensor.min().item() < 0:
            raise RuntimeError("Class values must be non-negative.")
        highest = tensor.max().item()
        if num_classes == -1:
            num_classes = highest + 1
        elif highest >= num_classes:
            raise RuntimeError("Class values must be smaller than num_classes.")
    codes = _C.zeros((*tensor.shape, num_classes), dtype=tensor.dtype, device=tensor.device)
    return codes.scatter_(-1, tensor.unsqueeze(-1), 1)
