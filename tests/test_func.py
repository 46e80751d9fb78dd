"""torch.func: transforms agree with loops, with each other, and with what they mean."""

import pytest

import rushlight as torch
from rushlight import func, nn
from rushlight.autograd import forward_ad
from rushlight.nn import functional as F
from rushlight.testing import assert_close

torch.manual_seed(0)
X, Y = torch.randn(3, 4), torch.randn(3, 4)
V = torch.randn(4)
W = torch.randn(5, 4)


def _written(a, c):
    z = a.clone()
    z[0] = c[1]
    z[1:3] = 0
    return z + a


def _accumulated(a, c):
    z = a.clone()
    z += c
    return z.mul_(2)


# Functions of two vectors; each is mapped over rows and differentiated.
FUNCTIONS = {
    "add": lambda a, c: a + c,
    "numbers": lambda a, c: 2 - a * c / 3,
    "scalar times vector": lambda a, c: a[0] * c,
    "unary": lambda a, c: a.sin() + c.exp().tanh().sigmoid() - (a * a + 1).log().sqrt(),
    "power": lambda a, c: a**2 + 2**c,
    "dot": torch.dot,
    "outer": torch.outer,
    "matrix times vector": lambda a, c: W @ a + c.sum(),
    "matrix times matrix": lambda a, c: W @ torch.outer(a, c),
    "matrices": lambda a, c: a.reshape(2, 2) @ c.view(2, 2),
    "linear": lambda a, c: F.linear(a, W) + F.linear(c, W, W[:, 0]),
    "reductions": lambda a, c: a.sum() + c.mean() + a.amax() + (a * c).prod() + a.var() + c.std(0),
    "keepdim": lambda a, c: (a.reshape(2, 2).sum(0, keepdim=True) + c.reshape(2, 2)).sum((0, 1)),
    "softmax": lambda a, c: F.softmax(a, 0) * F.log_softmax(c, -1),
    "extremes": lambda a, c: torch.max(a, c) + a.max(0)[0] + c.min(0).values,
    "sorted": lambda a, c: a.sort(descending=True)[0] + c.topk(4)[0],
    "norms": lambda a, c: a.norm() + c.norm(p=1),
    "shapes": lambda a, c: a.unsqueeze(-1) + c.unsqueeze(0).expand(3, 4)[:1] + a.repeat(2, 2)[:, :4].sum(),
    "pieces": lambda a, c: a.chunk(2)[0] + c.split(2)[1] + sum(a.unbind(0)),
    "moved": lambda a, c: a.reshape(2, 2, 1).permute(2, 0, 1) + c.reshape(1, 2, 2).transpose(-1, -2),
    "transposed": lambda a, c: a.reshape(2, 2).T @ c.reshape(2, 2).mT,
    "joined": lambda a, c: torch.stack([a, c], -1).sum(1) + torch.cat([a, c])[::2].sum(),
    "indexed": lambda a, c: a[None, :2] + c[..., -1] + a[torch.tensor([0, 2])],
    "where": lambda a, c: torch.where(a > 0, a, c).clamp(min=-1),
    "in place": _accumulated,
    "written": _written,
    "einsum": lambda a, c: torch.einsum("i,j->ij", a, c),
    "mse": F.mse_loss,
    "bce": lambda a, c: F.binary_cross_entropy_with_logits(a, c.sigmoid()),
    "cross entropy": lambda a, c: F.cross_entropy(a.reshape(2, 2), torch.tensor([0, 1])) + c.sum(),
    "layer norm": lambda a, c: F.layer_norm(a, (4,), V, c),
    "metadata": lambda a, c: a * c.shape[0] + a.size(0) + len(c) + a.numel() + a.dim(),
}


