"""A look at nearly every operation, for those that fall behind: sweep.py looks closely at few.

    python benchmarks/survey.py                           # about three minutes
    python benchmarks/survey.py --filter sort --cells     # the cells of some operations, the slowest first

Ratios are of the least times: PyTorch's over rushlight's, above 1 where rushlight is ahead.
"""

from __future__ import annotations

import argparse
import math
import re

from harness import Contest, duration, engines_installed, geometric_mean, number, table
from sweep import Cell, report

SHAPES = {
    "10×10": (10, 10),
    "100×100": (100, 100),
    "20 000×5": (20_000, 5),
    "5×20 000": (5, 20_000),
    "1000×1000": (1000, 1000),
}

# What statements may name; a case prepares what its statement does name, and what that needs.
OPERANDS = {
    "a": "torch.rand(n, m) * 0.998 + 0.001",
    "b": "torch.rand(n, m) * 0.9 + 0.05",
    "d": "a.double()",
    "i": "(a * 10).long()",
    "k": "a > 0.5",
    "u": "(a * 255).to(torch.uint8)",
    "h": "a.bfloat16()",
    "z": "torch.complex(a, b)",
    "o": "torch.zeros(n, m)",
    "rows": "torch.randperm(n)",
    "columns": "torch.randperm(m)",
    "at0": "torch.randint(0, n, (n, m))",
    "at1": "torch.randint(0, m, (n, m))",
    "labels": "torch.randint(0, m, (n,))",
    "edges": "torch.rand(100).sort().values",
    "table": "torch.randn(10, 16)",
    "x": "a.clone().requires_grad_()",
}

_EACH = """
    abs acos acosh angle asin asinh atan atanh ceil cos cosh deg2rad digamma erf erfc erfinv exp exp2 expm1 floor
    frac i0 isfinite isnan lgamma log log10 log1p log2 logit nan_to_num neg reciprocal round rsqrt sigmoid sign sin
    sinc sinh sqrt square tan tanh trunc
""".split()
_ACTIVATIONS = """
    celu elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish relu relu6 selu silu softplus
    softshrink softsign tanhshrink
""".split()
_PAIRS = """
    add atan2 copysign div eq floor_divide fmod hypot le logaddexp lt maximum minimum mul pow remainder sub xlogy
""".split()
_FOLDS = "all amax amin any argmax argmin count_nonzero logsumexp max mean min nansum prod std sum var".split()
_SCANS = "cummax cumprod cumsum logcumsumexp sort argsort median mode".split()


def _statements(text: str) -> list[str]:
    return [statement.strip() for statement in text.split(" |")]


