/* vmath_pow.h -- powers, for vmath.h, which includes this file. */

/* 2^(y log2|x|) in float64, so that one rounding, the last, makes the result; then the sign and the
 * special values of C11 F.10.4.4. */
VM_INLINE float vm_powf(float x, float y)
{
    const uint64_t sqrt_half = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000;
    const float inf = (float)INFINITY;
    float ax = __builtin_fabsf(x), ay = __builtin_fabsf(y);
    double a = ax;
    uint64_t u = vm_bits(a) + (one - sqrt_half);
    double e = vm_from((u >> 52) | 0x4330000000000000) - (0x1p52 + 1023.0);
    double f = vm_from((u & 0xfffffffffffff) + sqrt_half) - 1.0;
    double s = f / (2.0 + f), z = s * s, q = 0.34075936912690363; /* log2(1 + f) / s */
    q = VM_FMA(q, z, 0.41167113361460739);
    q = VM_FMA(q, z, 0.57708361160386079);
    q = VM_FMA(q, z, 0.96179667319985662);
    q = VM_FMA(q, z, 2.8853900817902032);
    double l = VM_FMA(q, s, e);
    l = ax == 0.0f ? -(double)INFINITY : l;
    l = ax < inf ? l : a;

    /* Masks instead of selects: a chain of selects on related conditions is threaded into jumps by
     * GCC and then no longer vectorised. */
    float bounded = vm_fromf(vm_bitsf(y) & -(uint32_t)(ay < 0x1p24f)); /* from 2^24 on y is even */
    int32_t whole = (int32_t)bounded;
    float fraction = bounded - (float)whole;
    uint32_t odd = (uint32_t)whole << 31 & -(uint32_t)(fraction == 0.0f);

    double w = l * y;
    w = w > 200.0 ? 200.0 : w;                                  /* there the result is infinite ... */
    w = w < -200.0 ? -200.0 : w;                                /* ... or 0 */
    w = (x < 0.0f) & (ax < inf) & (fraction != 0.0f) ? (double)NAN : w;
    w = (ax == 1.0f) & (ay == inf) ? 0.0 : w;                   /* (-1)^inf = 1 */
    w = (x == 1.0f) | (y == 0.0f) ? 0.0 : w;                    /* even for NaN */
    float r = (float)vm_exp2_polyf(w);
    return vm_fromf(vm_bitsf(r) ^ (vm_bitsf(x) & odd));
}

#if defined(__FMA__) || defined(__AVX512F__) || defined(__ARM_FEATURE_FMA)
/* 2^(y (log2(x) - less)) for normal x > 0 and |y| <= 2^66, the logarithm and its product with y in two parts each: the steps are
 * those of FDLIBM, e_pow.c, the exact products those of fused operations.  Error below 0.95 ulp. */
