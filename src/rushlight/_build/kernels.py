"""Renders the scalar expressions of elementwise and reducing operations to C kernels, one a dtype.

float32 and float64 kernels are compiled for every vector level; the other dtypes once, and those among them that are
common once more at PLAIN_LEVEL where the expression is plain arithmetic, which becomes vector code. Half precision has kernels of its
own only where its expression is not float32's: else float32's compute it, on blocks that are converted (half.c).
"""

from __future__ import annotations

import re
from pathlib import Path

from rushlight._ops.define import Op

WIDE = ("f32", "f64")
OTHER = ("bool", "u8", "i8", "i16", "i32", "i64", "f16", "bf16", "c64", "c128")
HALF = ("f16", "bf16")
PLAIN = ("bool", "u8", "i32", "i64", "c64")
PLAIN_LEVEL = "avx2"
CATEGORY = {"bool": "bool", "f16": "float", "bf16": "float", "f32": "float", "f64": "float", "c64": "complex",
            "c128": "complex", **dict.fromkeys(("u8", "i8", "i16", "i32", "i64"), "int")}  # fmt: skip
OUT_OF = {"bool": lambda d: "bool", "same": lambda d: d, "real": lambda d: {"c64": "f32", "c128": "f64"}.get(d, d),
          "int64": lambda d: "i64", "int32": lambda d: "i32"}  # fmt: skip

LIBM = {"lgamma", "tgamma", "nextafter", "fmod", "floor", "ceil", "trunc", "nearbyint", "copysign", "hypot", "ldexp", "fmax",
        "fmin", "fabs", "remainder", "rint", "round", "isnan", "isinf", "signbit"}  # fmt: skip
TYPELESS = {"isnan", "isinf", "signbit"}
CHEAP = {"MUL", "FMA", "abs", "fabs", "fmax", "fmin", "copysign", "signbit", "isnan", "isinf", "conj", "floor", "ceil", "trunc",
         "rint", "nearbyint"}  # fmt: skip
HEAD = "".join(
    f'#include "{h}.h"\n' for h in ("kernel", "types", "vmath", "elementwise", "reduce", "kernel_helpers", "isa")
)
ONE_LOOP = "#define RL_EW_ONE_LOOP"  # elementwise.h
_CALL = re.compile(r"\b([a-z_0-9]+|MUL|DIV|FMA)\(")


def vector_names(core: Path) -> set[str]:
    """Functions that vmath.h offers, without prefix: {"expf", "exp", ...}; a macro defines name##SUFFIX for both types."""
    found = [m for h in core.glob("vmath*.h") for m in re.findall(r"\bvm_(\w+)(##SUFFIX)?\(", h.read_text())]
    return {name for name, _ in found} | {f"{name}f" for name, both in found if both}


def expression_for(spec: dict[str, str], dtype: str) -> str | None:
    """The expression given for a dtype, else for its category, else the one for all numbers that are not complex."""
    category = CATEGORY[dtype]
    return spec.get(dtype) or spec.get(category) or (spec.get("default") if category != "complex" else None)


def half_as_float(op: Op, dtype: str) -> bool:
    """Whether float32's kernel computes this dtype: where half precision has no expression of its own."""
    specs = (
        [op.kernel] if op.kernel else [op.reduce[part] for part in ("identity", "step", "join")] if op.reduce else []
    )
    return dtype in HALF and all(expression_for(spec, dtype) == expression_for(spec, "f32") for spec in specs)


def cost(op: Op) -> int:
    """The time of an element against that of an addition, as a power of two: functions cost about four additions."""
    assert op.kernel
    called = {name for text in op.kernel.values() for name in _CALL.findall(text)}
    return 2 if called - CHEAP else 0


def near_form(op: Op, dtype: str) -> tuple[str, str] | None:
    return (op.near or {}).get(dtype) or (op.near or {}).get(CATEGORY[dtype])


