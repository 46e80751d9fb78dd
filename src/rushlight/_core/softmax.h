/* softmax.h -- what softmax.c and nll.c ask of the kernels in softmax_kernel.c. */
#ifndef RL_SOFTMAX_H
#define RL_SOFTMAX_H

#include <stdint.h>

typedef enum { SOFTMAX, LOG_SOFTMAX, SOFTMAX_BACKWARD, LOG_SOFTMAX_BACKWARD, N_SOFTMAX } SoftmaxKind;
#define SOFTMAX_STRIP 128      /* columns that `columns` takes at most */

typedef struct {
    /* On contiguous rows of n elements; y is the derivatives' second input, and `out` may be an input. */
    void (*rows[N_SOFTMAX])(const void *x, const void *y, void *out, int64_t rows, int64_t n);
    /* On w columns that lie beside one another, of n elements each, `stride` elements apart. */
    void (*columns[N_SOFTMAX])(const void *x, const void *y, void *out, int64_t n, int64_t stride, int64_t w);
    /* tops, logs: the rows' maxima m, and log(sum(exp(x - m))) */
    void (*norms)(const void *x, void *tops, void *logs, int64_t rows, int64_t n);
    /* out = -scale[row] * softmax(x), from those */
    void (*scaled)(const void *x, const void *tops, const void *logs, const void *scale, void *out, int64_t rows, int64_t n);
} SoftmaxKernels;

const SoftmaxKernels *rl_softmax_kernels(int dtype);   /* of float32 or float64, for this processor */

#endif
