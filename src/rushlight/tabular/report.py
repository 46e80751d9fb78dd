"""report.html: one page, complete in itself, about a run: what was asked, the data, the model, how good it is."""

from __future__ import annotations

import os

from rushlight.tabular.fitting import outline
from rushlight.tabular.markup import Html, joined, page, table, tag
from rushlight.tabular.metrics import commonest, score_name
from rushlight.tabular.pictures import PICTURES, Picture, judged_part, lenient, unscaled
from rushlight.tabular.preparing import about_target, counted, missing_of, some
from rushlight.tabular.preprocess import DEFAULT_LOSS, doubles
from rushlight.tabular.progress import duration
from rushlight.tabular.settings import OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.tabular.run import Run

MOST_CLASSES = 50
EPOCHS_SHOWN = 20
NARROW = "\u202f"  # a space that lines are not broken at
MEASURES = {
    "accuracy": "accuracy",
    "r2": "R2",
    "loss": "loss",
    "rmse": "root mean square error",
    "mae": "mean absolute error",
}

STYLE = """
:root { --ink: #1d2329; --soft: #545e68; --line: #d5dbe1; --page: #ffffff; --raised: #f3f6f9; --mark: #1b4f8a }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaee; --soft: #a9b3bd; --line: #3a434c; --page: #1a1a1a; --raised: #262a2e; --mark: #8fbdf0 }
  img.chart { filter: invert(.9) hue-rotate(180deg) }
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", "Noto Sans", sans-serif }
header, main, footer { max-width: 46rem; margin: 0 auto; padding: 0 1rem }
header { padding-top: 2rem }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .8rem; padding-bottom: .25rem; border-bottom: 2px solid var(--mark) }
h3 { font-size: 1.02rem; margin: 1.8rem 0 .4rem }
p { margin: .5rem 0 }
.lead { font-size: 1.1rem; color: var(--soft) }
.warning { border-left: 4px solid #d9730d; padding: .5rem .9rem; background: var(--raised) }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(13rem, 45%), 1fr)); gap: .7rem;
  margin: 1.4rem 0 }
.figures div { background: var(--raised); border-radius: .5rem; padding: .7rem .9rem }
.figures dt { color: var(--soft); font-size: .85rem }
.figures dd { margin: 0; font-size: 1.35rem; font-weight: 650; font-variant-numeric: tabular-nums }
.wide { overflow-x: auto; margin: .8rem 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .93rem;
  overflow-wrap: break-word }
caption { text-align: left; color: var(--soft); padding-bottom: .35rem }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top }
th:first-child, .text td { text-align: left }
.text td, .text thead th { text-align: left }
td { white-space: nowrap }
tbody th, .text td { white-space: normal; overflow-wrap: anywhere; min-width: 3.5rem }
.text tbody th, .text td { min-width: 6.5rem }
.text td:last-child { min-width: 11rem }
thead th { color: var(--soft); font-weight: 600 }
tbody th { font-weight: 500 }
@media (max-width: 30rem) { th, td { padding: .35rem } }
figure { margin: 1.2rem 0 }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto }
figcaption { color: var(--soft); font-size: .93rem; margin-top: .4rem }
pre { background: var(--raised); border-radius: .5rem; padding: .8rem 1rem; overflow-x: auto; overflow-wrap: normal }
code, pre { font: .9rem/1.45 ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace }
summary { cursor: pointer; color: var(--mark) }
details { margin: .8rem 0 }
footer { color: var(--soft); font-size: .88rem; padding: 2.5rem 1rem 2rem }
@media print { figure, table, pre { break-inside: avoid } }
"""


def write(run: Run, folder: str) -> None:
    """Writes report.html, with the pictures that are in the folder; a failure is logged, and leaves no part of it."""
    path = os.path.join(folder, "report.html")
    with lenient("report.html was not written", KeyboardInterrupt):
        text = render(run, folder)
        try:
            # half of a surrogate pair, which data in memory can hold, has no UTF-8
            with open(path, "w", encoding="utf-8", errors="xmlcharrefreplace") as file:
                file.write(text)
        except BaseException:
            if os.path.exists(path):
                os.unlink(path)
            raise


