"""Lets `import torch` mean rushlight, in this process only.

`install()` puts a finder first on `sys.meta_path` and `torch` into `sys.modules`. An installed PyTorch is neither
looked at nor changed. Every alias is the rushlight module itself, so `torch.nn is rushlight.nn`. Classes written in
Python take PyTorch's module names, which `print(type(model))` shows; those of the core show them anyway.
"""

from __future__ import annotations

import sys

import rushlight

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _frozen_importlib import ModuleSpec
    from types import ModuleType

# Modules of ours that no program should meet under the name of torch.
_OURS_ALONE = frozenset({"_alias", "_build", "_core", "_ops", "_version", "_worker", "cli", "__main__"})


def lacks(name: str) -> str:
    """What to say when a program asks for something that is not there yet."""
    return f"rushlight has no {name!r} (yet)"


class _Finder:
    """Finds `torch.x.y` as `rushlight.x.y`; claims every such name, so that no installed PyTorch answers for it."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name.startswith("rushlight."):
            return _renaming(name, path, target)
        if not name.startswith("torch.") and name != "torch":
            return None
        from _frozen_importlib import ModuleSpec

        ours = "rushlight" + name[5:]
        if name[6:].partition(".")[0] not in _OURS_ALONE:
            try:
                __import__(ours)
                module = sys.modules[ours]
                return ModuleSpec(name, _Loader(module), origin=getattr(module, "__file__", None))  # type: ignore[arg-type]
            except ModuleNotFoundError as error:
                if error.name != ours:
                    raise  # the module is there, and something it needs is not
        raise ModuleNotFoundError(lacks(name), name=name)


def _rename(module: ModuleType) -> None:
    """Classes that a module of ours defines say `torch.x` where they said `rushlight.x`.

    Leading underscores mark files of ours that PyTorch does not have: `lr_scheduler._decay` becomes `lr_scheduler`.
    """
    ours = module.__name__
    if ours.startswith("rushlight._"):
        return
    public = ours
    while public.rpartition(".")[2].startswith("_"):
        public = public.rpartition(".")[0]
    for value in list(vars(module).values()):
        if isinstance(value, type) and value.__dict__.get("__module__") == ours:
            value.__module__ = "torch" + public[9:]


def _renaming(name: str, path: object, target: object) -> ModuleSpec | None:
    """The spec of one of our own modules, whose loading ends with `_rename`."""
    from _frozen_importlib_external import PathFinder

    spec = PathFinder.find_spec(name, path, target)  # type: ignore[arg-type]
    load = getattr(getattr(spec, "loader", None), "exec_module", None)
    if load is not None:

        def exec_module(module: ModuleType) -> None:
            load(module)
            _rename(module)

        spec.loader.exec_module = exec_module  # type: ignore[union-attr]
    return spec


class _Loader:
    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, blank: ModuleType) -> None:
        # The import system looks in sys.modules again after this call and takes what it finds there; handing our
        # module over from create_module would let it overwrite the module's own __spec__.
        assert blank.__spec__ is not None
        sys.modules[blank.__spec__.name] = self._module


def install() -> None:
    """Makes `torch` and its submodules name rushlight in this process. Calling it again changes nothing."""
    if _Finder not in sys.meta_path:
        for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
            del sys.modules[name]
        for name, module in list(sys.modules.items()):
            if name.startswith("rushlight."):
                _rename(module)
        sys.modules["torch"] = rushlight
        sys.meta_path.insert(0, _Finder)


def explain(error: BaseException) -> None:
    """Adds a note to an error about a missing name of a rushlight module, in the words of the program."""
    if isinstance(error, AttributeError):
        owner, name = getattr(error.obj, "__name__", None), error.name
        is_module = isinstance(error.obj, type(sys))
    elif isinstance(error, ImportError) and not isinstance(error, ModuleNotFoundError):
        # Python 3.11 keeps the wanted name in the message only: cannot import name 'x' from 'y' (file)
        owner, is_module = error.name, True
        name = getattr(error, "name_from", None) or (error.msg.split("'") + ["", ""])[1]
    else:
        return
    if is_module and name and isinstance(owner, str) and (owner + ".").startswith("rushlight."):
        note = lacks(f"torch{owner[9:]}.{name}")
        if note not in str(error):
            error.add_note(note)
