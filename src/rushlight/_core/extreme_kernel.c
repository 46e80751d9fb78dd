/* extreme_kernel.c -- extremes and their positions, for one instruction set (isa.h says how it is compiled for each).
 *
 * Many short rows are turned into columns, and a long row that lies apart is brought together by the block.
 * A dense row is read twice, by two loops that vectorise: for its extreme (reduce.h), then for where that is first met.
 * Columns lie side by side: the rows pass by, and each column keeps its best; positions are counted in an integer as wide
 * as an element, within blocks of rows, for the vectors' sake.  NaN wins, and the first NaN stays.
 */
#include "extreme.h"
#include "isa.h"
#include "reduce.h"
#include "types.h"

#define GREATER(x, a) ((x) > (a))
#define LESS(x, a) ((x) < (a))

#define LANES 64
#define SHORT 16
#define BLOCK 512              /* elements that lie apart are brought together */
#define ROWS (1 << 14)         /* fit any place */

/* IDENTITY loses against everything; PLACE is an integer of T's width, or of 16 bits. */
#define EXTREME(NAME, D, PLACE, IDENTITY, BETTER)                                                                  \
    static inline A_##D NAME##_step(A_##D a, A_##D x) { return (BETTER(a, x) | (a != a)) ? a : x; }                \
    RL_REDUCE(NAME##_fold, 1, T_##D, LD_##D, A_##D, T_##D, ST_##D, IDENTITY, NAME##_step, NAME##_step)                \
    static int64_t NAME##_find(const T_##D *p, int64_t n, A_##D v) {                                               \
        int64_t i = 0;                                                                                             \
        for (; i + LANES <= n; i += LANES) {                                                                       \
            int hits = 0;                                                                                          \
            for (int l = 0; l < LANES; l++) { const A_##D x = LD_##D(p[i + l]); hits |= (x == v) | (x != x); }     \
            if (hits) break;                                                                                       \
        }                                                                                                          \
        for (; i < n; i++) { const A_##D x = LD_##D(p[i]); if (x == v || x != x) return i; }                       \
        return 0;                                                                                                  \
    }                                                                                                              \
    static void NAME##_columns(const char *in, int64_t n, int64_t sn, int w, char *value, int64_t *index) {        \
        A_##D best[LANES];                                                                                         \
        PLACE at[LANES];                                                                                           \
        for (int l = 0; l < w; l++) { best[l] = LD_##D(((const T_##D *)in)[l]); index[l] = 0; }                    \
        for (int64_t i0 = 0; i0 < n; i0 += ROWS) {                                                                 \
            const int rows = n - i0 < ROWS ? (int)(n - i0) : ROWS;                                                 \
            for (int l = 0; l < w; l++) at[l] = -1;                                                                \
            for (int i = 0; i < rows; i++) {                                                                       \
                const T_##D *p = (const T_##D *)(in + (i0 + i) * sn);                                              \
                RL_IVDEP for (int l = 0; l < w; l++) {                                                             \
                    const A_##D x = LD_##D(p[l]), b = best[l];                                                     \
                    const int wins = (BETTER(x, b) | (x != x)) & (b == b);                                         \
                    best[l] = wins ? x : b;                                                                        \
                    at[l] = wins ? (PLACE)i : at[l];                                                               \
                }                                                                                                  \
            }                                                                                                      \
            for (int l = 0; l < w; l++) if (at[l] >= 0) index[l] = i0 + at[l];                                     \
        }                                                                                                          \
        for (int l = 0; value && l < w; l++) ((T_##D *)value)[l] = ((const T_##D *)(in + index[l] * sn))[l];       \
    }                                                                                                              \
    static int64_t NAME##_strided(const char *in, int64_t n, int64_t sn) {                                         \
        T_##D block[BLOCK];                                                                                        \
        A_##D top = 0;                                                                                             \
        int64_t at = -1;                                                                                           \
        for (int64_t i = 0; i < n && top == top; i += BLOCK, in += BLOCK * sn) {                                   \
            const int64_t c = n - i < BLOCK ? n - i : BLOCK;                                                       \
            for (int64_t k = 0; k < c; k++) block[k] = *(const T_##D *)(in + k * sn);                              \
            const A_##D x = NAME##_fold_dense(block, c);                                                           \
            if (at < 0 || BETTER(x, top) || x != x) { top = x; at = i + NAME##_find(block, c, x); }                \
        }                                                                                                          \
        return at;                                                                                                 \
    }                                                                                                              \
    static void NAME(const char *in, int64_t n, int64_t sn, int64_t m, int64_t sm, char *value, int64_t *index) {  \
        const int64_t size = (int64_t)sizeof(T_##D);                                                               \
        if (m >= 8 && sm == size && sn != size) {                                                                  \
            for (int64_t j = 0; j < m; j += LANES)                                                                 \
                NAME##_columns(in + j * size, n, sn, m - j < LANES ? (int)(m - j) : LANES,                         \
                               value ? value + j * size : NULL, index + j);                                        \
            return;                                                                                                \
        }                                                                                                          \
        if (n <= SHORT && m >= 16 && sn && sm) { /* many short rows are turned into columns */                     \
            T_##D turned[SHORT * LANES];                                                                           \
            for (int64_t j = 0; j < m; j += LANES) {                                                               \
                const int w = m - j < LANES ? (int)(m - j) : LANES;                                                \
                rl_turn_rows(turned, in + j * sm, n, sn, w, sm, sizeof(T_##D));                                    \
                NAME##_columns((const char *)turned, n, w * size, w, value ? value + j * size : NULL, index + j);  \
            }                                                                                                      \
            return;                                                                                                \
        }                                                                                                          \
        for (int64_t j = 0; j < m; j++, in += sm) {                                                                \
            if (sn == size) {                                                                                      \
                index[j] = NAME##_find((const T_##D *)in, n, NAME##_fold_row(in, n, sn));                          \
            } else if (n >= BLOCK / 8) {                                                                           \
                index[j] = NAME##_strided(in, n, sn);                                                              \
            } else {                                                                                               \
                A_##D top = LD_##D(*(const T_##D *)in);                                                            \
                index[j] = 0;                                                                                      \
                for (int64_t i = 1; i < n && top == top; i++) {                                                    \
                    const A_##D x = LD_##D(*(const T_##D *)(in + i * sn));                                         \
                    if (BETTER(x, top) || x != x) { top = x; index[j] = i; }                                       \
                }                                                                                                  \
            }                                                                                                      \
            if (value) ((T_##D *)value)[j] = *(const T_##D *)(in + index[j] * sn);                                 \
        }                                                                                                          \
    }

#define BOTH(D, PLACE, LOWEST, HIGHEST) EXTREME(max_##D, D, PLACE, LOWEST, GREATER) EXTREME(min_##D, D, PLACE, HIGHEST, LESS)

BOTH(U8, int16_t, 0, UINT8_MAX)
BOTH(I64, int64_t, INT64_MIN, INT64_MAX)
BOTH(F32, int32_t, -INFINITY, INFINITY)
BOTH(F64, int64_t, -INFINITY, INFINITY)
#if RL_ISA_IS_BASE
BOTH(BOOL, int16_t, 0, 1)
BOTH(I8, int16_t, INT8_MIN, INT8_MAX)
BOTH(I16, int16_t, INT16_MIN, INT16_MAX)
BOTH(I32, int32_t, INT32_MIN, INT32_MAX)
BOTH(F16, int32_t, -INFINITY, INFINITY)
BOTH(BF16, int32_t, -INFINITY, INFINITY)
#endif

#define ENTRY(D) [RL_##D] = {max_##D, min_##D}
const ExtremeKernels RL_ISA_NAME(rl_extreme_kernels)[RL_NDTYPES] = {
    ENTRY(U8), ENTRY(I64), ENTRY(F32), ENTRY(F64),
#if RL_ISA_IS_BASE
    ENTRY(BOOL), ENTRY(I8), ENTRY(I16), ENTRY(I32), ENTRY(F16), ENTRY(BF16),
#endif
};
