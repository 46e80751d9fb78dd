"""The command `rushlight export`: a fitted model in a form that needs neither rushlight nor its folder."""

from __future__ import annotations

import os
import sys

from rushlight.tabular.commands import Parser
from rushlight.tabular.errors import DataError
from rushlight.tabular.folder import WholeFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rushlight.tabular.run import Run

FORMS = ("script", "onnx")


def main(arguments: list[str]) -> int:
    """`rushlight export`."""
    parser = Parser("rushlight export", description="Write a fitted model as a PyTorch program, or for other runtimes.")
    parser.add_argument("folder", metavar="FOLDER", help="what `rushlight fit` wrote")
    parser.add_argument(
        "--to", required=True, metavar="FORM", help="script: the program that trains it; onnx: the model"
    )
    parser.add_argument(
        "-o", "--out", metavar="FILE", help="default: standard output for a script, FOLDER.onnx for onnx"
    )
    parser.add_argument("--data", metavar="FILE", help="where the data lie that the script reads (default: their name)")
    chosen = parser.parse_args(arguments)
    if chosen.to not in FORMS:
        raise DataError(f"--to {chosen.to}: must be one of {', '.join(FORMS)}")
    if chosen.data is not None and chosen.to != "script":
        raise DataError("--data is for --to script")

    from rushlight.tabular.run import Run

    run = Run.load(chosen.folder)
    if chosen.to == "onnx":
        from rushlight.tabular.onnxmodel import onnx_model

        out = chosen.out or os.path.basename(os.path.abspath(chosen.folder)) + ".onnx"
        write(out, onnx_model(run))
        print(out, file=sys.stderr)
        return 0
    text = program(run, chosen.data)
    if chosen.out is None:
        print(text, end="")
    else:
        write(chosen.out, text.encode())
        print(chosen.out, file=sys.stderr)
    return 0


def program(run: Run, data: str | None) -> str:
    """The script, and a word about the data that it will look for."""
    from rushlight.tabular.examples import EXAMPLES
    from rushlight.tabular.program import Program

    if data is not None and not os.path.exists(data):
        raise DataError(f"--data {data}: there is no such file")
    text = Program(run, data).text()
    if data is None and run.origin not in EXAMPLES and not os.path.exists(run.origin):
        print(f"the program reads {run.origin} from where it is run; --data names another place", file=sys.stderr)
    return text


def write(path: str, content: bytes) -> None:
    """Writes a file whole, or not at all."""
    with WholeFile(path) as file:
        file.write(content)
