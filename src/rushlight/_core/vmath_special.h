/* vmath_special.h -- special functions for vmath.h, which includes this file.  Those of float32 are computed in float64 to the
 * accuracy of float32. */

/* ------------------------------------------------------------ sums of exponentials, lengths, parts of numbers */

/* log(exp(a) + exp(b)); equal operands, infinities among them, are no difference apart. */
VM_INLINE float vm_logaddexpf(float a, float b)
{
    float d = a == b ? 0.0f : a - b;
    return vm_plus_log1pf(a > b ? a : b, vm_expf(-__builtin_fabsf(d)));
}

VM_INLINE double vm_logaddexp(double a, double b)
{
    double d = a == b ? 0.0 : a - b;
    return (a > b ? a : b) + vm_log1p(vm_exp(-__builtin_fabs(d)));
}

VM_INLINE float vm_logaddexp2f(float a, float b)
{
    float d = a == b ? 0.0f : a - b;
    return VM_FMAF(vm_plus_log1pf(0.0f, vm_exp2f(-__builtin_fabsf(d))), 1.44269502f, a > b ? a : b);
}

VM_INLINE double vm_logaddexp2(double a, double b)
{
    double d = a == b ? 0.0 : a - b;
    return VM_FMA(vm_log1p(vm_exp2(-__builtin_fabs(d))), 1.4426950408889634, a > b ? a : b);
}

/* An infinite leg counts more than one that is NaN (C11 F.10.4.3). */
VM_INLINE float vm_hypotf(float a, float b)
{
    double x = a, y = b;
    float r = (float)__builtin_sqrt(VM_FMA(x, x, y * y));
    int infinite = (__builtin_fabsf(a) == (float)INFINITY) | (__builtin_fabsf(b) == (float)INFINITY);
    return infinite ? (float)INFINITY : r;
}

/* Scaled where the square of the longer leg would leave the range; that of the shorter one may vanish beside it. */
VM_INLINE double vm_hypot(double a, double b)
{
    a = __builtin_fabs(a);
    b = __builtin_fabs(b);
    double top = a > b ? a : b;
    double scale = top > 0x1p500 ? 0x1p-600 : 1.0, back = top > 0x1p500 ? 0x1p600 : 1.0;
    scale = top < 0x1p-400 ? 0x1p600 : scale;
    back = top < 0x1p-400 ? 0x1p-600 : back;
    double x = a * scale, y = b * scale;
    double r = __builtin_sqrt(VM_FMA(x, x, y * y)) * back;
    return (a == (double)INFINITY) | (b == (double)INFINITY) ? (double)INFINITY : r;
}

/* A step in the last place: the bits as an integer are in the order of the magnitude. */
#define VM_NEXTAFTER(REAL, SUFFIX, WORD)                                                               \
    VM_INLINE REAL vm_nextafter##SUFFIX(REAL a, REAL b)                                                \
    {                                                                                                  \
        WORD u = vm_bits##SUFFIX(a);                                                                   \
        REAL next = vm_from##SUFFIX(u + ((a < b) == (a > 0) ? (WORD)1 : (WORD)-1));                    \
        next = a == 0 ? __builtin_copysign##SUFFIX(vm_from##SUFFIX(1), b) : next;                      \
        next = a == b ? b : next;                                                                      \
        return (a != a) | (b != b) ? a + b : next;                                                     \
    }
VM_NEXTAFTER(float, f, uint32_t)
VM_NEXTAFTER(double, , uint64_t)
#undef VM_NEXTAFTER

/* The mantissa in [1/2, 1) and the exponent of x; 0, infinities and NaN are their own mantissas. */
VM_INLINE float vm_frexp_mantissaf(float x)
{
    uint32_t u = vm_bitsf(__builtin_fabsf(x) < 0x1p-126f ? x * 0x1p24f : x);
    float m = vm_fromf((u & 0x807fffff) | 0x3f000000);
    return (x == 0.0f) | (x - x != 0.0f) ? x : m;
}

VM_INLINE int32_t vm_frexp_exponentf(float x)
{
    int small = __builtin_fabsf(x) < 0x1p-126f;
    int32_t e = (int32_t)(vm_bitsf(small ? x * 0x1p24f : x) >> 23 & 0xff) - 126 - (small ? 24 : 0);
    return (x == 0.0f) | (x - x != 0.0f) ? 0 : e;
}

