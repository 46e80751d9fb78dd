/* sort.c -- order: sort, topk, kthvalue, median, mode; and counting: bincount, histc.
 *
 * Every element becomes an unsigned key in which order is the order of integers: the sign of numbers is
 * flipped in, NaN is the largest, -0 equals 0, descending order is the complement. One stable sort of keys
 * then serves all dtypes; values are fetched afterwards from where they were.
 */
#include "rl_ops.h"
#include "rows.h"
#include "types.h"
#include <stdlib.h>

typedef struct { uint64_t key; int64_t at; } Item;

/* ---------------------------------------------------------------- keys */

static inline uint64_t key_of_int(int64_t v) { return (uint64_t)v ^ (UINT64_C(1) << 63); }
static inline uint64_t key_of_f32(float v) {
    if (v != v) return UINT32_MAX;
    const uint32_t u = rl_f32_bits(v == 0 ? 0.0f : v);
    return u >> 31 ? ~u : u | UINT32_C(1) << 31;
}
static inline uint64_t key_of_f64(double v) {
    if (v != v) return UINT64_MAX;
    uint64_t u;
    v = v == 0 ? 0.0 : v;
    memcpy(&u, &v, sizeof u);
    return u >> 63 ? ~u : u | UINT64_C(1) << 63;
}

