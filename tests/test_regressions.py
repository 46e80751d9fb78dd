"""Numbers and gradients that were once wrong, each against its definition."""

import math

import numpy
import pytest

import rushlight as torch
from rushlight.autograd import gradcheck


def normal(*shape, seed=0, complex=False):
    generator = numpy.random.default_rng(seed)
    x = generator.standard_normal(shape)
    return torch.from_numpy(x + 1j * generator.standard_normal(shape) if complex else x)


def leaf(*shape, **how):
    return normal(*shape, **how).requires_grad_()


# ---------------------------------------------------------------- products


@pytest.mark.parametrize(
    ("name", "shapes"),
    [("addmm", ((2, 4), (2, 3), (3, 4))), ("addmv", ((2,), (2, 3), (3,))), ("addr", ((2, 3), (2,), (3,))),
     ("baddbmm", ((5, 2, 4), (5, 2, 3), (5, 3, 4))), ("addbmm", ((2, 4), (5, 2, 3), (5, 3, 4)))],
)  # fmt: skip
def test_complex_factors_of_products_are_conjugated_in_gradients(name, shapes):
    inputs = [leaf(*shape, seed=i, complex=True) for i, shape in enumerate(shapes)]
    assert gradcheck(lambda *t: getattr(torch, name)(*t, beta=0.5 - 1j, alpha=2 + 0.5j), inputs)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3)])
def test_complex_linear(shape):
    assert gradcheck(torch.nn.functional.linear, (leaf(*shape, complex=True), leaf(5, 3, seed=1, complex=True)))


def test_products_of_integers_stay_integers():
    ones = torch.ones(2, 2, dtype=torch.int64)
    assert torch.addmv(ones[0], ones, ones[0], beta=0.6, alpha=2.9).tolist() == [4, 4]
    assert torch.addr(ones.bool(), ones[0].bool(), ones[0].bool()).dtype == torch.bool


def test_a_beta_of_zero_keeps_nan_out():
    none = torch.full((2,), math.nan)
    assert torch.addmv(none, torch.ones(2, 2), torch.ones(2), beta=0).tolist() == [2, 2]


# ---------------------------------------------------------------- arithmetic


def test_division_with_rounding():
    a, b = torch.tensor([7, -7, 7, -7]), torch.tensor([2, 2, -2, -2])
    assert torch.div(a, b, rounding_mode="trunc").tolist() == [3, -3, -3, 3]
    assert a.div(b, rounding_mode="floor").tolist() == [3, -4, -4, 3]
    assert torch.div(a, b, rounding_mode=None).tolist() == [3.5, -3.5, -3.5, 3.5]
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        torch.div(a, 0, rounding_mode="floor")
    with pytest.raises(RuntimeError, match="but found 'up'"):
        torch.div(a, b, rounding_mode="up")
    x = torch.tensor([2.5], requires_grad=True)
    x.div(2, rounding_mode="trunc").backward()
    assert x.grad.tolist() == [0]


def test_powers_of_tensors_without_dimensions():
    exponent = torch.tensor(3.0, requires_grad=True)
    (torch.tensor([2.0]) ** exponent).backward()
    assert exponent.grad.item() == pytest.approx(8 * math.log(2))
    assert torch.pow(torch.tensor(2.0), torch.tensor(2.0, dtype=torch.float64)).dtype == torch.float64


def test_square_of_bool_counts():
    assert torch.square(torch.tensor([True])).dtype == torch.int64


def test_limits_that_are_tensors_get_gradients():
    x, low, high = (torch.tensor(v, requires_grad=True) for v in ([0.0, 1.0, 5.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]))
    torch.clamp(x, low, high).sum().backward()
    assert (x.grad.tolist(), low.grad.tolist(), high.grad.tolist()) == ([0, 1, 0], [1, 0, 0], [0, 0, 1])
    for name in ("maximum", "fmin", "logical_and", "atan2", "hypot"):
        with pytest.raises(TypeError):
            getattr(torch, name)(x, 1)


# ---------------------------------------------------------------- overloads


def test_where_as_a_method_chooses_self():
    x = torch.tensor([1, 2])
    assert x.where(x > 1, 0).tolist() == [0, 2]


