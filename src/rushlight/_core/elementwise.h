/* elementwise.h -- the templates of elementwise kernels: RL_EW1 (x), RL_EW2 (a, b), RL_EW3 (a, b, c), RL_EW1_NEAR, RL_EW2_NEAR.
 *
 * One pass over n1 rows of n0 elements.  The expression stands in one loop over dense elements, which vectorises; what
 * lies apart in memory, or is one number for the whole row, is brought to it in blocks on the stack (walk.c); a row of
 * which every input is one number is computed once.  Two operands of which one is a number are common enough for loops
 * of their own.  The output may be one of the inputs: each element is read before it is written.
 */
#ifndef RL_ELEMENTWISE_H
#define RL_ELEMENTWISE_H
#include "kernel.h"
#include "types.h"

/* Some expressions are constants: isnan of an integer. */
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-variable"
#endif

#define RL_EW_BLOCK 512
#define RL_EW_NEAR_BLOCK 2048

/* The m elements of an operand from element i on: where they are, or gathered into its block, which holds what is one number
 * for the row since the row's first block. */
#define RL_EW_IN(T, DENSE, P, STRIDE, BLOCK)               \
    ((DENSE) ? (const T *)(P) + i : (STRIDE) == 0 && i > 0 ? (const T *)(BLOCK) : (const T *)rl_pull(BLOCK, (P) + i * (STRIDE), (STRIDE), m, sizeof(T)))

#define RL_EW1(NAME, TO, ST, TX, LX, AX, PARAMS, EXPR)                                                  \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {              \
        const EwParam *q = (const EwParam *)q_;                                                         \
        PARAMS                                                                                          \
        const bool dense_o = s[0] == (int64_t)sizeof(TO), dense_x = s[1] == (int64_t)sizeof(TX);        \
        const bool dense = dense_o && dense_x;                                                          \
        const bool constant = dense_o && s[1] == 0;                                                     \
        const int64_t own = constant && n0 > 1 ? 1 : n0, step = dense ? n0 : RL_EW_BLOCK;               \
        TO block_o[RL_EW_BLOCK];                                                                        \
        TX block_x[RL_EW_BLOCK];                                                                        \
        for (int64_t j = 0; j < n1; j++) {                                                              \
            char *o = p[0] + j * s[2];                                                                  \
            const char *px = p[1] + j * s[3];                                                           \
            for (int64_t i = 0; i < own; i += step) {                                                   \
                const int64_t m = own - i < step ? own - i : step;                                      \
                const TX *xd = RL_EW_IN(TX, dense_x, px, s[1], block_x);                                \
                TO *od = dense_o ? (TO *)o + i : block_o;                                               \
                RL_IVDEP for (int64_t k = 0; k < m; k++) { const AX x = LX(xd[k]); od[k] = ST(EXPR); }  \
                if (!dense_o) rl_push(o + i * s[0], s[0], block_o, m, sizeof(TO));                      \
            }                                                                                           \
            if (own < n0) rl_pull(o, o, 0, n0, sizeof(TO));                                             \
        }                                                                                               \
    }

/* An expression for every x, and a quicker one with the same meaning where IS_NEAR holds, taken by blocks that hold nothing else. */
#define RL_EW1_NEAR(NAME, TO, ST, TX, LX, AX, PARAMS, IS_NEAR, NEAR, EXPR)                              \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {              \
        const EwParam *q = (const EwParam *)q_;                                                         \
        PARAMS                                                                                          \
        const bool dense_o = s[0] == (int64_t)sizeof(TO), dense_x = s[1] == (int64_t)sizeof(TX);        \
        const int64_t step = dense_o && dense_x ? RL_EW_NEAR_BLOCK : RL_EW_BLOCK;                       \
        TO block_o[RL_EW_BLOCK];                                                                        \
        TX block_x[RL_EW_BLOCK];                                                                        \
        for (int64_t j = 0; j < n1; j++) {                                                              \
            char *o = p[0] + j * s[2];                                                                  \
            const char *px = p[1] + j * s[3];                                                           \
            for (int64_t i = 0; i < n0; i += step) {                                                    \
                const int64_t m = n0 - i < step ? n0 - i : step;                                        \
                const TX *xd = RL_EW_IN(TX, dense_x, px, s[1], block_x);                                \
                TO *od = dense_o ? (TO *)o + i : block_o;                                               \
                int far = 0;                                                                            \
                for (int64_t k = 0; k < m; k++) { const AX x = LX(xd[k]); far |= !(IS_NEAR); }          \
                if (!far) RL_IVDEP for (int64_t k = 0; k < m; k++) { const AX x = LX(xd[k]); od[k] = ST(NEAR); } \
                else RL_IVDEP for (int64_t k = 0; k < m; k++) { const AX x = LX(xd[k]); od[k] = ST(EXPR); }      \
                if (!dense_o) rl_push(o + i * s[0], s[0], block_o, m, sizeof(TO));                      \
            }                                                                                           \
        }                                                                                               \
    }

