/* vmath.h -- elementary functions that compilers vectorise.
 *
 * Each vm_* function is straight-line scalar C: no calls, no tables, no branches, only arithmetic,
 * bit casts and selects (four float64 functions excepted, see vmath_f64.h).  A loop
 *     for (i = 0; i < n; i++) out[i] = vm_expf(in[i]);
 * therefore becomes SIMD code on whatever target the including file is compiled for, and the elements
 * left over at its end go through the same arithmetic: a result never depends on an element's
 * position.  It may differ in the last bits between targets with and without fused multiply-add.
 *
 * Compile with -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off and never with -ffast-math:
 * the rounding tricks and the compensated sums below need the operations as they are written.
 *
 * Common ground of the algorithms (each function names what is particular to it):
 *   - Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed. (2018), chapters 10 and 11:
 *     argument reduction by Cody and Waite, TwoSum, splitting of constants.
 *   - S. Moshier, Cephes Mathematical Library; Sun Microsystems, FDLIBM: which reduction to use
 *     where.
 *   - The polynomial coefficients are minimax fits (Remez) made for this file on the intervals
 *     stated beside them, unless another source is named.
 *
 * Errors are below 2 ulp, for most functions below 1.5, unless a function says otherwise.
 */
#ifndef RL_VMATH_H
#define RL_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* The fused forms are an optimisation only: every function keeps its error bound without them. */
#if defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
#define VM_FMA(a, b, c) __builtin_fma(a, b, c)
#define VM_FMAF(a, b, c) __builtin_fmaf(a, b, c)
#else
#define VM_FMA(a, b, c) ((a) * (b) + (c))
#define VM_FMAF(a, b, c) ((a) * (b) + (c))
#endif

/* A call in a loop keeps it from becoming SIMD code, and compilers would rather call than inline a long
 * function that is used twice in one expression. */
#define VM_INLINE static inline __attribute__((always_inline))

/* Adding and subtracting 1.5 * 2^(p-1) rounds to the nearest integer and, in between, leaves that
 * integer in two's complement in the low bits of the representation.  Unlike a conversion it exists
 * for float64 in every instruction set.  Valid for |x| < 2^(p-2). */
#define VM_ROUNDF 0x1.8p23f
#define VM_ROUND 0x1.8p52

VM_INLINE uint32_t vm_bitsf(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
VM_INLINE float vm_fromf(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }
VM_INLINE uint64_t vm_bits(double x) { uint64_t u; memcpy(&u, &x, sizeof u); return u; }
VM_INLINE double vm_from(uint64_t u) { double x; memcpy(&x, &u, sizeof x); return x; }

/* 2.0 or 0.0: SSE2 can compare doubles but not 64-bit integers. */
VM_INLINE double vm_odd(uint64_t n) { return vm_from(n << 62 & 0x4000000000000000); }

#include "vmath_f64.h"
#include "vmath_f32.h"
#include "vmath_pow.h"
#include "vmath_units.h"
#include "vmath_division.h"
#include "vmath_special.h"

#undef VM_ROUNDF
#undef VM_ROUND
#undef VM_INLINE

#endif
