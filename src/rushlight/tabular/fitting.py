"""`fit`: prepare the data, build, train, measure, keep; and go on where an interrupted run stopped."""

from __future__ import annotations

import os

from rushlight.tabular import engine, folder as folders
from rushlight.tabular.arrays import checksum
from rushlight.tabular.errors import DataError
from rushlight.tabular.metrics import Part, evaluate
from rushlight.tabular.model import build
from rushlight.tabular.preparing import counted, prepare
from rushlight.tabular.progress import Console
from rushlight.tabular.run import Run
from rushlight.tabular.settings import Settings
from rushlight.tabular.training import Trainer, find_rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.nn import Module


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

    `data` is a path, the name of an example, a data frame, a dict of columns, or a pair (X, y); `target` a column's
    name or position.  `options` are those of the command line: hidden, activation, loss, optimizer, lr, epochs, ...
    With `resume`, a run that was interrupted goes on in its folder, with its own options.  The global random state is
    left as it was.  `verbose` prints what the command prints.  With `out`, Ctrl-C ends training early and keeps what
    there is (`results["status"]` is "interrupted").

    Raises DataError, with a message that says what to change.

    >>> from rushlight import tabular
    >>> run = tabular.fit("blobs", hidden=[8], epochs=200)
    >>> run.results["after"]["test"]["accuracy"] > 0.95
    True
    """
    if target is not None:
        options["target"] = str(target)
    checkpoint = None
    if resume is not None:
        if options or out is not None:
            raise DataError("--resume goes on with the data, settings and folder it had: give nothing else")
        path = folders.find_checkpoint(resume)
        checkpoint = folders.load_checkpoint(engine.load(), path)
        if checkpoint["settings"]["engine"] != "rushlight":  # its tensors are needed
            checkpoint = folders.load_checkpoint(engine.load(checkpoint["settings"]["engine"]), path)
        data = checkpoint["data"] if data is None else data
        if data is None:
            raise DataError(f"{resume} was fitted to data in memory: give them again")
        options, out = checkpoint["settings"], resume
    settings = Settings(**options)
    torch = engine.load(settings.engine)
    if out is not None:
        out = out.rstrip("/")
        folders.refuse_unwritable(out)
    rng = torch.get_rng_state()
    try:
        return Fit(torch, data, settings, out, verbose).run(checkpoint, pictures)
    finally:
        torch.set_rng_state(rng)


class Fit:
    """One fit, from its data to its result."""

    def __init__(self, torch: Any, data: Any, settings: Settings, out: str | None, verbose: bool) -> None:
        self.torch, self.settings, self.out = torch, settings, out
        self.given = os.path.abspath(data) if isinstance(data, str) and os.path.exists(data) else data
        self.prepared = prepare(torch, data, settings)
        self.found: dict[str, Any] | None = None  # the curve and the rate of --lr-find
        self.console = Console(settings.epochs, self.keep_checkpoint if out is not None else None, quiet=not verbose)

    def run(self, checkpoint: dict[str, Any] | None, pictures: bool) -> Run:
        """Builds, trains and measures; the random state is the model's and the batches' from here on."""
        settings, torch, prepared = self.settings, self.torch, self.prepared
        data, console = prepared.data, self.console
        torch.manual_seed(settings.seed)
        model = build(torch, settings, prepared.shape, prepared.preprocess.target)
        parts = {name: data.part(name) for name in ("training", "validation", "test")}
        for line in [*prepared.notices, *describe(settings, model, parts)]:
            console.say(line)
        if checkpoint is not None:
            self.found = checkpoint["lr_find"]
        elif settings.lr_find:
            self._find_rate(model, parts["training"])
        trainer = Trainer(torch, settings, model, prepared.preprocess.target, parts)
        measured = [name for name in ("training", "test") if len(parts[name])]
        before = {name: self._measure(trainer, parts[name]) for name in measured}
        if checkpoint is not None:
            if checkpoint["checksum"] != self.checksum():
                raise DataError(f"{prepared.origin} is not what it was when the run began: fit anew")
            trainer.restore(checkpoint["trainer"])
            console.say(f"going on after {counted(trainer.epoch, 'epoch')}")
        try:
            with console.listening():
                trainer.run(console)
        except DataError:  # the loss has gone: no checkpoint leads on from there
            self._remove_unfinished()
            raise
        interrupted = self.checkpoint(trainer) if not trainer.complete else None
        trainer.keep_best()
        results = {
            "status": "interrupted" if interrupted else "complete",
            "rows": {name: len(part) for name, part in parts.items()},
            "epochs": trainer.epoch,
            "best_epoch": trainer.kept_epoch,
            "held_out": trainer.held_out_name,
            "seconds": round(trainer.seconds, 6),
            "before": before,
            "after": {name: self._measure(trainer, parts[name]) for name in measured},
            "lr_find": self.found,
        }
        rows = data.split.test if len(parts["test"]) else data.split.train
        tested = {"row": rows, "target": data.y[rows], "output": trainer.outputs(data.x[rows])}
        run = Run(torch, settings, prepared.preprocess, model, prepared.origin, trainer.history, results, tested, data)
        run.checkpoint = interrupted
        if self.out is not None:
            run.save(self.out, pictures)
            self._remove_unfinished()
        return run

    def _find_rate(self, model: Module, part: Part) -> None:
        self.settings.lr, curve = find_rate(self.torch, self.settings, model, part)
        self.found = {"rate": self.settings.lr, "curve": curve}
        self.console.say_curve(curve, self.settings.lr)

    def _measure(self, trainer: Trainer, part: Part) -> dict[str, Any]:
        return evaluate(self.torch, self.settings.loss, trainer.criterion, trainer.target, trainer.model, part)

    # Going on later

    def checksum(self) -> int:
        """Tells data that have changed from those that the run began with."""
        return checksum(self.torch, [self.prepared.data.x, self.prepared.data.y])

    def checkpoint(self, trainer: Trainer) -> dict[str, Any]:
        """All that `resume` needs."""
        return {
            "data": self.given if isinstance(self.given, str) else None,
            "settings": self.settings.to_dict(),
            "checksum": self.checksum(),
            "lr_find": self.found,
            "trainer": trainer.state(),
        }

    def keep_checkpoint(self, trainer: Trainer) -> None:
        """Puts a checkpoint beside the folder, for a run that ends without being asked to."""
        assert self.out is not None
        try:
            os.makedirs(os.path.dirname(os.path.abspath(self.out)), exist_ok=True)
            folders.save_checkpoint(self.torch, self.out + folders.UNFINISHED, self.checkpoint(trainer))
        except OSError as error:  # a full disk, say, is no reason to lose the run itself
            self.console.say(f"no checkpoint could be written ({error.strerror})")

    def _remove_unfinished(self) -> None:
        if self.out is not None:
            folders.remove_unfinished(self.out)


def describe(settings: Settings, model: Module, parts: dict[str, Part]) -> list[str]:
    """What is about to be trained, on what and how."""
    weights = sum([parameter.numel() for parameter in model.parameters()])
    rows = len(parts["training"])
    step = settings.rows_per_step(rows)
    used = ", ".join(f"{len(part)} for {name}" for name, part in parts.items() if len(part))
    return [
        f"rows: {used}",
        f"model: {outline(settings, model)}, {weights} weights",
        f"{settings.loss}, {settings.optimizer} at {settings.rate:g}, {counted(settings.epochs, 'epoch')}, "
        + ("full batch" if step == rows else f"{step} rows a step"),
    ]


def outline(settings: Settings, model: Module) -> str:
    """The widths of the layers in a line: mlp 8-6-4-1 sigmoid."""
    widths = [list(weight.shape) for name, weight in model.state_dict().items() if name.endswith("weight")]
    text = "-".join(str(width) for width in (widths[0][1], *(shape[0] for shape in widths)))
    return f"{settings.model} {text}" + (f" {settings.activation}" if settings.model != "linear" else "")
