"""From whatever `fit` is given to tensors: rows or images, target, split, preprocessing."""

from __future__ import annotations

import os

from rushlight.tabular.errors import DataError
from rushlight.tabular.preprocess import Preprocess, doubles, integers, learn_scale, number_like, read_target
from rushlight.tabular.run import Data
from rushlight.tabular.source import Source, matrix_source, memory_source, open_source, target_array
from rushlight.tabular.split import Split, class_counts, split_rows
from rushlight.tabular.table import Column, Table, read_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any

    from rushlight import Tensor
    from rushlight.tabular.preprocess import Target
    from rushlight.tabular.settings import Settings


class Prepared:
    """What training starts from; `notices` are lines for the user about the data."""

    def __init__(self, origin: str, preprocess: Any, data: Data, notices: list[str]) -> None:
        self.origin, self.preprocess, self.data, self.notices = origin, preprocess, data, notices
        self.shape = list(data.x.shape[1:])


def prepare(torch: Any, given: Any, settings: Settings) -> Prepared:
    """Reads the data; what `settings` leaves open (task, loss, model) is filled in."""
    images = find_images(torch, given, settings)
    if images is not None:
        return prepare_images(torch, *images, settings)
    if settings.model == "cnn":
        raise DataError(
            "--model cnn is for images: a .npz file with an array of them, or a folder with a subfolder a class"
        )
    settings.model = settings.model or "mlp"
    return prepare_table(torch, source_of(given, settings), settings)


def source_of(given: Any, settings: Settings) -> Source:
    """The source of the rows of a file, of an example, or of objects in memory."""
    if isinstance(given, Source):
        return given
    if isinstance(given, (str, os.PathLike)):
        return open_source(os.fspath(given), settings)
    if isinstance(given, tuple) and len(given) == 2:
        settings.target = "target"
        return matrix_source("the data", *given)
    return memory_source("the data", given)


def prepare_table(torch: Any, source: Source, settings: Settings) -> Prepared:
    """Columns to inputs."""
    name = target_name(source, settings.target)
    for flag, names in (("--drop", settings.drop), ("--categorical", settings.categorical)):
        for column in names:
            if column not in source.names:
                raise DataError(f"{flag} {column}: {source.origin} has no such column; it has {some(source.names)}")
    if name in settings.drop:
        raise DataError(f"--drop {name}: it is the target")
    ordinal = [item.partition("=")[0] for item in settings.ordinal]
    table = read_table(source, text={*settings.categorical, *ordinal}, drop=settings.drop)
    target, values = read_target(table, name, settings)
    split, y = split_and_scale(torch, target, values, settings)
    preprocess = Preprocess.learn(torch, table, target, split.train, settings, source.named, list(source.names))
    data = Data(table, preprocess.encode(torch, table), y, split)
    return Prepared(source.origin, preprocess, data, notices(torch, table, preprocess, values))


def split_and_scale(torch: Any, target: Target, values: array[Any], settings: Settings) -> tuple[Split, Tensor]:
    """The parts of the rows, and the target as it is trained on."""
    sizes = settings.test_size, settings.validation_size
    if target.classes:
        codes = integers(torch, values)
        return split_rows(torch, codes, len(values), *sizes, settings.seed), codes
    numbers = doubles(torch, values)
    split = split_rows(torch, None, len(values), *sizes, settings.seed)
    learn_scale(target, numbers[split.train].tolist(), settings.standardize)
    return split, ((numbers - target.offset) / target.scale).float()


def target_name(source: Source, wanted: str | None) -> str:
    """The name of the target's column, from its name or its position."""
    if wanted is None:
        raise DataError(
            f"which column is to be predicted? Say --target, one of {some(source.names)}, or -1 for the last"
        )
    if wanted in source.names:
        return wanted
    try:
        return source.names[int(wanted)]
    except ValueError:
        raise DataError(f"--target {wanted}: {source.origin} has no such column; it has {some(source.names)}") from None
    except IndexError:
        raise DataError(f"--target {wanted}: {source.origin} has {len(source.names)} columns, counted from 0") from None


