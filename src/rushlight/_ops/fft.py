"""Discrete Fourier transforms: NumPy's, with derivatives that are transforms themselves.

Three transforms do all the work: complex to complex, real to one-sided complex and back. Each scales by
n ** -scale, where n counts the points of all transformed dimensions.
"""

import functools

from rushlight._ops.define import composite, python

_NS = dict(method=False, namespaces=("fft",))


# NumPy's names, of forward transforms and of inverse ones.
_NORM = {
    (True, 0.0): "backward", (True, 0.5): "ortho", (True, 1.0): "forward",
    (False, 0.0): "forward", (False, 0.5): "ortho", (False, 1.0): "backward",
}  # fmt: skip


@functools.cache
def _single_precision():
    """An array to write to. NumPy scales by a Python number, to go with which it picks its loops for double precision; here
    the number becomes one of single precision. None before NumPy 2, which transforms in double precision only."""
    import numpy

    if int(numpy.__version__.partition(".")[0]) < 2:
        return None

    class SinglePrecision(numpy.ndarray):
        def __array_ufunc__(self, ufunc, method, array, factor, *, out, **options):
            getattr(ufunc, method)(array, numpy.float32(factor), out=self.view(numpy.ndarray), **options)
            return self

    return SinglePrecision


def _along(name, array, d, n, scale):
    """NumPy's transform of that name along dimension d, of n points."""
    import numpy

    options = {}
    if array.dtype in (numpy.float32, numpy.complex64) and (single := _single_precision()):
        shape = list(array.shape)
        shape[d] = n // 2 + 1 if name == "rfft" else n
        out = numpy.empty(shape, numpy.float32 if name == "irfft" else numpy.complex64)
        options["out"] = out.view(single)
    norm = _NORM[name in ("fft", "rfft"), scale]
    return numpy.asarray(getattr(numpy.fft, name)(array, n, d, norm, **options))


def _tensor(array, dtype):
    import numpy

    from rushlight import _C

    return _C.from_numpy(numpy.ascontiguousarray(array)).to(dtype)


def _complex_of(dtype):
    from rushlight import _C

    return {_C.float32: _C.complex64, _C.complex64: _C.complex64}.get(dtype, _C.complex128)


def _real_of(dtype):
    from rushlight import _C

    return _C.float32 if dtype == _C.complex64 else _C.float64


@python("_fft_c2c(Tensor input, int[] dim, float scale, bool forward) -> Tensor", method=False, node="FftC2CBackward0",
        derivative="_fft_c2c(grad, dim, scale, not forward)")  # fmt: skip
def _fft_c2c(input, dim, scale, forward):
    array = input.detach().numpy()
    for d in reversed(dim):
        array = _along("fft" if forward else "ifft", array, d, array.shape[d], scale)
    return _tensor(array, input.dtype)


@python("_fft_r2c(Tensor input, int[] dim, float scale) -> Tensor", method=False, node="FftR2CBackward0",
        derivative="_fft_r2c_backward(grad, dim, scale, input.shape[dim[-1]])")  # fmt: skip
def _fft_r2c(input, dim, scale):
    array = input.detach().numpy()
    array = _along("rfft", array, dim[-1], array.shape[dim[-1]], scale)
    for d in reversed(dim[:-1]):
        array = _along("fft", array, d, array.shape[d], scale)
    return _tensor(array, _complex_of(input.dtype))


@python("_fft_c2r(Tensor input, int[] dim, float scale, int last) -> Tensor", method=False, node="FftC2RBackward0",
        derivative="_fft_c2r_backward(grad, dim, scale, last)")  # fmt: skip
def _fft_c2r(input, dim, scale, last):
    array = input.detach().numpy()
    for d in dim[:-1]:
        array = _along("ifft", array, d, array.shape[d], scale)
    return _tensor(_along("irfft", array, dim[-1], last, scale), _real_of(input.dtype))


@python("_fft_r2c_backward(Tensor grad, int[] dim, float scale, int n) -> Tensor", method=False)
def _fft_r2c_backward(grad, dim, scale, n):
    from rushlight import _C

    missing = list(grad.shape)
    missing[dim[-1]] = n - missing[dim[-1]]
    full = _C.cat([grad, grad.new_zeros(missing)], dim[-1])
    return _C._fft_c2c(full, dim, scale, False).real


@python("_fft_c2r_backward(Tensor grad, int[] dim, float scale, int last) -> Tensor", method=False)
def _fft_c2r_backward(grad, dim, scale, last):
    """Every frequency but the first and, of an even number of points, the last stands for its conjugate too."""
    from rushlight import _C

    spectrum = _C._fft_r2c(grad, dim, scale)
    doubled = (last - 1) // 2
    weight = _C.ones([spectrum.shape[dim[-1]]], dtype=grad.dtype)
    weight[1 : 1 + doubled] = 2
    return spectrum * weight.reshape([-1 if d == dim[-1] % grad.dim() else 1 for d in range(grad.dim())])


# ---------------------------------------------------------------- arguments as PyTorch takes them


