"""The command `rushlight`: runs PyTorch programs on rushlight, and says what is installed.

`run` is on the way to a user's first result, so it imports nothing that the program itself does not.
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib import ModuleSpec  # importlib.machinery's, without importing importlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    from rushlight.profiler._command import Report

USAGE = """\
usage: rushlight run SCRIPT [ARGUMENT ...]       run a PyTorch program on rushlight
       rushlight run -m MODULE [ARGUMENT ...]    the same, as `python -m` would
       rushlight run - [ARGUMENT ...]            the same, read from standard input
       rushlight run --profile [OPTION ...] ...  the same, and a table of what took how long at the end
       rushlight fit DATA --target COLUMN        fit a network to a table or to images, and keep it in a folder
       rushlight predict FOLDER DATA             predict each row of a file
       rushlight serve FOLDER                    predict over HTTP
       rushlight export FOLDER --to script|onnx  the model as a PyTorch program, or for other runtimes
       rushlight env                             what is installed, for a bug report
       rushlight --version
       rushlight --help, rushlight fit --help, ...

Of `run`: `import torch` in the program, and in processes that it starts through multiprocessing, means rushlight for
that run only; an installed PyTorch is neither imported nor changed.
Of `run --profile`: --profile-trace FILE writes a timeline for chrome://tracing and Perfetto, --profile-lines tells
apart the lines of the program, --profile-sort COLUMN and --profile-rows NUMBER choose what is shown.
"""

TABULAR = frozenset(("fit", "predict", "serve", "export"))

# How a spawned worker process learns what its parent is running; read by _worker.py.
MAIN_VARIABLE = "RUSHLIGHT_MAIN"


class MainSpec(ModuleSpec):
    """The `__spec__` of a program's main module.

    A process started by multiprocessing imports its parent's main module by the name given here: `_worker` makes
    `torch` mean rushlight there too before it runs the program's file. Relative imports look at `parent`.
    """

    def __init__(self, file: str, package: str | None) -> None:
        super().__init__("rushlight._worker", None, origin=file)
        self._package = package or ""

    @property
    def parent(self) -> str:
        return self._package


class _CannotStart(Exception):
    """There is nothing to run; str() is the one line to print."""


def main(arguments: list[str] | None = None) -> int:
    """The entry point of the console script; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    command = arguments[0] if arguments else "--help"
    if command == "run":
        return run(arguments[1:])
    if command in TABULAR:
        from rushlight.tabular.commands import main as tabular

        return tabular(arguments)
    if command in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if command in ("-V", "--version"):
        from rushlight._version import __version__

        print(f"rushlight {__version__}")
        return 0
    if command == "env":
        return environment()
    print(f"rushlight: no command {command!r}\n{USAGE}", end="", file=sys.stderr)
    return 2


def run(arguments: list[str]) -> int:
    """Runs a program as `python` would run it, with `torch` meaning rushlight."""
    if not arguments or arguments[0] in ("-h", "--help") or arguments == ["-m"]:
        wanted = bool(arguments) and arguments[0] != "-m"
        print(USAGE, end="", file=sys.stdout if wanted else sys.stderr)
        return 0 if wanted else 2

    from rushlight import _alias

    _alias.install()
    report = None
    try:
        if arguments[0].startswith("--profile"):
            report, arguments = _take_report(arguments)
        target = arguments[0]
        if target == "-m":
            arguments = arguments[1:]
            _set_import_folder(os.getcwd())
            code, file, package = load_module(arguments[0])
            os.environ[MAIN_VARIABLE] = "-m " + arguments[0]
            arguments = [file, *arguments[1:]]
        elif target == "-":
            _set_import_folder("")
            code, file, package = compile(sys.stdin.read(), "<stdin>", "exec", dont_inherit=True), None, None
            os.environ.pop(MAIN_VARIABLE, None)
        elif target.startswith("-"):
            raise _CannotStart(f"no option {target!r}; try `rushlight --help`")
        else:
            file, package = os.path.abspath(target), None
            _set_import_folder(os.path.dirname(os.path.realpath(target)))
            code = load_file(file)
            os.environ[MAIN_VARIABLE] = file
    except _CannotStart as error:
        print(f"rushlight: {error}", file=sys.stderr)
        return 2
    except SyntaxError as error:
        sys.excepthook(type(error), error.with_traceback(None), None)
        return 1
    sys.argv = arguments
    if report is None:
        return _execute(code, file, package)
    with report:
        return _execute(code, file, package)


def _take_report(arguments: list[str]) -> tuple[Report, list[str]]:
    """What `--profile` and the options after it ask for, and the rest of the arguments."""
    from rushlight.profiler._command import OptionError, Report

    try:
        return Report.take(arguments)
    except OptionError as error:
        raise _CannotStart(str(error)) from None


def load_file(file: str) -> CodeType:
    """Compiles a script; a missing one is a `_CannotStart`."""
    import io

    try:
        with io.open_code(file) as stream:
            source = stream.read()
    except OSError as error:
        raise _CannotStart(f"can't open file {file!r}: [Errno {error.errno}] {error.strerror}") from None
    return compile(source, file, "exec", dont_inherit=True)


def load_module(name: str) -> tuple[CodeType, str, str]:
    """Code, file and package of the module that `-m name` runs."""
    from importlib.util import find_spec

    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name += ".__main__"
            spec = find_spec(name)
    except ModuleNotFoundError as error:
        raise _CannotStart(f"no module named {error.name}") from None
    if spec is None:
        raise _CannotStart(f"no module named {name}")
    code = spec.loader.get_code(name) if hasattr(spec.loader, "get_code") else None  # type: ignore[union-attr]
    if code is None:
        raise _CannotStart(f"no Python code to run in {name}")
    return code, spec.origin or name, spec.parent or ""


def _set_import_folder(folder: str) -> None:
    """Puts the program's folder where Python put ours: first on sys.path, unless told not to (-P, -I)."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _execute(code: CodeType, file: str | None, package: str | None) -> int:
    from rushlight import _alias

    module = type(sys)("__main__")
    module.__dict__.update(__builtins__=__builtins__, __package__=package, __cached__=None)
    if file is not None:
        module.__file__ = file
        module.__spec__ = MainSpec(file, package)
    ours = sys.modules["__main__"]  # kept alive: this frame's callers live in it
    sys.modules["__main__"] = module
    try:
        exec(code, module.__dict__)
    except SystemExit:
        raise
    except BaseException as error:
        _alias.explain(error)
        # The program's traceback starts at its own first line: the frame of this function is not its business.
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        sys.excepthook(type(error), error.with_traceback(trace), trace)
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    finally:
        del ours
    return 0


def environment() -> int:
    """Prints the versions that matter in a bug report."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from rushlight import _C
    from rushlight._version import __version__

    lines = {
        "rushlight": f"{__version__} ({_C.__file__})",
        "Python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        "system": f"{platform.platform()}, {os.cpu_count()} processors",
    }
    try:
        lines["numpy"] = version("numpy")
    except PackageNotFoundError:
        lines["numpy"] = "not installed"
    for name, value in lines.items():
        print(f"{name:<17} {value}")
    return 0
