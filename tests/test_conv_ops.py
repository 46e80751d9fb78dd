"""Convolution, pooling and normalisation: definitions, gradients of both orders, dtypes, layouts, messages.

Values are checked against the definitions written out in plain loops, gradients against differences.
"""

from itertools import product

import pytest

import rushlight as torch
from rushlight.nn import functional as F


def ramp(*shape, dtype=torch.float64, seed=0, grad=True):
    """Distinct values in (-1, 1) in no order."""
    count = 1
    for n in shape:
        count *= n
    values = [((i * 7919 + seed * 104729 + 17) % 1009) / 504.5 - 1 for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).reshape(shape).to(dtype).requires_grad_(grad)


def strided(x):
    """The same values with other strides."""
    return x.detach().transpose(0, -1).contiguous().transpose(0, -1).requires_grad_(x.requires_grad)


def close(a, b, tolerance=1e-9):
    assert a.shape == b.shape
    assert (a.double() - b.double()).abs().max().item() <= tolerance * max(1.0, b.double().abs().max().item())


def check_gradients(f, *inputs, eps=1e-6):
    """First gradients against central differences of f, second gradients against those of the first."""

    def grads(args, create_graph=False):
        y = f(*args)
        return torch.autograd.grad(y, args, ramp(*y.shape, seed=5, grad=False), create_graph=create_graph)

    def value(args):
        y = f(*args)
        return (y * ramp(*y.shape, seed=5, grad=False)).sum()

    def slope(args):
        return sum((g * ramp(*g.shape, seed=9, grad=False)).sum() for g in grads(args, True))

    for function in (value, slope):
        result = function(inputs)
        if not result.requires_grad:
            continue
        found = torch.autograd.grad(result, inputs, allow_unused=True)
        for k, (x, g) in enumerate(zip(inputs, found, strict=True)):
            way = ramp(*x.shape, seed=3 + k, grad=False)
            ends = []
            for sign in (1, -1):
                moved = [t.detach().clone().requires_grad_() for t in inputs]
                moved[k] = (x.detach() + sign * eps * way).requires_grad_()
                ends.append(function(moved).item())
            expected = (ends[0] - ends[1]) / (2 * eps)
            assert (0 if g is None else (g * way).sum().item()) == pytest.approx(expected, rel=1e-5, abs=1e-6)


# ---------------------------------------------------------------- convolution


def conv_by_definition(x, w, bias, stride, padding, dilation, groups):
    nd, per = x.dim() - 2, w.shape[1]
    out = [(x.shape[2 + d] + 2 * padding - dilation * (w.shape[2 + d] - 1) - 1) // stride + 1 for d in range(nd)]
    y = torch.zeros(x.shape[0], w.shape[0], *out, dtype=x.dtype)
    for o in range(w.shape[0]):
        first = o // (w.shape[0] // groups) * per
        for q in product(*map(range, out)):
            total = torch.zeros(x.shape[0], dtype=x.dtype)
            for t in product(*map(range, w.shape[2:])):
                place = [q[d] * stride - padding + t[d] * dilation for d in range(nd)]
                if all(0 <= p < n for p, n in zip(place, x.shape[2:], strict=True)):
                    total = total + x[(slice(None), slice(first, first + per), *place)] @ w[(o, slice(None), *t)]
            y[(slice(None), o, *q)] = total + bias[o]
    return y


GEOMETRIES = [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 1), (1, 1, 1, 2), (3, 1, 1, 4)]  # stride, padding, dilation, groups