#define RL_EW2_NEAR(NAME, TO, ST, TA, LA, AA, TB, LB, AB, PARAMS, IS_NEAR, NEAR, EXPR)                                  \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {                              \
        const EwParam *q = (const EwParam *)q_;                                                                         \
        PARAMS                                                                                                          \
        const bool dense_o = s[0] == (int64_t)sizeof(TO), dense_a = s[1] == (int64_t)sizeof(TA), dense_b = s[2] == (int64_t)sizeof(TB); \
        const int64_t step = dense_o && dense_a && dense_b ? RL_EW_NEAR_BLOCK : RL_EW_BLOCK;                            \
        TO block_o[RL_EW_BLOCK];                                                                                        \
        TA block_a[RL_EW_BLOCK];                                                                                        \
        TB block_b[RL_EW_BLOCK];                                                                                        \
        for (int64_t j = 0; j < n1; j++) {                                                                              \
            char *o = p[0] + j * s[3];                                                                                  \
            const char *pa = p[1] + j * s[4], *pb = p[2] + j * s[5];                                                    \
            for (int64_t i = 0; i < n0; i += step) {                                                                    \
                const int64_t m = n0 - i < step ? n0 - i : step;                                                        \
                const TA *ad = RL_EW_IN(TA, dense_a, pa, s[1], block_a);                                                \
                const TB *bd = RL_EW_IN(TB, dense_b, pb, s[2], block_b);                                                \
                TO *od = dense_o ? (TO *)o + i : block_o;                                                               \
                int far = 0;                                                                                            \
                for (int64_t k = 0; k < m; k++) { const AA a = LA(ad[k]); const AB b = LB(bd[k]); far |= !(IS_NEAR); }  \
                if (!far) RL_IVDEP for (int64_t k = 0; k < m; k++) { const AA a = LA(ad[k]); const AB b = LB(bd[k]); od[k] = ST(NEAR); } \
                else RL_IVDEP for (int64_t k = 0; k < m; k++) { const AA a = LA(ad[k]); const AB b = LB(bd[k]); od[k] = ST(EXPR); } \
                if (!dense_o) rl_push(o + i * s[0], s[0], block_o, m, sizeof(TO));                                      \
            }                                                                                                           \
        }                                                                                                               \
    }

/* Where this is rendered for many dtypes, compile time counts more than the load of a number again and again. */
#ifdef RL_EW_ONE_LOOP
#define RL_EW2_NUMBERS(TO, ST, TA, LA, AA, TB, LB, AB, EXPR)
#else
#define RL_EW2_NUMBERS(TO, ST, TA, LA, AA, TB, LB, AB, EXPR)                                                            \
            if (dense_o && dense_a && s[2] == 0) {                                                                      \
                TO *od = (TO *)o;                                                                                       \
                const TA *ad = (const TA *)pa;                                                                          \
                const AB b = LB(*(const TB *)pb);                                                                       \
                RL_IVDEP for (int64_t i = 0; i < n0; i++) { const AA a = LA(ad[i]); od[i] = ST(EXPR); }                 \
                continue;                                                                                               \
            }                                                                                                           \
            if (dense_o && s[1] == 0 && dense_b) {                                                                      \
                TO *od = (TO *)o;                                                                                       \
                const TB *bd = (const TB *)pb;                                                                          \
                const AA a = LA(*(const TA *)pa);                                                                       \
                RL_IVDEP for (int64_t i = 0; i < n0; i++) { const AB b = LB(bd[i]); od[i] = ST(EXPR); }                 \
                continue;                                                                                               \
            }
#endif

