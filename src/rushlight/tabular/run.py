"""A fitted model with all that belongs to it: what pictures, reports, services and exports are made from."""

from __future__ import annotations

import os

from rushlight.tabular import engine, folder as folders
from rushlight.tabular.arrays import load_arrays, save_arrays
from rushlight.tabular.errors import DataError
from rushlight.tabular.metrics import Part, outputs_of
from rushlight.tabular.model import build, probabilities
from rushlight.tabular.preprocess import Preprocess
from rushlight.tabular.settings import Settings
from rushlight.tabular.table import Column, Table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from rushlight import Tensor
    from rushlight.nn import Module
    from rushlight.tabular.preprocess import Target
    from rushlight.tabular.split import Split


class Data:
    """The data of a fit, in memory: what a loaded run does not have.

    `x` (rows, inputs) is encoded, `y` holds codes of classes or scaled numbers, `table` has the columns as they were
    read (None for images).
    """

    def __init__(self, table: Table | None, x: Tensor, y: Tensor, split: Split) -> None:
        self.table, self.x, self.y, self.split = table, x, y, split

    def part(self, name: str) -> Part:
        """The rows for `training`, `validation` or `test`."""
        rows = {"training": self.split.train, "validation": self.split.validation, "test": self.split.test}[name]
        return Part(self.x[rows], self.y[rows])


