/* vmath_f32.h -- the float32 functions of vmath.h, which includes this file. */

/* ------------------------------------------------------------ exponentials */

/* exp(x) = 2^n exp(r) with |r| <= log(2)/2.  Returns r; *tail = exp(r) - 1 - r and *bits holds n, see
 * VM_ROUNDF.  For |x| < 2^13.  NaN in, NaN out. */
VM_INLINE float vm_exp_splitf(float x, float *tail, uint32_t *bits)
{
    float t = VM_FMAF(x, 1.44269502f, VM_ROUNDF), n = t - VM_ROUNDF;
    /* 0.693359375 has ten significant bits: n times it is exact. */
    float r = VM_FMAF(n, 2.12194440e-4f, VM_FMAF(n, -0.693359375f, x));
    float q = 0.00139505242f;                                   /* (exp(r) - 1 - r) / r^2 */
    q = VM_FMAF(q, r, 0.00836890843f);
    q = VM_FMAF(q, r, 0.041666206f);
    q = VM_FMAF(q, r, 0.166665182f);
    q = VM_FMAF(q, r, 0.5f);
    *bits = vm_bitsf(t);
    *tail = r * r * q;
    return r;
}

/* exp(r) - 1 in one piece. */
VM_INLINE float vm_exp_reducef(float x, uint32_t *bits)
{
    float tail, r = vm_exp_splitf(x, &tail, bits);
    return r + tail;
}

/* 2^n for -126 <= n <= 127. */
VM_INLINE float vm_pow2f(uint32_t n) { return vm_fromf((n + 127) << 23); }

/* y * 2^n in two steps, so that only the last one rounds (to a denormal) or overflows. */
VM_INLINE float vm_scalef(float y, uint32_t n)
{
    uint32_t half = n >> 1;    /* the bits of VM_ROUNDF above n leave with the shifts */
    return y * vm_pow2f(half) * vm_pow2f(n - half);
}

VM_INLINE float vm_clampf(float x, float lo, float hi)     /* keeps NaN */
{
    x = x > hi ? hi : x;
    return x < lo ? lo : x;
}

VM_INLINE float vm_expf(float x)
{
    uint32_t n;
    float p = vm_exp_reducef(vm_clampf(x, -104.0f, 89.0f), &n);
    return vm_scalef(1.0f + p, n);
}

VM_INLINE float vm_exp2f(float x)
{
    x = vm_clampf(x, -151.0f, 129.0f);
    float t = x + VM_ROUNDF, r = x - (t - VM_ROUNDF);
    float q = 0.000154762994f;                                  /* (2^r - 1) / r on [-1/2, 1/2] */
    q = VM_FMAF(q, r, 0.00134002697f);
    q = VM_FMAF(q, r, 0.00961800385f);
    q = VM_FMAF(q, r, 0.055503279f);
    q = VM_FMAF(q, r, 0.240226507f);
    q = VM_FMAF(q, r, 0.693147182f);
    return vm_scalef(VM_FMAF(q, r, 1.0f), vm_bitsf(t));
}

VM_INLINE float vm_expm1f(float x)
{
    uint32_t n;
    float tail, r = vm_exp_splitf(vm_clampf(x, -18.0f, 89.0f), &tail, &n);
    /* (2^n - 1 + 2^n r) + 2^n tail, with 2^n in two factors as in vm_scalef.  For n = 1, where the
     * sum cancels, the inner sum is exact. */
    uint32_t half = n >> 1;
    float s = vm_pow2f(half), y = VM_FMAF(s, tail, VM_FMAF(s, r, s - vm_pow2f(half - n)));
    return __builtin_copysignf(y * vm_pow2f(n - half), x);      /* for -0 */
}

/* exp(|x|) / 2 without overflow where the half itself is finite. */
VM_INLINE float vm_half_expf(float a)
{
    uint32_t n;
    float p = vm_exp_reducef(a > 90.0f ? 90.0f : a, &n);
    return vm_scalef(1.0f + p, n - 1);
}

VM_INLINE float vm_coshf(float x)
{
    float e = vm_half_expf(__builtin_fabsf(x));
    return e + 0.25f / e;
}

