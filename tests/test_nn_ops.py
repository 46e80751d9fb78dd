"""Activations, softmax and losses: values recorded from PyTorch 2.13, derivatives against differences, messages."""

import math
import warnings

import pytest

import rushlight as torch
import rushlight.nn.functional as F

GRID = [-3.1, -1.2, -0.4, 0.3, 0.8, 2.7]

ACTIVATIONS = {
    "relu": F.relu, "relu6": lambda x: F.relu6(3 * x), "hardtanh": F.hardtanh, "elu": F.elu, "selu": F.selu,
    "celu": lambda x: F.celu(x, 0.7), "leaky_relu": F.leaky_relu, "silu": F.silu, "mish": F.mish,
    "hardswish": F.hardswish, "hardsigmoid": F.hardsigmoid, "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"), "softplus": lambda x: F.softplus(x, 2.0, 3.0),
    "softshrink": F.softshrink, "hardshrink": F.hardshrink, "logsigmoid": F.logsigmoid, "glu": F.glu,
    "threshold": lambda x: F.threshold(x, 0.1, 5.0), "softmax": lambda x: torch.softmax(x, 0),
    "log_softmax": lambda x: torch.log_softmax(x, 0),
}  # fmt: skip


def numeric_gradient(f, x, h=1e-6):
    out = []
    for i in range(x.numel()):
        step = torch.zeros_like(x)
        step[i] = h
        out.append((f(x + step).item() - f(x - step).item()) / (2 * h))
    return out


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_derivatives_agree_with_differences(name):
    x = torch.tensor(GRID, dtype=torch.float64, requires_grad=True)
    weigh = lambda y: (y * torch.arange(1.0, y.numel() + 1, dtype=torch.float64)).sum()  # noqa: E731
    f = lambda x: weigh(ACTIVATIONS[name](x))  # noqa: E731
    (first,) = torch.autograd.grad(f(x), x, create_graph=True)
    assert first.tolist() == pytest.approx(numeric_gradient(f, x.detach()), abs=1e-6)
    slope = lambda x: weigh(torch.autograd.grad(f(x), x, create_graph=True)[0])  # noqa: E731
    (second,) = torch.autograd.grad(slope(x), x)
    with torch.enable_grad():
        expected = numeric_gradient(slope, x.detach().clone().requires_grad_(), 1e-5)
    assert second.tolist() == pytest.approx(expected, abs=1e-4)


def test_values_at_the_edges():
    x = torch.tensor([float("nan"), -3.0, 3.0, float("inf"), -float("inf")])
    for name, expected in {
        "relu": [math.nan, 0.0, 3.0, math.inf, 0.0],
        "hardtanh": [math.nan, -1.0, 1.0, 1.0, -1.0],
        "hardshrink": [math.nan, -3.0, 3.0, math.inf, -math.inf],
        "softshrink": [math.nan, -2.5, 2.5, math.inf, -math.inf],
        "hardsigmoid": [math.nan, 0.0, 1.0, 1.0, 0.0],
    }.items():
        assert getattr(F, name)(x).tolist() == pytest.approx(expected, nan_ok=True), name


@pytest.mark.parametrize("name", "relu relu6 hardtanh elu selu celu leaky_relu silu mish hardswish hardsigmoid".split())
def test_inplace_is_the_same_function(name):
    f = getattr(F, name)
    x = torch.tensor(GRID, requires_grad=True)
    y = x * 1
    assert f(y, inplace=True) is y
    assert y.tolist() == f(x).tolist()
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == torch.autograd.grad(f(x).sum(), x)[0].tolist()


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 70), (2, 1500), (5,), ()])
def test_softmax_along_every_dimension(shape):
    x = torch.linspace(-4, 4, math.prod(shape)).reshape(shape).sin() * 5
    for dim in range(-1, len(shape)):
        e = (x.double() - x.double().amax(dim, keepdim=True)).exp()
        expected = e / e.sum(dim, keepdim=True)
        assert torch.allclose(torch.softmax(x, dim), expected.float(), rtol=2e-6)
        assert torch.allclose(torch.log_softmax(x, dim), expected.log().float(), rtol=2e-6, atol=1e-6)
        assert torch.allclose(x.half().softmax(dim).float(), expected.float(), atol=4e-3)
    assert torch.softmax(x, 0, dtype=torch.float64).dtype is torch.float64


def test_node_names():
    x = torch.tensor([[0.2, 0.7]], requires_grad=True)
    t, c = torch.tensor([[0.5, 0.1]]), torch.tensor([1])
    for y, name in (
        (F.relu(x), "ReluBackward0"), (F.relu6(x), "HardtanhBackward0"), (F.selu(x), "EluBackward0"),
        (F.gelu(x, approximate="tanh"), "GeluBackward0"), (F.logsigmoid(x), "LogSigmoidBackward0"),
        (F.prelu(x, torch.ones(1)), "PreluKernelBackward0"), (F.mse_loss(x, t), "MseLossBackward0"),
        (F.l1_loss(x, t), "MeanBackward0"), (F.l1_loss(x, t, reduction="none"), "AbsBackward0"),
        (F.smooth_l1_loss(x, t), "SmoothL1LossBackward0"), (F.huber_loss(x, t), "HuberLossBackward0"),
        (F.binary_cross_entropy(x, t), "BinaryCrossEntropyBackward0"), (F.cross_entropy(x, c), "NllLossBackward0"),
        (F.binary_cross_entropy_with_logits(x, t), "BinaryCrossEntropyWithLogitsBackward0"),
    ):  # fmt: skip
        assert y.grad_fn.name() == name


