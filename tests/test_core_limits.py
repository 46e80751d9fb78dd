"""The core at its limits: depth, size, time, memory, interruption, threads, processes, copies."""

from __future__ import annotations

import copy
import gc
import io
import os
import pickle
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import rushlight as torch
from rushlight import nn


def resident_kib() -> int:
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * (os.sysconf("SC_PAGESIZE") // 1024)


sanitized = "libasan" in os.environ.get("LD_PRELOAD", "")  # which keeps freed memory, to watch it
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

# ---------------------------------------------------------------- memory that lies idle


@linux
@pytest.mark.skipif(sanitized, reason="the sanitizer keeps freed memory")
def test_idle_memory_is_kept_until_it_is_asked_back() -> None:
    small = [torch.ones(n) for n in range(1, 200)]
    big = torch.ones(16 << 20)
    full = resident_kib()
    del big, small
    kept = resident_kib()
    torch.cuda.empty_cache()
    assert kept > full - 8192
    assert resident_kib() < full - (48 << 10)
    assert torch.ones(16 << 20).sum() == 16 << 20  # and there is memory again
    assert [float(torch.ones(n).sum()) for n in range(1, 200)] == list(range(1, 200))


# ---------------------------------------------------------------- depth


@pytest.mark.parametrize("depth", [100_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_deep_graph(depth: int) -> None:
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(depth):
        y = y + 0.5
    y.backward()
    assert x.grad.item() == 1
    z = x
    for _ in range(depth):
        z = z * 1.0
    del z  # dropped without having been differentiated


def test_deep_chains_of_views_and_functions() -> None:
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad

    x = torch.ones(2, requires_grad=True)
    y, v = x, x * 1
    for _ in range(20_000):
        y = Same.apply(y)
        v = v.view(2)
    (y + v).sum().backward()
    assert x.grad.tolist() == [2, 2]
    del y, v


def test_deep_graph_of_gradients() -> None:
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(3_000):
        y = y * x
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (h,) = torch.autograd.grad(g, x)
    assert g.item() == 3001 and h.item() == 3001 * 3000


def test_wide_graph() -> None:
    x = torch.ones(3, requires_grad=True)
    torch.cat([x * i for i in range(5_000)]).sum().backward()
    assert x.grad[0].item() == sum(range(5_000))
    parts = torch.ones(20_000, requires_grad=True).unbind()
    torch.stack(parts[::2]).sum().backward()


# ---------------------------------------------------------------- memory


def train(steps: int) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 5), nn.Sigmoid(), nn.Linear(5, 1), nn.Sigmoid())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    loss_of = nn.BCELoss()
    data, target = torch.rand(16, 2), torch.rand(16, 1)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model(data), target)
        loss.backward()
        optimizer.step()


@linux
@pytest.mark.skipif(sanitized, reason="memory is not given back")
@pytest.mark.parametrize("steps", [5_000, pytest.param(300_000, marks=pytest.mark.slow)])
def test_memory_is_flat_while_training(steps: int) -> None:
    train(1_000)
    before = resident_kib()
    train(steps)
    assert resident_kib() - before < 1024


LEAK_PROGRAMS: dict[str, Callable[[], None]] = {
    "views": lambda: torch.rand(4, 4).t()[1:, ::2].unbind()[0].add_(1).sum().item(),
    "graph": lambda: (torch.rand(8, requires_grad=True) * 2).exp().sum().backward(),
    "create_graph": lambda: (
        torch.autograd.grad((x := torch.rand(3, requires_grad=True)).pow(3).sum(), x, create_graph=True)[0]
        .sum()
        .backward()
    ),
    "hooks": lambda: (torch.rand(3, requires_grad=True) * 2).register_hook(lambda g: g * 2),
    "retain": lambda: (y := torch.rand(3, requires_grad=True) * 2).retain_grad() or y.sum().backward(),
    "error": lambda: pytest.raises(RuntimeError, lambda: torch.rand(3) + torch.rand(4)).value and None,
    "many dimensions": lambda: (torch.rand(1, 1, 1, 1, 1, 1, 2, requires_grad=True) * 2).sum().backward(),
    "numpy": lambda: torch.from_numpy(torch.rand(100).numpy()).sum().item(),
    "index": lambda: torch.rand(5, 5, requires_grad=True)[torch.tensor([0, 1]), :2].sum().backward(),
    "in place": lambda: (torch.rand(4, 4, requires_grad=True) * 1)[0].mul_(2).sum().backward(),
    "set data": lambda: setattr(torch.rand(64), "data", torch.rand(32)),
    "resize": lambda: torch.rand(4).resize_(300).zero_().sum().item(),
}


