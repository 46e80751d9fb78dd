/* gemm_kernel.h -- what gemm_kernel.c provides for each instruction set, and gemm_plan.h puts together. */
#ifndef RL_GEMM_KERNEL_H
#define RL_GEMM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* k is cut into blocks of this depth. A strip of B with as many rows must leave room in a first-level cache; C is read
 * and written once a block. */
#ifndef RL_GEMM_DEPTH
#define RL_GEMM_DEPTH 256
#endif

/* a_row, a_col, b_row, b_col are the strides of operands: A's element (i, p) is at a[i * a_row + p * a_col]. One of each
 * pair is 1. All compute alpha * A B + beta * C + bias; C is not read where beta is 0, and bias may be NULL. */
#define RL_GEMM_KERNELS(T, SUFFIX)                                                                                  \
    typedef struct {                                                                                                \
        int mr, nr; /* rows and columns of a packed strip */                                                        \
        void (*in_place)(int64_t m, int64_t n, int64_t k, T alpha, const T *a, int64_t a_row, int64_t a_col,        \
                         const T *b, int64_t b_row, int64_t b_col, T beta, const T *bias, T *c, int64_t ldc);       \
        void (*dot_rows)(int64_t m, int64_t n, int64_t k, T alpha, const T *x, int64_t ldx, const T *w, int64_t ldw, \
                         T beta, const T *bias, bool by_row, T *c, int64_t c_row, int64_t c_col);                   \
        void (*pack_rows)(int64_t m, int64_t k, const T *a, int64_t a_row, int64_t a_col, T *strips);               \
        void (*pack_columns)(int64_t n, int64_t k, const T *b, int64_t b_row, int64_t b_col, T *strips);            \
        void (*multiply)(int64_t m, int64_t n, int64_t k, T alpha, const T *a, const T *b, T beta, const T *bias,   \
                         T *c, int64_t ldc); /* a and b packed, k at most RL_GEMM_DEPTH */                          \
        T (*dot)(int64_t n, const T *x, const T *y);                                                                \
    } RLGemmKernels_##SUFFIX;

RL_GEMM_KERNELS(float, f32)
RL_GEMM_KERNELS(double, f64)
#undef RL_GEMM_KERNELS

#endif
