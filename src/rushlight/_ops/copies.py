"""Views that are copied at once: `view_copy(x, size)` is `x.view(size)` in memory of its own.

PyTorch has them for compilers that cannot follow aliases; the gradients are those of the views.
"""

from rushlight._ops.define import composite, native, python

_COPY = dict(method=False, out=True)

for _view, _params, _call in (
    ("alias", "", "same(input)"),
    ("detach", "", "detach(input)"),
    ("as_strided", "int[] size, int[] stride, int? storage_offset=None", "as_strided(input, size, stride, storage_offset)"),
    ("expand", "int[] size, *, bool implicit=False", "expand(input, size)"),
    ("permute", "int[] dims", "permute(input, dims)"),
    ("select", "int dim, int index", "select(input, dim, index)"),
    ("slice", "int dim=0, int? start=None, int? end=None, int step=1", "slice(input, dim, start, end, step)"),
    ("squeeze", "", "squeeze(input)"),
    ("squeeze.dim", "int[1] dim", "squeeze_dim(input, dim)"),
    ("t", "", "t(input)"),
    ("transpose", "int dim0, int dim1", "transpose(input, dim0, dim1)"),
    ("unfold", "int dimension, int size, int step", "unfold(input, dimension, size, step)"),
    ("unsqueeze", "int dim", "unsqueeze(input, dim)"),
    ("view", "int[] size", "reshape(input, size)"),  # a copy need not share strides
    ("view.dtype", "dtype dtype", "view_dtype(input, dtype)"),
    ("view_as_real", "", "view_as_real(input)"),
    ("view_as_complex", "", "view_as_complex(input)"),
):
    _name, _dot, _overload = _view.partition(".")
    composite(f"{_name}_copy{_dot}{_overload}(Tensor input{', ' + _params if _params else ''}) -> Tensor",
              f"clone({_call}, memory_format=contiguous_format)", **_COPY, doc="" if _overload else f"{_name}(), copied.")  # fmt: skip

composite("narrow_copy(Tensor input, int dim, int start, int length) -> Tensor", """
check(dim < input.ndim, "RuntimeError", "narrow_copy: there is no dimension %lld in a tensor of %lld dimensions", dim, input.ndim)
return clone(narrow(input, dim, start, length), memory_format=contiguous_format)
""", out=True, doc="narrow(), copied.")  # fmt: skip
native("as_strided_scatter(Tensor input, Tensor src, int[] size, int[] stride, int? storage_offset=None) -> Tensor",
       derivative={"input": "as_strided_scatter(grad, zeros_like_shape(grad, src.shape), size, stride, storage_offset)",
                   "src": "contiguous(as_strided(contiguous(grad), size, stride, storage_offset))"}, code="""
Tensor *impl_as_strided_scatter(Tensor *input, Tensor *src, Ints size, Ints stride, int64_t offset) {
    Tensor *out = rl_clone(input, RL_CONTIGUOUS_FORMAT), *place = out ? rl_as_strided(out, size, stride, offset) : NULL;
    if (place && (place->ndim != src->ndim || memcmp(place->size, src->size, (size_t)src->ndim * sizeof(int64_t)) != 0)) {
        PyErr_SetString(PyExc_RuntimeError, "expected src to have a size equal to the slice of self");
        Py_CLEAR(place);
    }
    if (!place || rl_copy_raw(place, src) < 0) Py_CLEAR(out);
    Py_XDECREF(place);
    return out;
}
""", doc="A copy of input whose as_strided(size, stride, storage_offset) is src.")  # fmt: skip


def _copied(parts):
    from rushlight import _C

    return tuple(p.clone(memory_format=_C.contiguous_format) for p in parts)


@python("split_copy(Tensor input, int split_size, int dim=0) -> object", method=False, out="exact", doc="split(), copied.")
def split_copy(input, split_size, dim):
    return _copied(input.split(split_size, dim))


@python("split_with_sizes_copy(Tensor input, int[] split_sizes, int dim=0) -> object", method=False, out="exact", doc="split_with_sizes(), copied.")
def split_with_sizes_copy(input, split_sizes, dim):
    return _copied(input.split_with_sizes(split_sizes, dim))


@python("unbind_copy(Tensor input, int dim=0) -> object", method=False, out="exact", doc="unbind(), copied.")
def unbind_copy(input, dim):
    return _copied(input.unbind(dim))


# PyTorch's unsafe_ forms share memory and leave it to the caller never to write to it; here the parts are copies, to which
# writing in place is always right.


@python("unsafe_chunk(Tensor input, int chunks, int dim=0) -> object", doc="chunk(), whose parts may be written in place.")
def unsafe_chunk(input, chunks, dim):
    return _copied(input.chunk(chunks, dim))


@python("unsafe_split(Tensor input, int split_size, int dim=0) -> object", doc="split(), whose parts may be written in place.")
def unsafe_split(input, split_size, dim):
    return _copied(input.split(split_size, dim))


@python("unsafe_split_with_sizes(Tensor input, int[] split_sizes, int dim=0) -> object",
        doc="split_with_sizes(), whose parts may be written in place.")  # fmt: skip
def unsafe_split_with_sizes(input, split_sizes, dim):
    return _copied(input.split_with_sizes(split_sizes, dim))
