"""rushlight export: programs that train the very model, and ONNX graphs that answer as it does."""

from __future__ import annotations

import ast
import csv
import gzip
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import tabular
from rushlight.tabular import DataError, commands
from rushlight.tabular.program import Program

SOURCE = Path(tabular.__file__).parents[2]


def write_people(path, opener=open, header=("age", "city", "size", "pay", "buys"), delimiter=","):
    """Numbers, text, an ordered text column, gaps, and two targets."""
    with opener(path, "wt", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        if header:
            writer.writerow(header)
        for i in range(150):
            city, size = ["Rome", " Oslo", "Lima", "NA"][i % 4], ["small", "medium", "large"][i % 3]
            row = ["" if i % 7 == 0 else i % 30, city, size, 1000 + i * i % 97, "yes" if i % 30 > 14 else "no"]
            writer.writerow(row)
    return str(path)


def write_numbers(path, opener=open, classes=2):
    """Eight columns of numbers and a class, without names."""
    with opener(path, "wt", newline="") as file:
        writer = csv.writer(file)
        for i in range(160):
            row = [round(((i * 37 + k * 11) % 101) / 50 - 1, 3) for k in range(8)]
            writer.writerow([*row, (i * 37 % 101) * classes // 101])
    return str(path)


NUMBERS = {"target": "-1", "no_header": True, "hidden": [6, 4]}
CASES = {
    "the notes": (
        "numbers.csv.gz",
        {**NUMBERS, "activation": "sigmoid", "loss": "bce", "optimizer": "sgd", "lr": 0.1, "test_size": 0}
        | {"standardize": False},
    ),
    "linear regression": ("numbers.csv", {**NUMBERS, "task": "regression", "model": "linear"}),
    "raw regression": ("numbers.csv", {**NUMBERS, "loss": "huber", "standardize": False, "lr": 0.001}),
    "two classes": ("numbers.csv", {**NUMBERS, "optimizer": "sgd", "momentum": 0.9, "activation": "tanh"}),
    "many classes": ("many.csv", {**NUMBERS, "batch_size": 16, "optimizer": "adam", "weight_decay": 0.01}),
    "two logits": ("numbers.csv", {**NUMBERS, "loss": "cross_entropy", "seed": 3, "optimizer": "rmsprop"}),
    "early stopping": ("numbers.csv", {**NUMBERS, "early_stopping": True, "patience": 2, "lr": 0.2, "epochs": 60}),
    "the best epoch": ("numbers.csv", {**NUMBERS, "validation_size": 20, "test_size": 30, "lr": 0.1}),
    "a rate that was found": ("numbers.csv", {**NUMBERS, "lr_find": True, "batch_size": 50}),
    "text and gaps": ("people.csv", {"target": "buys", "ordinal": ["size=small<medium<large"], "drop": ["pay"]}),
    "text, raw": ("people.tsv", {"target": "pay", "standardize": False, "test_size": 0, "lr": 0.01}),
    "text, encoding": ("semicolons.csv", {"target": "buys", "delimiter": ";", "encoding": "latin-1"}),
    "commas": ("commas.csv", {"target": "pay", "delimiter": ";", "decimal": ","}),
    "no name for a column": ("unnamed.csv", {"target": "buys", "categorical": ["pay"]}),
    "blobs": ("blobs", {"early_stopping": True}),
}


def prepare(name, folder):
    """The data of a case, in a folder."""
    path = folder / name
    if name == "people.csv":
        return write_people(path)
    if name == "people.tsv":
        return write_people(path, delimiter="\t")
    if name == "commas.csv":
        write_people(path, delimiter=";")
        path.write_text(re.sub(r";1(\d{3});", r";1.\1,5;", path.read_text()))
        return str(path)
    if name == "unnamed.csv":
        return write_people(path, header=("age", "", "size", "pay", "buys"))
    if name == "semicolons.csv":
        write_people(path, delimiter=";")
        path.write_bytes(path.read_text().replace("Rome", "Orléans").encode("latin-1"))
        return str(path)
    if name == "blobs":
        return name
    return write_numbers(path, gzip.open if name.endswith(".gz") else open, 4 if name == "many.csv" else 2)


def fit(case, folder, monkeypatch, capsys):
    """The folder of a case's model, and the lines of its epochs."""
    name, options = CASES[case]
    data = prepare(name, folder)
    monkeypatch.chdir(folder)
    run = tabular.fit(data, out="model", verbose=True, **{"epochs": 20, "hidden": [5], **options})
    return run, [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]


def run_program(*command, folder):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return [line.split(" | ") for line in done.stdout.splitlines()]


@pytest.mark.parametrize("case", CASES)
def test_the_program_trains_the_very_model(case, tmp_path, monkeypatch, capsys):
    run, epochs = fit(case, tmp_path, monkeypatch, capsys)
    assert commands.main(["export", "model", "--to", "script", "-o", "train.py"]) == 0
    assert capsys.readouterr().err == "train.py\n"
    printed = run_program("-m", "rushlight", "run", "train.py", folder=tmp_path)
    assert [line for line in printed if line[0].startswith("Epoch")] == epochs and epochs
    theirs, ours = torch.load("model.pt"), run.model.state_dict()
    assert list(theirs) == list(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)
    if "test" in run.results["after"]:
        after = run.results["after"]["test"]
        score = after["accuracy"] if run.target.classes else after["r2"]
        assert printed[-1][0] == f"Test loss: {after['loss']:.4f}"
        assert float(printed[-1][1].split(": ")[1]) == pytest.approx(score, abs=6e-5)


def test_the_program_is_one_that_a_teacher_would_show(tmp_path, monkeypatch, capsys):
    fit("the notes", tmp_path, monkeypatch, capsys)
    assert commands.main(["export", "model", "--to", "script"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert len(lines) <= 55 and max(map(len, lines)) <= 120
    modules = {node.names[0].name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import)}
    assert modules == {"csv", "gzip", "torch"}
    assert not re.search(r"mean_and_scale|missing|split", text)  # nothing that this model does not need


@pytest.mark.parametrize("kind", ["gray", "colour", "last", "matrix"])
def test_programs_on_arrays(kind, tmp_path, monkeypatch):
    numpy = pytest.importorskip("numpy")
    shape = {"gray": (8, 8), "colour": (3, 8, 8), "last": (8, 8, 3), "matrix": (5,)}[kind]
    pixels = numpy.random.default_rng(0).integers(0, 256, (60, *shape), dtype=numpy.uint8)
    numpy.savez(tmp_path / "a.npz", images=pixels, labels=numpy.arange(60) % 3)
    monkeypatch.chdir(tmp_path)
    more = {} if kind == "matrix" else {"channels": [4]}
    run = tabular.fit("a.npz", out="model", epochs=3, hidden=[5], batch_size=16, **more)
    same_program(run, tmp_path)


def test_programs_on_folders_of_images(tmp_path, monkeypatch):
    pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image", reason="the extra `images` is not installed")
    for i in range(24):
        folder = tmp_path / "pets" / ("cat" if i % 2 else "dog") / ("more" if i % 3 else "")
        folder.mkdir(parents=True, exist_ok=True)
        image.new("RGB", (9, 8), (200, 10 + i, 10) if i % 2 else (10, 10 + i, 200)).save(folder / f"{i}.PNG")
    monkeypatch.chdir(tmp_path)
    for mode in ("RGB", "L"):
        for path in (tmp_path / "pets").rglob("*.PNG"):
            image.open(path).convert(mode).save(path)
        same_program(tabular.fit("pets", out="model", epochs=3, hidden=[5], channels=[4], image_size=[8, 8]), tmp_path)


def test_programs_on_parquet(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    from pyarrow import parquet

    columns = {"a": [None, *range(1, 40)], "t": ["u", None, "v", "w"] * 10, "y": [i % 2 == 0 for i in range(40)]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    monkeypatch.chdir(tmp_path)
    same_program(tabular.fit("a.parquet", "y", "model", epochs=5, hidden=[5]), tmp_path)


@pytest.mark.parametrize("name, options", [("iris", {}), ("diabetes", {}), ("digits", {"model": "cnn"})])
def test_programs_on_bundled_sets(name, options, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(tmp_path)
    same_program(tabular.fit(name, out="model", epochs=3, **options), tmp_path)


def same_program(run, folder):
    """The program of a run ends with its weights."""
    (folder / "train.py").write_text(Program(tabular.load("model")).text())
    run_program("-m", "rushlight", "run", "train.py", folder=folder)
    theirs, ours = torch.load("model.pt"), run.model.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_names_cannot_break_out_of_the_program(tmp_path, monkeypatch):
    odd = 'a"""\nraise SystemExit("broken")\n\\'
    monkeypatch.chdir(tmp_path)
    data = {odd: [f"{i % 3}'\"{{" for i in range(40)], "b": list(range(40)), f"y{odd}": ["p\n", "q"] * 20}
    with open("data.csv", "w", newline="") as file:
        csv.writer(file).writerows([list(data), *zip(*data.values())])
    same_program(tabular.fit("data.csv", f"y{odd}", "model", epochs=2), tmp_path)


def test_the_data_can_lie_elsewhere(tmp_path, monkeypatch, capsys):
    run, _ = fit("two classes", tmp_path, monkeypatch, capsys)
    (tmp_path / "elsewhere").mkdir()
    os.rename("numbers.csv", "elsewhere/my.csv")
    assert commands.main(["export", "model", "--to", "script", "-o", "train.py"]) == 0
    assert "the program reads numbers.csv from where it is run; --data names another place" in capsys.readouterr().err
    assert commands.main(["export", "model", "--to", "script", "-o", "train.py", "--data", "elsewhere/my.csv"]) == 0
    assert capsys.readouterr().err == "train.py\n"
    run_program("-m", "rushlight", "run", "train.py", folder=tmp_path)
    assert torch.equal(torch.load("model.pt")["0.weight"], run.model.state_dict()["0.weight"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere", "--to", "script"], "nowhere is not a folder that `rushlight fit` wrote"),
        (["model"], "--to"),
        (["model", "--to", "tarot"], "--to tarot: must be one of script, onnx"),
        (["model", "--to", "script", "--data", "nowhere.csv"], "--data nowhere.csv: there is no such file"),
        (["model", "--to", "onnx", "--data", "numbers.csv"], "--data is for --to script"),
        (["model", "--to", "script", "-o", "no/such/folder.py"], "cannot write no/such/folder.py"),
        (["model", "--to", "script", "-o", "model"], "cannot write model (Is a directory)"),
    ],
)
def test_bad_arguments(arguments, message, tmp_path, monkeypatch, capsys):
    fit("two classes", tmp_path, monkeypatch, capsys)
    before = sorted(os.listdir())
    assert commands.main(["export", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("\n") == 1 and captured.out == ""
    assert sorted(os.listdir()) == before


def test_what_no_program_can_read_is_refused(tmp_path):
    out = str(tmp_path / "model")
    tabular.fit({"x": list(range(20)), "y": [i % 2 for i in range(20)]}, "y", out, epochs=1)
    with pytest.raises(DataError, match="fitted to data in memory"):
        Program(tabular.load(out)).text()
    run = tabular.load(out)
    run.results["status"] = "interrupted"
    with pytest.raises(DataError, match="go on with `rushlight fit --resume` first"):
        Program(run)


# ONNX


def session(path):
    runtime = pytest.importorskip("onnxruntime", reason="runs the exported graphs")
    return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def exported(run, path):
    """The session of a run that was written to `model`."""
    pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
    assert commands.main(["export", "model", "--to", "onnx", "-o", str(path)]) == 0
    return session(path)


def feed(numpy, run, rows):
    """Rows as dicts as the graph's inputs."""
    preprocess = run.preprocess
    texts = [name for name in preprocess.names if name in preprocess.text_columns]
    numbers = [name for name in preprocess.names if name not in texts]
    fed = {}
    if numbers:
        nan = float("nan")
        cells = [[nan if row[name] is None else float(row[name]) for name in numbers] for row in rows]
        fed["numbers"] = numpy.array(cells, dtype=numpy.float64)
    if texts:
        fed["texts"] = numpy.array([[row[name] or "" for name in texts] for row in rows], dtype=object)
    return fed


def same_answers(numpy, run, graph, rows):
    prediction, *probabilities = graph.run(None, feed(numpy, run, rows))
    answers = run.predict_rows(rows)
    if not run.target.classes:
        assert prediction.tolist() == pytest.approx([a["prediction"] for a in answers], rel=1e-5)
        return
    assert [p.decode() if isinstance(p, bytes) else p for p in prediction.tolist()] == [
        a["prediction"] for a in answers
    ]
    for chances, answer in zip(probabilities[0].tolist(), answers):
        assert chances == pytest.approx(list(answer["probabilities"].values()), abs=1e-6)


ACTIVATIONS = ["sigmoid", "gelu", "elu", "silu", "leaky_relu", "softplus"]


@pytest.mark.parametrize(
    "case",
    ["the notes", "raw regression", "linear regression", "two classes", "two logits", "many classes", *ACTIVATIONS],
)
def test_graphs_of_numbers(case, tmp_path, monkeypatch, capsys):
    numpy = pytest.importorskip("numpy")
    name, options = CASES.get(case, ("numbers.csv", {**NUMBERS, "activation": case}))
    data = prepare(name, tmp_path)
    monkeypatch.chdir(tmp_path)
    run = tabular.fit(data, out="model", **{"epochs": 20, **options})
    graph = exported(run, tmp_path / "m.onnx")
    with (gzip.open if name.endswith(".gz") else open)(data, "rt") as file:
        rows = [dict(zip(run.preprocess.names, map(float, row))) for row in csv.reader(file)]
    same_answers(numpy, run, graph, [*rows, dict.fromkeys(run.preprocess.names)])
    about = graph.get_modelmeta()
    assert about.producer_name == "rushlight"
    assert ast.literal_eval(about.custom_metadata_map["numbers"]) == run.preprocess.names


@pytest.mark.parametrize("target", ["buys", "pay", "size"])
def test_graphs_of_text_and_gaps(target, tmp_path, monkeypatch):
    numpy = pytest.importorskip("numpy")
    data = write_people(tmp_path / "people.csv")
    monkeypatch.chdir(tmp_path)
    ordinal = [] if target == "size" else ["size=small<medium<large"]
    run = tabular.fit(data, target, "model", epochs=20, ordinal=ordinal)
    assert run.preprocess.inputs[:6] == ["age", "age missing", "city=Lima", "city=Oslo", "city=Rome", "city missing"]
    graph = exported(run, tmp_path / "m.onnx")
    names = run.preprocess.names
    rows = [
        {"age": age, "city": city, "size": size, "pay": 1000 + 7 * i, "buys": buys}
        for i, (age, city, size, buys) in enumerate(
            [
                (3, "Rome", "small", "no"),
                (None, None, None, None),
                (29, "Atlantis", "huge", "maybe"),
                (12.5, "Oslo", "large", "yes"),
            ]
        )
    ]
    same_answers(numpy, run, graph, [{name: row[name] for name in names} for row in rows])


def test_graphs_of_images(tmp_path, monkeypatch, capsys):
    numpy = pytest.importorskip("numpy")
    pixels = numpy.random.default_rng(0).integers(0, 256, (60, 3, 9, 8), dtype=numpy.uint8)
    numpy.savez(tmp_path / "a.npz", images=pixels, labels=numpy.arange(60) % 3)
    monkeypatch.chdir(tmp_path)
    run = tabular.fit("a.npz", out="model", epochs=3, hidden=[5], channels=[4, 6])
    graph = exported(run, tmp_path / "m.onnx")
    prediction, chances = graph.run(None, {"images": pixels.astype(numpy.float32)})
    assert prediction.tolist() == run.predict(pixels)
    expected = run.probabilities(run.outputs(run.preprocess.encode(torch, torch.from_numpy(pixels))))
    assert chances == pytest.approx(expected.numpy(), abs=1e-5)
    assert commands.main(["export", "model", "--to", "onnx"]) == 0  # named by its folder
    assert (tmp_path / "model.onnx").read_bytes() == (tmp_path / "m.onnx").read_bytes()


def test_without_its_package_it_names_the_extra(tmp_path, monkeypatch, capsys):
    fit("two classes", tmp_path, monkeypatch, capsys)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert commands.main(["export", "model", "--to", "onnx"]) == 2
    assert "pip install 'rushlight[onnx]'" in capsys.readouterr().err
    assert not os.path.exists("model.onnx")
