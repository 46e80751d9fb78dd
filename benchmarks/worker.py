"""A process that holds one engine and times what it is asked to.

    python -m rushlight run worker.py       `import torch` is rushlight here and in the cases
    python worker.py                        the PyTorch that is installed
    python worker.py numpy                  NumPy; the cases see it as `np`

Requests and answers are lines of JSON. `{"setup", "statement", "seconds"}` is answered by the seconds of one call of
the statement, one figure for each stretch of calls; a case is prepared once and then timed as often as it is asked for.
"""

from __future__ import annotations

import json
import sys
import timeit
from time import perf_counter

STRETCH = 0.002  # seconds: long enough for the clock, short enough to fit between two interruptions


class Case:
    """A statement, ready to be timed."""

    def __init__(self, setup: str, statement: str, names: dict) -> None:
        self.timer = timeit.Timer(statement, setup, globals=names)
        self.empty = timeit.Timer("pass")
        started = perf_counter()
        took = self.timer.timeit(1)
        # Warm-up: the first calls load libraries, start threads and fill caches.
        for _ in range(500):
            if perf_counter() - started > 10 * STRETCH:
                break
            took = min(took, self.timer.timeit(1))
        self.calls = max(1, int(STRETCH / max(took, 1e-7)))

    def stretches(self, seconds: float) -> list[float]:
        """Seconds per call of as many stretches as fit, one at least, less what the empty loop takes."""
        loop = min(self.empty.timeit(self.calls) for _ in range(3)) / self.calls
        figures: list[float] = []
        end = perf_counter() + seconds
        while not figures or perf_counter() < end:
            figures.append(self.timer.timeit(self.calls) / self.calls - loop)
        return figures


def namespace(engine: str) -> dict:
    if engine == "numpy":
        import numpy

        return {"np": numpy}
    import torch
    import torch.nn.functional
    import torch.optim
    import torch.utils.data
    import workloads

    return {"torch": torch, "F": torch.nn.functional, "workloads": workloads}


def main() -> None:
    names = namespace(sys.argv[1] if len(sys.argv) > 1 else "torch")
    key, case = None, None
    for line in sys.stdin:
        request = json.loads(line)
        if key != (key := (request["setup"], request["statement"])):
            case = None  # frees what the case before held
            case = Case(*key, dict(names))
        print(json.dumps(case.stretches(request["seconds"])), flush=True)


if __name__ == "__main__":
    main()
