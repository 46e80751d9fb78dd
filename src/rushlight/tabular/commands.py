"""The commands `rushlight fit` and `rushlight predict`."""

from __future__ import annotations

import argparse
import os
import sys

from rushlight.tabular.errors import DataError
from rushlight.tabular.settings import OPTIONS, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from rushlight.tabular.run import Run

INTERRUPTED = 130
READING = ("drop", "delimiter", "decimal", "encoding")  # what `predict` can be told of a file that differs


def main(arguments: list[str]) -> int:
    """Runs `fit ...`, `predict ...` and their relatives; the exit status is 2 for anything the user can put right.

    RUSHLIGHT_TRACEBACK=1 in the environment shows where such an error came from.
    """
    _prepare_output(arguments[0])
    try:
        status = _commands()[arguments[0]](arguments[1:])
        sys.stdout.flush()  # here, where a failure can still be told
        return status
    except DataError as error:
        if os.environ.get("RUSHLIGHT_TRACEBACK"):
            raise
        print(f"rushlight {arguments[0]}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nrushlight {arguments[0]}: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _forget_output()  # `| head` has seen enough
        return 1
    except OSError as error:
        if os.environ.get("RUSHLIGHT_TRACEBACK"):
            raise
        what, why = error.filename or "the output", error.strerror or error
        print(f"rushlight {arguments[0]}: {what} cannot be read or written ({why}): try another place", file=sys.stderr)
        if not error.filename:
            _forget_output()
        return 2
    except MemoryError:
        print(
            f"rushlight {arguments[0]}: out of memory: use fewer rows or columns, or a smaller --hidden",
            file=sys.stderr,
        )
        return 2


def _prepare_output(command: str) -> None:
    """No letter of a name or of a category stops a command; CSV and programs are UTF-8, as the files that are read."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not where a test or a notebook has put something else
            stream.reconfigure(errors="backslashreplace")
    if command in ("predict", "export") and hasattr(sys.stdout, "reconfigure") and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8")


def _forget_output() -> None:
    """What is still buffered for standard output has nowhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _commands() -> dict[str, Callable[[list[str]], int]]:
    return {"fit": fit, "predict": predict, "serve": _serve, "export": _export}


def _serve(arguments: list[str]) -> int:
    from rushlight.tabular import serve

    return serve.main(arguments)


def _export(arguments: list[str]) -> int:
    from rushlight.tabular import export

    return export.main(arguments)


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are DataErrors."""

    def error(self, message: str) -> Any:
        raise DataError(f"{message}; see `{self.prog} --help`")


def fit_parser() -> Parser:
    """The options of `rushlight fit`, from the table of settings."""
    parser = Parser("rushlight fit", description="Fit a network to a table or to images, and keep it in a folder.")
    parser.add_argument(
        "data",
        nargs="?",
        metavar="DATA",
        help=".csv, .csv.gz, .tsv, .parquet, .npz, a folder of images, or an example's name",
    )
    parser.add_argument("-o", "--out", metavar="FOLDER", help="where the model goes (default: DATA's name and -model)")
    parser.add_argument("--resume", metavar="FOLDER", help="go on with an interrupted run, with its own settings")
    parser.add_argument("--no-pictures", action="store_true", help="draw nothing, make no report.html")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    groups = {name: parser.add_argument_group(name) for name in ("data", "model", "training")}
    for option in OPTIONS:
        _add(groups[option.group], option)
    return parser


def _add(group: Any, option: Option) -> None:
    kind: dict[str, Any] = {"dest": option.name, "default": None, "help": option.help}
    if option.parse is None:
        kind.update(action="store_const", const=option.default is not True)
    else:
        kind.update(type=_reader(option), metavar=option.metavar)
    group.add_argument(option.flag, **kind)


def _reader(option: Option) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return option.parse(text)  # type: ignore[misc]
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} does not read as {option.metavar}") from None

    return read


def fit(arguments: list[str]) -> int:
    """`rushlight fit`."""
    chosen = vars(fit_parser().parse_args(_joined(arguments)))
    data, out, resume = (chosen.pop(name) for name in ("data", "out", "resume"))
    pictures, quiet = not chosen.pop("no_pictures"), chosen.pop("quiet")
    options = {name: value for name, value in chosen.items() if value is not None}
    if resume is not None and (data or out or options):
        raise DataError("--resume goes on with the data, settings and folder it had: give nothing else")
    if data is None and resume is None:
        raise DataError("which data? `rushlight fit blobs` tries it on an example; see `rushlight fit --help`")
    out = None if resume else out or default_folder(data)

    from rushlight.tabular.fitting import fit as fit_model

    if pictures and not _can_draw():
        pictures = False
        if not quiet:
            print("no pictures: they need matplotlib (pip install 'rushlight[plot]')", file=sys.stderr)
    run = fit_model(data, out=out, resume=resume, pictures=pictures, verbose=not quiet, **options)
    if not quiet:
        _report(run)
    return 0 if run.results["status"] == "complete" else INTERRUPTED


def _joined(arguments: list[str]) -> list[str]:
    """`--target -1` as `--target=-1`: argparse would take a position from the end for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--target" and argument[:1] == "-" and argument[1:].isdigit():
            joined[-1] += "=" + argument
        else:
            joined.append(argument)
    return joined


def default_folder(data: str) -> str:
    """iris -> iris-model, data/sales.csv.gz -> sales-model, in the current folder."""
    name = os.path.basename(data.rstrip("/"))
    return (name.split(".")[0] or "rushlight") + "-model"


def _can_draw() -> bool:
    from importlib.util import find_spec

    return find_spec("matplotlib") is not None


def _report(run: Run) -> None:
    from rushlight.tabular.progress import summary

    print(summary(run.results, run.target.classes))
    if run.results["status"] == "interrupted":
        print(f"stopped in epoch {run.results['epochs'] + 1}; to go on: rushlight fit --resume {run.folder}")
    assert run.folder is not None
    print(f"saved {run.folder}: {', '.join(sorted(os.listdir(run.folder)))}")


def predict(arguments: list[str]) -> int:
    """`rushlight predict`."""
    parser = Parser("rushlight predict", description="Predict each row of a file, in its order, as CSV.")
    parser.add_argument("folder", metavar="FOLDER", help="what `rushlight fit` wrote")
    parser.add_argument("data", metavar="DATA", help="a file with the columns of the training data, the target or not")
    parser.add_argument("-o", "--out", metavar="FILE", help="write here instead of to standard output")
    for option in OPTIONS:
        if option.name in READING:
            _add(parser, option)
    parser.add_argument(
        "--engine", default="rushlight", metavar="NAME", help="rushlight or torch, an installed PyTorch"
    )
    chosen = parser.parse_args(arguments)

    from rushlight.tabular.predicting import write_predictions
    from rushlight.tabular.run import Run

    reading = {name: getattr(chosen, name) for name in READING if name != "drop"}
    run = Run.load(chosen.folder, chosen.engine)
    unknown: dict[str, str] = {}
    rows = write_predictions(run, chosen.data, chosen.out, chosen.drop or (), unknown, **reading)
    for name, text in unknown.items():
        print(f"column {name!r} has values that training did not know, such as {text!r}", file=sys.stderr)
    if chosen.out:
        print(f"{rows} rows: {chosen.out}", file=sys.stderr)
    return 0
