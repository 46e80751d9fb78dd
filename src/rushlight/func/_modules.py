"""Modules as functions of their parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _C
from .._C import Tensor

__all__ = ["functional_call", "stack_module_state"]


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: dict[str, Tensor] | Sequence[dict[str, Tensor]],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with other parameters and buffers, which are put back afterwards.

    Names that are missing keep their own tensors, unless `strict`. With `tie_weights`, a tensor that the module has
    under several names is replaced under all of them. The module is not changed, and no two threads may call it so.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(1, 1)
    >>> torch.func.functional_call(layer, {"weight": torch.ones(1, 1), "bias": torch.ones(1)}, torch.ones(1, 1))
    tensor([[2.]])
    """
    given: dict[str, Tensor] = {}
    dicts = [parameter_and_buffer_dicts] if isinstance(parameter_and_buffer_dicts, dict) else parameter_and_buffer_dicts
    for part in dicts:
        repeated = given.keys() & part.keys()
        if repeated:
            raise ValueError(
                f"{sorted(repeated)} appeared in multiple dictionaries; behavior of functional call is ambiguous"
            )
        given.update(part)
    places = _places(module)
    if strict:
        _require_all(places, given)
    if tie_weights:
        given = _tied(places, given)
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    replaced = []
    try:
        for name, tensor in given.items():
            if name in places:
                holder, key = places[name]
                replaced.append((holder, key, holder[key]))
                holder[key] = tensor
        return module(*args, **(kwargs or {}))
    finally:
        for holder, key, tensor in reversed(replaced):
            holder[key] = tensor


def _places(module: Any) -> dict[str, tuple[dict, str]]:
    """Full name -> the dict of parameters or buffers that holds the tensor, and its key there."""
    places = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for holder in (part._parameters, part._buffers):
            for key in holder:
                places[f"{path}.{key}" if path else key] = (holder, key)
    return places


def _require_all(places: dict, given: dict[str, Tensor]) -> None:
    unexpected = sorted(given.keys() - places.keys())
    missing = sorted(name for name in places.keys() - given.keys() if places[name][0][places[name][1]] is not None)
    problems = []
    if unexpected:
        problems.append(f"Unexpected key(s): {', '.join(unexpected)}.")
    if missing:
        problems.append(f"Missing key(s): {', '.join(missing)}.")
    if problems:
        raise RuntimeError("Error(s) in reparametrizing:\n\t" + "\n\t".join(problems))


def _tied(places: dict, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The given tensors, under every name that the same original tensor has."""
    by_original: dict[int, list[str]] = {}
    for name, (holder, key) in places.items():
        if holder[key] is not None:
            by_original.setdefault(id(holder[key]), []).append(name)
    tied = dict(given)
    for names in by_original.values():
        named = [name for name in names if name in given]
        if len(names) > 1 and named:
            if any([given[name] is not given[named[0]] for name in named]):
                raise ValueError(
                    f"functional_call got multiple values for keys {sorted(named)}, which are tied. "
                    "Consider using tie_weights=False"
                )
            tied.update(dict.fromkeys(names, given[named[0]]))
    return tied


def stack_module_state(models: Sequence[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of several models of one class: name -> their tensors along a new first dimension.

    RuntimeError for no models, models of several classes, or some in training and some in evaluation mode.

    >>> import rushlight as torch
    >>> models = [torch.nn.Linear(2, 3) for _ in range(5)]
    >>> torch.func.stack_module_state(models)[0]["weight"].shape
    torch.Size([5, 3, 2])
    """
    if not models:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if any([model.training != models[0].training for model in models]):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any([type(model) is not type(models[0]) for model in models]):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    parameters = [dict(model.named_parameters()) for model in models]
    buffers = [dict(model.named_buffers()) for model in models]
    return (
        {name: _stacked([part[name] for part in parameters]) for name in parameters[0]},
        {name: _stacked([part[name] for part in buffers]) for name in buffers[0]},
    )


def _stacked(tensors: list[Tensor]) -> Tensor:
    """A new leaf, which asks for gradients where the tensors do."""
    wanted = [tensor.requires_grad for tensor in tensors]
    if any(wanted) != all(wanted):
        raise RuntimeError("Expected parameters from different models to have the same .requires_grad.")
    with _C.no_grad():
        stacked = _C.stack(tensors)
    return stacked.requires_grad_(all(wanted))
