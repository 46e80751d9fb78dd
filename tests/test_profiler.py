"""rushlight.profiler: what is recorded, that the sums are consistent, and that nothing stays behind."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from operator import setitem
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.profiler import (
    ProfilerAction,
    ProfilerActivity,
    profile,
    record_function,
    schedule,
    tensorboard_trace_handler,
)
from rushlight.utils.data import DataLoader, TensorDataset

EVALUATE = "autograd::engine::evaluate_function: "


def counts(prof) -> dict[str, int]:
    return {row.key: row.count for row in prof.key_averages()}


def train(steps: int = 2) -> None:
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = TensorDataset(torch.randn(4 * steps, 5), torch.randn(4 * steps, 1))
    for x, y in DataLoader(data, batch_size=4):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


def test_a_training_loop_under_pytorchs_names():
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as prof:
        train(steps=2)
    seen = counts(prof)
    expected = {
        "aten::linear": 4,
        "aten::relu": 2,
        "aten::mse_loss": 2,
        "AddmmBackward0": 4,
        EVALUATE + "AddmmBackward0": 4,
        "ReluBackward0": 2,
        "MseLossBackward0": 2,
        "torch::autograd::AccumulateGrad": 8,
        EVALUATE + "torch::autograd::AccumulateGrad": 8,
        "Optimizer.step#SGD.step": 2,
        "Optimizer.zero_grad#SGD.zero_grad": 2,
        "enumerate(DataLoader)#_SingleProcessDataLoaderIter.__next__": 3,  # the last one finds nothing
    }
    assert {name: seen.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("run", "name"),
    [
        (lambda t: t + t, "add"),
        (lambda t: 1 + t, "add"),
        (lambda t: t - 1, "sub"),
        (lambda t: 1 - t, "rsub"),
        (lambda t: t @ t, "matmul"),
        (lambda t: t**2, "pow"),
        (lambda t: -t, "neg"),
        (lambda t: t > 0, "gt"),
        (lambda t: t[0], "select"),
        (lambda t: t[1:], "slice"),
        (lambda t: t[t > 9], "index"),
        (lambda t: setitem(t, 0, 1.0), "fill_"),
        (lambda t: setitem(t, 0, t[1]), "copy_"),
        (lambda t: setitem(t, [0], 1.0), "index_put_"),
        (lambda t: t.exp(), "exp"),
        (lambda t: torch.exp(t), "exp"),
        (lambda t: t.sum(), "sum"),
        (lambda t: t.sum().item(), "item"),
        (lambda t: t.double(), "to"),
        (lambda t: t.to(torch.float64), "to"),
        (lambda t: nn.functional.cross_entropy(t, t), "cross_entropy_loss"),
    ],
)
@pytest.mark.parametrize(
    "kind", [torch.Tensor, nn.Parameter, type("Mine", (torch.Tensor,), {})], ids=lambda k: k.__name__
)
def test_every_way_to_an_operation(run, name, kind):
    t = torch.ones(3, 3).as_subclass(kind) if kind is not nn.Parameter else nn.Parameter(torch.ones(3, 3), False)
    with profile() as prof:
        run(t)
    assert counts(prof)["aten::" + name] == 1


def test_in_place_operators():
    t = torch.ones(3)
    with profile() as prof:
        t += 1
        t *= 2
        t **= 2
    assert counts(prof) == {"aten::add_": 1, "aten::mul_": 1, "aten::pow_": 1}
    assert t.tolist() == [16.0] * 3


def test_functions_held_from_before_are_seen_and_all_is_put_back():
    exp, add = torch.exp, torch.Tensor.__add__
    class_of_before = type("Before", (torch.Tensor,), {})
    step, zero_grad = torch.optim.SGD.step, torch.optim.Optimizer.zero_grad
    torch.optim.SGD([torch.ones(1, requires_grad=True)])
    with profile() as prof:
        exp(torch.zeros(1))
        class_of_within = type("Within", (torch.Tensor,), {})
    assert counts(prof)["aten::exp"] == 1
    assert torch.optim.SGD.step is step and torch.optim.Optimizer.zero_grad is zero_grad
    with profile() as later:
        pass
    exp(torch.zeros(1))
    for kind in (class_of_before, class_of_within):
        t = torch.ones(1).as_subclass(kind)
        assert (t + t).item() == 2 and (t == t).all() and t[0] == 1
    assert add(torch.ones(1), 1).item() == 2
    assert not later.events()


def check_sums(events) -> None:
    for event in events:
        inside = sum(child.cpu_time_total for child in event.cpu_children)
        assert event.self_cpu_time_total == pytest.approx(event.cpu_time_total - inside)
        assert event.self_cpu_time_total > -1e-6
        for child in event.cpu_children:
            assert child.cpu_parent is event and child.thread == event.thread
            assert event.time_range.start <= child.time_range.start <= child.time_range.end <= event.time_range.end
    roots = sum(event.cpu_time_total for event in events if event.cpu_parent is None)
    assert events.self_cpu_time_total == pytest.approx(roots)
    assert sum(row.self_cpu_time_total for row in events.key_averages()) == pytest.approx(roots)


def test_self_and_total_times_agree():
    with profile(with_modules=True) as prof:
        with record_function("all"):
            train(steps=3)
    check_sums(prof.events())
    roots = [event.name for event in prof.events() if event.cpu_parent is None]
    assert roots == ["all"]


def test_bytes():
    with profile(profile_memory=True) as prof:
        a = torch.ones(1000)
        b = a + a
        with record_function("both"):
            c = a * b
            del c
        del a, b
    rows = {row.key: row for row in prof.key_averages()}
    assert rows["aten::add"].cpu_memory_usage >= 4000
    assert rows["both"].cpu_memory_usage == 0
    assert rows["both"].self_cpu_memory_usage == -rows["aten::mul"].cpu_memory_usage
    assert "CPU Mem" in prof.key_averages().table()
    assert "CPU Mem" not in profile_of(lambda: torch.ones(1)).key_averages().table()


def profile_of(function, **options):
    with profile(**options) as prof:
        function()
    return prof


def test_memory_freed_between_operations_is_an_event_of_its_own():
    with profile(profile_memory=True) as prof:
        a = torch.ones(1000)
        del a
        torch.ones(1)
    freed = [event.cpu_memory_usage for event in prof.events() if event.name == "[memory]"]
    made = next(event.cpu_memory_usage for event in prof.events() if event.name == "aten::ones")
    assert freed == [-made]


def test_shapes():
    layer = nn.Linear(3, 4)
    prof = profile_of(
        lambda: (layer(torch.ones(2, 3)), layer(torch.ones(5, 3)), torch.cat([torch.ones(2)] * 2)), record_shapes=True
    )
    rows = [row for row in prof.key_averages(group_by_input_shape=True) if row.key == "aten::linear"]
    assert [row.input_shapes for row in rows] == [[[2, 3], [4, 3], [4]], [[5, 3], [4, 3], [4]]]
    joined = next(event for event in prof.events() if event.name == "aten::cat")
    assert joined.input_shapes == [[]] and joined.structured_input_shapes == [[[2], [2]]]
    assert "Input Shapes" in prof.key_averages(group_by_input_shape=True).table()
    assert "Input Shapes" not in prof.key_averages().table()


def here() -> str:
    """The caller's line as profiles write it."""
    caller = sys._getframe(1)
    return f"{Path(__file__).name}({caller.f_lineno}): {caller.f_code.co_name}"


