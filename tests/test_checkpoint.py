"""Checkpointing and the hooks it rests on: the gradients are those of the plain forward, whatever is random in it."""

import pytest

import rushlight as torch
from rushlight.autograd.graph import disable_saved_tensors_hooks, saved_tensors_hooks
from rushlight.utils.checkpoint import CheckpointError, checkpoint


def _gradients(run):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    x = torch.randn(3, 4, requires_grad=True)
    loss = (run(net, x * 2) ** 2).sum()
    (slope,) = torch.autograd.grad(loss, x, create_graph=True)
    (loss + (slope**2).sum()).backward()
    return [x.grad, *(p.grad for p in net.parameters())]


@pytest.mark.parametrize("early_stop", [True, False])
def test_gradients_of_any_order_are_those_without_a_checkpoint(early_stop):
    plain = _gradients(lambda net, x: net(x))
    again = _gradients(lambda net, x: checkpoint(net, x, use_reentrant=False, early_stop=early_stop))
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))


def test_a_function_that_differs_when_run_again_is_found_out():
    runs = []

    def fickle(x):
        runs.append(x)
        return (x.exp() * 2).sin() if len(runs) == 1 else x * 1

    y = checkpoint(fickle, torch.ones(2, requires_grad=True), use_reentrant=False)
    with pytest.raises(CheckpointError, match="different number of tensors"):
        y.sum().backward()


def test_errors_of_hooks_reach_the_program():
    x = torch.ones(2, requires_grad=True)
    with pytest.raises(ZeroDivisionError), saved_tensors_hooks(lambda t: 1 / 0, lambda t: t):
        x.exp()
    with saved_tensors_hooks(lambda t: 1, lambda t: t):
        y = x.exp().sum()
    with pytest.raises(TypeError, match="expected to be a Tensor"):
        y.backward()
    with pytest.raises(RuntimeError, match="not here"), disable_saved_tensors_hooks("not here"):
        with saved_tensors_hooks(lambda t: t, lambda t: t):
            pass
