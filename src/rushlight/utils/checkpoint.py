"""Activation checkpointing: less memory for more time, by computing a part of the forward pass again in backward.

Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.
"""

from __future__ import annotations

from .. import _C
from ..autograd.function import Function
from ..autograd.graph import saved_tensors_hooks
from ..random import fork_rng

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "checkpoint",
    "checkpoint_sequential",
    "check_backward_validity",
    "detach_variable",
    "noop_context_fn",
    "set_checkpoint_early_stop",
]

_early_stop: bool | None = None  # what set_checkpoint_early_stop() asks for


class CheckpointError(RuntimeError):
    """The function did something else when it was run again."""


class _Nothing:
    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class _Stop(BaseException):
    """Raised in the second run when all that backward needs has been computed."""


def noop_context_fn() -> tuple[Any, Any]:
    """The context managers of the first and of the second run: by default they do nothing."""
    return _Nothing(), _Nothing()


class set_checkpoint_early_stop:
    """Inside the block, whether second runs end as soon as the last saved tensor is there; else each call says it."""

    def __init__(self, enable: bool) -> None:
        self._enable = enable

    def __enter__(self) -> None:
        global _early_stop
        self._before, _early_stop = _early_stop, self._enable

    def __exit__(self, *error: object) -> None:
        global _early_stop
        _early_stop = self._before


class _Stream:
    """Where the random stream stood in the first run, so that the second draws the same numbers."""

    def __init__(self, preserve: bool) -> None:
        self._state = _C.get_rng_state() if preserve else None

    def run(self, function: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        with fork_rng(enabled=self._state is not None):
            if self._state is not None:
                _C.set_rng_state(self._state)
            return function(*args, **kwargs)


# ---------------------------------------------------------------- without reentering: hooks on what is saved


class _Place:
    """What a node keeps instead of its i-th tensor."""

    __slots__ = ("frame", "index")

    def __init__(self, frame: _Frame, index: int) -> None:
        self.frame, self.index = frame, index


class _Frame:
    """One call of checkpoint(): how to run it again, and what the second run found."""

    def __init__(self, again: Callable[[], Any], early_stop: bool, check: bool) -> None:
        self._again, self._early_stop, self._check = again, early_stop, check
        self._kinds: list[tuple] = []  # (shape, dtype, device) of each tensor saved in the first run
        self._found: list[_C.Tensor] | None = None
        self._left: set[int] = set()

    def pack(self, tensor: _C.Tensor) -> _Place:
        self._kinds.append((tensor.shape, tensor.dtype, tensor.device))
        return _Place(self, len(self._kinds) - 1)

    def unpack(self, place: _Place) -> _C.Tensor:
        # A tensor that is asked for a second time belongs to another backward pass (retain_graph), with its own run.
        if self._found is None or place.index not in self._left:
            self._run()
        found = self._found
        assert found is not None
        self._left.discard(place.index)
        if not self._left:
            self._found = None
        return found[place.index]

    def _run(self) -> None:
        found: list[_C.Tensor] = []

        def keep(tensor: _C.Tensor) -> int:
            # Nodes made in this run die unused, except where the function itself differentiates.
            found.append(tensor)
            if self._early_stop and len(found) == len(self._kinds):
                raise _Stop
            return len(found) - 1

        try:
            with saved_tensors_hooks(keep, found.__getitem__), _C.enable_grad():
                self._again()
        except _Stop:
            pass
        if len(found) != len(self._kinds):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self._kinds)}\n"
                f"Number of tensors saved during recomputation: {len(found)}."
            )
        if self._check:
            for i, (tensor, kind) in enumerate(zip(found, self._kinds, strict=True)):
                if (tensor.shape, tensor.dtype, tensor.device) != kind:
                    raise CheckpointError(
                        "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata "
                        f"than during the forward pass.\ntensor at position {i}:\n"
                        f"saved metadata: {dict(zip(('shape', 'dtype', 'device'), kind, strict=True))}\n"
                        f"recomputed metadata: {{'shape': {tensor.shape}, 'dtype': {tensor.dtype}, "
                        f"'device': {tensor.device}}}"
                    )
        self._found, self._left = found, set(range(len(found)))