def test_lines_of_the_user():
    w = torch.ones(3, 3, requires_grad=True)
    layer = nn.Linear(3, 3)
    with profile(with_stack=True) as prof:
        y, line = layer(w), here()
        y.sum().backward()
    events = {event.name: event for event in prof.events()}
    assert events["aten::linear"].stack[0].endswith(line)  # not the line of rushlight's own that called it
    assert events["AddmmBackward0"].stack == events["aten::linear"].stack
    assert events["AddmmBackward0"].sequence_nr == events["aten::linear"].sequence_nr > 0
    assert line in prof.key_averages(group_by_stack_n=1).table()


def test_stacks_for_flame_graphs(tmp_path):
    prof = profile_of(lambda: torch.randn(300, 300) @ torch.randn(300, 300), with_stack=True)
    prof.export_stacks(str(tmp_path / "stacks"), "self_cpu_time_total")
    lines = (tmp_path / "stacks").read_text().splitlines()
    assert lines and all(line.rpartition(" ")[2].isdigit() and "test_profiler" in line for line in lines)
    with pytest.raises(ValueError, match="metric should be one of"):
        prof.export_stacks(str(tmp_path / "stacks"), "calls")


def test_flops_of_products_and_convolutions():
    linear, conv = nn.Linear(8, 16), nn.Conv2d(3, 6, 3)
    x = torch.ones(4, 8, requires_grad=True)

    def run() -> None:
        linear(x).sum().backward()
        conv(torch.ones(2, 3, 10, 10))
        torch.bmm(torch.ones(2, 3, 4), torch.ones(2, 4, 5))
        torch.ones(4) * 3

    flops = {row.key: row.flops for row in profile_of(run, with_flops=True).key_averages()}
    product = 2 * 4 * 8 * 16
    assert flops["aten::linear"] == product and flops["AddmmBackward0"] == 2 * product
    assert flops["aten::conv2d"] == 2 * (2 * 6 * 8 * 8) * (3 * 3 * 3)
    assert flops["aten::bmm"] == 2 * 2 * 3 * 4 * 5 and flops["aten::mul"] == 4
    assert "FLOPs" in profile_of(run, with_flops=True).key_averages().table()


