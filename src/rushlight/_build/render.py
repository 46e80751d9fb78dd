"""Turns the table of operations into everything that is built from it.

`render(out)` writes C and stubs into the folder `out` and returns the units to compile; run as a module with the name
of a record it prints what that record becomes:  python -m rushlight._build.render sin
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from rushlight._build import cgen, stubs, surface
from rushlight._build.compile import Unit, machine_isas, of_each_level
from rushlight._build.kernels import (
    HALF,
    OTHER,
    PLAIN,
    PLAIN_LEVEL,
    WIDE,
    KernelWriter,
    cost,
    expression_for,
    half_as_float,
    is_plain,
)
from rushlight._ops.define import TABLE, Op

PACKAGE = Path(__file__).resolve().parents[1]


def load_table() -> dict[str, Op]:
    ops = importlib.import_module("rushlight._ops")
    for info in sorted(pkgutil.iter_modules(ops.__path__), key=lambda m: m.name):
        importlib.import_module(f"rushlight._ops.{info.name}")
    return TABLE


def families() -> dict[str, list[Op]]:
    out: dict[str, list[Op]] = {}
    for op in TABLE.values():
        out.setdefault(op.family, []).append(op)
    return out


HEAD = '#include "rl.h"\n#include "parse.h"\n#include "rl_ops.h"\n#include "runtime.h"\n#include <math.h>\n\n'


def header(ops: list[Op]) -> str:
    lines = ["/* Every operation as C calls it. */", "#ifndef RL_OPS_H", "#define RL_OPS_H", '#include "rl.h"', ""]
    for op in ops:
        lines.append(cgen.prototype(op) + ";")
        if op.inplace:
            lines.append(f"Tensor *rl_{op.cname}_({cgen.c_params(op)});")
        computed = op.kernel or op.reduce or op.body or op.python or op.records
        if not computed:
            lines.append(cgen.prototype(op, "impl_") + ";")
    return "\n".join([*lines, "#endif", ""])


def family_file(name: str, ops: list[Op]) -> str:
    parts = [HEAD]
    elementwise = [op for op in ops if op.kernel]
    reductions = [op for op in ops if op.reduce]
    for op in elementwise:
        n_in = sum(p.is_tensor for p in op.params)
        rules = f"EW_{op.in_rule.upper()}, EW_{op.out_rule.upper()}, {op.bool_mask}, {cost(op)}, {str(op.wide_number).lower()}"
        parts.append(
            f'static EwDef ew_{op.cname} = {{"{op.extra.get("error_name", op.name + "_cpu")}", {n_in}, {rules}, {{0}}}};\n'
        )
    for op in reductions:
        r = op.reduce
        assert r
        whole = r["joined_by"] or (op.cname if r["load"] == "x" and r["step"] == r["join"] else None)
        facts = f"{str(r['needs_elements']).lower()}, {f'&red_{whole}' if whole else 'NULL'}"
        parts.append(f'static RedDef red_{op.cname} = {{"{op.name}", RED_{r["rule"].upper()}, {facts}, {{0}}}};\n')
    for op in ops:
        if op.code:
            parts.append(op.code.strip() + "\n\n")
        if op.derivative and not op.records:
            gradient = cgen.Gradient(op)
            parts.append(gradient.apply())
            parts.append(gradient.definition())
        parts.append(cgen.forward(op))
        parts.append(cgen.inplace(op))
    for op in ops:
        parts.append(cgen.adapter(op))
        if op.inplace:
            parts.append(cgen.adapter(op, in_place=True))
        parts.append(cgen.param_table(op))
        for kind, method, in_place in (("function", False, False), ("method", True, False), ("inplace", True, True)):
            if in_place and not op.inplace:
                continue
            row = cgen.overload(op, method, in_place).strip().rstrip(",")
            parts.append(f"const Overload ov_{kind}_{op.cname} = {row};\n")
    parts.append(kernel_init(name, elementwise, reductions))
    return "\n".join(parts)


def half_kernels(elementwise: list[Op]) -> list[str]:
    """The kernels of half precision that float32's compute, one row an operation."""
    functions, rows = [], []
    for op in elementwise:
        names = [d.upper() if half_as_float(op, d) and expression_for(op.kernel or {}, d) else "" for d in HALF]
        functions += [f"RL_EW_HALF({op.cname}, {name})" for name in names if name]
        rows.append("{" + ", ".join(f"half_{op.cname}_{name}" if name else "0" for name in names) + "}")
    return [*functions, f"static const RLKernel half_kernels[][{len(HALF)}] = {{{', '.join(rows)}}};"]