VM_INLINE double vm_pow_normal(double x, double less, double y)
{
    /* x = 2^n m with m / b in [sqrt(2/3), sqrt(3/2)), b being 1 or 3/2, whose logarithm has two parts; n takes in the first */
    uint64_t u = vm_bits(x);
    double n = vm_from((u >> 52) | 0x4330000000000000) - less, m = vm_from((u & 0xfffffffffffff) | 0x3ff0000000000000);
    int upper = m >= 1.7320508075688772, middle = (m >= 1.2247448713915889) & (m < 1.7320508075688772);
    m = upper ? m * 0.5 : m;
    n += upper ? 1.0 : middle ? 5.84962487220764160156e-01 : 0.0;
    double b = middle ? 1.5 : 1.0, b_lo = middle ? 1.3500392021297489e-8 : 0.0;

    /* log2(m / b) = 2 / (3 log 2) s (3 + s^2 + ...) with s = (m - b) / (m + b) */
    double d = m - b, a = m + b, v = 1.0 / a, s = d * v;
    double s_lo = v * (VM_FMA(-s, a, d) - s * (m - (a - b))), z = s * s;
    double q = 2.06975017800338417784e-01;
    q = VM_FMA(q, z, 2.30660745775561754067e-01);
    q = VM_FMA(q, z, 2.72728123808534006489e-01);
    q = VM_FMA(q, z, 3.33333329818377432918e-01);
    q = VM_FMA(q, z, 4.28571428578550184252e-01);
    q = VM_FMA(q, z, 5.99999999999994648725e-01);
    q = VM_FMA(z * z, q, VM_FMA(s, s, -z) + 2.0 * s * s_lo);
    double more = z + q, three = 3.0 + more, three_lo = (more - (three - 3.0)) + ((z - more) + q);
    double p = s * three, p_lo = VM_FMA(s, three, -p) + VM_FMA(s_lo, three, s * three_lo);
    double w = 0.9617966939259756 * p;
    double w_lo = VM_FMA(0.9617966939259756, p, -w) + VM_FMA(0.9617966939259756, p_lo, 5.0577616648125906e-17 * p) + b_lo;
    double sum = n + w, sum_lo = (w - (sum - n)) + w_lo, l = sum + sum_lo, l_lo = sum_lo - (l - sum);

    p = y * l;
    p_lo = VM_FMA(y, l, -p) + y * l_lo;
    p_lo = __builtin_fabs(p) < 1100.0 ? p_lo : 0.0;
    p = vm_clamp(p, -1100.0, 1100.0);
    double t = p + VM_ROUND, f = p - (t - VM_ROUND), e = f * 0.69314718055994529;
    double rest = VM_FMA(f, 0.69314718055994529, -e) + VM_FMA(p_lo, 0.69314718055994529, f * 2.3190468138462996e-17);
    double g = e + rest, g_lo = rest - (g - e);
    return vm_scale(1.0 + (g + VM_FMA(g * g, vm_exp_tail(g), g_lo)), vm_bits(t));
}

VM_INLINE int vm_pow_is_near(double x, double y) { return (x >= 0x1p-1022) & (x < (double)INFINITY) & (__builtin_fabs(y) < 0x1p66); }
VM_INLINE double vm_pow_near(double x, double y) { return vm_pow_normal(x, 0x1p52 + 1023.0, y); }

/* Every x and y, with the bits of the near form where that holds: the sign and the special values of C11 F.10.4.4. */
VM_INLINE double vm_pow(double x, double y)
{
    const double inf = (double)INFINITY;
    double ax = __builtin_fabs(x), ay = __builtin_fabs(y);
    int small = ax < 0x1p-1022, end = (ax == 0.0) | (ax == inf);
    double bounded = ay > 0x1p66 ? __builtin_copysign(0x1p66, y) : y; /* as good as infinite */
    double r = vm_pow_normal(small ? ax * 0x1p54 : ax, small ? 0x1p52 + 1077.0 : 0x1p52 + 1023.0, bounded);
    r = end ? ((ax == 0.0) == (y > 0.0) ? 0.0 : inf) : r;
    double half = 0.5 * ay;
    int whole = (ay >= 0x1p52) | ((ay + 0x1p52) - 0x1p52 == ay);
    int odd = whole & (ay < 0x1p53) & ((half + 0x1p52) - 0x1p52 != half);
    r = (x < 0.0) & (ax < inf) & !whole ? (double)NAN : r;
    r = (x != x) | (y != y) ? x + y : r;
    r = (ax == 1.0) & (ay == inf) ? 1.0 : r;                    /* (-1)^inf = 1 */
    r = (x == 1.0) | (y == 0.0) ? 1.0 : r;                      /* even for NaN */
    return vm_from(vm_bits(r) ^ (odd ? vm_bits(x) & 0x8000000000000000 : 0));
}
#else
VM_INLINE double vm_pow(double x, double y) { return pow(x, y); }
VM_INLINE int vm_pow_is_near(double x, double y) { return 0; }
VM_INLINE double vm_pow_near(double x, double y) { return pow(x, y); }
#endif
