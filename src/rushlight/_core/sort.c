/* sort.c -- order: sort, topk, kthvalue, median, mode; and counting: bincount, histc.
 *
 * Every element becomes an unsigned key (order.h), so one order of keys serves all dtypes; values are fetched afterwards
 * from where they were.  Equal elements keep their order: of those that could be the k-th, the one that a stable sort
 * would put there is chosen.
 */
#include "order.h"
#include "rl_ops.h"
#include "rows.h"
#include <stdatomic.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- rows of results */

typedef struct Order {
    Tensor *in, *values, *indices;
    int64_t dim, n, k;                 /* n elements of a row, k results */
    bool down, skip_nan;
    bool like;                         /* results lie in memory as the input does */
    RLKeys keys;
    const OrderKernels *kernels;
    void (*row)(const struct Order *o, const OrderWork *w, const Rows *r);
    Rows rows;                         /* of in, values, indices */
    atomic_bool no_memory;
} Order;

/* PUT(T) for the unsigned integer that is as wide as an element. */
#define PUT_EACH_SIZE(ORDER)                        \
    switch (RL_ITEMSIZE((ORDER)->in->dtype)) {      \
        case 1: PUT(uint8_t) break;                 \
        case 2: PUT(uint16_t) break;                \
        case 4: PUT(uint32_t) break;                \
        default: PUT(uint64_t)                      \
    }

/* The elements at order[i] & mask become results from .. from + k. */
static void put(const Order *o, const Rows *r, const uint64_t *order, uint64_t mask, int64_t from, int64_t k) {
    const char *in = r->p[0];
    char *value = r->p[1] + from * r->step[1], *index = r->p[2] + from * r->step[2];
#define PUT(T)                                                                                  \
    for (int64_t i = 0; i < k; i++, value += r->step[1], index += r->step[2]) {                 \
        const int64_t at = (int64_t)(order[i] & mask);                                          \
        *(T *)value = *(const T *)(in + at * r->step[0]);                                       \
        *(int64_t *)index = at;                                                                 \
    }
    PUT_EACH_SIZE(o)
#undef PUT
}

/* The elements of rank below k become the results. */
static void put_ranked(const Order *o, const Rows *r, const int32_t *rank, int n, int64_t k) {
    const char *in = r->p[0];
    uint64_t beyond;
#define PUT(T)                                                                                  \
    for (int i = 0; i < n; i++, in += r->step[0]) {                                             \
        const int64_t at = rank[i];                                                             \
        char *value = at < k ? r->p[1] + at * r->step[1] : (char *)&beyond;                     \
        char *index = at < k ? r->p[2] + at * r->step[2] : (char *)&beyond;                     \
        *(T *)value = *(const T *)in;                                                           \
        *(int64_t *)index = i;                                                                  \
    }
    PUT_EACH_SIZE(o)
#undef PUT
}

static void put_one(const Order *o, const Rows *r, int64_t at) { put(o, r, &(uint64_t){(uint64_t)at}, UINT64_MAX, 0, 1); }

#define BATCH 512              /* elements whose keys are made at a time, of rows that fit */
#define SHARE_FROM 4096        /* elements: less is not worth another thread */

static void some_rows(void *ctx, int64_t begin, int64_t end) {
    Order *o = ctx;
    const int64_t n = o->n, batch = n <= BATCH ? BATCH / n : 1;
    uint64_t few[3 * BATCH], *room = n <= BATCH ? few : malloc((size_t)n * 3 * sizeof *room);
    if (!room) {
        atomic_store(&o->no_memory, true);
        return;
    }
    OrderWork w = {o->kernels, room, room + batch * n, room + (batch + 1) * n};
    Rows r = o->rows;
    rl_rows_seek(&r, begin);
    while (begin < end) {
        const int64_t m = rl_rows_beside(&r, end - begin < batch ? end - begin : batch);
        if (r.side[0] == n * r.step[0]) o->keys(r.p[0], r.step[0], m * n, o->down, room);
        else for (int64_t j = 0; j < m; j++) o->keys(r.p[0] + j * r.side[0], r.step[0], n, o->down, room + j * n);
        for (int64_t j = 0; j < m; j++, rl_rows_next(&r)) {
            w.key = room + j * n;
            o->row(o, &w, &r);
        }
        begin += m;
    }
    if (room != few) free(room);
}

