/* tensor.c -- the life of a Tensor object: allocation, geometry, aliases, garbage collection. */
#include "parse.h"
#include "sizes_text.h"
#include <stdlib.h>

static Tensor *free_tensors;   /* linked through ->grad; their memory keeps its GC header */
static int n_free;

/* ---------------------------------------------------------------- geometry */

static inline void contiguous_strides(Tensor *t) {
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        t->stride[i] = step;
        step *= t->size[i] > 1 ? t->size[i] : 1;
    }
}

static inline bool is_contiguous(const Tensor *t) {
    if (t->numel == 0) return true;
    int64_t step = 1;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->size[i] == 1) continue;
        if (t->stride[i] != step) return false;
        step *= t->size[i];
    }
    return true;
}

static void drop_dims(Tensor *t) {
    if (RL_UNLIKELY(t->size != t->dims)) free(t->size);
}

static int take_dims(Tensor *t, int ndim) {
    t->ndim = (uint8_t)ndim;
    if (RL_LIKELY(ndim <= RL_INLINE_DIMS)) {
        t->size = t->dims;
        t->stride = t->dims + RL_INLINE_DIMS;
        return 0;
    }
    if (ndim > RL_MAXDIM) {
        t->size = t->dims;
        t->stride = t->dims + RL_INLINE_DIMS;
        t->ndim = 0;
        PyErr_Format(PyExc_RuntimeError, "tensors may have at most %d dimensions, got %d", RL_MAXDIM, ndim);
        return -1;
    }
    t->size = malloc(2 * (size_t)ndim * sizeof(int64_t));
    if (!t->size) { t->size = t->dims; t->ndim = 0; PyErr_NoMemory(); return -1; }
    t->stride = t->size + ndim;
    return 0;
}

int64_t rl_count_elements(int ndim, const int64_t *size) {
    int64_t n = 1;
    bool overflow = false;
    for (int i = 0; i < ndim; i++) {
        if (size[i] == 0) return 0; /* an empty tensor may have huge sides */
        overflow |= __builtin_mul_overflow(n, size[i], &n);
    }
    if (RL_LIKELY(!overflow)) return n;
    PyErr_SetString(PyExc_RuntimeError, "numel: integer multiplication overflow");
    return -1;
}

/* More dimensions than there may be: an exception, and t has none. */
void rl_set_geometry(Tensor *t, int ndim, const int64_t *size, const int64_t *stride) {
    if (RL_UNLIKELY(ndim > RL_MAXDIM)) {
        drop_dims(t);
        take_dims(t, ndim);
        t->numel = 0;
        return;
    }
    int64_t keep[2 * RL_MAXDIM]; /* size and stride may point into t itself */
    memcpy(keep, size, (size_t)ndim * sizeof(int64_t));
    if (stride) memcpy(keep + RL_MAXDIM, stride, (size_t)ndim * sizeof(int64_t));
    drop_dims(t);
    if (take_dims(t, ndim) < 0) return;
    int64_t numel = 1;
    for (int i = 0; i < ndim; i++) numel *= (t->size[i] = keep[i]);
    t->numel = numel;
    if (stride) memcpy(t->stride, keep + RL_MAXDIM, (size_t)ndim * sizeof(int64_t));
    else contiguous_strides(t);
    if (is_contiguous(t)) t->flags |= RLF_CONTIGUOUS;
    else t->flags &= ~(uint32_t)RLF_CONTIGUOUS;
}

/* ---------------------------------------------------------------- allocation */

static inline Tensor *blank(void) {
    Tensor *t = free_tensors;
    if (RL_LIKELY(t != NULL)) {
        free_tensors = t->grad;
        n_free--;
        Py_SET_REFCNT((PyObject *)t, 1);
    } else {
        t = PyObject_GC_New(Tensor, &RLTensor_Type);
        if (!t) return NULL;
    }
    t->storage = NULL;
    t->data = NULL;
    t->size = t->dims;
    t->ndim = 0;
    t->device = RL_CPU;
    t->creation = 0;
    t->flags = 0;
    t->output_nr = 0;
    t->view_version = 0;
    t->grad_fn = NULL;
    t->grad = NULL;
    t->base = NULL;
    t->version = NULL;
    t->extra = NULL;
    t->dict = NULL;
    t->weakrefs = NULL;
    return t;
}

