"""What the table of operations promises of every elementwise record, old or new, asked of each in turn.

A record that is added is tested here without being named: its derivatives against differences, its forms
(function, method, in place, `out=`) and memory layouts against one another, its shape on the meta device.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal

import pytest

import rushlight as torch
import rushlight._ops as ops
from rushlight import _C
from rushlight._ops.define import TABLE, Op

for family in pkgutil.iter_modules(ops.__path__):
    importlib.import_module(f"rushlight._ops.{family.name}")

ELEMENTWISE = [
    op for op in TABLE.values()
    if op.kind in ("unary", "binary") and op.function and not {"default", "float", "f64"}.isdisjoint(op.kernel or {})
]  # fmt: skip
DIFFERENTIABLE = [op for op in ELEMENTWISE if op.derivative and "not_implemented" not in op.derivative.values()]

# Where a function has its values: the first of these that it answers with finite numbers.  No value is a whole
# number or lies on the edge of a piece, where a difference quotient says nothing.
DOMAINS = ([0.23, 0.58, -0.37, 0.71], [0.23, 0.58, 0.37, 0.71], [1.3, 2.6, 3.4, 1.7])
OTHERS = [0.52, 1.41, 0.83, 2.24]
NUMBERS = {"Scalar": 0.3, "float": 0.3, "int": 1, "bool": True}


def tensors_of(op: Op) -> list[torch.Tensor]:
    """Inputs of float64 at which the operation is finite."""
    count = sum(p.is_tensor for p in op.params)
    for domain in DOMAINS:
        inputs = [torch.tensor(v, dtype=torch.float64) for v in (domain, OTHERS, domain[::-1])[:count]]
        if bool(torch.isfinite(call(op, inputs)).all()):
            return inputs
    pytest.fail(f"{op.name} is finite in none of the domains")


def arguments_of(op: Op) -> tuple[list[float], dict[str, float]]:
    """The required numbers of the operation, in place and by name."""
    needed = [p for p in op.params if not p.is_tensor and p.default is ...]
    positional = [NUMBERS[p.type] for p in needed if not p.kwonly]
    return positional, {p.name: NUMBERS[p.type] for p in needed if p.kwonly}


def call(op: Op, inputs: list[torch.Tensor], **options: object) -> torch.Tensor:
    positional, named = arguments_of(op)
    return getattr(_C, op.name)(*inputs, *positional, **named, **options)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and torch.allclose(a, b, rtol=1e-12, atol=0, equal_nan=True)


each = pytest.mark.parametrize("op", ELEMENTWISE, ids=lambda op: op.cname)


# Numbers at which a series, a recurrence or a search can forget to end.
EXTREMES = [
    *(float("nan"), float("inf"), -float("inf"), 0.0, -0.0, 5e-324, 1e-40, 1e-300, -1e-300, 1e300, -1e300),
    *(1e38, -1e38, 1e20, -1e20, 1e9, -1e9, 1e5, -1e5, 700.0, -700.0, 30.0, -30.0, 3.0, -2.5, -2.0, 1.0, -1.0, 0.5),
]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a kernel that hangs has to be ended from outside")
@pytest.mark.parametrize("op", [op for op in ELEMENTWISE if "_polynomial_" not in op.name], ids=lambda op: op.cname)
def test_extreme_numbers_end(op: Op) -> None:
    """Polynomials are left out: one of degree 1e9 takes 1e9 steps."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        for dtype in (torch.float64, torch.float32):
            x = torch.tensor(EXTREMES, dtype=dtype)
            grids = [x.reshape(shape) for shape in ((-1, 1, 1), (-1, 1), (-1,))]
            call(op, grids[: sum(p.is_tensor for p in op.params)])
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("op", DIFFERENTIABLE, ids=lambda op: op.cname)
def test_derivatives_agree_with_differences(op: Op) -> None:
    inputs = tensors_of(op)
    given = {name.strip() for names in op.derivative for name in names.split(",")}
    for t, p in zip(inputs, [p for p in op.params if p.is_tensor], strict=True):
        t.requires_grad_(p.name in given)
    assert torch.autograd.gradcheck(lambda *ts: call(op, list(ts)), inputs)
    assert torch.autograd.gradgradcheck(lambda *ts: call(op, list(ts)), inputs)


@each
def test_function_method_inplace_and_out_agree(op: Op) -> None:
    inputs = tensors_of(op)
    expected = call(op, inputs)
    positional, named = arguments_of(op)
    if op.method:
        assert same(getattr(inputs[0], op.name)(*inputs[1:], *positional, **named), expected)
    if op.out:
        out = torch.empty(0, dtype=expected.dtype)
        assert call(op, inputs, out=out) is out
        assert same(out, expected)
    if op.inplace and expected.dtype == inputs[0].dtype:
        changed = inputs[0].clone()
        home = torch.Tensor if op.method else _C
        assert getattr(home, op.name + "_")(changed, *inputs[1:], *positional, **named) is changed
        assert same(changed, expected)


@each
def test_layout_and_broadcasting_change_no_value(op: Op) -> None:
    inputs = tensors_of(op)
    expected = call(op, inputs)
    spread = [torch.stack([t, t + 1], dim=1)[:, 0] for t in inputs]  # every other element of a block
    assert not spread[0].is_contiguous()
    assert same(call(op, spread), expected)
    grid = call(op, [inputs[0].unsqueeze(1), *(t.unsqueeze(0) for t in inputs[1:])])
    assert same(grid.squeeze(1) if len(inputs) == 1 else grid.diagonal(), expected)


@each
def test_meta_tensors_have_the_shape_and_dtype_of_the_result(op: Op) -> None:
    inputs = tensors_of(op)
    expected, meta = call(op, inputs), call(op, [t.to("meta") for t in inputs])
    assert meta.device.type == "meta"
    assert (meta.shape, meta.dtype) == (expected.shape, expected.dtype)


def test_every_public_record_is_documented() -> None:
    bare = [op.cname for op in TABLE.values() if op.function and op.name[0] != "_" and not any(
        other.doc for other in TABLE.values() if other.name == op.name)]  # fmt: skip
    assert bare == []
