"""Every operation of the table whose arguments can be inferred, compared with PyTorch's of the same name.

Over dtypes, over shapes (0-dim, empty, one element, not contiguous), over NaN and infinities, with the gradient
where there is one: values, dtype, shape.  Where PyTorch refuses an argument, we may have an answer.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import rushlight  # noqa: E402
import rushlight._ops as ops  # noqa: E402
from rushlight import _C  # noqa: E402
from rushlight._ops.define import TABLE, Op  # noqa: E402

pytestmark = pytest.mark.oracle

for family in pkgutil.iter_modules(ops.__path__):
    importlib.import_module(f"rushlight._ops.{family.name}")

PLACES = {"": torch, "linalg": torch.linalg, "special": torch.special, "fft": torch.fft}
# Contents that PyTorch leaves undefined, results that depend on a library or on memory, arguments of other kinds.
APART = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "_unsafe_view", "as_strided", "from_file",
         "to_dlpack"}  # fmt: skip
# Random draws and transforms have tests of their own; decompositions are unique only up to signs.
FAMILIES_APART = {"random", "fft", "linalg", "linalg_more"}
KINDS = {"Tensor", "Tensor?", "Operand", "Scalar", "float", "int", "int[]", "bool", "Tensor[]"}


def theirs_of(op: Op) -> Any:
    prefix, _, rest = op.name.partition("_")
    if prefix in ("linalg", "special", "fft"):
        return getattr(PLACES[prefix], rest, None)
    return getattr(torch, op.name, None) or getattr(torch.nn.functional, op.name, None)


def comparable(op: Op) -> bool:
    required = {p.type for p in op.params if p.default is ...}
    return (op.function and op.name[0] != "_" and hasattr(_C, op.name) and op.name not in APART and bool(op.params) and op.params[0].is_tensor
            and required <= KINDS and callable(theirs_of(op)) and op.family not in FAMILIES_APART
            and all(r.type != "object" for r in op.results))  # fmt: skip


OPS = [op for op in TABLE.values() if comparable(op)]
SHAPES = [(2, 3), (), (3,), (0, 3), (1, 1), (3, 3)]
DTYPES = ["float32", "float64", "int64", "uint8", "bool", "bfloat16", "complex64"]


def numbers(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(-2, 2, shape)
    if dtype == "bool":
        return values > 0
    if dtype == "complex64":
        return (values + 1j * values[..., ::-1] if shape else values + 0.5j).astype(dtype)
    if dtype.startswith(("int", "uint")):
        return np.abs(np.round(values * 3)).astype(dtype)
    return values.astype("float32" if dtype == "bfloat16" else dtype)


def special(shape: tuple[int, ...], dtype: str, seed: int) -> np.ndarray:
    values = numbers(shape, dtype, seed)
    flat = values.reshape(-1)
    edge = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0]
    flat[: len(edge)] = edge[: flat.size]
    return values


def arguments(op: Op, m: Any, array: Any, shape: tuple[int, ...], dtype: str, spread: bool, grad: bool) -> list[Any]:
    """One value for each required parameter, the same in both engines."""
    out: list[Any] = []
    for i, p in enumerate(op.params):
        if p.default is not ... or p.kwonly:
            break
        if p.is_tensor or p.type == "Tensor[]":
            t = m.tensor(np.array(array(shape, dtype, i)))
            if dtype == "bfloat16":
                t = t.to(m.bfloat16)
            if spread and shape:
                t = m.stack([t, t], -1)[..., 0]
            if p.name in ("index", "indices"):
                t = m.zeros_like(t, dtype=m.int64)
            elif p.name in ("condition", "mask"):
                t = t > 0
            elif grad and t.is_floating_point():
                t.requires_grad_()
            out.append([t, t] if p.type == "Tensor[]" else t)
        elif p.type in ("Scalar", "float"):
            out.append(0.5 if dtype not in ("int64", "uint8", "bool") else 2)
        elif p.type == "int":
            out.append({"dim0": 0, "dim1": -1, "dim": -1, "dimension": 0, "size": 2, "step": 1}.get(p.name, 1))
        elif p.type == "int[]":
            n = int(np.prod(shape))
            out.append([0] if "dim" in p.name else [n] if p.name in ("size", "shape") else [1])
        else:
            out.append(True)
    return out


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple)):
        for v in value:
            yield from leaves(v)
    else:
        yield value


def as_array(t: Any) -> np.ndarray:
    t = t.detach()
    if str(t.dtype).endswith("bfloat16"):
        t = t.float()
    return t.resolve_conj().numpy() if hasattr(t, "resolve_conj") else t.numpy()


def outcome(m: Any, call: Any, op: Op, *case: Any) -> Any:
    """Results and gradients as plain data, or the exception."""
    try:
        given = arguments(op, m, *case)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = call(*given)
            values = [
                (str(t.dtype).rpartition(".")[2], as_array(t)) if isinstance(t, m.Tensor) else t for t in leaves(result)
            ]
            wanted = [t for t in leaves(given) if isinstance(t, m.Tensor) and t.requires_grad]
            made = [t for t in leaves(result) if isinstance(t, m.Tensor) and t.requires_grad]
            if wanted and made:
                total = sum((t * t).sum() if not t.is_complex() else t.abs().sum() for t in made)
                values += [
                    None if g is None else as_array(g) for g in m.autograd.grad(total, wanted, allow_unused=True)
                ]
            return values
    except Exception as e:
        return e


def same(a: Any, b: Any, dtype: str) -> bool:
    if isinstance(a, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(same(x, y, dtype) for x, y in zip(a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        tolerance = {"float64": 1e-9, "bfloat16": 2e-2}.get(dtype, 2e-4)
        return a.shape == b.shape and np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True)
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, equal_nan=True))
    return type(a) is type(b) and a == b


def cases() -> Iterator[tuple[str, tuple[Any, ...]]]:
    for shape in SHAPES:
        for dtype in DTYPES:
            yield f"{dtype} {list(shape)}", (numbers, shape, dtype, False, False)
        yield f"not contiguous {list(shape)}", (numbers, shape, "float64", True, False)
        yield f"gradient {list(shape)}", (numbers, shape, "float64", False, True)
    yield "special values", (special, (2, 5), "float32", False, False)
    yield "special values double", (special, (3, 3), "float64", False, False)


# Known to differ: constants that PyTorch keeps in float32, which of several equal elements is found, NaN made of
# infinities, series to fewer digits, and complex, bfloat16 and empty cases that are not covered.
KNOWN = {"hardsigmoid_switch", "hardsigmoid", "gelu", "as_strided_scatter", "inner", "embedding", "linear", "nan_to_num",
         "binary_cross_entropy_with_logits", "logaddexp", "nextafter", "group_norm", "adaptive_avg_pool1d",
         "adaptive_max_pool1d", "cummax", "cummin", "logcumsumexp", "softmax", "log_softmax", "kthvalue", "mode", "histc",
         "special_ndtr"}  # fmt: skip


def differences(op: Op) -> Iterator[str]:
    ours, theirs = getattr(_C, op.name), theirs_of(op)
    for name, case in cases():
        b = outcome(torch, theirs, op, *case)
        a = outcome(rushlight, ours, op, *case)
        if isinstance(b, Exception):
            continue
        if not same(a, b, case[2]):
            yield f"{op.cname} on {name}:\n    rushlight {a!r}\n    PyTorch   {b!r}"


@pytest.mark.parametrize("op", [op for op in OPS if op.cname not in KNOWN], ids=lambda op: op.cname)
def test_operation(op: Op) -> None:
    found = list(differences(op))
    assert not found, "\n".join(found)


if __name__ == "__main__":
    total = 0
    for op in OPS:
        found = list(differences(op))
        total += bool(found)
        for text in found[:4]:
            print(text[:400])
        if len(found) > 4:
            print(f"    and {len(found) - 4} more")
    print(f"{len(OPS)} operations, {len(list(cases()))} cases each; {total} operations differ")
