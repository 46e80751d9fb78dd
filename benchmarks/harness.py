"""What the benchmarks share: engines in processes of their own that take turns, and figures as text.

Both engines run the same source, each in a process of its own; for each case they take turns (A B A B ...), so that a
disturbance of the machine falls on both. A figure is the median or the least of all stretches of calls.
"""

from __future__ import annotations

import importlib.util
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
# Settings of a user's shell that would tune one engine and not the other.
TUNING = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")


def engines_installed(wanted: tuple[str, ...] = ("rushlight", "torch", "numpy")) -> list[str]:
    return [name for name in wanted if importlib.util.find_spec(name)]


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def command(engine: str, script: Path, *arguments: str) -> list[str]:
    runner = [sys.executable, "-m", "rushlight", "run"] if engine == "rushlight" else [sys.executable]
    return [*runner, str(script), *arguments]


def environment(threads: int | None = None) -> dict[str, str]:
    """That of this process without tuning; `threads=None` leaves each engine its default."""
    kept = {name: value for name, value in os.environ.items() if name not in (*TUNING, "OMP_NUM_THREADS")}
    return kept if threads is None else {**kept, "OMP_NUM_THREADS": str(threads)}


@dataclass
class Timing:
    """Seconds of one call."""

    least: float
    median: float


class Engine:
    """One worker process."""

    def __init__(self, name: str, threads: int | None = None) -> None:
        self.name = name
        arguments = ["numpy"] if name == "numpy" else []
        self.process = subprocess.Popen(
            command(name, HERE / "worker.py", *arguments),
            env=environment(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def time(self, setup: str, statement: str, seconds: float) -> list[float]:
        request = {"setup": setup, "statement": statement, "seconds": seconds}
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.name} cannot run\n{setup}\n{statement}")
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


class Contest:
    """Engines that take turns."""

    def __init__(self, names: list[str], threads: int | None = None) -> None:
        self.engines = {name: Engine(name, threads) for name in names}

    def __enter__(self) -> Contest:
        return self

    def __exit__(self, *_: object) -> None:
        for engine in self.engines.values():
            engine.close()

    def time(self, sources: dict[str, tuple[str, str]], rounds: int, seconds: float) -> dict[str, Timing]:
        """`sources` has (setup, statement) of each engine that takes part; `seconds` is for one engine and round."""
        figures: dict[str, list[float]] = {name: [] for name in sources}
        for _ in range(rounds):
            for name, (setup, statement) in sources.items():
                figures[name] += self.engines[name].time(setup, statement, seconds)
        return {name: Timing(max(min(f), 1e-10), max(median(f), 1e-10)) for name, f in figures.items()}


def duration(seconds: float) -> str:
    for unit, scale in (("ns", 1e9), ("µs", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds:.3g} s"


def number(value: float | None) -> str:
    """Three digits, or two where the third says nothing."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}" if value >= 1.995 else f"{value:.2f}"


def geometric_mean(values: list[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def table(head: list[str], rows: list[list[str]]) -> str:
    """A Markdown table, its first column text and the others figures."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def processor() -> str:
    try:
        return re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())[1]  # type: ignore[index]
    except (OSError, TypeError):
        import platform

        return platform.processor() or platform.machine()
