"""Renders each record to its native functions: the call, its gradient, its in-place form, its Python face.

rl_<name>      what C code and formulas call: computes and, when asked for gradients, records a node
impl_<name>    the computation alone, where it is hand-written
apply_<name>   the node's derivative
py_<name>      adapts parsed arguments and returns a Python object
"""

from __future__ import annotations

import ast
import textwrap

from rushlight._build.dsl import Compiler, Value, default_c
from rushlight._ops.define import AUTOCAST_RULES, C_TYPES, OUT_RULES, Op, Param, parse_schema

META = {"shape", "ndim", "dtype", "numel", "stride", "device", "offset"}
ARG_FIELD = {"Tensor *": "t", "Tensors": "ts", "Scalar": "s", "int64_t": "i", "double": "d", "bool": "i", "int": "i", "Ints": "ints",
             "RLDType": "i", "const char *": "str", "PyObject *": "o"}  # fmt: skip
ARG_TYPE = {"Tensor": "AT_TENSOR", "Operand": "AT_OPERAND", "Tensor[]": "AT_TENSORS", "Scalar": "AT_SCALAR", "int": "AT_INT",
            "float": "AT_FLOAT", "bool": "AT_BOOL", "int[]": "AT_INTS", "dtype": "AT_DTYPE", "device": "AT_DEVICE",
            "layout": "AT_LAYOUT", "memory_format": "AT_MEMORY_FORMAT", "str": "AT_STR", "Generator": "AT_GENERATOR",
            "object": "AT_OBJECT"}  # fmt: skip
SHOWN = {"Scalar": "Number", "Operand": "Tensor", "int[]": "tuple of ints", "Tensor[]": "tuple of Tensors", "dtype": "torch.dtype",
         "device": "torch.device", "layout": "torch.layout", "memory_format": "torch.memory_format",
         "Generator": "torch.Generator"}  # fmt: skip


def base_type(p: Param) -> tuple[str, bool]:
    """The type without its `?`, and whether None is allowed."""
    if p.type == "Tensor?[]":
        return "Tensor[]", True
    return p.type.rstrip("?"), p.type.endswith("?")


def c_params(op: Op) -> str:
    return (
        ", ".join(f"{C_TYPES[p.type]}{'' if C_TYPES[p.type].endswith('*') else ' '}{p.name}" for p in op.params)
        or "void"
    )


def multi(op: Op) -> bool:
    return op.n_out > 1


def returns(op: Op) -> str:
    if multi(op):
        return "int "
    return "Tensor *" if op.results[0].type == "Tensor" else "PyObject *"


def prototype(op: Op, prefix: str = "rl_") -> str:
    params = c_params(op)
    if multi(op):
        params = ("" if params == "void" else params + ", ") + "Tensor **out_"
    return f"{returns(op)}{prefix}{op.cname}({params})"


def call_args(op: Op, override: dict[str, str] | None = None) -> str:
    names = [(override or {}).get(p.name, p.name) for p in op.params]
    return ", ".join([*names, "out_"] if multi(op) else names)


# ---------------------------------------------------------------- what a derivative needs