def is_plain(op: Op, dtype: str) -> bool:
    """Whether the kernel of a dtype that is compiled once is worth vector code: arithmetic that programs call, of one or two
    operands, by an expression without functions and divisions or with a near form; of complex numbers not the tests."""
    text = expression_for(op.kernel or {}, dtype)
    if text is None or text in ("0", "1", "x") or (op.in_rule == "float" and CATEGORY[dtype] in ("int", "bool")):
        return False
    if (
        op.family != "pointwise"
        or sum(p.is_tensor for p in op.params) > 2
        or (CATEGORY[dtype] == "complex" and op.out_rule == "bool")
    ):
        return False
    return bool(near_form(op, dtype)) or (
        not set(_CALL.findall(text)) - {"MUL", "DIV", "conj", "atan2", "direction", "shl", "shr", "sizeof"}
        and not re.search(r"[/%]", text)
    )


class KernelWriter:
    def __init__(self, core: Path):
        self.vm = vector_names(core)

    def expression(self, text: str, dtype: str) -> str:
        """Names of functions resolved for the dtype: exp -> vm_expf, vm_exp or cexpf."""
        category = CATEGORY[dtype]

        def resolve(m: re.Match) -> str:
            name = m.group(1)
            if name in ("MUL", "DIV"):
                return f"c{name.lower()}_{dtype.upper()}("
            if name == "FMA":
                return "VM_FMA(" if dtype == "f64" else "VM_FMAF("
            if category == "complex":
                if name == "atan2":  # of its parts
                    return "vm_atan2f(" if dtype == "c64" else "vm_atan2("
                suffix = "f" if dtype == "c64" else ""
                if name in ("exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "asin", "acos", "atan", "asinh",
                            "acosh", "atanh", "sqrt", "pow", "abs", "arg"):  # fmt: skip
                    return f"c{name}{suffix}("
                if name == "conj":
                    return f"conj{suffix}("
                if name == "hypot":
                    return f"hypot{suffix}("
                return m.group(0)
            single = dtype not in ("f64", "i64", "i32", "i16", "i8", "u8")
            short = f"{name}f" if single else name
            if short in self.vm:
                return f"vm_{short}("
            if name in LIBM and name not in TYPELESS or name in ("sqrt", "pow"):
                return f"{short}("
            return m.group(0)

        return _CALL.sub(resolve, text)

    def dtypes(self, spec: dict[str, str], which: tuple[str, ...], in_rule: str) -> dict[str, str]:
        out = {}
        for d in which:
            c = CATEGORY[d]
            text = spec.get(d) or spec.get(c) or (spec.get("default") if c in ("int", "float") else None)
            if text is None or (in_rule == "float" and c in ("int", "bool")):
                continue
            out[d] = text
        return out

    def kernel_name(self, op: Op, dtype: str) -> str:
        return f"k_{op.cname}_{dtype}"

    def elementwise(self, op: Op, which: tuple[str, ...]) -> dict[str, str]:
        """dtype -> C text of its kernel; what is compiled once for all processors has no near form."""
        assert op.kernel
        inputs = [p for p in op.params if p.is_tensor]
        names = {1: "x", 2: "ab", 3: "abc"}[len(inputs)]
        numbers = [p for p in op.params if not p.is_tensor]
        result = {}
        for d, text in self.dtypes(op.kernel, which, op.in_rule).items():
            if half_as_float(op, d):
                continue
            upper = d.upper()
            out = OUT_OF[op.out_rule](d).upper()
            read = {"float": ".d", "int": ".i", "bool": ".i"}
            params = "".join(
                f"const A_{upper} {p.name} = " + (f"rl_{d}(q[{i}].d, q[{i}].im); " if CATEGORY[d] == "complex"
                                                  else f"(A_{upper})q[{i}]{read[CATEGORY[d]]}; ")
                for i, p in enumerate(numbers))  # fmt: skip
            types = ", ".join(
                "uint8_t, LD_BOOL, uint8_t" if op.bool_mask >> i & 1 else f"T_{upper}, LD_{upper}, A_{upper}"
                for i in range(len(names)))  # fmt: skip
            form, near = f"RL_EW{len(names)}", ""
            quick = near_form(op, d)
            if quick and which != OTHER:
                form, near = f"{form}_NEAR", "".join(f"{self.expression(part, d)}, " for part in quick)
            result[d] = (f"{form}({self.kernel_name(op, d)}, T_{out}, ST_{out}, {types}, {params or '(void)q;'}, "
                         f"{near}{self.expression(text, d)})\n")  # fmt: skip
        return result

    def reduction(self, op: Op, which: tuple[str, ...]) -> dict[str, str]:
        assert op.reduce
        r = op.reduce
        result = {}
        for d in which:
            c = CATEGORY[d]
            identity, step, join = (expression_for(r[part], d) for part in ("identity", "step", "join"))
            if step is None or identity is None:
                continue
            if d in HALF:  # reduce.c folds them in float32
                assert half_as_float(op, d), f"{op.cname}: a reduction in half precision is float32's"
                continue
            acc = {"wide": {"float": "double" if d == "f64" else "float", "int": "int64_t",
                            "bool": "int64_t", "complex": d}[c], "same": f"A_{d.upper()}", "bool": "uint8_t"}[r["acc"]]  # fmt: skip
            outs = {"sum": "i64" if c in ("int", "bool") else d, "same": d, "bool": "u8" if d == "u8" else "bool"}
            out = outs[r["rule"]].upper()
            name = self.kernel_name(op, d)
            sub = lambda t: self.expression(t, d)  # noqa: E731, B023
            rows = 1 if "?" in step else 4 if d in ("f32", "f64", "i64") else 2  # reduce.h
            result[d] = (
                f"#define LOAD_{name}(v) ({{ const A_{d.upper()} x = LD_{d.upper()}(v); ({acc})({sub(r['load'])}); }})\n"
                f"static inline {acc} step_{name}({acc} a, {acc} x) {{ return {sub(step)}; }}\n"
                f"static inline {acc} join_{name}({acc} a, {acc} x) {{ return {sub(join)}; }}\n"
                f"RL_REDUCE({name}, {rows}, T_{d.upper()}, LOAD_{name}, {acc}, T_{out}, ST_{out}, (({acc})({identity})), "
                f"step_{name}, join_{name})\n")  # fmt: skip
        return result

    def texts(self, op: Op, which: tuple[str, ...]) -> dict[str, str]:
        return self.reduction(op, which) if op.reduce else self.elementwise(op, which)

    def family(self, ops: list[Op], family: str, wide: bool) -> str:
        """One C file with the family's kernels of the wide or of the other dtypes, and their table."""
        which = WIDE if wide else OTHER
        pointer = {False: "RLKernel", True: "RLReduce"}
        lines, known = ["" if wide else ONE_LOOP, HEAD], dict[str, str]()
        rows: dict[bool, list[str]] = {False: [], True: []}
        for op in ops:
            rows[bool(op.reduce)].append(self.row(op, which, self.texts(op, which), lines, known))
        for reduce, entries in rows.items():
            if entries:
                name = f"{'reduce' if reduce else 'kernels'}_{family}"
                symbol = f"RL_ISA_NAME({name})" if wide else f"{name}_other"
                lines += [f"extern const {pointer[reduce]} {symbol}[][{len(which)}];",
                          f"const {pointer[reduce]} {symbol}[][{len(which)}] = {{", *entries, "};", ""]  # fmt: skip
        return "\n".join(lines)

    def row(
        self, op: Op, which: tuple[str, ...], texts: dict[str, str], lines: list[str], known: dict[str, str]
    ) -> str:
        """The kernels go to `lines`, unless they are `known` by another operation's name; returns the table's row."""
        names = {}
        for d, text in texts.items():
            name = self.kernel_name(op, d)
            names[d] = known.setdefault(text.replace(name, ""), name)
            if names[d] == name:
                lines.append(text)
        return f"    {{{', '.join(names.get(d, '0') for d in which)}}}, /* {op.cname} */"

    def plain(self, ops: list[Op], family: str) -> str:
        """The C file with the family's elementwise kernels of PLAIN dtypes."""
        lines, rows, known = [ONE_LOOP, HEAD], [], dict[str, str]()
        for op in ops:
            texts = self.elementwise(op, tuple(d for d in PLAIN if is_plain(op, d)))
            rows.append(self.row(op, PLAIN, texts, lines, known))
        symbol = f"plain_{family}"
        table = [f"extern const RLKernel {symbol}[][{len(PLAIN)}];", f"const RLKernel {symbol}[][{len(PLAIN)}] = {{"]
        return "\n".join([*lines, *table, *rows, "};", ""])
