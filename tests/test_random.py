"""Random numbers: PyTorch's streams bit for bit, generators and their states, layouts, gradients, refusals."""

import copy
import importlib.util
import math
import pickle
from pathlib import Path

import pytest

import rushlight as torch

_spec = importlib.util.spec_from_file_location("make_random", Path(__file__).with_name("reference") / "make_random.py")
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)
RECORDED = reference.load()["cases"]

FILLS = {
    "normal_": (), "uniform_": (), "random_": (), "bernoulli_": (), "exponential_": (), "geometric_": (0.5,), "cauchy_": (),
    "log_normal_": (),
}  # fmt: skip


def seeded(draw, seed=0):
    torch.manual_seed(seed)
    return draw()


def unless_libm_differs(got, expected):
    """Checksums agree; where they do not, the values shown must: another C library rounds log or sin otherwise."""
    if got == expected:
        return True
    if len(got) != len(expected):
        return False
    for a, b in zip(got, expected, strict=True):
        head_a, values_a = a.split("] ")[0], a.split("] ")[1].split()[1:]
        head_b, values_b = b.split("] ")[0], b.split("] ")[1].split()[1:]
        if head_a != head_b or any(not math.isclose(float(x), float(y), rel_tol=1e-3, abs_tol=1e-6)
                                   for x, y in zip(values_a, values_b, strict=True)):  # fmt: skip
            return False
    import platform

    return platform.libc_ver()[0] != "glibc"


@pytest.mark.parametrize("seed", reference.SEEDS)
@pytest.mark.parametrize("name", reference.CASES)
def test_streams_are_pytorchs(name, seed):
    got, expected = reference.record(torch, name, seed), RECORDED[name][str(seed)]
    assert unless_libm_differs(got, expected), [
        pair for pair in zip(got, expected, strict=False) if pair[0] != pair[1]
    ][:3]


# ---------------------------------------------------------------- generators


def test_a_generator_has_a_stream_of_its_own():
    g = torch.Generator().manual_seed(7)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    own = torch.rand(5, generator=g)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(own, torch.rand(5))
    assert g.device == torch.device("cpu")
    assert repr(g).startswith("<torch._C.Generator object at 0x")


def test_states_go_round():
    g = torch.Generator().manual_seed(3)
    torch.randn(7, generator=g)
    twins = [
        g.clone_state(),
        copy.deepcopy(g),
        pickle.loads(pickle.dumps(g)),
        torch.Generator().set_state(g.get_state()),
    ]
    expected = torch.randn(20, generator=g)
    for twin in twins:
        assert twin.initial_seed() == 3
        assert torch.equal(torch.randn(20, generator=twin), expected)


def test_seeds():
    assert torch.Generator().initial_seed() == 67280421310721
    assert torch.manual_seed(-5) is torch.random.default_generator
    assert torch.initial_seed() == 2**64 - 5
    assert torch.manual_seed("3").initial_seed() == 3
    assert torch.Generator().manual_seed(2**64 - 1).initial_seed() == 2**64 - 1
    for too_large in (2**64, -(2**63) - 1):
        with pytest.raises(ValueError, match="Overflow when unpacking long long"):
            torch.manual_seed(too_large)
    with pytest.raises(RuntimeError, match="manual_seed expected a long, but got str"):
        torch.Generator().manual_seed("3")
    assert torch.seed() == torch.initial_seed() < 2**53


def test_bad_states_are_refused_and_change_nothing():
    before = torch.get_rng_state()
    for state, error, message in [
        (3, TypeError, "expected a torch.ByteTensor, but got int"),
        (torch.zeros(5056), TypeError, "RNG state must be a torch.ByteTensor"),
        (torch.zeros(3, dtype=torch.uint8), RuntimeError, "Expected a CPUGeneratorImplState of size 5056"),
        (torch.zeros(5056, dtype=torch.uint8), RuntimeError, "Invalid mt19937 state"),
    ]:
        with pytest.raises(error, match=message):
            torch.set_rng_state(state)
    assert torch.equal(torch.get_rng_state(), before)


