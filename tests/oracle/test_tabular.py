"""fit and predict on PyTorch: the same code, the same numbers; and files that go both ways."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

from rushlight import tabular  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("RUSHLIGHT_SHARED", ROOT.parent / "shared"))
NOTE = """
import numpy as np, torch
from torch import nn, optim, from_numpy
torch.manual_seed(0)
xy = np.loadtxt({data!r}, delimiter=",", dtype=np.float32)
x, y = from_numpy(xy[:, 0:-1]), from_numpy(xy[:, [-1]])
model = nn.Sequential(nn.Linear(8, 6), nn.Sigmoid(), nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid())
criterion, optimizer = nn.BCELoss(), optim.SGD(model.parameters(), lr=0.1)
for epoch in range(100):
    loss = criterion(model(x), y)
    if epoch % 10 == 0:
        print(f"Epoch: {{epoch + 1}}/100 | Loss: {{loss.item():.4f}}")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def epochs_of(text):
    return re.findall(r"^Epoch: .*", text, re.M)


def test_the_notes_losses(tmp_path):
    data = SHARED / "data" / "diabetes.csv.gz"
    if not data.exists():
        pytest.skip(f"no data at {data}")
    note = subprocess.run(
        [sys.executable, "-c", NOTE.format(data=str(data))], capture_output=True, text=True, check=True
    ).stdout
    command = (
        f"fit {data} --target -1 --no-header --hidden 6,4 --activation sigmoid --loss bce --optimizer sgd --lr 0.1"
    )
    command += f" --epochs 100 --test-size 0 --no-standardize --seed 0 --no-pictures -o {tmp_path / 'model'}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    arguments = [sys.executable, "-m", "rushlight", *command.split()]
    ours = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout
    assert len(epochs_of(note)) == 10 and epochs_of(ours) == epochs_of(note)


@pytest.mark.parametrize(
    "name, options",
    [
        ("blobs", {"early_stopping": True, "batch_size": 16}),
        ("blobs", {"optimizer": "sgd", "momentum": 0.9, "activation": "tanh", "loss": "cross_entropy"}),
        ("iris", {"lr_find": True}),
        ("diabetes", {"loss": "huber", "optimizer": "rmsprop", "activation": "gelu"}),
        ("digits", {"model": "cnn", "epochs": 3}),
    ],
)
def test_both_engines_have_the_same_numbers(name, options):
    if name != "blobs":
        pytest.importorskip("sklearn")
    options = {"epochs": 25, **options}
    ours, theirs = (tabular.fit(name, engine=engine, **options) for engine in ("rushlight", "torch"))
    assert type(theirs.model).__module__.startswith("torch.")
    assert theirs.preprocess.to_dict() == ours.preprocess.to_dict()
    assert theirs.data.x.tolist() == ours.data.x.tolist()
    for key in ("loss", "held_out_loss"):
        assert [r[key] for r in theirs.history] == pytest.approx([r[key] for r in ours.history], rel=2e-3, abs=2e-4)
    assert theirs.tested["row"].tolist() == ours.tested["row"].tolist()


def test_folders_go_both_ways(tmp_path):
    for engine, other in (("rushlight", "torch"), ("torch", "rushlight")):
        folder = str(tmp_path / engine)
        run = tabular.fit("blobs", out=folder, engine=engine, epochs=30)
        loaded = tabular.load(folder, other)
        assert loaded.predict("blobs") == run.predict("blobs")
        weights = torch.load(os.path.join(folder, "model.pt"), weights_only=True)
        assert {name: w.tolist() for name, w in weights.items()} == {
            name: w.tolist() for name, w in run.model.state_dict().items()
        }


def test_a_run_on_pytorch_is_resumed_on_pytorch(tmp_path):
    from rushlight.tabular.fitting import Fit
    from rushlight.tabular.settings import Settings

    out, options = str(tmp_path / "m"), {"engine": "torch", "epochs": 6, "batch_size": 100, "hidden": [4]}
    fit = Fit(torch, "blobs", Settings(**options), out, verbose=False)
    fit.console.due, fit.console.look = 0.0, lambda trainer: setattr(fit.console, "stopped", trainer.step == 2)
    assert fit.run(None, False).results["status"] == "interrupted"
    resumed = tabular.fit(resume=out)
    assert resumed.history == tabular.fit("blobs", **options).history


def test_predict_by_command_on_both(tmp_path):
    tabular.fit("blobs", out=str(tmp_path / "m"), epochs=30)
    rows = []
    for engine in ("rushlight", "torch"):
        arguments = [sys.executable, "-m", "rushlight", "predict", str(tmp_path / "m"), "blobs", "--engine", engine]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        text = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment).stdout
        rows.append(list(csv.reader(text.splitlines())))
    assert [row[0] for row in rows[0]] == [row[0] for row in rows[1]]
    for ours, theirs in zip(rows[0][1:], rows[1][1:]):
        assert [float(p) for p in ours[1:]] == pytest.approx([float(p) for p in theirs[1:]], abs=2e-6)
