/* vmath_f64.h -- the float64 functions of vmath.h, which includes this file.
 *
 * sin, cos and tan call libm beyond VM_NEAR and are not vectorised there: to reduce any float64 argument modulo pi/2 takes
 * arithmetic with hundreds of bits.
 */

/* ------------------------------------------------------------ exponentials */

/* (exp(r) - 1 - r) / r^2 for |r| <= log(2)/2. */
VM_INLINE double vm_exp_tail(double r)
{
    double q = 2.5117896296998551e-08;
    q = VM_FMA(q, r, 2.7631319825214733e-07);
    q = VM_FMA(q, r, 2.7557216190615466e-06);
    q = VM_FMA(q, r, 2.4801489838102072e-05);
    q = VM_FMA(q, r, 0.00019841269917506081);
    q = VM_FMA(q, r, 0.0013888888947109377);
    q = VM_FMA(q, r, 0.0083333333333071476);
    q = VM_FMA(q, r, 0.041666666666515091);
    q = VM_FMA(q, r, 0.16666666666666699);
    q = VM_FMA(q, r, 0.50000000000000133);
    return q;
}

/* exp(x + lo) = 2^n exp(r) with |r| <= log(2)/2, lo small.  Returns r; *tail = exp(r) - 1 - r and
 * *bits holds n, see VM_ROUND.  For |x| < 2^20.  NaN in, NaN out. */
VM_INLINE double vm_exp_split(double x, double lo, double *tail, uint64_t *bits)
{
    double t = VM_FMA(x, 1.4426950408889634, VM_ROUND), n = t - VM_ROUND;
    /* FDLIBM's ln2_hi has 32 significant bits: n times it is exact. */
    double r = VM_FMA(n, -6.93147180369123816490e-01, x) + VM_FMA(n, -1.90821492927058770002e-10, lo);
    *bits = vm_bits(t);
    *tail = r * r * vm_exp_tail(r);
    return r;
}

/* exp(r) - 1 in one piece. */
VM_INLINE double vm_exp_reduce(double x, double lo, uint64_t *bits)
{
    double tail, r = vm_exp_split(x, lo, &tail, bits);
    return r + tail;
}

/* 2^n for -1022 <= n <= 1023. */
VM_INLINE double vm_pow2(uint64_t n) { return vm_from((n + 1023) << 52); }

/* y * 2^n in two steps, so that only the last one rounds (to a denormal) or overflows. */
VM_INLINE double vm_scale(double y, uint64_t n)
{
    uint64_t half = n >> 1;    /* the bits of VM_ROUND above n leave with the shifts */
    return y * vm_pow2(half) * vm_pow2(n - half);
}

VM_INLINE double vm_clamp(double x, double lo, double hi)  /* keeps NaN */
{
    x = x > hi ? hi : x;
    return x < lo ? lo : x;
}

VM_INLINE double vm_exp(double x)
{
    uint64_t n;
    double p = vm_exp_reduce(vm_clamp(x, -746.0, 710.0), 0.0, &n);
    return vm_scale(1.0 + p, n);
}

VM_INLINE double vm_exp2(double x)
{
    x = vm_clamp(x, -1076.0, 1025.0);
    double t = x + VM_ROUND, r = x - (t - VM_ROUND);
    double q = 2.5741794964294418e-11;                          /* (2^r - 1) / r on [-1/2, 1/2] */
    q = VM_FMA(q, r, 4.456670555504116e-10);
    q = VM_FMA(q, r, 7.0548882638837643e-09);
    q = VM_FMA(q, r, 1.0178051228642236e-07);
    q = VM_FMA(q, r, 1.3215486833010224e-06);
    q = VM_FMA(q, r, 1.5252733856194114e-05);
    q = VM_FMA(q, r, 0.00015403530393341176);
    q = VM_FMA(q, r, 0.0013333558146390479);
    q = VM_FMA(q, r, 0.009618129107628496);
    q = VM_FMA(q, r, 0.055504108664821701);
    q = VM_FMA(q, r, 0.24022650695910072);
    q = VM_FMA(q, r, 0.69314718055994529);
    return vm_scale(VM_FMA(q, r, 1.0), vm_bits(t));
}

