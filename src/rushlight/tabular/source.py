"""Where rows come from: text files, Parquet, NumPy archives, bundled examples, and objects in memory.

A source has the `names` of its columns and yields `chunks`: (where each row stands, one sequence of raw cells for each
column).  Cells are text, numbers or None; `table.py` makes numbers and categories of them.
"""

from __future__ import annotations

import os
from itertools import islice

from rushlight.tabular.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from rushlight import Tensor
    from rushlight.tabular.settings import Settings

    Chunk = tuple[Sequence[int], Sequence[Sequence[Any]]]

# Whole numbers, in groups of three or not, with a fraction behind a comma.
DECIMAL_COMMA = r"\s*[+-]?(\d+|\d{1,3}(\.\d{3})+)?(,\d+)?([eE][+-]?\d+)?\s*"
OPEN = "is a quotation mark left open"
ROWS = 8192  # of a chunk: what `predict` holds at a time
MOST_COLUMNS = 16384


class Source:
    """Named columns, in chunks; `origin` says in messages where they come from, `unit` what a row is counted by."""

    unit = "row"

    def __init__(self, origin: str, names: list[str], named: bool = True) -> None:
        self.origin, self.named = origin, named
        if len(names) > MOST_COLUMNS:
            raise DataError(
                f"{origin} has {len(names)} columns: the most is {MOST_COLUMNS}; choose some, or transpose it"
            )
        seen: set[str] = set()
        for name in names:
            if name in seen:
                raise DataError(f"{origin} has two columns named {name!r}: rename one of them")
            seen.add(name)
        self.names = names

    def chunks(self) -> Iterator[Chunk]:
        raise NotImplementedError


class MemorySource(Source):
    """Columns that are in memory already."""

    def __init__(self, origin: str, columns: dict[str, Sequence[Any]]) -> None:
        super().__init__(origin, [str(name) for name in columns])
        self.columns = list(columns.values())
        lengths = {len(column) for column in self.columns}
        if len(lengths) > 1:
            raise DataError(f"the columns of {origin} have different lengths: {sorted(lengths)}")
        self.rows = lengths.pop() if lengths else 0

    def chunks(self) -> Iterator[Chunk]:
        for start in range(0, self.rows, ROWS):
            end = min(start + ROWS, self.rows)
            yield range(start + 1, end + 1), [column[start:end] for column in self.columns]


class TextSource(Source):
    """A .csv or .tsv file, compressed by gzip or not; it is read anew by each call of `chunks`."""

    unit = "line"

    def __init__(self, path: str, settings: Settings) -> None:
        self.path, self.encoding, self.comma = path, settings.encoding, settings.decimal == ","
        if self.encoding.lower() in ("utf-8", "utf8"):
            self.encoding = "utf-8-sig"  # the same, but for the mark that some programs put first
        name = path.lower().removesuffix(".gz")
        self.delimiter = settings.delimiter or ("\t" if name.endswith((".tsv", ".tab")) else ",")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n ':
            raise DataError(f"--delimiter {self.delimiter!r}: must be one character, and no quotation mark or space")
        if self.comma and self.delimiter == ",":
            raise DataError("--decimal , needs another character between fields: add --delimiter ';'")
        self.origin = os.path.basename(path)
        first = next(self._rows(), None)
        if first is None:
            raise DataError(f"{self.origin} is empty: it needs a line of names and lines of data")
        cells = [cell.strip() for cell in first[1]]
        other = max(";\t|,", key=cells[0].count)
        if len(cells) == 1 and other in cells[0]:
            shown = "\\t" if other == "\t" else other
            raise DataError(f"{self.origin} has one column by {self.delimiter!r}: try --delimiter '{shown}'")
        if settings.no_header:
            names = [f"x{i}" for i in range(len(cells))]
        else:
            names = [cell or f"x{i}" for i, cell in enumerate(cells)]
            if not settings.header and len(cells) <= MOST_COLUMNS and all(map(_is_number, self._plain(cells))):
                raise DataError(
                    f"the first line of {self.origin} is all numbers: add --no-header, or --header if they are names"
                )
        self.skipped = 0 if settings.no_header else 1
        super().__init__(self.origin, names, named=not settings.no_header)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """(line, fields) of the rows that are not blank; quoted fields may go over several lines."""
        import csv

        stream: Any
        if self.path.lower().endswith(".gz"):
            import gzip
            import zlib

            stream = gzip.open(self.path, "rt", encoding=self.encoding, newline="")
            broken: tuple[type[Exception], ...] = (EOFError, OSError, zlib.error)
        else:
            stream = open(self.path, encoding=self.encoding, newline="")
            broken = ()
        reader = csv.reader(stream, delimiter=self.delimiter, skipinitialspace=True)
        line = 1
        with stream:
            try:
                for fields in reader:
                    if fields:
                        yield line, fields
                    line = reader.line_num + 1
            except UnicodeDecodeError as error:
                encoding, byte = self.encoding.removesuffix("-sig").upper(), error.object[error.start]
                likely = "utf-16" if error.object.startswith((b"\xff\xfe", b"\xfe\xff")) else "latin-1"
                raise DataError(
                    f"{self.origin} is not {encoding} (byte {byte:#x} near line {reader.line_num + 1}): "
                    f"save it as UTF-8, or say --encoding {likely}"
                ) from None
            except UnicodeError as error:  # of UTF-16 without the mark that says which of two it is
                raise DataError(f"{self.origin} is not {self.encoding} ({error}): save it as UTF-8") from None
            except csv.Error as error:
                what = f"a field begins that does not end: {OPEN}?" if "limit" in str(error) else error
                raise DataError(f"{self.origin}, line {line}: {what}") from None
            except broken as error:
                raise DataError(f"{self.origin} is damaged ({error}): copy it again") from None

    def chunks(self) -> Iterator[Chunk]:
        rows = islice(self._rows(), self.skipped, None)
        width = len(self.names)
        while chunk := list(islice(rows, ROWS)):
            lines, fields = zip(*chunk)
            if set(map(len, fields)) != {width}:
                line, wrong = next((line, row) for line, row in chunk if len(row) != width)
                why = f" ({OPEN}?)" if any("\n" in field for field in wrong) else ""
                raise DataError(
                    f"{self.origin}, line {line}: {len(wrong)} fields where {width} are expected{why}; correct the line"
                )
            yield lines, [self._plain(column) for column in zip(*fields)]

    def _plain(self, cells: Sequence[str]) -> Sequence[str]:
        """1.234,5 as 1234.5, where commas are decimal."""
        if not self.comma:
            return cells
        import re

        number = re.compile(DECIMAL_COMMA)
        return [cell.replace(".", "").replace(",", ".") if number.fullmatch(cell) else cell for cell in cells]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