void rl_track(Tensor *t) {
    if (!(t->flags & RLF_TRACKED)) {
        t->flags |= RLF_TRACKED;
        PyObject_GC_Track((PyObject *)t);
    }
}

TensorExtra *rl_extra(Tensor *t) {
    if (!t->extra) {
        t->extra = calloc(1, sizeof(TensorExtra));
        if (!t->extra) PyErr_NoMemory();
    }
    return t->extra;
}

static int attach_storage(Tensor *t, int64_t numel) {
    size_t nbytes;
    if (RL_UNLIKELY(numel < 0 || __builtin_mul_overflow((size_t)numel, (size_t)RL_ITEMSIZE(t->dtype), &nbytes))) {
        PyErr_SetString(PyExc_RuntimeError, "Storage size calculation overflowed");
        return -1;
    }
    t->storage = rl_storage_new(nbytes, t->device);
    if (RL_UNLIKELY(!t->storage)) return -1;
    t->data = t->storage->data;
    t->version = &t->storage->version;
    return 0;
}

Tensor *rl_empty(int ndim, const int64_t *size, RLDType dt, int device) {
    Tensor *t = blank();
    if (RL_UNLIKELY(!t)) return NULL;
    t->dtype = (uint8_t)dt;
    t->device = (uint8_t)device;
    if (take_dims(t, ndim) < 0) goto fail;
    int64_t numel = 1;
    bool overflow = false;
    for (int i = 0; i < ndim; i++) {
        int64_t n = size[i];
        if (RL_UNLIKELY(n < 0)) {
            PyObject *shape = rl_size_object(ndim, size), *list = shape ? PySequence_List(shape) : NULL;
            if (list) PyErr_Format(PyExc_RuntimeError, "Trying to create tensor with negative dimension %lld: %R", (long long)n, list);
            Py_XDECREF(shape);
            Py_XDECREF(list);
            goto fail;
        }
        t->size[i] = n;
        overflow |= __builtin_mul_overflow(numel, n, &numel);
    }
    if (RL_UNLIKELY(overflow) && (numel = rl_count_elements(ndim, size)) < 0) goto fail;
    t->numel = numel;
    contiguous_strides(t);
    t->flags = RLF_CONTIGUOUS;
    if (RL_UNLIKELY(attach_storage(t, numel) < 0)) goto fail;
    return t;
fail:
    t->storage = NULL;
    Py_DECREF(t);
    return NULL;
}

Tensor *rl_empty_strided(int ndim, const int64_t *size, const int64_t *stride, RLDType dt, int device) {
    Tensor *t = blank();
    if (!t) return NULL;
    t->dtype = (uint8_t)dt;
    t->device = (uint8_t)device;
    if (ndim > RL_MAXDIM) { take_dims(t, ndim); goto fail; }
    if (rl_count_elements(ndim, size) < 0) goto fail;
    rl_set_geometry(t, ndim, size, stride);
    int64_t extent = t->numel ? 1 : 0;
    if (t->numel) for (int i = 0; i < ndim; i++) {
        if (stride[i] < 0) {
            PyErr_SetString(PyExc_RuntimeError, "as_strided: Negative strides are not supported at the moment");
            goto fail;
        }
        int64_t reach;
        if (__builtin_mul_overflow(size[i] - 1, stride[i], &reach) || __builtin_add_overflow(extent, reach, &extent)) extent = -1;
        if (extent < 0) break;
    }
    if (attach_storage(t, extent) < 0) goto fail;
    return t;
fail:
    t->storage = NULL;
    Py_DECREF(t);
    return NULL;
}

bool rl_is_dense(const Tensor *t) {
    if (RL_IS_CONTIGUOUS(t)) return true;
    uint64_t left = 0;
    for (int i = 0; i < t->ndim; i++) if (t->size[i] != 1) left |= 1ull << i;
    for (int64_t step = 1; left;) { /* the dimension that goes on where the last one ended */
        int next = -1;
        for (int i = 0; i < t->ndim; i++) if (left >> i & 1 && t->stride[i] == step) { next = i; break; }
        if (next < 0) return false;
        step *= t->size[next];
        left &= ~(1ull << next);
    }
    return true;
}

/* Dense and non-overlapping inputs keep their strides; others get strides in the same order of size
 * (PyTorch's infer_dense_strides), expanded ones contiguous. */
