"""Steps of training and inference: rushlight beside PyTorch, NumPy where it has a counterpart, and the machine's limit.

    python benchmarks/steps.py
    python benchmarks/steps.py --filter classifier --rounds 9
    python benchmarks/steps.py --busy        # the slow-down beside two processes that compute without end

Figures are medians over all rounds, engines taking turns, each with the threads it takes by default.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
from dataclasses import dataclass

from harness import Contest, cores, duration, engines_installed, number, table
from limits import Limits, measure


@dataclass
class Workload:
    call: str  # in workloads.py
    operations: float = 0
    moved: float = 0  # bytes that no implementation can avoid to read or write
    numpy: str = ""  # in workloads_numpy.py


def _training(*widths: int, batch: int, update: int) -> tuple[float, float]:
    """Operations and bytes of a step: each weight is used in the forward pass and in both gradients, but the first
    layer's input needs none; `update` counts the arrays of the weights' size that the optimizer reads and writes."""
    pairs = list(itertools.pairwise(widths))
    products = [2 * batch * n * m for n, m in pairs]
    weights = sum(n * m + m for n, m in pairs)
    return 3 * sum(products) - products[0], 4 * weights * update


SMALL = _training(2, 5, 1, batch=80, update=3)
MLP = (784, 256, 128, 10)
WORKLOADS = {
    "classifier 2-5-1, 80 points, SGD": Workload("classifier()", *SMALL, "classifier()"),
    "the same, `loss.item()` each step": Workload("classifier('item')", *SMALL),
    "the same, `train()`, step, `eval()`, forward": Workload("classifier('modes')", *SMALL),
    "the same, Adam": Workload("classifier('adam')", *SMALL),
    "the same, gradients clipped": Workload("classifier('clip')", *SMALL),
    "the same, `StepLR` each step": Workload("classifier('schedule')", *SMALL),
    "the same, loss and update by hand": Workload("classifier('hand')", *SMALL),
    "200 such classifiers, one step each": Workload("many_small()", 200 * SMALL[0], 200 * SMALL[1]),
    "8-6-4-1, batches of 32 by `DataLoader`": Workload("loader()", *_training(8, 6, 4, 1, batch=32, update=3)),
    "MLP 784-256-128-10, batch 64, Adam": Workload(
        f"mlp{(*MLP,)}"[:-1] + ", optimizer='Adam')", *_training(*MLP, batch=64, update=7)
    ),
    **{
        f"MLP {w}-{w}-{w}-10, batch 64, SGD": Workload(
            f"mlp({w}, {w}, {w}, 10)", *_training(w, w, w, 10, batch=64, update=3)
        )
        for w in (16, 64, 256, 1024, 4096)
    },
    # Forward: x read, the result written; backward: x and the gradient read, x's gradient written.
    "x + LayerNorm(GELU(x)), 1024², both ways": Workload("gelu_norm()", 0, 5 * 4 * 1024**2),
    "matrix product 1024³": Workload("matmul()", 2 * 1024**3, 3 * 4 * 1024**2, "matmul()"),
    "inference 2-5-1, one sample": Workload("inference(2, 5, 1)", 30, 84, "inference(2, 5, 1)"),
    "inference 784-256-128-10, one sample": Workload(
        f"inference{MLP}",
        _training(*MLP, batch=1, update=0)[0] / 3,
        _training(*MLP, batch=1, update=1)[1],
        f"inference{MLP}",
    ),
}
BUSY = (
    "classifier 2-5-1, 80 points, SGD",
    "8-6-4-1, batches of 32 by `DataLoader`",
    "MLP 784-256-128-10, batch 64, Adam",
)


def sources(workload: Workload, engines: list[str]) -> dict[str, tuple[str, str]]:
    found = {}
    for engine in engines:
        if engine != "numpy":
            found[engine] = (f"step = workloads.{workload.call}", "step()")
        elif workload.numpy:
            found[engine] = (f"import workloads_numpy\nstep = workloads_numpy.{workload.numpy}", "step()")
    return found


def run(rounds: int, threads: int | None = None, wanted: str = "") -> str:
    engines, limits = engines_installed(), measure(threads or cores())
    rows = []
    with Contest(engines, threads) as contest:
        for name, workload in WORKLOADS.items():
            if wanted not in name:
                continue
            times = contest.time(sources(workload, engines), rounds, 0.15)
            rows.append([name, *_columns({engine: t.median for engine, t in times.items()}, workload, limits)])
    return table(["step", "rushlight", "PyTorch", "ratio", "NumPy", "limit"], rows)


def _columns(seconds: dict[str, float], workload: Workload, limits: Limits) -> list[str]:
    ours = seconds["rushlight"]
    theirs, array = seconds.get("torch"), seconds.get("numpy")
    limit = limits.seconds(workload.operations, workload.moved)
    return [
        duration(ours),
        duration(theirs) if theirs else "-",
        number(theirs / ours) if theirs else "-",
        duration(array) if array else "-",
        # Below the time of a call the machine's limit says nothing about an engine.
        duration(limit) if limit > 1e-6 else "< 1 µs",
    ]


def run_busy(rounds: int, hogs: int = 2) -> str:
    """How many times slower a step is beside processes that keep every core busy."""
    engines = [name for name in engines_installed() if name != "numpy"]
    quiet = _busy_medians(engines, rounds)
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(hogs)]
    try:
        busy = _busy_medians(engines, rounds)
    finally:
        for process in others:
            process.kill()
            process.wait()
    rows = []
    for name in BUSY:
        cells = [f"{duration(busy[name][e])} ({number(busy[name][e] / quiet[name][e])}×)" for e in engines]
        rows.append([name, *cells])
    return table(
        [f"beside {hogs} busy processes (times the quiet figure)", "rushlight", "PyTorch"][: len(engines) + 1], rows
    )


def _busy_medians(engines: list[str], rounds: int) -> dict[str, dict[str, float]]:
    with Contest(engines) as contest:
        found = {}
        for name in BUSY:
            # Seconds enough for the scheduler's slices to even out.
            times = contest.time(sources(WORKLOADS[name], engines), rounds, 1.0)
            found[name] = {engine: t.median for engine, t in times.items()}
        return found


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--threads", type=int, help="for both engines; each engine's default otherwise")
    ap.add_argument("--filter", default="", help="part of a workload's name")
    ap.add_argument("--busy", action="store_true")
    args = ap.parse_args()
    print(run_busy(args.rounds) if args.busy else run(args.rounds, args.threads, args.filter))


if __name__ == "__main__":
    main()
