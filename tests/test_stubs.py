"""The stubs say what is there: every name of the native module, its tensors and the namespaces, and no other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import rushlight as torch
from rushlight import _C

# What renders is part of the checkout and not of an installed rushlight.
torch.__path__.append(str(Path(__file__).resolve().parents[1] / "src" / "rushlight"))

from rushlight._build import stubs  # noqa: E402
from rushlight._build.render import load_table  # noqa: E402


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    load_table()
    return stubs.texts()


def names(body: list[ast.stmt]) -> set[str]:
    found: set[str] = set()
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]):
                found.add(name)
            case ast.ImportFrom(names=aliases):
                found |= {alias.asname for alias in aliases if alias.asname}
    return found


def public(found) -> set[str]:
    return {name for name in found if not name.startswith("_")}


def test_the_native_module_is_described(texts):
    tree = ast.parse(texts["_C.pyi"])
    assert public(names(tree.body)) == public(dir(_C))
    of_private = {name for name in dir(_C) if name.startswith("_") and not name.startswith("__")}
    assert not of_private - names(tree.body)


@pytest.mark.parametrize(
    "name", ["Tensor", "ModuleBase", "Size", "dtype", "device", "Generator", "no_grad", "TypedStorage"]
)
def test_native_classes_are_described(texts, name):
    tree = ast.parse(texts["_C.pyi"])
    described = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    assert public(names(described.body)) == public(vars(getattr(_C, name)))


@pytest.mark.parametrize("module", ["", "linalg", "fft", "special"])
def test_namespaces_are_described(texts, module):
    namespace = getattr(torch, module) if module else torch
    text = texts[f"{module}.pyi" if module else "__init__.pyi"]
    loaded = public(dir(namespace)) - {"annotations", "TYPE_CHECKING"}
    if not module:  # submodules that a test has imported are no names of ours
        loaded -= {
            name
            for name in loaded
            if hasattr(namespace, name)
            and name not in torch._SUBMODULES
            and isinstance(getattr(namespace, name), type(ast))
        }
    assert public(names(ast.parse(text).body)) == loaded


def test_functional_is_described(texts):
    described = names(ast.parse(texts["nn/functional.pyi"]).body)
    assert public(described) == public(torch.nn.functional._public_names())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu_", ["(input: Tensor) -> Tensor"]),
        ("permute", ["(input: Tensor, *dims: _int) -> Tensor", "(input: Tensor, dims: _Ints) -> Tensor"]),
        ("equal", ["(input: Tensor, other: Tensor) -> _bool"]),
    ],
)
def test_signatures(name, expected):
    load_table()
    entry = next(e for e in stubs.entries(stubs.TABLE.values()) if e.name == name and not e.is_method)
    assert stubs.signatures(entry) == expected
