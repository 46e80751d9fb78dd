"""Random programs run by rushlight and by PyTorch leave both in the same state after every step.

A program is a list of steps `(action, a, b, p, q)`: the name of one of the functions below and four small
numbers, from which the action picks its tensors and parameters, so that any sub-list of a program is a program
and a failing one shrinks.  After each step the whole world is compared: exceptions and their messages, every
tensor's values, geometry, dtype, version, place in the graph and gradient, and what hooks have seen.

    python tests/oracle/test_random_programs.py 0 20000      runs the programs of these seeds, shrinks failures
"""

from __future__ import annotations

import copy
import os
import pickle
import random
import sys
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("hypothesis")

from hypothesis import (  # noqa: E402
    HealthCheck,
    given,
    settings,
    strategies as st,
)

import rushlight  # noqa: E402

pytestmark = pytest.mark.oracle
warnings.simplefilter("ignore")

Step = tuple[str, int, int, int, int]

SHAPES = [(3,), (2, 3), (), (1, 3), (2, 1), (3, 2), (2, 2, 3), (1,), (0, 3), (2, 3, 1)]
DTYPES = ["float32", "float32", "float64", "float32", "int64", "bool"]
SCALARS = [2, 0.5, -1, 0, 1.5, True, -3, 0.25]
MAX_TENSORS = 9


class World:
    """What one engine's run of a program owns."""

    def __init__(self, engine: Any) -> None:
        self.m = engine
        self.tensors: list[Any] = []
        self.born: list[int] = []  # each tensor's version when it came
        self.derived: list[bool] = []  # whether it is a gradient
        self.arrays: list[np.ndarray] = []
        self.handles: list[Any] = []
        self.optimizers: list[Any] = []
        self.log: list[Any] = []  # what hooks have seen
        self.grad_mode = True
        self.functions = custom_functions(engine)

    def pick(self, i: int) -> Any:
        return self.tensors[i % len(self.tensors)]

    def keep(self, made: Any, slot: int, derived: bool = False) -> None:
        """Results join the world; when it is full they replace others, whose graphs may then die."""
        for t in made if isinstance(made, (tuple, list)) else (made,):
            if not isinstance(t, self.m.Tensor):
                self.log.append(t)
            elif len(self.tensors) < MAX_TENSORS:
                self.tensors.append(t)
                self.born.append(t._version)
                self.derived.append(derived)
            else:
                self.tensors[slot % MAX_TENSORS] = t
                self.born[slot % MAX_TENSORS] = t._version
                self.derived[slot % MAX_TENSORS] = derived
                slot += 1


