/* move_kernel.c -- elements moved as they are, for one instruction set (isa.h): strided copies, bytes, masked fills.
 *
 * What a dtype means does not matter here, only its width: 1, 2, 4, 8 or 16 bytes.
 */
#include "copy.h"
#include "isa.h"

/* Few processors need this level: on x86 there are wider ones. */
#if RL_ISA_IS_BASE && (defined(__x86_64__) || defined(_M_X64)) && defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O2")
#endif

typedef struct { uint64_t half[2]; } wide;
typedef struct { uint64_t part[4]; } Bytes32;
typedef struct { uint64_t part[8]; } Bytes64;

/* `rep movsb`, which the C library's memcpy is made of from some length on, is ten times slower where the target lies
 * a few bytes further in its page than the source: every read looks as if it waited for the write before it. */
void RL_ISA_NAME(rl_copy_bytes)(char *restrict to, const char *restrict from, size_t n) {
    const size_t ahead = (size_t)(to - from) & 4095;
    if (n < 1024 || ahead == 0 || ahead >= 64) { memcpy(to, from, n); return; }
    size_t i = 0;
    for (; i + sizeof(Bytes64) <= n; i += sizeof(Bytes64)) {
        Bytes64 block;
        memcpy(&block, from + i, sizeof block);
        memcpy(to + i, &block, sizeof block);
    }
    memcpy(to + i, from + i, n - i);
}

/* Row j of `bytes` bytes from `from` + j * sf, or + from_off[j] where there is such a list, to `to` likewise. Short rows go
 * as two words that may overlap: a call for each would cost more than the copy. */
static inline __attribute__((always_inline)) void rows(char *to, int64_t st, const int64_t *to_off, const char *from, int64_t sf, const int64_t *from_off, int64_t bytes, int64_t n) {
#define TO (to + (to_off ? to_off[j] : j * st))
#define FROM (from + (from_off ? from_off[j] : j * sf))
#define AS(T) {                                                                   \
        const int64_t rest = bytes - (int64_t)sizeof(T);                          \
        if (rest == 0)                                                            \
            for (int64_t j = 0; j < n; j++) memcpy(TO, FROM, sizeof(T));          \
        else for (int64_t j = 0; j < n; j++) {                                    \
            char *o = TO;                                                         \
            const char *x = FROM;                                                 \
            T first, last;                                                        \
            memcpy(&first, x, sizeof first);                                      \
            memcpy(&last, x + rest, sizeof last);                                 \
            memcpy(o, &first, sizeof first);                                      \
            memcpy(o + rest, &last, sizeof last);                                 \
        }                                                                         \
        return;                                                                   \
    }
    if (bytes > 128) {
        for (int64_t j = 0; j < n; j++) RL_ISA_NAME(rl_copy_bytes)(TO, FROM, (size_t)bytes);
        return;
    }
    if (bytes >= 64) AS(Bytes64)
    if (bytes >= 32) AS(Bytes32)
    if (bytes >= 16) AS(wide)
    if (bytes >= 8) AS(uint64_t)
    if (bytes >= 4) AS(uint32_t)
    if (bytes >= 2) AS(uint16_t)
    if (bytes == 1) AS(uint8_t)
#undef AS
#undef TO
#undef FROM
}

void RL_ISA_NAME(rl_get_rows)(char *to, const char *from, const int64_t *off, int64_t bytes, int64_t n) {
    rows(to, bytes, NULL, from, 0, off, bytes, n);
}

void RL_ISA_NAME(rl_put_rows)(char *to, const int64_t *off, const char *from, int64_t stride, int64_t bytes, int64_t n) {
    rows(to, 0, off, from, stride, NULL, bytes, n);
}

/* Rows of fewer elements than FEW are walked across: a loop that ends at once is guessed wrong each time. */
#define FEW 8
#define ROWS 256 /* at once: their lines stay in the first-level cache while each is visited again */

