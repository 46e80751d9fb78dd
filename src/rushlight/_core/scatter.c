/* scatter.c -- gather and scatter along a dimension, with an index for every element; embedding tables. */
#include "copy.h"
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"
#include "types.h"

/* ---------------------------------------------------------------- the walk */

/* Two innermost dimensions: n1 lines of n0 elements. Strides are bytes in t and b and elements in index; what they have
 * in dimension 0 is named 0, and between lines 1. */
typedef struct {
    char *t, *b;
    const int64_t *v;
    int64_t n0, n1, t0, t1, v0, v1, b0, b1;
    int64_t along, limit;      /* the indexed dimension of t */
    int64_t moved;             /* bytes of an element that is moved as it is, else 0 */
    bool get;
    RLPoints points;
} Lines;

/* False where an index is out of bounds. */
typedef bool (*Lead)(const Lines *l);

/* An index that stands for a whole line, as expand() makes them, is looked at once. */
#define LEAD(NAME, T, MOVE)                                                                                              \
    static bool NAME##_##T(const Lines *l) {                                                                             \
        const int64_t n0 = l->n0, t0 = l->t0, b0 = l->b0, v0 = l->v0, along = l->along;                                  \
        const uint64_t limit = (uint64_t)l->limit;                                                                       \
        for (int64_t j = 0; j < l->n1; j++) {                                                                            \
            char *t = l->t + j * l->t1, *b = l->b + j * l->b1;                                                           \
            const int64_t *v = l->v + j * l->v1;                                                                         \
            if (v0 == 0) {                                                                                               \
                if (RL_UNLIKELY((uint64_t)*v >= limit)) return false;                                                    \
                t += *v * along;                                                                                         \
                if (t0 == (int64_t)sizeof(T) && b0 == (int64_t)sizeof(T)) {                                              \
                    T *restrict p = (T *)t, *restrict q = (T *)b;                                                        \
                    for (int64_t i = 0; i < n0; i++) { T *x = p + i, *y = q + i; MOVE; }                                 \
                } else if (t0 == (int64_t)sizeof(T) && b0 == 0) {                                                        \
                    T *restrict p = (T *)t, one = *(const T *)b;                                                         \
                    for (int64_t i = 0; i < n0; i++) { T *x = p + i, *y = &one; MOVE; }                                  \
                } else                                                                                                   \
                    for (int64_t i = 0; i < n0; i++) { T *x = (T *)(t + i * t0), *y = (T *)(b + i * b0); MOVE; }         \
                continue;                                                                                                \
            }                                                                                                            \
            if (t0 == 0 && along == (int64_t)sizeof(T) && b0 == (int64_t)sizeof(T) && v0 == 1) {                         \
                for (int64_t i = 0; i < n0; i++) {                                                                       \
                    if (RL_UNLIKELY((uint64_t)v[i] >= limit)) return false;                                              \
                    T *x = (T *)t + v[i], *y = (T *)b + i;                                                               \
                    MOVE;                                                                                                \
                }                                                                                                        \
                continue;                                                                                                \
            }                                                                                                            \
            for (int64_t i = 0; i < n0; i++, v += v0) {                                                                  \
                if (RL_UNLIKELY((uint64_t)*v >= limit)) return false;                                                    \
                T *x = (T *)(t + *v * along + i * t0), *y = (T *)(b + i * b0);                                           \
                MOVE;                                                                                                    \
            }                                                                                                            \
        }                                                                                                                \
        return true;                                                                                                     \
    }
typedef struct { uint64_t lo, hi; } wide;
#define EACH(F) F(uint8_t) F(uint16_t) F(uint32_t) F(uint64_t) F(wide)
#define GET(T) LEAD(get, T, *y = *x)
#define PUT(T) LEAD(put, T, *x = *y)
EACH(GET)
EACH(PUT)
#undef GET
#undef PUT

