"""From data to a fitted model: read, split, learn the preprocessing, build, train, measure."""

from __future__ import annotations

import os

from rushlight.tabular import engine, folder as folders
from rushlight.tabular.errors import DataError
from rushlight.tabular.metrics import evaluate
from rushlight.tabular.model import build
from rushlight.tabular.preprocess import Preprocess, doubles, integers, learn_scale, read_target
from rushlight.tabular.progress import Console
from rushlight.tabular.run import Data, Run
from rushlight.tabular.settings import Settings
from rushlight.tabular.source import Source, matrix_source, memory_source, open_source
from rushlight.tabular.split import split_rows
from rushlight.tabular.table import read_table
from rushlight.tabular.training import Trainer, find_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight import Tensor
    from rushlight.tabular.metrics import Part


def fit(
    data: Any = None,
    target: str | int | None = None,
    out: str | None = None,
    *,
    resume: str | None = None,
    pictures: bool = False,
    verbose: bool = False,
    **options: Any,
) -> Run:
    """Fits a network to data and returns the `Run`; with `out`, also writes its folder.

    `data` is a path, the name of an example, a data frame, a dict of columns, or a pair (X, y); `target` a column's name
    or position.  `options` are those of the command line: hidden, activation, loss, optimizer, lr, epochs, ...  With
    `resume`, an interrupted run goes on, with its own options.  The global random state is left as it was.

    Raises DataError, with a message that says what to change.

    >>> from rushlight import tabular
    >>> run = tabular.fit("blobs", hidden=[8], epochs=200)
    >>> run.results["after"]["test"]["accuracy"] > 0.95
    True
    """
    if resume is not None:
        return Fit.resumed(resume, data, out, **options).complete(out or resume, pictures, verbose)
    if target is not None:
        options["target"] = str(target)
    return Fit(data, Settings(**options)).complete(out, pictures, verbose)


