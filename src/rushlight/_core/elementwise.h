/* elementwise.h -- the templates of elementwise kernels: RL_EW1 (x), RL_EW2 (a, b), RL_EW3 (a, b, c).
 *
 * One pass over n1 rows of n0 elements.  Dense rows and rows against a single number are separate loops,
 * because only those vectorise; everything else goes element by element.  The output may be one of the
 * inputs: each element is read before it is written.
 */
#ifndef RL_ELEMENTWISE_H
#define RL_ELEMENTWISE_H
#include "rl.h"
#include "types.h"

/* Some expressions are constants: isnan of an integer. */
#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-variable"
#endif

#define RL_EW1(NAME, TO, ST, TX, LX, AX, PARAMS, EXPR)                                               \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {           \
        const EwParam *q = (const EwParam *)q_;                                                      \
        PARAMS                                                                                       \
        for (int64_t j = 0; j < n1; j++) {                                                           \
            char *o = p[0] + j * s[2];                                                               \
            const char *px = p[1] + j * s[3];                                                        \
            if (s[0] == (int64_t)sizeof(TO) && s[1] == (int64_t)sizeof(TX)) {                        \
                TO *od = (TO *)o;                                                                    \
                const TX *xd = (const TX *)px;                                                       \
                RL_IVDEP for (int64_t i = 0; i < n0; i++) { const AX x = LX(xd[i]); od[i] = ST(EXPR); } \
            } else {                                                                                 \
                for (int64_t i = 0; i < n0; i++, o += s[0], px += s[1]) {                            \
                    const AX x = LX(*(const TX *)px);                                                \
                    *(TO *)o = ST(EXPR);                                                             \
                }                                                                                    \
            }                                                                                        \
        }                                                                                            \
    }

#define RL_EW2(NAME, TO, ST, TA, LA, AA, TB, LB, AB, PARAMS, EXPR)                                   \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {           \
        const EwParam *q = (const EwParam *)q_;                                                      \
        PARAMS                                                                                       \
        const bool dense_o = s[0] == (int64_t)sizeof(TO), dense_a = s[1] == (int64_t)sizeof(TA),     \
                   dense_b = s[2] == (int64_t)sizeof(TB);                                            \
        for (int64_t j = 0; j < n1; j++) {                                                           \
            char *o = p[0] + j * s[3];                                                               \
            const char *pa = p[1] + j * s[4], *pb = p[2] + j * s[5];                                 \
            TO *od = (TO *)o;                                                                        \
            const TA *ad = (const TA *)pa;                                                           \
            const TB *bd = (const TB *)pb;                                                           \
            if (dense_o && dense_a && dense_b) {                                                     \
                RL_IVDEP for (int64_t i = 0; i < n0; i++) {                                          \
                    const AA a = LA(ad[i]); const AB b = LB(bd[i]); od[i] = ST(EXPR);                \
                }                                                                                    \
            } else if (dense_o && dense_a && s[2] == 0) {                                            \
                const AB b = LB(*bd);                                                                \
                RL_IVDEP for (int64_t i = 0; i < n0; i++) { const AA a = LA(ad[i]); od[i] = ST(EXPR); } \
            } else if (dense_o && s[1] == 0 && dense_b) {                                            \
                const AA a = LA(*ad);                                                                \
                RL_IVDEP for (int64_t i = 0; i < n0; i++) { const AB b = LB(bd[i]); od[i] = ST(EXPR); } \
            } else {                                                                                 \
                for (int64_t i = 0; i < n0; i++, o += s[0], pa += s[1], pb += s[2]) {                \
                    const AA a = LA(*(const TA *)pa);                                                \
                    const AB b = LB(*(const TB *)pb);                                                \
                    *(TO *)o = ST(EXPR);                                                             \
                }                                                                                    \
            }                                                                                        \
        }                                                                                            \
    }

#define RL_EW3(NAME, TO, ST, TA, LA, AA, TB, LB, AB, TC, LC, AC, PARAMS, EXPR)                       \
    static void NAME(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q_) {           \
        const EwParam *q = (const EwParam *)q_;                                                      \
        PARAMS                                                                                       \
        const bool dense = s[0] == (int64_t)sizeof(TO) && s[1] == (int64_t)sizeof(TA) &&             \
                           s[2] == (int64_t)sizeof(TB) && s[3] == (int64_t)sizeof(TC);               \
        for (int64_t j = 0; j < n1; j++) {                                                           \
            char *o = p[0] + j * s[4];                                                               \
            const char *pa = p[1] + j * s[5], *pb = p[2] + j * s[6], *pc = p[3] + j * s[7];          \
            if (dense) {                                                                             \
                TO *od = (TO *)o;                                                                    \
                const TA *ad = (const TA *)pa;                                                       \
                const TB *bd = (const TB *)pb;                                                       \
                const TC *cd = (const TC *)pc;                                                       \
                RL_IVDEP for (int64_t i = 0; i < n0; i++) {                                          \
                    const AA a = LA(ad[i]); const AB b = LB(bd[i]); const AC c = LC(cd[i]);          \
                    od[i] = ST(EXPR);                                                                \
                }                                                                                    \
            } else {                                                                                 \
                for (int64_t i = 0; i < n0; i++, o += s[0], pa += s[1], pb += s[2], pc += s[3]) {    \
                    const AA a = LA(*(const TA *)pa);                                                \
                    const AB b = LB(*(const TB *)pb);                                                \
                    const AC c = LC(*(const TC *)pc);                                                \
                    *(TO *)o = ST(EXPR);                                                             \
                }                                                                                    \
            }                                                                                        \
        }                                                                                            \
    }
#endif
