"""Exported programs on PyTorch: the digits of the fit, and bit for bit the weights of a fit on PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle
torch = pytest.importorskip("torch")

from rushlight import tabular  # noqa: E402
from rushlight.tabular.program import Program  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "name, options",
    [
        ("blobs", {"hidden": [6, 4], "activation": "sigmoid", "loss": "bce", "optimizer": "sgd", "test_size": 0}),
        ("blobs", {"early_stopping": True, "batch_size": 32, "hidden": [8]}),
        ("blobs", {"optimizer": "sgd", "momentum": 0.9, "loss": "cross_entropy", "activation": "tanh"}),
        ("iris", {}),
        ("diabetes", {"model": "linear"}),
        ("digits", {"model": "cnn", "channels": [4], "epochs": 1}),
    ],
)
def test_programs_on_pytorch(name, options, tmp_path, capsys):
    if name != "blobs":
        pytest.importorskip("sklearn")
    options = {"epochs": 20, **options}
    ours = tabular.fit(name, out=str(tmp_path / "ours"), verbose=True, **options)
    epochs = [line.split(" | ")[:2] for line in capsys.readouterr().out.splitlines() if line.startswith("Epoch")]
    theirs = tabular.fit(name, engine="torch", **options)
    (tmp_path / "train.py").write_text(Program(ours).text())
    environment = {**os.environ, "PYTHONPATH": ""}
    printed = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert [line.split(" | ") for line in printed if line.startswith("Epoch")] == epochs
    weights = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert {name: w.tolist() for name, w in weights.items()} == {
        name: w.tolist() for name, w in theirs.model.state_dict().items()
    }
    for name, weight in ours.model.state_dict().items():
        torch.testing.assert_close(weights[name], torch.tensor(weight.tolist()), rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_images_lie_in_memory_as_in_the_fit(mode, tmp_path, monkeypatch):
    """PyTorch's convolutions add in an order that depends on the strides."""
    image = pytest.importorskip("PIL.Image")
    for i in range(36):
        folder = tmp_path / "pets" / ("cat", "dog", "eel")[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        noise = image.frombytes(mode, (12, 12), bytes((i + j * j * 7) % 251 for j in range(144 * len(mode))))
        noise.save(folder / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    run = tabular.fit("pets", out="model", engine="torch", epochs=3)
    (tmp_path / "train.py").write_text(Program(run).text())
    environment = {**os.environ, "PYTHONPATH": ""}
    subprocess.run([sys.executable, "train.py"], env=environment, capture_output=True, check=True)
    weights = torch.load("model.pt", weights_only=True)
    assert all(torch.equal(weights[name], weight) for name, weight in run.model.state_dict().items())
