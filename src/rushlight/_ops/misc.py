"""What else is elementwise, and the making of shapes out of others."""

from rushlight._ops.define import binary, composite, native, op, python, unary

_TENSORS = {"varargs": True}  # f(a, b) means f([a, b])

# ---------------------------------------------------------------- elementwise

unary("deg2rad", "x * 0.017453292519943295", "grad * 0.017453292519943295", float_result=True, doc="Degrees to radians.")
unary("rad2deg", "x * 57.29577951308232", "grad * 57.29577951308232", float_result=True, doc="Radians to degrees.")
op("nan_to_num_values(Tensor input, float if_nan, float if_posinf, float if_neginf) -> Tensor", kind="unary", function=False, method=False,
   kernel={"float": "x != x ? if_nan : isinf(x) ? (x > 0 ? if_posinf : if_neginf) : x", "int": "x", "bool": "x"},
   derivative="grad * isfinite(input)", node="NanToNumBackward0")  # fmt: skip
native("nan_to_num(Tensor input, float? nan=None, float? posinf=None, float? neginf=None) -> Tensor", records=True, inplace=True, out=True, code="""
Tensor *rl_nan_to_num(Tensor *input, Scalar nan, Scalar posinf, Scalar neginf) {
    if (RL_IS_COMPLEX(input->dtype)) { /* real and imaginary parts by themselves */
        Tensor *parts = rl_view_as_real(input), *clean = parts ? rl_nan_to_num(parts, nan, posinf, neginf) : NULL;
        Tensor *result = clean ? rl_view_as_complex(clean) : NULL;
        Py_XDECREF(parts);
        Py_XDECREF(clean);
        return result;
    }
    const double top = input->dtype == RL_F64 ? 0x1.fffffffffffffp1023 : input->dtype == RL_F16 ? 65504 :
                       input->dtype == RL_BF16 ? 0x1.fep127 : 0x1.fffffep127;
    return rl_nan_to_num_values(input, nan.kind ? nan.u.d : 0, posinf.kind ? posinf.u.d : top, neginf.kind ? neginf.u.d : -top);
}
""", inplace_function=True, doc="NaN, +inf and -inf replaced: by default by 0 and the extremes of the dtype.")  # fmt: skip
native("float_power(Tensor input, Operand exponent) -> Tensor", records=True, inplace=False, out=True, code="""
Tensor *rl_float_power(Tensor *input, Tensor *exponent) {
    const RLDType dt = RL_IS_COMPLEX(input->dtype) || RL_IS_COMPLEX(exponent->dtype) ? RL_C128 : RL_F64;
    Tensor *a = rl_to_dtype(input, dt), *b = a ? rl_to_dtype(exponent, dt) : NULL, *r = b ? rl_pow(a, b) : NULL;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return r;
}
""", doc="input ** exponent in float64 (or complex128).")  # fmt: skip
composite("float_power.Scalar(Scalar input, Tensor exponent) -> Tensor", "float_power(pow_base(input), exponent)", method=False, out=True)
native("pow_base(Scalar value) -> Tensor", records=True, function=False, method=False, code="""
Tensor *rl_pow_base(Scalar value) { return rl_wrap_scalar(value); }
""")
binary("xlogy", "b != b ? b : a == 0 ? 0 : a * log(b)",
       {"input": "grad * masked_fill(log(other), logical_and(input == 0, other <= 0), 0.0)", "other": "grad * input / other"},
       float_result=True, inplace_function=True, doc="input * log(other), and 0 where input is 0.")  # fmt: skip
composite("xlogy.number(Scalar input, Tensor other) -> Tensor", "xlogy(pow_base(input), other)", method=False, out=True)
op("logaddexp(Tensor input, Tensor other) -> Tensor", kind="binary", out=True,
   kernel={"float": "logaddexp(a, b)", "complex": "log_add_complex(a, b)"},
   derivative={"input": "grad / conj(1 + exp(other - input))", "other": "grad / conj(1 + exp(input - other))"}, doc="log(exp(input) + exp(other)).")  # fmt: skip
