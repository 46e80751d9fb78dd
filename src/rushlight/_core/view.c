/* view.c -- the operations that only look at memory differently. History is added by the rendered
 * wrappers, which mark the results as views of their input. */
#include "rl.h"
#include "rl_ops.h"
#include "runtime.h"

static PyObject *list_of(int n, const int64_t *v) {
    PyObject *l = PyList_New(n);
    for (int i = 0; l && i < n; i++) {
        PyObject *o = PyLong_FromLongLong(v[i]);
        if (!o) { Py_DECREF(l); return NULL; }
        PyList_SET_ITEM(l, i, o);
    }
    return l;
}

static Tensor *fail_with_list(PyObject *type, const char *before, int n, const int64_t *v, const char *after) {
    PyObject *l = list_of(n, v);
    if (l) PyErr_Format(type, "%s%S%s", before, l, after);
    Py_XDECREF(l);
    return NULL;
}

/* Fills in a -1 and checks the count of elements. */
static int infer_size(Tensor *t, Ints want, int64_t *size) {
    int64_t n = 1;
    int hole = -1;
    if (want.n > RL_MAXDIM) {
        PyErr_Format(PyExc_RuntimeError, "tensors may have at most %d dimensions, got %d", RL_MAXDIM, want.n);
        return -1;
    }
    for (int i = 0; i < want.n; i++) {
        size[i] = want.v[i];
        if (size[i] == -1) {
            if (hole >= 0) { PyErr_SetString(PyExc_RuntimeError, "only one dimension can be inferred"); return -1; }
            hole = i;
        } else if (size[i] < 0) {
            PyErr_Format(PyExc_RuntimeError, "invalid shape dimension %lld at index %d of shape", (long long)size[i], i);
            return -1;
        } else if (__builtin_mul_overflow(n, size[i], &n)) {
            n = -1;
            break;
        }
    }
    if (hole >= 0 && n > 0 && t->numel % n == 0) { size[hole] = t->numel / n; return want.n; }
    if (hole >= 0 && n == 0 && t->numel == 0) {
        fail_with_list(PyExc_RuntimeError, "cannot reshape tensor of 0 elements into shape ", want.n, want.v,
                       " because the unspecified dimension size -1 can be any value and is ambiguous");
        return -1;
    }
    if (hole < 0 && n == t->numel) return want.n;
    PyObject *l = list_of(want.n, want.v);
    if (l) PyErr_Format(PyExc_RuntimeError, "shape '%S' is invalid for input of size %lld", l, (long long)t->numel);
    Py_XDECREF(l);
    return -1;
}

/* Strides that show t's memory in the new shape, or false when no such strides exist. */
static bool view_strides(Tensor *t, int ndim, const int64_t *size, int64_t *stride) {
    if (t->numel == 0) {
        int64_t step = 1;
        for (int i = ndim - 1; i >= 0; i--) { stride[i] = step; step *= size[i] > 1 ? size[i] : 1; }
        if (t->ndim == ndim && memcmp(t->size, size, (size_t)ndim * sizeof(int64_t)) == 0)
            memcpy(stride, t->stride, (size_t)ndim * sizeof(int64_t));
        return true;
    }
    int v = ndim - 1;
    if (t->ndim == 0) { for (int i = 0; i < ndim; i++) stride[i] = 1; return true; }
    int64_t chunk = 1, viewed = 1, base = t->stride[t->ndim - 1];
    for (int i = t->ndim - 1; i >= 0; i--) {
        chunk *= t->size[i];
        if (i == 0 || (t->size[i - 1] != 1 && t->stride[i - 1] != chunk * base)) {
            while (v >= 0 && (viewed < chunk || size[v] == 1)) {
                stride[v] = viewed * base;
                viewed *= size[v--];
            }
            if (viewed != chunk) return false;
            if (i > 0) { base = t->stride[i - 1]; chunk = 1; viewed = 1; }
        }
    }
    return v == -1;
}

Tensor *impl_view(Tensor *self, Ints want) {
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    int n = infer_size(self, want, size);
    if (n < 0) return NULL;
    if (!view_strides(self, n, size, stride)) {
        PyErr_SetString(PyExc_RuntimeError,
                        "view size is not compatible with input tensor's size and stride (at least one dimension spans "
                        "across two contiguous subspaces). Use .reshape(...) instead.");
        return NULL;
    }
    return rl_alias(self, n, size, stride, self->data);
}