FAMILIES = {
    "functions": [f"a.{f}()" for f in _EACH],
    "activations": [f"F.{f}(a)" for f in _ACTIVATIONS],
    "pairs": [f"torch.{f}(a, {other})" for f in _PAIRS for other in ("b", "b[0]", "b[:, :1]")],
    "with a number": _statements(
        "a + 1 | a * 2 | a / 3 | a ** 2 | a ** 3 | a ** 0.5 | a > 0.5 | a % 0.3 | a // 0.3 | 1 - a | 2 / a"
    ),
    "three operands": _statements("""
        torch.where(k, a, b) | torch.lerp(a, b, 0.3) | torch.addcmul(a, a, b) | torch.addcdiv(a, a, b) |
        a.clamp(0.2, 0.8)
    """),
    "other dtypes": _statements("""
        i + i | i * 3 | i // 3 | i % 3 | i & 3 | i << 1 | i == 3 | ~k | k & k | k.sum() | k.all(1) | i.sum(1) |
        i.sum(0) | i.max(1) | i.cumsum(1) | i.sort(1) | d + d | d.exp() | d.sin() | d.sum(1) | d.softmax(1) |
        u.float() / 255 | h + h | h.exp() | h.sum(1) | z * z | z.abs()
    """),
    "conversions": _statements("""
        a.clone() | a.double() | d.float() | a.long() | i.float() | k.float() | a.bfloat16() |
        a.t().contiguous() | a.t().reshape(-1)
    """),
    "reductions": [
        *(f"torch.{f}(a, {dim})" for f in _FOLDS for dim in (0, 1)),
        *(f"a.{f}()" for f in ("sum", "mean", "prod", "max", "argmax", "std", "norm", "any")),
        *("a.norm(dim=1)", "torch.var_mean(a, 1)", "torch.aminmax(a, dim=1)"),
    ],
    "order": [f"torch.{f}(a, {dim})" for f in _SCANS for dim in (0, 1)]
    + _statements("""
        a.topk(3, 1) | a.kthvalue(2, 1) | a.flatten().sort() | a.median() | torch.unique(i) |
        torch.bucketize(a, edges) | torch.bincount(i.flatten()) | torch.isin(i, i[0, :3])
    """),
    "movement": _statements("""
        torch.cat([a, b]) | torch.cat([a, b], 1) | torch.stack([a, b]) | torch.stack([a, b], 2) | a.flip(0) |
        a.flip(1) | a.roll(3) | a.roll(1, 1) | torch.rot90(a) | a.tril() | a.repeat(2, 2) |
        a.repeat_interleave(2, 1) | F.pad(a, (1, 1)) | F.pad(a[None], (1, 1), mode='reflect') | a.diff() |
        a.unfold(1, 3, 1).sum(-1) | a[None].expand(3, -1, -1).contiguous()
    """),
    "indexing": _statements("""
        a[rows] | a[:, columns] | a[k] | a.index_select(1, columns) | a.gather(0, at0) | a.gather(1, at1) |
        a.take(at1) | a.scatter(1, at1, b) | a.scatter_add(0, at0, b) | a.scatter_add(1, at1, b) |
        a.index_add(0, rows, b) | a.index_add(1, columns, b) | a.index_fill(0, rows, 1.0) |
        a.masked_fill(k, 0.0) | a.nonzero() | F.one_hot(i[:, 0], 10) | F.embedding(i, table) |
        o.__setitem__(k, 0.0) | o.__setitem__(rows, a)
    """),
    "creation": _statements("""
        torch.zeros(n, m) | torch.full((n, m), 2.0) | torch.arange(n * m) | torch.linspace(0, 1, n * m) |
        torch.rand(n, m) | torch.randn(n, m) | torch.randint(0, 9, (n, m)) | torch.randperm(n * m) |
        torch.bernoulli(a) | o.fill_(0.3) | o.copy_(a) | o.add_(a) | o.mul_(1.0)
    """),
    "softmax, norms, losses": _statements("""
        a.softmax(0) | a.softmax(1) | a.log_softmax(1) | F.layer_norm(a, (m,)) | F.rms_norm(a, (m,)) |
        F.batch_norm(a, None, None, training=True) | F.group_norm(a, 1) | F.normalize(a) |
        F.cosine_similarity(a, b) | F.mse_loss(a, b) | F.l1_loss(a, b) | F.smooth_l1_loss(a, b) |
        F.binary_cross_entropy(a, b) | F.binary_cross_entropy_with_logits(a, b) | F.cross_entropy(a, labels) |
        F.cross_entropy(a, b) | F.nll_loss(a, labels) | F.kl_div(a, b, reduction='sum') |
        F.multi_margin_loss(a, labels) | F.gaussian_nll_loss(a, b, b) | F.dropout(a, 0.5) |
        F.glu(a[:, : m // 2 * 2])
    """),
    "by hand": _statements("""
        (a - a.mean(0)) / a.std(0) | a.exp() / a.exp().sum(1, keepdim=True) | a / a.norm(dim=1, keepdim=True) |
        ((a - b) ** 2).mean().sqrt() | (a > b).float().mean() | a * torch.sigmoid(a) |
        (a.argmax(1) == labels).float().mean() | ((a[:50, None] - b[None, :50]) ** 2).sum(-1) |
        torch.einsum('ij,ij->i', a, b)
    """),
    "backward": [
        f"x.grad = None; ({e}).sum().backward()"
        for e in _statements("""
        x.exp() | x.tanh() | F.gelu(x) | F.silu(x) | x * b | x * b[0] | x * b[:, :1] | x / b | x ** 2 |
        x.clamp(0.2, 0.8) | torch.where(k, x, b) | x.masked_fill(k, 0.0) | x.mean(0) | x.std(1) | x.amax(1) |
        x.max(1).values | x.norm(dim=1) | x.logsumexp(1) | x.softmax(1) ** 2 | x.log_softmax(1) | x.cumsum(1) |
        x.sort(1).values | x.topk(2, 1).values | torch.cat([x, x], 1) | x[rows] | x[:, ::2] | x.gather(1, at1) |
        x.flip(1) | F.layer_norm(x, (m,)) | F.batch_norm(x, None, None, training=True) | F.mse_loss(x, b) |
        F.cross_entropy(x, labels) | F.binary_cross_entropy(x, b) | (x - x.mean(0)) / (x.std(0) + 1e-5)
    """)
    ],
}