def test_modules():
    first = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    hooked = nn.Linear(2, 2)
    hooked.register_forward_hook(lambda module, args, result: result * 0)
    with profile(with_modules=True) as prof:
        result = hooked(first(torch.ones(2)))
    assert result.tolist() == [0, 0]
    names = [event.name for event in prof.events() if event.name.startswith("nn.Module")]
    assert names == [f"nn.Module: {name}" for name in ("Sequential_0", "Linear_0", "ReLU_0", "Linear_1")]
    inner = [event.module_hierarchy for event in prof.events() if event.name in ("aten::linear", "aten::relu")]
    assert inner == ["Sequential_0.Linear_0", "Sequential_0.ReLU_0", "Linear_1"]
    assert not any(name.startswith("nn.Module") for name in counts(profile_of(lambda: first(torch.ones(2)))))


def test_labels_as_blocks_and_decorators():
    @record_function("fact")
    def factorial(n):
        return n * factorial(n - 1) if n > 1 else torch.ones(1).item()

    with profile() as prof:
        with record_function("block"):
            assert factorial(3) == 6
    assert counts(prof)["block"] == 1
    assert factorial(3) == 6
    assert factorial.__name__ == "factorial"
    check_sums(prof.events())


def test_a_label_that_closes_late_does_not_disturb_others():
    def steps():
        with record_function("generator"):
            yield torch.ones(1)
            yield torch.ones(1)

    with profile() as prof:
        with record_function("outer"):
            abandoned = steps()
            next(abandoned)
        with record_function("next"):
            del abandoned
            torch.ones(1)
    by_name = {event.name: event for event in prof.events()}
    assert by_name["next"].cpu_parent is not by_name["outer"]
    with profile():
        span = record_function("open")
        span.__enter__()
    with profile() as other:
        span.__exit__(None, None, None)
        torch.ones(1)
    assert counts(other) == {"aten::ones": 1}


def test_errors_pass_through():
    with profile() as prof:
        with pytest.raises(RuntimeError, match="must match"):
            torch.ones(2) + torch.ones(3)
        with pytest.raises(TypeError):
            torch.ones(2) + "a"
        with pytest.raises(RuntimeError, match="grad"):
            torch.ones(1).backward()
    assert counts(prof)["aten::add"] == 2


