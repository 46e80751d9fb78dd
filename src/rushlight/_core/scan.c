/* scan.c -- running folds along a dimension: sums, products, extremes, logsumexp, linear recurrences.  The frequent dtypes
 * have faster kernels in scan_kernel.c. */
#include "rl_ops.h"
#include "isa.h"
#include "rows.h"
#include "scan.h"
#include "types.h"
#include "kernel_helpers.h"

/* Accumulators are wider than elements, as PyTorch's are: a float32 sum runs in float64. */
#define W_BOOL int64_t
#define W_U8 int64_t
#define W_I8 int64_t
#define W_I16 int64_t
#define W_I32 int64_t
#define W_I64 int64_t
#define W_F16 float
#define W_BF16 float
#define W_F32 double
#define W_F64 double
#define W_C64 c128
#define W_C128 c128

#define EACH_REAL(F) F(BOOL) F(U8) F(I8) F(I16) F(I32) F(I64) F(F16) F(BF16) F(F32) F(F64)
/* Those without a kernel in scan_kernel.c: of extremes, and of sums and products. */
#define EACH_SMALL(F) F(BOOL) F(U8) F(I8) F(I16) F(F16) F(BF16)
#define EACH_RARE(F) EACH_SMALL(F) F(I32)
#define EACH_FLOAT(F) F(F16) F(BF16) F(F32) F(F64)
#define ENTRY(NAME, D) [RL_##D] = NAME##_##D
#define SMALL_ENTRIES(NAME) \
    ENTRY(NAME, BOOL), ENTRY(NAME, U8), ENTRY(NAME, I8), ENTRY(NAME, I16), ENTRY(NAME, F16), ENTRY(NAME, BF16)
#define RARE_ENTRIES(NAME) SMALL_ENTRIES(NAME), ENTRY(NAME, I32)
#define COMPLEX_ENTRIES(NAME) ENTRY(NAME, C64), ENTRY(NAME, C128)

typedef void (*RowKernel)(Rows *r);

/* t[0] is read, t[1] written; `a` is the accumulator and `x` the element. */
#define FOLD(NAME, D, IDENTITY, STEP)                                                      \
    static void NAME##_##D(Rows *r) {                                                      \
        W_##D a = IDENTITY;                                                                \
        for (int64_t i = 0; i < r->n; i++) {                                               \
            const W_##D x = LD_##D(*(const T_##D *)(r->p[0] + i * r->step[0]));            \
            a = STEP;                                                                      \
            *(T_##D *)(r->p[1] + i * r->step[1]) = ST_##D(a);                              \
        }                                                                                  \
    }
#define CUMSUM(D) FOLD(cumsum, D, 0, a + x)
#define CUMPROD(D) FOLD(cumprod, D, 1, a * x)
EACH_RARE(CUMSUM)
CUMSUM(C64)
CUMSUM(C128)
EACH_RARE(CUMPROD)
FOLD(cumprod, C64, 1, cmul_C128(a, x))
FOLD(cumprod, C128, 1, cmul_C128(a, x))

/* log(exp(a) + exp(x)) around the larger of the two, so that infinities survive. */
static inline double log_add(double a, double x) {
    const double top = a > x || a != a ? a : x, low = a > x || a != a ? x : a;
    return top != low || isfinite(top) ? top + log1p(exp(low - top)) : top;
}
#define LOGCUMSUMEXP(D) FOLD(logcumsumexp, D, -INFINITY, log_add(a, x))
EACH_FLOAT(LOGCUMSUMEXP)
FOLD(logcumsumexp, C64, rl_c128(-INFINITY, 0), log_add_complex(a, x))
FOLD(logcumsumexp, C128, rl_c128(-INFINITY, 0), log_add_complex(a, x))

/* s[k] = b[k] + a[k] * s[k - 1]: t[0] holds a, t[1] b, t[2] takes s. a[0] is not read. */
#define RECURRENCE(D, MULTIPLY)                                                            \
    static void recurrence_##D(Rows *r) {                                                  \
        W_##D s = 0;                                                                       \
        for (int64_t i = 0; i < r->n; i++) {                                               \
            const W_##D b = LD_##D(*(const T_##D *)(r->p[1] + i * r->step[1]));            \
            if (i) {                                                                       \
                const W_##D a = LD_##D(*(const T_##D *)(r->p[0] + i * r->step[0]));        \
                s = b + MULTIPLY(a, s);                                                    \
            } else {                                                                       \
                s = b;                                                                     \
            }                                                                              \
            *(T_##D *)(r->p[2] + i * r->step[2]) = ST_##D(s);                              \
        }                                                                                  \
    }