VM_INLINE double vm_frexp_mantissa(double x)
{
    uint64_t u = vm_bits(__builtin_fabs(x) < 0x1p-1022 ? x * 0x1p54 : x);
    double m = vm_from((u & 0x800fffffffffffff) | 0x3fe0000000000000);
    return (x == 0.0) | (x - x != 0.0) ? x : m;
}

VM_INLINE int32_t vm_frexp_exponent(double x)
{
    int small = __builtin_fabs(x) < 0x1p-1022;
    int32_t e = (int32_t)(vm_bits(small ? x * 0x1p54 : x) >> 52 & 0x7ff) - 1022 - (small ? 54 : 0);
    return (x == 0.0) | (x - x != 0.0) ? 0 : e;
}

/* ------------------------------------------------------------ inverses of error functions */

/* erfinv(y) = y P(w) with w = -log(1 - y^2) for 0 <= y < 1, c = 1 - y, in ranges of w and of its root as by Giles, Approximating
 * the erfinv function (GPU Computing Gems, 2010).  `far` is the fit for w > 5: one for float32, and one for every c > 1e-16. */
VM_INLINE float vm_erfinv_startf(float y, float c, int wide)
{
    float w = -vm_logf(c * (1.0f + y)), t = VM_FMAF(w, 0.4f, -1.0f);
    float near = -1.4294002e-5f;
    near = VM_FMAF(near, t, 2.80915958e-5f);
    near = VM_FMAF(near, t, 8.7620863e-5f);
    near = VM_FMAF(near, t, -0.000425001675f);
    near = VM_FMAF(near, t, 0.000229773253f);
    near = VM_FMAF(near, t, 0.00318136706f);
    near = VM_FMAF(near, t, -0.0110106598f);
    near = VM_FMAF(near, t, 0.000567293481f);
    near = VM_FMAF(near, t, 0.24607297f);
    near = VM_FMAF(near, w, 0.886226925f);                      /* P(0) apart: no digits are lost near 0 */
    float s = __builtin_sqrtf(w < 0.0f ? 0.0f : w), far;
    if (wide) {
        t = VM_FMAF(s, 0.517607449705f, -2.157405443201f);
        far = 0.000644330932f;
        far = VM_FMAF(far, t, -0.00152736831f);
        far = VM_FMAF(far, t, 0.000967156166f);
        far = VM_FMAF(far, t, -5.72777764e-5f);
        far = VM_FMAF(far, t, 0.000259760047f);
        far = VM_FMAF(far, t, -0.000330021456f);
        far = VM_FMAF(far, t, -0.000653231251f);
        far = VM_FMAF(far, t, 0.00324946926f);
        far = VM_FMAF(far, t, -0.00951268625f);
        far = VM_FMAF(far, t, 0.0222005806f);
        far = VM_FMAF(far, t, 0.961951049f);
    } else {
        t = VM_FMAF(s, 1.073000504234f, -3.399302067358f);
        far = 1.01357139e-5f;
        far = VM_FMAF(far, t, 2.90240079e-5f);
        far = VM_FMAF(far, t, -0.000207566378f);
        far = VM_FMAF(far, t, 0.000477693958f);
        far = VM_FMAF(far, t, -0.00074161377f);
        far = VM_FMAF(far, t, 0.000854544381f);
        far = VM_FMAF(far, t, -0.000268235926f);
        far = VM_FMAF(far, t, -0.00316379461f);
        far = VM_FMAF(far, t, 0.0167256507f);
        far = VM_FMAF(far, t, 0.947441463f);
    }
    return y * (w < 5.0f ? near : far * s);
}

/* From float32's value by one step of Halley's method, which triples the digits; nearer 1 than to 0 on erfcx, whose fit is that of
 * vm_erfc. */
VM_INLINE double vm_erfinv_core(double y, double c)
{
    double x = vm_erfinv_startf((float)y, (float)c, 1), up = vm_exp(x * x);
    double small = (VM_FMA(x, vm_erf_poly(x * x), x) - y) * up, large = VM_FMA(c, up, -vm_erfcx_positive(x));
    double step = (y < 0.5 ? small : large) * 0.88622692545275801;
    return x - step / VM_FMA(x, step, 1.0);
}

