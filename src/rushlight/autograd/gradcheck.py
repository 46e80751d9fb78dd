"""Derivatives checked against finite differences.

A complex number is treated as two real ones throughout: for an output ``w = u + iv`` the gradient that backward
gives for the seed 1 is that of ``u``, for the seed i that of ``v``, so both Jacobians are compared as real matrices.
"""

from __future__ import annotations

import itertools
import sys

from .. import _C
from . import grad as _grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]

_Tensor = _C.Tensor


class GradcheckError(RuntimeError):
    """A derivative that disagrees with finite differences, or a backward that breaks its rules."""


def _as_tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def _differentiable(outputs: Any) -> tuple:
    return tuple([o for o in _as_tuple(outputs) if isinstance(o, _Tensor) and o.requires_grad])


def _reals(t: _C.Tensor) -> _C.Tensor:
    """All real coordinates of a tensor, in a row."""
    t = t.detach()
    return (_C.view_as_real(t) if t.is_complex() else t).reshape(-1)


def _coordinates(t: _C.Tensor) -> Iterator[tuple[_C.Tensor, tuple[int, ...]]]:
    """Where each real coordinate of ``t`` can be written, in the order of `_reals`."""
    memory = _C.view_as_real(t.data) if t.is_complex() else t.data
    for index in itertools.product(*[range(n) for n in memory.shape]):
        yield memory, index


def _numerical_jacobian(func: Callable, inputs: tuple, x: _C.Tensor, which: list[int], eps: float) -> list[_C.Tensor]:
    """For each output numbered in ``which``: rows are its coordinates, columns those of ``x``."""

    def outputs() -> list[_C.Tensor]:
        all_outputs = _as_tuple(func(*inputs))
        return [_reals(all_outputs[i]).clone() for i in which]

    columns = []
    for memory, index in _coordinates(x):
        value = memory[index].item()
        memory[index] = value + eps
        above = outputs()
        memory[index] = value - eps
        below = outputs()
        memory[index] = value
        columns.append([(a - b) / (2 * eps) for a, b in zip(above, below, strict=True)])
    if not columns:
        return [_C.zeros(out.numel(), 0, dtype=out.dtype) for out in outputs()]
    return [_C.stack(column, 1) for column in zip(*columns, strict=True)]


def _analytical_jacobian(output: _C.Tensor, inputs: list, check_dtypes: bool) -> list[_C.Tensor]:
    """For each input: rows are the coordinates of ``output``, columns those of the input."""
    rows = [[] for _ in inputs]
    seed = _C.zeros(output.shape, dtype=output.dtype)
    for memory, index in _coordinates(seed):
        memory[index] = 1.0
        grads = _grad(output, inputs, seed.clone(), retain_graph=True, allow_unused=True)
        memory[index] = 0.0
        for row, x, g in zip(rows, inputs, grads, strict=True):
            if g is None:
                g = _C.zeros_like(x)
            if check_dtypes and g.dtype != x.dtype:
                raise GradcheckError("Gradient has dtype mismatch")
            if g.shape != x.shape:
                raise GradcheckError("Analytical gradient has incorrect size")
            row.append(_reals(g).clone())
    return [
        _C.stack(row) if row else _C.zeros(0, _reals(x).numel(), dtype=_reals(x).dtype)
        for row, x in zip(rows, inputs, strict=True)
    ]


def _check_inputs(inputs: tuple) -> list:
    wanted = []
    for i, x in enumerate(inputs):
        if not (isinstance(x, _Tensor) and x.requires_grad):
            continue
        if x.dtype not in (_C.float64, _C.complex128):
            import warnings

            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or complex. "
                "This check will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=4,
            )
        if any([step == 0 and size > 1 for step, size in zip(x.stride(), x.shape, strict=True)]):
            raise RuntimeError(
                f"The {i}th input has a dimension with stride 0. gradcheck only "
                "supports inputs that are non-overlapping to be able to "
                "compute the numerical gradients correctly. You should call "
                ".contiguous on the input before passing it to gradcheck."
            )
        wanted.append(x)
    if not wanted:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of them have requires_grad=True."
        )
    return wanted


def _check_jacobians(func, inputs, wanted, eps, atol, rtol, nondet_tol, check_dtypes) -> None:
    outputs = _as_tuple(func(*inputs))
    which = [i for i, o in enumerate(outputs) if isinstance(o, _Tensor) and o.requires_grad]
    if not which:
        inexact = [i for i, o in enumerate(outputs) if o.is_floating_point() or o.is_complex()]
        for x in wanted:
            for jacobian in _numerical_jacobian(func, inputs, x, inexact, eps):
                if (jacobian != 0).any():
                    raise GradcheckError("Numerical gradient for function expected to be zero")
        return
    numerical = [_numerical_jacobian(func, inputs, x, which, eps) for x in wanted]
    for i, o in enumerate([outputs[k] for k in which]):
        analytical = _analytical_jacobian(o, wanted, check_dtypes)
        again = _analytical_jacobian(o, wanted, check_dtypes)
        for j, (a, b) in enumerate(zip(analytical, again, strict=True)):
            n = numerical[j][i].to(a.dtype)
            if not _C.allclose(a, n, rtol=rtol, atol=atol):
                raise GradcheckError(
                    f"Jacobian mismatch for output {i:d} with respect to input {j:d},\n"
                    f"numerical:{n.T}\nanalytical:{a.T}\n"
                )
            if a.numel() and not (a - b).abs().max().item() <= nondet_tol:
                raise GradcheckError(
                    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times "
                    "gives different values, although analytical gradient matches numerical gradient."
                    f"The tolerance for nondeterminism was {nondet_tol}."
                )


