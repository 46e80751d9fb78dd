"""The graph behind a tensor: nodes and the edges between them."""

from __future__ import annotations

from collections import namedtuple

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "save_on_cpu",
    "saved_tensors_hooks",
]

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


class saved_tensors_hooks:
    """Inside the block, what operations save for backward goes through ``pack_hook`` and back through ``unpack_hook``.

    ``pack_hook(tensor)`` may return anything, from which ``unpack_hook`` makes a tensor of the same shape and dtype.

    >>> import rushlight as torch
    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), torch.tensor):
    ...     y = x * x
    >>> y.backward()
    >>> x.grad
    tensor([6.])
    """

    def __init__(self, pack_hook: Callable[[_C.Tensor], Any], unpack_hook: Callable[[Any], _C.Tensor]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        _C._push_saved_hooks(self.pack_hook, self.unpack_hook)

    def __exit__(self, *error: object) -> None:
        _C._pop_saved_hooks()


class save_on_cpu(saved_tensors_hooks):
    """Keeps saved tensors in copies on the CPU, where rushlight's tensors are in any case."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: tensor.clone(), lambda packed: packed)


class disable_saved_tensors_hooks:
    """Inside the block, setting up ``saved_tensors_hooks`` raises RuntimeError with this message."""

    def __init__(self, error_message: str) -> None:
        self._message = error_message

    def __enter__(self) -> None:
        self._before = _C._disable_saved_hooks(self._message)

    def __exit__(self, *error: object) -> None:
        _C._disable_saved_hooks(self._before)
