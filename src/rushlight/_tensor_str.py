"""How a tensor prints: PyTorch's text, character for character.

The work is done on nested Python lists: numbers of every floating dtype come out of `tolist()` as doubles without
loss, and PyTorch's rules are about doubles too. A bound `str.__mod__` writes the numbers without a Python frame each.
"""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rushlight._C import Tensor

_INF = float("inf")
_FULLY_PRINTED_BY_DEFAULT = (_C.int64, _C.bool)


class _PrintOptions:
    __slots__ = ("edgeitems", "linewidth", "precision", "sci_mode", "threshold")

    def __init__(self) -> None:
        self.precision = 4
        self.threshold: float = 1000
        self.edgeitems = 3
        self.linewidth = 80
        self.sci_mode: bool | None = None


PRINT_OPTS = _PrintOptions()

_PROFILES: dict[str, dict[str, float]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": _INF, "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Sets how tensors print; what is None stays, except `sci_mode`, where None means "decide for each tensor".

    precision: digits after the point. threshold: tensors with more elements are summarised. edgeitems: elements
    shown at each end of a summarised dimension. linewidth: characters in a line. profile: `default`, `short` or
    `full`, applied before the others. sci_mode: scientific notation always (True) or never (False).

    >>> import rushlight as torch
    >>> torch.set_printoptions(precision=2)
    >>> torch.tensor([1.12345])
    tensor([1.12])
    >>> torch.set_printoptions(profile="default")
    """
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    chosen = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    chosen.update((name, value) for name, value in given.items() if value is not None)
    for name, value in chosen.items():
        setattr(PRINT_OPTS, name, value)
    PRINT_OPTS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options in force, as keyword arguments of `set_printoptions`."""
    return {
        name: getattr(PRINT_OPTS, name) for name in ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")
    }


class printoptions:
    """Context manager: `set_printoptions(**options)` inside, the former options outside."""

    def __init__(self, **options: Any) -> None:
        self._options = options

    def __enter__(self) -> None:
        self._former = get_printoptions()
        set_printoptions(**self._options)

    def __exit__(self, *exc_info: object) -> None:
        set_printoptions(**self._former)


# ---------------------------------------------------------------- numbers


def _float_format(values: list[float]) -> tuple[int, Callable[[float], str]]:
    """The width of a column that holds `values`, and how to write one of them.

    Whole numbers print as `3.`; scientific notation is for tensors whose finite non-zero magnitudes span
    more than 1000 to 1, exceed 1e8 or fall below 1e-4.
    """
    precision, sci_mode = PRINT_OPTS.precision, PRINT_OPTS.sci_mode
    # Chained comparison leaves out infinities and, being false for it, NaN.
    finite = [value for value in values if value and -_INF < value < _INF]
    if not finite:
        return 1, _whole(1)
    lowest, highest = min(finite), max(finite)
    if sci_mode is None:
        if lowest > 0:
            small, large = lowest, highest
        else:
            magnitudes = [abs(value) for value in finite]
            small, large = min(magnitudes), max(magnitudes)
        sci_mode = large > 1e8 or small < 1e-4 or large / small > 1000.0
    if sci_mode:
        width = max(map(len, map(f"%.{precision}e".__mod__, finite)))
        style = f"%{width}.{precision}e"
    elif all(map(float.is_integer, finite)):
        width = 1 + max(len(f"{lowest:.0f}"), len(f"{highest:.0f}"))
        return width, _whole(width)
    else:
        # Digits grow with magnitude, so the longest text is one of the two ends.
        width = max(len(f"{lowest:.{precision}f}"), len(f"{highest:.{precision}f}"))
        style = f"%{width}.{precision}f"
    return width, style.__mod__


def _whole(width: int) -> Callable[[float], str]:
    # The point marks a finite number as a float; inf and nan need no mark.
    return lambda value: (f"{value:.0f}." if -_INF < value < _INF else f"{value:.0f}").rjust(width)


def _float_text(value: float) -> str:
    """One number by itself, as `_float_format` would write it: `print(loss)` deserves the short way."""
    if not value or not -_INF < value < _INF:
        return _whole(1)(value)
    sci_mode = PRINT_OPTS.sci_mode
    if sci_mode or (sci_mode is None and not 1e-4 <= abs(value) <= 1e8):
        return f"{value:.{PRINT_OPTS.precision}e}"
    return f"{value:.0f}." if value.is_integer() else f"{value:.{PRINT_OPTS.precision}f}"


def _plain_format(values: list[int]) -> tuple[int, Callable[[int], str]]:
    """The same for integers and booleans."""
    width = max(map(len, map(str, values)), default=1)
    return width, f"%{width}s".__mod__


def _complex_format(values: list[complex]) -> tuple[int, Callable[[complex], str]]:
    """The same for complex numbers: each part has a format of its own."""
    real_width, real = _float_format([value.real for value in values])
    imag_width, imag = _float_format([value.imag for value in values])

    def write(value: complex) -> str:
        tail = imag(value.imag).lstrip() + "j"
        return real(value.real) + (tail if tail[0] in "+-" else "+" + tail)

    return real_width + imag_width + 1, write


# ---------------------------------------------------------------- brackets


def _edges(tensor: Tensor, shape: tuple[int, ...], keep: int) -> list:
    """`tensor.tolist()` without the middle of dimensions longer than `2 * keep`."""
    length = shape[0]
    if len(shape) == 1:
        return tensor.tolist() if length <= 2 * keep else tensor[:keep].tolist() + tensor[length - keep :].tolist()
    kept = range(length) if length <= 2 * keep else [*range(keep), *range(length - keep, length)]
    return [_edges(tensor[index], shape[1:], keep) for index in kept]


def _flatten(nested: list, depth: int) -> list:
    for _ in range(depth - 1):
        nested = [value for inner in nested for value in inner]
    return nested


def _brackets(
    nested: list, shape: tuple[int, ...], keep: float, indent: int, width: int, write: Callable[[Any], str]
) -> str:
    """Nested lists as text; dimensions longer than `2 * keep` have lost their middle."""
    cut = shape[0] > 2 * keep
    if len(shape) > 1:
        parts = [_brackets(inner, shape[1:], keep, indent + 1, width, write) for inner in nested]
        if cut:
            parts.insert(int(keep), "...")
        return "[" + ("," + "\n" * (len(shape) - 1) + " " * (indent + 1)).join(parts) + "]"
    words = list(map(write, nested))
    if cut:
        words.insert(int(keep), " ..." if keep else "...")
    in_line = max(1, int((PRINT_OPTS.linewidth - indent) // (width + 2)))
    if len(words) <= in_line:
        return "[" + ", ".join(words) + "]"
    lines = [", ".join(words[start : start + in_line]) for start in range(0, len(words), in_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _contents(tensor: Tensor, dtype: Any, shape: tuple[int, ...], indent: int) -> str:
    """The text between `tensor(` and the suffixes, for a tensor that has elements."""
    if not shape:
        value = tensor.item()
        if type(value) is float:
            return _float_text(value)
        return _complex_format([value])[1](value) if type(value) is complex else str(value)
    formatter: Any = (
        _float_format if dtype.is_floating_point else _complex_format if dtype.is_complex else _plain_format
    )
    keep: float = _INF
    if tensor.numel() <= PRINT_OPTS.threshold:
        nested = tensor.tolist()
    else:
        keep = PRINT_OPTS.edgeitems
        recording = _C.is_grad_enabled()
        _C._set_grad_enabled(False)
        try:
            nested = _edges(tensor, shape, PRINT_OPTS.edgeitems)
        finally:
            _C._set_grad_enabled(recording)
    width, write = formatter(_flatten(nested, len(shape)))
    return _brackets(nested, shape, keep, indent, width, write)


# ---------------------------------------------------------------- the whole


def _str(self: Tensor, *, tensor_contents: str | None = None) -> str:
    """What `repr(tensor)` returns; `tensor_contents` replaces the part in brackets.

    One known difference: PyTorch takes the NaN of float8_e8m0fnu for a finite number when it chooses widths.
    """
    cls = type(self)
    is_plain = cls is _C.Tensor or cls is _C.Parameter
    prefix = "tensor(" if is_plain else cls.__name__ + "("
    indent = len(prefix)
    dtype, shape = self.dtype, tuple(self.shape)
    default = _C.get_default_dtype()
    suffixes = []
    contents = tensor_contents
    if self.is_meta:
        suffixes.append(f"device='{self.device}'")
        suffixes.append(f"size={shape}")
        if dtype != default:
            suffixes.append(f"dtype={dtype}")
        if contents is None:
            contents = "..."
    elif 0 in shape:
        if len(shape) != 1:
            suffixes.append(f"size={shape}")
        if dtype != default:
            suffixes.append(f"dtype={dtype}")
        if contents is None:
            contents = "[]"
    else:
        if not PRINT_OPTS.edgeitems:
            suffixes.append(f"size={shape}")
        if dtype != default and dtype not in _FULLY_PRINTED_BY_DEFAULT:
            if dtype != (_C.complex128 if default == _C.float64 else _C.complex64):
                suffixes.append(f"dtype={dtype}")
        if contents is None:
            contents = _contents(self, dtype, shape, indent)

    try:
        grad_fn = self.grad_fn
    except RuntimeError:  # a view whose history an in-place write without gradients has cut
        suffixes.append("grad_fn=<Invalid>")
    else:
        if grad_fn is not None:
            suffixes.append(f"grad_fn=<{grad_fn.name().rpartition('::')[2]}>")
        elif self.requires_grad:
            suffixes.append("requires_grad=True")

    text = _append(prefix + contents, suffixes, indent)
    return f"Parameter({text})" if not is_plain and isinstance(self, _C.Parameter) else text


def _append(text: str, suffixes: list[str], indent: int) -> str:
    """Adds the suffixes and the closing bracket, each suffix on a new line where the last one has no room."""
    if not suffixes:
        return text + ")"
    # PyTorch counts the line that the first suffix would extend as two characters longer than it is.
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > PRINT_OPTS.linewidth:
            text += ",\n" + " " * indent + suffix
            used = indent + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"


def _parameter_str(self: Tensor) -> str:
    """What `repr(parameter)` returns."""
    return "Parameter containing:\n" + _str(self)
