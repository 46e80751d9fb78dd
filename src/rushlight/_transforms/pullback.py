"""Reverse-mode derivatives through wrappers: leaves to differentiate by, and pulling cotangents back to them.

The tape is the core's. What is added: a leaf that lives under a running vmap has to be one leaf for each example,
and a gradient that is taken of dual numbers is itself a dual number.
"""

from __future__ import annotations

from typing import Any

from .. import _C
from .._C import Tensor
from .batched import BatchedTensor, BatchFrame, is_batched, with_batch, wrap
from .dual import DualFrame, DualTensor, make_dual, primal_of, tangent_of
from .levels import Frame


def track(x: Tensor, frames: list[Frame]) -> Tensor:
    """An alias of x to differentiate by; one for each example of the frames' batches.

    An alias, so that transforms within transforms that differentiate by the same tensor are not confused.
    """
    if not frames:
        return x.view_as(x) if x.requires_grad else x.detach().requires_grad_()
    *outer, frame = frames
    if isinstance(frame, BatchFrame):
        return wrap(frame, track(with_batch(frame, x), outer))
    if isinstance(x, DualTensor) and x._frame is frame:
        return make_dual(frame, track(x._primal, outer), x._tangent)
    return track(x, outer)


def pull(
    outputs: list[Tensor], inputs: list[Tensor], cotangents: list[Tensor], frames: list[Frame], create_graph: bool
) -> list[Tensor]:
    """sum_k cotangent_k d output_k / d input for each tracked input; zeros where it has no part in any output."""
    grads = _pull(outputs, inputs, cotangents, list(frames), create_graph)
    return [_C.zeros_like(x) if grad is None else grad for grad, x in zip(grads, inputs)]


def _pull(
    outputs: list, inputs: list, cotangents: list, frames: list[Frame], create_graph: bool
) -> list[Tensor | None]:
    if not frames:
        return _pull_plain(outputs, inputs, cotangents, create_graph)
    *outer, frame = frames
    if isinstance(frame, BatchFrame):
        outputs = [with_batch(frame, y) for y in outputs]
        cotangents = [with_batch(frame, v) for v in cotangents]
        values = [x._value if is_batched(frame, x) else x for x in inputs]
        grads = _pull(outputs, values, cotangents, outer, create_graph)
        return [None if grad is None else wrap(frame, grad) for grad in grads]
    return _pull_dual(outputs, inputs, cotangents, outer, frame)


def _pull_plain(outputs: list, inputs: list, cotangents: list, create_graph: bool) -> list[Tensor | None]:
    pairs = [(y, v) for y, v in zip(outputs, cotangents) if y.requires_grad]
    if not pairs:
        return [None] * len(inputs)
    import rushlight  # autograd's forward_ad stands above this package

    ys, vs = zip(*pairs)
    return list(
        rushlight.autograd.grad(ys, inputs, vs, retain_graph=True, create_graph=create_graph, allow_unused=True)
    )


def _pull_dual(
    outputs: list, inputs: list, cotangents: list, outer: list[Frame], frame: DualFrame
) -> list[Tensor | None]:
    """With y' = J x', the tangent of J^T v is d(v . y')/dx + J^T v', as second derivatives commute."""
    ys, xs, vs = ([primal_of(frame, t) for t in group] for group in (outputs, inputs, cotangents))
    primal = _pull(ys, xs, vs, outer, True)
    tangent: list[Tensor | None] = [None] * len(inputs)
    moved = [(tangent_of(frame, y), v) for y, v in zip(outputs, vs) if tangent_of(frame, y) is not None]
    moved += [(y, tangent_of(frame, v)) for y, v in zip(ys, cotangents) if tangent_of(frame, v) is not None]
    if moved:
        tangent = _pull([y for y, _ in moved], xs, [v for _, v in moved], outer, True)
    return [
        p if d is None else make_dual(frame, _C.zeros_like(d) if p is None else p, d) for p, d in zip(primal, tangent)
    ]


def detached(x: Any) -> Any:
    """Without its history on the tape; tangents and batches stay."""
    if not isinstance(x, Tensor):
        return x
    if isinstance(x, BatchedTensor):
        return wrap(x._frame, detached(x._value))
    if isinstance(x, DualTensor):
        return make_dual(x._frame, detached(x._primal), detached(x._tangent))
    return x.detach()


def plain_tensors(x: Any) -> list[Tensor]:
    """The tensors without wrappers that a tensor comes down to."""
    if isinstance(x, BatchedTensor):
        return plain_tensors(x._value)
    if isinstance(x, DualTensor):
        return plain_tensors(x._primal) + plain_tensors(x._tangent)
    return [x] if isinstance(x, Tensor) else []


def depends_on_others(outputs: list[Tensor], inputs: list[Tensor]) -> bool:
    """Whether the history of the outputs has leaves that are not among the inputs."""
    own = {id(plain) for x in inputs for plain in plain_tensors(x)}
    waiting = [plain.grad_fn for y in outputs for plain in plain_tensors(y) if plain.grad_fn is not None]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable") and id(node.variable) not in own:
            return True
        waiting += [following for following, _ in node.next_functions if following is not None]
    return False
