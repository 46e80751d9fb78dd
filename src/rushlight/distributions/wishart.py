"""The Wishart distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from .._functions import finfo
from . import constraints
from .chi2 import Chi2
from .distribution import ExponentialFamily
from .multivariate_normal import _from_precision
from .utils import lazy_property

__all__ = ["Wishart"]

_LOG_2 = 0.6931471805599453


class Wishart(ExponentialFamily):
    """The sum of df products x x^T of x from N(0, Sigma), for any real df > p - 1; Sigma is given as covariance_matrix,
    precision_matrix or scale_tril (L with L L^T = Sigma).

    Drawn after Bartlett: Odell and Feiveson, A numerical procedure to generate a sample covariance matrix (1966).
    """

    support = constraints.positive_definite
    has_rsample = True

    @property
    def arg_constraints(self) -> dict[str, Any]:  # type: ignore[override]
        return {
            "covariance_matrix": constraints.positive_definite,
            "precision_matrix": constraints.positive_definite,
            "scale_tril": constraints.lower_cholesky,
            "df": constraints.greater_than(self._event_shape[-1] - 1),
        }

    def __init__(
        self,
        df: Any,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        forms = {
            "covariance_matrix": covariance_matrix,
            "precision_matrix": precision_matrix,
            "scale_tril": scale_tril,
        }
        given = [(name, matrix) for name, matrix in forms.items() if matrix is not None]
        if len(given) != 1:
            raise AssertionError("Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified.")
        ((name, matrix),) = given
        if matrix.dim() < 2:
            raise ValueError("scale_tril must be at least two-dimensional, with optional leading batch dimensions")
        p = matrix.shape[-1]
        self.df = df if isinstance(df, Tensor) else _C.tensor(df, dtype=matrix.dtype, device=matrix.device)
        batch = _C.broadcast_shapes(matrix.shape[:-2], self.df.shape)
        self.df = self.df.expand(batch)
        if self.df.le(p - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {p - 1}.")
        if self.df.lt(p).any():
            import warnings

            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 < df < ndim.",
                stacklevel=2,
            )
        setattr(self, name, matrix.expand((*batch, -1, -1)))
        super().__init__(batch, matrix.shape[-2:], validate_args)
        if name == "scale_tril":
            self._unbroadcasted_scale_tril = matrix
        elif name == "covariance_matrix":
            self._unbroadcasted_scale_tril = _C.linalg_cholesky(matrix)
        else:
            self._unbroadcasted_scale_tril = _from_precision(matrix)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Wishart:
        new = type(self).__new__(type(self)) if _instance is None else _instance
        new._event_shape = self._event_shape  # by which its constraints are made
        return super().expand(batch_shape, new)

    def _expand_parts(self, new: Any, batch_shape: _C.Size) -> None:
        new._unbroadcasted_scale_tril = self._unbroadcasted_scale_tril

    def _whole(self, matrix: Tensor) -> Tensor:
        return matrix.expand((*self._batch_shape, *self._event_shape))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """L."""
        return self._whole(self._unbroadcasted_scale_tril)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """Sigma."""
        return self._whole(self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT)

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """Sigma^-1."""
        return self._whole(_C.cholesky_inverse(self._unbroadcasted_scale_tril))

    @property
    def mean(self) -> Tensor:
        return self.df[..., None, None] * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self._event_shape[-1] - 1
        return factor.masked_fill(factor <= 0, float("nan"))[..., None, None] * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        diagonal = self.covariance_matrix.diagonal(dim1=-2, dim2=-1)
        products = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self.df[..., None, None] * (self.covariance_matrix.pow(2) + products)

    def _draw(self, sample_shape: Any) -> Tensor:
        """A A^T for A = L B, B lower triangular: normal numbers below a diagonal of chi-distributed ones."""
        p = self._event_shape[-1]
        chi2 = Chi2(self.df.unsqueeze(-1) - _C.arange(p, dtype=self.df.dtype, device=self.df.device))
        diagonal = chi2.rsample(sample_shape).sqrt()
        noise = diagonal.clamp(min=finfo(diagonal.dtype).eps).diag_embed()
        i, j = _C.tril_indices(p, p, offset=-1)
        below = _C.randn((*sample_shape, *self._batch_shape, p * (p - 1) // 2), dtype=noise.dtype, device=noise.device)
        noise[..., i, j] = below
        factor = self._unbroadcasted_scale_tril @ noise
        return factor @ factor.mT

    def _any_of_batch(self, truth: Tensor) -> Tensor:
        return truth.flatten(-len(self._batch_shape)).any(-1) if self._batch_shape else truth

    def rsample(self, sample_shape: Any = (), max_try_correction: int | None = None) -> Tensor:
        sample_shape = _C.Size(sample_shape)
        sample = self._draw(sample_shape)
        # PyTorch means to draw singular matrices again but draws all others; its stream of numbers is what counts here.
        again = self._any_of_batch(self.support.check(sample))
        for _ in range(10 if max_try_correction is None else max_try_correction):
            if not again.any():
                break
            new = self._draw(again[again].shape)
            sample = sample.index_put((again,), new)
            again = again.index_put((again,), self._any_of_batch(~self.support.check(new)))
        return sample

    def _half_log_det(self) -> Tensor:
        return self._unbroadcasted_scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        nu, p = self.df, self._event_shape[-1]
        trace = _C.cholesky_solve(value, self._unbroadcasted_scale_tril).diagonal(dim1=-2, dim2=-1).sum(-1)
        normaliser = nu * (p * _LOG_2 / 2 + self._half_log_det()) + _C.mvlgamma(nu / 2, p)
        return (nu - p - 1) / 2 * _C.linalg_slogdet(value)[1] - trace / 2 - normaliser

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        digammas = _C.digamma(nu.unsqueeze(-1) / 2 - _C.arange(p, dtype=nu.dtype, device=nu.device) / 2).sum(-1)
        return (
            (p + 1) * (p * _LOG_2 / 2 + self._half_log_det())
            + _C.mvlgamma(nu / 2, p)
            - (nu - p - 1) / 2 * digammas
            + nu * p / 2
        )
