"""The von Mises distribution."""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from . import constraints
from .distribution import Distribution
from .utils import broadcast_all, lazy_property

__all__ = ["VonMises"]

_PI = 3.141592653589793

# log I_0 and log I_1: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 9.8.1 to 9.8.4.
_SMALL = (
    (1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.360768e-1, 0.45813e-2),
    (0.5, 0.87890594, 0.51498869, 0.15084934, 0.2658733e-1, 0.301532e-2, 0.32411e-3),
)
_LARGE = (
    (0.39894228, 0.1328592e-1, 0.225319e-2, -0.157565e-2, 0.916281e-2, -0.2057706e-1, 0.2635537e-1, -0.1647633e-1,
     0.392377e-2),
    (0.39894228, -0.3988024e-1, -0.362018e-2, 0.163801e-2, -0.1031555e-1, 0.2282967e-1, -0.2895312e-1, 0.1787654e-1,
     -0.420059e-2),
)  # fmt: skip


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Any:
    total: Any = 0.0
    for c in reversed(coefficients):
        total = c + x * total
    return total


def _log_bessel(x: Tensor, order: int) -> Tensor:
    small = _polynomial((x / 3.75) ** 2, _SMALL[order])
    if order == 1:
        small = x.abs() * small
    large = x - 0.5 * x.log() + _polynomial(3.75 / x, _LARGE[order]).log()
    return _C.where(x < 3.75, small.log(), large)


class VonMises(Distribution):
    """Angles with density exp(concentration cos(x - loc)) / (2 pi I_0(concentration)).

    Drawn by rejection, in float64: Best and Fisher, Efficient simulation of the von Mises distribution (1979).
    """

    arg_constraints = {"loc": constraints.real, "concentration": constraints.positive}
    support = constraints.real

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.loc, self.concentration = broadcast_all(loc, concentration)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        return k * _C.cos(value - self.loc) - 1.8378770664093453 - _log_bessel(k, 0)  # log(2 pi)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with _C.no_grad():
            loc, k = self.loc.double(), self.concentration.double()
            tau = 1 + (1 + 4 * k**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * k)
            r = _C.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho))
            x = _C.empty(self._extended_shape(sample_shape), dtype=_C.float64, device=loc.device)
            done = _C.zeros(x.shape, dtype=_C.bool, device=loc.device)
            while not done.all():
                u1, u2, u3 = _C.rand((3, *x.shape), dtype=_C.float64, device=loc.device).unbind()
                z = _C.cos(_PI * u1)
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = ((c * (2 - c) - u2) > 0) | ((c / u2).log() + 1 - c >= 0)
                x = _C.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accept
            return ((x + _PI + loc) % (2 * _PI) - _PI).to(self.loc.dtype)

    @property
    def mean(self) -> Tensor:
        """The circular mean."""
        return self.loc

    @property
    def mode(self) -> Tensor:
        return self.loc

    @lazy_property
    def variance(self) -> Tensor:  # type: ignore[override]
        """The circular variance."""
        return 1 - (_log_bessel(self.concentration, 1) - _log_bessel(self.concentration, 0)).exp()