def render(run: Run, folder: str) -> Html:
    """The page."""
    from rushlight._version import __version__

    title = f"{run.target.name} from {run.origin}"
    return page(
        title,
        STYLE,
        tag("header", tag("h1", title), tag("p", lead(run), class_="lead"), interruption(run), figures(run)),
        tag(
            "main",
            section("Results", *results(run, folder)),
            section("Training", *training(run, folder)),
            section("Data", *data(run, folder)),
            section("Model", *model(run)),
            section("What was asked", *asked(run)),
            section("Using the model", *using(run)),
        ),
        tag("footer", f"Made by rushlight {__version__}. This page needs nothing but itself."),
    )


def section(title: str, *children: object) -> Html:
    name = title.lower().replace(" ", "-")
    return tag("section", tag("h2", title, id=name), *children, aria_labelledby=name)


def preformatted(text: str) -> Html:
    """Code, which scrolls by itself where it is wide."""
    return tag("pre", tag("code", text), tabindex=0)


def textual(content: Html) -> Html:
    """A table of words, aligned to the left."""
    return tag("div", content, class_="text")


def folded(summary: str, *children: object) -> Html:
    return tag("details", tag("summary", summary), *children)


def shown(measure: str, value: float) -> str:
    return f"{100 * value:.1f}{NARROW}%" if measure == "accuracy" else f"{value:.4g}"


def weights(run: Run) -> int:
    return sum([parameter.numel() for parameter in run.model.parameters()])


# At the top


def lead(run: Run) -> str:
    """What the model does and how well, in a sentence or two."""
    part = judged_part(run)
    found = run.results["after"][part]
    inputs = "images" if run.preprocess.kind == "image" else counted(len(run.preprocess.names), "column")
    if run.target.classes:
        what = f"A network that tells {len(run.target.classes)} classes of {run.target.name} apart by {inputs}."
        code, share = commonest(found["confusion"])
        good = (
            f"It is right for {shown('accuracy', found['accuracy'])} of {found['rows']} {part} rows; "
            f"always saying {run.target.classes[code]} would be for {shown('accuracy', share)}."
        )
    else:
        what = f"A network that predicts the number {run.target.name} from {inputs}."
        good = f"On {found['rows']} {part} rows it is off by {found['mae']:.4g} on average; R2 is {found['r2']:.3f}."
    caution = "" if part == "test" else " No rows were set aside to test it on: expect less from new ones."
    return f"{what} {good}{caution}"


def interruption(run: Run) -> Html | None:
    if run.results["status"] == "complete":
        return None
    resume = tag("code", "rushlight fit --resume FOLDER")
    text = f"Training was stopped in epoch {run.results['epochs'] + 1} of {run.settings.epochs}. To go on: "
    return tag("p", text, resume, class_="warning")


def figures(run: Run) -> Html:
    """The numbers that one looks for first."""
    part = judged_part(run)
    found, score = run.results["after"][part], score_name(run.target)
    pairs = [
        (f"{part} {MEASURES[score]}", shown(score, found[score])),
        (f"{part} loss", shown("loss", found["loss"])),
        ("rows trained on", run.results["rows"]["training"]),
        ("weights", f"{weights(run):,}"),
        ("epochs", run.results["epochs"]),
        ("training time", spent(run.results["seconds"])),
    ]
    return tag("dl", *[tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs], class_="figures")