class Gradient:
    """The formulas of one record: which edges there are, what to save, when."""

    def __init__(self, op: Op):
        assert op.derivative
        self.op = op
        by_name = {p.name: p for p in op.params}
        self.formulas = [
            ([n.strip() for n in key.split(",")], textwrap.dedent(text).strip()) for key, text in op.derivative.items()
        ]
        targets = {name for names, _ in self.formulas for name in names}
        self.edges = op.edges or [p.name for p in op.params if p.name in targets]
        self.saved: list[str] = []  # tensors, inputs or results
        self.args: list[tuple[str, str, str]] = []  # (name in formulas, C type, C expression when saving)
        self.needs: dict[str, list[int]] = {}  # saved tensor -> edges that use it
        results = [r.name or "result" for r in op.results] if multi(op) else ["result"]
        self.results = results
        # `a if cond else b` may read shapes only; names used bare must be kept
        for targets, text in self.formulas:
            if text in ("None", "not_implemented"):
                continue
            tree = ast.parse(text)
            bare, meta = self._names(tree)
            where = [self.edges.index(t) for t in targets]
            for name in bare:
                if name in results or (name in by_name and by_name[name].is_tensor):
                    if name not in self.saved:
                        self.saved.append(name)
                    self.needs.setdefault(name, []).extend(where)
                elif name in by_name:
                    self._arg(name, C_TYPES[by_name[name].type], name)
            for name, attr in meta:
                if name in by_name or name in results:
                    source = "out" if name == "result" else name
                    if attr in ("shape", "ndim", "numel"):
                        self._arg(f"{name}_shape", "Ints", f"(Ints){{{source}->size, {source}->ndim}}")
                    elif attr == "stride":
                        self._arg(f"{name}_stride", "Ints", f"(Ints){{{source}->stride, {source}->ndim}}")
                    elif attr == "offset":
                        self._arg(f"{name}_offset", "int64_t", f"RL_OFFSET({source})")
                    else:
                        self._arg(f"{name}_{attr}", "RLDType" if attr == "dtype" else "int64_t", f"{source}->{attr}")

    def _arg(self, name: str, ctype: str, c: str) -> None:
        if all(a[0] != name for a in self.args):
            self.args.append((name, ctype, c))

    @staticmethod
    def _names(tree: ast.AST) -> tuple[list[str], list[tuple[str, str]]]:
        bare: list[str] = []
        meta: list[tuple[str, str]] = []

        def visit(node: ast.AST) -> None:
            if isinstance(node, ast.Attribute) and node.attr in META and isinstance(node.value, ast.Name):
                meta.append((node.value.id, node.attr))
                return
            if isinstance(node, ast.Call):
                if isinstance(node.func, ast.Attribute):
                    visit(node.func.value)
                for child in [*node.args, *(k.value for k in node.keywords)]:
                    visit(child)
                return
            if isinstance(node, ast.Name) and node.id not in bare:
                bare.append(node.id)
            for child in ast.iter_child_nodes(node):
                visit(child)

        visit(tree)
        return bare, meta

    # -- C

    def definition(self) -> str:
        op = self.op
        shown = {"input": "self"}  # PyTorch's attributes: grad_fn._saved_self
        names = ", ".join(f'"{shown.get(n, n)}"' for n in self.saved)
        return (f"static const char *const saved_{op.cname}[] = {{{names or '0'}}};\n"
                f'static const NodeDef node_{op.cname} = {{"{op.node}", apply_{op.cname}, {len(self.saved)}, {len(self.args)}, saved_{op.cname}}};\n')  # fmt: skip

    def environment(self) -> dict[str, Value]:
        from rushlight._build.dsl import TYPE_OF

        env = {}
        by_name = {p.name: p for p in self.op.params}
        for i, (name, ctype, _) in enumerate(self.args):
            access = f"n->args[{i}].{ARG_FIELD[ctype]}"
            if name in by_name:
                kind = TYPE_OF[by_name[name].type]
                if kind == "D":
                    access = f"(RLDType){access}"
                env[name] = Value(kind, access)
            elif ctype == "Ints":
                env[name] = Value("I", access)
                if name.endswith("_shape"):
                    stem = name[: -len("_shape")]
                    env[f"{stem}_ndim"] = Value("i", f"((int64_t){access}.n)")
                    env[f"{stem}_numel"] = Value("i", f"rl_count_of({access})")
            else:
                env[name] = Value(
                    "D" if ctype == "RLDType" else "i", f"(RLDType){access}" if ctype == "RLDType" else access
                )
        for name in self.saved:
            env[name] = Value("T", f"s_{name}")
        if multi(self.op):
            for i, r in enumerate(self.results):
                env[f"grad_{r}"] = env[f"grad{i}"] = Value("T", f"g[{i}]")
        else:
            env["grad"] = Value("T", "g[0]")
        return env

    def apply(self) -> str:
        op = self.op
        where = op.cname
        env = self.environment()
        for i, name in enumerate(self.edges):
            env[f"needs_{name}"] = Value("b", f"(n->edges[{i}].node != NULL)")
        code: list[str] = []
        owned: list[str] = []
        for k, (targets, text) in enumerate(self.formulas):
            if text == "None":
                continue
            if text == "not_implemented":  # better an error than a gradient that is silently missing
                test = " || ".join(f"n->edges[{self.edges.index(t)}].node" for t in targets)
                code.append(f'    if ({test}) {{ PyErr_SetString(PyExc_NotImplementedError, "the derivative for '
                            f"'{op.name}' is not implemented.\"); goto fail; }}")  # fmt: skip
                continue
            index = [self.edges.index(t) for t in targets]
            test = " || ".join(f"n->edges[{i}].node" for i in index)
            comp = Compiler(env, prefix=f"v{k}", where=f"derivative of {where}")
            comp.indent = 2
            if self._ends_with_grad(k):
                comp.env["grad"] = Value("T", "g[0]", last_use=True)

            def deliver(value: ast.expr | None, index: list[int] = index, comp: Compiler = comp) -> None:
                assert value is not None
                if len(index) > 1:
                    if isinstance(value, ast.Tuple):
                        for i, e in zip(index, value.elts, strict=True):
                            v = comp.expr(e)
                            if v.type != "none":
                                comp.take(f"out[{i}]", comp.to(v, "T", e))
                        return
                    names = [f"r{i}" for i in index]
                    comp.unpack(ast.Tuple([ast.Name(n) for n in names]), value)
                    for i, n in zip(index, names, strict=True):
                        comp.take(f"out[{i}]", comp.env[n])
                    return
                v = comp.expr(value)
                if v.type != "none":
                    comp.take(f"out[{index[0]}]", comp.to(v, "T", value))

            for s in ast.parse(text).body:
                comp.statement(s, deliver)
            code += [f"    if ({test}) {{", *comp.lines, "    }"]
            owned += comp.owned
        n_in = max(1, op.n_out)
        lines = [f"static int apply_{where}(Node *n, Tensor **in, Tensor **out) {{", "    int rc = -1;"]
        lines.append(f"    Tensor *g[{n_in}];")
        lines.append("    " + " ".join(f"g[{i}] = in[{i}];" for i in range(n_in)))
        lines.append("    if (" + " && ".join(f"!g[{i}]" for i in range(n_in)) + ") return 0;")
        lines += [f"    Tensor *s_{s} = NULL;" for s in self.saved]
        lines += [f"    Tensor *{o} = NULL;" for o in owned]
        if multi(op):
            lines.append(f"    Tensor *zeros[{n_in}] = {{NULL}};")
            lines.append(
                f"    for (int i = 0; i < {n_in}; i++) if (!g[i] && n->outs[i].dtype != 0) {{ if (!(g[i] = zeros[i] = rl_out_zeros(n, i))) goto fail; }}"
            )
        for i, s in enumerate(self.saved):
            cond = " || ".join(f"n->edges[{k}].node" for k in sorted(set(self.needs[s])))
            lines.append(
                f"    if ({cond}) {{ s_{s} = rl_node_unpack(n, {i}); if (!s_{s} && PyErr_Occurred()) goto fail; }}"
            )
        lines += code
        lines.append("    rc = 0;")
        if any("goto fail" in line for line in lines):
            lines.append("fail:")
        lines += [f"    Py_XDECREF(s_{s});" for s in self.saved]
        lines += [f"    Py_XDECREF({o});" for o in owned]
        if multi(op):
            lines.append(f"    for (int i = 0; i < {n_in}; i++) Py_XDECREF(zeros[i]);")
        lines += ["    return rc;", "}", ""]
        return "\n".join(lines)

    def _ends_with_grad(self, k: int) -> bool:
        """Whether formula k names the incoming gradient once, and no later formula names it."""
        uses = [
            sum(isinstance(n, ast.Name) and n.id == "grad" for n in ast.walk(ast.parse(text)))
            for _, text in self.formulas[k:]
        ]
        return not multi(self.op) and uses[0] == 1 and not any(uses[1:])

    def record(self, indent: str, inplace: bool = False) -> list[str]:
        """Statements that make node `n` with its edges, saved inputs and arguments (results come after)."""
        op = self.op
        optional = {p.name for p in op.params if p.type.endswith("?")}
        lines = [f"n = rl_node_new(&node_{op.cname}, {len(self.edges)});", "if (!n) goto fail;"]
        for i, e in enumerate(self.edges):
            lines.append((f"if ({e} && " if e in optional else "if (") + f"rl_node_edge(n, {i}, {e}) < 0) goto fail;")
        for i, s in enumerate(self.saved):
            if s in self.results:
                continue
            cond = " || ".join(f"n->edges[{k}].node" for k in sorted(set(self.needs[s])))
            source = s
            if inplace and s == op.params[0].name:
                lines.append(f"if ({cond}) {{ Tensor *before = rl_before_write({s}); if (!before) goto fail; "
                             f"rl_node_save(n, {i}, before); Py_DECREF(before); }}")  # fmt: skip
            else:
                lines.append(f"if (({cond}) && rl_node_save(n, {i}, {source}) < 0) goto fail;")
        for i, (name, ctype, c) in enumerate(self.args):
            if "out->" in c or (multi(op) and name.split("_")[0] in self.results):
                continue
            if ctype == "Ints":
                lines.append(f"if (rl_node_save_ints(n, {i}, {c}) < 0) goto fail;")
            elif ctype == "const char *":
                lines.append(f"if (rl_node_save_str(n, {i}, {c}) < 0) goto fail;")
            else:
                lines.append(f"n->args[{i}].{ARG_FIELD[ctype]} = {c};")
        return [indent + line for line in lines]

    def record_results(self, indent: str, out: str = "y_") -> list[str]:
        lines = []
        for i, s in enumerate(self.saved):
            if s not in self.results:
                continue
            nr = self.results.index(s)
            value = f"out_[{nr}]" if multi(self.op) else out
            cond = " || ".join(f"n->edges[{k}].node" for k in sorted(set(self.needs[s])))
            lines.append(f"if (({cond}) && rl_node_save_output(n, {i}, {value}, {nr}) < 0) goto fail;")
        for i, (_name, ctype, c) in enumerate(self.args):
            if "out->" in c:
                if ctype == "Ints":
                    lines.append(f"if (rl_node_save_ints(n, {i}, {c.replace('out->', out + '->')}) < 0) goto fail;")
                else:
                    lines.append(f"n->args[{i}].{ARG_FIELD[ctype]} = {c.replace('out->', out + '->')};")
        return [indent + line for line in lines]