def test_fork_rng():
    @torch.random.fork_rng()
    def inside():
        return torch.rand(3)

    torch.manual_seed(1)
    drawn = inside()
    with torch.random.fork_rng(enabled=False):
        assert torch.equal(torch.rand(3), drawn)
    with pytest.raises(KeyError), torch.random.fork_rng():
        after = torch.get_rng_state()
        torch.rand(3)
        raise KeyError
    assert torch.equal(torch.get_rng_state(), after)


# ---------------------------------------------------------------- filling tensors


@pytest.mark.parametrize("method", FILLS)
def test_numbers_come_in_the_order_of_memory(method):
    def fill(tensor):
        return seeded(lambda: getattr(tensor, method)(*FILLS[method]))

    rows = fill(torch.empty(3, 5))  # below 16 elements normal_ draws one by one, as it does with any gaps
    assert torch.equal(
        fill(torch.empty(5, 3).t().contiguous().t()).t().reshape(-1), fill(torch.empty(3, 5)).reshape(-1)
    )
    assert torch.equal(fill(torch.empty(3, 10)[:, ::2]), rows)
    holes = torch.zeros(3, 10)
    fill(holes[:, ::2])
    assert torch.equal(holes[:, 1::2], torch.zeros(3, 5))


@pytest.mark.parametrize("method", FILLS)
def test_filling_bumps_the_version_and_forgets_history(method):
    leaf = torch.ones(4, requires_grad=True)
    y = leaf.clone()
    version = y._version
    getattr(y, method)(*FILLS[method])
    assert y._version == version + 1
    assert type(y.grad_fn).__name__.startswith("".join(w.title() for w in method.split("_")))
    y.sum().backward()
    assert torch.equal(leaf.grad, torch.zeros(4))
    with pytest.raises(
        RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation."
    ):
        getattr(leaf, method)(*FILLS[method])
    with pytest.raises(
        RuntimeError, match="more than one element of the written-to tensor refers to a single memory location"
    ):
        getattr(torch.empty(1).expand(3), method)(*FILLS[method])


