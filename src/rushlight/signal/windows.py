"""Windows of M samples, symmetric (`sym=True`) or one period of M + 1 symmetric ones."""

from __future__ import annotations

from math import pi

from .. import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .._C import Tensor

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _checked(name: str, M: int, dtype: Any, layout: Any) -> Any:
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout is not None and layout is not _C.strided:
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    dtype = _C.get_default_dtype() if dtype is None else dtype
    if dtype not in (_C.float32, _C.float64):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {dtype}")
    return dtype


def _places(first: float, last: float, M: int, dtype: Any, device: Any) -> Tensor:
    return _C.linspace(first, last, M, dtype=dtype, device=device)


def _empty(dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    return _C.empty((0,), dtype=dtype, device=device, requires_grad=requires_grad)


def exponential(M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None,
                layout: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """exp(-|n - center| / tau); a symmetric window has its centre in the middle."""
    dtype = _checked("exponential", M, dtype, layout)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    if M == 0:
        return _empty(dtype, device, requires_grad)
    if center is None:
        center = (M if not sym and M > 1 else M - 1) / 2.0
    n = _places(-center / tau, (-center + M - 1) / tau, M, dtype, device)
    return _C.exp(-_C.abs(n)).requires_grad_(requires_grad)


def cosine(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
           requires_grad: bool = False) -> Tensor:  # fmt: skip
    """sin(pi (n + 1/2) / M)."""
    dtype = _checked("cosine", M, dtype, layout)
    if M == 0:
        return _empty(dtype, device, requires_grad)
    step = pi / (M + 1 if not sym and M > 1 else M)
    n = _places(0.5 * step, (0.5 + M - 1) * step, M, dtype, device)
    return _C.sin(n).requires_grad_(requires_grad)


def gaussian(M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """exp(-(n / std)^2 / 2), n counted from the middle."""
    dtype = _checked("gaussian", M, dtype, layout)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    if M == 0:
        return _empty(dtype, device, requires_grad)
    first = -(M if not sym and M > 1 else M - 1) / 2.0
    scale = 1 / (std * 2**0.5)
    n = _places(first * scale, (first + M - 1) * scale, M, dtype, device)
    return _C.exp(-(n**2)).requires_grad_(requires_grad)


def kaiser(M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
           requires_grad: bool = False) -> Tensor:  # fmt: skip
    """I0(beta sqrt(1 - x^2)) / I0(beta), x from -1 to 1."""
    dtype = _checked("kaiser", M, dtype, layout)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    if M == 0:
        return _empty(dtype, device, requires_grad)
    if M == 1:
        return _C.ones((1,), dtype=dtype, device=device, requires_grad=requires_grad)
    top = _C.tensor(beta, dtype=dtype, device=device)
    step = 2.0 * beta / (M if not sym else M - 1)
    n = _places(-beta, min(beta, -beta + (M - 1) * step), M, dtype, device)
    return (_C.i0(_C.sqrt((top * top - n**2).clamp(min=0))) / _C.i0(top)).requires_grad_(requires_grad)


def general_cosine(M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None,
                   device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The sum of (-1)^i a[i] cos(2 pi i n / (M - 1)).

    >>> import rushlight as torch
    >>> torch.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    dtype = _checked("general_cosine", M, dtype, layout)
    if M == 0:
        return _empty(dtype, device, requires_grad)
    if M == 1:
        return _C.ones((1,), dtype=dtype, device=device, requires_grad=requires_grad)
    if not isinstance(a, list | tuple):
        raise TypeError("Coefficients must be a list/tuple")
    if not a:
        raise ValueError("Coefficients cannot be empty")
    step = 2 * pi / (M if not sym else M - 1)
    n = _places(0, (M - 1) * step, M, dtype, device)
    signed = _C.tensor([(-1) ** i * w for i, w in enumerate(a)], dtype=dtype, device=device)
    i = _C.arange(len(a), dtype=dtype, device=device)
    return (signed.unsqueeze(-1) * _C.cos(i.unsqueeze(-1) * n)).sum(0).requires_grad_(requires_grad)


def general_hamming(M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None,
                    device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """alpha - (1 - alpha) cos(2 pi n / (M - 1))."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], sym=sym, dtype=dtype, layout=layout, device=device,
                          requires_grad=requires_grad)  # fmt: skip


def hamming(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`general_hamming` with alpha 0.54."""
    return general_hamming(M, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad)


def hann(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
         requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`general_hamming` with alpha 0.5: sin(pi n / (M - 1))^2."""
    return general_hamming(
        M, alpha=0.5, sym=sym, dtype=dtype, layout=layout, device=device, requires_grad=requires_grad
    )


def blackman(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`general_cosine` with the coefficients 0.42, 0.5, 0.08."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, dtype=dtype, layout=layout, device=device,
                          requires_grad=requires_grad)  # fmt: skip


def bartlett(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """1 - |2 n / (M - 1) - 1|: a triangle."""
    dtype = _checked("bartlett", M, dtype, layout)
    if M == 0:
        return _empty(dtype, device, requires_grad)
    if M == 1:
        return _C.ones((1,), dtype=dtype, device=device, requires_grad=requires_grad)
    step = 2 / (M if not sym else M - 1)
    n = _places(-1, -1 + (M - 1) * step, M, dtype, device)
    return (1 - _C.abs(n)).requires_grad_(requires_grad)


def nuttall(M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
            requires_grad: bool = False) -> Tensor:  # fmt: skip
    """`general_cosine` with the coefficients 0.3635819, 0.4891775, 0.1365995, 0.0106411.

    Source: Nuttall, Some windows with very good sidelobe behavior, IEEE Trans. ASSP 29, 1981.
    """
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, dtype=dtype, layout=layout,
                          device=device, requires_grad=requires_grad)  # fmt: skip
