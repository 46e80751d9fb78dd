"""The multivariate normal distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import Distribution
from .utils import HALF_LOG_2PI, lazy_property, standard_normal

__all__ = ["MultivariateNormal"]


class MultivariateNormal(Distribution):
    """N(loc, Sigma) on vectors: one of covariance_matrix, precision_matrix and scale_tril (L with L L^T = Sigma)."""

    arg_constraints = {
        "loc": constraints.real_vector,
        "covariance_matrix": constraints.positive_definite,
        "precision_matrix": constraints.positive_definite,
        "scale_tril": constraints.lower_cholesky,
    }
    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if loc.dim() < 1:
            raise ValueError("loc must be at least one-dimensional.")
        forms = {
            "covariance_matrix": covariance_matrix,
            "scale_tril": scale_tril,
            "precision_matrix": precision_matrix,
        }
        given = [(name, matrix) for name, matrix in forms.items() if matrix is not None]
        if len(given) != 1:
            raise ValueError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given
        if matrix.dim() < 2:
            raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
        batch = _C.broadcast_shapes(matrix.shape[:-2], loc.shape[:-1])
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        self.loc = loc.expand((*batch, -1))
        super().__init__(batch, self.loc.shape[-1:], validate_args)
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = _C.linalg_cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _from_precision(matrix)

    def _expand_parts(self, new: Any, batch_shape: _C.Size) -> None:
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L."""
        n = self._event_shape[0]
        return self._unbroadcasted_scale_tril.expand((*self._batch_shape, n, n))

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """Sigma."""
        factor = self._unbroadcasted_scale_tril
        n = self._event_shape[0]
        return (factor @ factor.mT).expand((*self._batch_shape, n, n))

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Sigma^-1."""
        n = self._event_shape[0]
        return _C.cholesky_inverse(self._unbroadcasted_scale_tril).expand((*self._batch_shape, n, n))

    @property
    def mean(self) -> Tensor:
        return self.loc

    mode = mean

    @property
    def variance(self) -> Tensor:
        return self._unbroadcasted_scale_tril.pow(2).sum(-1).expand((*self._batch_shape, *self._event_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        eps = standard_normal(self._extended_shape(sample_shape), self.loc)
        return self.loc + (self._unbroadcasted_scale_tril @ eps.unsqueeze(-1)).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        # not `scale_tril`: a lazy property that has been read shows in the repr
        factor = self._unbroadcasted_scale_tril
        away = value - self.loc
        # |L^-1 (x - loc)|^2, with the batch dimensions of both broadcast
        shape = _C.broadcast_shapes(away.shape[:-1], factor.shape[:-2])
        n = self._event_shape[0]
        solved = _C.linalg_solve_triangular(
            factor.expand((*shape, n, n)), away.expand((*shape, n)).unsqueeze(-1), upper=False
        )
        distance = solved.squeeze(-1).pow(2).sum(-1)
        return -0.5 * distance - n * HALF_LOG_2PI - self._half_log_det()

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def entropy(self) -> Tensor:
        return (self._event_shape[0] * (0.5 + HALF_LOG_2PI) + self._half_log_det()).expand(self._batch_shape)


def _from_precision(precision: Tensor) -> Tensor:
    """The lower Cholesky factor of the inverse, from that of the matrix reversed in both dimensions."""
    reversed_factor = _C.linalg_cholesky(_C.flip(precision, (-2, -1)))
    upper = _C.transpose(_C.flip(reversed_factor, (-2, -1)), -2, -1)
    identity = _C.eye(precision.shape[-1], dtype=precision.dtype, device=precision.device)
    return _C.linalg_solve_triangular(upper, identity.expand(precision.shape), upper=False)
