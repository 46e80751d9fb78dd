/* extreme.c -- max and min along a dimension with their positions, argmax and argmin. */
#include "rl.h"
#include "extreme.h"
#include "isa.h"

extern const ExtremeKernels rl_extreme_kernels_base[];
#if defined(__x86_64__) || defined(_M_X64)
extern const ExtremeKernels rl_extreme_kernels_avx2[], rl_extreme_kernels_avx512[];
#endif

static RLExtreme kernel_for(RLDType dt, bool top) {
    const ExtremeKernels *found = &rl_extreme_kernels_base[dt], *wide = NULL;
#if defined(__x86_64__) || defined(_M_X64)
    if (rl_isa_best() >= RL_ISA_AVX512) wide = &rl_extreme_kernels_avx512[dt];
    else if (rl_isa_best() >= RL_ISA_AVX2) wide = &rl_extreme_kernels_avx2[dt];
#endif
    if (wide && wide->max) found = wide;
    return top ? found->max : found->min;
}

#define GRAIN 16384            /* elements read: less is not worth another thread */
#define PART 65536             /* elements of a part of a single long run */

/* Runs are numbered by the results they give: `inner` neighbours side by side, then the next slab. */
typedef struct {
    RLExtreme kernel;
    const char *in;
    char *value;
    int64_t *index;
    int64_t n, inner, item;
    int64_t run_stride, inner_stride, outer_stride; /* bytes */
} Job;

static void some_runs(void *ctx, int64_t begin, int64_t end) {
    const Job *j = ctx;
    while (begin < end) {
        const int64_t at = begin % j->inner, left = j->inner - at, m = left < end - begin ? left : end - begin;
        j->kernel(j->in + begin / j->inner * j->outer_stride + at * j->inner_stride, j->n, j->run_stride, m, j->inner_stride,
                  j->value ? j->value + begin * j->item : NULL, j->index + begin);
        begin += m;
    }
}

/* A single run in parts: each gives its extreme, then the first of the best wins. */
static int in_parts(const Job *whole, RLDType dt) {
    const int64_t parts = (whole->n + PART - 1) / PART, n = whole->n;
    int64_t *index = rl_alloc((size_t)(parts * 8 + parts * whole->item)), best;
    if (!index) return -1;
    char *value = (char *)(index + parts);
    Job j = *whole; /* the parts as runs of their own; the last may be shorter */
    const int64_t full = n / PART;
    j.n = PART;
    j.inner = 1;
    j.outer_stride = PART * whole->run_stride;
    j.index = index;
    j.value = value;
    rl_parallel_for(full, 1, some_runs, &j);
    if (full < parts) {
        j.in += full * j.outer_stride;
        j.n = n - full * PART;
        j.index += full;
        j.value += full * j.item;
        some_runs(&j, 0, 1);
    }
    whole->kernel(value, parts, RL_ITEMSIZE(dt), 1, 0, whole->value, &best);
    *whole->index = best * PART + index[best];
    rl_dealloc(index, (size_t)(parts * 8 + parts * whole->item));
    return 0;
}

int rl_extreme_along(Tensor *t, int64_t dim, bool keepdim, bool top, Tensor **value, Tensor **index, const char *name) {
    if ((dim = rl_wrap_dim(dim, t->ndim)) == INT64_MIN) return -1;
    RLExtreme kernel = kernel_for((RLDType)t->dtype, top);
    if (!kernel) return rl_not_implemented(name, (RLDType)t->dtype);
    int64_t size[RL_MAXDIM], n = t->ndim ? t->size[dim] : 1, inner = 1, outer = 1;
    int nd = 0, item = RL_ITEMSIZE(t->dtype);
    for (int i = 0; i < t->ndim; i++) {
        if (i < dim) outer *= t->size[i];
        if (i > dim) inner *= t->size[i];
        if (i != dim) size[nd++] = t->size[i];
        else if (keepdim) size[nd++] = 1;
    }
    if (n == 0) {
        PyErr_Format(PyExc_IndexError, "%s(): Expected reduction dim %lld to have non-zero size.", name, (long long)dim);
        return -1;
    }
    *index = rl_empty(nd, size, RL_I64, t->device);
    if (!*index) return -1;
    if (value && !(*value = rl_empty(nd, size, (RLDType)t->dtype, t->device))) { Py_CLEAR(*index); return -1; }
    if (t->device != RL_CPU || (*index)->numel == 0) return 0;
    /* Two strides lead through most layouts, transposed matrices among them; others are made contiguous first. */
    Tensor *src = t->ndim <= 2 ? (Tensor *)Py_NewRef((PyObject *)t) : rl_contiguous_raw(t);
    if (!src) goto fail;
    Job j = {kernel, src->data, value ? (*value)->data : NULL, (int64_t *)(*index)->data, n, inner, item,
             (src->ndim ? src->stride[dim] : 1) * item, 0, 0};
    if (src->ndim > 2) {
        j.inner_stride = item;
        j.outer_stride = n * inner * item;
    } else if (src->ndim == 2 && dim == 0) {
        j.inner_stride = src->stride[1] * item;
    } else if (src->ndim == 2) { /* rows: neighbours are the results, too */
        j.inner = outer;
        j.inner_stride = src->stride[0] * item;
    }
    const int64_t runs = inner * outer;
    int rc = 0;
    if (runs * n < 4 * GRAIN) some_runs(&j, 0, runs);
    else if (runs == 1 && n >= 2 * PART) rc = in_parts(&j, (RLDType)t->dtype);
    else rl_parallel_for(runs, (GRAIN / n / 64 + 1) * (j.inner_stride == item ? 64 : 1), some_runs, &j);
    Py_DECREF(src);
    if (rc == 0) return 0;
fail:
    Py_CLEAR(*index);
    if (value) Py_CLEAR(*value);
    return -1;
}

Tensor *rl_arg_extreme(Tensor *t, int64_t dim, bool keepdim, bool top, const char *name) {
    Tensor *index = NULL;
    if (dim != RL_NO_INT) return rl_extreme_along(t, dim, keepdim, top, NULL, &index, name) < 0 ? NULL : index;
    if (t->numel == 0) {
        PyErr_Format(PyExc_IndexError, "%s(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
                     "reduction dim with the 'dim' argument.", name);
        return NULL;
    }
    Tensor *c = rl_contiguous_raw(t), *flat = c ? rl_alias(c, 1, &c->numel, (int64_t[]){1}, c->data) : NULL;
    Py_XDECREF(c);
    if (!flat) return NULL;
    const int bad = rl_extreme_along(flat, 0, false, top, NULL, &index, name);
    Py_DECREF(flat);
    if (bad < 0) return NULL;
    if (keepdim) {
        int64_t ones[RL_MAXDIM];
        for (int i = 0; i < t->ndim; i++) ones[i] = 1;
        rl_set_geometry(index, t->ndim, ones, NULL);
    }
    return index;
}
