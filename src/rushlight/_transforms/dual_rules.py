"""How operations carry tangents forward: formulas by operation, and a general way for those without one.

A formula gives the tangent of one operation's result. Linear operations need their name in `_LINEAR` alone, functions
of one variable a line in `_SLOPES`; everything else that is differentiable goes through reverse mode, twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .dual import DualFrame, make_dual, primal_of, tangent_of

Rule = Callable[[DualFrame, Callable, tuple, dict], Any]
RULES: dict[str, Rule] = {}


def rule(names: str) -> Callable[[Rule], Rule]:
    """Enters a rule for some operations."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names.split(), function))
        return function

    return enter


def _call(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """The operation on primal values."""
    return fn(*[primal_of(frame, x) for x in args], **{key: primal_of(frame, x) for key, x in kwargs.items()})


def _pair(frame: DualFrame, primal: Any, tangent: Any) -> Any:
    """Joins results, which may be several, with their tangents."""
    if isinstance(primal, (tuple, list)):
        return type(primal)([_pair(frame, p, t) for p, t in zip(primal, tangent)])
    if tangent is None:
        return primal
    return make_dual(frame, primal, tangent if tangent.shape == primal.shape else tangent.expand_as(primal))


# ---------------------------------------------------------------- functions of one variable

# y' = slope(x, y) x'
_SLOPES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "sin": lambda x, y: _C.cos(x),
    "cos": lambda x, y: -_C.sin(x),
    "tan": lambda x, y: 1 + y * y,
    "asin": lambda x, y: _C.rsqrt(1 - x * x),
    "acos": lambda x, y: -_C.rsqrt(1 - x * x),
    "atan": lambda x, y: 1 / (1 + x * x),
    "sinh": lambda x, y: _C.cosh(x),
    "cosh": lambda x, y: _C.sinh(x),
    "tanh": lambda x, y: 1 - y * y,
    "sigmoid": lambda x, y: y * (1 - y),
    "exp": lambda x, y: y,
    "exp2": lambda x, y: y * 0.6931471805599453,
    "expm1": lambda x, y: y + 1,
    "log": lambda x, y: 1 / x,
    "log2": lambda x, y: 1 / (x * 0.6931471805599453),
    "log10": lambda x, y: 1 / (x * 2.302585092994046),
    "log1p": lambda x, y: 1 / (1 + x),
    "sqrt": lambda x, y: 0.5 / y,
    "rsqrt": lambda x, y: -0.5 * y * y * y,
    "reciprocal": lambda x, y: -y * y,
    "square": lambda x, y: 2 * x,
    "abs": lambda x, y: _C.sgn(x),
    "relu": lambda x, y: (x > 0).to(x.dtype),
    "erf": lambda x, y: 1.1283791670955126 * _C.exp(-x * x),
    "lgamma": lambda x, y: _C.digamma(x),
}