def _floating(x):
    from rushlight import _C

    if x.dtype in (_C.float16, _C.bfloat16):
        raise RuntimeError(f"Unsupported dtype {'Half' if x.dtype == _C.float16 else 'BFloat16'}")
    return x if x.is_floating_point() or x.is_complex() else x.to(_C.get_default_dtype())


def _as_complex(x):
    """Unlike .to(), whose gradient is a cast with a warning, this one's is the real part."""
    from rushlight import _C

    return x if x.is_complex() else _C.complex(x, _C.zeros_like(x))


def _scale(norm, forward):
    try:
        return {None: 0.0 if forward else 1.0, "backward": 0.0 if forward else 1.0, "forward": 1.0 if forward else 0.0, "ortho": 0.5}[norm]
    except KeyError:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"') from None


def _resized(x, dims, sizes):
    """Cut, or filled up with zeros, to the sizes along dims."""
    from rushlight import _C

    for d, n in zip(dims, sizes, strict=True):
        if n is None or n == -1 or n == x.shape[d]:
            continue
        if n < 1:
            raise RuntimeError(f"Invalid number of data points ({n}) specified")
        if n < x.shape[d]:
            x = x.narrow(d, 0, n)
        else:
            more = list(x.shape)
            more[d] = n - x.shape[d]
            x = _C.cat([x, x.new_zeros(more)], d)
    return x


def _dims(x, s, dim):
    ndim = x.dim()
    if dim is None:
        dim = range(ndim) if s is None else range(ndim - len(s), ndim)
    for d in dim:
        if not -ndim <= d < ndim:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got {d})")
    dims = [d % ndim for d in dim]
    if len(set(dims)) != len(dims):
        raise RuntimeError("FFT dims must be unique")
    if s is not None and len(s) != len(dims):
        raise RuntimeError("When given, dim and shape arguments must have the same length")
    return dims, list(s) if s is not None else [None] * len(dims)


