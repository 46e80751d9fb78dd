"""The multinomial distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .categorical import Categorical
from .distribution import Distribution

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """How often each of K outcomes comes in `total_count` draws of a Categorical."""

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(
        self,
        total_count: int = 1,
        probs: Tensor | None = None,
        logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        super().__init__(self._categorical.batch_shape, self._categorical.param_shape[-1:], validate_args)

    def _expand_parts(self, new: Any, batch_shape: _C.Size) -> None:
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(batch_shape)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> constraints.Constraint:  # type: ignore[override]
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> Tensor:
        """log p."""
        return self._categorical.logits

    @property
    def probs(self) -> Tensor:
        """p."""
        return self._categorical.probs

    @property
    def param_shape(self) -> _C.Size:
        """batch_shape and K."""
        return self._categorical.param_shape

    @property
    def mean(self) -> Tensor:
        return self.probs * self.total_count

    @property
    def variance(self) -> Tensor:
        return self.total_count * self.probs * (1 - self.probs)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        draws = self._categorical.sample((self.total_count, *sample_shape)).movedim(0, -1)
        counts = _C.zeros(self._extended_shape(sample_shape), dtype=_C.int64, device=draws.device)
        return counts.scatter_add(-1, draws, _C.ones_like(draws)).type_as(self.probs)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        logits, value = _C.broadcast_tensors(self.logits, value)
        ways = _C.lgamma(value.sum(-1) + 1) - _C.lgamma(value + 1).sum(-1)
        logits = logits.masked_fill((value == 0) & (logits == -float("inf")), 0)  # 0 log 0 = 0
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        from .binomial import Binomial

        n = _C.tensor(self.total_count, dtype=self.probs.dtype)
        marginal = Binomial(self.total_count, probs=self.probs)
        support = marginal.enumerate_support(expand=False)[1:]
        correction = (_C.exp(marginal.log_prob(support)) * _C.lgamma(support + 1)).sum([0, -1])
        return n * self._categorical.entropy() - _C.lgamma(n + 1) + correction
