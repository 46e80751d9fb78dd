"""The training loop: epochs over batches, the best epoch, stopping early, stopping at once and going on later."""

from __future__ import annotations

from math import isfinite, nan
from time import perf_counter

from rushlight.tabular.errors import DataError
from rushlight.tabular.metrics import Part, loss_of, outputs_of, score_of
from rushlight.tabular.model import loss_function, optimizer_for, targets_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from rushlight import Tensor
    from rushlight.nn import Module
    from rushlight.tabular.preprocess import Target
    from rushlight.tabular.settings import Settings


class Watch:
    """Told how training goes; this one says nothing.

    `look` is called at the first step after the time `due`; setting `stopped` ends training.
    """

    due = float("inf")
    stopped = False

    def look(self, trainer: Trainer) -> None: ...

    def epoch(self, trainer: Trainer) -> None: ...


class Trainer:
    """Trains a model on the training part of the data, and measures it on another after each epoch.

    That other one is the validation part, by which the best epoch is chosen, or else the test part, which is only
    watched.  All that changes while training is in `state`, so that training can stop after any step and go on, in
    another process, with the digits it would have had.
    """

    def __init__(self, torch: Any, settings: Settings, model: Module, target: Target, parts: dict[str, Part]) -> None:
        self.torch, self.settings, self.model, self.target = torch, settings, model, target
        self.train = parts["training"]
        self.held_out_name = next((name for name in ("validation", "test") if len(parts[name])), None)
        self.held_out = parts[self.held_out_name] if self.held_out_name else None
        self.criterion = loss_function(torch, settings)
        self.optimizer = optimizer_for(torch, settings, model, settings.rate, len(self.train))
        self.rows_per_step = settings.rows_per_step(len(self.train))
        self.expected = targets_for(settings.loss, self.train.y)
        self.history: list[dict[str, Any]] = []
        self.step = 0  # of the epoch that has begun
        self.total = 0.0  # sum of the losses of its rows so far
        self.epoch_rng: Tensor | None = None  # random state as it began: its order of rows can be drawn again
        self.best: dict[str, Any] = {"epoch": 0, "loss": float("inf"), "model": None}
        self.seconds = 0.0

    @property
    def validates(self) -> bool:
        """Whether the epochs compete on the validation part."""
        return self.held_out_name == "validation"

    @property
    def epoch(self) -> int:
        """Epochs that are complete."""
        return len(self.history)

    @property
    def out_of_patience(self) -> bool:
        return self.settings.early_stopping and self.epoch - self.best["epoch"] >= self.settings.patience

    @property
    def complete(self) -> bool:
        return self.epoch >= self.settings.epochs or self.out_of_patience

    def run(self, watch: Watch) -> None:
        """Trains until complete, or until `watch.stopped`."""
        model, criterion, optimizer = self.model, self.criterion, self.optimizer
        start = perf_counter() - self.seconds
        while not self.complete:
            for x, y in self._batches():
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
                self.total += loss.item() * len(y)
                self.step += 1
                if watch.stopped or perf_counter() >= watch.due:
                    self.seconds = perf_counter() - start
                    watch.look(self)
                    if watch.stopped:
                        return
            self._close_epoch()
            self.seconds = perf_counter() - start
            watch.epoch(self)

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The steps of an epoch that are still to do."""
        torch, x, y = self.torch, self.train.x, self.expected
        if self.rows_per_step == len(y):
            if not self.step:
                yield x, y
            return
        if self.step:
            torch.set_rng_state(self.epoch_rng)
        else:
            self.epoch_rng = torch.get_rng_state()
        for rows in torch.randperm(len(y)).split(self.rows_per_step)[self.step :]:
            yield x[rows], y[rows]

    def _close_epoch(self) -> None:
        loss = self.total / len(self.train)
        if not isfinite(loss):
            raise DataError(
                f"the loss is {loss} in epoch {self.epoch + 1}: try --lr {self.settings.rate / 10:g} or less"
            )
        self.step, self.total = 0, 0.0
        held_out_loss, score = self._measure()
        self.history.append(
            {"epoch": self.epoch + 1, "loss": loss, "held_out_loss": held_out_loss, "held_out_score": score}
        )
        judged = held_out_loss if self.validates else loss
        if judged < self.best["loss"]:
            self.best = {"epoch": self.epoch, "loss": judged, "model": clone_state(self.model)}

    def _measure(self) -> tuple[float, float]:
        if self.held_out is None:
            return nan, nan
        loss, part = self.settings.loss, self.held_out
        outputs = self.outputs(part.x)
        return (
            loss_of(loss, self.criterion, outputs, part.y),
            score_of(self.torch, loss, self.target, outputs, part.y),
        )

    @property
    def _chooses(self) -> bool:
        return self.best["model"] is not None and (self.validates or not self.complete)

    @property
    def kept_epoch(self) -> int:
        """The epoch whose weights are kept: the best one after validation or an interruption, else the last."""
        return self.best["epoch"] if self._chooses else self.epoch

    def keep_best(self) -> None:
        """Gives the model the weights of the epoch that is kept."""
        if self._chooses:
            self.model.load_state_dict(self.best["model"])

    def outputs(self, x: Tensor) -> Tensor:
        """The model's outputs, without history."""
        return outputs_of(self.torch, self.model, x)

    def state(self) -> dict[str, Any]:
        """All that is needed to go on, as tensors and plain values."""
        return {
            "model": clone_state(self.model),
            "optimizer": self.optimizer.state_dict(),
            "rng": self.torch.get_rng_state(),
            **{name: getattr(self, name) for name in ("epoch_rng", "step", "total", "history", "best", "seconds")},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a `state`."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name in ("epoch_rng", "step", "total", "history", "best", "seconds"):
            setattr(self, name, state[name])
        self.torch.set_rng_state(state["rng"])


def clone_state(model: Module) -> dict[str, Tensor]:
    """A copy of the weights that further training leaves alone."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def find_rate(
    torch: Any, settings: Settings, model: Module, train: Part, steps: int = 100
) -> tuple[float, list[list[float]]]:
    """A learning rate at which the loss falls well, and the curve of losses over rates from 1e-6 up to 10.

    A copy of the model is trained at rising rates: the range test of Smith, "Cyclical Learning Rates for Training
    Neural Networks" (2017), with an exponential rise and a smoothed loss.  Neither the model nor the random state is
    changed.
    """
    from copy import deepcopy

    rng = torch.get_rng_state()
    model = deepcopy(model)
    criterion = loss_function(torch, settings)
    expected = targets_for(settings.loss, train.y)
    size = settings.rows_per_step(len(train))
    optimizer = optimizer_for(torch, settings, model, 1e-6, len(train))
    rows: list[Tensor] = []
    curve: list[list[float]] = []
    smooth, lowest = 0.0, float("inf")
    for step in range(steps):
        rate = 1e-6 * 10 ** (7 * step / (steps - 1))
        rows = rows or list(torch.randperm(len(train)).split(size))
        chosen = rows.pop()
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = criterion(model(train.x[chosen]), expected[chosen])
        loss.backward()
        optimizer.step()
        smooth = 0.8 * smooth + 0.2 * loss.item()
        value = smooth / (1 - 0.8 ** (step + 1))
        if not isfinite(value) or value > 4 * lowest:
            break
        lowest = min(lowest, value)
        curve.append([rate, value])
    torch.set_rng_state(rng)
    if not curve:
        raise DataError(
            f"the loss is {value} at the lowest rate that --lr-find tries: standardise, or scale the columns"
        )
    return before_the_bottom(curve), curve


def before_the_bottom(curve: list[list[float]]) -> float:
    """A tenth of the rate at which the loss is lowest: where it still falls, and batches do not yet throw it about."""
    return min(curve, key=lambda point: point[1])[0] / 10
