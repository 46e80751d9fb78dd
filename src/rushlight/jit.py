"""`torch.jit`: programs that script or trace keep running, eagerly.

There is no TorchScript here: `script` and `trace` return what they are given, and archives are neither written nor
read. To ship a model, save its state_dict, or export it to ONNX.
"""

from __future__ import annotations

import contextlib
from typing import Final  # noqa: F401  programs annotate with torch.jit.Final

from .nn import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")


def _no_archives(what: str) -> NoReturn:
    raise RuntimeError(
        f"rushlight cannot {what} TorchScript archives. Save and load weights with "
        "torch.save(model.state_dict(), path) "
        "and model.load_state_dict(torch.load(path)); to run a model elsewhere, export it to ONNX."
    )


class ScriptModule(Module):
    """A Module; in PyTorch, one that is compiled."""

    def save(self, f: Any, **kwargs: Any) -> NoReturn:
        """Raises: there are no archives."""
        _no_archives("write")


RecursiveScriptModule = ScriptModule
ScriptFunction = type("ScriptFunction", (), {"__doc__": "The type of compiled functions, of which there are none."})


def script(obj: T, *args: Any, **kwargs: Any) -> T:
    """Returns the function, class or module unchanged; also as a decorator.

    >>> import rushlight as torch
    >>> @torch.jit.script
    ... def double(x: torch.Tensor) -> torch.Tensor:
    ...     return 2 * x
    >>> double(torch.ones(2))
    tensor([2., 2.])
    """
    return obj


def trace(func: T, example_inputs: Any = None, *args: Any, **kwargs: Any) -> T:
    """Returns the function or module unchanged; it is not run on the examples."""
    return func


trace_module = trace


def freeze(mod: T, *args: Any, **kwargs: Any) -> T:
    """Returns the module unchanged."""
    return mod


optimize_for_inference = freeze


def _unchanged(fn: T) -> T:
    """Returns what it is given: what these decorators tell TorchScript concerns nobody here."""
    return fn


export = script_method = script_if_tracing = interface = _unchanged


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Decorator, with or without arguments: returns the function unchanged."""
    return drop if callable(drop) else _unchanged


def unused(fn: T) -> T:
    """Returns the function unchanged."""
    return fn


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """Raises RuntimeError: there are no archives."""
    _no_archives("write")


def load(f: Any, map_location: Any = None, _extra_files: Any = None, _restore_shapes: bool = False) -> NoReturn:
    """Raises RuntimeError: there are no archives."""
    _no_archives("read")


def is_scripting() -> bool:
    """False."""
    return False


def is_tracing() -> bool:
    """False."""
    return False


def annotate(the_type: Any, the_value: T) -> T:
    """Returns the value."""
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's isinstance."""
    import builtins

    return builtins.isinstance(obj, target_type)


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Iterator[None]:
    """Changes nothing: there is no optimiser to turn on or off."""
    yield


def fork(func: Callable, *args: Any, **kwargs: Any) -> Any:
    """Calls the function at once; `wait` gives the result."""
    return func(*args, **kwargs)


def wait(future: T) -> T:
    """The result of `fork`."""
    return future