@linux
@pytest.mark.skipif(sanitized, reason="memory is not given back")
@pytest.mark.parametrize("name", LEAK_PROGRAMS)
def test_no_leak(name: str) -> None:
    program = LEAK_PROGRAMS[name]
    for _ in range(2_000):
        program()
    gc.collect()
    before = resident_kib()
    for _ in range(6_000):
        program()
    gc.collect()
    assert resident_kib() - before < 512


def test_cycles_are_collected() -> None:
    class Keep(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            y = x * 2
            ctx.kept = y
            return y

        @staticmethod
        def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
            return grad * 2

    def through_hook() -> torch.Tensor:
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        y.register_hook(lambda g: y + g)
        return y

    def through_leaf_hook() -> torch.Tensor:
        x = torch.ones(3, requires_grad=True)
        x.register_hook(lambda g: x + g)
        return x

    def through_ctx() -> torch.Tensor:
        return Keep.apply(torch.ones(3, requires_grad=True))

    def through_attribute() -> torch.Tensor:
        x = torch.ones(3, requires_grad=True)
        y = x * 2
        y.me = [y, y.grad_fn]
        return y

    def through_grad() -> torch.Tensor:
        x = torch.ones(3, requires_grad=True)
        (x * x).sum().backward(create_graph=True)
        return x

    for make in (through_hook, through_leaf_hook, through_ctx, through_attribute, through_grad):
        t = make()
        died = weakref.ref(t)
        del t
        gc.collect()
        assert died() is None, make.__name__


# ---------------------------------------------------------------- interruption and errors in the middle


def test_interrupt_in_a_hook_leaves_everything_whole() -> None:
    x = torch.ones(3, requires_grad=True)

    def interrupt(grad: torch.Tensor) -> None:
        raise KeyboardInterrupt

    y = x * 2
    handle = y.register_hook(interrupt)
    loss = (y * y).sum()
    with pytest.raises(KeyboardInterrupt):
        loss.backward(retain_graph=True)
    assert x.grad is None and torch.is_grad_enabled()
    handle.remove()
    loss.backward()
    assert x.grad.tolist() == [8, 8, 8]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs signals")
def test_interrupt_in_a_long_backward() -> None:
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y * 1.0

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        with pytest.raises(KeyboardInterrupt):
            while True:
                y.backward(retain_graph=True)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    x.grad = None
    y.backward()
    assert x.grad.item() == 1


def test_reentrant_backward() -> None:
    x = torch.ones(3, requires_grad=True)
    shared = x * 3  # a node of both passes

    def again(grad: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            (inner,) = torch.autograd.grad((shared * shared).sum(), x, retain_graph=True)
        return grad + inner

    y = shared * 2
    y.register_hook(again)
    y.sum().backward()
    assert x.grad.tolist() == [6 * (1 + 18)] * 3


def test_reentrant_backward_is_deep() -> None:
    depth = 0

    def again(grad: torch.Tensor) -> None:
        nonlocal depth
        depth += 1
        if depth < 50:
            run()

    def run() -> None:
        with torch.enable_grad():
            y = torch.ones(1, requires_grad=True) * 2
            y.register_hook(again)
            y.backward()

    run()
    assert depth == 50


# ---------------------------------------------------------------- threads and processes


def trained(seed: int) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(4, 1, generator=generator).requires_grad_()
    x = torch.randn(32, 4, generator=generator)
    y = x @ torch.ones(4, 1)
    optimizer = torch.optim.SGD([w], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        ((x @ w - y) ** 2).mean().backward()
        optimizer.step()
    return w.flatten().tolist()


def test_threads_train_their_own_models() -> None:
    alone = [trained(seed) for seed in range(4)]
    found: dict[int, list[float]] = {}
    threads = [threading.Thread(target=lambda s=s: found.update({s: trained(s)})) for s in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert [found[s] for s in range(4)] == alone


def test_grad_mode_belongs_to_a_thread() -> None:
    seen: list[bool] = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_two_threads_differentiate_one_graph() -> None:
    x = torch.ones(1000, requires_grad=True)
    y = x
    for _ in range(200):
        y = y * 1.0
    loss = y.sum()
    threads = [threading.Thread(target=lambda: loss.backward(retain_graph=True)) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert x.grad.tolist() == [4.0] * 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork() -> None:
    a = torch.rand(300, 300)
    expected = (a @ a).sum().item()  # the thread pool has started
    pid = os.fork()
    if pid == 0:
        try:
            good = abs((a @ a).sum().item() - expected) < 1e-3 * abs(expected) and trained(1) is not None
            os._exit(0 if good else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


# ---------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.empty(2**62, 4),
        lambda: torch.empty(2**62),
        lambda: torch.empty(2**40, 2**40),
        lambda: torch.zeros(2**45),
        lambda: torch.ones(3, -1),
        lambda: torch.empty(-1),
        lambda: torch.ones(2).expand(2**62, 2).clone(),
        lambda: torch.ones(1).expand(2**62).contiguous(),
        lambda: torch.ones(2**20, 1).expand(2**20, 2**30) + 1,
        lambda: torch.ones(1).repeat(2**50),
        lambda: torch.ones(2).view(2**62, 2**62),
        lambda: torch.arange(2**60),
        lambda: torch.eye(2**32),
        lambda: torch.ones(2).as_strided((2**40, 2**40), (1, 1)),
        lambda: torch.ones(2).as_strided((2,), (2**62,)),
        lambda: torch.ones(2).as_strided((2,), (1,), 2**62),
        lambda: torch.ones(2).as_strided((-2,), (1,)),
        lambda: torch.ones(2).as_strided((2,), (-1,)),
        lambda: torch.ones(2).as_strided((2,), (1,), -1),
        lambda: torch.ones(2).resize_(2**62),
        lambda: torch.ones(2).new_empty((2**61, 8)),
        lambda: torch.ones(1).unfold(0, 2**40, 1),
        lambda: torch.ones(1, *[1] * 64),
        lambda: torch.ones(*[1] * 64).unsqueeze(0),
        lambda: torch.ones(1).expand(*[1] * 65),
        lambda: torch.ones(1).view(*[1] * 65),
        lambda: torch.ones(1).reshape([1] * 65),
        lambda: torch.ones(1).as_strided([1] * 65, [1] * 65),
        lambda: torch.empty_strided((2,), (2**62,)),
        lambda: torch.ones(*[1] * 64).unfold(0, 1, 1),
        lambda: torch.stack([torch.ones(*[1] * 64)] * 2),
        lambda: torch.ones(*[1] * 64)[None],
        lambda: torch.outer(torch.ones(1).expand(2**33), torch.ones(1).expand(2**33)),
        lambda: torch.zeros(2**62, device="meta", dtype=torch.float64),
    ],
)
def test_impossible_sizes_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises((RuntimeError, IndexError, ValueError, TypeError, OverflowError)):
        make()


@pytest.mark.parametrize("ndim", [5, 6, 20, 64])
def test_many_dimensions(ndim: int) -> None:
    x = torch.arange(4.0).reshape([1] * (ndim - 2) + [2, 2]).requires_grad_()
    y = (x.transpose(-1, -2) * 2 + x.sum(0, keepdim=True)).squeeze(0)
    assert y.dim() == ndim - 1
    y.sum().backward()
    assert x.grad.shape == x.shape and x.grad.flatten().tolist() == [3.0] * 4
    assert torch.equal(pickle.loads(pickle.dumps(x.detach())), x.detach())
    assert x[(0,) * ndim].item() == 0 and x.permute(*reversed(range(ndim))).shape[-1] == 1


def test_failed_allocation_is_an_exception() -> None:
    for _ in range(3):
        with pytest.raises(RuntimeError, match="allocate"):
            torch.empty(2**38)
    x = torch.ones(4, requires_grad=True)
    with pytest.raises(RuntimeError):
        (x * 2).expand(2**36, 4).exp()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [2] * 4


# ---------------------------------------------------------------- copies


def test_deepcopy_and_pickle_of_tensors() -> None:
    for t in (torch.rand(3, 4).t()[1:], torch.tensor(2), torch.empty(0, 3), torch.rand(4).to(torch.bfloat16),
              torch.tensor([1 + 2j]), torch.tensor([True]), torch.rand(2, requires_grad=True)):  # fmt: skip
        for other in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
            assert type(other) is type(t) and other.dtype == t.dtype and other.stride() == t.stride()
            assert torch.equal(other, t) and other.requires_grad == t.requires_grad
            assert other.data_ptr() != t.data_ptr() or t.numel() == 0


def test_copies_keep_what_is_shared() -> None:
    base = torch.zeros(4)
    whole, part = copy.deepcopy([base, base[1:]])
    whole[1] = 7
    assert part[0].item() == 7
    p = nn.Parameter(torch.ones(2))
    a, b = copy.deepcopy([p, p])
    assert a is b and type(a) is nn.Parameter and a.requires_grad


def test_non_leaf_is_not_copied() -> None:
    with pytest.raises(RuntimeError, match="graph leaves"):
        copy.deepcopy(torch.ones(2, requires_grad=True) * 2)


def test_deepcopy_and_pickle_of_a_training() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    x = torch.rand(8, 3)

    def step(model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    step(model, optimizer)
    both = (model, optimizer)
    copies = [copy.deepcopy(both), pickle.loads(pickle.dumps(both))]
    stream = io.BytesIO()
    torch.save(both, stream)
    stream.seek(0)
    copies.append(torch.load(stream, weights_only=False))
    losses = [step(*both) for _ in range(5)]
    for pair in copies:
        assert [step(*pair) for _ in range(5)] == losses


# ---------------------------------------------------------------- subclasses, dtypes, devices


class Logged(torch.Tensor):
    calls: list[str] = []

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        cls.calls.append(getattr(func, "__name__", str(func)))
        return super().__torch_function__(func, types, args, kwargs or {})


def test_torch_function_of_a_subclass() -> None:
    t = torch.ones(3).as_subclass(Logged)
    Logged.calls.clear()
    for result in (t + 1, 1 + t, torch.add(t, 1), t.sum(), torch.cat([t, torch.ones(1)]), t[0], nn.functional.relu(t)):
        assert type(result) is Logged
    assert len(Logged.calls) >= 7
    assert type(copy.deepcopy(t)) is Logged


def test_subclass_without_torch_function() -> None:
    class Plain(torch.Tensor):
        pass

    t = torch.ones(3).as_subclass(Plain)
    t.note = "kept"
    assert type(t * 2) is Plain and type(t.sum()) is Plain and t.note == "kept"
    assert isinstance(t, torch.Tensor) and (t * 2).tolist() == [2, 2, 2]


def test_bfloat16_round_trip() -> None:
    x = torch.tensor([0.0, 1.0, -2.5, 3.140625, 1e38, float("inf"), 1.00390625])
    y = x.to(torch.bfloat16)
    assert y.element_size() == 2 and y.untyped_storage().nbytes() == 14
    assert torch.equal(y.float()[:6][[0, 1, 2, 3, 5]], x[[0, 1, 2, 3, 5]])
    assert y.float()[6].item() in (1.0, 1.0078125)  # halves to even
    assert torch.tensor(float("nan")).bfloat16().isnan().item()
    stream = io.BytesIO()
    torch.save(y, stream)
    stream.seek(0)
    assert torch.equal(torch.load(stream), y)
    w = y.clone().requires_grad_()
    (w * 2).sum().backward()
    assert w.grad.dtype == torch.bfloat16


def test_meta_device() -> None:
    x = torch.empty(2**40, 3, device="meta")
    y = torch.nn.functional.linear(x, torch.empty(5, 3, device="meta"))
    assert y.shape == (2**40, 5) and y.device.type == "meta" and y.is_meta
    assert (x + 1).sum(0).shape == (3,) and x[1:, None].dim() == 3
    model = nn.Linear(3, 4, device="meta")
    assert model.weight.is_meta and model(torch.empty(2, 3, device="meta")).shape == (2, 4)
    for read in (x.tolist, x.numpy, lambda: x[0, 0].item(), lambda: bool(x.sum()), lambda: x.cpu()):
        with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
            read()


def test_repr_of_a_damaged_tensor_does_not_crash() -> None:
    """A storage cut short under a tensor: PyTorch reads beyond it, we must not."""
    x = torch.arange(1000.0)
    x.untyped_storage().resize_(8)
    try:
        repr(x)
    except RuntimeError:
        pass


@linux
@pytest.mark.skipif(sanitized, reason="memory is not given back")
def test_freed_memory_returns() -> None:
    before = resident_kib()
    for _ in range(20):
        x = torch.ones(1 << 22)  # 16 MiB
        del x
    assert resident_kib() - before < (64 << 10)