class ParquetSource(Source):
    """A .parquet file, read batch by batch."""

    def __init__(self, path: str) -> None:
        try:
            from pyarrow import ArrowInvalid, parquet
        except ImportError:
            raise DataError("reading .parquet needs pyarrow: pip install 'rushlight[parquet]'") from None
        try:
            self.file = parquet.ParquetFile(path)
        except (ArrowInvalid, OSError) as error:
            raise DataError(f"{os.path.basename(path)} is not a Parquet file ({error})") from None
        super().__init__(os.path.basename(path), list(self.file.schema_arrow.names))

    def chunks(self) -> Iterator[Chunk]:
        start = 1
        try:
            for batch in self.file.iter_batches(batch_size=ROWS):
                yield range(start, start + batch.num_rows), [column.to_pylist() for column in batch.columns]
                start += batch.num_rows
        except (ValueError, OSError) as error:  # Arrow's own errors are of these kinds
            raise DataError(f"{self.origin} is damaged ({str(error).splitlines()[0]}): copy it again") from None


def memory_source(origin: str, data: Any) -> MemorySource:
    """Columns of a dict, of a data frame (anything with `columns`), or of rows given as dicts."""
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        Source(origin, [str(name) for name in data.columns])  # refuses a name that occurs twice
        return MemorySource(origin, {str(name): _plain(data[name]) for name in data.columns})
    if isinstance(data, dict):
        return MemorySource(origin, {name: _plain(column) for name, column in data.items()})
    rows = list(data) if hasattr(data, "__iter__") else [data]
    if not all(isinstance(row, dict) for row in rows):
        raise DataError(
            f"{origin} are a {type(data).__name__}: give a path, a data frame, a dict of columns, a list of dicts "
            f"or a pair (X, y)"
        )
    names = dict.fromkeys(name for row in rows for name in row)
    return MemorySource(origin, {name: [row.get(name) for row in rows] for name in names})


def matrix_source(
    origin: str, x: Any, y: Any, names: Sequence[str] | None = None, target: str = "target"
) -> MemorySource:
    """Columns of a two-dimensional array-like and of the target beside it."""
    for name, array, dimensions in (("X", x, (2,)), ("y", y, (1, 2))):
        shape = getattr(array, "shape", None)
        if shape is not None and len(shape) not in dimensions:
            raise DataError(f"{name} has shape {tuple(shape)}: X is rows x columns, y one value for each row")
    if len(getattr(y, "shape", ())) == 2:
        import numpy

        y = target_array(numpy.asarray(y), origin)
    if hasattr(x, "columns"):
        columns: dict[str, Any] = dict(zip(x.columns, memory_source(origin, x).columns))
    else:
        values = list(zip(*_plain(x)))
        columns = dict(zip(names if names is not None else [f"x{i}" for i in range(len(values))], values))
    return MemorySource(origin, {**columns, target: _plain(y)})


