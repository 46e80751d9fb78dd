"""Indexing, gathering, scattering, joining and splitting, against NumPy where it has the same operation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import rushlight as torch

SHAPE = (3, 4, 2)
MASK = np.arange(12).reshape(3, 4) % 3 == 0

INDICES = [
    1, -1, slice(None), slice(1, None), slice(0, 9, 2), None, Ellipsis, (), (0, 1), (0, 1, 1), (slice(None), 0), (Ellipsis, 0),
    (0, Ellipsis, 1), (None, 0, None), (slice(None), None, slice(1, 3)), True, False,
    [0, 2], [[0, 1], [2, 0]], [True, False, True], (slice(None), [1, 1, 0]), ([0, 2], [1, 3]), ([0, 2], slice(None), [1, 0]),
    ([[0], [2]], [1, 3]), (Ellipsis, [1, 0]), (None, [0, 1], None), (0, [1, 2]), ([0, 1], 1), (slice(1), [0, 1], [1]),
    np.array([2, 0]), np.array(1), MASK, (MASK, 0), (MASK, slice(None)), (0, np.array([True, False, True, True])),
]  # fmt: skip


def arrays(shape=SHAPE) -> tuple[np.ndarray, torch.Tensor]:
    a = np.arange(np.prod(shape), dtype=np.float64).reshape(shape)
    return a, torch.tensor(a.tolist(), dtype=torch.float64)


def in_rushlight(index):
    """NumPy reads a nested list as one array; PyTorch still takes it for a tuple, with a warning."""
    if isinstance(index, list):
        return torch.tensor(index)
    return tuple(torch.tensor(i) if isinstance(i, list) else i for i in index) if isinstance(index, tuple) else index


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_reading_agrees_with_numpy(index):
    a, t = arrays()
    # a scalar between arrays counts as an array in both, but PyTorch applies it first, as a view
    if (
        isinstance(index, tuple)
        and index
        and isinstance(index[0], int)
        and any(isinstance(i, list | np.ndarray) for i in index)
    ):
        expected = a[index[0]][index[1:]]
    else:
        expected = a[index]
    got = t[in_rushlight(index)]
    assert tuple(got.shape) == expected.shape
    assert got.tolist() == expected.tolist()


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_writing_agrees_with_numpy(index):
    a, t = arrays()
    a[index] = -5.0
    t[in_rushlight(index)] = -5.0
    assert t.tolist() == a.tolist()


def test_basic_indices_are_views_and_lists_are_copies():
    _, t = arrays()
    t[1, :, 0].zero_()
    assert t[1].tolist() == [[0, 9], [0, 11], [0, 13], [0, 15]]
    t[[1]].zero_()
    assert t[1, 0, 1].item() == 9
    assert t[...].data_ptr() == t.data_ptr()


def test_masked_assignment_of_a_tensor_fills_in_order():
    _, t = arrays((2, 3))
    t[t > 2] = torch.tensor([10.0, 20.0, 30.0], dtype=torch.float64)
    assert t.tolist() == [[0, 1, 2], [10, 20, 30]]


@pytest.mark.parametrize(
    ("index", "error", "message"),
    [
        (7, IndexError, "index 7 is out of bounds for dimension 0 with size 3"),
        ((0, 0, 0, 0), IndexError, "too many indices for tensor of dimension 3"),
        (1.5, IndexError, "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got float)"),
        (slice(None, None, -1), ValueError, "step must be greater than zero"),
        (np.array([0, 3]), IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        (np.array([True, False]), IndexError,
         "The shape of the mask [2] at index 0 does not match the shape of the indexed tensor [3, 4, 2] at index 0"),
        ((np.array([0, 1]), np.array([0, 1, 2])), IndexError,
         "shape mismatch: indexing tensors could not be broadcast together with shapes [2], [3]"),
    ],
    ids=repr,
)  # fmt: skip
def test_errors_are_pytorchs(index, error, message):
    _, t = arrays()
    with pytest.raises(error) as caught:
        t[index]
    assert str(caught.value) == message


def test_every_index_is_checked_before_memory_is_touched():
    t, far = torch.zeros(3), torch.tensor([3])
    for call in (lambda: t[far], lambda: t.index_select(0, far), lambda: t.take(far), lambda: t.index_fill(0, far, 1.0),
                 lambda: t.index_copy(0, far, t[:1]), lambda: t.index_add(0, far, t[:1]), lambda: t.put(far, t[:1]),
                 lambda: torch.nn.functional.embedding(far, t.reshape(3, 1))):  # fmt: skip
        with pytest.raises(IndexError):
            call()
    for call in (lambda: t.gather(0, far), lambda: t.scatter(0, far, 1.0), lambda: t.scatter_add(0, far, t[:1])):
        with pytest.raises(RuntimeError, match="index 3 is out of bounds for dimension 0 with size 3"):
            call()
    with pytest.raises(RuntimeError, match="index -1 is out of bounds"):
        t.gather(0, torch.tensor([-1]))


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("transposed", [False, True])
def test_gather_and_scatter_agree_with_numpy(dim, transposed):
    a, t = arrays((3, 3, 3))
    if transposed:
        a, t = a.transpose(2, 0, 1), t.permute(2, 0, 1)
    places = np.array(list(itertools.islice(itertools.cycle([2, 0, 1, 1, 0]), 27))).reshape(3, 3, 3)
    index = torch.tensor(places.tolist())
    assert t.gather(dim, index).tolist() == np.take_along_axis(a, places, dim).tolist()
    unique = np.argsort(places, dim)
    written = a.copy()
    np.put_along_axis(written, unique, -a, dim)
    assert t.scatter(dim, torch.tensor(unique.tolist()), -t).tolist() == written.tolist()
    added = a.copy()
    where = list(np.indices((3, 3, 3)))
    where[dim] = places
    np.add.at(added, tuple(where), a)
    assert t.scatter_add(dim, index, t).tolist() == added.tolist()


@pytest.mark.parametrize(
    ("reduce", "include_self", "expected"),
    [("sum", True, [8.0, 8.0]), ("sum", False, [7.0, 5.0]), ("mean", True, [8 / 3, 4.0]), ("mean", False, [3.5, 5.0]),
     ("prod", True, [12.0, 15.0]), ("amax", True, [4.0, 5.0]), ("amin", True, [1.0, 3.0]), ("amin", False, [3.0, 5.0])],
)  # fmt: skip
def test_scatter_reduce(reduce, include_self, expected):
    t = torch.tensor([1.0, 3.0], dtype=torch.float64)
    src = torch.tensor([3.0, 5.0, 4.0], dtype=torch.float64)
    assert t.scatter_reduce(
        0, torch.tensor([0, 1, 0]), src, reduce, include_self=include_self
    ).tolist() == pytest.approx(expected)


def test_joining_agrees_with_numpy():
    a, t = arrays()
    b, u = a.transpose(0, 2, 1), t.transpose(1, 2)
    for dim in (0, 1, 2, -1):
        assert (
            torch.cat([t, t[1:2].expand(3, 4, 2), t], dim).tolist()
            == np.concatenate([a, a[[1, 1, 1]], a], dim).tolist()
        )
        assert torch.stack([u, u], dim).tolist() == np.stack([b, b], dim).tolist()
    v, w = np.arange(3.0), torch.tensor([0.0, 1.0, 2.0])
    for name in ("hstack", "vstack", "dstack", "column_stack"):
        assert getattr(torch, name)([w, w]).tolist() == getattr(np, name)([v, v]).tolist()
        assert getattr(torch, name)([t, t]).tolist() == getattr(np, name)([a, a]).tolist()
    assert torch.cat([torch.tensor([1]), torch.tensor([0.5])]).dtype is torch.float32
    assert torch.cat([torch.zeros(0), t[0]]).shape == (4, 2)


def test_splitting():
    t = torch.arange(7)
    assert [p.tolist() for p in t.split(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [p.tolist() for p in torch.split(t, [1, 6])] == [[0], [1, 2, 3, 4, 5, 6]]
    assert [p.tolist() for p in t.chunk(3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [p.tolist() for p in t.tensor_split(3)] == [[0, 1, 2], [3, 4], [5, 6]]
    assert [p.tolist() for p in t.tensor_split((2, 9))] == [[0, 1], [2, 3, 4, 5, 6], []]
    assert [int(p) for p in t] == list(range(7)) == [int(p) for p in t.unbind()]
    with pytest.raises(RuntimeError, match=r"to sum exactly to 7"):
        t.split([1, 1])
    with pytest.raises(TypeError, match="iteration over a 0-d tensor"):
        iter(t[0])


def test_rearranging_agrees_with_numpy():
    a, t = arrays()
    assert t.flip(0, 2).tolist() == np.flip(a, (0, 2)).tolist()
    assert t.roll((1, -5), (0, 1)).tolist() == np.roll(a, (1, -5), (0, 1)).tolist()
    assert t.roll(3).tolist() == np.roll(a, 3).tolist()
    for k in range(-1, 4):
        assert t.rot90(k, (0, 1)).tolist() == np.rot90(a, k).tolist()
    for k in (-2, 0, 1, 5):
        assert t.tril(k).tolist() == np.tril(a, k).tolist()
        assert t.transpose(1, 2).triu(k).tolist() == np.triu(a.swapaxes(1, 2), k).tolist()
    assert t.repeat_interleave(2, dim=1).tolist() == a.repeat(2, 1).tolist()
    assert t.repeat_interleave(torch.tensor([0, 2, 1]), dim=0).tolist() == a.repeat([0, 2, 1], 0).tolist()
    assert torch.nonzero(t > 20).tolist() == np.argwhere(a > 20).tolist()
    assert [n.tolist() for n in torch.where(t > 20)] == [n.tolist() for n in np.where(a > 20)]


def test_searching_agrees_with_numpy():
    edges, values = np.array([0.0, 1.0, 1.0, 3.0]), np.array([[-1.0, 0.0, 1.0], [2.0, 3.0, float("nan")]])
    e, v = torch.tensor(edges.tolist()), torch.tensor(values.tolist())
    for side in ("left", "right"):
        expected = np.searchsorted(edges, values, side=side).tolist()
        assert torch.searchsorted(e, v, side=side).tolist() == expected
        assert torch.bucketize(v, e, right=side == "right").tolist() == expected
    assert torch.isin(v, e).tolist() == np.isin(values, edges).tolist()


def quadratic(out) -> torch.Tensor:
    parts = out if isinstance(out, tuple) else (out,)
    return sum(((p * p * p).sum() for p in parts[1:]), (parts[0] * parts[0] * parts[0]).sum())


GRADIENTS = {
    "index": lambda x: x[[0, 0, 2]],
    "mask": lambda x: x[x > 0.5],
    "mixed": lambda x: x[torch.tensor([1, 1]), 0],
    "index_put": lambda x: x.index_put((torch.tensor([0, 2]),), x[1], accumulate=True),
    "index_select": lambda x: x.index_select(1, torch.tensor([1, 1, 0])),
    "index_add": lambda x: x.index_add(0, torch.tensor([1, 1]), x[:2], alpha=2.0),
    "index_copy": lambda x: x.index_copy(0, torch.tensor([1]), x[:1] * 2),
    "index_fill": lambda x: x.index_fill(0, torch.tensor([1]), 0.5),
    "gather": lambda x: x.gather(0, torch.tensor([[1, 1], [0, 2]])),
    "scatter": lambda x: x.scatter(0, torch.tensor([[1, 2]]), x[:1] * 3),
    "scatter_mean": lambda x: x.scatter_reduce(0, torch.tensor([[1, 1], [1, 0]]), x[:2], "mean"),
    "scatter_prod": lambda x: x.scatter_reduce(0, torch.tensor([[1, 1], [1, 0]]), x[:2], "prod"),
    "take": lambda x: x.take(torch.tensor([[0, 5], [5, 1]])),
    "put": lambda x: x.put(torch.tensor([0, 3]), x[0]),
    "masked_fill": lambda x: x.masked_fill(x > 0.5, 2.0),
    "masked_select": lambda x: x.masked_select(x[:, :1] > 0.25),
    "masked_scatter": lambda x: x.masked_scatter(x > 0.5, x.flip(0)),
    "embedding": lambda x: torch.nn.functional.embedding(torch.tensor([[2, 2, 0]]), x),
    "select_scatter": lambda x: torch.select_scatter(x, x[0] * 2, 0, 1),
    "roll": lambda x: x.roll(1) * x,
    "rot90": lambda x: x.rot90() * 2,
    "tril": lambda x: x.tril(),
    "repeat_interleave": lambda x: x.repeat_interleave(torch.tensor([1, 0, 2]), dim=0),
    "cat": lambda x: torch.cat([x, x[:1], x.flip(1)]),
    "stack": lambda x: torch.stack([x, x * x], 1),
    "split": lambda x: x.split([1, 2])[1],
    "unbind": lambda x: x.unbind(1),
    "take_along_dim": lambda x: torch.take_along_dim(x, torch.tensor([[0, 2]]), 0),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_to_second_order(name):
    """Central differences of the function and of its gradient, along one direction."""
    f = GRADIENTS[name]
    x = torch.tensor([[0.3, -0.7], [1.1, 0.4], [-0.2, 0.9]], dtype=torch.float64)
    d = torch.tensor([[0.5, 0.25], [-1.0, 0.75], [0.3, -0.6]], dtype=torch.float64)
    h = 1e-6

    def grad(at):
        at = at.detach().requires_grad_()
        (g,) = torch.autograd.grad(quadratic(f(at)), at, create_graph=True)
        return at, g

    at, g = grad(x)
    slope = (quadratic(f(x + h * d)) - quadratic(f(x - h * d))).item() / (2 * h)
    assert (g * d).sum().item() == pytest.approx(slope, rel=1e-6, abs=1e-7)
    (second,) = torch.autograd.grad((g * d).sum(), at)
    expected = (grad(x + h * d)[1] - grad(x - h * d)[1]) / (2 * h)
    assert np.allclose(second.tolist(), expected.tolist(), rtol=1e-5, atol=1e-6)


def test_assignment_passes_gradients_to_both_sides():
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    v = torch.tensor(5.0, requires_grad=True)
    y = x * 2
    y[torch.tensor([0, 2])] = v
    (y * y).sum().backward()
    assert x.grad.tolist() == [0.0, 16.0, 0.0]
    assert v.grad.item() == 20.0


def test_embedding_skips_padding_and_scales_by_frequency():
    w = torch.ones(3, 2, requires_grad=True)
    index = torch.tensor([[2, 2, 0], [1, 2, 0]])
    torch.nn.functional.embedding(index, w, padding_idx=0).sum().backward()
    assert w.grad.tolist() == [[0, 0], [1, 1], [3, 3]]
    w.grad = None
    torch.nn.functional.embedding(index, w, padding_idx=0, scale_grad_by_freq=True).sum().backward()
    assert w.grad.tolist() == [[0, 0], [1, 1], [1, 1]]


def test_histories_have_pytorchs_names():
    x = torch.zeros(4, 2, requires_grad=True)
    name = lambda t: t.grad_fn.name()  # noqa: E731
    assert name(x[0]) == "SelectBackward0"
    assert name(x[:, 0]) == "SelectBackward0"
    assert name(x[1:]) == "SliceBackward0"
    assert name(x[...]) == "AliasBackward0"
    assert name(x[[0]]) == "IndexBackward0"
    assert name(next(iter(x))) == "UnbindBackward0"
    assert name(x.split(2)[1]) == "SplitBackward0" and x.split(2)[1].output_nr == 1
    assert name(x.split([1, 3])[0]) == "SplitWithSizesBackward0"
    assert name(torch.cat([x, x])) == "CatBackward0"


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "float16", "bfloat16", "float32", "complex64", "complex128"]
)
def test_moving_elements_works_for_every_width(dtype):
    dt = getattr(torch, dtype)
    t = torch.tensor([1, 0, 1, 1, 0, 0]).to(dt).reshape(3, 2)
    as_float = lambda v: v.to(torch.complex128).real.tolist()  # noqa: E731
    assert as_float(t[[2, 0]]) == [[0, 0], [1, 0]]
    assert as_float(t.flip(0)) == [[0, 0], [1, 1], [1, 0]]
    assert as_float(t.gather(1, torch.tensor([[1], [0], [0]]))) == [[0], [1], [0]]
    assert as_float(t.masked_fill(torch.tensor([[True], [False], [True]]), 1)) == [[1, 1], [1, 1], [1, 1]]
    assert as_float(torch.cat([t[:1], t.t()[:, :2]])) == [[1, 0], [1, 1], [0, 1]]
    assert as_float(t.index_add(0, torch.tensor([1, 1]), t[::2])) == (
        [[1, 0], [1, 1], [0, 0]] if dtype == "bool" else [[1, 0], [2, 1], [0, 0]]
    )


def test_what_is_written_is_looked_at_before_the_indices():
    x = torch.zeros(2)
    with pytest.raises(RuntimeError, match="cannot be broadcast to indexing result"):
        x.index_put_((torch.tensor([0, 5]),), torch.ones(2, 3))
    with pytest.raises(RuntimeError, match="source and destination dtypes match"):
        x.index_put_((torch.tensor([0, 5]),), torch.ones(2, dtype=torch.float64))
    with pytest.raises(IndexError, match="out of bounds for dimension with size 0"):
        torch.zeros(0).index_put_((torch.tensor([0]),), torch.ones(3))
    with pytest.raises(RuntimeError, match="must have same slice shapes. Destination slice shape: 3 at dimension 0"):
        torch.zeros(2, 3).index_copy_(0, torch.tensor([0]), torch.ones(1, 2))
    with pytest.raises(RuntimeError, match="self indexing axis dim should be positive"):
        torch.zeros(0, 3).index_select(0, torch.tensor([0]))
    assert x.tolist() == [0.0, 0.0]