X = [[0.2, 0.7, 0.4], [0.9, 0.1, 0.6]]
Y = [[0.5, 0.1, 0.95], [0.3, 0.8, 0.05]]


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "binary_cross_entropy",
                                  "binary_cross_entropy_with_logits"])  # fmt: skip
def test_elementwise_losses(loss):
    f = getattr(F, loss)
    x = torch.tensor(X, dtype=torch.float64, requires_grad=True)
    t = torch.tensor(Y, dtype=torch.float64, requires_grad=True)
    each = f(x, t, reduction="none")
    assert f(x, t).item() == pytest.approx(each.mean().item())
    assert f(x, t, reduction="sum").item() == pytest.approx(each.sum().item())
    assert f(x.t(), t.t(), reduction="none").t().tolist() == each.tolist()
    for wanted in (x, t):
        (g,) = torch.autograd.grad(f(x, t), wanted)
        if wanted is x:
            check = lambda v: f(v.reshape(2, 3), t)  # noqa: E731
        else:
            check = lambda v: f(x, v.reshape(2, 3))  # noqa: E731
        assert g.reshape(-1).tolist() == pytest.approx(numeric_gradient(check, wanted.detach().reshape(-1)), abs=1e-6)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0]])
def test_cross_entropy_is_nll_of_log_softmax(reduction, weight):
    w = None if weight is None else torch.tensor(weight, dtype=torch.float64)
    for shape, target in (((3,), 2), ((4, 3), [0, 2, -100, 1]), ((2, 3, 2), [[0, 2], [1, -100]])):
        x = torch.linspace(-2, 3, math.prod(shape), dtype=torch.float64).reshape(shape).sin().requires_grad_()
        t = torch.tensor(target)
        dim = 0 if len(shape) == 1 else 1
        fused = F.cross_entropy(x, t, w, reduction=reduction)
        parts = F.nll_loss(torch.log_softmax(x, dim), t, w, reduction=reduction)
        assert torch.allclose(fused, parts)
        a, b = (torch.autograd.grad((v * v).sum(), x, create_graph=True)[0] for v in (fused, parts))
        assert torch.allclose(a, b)
        assert torch.allclose(*(torch.autograd.grad((v * v).sum(), x)[0] for v in (a, b)))


def test_cross_entropy_values_recorded_from_pytorch():
    x, c = torch.tensor([[1.0, 2.0, 3.0], [0.5, -0.5, 0.0]]), torch.tensor([2, 1])
    assert F.cross_entropy(x, c).item() == pytest.approx(1.0439378, rel=1e-6)
    assert F.cross_entropy(x, c, label_smoothing=0.1).item() == pytest.approx(1.0689378, rel=1e-6)
    p = torch.tensor([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]])
    assert F.cross_entropy(x, p).item() == pytest.approx(0.9939379, rel=1e-6)


def test_messages():
    x, c, t = torch.zeros(2, 3), torch.tensor([0, 1]), torch.full((2, 3), 0.5)
    for kind, message, call in (
        (ValueError, "bad is not a valid value for reduction", lambda: F.mse_loss(x, t, reduction="bad")),
        (ValueError, "is deprecated. Please ensure they have the same size.", lambda: F.binary_cross_entropy(x, t[0])),
        (ValueError, "Target size (torch.Size([3])) must be the same as input size (torch.Size([2, 3]))",
         lambda: F.binary_cross_entropy_with_logits(x, t[0])),
        (RuntimeError, "all elements of input should be between 0 and 1", lambda: F.binary_cross_entropy(x - 1, t)),
        (RuntimeError, "Found dtype Double but expected Float", lambda: F.binary_cross_entropy(x, t.double())),
        (IndexError, "Target 3 is out of bounds.", lambda: F.cross_entropy(x, c + 2)),
        (ValueError, "Expected input batch_size (2) to match target batch_size (1).", lambda: F.nll_loss(x, c[:1])),
        (RuntimeError, "expected target dtype to be Long or Byte, but got Float", lambda: F.nll_loss(x, c.float())),
        (RuntimeError, "Halving dimension must be even, but dimension 1 is size 3", lambda: F.glu(x)),
        (RuntimeError, "approximate argument must be either none or tanh.", lambda: F.gelu(x, approximate="fast")),
        (NotImplementedError, "softmax_lastdim_kernel_impl\" not implemented for 'Long'", lambda: c.softmax(0)),
    ):  # fmt: skip
        with pytest.raises(kind) as caught:
            call()
        assert message in str(caught.value)
    with pytest.warns(UserWarning, match="Using a target size"):
        F.mse_loss(x, t[0])
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        F.mse_loss(x, t, size_average=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        F.mse_loss(x, t)
