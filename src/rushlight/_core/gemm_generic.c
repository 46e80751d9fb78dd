/* gemm_generic.c -- products of integers, half floats and complex numbers, from one template. */
#include <string.h>

#include "gemm.h"

enum { ROWS = 16, COLS = 32, DEPTH = 64 };

/* ---------------------------------------------------------------- half floats, as bits */

static inline float bits_float(uint32_t u) {
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline uint32_t float_bits(float f) {
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float from_bf16(uint16_t h) { return bits_float((uint32_t)h << 16); }

static inline uint16_t to_bf16(float f) {
    const uint32_t u = float_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000) return 0x7fc0;
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16); /* to nearest, ties to even */
}

/* Moving the 10 fraction bits up leaves an exponent too small by 112; a subnormal is the difference of two normals. */
static inline float from_f16(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = (uint32_t)(h & 0x7fff) << 13;
    const uint32_t exponent = rest & 0x0f800000;
    float f;
    if (exponent == 0)
        f = bits_float(rest + (113u << 23)) - bits_float(113u << 23);
    else
        f = bits_float(rest + ((exponent == 0x0f800000 ? 224u : 112u) << 23));
    return bits_float(float_bits(f) | sign);
}

static inline uint16_t to_f16(float f) {
    const uint16_t sign = (uint16_t)(float_bits(f) >> 16 & 0x8000);
    const uint32_t u = float_bits(f) & 0x7fffffff;
    if (u > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (u >= 0x477ff000) return (uint16_t)(sign | 0x7c00); /* 65520 and above round to infinity */
    if (u < 0x38800000)  /* subnormal: adding 0.5 leaves the rounded fraction in the low bits */
        return (uint16_t)(sign | (float_bits(bits_float(u) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | ((u - (112u << 23) + 0xfff + (u >> 13 & 1)) >> 13));
}

/* ---------------------------------------------------------------- complex arithmetic */

#define COMPLEX(T, NAME)                                                                                  \
    static inline T NAME##_mul(T a, T b) {                                                                \
        return (T){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};                                 \
    }                                                                                                     \
    static inline T NAME##_add(T a, T b) { return (T){a.re + b.re, a.im + b.im}; }                        \
    static inline bool NAME##_zero(T a) { return a.re == 0 && a.im == 0; }
COMPLEX(RLComplex64, c64)
COMPLEX(RLComplex128, c128)

/* ---------------------------------------------------------------- the template */

/* T is stored, S the scalar's type, W computed with.  A ROWS x COLS piece of C is summed in W over all of k, so that
 * halves round only once; B passes through a buffer of W, padded with zeros, whatever its layout. */
#define DEFINE_GEMM(SUFFIX, T, S, W, LOAD, STORE, ADD, MUL, IS_ZERO)                                                 \
    static void piece_##SUFFIX(bool tb, int rows, int cols, int64_t k, const T *a, int64_t a_row, int64_t a_col,     \
                               const T *b, int64_t ldb, W acc[ROWS][COLS]) {                                         \
        W copy[DEPTH][COLS];                                                                                         \
        memset(copy, 0, sizeof copy);                                                                                \
        for (int64_t p = 0; p < k; p += DEPTH) {                                                                     \
            const int depth = k - p < DEPTH ? (int)(k - p) : DEPTH;                                                  \
            if (tb)                                                                                                  \
                for (int j = 0; j < cols; j++)                                                                       \
                    for (int q = 0; q < depth; q++) copy[q][j] = LOAD(b[j * ldb + p + q]);                           \
            else                                                                                                     \
                for (int q = 0; q < depth; q++)                                                                      \
                    for (int j = 0; j < cols; j++) copy[q][j] = LOAD(b[(p + q) * ldb + j]);                          \
            for (int i = 0; i < rows; i++)                                                                           \
                for (int q = 0; q < depth; q++) {                                                                    \
                    const W x = LOAD(a[i * a_row + (p + q) * a_col]);                                                \
                    for (int j = 0; j < COLS; j++) acc[i][j] = ADD(acc[i][j], MUL(x, copy[q][j]));                   \
                }                                                                                                    \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    void rl_gemm_##SUFFIX(RL_GEMM_SIGNATURE(T, S)) {                                                                 \
        const int64_t a_row = ta ? 1 : lda, a_col = ta ? lda : 1, b_col = tb ? ldb : 1;                              \
        const W scale = alpha, keep = beta;                                                                          \
        for (int64_t j = 0; j < n; j += COLS)                                                                        \
            for (int64_t i = 0; i < m; i += ROWS) {                                                                  \
                const int rows = m - i < ROWS ? (int)(m - i) : ROWS, cols = n - j < COLS ? (int)(n - j) : COLS;      \
                W acc[ROWS][COLS];                                                                                   \
                memset(acc, 0, sizeof acc);                                                                          \
                piece_##SUFFIX(tb, rows, cols, k, a + i * a_row, a_row, a_col, b + j * b_col, ldb, acc);             \
                for (int r = 0; r < rows; r++)                                                                       \
                    for (int s = 0; s < cols; s++) {                                                                 \
                        T *out = c + (i + r) * ldc + j + s;                                                          \
                        W v = MUL(scale, acc[r][s]);                                                              \
                        if (!IS_ZERO(keep)) v = ADD(v, MUL(keep, LOAD(*out)));                                    \
                        *out = STORE(v);                                                                             \
                    }                                                                                                \
            }                                                                                                        \
    }

#define SAME(x) (x)
#define PLUS(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
#define IS_0(x) ((x) == 0)
#define WIDE(x) ((uint32_t)(x))
#define WIDE64(x) ((uint64_t)(x))

/* Unsigned sums: they wrap where signed ones would be undefined, to the same bits. */
DEFINE_GEMM(u8, uint8_t, int64_t, uint32_t, WIDE, (uint8_t), PLUS, TIMES, IS_0)
DEFINE_GEMM(i8, int8_t, int64_t, uint32_t, WIDE, (int8_t), PLUS, TIMES, IS_0)
DEFINE_GEMM(i16, int16_t, int64_t, uint32_t, WIDE, (int16_t), PLUS, TIMES, IS_0)
DEFINE_GEMM(i32, int32_t, int64_t, uint32_t, WIDE, (int32_t), PLUS, TIMES, IS_0)
DEFINE_GEMM(i64, int64_t, int64_t, uint64_t, WIDE64, (int64_t), PLUS, TIMES, IS_0)
DEFINE_GEMM(f16, uint16_t, float, float, from_f16, to_f16, PLUS, TIMES, IS_0)
DEFINE_GEMM(bf16, uint16_t, float, float, from_bf16, to_bf16, PLUS, TIMES, IS_0)
DEFINE_GEMM(c64, RLComplex64, RLComplex64, RLComplex64, SAME, SAME, c64_add, c64_mul, c64_zero)
DEFINE_GEMM(c128, RLComplex128, RLComplex128, RLComplex128, SAME, SAME, c128_add, c128_mul, c128_zero)