def test_threads_are_told_apart():
    def work():
        torch.ones(2).exp()

    with profile() as prof:
        workers = [threading.Thread(target=work) for _ in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        work()
    threads = [event.thread for event in prof.events() if event.name == "aten::exp"]
    assert len(threads) == len(set(threads)) == 4
    check_sums(prof.events())


def test_recordings_may_be_nested_and_overlap():
    outer, inner = profile(), profile(record_shapes=True)
    outer.start()
    torch.ones(1)
    inner.start()
    torch.zeros(1)
    outer.stop()
    torch.full((1,), 2.0)
    inner.stop()
    assert counts(outer) == {"aten::ones": 1, "aten::zeros": 1}
    assert counts(inner) == {"aten::zeros": 1, "aten::full": 1}
    assert not any(event.input_shapes for event in outer.events())


def test_anomaly_mode_goes_with_it():
    x = torch.tensor(-1.0, requires_grad=True)
    with profile() as prof, torch.autograd.set_detect_anomaly(True):
        with pytest.raises(RuntimeError, match="SqrtBackward0"):
            x.sqrt().backward()
    assert counts(prof)["SqrtBackward0"] == 1
    with pytest.raises(RuntimeError), torch.autograd.set_detect_anomaly(True):
        x.sqrt().backward()


def test_functions_of_the_users_own():
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 2 * x

        @staticmethod
        def backward(ctx, grad):
            return 2 * grad

    x = torch.ones(1, requires_grad=True)
    with profile() as prof:
        Double.apply(x).backward()
    inside = next(event for event in prof.events() if event.name == "DoubleBackward")
    assert [child.name for child in inside.cpu_children] == ["aten::mul"]


def test_optimizers_that_override_and_hook_their_step():
    class Mine(torch.optim.Optimizer):
        def step(self, closure=None):
            w.data.sub_(w.grad)

    w = torch.ones(1, requires_grad=True)
    called = []
    with profile() as prof:
        optimizer = Mine([w], {"lr": 0.1})
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
        optimizer.register_step_post_hook(lambda *args: called.append(1))
        w.sum().backward()
        optimizer.step()
        scheduler.step()
    assert counts(prof)["Optimizer.step#Mine.step"] == 1
    optimizer.step()
    assert called == [1, 1]


def test_the_schedule():
    plan = schedule(skip_first=1, wait=1, warmup=1, active=2, repeat=1)
    assert [plan(step).name for step in range(7)] == (
        ["NONE", "NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE", "NONE", "NONE"]
    )
    eager = schedule(skip_first=1, wait=2, warmup=1, active=1, skip_first_wait=1)
    assert [eager(step).value for step in range(6)] == [0, 1, 3, 0, 0, 1]
    with pytest.raises(AssertionError, match="Invalid profiler schedule"):
        schedule(wait=0, warmup=1, active=0)
    with pytest.warns(UserWarning, match="won't be using warmup"):
        schedule(wait=0, warmup=0, active=1)


@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events")
def test_steps_follow_the_schedule():
    ready = []

    def on_ready(prof):
        steps = [name for name in counts(prof) if name.startswith("ProfilerStep")]
        ready.append((prof.step_num, steps, counts(prof)["aten::exp"]))

    with profile(schedule=schedule(wait=1, warmup=1, active=2, repeat=2), on_trace_ready=on_ready) as prof:
        for _ in range(10):
            torch.zeros(1).exp()
            prof.step()
    assert ready == [(4, ["ProfilerStep#2", "ProfilerStep#3"], 2), (8, ["ProfilerStep#6", "ProfilerStep#7"], 2)]
    assert prof.current_action is ProfilerAction.NONE


def test_events_accumulate_over_cycles_when_asked():
    with profile(schedule=schedule(wait=1, warmup=1, active=1), acc_events=True) as prof:
        for _ in range(6):
            torch.zeros(1).exp()
            prof.step()
    assert counts(prof)["aten::exp"] == 2
    starts = [event.time_range.start for event in prof.events()]
    assert starts == sorted(starts)


def test_recording_can_be_switched_off_for_a_while():
    with profile() as prof:
        torch.zeros(1)
        prof.toggle_collection_dynamic(False, [ProfilerActivity.CPU])
        torch.ones(1)
        prof.toggle_collection_dynamic(True, [ProfilerActivity.CPU])
        torch.full((1,), 2.0)
    assert counts(prof) == {"aten::zeros": 1, "aten::full": 1}


def test_the_trace_is_what_viewers_want(tmp_path):
    with profile(record_shapes=True, profile_memory=True) as prof:
        train(steps=1)
    prof.add_metadata("run", "7")
    prof.add_metadata_json("sizes", "[1, 2]")
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    prof.export_chrome_trace(str(tmp_path / "trace.json.gz"))
    trace = json.loads((tmp_path / "trace.json").read_text())
    assert json.loads(gzip.open(tmp_path / "trace.json.gz").read())["traceEvents"] == trace["traceEvents"]
    assert trace["run"] == "7" and trace["sizes"] == [1, 2] and trace["displayTimeUnit"] == "ms"
    spans = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    assert all(event["dur"] >= 0 and {"name", "ts", "pid", "tid", "cat", "args"} <= set(event) for event in spans)
    assert {"cpu_op", "user_annotation"} == {event["cat"] for event in spans}
    arrows = [event for event in trace["traceEvents"] if event["ph"] in "sf"]
    starts, ends = ({e["id"]: e for e in arrows if e["ph"] == phase} for phase in "sf")
    assert starts and starts.keys() == ends.keys()
    assert all(starts[number]["ts"] < ends[number]["ts"] for number in starts)


def test_traces_for_tensorboard(tmp_path):
    folder = tmp_path / "log"
    with profile(on_trace_ready=tensorboard_trace_handler(str(folder), "me", use_gzip=True)):
        torch.ones(1)
    (file,) = folder.iterdir()
    assert file.name.startswith("me.") and file.name.endswith(".pt.trace.json.gz")


def test_the_table():
    with profile() as prof:
        for _ in range(3):
            torch.ones(1).exp()
    table = prof.key_averages().table(sort_by="count", row_limit=1)
    lines = table.splitlines()
    titles = ["Name", "Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg", "# of Calls"]
    assert lines[0] == lines[2] == lines[4] and set(lines[0]) == {"-", " "}
    assert [title.strip() for title in lines[1].split("  ") if title.strip()] == titles
    assert lines[3].split()[0] in ("aten::ones", "aten::exp") and lines[3].split()[-1] == "3"
    assert lines[5].startswith("Self CPU time total: ") and table.endswith("us\n")
    assert prof.key_averages().table(time_unit="ms", header="here").splitlines()[1] == "here"
    assert str(prof.events()).count("aten::exp") == 3
    with pytest.raises(AttributeError):
        prof.key_averages().table(sort_by="nonsense")
    assert profile_of(lambda: None).key_averages().table() == ""


def test_only_the_cpu_is_there():
    assert torch.profiler.supported_activities() == {ProfilerActivity.CPU}
    prof = profile_of(lambda: torch.ones(1), activities=[ProfilerActivity.CUDA])
    assert not prof.events()
    with pytest.raises(ValueError, match="more than once"):
        profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CPU])
    with pytest.raises(AssertionError, match="must be initialized"):
        profile().key_averages()


