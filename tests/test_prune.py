"""Pruning: which elements go, what the module holds meanwhile, and what removal leaves."""

import pytest

import rushlight as torch
from rushlight.nn import Linear, Sequential
from rushlight.nn.utils import prune


def layer(rows=2, columns=4):
    made = Linear(columns, rows)
    made.weight.data = torch.arange(1.0, rows * columns + 1).view(rows, columns)
    return made


def test_the_smallest_go_and_the_forward_uses_what_is_left():
    pruned = prune.l1_unstructured(layer(), "weight", amount=0.5)
    assert [name for name, _ in pruned.named_parameters()] == ["bias", "weight_orig"]
    assert pruned.weight_mask.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]
    pruned(torch.ones(4)).sum().backward()
    assert torch.equal(pruned.weight_orig.grad, pruned.weight_mask)
    with torch.no_grad():
        pruned.weight_orig.fill_(1.0)
    pruned(torch.ones(4))
    assert torch.equal(pruned.weight, pruned.weight_mask)


def test_a_second_pruning_counts_only_what_is_left():
    pruned = prune.l1_unstructured(layer(), "weight", amount=2)
    prune.l1_unstructured(pruned, "weight", amount=2)
    assert pruned.weight_mask.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]
    (hook,) = pruned._forward_pre_hooks.values()
    assert [type(method) for method in hook] == [prune.L1Unstructured] * 2


def test_slices():
    assert prune.ln_structured(layer(), "weight", 1, n=2, dim=0).weight_mask.tolist() == [[0] * 4, [1] * 4]
    by_chance = prune.random_structured(layer(), "weight", 0.5, dim=1).weight_mask
    assert sorted(by_chance.sum(0).tolist()) == [0, 0, 2, 2]
    with pytest.raises(ValueError, match="multidimensional"):
        prune.ln_structured(layer(), "bias", 1, n=2, dim=0)


def test_global_pruning_compares_across_modules():
    model = Sequential(layer(), layer(4, 4))
    prune.global_unstructured([(model[0], "weight"), (model[1], "weight")], prune.L1Unstructured, amount=8)
    assert (model[0].weight == 0).sum() == 4
    assert (model[1].weight == 0).sum() == 4
    assert prune.is_pruned(model)


def test_removal_leaves_a_parameter():
    pruned = prune.custom_from_mask(layer(), "weight", torch.arange(8).view(2, 4) % 2)
    prune.remove(pruned, "weight")
    assert not prune.is_pruned(pruned)
    assert isinstance(pruned.weight, torch.nn.Parameter)
    assert pruned.weight.tolist() == [[0, 2, 0, 4], [0, 6, 0, 8]]
    with pytest.raises(ValueError, match="has to be pruned before pruning can be removed"):
        prune.remove(pruned, "weight")


@pytest.mark.parametrize("amount, error", [("a", TypeError), (-1, ValueError), (1.5, ValueError), (9, ValueError)])
def test_refused_amounts(amount, error):
    fresh = layer()
    with pytest.raises(error, match="amount"):
        prune.l1_unstructured(fresh, "weight", amount)
    assert list(fresh.state_dict()) == ["weight", "bias"]
