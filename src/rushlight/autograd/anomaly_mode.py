"""Stopping backward at the operation whose gradient is the first NaN."""

from __future__ import annotations

from .. import _C

__all__ = ["detect_anomaly", "set_detect_anomaly"]

_enabled = _checks = False


def _refuse_nan(name: str, grads: tuple[_C.Tensor | None, ...]) -> None:
    for i, grad in enumerate(grads):
        if grad is not None and (grad.is_floating_point() or grad.is_complex()) and grad.isnan().any():
            raise RuntimeError(f"Function '{name}' returned nan values in its {i}th output.")


def _set(enabled: bool, checks: bool) -> None:
    global _enabled, _checks
    _enabled, _checks = enabled, checks
    _C._set_gradient_check(_refuse_nan if enabled and checks else None)


class set_detect_anomaly:
    """Switches the mode, for good or as a context manager; where the forward call stood is not kept.

    RuntimeError names the operation whose derivative is NaN, unless ``check_nan=False``.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _enabled, _checks
        _set(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *args: object) -> None:
        _set(*self._before)


class detect_anomaly:
    """Context manager: backward inside it raises at the first NaN.

    >>> import rushlight as torch
    >>> x = torch.tensor(-1.0, requires_grad=True)
    >>> with torch.autograd.set_detect_anomaly(True):
    ...     x.sqrt().backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True) -> None:
        import warnings

        self._check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled "
            "for debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = _enabled, _checks
        _set(True, self._check_nan)

    def __exit__(self, *args: object) -> None:
        _set(*self._before)