op("logaddexp2(Tensor input, Tensor other) -> Tensor", kind="binary", out=True,
   kernel={"float": "logaddexp2(a, b)"},
   derivative={"input": "grad / (1 + exp2(other - input))", "other": "grad / (1 + exp2(input - other))"}, doc="log2(2 ** input + 2 ** other).")  # fmt: skip
binary("copysign", "copysign(a, b)", {"input": "copysign_backward(grad, input, result)", "other": "zeros_like(other)"}, float_result=True,
       doc="The magnitude of input with the sign of other.")  # fmt: skip
composite("copysign_backward(Tensor grad, Tensor input, Tensor result) -> Tensor",
          "grad * masked_fill(result / input, input == 0, 0.0)", function=False, method=False)  # fmt: skip
op("heaviside(Tensor input, Tensor values) -> Tensor", kind="binary", inplace=True, out=True,
   derivative={"input, values": "not_implemented"},
   kernel={"default": "a == 0 ? b : a > 0", "bool": "a ? 1 : b"}, doc="0 below zero, 1 above, values at zero.")
native("ldexp(Tensor input, Tensor other) -> Tensor", records=True, inplace=True, out=True, code="""
Tensor *rl_ldexp(Tensor *input, Tensor *other) {
    Tensor *power = rl_pow_of_number((Scalar){'d', {.d = 2}, 0}, other), *r = power ? rl_mul(input, power) : NULL;
    Py_XDECREF(power);
    return r;
}
""", inplace_function=True, doc="input * 2 ** other.")  # fmt: skip
op("nextafter(Tensor input, Tensor other) -> Tensor", kind="binary", inplace=True, out=True,
   kernel={"f32": "nextafter(a, b)", "f64": "nextafter(a, b)", "f16": "nextafter_f16(a, b)", "bf16": "nextafter_bf16(a, b)"},
   derivative={"input": "masked_fill(grad, input == other, 0.0)", "other": "zeros_like(grad)"},
   doc="The next floating-point number towards other.")  # fmt: skip
op("gcd(Tensor input, Tensor other) -> Tensor", kind="binary", inplace=True, out=True, kernel={"int": "gcd_int(a, b)"}, inplace_function=True, doc="The greatest common divisor.")
op("lcm(Tensor input, Tensor other) -> Tensor", kind="binary", inplace=True, out=True,
   kernel={"int": "(a == 0 || b == 0 ? 0 : (a / gcd_int(a, b) * b < 0 ? -(a / gcd_int(a, b) * b) : a / gcd_int(a, b) * b))"},
   inplace_function=True, doc="The least common multiple.")  # fmt: skip
op("angle(Tensor input) -> Tensor", kind="unary", family="pointwise", out=True, in_rule="float", out_rule="real",
   kernel={"float": "x != x ? x : x < 0 ? 3.141592653589793f : 0", "f64": "x != x ? x : x < 0 ? 3.141592653589793 : 0", "complex": "atan2(IM(x), RE(x))"},
   derivative="angle_backward(grad, input)", doc="The angle of complex numbers; of real ones 0, or pi below zero.")  # fmt: skip