VM_INLINE float vm_erfinvf(float x)
{
    float y = __builtin_fabsf(x), r = vm_erfinv_startf(y, 1.0f - y, 0);
    r = y == 1.0f ? (float)INFINITY : r;
    return __builtin_copysignf(y <= 1.0f ? r : (float)NAN, x);
}

VM_INLINE double vm_erfinv(double x)
{
    double y = __builtin_fabs(x), r = vm_erfinv_core(y, 1.0 - y);
    r = y == 1.0 ? (double)INFINITY : r;
    r = y < 1e-30 ? y * 0.88622692545275801 : r;                /* float32 may not hold it */
    return __builtin_copysign(y <= 1.0 ? r : (double)NAN, x);
}

/* The inverse of the normal distribution function, except near 0: -sqrt(2) erfinv(1 - 2p) of the smaller tail. */
VM_INLINE int vm_ndtri_is_near(double p) { return !((p > 0.0) & (p < 1e-15)); }
VM_INLINE int vm_ndtri_is_nearf(float p) { return vm_ndtri_is_near(p); }
VM_INLINE double vm_ndtri_near(double p)
{
    double q = p < 0.5 ? p : 1.0 - p, r = vm_erfinv_core(1.0 - 2.0 * q, 2.0 * q) * 1.4142135623730951;
    r = q == 0.0 ? (double)INFINITY : r;
    r = q >= 0.0 ? r : (double)NAN;
    return p < 0.5 ? -r : r;
}
VM_INLINE float vm_ndtri_nearf(float p) { return (float)vm_ndtri_near(p); }

/* exp(x^2) erfc(x), and the logarithm of the normal distribution function, by the same fit. */
VM_INLINE int vm_erfcx_is_near(double x) { return (x > -26.0) & (x < 25.0); }
VM_INLINE int vm_erfcx_is_nearf(float x) { return vm_erfcx_is_near(x); }
VM_INLINE double vm_erfcx_near(double x)
{
    double a = __builtin_fabs(x), upper = vm_from(vm_bits(a) & 0xfffffffff8000000), y = vm_erfcx_positive(a);
    uint64_t n;
    double p = vm_exp_reduce(upper * upper, (a - upper) * (a + upper), &n);
    double e = vm_scale(1.0 + p, n), middle = e * (1.0 - VM_FMA(x, vm_erf_poly(x * x), x));
    y = x < 0.0 ? 2.0 * e - y : y;
    return a < 0.5 ? middle : y;
}
VM_INLINE float vm_erfcx_nearf(float x) { return (float)vm_erfcx_near(x); }

VM_INLINE int vm_log_ndtr_is_near(double x) { return x > -37.0; }
VM_INLINE int vm_log_ndtr_is_nearf(float x) { return vm_log_ndtr_is_near(x); }
VM_INLINE double vm_log_ndtr_near(double x)
{
    double z = x * 0.70710678118654757, tail = vm_log(0.5 * vm_erfcx_positive(x < -1.0 ? -z : 1.0)) - 0.5 * x * x;
    return x < -1.0 ? tail : vm_log1p(-0.5 * vm_erfc(z));
}
VM_INLINE float vm_log_ndtr_nearf(float x) { return (float)vm_log_ndtr_near(x); }

/* ------------------------------------------------------------ gamma functions */

/* |sin(pi x)| / pi and its sign for every finite x, after x has lost its nearest whole number, which is exact. */
VM_INLINE double vm_whole_apart(double x, double *r)
{
    double t = x + VM_ROUND, n = t - VM_ROUND;
    *r = __builtin_fabs(x) < 0x1p51 ? x - n : x - x;            /* beyond, x is whole or as good as that; NaN for infinities */
    return t;
}

VM_INLINE double vm_sinpi_polyf(double r)                           /* |r| <= 1/2, to the accuracy of float32 */
{
    double z = r * r, q = 0.00044749208490771011;
    q = VM_FMA(q, z, -0.0073640054721157225);
    q = VM_FMA(q, z, 0.082144794670648549);
    q = VM_FMA(q, z, -0.59926443393572865);
    q = VM_FMA(q, z, 2.5501640359067447);
    q = VM_FMA(q, z, -5.167712779987959);
    q = VM_FMA(q, z, 3.1415926535896351);
    return q * r;
}

