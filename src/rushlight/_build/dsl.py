"""Compiles formulas written in operations to C that calls them.

Derivatives and composite operations are Python expressions over tensors (`grad * cos(input)`), with
assignments, `if`/`else`, `return` and arithmetic on sizes.  The compiler knows eight types of value:
T tensor, Ts tensor list, S Python number of unknown kind, i int, d float, b bool, I int list, D dtype
(and s string, o object).  Every tensor made on the way is owned by a C local that is cleared as soon as
its last use is over and at the latest on leaving the function.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from rushlight._ops.define import TABLE, Op

TYPE_OF = {
    "Tensor": "T", "Tensor?": "T", "Operand": "T", "Operand?": "T", "Tensor[]": "Ts", "Tensor?[]": "Ts", "Tensor[]?": "Ts",
    "Scalar": "S", "Scalar?": "S", "int": "i", "int?": "i", "float": "d", "float?": "S", "bool": "b", "bool?": "i",
    "int[]": "I", "int[]?": "I", "dtype": "D", "dtype?": "D", "device?": "i", "layout?": "i", "memory_format?": "i",
    "str": "s", "str?": "s", "Generator?": "o", "object": "o", "object?": "o",
}  # fmt: skip
C_OF = {"T": "Tensor *", "Ts": "Tensors", "S": "Scalar", "i": "int64_t", "d": "double", "b": "bool", "I": "Ints",
        "D": "RLDType", "s": "const char *", "o": "PyObject *"}  # fmt: skip
NONE_OF = {"T": "NULL", "Ts": "((Tensors){NULL, -1})", "S": "RL_NO_SCALAR", "i": "RL_NO_INT", "I": "((Ints){NULL, -1})",
           "D": "RL_NODTYPE", "s": "NULL", "o": "NULL"}  # fmt: skip

OPERATORS = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow", ast.MatMult: "matmul",
             ast.FloorDiv: "floor_divide", ast.Mod: "remainder", ast.BitAnd: "bitwise_and", ast.BitOr: "bitwise_or",
             ast.BitXor: "bitwise_xor"}  # fmt: skip
COMPARISONS = {ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge"}
C_SYMBOL = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "/", ast.Mod: "%", ast.Eq: "==",
            ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}  # fmt: skip
MEMORY_FORMATS = {"contiguous_format": "RL_CONTIGUOUS_FORMAT", "preserve_format": "RL_PRESERVE_FORMAT"}

# Helpers of the core that formulas may call: name -> (types of arguments, type of result, C expression).
BUILTINS = {
    "sum_to": ("TI", "T", "rl_sum_to({0}, {1}.n, {1}.v)"),
    "len": ("I", "i", "((int64_t){0}.n)"),
    "count": ("Ts", "i", "((int64_t){0}.n)"),
    "prod": ("I", "i", "rl_count_of({0})"),
    "wrap_dim": ("ii", "i", "rl_wrap_dim({0}, (int)({1}))"),
    "dim_count": ("TI", "i", "rl_dim_count({0}, {1})"),
    "dim_count_of": ("II", "i", "rl_dim_count_of({0}, {1})"),
    "is_float": ("D", "b", "RL_IS_FLOAT({0})"),
    "is_complex": ("D", "b", "RL_IS_COMPLEX({0})"),
    "is_inexact": ("D", "b", "RL_IS_INEXACT({0})"),
    "to_real": ("D", "D", "rl_to_real({0})"),
    "double": ("S", "d", "rl_scalar_double({0})"),
    "conj_number": ("S", "S", "rl_scalar_conj({0})"),
    "number_as": ("SD", "S", "rl_scalar_as({0}, {1})"),
    "equal_shape": ("TT", "b", "rl_same_shape({0}, {1})"),
    "zeros_like_shape": ("TI", "T", "rl_full_scalar({1}.n, {1}.v, (Scalar){{'i', {{.i = 0}}, 0}}, (RLDType)({0})->dtype, ({0})->device)"),
    "expand_reduced": ("TIIb", "T", "rl_expand_reduced({0}, {1}, {2}, {3})"),
    "requires_grad": ("T", "b", "(rl_grad_mode && RL_REQUIRES_GRAD({0}))"),
    "streq": ("ss", "b", "(strcmp({0}, {1}) == 0)"),
}  # fmt: skip


class FormulaError(Exception):
    pass


@dataclass
class Value:
    type: str
    c: str
    temp: bool = False  # an owned local that nobody else will read
    last_use: bool = False  # borrowed, but its holder drops it when the function returns, and this is the only use


class Compiler:
    """Compiles the statements of one C function; `fail` is the label to leave by on an error."""

    def __init__(self, env: dict[str, Value], prefix: str = "t", where: str = ""):
        self.env = dict(env)
        self.lines: list[str] = []
        self.owned: list[str] = []  # C names of tensor locals, declared NULL at the top
        self.prefix, self.where, self.n = prefix, where, 0
        self.indent = 1

    # -- emitting

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.indent + line)

    def fresh(self, tensor: bool = True) -> str:
        self.n += 1
        name = f"{self.prefix}{self.n}"
        if tensor:
            self.owned.append(name)
        return name

    def own(self, expression: str) -> Value:
        name = self.fresh()
        self.emit(f"if (!({name} = {expression})) goto fail;")
        return Value("T", name, temp=True)

    def drop(self, *values: Value) -> None:
        for v in values:
            if v.temp and v.type == "T":
                self.emit(f"Py_CLEAR({v.c});")

    def error(self, node: ast.AST, message: str) -> FormulaError:
        return FormulaError(f"{self.where}: {message} in `{ast.unparse(node)}`")

    # -- conversions

    def to(self, v: Value, want: str, node: ast.AST) -> Value:
        if v.type == want:
            return v
        if v.type == "none":
            if want in NONE_OF:
                return Value(want, NONE_OF[want])
        elif want == "T" and v.type in "idbS":
            return self.own({"i": f"rl_wrap_int({v.c})", "b": f"rl_wrap_int({v.c})", "d": f"rl_wrap_double({v.c})",
                             "S": f"rl_wrap_scalar({v.c})"}[v.type])  # fmt: skip
        elif want == "S" and v.type in "idb":
            kind, member = {"i": ("i", "i"), "b": ("b", "i"), "d": ("d", "d")}[v.type]
            return Value("S", f"((Scalar){{'{kind}', {{.{member} = {v.c}}}, 0}})")
        elif want == "d" and v.type in "ib":
            return Value("d", f"((double)({v.c}))")
        elif want == "d" and v.type == "S":
            return Value("d", f"rl_scalar_double({v.c})")
        elif (want == "i" and v.type == "b") or (want == "b" and v.type == "i"):
            return Value(want, f"({v.c})")
        elif want == "I" and v.type == "i":
            name = self.fresh(False)
            self.emit(f"int64_t {name}[1] = {{{v.c}}};")
            return Value("I", f"((Ints){{{name}, 1}})")
        raise self.error(node, f"a value of type {v.type} where {want} is needed")

    # -- expressions

    def expr(self, node: ast.expr) -> Value:
        method = getattr(self, "expr_" + type(node).__name__, None)
        if method is None:
            raise self.error(node, f"{type(node).__name__} is not part of the language")
        return method(node)

    def expr_Name(self, node: ast.Name) -> Value:
        if node.id in self.env:
            return self.env[node.id]
        if node.id in MEMORY_FORMATS:
            return Value("i", MEMORY_FORMATS[node.id])
        if node.id in ("int64", "float32", "float64", "bool_"):
            return Value(
                "D", {"int64": "RL_I64", "float32": "RL_F32", "float64": "RL_F64", "bool_": "RL_BOOL"}[node.id]
            )
        if node.id in ("inf", "nan"):
            return Value("d", {"inf": "INFINITY", "nan": "NAN"}[node.id])
        raise self.error(node, "unknown name")

    def expr_Constant(self, node: ast.Constant) -> Value:
        v = node.value
        if v is None:
            return Value("none", "NULL")
        if v is True or v is False:
            return Value("b", "true" if v else "false")
        if isinstance(v, int):
            return Value("i", f"INT64_C({v})")
        if isinstance(v, float):
            return Value("d", repr(v))
        if isinstance(v, str):
            return Value("s", '"' + v.replace("\\", "\\\\").replace('"', '\\"') + '"')
        raise self.error(node, "constant")

    def expr_Tuple(self, node: ast.Tuple | ast.List) -> Value:
        values = [self.expr(e) for e in node.elts]
        name = self.fresh(False)
        if values and all(v.type == "T" for v in values):
            self.emit(f"Tensor *{name}[] = {{{', '.join(v.c for v in values)}}};")
            return Value("Ts", f"((Tensors){{{name}, {len(values)}}})")
        values = [self.to(v, "i", node) for v in values]
        self.emit(f"int64_t {name}[] = {{{', '.join(v.c for v in values) or '0'}}};")
        return Value("I", f"((Ints){{{name}, {len(values)}}})")

    expr_List = expr_Tuple

    def expr_UnaryOp(self, node: ast.UnaryOp) -> Value:
        v = self.expr(node.operand)
        if isinstance(node.op, ast.USub):
            if v.type == "T":
                return self.call_op(TABLE["neg"], [v], {}, node)
            if v.type == "S":
                return Value("S", f"rl_scalar_arith('*', {v.c}, (Scalar){{'i', {{.i = -1}}, 0}})")
            return Value(v.type, f"(-{v.c})")
        if isinstance(node.op, ast.Not) and v.type in "bi":
            return Value("b", f"(!{v.c})")
        if isinstance(node.op, ast.Invert) and v.type == "T":
            return self.call_op(TABLE["bitwise_not"], [v], {}, node)
        raise self.error(node, "operator")

    def expr_BinOp(self, node: ast.BinOp) -> Value:
        a, b = self.expr(node.left), self.expr(node.right)
        if "T" in (a.type, b.type):
            if isinstance(node.op, ast.Pow) and b.type != "T":
                return self.call_op(TABLE["pow_Tensor_Scalar"], [a, b], {}, node)
            return self.call_op(TABLE[OPERATORS[type(node.op)]], [a, b], {}, node)
        if "S" in (a.type, b.type):
            return Value(
                "S",
                f"rl_scalar_arith('{C_SYMBOL[type(node.op)]}', {self.to(a, 'S', node).c}, {self.to(b, 'S', node).c})",
            )
        if isinstance(node.op, ast.Div):
            return Value("d", f"((double)({a.c}) / (double)({b.c}))")
        if isinstance(node.op, ast.Pow):
            return Value("d", f"pow({a.c}, {b.c})")
        return Value("d" if "d" in (a.type, b.type) else "i", f"({a.c} {C_SYMBOL[type(node.op)]} {b.c})")

    def expr_Compare(self, node: ast.Compare) -> Value:
        if len(node.ops) != 1:
            raise self.error(node, "chained comparison")
        op, right = node.ops[0], node.comparators[0]
        a = self.expr(node.left)
        if isinstance(op, ast.Is | ast.IsNot):
            yes = isinstance(op, ast.Is)
            test = {"T": f"{a.c} == NULL", "o": f"{a.c} == NULL", "S": f"{a.c}.kind == 0", "I": f"{a.c}.n < 0",
                    "Ts": f"{a.c}.n < 0", "i": f"{a.c} == RL_NO_INT", "D": f"{a.c} == RL_NODTYPE", "s": f"{a.c} == NULL"}[a.type]  # fmt: skip
            return Value("b", f"({test})" if yes else f"(!({test}))")
        b = self.expr(right)
        if "T" in (a.type, b.type):
            return self.call_op(TABLE[COMPARISONS[type(op)]], [a, b], {}, node)
        if a.type == b.type == "s":
            return Value("b", f"(strcmp({a.c}, {b.c}) {C_SYMBOL[type(op)]} 0)")
        if "S" in (a.type, b.type):
            if isinstance(op, ast.Eq | ast.NotEq):
                equal = f"rl_scalar_equal({self.to(a, 'S', node).c}, {self.to(b, 'S', node).c})"
                return Value("b", equal if isinstance(op, ast.Eq) else f"(!{equal})")
            a, b = self.to(a, "d", node), self.to(b, "d", node)
        return Value("b", f"({a.c} {C_SYMBOL[type(op)]} {b.c})")

    def expr_BoolOp(self, node: ast.BoolOp) -> Value:
        """Both sides are evaluated only as far as C does; they may not make tensors."""
        joiner = " && " if isinstance(node.op, ast.And) else " || "
        before = len(self.lines)
        parts = [self.to(self.expr(v), "b", node).c for v in node.values]
        if len(self.lines) != before:
            raise self.error(node, "tensors inside and/or")
        return Value("b", "(" + joiner.join(parts) + ")")

    def expr_IfExp(self, node: ast.IfExp) -> Value:
        test = self.to(self.expr(node.test), "b", node)
        before = len(self.lines)
        a, lines_a = self._captured(node.body)
        b, lines_b = self._captured(node.orelse)
        del self.lines[before:]
        kind = a.type if a.type != "none" else b.type
        if {a.type, b.type} <= set("idb") and a.type != b.type:
            kind = "d" if "d" in (a.type, b.type) else "i"
        if kind == "T":
            name = self.fresh()
            self.emit(f"if ({test.c}) {{")
            self._branch(node.body, name)
            self.emit("} else {")
            self._branch(node.orelse, name)
            self.emit("}")
            return Value("T", name, temp=True)
        if lines_a or lines_b:
            raise self.error(node, "a branch that needs statements")
        a, b = self.to(a, kind, node), self.to(b, kind, node)
        return Value(kind, f"({test.c} ? {a.c} : {b.c})")

    def _captured(self, node: ast.expr) -> tuple[Value, list[str]]:
        """What the expression is and would emit, without keeping its temporaries."""
        lines, owned, n = self.lines, list(self.owned), self.n
        self.lines = []
        value = self.expr(node)
        emitted, self.lines, self.owned, self.n = self.lines, lines, owned, n
        return value, emitted

    def _branch(self, node: ast.expr, name: str) -> None:
        self.indent += 1
        v = self.expr(node)
        if v.type == "none":
            pass
        else:
            v = self.to(v, "T", node)
            self.take(name, v)
        self.indent -= 1

    def take(self, name: str, v: Value) -> None:
        """Gives the tensor to local `name`, as a reference of its own."""
        if v.temp:
            self.emit(f"{name} = {v.c}; {v.c} = NULL;")
        else:
            self.emit(f"{name} = {v.c}; Py_XINCREF({name});")

    def expr_Attribute(self, node: ast.Attribute) -> Value:
        base = node.value
        if isinstance(base, ast.Name) and f"{base.id}_{node.attr}" in self.env:
            return self.env[f"{base.id}_{node.attr}"]  # saved instead of the tensor: input.shape
        v = self.expr(base)
        if v.type != "T":
            raise self.error(node, "attribute of something that is no tensor")
        table = {"shape": ("I", "((Ints){{{0}->size, {0}->ndim}})"), "ndim": ("i", "((int64_t){0}->ndim)"),
                 "numel": ("i", "{0}->numel"), "dtype": ("D", "((RLDType){0}->dtype)"),
                 "stride": ("I", "((Ints){{{0}->stride, {0}->ndim}})"), "device": ("i", "((int64_t){0}->device)")}  # fmt: skip
        if node.attr not in table:
            raise self.error(node, "unknown attribute")
        kind, c = table[node.attr]
        return Value(kind, c.format(v.c))

    def expr_Subscript(self, node: ast.Subscript) -> Value:
        v = self.expr(node.value)
        i = self.expr(node.slice)
        if v.type == "I":
            return Value("i", f"rl_dim_at({v.c}, {i.c})")
        if v.type == "Ts":
            return Value("T", f"{v.c}.v[{i.c}]")
        raise self.error(node, "subscript")

    def expr_Call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Attribute):
            name, args = node.func.attr, [node.func.value, *node.args]
        else:
            assert isinstance(node.func, ast.Name)
            name, args = node.func.id, list(node.args)
        kwargs = {k.arg: k.value for k in node.keywords}
        if name in BUILTINS and name not in self.env:
            types, result, c = BUILTINS[name]
            kinds = ["Ts"] if types == "Ts" else list(types)
            values = [self.to(self.expr(a), t, node) for a, t in zip(args, kinds, strict=True)]
            expression = c.format(*(v.c for v in values))
            if result == "T":
                out = self.own(expression)
                self.drop(*values)
                return out
            return Value(result, expression)
        if name not in TABLE:
            raise self.error(node, f"no operation {name}")
        return self.call_op(
            TABLE[name], [self.expr(a) for a in args], {k: self.expr(v) for k, v in kwargs.items()}, node
        )

    def call_op(self, op: Op, args: list[Value], kwargs: dict[str, Value], node: ast.AST) -> Value:
        c_args, used = [], []
        for i, p in enumerate(op.params):
            want = TYPE_OF[p.type]
            if i < len(args):
                v = args[i]
            elif p.name in kwargs:
                v = kwargs.pop(p.name)
            elif p.default is not ...:
                c_args.append(default_c(p.type, p.default))
                continue
            else:
                raise self.error(node, f"{op.cname} needs {p.name}")
            v = self.to(v, want, node)
            used.append(v)
            c_args.append(v.c)
        if kwargs or len(args) > len(op.params):
            raise self.error(node, f"{op.cname} has no parameter {', '.join(kwargs) or 'more'}")
        if op.n_out > 1:
            raise self.error(node, f"{op.cname} has several results; unpack them in an assignment")
        call = f"rl_{op.cname}({', '.join(c_args)})"
        if op.results[0].type != "Tensor":
            raise self.error(node, f"{op.cname} does not return a tensor")
        if op.kernel:
            for v in used:
                if v.type == "T" and (v.temp or v.last_use):
                    self.emit(f"rl_donate({v.c});")
        out = self.own(call)
        self.drop(*used)
        return out

    # -- statements

    def statement(self, node: ast.stmt, on_return) -> None:
        if isinstance(node, ast.Assign):
            (target,) = node.targets
            if isinstance(target, ast.Tuple):
                self.unpack(target, node.value)
                return
            assert isinstance(target, ast.Name)
            self.assign(target.id, self.expr(node.value), node)
        elif isinstance(node, ast.If):
            test = self.to(self.expr(node.test), "b", node)
            self.emit(f"if ({test.c}) {{")
            self.block(node.body, on_return)
            if node.orelse:
                self.emit("} else {")
                self.block(node.orelse, on_return)
            self.emit("}")
        elif isinstance(node, ast.Return | ast.Expr):
            if (
                isinstance(node, ast.Expr)
                and isinstance(node.value, ast.Call)
                and getattr(node.value.func, "id", "") == "check"
            ):
                self.check(node.value)
                return
            on_return(node.value)
        else:
            raise self.error(node, "statement")

    def block(self, body: list[ast.stmt], on_return) -> None:
        self.indent += 1
        for s in body:
            self.statement(s, on_return)
        self.indent -= 1

    def assign(self, name: str, v: Value, node: ast.AST) -> None:
        known = self.env.get(name)
        if known is not None and known.type == "T" and known.c.startswith(f"{self.prefix}_"):
            v = self.to(v, "T", node)
            old = self.fresh()
            self.emit(f"{old} = {known.c}; {known.c} = NULL;")
            self.take(known.c, v)
            self.emit(f"Py_CLEAR({old});")
            return
        if v.type == "T":
            c = f"{self.prefix}_{name}"
            if c not in self.owned:
                self.owned.append(c)
            self.take(c, v)
            self.env[name] = Value("T", c)
            return
        if known is not None and known.type == v.type and known.c == f"{self.prefix}_{name}":
            self.emit(f"{known.c} = {v.c};")
            return
        c = f"{self.prefix}_{name}"
        self.emit(f"{C_OF[v.type]} {c} = {v.c};")
        self.env[name] = Value(v.type, c)

    def unpack(self, target: ast.Tuple, call: ast.expr) -> None:
        assert isinstance(call, ast.Call)
        name = call.func.attr if isinstance(call.func, ast.Attribute) else call.func.id  # type: ignore[attr-defined]
        args = ([call.func.value] if isinstance(call.func, ast.Attribute) else []) + list(call.args)
        op = TABLE[name]
        values = [self.expr(a) for a in args]
        given = {k.arg: self.expr(k.value) for k in call.keywords}
        c_args, used = [], []
        for i, p in enumerate(op.params):
            if i < len(values):
                v = values[i]
            elif p.name in given:
                v = given[p.name]
            else:
                c_args.append(default_c(p.type, p.default))
                continue
            v = self.to(v, TYPE_OF[p.type], call)
            used.append(v)
            c_args.append(v.c)
        outs = self.fresh(False)
        self.emit(f"Tensor *{outs}[{op.n_out}] = {{0}};")
        self.emit(f"if (rl_{op.cname}({', '.join([*c_args, outs])}) < 0) goto fail;")
        self.drop(*used)
        for i, e in enumerate(target.elts):
            assert isinstance(e, ast.Name)
            c = f"{self.prefix}_{e.id}"
            if c not in self.owned:
                self.owned.append(c)
            self.emit(f"Py_XSETREF({c}, {outs}[{i}]);")
            self.env[e.id] = Value("T", c)

    def check(self, call: ast.Call) -> None:
        """check(condition, "RuntimeError", "message")"""
        test = self.to(self.expr(call.args[0]), "b", call)
        kind, message = (a.value for a in call.args[1:3])  # type: ignore[attr-defined]
        extra = "".join(", " + self.as_format(self.expr(a)) for a in call.args[3:])
        text = str(message).replace("\\", "\\\\").replace('"', '\\"')
        self.emit(f'if (!({test.c})) {{ PyErr_Format(PyExc_{kind}, "{text}"{extra}); goto fail; }}')

    @staticmethod
    def as_format(v: Value) -> str:
        return f"(long long)({v.c})" if v.type in "ib" else v.c


def default_c(type_: str, value: object) -> str:
    """A default of the schema as a C expression of the parameter's type."""
    kind = TYPE_OF[type_]
    if value is None:
        if type_ == "bool?" or type_ in ("device?", "layout?", "memory_format?"):
            return "-1"
        if type_ == "float?":
            return "RL_NO_SCALAR"
        return NONE_OF[kind]
    if kind == "S":
        if isinstance(value, bool):
            return f"((Scalar){{'b', {{.i = {int(value)}}}, 0}})"
        if isinstance(value, int):
            return f"((Scalar){{'i', {{.i = {value}}}, 0}})"
        return f"((Scalar){{'d', {{.d = {c_double(value)}}}, 0}})"
    if kind == "b":
        return "true" if value else "false"
    if kind == "i":
        return f"INT64_C({int(value)})" if not isinstance(value, bool) else str(int(value))  # type: ignore[call-overload]
    if kind == "d":
        return c_double(value)
    if kind == "s":
        return f'"{value}"'
    if kind == "I":
        items = list(value) if isinstance(value, list | tuple) else [value]
        if not items:
            return "((Ints){(const int64_t[]){0}, 0})"
        return f"((Ints){{(const int64_t[]){{{', '.join(str(int(i)) for i in items)}}}, {len(items)}}})"
    if kind == "D":
        return f"RL_{str(value).upper()}"
    raise FormulaError(f"default {value!r} of type {type_}")


def c_double(value: object) -> str:
    v = float(value)  # type: ignore[arg-type]
    if v != v:
        return "NAN"
    if v in (float("inf"), float("-inf")):
        return "INFINITY" if v > 0 else "-INFINITY"
    return repr(v)
