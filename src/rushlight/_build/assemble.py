"""Renders, compiles and links `rushlight._C`; run as a program, builds it in place for development.

This file is loaded by itself, before any extension exists, so the real `rushlight/__init__.py` cannot run:
a bare package object stands in for it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sys
import sysconfig
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]


def _load(name: str) -> types.ModuleType:
    """Imports `rushlight._build.*` or `rushlight._ops.*` without running the package's own `__init__`."""
    if "rushlight" not in sys.modules:
        stand_in = types.ModuleType("rushlight")
        stand_in.__path__ = [str(PACKAGE)]
        sys.modules["rushlight"] = stand_in
    return importlib.import_module(name)


_compile = _load("rushlight._build.compile")
find_compiler, CompileError = _compile.find_compiler, _compile.CompileError


def build(package: Path, *, strip: bool) -> None:
    """Renders, compiles and links `rushlight._C` into the folder `package`, with its stubs."""
    compiler = find_compiler()
    if compiler is None:
        raise CompileError("no C compiler: install gcc or clang, set CC, or `pip install ziglang`")
    core = PACKAGE / "_core"
    sanitize = os.environ.get("RUSHLIGHT_SANITIZE", "")
    name = _compile.Config(compiler, (), sanitize).name
    work = ROOT / "build" / name
    with _one_at_a_time(work):
        _build(package, work, _compile.Config(compiler, (core, work / "generated"), sanitize, strip))


@contextlib.contextmanager
def _one_at_a_time(work: Path) -> Iterator[None]:
    """Two builds in one folder would overwrite each other's rendered files; the second waits."""
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "w") as lock:
        try:
            import fcntl
        except ImportError:  # Windows
            yield
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(package: Path, work: Path, config: Any) -> None:
    core, generated = config.include
    # Rendered from nothing each time: a file of an operation that is gone must not be found by an include.
    shutil.rmtree(generated, ignore_errors=True)
    generated.mkdir(parents=True)
    rendered = _load("rushlight._build.render").render(generated)

    units = [unit for unit in rendered if unit.path.suffix == ".c"]
    for path in sorted(core.glob("*.c")):
        units += _compile.of_each_level(path) if path.stem.endswith("_kernel") else [_compile.Unit(path)]
    _compile.compile_and_link(units, package / f"_C{sysconfig.get_config_var('EXT_SUFFIX')}", work, config)
    for unit in rendered:
        if unit.path.suffix == ".pyi":
            stub = package / unit.path.relative_to(generated)
            stub.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(unit.path, stub)


def build_in_place() -> Path:
    """Builds for development and returns the folder to put on PYTHONPATH.

    That is `src`, or, for a build with sanitizers, a folder of links to it: the two extensions live side by side.
    """
    sanitize = os.environ.get("RUSHLIGHT_SANITIZE", "")
    if not sanitize:
        build(PACKAGE, strip=False)
        return PACKAGE.parent
    source = ROOT / "build" / f"sanitized-{sanitize.replace(',', '-')}"
    package = source / "rushlight"
    shutil.rmtree(package, ignore_errors=True)
    package.mkdir(parents=True)
    for entry in PACKAGE.iterdir():
        if entry.suffix not in (".so", ".pyi") and entry.name != "__pycache__":
            (package / entry.name).symlink_to(entry)
    build(package, strip=False)
    return source


if __name__ == "__main__":
    try:
        print(build_in_place())
    except CompileError as failure:
        raise SystemExit(f"rushlight: {failure}") from None