composite("angle_backward(Tensor grad, Tensor input) -> Tensor", """
if is_complex(input.dtype):
    a = abs(input)
    turned = complex(-imag(input), real(input))
    return masked_fill(turned * (grad / (a * a)), a == 0, 0.0)
return grad * 0
""", function=False, method=False)  # fmt: skip
composite("renorm(Tensor input, Scalar p, int dim, Scalar maxnorm) -> Tensor", """
check(input.ndim > 1, "RuntimeError", "renorm: input needs at least 2 dimensions, got %lld dimensions", input.ndim)
n = norms_but(input, p, dim)
return input * where(n > maxnorm, maxnorm / (n + 1e-7), 1.0)
""", inplace=True, out="exact apart", doc="Slices of dim with a p-norm above maxnorm scaled down to it.")  # fmt: skip
native("norms_but(Tensor input, Scalar p, int dim) -> Tensor", records=True, function=False, method=False, code="""
Tensor *rl_norms_but(Tensor *input, Scalar p, int64_t dim) {
    int64_t dims[RL_MAXDIM];
    int n = 0;
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    for (int d = 0; d < input->ndim; d++) if (d != dim) dims[n++] = d;
    return rl_linalg_vector_norm(input, p, (Ints){dims, n}, true, RL_NODTYPE);
}
""")
native("sum_to_size(Tensor input, int[] size) -> Tensor", records=True, function=False, code="""
Tensor *rl_sum_to_size(Tensor *input, Ints size) {
    bool fits = size.n <= input->ndim;
    for (int i = 1; fits && i <= size.n; i++) {
        const int64_t want = size.v[size.n - i];
        fits = want == 1 || want == input->size[input->ndim - i];
    }
    if (!fits) {
        PyObject *a = rl_size_object(size.n, size.v), *b = rl_size_object(input->ndim, input->size);
        PyObject *la = a ? PySequence_List(a) : NULL, *lb = b ? PySequence_List(b) : NULL;
        if (la && lb) PyErr_Format(PyExc_RuntimeError, "size {%S} is not expandable to size {%S}.", la, lb);
        Py_XDECREF(a); Py_XDECREF(b); Py_XDECREF(la); Py_XDECREF(lb);
        return NULL;
    }
    return size.n == 0 ? rl_sum(input, RL_NODTYPE) : rl_sum_to(input, size.n, size.v);
}
""", doc="The sum over dimensions that broadcasting from size would have made.")  # fmt: skip

# ---------------------------------------------------------------- repetition and shapes

native("repeat(Tensor input, int[] repeats) -> Tensor", function=False, derivative="repeat_backward(grad, repeats, input.shape)", code="""
Tensor *impl_repeat(Tensor *t, Ints repeats) {
    const int nd = repeats.n, lead = nd - t->ndim;
    if (lead < 0) {
        PyErr_SetString(PyExc_RuntimeError, "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor");
        return NULL;
    }
    int64_t size[RL_MAXDIM], pairs[RL_MAXDIM], from[RL_MAXDIM], into[RL_MAXDIM];
    for (int d = 0; d < nd; d++) {
        if (repeats.v[d] < 0) {
            PyErr_Format(PyExc_RuntimeError, "Trying to create tensor with negative dimension %lld", (long long)(repeats.v[d] * (d < lead ? 1 : t->size[d - lead])));
            return NULL;
        }
        size[d] = (d < lead ? 1 : t->size[d - lead]) * repeats.v[d];
    }
    Tensor *out = rl_empty(nd, size, (RLDType)t->dtype, t->device);
    if (!out || out->numel == 0 || out->device != RL_CPU) return out;
    /* one copy: the result seen with each dimension split into (repeats, size), the source broadcast over repeats */
    int n = 0;
    for (int d = 0; d < nd; d++) {
        const int64_t own = d < lead ? 1 : t->size[d - lead], step = d < lead ? 0 : t->stride[d - lead];
        if (repeats.v[d] > 1) { pairs[n] = repeats.v[d]; from[n] = 0; into[n++] = out->stride[d] * own; }
        if (own > 1) { pairs[n] = own; from[n] = step; into[n++] = out->stride[d]; }
    }
    Tensor *a = rl_alias(t, n, pairs, from, t->data), *b = a ? rl_alias(out, n, pairs, into, out->data) : NULL;
    if (!b || rl_copy_raw(b, a) < 0) Py_CLEAR(out);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return out;
}
""", doc="""The tensor repeated as often as said along each dimension; a copy.

       >>> import rushlight as torch
       >>> torch.tensor([1, 2]).repeat(2, 2)
       tensor([[1, 2, 1, 2],
               [1, 2, 1, 2]])
       """)  # fmt: skip
