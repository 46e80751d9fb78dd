"""`rushlight run --profile`: a recording around a whole program, and its table when the program ends."""

from __future__ import annotations

from ._profile import profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class OptionError(Exception):
    """An option that makes no sense; str() is the one line to print."""


class Report:
    """Records while it is entered; then prints the table and writes the trace.

    `options` is what stands before the program's name, `--profile-...` each; `take` separates the two.
    """

    sort = "self_cpu_time_total"
    rows = 25
    trace: str | None = None
    lines = False

    def __init__(self, options: dict[str, str | None]) -> None:
        for name, value in options.items():
            if name == "trace":
                self.trace = value
            elif name == "rows":
                try:
                    self.rows = int(value or "")
                except ValueError:
                    raise OptionError(f"--profile-rows wants a number, not {value!r}") from None
            elif name == "sort":
                self.sort = self._column(value or "")
            else:
                self.lines = True
        self.profile = profile(profile_memory=True, with_stack=self.lines)

    @staticmethod
    def _column(name: str) -> str:
        columns = "self_cpu_time_total cpu_time_total cpu_time cpu_memory_usage self_cpu_memory_usage count".split()
        if name not in columns:
            raise OptionError(f"--profile-sort wants one of {', '.join(columns)}, not {name!r}")
        return name

    @classmethod
    def take(cls, arguments: list[str]) -> tuple[Report, list[str]]:
        """The report that the leading options describe, and the arguments after them."""
        options: dict[str, str | None] = {}
        at = 0
        while at < len(arguments) and arguments[at].startswith("--profile"):
            option, equals, value = arguments[at].partition("=")
            name = option[len("--profile") :].removeprefix("-")
            if name not in ("", "lines", "trace", "rows", "sort"):
                raise OptionError(f"no option {option!r}; try `rushlight --help`")
            at += 1
            if name in ("trace", "rows", "sort"):
                if not equals:
                    if at == len(arguments):
                        raise OptionError(f"{option} wants a value")
                    value = arguments[at]
                    at += 1
                options[name] = value
            elif name:
                options[name] = None
        if arguments[at:] in ([], ["-m"]):
            raise OptionError("--profile wants a program to run")
        return cls(options), arguments[at:]

    def __enter__(self) -> Report:
        self.profile.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.profile.stop()
        table = self.profile.key_averages(group_by_stack_n=1 if self.lines else 0)
        print(table.table(sort_by=self.sort, row_limit=self.rows) or "rushlight: nothing was recorded")
        if self.trace is not None:
            self.profile.export_chrome_trace(self.trace)
