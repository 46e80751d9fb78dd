/* elementwise.c -- applies an elementwise kernel: promotion, broadcasting, result strides, iteration. */
#include "rl.h"

int rl_not_implemented(const char *op, RLDType dt) {
    PyErr_Format(PyExc_NotImplementedError, "\"%s\" not implemented for '%s'", op, rl_dtypes[dt].legacy);
    return -1;
}

/* ---------------------------------------------------------------- promotion */

/* Tensors with dimensions decide; 0-dim tensors only lift the category (bool, int, float, complex);
 * Python numbers weaker still. */
RLDType rl_result_type(int n, Tensor *const *ts) {
    int best[3] = {RL_NODTYPE, RL_NODTYPE, RL_NODTYPE}; /* dimensioned, 0-dim, number */
    for (int i = 0; i < n; i++) {
        Tensor *t = ts[i];
        if (!t) continue;
        int c = t->ndim ? 0 : t->flags & RLF_WRAPPED ? 2 : 1;
        RLDType d = (RLDType)t->dtype;
        if (c == 2) {
            if (RL_IS_COMPLEX(d)) d = rl_default_complex();
            else if (RL_IS_FLOAT(d)) d = rl_default_dtype;
        }
        best[c] = best[c] == RL_NODTYPE ? (int)d : (int)rl_promote((RLDType)best[c], d);
    }
    int r = best[0];
    for (int c = 1; c < 3; c++) {
        int s = best[c];
        if (s == RL_NODTYPE) continue;
        if (r == RL_NODTYPE) { r = s; continue; }
        int cat_r = RL_IS_COMPLEX(r) ? 3 : RL_IS_FLOAT(r) ? 2 : r != RL_BOOL;
        int cat_s = RL_IS_COMPLEX(s) ? 3 : RL_IS_FLOAT(s) ? 2 : s != RL_BOOL;
        if (cat_s <= cat_r) continue;
        if (cat_s == 3 && cat_r == 2) r = rl_promote((RLDType)s == RL_C128 && r != RL_F64 ? RL_C64 : (RLDType)s, (RLDType)r);
        else r = s;
    }
    return (RLDType)r;
}

/* ---------------------------------------------------------------- overlap of memory */

static void extent(Tensor *t, char **lo, char **hi) {
    *lo = *hi = t->data;
    if (t->numel == 0) return;
    int64_t reach = 0;
    for (int i = 0; i < t->ndim; i++) reach += (t->size[i] - 1) * t->stride[i];
    *hi += (reach + 1) * RL_ITEMSIZE(t->dtype);
}

