"""What one call costs: nanoseconds of small operations and of the Python around them, beside PyTorch and NumPy.

    python benchmarks/micro.py                            # every case, engines in turn
    python benchmarks/micro.py --filter Adam --rounds 9
    python benchmarks/micro.py --instructions             # instructions per call, counted by callgrind

One thread; each figure is the least of all stretches of calls, without the loop around them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from dataclasses import dataclass

from harness import HERE, Contest, engines_installed, environment, geometric_mean, number, table


@dataclass
class Case:
    setup: str
    statement: str
    numpy: tuple[str, str] | None = None  # setup and statement; the array module is `np`


_PARAMETERS = """
p = [torch.ones(5, requires_grad=True) for _ in range(4)]
for q in p: q.grad = torch.ones(5)
"""
_SCHEDULED = _PARAMETERS + "o = torch.optim.SGD(p)\n"
_NET = """
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = torch.nn.Linear(2, 5)
        self.act = torch.nn.ReLU()
        self.fc2 = torch.nn.Linear(5, 1)
        self.scale = torch.nn.Parameter(torch.ones(1))
        self.register_buffer("mean", torch.zeros(2))
        self.width = 5
    def forward(self, x):
        return x
net = Net()
"""
_LAYERS = "nn = torch.nn\nm = nn.Sequential(*[nn.Linear(1, 1) for _ in range(5)])\nx = torch.ones(1, 1)\n"
_PAIR = "a, b = torch.randn(32, 1), torch.rand(32, 1)\nnn = torch.nn\n"
_BN = (
    "m = torch.nn.Sequential(*[torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)) for _ in range(4)])"
)
_DATA = "D = torch.utils.data; data = D.TensorDataset(torch.randn(3200, 8), torch.randn(3200, 1))\n"
_EPOCH = "for batch in loader: pass"


def _optimizer(made: str) -> Case:
    return Case(_PARAMETERS + f"o = torch.optim.{made}\no.step()", "o.step()")


def _loader(made: str, before: str = "") -> Case:
    return Case(f"{_DATA}{before}\nloader = {made}", _EPOCH)


OPERATIONS = {
    "a + b": Case("a, b = torch.ones(1), torch.ones(1)", "a + b", ("a, b = np.ones(1, 'f'), np.ones(1, 'f')", "a + b")),
    "a + b, 100 elements": Case(
        "a, b = torch.ones(100), torch.ones(100)", "a + b", ("a, b = np.ones(100, 'f'), np.ones(100, 'f')", "a + b")
    ),
    "a + b, with gradient": Case("a, b = torch.ones(1, requires_grad=True), torch.ones(1)", "a + b"),
    "a * 2.0": Case("a = torch.ones(1)", "a * 2.0", ("a = np.ones(1, 'f')", "a * 2.0")),
    "a.add_(b)": Case("a, b = torch.ones(1), torch.zeros(1)", "a.add_(b)"),
    "a[0]": Case("a = torch.ones(4)", "a[0]", ("a = np.ones(4, 'f')", "a[0]")),
    "a[1:3]": Case("a = torch.ones(4)", "a[1:3]", ("a = np.ones(4, 'f')", "a[1:3]")),
    "a[:, 0]": Case("a = torch.ones(4, 4)", "a[:, 0]", ("a = np.ones((4, 4), 'f')", "a[:, 0]")),
    "a[0] = 1.0": Case("a = torch.ones(4)", "a[0] = 1.0", ("a = np.ones(4, 'f')", "a[0] = 1.0")),
    "a.sum()": Case("a = torch.ones(4)", "a.sum()", ("a = np.ones(4, 'f')", "a.sum()")),
    "a.mean(1, keepdim=True)": Case(
        "a = torch.ones(4, 4)", "a.mean(1, keepdim=True)", ("a = np.ones((4, 4), 'f')", "a.mean(1, keepdims=True)")
    ),
    "relu(a)": Case("a = torch.ones(4)", "torch.relu(a)"),
    "a @ b, 2x2": Case(
        "a = torch.ones(2, 2)", "a @ a", ("a = np.ones((2, 2), 'f')", "a @ a")
    ),
    "F.linear, 80x2 -> 5": Case("x, w, b = torch.ones(80, 2), torch.ones(5, 2), torch.ones(5)", "F.linear(x, w, b)"),
    "a.view(-1)": Case("a = torch.ones(2, 2)", "a.view(-1)", ("a = np.ones((2, 2), 'f')", "a.reshape(-1)")),
    "a.shape": Case("a = torch.ones(2, 2)", "a.shape", ("a = np.ones((2, 2), 'f')", "a.shape")),
    "a.item()": Case("a = torch.ones(1)", "a.item()", ("a = np.ones(1, 'f')", "a.item()")),
    "a.tolist(), 100": Case("a = torch.ones(100)", "a.tolist()", ("a = np.ones(100, 'f')", "a.tolist()")),
    "tensor([1., 2.])": Case("", "torch.tensor([1., 2.])", ("", "np.array([1., 2.], 'f')")),
    "zeros(3)": Case("", "torch.zeros(3)", ("", "np.zeros(3, 'f')")),
    "cat, stack of two": Case("a, b = torch.ones(4), torch.ones(4)", "torch.cat((a, b)); torch.stack((a, b))",
                              ("a, b = np.ones(4, 'f'), np.ones(4, 'f')", "np.concatenate((a, b)); np.stack((a, b))")),
    "(w * w).backward()": Case("w = torch.ones((), requires_grad=True)", "(w * w).backward()"),
    "chain of 10, backward": Case(
        "w = torch.ones(4, requires_grad=True)", "y = w\nfor _ in range(10): y = y * 1.5\ny.sum().backward()"
    ),
    "with no_grad()": Case("", "with torch.no_grad(): pass"),
    "w.detach()": Case("w = torch.ones(4, requires_grad=True)", "w.detach()"),
}  # fmt: skip
MODULES = {
    "Identity()(x)": Case("m = torch.nn.Identity(); x = torch.ones(1)", "m(x)"),
    "Net()(x), forward in Python": Case(_NET + "x = torch.ones(1)", "net(x)"),
    "Linear(2, 5)(x)": Case("m = torch.nn.Linear(2, 5); x = torch.ones(80, 2)", "m(x)"),
    "ReLU()(x)": Case("m = torch.nn.ReLU(); x = torch.ones(4)", "m(x)"),
    "Dropout()(x), training": Case("m = torch.nn.Dropout(); x = torch.ones(4)", "m(x)"),
    "Dropout()(x), evaluation": Case("m = torch.nn.Dropout().eval(); x = torch.ones(4)", "m(x)"),
    "BatchNorm1d(4)(x), training": Case("m = torch.nn.BatchNorm1d(4); x = torch.randn(8, 4)", "m(x)"),
    "LayerNorm(4)(x)": Case("m = torch.nn.LayerNorm(4); x = torch.randn(8, 4)", "m(x)"),
    "Embedding(9, 4)(i)": Case("m = torch.nn.Embedding(9, 4); i = torch.arange(3)", "m(i)"),
    "Sequential of 5 Linear": Case(_LAYERS, "m(x)"),
    "net.fc1, a module": Case(_NET, "net.fc1"),
    "net.scale, a parameter": Case(_NET, "net.scale"),
    "net.mean, a buffer": Case(_NET, "net.mean"),
    "net.training": Case(_NET, "net.training"),
    "net.width = 6": Case(_NET, "net.width = 6"),
    "net.scale = Parameter": Case(_NET + "p = net.scale", "net.scale = p"),
    "m[2], of Sequential": Case(_LAYERS, "m[2]"),
    "for layer in Sequential": Case(_LAYERS, "for layer in m: pass"),
    "for layer in ModuleList": Case(_LAYERS + "m = nn.ModuleList(list(m))", "for layer in m: pass"),
    "ModuleDict['a']": Case("m = torch.nn.ModuleDict({'a': torch.nn.Identity()})", "m['a']"),
    "for p in ParameterList": Case("m = torch.nn.ParameterList([torch.ones(1) for _ in range(5)])", "for p in m: pass"),
    "len(m)": Case(_LAYERS, "len(m)"),
    "m.train(); m.eval(), 5 layers": Case(_LAYERS, "m.train(); m.eval()"),
    "list(m.parameters()), 5 layers": Case(_LAYERS, "list(m.parameters())"),
    "list(m.named_parameters())": Case(_LAYERS, "list(m.named_parameters())"),
    "list(m.modules())": Case(_LAYERS, "list(m.modules())"),
    "list(m.children())": Case(_LAYERS, "list(m.children())"),
    "m.state_dict(), 8 layers": Case(_BN, "m.state_dict()"),
    "m.load_state_dict(), 8 layers": Case(_BN + "\ns = m.state_dict()", "m.load_state_dict(s)"),
    "m.zero_grad()": Case(_LAYERS + "m(x).sum().backward()", "m.zero_grad()"),
    "m.requires_grad_(True)": Case(_LAYERS, "m.requires_grad_(True)"),
    "m.to('cpu'), 5 layers": Case(_LAYERS, "m.to('cpu')"),
    "m.apply(f), 5 layers": Case(_LAYERS + "def f(layer): pass", "m.apply(f)"),
    "Linear(2, 5)": Case("", "torch.nn.Linear(2, 5)"),
    "forward hook": Case(
        "m = torch.nn.Identity(); x = torch.ones(1); m.register_forward_hook(lambda *a: None)", "m(x)"
    ),
    "copy.deepcopy(m), 5 layers": Case(_LAYERS + "import copy", "copy.deepcopy(m)"),
}
LOSSES = {
    name: Case(f"{_PAIR}{more}\nf = nn.{made}", "f(a, b)")
    for name, made, more in (
        ("MSELoss()(a, b)", "MSELoss()", ""),
        ("L1Loss()(a, b)", "L1Loss()", ""),
        ("SmoothL1Loss()(a, b)", "SmoothL1Loss()", ""),
        ("HuberLoss()(a, b)", "HuberLoss()", ""),
        ("BCELoss()(a, b)", "BCELoss()", "a = torch.rand(32, 1)"),
        ("BCEWithLogitsLoss()(a, b)", "BCEWithLogitsLoss()", ""),
        ("CrossEntropyLoss()(a, b)", "CrossEntropyLoss()", "a, b = torch.randn(32, 10), torch.randint(10, (32,))"),
        ("NLLLoss()(a, b)", "NLLLoss()", "a, b = torch.randn(32, 10), torch.randint(10, (32,))"),
        ("KLDivLoss()(a, b)", "KLDivLoss(reduction='batchmean')", ""),
        ("PoissonNLLLoss()(a, b)", "PoissonNLLLoss()", ""),
        ("HingeEmbeddingLoss()(a, b)", "HingeEmbeddingLoss()", "b = b.round() * 2 - 1"),
        ("SoftMarginLoss()(a, b)", "SoftMarginLoss()", "b = b.round() * 2 - 1"),
    )
}
OPTIMIZERS = {
    "SGD(...).step(), 4 parameters": _optimizer("SGD(p, lr=0.1)"),
    "SGD(momentum=0.9).step()": _optimizer("SGD(p, lr=0.1, momentum=0.9)"),
    "Adam(...).step()": _optimizer("Adam(p)"),
    "AdamW(...).step()": _optimizer("AdamW(p)"),
    "RMSprop(...).step()": _optimizer("RMSprop(p)"),
    "Adagrad(...).step()": _optimizer("Adagrad(p)"),
    "Adadelta(...).step()": _optimizer("Adadelta(p)"),
    "NAdam(...).step()": _optimizer("NAdam(p)"),
    "zero_grad()": Case(_PARAMETERS + "o = torch.optim.SGD(p)", "o.zero_grad()"),
    "zero_grad(set_to_none=False)": Case(_PARAMETERS + "o = torch.optim.SGD(p)", "o.zero_grad(set_to_none=False)"),
    "clip_grad_norm_, 4 parameters": Case(_PARAMETERS, "torch.nn.utils.clip_grad_norm_(p, 1e9)"),
    "clip_grad_value_": Case(_PARAMETERS, "torch.nn.utils.clip_grad_value_(p, 9.0)"),
    "o.param_groups[0]['lr'] = 0.1": Case(_PARAMETERS + "o = torch.optim.SGD(p)", "o.param_groups[0]['lr'] = 0.1"),
    "StepLR.step()": Case(
        _SCHEDULED + "s = torch.optim.lr_scheduler.StepLR(o, 10, 0.999)\no.step()",
        "s.step()",
    ),
    "CosineAnnealingLR.step()": Case(
        _PARAMETERS
        + "o = torch.optim.SGD(p)\no.step()\ns = torch.optim.lr_scheduler.CosineAnnealingLR(o, 10)\no.step()",
        "s.step()",
    ),
    "o.state_dict(), Adam": Case(_PARAMETERS + "o = torch.optim.Adam(p)\no.step()", "o.state_dict()"),
    "SGD(m.parameters())": Case(_LAYERS, "torch.optim.SGD(m.parameters(), lr=0.1)"),
}
_OWN = """
D = torch.utils.data
class Own(D.Dataset):
    def __init__(self, rows): self.rows = rows
    def __len__(self): return len(self.rows)
    def __getitem__(self, i): return self.rows[i]
