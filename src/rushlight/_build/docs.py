"""Renders the reference: one page a family of operations, straight from the table.

python -m rushlight._build.docs FOLDER   writes `<family>.md` for each family and an `index.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rushlight._build.render import families, load_table
from rushlight._build.stubs import default
from rushlight._build.surface import Entry, entries, takes_varargs
from rushlight._ops.define import Op, Param

CATEGORIES = {
    "default": "floating-point",
    "float": "floating-point",
    "complex": "complex",
    "int": "integer",
    "bool": "bool",
}


def shown(param: Param) -> str:
    return param.name if param.default is ... else f"{param.name}={default(param.default)}"


def call(op: Op, name: str, method: bool) -> str:
    """`torch.clamp(input, min=None, max=None, *, out=None)`."""
    positional = [p for p in op.params if not p.kwonly]
    words = [shown(p) for p in positional]
    if takes_varargs(op):
        words[-1] = f"*{positional[-1].name}"
    kwonly = [shown(p) for p in op.params if p.kwonly]
    if op.out and not method:
        kwonly.append("out=None")
    if kwonly and not takes_varargs(op):
        words.append("*")
    words += kwonly
    if method:
        return f"{words[0]}.{name}({', '.join(words[1:])})"
    return f"{prefix(op)}{name.removeprefix(namespace(op) + '_')}({', '.join(words)})"


def namespace(op: Op) -> str:
    return op.namespaces[0] if op.namespaces else ""


def prefix(op: Op) -> str:
    space = namespace(op)
    return f"torch.{space}." if space else "torch."


def dtypes(op: Op) -> str:
    """For elementwise operations, the kinds of number with a kernel; else nothing is said."""
    if not op.kernel:
        return ""
    kinds = list(dict.fromkeys(CATEGORIES.get(key, key) for key in op.kernel))
    if op.in_rule == "float":
        kinds += ["integers and bool as the default float"]
    elif "default" in op.kernel and "integer" not in kinds:
        kinds.append("integer")
    result = {"bool": "; the result is bool", "real": "; the result is real"}.get(op.out_rule, "")
    return ", ".join(kinds) + result


def prose(doc: str) -> str:
    """The docstring, its examples (which come last) fenced."""
    text, prompt, example = doc.partition(">>> ")
    return f"{text}```pycon\n{prompt}{example}\n```" if prompt else text


def section(group: list[Entry]) -> str:
    """One operation: how it is called, what it means, what it takes, how it is differentiated."""
    first = group[0]
    ops = list({op.cname: op for entry in group for op in entry.overloads}.values())
    lines = [f"## {first.name}", "", "```python"]
    for entry in group:
        if not entry.in_place:
            functions_too = any(e.kind == "function" for e in group)
            if not (entry.is_method and functions_too):
                lines += dict.fromkeys(call(op, entry.name, entry.is_method) for op in entry.overloads)
    lines += ["```", ""]
    if first.doc:
        lines += [prose(first.doc), ""]
    facts = []
    if forms := [f"`Tensor.{e.name}`" for e in group if e.is_method]:
        facts.append(f"Methods: {', '.join(forms)}")
    if aliases := sorted({alias for op in ops for alias in op.alias}):
        facts.append(f"Also called: {', '.join(f'`{alias}`' for alias in aliases)}")
    for op in ops:
        if text := dtypes(op):
            facts.append(f"Numbers: {text}")
        facts += [
            f"Gradient of `{name}`: `{' '.join(formula.split())}`" for name, formula in (op.derivative or {}).items()
        ]
        if op.body and not op.derivative:
            facts.append("Made of other operations, and differentiated through them")
    lines += [f"- {fact}" for fact in dict.fromkeys(facts)]
    return "\n".join([*lines, ""])


def page(family: str, ops: list[Op]) -> str | None:
    aliases = {alias for op in ops for alias in op.alias}
    groups: dict[str, list[Entry]] = {}
    for entry in entries(ops):
        base = entry.name.removesuffix("_") if entry.in_place else entry.name
        if not entry.name.startswith("_") and base not in aliases:
            groups.setdefault(base, []).append(entry)
    if not groups:
        return None
    return "\n".join([f"# {family}", "", *(section(groups[name]) for name in sorted(groups))])


def write(folder: Path) -> list[Path]:
    load_table()
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.md"):
        stale.unlink()
    paths = []
    for family, ops in sorted(families().items()):
        if text := page(family, ops):
            paths.append(folder / f"{family}.md")
            paths[-1].write_text(text)
    index = ["# Reference", "", "Operations by family; `torch` stands for `import rushlight as torch`.", ""]
    index += [f"- [{path.stem}]({path.name})" for path in paths]
    (folder / "index.md").write_text("\n".join([*index, ""]))
    return paths


if __name__ == "__main__":
    print(f"{len(write(Path(sys.argv[1])))} pages in {sys.argv[1]}")