@pytest.mark.parametrize(("nd", "size"), [(1, (9,)), (2, (5, 6)), (3, (5, 5, 5))])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_conv(nd, size, geometry):
    conv, groups = getattr(torch, f"conv{nd}d"), geometry[3]
    x, w, b = ramp(2, 4, *size), ramp(4, 4 // groups, *[3 if nd < 3 else 2] * nd, seed=1), ramp(4, seed=2)
    y = conv(x, w, b, *geometry)
    assert y.grad_fn.name() == "ConvolutionBackward0"
    with torch.no_grad():
        expected = conv_by_definition(x, w, b, *geometry)
    close(y, expected)
    close(conv(strided(x), strided(w), b, *geometry), expected)
    close(conv(x[0], w, b, *geometry), expected[0])
    close(conv(x.float(), w.float(), b.float(), *geometry), expected, 1e-5)
    close(conv(x.bfloat16(), w.bfloat16(), b.bfloat16(), *geometry), expected, 3e-2)
    check_gradients(lambda *a: conv(*a, *geometry), x, w, b)


@pytest.mark.parametrize("nd", [1, 2, 3])
@pytest.mark.parametrize("options", [{}, {"stride": 2, "padding": 1, "output_padding": 1}, {"groups": 2, "dilation": 2},
                                     {"stride": 2, "dilation": 3, "output_padding": 2}])  # fmt: skip
def test_conv_transpose_is_the_adjoint(nd, options):
    """<convT(x), y> = <x, conv(y)> for every x and y, and the sizes are those of the formula."""
    x, w = ramp(2, 4, *[3] * nd), ramp(4, 6 // options.get("groups", 1), *[2] * nd, seed=1)
    transposed = getattr(torch, f"conv_transpose{nd}d")
    z = transposed(x, w, **options)
    s, p, d, extra = (
        options.get(k, v) for k, v in (("stride", 1), ("padding", 0), ("dilation", 1), ("output_padding", 0))
    )
    assert z.shape == (2, 6, *[(3 - 1) * s - 2 * p + d + extra + 1] * nd)
    y = ramp(*z.shape, seed=4)
    straight = {k: v for k, v in options.items() if k != "output_padding"}
    back = getattr(torch, f"conv{nd}d")(y, w, **straight)[(..., *[slice(3)] * nd)]
    assert (z * y).sum().item() == pytest.approx((x * back).sum().item())
    check_gradients(lambda x, w, b: transposed(x, w, b, **options), x, w, ramp(6, seed=2))


def test_conv_padding_by_name():
    x, w = ramp(1, 2, 7, 8), ramp(3, 2, 3, 2, seed=1)
    assert torch.conv2d(x, w, padding="same").shape == (1, 3, 7, 8)
    close(torch.conv2d(x, w, padding="same"), torch.conv2d(F.pad(x, (0, 1)), w, padding=(1, 0)))
    close(torch.conv2d(x, w, padding="valid"), torch.conv2d(x, w))


def test_conv_of_other_dtypes():
    x, w = torch.arange(18).reshape(1, 2, 3, 3), torch.ones(1, 2, 3, 3, dtype=torch.int64)
    assert torch.conv2d(x, w).tolist() == [[[[153]]]]
    c, k = (
        torch.complex(ramp(1, 2, 5), ramp(1, 2, 5, seed=1)),
        torch.complex(ramp(3, 2, 2, seed=2), ramp(3, 2, 2, seed=3)),
    )
    y = torch.conv1d(c, k)
    close(y.real, torch.conv1d(c.real, k.real) - torch.conv1d(c.imag, k.imag))
    close(y.imag, torch.conv1d(c.real, k.imag) + torch.conv1d(c.imag, k.real))


def test_conv_of_nothing():
    assert torch.conv2d(torch.zeros(0, 1, 8, 8), torch.zeros(6, 1, 3, 3)).shape == (0, 6, 6, 6)


# ---------------------------------------------------------------- pooling


def windows(x, kernel, stride, padding, fill):
    """x cut into (..., outputs, window) along its last dimension, for one-dimensional checks."""
    return F.pad(x, (padding, padding), value=fill).unfold(-1, kernel, stride)


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(2, 2, 0), (3, 2, 1), (3, 1, 1)])
def test_pool_by_definition(kernel, stride, padding):
    x = ramp(2, 3, 9)
    close(F.max_pool1d(x, kernel, stride, padding), windows(x, kernel, stride, padding, float("-inf")).max(-1).values)
    close(F.avg_pool1d(x, kernel, stride, padding), windows(x, kernel, stride, padding, 0.0).mean(-1))
    plane = ramp(2, 3, 8, 9)
    rows = F.max_pool1d(plane.flatten(0, 2), kernel, stride, padding).reshape(2, 3, 8, -1).transpose(2, 3)
    both = F.max_pool1d(rows.flatten(0, 2), kernel, stride, padding).reshape(*rows.shape[:3], -1).transpose(2, 3)
    close(F.max_pool2d(plane, kernel, stride, padding), both)
    close(F.max_pool2d(strided(plane), kernel, stride, padding), both)


POOLS = [
    lambda x, n: getattr(F, f"max_pool{n}d")(x, 3, 2, 1),
    lambda x, n: getattr(F, f"max_pool{n}d")(x, 2, 2, 0, 1, True),
    lambda x, n: getattr(F, f"max_pool{n}d")(x, 2, 1, 0, 2),
    lambda x, n: getattr(F, f"avg_pool{n}d")(x, 3, 2, 1),
    lambda x, n: getattr(F, f"avg_pool{n}d")(x, 3, 2, 1, True, False),
    lambda x, n: getattr(F, f"adaptive_avg_pool{n}d")(x, 3),
    lambda x, n: getattr(F, f"adaptive_avg_pool{n}d")(x, 1),
    lambda x, n: getattr(F, f"adaptive_max_pool{n}d")(x, 2),
]


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_pool_gradients(pool, n):
    x = ramp(2, 2, *(5, 4, 5)[:n])
    y = pool(x, n)
    close(pool(strided(x), n), y)
    close(pool(x[0], n), y[0])
    close(pool(x.float(), n), y, 1e-6)
    with torch.no_grad():
        close(pool(x, n), y)
    check_gradients(lambda x: pool(x, n), x)


