"""Scans, order, named products, linear algebra, transforms: against NumPy, PyTorch's recorded values and gradcheck."""

import itertools
import math

import numpy
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck, gradgradcheck


def reals(*shape, seed=0):
    return torch.from_numpy(numpy.random.default_rng(seed).standard_normal(shape))


def leaf(*shape, seed=0):
    return reals(*shape, seed=seed).requires_grad_()


# ---------------------------------------------------------------- scans


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_scans_agree_with_numpy(dim):
    x = reals(4, 5)
    a = x.numpy()
    for ours, theirs in ((x.cumsum(dim), a.cumsum(dim)), (x.cumprod(dim), a.cumprod(dim)), (x.cummax(dim).values, numpy.maximum.accumulate(a, dim)),
                         (x.cummin(dim)[0], numpy.minimum.accumulate(a, dim)),
                         (x.logcumsumexp(dim), numpy.logaddexp.accumulate(a, dim))):  # fmt: skip
        numpy.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-12)


def test_scans_of_views_and_integers():
    x = torch.arange(6).reshape(2, 3)
    assert x.t().cumsum(0).tolist() == [[0, 3], [1, 7], [3, 12]]
    assert x.to(torch.uint8).cumsum(1).dtype == torch.int64
    assert torch.tensor([True, True]).cumsum(0).tolist() == [1, 2]
    assert torch.tensor(3.0).cumsum(0).item() == 3.0
    assert torch.tensor([1.0, math.nan, 3.0]).cummax(0).indices.tolist() == [0, 1, 1]


@pytest.mark.parametrize("zeros", [(), (1,), (0, 2), (0, 1, 2, 3)])
def test_cumprod_has_gradients_of_any_order_at_zeros(zeros):
    x = reals(4)
    for i in zeros:
        x[i] = 0
    x.requires_grad_()
    assert gradcheck(lambda x: x.cumprod(0), x)
    assert gradgradcheck(lambda x: x.cumprod(0), x)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 2, 3, math.inf, -math.inf])
def test_norms(p):
    x = leaf(3, 4)
    expected = numpy.linalg.norm(x.detach().numpy(), p, axis=1)
    numpy.testing.assert_allclose(x.norm(p, 1).detach().numpy(), expected, rtol=1e-12)
    assert gradcheck(lambda x: torch.linalg.vector_norm(x, p, 1), x)


def test_norm_at_zero_has_gradient_zero():
    x = torch.zeros(3, requires_grad=True)
    x.norm().backward()
    assert x.grad.tolist() == [0, 0, 0]


def test_distances():
    a, b = leaf(30, 3), leaf(28, 3, seed=1)
    d = torch.cdist(a, b)
    direct = ((a[:, None] - b[None]) ** 2).sum(-1).sqrt()
    assert torch.allclose(d, direct)
    weights = reals(30, 28, seed=2)
    for one, other in zip(
        torch.autograd.grad((d * weights).sum(), (a, b)),
        torch.autograd.grad((direct * weights).sum(), (a, b)),
        strict=True,
    ):
        assert torch.allclose(one, other)


# ---------------------------------------------------------------- order


@pytest.mark.parametrize(
    "dtype",
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool],
)
@pytest.mark.parametrize("n", [1, 7, 300])
@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable(dtype, n, descending):
    x = (reals(n) * 3).to(dtype) if dtype != torch.uint8 else (reals(n) * 3).abs().to(dtype)
    values, order = x.sort(descending=descending)
    keys = x.double().numpy()
    expected = sorted(range(n), key=lambda i: -keys[i] if descending else keys[i])
    assert order.tolist() == expected
    assert torch.equal(values, x[order])


def test_sort_puts_nan_last_and_keeps_signed_zeros():
    x = torch.tensor([math.nan, 0.0, -0.0, -math.inf, math.inf])
    assert x.argsort().tolist() == [3, 1, 2, 4, 0]
    assert x.argsort(descending=True).tolist() == [0, 4, 1, 2, 3]


def test_topk_and_kthvalue():
    x = reals(3, 100)
    ordered = x.sort(-1, True).values
    for k in (0, 1, 5, 40, 100):
        assert torch.equal(x.topk(k).values, ordered[:, :k])
        assert torch.equal(x.topk(k, largest=False).values, ordered.flip(1)[:, :k])
    assert torch.equal(x.kthvalue(3).values, ordered[:, -3])
    with pytest.raises(RuntimeError, match="selected index k out of range"):
        x.topk(101)


