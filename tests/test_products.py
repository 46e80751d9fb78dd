"""Matrix products against float64 references: awkward shapes, layouts, values, and numbers of threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rushlight as torch
from rushlight.nn import functional as F

# Few of everything, each of them long once, and what is cut into several blocks, strips or parts of k.
SHAPES = [
    *itertools.product((1, 7, 17), (1, 15, 33), (1, 31, 63)),
    *((m, n, 65) for m, n in itertools.product((1, 15, 65, 255), repeat=2)),
    *((m, n, k) for m, n, k in itertools.permutations((1, 33, 1000))),
    *((m, n, k) for m, n, k in itertools.permutations((7, 257, 1000))),
    *(
        (255, 257, 31),
        (257, 255, 513),
        (100, 96, 300),
        (1000, 1000, 17),
        (2100, 33, 65),
        (33, 2100, 65),
        (10, 128, 9000),
    ),
    *((64, 64, 5000), (1, 1, 70000), (3, 1, 20000), (1, 3, 20000)),
]
LAYOUTS = ("plain", "transposed", "sliced", "sliced transposed", "strided")


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def laid_out(values: np.ndarray, layout: str) -> torch.Tensor:
    """A tensor of these values whose memory is arranged as named."""
    if "transposed" in layout:
        return laid_out(values.T, layout.replace("transposed", "").strip() or "plain").t()
    if layout == "plain":
        return torch.from_numpy(values.copy())
    rows, columns = values.shape
    step = 2 if layout == "strided" else 1
    room = torch.full((rows + 3, columns * step + 5), float("nan"), dtype=torch.from_numpy(values).dtype)
    view = room[2 : 2 + rows, 3 : 3 + columns * step : step]
    view.copy_(torch.from_numpy(values.copy()))
    return view


def operands(m, n, k, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


def assert_close(result, a, b, extra=0.0):
    """Within four times NumPy's own error, or what one rounding of each of a few partial sums may bring."""
    exact = a.astype(np.float64) @ b.astype(np.float64) + extra
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64) + np.abs(extra)
    numpys = np.abs((a @ b + np.asarray(extra, a.dtype)).astype(np.float64) - exact)
    allowed = 4 * numpys.max(initial=0) + 4 * np.finfo(a.dtype).eps * size
    if a.dtype == np.float64:  # the reference itself is rounded
        allowed += 16 * np.finfo(np.float64).eps * size
    assert result.shape == exact.shape
    assert (np.abs(result.detach().numpy().astype(np.float64) - exact) <= allowed).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_shapes(shape, dtype):
    a, b = operands(*shape, dtype)
    for layout in ("plain", "transposed"):
        for other in ("plain", "transposed"):
            assert_close(laid_out(a, layout) @ laid_out(b, other), a, b)


@pytest.mark.parametrize("shape", [(1, 65, 63), (5, 7, 3), (65, 1, 63), (63, 33, 65), (257, 255, 100)], ids=str)
@pytest.mark.parametrize("layouts", list(itertools.product(LAYOUTS, LAYOUTS)), ids=" by ".join)
def test_layouts(layouts, shape):
    a, b = operands(*shape, "float32")
    x, y = laid_out(a, layouts[0]), laid_out(b, layouts[1])
    assert_close(torch.mm(x, y), a, b)
    bias = np.linspace(-1, 1, shape[1], dtype="float32")
    assert_close(F.linear(x, y.t(), torch.from_numpy(bias)), a, b, bias)


@pytest.mark.parametrize("sizes", [(0, 3, 4), (3, 0, 4), (3, 4, 0), (0, 0, 0)], ids=str)
def test_empty(sizes):
    m, n, k = sizes
    assert (torch.ones(m, k) @ torch.ones(k, n)).tolist() == (torch.ones(m, n) * k).tolist()
    assert F.linear(torch.ones(m, k), torch.ones(n, k), torch.ones(n)).tolist() == (torch.ones(m, n) * (1 + k)).tolist()
    assert (
        torch.addmm(torch.ones(n), torch.ones(m, k), torch.ones(k, n), beta=2).tolist()
        == (torch.ones(m, n) * (2 + k)).tolist()
    )
    assert torch.bmm(torch.ones(2, m, k), torch.ones(2, k, n)).shape == (2, m, n)
    assert torch.dot(torch.ones(0), torch.ones(0)).item() == 0


def test_broadcast_operands():
    row, column = torch.arange(65.0).expand(33, 65), torch.arange(33.0).unsqueeze(1).expand(33, 65)
    for x in (row, column):
        assert_close(x @ row.t(), x.numpy(), row.t().numpy())
        assert_close(x.t() @ column, x.t().numpy(), column.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 17, 1000, 4097, 300001])
def test_dot(n, dtype):
    a, b = operands(1, 1, n, dtype)
    x, y = torch.from_numpy(a[0]), torch.from_numpy(b[:, 0].copy())
    assert_close(torch.dot(x, y).reshape(1, 1), a, b)
    spread = torch.from_numpy(np.repeat(a[0], 3))[::3]
    assert_close(torch.dot(spread, y).reshape(1, 1), a, b)


