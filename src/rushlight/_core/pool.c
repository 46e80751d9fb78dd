/* pool.c -- maxima and averages over windows. */
#include "isa.h"
#include "pool.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

int64_t rl_pool_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode) {
    const int64_t room = in + 2 * padding - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
    int64_t out = room < 0 ? -((stride - 1 - room) / stride) + 1 : room / stride + 1;
    if (ceil_mode && (out - 1) * stride >= in + padding) out--;
    return out;
}

void rl_pool_windows(RLPool *d, int nd, const int64_t *in, const int64_t *kernel, const int64_t *stride,
                     const int64_t *padding, const int64_t *dilation, bool ceil_mode) {
    d->adaptive = false;
    for (int i = 0; i < 3; i++) {
        const int j = i - (3 - nd);
        d->in[i] = j < 0 ? 1 : in[j];
        d->kernel[i] = j < 0 ? 1 : kernel[j];
        d->stride[i] = j < 0 ? 1 : stride[j];
        d->padding[i] = j < 0 ? 0 : padding[j];
        d->dilation[i] = j < 0 ? 1 : dilation[j];
        d->out[i] = rl_pool_size(d->in[i], d->kernel[i], d->stride[i], d->padding[i], d->dilation[i], ceil_mode);
    }
}

void rl_pool_adaptive(RLPool *d, int nd, const int64_t *in, const int64_t *out) {
    d->adaptive = true;
    d->count_include_pad = false;
    d->divisor_override = 0;
    for (int i = 0; i < 3; i++) {
        const int j = i - (3 - nd);
        d->in[i] = j < 0 ? 1 : in[j];
        d->out[i] = j < 0 ? 1 : out[j];
        d->kernel[i] = d->stride[i] = d->dilation[i] = 1;
        d->padding[i] = 0;
    }
}

static inline int64_t volume(const int64_t *v) { return v[0] * v[1] * v[2]; }

/* The input positions begin, begin + step, ... < end along one dimension; `padded` counts those outside as well. */
typedef struct { int64_t begin, end, step, padded; } Window;

static inline Window window_at(const RLPool *d, int dim, int64_t o) {
    const int64_t in = d->in[dim];
    if (d->adaptive) { /* floor(o * in / out) to ceil((o + 1) * in / out) */
        const int64_t out = d->out[dim];
        const int64_t begin = o * in / out, end = ((o + 1) * in + out - 1) / out;
        return (Window){begin, end, 1, end - begin};
    }
    const int64_t step = d->dilation[dim], begin = o * d->stride[dim] - d->padding[dim];
    const int64_t reach = begin + step * (d->kernel[dim] - 1) + 1, edge = in + d->padding[dim];
    Window w = {begin, reach < in ? reach : in, step, (reach < edge ? reach : edge) - begin};
    if (begin < 0) w.begin += (-begin + step - 1) / step * step;
    return w;
}

static inline bool is_empty(Window w) { return w.begin >= w.end; }

/* What the sum over a window that is not empty is divided by. */
static inline int64_t divisor(const RLPool *d, Window a, Window b, Window c) {
    if (d->divisor_override) return d->divisor_override;
    if (d->count_include_pad) return a.padded * b.padded * c.padded;
    return (a.end - a.begin) * (b.end - b.begin) * (c.end - c.begin);
}

#define EACH_OUTPUT(d, a, b)                                      \
    for (int64_t o0 = 0; o0 < (d)->out[0]; o0++) {                \
        const Window a = window_at(d, 0, o0);                     \
        for (int64_t o1 = 0; o1 < (d)->out[1]; o1++) {            \
            const Window b = window_at(d, 1, o1);                 \
            for (int64_t o2 = 0; o2 < (d)->out[2]; o2++) {
#define END_EACH_OUTPUT }}}

/* Rows of the window: `row` is the flat position of column 0. */
#define EACH_ROW(d, a, b, row)                                    \
    for (int64_t i0 = a.begin; i0 < a.end; i0 += a.step)          \
        for (int64_t i1 = b.begin, row = (i0 * (d)->in[1] + i1) * (d)->in[2]; i1 < b.end; \
             i1 += b.step, row += b.step * (d)->in[2])

/* The outputs begin..end of dimension 2 whose windows lie within the row, so that they can be made side by side. */
typedef struct { int64_t begin, end; } Inside;

static Inside inside(const RLPool *d) {
    if (d->adaptive) return (Inside){0, 0};
    const int64_t stride = d->stride[2], reach = d->dilation[2] * (d->kernel[2] - 1) + 1, out = d->out[2];
    const int64_t begin = (d->padding[2] + stride - 1) / stride, room = d->in[2] + d->padding[2] - reach;
    int64_t end = room < 0 ? 0 : room / stride + 1;
    if (end > out) end = out;
    return begin < end ? (Inside){begin, end} : (Inside){0, 0};
}

#if defined(__x86_64__) || defined(_M_X64)
#define ROW_KERNEL(NAME) (rl_isa_best() == RL_ISA_AVX512 ? NAME##_avx512 : rl_isa_best() == RL_ISA_AVX2 ? NAME##_avx2 : NAME##_base)
#else
#define ROW_KERNEL(NAME) NAME##_base
#endif

/* Fewer outputs than this are not worth the call. */
#define FEW 8

#define EACH_TAP(T, FOLD, START)                                                   \
    for (int64_t o = 0; o < n; o++) {                                              \
        T m = first ? START : out[o];                                              \
        for (int64_t k = 0; k < taps; k++) { const T v = x[o * stride + k * step]; m = FOLD; } \
        out[o] = m;                                                                \
    }
#define LARGER v > m || v != v ? v : m

static void rl_max_row_i64(int64_t *out, const int64_t *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first) {
    EACH_TAP(int64_t, v > m ? v : m, INT64_MIN)
}

static void rl_sum_row_i64(int64_t *out, const int64_t *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first) {
    EACH_TAP(int64_t, m + v, 0)
}

#define T float
#define MAX_ROW ROW_KERNEL(rl_max_row_f32)
#define SUM_ROW ROW_KERNEL(rl_sum_row_f32)
#define LOWEST (-INFINITY)
#define IS_NAN(x) isnan(x)
#define NAME(x) x##_f32
#include "pool_template.h"
#undef T
#undef MAX_ROW
#undef SUM_ROW
#undef LOWEST
#undef IS_NAN
#undef NAME

#define T double
#define MAX_ROW ROW_KERNEL(rl_max_row_f64)
#define SUM_ROW ROW_KERNEL(rl_sum_row_f64)
#define LOWEST (-INFINITY)
#define IS_NAN(x) isnan(x)
#define NAME(x) x##_f64
#include "pool_template.h"
#undef T
#undef MAX_ROW
#undef SUM_ROW
#undef LOWEST
#undef IS_NAN
#undef NAME

#define T int64_t
#define MAX_ROW rl_max_row_i64
#define SUM_ROW rl_sum_row_i64
#define LOWEST INT64_MIN
#define IS_NAN(x) false
#define NAME(x) x##_i64
#include "pool_template.h"
