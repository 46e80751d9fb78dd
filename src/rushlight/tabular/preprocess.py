"""From columns to the network's input, and from a target column to what it is trained on.

Everything is learnt from the training rows alone and kept as plain numbers and names (preprocess.json).  Means and
deviations are exact sums (math.fsum), so that no engine's order of adding shows in the digits.
"""

from __future__ import annotations

from array import array
from math import fsum, nan, sqrt

from rushlight.tabular.errors import DataError
from rushlight.tabular.settings import DEFAULT_LOSS, TASK_OF_LOSS
from rushlight.tabular.table import Column, Table, number_of, refuse_infinite, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rushlight import Tensor
    from rushlight.tabular.settings import Settings

MOST_CLASSES_OF_NUMBERS = 20


def doubles(torch: Any, numbers: array[float]) -> Tensor:
    """A tensor on the memory of packed doubles."""
    return torch.frombuffer(numbers, dtype=torch.float64) if numbers else torch.empty(0, dtype=torch.float64)


def integers(torch: Any, codes: array[int]) -> Tensor:
    """A tensor on the memory of packed 64-bit integers."""
    return torch.frombuffer(codes, dtype=torch.int64) if codes else torch.empty(0, dtype=torch.int64)


def mean_and_scale(values: list[float], name: str = "") -> tuple[float, float]:
    """Mean and population standard deviation, exactly rounded; the deviation of a constant counts as 1.

    `name` is the column's, for the error that values as large as 1e200 are.
    """
    try:
        mean = fsum(values) / len(values)
        scale = sqrt(fsum([(value - mean) ** 2 for value in values]) / len(values))
    except OverflowError:
        raise DataError(
            f"column {name!r} has values too large to take a mean of: divide it by a power of ten"
        ) from None
    return mean, scale if scale > 1e-12 * abs(mean) else 1.0


class NumberFeature:
    """A number x enters as (x - offset) / scale; a missing one as `fill`, and with a 0/1 `indicator` beside it.

    With `order`, the column is text, and x the position of its value in that order.
    """

    kind = "number"

    def __init__(
        self, name: str, fill: float, offset: float, scale: float, indicator: bool, order: list[str] | None = None
    ) -> None:
        self.name, self.fill, self.offset, self.scale = name, fill, offset, scale
        self.indicator, self.order = indicator, order

    @classmethod
    def learn(
        cls, torch: Any, column: Column, rows: Tensor, standardize: bool, order: list[str] | None = None
    ) -> NumberFeature:
        """From the training rows of a column."""
        values = cls._values(torch, column, order)[rows]
        missing = values.isnan()
        indicator = bool(missing.any())
        present = (values[~missing] if indicator else values).tolist()
        if not present:
            raise DataError(
                f"column {column.name!r} has no value in any training row: leave it out with --drop {column.name}"
            )
        mean, scale = mean_and_scale(present, column.name)
        return cls(column.name, mean, mean if standardize else 0.0, scale if standardize else 1.0, indicator, order)

    @staticmethod
    def _values(torch: Any, column: Column, order: list[str] | None) -> Tensor:
        if order is None:
            assert column.numbers is not None
            return doubles(torch, column.numbers)
        position = {text: float(i) for i, text in enumerate(order)}
        found = [position.get(text, nan) for text in column.categories] + [nan]  # the last is for the code -1
        return torch.tensor(found, dtype=torch.float64)[integers(torch, column.codes)]

    @property
    def names(self) -> list[str]:
        """Of the inputs it becomes."""
        return [self.name, f"{self.name} missing"] if self.indicator else [self.name]

    def encode(self, torch: Any, column: Column) -> Tensor:
        """(rows, inputs) in double precision."""
        values = self._values(torch, column, self.order)
        missing = values.isnan()
        scaled = (torch.where(missing, self.fill, values) - self.offset) / self.scale
        return torch.stack([scaled, missing.double()], 1) if self.indicator else scaled.unsqueeze(1)

    def strangers(self, column: Column) -> list[str]:
        """Values of a chunk that training did not know."""
        return [text for text in column.categories if text not in self.order] if self.order else []

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "fill": self.fill,
            "offset": self.offset,
            "scale": self.scale,
            "indicator": self.indicator,
            "order": self.order,
        }


