"""The fit of a folder as a program in plain PyTorch, written as one would write it by hand.

It reads the same data and ends with the same weights, bit for bit, because a fit does nothing that such a program
cannot say: rows are split by one permutation, layers are made in order after one seed, sums of columns are exact.
A section of the program is a method here that returns its lines; what a model does not need, its program does not have.
"""

from __future__ import annotations

import json
import os
from textwrap import wrap

from rushlight.tabular.errors import DataError
from rushlight.tabular.examples import EXAMPLES, SKLEARN
from rushlight.tabular.fitting import outline
from rushlight.tabular.images import ENDINGS
from rushlight.tabular.preprocess import CategoryFeature, NumberFeature
from rushlight.tabular.settings import LOSSES, OPTIMIZERS
from rushlight.tabular.source import DECIMAL_COMMA, find_array, open_arrays
from rushlight.tabular.table import MISSING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.nn import Module
    from rushlight.tabular.run import Run

WIDTH = 100


def quoted(value: Any) -> str:
    """A literal of text, numbers or a list of them; also what keeps names in comments on their line."""
    return json.dumps(value, ensure_ascii=False)


def listed(name: str, values: list[Any]) -> list[str]:
    """An assignment of a list, over several lines if it is long."""
    line = f"{name} = {quoted(values)}"
    if len(line) <= WIDTH:
        return [line]
    items = wrap(", ".join(map(quoted, values)), WIDTH - 4, break_long_words=False, break_on_hyphens=False)
    return [f"{name} = [", *[f"    {item}" for item in items], "]"]


