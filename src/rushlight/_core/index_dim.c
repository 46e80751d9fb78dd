/* index_dim.c -- operations with one vector of indices: along a dimension (index_select, index_add,
 * index_copy, index_fill) or over all elements (take, put). */
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"

static int vector_index(Tensor *index, const char *op) {
    if (index->ndim <= 1) return 0;
    PyErr_Format(PyExc_IndexError, "%s(): Index is supposed to be a vector", op);
    return -1;
}

/* Gives back the shape of the 0-dim tensor that `t` was seen through. */
static Tensor *as_shape_of(Tensor *result, Tensor *t) {
    if (result && t->ndim == 0 && result->numel == 1) rl_set_geometry(result, 0, NULL, NULL);
    return result;
}

Tensor *impl_index_select(Tensor *input, int64_t dim, Tensor *index) {
    RLPlan p;
    if (vector_index(index, "index_select") < 0) return NULL;
    if (rl_index_dtype(index, "index_select") < 0 || (dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (input->ndim == 0 && index->numel != 1) {
        PyErr_Format(PyExc_RuntimeError, "index_select(): Index to scalar can have only 1 value, got %lld value(s)", (long long)index->numel);
        return NULL;
    }
    if (input->numel == 0 && input->ndim > 1 && input->size[dim] == 0 && index->numel) {
        PyErr_SetString(PyExc_RuntimeError, "index_select(): self indexing axis dim should be positive");
        return NULL;
    }
    Tensor *t = rl_one_dim(input), *out = NULL;
    if (t && rl_plan_dim(&p, t, dim, index, "index out of range in self") == 0) {
        out = as_shape_of(rl_plan_read(&p, t, "index_select"), input);
        rl_plan_free(&p);
    }
    Py_XDECREF(t);
    return out;
}

/* A copy of input with `source` written or folded in at the places of index. */
static Tensor *write_along(Tensor *input, int64_t dim, Tensor *index, Tensor *source, int mode, const char *op, const char *out_of_range) {
    RLPlan p;
    /* contiguous, but for index_fill, whose value is a number */
    Tensor *out = rl_take_here(input, 2, (Tensor *[]){index, source}) ? (Tensor *)Py_NewRef((PyObject *)input)
                                                                    : rl_clone(input, source->ndim ? RL_CONTIGUOUS_FORMAT : RL_PRESERVE_FORMAT);
    Tensor *t = out ? rl_one_dim(out) : NULL;
    int rc = -1;
    if (t && rl_plan_dim(&p, t, dim, index, out_of_range) == 0) {
        rc = rl_plan_write(&p, mode, t, source, op);
        rl_plan_free(&p);
    }
    Py_XDECREF(t);
    if (rc < 0) Py_CLEAR(out);
    return out;
}

/* source must look like input, except along dim, where it has as many entries as index. */
static int check_source(Tensor *input, int64_t dim, Tensor *index, Tensor *source, const char *op) {
    int64_t have = source->ndim ? source->size[dim < source->ndim ? dim : 0] : 1;
    if (have != index->numel) {
        PyErr_Format(PyExc_RuntimeError, "%s(): Number of indices (%lld) should be equal to source.size(dim): (%lld), for dim: %lld", op,
                     (long long)index->numel, (long long)have, (long long)dim);
        return -1;
    }
    bool same = source->ndim == input->ndim;
    for (int d = 0; same && d < source->ndim; d++) same = d == dim || source->size[d] == input->size[d];
    if (same) return 0;
    rl_shape_error(PyExc_RuntimeError,
                   "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = %S "
                   "source.shape = %S", input->ndim, input->size, source->ndim, source->size);
    return -1;
}

Tensor *impl_index_add(Tensor *input, int64_t dim, Tensor *index, Tensor *source, Scalar alpha) {
    if (vector_index(index, "index_add_") < 0 || (dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (rl_index_dtype(index, "index_add_") < 0) return NULL;
    if (source->dtype != input->dtype) {
        PyErr_Format(PyExc_RuntimeError, "index_add_(): self (%s) and source (%s) must have the same scalar type", rl_dtypes[input->dtype].legacy,
                     rl_dtypes[source->dtype].legacy);
        return NULL;
    }
    if (check_source(input, dim, index, source, "index_add_") < 0) return NULL;
    bool unit = alpha.kind != 'c' && rl_scalar_double(alpha) == 1;
    Tensor *factor = unit ? NULL : rl_wrap_scalar(alpha);
    Tensor *scaled = unit ? (Tensor *)Py_NewRef((PyObject *)source) : factor ? rl_mul(source, factor) : NULL, *out = NULL;
    if (scaled) out = write_along(input, dim, index, scaled, PT_ADD, "index_add_", "index out of range in self");
    Py_XDECREF(factor);
    Py_XDECREF(scaled);
    return out;
}

/* t's size without dimension dim. */
static Ints slice_size(Tensor *t, int64_t dim, int64_t *size) {
    int n = 0;
    for (int d = 0; d < t->ndim; d++) if (d != dim) size[n++] = t->size[d];
    return (Ints){size, n};
}

static PyObject *shown(Ints v) { /* "2 3" */
    PyObject *text = PyUnicode_FromString("");
    for (int i = 0; text && i < v.n; i++) Py_SETREF(text, PyUnicode_FromFormat("%U%s%lld", text, i ? " " : "", (long long)v.v[i]));
    return text;
}

static int check_copied(Tensor *input, int64_t dim, Tensor *index, Tensor *source) {
    if (source->ndim && input->ndim && source->ndim != input->ndim) {
        PyErr_Format(PyExc_IndexError, "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
                     "dimensionality (%d), destination dimensionality (%d)", source->ndim, input->ndim);
        return -1;
    }
    int64_t a[RL_MAXDIM], b[RL_MAXDIM];
    const Ints to = slice_size(input, dim, a), from = slice_size(source, dim, b);
    if (to.n != from.n || memcmp(to.v, from.v, (size_t)to.n * sizeof(int64_t)) != 0) {
        PyObject *x = shown(to), *y = shown(from);
        if (x && y) PyErr_Format(PyExc_RuntimeError, "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice "
                                 "shape: %U at dimension %lld and source slice shape: %U at dimension 0.", x, (long long)dim, y);
        Py_XDECREF(x);
        Py_XDECREF(y);
        return -1;
    }
    const int64_t have = source->ndim ? source->size[dim] : 1;
    if (have == index->numel) return 0;
    PyErr_Format(PyExc_IndexError, "index_copy_(): Number of indices (%lld) should be equal to source.size(dim) (%lld)",
                 (long long)index->numel, (long long)have);
    return -1;
}

Tensor *impl_index_copy(Tensor *input, int64_t dim, Tensor *index, Tensor *source) {
    if (vector_index(index, "index_copy_") < 0 || (dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (index->dtype != RL_I64) {
        PyErr_Format(PyExc_RuntimeError, "index_copy_(): Expected a long tensor for index, but got %s", rl_dtypes[index->dtype].legacy);
        return NULL;
    }
    if (source->dtype != input->dtype) {
        PyErr_Format(PyExc_RuntimeError, "index_copy_(): self and source expected to have the same dtype, but got (self) %s and (source) %s",
                     rl_dtypes[input->dtype].legacy, rl_dtypes[source->dtype].legacy);
        return NULL;
    }
    if (check_copied(input, dim, index, source) < 0) return NULL;
    return write_along(input, dim, index, source, PT_PUT, "index_copy_",
                       "index_copy_(): index %lld is out of bounds for dimension %d with size %lld");
}

Tensor *impl_index_fill(Tensor *input, int64_t dim, Tensor *index, Tensor *value) {
    if (vector_index(index, "index_fill_") < 0 || (dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (index->dtype != RL_I64 && index->dtype != RL_I32) {
        PyErr_SetString(PyExc_IndexError, "index_fill_(): Expected dtype int64 for index.");
        return NULL;
    }
    if (value->ndim) {
        PyErr_Format(PyExc_RuntimeError, "index_fill_ only supports a 0-dimensional value tensor, but got tensor with %d dimension(s).",
                     value->ndim);
        return NULL;
    }
    Tensor *v = rl_to_dtype_raw(value, (RLDType)input->dtype);
    Tensor *out = v ? write_along(input, dim, index, v, PT_PUT, "index_fill_", NULL) : NULL;
    Py_XDECREF(v);
    return out;
}

/* ---------------------------------------------------------------- over all elements */

/* The places in t that flat indices mean, in bytes. */
static int64_t *flat_offsets(Tensor *t, Tensor *index, const char *op) {
    if (index->dtype != RL_I64) {
        PyErr_Format(PyExc_IndexError, "%s(): Expected a long tensor for index, but got %s", op, rl_dtypes[index->dtype].legacy);
        return NULL;
    }
    int64_t n = index->numel, *off = rl_alloc((size_t)(n + 1) * sizeof(int64_t)), item = RL_ITEMSIZE(t->dtype);
    Tensor *c = off ? rl_contiguous_raw(index) : NULL;
    if (!off) PyErr_NoMemory();
    for (int64_t i = 0; c && i < n; i++) {
        int64_t at = ((const int64_t *)c->data)[i], byte = 0;
        if (at < -t->numel || at >= t->numel) {
            PyErr_Format(PyExc_IndexError, "out of range: tried to access index %lld on a tensor of %lld elements.", (long long)at,
                         (long long)t->numel);
            Py_CLEAR(c);
            break;
        }
        if (at < 0) at += t->numel;
        if (RL_IS_CONTIGUOUS(t)) byte = at * item;
        else for (int d = t->ndim - 1; d >= 0; at /= t->size[d--]) byte += at % t->size[d] * t->stride[d] * item;
        off[i] = byte;
    }
    if (!c && off) { rl_dealloc(off, (size_t)(n + 1) * sizeof(int64_t)); off = NULL; }
    Py_XDECREF(c);
    return off;
}

Tensor *impl_take(Tensor *input, Tensor *index) {
    const int64_t n = index->numel, item = RL_ITEMSIZE(input->dtype), s[3] = {item, 0, 0};
    if (index->dtype == RL_I64 && RL_IS_CONTIGUOUS(input) && RL_IS_CONTIGUOUS(index) && input->device == RL_CPU) {
        Tensor *out = rl_empty(index->ndim, index->size, (RLDType)input->dtype, RL_CPU);
        if (!out || rl_take_places(input->data, item, input->numel, true, (const int64_t *)index->data, n, out->data, item)) return out;
        Py_DECREF(out); /* what follows says which */
    }
    int64_t *off = flat_offsets(input, index, "take");
    if (!off) return NULL;
    Tensor *out = rl_empty(index->ndim, index->size, (RLDType)input->dtype, input->device);
    if (out) rl_points(PT_GET, (RLDType)input->dtype, "take")(input->data, off, out->data, s, n, 1);
    rl_dealloc(off, (size_t)(n + 1) * sizeof(int64_t));
    return out;
}

Tensor *impl_put(Tensor *input, Tensor *index, Tensor *source, bool accumulate) {
    if (source->dtype != input->dtype) {
        PyErr_Format(PyExc_RuntimeError, "put_(): self and source expected to have the same dtype, but got self.dtype = %s and "
                     "source.dtype = %s", rl_dtypes[input->dtype].legacy, rl_dtypes[source->dtype].legacy);
        return NULL;
    }
    if (source->numel != index->numel) {
        PyErr_Format(PyExc_IndexError, "put_(): Expected source and index to have the same number of elements, but got "
                     "source.numel() = %lld, index.numel() = %lld", (long long)source->numel, (long long)index->numel);
        return NULL;
    }
    RLPoints points = rl_points(accumulate ? PT_ADD : PT_PUT, (RLDType)input->dtype, "put_");
    const bool here = points && rl_take_here(input, 2, (Tensor *[]){index, source});
    Tensor *out = !points ? NULL : here ? (Tensor *)Py_NewRef((PyObject *)input) : rl_clone_raw(input), *c = out ? rl_contiguous_raw(source) : NULL;
    int64_t n = index->numel, *off = c ? flat_offsets(out, index, "put_") : NULL;
    if (off) {
        points(out->data, off, c->data, (int64_t[]){RL_ITEMSIZE(out->dtype), 0, 0}, n, 1);
        rl_dealloc(off, (size_t)(n + 1) * sizeof(int64_t));
    } else {
        Py_CLEAR(out);
    }
    Py_XDECREF(c);
    return out;
}