/* sin(pi x) / (pi x), and 1 at 0. */
VM_INLINE float vm_sincf(float x)
{
    double r, t = vm_whole_apart(x, &r), s = vm_sinpi_polyf(r);
    s = vm_from(vm_bits(s) ^ vm_bits(t) << 63) / (3.1415926535897931 * x);
    return (float)(x == 0.0f ? 1.0 : s);
}

VM_INLINE double vm_sinc(double x)
{
    double r, t = vm_whole_apart(x, &r), s = vm_sin_near(3.1415926535897931 * r);
    s = vm_from(vm_bits(s) ^ vm_bits(t) << 63) / (3.1415926535897931 * x);
    return x == 0.0 ? 1.0 : s;
}

/* Near its zeros at 1 and 2 a fit; elsewhere Stirling's series, after eight steps of the recurrence, and the reflection
 * gamma(-a) = -pi / (a sin(pi a) gamma(a)) below 0, both as one more logarithm. */
VM_INLINE float vm_lgammaf(float xf)
{
    double x = xf, a = __builtin_fabs(x), r, low = a < 8.0 ? a : 0.0;
    vm_whole_apart(x, &r);
    double p = low * (low + 1.0) * ((low + 2.0) * (low + 3.0)) * ((low + 4.0) * (low + 5.0) * ((low + 6.0) * (low + 7.0)));
    p = a < 8.0 ? p : 1.0;
    double z = a < 8.0 ? a + 8.0 : a, v = 1.0 / z, v2 = v * v, q = -5.9523809523809529e-04; /* B(2k) / (2k (2k - 1)) */
    q = VM_FMA(q, v2, 7.9365079365079365e-04);
    q = VM_FMA(q, v2, -2.7777777777777779e-03);
    q = VM_FMA(q, v2, 8.3333333333333329e-02);
    double l = VM_FMA(z - 0.5, vm_log(z) - 1.0, VM_FMA(q, v, 0.41893853320467273));
    double below = 3.1415926535897931 * p / (a * __builtin_fabs(vm_sinpi_polyf(r)));
    below = r == 0.0 ? (double)INFINITY : below;
    double more = vm_log(x > 0.0 ? p : below), y = x > 0.0 ? l - more : more - l;
    double t = VM_FMA(x, 1.0526315789473684, -1.736842105263158);   /* lgamma(x) / ((x - 1) (x - 2)) on [0.7, 2.6] */
    t = (x > 0.7) & (x < 2.6) ? t : 0.0;
    double fit = -2.8402838693944843e-5;
    fit = VM_FMA(fit, t, 5.1908585148672969e-5);
    fit = VM_FMA(fit, t, 1.8469990658349067e-5);
    fit = VM_FMA(fit, t, -3.2683491794302727e-5);
    fit = VM_FMA(fit, t, -0.00012696311075877609);
    fit = VM_FMA(fit, t, 0.00023618176234745825);
    fit = VM_FMA(fit, t, -0.00028579968360508611);
    fit = VM_FMA(fit, t, 0.00054790739147134028);
    fit = VM_FMA(fit, t, -0.0011361710422424307);
    fit = VM_FMA(fit, t, 0.002228213724886392);
    fit = VM_FMA(fit, t, -0.0044413747199565903);
    fit = VM_FMA(fit, t, 0.0091579627918416048);
    fit = VM_FMA(fit, t, -0.019748019428929366);
    fit = VM_FMA(fit, t, 0.045855057846767321);
    fit = VM_FMA(fit, t, -0.12254491438625789);
    fit = VM_FMA(fit, t, 0.46255265083241618);
    y = (x > 0.7) & (x < 2.6) ? (x - 1.0) * (x - 2.0) * fit : y;
    y = a == (double)INFINITY ? a : y;
    return (float)y;
}

/* The logarithmic derivative of gamma for x > 0: ten steps of the recurrence, nine of them as the quotient of P' and
 * P = (x + 1) ... (x + 9), then log x - 1 / 2x - the sum of B(2k) / (2k x^2k). */
