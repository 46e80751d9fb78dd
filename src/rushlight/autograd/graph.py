"""The graph behind a tensor: nodes and the edges between them."""

from __future__ import annotations

from collections import namedtuple

from .. import _C

__all__ = ["GradientEdge", "Node", "get_gradient_edge", "increment_version"]

Node = _C._Node

GradientEdge = namedtuple("GradientEdge", ("node", "output_nr", "ownership_token"), defaults=(None,))
GradientEdge.__doc__ = "Where the gradient of a tensor arrives; ``autograd.grad`` takes it in place of the tensor."


def get_gradient_edge(tensor: _C.Tensor) -> GradientEdge:
    """The edge at which the gradient of ``tensor`` arrives."""
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn
    if node is None:
        with _C.enable_grad():
            node = tensor.view_as(tensor).grad_fn.next_functions[0][0]
    # The token keeps a leaf alive as long as its edge.
    return GradientEdge(node, tensor.output_nr, tensor if tensor.is_leaf else None)


def increment_version(tensor: _C.Tensor | list[_C.Tensor]) -> None:
    """Counts one more in-place write to each tensor: for code that writes to their memory by itself."""
    for t in [tensor] if isinstance(tensor, _C.Tensor) else tensor:
        t._bump_version()