def _plain(values: Any) -> Sequence[Any]:
    return values.tolist() if hasattr(values, "tolist") else list(values)


def open_arrays(path: str) -> dict[str, Any]:
    """The arrays of a .npz file; none is unpickled."""
    try:
        import numpy
    except ImportError:
        raise DataError("reading .npz needs NumPy: pip install numpy") from None
    try:
        with numpy.load(find_file(path), allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except DataError:
        raise
    except Exception as error:  # zipfile's, zlib's and NumPy's own
        why = "it holds Python objects, or is another kind of file" if "pickle" in str(error) else error
        raise DataError(f"{path} is not a .npz archive of plain arrays ({why}): save it by numpy.savez") from None


X_NAMES = ("x", "X", "images", "data", "features", "x_train", "X_train")
Y_NAMES = ("y", "Y", "target", "labels", "label", "y_train")


def find_array(arrays: dict[str, Any], path: str, target: str | None = None) -> tuple[str | None, Any]:
    """(name of the target's array, the inputs' array)."""
    wanted = target if target in arrays else next((name for name in Y_NAMES if name in arrays), None)
    found = next((name for name in X_NAMES if name in arrays and arrays[name].ndim > 1), None)
    if found is None:
        many = [name for name in arrays if name != wanted and arrays[name].ndim > 1]
        if len(many) != 1:
            raise DataError(f"{path} has arrays {', '.join(arrays)}: name the inputs x and the target y")
        found = many[0]
    return wanted, arrays[found]


def target_array(array: Any, origin: str) -> list[Any]:
    """The values of a target: a vector of numbers or texts, or a matrix of one column."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "buifUS":
        what = f"{array.dtype} of shape {tuple(array.shape)}"
        raise DataError(f"the target of {origin} is {what}: it must be a vector of numbers or of texts")
    return list(array.astype(str).tolist() if array.dtype.kind == "S" else array.tolist())


def from_array(torch: Any, array: Any) -> Tensor:
    """A tensor of the array's values; of unusual dtypes, in double precision."""
    if isinstance(array, torch.Tensor):
        return array
    import numpy

    array = numpy.asarray(array)
    if array.dtype.kind not in "buif":
        raise DataError(f"an array of {array.dtype} where numbers are expected")
    if array.dtype not in (numpy.uint8, numpy.float32, numpy.float64):
        array = array.astype(numpy.float64)
    return torch.from_numpy(numpy.ascontiguousarray(array).copy())


def array_source(path: str, settings: Settings) -> MemorySource:
    """Columns x0, x1, ... (or as `feature_names` says) and the target of a .npz file with a matrix."""
    arrays = open_arrays(path)
    wanted, x = find_array(arrays, path, settings.target)
    origin = os.path.basename(path)
    if x.ndim != 2:
        raise DataError(f"{origin}: the inputs have {x.ndim} dimensions, where a table has two")
    if x.dtype.kind not in "buifU":
        raise DataError(f"{origin}: the inputs are {x.dtype}, where numbers are expected")
    given = arrays.get("feature_names")
    names = [f"x{i}" for i in range(x.shape[1])] if given is None else [str(name) for name in given]
    if len(names) > MOST_COLUMNS:
        return MemorySource(origin, dict.fromkeys(names, ()))  # refuses them
    columns: dict[str, Any] = {name: x[:, i].tolist() for i, name in enumerate(names)}
    if wanted is not None:
        columns[wanted] = target_array(arrays[wanted], origin)
        if settings.target is None:
            settings.target = wanted
    return MemorySource(origin, columns)


def find_file(data: str) -> str:
    """The path, if there is such a file that can be read."""
    if not os.path.exists(data):
        from rushlight.tabular.examples import EXAMPLES

        raise DataError(f"no file {data!r}, nor an example of that name ({', '.join(EXAMPLES)})")
    if not os.access(data, os.R_OK):
        raise DataError(f"{data} cannot be read: check its permissions")
    return data


def open_source(data: str, settings: Settings) -> Source:
    """The source of a file's rows, by its ending, or of an example, by its name."""
    from rushlight.tabular.examples import EXAMPLES, example

    if data in EXAMPLES and not os.path.exists(data):
        return example(data, settings)
    path = find_file(data)
    ending = path.lower().removesuffix(".gz")
    if ending.endswith((".csv", ".tsv", ".tab", ".txt")):
        return TextSource(path, settings)
    if ending.endswith((".parquet", ".pq")):
        return ParquetSource(path)
    if ending.endswith(".npz"):
        return array_source(path, settings)
    raise DataError(f"{path}: rows come from .csv, .csv.gz, .tsv, .parquet or .npz, images from .npz or a folder")
