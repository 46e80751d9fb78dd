"""Pictures of a run: the data, what the network makes of them, how it learnt and where it errs.

Classes differ in marker and lightness, lines in their dashes, so that a picture printed in grey still tells them apart.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from copy import copy
from math import ceil, isfinite

from rushlight.tabular.canvas import COLOURS, GREY, INK, PALE, colour, figure, marker, plain_ticks, short, style
from rushlight.tabular.errors import DataError
from rushlight.tabular.metrics import score_name
from rushlight.tabular.model import build

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from rushlight.tabular.run import Run

MOST_POINTS = 2000  # of a scatter plot: more only make it black
MOST_PANELS = 6
MOST_GROUPS = 10  # of a panel: classes or categories
MOST_CANDIDATES = 200  # columns among which the most telling ones are looked for


class Picture:
    """One of the pictures: its file, when there is one (`applies`), how it is painted, and what it shows, in words."""

    def __init__(
        self,
        file: str,
        title: str,
        applies: Callable[[Run], bool],
        paint: Callable[[Run], Any],
        describe: Callable[[Run], str],
    ) -> None:
        self.file, self.title = file, title
        self.applies, self.paint, self.describe = applies, paint, describe


@contextmanager
def lenient(what: str, *more: type[BaseException]) -> Iterator[None]:
    """A failure in the block is logged, not raised: a model that took hours to train outlives a picture of it."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, (Exception, *more)):
            raise
        import logging

        reason = str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}".rstrip(": ")
        logging.getLogger("rushlight").warning("%s: %s", what, reason)


def draw(run: Run, folder: str) -> None:
    """Draws every picture that applies to the run, as PNG files in `folder`.

    What cannot be drawn, or not without matplotlib, is left out with a line on the log.  Ctrl-C ends the drawing only.
    """
    with lenient("drawing ended", KeyboardInterrupt), style():
        for picture in PICTURES:
            if picture.applies(run):
                with lenient(f"{picture.file} was not drawn"):
                    save(picture, run, os.path.join(folder, picture.file))


def save(picture: Picture, run: Run, path: str) -> None:
    """Writes one picture; no part of it stays behind if that fails."""
    try:
        picture.paint(run).savefig(path, dpi=160, metadata={"Software": None})
    except BaseException:
        if os.path.exists(path):
            os.unlink(path)
        raise


# What there is to draw from


def judged_part(run: Run) -> str:
    """The rows by which the model is judged."""
    return "test" if "test" in run.results["after"] else "training"


def is_table(run: Run) -> bool:
    return run.data is not None and run.preprocess.kind == "table"


def number_names(run: Run) -> list[str]:
    """Names of the features if they all are plain numbers, else nothing."""
    features = run.preprocess.features if is_table(run) else []
    plain = all([feature.kind == "number" and not feature.order for feature in features])
    return [feature.name for feature in features] if plain else []


def sampled(rows: Any) -> list[int]:
    """Row numbers of a scatter plot: all, or evenly spaced ones."""
    step = max(1, ceil(len(rows) / MOST_POINTS))
    return rows[::step].tolist()


def column_values(run: Run, name: str, rows: list[int]) -> list[float]:
    """Cells of a numeric column as they were read; NaN where one is missing."""
    assert run.data is not None and run.data.table is not None
    numbers = run.data.table.columns[name].numbers
    assert numbers is not None
    return [numbers[row] for row in rows]


def targets(run: Run, rows: list[int]) -> list[Any]:
    """Codes of classes, or numbers in the target's own units."""
    values = run.data.y[rows]
    return values.tolist() if run.target.classes else unscaled(run, values)


def unscaled(run: Run, values: Any) -> list[float]:
    return (values.double() * run.target.scale + run.target.offset).tolist()