# ---------------------------------------------------------------- the call


def any_grad(op: Op, gradient: Gradient) -> str:
    edges = [p for p in op.params if p.name in gradient.edges]
    optional = [p for p in edges if p.type.endswith("?")]
    if len(edges) <= 3 and not optional:
        return f"rl_any_grad{len(edges)}({', '.join(p.name for p in edges)})"
    return f"rl_any_grad_list((Tensors){{(Tensor *[]){{{', '.join(p.name for p in edges)}}}, {len(edges)}}})"


def ew_call(op: Op, into: str | None = None) -> list[str]:
    inputs = [p.name for p in op.params if p.is_tensor]
    numbers = [p for p in op.params if not p.is_tensor]
    lines = [f"    Tensor *in_[] = {{{', '.join(inputs)}}};"]
    params = "NULL"
    if numbers:
        forms = {"Scalar": "rl_ew_param({0})", "float": "{{{0}, 0, (int64_t){0}}}", "int": "{{(double){0}, 0, {0}}}",
                 "bool": "{{{0}, 0, {0}}}"}  # fmt: skip
        items = ", ".join(forms[p.type].format(p.name) for p in numbers)
        lines.append(f"    EwParam q_[] = {{{items}}};")
        params = "q_"
    lines.append(
        f"    y_ = rl_ew_into(&ew_{op.cname}, {into}, in_, {params});"
        if into
        else f"    y_ = rl_ew(&ew_{op.cname}, in_, {params});"
    )
    return lines