VM_INLINE double vm_expm1(double x)
{
    uint64_t n;
    double tail, r = vm_exp_split(vm_clamp(x, -40.0, 710.0), 0.0, &tail, &n);
    /* (2^n - 1 + 2^n r) + 2^n tail, with 2^n in two factors as in vm_scale.  For n = 1, where the
     * sum cancels, the inner sum is exact. */
    uint64_t half = n >> 1;
    double s = vm_pow2(half), y = VM_FMA(s, tail, VM_FMA(s, r, s - vm_pow2(half - n)));
    return __builtin_copysign(y * vm_pow2(n - half), x);        /* for -0 */
}

/* exp(|x|) / 2 without overflow where the half itself is finite. */
VM_INLINE double vm_half_exp(double a)
{
    uint64_t n;
    double p = vm_exp_reduce(a > 711.0 ? 711.0 : a, 0.0, &n);
    return vm_scale(1.0 + p, n - 1);
}

VM_INLINE double vm_cosh(double x)
{
    double e = vm_half_exp(__builtin_fabs(x));
    return e + 0.25 / e;
}

VM_INLINE double vm_sinh(double x)
{
    double a = __builtin_fabs(x), z = x * x;
    double e = vm_half_exp(a);
    double large = e - 0.25 / e;
    double q = 7.7593121936595785e-13;                          /* (sinh(x) / x - 1) / x^2, |x| <= 1 */
    q = VM_FMA(q, z, 1.6057240341499444e-10);
    q = VM_FMA(q, z, 2.5052123398554576e-08);
    q = VM_FMA(q, z, 2.7557319155336841e-06);
    q = VM_FMA(q, z, 0.00019841269841437681);
    q = VM_FMA(q, z, 0.0083333333333331389);
    q = VM_FMA(q, z, 0.16666666666666669);
    double small = VM_FMA(a * z, q, a);
    return __builtin_copysign(a < 1.0 ? small : large, x);
}

VM_INLINE double vm_tanh(double x)
{
    double a = __builtin_fabs(x), z = x * x;
    uint64_t n;
    double p = vm_exp_reduce(a > 20.0 ? 40.0 : 2.0 * a, 0.0, &n);
    double e = vm_pow2(n) * (1.0 + p);
    double large = 1.0 - 2.0 / (e + 1.0);
    double q = -1.6107547347858349e-05;                         /* (tanh(x) / x - 1) / x^2, |x| <= 0.625 */
    q = VM_FMA(q, z, 7.7219180874901124e-05);
    q = VM_FMA(q, z, -0.00022863324123693186);
    q = VM_FMA(q, z, 0.00058635248324969682);
    q = VM_FMA(q, z, -0.001454970475488191);
    q = VM_FMA(q, z, 0.003591991570545365);
    q = VM_FMA(q, z, -0.0088632213192412143);
    q = VM_FMA(q, z, 0.021869487601963358);
    q = VM_FMA(q, z, -0.053968253932482245);
    q = VM_FMA(q, z, 0.13333333333264916);
    q = VM_FMA(q, z, -0.33333333333332876);
    double small = VM_FMA(a * z, q, a);
    return __builtin_copysign(a < 0.625 ? small : large, x);
}

/* 1 / (1 + exp(-x)), 0 where exp(-x) overflows as in PyTorch.  The sum is (1 + 2^n) + 2^n p, which
 * saves a rounding, and is held as its quarter, which keeps 2^n finite. `rest` is what 1 + 2^n lost
 * where 2^n is the larger; elsewhere it does no harm. */
VM_INLINE double vm_sigmoid(double x)
{
    uint64_t n;
    double p = vm_exp_reduce(vm_clamp(-x, -80.0, 710.0), 0.0, &n), s = vm_pow2(n - 2);
    double sum = s + 0.25, rest = 0.25 - (sum - s);
    double quarter = sum + VM_FMA(s, p, rest);
    return x < -709.782712893384 ? 0.0 : 0.25 / quarter;
}

VM_INLINE double vm_sqrt(double x) { return __builtin_sqrt(x); }
VM_INLINE double vm_rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }

/* ------------------------------------------------------------ logarithms */

/* x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), for normal x > 0.  The shifted exponent stays
 * non-negative, because SSE2 and AVX2 have no arithmetic shift of 64-bit integers. */
