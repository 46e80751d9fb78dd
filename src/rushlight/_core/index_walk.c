/* index_walk.c -- elements moved or folded between a tensor and places in another that a plan or a list names. */
#include "copy.h"
#include "gather.h"
#include "rl_ops.h"
#include "types.h"

/* ---------------------------------------------------------------- kernels */

typedef struct { uint64_t lo, hi; } wide;

/* Short rows are walked across: a loop that ends at once is guessed wrong each time. Elements of a row come in order. */
#define FEW 8

#define MOVE(T)                                                                                                          \
    static void get_##T(char *a, const int64_t *off, char *b, const int64_t *s, int64_t n, int64_t rows) {               \
        const int64_t sb = s[0], ra = s[1], rb = s[2];                                                                   \
        if (n < FEW && rows > n)                                                                                         \
            for (int64_t i = 0; i < n; i++)                                                                              \
                for (int64_t j = 0; j < rows; j++) *(T *)(b + i * sb + j * rb) = *(const T *)(a + off[i] + j * ra);      \
        else                                                                                                             \
            for (int64_t j = 0; j < rows; j++, a += ra, b += rb)                                                         \
                for (int64_t i = 0; i < n; i++) *(T *)(b + i * sb) = *(const T *)(a + off[i]);                           \
    }                                                                                                                    \
    static void put_##T(char *a, const int64_t *off, char *b, const int64_t *s, int64_t n, int64_t rows) {               \
        const int64_t sb = s[0], ra = s[1], rb = s[2];                                                                   \
        if (n < FEW && rows > n)                                                                                         \
            for (int64_t i = 0; i < n; i++)                                                                              \
                for (int64_t j = 0; j < rows; j++) *(T *)(a + off[i] + j * ra) = *(const T *)(b + i * sb + j * rb);      \
        else                                                                                                             \
            for (int64_t j = 0; j < rows; j++, a += ra, b += rb)                                                         \
                for (int64_t i = 0; i < n; i++) *(T *)(a + off[i]) = *(const T *)(b + i * sb);                           \
    }
MOVE(uint8_t)
MOVE(uint16_t)
MOVE(uint32_t)
MOVE(uint64_t)
MOVE(wide)

#define FOLD(NAME, D, EXPR)                                                                                              \
    static void NAME##_##D(char *a, const int64_t *off, char *b, const int64_t *s, int64_t n, int64_t rows) {            \
        for (int64_t j = 0; j < rows; j++) {                                                                             \
            for (int64_t i = 0; i < n; i++) {                                                                            \
                T_##D *p = (T_##D *)(a + j * s[1] + off[i]);                                                             \
                const A_##D x = LD_##D(*p), y = LD_##D(*(const T_##D *)(b + j * s[2] + i * s[0]));                       \
                *p = ST_##D(EXPR);                                                                                       \
            }                                                                                                            \
        }                                                                                                                \
    }
#define FOLD_ARITH(D) FOLD(add, D, x + y) FOLD(mul, D, x * y)
#define FOLD_ORDER(D) FOLD(min, D, x != x || x < y ? x : y) FOLD(max, D, x != x || x > y ? x : y)
#define EACH_ORDERED(F) F(BOOL) F(U8) F(I8) F(I16) F(I32) F(I64) F(F16) F(BF16) F(F32) F(F64)
EACH_ORDERED(FOLD_ARITH)
EACH_ORDERED(FOLD_ORDER)
FOLD_ARITH(C64)
FOLD_ARITH(C128)

#define ROW_ARITH(NAME) {[RL_BOOL] = NAME##_BOOL, [RL_U8] = NAME##_U8, [RL_I8] = NAME##_I8, [RL_I16] = NAME##_I16, \
    [RL_I32] = NAME##_I32, [RL_I64] = NAME##_I64, [RL_F16] = NAME##_F16, [RL_BF16] = NAME##_BF16,                  \
    [RL_F32] = NAME##_F32, [RL_F64] = NAME##_F64
