/* reduce.c -- brings a reduction over any dimensions to calls of its kernel, on as many threads as it repays. */
#include "reduce.h"
#include "isa.h"
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

/* Folds results of parts, which are of type `dt` and stay so; or NULL. */
static RLReduce join_of(const RedDef *def, RLDType dt) {
    return def->join && result_dtype(def->join, dt) == dt ? def->join->kernel[dt] : NULL;
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

void rl_turn_rows(void *to, const char *in, int64_t n, int64_t sn, int64_t m, int64_t sm, size_t item) {
#define TURN(T)                                                                                 \
    for (int64_t i = 0; i < n; i++) {                                                           \
        const char *p = in + i * sn;                                                            \
        for (int64_t l = 0; l < m; l++, p += sm) ((T *)to)[i * m + l] = *(const T *)p;          \
    }
    switch (item) {
        case 1: TURN(uint8_t) break;
        case 2: TURN(uint16_t) break;
        case 4: TURN(uint32_t) break;
        case 8: TURN(uint64_t) break;
        default: TURN(c128)
    }
#undef TURN
}

/* ---------------------------------------------------------------- kernels */

extern const ReduceIntegers rl_reduce_integers_base[];
#if defined(__x86_64__) || defined(_M_X64)
extern const ReduceIntegers rl_reduce_integers_avx2[], rl_reduce_integers_avx512[];
#endif

void rl_reduce_integers(RedDef *def) {
    const ReduceIntegers *best = rl_reduce_integers_base;
#if defined(__x86_64__) || defined(_M_X64)
    if (rl_isa_best() >= RL_ISA_AVX512) best = rl_reduce_integers_avx512;
    else if (rl_isa_best() >= RL_ISA_AVX2) best = rl_reduce_integers_avx2;
#endif
    for (; best->name; best++) if (strcmp(best->name, def->name) == 0) def->kernel[best->dtype] = best->kernel;
}

/* ---------------------------------------------------------------- threads */

#define GRAIN 16384            /* elements read: a microsecond or less */
#define SHARE_FROM (8 * GRAIN)
#define PARTS 64               /* at most: the parts of a long reduction */
#define RESULT 16              /* a row's result costs as much time as so many of its elements */

typedef struct {
    RLReduce kernel, join;     /* join folds results of parts; NULL where that is not the result of the whole */
    int64_t item, out_item;    /* bytes of an element and of a result */
    const char *in;
    char *out;
    Dim red;
    int nk;
    Dim keep[RL_MAXDIM];       /* innermost first */
    int64_t out_stride[RL_MAXDIM];
    int64_t part, part_bytes;  /* of a reduction in parts: elements, and the size of a part's results */
} Job;

#define FEW_COLUMNS 32
#define ACROSS 128             /* columns that are walked side by side */

/* A few columns that fill their rows would leave vectors empty and wait for each other's steps: several rows are taken as
 * one, and the results of the columns of the same name are joined. */
static void few_columns(const Job *j, char *out, const char *in, int64_t m) {
    const int64_t k = ACROSS / m, n = j->red.n / k, rest = j->red.n % k, width = j->out_item, row = m * width;
    _Alignas(c128) char results[(ACROSS + FEW_COLUMNS) * sizeof(c128)];
    j->kernel(results, in, n, k * j->red.stride, k * m, width, j->item);
    if (rest) j->kernel(results + k * row, in + n * k * j->red.stride, rest, j->red.stride, m, width, j->item);
    j->join(out, results, k + (rest > 0), row, m, j->out_stride[0], width);
}

/* Outputs begin..end, counted along keep[0] first. */
static void some_outputs(void *ctx, int64_t begin, int64_t end) {
    const Job *j = ctx;
    while (begin < end) {
        int64_t rest = begin, first = 0;
        char *o = j->out;
        const char *p = j->in;
        for (int d = 0; d < j->nk; d++) {
            const int64_t at = rest % j->keep[d].n;
            rest /= j->keep[d].n;
            if (d == 0) first = at;
            o += at * j->out_stride[d];
            p += at * j->keep[d].stride;
        }
        const int64_t left = j->keep[0].n - first, m = left < end - begin ? left : end - begin;
        if (m > 1 && m <= FEW_COLUMNS && j->join && j->keep[0].stride == j->item && j->red.stride == m * j->item && j->red.n >= ACROSS)
            few_columns(j, o, p, m);
        else j->kernel(o, p, j->red.n, j->red.stride, m, j->out_stride[0], j->keep[0].stride);
        begin += m;
    }
}

static int64_t count_outputs(const Job *j) {
    int64_t m = 1;
    for (int d = 0; d < j->nk; d++) m *= j->keep[d].n;
    return m;
}

static void some_parts(void *ctx, int64_t begin, int64_t end) {
    const Job *whole = ctx;
    for (int64_t k = begin; k < end; k++) {
        Job j = *whole;
        j.in += k * j.part * j.red.stride;
        j.out += k * j.part_bytes;
        j.red.n = j.red.n - k * j.part < j.part ? j.red.n - k * j.part : j.part;
        some_outputs(&j, 0, count_outputs(&j));
    }
}

/* Many outputs are shared out.  Few outputs of many elements are made of parts, which are then reduced; whether and
 * where a reduction is cut depends on its shape alone, so that digits do not depend on the number of threads. */
static int reduce_all(Job *j, int64_t outputs) {
    const bool columns = j->keep[0].stride == j->item && j->red.stride != j->keep[0].stride;
    const int64_t n = j->red.n, m = j->keep[0].n;
    const int64_t unit = !columns ? 1 : m <= FEW_COLUMNS ? ACROSS / m * m : ACROSS; /* few_columns() needs them together */
    const int64_t cost = columns ? n : n + RESULT;
    if (outputs * cost < SHARE_FROM) {
        some_outputs(j, 0, outputs);
        return 0;
    }
    if (outputs >= 8 * unit || !j->join || n < 64) {
        rl_parallel_for(outputs, (GRAIN / cost / unit + 1) * unit, some_outputs, j);
        return 0;
    }
    const int64_t width = j->out_item, room = outputs * width;
    int64_t part = (2 * GRAIN / outputs + 511) / 512 * 512, parts = (n + part - 1) / part;
    if (parts > PARTS) {
        part *= (parts + PARTS - 1) / PARTS;
        parts = (n + part - 1) / part;
    }
    char *results = rl_alloc((size_t)(parts * room));
    if (!results) return -1;
    Job sub = *j;
    sub.out = results;
    sub.part = part;
    sub.part_bytes = room;
    rl_parallel_for(parts, 1, some_parts, &sub);
    j->join(j->out, results, parts, room, outputs, width, width); /* few outputs lie densely in j->out */
    rl_dealloc(results, (size_t)(parts * room));
    return 0;
}

static bool is_half(RLDType dt) { return dt == RL_F16 || dt == RL_BF16; }

/* Half precision is folded in float32 and rounded once. */
static Tensor *reduce_half(const RedDef *def, Tensor *t, Ints dims, bool keepdim, RLDType out_dt) {
    Tensor *wide = rl_to_dtype_raw(t, RL_F32);
    Tensor *out = wide ? rl_reduce(def, wide, dims, keepdim, RL_NODTYPE) : NULL;
    if (out) Py_SETREF(out, rl_to_dtype_raw(out, out_dt));
    Py_XDECREF(wide);
    return out;
}

Tensor *rl_reduce(const RedDef *def, Tensor *t, Ints dims, bool keepdim, RLDType dtype) {
    bool mask[RL_MAXDIM];
    if (rl_dim_mask(t, dims, mask) < 0) return NULL;
    Tensor *src = NULL, *out = NULL;
    RLDType in_dt = dtype == RL_NODTYPE ? (RLDType)t->dtype : dtype;
    RLDType out_dt = result_dtype(def, in_dt); /* what the kernel writes */
    if (!def->kernel[is_half(in_dt) ? RL_F32 : in_dt]) { rl_not_implemented(def->name, in_dt); return NULL; }
    src = rl_to_dtype_raw(t, in_dt);
    if (!src) return NULL;
    if (dtype != RL_NODTYPE && dtype != out_dt) { /* integers are added up in int64, whatever was asked for */
        Tensor *wide = rl_reduce(def, src, dims, keepdim, RL_NODTYPE);
        out = wide ? rl_to_dtype_raw(wide, dtype) : NULL;
        Py_XDECREF(wide);
        Py_DECREF(src);
        return out;
    }
    if (is_half(in_dt)) {
        out = reduce_half(def, src, dims, keepdim, out_dt);
        Py_DECREF(src);
        return out;
    }

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
            Job job = {def->kernel[in_dt], join_of(def, out_dt), item, RL_ITEMSIZE(out_dt), src->data, out->data, r, nk};
            memcpy(job.keep, keep, (size_t)nk * sizeof *keep);
            memcpy(job.out_stride, out_stride, (size_t)nk * sizeof *out_stride);
            if (nk == 0) {
                job.nk = 1;
                job.keep[0] = (Dim){1, 0};
                job.out_stride[0] = 0;
            }
            if (reduce_all(&job, out->numel) < 0) Py_CLEAR(out);
            break;
        }
        /* several walks: one after another where parts may be joined, else gathered once into rows */
        if (n_red && join_of(def, out_dt)) {
            int64_t inner = -1, rest[RL_MAXDIM];
            int left = 0;
            for (int i = 0; i < src->ndim; i++) {
                if (!mask[i] || src->size[i] == 1) continue;
                if (inner < 0 || src->stride[i] < src->stride[inner]) inner = i;
            }
            for (int i = 0; i < src->ndim; i++) if (mask[i] && i != inner) rest[left++] = i;
            Tensor *part = rl_reduce(def, src, (Ints){&inner, 1}, true, dtype);
            Tensor *whole = part ? rl_reduce(def->join, part, (Ints){rest, left}, true, dtype) : NULL;
            Py_XDECREF(part);
            if (whole) rl_set_geometry(whole, out->ndim, out->size, out->stride);
            Py_SETREF(out, whole);
            goto done;
        }
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