/* At the level at which the rest is compiled, GCC leaves whole lines scalar. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif
LEAD(add, float, *x += *y)
LEAD(add, double, *x += *y)
LEAD(add, uint64_t, *x += *y) /* int64, without the overflow that C leaves open */
LEAD(min, float, *x = (*x != *x) | (*x < *y) ? *x : *y)
LEAD(max, float, *x = (*x != *x) | (*x > *y) ? *x : *y)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

/* What has no loop of its own. */
static bool by_points(const Lines *l) {
    int64_t off[256], s[3] = {l->b0, 0, 0};
    for (int64_t j = 0; j < l->n1; j++) {
        for (int64_t begin = 0; begin < l->n0; begin += 256) {
            const int64_t n = l->n0 - begin < 256 ? l->n0 - begin : 256;
            const int64_t *v = l->v + j * l->v1 + begin * l->v0;
            for (int64_t i = 0; i < n; i++) {
                const int64_t at = v[i * l->v0];
                if (RL_UNLIKELY((uint64_t)at >= (uint64_t)l->limit)) return false;
                off[i] = at * l->along + (begin + i) * l->t0;
            }
            l->points(l->t + j * l->t1, off, l->b + j * l->b1 + begin * l->b0, s, n, 1);
        }
    }
    return true;
}

static Lead lead_for(int mode, RLDType dt) {
    static const Lead moves[2][5] = {{get_uint8_t, get_uint16_t, get_uint32_t, get_uint64_t, get_wide},
                                     {put_uint8_t, put_uint16_t, put_uint32_t, put_uint64_t, put_wide}};
    if (mode <= PT_PUT) return moves[mode == PT_PUT][__builtin_ctz((unsigned)RL_ITEMSIZE(dt))];
    if (dt == RL_F32 && mode >= PT_MIN) return mode == PT_MIN ? min_float : max_float;
    if (mode == PT_ADD) return dt == RL_F32 ? add_float : dt == RL_F64 ? add_double : dt == RL_I64 ? add_uint64_t : by_points;
    return by_points;
}

/* Whole lines of one index each. */
static bool move_lines(const Lines *l) {
    const RLMoves *moves = rl_moves();
    const int64_t none = 0, bytes = l->n0 * l->moved;
    for (int64_t j = 0; j < l->n1; j++) {
        const int64_t at = l->v[j * l->v1];
        if (RL_UNLIKELY((uint64_t)at >= (uint64_t)l->limit)) return false;
        char *t = l->t + j * l->t1 + at * l->along, *b = l->b + j * l->b1;
        if (l->get) moves->get_rows(b, t, &none, bytes, 1);
        else moves->get_rows(t, b, &none, bytes, 1);
    }
    return true;
}

/* Short lines are walked across, some at once: a loop that ends at once is guessed wrong each time. What is written to
 * one element is written in the same order, as the elements of a line along the indexed dimension stay in theirs and
 * lines along any other never meet. */
static bool lead_lines(Lead lead, const Lines *l) {
    if (l->v0 == 0 && l->moved && l->n0 > 1 && l->t0 == l->moved && l->b0 == l->moved) return move_lines(l);
    if (l->n0 >= 8 || l->n1 < 8 || l->v0 == 0) return lead(l);
    bool good = true;
    for (int64_t begin = 0; begin < l->n1 && good; begin += 256) {
        Lines across = *l;
        across.t += begin * l->t1;
        across.v += begin * l->v1;
        across.b += begin * l->b1;
        across.n0 = l->n1 - begin < 256 ? l->n1 - begin : 256;
        across.n1 = l->n0;
        across.t0 = l->t1; across.v0 = l->v1; across.b0 = l->b1;
        across.t1 = l->t0; across.v1 = l->v0; across.b1 = l->b0;
        good = lead(&across);
    }
    return good;
}

typedef struct {
    Lead lead;
    Lines lines;
    int nd, split;             /* split: the dimension that threads share */
    int64_t size[RL_MAXDIM], t[RL_MAXDIM], v[RL_MAXDIM], b[RL_MAXDIM]; /* innermost last, at least two */
    int missed;                /* written by any thread, read when all are done */
} Walk;