def _slope_rule(slope: Callable[[Tensor, Tensor], Any]) -> Rule:
    def carried(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
        if kwargs or len(args) != 1:
            return NotImplemented
        x = args[0]._primal
        y = fn(x)
        return make_dual(frame, y, slope(x, y) * args[0]._tangent)

    return carried


RULES.update({name: _slope_rule(slope) for name, slope in _SLOPES.items()})

# ---------------------------------------------------------------- linear in the first argument

_LINEAR = """
    neg positive sum mean cumsum clone contiguous real imag conj alias to float double
    reshape view reshape_as view_as expand expand_as broadcast_to repeat flatten unflatten
    transpose t permute movedim select narrow unsqueeze squeeze split chunk tensor_split unbind diagonal diag trace
    tril triu flip roll unfold index_select gather take_along_dim __getitem__ masked_select pad
    avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
"""


@rule(_LINEAR)
def linear_in_first(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """The same of the tangent."""
    tangent = tangent_of(frame, args[0])
    if tangent is None or any([tangent_of(frame, x) is not None for x in (*args[1:], *kwargs.values())]):
        return NotImplemented
    primal = _call(frame, fn, args, kwargs)
    rest = [primal_of(frame, x) for x in args[1:]]
    if isinstance(primal, Tensor) and not (primal.dtype.is_floating_point or primal.dtype.is_complex):
        return primal
    return _pair(frame, primal, fn(tangent, *rest, **kwargs))


@rule("cat stack hstack vstack")
def cat(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    parts, *rest = args
    tangents = [_C.zeros_like(x) if tangent_of(frame, x) is None else x._tangent for x in parts]
    return make_dual(frame, fn(primal_of(frame, parts), *rest, **kwargs), fn(tangents, *rest, **kwargs))


# ---------------------------------------------------------------- several variables


@rule("add sub")
def add(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    if len(args) != 2 or kwargs:
        return NotImplemented
    a, b = args
    ta, tb = tangent_of(frame, a), tangent_of(frame, b)
    y = fn(primal_of(frame, a), primal_of(frame, b))
    if ta is None or tb is None:
        # 0 + t or 0 - t, which minds neither the operation's sign nor what the operands' shapes were
        return _pair(frame, y, ta if tb is None else fn(0, tb))
    return _pair(frame, y, fn(ta, tb))


@rule("mul matmul mm bmm mv dot outer")
def product(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """(a b)' = a' b + a b'."""
    if len(args) != 2 or kwargs:
        return NotImplemented
    a, b = args
    x, y = primal_of(frame, a), primal_of(frame, b)
    ta, tb = tangent_of(frame, a), tangent_of(frame, b)
    parts = [fn(ta, y)] if ta is not None else []
    parts += [fn(x, tb)] if tb is not None else []
    return _pair(frame, fn(x, y), parts[0] if len(parts) == 1 else parts[0] + parts[1])


@rule("truediv")
def quotient(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """(a / b)' = (a' - y b') / b."""
    if len(args) != 2 or kwargs:
        return NotImplemented
    a, b = args
    y = fn(primal_of(frame, a), primal_of(frame, b))
    ta, tb = tangent_of(frame, a), tangent_of(frame, b)
    top = ta if tb is None else -y * tb if ta is None else ta - y * tb
    return _pair(frame, y, top / primal_of(frame, b))


@rule("pow")
def power(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """(x^n)' = n x^(n - 1) x', for a number n."""
    x, n = args
    if not isinstance(n, (int, float)) or kwargs:
        return NotImplemented
    slope = n * fn(x._primal, n - 1) if n else _C.zeros_like(x._primal)
    return make_dual(frame, fn(x._primal, n), slope * x._tangent)


@rule("linear")
def linear(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """(x w^T + b)' = x' w^T + x w'^T + b'."""
    if kwargs:
        return NotImplemented
    x, weight, bias = (*args, None)[:3]
    tx, tw, tb = (tangent_of(frame, t) for t in (x, weight, bias))
    px, pw = primal_of(frame, x), primal_of(frame, weight)
    parts = [fn(tx, pw)] if tx is not None else []
    parts += [fn(px, tw)] if tw is not None else []
    parts += [tb] if tb is not None else []
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return _pair(frame, fn(px, pw, primal_of(frame, bias)), total)


@rule("layer_norm")
def layer_norm(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Step by step: the core's own second derivative may take mean and variance for constants in the third."""
    x, shape = args[:2]
    options = {"weight": None, "bias": None, "eps": 1e-5, **dict(zip(("weight", "bias", "eps"), args[2:5])), **kwargs}
    weight, bias, eps = options["weight"], options["bias"], options["eps"]
    dims = list(range(-len(shape), 0))
    centred = x - x.mean(dims, keepdim=True)
    y = centred * _C.rsqrt((centred * centred).mean(dims, keepdim=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@rule("where")
def where(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    if len(args) != 3 or kwargs:
        return NotImplemented
    condition, *choices = (primal_of(frame, x) for x in args)
    tangents = [tangent_of(frame, x) for x in args[1:]]
    y = fn(condition, *choices)
    tangents = [_C.zeros_like(y) if t is None else t for t in tangents]
    return make_dual(frame, y, fn(condition, *tangents))


@rule("detach zeros_like ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_full new_empty")
def without_tangent(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    return _call(frame, fn, args, kwargs)


@rule("lt le eq ne gt ge argmax argmin isnan isinf isfinite sign sgn floor ceil round trunc logical_not all any")
def constant(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Flat almost everywhere."""
    return _call(frame, fn, args, kwargs)


# ---------------------------------------------------------------- anything else


def through_reverse(frame: DualFrame, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """J x' from reverse mode alone: J^T u is linear in u, and its own transpose is J.

    The result's tangent keeps a history only where the arguments had one.
    """
    from .levels import running_frames
    from .pullback import detached, pull, track

    outer = running_frames()[: frame.level]
    places = [(x._primal, x._tangent) for x in _duals(frame, (args, tuple(kwargs.values())))]
    with _C.enable_grad():
        tracked = [track(primal, outer) for primal, _ in places]
        remaining = iter(tracked)
        arguments = _substituted(frame, args, remaining)
        outputs = fn(*arguments, **{key: _substituted(frame, x, remaining) for key, x in kwargs.items()})
        several = isinstance(outputs, (tuple, list))
        ys = [y for y in (outputs if several else [outputs]) if isinstance(y, Tensor) and y.requires_grad]
        cotangents = [track(_C.zeros_like(y), outer) for y in ys]
        pulled = pull(ys, tracked, cotangents, outer, True)
        carried = iter(pull(pulled, cotangents, [tangent for _, tangent in places], outer, True))
    if not any([x.requires_grad for place in places for x in place]):
        carried = iter([detached(tangent) for tangent in carried])

    def joined(y: Any, plain: Any) -> Any:
        return _pair(frame, plain, next(carried)) if isinstance(y, Tensor) and y.requires_grad else plain

    plain = _call(frame, fn, args, kwargs)
    if several:
        return type(plain)([joined(y, p) for y, p in zip(outputs, plain)])
    return joined(outputs, plain)


def _duals(frame: DualFrame, value: Any) -> list:
    if tangent_of(frame, value) is not None:
        return [value]
    if isinstance(value, (list, tuple)):
        return [found for item in value for found in _duals(frame, item)]
    return []


def _substituted(frame: DualFrame, value: Any, remaining: Any) -> Any:
    """The arguments with their dual numbers replaced, in the order of `_duals`."""
    if tangent_of(frame, value) is not None:
        return next(remaining)
    if isinstance(value, (list, tuple)) and _duals(frame, value):
        return type(value)([_substituted(frame, item, remaining) for item in value])
    return value
