"""The LKJ distribution of correlation matrices."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from .._functions import finfo
from . import constraints
from .beta import Beta
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["LKJCholesky"]


class LKJCholesky(Distribution):
    """The lower Cholesky factor of a correlation matrix M (dim x dim) with density in proportion to
    det(M)^(concentration - 1); drawn row by row, by the onion method.

    Source: Lewandowski, Kurowicka and Joe, Generating random correlation matrices (2009), section 3.
    """

    arg_constraints = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (eta,) = (self.concentration,) = broadcast_all(concentration)
        offset = _C.arange(dim - 1, dtype=eta.dtype, device=eta.device)
        offset = _C.cat([offset.new_zeros((1,)), offset])
        self._beta = Beta(offset + 0.5, (eta + 0.5 * (dim - 2)).unsqueeze(-1) - 0.5 * offset)
        super().__init__(eta.shape, (dim, dim), validate_args)

    def _expand_parts(self, new: Any, batch_shape: _C.Size) -> None:
        new.dim = self.dim
        new._beta = self._beta.expand((*batch_shape, self.dim))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with _C.no_grad():
            y = self._beta.sample(sample_shape).unsqueeze(-1)
            direction = _C.randn(self._extended_shape(sample_shape), dtype=y.dtype, device=y.device).tril(-1)
            direction = direction / direction.norm(dim=-1, keepdim=True)
            direction[..., 0, :].fill_(0.0)  # which had no length
            rows = y.sqrt() * direction
            rest = (1 - (rows**2).sum(-1)).clamp(min=finfo(rows.dtype).tiny).sqrt()
            return rows + rest.diag_embed()

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        # det(M)^(eta - 1) is the product of L_ii^(2 eta - 2), the Jacobian from L to M that of L_ii^(dim - i)
        eta, n = self.concentration, self.dim - 1
        order = 2 * (eta - 1).unsqueeze(-1) + self.dim - _C.arange(2, self.dim + 1, device=eta.device)
        density = (order * value.diagonal(dim1=-1, dim2=-2)[..., 1:].log()).sum(-1)
        alpha = eta + 0.5 * n
        return density - (0.5723649429247001 * n + _C.mvlgamma(alpha - 0.5, n) - _C.lgamma(alpha) * n)  # log(pi) / 2
