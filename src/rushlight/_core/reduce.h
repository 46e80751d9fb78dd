/* reduce.h -- the template of a reduction kernel.
 *
 * RL_REDUCE(NAME, ROWS, TI, LD, ACC, TO, ST, IDENTITY, STEP, JOIN): LD reads an element, STEP(a, x) folds x into
 * the accumulator a, JOIN(a, b) joins two accumulators.  Rows are folded pairwise over blocks of RL_BLOCK
 * elements, and a block over 64 or 16 lanes: vectorised, and as accurate as summing in a tree.  Columns are
 * folded with a second level of accumulators every 64 rows for the same accuracy: with ROWS = 4 by four rows, with
 * ROWS = 2 a row at a time, which compiles sooner.  ROWS = 1 is for a STEP that is a choice: a chain of choices is not
 * vectorised, and has no accuracy to lose in long rows.  Integers and products have none to lose either.  Short rows that are many
 * are turned into columns.
 */
#ifndef RL_REDUCE_H
#define RL_REDUCE_H
#include "kernel.h"
#include "types.h"

/* A row of the table of reduce_integers_kernel.c, which ends with one without a name. */
typedef struct { const char *name; RLDType dtype; RLReduce kernel; } ReduceIntegers;

#define RL_LANES 16
#define RL_BLOCK 512
#define RL_COLS 128
#define RL_SHORT 16            /* rows up to this are turned (sums of RL_LANES / 2 or more are folded as a tree), */
#define RL_TURN 64             /* so many at a time */

/* Unrolled before it is vectorised, a loop over lanes stays scalar where STEP is a choice. */
#if defined(__clang__)
#define RL_LOOP
#else
#define RL_LOOP _Pragma("GCC unroll 1")
#endif

/* A row is folded in one piece where STEP is a choice, of integers, or a product, which rounds as often in any order. */
#define RL_WHOLE_ROWS(ROWS, ACC, STEP) (ROWS == 1 || (ACC)0.5 == (ACC)0 || STEP((ACC)2, (ACC)3) == (ACC)6)

/* Element i of row l goes to to[i * m + l]: short rows become long ones, which are folded side by side. */
void rl_turn_rows(void *to, const char *in, int64_t n, int64_t sn, int64_t m, int64_t sm, size_t item);

