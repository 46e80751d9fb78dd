/* pool_kernel.c -- windows that lie side by side within their row, for one instruction set (isa.h). */
#include "pool.h"
#include "isa.h"

/* out[o] folded with x[o * stride + k * step] for each tap k, in order; with `first`, from the first tap on. */
#define FOLD_ROW(NAME, T, FOLD, START)                                                                                   \
    static inline __attribute__((always_inline)) void NAME##_taps(T *restrict out, const T *restrict x, int64_t n, int64_t stride, \
                                                                  int64_t taps, int64_t step, bool first) {             \
        for (int64_t o = 0; o < n; o++) {                                                                                \
            T m = first ? START : out[o];                                                                                \
            for (int64_t k = 0; k < taps; k++) { const T v = x[o * stride + k * step]; m = FOLD; }                       \
            out[o] = m;                                                                                                  \
        }                                                                                                                \
    }                                                                                                                    \
    void RL_ISA_NAME(NAME)(T *out, const T *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first) {      \
        if (stride == 2 && taps == 2 && step == 1) { NAME##_taps(out, x, n, 2, 2, 1, first); return; }                   \
        if (stride == 2 && taps == 3 && step == 1) { NAME##_taps(out, x, n, 2, 3, 1, first); return; }                   \
        for (int64_t k = 0; k < taps; k++, first = false) { /* tap by tap, each of which is a vector */                  \
            if (stride == 1) NAME##_taps(out, x + k * step, n, 1, 1, 0, first);                                          \
            else if (stride == 2) NAME##_taps(out, x + k * step, n, 2, 1, 0, first);                                     \
            else NAME##_taps(out, x + k * step, n, stride, 1, 0, first);                                                 \
        }                                                                                                                \
    }
#define LARGER (v > m) | (v != v) ? v : m
FOLD_ROW(rl_max_row_f32, float, LARGER, -__builtin_inff())
FOLD_ROW(rl_max_row_f64, double, LARGER, -__builtin_inf())
FOLD_ROW(rl_sum_row_f32, float, m + v, 0)
FOLD_ROW(rl_sum_row_f64, double, m + v, 0)