@pytest.mark.parametrize("m, k", [(1, 1), (7, 65), (65, 7), (1000, 33), (33, 1000), (513, 700)])
def test_mv(m, k):
    a, b = operands(m, 1, k, "float32")
    for layout in LAYOUTS:
        for vector in (torch.from_numpy(b[:, 0].copy()), torch.from_numpy(np.repeat(b, 2, axis=1))[:, 0]):
            assert_close(torch.mv(laid_out(a, layout), vector).reshape(m, 1), a, b)


def turned(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 2, 1))).transpose(1, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [1, 2, 19, 700])
@pytest.mark.parametrize(
    "m, n, k",
    [(1, 1, 1), (2, 2, 2), (1, 5, 6), (3, 3, 3), (4, 8, 1), (8, 8, 9), (7, 17, 5), (65, 33, 63), (130, 100, 96)],
)
def test_batches(batch, m, n, k, dtype):
    if batch > 19:
        batch = min(batch, 100_000 // (m * n * k) + 3)
    rng = np.random.default_rng(1)
    a, b = rng.standard_normal((batch, m, k)).astype(dtype), rng.standard_normal((batch, k, n)).astype(dtype)
    c = rng.standard_normal((batch, m, n)).astype(dtype)
    for x, y in itertools.product((torch.from_numpy(a), turned(a)), (torch.from_numpy(b), turned(b))):
        plain, added = torch.bmm(x, y), torch.baddbmm(torch.from_numpy(c), x, y, beta=0.5, alpha=2)
        for i in range(batch):
            assert_close(plain[i], a[i], b[i])
            assert_close(added[i], 2 * a[i], b[i], 0.5 * c[i])
    same = torch.from_numpy(b[0]).expand(batch, k, n)
    for i, product in enumerate(torch.bmm(torch.from_numpy(a), same)):
        assert_close(product, a[i], b[0])


@pytest.mark.parametrize("shape", [(5, 3, 2), (65, 33, 63), (200, 100, 300), (10, 12, 9000)], ids=str)
@pytest.mark.parametrize("beta, alpha", [(1, 1), (0, 1), (0.5, 2), (-1, 0)])
def test_addmm(shape, beta, alpha):
    m, n, _ = shape
    a, b = operands(*shape, "float32")
    for c in (
        np.full((m, n), 3, "f"),
        np.arange(n, dtype="f"),
        np.arange(m, dtype="f").reshape(m, 1),
        np.array(2, "f"),
    ):
        result = torch.addmm(torch.from_numpy(c), torch.from_numpy(a), torch.from_numpy(b), beta=beta, alpha=alpha)
        assert_close(result, np.float32(alpha) * a, b, np.broadcast_to(np.float32(beta) * c, (m, n)))


def test_beta_zero_does_not_read_the_input():
    nan = torch.full((40, 50), float("nan"))
    a, b = torch.ones(40, 60), torch.ones(60, 50)
    assert torch.addmm(nan, a, b, beta=0).eq(60).all()
    assert torch.baddbmm(nan.expand(2, 40, 50), a.expand(2, 40, 60), b.expand(2, 60, 50), beta=0).eq(60).all()


def test_baddbmm_of_integers_truncates_its_numbers():
    ones = torch.ones(1, 2, 2, dtype=torch.int64)
    assert torch.baddbmm(ones, ones, ones, beta=1.5, alpha=2.5).tolist() == [[[5, 5], [5, 5]]]


@pytest.mark.parametrize(
    "shape", [(4, 5, 6), (65, 33, 63), (130, 140, 150), (3, 300, 40), (300, 3, 40), (9, 11, 9000)], ids=str
)
def test_nan_and_infinity_stay_in_their_rows_and_columns(shape):
    m, n, k = shape
    a, b = operands(*shape, "float32")
    a[m // 2, k // 3] = np.nan
    b[k // 2, n // 2] = np.inf
    for x, y in itertools.product(("plain", "transposed"), repeat=2):
        result = (laid_out(a, x) @ laid_out(b, y)).numpy()
        with np.errstate(invalid="ignore"):
            reference = a.astype("d") @ b.astype("d")
        assert (np.isnan(result) == np.isnan(reference)).all()
        assert (np.isposinf(result) == np.isposinf(reference)).all()
        assert (np.isneginf(result) == np.isneginf(reference)).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "shape",
    [(128, 128, 128), (255, 257, 300), (1, 4096, 700), (4096, 1, 700), (8, 2000, 500), (2000, 8, 500), (10, 128, 20000)]
    + [(5000, 20, 30), (20, 5000, 30), (2100, 2100, 20)],
    ids=str,
)
def test_the_number_of_threads_does_not_change_a_digit(shape, dtype):
    a, b = operands(*shape, dtype)
    for x, y in itertools.product(("plain", "transposed"), repeat=2):
        left, right = laid_out(a, x), laid_out(b, y)
        results = []
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append((left @ right).numpy().tobytes())
        assert results[0] == results[1] == results[2]


def test_batches_and_sums_in_threads_have_the_same_digits():
    rng = np.random.default_rng(2)
    a, b = (
        torch.from_numpy(rng.standard_normal((40, 50, 60)).astype("f")),
        torch.from_numpy(rng.standard_normal((40, 60, 70)).astype("f")),
    )
    v = torch.from_numpy(rng.standard_normal(1_000_001).astype("f"))
    results = []
    for n in (1, 2, 3):
        torch.set_num_threads(n)
        results.append((torch.bmm(a, b).numpy().tobytes(), torch.dot(v, v).item()))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 17, 5), (65, 70, 33), (130, 65, 100)], ids=str)
