"""Nested containers of leaves, by the names that PyTorch's programs use for them."""

from __future__ import annotations

from .._transforms.tree import leaves, rebuild

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [
    "TreeSpec",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_unflatten",
]


class TreeSpec:
    """The structure of a tree without its leaves."""

    __slots__ = ("_tree", "num_leaves")

    def __init__(self, tree: Any) -> None:
        self.num_leaves = len(leaves(tree))
        self._tree = rebuild(tree, [None] * self.num_leaves)

    def unflatten(self, new: Any) -> Any:
        """The tree of this structure over other leaves."""
        new = list(new)
        if len(new) != self.num_leaves:
            raise ValueError(
                f"treespec.unflatten(leaves): `leaves` has length {len(new)} but the spec refers to a pytree that "
                f"holds {self.num_leaves} items"
            )
        return rebuild(self._tree, new)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and self._tree == other._tree

    def __hash__(self) -> int:
        return hash(repr(self._tree))


def tree_leaves(tree: Any) -> list[Any]:
    """The leaves, in order."""
    return leaves(tree)


def tree_flatten(tree: Any) -> tuple[list[Any], TreeSpec]:
    """The leaves, and the structure from which `tree_unflatten` builds the tree again.

    >>> from rushlight.utils._pytree import tree_flatten, tree_unflatten
    >>> flat, spec = tree_flatten({"a": 1, "b": [2, 3]})
    >>> tree_unflatten([10 * x for x in flat], spec)
    {'a': 10, 'b': [20, 30]}
    """
    return leaves(tree), TreeSpec(tree)


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree of that structure over these leaves."""
    return treespec.unflatten(leaves)


def tree_map(func: Callable, tree: Any, *rests: Any) -> Any:
    """The same structure over func(leaf), or over func(leaf, other leaf, ...) with more trees."""
    return rebuild(tree, [func(*items) for items in zip(leaves(tree), *map(leaves, rests))])


def tree_map_(func: Callable, tree: Any, *rests: Any) -> Any:
    """Calls func for each leaf and gives the tree back."""
    tree_map(func, tree, *rests)
    return tree


def tree_map_only(type_or_types: Any, func: Callable, tree: Any) -> Any:
    """As `tree_map`, for leaves of a type; the others stay."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, type_or_types) else leaf, tree)


def tree_all(pred: Callable, tree: Any) -> bool:
    """Whether pred holds for every leaf."""
    return all(map(pred, leaves(tree)))


def tree_any(pred: Callable, tree: Any) -> bool:
    """Whether pred holds for a leaf."""
    return any(map(pred, leaves(tree)))