def untrained(run: Run) -> Run:
    """The run with the weights that training started from, which the seed gives again."""
    torch = run.torch
    rng = torch.get_rng_state()
    try:
        torch.manual_seed(run.settings.seed)
        first = copy(run)
        first.model = build(torch, run.settings, run.preprocess.shape, run.target)
    finally:
        torch.set_rng_state(rng)
    return first


# The data


def paint_data(run: Run) -> Any:
    if run.preprocess.kind == "image":
        return paint_images(run)
    rows = sampled(run.torch.arange(len(run.data.y)))
    names = number_names(run)
    if len(names) == 2 and run.target.classes:
        canvas = figure(6.4, 4.6)
        axes = canvas.subplots()
        scatter_classes(run, axes, names, rows)
        legend(run, axes)
        return canvas
    features = telling_features(run, rows)
    across = min(len(features), 2)
    down = ceil(len(features) / across)
    canvas = figure(6.4, 2.4 * down if across > 1 else 4.4)
    panels = canvas.subplots(down, across, squeeze=False).ravel()
    for axes, feature in zip(panels, features):
        paint_panel(run, axes, feature, rows)
    for axes in panels[len(features) :]:
        axes.set_axis_off()
    return canvas


def telling_features(run: Run, rows: list[int]) -> list[Any]:
    """The features that say most of the target: by the share of its variance that each explains on its own, linearly.

    For a category against classes that is Goodman and Kruskal's tau, for a number against a number r squared.
    """
    import numpy

    features = run.preprocess.features[:MOST_CANDIDATES]
    if len(features) == 1:
        return features
    width = sum([len(feature.names) for feature in features])
    x = numpy.array(run.data.x[:, :width][rows].tolist())
    y = numpy.array(run.data.y[rows].tolist())
    if run.target.classes:
        y = numpy.eye(len(run.target.classes))[y]
    y = y.reshape(len(y), -1) - y.reshape(len(y), -1).mean(0)
    start, scored = 0, []
    for i, feature in enumerate(features):
        inputs = x[:, start : start + len(feature.names)]
        start += len(feature.names)
        inputs = inputs - inputs.mean(0)
        left = y - inputs @ numpy.linalg.lstsq(inputs, y, rcond=None)[0]
        scored.append(((left * left).sum(), i))
    return [features[i] for _, i in sorted(scored)[:MOST_PANELS]]


def paint_panel(run: Run, axes: Any, feature: Any, rows: list[int]) -> None:
    """One feature against the target, both as they were read."""
    y, target = targets(run, rows), run.target
    column = run.data.table.columns[feature.name]
    if column.numbers is None:
        texts = [*column.categories, "missing"]
        groups = [texts[column.codes[row]] for row in rows]
        if target.classes:
            paint_shares(axes, target.classes, groups, y)
        else:
            paint_boxes(axes, grouped(groups, y))
            axes.set_xlabel(short(target.name))
        axes.set_ylabel(short(feature.name))
        return
    values = column_values(run, feature.name, rows)
    axes.set_xlabel(short(feature.name))
    if target.classes:
        paint_boxes(axes, grouped([target.classes[code] for code in y], values))
        axes.set_ylabel(short(target.name))
    else:
        axes.plot(values, y, "o", ms=3.5, mfc="none", mec=COLOURS[0], alpha=0.7)
        axes.set_ylabel(short(target.name))


def grouped(groups: list[str], values: list[float]) -> dict[str, list[float]]:
    """Finite values of each group; the largest groups, in the order of their names."""
    found: dict[str, list[float]] = {}
    for group, value in zip(groups, values):
        if isfinite(value):
            found.setdefault(group, []).append(value)
    largest = sorted(found, key=lambda group: -len(found[group]))[:MOST_GROUPS]
    return {group: found[group] for group in sorted(largest)}


