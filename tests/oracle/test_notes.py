"""The twelve programs of the study notes, run by rushlight and by PyTorch, say the same.

The notes are not part of this repository: the programs are cut out of them where they lie beside the
checkout (`../shared/seeds`).  A program is edited only where a slip of the pen stops it in PyTorch too;
every such edit is in the table below.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle
pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("RUSHLIGHT_SHARED", ROOT.parent / "shared"))
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?|nan|inf")


@dataclass(frozen=True)
class Program:
    """Blocks of one note that together are a program, the edits it needs, and what it must print."""

    note: str
    blocks: tuple[int, ...]
    edits: tuple[tuple[str, str], ...] = ()
    before: str = ""  # a seed, where the note leaves the numbers to chance
    after: str = ""
    prints: str = ""  # must stand in the output


SEEDED = "import torch, numpy\ntorch.manual_seed({seed}); numpy.random.seed({seed})\n"
NO_WINDOW = (("plt.style.use('seaborn-white')", "pass"),)  # matplotlib has dropped the style's name

PROGRAMS = {
    "wide and deep": Program("000", (3, 4, 5, 6, 7, 8, 9), before=SEEDED, prints="Epoch: 91/100"),
    "autograd": Program("001", (0,), prints="8."),
    "three weights": Program("001", (1,), prints="1.1224"),
    "matrix form": Program("001", (2,)),
    "nn.Linear": Program(
        "001", (4,), (("model.parameter()", "model.parameters()"), ("torch.optim(", "torch.optim.SGD("), (".itme()", ".item()"))
    ),
    "module classes": Program("001", (5,), before="import torch, torch.nn as nn\ntorch.manual_seed(1)\n", after="print(model)\n"),
    "blobs": Program("002", (0, 1, 2, 3, 4, 5, 6, 7, 8, 9), before=SEEDED, prints="After Training"),
    "save and load": Program("002", (0, 1, 3, 4, 5, 6, 7, 8, 9, 10), before=SEEDED, prints="[-1, 1]"),
    "LeNet": Program(
        "003", (1, 2, 3), (("num_falt_features", "num_flat_features"),), before="import torch\ntorch.manual_seed(0)\n",
        after="out = net(torch.randn(1, 1, 32, 32))\nprint(out.shape)\nprint(out)\n", prints="torch.Size([1, 10])"
    ),
    "line fit": Program(
        "003", (4, 5, 6, 7, 8, 9, 10, 11, 12), (("self.inear", "self.linear"), *NO_WINDOW),
        before=SEEDED, prints="Epoch: 91"
    ),
    "by hand": Program("004", (0,), prints="predict (after training)"),
    "rhythm": Program("004", (1, 2, 3, 4), before=SEEDED, prints="predict (after training)"),
}  # fmt: skip


def blocks_of(note: str) -> list[str]:
    files = sorted((SHARED / "seeds").glob(f"{note}_*.txt"))
    if not files:
        pytest.skip(f"no study notes at {SHARED}")
    text = files[0].read_text(encoding="utf-8")
    pattern = r"```python\s*\n(.*?)```|\{% highlight css %\}\s*\n(.*?)\{% endhighlight %\}"
    return [a or b for a, b in re.findall(pattern, text, re.S)]


def source_of(program: Program, seed: int = 0) -> str:
    blocks = blocks_of(program.note)
    text = "\n".join(blocks[i] for i in program.blocks)
    for wrong, right in program.edits:
        assert wrong in text, f"the note no longer has {wrong!r}"
        text = text.replace(wrong, right)
    return program.before.format(seed=seed) + text + "\n" + program.after


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        [*command, "program.py"], cwd=folder, capture_output=True, text=True, timeout=120, env={**os.environ, "MPLBACKEND": "Agg"}
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


RUSHLIGHT = [sys.executable, "-m", "rushlight", "run"]
PYTORCH = [sys.executable]


def both(program: Program, folder: Path, seed: int = 0) -> tuple[str, str]:
    (folder / "program.py").write_text(source_of(program, seed), encoding="utf-8")
    if not (folder / "data").exists():
        (folder / "data").symlink_to(SHARED / "data")
    return run(RUSHLIGHT, folder), run(PYTORCH, folder)


def assert_same(ours: str, theirs: str, tolerance: float = 1e-3) -> None:
    """The same words, and numbers that agree."""
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        assert float(a) == pytest.approx(float(b), rel=tolerance, abs=tolerance), (a, b)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_says_what_pytorch_says(name: str, tmp_path: Path) -> None:
    program = PROGRAMS[name]
    ours, theirs = both(program, tmp_path)
    assert program.prints in ours
    assert_same(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 20))
@pytest.mark.parametrize("name", ["wide and deep", "blobs"])
def test_classifiers_agree_for_other_seeds(name: str, seed: int, tmp_path: Path) -> None:
    ours, theirs = both(PROGRAMS[name], tmp_path, seed)
    assert_same(ours, theirs)
