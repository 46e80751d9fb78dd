"""Elements moved from place to place, in bulk: each fast path against NumPy or against the same thing said plainly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rushlight as torch

F = torch.nn.functional
SIZES = [0, 1, 7, 15, 17, 63, 1000]
DTYPES = ["bool", "uint8", "int16", "float32", "int64", "float64", "complex128"]


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def numbers(*shape: int, dtype: str = "float32", seed: int = 0) -> np.ndarray:
    values = np.random.RandomState(seed).randint(-100, 100, shape)
    return values > 0 if dtype == "bool" else values.astype(dtype)


def tensor(a: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(a, copy=True))


def assert_same(got: torch.Tensor, want: np.ndarray) -> None:
    assert tuple(got.shape) == want.shape
    assert np.array_equal(got.numpy(), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", SIZES)
def test_strided_copies(dtype, n):
    for width in (1, 2, 3, 5, 8, 9, 33, 70):
        a = numbers(n, width + 2, dtype=dtype)
        t = tensor(a)
        for at in (np.s_[:, 1:-1], np.s_[:, ::2], np.s_[::3, :], np.s_[1:, :width]):
            assert_same(t[at].contiguous(), a[at])
            assert_same(t[at].t().contiguous(), a[at].T)
            to = torch.zeros(n, width + 2, dtype=t.dtype)
            want = np.zeros_like(a)
            to[at] = t[at]
            want[at] = a[at]
            assert_same(to, want)
        assert_same(t.flip(1), a[:, ::-1])
        assert_same(t.flip(0, 1), a[::-1, ::-1])
        assert_same(t[:, None].expand(n, 3, width + 2).contiguous(), np.repeat(a[:, None], 3, 1))
        assert_same(t[:, :, None].expand(n, width + 2, 3).contiguous(), np.repeat(a[:, :, None], 3, 2))


def test_many_small_planes():
    a = numbers(700, 3, 5, 2)
    for order in itertools.permutations(range(4)):
        assert_same(tensor(a).permute(order).contiguous(), a.transpose(order).copy())
    assert_same(tensor(a).repeat(2, 1, 2, 3), np.tile(a, (2, 1, 2, 3)))
    assert_same(tensor(a[:, 0]).repeat(1, 2, 2), np.tile(a[:, 0], (1, 2, 2)))


def test_one_short_row_many_times():
    a = numbers(4, 5, 6, 20)
    t = tensor(a)
    t[:, 1:4, 2:5, 3:9] = 7.0
    a[:, 1:4, 2:5, 3:9] = 7.0
    assert_same(t, a)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 9])
def test_elementwise_over_short_rows(n):
    a, b = numbers(3000, n + 2), numbers(3000, n + 1, seed=1)
    x, y = tensor(a)[:, 1 : n + 1], tensor(b)[:, :n]
    assert_same(x - y, a[:, 1 : n + 1] - b[:, :n])
    assert_same(x * y[0], a[:, 1 : n + 1] * b[:1, :n])
    assert_same(x + y[:, :1], a[:, 1 : n + 1] + b[:, :1])
    assert_same(x.double(), a[:, 1 : n + 1].astype("float64"))
    x += y
    assert_same(x, a[:, 1 : n + 1] + b[:, :n])


@pytest.mark.parametrize("shift", [1, 3, 15, 16, 17, 1000, -5])
@pytest.mark.parametrize("n", [17, 4096, 300_000])
def test_roll_by_a_few_elements(shift, n):
    a = numbers(n)
    assert_same(tensor(a).roll(shift), np.roll(a, shift))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_joins(dtype, count):
    for shape in ((0, 3), (1, 1), (7, 1), (17, 5), (1000, 2), (300, 301), (5, 20000)):
        parts = [numbers(*shape, dtype=dtype, seed=i) for i in range(count)]
        for dim in (0, 1):
            assert_same(torch.cat([tensor(p) for p in parts], dim), np.concatenate(parts, dim))
            assert_same(torch.cat([tensor(p.T).t() for p in parts], dim), np.concatenate(parts, dim))
        for dim in (0, 1, 2):
            assert_same(torch.stack([tensor(p) for p in parts], dim), np.stack(parts, dim))
    ragged = [numbers(9, n, dtype=dtype) for n in (1, 0, 40, 3)]
    assert_same(torch.cat([tensor(p) for p in ragged], 1), np.concatenate(ragged, 1))
    assert_same(torch.cat([tensor(p.T) for p in ragged], 0), np.concatenate([p.T for p in ragged], 0))


def test_complex_from_parts():
    for shape in ((0,), (1,), (17, 63), (300, 301)):
        a, b = numbers(*shape), numbers(*shape, seed=1)
        assert_same(torch.complex(tensor(a), tensor(b)), a + np.complex64(1j) * b)
    assert_same(torch.complex(tensor(a.T).t(), tensor(b)), a + np.complex64(1j) * b)


@pytest.mark.parametrize("shape", [(1, 1), (20, 5), (5, 20), (3, 4, 5), (2, 30, 7), (0, 4), (400, 401), (30000, 6)])
def test_triangles(shape):
    a = numbers(*shape)
    for diagonal in (-7, -1, 0, 1, 3, 50):
        for name in ("tril", "triu"):
            want = getattr(np, name)(a, diagonal)
            assert_same(getattr(tensor(a), name)(diagonal), want)
            assert_same(getattr(tensor(a), name + "_")(diagonal), want)
            wide = tensor(np.concatenate([a, a], -1))
            getattr(wide[..., : shape[-1]], name + "_")(diagonal)
            assert_same(wide, np.concatenate([want, a], -1))


# ---------------------------------------------------------------- by index


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "shape", [(17,), (40, 1), (9, 5), (50, 16), (30, 33), (20, 150), (6, 7, 8), (3000, 5), (5, 3000), (300, 301)]
)
def test_entries_of_a_dimension(dtype, shape):
    a = numbers(*shape, dtype=dtype)
    rng = np.random.RandomState(1)
    for dim, count in itertools.product(range(len(shape)), (0, 1, 7, 300)):
        n = shape[dim]
        runs = np.arange(count) // 20 * 3 % max(n - 20, 1) + np.arange(count) % 20 % n
        for index in (
            rng.randint(0, n, count),
            np.sort(rng.randint(0, n, count)),
            np.clip(np.arange(count), 0, n - 1),
            runs,
        ):
            i = torch.from_numpy(index)
            for t in (tensor(a), tensor(a.T).permute(*range(len(shape) - 1, -1, -1))):
                assert_same(t.index_select(dim, i), np.take(a, index, dim))
                assert_same(t[(slice(None),) * dim + (i - n,)], np.take(a, index, dim))
        places = rng.permutation(n)[:count]
        at = (slice(None),) * dim + (places,)
        want = a.copy()
        source = numbers(*want[at].shape, dtype=dtype, seed=2)
        want[at] = source
        i = torch.from_numpy(places)
        assert_same(tensor(a).index_copy(dim, i, tensor(source)), want)
        assert_same(tensor(a).index_copy_(dim, i, tensor(source)), want)
        t = tensor(a)
        t[(slice(None),) * dim + (i,)] = tensor(source)
        assert_same(t, want)
        want[at] = 1
        assert_same(tensor(a).index_fill(dim, i, 1), want)
        assert_same(tensor(a).index_fill_(dim, i, 1), want)


@pytest.mark.parametrize("dtype", ["int16", "float32", "int64", "float64", "complex128"])
@pytest.mark.parametrize("shape", [(40,), (9, 5), (30, 33), (40, 200), (6, 7, 8), (3000, 5), (5, 3000), (100, 1001)])
def test_sums_at_places(dtype, shape):
    a = numbers(*shape, dtype=dtype)
    for dim in range(len(shape)):
        for index in (np.random.RandomState(1).randint(0, shape[dim], 300), np.arange(300) % shape[dim]):
            size = list(shape)
            size[dim] = 300
            source = numbers(*size, dtype=dtype, seed=2)
            want = a.copy()
            np.add.at(want, (slice(None),) * dim + (index,), source)
            i = torch.from_numpy(index)
            assert_same(tensor(a).index_add(dim, i, tensor(source)), want)
            assert_same(tensor(a).index_add_(dim, i, tensor(source)), want)
            if dim == 0:
                assert_same(tensor(a).index_put((i,), tensor(source), accumulate=True), want)


def test_an_index_outside_is_named_and_writes_stay_within():
    t = torch.zeros(50, 3)
    for bad in (50, -51):
        with pytest.raises(IndexError, match=f"index {bad} is out of bounds for dimension 0 with size 50"):
            t[:, 0][torch.tensor([1, bad] + [2] * 40)]
    with pytest.raises(IndexError, match="tried to access index 150 on a tensor of 150 elements"):
        t.take(torch.tensor([0, 150]))
    with pytest.raises(RuntimeError, match="index 3 is out of bounds for dimension 1 with size 3"):
        t.gather(1, torch.full((50, 20), 3))
    for expanded in (torch.tensor([[3]]).expand(50, 20), torch.tensor([[-1]]).expand(50, 1)):
        with pytest.raises(RuntimeError, match="is out of bounds for dimension 1 with size 3"):
            t.scatter(1, expanded, 1.0)
    assert_same(t.take(torch.arange(-150, 150)), np.zeros(300, "float32"))


def indices(shape: tuple[int, ...], limit: int):
    """The same kind of index in every layout: dense, expanded along a dimension, transposed, with gaps."""
    rng = np.random.RandomState(3)
    yield torch.from_numpy(rng.randint(0, limit, shape))
    for d in range(len(shape)):
        once = [1 if k == d else n for k, n in enumerate(shape)]
        yield torch.from_numpy(rng.randint(0, limit, once)).expand(shape)
    yield torch.from_numpy(rng.randint(0, limit, shape[::-1])).permute(*range(len(shape) - 1, -1, -1))
    yield torch.from_numpy(rng.randint(0, limit, (*shape[:-1], 2 * shape[-1])))[..., ::2]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(40,), (9, 5), (30, 33), (4, 5, 6), (1000, 3), (3, 1000), (260, 261)])
def test_gather_and_scatter_by_every_kind_of_index(dtype, shape):
    a = numbers(*shape, dtype=dtype)
    for dim in range(len(shape)):
        size = tuple(13 if d == dim else n for d, n in enumerate(shape))
        for i in indices(size, shape[dim]):
            at = np.indices(size)
            at[dim] = i.numpy()
            assert_same(tensor(a).gather(dim, i), a[tuple(at)])
            value = numbers(*[1] * len(shape), dtype=dtype, seed=2)
            want = a.copy()
            want[tuple(at)] = value
            for source in (tensor(value).expand(size), tensor(np.broadcast_to(value, size))):
                assert_same(tensor(a).scatter(dim, i, source), want)
                assert_same(tensor(a).scatter_(dim, i, source), want)
            if dtype in ("bool", "uint8"):
                continue
            source = numbers(*size, dtype=dtype, seed=3)
            want = a.copy()
            np.add.at(want, tuple(at), source)
            assert_same(tensor(a).scatter_add(dim, i, tensor(source)), want)
            assert_same(tensor(a.T).permute(*range(a.ndim - 1, -1, -1)).scatter_add_(dim, i, tensor(source)), want)
            if dtype == "complex128":
                continue
            for name, fold in (("amax", np.maximum), ("amin", np.minimum)):
                want = a.copy()
                fold.at(want, tuple(at), source)
                assert_same(tensor(a).scatter_reduce(dim, i, tensor(source), name), want)


def test_the_last_of_repeated_writes_along_short_rows_stays():
    i = torch.tensor([[1, 0, 1]]).expand(100, 3)
    source = torch.arange(300.0).view(100, 3)
    want = np.stack([source.numpy()[:, 1], source.numpy()[:, 2]], 1)
    assert_same(torch.zeros(100, 2).scatter(1, i.contiguous(), source), want)
    assert_same(torch.zeros(2, 100).t().scatter_(1, i, source), want)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(0,), (1,), (63,), (17, 63), (1000, 1000)])
def test_masks(dtype, shape):
    a, mask = numbers(*shape, dtype=dtype), numbers(*shape, dtype="bool", seed=5)
    m = tensor(mask)
    want = np.where(mask, np.array(1, a.dtype), a)
    assert_same(tensor(a).masked_fill(m, 1), want)
    assert_same(tensor(a).masked_fill_(m, 1), want)
    assert_same(tensor(a.T).permute(*range(a.ndim - 1, -1, -1)).masked_fill_(m, 1), want)
    t = tensor(a)
    t[m] = 1
    assert_same(t, want)
    assert_same(tensor(a)[m], a[mask])
    assert_same(tensor(a).nonzero(), np.argwhere(a))
    assert_same(m.nonzero(), np.argwhere(mask))
    assert_same(tensor(np.ones_like(mask)).nonzero(), np.argwhere(np.ones_like(mask)))
    if a.ndim == 2:
        assert_same(tensor(a).masked_fill(m[:, :1], 1), np.where(mask[:, :1], np.array(1, a.dtype), a))
        with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
            tensor(a)[0].masked_fill_(m, 1)


def test_nonzero_in_every_number_of_dimensions():
    for shape in ((), (70,), (9, 11), (3, 4, 5), (40, 20, 30, 5)):
        mask = np.asarray(np.random.RandomState(0).rand(*shape) > 0.7)
        assert_same(torch.tensor(mask.tolist()).reshape(shape).nonzero(), np.argwhere(mask))


# ---------------------------------------------------------------- in place


def in_place():
    i, s = torch.tensor([2, 0, 2]), torch.tensor([[1.0], [5.0], [-3.0]]).expand(3, 4)
    each = i[:, None].expand(3, 4)
    yield "index_add", (0, i, s)
    yield "index_copy", (0, i[:2], s[:2])
    yield "index_fill", (0, i, 3.0)
    yield "put", (i, s[:, 0])
    yield "scatter", (0, each, s)
    yield "scatter", (0, each, 2.0)
    yield "scatter_add", (0, each, s)
    yield "scatter_reduce", (0, each, s, "mean")
    yield "masked_fill", (torch.tensor([True, False, True, False]), 9.0)
    yield "masked_scatter", (torch.tensor([True, False, True, False]), torch.arange(20.0))
    yield "tril", ()
    yield "triu", (1,)


@pytest.mark.parametrize(("name", "arguments"), list(in_place()))
def test_written_in_place(name, arguments):
    a = torch.arange(20.0).view(5, 4)
    want = getattr(a, name)(*arguments)
    for make in (
        lambda: a.clone(),
        lambda: a.t().contiguous().t(),
        lambda: torch.cat([a, a])[5:],
        lambda: torch.cat([a, a], 1)[:, 4:],
    ):
        t = make()
        version = t._version
        assert getattr(t, name + "_")(*arguments) is t
        assert t._version > version
        assert torch.equal(t, want)
    base = torch.cat([a, a], 1)
    part = base[:, 4:]
    getattr(part, name + "_")(*arguments)
    assert part._base is base
    assert torch.equal(base, torch.cat([a, want], 1))
    # history goes on through it
    leaf = a.clone().requires_grad_()
    t = leaf * 1
    getattr(t, name + "_")(*arguments)
    (t * t).sum().backward()
    other = a.clone().requires_grad_()
    (getattr(other, name)(*arguments) ** 2).sum().backward()
    assert torch.equal(leaf.grad, other.grad)
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        getattr(leaf, name + "_")(*arguments)


def test_in_place_from_its_own_memory():
    a = torch.arange(12.0).view(3, 4)
    i = torch.tensor([1, 2, 0])
    for name in ("index_add_", "index_copy_"):
        t = a.clone()
        try:
            getattr(t, name)(0, i, t)
        except RuntimeError:
            continue
        assert torch.equal(t, getattr(a, name[:-1])(0, i, a))
    t = torch.zeros(1, 4).expand(3, 4)
    with pytest.raises(RuntimeError, match="more than one element"):
        t.index_fill_(0, i, 1.0)


def test_functions_leave_what_they_read_alone():
    a = torch.arange(20.0).view(5, 4)
    kept = a.clone()
    for name, arguments in in_place():
        result = getattr(a, name)(*arguments)
        assert result is not a
        assert result.data_ptr() != a.data_ptr()
        assert torch.equal(a, kept)


# ---------------------------------------------------------------- ranges


@pytest.mark.parametrize("n", [*SIZES, 300_001])
def test_ranges(n):
    assert_same(torch.arange(n), np.arange(n))
    assert_same(torch.arange(-5, -5 - 3 * n, -3), np.arange(-5, -5 - 3 * n, -3))
    for dtype in ("float32", "float64"):  # steps of a quarter are exact
        kind = getattr(torch, dtype)
        assert_same(torch.arange(-3, -3 + n / 4, 0.25, dtype=kind), (np.arange(n) / 4 - 3).astype(dtype))
        if n > 1:
            assert_same(torch.linspace(0, n - 1, n, dtype=kind), np.arange(n).astype(dtype))
            line = torch.linspace(-1, 2, n, dtype=kind)
            assert line[-1] == 2
            assert np.allclose(line.numpy(), np.linspace(-1, 2, n), atol=1e-6)
    for value in (1.5, -0.0):
        assert_same(torch.full((n,), value), np.full(n, value, "float32"))
    assert torch.full((n,), True).sum() == n


def test_combinations_are_in_order():
    for n, r, again in itertools.product((0, 1, 2, 5), (1, 2, 3), (False, True)):
        choose = itertools.combinations_with_replacement if again else itertools.combinations
        got = torch.combinations(torch.arange(n) * 10, r, again)
        assert got.tolist() == [[10 * k for k in row] for row in choose(range(n), r)]
        assert got.shape[1:] == (r,)


# ---------------------------------------------------------------- windows


def windows(x: np.ndarray, kernel: int, stride: int, padding: int, dilation: int, fill: float, fold) -> np.ndarray:
    """One-dimensional pooling, plainly."""
    wide = np.pad(x, ((0, 0), (padding, padding)), constant_values=fill)
    count = (wide.shape[1] - dilation * (kernel - 1) - 1) // stride + 1
    return np.stack(
        [fold(wide[:, o * stride : o * stride + dilation * (kernel - 1) + 1 : dilation], 1) for o in range(count)], 1
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [5, 7, 15, 17, 63, 1000])
def test_pooling_of_rows(dtype, n):
    x = numbers(40, n, dtype=dtype)
    x[3, 2] = np.nan
    x[5] = -np.inf
    x[7, 1], x[8, 0] = np.inf, -0.0
    for kernel, stride, padding, dilation in itertools.product((1, 2, 3), (1, 2, 3), (0, 1), (1, 2)):
        if padding > kernel // 2 or dilation * (kernel - 1) >= n:
            continue
        want = windows(x, kernel, stride, padding, dilation, -np.inf, np.max)
        assert np.array_equal(F.max_pool1d(tensor(x), kernel, stride, padding, dilation).numpy(), want, equal_nan=True)
        if n >= 15:
            square = F.max_pool2d(tensor(x)[None], kernel, stride, padding, dilation)[0].numpy()
            want = windows(want.T, kernel, stride, padding, dilation, -np.inf, np.max).T
            assert np.array_equal(square, want, equal_nan=True)
            leaf = tensor(x).requires_grad_()  # with a gradient to come, positions are found as well
            assert np.array_equal(
                F.max_pool2d(leaf[None], kernel, stride, padding, dilation)[0].detach().numpy(), square, equal_nan=True
            )
        if dilation == 1:
            y = numbers(40, n, dtype=dtype, seed=4)
            want = windows(y, kernel, stride, padding, 1, 0, np.sum) / kernel
            assert np.allclose(F.avg_pool1d(tensor(y), kernel, stride, padding).numpy(), want)


def test_unfold_is_one_copy_of_its_windows():
    x = numbers(2, 3, 9, 8, dtype="float64")
    for kernel, dilation, padding, stride in itertools.product((1, 2, (3, 2)), (1, 2), (0, 1), (1, 2)):
        kh, kw = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        wide = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        rows = (wide.shape[2] - dilation * (kh - 1) - 1) // stride + 1
        cols = (wide.shape[3] - dilation * (kw - 1) - 1) // stride + 1
        want = np.stack(
            [
                wide[
                    :,
                    :,
                    i * dilation : i * dilation + stride * rows : stride,
                    j * dilation : j * dilation + stride * cols : stride,
                ]
                for i in range(kh)
                for j in range(kw)
            ],
            2,
        ).reshape(2, 3 * kh * kw, -1)
        assert_same(F.unfold(tensor(x), kernel, dilation, padding, stride), want)
        t = tensor(x).requires_grad_()
        F.unfold(t, kernel, dilation, padding, stride).pow(2).sum().backward()
        folded = F.fold(tensor(2 * want), (9, 8), kernel, dilation, padding, stride)
        assert torch.allclose(t.grad, folded)


@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_gradient_of_windows(size, step):
    t = torch.arange(24.0).view(2, 12).requires_grad_()
    w = t.unfold(1, size, step)
    weight = torch.arange(w.numel()).view(w.shape).float()
    (w * weight).sum().backward()
    want = np.zeros((2, 12), "float32")
    for k, j in np.ndindex(w.shape[1], size):
        want[:, k * step + j] += weight[:, k, j].numpy()
    assert_same(t.grad, want)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blends_of_two_entries(dtype):
    for shape, dim in (((5,), 0), ((4, 6), 1), ((4, 6), 0), ((3, 5, 7), 1), ((300, 200), 1), ((300, 200), 0)):
        x = torch.randn(*shape, dtype=dtype)
        n = shape[dim]
        left, right = torch.randint(0, n, (9,)), torch.randint(0, n, (9,))
        share = torch.rand(9, dtype=dtype)
        wide = share.view(-1, *[1] * (len(shape) - 1 - dim))
        want = x.index_select(dim, left) * (1 - wide) + x.index_select(dim, right) * wide
        assert torch.equal(torch._C._blend(x, dim, left, right, share), want)
        assert torch.equal(
            torch._C._blend(x.t().contiguous().t() if x.dim() == 2 else x, dim, left, right, share), want
        )
    with pytest.raises(IndexError):
        torch._C._blend(x, 0, left + 1000, right, share)
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: F.interpolate(t, size=(7, 3), mode="bilinear"), (x,))
    assert torch.autograd.gradgradcheck(lambda t: F.interpolate(t, size=(7, 3), mode="bilinear") ** 2, (x,))


def test_one_thread_and_two_agree():
    x, y = torch.randn(1000, 257), torch.randn(1000, 257)
    i, j, m = torch.randint(0, 1000, (1000,)), torch.randint(0, 257, (1000, 257)), torch.rand(1000, 257) > 0.5
    calls = [
        lambda: x.index_add(0, i, y), lambda: x.scatter_add(1, j, y), lambda: x.scatter_add(0, i[:, None].expand(1000, 257), y),
        lambda: x.index_put((i,), y, accumulate=True), lambda: x.gather(1, j), lambda: x[i], lambda: x[m], lambda: m.nonzero(),
        lambda: torch.stack([x, y], 2), lambda: F.max_pool2d(x[None], 2), lambda: F.avg_pool2d(x[None], 3, 2),
        lambda: F.interpolate(x[None, None], scale_factor=2, mode="bilinear"), lambda: torch.linspace(0, 1, 300_000),
        lambda: F.embedding(i, x), lambda: x.masked_fill(m, 2.0), lambda: x.roll(3), lambda: x.tril(),
    ]  # fmt: skip
    for call in calls:
        results = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            results.append(call())
        assert torch.equal(*results)
