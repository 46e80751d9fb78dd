#!/usr/bin/env python3
"""How good `rushlight fit` is with its defaults, and how long it takes: the tables of docs/tabular.md.

    benchmarks/tabular.py             # prints them; needs scikit-learn, and for the times PyTorch
    benchmarks/tabular.py --write     # puts them into docs/tabular.md, between their markers

Quality: each of scikit-learn's bundled sets is split five times into four fifths and one; the figure is the mean score
on the fifth, accuracy or R2.  All see the same rows.  Time: whole processes, in turn, the median of several.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "tabular.md"
SETS = ("iris", "wine", "breast_cancer", "digits", "diabetes")
SEEDS = range(5)


def quality() -> str:
    """Scores of rushlight's and of scikit-learn's networks."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from rushlight.tabular import RushlightClassifier, RushlightRegressor

    def contenders(regression: bool, seed: int) -> list:
        ours = RushlightRegressor if regression else RushlightClassifier
        theirs = MLPRegressor if regression else MLPClassifier
        return [
            ours(random_state=seed),
            ours(random_state=seed, early_stopping=True),
            theirs(random_state=seed, early_stopping=True),
            make_pipeline(StandardScaler(), theirs(random_state=seed, early_stopping=True)),
            make_pipeline(StandardScaler(), theirs(random_state=seed)),
        ]

    lines = [
        "| set | rushlight | with early stopping | MLP, early stopping | scaled MLP, early stopping | scaled MLP |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name in SETS:
        x, y = getattr(datasets, "load_" + name)(return_X_y=True)
        regression = name == "diabetes"
        scores = []
        for seed in SEEDS:
            rows = train_test_split(x, y, test_size=0.2, random_state=seed, stratify=None if regression else y)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # scikit-learn's, that its network has not converged
                scores.append(
                    [model.fit(rows[0], rows[2]).score(rows[1], rows[3]) for model in contenders(regression, seed)]
                )
        means = [f"{statistics.fmean(column):.3f}" for column in zip(*scores)]
        lines.append(f"| {name}{' (R2)' if regression else ''} | " + " | ".join(means) + " |")
    return "\n".join(lines)


TORCH = """
import numpy as np, torch
from torch import nn
xy = np.loadtxt({data!r}, delimiter=",", dtype=np.float32)
torch.manual_seed(0)
x, y = torch.from_numpy(xy[:, :-1]), torch.from_numpy(xy[:, [-1]])
model = nn.Sequential(nn.Linear(8, 6), nn.Sigmoid(), nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid())
criterion, optimizer = nn.BCELoss(), torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(100):
    loss = criterion(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        print(epoch, loss.item())
torch.save(model.state_dict(), {out!r})
"""

SKLEARN = """
import numpy as np, pickle
from sklearn.neural_network import MLPClassifier
xy = np.loadtxt({data!r}, delimiter=",", dtype=np.float32)
model = MLPClassifier((6, 4), activation="logistic", solver="sgd", learning_rate_init=0.1, momentum=0, alpha=0,
                      batch_size=len(xy), max_iter=100, tol=0, n_iter_no_change=100, random_state=0)
model.fit(xy[:, :-1], xy[:, -1])
pickle.dump(model, open({out!r}, "wb"))
"""


def diabetes_like(path: Path) -> None:
    """759 rows of eight numbers and a class, where the study note's file is not at hand."""
    from random import Random

    random = Random(0)
    with open(path, "w") as file:
        for _ in range(759):
            row = [random.uniform(-1, 1) for _ in range(8)]
            file.write(",".join(f"{value:.6f}" for value in row) + f",{int(sum(row[:3]) > 0)}\n")


def seconds(rounds: int) -> str:
    """Time from the start of a process to its end: 100 epochs over 759 rows of eight columns, and the model saved."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder, "data.csv")
        diabetes_like(data)
        fit = f"-m rushlight fit {data} --target -1 --no-header --hidden 6,4 --activation sigmoid --loss bce"
        fit += f" --optimizer sgd --lr 0.1 --epochs 100 --test-size 0 --no-standardize --no-pictures -o {folder}/model"
        commands = {"rushlight fit": fit.split()}
        for name, module, program in (
            ("a PyTorch program", "torch", TORCH),
            ("scikit-learn's MLP", "sklearn", SKLEARN),
        ):
            if subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True).returncode == 0:
                commands[name] = ["-c", program.format(data=str(data), out=f"{folder}/other")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            environment.pop(name, None)
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, arguments in commands.items():
                start = time.perf_counter()
                subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
                times[name].append(time.perf_counter() - start)
    ours = statistics.median(times["rushlight fit"])
    lines = ["| whole process | seconds | ratio |", "|---|---:|---:|"]
    for name, measured in times.items():
        lines.append(f"| {name} | {statistics.median(measured):.3f} | {statistics.median(measured) / ours:.1f} |")
    return "\n".join(lines)


def write(tables: dict[str, str]) -> None:
    """Puts each table between its markers."""
    page = PAGE.read_text()
    for name, table in tables.items():
        pattern = rf"(<!-- {name}: written by benchmarks/tabular.py -->\n).*?(<!-- end of {name} -->)"
        page, found = re.subn(
            pattern, lambda match, table=table: f"{match[1]}\n{table}\n\n{match[2]}", page, flags=re.S
        )
        if not found:
            raise SystemExit(f"{PAGE} has no markers for {name}")
    PAGE.write_text(page)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.relative_to(ROOT)}")
    parser.add_argument("--rounds", type=int, default=7, help="of each timed process")
    parser.add_argument("--only", choices=("quality", "time"))
    chosen = parser.parse_args()
    tables = {}
    if chosen.only != "time":
        tables["quality"] = quality()
    if chosen.only != "quality":
        tables["time"] = seconds(chosen.rounds)
    for table in tables.values():
        print(table, end="\n\n")
    if chosen.write:
        write(tables)


if __name__ == "__main__":
    main()