VM_INLINE float vm_sinhf(float x)
{
    float a = __builtin_fabsf(x), z = x * x;
    float e = vm_half_expf(a);
    float large = e - 0.25f / e;
    float q = 2.81743951e-06f;                                  /* (sinh(x) / x - 1) / x^2, |x| <= 1 */
    q = VM_FMAF(q, z, 0.000198360663f);
    q = VM_FMAF(q, z, 0.00833335053f);
    q = VM_FMAF(q, z, 0.166666672f);
    float small = VM_FMAF(a * z, q, a);
    return __builtin_copysignf(a < 1.0f ? small : large, x);
}

VM_INLINE float vm_tanhf(float x)
{
    float a = __builtin_fabsf(x), z = x * x;
    uint32_t n;
    float p = vm_exp_reducef(a > 10.0f ? 20.0f : 2.0f * a, &n);
    float e = vm_pow2f(n) * (1.0f + p);
    float large = 1.0f - 2.0f / (e + 1.0f);
    float q = -0.00571704516f;                                  /* (tanh(x) / x - 1) / x^2, |x| <= 0.625 */
    q = VM_FMAF(q, z, 0.020650588f);
    q = VM_FMAF(q, z, -0.0537434965f);
    q = VM_FMAF(q, z, 0.133314908f);
    q = VM_FMAF(q, z, -0.333332837f);
    float small = VM_FMAF(a * z, q, a);
    return __builtin_copysignf(a < 0.625f ? small : large, x);
}

/* 1 / (1 + exp(-x)), 0 where exp(-x) overflows as in PyTorch.  The sum is (1 + 2^n) + 2^n p, which
 * saves a rounding, and is held as its quarter, which keeps 2^n finite. `rest` is what 1 + 2^n lost
 * where 2^n is the larger; elsewhere it does no harm. */
VM_INLINE float vm_sigmoidf(float x)
{
    uint32_t n;
    float p = vm_exp_reducef(vm_clampf(-x, -80.0f, 89.0f), &n), s = vm_pow2f(n - 2);
    float sum = s + 0.25f, rest = 0.25f - (sum - s);
    float quarter = sum + VM_FMAF(s, p, rest);
    return x < -88.72283f ? 0.0f : 0.25f / quarter;
}

VM_INLINE float vm_sqrtf(float x) { return __builtin_sqrtf(x); }
VM_INLINE float vm_rsqrtf(float x) { return 1.0f / __builtin_sqrtf(x); }

/* ------------------------------------------------------------ logarithms */

/* x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for normal x > 0. */
VM_INLINE float vm_log_reducef(float x, int32_t *e)
{
    const uint32_t sqrt_half = 0x3f3504f3;
    uint32_t u = vm_bitsf(x) - sqrt_half;
    *e = (int32_t)u >> 23;
    return vm_fromf((u & 0x7fffff) + sqrt_half) - 1.0f;
}

/* The same for all x > 0: denormals are scaled first. */
VM_INLINE float vm_log_reduce_anyf(float x, float *e)
{
    int32_t k;
    float scaled = x < 0x1p-126f ? x * 0x1p23f : x;
    float f = vm_log_reducef(scaled, &k);
    *e = (float)k - (x < 0x1p-126f ? 23.0f : 0.0f);
    return f;
}

/* log(1 + f) - f for 1 + f in [sqrt(1/2), sqrt(2)]. */
VM_INLINE float vm_log_tailf(float f)
{
    float z = f * f, q = 0.069155246f;                          /* (log(1 + f) - f + f^2/2) / f^3 */
    q = VM_FMAF(q, f, -0.117898569f);
    q = VM_FMAF(q, f, 0.118729286f);
    q = VM_FMAF(q, f, -0.123843364f);
    q = VM_FMAF(q, f, 0.142186642f);
    q = VM_FMAF(q, f, -0.16669251f);
    q = VM_FMAF(q, f, 0.200022265f);
    q = VM_FMAF(q, f, -0.249999866f);
    q = VM_FMAF(q, f, 0.333333105f);
    return VM_FMAF(z * f, q, -0.5f * z);
}

/* What every logarithm does at 0, below it, at infinity and for NaN. */
VM_INLINE float vm_log_edgesf(float x, float y)
{
    y = x < (float)INFINITY ? y : x;
    return x > 0.0f ? y : x == 0.0f ? -(float)INFINITY : (float)NAN;
}

