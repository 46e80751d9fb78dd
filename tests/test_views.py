"""What in-place writes, views and the bookkeeping of autograd owe each other; PyTorch's behaviour, worked out by hand."""

from __future__ import annotations

import pytest

import rushlight as torch


def test_the_history_of_a_stale_view_is_older_than_what_reads_it():
    """The view's node is made when it is read, which must not put it behind the reader in backward's order."""
    x = torch.ones(2, 3, requires_grad=True)
    y = x * 1
    v = y.view(3, 2)
    y.mul_(3)
    w = v.index_put((torch.tensor([0]),), torch.tensor(5.0)) + v * v  # v's node is asked for while index_put's is made
    (g,) = torch.autograd.grad(w.sum(), x)
    assert g.tolist() == [[18.0, 18.0, 21.0], [21.0, 21.0, 21.0]]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda b: b.unbind(0)[0], "a function that returns multiple views"),
        (
            lambda b: b.unbind(0)[0].view(1),
            "Output 0 of View is a view and is being modified inplace. This view is the output of",
        ),
    ],
)
def test_outputs_of_multi_views_may_not_be_written(make, words):
    view = make(torch.ones(3, requires_grad=True) * 1)
    with pytest.raises(RuntimeError, match=words):
        view.add_(1)


def test_a_view_made_without_grad_keeps_that_rule_through_multi_views():
    b = torch.ones(3, requires_grad=True) * 1
    with torch.no_grad():
        v = b.unbind(0)[0]
        w = b.chunk(1)[0].view(3)
    for t in (v, w):
        with pytest.raises(
            RuntimeError,
            match="A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given",
        ):
            t.add_(1)


def test_a_view_keeps_a_history_when_its_base_stops_asking_for_gradients():
    x = torch.ones(2, 3, requires_grad=True)
    v = x.t()
    x.requires_grad_(False)
    x.add_(1)
    assert v.grad_fn.name() == "AsStridedBackward0"
    assert v.grad_fn.next_functions == ((None, 0),)


def test_autograd_refuses_before_the_operation_does():
    x = torch.ones(2, requires_grad=True)
    for write in (lambda: x.fill_(torch.ones(2)), lambda: x.sub_(torch.tensor(True)), lambda: x.relu_()):
        with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
            write()


def test_node_hooks_do_not_see_what_grad_only_picks_up():
    seen = []
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.grad_fn.register_prehook(lambda grads: seen.append("node"))
    y.register_hook(lambda g: seen.append("tensor"))
    (g,) = torch.autograd.grad((y * 3).sum(), y)
    assert seen == ["tensor"] and g.tolist() == [3.0, 3.0]


def test_a_hook_on_an_unused_output_is_told_none():
    seen = []
    a, b = (torch.ones(2, requires_grad=True) * 1).unbind(0)
    b.register_hook(seen.append)
    a.backward()
    assert seen == [None]


def test_set_leaves_the_source_s_version_alone():
    source, window = torch.ones(3, requires_grad=True) * 1, torch.zeros(2)
    squared = source**2
    window.set_(source.detach())
    window.resize_(2)
    squared.sum().backward()
    assert source._version == 0


def test_a_mean_s_gradient_may_be_written():
    x = torch.ones(2, 3, requires_grad=True)
    (g,) = torch.autograd.grad(x.mean(), x)
    assert g.mul_(6).tolist() == [[1.0] * 3] * 2


def test_index_put_may_not_read_what_it_writes():
    a = torch.arange(6.0)
    with pytest.raises(
        RuntimeError,
        match="some elements of the input tensor and the written-to tensor refer to a single memory location",
    ):
        a[[0, 1]] = a[1:3]


def test_results_lie_in_memory_as_pytorch_s():
    a = torch.zeros(3, 4).t()
    steps = {
        "sort": a.sort(0)[0], "roll": a.roll(1, 0), "flip": a.flip(0), "masked_fill": a.masked_fill(a > 0, 1.0),
        "index": torch.zeros(2, 3, 4).permute(2, 0, 1)[:, [0, 1]], "scatter": a.scatter(0, torch.zeros(4, 3, dtype=torch.int64), 1.0),
    }  # fmt: skip
    assert {name: t.stride() for name, t in steps.items()} == {
        "sort": (1, 4), "roll": (3, 1), "flip": (1, 4), "masked_fill": (3, 1), "index": (1, 4, 8), "scatter": (3, 1),
    }  # fmt: skip
