"""Nested tuples, lists and dicts of leaves; anything else is a leaf."""

from __future__ import annotations

from typing import Any


def is_node(tree: Any) -> bool:
    """Whether it has children rather than being a leaf."""
    return isinstance(tree, (tuple, list, dict)) and not _is_size(tree)


def _is_size(tree: Any) -> bool:
    return type(tree).__name__ == "Size"


def leaves(tree: Any) -> list[Any]:
    """The leaves, in order; dicts by insertion."""
    if not is_node(tree):
        return [tree]
    children = tree.values() if isinstance(tree, dict) else tree
    return [leaf for child in children for leaf in leaves(child)]


def rebuild(tree: Any, new: list[Any]) -> Any:
    """The same structure over other leaves."""
    remaining = iter(new)

    def build(node: Any) -> Any:
        if not is_node(node):
            return next(remaining)
        if isinstance(node, dict):
            items = [(key, build(child)) for key, child in node.items()]
            return type(node)(items)
        children = [build(child) for child in node]
        if hasattr(node, "_fields"):
            return type(node)(*children)
        return type(node)(children)

    return build(tree)


def same_structure(a: Any, b: Any) -> bool:
    """Whether two trees differ in their leaves only."""
    if not is_node(a) or not is_node(b):
        return not is_node(a) and not is_node(b)
    if isinstance(a, dict) != isinstance(b, dict) or len(a) != len(b):
        return False
    if isinstance(a, dict):
        return all([key in b and same_structure(a[key], b[key]) for key in a])
    return all([same_structure(x, y) for x, y in zip(a, b)])


def spread(prefix: Any, tree: Any) -> list[Any] | None:
    """A leaf of `prefix` for each leaf of `tree` under it; None where the structures disagree."""
    if not is_node(prefix):
        return [prefix] * len(leaves(tree))
    if not is_node(tree) or isinstance(prefix, dict) != isinstance(tree, dict) or len(prefix) != len(tree):
        return None
    if isinstance(tree, dict):
        if prefix.keys() != tree.keys():
            return None
        pairs = [(prefix[key], tree[key]) for key in tree]
    else:
        pairs = list(zip(prefix, tree))
    parts = [spread(p, t) for p, t in pairs]
    return None if any([part is None for part in parts]) else [leaf for part in parts if part for leaf in part]
