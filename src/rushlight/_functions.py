"""Functions of the root namespace that are plain Python: settings, limits of dtypes, windows, the short-time FFT."""

from __future__ import annotations

from . import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._C import Tensor


def typename(obj: Any) -> str:
    """The qualified name of an object's type, `torch.FloatTensor` for tensors.

    >>> import rushlight as torch
    >>> torch.typename(torch.ones(2)), torch.typename(3)
    ('torch.FloatTensor', 'int')
    """
    if isinstance(obj, _C.Tensor):
        return obj.type()
    named = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(named, "__module__", None) or ""
    if module in ("", "builtins", "__builtin__"):
        return named.__qualname__
    if module == "rushlight" or module.startswith("rushlight."):
        module = "torch" + module[len("rushlight") :]
    return f"{module}.{named.__qualname__}"


def compile(
    model: Any = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: str | Callable = "inductor",
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    disable: bool = False,
) -> Any:
    """Returns the function unchanged, as a call or a decorator: rushlight runs eagerly.

    A module comes back in the wrapper that programs expect: `_orig_mod` is the module itself.

    >>> import rushlight as torch
    >>> torch.compile(torch.sin)(torch.zeros(1))
    tensor([0.])
    """
    if model is None:
        return lambda function: compile(function, disable=disable)
    if disable or not isinstance(model, _C.ModuleBase):
        return model
    from ._dynamo import OptimizedModule

    return OptimizedModule(model)  # type: ignore[arg-type]


