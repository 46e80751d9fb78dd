"""grad, vjp, jvp and the Jacobians."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _C
from .._C import Tensor
from .._transforms.dual import DualFrame, make_dual, primal_of, tangent_of
from .._transforms.levels import running_frames
from .._transforms.pullback import depends_on_others, detached, plain_tensors, pull, track
from .._transforms.tree import leaves, rebuild, same_structure
from ._vmap import vmap

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]


def _argnums(argnums: Any, args: tuple) -> tuple[int, ...]:
    """The numbers of the arguments to differentiate by, from the front."""
    numbers = (argnums,) if isinstance(argnums, int) else argnums
    if not isinstance(numbers, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    for number in numbers:
        if not isinstance(number, int):
            raise RuntimeError(f"argnum must be int, got: {type(number)}")
        if not -len(args) <= number < len(args):
            raise RuntimeError(f"Got argnum={number}, but only {len(args)} positional inputs")
    positions = tuple([number % len(args) for number in numbers])
    if len(set(positions)) != len(positions):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return positions


def _chosen(argnums: Any, args: tuple) -> Any:
    """The arguments to differentiate by: one, or a tuple of them."""
    positions = _argnums(argnums, args)
    return args[positions[0]] if isinstance(argnums, int) else tuple([args[i] for i in positions])


def _with(argnums: Any, args: tuple, new: Any) -> tuple:
    """The arguments with the chosen ones replaced."""
    changed = list(args)
    for i, value in zip(_argnums(argnums, args), (new,) if isinstance(argnums, int) else new):
        changed[i] = value
    return tuple(changed)


class _Tape:
    """Records a function's run on tracked inputs; then pulls cotangents back, as often as asked."""

    def __init__(self, func: Callable, primals: tuple) -> None:
        self.frames = list(running_frames())
        inputs = leaves(primals)
        for x in inputs:
            if not isinstance(x, Tensor):
                raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
        self.outside = _C.is_grad_enabled()
        # Whether someone may differentiate the results in turn.
        self.keep = self.outside and any([plain.requires_grad for x in inputs for plain in plain_tensors(x)])
        with _C.enable_grad():
            self.tracked = [track(x, self.frames) for x in inputs]
            self.result = func(*rebuild(primals, self.tracked))

    def differentiate(self, outputs: list[Tensor]) -> None:
        """Settles whether gradients of these outputs need a history of their own."""
        self.keep = self.keep or (self.outside and depends_on_others(outputs, self.tracked))

    def pull(self, outputs: list[Tensor], cotangents: list[Tensor]) -> list[Tensor]:
        with _C.enable_grad():
            return pull(outputs, self.tracked, cotangents, self.frames, self.keep)

    def released(self, tree: Any) -> Any:
        """The results as the caller may have them: without the history that only served here."""
        if self.keep:
            return tree
        return rebuild(tree, [detached(leaf) for leaf in leaves(tree)])


