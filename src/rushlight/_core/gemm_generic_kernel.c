/* gemm_generic_kernel.c -- products of integers, half floats and complex numbers, from one template, for one
 * instruction set and one thread.
 *
 * A ROWS x COLS piece of C is summed in a wide enough type over all of k, so that halves round only once.  B passes
 * through a buffer of that type, padded with zeros, whatever its layout; A is converted as it is read.
 */
#include <string.h>

#include "gemm_generic.h"
#include "isa.h"

enum { ROWS = 64, COLS = 64, DEPTH = 32 };

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

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

/* ---------------------------------------------------------------- acc(rows, COLS) += A(rows, depth) B(depth, COLS) */

/* By tiles of 4 rows and 2 vectors, whose sums stay in registers while k runs. */
#define DEFINE_TILES(SUFFIX, T, W, LOAD)                                                                            \
    typedef W SUFFIX##_vec __attribute__((vector_size(VECTOR_BYTES), may_alias));                                   \
    static inline __attribute__((always_inline)) void tile_##SUFFIX(                                                \
        const int mr, int depth, const T *a, int64_t a_row, int64_t a_col, const W (*b)[COLS], W (*acc)[COLS]) {    \
        enum { LANES = VECTOR_BYTES / sizeof(W) };                                                                  \
        for (int j = 0; j < COLS; j += 2 * LANES) {                                                                 \
            SUFFIX##_vec sum[4][2];                                                                                 \
            _Pragma("GCC unroll 4") for (int r = 0; r < mr; r++)                                                    \
                _Pragma("GCC unroll 2") for (int v = 0; v < 2; v++)                                                 \
                    sum[r][v] = *(const SUFFIX##_vec *)&acc[r][j + v * LANES];                                      \
            for (int q = 0; q < depth; q++)                                                                         \
                _Pragma("GCC unroll 4") for (int r = 0; r < mr; r++) {                                              \
                    const W x = LOAD(a[r * a_row + q * a_col]);                                                     \
                    _Pragma("GCC unroll 2") for (int v = 0; v < 2; v++)                                             \
                        sum[r][v] += x * *(const SUFFIX##_vec *)&b[q][j + v * LANES];                               \
                }                                                                                                   \
            _Pragma("GCC unroll 4") for (int r = 0; r < mr; r++)                                                    \
                _Pragma("GCC unroll 2") for (int v = 0; v < 2; v++)                                                 \
                    *(SUFFIX##_vec *)&acc[r][j + v * LANES] = sum[r][v];                                            \
        }                                                                                                           \
    }                                                                                                               \
    static void add_##SUFFIX(int rows, int depth, const T *a, int64_t a_row, int64_t a_col, const W (*b)[COLS],     \
                             W (*acc)[COLS]) {                                                                      \
        int i = 0;                                                                                                  \
        for (; i + 4 <= rows; i += 4) tile_##SUFFIX(4, depth, a + i * a_row, a_row, a_col, b, acc + i);             \
        for (; i < rows; i++) tile_##SUFFIX(1, depth, a + i * a_row, a_row, a_col, b, acc + i);                     \
    }

#define DEFINE_LOOPS(SUFFIX, T, W, LOAD, ADD, MUL)                                                                  \
    static void add_##SUFFIX(int rows, int depth, const T *a, int64_t a_row, int64_t a_col, const W (*b)[COLS],     \
                             W (*acc)[COLS]) {                                                                      \
        for (int i = 0; i < rows; i++)                                                                              \
            for (int q = 0; q < depth; q++) {                                                                       \
                const W x = LOAD(a[i * a_row + q * a_col]);                                                         \
                for (int j = 0; j < COLS; j++) acc[i][j] = ADD(acc[i][j], MUL(x, b[q][j]));                         \
            }                                                                                                       \
    }

/* ---------------------------------------------------------------- whole products */

/* T is stored, S the scalar's type, W computed with. */
#define DEFINE_GEMM(SUFFIX, T, S, W, LOAD, STORE, ADD, MUL, IS_ZERO)                                                \
    static void gemm_##SUFFIX(RL_GEMM_SIGNATURE(T, S)) {                                                            \
        const int64_t a_row = ta ? 1 : lda, a_col = ta ? lda : 1, b_row = tb ? 1 : ldb, b_col = tb ? ldb : 1;       \
        const W scale = alpha, keep = beta;                                                                         \
        _Alignas(64) W strip[DEPTH][COLS], acc[ROWS][COLS];                                                         \
        memset(strip, 0, sizeof strip);                                                                             \
        for (int64_t j = 0; j < n; j += COLS)                                                                       \
            for (int64_t i = 0; i < m; i += ROWS) {                                                                 \
                const int rows = m - i < ROWS ? (int)(m - i) : ROWS, cols = n - j < COLS ? (int)(n - j) : COLS;     \
                memset(acc, 0, sizeof acc[0] * (size_t)rows);                                                       \
                for (int64_t p = 0; p < k; p += DEPTH) {                                                            \
                    const int depth = k - p < DEPTH ? (int)(k - p) : DEPTH;                                         \
                    const T *from = b + p * b_row + j * b_col;                                                      \
                    if (b_col == 1)                                                                                 \
                        for (int q = 0; q < depth; q++)                                                             \
                            for (int s = 0; s < cols; s++) strip[q][s] = LOAD(from[q * b_row + s]);                 \
                    else                                                                                            \
                        for (int s = 0; s < cols; s++)                                                              \
                            for (int q = 0; q < depth; q++) strip[q][s] = LOAD(from[q * b_row + s * b_col]);        \
                    add_##SUFFIX(rows, depth, a + i * a_row + p * a_col, a_row, a_col, strip, acc);                 \
                }                                                                                                   \
                for (int r = 0; r < rows; r++)                                                                      \
                    for (int s = 0; s < cols; s++) {                                                                \
                        T *out = c + (i + r) * ldc + j + s;                                                         \
                        W v = MUL(scale, acc[r][s]);                                                                \
                        if (!IS_ZERO(keep)) v = ADD(v, MUL(keep, LOAD(*out)));                                      \
                        *out = STORE(v);                                                                            \
                    }                                                                                               \
            }                                                                                                       \
    }

