"""DLPack's capsules, by the names that they had before `Tensor.__dlpack__`."""

from __future__ import annotations

from .._C import from_dlpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._C import Tensor

__all__ = ["from_dlpack", "to_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule over the tensor's memory."""
    return tensor.__dlpack__()