def red_call(op: Op) -> list[str]:
    names = {p.name for p in op.params}
    dim = "dim" if "dim" in names else "(Ints){NULL, -1}"
    if any(p.name == "dim" and p.type == "int" for p in op.params):
        dim = "(Ints){&dim, 1}"
    keep = "keepdim" if "keepdim" in names else "false"
    dtype = "dtype" if "dtype" in names else "RL_NODTYPE"
    return [f"    y_ = rl_reduce(&red_{op.cname}, {op.params[0].name}, {dim}, {keep}, {dtype});"]


def forward(op: Op) -> str:
    """rl_<name>."""
    if op.records:
        return ""
    lines = [f"{prototype(op)} {{"]
    if op.kind == "composite" and not op.derivative:
        return composite(op, prototype(op))
    gradient = Gradient(op) if op.derivative else None
    if op.kind == "composite":
        lines.insert(0, composite(op, "static " + prototype(op, "impl_")))
    single = not multi(op)
    ret = returns(op).strip()
    if op.check:
        lines.append(f"    if ({op.check} < 0) return NULL;")
    lines.append(
        f"    {'Tensor *y_ = NULL' if ret == 'Tensor *' else 'PyObject *y_ = NULL' if single else 'int y_ = -1'};"
    )
    if gradient:
        lines.append("    Node *n = NULL;")
        lines.append(f"    const bool record = {any_grad(op, gradient)};")
    if op.kernel:
        lines += ew_call(op)
    elif op.reduce:
        lines += red_call(op)
    else:
        compute = f"y_ = impl_{op.cname}({call_args(op)});"
        if op.kind == "python":
            compute = python_call(op)
        if gradient and not op.view:
            compute = f"if (record) {{ rl_grad_mode = 0; {compute} rl_grad_mode = 1; }} else {compute}"
        lines.append("    " + compute)
        if gradient and not op.view and ret == "Tensor *":
            # A body may end in a view of its own intermediate result; the operation's result is no view.
            lines.append(
                "    if (y_ && RL_UNLIKELY(y_->base != NULL)) { Py_CLEAR(y_->base); y_->creation = RLV_DEFAULT; }"
            )
    bad = "!y_" if single else "y_ < 0"
    if not gradient:
        if op.view and ret == "Tensor *":
            lines.append(f"    if (y_) rl_make_view(y_, {op.params[0].name});")
        lines += ["    return y_;", "}", ""]
        return "\n".join(lines)
    lines.append(f"    if (RL_UNLIKELY({bad})) return y_;")
    if op.view:
        lines.append(f"    rl_make_view(y_, {op.params[0].name});")
    lines.append(
        "    if (record"
        + (" && RL_IS_INEXACT(y_->dtype)" if single and ret == "Tensor *" and not op.view else "")
        + ") {"
    )
    lines += gradient.record("        ")
    if single:
        lines += gradient.record_results("        ")
        lines.append("        rl_set_history(y_, n, 0);")
    else:
        lines.append(f"        if (rl_node_outputs(n, {op.n_out}) < 0) goto fail;")
        lines += gradient.record_results("        ")
        lines.append(
            f"        for (int i = 0; i < {op.n_out}; i++) if (out_[i] && RL_IS_INEXACT(out_[i]->dtype)) rl_set_history(out_[i], n, i);"
        )
    lines += ["        Py_DECREF(n);", "    }", "    return y_;", "fail:", "    Py_XDECREF(n);"]
    if single:
        lines += ["    Py_XDECREF(y_);", "    return NULL;", "}", ""]
    else:
        lines += [f"    for (int i = 0; i < {op.n_out}; i++) Py_CLEAR(out_[i]);", "    return -1;", "}", ""]
    return "\n".join(lines)