def test_max_pool_indices():
    x = ramp(2, 3, 6, 7)
    for values, indices in (F.max_pool2d(x, 3, 2, 1, return_indices=True), F.adaptive_max_pool2d(x, (2, 3), True)):
        assert indices.dtype == torch.int64
        close(x.flatten(2).gather(2, indices.flatten(2)), values.flatten(2))
    assert F.max_pool2d(x, 2).grad_fn.name() == "MaxPool2DWithIndicesBackward0"
    assert F.adaptive_avg_pool2d(x, 1).grad_fn.name() == "MeanBackward1"
    assert F.adaptive_avg_pool2d(x, (None, 2)).shape == (2, 3, 6, 2)


def test_pool_of_integers_and_nan():
    assert F.max_pool2d(torch.arange(16).view(1, 4, 4), 2).tolist() == [[[5, 7], [13, 15]]]
    assert F.max_pool1d(torch.tensor([[1.0, float("nan"), 3.0, 4.0]]), 2)[0, 0].isnan()
    assert F.avg_pool2d(torch.ones(1, 2, 2), 2, divisor_override=8).item() == 0.5


# ---------------------------------------------------------------- normalisation


def normalised(x, dims, w, b, eps=1e-5):
    centred = x - x.mean(dims, keepdim=True)
    return centred / ((centred * centred).mean(dims, keepdim=True) + eps).sqrt() * w + b


@pytest.mark.parametrize(("shape", "over"), [((4, 5), (5,)), ((2, 3, 4), (3, 4)), ((3, 40), (40,))])
def test_layer_norm(shape, over):
    x, w, b = ramp(*shape), ramp(*over, seed=1), ramp(*over, seed=2)
    dims = tuple(range(-len(over), 0))
    y = torch.layer_norm(x, over, w, b)
    assert y.grad_fn.name() == "NativeLayerNormBackward0"
    close(y, normalised(x, dims, w, b))
    close(torch.layer_norm(strided(x), over), normalised(x, dims, 1, 0))
    close(torch.layer_norm(x.bfloat16(), over, w.float(), b.float()), y, 3e-2)
    close(torch.layer_norm(x.float(), over, None, b.float()), normalised(x, dims, 1, b), 1e-5)
    check_gradients(lambda *a: torch.layer_norm(a[0], over, *a[1:]), x, w, b)
    check_gradients(lambda x: torch.layer_norm(x, over), x)


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 5), (3, 6, 4, 2)])
def test_group_norm(shape):
    x, w, b = ramp(*shape), ramp(6, seed=1), ramp(6, seed=2)
    sets = normalised(x.reshape(shape[0], 3, -1), (2,), 1, 0).reshape(shape)
    lift = (1, 6) + (1,) * (len(shape) - 2)
    y = torch.group_norm(x, 3, w, b)
    assert y.grad_fn.name() == "NativeGroupNormBackward0"
    close(y, sets * w.view(lift) + b.view(lift))
    close(torch.group_norm(strided(x), 3), sets)
    check_gradients(lambda x, w, b: torch.group_norm(x, 3, w, b), x, w, b)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(shape, training):
    x, w, b = ramp(*shape), ramp(3, seed=1), ramp(3, seed=2)
    mean, var = ramp(3, seed=3, grad=False), ramp(3, seed=4, grad=False).abs() + 0.5
    lift, dims = (1, 3) + (1,) * (len(shape) - 2), [d for d in range(len(shape)) if d != 1]
    before, version = (mean.clone(), var.clone()), mean._version
    y = F.batch_norm(x, mean, var, w, b, training, 0.3)
    assert y.grad_fn.name() == "NativeBatchNormBackward0"
    if training:
        close(y, normalised(x, dims, w.view(lift), b.view(lift)))
        close(mean, 0.7 * before[0] + 0.3 * x.mean(dims))
        close(var, 0.7 * before[1] + 0.3 * x.var(dims))
        assert mean._version > version
    else:
        close(y, (x - mean.view(lift)) / (var.view(lift) + 1e-5).sqrt() * w.view(lift) + b.view(lift))
        assert mean._version == version
        close(torch.batch_norm(x, w, b, mean, var, False, 0.1, 1e-5, False), y)
    check_gradients(lambda x, w, b: F.batch_norm(x, mean, var, w, b, training, 0.0), x, w, b)


def test_batch_norm_keeps_its_digits_far_from_zero():
    x = ramp(4, 2, 50, dtype=torch.float32, grad=False) + 1000
    close(F.batch_norm(x, None, None, training=True), normalised(x.double(), (0, 2), 1, 0), 1e-4)