def custom_functions(m: Any) -> list[Any]:
    class Cube(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x * x

    class Pair(m.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.k = k
            return x * k, x + k

        @staticmethod
        def backward(ctx, g, h):
            return g * ctx.k + h, None

    class Double(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.mul_(2)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    class Through(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return -g

    class Stop(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None

    class Unfilled(m.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x.clone(), x * 3

        @staticmethod
        def backward(ctx, g, h):
            return h if g is None else g if h is None else g + 3 * h

    return [Cube, Stop, Double, Through, Pair, Unfilled]


Action = Callable[[World, Any, Any, int, int], Any]
ACTIONS: dict[str, Action] = {}
WEIGHTS: dict[str, int] = {}


def action(weight: int = 2) -> Callable[[Action], Action]:
    def register(f: Action) -> Action:
        ACTIONS[f.__name__] = f
        WEIGHTS[f.__name__] = weight
        return f

    return register


def simple(weight: int, **bodies: Action) -> None:
    for name, body in bodies.items():
        ACTIONS[name] = body
        WEIGHTS[name] = weight


def scalar(p: int) -> Any:
    return SCALARS[p % len(SCALARS)]


def dim(x: Any, p: int) -> int:
    return p % (x.dim() or 1) - (p % 2) * (x.dim() or 1)


def shares(a: Any, b: Any) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


# ---------------------------------------------------------------- new tensors


def new(w: World, shape: tuple[int, ...], dtype: str, seed: int, requires_grad: bool) -> Any:
    values = np.random.default_rng(seed).uniform(-2, 2, shape)
    t = w.m.tensor(values, dtype=getattr(w.m, dtype)) if values.size else w.m.zeros(shape, dtype=getattr(w.m, dtype))
    return t.requires_grad_() if requires_grad and dtype.startswith("float") else t


@action(4)
def make(w, x, y, p, q):
    return new(w, SHAPES[p % len(SHAPES)], DTYPES[q % len(DTYPES)], p * 31 + q, (p + q) % 3 != 0)


@action(1)
def from_numpy(w, x, y, p, q):
    array = np.random.default_rng(q).uniform(-2, 2, SHAPES[p % len(SHAPES)])
    array = np.asarray(array, "float32" if q % 3 else "float64")
    w.arrays.append(array.T if q % 4 == 0 else array)
    return w.m.from_numpy(w.arrays[-1])


@action(1)
def to_numpy(w, x, y, p, q):
    w.arrays.append((x if p % 2 else x.detach()).numpy())


@action(2)
def write_array(w, x, y, p, q):
    if w.arrays:
        w.arrays[q % len(w.arrays)][...] = scalar(p)


# ---------------------------------------------------------------- views


@action()
def as_strided(w, x, y, p, q):
    n = x.numel()
    size = [(n,), (2, 2), (1, n), (2, max(n // 2, 0)), (3,)][p % 5]
    stride = [1, 2, 3, 1, 0][q % 5]
    return x.as_strided(
        size, (stride, 1)[-len(size) :] if len(size) > 1 else (max(stride, 1),), *((0,) if q % 3 == 0 else ())
    )


@action()
def expand(w, x, y, p, q):
    return x.expand([(2, *x.shape), tuple(-1 if i != 1 else 3 for i in x.shape), (2, 3), (2, 2, 3)][p % 4])


@action()
def view(w, x, y, p, q):
    n = x.numel()
    return x.view([(-1,), (n,), (1, -1), (n, 1), (2, -1), (3, -1), (), tuple(x.shape)][p % 8])


simple(
    2,
    reshape=lambda w, x, y, p, q: x.reshape([(-1,), (1, -1), (3, -1), (2, -1)][p % 4]),
    transpose=lambda w, x, y, p, q: x.transpose(dim(x, p), dim(x, q)),
    select=lambda w, x, y, p, q: x.select(dim(x, p), q % 3 - (p % 2)),
    getitem=lambda w, x, y, p, q: x[
        [0, slice(None), slice(1, None), None, Ellipsis, slice(None, None, 2), (0, slice(1, 3)), -1, (Ellipsis, 0), (slice(None), 1)][p % 10]
    ],
    narrow=lambda w, x, y, p, q: x.narrow(dim(x, p), q % 2, 1 + q % 3),
    unbind=lambda w, x, y, p, q: x.unbind(dim(x, p)),
    chunk=lambda w, x, y, p, q: x.chunk(2, dim(x, p)),
    split=lambda w, x, y, p, q: x.split(1 + q % 2, dim(x, p)),
    diagonal=lambda w, x, y, p, q: x.diagonal(q % 3 - 1, -2, -1),
    squeeze=lambda w, x, y, p, q: x.squeeze() if q % 2 else x.squeeze(dim(x, p)),
    unsqueeze=lambda w, x, y, p, q: x.unsqueeze(p % (x.dim() + 1) - (q % 2)),
    detach=lambda w, x, y, p, q: x.detach(),
    data=lambda w, x, y, p, q: x.data,
)  # fmt: skip
simple(
    1,
    permute=lambda w, x, y, p, q: x.permute(*reversed(range(x.dim()))),
    t=lambda w, x, y, p, q: x.t(),
    flatten=lambda w, x, y, p, q: x.flatten(p % 2),
    view_as=lambda w, x, y, p, q: x.view_as(x),
    unfold=lambda w, x, y, p, q: x.unfold(dim(x, p), 2, 1),
    expand_as=lambda w, x, y, p, q: x.expand_as(y),
    contiguous=lambda w, x, y, p, q: x.contiguous(),
    mT=lambda w, x, y, p, q: x.mT if x.dim() else x,
    alias=lambda w, x, y, p, q: x,
    view_dtype=lambda w, x, y, p, q: x.view(x.dtype),
)

# ---------------------------------------------------------------- results of their own

UNARY = ["exp", "sigmoid", "tanh", "relu", "sin", "abs", "neg", "sqrt", "log", "square", "sign", "cos", "reciprocal"]
PLACES = ["exp_", "sigmoid_", "tanh_", "relu_", "sin_", "abs_", "neg_", "sqrt_", "square_", "zero_", "floor_", "t_", "detach_", "reciprocal_", "log1p_"]  # fmt: skip
BINARY = ["add", "mul", "sub", "div", "maximum", "minimum", "eq", "lt", "atan2", "true_divide", "fmod", "hypot", "logaddexp"]  # fmt: skip


def clamped(x: Any) -> Any:
    return x.clamp(-3, 3)


simple(
    4,
    unary=lambda w, x, y, p, q: getattr(w.m, UNARY[p % len(UNARY)])(x),
    binary=lambda w, x, y, p, q: getattr(w.m, BINARY[p % len(BINARY)])(x, y),
    with_scalar=lambda w, x, y, p, q: [
        lambda s: x + s, lambda s: s - x, lambda s: x * s, lambda s: x / (s or 1), lambda s: s / x, lambda s: s * x,
        lambda s: x - s, lambda s: w.m.add(x, x, alpha=2), lambda s: w.m.sub(x, s, alpha=2),
    ][p % 9](scalar(q)),
)  # fmt: skip
simple(
    2,
    sum=lambda w, x, y, p, q: [lambda: x.sum(), lambda: x.sum(dim(x, p)), lambda: x.sum(dim(x, p), keepdim=True)][q % 3](),
    mean=lambda w, x, y, p, q: [lambda: x.mean(), lambda: x.mean(dim(x, p)), lambda: x.float().mean()][q % 3](),
    max=lambda w, x, y, p, q: [lambda: x.max(), lambda: tuple(x.max(dim(x, p))), lambda: x.amax(dim(x, p))][q % 3](),
    power=lambda w, x, y, p, q: x ** [2, 3, 0.5, 0, 1, -1, 2.0][p % 7],
    matmul=lambda w, x, y, p, q: ([lambda: x @ y, lambda: x @ y.mT, lambda: w.m.matmul(x, x.t())][p % 3]()).clone(),
    where=lambda w, x, y, p, q: [lambda: w.m.where(x > 0, x, y), lambda: w.m.where(x > 0, x, 0.5), lambda: w.m.where(x > 0, 0.0, y)][p % 3](),
    cat=lambda w, x, y, p, q: [lambda: w.m.cat([x, y], p % 2), lambda: w.m.stack([x, y], p % 2), lambda: w.m.cat([x, x, y])][q % 3](),
    clone=lambda w, x, y, p, q: x.clone(),
    to=lambda w, x, y, p, q: x.to([w.m.float32, w.m.float64, w.m.int64, w.m.bool, w.m.float32][p % 5]),
    clamp=lambda w, x, y, p, q: [lambda: x.clamp(-1, 1), lambda: x.clamp(min=0), lambda: x.clamp(max=0.5)][p % 3](),
    index=lambda w, x, y, p, q: [lambda: x[x > 0], lambda: x[[0, 0]], lambda: x[w.m.tensor([0, 1, 0])], lambda: x[..., [0]]][p % 4](),
)  # fmt: skip
simple(
    1,
    softmax=lambda w, x, y, p, q: [w.m.softmax, w.m.log_softmax][q % 2](x.float(), dim(x, p)),
    prod=lambda w, x, y, p, q: x.prod() if q % 2 else x.prod(dim(x, p)),
    cumsum=lambda w, x, y, p, q: x.cumsum(dim(x, p)),
    linear=lambda w, x, y, p, q: (w.m.nn.functional.linear(x, y) if q % 2 else w.m.nn.functional.linear(x, y, w.pick(p).reshape(-1))).clone(),
    mse=lambda w, x, y, p, q: w.m.nn.functional.mse_loss(x, y).clone(),
    norm=lambda w, x, y, p, q: x.norm() if q % 2 else x.norm(dim=dim(x, p)),
    var=lambda w, x, y, p, q: [lambda: x.var(), lambda: x.std(dim(x, p)), lambda: x.var(unbiased=False)][q % 3](),
    select_index=lambda w, x, y, p, q: w.m.index_select(x, dim(x, p), w.m.tensor([0, 0])),
    gather=lambda w, x, y, p, q: x.gather(dim(x, p), w.m.zeros_like(x, dtype=w.m.int64)),
    sort=lambda w, x, y, p, q: tuple(x.sort(dim(x, p))),
    repeat=lambda w, x, y, p, q: x.repeat(2, *[1] * x.dim()),
    masked_fill=lambda w, x, y, p, q: x.masked_fill(x > 0, scalar(q)),
    zeros_like=lambda w, x, y, p, q: [w.m.zeros_like, w.m.ones_like][p % 2](x),
    logsumexp=lambda w, x, y, p, q: x.logsumexp(dim(x, p)),
    outer=lambda w, x, y, p, q: w.m.outer(x, y).clone(),
    lerp=lambda w, x, y, p, q: w.m.lerp(x.float(), y.float(), 0.3),
    addmm=lambda w, x, y, p, q: w.m.addmm(x, y, w.pick(p)),
    triu=lambda w, x, y, p, q: w.m.tril(x) if q % 2 else w.m.triu(x, 1),
    flip=lambda w, x, y, p, q: x.flip(dim(x, p)),
    roll=lambda w, x, y, p, q: x.roll(1, dim(x, p)),
    out=lambda w, x, y, p, q: w.m.add(x.detach(), 1, out=y.detach() if q % 2 else y) if x.shape == y.shape else None,
    custom=lambda w, x, y, p, q: w.functions[p % 6].apply(x, *((2,) if p % 6 == 4 else ())),
    copied=lambda w, x, y, p, q: copy.deepcopy(x) if q % 2 else copy.copy(x),
    pickled=lambda w, x, y, p, q: pickle.loads(pickle.dumps(x)),
    requires_grad_of=lambda w, x, y, p, q: x.sum().item() if x.numel() < 3 else x.tolist(),
    truth=lambda w, x, y, p, q: bool(x),
    number=lambda w, x, y, p, q: [lambda: float(x), lambda: int(x), lambda: x.item(), lambda: len(x)][p % 4](),
)  # fmt: skip

# ---------------------------------------------------------------- writes in place


@action(4)
def place_unary(w, x, y, p, q):
    getattr(x, PLACES[p % len(PLACES)])()


@action(4)
def place_binary(w, x, y, p, q):
    getattr(x, ["add_", "mul_", "sub_", "div_", "copy_", "atan2_"][p % 6])(y)


@action(4)
def place_scalar(w, x, y, p, q):
    getattr(x, ["add_", "mul_", "sub_", "div_", "fill_", "clamp_", "pow_"][p % 7])(scalar(q))


@action(4)
def setitem(w, x, y, p, q):
    index = [0, slice(None), slice(1, None), Ellipsis, (Ellipsis, 0), (slice(None), 0), -1, slice(None, None, 2)][p % 8]
    x[index] = [y.clone(), scalar(q), y[:1].clone() if y.dim() else y.clone(), y.sum()][q % 4]


@action(1)
def setitem_mask(w, x, y, p, q):
    if q % 2:
        x[x > 0] = scalar(p)
    else:
        x[[0]] = y


@action(2)
def augmented(w, x, y, p, q):
    if p % 3 == 0:
        x += y
    elif p % 3 == 1:
        x *= scalar(q)
    else:
        x[0] -= y


@action(1)
def place_other(w, x, y, p, q):
    [
        lambda: x.fill_(y),
        lambda: x.masked_fill_(x > 0, 1.5),
        lambda: x.addcmul_(y, y, value=0.5),
        lambda: x.unsqueeze_(0),
        lambda: x.squeeze_(),
        lambda: x.transpose_(0, -1),
        lambda: x.copy_(y[None].detach()),
        lambda: x.index_add_(0, w.m.tensor([0]), y),
        lambda: x.index_fill_(0, w.m.tensor([0]), 2),
        lambda: x.addcdiv_(y, y + 5),
        lambda: x.copy_(y.detach()),
        lambda: x.masked_scatter_(x > 0, (y.clone() if shares(x, y) else y).expand_as(x)),
        lambda: x.fill_diagonal_(1),
        lambda: x.cumsum_(0),
    ][p % 14]()


@action(2)
def unseen(w, x, y, p, q):
    """Writes that are not recorded, in leaves above all."""
    with w.m.no_grad():
        [
            lambda: x.mul_(0.5),
            lambda: x[:1].add_(1),
            lambda: x.copy_(y),
            lambda: x.view(-1).sub_(0.5),
            lambda: x.add_(x.grad),
            lambda: x.zero_(),
        ][p % 6]()


@action(2)
def index_put(w, x, y, p, q):
    index = (w.m.tensor([[0], [0, 1], [0, 0], [-1]][p % 4]),)
    value = [y, y.sum(), w.m.ones(()), y.detach()][q % 4]
    if p % 3 == 0:
        return x.index_put(index, value, accumulate=q % 2 == 0)
    x.index_put_(index, value, accumulate=q % 2 == 0)


@action(1)
def scatter_(w, x, y, p, q):
    if shares(x, y):
        y = y.clone()
    index = w.m.zeros_like(y, dtype=w.m.int64)
    [
        lambda: x.scatter_(dim(x, p), index[:1] if y.dim() else index, y[:1] if y.dim() else y),
        lambda: x.scatter_add_(dim(x, p), index, y),
        lambda: x.index_copy_(0, w.m.tensor([0]), y[:1] if y.dim() else y),
        lambda: x.masked_fill_(x > y, y.sum()),
        lambda: x.index_fill_(0, w.m.tensor([0]), y.sum()),
        lambda: x.clamp_(max=y.sum()) if y.dim() == 0 else x.clamp_(-1, 1),
        lambda: x.lerp_(y, 0.25),
    ][p % 7]()


@action(1)
def place_view(w, x, y, p, q):
    [
        lambda: x.t_(),
        lambda: x.swapdims_(0, -1),
        lambda: x.squeeze_(0),
        lambda: x.unsqueeze_(-1),
        lambda: x.as_strided_((1,), (1,)),
        lambda: x.detach_(),
    ][p % 6]()


@action(1)
def resize(w, x, y, p, q):
    if x.requires_grad or shares(x, y) or any(t is not x and shares(t, x) for t in w.tensors) or w.arrays:
        return
    if p % 2:
        x.set_(y.detach()) if y.dtype == x.dtype else x.set_()
    else:
        x.resize_([(1,), (x.numel(), 1), (0, 3), ()][q % 4])  # no larger: NumPy, which looks at it, holds the memory


@action(2)
def outs(w, x, y, p, q):
    place = w.m.empty(0) if q % 2 else w.m.zeros(x.shape, dtype=x.dtype)
    [
        lambda: w.m.mul(x, 2, out=place),
        lambda: w.m.exp(x.detach(), out=place),
        lambda: w.m.sum(x.detach(), 0, out=place),
        lambda: w.m.matmul(x.detach(), y.detach(), out=place),
        lambda: w.m.cat([x.detach(), x.detach()], out=place),
    ][p % 5]()
    return place


@action(2)
def more(w, x, y, p, q):
    f = w.m.nn.functional
    return [
        lambda: x.tensor_split(2, dim(x, q)),
        lambda: x.movedim(0, -1),
        lambda: x.T if x.dim() == 2 else x.unflatten(0, (1, -1)),
        lambda: x.split([1, x.shape[0] - 1]),
        lambda: f.layer_norm(x, x.shape[-1:]),
        lambda: f.gelu(x) if q % 2 else f.softplus(x),
        lambda: f.cross_entropy(x, w.m.zeros(x.shape[0], dtype=w.m.int64)).clone(),
        lambda: f.embedding(w.m.tensor([0, 0, 1]), x if x.dim() else x[None]),
        lambda: f.pad(x, (1, 1)),
        lambda: x.new_zeros(2, 3) + x.sum(),
        lambda: w.m.einsum("i...,i...->...", x, x).clone(),
        lambda: x.scatter(0, w.m.zeros_like(x, dtype=w.m.int64), y if x.shape == y.shape else 1.5),
        lambda: x.masked_select(x > 0),
        lambda: x.where(x > y, x.new_tensor(0.5)),
        lambda: x.double(),
        lambda: x.type_as(y),
        lambda: x.clone().as_strided((2,), (1,), 1),
        lambda: w.m.broadcast_tensors(x, y),
        lambda: w.m.meshgrid(x.reshape(-1), y.reshape(-1), indexing="ij"),
        lambda: x.ravel(),
        lambda: x.squeeze((0, -1)) if x.dim() > 1 else x.expand(3, -1),
        lambda: x.diff(),
        lambda: x.cumprod(0),
        lambda: x.amin(),
    ][p % 24]()  # fmt: skip


@action(2)
def double_backward(w, x, y, p, q):
    (g,) = w.m.autograd.grad((x * x * x).sum(), x, create_graph=True)
    if p % 3 == 0:
        return g
    (h,) = w.m.autograd.grad((g * y if p % 2 else g).sum(), x, retain_graph=q % 2 == 0, allow_unused=True)
    return h


@action(1)
def saved_hooks(w, x, y, p, q):
    def pack(t):
        w.log.append(values(t))
        return [t, t.clone(), t.numpy().copy()][p % 3]

    with w.m.autograd.graph.saved_tensors_hooks(pack, lambda t: t if isinstance(t, w.m.Tensor) else w.m.from_numpy(t)):
        return (x * x).exp() if q % 2 else x.sin()


@action(1)
def set_data(w, x, y, p, q):
    if x._is_view() or x.shape != y.shape or any(t is not x and shares(t, x) for t in w.tensors):
        return  # known to differ: here, what shared memory with x no longer shares its version
    x.data = [lambda: y.data, lambda: y.detach().clone(), lambda: x.data * 2, lambda: y][p % 4]()


# ---------------------------------------------------------------- autograd


@action(6)
def backward(w, x, y, p, q):
    target = x if q % 4 == 0 else x.sum() if q % 4 < 3 else (x * x).sum()
    gradient = w.m.ones_like(target) * 2 if p % 5 == 0 else None
    target.backward(gradient, retain_graph=p % 2 == 0 or None, create_graph=p % 7 == 0)


@action(1)
def backward_inputs(w, x, y, p, q):
    x.sum().backward(inputs=[y], retain_graph=p % 2 == 0)


@action(2)
def grad(w, x, y, p, q):
    made = w.m.autograd.grad(x.sum(), [y] if p % 2 else [y, w.pick(p)], create_graph=q % 3 == 0, retain_graph=True, allow_unused=q % 2 == 0)  # fmt: skip
    # Whether two gradients are one tensor, or one memory, is the derivative's business.
    return made if len(made) == 1 else [g if g is None else g.clone() for g in made]


def no_gradient(x: Any) -> bool:
    """A view whose base came to require grad after it was made: PyTorch crashes on a hook for it."""
    return x._is_view() and x.grad_fn is None and x.requires_grad


@action(3)
def hook(w, x, y, p, q):
    if no_gradient(x):
        return
    name = len(w.log)

    def seen(g):
        w.log.append((name, tuple(g.shape), values(g)))
        return [None, g * 2, g.clone(), g[..., :1].expand_as(g) if g.dim() else g, g.double(), g.sum(), None][p % 7]

    w.handles.append(x.register_hook(seen))


@action(1)
def inplace_hook(w, x, y, p, q):
    if no_gradient(x):
        return

    def seen(g):
        g.mul_(2)
        w.log.append(values(g))

    w.handles.append(x.register_hook(seen))


@action(1)
def accumulate_hook(w, x, y, p, q):
    if no_gradient(x):
        return

    def seen(leaf):
        w.log.append(values(leaf.grad))
        if q % 2:
            leaf.grad = None

    w.handles.append(x.register_post_accumulate_grad_hook(seen))


@action(1)
def node_hook(w, x, y, p, q):
    fn = x.grad_fn
    if fn is None or q % 4 == 0:
        fn = x.view_as(x).grad_fn  # of a leaf: what adds to its gradient
        fn = fn and fn.next_functions[0][0]
    if fn is None:
        return
    if p % 2:
        w.handles.append(
            fn.register_hook(lambda gi, go: w.log.append([None if g is None else values(g) for g in (*gi, *go)]))
        )
    else:
        w.handles.append(fn.register_prehook(lambda go: w.log.append([None if g is None else values(g) for g in go])))


@action(1)
def failing_hook(w, x, y, p, q):
    if no_gradient(x):
        return

    def fail(g):
        raise KeyError("hook")

    w.handles.append(x.register_hook(fail))


@action(1)
def reentrant_hook(w, x, y, p, q):
    if no_gradient(x):
        return

    def again(g):
        with w.m.enable_grad():
            z = (g.detach().requires_grad_() * 3).sum()
        z.backward()
        w.log.append(values(g))

    w.handles.append(x.register_hook(again))


@action(1)
def remove_hook(w, x, y, p, q):
    if w.handles:
        w.handles.pop(p % len(w.handles)).remove()


simple(
    2,
    retain_grad=lambda w, x, y, p, q: x.retain_grad(),
    requires_grad_=lambda w, x, y, p, q: (x.requires_grad_(p % 3 != 0), None)[1],
    take_grad=lambda w, x, y, p, q: x.grad,
)


@action(2)
def set_grad(w, x, y, p, q):
    if p % 4 == 0:
        x.grad.zero_()
    else:
        x.grad = [None, y, w.m.ones_like(x), x.grad][p % 4]


@action(1)
def set_requires_grad(w, x, y, p, q):
    x.requires_grad = p % 2 == 0


@action(1)
def grad_mode(w, x, y, p, q):
    w.grad_mode = p % 3 != 0


@action(1)
def drop(w, x, y, p, q):
    if len(w.tensors) > 2:
        for column in (w.born, w.derived, w.tensors):
            del column[p % len(column)]


# ---------------------------------------------------------------- optimizers


@action(2)
def optimizer(w, x, y, p, q):
    chosen = [x, y] if x is not y else [x]
    w.optimizers.append(
        [
            lambda: w.m.optim.SGD(chosen, lr=0.1),
            lambda: w.m.optim.SGD(chosen, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=q % 2 == 0),
            lambda: w.m.optim.Adam(chosen, lr=0.1),
            lambda: w.m.optim.AdamW(chosen, lr=0.1, amsgrad=q % 2 == 0),
            lambda: w.m.optim.RMSprop(chosen, lr=0.01),
        ][p % 5]()
    )


@action(3)
def step(w, x, y, p, q):
    if w.optimizers:
        w.optimizers[p % len(w.optimizers)].step()


@action(2)
def zero_grad(w, x, y, p, q):
    if w.optimizers:
        w.optimizers[p % len(w.optimizers)].zero_grad(*(() if q % 2 else (False,)))


# ---------------------------------------------------------------- comparing


def values(t: Any) -> np.ndarray:
    return t.detach().numpy().copy()


def dtype_name(t: Any) -> str:
    return str(t.dtype).rpartition(".")[2]


def strides(t: Any) -> tuple[int | None, ...]:
    """Only those that mean something: of dimensions with several elements."""
    return tuple(None if t.numel() == 0 or n == 1 else s for n, s in zip(t.shape, t.stride()))


def graph(fn: Any, depth: int = 3) -> Any:
    """The names of the graph behind a tensor, as deep as it pays to look.

    Beyond a clone, where it does not look, the graphs may differ: matmul, linear and mse_loss are one node here
    where PyTorch has several, or other ones.  The number that ends a name tells PyTorch's overloads apart, of which we have fewer, as do edges of numbers,
    which lead nowhere: both are left out.
    """
    if fn is None or depth == 0:
        return None
    if fn.name() == "CloneBackward0":
        return "CloneBackward", []
    edges = [(graph(f, depth - 1), nr) for f, nr in fn.next_functions]
    while edges and edges[-1] == (None, 0):
        edges.pop()
    name = (
        "write" if fn.name().rstrip("0123456789") in ("torch::autograd::CopyBackwards", "FillBackward") else fn.name()
    )  # of one value: either
    return name.rstrip("0123456789"), edges


PLACE_IN_GRAPH = ("requires_grad", "is_leaf", "output_nr", "retains_grad")


def offset(t: Any) -> int | None:
    """Where a storage is empty, any offset is as good as another."""
    return t.storage_offset() if t.untyped_storage().nbytes() else None


def describe(w: World, deep: bool) -> list[dict[str, Any]]:
    out = []
    index = {id(t): i for i, t in reversed(list(enumerate(w.tensors)))}
    for t, born, derived in zip(w.tensors, w.born, w.derived):
        facts = {"shape": tuple(t.shape), "stride": strides(t), "dtype": dtype_name(t), "offset": offset(t),
                 "version": t._version - born, "values": values(t), "contiguous": t.is_contiguous()}  # fmt: skip
        # PyTorch lets integers require grad once a value with history was written to them, and then fails an assertion.
        if deep and not dtype_name(t).startswith(("int", "bool")):
            facts |= {name: attempt(lambda name=name, t=t: getattr(t, name)) for name in PLACE_IN_GRAPH}
            if not derived:  # how it was computed, and of what memory it made its result, is the derivative's business
                facts["graph"] = attempt(lambda t=t: graph(t.grad_fn))
                base = t._base if t._is_view() else None
                # A gradient may itself be a view, of what the derivative made.
                if base is None or not any(d and shares(s, t) for s, d in zip(w.tensors, w.derived)):
                    facts["base"] = index.get(id(base), "elsewhere") if t._is_view() else None
            if facts["is_leaf"] is True or facts["retains_grad"] is True:
                g = t.grad
                facts["grad"] = g is not None
                if g is not None:
                    facts |= {"grad values": values(g), "grad dtype": dtype_name(g), "grad requires_grad": g.requires_grad,
                              "grad stride": strides(g)}  # fmt: skip
        out.append(facts)
    return out


def alike(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.shape != b.shape or a.dtype != b.dtype:
            return False
        if a.dtype.kind not in "fc":
            return bool((a == b).all())
        rtol = 1e-3  # float64 may hold what was computed in float32
        with np.errstate(all="ignore"):
            finite = np.abs(a[np.isfinite(a)])
            atol = rtol * min(float(finite.max(initial=1.0)), 1e30) * 0.1
            return bool(np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True))
    if isinstance(a, float) and isinstance(b, float):
        return a == b or bool(np.isclose(a, b, rtol=2e-3, atol=1e-4, equal_nan=True))
    if isinstance(a, (tuple, list)) and isinstance(b, (tuple, list)):
        return len(a) == len(b) and all(map(alike, a, b))
    return type(a) is type(b) and a == b


def wild(facts: list[dict[str, Any]]) -> bool:
    """Rounding differs legitimately, and grows without bound, once values explode."""
    with np.errstate(all="ignore"):
        return any(v.size and v.dtype.kind == "f" and np.abs(v[np.isfinite(v)]).max(initial=0) > 1e6
                   for f in facts for k, v in f.items() if k.endswith("values"))  # fmt: skip


def first_difference(ours: World, theirs: World, deep: bool) -> tuple[str, str] | None:
    a, b = describe(ours, deep), describe(theirs, deep)
    if len(a) != len(b):
        return "count", f"{len(a)} tensors, PyTorch {len(b)}"
    for i, (x, y) in enumerate(zip(a, b)):
        for key in y:
            if (key in x or key != "base") and not alike(x.get(key), y[key]):
                return key, f"tensor {i}: {key} is {x.get(key)!r}, PyTorch {y[key]!r}"
    if not alike(ours.log, theirs.log):
        return "log", f"hooks and numbers saw {ours.log[-3:]!r}, PyTorch {theirs.log[-3:]!r}"
    return None


def attempt(look: Callable[[], Any]) -> Any:
    """What `look` returns or raises: even reading `grad_fn` may be refused."""
    try:
        return look()
    except Exception as e:
        return f"{type(e).__name__}: {e}"


def places(t: Any) -> list[int]:
    """The address of each element."""
    at = np.full((), t.data_ptr(), np.int64)
    for n, step in zip(t.shape, t.stride()):
        at = at[..., None] + np.arange(n) * (step * t.element_size())
    return at.ravel().tolist()


def tangled(written: Any, read: Any) -> bool:
    """Whether the result of a write depends on the order of its loop, which PyTorch leaves open."""
    mine, others = places(written), places(read)
    repeats = len(set(mine)) < len(mine)
    if repeats and not any(n > 1 and step == 0 for n, step in zip(written.shape, written.stride())):
        return True  # where a stride of 0 is the cause, the write is refused
    both_dense = all(
        at and max(at) - min(at) == (len(set(at)) - 1) * t.element_size() for at, t in ((mine, written), (others, read))
    )
    return mine != others and not both_dense and bool(set(mine) & set(others))


WRITES = ("place_", "setitem", "augmented", "out", "index_put", "resize", "scatter")


def undefined(w: World, step: Step) -> bool:
    x, y = w.pick(step[1]), w.pick(step[2])
    if not step[0].startswith(WRITES):
        return False
    if step[0] == "index_put" and len(set(places(x))) < x.numel() and shares(x, y):
        return True  # it asks only dense tensors whether they overlap
    return tangled(y, x) if step[0] == "out" else tangled(x, y)


def perform(w: World, step: Step) -> str | None:
    """Runs one step; returns the exception as text."""
    name, a, b, p, q = step
    w.m.set_grad_enabled(w.grad_mode)
    try:
        x = w.pick(a)
        made = ACTIONS[name](w, x, w.pick(b), p, q)
        if made is not None:
            w.keep(made, p, derived=name in ("grad", "double_backward", "take_grad"))
    except Exception as e:
        return f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
    finally:
        w.m.set_grad_enabled(True)
    return None


# Messages are compared where autograd speaks; the wording of other errors is tested with the operations.
AUTOGRAD = ("leaf", "grad", "graph", "inplace", "in-place")

# Here a node is made after its operation has succeeded, in PyTorch before it is tried: of two errors, PyTorch reports
# that of the graph, and we that of the arguments.
VIEW_REFUSED = ("its base or another view of its base has been modified inplace",)


def same_error(a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return a == b
    if any(word in b for word in VIEW_REFUSED):
        return True
    if any(word in a for word in VIEW_REFUSED) and "functions with out=... arguments don't support" in b:
        return True  # here it is the result's history that tells
    return a == b or (a.partition(":")[0] == b.partition(":")[0] and not any(word in b for word in AUTOGRAD))


def left_open(w: World, step: Step, a: str | None, b: str | None) -> bool:
    """Whether PyTorch's own state is now such that nothing that follows means anything."""
    # Integers that require grad once a value with history was written to them: it fails assertions later.
    if any(t.requires_grad and not t.is_floating_point() for t in w.tensors):
        return True
    # An index out of range is found when what comes before it has been written.
    if b is not None and a == b and "out of bounds" in b and step[0].startswith(WRITES):
        return True
    # Deprecated, with a warning: expanded memory is written element by element.
    if step[0] not in ("place_other", "scatter_"):
        return False
    if b is None and a is not None and "more than one element of the written-to tensor" in a:
        return True
    # Refused because it may read what it has just written; here it writes to a copy first.
    return a is None and b is not None and "some elements of the input tensor and the written-to tensor" in b


# What differs now and then; a program that comes there ends there.
KNOWN = {
    "stride after grad",  # of the gradient of a transposed matrix in a product: PyTorch lays it out like the matrix
}


def run(program: Iterable[Step], look: bool = True) -> tuple[str, str] | None:
    """Runs a program in both engines; returns (what, where) of the first difference.

    Looking at `grad_fn` brings stale views up to date, so some programs are looked at only in the end.
    """
    ours, theirs = World(rushlight), World(torch)
    for w in (ours, theirs):
        w.keep([new(w, (2, 3), "float32", 1, True), new(w, (3,), "float32", 2, False)], 0)
    for n, step in enumerate(program):
        if undefined(theirs, step):
            continue
        theirs_error, ours_error = perform(theirs, step), perform(ours, step)
        where = f"step {n} {step[0]}{step[1:]}"
        if left_open(theirs, step, ours_error, theirs_error):
            return None
        if not same_error(ours_error, theirs_error):
            return f"error {step[0]}", f"{where}:\n  rushlight {ours_error}\n  PyTorch   {theirs_error}"
        if difference := first_difference(ours, theirs, look):
            return f"{difference[0]} after {step[0]}", f"{where}: {difference[1]}"
        if wild(describe(theirs, look)):
            return None
    if difference := first_difference(ours, theirs, True):
        return f"{difference[0]} in the end", difference[1]
    return None


# ---------------------------------------------------------------- programs

NAMES = list(ACTIONS)


def random_program(seed: int) -> list[Step]:
    r = random.Random(seed)
    names = r.choices(NAMES, [WEIGHTS[n] for n in NAMES], k=r.randrange(4, 24))
    return [(name, r.randrange(64), r.randrange(64), r.randrange(1000), r.randrange(1000)) for name in names]


def shrink(program: list[Step], look: bool, what: str) -> list[Step]:
    """Drops steps as long as the same difference remains."""
    smaller = True
    while smaller:
        smaller = False
        for i in reversed(range(len(program))):
            candidate = program[:i] + program[i + 1 :]
            found = run(candidate, look)
            if found and found[0] == what:
                program, smaller = candidate, True
    return program


@pytest.mark.parametrize("chunk", range(10))
def test_seeded_programs(chunk: int) -> None:
    for seed in range(chunk * 100, chunk * 100 + 100):
        look = seed % 3 != 0
        found = run(random_program(seed), look)
        if found and found[0] not in KNOWN:
            program = shrink(random_program(seed), look, found[0])
            pytest.fail(f"seed {seed}: {run(program, look)}\n" + "\n".join(map(str, program)))


small = st.integers(0, 999)
steps = st.tuples(st.sampled_from(NAMES), st.integers(0, 63), st.integers(0, 63), small, small)


# RUSHLIGHT_EXAMPLES=2000 looks further: a campaign is for looking, the suite is for holding what was reached.
@settings(max_examples=int(os.environ.get("RUSHLIGHT_EXAMPLES", "1000")), deadline=None, database=None, derandomize=True,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(st.lists(steps, min_size=2, max_size=16), st.booleans())
def test_programs(program: list[Step], look: bool) -> None:
    found = run(program, look)
    assert found is None or found[0] in KNOWN, found[1]


def campaign(first: int, last: int) -> int:
    """Runs many programs, groups what differs and shrinks one of each kind."""
    kinds: dict[str, list[int]] = {}
    for seed in range(first, last):
        if found := run(random_program(seed), seed % 3 != 0):
            kinds.setdefault(found[0], []).append(seed)
    for what, seeds in sorted(kinds.items(), key=lambda item: -len(item[1])):
        look = seeds[0] % 3 != 0
        program = shrink(random_program(seeds[0]), look, what)
        print(f"\n== {what}: {len(seeds)} programs, seed {seeds[0]}\n" + "\n".join(f"   {s}" for s in program))
        print("  ", (run(program, look) or ("", ""))[1])
    print(f"\n{last - first} programs, {sum(map(len, kinds.values()))} differ in {len(kinds)} ways")
    return len(kinds)


if __name__ == "__main__":
    sys.exit(min(campaign(int(sys.argv[1]), int(sys.argv[2])), 100))