def test_integers_wrap_around(shape, dtype):
    m, n, k = shape
    rng = np.random.default_rng(3)
    info = np.iinfo(dtype)
    a, b = (rng.integers(info.min, info.max, s, dtype=dtype, endpoint=True) for s in ((m, k), (k, n)))
    with np.errstate(over="ignore"):
        expected = (a @ b).astype(dtype)
    for x, y in itertools.product(("plain", "transposed"), repeat=2):
        left = torch.from_numpy(np.ascontiguousarray(a.T)).t() if x == "transposed" else torch.from_numpy(a)
        right = torch.from_numpy(np.ascontiguousarray(b.T)).t() if y == "transposed" else torch.from_numpy(b)
        assert ((left @ right).numpy() == expected).all()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_round_once(dtype):
    a, b = operands(33, 65, 70, "float32")
    x, y = torch.from_numpy(a).to(getattr(torch, dtype)), torch.from_numpy(b).to(getattr(torch, dtype))
    wide = x.to(torch.float32) @ y.to(torch.float32)
    difference = ((x @ y).to(torch.float32) - wide).abs()
    assert (difference <= (2**-10 if dtype == "float16" else 2**-8) * wide.abs() + 1e-4).all()


@pytest.mark.parametrize("lead", [(), (5,), (2, 3), (2, 0, 3), (2, 3, 4)], ids=str)
def test_linear_and_its_gradients_in_any_number_of_dimensions(lead):
    rng = np.random.default_rng(4)
    x0, w0, b0 = rng.standard_normal((*lead, 7)), rng.standard_normal((5, 7)), rng.standard_normal(5)
    g0 = rng.standard_normal((*lead, 5))
    for turned in (False, True):
        x = torch.from_numpy(x0).requires_grad_()
        w = (torch.from_numpy(w0.T.copy()).t() if turned else torch.from_numpy(w0)).requires_grad_()
        b = torch.from_numpy(b0).requires_grad_()
        out = F.linear(x, w, b)
        np.testing.assert_allclose(out.detach().numpy(), x0 @ w0.T + b0, rtol=1e-12, atol=1e-12)
        out.backward(torch.from_numpy(g0))
        np.testing.assert_allclose(x.grad.numpy(), g0 @ w0, rtol=1e-12, atol=1e-12)
        flat_g, flat_x = g0.reshape(-1, 5), x0.reshape(-1, 7)
        np.testing.assert_allclose(w.grad.numpy(), flat_g.T @ flat_x, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(b.grad.numpy(), flat_g.sum(0), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "lead, bias", [((3,), (1, 5)), ((3,), (3, 1)), ((3,), (3, 5)), ((2, 3), (1, 5)), ((3,), ()), ((), (1,))]
)
def test_linear_with_a_bias_that_broadcasts(lead, bias):
    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.standard_normal((*lead, 7))).requires_grad_()
    w = torch.from_numpy(rng.standard_normal((5, 7))).requires_grad_()
    b = torch.from_numpy(rng.standard_normal(bias)).requires_grad_()
    weights = torch.from_numpy(rng.standard_normal((*lead, 5)))
    grads = torch.autograd.grad((F.linear(x, w, b) * weights).sum(), (x, w, b))
    for grad, expected in zip(grads, torch.autograd.grad(((x @ w.t() + b) * weights).sum(), (x, w, b)), strict=True):
        assert grad.shape == expected.shape
        np.testing.assert_allclose(grad.numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


def test_linear_refuses_a_bias_that_does_not_fit():
    for bias in (torch.ones(3, 4, 5), torch.ones(1, 4), torch.ones(4)):
        with pytest.raises(RuntimeError, match="broadcast|expanded size|must match"):
            F.linear(torch.ones(2, 7), torch.ones(5, 7), bias)


@pytest.mark.parametrize("function", ["addmm", "baddbmm"])
def test_gradients_of_sums_with_products(function):
    shapes = ((3, 4), (3, 5), (5, 4)) if function == "addmm" else ((1, 4), (2, 3, 5), (2, 5, 4))
    rng = np.random.default_rng(5)
    inputs = [torch.from_numpy(rng.standard_normal(s)).requires_grad_() for s in shapes]
    call = getattr(torch, function)
    assert torch.autograd.gradcheck(lambda c, a, b: call(c, a, b, beta=0.5, alpha=-2), inputs)