static int order_fail(Order *o) {
    Py_CLEAR(o->values);
    Py_CLEAR(o->indices);
    return -1;
}

/* Fills in o from o->in, o->dim, o->k and the flags, and computes all rows. With `drop`, results have no dimension dim. */
static int order_run(Order *o, const char *name, bool drop, Tensor **out) {
    Tensor *in = o->in;
    if (!(o->keys = rl_order_kernels()->keys[in->dtype])) return rl_not_implemented(name, (RLDType)in->dtype);
    o->kernels = rl_order_kernels();
    o->n = in->ndim ? in->size[o->dim] : 1;
    int64_t size[RL_MAXDIM], kept[RL_MAXDIM];
    int nd = 0;
    for (int d = 0; d < in->ndim; d++) {
        size[d] = d == o->dim ? o->k : in->size[d];
        if (d != o->dim) kept[nd++] = in->size[d];
    }
    const bool like = o->like && !RL_IS_CONTIGUOUS(in);
    o->values = like ? rl_empty_like(in, (RLDType)in->dtype) : rl_empty(in->ndim, size, (RLDType)in->dtype, in->device);
    o->indices = !o->values ? NULL : like ? rl_empty_like(in, RL_I64) : rl_empty(in->ndim, size, RL_I64, in->device);
    if (!o->indices) return order_fail(o);
    if (in->device == RL_CPU && o->values->numel) {
        rl_rows_begin(&o->rows, o->dim, 3, (Tensor *[]){in, o->values, o->indices});
        if (in->numel < SHARE_FROM || o->rows.left == 1) some_rows(o, 0, o->rows.left);
        else rl_parallel_for(o->rows.left, SHARE_FROM / 4 / o->n + 1, some_rows, o);
        if (atomic_load(&o->no_memory)) {
            PyErr_NoMemory();
            return order_fail(o);
        }
    }
    if (drop && in->ndim) {
        rl_set_geometry(o->values, nd, kept, NULL);
        rl_set_geometry(o->indices, nd, kept, NULL);
    }
    out[0] = o->values;
    out[1] = o->indices;
    return 0;
}

/* ---------------------------------------------------------------- sort, topk */

static void sort_row(const Order *o, const OrderWork *w, const Rows *r) {
    if (o->n <= w->kernels->rank_most) {
        int32_t rank[RL_RANK_MOST];
        rl_order_rank(w, (int)o->n, rank);
        put_ranked(o, r, rank, (int)o->n, o->k);
        return;
    }
    uint64_t mask;
    const uint64_t *order = rl_order(w, o->n, &mask);
    put(o, r, order, mask, 0, o->k);
}

int impl_sort_stable(Tensor *input, int stable, int64_t dim, bool descending, Tensor **out) {
    (void)stable; /* always */
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    Order o = {.in = input, .dim = dim, .k = input->ndim ? input->size[dim] : 1, .down = descending, .like = true, .row = sort_row};
    return order_run(&o, "sort", false, out);
}

#define SHORT_LIST 32

/* The k least in order, by insertion into a short list: few of many elements come to be on it. */
static void insert_few(const Order *o, const OrderWork *w, const Rows *r) {
    uint64_t key[SHORT_LIST], at[SHORT_LIST], limit = UINT64_MAX;
    const int64_t k = o->k;
    int64_t have = 0, i = 0;
    while (i < o->n) {
        if (have == k && (i = w->kernels->below(w->key, i, o->n, limit)) == o->n) break;
        const uint64_t x = w->key[i];
        int64_t j = have < k ? have++ : k - 1;
        for (; j > 0 && key[j - 1] > x; j--) { key[j] = key[j - 1]; at[j] = at[j - 1]; }
        key[j] = x;
        at[j] = (uint64_t)i++;
        if (have == k) limit = key[k - 1];
    }
    put(o, r, at, UINT64_MAX, 0, k);
}