# ---------------------------------------------------------------- padding and messages


@pytest.mark.parametrize("pad", [(1, 2), (-1, 2, 1, 0), (-1, -1), (0, 0, 1, 1, 2, -1)])
def test_constant_pad(pad):
    x = ramp(3, 4, 5)
    y = torch.constant_pad_nd(x, pad, 1.5)
    assert y.grad_fn.name() == "ConstantPadNdBackward0"
    inside = torch.constant_pad_nd(torch.ones(3, 4, 5), pad) != 0
    assert (y[~inside] == 1.5).all()
    check_gradients(lambda x: torch.constant_pad_nd(x, pad, 1.5), x)


z = torch.zeros
MESSAGES = [
    (lambda: F.conv2d(z(1, 3, 8, 8), z(6, 1, 3, 3)), "Given groups=1, weight of size [6, 1, 3, 3], expected input[1, 3, 8, 8] to have 1 channels, but got 3 channels instead"),
    (lambda: F.conv2d(z(2, 3), z(6, 1, 3, 3)), "Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [2, 3]"),
    (lambda: F.conv2d(z(1, 1, 2, 2), z(6, 1, 3, 3)), "Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size can't be greater than actual input size"),
    (lambda: F.conv2d(z(1, 1, 8, 8), z(6, 1, 3, 3), z(5)), "Given weight of size [6, 1, 3, 3], expected bias to be 1-dimensional with 6 elements, but got bias of size [5] instead"),
    (lambda: F.conv2d(z(1, 1, 8, 8), z(6, 1, 3, 3), stride=(1, 2, 3)), "expected stride to be a single integer value or a list of 2 values to match the convolution dimensions, but got stride=[1, 2, 3]"),
    (lambda: F.conv2d(z(1, 1, 8, 8), z(6, 1, 3, 3), padding="same", stride=2), "padding='same' is not supported for strided convolutions"),
    (lambda: F.conv2d(z(1, 1, 8, 8).double(), z(6, 1, 3, 3)), "expected scalar type Double but found Float"),
    (lambda: F.conv2d(z(1, 1, 8, 8), z(6, 1, 3, 3), z(6).double()), "Input type (float) and bias type (double) should be the same"),
    (lambda: F.conv_transpose2d(z(1, 3, 8, 8), z(2, 6, 3, 3)), "Given transposed=1, weight of size [2, 6, 3, 3], expected input[1, 3, 8, 8] to have 2 channels, but got 3 channels instead"),
    (lambda: F.max_pool2d(z(1, 3, 1, 1), 2), "Given input size: (3x1x1). Calculated output size: (3x0x0). Output size is too small"),
    (lambda: F.max_pool2d(z(1, 3, 4, 4), 2, padding=2), "pad should be at most half of effective kernel size, but got pad=2, kernel_size=2 and dilation=1"),
    (lambda: F.max_pool2d(z(1, 3, 4, 4), (2, 2, 2)), "max_pool2d: kernel_size must either be a single int, or a tuple of two ints"),
    (lambda: F.max_pool3d(z(1, 3, 4, 4, 4), 2, -1), "stride should be greater than zero, but got dT: -1 dH: -1 dW: -1"),
    (lambda: F.max_pool1d(z(1, 3, 4), 0), "max_pool1d() kernel_size must be greater than zero, but got 0"),
    (lambda: F.avg_pool2d(z(1, 3, 4, 4), 2, divisor_override=0), "divisor must be not zero"),
    (lambda: F.adaptive_avg_pool2d(z(3, 4), 2), "adaptive_avg_pool2d(): Expected 3D or 4D tensor, but got [3, 4]"),
    (lambda: F.layer_norm(z(2, 3), (4,)), "Given normalized_shape=[4], expected input with shape [*, 4], but got input of size[2, 3]"),
    (lambda: F.layer_norm(z(2, 3), (3,), z(4)), "Expected weight to be of same shape as normalized_shape, but got weight of shape [4] and normalized_shape = [3]"),
    (lambda: F.group_norm(z(2, 3), 2), "Expected number of channels in input to be divisible by num_groups, but got input of shape [2, 3] and num_groups=2"),
    (lambda: F.batch_norm(z(1, 3), z(3), z(3), training=True), "Expected more than 1 value per channel when training, got input size torch.Size([1, 3])"),
    (lambda: F.batch_norm(z(2, 3), z(4), z(3), training=True), "running_mean should contain 3 elements not 4"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), MESSAGES, ids=[m[:40] for _, m in MESSAGES])
def test_messages(call, message):
    with pytest.raises((RuntimeError, ValueError)) as caught:
        call()
    assert str(caught.value) == message