/* Entries begin..end of the dimension that is split. */
static void some(void *ctx, int64_t begin, int64_t end) {
    Walk *w = ctx;
    Lines l = w->lines;
    int64_t size[RL_MAXDIM], count[RL_MAXDIM];
    const int last = w->nd - 1;
    for (int d = 0; d <= last; d++) { size[d] = w->size[d]; count[d] = 0; }
    size[w->split] = end - begin;
    l.t += begin * w->t[w->split];
    l.v += begin * w->v[w->split];
    l.b += begin * w->b[w->split];
    l.n0 = size[last];
    l.n1 = size[last - 1];
    for (;;) {
        if (!lead_lines(w->lead, &l)) { __atomic_store_n(&w->missed, 1, __ATOMIC_RELAXED); return; }
        int d = last - 2;
        for (; d >= 0; d--) {
            l.t += w->t[d];
            l.v += w->v[d];
            l.b += w->b[d];
            if (++count[d] < size[d]) break;
            l.t -= w->t[d] * size[d];
            l.v -= w->v[d] * size[d];
            l.b -= w->b[d] * size[d];
            count[d] = 0;
        }
        if (d < 0) return;
    }
}

static int out_of_bounds(Tensor *index, int dim, int64_t limit) {
    Tensor *c = rl_contiguous_raw(index);
    const int64_t *v = c ? (const int64_t *)c->data : NULL;
    for (int64_t i = 0; c && i < c->numel; i++) {
        if ((uint64_t)v[i] < (uint64_t)limit) continue;
        PyErr_Format(PyExc_RuntimeError, "index %lld is out of bounds for dimension %d with size %lld", (long long)v[i], dim, (long long)limit);
        break;
    }
    Py_XDECREF(c);
    return -1;
}

#define SHARE 32768 /* elements: less is done sooner than another thread has begun */
#define GRAIN 4096

/* b's element at each place of index against t's element at the same place, except that along dim the
 * index says where.  bs: byte strides of b, NULL when one element stands for all. */
static int walk(int mode, Tensor *t, int dim, Tensor *index, char *b, const int64_t *bs, const char *op) {
    Walk w; /* its arrays are filled as far as they are used */
    w.lead = lead_for(mode, (RLDType)t->dtype);
    w.nd = w.missed = 0;
    if (!(w.lines.points = rl_points(mode, (RLDType)t->dtype, op))) return -1;
    if (index->numel == 0 || t->device != RL_CPU) return 0;
    Tensor *ix = rl_to_dtype_raw(index, RL_I64);
    if (!ix) return -1;
    const int64_t item = RL_ITEMSIZE(t->dtype);
    int64_t most = 1;
    int along = -1;
    w.split = -1;
    for (int d = 0; d < ix->ndim; d++) {
        const int64_t n = ix->size[d], st = d == dim ? 0 : t->stride[d] * item, sv = ix->stride[d], sb = bs ? bs[d] : 0;
        const int before = w.nd - 1;
        if (n == 1 && ix->ndim > 1) continue;
        if (d != dim && before >= 0 && before != along && w.t[before] == n * st && w.v[before] == n * sv && w.b[before] == n * sb) {
            w.size[before] *= n; /* walked in one stride */
        } else {
            w.size[++w.nd - 1] = n;
            if (d == dim) along = w.nd - 1;
        }
        w.t[w.nd - 1] = st;
        w.v[w.nd - 1] = sv;
        w.b[w.nd - 1] = sb;
    }
    while (w.nd < 2) { /* dimensions of one entry in front */
        for (int d = w.nd; d > 0; d--) { w.size[d] = w.size[d - 1]; w.t[d] = w.t[d - 1]; w.v[d] = w.v[d - 1]; w.b[d] = w.b[d - 1]; }
        w.size[0] = 1;
        w.t[0] = w.v[0] = w.b[0] = 0;
        if (along >= 0) along++;
        w.nd++;
    }
    /* Writes along the indexed dimension may meet; other dimensions of a tensor without overlaps are apart. */
    for (int d = 0; d < w.nd && index->numel >= SHARE; d++) {
        if ((mode != PT_GET && (d == along || !rl_is_dense(t))) || (d == w.nd - 1 && w.size[d] < 2 * GRAIN && mode != PT_GET)) continue;
        if (w.size[d] > most) { most = w.size[d]; w.split = d; }
    }
    w.lines.moved = mode <= PT_PUT && bs ? item : 0;
    w.lines.get = mode == PT_GET;
    w.lines.t = t->data;
    w.lines.v = (const int64_t *)ix->data;
    w.lines.b = b;
    w.lines.t0 = w.t[w.nd - 1];
    w.lines.v0 = w.v[w.nd - 1];
    w.lines.b0 = w.b[w.nd - 1];
    w.lines.t1 = w.t[w.nd - 2];
    w.lines.v1 = w.v[w.nd - 2];
    w.lines.b1 = w.b[w.nd - 2];
    w.lines.along = t->stride[dim] * item;
    w.lines.limit = t->size[dim];
    if (w.split < 0) { w.split = 0; some(&w, 0, w.size[0]); }
    else {
        const int64_t each = index->numel / most, grain = GRAIN / each + 1;
        rl_parallel_for(most, w.split == w.nd - 1 ? (grain + 63) / 64 * 64 : grain, some, &w);
    }
    const int rc = w.missed ? out_of_bounds(ix, dim, t->size[dim]) : 0;
    Py_DECREF(ix);
    return rc;
}