/* The k least in order, by the k-th: those less, and as many of its equals as there is room for. */
static void topk_row(const Order *o, const OrderWork *w, const Rows *r) {
    const int64_t n = o->n, k = o->k;
    if (k <= SHORT_LIST && k * 8 <= n) { insert_few(o, w, r); return; }
    if (n <= w->kernels->rank_most || k * 2 > n) { sort_row(o, w, r); return; }
    int64_t less, m = 0;
    const uint64_t limit = rl_order_select(w, n, k - 1, &less);
    int64_t equal = k - less;
    uint64_t *at = w->b + n - k; /* the last k of 2k <= n: order and its scratch take the first of a and b */
    for (int64_t i = 0; i < n; i++) {
        const uint64_t x = w->key[i];
        if (x > limit || (x == limit && equal-- <= 0)) continue;
        at[m] = (uint64_t)i;
        w->key[m++] = x;
    }
    uint64_t mask;
    const uint64_t *order = rl_order(w, k, &mask);
    for (int64_t i = 0; i < k; i++) put(o, r, &at[order[i] & mask], UINT64_MAX, i, 1);
}

int impl_topk(Tensor *input, int64_t k, int64_t dim, bool largest, bool sorted, Tensor **out) {
    (void)sorted; /* always */
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    if (k < 0 || k > (input->ndim ? input->size[dim] : 1)) {
        PyErr_SetString(PyExc_RuntimeError, "selected index k out of range");
        return -1;
    }
    Order o = {.in = input, .dim = dim, .k = k, .down = largest, .row = topk_row};
    return order_run(&o, "topk_cpu", false, out);
}

/* ---------------------------------------------------------------- one element of a row */

static int no_elements(const char *name, int64_t dim) {
    PyErr_Format(PyExc_IndexError, "%s(): Expected reduction dim %lld to have non-zero size.", name, (long long)dim);
    return -1;
}

#define RANK_TO_SELECT 48      /* all of so few are ranked sooner than one of them is selected */

/* Where the element is that a stable sort would put at position k. */
static int64_t place_of(const OrderWork *w, int64_t n, int64_t k) {
    if (n <= RANK_TO_SELECT && n <= w->kernels->rank_most) {
        int32_t rank[RL_RANK_MOST];
        int64_t place = 0;
        rl_order_rank(w, (int)n, rank);
        for (int i = 0; i < n; i++) place = rank[i] == k ? i : place;
        return place;
    }
    int64_t less, at = 0;
    const uint64_t v = rl_order_select(w, n, k, &less);
    for (k -= less;; at++) if (w->key[at] == v && k-- == 0) return at;
}

typedef struct { Order order; int64_t place; } Kth;

static void kth_row(const Order *o, const OrderWork *w, const Rows *r) {
    put_one(o, r, place_of(w, o->n, ((const Kth *)o)->place));
}

int impl_kthvalue(Tensor *input, int64_t k, int64_t dim, bool keepdim, Tensor **out) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    const int64_t n = input->ndim ? input->size[dim] : 1;
    if (n == 0) return no_elements("kthvalue", dim);
    if (k < 1 || k > n) {
        PyErr_Format(PyExc_RuntimeError, "kthvalue(): selected number k out of range for dimension %lld", (long long)dim);
        return -1;
    }
    Kth o = {.order = {.in = input, .dim = dim, .k = 1, .row = kth_row}, .place = k - 1};
    return order_run(&o.order, "kthvalue_cpu", !keepdim, out);
}

