/* scan_kernel.c -- running sums, products and extremes of the frequent dtypes, for one instruction set (isa.h says how
 * it is compiled for each).
 *
 * A row is a chain in which each step waits for the one before.  So rows that lie side by side go together: as a block
 * of columns, which is vectorised, or else four by four.  Each row's own steps stay in their order: its digits are those
 * of a row alone.
 */
#include "scan.h"
#include "isa.h"
#include "types.h"

#define W_I64 int64_t
#define W_F32 double           /* as PyTorch accumulates */
#define W_F64 double

#define COLUMNS 64
#define SHORT 8
#define ALWAYS static inline __attribute__((always_inline))
#define AT(T, base, offset) (*(T *)((base) + (offset)))
/* Where row l of the four at row j begins; where there are fewer, the last is written again. */
#define BESIDE(k, l) (r->p[k] + (j + (l) < m ? j + (l) : m - 1) * r->side[k])

/* Rows four by four, one that is left over alone.  Short rows lying densely overlap by themselves. */
#define ROWS(NAME, T)                                                                                          \
    static void NAME##_rows(const Rows *r, int64_t m) {                                                        \
        const int64_t size = (int64_t)sizeof(T);                                                               \
        const bool dense = r->step[0] == size && r->step[1] == size;                                           \
        if (dense && r->n <= SHORT) { NAME##_short(r, m); return; }                                            \
        for (int64_t j = 0; j < m; j += 4) {                                                                   \
            if (j + 1 == m) {                                                                                  \
                if (dense) NAME##_one(r, j, size, size);                                                       \
                else NAME##_one(r, j, r->step[0], r->step[1]);                                                 \
            } else {                                                                                           \
                if (dense) NAME##_four(r, j, m, size, size);                                                   \
                else NAME##_four(r, j, m, r->step[0], r->step[1]);                                             \
            }                                                                                                  \
        }                                                                                                      \
    }

#define FOLD(NAME, T, W, IDENTITY, OP)                                                                         \
    static void NAME##_columns(const char *in, char *out, int64_t n, int64_t si, int64_t so, int w) {          \
        W a[COLUMNS];                                                                                          \
        for (int l = 0; l < w; l++) a[l] = IDENTITY;                                                           \
        for (int64_t i = 0; i < n; i++, in += si, out += so) {                                                 \
            const T *x = (const T *)in;                                                                        \
            T *y = (T *)out;                                                                                   \
            RL_IVDEP for (int l = 0; l < w; l++) { a[l] = a[l] OP x[l]; y[l] = (T)a[l]; }                      \
        }                                                                                                      \
    }                                                                                                          \
    ALWAYS void NAME##_one(const Rows *r, int64_t j, int64_t si, int64_t so) {                                 \
        const char *p = r->p[0] + j * r->side[0];                                                              \
        char *y = r->p[1] + j * r->side[1];                                                                    \
        W a = IDENTITY;                                                                                        \
        for (int64_t k = r->n; k > 0; k--, p += si, y += so) AT(T, y, 0) = (T)(a = a OP AT(const T, p, 0));    \
    }                                                                                                          \
    ALWAYS void NAME##_four(const Rows *r, int64_t j, int64_t m, int64_t si, int64_t so) {                     \
        const char *p = BESIDE(0, 0), *q = BESIDE(0, 1), *s = BESIDE(0, 2), *t = BESIDE(0, 3);                 \
        char *y = BESIDE(1, 0), *z = BESIDE(1, 1), *u = BESIDE(1, 2), *v = BESIDE(1, 3);                       \
        W a = IDENTITY, b = IDENTITY, c = IDENTITY, d = IDENTITY;                                              \
        for (int64_t i = 0, o = 0, k = r->n; k > 0; i += si, o += so, k--) {                                   \
            a = a OP AT(const T, p, i);                                                                        \
            b = b OP AT(const T, q, i);                                                                        \
            c = c OP AT(const T, s, i);                                                                        \
            d = d OP AT(const T, t, i);                                                                        \
            AT(T, y, o) = (T)a;                                                                                \
            AT(T, z, o) = (T)b;                                                                                \
            AT(T, u, o) = (T)c;                                                                                \
            AT(T, v, o) = (T)d;                                                                                \
        }                                                                                                      \
    }                                                                                                          \
    static void NAME##_short(const Rows *r, int64_t m) {                                                       \
        const char *p = r->p[0];                                                                               \
        char *y = r->p[1];                                                                                     \
        const int64_t n = r->n;                                                                                \
        for (int64_t j = 0; j < m; j++, p += r->side[0], y += r->side[1]) {                                    \
            W a = IDENTITY;                                                                                    \
            _Pragma("GCC unroll 8") for (int i = 0; i < SHORT; i++) {                                          \
                if (i >= n) break;                                                                             \
                ((T *)y)[i] = (T)(a = a OP ((const T *)p)[i]);                                                 \
            }                                                                                                  \
        }                                                                                                      \
    }                                                                                                          \
    ROWS(NAME, T)                                                                                              \
    static void NAME(const Rows *r, int64_t m) {                                                               \
        const int64_t size = (int64_t)sizeof(T);                                                               \
        if (m < 8 || r->side[0] != size || r->side[1] != size) { NAME##_rows(r, m); return; }                  \
        for (int64_t j = 0; j < m; j += COLUMNS)                                                               \
            NAME##_columns(r->p[0] + j * size, r->p[1] + j * size, r->n, r->step[0], r->step[1],               \
                           m - j < COLUMNS ? (int)(m - j) : COLUMNS);                                          \
    }