VM_INLINE double vm_digamma_positive(double x)
{
    double y = x < 10.0 ? x : 10.0, z = x < 10.0 ? x + 10.0 : x;
    double p = 1.0, d = 9.0;
    p = VM_FMA(p, y, 45.0);
    p = VM_FMA(p, y, 870.0);
    p = VM_FMA(p, y, 9450.0);
    p = VM_FMA(p, y, 63273.0);
    p = VM_FMA(p, y, 269325.0);
    p = VM_FMA(p, y, 723680.0);
    p = VM_FMA(p, y, 1172700.0);
    p = VM_FMA(p, y, 1026576.0);
    p = VM_FMA(p, y, 362880.0);
    d = VM_FMA(d, y, 8.0 * 45.0);
    d = VM_FMA(d, y, 7.0 * 870.0);
    d = VM_FMA(d, y, 6.0 * 9450.0);
    d = VM_FMA(d, y, 5.0 * 63273.0);
    d = VM_FMA(d, y, 4.0 * 269325.0);
    d = VM_FMA(d, y, 3.0 * 723680.0);
    d = VM_FMA(d, y, 2.0 * 1172700.0);
    d = VM_FMA(d, y, 1026576.0);
    double v = 1.0 / z, u = v * v, q = 1.0 / 12;
    q = VM_FMA(q, u, -691.0 / 32760);
    q = VM_FMA(q, u, 1.0 / 132);
    q = VM_FMA(q, u, -1.0 / 240);
    q = VM_FMA(q, u, 1.0 / 252);
    q = VM_FMA(q, u, -1.0 / 120);
    q = VM_FMA(q, u, 1.0 / 12);
    double steps = x < 10.0 ? d / p : 0.0, first = x < 10.0 ? 1.0 / x : 0.0;
    return ((vm_log(z) - VM_FMA(q, u, 0.5 * v)) - steps) - first;
}

/* psi(x) = psi(1 - x) - pi / tan(pi x) below 0. */
VM_INLINE double vm_digamma(double x)
{
    double part = x - __builtin_trunc(x), y = vm_digamma_positive(x < 0.0 ? 1.0 - x : x);
    double reflected = y - 3.1415926535897931 / vm_tan_near(3.1415926535897931 * part);
    y = x < 0.0 ? reflected : y;
    y = (x < 0.0) & (part == 0.0) ? (double)NAN : y;
    return x == 0.0 ? __builtin_copysign((double)INFINITY, -x) : y;
}

VM_INLINE float vm_digammaf(float x) { return (float)vm_digamma(x); }
VM_INLINE int vm_digamma_is_near(double x) { return x > 0.0; }
VM_INLINE int vm_digamma_is_nearf(float x) { return x > 0.0f; }
VM_INLINE double vm_digamma_near(double x) { return vm_digamma_positive(x); }
VM_INLINE float vm_digamma_nearf(float x) { return (float)vm_digamma_positive(x); }

/* The second derivative of log gamma for x > 0: ten terms of the sum of (x + k)^-2, then 1/x + 1/2x^2 + the sum of B(2k) / x^(2k+1). */
VM_INLINE double vm_trigamma(double x)
{
    double sum = 0.0, z = x + 10.0, v = 1.0 / z, u = v * v;
    for (int k = 0; k < 10; k += 2) {
        double a = x + k, b = x + (k + 1), ab = a * b, s = VM_FMA(a, a, b * b);
        sum += s / ab / ab;
    }
    double q = 7.0 / 6;
    q = VM_FMA(q, u, -691.0 / 2730);
    q = VM_FMA(q, u, 5.0 / 66);
    q = VM_FMA(q, u, -1.0 / 30);
    q = VM_FMA(q, u, 1.0 / 42);
    q = VM_FMA(q, u, -1.0 / 30);
    q = VM_FMA(q, u, 1.0 / 6);
    return sum + VM_FMA(v * u, q, VM_FMA(0.5, u, v));
}

VM_INLINE float vm_trigammaf(float x) { return (float)vm_trigamma(x); }

/* ------------------------------------------------------------ modified Bessel functions of the first kind */

/* Divided by exp(|x|); a fit to 8, and from there on in 1/x, of the function times the root of x: the ranges of S. Moshier's
 * Cephes.  Undone by exp, in two factors where it may overflow before the product does; at infinity PyTorch's value is NaN. */