Tensor *rl_empty_like(Tensor *t, RLDType dt) {
    if (RL_LIKELY(RL_IS_CONTIGUOUS(t))) return rl_empty(t->ndim, t->size, dt, t->device);
    if (rl_is_dense(t)) return rl_empty_strided(t->ndim, t->size, t->stride, dt, t->device);
    int order[RL_MAXDIM], n = t->ndim;
    int64_t stride[RL_MAXDIM];
    for (int i = 0; i < n; i++) order[i] = n - 1 - i;          /* innermost first */
    for (int i = 1; i < n; i++) {                              /* stable insertion sort by stride */
        for (int j = i; j > 0; j--) {
            int a = order[j - 1], b = order[j];
            int64_t sa = t->stride[a], sb = t->stride[b];
            if (sa == 0 || sb == 0) break;                     /* ambiguous: keep the given order */
            if (sa < sb || (sa == sb && t->size[a] <= t->size[b])) break;
            order[j - 1] = b;
            order[j] = a;
        }
    }
    int64_t step = 1;
    for (int i = 0; i < n; i++) {
        stride[order[i]] = step;
        step *= t->size[order[i]] > 1 ? t->size[order[i]] : 1;
    }
    return rl_empty_strided(n, t->size, stride, dt, t->device);
}

Tensor *rl_from_storage(Storage *s, int64_t offset, int ndim, const int64_t *size, const int64_t *stride, RLDType dt) {
    Tensor *t = blank();
    if (!t) return NULL;
    t->dtype = (uint8_t)dt;
    t->device = s->device;
    s->refs++;
    t->storage = s;
    t->version = &s->version;
    t->data = s->data ? s->data + offset : NULL;
    rl_set_geometry(t, ndim, size, stride);
    return t;
}

static inline void share_version(Tensor *t, Tensor *from) {
    t->version = from->version;
    if (RL_UNLIKELY(from->flags & RLF_OWN_VERSION)) {
        t->flags |= RLF_OWN_VERSION;
        t->version->refs++;
    }
}

Tensor *rl_alias(Tensor *from, int ndim, const int64_t *size, const int64_t *stride, char *data) {
    Tensor *t = blank();
    if (RL_UNLIKELY(!t)) return NULL;
    t->dtype = from->dtype;
    t->device = from->device;
    from->storage->refs++;
    t->storage = from->storage;
    t->data = data;
    share_version(t, from);
    if (RL_LIKELY(ndim <= RL_INLINE_DIMS)) {
        t->stride = t->dims + RL_INLINE_DIMS;
        t->ndim = (uint8_t)ndim;
        int64_t numel = 1;
        for (int i = 0; i < ndim; i++) {
            numel *= (t->size[i] = size[i]);
            t->stride[i] = stride[i];
        }
        t->numel = numel;
        if (is_contiguous(t)) t->flags |= RLF_CONTIGUOUS;
    } else {
        rl_set_geometry(t, ndim, size, stride);
        if (PyErr_Occurred()) { Py_DECREF(t); return NULL; }
    }
    return t;
}

int rl_own_version(Tensor *t) {
    if (t->flags & RLF_OWN_VERSION) return 0;
    Version *own = malloc(sizeof *own);
    if (!own) { PyErr_NoMemory(); return -1; }
    *own = (Version){1, t->version->value};
    t->version = own;
    t->flags |= RLF_OWN_VERSION;
    return 0;
}

Tensor *rl_shallow(Tensor *t) { return rl_alias(t, t->ndim, t->size, t->stride, t->data); }

Tensor *rl_tensor_of_type(PyTypeObject *type, Tensor *src) {
    if (type == &RLTensor_Type) return rl_shallow(src);
    Tensor *t = (Tensor *)type->tp_alloc(type, 0);
    if (!t) return NULL;
    t->flags = RLF_TRACKED;
    t->size = t->dims;
    t->dtype = src->dtype;
    t->device = src->device;
    src->storage->refs++;
    t->storage = src->storage;
    t->data = src->data;
    share_version(t, src);
    rl_set_geometry(t, src->ndim, src->size, src->stride);
    return t;
}