VM_INLINE float vm_logf(float x)
{
    float e, f = vm_log_reduce_anyf(x, &e), t = vm_log_tailf(f);
    float y = VM_FMAF(e, 0.693359375f, f + VM_FMAF(e, -2.12194440e-4f, t));
    return vm_log_edgesf(x, y);
}

VM_INLINE float vm_log2f(float x)
{
    float e, f = vm_log_reduce_anyf(x, &e), t = vm_log_tailf(f);
    float lo = VM_FMAF(t, 1.44269502f, f * 1.92596303e-08f);
    return vm_log_edgesf(x, e + VM_FMAF(f, 1.44269502f, lo));
}

VM_INLINE float vm_log10f(float x)
{
    float e, f = vm_log_reduce_anyf(x, &e), t = vm_log_tailf(f);
    float lo = VM_FMAF(t, 0.434294492f, VM_FMAF(f, -1.010305e-08f, e * 4.60503907e-06f));
    /* 0.301025391 has twelve significant bits: e times it is exact. */
    float y = VM_FMAF(e, 0.301025391f, VM_FMAF(f, 0.434294492f, lo));
    return vm_log_edgesf(x, y);
}

/* 1 + x = u + c exactly (TwoSum); c joins f scaled by 2^-e, so that for e = 0 f is x itself. */
VM_INLINE float vm_log1pf(float x)
{
    int32_t k;
    float u = 1.0f + x, back = u - 1.0f;
    float c = (1.0f - (u - back)) + (x - back);
    float f = vm_log_reducef(u, &k), e = (float)k;
    f = VM_FMAF(c, vm_pow2f(0u - (uint32_t)(k > 127 ? 127 : k)), f); /* beyond 2^127 c is 0 */
    float y = VM_FMAF(e, 0.693359375f, f + VM_FMAF(e, -2.12194440e-4f, vm_log_tailf(f)));
    return __builtin_copysignf(vm_log_edgesf(u, y), x);         /* for -0 */
}

/* ------------------------------------------------------------ trigonometric functions */

/* x = n pi/2 + r with |r| <= pi/4 (and a little) for every finite x, after Payne and Hanek (1983).
 * Returns r; *quadrant holds n mod 4 in its low bits.
 *
 * x is a multiple of 2^(lo-23) if |x| >= 2^lo, so the bits of 2/pi whose product with it is a
 * multiple of 4 may be left out; five ranges of x then need no more than two pieces of 29 bits,
 * whose products with x are exact in float64, and a third one rounded. */
VM_INLINE double vm_trig_reducef(float xf, uint64_t *quadrant)
{
    double x = xf, a = __builtin_fabs(x);
    double c0 = 0x1.45f306dp-1, c1 = 0x1.9391054p-30, c2 = 0x1.4fe13abe8fa9ap-59;
    c0 = a >= 0x1p28 ? 0x1.7cc1b7p-7 : c0;
    c1 = a >= 0x1p28 ? 0x1.391054ap-34 : c1;
    c2 = a >= 0x1p28 ? 0x1.fc2757d1f534cp-64 : c2;
    c0 = a >= 0x1p53 ? 0x1.c9c882ap-29 : c0;
    c1 = a >= 0x1p53 ? 0x1.4fe13aap-59 : c1;
    c2 = a >= 0x1p53 ? 0x1.e8fa9a6ee06dbp-87 : c2;
    c0 = a >= 0x1p78 ? 0x1.4a7f09dp-54 : c0;
    c1 = a >= 0x1p78 ? 0x1.7d1f534p-84 : c1;
    c2 = a >= 0x1p78 ? 0x1.bb81b6c52b326p-113 : c2;
    c0 = a >= 0x1p103 ? 0x1.abe8fa9p-79 : c0;
    c1 = a >= 0x1p103 ? 0x1.4ddc0dbp-108 : c1;
    c2 = a >= 0x1p103 ? 0x1.8a5664f10e41p-138 : c2;
    double y0 = x * c0, y1 = x * c1;
    double t0 = y0 + VM_ROUND;
    y0 -= t0 - VM_ROUND;
    double t1 = (y0 + y1) + VM_ROUND;
    y0 -= t1 - VM_ROUND;
    *quadrant = vm_bits(t0) + vm_bits(t1);
    return VM_FMA(x, c2, y0 + y1) * 1.5707963267948966;
}

