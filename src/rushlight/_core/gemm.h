/* gemm.h -- dense products on raw row-major memory.  No Python, no errors: every call succeeds.
 *
 *     C = alpha * op(A) op(B) + beta * C        op(A) is (m, k), op(B) is (k, n), C is (m, n)
 *
 * With ta, A is stored as (k, m); with tb, B as (n, k).  lda, ldb, ldc are the distances in elements between
 * rows as stored.  When beta is 0, C is only written (it may hold NaN).  C overlaps neither A nor B.
 * For the same inputs and processor the result has the same bits on every call, with any number of threads.
 */
#ifndef RL_GEMM_H
#define RL_GEMM_H

#include <stdbool.h>
#include <stdint.h>

#define RL_GEMM_SIGNATURE(T, S)                                                                              \
    bool ta, bool tb, int64_t m, int64_t n, int64_t k, S alpha, const T *a, int64_t lda, const T *b, int64_t ldb, \
        S beta, T *c, int64_t ldc

void rl_gemm_f32(RL_GEMM_SIGNATURE(float, float));
void rl_gemm_f64(RL_GEMM_SIGNATURE(double, double));

/* One product per batch entry; sa, sb, sc lead from one entry to the next (sa or sb may be 0). */
void rl_bgemm_f32(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
                  int64_t lda, int64_t sa, const float *b, int64_t ldb, int64_t sb, float beta, float *c, int64_t ldc,
                  int64_t sc);
void rl_bgemm_f64(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                  int64_t lda, int64_t sa, const double *b, int64_t ldb, int64_t sb, double beta, double *c,
                  int64_t ldc, int64_t sc);

/* The same with bias(n) added to every row of C; bias may be NULL. */
void rl_gemm_bias_f32(RL_GEMM_SIGNATURE(float, float), const float *bias);
void rl_gemm_bias_f64(RL_GEMM_SIGNATURE(double, double), const double *bias);

/* x and y are read `incx` and `incy` elements apart; any sign. */
float rl_dot_f32(int64_t n, const float *x, int64_t incx, const float *y, int64_t incy);
double rl_dot_f64(int64_t n, const double *x, int64_t incx, const double *y, int64_t incy);

/* ---- other element types (gemm_generic.c) ----
 * Integers wrap around; float16 and bfloat16 (as their bits) accumulate in float32 and round once. */
typedef struct { float re, im; } RLComplex64;
typedef struct { double re, im; } RLComplex128;

void rl_gemm_u8(RL_GEMM_SIGNATURE(uint8_t, int64_t));
void rl_gemm_i8(RL_GEMM_SIGNATURE(int8_t, int64_t));
void rl_gemm_i16(RL_GEMM_SIGNATURE(int16_t, int64_t));
void rl_gemm_i32(RL_GEMM_SIGNATURE(int32_t, int64_t));
void rl_gemm_i64(RL_GEMM_SIGNATURE(int64_t, int64_t));
void rl_gemm_f16(RL_GEMM_SIGNATURE(uint16_t, float));
void rl_gemm_bf16(RL_GEMM_SIGNATURE(uint16_t, float));
void rl_gemm_c64(RL_GEMM_SIGNATURE(RLComplex64, RLComplex64));
void rl_gemm_c128(RL_GEMM_SIGNATURE(RLComplex128, RLComplex128));

#endif
