"""Named composites are single kernels: each equals its expansion, forward and backward, whatever the number of threads."""

import math

import pytest

import rushlight as torch
from rushlight.nn import functional as F

SIZES = (1, 7, 15, 17, 63, 1000)


def expand_layer_norm(x, w, b):
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w + b


def expand_rms_norm(x, w, b):
    return x / (x.square().mean(-1, keepdim=True) + 1e-5).sqrt() * w


def expand_batch_norm(x, w, b):
    centred = x - x.mean(0)
    return centred / (centred.square().mean(0) + 1e-5).sqrt() * w + b


def expand_softmax(x, dim):
    e = (x - x.amax(dim, keepdim=True)).exp()
    return e / e.sum(dim, keepdim=True)


NORMS = {
    "layer_norm": (lambda x, w, b: F.layer_norm(x, x.shape[-1:], w, b), expand_layer_norm),
    "rms_norm": (lambda x, w, b: F.rms_norm(x, x.shape[-1:], w, 1e-5), expand_rms_norm),
    "batch_norm": (lambda x, w, b: F.batch_norm(x, None, None, w, b, True), expand_batch_norm),
    "group_norm": (lambda x, w, b: F.group_norm(x, 1, w, b), expand_layer_norm),
}

ACTIVATIONS = {
    "gelu": (F.gelu, lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))),
    "gelu_tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "silu": (F.silu, lambda x: x * torch.sigmoid(x)),
    "mish": (F.mish, lambda x: x * torch.tanh(torch.log1p(torch.exp(x)))),
    "softplus": (F.softplus, lambda x: torch.log1p(torch.exp(x))),
    "logsigmoid": (F.logsigmoid, lambda x: -torch.log1p(torch.exp(-x))),
    "elu": (F.elu, lambda x: torch.where(x > 0, x, torch.expm1(x))),
    "selu": (
        F.selu,
        lambda x: 1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * torch.expm1(x)),
    ),
    "hardswish": (F.hardswish, lambda x: x * (x + 3).clamp(0, 6) / 6),
    "hardsigmoid": (F.hardsigmoid, lambda x: (x + 3).clamp(0, 6) / 6),
    "leaky_relu": (F.leaky_relu, lambda x: torch.where(x > 0, x, 0.01 * x)),
    "tanh": (torch.tanh, lambda x: 1 - 2 / (torch.exp(2 * x) + 1)),
    "sigmoid": (torch.sigmoid, lambda x: 1 / (1 + torch.exp(-x))),
}

LOSSES = {
    "mse": (F.mse_loss, lambda x, t: (x - t).square().mean()),
    "l1": (F.l1_loss, lambda x, t: (x - t).abs().mean()),
    "smooth_l1": (
        F.smooth_l1_loss,
        lambda x, t: torch.where((x - t).abs() < 1, 0.5 * (x - t) ** 2, (x - t).abs() - 0.5).mean(),
    ),
    "huber": (
        lambda x, t: F.huber_loss(x, t, delta=0.5),
        lambda x, t: torch.where((x - t).abs() <= 0.5, 0.5 * (x - t) ** 2, 0.5 * ((x - t).abs() - 0.25)).mean(),
    ),
    "logits": (
        F.binary_cross_entropy_with_logits,
        lambda x, t: (torch.log1p(torch.exp(-x.abs())) + x.clamp(min=0) - x * t).mean(),
    ),
    "bce": (
        lambda x, t: F.binary_cross_entropy(torch.sigmoid(x), t),
        lambda x, t: -(t * torch.sigmoid(x).log() + (1 - t) * (1 - torch.sigmoid(x)).log()).mean(),
    ),
}


def sample(*shape, layout="dense", scale=1.0):
    """Float64 numbers; spread: every other element of a row; turned: the transpose of a dense tensor."""
    torch.manual_seed(sum(shape))
    if layout == "spread":
        x = torch.randn(*shape[:-1], 2 * shape[-1], dtype=torch.float64)[..., ::2]
    elif layout == "turned":
        x = torch.randn(*shape[::-1], dtype=torch.float64).t()
    else:
        x = torch.randn(*shape, dtype=torch.float64)
    return x * scale if scale != 1 else x


