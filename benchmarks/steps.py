"""What a user waits for: training steps, start-up, whole programs and memory, rushlight beside PyTorch.

    python benchmarks/steps.py                # a Markdown table; PyTorch's column if it is installed
    python benchmarks/steps.py --rounds 9 --threads 1

Each round starts a fresh process for each engine, the engines in turn, running the same source; a figure is
the median over rounds, and the ratio is of those medians. Steps are timed inside the process after a warm-up;
start-up and programs are timed from outside, from spawn to the moment named. On a machine that is busy with
other things PyTorch with several threads is far slower than by itself: measure on a quiet one.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
POINTS = 80

# name of the row -> variant of the step below
STEPS = {
    "blob classifier, one step": "",
    "the same, `loss.item()` each step": "item",
    "the same, `model.train()` each step": "train",
    "the same, data by `from_numpy`": "numpy",
    "the same, Adam": "adam",
    "the same, batches of 16 from a `DataLoader`": "loader",
}

FIRST_LOSS = """
import time
import torch
from torch import nn, optim
model = nn.Sequential(nn.Linear(2, 5), nn.ReLU(), nn.Linear(5, 1), nn.Sigmoid())
optimizer = optim.SGD(model.parameters(), lr=0.03)
loss = nn.BCELoss()(model(torch.randn(80, 2)), torch.ones(80, 1))
loss.backward()
optimizer.step()
print(loss.item(), time.time())
"""
# Resident pages, as the kernel counts them: the peak of getrusage is inherited from the parent across exec.
MEMORY = """
import torch, torch.nn, torch.optim
pages = int(open("/proc/self/statm").read().split()[1])
import os
print(pages * os.sysconf("SC_PAGE_SIZE"))
"""


def step_of(variant: str):
    """One training step of the 2-5-1 classifier, as a function without arguments."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    if variant == "numpy":
        import numpy

        rng = numpy.random.default_rng(0)
        x = torch.from_numpy(rng.standard_normal((POINTS, 2), dtype=numpy.float32))
    else:
        x = torch.randn(POINTS, 2)
    y = (x[:, 0] * x[:, 1] > 0).float()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(2, 5)
            self.relu = nn.ReLU()
            self.out = nn.Linear(5, 1)
            self.sigmoid = nn.Sigmoid()

        def forward(self, x):
            return self.sigmoid(self.out(self.relu(self.hidden(x))))

    model, criterion = Net(), nn.BCELoss()
    make = torch.optim.Adam if variant == "adam" else torch.optim.SGD
    optimizer = make(model.parameters(), lr=0.03)

    def step(x=x, y=y):
        if variant == "train":
            model.train()
        optimizer.zero_grad()
        loss = criterion(model(x).squeeze(), y)
        if variant == "item":
            loss.item()
        loss.backward()
        optimizer.step()

    if variant != "loader":
        return step

    from torch.utils.data import DataLoader, TensorDataset

    def forever():
        loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
        while True:
            yield from loader

    batches = forever()
    return lambda: step(*next(batches))


def time_steps() -> dict[str, float]:
    """Seconds of a step for each variant: the median of ten stretches of at least 50 ms."""
    seconds = {}
    for name, variant in STEPS.items():
        step = step_of(variant)
        started, n = time.perf_counter(), 0
        while time.perf_counter() - started < 0.2:
            step()
            n += 1
        n = max(1, n // 4)
        stretches = []
        for _ in range(10):
            started = time.perf_counter()
            for _ in range(n):
                step()
            stretches.append((time.perf_counter() - started) / n)
        seconds[name] = median(stretches)
    return seconds


def programs() -> list[Path]:
    """The examples that import nothing but torch and the standard library, so that only the engine is measured."""
    others = re.compile(r"^\s*(?:import|from) (?:matplotlib|sklearn|numpy)", re.M)
    return [path for path in sorted(EXAMPLES.glob("*.py")) if not others.search(path.read_text())]


def measure_round(command: list[str], environment: dict[str, str], folder: Path) -> dict[str, float]:
    """One round of one engine: row -> seconds, or bytes for memory."""

    def run(*arguments: str) -> tuple[str, float, float]:
        started, clock = time.time(), time.perf_counter()
        done = subprocess.run([*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join([*command, *arguments])}\n{done.stderr}")
        return done.stdout, started, time.perf_counter() - clock

    row = dict(json.loads(run(str(Path(__file__).resolve()), "--steps-only")[0]))
    printed, started, wall = run("first_loss.py")
    row["process start to the first step done"] = float(printed.split()[1]) - started
    row["the same program, start to exit"] = wall
    for path in programs():
        row[f"`examples/{path.name}`, start to exit"] = run(str(path))[2]
    row["resident memory after `import torch, torch.nn, torch.optim`"] = float(run("memory.py")[0])
    return row


def shown(name: str, value: float) -> str:
    if "memory" in name:
        return f"{value / 1e6:.1f} MB"
    return f"{value * 1e6:.1f} µs" if value < 1e-3 else f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--threads", type=int, default=1, help="for both engines; this work is too small for more")
    ap.add_argument("--steps-only", action="store_true", help=argparse.SUPPRESS)  # how a round calls itself
    args = ap.parse_args()
    if args.steps_only:
        print(json.dumps(time_steps()))
        return

    engines = {"rushlight": [sys.executable, "-m", "rushlight", "run"]}
    if importlib.util.find_spec("torch"):
        engines["PyTorch"] = [sys.executable]
    environment = {**os.environ, "OMP_NUM_THREADS": str(args.threads)}
    for tuning in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        environment.pop(tuning, None)
    rounds: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "first_loss.py").write_text(FIRST_LOSS)
        (folder / "memory.py").write_text(MEMORY)
        for _ in range(args.rounds):
            for engine, command in engines.items():
                rounds[engine].append(measure_round(command, environment, folder))

    print(f"| threads: {args.threads}; median of {args.rounds} rounds | {' | '.join(engines)} | ratio |")
    print("|---" + "|---:" * (len(engines) + 1) + "|")
    for name in rounds["rushlight"][0]:
        values = [median(row[name] for row in rounds[engine]) for engine in engines]
        ratio = f"{values[1] / values[0]:.1f}" if len(values) > 1 else "-"
        print(f"| {name} | {' | '.join(shown(name, v) for v in values)} | {ratio} |")


if __name__ == "__main__":
    main()