def composite(op: Op, head: str) -> str:
    from rushlight._build.dsl import TYPE_OF

    env = {p.name: Value(TYPE_OF[p.type], p.name) for p in op.params}
    comp = Compiler(env, where=op.cname)

    def on_return(value: ast.expr | None) -> None:
        assert value is not None
        if multi(op):
            if isinstance(value, ast.Tuple):
                for i, e in enumerate(value.elts):
                    comp.take(f"out_[{i}]", comp.to(comp.expr(e), "T", e))
            else:
                raise NotImplementedError(op.cname)
            comp.emit("rc = 0;")
        else:
            comp.take("result_", comp.to(comp.expr(value), "T", value))
        comp.emit("goto fail;")

    for s in ast.parse(textwrap.dedent(op.body or "")).body:
        comp.statement(s, on_return)
    lines = [f"{head} {{", "    int rc = -1;" if multi(op) else "    Tensor *result_ = NULL;"]
    lines += [f"    Tensor *{o} = NULL;" for o in comp.owned]
    if multi(op):
        lines.append(f"    for (int i = 0; i < {op.n_out}; i++) out_[i] = NULL;")
    lines += comp.lines
    if any("goto fail" in line for line in comp.lines):
        lines.append("fail:")
    lines += [f"    Py_XDECREF({o});" for o in comp.owned]
    lines += [f"    return {'rc' if multi(op) else 'result_'};", "}", ""]
    return "\n".join(lines)


