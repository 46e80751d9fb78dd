/* factory_kernel.c -- ranges, for one instruction set (isa.h): with a fused multiply-add in hardware they are vectors. */
#include "factory.h"
#include "isa.h"
#include <math.h>

/* PyTorch computes W values at once from the first of them, which it rounds to the dtype, two such vectors at a time,
 * and what is left one by one. */
#define ARANGE(NAME, T, W)                                                                                   \
    void RL_ISA_NAME(NAME)(const RLRange *r, int64_t begin, int64_t end) {                                   \
        T *to = r->to;                                                                                       \
        const int64_t in_vectors = r->n / (2 * W) * (2 * W);                                                 \
        const double start = r->start, step = r->step;                                                       \
        int64_t i = begin; /* a multiple of W */                                                             \
        for (; i + W <= end && i < in_vectors; i += W) {                                                     \
            const double first = (double)(T)fma(step, (double)i, start);                                     \
            for (int k = 0; k < W; k++) to[i + k] = (T)fma((double)k, step, first);                          \
        }                                                                                                    \
        for (; i < end; i++) to[i] = (T)fma(0.0, step, (double)(T)fma(step, (double)i, start));              \
    }
ARANGE(rl_arange_f32, float, 8)
ARANGE(rl_arange_f64, double, 4)

void RL_ISA_NAME(rl_arange_i64)(const RLRange *r, int64_t begin, int64_t end) {
    uint64_t *to = r->to, step = (uint64_t)r->istep, at = (uint64_t)r->istart + step * (uint64_t)begin;
    for (int64_t i = begin; i < end; i++, at += step) to[i] = at;
}

/* From both ends towards the middle, so that the last value is exactly `end` and the values are symmetric. */
#define LINSPACE(NAME, T, FMA)                                                                               \
    void RL_ISA_NAME(NAME)(const RLRange *r, int64_t begin, int64_t end) {                                   \
        T *to = r->to;                                                                                       \
        const int64_t n = r->n, half = n == 1 ? 1 : n / 2, middle = end < half ? end : half;                 \
        const T low = (T)r->start, high = (T)r->end, step = n > 1 ? (high - low) / (T)(n - 1) : 0;           \
        int64_t i = begin;                                                                                   \
        for (; i < middle; i++) to[i] = FMA(step, (T)i, low);                                                \
        for (; i < end; i++) to[i] = FMA(-step, (T)(n - i - 1), high);                                       \
    }
LINSPACE(rl_linspace_f32, float, fmaf)
LINSPACE(rl_linspace_f64, double, fma)
