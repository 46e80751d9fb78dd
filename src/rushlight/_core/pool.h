/* pool.h -- pooling in one, two and three dimensions over contiguous (planes, *in) memory. No Python.
 *
 * Every output position looks at a window of its plane: kernel taps at stride and dilation, or, for adaptive pooling,
 * the equal shares of the input that out positions divide it into.  Fewer than three dimensions are three with leading
 * dimensions of size one.  Nothing allocates, nothing fails; planes may be split between threads.
 */
#ifndef RL_POOL_H
#define RL_POOL_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int64_t planes;            /* batch * channels */
    bool adaptive;
    bool count_include_pad;    /* averages: padding counts in the divisor */
    int64_t divisor_override;  /* averages: 0 when there is none */
    int64_t in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
} RLPool;

/* Output size along one dimension, by PyTorch's rule: ceil_mode drops a window that starts in the right padding. */
int64_t rl_pool_size(int64_t in, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation, bool ceil_mode);

/* Fills the geometry from arrays of nd (1..3) numbers, out included, for windows or for shares of the input. */
void rl_pool_windows(RLPool *d, int nd, const int64_t *in, const int64_t *kernel, const int64_t *stride,
                     const int64_t *padding, const int64_t *dilation, bool ceil_mode);
void rl_pool_adaptive(RLPool *d, int nd, const int64_t *in, const int64_t *out);

/* indices (may be NULL in max_pool): the flat position within the input plane of each maximum. A NaN is the maximum of
 * its window, the last one if there are several; of equal values the first. A dilated window may miss the plane: it
 * gives the lowest value and an index outside, which the backward pass ignores. Backward functions overwrite grad_x. */
#define RL_POOL_DECLARE(T, SUFFIX)                                                                             \
    void rl_max_pool_##SUFFIX(const RLPool *d, const T *x, T *out, int64_t *indices);                          \
    void rl_max_pool_backward_##SUFFIX(const RLPool *d, const T *grad, const int64_t *indices, T *grad_x);     \
    void rl_avg_pool_##SUFFIX(const RLPool *d, const T *x, T *out);                                            \
    void rl_avg_pool_backward_##SUFFIX(const RLPool *d, const T *grad, T *grad_x);

/* Rows of windows, by instruction set (pool_kernel.c): out[o] folded with x[o * stride + k * step] for each of the taps k,
 * in order; with `first` from the lowest value or from zero. */
#define RL_POOL_ROWS(ISA)                                                                                                \
    void rl_max_row_f32_##ISA(float *out, const float *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first);   \
    void rl_max_row_f64_##ISA(double *out, const double *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first); \
    void rl_sum_row_f32_##ISA(float *out, const float *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first);   \
    void rl_sum_row_f64_##ISA(double *out, const double *x, int64_t n, int64_t stride, int64_t taps, int64_t step, bool first);
RL_POOL_ROWS(base)
#if defined(__x86_64__) || defined(_M_X64)
RL_POOL_ROWS(avx2)
RL_POOL_ROWS(avx512)
#endif
#undef RL_POOL_ROWS

RL_POOL_DECLARE(float, f32)
RL_POOL_DECLARE(double, f64)
RL_POOL_DECLARE(int64_t, i64)
#undef RL_POOL_DECLARE

#endif
