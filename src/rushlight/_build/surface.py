"""Which names the table gives to Python: the one rule that the C table, the stubs and the pages share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from inspect import cleandoc

from rushlight._ops.define import Op


@dataclass(frozen=True)
class Entry:
    """One name as users call it, with its overloads in the order in which they are tried."""

    name: str
    kind: str  # "function", "method", "inplace" (a method), "inplace_function"
    overloads: tuple[Op, ...]
    doc: str
    root: bool  # a function found in `rushlight` itself, not only in a namespace

    @property
    def is_method(self) -> bool:
        return self.kind in ("method", "inplace")

    @property
    def in_place(self) -> bool:
        return self.kind.startswith("inplace")


def entries(ops: Iterable[Op]) -> Iterator[Entry]:
    by_name: dict[str, list[Op]] = {}
    for op in ops:
        by_name.setdefault(op.name, []).append(op)
    for name, group in by_name.items():
        doc = cleandoc(next((op.doc for op in group if op.doc), ""))
        root = not group[0].namespaces
        functions = tuple(op for op in group if op.function)
        methods = tuple(op for op in group if op.method and op.params and op.params[0].is_tensor)
        places = tuple(op for op in group if op.inplace)
        for shown in (name, *(alias for op in group for alias in op.alias)):
            if functions:
                yield Entry(shown, "function", functions, doc, root)
            if methods:
                yield Entry(shown, "method", methods, doc, False)
            if places:
                yield Entry(shown + "_", "inplace", places, doc, False)
                if not group[0].method or any(op.inplace_function for op in group):
                    yield Entry(shown + "_", "inplace_function", places, doc, root)


def takes_varargs(op: Op) -> bool:
    """Whether the last positional parameter may be given one by one: `x.view(2, 3)` for `x.view((2, 3))`."""
    if op.extra.get("varargs", False):
        return True
    positional = [p for p in op.params if not p.kwonly]
    after_self = 1 if positional and positional[0].is_tensor else 0
    return len(positional) == after_self + 1 and positional[-1].type in ("int[]", "int[]?") and not positional[-1].fixed
