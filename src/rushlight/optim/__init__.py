"""Optimizers: rules that turn gradients into better parameters.

>>> import rushlight as torch
>>> w = torch.nn.Parameter(torch.tensor([3.0]))
>>> optimizer = torch.optim.SGD([w], lr=0.1)
>>> (w * w).sum().backward()
>>> optimizer.step()
>>> w.data
tensor([2.4000])

**Where things are.** A class lives in the file of its own name in small letters: `AdamW` in
`adamw.py`.  That rule is the whole registry: the first look at `optim.AdamW` imports the file, so
that a program pays only for the optimizer it uses.

**Adding an optimizer** is adding a file.  Write a class on `_pertensor.PerTensorOptimizer`: the
constructor checks its arguments and fills `defaults`; `_init_state` makes what a parameter carries
from step to step; `_update` is the formula, in tensor operations.  `rmsprop.py` is a good model.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import lr_scheduler as lr_scheduler, swa_utils as swa_utils
    from .adadelta import Adadelta as Adadelta
    from .adafactor import Adafactor as Adafactor
    from .adagrad import Adagrad as Adagrad
    from .adam import Adam as Adam
    from .adamax import Adamax as Adamax
    from .adamw import AdamW as AdamW
    from .asgd import ASGD as ASGD
    from .lbfgs import LBFGS as LBFGS
    from .muon import Muon as Muon
    from .nadam import NAdam as NAdam
    from .optimizer import Optimizer as Optimizer
    from .radam import RAdam as RAdam
    from .rmsprop import RMSprop as RMSprop
    from .rprop import Rprop as Rprop
    from .sgd import SGD as SGD


def _submodules() -> list[str]:
    from pkgutil import iter_modules

    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def _public_names() -> list[str]:
    names = []
    for submodule in _submodules():
        module = __getattr__(submodule)
        public = [name for name in vars(module) if name.lower() == submodule and name != submodule]
        names += public or [submodule]
    return names


def __getattr__(name: str) -> object:
    if name == "__all__":
        return _public_names()
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = f"{__name__}.{name.lower()}"
    try:
        module = __import__(home, fromlist=("*",))
    except ModuleNotFoundError as error:
        if error.name != home:
            raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    try:
        value = module if name == name.lower() else getattr(module, name)
    except AttributeError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_public_names()})
