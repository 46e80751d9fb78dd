"""`torch.utils.benchmark`: how long a statement takes, and tables of several.

>>> import rushlight as torch
>>> from rushlight.utils import benchmark
>>> timer = benchmark.Timer("x + x", globals={"x": torch.ones(3)})
>>> timer.timeit(10).number_per_run
10
"""

from __future__ import annotations

import timeit
from dataclasses import dataclass, field
from statistics import mean, median, quantiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["Compare", "Measurement", "Timer", "select_unit", "timer"]

timer = timeit.default_timer
_UNITS = (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0))


def select_unit(t: float) -> tuple[str, float]:
    """The unit in which a time in seconds reads best, and its seconds."""
    return next((unit for unit in reversed(_UNITS) if t >= unit[1]), _UNITS[0])


@dataclass
class Measurement:
    """Times of a statement: `raw_times` are seconds of `number_per_run` executions each."""

    number_per_run: int
    raw_times: list[float]
    stmt: str
    setup: str = ""
    num_threads: int = 1
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    metadata: dict[str, Any] | None = field(default=None, repr=False)

    @property
    def times(self) -> list[float]:
        """Seconds of one execution."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        return mean(self.times)

    @property
    def median(self) -> float:
        return median(self.times)

    @property
    def iqr(self) -> float:
        """The interquartile range."""
        if len(self.raw_times) < 2:
            return 0.0
        low, _, high = quantiles(self.times, n=4, method="inclusive")
        return high - low

    @property
    def title(self) -> str:
        name = (self.label or self.stmt) + (f": {self.sub_label}" if self.sub_label else "")
        return name if "\n" not in name else name.partition("\n")[0] + " ..."

    def __repr__(self) -> str:
        lines = [f"<torch.utils.benchmark.utils.common.Measurement object at {id(self):#x}>", self.title]
        if self.description:
            lines.append(self.description)
        if self.setup not in ("", "pass"):
            lines.append("setup: " + self.setup)
        unit, seconds = select_unit(self.median)
        threads = f"{self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        if len(self.raw_times) == 1:
            lines.append(f"  {self.median / seconds:.2f} {unit}")
            lines.append(f"  1 measurement, {self.number_per_run} runs , {threads}")
        else:
            lines.append(f"  Median: {self.median / seconds:.2f} {unit}")
            lines.append(f"  IQR:    {self.iqr / seconds:.2f} {unit}")
            lines.append(f"  {len(self.raw_times)} measurements, {self.number_per_run} runs per measurement, {threads}")
        return "\n".join(lines)

    __str__ = __repr__


class Timer:
    """Times a statement as `timeit.Timer` does, with `num_threads` threads; the first runs are not counted."""

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: str = "python",
    ) -> None:
        if str(language).lower().rpartition(".")[2] not in ("py", "python"):
            raise ValueError("rushlight times Python statements only")
        import textwrap

        self._about = dict(
            stmt=textwrap.dedent(stmt).strip(), setup=textwrap.dedent(setup).strip(), num_threads=num_threads,
            label=label, sub_label=sub_label, description=description, env=env,
        )  # fmt: skip
        scope = dict(globals or {})
        import rushlight

        scope.setdefault("torch", rushlight)
        self._timer = timeit.Timer(self._about["stmt"], self._about["setup"], timer=timer, globals=scope)  # type: ignore[arg-type]

    def _run(self, number: int) -> float:
        return max(self._timer.timeit(number), 1e-9)

    def _measured(self, number: int, times: Callable[[], list[float]]) -> Measurement:
        import rushlight

        before = rushlight.get_num_threads()
        rushlight.set_num_threads(self._about["num_threads"])
        try:
            return Measurement(number, times(), **self._about)  # type: ignore[arg-type]
        finally:
            rushlight.set_num_threads(before)

    def timeit(self, number: int = 1_000_000) -> Measurement:
        """One measurement of `number` executions."""

        def times() -> list[float]:
            self._run(max(number // 100, 2))
            return [self._run(number)]

        return self._measured(number, times)

    def _block(self, least: float) -> int:
        """So many executions that they take `least` seconds."""
        number = 1
        while self._run(number) < least:
            number *= 10
        return number

    def blocked_autorange(self, callback: Any = None, min_run_time: float = 0.2) -> Measurement:
        """Measurements of equal numbers of executions until `min_run_time` seconds are full."""
        number = self._block(min(min_run_time / 10, 0.01))

        def times() -> list[float]:
            taken: list[float] = []
            while sum(taken) < min_run_time:
                taken.append(self._run(number))
                if callback is not None:
                    callback(number, taken[-1])
            return taken

        return self._measured(number, times)

    def adaptive_autorange(
        self, threshold: float = 0.1, *, min_run_time: float = 0.01, max_run_time: float = 10.0, callback: Any = None
    ) -> Measurement:
        """Measurements until the interquartile range is a small part of the median, or `max_run_time` is over."""
        number = self._block(min_run_time / 10)

        def times() -> list[float]:
            taken: list[float] = []
            while sum(taken) < max_run_time:
                taken.append(self._run(number))
                so_far = Measurement(number, taken, "")
                if sum(taken) >= min_run_time and len(taken) > 3 and so_far.iqr / so_far.median < threshold:
                    break
            return taken

        return self._measured(number, times)


class Compare:
    """A table of measurements: a row for each `sub_label`, a column for each `description`, a block for each label."""

    def __init__(self, results: Iterable[Measurement]) -> None:
        self._results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Adds measurements."""
        self._results.extend(results)

    def trim_significant_figures(self) -> None:
        """For programs that ask; times have four figures in any case."""

    colorize = highlight_warnings = trim_significant_figures

    def __str__(self) -> str:
        return "\n".join(self._block(label) for label in dict.fromkeys([r.label or r.stmt for r in self._results]))

    def _block(self, label: str) -> str:
        results = [r for r in self._results if (r.label or r.stmt) == label]
        unit, seconds = select_unit(min(r.median for r in results))
        columns = list(dict.fromkeys([r.description or "" for r in results]))
        rows: dict[tuple[int, str], dict[str, str]] = {}
        for r in results:
            row = rows.setdefault((r.num_threads, r.sub_label or r.stmt), {})
            row[r.description or ""] = f"{r.median / seconds:.1f}"
        first = max([len(name) for _, name in rows]) + 6
        widths = [max([len(c), *[len(row.get(c, "")) for row in rows.values()]]) for c in columns]
        lines = [" " * first + "".join(f"  |  {c:^{w}}" for c, w in zip(columns, widths))]
        threads = 0
        for (count, name), row in rows.items():
            if count != threads:
                threads = count
                head = f"{count} threads: "
                lines.append(head + "-" * max(len(lines[0]) - len(head), 0))
            cells = "".join(f"  |  {row.get(c, ''):>{w}}" for c, w in zip(columns, widths))
            lines.append(f"      {name:<{first - 6}}{cells}")
        full = {"ns": "nanoseconds", "us": "microseconds", "ms": "milliseconds", "s": "seconds"}[unit]
        title = f" {label} ".center(len(lines[0]), "-")
        return "\n".join([f"[{title[1:-1]}]", *lines, "", f"Times are in {full} ({unit}).", ""])

    def print(self) -> None:
        """Prints the table."""
        print(self)