REFUSED = [
    (lambda: torch.empty(3, dtype=torch.int64).uniform_(), NotImplementedError, "\"check_uniform_bounds\" not implemented for 'Long'"),
    (lambda: torch.empty(3).uniform_(2, 1), RuntimeError, "uniform_ expects to return a [from, to) range, but found from=2 > to=1"),
    (lambda: torch.empty(3).uniform_(-1e39, 1), RuntimeError, "from is out of bounds for float"),
    (lambda: torch.empty(3).uniform_(-3e38, 3e38), RuntimeError, "uniform_ expects to-from <= std::numeric_limits<Float>::max(), but found to=3e+38"),
    (lambda: torch.randn(3, dtype=torch.bool), NotImplementedError, "\"normal_kernel_cpu\" not implemented for 'Bool'"),
    (lambda: torch.empty(3).normal_(0, -1), RuntimeError, "normal expects std >= 0.0, but found std -1"),
    (lambda: torch.empty(3).exponential_(-1.5), RuntimeError, "exponential_ expects lambda > 0.0, but found lambda=-1.5"),
    (lambda: torch.empty(3, dtype=torch.int64).exponential_(), RuntimeError, "dtype must be a floating point but you specified Long"),
    (lambda: torch.empty(3, dtype=torch.int64).cauchy_(), RuntimeError, "dtype must be a floating point but you specified long int"),
    (lambda: torch.empty(3).cauchy_(0, -1), RuntimeError, "cauchy_ expects sigma > 0.0, but found sigma=-1"),
    (lambda: torch.empty(3).log_normal_(0, 0), RuntimeError, "log_normal_ expects std > 0.0, but found std=0"),
    (lambda: torch.empty(3).geometric_(1), RuntimeError, "geometric_ expects p to be in (0, 1), but got p=1"),
    (lambda: torch.empty(3).bernoulli_(1.5), RuntimeError, "bernoulli_ expects p to be in [0, 1], but got p=1.5"),
    (lambda: torch.bernoulli(torch.tensor([1.5])), RuntimeError, "Expected p_in >= 0 && p_in <= 1 to be true, but got false."),
    (lambda: torch.bernoulli(torch.tensor([1])), NotImplementedError, "\"bernoulli_tensor_cpu_p_\" not implemented for 'Long'"),
    (lambda: torch.empty(3, dtype=torch.uint8).random_(0, 300), RuntimeError, "to - 1 is out of bounds for unsigned char"),
    (lambda: torch.empty(3, dtype=torch.int8).random_(-200, 3), RuntimeError, "from is out of bounds for signed char"),
    (lambda: torch.empty(3, dtype=torch.float16).random_(0, 2**40), RuntimeError, "to - 1 is out of bounds for c10::Half"),
    (lambda: torch.empty(3).random_(2**30, None), RuntimeError, "but got from=1073741824 > to_inc=16777216"),
    (lambda: torch.randint(5, 3, (2,)), RuntimeError, "random_ expects 'from' to be less than 'to', but got from=5 >= to=3"),
    (lambda: torch.randint(3, (2,), requires_grad=True), RuntimeError, "Only Tensors of floating point and complex dtype can require gradients"),
    (lambda: torch.randperm(300, dtype=torch.uint8), RuntimeError, "value cannot be converted to type uint8_t without overflow"),
    (lambda: torch.randperm(3000, dtype=torch.float16), RuntimeError, "n cannot be greater than 2049 for Half type."),
    (lambda: torch.normal(0.0, torch.tensor([-1.0, 2])), RuntimeError, "normal expects all elements of std >= 0.0"),
    (lambda: torch.normal(torch.zeros(3), torch.zeros(2)), RuntimeError, "The size of tensor a (3) must match the size of tensor b (2)"),
    (lambda: torch.rand(2, out=torch.empty(2, dtype=torch.float64), dtype=torch.float32), RuntimeError,
     "dtype Float does not match dtype of out parameter (Double)"),
    (lambda: torch.multinomial(torch.zeros(3), 1), RuntimeError, "invalid multinomial distribution (sum of probabilities <= 0)"),
    (lambda: torch.multinomial(torch.tensor([-1.0, 2]), 1), RuntimeError, "probability tensor contains either `inf`, `nan` or element < 0"),
    (lambda: torch.multinomial(torch.tensor([-1.0, 2]), 2, True), RuntimeError, "(encountering probability entry < 0)"),
    (lambda: torch.multinomial(torch.ones(3), 4), RuntimeError, "cannot sample n_sample > prob_dist.size(-1) samples without replacement"),
    (lambda: torch.multinomial(torch.ones(3), 0), RuntimeError, "cannot sample n_sample <= 0 samples"),
    (lambda: torch.multinomial(torch.ones(1, 1, 1), 1), RuntimeError, "prob_dist must be 1 or 2 dim"),
    (lambda: torch.poisson(torch.tensor([-1.0])), RuntimeError, "invalid Poisson rate, expected rate to be non-negative"),
    (lambda: torch.binomial(torch.tensor([1]), torch.tensor([0.5])), ValueError, "binomial only supports floating-point dtypes for count, got: Long"),
    (lambda: torch.nn.functional.dropout(torch.ones(3), 1.5), ValueError, "dropout probability has to be between 0 and 1, but got 1.5"),
    (lambda: torch.feature_dropout(torch.ones(3), 0.5, True), RuntimeError, "Feature dropout requires at least 2 dimensions in the input"),
    (lambda: torch.rrelu(torch.ones(3), 0.5, 0.1), RuntimeError, "Lower bound should be less than or equal to the upper bound"),
]  # fmt: skip


@pytest.mark.parametrize("call, error, message", REFUSED)
def test_refusals_are_worded_as_pytorch_words_them(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)


def test_inexact_bounds_warn():
    with pytest.warns(UserWarning, match=r"to - 1 is out of bounds \[-\(2\^11\), 2\^11\]"):
        torch.empty(3, dtype=torch.float16).random_(0, 4000)


# ---------------------------------------------------------------- making tensors