def python_call(op: Op) -> str:
    """Calls the record's Python body with its arguments as Python objects."""
    parts = []
    for p in op.params:
        kind, _ = base_type(p)
        convert = {"Tensor": f"rl_py_tensor({p.name})", "Operand": f"rl_py_tensor({p.name})", "Tensor[]": f"rl_py_tensors({p.name})",
                   "Scalar": f"rl_scalar_to_py({p.name})", "int": f"rl_py_int({p.name})", "bool": f"rl_py_bool({p.name})",
                   "int[]": f"rl_py_ints({p.name})", "dtype": f"rl_py_dtype({p.name})", "str": f"rl_py_str({p.name})",
                   "float": f"rl_scalar_to_py({p.name})" if p.type == "float?" else f"PyFloat_FromDouble({p.name})",
                   "memory_format": f"rl_py_int({p.name})", "device": f"rl_py_device({p.name})", "object": f"rl_py_object({p.name})",
                   "Generator": f"rl_py_object({p.name})", "layout": "rl_py_object(NULL)"}[kind]  # fmt: skip
        parts.append(convert)
    n = len(parts)
    module = op.python.__module__  # type: ignore[union-attr]
    function = op.python.__name__  # type: ignore[union-attr]
    args = f"(PyObject *[]){{{', '.join(parts) or 'NULL'}}}, {n}"
    if multi(op):
        return f'y_ = rl_call_python_multi("{module}", "{function}", {args}, {op.n_out}, out_);'
    if op.results[0].type == "Tensor":
        return f'y_ = rl_call_python_tensor("{module}", "{function}", {args});'
    return f'y_ = rl_call_python("{module}", "{function}", {args});'


# ---------------------------------------------------------------- in place


def inplace(op: Op) -> str:
    if not op.inplace:
        return ""
    self = op.params[0].name
    head = f"Tensor *rl_{op.cname}_({c_params(op)})"
    lines = [f"{head} {{"]
    if op.view:
        lines += [f"    if (rl_check_inplace({self}, rl_any_grad1({self})) < 0) return NULL;",
                  f"    return rl_inplace_view({self}, rl_{op.cname}({call_args(op)}));", "}", ""]  # fmt: skip
        return "\n".join(lines)
    gradient = Gradient(op) if op.derivative else None
    if not op.kernel:
        grad_inputs = [p for p in op.params if p.is_tensor]
        tensors = ", ".join(p.name for p in grad_inputs)
        lines += [f"    const bool record = rl_any_grad_list((Tensors){{(Tensor *[]){{{tensors}}}, {len(grad_inputs)}}});",
                  f"    if (rl_check_inplace({self}, record) < 0) return NULL;"]  # fmt: skip
        if op.direct:
            lines += ["    if (!record) {",
                      f"        rl_here = {self};",
                      f"        Tensor *written = impl_{op.cname}({call_args(op)});",
                      "        rl_here = NULL;",
                      f"        return rl_inplace_finish({self}, written);",
                      "    }"]  # fmt: skip
        lines += [f"    Tensor *before = rl_inplace_begin({self}, record);",
                  "    if (!before) return NULL;",
                  f"    Tensor *result = rl_{op.cname}({call_args(op, {self: 'before'})});",
                  "    Py_DECREF(before);",
                  f"    return rl_inplace_finish({self}, result);", "}", ""]  # fmt: skip
        return "\n".join(lines)
    # What autograd forbids comes before what the operation forbids, as in PyTorch.
    check = [f"    if ({op.check} < 0) return NULL;"] if op.check else []
    if gradient:
        lines += [f"    const bool asked = {any_grad(op, gradient)}, record = asked && RL_IS_INEXACT({self}->dtype);",
                  f"    if (rl_check_inplace({self}, asked) < 0) return NULL;", *check, "    Tensor *y_ = NULL;", "    Node *n = NULL;",
                  "    if (record) {", *gradient.record("        ", inplace=True), "    }"]  # fmt: skip
    else:
        lines += [
            f"    if (rl_check_inplace({self}, rl_any_grad1({self})) < 0) return NULL;",
            *check,
            "    Tensor *y_ = NULL;",
        ]
    lines += ew_call(op, into=self)
    if gradient:
        lines += ["    if (!y_) goto fail;", f"    rl_bump({self});", "    if (n) {", *gradient.record_results("        ", out=self),
                  f"        if (rl_rebase_history({self}, n, 0) < 0) goto fail;", "        Py_DECREF(n);", "    }", "    return y_;",
                  "fail:", "    Py_XDECREF(n);", "    Py_XDECREF(y_);", "    return NULL;", "}", ""]  # fmt: skip
    else:
        lines += [f"    if (y_) rl_bump({self});", "    return y_;", "}", ""]
    return "\n".join(lines)


