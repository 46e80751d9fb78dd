/* softmax.h -- what softmax.c and nll.c ask of the kernels in softmax_kernel.c. */
#ifndef RL_SOFTMAX_H
#define RL_SOFTMAX_H

#include <stdint.h>

/* All work on `rows` contiguous rows of n elements; `out` may be an input. */
typedef struct {
    void (*softmax)(const void *x, void *out, int64_t rows, int64_t n);
    void (*log_softmax)(const void *x, void *out, int64_t rows, int64_t n);
    void (*softmax_backward)(const void *grad, const void *y, void *out, int64_t rows, int64_t n);
    void (*log_softmax_backward)(const void *grad, const void *y, void *out, int64_t rows, int64_t n);
    /* norms: the rows' maxima m, then their log(sum(exp(x - m))) */
    void (*norms)(const void *x, void *norms, int64_t rows, int64_t n);
    /* out = -scale[row] * softmax(x), from norms */
    void (*scaled)(const void *x, const void *norms, const void *scale, void *out, int64_t rows, int64_t n);
} SoftmaxKernels;

const SoftmaxKernels *rl_softmax_kernels(int dtype);   /* of float32 or float64, for this processor */

#endif
