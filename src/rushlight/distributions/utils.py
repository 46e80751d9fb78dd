"""What distributions share: broadcasting of parameters, probabilities and logits, values that are computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .._functions import finfo

__all__ = [
    "broadcast_all", "clamp_probs", "lazy_property", "logits_to_probs", "probs_to_logits", "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]  # fmt: skip

HALF_LOG_2PI = 0.9189385332046727
EULER = 0.57721566490153286060


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors of one shape from tensors and numbers; numbers take the tensors' dtype, or else the default one."""
    if not all([isinstance(v, (Tensor, int, float)) for v in values]):
        raise ValueError(
            "Input arguments must all be instances of Number, torch.Tensor or objects implementing __torch_function__."
        )
    like = next((v for v in values if isinstance(v, Tensor)), None)
    dtype = _C.get_default_dtype() if like is None else like.dtype
    device = None if like is None else like.device
    return tuple(
        _C.broadcast_tensors(
            *[v if isinstance(v, Tensor) else _C.tensor(v, dtype=dtype, device=device) for v in values]
        )
    )


def standard_normal(shape: Any, like: Tensor) -> Tensor:
    """Numbers from N(0, 1), of the dtype and on the device of another tensor."""
    return _C.empty(shape, dtype=like.dtype, device=like.device).normal_()


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities away from 0 and 1 by eps, so that logarithms are finite."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """sigmoid of log-odds, or softmax of log-probabilities over the last dimension."""
    return _C.sigmoid(logits) if is_binary else _C.softmax(logits, -1)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """log(p / (1 - p)), or log p."""
    clamped = clamp_probs(probs)
    return clamped.log() - (-clamped).log1p() if is_binary else clamped.log()


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Lower triangles, row by row, as the matrices that have them (and zeros above)."""
    n = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * vec.shape[-1] + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if not round(n) - finfo(vec.dtype).eps <= n <= round(n) + finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {vec.shape[-1]} which cannot be expressed as "
            "the lower triangular part of a square D x D matrix."
        )
    size = round(n)
    mat = vec.new_zeros((*vec.shape[:-1], size, size))
    i, j = _C.tril_indices(size, size, offset=diag)
    mat[..., i, j] = vec
    return mat


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The lower triangles of matrices, up to a diagonal, row by row."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    i, j = _C.tril_indices(n, n, offset=diag)
    return mat[..., i, j]


def exactly_one(probs: Any, logits: Any) -> None:
    """ValueError unless one of the two is given."""
    if (probs is None) == (logits is None):
        raise ValueError("Either `probs` or `logits` must be specified, but not both.")


class lazy_property:
    """An attribute that is computed when it is first asked for, with gradients, and kept."""

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute = compute
        self.name = compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        with _C.enable_grad():
            value = self.compute(instance)
        setattr(instance, self.name, value)
        return value


class ProbsOrLogits:
    """What distributions share that take one of `probs` and `logits` and compute the other when it is asked for."""

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs" if "probs" in self.__dict__ else "logits"]

    @property
    def param_shape(self) -> _C.Size:
        """The shape of the parameter that was given."""
        return self._param.size()


class SuccessProbability(ProbsOrLogits):
    """probs and logits of a single event, of which the one follows from the other."""

    @lazy_property
    def logits(self) -> Tensor:
        """log(p / (1 - p))."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> Tensor:
        """The probability of success, p."""
        return logits_to_probs(self.logits, is_binary=True)
