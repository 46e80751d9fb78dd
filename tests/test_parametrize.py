"""Parametrized modules: what they compute, keep, copy and give back."""

import copy

import pytest

import rushlight as torch
from rushlight.nn import Linear, Module
from rushlight.nn.utils import parametrizations, parametrize


class Symmetric(Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, x):
        return x.triu()


class Doubled(Module):
    def forward(self, x):
        return 2 * x


def test_the_parameter_becomes_a_function_of_the_original_and_trains():
    layer = Linear(3, 3)
    parameter = layer.weight
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert type(layer).__name__ == "ParametrizedLinear"
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    assert layer.parametrizations.weight.original is parameter
    assert torch.equal(layer.weight, layer.weight.T)
    layer(torch.ones(3)).sum().backward()
    assert torch.equal(parameter.grad, torch.ones(3, 3).triu() + torch.ones(3, 3).triu(1))


def test_assignment_goes_through_the_inverses_in_reverse():
    layer = parametrize.register_parametrization(Linear(2, 2), "weight", Symmetric())
    wanted = torch.tensor([[1.0, 2.0], [2.0, 3.0]])
    layer.weight = wanted
    assert torch.equal(layer.weight, wanted)
    parametrize.register_parametrization(layer, "weight", Doubled())
    assert torch.equal(layer.weight, 2 * wanted)
    with pytest.raises(RuntimeError, match="parametrization Doubled does not implement right_inverse"):
        layer.weight = wanted


def test_copies_are_independent_and_pickling_is_refused():
    layer = parametrize.register_parametrization(Linear(2, 2), "weight", Doubled())
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        layer.parametrizations.weight.original.zero_()
    assert layer.weight.abs().sum() == 0
    assert twin.weight.abs().sum() > 0
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        layer.__getstate__()


def test_cached_computes_once():
    layer = parametrize.register_parametrization(Linear(2, 2), "weight", Doubled())
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight


@pytest.mark.parametrize("keep", [True, False])
def test_removal_restores_class_and_parameter(keep):
    layer = Linear(2, 2)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Doubled())
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=keep)
    assert type(layer) is Linear
    assert not parametrize.is_parametrized(layer)
    assert torch.equal(layer.weight, 2 * before if keep else before)


@pytest.mark.parametrize("shape", [(3, 3), (2, 4), (4, 2)])
@pytest.mark.parametrize("method", ["matrix_exp", "cayley", "householder"])
def test_orthogonal_stays_orthogonal_after_a_step(shape, method):
    torch.manual_seed(0)
    layer = parametrizations.orthogonal(Linear(*shape), orthogonal_map=method)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer.weight.pow(3).sum().backward()
    optimizer.step()
    q = layer.weight if layer.weight.size(0) >= layer.weight.size(1) else layer.weight.T
    assert torch.allclose(q.T @ q, torch.eye(q.size(1)), atol=1e-5)


def test_spectral_and_weight_norm():
    torch.manual_seed(0)
    layer = parametrizations.spectral_norm(Linear(4, 3)).eval()
    assert abs(torch.linalg.matrix_norm(layer.weight, 2).item() - 1) < 1e-3
    plain = Linear(3, 2)
    before = plain.weight.detach().clone()
    normed = parametrizations.weight_norm(plain)
    assert torch.allclose(normed.weight, before)
    assert normed.parametrizations.weight.original0.shape == (2, 1)


def test_refusals():
    with pytest.raises(ValueError, match="does not have a parameter, a buffer, or a parametrized element"):
        parametrize.register_parametrization(Linear(2, 2), "absent", Doubled())
    with pytest.raises(ValueError, match="may not change the shape of the tensor"):
        parametrize.register_parametrization(Linear(2, 2), "weight", torch.nn.Flatten(0))