def results(function, inputs, dtype):
    """The value and the gradients for a weighting of it that is not even."""
    inputs = [x.detach().to(dtype).requires_grad_() for x in inputs]
    value = function(*inputs)
    weights = torch.linspace(-1, 2, max(value.numel(), 1), dtype=dtype)[: value.numel()].reshape(value.shape)
    grads = torch.autograd.grad(value, inputs, weights, allow_unused=True)
    return [value.detach(), *(g for g in grads if g is not None)]


def same(function, expansion, inputs, tolerance=3e-6):
    exact = results(expansion, inputs, torch.float64)
    wide = results(function, inputs, torch.float64)
    narrow = results(function, inputs, torch.float32)
    for e, w, n in zip(exact, wide, narrow, strict=True):
        size = float(e.abs().max()) if e.numel() else 0.0
        torch.testing.assert_close(w, e, rtol=1e-9, atol=1e-11 * (1 + size))
        torch.testing.assert_close(n.double(), e, rtol=0.0, atol=tolerance * (1 + size))


@pytest.mark.parametrize("layout", ["dense", "spread", "turned"])
# Centring a row of one element leaves nothing but rounding errors, times 1 / sqrt(eps).
@pytest.mark.parametrize(
    ("name", "columns"),
    [(name, n) for name in NORMS for n in SIZES if n > 1 or name not in ("layer_norm", "group_norm")],
)
def test_norms(name, columns, layout):
    rows = 37 if columns < 1000 else 130
    same(*NORMS[name], [sample(rows, columns, layout=layout), sample(columns), sample(columns)], 3e-5)


def test_group_norm_of_rows_and_planes():
    def expand(x, w, b):
        grouped = x.reshape(x.shape[0], 3, -1)
        centred = grouped - grouped.mean(-1, keepdim=True)
        normal = (centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()).reshape(x.shape)
        shape = (1, -1, *(1,) * (x.dim() - 2))
        return normal * w.reshape(shape) + b.reshape(shape)

    for shape in ((50, 21), (5, 6, 7), (2, 9, 4, 4)):
        weights = [sample(shape[1]), sample(shape[1])]
        same(lambda x, w, b: F.group_norm(x, 3, w, b), expand, [sample(*shape), *weights], 3e-5)