VM_INLINE double vm_log_reduce(double x, double *e)
{
    const uint64_t sqrt_half = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000;
    uint64_t u = vm_bits(x) + (one - sqrt_half);
    *e = vm_from((u >> 52) | 0x4330000000000000) - (0x1p52 + 1023.0);
    return vm_from((u & 0xfffffffffffff) + sqrt_half) - 1.0;
}

/* The same for all x > 0: denormals are scaled first. */
VM_INLINE double vm_log_reduce_any(double x, double *e)
{
    double scaled = x < 0x1p-1022 ? x * 0x1p52 : x;
    double f = vm_log_reduce(scaled, e);
    *e -= x < 0x1p-1022 ? 52.0 : 0.0;
    return f;
}

/* log(1 + f) - f + f^2/2 for 1 + f in [sqrt(1/2), sqrt(2)]: FDLIBM, e_log.c. */
VM_INLINE double vm_log_tail(double f)
{
    double s = f / (2.0 + f), z = s * s;
    double q = 1.479819860511658591e-01;
    q = VM_FMA(q, z, 1.531383769920937332e-01);
    q = VM_FMA(q, z, 1.818357216161805012e-01);
    q = VM_FMA(q, z, 2.222219843214978396e-01);
    q = VM_FMA(q, z, 2.857142874366239149e-01);
    q = VM_FMA(q, z, 3.999999999940941908e-01);
    q = VM_FMA(q, z, 6.666666666666735130e-01);
    return s * VM_FMA(q, z, 0.5 * f * f);
}

/* What every logarithm does at 0, below it, at infinity and for NaN. */
VM_INLINE double vm_log_edges(double x, double y)
{
    y = x < (double)INFINITY ? y : x;
    return x > 0.0 ? y : x == 0.0 ? -(double)INFINITY : (double)NAN;
}

VM_INLINE double vm_log(double x)
{
    double e, f = vm_log_reduce_any(x, &e);
    double lo = VM_FMA(e, 1.90821492927058770002e-10, vm_log_tail(f));
    double y = VM_FMA(e, 6.93147180369123816490e-01, f - (0.5 * f * f - lo));
    return vm_log_edges(x, y);
}

/* log(1 + f) times (hi + lo), the logarithm of e to another base, plus e * (e_hi + e_lo): FDLIBM,
 * e_log2.c.  hi, e_hi and the upper half of log(1 + f) are short enough for exact products. */
VM_INLINE double vm_log_base(double x, double hi, double lo, double e_hi, double e_lo)
{
    double e, f = vm_log_reduce_any(x, &e), half_square = 0.5 * f * f;
    double upper = vm_from(vm_bits(f - half_square) & 0xffffffff00000000);
    double lower = ((f - upper) - half_square) + vm_log_tail(f);
    double head = upper * hi, big = e * e_hi, sum = big + head;
    double rest = (lower + upper) * lo + lower * hi + e * e_lo;
    return vm_log_edges(x, sum + (((big - sum) + head) + rest));
}

VM_INLINE double vm_log2(double x)
{
    return vm_log_base(x, 1.44269504072144627571, 1.67517131648865118353e-10, 1.0, 0.0);
}

VM_INLINE double vm_log10(double x)
{
    return vm_log_base(x, 4.34294481878168880939e-01, 2.50829467116452752298e-11,
                       3.01029995663611771306e-01, 3.69423907715893078616e-13);
}

/* 1 + x = u + c exactly (TwoSum); c joins f scaled by 2^-e, so that for e = 0 f is x itself. */
VM_INLINE double vm_log1p(double x)
{
    double u = 1.0 + x, back = u - 1.0;
    double c = (1.0 - (u - back)) + (x - back);
    double e, f = vm_log_reduce(u, &e);
    double k = e > 1022.0 ? 1022.0 : e;                         /* there c is 0 */
    f = VM_FMA(c, vm_pow2(vm_bits(VM_ROUND - k)), f);
    double lo = VM_FMA(e, 1.90821492927058770002e-10, vm_log_tail(f));
    double y = VM_FMA(e, 6.93147180369123816490e-01, f - (0.5 * f * f - lo));
    return __builtin_copysign(vm_log_edges(u, y), x);           /* for -0 */
}