static const RLPoints folds[4][RL_NDTYPES] = {
    ROW_ARITH(add), [RL_C64] = add_C64, [RL_C128] = add_C128},
    ROW_ARITH(mul), [RL_C64] = mul_C64, [RL_C128] = mul_C128},
    ROW_ARITH(min)},
    ROW_ARITH(max)},
};

RLPoints rl_points(int mode, RLDType dt, const char *op) {
    if (mode >= PT_ADD) {
        RLPoints f = folds[mode - PT_ADD][dt];
        if (!f) rl_not_implemented(op, dt);
        return f;
    }
    bool get = mode == PT_GET;
    switch (RL_ITEMSIZE(dt)) {
        case 1: return get ? get_uint8_t : put_uint8_t;
        case 2: return get ? get_uint16_t : put_uint16_t;
        case 4: return get ? get_uint32_t : put_uint32_t;
        case 8: return get ? get_uint64_t : put_uint64_t;
        default: return get ? get_wide : put_wide;
    }
}

/* ---------------------------------------------------------------- whole rows folded in */

/* a's row at each offset += b's row: rows of n elements, of the dtypes for which this is common. */
typedef void (*AddRows)(char *a, const int64_t *off, const char *b, int64_t stride, int64_t n, int64_t rows);

/* At the level at which the rest is compiled, GCC leaves these loops scalar. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif

#define ADD_ROWS(T)                                                                                                      \
    static void add_rows_##T(char *a, const int64_t *off, const char *b, int64_t stride, int64_t n, int64_t rows) {      \
        for (int64_t j = 0; j < rows; j++) {                                                                             \
            T *restrict to = (T *)(a + off[j]);                                                                          \
            const T *restrict from = (const T *)(b + j * stride);                                                        \
            for (int64_t i = 0; i < n; i++) to[i] += from[i];                                                            \
        }                                                                                                                \
    }
ADD_ROWS(float)
ADD_ROWS(double)
ADD_ROWS(uint64_t) /* int64, without the overflow that C leaves open */

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

static AddRows add_rows(RLDType dt) {
    return dt == RL_F32 ? add_rows_float : dt == RL_F64 ? add_rows_double : dt == RL_I64 ? add_rows_uint64_t : NULL;
}

/* ---------------------------------------------------------------- the walk of a plan */

#define SHARE 32768 /* elements moved: less is done sooner than another thread has begun */
#define GRAIN 4096
#define LONG_ROW 128 /* bytes of a row that is worth looking for among those of other threads */

typedef struct { int64_t at, begin, n; } Run; /* in bytes of a; in elements of b; elements */

typedef struct {
    const RLPlan *p;
    RLPoints points;
    AddRows add;               /* rows are folded in whole */
    int mode;
    int64_t item, sb, row;     /* bytes: of an element, between elements of b, of one block of b */
    int64_t s[3];              /* sb, for one row of points */
    bool single;               /* b is one element */
    const char *filled;        /* a short row of it, or NULL */
    int64_t part;              /* bytes of a in an eighth of what is written */
    Run *runs;                 /* of offsets that follow one another, or NULL */
    int64_t n_runs;
    int64_t *block;            /* offsets within a block, when they are not */
    char *a, *b;
    int n_pre;                 /* the dimensions before the indexed ones, merged where they are walked in one stride */
    int64_t pre_size[RL_MAXDIM], pre_stride[RL_MAXDIM];
} Walk;