class Program:
    """The program of a run; `data` is the path that it reads, where the run's own name of its data is not one."""

    def __init__(self, run: Run, data: str | None = None) -> None:
        self.run, self.settings, self.preprocess, self.target = run, run.settings, run.preprocess, run.target
        if run.results["status"] != "complete":
            raise DataError(f"{run.folder} is of a run that was interrupted: go on with `rushlight fit --resume` first")
        self.data = data or run.origin
        self.is_image = self.preprocess.kind == "image"
        self.rows = run.results["rows"]
        self.splits = self.rows["test"] + self.rows["validation"] > 0
        self.validates = self.rows["validation"] > 0
        self.imports: set[str] = set()
        self.math: set[str] = set()  # names from that module
        self.features: list[Any] = [] if self.is_image else self.preprocess.features
        # One matrix does, unless a column is text or says beside itself which of its values are missing.
        self.is_matrix = all(isinstance(f, NumberFeature) and not f.order and not f.indicator for f in self.features)
        # Rows that were not trained on may have gaps that the preprocessing does not tell of; examples have none.
        may_have = self.splits and run.origin not in EXAMPLES
        self.has_gaps = may_have or any(feature.indicator for feature in self.features)

    def text(self) -> str:
        """The whole program."""
        sections = [
            ("Read the data", self.images() if self.is_image else self.table()),
            ("The target", self.read_target()),
            ("Split the rows: the parts of each class are in proportion", self.split()),
            ("Columns become inputs", self.inputs()),
            ("Build the network", self.network()),
            ("Train it", self.training()),
            ("Judge it on rows that it has not seen", self.judging()),
        ]
        body = [line for name, lines in sections if lines for line in ("", f"# {name}", *lines)]
        saved = os.path.basename(os.path.abspath(self.run.folder or "model")) + ".pt"
        body += ["", f"torch.save(model.state_dict(), {quoted(saved)})"]
        return "\n".join([*self.docstring(), "", *self.import_lines(), *body, ""])

    def docstring(self) -> list[str]:
        return [
            f'"""Trains a network ({outline(self.settings, self.run.model)}) to predict {quoted(self.target.name)} '
            f"from {quoted(self.run.origin)}.",
            "",
            "On PyTorch and on rushlight alike, it gets the losses and weights of the `rushlight fit` that it was",
            "exported from.",
            '"""',
        ]

    def import_lines(self) -> list[str]:
        wanted = {*self.imports, "import torch", "from torch import nn"}
        if self.math:
            wanted.add(f"from math import {', '.join(sorted(self.math))}")
        lines = sorted(wanted, key=lambda line: (line.startswith("from"), line))
        standard = [line for line in lines if line.split()[1] in STANDARD]
        others = [line for line in lines if line not in standard]
        return [*standard, "", *others] if standard else others

    # Data

    def table(self) -> list[str]:
        """`table`: the cells of each column by name."""
        origin, settings = self.run.origin, self.settings
        if origin == "blobs":
            self.imports.add("from random import Random")
            return BLOBS.splitlines()
        if origin in SKLEARN:
            self.imports.add("from sklearn.datasets import load_" + origin)
            target = "target_names[bundle.target]" if self.target.classes and origin != "digits" else "target"
            return [
                f"bundle = load_{origin}()",
                "table = dict(zip(bundle.feature_names, bundle.data.T.tolist()))",
                f'table["target"] = bundle.{target}.tolist()',
            ]
        lowered = origin.lower()
        if lowered.endswith(".npz"):
            y, x, arrays = self.archive()
            names = f"archive[{quoted('feature_names')}].tolist()"
            if "feature_names" not in arrays:
                names = f'[f"x{{i}}" for i in range(archive[{quoted(x)}].shape[1])]'
            return [
                f"archive = np.load({quoted(self.data)})",
                f"table = dict(zip({names}, archive[{quoted(x)}].T.tolist()))",
                f"table[{quoted(self.target.name)}] = archive[{quoted(y)}].ravel().tolist()",
            ]
        if lowered.endswith((".parquet", ".pq")):
            self.imports.add("from pyarrow import parquet")
            lines = [f"table = parquet.read_table({quoted(self.data)}).to_pydict()"]
        elif lowered.removesuffix(".gz").endswith((".csv", ".tsv", ".tab", ".txt")):
            lines = self.text_file()
        else:
            raise DataError(f"{self.run.folder} was fitted to data in memory: save them to a .csv file, and fit that")
        return lines + [f"del table[{quoted(name)}]" for name in settings.drop]

    def text_file(self) -> list[str]:
        """A .csv or .tsv file, compressed or not."""
        settings, columns = self.settings, self.preprocess.columns
        self.imports.add("import csv")
        encoding = "utf-8-sig" if settings.encoding.lower() in ("utf-8", "utf8") else settings.encoding
        opening = f'open({quoted(self.data)}, newline="", encoding={quoted(encoding)})'
        if self.run.origin.lower().endswith(".gz"):
            self.imports.add("import gzip")
            opening = "gzip." + opening.replace(", newline", ', "rt", newline', 1)
        tabbed = self.run.origin.lower().removesuffix(".gz").endswith((".tsv", ".tab"))
        delimiter = settings.delimiter or ("\t" if tabbed else ",")
        more = f"delimiter={quoted(delimiter)}, " if delimiter != "," else ""
        lines = [
            f"with {opening} as file:",
            f"    rows = [row for row in csv.reader(file, {more}skipinitialspace=True) if row]",
        ]
        if settings.decimal == ",":
            self.imports.add("import re")
            first = "1:" if self.preprocess.named else ":"
            lines += [
                f'decimal = re.compile(r"{DECIMAL_COMMA}")  # 1.234,5',
                f"rows[{first}] = [",
                '    [cell.replace(".", "").replace(",", ".") if decimal.fullmatch(cell) else cell for cell in row]',
                f"    for row in rows[{first}]",
                "]",
            ]
        if not self.preprocess.named:
            return [*lines, 'table = {f"x{i}": column for i, column in enumerate(zip(*rows))}']
        unnamed = any(name == f"x{i}" for i, name in enumerate(columns))
        names = '[name.strip() or f"x{i}" for i, name in enumerate(rows[0])]' if unnamed else "map(str.strip, rows[0])"
        return [*lines, f"table = dict(zip({names}, zip(*rows[1:])))"]

    def archive(self) -> tuple[str, str, dict[str, Any]]:
        """Names of the target's and of the inputs' array, and the arrays, of which the file alone tells."""
        self.imports.add("import numpy as np")
        if not os.path.exists(self.data):
            raise DataError(f"no file {self.data} here: say --data, where the .npz file lies that was fitted to")
        arrays = open_arrays(self.data)
        y, x = find_array(arrays, self.data, self.settings.target)
        return str(y), next(name for name, array in arrays.items() if array is x), arrays

    def images(self) -> list[str]:
        """`x`: the pixels, and `labels`."""
        channels, height, width = self.preprocess.shape
        if self.run.origin == "digits":
            self.imports.add("from sklearn.datasets import load_digits")
            pixels, labels = "bundle.images", "bundle.target.tolist()"
            lines, shape = ["bundle = load_digits()"], (0, height, width)
        elif self.run.origin.lower().endswith(".npz"):
            y, x, arrays = self.archive()
            pixels, labels = f"archive[{quoted(x)}]", f"archive[{quoted(y)}].tolist()"
            lines, shape = [f"archive = np.load({quoted(self.data)})"], arrays[x].shape
        elif self.run.origin == "the data":
            raise DataError(f"{self.run.folder} was fitted to data in memory: save them to a .npz file, and fit that")
        else:
            return self.image_files()
        if len(shape) == 3:
            arranged = ".unsqueeze(1)"
        else:
            arranged = "" if tuple(shape[1:]) == (channels, height, width) else ".permute(0, 3, 1, 2).contiguous()"
        return [*lines, f"x, labels = torch.from_numpy({pixels}){arranged}, {labels}"]

    def image_files(self) -> list[str]:
        """Images in a folder with a subfolder for each class."""
        channels, height, width = self.preprocess.shape
        self.imports |= {"from pathlib import Path", "import numpy as np", "from PIL import Image"}
        opened = f'Image.open(file).convert("{"L" if channels == 1 else "RGB"}")'
        if self.preprocess.resized:
            opened += f".resize(({width}, {height}))"
        arranged = ".unsqueeze(1)" if channels == 1 else ".permute(0, 3, 1, 2).contiguous()"
        return [
            f'files = sorted(file for file in map(str, Path({quoted(self.data)}).glob("[!.]*/**/*"))',
            f"               if file.lower().endswith({ENDINGS!r}))",
            f"x = torch.from_numpy(np.stack([{opened} for file in files])){arranged}",
            f"labels = [Path(file).relative_to({quoted(self.data)}).parts[0] for file in files]",
        ]

    # From columns to tensors

    def read_target(self) -> list[str]:
        """`y`: codes of classes, or numbers."""
        cells = "labels" if self.is_image else f"table.pop({quoted(self.target.name)})"
        if not self.target.classes:
            return [f"y = torch.tensor([float(cell) for cell in {cells}], dtype=torch.float64)"]
        classes = self.target.values
        if classes == [0, 1] and self.settings.loss != "cross_entropy":
            return [f"y = torch.tensor([float(cell) for cell in {cells}])"]
        numeric = not isinstance(classes[0], str)
        value = "float(cell)" if numeric else "cell" if self.run.origin in EXAMPLES else "str(cell).strip()"
        return [*listed("classes", classes), f"y = torch.tensor([classes.index({value}) for cell in {cells}])"]

    def split(self) -> list[str]:
        """`train`, `test`, `validation`: numbers of rows."""
        if not self.splits:
            return []
        settings = self.settings
        test, validation = (
            f"{size} / len(y)" if size >= 1 else str(size) for size in (settings.test_size, settings.validation_size)
        )
        groups = f"[order[y[order] == code] for code in range({len(self.target.classes)})]"
        lines = [
            f"order = torch.randperm(len(y), generator=torch.Generator().manual_seed({settings.seed}))",
            "parts = []",
            f"for rows in {groups if self.target.classes else '[order]'}:",
            f"    tested = min(int({test} * len(rows) + 0.5), len(rows) - 1)",
        ]
        if self.validates:
            return [
                *lines,
                f"    validated = min(int({validation} * len(rows) + 0.5), len(rows) - 1 - tested)",
                "    parts.append(rows.split([tested, validated, len(rows) - tested - validated]))",
                "test, validation, train = (torch.cat(part).sort().values for part in zip(*parts))",
            ]
        return [
            *lines,
            "    parts.append(rows.split([tested, len(rows) - tested]))",
            "test, train = (torch.cat(part).sort().values for part in zip(*parts))",
        ]

    def inputs(self) -> list[str]:
        """`x` and `y` as they are trained on."""
        if self.is_image:
            lines = self.scaled_pixels()
        elif self.is_matrix:
            lines = self.matrix()
        else:
            lines = self.columns()
        if not self.target.classes and self.settings.standardize:
            lines += [
                f"offset, scale = mean_and_scale({self.of_training('y')}.tolist())",
                "y = ((y - offset) / scale).float().unsqueeze(1)",
            ]
        elif self.settings.loss != "cross_entropy":
            lines.append("y = y.float().unsqueeze(1)")
        if any("mean_and_scale" in line for line in lines):
            self.math |= {"fsum", "sqrt"}
            lines = [*MEAN_AND_SCALE.splitlines(), *lines]
        return lines

    def of_training(self, name: str) -> str:
        return f"{name}[train]" if self.splits else name

    def number(self) -> list[str]:
        """The function that reads a cell as a number."""
        self.math.add("nan")
        return [*listed("missing", sorted(MISSING)), *NUMBER.splitlines(), ""]

    def matrix(self) -> list[str]:
        """All columns at once."""
        cell = "number(cell)" if self.has_gaps else "float(cell)"
        cells = f"[[{cell} for cell in row] for row in zip(*table.values())]"
        standardize = self.settings.standardize
        if not standardize and not self.has_gaps:
            return [f"x = torch.tensor({cells})"]
        known = "column[~column.isnan()]" if self.has_gaps else "column"
        filled = "x[:, i].nan_to_num(mean)" if self.has_gaps else "x[:, i]"
        return [
            *(self.number() if self.has_gaps else []),
            f"x = torch.tensor({cells}, dtype=torch.float64)",
            f"for i, column in enumerate({self.of_training('x')}.T):",
            f"    mean, scale = mean_and_scale({known}.tolist())",
            f"    x[:, i] = ({filled} - mean) / scale" if standardize else f"    x[:, i] = {filled}",
            "x = x.float()",
        ]

    def columns(self) -> list[str]:
        """Column by column."""
        lines = self.number()
        categories = any(isinstance(feature, CategoryFeature) for feature in self.features)
        if any(isinstance(feature, NumberFeature) for feature in self.features):
            result = (
                "(values.nan_to_num(mean) - mean) / scale" if self.settings.standardize else "values.nan_to_num(mean)"
            )
            lines += NUMBERS.format(train="[train]" if self.splits else "", result=result).splitlines()
        if categories:
            rows = "train.tolist()" if self.splits else "range(len(y))"
            lines += CATEGORIES.format(rows=rows).splitlines()
        lines.append("x = torch.cat([")
        for feature in self.features:
            order = f", {quoted(feature.order)}" if isinstance(feature, NumberFeature) and feature.order else ""
            kind = "categories" if isinstance(feature, CategoryFeature) else "numbers"
            lines.append(f"    {kind}({quoted(feature.name)}{order}),")
        return [*lines, "], 1).float()"]

    def scaled_pixels(self) -> list[str]:
        offset, scale = self.preprocess.offset, self.preprocess.scale
        note = "  # mean and deviation of the training images" if self.settings.standardize else ""
        return [
            f"offset, scale = torch.tensor({offset}), torch.tensor({scale}){note}",
            "x = (x.float() - offset.view(1, -1, 1, 1)) / scale.view(1, -1, 1, 1)",
        ]

    # The network and its training

    def network(self) -> list[str]:
        settings = self.settings
        momentum = f", momentum={settings.momentum}" if settings.momentum else ""
        usual = 0.01 if settings.optimizer == "adamw" else 0.0
        value = settings.decay(self.rows["training"])
        decay = f", weight_decay={value}" if value != usual else ""
        return [
            f"torch.manual_seed({settings.seed})",
            "model = nn.Sequential(",
            *[f"    nn.{layer(module)}," for module in self.run.model.children()],
            ")",
            f"criterion = nn.{LOSSES[settings.loss]}()",
            f"optimizer = torch.optim.{OPTIMIZERS[settings.optimizer]}"
            f"(model.parameters(), lr={settings.rate}{momentum}{decay})",
        ]

    def training(self) -> list[str]:
        settings, epochs = self.settings, self.settings.epochs
        size = settings.rows_per_step(self.rows["training"])
        x, y = "x", "y"
        lines = []
        if self.splits:
            x, y = "x_train", "y_train"
            lines.append("x_train, y_train = x[train], y[train]")
        if self.validates:
            lines.append('best_loss, best_epoch, best = float("inf"), 0, {}')
        lines.append(f"for epoch in range({epochs}):")
        if size == self.rows["training"]:
            step, loss = STEP.format(x=x, y=y), "loss.item()"
            lines += step.splitlines()
        else:
            step, loss = STEP.format(x=f"{x}[rows]", y=f"{y}[rows]"), f"total / len({y})"
            lines += ["    total = 0.0", f"    for rows in torch.randperm(len({y})).split({size}):"]
            lines += ["    " + line for line in step.splitlines()]
            lines.append("        total += loss.item() * len(rows)")
        every = max(1, epochs // 10)
        report = f'print(f"Epoch: {{epoch + 1}}/{epochs} | Loss: {{{loss}:.4f}}")'
        lines += [f"    if epoch % {every} == 0:", f"        {report}"] if every > 1 else [f"    {report}"]
        if self.validates:
            lines += VALIDATE.splitlines()
            if settings.early_stopping:
                lines += [f"    elif epoch - best_epoch >= {settings.patience}:", "        break"]
            lines.append("model.load_state_dict(best)")
        return lines

    def judging(self) -> list[str]:
        if not self.rows["test"]:
            return []
        loss = self.settings.loss
        lines = ["with torch.no_grad():", "    outputs, expected = model(x[test]), y[test]"]
        if not self.target.classes:
            name = "R2"
            lines.append("score = 1 - ((outputs - expected) ** 2).sum() / ((expected - expected.mean()) ** 2).sum()")
        else:
            name = "accuracy"
            predicted = {"cross_entropy": "outputs.argmax(1)", "bce": "(outputs > 0.5)", "bce_logits": "(outputs > 0)"}
            lines.append(f"score = ({predicted[loss]} == expected).float().mean()")
        return [*lines, f'print(f"Test loss: {{criterion(outputs, expected):.4f}} | {name}: {{score:.4f}}")']


STANDARD = ("csv", "gzip", "math", "pathlib", "random", "re")


def layer(module: Module | Any) -> str:
    """How a layer is made."""
    kind = type(module).__name__
    if kind == "Linear":
        return f"Linear({module.in_features}, {module.out_features})"
    if kind == "Conv2d":
        return f"Conv2d({module.in_channels}, {module.out_channels}, {module.kernel_size[0]}, padding=1)"
    return f"{kind}({2 if kind == 'MaxPool2d' else ''})"


BLOBS = """\
random, table = Random(2), {"x1": [], "x2": [], "target": []}
for i in range(400):
    x1, x2 = ((1, 1), (-1, -1), (1, -1), (-1, 1))[i % 4]
    table["x1"].append(round(random.gauss(x1, 0.35), 4))
    table["x2"].append(round(random.gauss(x2, 0.35), 4))
    table["target"].append("same" if i % 4 < 2 else "opposite")
"""

MEAN_AND_SCALE = """\
def mean_and_scale(values):
    mean = fsum(values) / len(values)
    scale = sqrt(fsum((value - mean) ** 2 for value in values) / len(values))
    return mean, scale if scale > 1e-12 * abs(mean) else 1.0  # 1 where all values are the same

"""

NUMBER = """\
def number(cell):
    return nan if str(cell).strip().lower() in missing else float(cell)
"""

NUMBERS = """\
def numbers(name, order=None):
    cells = table[name]
    if order is not None:
        cells = [order.index(cell.strip()) if cell.strip() in order else nan for cell in cells]
    values = torch.tensor([number(cell) for cell in cells], dtype=torch.float64)
    gaps = values.isnan()
    mean, scale = mean_and_scale(values{train}[~gaps{train}].tolist())
    values = {result}
    return torch.stack([values, gaps.double()], 1) if gaps{train}.any() else values.unsqueeze(1)

"""

CATEGORIES = """\
def categories(name):
    texts = [str(cell).strip() for cell in table[name]]
    texts = ["" if text.lower() in missing else text for text in texts]
    known = sorted({{texts[row] for row in {rows}}}, key=lambda text: (text == "", text))
    return torch.tensor([[float(text == category) for category in known] for text in texts])

"""

STEP = """\
    optimizer.zero_grad()
    loss = criterion(model({x}), {y})
    loss.backward()
    optimizer.step()
"""

VALIDATE = """\
    with torch.no_grad():
        held_out = criterion(model(x[validation]), y[validation]).item()
    if held_out < best_loss:
        best_loss, best_epoch = held_out, epoch
        best = {name: weight.clone() for name, weight in model.state_dict().items()}
"""
