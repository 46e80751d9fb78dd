"""Floating-point operations of products and convolutions, from the shapes that went in and came out.

A product of (m, k) and (k, n) counts 2mkn. PyTorch counts backward's products where it calls `aten::mm`; here they
belong to the node (`AddmmBackward0`), which does the same arithmetic.
"""

from __future__ import annotations

from math import prod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Shapes = tuple[tuple[int, ...], ...]


def _product(inputs: Shapes, results: Shapes) -> int:
    """Each element of the result sums over the last dimension of the first factor."""
    return 2 * prod(results[0]) * inputs[0][-1]


def _product_with_bias(inputs: Shapes, results: Shapes) -> int:
    return 2 * prod(results[0]) * inputs[1][-1]


def _convolution(inputs: Shapes, results: Shapes) -> int:
    """Each element of the result sums over one filter."""
    return 2 * prod(results[0]) * prod(inputs[1][1:])


def _transposed_convolution(inputs: Shapes, results: Shapes) -> int:
    return 2 * prod(inputs[0]) * prod(inputs[1][1:])


def _elements(inputs: Shapes, results: Shapes) -> int:
    return prod(results[0])


FORWARD: dict[str, Callable[[Shapes, Shapes], int]] = {
    **dict.fromkeys(("mm", "bmm", "matmul", "linear", "mv", "dot", "vdot", "inner"), _product),
    **dict.fromkeys(("addmm", "addmm_", "baddbmm", "baddbmm_", "addmv", "addmv_", "addbmm"), _product_with_bias),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d", "convolution"), _convolution),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), _transposed_convolution),
    **dict.fromkeys(("add", "add_", "mul", "mul_"), _elements),
}


def _product_backward(gradients: Shapes, results: Shapes) -> int:
    """Of the last two gradients, that of the left factor sums over n, that of the right one over m."""
    rows, columns = prod(gradients[0][:-1]), gradients[0][-1]
    left, right = results[-2:]
    return 2 * columns * prod(left) * bool(left) + 2 * rows * prod(right) * bool(right)


def _batched_product_backward(gradients: Shapes, results: Shapes) -> int:
    left, right = results[-2:]
    return 2 * gradients[0][-1] * prod(left) * bool(left) + 2 * gradients[0][-2] * prod(right) * bool(right)


BACKWARD: dict[str, Callable[[Shapes, Shapes], int]] = {
    **dict.fromkeys(("AddmmBackward0", "MmBackward0", "LinearBackward0"), _product_backward),
    **dict.fromkeys(("BmmBackward0", "BaddbmmBackward0"), _batched_product_backward),
}


def count(name: str, backward: bool, inputs: Shapes | None, results: Shapes | None) -> int:
    """What the operation (or node) of this name does; 0 where nobody wrote down how much that is."""
    formula = BACKWARD.get(name) if backward else FORWARD.get(name.removeprefix("aten::"))
    if formula is None or not inputs or not results:
        return 0
    try:
        return formula(inputs, results)
    except (IndexError, ValueError, TypeError):  # an operand that is a number, or a call that failed
        return 0
