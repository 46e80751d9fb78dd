"""`torch.overrides`: for libraries whose types take over operations through `__torch_function__`."""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = [
    "get_ignored_functions",
    "get_overridable_functions",
    "get_testing_overrides",
    "handle_torch_function",
    "has_torch_function",
    "has_torch_function_unary",
    "has_torch_function_variadic",
    "is_tensor_like",
    "is_tensor_method_or_property",
    "resolve_name",
    "wrap_torch_function",
]


def _overrides(arg: Any) -> bool:
    kind = type(arg)
    if kind is _C.Tensor or kind is _C.Parameter:
        return False
    function = getattr(kind, "__torch_function__", None)
    # Inherited from Tensor unchanged, it would do what the operation does anyway, apart from the type of the result.
    return function is not None and not hasattr(function, "_torch_function_disabled")


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments has a `__torch_function__` that must be asked."""
    return any([_overrides(arg) for arg in relevant_args])


def has_torch_function_unary(arg: Any) -> bool:
    """`has_torch_function` of one argument."""
    return _overrides(arg)


def has_torch_function_variadic(*args: Any) -> bool:
    """`has_torch_function` of several arguments."""
    return has_torch_function(args)


def _in_order(args: Iterable[Any]) -> list:
    """One argument of each overriding type: subclasses before their bases, otherwise from left to right (NEP 18)."""
    found: list = []
    for arg in args:
        if _overrides(arg) and type(arg) not in map(type, found):
            at = next((i for i, have in enumerate(found) if issubclass(type(arg), type(have))), len(found))
            found.insert(at, arg)
    return found


def handle_torch_function(public_api: Callable, relevant_args: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
    """Asks each argument's type in turn for the result of `public_api(*args, **kwargs)`.

    TypeError when all decline.
    """
    candidates = _in_order(relevant_args)
    types = tuple(map(type, candidates))
    for arg in candidates:
        result = type(arg).__torch_function__(public_api, types, args, kwargs)
        if result is not NotImplemented:
            return result
    name = f"{public_api.__module__}.{public_api.__name__}"
    raise TypeError(f"no implementation found for '{name}' on types that implement __torch_function__: {list(types)}")


def wrap_torch_function(dispatcher: Callable) -> Callable:
    """Decorator: gives a Python function overriding; `dispatcher(*args)` returns its relevant arguments."""

    def decorate(function: Callable) -> Callable:
        from functools import wraps

        @wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            relevant = dispatcher(*args, **kwargs)
            if has_torch_function(relevant):
                return handle_torch_function(wrapped, relevant, *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether it is a tensor or its type has `__torch_function__`."""
    return isinstance(inp, _C.Tensor) or hasattr(inp, "__torch_function__")


def get_overridable_functions() -> dict[Any, list[Callable]]:
    """Namespace -> the functions in it that ask `__torch_function__`."""
    import rushlight

    table: dict[Any, list[Callable]] = {}
    for space in (rushlight, rushlight.nn.functional, _C.Tensor):
        members = (getattr(space, name) for name in dir(space) if not name.startswith("_"))
        table[space] = [member for member in members if callable(member) and not isinstance(member, type)]
    return table


def get_ignored_functions() -> set[Callable]:
    """Functions that never ask: they take no tensor whose type could answer."""
    names = "tensor as_tensor empty zeros ones full arange linspace eye rand randn randint randperm from_numpy".split()
    names += "manual_seed seed get_rng_state set_rng_state is_tensor is_storage".split()
    return {getattr(_C, name) for name in names if hasattr(_C, name)}


def get_testing_overrides() -> dict[Callable, Callable]:
    """Each overridable function, with a stand-in that takes anything and returns -1."""
    return {
        function: lambda *args, **kwargs: -1
        for functions in get_overridable_functions().values()
        for function in functions
    }


def is_tensor_method_or_property(func: Callable) -> bool:
    """Whether it belongs to Tensor rather than to a namespace."""
    return func in vars(_C.Tensor).values() or getattr(func, "__name__", "") == "__get__"


def resolve_name(f: Callable) -> str | None:
    """The public name of an overridable function: `torch.add`, `torch.Tensor.add`."""
    import rushlight

    places = (("torch.Tensor", _C.Tensor), ("torch", rushlight), ("torch.nn.functional", rushlight.nn.functional))
    name = getattr(f, "__name__", "")
    return next((f"{place}.{name}" for place, space in places if getattr(space, name, None) is f), None)
