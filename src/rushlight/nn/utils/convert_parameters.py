"""Parameters as one vector and back."""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..._C import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters, flattened, one after the other.

    >>> import rushlight as torch
    >>> torch.nn.utils.parameters_to_vector(torch.nn.Linear(2, 3).parameters()).shape
    torch.Size([9])
    """
    return _C.cat([parameter.view(-1) for parameter in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Lets each parameter's data be its slice of `vec`, in order; memory is shared with `vec`.

    >>> import rushlight as torch
    >>> layer = torch.nn.Linear(1, 2)
    >>> torch.nn.utils.vector_to_parameters(torch.tensor([1.0, 2.0, 3.0, 4.0]), layer.parameters())
    >>> layer.bias.data
    tensor([3., 4.])
    """
    if not isinstance(vec, _C.Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__module__}.{type(vec).__qualname__}")
    start = 0
    for parameter in parameters:
        stop = start + parameter.numel()
        parameter.data = vec[start:stop].view_as(parameter).data
        start = stop