def has_plain(elementwise: list[Op]) -> bool:
    """Whether a family has kernels that are compiled at PLAIN_LEVEL, and this machine's architecture that level."""
    return PLAIN_LEVEL in machine_isas() and any(is_plain(op, d) for op in elementwise for d in PLAIN)


def kernel_init(family: str, elementwise: list[Op], reductions: list[Op]) -> str:
    """Fills the kernel tables, wide dtypes from the best level that the processor has."""
    if not elementwise and not reductions:
        return f"void rl_init_{family}(void) {{}}\n"
    isas = machine_isas()
    lines = ['#include "isa.h"']
    for ops, stem, pointer, prefix in (
        (elementwise, "kernels", "RLKernel", "ew"),
        (reductions, "reduce", "RLReduce", "red"),
    ):
        if not ops:
            continue
        lines += [f"extern const {pointer} {stem}_{family}_{isa}[][{len(WIDE)}];" for isa in isas]
        lines.append(f"extern const {pointer} {stem}_{family}_other[][{len(OTHER)}];")
        lines.append(
            f"static {'EwDef' if prefix == 'ew' else 'RedDef'} *const all_{prefix}[] = {{{', '.join(f'&{prefix}_{op.cname}' for op in ops)}}};"
        )
    if elementwise:
        lines += half_kernels(elementwise)
        lines.append(f"static const uint8_t half[] = {{{', '.join('RL_' + d.upper() for d in HALF)}}};")
    vectors = has_plain(elementwise)
    if vectors:
        lines.append(f"extern const RLKernel plain_{family}[][{len(PLAIN)}];")
    for name, dtypes in (("wide", WIDE), ("other", OTHER), *([("plain", PLAIN)] if vectors else [])):
        lines.append(f"static const uint8_t {name}[] = {{{', '.join('RL_' + d.upper() for d in dtypes)}}};")
    lines.append(f"void rl_init_{family}(void) {{")
    for ops, stem, pointer, prefix in (
        (elementwise, "kernels", "RLKernel", "ew"),
        (reductions, "reduce", "RLReduce", "red"),
    ):
        if not ops:
            continue
        lines.append(f"    const {pointer} (*{prefix}_best)[{len(WIDE)}] = {stem}_{family}_base;")
        if "avx2" in isas:
            lines.append(f"    if (rl_isa_best() >= RL_ISA_AVX2) {prefix}_best = {stem}_{family}_avx2;")
            lines.append(f"    if (rl_isa_best() >= RL_ISA_AVX512) {prefix}_best = {stem}_{family}_avx512;")
        lines += [f"    for (int i = 0; i < {len(ops)}; i++) {{",
                  f"        for (int k = 0; k < {len(WIDE)}; k++) all_{prefix}[i]->kernel[wide[k]] = {prefix}_best[i][k];",
                  f"        for (int k = 0; k < {len(OTHER)}; k++) all_{prefix}[i]->kernel[other[k]] = {stem}_{family}_other[i][k];"]  # fmt: skip
        if prefix == "ew":
            lines += [f"        for (int k = 0; k < {len(HALF)}; k++)",
                      "            if (half_kernels[i][k]) all_ew[i]->kernel[half[k]] = half_kernels[i][k];"]  # fmt: skip
        if prefix == "ew" and vectors:
            lines += [f"        for (int k = 0; k < {len(PLAIN)}; k++)",
                      f"            if (plain_{family}[i][k] && rl_isa_best() >= RL_ISA_{PLAIN_LEVEL.upper()}) "
                      f"all_ew[i]->kernel[plain[k]] = plain_{family}[i][k];"]  # fmt: skip
        if prefix == "red":
            lines.append("        rl_reduce_integers(all_red[i]);")
        lines.append("    }")
    return "\n".join([*lines, "}", ""])


