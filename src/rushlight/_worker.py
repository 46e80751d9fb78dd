"""The main module of processes that a program under `rushlight run` starts through multiprocessing.

With the start methods `spawn` and `forkserver` a new process runs its parent's main module, by the name in that
module's `__spec__`, as `__mp_main__`. `rushlight run` names this module there: it makes `torch` mean rushlight and then
runs the parent's program in its place.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

    from rushlight.cli import MainSpec


def _program() -> tuple[CodeType, MainSpec]:
    import os

    from rushlight import _alias, cli

    _alias.install()
    name = os.environ[cli.MAIN_VARIABLE]
    if name.startswith("-m "):
        code, file, package = cli.load_module(name[3:])
        return code, cli.MainSpec(file, package)
    return cli.load_file(name), cli.MainSpec(name, None)


if __name__ == "__mp_main__":
    _code, __spec__ = _program()
    __file__, __package__ = __spec__.origin, __spec__.parent  # type: ignore[assignment]
    exec(_code)