int rl_check_overlap(Tensor *out, int n, Tensor *const *in) {
    if (RL_UNLIKELY(!RL_IS_CONTIGUOUS(out))) {
        for (int i = 0; i < out->ndim; i++) {
            if (out->stride[i] == 0 && out->size[i] > 1) {
                PyErr_SetString(PyExc_RuntimeError,
                                "unsupported operation: more than one element of the written-to tensor refers to a single "
                                "memory location. Please clone() the tensor before performing the operation.");
                return -1;
            }
        }
    }
    for (int k = 0; k < n; k++) {
        Tensor *t = in[k];
        if (!t || t == out || t->storage != out->storage || t->numel == 0 || out->numel == 0) continue;
        if (t->data == out->data && rl_same_shape(t, out) && t->dtype == out->dtype &&
            memcmp(t->stride, out->stride, t->ndim * sizeof(int64_t)) == 0) continue;
        if (!rl_is_dense(t) || !rl_is_dense(out)) continue; /* too hard to tell, as in PyTorch */
        char *a, *b, *c, *d;
        extent(t, &a, &b);
        extent(out, &c, &d);
        if (a == c && b == d && t->ndim == out->ndim && memcmp(t->stride, out->stride, t->ndim * sizeof(int64_t)) == 0) continue;
        if (a < d && c < b) {
            PyErr_SetString(PyExc_RuntimeError, RL_OVERLAP_TEXT);
            return -1;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- iteration */

typedef struct {
    int n_ops, ndim;
    int64_t shape[RL_MAXDIM];
    int64_t stride[RL_MAXOPS][RL_MAXDIM]; /* bytes */
    int64_t size[RL_MAXOPS];
    char *data[RL_MAXOPS];
} Iter;

/* Byte strides of t seen through the broadcast shape. */
static void operand(Iter *it, int k, Tensor *t, int64_t itemsize) {
    int shift = it->ndim - t->ndim;
    for (int i = 0; i < shift; i++) it->stride[k][i] = 0;
    for (int i = 0; i < t->ndim; i++)
        it->stride[k][i + shift] = t->size[i] == 1 && it->shape[i + shift] != 1 ? 0 : t->stride[i] * itemsize;
    it->data[k] = t->data;
    it->size[k] = itemsize;
}

/* A microsecond of work: what threads take at a time. */
static inline int64_t grain_of(const EwDef *def) { return 8192 >> def->cost; }

static void run(Iter *it, const EwDef *def, RLKernel kernel, const void *params) {
    const int64_t *strides[RL_MAXOPS];
    for (int k = 0; k < it->n_ops; k++) strides[k] = it->stride[k];
    rl_walk(kernel, it->n_ops, it->ndim, it->shape, strides, it->size, it->data, params, grain_of(def));
}

/* Operands of which each has one stride; p and s as a kernel takes them. */
static inline void run_dense(const EwDef *def, RLKernel kernel, char **p, const int64_t *s, int64_t n, const EwParam *params) {
    if (RL_LIKELY(n < RL_SHARE_FROM * grain_of(def))) kernel(p, s, n, 1, params);
    else rl_walk_dense(kernel, def->n_in + 1, p, s, n, params, grain_of(def));
}

/* ---------------------------------------------------------------- the call */

static RLDType out_dtype(const EwDef *def, RLDType common) {
    switch (def->out_rule) {
        case EW_BOOL: return RL_BOOL;
        case EW_REAL: return rl_to_real(common);
        case EW_INT64: return RL_I64;
        case EW_INT32: return RL_I32;
        default: return common;
    }
}

static int type_of_call(const EwDef *def, Tensor *const *in) {
    Tensor *part[RL_MAXOPS];
    int m = 0;
    for (int i = 0; i < def->n_in; i++) if (!(def->bool_mask >> i & 1)) part[m++] = in[i];
    RLDType common = m == 1 ? (RLDType)part[0]->dtype : rl_result_type(m, part);
    if (def->in_rule == EW_FLOAT && RL_IS_INTEGRAL(common)) common = rl_default_dtype;
    if (RL_UNLIKELY(!def->kernel[common])) return rl_not_implemented(def->name, common);
    return common;
}

/* Inputs in the dtype of the call; what had to be made is listed in `made`. */
static int cast_inputs(const EwDef *def, Tensor *const *in, RLDType common, Tensor **cast, Tensor **made) {
    int n_made = 0;
    for (int i = 0; i < def->n_in; i++) {
        RLDType want = def->bool_mask >> i & 1 ? RL_BOOL : common;
        if (RL_UNLIKELY(want == RL_BOOL && def->bool_mask >> i & 1 && in[i]->dtype != RL_BOOL && in[i]->dtype != RL_U8)) {
            PyErr_Format(PyExc_RuntimeError, "where expected condition to be a boolean tensor, but got a tensor with dtype %s",
                         rl_dtypes[in[i]->dtype].legacy);
            while (n_made--) Py_DECREF(made[n_made]);
            return -1;
        }
        cast[i] = in[i];
        if (RL_LIKELY(in[i]->dtype == want)) continue;
        cast[i] = made[n_made] = rl_to_dtype_raw(in[i], want);
        if (!cast[i]) {
            while (n_made--) Py_DECREF(made[n_made]);
            return -1;
        }
        n_made++;
    }
    return n_made;
}

static int check_device(int n, Tensor *const *in) {
    int device = in[0]->device;
    for (int i = 1; i < n; i++) {
        if (in[i]->device == device || in[i]->ndim == 0) continue;
        if (in[0]->ndim == 0) { device = in[i]->device; continue; }
        PyErr_Format(PyExc_RuntimeError, "Expected all tensors to be on the same device, but found at least two devices, "
                     "%s and %s!", device == RL_META ? "meta" : "cpu", in[i]->device == RL_META ? "meta" : "cpu");
        return -1;
    }
    return device;
}

static Tensor *general(const EwDef *def, Tensor *out, Tensor *const *in, const EwParam *params) {
    int n = def->n_in;
    int device = check_device(n, in);
    if (device < 0) return NULL;
    Iter it;
    it.n_ops = n + 1;
    it.ndim = rl_broadcast_shapes(n, in, it.shape);
    if (it.ndim < 0) return NULL;
    int common = type_of_call(def, in);
    if (common < 0) return NULL;
    RLDType dt = out_dtype(def, (RLDType)common);
    Tensor *cast[RL_MAXOPS], *made[RL_MAXOPS], *result = NULL;
    if (out && out->dtype != dt && !rl_can_cast(dt, (RLDType)out->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "result type %s can't be cast to the desired output type %s",
                     rl_dtypes[dt].legacy, rl_dtypes[out->dtype].legacy);
        return NULL;
    }
    int n_made = cast_inputs(def, in, (RLDType)common, cast, made);
    if (n_made < 0) return NULL;
    for (int i = 0; i < n; i++) operand(&it, i + 1, cast[i], RL_ITEMSIZE(cast[i]->dtype));
    if (out && out->dtype == dt) {
        result = (Tensor *)Py_NewRef((PyObject *)out);
    } else {
        const int64_t *strides[RL_MAXOPS];
        int perm[RL_MAXDIM];
        int64_t stride[RL_MAXDIM], step = 1;
        for (int i = 0; i < n; i++) strides[i] = it.stride[i + 1];
        rl_iter_order(n, it.ndim, it.shape, strides, perm);
        for (int i = 0; i < it.ndim; i++) {
            stride[perm[i]] = step;
            step *= it.shape[perm[i]] > 1 ? it.shape[perm[i]] : 1;
        }
        /* Inputs alike in all strides hand them on, even those of dimensions with one element. */
        bool alike = rl_is_dense(in[0]);
        for (int i = 1; i < n && alike; i++)
            alike = rl_same_shape(in[0], in[i]) && memcmp(in[0]->stride, in[i]->stride, in[0]->ndim * sizeof(int64_t)) == 0;
        if (alike && !RL_IS_CONTIGUOUS(in[0])) memcpy(stride, in[0]->stride, in[0]->ndim * sizeof(int64_t));
        result = rl_empty_strided(it.ndim, it.shape, stride, dt, device);
    }
    if (result && device == RL_CPU && result->numel) {
        operand(&it, 0, result, RL_ITEMSIZE(result->dtype));
        run(&it, def, def->kernel[common], params);
    }
    while (n_made--) Py_DECREF(made[n_made]);
    if (result && out && out != result) {
        int bad = rl_copy_raw(out, result);
        Py_DECREF(result);
        result = bad < 0 ? NULL : (Tensor *)Py_NewRef((PyObject *)out);
    }
    return result;
}

static inline bool plain(const EwDef *def, Tensor *const *in) {
    Tensor *a = in[0];
    if (!RL_IS_CONTIGUOUS(a) || a->device != RL_CPU || def->bool_mask) return false;
    for (int i = 1; i < def->n_in; i++)
        if (in[i]->dtype != a->dtype || !RL_IS_CONTIGUOUS(in[i]) || !rl_same_shape(a, in[i]) || in[i]->device != RL_CPU ||
            ((in[i]->flags ^ a->flags) & (RLF_WRAPPED | RLF_DONATED))) return false;
    return !(a->flags & (RLF_WRAPPED | RLF_DONATED));
}

static inline void call_plain(const EwDef *def, Tensor *out, Tensor *const *in, int64_t size, const EwParam *params) {
    char *p[RL_MAXOPS];
    int64_t s[2 * RL_MAXOPS];
    p[0] = out->data;
    s[0] = RL_ITEMSIZE(out->dtype);
    for (int i = 0; i < def->n_in; i++) { p[i + 1] = in[i]->data; s[i + 1] = size; }
    for (int i = 0; i <= def->n_in; i++) s[def->n_in + 1 + i] = 0;
    run_dense(def, def->kernel[in[0]->dtype], p, s, out->numel, params);
}

/* A float tensor against a Python number (or a 0-dim tensor of its own dtype): no promotion to work out,
 * and the number goes to the kernel from the stack.  NULL without an error: not such a call. */
static Tensor *against_number(const EwDef *def, Tensor *out, Tensor *const *in, const EwParam *params) {
    int which = in[1]->ndim == 0 && in[0]->ndim > 0 ? 1 : in[0]->ndim == 0 && (in[1]->ndim > 0 || in[0]->flags & RLF_WRAPPED) ? 0
                : in[1]->flags & RLF_WRAPPED ? 1 : -1;
    if (which < 0) return NULL;
    Tensor *t = in[1 - which], *number = in[which];
    RLDType dt = (RLDType)t->dtype;
    if (!RL_IS_CONTIGUOUS(t) || (dt != RL_F32 && dt != RL_F64) || t->flags & RLF_WRAPPED || t->device != RL_CPU ||
        number->device != RL_CPU || !def->kernel[dt]) return NULL;
    union { float f; double d; } value;
    double v;
    switch (number->dtype) {
        case RL_F64: v = *(double *)number->data; break;
        case RL_F32: v = *(float *)number->data; break;
        case RL_I64: v = (double)*(int64_t *)number->data; break;
        default: return NULL;
    }
    if (number->dtype != dt && !(number->flags & RLF_WRAPPED) && t->ndim == 0) return NULL;
    if (dt == RL_F32) value.f = number->dtype == RL_I64 ? (float)*(int64_t *)number->data : (float)v;
    else value.d = v;
    RLDType out_dt = out_dtype(def, dt);
    if (out) {
        if (!RL_IS_CONTIGUOUS(out) || out->dtype != out_dt || !rl_same_shape(out, t)) return NULL;
        Py_INCREF(out);
    } else if (!(out = rl_empty(t->ndim, t->size, out_dt, RL_CPU))) {
        return NULL;
    }
    if (out->numel) {
        int64_t size = RL_ITEMSIZE(dt);
        char *p[3] = {out->data, which == 0 ? (char *)&value : t->data, which == 1 ? (char *)&value : t->data};
        int64_t s[6] = {RL_ITEMSIZE(out_dt), which == 0 ? 0 : size, which == 1 ? 0 : size, 0, 0, 0};
        run_dense(def, def->kernel[dt], p, s, out->numel, params);
    }
    return out;
}

static inline bool wants_float(const EwDef *def, Tensor *const *in) {
    const RLDType dt = (RLDType)in[0]->dtype;
    return def->wide_number && (dt == RL_F16 || dt == RL_BF16) && in[1]->ndim == 0 &&
           (in[1]->dtype == RL_F32 || in[1]->dtype == RL_F64) && (in[0]->ndim || in[1]->flags & RLF_WRAPPED);
}

/* Half precision against a number that it may not hold: computed in float32, as PyTorch's kernels do inside. */
static Tensor *in_float(const EwDef *def, Tensor *out, Tensor *const *in, const EwParam *params) {
    Tensor *x = rl_to_dtype_raw(in[0], RL_F32), *number = x ? rl_to_dtype_raw(in[1], RL_F32) : NULL;
    Tensor *wide = number ? rl_ew(def, (Tensor *[]){x, number}, params) : NULL, *result = NULL;
    if (wide && !out) result = rl_to_dtype_raw(wide, (RLDType)in[0]->dtype);
    else if (wide && rl_copy_raw(out, wide) == 0) result = (Tensor *)Py_NewRef((PyObject *)out);
    Py_XDECREF(x);
    Py_XDECREF(number);
    Py_XDECREF(wide);
    return result;
}

/* The result in the memory of a donated input, where nobody else can see that: a tensor of its own over the same storage.
 * NULL without an error: no input will do. */
static Tensor *into_donated(const EwDef *def, Tensor *const *in, const EwParam *params) {
    Tensor *donor = NULL;
    for (int i = 0; i < def->n_in; i++) {
        Tensor *t = in[i];
        if (!(t->flags & RLF_DONATED)) continue;
        t->flags &= ~(uint32_t)RLF_DONATED;
        if (!donor && Py_REFCNT(t) == 1 && t->storage->refs == 1 && t->storage->resizable && RL_IS_CONTIGUOUS(t) &&
            t->device == RL_CPU && !t->base && !t->extra && !t->dict && !t->weakrefs && !(def->bool_mask >> i & 1)) donor = t;
    }
    if (!donor) return NULL;
    int64_t shape[RL_MAXDIM];
    const int ndim = rl_broadcast_shapes(def->n_in, in, shape), common = ndim < 0 ? -1 : type_of_call(def, in);
    if (common < 0) {
        PyErr_Clear(); /* it is raised again on the usual way */
        return NULL;
    }
    if (common != donor->dtype || out_dtype(def, (RLDType)common) != common || ndim != donor->ndim ||
        memcmp(shape, donor->size, (size_t)ndim * sizeof *shape) != 0) return NULL;
    Tensor *out = rl_alias(donor, donor->ndim, donor->size, donor->stride, donor->data);
    Tensor *r = out ? rl_ew_into(def, out, in, params) : NULL;
    Py_XDECREF(out);
    return r;
}

Tensor *rl_ew(const EwDef *def, Tensor *const *in, const EwParam *params) {
    Tensor *a = in[0];
    RLDType dt = (RLDType)a->dtype;
    if (RL_LIKELY(plain(def, in) && (def->in_rule == EW_PROMOTE || RL_IS_INEXACT(dt)) && def->kernel[dt])) {
        Tensor *out = rl_empty(a->ndim, a->size, out_dtype(def, dt), RL_CPU);
        if (RL_UNLIKELY(!out)) return NULL;
        if (RL_LIKELY(out->numel)) call_plain(def, out, in, RL_ITEMSIZE(dt), params);
        return out;
    }
    uint32_t flags = 0;
    for (int i = 0; i < def->n_in; i++) flags |= in[i]->flags;
    if (RL_UNLIKELY(flags & RLF_DONATED)) {
        Tensor *r = into_donated(def, in, params);
        if (r || PyErr_Occurred()) return r;
    }
    if (def->n_in == 2 && !def->bool_mask) {
        Tensor *r = against_number(def, NULL, in, params);
        if (r || PyErr_Occurred()) return r;
        if (wants_float(def, in)) return in_float(def, NULL, in, params);
    }
    return general(def, NULL, in, params);
}

Tensor *rl_ew_into(const EwDef *def, Tensor *out, Tensor *const *in, const EwParam *params) {
    RLDType dt = (RLDType)in[0]->dtype;
    if (RL_UNLIKELY(rl_check_overlap(out, def->n_in, in) < 0)) return NULL;
    if (RL_LIKELY(plain(def, in) && RL_IS_CONTIGUOUS(out) && rl_same_shape(out, in[0]) &&
                  (def->in_rule == EW_PROMOTE || RL_IS_INEXACT(dt)) && def->kernel[dt] && out->dtype == out_dtype(def, dt))) {
        if (RL_LIKELY(out->numel)) call_plain(def, out, in, RL_ITEMSIZE(dt), params);
        return (Tensor *)Py_NewRef((PyObject *)out);
    }
    if (def->n_in == 2 && !def->bool_mask) {
        Tensor *r = against_number(def, out, in, params);
        if (r) return r;
    }
    int64_t shape[RL_MAXDIM];
    int ndim = rl_broadcast_shapes(def->n_in, in, shape);
    if (ndim < 0) return NULL;
    if (out->ndim != ndim || memcmp(out->size, shape, (size_t)ndim * sizeof(int64_t)) != 0) {
        PyObject *a = PyList_New(0), *b = PyList_New(0);
        for (int i = 0; a && b && i < out->ndim; i++) { PyObject *v = PyLong_FromLongLong(out->size[i]); PyList_Append(a, v); Py_XDECREF(v); }
        for (int i = 0; a && b && i < ndim; i++) { PyObject *v = PyLong_FromLongLong(shape[i]); PyList_Append(b, v); Py_XDECREF(v); }
        if (a && b) PyErr_Format(PyExc_RuntimeError, "output with shape %S doesn't match the broadcast shape %S", a, b);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    if (wants_float(def, in) && out->dtype == in[0]->dtype) return in_float(def, out, in, params);
    return general(def, out, in, params);
}