/* ------------------------------------------------------------ trigonometric functions */

/* x = n pi/2 + (r + *lo) with |r| <= pi/4 (and a little) for |x| < VM_NEAR.  Returns r; *quadrant holds n mod 4 in its low
 * bits.  FDLIBM's split of pi/2 (e_rem_pio2.c) has three parts of 33 bits, whose products with n of 20 bits are exact; what
 * the differences round off is kept (TwoSum), so that no cancellation counts. */
#define VM_NEAR 0x1p19

VM_INLINE double vm_trig_reduce(double x, double *lo, uint64_t *quadrant)
{
    double t = VM_FMA(x, 0.63661977236758134, VM_ROUND), n = t - VM_ROUND;
    *quadrant = vm_bits(t);
    double a = x - n * 1.57079632673412561417, w = n * 6.07710050630396597660e-11;
    double b = a - w, back = b - a, lost = (a - (b - back)) - (w + back);
    double v = n * 2.02226624871116645580e-21, c = b - v;
    back = c - b;
    lost += (b - (c - back)) - (v + back);
    lost -= n * 8.47842766036889956997e-32;
    double r = c + lost;
    *lo = (c - r) + lost;
    return r;
}

/* sin(r + lo) and cos(r + lo) for |r| <= pi/4 (and a little): FDLIBM, k_sin.c and k_cos.c. */
VM_INLINE double vm_sin_reduced(double r, double lo)
{
    double z = r * r, v = z * r, q = 1.58969099521155010221e-10;
    q = VM_FMA(q, z, -2.50507602534068634195e-08);
    q = VM_FMA(q, z, 2.75573137070700676789e-06);
    q = VM_FMA(q, z, -1.98412698298579493134e-04);
    q = VM_FMA(q, z, 8.33333333332248946124e-03);
    return r - ((z * (0.5 * lo - v * q) - lo) - v * -1.66666666666666324348e-01);
}

VM_INLINE double vm_cos_reduced(double r, double lo)
{
    double z = r * r, half = 0.5 * z, w = 1.0 - half, q = -1.13596475577881948265e-11;
    q = VM_FMA(q, z, 2.08757232129817482790e-09);
    q = VM_FMA(q, z, -2.75573143513906633035e-07);
    q = VM_FMA(q, z, 2.48015872894767294178e-05);
    q = VM_FMA(q, z, -1.38888888888741095749e-03);
    q = VM_FMA(q, z, 4.16666666666666019037e-02);
    return w + (((1.0 - w) - half) + (z * (z * q) - r * lo));
}

VM_INLINE double vm_sin_shifted(double x, uint64_t shift)
{
    uint64_t quadrant;
    double lo, r = vm_trig_reduce(x, &lo, &quadrant);
    double s = vm_sin_reduced(r, lo), c = vm_cos_reduced(r, lo);
    quadrant += shift;
    s = x == 0.0 ? x : s;                                       /* for -0 */
    double y = vm_odd(quadrant) != 0.0 ? c : s;
    return vm_from(vm_bits(y) ^ quadrant >> 1 << 63);
}

VM_INLINE int vm_trig_is_near(double x) { return __builtin_fabs(x) < VM_NEAR; }
VM_INLINE double vm_sin_near(double x) { return vm_sin_shifted(x, 0); }
VM_INLINE double vm_cos_near(double x) { return vm_sin_shifted(x, 1); }

/* The quotient of two results below 0.8 ulp each: error below 2.5 ulp. */
VM_INLINE double vm_tan_near(double x)
{
    uint64_t quadrant;
    double lo, r = vm_trig_reduce(x, &lo, &quadrant);
    double s = vm_sin_reduced(r, lo), c = vm_cos_reduced(r, lo);
    s = x == 0.0 ? x : s;                                       /* for -0 */
    int odd = vm_odd(quadrant) != 0.0;
    return (odd ? -c : s) / (odd ? s : c);
}

/* Every x, with the bits of the near form where that holds. */
VM_INLINE double vm_sin(double x) { return vm_trig_is_near(x) ? vm_sin_near(x) : sin(x); }
VM_INLINE double vm_cos(double x) { return vm_trig_is_near(x) ? vm_cos_near(x) : cos(x); }
VM_INLINE double vm_tan(double x) { return vm_trig_is_near(x) ? vm_tan_near(x) : tan(x); }