int rl_resize_for_out(Tensor *out, int ndim, const int64_t *size) {
    if (out->ndim == ndim && memcmp(out->size, size, (size_t)ndim * sizeof(int64_t)) == 0) return 0;
    int64_t numel = rl_count_elements(ndim, size);
    if (numel < 0) return -1;
    size_t need, offset = out->data ? (size_t)(out->data - out->storage->data) : 0;
    if (__builtin_mul_overflow((size_t)numel, (size_t)RL_ITEMSIZE(out->dtype), &need) || need > SIZE_MAX - offset) {
        PyErr_SetString(PyExc_RuntimeError, "Storage size calculation overflowed");
        return -1;
    }
    if (offset + need > out->storage->nbytes && rl_storage_resize(out->storage, offset + need) < 0) return -1;
    out->data = out->storage->data ? out->storage->data + offset : NULL;
    rl_set_geometry(out, ndim, size, NULL);
    return 0;
}

/* ---------------------------------------------------------------- numbers */

static Tensor *wrapped(RLDType dt) {
    Tensor *t = rl_empty(0, NULL, dt, RL_CPU);
    if (t) t->flags |= RLF_WRAPPED;
    return t;
}

Tensor *rl_wrap_double(double v) {
    Tensor *t = wrapped(RL_F64);
    if (t) *(double *)t->data = v;
    return t;
}

Tensor *rl_wrap_int(int64_t v) {
    Tensor *t = wrapped(RL_I64);
    if (t) *(int64_t *)t->data = v;
    return t;
}

Tensor *rl_wrap_scalar(Scalar s) {
    Tensor *t;
    switch (s.kind) {
        case 'b':
            t = wrapped(RL_BOOL);
            if (t) *(uint8_t *)t->data = s.u.i != 0;
            return t;
        case 'i': return rl_wrap_int(s.u.i);
        case 'c':
            t = wrapped(RL_C128);
            if (t) { ((double *)t->data)[0] = s.u.d; ((double *)t->data)[1] = s.im; }
            return t;
        default: return rl_wrap_double(s.u.d);
    }
}

int rl_scalar_from_py(PyObject *o, Scalar *out) {
    out->im = 0;
    if (PyFloat_CheckExact(o)) { out->kind = 'd'; out->u.d = PyFloat_AS_DOUBLE(o); return 1; }
    if (PyBool_Check(o)) { out->kind = 'b'; out->u.i = o == Py_True; return 1; }
    if (PyLong_Check(o)) {
        int overflow;
        long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow) { PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking long long"); return -1; }
        if (v == -1 && PyErr_Occurred()) return -1;
        out->kind = 'i';
        out->u.i = v;
        return 1;
    }
    if (PyFloat_Check(o)) { out->kind = 'd'; out->u.d = PyFloat_AsDouble(o); return 1; }
    if (PyComplex_Check(o)) {
        out->kind = 'c';
        out->u.d = PyComplex_RealAsDouble(o);
        out->im = PyComplex_ImagAsDouble(o);
        return 1;
    }
    if (RL_IS_TENSOR(o)) {
        if (((Tensor *)o)->ndim != 0) return 0;
        *out = rl_item((Tensor *)o);
        return PyErr_Occurred() ? -1 : 1;
    }
    /* NumPy's scalars: numbers that are not sequences */
    if (Py_TYPE(o)->tp_as_number && !PySequence_Check(o)) {
        PyNumberMethods *nb = Py_TYPE(o)->tp_as_number;
        if (nb->nb_index) {
            PyObject *i = PyNumber_Index(o);
            if (!i) return -1;
            int r = rl_scalar_from_py(i, out);
            Py_DECREF(i);
            return r;
        }
        const char *name = rl_type_name(o);
        if (strncmp(name, "numpy.", 6) == 0) {
            if (strncmp(name + 6, "bool", 4) == 0) { out->kind = 'b'; out->u.i = PyObject_IsTrue(o); return 1; }
            if (strncmp(name + 6, "complex", 7) == 0) {
                Py_complex c = PyComplex_AsCComplex(o);
                if (PyErr_Occurred()) return -1;
                out->kind = 'c'; out->u.d = c.real; out->im = c.imag;
                return 1;
            }
            if (nb->nb_float) {
                out->kind = 'd';
                out->u.d = PyFloat_AsDouble(o);
                return PyErr_Occurred() ? -1 : 1;
            }
        }
    }
    return 0;
}

PyObject *rl_scalar_to_py(Scalar s) {
    switch (s.kind) {
        case 'b': return PyBool_FromLong(s.u.i != 0);
        case 'i': return PyLong_FromLongLong(s.u.i);
        case 'd': return PyFloat_FromDouble(s.u.d);
        case 'c': return PyComplex_FromDoubles(s.u.d, s.im);
        default: Py_RETURN_NONE;
    }
}