VM_INLINE double vm_i0e_narrow(double x)
{
    double a = __builtin_fabs(x), t = VM_FMA(a > 8.0 ? 8.0 : a, 0.25, -1.0), u = 1.0 / (a < 8.0 ? 8.0 : a), v = VM_FMA(u, 16.0, -1.0);
    double near = -0.00081797254608971066;
    near = VM_FMA(near, t, 0.0019783087598818249);
    near = VM_FMA(near, t, -0.00089916240619543818);
    near = VM_FMA(near, t, 0.0012403794731531737);
    near = VM_FMA(near, t, -0.0077663326620510062);
    near = VM_FMA(near, t, 0.014507777636494708);
    near = VM_FMA(near, t, -0.019090664146748452);
    near = VM_FMA(near, t, 0.028625284356183882);
    near = VM_FMA(near, t, -0.043194877704784474);
    near = VM_FMA(near, t, 0.057325888234142822);
    near = VM_FMA(near, t, -0.069500063176445947);
    near = VM_FMA(near, t, 0.079167057428344061);
    near = VM_FMA(near, t, -0.084967418175345776);
    near = VM_FMA(near, t, 0.087354040077337293);
    near = VM_FMA(near, t, -0.08904328935517108);
    near = VM_FMA(near, t, 0.09451522840742617);
    near = VM_FMA(near, t, -0.11300432782525216);
    near = VM_FMA(near, t, 0.20700192369605419);
    double far = 1.0829898259260847e-7;
    far = VM_FMA(far, v, 3.6317103052772849e-7);
    far = VM_FMA(far, v, 1.4767921099426897e-6);
    far = VM_FMA(far, v, 1.1111525456650673e-5);
    far = VM_FMA(far, v, 0.00013621684311530047);
    far = VM_FMA(far, v, 0.0033605558519253539);
    far = VM_FMA(far, v, 0.40217650944500808);
    return a < 8.0 ? near : far * __builtin_sqrt(u);
}

VM_INLINE double vm_i0e(double x)
{
    double a = __builtin_fabs(x), t = VM_FMA(a > 8.0 ? 8.0 : a, 0.25, -1.0), u = 1.0 / (a < 8.0 ? 8.0 : a), v = VM_FMA(u, 16.0, -1.0);
    double near = 4.3944263083400832e-9;
    near = VM_FMA(near, t, -1.6311306916686712e-8);
    near = VM_FMA(near, t, 2.679771004975793e-8);
    near = VM_FMA(near, t, -8.5946015260259129e-8);
    near = VM_FMA(near, t, 3.6592167301627761e-7);
    near = VM_FMA(near, t, -1.1419495259048662e-6);
    near = VM_FMA(near, t, 3.232396382443255e-6);
    near = VM_FMA(near, t, -9.1839107947365199e-6);
    near = VM_FMA(near, t, 2.5198651465609149e-5);
    near = VM_FMA(near, t, -6.5567867796964401e-5);
    near = VM_FMA(near, t, 0.00016240845590614181);
    near = VM_FMA(near, t, -0.00038286541399059612);
    near = VM_FMA(near, t, 0.00085631351775653751);
    near = VM_FMA(near, t, -0.0018119029764120445);
    near = VM_FMA(near, t, 0.0036171271654272857);
    near = VM_FMA(near, t, -0.006792394821044967);
    near = VM_FMA(near, t, 0.011960077703464204);
    near = VM_FMA(near, t, -0.019682655784004565);
    near = VM_FMA(near, t, 0.03017791206221918);
    near = VM_FMA(near, t, -0.042985949296730672);
    near = VM_FMA(near, t, 0.056777032015017851);
    near = VM_FMA(near, t, -0.069541195631543973);
    near = VM_FMA(near, t, 0.079275225907529741);
    near = VM_FMA(near, t, -0.084963380915425559);
    near = VM_FMA(near, t, 0.08734341617550884);
    near = VM_FMA(near, t, -0.08904344136077732);
    near = VM_FMA(near, t, 0.094515628539951249);
    near = VM_FMA(near, t, -0.11300432688620536);
    near = VM_FMA(near, t, 0.2070019212239867);
    double far = 1.0881994785468933e-10;
    far = VM_FMA(far, v, 3.5253210197007956e-11);
    far = VM_FMA(far, v, -7.4738446218875915e-10);
    far = VM_FMA(far, v, -2.748111637276033e-10);
    far = VM_FMA(far, v, 2.3981927228949237e-9);
    far = VM_FMA(far, v, 1.0924527246468665e-9);
    far = VM_FMA(far, v, -4.8482509221176967e-9);
    far = VM_FMA(far, v, -3.1185145612122401e-9);
    far = VM_FMA(far, v, 6.789790403895736e-9);
    far = VM_FMA(far, v, 7.3233107351228931e-9);
    far = VM_FMA(far, v, -5.1625178809390127e-9);
    far = VM_FMA(far, v, -1.3319798592019941e-8);
    far = VM_FMA(far, v, -6.8059800751296778e-9);
    far = VM_FMA(far, v, 7.5323864175551228e-9);
    far = VM_FMA(far, v, 2.1556811109898742e-8);
    far = VM_FMA(far, v, 3.9329265710912521e-8);
    far = VM_FMA(far, v, 8.8721546189446248e-8);
    far = VM_FMA(far, v, 2.9735956581528159e-7);
    far = VM_FMA(far, v, 1.4838475863096977e-6);
    far = VM_FMA(far, v, 1.1143033802583682e-5);
    far = VM_FMA(far, v, 0.00013621607439187192);
    far = VM_FMA(far, v, 0.0033605519836677235);
    far = VM_FMA(far, v, 0.40217650944500808);
    return a < 8.0 ? near : far * __builtin_sqrt(u);
}