def c_string(text: str) -> str:
    escaped = text.strip().replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def table_file(ops: list[Op], family_names: list[str]) -> str:
    """rl_op_table: what Python sees, one entry a name with all its overloads."""
    lines = [HEAD]
    for op in ops:
        kinds = ["function", "method"] + (["inplace"] if op.inplace else [])
        lines += [f"extern const Overload ov_{k}_{op.cname};" for k in kinds]
    lines += [f"void rl_init_{f}(void);" for f in family_names]
    lines += ["", "static Overload all_overloads[][8] = {"]
    rows, fills = [], []
    for entry in surface.entries(ops):
        fills.append([f"&ov_{entry.kind}_{op.cname}" for op in entry.overloads])
        doc = c_string(entry.doc) if entry.doc else "NULL"
        flags = ", ".join(str(flag).lower() for flag in (not entry.is_method, entry.is_method, entry.root))
        rows.append(f'    {{"{entry.name}", {doc}, all_overloads[{len(fills) - 1}], {len(entry.overloads)}, {flags}}},')
    lines.append(f"    [{max(0, len(fills) - 1)}] = {{{{0}}}},")
    lines.append("};")
    lines += ["const OpDef rl_op_table[] = {", *rows, "};", f"const int rl_op_count = {len(rows)};", ""]
    lines += ["void rl_init_ops(void) {"]
    for i, row in enumerate(fills):
        for k, ref in enumerate(row):
            if "inplace_function" in ref:
                base = ref.replace("inplace_function", "inplace")
                lines.append(f"    all_overloads[{i}][{k}] = *{base[1:] and base};")
            else:
                lines.append(f"    all_overloads[{i}][{k}] = *{ref};")
    lines += [f"    rl_init_{f}();" for f in family_names]
    lines += ["}", ""]
    return "\n".join(lines)


def render(out: Path) -> list[Unit]:
    load_table()
    writer = KernelWriter(PACKAGE / "_core")
    units: list[Unit] = []

    def write(name: str, text: str, isa: str | None = None) -> Path:
        path = out / name
        path.write_text(text)
        return path

    groups = families()
    write("rl_ops.h", header(list(TABLE.values())))
    units.append(Unit(write("op_table.c", table_file(list(TABLE.values()), list(groups)))))
    for family, ops in groups.items():
        units.append(Unit(write(f"ops_{family}.c", family_file(family, ops))))
        # reductions and elementwise kernels of a family share a file; the order must be that of the tables
        with_kernels = [op for op in ops if op.kernel] + [op for op in ops if op.reduce]
        if with_kernels:
            wide = write(f"kernels_{family}.c", writer.family(with_kernels, family, wide=True))
            units += of_each_level(wide, plain=True)
            # Loops over these dtypes are scalar code, except in reductions.
            other = write(f"kernels_{family}_other.c", writer.family(with_kernels, family, wide=False))
            units.append(Unit(other, rare=not any(op.reduce for op in ops)))
        if has_plain(elementwise := [op for op in ops if op.kernel]):
            units.append(
                Unit(write(f"kernels_{family}_plain.c", writer.plain(elementwise, family)), PLAIN_LEVEL, plain=True)
            )
    units += [Unit(path) for path in stubs.write(out)]
    return units


def show(name: str) -> None:
    load_table()
    op = TABLE[name]
    writer = KernelWriter(PACKAGE / "_core")
    if op.kernel or op.reduce:
        for text in writer.texts(op, (*WIDE, *OTHER)).values():
            print(text)
    print(op.code or "")
    if op.derivative:
        print(cgen.Gradient(op).apply())
    print(cgen.forward(op))
    print(cgen.inplace(op))
    print(cgen.adapter(op))


if __name__ == "__main__":
    import sys

    show(sys.argv[1])