def test_norms_far_from_zero():
    """Statistics do not drown in a mean that is large beside the deviation."""
    x = (sample(500, 33) + 1000).float()
    exact = (x.double() - x.double().mean(0)) / (x.double().var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(F.batch_norm(x, None, None, training=True).double(), exact, rtol=0.0, atol=5e-4)
    exact = expand_layer_norm(x.double(), 1.0, 0.0)
    torch.testing.assert_close(F.layer_norm(x, (33,)).double(), exact, rtol=0.0, atol=5e-4)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("size", SIZES)
def test_activations(name, size):
    for layout, scale in (("dense", 1.0), ("dense", 4.0), ("spread", 1.0), ("turned", 2.0)):
        same(*ACTIVATIONS[name], [sample(3, size, layout=layout, scale=scale)])


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", SIZES)
def test_losses(name, size):
    target = (torch.arange(3 * size) % 2).reshape(3, size)
    function, expansion = (lambda x, f=f: f(x, target.to(x.dtype)) for f in LOSSES[name])
    for layout in ("dense", "spread", "turned"):
        same(function, expansion, [sample(3, size, layout=layout)])


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_softmax(size, dim):
    shape = [3, 5, 5]
    shape[dim] = size
    for other in (4, 40, 300):  # columns too few to be walked side by side, and in one strip or several
        shape[2 if dim != 2 else 1] = other
        x = sample(*shape, scale=3.0)
        same(lambda x: torch.softmax(x, dim), lambda x: expand_softmax(x, dim), [x])
        same(lambda x: torch.log_softmax(x, dim), lambda x: expand_softmax(x, dim).log(), [x], 2e-5)


@pytest.mark.parametrize("classes", SIZES)
def test_cross_entropy(classes):
    target = torch.arange(40) % classes
    for layout in ("dense", "spread", "turned"):
        same(
            lambda x: F.cross_entropy(x, target),
            lambda x: -expand_softmax(x, 1).log()[torch.arange(40), target].mean(),
            [sample(40, classes, layout=layout)],
        )


def test_empty():
    for function in (
        *(f for f, _ in ACTIVATIONS.values()),
        lambda x: torch.softmax(x, 1),
        lambda x: F.layer_norm(x, (4,)),
    ):
        x = torch.empty(0, 4, requires_grad=True)
        function(x).sum().backward()
        assert x.grad.shape == (0, 4)
    assert math.isnan(F.mse_loss(torch.empty(0), torch.empty(0)))
    assert torch.softmax(torch.empty(3, 0), 1).shape == (3, 0)


def test_not_a_number():
    """One NaN spoils its row and no other; a row of nothing but -inf has no softmax."""
    for length in (5, 100):
        x = torch.zeros(3, length)
        x[1, length // 2] = math.nan
        for out in (
            torch.softmax(x, 1),
            torch.log_softmax(x, 1),
            F.layer_norm(x, (length,)),
            torch.softmax(x.t(), 0).t(),
        ):
            assert out[1].isnan().all() and not out[0].isnan().any() and not out[2].isnan().any()
        assert torch.softmax(torch.full((2, length), -math.inf), 1).isnan().all()
        x = torch.zeros(1, length)
        x[0, 3] = math.inf
        assert torch.softmax(x, 1).isnan().all()
    for function, _ in ACTIVATIONS.values():
        assert function(torch.full((33,), math.nan)).isnan().all()
    extreme = torch.tensor([-1e30, -200.0, 200.0, 1e30])
    assert F.gelu(extreme).tolist() == [0, 0, 200, extreme[3].item()]
    assert F.mish(extreme).tolist() == [0, 0, 200, extreme[3].item()]
    assert F.softplus(extreme).tolist() == [0, 0, 200, extreme[3].item()]


def test_second_derivatives():
    x = sample(3, 7).requires_grad_()
    for function in (
        F.gelu,
        F.silu,
        F.mish,
        F.softplus,
        F.logsigmoid,
        lambda x: F.rms_norm(x, (7,)),
        lambda x: torch.softmax(x, 0),
    ):
        assert torch.autograd.gradgradcheck(function, (x,))


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("shape", [(1000, 257), (70000, 5), (9, 40000)])
def test_digits_do_not_depend_on_threads(shape, threads):
    x, (w, b) = sample(*shape).float(), (sample(shape[1]).float(), sample(shape[1]).float())
    target = torch.arange(shape[0]) % shape[1]
    functions = [f for f, _ in NORMS.values()]
    functions += [
        lambda x, w, b: torch.softmax(x, 0) * w,
        lambda x, w, b: torch.log_softmax(x, 1) * w,
        lambda x, w, b: F.cross_entropy(x, target),
        lambda x, w, b: F.mse_loss(x, torch.zeros_like(x)),
        lambda x, w, b: F.binary_cross_entropy_with_logits(x, torch.ones_like(x)),
        lambda x, w, b: F.gelu(x),
    ]
    for function in functions:
        torch.set_num_threads(1)
        alone = results(function, [x, w, b], torch.float32)
        torch.set_num_threads(2)
        for _ in range(2):
            together = results(function, [x, w, b], torch.float32)
            assert all(torch.equal(p, q) for p, q in zip(alone, together, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clipping_natively_equals_clipping_by_operations(dtype):
    parameters = [torch.nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in ((3, 5), (17,), ())]
    parameters.append(torch.nn.Parameter(torch.zeros(2, dtype=dtype)))  # without a gradient
    grads = [sample(*p.shape, 1).reshape(p.shape).to(dtype) for p in parameters[:3]]
    for bound in (0.1, 100.0):
        ends = []
        for clip in (
            torch.nn.utils.clip_grad_norm_,
            lambda p, b: torch.nn.utils.clip_grad_norm_(p, b, error_if_nonfinite=True),
        ):
            for p, grad in zip(parameters, grads, strict=False):
                p.grad = grad.clone()
            ends.append([clip(parameters, bound), *(p.grad for p in parameters[:3])])
        assert all(torch.equal(p, q) for p, q in zip(*ends, strict=True))
