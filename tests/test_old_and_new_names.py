"""What programs written for other years of PyTorch call: numbers before tensors, and names around its compiler."""

from __future__ import annotations

import warnings

import pytest

import rushlight as torch
from rushlight import nn


@pytest.mark.filterwarnings("ignore:This overload of")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v.clone().add_(-0.5, w)", "v.clone().add_(w, alpha=-0.5)"),
        ("torch.add(v, 2, w)", "torch.add(v, w, alpha=2)"),
        ("torch.add(v, 2, w, out=v.clone())", "torch.add(v, w, alpha=2)"),
        ("v.sub(2, w)", "v.sub(w, alpha=2)"),
        ("v.clone().addcmul_(0.5, v, w)", "v.clone().addcmul_(v, w, value=0.5)"),
        ("torch.addcdiv(v, 2, v, w)", "torch.addcdiv(v, v, w, value=2)"),
        ("m.addmm(2, m, m)", "m.addmm(m, m, beta=2)"),
        ("m.addmm(2, 3, m, m)", "m.addmm(m, m, beta=2, alpha=3)"),
        ("torch.addmm(2, m, 3, m, m)", "torch.addmm(m, m, m, beta=2, alpha=3)"),
        ("v.addmv(2, 3, m, w)", "v.addmv(m, w, beta=2, alpha=3)"),
        ("m.addr(2, 3, v, w)", "m.addr(v, w, beta=2, alpha=3)"),
        ("m[None].baddbmm(2, m[None], m[None])", "m[None].baddbmm(m[None], m[None], beta=2)"),
    ],
)
def test_numbers_before_tensors(old, new):
    names = {"torch": torch, "v": torch.tensor([1.0, 2.0]), "w": torch.tensor([3.0, 5.0])}
    names["m"] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert torch.equal(eval(old, names), eval(new, names))


@pytest.mark.parametrize(
    "wrong",
    ["v.add(v, 2, v)", "torch.add(v, 2, v, alpha=3)", "m.addmm(1, 2, 3, m, m)", "m.addmm('x', m, m)"],
)
def test_other_orders_are_refused(wrong):
    with warnings.catch_warnings(), pytest.raises(TypeError):
        warnings.simplefilter("ignore")
        eval(wrong, {"torch": torch, "v": torch.ones(2), "m": torch.ones(2, 2)})


def test_compiled_module_is_wrapped():
    model = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))
    compiled = torch.compile(model, mode="reduce-overhead")
    x = torch.ones(1, 2)
    assert list(compiled.state_dict()) == ["_orig_mod.0.weight", "_orig_mod.0.bias"]
    assert compiled._orig_mod is model and len(compiled) == 2 and compiled.append(nn.ReLU()) is model
    assert repr(compiled).startswith("OptimizedModule(\n  (_orig_mod): Sequential(\n    (0): Linear(")
    compiled.eval()
    assert not model.training and torch.equal(compiled(x), model(x))
    compiled.note = "kept"
    assert model.note == "kept"
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        compiled.absent
    assert torch.compile(model, disable=True) is model


def test_compiled_functions_are_themselves():
    def f(x):
        return x

    assert torch.compile(f) is f and torch.compile(fullgraph=True)(f) is f
    assert torch.compiler.disable(f) is f and torch.compiler.disable(recursive=False)(f) is f
    assert not torch.compiler.is_compiling()
    torch._dynamo.reset()
    torch._dynamo.config.suppress_errors = True


def test_a_single_process_is_told_so():
    assert not (torch.distributed.is_available() and torch.distributed.is_initialized())


def test_choice_of_attention_kernel():
    from rushlight.nn.attention import SDPBackend, sdpa_kernel

    q = torch.randn(1, 2, 3, 4)
    with sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        assert nn.functional.scaled_dot_product_attention(q, q, q).shape == q.shape
    with pytest.raises(AssertionError), sdpa_kernel("math"):
        pass
    assert str(SDPBackend.MATH) == "SDPBackend.MATH"


def test_swa_rates_step_without_a_warning():
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        schedule = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)
        optimizer.step()
        schedule.step()
    with pytest.warns(UserWarning, match="get_last_lr"):
        schedule.get_lr()


def test_trees():
    from rushlight.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_map_only, tree_unflatten

    tree = {"a": torch.ones(1), "b": [2, (3, "x")]}
    flat, spec = tree_flatten(tree)
    assert flat == tree_leaves(tree) and spec.num_leaves == 4 and tree_flatten(tree)[1] == spec
    assert tree_unflatten([1, 2, 3, 4], spec) == {"a": 1, "b": [2, (3, 4)]}
    assert tree_map(lambda a, b: a + b, [1, 2], [10, 20]) == [11, 22]
    assert tree_map_only(int, lambda i: -i, tree)["b"] == [-2, (-3, "x")]
    with pytest.raises(ValueError, match="holds 4 items"):
        tree_unflatten([1], spec)