def test_bool_is_unbiased_and_int_is_dim():
    x = normal(3, 5)
    assert x.std(True).shape == () and x.std(0).shape == (5,)
    assert torch.var(x, False).item() == pytest.approx(x.numpy().var())


def test_a_tensor_is_no_dim():
    assert torch.max(torch.tensor([1, 5]), torch.tensor(3)).tolist() == [3, 5]


# ---------------------------------------------------------------- places


def test_gradients_of_values_and_windows():
    x, value = leaf(5), torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    x.index_fill(0, torch.tensor([1, 3, 1]), value).sum().backward()
    assert value.grad.item() == 2 and x.grad.tolist() == [1, 0, 1, 0, 1]
    scalar = torch.tensor(2.0, requires_grad=True)
    (scalar.unfold(0, 1, 1) * 3).sum().backward()
    assert scalar.grad.item() == 3


def test_take_along_dim_counts_from_the_end():
    assert torch.take_along_dim(torch.tensor([[1, 2, 3]]), torch.tensor([[-1]]), 1).item() == 3


def test_linspace_drops_fractions_of_integers():
    assert torch.linspace(4.3, 0, 5, dtype=torch.int64).tolist() == [4, 3, 2, 1, 0]
    assert torch.linspace(0, 1 + 1j, 3, dtype=torch.complex64).tolist() == [0, 0.5 + 0.5j, 1 + 1j]


def test_pixel_shuffle_of_nothing():
    assert torch.nn.functional.pixel_shuffle(torch.ones(0, 4, 1, 1), 2).shape == (0, 1, 2, 2)


# ---------------------------------------------------------------- matrices


@pytest.mark.parametrize("shape", [(3, 3), (3, 5), (5, 3), (2, 3, 3)])
@pytest.mark.parametrize("complex", [False, True])
def test_lu_is_differentiable(shape, complex):
    assert gradcheck(lambda a: torch.linalg.lu(a)[1:], leaf(*shape, complex=complex))
    assert gradcheck(lambda a: torch.linalg.lu_factor(a)[0], leaf(*shape, complex=complex))


def test_complex_determinants():
    a = leaf(3, 3, complex=True)
    assert gradcheck(lambda a: tuple(torch.linalg.slogdet(a)), a)
    assert torch.logdet(a).item() == pytest.approx(numpy.log(numpy.linalg.det(a.detach().numpy())))


def test_hermitian_pseudo_inverse_reads_one_triangle():
    a = normal(3, 3, complex=True)
    h = numpy.tril(a.numpy(), -1)
    h = h + h.conj().T + numpy.diag(numpy.diag(a.numpy()).real)
    assert numpy.allclose(torch.linalg.pinv(a, hermitian=True).numpy(), numpy.linalg.pinv(h))


@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 4)])
def test_spectral_norm_of_zero_has_a_gradient(shape):
    a = torch.zeros(shape, requires_grad=True)
    torch.linalg.norm(a, 2).backward()
    assert torch.isfinite(a.grad).all()


def test_power_zero_has_a_gradient_of_zero():
    a = leaf(2, 2)
    torch.linalg.matrix_power(a, 0).sum().backward()
    assert a.grad.abs().sum().item() == 0


# ---------------------------------------------------------------- losses and transforms


def test_ctc_gradient_takes_log_probs_for_log_softmax():
    """One frame, one label: the loss is -log p, and the convention adds exp(log p) for every class."""
    log_probs = torch.log_softmax(normal(1, 1, 3), -1).detach().requires_grad_()
    torch.nn.functional.ctc_loss(log_probs, torch.tensor([[1]]), [1], [1], reduction="sum").backward()
    want = log_probs.detach().exp()
    want[0, 0, 1] -= 1
    assert torch.allclose(log_probs.grad, want)


def test_istft_of_a_two_sided_spectrum():
    x = normal(64)
    two_sided = torch.stft(
        x, 16, onesided=False, return_complex=True, window=torch.hann_window(16, dtype=torch.float64)
    )
    back = torch.istft(two_sided, 16, onesided=False, window=torch.hann_window(16, dtype=torch.float64), length=64)
    assert torch.allclose(back, x)


# ---------------------------------------------------------------- operators


