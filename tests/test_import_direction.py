"""Imports go one way, nothing imports PyTorch, and `import rushlight` loads next to nothing."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import rushlight

SOURCE = Path(__file__).resolve().parents[1] / "src" / "rushlight"

# Who may import whom, from the bottom up: a part may import itself, what its row names, and what that names in turn.
# `rushlight` itself (the namespace) is imported by leaves and, inside functions or for types, by anyone.
MAY_IMPORT = {
    "_C": [],
    "_hints": [],
    "_version": [],
    "version": ["_version"],
    "_ops": ["_C", "linalg"],  # bodies in Python call natives; the records themselves import nothing
    "_build": ["_ops"],
    "_tensor_str": ["_C"],
    "_utils": ["_C", "_hints"],
    "_transforms": ["_C", "_utils"],
    "autograd": ["_transforms"],
    "utils": ["autograd", "random", "distributed"],
    "nn": ["utils", "_functions"],
    "optim": ["nn"],  # averaged models are modules
    "_io": ["_utils"],
    "serialization": ["_io"],
    **{name: ["_C", "_utils"] for name in ("random", "linalg", "fft", "special", "overrides", "types", "return_types")},
    "_functions": ["nn", "func", "_dynamo"],
    "_dynamo": ["nn"],
    "compiler": ["_functions"],
    "distributed": [],
    "_signatures": ["nn"],
    "masked": ["_functions"],
    **{
        name: ["_C", "_functions"]
        for name in ("signal", "accelerator", "amp", "backends", "mps", "xpu", "multiprocessing")
    },
    "hub": ["_io"],
    "profiler": ["autograd"],
    "jit": ["nn"],
    "cuda": ["amp"],
    "cpu": ["amp"],
    "testing": ["_functions"],
    "distributions": ["_functions"],
    "func": ["_transforms", "nn"],
    "__init__": [
        "_tensor_str",
        "_version",
        "optim",
        "serialization",
        "func",
        "masked",
        "_signatures",
        "distributions",
        "cuda",
        "cpu",
    ],
    # Leaves: nothing above may name them.
    "_alias": ["__init__"],
    "tabular": ["__init__"],  # on the public interface: test_tabular holds it to that
    "cli": ["_alias", "profiler", "tabular"],
    "_worker": ["cli"],
    "__main__": ["cli"],
}

# What a bare interpreter (python -I -S) has not loaded and `import rushlight` has no business loading.
HEAVY = {
    *(
        "abc",
        "ast",
        "asyncio",
        "bisect",
        "collections",
        "concurrent",
        "contextlib",
        "copy",
        "copyreg",
        "ctypes",
        "dataclasses",
    ),
    *("datetime", "decimal", "dis", "enum", "fnmatch", "functools", "hashlib", "heapq", "importlib", "inspect", "json"),
    *("keyword", "linecache", "locale", "logging", "math", "multiprocessing", "numbers", "numpy", "operator", "os"),
    *(
        "pathlib",
        "pickle",
        "platform",
        "pprint",
        "queue",
        "random",
        "re",
        "reprlib",
        "scipy",
        "shutil",
    ),
    *("signal", "socket", "string", "struct", "subprocess", "tempfile", "textwrap", "threading", "tokenize", "torch"),
    *("traceback", "types", "typing", "typing_extensions", "urllib", "uuid", "warnings", "weakref", "zipfile", "zlib"),
}


def reachable(part: str) -> set[str]:
    found: set[str] = set()
    waiting = [part]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += MAY_IMPORT[name]
    return found


def part_of(module: str) -> str:
    return (module.split(".") + ["__init__"])[1] if module != "rushlight" else "__init__"


def is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, package: str, inside_function: bool = False) -> Iterator[tuple[str, int, bool]]:
    """(absolute module, line, whether inside a function) of each import that can happen at run time."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno, inside_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                base = ".".join([*parents[: len(parents) - node.level + 1], *filter(None, [base])])
            if base == "rushlight":  # the names may be its submodules
                for alias in node.names:
                    yield f"rushlight.{alias.name}", node.lineno, inside_function
            else:
                yield base, node.lineno, inside_function
        elif not is_for_types(node):
            inside = inside_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from imports(node, package, inside)


def sources() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if "_generated" not in path.parts)


def module_imports(path: Path) -> Iterator[tuple[str, int, bool]]:
    relative = path.relative_to(SOURCE.parent).with_suffix("")
    return imports(ast.parse(path.read_text()), ".".join(relative.parts[:-1]))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path):
    relative = path.relative_to(SOURCE).with_suffix("")
    part = relative.parts[0]
    assert part in MAY_IMPORT, f"say in MAY_IMPORT what {part} may import"
    allowed = reachable(part)
    wrong = []
    for module, line, inside_function in module_imports(path):
        if module.split(".")[0] != "rushlight":
            continue
        target = part_of(module)
        if target not in MAY_IMPORT:
            target = "__init__"  # a name of the namespace
        if target not in allowed and not (inside_function and target == "__init__"):
            wrong.append(f"{path.name}:{line} imports {module}")
    assert not wrong, wrong


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_nothing_imports_torch(path):
    assert not [line for module, line, _ in module_imports(path) if module.split(".")[0] == "torch"]


def loaded(statement: str) -> set[str]:
    """Modules in a bare interpreter after `statement`; neither site nor the environment adds any."""
    path = os.path.dirname(os.path.dirname(os.path.abspath(rushlight.__file__)))
    program = f"import sys; sys.path.insert(0, {path!r}); {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_loads_no_heavy_modules():
    extra = loaded("import rushlight") - loaded("pass")
    assert not {name for name in extra if name.split(".")[0] in HEAVY}, sorted(extra)


def test_run_loads_no_heavy_modules():
    extra = loaded("import rushlight.cli, rushlight._alias; rushlight._alias.install()") - loaded("import os")
    assert not {name for name in extra if name.split(".")[0] in HEAVY - {"torch"}}, sorted(extra)