def grad_and_value(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The function that returns (gradient, value) of a scalar function.

    `argnums` names the arguments to differentiate by: each a tensor, or a nesting of them. With `has_aux`, func
    returns (value, more) and the function (gradient, (value, more)). RuntimeError unless the value is a 0-dim tensor.

    >>> import rushlight as torch
    >>> torch.func.grad_and_value(lambda x: x**2)(torch.tensor(3.0))
    (tensor(6.), tensor(9.))
    """

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        tape = _Tape(lambda *new: func(*_with(argnums, args, new[0]), **kwargs), (chosen,))
        value, aux = tape.result, None
        if has_aux:
            if not (isinstance(value, tuple) and len(value) == 2):
                raise RuntimeError(
                    "grad_and_value(f)(*args): output of function f should be a tuple: (output, aux) if has_aux is True"
                )
            value, aux = value
        if not isinstance(value, Tensor):
            raise RuntimeError(f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(value)}")
        if value.dim() != 0:
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                f"{value.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        tape.differentiate([value])
        gradients = tape.pull([value], [_C.ones_like(value)])
        gradient = tape.released(rebuild(chosen, gradients))
        value = tape.released(value)
        return (gradient, (value, tape.released(aux))) if has_aux else (gradient, value)

    return differentiated


def grad(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The gradient of a scalar function, as a function; see `grad_and_value`. With `has_aux`: (gradient, more).

    >>> import rushlight as torch
    >>> torch.func.grad(torch.sin)(torch.tensor(0.0))
    tensor(1.)
    """
    both = grad_and_value(func, argnums, has_aux)

    def differentiated(*args: Any, **kwargs: Any) -> Any:
        gradient, value = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    return differentiated


def _require_tensors(where: str, result: Any) -> list[Tensor]:
    outputs = leaves(result)
    if not outputs:
        raise RuntimeError(f"{where}: Expected f to be a function that has non-empty output (got output = {result})")
    for y in outputs:
        if not isinstance(y, Tensor):
            raise RuntimeError(f"{where}: expected f(*primals) to return only tensors, got unsupported type {type(y)}")
    return outputs


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """(f(primals), a function that takes v to v^T J), or with `has_aux` (output, function, more).

    The function returns one value for each primal (not in a tuple where there is one) and can be called again and
    again.

    >>> import rushlight as torch
    >>> y, pull = torch.func.vjp(torch.sin, torch.zeros(2))
    >>> pull(torch.ones(2))
    (tensor([1., 1.]),)
    """
    tape = _Tape(func, primals)
    result, aux = tape.result, None
    if has_aux:
        if not (isinstance(result, tuple) and len(result) == 2):
            raise RuntimeError(
                "vjp(f, *primals): output of function f should be a tuple: (output, aux) if has_aux is True"
            )
        result, aux = result
    outputs = _require_tensors("vjp(f, *primals)", result)
    tape.differentiate(outputs)

    def pull_back(cotangents: Any) -> tuple:
        if not same_structure(result, cotangents):
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function."
            )
        for y in outputs:
            if not (y.is_floating_point() or y.is_complex()):
                raise RuntimeError(
                    "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, "
                    f"got Tensor with dtype {y.dtype}"
                )
        # Cotangents may have come under frames that were not there when f ran, such as jacrev's under vmap.
        tape.frames = list(running_frames()) if len(running_frames()) > len(tape.frames) else tape.frames
        return tape.released(rebuild(primals, tape.pull(outputs, leaves(cotangents))))

    value = tape.released(result)
    return (value, pull_back, tape.released(aux)) if has_aux else (value, pull_back)