def test_numpy_scalars_give_way_and_arrays_compare():
    t = torch.tensor([1.0, 2.0])
    scaled = numpy.float64(2) * t
    assert type(scaled) is torch.Tensor and scaled.dtype is torch.float32 and scaled.tolist() == [2.0, 4.0]
    array = numpy.array([1.0, 3.0])
    assert (t == array).tolist() == (array == t).tolist() == [True, False]
    assert (array / t).tolist() == [1.0, 1.5]
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = array * t


def test_a_number_to_a_tensors_power_is_one_node():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = 3**x
    assert y.grad_fn.name() == "PowBackward2"
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    torch.testing.assert_close(slope, y * math.log(3))
    torch.testing.assert_close(torch.autograd.grad(slope.sum(), x)[0], y.detach() * math.log(3) ** 2)


# ---------------------------------------------------------------- half precision, complex numbers


@pytest.mark.parametrize(("dtype", "number"), [(torch.float16, 0.1), (torch.bfloat16, 0.3)])
def test_a_number_beside_half_precision_is_not_rounded_first(dtype, number):
    x = torch.linspace(0.5, 3.5, 500).to(dtype)
    wide = x.float()
    assert torch.equal(x * number, (wide * number).to(dtype))
    assert torch.equal(number * x, (wide * number).to(dtype))
    assert torch.equal(x / number, (wide / number).to(dtype))
    assert torch.equal(x.clone().mul_(number), (wide * number).to(dtype))
    assert torch.equal(x + number, (wide + torch.tensor(number).to(dtype)).to(dtype))  # where PyTorch does round it


def test_steps_of_half_precision():
    x = torch.tensor([1.0, 2.0, 0.0, -1.0], dtype=torch.bfloat16)
    y = torch.nextafter(x, torch.tensor([2.0, 1.0, -1.0, 0.0], dtype=torch.bfloat16))
    assert y.tolist() == [1.0078125, 1.9921875, -(2.0**-133), -0.99609375]
    assert torch.histc(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float16), 2).tolist() == [2.0, 2.0]


def test_sums_of_complex_exponentials():
    a = torch.tensor([1 + 2j, 3 - 1j, -4 + 0.5j], dtype=torch.complex128, requires_grad=True)
    b = torch.tensor([2 + 1j, -4 + 0j, 0.5j], dtype=torch.complex128)
    torch.testing.assert_close(torch.logaddexp(a, b), (a.exp() + b.exp()).log())
    torch.testing.assert_close(torch.logcumsumexp(a, 0), a.exp().cumsum(0).log())
    assert gradcheck(lambda z: torch.logaddexp(z, b), (a,))
    assert gradcheck(lambda z: torch.logcumsumexp(z, 0), (a,))


def test_complex_numbers_cleaned_part_by_part():
    z = torch.tensor([complex(math.inf, math.nan), complex(1, -math.inf)])
    assert torch.nan_to_num(z, nan=2.0, posinf=3.0, neginf=-3.0).tolist() == [3 + 2j, 1 - 3j]


# ---------------------------------------------------------------- linear algebra


def test_adjoint_without_dimensions():
    assert torch.tensor(1 + 2j).adjoint().item() == 1 - 2j
    with pytest.raises(RuntimeError, match="only supported on matrices"):
        torch.ones(3).adjoint()


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_factors_are_read_as_triangles(upper):
    factor = torch.tensor([[2.0, 9.0], [1.0, 3.0]], dtype=torch.float64)
    clean = factor.triu() if upper else factor.tril()
    A = clean.mT @ clean if upper else clean @ clean.mT
    b = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    torch.testing.assert_close(torch.cholesky_solve(b, factor, upper=upper), torch.linalg.solve(A, b))
    torch.testing.assert_close(torch.cholesky_inverse(factor, upper=upper), torch.linalg.inv(A))
    leaf = clean.clone().requires_grad_()
    mask = torch.ones(2, 2, dtype=torch.float64).triu() if upper else torch.ones(2, 2, dtype=torch.float64).tril()
    assert gradcheck(lambda L: torch.cholesky_solve(b, L * mask, upper=upper), (leaf,))
    assert gradcheck(lambda L: torch.cholesky_inverse(L * mask, upper=upper), (leaf,))


def test_no_reflections_have_a_gradient_of_zero():
    a, tau = leaf(3, 2), torch.zeros(0, dtype=torch.float64)
    torch.linalg.householder_product(a, tau).sum().backward()
    assert a.grad.abs().sum().item() == 0


