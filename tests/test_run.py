"""`rushlight run`: a program runs as `python` would run it, with `torch` meaning rushlight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest


def start(*arguments: str, cwd: Path, **options) -> subprocess.Popen:
    environment = {name: value for name, value in os.environ.items() if name != "RUSHLIGHT_MAIN"}
    return subprocess.Popen(
        [sys.executable, "-m", "rushlight", *arguments],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def rushlight(*arguments: str, cwd: Path, stdin: str | None = None) -> tuple[int, str, str]:
    process = start(*arguments, cwd=cwd, stdin=subprocess.PIPE)
    out, err = process.communicate(stdin, timeout=60)
    return process.returncode, out, err


def write(path: Path, source: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(source))
    return path


def test_torch_and_its_submodules_are_rushlight(tmp_path):
    write(
        tmp_path / "program.py",
        """
        import torch, rushlight
        import torch.nn as nn
        import torch.nn.functional as F
        from torch.utils.data import DataLoader
        from torch import nn as again
        assert torch is rushlight and nn is rushlight.nn is again
        assert F is rushlight.nn.functional and DataLoader is rushlight.utils.data.DataLoader
        assert nn.__spec__.name == nn.__name__ == "rushlight.nn"
        """,
    )
    assert rushlight("run", "program.py", cwd=tmp_path) == (0, "", "")


def test_classes_print_under_pytorchs_names(tmp_path):
    program = write(
        tmp_path / "program.py",
        """
        import pickle, torch
        from torch.optim.lr_scheduler import StepLR
        from torch.utils.data import DataLoader
        print(torch.nn.Linear, torch.optim.SGD, StepLR, DataLoader)
        print(pickle.loads(pickle.dumps(torch.nn.ReLU())))
        """,
    )
    status, output, errors = rushlight("run", str(program), cwd=tmp_path)
    assert status == 0, errors
    assert output == (
        "<class 'torch.nn.modules.linear.Linear'> <class 'torch.optim.sgd.SGD'> "
        "<class 'torch.optim.lr_scheduler.StepLR'> <class 'torch.utils.data.dataloader.DataLoader'>\nReLU()\n"
    )


def test_an_installed_torch_is_never_imported(tmp_path):
    write(tmp_path / "torch" / "__init__.py", "raise SystemExit('the other torch')")
    write(tmp_path / "torch" / "only_there.py", "")
    write(
        tmp_path / "program.py",
        """
        import torch
        try:
            import torch.only_there
        except ModuleNotFoundError as error:
            print(error, error.name)
        """,
    )
    code, out, err = rushlight("run", "program.py", cwd=tmp_path)
    assert (code, out, err) == (0, "rushlight has no 'torch.only_there' (yet) torch.only_there\n", "")


@pytest.mark.parametrize("module", ["cli", "_alias", "_ops", "_version"])
def test_our_own_modules_have_no_torch_name(tmp_path, module):
    write(tmp_path / "program.py", f"import torch.{module}")
    code, _, err = rushlight("run", "program.py", cwd=tmp_path)
    assert code == 1 and err.endswith(f"ModuleNotFoundError: rushlight has no 'torch.{module}' (yet)\n")


def test_program_sees_what_python_would_show_it(tmp_path):
    script = write(
        tmp_path / "folder" / "program.py",
        """
        import sys, neighbour
        print(__name__, sys.argv, sys.path[0], __file__, __package__, sys.modules["__main__"].__dict__ is globals())
        """,
    )
    write(tmp_path / "folder" / "neighbour.py", "")
    code, out, err = rushlight("run", "folder/program.py", "a", "--b", "-m", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert out == f"__main__ ['folder/program.py', 'a', '--b', '-m'] {script.parent} {script} None True\n"


def test_traceback_starts_in_the_program(tmp_path):
    script = write(tmp_path / "program.py", "def f():\n    1 / 0\nf()\n")
    code, _, err = rushlight("run", "program.py", cwd=tmp_path)
    lines = err.splitlines()
    assert code == 1
    assert lines[:2] == ["Traceback (most recent call last):", f'  File "{script}", line 3, in <module>']
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_syntax_error_is_shown_as_python_shows_it(tmp_path):
    script = write(tmp_path / "program.py", "x = (\n")
    code, _, err = rushlight("run", "program.py", cwd=tmp_path)
    assert code == 1 and err.startswith(f'  File "{script}", line 1\n')


@pytest.mark.parametrize(
    ("statement", "missing"),
    [("torch.no_such_name", "torch.no_such_name"), ("from torch.nn import NoSuchLayer", "torch.nn.NoSuchLayer")],
)
def test_a_missing_name_is_called_missing(tmp_path, statement, missing):
    write(tmp_path / "program.py", f"import torch\n{statement}\n")
    code, _, err = rushlight("run", "program.py", cwd=tmp_path)
    assert code == 1 and f"rushlight has no '{missing}' (yet)" in err


@pytest.mark.parametrize(("statement", "status"), [("sys.exit(7)", 7), ("sys.exit()", 0), ("sys.exit('no')", 1)])
def test_exit_status(tmp_path, statement, status):
    write(tmp_path / "program.py", f"import sys\n{statement}\n")
    assert rushlight("run", "program.py", cwd=tmp_path)[0] == status


def test_interrupt_ends_with_130(tmp_path):
    write(tmp_path / "program.py", "import time\nprint('ready', flush=True)\ntime.sleep(60)\n")
    process = start("run", "program.py", cwd=tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err.endswith("KeyboardInterrupt\n")


def test_missing_program_is_one_line_and_2(tmp_path):
    code, out, err = rushlight("run", "absent.py", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert err == f"rushlight: can't open file '{tmp_path / 'absent.py'}': [Errno 2] No such file or directory\n"


@pytest.mark.parametrize("arguments", [["run"], ["run", "-m"], ["run", "-x"], ["run", "-m", "absent"], ["nonsense"]])
def test_wrong_usage_is_2(tmp_path, arguments):
    code, out, err = rushlight(*arguments, cwd=tmp_path)
    assert code == 2 and not out and "Traceback" not in err


def test_program_from_standard_input(tmp_path):
    source = "import torch, sys; print(torch.__name__, sys.argv, repr(sys.path[0]))"
    code, out, err = rushlight("run", "-", "a", cwd=tmp_path, stdin=source)
    assert (code, out, err) == (0, "rushlight ['-', 'a'] ''\n", "")


WORKERS = """
    import multiprocessing, torch

    class Mine:
        pass

    def work(x):
        import torch.nn
        return torch.__name__, type(x).__name__, type(x).__module__ == __name__

    if __name__ == "__main__":
        for method in multiprocessing.get_all_start_methods():
            with multiprocessing.get_context(method).Pool(1) as pool:
                assert pool.map(work, [Mine()]) == [("rushlight", "Mine", True)], method
        print("done", __package__)
"""


@pytest.mark.slow
def test_worker_processes_see_rushlight(tmp_path):
    write(tmp_path / "program.py", WORKERS)
    assert rushlight("run", "program.py", cwd=tmp_path) == (0, "done None\n", "")


@pytest.mark.slow
def test_module_form(tmp_path):
    write(tmp_path / "package" / "__init__.py", "")
    write(tmp_path / "package" / "value.py", "")
    write(tmp_path / "package" / "__main__.py", "from . import value\n" + textwrap.dedent(WORKERS))
    assert rushlight("run", "-m", "package", cwd=tmp_path) == (0, "done package\n", "")


def test_version_and_help(tmp_path):
    from rushlight._version import __version__

    assert rushlight("--version", cwd=tmp_path) == (0, f"rushlight {__version__}\n", "")
    assert rushlight("--help", cwd=tmp_path)[1].startswith("usage: rushlight run")
    code, out, err = rushlight("env", cwd=tmp_path)
    assert (code, err) == (0, "") and "Python" in out
