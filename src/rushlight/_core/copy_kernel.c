/* copy_kernel.c -- copies between any two dtypes, and one number many times over, for one instruction set (isa.h).
 *
 * The base level has every pair; the wider ones have those between dtypes that programs convert, where vectors pay.
 */
#include "copy.h"
#include "isa.h"
#include "types.h"

typedef struct { uint64_t half[2]; } Sixteen;

void RL_ISA_NAME(rl_fill_row)(void *to_, const void *value, int64_t n, size_t size) {
#define REPEAT(T) {                                                    \
        T *to = to_, v;                                                \
        memcpy(&v, value, sizeof v); /* a number of whatever type */   \
        for (int64_t i = 0; i < n; i++) to[i] = v;                     \
        return;                                                        \
    }
    switch (size) { case 1: REPEAT(uint8_t) case 2: REPEAT(uint16_t) case 4: REPEAT(uint32_t) case 8: REPEAT(uint64_t) default: REPEAT(Sixteen) }
#undef REPEAT
}

/* Floats become integers through int64, so that negative values wrap as they do in PyTorch. */
#define TO_int(T, v) ((T)(int64_t)(v))
#define TO_num(T, v) ((T)(v))
#define TO_bool(T, v) ((T)((v) != 0))
#define TO_f16(T, v) rl_f32_to_f16((float)(v))
#define TO_bf16(T, v) rl_f32_to_bf16((float)(v))