#define KEYS(D, KEY)                                                                      \
    static void keys_##D(const char *p, int64_t step, int64_t n, bool down, Item *out) {  \
        const uint64_t flip = down ? UINT64_MAX : 0;                                      \
        for (int64_t i = 0; i < n; i++, p += step)                                        \
            out[i] = (Item){KEY(LD_##D(*(const T_##D *)p)) ^ flip, i};                    \
    }
#define KEYS_INT(D) KEYS(D, key_of_int)
KEYS_INT(BOOL) KEYS_INT(U8) KEYS_INT(I8) KEYS_INT(I16) KEYS_INT(I32) KEYS_INT(I64)
KEYS(F16, key_of_f32) KEYS(BF16, key_of_f32) KEYS(F32, key_of_f32) KEYS(F64, key_of_f64)

typedef void (*KeyKernel)(const char *p, int64_t step, int64_t n, bool down, Item *out);
static const KeyKernel key_kernels[RL_NDTYPES] = {
    [RL_BOOL] = keys_BOOL, [RL_U8] = keys_U8,   [RL_I8] = keys_I8,     [RL_I16] = keys_I16, [RL_I32] = keys_I32,
    [RL_I64] = keys_I64,   [RL_F16] = keys_F16, [RL_BF16] = keys_BF16, [RL_F32] = keys_F32, [RL_F64] = keys_F64};

static bool is_nan(RLDType dt, const char *p) {
    switch (dt) {
        case RL_F16: { const float v = rl_f16_to_f32(*(const uint16_t *)p); return v != v; }
        case RL_BF16: { const float v = rl_bf16_to_f32(*(const uint16_t *)p); return v != v; }
        case RL_F32: return *(const float *)p != *(const float *)p;
        case RL_F64: return *(const double *)p != *(const double *)p;
        default: return false;
    }
}

/* ---------------------------------------------------------------- the sort */

static void insertion_sort(Item *a, int64_t n) {
    for (int64_t i = 1; i < n; i++) {
        const Item x = a[i];
        int64_t j = i;
        for (; j > 0 && a[j - 1].key > x.key; j--) a[j] = a[j - 1];
        a[j] = x;
    }
}

/* Radix sort from the least byte up; bytes in which all keys agree cost only their count. spare: n items. */
static void sort_items(Item *a, Item *spare, int64_t n) {
    if (n <= 48) { insertion_sort(a, n); return; }
    int64_t count[8][256] = {{0}};
    for (int64_t i = 0; i < n; i++) for (int b = 0; b < 8; b++) count[b][a[i].key >> 8 * b & 255]++;
    Item *from = a, *to = spare;
    for (int b = 0; b < 8; b++) {
        if (count[b][from[0].key >> 8 * b & 255] == n) continue;
        int64_t begin = 0;
        for (int v = 0; v < 256; v++) { const int64_t c = count[b][v]; count[b][v] = begin; begin += c; }
        for (int64_t i = 0; i < n; i++) to[count[b][from[i].key >> 8 * b & 255]++] = from[i];
        Item *t = from; from = to; to = t;
    }
    if (from != a) memcpy(a, from, (size_t)n * sizeof *a);
}

/* The k least items to the front, in order: by insertion into a short list, where that is less work than sorting. */
static void select_items(Item *a, Item *spare, int64_t n, int64_t k) {
    if (k > 64 || k * 8 > n) { sort_items(a, spare, n); return; }
    if (k == 0) return;
    int64_t have = 0;
    for (int64_t i = 0; i < n; i++) {
        const Item x = a[i];
        if (have == k && spare[k - 1].key <= x.key) continue;
        int64_t j = have < k ? have++ : k - 1;
        for (; j > 0 && spare[j - 1].key > x.key; j--) spare[j] = spare[j - 1];
        spare[j] = x;
    }
    memcpy(a, spare, (size_t)k * sizeof *a);
}

/* ---------------------------------------------------------------- rows of results */

typedef struct {
    Tensor *in, *values, *indices;
    KeyKernel keys;
    Item *items, *spare;
    int64_t dim, n;
} Order;

static void order_end(Order *o) { free(o->items); }

/* Results have `k` elements along dim; k < 0: one element, whose dimension the caller may drop. */
static int order_begin(Order *o, Tensor *in, int64_t dim, int64_t k, const char *name) {
    *o = (Order){.in = in, .dim = dim, .keys = key_kernels[in->dtype]};
    if (!o->keys) return rl_not_implemented(name, (RLDType)in->dtype);
    int64_t size[RL_MAXDIM];
    memcpy(size, in->size, (size_t)in->ndim * sizeof *size);
    o->n = in->ndim ? in->size[dim] : 1;
    if (in->ndim) size[dim] = k < 0 ? 1 : k;
    o->values = rl_empty(in->ndim, size, (RLDType)in->dtype, in->device);
    o->indices = o->values ? rl_empty(in->ndim, size, RL_I64, in->device) : NULL;
    const size_t room = (size_t)(o->n > 0 ? o->n : 1) * sizeof(Item);
    o->items = o->indices && in->device == RL_CPU ? malloc(2 * room) : NULL;
    o->spare = o->items ? o->items + room / sizeof(Item) : NULL;
    if (!o->indices || (in->device == RL_CPU && !o->items)) {
        if (o->indices) PyErr_NoMemory();
        Py_CLEAR(o->values);
        Py_CLEAR(o->indices);
        return -1;
    }
    return 0;
}

static inline void order_put(const Order *o, const Rows *r, int64_t to, int64_t at) {
    const size_t item = RL_ITEMSIZE(o->in->dtype);
    memcpy(r->p[1] + to * r->step[1], r->p[0] + at * r->step[0], item);
    *(int64_t *)(r->p[2] + to * r->step[2]) = at;
}

static void drop_dim(Tensor *t, int64_t dim) {
    if (t->ndim == 0) return;
    int64_t size[RL_MAXDIM];
    int nd = 0;
    for (int d = 0; d < t->ndim; d++) if (d != dim) size[nd++] = t->size[d];
    rl_set_geometry(t, nd, size, NULL);
}

static void order_give(Order *o, bool drop, Tensor **out) {
    if (drop) { drop_dim(o->values, o->dim); drop_dim(o->indices, o->dim); }
    out[0] = o->values;
    out[1] = o->indices;
    order_end(o);
}

#define EACH_ROW(o, r) \
    if ((o).in->device == RL_CPU && (o).values->numel) \
        for (rl_rows_begin(&(r), (o).dim, 3, (Tensor *[]){(o).in, (o).values, (o).indices}); (r).left; rl_rows_next(&(r)))

int impl_sort_stable(Tensor *input, int stable, int64_t dim, bool descending, Tensor **out) {
    (void)stable; /* always */
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    Order o;
    Rows r;
    if (order_begin(&o, input, dim, input->ndim ? input->size[dim] : 1, "sort") < 0) return -1;
    if (!RL_IS_CONTIGUOUS(input)) { /* the results lie in memory as the input does */
        Py_SETREF(o.values, rl_empty_like(input, (RLDType)input->dtype));
        Py_SETREF(o.indices, rl_empty_like(input, RL_I64));
        if (!o.values || !o.indices) { Py_XDECREF(o.values); Py_XDECREF(o.indices); order_end(&o); return -1; }
    }
    EACH_ROW(o, r) {
        o.keys(r.p[0], r.step[0], o.n, descending, o.items);
        sort_items(o.items, o.spare, o.n);
        for (int64_t i = 0; i < o.n; i++) order_put(&o, &r, i, o.items[i].at);
    }
    order_give(&o, false, out);
    return 0;
}

int impl_topk(Tensor *input, int64_t k, int64_t dim, bool largest, bool sorted, Tensor **out) {
    (void)sorted; /* always */
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    if (k < 0 || k > (input->ndim ? input->size[dim] : 1)) {
        PyErr_SetString(PyExc_RuntimeError, "selected index k out of range");
        return -1;
    }
    Order o;
    Rows r;
    if (order_begin(&o, input, dim, k, "topk_cpu") < 0) return -1;
    EACH_ROW(o, r) {
        o.keys(r.p[0], r.step[0], o.n, largest, o.items);
        select_items(o.items, o.spare, o.n, k);
        for (int64_t i = 0; i < k; i++) order_put(&o, &r, i, o.items[i].at);
    }
    order_give(&o, false, out);
    return 0;
}

static int no_elements(const char *name, int64_t dim) {
    PyErr_Format(PyExc_IndexError, "%s(): Expected reduction dim %lld to have non-zero size.", name, (long long)dim);
    return -1;
}

int impl_kthvalue(Tensor *input, int64_t k, int64_t dim, bool keepdim, Tensor **out) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    const int64_t n = input->ndim ? input->size[dim] : 1;
    if (n == 0) return no_elements("kthvalue", dim);
    if (k < 1 || k > n) {
        PyErr_Format(PyExc_RuntimeError, "kthvalue(): selected number k out of range for dimension %lld", (long long)dim);
        return -1;
    }
    Order o;
    Rows r;
    if (order_begin(&o, input, dim, -1, "kthvalue_cpu") < 0) return -1;
    EACH_ROW(o, r) {
        o.keys(r.p[0], r.step[0], o.n, false, o.items);
        select_items(o.items, o.spare, o.n, k);
        order_put(&o, &r, 0, o.items[k - 1].at);
    }
    order_give(&o, !keepdim, out);
    return 0;
}