def test_keywords():
    out = torch.empty(3)
    assert torch.rand(2, 2, out=out) is out and out.shape == (2, 2)
    assert torch.rand(
        (2,), dtype=torch.float64, layout=torch.strided, pin_memory=False, requires_grad=True
    ).requires_grad
    assert torch.randint(5, (2,), out=torch.empty(2)).dtype == torch.float32
    assert torch.rand_like(torch.empty(4, 5).t()).stride() == (1, 5)
    assert torch.rand_like(torch.empty(4, 5).t(), memory_format=torch.contiguous_format).stride() == (4, 1)
    assert torch.randn_like(torch.empty(2, 3, 4, 5), memory_format=torch.channels_last).stride() == (60, 1, 15, 3)
    double = torch.empty(2, dtype=torch.float64)
    assert torch.equal(seeded(lambda: torch.rand(2, out=double)), seeded(lambda: torch.rand(2, dtype=torch.float64)))


def test_meta_has_shapes_and_draws_nothing():
    before = torch.get_rng_state()
    x = torch.rand(2, 3, device="meta")
    assert x.shape == (2, 3) and x.device.type == "meta"
    assert x.normal_() is x
    assert torch.multinomial(x, 2).shape == (2, 2)
    assert torch.nn.functional.dropout(x, 0.5).shape == (2, 3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("draw, node", [
    (lambda x: torch.bernoulli(x), "BernoulliBackward0"), (lambda x: torch.poisson(x), "PoissonBackward0"),
    (lambda x: torch.normal(x, 1.0), "NormalBackward1"), (lambda x: torch.normal(1.0, x), "NormalBackward2"),
    (lambda x: torch.normal(x, x), "NormalBackward3"),
])  # fmt: skip
def test_draws_have_gradients_of_zero(draw, node):
    x = torch.full((3,), 0.5, requires_grad=True)
    y = draw(x)
    assert type(y.grad_fn).__name__ == node
    y.sum().backward()
    assert torch.equal(x.grad, torch.zeros(3))


def test_multinomial_without_replacement_draws_distinct_indices():
    weights = torch.tensor([[0.0, 1, 2, 3], [4, 0, 1, 1]])
    for _ in range(20):
        a, b = torch.multinomial(weights, 3).tolist()
        assert sorted(a) == [1, 2, 3] and sorted(b) == [0, 2, 3]


# ---------------------------------------------------------------- dropout


@pytest.mark.parametrize("layout", [lambda x: x, lambda x: x.t(), lambda x: x[:, ::2]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dropout_is_a_product_with_its_mask(dtype, layout):
    x = layout(torch.arange(48, dtype=dtype).reshape(6, 8) - 20).detach().requires_grad_()
    y = seeded(lambda: torch.nn.functional.dropout(x, 0.3))
    mask = seeded(lambda: torch.empty_like(x).bernoulli_(0.7).div_(0.7))
    assert torch.equal(y, x * mask)
    assert type(y.grad_fn).__name__ == "MulBackward0" and y.stride() == mask.stride()
    y.backward(torch.full_like(y, 2))
    assert torch.equal(x.grad, mask * 2)
    in_place = x.detach().clone()
    assert seeded(lambda: torch.dropout_(in_place, 0.3, True)) is in_place
    assert torch.equal(in_place, y)


def test_dropout_edges():
    x = torch.tensor([1.0, math.inf, -1.0], requires_grad=True)
    assert torch.nn.functional.dropout(x, 0.5, False) is x
    assert torch.nn.functional.dropout(x, 0.0) is x
    nothing = torch.dropout(x, 1.0, train=True)
    assert nothing.tolist()[::2] == [0.0, 0.0] and nothing.isnan().tolist() == [False, True, False]
    assert math.copysign(1, nothing[2].item()) == -1


def test_rrelu():
    x = torch.linspace(-2, 2, 9, requires_grad=True)
    y = seeded(lambda: torch.nn.functional.rrelu(x, 0.1, 0.3, training=True))
    slope = y.detach() / x.detach()
    assert ((slope[:4] >= 0.1) & (slope[:4] < 0.3)).all() and torch.equal(y[4:], x[4:])
    y.sum().backward()
    assert torch.allclose(x.grad[:4], slope[:4]) and torch.equal(x.grad[5:], torch.ones(4))
    assert torch.allclose(torch.rrelu(x, 0.1, 0.3)[:4], 0.2 * x[:4])
