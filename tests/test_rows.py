"""Scans, order and searches: rows of many shapes, strides and dtypes against one row at a time in NumPy."""

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