/* Rows begin..end of the plan. */
static void walk_rows(const Walk *w, char *a, char *b, int64_t begin, int64_t end) {
    const int64_t *off = w->p->off + begin, n = end - begin, count = w->p->n_post_total;
    b += begin * w->row;
    if (w->block) for (int64_t i = 0; i < n; i++) w->points(a + off[i], w->block, b + i * w->row, w->s, count, 1);
    else if (w->add) w->add(a, off, b, w->row, count, n);
    else if (w->mode == PT_GET) rl_moves()->get_rows(b, a, off, w->row, n);
    else if (!w->single) rl_moves()->put_rows(a, off, b, w->row, w->row, n);
    else if (w->filled) rl_moves()->put_rows(a, off, w->filled, 0, count * w->item, n);
    else for (int64_t i = 0; i < n; i++) rl_fill_row(a + off[i], b, count, (size_t)w->item);
}

static void walk_offsets(void *ctx, int64_t begin, int64_t end) {
    const Walk *w = ctx;
    if (w->p->n_post_total > 1) walk_rows(w, w->a, w->b, begin, end);
    else w->points(w->a, w->p->off + begin, w->b + begin * w->sb, w->s, end - begin, 1);
}

/* Writes to rows whose offset is `part` * begin ... `part` * end: whatever is written to one row is written in order. */
static void walk_targets(void *ctx, int64_t begin, int64_t end) {
    const Walk *w = ctx;
    const int64_t *off = w->p->off, from = begin * w->part;
    const uint64_t extent = (uint64_t)((end - begin) * w->part);
    for (int64_t i = 0; i < w->p->n_off; i++)
        if ((uint64_t)(off[i] - from) < extent) walk_rows(w, w->a, w->b, i, i + 1);
}

/* ---- offsets that follow one another, as padding and windows make them, are walked a run at a time */

#define RUN 8 /* elements, on the average, that pay for looking for runs */

static int64_t count_runs(const int64_t *off, int64_t n, int64_t item) {
    int64_t runs = 1;
    for (int64_t i = 1; i < n; i++) runs += off[i] - off[i - 1] != item;
    return runs;
}

static void list_runs(const int64_t *off, int64_t n, int64_t item, Run *run) {
    *run = (Run){off[0], 0, 1};
    for (int64_t i = 1; i < n; i++) {
        if (off[i] - off[i - 1] == item) run->n++;
        else *++run = (Run){off[i], i, 1};
    }
}

static void walk_runs(const Walk *w, char *a, char *b) {
    const int64_t none = 0;
    for (const Run *r = w->runs; r < w->runs + w->n_runs; r++) {
        char *at = a + r->at, *to = b + r->begin * w->item;
        const int64_t bytes = r->n * w->item;
        if (w->mode == PT_ADD) w->add(at, &none, to, 0, r->n, 1);
        else if (w->mode == PT_GET) rl_moves()->get_rows(to, at, &none, bytes, 1);
        else rl_moves()->get_rows(at, to, &none, bytes, 1);
    }
}

/* Entries begin..end of the dimensions before the indexed ones. */
static void walk_before(void *ctx, int64_t begin, int64_t end) {
    const Walk *w = ctx;
    const RLPlan *p = w->p;
    const int last = w->n_pre - 1;
    const int64_t each = p->n_off * (p->n_post_total > 1 ? w->row : w->sb);
    while (begin < end) {
        int64_t rest = begin, rows = 1, s[3] = {w->sb, 0, each};
        char *a = w->a;
        for (int d = last; d >= 0; rest /= w->pre_size[d--]) a += rest % w->pre_size[d] * w->pre_stride[d];
        if (last >= 0) {
            s[1] = w->pre_stride[last];
            rows = w->pre_size[last] - begin % w->pre_size[last];
            if (rows > end - begin) rows = end - begin;
        }
        if (w->runs) for (int64_t j = 0; j < rows; j++) walk_runs(w, a + j * s[1], w->b + (begin + j) * each);
        else if (p->n_post_total == 1) w->points(a, p->off, w->b + begin * each, s, p->n_off, rows);
        else for (int64_t j = 0; j < rows; j++) walk_rows(w, a + j * s[1], w->b + (begin + j) * each, 0, p->n_off);
        begin += rows;
    }
}