def some(names: list[str]) -> str:
    """A list that fits into a message."""
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def notices(torch: Any, table: Table, preprocess: Preprocess, values: array[Any]) -> list[str]:
    """What the user should know of the data: sizes, classes, what is missing."""
    target = preprocess.target
    lines = [
        f"{len(table)} rows, {counted(len(preprocess.names), 'column')} as {counted(len(preprocess.inputs), 'input')}"
    ]
    lines.append(f"target {target.name}: {about_target(target, values)}")
    missing = {name: missing_of(torch, table.columns[name]) for name in preprocess.names}
    absent = [f"{name} {count}" for name, count in missing.items() if count]
    if absent:
        lines.append(f"missing values, filled in and marked: {some(absent)}")
    for name in [*preprocess.names, target.name]:
        column = table.columns[name]
        if column.surprise and number_like(column):
            place, text = column.surprise
            lines.append(f"{name} is read as text, not as numbers, because of {text!r} on {table.unit} {place}")
    return lines


def counted(number: int, what: str) -> str:
    """1 row, 2 rows."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def about_target(target: Target, values: array[Any]) -> str:
    """Its task, and how often each class occurs or in which range the numbers are."""
    if not target.classes:
        return f"a number from {min(values):g} to {max(values):g}"
    counts = class_counts(values, len(target.classes))
    shown = [f"{label} ({count})" for label, count in zip(target.classes, counts)]
    return f"{len(shown)} classes: {some(shown)}"


def missing_of(torch: Any, column: Column) -> int:
    """How many values a column lacks."""
    if column.numbers is None:
        return int((integers(torch, column.codes) < 0).sum())
    return int(doubles(torch, column.numbers).isnan().sum())


def find_images(torch: Any, given: Any, settings: Settings) -> tuple[str, Tensor, Column, bool] | None:
    """(origin, pixels, labels, whether gray) if the data are images."""
    if isinstance(given, (str, os.PathLike)):
        path = os.fspath(given)
        if os.path.isdir(path):
            from rushlight.tabular.images import read_folder

            if settings.target not in (None, "class"):
                raise DataError(
                    f"--target {settings.target}: the classes of a folder of images are its subfolders; leave it out"
                )

            return (os.path.basename(os.path.abspath(path)), *read_folder(torch, path, settings))
        if path == "digits" and settings.model == "cnn" and not os.path.exists(path):
            from rushlight.tabular.examples import bundled

            bundle = bundled("digits")
            pair = "digits", bundle.images, bundle.target
        elif path.lower().endswith(".npz"):
            from rushlight.tabular.source import find_array, open_arrays

            arrays = open_arrays(path)
            name, x = find_array(arrays, path, settings.target)
            if x.ndim < 3:
                return None
            if name is None or settings.target not in (None, name):
                wanted = f"there is no {settings.target}" if settings.target else "name the one of the classes y"
                raise DataError(f"{path} has arrays {', '.join(arrays)}: {wanted}")
            pair = os.path.basename(path), x, target_array(arrays[name], os.path.basename(path))
        else:
            return None
    elif isinstance(given, tuple) and len(given) == 2 and len(getattr(given[0], "shape", ())) > 2:
        pair = "the data", *given
    else:
        return None
    from rushlight.tabular.images import arranged
    from rushlight.tabular.source import from_array

    origin, x, y = pair
    if len(x) != len(y):
        raise DataError(f"{origin} has {len(x)} images and {len(y)} targets: it must have as many of each")
    if settings.image_size:
        raise DataError("--image-size is for folders of images: bring arrays to a size before they are saved")
    labels = Column("target")
    labels.add(list(y.tolist() if hasattr(y, "tolist") else y), range(1, len(y) + 1))
    pixels = arranged(from_array(torch, x))
    return origin, pixels, labels, pixels.shape[1] == 1


def prepare_images(torch: Any, origin: str, pixels: Tensor, labels: Column, gray: bool, settings: Settings) -> Prepared:
    """Pixels to inputs."""
    from rushlight.tabular.images import ImagePreprocess

    settings.model = settings.model or "cnn"
    table = Table(origin, {labels.name: labels}, "row", range(1, len(labels) + 1))
    target, values = read_target(table, labels.name, settings)
    if pixels.is_floating_point() and not bool(pixels.isfinite().all()):
        raise DataError(f"the images of {origin} have values that are not finite: correct them")
    split, y = split_and_scale(torch, target, values, settings)
    resized = settings.image_size is not None
    preprocess = ImagePreprocess.learn(pixels, gray, resized, target, split.train, settings.standardize)
    channels, height, width = preprocess.shape
    lines = [f"{len(pixels)} images of {height}x{width}, {counted(channels, 'channel')}"]
    lines.append(f"target {target.name}: {about_target(target, values)}")
    return Prepared(origin, preprocess, Data(None, preprocess.encode(torch, pixels), y, split), lines)
