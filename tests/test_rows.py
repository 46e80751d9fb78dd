"""Scans, order and searches: rows of many shapes, strides and dtypes against one row at a time in NumPy."""

import math

import numpy
import pytest

import rushlight as torch

DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]
# Rows and columns alone and in numbers that end within a block, or fill threads' shares.
SHAPES = [
    (0, 3),
    (3, 0),
    (1, 1),
    (7, 1),
    (1, 9),
    (15, 17),
    (63, 5),
    (5, 63),
    (4, 9, 11),
    (2, 300, 40),
    (4000, 5),
    (5, 4000),
]


def numbers(shape, dtype, seed=0):
    """With many equal ones, and in floating point also -0, infinities and NaN."""
    rng = numpy.random.default_rng(seed)
    if not dtype.startswith("float"):
        return rng.integers(0, 2 if dtype == "bool" else 10, shape).astype(dtype)
    x = numpy.round(rng.standard_normal(shape) * 4) / 4
    for special in (numpy.nan, numpy.inf, -numpy.inf, -0.0):
        x[rng.random(shape) < 0.01] = special
    return x.astype(dtype)


def views(t):
    """A tensor as it lies, transposed, with gaps, and repeated without memory of its own."""
    yield t
    yield t.transpose(0, 1)
    yield t[::2, ::2]
    if t.shape[0]:
        yield t[:1].expand(4, *t.shape[1:])


def cases(dtypes=DTYPES):
    for shape in SHAPES:
        for dtype in dtypes:
            for view in views(torch.from_numpy(numbers(shape, dtype))):
                for dim in range(view.dim()):
                    yield view, dim


def running_extreme(a, axis, worse):
    values, indices = a.copy(), numpy.zeros(a.shape, numpy.int64)
    for i in range(1, a.shape[axis]):
        here = tuple([slice(None)] * axis + [i])
        before = tuple([slice(None)] * axis + [i - 1])
        wins = ~worse(a[here], values[before]) & ~((values[before] != values[before]) & (a[here] == a[here]))
        values[here] = numpy.where(wins, a[here], values[before])
        indices[here] = numpy.where(wins, i, indices[before])
    return values, indices


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value")
def test_scans_of_rows_that_lie_in_any_way():
    for x, dim in cases():
        a = x.numpy()
        wide = a.astype(numpy.float64 if x.is_floating_point() else numpy.int64)
        for ours, theirs in ((x.cumsum(dim), wide.cumsum(dim)), (x.cumprod(dim), wide.cumprod(dim))):
            numpy.testing.assert_array_equal(ours.numpy(), theirs.astype(ours.numpy().dtype))
        for ours, theirs in (
            (x.cummax(dim), running_extreme(a, dim, numpy.less)),
            (x.cummin(dim), running_extreme(a, dim, numpy.greater)),
        ):
            numpy.testing.assert_array_equal(ours.values.numpy(), theirs[0])
            numpy.testing.assert_array_equal(ours.indices.numpy(), theirs[1])


def test_scans_along_one_dimension_of_several():
    x = torch.from_numpy(numbers((3, 40, 2, 50), "float64"))[:, :, :, 3:]
    for dim in range(4):
        moved = x.movedim(dim, 0).contiguous().flatten(1)
        for scan in (torch.cumsum, torch.logcumsumexp, lambda v, d: v.cummax(d).indices):
            plain = torch.stack([scan(moved[:, j], 0) for j in range(moved.shape[1])], 1)
            torch.testing.assert_close(
                scan(x, dim), plain.reshape(x.movedim(dim, 0).shape).movedim(0, dim), equal_nan=True
            )


# ---------------------------------------------------------------- order


def stable_order(a, axis, descending=False):
    """NaN is the largest and equal to itself, -0 is 0: as lexsort() has it when the order is among integers."""
    with numpy.errstate(invalid="ignore"):
        kinds = numpy.where(a != a, numpy.inf, a) if a.dtype.kind == "f" else a
    nan = a != a
    if descending:
        back = numpy.lexsort((numpy.flip(kinds, axis), numpy.flip(nan, axis)), axis=axis)
        return numpy.flip(a.shape[axis] - 1 - back, axis)
    return numpy.lexsort((kinds, nan), axis=axis)


# Lengths on both sides of where one way of sorting or selecting gives way to another.
LENGTHS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 48, 49, 64, 65, 100, 191, 192, 193, 255, 512, 513, 1000, 2047, 2049]


def keys_that_are_hard(n, seed=0):
    rng = numpy.random.default_rng(seed)
    yield numbers((3, n), "float32", seed)
    yield numbers((3, n), "uint8", seed)
    yield rng.integers(-(2**63), 2**63 - 1, (3, n))
    yield rng.integers(-(2**31), 2**31 - 1, (3, n)).astype("int32")
    yield 1 + rng.random((3, n)) * 1e-13  # differ in their last bits only
    yield numpy.where(rng.random((3, n)) < 0.5, 1e300, 1 + rng.random((3, n)) * 1e-13)
    yield numpy.full((3, n), 2.5)
    yield numpy.sort(rng.standard_normal((3, n)))[:, ::-1].copy()