static void merge(Walk *w, const RLPlan *p) {
    int n = 0;
    for (int d = 0; d < p->n_pre; d++) {
        if (p->pre_size[d] == 1) continue;
        const bool joined = n && w->pre_stride[n - 1] == p->pre_size[d] * p->pre_stride[d];
        w->pre_size[joined ? n - 1 : n] = p->pre_size[d] * (joined ? w->pre_size[n - 1] : 1);
        w->pre_stride[joined ? n - 1 : n] = p->pre_stride[d];
        n += !joined;
    }
    w->n_pre = n;
}

int rl_plan_run(const RLPlan *p, int mode, Tensor *t, char *b, bool single, const char *op) {
    Walk w; /* its arrays are filled as far as they are used */
    w.p = p;
    w.mode = mode;
    w.item = RL_ITEMSIZE(t->dtype);
    w.single = single;
    w.a = t->data;
    w.b = b;
    w.add = NULL;
    w.filled = NULL;
    w.runs = NULL;
    w.block = NULL;
    if (!(w.points = rl_points(mode, (RLDType)t->dtype, op))) return -1;
    if (t->device != RL_CPU || p->n_off * p->n_pre_total * p->n_post_total == 0) return 0;
    merge(&w, p);
    w.s[0] = w.sb = single ? 0 : w.item;
    w.s[1] = w.s[2] = 0;
    w.row = p->n_post_total * w.sb;
    w.part = t->numel * w.item / 8 + 1;
    int64_t run = w.item;
    bool dense = p->n_post_total > 1;
    for (int d = p->n_post - 1; d >= 0; d--) {
        if (p->post_size[d] != 1 && p->post_stride[d] != run) dense = false;
        run *= p->post_size[d];
    }
    if (p->n_post_total == 1 && !single && p->n_pre_total > 1 && p->n_off >= RUN && (mode <= PT_PUT || (mode == PT_ADD && add_rows((RLDType)t->dtype)))) {
        const int64_t sample = p->n_off < 256 ? p->n_off : 256;
        bool runs = count_runs(p->off, sample, w.item) * RUN <= sample;
        if (runs) {
            w.n_runs = count_runs(p->off, p->n_off, w.item);
            runs = w.n_runs * RUN <= p->n_off;
        }
        if (runs) {
            if (!(w.runs = rl_alloc((size_t)w.n_runs * sizeof(Run)))) { PyErr_NoMemory(); return -1; }
            list_runs(p->off, p->n_off, w.item, w.runs);
            w.add = add_rows((RLDType)t->dtype);
        }
    }
    if (dense && mode == PT_ADD && !single) w.add = add_rows((RLDType)t->dtype);
    if (p->n_post_total > 1 && !w.add && !(dense && mode <= PT_PUT)) {
        if (!(w.block = rl_alloc((size_t)p->n_post_total * sizeof(int64_t)))) { PyErr_NoMemory(); return -1; }
        int64_t count[RL_MAXDIM] = {0}, at = 0;
        for (int64_t i = 0; i < p->n_post_total; i++) {
            w.block[i] = at;
            for (int d = p->n_post - 1; d >= 0; d--) {
                at += p->post_stride[d];
                if (++count[d] < p->post_size[d]) break;
                at -= p->post_stride[d] * p->post_size[d];
                count[d] = 0;
            }
        }
    }
    const int64_t each = p->n_off * p->n_post_total, total = each * p->n_pre_total;
    char filled[128];
    if (single && dense && mode == PT_PUT && run <= (int64_t)sizeof filled) {
        rl_fill_row(filled, b, p->n_post_total, (size_t)w.item);
        w.filled = filled;
    }
    /* two threads must not meet at one element written twice */
    const bool shared = mode == PT_GET || rl_is_dense(t);
    if (total < SHARE || (w.runs && (p->n_pre_total < 8 || !shared))) walk_before(&w, 0, p->n_pre_total);
    else if (p->n_pre_total >= (mode == PT_GET ? 8 : 2) && shared) rl_parallel_for(p->n_pre_total, GRAIN / each + 1, walk_before, &w);
    else {
        int64_t count[RL_MAXDIM] = {0};
        for (int64_t i = 0; i < p->n_pre_total; i++) {
            if (mode == PT_GET) rl_parallel_for(p->n_off, GRAIN / p->n_post_total + 1, walk_offsets, &w);
            else if (shared && !w.block && run >= LONG_ROW) rl_parallel_for(8, 1, walk_targets, &w);
            else walk_offsets(&w, 0, p->n_off);
            w.b += p->n_off * (p->n_post_total > 1 ? w.row : w.sb);
            for (int d = w.n_pre - 1; d >= 0; d--) {
                w.a += w.pre_stride[d];
                if (++count[d] < w.pre_size[d]) break;
                w.a -= w.pre_stride[d] * w.pre_size[d];
                count[d] = 0;
            }
        }
    }
    if (w.runs) rl_dealloc(w.runs, (size_t)w.n_runs * sizeof(Run));
    if (w.block) rl_dealloc(w.block, (size_t)p->n_post_total * sizeof(int64_t));
    return 0;
}

