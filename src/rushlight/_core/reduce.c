/* reduce.c -- brings a reduction over any dimensions to calls of its kernel. */
#include "rl.h"

int rl_dim_mask(Tensor *t, Ints dims, bool *mask) {
    for (int i = 0; i < t->ndim; i++) mask[i] = dims.n <= 0;
    for (int k = 0; k < dims.n; k++) {
        int64_t d = rl_wrap_dim(dims.v[k], t->ndim);
        if (d == INT64_MIN) return -1;
        if (t->ndim == 0) continue;
        if (mask[d]) {
            PyErr_Format(PyExc_RuntimeError, "dim %lld appears multiple times in the list of dims", (long long)d);
            return -1;
        }
        mask[d] = true;
    }
    return 0;
}

static RLDType result_dtype(const RedDef *def, RLDType dt) {
    switch (def->dtype_rule) {
        case RED_SUM: return RL_IS_INTEGRAL(dt) ? RL_I64 : dt;
        case RED_BOOL: return dt == RL_U8 ? RL_U8 : RL_BOOL;
        default: return dt;
    }
}

typedef struct { int64_t n, stride; } Dim;

/* Sorts by stride, largest first, and merges neighbours that are one walk; returns how many remain. */
static int merge(Dim *d, int n) {
    for (int i = 1; i < n; i++)
        for (int j = i; j > 0 && d[j - 1].stride < d[j].stride; j--) { Dim t = d[j]; d[j] = d[j - 1]; d[j - 1] = t; }
    int m = 0;
    for (int i = 0; i < n; i++) {
        if (m && d[m - 1].stride == d[i].n * d[i].stride) { d[m - 1].n *= d[i].n; d[m - 1].stride = d[i].stride; }
        else d[m++] = d[i];
    }
    return m;
}

Tensor *rl_reduce(const RedDef *def, Tensor *t, Ints dims, bool keepdim, RLDType dtype) {
    bool mask[RL_MAXDIM];
    if (rl_dim_mask(t, dims, mask) < 0) return NULL;
    Tensor *src = NULL, *out = NULL;
    RLDType in_dt = dtype == RL_NODTYPE ? (RLDType)t->dtype : dtype;
    RLDType out_dt = dtype == RL_NODTYPE ? result_dtype(def, in_dt) : dtype;
    if (!def->kernel[in_dt]) { rl_not_implemented(def->name, in_dt); return NULL; }
    src = rl_to_dtype_raw(t, in_dt);
    if (!src) return NULL;

    int64_t size[RL_MAXDIM], n_red = 1, item = RL_ITEMSIZE(in_dt);
    int nd = 0;
    for (int i = 0; i < src->ndim; i++) {
        if (!mask[i]) size[nd++] = src->size[i];
        else {
            n_red *= src->size[i];
            if (keepdim) size[nd++] = 1;
        }
    }
    if (def->needs_elements && n_red == 0 && src->numel == 0) {
        bool any_kept_zero = false;
        for (int i = 0; i < src->ndim; i++) any_kept_zero |= !mask[i] && src->size[i] == 0;
        if (!any_kept_zero) {
            PyErr_Format(dims.n > 0 ? PyExc_IndexError : PyExc_RuntimeError,
                         "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
                         "with the 'dim' argument.", def->name);
            goto done;
        }
    }
    out = rl_empty(nd, size, out_dt, src->device);
    if (!out || out->numel == 0 || src->device != RL_CPU) goto done;

    Dim red[RL_MAXDIM], keep[RL_MAXDIM]; /* keep: strides of the input; the output is contiguous */
    int64_t out_stride[RL_MAXDIM];
    for (int attempt = 0;; attempt++) {
        int nr = 0, nk = 0;
        int64_t step = RL_ITEMSIZE(out_dt);
        for (int i = src->ndim - 1; i >= 0; i--) {
            if (!mask[i]) {
                if (src->size[i] != 1) {
                    if (nk && keep[nk - 1].stride * keep[nk - 1].n == src->stride[i] * item &&
                        out_stride[nk - 1] * keep[nk - 1].n == step) keep[nk - 1].n *= src->size[i];
                    else { keep[nk] = (Dim){src->size[i], src->stride[i] * item}; out_stride[nk++] = step; }
                }
                step *= src->size[i];
            } else if (src->size[i] != 1) {
                red[nr++] = (Dim){src->size[i], src->stride[i] * item};
            }
        }
        nr = merge(red, nr);
        if (nr <= 1 || attempt) {
            Dim r = nr ? red[0] : (Dim){1, item};
            if (n_red == 0) r = (Dim){0, item};
            int64_t m = nk ? keep[0].n : 1, so = nk ? out_stride[0] : 0, sm = nk ? keep[0].stride : 0;
            int64_t count[RL_MAXDIM] = {0};
            char *o = out->data;
            const char *p = src->data;
            for (;;) {
                def->kernel[in_dt](o, p, r.n, r.stride, m, so, sm);
                int d = 1;
                for (; d < nk; d++) {
                    o += out_stride[d];
                    p += keep[d].stride;
                    if (++count[d] < keep[d].n) break;
                    o -= out_stride[d] * keep[d].n;
                    p -= keep[d].stride * keep[d].n;
                    count[d] = 0;
                }
                if (d >= nk) break;
            }
            break;
        }
        /* several walks: gather them once into rows */
        int64_t psize[RL_MAXDIM], pstride[RL_MAXDIM];
        int k = 0;
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < src->ndim; i++)
                if (mask[i] == (pass == 1)) { psize[k] = src->size[i]; pstride[k++] = src->stride[i]; }
        Tensor *view = rl_alias(src, src->ndim, psize, pstride, src->data);
        Tensor *dense = view ? rl_contiguous_raw(view) : NULL;
        Py_XDECREF(view);
        if (!dense) { Py_CLEAR(out); goto done; }
        Py_SETREF(src, dense);
        k = 0;
        for (int i = 0; i < t->ndim; i++) k += !mask[i];
        for (int i = 0; i < t->ndim; i++) mask[i] = i >= k;
    }
done:
    Py_DECREF(src);
    return out;
}
