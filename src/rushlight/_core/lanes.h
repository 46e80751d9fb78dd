/* lanes.h -- sums that are fast and accurate: many short ones side by side, which are added up in double.
 *
 * Used by kernel templates, where REAL is float or double and NAME(Lanes) is declared by RL_LANES.
 */
#ifndef RL_LANES_H
#define RL_LANES_H

#include <stdint.h>
#include <string.h>

/* Sixteen elements at any address; the compiler splits them into what the target has. */
#define RL_LANES(REAL, NAME) \
    typedef REAL NAME __attribute__((vector_size(16 * sizeof(REAL)), aligned(sizeof(REAL)), may_alias))
#define AT(x, i) (*(const NAME(Lanes) *)((x) + (i)))

typedef double RLWide __attribute__((vector_size(16 * sizeof(double))));

static inline double rl_across(const RLWide *w)
{
    double d[16];
    memcpy(d, w, sizeof d);
#define PAIR(i) (d[i] + d[i + 8])
    return ((PAIR(0) + PAIR(4)) + (PAIR(2) + PAIR(6))) + ((PAIR(1) + PAIR(5)) + (PAIR(3) + PAIR(7)));
#undef PAIR
}

/* total = the sum of an expression over n elements; SIXTEEN(i) is it for the sixteen at i, ONE(i) for one.  Four sums run
 * side by side, because one alone would wait for its own additions, and none takes in more than 64 terms. */
#define FOLD(total, n, SIXTEEN, ONE)                                                               \
    do {                                                                                           \
        RLWide wide_ = {0};                                                                        \
        int64_t i = 0;                                                                             \
        while (i + 16 <= (n)) {                                                                    \
            const int64_t to_ = i + 4096 < (n) ? i + 4096 : (n);                                   \
            NAME(Lanes) p_ = {0}, q_ = {0}, r_ = {0}, s_ = {0};                                    \
            for (; i + 64 <= to_; i += 64) {                                                       \
                p_ += SIXTEEN(i); q_ += SIXTEEN(i + 16); r_ += SIXTEEN(i + 32); s_ += SIXTEEN(i + 48); \
            }                                                                                      \
            for (; i + 16 <= to_; i += 16) p_ += SIXTEEN(i);                                       \
            p_ += q_; r_ += s_; p_ += r_;                                                          \
            wide_ += __builtin_convertvector(p_, RLWide);                                          \
        }                                                                                          \
        (total) = rl_across(&wide_);                                                               \
        for (; i < (n); i++) (total) += ONE(i);                                                    \
    } while (0)

/* Two sums at once: of u and of u * v. */
#define FOLD_TWO(sum_u, sum_uv, n, U16, U, V16, V)                                                 \
    do {                                                                                           \
        RLWide wide_u = {0}, wide_uv = {0};                                                        \
        int64_t i = 0;                                                                             \
        while (i + 16 <= (n)) {                                                                    \
            const int64_t to_ = i + 2048 < (n) ? i + 2048 : (n);                                   \
            NAME(Lanes) p_ = {0}, q_ = {0}, r_ = {0}, s_ = {0};                                    \
            for (; i + 32 <= to_; i += 32) {                                                       \
                const NAME(Lanes) u = U16(i), v = U16(i + 16);                                     \
                p_ += u; r_ += u * V16(i);                                                         \
                q_ += v; s_ += v * V16(i + 16);                                                    \
            }                                                                                      \
            for (; i + 16 <= to_; i += 16) {                                                       \
                const NAME(Lanes) u = U16(i);                                                      \
                p_ += u; r_ += u * V16(i);                                                         \
            }                                                                                      \
            p_ += q_; r_ += s_;                                                                    \
            wide_u += __builtin_convertvector(p_, RLWide);                                         \
            wide_uv += __builtin_convertvector(r_, RLWide);                                        \
        }                                                                                          \
        (sum_u) = rl_across(&wide_u);                                                              \
        (sum_uv) = rl_across(&wide_uv);                                                            \
        for (; i < (n); i++) { const REAL u = U(i); (sum_u) += u; (sum_uv) += u * V(i); }          \
    } while (0)

#endif