def test_medians_and_modes():
    x = torch.tensor([[1.0, 4, 2, 3], [math.nan, 1, 5, 2]])
    assert torch.tensor([1.0, 4, 2, 3]).median().item() == 2
    values, places = x.median(1)
    assert values[0] == 2 and values[1].isnan() and places.tolist() == [2, 0]
    assert x.nanmedian(1).values.tolist() == [2, 2]
    assert torch.tensor([2, 1, 2, 1, 0]).mode().values.item() == 1


@pytest.mark.parametrize("method", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_quantiles(method):
    x = reals(5, 8)
    q = torch.tensor([0.0, 0.1, 0.5, 0.77, 1.0], dtype=torch.float64)
    ours = torch.quantile(x, q, dim=1, interpolation=method)
    numpy.testing.assert_allclose(ours.numpy(), numpy.quantile(x.numpy(), q.numpy(), axis=1, method=method), rtol=1e-12)


def test_unique():
    x = torch.tensor([[3, 1], [2, 3], [3, 1]])
    values, inverse, counts = x.unique(return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 3] and counts.tolist() == [2, 1, 3] and torch.equal(values[inverse], x)
    rows, inverse = x.unique(return_inverse=True, dim=0)
    assert rows.tolist() == [[2, 3], [3, 1]] and torch.equal(rows[inverse], x)
    assert torch.tensor([1, 1, 2, 1]).unique_consecutive(return_counts=True)[1].tolist() == [2, 1, 1]


def test_counts():
    assert torch.bincount(torch.tensor([0, 2, 2]), minlength=4).tolist() == [1, 0, 2, 0]
    assert torch.bincount(torch.tensor([0, 2, 2]), torch.tensor([0.5, 1, 1])).tolist() == [0.5, 0, 2]
    assert torch.histc(torch.tensor([0.0, 1, 2, 3]), 3).tolist() == [1, 1, 2]


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sort(1)[0],
        lambda x: x.topk(2)[0],
        lambda x: x.kthvalue(2)[0],
        lambda x: x.median(0)[0],
        lambda x: x.quantile(0.3, 1),
        lambda x: x.logsumexp(1),
        lambda x: x.cummax(1)[0],
        lambda x: x.logcumsumexp(0),
        lambda x: x.diff(),
        lambda x: x.trace(),
        lambda x: x.repeat(2, 1, 3),
        lambda x: x.diag(1),
        lambda x: x.cov(),
        lambda x: x.corrcoef(),
        lambda x: x.renorm(2, 0, 0.5),
        lambda x: torch.trapezoid(x),
        lambda x: torch.gradient(x, edge_order=2)[0],
    ],
)
def test_gradients(call):
    assert gradcheck(call, leaf(4, 4))


# ---------------------------------------------------------------- named products


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("i,j", [(2,), (3,)]),
        ("...ij,...jk", [(2, 1, 2, 3), (4, 3, 2)]),
        ("ijk->", [(2, 3, 4)]),
        ("bn,anm,bm->ba", [(2, 5), (3, 5, 4), (2, 4)]),
        ("ij,kj->", [(2, 3), (4, 3)]),
        ("ij,ij->ij", [(2, 1), (2, 3)]),
    ],
)
def test_einsum(equation, shapes):
    operands = [leaf(*s, seed=i) for i, s in enumerate(shapes)]
    result = torch.einsum(equation, *operands)
    numpy.testing.assert_allclose(
        result.detach().numpy(), numpy.einsum(equation, *[x.detach().numpy() for x in operands]), rtol=1e-12
    )
    assert gradcheck(lambda *xs: torch.einsum(equation, xs), operands)


def test_einsum_of_sublists_and_its_errors():
    a, b = reals(2, 3), reals(3, 4)
    assert torch.equal(torch.einsum(a, [0, 1], b, [1, 2], [0, 2]), torch.einsum("ij,jk->ik", a, b))
    with pytest.raises(RuntimeError, match="more operands were provided"):
        torch.einsum("ij", a, b)
    with pytest.raises(RuntimeError, match="does not broadcast"):
        torch.einsum("ij,ij->i", a, reals(2, 4))


