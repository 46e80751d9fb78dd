"""Forward hooks around a call: what they see, what they change, and hooks that come and go meanwhile."""

import pytest

import rushlight as torch
from rushlight import nn


class Scale(nn.Module):
    def forward(self, x, *, k=1):
        return x * k


def test_pre_hooks_change_arguments_and_hooks_the_result():
    module, seen = Scale(), []
    module.register_forward_pre_hook(lambda m, args: args[0] + 1)  # not a tuple: the only argument
    module.register_forward_pre_hook(lambda m, args: seen.append(args))
    module.register_forward_hook(lambda m, args, result: result * 10)
    module.register_forward_hook(lambda m, args, result: seen.append(result))
    assert module(torch.ones(2), k=3).tolist() == [60.0, 60.0]
    assert [type(seen[0]), seen[0][0].tolist(), seen[1].tolist()] == [tuple, [2.0, 2.0], [60.0, 60.0]]


def test_a_hook_registered_by_forward_is_called_and_gets_keyword_arguments():
    seen = []

    class Late(nn.Module):
        def forward(self, x, *, k):
            self.register_forward_hook(lambda m, args, kwargs, result: seen.append((args, kwargs)), with_kwargs=True)
            return x

    module = Late()
    module.register_forward_hook(lambda m, args, result: None)
    x = torch.ones(1)
    module(x, k=4)
    assert seen == [((x,), {"k": 4})]


def test_a_hook_may_remove_itself_and_others_keep_their_order():
    module, order = nn.Identity(), []
    for name in "abc":
        module.register_forward_hook(lambda m, args, result, name=name: order.append(name), prepend=name == "c")
    handle = module.register_forward_pre_hook(lambda m, args: handle.remove())
    module(torch.ones(1))
    module(torch.ones(1))
    assert order == ["c", "a", "b"] * 2


def test_an_error_in_a_hook_names_the_layer():
    def fail(module, args, result):
        raise ValueError("from the hook")

    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    handle = net[1].register_forward_hook(fail)
    with pytest.raises(ValueError, match="from the hook") as caught:
        net(torch.ones(1, 2))
    assert any("Sequential.1" in note or "ReLU" in note for note in caught.value.__notes__)
    handle.remove()
    assert net(torch.ones(1, 2)).shape == (1, 2)
