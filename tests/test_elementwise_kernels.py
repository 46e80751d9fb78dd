"""Vectorised kernels against Python's own arithmetic, element by element: blocks that take the quick form and blocks that do not,
sizes that are no whole number of vectors, rows that are joined."""

import itertools
import math
import operator
import random

import pytest

import rushlight as torch

SIZES = (0, 1, 7, 15, 17, 63, 1000, 5000)
INTEGERS = {torch.uint8: (0, 255), torch.int32: (-(2**31), 2**31 - 1), torch.int64: (-(2**63), 2**63 - 1)}


def same(got, want):
    """Equal as numbers, with NaN and the sign of zero."""
    assert len(got) == len(want)
    for i, (a, b) in enumerate(zip(got, want, strict=True)):
        assert (a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b), (i, a, b)


def numbers(n, dtype, seed=0, span=6):
    """Numbers of many magnitudes, as `dtype` holds them."""
    rng = random.Random(seed)
    return torch.tensor([rng.choice((-1, 1)) * 10 ** rng.uniform(-span, span) for _ in range(n)], dtype=dtype)


# ---------------------------------------------------------------- division with a remainder

AWKWARD = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e30, -1e30, 5e-324, 1e-40, 3.0, -3.0, 0.1]


def remainder_of(a, b):
    if b == 0 or math.isinf(a) or a != a or b != b:
        return math.nan
    return math.fmod(a, b)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n", SIZES)
