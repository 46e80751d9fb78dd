"""Differentiation as users meet it: backward, grad, hooks, custom functions, grad mode, and what may go wrong."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref

import pytest

import rushlight as torch
from rushlight.autograd import Function
from rushlight.autograd.function import once_differentiable
from rushlight.autograd.gradcheck import GradcheckError, gradcheck, gradgradcheck


def leaf(*values: float, dtype=None) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype, requires_grad=True)


class Scale(Function):
    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        ctx.save_for_backward(x)
        return x * factor

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.factor, None


# ---------------------------------------------------------------- backward and grad


def test_gradients_accumulate_in_leaves():
    x = leaf(1.0, 2.0)
    (x * x).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5.0, 7.0]


def test_a_graph_is_used_once_unless_retained():
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [8.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.backward()


def test_linear_graphs_save_nothing_and_may_be_walked_again():
    x = leaf(1.0, 2.0)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda x: (x * 2).backward(), "grad can be implicitly created only for scalar outputs"),
        (
            lambda x: x.detach().sum().backward(),
            "element 0 of tensors does not require grad and does not have a grad_fn",
        ),
        (
            lambda x: (x * 2).backward(torch.ones(3)),
            r"Mismatch in shape: grad_output\[0\] has a shape of torch.Size\(\[3\]\) "
            r"and output\[0\] has a shape of torch.Size\(\[2\]\).",
        ),
        (lambda x: x.sum().backward(inputs=[]), "`inputs` argument to `backward\\(\\)` cannot be empty."),
        (lambda x: torch.autograd.grad(x.sum(), leaf(1.0)), "appears to not have been used in the graph"),
        (
            lambda x: torch.autograd.grad(x.sum(), torch.ones(1)),
            "One of the differentiated Tensors does not require grad",
        ),
        (lambda x: torch.autograd.backward([x.sum(), x.sum()], [None]), "got 2 tensors and 1 gradients"),
        (
            lambda x: (x * 1j).sum().backward(),
            "grad can be implicitly created only for real scalar outputs but got torch.complex64",
        ),
        (
            lambda x: torch.ones(2).register_hook(print),
            "cannot register a hook on a tensor that doesn't require gradient",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(RuntimeError, match=message):
        call(leaf(1.0, 2.0))


def test_a_seed_of_another_dtype_is_cast():
    x = leaf(1.0, 2.0)
    (x * 2).backward(torch.ones(2, dtype=torch.float64))
    assert x.grad.dtype == torch.float32


def test_grad_leaves_grad_attributes_alone():
    x, y = leaf(3.0), leaf(5.0)
    gx, gy = torch.autograd.grad((x * y).sum(), [x, y])
    assert (gx.item(), gy.item()) == (5.0, 3.0)
    assert x.grad is None and y.grad is None


def test_grad_of_inner_tensors_and_of_the_output_itself():
    x = leaf(3.0)
    y = x * x
    z = y * 2
    gy, gz = torch.autograd.grad(z, [y, z], torch.ones(1))
    assert (gy.item(), gz.item()) == (2.0, 1.0)


def test_unused_inputs():
    x, y = leaf(3.0), leaf(1.0)
    assert torch.autograd.grad(x.sum(), [x, y], allow_unused=True)[1] is None
    assert torch.autograd.grad(x.sum(), [x, y], materialize_grads=True)[1].tolist() == [0.0]
    with pytest.raises(ValueError, match="Expected allow_unused to be True or not passed when materialize_grads=True"):
        torch.autograd.grad(x.sum(), x, allow_unused=False, materialize_grads=True)


def test_backward_into_chosen_inputs_only():
    x, w = leaf(3.0), leaf(2.0)
    y = x * w
    (y * y).sum().backward(inputs=[w, y])
    assert x.grad is None
    assert w.grad.item() == 36.0
    assert y.grad.item() == 12.0


def test_batched_gradients():
    x = leaf(1.0, 2.0)
    (rows,) = torch.autograd.grad(x * x, x, torch.eye(2), is_grads_batched=True)
    assert rows.tolist() == [[2.0, 0.0], [0.0, 4.0]]


def test_create_graph_to_third_order():
    x = leaf(2.0)
    g = (x**4).sum()
    for expected in (32.0, 48.0, 48.0):
        (g,) = torch.autograd.grad(g, x, create_graph=True)
        assert g.item() == expected


def test_a_result_does_not_change_when_its_source_gradient_is_written():
    x, y = leaf(1.0), leaf(1.0)
    (x + y).sum().backward()
    x.grad.zero_()
    assert y.grad.item() == 1.0


# ---------------------------------------------------------------- nodes


def test_nodes_print_and_link_as_in_pytorch():
    x = leaf(1.0)
    y = (x * 2).sum()
    (mul, nr) = y.grad_fn.next_functions[0]
    assert nr == 0
    assert mul.name() == type(mul).__name__ == "MulBackward0"
    assert repr(mul).startswith("<MulBackward0 object at 0x")
    (accumulate, _), (none, _) = mul.next_functions
    assert accumulate.name() == "torch::autograd::AccumulateGrad" and type(accumulate).__name__ == "AccumulateGrad"
    assert accumulate.variable is x and none is None
    mul.metadata["note"] = 1
    assert y.grad_fn.next_functions[0][0].metadata == {"note": 1}


def test_a_node_can_be_called():
    x = leaf(3.0)
    grads = (x * x).grad_fn(torch.tensor([2.0]))
    assert [g.item() for g in grads] == [6.0, 6.0]
    with pytest.raises(TypeError, match="expected 1 arguments, got 2 instead"):
        (x * x).grad_fn(1, 2)


def test_node_hooks_see_and_replace_gradients():
    x = leaf(3.0)
    y = x * 2
    seen = []
    y.grad_fn.register_prehook(lambda out: (out[0] * 10,))
    y.grad_fn.register_hook(lambda inp, out: seen.append((inp[0].item(), out[0].item())))
    y.sum().backward()
    assert seen == [(20.0, 10.0)]
    assert x.grad.item() == 20.0


# ---------------------------------------------------------------- hooks


def test_tensor_hooks_run_in_order_and_can_be_removed():
    x = leaf(1.0)
    y = x * 1
    first = y.register_hook(lambda g: g * 2)
    y.register_hook(lambda g: g + 1)
    x.register_hook(lambda g: g * 100)
    y.sum().backward(retain_graph=True)
    assert x.grad.item() == 300.0
    first.remove()
    x.grad = None
    y.sum().backward()
    assert x.grad.item() == 200.0


def test_leaf_hook_runs_once_with_the_whole_gradient():
    x = leaf(1.0)
    seen = []
    x.register_hook(lambda g: seen.append(g.item()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [5.0]


def test_hooks_of_several_outputs_run_in_the_order_of_their_registration():
    seen = []
    a, b, c = torch.ones(3, requires_grad=True).unbind()
    for name, t in (("c", c), ("a", a), ("b", b), ("c again", c)):
        t.register_hook(lambda g, name=name: seen.append((name, g)))
    (2 * c).backward()
    assert [(name, g if g is None else g.item()) for name, g in seen] == [
        ("c", 2),
        ("c again", 2),
        ("a", None),
        ("b", None),
    ]


def test_post_accumulate_hook():
    x = leaf(1.0)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.item())))
    (x * 2).sum().backward()
    assert seen == [(True, 2.0)]
    with pytest.raises(RuntimeError, match="post accumulate grad hooks cannot be registered on non-leaf tensors"):
        (x * 2).register_post_accumulate_grad_hook(print)


def test_retain_grad_and_hooks_of_the_same_tensor():
    x = leaf(1.0)
    y = x * 3
    y.retain_grad()
    y.register_hook(lambda g: g * 2)
    y.sum().backward()
    assert y.grad.item() == 2.0


def test_backward_inside_a_hook():
    x = leaf(2.0)
    w = leaf(1.0)
    y = x * w

    def hook(grad):
        with torch.enable_grad():
            (x * x).sum().backward()
            (w * x).sum().backward()
        return grad

    y.register_hook(hook)
    y.sum().backward()
    assert x.grad.item() == 4.0 + 1.0 + 1.0
    assert w.grad.item() == 2.0 + 2.0


def test_exceptions_leave_tensors_usable():
    x = leaf(1.0)
    for error in (ValueError, KeyboardInterrupt):

        def hook(grad, error=error):
            raise error("stop")

        y = x * 2
        handle = y.register_hook(hook)
        total = (y + x).sum()
        with pytest.raises(error):
            total.backward()
        handle.remove()
        x.grad = None
        (x * 5).sum().backward()
        assert x.grad.item() == 5.0
        x.grad = None


# ---------------------------------------------------------------- custom functions


def test_function_and_its_context():
    x = leaf(1.0, 2.0)
    y = Scale.apply(x, 3.0)
    assert y.grad_fn.needs_input_grad == (True, False)
    assert y.grad_fn.saved_tensors[0] is x
    assert repr(y.grad_fn).startswith("<torch.autograd.function.ScaleBackward object at")
    assert "grad_fn=<ScaleBackward>" in repr(y)
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.grad_fn.saved_tensors


def test_saved_output_and_double_backward():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, grad):
            (y,) = ctx.saved_tensors
            return grad * y

    x = leaf(0.3, 0.7, dtype=torch.float64)
    assert gradcheck(Exp.apply, x)
    assert gradgradcheck(Exp.apply, x)


def test_setup_context_gets_defaults_and_names():
    class Power(Function):
        @staticmethod
        def forward(x, n=2):
            return x**n

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, ctx.n = inputs
            ctx.save_for_backward(x)

        @staticmethod
        def vjp(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * ctx.n * x ** (ctx.n - 1), None

    x = leaf(3.0)
    assert torch.autograd.grad(Power.apply(x), x)[0].item() == 6.0
    assert torch.autograd.grad(Power.apply(x, n=3), x)[0].item() == 27.0


def test_several_outputs_and_missing_gradients():
    seen = []

    class Both(Function):
        @staticmethod
        def forward(ctx, x, materialize):
            ctx.set_materialize_grads(materialize)
            return x + 1, "text", x * 2

        @staticmethod
        def backward(ctx, first, text, second):
            seen.append((first, text, second))
            return second * 2, None

    x = leaf(1.0)
    for materialize in (True, False):
        a, text, b = Both.apply(x, materialize)
        assert text == "text" and a.requires_grad
        b.sum().backward()
    assert seen[0][0].tolist() == [0.0] and seen[1][0] is None
    assert seen[0][1] is None


def test_mark_dirty_and_non_differentiable():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            sign = x.sign()
            ctx.mark_non_differentiable(sign)
            return x, sign

        @staticmethod
        def backward(ctx, grad, _):
            return grad * 7

    x = leaf(1.0)
    y = x * 2
    z, sign = AddOne.apply(y)
    assert z is y and not sign.requires_grad and y.item() == 3.0
    z.sum().backward()
    assert x.grad.item() == 14.0
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad has been used in an in-place operation"):
        AddOne.apply(x)


def test_an_input_returned_as_it_is_becomes_a_view():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 2

    x = leaf(1.0)
    y = Identity.apply(x)
    assert y is not x and y._base is x
    with pytest.raises(RuntimeError, match="is a view and is being modified inplace"):
        y.mul_(2)
    y.sum().backward()
    assert x.grad.item() == 2.0


@pytest.mark.parametrize(
    "result, message",
    [
        ("g", r"function BadBackward returned an incorrect number of gradients \(expected 2, got 1\)"),
        ("(g, g)", "function BadBackward returned a gradient different than None at position 2"),
        ("(1.0, None)", r"expected Variable or None \(got float\)"),
        (
            "(torch.ones(3), None)",
            r"Function BadBackward returned an invalid gradient at index 0 - got \[3\] "
            r"but expected shape compatible with \[2\]",
        ),
    ],
)
def test_wrong_gradients(result, message):
    class Bad(Function):
        @staticmethod
        def forward(ctx, x, k):
            return x * k

        @staticmethod
        def backward(ctx, g):
            return eval(result)

    with pytest.raises(RuntimeError, match=message):
        Bad.apply(leaf(1.0, 2.0), 3.0).sum().backward()


def test_function_misuse():
    class Forwardless(Function):
        pass

    with pytest.raises(NotImplementedError, match="You must implement the forward function"):
        Forwardless.apply(leaf(1.0))
    with pytest.warns(DeprecationWarning, match="should not be instantiated"):
        instance = Scale()
    with pytest.raises(RuntimeError, match="Legacy autograd function with non-static forward method is deprecated"):
        instance(leaf(1.0))
    with pytest.raises(TypeError, match="save_for_backward can only save variables, but argument 0 is of type int"):
        type(
            "Saver", (Function,), {"forward": staticmethod(lambda ctx, x: (ctx.save_for_backward(3), x * 1)[1])}
        ).apply(leaf(1.0))


def test_saved_tensors_notice_writes():
    x = leaf(1.0)
    y = x * 1
    z = Scale.apply(y, 2.0)
    y.add_(1)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        z.grad_fn.saved_tensors


def test_once_differentiable():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            return 2 * grad * ctx.saved_tensors[0]

    x = leaf(3.0)
    seed = leaf(1.0)
    (g,) = torch.autograd.grad(Square.apply(x), x, seed, create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError, match="trying to differentiate twice a function that was marked"):
        g.sum().backward()


# ---------------------------------------------------------------- grad mode


def test_blocks_nest_and_come_back_after_exceptions():
    with torch.no_grad():
        assert not torch.is_grad_enabled()
        with torch.enable_grad():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
    with pytest.raises(ValueError), torch.no_grad():
        raise ValueError
    assert torch.is_grad_enabled()
    block = torch.no_grad()
    with block, block:
        pass
    assert torch.is_grad_enabled()


def test_set_grad_enabled_acts_at_once():
    torch.set_grad_enabled(False)
    assert not torch.is_grad_enabled()
    torch.set_grad_enabled(True)
    with torch.set_grad_enabled(False):
        assert not torch.is_grad_enabled()
    assert torch.is_grad_enabled()
    with pytest.raises(TypeError, match="argument 'enabled' \\(position 1\\) must be bool, not int"):
        torch.set_grad_enabled(1)


@pytest.mark.parametrize("decorator", [torch.no_grad(), torch.no_grad, torch.inference_mode(), torch.inference_mode])
def test_decorated_functions_and_generators(decorator):
    @decorator
    def function(x):
        """Doubles."""
        return (x * 2).requires_grad

    @decorator
    def generator():
        while (yield torch.is_grad_enabled()) != "stop":
            pass
        return "done"

    assert function.__name__ == "function" and function.__doc__ == "Doubles."
    assert not function(leaf(1.0))
    steps = generator()
    assert next(steps) is False
    assert torch.is_grad_enabled()
    assert steps.send(None) is False
    with pytest.raises(StopIteration) as stop:
        steps.send("stop")
    assert stop.value.value == "done" and torch.is_grad_enabled()


def test_set_grad_enabled_as_a_decorator_waits_for_the_call():
    @torch.set_grad_enabled(False)
    def function():
        return torch.is_grad_enabled()

    assert torch.is_grad_enabled()
    assert not function()


def test_inference_mode_is_visible():
    with torch.inference_mode():
        assert torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
        with torch.inference_mode(False):
            assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()


def test_grad_mode_belongs_to_a_thread():
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


# ---------------------------------------------------------------- in-place writes and views


def test_in_place_rules():
    x = leaf(1.0, 2.0)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.add_(1)
    y = x * 1
    z = (y * y).sum()
    y.add_(1)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        z.backward()


def test_writes_through_a_view_reach_the_base():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1
    y[1:].mul_(10)
    (y * y).sum().backward()
    assert x.grad.tolist() == [2.0, 400.0, 600.0]


# ---------------------------------------------------------------- size, garbage, threads


def test_a_million_nodes():
    x = leaf(1.0)
    y = x
    for _ in range(1_000_000):
        y = y + 0.0
    y.sum().backward(retain_graph=True)
    assert x.grad.item() == 1.0
    del y


def test_cycles_through_hooks_are_collected():
    x = leaf(1.0)
    y = x * 2
    y.register_hook(lambda g, y=y: None)
    alive = weakref.ref(y)
    del y
    gc.collect()
    assert alive() is None
    x.register_hook(lambda g, x=x: None)
    alive = weakref.ref(x)
    del x
    gc.collect()
    assert alive() is None


def test_cycles_through_contexts_are_collected():
    class Keep(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.out = x * 2
            return ctx.out

        @staticmethod
        def backward(ctx, grad):
            return grad

    y = Keep.apply(leaf(1.0))
    alive = weakref.ref(y)
    assert y.grad_fn.out is y
    del y
    gc.collect()
    assert alive() is None


def test_contexts_without_cycles_die_at_once():
    y = Scale.apply(leaf(1.0), 2.0)
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None


def test_threads_share_leaves():
    x = leaf(1.0)

    def work():
        for _ in range(200):
            (x * 1).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.item() == 800.0


# ---------------------------------------------------------------- gradcheck, functional, Variable, edges


def test_gradcheck_finds_what_is_wrong():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    x = leaf(0.5, 1.5, dtype=torch.float64)
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(Wrong.apply, x)
    assert not torch.autograd.gradcheck(Wrong.apply, x, raise_exception=False)
    with pytest.raises(ValueError, match="gradcheck expects at least one input tensor to require gradient"):
        gradcheck(torch.sin, x.detach())


def test_gradcheck_of_complex_functions():
    z = torch.tensor([0.3 + 0.7j, -1.1 + 0.2j], dtype=torch.complex128, requires_grad=True)
    w = leaf(0.4, 0.9, dtype=torch.float64)
    assert gradcheck(lambda z, w: (z * z * w, (z * z.conj()).real), (z, w))
    assert gradgradcheck(lambda z, w: z * z * w, (z, w))


def test_functional():
    F = torch.autograd.functional
    x = torch.tensor([1.0, 3.0])
    v = torch.tensor([1.0, -1.0])
    cube = lambda t: (t**3).sum()  # noqa: E731
    assert F.jacobian(lambda t: t * t, x).tolist() == [[2.0, 0.0], [0.0, 6.0]]
    assert F.hessian(cube, x).tolist() == [[6.0, 0.0], [0.0, 18.0]]
    assert F.vjp(lambda t: t * t, x, v)[1].tolist() == [2.0, -6.0]
    assert F.jvp(lambda t: t * t, x, v)[1].tolist() == [2.0, -6.0]
    assert F.vhp(cube, x, v)[1].tolist() == F.hvp(cube, x, v)[1].tolist() == [6.0, -18.0]
    (block,) = F.jacobian(lambda a, b: a * b, (x, v), create_graph=False)[:1]
    assert block.tolist() == [[1.0, 0.0], [0.0, -1.0]]
    with pytest.raises(RuntimeError, match="v has invalid size: should be torch.Size"):
        F.vjp(lambda t: t * t, x, torch.ones(3))
    with pytest.raises(RuntimeError, match="Output 0 of the user-provided function does not require gradients"):
        F.jacobian(lambda t: torch.ones(2), x, strict=True)


def test_variable():
    x = torch.ones(2)
    v = torch.autograd.Variable(x, requires_grad=True)
    assert v.requires_grad and not x.requires_grad and isinstance(x, torch.autograd.Variable)
    v.data[0] = 5
    assert x[0] == 5


def test_gradient_edges_stand_for_tensors():
    x = leaf(3.0)
    y = x * x
    edge = torch.autograd.graph.get_gradient_edge(y)
    assert torch.autograd.grad((y * 2).sum(), edge)[0].item() == 2.0
    assert torch.autograd.grad((y * 2).sum(), [edge])[0].item() == 2.0


def test_create_graph_in_backward_warns_of_the_cycle():
    x = leaf(1.0)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        (x * x).sum().backward(create_graph=True)
    assert x.grad.requires_grad
    x.grad = None


class Nothing(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return None


def test_where_a_function_returns_no_gradient_those_behind_it_still_have_their_turn():
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    Nothing.apply(Scale.apply(x, 3.0)).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0]  # Scale's backward got zeros
    seen = []
    product = y * y
    product.register_hook(seen.append)
    product.grad_fn.register_hook(lambda inputs, outputs: seen.append((inputs, outputs)))
    y.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad))
    Nothing.apply(product).sum().backward()
    assert seen == [None, ((None, None), (None,)), None] and y.grad is None
    y.register_hook(lambda g: torch.ones(2))
    with pytest.raises(RuntimeError, match="can't replace a None gradient with a non-None value"):
        Nothing.apply(y).sum().backward()


def test_leaves_are_reached_as_soon_as_their_last_user_has_run():
    first, second, order = leaf(1.0), leaf(2.0), []
    hidden = first * 3
    hidden.register_hook(lambda g: order.append("hidden"))
    second.register_post_accumulate_grad_hook(lambda t: order.append("second"))
    first.register_post_accumulate_grad_hook(lambda t: order.append("first"))
    (hidden * second).sum().backward()
    assert order == ["second", "hidden", "first"]

    def fail(g):
        raise KeyError("hook")

    first.grad = second.grad = None
    hidden = first * 3
    hidden.register_hook(fail)
    with pytest.raises(KeyError):
        (hidden * second).sum().backward()
    assert second.grad.item() == 3.0 and first.grad is None


def test_hooks_may_not_change_what_a_gradient_is():
    for change, message in ((lambda g: g.double(), "changed the type of value .was torch.FloatTensor got torch.DoubleTensor"),
                            (lambda g: g.sum(), "changed the size of value")):  # fmt: skip
        x = leaf(1.0, 2.0)
        x.register_hook(change)
        with pytest.raises(RuntimeError, match=f"hook '<lambda>' has {message}"):
            (x * 2).sum().backward()
        y = leaf(1.0, 2.0) * 2
        y.grad_fn.register_prehook(lambda grads, change=change: (change(grads[0]),))
        with pytest.raises(RuntimeError, match=f"hook '<lambda>' has {message}"):
            y.sum().backward()


def test_hooks_of_nodes_see_gradients_shaped_like_the_inputs():
    x, b, seen = torch.ones(2, 3, requires_grad=True), leaf(1.0, 2.0, 3.0), []
    y = x + b
    y.grad_fn.register_hook(lambda inputs, outputs: seen.extend(g.shape for g in inputs))
    y.grad_fn.next_functions[1][0].register_hook(lambda inputs, outputs: seen.append((inputs, outputs[0].shape)))
    y.sum().backward()
    assert seen == [(2, 3), (3,), ((), (3,))]


def test_gradients_lie_in_memory_as_their_leaves_do():
    x = torch.ones(2, 3, requires_grad=True)
    (x.t().contiguous() ** 2).sum().backward(create_graph=True)
    assert x.grad.is_contiguous() and x.grad.requires_grad
    y = x.detach().t().requires_grad_() * 1
    y.retain_grad()
    (y * y).sum().backward()
    assert y.stride() == (1, 3) and y.grad.is_contiguous()


@pytest.mark.parametrize("write", ["sin_", "log1p_", "divide", "part"])
def test_second_derivatives_through_writes_in_place(write):
    def f(x, in_place):
        y = x * 1
        if not in_place:
            if write == "part":
                return torch.cat([y[:1].sin(), y[1:]])
            return y / (y + 1) if write == "divide" else getattr(y, write[:-1])()
        if write == "part":
            y[:1].sin_()
            return y
        return y.div_(y + 1) if write == "divide" else getattr(y, write)()

    second = []
    for in_place in (False, True):
        x = leaf(0.3, 0.7)
        (g,) = torch.autograd.grad(f(x, in_place).sum(), x, create_graph=True)
        second.append(torch.autograd.grad((g * g).sum(), x)[0])
    assert torch.allclose(*second)


def test_what_retains_its_gradient_retains_that_of_what_was_written_through_views():
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 2
    row, other = y[0], y[1]
    y.retain_grad()
    row.retain_grad()
    row.mul_(3)
    other.mul_(3)
    (y * y).sum().backward(retain_graph=True)
    assert y.grad.tolist() == [[12.0, 12.0], [12.0, 12.0]]
    (row * row).sum().backward()
    assert row.grad.tolist() == [12.0, 12.0]


def test_a_write_through_a_view_is_freed_with_the_graph():
    y = leaf(1.0, 2.0) * 1
    y[0] = 3
    total = y.sum()
    total.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        total.backward()
