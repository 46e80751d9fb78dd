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
    ("Gumbel(L, S)", [-0.822135, 1.33303, 0.671248, -1.35272, -0.165117, 3.17927], -7.19237, 4.44396, 2.73165, 5.75727),
    ("HalfCauchy(S)", [5.29886, 0.764767, 0.192449, 1.96654, 0.489989, 1.94826], -11.3462, 5.22595, None, None),
    (
        "InverseGamma(S * 5, S)",
        [0.09401, 0.246241, 0.323433, 0.723404, 0.304975, 0.244291],
        3.01095,
        -2.33577,
        0.814103,
        0.252738,
    ),
    (
        "Kumaraswamy(S * 2, S + 1)",
        [0.373188, 0.35145, 0.853123, 0.740712, 0.66749, 0.55024],
        1.29248,
        -0.503081,
        1.5407,
        0.152573,
    ),
    ("Pareto(S, S * 6)", [1.6101, 1.2276, 1.60609, 1.16403, 1.18841, 1.78511], -2.37467, -1.76417, 3.6375, 0.292701),
    ("Weibull(S, S)", [6.15418, 1.23038, 1.08483, 3.21341, 1.03571, 2.02291], -12.6886, 2.61519, 3.35412, 6.8453),
    ("LogisticNormal(L, S)", [0.209471, 0.214699, 0.126434, 0.449396, 0.140108, 0.124333], 1.75275, None, None, None),
    (
        "FisherSnedecor(S * 6, S * 12)",
        [5.00391, 0.508688, 0.653655, 0.128914, 0.502245, 0.495804],
        -5.73886,
        None,
        3.825,
        6.71223,
    ),
    ("NegativeBinomial(5, S / 2)", [3.0, 4.0, 9.0, 1.0, 4.0, 15.0], -13.1693, None, 21.6667, 72.2222),
    (
        "ContinuousBernoulli(torch.tensor([0.1, 0.5, 0.8]))",
        [0.264795, 0.768222, 0.169815, 0.0568164, 0.307423, 0.768582],
        0.860242,
        -0.256045,
        1.44211,
        0.22574,
    ),
    (
        "GeneralizedPareto(L, S, L / 10)",
        [-0.668646, 1.46197, 2.14025, -0.9297, 0.367336, 3.6703],
        -3.31608,
        2.81232,
        4.32955,
        7.03155,
    ),
    ("VonMises(L, S * 3)", [2.37426, 1.05443, 1.59162, 2.74397, -0.864465, 0.790086], -14.4661, None, 1.0, 0.71355),
    ("LKJCholesky(3, S)", [1.0, 0.0, 0.0, -0.20728, 0.978282, 0.0], -9.46895, None, None, None),
    (
        "Wishart(torch.tensor(4.0), C)",
        [4.03591, -0.667267, -0.667267, 2.51577, 2.52395, -1.61168],
        -12.5301,
        7.14081,
        16.0,
        58.0,
    ),
    (
        "LowRankMultivariateNormal(L, torch.ones(3, 1), S)",
        [-0.999641, 2.10943, 2.21273, -2.28239, 0.109918, 2.73294],
        -9.87836,
        4.8832,
        1.0,
        6.0,
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


# After manual_seed(0): gradients by S of 100 draws, weighted with sin(0), sin(1), ...
SLOPES = [
    ("Gamma(S, 2.0)", [7.8188, 0.711, 1.8692]),
    ("Gamma(S * 20, 2.0)", [11.939, 0.12995, -4.3027]),
    ("Beta(S, 2.0)", [1.33, -0.10334, -0.17616]),
    ("Beta(S * 20, 20.0)", [0.31209, 0.12517, 0.30509]),
    ("Dirichlet(S)", [2.9522, -1.5438, -1.0212]),
    ("StudentT(S * 4)", [20.669, 4.3808, -1.6279]),
    ("Chi2(S)", [13.803, 6.0534, 1.8909]),
]


@pytest.mark.parametrize(("expression", "slopes"), SLOPES, ids=[e for e, _ in SLOPES])
def test_draws_move_with_their_concentration(expression, slopes):
    s = S.clone().requires_grad_()
    torch.manual_seed(0)
    draws = eval(expression, {**vars(D), "S": s}).rsample((100,))
    (draws * torch.arange(float(draws.numel())).sin().reshape(draws.shape)).sum().backward()
    assert_close(s.grad, torch.tensor(slopes), rtol=1e-3, atol=1e-3)


def test_mean_of_gamma_slopes():
    """The mean of Gamma(a, 1) is a, so that draws move with it by 1 on average."""
    a = torch.tensor([0.3, 2.0, 9.0, 50.0], dtype=torch.float64).requires_grad_()
    torch.manual_seed(1)
    D.Gamma(a, 1.0).rsample((20000,)).mean(0).sum().backward()
    assert_close(a.grad, torch.ones(4, dtype=torch.float64), rtol=0.05, atol=0.05)


def test_wishart_draws_are_differentiable():
    scale = C.clone().requires_grad_()
    D.Wishart(4.0, scale).rsample((3,)).sum().backward()
    assert scale.grad.isfinite().all()


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
    ("Gumbel(L, S)", "Gumbel(L + 1, S * 2)", 1.48727),
    ("Pareto(S, S)", "Pareto(S / 2, S * 2)", 5.07944),
    ("ContinuousBernoulli(S / 2)", "ContinuousBernoulli(S / 3)", 0.0788035),
    ("InverseGamma(S, S)", "InverseGamma(S * 2, S)", 1.7458),
    (
        "LowRankMultivariateNormal(L, torch.ones(3, 1), S)",
        "LowRankMultivariateNormal(L, L.unsqueeze(-1), S * 2)",
        0.846484,
    ),
    ("LowRankMultivariateNormal(L, torch.ones(3, 1), S)", "MultivariateNormal(L, 2 * torch.eye(3))", 0.413339),
    ("MultivariateNormal(L, 2 * torch.eye(3))", "LowRankMultivariateNormal(L, torch.ones(3, 1), S)", 0.586661),
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


X = torch.tensor([[0.3, -0.7, 1.2], [0.1, 2.0, -1.0]], dtype=torch.float64)
VECTORS = ["StickBreakingTransform()", "CorrCholeskyTransform()"]


@pytest.mark.parametrize("expression", VECTORS)
def test_transforms_of_vectors(expression):
    transform = eval(expression, vars(D))
    y = transform(X)
    assert transform.codomain.check(y).all() and y.shape == transform.forward_shape(X.shape)
    assert_close(transform.inv(y), X)

    def free(x):
        """As many numbers of the result as went in."""
        y = transform(x)
        return y[:-1] if y.dim() == 1 else torch.stack([y[1, 0], y[2, 0], y[2, 1]])

    volumes = [torch.autograd.functional.jacobian(free, x).det().abs().log() for x in X]
    assert_close(transform.log_abs_det_jacobian(X, y), torch.stack(volumes))


@pytest.mark.parametrize(
    "transform",
    [
        D.CatTransform([D.ExpTransform(), D.TanhTransform()], -1, [1, 2]),
        D.StackTransform([D.ExpTransform(), D.TanhTransform()], 0),
        D.CumulativeDistributionTransform(D.Normal(0.0, 1.0)),
    ],
)
def test_transforms_made_of_others(transform):
    y = transform(X)
    assert transform.codomain.check(y).all()
    assert_close(transform.inv(y), X)
    slope = torch.autograd.functional.jacobian(transform, X).flatten(2).flatten(0, 1).diagonal()
    assert_close(transform.log_abs_det_jacobian(X, y).flatten(), slope.log())


@pytest.mark.parametrize("registry", [D.biject_to, D.transform_to])
def test_constraints_lead_to_transforms(registry):
    for region in (
        constraints.positive,
        constraints.greater_than(2.0),
        constraints.less_than(-1.0),
        constraints.interval(-1.0, 2.0),
        constraints.unit_interval,
        constraints.simplex,
        constraints.real_vector,
        constraints.corr_cholesky,
        constraints.stack([constraints.positive, constraints.real], 0),
    ):
        transform = registry(region)
        y = transform(X)
        assert region.check(y).all()
        assert registry is D.transform_to or torch.allclose(transform.inv(y), X)
    with pytest.raises(NotImplementedError, match="Cannot transform _IntegerInterval constraints"):
        registry(constraints.integer_interval(0, 2))
    square = torch.tensor([[0.3, 1.0], [-0.5, 0.2]])
    assert constraints.positive_definite.check(D.transform_to(constraints.positive_definite)(square))
