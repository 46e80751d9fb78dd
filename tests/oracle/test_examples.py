"""The example programs print the same under rushlight and under PyTorch, and draw their pictures."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle
for needed in ("torch", "sklearn", "matplotlib"):
    pytest.importorskip(needed)

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")


def printed_by(command: list[str], folder: Path) -> str:
    folder.mkdir()
    # One thread: an OpenMP team that spins beside other work costs minutes, and changes no digit that is printed.
    environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for picture in re.findall(r"saved (\S+)", done.stdout):
        assert (folder / picture).read_bytes().startswith(b"\x89PNG")
    return done.stdout


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_prints_what_pytorch_prints(example: Path, tmp_path: Path) -> None:
    ours = printed_by([sys.executable, "-m", "rushlight", "run", str(example)], tmp_path / "rushlight")
    theirs = printed_by([sys.executable, str(example)], tmp_path / "torch")
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    numbers = [list(map(float, NUMBER.findall(text))) for text in (ours, theirs)]
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-3, abs=1e-3)
