"""The build compiles what changed and nothing else, for the levels that the machine knows."""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shlex
import sys
from pathlib import Path

import pytest

BUILD = Path(__file__).resolve().parents[1] / "src" / "rushlight" / "_build"


@pytest.fixture(scope="module")
def build():
    """`_build/compile.py`, which is not installed, from the checkout."""
    spec = importlib.util.spec_from_file_location("_build_compile", BUILD / "compile.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def project(build, tmp_path, capfd):
    """Two units, one of them with a header, and a function that builds them and says how many were compiled."""
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no C compiler")
    (tmp_path / "value.h").write_text("#define VALUE 1\n")
    (tmp_path / "one.c").write_text(
        '#include "value.h"\n__attribute__((visibility("default"))) int one(void) { return VALUE; }\n'
    )
    (tmp_path / "two.c").write_text("int two(void) { return 2; }\n")

    def make(units=None, **options) -> int:
        units = units or [build.Unit(tmp_path / "one.c"), build.Unit(tmp_path / "two.c", "base")]
        config = build.Config(options.pop("compiler", compiler), (tmp_path,), **options)
        capfd.readouterr()
        build.compile_and_link(units, tmp_path / "out" / "library.so", tmp_path / "work", config)
        return int(capfd.readouterr().err.partition("compiled ")[2].split()[0])

    make.root = tmp_path
    return make


def test_only_what_changed_is_compiled(project):
    assert project() == 2
    assert project() == 0
    (project.root / "two.c").write_text("int two(void) { return 2; }\n")  # the time is new, the content is not
    assert project() == 0
    (project.root / "value.h").write_text("#define VALUE 5\n")
    assert project() == 1
    assert ctypes.CDLL(str(project.root / "out" / "library.so")).one() == 5
    assert project(sanitize="undefined") == 2  # other flags


def test_an_interrupted_build_is_taken_up_again(project):
    project()
    for record in (project.root / "work" / "objects").glob("one*.json"):
        record.write_text("{")
    assert project() == 1


def test_errors_say_what_failed(build, project):
    (project.root / "bad.c").write_text("int bad(void) { return missing; }\n")
    with pytest.raises(build.CompileError, match=r"(?s)failed with status.*bad\.c"):
        project([build.Unit(project.root / "bad.c")])
    with pytest.raises(build.CompileError, match="two units have one name"):
        project([build.Unit(project.root / "one.c")] * 2)


def test_levels_unknown_to_the_machine_are_left_out(build, project, monkeypatch):
    monkeypatch.setattr(build, "machine_isas", lambda: ["base"])
    levels = ["base", "avx2", "avx512"]
    assert project([build.Unit(project.root / "one.c", level) for level in levels]) == 1


def test_kernels_know_their_level(build):
    config, path = build.Config(("cc",), ()), Path("one.c")
    assert "-DRL_ISA=avx2" in build.compile_flags(config, build.Unit(path, "avx2"))
    assert not [
        flag
        for flag in build.compile_flags(config, build.Unit(path))
        if flag.startswith(("-DRL_ISA", "-mavx", "-march"))
    ]


def test_a_compiler_that_lacks_an_option_does_without(build, project):
    """As clang does, which zig cc is too."""
    real = shlex.join(build.find_compiler() or ())
    picky = project.root / "picky"
    picky.write_text(f'#!/bin/sh\ncase " $* " in *" -fno-thread-jumps "*) exit 1;; esac\nexec {real} "$@"\n')
    picky.chmod(0o755)
    config = build.Config((str(picky),), ())
    plain = build.Unit(project.root / "two.c", "base", plain=True)
    assert not set(build.PLAIN_FLAGS) & set(build.compile_flags(config, plain))
    assert project([plain], compiler=(str(picky),)) == 1


def test_without_a_compiler_one_comes_from_pypi(build, monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = build.find_compiler()
    assert found is None or found[1:] == ("-m", "ziglang", "cc")
    monkeypatch.setenv("CC", "ccache gcc")
    assert build.find_compiler() == ("ccache", "gcc")


def test_kernels_need_no_python_to_compile():
    """They see memory only: what they include does not lead to Python.h, which would cost each its time."""
    core = BUILD.parent / "_core"
    kernels = sorted(core.glob("*_kernel.c"))
    assert len(kernels) > 10
    found = {path.name: _included(core, path.name, set()) for path in kernels}
    assert {name for name, headers in found.items() if "Python.h" in headers} == set()


def _included(core, name, seen):
    if name not in seen:
        seen.add(name)
        path = core / name
        for header in re.findall(r'#include ["<](.+?)[">]', path.read_text()) if path.exists() else []:
            _included(core, header, seen)
    return seen