def _scalar(f):
    return lambda a, c: f(a, c).sum()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_is_a_loop(name):
    f = FUNCTIONS[name]
    assert_close(func.vmap(f)(X, Y), torch.stack([f(a, c) for a, c in zip(X, Y)]))
    assert_close(func.vmap(f, in_dims=(0, None))(X, V), torch.stack([f(a, V) for a in X]))
    assert_close(func.vmap(f, in_dims=1)(X.t(), Y.t()), torch.stack([f(a, c) for a, c in zip(X, Y)]))
    nested = func.vmap(func.vmap(f))(torch.stack([X, Y]), torch.stack([Y, X]))
    loops = [torch.stack([f(a, c) for a, c in zip(*pair)]) for pair in ((X, Y), (Y, X))]
    assert_close(nested, torch.stack(loops))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradient_for_each_example(name):
    f = _scalar(FUNCTIONS[name])
    found = func.vmap(func.grad(f, argnums=(0, 1)))(X, Y)
    shared = func.vmap(func.grad(f, argnums=1), in_dims=(0, None))(X, V)
    for i, (a, c) in enumerate(zip(X, Y)):
        a, c = a.clone().requires_grad_(), c.clone().requires_grad_()
        expected = torch.autograd.grad(f(a, c), (a, c), allow_unused=True)
        for part, want in zip(found, expected):
            assert_close(part[i], torch.zeros(4) if want is None else want)
        v = V.clone().requires_grad_()
        (want,) = torch.autograd.grad(f(X[i], v) + 0 * v.sum(), v)
        assert_close(shared[i], want)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_forward_and_reverse_agree(name):
    f = FUNCTIONS[name]
    a, c = X[0].double(), Y[0].double()
    if name in ("matrix times vector", "matrix times matrix", "linear", "layer norm"):
        a, c = X[0], Y[0]  # beside float32 constants
    back = func.jacrev(f, argnums=(0, 1))(a, c)
    ahead = func.jacfwd(f, argnums=(0, 1))(a, c)
    assert_close(ahead, back, rtol=1e-4, atol=1e-5)
    t, u = torch.ones_like(a), torch.linspace(-1, 1, 4, dtype=a.dtype)
    value, derivative = func.jvp(f, (a, c), (t, u))
    assert_close(value, f(a, c))
    assert_close(derivative, back[0] @ t + back[1] @ u, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name != "metadata"])
def test_hessian(name):
    f = _scalar(FUNCTIONS[name])
    a, c = X[0], Y[0]
    assert_close(func.hessian(f)(a, c), func.jacrev(func.jacrev(f))(a, c), rtol=1e-4, atol=1e-4)


def test_operations_without_a_rule_go_one_by_one():
    matrices = torch.randn(4, 3, 3)
    assert_close(
        func.vmap(torch.diagflat)(matrices[:, 0]), torch.stack([torch.diagflat(row) for row in matrices[:, 0]])
    )


# ---------------------------------------------------------------- modules


class _Net(nn.Module):
    def __init__(self, last=nn.Sigmoid):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 2))
        self.last = last()

    def forward(self, x):
        return self.last(self.body(x))


LOSSES = {
    "mse": (nn.Sigmoid, lambda out, y: F.mse_loss(out, torch.stack([1 - y, y], -1).float())),
    "bce": (nn.Sigmoid, lambda out, y: F.binary_cross_entropy(out, torch.stack([1 - y, y], -1).float())),
    "cross entropy": (nn.Identity, lambda out, y: F.cross_entropy(out, y)),
}


def _looped(*args):
    raise AssertionError("an operation went one example at a time")