native("repeat_backward(Tensor grad, int[] repeats, int[] shape) -> Tensor", records=True, function=False, method=False, code="""
Tensor *rl_repeat_backward(Tensor *grad, Ints repeats, Ints shape) {
    int64_t split[2 * RL_MAXDIM], dims[RL_MAXDIM];
    const int lead = repeats.n - shape.n;
    int n = 0, folded = 0;
    for (int d = 0; d < repeats.n; d++) {
        if (repeats.v[d] == 0) return rl_full_scalar(shape.n, shape.v, (Scalar){'i', {.i = 0}, 0}, (RLDType)grad->dtype, grad->device);
        if (repeats.v[d] != 1 || d < lead) { dims[folded++] = n; split[n++] = repeats.v[d]; }
        if (d >= lead) split[n++] = shape.v[d - lead];
    }
    if (folded == 0) return (Tensor *)Py_NewRef((PyObject *)grad);
    Tensor *parts = rl_reshape(grad, (Ints){split, n}), *r = parts ? rl_sum_dim(parts, (Ints){dims, folded}, false, RL_NODTYPE) : NULL;
    Py_XDECREF(parts);
    return r;
}
""")
native("tile(Tensor input, int[] dims) -> Tensor", records=True, code="""
Tensor *rl_tile(Tensor *input, Ints dims) {
    int64_t full[RL_MAXDIM];
    const int lead = input->ndim - dims.n;
    if (lead <= 0) return rl_repeat(input, dims);
    for (int d = 0; d < input->ndim; d++) full[d] = d < lead ? 1 : dims.v[d - lead];
    return rl_repeat(input, (Ints){full, input->ndim});
}
""", doc="repeat(), with ones put before dims where the tensor has more dimensions.")  # fmt: skip
native("unflatten(Tensor input, int dim, int[] sizes) -> Tensor", records=True, code="""
Tensor *rl_unflatten(Tensor *input, int64_t dim, Ints sizes) {
    if (input->ndim == 0) {
        PyErr_SetString(PyExc_RuntimeError, "unflatten got an unexpected error:\\nDimension specified as 0 but tensor has no dimensions");
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (sizes.n == 0) {
        PyErr_SetString(PyExc_RuntimeError, "unflatten: sizes must be non-empty");
        return NULL;
    }
    int64_t full[RL_MAXDIM], known = 1;
    int n = 0, unknown = -1;
    for (int d = 0; d < dim; d++) full[n++] = input->size[d];
    for (int i = 0; i < sizes.n; i++) {
        if (sizes.v[i] == -1) unknown = n;
        else known *= sizes.v[i];
        full[n++] = sizes.v[i];
    }
    if (unknown < 0 ? known != input->size[dim] : known == 0 || input->size[dim] % known) {
        PyObject *s = rl_size_object(sizes.n, sizes.v), *l = s ? PySequence_List(s) : NULL;
        if (l) PyErr_Format(PyExc_RuntimeError, "unflatten: Provided sizes %S don't multiply up to the size of dim %lld (%lld) in the input tensor", l,
                            (long long)dim, (long long)input->size[dim]);
        Py_XDECREF(s);
        Py_XDECREF(l);
        return NULL;
    }
    if (unknown >= 0) full[unknown] = input->size[dim] / known;
    for (int d = (int)dim + 1; d < input->ndim; d++) full[n++] = input->size[d];
    return rl_view(input, (Ints){full, n});
}
""", doc="A dimension split into several; -1 stands for what is left over.")  # fmt: skip
native("diag_embed(Tensor input, int offset=0, int dim1=-2, int dim2=-1) -> Tensor", derivative="diagonal(grad, offset, dim1, dim2)", code="""
Tensor *impl_diag_embed(Tensor *t, int64_t offset, int64_t dim1, int64_t dim2) {
    const int nd = t->ndim + 1;
    if (t->ndim == 0) {
        PyErr_SetString(PyExc_IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got -2)");
        return NULL;
    }
    if ((dim1 = rl_wrap_dim(dim1, nd)) == INT64_MIN || (dim2 = rl_wrap_dim(dim2, nd)) == INT64_MIN) return NULL;
    if (dim1 == dim2) {
        PyErr_Format(PyExc_RuntimeError, "diagonal dimensions cannot be identical %lld, %lld", (long long)dim1, (long long)dim2);
        return NULL;
    }
    const int64_t side = t->size[t->ndim - 1] + (offset < 0 ? -offset : offset);
    int64_t size[RL_MAXDIM];
    for (int d = 0, k = 0; d < nd; d++) size[d] = d == dim1 || d == dim2 ? side : t->size[k++];
    Tensor *out = rl_full_scalar(nd, size, (Scalar){'i', {.i = 0}, 0}, (RLDType)t->dtype, t->device);
    Tensor *place = out ? rl_diagonal(out, offset, dim1, dim2) : NULL;
    if (!place || rl_copy_raw(place, t) < 0) Py_CLEAR(out);
    Py_XDECREF(place);
    return out;
}
""", doc="Matrices with the last dimension of input on a diagonal, zero elsewhere.")  # fmt: skip
composite("diag(Tensor input, int diagonal=0) -> Tensor", """
check(input.ndim == 1 or input.ndim == 2, "RuntimeError", "diag(): Supports 1D or 2D tensors. Got %lldD", input.ndim)
if input.ndim == 1:
    return diag_embed(input, diagonal)
return diagonal_copy(input, diagonal)
""", out=True, doc="""A matrix with a vector on its diagonal; or a matrix's diagonal, copied.

       >>> import rushlight as torch
       >>> torch.diag(torch.tensor([1, 2]))
       tensor([[1, 0],
               [0, 2]])
       """)  # fmt: skip
