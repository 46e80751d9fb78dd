"""Order and counting: sort, topk, medians, quantiles, unique elements, histograms, comparisons of whole tensors."""

from rushlight._ops.define import composite, native, python

_SELECT = "value_selecting_backward(grad_values, dim, indices, input.shape, keepdim)"

# ---------------------------------------------------------------- order

native("sort.stable(Tensor input, *, bool? stable, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", out="exact apart",
       node="SortBackward0", derivative="value_selecting_backward(grad_values, dim, indices, input.shape, True)")  # fmt: skip
native("sort(Tensor input, int dim=-1, bool descending=False) -> (Tensor values, Tensor indices)", records=True, out="exact apart", code="""
int rl_sort(Tensor *input, int64_t dim, bool descending, Tensor **out) { return rl_sort_stable(input, 1, dim, descending, out); }
""", doc="""The elements along dim in order, and where each was. Always stable; NaN comes last.

       >>> import rushlight as torch
       >>> torch.sort(torch.tensor([3., 1., 2.])).indices
       tensor([1, 2, 0])
       """)  # fmt: skip
composite("argsort(Tensor input, int dim=-1, bool descending=False) -> Tensor", """
values, order = sort(input, dim, descending)
return order
""", doc="""The positions that would sort the elements along dim.

       >>> import rushlight as torch
       >>> torch.tensor([3, 1, 2]).argsort()
       tensor([1, 2, 0])
       """)  # fmt: skip
composite("argsort.stable(Tensor input, *, bool stable, int dim=-1, bool descending=False) -> Tensor", "argsort(input, dim, descending)", out=True)
composite("msort(Tensor input) -> Tensor", """
values, order = sort(input, 0)
return values
""", out="exact apart", doc="The elements in order along the first dimension.")  # fmt: skip
native("topk(Tensor input, int k, int dim=-1, bool largest=True, bool sorted=True) -> (Tensor values, Tensor indices)", out="exact apart",
       derivative="value_selecting_backward(grad_values, dim, indices, input.shape, True)",
       doc="""The k largest (or smallest) elements along dim, in order, and where they are.

       >>> import rushlight as torch
       >>> values, indices = torch.tensor([3.0, 9.0, 5.0]).topk(2)
       >>> values
       tensor([9., 5.])
       >>> indices
       tensor([1, 2])
       """)  # fmt: skip
native("kthvalue(Tensor input, int k, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", out="exact distinct",
       derivative=_SELECT, doc="The k-th smallest element along dim, counted from 1, and where it is.")  # fmt: skip
for _name, _doc in (("median", "The lower median; NaN wins."), ("nanmedian", "The lower median of what is not NaN.")):
    native(f"{_name}(Tensor input) -> Tensor", derivative="evenly_backward(grad, input, result)", doc=_doc)
    native(f"{_name}.dim(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", out=True,
           node=f"{_name.title()}Backward1", derivative=_SELECT)  # fmt: skip
native("mode(Tensor input, int dim=-1, bool keepdim=False) -> (Tensor values, Tensor indices)", out="exact distinct", derivative=_SELECT,
       doc="The most frequent element along dim (the smallest of equals) and a place where it is.")  # fmt: skip


@python("quantile_of(Tensor input, object q, int? dim, bool keepdim, str interpolation, bool skip_nan) -> Tensor", function=False, method=False)
def quantile_of(input, q, dim, keepdim, interpolation, skip_nan):
    from rushlight import _C

    name = "nanquantile" if skip_nan else "quantile"
    if not input.is_floating_point() or input.dtype in (_C.float16, _C.bfloat16):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    q = _C.tensor(q, dtype=input.dtype) if not isinstance(q, _C.Tensor) else q
    if q.dim() > 1:
        raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
    if q.dtype != input.dtype:
        raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if q.numel() and not bool(((q >= 0) & (q <= 1)).all()):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if interpolation not in ("linear", "lower", "higher", "midpoint", "nearest"):
        raise RuntimeError(f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}")
    if input.numel() == 0:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    ndim = input.dim()
    if dim is None:
        x, at = input.reshape(-1), None
    else:
        at = dim % ndim if ndim else 0
        x = input.movedim(at, -1) if ndim else input.reshape(1)
    x = x.sort(-1)[0]
    last = x.shape[-1] - 1
    points = q.reshape(-1)
    nan = x.isnan()
    if skip_nan:  # NaN were sorted to the end; without any other element the first NaN is the answer
        rank = (nan.logical_not().sum(-1, keepdim=True) - 1).clamp(min=0) * points
    else:
        rank = (points * last).expand(*x.shape[:-1], -1)
        rank = _C.where(nan.any(-1, keepdim=True), float(last), rank)
    if interpolation == "nearest":
        rank = rank.round()
    elif interpolation == "lower":
        rank = rank.floor()
    elif interpolation == "higher":
        rank = rank.ceil()
    below = rank.floor().to(_C.int64)
    value = x.gather(-1, below)
    if interpolation in ("linear", "midpoint"):
        weight = _C.full_like(rank, 0.5) if interpolation == "midpoint" else rank - below
        above = x.gather(-1, rank.ceil().to(_C.int64))
        value = value.lerp(above, weight)
    value = value.movedim(-1, 0)  # the points come first, then what is left of the shape
    if keepdim:
        value = value.reshape(-1, *([1] * ndim)) if at is None else value.unsqueeze(at + 1) if ndim else value.reshape(-1)
    elif ndim == 0:
        value = value.reshape(-1)
    return value if q.dim() else value.squeeze(0)