#define RL_REDUCE(NAME, ROWS, TI, LD, ACC, TO, ST, IDENTITY, STEP, JOIN)                                       \
    static ACC NAME##_dense(const TI *p, int64_t n) {                                                    \
        ACC a[4 * RL_LANES];                                                                             \
        int64_t i = 0;                                                                                   \
        if (n < RL_LANES / 2) {                                                                          \
            ACC r = IDENTITY;                                                                            \
            for (; i < n; i++) { const ACC x = LD(p[i]); r = STEP(r, x); }                               \
            return r;                                                                                    \
        }                                                                                                \
        if (n >= 8 * RL_LANES) {                                                                         \
            RL_LOOP for (int l = 0; l < 4 * RL_LANES; l++) a[l] = IDENTITY;                              \
            for (; i + 4 * RL_LANES <= n; i += 4 * RL_LANES)                                             \
                for (int l = 0; l < 4 * RL_LANES; l++) { const ACC x = LD(p[i + l]); a[l] = STEP(a[l], x); } \
            RL_LOOP for (int l = 0; l < 2 * RL_LANES; l++) a[l] = JOIN(a[l], a[l + 2 * RL_LANES]);       \
            RL_LOOP for (int l = 0; l < RL_LANES; l++) a[l] = JOIN(a[l], a[l + RL_LANES]);               \
        } else {                                                                                         \
            RL_LOOP for (int l = 0; l < RL_LANES; l++) a[l] = IDENTITY;                                  \
        }                                                                                                \
        for (; i + RL_LANES <= n; i += RL_LANES)                                                         \
            RL_LOOP for (int l = 0; l < RL_LANES; l++) { const ACC x = LD(p[i + l]); a[l] = STEP(a[l], x); } \
        const int rest = (int)(n - i);                                                                   \
        if (rest) RL_LOOP for (int l = 0; l < RL_LANES; l++) { /* stored whole: what is written in pieces is read late */ \
            ACC v = a[l];                                                                                \
            if (l < rest) { const ACC x = LD(p[i + l]); v = STEP(v, x); }                                \
            a[l] = v;                                                                                    \
        }                                                                                                \
        RL_LOOP for (int l = 0; l < 8; l++) a[l] = JOIN(a[l], a[l + 8]);                                 \
        RL_LOOP for (int l = 0; l < 4; l++) a[l] = JOIN(a[l], a[l + 4]);                                 \
        a[0] = JOIN(a[0], a[2]);                                                                         \
        a[1] = JOIN(a[1], a[3]);                                                                         \
        return JOIN(a[0], a[1]);                                                                         \
    }                                                                                                    \
    static ACC NAME##_row(const char *in, int64_t n, int64_t sn) {                                       \
        if (RL_WHOLE_ROWS(ROWS, ACC, STEP) && sn == (int64_t)sizeof(TI)) return NAME##_dense((const TI *)in, n); \
        if (n > RL_BLOCK) {                                                                              \
            int64_t half = (n / 2 + RL_BLOCK - 1) / RL_BLOCK * RL_BLOCK;                                 \
            if (half >= n) half = RL_BLOCK;                                                              \
            ACC a = NAME##_row(in, half, sn), b = NAME##_row(in + half * sn, n - half, sn);              \
            return JOIN(a, b);                                                                           \
        }                                                                                                \
        if (sn == (int64_t)sizeof(TI)) return NAME##_dense((const TI *)in, n);                           \
        TI row[RL_BLOCK];                                                                                \
        if (sn == 0) rl_fill_row(row, in, n, sizeof(TI));                                                  \
        else for (int64_t i = 0; i < n; i++) row[i] = *(const TI *)(in + i * sn);                        \
        return NAME##_dense(row, n);                                                                     \
    }                                                                                                    \
    static void NAME(char *out, const char *in, int64_t n, int64_t sn, int64_t m, int64_t so, int64_t sm) { \
        if (ROWS == 1 && sn == 0 && n > 1) n = 1; /* of equal elements one is chosen */                  \
        if (m >= 4 && sm == (int64_t)sizeof(TI) && (sn != sm || n <= 64)) { /* windows overlap */        \
            for (int64_t j0 = 0; j0 < m; j0 += RL_COLS) {                                                \
                int64_t w = m - j0 < RL_COLS ? m - j0 : RL_COLS;                                         \
                if (ROWS != 2 && n <= 64 && w == RL_COLS) { /* short columns stay in registers */        \
                    for (int64_t j = j0; j < j0 + RL_COLS; j += 2 * RL_LANES) {                          \
                        ACC a[2 * RL_LANES];                                                             \
                        RL_LOOP for (int l = 0; l < 2 * RL_LANES; l++) a[l] = IDENTITY;                  \
                        for (int64_t i = 0; i < n; i++) {                                                \
                            const TI *p = (const TI *)(in + i * sn) + j;                                 \
                            RL_LOOP for (int l = 0; l < 2 * RL_LANES; l++) { const ACC x = LD(p[l]); a[l] = STEP(a[l], x); } \
                        }                                                                                \
                        if (so == (int64_t)sizeof(TO)) for (int l = 0; l < 2 * RL_LANES; l++) ((TO *)out)[j + l] = ST(a[l]); \
                        else for (int l = 0; l < 2 * RL_LANES; l++) *(TO *)(out + (j + l) * so) = ST(a[l]); \
                    }                                                                                    \
                    continue;                                                                            \
                }                                                                                        \
                ACC sums[RL_COLS], part[RL_COLS], *acc = n > 64 ? sums : part; /* one part is the whole */ \
                if (n > 64 || n == 0) for (int64_t j = 0; j < w; j++) acc[j] = IDENTITY;                 \
                for (int64_t i0 = 0; i0 < n; i0 += 64) {                                                 \
                    int64_t i1 = i0 + 64 < n ? i0 + 64 : n;                                              \
                    int64_t i = i0;                                                                      \
                    if (sn == 0 && i0 && i1 - i0 == 64) i = i1; /* the same rows again: part is known */ \
                    else for (int64_t j = 0; j < w; j++) part[j] = IDENTITY;                             \
                    for (; ROWS == 4 && i + 4 <= i1; i += 4) {                                           \
                        const char *row = in + i * sn;                                                   \
                        const TI *p = (const TI *)row + j0, *q = (const TI *)(row + sn) + j0;            \
                        const TI *r = (const TI *)(row + 2 * sn) + j0, *s = (const TI *)(row + 3 * sn) + j0; \
                        for (int64_t j = 0; j < w; j++) {                                                \
                            ACC a = part[j];                                                             \
                            { const ACC x = LD(p[j]); a = STEP(a, x); }                                  \
                            { const ACC x = LD(q[j]); a = STEP(a, x); }                                  \
                            { const ACC x = LD(r[j]); a = STEP(a, x); }                                  \
                            { const ACC x = LD(s[j]); a = STEP(a, x); }                                  \
                            part[j] = a;                                                                 \
                        }                                                                                \
                    }                                                                                    \
                    for (; i < i1; i++) {                                                                \
                        const TI *p = (const TI *)(in + i * sn) + j0;                                    \
                        for (int64_t j = 0; j < w; j++) { const ACC x = LD(p[j]); part[j] = STEP(part[j], x); } \
                    }                                                                                    \
                    if (n > 64) for (int64_t j = 0; j < w; j++) sums[j] = JOIN(sums[j], part[j]);        \
                }                                                                                        \
                for (int64_t j = 0; j < w; j++) *(TO *)(out + (j0 + j) * so) = ST(acc[j]);               \
            }                                                                                            \
            return;                                                                                      \
        }                                                                                                \
        if (n > 1 && n <= (RL_WHOLE_ROWS(ROWS, ACC, STEP) ? RL_SHORT : RL_LANES / 2 - 1) && m >= 16 && sn && sm) { \
            TI turned[RL_SHORT * RL_TURN];                                                               \
            for (int64_t j = 0; j < m; j += RL_TURN) {                                                   \
                const int64_t w = m - j < RL_TURN ? m - j : RL_TURN;                                     \
                rl_turn_rows(turned, in + j * sm, n, sn, w, sm, sizeof(TI));                             \
                NAME(out + j * so, (const char *)turned, n, w * (int64_t)sizeof(TI), w, so, sizeof(TI)); \
            }                                                                                            \
            return;                                                                                      \
        }                                                                                                \
        for (int64_t j = 0; j < m; j++)                                                                  \
            *(TO *)(out + j * so) = sm == 0 && j ? *(TO *)out : (TO)ST(NAME##_row(in + j * sm, n, sn));  \
    }
#endif
