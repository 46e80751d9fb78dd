"""Rounding errors of float32 kernels against float64, measured beside PyTorch's own.

PyTorch computes the reference in float64 from the same inputs. An error is counted in units of the last place, of
the result itself or, where a result is a sum of terms that may cancel, of the sum of their magnitudes. Shapes are
those at which vector loops end badly; each is also tried with memory that is not contiguous.
"""

import numpy as np
import pytest

import rushlight

torch = pytest.importorskip("torch", reason="needs PyTorch", exc_type=ImportError)
pytestmark = pytest.mark.oracle

FACTOR, ALLOWANCE = 4, 1  # times PyTorch's error, plus units of the last place
SHAPES = [(0,), (1,), (7,), (15,), (17,), (63,), (1000,), (7, 15), (17, 63), (63, 17), (3, 1000), (2, 0, 5)]
LAYOUTS = ["contiguous", "every other", "transposed", "broadcast"]


def drawn(shape, seed, low=-4.0, high=4.0):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def laid_out(engine, array, layout, dtype=None):
    """The values of `array`, or for "broadcast" its first column repeated, in a tensor of that layout."""
    t = engine.from_numpy(array.copy())
    if dtype is not None:
        t = t.to(dtype)
    if layout == "every other":
        room = engine.zeros(*array.shape[:-1], 2 * array.shape[-1], dtype=t.dtype)
        room[..., ::2] = t
        return room[..., ::2]
    if layout == "transposed":
        return t.transpose(0, -1).contiguous().transpose(0, -1)
    if layout == "broadcast":
        return t[..., :1].expand(t.shape)
    return t


def spacing(magnitude):
    """The unit of the last place of float32 numbers of that size."""
    limits = np.finfo(np.float32)
    return np.spacing(np.clip(np.abs(magnitude), limits.tiny, limits.max / 2).astype(np.float32)).astype(np.float64)


def worst(result, reference, unit):
    """The largest error in units; NaN and infinity are compared elsewhere."""
    finite = np.isfinite(reference) & np.isfinite(result)
    if not finite.any():
        return 0.0
    difference = np.abs(result[finite].astype(np.float64) - reference[finite])
    return float((difference / np.broadcast_to(unit, reference.shape)[finite]).max())


def check(ours, theirs, reference, unit, what):
    ours, theirs, reference = (np.asarray(t.detach().numpy()) for t in (ours, theirs, reference))
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, what
    # Where PyTorch's vector loops overflow on the way to a finite result, the finite result is right as well.
    with np.errstate(over="ignore"):
        rounded = reference.astype(np.float32)
    for special in (np.isnan, np.isposinf, np.isneginf):
        agrees = (special(ours) == special(theirs)) | (special(ours) == special(rounded))
        assert agrees.all(), f"{what}: {special.__name__} in other places"
    error, allowed = worst(ours, reference, unit), FACTOR * worst(theirs, reference, unit) + ALLOWANCE
    assert error <= allowed, f"{what}: {error:.2f} units of the last place where {allowed:.2f} are allowed"


# ---------------------------------------------------------------- elementwise

