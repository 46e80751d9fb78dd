"""Jacobians, Hessians and products with them, for functions of tensors; all of them compositions of ``grad``.

``func`` takes tensors and returns a tensor or a tuple of tensors; results are nested as inputs and outputs are.
With ``create_graph`` the results can be differentiated; ``strict`` makes independence of an input an error
instead of a zero.
"""

from __future__ import annotations

from .. import _C
from . import grad as _grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["vjp", "jvp", "jacobian", "hessian", "hvp", "vhp"]

_Tensor = _C.Tensor
_USER_OUTPUTS = "outputs of the user-provided function"


def _tuple_of_tensors(values: Any, what: str, function: str) -> tuple[bool, tuple]:
    is_tuple = isinstance(values, tuple)
    all_values = values if is_tuple else (values,)
    for i, value in enumerate(all_values):
        if not isinstance(value, _Tensor):
            which = f"value at index {i}" if is_tuple else f"given {what}"
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but the"
                f" {which} has type {type(value)}."
            )
    return is_tuple, all_values


def _fresh(values: tuple, create_graph: bool, requires_grad: bool = True) -> tuple:
    """New tensor objects, so that an input is told from the same tensor captured by the function."""
    return tuple(
        [x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_(requires_grad) for x in values]
    )


def _finish(values: tuple, is_tuple: bool, create_graph: bool) -> Any:
    if not create_graph:
        values = tuple([x.detach() for x in values])
    return values if is_tuple else values[0]