def check_order(x, dim, counts):
    a = x.numpy()
    for descending in (False, True):
        order = stable_order(a, dim, descending)
        values = numpy.take_along_axis(a, order, dim)
        ours = x.sort(dim=dim, descending=descending)
        numpy.testing.assert_array_equal(ours.indices.numpy(), order)
        numpy.testing.assert_array_equal(ours.values.numpy(), values)
        for k in counts:
            ours = x.topk(k, dim, largest=descending)
            numpy.testing.assert_array_equal(ours.indices.numpy(), order.take(range(k), dim))
            numpy.testing.assert_array_equal(ours.values.numpy(), values.take(range(k), dim))
            if k and not descending and x.numel():
                ours = x.kthvalue(k, dim)
                numpy.testing.assert_array_equal(ours.indices.numpy(), order.take(k - 1, dim))
                numpy.testing.assert_array_equal(ours.values.numpy(), values.take(k - 1, dim))


def test_order_of_rows_that_lie_in_any_way():
    for x, dim in cases():
        n = x.shape[dim]
        check_order(x, dim, sorted({min(n, 1), min(n, 3), n // 2, n}))


@pytest.mark.parametrize("n", LENGTHS)
def test_order_of_rows_of_any_length(n):
    for a in keys_that_are_hard(n):
        check_order(torch.from_numpy(a), 1, sorted({1, n // 9, n // 3, n}))


@pytest.mark.parametrize("n", LENGTHS)
def test_medians_and_modes_of_rows_of_any_length(n):
    for a in keys_that_are_hard(n):
        x = torch.from_numpy(a)
        ordered = numpy.take_along_axis(a, stable_order(a, 1), 1)
        nans = (a != a).sum(1)
        for median, last in (
            (x.median(1), numpy.where(nans > 0, 2 * (n - nans), n - 1)),
            (x.nanmedian(1), n - nans - 1),
        ):
            at = numpy.where(nans == n, 0, last // 2)
            numpy.testing.assert_array_equal(median.values.numpy(), ordered[numpy.arange(3), at])
            numpy.testing.assert_array_equal(
                x.gather(1, median.indices.unsqueeze(1)).squeeze(1).numpy(), median.values.numpy()
            )
        if not nans.any():
            mode = x.mode(1)
            for row, value, index in zip(a, mode.values.tolist(), mode.indices.tolist(), strict=True):
                seen, often = numpy.unique(row, return_counts=True)
                assert value == seen[often.argmax()] and index == numpy.flatnonzero(row == value)[-1]


# ---------------------------------------------------------------- search


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "uint8"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 8, 9, 16, 17, 100, 1000])
def test_searches_agree_with_numpy(dtype, n):
    rng = numpy.random.default_rng(n)
    scale, most = 0.5 if dtype.startswith("float") else 1, min(n // 2, 120)
    among = (numpy.sort(rng.integers(0, most + 1, n)) * scale).astype(dtype)
    order = rng.permutation(n)
    shuffled = numpy.empty_like(among)
    shuffled[order] = among
    for m in (0, 1, 7, 8, 17, 300, 5000):
        values = (rng.integers(0, most + 2, m) * scale).astype(dtype)
        if scale == 0.5:
            values[::5] = numpy.nan
        s, v = torch.from_numpy(among), torch.from_numpy(values)
        for side in ("left", "right"):
            places = numpy.searchsorted(among, values, side)
            for ours in (
                torch.searchsorted(s, v, side=side),
                torch.bucketize(v, s, right=side == "right"),
                torch.searchsorted(torch.from_numpy(shuffled), v, side=side, sorter=torch.from_numpy(order)),
                torch.searchsorted(s.expand(3, n), v.expand(3, m), side=side)[1],
                torch.searchsorted(s, v, side=side, out_int32=True).long(),
            ):
                numpy.testing.assert_array_equal(ours.numpy(), places)
        assert torch.isin(v, torch.from_numpy(shuffled)).tolist() == numpy.isin(values, among).tolist()
        assert torch.isin(v, s, invert=True).tolist() == (~numpy.isin(values, among)).tolist()


def test_searches_among_values_that_end_in_nan():
    s = torch.tensor([0.0, 1.0, 2.0] + [math.nan] * 2)
    assert torch.searchsorted(s, torch.tensor([0.5, 2.5, math.nan])).tolist() == [
        1,
        5,
        5,
    ]  # PyTorch's, who bisects over NaN, too
    assert torch.isin(torch.tensor([1.0, math.nan]), s).tolist() == [True, False]


@pytest.mark.parametrize("most", [1, 10, 1023, 1024, 5000])
def test_bincount_agrees_with_numpy(most):
    for m in (1, 5, 100, 40000):
        x = numpy.random.default_rng(m).integers(0, most, m)
        assert torch.from_numpy(x).bincount().tolist() == numpy.bincount(x).tolist()
        assert (
            torch.from_numpy(x.astype("int32")).bincount(minlength=7).tolist()
            == numpy.bincount(x, minlength=7).tolist()
        )
    with pytest.raises(RuntimeError, match="non-negative"):
        torch.tensor([most, -1]).bincount()


# ---------------------------------------------------------------- reductions


def check_reductions(x, dim):
    a = x.numpy()
    exact = not x.is_floating_point()
    wide = a.astype(numpy.int64 if exact else numpy.float64)
    finite = numpy.where(wide == wide, wide, 0)
    pairs = [
        (x.sum(dim), wide.sum(dim)),
        (x.prod(dim), wide.prod(dim)),
        (x.any(dim), (a != 0).any(dim)),
        (x.all(dim), (a != 0).all(dim)),
    ]
    if not exact:
        pairs += [(x.nansum(dim), finite.sum(dim)), (x.norm(dim=dim), numpy.sqrt((wide * wide).sum(dim)))]
        if x.shape[dim]:
            pairs.append((x.mean(dim), wide.mean(dim)))
    if x.shape[dim]:
        pairs += [
            (x.amax(dim), a.max(dim)),
            (x.amin(dim), a.min(dim)),
            (x.max(dim).values, a.max(dim)),
            (x.min(dim)[0], a.min(dim)),
        ]
        pairs += [(x.argmax(dim), a.argmax(dim)), (x.min(dim).indices, a.argmin(dim))]
    for ours, theirs in pairs:
        if ours.is_floating_point():
            numpy.testing.assert_allclose(ours.numpy(), theirs, rtol=3e-6, atol=1e-5)
        else:
            numpy.testing.assert_array_equal(ours.numpy(), theirs)


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value")
def test_reductions_of_rows_that_lie_in_any_way():
    for x, dim in cases():
        check_reductions(x, dim)


@pytest.mark.filterwarnings("ignore:overflow encountered", "ignore:invalid value")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("few", [2, 3, 5, 7, 8, 16, 17, 31, 32, 33])
def test_reductions_of_few_columns_and_of_short_rows(dtype, few):
    for many in (15, 16, 63, 64, 65, 127, 128, 129, 511, 512, 513, 1100, 9000):
        x = torch.from_numpy(numbers((many, few), dtype, few))
        check_reductions(x, 0)
        check_reductions(x, 1)
        assert x.sum().item() == pytest.approx(float(x.numpy().astype("float64").sum()), nan_ok=True)
    x = torch.from_numpy(numbers((50, 600, few), dtype, few))
    check_reductions(x, 1)
    check_reductions(x, 2)


def test_sums_of_few_columns_do_not_depend_on_the_number_of_threads():
    x = torch.from_numpy(numpy.random.default_rng(0).standard_normal((600, 300, 5)).astype("float32"))
    threads = torch.get_num_threads()
    results = []
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append([x.sum(1), x.sum(2), x.sum((0, 1)), x.mean(1), x[0].sum(0)])
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("width", [1, 3, 7, 8, 30, 64, 65, 100])
@pytest.mark.parametrize("fold", ["sum", "mean", "amax", "logsumexp"])
def test_folds_of_windows_that_overlap(width, fold):
    torch.manual_seed(0)
    x = torch.rand(3, 150)
    windows = x.unfold(1, width, 1)
    assert windows.stride()[1:] == (1, 1)
    torch.testing.assert_close(getattr(windows, fold)(-1), getattr(windows.contiguous(), fold)(-1))
    torch.testing.assert_close(getattr(windows, fold)(1), getattr(windows.contiguous(), fold)(1))


@pytest.mark.parametrize("shape, dim", [((300_000,), None), ((20_000, 5), 0), ((5, 20_000), 1), ((40, 50, 60), (0, 2))])
def test_folds_in_parts(shape, dim):
    """What is folded in parts is joined by what the parts are, not by what the elements are."""
    x = torch.arange(math.prod(shape)).reshape(shape).remainder(7).double() - 3
    a = x.numpy()
    torch.testing.assert_close(torch.linalg.vector_norm(x, dim=dim), torch.tensor(numpy.sqrt((a**2).sum(dim))))
    y = x.clone()
    y[x == 0] = math.nan
    torch.testing.assert_close(torch.nansum(y, dim), torch.tensor(a.sum(dim)))
    if not isinstance(dim, tuple):
        some = [] if dim is None else [dim]
        assert (x.any(*some) == torch.tensor((a != 0).any(dim))).all()
        assert ((x + 9).all(*some) == torch.tensor((a + 9 != 0).all(dim))).all()
        assert (x.all(*some) == torch.tensor((a != 0).all(dim))).all()
    y.view(-1)[0], y.view(-1)[-1] = math.inf, -math.inf
    if dim is None:
        assert torch.nansum(y).isnan()