/* The lower of the two middle elements. NaN, being last, is found first when it is to win. */
static int median_along(Tensor *input, int64_t dim, bool keepdim, bool skip_nan, const char *name, Tensor **out) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    if (input->ndim && input->size[dim] == 0) return no_elements(name, dim);
    Order o;
    Rows r;
    if (order_begin(&o, input, dim, -1, "median_out_cpu") < 0) return -1;
    EACH_ROW(o, r) {
        int64_t nans = 0, first_nan = -1;
        for (int64_t i = 0; i < o.n; i++)
            if (is_nan((RLDType)input->dtype, r.p[0] + i * r.step[0])) { if (nans++ == 0) first_nan = i; }
        if (nans == o.n || (nans && !skip_nan)) { order_put(&o, &r, 0, first_nan); continue; }
        o.keys(r.p[0], r.step[0], o.n, false, o.items);
        sort_items(o.items, o.spare, o.n);
        order_put(&o, &r, 0, o.items[(o.n - nans - 1) / 2].at);
    }
    order_give(&o, !keepdim, out);
    return 0;
}

int impl_median_dim(Tensor *input, int64_t dim, bool keepdim, Tensor **out) {
    return median_along(input, dim, keepdim, false, "median", out);
}
int impl_nanmedian_dim(Tensor *input, int64_t dim, bool keepdim, Tensor **out) {
    return median_along(input, dim, keepdim, true, "median", out);
}

static Tensor *median_of_all(Tensor *input, bool skip_nan) {
    Tensor *c = rl_contiguous_raw(input), *flat = c ? rl_alias(c, 1, &c->numel, (int64_t[]){1}, c->data) : NULL, *out[2] = {NULL, NULL};
    Py_XDECREF(c);
    if (!flat) return NULL;
    if (flat->numel == 0) {
        Py_DECREF(flat);
        return rl_full_scalar(0, NULL, (Scalar){'d', {.d = NAN}, 0}, (RLDType)input->dtype, input->device);
    }
    median_along(flat, 0, false, skip_nan, "median", out);
    Py_DECREF(flat);
    Py_XDECREF(out[1]);
    return out[0];
}
Tensor *impl_median(Tensor *input) { return median_of_all(input, false); }
Tensor *impl_nanmedian(Tensor *input) { return median_of_all(input, true); }

