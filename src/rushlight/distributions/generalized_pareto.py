"""The generalised Pareto distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all

__all__ = ["GeneralizedPareto"]


class GeneralizedPareto(Distribution):
    """P(x > t) = (1 + c z)^(-1 / c) with z = (t - loc) / scale and c = concentration; exp(-z) for c = 0."""

    arg_constraints = {"loc": constraints.real, "scale": constraints.positive, "concentration": constraints.real}
    has_rsample = True

    def __init__(self, loc: Any, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.scale, self.concentration = broadcast_all(loc, scale, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def _without_zeros(self) -> tuple[Tensor, Tensor]:
        """Where c counts as 0, and c with 1 in these places, so that no branch divides by 0."""
        zero = _C.isclose(self.concentration, _C.zeros_like(self.concentration))
        return zero, self.concentration.masked_fill(zero, 1.0)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(_C.rand(self._extended_shape(sample_shape), dtype=self.loc.dtype, device=self.loc.device))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        zero, c = self._without_zeros()
        power = 1 / c + _C.ones_like(z)
        slope = _C.where(power == 0, power, power * _C.log1p(c * z))
        return -self.scale.log() - _C.where(zero, z, slope)

    def log_survival_function(self, value: Tensor) -> Tensor:
        """log P(x > value)."""
        if self._validate_args:
            self._validate_sample(value)
        z = (value - self.loc) / self.scale
        zero, c = self._without_zeros()
        return _C.where(zero, -z, -_C.log1p(c * z) / c)

    def log_cdf(self, value: Tensor) -> Tensor:
        """log P(x <= value)."""
        return _C.log1p(-self.log_survival_function(value).exp())

    def cdf(self, value: Tensor) -> Tensor:
        return self.log_cdf(value).exp()

    def icdf(self, value: Tensor) -> Tensor:
        zero, c = self._without_zeros()
        log_survival = _C.log1p(-value)
        curved = self.loc + self.scale / c * _C.expm1(-c * log_survival)
        return _C.where(zero, self.loc - self.scale * log_survival, curved)

    @property
    def mean(self) -> Tensor:
        c = self.concentration
        finite = c < 1
        return _C.where(finite, self.loc + self.scale / (1 - _C.where(finite, c, 0.5)), float("nan"))

    @property
    def variance(self) -> Tensor:
        finite = self.concentration < 0.5
        c = _C.where(finite, self.concentration, 0.25)
        return _C.where(finite, self.scale**2 / ((1 - c) ** 2 * (1 - 2 * c)), float("nan"))

    def entropy(self) -> Tensor:
        return (self.scale.log() + self.concentration + 1).expand(self._batch_shape)

    @property
    def mode(self) -> Tensor:
        return self.loc

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> constraints.Constraint:
        c = self.concentration
        return constraints.interval(self.loc, _C.where(c < 0, self.loc - self.scale / c, float("inf")))