for _name in ("quantile", "nanquantile"):
    composite(f"{_name}(Tensor input, object q, int? dim=None, bool keepdim=False, *, str interpolation='linear') -> Tensor",
              f"quantile_of(input, q, dim, keepdim, interpolation, {_name == 'nanquantile'})", out=True, autocast="float32",
              doc="The elements that a share q of the others (along dim) lie below, by interpolation between neighbours.")  # fmt: skip


# ---------------------------------------------------------------- unique elements


def _runs(x, new, places, return_inverse, return_counts, shape):
    """What unique() returns, for x in which `new` marks where a run of equal elements begins; x[i] was at places[i]."""
    from rushlight import _C

    values = x[new]
    inverse = counts = None
    if return_inverse:
        number = new.to(_C.int64).cumsum(0) - 1
        inverse = number if places is None else _C.empty_like(number).scatter_(0, places, number)
        inverse = inverse.reshape(shape)
    if return_counts:
        begin = new.nonzero().reshape(-1)
        counts = _C.cat([begin[1:], begin.new_tensor([x.shape[0]])]) - begin if x.shape[0] else begin
    return values, inverse, counts


def _chosen(result, return_inverse, return_counts):
    values, inverse, counts = result
    given = [values, *([inverse] if return_inverse else []), *([counts] if return_counts else [])]
    return tuple(given) if len(given) > 1 else values


def _begins(x):
    """Where x differs from what is before it, in one dimension or by rows."""
    from rushlight import _C

    first = _C.ones([min(1, x.shape[0])], dtype=_C.bool)
    differs = x[1:] != x[:-1]
    return _C.cat([first, _rows(differs).any(1) if x.dim() > 1 else differs])