/* ---------------------------------------------------------------- gather */

static int same_dims(Tensor *t, Tensor *index, const char *what) {
    int a = t->ndim ? t->ndim : 1, b = index->ndim ? index->ndim : 1;
    if (a == b || index->numel == 0) return 0;
    PyErr_Format(PyExc_RuntimeError, "Index tensor must have the same number of dimensions as %s tensor", what);
    return -1;
}

Tensor *impl_gather(Tensor *input, int64_t dim, Tensor *index, bool sparse_grad) {
    (void)sparse_grad;
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN || rl_index_dtype(index, "gather") < 0) return NULL;
    if (same_dims(input, index, "input") < 0) return NULL;
    Tensor *out = rl_empty(index->ndim, index->size, (RLDType)input->dtype, input->device);
    if (!out || index->numel == 0) return out;
    Tensor *t = rl_one_dim(input), *ix = rl_one_dim(index);
    int64_t bs[RL_MAXDIM] = {0}, step = RL_ITEMSIZE(input->dtype);
    int rc = t && ix ? 0 : -1;
    for (int d = rc == 0 ? ix->ndim - 1 : -1; d >= 0; d--) {
        if (d != dim && ix->size[d] > t->size[d]) {
            PyObject *a = rl_ints_list(ix->ndim, ix->size), *b = rl_ints_list(t->ndim, t->size);
            if (a && b) PyErr_Format(PyExc_RuntimeError, "Size does not match at dimension %d expected index %S to be no larger than self "
                                     "%S apart from dimension %lld", d, a, b, (long long)dim);
            Py_XDECREF(a);
            Py_XDECREF(b);
            rc = -1;
            break;
        }
        bs[d] = step;
        step *= ix->size[d];
    }
    if (rc == 0) rc = walk(PT_GET, t, (int)dim, ix, out->data, bs, "gather");
    if (rc < 0) Py_CLEAR(out);
    Py_XDECREF(t);
    Py_XDECREF(ix);
    return out;
}

/* ---------------------------------------------------------------- scatter */