#define RL_EW2(NAME, TO, ST, TA, LA, AA, TB, LB, AB, PARAMS, EXPR)                                                      \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {                              \
        const EwParam *q = (const EwParam *)q_;                                                                         \
        PARAMS                                                                                                          \
        const bool dense_o = s[0] == (int64_t)sizeof(TO), dense_a = s[1] == (int64_t)sizeof(TA), dense_b = s[2] == (int64_t)sizeof(TB); \
        const bool dense = dense_o && dense_a && dense_b;                                                               \
        const bool constant = dense_o && s[1] == 0 && s[2] == 0;                                                        \
        const int64_t own = constant && n0 > 1 ? 1 : n0, step = dense ? n0 : RL_EW_BLOCK;                               \
        TO block_o[RL_EW_BLOCK];                                                                                        \
        TA block_a[RL_EW_BLOCK];                                                                                        \
        TB block_b[RL_EW_BLOCK];                                                                                        \
        for (int64_t j = 0; j < n1; j++) {                                                                              \
            char *o = p[0] + j * s[3];                                                                                  \
            const char *pa = p[1] + j * s[4];                                                                           \
            const char *pb = p[2] + j * s[5];                                                                           \
            RL_EW2_NUMBERS(TO, ST, TA, LA, AA, TB, LB, AB, EXPR)                                                       \
            for (int64_t i = 0; i < own; i += step) {                                                                   \
                const int64_t m = own - i < step ? own - i : step;                                                      \
                const TA *ad = RL_EW_IN(TA, dense_a, pa, s[1], block_a);                                                \
                const TB *bd = RL_EW_IN(TB, dense_b, pb, s[2], block_b);                                                \
                TO *od = dense_o ? (TO *)o + i : block_o;                                                               \
                RL_IVDEP for (int64_t k = 0; k < m; k++) { const AA a = LA(ad[k]); const AB b = LB(bd[k]); od[k] = ST(EXPR); } \
                if (!dense_o) rl_push(o + i * s[0], s[0], block_o, m, sizeof(TO));                                      \
            }                                                                                                           \
            if (own < n0) rl_pull(o, o, 0, n0, sizeof(TO));                                                             \
        }                                                                                                               \
    }

#define RL_EW3(NAME, TO, ST, TA, LA, AA, TB, LB, AB, TC, LC, AC, PARAMS, EXPR)                                          \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {                              \
        const EwParam *q = (const EwParam *)q_;                                                                         \
        PARAMS                                                                                                          \
        const bool dense_o = s[0] == (int64_t)sizeof(TO), dense_a = s[1] == (int64_t)sizeof(TA), dense_b = s[2] == (int64_t)sizeof(TB), dense_c = s[3] == (int64_t)sizeof(TC); \
        const bool dense = dense_o && dense_a && dense_b && dense_c;                                                    \
        const bool constant = dense_o && s[1] == 0 && s[2] == 0 && s[3] == 0;                                           \
        const int64_t own = constant && n0 > 1 ? 1 : n0, step = dense ? n0 : RL_EW_BLOCK;                               \
        TO block_o[RL_EW_BLOCK];                                                                                        \
        TA block_a[RL_EW_BLOCK];                                                                                        \
        TB block_b[RL_EW_BLOCK];                                                                                        \
        TC block_c[RL_EW_BLOCK];                                                                                        \
        for (int64_t j = 0; j < n1; j++) {                                                                              \
            char *o = p[0] + j * s[4];                                                                                  \
            const char *pa = p[1] + j * s[5];                                                                           \
            const char *pb = p[2] + j * s[6];                                                                           \
            const char *pc = p[3] + j * s[7];                                                                           \
            for (int64_t i = 0; i < own; i += step) {                                                                   \
                const int64_t m = own - i < step ? own - i : step;                                                      \
                const TA *ad = RL_EW_IN(TA, dense_a, pa, s[1], block_a);                                                \
                const TB *bd = RL_EW_IN(TB, dense_b, pb, s[2], block_b);                                                \
                const TC *cd = RL_EW_IN(TC, dense_c, pc, s[3], block_c);                                                \
                TO *od = dense_o ? (TO *)o + i : block_o;                                                               \
                RL_IVDEP for (int64_t k = 0; k < m; k++) { const AA a = LA(ad[k]); const AB b = LB(bd[k]); const AC c = LC(cd[k]); od[k] = ST(EXPR); } \
                if (!dense_o) rl_push(o + i * s[0], s[0], block_o, m, sizeof(TO));                                      \
            }                                                                                                           \
            if (own < n0) rl_pull(o, o, 0, n0, sizeof(TO));                                                             \
        }                                                                                                               \
    }
#endif