class CategoryFeature:
    """A category enters as a 0/1 input for each that training saw; all are 0 for one it did not see.

    A missing value has an input of its own where training met one.
    """

    kind = "category"

    def __init__(self, name: str, categories: list[str], indicator: bool) -> None:
        self.name, self.categories, self.indicator = name, categories, indicator

    @classmethod
    def learn(cls, torch: Any, column: Column, rows: Tensor) -> CategoryFeature:
        """From the training rows of a column."""
        codes = set(integers(torch, column.codes)[rows].tolist())
        return cls(column.name, sorted(text for text, code in column.categories.items() if code in codes), -1 in codes)

    @property
    def names(self) -> list[str]:
        names = [f"{self.name}={text}" for text in self.categories]
        return [*names, f"{self.name} missing"] if self.indicator else names

    def encode(self, torch: Any, column: Column) -> Tensor:
        position = {text: i for i, text in enumerate(self.categories)}
        inputs = len(self.names)
        known = [position.get(text, inputs) for text in column.categories]
        known.append(len(self.categories))  # the code -1: the input for missing, or none
        places = torch.tensor(known)[integers(torch, column.codes)]
        return (places.unsqueeze(1) == torch.arange(inputs)).double()

    def strangers(self, column: Column) -> list[str]:
        known = set(self.categories)
        return [text for text in column.categories if text not in known]

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "kind": self.kind, "categories": self.categories, "indicator": self.indicator}


Feature = NumberFeature | CategoryFeature


class Target:
    """What is predicted: one of `classes`, or a number that enters training as (y - offset) / scale."""

    def __init__(self, name: str, task: str, classes: list[str], offset: float = 0.0, scale: float = 1.0) -> None:
        self.name, self.task, self.classes, self.offset, self.scale = name, task, classes, offset, scale

    def to_dict(self) -> dict[str, Any]:
        names = ("name", "task", "classes", "offset", "scale")
        return {name: getattr(self, name) for name in names}

    @property
    def values(self) -> list[Any]:
        """The classes as values: numbers where all are."""
        numbers = [number_of(text) for text in self.classes]
        if any(number is None or number != number for number in numbers):
            return list(self.classes)
        return [int(number) if number == int(number) else number for number in numbers]  # type: ignore[arg-type]


def task_of(column: Column, settings: Settings, distinct: int) -> str:
    """What the target asks for: text and few whole numbers are classes, other numbers a regression."""
    if settings.task:
        return settings.task
    if settings.loss:
        tasks = TASK_OF_LOSS[settings.loss]
        return tasks[0] if len(tasks) == 1 else tasks[distinct > 2]
    if not column.is_text:
        assert column.numbers is not None
        whole = all([number == int(number) for number in column.numbers])
        few = distinct == 2 or (distinct <= MOST_CLASSES_OF_NUMBERS and len(column) >= 5 * distinct)
        if not (whole and few):
            return "regression"
    return "binary" if distinct <= 2 else "multiclass"


def read_target(table: Table, name: str, settings: Settings) -> tuple[Target, array[Any]]:
    """The target (not yet scaled) and its values: codes of classes, or numbers."""
    column = table.columns[name]
    refuse_infinite(table, column)
    absent = column.codes.index(-1) if column.is_text and -1 in column.codes else None
    if column.numbers is not None:
        absent = next((row for row, number in enumerate(column.numbers) if number != number), None)
    if absent is not None:
        raise DataError(f"the target {name!r} is missing on {table.place(absent)}: remove such rows, or fill them in")
    return make_target(name, column, settings, table.origin)


def make_target(name: str, column: Column, settings: Settings, origin: str) -> tuple[Target, array[Any]]:
    """Decides the task and codes the classes of a complete column."""
    values: Sequence[Any] = column.codes if column.numbers is None else column.numbers
    distinct = len(set(values))
    if distinct < 2:
        raise DataError(f"the target {name!r} of {origin} has one value only: there is nothing to learn from it")
    task = task_of(column, settings, distinct)
    settings.loss = settings.loss or DEFAULT_LOSS[task]
    if task not in TASK_OF_LOSS[settings.loss]:
        raise DataError(f"--loss {settings.loss} is not for {task}: leave one of them out")
    if task == "regression":
        if column.numbers is None:
            raise DataError(
                f"the target {name!r} is text, such as {next(iter(column.categories))!r}: no number to regress on"
            )
        return Target(name, task, []), column.numbers
    if task == "binary" and distinct != 2:
        raise DataError(
            f"the target {name!r} has {distinct} different values, where --task binary (as --loss bce) takes two: "
            f"choose another --task or --loss"
        )
    if column.numbers is not None:
        classes: list[Any] = sorted(set(column.numbers))
        names = [text_of(number) or "" for number in classes]
    else:
        classes = names = sorted(column.categories)
        values = _texts(column)
    if distinct > len(values) // 2:
        raise DataError(
            f"the target {name!r} has {distinct} classes in {len(values)} rows: too few rows of each to learn from; "
            f"choose another target, or --task regression"
        )
    code = {value: i for i, value in enumerate(classes)}
    return Target(name, task, names), array("q", [code[value] for value in values])


def _texts(column: Column) -> list[str]:
    texts = list(column.categories)
    return [texts[code] for code in column.codes]


