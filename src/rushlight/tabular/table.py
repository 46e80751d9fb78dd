"""Columns of numbers and of categories, made from raw cells.

Numbers are kept as packed doubles with NaN where a value is missing, categories as packed codes: a cell takes eight
bytes, however large the file.
"""

from __future__ import annotations

from array import array
from math import inf, nan

from rushlight.tabular.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from typing import Any

    from rushlight.tabular.source import Source

MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?", "-"))


class Column:
    """One column: `numbers`, or `codes` into `categories` (-1 is missing).

    `surprise` is (place, text) of the first cell that kept a column from being numeric.
    """

    __slots__ = ("categories", "codes", "name", "numbers", "surprise")

    def __init__(self, name: str, text: bool = False) -> None:
        self.name = name
        self.numbers: array[float] | None = None if text else array("d")
        self.codes = array("q")
        self.categories: dict[str, int] = {}
        self.surprise: tuple[int, str] | None = None

    @property
    def is_text(self) -> bool:
        return self.numbers is None

    def __len__(self) -> int:
        return len(self.codes) if self.numbers is None else len(self.numbers)

    def add(self, cells: Sequence[Any], places: Sequence[int]) -> bool:
        """Appends cells; False if earlier ones were numbers and these are not, so that the column must be read anew."""
        if self.numbers is None:
            self._add_text(cells)
            return True
        numbers = numbers_of(cells)
        if numbers is None:
            numbers = array("d")
            for i, cell in enumerate(cells):
                number = number_of(cell)
                if number is None:
                    self.surprise = self.surprise or (places[i], str(cell))
                    return self._turn_to_text(cells)
                numbers.append(number)
        self.numbers += numbers
        return True

    def _turn_to_text(self, cells: Sequence[Any]) -> bool:
        if self.numbers:
            return False
        self.numbers = None
        self._add_text(cells)
        return True

    def _add_text(self, cells: Iterable[Any]) -> None:
        categories = self.categories
        for cell in cells:
            text = text_of(cell)
            self.codes.append(-1 if text is None else categories.setdefault(text, len(categories)))


def numbers_of(cells: Sequence[Any]) -> array[float] | None:
    """Cells that all are numbers or the word nan; None if one is anything else."""
    try:
        numbers = array("d", map(float, cells))
    except (ValueError, TypeError, OverflowError):
        return None
    # float() takes 1_000 and digits of every script, which in a file of data are more likely names
    if cells and isinstance(cells[0], str) and isinstance(cells[-1], str):
        joined = "".join(map(str, cells))
        if "_" in joined or not joined.isascii():
            return None
    return numbers


def number_of(cell: Any) -> float | None:
    """The number that a cell is, NaN where it is missing, None where it is text."""
    if cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING):
        return nan
    if isinstance(cell, str) and ("_" in cell or not cell.isascii()):
        return None
    try:
        return float(cell)
    except (ValueError, TypeError, OverflowError):
        return nan if is_missing(cell) else None


def is_missing(cell: Any) -> bool:
    """None, NaN and what pandas has for them: its NA answers no comparison."""
    return cell is None or type(cell).__name__ == "NAType" or bool(cell != cell)


def text_of(cell: Any) -> str | None:
    """The category that a cell names, None where it is missing; 3.0 and 3 are one category."""
    if isinstance(cell, str):
        text = cell.strip()
        return None if text.lower() in MISSING else text
    if is_missing(cell):
        return None
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


class Table:
    """Columns of equal length by name; `unit` and `places` say in messages where a row stands."""

    def __init__(self, origin: str, columns: dict[str, Column], unit: str, places: Sequence[int]) -> None:
        self.origin, self.columns, self.unit, self.places = origin, columns, unit, places

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def place(self, row: int) -> str:
        """Where a row stands, in the words of a message."""
        return f"{self.unit} {self.places[row]}"


def read_table(source: Source, text: Container[str] = (), drop: Container[str] = ()) -> Table:
    """All rows of a source.

    A column in which text appears after numbers is read anew as text, in a second pass over the file.
    """
    as_text = {name for name in source.names if name in text}
    surprises: dict[str, tuple[int, str]] = {}
    while True:
        columns = [None if name in drop else Column(name, name in as_text) for name in source.names]
        places = array("q")
        for lines, cells in source.chunks():
            places.extend(lines)
            for i, column in enumerate(columns):
                if column is not None and not column.add(cells[i], lines):
                    as_text.add(column.name)
                    surprises[column.name] = column.surprise or (lines[0], "")
                    columns[i] = None
        kept = {column.name: column for column in columns if column is not None}
        if len(kept) == sum(name not in drop for name in source.names):
            break
    if not places:
        raise DataError(f"{source.origin} has no rows: it needs at least two")
    for name, surprise in surprises.items():
        kept[name].surprise = surprise
    return Table(source.origin, kept, source.unit, places)


def refuse_infinite(table: Table, column: Column) -> None:
    """Infinite values have no mean and no place on a scale."""
    if column.numbers is None:
        return
    for infinite in (inf, -inf):
        if infinite in column.numbers:
            raise DataError(
                f"column {column.name!r} of {table.origin} has an infinite value on "
                f"{table.place(column.numbers.index(infinite))}: correct it, or leave it empty to have it filled in"
            )