/* The same for |x| < VM_NEARF, at a quarter of the price.  pi/2 is split after 33 bits, and n has no more than 20: the first
 * product and its difference from x are exact (Cody and Waite). */
#define VM_NEARF 0x1p20f
VM_INLINE int vm_trig_is_nearf(float x) { return __builtin_fabsf(x) < VM_NEARF; }

VM_INLINE double vm_trig_near(double x, uint64_t *quadrant)
{
    double t = VM_FMA(x, 0.63661977236758134, VM_ROUND), n = t - VM_ROUND;
    *quadrant = vm_bits(t);
    return VM_FMA(n, -0x1.0b4611a626331p-34, x - n * 0x1.921fb544p+0);
}

/* sin(r + quadrant * pi/2) for |r| <= pi/4 (and a little). */
VM_INLINE float vm_sin_quadrantf(float r, uint32_t quadrant)
{
    float z = r * r, s = 2.7183079e-06f, c = 2.43904099e-05f;
    s = VM_FMAF(s, z, -0.000198393344f);
    s = VM_FMAF(s, z, 0.00833332938f);
    s = VM_FMAF(s, z, -0.166666666f);
    s = __builtin_copysignf(VM_FMAF(r * z, s, r), r);           /* for -0 */
    c = VM_FMAF(c, z, -0.00138867634f);
    c = VM_FMAF(c, z, 0.0416666233f);
    c = VM_FMAF(c, z, -0.499999997f);
    c = VM_FMAF(c, z, 1.0f);
    return vm_fromf(vm_bitsf(quadrant & 1 ? c : s) ^ quadrant >> 1 << 31);
}

VM_INLINE float vm_sin_nearf(float x)
{
    uint64_t quadrant;
    double r = vm_trig_near(x, &quadrant);
    return vm_sin_quadrantf((float)r, (uint32_t)quadrant);
}

VM_INLINE float vm_cos_nearf(float x)
{
    uint64_t quadrant;
    double r = vm_trig_near(x, &quadrant);
    return vm_sin_quadrantf((float)r, (uint32_t)quadrant + 1);
}

/* Every x, with the bits of the near form where that holds. */
VM_INLINE float vm_sin_shiftedf(float x, uint32_t shift)
{
    uint64_t quadrant, far_quadrant;
    double r = vm_trig_near(x, &quadrant), far_r = vm_trig_reducef(x, &far_quadrant);
    r = __builtin_fabs((double)x) < VM_NEARF ? r : far_r;
    quadrant = __builtin_fabs((double)x) < VM_NEARF ? quadrant : far_quadrant;
    return vm_sin_quadrantf((float)r, (uint32_t)quadrant + shift);
}

VM_INLINE float vm_sinf(float x) { return vm_sin_shiftedf(x, 0); }

VM_INLINE float vm_cosf(float x) { return vm_sin_shiftedf(x, 1); }

/* tan(r + quadrant * pi/2). */
VM_INLINE float vm_tan_quadrantf(double r, uint64_t quadrant)
{
    double z = r * r;
    double q = 0.004414335150415334;                            /* (tan(r) / r - 1) / r^2 */
    q = VM_FMA(q, z, 8.6353187292399303e-06);
    q = VM_FMA(q, z, 0.010903027072531296);
    q = VM_FMA(q, z, 0.021254729718171061);
    q = VM_FMA(q, z, 0.05406558418106857);
    q = VM_FMA(q, z, 0.1333260958877438);
    q = VM_FMA(q, z, 0.33333351450750082);
    double y = r * VM_FMA(q, z, 1.0);
    return (float)(vm_odd(quadrant) != 0.0 ? -1.0 / y : y);
}

VM_INLINE float vm_tan_nearf(float x)
{
    uint64_t quadrant;
    double r = vm_trig_near(x, &quadrant);
    return vm_tan_quadrantf(r, quadrant);
}

VM_INLINE float vm_tanf(float x)
{
    uint64_t quadrant, far_quadrant;
    double r = vm_trig_near(x, &quadrant), far_r = vm_trig_reducef(x, &far_quadrant);
    r = vm_trig_is_nearf(x) ? r : far_r;
    quadrant = vm_trig_is_nearf(x) ? quadrant : far_quadrant;
    return vm_tan_quadrantf(r, quadrant);
}