def test_tensordot_and_kron():
    a, b = reals(3, 4, 5), reals(4, 3, 2)
    numpy.testing.assert_allclose(
        torch.tensordot(a, b, dims=([1, 0], [0, 1])).numpy(), numpy.tensordot(a.numpy(), b.numpy(), ([1, 0], [0, 1]))
    )
    assert torch.equal(torch.kron(torch.eye(2), torch.ones(1, 2)), torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1]]))
    assert torch.linalg.multi_dot([reals(2, 5), reals(5, 3), reals(3, 4)]).shape == (2, 4)


# ---------------------------------------------------------------- linear algebra


def spd(n=3):
    x = reals(n, n)
    return x @ x.t() + n * torch.eye(n, dtype=torch.float64)


def symmetric(function):
    return lambda x: function((x + x.mT) / 2)


@pytest.mark.parametrize(
    "function, x",
    [
        (torch.linalg.inv, spd()),
        (torch.det, reals(3, 3)),
        (lambda x: torch.slogdet(x)[1], spd()),
        (lambda x: torch.linalg.solve(x, reals(3, 2)), spd()),
        (symmetric(torch.linalg.cholesky), spd()),
        (torch.linalg.qr, reals(4, 3)),
        (torch.linalg.qr, reals(3, 4)),
        (torch.linalg.svdvals, reals(4, 3)),
        (lambda x: torch.linalg.svd(x, full_matrices=False)[1], reals(3, 4)),
        (symmetric(torch.linalg.eigvalsh), spd()),
        (torch.linalg.matrix_exp, reals(3, 3)),
        (torch.linalg.pinv, reals(4, 3)),
        (torch.linalg.pinv, reals(2, 4)),
        (lambda x: torch.matrix_power(x, 3), reals(3, 3)),
        (lambda x: torch.linalg.matrix_norm(x, 2), reals(3, 2)),
    ],
)
def test_linear_algebra_has_gradients_to_second_order(function, x):
    x = x.clone().requires_grad_()
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)


def test_decompositions_multiply_back():
    a = reals(2, 4, 3).float()
    u, s, vh = torch.linalg.svd(a, full_matrices=False)
    assert a.dtype == u.dtype == s.dtype == torch.float32
    assert torch.allclose(u * s.unsqueeze(-2) @ vh, a, atol=1e-5)
    q, r = torch.linalg.qr(a)
    assert torch.allclose(q @ r, a, atol=1e-5)
    p, low, up = torch.linalg.lu(a)
    assert torch.allclose(p @ low @ up, a, atol=1e-5)
    values, vectors = torch.linalg.eigh(spd())
    assert torch.allclose(vectors * values @ vectors.mT, spd())