def _check_vector(v: tuple, like: tuple, is_tuple: bool) -> None:
    if len(like) != len(v):
        if is_tuple:
            raise RuntimeError(f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.")
        raise RuntimeError("The given v should contain a single Tensor.")
    for i, (a, b) in enumerate(zip(v, like, strict=True)):
        if a.shape != b.shape:
            entry = f"Entry {i} in " if is_tuple else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {b.shape} but got {a.shape}.")


def _check_depends(values: tuple, message: str) -> None:
    for i, x in enumerate(values):
        if x is None:
            raise RuntimeError(
                f"The output of the user-provided function is independent of input {i}."
                " This is not allowed in strict mode."
            )
        if not x.requires_grad:
            raise RuntimeError(message.format(i=i))


_OUTPUT_INDEPENDENT = (
    "Output {i} of the user-provided function does not require gradients."
    " The outputs must be computed in a differentiable manner from the input"
    " when running in strict mode."
)
_GRADIENT_INDEPENDENT = (
    "The gradient with respect to input {i} is independent of the inputs of the"
    " user-provided function. This is not allowed in strict mode."
)
_JACOBIAN_INDEPENDENT = (
    "While computing the hessian, found that the jacobian of the user-provided"
    " function with respect to input {i} is independent of the input. This is not"
    " allowed in strict mode. You should ensure that your function is twice"
    " differentiable and that the jacobian depends on the inputs (this would be"
    " violated by a linear function for example)."
)


def _gradients(
    outputs: tuple, inputs: tuple, seeds: tuple | None, create_graph: bool, keep: bool | None = None
) -> tuple:
    """`grad` that leaves out outputs without history; None where an input has no influence."""
    seeds = seeds or (None,) * len(outputs)
    pairs = [(o, s) for o, s in zip(outputs, seeds, strict=True) if o is not None and o.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    kept, kept_seeds = zip(*pairs, strict=True)
    return _grad(kept, inputs, kept_seeds, retain_graph=keep, create_graph=create_graph, allow_unused=True)


def _zeros_for_none(grads: tuple, like: tuple, strict: bool, create_graph: bool, order: str, independent: str) -> tuple:
    filled = []
    for i, (g, x) in enumerate(zip(grads, like, strict=True)):
        if g is None and strict:
            raise RuntimeError(independent.format(i=i))
        if g is not None and strict and create_graph and not g.requires_grad:
            raise RuntimeError(
                f"The {order} of the user-provided function is independent of "
                f"input {i}. This is not allowed in strict mode when create_graph=True."
            )
        filled.append(_C.zeros_like(x) if g is None else g)
    return tuple(filled)


_NO_INPUT = "The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
_NO_INPUT_JACOBIAN = (
    "The jacobian of the user-provided function is independent of input {i}. This is not allowed in strict mode."
)
_NO_ENTRY = (
    "The gradient with respect to the input is independent of entry {i}"
    " in the grad_outputs when using the double backward trick to compute"
    " forward mode gradients. This is not allowed in strict mode."
)


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), v @ J)``; ``v`` is shaped as the outputs and may be left out for a single number.

    >>> import rushlight as torch
    >>> torch.autograd.functional.vjp(lambda x: x ** 2, torch.tensor([1.0, 3.0]), torch.tensor([1.0, 1.0]))
    (tensor([1., 9.]), tensor([2., 6.]))
    """
    with _C.enable_grad():
        is_inputs_tuple, inputs = _tuple_of_tensors(inputs, "inputs", "vjp")
        inputs = _fresh(inputs, create_graph)
        is_outputs_tuple, outputs = _tuple_of_tensors(func(*inputs), _USER_OUTPUTS, "vjp")
        if strict:
            _check_depends(outputs, _OUTPUT_INDEPENDENT)
        if v is not None:
            v = _fresh(_tuple_of_tensors(v, "v", "vjp")[1], create_graph, requires_grad=False)
            _check_vector(v, outputs, is_outputs_tuple)
        elif len(outputs) != 1 or outputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the "
                "user-provided function returns "
                "a single Tensor with a single element."
            )
    product = _gradients(outputs, inputs, v, create_graph)
    product = _zeros_for_none(product, inputs, strict, create_graph, "jacobian", _NO_INPUT)
    return _finish(outputs, is_outputs_tuple, create_graph), _finish(product, is_inputs_tuple, create_graph)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), J @ v)``; ``v`` is shaped as the inputs.

    ``u @ J`` is linear in ``u``, so differentiating it with respect to ``u`` gives J without forward mode
    (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    >>> import rushlight as torch
    >>> torch.autograd.functional.jvp(lambda x: x ** 2, torch.tensor([1.0, 3.0]), torch.tensor([1.0, 0.0]))
    (tensor([1., 9.]), tensor([2., 0.]))
    """
    with _C.enable_grad():
        is_inputs_tuple, inputs = _tuple_of_tensors(inputs, "inputs", "jvp")
        inputs = _fresh(inputs, create_graph)
        if v is not None:
            v = _fresh(_tuple_of_tensors(v, "v", "jvp")[1], create_graph, requires_grad=False)
            _check_vector(v, inputs, is_inputs_tuple)
        elif len(inputs) != 1 or inputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the input to "
                "the user-provided function is a single Tensor "
                "with a single element."
            )
        is_outputs_tuple, outputs = _tuple_of_tensors(func(*inputs), _USER_OUTPUTS, "jvp")
        if strict:
            _check_depends(outputs, _OUTPUT_INDEPENDENT)
        u = tuple([_C.zeros_like(o, requires_grad=True) for o in outputs])
        products = _gradients(outputs, inputs, u, create_graph=True)
        if strict:
            _check_depends(products, _GRADIENT_INDEPENDENT)
        result = _gradients(products, u, v, create_graph)
        result = _zeros_for_none(result, outputs, strict, create_graph, "jacobian", _NO_ENTRY)
    return _finish(outputs, is_outputs_tuple, create_graph), _finish(result, is_outputs_tuple, create_graph)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """``J[i][j]``, shaped ``(*output_i.shape, *input_j.shape)``: the derivative of each output by each input.

    Rows are computed one after the other, ``vectorize`` or not; ``strategy`` has no influence on the result.

    >>> import rushlight as torch
    >>> torch.autograd.functional.jacobian(lambda x: x**2, torch.tensor([1.0, 3.0]))
    tensor([[2., 0.],
            [0., 6.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    with _C.enable_grad():
        is_inputs_tuple, inputs = _tuple_of_tensors(inputs, "inputs", "jacobian")
        inputs = _fresh(inputs, create_graph)
        is_outputs_tuple, outputs = _tuple_of_tensors(func(*inputs), _USER_OUTPUTS, "jacobian")
        if strict:
            _check_depends(outputs, _OUTPUT_INDEPENDENT)
        rows = []
        for out in outputs:
            flat = out.reshape(-1)
            columns: list[list] = [[] for _ in inputs]
            for k in range(flat.numel()):
                grads = _gradients((flat[k],), inputs, (_C.ones((), dtype=out.dtype),), create_graph, keep=True)
                grads = _zeros_for_none(grads, inputs, strict, create_graph, "jacobian", _NO_INPUT)
                for column, g in zip(columns, grads, strict=True):
                    column.append(g)
            parts = [
                _C.stack(column).reshape(out.shape + x.shape)
                if column
                else _C.zeros(out.shape + x.shape, dtype=x.dtype)
                for column, x in zip(columns, inputs, strict=True)
            ]
            rows.append(_finish(tuple(parts), is_inputs_tuple, create_graph))
    return tuple(rows) if is_outputs_tuple else rows[0]


def _scalar_output(func: Callable, name: str) -> Callable:
    def checked(*inputs):
        is_tuple, outputs = _tuple_of_tensors(func(*inputs), _USER_OUTPUTS, name)
        if is_tuple or len(outputs) != 1:
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if outputs[0].numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return outputs[0].reshape(())

    return checked


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """``H[i][j]``: second derivatives of a single number by input i and input j.

    >>> import rushlight as torch
    >>> torch.autograd.functional.hessian(lambda x: (x ** 3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    is_inputs_tuple, inputs = _tuple_of_tensors(inputs, "inputs", "hessian")
    scalar = _scalar_output(func, "hessian")

    def gradient(*values):
        values = tuple([x.view_as(x) for x in values])
        rows = jacobian(scalar, values, create_graph=True)
        if strict:
            _check_depends(rows, _JACOBIAN_INDEPENDENT)
        return rows

    blocks = jacobian(gradient, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return blocks if is_inputs_tuple else blocks[0][0]


def vhp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), v @ H)`` for a function whose value is a single number.

    >>> import rushlight as torch
    >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """``(func(*inputs), H @ v)``; as H is symmetric, the same as `vhp`.

    >>> import rushlight as torch
    >>> torch.autograd.functional.hvp(lambda x: (x ** 3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(name, func, inputs, v, create_graph, strict):
    with _C.enable_grad():
        is_inputs_tuple, inputs = _tuple_of_tensors(inputs, "inputs", name)
        inputs = _fresh(inputs, create_graph)
        if v is not None:
            v = _fresh(_tuple_of_tensors(v, "v", name)[1], create_graph, requires_grad=False)
            _check_vector(v, inputs, is_inputs_tuple)
        elif len(inputs) != 1 or inputs[0].numel() != 1:
            raise RuntimeError(
                "The vector v can only be None if the input to the user-provided function "
                "is a single Tensor with a single element."
            )
        is_outputs_tuple, outputs = _tuple_of_tensors(func(*inputs), _USER_OUTPUTS, name)
        if strict:
            _check_depends(outputs, _OUTPUT_INDEPENDENT)
        if is_outputs_tuple or not isinstance(outputs[0], _Tensor):
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if outputs[0].numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        first = _gradients(outputs, inputs, None, create_graph=True)
        if strict:
            _check_depends(first, _JACOBIAN_INDEPENDENT)
        product = _gradients(first, inputs, v, create_graph)
        product = _zeros_for_none(product, inputs, strict, create_graph, "hessian", _NO_INPUT_JACOBIAN)
    return _finish(outputs, False, create_graph), _finish(product, is_inputs_tuple, create_graph)
