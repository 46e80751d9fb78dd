"""What an expression leaves to nobody is written over; what anybody can still see is not."""

import functools
import operator
import os
import sys

import pytest

import rushlight as torch

N = 70_000  # from 65,536 elements on, operators look for temporaries


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return torch.rand(N), torch.rand(N)


def product_address(a, b):
    return (a * b).data_ptr()  # freed at once: the next block of the size is this one


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing proves that an operand is a temporary")
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="the address sanitizer keeps freed memory")
def test_a_temporary_is_written_in_place(pair):
    a, b = pair
    address = product_address(a, b)
    # outside of assert: pytest gives names to the parts of what it asserts
    addresses = [((a * b) + a).data_ptr(), (1 - (a * b)).data_ptr(), (((a * b) - a) * 2 / b).data_ptr()]
    assert addresses == [address] * 3


def test_names_keep_their_values(pair):
    a, b = pair
    kept = a * b
    before = kept.clone()
    result = (kept + a) * kept - 1
    assert result.data_ptr() != kept.data_ptr()
    assert torch.equal(kept, before)
    alias = kept.view(-1, 2)
    del kept
    assert torch.equal((alias + 1 - 1).flatten(), before + 1 - 1)
    assert torch.equal(alias.flatten(), before)


def test_one_reference_held_by_c_code_is_no_temporary(pair):
    a, b = pair
    before = a * b
    add = functools.partial(operator.add, a * b)
    assert torch.equal(add(a), add(a))
    held = [a * b, a * b]
    assert torch.equal(sum(held), before + before)
    assert torch.equal(held[0], before)
    assert torch.equal(held[1], before)
    assert torch.equal(next(map(operator.mul, held, held)), before * before)
    assert torch.equal(held[0], before)


def test_elements_of_object_arrays_are_no_temporaries(pair):
    numpy = pytest.importorskip("numpy", reason="NumPy is an optional companion")
    a, b = pair
    array = numpy.empty(2, dtype=object)
    array[0], array[1] = a * b, a * b
    before = array[0].clone()
    assert torch.equal((array + 1)[0], before + 1)
    assert torch.equal(array[0], before)


def test_what_backward_saved_is_kept():
    torch.manual_seed(0)
    x = torch.rand(N, requires_grad=True)
    y = ((x * 2).exp() + 1) * (x * x) - 3
    y.sum().backward()
    exact = 2 * torch.exp(2 * x) * x * x + (torch.exp(2 * x) + 1) * 2 * x
    assert torch.allclose(x.grad, exact)


def test_backward_in_place_equals_backward_with_a_graph():
    torch.manual_seed(0)
    x, w = torch.randn(300, 300, requires_grad=True), torch.randn(300, requires_grad=True)
    y = (torch.tanh(x * w) * torch.sigmoid(x) + torch.relu(x - w).clamp(0, 1)).pow(2)
    seed = torch.rand(300, 300)
    kept = seed.clone()
    plain = torch.autograd.grad(y, (x, w), seed, retain_graph=True)
    recorded = torch.autograd.grad(y, (x, w), seed, create_graph=True)
    assert torch.equal(seed, kept)
    for one, other in zip(plain, recorded, strict=True):
        assert torch.equal(one, other.detach())


def test_hooks_and_retained_gradients_see_what_arrived():
    torch.manual_seed(0)
    x = torch.rand(N, requires_grad=True)
    y = x * 3
    y.retain_grad()
    seen = []
    y.register_hook(lambda g: seen.append(g))
    (torch.relu(y) * 2).sum().backward()
    assert torch.equal(y.grad, torch.full((N,), 2.0))
    assert torch.equal(seen[0], torch.full((N,), 2.0))
    assert torch.equal(x.grad, torch.full((N,), 6.0))