/* The most frequent element, the least of equals, at its last place. */
int impl_mode(Tensor *input, int64_t dim, bool keepdim, Tensor **out) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    if (input->ndim && input->size[dim] == 0) return no_elements("mode", dim);
    Order o;
    Rows r;
    if (order_begin(&o, input, dim, -1, "mode") < 0) return -1;
    EACH_ROW(o, r) {
        o.keys(r.p[0], r.step[0], o.n, false, o.items);
        sort_items(o.items, o.spare, o.n);
        int64_t best = 0, run = 0, at = 0;
        for (int64_t i = 0; i < o.n; i++) {
            run = i && o.items[i].key == o.items[i - 1].key ? run + 1 : 1;
            if (run > best) { best = run; at = o.items[i].at; }
        }
        order_put(&o, &r, 0, at);
    }
    order_give(&o, !keepdim, out);
    return 0;
}

/* ---------------------------------------------------------------- counting */

Tensor *impl_bincount(Tensor *input, Tensor *weights, int64_t minlength) {
    if (input->ndim != 1 || RL_IS_INEXACT(input->dtype) || (weights && (weights->ndim != 1 || weights->numel != input->numel))) {
        const bool kind = input->ndim == 1 && !RL_IS_INEXACT(input->dtype);
        PyErr_SetString(PyExc_RuntimeError, kind ? "weights should be 1-d and have the same length as input"
                                                 : "bincount only supports 1-d non-negative integral inputs.");
        return NULL;
    }
    if (minlength < 0) {
        PyErr_SetString(PyExc_RuntimeError, "minlength should be >= 0");
        return NULL;
    }
    Tensor *wide = rl_to_dtype_raw(input, RL_I64), *x = wide ? rl_contiguous_raw(wide) : NULL, *w = NULL, *out = NULL;
    Py_XDECREF(wide);
    if (!x) return NULL;
    const int64_t *v = (const int64_t *)x->data;
    int64_t n = minlength;
    for (int64_t i = 0; i < x->numel; i++) {
        if (v[i] < 0) { PyErr_SetString(PyExc_RuntimeError, "bincount only supports 1-d non-negative integral inputs."); goto done; }
        if (v[i] >= n) n = v[i] + 1;
    }
    const RLDType dt = !weights ? RL_I64 : weights->dtype == RL_F32 ? RL_F32 : RL_F64;
    out = rl_full_scalar(1, &n, (Scalar){'i', {.i = 0}, 0}, dt, RL_CPU);
    if (out && weights) {
        Tensor *cast = rl_to_dtype_raw(weights, dt);
        w = cast ? rl_contiguous_raw(cast) : NULL;
        Py_XDECREF(cast);
        if (!w) { Py_CLEAR(out); goto done; }
    }
    if (!out) goto done;
    for (int64_t i = 0; i < x->numel; i++) {
        if (dt == RL_I64) ((int64_t *)out->data)[v[i]]++;
        else if (dt == RL_F32) ((float *)out->data)[v[i]] += ((const float *)w->data)[i];
        else ((double *)out->data)[v[i]] += ((const double *)w->data)[i];
    }
done:
    Py_DECREF(x);
    Py_XDECREF(w);
    return out;
}

Tensor *impl__histc_counts(Tensor *input, int64_t bins, double low, double high) {
    if (input->dtype != RL_F32 && input->dtype != RL_F64) { rl_not_implemented("histogram_cpu", (RLDType)input->dtype); return NULL; }
    Tensor *wide = rl_to_dtype_raw(input, RL_F64), *x = wide ? rl_contiguous_raw(wide) : NULL;
    Py_XDECREF(wide);
    Tensor *out = x ? rl_full_scalar(1, &bins, (Scalar){'i', {.i = 0}, 0}, RL_F64, RL_CPU) : NULL;
    if (out) {
        const double *v = (const double *)x->data;
        double *count = (double *)out->data;
        for (int64_t i = 0; i < x->numel; i++) {
            if (!(v[i] >= low && v[i] <= high)) continue;
            const int64_t at = (int64_t)((v[i] - low) / (high - low) * (double)bins);
            count[at < bins ? at : bins - 1]++; /* the last bin includes its right edge */
        }
    }
    Py_XDECREF(x);
    return out;
}
