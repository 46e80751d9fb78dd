/* kernel_helpers.h -- small scalar functions that kernel expressions of the table may name. */
#ifndef RL_KERNEL_HELPERS_H
#define RL_KERNEL_HELPERS_H
#include "special.h"
#include "types.h"
#include "vmath.h"
#include <limits.h>
#include <math.h>
#include <stdint.h>

/* Python's floor division and remainder: the remainder has the sign of the divisor. */
static inline int64_t floordiv_int(int64_t a, int64_t b) {
    if (b == 0) return 0; /* the wrapper has raised ZeroDivisionError where PyTorch does */
    if (b == -1) return (int64_t)(0 - (uint64_t)a);
    int64_t q = a / b;
    return q * b != a && ((a < 0) != (b < 0)) ? q - 1 : q;
}
static inline int64_t mod_int(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && ((r < 0) != (b < 0)) ? r + b : r;
}
static inline int64_t fmod_int(int64_t a, int64_t b) { return b == 0 || b == -1 ? 0 : a % b; }
/* The same by way of float64 where both are below 2^50 and the divisor is not 0.  A quotient that is not whole differs from
 * whole numbers by 1 / |b| at least, more than the 2^-53 |a / b| that it may be rounded by; the conversions are those of
 * VM_ROUND, which every instruction set can do to vectors. */
#define INT_SHIFT 0x4338000000000000
static inline int int_is_near(int64_t a, int64_t b) {
    const uint64_t span = (uint64_t)1 << 50;
    return ((((uint64_t)a + span) | ((uint64_t)b + span)) >> 51 == 0) & (b != 0);
}
static inline double int_to_real(int64_t v) { return vm_from((uint64_t)v + INT_SHIFT) - 0x1.8p52; }
static inline int64_t real_to_int(double d) { return (int64_t)(vm_bits(d + 0x1.8p52) - INT_SHIFT); }
static inline int64_t floordiv_int_near(int64_t a, int64_t b) { return real_to_int(floor(int_to_real(a) / int_to_real(b))); }
static inline int64_t truncdiv_int_near(int64_t a, int64_t b) { return real_to_int(trunc(int_to_real(a) / int_to_real(b))); }
static inline int64_t mod_int_near(int64_t a, int64_t b) {
    const double x = int_to_real(a), y = int_to_real(b);
    return real_to_int(x - floor(x / y) * y);
}
static inline int64_t fmod_int_near(int64_t a, int64_t b) {
    const double x = int_to_real(a), y = int_to_real(b);
    return real_to_int(x - trunc(x / y) * y);
}
#undef INT_SHIFT
static inline int64_t truncdiv_int(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b; }
static inline double floordiv_real(double a, double b) {
    if (b == 0) return a / b;
    double m = fmod(a, b), d = (a - m) / b;
    if (m != 0 && ((b < 0) != (m < 0))) d -= 1;
    if (d == 0) return copysign(0.0, a / b);
    double f = floor(d);
    return d - f > 0.5 ? f + 1 : f;
}
static inline double mod_real(double a, double b) {
    double m = fmod(a, b);
    return m != 0 && ((b < 0) != (m < 0)) ? m + b : m;
}
static inline float floordiv_realf(float a, float b) {
    if (b == 0) return a / b;
    float m = fmodf(a, b), d = (a - m) / b;
    if (m != 0 && ((b < 0) != (m < 0))) d -= 1;
    if (d == 0) return copysignf(0.0f, a / b);
    float f = floorf(d);
    return d - f > 0.5f ? f + 1 : f;
}
static inline float mod_realf(float a, float b) {
    float m = fmodf(a, b);
    return m != 0 && ((b < 0) != (m < 0)) ? m + b : m;
}
static inline int64_t pow_int(int64_t a, int64_t b) {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    uint64_t r = 1, base = (uint64_t)a;
    for (; b; b >>= 1, base *= base) if (b & 1) r *= base;
    return (int64_t)r;
}
static inline int64_t gcd_int(int64_t a, int64_t b) {
    while (b) { int64_t t = a % b; a = b; b = t; }
    return a < 0 ? -a : a;
}
/* A step in the last place of a half-precision number, whose bits as an integer are in the order of its magnitude. */
#define NEXTAFTER(D, READ, WRITE)                                                     \
    static inline float nextafter_##D(float a, float b) {                             \
        if (a != a || b != b) return a + b;                                           \
        if (a == b) return b;                                                         \
        if (a == 0) return copysignf(READ(1), b);                                     \
        return READ((uint16_t)(WRITE(a) + ((a < b) == (a > 0) ? 1 : -1)));            \
    }
NEXTAFTER(f16, rl_f16_to_f32, rl_f32_to_f16)
NEXTAFTER(bf16, rl_bf16_to_f32, rl_f32_to_bf16)
#undef NEXTAFTER
/* log(exp(a) + exp(b)) around the one of larger real part. A term of 0 (real part -inf) has no angle, NaN spreads to both parts. */
static inline double complex log_add_complex(double complex a, double complex b) {
    if (isnan(creal(a)) || isnan(cimag(a)) || isnan(creal(b)) || isnan(cimag(b))) return rl_c128(NAN, NAN);
    const double complex low = creal(a) < creal(b) ? a : b, top = creal(a) < creal(b) ? b : a;
    if (isinf(creal(top)) && creal(top) == creal(low)) return creal(top) < 0 ? low : clog(cexp(low) + cexp(top));
    const double complex ratio = cexp(low - top);
    const double re = creal(ratio), im = cimag(ratio);
    return top + rl_c128(log1p(re * (2 + re) + im * im) / 2, atan2(im, 1 + re));
}
/* Shifts by less than the width of the dtype, in no more bits than that takes; the mask says so to the compiler. */
static inline int32_t shl_32(int32_t a, int32_t b) { return (int32_t)((uint32_t)a << (b & 31)); }
static inline int64_t shl_64(int64_t a, int64_t b) { return (int64_t)((uint64_t)a << (b & 63)); }
static inline int32_t shr_32(int32_t a, int32_t b) { return a >> (b & 31); }
static inline int64_t shr_64(int64_t a, int64_t b) { return a >> (b & 63); }
#define shl(a, b) _Generic((a), int64_t: shl_64, default: shl_32)((a), (b))
#define shr(a, b) _Generic((a), int64_t: shr_64, default: shr_32)((a), (b))
/* z / |z|, 0 at 0. */
static inline c64 direction_c64(c64 z) {
    const float a = vm_hypotf(RE(z), IM(z)), q = 1 / a;
    return rl_c64(a == 0 ? 0 : RE(z) * q, a == 0 ? 0 : IM(z) * q);
}
static inline c128 direction_c128(c128 z) {
    const double a = vm_hypot(RE(z), IM(z)), q = 1 / a;
    return rl_c128(a == 0 ? 0 : RE(z) * q, a == 0 ? 0 : IM(z) * q);
}
#define direction(z) _Generic((z), c64: direction_c64, c128: direction_c128)(z)
#define floordiv(a, b) _Generic((a), float: floordiv_realf, double: floordiv_real, default: floordiv_int)((a), (b))
#define pymod(a, b) _Generic((a), float: mod_realf, double: mod_real, default: mod_int)((a), (b))
#endif
