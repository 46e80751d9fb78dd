"""The base of all distributions."""

from __future__ import annotations

from typing import Any, ClassVar

from .. import _C
from .._C import Tensor
from . import constraints
from .utils import lazy_property

__all__ = ["Distribution", "ExponentialFamily"]

_SCALAR = _C.Size()


class Distribution:
    """A batch of distributions of one kind. Samples have shape sample_shape + batch_shape + event_shape.

    A subclass names its parameters in `arg_constraints` and keeps each as an attribute whose shape is batch_shape
    followed by the constraint's own dimensions; then checking, `expand` and `repr` follow from the names. ValueError
    for parameters, or values given to `log_prob`, that violate their constraints, unless validate_args=False.
    """

    has_rsample = False
    has_enumerate_support = False
    _validate_args: bool = True
    arg_constraints: ClassVar[dict[str, Any]] = {}
    support: Any = None

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check their arguments."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self, batch_shape: Any = _SCALAR, event_shape: Any = _SCALAR, validate_args: bool | None = None
    ) -> None:
        self._batch_shape = _C.Size(batch_shape)
        self._event_shape = _C.Size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name, None), lazy_property):
                continue  # follows from another parameter
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape {tuple(value.shape)}) "
                    f"of distribution {self!r} to satisfy the constraint {constraint!r}, "
                    f"but found invalid values:\n{value}"
                )

    # ------------------------------------------------------------ shapes

    @property
    def batch_shape(self) -> _C.Size:
        """The shape over which parameters vary."""
        return self._batch_shape

    @property
    def event_shape(self) -> _C.Size:
        """The shape of one draw."""
        return self._event_shape

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distributions over a larger batch; parameters are expanded, not copied."""
        batch_shape = _C.Size(batch_shape)
        new = type(self).__new__(type(self)) if _instance is None else _instance
        for name, constraint in self.arg_constraints.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                own = value.shape[value.dim() - constraint.event_dim :]
                setattr(new, name, value.expand(_C.Size((*batch_shape, *own))))
        self._expand_parts(new, batch_shape)
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def _expand_parts(self, new: Any, batch_shape: _C.Size) -> None:
        """Gives an expanded copy what it has besides parameters."""

    def _extended_shape(self, sample_shape: Any = ()) -> _C.Size:
        return _C.Size((*sample_shape, *self._batch_shape, *self._event_shape))

    # ------------------------------------------------------------ what subclasses define

    @property
    def mean(self) -> Tensor:
        """The expected value."""
        raise NotImplementedError

    @property
    def mode(self) -> Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{type(self)} does not implement mode")

    @property
    def variance(self) -> Tensor:
        """The variance of each element."""
        raise NotImplementedError

    @property
    def stddev(self) -> Tensor:
        """The square root of the variance."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws, without gradients."""
        with _C.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws that are differentiable by the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`; deprecated in PyTorch."""
        import warnings

        warnings.warn("sample_n will be deprecated. Use .sample((n,)) instead", UserWarning, stacklevel=2)
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """The logarithm of the density or probability: of shape sample_shape + batch_shape."""
        raise NotImplementedError

    def cdf(self, value: Tensor) -> Tensor:
        """The probability of being at most the value."""
        raise NotImplementedError

    def icdf(self, value: Tensor) -> Tensor:
        """The inverse of `cdf`."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All values of a discrete distribution, along dimension 0."""
        raise NotImplementedError

    def entropy(self) -> Tensor:
        """-E[log p], of shape batch_shape."""
        raise NotImplementedError

    def perplexity(self) -> Tensor:
        """exp of the entropy."""
        return self.entropy().exp()

    # ------------------------------------------------------------ checks

    def _validate_sample(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        shape = value.size()
        start = len(shape) - len(self._event_shape)
        if shape[start:] != self._event_shape:
            raise ValueError(f"The right-most size of value must match event_shape: {shape} vs {self._event_shape}.")
        expected = _C.Size((*self._batch_shape, *self._event_shape))
        if any([i != 1 and j != 1 and i != j for i, j in zip(reversed(shape), reversed(expected))]):
            raise ValueError(f"Value is not broadcastable with batch_shape+event_shape: {shape} vs {expected}.")
        support = self.support
        if support is not None and not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(shape)}) to be within the support "
                f"({support!r}) of the distribution {self!r}, but found invalid values:\n{value}"
            )

    def __repr__(self) -> str:
        parameters = {name: self.__dict__[name] for name in self.arg_constraints if name in self.__dict__}
        shown = (f"{name}: {p if p.numel() == 1 else p.size()}" for name, p in parameters.items())
        return f"{type(self).__name__}({', '.join(shown)})"


class ExponentialFamily(Distribution):
    """Those with density h(x) exp(theta . t(x) - F(theta))."""
