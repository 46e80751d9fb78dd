"""How operations are carried out on a whole batch: a rule for each kind of operation, and which operation is of which.

A rule takes (frame, name, fn, args, kwargs), unwraps what its frame has wrapped and returns the result with the batch
in front, or NotImplemented where it does not know the arguments; then the examples go one by one. An operation of a
known kind needs its name in one table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .batched import BatchFrame, is_batched, lift, raw, with_batch

Rule = Callable[[BatchFrame, str, Callable, tuple, dict], Any]
RULES: dict[str, Rule] = {}


def rule(names: str) -> Callable[[Rule], Rule]:
    """Enters a rule for some operations."""

    def enter(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names.split(), function))
        return function

    return enter


def others_batched(frame: BatchFrame, args: tuple, kwargs: dict) -> bool:
    """Whether an argument after the first is batched."""
    return any([is_batched(frame, x) for x in args[1:]]) or any([is_batched(frame, x) for x in kwargs.values()])


# ---------------------------------------------------------------- element by element

_ELEMENTWISE = """
    add sub rsub mul truediv floordiv mod fmod pow float_power atan2 hypot maximum minimum fmax fmin copysign nextafter
    logaddexp logaddexp2 xlogy ldexp lt le eq ne gt ge logical_and logical_or logical_xor and or xor isclose
    where clamp clamp_min clamp_max clip lerp addcmul addcdiv masked_fill heaviside gcd lcm
    neg abs invert sgn sign reciprocal square positive sqrt rsqrt exp exp2 expm1 log log2 log10 log1p sin cos tan asin
    acos atan sinh cosh tanh asinh acosh atanh arcsin arccos arctan sigmoid erf erfc erfinv lgamma digamma i0 sinc logit
    floor ceil round trunc frac isnan isinf isfinite isposinf isneginf signbit logical_not nan_to_num conj real imag
    angle deg2rad rad2deg expit
    relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign tanhshrink hardtanh hardswish hardsigmoid
    hardshrink softshrink threshold logsigmoid
    clone contiguous detach to type_as float double half bfloat16 long int short char byte bool cpu
    zeros_like ones_like full_like empty_like alias
    tril triu one_hot
"""


@rule(_ELEMENTWISE)
def elementwise(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Aligns the examples' dimensions from the right, as broadcasting would have."""
    tensors = [x for x in (*args, *kwargs.values()) if isinstance(x, Tensor)]
    ndim = max([x.dim() for x in tensors])
    common = _promoted(tensors)

    def aligned(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return x
        value = lift(raw(frame, x), ndim + 1) if is_batched(frame, x) else x
        return value.to(common) if common is not None and x.dim() == 0 and x.dtype != common else value

    return fn(*[aligned(x) for x in args], **{key: aligned(x) for key, x in kwargs.items()})


def _promoted(tensors: list[Tensor]) -> Any:
    """The dtype of the result where an example's 0-dim tensor, weak in promotion, would become a strong one."""
    if len({x.dtype for x in tensors}) == 1 or len({x.dim() > 0 for x in tensors}) == 1:
        return None
    numbers = [x for x in tensors if x.dtype is not _C.bool]  # where()'s condition takes no part
    if len(numbers) < 2:
        return None
    stand_ins = [_C.empty((0,) if x.dim() else (), dtype=x.dtype) for x in numbers]
    common = stand_ins[0].dtype
    for other in stand_ins[1:]:
        common = _C.result_type(stand_ins[0], other)
    return common


# ---------------------------------------------------------------- dimensions


def shifted(dim: Any, ndim: int) -> Any:
    """A dimension of the example as one of the batch; IndexError where the example has no such."""
    if isinstance(dim, (list, tuple)):
        return type(dim)([shifted(d, ndim) for d in dim])
    if not -ndim <= dim < ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {dim})")
    return dim + 1 if dim >= 0 else dim


def argument(args: tuple, kwargs: dict, position: int, names: tuple[str, ...], default: Any = None) -> Any:
    """An argument that may come by position or by one of some names."""
    if position < len(args):
        return args[position]
    return next((kwargs[name] for name in names if name in kwargs), default)


def replaced(args: tuple, kwargs: dict, position: int, names: tuple[str, ...], value: Any) -> tuple[tuple, dict]:
    """The arguments with one of them changed or added."""
    if position < len(args):
        return (*args[:position], value, *args[position + 1 :]), kwargs
    rest = {key: kwargs[key] for key in kwargs if key not in names}
    return args, {**rest, names[0]: value}


_DIM = ("dim", "axis")

# Over all dimensions when none is named. The number is dim's position.
_REDUCTIONS = {
    **dict.fromkeys("sum mean nansum nanmean amax amin all any var std logsumexp count_nonzero".split(), 1),
    **dict.fromkeys("prod max min argmax argmin median nanmedian".split(), 1),
    "norm": 2,
}