#define TIMES(a, b) ((a) * (b))
#define RECURRENCE_REAL(D) RECURRENCE(D, TIMES)
EACH_REAL(RECURRENCE_REAL)
RECURRENCE(C64, cmul_C128)
RECURRENCE(C128, cmul_C128)

/* The extreme so far and where it is, the last of equals; NaN wins. t[1] takes values, t[2] int64 positions. */
#define EXTREME(NAME, D, BETTER)                                                           \
    static void NAME##_##D(Rows *r) {                                                      \
        A_##D top = 0;                                                                     \
        int64_t at = 0;                                                                    \
        for (int64_t i = 0; i < r->n; i++) {                                               \
            const A_##D x = LD_##D(*(const T_##D *)(r->p[0] + i * r->step[0]));            \
            if (i == 0 || x != x || (top == top && x BETTER top)) { top = x; at = i; }     \
            *(T_##D *)(r->p[1] + i * r->step[1]) = ST_##D(top);                            \
            *(int64_t *)(r->p[2] + i * r->step[2]) = at;                                   \
        }                                                                                  \
    }
#define CUMMAX(D) EXTREME(cummax, D, >=)
#define CUMMIN(D) EXTREME(cummin, D, <=)
EACH_SMALL(CUMMAX)
EACH_SMALL(CUMMIN)

static const RowKernel cumsum_kernels[RL_NDTYPES] = {RARE_ENTRIES(cumsum), COMPLEX_ENTRIES(cumsum)};
static const RowKernel cumprod_kernels[RL_NDTYPES] = {RARE_ENTRIES(cumprod), COMPLEX_ENTRIES(cumprod)};
static const RowKernel recurrence_kernels[RL_NDTYPES] = {
    RARE_ENTRIES(recurrence), ENTRY(recurrence, I64), ENTRY(recurrence, F32), ENTRY(recurrence, F64), COMPLEX_ENTRIES(recurrence)};
static const RowKernel cummax_kernels[RL_NDTYPES] = {SMALL_ENTRIES(cummax)};
static const RowKernel cummin_kernels[RL_NDTYPES] = {SMALL_ENTRIES(cummin)};
static const RowKernel logcumsumexp_kernels[RL_NDTYPES] = {
    ENTRY(logcumsumexp, F16), ENTRY(logcumsumexp, BF16), ENTRY(logcumsumexp, F32), ENTRY(logcumsumexp, F64),
    COMPLEX_ENTRIES(logcumsumexp)};

#define SHARE_FROM 16384       /* elements: less is not worth another thread */

/* `beside`, where there is one, takes rows by the line, else `kernel` takes one at a time. */
typedef struct { RowKernel kernel; RLScan beside; Rows rows; } Scan;

static void some_rows(void *ctx, int64_t begin, int64_t end) {
    const Scan *scan = ctx;
    Rows r = scan->rows;
    rl_rows_seek(&r, begin);
    while (begin < end) {
        int64_t m = 1;
        if (scan->beside) scan->beside(&r, m = rl_rows_beside(&r, end - begin));
        else scan->kernel(&r);
        begin += m;
        rl_rows_skip(&r, m);
    }
}

static RLScan fast_kernel(ScanKind kind, RLDType dt) {
#if defined(__x86_64__) || defined(_M_X64)
    if (rl_isa_best() >= RL_ISA_AVX512) return rl_scan_kernels_avx512[kind][dt];
    if (rl_isa_best() >= RL_ISA_AVX2) return rl_scan_kernels_avx2[kind][dt];
#endif
    return rl_scan_kernels_base[kind][dt];
}

typedef struct { const char *name; const RowKernel *kernels; ScanKind fast; } Fold;  /* fast: SCAN_KINDS for none */

