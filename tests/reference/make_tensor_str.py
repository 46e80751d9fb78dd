#!/usr/bin/env python3
"""Records how PyTorch prints tensors into tensor_str.json, for tests/test_tensor_str.py. Needs torch==2.13.0.

A case is an expression over `torch`, print options, and the text. Random cases are written out as literals, so that
they do not depend on a random stream.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import torch

DTYPES = ["float32", "float64", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool", "complex64"]

CHOSEN = [
    "torch.tensor(2.5)",
    "torch.tensor(3.)",
    "torch.tensor(-0.)",
    "torch.tensor(1e-5)",
    "torch.tensor(123456789.)",
    "torch.tensor(0.1 + 0.2, dtype=torch.float64)",
    "torch.tensor(float('nan'))",
    "torch.tensor(-float('inf'))",
    "torch.tensor(7)",
    "torch.tensor(True)",
    "torch.tensor(1 - 2.5j)",
    "torch.tensor([1., float('nan'), float('inf'), -2.])",
    "torch.tensor([1.5, float('nan'), -float('inf')])",
    "torch.tensor([float('nan')] * 3)",
    "torch.tensor([0., -0., 0.])",
    "torch.tensor([1000., 1., 0.5])",
    "torch.tensor([1001., 1.])",
    "torch.tensor([1001.5, 1.])",
    "torch.tensor([1e8, 2e8])",
    "torch.tensor([99999.99999, 100.5])",
    "torch.tensor([1e100, 1e-100], dtype=torch.float64)",
    "torch.tensor([])",
    "torch.tensor([], dtype=torch.int64)",
    "torch.zeros(0, 3)",
    "torch.zeros(2, 0, 3, dtype=torch.bool)",
    "torch.zeros(2, 3)",
    "torch.arange(10)",
    "torch.arange(1001)",
    "torch.arange(1000.)",
    "torch.arange(2000).view(40, 50)",
    "torch.arange(2000.).view(2, 20, 50)",
    "torch.arange(24).view(2, 3, 4)",
    "torch.arange(16).view(2, 2, 2, 2)",
    "torch.arange(6).view(2, 3).t()",
    "torch.arange(40) * 100",
    "torch.ones(30, dtype=torch.uint8)",
    "torch.ones(3, requires_grad=True)",
    "torch.ones(3, requires_grad=True) * 2",
    "(torch.ones(3, requires_grad=True) * 2).sum()",
    "torch.ones(10, 4, requires_grad=True) + 0.25",
    "torch.ones(26, dtype=torch.float64, requires_grad=True)",
    "torch.ones(2, 2, device='meta')",
    "torch.ones(2, device='meta', dtype=torch.int64)",
    "torch.nn.Parameter(torch.ones(2, 2))",
    "torch.nn.Parameter(torch.ones(2), requires_grad=False)",
    "torch.tensor([[1 + 2j, 3.5 - 1e-6j], [0j, 100 + 1j]])",
    "torch.tensor([1 + 1j], dtype=torch.complex128)",
]

OPTIONS = [
    {"precision": 2},
    {"precision": 0},
    {"precision": 8},
    {"sci_mode": True},
    {"sci_mode": False},
    {"linewidth": 40},
    {"linewidth": 120, "precision": 6},
    {"profile": "short"},
    {"profile": "full"},
    {"threshold": 5},
    {"threshold": 5, "edgeitems": 1},
    {"threshold": 3, "edgeitems": 2, "linewidth": 30, "sci_mode": True},
]


def number(dtype: str, scale: float, rng: random.Random) -> str:
    if dtype == "bool":
        return repr(rng.random() < 0.5)
    if "int" in dtype:
        low, high = (0, 255) if dtype == "uint8" else (-128, 127) if dtype == "int8" else (-30000, 30000)
        return repr(rng.randint(low, high))
    if dtype == "complex64":
        return f"complex({number('float32', scale, rng)}, {number('float32', scale, rng)})"
    if rng.random() < 0.03:
        return rng.choice(["float('nan')", "float('inf')", "-float('inf')", "-0."])
    return repr(float(f"{rng.gauss(0, 1) * scale:.6g}"))


def random_case(rng: random.Random) -> str:
    dtype = rng.choice(DTYPES)
    shape = [rng.randint(1, 5 if dims > 1 else 24) for dims in [rng.randint(1, 4)] for _ in range(dims)]
    scale = 10 ** rng.uniform(-3, 3 if dtype == "float16" else 6)
    values = ", ".join(number(dtype, scale, rng) for _ in range(math.prod(shape)))
    return f"torch.tensor([{values}], dtype=torch.{dtype}).view({', '.join(map(str, shape))})"


def record() -> list[dict]:
    rng = random.Random(20)
    plan: list[tuple[str, dict]] = [(case, {}) for case in CHOSEN]
    plan += [(case, options) for options in OPTIONS for case in rng.sample(CHOSEN, 8)]
    plan += [(random_case(rng), rng.choice(OPTIONS) if rng.random() < 0.5 else {}) for _ in range(120)]
    cases = []
    for make, options in plan:
        torch.set_printoptions(profile="default")
        torch.set_printoptions(**options)
        cases.append({"make": make, "options": options, "text": repr(eval(make, {"torch": torch}))})
    return cases


if __name__ == "__main__":
    path = Path(__file__).with_name("tensor_str.json")
    path.write_text("[\n" + ",\n".join(json.dumps(case) for case in record()) + "\n]\n")
    print(f"recorded with torch {torch.__version__}: {path}")
