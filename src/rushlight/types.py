"""`torch.types`: the names that annotations of PyTorch programs use."""

from __future__ import annotations

from builtins import bool as _bool, bytes as _bytes, float as _float, int as _int, str as _str
from os import PathLike
from typing import IO, Any, TypeAlias

from ._C import Size, Tensor, device

Number: TypeAlias = _int | _float | _bool
_Number = (_int, _float, _bool)
_size: TypeAlias = Size | list[_int] | tuple[_int, ...]
Device: TypeAlias = device | _str | _int | None
FileLike: TypeAlias = _str | PathLike[_str] | IO[_bytes]
IntLikeType: TypeAlias = _int
FloatLikeType: TypeAlias = _float
BoolLikeType: TypeAlias = _bool
py_sym_types: tuple = ()
PySymType: TypeAlias = Any
_TensorOrTensors: TypeAlias = Tensor | tuple[Tensor, ...]
_TensorOrTensorsOrGradEdge: TypeAlias = Any
_dispatchkey: TypeAlias = _str