def test_the_older_interface():
    with torch.autograd.profiler.profile(record_shapes=True) as prof:
        torch.ones(2).exp()
        assert str(prof) == "<unfinished torch.autograd.profile>"
    assert prof.total_average().count == 2
    assert "aten::exp" in prof.table() and "aten::exp" in str(prof)
    with torch.autograd.profiler.profile(enabled=False) as idle:
        torch.ones(1)
    assert not idle.function_events
    with pytest.raises(AssertionError, match="not compiled with CUDA"), torch.autograd.profiler.emit_nvtx():
        pass


def test_importing_rushlight_does_not_load_it():
    program = (
        "import sys, rushlight, rushlight.nn, rushlight.autograd; print(any('profiler' in n for n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def run(tmp_path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "rushlight", "run", *arguments], cwd=tmp_path, capture_output=True, text=True
    )


def test_a_whole_program(tmp_path):
    (tmp_path / "program.py").write_text(
        "import sys, torch\n"
        "class Mine(torch.optim.SGD): pass\n"
        "w = torch.ones(3, requires_grad=True)\n"
        "optimizer = Mine([w], lr=0.1)\n"
        "(w * w).sum().backward()\n"
        "optimizer.step()\n"
        "print(sys.argv[1:])\n"
        "sys.exit(3)\n"
    )
    done = run(tmp_path, "--profile", "--profile-trace", "t.json", "--profile-lines", "program.py", "--profile")
    assert done.returncode == 3 and done.stdout.startswith("['--profile']\n")
    for text in (
        "aten::mul",
        "MulBackward0",
        "Optimizer.step#Mine.step",
        "program.py(5): <module>",
        "Self CPU time total",
    ):
        assert text in done.stdout
    assert json.loads((tmp_path / "t.json").read_text())["traceEvents"]
    rows = run(tmp_path, "--profile-rows=1", "--profile-sort", "count", "program.py").stdout.splitlines()
    assert sum(line.split()[-1:] in (["1"], ["2"]) for line in rows) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--profile"], "wants a program"),
        (["--profile", "-m"], "wants a program"),
        (["--profile-rows"], "wants a value"),
        (["--profile-rows", "many", "x.py"], "wants a number"),
        (["--profile-sort", "name", "x.py"], "wants one of"),
        (["--profile-what", "x.py"], "no option"),
    ],
)
def test_options_that_make_no_sense(tmp_path, arguments, said):
    done = run(tmp_path, *arguments)
    assert done.returncode == 2 and said in done.stderr and not done.stdout