x, y = list(torch.randn(3200, 8)), list(range(3200))
"""
DATA = {
    "TensorDataset, batches of 32": _loader("D.DataLoader(data, 32)"),
    "TensorDataset, shuffle": _loader("D.DataLoader(data, 32, shuffle=True)"),
    "TensorDataset, batches of 1": _loader("D.DataLoader(data, 1, shuffle=True)"),
    "TensorDataset, batches of 7": _loader("D.DataLoader(data, 7, shuffle=True)"),
    "TensorDataset, batches of 256": _loader("D.DataLoader(data, 256, shuffle=True)"),
    "random_split, shuffle": _loader("D.DataLoader(D.random_split(data, [0.8, 0.2])[0], 32, shuffle=True)"),
    "ConcatDataset, shuffle": _loader("D.DataLoader(D.ConcatDataset([data, data]), 32, shuffle=True)"),
    "SubsetRandomSampler": _loader("D.DataLoader(data, 32, sampler=D.SubsetRandomSampler(range(3200)))"),
    "WeightedRandomSampler": _loader("D.DataLoader(data, 32, sampler=D.WeightedRandomSampler(torch.rand(3200), 3200))"),
    "batch_sampler": _loader("D.DataLoader(data, batch_sampler=D.BatchSampler(D.RandomSampler(data), 32, False))"),
    "generator, drop_last": _loader(
        "D.DataLoader(data, 32, shuffle=True, drop_last=True, generator=torch.Generator().manual_seed(1))"
    ),
    "collate_fn of one's own": _loader(
        "D.DataLoader(data, 32, shuffle=True, collate_fn=lambda rows: torch.stack([x for x, _ in rows]))"
    ),
    "Dataset of one's own: (tensor, int)": Case(
        _OWN + "loader = D.DataLoader(Own(list(zip(x, y))), 32, shuffle=True)", _EPOCH
    ),
    "the same: tensor": Case(_OWN + "loader = D.DataLoader(Own(x), 32, shuffle=True)", _EPOCH),
    "the same: float": Case(_OWN + "loader = D.DataLoader(Own([float(i) for i in y]), 32, shuffle=True)", _EPOCH),
    "the same: array": Case(_OWN + "loader = D.DataLoader(Own([t.numpy() for t in x]), 32, shuffle=True)", _EPOCH),
    "the same: dict": Case(
        _OWN + "loader = D.DataLoader(Own([{'x': a, 'y': float(b)} for a, b in zip(x, y)]), 32, shuffle=True)", _EPOCH
    ),
    "default_collate, 32 tensors": Case(_OWN + "rows = x[:32]", "D.default_collate(rows)"),
    "default_collate, 32 floats": Case(_OWN + "rows = [float(i) for i in range(32)]", "D.default_collate(rows)"),
    "default_collate, 32 (tensor, int)": Case(_OWN + "rows = list(zip(x, y))[:32]", "D.default_collate(rows)"),
}
SECTIONS = {
    "operations": OPERATIONS,
    "modules": MODULES,
    "losses": LOSSES,
    "optimizers": OPTIMIZERS,
    "data": DATA,
}


def instructions(case: Case) -> int:
    """Counts a loop of 2000 calls against one of 1000, so that start-up cancels out."""
    fixed = {**environment(1), "PYTHONHASHSEED": "0"}  # or the dicts of two runs would differ
    program = (
        "import sys, timeit, rushlight; sys.modules['torch'] = rushlight\n"
        "import torch, torch.nn.functional as F, torch.optim, torch.utils.data\n"
        f"timeit.Timer({case.statement!r}, {case.setup!r}, globals=globals()).timeit(int(sys.argv[1]))"
    )

    def count(n: int) -> int:
        valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        command = [*valgrind, sys.executable, "-c", program, str(n)]
        done = subprocess.run(command, cwd=HERE, env=fixed, capture_output=True, text=True, timeout=600, check=True)
        return int(next(line for line in done.stderr.splitlines() if "Collected" in line).split()[-1])

    return (count(2000) - count(1000)) // 1000


def run(rounds: int, wanted: str = "", counted: bool = False, section: str = "") -> str:
    engines = engines_installed()
    rows, ratios = [], []
    with Contest(engines, threads=1) as contest:
        for title, cases in SECTIONS.items():
            for name, case in cases.items():
                if wanted not in name or section not in title:
                    continue
                sources = {engine: (case.setup, case.statement) for engine in engines if engine != "numpy"}
                if case.numpy and "numpy" in engines:
                    sources["numpy"] = case.numpy
                seconds = {engine: t.least for engine, t in contest.time(sources, rounds, 0.02).items()}
                row = [f"{title}: `{name}`", *[f"{1e9 * seconds[e]:.0f}" if e in seconds else "-" for e in engines]]
                if "torch" in seconds:
                    ratios.append(seconds["torch"] / seconds["rushlight"])
                    row.insert(3, number(ratios[-1]))
                if counted:
                    row.append(str(instructions(case)))
                rows.append(row)
    head = [
        "one call, ns",
        "rushlight",
        *["PyTorch", "ratio"] * ("torch" in engines),
        *["NumPy"] * ("numpy" in engines),
    ]
    text = table(head + ["instructions"] * counted, rows)
    return f"{text}\n\nGeometric mean of the ratios: {number(geometric_mean(ratios))}." if ratios else text


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--filter", default="", help="part of a case's name")
    ap.add_argument("--section", default="", choices=["", *SECTIONS])
    ap.add_argument("--rounds", type=int, default=5)
    ap.add_argument("--instructions", action="store_true")
    args = ap.parse_args()
    print(run(args.rounds, args.filter, args.instructions, args.section))


if __name__ == "__main__":
    main()