/* ------------------------------------------------------------ their inverses */

/* asin(s) - s for 0 <= s <= 1/2, z = s^2. */
VM_INLINE float vm_asin_tailf(float s, float z)
{
    float q = 0.0422185659f;
    q = VM_FMAF(q, z, 0.0241476018f);
    q = VM_FMAF(q, z, 0.0454770997f);
    q = VM_FMAF(q, z, 0.0749524161f);
    q = VM_FMAF(q, z, 0.166667536f);
    return s * z * q;
}

/* asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)) above 1/2. */
VM_INLINE float vm_asinf(float x)
{
    float a = __builtin_fabsf(x), big = 0.5f * (1.0f - a);
    float z = a > 0.5f ? big : a * a;
    float s = a > 0.5f ? __builtin_sqrtf(big) : a;
    float tail = vm_asin_tailf(s, z);
    float large = 1.57079637f - (2.0f * s + (2.0f * tail + 4.37113883e-08f));
    return __builtin_copysignf(a > 0.5f ? large : s + tail, x);
}

VM_INLINE float vm_acosf(float x)
{
    float a = __builtin_fabsf(x), big = 0.5f * (1.0f - a);
    float z = a > 0.5f ? big : a * a;
    float s = a > 0.5f ? __builtin_sqrtf(big) : a;
    float tail = vm_asin_tailf(s, z);
    float large = 2.0f * (s + tail);
    large = x < 0.0f ? 3.14159274f - (large + 8.74227766e-08f) : large;
    float small = 1.57079637f - __builtin_copysignf(s, x);
    float small_lo = (1.57079637f - small) - __builtin_copysignf(s, x);
    small += small_lo - 4.37113883e-08f - __builtin_copysignf(tail, x);
    return a > 0.5f ? large : small;
}

/* atan(q) for 0 <= q <= 1. */
VM_INLINE float vm_atan_polyf(float q)
{
    float z = q * q, p = 0.00297458842f;
    p = VM_FMAF(p, z, -0.0165811758f);
    p = VM_FMAF(p, z, 0.0435535274f);
    p = VM_FMAF(p, z, -0.0758057758f);
    p = VM_FMAF(p, z, 0.106789403f);
    p = VM_FMAF(p, z, -0.142142087f);
    p = VM_FMAF(p, z, 0.199941367f);
    p = VM_FMAF(p, z, -0.333331674f);
    return VM_FMAF(q * z, p, q);
}

VM_INLINE float vm_atanf(float x)
{
    float a = __builtin_fabsf(x);
    float t = vm_atan_polyf(a > 1.0f ? 1.0f / a : a);
    return __builtin_copysignf(a > 1.0f ? 1.57079637f - (t + 4.37113883e-08f) : t, x);
}

/* The angle of the smaller leg over the larger, then moved to its octant. */
VM_INLINE float vm_atan2f(float y, float x)
{
    float ax = __builtin_fabsf(x), ay = __builtin_fabsf(y);
    float num = ay > ax ? ax : ay, den = ay > ax ? ay : ax;
    float q = num / den;
    q = num == den ? 1.0f : q;                                  /* inf / inf */
    q = num + den == 0.0f ? 0.0f : q;
    float t = vm_atan_polyf(q);
    float negative = __builtin_copysignf(1.0f, x);
    float base = negative < 0.0f ? 3.14159274f : 0.0f, base_lo = negative < 0.0f ? 8.74227766e-08f : 0.0f;
    float turn = ay > ax ? -negative : negative;
    base = ay > ax ? 1.57079637f : base;
    base_lo = ay > ax ? 4.37113883e-08f : base_lo;
    return __builtin_copysignf(base + (turn * t - base_lo), y);
}

/* log(1 + t) with t = |x| + x^2 / (1 + sqrt(1 + x^2)); log(2 |x|) where t might overflow.  These
 * three find their t in float64: its own error would otherwise add up to that of log1p. */
VM_INLINE float vm_asinhf(float x)
{
    double a = __builtin_fabs((double)x), z = a * a;
    double t = a + z / (1.0 + __builtin_sqrt(1.0 + z));
    float y = vm_log1pf((float)(a > 0x1p40 ? a : t));
    return __builtin_copysignf(a > 0x1p40 ? y + 0.693147182f : y, x);
}