/* ---------------------------------------------------------------- a list of places */

typedef struct {
    const char *from;
    char *to;
    const int64_t *places;
    int64_t step, limit, wrap, item;
    int missed;                /* written by any thread, read when all are done */
} Take;

#define TAKE(T)                                                                                                          \
    static bool take_##T(const Take *k, int64_t begin, int64_t end) {                                                    \
        T *to = (T *)k->to;                                                                                              \
        const int64_t step = k->step, wrap = k->wrap;                                                                    \
        const uint64_t limit = (uint64_t)k->limit;                                                                       \
        for (int64_t i = begin; i < end; i++) {                                                                          \
            int64_t at = k->places[i];                                                                                   \
            at += at >> 63 & wrap;                                                                                       \
            if (RL_UNLIKELY((uint64_t)at >= limit)) return false;                                                        \
            to[i] = *(const T *)(k->from + at * step);                                                                   \
        }                                                                                                                \
        return true;                                                                                                     \
    }
TAKE(uint8_t)
TAKE(uint16_t)
TAKE(uint32_t)
TAKE(uint64_t)
TAKE(wide)

static void take_some(void *ctx, int64_t begin, int64_t end) {
    Take *k = ctx;
    bool all;
    switch (k->item) {
        case 1: all = take_uint8_t(k, begin, end); break;
        case 2: all = take_uint16_t(k, begin, end); break;
        case 4: all = take_uint32_t(k, begin, end); break;
        case 8: all = take_uint64_t(k, begin, end); break;
        default: all = take_wide(k, begin, end);
    }
    if (!all) __atomic_store_n(&k->missed, 1, __ATOMIC_RELAXED);
}

bool rl_take_places(const char *from, int64_t step, int64_t limit, bool wrap, const int64_t *places, int64_t n, char *to, int64_t item) {
    Take k = {from, to, places, step, limit, wrap ? limit : 0, item, 0};
    if (n < SHARE) take_some(&k, 0, n);
    else rl_parallel_for(n, GRAIN, take_some, &k);
    return !k.missed;
}

/* ---------------------------------------------------------------- two entries blended */

typedef struct {
    const char *from;
    char *to;
    const int64_t *left, *right;
    const void *share;
    int64_t n, size, inner, rows; /* n entries out of `size`, of `inner` elements each; rows of them */
} Blend;

