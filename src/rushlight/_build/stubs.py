"""What type checkers and editors read: `_C.pyi`, and stubs of the namespaces whose names come from the table.

Python's own files cannot say what these namespaces hold, because they fill themselves when they run.
What `_core` has beside the table is in `native.pyi.in`, a stub by hand with two marks for the operations.
"""

from __future__ import annotations

import ast
import keyword
import re
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rushlight._build.surface import Entry, entries, takes_varargs
from rushlight._ops.define import TABLE, Op, Param

PACKAGE = Path(__file__).resolve().parents[1]
TEMPLATE = Path(__file__).with_name("native.pyi.in")
HEAD = "# Rendered from the table of operations by _build/stubs.py.\n"

# A type of a schema as Python's annotation; the names with an underscore are aliases of the template.
ANNOTATIONS = {
    "Tensor": "Tensor", "Operand": "Tensor | _Number", "Tensor[]": "_Sequence[Tensor]", "Tensor?[]": "_Sequence[Tensor | None]",
    "Scalar": "_Number", "int": "_int", "float": "_float", "bool": "_bool", "int[]": "_Ints", "dtype": "_dtype",
    "device": "_Device", "layout": "_layout", "memory_format": "_memory_format", "str": "str", "Generator": "Generator", "object": "_Any",
}  # fmt: skip

# What the results are whose schema can only say `object`.
RESULTS = {
    **dict.fromkeys(
        "is_floating_point is_complex is_signed can_cast is_pinned is_shared equal is_same_size is_nonzero allclose".split(),
        "_bool",
    ),
    **dict.fromkeys("numel get_device".split(), "_int"),
    **dict.fromkeys("result_type promote_types".split(), "_dtype"),
    **dict.fromkeys(
        "where unbind split split_with_sizes chunk tensor_split hsplit vsplit dsplit broadcast_tensors meshgrid "
        "atleast_1d atleast_2d atleast_3d".split(),
        "tuple[Tensor, ...]",
    ),
    "gradient": "tuple[Tensor, ...]",
    "broadcast_shapes": "Size",
}


def annotation(param: Param) -> str:
    optional = param.type.endswith("?")
    text = ANNOTATIONS[param.type.removesuffix("?")]
    if param.fixed:
        text = "_int | _Ints"  # one number stands for all
    return f"{text} | None" if optional or param.default is None else text


def default(value: Any) -> str:
    plain = value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and value - value == 0)
    return repr(value) if plain else "..."


def parameter(param: Param) -> str:
    name = param.name + "_" * keyword.iskeyword(param.name)
    return f"{name}: {annotation(param)}" + ("" if param.default is ... else f" = {default(param.default)}")


def result_class(op: Op) -> str:
    return "_" + "_".join(r.name for r in op.results)


def result(op: Op, in_place: bool, method: bool) -> str:
    if in_place:
        return "_Self" if method else "Tensor"
    if len(op.results) > 1:
        named = all(r.name for r in op.results)
        return result_class(op) if named else f"tuple[{', '.join(['Tensor'] * len(op.results))}]"
    return "Tensor" if op.results[0].type == "Tensor" else RESULTS.get(op.name, "_Any")


def parameters(op: Op, entry: Entry, varargs: bool) -> str:
    """The list between the parentheses; with `varargs`, the form that takes the last sequence's items one by one."""
    positional = [p for p in op.params if not p.kwonly]
    words = ["self"] if entry.is_method else []
    shown = positional[1:] if entry.is_method else positional
    for i, param in enumerate(shown):
        if varargs and i == len(shown) - 1:
            item = {"int[]": "_int", "int[]?": "_int", "Tensor[]": "Tensor"}.get(param.type, "_Any")
            words.append(f"*{param.name}: {item}")
        else:
            words.append(parameter(param))
        if keyword.iskeyword(param.name):
            words.append("/")  # its real name can only be given through **kwargs
    kwonly = [parameter(p) for p in op.params if p.kwonly]
    if op.out and not entry.is_method and not entry.in_place:
        kwonly.append("out: Tensor | None = None" if op.n_out == 1 else "out: tuple[Tensor, ...] | None = None")
    if kwonly and not varargs:
        words.append("*")
    return ", ".join(words + kwonly)


def signatures(entry: Entry) -> list[str]:
    """`(parameters) -> result` of each overload, without repetition."""
    found: dict[str, None] = {}
    for op in entry.overloads:
        returns = result(op, entry.in_place or (entry.is_method and op.name.endswith("_")), entry.is_method)
        for varargs in (True, False) if takes_varargs(op) else (False,):
            found[f"({parameters(op, entry, varargs)}) -> {returns}"] = None
    return list(found)


def definition(entry: Entry) -> str:
    forms = signatures(entry)
    lines = []
    for i, form in enumerate(forms):
        if len(forms) > 1:
            lines.append("@_overload")
        text = f"def {entry.name}{form}:"
        if i == 0 and entry.doc:
            lines += [text, textwrap.indent(docstring(entry.doc), "    "), "    ..."]
        else:
            lines.append(text + " ...")
    return "\n".join(lines)