static int check_scatter(Tensor *t, int64_t dim, Tensor *index, Tensor *src) {
    if (index->numel == 0) return 0;
    if (same_dims(t, index, "self") < 0 || (src && same_dims(src, index, "src") < 0)) return -1;
    bool fits = true;
    for (int d = 0; d < index->ndim; d++) {
        if (d != dim && index->size[d] > (t->ndim ? t->size[d] : 1)) fits = false;
        if (src && index->size[d] > (src->ndim ? src->size[d] : 1)) fits = false;
    }
    if (fits) return 0;
    PyObject *a = rl_ints_list(index->ndim, index->size), *b = rl_ints_list(t->ndim, t->size);
    PyObject *c = src ? rl_ints_list(src->ndim, src->size) : NULL;
    if (a && b && c) PyErr_Format(PyExc_RuntimeError, "Expected index %S to be no larger than self %S apart from dimension %lld and to be "
                                  "no larger size than src %S", a, b, (long long)dim, c);
    else if (a && b && !src) PyErr_Format(PyExc_RuntimeError, "Expected index %S to be no larger than self %S apart from dimension %lld",
                                          a, b, (long long)dim);
    Py_XDECREF(a);
    Py_XDECREF(b);
    Py_XDECREF(c);
    return -1;
}

/* Into out, in place; src without dimensions where `single`. */
static int scatter_into(Tensor *out, int64_t dim, Tensor *index, Tensor *src, bool single, int mode, const char *op) {
    Tensor *t = rl_one_dim(out), *ix = rl_one_dim(index);
    int64_t bs[RL_MAXDIM] = {0};
    int rc = t && ix ? 0 : -1;
    for (int d = 0; !single && d < src->ndim; d++) bs[d] = src->stride[d] * RL_ITEMSIZE(src->dtype);
    if (rc == 0) rc = walk(mode, t, (int)dim, ix, src->data, single ? NULL : bs, op);
    Py_XDECREF(t);
    Py_XDECREF(ix);
    return rc;
}

static Tensor *scatter_any(Tensor *input, int64_t dim, Tensor *index, Tensor *src, bool single, int mode, const char *op) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN || rl_index_dtype(index, op) < 0) return NULL;
    if (check_scatter(input, dim, index, single ? NULL : src) < 0) return NULL;
    if (src->dtype != input->dtype) {
        PyErr_Format(PyExc_RuntimeError, "%s(): Expected self.dtype to be equal to src.dtype", op);
        return NULL;
    }
    Tensor *out = rl_take_here(input, 2, (Tensor *[]){index, src}) ? (Tensor *)Py_NewRef((PyObject *)input) : rl_clone(input, RL_CONTIGUOUS_FORMAT);
    if (out && scatter_into(out, dim, index, src, single, mode, op) < 0) Py_CLEAR(out);
    return out;
}

static int mode_of(const char *reduce) {
    if (strcmp(reduce, "add") == 0) return PT_ADD;
    if (strcmp(reduce, "multiply") == 0) return PT_MUL;
    PyErr_SetString(PyExc_RuntimeError, "reduce argument must be either add or multiply.");
    return -1;
}

static Tensor *scatter_number(Tensor *input, int64_t dim, Tensor *index, Scalar value, int mode) {
    Tensor *v = rl_full_scalar(0, NULL, value, (RLDType)input->dtype, input->device);
    Tensor *out = v ? scatter_any(input, dim, index, v, true, mode, "scatter") : NULL;
    Py_XDECREF(v);
    return out;
}

Tensor *impl_scatter(Tensor *input, int64_t dim, Tensor *index, Tensor *src) {
    return scatter_any(input, dim, index, src, false, PT_PUT, "scatter");
}

Tensor *impl_scatter_value(Tensor *input, int64_t dim, Tensor *index, Scalar value) {
    return scatter_number(input, dim, index, value, PT_PUT);
}

Tensor *impl_scatter_reduce_op(Tensor *input, int64_t dim, Tensor *index, Tensor *src, const char *reduce) {
    int mode = mode_of(reduce);
    return mode < 0 ? NULL : scatter_any(input, dim, index, src, false, mode, "scatter");
}

Tensor *impl_scatter_value_reduce(Tensor *input, int64_t dim, Tensor *index, Scalar value, const char *reduce) {
    int mode = mode_of(reduce);
    return mode < 0 ? NULL : scatter_number(input, dim, index, value, mode);
}