def _transform(kind, x, s, dim, norm):
    """kind: c (complex), r (real to one-sided) or i (one-sided to real); upper case for the inverse direction."""
    from rushlight import _C

    forward = kind in "cr"
    x = _floating(x)
    scale = _scale(norm, forward)
    dims, sizes = _dims(x, s, dim)
    if not dims:
        return _as_complex(x) if kind in "cC" else x
    if kind == "r":
        if x.is_complex():
            raise RuntimeError(f"rfft expects a real input tensor, but got {'ComplexFloat' if x.dtype == _C.complex64 else 'ComplexDouble'}")
        x = _resized(x, dims, sizes)
        if 0 in [x.shape[d] for d in dims]:
            raise RuntimeError("Invalid number of data points (0) specified")
        return _C._fft_r2c(x, dims, scale)
    x = _as_complex(x)
    if kind == "I":
        last = sizes[-1] if sizes[-1] not in (None, -1) else 2 * (x.shape[dims[-1]] - 1)
        if last < 1:
            raise RuntimeError(f"Invalid number of data points ({last}) specified")
        x = _resized(x, dims, [*sizes[:-1], last // 2 + 1])
        return _C._fft_c2r(x, dims, scale, last)
    x = _resized(x, dims, sizes)
    if 0 in [x.shape[d] for d in dims]:
        raise RuntimeError("Invalid number of data points (0) specified")
    return _C._fft_c2c(x, dims, scale, forward)


@python("fft_transform(Tensor input, str kind, int[]? s, int[]? dim, str? norm) -> Tensor", function=False, method=False)
def fft_transform(input, kind, s, dim, norm):
    return _transform(kind, input, s, dim, norm)


@python("fft_transform_1d(Tensor input, str kind, int? length, int dim, str? norm) -> Tensor", function=False, method=False)
def fft_transform_1d(input, kind, length, dim, norm):
    if input.dim() == 0:
        raise IndexError("Dimension specified as -1 but tensor has no dimensions")
    return _transform(kind, input, None if length is None else [length], [dim], norm)


for _name, _kind, _doc in (("fft", "c", "The Fourier transform"), ("ifft", "C", "The inverse Fourier transform"),
                           ("rfft", "r", "The non-negative frequencies of the Fourier transform of real numbers"),
                           ("irfft", "I", "The real numbers that have given non-negative frequencies")):  # fmt: skip
    composite(f"fft_{_name}(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor",
              f'fft_transform_1d(input, "{_kind}", n, dim, norm)', out=True, **_NS, doc=f"{_doc}, along one dimension.")  # fmt: skip
    composite(f"fft_{_name}2(Tensor input, int[1]? s=None, int[1] dim=(-2, -1), str? norm=None) -> Tensor",
              f'fft_transform(input, "{_kind}", s, dim, norm)', out=True, **_NS, doc=f"{_doc}, along two dimensions.")  # fmt: skip
    composite(f"fft_{_name}n(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor",
              f'fft_transform(input, "{_kind}", s, dim, norm)', out=True, **_NS, doc=f"{_doc}, along any dimensions.")  # fmt: skip


_OPPOSITE = {None: "forward", "backward": "forward", "forward": "backward"}  # hfft() is an inverse transform, scaled as a forward one


@python("fft_hfft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor", out=True, **_NS,
        doc="The (real) Fourier transform of a signal that is Hermitian in time, of which one half is given.")  # fmt: skip
def fft_hfft(input, n, dim, norm):
    from rushlight import _C

    return _C.fft_irfft(_as_complex(_floating(input)).conj(), n, dim, _OPPOSITE.get(norm, norm))


@python("fft_ihfft(Tensor input, int? n=None, int dim=-1, str? norm=None) -> Tensor", out=True, **_NS, doc="The inverse of hfft().")
def fft_ihfft(input, n, dim, norm):
    from rushlight import _C

    return _C.fft_rfft(input, n, dim, _OPPOSITE.get(norm, norm)).conj()


@python("fft_hfft2(Tensor input, int[1]? s=None, int[1] dim=(-2, -1), str? norm=None) -> Tensor", out=True, **_NS,
        doc="hfft() along the last of two dimensions, after fft() along the others.")  # fmt: skip
def fft_hfft2(input, s, dim, norm):
    from rushlight import _C

    return _C.fft_irfftn(_as_complex(_floating(input)).conj(), s, dim, _OPPOSITE.get(norm, norm))


@python("fft_ihfft2(Tensor input, int[1]? s=None, int[1] dim=(-2, -1), str? norm=None) -> Tensor", out=True, **_NS,
        doc="The inverse of hfft2().")  # fmt: skip
def fft_ihfft2(input, s, dim, norm):
    from rushlight import _C

    return _C.fft_rfftn(input, s, dim, _OPPOSITE.get(norm, norm)).conj()


@python("fft_hfftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", out=True, **_NS,
        doc="hfft() along the last of any dimensions, after fft() along the others.")  # fmt: skip
def fft_hfftn(input, s, dim, norm):
    from rushlight import _C

    return _C.fft_irfftn(_as_complex(_floating(input)).conj(), s, dim, _OPPOSITE.get(norm, norm))


@python("fft_ihfftn(Tensor input, int[1]? s=None, int[1]? dim=None, str? norm=None) -> Tensor", out=True, **_NS,
        doc="The inverse of hfftn().")  # fmt: skip
def fft_ihfftn(input, s, dim, norm):
    from rushlight import _C

    return _C.fft_rfftn(input, s, dim, _OPPOSITE.get(norm, norm)).conj()


# ---------------------------------------------------------------- frequencies


@python("fft_fftfreq(int n, float d=1.0, *, dtype? dtype=None, layout? layout=None, device? device=None, bool? pin_memory=False, "
        "bool? requires_grad=False) -> Tensor", out=True, **_NS, doc="The frequencies of fft()'s n results, for samples d apart.")  # fmt: skip
def fft_fftfreq(n, d, dtype, layout, device, pin_memory, requires_grad):
    from rushlight import _C

    half = (n + 1) // 2
    steps = _C.cat([_C.arange(0, half), _C.arange(-(n // 2), 0)]).to(dtype or _C.get_default_dtype())
    return (steps * (1.0 / (n * d))).requires_grad_(bool(requires_grad))


@python("fft_rfftfreq(int n, float d=1.0, *, dtype? dtype=None, layout? layout=None, device? device=None, bool? pin_memory=False, "
        "bool? requires_grad=False) -> Tensor", out=True, **_NS, doc="The frequencies of rfft()'s results for n samples d apart.")  # fmt: skip
def fft_rfftfreq(n, d, dtype, layout, device, pin_memory, requires_grad):
    from rushlight import _C

    steps = _C.arange(0, n // 2 + 1).to(dtype or _C.get_default_dtype())
    return (steps * (1.0 / (n * d))).requires_grad_(bool(requires_grad))


@python("fft_fftshift(Tensor input, int[1]? dim=None) -> Tensor", **_NS, doc="Frequency 0 moved to the middle.")
def fft_fftshift(input, dim):
    dims = list(range(input.dim())) if dim is None else list(dim)
    return input.roll([input.shape[d] // 2 for d in dims], dims)


@python("fft_ifftshift(Tensor input, int[1]? dim=None) -> Tensor", **_NS, doc="The inverse of fftshift().")
def fft_ifftshift(input, dim):
    dims = list(range(input.dim())) if dim is None else list(dim)
    return input.roll([(input.shape[d] + 1) // 2 for d in dims], dims)

# ---------------------------------------------------------------- methods; the functions are in _functions.py


@python("stft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, "
        "str pad_mode='reflect', bool normalized=False, bool? onesided=None, bool? return_complex=None, bool? align_to_window=None) -> Tensor",
        function=False, doc="torch.stft().")  # fmt: skip
def stft(input, *options):
    from rushlight import stft as function

    return function(input, *options)


@python("istft(Tensor input, int n_fft, int? hop_length=None, int? win_length=None, Tensor? window=None, bool center=True, "
        "bool normalized=False, bool? onesided=None, int? length=None, bool return_complex=False) -> Tensor",
        function=False, doc="torch.istft().")  # fmt: skip
def istft(input, *options):
    from rushlight import istft as function

    return function(input, *options)