class Run:
    """A fitted model.

    Attributes: `torch` (the engine's namespace), `settings`, `preprocess`, `target`, `model` (a Module), `history` (one
    dict an epoch: epoch, loss, held_out_loss, held_out_score), `results` (see results.json), `tested` (tensors `row`,
    `target`, `output` of the test rows, or of the training rows where there is no test part), `folder` (None before
    `save`), `data` (None after `load`).
    """

    def __init__(
        self,
        torch: Any,
        settings: Settings,
        preprocess: Any,  # a Preprocess, or an ImagePreprocess
        model: Module,
        origin: str,
        history: list[dict[str, Any]],
        results: dict[str, Any],
        tested: dict[str, Tensor],
        data: Data | None = None,
    ) -> None:
        self.torch, self.settings, self.preprocess, self.model = torch, settings, preprocess, model
        self.origin, self.history, self.results = origin, history, results
        self.tested, self.data = tested, data
        self.folder: str | None = None
        self.checkpoint: dict[str, Any] | None = None  # of a fit that was interrupted

    @property
    def target(self) -> Target:
        return self.preprocess.target

    # To and from a folder

    def save(self, folder: str, pictures: bool = False) -> None:
        """Writes the folder, whole or not at all; `pictures` draws them and makes report.html."""
        with folders.Staging(folder) as path:
            torch = self.torch
            folders.write_json(os.path.join(path, "settings.json"), self._about())
            folders.write_json(os.path.join(path, "preprocess.json"), self.preprocess.to_dict())
            folders.write_json(os.path.join(path, "results.json"), self.results)
            folders.write_metrics(path, self.history)
            torch.save(self.model.state_dict(), os.path.join(path, "model.pt"))
            save_arrays(torch, os.path.join(path, "model.safetensors"), self.model.state_dict())
            save_arrays(torch, os.path.join(path, "test.safetensors"), self.tested)
            if self.checkpoint is not None:
                folders.save_checkpoint(torch, os.path.join(path, "checkpoint.pt"), self.checkpoint)
            if pictures:
                from rushlight.tabular import pictures as drawing, report

                drawing.draw(self, path)
                report.write(self, path)
        self.folder = folder

    def _about(self) -> dict[str, Any]:
        from rushlight._version import __version__

        return {
            "format": folders.FORMAT,
            "version": folders.VERSION,
            "rushlight": __version__,
            "data": self.origin,
            "settings": self.settings.to_dict(),
        }

    @classmethod
    def load(cls, folder: str, engine_name: str = "rushlight") -> Run:
        """Reads a folder that `save` wrote; `data` is None."""
        about = folders.read_settings(folder)
        torch = engine.load(engine_name)
        try:
            settings = Settings(**about["settings"])
            preprocess = preprocess_from(folders.read_json(folder, "preprocess.json"))
            model = build(torch, settings, preprocess.shape, preprocess.target)
            model.load_state_dict(torch.load(os.path.join(folder, "model.pt"), weights_only=True))
            tested = load_arrays(torch, os.path.join(folder, "test.safetensors"))
        except DataError:
            raise
        except Exception as error:
            raise DataError(
                f"{folder} is damaged ({type(error).__name__}: {str(error).splitlines()[0]}): fit again"
            ) from None
        history = folders.read_metrics(folder)
        results = folders.read_json(folder, "results.json")
        run = cls(torch, settings, preprocess, model, about["data"], history, results, tested)
        run.folder = folder
        return run

    # Predicting

    def outputs(self, x: Tensor) -> Tensor:
        """The network's outputs for encoded inputs, without history."""
        return outputs_of(self.torch, self.model, x)

    def probabilities(self, outputs: Tensor) -> Tensor:
        """(rows, classes), the columns in the order of `target.classes`; for classifiers."""
        return probabilities(self.torch, self.settings.loss, outputs)

    def values(self, outputs: Tensor) -> list[Any]:
        """Predictions as the target's column would have them: classes, or numbers in its own units."""
        if self.target.classes:
            classes = self.target.values
            return [classes[code] for code in self.probabilities(outputs).argmax(1).tolist()]
        return (outputs.squeeze(1).double() * self.target.scale + self.target.offset).tolist()

    def encode(self, table: Table) -> Tensor:
        """Inputs from a table that has the features' columns."""
        return self.preprocess.encode(self.torch, table)

    def predict_table(self, table: Table) -> tuple[list[Any], Tensor | None]:
        """Values, and probabilities if it is a classifier, of each row."""
        outputs = self.outputs(self.encode(table))
        return self.values(outputs), self.probabilities(outputs) if self.target.classes else None

    def predict_rows(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """For rows as dicts by column: `{"prediction": value, "probabilities": {class: p}}`; the latter for classes.

        A value that is None or "" is missing; a column that is absent, unknown or of the wrong kind is a DataError that
        names it and the row.
        """
        known = {*self.preprocess.names, self.target.name}
        for i, row in enumerate(rows):
            for name in self.preprocess.names:
                if name not in row:
                    raise DataError(f"row {i + 1} has no {name!r}")
            for name in row:
                if name not in known:
                    raise DataError(f"row {i + 1} has {name!r}, which the model does not know")
        if not rows:
            return []
        columns = {name: [row[name] for row in rows] for name in self.preprocess.names}
        values, chances = self.predict_table(make_table(self.preprocess, columns, "the request"))
        if chances is None:
            return [{"prediction": value} for value in values]
        labels = self.target.classes
        return [
            {"prediction": value, "probabilities": dict(zip(labels, row))}
            for value, row in zip(values, chances.tolist())
        ]

    def predict(self, data: Any) -> list[Any]:
        """Values for a file, an example, a data frame, a dict of columns or a list of dicts, all in memory.

        `predict_file` is for files larger than that.
        """
        from rushlight.tabular.predicting import predictions

        return [value for values, _, _ in predictions(self, data) for value in values]


def make_table(
    preprocess: Preprocess,
    columns: Mapping[str, Sequence[Any]],
    origin: str,
    unit: str = "row",
    places: Sequence[int] | None = None,
) -> Table:
    """A table of a few rows, read as the kinds that the model was trained on; rows are counted from 1 by default."""
    text = preprocess.text_columns
    if places is None:
        places = range(1, 1 + max(map(len, columns.values()), default=0))
    made = {}
    for name, cells in columns.items():
        made[name] = Column(name, name in text)
        made[name].add(cells, places)
    return Table(origin, made, unit, places)


def preprocess_from(saved: dict[str, Any]) -> Any:
    """The preprocessing that preprocess.json describes."""
    if saved["kind"] == "image":
        from rushlight.tabular.images import ImagePreprocess

        return ImagePreprocess.from_dict(saved)
    return Preprocess.from_dict(saved)