# ---------------------------------------------------------------- arguments


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: torch.linspace(torch.ones(2), torch.ones(2), 1), RuntimeError, "only supports 0-dimensional start"),
        (lambda: torch.logspace(torch.ones(2), 1, 1), RuntimeError, "only supports 0-dimensional start"),
        (lambda: torch.zeros(3).narrow(0, torch.tensor(True), 1), RuntimeError, "start must be an 0-dim integral"),
        (lambda: torch.gradient(torch.eye(3), dim=(1, 1)), RuntimeError, "dim 1 appears multiple times"),
        (lambda: torch.linalg.cross(torch.ones(1, 3), torch.ones(1, 3), dim=2), IndexError, "Dimension out of range"),
        (lambda: torch.igamma(torch.ones(3), 2), TypeError, "'other'.* must be Tensor, not int"),
        (lambda: torch.ormqr(*[torch.tensor(1.0)] * 3), RuntimeError, "at least 2 dimensions"),
        (lambda: torch.nn.functional.multilabel_margin_loss(torch.ones(0), torch.ones(0).long()), RuntimeError, "non-empty"),
    ],
)  # fmt: skip
def test_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_linspace_between_tensors():
    assert torch.linspace(torch.tensor(0.0), 2, 3).tolist() == [0.0, 1.0, 2.0]


def test_view_copy_of_spread_memory():
    assert torch.view_copy(torch.arange(6).reshape(2, 3).t(), [6]).tolist() == [0, 3, 1, 4, 2, 5]


# ---------------------------------------------------------------- layers


def test_batch_norm_asks_for_a_positive_eps_in_training():
    layer = torch.nn.BatchNorm1d(2, eps=-1.0)
    with pytest.raises(ValueError, match="batch_norm eps must be positive during training, but got -1.0"):
        layer(torch.ones(3, 2))
    with pytest.raises(ValueError, match="batch_norm eps must be non-negative, but got -1.0"):
        layer.eval()(torch.ones(3, 2))


def test_fractional_pooling_without_a_batch_reads_the_first_samples():
    samples = torch.rand(2, 4, 3)
    x = torch.rand(4, 5, 5, 5)
    pooled = torch.nn.functional.fractional_max_pool3d(x, 2, 3, _random_samples=samples)
    batched = torch.nn.functional.fractional_max_pool3d(x.unsqueeze(0), 2, 3, _random_samples=samples[:1])
    assert torch.equal(pooled, batched.squeeze(0))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32])
def test_sums_in_a_narrow_dtype(dtype):
    """The kernels add integers up in int64: their results once went into memory for the narrow ones."""
    x = torch.arange(-40_000, 40_000).remainder(5).reshape(4, 20_000) - 2
    for fold in (torch.sum, torch.prod):
        result, exact = fold(x, 0, dtype=dtype), fold(x.to(dtype), 0)
        assert result.dtype == dtype and exact.dtype == torch.int64 and result.equal(exact.to(dtype))
    assert x.sum(dtype=dtype).equal(x.to(dtype).sum().to(dtype))
    out = torch.empty(20_000, dtype=dtype)
    torch.sum(x, 0, out=out)
    assert out.equal(x.sum(0, dtype=dtype))


def test_reductions_of_expanded_memory():
    """Equal elements are folded once, and columns that are one and the same: as if each were there."""
    for x in (torch.rand(60, 1).expand(60, 700), torch.rand(700).expand(60, 700), torch.rand(1, 1).expand(60, 700)):
        plain = x.contiguous()
        for dim in (0, 1, (0, 1)):
            for fold in (torch.sum, torch.mean, torch.amax, torch.amin):
                torch.testing.assert_close(fold(x, dim), fold(plain, dim), rtol=1e-5, atol=0)
        assert (x > 0.5).sum(0).equal((plain > 0.5).sum(0)) and (x > 0.5).any(1).equal((plain > 0.5).any(1))
    gaps = torch.tensor([[float("nan")], [1.0]]).expand(2, 700)
    assert gaps.amax(1).isnan().tolist() == [True, False] and torch.empty(0, 3).expand(0, 3).amax(1).shape == (0,)