/* Row i of outer * n: inner elements of two entries, or where these are single ones, the whole row of n. */
#if defined(__GNUC__) && !defined(__clang__) /* at the level at which the rest is compiled, GCC leaves these loops scalar */
#pragma GCC push_options
#pragma GCC optimize("O3")
#endif
#define BLEND(T)                                                                                                         \
    static void blend_##T(const Blend *b, int64_t begin, int64_t end) {                                                  \
        const T *share = b->share;                                                                                       \
        for (int64_t i = begin; i < end; i++) {                                                                          \
            const int64_t outer = b->inner == 1 ? i : i / b->n, k = b->inner == 1 ? 0 : i % b->n;                        \
            const T *x = (const T *)b->from + outer * b->size * b->inner;                                                \
            if (b->inner == 1) {                                                                                         \
                T *restrict o = (T *)b->to + i * b->n;                                                                   \
                for (int64_t j = 0; j < b->n; j++) o[j] = x[b->left[j]] * (1 - share[j]) + x[b->right[j]] * share[j];    \
                continue;                                                                                                \
            }                                                                                                            \
            T *restrict o = (T *)b->to + i * b->inner;                                                                   \
            const T *restrict p = x + b->left[k] * b->inner, *restrict q = x + b->right[k] * b->inner, u = share[k], v = 1 - u; \
            for (int64_t j = 0; j < b->inner; j++) o[j] = p[j] * v + q[j] * u;                                           \
        }                                                                                                                \
    }
BLEND(float)
BLEND(double)
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC pop_options
#endif

static void blend_float_rows(void *ctx, int64_t begin, int64_t end) { blend_float(ctx, begin, end); }
static void blend_double_rows(void *ctx, int64_t begin, int64_t end) { blend_double(ctx, begin, end); }

/* left, right: int64, within the dimension; share: as many numbers of input's dtype. */
Tensor *impl__blend(Tensor *input, int64_t dim, Tensor *left, Tensor *right, Tensor *share) {
    int64_t size[RL_MAXDIM], outer = 1;
    const int64_t n = left->numel;
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (left->dtype != RL_I64 || right->dtype != RL_I64 || right->numel != n || share->numel != n || share->dtype != input->dtype ||
        (input->dtype != RL_F32 && input->dtype != RL_F64)) {
        PyErr_SetString(PyExc_RuntimeError, "_blend: two lists of places and as many numbers of the input's dtype are expected");
        return NULL;
    }
    memcpy(size, input->size, (size_t)input->ndim * sizeof *size);
    size[dim] = n;
    Tensor *x = rl_contiguous_raw(input), *l = rl_contiguous_raw(left), *r = rl_contiguous_raw(right), *s = rl_contiguous_raw(share);
    Tensor *out = x && l && r && s ? rl_empty(input->ndim, size, (RLDType)input->dtype, input->device) : NULL;
    if (out && out->numel && out->device == RL_CPU) {
        Blend b = {x->data, out->data, (const int64_t *)l->data, (const int64_t *)r->data, s->data, n, input->size[dim], 1, 0};
        for (int64_t i = 0; i < n && out; i++)
            if (b.left[i] < 0 || b.left[i] >= b.size || b.right[i] < 0 || b.right[i] >= b.size) {
                PyErr_SetString(PyExc_IndexError, "index out of range in self");
                Py_CLEAR(out);
            }
        for (int d = 0; d < dim; d++) outer *= size[d];
        for (int d = (int)dim + 1; d < input->ndim; d++) b.inner *= size[d];
        b.rows = b.inner == 1 ? outer : outer * n;
        const int64_t each = b.inner == 1 ? n : b.inner;
        void (*rows)(void *, int64_t, int64_t) = input->dtype == RL_F32 ? blend_float_rows : blend_double_rows;
        if (out && out->numel < SHARE) rows(&b, 0, b.rows);
        else if (out) rl_parallel_for(b.rows, 4 * GRAIN / each + 1, rows, &b);
    }
    Py_XDECREF(x);
    Py_XDECREF(l);
    Py_XDECREF(r);
    Py_XDECREF(s);
    return out;
}