def jvp(func: Callable, primals: tuple, tangents: tuple, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """(f(primals), J t): the directional derivative, carried along in one run of f; with `has_aux` (.., .., more).

    >>> import rushlight as torch
    >>> torch.func.jvp(torch.sin, (torch.tensor(0.0),), (torch.tensor(2.0),))
    (tensor(0.), tensor(2.))
    """
    where = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{where}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    if not same_structure(primals, tangents):
        raise RuntimeError(
            f"{where}: Expected primals and tangents to have the same python structure. For example, if primals is a "
            "tuple of 3 tensors, tangents also must be."
        )
    points = leaves(primals)
    if not points:
        raise RuntimeError(f"{where}: Expected primals to contain at least one Tensor.")
    for x in points:
        if not isinstance(x, Tensor):
            raise RuntimeError(f"{where}: Expected primals to only contain Tensors, got {type(x)}")
    with DualFrame() as frame:
        result = func(*rebuild(primals, [make_dual(frame, x, t) for x, t in zip(points, leaves(tangents))]))
        aux = None
        if has_aux:
            if not (isinstance(result, tuple) and len(result) == 2):
                raise RuntimeError(f"{where}: output of function f should be a tuple: (output, aux) if has_aux is True")
            result, aux = result
        outputs = _require_tensors(where, result)
        values = rebuild(result, [primal_of(frame, y) for y in outputs])
        if strict and any([tangent_of(frame, y) is None for y in outputs]):
            raise RuntimeError(
                "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. "
                "This is not allowed with strict=True."
            )
        moved = [_C.zeros_like(y) if tangent_of(frame, y) is None else tangent_of(frame, y) for y in outputs]
        derivative = rebuild(result, moved)
        if has_aux:
            return values, derivative, rebuild(aux, [primal_of(frame, y) for y in leaves(aux)])
        return values, derivative


def linearize(func: Callable, *primals: Any) -> tuple:
    """(f(primals), a function that takes t to J t). Each call runs f again, which PyTorch's does not."""

    def push(*tangents: Any) -> Any:
        return jvp(func, primals, tangents)[1]

    return func(*primals), push


def _basis(x: Tensor) -> Tensor:
    """The unit tensors of x's shape: (n, *x.shape)."""
    return _C.eye(x.numel(), dtype=x.dtype, device=x.device).reshape(x.numel(), *x.shape)


def jacrev(
    func: Callable,
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """The Jacobian, a row at a time from the back: (*out, *in) for each output and chosen argument.

    Outputs on the outside of the nesting, arguments inside. Cheap where outputs are few.

    >>> import rushlight as torch
    >>> torch.func.jacrev(torch.square)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        parts = vjp(lambda new: func(*_with(argnums, args, new), **kwargs), chosen, has_aux=has_aux)
        result, pull_back = parts[:2]
        outputs = _require_tensors("jacrev", result)
        blocks = []
        for k, y in enumerate(outputs):
            rows = []
            for unit in _basis(y).unbind(0):
                cotangents = [unit if i == k else _C.zeros_like(z) for i, z in enumerate(outputs)]
                rows.append(leaves(pull_back(rebuild(result, cotangents))[0]))
            columns = [_C.stack(column).reshape(*y.shape, *column[0].shape) for column in zip(*rows)]
            blocks.append(rebuild(chosen, columns))
        jacobians = rebuild(result, blocks)
        return (jacobians, parts[2]) if has_aux else jacobians

    return jacobian


def jacfwd(
    func: Callable, argnums: Any = 0, has_aux: bool = False, *, randomness: str = "error", chunk_size: int | None = None
) -> Callable:
    """The Jacobian, all columns at once from the front; shapes as `jacrev`'s. Cheap where inputs are few.

    >>> import rushlight as torch
    >>> torch.func.jacfwd(torch.square)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def jacobian(*args: Any, **kwargs: Any) -> Any:
        chosen = _chosen(argnums, args)
        inputs = leaves(chosen)
        more: list[Any] = []
        results: list[Any] = []
        columns = []
        for k, x in enumerate(inputs):

            def push(unit: Tensor, k: int = k) -> Any:
                tangents = [unit if i == k else _C.zeros_like(z) for i, z in enumerate(inputs)]
                parts = jvp(
                    lambda new: func(*_with(argnums, args, new), **kwargs),
                    (chosen,),
                    (rebuild(chosen, tangents),),
                    has_aux=has_aux,
                )
                results[:] = [parts[0]]
                more[:] = parts[2:]
                return parts[1]

            pushed = vmap(push, out_dims=-1, randomness=randomness, chunk_size=chunk_size)(_basis(x))
            columns.append([d.reshape(*d.shape[:-1], *x.shape) for d in _require_tensors("jacfwd", pushed)])
        blocks = [rebuild(chosen, list(block)) for block in zip(*columns)]
        jacobians = rebuild(results[0], blocks)
        return (jacobians, more[0]) if has_aux else jacobians

    return jacobian


def hessian(func: Callable, argnums: Any = 0) -> Callable:
    """Second derivatives: jacfwd(jacrev(func)). For a function that branches on values, take jacrev(jacrev(func)).

    >>> import rushlight as torch
    >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