/* ------------------------------------------------------------ inverse functions */

/* asin(s) - s for 0 <= s <= 1/2, z = s^2. */
VM_INLINE double vm_asin_tail(double s, double z)
{
    double q = 0.031958975473550866;
    q = VM_FMA(q, z, -0.016294091570054129);
    q = VM_FMA(q, z, 0.019573920532347279);
    q = VM_FMA(q, z, 0.0065108466559300384);
    q = VM_FMA(q, z, 0.012173281331578538);
    q = VM_FMA(q, z, 0.013884598051826898);
    q = VM_FMA(q, z, 0.01735977116628945);
    q = VM_FMA(q, z, 0.022371753517850736);
    q = VM_FMA(q, z, 0.030381959331553719);
    q = VM_FMA(q, z, 0.044642856823473485);
    q = VM_FMA(q, z, 0.075000000003430572);
    q = VM_FMA(q, z, 0.16666666666665383);
    return s * z * q;
}

/* asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)) above 1/2. */
VM_INLINE double vm_asin(double x)
{
    double a = __builtin_fabs(x), big = 0.5 * (1.0 - a);
    double z = a > 0.5 ? big : a * a;
    double s = a > 0.5 ? __builtin_sqrt(big) : a;
    double tail = vm_asin_tail(s, z);
    double large = 1.5707963267948966 - (2.0 * s + (2.0 * tail - 6.123233995736766e-17));
    return __builtin_copysign(a > 0.5 ? large : s + tail, x);
}

VM_INLINE double vm_acos(double x)
{
    double a = __builtin_fabs(x), big = 0.5 * (1.0 - a);
    double z = a > 0.5 ? big : a * a;
    double s = a > 0.5 ? __builtin_sqrt(big) : a;
    double tail = vm_asin_tail(s, z);
    double large = 2.0 * (s + tail);
    large = x < 0.0 ? 3.1415926535897931 - (large - 1.2246467991473532e-16) : large;
    double small = 1.5707963267948966 - __builtin_copysign(s, x);
    double small_lo = (1.5707963267948966 - small) - __builtin_copysign(s, x);
    small += small_lo + 6.123233995736766e-17 - __builtin_copysign(tail, x);
    return a > 0.5 ? large : small;
}

/* atan(q) for 0 <= q <= 1. */
VM_INLINE double vm_atan_poly(double q)
{
    double z = q * q;
    double p = -2.0662051571841025e-05;
    p = VM_FMA(p, z, 0.00022684623579084939);
    p = VM_FMA(p, z, -0.001180755940117742);
    p = VM_FMA(p, z, 0.0039004126942901317);
    p = VM_FMA(p, z, -0.0092653243336272648);
    p = VM_FMA(p, z, 0.017084104035450166);
    p = VM_FMA(p, z, -0.025930770523603531);
    p = VM_FMA(p, z, 0.034145300117965495);
    p = VM_FMA(p, z, -0.040970693728129504);
    p = VM_FMA(p, z, 0.046758979431972922);
    p = VM_FMA(p, z, -0.052398890151696041);
    p = VM_FMA(p, z, 0.058774751902362248);
    p = VM_FMA(p, z, -0.066658921922244332);
    p = VM_FMA(p, z, 0.076922173216893694);
    p = VM_FMA(p, z, -0.090909016582855232);
    p = VM_FMA(p, z, 0.11111110705570175);
    p = VM_FMA(p, z, -0.14285714272356204);
    p = VM_FMA(p, z, 0.19999999999774848);
    p = VM_FMA(p, z, -0.33333333333331994);
    return VM_FMA(q * z, p, q);
}

VM_INLINE double vm_atan(double x)
{
    double a = __builtin_fabs(x);
    double t = vm_atan_poly(a > 1.0 ? 1.0 / a : a);
    return __builtin_copysign(a > 1.0 ? 1.5707963267948966 - (t - 6.123233995736766e-17) : t, x);
}