#define SAME(x) (x)
#define PLUS(a, b) ((a) + (b))
#define TIMES(a, b) ((a) * (b))
#define IS_0(x) ((x) == 0)
#define WIDE16(x) ((uint16_t)(x))
#define WIDE(x) ((uint32_t)(x))
#define WIDE64(x) ((uint64_t)(x))
#define NUMBERS(SUFFIX, T, S, W, LOAD, STORE)                                                                       \
    DEFINE_TILES(SUFFIX, T, W, LOAD)                                                                                \
    DEFINE_GEMM(SUFFIX, T, S, W, LOAD, STORE, PLUS, TIMES, IS_0)
#define COMPLEX_NUMBERS(SUFFIX, T)                                                                                  \
    DEFINE_LOOPS(SUFFIX, T, T, SAME, SUFFIX##_add, SUFFIX##_mul)                                                    \
    DEFINE_GEMM(SUFFIX, T, T, T, SAME, SAME, SUFFIX##_add, SUFFIX##_mul, SUFFIX##_zero)

/* Unsigned sums: they wrap where signed ones would be undefined, to the same bits. The low bits of a sum of products
 * depend on low bits only, so 16 are enough for 8. */
NUMBERS(u8, uint8_t, int64_t, uint16_t, WIDE16, (uint8_t))
NUMBERS(i8, int8_t, int64_t, uint16_t, WIDE16, (int8_t))
NUMBERS(i16, int16_t, int64_t, uint16_t, WIDE16, (int16_t))
NUMBERS(i32, int32_t, int64_t, uint32_t, WIDE, (int32_t))
NUMBERS(i64, int64_t, int64_t, uint64_t, WIDE64, (int64_t))
NUMBERS(f16, uint16_t, float, float, from_f16, to_f16)
NUMBERS(bf16, uint16_t, float, float, from_bf16, to_bf16)
COMPLEX_NUMBERS(c64, RLComplex64)
COMPLEX_NUMBERS(c128, RLComplex128)

const RLGenericKernels RL_ISA_NAME(rl_generic_kernels) = {
    gemm_u8, gemm_i8, gemm_i16, gemm_i32, gemm_i64, gemm_f16, gemm_bf16, gemm_c64, gemm_c128,
};
