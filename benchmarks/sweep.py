"""Where an engine is slow: products, elementwise patterns and reductions over many sizes and layouts.

    python benchmarks/sweep.py --quick     # under two minutes: fewer sizes, shorter looks
    python benchmarks/sweep.py --only elementwise --filter softmax --cells

Ratios are of the least times: PyTorch's over rushlight's, above 1 where rushlight is ahead.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

from harness import Contest, Timing, cores, duration, engines_installed, geometric_mean, number, table
from limits import Limits, measure

# ---------------------------------------------------------------- products


@dataclass
class Product:
    name: str
    setup: str
    statement: str
    operations: float
    moved: float
    kind: str = "float32"


def _mm(m: int, k: int, n: int, statement: str = "a @ b", left: str = "", right: str = "", kind: str = "float32"):
    """`statement` with a of m x k and b of k x n; "t": that operand lies transposed, "s": it is sliced."""
    lay = {
        "": "torch.randn({0}, {1}, dtype=torch.{2})",
        "t": "torch.randn({1}, {0}, dtype=torch.{2}).t()",
        "s": "torch.randn({0}, 2 * {1}, dtype=torch.{2})[:, :{1}]",
    }
    setup = f"a = {lay[left].format(m, k, kind)}; b = {lay[right].format(k, n, kind)}; c = torch.randn({m}, {n})"
    shown = " ".join(filter(None, [left and f"a {left}", right and f"b {right}"])).replace("a t", "aᵀ")
    name = f"{m}×{k} · {k}×{n}{', ' + shown.replace('b t', 'bᵀ').replace(' s', ' sliced') if shown else ''}"
    if statement != "a @ b":
        name += f", `{statement}`"
    size = 8 if kind == "float64" else 4
    return Product(name + (", float64" if size == 8 else ""), setup, statement, 2 * m * k * n,
                   size * (m * k + k * n + m * n), kind)  # fmt: skip


def _batched(shape: str, a: tuple[int, ...], b: tuple[int, ...], statement: str = "a @ b") -> Product:
    count = 1
    for n in a[:-2]:
        count *= n
    m, k, n = a[-2], a[-1], (b[-2] if ".mT" in statement else b[-1])
    return Product(f"{shape}, `{statement}`", f"a, b = torch.randn{a}, torch.randn{b}", statement,
                   2 * count * m * k * n, 4 * count * (m * k + k * n + m * n))  # fmt: skip


def _linear(rows: int, inputs: int, outputs: int, backward: bool = False) -> Product:
    setup = f"x, w, b = torch.randn({rows}, {inputs}), torch.randn({outputs}, {inputs}), torch.randn({outputs})"
    work, moved = 2 * rows * inputs * outputs, 4 * (rows * inputs + inputs * outputs + rows * outputs)
    if not backward:
        return Product(f"linear {rows}×{inputs} → {outputs}", setup, "F.linear(x, w, b)", work, moved)
    setup += f"; g = torch.randn({rows}, {outputs})\nfor t in (x, w, b): t.requires_grad_()"
    statement = "x.grad = w.grad = b.grad = None; F.linear(x, w, b).backward(g)"
    return Product(f"linear {rows}×{inputs} → {outputs}, forward and backward", setup, statement, 3 * work, 3 * moved)


PRODUCTS = [
    *[_mm(n, n, n) for n in (2, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)],
    _mm(127, 129, 131),
    _mm(1023, 1025, 1021),
    _mm(512, 512, 512, left="t"),
    _mm(512, 512, 512, right="t"),
    _mm(512, 512, 512, left="s", right="s"),
    _mm(1, 784, 256),
    _mm(7, 512, 512),
    _mm(64, 784, 256, right="t"),
    _mm(32, 4096, 32),
    _mm(4096, 32, 4096),
    _mm(20000, 8, 4),
    _mm(2048, 2048, 1),
    _mm(512, 512, 512, "torch.addmm(c, a, b)"),
    _mm(64, 64, 64, kind="float64"),
    _mm(512, 512, 512, kind="float64"),
    _batched("200 of 8×8", (200, 8, 8), (200, 8, 8), "torch.bmm(a, b)"),
    _batched("48 of 128×64 · 64×128", (4, 12, 128, 64), (4, 12, 128, 64), "a @ b.mT"),
    Product("outer 1000, 1000", "a, b = torch.randn(1000), torch.randn(1000)", "torch.outer(a, b)", 1e6, 4e6),
    Product("dot 100 000", "a, b = torch.randn(100000), torch.randn(100000)", "torch.dot(a, b)", 2e5, 8e5),
    _linear(80, 2, 5),
    _linear(64, 784, 256),
    _linear(64, 784, 256, backward=True),
]

# ---------------------------------------------------------------- elementwise and reductions

# name -> (statement, the same in NumPy or "", arrays read and written)
PATTERNS = {
    "a + b": ("a + b", "a + b", 3),
    "a * b": ("a * b", "a * b", 3),
    "a / b": ("a / b", "a / b", 3),
    "a * 2.0": ("a * 2.0", "a * np.float32(2)", 2),
    "a.add_(b)": ("c.add_(b)", "np.add(c, b, out=c)", 3),
    "maximum(a, b)": ("torch.maximum(a, b)", "np.maximum(a, b)", 3),
    "a > b": ("a > b", "a > b", 2.25),
    "where(a > 1, a, b)": ("torch.where(a > 1, a, b)", "np.where(a > 1, a, b)", 4.5),
    "relu": ("torch.relu(a)", "np.maximum(a, 0)", 2),
    "exp": ("torch.exp(a)", "np.exp(a)", 2),
    "log": ("torch.log(a)", "np.log(a)", 2),
    "tanh": ("torch.tanh(a)", "np.tanh(a)", 2),
    "sigmoid": ("torch.sigmoid(a)", "", 2),
    "sin": ("torch.sin(a)", "np.sin(a)", 2),
    "sqrt": ("torch.sqrt(a)", "np.sqrt(a)", 2),
    "a ** 2": ("a ** 2", "a ** 2", 2),
    "gelu": ("F.gelu(a)", "", 2),
    "to float64": ("a.double()", "a.astype('d')", 3),
    "copy in rows": ("a.clone(memory_format=torch.contiguous_format)", "a.copy()", 2),
    "sum()": ("a.sum()", "a.sum()", 1),
    "sum(0)": ("a.sum(0)", "a.sum(0)", 1),
    "sum(1)": ("a.sum(1)", "a.sum(1)", 1),
    "amax(1)": ("a.amax(1)", "a.max(1)", 1),
    "argmax(1)": ("a.argmax(1)", "a.argmax(1)", 1),
    "std(1)": ("a.std(1)", "a.std(1)", 1),
    "norm()": ("a.norm()", "", 1),
    "cumsum(1)": ("a.cumsum(1)", "a.cumsum(1)", 2),
    "softmax(1)": ("torch.softmax(a, 1)", "", 2),
    "standardised rows": ("(a - a.mean(1, keepdim=True)) / a.std(1, keepdim=True)", "", 6),
}
SHAPES = {
    100: (10, 10),
    1_000: (25, 40),
    10_000: (100, 100),
    100_000: (250, 400),
    1_000_000: (1000, 1000),
    10_000_000: (2500, 4000),
}
# In each layout a and b have the shape of the table above; c is a result to write into.
LAYOUTS = {
    "contiguous": "a, b = r(n, m) + 0.5, r(n, m) + 0.5",
    "broadcast": "a, b = r(n, 1) + 0.5, r(m) + 0.5",
    "transposed": "a, b = (r(m, n) + 0.5).{t}, r(n, m) + 0.5",
}


def _sources(pattern: str, size: int, layout: str) -> dict[str, tuple[str, str]]:
    statement, numpy_statement, _ = PATTERNS[pattern]
    n, m = SHAPES[size]
    lay = LAYOUTS[layout]
    if layout == "broadcast" and "b" not in statement.replace("sub", "").replace("bmm", "").replace("double", ""):
        lay = "a = (r(n, 1) + 0.5)"  # one operand: all its columns are one
    end = "\na = a.expand(n, m)" if layout == "broadcast" else ""
    torch_setup = f"n, m = {n}, {m}\nr = torch.rand\n{lay.format(t='t()')}{end}\nc = torch.zeros(n, m)"
    end = "\na = np.broadcast_to(a, (n, m))" if layout == "broadcast" else ""
    numpy_setup = (
        f"n, m = {n}, {m}\nrandom = np.random.default_rng(0).random\nr = lambda *s: random(s, dtype='f')\n"
        f"{lay.format(t='T')}{end}\nc = np.zeros((n, m), 'f')"
    )
    sources = {"rushlight": (torch_setup, statement), "torch": (torch_setup, statement)}
    if numpy_statement:
        sources["numpy"] = (numpy_setup, numpy_statement)
    return sources


# ---------------------------------------------------------------- running


@dataclass
class Cell:
    name: str
    size: float  # elements, or operations of a product
    times: dict[str, Timing]
    limit: float

    @property
    def ratio(self) -> float:
        return self.times["torch"].least / self.times["rushlight"].least

    def __str__(self) -> str:
        shown = " ".join(f"{name} {duration(t.least)}" for name, t in self.times.items())
        limit = "" if math.isnan(self.limit) else f"; limit {duration(self.limit)}"
        return f"{self.ratio:6.2f}  {self.name}: {shown}{limit}"


def run_products(contest: Contest, limits: Limits, rounds: int, seconds: float, wanted: str) -> list[Cell]:
    cells = []
    for p in PRODUCTS:
        if wanted not in p.name:
            continue
        source = (p.setup, p.statement)
        times = contest.time({"rushlight": source, "torch": source}, rounds, seconds)
        cells.append(Cell(p.name, p.operations, times, limits.seconds(p.operations, p.moved, p.kind)))
    return cells


def run_elementwise(
    contest: Contest, limits: Limits, sizes: list[int], rounds: int, seconds: float, wanted: str, numpy: bool
) -> dict[tuple[str, int, str], Cell]:
    cells = {}
    for size in sizes:
        for pattern in PATTERNS:
            if wanted not in pattern:
                continue
            for layout in LAYOUTS:
                sources = _sources(pattern, size, layout)
                if not numpy or "numpy" not in contest.engines:
                    sources.pop("numpy", None)
                times = contest.time(sources, rounds, seconds)
                # A broadcast operand is not read whole: only the contiguous layout has this much traffic.
                limit = limits.seconds(size, 4 * size * PATTERNS[pattern][2]) if layout == "contiguous" else math.nan
                name = f"{pattern}, {size:,} {layout}".replace(",0", " 0")
                cells[pattern, size, layout] = Cell(name, size, times, limit)
    return cells


def product_table(cells: list[Cell]) -> str:
    rows = []
    for cell in cells:
        ours, theirs = cell.times["rushlight"].least, cell.times["torch"].least
        rows.append(
            [cell.name, duration(ours), duration(theirs), number(theirs / ours), f"{100 * cell.limit / ours:.0f} %"]
        )
    return table(["product", "rushlight", "PyTorch", "ratio", "of the limit"], rows)


def elementwise_table(cells: dict[tuple[str, int, str], Cell]) -> str:
    sizes = sorted({size for _, size, _ in cells})
    rows = []
    for pattern in dict.fromkeys(pattern for pattern, _, _ in cells):
        row = [f"`{pattern}`"]
        for size in sizes:
            row.append(" / ".join(number(cells[pattern, size, layout].ratio) for layout in LAYOUTS))
        largest = cells[pattern, sizes[-1], "contiguous"]
        row.append(f"{100 * largest.limit / largest.times['rushlight'].least:.0f} %")
        numpy = largest.times.get("numpy")
        row.append(number(numpy.least / largest.times["rushlight"].least) if numpy else "-")
        rows.append(row)
    names = [f"{size:,}".replace(",", " ") for size in sizes]
    return table(["pattern", *names, f"limit at {names[-1]}", f"NumPy's ratio at {names[-1]}"], rows)


def summary(cells: list[Cell]) -> str:
    lines = []
    products = [cell for cell in cells if "·" in cell.name or "linear" in cell.name]
    others = [cell for cell in cells if cell not in products]
    for name, group in (
        ("products", products),
        ("100 elements", [cell for cell in others if cell.size <= 100]),
        ("100 000 elements and more", [cell for cell in others if cell.size >= 1e5]),
    ):
        if group:
            lines.append(f"- {name}: geometric mean {number(geometric_mean([cell.ratio for cell in group]))}")
    slow = sorted((cell for cell in cells if cell.ratio < 0.8), key=lambda cell: cell.ratio)
    lines.append(f"- below 0.8: {len(slow)} of {len(cells)}")
    lines += [f"  - {number(c.ratio)}: {c.name} ({duration(c.times['rushlight'].least)})" for c in slow]
    return "\n".join(lines)


def run(quick: bool, only: str = "", wanted: str = "", threads: int | None = None) -> tuple[dict[str, str], list[Cell]]:
    """Tables by name, and every cell."""
    rounds, seconds = (3, 0.012) if quick else (5, 0.04)
    sizes = [100, 100_000, 1_000_000] if quick else list(SHAPES)
    engines, limits = engines_installed(), measure(threads or cores())
    texts, cells = {}, []
    with Contest(engines, threads) as contest:
        if only != "elementwise":
            products = run_products(contest, limits, rounds, seconds * 2, wanted)
            texts["products"] = product_table(products)
            cells += products
        if only != "products":
            elementwise = run_elementwise(contest, limits, sizes, rounds, seconds, wanted, numpy=not quick)
            cells += elementwise.values()
            if elementwise:
                texts["elementwise"] = elementwise_table(elementwise)
    if not cells:
        raise SystemExit(f"no case has {wanted!r} in its name")
    texts["sweep summary"] = summary(cells)
    return texts, cells


def report(texts: dict[str, str], cells: list[Cell], each: bool) -> None:
    """Prints the tables, or with `each` one line a cell, the slowest first."""
    if each:
        for cell in sorted(cells, key=lambda cell: cell.ratio):
            print(cell)
    else:
        print("\n\n".join(texts.values()))


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--quick", action="store_true")
    ap.add_argument("--only", choices=["products", "elementwise"], default="")
    ap.add_argument("--filter", default="", help="part of a case's name")
    ap.add_argument("--threads", type=int, help="for both engines; each engine's default otherwise")
    ap.add_argument("--cells", action="store_true", help="one line a cell, the slowest first, instead of tables")
    args = ap.parse_args()
    texts, cells = run(args.quick, args.only, args.filter, args.threads)
    report(texts, cells, args.cells)


if __name__ == "__main__":
    main()