Tensor *rl_reshape(Tensor *self, Ints want) {
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    int n = infer_size(self, want, size);
    if (n < 0) return NULL;
    if (RL_IS_CONTIGUOUS(self)) return rl_view(self, (Ints){size, n});
    if (view_strides(self, n, size, stride)) return rl__reshape_alias(self, (Ints){size, n});
    Tensor *c = rl_clone(self, RL_CONTIGUOUS_FORMAT);
    if (!c) return NULL;
    Tensor *r = rl__unsafe_view(c, (Ints){size, n});
    Py_DECREF(c);
    return r;
}

Tensor *impl__reshape_alias(Tensor *self, Ints want) { return impl_view(self, want); }
Tensor *impl__unsafe_view(Tensor *self, Ints want) { return impl_view(self, want); }

static Tensor *impl_as_strided(Tensor *self, Ints size, Ints stride, int64_t offset) {
    if (size.n != stride.n) {
        PyErr_SetString(PyExc_RuntimeError, "mismatch in length of strides and shape");
        return NULL;
    }
    int64_t at = offset == RL_NO_INT ? RL_OFFSET(self) : offset, reach = at;
    bool overflow = false; /* then the view reaches beyond any storage */
    for (int i = 0; i < size.n; i++) {
        if (stride.v[i] < 0)
            return fail_with_list(PyExc_RuntimeError, "as_strided: Negative strides are not supported at the moment, got strides: ",
                                  stride.n, stride.v, "");
        if (size.v[i] < 0)
            return fail_with_list(PyExc_RuntimeError, "Trying to create tensor with negative dimension: ", size.n, size.v, "");
        int64_t far;
        overflow |= __builtin_mul_overflow(size.v[i] - 1, stride.v[i], &far) || __builtin_add_overflow(reach, far, &reach);
    }
    int64_t item = RL_ITEMSIZE(self->dtype), numel = rl_count_elements(size.n, size.v), need;
    if (numel < 0) return NULL;
    overflow |= __builtin_add_overflow(reach, 1, &need) || __builtin_mul_overflow(need, item, &need);
    if (at < 0) {
        PyErr_Format(PyExc_RuntimeError, "Tensor: invalid storage offset %lld", (long long)at);
        return NULL;
    }
    if (numel && (overflow || need < 0 || (size_t)need > self->storage->nbytes)) {
        PyObject *a = list_of(size.n, size.v), *b = list_of(stride.n, stride.v);
        if (a && b)
            PyErr_Format(PyExc_RuntimeError, "setStorage: sizes %S, strides %S, storage offset %lld, and itemsize %lld requiring "
                         "a storage size of %lld are out of bounds for storage of size %zu", a, b, (long long)at,
                         (long long)item, (long long)(overflow ? INT64_MAX : need), self->storage->nbytes);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    return rl_alias(self, size.n, size.v, stride.v, self->storage->data ? self->storage->data + at * item : NULL);
}

/* grad of as_strided: several elements of the view may have been the same element of the input. */
Tensor *impl_as_strided_backward(Tensor *grad, Ints in_size, Ints in_stride, int64_t in_offset, Ints size, Ints stride,
                                 int64_t offset) {
    int64_t item = RL_ITEMSIZE(grad->dtype), at = offset == RL_NO_INT ? 0 : offset - in_offset, numel = rl_count_of(in_size);
    int64_t low = 0, high = at, span = 0; /* elements before / after the first of the input that the view touches */
    for (int i = 0; i < size.n; i++) high += (size.v[i] - 1) * stride.v[i];
    for (int i = 0; i < in_size.n; i++) span += (in_size.v[i] - 1) * in_stride.v[i];
    if (at < 0) low = -at;
    if (high < span) high = span;
    if (numel == 0 || grad->numel == 0)
        return rl_full_scalar(in_size.n, in_size.v, (Scalar){'i', {.i = 0}, 0}, (RLDType)grad->dtype, grad->device);
    int64_t total = low + high + 1;
    Tensor *flat = rl_full_scalar(1, &total, (Scalar){'i', {.i = 0}, 0}, (RLDType)grad->dtype, grad->device);
    if (!flat) return NULL;
    /* one element at a time, so that elements seen twice are added twice */
    Tensor *g = rl_contiguous_raw(grad), *one_g = NULL, *one_f = NULL;
    if (!g) { Py_DECREF(flat); return NULL; }
    int64_t count[RL_MAXDIM] = {0}, pos = low + at;
    one_g = rl_alias(g, 0, NULL, NULL, g->data);
    one_f = rl_alias(flat, 0, NULL, NULL, flat->data);
    for (int64_t i = 0; one_g && one_f && i < g->numel; i++) {
        one_g->data = g->data + i * item;
        one_f->data = flat->data + pos * item;
        Tensor *sum = rl_add_(one_f, one_g, RL_ONE);
        if (!sum) { Py_CLEAR(one_f); break; }
        Py_DECREF(sum);
        for (int d = size.n - 1; d >= 0; d--) {
            pos += stride.v[d];
            if (++count[d] < size.v[d]) break;
            pos -= stride.v[d] * size.v[d];
            count[d] = 0;
        }
    }
    Tensor *view = NULL, *result = NULL;
    if (one_g && one_f) view = rl_alias(flat, in_size.n, in_size.v, in_stride.v, flat->data + low * item);
    if (view) result = rl_contiguous_raw(view);
    Py_XDECREF(view);
    Py_XDECREF(one_g);
    Py_XDECREF(one_f);
    Py_DECREF(g);
    Py_DECREF(flat);
    return result;
}

/* args: the view's size, stride and offset, then the input's. */
static int as_strided_apply(Node *n, Tensor **in, Tensor **out) {
    const Arg *a = n->args;
    if (!in[0] || !n->edges[0].node) return 0;
    out[0] = rl_as_strided_backward(in[0], a[3].ints, a[4].ints, a[5].i, a[0].ints, a[1].ints, a[2].i);
    return out[0] ? 0 : -1;
}

static const NodeDef as_strided_def = {"AsStridedBackward0", as_strided_apply, 0, 6, NULL};

/* Also the history of a view whose base was written: it needs no more than the two geometries, and an input without
 * gradients leaves the node without an edge. */
Node *rl_as_strided_node(Tensor *input, Ints size, Ints stride, int64_t offset) {
    Node *n = rl_node_new(&as_strided_def, 1);
    if (!n) return NULL;
    n->args[2].i = offset;
    n->args[5].i = RL_OFFSET(input);
    if (rl_node_edge(n, 0, input) < 0 || rl_node_save_ints(n, 0, size) < 0 || rl_node_save_ints(n, 1, stride) < 0 ||
        rl_node_save_ints(n, 3, (Ints){input->size, input->ndim}) < 0 || rl_node_save_ints(n, 4, (Ints){input->stride, input->ndim}) < 0)
        Py_CLEAR(n);
    return n;
}

Tensor *rl_as_strided(Tensor *input, Ints size, Ints stride, int64_t offset) {
    Tensor *v = impl_as_strided(input, size, stride, offset);
    if (!v) return NULL;
    rl_make_view(v, input);
    if (!rl_any_grad1(input)) return v;
    Node *n = rl_as_strided_node(input, size, stride, RL_OFFSET(v));
    if (!n) { Py_DECREF(v); return NULL; }
    rl_set_history(v, n, 0);
    Py_DECREF(n);
    return v;
}

Tensor *impl_transpose(Tensor *self, int64_t d0, int64_t d1) {
    if ((d0 = rl_wrap_dim(d0, self->ndim)) == INT64_MIN || (d1 = rl_wrap_dim(d1, self->ndim)) == INT64_MIN) return NULL;
    if (self->ndim == 0) return rl_shallow(self);
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    memcpy(size, self->size, self->ndim * sizeof(int64_t));
    memcpy(stride, self->stride, self->ndim * sizeof(int64_t));
    size[d0] = self->size[d1];
    size[d1] = self->size[d0];
    stride[d0] = self->stride[d1];
    stride[d1] = self->stride[d0];
    return rl_alias(self, self->ndim, size, stride, self->data);
}

Tensor *impl_t(Tensor *self) {
    if (self->ndim > 2) {
        PyErr_Format(PyExc_RuntimeError, "t() expects a tensor with <= 2 dimensions, but self is %dD", self->ndim);
        return NULL;
    }
    return self->ndim < 2 ? rl_shallow(self) : impl_transpose(self, 0, 1);
}

Tensor *impl_permute(Tensor *self, Ints dims) {
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    bool seen[RL_MAXDIM] = {false};
    if (dims.n != self->ndim) {
        PyErr_Format(PyExc_RuntimeError, "permute(sparse_coo): number of dimensions in the tensor input does not match the "
                     "length of the desired ordering of dimensions i.e. input.dim() = %d is not equal to len(dims) = %d",
                     self->ndim, dims.n);
        return NULL;
    }
    for (int i = 0; i < dims.n; i++) {
        int64_t d = rl_wrap_dim(dims.v[i], self->ndim);
        if (d == INT64_MIN) return NULL;
        if (seen[d]) { PyErr_SetString(PyExc_RuntimeError, "permute(): duplicate dims are not allowed."); return NULL; }
        seen[d] = true;
        size[i] = self->size[d];
        stride[i] = self->stride[d];
    }
    return rl_alias(self, dims.n, size, stride, self->data);
}

Tensor *impl_expand(Tensor *self, Ints want, bool implicit) {
    (void)implicit;
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    int shift = want.n - self->ndim;
    if (shift < 0 || want.n > RL_MAXDIM) {
        PyObject *a = list_of(self->ndim, self->size), *b = list_of(want.n, want.v);
        if (a && b) PyErr_Format(PyExc_RuntimeError, "expand(torch.%sTensor{%S}, size=%S): the number of sizes provided (%d) must "
                                 "be greater or equal to the number of dimensions in the tensor (%d)",
                                 rl_dtypes[self->dtype].legacy, a, b, want.n, self->ndim);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    for (int i = want.n - 1; i >= 0; i--) {
        int64_t have = i >= shift ? self->size[i - shift] : 1, w = want.v[i];
        if (w == -1) {
            if (i < shift) {
                PyErr_Format(PyExc_RuntimeError, "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
                             "dimension %d", i);
                return NULL;
            }
            w = have;
        }
        size[i] = w;
        if (have == w) {
            stride[i] = i >= shift ? self->stride[i - shift] : i + 1 < want.n ? size[i + 1] * stride[i + 1] : 1;
        } else if (have == 1) {
            if (w < 0) return fail_with_list(PyExc_RuntimeError, "expand: negative size in ", want.n, want.v, "");
            stride[i] = 0;
        } else {
            PyObject *a = list_of(want.n, want.v), *b = list_of(self->ndim, self->size);
            if (a && b) PyErr_Format(PyExc_RuntimeError, "The expanded size of the tensor (%lld) must match the existing size "
                                     "(%lld) at non-singleton dimension %d.  Target sizes: %S.  Tensor sizes: %S",
                                     (long long)w, (long long)have, i, a, b);
            Py_XDECREF(a);
            Py_XDECREF(b);
            return NULL;
        }
    }
    if (rl_count_elements(want.n, size) < 0) return NULL;
    return rl_alias(self, want.n, size, stride, self->data);
}

Tensor *impl_select(Tensor *self, int64_t dim, int64_t index) {
    if (self->ndim == 0) { PyErr_SetString(PyExc_IndexError, "select() cannot be applied to a 0-dim tensor."); return NULL; }
    if ((dim = rl_wrap_dim(dim, self->ndim)) == INT64_MIN) return NULL;
    int64_t n = self->size[dim];
    if (index < -n || index >= n) {
        PyObject *shape = list_of(self->ndim, self->size);
        if (shape) PyErr_Format(PyExc_IndexError, "select(): index %lld out of range for tensor of size %S at dimension %lld",
                                (long long)index, shape, (long long)dim);
        Py_XDECREF(shape);
        return NULL;
    }
    if (index < 0) index += n;
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    for (int i = 0, k = 0; i < self->ndim; i++) {
        if (i == dim) continue;
        size[k] = self->size[i];
        stride[k++] = self->stride[i];
    }
    char *data = self->data ? self->data + index * self->stride[dim] * RL_ITEMSIZE(self->dtype) : NULL;
    return rl_alias(self, self->ndim - 1, size, stride, data);
}

Tensor *impl_slice(Tensor *self, int64_t dim, int64_t start, int64_t end, int64_t step) {
    if (self->ndim == 0) { PyErr_SetString(PyExc_IndexError, "slice() cannot be applied to a 0-dim tensor."); return NULL; }
    if ((dim = rl_wrap_dim(dim, self->ndim)) == INT64_MIN) return NULL;
    if (step <= 0) { PyErr_SetString(PyExc_RuntimeError, "slice step must be positive"); return NULL; }
    int64_t n = self->size[dim];
    if (start == RL_NO_INT) start = 0;
    if (end == RL_NO_INT) end = INT64_MAX;
    if (start < 0) start += n;
    if (end < 0) end += n;
    start = start < 0 ? 0 : start > n ? n : start;
    end = end < start ? start : end > n ? n : end;
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    memcpy(size, self->size, self->ndim * sizeof(int64_t));
    memcpy(stride, self->stride, self->ndim * sizeof(int64_t));
    char *data = self->data ? self->data + start * stride[dim] * RL_ITEMSIZE(self->dtype) : NULL;
    size[dim] = (end - start + step - 1) / step;
    stride[dim] *= step;
    return rl_alias(self, self->ndim, size, stride, data);
}

/* dims None: every dimension of size 1. */
Tensor *rl_squeeze_dims(Tensor *self, Ints dims) {
    bool drop[RL_MAXDIM];
    if (dims.n < 0) {
        for (int i = 0; i < self->ndim; i++) drop[i] = true;
    } else {
        memset(drop, 0, sizeof drop);
        for (int k = 0; k < dims.n; k++) {
            int64_t d = rl_wrap_dim(dims.v[k], self->ndim);
            if (d == INT64_MIN) return NULL;
            drop[d] = true;
        }
    }
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    int n = 0;
    for (int i = 0; i < self->ndim; i++) {
        if (drop[i] && self->size[i] == 1) continue;
        size[n] = self->size[i];
        stride[n++] = self->stride[i];
    }
    return rl_alias(self, n, size, stride, self->data);
}

Tensor *impl_unsqueeze(Tensor *self, int64_t dim) {
    if ((dim = rl_wrap_dim(dim, self->ndim + 1)) == INT64_MIN) return NULL;
    int64_t size[RL_MAXDIM + 1], stride[RL_MAXDIM + 1];
    for (int i = 0, k = 0; i <= self->ndim; i++) {
        if (i == dim) {
            size[i] = 1;
            stride[i] = dim >= self->ndim ? 1 : self->size[dim] * self->stride[dim];
        } else {
            size[i] = self->size[k];
            stride[i] = self->stride[k++];
        }
    }
    return rl_alias(self, self->ndim + 1, size, stride, self->data);
}

Tensor *impl_diagonal(Tensor *self, int64_t offset, int64_t d1, int64_t d2) {
    if ((d1 = rl_wrap_dim(d1, self->ndim)) == INT64_MIN || (d2 = rl_wrap_dim(d2, self->ndim)) == INT64_MIN) return NULL;
    if (d1 == d2 || self->ndim < 2) {
        PyErr_Format(PyExc_RuntimeError, "diagonal dimensions cannot be identical %lld, %lld", (long long)d1, (long long)d2);
        return NULL;
    }
    int64_t n1 = self->size[d1], n2 = self->size[d2];
    int64_t n = offset >= 0 ? (n1 < n2 - offset ? n1 : n2 - offset) : (n1 + offset < n2 ? n1 + offset : n2);
    if (n < 0) n = 0;
    int64_t at = n == 0 ? 0 : offset >= 0 ? offset * self->stride[d2] : -offset * self->stride[d1];
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    int k = 0;
    for (int i = 0; i < self->ndim; i++) {
        if (i == d1 || i == d2) continue;
        size[k] = self->size[i];
        stride[k++] = self->stride[i];
    }
    size[k] = n;
    stride[k] = self->stride[d1] + self->stride[d2];
    return rl_alias(self, k + 1, size, stride, self->data ? self->data + at * RL_ITEMSIZE(self->dtype) : NULL);
}

Tensor *impl_unfold(Tensor *self, int64_t dim, int64_t size, int64_t step) {
    if ((dim = rl_wrap_dim(dim, self->ndim)) == INT64_MIN) return NULL;
    int64_t n = self->ndim ? self->size[dim] : 1;
    if (size < 0 || size > n) {
        PyErr_Format(PyExc_RuntimeError, "maximum size for tensor at dimension %lld is %lld but size is %lld", (long long)dim,
                     (long long)n, (long long)size);
        return NULL;
    }
    if (step <= 0) { PyErr_Format(PyExc_RuntimeError, "step is %lld but must be > 0", (long long)step); return NULL; }
    int64_t sz[RL_MAXDIM + 1], st[RL_MAXDIM + 1];
    memcpy(sz, self->size, self->ndim * sizeof(int64_t));
    memcpy(st, self->stride, self->ndim * sizeof(int64_t));
    sz[self->ndim] = size;
    st[self->ndim] = self->ndim ? self->stride[dim] : 1;
    if (self->ndim) {
        sz[dim] = (n - size) / step + 1;
        st[dim] *= step;
    }
    return rl_alias(self, self->ndim + 1, sz, st, self->data);
}

Tensor *impl_detach(Tensor *self) { return rl_shallow(self); }

/* ---------------------------------------------------------------- several views at once */

/* Results of these may not be written in place while gradients flow (PyTorch's rule). */
PyObject *rl_multi_views(Tensor *self, int n, Tensor *(*make)(void *ctx, int i), void *ctx) {
    PyObject *out = PyTuple_New(n);
    if (!out) return NULL;
    for (int i = 0; i < n; i++) {
        Tensor *v = make(ctx, i);
        if (!v) { Py_DECREF(out); return NULL; }
        if (v->base) v->creation = rl_grad_mode ? RLV_MULTI : RLV_NO_GRAD;
        PyTuple_SET_ITEM(out, i, (PyObject *)v);
    }
    (void)self;
    return out;
}