VM_INLINE float vm_acoshf(float x)
{
    double t = (double)x - 1.0;
    float y = vm_log1pf((float)(x > 0x1p40f ? x : t + __builtin_sqrt(t * (t + 2.0))));
    y = x > 0x1p40f ? y + 0.693147182f : y;
    return x < 1.0f ? (float)NAN : y;
}

VM_INLINE float vm_atanhf(float x)
{
    double a = __builtin_fabs((double)x);
    return __builtin_copysignf(0.5f * vm_log1pf((float)(2.0 * a / (1.0 - a))), x);
}

/* ------------------------------------------------------------ error functions */

/* Below 1 a polynomial; above it 1 - exp(-g) with g = -log(erfc), whose error counts only with the
 * weight erfc <= 0.16. */
VM_INLINE float vm_erff(float x)
{
    float a = __builtin_fabsf(x), z = x * x;
    float q = 7.88912148e-05f;                                  /* erf(x) / x - 1, |x| <= 1 */
    q = VM_FMAF(q, z, -0.000802084163f);
    q = VM_FMAF(q, z, 0.00518953521f);
    q = VM_FMAF(q, z, -0.0268544443f);
    q = VM_FMAF(q, z, 0.112836003f);
    q = VM_FMAF(q, z, -0.37612626f);
    q = VM_FMAF(q, z, 0.128379166f);
    float small = VM_FMAF(a, q, a);
    float t = a > 4.0f ? 4.0f : a, g = -0.000185573881f;        /* on [1, 4] */
    g = VM_FMAF(g, t, 0.00293960609f);
    g = VM_FMAF(g, t, -0.0218053143f);
    g = VM_FMAF(g, t, 0.103037357f);
    g = VM_FMAF(g, t, 0.638225675f);
    g = VM_FMAF(g, t, 1.12704003f);
    g = VM_FMAF(g, t, 0.000353720447f);
    uint32_t n;
    float p = vm_exp_reducef(-g, &n);
    float large = 1.0f - vm_pow2f(n) * (1.0f + p);
    return __builtin_copysignf(a < 1.0f ? small : large, x);
}

/* 2^w in float64, |w| <= 1000, to the accuracy of float32. */
VM_INLINE double vm_exp2_polyf(double w)
{
    double t = w + VM_ROUND, r = w - (t - VM_ROUND), q = 1.5314947031192093e-05;
    q = VM_FMA(q, r, 0.00015467110142025121);                   /* (2^r - 1) / r on [-1/2, 1/2] */
    q = VM_FMA(q, r, 0.0013333430786797579);
    q = VM_FMA(q, r, 0.0096180369116390975);
    q = VM_FMA(q, r, 0.055504109625718404);
    q = VM_FMA(q, r, 0.24022651075846002);
    q = VM_FMA(q, r, 0.69314718054165303);
    return VM_FMA(q, r, 1.0) * vm_from((vm_bits(t) + 1023) << 52);
}

/* exp(-x^2) times erfcx, in float64, where x^2 is exact.  (1 + 2a) erfcx(a) is smooth in
 * u = (a - 4) / (a + 4): Shepherd and Laframboise, Math. Comp. 36 (1981). */
VM_INLINE float vm_erfcf(float x)
{
    double a = __builtin_fabs((double)x);
    a = a > 11.0 ? 11.0 : a;
    double u = (a - 4.0) / (a + 4.0), q = -0.0006215563407808907;
    q = VM_FMA(q, u, -0.0010692220889147249);
    q = VM_FMA(q, u, 0.0051168405398416411);
    q = VM_FMA(q, u, -0.01600837664080389);
    q = VM_FMA(q, u, 0.037199507762650186);
    q = VM_FMA(q, u, -0.066366714140795327);
    q = VM_FMA(q, u, 0.093722634805147753);
    q = VM_FMA(q, u, -0.10103619159921261);
    q = VM_FMA(q, u, 0.06809788716383107);
    q = VM_FMA(q, u, 0.015379564652529959);
    q = VM_FMA(q, u, -0.13962113353807892);
    q = VM_FMA(q, u, 1.2329951191424138);
    double y = q * vm_exp2_polyf(-1.4426950408889634 * a * a) / (1.0 + 2.0 * a);
    return (float)(x < 0.0f ? 2.0 - y : y);
}
