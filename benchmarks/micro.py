"""What one call costs: nanoseconds of each small operation in rushlight, PyTorch and NumPy.

    python benchmarks/micro.py                      # rushlight alone
    python benchmarks/micro.py --with torch,numpy   # side by side, in turn, in one run
    python benchmarks/micro.py --instructions       # instructions per call, counted by callgrind

Each figure is the best of several rounds of the same loop, engines taking turns, minus the empty loop.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import timeit

# name -> (setup, statement); `T` is the engine.
CASES = {
    "a + b": ("a, b = T.ones(1), T.ones(1)", "a + b"),
    "a + b, 100 elements": ("a, b = T.ones(100), T.ones(100)", "a + b"),
    "a + b, with gradient": ("a, b = T.ones(1, requires_grad=True), T.ones(1)", "a + b"),
    "a * 2.0": ("a = T.ones(1)", "a * 2.0"),
    "a[0]": ("a = T.ones(4)", "a[0]"),
    "a[1:3]": ("a = T.ones(4)", "a[1:3]"),
    "a.sum()": ("a = T.ones(4)", "a.sum()"),
    "relu(a)": ("a = T.ones(4)", "T.relu(a)"),
    "a @ b, 2x2": ("a, b = T.ones(2, 2), T.ones(2, 2)", "a @ b"),
    "linear 80x2 -> 5": ("x, w, b = T.ones(80, 2), T.ones(5, 2), T.ones(5); f = T.nn.functional.linear", "f(x, w, b)"),
    "a.item()": ("a = T.ones(1)", "a.item()"),
    "tensor([1., 2.])": ("", "T.tensor([1., 2.])"),
    "zeros(3)": ("", "T.zeros(3)"),
    "module call": ("m = T.nn.Identity(); x = T.ones(1)", "m(x)"),
    "model.fc1": ("m = T.nn.Sequential(); m.fc1 = T.nn.Linear(1, 1)", "m.fc1"),
    "model.train(), 5 layers": ("m = T.nn.Sequential(*[T.nn.Linear(1, 1) for _ in range(5)])", "m.train()"),
    "Linear(2, 5)(x)": ("m = T.nn.Linear(2, 5); x = T.ones(80, 2)", "m(x)"),
    "(w * w).backward()": ("w = T.ones((), requires_grad=True)", "(w * w).backward()"),
    "SGD.step(), 4 parameters": (
        "p = [T.ones(5, requires_grad=True) for _ in range(4)]\n"
        "for q in p: q.grad = T.ones(5)\n"
        "o = T.optim.SGD(p, lr=0.1)",
        "o.step()",
    ),
    "Adam.step(), 4 parameters": (
        "p = [T.ones(5, requires_grad=True) for _ in range(4)]\n"
        "for q in p: q.grad = T.ones(5)\n"
        "o = T.optim.Adam(p, lr=0.1)\n"
        "o.step()",
        "o.step()",
    ),
    "zero_grad()": ("o = T.optim.SGD([T.ones(5, requires_grad=True) for _ in range(4)], lr=0.1)", "o.zero_grad()"),
}
NUMPY = {
    "a + b": ("a, b = T.ones(1, 'f'), T.ones(1, 'f')", "a + b"),
    "a + b, 100 elements": ("a, b = T.ones(100, 'f'), T.ones(100, 'f')", "a + b"),
    "a * 2.0": ("a = T.ones(1, 'f')", "a * 2.0"),
    "a[0]": ("a = T.ones(4, 'f')", "a[0]"),
    "a[1:3]": ("a = T.ones(4, 'f')", "a[1:3]"),
    "a.sum()": ("a = T.ones(4, 'f')", "a.sum()"),
    "a @ b, 2x2": ("a, b = T.ones((2, 2), 'f'), T.ones((2, 2), 'f')", "a @ b"),
    "a.item()": ("a = T.ones(1, 'f')", "a.item()"),
    "tensor([1., 2.])": ("", "T.array([1., 2.], 'f')"),
    "zeros(3)": ("", "T.zeros(3, 'f')"),
}


def timer(engine: str, case: str) -> timeit.Timer | None:
    table = NUMPY if engine == "numpy" else CASES
    if case not in table:
        return None
    setup, statement = table[case]
    names = {"T": importlib.import_module(engine)}
    if engine != "numpy":
        importlib.import_module(engine + ".nn.functional")
        importlib.import_module(engine + ".optim")
    return timeit.Timer(statement, setup, globals=names)


def nanoseconds(timers: dict[str, timeit.Timer], rounds: int) -> dict[str, float]:
    empty = timeit.Timer("pass")
    number = {e: max(1, int(0.01 / max(t.timeit(3) / 3, 1e-7))) for e, t in timers.items()}
    best = dict.fromkeys(timers, float("inf"))
    for _ in range(rounds):
        for e, t in timers.items():
            n = number[e]
            best[e] = min(best[e], (t.timeit(n) - empty.timeit(n)) / n)
    return {e: 1e9 * s for e, s in best.items()}


def instructions(case: str, python: str = sys.executable) -> int:
    """Counts a loop of 2000 calls against one of 1000, so that start-up cancels out."""
    setup, statement = CASES[case]

    def count(n: int) -> int:
        imports = "import rushlight as T, rushlight.nn.functional, rushlight.optim"
        code = f"{imports}\n{setup}\nfor _ in range({n}):\n    {statement}\n"
        command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", python, "-c", code]
        out = subprocess.run(command, capture_output=True, text=True, timeout=300).stderr
        return int(next(line for line in out.splitlines() if "Collected" in line).split()[-1])

    return (count(2000) - count(1000)) // 1000


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--with", dest="others", default="", help="torch, numpy")
    ap.add_argument("--only", default="", help="part of a case's name")
    ap.add_argument("--rounds", type=int, default=15)
    ap.add_argument("--instructions", action="store_true")
    args = ap.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    engines = ["rushlight", *filter(None, args.others.split(","))]
    print(f"| case | {' | '.join(f'{e} ns' for e in engines)} |" + (" instructions |" if args.instructions else ""))
    print("|---" * (len(engines) + 1 + args.instructions) + "|")
    for case in CASES:
        if args.only not in case:
            continue
        timers = {e: t for e in engines if (t := timer(e, case))}
        ns = nanoseconds(timers, args.rounds)
        cells = [f"{ns[e]:.0f}" if e in ns else "-" for e in engines]
        if args.instructions:
            cells.append(str(instructions(case)))
        print(f"| `{case}` | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