/* The angle of the smaller leg over the larger, then moved to its octant. */
VM_INLINE double vm_atan2(double y, double x)
{
    double ax = __builtin_fabs(x), ay = __builtin_fabs(y);
    double num = ay > ax ? ax : ay, den = ay > ax ? ay : ax;
    double q = num / den;
    q = num == den ? 1.0 : q;                                   /* inf / inf */
    q = num + den == 0.0 ? 0.0 : q;
    double t = vm_atan_poly(q);
    double negative = __builtin_copysign(1.0, x);
    double base = negative < 0.0 ? 3.1415926535897931 : 0.0, base_lo = negative < 0.0 ? 1.2246467991473532e-16 : 0.0;
    double turn = ay > ax ? -negative : negative;
    base = ay > ax ? 1.5707963267948966 : base;
    base_lo = ay > ax ? 6.123233995736766e-17 : base_lo;
    return __builtin_copysign(base + (turn * t + base_lo), y);
}

/* log(1 + t) with t = |x| + x^2 / (1 + sqrt(1 + x^2)), and log(2 |x|) where x^2 would overflow. */
VM_INLINE double vm_asinh(double x)
{
    double a = __builtin_fabs(x), z = a * a;
    double t = a + z / (1.0 + __builtin_sqrt(1.0 + z));
    double y = vm_log1p(a > 0x1p60 ? a : t);
    return __builtin_copysign(a > 0x1p60 ? y + 0.69314718055994529 : y, x);
}

VM_INLINE double vm_acosh(double x)
{
    double t = x - 1.0;
    double y = vm_log1p(x > 0x1p60 ? x : t + __builtin_sqrt(VM_FMA(t, t, 2.0 * t)));
    y = x > 0x1p60 ? y + 0.69314718055994529 : y;
    double q = -1.0677456037693091e-06;                         /* (acosh(1 + t) / sqrt(2t) - 1) / t, t <= 1/2 */
    q = VM_FMA(q, t, 5.6615960311039884e-06);
    q = VM_FMA(q, t, -1.7403793543030934e-05);
    q = VM_FMA(q, t, 4.4396498351563941e-05);
    q = VM_FMA(q, t, -0.00010888471354378699);
    q = VM_FMA(q, t, 0.00027109382472881375);
    q = VM_FMA(q, t, -0.00069912427249995952);
    q = VM_FMA(q, t, 0.0018988710514795213);
    q = VM_FMA(q, t, -0.0055803571196466261);
    q = VM_FMA(q, t, 0.018749999999434677);
    q = VM_FMA(q, t, -0.083333333333328541);
    double root = __builtin_sqrt(2.0 * t), small = VM_FMA(root * t, q, root);
    y = t < 0.5 ? small : y;
    return x < 1.0 ? (double)NAN : y;
}

VM_INLINE double vm_atanh(double x)
{
    double a = __builtin_fabs(x);
    return __builtin_copysign(0.5 * vm_log1p(2.0 * a / (1.0 - a)), x);
}

/* ------------------------------------------------------------ error functions */

/* erf(x) / x - 1 for z = x^2 <= 1. */
VM_INLINE double vm_erf_poly(double z)
{
    double q = -7.8011891884871466e-10;
    q = VM_FMA(q, z, 1.3722975224452902e-08);
    q = VM_FMA(q, z, -1.6209175345764083e-07);
    q = VM_FMA(q, z, 1.644751755443961e-06);
    q = VM_FMA(q, z, -1.4924744648634255e-05);
    q = VM_FMA(q, z, 0.00012055295319441898);
    q = VM_FMA(q, z, -0.0008548325989650255);
    q = VM_FMA(q, z, 0.0052239776074222187);
    q = VM_FMA(q, z, -0.026866170643276024);
    q = VM_FMA(q, z, 0.11283791670945252);
    q = VM_FMA(q, z, -0.37612638903183548);
    q = VM_FMA(q, z, 0.12837916709551256);
    return q;
}

/* Below 1 a polynomial; above it 1 - exp(-g) with g = -log(erfc), whose error counts only with the
 * weight erfc <= 0.16. */