Tensor *impl_scatter_add(Tensor *input, int64_t dim, Tensor *index, Tensor *src) {
    return scatter_any(input, dim, index, src, false, PT_ADD, "scatter_add");
}

/* ---------------------------------------------------------------- scatter_reduce */

/* Divides sums by how many values went into each. */
static int mean_of(Tensor *sum, int64_t dim, Tensor *index, bool include_self) {
    Tensor *one = rl_full_scalar(0, NULL, RL_ONE, (RLDType)sum->dtype, sum->device);
    Tensor *count = rl_full_scalar(sum->ndim, sum->size, include_self ? RL_ONE : (Scalar){'i', {.i = 0}, 0}, (RLDType)sum->dtype, sum->device);
    Tensor *q = NULL, *safe = NULL;
    int rc = -1;
    if (!one || !count || scatter_into(count, dim, index, one, true, PT_ADD, "scatter_reduce") < 0) goto done;
    if (!(safe = rl_full_scalar(sum->ndim, sum->size, RL_ONE, (RLDType)sum->dtype, sum->device))) goto done;
    Py_SETREF(count, rl_maximum(count, safe));
    if (!count || !(q = RL_IS_INEXACT(sum->dtype) ? rl_div(sum, count) : rl_floor_divide(sum, count))) goto done;
    rc = rl_copy_raw(sum, q);
done:
    Py_XDECREF(one);
    Py_XDECREF(count);
    Py_XDECREF(safe);
    Py_XDECREF(q);
    return rc;
}

