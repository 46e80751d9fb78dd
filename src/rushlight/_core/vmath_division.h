/* vmath_division.h -- remainders for vmath.h, which includes this file: exact where the quotient is not too large, which the
 * *_is_near functions tell; kernels send blocks that hold anything else through libm.
 *
 * Let n be the whole part of the rounded quotient a / b.  Rounding to nearest is monotonic and n is a number of the dtype, so n
 * is never below the whole part of the true quotient, and at most one above it; for |a| < |b| it is 0.  Then |a - n b| < |b|,
 * and a - n b is a multiple of the last place of b (of a, where that is the smaller one), hence a number of the dtype itself:
 * one fused operation gives it without error.  Where n was one too large, its sign is not that of a, and adding |b| with the
 * sign of a is exact for the same reason.
 */

#if defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
#define VM_FMOD_NEAR(REAL, SUFFIX, FMA, LIMIT)                                                         \
    VM_INLINE int vm_fmod_is_near##SUFFIX(REAL a, REAL b)                                              \
    {                                                                                                  \
        REAL size = __builtin_fabs##SUFFIX(b);                                                         \
        return (__builtin_fabs##SUFFIX(a) < size * LIMIT) & (size < (REAL)INFINITY);                   \
    }                                                                                                  \
    VM_INLINE REAL vm_fmod_near##SUFFIX(REAL a, REAL b)                                                \
    {                                                                                                  \
        REAL n = __builtin_trunc##SUFFIX(a / b), r = FMA(-n, b, a);                                    \
        REAL back = r + __builtin_copysign##SUFFIX(b, a);                                              \
        r = (r != 0) & ((r < 0) != (a < 0)) ? back : r;                                                \
        return __builtin_copysign##SUFFIX(r, a);                                                       \
    }
VM_FMOD_NEAR(float, f, VM_FMAF, 0x1p22f)
VM_FMOD_NEAR(double, , VM_FMA, 0x1p51)
#undef VM_FMOD_NEAR
#else
/* Without a fused operation float32 goes through float64.  A quotient below 2^29 of numbers of 24 bits differs from a whole
 * number by 2^-24 at least if at all, more than it is rounded by; n b has 53 bits at most. */
VM_INLINE int vm_fmod_is_nearf(float a, float b)
{
    float size = __builtin_fabsf(b);
    return (__builtin_fabsf(a) < size * 0x1p29f) & (size < (float)INFINITY);
}
VM_INLINE float vm_fmod_nearf(float a, float b)
{
    double x = a, y = b, r = x - (double)(int32_t)(x / y) * y;
    return __builtin_copysignf((float)r, a);
}
VM_INLINE int vm_fmod_is_near(double a, double b) { return 1; }
VM_INLINE double vm_fmod_near(double a, double b) { return fmod(a, b); }
#endif

/* Python's remainder, with the sign of the divisor, and its whole quotient, by the steps of PyTorch (div_floor_floating). */
#define VM_FLOORED(REAL, SUFFIX)                                                                       \
    VM_INLINE int vm_pymod_is_near##SUFFIX(REAL a, REAL b) { return vm_fmod_is_near##SUFFIX(a, b); }   \
    VM_INLINE int vm_floordiv_is_near##SUFFIX(REAL a, REAL b) { return vm_fmod_is_near##SUFFIX(a, b); } \
    VM_INLINE REAL vm_pymod_near##SUFFIX(REAL a, REAL b)                                               \
    {                                                                                                  \
        REAL m = vm_fmod_near##SUFFIX(a, b);                                                           \
        return (m != 0) & ((b < 0) != (m < 0)) ? m + b : m;                                            \
    }                                                                                                  \
    VM_INLINE REAL vm_floordiv_near##SUFFIX(REAL a, REAL b)                                            \
    {                                                                                                  \
        REAL m = vm_fmod_near##SUFFIX(a, b), d = (a - m) / b;                                          \
        d -= (m != 0) & ((b < 0) != (m < 0)) ? (REAL)1 : (REAL)0;                                      \
        REAL f = __builtin_floor##SUFFIX(d), zero = __builtin_copysign##SUFFIX((REAL)0, a / b);        \
        f += d - f > (REAL)0.5 ? (REAL)1 : (REAL)0;                                                    \
        return d == 0 ? zero : f;                                                                      \
    }
VM_FLOORED(float, f)
VM_FLOORED(double, )
#undef VM_FLOORED
