"""Records what PyTorch draws, in random.json, for a test suite that has no PyTorch at hand.

    python tests/reference/make_random.py

needs PyTorch 2.13 on x86-64, on a processor with AVX2 that is not Intel's (there MKL draws some of
the numbers).  A test runs the same cases with `import rushlight as torch` and compares records:
`record(torch, name, seed)` against `load()["cases"][name][str(seed)]`.

A record has one line for each tensor: dtype, shape, CRC-32 of the bytes, the first three values.
The values are there to look at, and for C libraries other than glibc, whose log or sin may differ
in the last bit.
"""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path

FILE = Path(__file__).with_name("random.json")
SEEDS = 0, 42, 2**32 + 5
SIZES = 1, 5, 15, 16, 17, 100, 1000


def filled(method, *args, dtypes=("float32", "float64")):
    """x.method_(*args) for tensors of all sizes and dtypes, one after the other."""
    return lambda torch: [
        getattr(torch.empty(n, dtype=getattr(torch, dtype)), method)(*args) for dtype in dtypes for n in SIZES
    ]


def made(method, *dtypes):
    return lambda torch: [getattr(torch, method)(n, dtype=getattr(torch, d)) for d in dtypes for n in SIZES]


def sized(draw):
    return lambda torch: [draw(torch, n) for n in SIZES]


def ramp(torch, n, dtype="float32"):
    """n numbers rising through the open interval (0, 1)."""
    return torch.arange(1, n + 1, dtype=getattr(torch, dtype)) / (n + 1)


def interleaved(torch):
    drawn = [
        torch.rand(3),
        torch.randn(5),
        torch.randint(0, 7, (4,)),
        torch.randn(16),
        torch.randperm(6),
        torch.rand(1, dtype=torch.float64),
        torch.empty(3).exponential_(),
        torch.randn(1),
        torch.randn(1),
        torch.bernoulli(torch.full((5,), 0.3)),
        torch.randn(17, dtype=torch.float64),
        torch.empty(6).log_normal_()[:1],
        torch.randn(40, dtype=torch.float16),
    ]
    return [*drawn, torch.get_rng_state(), torch.rand(700), torch.get_rng_state()]


def state_round_trip(torch):
    torch.randn(7)
    state = torch.get_rng_state()
    first = torch.randn(9)
    torch.set_rng_state(state)
    return [state, first, torch.randn(9)]


def fork(torch):
    with torch.random.fork_rng():
        inside = torch.rand(3)
    return [inside, torch.rand(3)]


def generator(torch):
    g = torch.Generator()
    unseeded = torch.rand(2, generator=g)
    g.manual_seed(99)
    return [
        unseeded,
        torch.rand(5, generator=g),
        torch.randn(20, generator=g),
        torch.randperm(9, generator=g),
        torch.randint(10, (4,), generator=g),
        torch.empty(4).normal_(generator=g),
        torch.rand(3),
    ]


def multinomial(torch):
    rows = ramp(torch, 36).reshape(3, 12)
    return [
        torch.multinomial(rows[0], 5),
        torch.multinomial(rows, 4),
        torch.multinomial(rows.double(), 1),
        torch.multinomial(rows[0], 40, replacement=True),
        torch.multinomial(rows, 6, replacement=True),
    ]


def concentrations(torch):
    a = ramp(torch, 60) * 4
    return [
        torch.distributions.Gamma(a, torch.ones(60)).sample(),
        torch.distributions.Gamma(a.double(), 1.0).sample(),
        torch.distributions.Dirichlet(a.reshape(12, 5)).sample(),
        torch.distributions.Beta(a, a.flip(0)).sample(),
    ]


