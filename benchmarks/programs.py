"""What a user waits for around the training: start-up, whole programs from start to exit, and memory.

    python benchmarks/programs.py --rounds 9

Each figure is the median over rounds, of fresh processes, the engines in turn, on the same source. The programs are
the examples that import nothing but torch and the standard library, so that only the engine is measured.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

from harness import HERE, command, duration, engines_installed, environment, number, table

EXAMPLES = HERE.parent / "examples"

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
# Resident pages as the kernel counts them: the peak of getrusage is inherited from the parent across exec.
RESIDENT = """
import os, torch, torch.nn, torch.optim
print(int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""
PEAK = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import workloads
step = workloads.mlp(784, 256, 128, 10, optimizer="Adam")
for _ in range(100):
    step()
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) * 1024)
"""
MEMORY = {
    "resident memory after `import torch, torch.nn, torch.optim`": RESIDENT,
    "peak memory, MLP 784-256-128-10, batch 64, Adam": PEAK,
}


def examples() -> list[Path]:
    others = re.compile(r"^\s*(?:import|from) (?:matplotlib|sklearn|numpy)", re.M)
    return [path for path in sorted(EXAMPLES.glob("*.py")) if not others.search(path.read_text())]


def measure_round(engine: str, folder: Path) -> dict[str, float]:
    """One round of one engine: row -> seconds, or bytes for memory."""

    def launch(script: Path) -> tuple[str, float, float]:
        started, clock = time.time(), time.perf_counter()
        done = subprocess.run(command(engine, script), cwd=folder, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{engine}: {script}\n{done.stderr}")
        return done.stdout, started, time.perf_counter() - clock

    def launch_text(text: str) -> tuple[str, float, float]:
        script = folder / "program.py"
        script.write_text(text)
        return launch(script)

    printed, started, wall = launch_text(FIRST_LOSS)
    row = {
        "process start to the first step done": float(printed.split()[1]) - started,
        "the same program, start to exit": wall,
    }
    for path in examples():
        row[f"`examples/{path.name}`, start to exit"] = launch(path)[2]
    for name, text in MEMORY.items():
        row[name] = float(launch_text(text)[0])
    return row


def run(rounds: int) -> str:
    engines = [name for name in engines_installed() if name != "numpy"]
    found: dict[str, list[dict[str, float]]] = {engine: [] for engine in engines}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for engine in engines:
                found[engine].append(measure_round(engine, Path(folder)))
    rows = []
    for name in found["rushlight"][0]:
        values = [median(row[name] for row in found[engine]) for engine in engines]
        shown = [f"{v / 1e6:.1f} MB" if name in MEMORY else duration(v) for v in values]
        rows.append([name, *shown, number(values[1] / values[0]) if len(values) > 1 else "-"])
    return table(["", *["rushlight", "PyTorch"][: len(engines)], "ratio"], rows)


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=5)
    print(run(ap.parse_args().rounds))


if __name__ == "__main__":
    main()