def test_fmod_is_exact(dtype, n):
    a, b = numbers(n, dtype), numbers(n, dtype, seed=1)
    same(torch.fmod(a, b).tolist(), [remainder_of(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)])
    whole = (b * 3).round() * b  # quotients near whole numbers
    same(torch.fmod(whole, b).tolist(), [remainder_of(x, y) for x, y in zip(whole.tolist(), b.tolist(), strict=True)])
    same(torch.fmod(a, 0.3).tolist(), [remainder_of(x, torch.tensor(0.3, dtype=dtype).item()) for x in a.tolist()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_remainders_of_awkward_numbers(dtype):
    pairs = list(itertools.product(AWKWARD, AWKWARD))
    a, b = (torch.tensor(v, dtype=dtype) for v in zip(*pairs, strict=True))
    want = [remainder_of(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    same(torch.fmod(a, b).tolist(), want)
    lifted = [m + y if m and (m < 0) != (y < 0) else m for m, y in zip(want, b.double().tolist(), strict=True)]
    same(torch.remainder(a, b).tolist(), torch.tensor(lifted, dtype=torch.float64).to(dtype).tolist())


def test_python_agrees_on_float64():
    a, b = numbers(3000, torch.float64), numbers(3000, torch.float64, seed=1, span=3)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    assert (a % b).tolist() == [x % y for x, y in pairs]
    assert (a // b).tolist() == [x // y for x, y in pairs]
    assert torch.div(a, b, rounding_mode="floor").tolist() == [x // y for x, y in pairs]
    assert (a.t() % 0.7).tolist() == [x % 0.7 for x, _ in pairs]


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("large", [False, True])
def test_integers_divided(dtype, large):
    low, high = INTEGERS[dtype] if large else (max(INTEGERS[dtype][0], -100), 100)
    rng = random.Random(3)
    for n in SIZES:
        x, y = [rng.randint(low, high) for _ in range(n)], [rng.randint(low, high) or 1 for _ in range(n)]
        if n > 10 and large:
            x[:3], y[:3] = [low, high, 2**50 % high], [high, low or 1, 3]
        a, b = torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype)
        pairs = list(zip(x, y, strict=True))
        assert (a // b).tolist() == [p // q for p, q in pairs]
        assert (a % b).tolist() == [p % q for p, q in pairs]
        cut = [abs(p) // abs(q) * (1 if (p < 0) == (q < 0) else -1) for p, q in pairs]
        assert torch.div(a, b, rounding_mode="trunc").tolist() == cut
        assert torch.fmod(a, b).tolist() == [p - q * c for (p, q), c in zip(pairs, cut, strict=True)]
        assert (a // 7).tolist() == [p // 7 for p in x]


# ---------------------------------------------------------------- integers, booleans, complex numbers

COMPARISONS = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("n", SIZES)
def test_integer_arithmetic(dtype, n):
    low, high = INTEGERS[dtype]
    rng = random.Random(n)
    x, y = [rng.randint(low, high) for _ in range(n)], [rng.choice((rng.randint(low, high), 5)) for _ in range(n)]
    a, b = torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype)
    span = high - low + 1

    def wrapped(v):
        return (v - low) % span + low

    for f in (operator.add, operator.sub, operator.mul, operator.and_, operator.or_, operator.xor):
        assert f(a, b).tolist() == [wrapped(f(p, q)) for p, q in zip(x, y, strict=True)]
        assert f(a, 5).tolist() == [wrapped(f(p, 5)) for p in x]
        assert f(a[::2], b[::2]).tolist() == [wrapped(f(p, q)) for p, q in zip(x[::2], y[::2], strict=True)]
    for f in COMPARISONS:
        assert f(a, b).tolist() == [f(p, q) for p, q in zip(x, y, strict=True)]
        assert f(a, 5).tolist() == [f(p, 5) for p in x]
    assert torch.maximum(a, b).tolist() == [max(p, q) for p, q in zip(x, y, strict=True)]
    assert torch.minimum(a, b).tolist() == [min(p, q) for p, q in zip(x, y, strict=True)]
    assert (-a).tolist() == [wrapped(-p) for p in x]
    assert a.abs().tolist() == [wrapped(abs(p)) for p in x]
    assert a.sign().tolist() == [(p > 0) - (p < 0) for p in x]
    assert (~a).tolist() == [wrapped(~p) for p in x]
    assert torch.logical_not(a).tolist() == [not p for p in x]
    assert (a << 3).tolist() == [wrapped(p << 3) for p in x]
    assert (a >> 3).tolist() == [p >> 3 for p in x]
    bits = [rng.randint(0, 70) for _ in range(n)]
    by, width = torch.tensor(bits, dtype=dtype), torch.iinfo(dtype).bits
    assert (a << by).tolist() == [wrapped(p << k) if k < width else 0 for p, k in zip(x, bits, strict=True)]
    assert (a >> by).tolist() == [p >> k for p, k in zip(x, bits, strict=True)]
    assert a.clamp(3, 60).tolist() == [min(max(p, 3), 60) for p in x]
    assert a.clamp(min=4).tolist() == [max(p, 4) for p in x]
    assert a.clamp(max=4).tolist() == [min(p, 4) for p in x]
    assert a.clamp(60, 3).tolist() == [3] * n


def test_clamp_keeps_its_bounds_within_the_dtype():
    a = torch.tensor([0, 100, 200], dtype=torch.uint8)
    assert a.clamp(max=255).tolist() == a.clamp(0, 255).tolist() == [0, 100, 200]
    assert a.to(torch.int32).clamp(min=-5).tolist() == [0, 100, 200]


@pytest.mark.parametrize("n", SIZES)
def test_booleans(n):
    rng = random.Random(n)
    x, y = [rng.random() < 0.5 for _ in range(n)], [rng.random() < 0.5 for _ in range(n)]
    a, b = torch.tensor(x, dtype=torch.bool), torch.tensor(y, dtype=torch.bool)
    pairs = list(zip(x, y, strict=True))
    for f in (operator.and_, operator.or_, operator.xor, *COMPARISONS):
        assert f(a, b).tolist() == [f(p, q) for p, q in pairs]
    assert (~a).tolist() == a.logical_not().tolist() == [not p for p in x]
    assert torch.logical_and(a, b).tolist() == (a * b).tolist() == [p and q for p, q in pairs]
    assert torch.logical_or(a, b).tolist() == (a + b).tolist() == [p or q for p, q in pairs]
    assert torch.logical_xor(a, b).tolist() == [p != q for p, q in pairs]


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("n", SIZES)
def test_complex_arithmetic(dtype, n):
    rng = random.Random(n)
    x, y = ([complex(rng.gauss(0, 1), rng.gauss(0, 1)) for _ in range(n)] for _ in range(2))
    a, b = torch.tensor(x, dtype=dtype), torch.tensor(y, dtype=dtype)
    close = {"rtol": 1e-5 if dtype == torch.complex64 else 1e-13, "atol": 0}
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    for f in (operator.add, operator.sub, operator.mul, operator.truediv):
        near = torch.tensor([f(p, q) for p, q in pairs], dtype=dtype)
        torch.testing.assert_close(f(a, b), near, rtol=close["rtol"], atol=1e-5 if dtype == torch.complex64 else 1e-12)
        torch.testing.assert_close(f(a[::3], b[::3]), near[::3], rtol=close["rtol"], atol=1e-5)
    assert a.conj().tolist() == [p.conjugate() for p, _ in pairs]
    assert (-a).tolist() == [-p for p, _ in pairs]
    assert (
        torch.complex(a.real, a.imag).tolist() == torch.complex(a.real.clone(), a.imag.clone()).tolist() == a.tolist()
    )
    angles = torch.tensor([math.atan2(p.imag, p.real) for p, _ in pairs], dtype=a.real.dtype)
    torch.testing.assert_close(a.angle(), angles, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(a**3, a * a * a, **close)


def test_complex_quotient_by_zero():
    z = torch.tensor([1 + 2j, -1 + 0j, 0j]) / torch.tensor([0j, 0j, 0j])
    same(z.real.tolist(), [math.inf, -math.inf, math.nan])


def test_positive_is_the_tensor_itself():
    a = torch.ones(3, requires_grad=True)
    assert +a is a and torch.positive(a) is a and a.positive() is a
    with pytest.raises(RuntimeError, match="on a bool tensor is not supported"):
        torch.positive(torch.tensor([True]))


# ---------------------------------------------------------------- functions


def ulps(got, want, dtype):
    """The largest distance from the exact values, in units of the last place."""
    info = torch.finfo(dtype)
    return max(
        (abs(a - b) / max(info.eps * 2.0 ** math.floor(math.log2(abs(b))) if b else 0, info.tiny * info.eps)
         for a, b in zip(got, want, strict=True) if math.isfinite(b)), default=0)  # fmt: skip


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_angles_near_and_far(name, dtype):
    small = torch.linspace(-300, 300, 4001, dtype=dtype)
    far = torch.cat([small, torch.tensor([1e8, 1e22, -3e15, 2.0**19, 2.0**20], dtype=dtype)])
    f, exact = getattr(torch, name), getattr(math, name)
    for x in (small, far, far[::2], (torch.arange(2000, dtype=dtype) - 1000) * (math.pi / 2)):
        assert ulps(f(x).tolist(), [exact(v) for v in x.tolist()], dtype) < 3
    assert f(far)[:4001].tolist() == f(small).tolist()  # an element does not depend on its neighbours
    same(f(torch.tensor([-0.0, math.inf, math.nan], dtype=dtype)).tolist(), [exact(-0.0), math.nan, math.nan])


def test_float64_powers():
    x, y = numbers(4000, torch.float64, span=8).abs(), numbers(4000, torch.float64, seed=2, span=1)
    pairs = [(p, q) for p, q in zip(x.tolist(), y.tolist(), strict=True) if abs(q * math.log2(p)) < 1000]
    a, b = (torch.tensor(v, dtype=torch.float64) for v in zip(*pairs, strict=True))
    assert ulps((a**b).tolist(), [p**q for p, q in pairs], torch.float64) < 2
    bases = torch.arange(-30, 31, dtype=torch.float64)
    for k in range(8):  # whole powers are exact
        assert (bases ** torch.full((61,), float(k), dtype=torch.float64)).tolist() == [v**k for v in range(-30, 31)]


def test_powers_of_awkward_numbers():
    values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        2.0,
        -2.0,
        0.5,
        -0.5,
        math.inf,
        -math.inf,
        math.nan,
        3.0,
        -7.0,
        5e-324,
        1e300,
        2.0**52 + 1,
        2.0**53 + 2,
    ]

    def power(x, y):
        try:
            r = math.pow(x, y)
        except OverflowError:
            r = math.inf if x > 0 or y % 2 != 1 else -math.inf
        except ValueError:  # 0 to a negative power, or a negative number to one that is not whole
            r = math.nan if x else math.copysign(math.inf, x) if y % 2 == 1 else math.inf
        return r

    pairs = list(itertools.product(values, values))
    got = torch.pow(*(torch.tensor(v, dtype=torch.float64) for v in zip(*pairs, strict=True))).tolist()
    for (x, y), r in zip(pairs, got, strict=True):
        want = power(x, y)
        assert r == pytest.approx(want, rel=1e-14, nan_ok=True), (x, y)
        assert r != r or math.copysign(1, r) == math.copysign(1, want), (x, y)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lengths_and_neighbours(dtype):
    a, b = numbers(3000, dtype, span=30), numbers(3000, dtype, seed=1, span=30)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    assert ulps(torch.hypot(a, b).tolist(), [math.hypot(p, q) for p, q in pairs], dtype) < 2
    special = torch.tensor([math.inf, math.nan, -math.inf, math.nan, 0.0], dtype=dtype)
    same(torch.hypot(special, special.flip(0)).tolist(), [math.inf, math.nan, math.inf, math.nan, math.inf])
    if dtype == torch.float64:
        far = torch.tensor([1e300, 3e-310, 3.0], dtype=dtype)
        torch.testing.assert_close(torch.hypot(far, far), far * math.sqrt(2), rtol=1e-15, atol=0)
        values = [0.0, -0.0, 1.0, -1.0, 5e-324, math.inf, -math.inf, math.nan, 2.5]
        x, y = (torch.tensor(v, dtype=dtype) for v in zip(*itertools.product(values, values), strict=True))
        same(
            torch.nextafter(x, y).tolist(), [math.nextafter(p, q) for p, q in zip(x.tolist(), y.tolist(), strict=True)]
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_frexp(dtype):
    x = torch.cat(
        [
            numbers(300, dtype, span=4),
            torch.tensor([0.0, -0.0, math.inf, -math.inf, math.nan, 1.0, 0.5, -8.0, 6e-8], dtype=dtype),
        ]
    )
    mantissa, exponent = torch.frexp(x)
    want = [math.frexp(v) for v in x.tolist()]
    same(mantissa.tolist(), [m for m, _ in want])
    assert exponent.tolist() == [e for _, e in want]
    assert mantissa.dtype == dtype and exponent.dtype == torch.int32
    assert torch.frexp(x[::2])[1].tolist() == exponent[::2].tolist()
    with pytest.raises(RuntimeError, match="only supports floating-point dtypes"):
        torch.frexp(torch.tensor([1]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sums_of_exponentials(dtype):
    a, b = numbers(2000, dtype, span=2), numbers(2000, dtype, seed=1, span=2)
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    e = torch.tensor([max(p, q) + math.log1p(math.exp(-abs(p - q))) for p, q in pairs], dtype=dtype)
    two = torch.tensor([max(p, q) + math.log1p(2 ** -abs(p - q)) / math.log(2) for p, q in pairs], dtype=dtype)
    close = {"rtol": 1e-6, "atol": 1e-6} if dtype == torch.float32 else {"rtol": 1e-14, "atol": 1e-14}
    torch.testing.assert_close(torch.logaddexp(a, b), e, **close)
    torch.testing.assert_close(torch.logaddexp2(a, b), two, **close)
    x, y = (
        torch.tensor([math.inf, -math.inf, math.inf, math.nan], dtype=dtype),
        torch.tensor([math.inf, -math.inf, -math.inf, 1.0], dtype=dtype),
    )
    for f in (torch.logaddexp, torch.logaddexp2):
        same(f(x, y).tolist(), [math.inf, -math.inf, math.inf, math.nan])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_special_functions(dtype):
    digits = 4 if dtype == torch.float32 else 16
    y = torch.cat(
        [torch.linspace(-0.999, 0.999, 3001, dtype=dtype), torch.tensor([1e-30, -1e-300, 0.999999], dtype=dtype)]
    )
    torch.testing.assert_close(
        torch.erf(torch.erfinv(y).double()), y.double(), rtol=1e-6 if digits == 4 else 1e-14, atol=0
    )
    same(torch.erfinv(torch.tensor([0.0, -0.0, 1.0, -1.0, 1.5, math.nan], dtype=dtype)).tolist(),
         [0.0, -0.0, math.inf, -math.inf, math.nan, math.nan])  # fmt: skip
    p = torch.cat([torch.linspace(0.001, 0.999, 999, dtype=dtype), torch.tensor([1e-14, 1e-20, 1e-30], dtype=dtype)])
    torch.testing.assert_close(
        torch.special.ndtr(torch.special.ndtri(p).double()), p.double(), rtol=3e-5 if digits == 4 else 1e-12, atol=0
    )
    same(torch.special.ndtri(torch.tensor([0.0, 1.0, -1.0, 2.0, math.nan], dtype=dtype)).tolist(),
         [-math.inf, math.inf, math.nan, math.nan, math.nan])  # fmt: skip
    x = torch.cat(
        [
            torch.linspace(-9.97, 30, 3000, dtype=dtype),
            torch.tensor([1.0, 2.0, 1e-20, 1e10, 1.0000001, 2.5], dtype=dtype),
        ]
    )
    torch.testing.assert_close(torch.lgamma(x), torch.tensor([math.lgamma(v) for v in x.tolist()], dtype=dtype), rtol=2e-7 * digits if digits == 4 else 1e-13,
                               atol=1e-7 if digits == 4 else 1e-15)  # fmt: skip
    same(
        torch.lgamma(torch.tensor([1.0, 2.0, 0.0, -3.0, -math.inf], dtype=dtype)).tolist(), [0.0, 0.0] + [math.inf] * 3
    )
    up = torch.digamma(x.double() + 1) - 1 / x.double()
    torch.testing.assert_close(
        torch.digamma(x).double(), up, rtol=1e-6 if digits == 4 else 1e-11, atol=1e-6 if digits == 4 else 1e-11
    )
    same(
        torch.digamma(torch.tensor([0.0, -0.0, -3.0, math.inf], dtype=dtype)).tolist(),
        [-math.inf, math.inf, math.nan, math.inf],
    )
    t = x[x > 1e-15]
    torch.testing.assert_close(
        torch.polygamma(1, t).double(),
        torch.polygamma(1, t.double() + 1) + 1 / t.double() ** 2,
        rtol=1e-6 if digits == 4 else 1e-13,
        atol=0,
    )
    s = torch.tensor(
        [1.0 if v == 0 else math.sin(math.pi * math.remainder(v, 2)) / (math.pi * v) for v in x.tolist()], dtype=dtype
    )
    torch.testing.assert_close(
        torch.sinc(x), s, rtol=1e-6 if digits == 4 else 1e-13, atol=1e-7 if digits == 4 else 1e-16
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tails_of_the_normal_distribution(dtype):
    x = torch.linspace(-8, 8, 2001, dtype=dtype)
    close = {"rtol": 1e-6, "atol": 0} if dtype == torch.float32 else {"rtol": 5e-14, "atol": 0}
    exact = torch.tensor([math.exp(v * v) * math.erfc(v) for v in x.tolist()], dtype=torch.float64)
    far = torch.cat([x, torch.tensor([30.0, -30.0, math.nan, math.inf], dtype=dtype)])
    for values in (torch.special.erfcx(x), torch.special.erfcx(far)[:-4]):
        torch.testing.assert_close(values.double(), exact, **close)
    log = torch.tensor([math.log(math.erfc(-v / math.sqrt(2)) / 2) if v < 0 else math.log1p(-math.erfc(v / math.sqrt(2)) / 2)
                        for v in x.tolist()], dtype=torch.float64)  # fmt: skip
    far[-3] = -50.0
    for values in (torch.special.log_ndtr(x), torch.special.log_ndtr(far)[:-4]):
        torch.testing.assert_close(values.double(), log, **close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_modified_bessel_functions_by_their_integral(dtype):
    """I_k(x) exp(-x) = 1/pi * the integral of exp(x (cos t - 1)) cos(k t) over [0, pi], by the midpoint rule, which is exact here."""
    x = torch.tensor([0.0, 0.3, 1.0, 7.9, 8.0, 8.1, 20.0, 60.0], dtype=dtype)
    steps = [(i + 0.5) * math.pi / 400 for i in range(400)]
    for k in range(2):
        want = [math.fsum(math.exp(v * (math.cos(t) - 1)) * math.cos(k * t) for t in steps) / 400 for v in x.tolist()]
        want = torch.tensor(want, dtype=torch.float64)
        close = {"rtol": 5e-7 if dtype == torch.float32 else 3e-15, "atol": 1e-16}
        torch.testing.assert_close(getattr(torch.special, f"i{k}e")(x).double(), want, **close)
        torch.testing.assert_close(getattr(torch.special, f"i{k}e")(-x).double(), -want if k else want, **close)
        torch.testing.assert_close(
            getattr(torch.special, f"i{k}")(x).double(), want * x.double().exp(), rtol=2 * close["rtol"], atol=1e-16
        )


@pytest.mark.parametrize("name", ["elu", "selu", "celu"])
def test_blocks_without_negative_numbers(name):
    f = getattr(torch.nn.functional, name)
    x = torch.linspace(-3, 3, 6001)
    whole = f(x)
    assert torch.equal(f(x[3001:].clone()), whole[3001:])
    assert torch.equal(f(x[::2]), whole[::2])
    same(f(torch.tensor([0.0, -0.0, math.inf, math.nan])).tolist(), [0.0, -0.0, math.inf, math.nan])


# ---------------------------------------------------------------- short rows

WIDTHS = (1, 2, 3, 5, 8, 15, 17, 33, 63, 64, 65)


def operands(rows, width, dtype):
    """A matrix and what may stand beside it: dense, a row, a column, columns of a wider one, a transposed one, every other row."""
    torch.manual_seed(rows * 100 + width)

    def values(*shape):
        return (torch.rand(*shape) * 9 + 1).to(dtype)

    yield values(rows, width)
    yield values(width)
    yield values(rows, 1)
    yield values(rows, width + 3)[:, 1 : width + 1]
    yield values(width, rows).t()
    yield values(2 * rows, width)[::2]
    yield values(rows, 2 * width)[:, ::2]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int64, torch.uint8, torch.bfloat16])
def test_short_rows(width, dtype):
    for rows in (1, 2, 7, 300):
        everything = list(operands(rows, width, dtype))
        for a, b in itertools.product(everything[:4], everything):
            full = torch.broadcast_shapes(a.shape, b.shape)
            x, y = a.expand(full).contiguous(), b.expand(full).contiguous()
            for f in (torch.sub, torch.maximum, torch.lt, torch.remainder):
                assert torch.equal(f(a, b), f(x, y)), (f, rows, a.stride(), b.stride())
            room = torch.zeros(*full[:-1], full[-1] + 2, dtype=dtype)[..., 1:-1]
            torch.mul(a, b, out=room)
            assert torch.equal(room, x * y)
            if a.shape == full:
                changed = a.clone()
                changed -= b
                assert torch.equal(changed, x - y)


def test_short_rows_of_three_operands():
    rows, width = 300, 5
    a, row, column, sliced, turned, *_ = operands(rows, width, torch.float32)
    full = [t.expand(rows, width).contiguous() for t in (a, row, column, sliced, turned)]
    for i, j, k in itertools.product(range(5), repeat=3):
        t = (a, row, column, sliced, turned)
        assert torch.equal(
            torch.addcmul(t[i], t[j], t[k]).expand(rows, width), torch.addcmul(full[i], full[j], full[k])
        )
        assert torch.equal(
            torch.where(t[i] > 5, t[j], t[k]).expand(rows, width), torch.where(full[i] > 5, full[j], full[k])
        )
    deep = torch.rand(7, 40, 5)
    assert torch.equal(deep + row, deep + row.expand(7, 40, 5).contiguous())
    assert torch.equal(
        deep.transpose(0, 1) * row, deep.transpose(0, 1).contiguous() * row.expand(40, 7, 5).contiguous()
    )
    assert torch.equal(torch.pow(deep, row), torch.pow(deep, row.expand(7, 40, 5).contiguous()))


def test_windows_that_overlap_are_written_one_after_another():
    x = torch.ones(304)
    x.unfold(0, 5, 1).mul_(0.5)  # each element once for each window it is in
    assert x.tolist() == [0.5 ** min(i + 1, 304 - i, 5) for i in range(304)]