CASES = {
    "rand": made("rand", "float32", "float64", "float16", "bfloat16", "complex64"),
    "randn": made("randn", "float32", "float64", "float16", "bfloat16", "complex64", "complex128"),
    "shapes": lambda torch: [torch.rand(2, 3, 4), torch.randn(4, 5), torch.rand(()), torch.randn(())],
    "like": lambda torch: [torch.rand_like(torch.zeros(7)), torch.randn_like(torch.zeros(30)),
                           torch.randint_like(torch.zeros(30, dtype=torch.int64), 50)],
    "large": lambda torch: [torch.rand(40_003), torch.randn(40_003), torch.randn(40_003, dtype=torch.float64)],
    "uniform_": filled("uniform_", -2.0, 3.0, dtypes=("float32", "float64", "float16", "bfloat16")),
    "normal_": filled("normal_", -0.3, 0.7, dtypes=("float32", "float64", "float16", "bfloat16")),
    "normal tensors": sized(lambda torch, n: torch.normal(torch.zeros(n), ramp(torch, n))),
    "normal numbers": sized(lambda torch, n: torch.normal(2.0, 3.0, (n,))),
    "randint": lambda torch: [torch.randint(low, high, (n,)) for n in (1, 5, 100)
                              for low, high in ((0, 2), (-5, 1000), (0, 2**28 - 1), (0, 2**28), (-3, 2**40))],
    "randint dtypes": lambda torch: [
        torch.randint(0, 100, (20,), dtype=getattr(torch, dtype))
        for dtype in ("uint8", "int8", "int16", "int32", "float16", "bfloat16", "float32", "float64")],
    "random_": filled("random_", dtypes=("bool", "uint8", "int8", "int16", "int32", "int64",
                                         "bfloat16", "float16", "float32", "float64")),
    "random_ to": filled("random_", 17, dtypes=("int32", "int64", "float32")),
    "random_ from to": filled("random_", -3, 2**35, dtypes=("int64",)),
    "random_ all": filled("random_", -2**63, None, dtypes=("int64",)),
    "randperm": lambda torch: [torch.randperm(n) for n in (1, 2, 5, 16, 100, 1000, 40_000)],
    "bernoulli": sized(lambda torch, n: torch.bernoulli(ramp(torch, n))),
    "bernoulli float64": sized(lambda torch, n: torch.bernoulli(ramp(torch, n, "float64"))),
    "bernoulli_": filled("bernoulli_", 0.3, dtypes=("float32", "float64", "bool")),
    "exponential_": filled("exponential_", 1.7),
    "geometric_": filled("geometric_", 0.4, dtypes=("float32", "float64", "int64")),
    "cauchy_": filled("cauchy_", 0.5, 0.7),
    "log_normal_": filled("log_normal_", 0.5, 0.7),
    "poisson": sized(lambda torch, n: torch.poisson(ramp(torch, n) * 20)),
    "binomial": sized(lambda torch, n: torch.binomial(torch.full((n,), 57.0), ramp(torch, n))),
    "multinomial": multinomial,
    "gamma, dirichlet": concentrations,
    "not contiguous": lambda torch: [torch.empty(4, 6).t().normal_(), torch.empty(6, 4).t().uniform_(),
                                     torch.empty(40).double()[::2].normal_(), torch.empty(8, 4)[::2].random_(0, 10)],
    "dropout": lambda torch: [torch.nn.functional.dropout(torch.ones(n, dtype=dtype), 0.4)
                              for dtype in (torch.float32, torch.float64) for n in SIZES],
    "dropout kinds": lambda torch: [torch.nn.functional.dropout2d(torch.ones(3, 5, 2, 2), 0.5),
                                    torch.nn.functional.alpha_dropout(torch.ones(40), 0.3),
                                    torch.nn.functional.rrelu(-torch.ones(40), training=True)],
    "interleaved": interleaved,
    "state round trip": state_round_trip,
    "fork_rng": fork,
    "generator": generator,
}  # fmt: skip


def described(torch, tensor):
    flat = tensor.contiguous().reshape(-1)
    checksum = zlib.crc32(bytes(flat.view(torch.uint8).tolist()))
    values = torch.view_as_real(flat).reshape(-1) if flat.is_complex() else flat
    name = str(tensor.dtype).removeprefix("torch.")
    return f"{name} {list(tensor.shape)} {checksum:08x} {' '.join(map(repr, values[:3].tolist()))}"


def record(torch, name, seed):
    torch.manual_seed(seed)
    return [described(torch, tensor) for tensor in CASES[name](torch)]


def load():
    return json.loads(FILE.read_text())


def check_stream(torch):
    """bernoulli_ must take 64 bits of the generator for each element: with MKL it does not."""
    torch.manual_seed(0)
    torch.empty(3).bernoulli_(0.5)
    after = torch.rand(1)
    torch.manual_seed(0)
    torch.rand(6)
    if torch.backends.cpu.get_cpu_capability() != "AVX2" or not torch.equal(after, torch.rand(1)):
        raise SystemExit("this build of PyTorch draws other numbers: AVX2 and a non-Intel processor are needed")


def main():
    os.environ["ATEN_CPU_CAPABILITY"] = "avx2"
    import torch

    check_stream(torch)
    cases = {name: {str(seed): record(torch, name, seed) for seed in SEEDS} for name in CASES}
    FILE.write_text(json.dumps({"torch": torch.__version__, "cases": cases}, indent=0) + "\n")


if __name__ == "__main__":
    main()
