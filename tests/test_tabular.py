"""fit and predict: what comes in, what is learnt from it, what is written, and how it goes on after a stop."""

from __future__ import annotations

import ast
import csv
import gzip
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import tabular
from rushlight.tabular import DataError, commands, folder as folders
from rushlight.tabular.arrays import load_arrays, save_arrays
from rushlight.tabular.metrics import Part
from rushlight.tabular.model import build
from rushlight.tabular.predicting import write_predictions
from rushlight.tabular.preprocess import Target, mean_and_scale
from rushlight.tabular.progress import Console, duration
from rushlight.tabular.settings import OPTIONS, Settings
from rushlight.tabular.split import split_rows
from rushlight.tabular.training import Trainer, Watch, before_the_bottom, find_rate

PACKAGE = Path(tabular.__file__).parent


def rushlight_command(*arguments, **more):
    """`rushlight ...` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parents[1]), **more}
    return [sys.executable, "-m", "rushlight", *map(str, arguments)], environment


def write_csv(path, header, rows):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([header, *rows] if header else rows)
    return str(path)


@pytest.fixture
def people(tmp_path):
    """Numbers, text, an ordered text column, and gaps."""
    rows = [
        [
            "" if i % 7 == 0 else i % 30,
            ["Rome", "Oslo", "Lima", ""][i % 4],
            ["small", "medium", "large"][i % 3],
            "yes" if i % 30 > 14 else "no",
        ]
        for i in range(120)
    ]
    return write_csv(tmp_path / "people.csv", ["age", "city", "size", "buys"], rows)


@pytest.fixture
def line(tmp_path):
    """y = 3 x - 2, where the last column is the target and there are no names."""
    rows = [[i / 10, 3 * i / 10 - 2] for i in range(60)]
    return write_csv(tmp_path / "line.csv", None, rows)


# The house


def test_it_stands_on_the_public_interface():
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                if name.split(".")[0] == "rushlight" and not name.startswith("rushlight.tabular"):
                    assert name in ("rushlight", "rushlight.nn", "rushlight._version"), f"{path.name} imports {name}"
                assert name.split(".")[0] != "torch", path.name


def test_fit_of_a_csv_file_needs_no_other_package(line, tmp_path):
    program = (
        "import sys, argparse; argparse.ArgumentParser(); before = set(sys.modules); "  # Python 3.14's brings dataclasses
        "from rushlight.cli import main; "
        f"assert main(['fit', {line!r}, '--target', '-1', '--no-header', '--no-pictures', '-q', '-o', {str(tmp_path / 'm')!r}]) == 0; "
        "heavy = {'numpy', 'pandas', 'sklearn', 'matplotlib', 'scipy', 'torch', 'inspect', 'dataclasses', 'typing'} & (set(sys.modules) - before); "
        "assert not heavy, heavy"
    )
    environment = {name: os.environ[name] for name in ("LD_PRELOAD", "ASAN_OPTIONS") if name in os.environ}
    environment["PYTHONPATH"] = str(PACKAGE.parents[1])
    subprocess.run([sys.executable, "-S", "-c", program], check=True, env=environment, timeout=60)


def test_options_are_checked():
    with pytest.raises(DataError, match="no setting 'hiden'"):
        Settings(hiden=[3])
    with pytest.raises(DataError, match="--activation swoosh: must be one of"):
        Settings(activation="swoosh")
    with pytest.raises(DataError, match="--loss mse is not for binary"):
        Settings(loss="mse", task="binary")
    assert Settings(hidden=(6, 4)).hidden == [6, 4]
    Settings().hidden.append(5)
    assert Settings().hidden == [64, 32]
    assert Settings(**Settings(hidden=[3], seed=4).to_dict()).to_dict() == Settings(hidden=[3], seed=4).to_dict()
    assert len({option.flag for option in OPTIONS}) == len(OPTIONS)


# Columns, targets, parts


def test_mean_and_scale_are_exact():
    assert mean_and_scale([0.1] * 10) == (0.1, 1.0)
    assert mean_and_scale([1e16, 1.0, -1e16])[0] == 1 / 3
    assert mean_and_scale([1.0, 3.0]) == (2.0, 1.0)
    assert mean_and_scale([1e-15, 3e-15]) == pytest.approx((2e-15, 1e-15), abs=0, rel=1e-12)
    with pytest.raises(DataError, match="column 'a' has values too large"):
        mean_and_scale([1e300, -1e300], "a")
    with pytest.raises(DataError, match="column 'a' has values too large for single precision"):
        tabular.fit({"a": [1e100, 0.0] * 5, "y": [0, 1] * 5}, "y", standardize=False)


def test_columns_become_inputs(people):
    run = tabular.fit(people, "buys", ordinal=["size=small<medium<large"], test_size=0, epochs=1)
    assert run.preprocess.inputs == [
        "age",
        "age missing",
        "city=Lima",
        "city=Oslo",
        "city=Rome",
        "city missing",
        "size",
    ]
    x = run.data.x
    assert x.dtype == torch.float32 and not x.isnan().any()
    ages = [i % 30 for i in range(120) if i % 7]
    mean, scale = mean_and_scale([float(age) for age in ages])
    assert x[1, 0].item() == pytest.approx((1 - mean) / scale)
    assert x[0, :2].tolist() == [0.0, 1.0]
    assert x[0, 2:6].tolist() == [0, 0, 1, 0] and x[3, 2:6].tolist() == [0, 0, 0, 1]
    assert run.preprocess.features[2].order == ["small", "medium", "large"]
    assert run.target.task == "binary" and run.target.classes == ["no", "yes"]


def test_a_category_never_seen_has_no_input(people):
    run = tabular.fit(people, "buys", test_size=0, epochs=1)
    table = {"age": [3], "city": ["Atlantis"], "size": ["small"]}
    from rushlight.tabular.run import make_table

    assert run.encode(make_table(run.preprocess, table, "new"))[0, 2:6].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "values, task",
    [
        (["a", "b"] * 10, "binary"),
        (["a", "b", "c"] * 10, "multiclass"),
        ([0, 1] * 10, "binary"),
        ([0, 1, 2] * 10, "multiclass"),
        ([0.5, 1.5] * 10, "regression"),
        (list(range(30)), "regression"),
    ],
)
def test_the_task_is_seen_from_the_target(values, task):
    data = {"x": list(range(len(values))), "y": values}
    assert tabular.fit(data, "y", epochs=1, test_size=0).target.task == task


def test_a_task_can_be_asked_for():
    data = {"x": list(range(30)), "y": [i % 3 for i in range(30)]}
    assert tabular.fit(data, "y", task="regression", epochs=1).target.task == "regression"
    assert tabular.fit(data, "y", loss="huber", epochs=1).target.task == "regression"
    assert tabular.fit(data, "y", epochs=1).settings.loss == "cross_entropy"


def test_defaults_follow_from_other_settings():
    assert Settings().rate == pytest.approx(0.2 / 64, abs=1e-6) and Settings(hidden=[2]).rate == 0.03
    assert (
        Settings(model="linear").rate == 0.03 and Settings(optimizer="sgd").rate == 0.1 and Settings(lr=0.5).rate == 0.5
    )
    assert Settings().decay(900) == 1.0 and Settings(optimizer="sgd").decay(900) == 0.0
    assert Settings().decay(64_000) == 0.016 and Settings(weight_decay=0.5).decay(64_000) == 0.5
    assert Settings(early_stopping=True).validation_size == 0.1
    assert Settings().rows_per_step(900) == 900 and Settings().rows_per_step(2000) == 64
    assert Settings(batch_size="full").rows_per_step(2000) == 2000 and Settings(batch_size=500).rows_per_step(90) == 90


def test_the_split_is_stratified_and_seeded():
    codes = torch.tensor([0] * 80 + [1] * 20)
    split = split_rows(torch, codes, 100, 0.25, 0.1, seed=3)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [65, 10, 25]
    assert codes[split.test].sum().item() == 5 and codes[split.validation].sum().item() == 2
    rows = torch.cat([split.train, split.validation, split.test]).tolist()
    assert sorted(rows) == list(range(100))
    assert split_rows(torch, codes, 100, 0.25, 0.1, seed=3).test.tolist() == split.test.tolist()
    assert split_rows(torch, codes, 100, 0.25, 0.1, seed=4).test.tolist() != split.test.tolist()


def test_files_of_every_kind_say_the_same(tmp_path):
    rows = [[i, i % 5, "ab"[i % 2]] for i in range(40)]
    path = write_csv(tmp_path / "a.csv", ["p", "q", "y"], rows)
    text = Path(path).read_text()
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "c.tsv").write_text(text.replace(",", "\t"))
    (tmp_path / "d.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (tmp_path / "e.csv").write_text(text.replace(",", ";"))
    weights = []
    for name, more in (("a.csv", {}), ("b.csv.gz", {}), ("c.tsv", {}), ("d.csv", {}), ("e.csv", {"delimiter": ";"})):
        run = tabular.fit(str(tmp_path / name), "y", epochs=2, hidden=[3], **more)
        weights.append(run.model.state_dict()["0.weight"].tolist())
    memory = tabular.fit(
        {"p": [r[0] for r in rows], "q": [r[1] for r in rows], "y": [r[2] for r in rows]}, "y", epochs=2, hidden=[3]
    )
    weights.append(memory.model.state_dict()["0.weight"].tolist())
    assert all(weight == weights[0] for weight in weights)


def test_text_after_many_numbers_is_read_anew(tmp_path):
    rows = [[i % 3 if i < 8500 else "none of these", i % 2] for i in range(8600)]
    run = tabular.fit(write_csv(tmp_path / "late.csv", ["a", "y"], rows), "y", epochs=1, hidden=[2])
    assert run.preprocess.inputs == ["a=0", "a=1", "a=2", "a=none of these"]


def test_commas_may_be_decimal(tmp_path):
    path = tmp_path / "de.csv"
    path.write_text("a;b;y\n" + "".join(f"{i},5;1.00{i % 10},25;{i % 3},5 kg\n" for i in range(30)))
    run = tabular.fit(str(path), "y", delimiter=";", decimal=",", epochs=1)
    assert run.data.table.columns["a"].numbers[:2].tolist() == [0.5, 1.5]
    assert run.data.table.columns["b"].numbers[:2].tolist() == [1000.25, 1001.25]
    assert run.target.classes == ["0,5 kg", "1,5 kg", "2,5 kg"]
    assert len(run.predict(str(path))) == 30


def test_numbers_that_are_read_as_text_are_told(tmp_path, capsys):
    rows = [[i % 30, i % 2] for i in range(120)]
    path = write_csv(tmp_path / "a.csv", ["a", "y"], [*rows, ["oops", 1]])
    tabular.fit(path, "y", epochs=1, verbose=True)
    assert "a is read as text, not as numbers, because of 'oops' on line 122" in capsys.readouterr().out


def test_an_order_names_every_value(people):
    with pytest.raises(DataError, match="--ordinal size: the column has 'medium' too"):
        tabular.fit(people, "buys", ordinal=["size=small<large"])


def test_npz_and_parquet(tmp_path):
    numpy = pytest.importorskip("numpy")
    x = numpy.arange(80, dtype=numpy.float32).reshape(40, 2)
    numpy.savez(tmp_path / "a.npz", x=x, y=numpy.arange(40) % 2)
    run = tabular.fit(str(tmp_path / "a.npz"), epochs=2)
    assert run.preprocess.names == ["x0", "x1"] and run.target.name == "y"
    assert len(run.predict(str(tmp_path / "a.npz"))) == 40
    with pytest.raises(DataError, match="not a .npz archive"):
        (tmp_path / "b.npz").write_bytes(b"PK nothing")
        tabular.fit(str(tmp_path / "b.npz"))


def test_damaged_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "data.parquet"
    parquet.write_table(pyarrow.table({"a": [float(i) ** 0.5 for i in range(500)], "y": [0, 1] * 250}), path)
    content = path.read_bytes()
    path.write_bytes(content[:60] + bytes(400) + content[460:])
    with pytest.raises(DataError, match="is damaged"):
        tabular.fit(str(path), "y", epochs=1)


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    from pyarrow import parquet

    table = pyarrow.table({"a": [None, *range(1, 40)], "t": ["u", "v"] * 20, "y": [i % 2 == 0 for i in range(40)]})
    parquet.write_table(table, tmp_path / "a.parquet")
    run = tabular.fit(str(tmp_path / "a.parquet"), "y", epochs=1)
    assert run.preprocess.inputs == ["a", "a missing", "t=u", "t=v"] and run.target.task == "binary"


def test_objects_in_memory():
    rows = [{"a": float(i), "y": "pq"[i % 2]} for i in range(20)]
    columns = {"a": [row["a"] for row in rows], "y": [row["y"] for row in rows]}
    pair = [[a] for a in columns["a"]], columns["y"]
    losses = [
        tabular.fit(data, target, epochs=2).history for data, target in ((rows, "y"), (columns, "y"), (pair, None))
    ]
    assert losses[0] == losses[1] == losses[2]


def test_data_frames():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame(
        {"a": [1.0, None] * 20, "c": pandas.Categorical(["u", "v"] * 20), "y": [0.5, 1.5, 2.5, 4.0] * 10}
    )
    run = tabular.fit(frame, "y", epochs=1)
    assert run.preprocess.inputs == ["a", "a missing", "c=u", "c=v"]
    assert len(run.predict(frame[["c", "a"]])) == 40
    assert tabular.fit((frame[["a", "c"]], frame["y"]), epochs=1).preprocess.inputs == run.preprocess.inputs
    assert tabular.fit((frame[["a", "c"]], frame[["y"]]), epochs=1).preprocess.inputs == run.preprocess.inputs
    frame["n"] = pandas.array([1, None] * 20, dtype="Int64")
    frame["s"] = pandas.array(["p", None, "q", "p"] * 10, dtype="string")
    run = tabular.fit(frame, "y", epochs=1)
    assert run.preprocess.inputs[4:] == ["n", "n missing", "s=p", "s=q", "s missing"]
    with pytest.raises(DataError, match="two columns named 'a'"):
        tabular.fit(frame[["a", "a", "y"]], "y")


@pytest.mark.parametrize(
    "data, message",
    [
        (None, "are a NoneType: give a path"),
        (5, "are a int: give a path"),
        ([[1.0, 2.0]] * 20, "are a list: give a path"),
        ((torch.zeros(20), torch.arange(20) % 2), "X has shape (20,)"),
        ((torch.zeros(20, 2), torch.zeros(20, 2)), "must be a vector"),
    ],
)
def test_objects_that_are_no_table(data, message):
    if "vector" in message:
        pytest.importorskip("numpy")
    with pytest.raises(DataError, match=re.escape(message)):
        tabular.fit(data, "y")


def test_rows_may_lack_a_column():
    run = tabular.fit([{"y": i % 2, **({"a": float(i)} if i else {}), "b": 1.5} for i in range(20)], "y", epochs=1)
    assert run.preprocess.names == ["b", "a"]


# Models and training


def test_the_network_is_the_one_a_program_would_build():
    settings = Settings(hidden=[6, 4], activation="sigmoid", loss="bce", model="mlp")
    torch.manual_seed(0)
    ours = build(torch, settings, [8], Target("y", "binary", ["0", "1"]))
    torch.manual_seed(0)
    nn = torch.nn
    theirs = nn.Sequential(nn.Linear(8, 6), nn.Sigmoid(), nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid())
    assert repr(ours) == repr(theirs)
    assert all([bool((a == b).all()) for a, b in zip(ours.parameters(), theirs.parameters())])


def test_full_batch_losses_are_a_hand_written_loops(line):
    run = tabular.fit(
        line,
        -1,
        no_header=True,
        model="linear",
        optimizer="sgd",
        lr=0.01,
        epochs=30,
        test_size=0,
        standardize=False,
        seed=1,
    )
    torch.manual_seed(1)
    x = torch.tensor([[i / 10] for i in range(60)])
    model = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        loss = torch.nn.functional.mse_loss(model(x), 3 * x - 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert [record["loss"] for record in run.history] == pytest.approx(losses, rel=1e-5)


def test_batches_are_rows_in_the_order_of_randperm():
    data = {"x": [float(i) for i in range(20)], "y": [float(i * i) for i in range(20)]}
    run = tabular.fit(
        data, "y", model="linear", optimizer="sgd", lr=0.05, momentum=0.9, batch_size=6, epochs=3, test_size=0
    )
    x, y = run.data.x, run.data.y.unsqueeze(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(3):
        for rows in torch.randperm(20).split(6):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x[rows]), y[rows]).backward()
            optimizer.step()
    assert [p.tolist() for p in run.model.parameters()] == [p.tolist() for p in model.parameters()]


def test_fit_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3).tolist()
    torch.manual_seed(5)
    tabular.fit("blobs", epochs=1)
    assert torch.rand(3).tolist() == expected


def test_blobs_are_learnt_and_a_line_cannot():
    run = tabular.fit("blobs")
    assert run.results["after"]["test"]["accuracy"] > 0.95
    assert run.results["before"]["test"]["accuracy"] < 0.8
    assert tabular.fit("blobs", model="linear").results["after"]["test"]["accuracy"] < 0.8
    assert run.predict([{"x1": 1, "x2": 1}, {"x1": 1, "x2": -1}]) == ["same", "opposite"]


def test_early_stopping_keeps_the_best_epoch():
    run = tabular.fit("blobs", early_stopping=True, patience=3, epochs=500, lr=0.05)
    losses = [record["held_out_loss"] for record in run.history]
    best = min(range(len(losses)), key=losses.__getitem__)
    assert run.results["held_out"] == "validation" and run.results["best_epoch"] == best + 1
    assert len(losses) in (best + 4, 500)
    model_loss = run.torch.nn.functional.binary_cross_entropy_with_logits(
        run.outputs(run.data.part("validation").x), run.data.part("validation").y.float().unsqueeze(1)
    )
    assert model_loss.item() == pytest.approx(losses[best])


def test_the_learning_rate_is_found():
    curve = [[10.0**i, loss] for i, loss in enumerate([9.0, 9.0, 8.9, 7.0, 3.0, 1.0, 0.9, 5.0])]
    assert before_the_bottom(curve) == 1e5
    settings = Settings(loss="mse", task="regression")
    x = torch.linspace(-1, 1, 50).unsqueeze(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(1, 1))
    before, state = model[0].weight.item(), torch.get_rng_state()
    rate, curve = find_rate(torch, settings, model, Part(x, 2 * x.squeeze(1)))
    assert 1e-4 < rate < 10 and len(curve) > 20
    assert model[0].weight.item() == before and bool((torch.get_rng_state() == state).all())
    with pytest.raises(DataError, match="standardise"):
        find_rate(torch, settings, model, Part(x * 1e30, x.squeeze(1)))


def test_many_rows_are_learnt():
    torch.manual_seed(0)
    x = torch.rand(8000, 4) * 2 - 1
    y = (torch.sin(4 * x[:, 0]) + x[:, 1] * x[:, 2] > 0).long()
    columns = {f"x{i}": x[:, i].tolist() for i in range(4)} | {"y": y.tolist()}
    run = tabular.fit(columns, "y", epochs=30)
    assert run.results["after"]["test"]["accuracy"] > 0.97  # 0.953 with the decay of few rows
    found = tabular.fit(columns, "y", epochs=10, lr_find=True)
    assert found.results["after"]["test"]["accuracy"] > 0.92


class StopAfter(Watch):
    """Stops after so many steps."""

    due = 0.0

    def __init__(self, steps):
        self.left = steps

    def look(self, trainer):
        self.left -= 1
        self.stopped = self.left == 0


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("steps", [1, 3, 5, 11])
def test_training_goes_on_with_the_same_digits(optimizer, steps, tmp_path):
    settings = Settings(
        optimizer=optimizer,
        loss="mse",
        task="regression",
        hidden=[4],
        batch_size=8,
        epochs=6,
        early_stopping=True,
        model="mlp",
    )
    target = Target("y", "regression", [])
    torch.manual_seed(0)
    x = torch.randn(30, 2)
    parts = {"training": Part(x[:24], x[:24, 0]), "validation": Part(x[24:], x[24:, 0]), "test": Part(x[:0], x[:0, 0])}

    def trainer():
        torch.manual_seed(1)
        return Trainer(torch, settings, build(torch, settings, [2], target), target, parts)

    whole = trainer()
    whole.run(Watch())
    first = trainer()
    first.run(StopAfter(steps))
    assert not first.complete
    folders.save_checkpoint(torch, str(tmp_path / "c.pt"), {"trainer": first.state()})
    second = trainer()
    torch.manual_seed(99)
    second.restore(folders.load_checkpoint(torch, str(tmp_path / "c.pt"))["trainer"])
    second.run(Watch())
    assert second.history == whole.history
    assert [p.tolist() for p in second.model.parameters()] == [p.tolist() for p in whole.model.parameters()]


def test_control_c_keeps_the_best_and_resume_ends_as_if_nothing_had_been(tmp_path):
    command = ["fit", "blobs", "--no-pictures", "--batch-size", 8, "--epochs", 250]
    arguments, environment = rushlight_command(*command, "-o", tmp_path / "part")
    running = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)
    for line in running.stdout:  # training has begun
        if line.startswith("Epoch"):
            break
    time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    rest = running.stdout.read()
    assert running.wait(30) == 130 and "rushlight fit --resume" in rest
    part = tabular.load(str(tmp_path / "part"))
    assert part.results["status"] == "interrupted" and len(part.history) < 250
    losses = [record["loss"] for record in part.history]
    assert part.results["best_epoch"] == losses.index(min(losses)) + 1

    tabular.fit(resume=str(tmp_path / "part"))
    tabular.fit("blobs", out=str(tmp_path / "whole"), batch_size=8, epochs=250)
    for name in ("metrics.csv", "metrics.jsonl", "model.safetensors", "test.safetensors", "preprocess.json"):
        assert (tmp_path / "part" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert sorted(os.listdir(tmp_path)) == ["part", "whole"]
    with pytest.raises(DataError, match="is complete"):
        tabular.fit(resume=str(tmp_path / "part"))


def test_a_killed_run_leaves_its_checkpoint_beside(tmp_path, line):
    from rushlight.tabular.fitting import Fit

    out = str(tmp_path / "model")
    settings = Settings(target="-1", no_header=True, epochs=20, hidden=[3], batch_size=7)
    fit = Fit(torch, line, settings, out, verbose=False)
    fit.console.next_checkpoint = fit.console.due = 0.0
    kept = fit.keep_checkpoint

    def keep_and_die(trainer):
        if trainer.epoch == 7:
            kept(trainer)
            raise SystemExit("killed")

    fit.console.checkpoint = keep_and_die
    fit.console.look = keep_and_die
    with pytest.raises(SystemExit):
        fit.run(None, False)
    assert sorted(os.listdir(tmp_path)) == ["line.csv", "model.unfinished.pt"]
    resumed = tabular.fit(resume=out + "/")
    whole = tabular.fit(line, -1, no_header=True, epochs=20, hidden=[3], batch_size=7)
    assert resumed.history == whole.history
    assert sorted(os.listdir(tmp_path)) == ["line.csv", "model"]


def test_resume_refuses_other_data(tmp_path, line):
    from rushlight.tabular.fitting import Fit

    out = str(tmp_path / "model")
    fit = Fit(torch, line, Settings(target="-1", no_header=True, epochs=5), out, verbose=False)
    fit.console.due, fit.console.look = 0.0, lambda trainer: setattr(fit.console, "stopped", True)
    fit.run(None, False)
    Path(line).write_text(Path(line).read_text().replace("0.1,", "0.2,", 1))
    with pytest.raises(DataError, match="is not what it was"):
        tabular.fit(resume=out)


# The folder


def test_the_folder_holds_what_was_learnt(tmp_path, people):
    out = str(tmp_path / "model")
    run = tabular.fit(people, "buys", out, epochs=20)
    weights = torch.load(os.path.join(out, "model.pt"))
    safe = load_arrays(torch, os.path.join(out, "model.safetensors"))
    assert list(weights) == list(safe) and all([bool((weights[name] == safe[name]).all()) for name in safe])
    with open(os.path.join(out, "metrics.csv")) as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == [record["loss"] for record in run.history]
    with open(os.path.join(out, "metrics.jsonl")) as file:
        assert [json.loads(text)["epoch"] for text in file] == list(range(1, 21))
    loaded = tabular.load(out)
    assert loaded.predict(people) == run.predict(people)
    assert loaded.results == run.results and loaded.history == run.history
    assert loaded.settings.to_dict() == run.settings.to_dict()
    assert loaded.preprocess.to_dict() == run.preprocess.to_dict()
    assert loaded.tested["output"].tolist() == run.tested["output"].tolist()
    tabular.fit(people, "buys", out, epochs=1)  # replaces a model, and nothing else
    assert len(tabular.load(out).history) == 1 and sorted(os.listdir(tmp_path)) == ["model", "people.csv"]


def test_safetensors_are_the_librarys(tmp_path):
    path = str(tmp_path / "a.safetensors")
    tensors = {
        "a": torch.arange(6.0).reshape(2, 3),
        "b": torch.tensor([], dtype=torch.int64),
        "c": torch.tensor(2.5).double(),
    }
    save_arrays(torch, path, tensors)
    back = load_arrays(torch, path)
    assert {name: (t.dtype, t.shape, t.tolist()) for name, t in back.items()} == {
        name: (t.dtype, t.shape, t.tolist()) for name, t in tensors.items()
    }
    library = pytest.importorskip("safetensors.numpy", reason="the safetensors library is not installed")
    assert library.load_file(path)["a"].tolist() == tensors["a"].tolist()


def test_a_folder_of_another_version_or_kind_is_refused(tmp_path, line):
    out = str(tmp_path / "model")
    tabular.fit(line, -1, out, no_header=True, epochs=1)
    settings = json.loads((tmp_path / "model" / "settings.json").read_text())
    (tmp_path / "model" / "settings.json").write_text(json.dumps({**settings, "version": 99}))
    with pytest.raises(DataError, match="format version 99"):
        tabular.load(out)
    (tmp_path / "model" / "settings.json").write_text(json.dumps(settings))
    (tmp_path / "model" / "model.pt").write_bytes(b"nothing")
    with pytest.raises(DataError, match="is damaged"):
        tabular.load(out)
    with pytest.raises(DataError, match="not a folder that"):
        tabular.load(str(tmp_path))
    with pytest.raises(DataError, match="holds something else"):
        tabular.fit(line, -1, str(tmp_path), no_header=True, epochs=1)


# Predicting


def test_predictions_come_in_order_with_probabilities(tmp_path, people):
    run = tabular.fit(people, "buys", epochs=30)
    assert write_predictions(run, people, str(tmp_path / "p.csv")) == 120
    with open(tmp_path / "p.csv") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["buys", "probability of no", "probability of yes"]
    for row in rows:
        chances = float(row["probability of no"]), float(row["probability of yes"])
        assert math.isclose(sum(chances), 1, abs_tol=2e-6)
        assert row["buys"] == ("yes" if chances[1] > chances[0] else "no")
    assert [row["buys"] for row in rows] == run.predict(people)
    without = write_csv(tmp_path / "w.csv", ["size", "age", "city"], [["small", 20, "Rome"], ["large", "", "Oslo"]])
    assert run.predict(without) == run.predict(
        [{"age": 20, "city": "Rome", "size": "small"}, {"age": None, "city": "Oslo", "size": "large"}]
    )


def test_a_regression_predicts_in_the_targets_units(line):
    run = tabular.fit(line, -1, no_header=True, epochs=300, model="linear", optimizer="adam", lr=0.05)
    assert run.predict([{"x0": 1.0}]) == [pytest.approx(1.0, abs=0.02)]
    assert run.predict_rows([{"x0": 2.0}])[0]["prediction"] == pytest.approx(4.0, abs=0.02)
    assert run.results["after"]["test"]["r2"] > 0.999


def test_rows_as_dicts(people):
    run = tabular.fit(people, "buys", epochs=1)
    row = {"age": 3, "city": "Rome", "size": "small"}
    answer = run.predict_rows([row])[0]
    assert answer["prediction"] in ("yes", "no") and sum(answer["probabilities"].values()) == pytest.approx(1)
    assert list(answer["probabilities"]) == ["no", "yes"]
    for wrong, message in (
        ({"age": 3, "city": "Rome"}, "row 1 has no 'size'"),
        ({**row, "hat": 1}, "row 1 has 'hat'"),
        ({**row, "age": "old"}, "column 'age' holds numbers, and row 1 of the request has 'old'"),
        ({**row, "age": math.inf}, "infinite"),
    ):
        with pytest.raises(DataError, match=message):
            run.predict_rows([wrong])


def test_columns_that_do_not_fit_are_named(tmp_path, people, line):
    run = tabular.fit(people, "buys", epochs=1)
    new = write_csv(tmp_path / "new.csv", ["age", "town", "size"], [[1, "Rome", "small"]])
    with pytest.raises(DataError, match="lacks column 'city', and has column 'town' instead"):
        run.predict(new)
    new = write_csv(tmp_path / "new.csv", ["age", "city", "size", "hat"], [[1, "Rome", "small", 2]])
    with pytest.raises(DataError, match="has column 'hat', unknown to the model: say --drop hat"):
        run.predict(new)
    assert write_predictions(run, new, str(tmp_path / "p.csv"), drop=["hat"]) == 1
    new = write_csv(tmp_path / "new.csv", ["age", "city", "size"], [[1, "Rome", "small"], ["old", "Rome", "small"]])
    with pytest.raises(DataError, match="column 'age' holds numbers, and line 3 of new.csv has 'old'"):
        write_predictions(run, new, str(tmp_path / "q.csv"))
    assert not [name for name in os.listdir(tmp_path) if name.startswith("q")]
    run = tabular.fit(line, -1, no_header=True, epochs=1)
    assert len(run.predict(write_csv(tmp_path / "x.csv", None, [[0.5], [1.5]]))) == 2
    with pytest.raises(DataError, match="has 3 columns: the model takes 1, or 2 with the target"):
        run.predict(write_csv(tmp_path / "x.csv", None, [[0.5, 1, 2]]))


def test_a_file_to_predict_may_be_written_differently(tmp_path, people, capsys):
    tabular.fit(people, "buys", str(tmp_path / "m"), epochs=1)
    new = str(tmp_path / "new.csv")
    Path(new).write_bytes("age;city;size;my hat\n1,5;Orl\xe9ans;small;2\n".encode("latin-1"))
    out = str(tmp_path / "p.csv")
    written = ["--delimiter", ";", "--decimal", ",", "--encoding", "latin-1"]
    assert commands.main(["predict", str(tmp_path / "m"), new, "-o", out, *written]) == 2
    assert "say --drop 'my hat'" in capsys.readouterr().err
    assert commands.main(["predict", str(tmp_path / "m"), new, "-o", out, *written, "--drop", "hat, my hat"]) == 0
    assert "column 'city' has values that training did not know, such as 'Orl\xe9ans'" in capsys.readouterr().err
    assert len(Path(out).read_text().splitlines()) == 2


def test_predictions_go_where_they_can_and_leave_nothing_elsewhere(tmp_path, people, capsys):
    tabular.fit(people, "buys", str(tmp_path / "m"), epochs=1)
    predict = ["predict", str(tmp_path / "m"), people, "-o"]
    (tmp_path / "folder").mkdir()
    before = sorted(os.listdir(tmp_path))
    assert commands.main([*predict, str(tmp_path / "folder")]) == 2
    assert "choose another -o" in capsys.readouterr().err
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True)
    assert commands.main([*predict, str(tmp_path / "pipe")]) == 0
    assert len(reader.communicate(timeout=30)[0].splitlines()) == 121
    (tmp_path / "pipe").unlink()
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_is_told_in_a_line(tmp_path, people):
    arguments, environment = rushlight_command("fit", people, "--target", "buys", "-o", tmp_path / "m", "--no-pictures")
    with open("/dev/full", "w") as full:
        done = subprocess.run(arguments, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "the output cannot be" in done.stderr
        assert tabular.load(str(tmp_path / "m")).results["status"] == "complete"  # only the telling failed
        arguments, environment = rushlight_command("predict", tmp_path / "m", people)
        done = subprocess.run(arguments, env=environment, stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1


def test_letters_that_a_terminal_lacks_stop_nothing(tmp_path):
    rows = [[i, ("größer", "kleiner")[i % 2]] for i in range(20)]
    path = write_csv(tmp_path / "data.csv", ["zahl", "größe"], rows)
    for command in (["fit", path, "--target", "größe", "-o", tmp_path / "m"], ["predict", tmp_path / "m", path]):
        arguments, environment = rushlight_command(*command, PYTHONIOENCODING="ascii")
        done = subprocess.run(arguments, env=environment, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith("größe,probability of größer")


def test_prediction_holds_a_chunk_at_a_time(tmp_path, line, monkeypatch):
    import tracemalloc

    monkeypatch.setattr("rushlight.tabular.source.ROWS", 500)
    run = tabular.fit(line, -1, no_header=True, epochs=1)
    peaks = []
    for rows in (2_000, 10_000):
        path = write_csv(tmp_path / "long.csv", None, ([i * 0.001] for i in range(rows)))
        tracemalloc.start()
        assert write_predictions(run, path, str(tmp_path / "p.csv")) == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


# Images


def test_images_from_arrays(tmp_path):
    numpy = pytest.importorskip("numpy")
    random = numpy.random.default_rng(0)
    y = numpy.arange(60) % 2
    x = random.integers(0, 60, (60, 8, 8, 1), dtype=numpy.uint8)
    x[y == 1, :, :4] += 150
    numpy.savez(tmp_path / "i.npz", images=x, labels=y)
    out = str(tmp_path / "model")
    run = tabular.fit(str(tmp_path / "i.npz"), out=out, epochs=8, channels=[4], hidden=[8])
    assert run.settings.model == "cnn" and run.preprocess.shape == [1, 8, 8]
    assert run.results["after"]["test"]["accuracy"] == 1.0
    assert tabular.load(out).predict(str(tmp_path / "i.npz")) == y.tolist()
    with pytest.raises(DataError, match="images of 1x9x9"):
        tabular.load(out).predict(numpy.zeros((2, 9, 9)))


def test_images_from_folders(tmp_path):
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    for i in range(24):
        folder = tmp_path / "pets" / ("cat" if i % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        image.new("RGB", (8, 8), (200, 10 + i, 10) if i % 2 else (10, 10 + i, 200)).save(folder / f"{i}.png")
    out = str(tmp_path / "model")
    run = tabular.fit(str(tmp_path / "pets"), out=out, epochs=60, channels=[4], hidden=[8])
    assert run.target.classes == ["cat", "dog"] and run.preprocess.shape == [3, 8, 8]
    assert write_predictions(tabular.load(out), str(tmp_path / "pets"), str(tmp_path / "p.csv")) == 24
    with open(tmp_path / "p.csv") as file:
        rows = list(csv.DictReader(file))
    assert all(row["file"].startswith(row["class"]) for row in rows)
    image.new("RGB", (9, 8)).save(tmp_path / "pets" / "cat" / "z.png")
    with pytest.raises(DataError, match="--image-size 8,8"):
        tabular.fit(str(tmp_path / "pets"), epochs=1)
    assert tabular.fit(str(tmp_path / "pets"), image_size=[8, 8], epochs=1).preprocess.resized
    (tmp_path / "pets" / "cat" / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="a.png is not an image"):
        tabular.fit(str(tmp_path / "pets"), epochs=1)


def test_images_to_predict_are_the_models(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for i in range(20):
        folder = tmp_path / "pets" / ("cat", "dog")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        image.new("L", (8, 8), i * 12).save(folder / f"{i}.png")
    run = tabular.fit(str(tmp_path / "pets"), epochs=1)
    write_predictions(run, str(tmp_path / "pets" / "cat" / "0.png"), str(tmp_path / "p.csv"))
    assert (tmp_path / "p.csv").read_text().splitlines()[1].startswith("0.png,")
    with pytest.raises(DataError, match="no file"):
        run.predict(str(tmp_path / "x.png"))
    image.new("L", (9, 8)).save(tmp_path / "wide.png")
    with pytest.raises(DataError, match="8x9, where the model takes 8x8"):
        run.predict(str(tmp_path / "wide.png"))
    with pytest.raises(DataError, match="--target hat: the classes of a folder"):
        tabular.fit(str(tmp_path / "pets"), "hat", epochs=1)


def test_arrays_that_are_no_images_or_targets_are_refused(tmp_path):
    numpy = pytest.importorskip("numpy")
    x, y = numpy.zeros((20, 3)), numpy.arange(20) % 2
    images, path = numpy.zeros((20, 8, 8)), tmp_path / "data.npz"
    for arrays, options, message in (
        ({"x": x, "y": numpy.array(3)}, {}, "must be a vector"),
        ({"x": x, "y": numpy.stack([y, y], 1)}, {}, "must be a vector"),
        ({"x": x + 1j, "y": y}, {}, "numbers are expected"),
        ({"x": images, "y": numpy.stack([y, y], 1)}, {}, "must be a vector"),
        ({"x": images, "y": numpy.where(y == 1, numpy.nan, 0)}, {}, "missing on row 2"),
        ({"x": images, "y": numpy.where(y == 1, numpy.inf, 0)}, {}, "infinite value on row 2"),
        ({"x": images, "y": y}, {"target": "z"}, "there is no z"),
        ({"x": images, "y": y}, {"image_size": [4, 4]}, "--image-size is for folders"),
    ):
        numpy.savez(path, **arrays)
        with pytest.raises(DataError, match=message):
            tabular.fit(str(path), epochs=1, **options)
    numpy.savez(path, x=x, y=numpy.array([b"a", b"b"])[y])
    assert tabular.fit(str(path), epochs=1).target.classes == ["a", "b"]
    path.write_bytes(b"no archive")
    with pytest.raises(DataError, match="another kind of file"):
        tabular.fit(str(path), epochs=1)


# Bad input: one line, exit status 2, nothing left behind

BAD = {
    "empty.csv": ("", "is empty"),
    "header.csv": ("a,y\n", "has no rows"),
    "one class.csv": ("a,y\n" + "1,1\n2,1\n3,1\n", "one value only"),
    "text.csv": ("name,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(20)), "--drop name"),
    "latin.csv": ("a,y\ncaf\xe9,1\n".encode("latin-1"), "is not UTF-8 (byte 0xe9"),
    "wide.csv": (",".join(f"c{i}" for i in range(20000)) + ",y\n", "20001 columns"),
    "nan.csv": ("a,y\n1,0\n2,\n3,1\n4,1\n", "the target 'y' is missing on line 3"),
    "inf.csv": ("a,y\n1,0\n-inf,1\n3,1\n4,0\n5,1\n", "infinite value on line 3"),
    "few.csv": ("a,y\n1,p\n2,q\n3,r\n", "3 classes in 3 rows"),
    "ragged.csv": ("a,b,y\n1,2,3\n1,2\n", "line 3: 2 fields where 3"),
    "numbers.csv": ("1,2\n3,4\n5,6\n", "--no-header"),
    "semicolons.csv": ("a;y\n1;2\n", "try --delimiter ';'"),
    "tabs.csv": ("a\ty\n1\t2\n", r"try --delimiter '\t'"),
    "bars.csv": ("a|y\n1|2\n", "try --delimiter '|'"),
    "utf16.csv": ("a,y\n1,2\n".encode("utf-16"), "say --encoding utf-16"),
    "open.csv": (
        'a,b,y\n1,2,3\n1,"2,3\n1,2,3\n',
        "line 3: 2 fields where 3 are expected (is a quotation mark left open?)",
    ),
    "open wide.csv": ('a,b,y\n1,2,3\n1,"2,3\n' + "1,2,3\n" * 30_000, "line 3: a field begins that does not end"),
    "lines.csv": ('a,b,y\n1,"x\ny",0\n\n2,"x\ny",\n', "the target 'y' is missing on line 5"),
    "point.csv": ("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(20)) + "1.2.3,0\n", "correct it, or leave it out"),
    "comma.csv": ("a,y\n" + "".join(f'"{i},5",{i % 2}\n' for i in range(20)), "say --decimal , if"),
    "twice.csv": ("a,a,y\n1,2,3\n", "two columns named 'a'"),
    "damaged.csv.gz": (b"\x1f\x8b\x08\x00nothing", "is damaged"),
    "no target.csv": ("a,b\n1,2\n3,4\n", "--target y: no target.csv has no such column"),
    "unknown.xyz": ("a,y\n", "rows come from"),
    "constant gap.csv": ("a,b,y\n" + "".join(f"{i},,{i % 2}\n" for i in range(20)), "--drop b"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files(name, tmp_path, capsys, monkeypatch):
    content, message = BAD[name]
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert commands.main(["fit", name, "--target", "y", "--no-pictures"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.err.startswith("rushlight fit: ")
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "which data?"),
        (["nowhere.csv", "--target", "y"], "no file 'nowhere.csv'"),
        (["line.csv"], "--no-header"),
        (["line.csv", "--no-header"], "Say --target"),
        (["line.csv", "--no-header", "--target", "-3"], "has 2 columns"),
        (["line.csv", "--no-header", "--target", "-1", "--lr", "fast"], "--lr: 'fast' does not read as RATE"),
        (["line.csv", "--no-header", "--target", "-1", "--hidden", "6,x"], "--hidden: '6,x' does not read as N,N"),
        (["line.csv", "--no-header", "--target", "-1", "--seed", str(2**63)], "--seed 9223372036854775808: must be"),
        (["line.csv", "--no-header", "--target", "-1", "--delimiter", '"'], "no quotation mark"),
        (["line.csv", "--no-header", "--target", "-1", "--decimal", ","], "add --delimiter ';'"),
        (["line.csv", "--no-header", "--target", "-1", "--task", "binary"], "choose another --task"),
        (["line.csv", "--no-header", "--target", "-1", "--hidden", "0"], "positive widths"),
        (["line.csv", "--no-header", "--target", "-1", "--frobnicate"], "unrecognized arguments"),
        (["line.csv", "--no-header", "--target", "-1", "--momentum", "0.9"], "--momentum is for sgd"),
        (["line.csv", "--no-header", "--target", "-1", "--model", "cnn"], "for images"),
        (["line.csv", "--no-header", "--target", "-1", "--test-size", "60"], "leave none to train on"),
        (["line.csv", "--no-header", "--target", "-1", "--optimizer", "sgd", "--lr", "1e30"], "the loss is"),
        (["line.csv", "--no-header", "--target", "-1", "-o", "line.csv"], "is a file"),
        (["line.csv", "--no-header", "--target", "-1", "-o", "/dev/null/x"], "choose another -o"),
        (["--resume", "line-model"], "no interrupted run"),
        (["line.csv", "--resume", "line-model"], "give nothing else"),
    ],
)
def test_bad_arguments(arguments, message, line, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert commands.main(["fit", *arguments, "--no-pictures"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1
    assert os.listdir(tmp_path) == ["line.csv"]


def test_errors_can_be_traced(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_TRACEBACK", "1")
    with pytest.raises(DataError):
        commands.main(["fit"])


# The command


def test_the_command_says_what_it_does(tmp_path, people, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert commands.main(["fit", people, "--target", "buys", "--epochs", "20", "--no-pictures"]) == 0
    output = capsys.readouterr().out
    for text in (
        "120 rows, 3 columns",
        "missing values, filled in and marked: age 18, city 30",
        "rows: 96 for training, 24 for test",
        "Epoch: 1/20 | Loss: ",
        "Epoch: 19/20",
        "test accuracy",
        "always saying no: test accuracy 0.5000",
        "saved people-model",
    ):
        assert text in output, text
    assert "\r" not in output
    assert commands.main(["predict", "people-model", people]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 121
    assert commands.main(["fit", people, "--target", "buys", "-q", "--no-pictures", "--epochs", "2"]) == 0
    assert capsys.readouterr().out == ""


def test_a_reader_that_goes_away_is_no_error(tmp_path, line):
    tabular.fit(line, -1, str(tmp_path / "m"), no_header=True, epochs=1)
    long = write_csv(tmp_path / "long.csv", None, ([i] for i in range(60_000)))
    arguments, environment = rushlight_command("predict", tmp_path / "m", long)
    running = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    running.stdout.readline()
    running.stdout.close()
    assert running.wait(30) == 1 and running.stderr.read() == b""
    running.stderr.close()


def test_the_live_line(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    settings = Settings(loss="mse", task="regression", model="linear", epochs=20)
    target, x = Target("y", "regression", []), torch.ones(4, 1)
    parts = {"training": Part(x, x[:, 0]), "validation": Part(x, x[:, 0]), "test": Part(x[:0], x[:0, 0])}
    trainer = Trainer(torch, settings, build(torch, settings, [1], target), target, parts)
    console = Console(20)
    console.next_draw = console.due = 0.0
    monkeypatch.setattr("rushlight.tabular.progress.REDRAW", 0.0)
    monkeypatch.setattr(sys.stderr, "fileno", lambda: 2, raising=False)
    monkeypatch.setattr("os.get_terminal_size", lambda number: os.terminal_size((0, 0)))  # as of a bare pseudoterminal
    trainer.run(console)
    console.clear()
    captured = capsys.readouterr()
    assert "rows/s" in captured.err and " left" in captured.err and "validation" in captured.err
    assert captured.err.endswith("\r") and captured.err.split("\r")[-2].strip() == ""
    assert "\r" not in captured.out
    assert duration(59.6) == "1:00" and duration(3723) == "1:02:03"
