"""The negative binomial distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import Distribution
from .gamma import Gamma
from .utils import SuccessProbability, broadcast_all, exactly_one

__all__ = ["NegativeBinomial"]


class NegativeBinomial(SuccessProbability, Distribution):
    """Successes of probability `probs` before the `total_count`-th failure; the count need not be whole."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    support = constraints.nonnegative_integer

    def __init__(
        self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: bool | None = None
    ) -> None:
        exactly_one(probs, logits)
        if probs is not None:
            count, self.probs = broadcast_all(total_count, probs)
        else:
            count, self.logits = broadcast_all(total_count, logits)
        given = self.probs if probs is not None else self.logits
        self.total_count = count.type_as(given)
        super().__init__(given.shape, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        return self.total_count * self.logits.exp()

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    @property
    def variance(self) -> Tensor:
        return self.mean / _C.sigmoid(-self.logits)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with _C.no_grad():  # not checked: a count of zero is allowed here, a concentration of zero is not
            rate = Gamma(self.total_count, _C.exp(-self.logits), validate_args=False).sample(sample_shape)
            return _C.poisson(rate)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        n = self.total_count
        unnormalised = n * _C.logsigmoid(-self.logits) + value * _C.logsigmoid(self.logits)
        normaliser = -_C.lgamma(n + value) + _C.lgamma(1.0 + value) + _C.lgamma(n)
        return unnormalised - normaliser.masked_fill(n + value == 0.0, 0.0)  # a count of 0 has probability 1
