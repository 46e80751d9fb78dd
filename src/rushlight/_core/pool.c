/* pool.c -- maxima and averages over windows. */
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

#define EACH_OUTPUT(d, a, b, c)                                   \
    for (int64_t o0 = 0; o0 < (d)->out[0]; o0++) {                \
        const Window a = window_at(d, 0, o0);                     \
        for (int64_t o1 = 0; o1 < (d)->out[1]; o1++) {            \
            const Window b = window_at(d, 1, o1);                 \
            for (int64_t o2 = 0; o2 < (d)->out[2]; o2++) {        \
                const Window c = window_at(d, 2, o2);
#define END_EACH_OUTPUT }}}

/* Rows of the window: `row` is the flat position of column 0. */
#define EACH_ROW(d, a, b, row)                                    \
    for (int64_t i0 = a.begin; i0 < a.end; i0 += a.step)          \
        for (int64_t i1 = b.begin, row = (i0 * (d)->in[1] + i1) * (d)->in[2]; i1 < b.end; \
             i1 += b.step, row += b.step * (d)->in[2])

#define T float
#define LOWEST (-INFINITY)
#define IS_NAN(x) isnan(x)
#define NAME(x) x##_f32
#include "pool_template.h"
#undef T
#undef LOWEST
#undef IS_NAN
#undef NAME

#define T double
#define LOWEST (-INFINITY)
#define IS_NAN(x) isnan(x)
#define NAME(x) x##_f64
#include "pool_template.h"
#undef T
#undef LOWEST
#undef IS_NAN
#undef NAME

#define T int64_t
#define LOWEST INT64_MIN
#define IS_NAN(x) false
#define NAME(x) x##_i64
#include "pool_template.h"