composite("diagonal_copy(Tensor input, int offset=0, int dim1=0, int dim2=1) -> Tensor", "clone(diagonal(input, offset, dim1, dim2))",
          derivative="diagonal_backward(grad, input.shape, offset, dim1, dim2)", method=False, out=True, doc="diagonal(), copied.")  # fmt: skip
composite("diagflat(Tensor input, int offset=0) -> Tensor", "diag_embed(reshape(input, [-1]), offset)",
          doc="A matrix with all elements of input on a diagonal.")  # fmt: skip


# ---------------------------------------------------------------- several tensors


@python("broadcast_tensors(Tensor[] tensors) -> object", method=False, extra=_TENSORS, doc="The tensors, each a view in their common shape.")
def broadcast_tensors(tensors):
    from rushlight import _C

    shape = _C.broadcast_shapes(*[t.shape for t in tensors])
    return tuple(t if t.shape == shape else t.expand(shape) for t in tensors)


@python("broadcast_shapes.of(object shapes) -> object", method=False, extra=_TENSORS, doc="The shape that operands of the given shapes have together.")
def broadcast_shapes(shapes):
    from rushlight import _C

    shapes = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    out = [1] * max((len(s) for s in shapes), default=0)
    for shape in shapes:
        for i in range(-1, -1 - len(shape), -1):
            if shape[i] < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension ({shape[i]}): ({shape[i]})")
            if shape[i] in (1, out[i]):
                continue
            if out[i] != 1:
                raise RuntimeError("Shape mismatch: objects cannot be broadcast to a single shape")
            out[i] = shape[i]
    return _C.Size(out)


@python("meshgrid(Tensor[] tensors, *, str? indexing=None) -> object", method=False, extra=_TENSORS,
        doc="""Grids of the coordinates that all combinations of elements have; indexing "xy" exchanges the first two dimensions.

        >>> import rushlight as torch
        >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")[1]
        tensor([[3, 4],
                [3, 4]])
        """)  # fmt: skip
