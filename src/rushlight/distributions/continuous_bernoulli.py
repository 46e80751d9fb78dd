"""The continuous Bernoulli distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import ExponentialFamily
from .utils import SuccessProbability, broadcast_all, clamp_probs, exactly_one, lazy_property, logits_to_probs

__all__ = ["ContinuousBernoulli"]


class ContinuousBernoulli(SuccessProbability, ExponentialFamily):
    """Density C p^x (1 - p)^(1 - x) on [0, 1]. For p between `lims`, around 1/2, Taylor series stand for 0 / 0.

    Source: Loaiza-Ganem and Cunningham, The continuous Bernoulli, NeurIPS 2019.
    """

    arg_constraints = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.unit_interval
    has_rsample = True

    def __init__(
        self,
        probs: Any = None,
        logits: Any = None,
        lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:
        exactly_one(probs, logits)
        if probs is not None:
            (probs,) = broadcast_all(probs)
            if validate_args is not None and not constraints.unit_interval.check(probs).all():
                raise ValueError("The parameter probs has invalid values")
            given = self.probs = clamp_probs(probs)
        else:
            (given,) = (self.logits,) = broadcast_all(logits)
        self._lims = lims
        super().__init__(given.shape, validate_args=validate_args)

    def _expand_parts(self, new: Any, batch_shape: _C.Size) -> None:
        new._lims = self._lims

    def _stable(self) -> Tensor:
        return (self.probs <= self._lims[0]) | (self.probs > self._lims[1])

    def _cut_probs(self) -> Tensor:
        """The probabilities, those near 1/2 replaced by one for which the formulas hold."""
        return _C.where(self._stable(), self.probs, self._lims[0] * _C.ones_like(self.probs))

    def _log_normaliser(self) -> Tensor:
        p = self._cut_probs()
        below = _C.where(p <= 0.5, p, _C.zeros_like(p))
        above = _C.where(p >= 0.5, p, _C.ones_like(p))
        gap = _C.where(p <= 0.5, _C.log1p(-2.0 * below), _C.log(2.0 * above - 1.0))
        exact = (_C.log1p(-p) - p.log()).abs().log() - gap
        x = (self.probs - 0.5).pow(2)
        return _C.where(self._stable(), exact, 0.6931471805599453 + (4.0 / 3.0 + 104.0 / 45.0 * x) * x)

    @property
    def mean(self) -> Tensor:
        p = self._cut_probs()
        exact = p / (2.0 * p - 1.0) + 1.0 / (_C.log1p(-p) - p.log())
        x = self.probs - 0.5
        return _C.where(self._stable(), exact, 0.5 + (1.0 / 3.0 + 16.0 / 45.0 * x.pow(2)) * x)

    @property
    def variance(self) -> Tensor:
        p = self._cut_probs()
        exact = p * (p - 1.0) / (1.0 - 2.0 * p).pow(2) + 1.0 / (_C.log1p(-p) - p.log()).pow(2)
        x = (self.probs - 0.5).pow(2)
        return _C.where(self._stable(), exact, 1.0 / 12.0 - (1.0 / 15.0 - 128.0 / 945.0 * x) * x)

    @lazy_property
    def probs(self) -> Tensor:
        """p, which is not the mean."""
        return clamp_probs(logits_to_probs(self.logits, is_binary=True))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(_C.rand(self._extended_shape(sample_shape), dtype=self.probs.dtype, device=self.probs.device))

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        likelihood = _C.binary_cross_entropy_with_logits(logits, value, reduction="none")
        return -likelihood + self._log_normaliser()

    def cdf(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        p = self._cut_probs()
        exact = (p.pow(value) * (1.0 - p).pow(1.0 - value) + p - 1.0) / (2.0 * p - 1.0)
        inside = _C.where(self._stable(), exact, value)
        return _C.where(value <= 0.0, 0.0, _C.where(value >= 1.0, 1.0, inside))

    def icdf(self, value: Tensor) -> Tensor:
        p = self._cut_probs()
        exact = (_C.log1p(-p + value * (2.0 * p - 1.0)) - _C.log1p(-p)) / (p.log() - _C.log1p(-p))
        return _C.where(self._stable(), exact, value)

    def entropy(self) -> Tensor:
        failure = _C.log1p(-self.probs)
        return self.mean * (failure - self.probs.log()) - self._log_normaliser() - failure
