"""vmap: a function of one example, applied to a batch of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .._transforms.batched import BatchFrame, is_batched, with_batch, wrap
from .._transforms.tree import is_node, leaves, rebuild, spread

__all__ = ["vmap"]


def _name(func: Callable) -> str:
    return getattr(func, "__name__", None) or repr(func)


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """The function that maps `func` over a dimension of its inputs.

    `in_dims` says which dimension of each input (None: the same input for all examples), `out_dims` where the batch
    goes in the outputs; both may be nested as the inputs and outputs are. Operations that know how run once for the
    whole batch, others once for each example. `randomness` says what random operations on mapped tensors do:
    "error", "same" or "different" numbers; creating random tensors from nothing gives the same ones to all examples,
    which differs from PyTorch for "error" and "different". ValueError for sizes or structures that do not agree.

    >>> import rushlight as torch
    >>> torch.func.vmap(torch.dot)(torch.ones(3, 2), torch.ones(3, 2))
    tensor([2., 2., 2.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    if not isinstance(out_dims, int) and any([not isinstance(dim, int | None) for dim in leaves(out_dims)]):
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python collection of "
            "ints representing where in the outputs the vmapped dimension should appear."
        )

    def mapped(*args: Any, **kwargs: Any) -> Any:
        inputs = leaves(args)
        dims = _in_dims(func, in_dims, args, inputs)
        size = _batch_size(dims, inputs)
        named = leaves(kwargs)  # keyword arguments are always mapped over dimension 0
        moved = [x if dim is None else x.movedim(dim, 0) for x, dim in zip(inputs, dims)]
        if chunk_size is None or chunk_size >= size:
            return _run(func, size, randomness, args, moved, dims, kwargs, named, out_dims)
        results = []
        for start in range(0, size, chunk_size):
            end = min(start + chunk_size, size)
            part = [x if dim is None else x[start:end] for x, dim in zip(moved, dims)]
            part_named = [x[start:end] if isinstance(x, Tensor) else x for x in named]
            results.append(_run(func, end - start, randomness, args, part, dims, kwargs, part_named, out_dims))
        places = _out_dims(func, out_dims, results[0])
        columns = zip(*[leaves(result) for result in results])
        joined = [parts[0] if dim is None else _C.cat(parts, dim) for parts, dim in zip(columns, places)]
        return rebuild(results[0], joined)

    mapped.__name__ = _name(func)
    mapped.__wrapped__ = func  # type: ignore[attr-defined]
    return mapped


def _in_dims(func: Callable, in_dims: Any, args: tuple, inputs: list[Any]) -> list[int | None]:
    """The mapped dimension of each input, counted from the front."""
    where = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"{where}expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, "
            f"got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are trying to vmap "
            "over a function with no inputs. The latter is unsupported."
        )
    dims = spread(in_dims, args)
    if dims is None:
        raise ValueError(f"{where}in_dims is not compatible with the structure of `inputs`.")
    found: list[int | None] = []
    for x, dim in zip(inputs, dims):
        if dim is None:
            found.append(None)
            continue
        if not isinstance(dim, int):
            raise ValueError(
                f"{where}Got in_dim={dim} for an input but in_dim must be either an integer dimension or None."
            )
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{where}Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.dim() <= dim < x.dim():
            raise ValueError(
                f"{where}Got in_dim={dim} for some input, but that input is a Tensor of dimensionality {x.dim()} so "
                f"expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
            )
        found.append(dim % x.dim())
    return found


def _batch_size(dims: list[int | None], inputs: list[Any]) -> int:
    sizes = [x.shape[dim] for x, dim in zip(inputs, dims) if dim is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any([size != sizes[0] for size in sizes]):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, "
            f"got sizes {sizes} for the mapped dimension"
        )
    return sizes[0]


def _run(
    func: Callable,
    size: int,
    randomness: str,
    args: tuple,
    inputs: list[Any],
    dims: list[int | None],
    kwargs: dict,
    named: list[Any],
    out_dims: Any,
) -> Any:
    """One pass over a batch, or over a chunk of it."""
    with BatchFrame(size, randomness) as frame:
        examples = [x if dim is None else wrap(frame, x) for x, dim in zip(inputs, dims)]
        options = [wrap(frame, x) if isinstance(x, Tensor) else x for x in named]
        result = func(*rebuild(args, examples), **rebuild(kwargs, options))
        places = _out_dims(func, out_dims, result)
        return rebuild(result, [_unwrapped(func, frame, y, dim) for y, dim in zip(leaves(result), places)])


def _out_dims(func: Callable, out_dims: Any, result: Any) -> list[Any]:
    if isinstance(out_dims, tuple) and len(out_dims) == 1 and not is_node(result):
        out_dims = out_dims[0]
    places = spread(out_dims, result)
    if places is None:
        raise ValueError(
            f"vmap({_name(func)}, ..., out_dims={out_dims})(<inputs>): "
            "out_dims is not compatible with the structure of `outputs`."
        )
    return places


def _unwrapped(func: Callable, frame: BatchFrame, y: Any, dim: int | None) -> Any:
    name = _name(func)
    if dim is None:
        if is_batched(frame, y):
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return y
    if not isinstance(y, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(y)}. "
            "Did you mean to set out_dims= to None for output?"
        )
    value = with_batch(frame, y)
    return value.movedim(0, dim) if dim else value