/* The last of equals; NaN wins.  PLACE is an integer of T's width. */
#define EXTREME(NAME, T, PLACE, MOST, LOWEST, BETTER)                                                          \
    static void NAME##_columns(const char *in, char *out, char *index, const int64_t *step, int64_t n, int w) { \
        T top[COLUMNS];                                                                                        \
        PLACE at[COLUMNS];                                                                                     \
        for (int l = 0; l < w; l++) { top[l] = LOWEST; at[l] = 0; }                                            \
        for (int64_t i = 0; i < n; i++, in += step[0], out += step[1], index += step[2]) {                     \
            const T *p = (const T *)in;                                                                        \
            T *y = (T *)out;                                                                                   \
            int64_t *z = (int64_t *)index;                                                                     \
            RL_IVDEP for (int l = 0; l < w; l++) {                                                             \
                const T x = p[l];                                                                              \
                const int wins = (x BETTER top[l]) | (x != x);                                                 \
                y[l] = top[l] = wins ? x : top[l];                                                             \
                z[l] = at[l] = wins ? (PLACE)i : at[l];                                                        \
            }                                                                                                  \
        }                                                                                                      \
    }                                                                                                          \
    ALWAYS void NAME##_one(const Rows *r, int64_t j, int64_t si, int64_t so) {                                 \
        const char *p = r->p[0] + j * r->side[0];                                                              \
        char *y = r->p[1] + j * r->side[1], *z = r->p[2] + j * r->side[2];                                     \
        T top = LOWEST;                                                                                        \
        int64_t at = 0;                                                                                        \
        for (int64_t i = 0; i < r->n; i++, p += si, y += so, z += r->step[2]) {                                \
            const T x = AT(const T, p, 0);                                                                     \
            const bool wins = (x BETTER top) | (x != x);                                                       \
            AT(T, y, 0) = top = wins ? x : top;                                                                \
            AT(int64_t, z, 0) = at = wins ? i : at;                                                            \
        }                                                                                                      \
    }                                                                                                          \
    ALWAYS void NAME##_two(const Rows *r, int64_t j, int64_t k, int64_t si, int64_t so) {                      \
        const char *p = r->p[0] + j * r->side[0], *q = r->p[0] + k * r->side[0];                               \
        char *y = r->p[1] + j * r->side[1], *u = r->p[1] + k * r->side[1];                                     \
        char *z = r->p[2] + j * r->side[2], *v = r->p[2] + k * r->side[2];                                     \
        const int64_t n = r->n, sz = r->step[2];                                                               \
        T a = LOWEST, b = LOWEST;                                                                              \
        int64_t c = 0, d = 0;                                                                                  \
        for (int64_t i = 0; i < n; i++, p += si, q += si, y += so, u += so, z += sz, v += sz) {                \
            const T x = AT(const T, p, 0), w = AT(const T, q, 0);                                              \
            const bool wins = (x BETTER a) | (x != x), also = (w BETTER b) | (w != w);                         \
            AT(T, y, 0) = a = wins ? x : a;                                                                    \
            AT(int64_t, z, 0) = c = wins ? i : c;                                                              \
            AT(T, u, 0) = b = also ? w : b;                                                                    \
            AT(int64_t, v, 0) = d = also ? i : d;                                                              \
        }                                                                                                      \
    }                                                                                                          \
    ALWAYS void NAME##_four(const Rows *r, int64_t j, int64_t m, int64_t si, int64_t so) {                     \
        NAME##_two(r, j, j + 1, si, so);                                                                       \
        if (j + 2 < m) NAME##_two(r, j + 2, j + 3 < m ? j + 3 : j + 2, si, so);                                \
    }                                                                                                          \
    static void NAME##_short(const Rows *r, int64_t m) {                                                       \
        for (int64_t j = 0; j < m; j++) NAME##_one(r, j, sizeof(T), sizeof(T));                                \
    }                                                                                                          \
    ROWS(NAME, T)                                                                                              \
    static void NAME(const Rows *r, int64_t m) {                                                               \
        const int64_t size = (int64_t)sizeof(T);                                                               \
        if (m < 8 || r->side[0] != size || r->side[1] != size || r->side[2] != 8 || r->n > MOST) {             \
            NAME##_rows(r, m);                                                                                 \
            return;                                                                                            \
        }                                                                                                      \
        for (int64_t j = 0; j < m; j += COLUMNS)                                                               \
            NAME##_columns(r->p[0] + j * size, r->p[1] + j * size, r->p[2] + j * 8, r->step, r->n,             \
                           m - j < COLUMNS ? (int)(m - j) : COLUMNS);                                          \
    }

