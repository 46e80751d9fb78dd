"""What this machine can do at most, measured by limits.c in the same run as the figures it is put beside."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness import HERE


@dataclass
class Limits:
    """Operations and bytes a second; a multiply-add is two operations."""

    threads: int
    flops64: float
    flops32: float
    memory: float
    level3: float
    level2: float

    def seconds(self, operations: float, moved: float = 0, kind: str = "float32") -> float:
        """The least time of a piece of work, were arithmetic and traffic to overlap perfectly."""
        flops = self.flops64 if kind == "float64" else self.flops32
        # What fits a cache is not bound by the memory behind it; the bounds are those of common processors.
        rate = self.level2 if moved < 1e6 * self.threads else self.level3 if moved < 16e6 else self.memory
        return max(operations / flops, moved / rate)

    def __str__(self) -> str:
        return (
            f"{self.threads} thread{'s' if self.threads > 1 else ''}: {self.flops32 / 1e9:.0f} GFLOP/s in float32, "
            f"{self.flops64 / 1e9:.0f} in float64; {self.memory / 1e9:.0f} GB/s from memory, "
            f"{self.level3 / 1e9:.0f} in the level 3 cache, {self.level2 / 1e9:.0f} in level 2"
        )


@cache
def _program() -> Path:
    folder = tempfile.mkdtemp(prefix="limits-")
    program = Path(folder, "limits")
    # Wider vectors on request only: compilers avoid them by default, and so would miss the peak.
    options = ["-O3", "-march=native", "-ffp-contract=fast", "-pthread"]
    compiler = os.environ.get("CC", "cc").split()
    source = str(HERE / "limits.c")
    wide = [*compiler, *options, "-mprefer-vector-width=512", source, "-o", str(program)]
    if subprocess.run(wide, capture_output=True).returncode:
        subprocess.run([*compiler, *options, source, "-o", str(program)], check=True)
    return program


@cache
def measure(threads: int) -> Limits:
    printed = subprocess.run([_program(), str(threads)], stdout=subprocess.PIPE, text=True, check=True).stdout
    return Limits(threads, *map(float, printed.split()))


if __name__ == "__main__":
    for count in (1, 2):
        print(measure(count))
