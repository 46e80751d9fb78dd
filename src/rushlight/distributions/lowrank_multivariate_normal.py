"""The multivariate normal distribution with a covariance of low rank."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import Distribution
from .utils import HALF_LOG_2PI, lazy_property, standard_normal

__all__ = ["LowRankMultivariateNormal"]


class LowRankMultivariateNormal(Distribution):
    """N(loc, W W^T + D) with W = cov_factor (..., n, rank) and the diagonal D = cov_diag (..., n).

    Determinant and inverse come from those of C = I + W^T D^-1 W, which is rank x rank, by the matrix determinant lemma
    and Woodbury's identity.
    """

    arg_constraints = {
        "loc": constraints.real_vector,
        "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        n = loc.shape[-1]
        if cov_factor.dim() < 2:
            raise ValueError("cov_factor must be at least two-dimensional, with optional leading batch dimensions")
        if cov_factor.shape[-2] != n:
            raise ValueError(f"cov_factor must be a batch of matrices with shape {n} x m")
        if cov_diag.shape[-1] != n:
            raise ValueError(f"cov_diag must be a batch of vectors with shape {(n,)}")
        try:
            batch = _C.broadcast_shapes(loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1])
        except RuntimeError as error:
            raise ValueError(
                f"Incompatible batch shapes: loc {loc.shape}, cov_factor {cov_factor.shape}, cov_diag {cov_diag.shape}"
            ) from error
        self.loc, self.cov_diag = loc.expand((*batch, n)), cov_diag.expand((*batch, n))
        self.cov_factor = cov_factor.expand((*batch, *cov_factor.shape[-2:]))
        self._w, self._d = cov_factor, cov_diag
        capacitance = (cov_factor.mT / cov_diag.unsqueeze(-2)) @ cov_factor
        self._capacitance_tril = _C.linalg_cholesky(
            capacitance + _C.eye(capacitance.shape[-1], dtype=capacitance.dtype, device=capacitance.device)
        )
        super().__init__(batch, (n,), validate_args)

    def _expand_parts(self, new: Any, batch_shape: _C.Size) -> None:
        new._w, new._d, new._capacitance_tril = self._w, self._d, self._capacitance_tril

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @lazy_property
    def variance(self) -> Tensor:  # type: ignore[override]
        return (self._w.pow(2).sum(-1) + self._d).expand((*self._batch_shape, *self._event_shape))

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L with L L^T the covariance, from a factor of I + D^-1/2 W W^T D^-1/2, whose eigenvalues are 1 or more."""
        root = self._d.sqrt().unsqueeze(-1)
        scaled = self._w / root
        inner = scaled @ scaled.mT
        eye = _C.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
        return self._whole(root * _C.linalg_cholesky(inner + eye))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """W W^T + D."""
        return self._whole(self._w @ self._w.mT + self._d.diag_embed())

    def _narrowed(self) -> Tensor:
        """C^-1/2 W^T D^-1."""
        return _C.linalg_solve_triangular(self._capacitance_tril, self._w.mT / self._d.unsqueeze(-2), upper=False)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        narrowed = self._narrowed()
        return self._whole(self._d.reciprocal().diag_embed() - narrowed.mT @ narrowed)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        common = standard_normal((*shape[:-1], self.cov_factor.shape[-1]), self.loc)
        own = standard_normal(shape, self.loc)
        return self.loc + (self._w @ common.unsqueeze(-1)).squeeze(-1) + self._d.sqrt() * own

    def _log_det(self) -> Tensor:
        return 2 * self._capacitance_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1) + self._d.log().sum(-1)

    def _distance(self, away: Tensor) -> Tensor:
        """away^T Sigma^-1 away."""
        across = (self._narrowed() @ away.unsqueeze(-1)).squeeze(-1)
        return (away.pow(2) / self._d).sum(-1) - across.pow(2).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        return -0.5 * (self._log_det() + self._distance(value - self.loc)) - self._event_shape[0] * HALF_LOG_2PI

    def entropy(self) -> Tensor:
        return (self._event_shape[0] * (0.5 + HALF_LOG_2PI) + 0.5 * self._log_det()).expand(self._batch_shape)
