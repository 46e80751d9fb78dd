"""The record of an operation, and the kinds that supply what records have in common.

One call of `op` (or of a kind built on it: `unary`, `binary`, `reduction`, `view`, ...) is all that
an operation needs.  `_build/render.py` turns the table into C, stubs and docs; the tests reflect
over it.  At run time nothing here is imported unless an operation's body is itself Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TABLE: dict[str, Op] = {}  # by C name: "add", "max_dim"

# What a schema may name, and the C type that stands for it.
C_TYPES = {
    "Tensor": "Tensor *", "Tensor?": "Tensor *", "Operand": "Tensor *", "Operand?": "Tensor *",
    "Tensor[]": "Tensors", "Tensor?[]": "Tensors", "Tensor[]?": "Tensors",
    "Scalar": "Scalar", "Scalar?": "Scalar", "int": "int64_t", "int?": "int64_t", "float": "double", "float?": "Scalar",
    "bool": "bool", "bool?": "int", "int[]": "Ints", "int[]?": "Ints", "dtype": "RLDType", "dtype?": "RLDType",
    "device?": "int", "layout?": "int", "memory_format?": "int", "str": "const char *", "str?": "const char *",
    "Generator?": "PyObject *", "object": "PyObject *", "object?": "PyObject *",
}  # fmt: skip


# out="exact apart": of the result's dtype (else any that it casts to); sharing all or nothing of an input's memory;
# "distinct": sharing nothing.
OUT_RULES = {"exact": "OUT_EXACT", "apart": "OUT_APART", "distinct": "OUT_DISTINCT", "typed": "OUT_TYPED | OUT_EXACT"}
AUTOCAST_RULES = {"": "AUTOCAST_NOT", "narrow": "AUTOCAST_NARROW", "float32": "AUTOCAST_FLOAT32"}


@dataclass(frozen=True)
class Param:
    name: str
    type: str  # a key of C_TYPES
    default: Any = ...  # `...`: none
    kwonly: bool = False
    fixed: int = 0  # int[2]: one number stands for two

    @property
    def is_tensor(self) -> bool:
        return self.type in ("Tensor", "Tensor?", "Operand", "Operand?")


@dataclass(frozen=True)
class Result:
    type: str  # Tensor, Tensor[], object
    name: str = ""


@dataclass
class Op:
    name: str  # as users call it: "add"
    cname: str  # unique: "max_dim"
    params: list[Param]
    results: list[Result]
    schema: str
    kind: str = "native"
    family: str = ""
    doc: str = ""
    kernel: dict[str, str] | None = None  # dtype category -> C expression
    near: dict[str, tuple[str, str]] | None = None  # as kernel: a test, and a quicker expression for blocks that pass it
    in_rule: str = "promote"
    out_rule: str = "same"
    bool_mask: int = 0
    reduce: dict[str, Any] | None = None
    body: str | None = None  # composite, in the little language of _build/dsl.py
    code: str | None = None  # C that goes before the wrapper: usually `Tensor *impl_name(...) {...}`
    python: Callable | None = None  # body in Python, called with the parsed arguments
    derivative: dict[str, str] | None = None  # "a" or "a, b" -> formula
    node: str = ""
    edges: list[str] | None = None  # order of gradient edges, when it is not that of the parameters
    view: bool = False
    function: bool = True
    method: bool = True
    inplace: bool = False
    direct: bool = False  # impl_<name> writes into rl_here instead of a copy, which the form in place offers it (gather.h)
    inplace_function: bool | None = None  # torch.exp_(x) beside x.exp_(): PyTorch has it of what maps one tensor, as a rule
    out: bool | str = False  # True, or what is asked of the tensor: words of OUT_RULES
    namespaces: tuple[str, ...] = ()
    alias: tuple[str, ...] = ()
    wide_number: bool = False  # elementwise: a number beside a half-precision tensor is not rounded to that first
    check: str = ""  # C call that may refuse the arguments: -1 and an exception
    autocast: str = ""  # inside torch.autocast: "narrow" casts tensors to its dtype, "float32" to that
    numbers_first: bool = False  # programs of PyTorch's early years give alpha, beta, value by position, before the tensors
    records: bool = False  # native, but made of operations that record for themselves
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def n_out(self) -> int:
        return len(self.results)


_PARAM = re.compile(r"\s*([\w]+)(\[(\d*)\])?(\?)?(\[\])?(\?)?\s+(\w+)\s*(?:=\s*(.+?))?\s*$")


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for i, ch in enumerate(text):
        depth += ch in "([" and 1 or ch in ")]" and -1 or 0
        if ch == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    parts.append(text[start:])
    return [p.strip() for p in parts if p.strip()]


def parse_schema(schema: str) -> tuple[str, str, list[Param], list[Result]]:
    """`"max.dim(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)"`."""
    head, tail = schema.split("->")
    full, inner = head.strip().split("(", 1)
    inner = inner.rsplit(")", 1)[0]
    params, kwonly = [], False
    for text in _split(inner):
        if text == "*":
            kwonly = True
            continue
        m = _PARAM.match(text)
        if not m:
            raise ValueError(f"{full}: cannot read parameter {text!r}")
        base, brackets, count, opt, lst, opt2, name, default = m.groups()
        type_ = base + ("[]" if brackets else "") + (opt or "") + (lst or "") + (opt2 or "")
        if type_ not in C_TYPES:
            raise ValueError(f"{full}: unknown type {type_!r}")
        value = ... if default is None else eval(default, {})
        params.append(Param(name, type_, value, kwonly, int(count or 0)))
    tail = tail.strip()
    if tail.startswith("("):
        results = [Result(*r.split()) for r in _split(tail[1:-1])]
    else:
        results = [Result(tail)]
    name, _, overload = full.partition(".")
    return name, f"{name}_{overload}" if overload else name, params, results


def op(schema: str, *, derivative: dict[str, str] | str | None = None, kernel: dict[str, str] | str | None = None,
       family: str = "", **fields: Any) -> Op:  # fmt: skip
    """Enters one operation in the table."""
    name, cname, params, results = parse_schema(schema)
    if isinstance(derivative, str):
        derivative = {params[0].name: derivative}
    if isinstance(kernel, str):
        kernel = {"default": kernel}
    record = Op(name, cname, params, results, schema, kernel=kernel, derivative=derivative, **fields)
    if not record.family:
        import sys

        record.family = sys._getframe(1).f_globals["__name__"].rsplit(".", 1)[-1]
        depth = 1
        while record.family == "define":
            depth += 1
            record.family = sys._getframe(depth).f_globals["__name__"].rsplit(".", 1)[-1]
    if family:
        record.family = family
    if record.out is True and kernel:
        record.out = "apart"  # what PyTorch's iterator over elements asks
    if not record.node:
        record.node = "".join(w.title() for w in name.strip("_").split("_")) + "Backward0"
    if record.inplace_function is None:
        record.inplace_function = record.kind == "unary"
    if cname in TABLE:
        raise ValueError(f"{cname} is defined twice")
    TABLE[cname] = record
    return record


# ---------------------------------------------------------------- kinds

REAL = ("u8", "i8", "i16", "i32", "i64", "f16", "bf16", "f32", "f64")
FLOAT = ("f16", "bf16", "f32", "f64")
COMPLEX = ("c64", "c128")
INT = ("u8", "i8", "i16", "i32", "i64")


def _by_category(default: str | None, **given: str | None) -> dict[str, str]:
    out = {"default": default} if default else {}
    out.update({k: v for k, v in given.items() if v})
    return out


def unary(name: str, kernel: str | None = None, derivative: str | None = None, *, complex: str | None = None,
          int: str | None = None, bool: str | None = None, float_result: bool = False, result: str = "same",
          params: str = "", inplace: bool = True, **fields: Any) -> Op:  # fmt: skip
    """An elementwise function of one tensor `x`.  `float_result`: integers are computed in the default float."""
    fields.setdefault("out", True)
    return op(f"{name}(Tensor input{', ' + params if params else ''}) -> Tensor", kind="unary", inplace=inplace,
              kernel=_by_category(kernel, complex=complex, int=int, bool=bool), derivative=derivative,
              in_rule="float" if float_result else "promote", out_rule=result, **fields)  # fmt: skip


def binary(name: str, kernel: str | None = None, derivative: dict[str, str] | None = None, *,
           complex: str | None = None, int: str | None = None, bool: str | None = None, float_result: bool = False,
           result: str = "same", params: str = "", other: str = "Operand", inplace: bool = True, **fields: Any) -> Op:  # fmt: skip
    """An elementwise function of two operands `a` and `b`, broadcast and promoted together."""
    fields.setdefault("out", True)
    return op(f"{name}(Tensor input, {other} other{', *, ' + params if params else ''}) -> Tensor", kind="binary",
              inplace=inplace, kernel=_by_category(kernel, complex=complex, int=int, bool=bool), derivative=derivative,
              in_rule="float" if float_result else "promote", out_rule=result, **fields)  # fmt: skip


def comparison(name: str, kernel: str, *, complex: str | None = None, **fields: Any) -> Op:
    """An elementwise test of two operands; the result is bool and has no gradient."""
    return binary(name, kernel, complex=complex, bool=kernel, result="bool", **fields)


def reduction(schema: str, *, identity: dict[str, str] | str, step: dict[str, str] | str, join: str | dict[str, str] | None = None,
              load: str = "x", joined_by: str | None = None, acc: str = "same", rule: str = "same", needs_elements: bool = False,
              **fields: Any) -> Op:  # fmt: skip
    """Folds elements along dimensions: `a = step(a, x)` from `identity`; `join` folds two parts. `joined_by` names the
    reduction of this file that makes the whole of results of parts: where elements are folded as they are, the same one."""
    as_dict = lambda v: {"default": v} if isinstance(v, str) else v  # noqa: E731
    spec = {"identity": as_dict(identity), "step": as_dict(step), "join": as_dict(join or step), "load": load,
            "joined_by": joined_by, "acc": acc, "rule": rule, "needs_elements": needs_elements}  # fmt: skip
    return op(schema, kind="reduction", reduce=spec, **fields)


def view(schema: str, derivative: str | None, **fields: Any) -> Op:
    """Another look at the same memory; `impl_*` is in _core/view.c or in the record's `code`."""
    return op(schema, kind="view", view=True, derivative=derivative, **fields)


def native(schema: str, **fields: Any) -> Op:
    """Computed by a C function `impl_<name>` of _core, or by C in the record's `code`."""
    return op(schema, kind="native", **fields)


def composite(schema: str, body: str, **fields: Any) -> Op:
    """Made of other operations; differentiable through them unless it brings a derivative of its own."""
    return op(schema, kind="composite", body=body, **fields)


def python(schema: str, **fields: Any) -> Callable[[Callable], Callable]:
    """Decorates the Python function that is the operation's body."""

    def register(function: Callable) -> Callable:
        op(schema, kind="python", python=function, family=function.__module__.rsplit(".", 1)[-1], **fields)
        return function

    return register
