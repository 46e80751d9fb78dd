"""What fits no family: normalisations with their statistics, reductions by index, shapes and small questions."""

from rushlight._ops.define import binary, composite, native, python

# ---------------------------------------------------------------- statistics beside the result


@python("native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)", method=False,
        doc="layer_norm(), the means and the reciprocal standard deviations.")  # fmt: skip
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    from rushlight import _C

    out = _C.layer_norm(input, normalized_shape, weight, bias, eps)
    with _C.no_grad():
        dims = list(range(-len(normalized_shape), 0))
        mean = input.mean(dims, keepdim=True)
        return out, mean, (input.var(dims, correction=0, keepdim=True) + eps).rsqrt()


@python("native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> (Tensor, Tensor, Tensor)",
        method=False, doc="group_norm() of N samples of C channels, the means and the reciprocal standard deviations.")  # fmt: skip
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    from rushlight import _C

    sets = input.reshape(N, group, C // group * HxW)
    return _C.group_norm(input, group, weight, bias, eps), sets.mean(-1), (sets.var(-1, correction=0) + eps).rsqrt()


@python("native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, "
        "float eps) -> (Tensor, Tensor, Tensor)", method=False, out=True,
        doc="batch_norm(), and in training the means and reciprocal standard deviations (else two empty tensors).")  # fmt: skip
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    from rushlight import _C

    out = _C.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return out, input.new_empty(0), input.new_empty(0)
    with _C.no_grad():
        dims = [0, *range(2, input.dim())]
        return out, input.mean(dims), (input.var(dims, correction=0) + eps).rsqrt()


@python("native_dropout(Tensor input, float p, bool? train) -> (Tensor, Tensor)", method=False, doc="dropout(), and which elements stayed.")
def native_dropout(input, p, train):
    from rushlight import _C

    if train is False or input.numel() == 0:
        return input.clone(), _C.ones_like(input, dtype=_C.bool)
    mask = _C.empty_like(input).bernoulli_(1 - p)
    return input * mask * (0.0 if p == 1 else 1 / (1 - p)), mask.bool()


# ---------------------------------------------------------------- by index


@python("index_reduce(Tensor input, int dim, Tensor index, Tensor source, str reduce, *, bool include_self=True) -> Tensor", inplace=True, out="exact apart",
        doc='Folds the slices of source along dim into those of input that index names: "prod", "mean", "amax" or "amin".')  # fmt: skip
def index_reduce(input, dim, index, source, reduce, include_self):
    from rushlight import _C

    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.")
    if index.dim() > 1:
        raise IndexError("index_reduce_(): Index is supposed to be a vector")
    scalar = input.dim() == 0
    base, part = (input.reshape(1), source.reshape(-1)) if scalar else (input, source)
    shape = [1] * base.dim()
    shape[dim] = -1
    places = index.long().reshape(shape).expand(part.shape)
    result = _C.scatter_reduce(base, dim, places, part, reduce, include_self=include_self)
    return result.reshape([]) if scalar else result


@python("nonzero_static(Tensor input, *, int size, int fill_value=-1) -> Tensor", out=True,
        doc="nonzero() cut or filled up to `size` rows.")  # fmt: skip
def nonzero_static(input, size, fill_value):
    found = input.nonzero()[:size]
    out = found.new_full((size, input.dim()), fill_value)
    out[: len(found)] = found
    return out


@python("unravel_index(Tensor indices, object shape) -> object", method=False,
        doc="Positions in the flattened tensor of that shape as one index a dimension.")  # fmt: skip
def unravel_index(indices, shape):
    sizes = [shape] if isinstance(shape, int) else [int(s) for s in shape]
    if any(s < 0 for s in sizes):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(sizes)}")
    out = []
    for size in reversed(sizes):
        out.append(indices % size)
        indices = indices.div(size, rounding_mode="floor")
    return tuple(reversed(out))


@python("fill_diagonal_(Tensor input, Scalar fill_value, bool wrap=False) -> Tensor", function=False,
        doc="The main diagonal filled; with wrap, of a tall matrix again below each block of columns.")  # fmt: skip