@pytest.mark.parametrize("loss", LOSSES)
def test_per_sample_gradients(loss, monkeypatch):
    from rushlight._transforms import batched

    last, criterion = LOSSES[loss]
    net = _Net(last)
    x, y = torch.randn(6, 3), torch.randint(2, (6,))
    parameters = {name: p.detach() for name, p in net.named_parameters()}

    def example_loss(parameters, x, y):
        return criterion(func.functional_call(net, parameters, (x.unsqueeze(0),)), y.unsqueeze(0))

    with monkeypatch.context() as patch:
        patch.setattr(batched, "one_by_one", _looped)
        found = func.vmap(func.grad(example_loss), in_dims=(None, 0, 0))(parameters, x, y)
    for i in range(6):
        net.zero_grad()
        criterion(net(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in net.named_parameters():
            assert_close(found[name][i], p.grad)
            assert not found[name].requires_grad


@pytest.mark.parametrize("loss", LOSSES)
def test_many_models_as_one(loss, monkeypatch):
    from rushlight._transforms import batched

    last, criterion = LOSSES[loss]
    models = [_Net(last) for _ in range(4)]
    x, y = torch.randn(6, 3), torch.randint(2, (6,))
    parameters, buffers = func.stack_module_state(models)
    assert buffers == {} and all(p.is_leaf and p.requires_grad for p in parameters.values())

    def model_loss(parameters, x, y):
        return criterion(func.functional_call(models[0], parameters, (x,)), y)

    with monkeypatch.context() as patch:
        patch.setattr(batched, "one_by_one", _looped)
        losses = func.vmap(model_loss, in_dims=(0, None, None))(parameters, x, y)
        losses.sum().backward()
    for i, model in enumerate(models):
        expected = criterion(model(x), y)
        expected.backward()
        assert_close(losses[i], expected)
        for name, p in model.named_parameters():
            assert_close(parameters[name].grad[i], p.grad)


def test_functional_call_puts_the_parameters_back():
    layer = nn.Linear(2, 1)
    own = layer.weight
    with pytest.raises(ZeroDivisionError):
        func.functional_call(_Raises(layer), {"layer.weight": torch.zeros(1, 2)}, torch.ones(1, 2))
    assert layer.weight is own
    with pytest.raises(RuntimeError, match="Missing key"):
        func.functional_call(layer, {"weight": torch.zeros(1, 2)}, torch.ones(1, 2), strict=True)


class _Raises(nn.Module):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x):
        assert not self.layer.weight.any()
        return 1 / 0


def test_tied_weights_are_replaced_together():
    net = nn.Module()
    net.a = net.b = None
    net.a, net.b = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    net.b.weight = net.a.weight
    net.forward = lambda x: net.b(net.a(x))
    out = func.functional_call(net, {"a.weight": 2 * torch.eye(2)}, torch.ones(1, 2))
    assert_close(out, torch.full((1, 2), 4.0))


# ---------------------------------------------------------------- what transforms promise


def test_inner_and_outer_derivatives_are_not_confused():
    # d/dx (x * d/dy (x + y)) = 1, not 2
    for derivative in (func.grad, lambda f: lambda x: func.jvp(f, (x,), (torch.tensor(1.0),))[1]):
        inner = lambda x: x * derivative(lambda y: x + y)(torch.tensor(1.0))  # noqa: B023, E731
        assert_close(derivative(inner)(torch.tensor(3.0)), torch.tensor(1.0))


def test_third_derivative():
    f = func.grad(func.grad(func.grad(lambda x: x**4)))
    assert_close(f(torch.tensor(2.0)), torch.tensor(48.0))


def test_gradients_join_the_tape_outside_only_where_there_is_one():
    x = torch.tensor(3.0)
    assert not func.grad(torch.square)(x).requires_grad
    x.requires_grad_()
    g = func.grad(lambda v: v**3)(x)
    g.backward()
    assert_close(x.grad, torch.tensor(18.0))
    scale = torch.tensor(2.0, requires_grad=True)
    func.grad(lambda v: scale * v**2)(torch.tensor(3.0)).backward()
    assert_close(scale.grad, torch.tensor(6.0))
    with torch.no_grad():
        assert not func.grad(lambda v: v**3)(x).requires_grad


def test_vjp_may_be_pulled_again():
    y, pull = func.vjp(lambda a, b: (a * b, a.sum()), X, Y)
    assert_close(y[0], X * Y)
    for _ in range(2):
        da, db = pull((torch.ones(3, 4), torch.tensor(2.0)))
        assert_close((da, db), (Y + 2, X))


def test_auxiliary_results():
    gradient, (value, aux) = func.grad_and_value(lambda x: (x.sum(), {"twice": 2 * x}), has_aux=True)(V)
    assert_close((gradient, value, aux["twice"]), (torch.ones(4), V.sum(), 2 * V))
    assert not aux["twice"].requires_grad
    jacobian, aux = func.jacrev(lambda x: (x**2, x), has_aux=True)(V)
    assert_close((jacobian, aux), (torch.diag(2 * V), V))


def test_structures():
    f = lambda p: {"a": p["x"] * p["y"], "b": p["x"].sum()}  # noqa: E731
    p = {"x": V, "y": 2 * V}
    for jacobian in (func.jacrev(f)(p), func.jacfwd(f)(p)):
        assert_close(jacobian["a"]["x"], torch.diag(2 * V))
        assert_close(jacobian["b"]["y"], torch.zeros(4))
    out = func.vmap(lambda d, n: {"s": d["x"] + n}, in_dims=({"x": 1}, None), out_dims={"s": 1})({"x": X}, 2)
    assert_close(out["s"], X + 2)


def test_out_dims_and_chunks():
    assert func.vmap(lambda x: x, out_dims=1)(X).shape == (4, 3)
    assert func.vmap(lambda x: torch.ones(2))(X).shape == (3, 2)
    f = lambda x: (x.sum(), x * 2)  # noqa: E731
    assert_close(func.vmap(f, chunk_size=2)(X), func.vmap(f)(X))
    assert_close(torch.vmap(torch.sum)(X), X.sum(1))


def test_randomness():
    with pytest.raises(RuntimeError, match="vmap: called random operation while in randomness error mode"):
        func.vmap(torch.rand_like)(X)
    same = func.vmap(torch.rand_like, randomness="same")(X)
    assert_close(same[0], same[1])
    different = func.vmap(torch.rand_like, randomness="different")(X)
    assert not torch.equal(different[0], different[1])
    dropped = func.vmap(lambda x: F.dropout(x, 0.5), randomness="same")(torch.ones(3, 50))
    assert_close(dropped[0], dropped[2])


ERRORS = [
    (lambda: func.vmap(torch.add)(X, torch.ones(2, 4)), ValueError, "Expected all tensors to have the same size"),
    (lambda: func.vmap(torch.sum, in_dims=None)(X), ValueError, "expected `in_dims` to be int or"),
    (lambda: func.vmap(torch.add, in_dims=(0,))(X, Y), ValueError, "in_dims is not compatible with the structure"),
    (lambda: func.vmap(torch.sum, in_dims=5)(X), ValueError, "so expected in_dim to satisfy -2 <= in_dim < 2"),
    (lambda: func.vmap(lambda x: 3.0)(X), ValueError, "must only return Tensors, got type <class 'float'>"),
    (lambda: func.vmap(lambda x: x.item())(torch.ones(3)), RuntimeError, "vmap over calling .item"),
    (lambda: func.vmap(lambda x: x if x > 0 else -x)(torch.ones(3)), RuntimeError, "data-dependent control flow"),
    (lambda: func.vmap(lambda x: torch.zeros(4).add_(x))(X), RuntimeError, "inplace arithmetic"),
    (lambda: func.vmap(torch.sum, randomness="maybe"), RuntimeError, "Only allowed values for randomness"),
    (lambda: func.vmap(lambda x: x.sum(1))(X), IndexError, "Dimension out of range"),
    (lambda: func.grad(torch.sin)(X), RuntimeError, "Expected f\\(\\*args\\) to return a scalar Tensor"),
    (lambda: func.grad(torch.sin, argnums=1)(V[0]), RuntimeError, "Got argnum=1, but only 1 positional inputs"),
    (lambda: func.jvp(torch.sin, V, V), RuntimeError, "Expected primals to be a tuple"),
]


@pytest.mark.parametrize("case", range(len(ERRORS)))
def test_errors(case):
    call, kind, message = ERRORS[case]
    with pytest.raises(kind, match=message):
        call()


# ---------------------------------------------------------------- forward_ad


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x * x, lambda p, t: 2 * p * t),
        (torch.sin, lambda p, t: t * torch.cos(p)),
        (lambda x: W @ x, lambda p, t: W @ t),
        (lambda x: x.reshape(2, 2).prod(1), lambda p, t: (t.reshape(2, 2) * p.reshape(2, 2).flip(1)).sum(1)),
    ],
)
def test_dual_numbers(f, expected):
    p, t = torch.randn(4), torch.randn(4)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(p, t)
        assert isinstance(dual, torch.Tensor) and dual.shape == (4,)
        primal, tangent = forward_ad.unpack_dual(f(dual))
        assert_close(primal, f(p))
        assert_close(tangent, expected(p, t))
    assert forward_ad.unpack_dual(dual).tangent is None


def test_dual_numbers_know_their_level():
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(V, V)
    with forward_ad.dual_level():
        assert forward_ad.unpack_dual(V).tangent is None
        with pytest.raises(RuntimeError, match="Nested forward mode AD"), forward_ad.dual_level():
            pass