#define COPY(D, S, TD, TS, CONV)                                                                  \
    static void copy_##D##_##S(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q) { \
        (void)q;                                                                                  \
        for (int64_t j = 0; j < n1; j++) {                                                        \
            char *o = p[0] + j * s[2];                                                            \
            const char *x = p[1] + j * s[3];                                                      \
            TD *restrict od = (TD *)o;                                                            \
            const TS *restrict xs = (const TS *)x;                                                \
            if (s[0] == (int64_t)sizeof(TD) && s[1] == (int64_t)sizeof(TS)) {                     \
                for (int64_t i = 0; i < n0; i++) { const TS v = xs[i]; od[i] = CONV; }            \
            } else if (s[0] == (int64_t)sizeof(TD) && s[1] == 0) {                                \
                const TS v = *xs;                                                                 \
                const TD number = CONV;                                                           \
                RL_ISA_NAME(rl_fill_row)(od, &number, n0, sizeof number);                           \
            } else {                                                                              \
                for (int64_t i = 0; i < n0; i++, o += s[0], x += s[1]) {                          \
                    const TS v = *(const TS *)x;                                                  \
                    *(TD *)o = CONV;                                                              \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }

/* One line a source dtype: how its values are read as a number (L) and as a real number (R). */
#define FROM_COMMON(D, TD, TO, TOF)                       \
    COPY(D, BOOL, TD, uint8_t, TO(TD, (v != 0)))          \
    COPY(D, U8, TD, uint8_t, TO(TD, v))                   \
    COPY(D, I32, TD, int32_t, TO(TD, v))                  \
    COPY(D, I64, TD, int64_t, TO(TD, v))                  \
    COPY(D, F32, TD, float, TOF(TD, v))                   \
    COPY(D, F64, TD, double, TOF(TD, v))

#define FROM_EACH(D, TD, TO, TOF)                         \
    FROM_COMMON(D, TD, TO, TOF)                           \
    COPY(D, I8, TD, int8_t, TO(TD, v))                    \
    COPY(D, I16, TD, int16_t, TO(TD, v))                  \
    COPY(D, U16, TD, uint16_t, TO(TD, v))                 \
    COPY(D, U32, TD, uint32_t, TO(TD, v))                 \
    COPY(D, U64, TD, uint64_t, TO(TD, v))                 \
    COPY(D, F16, TD, uint16_t, TOF(TD, rl_f16_to_f32(v))) \
    COPY(D, BF16, TD, uint16_t, TOF(TD, rl_bf16_to_f32(v)))

#if RL_ISA_IS_BASE
#define TO_REAL(D, TD, TO, TOF)                  \
    FROM_EACH(D, TD, TO, TOF)                    \
    COPY(D, C64, TD, c64, TOF(TD, RE(v)))        \
    COPY(D, C128, TD, c128, TOF(TD, RE(v)))

#define TO_c64(T, v) rl_c64((float)(v), 0)
#define TO_c128(T, v) rl_c128((double)(v), 0)

static inline uint8_t any_c64(c64 v) { return RE(v) != 0 || IM(v) != 0; }
static inline uint8_t any_c128(c128 v) { return RE(v) != 0 || IM(v) != 0; }
FROM_EACH(BOOL, uint8_t, TO_bool, TO_bool)
COPY(BOOL, C64, uint8_t, c64, any_c64(v))
COPY(BOOL, C128, uint8_t, c128, any_c128(v))
TO_REAL(U8, uint8_t, TO_num, TO_int)
TO_REAL(I8, int8_t, TO_num, TO_int)
TO_REAL(I16, int16_t, TO_num, TO_int)
TO_REAL(I32, int32_t, TO_num, TO_num)
TO_REAL(I64, int64_t, TO_num, TO_num)
TO_REAL(U16, uint16_t, TO_num, TO_int)
TO_REAL(U32, uint32_t, TO_num, TO_int)
TO_REAL(U64, uint64_t, TO_num, TO_num)
TO_REAL(F16, uint16_t, TO_f16, TO_f16)
TO_REAL(BF16, uint16_t, TO_bf16, TO_bf16)
TO_REAL(F32, float, TO_num, TO_num)
TO_REAL(F64, double, TO_num, TO_num)
FROM_EACH(C64, c64, TO_c64, TO_c64)
COPY(C64, C64, c64, c64, v)
COPY(C64, C128, c64, c128, rl_c64((float)RE(v), (float)IM(v)))
FROM_EACH(C128, c128, TO_c128, TO_c128)
COPY(C128, C64, c128, c64, rl_c128(RE(v), IM(v)))
COPY(C128, C128, c128, c128, v)

#define ROW(D)                                                                                               \
    [RL_##D] = {[RL_BOOL] = copy_##D##_BOOL, [RL_U8] = copy_##D##_U8, [RL_I8] = copy_##D##_I8,               \
                [RL_I16] = copy_##D##_I16, [RL_I32] = copy_##D##_I32, [RL_I64] = copy_##D##_I64,             \
                [RL_U16] = copy_##D##_U16, [RL_U32] = copy_##D##_U32, [RL_U64] = copy_##D##_U64,             \
                [RL_F16] = copy_##D##_F16, [RL_BF16] = copy_##D##_BF16, [RL_F32] = copy_##D##_F32,           \
                [RL_F64] = copy_##D##_F64, [RL_C64] = copy_##D##_C64, [RL_C128] = copy_##D##_C128}

const RLKernel RL_ISA_NAME(rl_copy_kernels)[RL_NDTYPES][RL_NDTYPES] = {
    ROW(BOOL), ROW(U8), ROW(I8), ROW(I16), ROW(I32), ROW(I64), ROW(U16), ROW(U32), ROW(U64),
    ROW(F16), ROW(BF16), ROW(F32), ROW(F64), ROW(C64), ROW(C128),
};

#else
#include <immintrin.h>

FROM_COMMON(BOOL, uint8_t, TO_bool, TO_bool)
FROM_COMMON(U8, uint8_t, TO_num, TO_int)
FROM_COMMON(I32, int32_t, TO_num, TO_num)
FROM_COMMON(I64, int64_t, TO_num, TO_num)
FROM_COMMON(F32, float, TO_num, TO_num)
FROM_COMMON(F64, double, TO_num, TO_num)
COPY(F32, BF16, float, uint16_t, rl_bf16_to_f32(v))
COPY(BF16, F32, uint16_t, float, rl_f32_to_bf16(v))

/* float16 of dense rows with F16C, which every processor of these levels has. */
#define COPY_F16(D, S, TD, TS, EIGHT, ONE)                                                          \
    static void copy_##D##_##S(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q) { \
        if (s[0] != (int64_t)sizeof(TD) || s[1] != (int64_t)sizeof(TS)) {                           \
            rl_copy_kernels_base[RL_##D][RL_##S](p, s, n0, n1, q);                                  \
            return;                                                                                 \
        }                                                                                           \
        for (int64_t j = 0; j < n1; j++) {                                                          \
            TD *to = (TD *)(p[0] + j * s[2]);                                                       \
            const TS *from = (const TS *)(p[1] + j * s[3]);                                         \
            int64_t i = 0;                                                                          \
            for (; i + 8 <= n0; i += 8) EIGHT;                                                      \
            for (; i < n0; i++) to[i] = ONE(from[i]);                                               \
        }                                                                                           \
    }
COPY_F16(F32, F16, float, uint16_t, _mm256_storeu_ps(to + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(from + i)))), _cvtsh_ss)
#define NEAREST(x) _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT)
COPY_F16(F16, F32, uint16_t, float, _mm_storeu_si128((__m128i *)(to + i), _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT)), NEAREST)

#define ROW(D)                                                                                               \
    [RL_##D] = {[RL_BOOL] = copy_##D##_BOOL, [RL_U8] = copy_##D##_U8, [RL_I32] = copy_##D##_I32,             \
                [RL_I64] = copy_##D##_I64, [RL_F32] = copy_##D##_F32, [RL_F64] = copy_##D##_F64

const RLKernel RL_ISA_NAME(rl_copy_kernels)[RL_NDTYPES][RL_NDTYPES] = {
    ROW(BOOL)}, ROW(U8)}, ROW(I32)}, ROW(I64)}, ROW(F64)}, ROW(F32), [RL_BF16] = copy_F32_BF16, [RL_F16] = copy_F32_F16},
    [RL_BF16] = {[RL_F32] = copy_BF16_F32}, [RL_F16] = {[RL_F32] = copy_F16_F32},
};
#endif
