"""The PEP 517 backend: setuptools, with one extension module that `assemble.py` builds.

pip loads this file by itself (`backend-path` in pyproject.toml), so its neighbour is a top-level module here.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from assemble import PACKAGE, ROOT, CompileError, build, find_compiler
from setuptools import build_meta as _setuptools
from setuptools.build_meta import *  # noqa: F403  (the hooks of PEP 517 and PEP 660; some are wrapped below)
from setuptools.command.build_ext import build_ext


class BuildExt(build_ext):
    """The `build_ext` command of setuptools, with our own compile and link."""

    def build_extension(self, ext: object) -> None:
        try:
            build(Path(self.build_lib) / "rushlight", strip=not self.editable_mode)
        except CompileError as error:
            raise SystemExit(f"rushlight: {error}") from None

    def copy_extensions_to_source(self) -> None:
        super().copy_extensions_to_source()
        built = Path(self.build_lib) / "rushlight"
        for stub in built.rglob("*.pyi"):
            shutil.copyfile(stub, PACKAGE / stub.relative_to(built))


def _requires() -> list[str]:
    return [] if find_compiler() else ["ziglang"]


def get_requires_for_build_wheel(config_settings: dict | None = None) -> list[str]:
    return _setuptools.get_requires_for_build_wheel(config_settings) + _requires()


def get_requires_for_build_editable(config_settings: dict | None = None) -> list[str]:
    return _setuptools.get_requires_for_build_editable(config_settings) + _requires()


def build_wheel(
    wheel_directory: str, config_settings: dict | None = None, metadata_directory: str | None = None
) -> str:
    # setuptools gathers the wheel here and would ship modules that the source no longer has.
    for stale in (*(ROOT / "build").glob("lib.*"), *(ROOT / "build").glob("bdist.*")):
        shutil.rmtree(stale, ignore_errors=True)
    return _setuptools.build_wheel(wheel_directory, config_settings, metadata_directory)
