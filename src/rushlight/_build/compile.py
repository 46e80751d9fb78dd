"""Compiles C units in parallel and links them into one extension module.

A unit is compiled again only when its command line, its source or a header it includes has changed in
content: times do not matter, so rendering afresh into the same folder costs no compilation.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

# The vector levels of a machine, as `isa.h` names them. `base` is what every processor of the family has.
ISA_FLAGS = {
    "base": [],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "avx512": [
        *("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma", "-mf16c"),
        "-mprefer-vector-width=512",
    ],
}

# GCC's passes over branches and jumps find nothing in loops that have become vector code, and took a fifth of the time.
PLAIN_FLAGS = ["-fno-gcse", "-fno-thread-jumps"]

# No fast-math: NaN, infinities and the order of additions mean what the source says. Only errno and the
# floating-point exception flags, which nothing reads, are given up. Strict aliasing stays on, because the
# kernels vectorise better with it: reinterpret bits with memcpy or a union, never through a cast pointer.
COMMON_FLAGS = [
    *("-std=gnu11", "-fPIC", "-fvisibility=hidden", "-fwrapv", "-ffp-contract=off"),
    *(
        "-fno-math-errno",
        "-fno-trapping-math",
        "-Wall",
        "-Wno-unused-function",
        # Of clang: `&` before `?:` is meant, and not every loop that may be vectorised is.
        "-Wno-bitwise-conditional-parentheses",
        "-Wno-pass-failed",
        "-Werror=implicit-function-declaration",
    ),
]


class CompileError(Exception):
    """The C compiler refused a unit, or there is no compiler; str() is what the user should read."""


@dataclass(frozen=True)
class Unit:
    """One file that the build takes in.

    A `.c` file with `isa=None` is glue; with a level's name (`base`, `avx2`, `avx512`) it is a kernel compiled for
    that level with `-DRL_ISA=<level>`, and left out on machines that do not know the level. A `rare` one may take
    its time, so that its compilation need not. A `plain` one is loops without branches. A `.pyi` file is a stub,
    copied into the package.
    """

    path: Path
    isa: str | None = None
    rare: bool = False
    plain: bool = False


@dataclass(frozen=True)
class Config:
    """How to compile: everything that a command line depends on besides the unit."""

    compiler: tuple[str, ...]
    include: tuple[Path, ...]
    sanitize: str = ""  # "address,undefined"
    strip: bool = False

    @property
    def name(self) -> str:
        """Names the folder for objects: one for each interpreter, compiler and sanitizer."""
        abi = sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag
        compiler = "zig" if "ziglang" in self.compiler else Path(self.compiler[0]).name
        return "-".join(filter(None, [abi, compiler, self.sanitize.replace(",", "-")]))


def machine_isas() -> list[str]:
    """The levels to compile a kernel for on this machine's architecture."""
    return list(ISA_FLAGS) if platform.machine().lower() in ("x86_64", "amd64") else ["base"]


def of_each_level(path: Path, plain: bool = False) -> list[Unit]:
    """A kernel's units. Where there are wider levels, few machines run the base one; products are unrolled even there."""
    levels = machine_isas()
    few = len(levels) > 1 and not path.stem.startswith("gemm")
    return [Unit(path, isa, rare=few and isa == "base", plain=plain) for isa in levels]


def find_compiler() -> tuple[str, ...] | None:
    """The C compiler as the start of a command line: $CC, a compiler on the path, or ziglang from PyPI."""
    from importlib.util import find_spec

    if os.environ.get("CC"):
        return tuple(shlex.split(os.environ["CC"]))
    for name in ("cc", "gcc", "clang"):
        if path := shutil.which(name):
            return (path,)
    return (sys.executable, "-m", "ziglang", "cc") if find_spec("ziglang") else None


@functools.cache
def _accepts_plain_flags(compiler: tuple[str, ...]) -> bool:
    """Clang, also as zig's, knows one of them by name and refuses the other."""
    command = [*compiler, *PLAIN_FLAGS, "-Werror", "-fsyntax-only", "-x", "c", os.devnull]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False  # which the first unit will report


