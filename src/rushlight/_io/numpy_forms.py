"""NumPy arrays and scalars as they stand in pickles, read by a reader of our own.

NumPy's pickles call `_reconstruct`, `dtype` and `scalar` by name. Here those names stand for the classes below,
which understand the plain numeric forms and refuse the rest (objects, structures): these could run code.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class DType:
    """A numeric dtype such as `f8`; its byte order arrives later, as state."""

    def __init__(self, name: str, align: Any = False, copy: Any = True) -> None:
        if name[:1] not in "biufcSU" or not name[1:].isdigit() or int(name[1:]) > 1 << 20:
            raise ValueError(f"NumPy dtype {name!r}")
        self.name = name
        self.order = "="

    def restore(self, state: tuple) -> DType:
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"NumPy byte order {state[1]!r}")
        self.order = state[1]
        return self

    def real(self) -> Any:
        import numpy

        return numpy.dtype(self.order + self.name)


class Array:
    """An array whose contents arrive later, as state."""

    def __init__(self, kind: Any, shape: Any, typecode: Any) -> None:
        if kind is not Array:
            raise ValueError("subclasses of NumPy arrays")

    def restore(self, state: tuple) -> Any:
        import numpy

        _, shape, dtype, fortran, data = state
        flat = numpy.frombuffer(data, dtype.real())
        array = flat.reshape(shape, order="F" if fortran else "C")
        return array.astype(flat.dtype.newbyteorder("="), order="K")  # native, as NumPy itself does; and a copy


def _scalar(dtype: DType, data: bytes) -> Any:
    import numpy

    return numpy.frombuffer(data, dtype.real(), count=1)[0]


NAMES = {"numpy.dtype": DType, "numpy.ndarray": Array}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    NAMES[f"{_module}._reconstruct"] = Array
    NAMES[f"{_module}.scalar"] = _scalar