#define ALL_KINDS(D, PLACE, MOST, LOWEST, HIGHEST)                                                                  \
    FOLD(cumsum_##D, T_##D, W_##D, 0, +)                                                                       \
    FOLD(cumprod_##D, T_##D, W_##D, 1, *)                                                                      \
    EXTREME(cummax_##D, T_##D, PLACE, MOST, LOWEST, >=)                                                        \
    EXTREME(cummin_##D, T_##D, PLACE, MOST, HIGHEST, <=)
ALL_KINDS(F32, int32_t, INT32_MAX, -INFINITY, INFINITY)
ALL_KINDS(F64, int64_t, INT64_MAX, -INFINITY, INFINITY)
ALL_KINDS(I64, int64_t, INT64_MAX, INT64_MIN, INT64_MAX)
EXTREME(cummax_I32, int32_t, int32_t, INT32_MAX, INT32_MIN, >=)
EXTREME(cummin_I32, int32_t, int32_t, INT32_MAX, INT32_MAX, <=)

#define ENTRIES(NAME, ...) {[RL_F32] = NAME##_F32, [RL_F64] = NAME##_F64, [RL_I64] = NAME##_I64, __VA_ARGS__}
const RLScan RL_ISA_NAME(rl_scan_kernels)[SCAN_KINDS][RL_NDTYPES] = {
    [SCAN_SUM] = ENTRIES(cumsum), [SCAN_PROD] = ENTRIES(cumprod), [SCAN_MAX] = ENTRIES(cummax, [RL_I32] = cummax_I32),
    [SCAN_MIN] = ENTRIES(cummin, [RL_I32] = cummin_I32)};