/* The lower of the two middle elements. NaN, being last, wins unless it is to be passed over; the first of several. */
static void median_row(const Order *o, const OrderWork *w, const Rows *r) {
    const RLDType dt = (RLDType)o->in->dtype;
    int64_t nans = 0, n = o->n;
    if (RL_IS_FLOAT(dt)) {
        const uint64_t nan = dt == RL_F64 ? UINT64_MAX : UINT32_MAX;
        for (int64_t i = 0; i < n; i++) nans += w->key[i] == nan;
    }
    const int64_t last = n - nans - 1;
    put_one(o, r, place_of(w, n, nans && (nans == n || !o->skip_nan) ? last + 1 : last / 2));
}

static int median_along(Tensor *input, int64_t dim, bool keepdim, bool skip_nan, const char *name, Tensor **out) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    if (input->ndim && input->size[dim] == 0) return no_elements(name, dim);
    Order o = {.in = input, .dim = dim, .k = 1, .skip_nan = skip_nan, .row = median_row};
    return order_run(&o, "median_out_cpu", !keepdim, out);
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
static void mode_row(const Order *o, const OrderWork *w, const Rows *r) {
    uint64_t mask;
    const uint64_t *order = rl_order(w, o->n, &mask);
    int64_t best = 0, run = 0, at = 0;
    for (int64_t i = 0; i < o->n; i++) {
        const int64_t here = (int64_t)(order[i] & mask);
        run = i && w->key[here] == w->key[order[i - 1] & mask] ? run + 1 : 1;
        if (run > best) { best = run; at = here; }
    }
    put_one(o, r, at);
}

int impl_mode(Tensor *input, int64_t dim, bool keepdim, Tensor **out) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    if (input->ndim && input->size[dim] == 0) return no_elements("mode", dim);
    Order o = {.in = input, .dim = dim, .k = 1, .row = mode_row};
    return order_run(&o, "mode", !keepdim, out);
}

/* ---------------------------------------------------------------- counting */

#define TABLE 1024

/* Into four tables by turns: a count need not wait for the one before to the same place. */
static void count(const int64_t *v, int64_t m, int64_t *out, int64_t n) {
    int64_t i = 0, table[3][TABLE];
    if (n <= TABLE && m > 4 * n) {
        memset(table, 0, sizeof table);
        for (; i + 4 <= m; i += 4) {
            out[v[i]]++;
            table[0][v[i + 1]]++;
            table[1][v[i + 2]]++;
            table[2][v[i + 3]]++;
        }
        for (int64_t j = 0; j < n; j++) out[j] += table[0][j] + table[1][j] + table[2][j];
    }
    for (; i < m; i++) out[v[i]]++;
}

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
    uint64_t least, most = 0;
    if (x->numel) rl_order_kernels()->range((const uint64_t *)v, x->numel, &least, &most);
    if (most > INT64_MAX) { PyErr_SetString(PyExc_RuntimeError, "bincount only supports 1-d non-negative integral inputs."); goto done; }
    if (x->numel && (int64_t)most >= n) n = (int64_t)most + 1;
    const RLDType dt = !weights ? RL_I64 : weights->dtype == RL_F32 ? RL_F32 : RL_F64;
    out = rl_full_scalar(1, &n, (Scalar){'i', {.i = 0}, 0}, dt, RL_CPU);
    if (out && weights) {
        Tensor *cast = rl_to_dtype_raw(weights, dt);
        w = cast ? rl_contiguous_raw(cast) : NULL;
        Py_XDECREF(cast);
        if (!w) { Py_CLEAR(out); goto done; }
    }
    if (!out) goto done;
    if (dt == RL_I64) count(v, x->numel, (int64_t *)out->data, n);
    else if (dt == RL_F32) for (int64_t i = 0; i < x->numel; i++) ((float *)out->data)[v[i]] += ((const float *)w->data)[i];
    else for (int64_t i = 0; i < x->numel; i++) ((double *)out->data)[v[i]] += ((const double *)w->data)[i];
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