def _check_zero_seed(func, inputs, wanted) -> None:
    outputs = _differentiable(func(*inputs))
    if not outputs:
        return
    for x, g in zip(
        wanted, _grad(outputs, wanted, [_C.zeros_like(o) for o in outputs], allow_unused=True), strict=True
    ):
        if g is None:
            continue
        if not g.eq(0).all():
            raise GradcheckError("backward not multiplied by grad_output")
        if g.dtype != x.dtype:
            raise GradcheckError("grad is incorrect type")
        if g.shape != x.shape:
            raise GradcheckError("grad is incorrect size")


def _without_gradient(outputs: tuple) -> tuple:
    """The same outputs behind a node that hands backward no gradient at all."""
    from .function import Function

    class Undefined(Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, grad):
            return None

    return tuple([Undefined.apply(o) for o in outputs])


def _check_undefined(func, inputs, wanted) -> None:
    count = len(_differentiable(func(*inputs)))
    cases = [set(range(count))] + ([{i} for i in range(count)] if count > 1 else [])
    for case in cases:
        outputs = _differentiable(func(*inputs))
        outputs = [_without_gradient((o,))[0] if i in case else o for i, o in enumerate(outputs)]
        if not outputs:
            continue
        try:
            grads = _grad(outputs, wanted, [_C.zeros_like(o) for o in outputs], allow_unused=True)
        except RuntimeError as e:
            raise GradcheckError("Expected backward function to handle undefined output grads.") from e
        if any([g is not None and not g.eq(0).all() for g in grads]):
            raise GradcheckError(
                "Expected all input grads to be undefined or zero when all output grads are undefined or zero."
            )


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether backward agrees with central differences ``(f(x + eps) - f(x - eps)) / (2 eps)`` in every coordinate.

    Inputs that require gradients should be float64 or complex128. Raises `GradcheckError`, or returns False with
    ``raise_exception=False``. ``fast_mode`` is accepted and ignored: all columns are always checked. Forward mode
    and vmap are not available.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(torch.sin, x)
    True
    """
    if not (check_forward_ad or check_backward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    if check_forward_ad or check_batched_forward_grad or check_batched_grad:
        raise NotImplementedError("gradcheck: forward mode and batched gradients are not available")
    tuple_inputs = _as_tuple(inputs)
    try:
        wanted = _check_inputs(tuple_inputs)
        _check_jacobians(func, tuple_inputs, wanted, eps, atol, rtol, nondet_tol, check_grad_dtypes)
        _check_zero_seed(func, tuple_inputs, wanted)
        if check_undefined_grad:
            _check_undefined(func, tuple_inputs, wanted)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """`gradcheck` of the gradient itself, as a function of ``inputs`` and ``grad_outputs`` (random if not given)."""
    if not check_rev_over_rev or check_fwd_over_rev:
        raise NotImplementedError("gradgradcheck: forward mode is not available")
    tuple_inputs = _as_tuple(inputs)
    if grad_outputs is None:
        seeds = tuple([_random_like(o, gen_non_contig_grad_outputs) for o in _differentiable(func(*tuple_inputs))])
    else:
        seeds = _as_tuple(grad_outputs)
    wanted = [i for i, x in enumerate(tuple_inputs) if isinstance(x, _Tensor) and x.requires_grad]

    def gradient(*args):
        values, given = args[: len(tuple_inputs)], args[len(tuple_inputs) :]
        outputs = _differentiable(func(*values))
        grads = _grad(outputs, [values[i] for i in wanted], given, create_graph=True, allow_unused=True)
        return tuple([g for g in grads if g is not None])

    return gradcheck(
        gradient,
        tuple_inputs + seeds,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        fast_mode=fast_mode,
        masked=masked,
    )


def _random_like(t: _C.Tensor, strided: bool) -> _C.Tensor:
    shape = (*t.shape[:-1], 2 * t.shape[-1]) if strided and t.dim() else t.shape
    seed = _C.randn(shape, dtype=t.dtype)
    return (seed[..., ::2] if strided and t.dim() else seed).requires_grad_()


class _Module(type(sys)):
    """``torch.autograd.gradcheck`` is the function, also after ``import torch.autograd.gradcheck``."""

    def __call__(self, *args, **kwargs):
        return gradcheck(*args, **kwargs)


sys.modules[__name__].__class__ = _Module