# name -> (low, high) of the inputs; the function is that of the engine or of its nn.functional.
UNARY = {
    "exp": (-87, 88), "exp2": (-125, 127), "expm1": (-5, 80), "log": (1e-30, 1e30), "log2": (1e-3, 1e3),
    "log10": (1e-3, 1e3), "log1p": (-0.99, 9), "sqrt": (0, 1e6), "rsqrt": (1e-3, 1e6), "reciprocal": (0.1, 9),
    "sin": (-30, 30), "cos": (-30, 30), "tan": (-1.5, 1.5), "asin": (-1, 1), "acos": (-1, 1), "atan": (-9, 9),
    "sinh": (-20, 20), "cosh": (-20, 20), "tanh": (-9, 9), "asinh": (-99, 99), "acosh": (1, 99), "atanh": (-0.99, 0.99),
    "erf": (-4, 4), "erfc": (-4, 4), "erfinv": (-0.99, 0.99), "lgamma": (0.1, 40), "digamma": (0.5, 40),
    "sigmoid": (-20, 20), "abs": (-9, 9), "neg": (-9, 9), "square": (-9, 9), "sinc": (-4, 4), "logit": (0.01, 0.99),
    "relu": (-4, 4), "gelu": (-4, 4), "silu": (-9, 9), "mish": (-9, 9), "elu": (-4, 4), "selu": (-4, 4),
    "celu": (-4, 4), "softplus": (-25, 25), "logsigmoid": (-25, 25), "hardswish": (-4, 4), "hardsigmoid": (-4, 4),
    "leaky_relu": (-4, 4), "softsign": (-9, 9), "tanhshrink": (-4, 4), "relu6": (-9, 9), "hardtanh": (-4, 4),
}  # fmt: skip
# x / 2 + x / 2 erf(x / sqrt(2)) cancels to the left of 0; PyTorch's error there depends on luck.
CANCELLING = {"gelu": lambda x: x.abs()}
BINARY = {
    "add": (-9, 9), "sub": (-9, 9), "mul": (-9, 9), "div": (0.1, 9), "pow": (0.1, 9), "atan2": (-9, 9),
    "hypot": (-9, 9), "maximum": (-9, 9), "minimum": (-9, 9), "fmod": (0.5, 9), "remainder": (0.5, 9),
    "logaddexp": (-9, 9), "xlogy": (0.1, 9), "copysign": (-9, 9),
}  # fmt: skip
SPECIAL = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5, 1e-40, -1e-40, 1e-30, 3e38, -3e38, 88.8, -104.0, 2.0, 1e10],
    dtype=np.float32,
)  # fmt: skip


def named(engine, name):
    functional = engine.nn.functional
    return getattr(engine, name, None) or getattr(functional, name)


@pytest.mark.parametrize("name", UNARY)
def test_unary(name):
    low, high = UNARY[name]
    for seed, shape in enumerate(SHAPES):
        array = drawn(shape, seed, low, high)
        for layout in LAYOUTS:
            ours, theirs = (named(e, name)(laid_out(e, array, layout)) for e in (rushlight, torch))
            exact = laid_out(torch, array, layout, torch.float64)
            reference = named(torch, name)(exact)
            size = CANCELLING[name](exact) if name in CANCELLING else reference
            check(ours, theirs, reference, spacing(size.numpy()), f"{name} of {shape}, {layout}")


@pytest.mark.parametrize("name", BINARY)
def test_binary(name):
    low, high = BINARY[name]
    for seed, shape in enumerate(SHAPES):
        a, b = drawn(shape, seed, low, high), drawn(shape, seed + 99, low, high)
        for left in LAYOUTS:
            for right in LAYOUTS[:3]:
                ours, theirs = (named(e, name)(laid_out(e, a, left), laid_out(e, b, right)) for e in (rushlight, torch))
                reference = named(torch, name)(
                    laid_out(torch, a, left, torch.float64), laid_out(torch, b, right, torch.float64)
                )
                check(ours, theirs, reference, spacing(reference.numpy()), f"{name} of {shape}, {left} and {right}")


@pytest.mark.parametrize("name", UNARY)
def test_unary_special_values(name):
    for copies in (1, 4):  # in the rest of a vector loop, and in its body
        array = np.tile(SPECIAL, copies)
        ours, theirs = (named(e, name)(e.from_numpy(array)) for e in (rushlight, torch))
        reference = named(torch, name)(torch.from_numpy(array).double())
        check(ours, theirs, reference, spacing(reference.numpy()), name)


@pytest.mark.parametrize("name", BINARY)
def test_binary_special_values(name):
    a, b = np.repeat(SPECIAL, len(SPECIAL)), np.tile(SPECIAL, len(SPECIAL))
    ours, theirs = (named(e, name)(e.from_numpy(a), e.from_numpy(b)) for e in (rushlight, torch))
    reference = named(torch, name)(torch.from_numpy(a).double(), torch.from_numpy(b).double())
    # Only where the special values fall is asked: quotients of such inputs have no error worth bounding.
    check(ours, theirs, reference, np.inf, name)


# ---------------------------------------------------------------- sums and what is made of them

