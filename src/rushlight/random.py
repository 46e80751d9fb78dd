"""`torch.random`: the default generator's seed and state.

The streams are those of PyTorch's CPU generator: the same seed draws the same numbers.
"""

from __future__ import annotations

from ._C import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
    "thread_safe_generator",
]


class fork_rng:
    """Leaves the default generator as it was found: draws inside do not move the stream outside.

    A context manager and a decorator. `devices` and `device_type` name accelerators in PyTorch; here there are none.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> with torch.random.fork_rng():
    ...     inside = torch.rand(2)
    >>> torch.equal(inside, torch.rand(2))
    True
    """

    __slots__ = ("_enabled", "_states")

    def __init__(self, devices: Iterable[Any] | None = None, enabled: bool = True, _caller: str = "fork_rng",
                 _devices_kw: str = "devices", device_type: str | None = None) -> None:  # fmt: skip
        self._enabled = enabled and device_type != "meta"
        self._states: list[Any] = []

    def __enter__(self) -> None:
        if self._enabled:
            self._states.append(get_rng_state())

    def __exit__(self, *error: object) -> None:
        if self._enabled:
            set_rng_state(self._states.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        from functools import wraps

        @wraps(function)
        def forked(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return forked


def thread_safe_generator() -> Generator | None:
    """The generator of a DataLoader's worker thread; None elsewhere, and always here: workers are processes."""
    return None
