"""Switching the recording of history on and off; the context managers themselves are native."""

from __future__ import annotations

from .._C import enable_grad, inference_mode, no_grad, set_grad_enabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["no_grad", "enable_grad", "set_grad_enabled", "inference_mode"]


def _decorate(block, func: Callable) -> Callable:
    """What ``@block`` makes of a function: each call, and each step of a generator, runs inside a clone."""
    import functools
    import inspect

    fresh = block.clone
    if inspect.isclass(func):
        import warnings

        warnings.warn(
            "Decorating classes is deprecated and will be disabled in "
            "future versions. You should only decorate functions or methods. "
            "To preserve the current behavior of class decoration, you can "
            "directly decorate the `__init__` method and nothing else.",
            FutureWarning,
            stacklevel=2,
        )
        cls = func

        def func(*args, **kwargs):
            return cls(*args, **kwargs)

    if inspect.isgeneratorfunction(func):
        return _decorate_generator(fresh, func)

    @functools.wraps(func)
    def inside(*args, **kwargs):
        with fresh():
            return func(*args, **kwargs)

    return inside


def _decorate_generator(fresh: Callable, func: Callable) -> Callable:
    # The caller's code between two steps must see its own mode, so the block spans one step at a time.
    import functools

    @functools.wraps(func)
    def inside(*args, **kwargs):
        generator = func(*args, **kwargs)
        step, value = generator.send, None
        while True:
            try:
                with fresh():
                    item = step(value)
            except StopIteration as stop:
                return stop.value
            try:
                step, value = generator.send, (yield item)
            except GeneratorExit:
                with fresh():
                    generator.close()
                raise
            except BaseException as error:
                step, value = generator.throw, error

    return inside