class Preprocess:
    """The features, in the order of the inputs, and the target; `named` is False for a file without names."""

    kind = "table"

    def __init__(self, features: list[Feature], target: Target, named: bool, columns: list[str]) -> None:
        self.features, self.target, self.named, self.columns = features, target, named, columns

    @classmethod
    def learn(
        cls, torch: Any, table: Table, target: Target, rows: Tensor, settings: Settings, named: bool, columns: list[str]
    ) -> Preprocess:
        """From the training rows of a table; `columns` are all of the file's, the target among them."""
        orders = _orders(settings)
        features: list[Feature] = []
        for name, column in table.columns.items():
            if name == target.name:
                continue
            refuse_infinite(table, column)
            if name in orders:
                order = orders.pop(name) or sorted(column.categories)
                refuse_gaps_of_order(column, order)
                features.append(NumberFeature.learn(torch, column, rows, settings.standardize, order))
            elif column.is_text:
                refuse_names(table, column, settings.max_categories)
                features.append(CategoryFeature.learn(torch, column, rows))
            else:
                features.append(NumberFeature.learn(torch, column, rows, settings.standardize))
        for name in orders:
            raise DataError(f"--ordinal {name}: {table.origin} has no such column")
        if not features:
            raise DataError(
                f"{table.origin} has no column beside the target {target.name!r}: there is nothing to predict from"
            )
        return cls(features, target, named, columns)

    @property
    def inputs(self) -> list[str]:
        """Names of the network's inputs."""
        return [name for feature in self.features for name in feature.names]

    @property
    def shape(self) -> list[int]:
        """Of one row as the network sees it."""
        return [len(self.inputs)]

    @property
    def names(self) -> list[str]:
        """Names of the columns it needs."""
        return [feature.name for feature in self.features]

    @property
    def text_columns(self) -> set[str]:
        """Names of the columns that are read as text."""
        return {f.name for f in self.features if isinstance(f, CategoryFeature) or f.order}

    def encode(self, torch: Any, table: Table) -> Tensor:
        """(rows, inputs) in single precision."""
        encoded = []
        for feature in self.features:
            column = table.columns[feature.name]
            if column.is_text and feature.name not in self.text_columns:
                place, text = column.surprise or (0, "")
                raise DataError(
                    f"column {feature.name!r} holds numbers, and {table.unit} {place} of {table.origin} has {text!r}"
                )
            refuse_infinite(table, column)
            encoded.append(feature.encode(torch, column))
        x = torch.cat(encoded, 1).float()
        if not bool(x.isfinite().all()):
            worst = int((~x.isfinite()).any(0).int().argmax())
            raise DataError(
                f"column {self.inputs[worst]!r} has values too large for single precision: divide it by a power of ten"
            )
        return x

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "named": self.named,
            "columns": self.columns,
            "features": [feature.to_dict() for feature in self.features],
            "target": self.target.to_dict(),
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Preprocess:
        features: list[Feature] = []
        for fields in saved["features"]:
            fields = dict(fields)
            features.append(NumberFeature(**fields) if fields.pop("kind") == "number" else CategoryFeature(**fields))
        return cls(features, Target(**saved["target"]), saved["named"], saved["columns"])


def _orders(settings: Settings) -> dict[str, list[str]]:
    """Column -> its values from low to high; an empty list means the order of the alphabet."""
    orders = {}
    for item in settings.ordinal:
        name, _, order = item.partition("=")
        orders[name] = [text.strip() for text in order.split("<")] if order else []
    return orders


def refuse_names(table: Table, column: Column, most: int) -> None:
    """A text column of very many values names its rows; a network cannot learn from it."""
    distinct, present = len(column.categories), sum([code >= 0 for code in column.codes])
    every = distinct == present and present > 2
    if distinct <= most and not every:
        return
    what = f"{distinct} different texts" + (", one for each row" if every else "")
    if column.surprise:
        place, text = column.surprise
        what += f" (the first that is no number: {text!r}, {table.unit} {place})"
    todo = f"leave it out with --drop {column.name}"
    if number_like(column):
        comma = "," in (column.surprise or (0, ""))[1]
        todo = f"correct it{', say --decimal , if that is how it writes numbers' if comma else ''}, or {todo}"
    elif not every:
        todo += ", or raise --max-categories"
    raise DataError(f"column {column.name!r} has {what}: {todo}")


def number_like(column: Column) -> bool:
    """Whether a column of text is one of numbers but for some cells, or for the way in which they are written."""
    numbers = [number_of(text.replace(",", ".")) is not None for text in column.categories]
    return 2 * sum(numbers) > len(numbers)


def refuse_gaps_of_order(column: Column, order: list[str]) -> None:
    """A value that --ordinal does not name would pass for a missing one."""
    lacking = [text for text in column.categories if text not in order]
    if lacking:
        raise DataError(f"--ordinal {column.name}: the column has {lacking[0]!r} too, which the order does not name")


def learn_scale(target: Target, numbers: list[float], standardize: bool) -> None:
    """Sets a regression target's scale from its training rows."""
    if standardize and target.task == "regression":
        target.offset, target.scale = mean_and_scale(numbers, target.name)
