"""torch.distributions: draws, densities and moments recorded from PyTorch 2.13; divergences; messages."""

import pytest

import rushlight as torch
from rushlight import distributions as D
from rushlight.distributions import constraints, kl_divergence
from rushlight.testing import assert_close

S = torch.tensor([0.5, 1.0, 1.5])
L = torch.tensor([-1.0, 0.0, 2.0])
P = torch.tensor([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
C = torch.tensor([[2.0, 0.5], [0.5, 1.0]])

# Expression; after manual_seed(0), the first draws of sample((2,)) and the sum of their log_prob; sums of the entropy,
# mean and variance. None: infinite, or not defined.
RECORDED = [
    ("Normal(L, S)", [-0.229502, -0.293429, -1.26818, -0.715784, -1.08452, -0.0978932], -10.2699, 3.96913, 1.0, 3.5),
    ("Laplace(L, S)", [-1.00376, 0.768827, -0.59779, -1.66579, -0.486384, 2.46828], -8.22187, 4.79176, 1.0, 7.0),
    ("Cauchy(L, S)", [4.29886, 0.764767, 1.80755, 0.966537, 0.489989, 3.94826], -15.5051, 7.30539, None, None),
    (
        "Uniform(L, L + S)",
        [-0.751872, 0.768222, 2.13272, -0.933985, 0.307423, 2.95112],
        0.575364,
        -0.287682,
        2.5,
        0.291667,
    ),
    ("Exponential(S)", [7.01665, 1.23038, 0.410029, 5.07024, 1.03571, 1.04409], -11.0661, 3.28768, 3.66667, 5.44444),
    ("Gamma(S, 2.0)", [0.000394679, 0.0594919, 0.674307, 0.0549112, 0.14427, 0.687271], 4.99962, 0.372141, 1.5, 0.75),
    ("Chi2(S)", [1.07085e-06, 0.0883018, 1.03709, 0.422259, 0.40097, 0.662701], 5.20864, 1.2193, 3.0, 6.0),
    ("Dirichlet(P)", [4.27532e-08, 0.0225443, 0.977456, 0.925437, 0.0733405, 0.00122269], 21.8711, -10.8663, 2.0, 0.58),
    (
        "Beta(S, 2.0)",
        [0.00124833, 0.446422, 0.207716, 0.0266106, 0.311412, 0.465106],
        5.5909,
        -1.06648,
        0.961905,
        0.155692,
    ),
    (
        "StudentT(S * 4, L, S)",
        [-0.249216, -0.239602, -2.21195, -0.687395, -1.93082, -0.144097],
        -12.431,
        4.94608,
        1.0,
        None,
    ),
    ("Categorical(P)", [2.0, 0.0, 2.0, 2.0], -4.19971, 1.9276, None, None),
    ("Categorical(logits=P)", [2.0, 1.0, 2.0, 2.0], -4.38624, 2.1678, None, None),
    ("Bernoulli(S / 2)", [0.0, 0.0, 1.0, 1.0, 1.0, 1.0], -3.63563, 1.81782, 1.5, 0.625),
    ("Geometric(S / 2)", [2.0, 0.0, 1.0, 7.0, 1.0, 0.0], -9.40283, 4.38542, 4.33333, 14.4444),
    ("Poisson(S * 3)", [4.0, 2.0, 4.0, 2.0, 3.0, 3.0], -10.8715, None, 9.0, 9.0),
    ("Binomial(10, S / 2)", [6.0, 5.0, 7.0, 3.0, 5.0, 7.0], -11.081, 5.3048, 15.0, 6.25),
    ("Multinomial(5, P)", [1.0, 1.0, 3.0, 4.0, 1.0, 0.0], -7.3576, 4.88828, 10.0, 5.8),
    ("OneHotCategorical(P)", [0.0, 0.0, 1.0, 1.0, 0.0, 0.0], -4.19971, 1.9276, 2.0, 1.16),
    ("MultivariateNormal(torch.zeros(2), C)", [2.1793, 0.270347, -3.08127, -0.2386], -8.00087, 3.11768, 0.0, 3.0),
    (
        "MultivariateNormal(torch.zeros(2), precision_matrix=C)",
        [1.16488, -0.875871, -1.64701, 1.39194],
        -6.88164,
        2.55807,
        0.0,
        1.71429,
    ),
    (
        "LogNormal(L, S)",
        [0.794929, 0.745702, 0.281342, 0.488809, 0.338063, 0.906746],
        -6.58058,
        4.96913,
        24.8255,
        4401.48,
    ),
    ("HalfNormal(S)", [0.770498, 0.293429, 3.26818, 0.284216, 1.08452, 2.09789], -6.11102, 1.88969, 2.39365, 1.27183),
    (
        "RelaxedBernoulli(torch.tensor(0.5), S / 2)",
        [0.0973368, 0.916567, 0.0781672, 0.00256438, 0.1646, 0.964317],
        3.99257,
        None,
        None,
        None,
    ),
    (
        "RelaxedOneHotCategorical(torch.tensor(0.5), P)",
        [0.0574406, 0.912589, 0.0299703, 0.437582, 0.322338, 0.240079],
        6.94216,
        None,
        None,
        None,
    ),
    (
        "Independent(Normal(L, S), 1)",
        [-0.229502, -0.293429, -1.26818, -0.715784, -1.08452, -0.0978932],
        -10.2699,
        3.96913,
        1.0,
        3.5,
    ),
    ("MixtureSameFamily(Categorical(S), Normal(L, S))", [0.373216, 3.25704], -3.96635, None, 0.833333, 2.97222),
    (
        "TransformedDistribution(Normal(L, S), [TanhTransform(), AffineTransform(2.0, S)])",
        [1.88722, 1.71471, 0.720043, 1.69285, 1.20513, 1.85363],
        -6.77248,
        None,
        None,
        None,
    ),
]


def _made(expression):
    return eval(expression, {**vars(D), "torch": torch, "S": S, "L": L, "P": P, "C": C})


def _close(actual, expected):
    assert_close(actual.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("row", RECORDED, ids=[row[0] for row in RECORDED])
def test_recorded(row):
    expression, draws, log_prob, entropy, mean, variance = row
    d = _made(expression)
    torch.manual_seed(0)
    x = d.sample((2,))
    assert x.shape == (2, *d.batch_shape, *d.event_shape) and not x.requires_grad
    _close(x.flatten()[:6], draws)
    assert d.log_prob(x).shape == (2, *d.batch_shape)
    _close(d.log_prob(x).sum(), log_prob)
    for name, expected in (("mean", mean), ("variance", variance)):
        if expected is not None and expected != float("inf"):
            _close(getattr(d, name).sum(), expected)
    if entropy is not None:
        _close(d.entropy().sum(), entropy)


@pytest.mark.parametrize("row", RECORDED, ids=[row[0] for row in RECORDED])
def test_expand(row):
    d = _made(row[0])
    wide = d.expand((4, *d.batch_shape))
    assert wide.batch_shape == (4, *d.batch_shape) and wide.event_shape == d.event_shape
    x = d.sample()
    assert_close(wide.log_prob(x), d.log_prob(x).expand(wide.batch_shape))


@pytest.mark.parametrize("kind", [D.Normal, D.Laplace, D.Cauchy, D.LogNormal])
def test_draws_are_differentiable(kind):
    loc, scale = L.clone().requires_grad_(), S.clone().requires_grad_()
    kind(loc, scale).rsample((5,)).sum().backward()
    assert loc.grad is not None and scale.grad is not None


def test_policy_gradient():
    logits = torch.zeros(3, requires_grad=True)
    d = D.Categorical(logits=logits)
    (-d.log_prob(torch.tensor(1)) * 2.0).backward()
    assert_close(logits.grad, torch.tensor([2 / 3, -4 / 3, 2 / 3]))


KL = [
    ("Normal(L, S)", "Normal(L + 1, S * 2)", 1.635),
    ("Categorical(P)", "Categorical(P.flip(0))", 1.08322),
    ("Bernoulli(S / 2)", "Bernoulli(S / 3)", 0.212049),
    ("Exponential(S)", "Exponential(S * 2)", 0.920558),
    ("Uniform(L, L + S)", "Uniform(L - 1, L + 3)", 4.44657),
]


@pytest.mark.parametrize(("p", "q", "expected"), KL)
def test_divergence(p, q, expected):
    _close(kl_divergence(_made(p), _made(q)).sum(), expected)
    assert_close(kl_divergence(_made(p), _made(p)), torch.zeros(_made(p).batch_shape))


def test_divergences_may_be_registered():
    class Mine(D.Normal):
        pass

    @D.register_kl(Mine, D.Categorical)
    def never(p, q):
        return torch.tensor(7.0)

    assert kl_divergence(Mine(0.0, 1.0), D.Categorical(P)) == 7
    with pytest.raises(NotImplementedError, match="No KL\\(p \\|\\| q\\) is implemented for p type Normal"):
        kl_divergence(D.Normal(0.0, 1.0), D.Categorical(P))


ERRORS = [
    (
        lambda: D.Normal(L, -S),
        "Expected parameter scale (Tensor of shape (3,)) of distribution Normal(loc: torch.Size([3]), scale: "
        "torch.Size([3])) to satisfy the constraint GreaterThan(lower_bound=0.0), but found invalid values:\n"
        "tensor([-0.5000, -1.0000, -1.5000])",
    ),
    (
        lambda: D.Categorical(P).log_prob(torch.tensor(3)),
        "Expected value argument (Tensor of shape ()) to be within the support (IntegerInterval(lower_bound=0, "
        "upper_bound=2)) of the distribution Categorical(probs: torch.Size([2, 3])), but "
        "found invalid values:\n3",
    ),
    (lambda: D.Categorical(), "Either `probs` or `logits` must be specified, but not both."),
    (lambda: D.Normal(0.0, 1.0).log_prob(1.0), "The value argument to log_prob must be a Tensor"),
    (lambda: D.Normal(L, S).log_prob(torch.zeros(7)), "Value is not broadcastable with batch_shape+event_shape: torch.Size([7]) vs torch.Size([3])."),
    (lambda: D.Uniform(1.0, 0.0), "Uniform is not defined when low>= high"),
]  # fmt: skip


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_messages(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message


def test_checks_may_be_turned_off():
    assert D.Normal(0.0, -1.0, validate_args=False).scale == -1


def test_constraints():
    assert repr(constraints.real_vector) == "IndependentConstraint(Real(), 1)"
    assert repr(constraints.unit_interval) == "Interval(lower_bound=0.0, upper_bound=1.0)"
    assert constraints.simplex.check(P).tolist() == [True, True]
    assert constraints.lower_cholesky.check(torch.eye(3)) and not constraints.lower_cholesky.check(torch.ones(2, 2))
    assert constraints.positive_definite.check(C) and not constraints.positive_definite.check(-C)


@pytest.mark.parametrize("name", ["ExpTransform", "SigmoidTransform", "TanhTransform", "SoftplusTransform"])
def test_transforms(name):
    transform = getattr(D, name)()
    x = torch.linspace(-1.5, 1.5, 5)
    y = transform(x)
    assert_close(transform.inv(y), x, rtol=1e-4, atol=1e-4)
    slope = torch.func.vmap(torch.func.grad(transform._call))(x)
    assert_close(transform.log_abs_det_jacobian(x, y), slope.log(), rtol=1e-4, atol=1e-4)