def docstring(doc: str) -> str:
    text = doc.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{text}\n"""' if "\n" in text or text.endswith('"') else f'"""{text}"""'


def result_classes(ops: Iterable[Op]) -> Iterator[str]:
    seen: set[str] = set()
    for op in ops:
        name = result_class(op)
        if len(op.results) > 1 and all(r.name for r in op.results) and name not in seen:
            seen.add(name)
            yield "\n".join([f"class {name}(_NamedTuple):", *(f"    {r.name}: Tensor" for r in op.results), ""])


def native_stub(table: list[Op]) -> str:
    methods: list[str] = []
    functions = list(result_classes(table))
    for entry in entries(table):
        (methods if entry.is_method else functions).append(definition(entry))
    text = TEMPLATE.read_text()
    for mark, block in (
        ("    #: methods of the table", textwrap.indent("\n".join(methods), "    ")),
        ("#: functions of the table", "\n".join(functions)),
    ):
        assert text.count(mark) == 1
        text = text.replace(mark, block)
    # A function of several tensors and one of their list overlap by intention, as PyTorch's do.
    return HEAD + '# mypy: disable-error-code="overload-overlap, overload-cannot-match, misc"\n' + text


def constant(module: Path, name: str, default: Any = None) -> Any:
    """The value of a table that a module keeps as a plain expression at its top level."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            known = {"frozenset": frozenset, "dict": dict}
            return eval(compile(ast.Expression(node.value), str(module), "eval"), known)
    if default is None:
        raise LookupError(f"{module.name} has no {name}")
    return default


def reexports(module: str, names: Iterable[str]) -> str:
    """Imports that a stub passes on: `from module import a as a`."""
    return f"from {module} import (\n" + "".join(f"    {name} as {name},\n" for name in sorted(names)) + ")\n"


def template_names() -> set[str]:
    """Public names of `native.pyi.in`."""
    names = set()
    for node in ast.parse(TEMPLATE.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(ast.unparse(node.target))
    return {name for name in names if not name.startswith("_")}


def root_names(table: list[Op]) -> set[str]:
    """What `_C._root` holds: the part of `_C` that PyTorch has in its root."""
    return template_names() | {e.name for e in entries(table) if e.root and not e.name.startswith("_")}


def root_stub(table: list[Op]) -> str:
    source = PACKAGE / "__init__.py"
    constants = "inf nan pi e newaxis".split()
    native = root_names(table)
    homes: dict[str, list[str]] = {
        "rushlight._C": sorted(native),
        "rushlight": sorted(constant(source, "_SUBMODULES") | {"_C"}),
    }
    for name, home in constant(source, "_LAZY").items():
        if name not in native:  # `_LAZY` is asked only for what the namespace has not
            homes.setdefault(home, []).append(name)
    lines = [HEAD, "import builtins\n", *(reexports(home, names) for home, names in homes.items())]
    lines += [f"{name}: {'None' if name == 'newaxis' else 'builtins.float'}" for name in constants]
    return "\n".join([*lines, ""])


def own_definitions(module: Path) -> Iterator[str]:
    """What a namespace defines in Python beside the names it looks up, bodies left out."""
    for node in ast.parse(module.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            node.body = [ast.Expr(ast.Constant(...))]
            yield ast.unparse(node)


def namespace_stub(table: list[Op], prefix: str) -> str:
    """`linalg`, `fft`, `special`: `linalg_norm` of `_C` is `norm` there."""
    source = PACKAGE / f"{prefix}.py"
    functions = sorted(e.name for e in entries(table) if not e.is_method)
    homes = {name.removeprefix(prefix + "_"): name for name in functions if name.startswith(prefix + "_")}
    homes |= {name: name for name in constant(source, "_SHARED", default=())}
    aliases = [f"{name} = _C.{native}" for name, native in sorted(homes.items())]
    return "\n".join([HEAD, "from rushlight import _C\n", *own_definitions(source), *aliases, ""])


def functional_stub(table: list[Op]) -> str:
    """`nn.functional`: its own compositions, what it shares with the root, and what the root has not."""
    source = PACKAGE / "nn" / "functional.py"
    elsewhere, shared = constant(source, "_ELSEWHERE"), constant(source, "_SHARED")
    functions = {e.name: e.root for e in entries(table) if not e.is_method}
    composed = {home: names.split() for home, names in constant(source, "_COMPOSED").items()}
    hidden = re.compile(r"_.*|.*_$")
    native = {
        name
        for name, in_root in functions.items()
        if name in shared or not (in_root or hidden.match(name) or name.startswith(elsewhere))
    }
    native -= {name for names in composed.values() for name in names}
    homes = [reexports(f"rushlight.nn._functional.{home}", names) for home, names in composed.items()]
    return "\n".join([HEAD, reexports("rushlight._C", native), *homes])


def texts() -> dict[str, str]:
    """Every stub by its path in the package; the table must be loaded."""
    table = list(TABLE.values())
    out = {"_C.pyi": native_stub(table), "__init__.pyi": root_stub(table), "nn/functional.pyi": functional_stub(table)}
    return out | {f"{prefix}.pyi": namespace_stub(table, prefix) for prefix in ("linalg", "fft", "special")}


def write(out: Path) -> list[Path]:
    paths = []
    for name, text in texts().items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        paths.append(path)
    return paths