def test_singular_matrices():
    with pytest.raises(torch.linalg.LinAlgError, match="diagonal element 2 is zero"):
        torch.linalg.inv(torch.ones(2, 2))
    with pytest.raises(RuntimeError, match="A must be batches of square matrices, but they are 2 by 3 matrices"):
        torch.linalg.inv(torch.ones(2, 3))
    with pytest.raises(torch.linalg.LinAlgError, match="leading minor of order 2 is not positive-definite"):
        torch.linalg.cholesky(torch.tensor([[1.0, 2], [2, 1]]))
    x = torch.ones(2, 2, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(torch.det(x), x)
    assert torch.allclose(grad, torch.tensor([[1.0, -1], [-1, 1]], dtype=torch.float64))


# ---------------------------------------------------------------- transforms and special functions


@pytest.mark.parametrize(
    "name, n, norm",
    list(
        itertools.product(["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"], [None, 4, 7], [None, "ortho", "forward"])
    ),
)
def test_transforms(name, n, norm):
    x = leaf(3, 5)
    result = getattr(torch.fft, name)(x, n, norm=norm)
    numpy.testing.assert_allclose(
        result.detach().numpy(), getattr(numpy.fft, name)(x.detach().numpy(), n, norm=norm), atol=1e-12
    )
    if name not in ("irfft", "hfft"):
        assert gradcheck(lambda x: torch.view_as_real(getattr(torch.fft, name)(x, n, norm=norm)), x)
    else:
        assert gradcheck(lambda x: getattr(torch.fft, name)(x, n, norm=norm), x)


def test_transforms_of_several_dimensions():
    x = reals(3, 4, 6)
    for name in ("fft2", "ifft2", "rfft2", "fftn", "rfftn"):
        numpy.testing.assert_allclose(
            getattr(torch.fft, name)(x).numpy(), getattr(numpy.fft, name)(x.numpy()), atol=1e-12
        )
    assert torch.allclose(torch.fft.irfftn(torch.fft.rfftn(x), x.shape), x)
    assert torch.fft.fft(x.float()).dtype == torch.complex64
    assert torch.fft.fftfreq(4).tolist() == [0, 0.25, -0.5, -0.25]


# Recorded from SciPy, or exact.
@pytest.mark.parametrize(
    "name, x, y",
    [
        ("digamma", 1.0, -0.57721566490153286),
        ("digamma", -0.5, 0.03648997397857652),
        ("erfinv", 0.5, 0.47693627620446987),
        ("i0", 1.0, 1.2660658777520084),
        ("i1", 1.0, 0.56515910399248503),
        ("i0e", 40.0, 0.06327827987523532),
        ("sinc", 0.5, 2 / math.pi),
        ("ndtri", 0.975, 1.9599639845400545),
        ("log_ndtr", -40.0, -804.60844201974),
        ("erfcx", 30.0, 0.018795888861416754),
    ],
)
def test_special_values(name, x, y):
    assert getattr(torch.special, name)(torch.tensor(x, dtype=torch.float64)).item() == pytest.approx(y, rel=1e-9)


def test_special_identities():
    x = torch.linspace(-0.999, 0.999, 41, dtype=torch.float64)
    assert torch.allclose(torch.erf(torch.erfinv(x)), x)
    p = torch.tensor([1e-300, 1e-10, 0.3, 1 - 1e-9], dtype=torch.float64)
    assert torch.allclose(torch.special.log_ndtr(torch.special.ndtri(p)), p.log(), rtol=1e-9)
    assert torch.polygamma(1, torch.tensor(1.0)).item() == pytest.approx(math.pi**2 / 6)
    for name in ("digamma", "erfinv", "i0", "sinc"):
        assert gradcheck(getattr(torch, name), torch.tensor([0.3, -0.6], dtype=torch.float64, requires_grad=True))


# ---------------------------------------------------------------- shapes


def test_grids_and_blocks():
    a, b = torch.arange(2), torch.arange(3)
    assert [g.shape for g in torch.meshgrid(a, b, indexing="xy")] == [(3, 2), (3, 2)]
    with pytest.warns(UserWarning, match="it will be required to pass the indexing argument"):
        torch.meshgrid(a, b)
    assert torch.cartesian_prod(a, b).shape == (6, 2)
    assert torch.combinations(b).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert torch.block_diag(torch.ones(1, 2), torch.ones(2, 1)).tolist() == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert torch.broadcast_shapes((2, 1), (3,), 1) == (2, 3)
    assert [t.shape for t in torch.broadcast_tensors(a[:, None], b)] == [(2, 3), (2, 3)]
    assert torch.atleast_2d(torch.tensor(1.0)).shape == (1, 1)
    assert torch.vander(torch.tensor([2, 3])).tolist() == [[2, 1], [3, 1]]


def test_repetition():
    x = torch.arange(3)
    assert x.repeat(2, 2).tolist() == [[0, 1, 2, 0, 1, 2]] * 2
    assert torch.tile(x.reshape(1, 3), (2,)).shape == (1, 6)
    assert x.reshape(1, 3).unflatten(1, (3, -1)).shape == (1, 3, 1)
    with pytest.raises(RuntimeError, match="Number of dimensions of repeat dims"):
        x.reshape(1, 3).repeat(2)


def test_whole_numbers_are_refused_where_pytorch_refuses_them():
    whole = torch.tensor([1, 2])
    with pytest.raises(RuntimeError, match="expected dtype float for `end` but got dtype long int"):
        torch.lerp(torch.ones(2), whole, 0.5)
    with pytest.raises(NotImplementedError, match="lerp_kernel_scalar"):
        whole.lerp_(whole, 0.5)
    with pytest.raises(RuntimeError, match="Integer division with addcdiv is no longer supported"):
        torch.addcdiv(torch.ones(2), whole, whole)
    with pytest.raises(NotImplementedError, match="clamp_min_scalar_cpu"):
        torch.tensor([True]).clamp(min=True)
    with pytest.raises(RuntimeError, match="unflatten got an unexpected error"):
        torch.tensor(3).unflatten(0, (1, -1))


def test_resize_to_the_same_shape_is_no_write():
    x = torch.ones(2, 3)
    x.resize_(2, 3)
    assert x._version == 0
    x.resize_(3, 2)
    assert x._version == 1