def compile_flags(config: Config, unit: Unit) -> list[str]:
    """The command line of a unit, without its input and output."""
    flags = list(COMMON_FLAGS)
    if config.sanitize:
        flags += [f"-fsanitize={config.sanitize}", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
        # memcpy of no bytes from NULL: what shapes without dimensions are, and well defined since C2y.
        flags += ["-g", "-O1", "-fno-sanitize=nonnull-attribute"]
    else:
        flags += ["-O1" if unit.rare else "-O2" if unit.isa is None else "-O3", "-fno-plt"]
        flags += PLAIN_FLAGS if unit.plain and _accepts_plain_flags(config.compiler) else []
    if "ziglang" in config.compiler:
        # zig aims at the processor it runs on and traps undefined behaviour unless told otherwise.
        flags += ["-fno-sanitize=undefined"] if not config.sanitize else []
        flags += ["-mcpu=baseline"]
    if unit.isa is not None:
        flags += [*ISA_FLAGS[unit.isa], f"-DRL_ISA={unit.isa}"]
    python = sysconfig.get_paths()
    return flags + [
        f"-I{path}" for path in (*config.include, *dict.fromkeys((python["include"], python["platinclude"])))
    ]


def link_flags(config: Config) -> list[str]:
    """The command line of the final link, without its inputs and output."""
    if sys.platform == "darwin":
        flags = ["-bundle", "-undefined", "dynamic_lookup", *(["-Wl,-x"] if config.strip else [])]
    elif os.name == "posix":
        flags = ["-shared", "-Wl,--as-needed", *(["-Wl,-s"] if config.strip else [])]
    else:
        raise CompileError(f"rushlight cannot be built on {sys.platform} yet")
    if config.sanitize:
        flags.append(f"-fsanitize={config.sanitize}")
    return [*flags, "-lm", "-lpthread", "-ldl"]


class _Digests:
    """Content digests of files, each file read once in a build."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, path: str) -> str:
        if path not in self._known:
            try:
                content = Path(path).read_bytes()
            except OSError:
                return "absent"
            self._known[path] = hashlib.sha256(content).hexdigest()
        return self._known[path]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.stdout:
        print(done.stdout, end="", file=sys.stderr, flush=True)
    if done.returncode:
        raise CompileError(f"the compiler failed with status {done.returncode}:\n  {shlex.join(command)}")


def _depfile_inputs(path: Path) -> list[str]:
    """The files named by a make rule `object: source header \\`, the source included."""
    rule = path.read_text().replace("\\\n", " ")
    return shlex.split(rule.partition(": ")[2])


def _compile(unit: Unit, object_file: Path, config: Config, digests: _Digests) -> bool:
    """Brings one object up to date; True when the compiler had to run."""
    depfile, record_file = object_file.with_suffix(".d"), object_file.with_suffix(".json")
    command = [*config.compiler, *compile_flags(config, unit), "-c", str(unit.path)]
    try:
        record = json.loads(record_file.read_text())
        if (
            object_file.exists()
            and record["command"] == command
            and all(digests(path) == digest for path, digest in record["inputs"].items())
        ):
            return False
    except (OSError, ValueError, KeyError):
        pass  # never compiled here, or the build was cut short
    record_file.unlink(missing_ok=True)
    started = time.time()
    _run([*command, "-MMD", "-MF", str(depfile), "-o", str(object_file)])
    inputs = {path: digests(path) for path in _depfile_inputs(depfile)}
    # What was edited meanwhile may not be what was compiled: without a record it is compiled again.
    if all(os.path.getmtime(path) < started for path in inputs):
        record_file.write_text(json.dumps({"command": command, "inputs": inputs}))
    return True


def compile_and_link(units: list[Unit], target: Path, work: Path, config: Config) -> None:
    """Compiles `units`, keeping objects under `work`, and links them into the extension `target`."""
    known = machine_isas()
    units = [unit for unit in units if unit.isa is None or unit.isa in known]
    # The longest first, so that the last core to finish is not alone for long.
    units.sort(key=lambda unit: unit.path.stat().st_size * (1 if unit.isa is None else 2), reverse=True)
    objects = work / "objects"
    objects.mkdir(parents=True, exist_ok=True)
    names = [f"{unit.path.stem}{'' if unit.isa is None else '.' + unit.isa}.o" for unit in units]
    if len(set(names)) != len(names):
        raise CompileError(f"two units have one name: {sorted(n for n in names if names.count(n) > 1)}")

    digests = _Digests()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(cores) as pool:
        tasks = [pool.submit(_compile, u, objects / n, config, digests) for u, n in zip(units, names, strict=True)]
        try:
            compiled = sum(task.result() for task in tasks)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise

    print(f"rushlight: compiled {compiled} of {len(units)} units", file=sys.stderr, flush=True)
    # Linked beside its objects and then moved: a process that has the old file mapped keeps it whole.
    linked = work / target.name
    _run([*config.compiler, *(str(objects / name) for name in names), *link_flags(config), "-o", str(linked)])
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(target.name + ".new")
    shutil.copy2(linked, staged)
    staged.replace(target)