#define MOVE(T)                                                                                            \
    static void across_##T(char *to, const char *from, const int64_t *s, int64_t n0, int64_t n1) {         \
        for (int64_t begin = 0; begin < n1; begin += ROWS) {                                               \
            const int64_t here = n1 - begin < ROWS ? n1 - begin : ROWS;                                    \
            for (int64_t i = 0; i < n0; i++) {                                                             \
                char *o = to + begin * s[2] + i * s[0];                                                    \
                const char *x = from + begin * s[3] + i * s[1];                                            \
                for (int64_t j = 0; j < here; j++) *(T *)(o + j * s[2]) = *(const T *)(x + j * s[3]);      \
            }                                                                                              \
        }                                                                                                  \
    }                                                                                                      \
    static void move_##T(char **p, const int64_t *s, int64_t n0, int64_t n1) {                             \
        const int64_t size = (int64_t)sizeof(T), so = s[0], sx = s[1];                                     \
        if (so == size && sx == size) { rows(p[0], s[2], NULL, p[1], s[3], NULL, n0 * size, n1); return; }        \
        if (so == size && sx == 0 && s[3] == 0 && n0 * size <= 128) { /* one short row, many times over */ \
            T row[128 / sizeof(T)];                                                                        \
            RL_ISA_NAME(rl_fill_row)(row, p[1], n0, sizeof(T));                                            \
            rows(p[0], s[2], NULL, (const char *)row, 0, NULL, n0 * size, n1);                             \
            return;                                                                                        \
        }                                                                                                  \
        if (n0 < FEW && n1 > n0) { across_##T(p[0], p[1], s, n0, n1); return; }                            \
        for (int64_t j = 0; j < n1; j++) {                                                                 \
            char *o = p[0] + j * s[2];                                                                     \
            const char *x = p[1] + j * s[3];                                                               \
            T *restrict to = (T *)o;                                                                       \
            if (so == size && sx == 0) {                                                                   \
                RL_ISA_NAME(rl_fill_row)(o, x, n0, sizeof(T));                                             \
            } else if (so == size && sx == -size) {                                                        \
                const T *restrict from = (const T *)x - (n0 - 1);                                          \
                for (int64_t i = 0; i < n0; i++) to[i] = from[n0 - 1 - i];                                 \
            } else {                                                                                       \
                for (int64_t i = 0; i < n0; i++, o += so, x += sx) *(T *)o = *(const T *)x;                \
            }                                                                                              \
        }                                                                                                  \
    }                                                                                                      \
    typedef T loose_##T __attribute__((aligned(1))); /* what is zipped may be some elements of a narrower dtype */ \
    static void zip_##T(loose_##T *restrict to, const loose_##T *restrict a, const loose_##T *restrict b, int64_t n) { \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            to[2 * i] = a[i];                                                                              \
            to[2 * i + 1] = b[i];                                                                          \
        }                                                                                                  \
    }                                                                                                      \
    static void fill_##T(T *restrict to, const uint8_t *restrict mask, int64_t n, T value) {               \
        for (int64_t i = 0; i < n; i++) to[i] = mask[i] ? value : to[i];                                   \
    }                                                                                                      \
    static void filled_##T(T *restrict to, const T *restrict from, const uint8_t *restrict mask, int64_t n, T value) { \
        for (int64_t i = 0; i < n; i++) {                                                                  \
            const T kept = from[i]; /* read in any case: else there is a branch, guessed wrong half of the time */ \
            to[i] = mask[i] ? value : kept;                                                                \
        }                                                                                                  \
    }
MOVE(uint8_t)
MOVE(uint16_t)
MOVE(uint32_t)
MOVE(uint64_t)
MOVE(wide)

void RL_ISA_NAME(rl_move)(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *size) {
    switch (*(const int64_t *)size) {
        case 1: move_uint8_t(p, s, n0, n1); break;
        case 2: move_uint16_t(p, s, n0, n1); break;
        case 4: move_uint32_t(p, s, n0, n1); break;
        case 8: move_uint64_t(p, s, n0, n1); break;
        default: move_wide(p, s, n0, n1);
    }
}

void RL_ISA_NAME(rl_masked_fill)(void *to, const void *from, const void *mask, int64_t n, const void *value, size_t size) {
#define FILL(T)                                                                                            \
    if (to == from) fill_##T(to, mask, n, *(const T *)value);                                              \
    else filled_##T(to, from, mask, n, *(const T *)value);                                                 \
    break;
    switch (size) {
        case 1: FILL(uint8_t)
        case 2: FILL(uint16_t)
        case 4: FILL(uint32_t)
        case 8: FILL(uint64_t)
        default: FILL(wide)
    }
#undef FILL
}

void RL_ISA_NAME(rl_zip)(void *to, const void *a, const void *b, int64_t n, size_t size) {
    switch (size) {
        case 1: zip_uint8_t(to, a, b, n); break;
        case 2: zip_uint16_t(to, a, b, n); break;
        case 4: zip_uint32_t(to, a, b, n); break;
        case 8: zip_uint64_t(to, a, b, n); break;
        default: zip_wide(to, a, b, n);
    }
}