def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices, as `mm`; in PyTorch the first may be sparse.

    >>> import rushlight as torch
    >>> torch.spmm(torch.eye(1), torch.ones(1, 2))
    tensor([[1., 1.]])
    """
    return _C.mm(input, mat2)


def is_storage(obj: Any) -> bool:
    """Whether the object is a storage.

    >>> import rushlight as torch
    >>> torch.is_storage(torch.ones(1))
    False
    """
    return not isinstance(obj, _C.Tensor) and type(obj).__name__.endswith("Storage") and hasattr(obj, "data_ptr")


# ---------------------------------------------------------------- settings

# rushlight's kernels give the same result on every run, with any number of threads; what is set here is kept so that
# it can be asked for.
_deterministic = {"mode": 0}
_MODES = ("default", "warn", "error")
_precision = "highest"
_warn_always = False
_interop_threads: int | None = None


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Keeps the wish; results are the same on every run in any case."""
    _deterministic["mode"] = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms(True)` was called last."""
    return _deterministic["mode"] != 0


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether warn_only=True was asked for."""
    return _deterministic["mode"] == 1


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """0 or "default", 1 or "warn", 2 or "error"; RuntimeError for anything else."""
    if isinstance(debug_mode, str):
        if debug_mode not in _MODES:
            raise RuntimeError(
                f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
            )
        debug_mode = _MODES.index(debug_mode)
    if debug_mode not in (0, 1, 2):
        raise RuntimeError(f"invalid value of debug_mode, expected 0, 1, or 2, but got {debug_mode}")
    _deterministic["mode"] = debug_mode


def get_deterministic_debug_mode() -> int:
    """0, 1 or 2: see `set_deterministic_debug_mode`."""
    return _deterministic["mode"]


def set_float32_matmul_precision(precision: str) -> None:
    """Keeps "highest", "high" or "medium"; products of float32 are computed in float32 in any case."""
    global _precision
    if precision not in ("highest", "high", "medium"):
        _warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; "
            "the currentsetFloat32MatmulPrecision call has no effect."
        )
        return
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What was set last."""
    return _precision


def set_flush_denormal(mode: bool) -> bool:
    """Whether the mode could be set: only False can, as rushlight keeps denormal numbers."""
    return not mode


def set_warn_always(b: bool) -> None:
    """Keeps whether warnings that are given once should be given always."""
    global _warn_always
    _warn_always = b


def is_warn_always_enabled() -> bool:
    """What was set last."""
    return _warn_always


def get_num_interop_threads() -> int:
    """What was set last, or else the number of threads; operations run one after another in any case."""
    return _C.get_num_threads() if _interop_threads is None else _interop_threads


def set_num_interop_threads(num: int) -> None:
    """Keeps the number; RuntimeError unless it is positive."""
    global _interop_threads
    if num <= 0:
        raise RuntimeError("expects a positive number of threads")
    _interop_threads = num


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *, chunk_size: int | None = None
) -> Callable:
    """`torch.func.vmap`."""
    from .func import vmap

    return vmap(func, in_dims, out_dims, randomness, chunk_size=chunk_size)


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, UserWarning, stacklevel=3)


# ---------------------------------------------------------------- limits of dtypes


class finfo:
    """Limits of a floating-point dtype (of the parts, for a complex one): bits, eps, max, min, tiny, resolution.

    TypeError for other dtypes.

    >>> import rushlight as torch
    >>> torch.finfo(torch.float16).max
    65504.0
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    # name -> (bits, digits after the leading one, largest exponent, decimal digits that survive)
    _FORMATS = {
        "float16": (16, 10, 15, 3),
        "bfloat16": (16, 7, 127, 2),
        "float32": (32, 23, 127, 6),
        "float64": (64, 52, 1023, 15),
    }
    _PARTS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}

    def __init__(self, type: _C.dtype | None = None) -> None:
        name = _dtype_name("finfo", _C.get_default_dtype() if type is None else type)
        name = self._PARTS.get(name, name)
        if name not in self._FORMATS:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'"
            )
        self.bits, mantissa, exponent, digits = self._FORMATS[name]
        self.dtype = name
        self.eps = 2.0**-mantissa
        self.max = (2.0 - self.eps) * 2.0**exponent
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - exponent)
        self.resolution = float(f"1e-{digits}")

    def __repr__(self) -> str:
        numbers = ((field, getattr(self, field)) for field in "resolution min max eps smallest_normal tiny".split())
        return f"finfo({', '.join(f'{field}={number:g}' for field, number in numbers)}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class iinfo:
    """Limits of an integer dtype: bits, min, max. TypeError for other dtypes.

    >>> import rushlight as torch
    >>> torch.iinfo(torch.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: _C.dtype) -> None:
        name = _dtype_name("iinfo", type)
        if type.is_floating_point or type.is_complex:
            raise TypeError("torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'")
        if name == "bool":
            raise TypeError("torch.bool is not supported by torch.iinfo")
        self.dtype = name
        self.bits = 8 * type.itemsize
        self.min = 0 if name[0] == "u" else -(1 << self.bits - 1)
        self.max = (1 << self.bits) - 1 if name[0] == "u" else (1 << self.bits - 1) - 1

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


def _dtype_name(function: str, dtype: Any) -> str:
    if not isinstance(dtype, _C.dtype):
        raise TypeError(f"{function}(): argument 'type' (position 1) must be torch.dtype, not {type(dtype).__name__}")
    return str(dtype)[len("torch.") :]


# ---------------------------------------------------------------- windows


def _positions(
    name: str, window_length: int, periodic: bool, dtype: Any, device: Any
) -> tuple[Tensor, float, Any] | None:
    """0, 1, ... of a window, where the last would be, and the dtype; None when the window is all ones.

    A periodic window is a symmetric one that is longer by one, without its last element.
    """
    if window_length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={window_length}")
    dtype = _C.get_default_dtype() if dtype is None else dtype
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    if window_length <= 1:
        return None
    last = float(window_length if periodic else window_length - 1)
    return _C.arange(window_length, dtype=dtype, device=device), last, dtype


def _cosine_window(
    name: str,
    weights: tuple[float, ...],
    window_length: int,
    periodic: bool,
    dtype: Any,
    device: Any,
    requires_grad: bool,
) -> Tensor:
    """sum_k (-1)^k weights_k cos(2 pi k n / N)."""
    place = _positions(name, window_length, periodic, dtype, device)
    if place is None:
        window = _C.ones(window_length, dtype=dtype, device=device)
    else:
        angle = place[0] * (2 * 3.141592653589793 / place[1])
        window = weights[0] - weights[1] * angle.cos()
        if len(weights) > 2:
            window = window + weights[2] * (2 * angle).cos()
    return window.requires_grad_(requires_grad)


def hann_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """1/2 - 1/2 cos(2 pi n / N): (window_length,), with N = window_length, or one less where periodic=False.

    >>> import rushlight as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _cosine_window("hann_window", (0.5, 0.5), window_length, periodic, dtype, device, requires_grad)


def hamming_window(
    window_length: int,
    periodic: bool = True,
    alpha: float = 0.54,
    beta: float = 0.46,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """alpha - beta cos(2 pi n / N): (window_length,); N as in `hann_window`.

    >>> import rushlight as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return _cosine_window("hamming_window", (alpha, beta), window_length, periodic, dtype, device, requires_grad)


def blackman_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """0.42 - 0.5 cos(2 pi n / N) + 0.08 cos(4 pi n / N): (window_length,); N as in `hann_window`.

    >>> import rushlight as torch
    >>> torch.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    window = _cosine_window("blackman_window", (0.42, 0.5, 0.08), window_length, periodic, dtype, device, False)
    return window.requires_grad_(requires_grad)


def bartlett_window(
    window_length: int,
    periodic: bool = True,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """1 - |2 n / N - 1|: (window_length,); N as in `hann_window`.

    >>> import rushlight as torch
    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    place = _positions("bartlett_window", window_length, periodic, dtype, device)
    if place is None:
        window = _C.ones(window_length, dtype=dtype, device=device)
    else:
        window = 1 - (place[0] * (2 / place[1]) - 1).abs()
    return window.requires_grad_(requires_grad)


def kaiser_window(
    window_length: int,
    periodic: bool = True,
    beta: float = 12.0,
    *,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """I0(beta sqrt(1 - (2 n / N - 1)^2)) / I0(beta): (window_length,); N as in `hann_window`.

    >>> import rushlight as torch
    >>> torch.kaiser_window(3, periodic=False)[1]
    tensor(1.)
    """
    place = _positions("kaiser_window", window_length, periodic, dtype, device)
    if place is None:
        window = _C.ones(window_length, dtype=dtype, device=device)
    else:
        n, last, kind = place
        height = (1 - (n * (2 / last) - 1) ** 2).clamp(min=0).sqrt()
        window = _C.i0(beta * height) / _C.i0(_C.tensor(beta, dtype=kind, device=device))
    return window.requires_grad_(requires_grad)


# ---------------------------------------------------------------- the short-time Fourier transform


def _window_of(window: Tensor | None, win_length: int, n_fft: int, like: Tensor) -> Tensor:
    """The window in the middle of n_fft samples."""
    if not 0 < win_length <= n_fft:
        raise RuntimeError(f"stft: expected 0 < win_length <= n_fft, but got win_length={win_length}")
    if window is None:
        window = _C.ones(win_length, dtype=like.dtype, device=like.device)
    elif window.dim() != 1 or window.shape[0] != win_length:
        raise RuntimeError(
            f"stft: expected a 1D window tensor of size equal to win_length={win_length}, "
            f"but got window with size {list(window.shape)}"
        )
    left = (n_fft - win_length) // 2
    return _C.cat([window.new_zeros(left), window, window.new_zeros(n_fft - win_length - left)])


def stft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:
    """X[f, t] = sum_k window[k] input[t hop + k] exp(-2 pi i f k / n_fft): (*, T) -> (*, frequencies, frames).

    `center` pads by n_fft // 2 on both sides, so that frame t is centred at t hop. A real input gives n_fft // 2 + 1
    frequencies unless onesided=False. Without return_complex=True, RuntimeError, as in PyTorch for a real input.
    """
    if return_complex is None and not input.is_complex() and not (window is not None and window.is_complex()):
        raise RuntimeError("stft requires the return_complex parameter be given for real inputs, and will further "
                           "require that return_complex=True in a future PyTorch release.")  # fmt: skip
    hop = n_fft // 4 if hop_length is None else hop_length
    if hop <= 0:
        raise RuntimeError(f"stft: expected hop_length > 0, but got hop_length={hop}")
    if input.dim() not in (1, 2):
        raise RuntimeError(f"stft: expected a 1D or 2D tensor, but got {input.dim()}D tensor")
    whole = _window_of(window, n_fft if win_length is None else win_length, n_fft, input)
    signal = input if input.dim() == 2 else input.unsqueeze(0)
    if center:
        from .nn.functional import pad

        signal = pad(signal.unsqueeze(1), (n_fft // 2, n_fft // 2), mode=pad_mode).squeeze(1)
    if not 0 < n_fft <= signal.shape[-1]:
        raise RuntimeError(f"stft: expected 0 < n_fft < {signal.shape[-1]}, but got n_fft={n_fft}")
    frames = signal.unfold(-1, n_fft, hop) * whole
    if onesided is None:
        onesided = not frames.is_complex()
    norm = "ortho" if normalized else "backward"
    spectrum = (_C.fft_rfft if onesided else _C.fft_fft)(frames, dim=-1, norm=norm).transpose(-2, -1)
    if input.dim() == 1:
        spectrum = spectrum.squeeze(0)
    return spectrum if return_complex or return_complex is None else _C.view_as_real(spectrum)


def istft(
    input: Tensor,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Tensor | None = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Tensor:
    """The signal whose `stft` is nearest to the input: (*, frequencies, frames) -> (*, T).

    Frames are overlapped, added and divided by the overlapped squares of the window; RuntimeError where these vanish.
    Source: Griffin and Lim, Signal estimation from modified short-time Fourier transform, IEEE Trans. ASSP 32, 1984.
    """
    if not input.is_complex():
        raise RuntimeError("istft requires a complex-valued input tensor matching the output from stft with "
                           "return_complex=True.")  # fmt: skip
    hop = n_fft // 4 if hop_length is None else hop_length
    real = _C.view_as_real(input)
    whole = _window_of(window, n_fft if win_length is None else win_length, n_fft, real)
    spectrum = (input if input.dim() == 3 else input.unsqueeze(0)).transpose(1, 2)
    if onesided is None:
        onesided = spectrum.shape[-1] != n_fft
    norm = "ortho" if normalized else "backward"
    if return_complex:
        frames = _C.fft_ifft(spectrum, dim=-1, norm=norm)
    else:  # of a two-sided spectrum the first half is read
        frames = _C.fft_irfft(spectrum if onesided else spectrum[..., : n_fft // 2 + 1], n=n_fft, dim=-1, norm=norm)
    frames = frames * whole
    count = frames.shape[1]
    total = n_fft + hop * (count - 1)
    at = (_C.arange(count).unsqueeze(1) * hop + _C.arange(n_fft)).flatten()
    signal = frames.new_zeros(frames.shape[0], total).index_add(1, at, frames.flatten(1))
    weight = whole.new_zeros(total).index_add(0, at, (whole * whole).repeat(count))
    start = n_fft // 2 if center else 0
    end = total - (n_fft // 2 if center else 0)
    if length is not None:
        end = min(start + length, total)
    signal, weight = signal[:, start:end], weight[start:end]
    if bool((weight.abs() < 1e-11).any()):
        raise RuntimeError("istft: window overlap add min: 1")
    signal = signal / weight
    if length is not None and signal.shape[1] < length:
        from .nn.functional import pad

        signal = pad(signal, (0, length - signal.shape[1]))
    return signal if input.dim() == 3 else signal.squeeze(0)


# ---------------------------------------------------------------- decompositions of low rank


def _range_of(A: Tensor, q: int, niter: int, M: Tensor | None) -> Tensor:
    """An orthonormal basis of about the range of A - M, by `niter` rounds of the power method from q random vectors."""
    product = A.mT.conj()

    def apply(x: Tensor) -> Tensor:
        return A @ x if M is None else A @ x - M @ x

    def adjoint(x: Tensor) -> Tensor:
        return product @ x if M is None else product @ x - M.mT.conj() @ x

    Q = _C.linalg_qr(apply(_C.randn(A.shape[-1], q, dtype=A.dtype, device=A.device)))[0]
    for _ in range(niter):
        Q = _C.linalg_qr(adjoint(Q))[0]
        Q = _C.linalg_qr(apply(Q))[0]
    return Q


def svd_lowrank(A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None) -> tuple:
    """U, S, V with U diag(S) V^H near A (or A - M): (*, m, n) -> (*, m, q), (*, q), (*, n, q). Random.

    Source: Halko, Martinsson and Tropp, Finding structure with randomness, SIAM Review 53, 2011, algorithm 5.1.
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    m, n = A.shape[-2:]
    if M is not None:
        M = M.broadcast_to(A.shape)
    flat = m < n
    if flat:
        A, M = A.mT.conj(), None if M is None else M.mT.conj()
    Q = _range_of(A, q, niter, M)
    B = Q.mT.conj() @ A
    if M is not None:
        B = B - Q.mT.conj() @ M
    U, S, Vh = _C.linalg_svd(B, full_matrices=False)
    U, V = Q @ U, Vh.mT.conj()
    return (V, S, U) if flat else (U, S, V)


def pca_lowrank(A: Tensor, q: int | None = None, center: bool = True, niter: int = 2) -> tuple:
    """`svd_lowrank` of A with each column's mean taken off (unless center=False); q is at most 6 by default."""
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)
