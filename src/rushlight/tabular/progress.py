"""What a fit says: plain lines on standard output, and one live line where somebody is looking."""

from __future__ import annotations

import os
import sys
from time import perf_counter

from rushlight.tabular.metrics import commonest, score_name
from rushlight.tabular.training import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rushlight.tabular.training import Trainer

REDRAW = 0.1  # seconds
CHECKPOINT = 20.0


class Console(Watch):
    """Prints every tenth of the epochs; on a terminal, redraws a line with rows a second and the time left.

    `checkpoint` is called every twenty seconds.
    """

    def __init__(self, epochs: int, checkpoint: Callable[[Trainer], None] | None = None, quiet: bool = False) -> None:
        self.every = max(1, epochs // 10)
        self.checkpoint, self.quiet = checkpoint, quiet
        self.live = not quiet and sys.stderr.isatty()
        self.drawn = ""
        self.started = perf_counter()
        self.next_draw = self.started + REDRAW if self.live else float("inf")
        self.next_checkpoint = self.started + CHECKPOINT if checkpoint else float("inf")
        self.due = min(self.next_draw, self.next_checkpoint)

    def look(self, trainer: Trainer) -> None:
        now = perf_counter()
        if now >= self.next_draw:
            self.next_draw = now + REDRAW
            self._draw(self._status(trainer))
        if now >= self.next_checkpoint and self.checkpoint:
            self.checkpoint(trainer)
            self.next_checkpoint = perf_counter() + CHECKPOINT
        self.due = min(self.next_draw, self.next_checkpoint)

    def epoch(self, trainer: Trainer) -> None:
        if not self.quiet and (trainer.epoch - 1) % self.every == 0:
            self.say(f"Epoch: {trainer.epoch}/{trainer.settings.epochs} | {self._numbers(trainer)}")

    def say(self, text: str) -> None:
        """A line on standard output, clear of the live one."""
        if not self.quiet:
            self.clear()
            try:
                print(text, flush=True)
            except OSError:  # whoever read has gone, or the disk of the log is full: the model is wanted all the same
                self.quiet = True

    def clear(self) -> None:
        """Wipes the live line."""
        self._draw("")

    def say_curve(self, curve: list[list[float]], rate: float) -> None:
        """The losses over the rates that were tried, and the rate that was picked."""
        self.say("learning rates tried, and the loss there:")
        high, low = max(loss for _, loss in curve), min(loss for _, loss in curve)
        for tried, loss in curve[:: max(1, len(curve) // 16)]:
            bar = "#" * round(40 * (loss - low) / ((high - low) or 1.0))
            self.say(f"{tried:9.2e} {loss:10.4f} {bar}")
        self.say(f"picked {rate:.3g}, a tenth of the rate where it is lowest")

    def listening(self) -> Listening:
        """While the block lasts, Ctrl-C and SIGTERM end training after the step it is at."""
        return Listening(self)

    def _numbers(self, trainer: Trainer) -> str:
        record = trainer.history[-1]
        text = f"Loss: {record['loss']:.4f}"
        if trainer.held_out is not None:
            part = "Validation" if trainer.validates else "Test"
            loss, score = record["held_out_loss"], record["held_out_score"]
            text += f" | {part}: {loss:.4f} ({score_name(trainer.target)} {score:.4f})"
        return text

    def _status(self, trainer: Trainer) -> str:
        steps = -(-len(trainer.train) // trainer.rows_per_step)
        done = trainer.epoch + trainer.step / steps
        epochs = trainer.settings.epochs
        rate = done * len(trainer.train) / max(trainer.seconds, 1e-9)
        left = (epochs - done) * trainer.seconds / max(done, 1e-9)
        numbers = "..."
        if trainer.history:
            record = trainer.history[-1]
            numbers = f"{record['loss']:.4f}"
            if trainer.held_out_name:
                numbers += f", {trainer.held_out_name} {record['held_out_loss']:.4f} ({record['held_out_score']:.4f})"
        return f"epoch {trainer.epoch + 1}/{epochs}  loss {numbers}  {rate:,.0f} rows/s  {duration(left)} left"

    @staticmethod
    def _width() -> int:
        try:
            columns = os.get_terminal_size(sys.stderr.fileno()).columns
        except (OSError, ValueError):  # not a terminal of the system's, as in a test
            columns = 0
        return columns - 1 if columns else 200  # some terminals do not say

    def _draw(self, text: str) -> None:
        if self.live and text != self.drawn:
            text = text[: self._width()]
            print(
                "\r" + text + " " * (len(self.drawn) - len(text)) + ("" if text else "\r"),
                end="",
                file=sys.stderr,
                flush=True,
            )
            self.drawn = text


class Listening:
    """Turns the first SIGINT or SIGTERM into `stopped`; a second one acts as usual.

    Only where a folder is written, which the stopped run can be kept in, and in the main thread, which alone may set
    handlers.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.previous: dict[int, Any] = {}

    def __enter__(self) -> None:
        if self.console.checkpoint:
            import signal

            for number in (signal.SIGINT, signal.SIGTERM):
                try:
                    self.previous[number] = signal.signal(number, self._stop)
                except ValueError:  # not the main thread
                    return

    def __exit__(self, *exception: object) -> None:
        self.console.clear()
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.previous.items():
            import signal

            signal.signal(number, handler)
        self.previous = {}

    def _stop(self, number: int, frame: object) -> None:
        self.console.stopped = True
        self._restore()


def duration(seconds: float) -> str:
    """As 3:05 or 1:02:03."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def summary(results: dict[str, Any], classes: list[str]) -> str:
    """Losses and scores before and after, and the confusion matrix, as a small table."""
    lines = [f"{'':20}{'before':>10}{'after':>10}"]
    for part in results["after"]:
        before, after = results["before"][part], results["after"][part]
        for name in after:
            if name not in ("rows", "confusion"):
                lines.append(f"{part + ' ' + name:20}{before[name]:>10.4f}{after[name]:>10.4f}")
    part = "test" if "test" in results["after"] else "training"
    counts = results["after"][part].get("confusion")
    if counts:
        code, share = commonest(counts)
        lines.append(f"always saying {classes[code]}: {part} accuracy {share:.4f}")
    if counts and len(classes) <= 12:
        width = max(6, *(len(label) for label in classes)) + 1
        lines.append(f"{part} rows: true class down, predicted across")
        lines.append(" " * width + "".join(f"{label:>{width}}" for label in classes))
        lines += [f"{label:>{width}}" + "".join(f"{n:>{width}}" for n in row) for label, row in zip(classes, counts)]
    return "\n".join(lines)