/* ---------------------------------------------------------------- shapes */

int64_t rl_wrap_dim(int64_t dim, int ndim) {
    int64_t n = ndim ? ndim : 1;
    if (RL_UNLIKELY(dim < -n || dim >= n)) {
        PyErr_Format(PyExc_IndexError, "Dimension out of range (expected to be in range of [%lld, %lld], but got %lld)",
                     (long long)-n, (long long)(n - 1), (long long)dim);
        return INT64_MIN;
    }
    return dim < 0 ? dim + n : dim;
}

int rl_broadcast_shapes(int n, Tensor *const *ts, int64_t *size) {
    int ndim = 0;
    for (int k = 0; k < n; k++) if (ts[k]->ndim > ndim) ndim = ts[k]->ndim;
    for (int i = 0; i < ndim; i++) size[i] = 1;
    for (int k = 0; k < n; k++) {
        int shift = ndim - ts[k]->ndim;
        for (int i = ts[k]->ndim - 1; i >= 0; i--) {
            int64_t m = ts[k]->size[i], *s = &size[i + shift];
            if (*s == m || m == 1) continue;
            if (*s == 1) { *s = m; continue; }
            PyErr_Format(PyExc_RuntimeError, "The size of tensor a (%lld) must match the size of tensor b (%lld) "
                         "at non-singleton dimension %d", (long long)*s, (long long)m, i + shift);
            SizesText a, b;
            if (n == 2) rl_hint("the shapes are [%s] and [%s]", rl_shape_text(&a, ts[0]), rl_shape_text(&b, ts[1]));
            return -1;
        }
    }
    return ndim;
}

/* ---------------------------------------------------------------- teardown */

static void free_extra(Tensor *t) {
    TensorExtra *e = t->extra;
    t->extra = NULL;
    if (!e) return;
    if (e->accumulator) e->accumulator->variable = NULL; /* cannot outlive us: it holds us */
    rl_drop_hooks(&e->hooks);
    rl_drop_hooks(&e->post_hooks);
    Py_XDECREF(e->backward_hooks_dict);
    free(e);
}

void rl_tensor_dealloc(PyObject *self) {
    Tensor *t = (Tensor *)self;
    if (t->flags & RLF_TRACKED) {
        PyObject_GC_UnTrack(self);
        t->flags &= ~(uint32_t)RLF_TRACKED;
    }
    if (RL_UNLIKELY(t->weakrefs != NULL)) PyObject_ClearWeakRefs(self);
    if (RL_UNLIKELY(t->extra != NULL)) free_extra(t);
    if (RL_UNLIKELY(t->flags & RLF_RETAINS_GRAD) && t->grad_fn) rl_forget_retained(t);
    Py_CLEAR(t->dict);
    Py_CLEAR(t->grad_fn);
    Py_CLEAR(t->grad);
    Py_CLEAR(t->base);
    if (RL_UNLIKELY(t->flags & RLF_OWN_VERSION) && --t->version->refs == 0) free(t->version);
    if (t->storage) rl_storage_decref(t->storage);
    drop_dims(t);
    if (RL_LIKELY(Py_TYPE(self) == &RLTensor_Type) && n_free < RL_KEPT_FREE) {
        t->grad = free_tensors;
        free_tensors = t;
        n_free++;
        return;
    }
    Py_TYPE(self)->tp_free(self);
}

int rl_tensor_traverse(PyObject *self, visitproc visit, void *arg) {
    Tensor *t = (Tensor *)self;
    Py_VISIT(t->grad_fn);
    Py_VISIT(t->grad);
    Py_VISIT(t->base);
    Py_VISIT(t->dict);
    if (t->extra) {
        Py_VISIT(t->extra->hooks);
        Py_VISIT(t->extra->post_hooks);
        Py_VISIT(t->extra->backward_hooks_dict);
    }
    return 0;
}

int rl_tensor_clear(PyObject *self) {
    Tensor *t = (Tensor *)self;
    Py_CLEAR(t->dict);
    Py_CLEAR(t->grad_fn);
    Py_CLEAR(t->grad);
    Py_CLEAR(t->base);
    if (t->extra) {
        rl_drop_hooks(&t->extra->hooks);
        rl_drop_hooks(&t->extra->post_hooks);
        Py_CLEAR(t->extra->backward_hooks_dict);
    }
    return 0;
}
