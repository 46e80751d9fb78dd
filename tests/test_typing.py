"""A program as people write them passes mypy --strict against the stubs, and mypy knows what things are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import rushlight

pytest.importorskip("mypy", reason="the stubs are checked with mypy, which is not installed")

PROGRAM = """
import rushlight as torch
import rushlight.nn.functional as F
from rushlight import Tensor, nn, optim
from rushlight.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.head = nn.Linear(8 * 14 * 14, width)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv(x)), 2)
        return F.log_softmax(self.head(x.view(x.size(0), -1)), dim=1)


device = torch.device("cpu")
model = Net().to(device)
optimizer = optim.Adam(model.parameters(), lr=1e-3)
schedule = optim.lr_scheduler.StepLR(optimizer, step_size=1)
images, labels = torch.randn(64, 1, 28, 28), torch.randint(0, 10, (64,))
for x, y in DataLoader(TensorDataset(images, labels), batch_size=16, shuffle=True):
    optimizer.zero_grad()
    loss = nn.CrossEntropyLoss()(model(x.to(device)), y)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
schedule.step()


@torch.no_grad()
def accuracy(net: nn.Module) -> float:
    return float((net(images).argmax(dim=1) == labels).float().mean())


w = torch.tensor([1.0, 2.0], requires_grad=True)
(2 * w**2 + 5).sum().backward()
w.grad.zero_()
reveal_type(accuracy(model))
reveal_type(images.max(dim=1).values)
reveal_type(torch.split(images, 32))
reveal_type(torch.linalg.qr(w @ w.T)[0])
reveal_type(images.permute(0, 2, 3, 1).shape)
reveal_type(torch.equal(w, w))
reveal_type(torch.long)
"""

REVEALED = ["float", "Tensor", "tuple[Tensor, ...]", "Tensor", "Size", "bool", "dtype"]


@pytest.mark.slow
def test_a_program_is_typed(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    source = Path(rushlight.__file__).resolve().parents[1]
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "program.py"]
    done = subprocess.run(command, cwd=tmp_path, env={"MYPYPATH": str(source)}, capture_output=True, text=True)
    assert "error:" not in done.stdout and not done.stderr, done.stdout + done.stderr
    revealed = [re.sub(r"(\w+\.)+(?=\w)", "", text) for text in re.findall(r'Revealed type is "(.*)"', done.stdout)]
    assert revealed == REVEALED