def _rows(x):
    """x as a matrix, one row a position of its first dimension; -1 in reshape() cannot count in the absence of elements."""
    n = x.shape[0]
    if n and not x.numel():
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    return x.reshape(n, x.numel() // n if n else 0)


@python("unique(Tensor input, bool sorted=True, bool return_inverse=False, bool return_counts=False, int? dim=None) -> object",
        doc="""The different elements, in order; with dim, the different slices of that dimension.

        >>> import rushlight as torch
        >>> torch.unique(torch.tensor([2, 1, 2]), return_counts=True)
        (tensor([1, 2]), tensor([1, 2]))
        """)  # fmt: skip
def unique(input, sorted, return_inverse, return_counts, dim):
    from rushlight import _C

    input = input.detach()
    if dim is None:
        values, order = input.reshape(-1).sort(stable=True)
        return _chosen(_runs(values, _begins(values), order, return_inverse, return_counts, input.shape), return_inverse, return_counts)
    import numpy

    rows = input.movedim(dim, 0)
    flat = _rows(rows).numpy()
    order = _C.from_numpy(numpy.ascontiguousarray(numpy.lexsort(flat.T[::-1]))) if flat.shape[1] else _C.arange(rows.shape[0])
    rows = rows[order]
    values, inverse, counts = _runs(rows, _begins(rows), order, return_inverse, return_counts, [-1])
    return _chosen((values.movedim(0, dim), inverse, counts), return_inverse, return_counts)


@python("unique_consecutive(Tensor input, bool return_inverse=False, bool return_counts=False, int? dim=None) -> object",
        doc="The elements (with dim, the slices) without those that equal the one before them.")  # fmt: skip
def unique_consecutive(input, return_inverse, return_counts, dim):
    input = input.detach()
    if dim is None:
        x = input.reshape(-1)
        return _chosen(_runs(x, _begins(x), None, return_inverse, return_counts, input.shape), return_inverse, return_counts)
    x = input.movedim(dim, 0)
    values, inverse, counts = _runs(x, _begins(x), None, return_inverse, return_counts, [-1])
    return _chosen((values.movedim(0, dim), inverse, counts), return_inverse, return_counts)


# ---------------------------------------------------------------- counting

native("bincount(Tensor input, Tensor? weights=None, int minlength=0) -> Tensor",
       doc="""How often each non-negative integer occurs, or the sum of the weights where it does.

       >>> import rushlight as torch
       >>> torch.tensor([0, 2, 2]).bincount()
       tensor([1, 0, 2])
       """)  # fmt: skip
native("_histc_counts(Tensor input, int bins, float low, float high) -> Tensor", method=False)


@python("histc(Tensor input, int bins=100, Scalar min=0, Scalar max=0) -> Tensor", out=True,
        doc="How many elements lie in each of `bins` equal parts of [min, max]; of the elements' range when both are 0.")  # fmt: skip
def histc(input, bins, min, max):
    from rushlight import _C

    if bins <= 0:
        raise RuntimeError("bins must be > 0")
    if input.dtype in (_C.float16, _C.bfloat16):
        return histc(input.float(), bins, min, max).to(input.dtype)
    low, high = float(min), float(max)
    if low == high and input.numel():
        low, high = float(input.min()), float(input.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (low - low == 0 and high - high == 0):
        raise RuntimeError(f"range of [{low:g}, {high:g}] is not finite")
    if low > high:
        raise RuntimeError("max must be larger than min")
    return _C._histc_counts(input, bins, low, high).to(input.dtype)


@python("histogram(Tensor input, object bins, *, object? range=None, Tensor? weight=None, bool density=False) -> (Tensor hist, Tensor bin_edges)",
        out=True, doc="Counts (or weights) of the elements between edges, and the edges.")  # fmt: skip
def histogram(input, bins, range, weight, density):
    import numpy

    from rushlight import _C

    x = input.detach().numpy().reshape(-1)
    edges = bins.detach().numpy() if isinstance(bins, _C.Tensor) else int(bins)
    counts, edges = numpy.histogram(x, edges, range, density, None if weight is None else weight.detach().numpy().reshape(-1))
    return _C.from_numpy(counts.astype(x.dtype)), _C.from_numpy(edges.astype(x.dtype))


# ---------------------------------------------------------------- whole tensors compared

native("equal(Tensor input, Tensor other) -> object", code="""
PyObject *impl_equal(Tensor *a, Tensor *b) {
    if (!rl_same_shape(a, b)) Py_RETURN_FALSE;
    Tensor *same = rl_eq(a, b), *all = same ? rl_all(same) : NULL;
    PyObject *r = all ? PyBool_FromLong(rl_item(all).u.i) : NULL;
    Py_XDECREF(same);
    Py_XDECREF(all);
    return r;
}
""", doc="Whether two tensors have the same shape and equal elements.")  # fmt: skip
native("is_same_size(Tensor input, Tensor other) -> object", code="""
PyObject *impl_is_same_size(Tensor *a, Tensor *b) { return PyBool_FromLong(rl_same_shape(a, b)); }
""", doc="Whether two tensors have the same shape.")  # fmt: skip
native("is_nonzero(Tensor input) -> object", code="""
PyObject *impl_is_nonzero(Tensor *t) {
    if (t->numel != 1) {
        PyErr_SetString(PyExc_RuntimeError, t->numel ? "Boolean value of Tensor with more than one value is ambiguous"
                                                     : "Boolean value of Tensor with no values is ambiguous");
        return NULL;
    }
    Scalar s = rl_item(t);
    return PyBool_FromLong(s.kind == 'd' || s.kind == 'c' ? s.u.d != 0 || s.im != 0 : s.u.i != 0);
}
""", doc="Whether a tensor's only element is not zero.")  # fmt: skip
composite("isclose_values(Tensor input, Tensor other, float rtol, float atol, bool equal_nan) -> Tensor", """
close = input == other
if equal_nan:
    close = logical_or(close, logical_and(isnan(input), isnan(other)))
distance = abs(input - other)
return logical_or(close, logical_and(isfinite(distance), distance <= atol + abs(other) * rtol))
""", function=False, method=False)  # fmt: skip
native("isclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> Tensor", records=True, code="""
static Tensor *comparable(Tensor *t) { /* differences of integers are taken in floating point: no wrapping around */
    if (RL_IS_INEXACT(t->dtype)) return (Tensor *)Py_NewRef((PyObject *)t);
    return rl_to_dtype_raw(t, RL_F64);
}
Tensor *rl_isclose(Tensor *input, Tensor *other, double rtol, double atol, bool equal_nan) {
    if (input->dtype != other->dtype) {
        PyErr_Format(PyExc_RuntimeError, "%s did not match %s", rl_dtypes[input->dtype].legacy, rl_dtypes[other->dtype].legacy);
        return NULL;
    }
    if (rtol < 0 || atol < 0) {
        char text[80];
        PyOS_snprintf(text, sizeof text, "%s must be greater than or equal to zero, but got %g", rtol < 0 ? "rtol" : "atol", rtol < 0 ? rtol : atol);
        PyErr_SetString(PyExc_RuntimeError, text);
        return NULL;
    }
    Tensor *a = comparable(input), *b = a ? comparable(other) : NULL;
    Tensor *r = b ? rl_isclose_values(a, b, rtol, atol, equal_nan) : NULL;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return r;
}
""", doc="Whether |input - other| <= atol + rtol * |other|, element by element.")  # fmt: skip
native("allclose(Tensor input, Tensor other, float rtol=1e-05, float atol=1e-08, bool equal_nan=False) -> object", code="""
PyObject *impl_allclose(Tensor *a, Tensor *b, double rtol, double atol, bool equal_nan) {
    Tensor *close = rl_isclose(a, b, rtol, atol, equal_nan), *all = close ? rl_all(close) : NULL;
    PyObject *r = all ? PyBool_FromLong(rl_item(all).u.i) : NULL;
    Py_XDECREF(close);
    Py_XDECREF(all);
    return r;
}
""", doc="""Whether isclose() holds for all elements.

       >>> import rushlight as torch
       >>> torch.allclose(torch.tensor([0.3]), torch.tensor([0.1]) + 0.2)
       True
       """)  # fmt: skip
composite("isreal(Tensor input) -> Tensor", """
if is_complex(input.dtype):
    return imag(input) == 0
return ones_like(input, dtype=bool_)
""", doc="Whether the imaginary part is zero.")  # fmt: skip

# ---------------------------------------------------------------- covariance


@python("cov(Tensor input, *, int correction=1, Tensor? fweights=None, Tensor? aweights=None) -> Tensor",
        doc="The covariance matrix of variables in rows and observations in columns.")  # fmt: skip
def cov(input, correction, fweights, aweights):
    from rushlight import _C

    if input.dim() > 2:
        raise RuntimeError(f"cov(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions")
    if input.dtype == _C.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    for name, w in (("fweights", fweights), ("aweights", aweights)):
        if w is None:
            continue
        if w.dim() > 1:
            raise RuntimeError(f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.dim()} dimensions")
        if w.is_floating_point() == (name == "fweights"):
            raise RuntimeError(f"cov(): expected {name} to have {'integral' if name == 'fweights' else 'floating point'} dtype "
                               f"but got {name} with {w.dtype} dtype")  # fmt: skip
        if w.numel() != (input.shape[-1] if input.dim() else 1):
            raise RuntimeError(f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                               f"{w.numel()} != {input.shape[-1] if input.dim() else 1}")  # fmt: skip
        if bool((w < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    x = input if input.dim() == 2 else input.reshape(1, -1)
    if not x.is_floating_point() and not x.is_complex():
        x = x.to(_C.get_default_dtype())
    weights = fweights if aweights is None else aweights if fweights is None else fweights * aweights
    if weights is None:
        total = x.shape[1]
        centred = x - x.mean(1, keepdim=True)
        weighted = centred
        norm = total - correction
    else:
        total = weights.sum()
        centred = x - (x * weights).sum(1, keepdim=True) / total
        weighted = centred * weights
        norm = total - correction * ((weights * aweights).sum() / total if aweights is not None else 1)
    if float(norm) <= 0:
        import warnings

        warnings.warn("cov(): degrees of freedom is <= 0. Correction should be strictly less than the number of observations.", stacklevel=2)
        norm = 0.0
    result = weighted @ centred.conj().t() / norm
    return result.squeeze()


@python("corrcoef(Tensor input) -> Tensor", doc="The matrix of Pearson's correlation coefficients of variables in rows.")
def corrcoef(input):
    if input.dim() > 2:
        raise RuntimeError(f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions")
    c = input.cov()
    if c.dim() == 0:
        return c / c
    d = c.diagonal().real.sqrt() if c.is_complex() else c.diagonal().sqrt()
    c = c / d.unsqueeze(1) / d.unsqueeze(0)
    return c if c.is_complex() else c.clamp(-1, 1)