# ---------------------------------------------------------------- the Python face


def struct_of(op: Op) -> str | None:
    return op.name.removeprefix("_") if multi(op) and all(r.name for r in op.results) else None


def adapter(op: Op, in_place: bool = False) -> str:
    args = ", ".join(f"{'(RLDType)' if C_TYPES[p.type] == 'RLDType' else '(int)' if C_TYPES[p.type] == 'int' else ''}a[{i}].{ARG_FIELD[C_TYPES[p.type]]}"
                     for i, p in enumerate(op.params))  # fmt: skip
    name = op.cname + ("_" if in_place else "")
    if not op.params:
        return f"static PyObject *py_{name}(Arg *a) {{ (void)a; return (PyObject *)rl_{name}(); }}\n"
    if multi(op) and not in_place:
        names = ", ".join(f'"{r.name}"' for r in op.results)
        struct = struct_of(op)
        wrap = (f'static const char *const names[] = {{{names}}}; static PyTypeObject *type; '
                f'return rl_return_struct(&type, "{struct}", {op.n_out}, names, out);' if struct else f"return rl_return_tuple({op.n_out}, out);")  # fmt: skip
        return (f"static PyObject *py_{name}(Arg *a) {{\n    Tensor *out[{op.n_out}] = {{0}};\n"
                f"    if (rl_{name}({args}, out) < 0) return NULL;\n    {wrap}\n}}\n")  # fmt: skip
    return f"static PyObject *py_{name}(Arg *a) {{ return (PyObject *)rl_{name}({args}); }}\n"


def signature_text(op: Op, method: bool) -> str:
    parts, star = [], False
    for i, p in enumerate(op.params):
        if method and i == 0:
            continue
        if p.kwonly and not star:
            parts.append("*")
            star = True
        kind, _ = base_type(p)
        shown = SHOWN.get(kind, kind)
        parts.append(f"{shown} {p.name}" + ("" if p.default is ... else f" = {p.default}"))
    if op.out:
        parts += ["Tensor out = None"] if star else ["*", "Tensor out = None"]
    return "(" + ", ".join(parts) + ")"


def param_table(op: Op) -> str:
    rows = []
    for p in op.params:
        kind, optional = base_type(p)
        default = ""
        if p.default is not ...:
            field = ARG_FIELD[C_TYPES[p.type]]
            value = default_c(p.type, p.default)
            # compound literals are constant only without their cast inside an initialiser of a static
            value = value.replace("((Scalar){", "{").replace("((Ints){", "{").replace("((Tensors){", "{")
            if value.startswith("{") and value.endswith(")"):
                value = value[:-1]
            if value == "RL_NO_SCALAR":
                value = "{0, {.i = 0}, 0}"
            default = f", .dflt = {{.{field} = {value}}}"
        flags = f"{str(optional).lower()}, {str(p.kwonly).lower()}, {str(p.default is not ...).lower()}, {p.fixed}"
        rows.append(f'    {{"{p.name}", {ARG_TYPE[kind]}, {flags}{default}}},')
    return f"static const Param params_{op.cname}[] = {{\n" + "\n".join(rows or ["    {0},"]) + "\n};\n"


def overload(op: Op, method: bool, in_place: bool = False) -> str:
    n_pos = sum(not p.kwonly for p in op.params)
    lists = [p for p in op.params if not p.kwonly]
    at = 1 if lists and lists[0].is_tensor else 0
    varargs = len(lists) == at + 1 and lists[-1].type in ("int[]", "int[]?") and not lists[-1].fixed
    varargs = varargs or (op.extra.get("varargs", False))
    name = op.cname + ("_" if in_place else "")
    takes_out = op.out and not in_place and not method
    autocast = AUTOCAST_RULES["" if in_place else op.autocast]
    rules = op.out.split() if isinstance(op.out, str) else []
    out = " | ".join(["OUT_TAKEN", *(OUT_RULES[rule] for rule in rules)]) if takes_out else "0"
    return (f'    {{"{signature_text(op, method)}", params_{op.cname}, {len(op.params)}, {n_pos}, {out}, '
            f"{str(bool(varargs)).lower()}, py_{name}, {op.n_out}, {autocast}, {str(op.numbers_first).lower()}}},")  # fmt: skip


__all__ = ["Gradient", "adapter", "forward", "inplace", "overload", "param_table", "parse_schema", "prototype"]
