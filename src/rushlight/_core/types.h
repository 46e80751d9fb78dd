/* types.h -- what kernels need to know about each dtype: T_x as it lies in memory, A_x in which it is
 * computed, LD_x and ST_x between the two. */
#ifndef RL_TYPES_H
#define RL_TYPES_H
#include <complex.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#undef I

typedef float _Complex c64;
typedef double _Complex c128;
typedef struct { uint16_t re, im; } c32;

static inline float rl_bits_f32(uint32_t u) { float f; memcpy(&f, &u, 4); return f; }
static inline uint32_t rl_f32_bits(float f) { uint32_t u; memcpy(&u, &f, 4); return u; }

/* IEEE binary16, after Giesen's branch-light conversions (2016): exact one way, round-to-even the other. */
static inline float rl_f16_to_f32(uint16_t h) {
    uint32_t w = (uint32_t)h << 16, sign = w & 0x80000000u, two_w = w + w;
    float normal = rl_bits_f32((two_w >> 4) + (0xE0u << 23)) * 0x1.0p-112f;
    float denormal = rl_bits_f32((two_w >> 17) | (126u << 23)) - 0.5f;
    uint32_t r = two_w < (1u << 27) ? rl_f32_bits(denormal) : rl_f32_bits(normal);
    return rl_bits_f32(sign | r);
}

static inline uint16_t rl_f32_to_f16(float f) {
    float base = (fabsf(f) * 0x1.0p+112f) * 0x1.0p-110f;
    uint32_t w = rl_f32_bits(f), shl1 = w + w, sign = w & 0x80000000u, bias = shl1 & 0xFF000000u;
    if (bias < 0x71000000u) bias = 0x71000000u;
    base = rl_bits_f32((bias >> 1) + 0x07800000u) + base;
    uint32_t bits = rl_f32_bits(base), r = ((bits >> 13) & 0x7C00u) + (bits & 0x0FFFu);
    return (uint16_t)((sign >> 16) | (shl1 > 0xFF000000u ? 0x7E00u : r));
}

static inline float rl_bf16_to_f32(uint16_t b) { return rl_bits_f32((uint32_t)b << 16); }
static inline uint16_t rl_f32_to_bf16(float f) {
    uint32_t u = rl_f32_bits(f);
    if (f != f) return 0x7FC0;
    return (uint16_t)((u + 0x7FFF + ((u >> 16) & 1)) >> 16);
}

#define T_BOOL uint8_t
#define T_U8 uint8_t
#define T_I8 int8_t
#define T_I16 int16_t
#define T_I32 int32_t
#define T_I64 int64_t
#define T_U16 uint16_t
#define T_U32 uint32_t
#define T_U64 uint64_t
#define T_F16 uint16_t
#define T_BF16 uint16_t
#define T_F32 float
#define T_F64 double
#define T_C64 c64
#define T_C128 c128

#define A_BOOL uint8_t
#define A_U8 uint8_t
#define A_I8 int8_t
#define A_I16 int16_t
#define A_I32 int32_t
#define A_I64 int64_t
#define A_U16 uint16_t
#define A_U32 uint32_t
#define A_U64 uint64_t
#define A_F16 float
#define A_BF16 float
#define A_F32 float
#define A_F64 double
#define A_C64 c64
#define A_C128 c128

#define LD_BOOL(v) ((uint8_t)((v) != 0))
#define LD_U8(v) (v)
#define LD_I8(v) (v)
#define LD_I16(v) (v)
#define LD_I32(v) (v)
#define LD_I64(v) (v)
#define LD_U16(v) (v)
#define LD_U32(v) (v)
#define LD_U64(v) (v)
#define LD_F16(v) rl_f16_to_f32(v)
#define LD_BF16(v) rl_bf16_to_f32(v)
#define LD_F32(v) (v)
#define LD_F64(v) (v)
#define LD_C64(v) (v)
#define LD_C128(v) (v)

#define ST_BOOL(v) ((uint8_t)((v) != 0))
#define ST_U8(v) ((uint8_t)(v))
#define ST_I8(v) ((int8_t)(v))
#define ST_I16(v) ((int16_t)(v))
#define ST_I32(v) ((int32_t)(v))
#define ST_I64(v) ((int64_t)(v))
#define ST_U16(v) ((uint16_t)(v))
#define ST_U32(v) ((uint32_t)(v))
#define ST_U64(v) ((uint64_t)(v))
#define ST_F16(v) rl_f32_to_f16(v)
#define ST_BF16(v) rl_f32_to_bf16(v)
#define ST_F32(v) ((float)(v))
#define ST_F64(v) ((double)(v))
#define ST_C64(v) ((c64)(v))
#define ST_C128(v) ((c128)(v))

/* Complex products and quotients without C99's Annex G detours; the quotient after Smith (1962). */
static inline c64 rl_c64(float re, float im) { return __builtin_complex(re, im); }
static inline c128 rl_c128(double re, double im) { return __builtin_complex(re, im); }
#define RE(z) __real__(z)
#define IM(z) __imag__(z)
static inline c64 cmul_C64(c64 a, c64 b) { return rl_c64(RE(a) * RE(b) - IM(a) * IM(b), RE(a) * IM(b) + IM(a) * RE(b)); }
static inline c128 cmul_C128(c128 a, c128 b) { return rl_c128(RE(a) * RE(b) - IM(a) * IM(b), RE(a) * IM(b) + IM(a) * RE(b)); }
#define RL_CDIV(NAME, C, R, MAKE, ABS)                                       \
    static inline C NAME(C a, C b) {                                         \
        const R c = RE(b), d = IM(b);                                        \
        const int flat = ABS(c) >= ABS(d), zero = (c == 0) & (d == 0);       \
        const R big = flat ? c : d, small = flat ? d : c;                    \
        const R r = small / big, q = 1 / (big + small * r);                  \
        const R re = flat ? RE(a) + IM(a) * r : RE(a) * r + IM(a);           \
        const R im = flat ? IM(a) - RE(a) * r : IM(a) * r - RE(a);           \
        return MAKE(zero ? RE(a) / ABS(c) : re * q, zero ? IM(a) / ABS(d) : im * q); \
    }
RL_CDIV(cdiv_C64, c64, float, rl_c64, fabsf)
RL_CDIV(cdiv_C128, c128, double, rl_c128, fabs)

#if defined(__clang__)
#define RL_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define RL_IVDEP _Pragma("GCC ivdep")
#else
#define RL_IVDEP
#endif
#endif