def setup_of(statement: str, n: int, m: int) -> str:
    """Source that makes the operands of a statement, each before those that need it."""
    needed: dict[str, None] = {}

    def need(text: str) -> None:
        for name in re.findall(r"(?<![.\w])[a-z]\w*", text):
            if name in OPERANDS and name not in needed:
                need(OPERANDS[name])
                needed[name] = None

    need(statement)
    return "\n".join([f"torch.manual_seed(0); n, m = {n}, {m}", *(f"{name} = {OPERANDS[name]}" for name in needed)])


def run(wanted: str = "", threads: int | None = None) -> tuple[dict[str, str], list[Cell]]:
    """Tables by name, and every cell."""
    cells: dict[tuple[str, str], list[Cell]] = {}
    with Contest([e for e in engines_installed() if e != "numpy"], threads) as contest:
        for family, statements in FAMILIES.items():
            for shape, sizes in SHAPES.items():
                for statement in statements:
                    if wanted not in statement:
                        continue
                    source = (setup_of(statement, *sizes), statement)
                    times = contest.time({"rushlight": source, "torch": source}, rounds=4, seconds=0.004)
                    cell = Cell(f"`{statement}`, {shape}", sizes[0] * sizes[1], times, math.nan)
                    cells.setdefault((family, shape), []).append(cell)
    every = [cell for group in cells.values() for cell in group]
    if not every:
        raise SystemExit(f"no statement has {wanted!r} in it")
    return {"survey": _table(cells), "survey summary": summary(every)}, every


def _table(cells: dict[tuple[str, str], list[Cell]]) -> str:
    rows = []
    for family in dict.fromkeys(family for family, _ in cells):
        groups = [cells.get((family, shape), []) for shape in SHAPES]
        least = min((cell.ratio for group in groups for cell in group), default=math.nan)
        means = [number(geometric_mean([cell.ratio for cell in group])) for group in groups]
        rows.append([family, str(len(groups[0])), *means, number(least)])
    return table(["family", "statements", *SHAPES, "least"], rows)


def summary(cells: list[Cell]) -> str:
    slow = sorted((cell for cell in cells if cell.ratio < 0.8), key=lambda cell: cell.ratio)
    lines = [
        f"- {len(cells)} cells, geometric mean {number(geometric_mean([cell.ratio for cell in cells]))}",
        f"- below 0.8: {len(slow)}",
    ]
    return "\n".join(
        [*lines, *(f"  - {number(c.ratio)}: {c.name} ({duration(c.times['rushlight'].least)})" for c in slow)]
    )


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--filter", default="", help="part of a statement")
    ap.add_argument("--threads", type=int, help="for both engines; each engine's default otherwise")
    ap.add_argument("--cells", action="store_true", help="one line a cell, the slowest first, instead of tables")
    args = ap.parse_args()
    texts, cells = run(args.filter, args.threads)
    report(texts, cells, args.cells)


if __name__ == "__main__":
    main()