def fill_diagonal_(input, fill_value, wrap):
    if input.dim() < 2:
        raise RuntimeError("dimensions must larger than 1")
    if input.dim() > 2 and len(set(input.shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    side = min(input.shape)
    input.as_strided([side], [sum(input.stride())], input.storage_offset()).fill_(fill_value)
    rows, columns = input.shape[:2]
    for start in range(columns + 1, rows, columns + 1) if wrap and input.dim() == 2 else ():
        input[start:].diagonal().fill_(fill_value)
    return input


# ---------------------------------------------------------------- elementwise


@python("frexp(Tensor input) -> (Tensor mantissa, Tensor exponent)", derivative="grad_mantissa / exp2(to_dtype(exponent, float64))", out=True,
        doc="mantissa * 2 ** exponent = input, with the mantissa's magnitude in [0.5, 1).")  # fmt: skip
def frexp(input):
    import numpy

    from rushlight import _C

    if not input.is_floating_point():
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    wide = input.detach() if input.dtype != _C.bfloat16 else input.detach().float()
    mantissa, exponent = numpy.frexp(wide.numpy())
    return _C.from_numpy(numpy.array(mantissa)).to(input.dtype), _C.from_numpy(numpy.array(exponent, dtype=numpy.int32))


_SLOPE = "grad * exp((input - 1) * log(other) - other - lgamma(input))"
binary("igamma", "sf_igamma(a, b)", {"other": _SLOPE}, other="Tensor", float_result=True, alias=("special_gammainc",),
       doc="The lower incomplete gamma function of (input, other), divided by gamma(input).")  # fmt: skip
binary("igammac", "sf_igammac(a, b)", {"other": f"-({_SLOPE})"}, other="Tensor", float_result=True, alias=("special_gammaincc",),
       doc="The upper incomplete gamma function of (input, other), divided by gamma(input).")  # fmt: skip

# ---------------------------------------------------------------- questions; complex conjugates are computed at once here

for _name, _doc in (("resolve_conj", "The tensor itself: conjugates are computed at once."),
                    ("resolve_neg", "The tensor itself: negatives are computed at once.")):  # fmt: skip
    native(f"{_name}(Tensor input) -> Tensor", records=True, doc=_doc, code=f"""
Tensor *rl_{_name}(Tensor *input) {{ return (Tensor *)Py_NewRef((PyObject *)input); }}
""")  # fmt: skip
for _name, _doc in (("is_conj", "Whether a conjugation is pending: never."), ("is_neg", "Whether a negation is pending: never.")):
    native(f"{_name}(Tensor input) -> object", doc=_doc, records=True, code=f"""
PyObject *rl_{_name}(Tensor *input) {{ (void)input; Py_RETURN_FALSE; }}
""")  # fmt: skip


@python("dim_order(Tensor input) -> object", function=False, doc="The dimensions from the outermost in memory to the innermost.")
def dim_order(input):
    return tuple(sorted(range(input.dim()), key=lambda d: -input.stride(d)))


@python("module_load(Tensor input, Tensor other, bool assign=False) -> Tensor", function=False,
        doc="What load_state_dict() puts into a parameter: other itself with assign, else this tensor overwritten by it.")  # fmt: skip
def module_load(input, other, assign):
    return other.detach() if assign else input.copy_(other).detach()


@python("empty_permuted(int[] size, int[] physical_layout, *, dtype? dtype=None, layout? layout=None, device? device=None, "
        "bool? pin_memory=False, bool? requires_grad=False) -> Tensor", method=False,
        doc="empty(size) whose dimensions lie in memory in the order physical_layout, outermost first.")  # fmt: skip
def empty_permuted(size, physical_layout, dtype, layout, device, pin_memory, requires_grad):
    from rushlight import _C

    if sorted(physical_layout) != list(range(len(size))):
        raise RuntimeError("Number of dimensions in size does not match the length of the physical_layout; i.e. "
                           f"len(size) = {len(size)} is not equal to len(physical_layout) = {len(physical_layout)}")  # fmt: skip
    raw = _C.empty([size[d] for d in physical_layout], dtype=dtype, device=device)
    places = [physical_layout.index(d) for d in range(len(size))]
    return raw.permute(places).requires_grad_(bool(requires_grad))


composite("frobenius_norm(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor", "linalg_vector_norm(input, 2, dim, keepdim)", out=True,
          method=False, doc="The root of the sum of squares.")  # fmt: skip


# ---------------------------------------------------------------- methods of what is a Python function elsewhere


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


@python("__reversed__(Tensor input) -> Tensor", function=False, doc="flip() along the first dimension.")
def __reversed__(input):
    return input.flip(0) if input.dim() else input
