"""Layers, losses and their parts: `Module` and everything that is built on it.

Every layer lives in the file where PyTorch has it and is imported when its name is first used;
`modules/__init__.py` holds the table of names.
"""

from __future__ import annotations

from . import modules
from .modules import Module as Module
from .parameter import (
    Buffer as Buffer,
    Parameter as Parameter,
    UninitializedBuffer as UninitializedBuffer,
    UninitializedParameter as UninitializedParameter,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    # `as` tells type checkers that a name is passed on: they cannot work out `__all__`.
    from . import functional as functional, init as init, parallel as parallel, utils as utils
    from .modules import *  # noqa: F403
    from .parallel import DataParallel as DataParallel

__all__ = [*modules.__all__, "Buffer", "DataParallel", "Parameter", "UninitializedBuffer", "UninitializedParameter"]

_SUBMODULES = ("attention", "functional", "init", "parallel", "utils")


def __getattr__(name: str):
    if name in _SUBMODULES:
        value = __import__(f"{__name__}.{name}", fromlist=("*",))
    elif name == "DataParallel":
        from .parallel import DataParallel as value
    elif name in __all__:
        value = getattr(modules, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__, *_SUBMODULES})