Tensor *impl_scatter_reduce(Tensor *input, int64_t dim, Tensor *index, Tensor *src, const char *reduce, bool include_self) {
    static const char *const names[] = {"sum", "prod", "mean", "amax", "amin"};
    static const int modes[] = {PT_ADD, PT_MUL, PT_ADD, PT_MAX, PT_MIN};
    int k = 0;
    while (k < 5 && strcmp(reduce, names[k])) k++;
    if (k == 5) {
        PyErr_Format(PyExc_RuntimeError, "reduce argument must be either sum, prod, mean, amax or amin, got %s", reduce);
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    Tensor *start = input;
    Py_INCREF(start);
    if (!include_self) {
        /* what is overwritten starts from the identity; of extremes any of the values will do */
        if (k >= 3) Py_SETREF(start, scatter_any(input, dim, index, src, false, PT_PUT, "scatter_reduce"));
        else Py_SETREF(start, scatter_number(input, dim, index, (Scalar){'i', {.i = k == 1}, 0}, PT_PUT));
        if (!start) return NULL;
    }
    Tensor *out = scatter_any(start, dim, index, src, false, modes[k], "scatter_reduce");
    Py_DECREF(start);
    if (out && k == 2 && mean_of(out, dim, index, include_self) < 0) Py_CLEAR(out);
    return out;
}

/* ---------------------------------------------------------------- embedding */

static int check_embedding_index(Tensor *indices) {
    if (indices->dtype == RL_I64 || indices->dtype == RL_I32) return 0;
    PyErr_Format(PyExc_RuntimeError, "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
                 "but got torch.%sTensor instead (while checking arguments for embedding)", rl_dtypes[indices->dtype].legacy);
    return -1;
}

static Tensor *flat_index(Tensor *indices) {
    Tensor *c = rl_as_index(indices);
    int64_t one = 1;
    if (c && c->ndim != 1) Py_SETREF(c, rl_alias(c, 1, &c->numel, &one, c->data));
    return c;
}

Tensor *impl_embedding_lookup(Tensor *weight, Tensor *indices, int64_t padding_idx, bool scale_grad_by_freq) {
    (void)padding_idx;
    (void)scale_grad_by_freq;
    RLPlan p;
    if (weight->ndim != 2) { PyErr_SetString(PyExc_RuntimeError, "'weight' must be 2-D"); return NULL; }
    if (check_embedding_index(indices) < 0) return NULL;
    Tensor *ix = flat_index(indices), *out = NULL;
    if (!ix) return NULL;
    if (rl_plan_dim(&p, weight, 0, ix, "index out of range in self") == 0) {
        int64_t size[RL_MAXDIM + 1];
        memcpy(size, indices->size, indices->ndim * sizeof(int64_t));
        size[indices->ndim] = weight->size[1];
        out = rl_empty(indices->ndim + 1, size, (RLDType)weight->dtype, weight->device);
        if (out && rl_plan_run(&p, PT_GET, weight, out->data, false, "embedding") < 0) Py_CLEAR(out);
        rl_plan_free(&p);
    } else if (PyErr_ExceptionMatches(PyExc_IndexError)) {
        rl_hint("the weight has %lld rows, so indices are 0 to %lld", (long long)weight->size[0], (long long)weight->size[0] - 1);
    }
    Py_DECREF(ix);
    return out;
}

/* Rows of grad divided by how often their index occurs. */
static Tensor *scale_by_frequency(Tensor *rows, Tensor *ix, int64_t num_weights) {
    Tensor *count = rl_full_scalar(1, &num_weights, (Scalar){'i', {.i = 0}, 0}, RL_I64, RL_CPU), *r = NULL, *f = NULL;
    int64_t shape[2] = {ix->numel, 1};
    if (!count || !(f = rl_empty(2, shape, RL_I64, RL_CPU))) goto done;
    int64_t *c = (int64_t *)count->data;
    const int64_t *v = (const int64_t *)ix->data;
    for (int64_t i = 0; i < ix->numel; i++) if (v[i] >= 0 && v[i] < num_weights) c[v[i]]++;
    for (int64_t i = 0; i < ix->numel; i++) ((int64_t *)f->data)[i] = v[i] >= 0 && v[i] < num_weights ? c[v[i]] : 1;
    Py_SETREF(f, rl_to_dtype_raw(f, (RLDType)rows->dtype));
    if (f) r = rl_div(rows, f);
done:
    Py_XDECREF(count);
    Py_XDECREF(f);
    return r;
}

Tensor *impl_embedding_dense_backward(Tensor *grad_output, Tensor *indices, int64_t num_weights, int64_t padding_idx, bool scale_grad_by_freq) {
    if (check_embedding_index(indices) < 0) return NULL;
    int64_t width = grad_output->size[grad_output->ndim - 1], size[2] = {num_weights, width}, item = RL_ITEMSIZE(grad_output->dtype);
    int64_t shape[2] = {indices->numel, width}, stride[2] = {width, 1};
    Tensor *out = rl_zeros_as(grad_output, 2, size), *ix = flat_index(indices), *c = rl_contiguous_raw(grad_output), *rows = NULL;
    RLPlan p = {.n_pre_total = 1, .n_post = 1, .post_size = {width}, .post_stride = {item}, .n_post_total = width, .ndim = 2, .size = {0, width}};
    char *from;
    int rc = -1;
    if (!out || !ix || !c || !(rows = rl_alias(c, 2, shape, stride, c->data))) goto done;
    if (scale_grad_by_freq) {
        Py_SETREF(rows, scale_by_frequency(rows, ix, num_weights));
        if (!rows) goto done;
    }
    if (!(p.off = rl_alloc((size_t)(ix->numel + 1) * sizeof(int64_t)))) { PyErr_NoMemory(); goto done; }
    const int64_t *v = (const int64_t *)ix->data;
    rc = 0;
    /* runs of rows between those at padding_idx */
    for (int64_t i = 0, begin = 0; i <= ix->numel && rc == 0; i++) {
        const bool padding = i == ix->numel || v[i] == padding_idx;
        if (!padding) {
            if (v[i] < 0 || v[i] >= num_weights) { PyErr_SetString(PyExc_IndexError, "index out of range in self"); rc = -1; }
            else p.off[i - begin] = v[i] * width * item;
            continue;
        }
        p.n_off = p.size[0] = i - begin;
        from = rows->data + begin * width * item;
        if (p.n_off) rc = rl_plan_run(&p, PT_ADD, out, from, false, "embedding_backward");
        begin = i + 1;
    }
done:
    if (p.off) rl_dealloc(p.off, (size_t)(ix->numel + 1) * sizeof(int64_t));
    Py_XDECREF(ix);
    Py_XDECREF(c);
    Py_XDECREF(rows);
    if (rc < 0) Py_CLEAR(out);
    return out;
}

/* Rows that are looked up and longer than max_norm are shortened in place, without history. */
static int renorm_rows(Tensor *weight, Tensor *indices, double max_norm, double norm_type) {
    Tensor *ix = flat_index(indices), *row = NULL;
    bool *seen = PyMem_Calloc((size_t)weight->size[0] + 1, 1);
    int rc = -1, mode = rl_grad_mode;
    rl_grad_mode = 0;
    if (!ix || !seen) { if (!seen) PyErr_NoMemory(); goto done; }
    const int64_t *v = (const int64_t *)ix->data;
    for (int64_t i = 0; i < ix->numel; i++) {
        if (v[i] < 0 || v[i] >= weight->size[0]) { PyErr_SetString(PyExc_IndexError, "index out of range in self"); goto done; }
        if (seen[v[i]]) continue;
        seen[v[i]] = true;
        row = rl_alias(weight, 1, &weight->size[1], &weight->stride[1], weight->data + v[i] * weight->stride[0] * RL_ITEMSIZE(weight->dtype));
        Tensor *wide_row = row ? rl_to_dtype_raw(row, RL_F64) : NULL;
        if (!wide_row) goto done;
        Tensor *flat = rl_contiguous_raw(wide_row);
        Py_DECREF(wide_row);
        if (!flat) goto done;
        double norm = 0;
        const double *x = (const double *)flat->data;
        for (int64_t j = 0; j < flat->numel; j++) {
            double a = fabs(x[j]);
            norm = isinf(norm_type) ? (a > norm ? a : norm) : norm + (norm_type == 2 ? a * a : norm_type == 1 ? a : pow(a, norm_type));
        }
        if (!isinf(norm_type)) norm = norm_type == 2 ? sqrt(norm) : norm_type == 1 ? norm : pow(norm, 1 / norm_type);
        Py_DECREF(flat);
        if (norm > max_norm) {
            Tensor *scale = rl_wrap_double(max_norm / (norm + 1e-7)), *short_row = scale ? rl_mul(row, scale) : NULL;
            int bad = short_row ? rl_copy_raw(row, short_row) : -1;
            Py_XDECREF(scale);
            Py_XDECREF(short_row);
            if (bad < 0) goto done;
        }
        Py_CLEAR(row);
    }
    rl_bump(weight);
    rc = 0;
done:
    rl_grad_mode = mode;
    PyMem_Free(seen);
    Py_XDECREF(row);
    Py_XDECREF(ix);
    return rc;
}

Tensor *rl_embedding(Tensor *input, Tensor *weight, int64_t padding_idx, Scalar max_norm, double norm_type, bool scale_grad_by_freq, bool sparse) {
    if (sparse) { PyErr_SetString(PyExc_NotImplementedError, "embedding(): sparse gradients are not supported"); return NULL; }
    if (padding_idx == RL_NO_INT) {
        padding_idx = -1;
    } else if (weight->ndim == 2) {
        int64_t n = weight->size[0];
        if (padding_idx >= n || padding_idx < -n) {
            PyErr_SetString(PyExc_AssertionError, "Padding_idx must be within num_embeddings");
            return NULL;
        }
        if (padding_idx < 0) padding_idx += n;
    }
    if (max_norm.kind && weight->ndim == 2 && check_embedding_index(input) == 0 &&
        renorm_rows(weight, input, rl_scalar_double(max_norm), norm_type) < 0) return NULL;
    if (PyErr_Occurred()) return NULL;
    return rl_embedding_lookup(weight, input, padding_idx, scale_grad_by_freq);
}