VM_INLINE double vm_erf(double x)
{
    double a = __builtin_fabs(x);
    double small = VM_FMA(a, vm_erf_poly(a * a), a);
    double t = a > 6.0 ? 6.0 : a;
    double g = 4.8655103199577183e-12;                          /* on [1, 6] */
    g = VM_FMA(g, t, -2.0204991299906098e-10);
    g = VM_FMA(g, t, 3.8902901913608887e-09);
    g = VM_FMA(g, t, -4.5936232622658528e-08);
    g = VM_FMA(g, t, 3.6958811959623652e-07);
    g = VM_FMA(g, t, -2.114924206249877e-06);
    g = VM_FMA(g, t, 8.5792959112388009e-06);
    g = VM_FMA(g, t, -2.2534513936047411e-05);
    g = VM_FMA(g, t, 1.9526925042872813e-05);
    g = VM_FMA(g, t, 0.00013654810418049765);
    g = VM_FMA(g, t, -0.00077303371906003581);
    g = VM_FMA(g, t, 0.0019189343502420029);
    g = VM_FMA(g, t, -0.0004135260699240861);
    g = VM_FMA(g, t, -0.018988049437958759);
    g = VM_FMA(g, t, 0.10270229361689079);
    g = VM_FMA(g, t, 0.63664405374103383);
    g = VM_FMA(g, t, 1.1283739920088756);
    g = VM_FMA(g, t, 5.1321116400373834e-07);
    uint64_t n;
    double p = vm_exp_reduce(-g, 0.0, &n);
    double large = 1.0 - vm_pow2(n) * (1.0 + p);
    return __builtin_copysign(a < 1.0 ? small : large, x);
}

/* exp(a^2) erfc(a) for a >= 0.  (1 + 2a) times that is smooth in u = (a - 4) / (a + 4): Shepherd and Laframboise, Math. Comp. 36
 * (1981). */
VM_INLINE double vm_erfcx_positive(double a)
{
    double u = (a - 4.0) / (a + 4.0);
    double q = -1.7162963362609004e-09;
    q = VM_FMA(q, u, -1.339905355705855e-08);
    q = VM_FMA(q, u, -7.8174396340903854e-09);
    q = VM_FMA(q, u, 1.1457586878708324e-07);
    q = VM_FMA(q, u, 6.2492099436374927e-08);
    q = VM_FMA(q, u, -8.3422333944719872e-07);
    q = VM_FMA(q, u, 3.0183400259767366e-07);
    q = VM_FMA(q, u, 5.7172524914992023e-06);
    q = VM_FMA(q, u, -1.1225200746052477e-05);
    q = VM_FMA(q, u, -2.4402906563077823e-05);
    q = VM_FMA(q, u, 0.00015062243741569565);
    q = VM_FMA(q, u, -0.00019925557639270062);
    q = VM_FMA(q, u, -0.00075777339585873869);
    q = VM_FMA(q, u, 0.0050319697673467945);
    q = VM_FMA(q, u, -0.016197734049915244);
    q = VM_FMA(q, u, 0.037167515561313133);
    q = VM_FMA(q, u, -0.066330365812416914);
    q = VM_FMA(q, u, 0.093732834996864647);
    q = VM_FMA(q, u, -0.10103906603630879);
    q = VM_FMA(q, u, 0.068097054254735223);
    q = VM_FMA(q, u, 0.015379652102619924);
    q = VM_FMA(q, u, -0.13962111684056289);
    q = VM_FMA(q, u, 1.2329951186255526);
    return q / (1.0 + 2.0 * a);
}

/* 1 - erf(x) near 0; then exp(-x^2) times erfcx, the square split into an exact one and a small rest
 * (FDLIBM, s_erf.c).  Error below 4 ulp. */
VM_INLINE double vm_erfc(double x)
{
    double a = __builtin_fabs(x);
    a = a > 28.0 ? 28.0 : a;
    double short_a = vm_from(vm_bits(a) & 0xfffffffff8000000);
    uint64_t n;
    double p = vm_exp_reduce(-short_a * short_a, (short_a - a) * (short_a + a), &n);
    double q = vm_erfcx_positive(a), y = vm_scale(VM_FMA(p, q, q), n);
    double small = 1.0 - VM_FMA(x, vm_erf_poly(x * x), x);
    y = x < 0.0 ? 2.0 - y : y;
    return a < 0.5 ? small : y;
}