static int run(const Fold *fold, int64_t dim, int n, Tensor *const *t) {
    const RowKernel kernel = fold->kernels[t[0]->dtype];
    const RLScan beside = fold->fast < SCAN_KINDS ? fast_kernel(fold->fast, (RLDType)t[0]->dtype) : NULL;
    if (!kernel && !beside) return rl_not_implemented(fold->name, (RLDType)t[0]->dtype);
    if (t[0]->device != RL_CPU || t[0]->numel == 0) return 0;
    Scan scan = {.kernel = kernel, .beside = beside};
    rl_rows_begin(&scan.rows, dim, n, t);
    const int64_t rows = scan.rows.left;
    if (t[0]->numel < SHARE_FROM || rows == 1) { some_rows(&scan, 0, rows); return 0; }
    /* in whole blocks of columns where there are enough for a few threads, else in fours */
    const int64_t few = SHARE_FROM / 8 / scan.rows.n + 1, unit = rows >= 256 ? 64 : 4;
    rl_parallel_for(rows, (few + unit - 1) / unit * unit, some_rows, &scan);
    return 0;
}

static const Fold cumsum = {"cumsum_out_cpu", cumsum_kernels, SCAN_SUM}, cumprod = {"cumprod_out_cpu", cumprod_kernels, SCAN_PROD},
                  cummax = {"cummax_cpu", cummax_kernels, SCAN_MAX}, cummin = {"cummin_cpu", cummin_kernels, SCAN_MIN},
                  logcumsumexp = {"logcumsumexp_out_cpu", logcumsumexp_kernels, SCAN_KINDS},
                  recurrence = {"linear_recurrence", recurrence_kernels, SCAN_KINDS};

static Tensor *folded(const Fold *fold, Tensor *input, int64_t dim, RLDType dtype) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    Tensor *x = rl_to_dtype_raw(input, dtype), *out = x ? rl_empty(x->ndim, x->size, dtype, x->device) : NULL;
    if (out && run(fold, dim, 2, (Tensor *[]){x, out}) < 0) Py_CLEAR(out);
    Py_XDECREF(x);
    return out;
}

static RLDType sum_dtype(Tensor *t, RLDType asked) {
    return asked != RL_NODTYPE ? asked : RL_IS_INTEGRAL(t->dtype) ? RL_I64 : (RLDType)t->dtype;
}

Tensor *impl_cumsum(Tensor *input, int64_t dim, RLDType dtype) {
    return folded(&cumsum, input, dim, sum_dtype(input, dtype));
}

Tensor *impl_cumprod(Tensor *input, int64_t dim, RLDType dtype) {
    return folded(&cumprod, input, dim, sum_dtype(input, dtype));
}

Tensor *impl_logcumsumexp(Tensor *input, int64_t dim) {
    const RLDType dt = RL_IS_INTEGRAL(input->dtype) ? rl_default_dtype : (RLDType)input->dtype;
    return folded(&logcumsumexp, input, dim, dt);
}

Tensor *impl_linear_recurrence(Tensor *a, Tensor *b, int64_t dim) {
    if ((dim = rl_wrap_dim(dim, a->ndim)) == INT64_MIN) return NULL;
    Tensor *c = rl_to_dtype_raw(b, (RLDType)a->dtype), *out = c ? rl_empty(a->ndim, a->size, (RLDType)a->dtype, a->device) : NULL;
    if (out && run(&recurrence, dim, 3, (Tensor *[]){a, c, out}) < 0) Py_CLEAR(out);
    Py_XDECREF(c);
    return out;
}

static int running_extreme(const Fold *fold, Tensor *input, int64_t dim, Tensor **out) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return -1;
    out[0] = rl_empty(input->ndim, input->size, (RLDType)input->dtype, input->device);
    out[1] = out[0] ? rl_empty(input->ndim, input->size, RL_I64, input->device) : NULL;
    if (out[1] && run(fold, dim, 3, (Tensor *[]){input, out[0], out[1]}) == 0) return 0;
    Py_CLEAR(out[0]);
    Py_CLEAR(out[1]);
    return -1;
}

int impl_cummax(Tensor *input, int64_t dim, Tensor **out) { return running_extreme(&cummax, input, dim, out); }
int impl_cummin(Tensor *input, int64_t dim, Tensor **out) { return running_extreme(&cummin, input, dim, out); }