VM_INLINE float vm_i0ef(float x) { return (float)vm_i0e_narrow(x); }

VM_INLINE float vm_i0f(float x)
{
    double a = __builtin_fabs((double)x);
    float y = (float)(vm_i0e_narrow(x) * vm_exp2_polyf(1.4426950408889634 * (a > 500.0 ? 500.0 : a)));
    return a == (double)INFINITY ? (float)NAN : y;
}

VM_INLINE double vm_i0(double x)
{
    double e = vm_exp(0.5 * __builtin_fabs(x)), y = vm_i0e(x) * e * e;
    return __builtin_fabs(x) == (double)INFINITY ? (double)NAN : y;
}

VM_INLINE double vm_i1e_narrow(double x)
{
    double a = __builtin_fabs(x), t = VM_FMA(a > 8.0 ? 8.0 : a, 0.25, -1.0), u = 1.0 / (a < 8.0 ? 8.0 : a), v = VM_FMA(u, 16.0, -1.0);
    double near = -0.00011931581510371305;
    near = VM_FMA(near, t, 0.00030702964572805139);
    near = VM_FMA(near, t, -0.00022115376803467694);
    near = VM_FMA(near, t, 0.00041297783826617825);
    near = VM_FMA(near, t, -0.0016662365553797405);
    near = VM_FMA(near, t, 0.0033589298866077548);
    near = VM_FMA(near, t, -0.0054573986394635757);
    near = VM_FMA(near, t, 0.0093695028354941289);
    near = VM_FMA(near, t, -0.01559849009725923);
    near = VM_FMA(near, t, 0.023761659175848279);
    near = VM_FMA(near, t, -0.033666011147288991);
    near = VM_FMA(near, t, 0.044659686448307763);
    near = VM_FMA(near, t, -0.05528056337853474);
    near = VM_FMA(near, t, 0.063768864481038142);
    near = VM_FMA(near, t, -0.068482586479279503);
    near = VM_FMA(near, t, 0.068057544917486312);
    near = VM_FMA(near, t, -0.061124338151521353);
    near = VM_FMA(near, t, 0.04468771021532535);
    double far = -1.2212498465941113e-7;
    far = VM_FMA(far, v, -4.2155543729815765e-7);
    far = VM_FMA(far, v, -1.8267145046635388e-6);
    far = VM_FMA(far, v, -1.500332306614829e-5);
    far = VM_FMA(far, v, -0.00021923666942859844);
    far = VM_FMA(far, v, -0.009749581526547915);
    far = VM_FMA(far, v, 0.38939845902587233);
    return __builtin_copysign(a < 8.0 ? near * a : far * __builtin_sqrt(u), x);
}

