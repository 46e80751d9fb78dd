"""assert_close: |actual - expected| <= atol + rtol * |expected|, element by element, through nested containers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite, isnan, nan
from typing import Any, NoReturn

from .. import _C
from .._C import Tensor

__all__ = ["assert_close"]

# dtype -> (rtol, atol): a few units in the last place, with room for another order of summation.
_TOLERANCES = {
    _C.float16: (1e-3, 1e-5),
    _C.bfloat16: (1.6e-2, 1e-5),
    _C.float32: (1.3e-6, 1e-5),
    _C.float64: (1e-7, 1e-7),
    _C.complex64: (1.3e-6, 1e-5),
    _C.complex128: (1e-7, 1e-7),
}
_PYTHON_DTYPES = {int: _C.int64, float: _C.float64, complex: _C.complex128}


class _Comparison:
    """The settings of one call; each method raises AssertionError when its pair differs."""

    def __init__(self, rtol: float | None, atol: float | None, equal_nan: bool, msg: Any, **checks: bool) -> None:
        if (rtol is None) != (atol is None):
            missing = "rtol" if rtol is None else "atol"
            raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}.")
        self.rtol = rtol
        self.atol = atol
        self.equal_nan = equal_nan
        self.msg = msg
        self.checks = checks

    def fail(self, text: str, path: tuple = ()) -> NoReturn:
        if path:
            text += f"\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in path)}"
        if callable(self.msg):
            text = self.msg(text)
        elif self.msg is not None:
            text = self.msg
        raise AssertionError(text)

    def tolerances(self, *dtypes: Any) -> tuple[float, float]:
        if self.rtol is not None and self.atol is not None:
            return self.rtol, self.atol
        pairs = [_TOLERANCES.get(dtype, (0.0, 0.0)) for dtype in dtypes]
        return max(rtol for rtol, _ in pairs), max(atol for _, atol in pairs)

    # ------------------------------------------------------------ finding pairs

    def compare(self, actual: Any, expected: Any, path: tuple = ()) -> None:
        if (
            isinstance(actual, (list, tuple))
            and isinstance(expected, (list, tuple))
            or (isinstance(actual, Sequence) and isinstance(expected, Sequence) and not isinstance(actual, str))
        ):
            if len(actual) != len(expected):
                self.fail(f"The length of the sequences mismatch: {len(actual)} != {len(expected)}", path)
            for i, (a, e) in enumerate(zip(actual, expected)):
                self.compare(a, e, (*path, i))
        elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
            self.keys(actual, expected, path)
            for key in sorted(actual) if all(isinstance(key, str) for key in actual) else actual:
                self.compare(actual[key], expected[key], (*path, key))
        elif actual is None or expected is None:
            if actual is not expected:
                self.fail(f"None mismatch: {actual} is not {expected}", path)
        elif isinstance(actual, bool) and isinstance(expected, bool):
            if actual is not expected:
                self.fail(f"Booleans mismatch: {actual} is not {expected}", path)
        elif type(actual) in _PYTHON_DTYPES and type(expected) in _PYTHON_DTYPES:
            self.numbers(actual, expected, path)
        else:
            self.tensors(*self.as_tensors(actual, expected), path)

    def keys(self, actual: Mapping, expected: Mapping, path: tuple) -> None:
        missing = expected.keys() - actual.keys()
        additional = actual.keys() - expected.keys()
        if missing or additional:
            self.fail(
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {sorted(missing, key=str)}\n"
                f"Additional keys in the actual mapping: {sorted(additional, key=str)}",
                path,
            )

    def as_tensors(self, actual: Any, expected: Any) -> tuple[Tensor, Tensor]:
        related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
        if self.checks["allow_subclasses"] and related or type(actual) is type(expected):
            if isinstance(actual, Tensor):
                return actual, expected
            if hasattr(actual, "__array_interface__"):
                return _C.as_tensor(actual), _C.as_tensor(expected)
        raise TypeError(f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}.")

    # ------------------------------------------------------------ comparing a pair

    def numbers(self, actual: complex, expected: complex, path: tuple) -> None:
        if self.checks["check_dtype"] and type(actual) is not type(expected):
            self.fail(f"The (d)types do not match: {type(actual)} != {type(expected)}.", path)
        rtol, atol = self.tolerances(_PYTHON_DTYPES[type(actual)], _PYTHON_DTYPES[type(expected)])
        self.scalars(actual, expected, rtol, atol, path)

    def scalars(self, actual: Any, expected: Any, rtol: float, atol: float, path: tuple) -> None:
        if actual == expected or (self.equal_nan and actual != actual and expected != expected):
            return
        difference = abs(actual - expected)
        if isfinite(difference) and difference <= atol + rtol * abs(expected):
            return
        exact = rtol == atol == 0
        relative = nan if isnan(abs(expected)) else difference / abs(expected) if expected else float("inf")
        self.fail(
            f"Scalars are not {'equal' if exact else 'close'}!\n\n"
            f"Expected {expected} but got {actual}.\n"
            f"Absolute difference: {difference}{'' if exact else f' (up to {atol} allowed)'}\n"
            f"Relative difference: {relative}{'' if exact else f' (up to {rtol} allowed)'}",
            path,
        )

    def attributes(self, actual: Tensor, expected: Tensor, path: tuple) -> None:
        def differ(name: str, a: Any, e: Any) -> None:
            if a != e:
                self.fail(f"The values for attribute '{name}' do not match: {a} != {e}.", path)

        differ("shape", actual.shape, expected.shape)
        if self.checks["check_layout"]:
            differ("layout", actual.layout, expected.layout)
        if self.checks["check_stride"]:
            differ("stride()", actual.stride(), expected.stride())
        if self.checks["check_device"]:
            differ("device", actual.device, expected.device)
        if self.checks["check_dtype"]:
            differ("dtype", actual.dtype, expected.dtype)

    def tensors(self, actual: Tensor, expected: Tensor, path: tuple) -> None:
        self.attributes(actual, expected, path)
        if actual.device.type == "meta" or expected.device.type == "meta":
            self.fail(f"Comparing meta tensors is currently not supported: {actual.device}, {expected.device}", path)
        rtol, atol = self.tolerances(actual.dtype, expected.dtype)
        actual, expected = actual.detach(), expected.detach()
        if actual.dtype != expected.dtype:
            common = _C.promote_types(actual.dtype, expected.dtype)
            actual, expected = actual.to(common), expected.to(common)
        if actual.numel() == 1 and actual.dim() == 0:
            self.scalars(actual.item(), expected.item(), rtol, atol, path)
            return
        close = _C.isclose(actual, expected, rtol=rtol, atol=atol, equal_nan=self.equal_nan)
        if not close.all():
            self.fail(_describe(actual, expected, close, rtol, atol), path)


def _describe(actual: Tensor, expected: Tensor, close: Tensor, rtol: float, atol: float) -> str:
    if not actual.is_floating_point() and not actual.is_complex():
        actual, expected = actual.to(_C.int64), expected.to(_C.int64)
    difference = (actual - expected).abs()
    # Elements that are close must not be reported, however large their difference from infinity to infinity.
    difference = difference.masked_fill(close, 0)
    relative = (difference / expected.abs()).masked_fill(close, 0)
    exact = rtol == atol == 0
    bad = int((~close).sum())

    def worst(values: Tensor, kind: str, allowed: float) -> str:
        flat = int(values.flatten().argmax())
        index: list[int] = []
        for size in reversed(values.shape):
            flat, i = divmod(flat, size)
            index.insert(0, i)
        limit = "" if exact else f" (up to {allowed} allowed)"
        return f"Greatest {kind} difference: {values[tuple(index)].item()} at index {tuple(index)}{limit}"

    return (
        f"Tensor-likes are not {'equal' if exact else 'close'}!\n\n"
        f"Mismatched elements: {bad} / {close.numel()} ({bad / close.numel():.1%})\n"
        f"{worst(difference, 'absolute', atol)}\n{worst(relative, 'relative', rtol)}"
    )


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """AssertionError unless |actual - expected| <= atol + rtol * |expected| everywhere.

    Takes tensors, arrays, numbers, None, and sequences and mappings of them. Without rtol and atol (both or neither:
    ValueError) they follow from the dtype: 1.3e-6 and 1e-5 for float32, 1e-7 and 1e-7 for float64, 0 for integers.

    >>> import rushlight as torch
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
    """
    _Comparison(
        rtol,
        atol,
        equal_nan,
        msg,
        allow_subclasses=allow_subclasses,
        check_device=check_device,
        check_dtype=check_dtype,
        check_layout=check_layout,
        check_stride=check_stride,
    ).compare(actual, expected)