def test_fused_layers_do_both():
    norm = nn.BatchNorm2d(3)
    norm(torch.randn(8, 3, 4, 4))
    norm.eval()
    for conv, transpose in ((nn.Conv2d(2, 3, 3, bias=False), False), (nn.ConvTranspose2d(2, 3, 3), True)):
        x = torch.randn(2, 2, 5, 5)
        fused = nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), norm, transpose)
        torch.testing.assert_close(fused(x), norm(conv(x)))
    norm, linear = nn.BatchNorm1d(3).eval(), nn.Linear(2, 3).eval()
    norm.running_mean += 2
    x = torch.randn(4, 2)
    torch.testing.assert_close(nn.utils.fusion.fuse_linear_bn_eval(linear, norm)(x), norm(linear(x)))
    with pytest.raises(AssertionError, match="only for eval"):
        nn.utils.fusion.fuse_linear_bn_eval(linear.train(), norm)


def test_stateless_call():
    layer = nn.Linear(1, 1)
    weights = {"weight": torch.ones(1, 1), "bias": torch.ones(1)}
    with pytest.warns(FutureWarning, match="functional_call"):
        assert nn.utils.stateless.functional_call(layer, weights, torch.ones(1, 1)).item() == 2


def test_dlpack_by_its_old_names():
    x = torch.arange(3.0)
    capsule = torch.utils.dlpack.to_dlpack(x)
    assert torch.utils.dlpack.from_dlpack(capsule).data_ptr() == x.data_ptr()


def test_log_prob_leaves_the_repr_alone():
    d = torch.distributions.MultivariateNormal(torch.zeros(2), torch.eye(2))
    before = repr(d)
    d.log_prob(torch.zeros(2))
    assert repr(d) == before == "MultivariateNormal(loc: torch.Size([2]), covariance_matrix: torch.Size([2, 2]))"


def test_storages_say_how_large_they_are():
    import sys

    small, large = torch.ones(3).untyped_storage(), torch.ones(1003).untyped_storage()
    assert sys.getsizeof(large) - sys.getsizeof(small) == 4000


def test_benchmark_times_statements_and_compares_them():
    from rushlight.utils import benchmark

    seen = []
    timer = benchmark.Timer("f(x)", "x = torch.ones(2)", globals={"f": seen.append}, label="call", sub_label="two")
    once = timer.timeit(30)
    assert once.number_per_run == 30 and len(once.raw_times) == 1 and len(seen) >= 30 and seen[0].shape == (2,)
    assert once.mean == once.median == once.times[0] > 0 and once.iqr == 0
    assert "call: two\nsetup: x = torch.ones(2)\n" in repr(once) and "1 measurement, 30 runs" in repr(once)
    several = benchmark.Timer("1 + 1", label="call", description="sum").blocked_autorange(min_run_time=0.01)
    assert sum(several.raw_times) >= 0.01
    adaptive = benchmark.Timer("1 + 1").adaptive_autorange(max_run_time=0.05)
    assert adaptive.median > 0 and ("IQR" in str(adaptive)) == (len(adaptive.raw_times) > 1)
    table = str(benchmark.Compare([once, several]))
    assert table.count("[") == 1 and "|  sum" in table and "1 threads: --" in table and "Times are in" in table
    with pytest.raises(ValueError, match="Python statements only"):
        benchmark.Timer("x", language="c++")


def test_products_and_switches_of_older_programs():
    assert torch.equal(torch.spmm(torch.eye(2), torch.ones(2, 3)), torch.ones(2, 3))
    with torch.jit.optimized_execution(False):
        pass


def test_libraries_may_log_their_use():
    assert torch._C._log_api_usage_once("torchmetrics.metric.Accuracy") is None


def test_device_blocks_nest():
    with torch.device("meta") as meta:
        assert (
            meta.type == "meta" and nn.Linear(2, 2).weight.is_meta and torch.zeros(2, device="cpu").device.type == "cpu"
        )
        with pytest.raises(KeyError), torch.device("cpu"):
            assert not torch.ones(1).is_meta
            raise KeyError
        assert torch.ones(1).is_meta
    assert not torch.ones(1).is_meta
    with pytest.raises(AssertionError, match="not compiled with CUDA"), torch.device("cuda"):
        pass