@rule(" ".join(_REDUCTIONS))
def reduction(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """dim counts the example's dimensions; without it, all of the example is reduced."""
    if len(args) > 1 and isinstance(args[1], Tensor):
        return elementwise(frame, name, fn, args, kwargs)  # max(x, y)
    if not is_batched(frame, args[0]) or others_batched(frame, args, kwargs):
        return NotImplemented
    position = _REDUCTIONS[name]
    if name in ("var", "std") and len(args) > 1 and isinstance(args[1], bool):
        args, kwargs = args[:1], {**kwargs, "correction": int(args[1])}
    value = raw(frame, args[0])
    dim = argument(args, kwargs, position, _DIM)
    if dim is None or dim == ():
        if kwargs.get("keepdim"):
            return NotImplemented
        flat = value.reshape(frame.size, -1)
        if name in ("max", "min"):
            return (_C.amax if name == "max" else _C.amin)(flat, 1)
        args, kwargs = replaced(args, kwargs, position, _DIM, 1)
        result = fn(flat, *args[1:], **kwargs)
        return result[0] if name in ("median", "nanmedian") else result
    if value.dim() == 1:
        return NotImplemented
    args, kwargs = replaced(args, kwargs, position, _DIM, shifted(dim, value.dim() - 1))
    return fn(value, *args[1:], **kwargs)


# Operations of one tensor with dimensions among their arguments: (position, name, default), None for "must be given".
_WITH_DIMS: dict[str, tuple[tuple[int, str, Any], ...]] = {
    **dict.fromkeys(
        "softmax log_softmax softmin cumsum cumprod cummax cummin logcumsumexp".split(), ((1, "dim", None),)
    ),
    **dict.fromkeys("select narrow unflatten index_select flip glu".split(), ((1, "dim", None),)),
    "flip": ((1, "dims", None),),
    "roll": ((2, "dims", None),),
    "unbind": ((1, "dim", 0),),
    "split": ((2, "dim", 0),),
    "chunk": ((2, "dim", 0),),
    "tensor_split": ((2, "dim", 0),),
    "flatten": ((1, "start_dim", 0), (2, "end_dim", -1)),
    "transpose": ((1, "dim0", None), (2, "dim1", None)),
    "movedim": ((1, "source", None), (2, "destination", None)),
    "diagonal": ((2, "dim1", 0), (3, "dim2", 1)),
    "sort": ((1, "dim", -1),),
    "argsort": ((1, "dim", -1),),
    "topk": ((2, "dim", -1),),
    "kthvalue": ((2, "dim", -1),),
    "mode": ((1, "dim", -1),),
    "unfold": ((1, "dimension", None),),
    "normalize": ((2, "dim", 1),),
    "diff": ((2, "dim", -1),),
}


@rule(" ".join(_WITH_DIMS))
def with_dims(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Counts the batch in for each dimension named."""
    if not is_batched(frame, args[0]) or others_batched(frame, args, kwargs):
        return NotImplemented
    value = raw(frame, args[0])
    ndim = value.dim() - 1
    if ndim == 0:
        return NotImplemented
    if name == "flip" and len(args) > 2:
        args = (args[0], args[1:])
    for position, key, default in _WITH_DIMS[name]:
        dim = argument(args, kwargs, position, (key, "axis"), default)
        if dim is None or isinstance(dim, bool):
            return NotImplemented
        args, kwargs = replaced(args, kwargs, position, (key, "axis"), shifted(dim, ndim))
    return fn(value, *args[1:], **kwargs)


@rule("unsqueeze")
def unsqueeze(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    value = raw(frame, args[0])
    return value.unsqueeze(shifted(argument(args, kwargs, 1, ("dim",)), value.dim()))


@rule("squeeze")
def squeeze(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    value = raw(frame, args[0])
    dim = argument(args, kwargs, 1, ("dim",))
    if dim is None:
        return value.reshape([frame.size, *[n for n in value.shape[1:] if n != 1]])
    return value.squeeze(shifted(dim, value.dim() - 1)) if value.dim() > 1 else value


def _sizes(args: tuple, kwargs: dict) -> list[int]:
    sizes = args[1:] or tuple(kwargs.values())
    return list(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], (list, tuple)) else list(sizes)


@rule("permute")
def permute(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    value = raw(frame, args[0])
    return value.permute([0, *shifted(_sizes(args, kwargs), value.dim() - 1)])


@rule("t")
def t(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    value = raw(frame, args[0])
    return value.transpose(1, 2) if value.dim() == 3 else value


@rule("reshape view reshape_as view_as")
def reshape(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    value = raw(frame, args[0])
    if len(args) > 1 and isinstance(args[1], _C.dtype):
        return NotImplemented
    sizes = list(args[1].shape) if len(args) > 1 and isinstance(args[1], Tensor) else _sizes(args, kwargs)
    return value.reshape([frame.size, *sizes])


@rule("expand expand_as broadcast_to repeat")
def expand(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    if not is_batched(frame, args[0]):
        return NotImplemented
    sizes = list(args[1].shape) if isinstance(args[1], Tensor) else _sizes(args, kwargs)
    value = lift(raw(frame, args[0]), len(sizes) + 1)
    if name == "repeat":
        return value.repeat([1, *sizes])
    return value.expand([frame.size, *sizes])


@rule("cat stack hstack vstack")
def cat(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    if name in ("hstack", "vstack"):
        return NotImplemented
    parts = [with_batch(frame, x) for x in argument(args, kwargs, 0, ("tensors",))]
    dim = argument(args, kwargs, 1, _DIM, 0)
    extra = name == "stack"
    return fn(parts, dim=shifted(dim, max([part.dim() for part in parts]) - 1 + extra))


@rule("__getitem__")
def getitem(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Plain indices go behind a full slice; indices that differ by example become index arrays with the batch."""
    value, index = args
    index = index if isinstance(index, tuple) else (index,)
    if not any([is_batched(frame, i) for i in index]):
        value = raw(frame, value)
        if any([isinstance(i, (Tensor, list)) for i in index]) and any(
            [i is None or isinstance(i, slice) or i is Ellipsis for i in index]
        ):
            return NotImplemented  # where index arrays are apart, their dimensions would move in front of the batch
        return value[(slice(None), *index)]
    if any([not isinstance(i, (Tensor, int)) or getattr(i, "dtype", None) is _C.bool for i in index]):
        return NotImplemented
    # Along the batch, the index arrays need one for the batch itself.
    indices = [raw(frame, i) if isinstance(i, Tensor) else _C.tensor(i) for i in index]
    ndim = max([i.dim() for i in index if isinstance(i, Tensor)])
    indices = [lift(i, ndim + 1) if is_batched(frame, given) else i for i, given in zip(indices, index)]
    if not is_batched(frame, value):
        return value[tuple(indices)]
    each = _C.arange(frame.size).reshape([frame.size] + [1] * ndim)
    return value._value[(each, *indices)]


@rule("__setitem__")
def setitem(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> None:
    target, index, new = args
    index = index if isinstance(index, tuple) else (index,)
    if not is_batched(frame, target):
        from .batched import BatchedTensor

        return BatchedTensor.handle(frame, "copy_", fn, (target, new), {})  # raises
    value = target._value
    if any([is_batched(frame, i) for i in index]):
        for k in range(frame.size):
            value[k][tuple([i._value[k] if is_batched(frame, i) else i for i in index])] = (
                new._value[k] if is_batched(frame, new) else new
            )
        return None
    at = (slice(None), *index)
    if is_batched(frame, new):
        new = lift(new._value, value[at].dim())
    value[at] = new
    return None


@rule("gather index_add scatter scatter_add take_along_dim")
def gather(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    """Operations whose tensors all have the same number of dimensions."""
    if name == "index_add" or len(args) < 3 or not isinstance(args[1], int):
        return NotImplemented
    tensors = [x for x in args if isinstance(x, Tensor)]
    if kwargs or len({x.dim() for x in tensors}) > 1 or tensors[0].dim() == 0:
        return NotImplemented
    parts = [with_batch(frame, x) if isinstance(x, Tensor) else x for x in args]
    return fn(parts[0], shifted(args[1], tensors[0].dim()), *parts[2:])


# ---------------------------------------------------------------- creation and chance


@rule("new_zeros new_ones new_empty new_full")
def new(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    if name == "new_full":
        return raw(frame, args[0]).new_full([frame.size, *args[1]], *args[2:], **kwargs)
    return fn(raw(frame, args[0]), [frame.size, *_sizes(args, {})], **kwargs)


RANDOM_FILLS = frozenset("normal_ uniform_ bernoulli_ random_ exponential_ cauchy_ geometric_ log_normal_".split())


def fill_at_random(frame: BatchFrame, value: Tensor, draw: Callable[[Tensor], Any]) -> None:
    """Fills with other numbers for each example, or with the same ones."""
    _allow_chance(frame)
    if frame.randomness == "same":
        draw(value[0])
        value[1:] = value[0]
    else:
        draw(value)


def _allow_chance(frame: BatchFrame) -> None:
    if frame.randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )


@rule("rand_like randn_like randint_like")
def random_like(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    _allow_chance(frame)
    value = raw(frame, args[0])
    if frame.randomness == "same":
        return fn(value[0], *args[1:], **kwargs).unsqueeze(0).expand(value.shape)
    return fn(value, *args[1:], **kwargs)


@rule("bernoulli normal poisson")
def random_from(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    _allow_chance(frame)
    if frame.randomness == "same":
        raise RuntimeError("vmap: randomness='same' cannot be had of parameters that differ by example")
    return elementwise(frame, name, fn, args, kwargs)


@rule("multinomial")
def random_by_example(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Any:
    _allow_chance(frame)
    return NotImplemented


@rule("dropout")
def dropout(frame: BatchFrame, name: str, fn: Callable, args: tuple, kwargs: dict) -> Tensor:
    value = raw(frame, args[0])
    if not argument(args, kwargs, 2, ("training", "train"), True) or not argument(args, kwargs, 1, ("p",), 0.5):
        return value
    _allow_chance(frame)
    if frame.randomness == "same":
        return value * fn(_C.ones_like(value[0]), *args[1:], **kwargs)
    return fn(value, *args[1:], **kwargs)


from . import batching_rules_nn  # noqa: E402, F401  enters its rules