def spent(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 100 else duration(seconds)


# Sections


def results(run: Run, folder: str) -> list[object]:
    rows: list[list[object]] = []
    for part, after in run.results["after"].items():
        before = run.results["before"][part]
        for name in after:
            if name in MEASURES:
                rows.append([f"{part} {MEASURES[name]}", shown(name, before[name]), shown(name, after[name])])
    caption = "Before and after training" + ("" if run.target.classes else "; errors in the target's own units")
    return [
        table(caption, ["", "before", "after"], rows),
        *pictures(run, folder, "confusion.png", "predicted.png", "fit.png", "plane.png"),
        by_class(run) if run.target.classes else None,
    ]


def by_class(run: Run) -> Html:
    """Recall: how many rows of a class are found.  Precision: how many of those that are taken for it are of it."""
    part = judged_part(run)
    counts = run.results["after"][part]["confusion"]
    rows: list[list[object]] = []
    for code, label in enumerate(run.target.classes):
        right, true, predicted = counts[code][code], sum(counts[code]), sum([row[code] for row in counts])
        rows.append([label, true, predicted, percent(right, true), percent(right, predicted)])
    head: list[object] = ["class", "true", "predicted", "recall", "precision"]
    return table(f"Classes, by the {part} rows", head, rows, MOST_CLASSES)


def percent(count: int, of: int) -> str:
    return f"{100 * count / of:.1f}{NARROW}%" if of else "–"


def training(run: Run, folder: str) -> list[object]:
    settings, held_out = run.settings, run.results["held_out"]
    rows = run.results["rows"]["training"]
    step = settings.rows_per_step(rows)
    size = "all rows" if step == rows else f"{step} rows"
    text = f"{settings.optimizer} at a rate of {settings.rate:.4g}, {size} a step, {settings.loss} as the loss."
    if run.results["best_epoch"] != run.results["epochs"]:
        text += f" The weights are those of epoch {run.results['best_epoch']}, the best one."
    chosen = run.history[:: max(1, len(run.history) // EPOCHS_SHOWN)]
    if run.history and chosen[-1] is not run.history[-1]:
        chosen = [*chosen, run.history[-1]]
    head: list[object] = ["epoch", "training loss"]
    head += [f"{held_out} loss", f"{held_out} {MEASURES[score_name(run.target)]}"] if held_out else []
    names = ("epoch", "loss", "held_out_loss", "held_out_score")[: len(head)]
    lines = [[row["epoch"], *(f"{row[name]:.4f}" for name in names[1:])] for row in chosen]
    return [
        tag("p", text),
        *pictures(run, folder, "loss.png", "rates.png"),
        folded("Some epochs in numbers (all are in metrics.csv)", table("Epochs", head, lines)),
    ]


def data(run: Run, folder: str) -> list[object]:
    counts = run.results["rows"]
    used = ", ".join(f"{count} for {part}" for part, count in counts.items() if count)
    text = f"{counted(sum(counts.values()), 'row')} of {run.origin}: {used}."
    columns = columns_table(run) if run.preprocess.kind == "table" else image_note(run)
    return [tag("p", text), target_note(run), *pictures(run, folder, "data.png"), columns]


def target_note(run: Run) -> Html | None:
    target = run.target
    if run.data is None:
        return None
    values: Any = run.data.y.tolist() if target.classes else unscaled(run, run.data.y)
    return tag("p", "Target ", tag("strong", target.name), f": {about_target(target, values)}.")


def image_note(run: Run) -> Html:
    channels, height, width = run.preprocess.shape
    scales = ", ".join([scaling(*channel) for channel in zip(run.preprocess.offset, run.preprocess.scale)])
    return tag("p", f"Images of {height}x{width}, {counted(channels, 'channel')}; a value x enters as {scales}.")


def columns_table(run: Run) -> Html:
    """Each column: its kind, what is in it, what is missing, and how it enters the network."""
    seen = run.data is not None
    rows: list[list[object]] = []
    for feature in run.preprocess.features[:100]:
        row: list[object] = [
            feature.name,
            "ordered text" if feature.kind == "number" and feature.order else feature.kind,
        ]
        if seen:
            column = run.data.table.columns[feature.name]
            row += [contents(run.torch, column), missing_of(run.torch, column) or "–"]
        rows.append([*row, encoding(feature)])
    left_out = len(run.preprocess.features) - len(rows)
    caption = "Columns" + (f", the first {len(rows)}; {left_out} more are in preprocess.json" if left_out else "")
    head: list[object] = ["column", "kind", *(("values", "missing") if seen else ()), "enters as"]
    return textual(table(caption, head, rows))


def contents(torch: Any, column: Any) -> str:
    """The range of numbers, or the names of categories."""
    if column.numbers is None:
        return f"{len(column.categories)}: {some(sorted(column.categories))}"
    numbers = doubles(torch, column.numbers)
    present = numbers[~numbers.isnan()]
    return f"{present.min().item():.5g} to {present.max().item():.5g}"


def scaling(offset: float, scale: float) -> str:
    """How a value x enters the network."""
    moved = f"x {'−' if offset > 0 else '+'} {abs(offset):.4g}" if offset else "x"
    if scale == 1:
        return moved
    return f"({moved}) / {scale:.4g}" if offset else f"x / {scale:.4g}"


def encoding(feature: Any) -> str:
    if feature.kind == "category":
        return f"{len(feature.names)} inputs, 0 or 1" + (", one for missing" if feature.indicator else "")
    text = scaling(feature.offset, feature.scale)
    if feature.order:
        text += f", x the place in {some(feature.order)}"
    return text + (f"; missing as {feature.fill:.4g}, marked" if feature.indicator else "")


def model(run: Run) -> list[object]:
    layers: list[list[object]] = [
        [name, " x ".join(map(str, parameter.shape)), f"{parameter.numel():,}"]
        for name, parameter in run.model.named_parameters()
    ]
    return [
        tag("p", f"{outline(run.settings, run.model)}: {weights(run):,} weights."),
        preformatted(str(run.model)),
        folded("Its parameters", table("Parameters", ["name", "shape", "weights"], layers)),
    ]


def asked(run: Run) -> list[object]:
    command = command_line(run)
    chosen: list[list[object]] = [[option.flag, text_of(getattr(run.settings, option.name))] for option in OPTIONS]
    return [
        preformatted(command) if command else tag("p", "The data were given in memory, from Python."),
        folded("All settings", textual(table("Settings", ["option", "value"], chosen))),
    ]


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(str, value)) or "–"
    return "–" if value is None else str(value)


def command_line(run: Run) -> str | None:
    """The command that fits the same again; None if the data came from memory."""
    from shlex import join

    if run.origin == "the data":
        return None
    settings = run.settings
    implied = {"loss": DEFAULT_LOSS[run.target.task], "model": "cnn" if run.preprocess.kind == "image" else "mlp"}
    if settings.lr_find:
        implied["lr"] = settings.lr
    words = ["rushlight", "fit", run.origin]
    for option in OPTIONS:
        value = getattr(settings, option.name)
        if value == implied.get(option.name, option.default):
            continue
        if option.parse is None:
            words.append(option.flag)
        else:
            text = text_of(value)
            words += [f"{option.flag}={text}"] if text.startswith("-") else [option.flag, text]
    return join(words)


def using(run: Run) -> list[object]:
    image = run.preprocess.kind == "image"
    new = "images.npz" if image else "new.csv"
    needs = "images of the same size" if image else f"a file with the columns {some(run.preprocess.names)}"
    shell = (
        f"rushlight predict . {new} -o predictions.csv\n"
        "rushlight serve .                     # predictions over HTTP\n"
        "rushlight export . --to script        # the same model as a PyTorch program"
    )
    python = f'from rushlight import tabular\n\nrun = tabular.load(".")\nprint(run.predict("{new}"))'
    return [
        tag("p", f"In the folder that holds this page, with {needs}:"),
        preformatted(shell),
        tag("p", "From Python:"),
        preformatted(python),
        tag(
            "p",
            *(
                "The weights are in ",
                tag("code", "model.pt"),
                ", as ",
                tag("code", "torch.save"),
                " writes them, and in ",
            ),
            *(
                tag("code", "model.safetensors"),
                "; ",
                tag("code", "preprocess.json"),
                " says how columns become inputs.",
            ),
        ),
    ]


# Pictures


def pictures(run: Run, folder: str, *files: str) -> list[Html]:
    """Those of the named pictures that were drawn."""
    found = [picture for name in files for picture in PICTURES if picture.file == name]
    return [
        embedded(run, picture, os.path.join(folder, picture.file))
        for picture in found
        if os.path.exists(os.path.join(folder, picture.file))
    ]


def embedded(run: Run, picture: Picture, path: str) -> Html:
    """The picture itself, as part of the page."""
    from base64 import b64encode

    with open(path, "rb") as file:
        content = file.read()
    # IHDR, the first chunk of every PNG file, begins with width and height
    width, height = (int.from_bytes(content[start : start + 4], "big") for start in (16, 20))
    photographs = picture.file == "data.png" and run.preprocess.kind == "image"
    text = picture.describe(run)
    image = tag(
        "img",
        src="data:image/png;base64," + b64encode(content).decode(),
        alt=f"{picture.title}. {text}",
        width=round(width / 1.6),
        height=round(height / 1.6),
        class_="photographs" if photographs else "chart",
    )
    return joined([tag("h3", picture.title), tag("figure", image, tag("figcaption", text))])