def paint_boxes(axes: Any, groups: dict[str, list[float]]) -> None:
    """A box over the middle half of each group, a line from the 5th to the 95th percentile, a stroke at the median."""
    import numpy

    for i, values in enumerate(groups.values()):
        low, first, middle, third, high = numpy.percentile(values, (5, 25, 50, 75, 95))
        axes.hlines(i, low, high, color=COLOURS[0], lw=1.2)
        axes.barh(i, third - first, left=first, height=0.55, facecolor=PALE, edgecolor=COLOURS[0], lw=1.2)
        axes.vlines(middle, i - 0.275, i + 0.275, color=INK, lw=2)
    axes.set_yticks(range(len(groups)), [short(group, 16) for group in groups])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def paint_shares(axes: Any, classes: list[str], groups: list[str], codes: list[int]) -> None:
    """A bar for each category, cut into the shares of the classes."""
    rows = grouped(groups, [float(code) for code in codes])
    for i, found in enumerate(rows.values()):
        left = 0.0
        for code in range(min(len(classes), MOST_GROUPS)):
            share = found.count(code) / len(found)
            axes.barh(i, share, left=left, height=0.7, facecolor=colour(code), edgecolor="white", alpha=0.85)
            if share > 0.15:
                name = short(classes[code], 8)
                axes.text(left + share / 2, i, name, ha="center", va="center", color="white", size=8)
            left += share
    axes.set_yticks(range(len(rows)), [short(group, 16) for group in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of rows")
    axes.grid(visible=False)


def paint_images(run: Run) -> Any:
    """Eight images of each class in a row, as one image: that is drawn faster than many axes."""
    import numpy

    assert run.data is not None
    across, labels = 8, (run.target.classes or [run.target.name])[:MOST_GROUPS]
    channels, height, width = run.preprocess.shape
    colours = 3 if channels >= 3 else 1
    codes = run.data.y.tolist() if run.target.classes else [0] * len(run.data.y)
    scale, offset = (numpy.reshape(values, (-1, 1, 1)) for values in (run.preprocess.scale, run.preprocess.offset))
    sheet = numpy.full((len(labels), height + 1, across, width + 1, colours), numpy.nan)
    for code in range(len(labels)):
        rows = [row for row, found in enumerate(codes) if found == code]
        for i, row in enumerate(rows[:across]):
            pixels = numpy.array(run.data.x[row].tolist()) * scale + offset
            sheet[code, :height, i, :width] = pixels[:colours].transpose(1, 2, 0)
    sheet = (sheet / numpy.nanmax(sheet)).clip(0, 1).reshape(-1, across * (width + 1), colours)
    canvas = figure(6.4, 0.3 + 0.72 * len(labels) * height / width)
    axes = canvas.subplots()
    axes.imshow(numpy.nan_to_num(sheet, nan=1.0).repeat(3 // colours, axis=2), interpolation="nearest", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([i * (height + 1) + height / 2 for i in range(len(labels))], [short(text, 14) for text in labels])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    return canvas


def describe_data(run: Run) -> str:
    target, rows = run.target, len(run.data.y)
    if run.preprocess.kind == "image":
        return "Examples of the images of each class."
    names = number_names(run)
    more = f" ({MOST_POINTS} of {rows} rows)" if rows > MOST_POINTS else ""
    if len(names) == 2 and target.classes:
        return f"{names[1]} against {names[0]}, with a sign for each class of {target.name}{more}."
    count = len(run.preprocess.features)
    which = f"the {MOST_PANELS} columns that say most of it" if count > MOST_PANELS else "its columns"
    boxes = any([bool(target.classes) == (feature.kind == "number") for feature in run.preprocess.features])
    reading = " A box spans the middle half of the rows, its line 90 % of them, the stroke is the median."
    return f"{target.name} and {which}{more}.{reading if boxes else ''}"


# What the network makes of one feature or two


def scatter_classes(run: Run, axes: Any, names: list[str], rows: list[int], **style: Any) -> None:
    """Points in the plane of two features, each class with its sign."""
    codes = targets(run, rows)
    for code in range(len(run.target.classes)):
        chosen = [row for row, found in zip(rows, codes) if found == code]
        x, y = (column_values(run, name, chosen) for name in names)
        look = {"ms": 5, "mfc": "none", "mec": colour(code), "mew": 1.3, **style}
        axes.plot(x, y, marker(code), **look)
    axes.set_xlabel(short(names[0]))
    axes.set_ylabel(short(names[1]))


def legend(run: Run, axes: Any) -> None:
    """The signs of the classes, beside the axes."""
    from matplotlib.lines import Line2D

    shown = run.target.classes[: 2 * MOST_GROUPS]
    signs = [
        Line2D([], [], ls="", marker=marker(i), mfc="none", mec=colour(i), mew=1.3, label=short(label, 20))
        for i, label in enumerate(shown)
    ]
    axes.legend(handles=signs, title=short(run.target.name, 20), loc="upper left", bbox_to_anchor=(1, 1))


def has_line(run: Run) -> bool:
    return len(number_names(run)) == 1 and not run.target.classes


def paint_line(run: Run) -> Any:
    """The function that a regression on one feature learnt, and the one it started from."""
    (name,) = number_names(run)
    canvas = figure(6.4, 4.4)
    axes = canvas.subplots()
    parts = (("training rows", run.data.split.train, "o", GREY), ("test rows", run.data.split.test, "x", COLOURS[0]))
    shown = []
    for label, part, sign, ink in parts:
        rows = sampled(part)
        shown += column_values(run, name, rows)
        if rows:
            axes.plot(column_values(run, name, rows), targets(run, rows), sign, ms=5, mfc="none", mec=ink, label=label)
    x = grid(shown, 300)
    for label, model, dashes in (("before training", untrained(run), "--"), ("after training", run, "-")):
        axes.plot(x, evaluate(model, {name: x})[0], dashes, color=INK, lw=1.6 + (dashes == "-"), label=label)
    axes.set_xlabel(short(name))
    axes.set_ylabel(short(run.target.name))
    axes.legend()
    return canvas


def describe_line(run: Run) -> str:
    (name,) = number_names(run)
    return (
        f"The rows as points, and {run.target.name} as the network takes it to follow from {name}: "
        f"the dashed line before training, the solid one after it."
    )


def grid(values: list[float], steps: int) -> list[float]:
    """Evenly spaced numbers over a little more than the range of the values."""
    finite = [value for value in values if isfinite(value)]
    low, high = min(finite), max(finite)
    margin = 0.06 * (high - low) or 1.0
    width = (high - low + 2 * margin) / (steps - 1)
    return [low - margin + i * width for i in range(steps)]


def evaluate(run: Run, columns: dict[str, list[float]]) -> tuple[list[Any], Any]:
    from rushlight.tabular.run import make_table

    return run.predict_table(make_table(run.preprocess, columns, "the grid"))


def has_plane(run: Run) -> bool:
    return len(number_names(run)) == 2


def paint_plane(run: Run) -> Any:
    """What is predicted over the plane of two features."""
    import numpy

    names, rows = number_names(run), sampled(run.torch.arange(len(run.data.y)))
    x, y = (grid(column_values(run, name, rows), 180) for name in names)
    values, chances = evaluate(run, dict(zip(names, (x * len(y), [b for b in y for _ in x]))))
    canvas = figure(6.4, 4.6)
    axes = canvas.subplots()
    axes.grid(visible=False)
    if chances is None:
        heights = numpy.reshape(values, (len(y), len(x)))
        canvas.colorbar(axes.contourf(x, y, heights, 12, cmap="cividis"), ax=axes, label=short(run.target.name))
        axes.plot(*(column_values(run, name, rows) for name in names), "o", ms=4, mfc="white", mec=INK, mew=0.6)
        axes.set_xlabel(short(names[0]))
        axes.set_ylabel(short(names[1]))
        return canvas
    paint_regions(axes, x, y, numpy.array(chances.tolist()).T.reshape(-1, len(y), len(x)))
    tested = sampled(run.data.split.test)
    scatter_classes(run, axes, names, sampled(run.data.split.train), alpha=0.35 if tested else 1.0)
    scatter_classes(run, axes, names, tested, ms=6, mew=1.7)
    axes.set_xlim(x[0], x[-1])
    axes.set_ylim(y[0], y[-1])
    legend(run, axes)
    return canvas


def paint_regions(axes: Any, x: list[float], y: list[float], chances: Any) -> None:
    """The region of each class, deeper where it is surer, with its border."""
    import numpy

    for code, own in enumerate(chances):
        lead = own - numpy.delete(chances, code, 0).max(0)  # over the next probable class
        if lead.max() <= 0:
            continue
        shades = [(colour(code), alpha) for alpha in (0.08, 0.14, 0.20, 0.26)]
        axes.contourf(x, y, lead, [0, 0.25, 0.5, 0.75, 1.01], colors=shades)
        if lead.min() < 0:
            axes.contour(x, y, lead, [0], colors=INK, linewidths=1.4)


def describe_plane(run: Run) -> str:
    names, target = number_names(run), run.target
    if not target.classes:
        return f"{target.name} as predicted over {names[0]} and {names[1]}; the circles are the rows."
    pale = "; pale signs are rows that it was trained on, strong ones test rows" if len(run.data.split.test) else ""
    return f"Where the network predicts which class; the line is the border, deeper shades are surer{pale}."


# How it learnt


def has_curve(run: Run) -> bool:
    return len(run.history) > 1


def paint_curve(run: Run) -> Any:
    """Losses over epochs, and below them the score."""
    history = run.history[:: max(1, len(run.history) // MOST_POINTS)]
    held_out = run.results["held_out"]
    epochs = [record["epoch"] for record in history]
    canvas = figure(6.4, 5.0 if held_out else 3.6)
    panels = canvas.subplots(
        1 + bool(held_out), 1, sharex=True, squeeze=False, height_ratios=(3, 2)[: 1 + bool(held_out)]
    )
    losses, scores = panels[0, 0], panels[-1, 0]
    trained = [record["loss"] for record in history]
    losses.plot(epochs, trained, color=COLOURS[0], lw=1.8, label="training")
    if held_out:
        measured = [record["held_out_loss"] for record in history]
        losses.plot(epochs, measured, "--", color=COLOURS[1], lw=1.8, label=held_out)
        trained = trained + measured
        score = [record["held_out_score"] for record in history]
        scores.plot(epochs, score, "--", color=COLOURS[1], lw=1.8)
        scores.set_ylabel("R2" if score_name(run.target) == "r2" else "accuracy")
        scores.set_ylim(bottom=max(-1.0, min(score) - 0.03), top=1.03)
    if min(trained) > 0 and max(trained) > 30 * min(trained):
        losses.set_yscale("log")
        plain_ticks(losses.yaxis)
    if run.results["best_epoch"] != len(run.history):
        for axes in panels[:, 0]:
            axes.axvline(run.results["best_epoch"], color=INK, lw=1, ls=":", label="the epoch that was kept")
    losses.set_ylabel(f"loss ({run.settings.loss})")
    losses.legend()
    scores.set_xlabel("epoch")
    scores.xaxis.get_major_locator().set_params(integer=True)
    return canvas


def describe_curve(run: Run) -> str:
    first, last, held_out = run.history[0], run.history[-1], run.results["held_out"]
    text = f"The training loss went from {first['loss']:.4g} to {last['loss']:.4g} in {last['epoch']} epochs"
    if held_out:
        text += f", the {held_out} loss from {first['held_out_loss']:.4g} to {last['held_out_loss']:.4g}"
    return text + "."


def has_rates(run: Run) -> bool:
    return bool(run.results["lr_find"])


def paint_rates(run: Run) -> Any:
    """The loss over the learning rates that --lr-find tried."""
    found = run.results["lr_find"]
    canvas = figure(6.4, 3.6)
    axes = canvas.subplots()
    axes.semilogx(*zip(*found["curve"]), color=COLOURS[0], lw=1.8)
    plain_ticks(axes.xaxis)
    axes.axvline(found["rate"], color=INK, lw=1.2, ls="--", label=f"picked: {found['rate']:.3g}")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss (smoothed)")
    axes.legend()
    return canvas


def describe_rates(run: Run) -> str:
    return (
        f"The loss while the learning rate rose. {run.results['lr_find']['rate']:.3g} is a tenth of where it is lowest."
    )


# Where it errs


def has_confusion(run: Run) -> bool:
    return bool(run.target.classes)


def paint_confusion(run: Run) -> Any:
    """Counts of true and predicted classes, shaded by the share of the true class."""
    counts = run.results["after"][judged_part(run)]["confusion"]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    labels = [short(label, 16) for label in run.target.classes]
    size = min(8.0, 2.4 + 0.45 * len(labels))
    canvas = figure(size + 0.9, size)
    axes = canvas.subplots()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    canvas.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
    if len(labels) <= 20:
        for i, row in enumerate(counts):
            for j, count in enumerate(row):
                ink = "white" if shares[i][j] > 0.55 else INK if count else GREY
                axes.text(j, i, str(count), ha="center", va="center", color=ink)
    every = range(0, len(labels), ceil(len(labels) / 40))
    upright = max(map(len, labels)) > 4
    axes.set_xticks(every, labels[:: every.step], rotation=40 if upright else 0, ha="right" if upright else "center")
    axes.set_yticks(every, labels[:: every.step])
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return canvas


def describe_confusion(run: Run) -> str:
    part = judged_part(run)
    counts = run.results["after"][part]["confusion"]
    right, rows = sum([row[i] for i, row in enumerate(counts)]), sum(map(sum, counts))
    return f"Of {rows} {part} rows, {right} are on the diagonal: the class that was predicted is the true one."


def is_regression(run: Run) -> bool:
    return not run.target.classes


def paint_predicted(run: Run) -> Any:
    """What was predicted against what is true."""
    rows = sampled(run.torch.arange(len(run.tested["target"])))
    true = unscaled(run, run.tested["target"][rows])
    predicted = unscaled(run, run.tested["output"][rows].squeeze(1))
    ends = [min(true + predicted), max(true + predicted)]
    canvas = figure(5.2, 4.8)
    axes = canvas.subplots()
    axes.plot(ends, ends, "--", color=INK, lw=1.2, label="predicted = true")
    axes.plot(true, predicted, "o", ms=4.5, mfc="none", mec=COLOURS[0], alpha=0.8)
    axes.set_xlabel(f"{short(run.target.name)}, true")
    axes.set_ylabel(f"{short(run.target.name)}, predicted")
    axes.legend(loc="upper left")
    return canvas


def describe_predicted(run: Run) -> str:
    part = judged_part(run)
    measured = run.results["after"][part]
    return (
        f"A point for each of {measured['rows']} {part} rows; on the dashed line, the prediction is exact. "
        f"On average it is off by {measured['mae']:.4g}."
    )


PICTURES = (
    Picture("data.png", "The data", lambda run: run.data is not None, paint_data, describe_data),
    Picture("fit.png", "The fit, before and after", has_line, paint_line, describe_line),
    Picture("plane.png", "What is predicted where", has_plane, paint_plane, describe_plane),
    Picture("confusion.png", "True and predicted classes", has_confusion, paint_confusion, describe_confusion),
    Picture("predicted.png", "Predicted against true", is_regression, paint_predicted, describe_predicted),
    Picture("loss.png", "Loss over epochs", has_curve, paint_curve, describe_curve),
    Picture("rates.png", "Learning rates tried", has_rates, paint_rates, describe_rates),
)