# ---------------------------------------------------------------- reentering: backward inside of backward


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments with tensors cut off from their history, requiring grad as they did."""
    if not isinstance(inputs, tuple):
        raise RuntimeError("Only tuple of tensors is supported. Got Unsupported input type: ", type(inputs).__name__)
    return tuple(
        x.detach().requires_grad_(x.requires_grad) if isinstance(x, _C.Tensor) else x for x in inputs
    )  # fmt: skip


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warns where no input requires grad, so that the reentrant form would have no gradients."""
    if not any(isinstance(x, _C.Tensor) and x.requires_grad for x in inputs):
        import warnings

        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class CheckpointFunction(Function):
    """The reentrant form: forward without history, backward through a second run of its own."""

    @staticmethod
    def forward(ctx: Any, run_function: Callable[..., Any], preserve_rng_state: bool, *args: Any) -> Any:
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.stream = _Stream(preserve_rng_state)
        ctx.others = [None if isinstance(x, _C.Tensor) else x for x in args]
        ctx.places = [i for i, x in enumerate(args) if isinstance(x, _C.Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple:
        args = list(ctx.others)
        for i, tensor in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = tensor
        detached = detach_variable(tuple(args))
        with _C.enable_grad():
            outputs = ctx.stream.run(ctx.run_function, detached, {})
        if isinstance(outputs, _C.Tensor):
            outputs = (outputs,)
        pairs = [(y, g) for y, g in zip(outputs, grads, strict=True) if isinstance(y, _C.Tensor) and y.requires_grad]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        from .. import autograd

        autograd.backward([y for y, _ in pairs], [g for _, g in pairs])
        return (None, None, *(x.grad if isinstance(x, _C.Tensor) else None for x in detached))


# ---------------------------------------------------------------- the calls


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose intermediate results are not kept but computed again in backward.

    The second run sees the random numbers of the first (unless `preserve_rng_state=False`). With
    `use_reentrant=False`, which is recommended, everything that backward can do works as without a checkpoint.
    `determinism_check="none"` does not compare shapes and dtypes of the two runs. `debug` has no effect.

    >>> import rushlight as torch
    >>> x = torch.tensor([2.0], requires_grad=True)
    >>> torch.utils.checkpoint.checkpoint(lambda x: x.exp().log() * x, x, use_reentrant=False).backward()
    >>> x.grad
    tensor([4.])
    """
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant is None:
        import warnings

        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, "
            "calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended.",
            stacklevel=2,
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
        if context_fn is not noop_context_fn or debug:
            raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], got {determinism_check}")
    first, second = context_fn()
    if not _C.is_grad_enabled():
        with first:
            return function(*args, **kwargs)
    stream = _Stream(preserve)

    def again() -> None:
        with second:
            stream.run(function, args, kwargs)

    stop = early_stop if _early_stop is None else _early_stop
    frame = _Frame(again, stop, determinism_check == "default")
    with saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A Sequential (or list of functions) run in `segments` parts, all but the last of them checkpointed."""
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant is None:
        import warnings

        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly.",
            stacklevel=2,
        )
        use_reentrant = True
    functions = list(functions.children()) if hasattr(functions, "children") else list(functions)

    def run(start: int, end: int) -> Callable[[Any], Any]:
        def forward(x: Any) -> Any:
            for function in functions[start:end]:
                x = function(x)
            return x

        return forward

    size = len(functions) // segments
    last = size * (segments - 1)
    for start in range(0, last, size) if size else ():
        input = checkpoint(
            run(start, start + size), input, use_reentrant=use_reentrant, preserve_rng_state=preserve
        )  # fmt: skip
    return run(last, len(functions))(input)
