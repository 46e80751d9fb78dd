"""What a row of a request must look like: its JSON Schema, an example, and a check that names all that is wrong."""

from __future__ import annotations

from math import isfinite

from rushlight.tabular.errors import DataError
from rushlight.tabular.preprocess import CategoryFeature, NumberFeature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.tabular.run import Run

MOST_PROBLEMS = 20  # named in one answer
MOST_SHOWN = 100  # categories in the schema


class TableRows:
    """Rows as objects by the training columns' names; the target's column may be there, and is not read."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.features = run.preprocess.features
        self.names = frozenset(run.preprocess.names)
        self.text = run.preprocess.text_columns

    def schema(self) -> dict[str, Any]:
        """JSON Schema of one row."""
        properties = {feature.name: self._property(feature) for feature in self.features}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    def _property(self, feature: Any) -> dict[str, Any]:
        if feature.name not in self.text:
            return {"type": ["number", "null"], "description": f"a number; null counts as {feature.fill:.6g}"}
        known = (feature.order or []) if isinstance(feature, NumberFeature) else feature.categories
        shown = ", ".join(known[:MOST_SHOWN]) + (", ..." if len(known) > MOST_SHOWN else "")
        kind = "an ordered category" if isinstance(feature, NumberFeature) else "a category"
        return {
            "type": ["string", "number", "boolean", "null"],
            "description": f"{kind}; training saw: {shown}. Any other counts as unknown, null as missing",
        }

    def example(self) -> dict[str, Any]:
        """A row that is right."""
        row: dict[str, Any] = {}
        for feature in self.features:
            if isinstance(feature, CategoryFeature):
                row[feature.name] = feature.categories[0] if feature.categories else None
            else:
                row[feature.name] = feature.order[0] if feature.order else float(f"{feature.fill:.4g}")
        return row

    def problems(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Where the rows are not as the schema says: `row` (from 1), `column`, `problem`; at most so many."""
        found: list[dict[str, Any]] = []
        allowed = self.names | {self.run.target.name}
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                found.append({"row": number, "column": None, "problem": "must be an object of columns and values"})
            elif row.keys() != self.names or self._wrong(row):
                wrong = [(name, "is missing") for name in self.run.preprocess.names if name not in row]
                wrong += [(name, "is unknown to the model") for name in row if name not in allowed]
                wrong += self._wrong(row)
                found += [{"row": number, "column": name, "problem": problem} for name, problem in wrong]
            if len(found) >= MOST_PROBLEMS:
                break
        return found[:MOST_PROBLEMS]

    def _wrong(self, row: dict[str, Any]) -> list[tuple[str, str]]:
        wrong = []
        for name, value in row.items():
            if value is None or name not in self.names:
                continue
            kind = type(value)
            if name in self.text:
                if kind in (dict, list):
                    wrong.append((name, "must be a string, a number or null"))
            elif kind is not float and kind is not int:
                wrong.append((name, "must be a number or null"))
            elif kind is int and abs(value) > 1 << 1000:
                wrong.append((name, "is too large"))
        return wrong

    def predict(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Answers to rows without problems."""
        return self.run.predict_rows(rows)


class ImageRows:
    """Rows as `{"image": pixels}`: lists of rows of pixels, or of channels of such."""

    def __init__(self, run: Run) -> None:
        self.run, self.shape = run, list(run.preprocess.shape)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of one row."""
        items: dict[str, Any] = {"type": "number"}
        for size in reversed(self._sizes):
            items = {"type": "array", "items": items, "minItems": size, "maxItems": size}
        sizes = " x ".join(map(str, self._sizes))
        image = {**items, "description": f"{sizes} pixels in the units of the training images"}
        return {
            "type": "object",
            "properties": {"image": image},
            "required": ["image"],
            "additionalProperties": False,
        }

    @property
    def _sizes(self) -> list[int]:
        return self.shape[1:] if self.shape[0] == 1 else self.shape

    def example(self) -> dict[str, Any]:
        """A row that is right: an image of mean brightness."""
        pixels: Any = [
            [[round(offset, 3)] * self.shape[2] for _ in range(self.shape[1])] for offset in self.run.preprocess.offset
        ]
        return {"image": pixels[0] if self.shape[0] == 1 else pixels}

    def problems(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Where the rows are not as the schema says: `row` (from 1), `column`, `problem`; at most so many."""
        found = []
        wanted = f"must be {' x '.join(map(str, self._sizes))} numbers, as nested arrays"
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict) or row.keys() != {"image"}:
                found.append({"row": number, "column": "image", "problem": 'must be there alone: {"image": [[...]]}'})
            elif not _is_array(row["image"], self._sizes):
                found.append({"row": number, "column": "image", "problem": wanted})
            if len(found) >= MOST_PROBLEMS:
                break
        return found

    def predict(self, rows: list[Any]) -> list[dict[str, Any]]:
        """Answers to rows without problems."""
        run, torch = self.run, self.run.torch
        pixels = torch.tensor([row["image"] for row in rows], dtype=torch.float64).view(len(rows), *self.shape)
        outputs = run.outputs(run.preprocess.encode(torch, pixels))
        values = run.values(outputs)
        if not run.target.classes:
            return [{"prediction": value} for value in values]
        return [
            {"prediction": value, "probabilities": dict(zip(run.target.classes, chances))}
            for value, chances in zip(values, run.probabilities(outputs).tolist())
        ]


def _is_array(value: Any, sizes: list[int]) -> bool:
    if not sizes:
        return type(value) in (int, float) and abs(value) < 1e300
    return isinstance(value, list) and len(value) == sizes[0] and all([_is_array(part, sizes[1:]) for part in value])


def rows_of(run: Run) -> TableRows | ImageRows:
    """The kind of rows that a model takes."""
    return ImageRows(run) if run.preprocess.kind == "image" else TableRows(run)


def refuse_infinite_answers(answers: list[dict[str, Any]]) -> None:
    """Numbers far outside of what training saw can overflow the network; JSON could not say what came of it."""
    for number, answer in enumerate(answers, 1):
        value = answer.get("probabilities") or {"": answer["prediction"]}
        if not all([isfinite(part) for part in value.values()]):
            raise DataError(f"row {number} has numbers so large that the model's answer is not finite")