# The unit is that of the sum of magnitudes (a function of |x|).
REDUCTIONS = {
    "sum": (lambda x, **k: x.sum(**k), lambda x, **k: x.sum(**k)),
    "mean": (lambda x, **k: x.mean(**k), lambda x, **k: x.mean(**k)),
    "norm": (lambda x, **k: x.norm(**k), lambda x, **k: x.norm(**k)),
    "var": (lambda x, **k: x.var(**k), lambda x, **k: (x * x).mean(**k)),
    # Deviations are from a mean that has been rounded itself.
    "std": (lambda x, **k: x.std(**k), lambda x, **k: 2 * (x * x).mean(**k).sqrt()),
    "prod": (lambda x, dim=0: (1 + x / 99).prod(dim), lambda x, dim=0: (1 + x / 99).prod(dim) * x.shape[dim] ** 0.5),
    "logsumexp": (lambda x, dim=0: x.logsumexp(dim), lambda x, dim=0: x.logsumexp(dim).abs() + 1),
    "amax": (lambda x, dim=0: x.amax(dim), lambda x, dim=0: x.amax(dim)),
}


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    compute, magnitude = REDUCTIONS[name]
    for seed, shape in enumerate([s for s in SHAPES if s != (2, 0, 5)]):
        array = drawn(shape, seed)
        dims = [{"dim": d} for d in range(len(shape))]
        for options in [*dims, {}] if name not in ("prod", "logsumexp", "amax") else dims:
            if name == "amax" and 0 in shape:
                continue
            for layout in LAYOUTS:
                ours, theirs = (compute(laid_out(e, array, layout), **options) for e in (rushlight, torch))
                exact = laid_out(torch, array, layout, torch.float64)
                unit = spacing(magnitude(exact.abs(), **options).nan_to_num().numpy())
                check(ours, theirs, compute(exact, **options), unit, f"{name} {options} of {shape}, {layout}")


@pytest.mark.parametrize("name", ["cumsum", "softmax", "log_softmax", "normalize", "layer_norm"])
def test_along_rows(name):
    def compute(engine, x):
        functional = engine.nn.functional
        if name == "cumsum":
            return x.cumsum(-1)
        if name == "layer_norm":
            return functional.layer_norm(x, x.shape[-1:])
        return getattr(functional, name)(x, dim=-1)

    for seed, shape in enumerate(SHAPES[1:-1]):
        array = drawn(shape, seed)
        for layout in LAYOUTS[:3]:
            ours, theirs = (compute(e, laid_out(e, array, layout)) for e in (rushlight, torch))
            exact = laid_out(torch, array, layout, torch.float64)
            reference = compute(torch, exact)
            if name == "softmax":
                unit = spacing(reference.numpy())  # of each: small probabilities are to be right as well
            else:
                unit = spacing(np.maximum(np.abs(reference.numpy()).max(), 1 if name != "cumsum" else 0))
            check(ours, theirs, reference, unit, f"{name} of {shape}, {layout}")


# ---------------------------------------------------------------- products

SIZES = [
    (1, 1, 1),
    (7, 15, 17),
    (1, 1000, 7),
    (63, 17, 1),
    (15, 63, 63),
    (17, 7, 1000),
    (63, 1000, 15),
    (0, 7, 5),
    (7, 0, 5),
]


@pytest.mark.parametrize("name", ["matmul", "addmm", "linear", "bmm", "mv", "einsum"])
def test_products(name):
    def compute(engine, a, b, c):
        if name == "addmm":
            return engine.addmm(c, a, b)
        if name == "linear":
            return engine.nn.functional.linear(a, b.t(), c)
        if name == "bmm":
            return engine.bmm(engine.stack((a, a)), engine.stack((b, b)))
        if name == "mv":
            return engine.mv(a, b[:, 0])
        if name == "einsum":
            return engine.einsum("ij,jk->ki", a, b)
        return a @ b

    for seed, (m, k, n) in enumerate(SIZES):
        a, b, c = drawn((m, k), seed), drawn((k, n), seed + 50), drawn((n,), seed + 99)
        for left in LAYOUTS[:3]:
            for right in LAYOUTS[:3]:
                results = []
                for engine, dtype in ((rushlight, None), (torch, None), (torch, torch.float64)):
                    operands = (laid_out(engine, a, left, dtype), laid_out(engine, b, right, dtype))
                    results.append(compute(engine, *operands, laid_out(engine, c, "contiguous", dtype)))
                magnitudes = [torch.from_numpy(np.abs(x)).double() for x in (a, b, c)]
                unit = spacing(compute(torch, *magnitudes).numpy())
                check(*results, unit, f"{name} of {m}x{k} and {k}x{n}, {left} and {right}")