VM_INLINE double vm_i1e(double x)
{
    double a = __builtin_fabs(x), t = VM_FMA(a > 8.0 ? 8.0 : a, 0.25, -1.0), u = 1.0 / (a < 8.0 ? 8.0 : a), v = VM_FMA(u, 16.0, -1.0);
    double near = 3.6696752013169965e-10;
    near = VM_FMA(near, t, -1.4165980180332848e-9);
    near = VM_FMA(near, t, 2.6443305769991872e-9);
    near = VM_FMA(near, t, -8.9868010131933509e-9);
    near = VM_FMA(near, t, 3.7901404602356163e-8);
    near = VM_FMA(near, t, -1.2424046295570417e-7);
    near = VM_FMA(near, t, 3.7617292810159423e-7);
    near = VM_FMA(near, t, -1.1327198008251626e-6);
    near = VM_FMA(near, t, 3.2936151443567501e-6);
    near = VM_FMA(near, t, -9.1365296301069524e-6);
    near = VM_FMA(near, t, 2.4233987591498261e-5);
    near = VM_FMA(near, t, -6.1423614092670381e-5);
    near = VM_FMA(near, t, 0.00014842110758080819);
    near = VM_FMA(near, t, -0.0003411760229204836);
    near = VM_FMA(near, t, 0.00074451239987497385);
    near = VM_FMA(near, t, -0.0015388745642735841);
    near = VM_FMA(near, t, 0.0030057624040464931);
    near = VM_FMA(near, t, -0.0055345678469886551);
    near = VM_FMA(near, t, 0.0095839621537642913);
    near = VM_FMA(near, t, -0.015571309244077563);
    near = VM_FMA(near, t, 0.023686016957350876);
    near = VM_FMA(near, t, -0.033671355521075052);
    near = VM_FMA(near, t, 0.044674572621282983);
    near = VM_FMA(near, t, -0.055280039226992259);
    near = VM_FMA(near, t, 0.063767403713406106);
    near = VM_FMA(near, t, -0.068482606205826895);
    near = VM_FMA(near, t, 0.068057599909511616);
    near = VM_FMA(near, t, -0.061124338029666283);
    near = VM_FMA(near, t, 0.044687709875608832);
    double far = -1.13288885034257e-10;
    far = VM_FMA(far, v, -3.2677656089803322e-11);
    far = VM_FMA(far, v, 7.7906721790805898e-10);
    far = VM_FMA(far, v, 2.5821694431523859e-10);
    far = VM_FMA(far, v, -2.5062162405593896e-9);
    far = VM_FMA(far, v, -1.0476127785270019e-9);
    far = VM_FMA(far, v, 5.0940163015743387e-9);
    far = VM_FMA(far, v, 3.0717395650769478e-9);
    far = VM_FMA(far, v, -7.2225241789539759e-9);
    far = VM_FMA(far, v, -7.4325353356237926e-9);
    far = VM_FMA(far, v, 5.7226775274541563e-9);
    far = VM_FMA(far, v, 1.3952625102162603e-8);
    far = VM_FMA(far, v, 6.795073490187386e-9);
    far = VM_FMA(far, v, -8.4073268395778165e-9);
    far = VM_FMA(far, v, -2.3382691353601083e-8);
    far = VM_FMA(far, v, -4.3132315623745798e-8);
    far = VM_FMA(far, v, -1.0001220638799958e-7);
    far = VM_FMA(far, v, -3.4838530713710779e-7);
    far = VM_FMA(far, v, -1.8349101539664522e-6);
    far = VM_FMA(far, v, -1.5038547211274231e-5);
    far = VM_FMA(far, v, -0.00021923576383382901);
    far = VM_FMA(far, v, -0.0097495771932356091);
    far = VM_FMA(far, v, 0.38939845902587233);
    return __builtin_copysign(a < 8.0 ? near * a : far * __builtin_sqrt(u), x);
}

VM_INLINE float vm_i1ef(float x) { return (float)vm_i1e_narrow(x); }

VM_INLINE float vm_i1f(float x)
{
    double a = __builtin_fabs((double)x);
    float y = (float)(vm_i1e_narrow(x) * vm_exp2_polyf(1.4426950408889634 * (a > 500.0 ? 500.0 : a)));
    return a == (double)INFINITY ? (float)NAN : y;
}

VM_INLINE double vm_i1(double x)
{
    double e = vm_exp(0.5 * __builtin_fabs(x)), y = vm_i1e(x) * e * e;
    return __builtin_fabs(x) == (double)INFINITY ? (double)NAN : y;
}

