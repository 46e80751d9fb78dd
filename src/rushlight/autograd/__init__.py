"""Differentiation: running backward, asking for gradients, writing operations with derivatives of their own."""

from __future__ import annotations

from .. import _C
from .grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import (
        function as function,
        functional as functional,
        grad_mode,
        gradcheck,
        graph as graph,
        variable as variable,
    )
    from .function import Function
    from .gradcheck import gradgradcheck
    from .variable import Variable

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

_Tensor = _C.Tensor
_run_backward = _C._run_backward

_SUBMODULES = (
    "anomaly_mode",
    "forward_ad",
    "function",
    "functional",
    "grad_mode",
    "graph",
    "profiler",
    "profiler_util",
    "variable",
)
_LAZY = {
    "Function": "function",
    "Variable": "variable",
    "DeviceType": "profiler_util",
    "ProfilerActivity": "profiler_util",
    "detect_anomaly": "anomaly_mode",
    "gradcheck": "gradcheck",
    "gradgradcheck": "gradcheck",
    "set_detect_anomaly": "anomaly_mode",
}


def _tuple(values, count: int) -> tuple:
    if values is None:
        return (None,) * count
    return (values,) if isinstance(values, _Tensor) else tuple(values)


def _wanted(inputs) -> tuple:
    """Inputs as a tuple; a GradientEdge, itself a tuple, is one input."""
    if isinstance(inputs, _Tensor) or (isinstance(inputs, tuple) and inputs and isinstance(inputs[0], _C._Node)):
        return (inputs,)
    return tuple(inputs)


def backward(
    tensors: _C.Tensor | Sequence[_C.Tensor],
    grad_tensors: _C.Tensor | Sequence[_C.Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: _C.Tensor | Sequence[_C.Tensor | None] | None = None,
    inputs: _C.Tensor | Sequence[_C.Tensor] | None = None,
) -> None:
    """Adds to each leaf's ``grad`` the gradient of ``sum(grad_tensors[i] * tensors[i])``.

    ``inputs`` restricts what is accumulated into; tensors that are no leaves may be named there too.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.backward([x.sum(), (x * x).sum()])
    >>> x.grad
    tensor([3., 5.])
    """
    if grad_variables is not None:
        import warnings

        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both "
                "passed to `backward()`. Please only use `grad_tensors`."
            )
        grad_tensors = grad_variables
    if inputs is not None:
        inputs = _wanted(inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    roots = (tensors,) if isinstance(tensors, _Tensor) else tuple(tensors)
    keep = create_graph if retain_graph is None else retain_graph
    _run_backward(roots, _tuple(grad_tensors, len(roots)), keep, create_graph, inputs, True, True)


def grad(
    outputs: _C.Tensor | Sequence[_C.Tensor],
    inputs: _C.Tensor | Sequence[_C.Tensor],
    grad_outputs: _C.Tensor | Sequence[_C.Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[_C.Tensor | None, ...]:
    """The gradients of ``sum(grad_outputs[i] * outputs[i])`` with respect to each of ``inputs``; no ``grad`` changes.

    With ``is_grads_batched``, the first dimension of ``grad_outputs`` counts separate gradients, and so does
    that of the results; they are computed one after the other.

    >>> import rushlight as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> (first,) = torch.autograd.grad(x**3, x, create_graph=True)
    >>> torch.autograd.grad(first, x)
    (tensor(18.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if allow_unused is None:
        allow_unused = materialize_grads
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    roots = (outputs,) if isinstance(outputs, _Tensor) else tuple(outputs)
    wanted = _wanted(inputs)
    seeds = None if grad_outputs is None else _tuple(grad_outputs, len(roots))
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched and seeds is not None:
        result = _batched_grad(roots, seeds, keep, create_graph, wanted, allow_unused)
    else:
        result = _run_backward(roots, seeds, keep, create_graph, wanted, allow_unused, False)
    if materialize_grads:
        result = tuple(
            [
                _C.zeros_like(x, requires_grad=create_graph) if g is None else g
                for g, x in zip(result, wanted, strict=True)
            ]
        )
    return result


def _batched_grad(roots, seeds, keep, create_graph, wanted, allow_unused):
    for i, (root, seed) in enumerate(zip(roots, seeds, strict=False)):
        if seed is not None and seed.shape[1:] != root.shape:
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                "dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding "
                f"output, but a mismatch was detected: grad_output[{i}] has a shape of {seed.shape[1:]} and "
                f"output[{i}] has a shape of {root.shape}. If you only want some tensors in `grad_output` to be "
                "considered batched, consider using vmap."
            )
    count = next(len(seed) for seed in seeds if seed is not None)
    rows = []
    for k in range(count):
        row = tuple([seed if seed is None else seed[k] for seed in seeds])
        rows.append(_run_backward(roots, row, keep or k < count - 1, create_graph, wanted, allow_unused, False))
    return tuple([None if column[0] is None else _C.stack(column) for column in zip(*rows, strict=True)])


def __getattr__(name: str):
    if name in _LAZY:
        value = getattr(__import__(f"{__name__}.{_LAZY[name]}", fromlist=("*",)), name)
    elif name in _SUBMODULES:
        value = __import__(f"{__name__}.{name}", fromlist=("*",))
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__, *_SUBMODULES})
