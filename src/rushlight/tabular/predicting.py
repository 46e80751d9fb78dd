"""Predicting chunk by chunk: memory does not grow with the file."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper

from rushlight.tabular.errors import DataError
from rushlight.tabular.folder import WholeFile
from rushlight.tabular.run import make_table
from rushlight.tabular.settings import Settings
from rushlight.tabular.source import Source, memory_source, open_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from typing import Any

    from rushlight import Tensor
    from rushlight.tabular.preprocess import Preprocess
    from rushlight.tabular.run import Run

    Predicted = tuple[list[Any], Tensor | None, list[str] | None]


def predictions(
    run: Run, data: Any, drop: Container[str] = (), unknown: dict[str, str] | None = None, **reading: str | None
) -> Iterator[Predicted]:
    """(values, probabilities of a classifier, names of image files) of each chunk of rows, in order.

    `unknown` receives, by column, a text that training did not know.  `reading` are settings that say how the file is
    read (delimiter, decimal, encoding), where it is not as the training file was.
    """
    if run.preprocess.kind == "image":
        yield from run.preprocess.predictions(run, data)
        return
    source = source_for(run, data, **reading)
    places = positions(run.preprocess, source, drop)
    for rows, cells in source.chunks():
        columns = {name: cells[place] for name, place in places.items()}
        table = make_table(run.preprocess, columns, source.origin, source.unit, rows)
        yield (*run.predict_table(table), None)
        if unknown is not None:
            for feature in run.preprocess.features:
                for text in feature.strangers(table.columns[feature.name])[:1]:
                    unknown.setdefault(feature.name, text)


def source_for(run: Run, data: Any, **reading: str | None) -> Source:
    """The rows of a file, read as the training file was, or of objects in memory."""
    if isinstance(data, Source):
        return data
    if not isinstance(data, (str, os.PathLike)):
        return memory_source("the data", data)
    chosen = run.settings
    path = os.fspath(data)
    if path.lower().removesuffix(".gz").endswith((".csv", ".txt")):
        usual = {"encoding": chosen.encoding, "delimiter": chosen.delimiter, "decimal": chosen.decimal}
    else:
        usual = {"encoding": chosen.encoding}
    usual.update((name, value) for name, value in reading.items() if value is not None)
    named = run.preprocess.named
    return open_source(path, Settings(header=named, no_header=not named, **usual))


def positions(preprocess: Preprocess, source: Source, drop: Container[str] = ()) -> dict[str, int]:
    """Where each feature's column is: by name, or by position if the file has no names.

    The target may be there, and is not read.  Columns that are missing or unknown are refused by name.
    """
    names = source.names
    if not preprocess.named or not source.named:
        without_target = [name for name in preprocess.columns if name != preprocess.target.name]
        for known in (preprocess.columns, without_target, preprocess.names):
            if len(known) == len(names):
                return {name: known.index(name) for name in preprocess.names}
        raise DataError(
            f"{source.origin} has {len(names)} columns: the model takes {len(without_target)}, "
            f"or {len(preprocess.columns)} with the target"
        )
    missing = [name for name in preprocess.names if name not in names]
    strange = [name for name in names if name not in preprocess.columns and name not in drop]
    if missing:
        more = f", and has {listed(strange)} instead" if strange else ""
        raise DataError(f"{source.origin} lacks {listed(missing)}{more}: it needs the columns of the training data")
    if strange:
        from shlex import quote

        raise DataError(
            f"{source.origin} has {listed(strange)}, unknown to the model: say --drop {quote(','.join(strange[:8]))}"
        )
    return {name: names.index(name) for name in preprocess.names}


def listed(names: Sequence[str]) -> str:
    """'a', 'b' and so many more."""
    shown = ", ".join(repr(name) for name in names[:8])
    return f"column{'s' if len(names) > 1 else ''} {shown}" + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def write_predictions(
    run: Run,
    data: Any,
    out: str | None,
    drop: Container[str] = (),
    unknown: dict[str, str] | None = None,
    **reading: str | None,
) -> int:
    """Writes CSV to standard output, or to a file that appears when it is complete; returns the number of rows."""
    chunks = predictions(run, data, drop, unknown, **reading)
    if out is None:
        return _write(run, chunks, sys.stdout)
    with WholeFile(out) as file:
        stream = TextIOWrapper(file, encoding="utf-8", newline="")
        rows = _write(run, chunks, stream)
        stream.flush()
        stream.detach()
    return rows


def _write(run: Run, chunks: Iterator[Predicted], stream: Any) -> int:
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    header = [run.target.name, *(f"probability of {label}" for label in run.target.classes)]
    rows = 0
    for values, chances, files in chunks:
        if not rows:
            writer.writerow(header if files is None else ["file", *header])
        if chances is None:
            lines = [[f"{value:.7g}"] for value in values]
        else:
            lines = [[value, *(f"{p:.6f}" for p in row)] for value, row in zip(values, chances.tolist())]
        writer.writerows(lines if files is None else [[file, *line] for file, line in zip(files, lines)])
        rows += len(values)
    if not rows:
        writer.writerow(header)
    return rows