# ---------------------------------------------------------------- losses and gradients

LOSSES = {
    "mse_loss": lambda f, x, y: f.mse_loss(x, y),
    "l1_loss": lambda f, x, y: f.l1_loss(x, y),
    "smooth_l1_loss": lambda f, x, y: f.smooth_l1_loss(x, y),
    "huber_loss": lambda f, x, y: f.huber_loss(x, y),
    "binary_cross_entropy": lambda f, x, y: f.binary_cross_entropy(x.sigmoid(), y.sigmoid()),
    "binary_cross_entropy_with_logits": lambda f, x, y: f.binary_cross_entropy_with_logits(x, y.sigmoid()),
    "cross_entropy": lambda f, x, y: f.cross_entropy(x.flatten(0, -2), y.flatten(0, -2).argmax(-1)),
    "nll_loss": lambda f, x, y: f.nll_loss(x.flatten(0, -2), y.flatten(0, -2).argmax(-1)),
    "kl_div": lambda f, x, y: f.kl_div(x.log_softmax(-1), y.softmax(-1), reduction="batchmean"),
    "poisson_nll_loss": lambda f, x, y: f.poisson_nll_loss(x, y.exp()),
}
# Functions whose gradient is asked for by itself: a gradient of ones would hide what cancels in it.
DIFFERENTIABLE = {
    **{
        name: lambda f, x, name=name: getattr(f, name)(x)
        for name in (
            "gelu",
            "silu",
            "mish",
            "elu",
            "softplus",
            "logsigmoid",
            "tanh",
            "sigmoid",
            "softsign",
            "hardswish",
        )
    },
    "softmax": lambda f, x: f.softmax(x, -1),
    "log_softmax": lambda f, x: f.log_softmax(x, -1),
    "layer_norm": lambda f, x: f.layer_norm(x, x.shape[-1:]),
    "normalize": lambda f, x: f.normalize(x, dim=-1),
    "standardised rows": lambda f, x: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1),
    "logsumexp": lambda f, x: x.logsumexp(-1),
    "norm": lambda f, x: x.norm(dim=-1),
    "prod": lambda f, x: (1 + x / 99).prod(-1),
    "var": lambda f, x: x.var(-1),
}
ENGINES = ((rushlight, None), (torch, None), (torch, torch.float64))
ROWS = [(1, 7), (1, 17), (1, 1000), (7, 15), (17, 63), (3, 1000)]


@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_gradients(name):
    for seed, shape in enumerate(ROWS):
        a, b = drawn(shape, seed), drawn(shape, seed + 50)
        for layout in LAYOUTS[:3]:
            results = []
            for engine, dtype in ENGINES:
                x = laid_out(engine, a, layout, dtype).requires_grad_()
                loss = LOSSES[name](engine.nn.functional, x, laid_out(engine, b, layout, dtype))
                loss.backward()
                results.append((loss, x.grad))
            values, gradients = zip(*results)
            unit = spacing(np.maximum(np.abs(values[2].detach().numpy()), 1))
            check(*values, unit, f"{name} of {shape}, {layout}")
            unit = spacing(np.abs(gradients[2].numpy()).max())
            check(*gradients, unit, f"the gradient of {name} of {shape}, {layout}")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name):
    for seed, shape in enumerate(ROWS):
        array = drawn(shape, seed)
        for layout in LAYOUTS[:3]:
            gradients = []
            for engine, dtype in ENGINES:
                x = laid_out(engine, array, layout, dtype).requires_grad_()
                result = DIFFERENTIABLE[name](engine.nn.functional, x)
                upstream = drawn(tuple(result.shape), seed + 50)
                result.backward(laid_out(engine, upstream, "contiguous", dtype))
                gradients.append(x.grad)
            unit = spacing(np.abs(gradients[2].numpy()).max())
            check(*gradients, unit, f"the gradient of {name} of {shape}, {layout}")