def meshgrid(tensors, indexing):
    if indexing is None:
        import warnings

        warnings.warn("torch.meshgrid: in an upcoming release, it will be required to pass the indexing argument.", stacklevel=2)
    elif indexing not in ("ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for t in tensors:
        if t.dim() > 1:
            raise RuntimeError(f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {t}")
        if t.dtype != tensors[0].dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    swap = indexing == "xy" and len(tensors) >= 2
    if swap:
        tensors = [tensors[1], tensors[0], *tensors[2:]]
    shape = [t.numel() for t in tensors]
    grids = [t.view([-1 if i == k else 1 for k in range(len(shape))]).expand(shape) for i, t in enumerate(tensors)]
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@python("cartesian_prod(Tensor[] tensors) -> Tensor", method=False, extra=_TENSORS, doc="All combinations of elements, one a row.")
def cartesian_prod(tensors):
    from rushlight import _C

    for t in tensors:
        if t.dim() != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(t.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return _C.stack([g.reshape(-1) for g in meshgrid(tensors, "ij")], 1)


@python("combinations(Tensor input, int r=2, bool with_replacement=False) -> Tensor", doc="All choices of r elements of a vector, one a row.")
def combinations(input, r, with_replacement):
    import itertools

    from rushlight import _C

    if input.dim() != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    if r == 0:
        return input.new_empty([0])
    if r == 2:
        return input[_C.triu_indices(len(input), len(input), 0 if with_replacement else 1).t()]
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(choose(range(input.shape[0]), r))
    index = _C.tensor(rows, dtype=_C.int64).reshape(-1, r)
    return input[index]


@python("block_diag(Tensor[] tensors) -> Tensor", method=False, extra=_TENSORS, doc="A matrix with the given ones along its diagonal, zero elsewhere.")
def block_diag(tensors):
    from rushlight import _C

    blocks = []
    for i, t in enumerate(tensors):
        if t.dim() > 2:
            raise RuntimeError(f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {i} has {t.dim()} dimensions")
        blocks.append(t if t.dim() == 2 else t.reshape(1, -1))
    width, rows, before = sum(b.shape[1] for b in blocks), [], 0
    dtype = blocks[0].dtype if blocks else _C.get_default_dtype()
    for b in blocks:
        dtype = _C.promote_types(dtype, b.dtype)
    for b in blocks:
        after = width - before - b.shape[1]
        rows.append(_C.cat([_C.zeros(b.shape[0], before, dtype=dtype), b.to(dtype), _C.zeros(b.shape[0], after, dtype=dtype)], 1))
        before += b.shape[1]
    return _C.cat(rows, 0) if rows else _C.empty([1, 0])


for _n, _shapes in ((1, "1 dimension"), (2, "2 dimensions, new ones in front"), (3, "3 dimensions: (n,) as (1, n, 1), (n, m) as (n, m, 1)")):
    composite(f"atleast_{_n}d(Tensor input) -> Tensor", f"at_least_{_n}d(input)", method=False, doc=f"The tensor with at least {_shapes}.")
composite("at_least_1d(Tensor input) -> Tensor", """
if input.ndim == 0:
    return reshape(input, [1])
return input
""", function=False, method=False)  # fmt: skip
composite("at_least_2d(Tensor input) -> Tensor", """
if input.ndim == 0:
    return reshape(input, [1, 1])
if input.ndim == 1:
    return unsqueeze(input, 0)
return input
""", function=False, method=False)  # fmt: skip
composite("at_least_3d(Tensor input) -> Tensor", """
if input.ndim == 0:
    return reshape(input, [1, 1, 1])
if input.ndim == 1:
    return unsqueeze(unsqueeze(input, 0), -1)
if input.ndim == 2:
    return unsqueeze(input, -1)
return input
""", function=False, method=False)  # fmt: skip


@python("atleast_1d.several(Tensor[] tensors) -> object", method=False, extra=_TENSORS)
def atleast_1d(tensors):
    from rushlight import _C

    return tuple(_C.atleast_1d(t) for t in tensors)


@python("atleast_2d.several(Tensor[] tensors) -> object", method=False, extra=_TENSORS)
def atleast_2d(tensors):
    from rushlight import _C

    return tuple(_C.atleast_2d(t) for t in tensors)


@python("atleast_3d.several(Tensor[] tensors) -> object", method=False, extra=_TENSORS)
def atleast_3d(tensors):
    from rushlight import _C

    return tuple(_C.atleast_3d(t) for t in tensors)


@python("vander(Tensor x, int? N=None, bool increasing=False) -> Tensor", method=False, doc="Powers of a vector's elements, one a column.")
def vander(x, N, increasing):
    from rushlight import _C

    if x.dim() != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    powers = _C.linalg_vander(x, N=N)
    return powers if increasing else powers.flip(1)


@python("linalg_vander(Tensor x, *, int? N=None) -> Tensor", method=False, namespaces=("linalg",), doc="Powers 0 to N - 1 of the last dimension's elements.")
def linalg_vander(x, N):
    from rushlight import _C

    x = x.reshape(1) if x.dim() == 0 else x
    n = x.shape[-1] if N is None else N
    if not (x.is_floating_point() or x.is_complex()):
        x = x.to(_C.int64)
    if n < 1:
        return x.new_empty([*x.shape, 0])
    factors = x.unsqueeze(-1).expand(*x.shape, n - 1)
    return _C.cat([_C.ones_like(x.unsqueeze(-1)), factors.cumprod(-1)], -1)


# ---------------------------------------------------------------- differences and integrals


@python("diff(Tensor input, int n=1, int dim=-1, Tensor? prepend=None, Tensor? append=None) -> Tensor", out=True,
        doc="Differences of neighbours along dim, n times over.")  # fmt: skip
def diff(input, n, dim, prepend, append):
    from rushlight import _C

    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    parts = [x for x in (prepend, input, append) if x is not None]
    x = _C.cat(parts, dim) if len(parts) > 1 else input
    if n == 0:
        return x.clone()
    for _ in range(min(n, x.shape[dim])):
        size = x.shape[dim] - 1
        after, before = x.narrow(dim, 1, size), x.narrow(dim, 0, size)
        x = after ^ before if x.dtype == _C.bool else after - before
    return x


def _steps(y, x, dx, dim, name):
    """The mean heights of the trapezoids times their widths."""
    n = y.shape[dim]
    if n == 0:
        raise ValueError(f"{name}() requires a non-empty dim")
    heights = y.narrow(dim, 1, n - 1) + y.narrow(dim, 0, n - 1)
    if x is None:
        return heights * (dx / 2.0)
    if x.dim() == 1 and y.dim() > 1:
        width = x.diff().reshape([-1 if d == dim % y.dim() else 1 for d in range(y.dim())])
    else:
        width = x.diff(dim=dim if x.dim() == y.dim() else -1)
    return heights * width / 2.0


@python("trapezoid(Tensor y, Tensor? x=None, *, Scalar dx=1, int dim=-1) -> Tensor", method=False, alias=("trapz",),
        doc="The integral of y along dim by the trapezoidal rule, over points x or steps dx.")  # fmt: skip
def trapezoid(y, x, dx, dim):
    if y.shape[dim] == 0:
        return y.sum(dim) * 0.0
    if x is None:  # as PyTorch adds: every height counts whole but the first and the last
        return (y.sum(dim) - (y.select(dim, 0) + y.select(dim, -1)) * 0.5) * dx
    return _steps(y, x, dx, dim, "trapezoid").sum(dim)


@python("cumulative_trapezoid(Tensor y, Tensor? x=None, *, Scalar dx=1, int dim=-1) -> Tensor", method=False,
        doc="The integrals up to each point but the first, by the trapezoidal rule.")  # fmt: skip
def cumulative_trapezoid(y, x, dx, dim):
    return _steps(y, x, dx, dim, "cumulative_trapezoid").cumsum(dim)


@python("gradient(Tensor input, *, object? spacing=None, object? dim=None, int edge_order=1) -> object",
        doc="Estimates of the derivative along dims: central differences inside, one-sided ones of edge_order at the ends.")  # fmt: skip
def gradient(input, spacing, dim, edge_order):
    from rushlight import _C

    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    dims = list(range(input.dim())) if dim is None else [dim] if isinstance(dim, int) else list(dim)
    n = max(input.dim(), 1)
    for i, d in enumerate(dims):
        if not -n <= d < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got {d})")
        if d % n in [e % n for e in dims[:i]]:
            raise RuntimeError(f"dim {d % n} appears multiple times in the list of dims")
    if spacing is None:
        spacing = 1
    spaces = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(spaces) != len(dims):
        raise RuntimeError(f"torch.gradient expected spacing to be unspecified, a scalar or a list of length equal to 'self.dim() = {input.dim()}'"
                           f" , but got a list of length {len(spaces)}")  # fmt: skip
    out = []
    for d, space in zip(dims, spaces, strict=True):
        n = input.shape[d]
        if n < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")
        if isinstance(space, _C.Tensor) and space.dim() == 1:
            points = space
        else:
            points = _C.arange(n, dtype=input.dtype if input.is_floating_point() else _C.get_default_dtype()) * space
        h = points.diff().reshape([-1 if k == d % input.dim() else 1 for k in range(input.dim())])
        slope = input.diff(dim=d) / h
        first, last = slope.narrow(d, 0, 1), slope.narrow(d, n - 2, 1)
        if n > 2:
            h0, h1 = h.narrow(d if h.dim() > 1 else 0, 0, n - 2), h.narrow(d if h.dim() > 1 else 0, 1, n - 2)
            s0, s1 = slope.narrow(d, 0, n - 2), slope.narrow(d, 1, n - 2)
            inner = (s0 * h1 + s1 * h0) / (h0 + h1)
            if edge_order == 2:  # the parabola through the three outermost points
                a0, a1 = h0.narrow(d, 0, 1), h1.narrow(d, 0, 1)
                b0, b1 = h0.narrow(d, n - 3, 1), h1.narrow(d, n - 3, 1)
                first = first + (first - s1.narrow(d, 0, 1)) * a0 / (a0 + a1)
                last = last + (last - s0.narrow(d, n - 3, 1)) * b1 / (b0 + b1)
            out.append(_C.cat([first, inner, last], d))
        else:
            out.append(_C.cat([first, last], d))
    return tuple(out)


# ---------------------------------------------------------------- functions of Python over elements


@python("apply_(Tensor input, object callable) -> Tensor", function=False, doc="Every element replaced by what a Python function makes of it; slow.")
def apply_(input, callable):
    from rushlight import _C

    if input.requires_grad and _C.is_grad_enabled():
        raise RuntimeError("Can't call apply_() on Variable that requires grad. Use var.detach().apply_() instead.")
    values = [callable(v) for v in input.reshape(-1).tolist()]
    return input.copy_(_C.tensor(values, dtype=input.dtype).reshape(input.shape))


@python("map_(Tensor input, Tensor tensor, object callable) -> Tensor", function=False,
        doc="Every element replaced by what a Python function makes of it and of tensor's; slow.")  # fmt: skip
def map_(input, tensor, callable):
    from rushlight import _C

    if (input.requires_grad or tensor.requires_grad) and _C.is_grad_enabled():
        raise RuntimeError("Can't call map_() on Variable that requires grad. Use var.detach().map_() instead.")
    other = tensor.expand(input.shape)
    values = [callable(a, b) for a, b in zip(input.reshape(-1).tolist(), other.reshape(-1).tolist(), strict=True)]
    return input.copy_(_C.tensor(values, dtype=input.dtype).reshape(input.shape))