class Fit:
    """One fit, from its data to its result."""

    def __init__(self, data: Any, settings: Settings, state: dict[str, Any] | None = None) -> None:
        self.torch = engine.load(settings.engine)
        self.settings, self.state = settings, state
        self.data_name = os.path.abspath(data) if isinstance(data, str) and os.path.exists(data) else None
        self.input = data
        self.found: dict[str, Any] | None = None  # by --lr-find

    @classmethod
    def resumed(cls, folder: str, data: Any, out: str | None, **options: Any) -> Fit:
        """The fit that was interrupted, ready to go on."""
        if options:
            raise DataError(f"--resume goes on with the settings it had: leave out {', '.join(options)}")
        path = folders.find_checkpoint(folder)
        checkpoint = folders.load_checkpoint(engine.load("rushlight"), path)
        data = checkpoint["data"] if data is None else data
        if data is None:
            raise DataError("the interrupted run had its data in memory: give them to fit again")
        made = cls(data, Settings(**checkpoint["settings"]), checkpoint)
        made.found = checkpoint["lr_find"]
        return made

    def complete(self, out: str | None, pictures: bool, verbose: bool) -> Run:
        """Prepares, trains, measures and writes."""
        if out is not None:
            folders.refuse_unwritable(out)
        torch = self.torch
        rng = torch.get_rng_state()
        try:
            self.prepare()
            return self.train(out, pictures, verbose)
        finally:
            torch.set_rng_state(rng)

    def prepare(self) -> None:
        """Reads the data and makes everything that training needs; draws random numbers as the seed says."""
        settings, torch = self.settings, self.torch
        source = self._source()
        columns = list(source.names)
        name = self._target_name(source)
        drop = self._columns(settings.drop, source, "--drop")
        categorical = self._columns(settings.categorical, source, "--categorical")
        ordinal = {item.partition("=")[0] for item in settings.ordinal}
        table = read_table(source, text={*categorical, *ordinal}, drop=drop)
        if len(table) < 2:
            raise DataError(f"{source.origin} has one row: there is nothing to learn from it")
        target, values = read_target(table, name, settings)
        if settings.model is None:
            settings.model = "mlp"
        codes = integers(torch, values) if target.classes else None
        split = split_rows(torch, codes, len(table), settings.test_size, settings.validation_size, settings.seed)
        preprocess = Preprocess.learn(torch, table, target, split.train, settings, source.named, columns)
        if codes is None:
            numbers = doubles(torch, values)
            learn_scale(target, numbers[split.train].tolist(), settings.standardize)
            y = ((numbers - target.offset) / target.scale).float()
        else:
            y = codes
        x = preprocess.encode(torch, table)
        self.origin = source.origin
        self.preprocess, self.shape = preprocess, [x.shape[1]]
        self.data = Data(table, x, y, split)

    def _source(self) -> Source:
        data = self.input
        if isinstance(data, Source):
            return data
        if isinstance(data, (str, os.PathLike)):
            return open_source(os.fspath(data), self.settings)
        if isinstance(data, tuple) and len(data) == 2:
            self.settings.target = "target"
            return matrix_source("the data", *data, getattr(data[0], "columns", None))
        return memory_source("the data", data)

    def _target_name(self, source: Source) -> str:
        wanted = self.settings.target
        if wanted is None:
            raise DataError(
                f"say which column to predict with --target: {', '.join(source.names[-8:])}, or -1 for the last"
            )
        if wanted in source.names:
            return wanted
        try:
            return source.names[int(wanted)]
        except ValueError:
            raise DataError(f"{source.origin} has no column {wanted!r}: it has {_some(source.names)}") from None
        except IndexError:
            raise DataError(f"--target {wanted}: {source.origin} has {len(source.names)} columns") from None

    @staticmethod
    def _columns(names: list[str], source: Source, flag: str) -> list[str]:
        for name in names:
            if name not in source.names:
                raise DataError(f"{flag} {name}: {source.origin} has no such column; it has {_some(source.names)}")
        return names

    def train(self, out: str | None, pictures: bool, verbose: bool) -> Run:
        """Trains from the prepared state, or from the checkpoint; the random state belongs to the model from here on."""
        settings, torch, data = self.settings, self.torch, self.data
        target = self.preprocess.target
        torch.manual_seed(settings.seed)
        model = build(torch, settings, self.shape, target)
        parts = {"training": data.part(data.split.train), "test": data.part(data.split.test)}
        parts = {name: part for name, part in parts.items() if len(part)}
        validation = data.part(data.split.validation)
        console = Console(settings.epochs, quiet=not verbose)
        console.say(self._description())
        if settings.lr_find and self.found is None:
            rate, curve = find_rate(torch, settings, model, parts["training"])
            settings.lr = rate
            self.found = {"rate": rate, "curve": curve}
            console.say(f"learning rate {rate:.3g}, where the loss falls most steeply")
        validates = len(validation) > 0
        trainer = Trainer(
            torch, settings, model, target, parts["training"], validation if validates else parts.get("test"), validates
        )
        before = self._measure(trainer, parts)
        if self.state is not None:
            if self.state["fingerprint"] != self.fingerprint():
                raise DataError(f"{self.origin} is not what it was when the run began: fit anew")
            trainer.restore(self.state["trainer"])
        trainer.run(console)
        trainer.keep_best()
        results = {
            "rows": {"training": len(parts["training"]), "validation": len(validation), "test": len(data.split.test)},
            "before": before,
            "after": self._measure(trainer, parts),
            "status": "complete" if trainer.complete else "interrupted",
            "epochs": trainer.epoch,
            "best_epoch": trainer.best["epoch"] if validates or not trainer.complete else trainer.epoch,
            "held_out": "validation" if validates else "test" if "test" in parts else None,
            "seconds": round(trainer.seconds, 6),
            "lr_find": self.found,
        }
        tested = data.split.test if "test" in parts else data.split.train
        run = Run(torch, settings, self.preprocess, model, self.shape, self.origin, trainer.history, results, {}, data)
        run.tested = {"row": tested, "target": data.y[tested], "output": run.outputs(data.x[tested])}
        if out is not None:
            run.save(out, pictures)
        return run

    def _measure(self, trainer: Trainer, parts: dict[str, Part]) -> dict[str, Any]:
        loss = self.settings.loss
        return {
            name: evaluate(self.torch, loss, trainer.criterion, trainer.target, trainer.model, part)
            for name, part in parts.items()
        }

    def _description(self) -> str:
        return self.origin

    def fingerprint(self) -> int:
        return 0


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
