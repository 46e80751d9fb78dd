/* vmath_units.h -- activation functions and their slopes for vmath.h, which includes this file: each as one expression, because
 * the parts (erf and exp, tanh of log1p of exp) have more in common than a compiler finds. */

/* ------------------------------------------------------------ float32 */

/* x P(x), P being the normal distribution function.  (P(x) - 1/2) / x is an entire function of x^2, and a polynomial in
 * w = x^2 mapped to [-1, 1] is well conditioned: no term exceeds 0.14.  Beyond 5.4 the line that continues it leaves [0, 1] at
 * once.  The error is that of a rounded P, 1e-7 of x; the relative one grows in the lower tail, as it does in
 * x / 2 (1 + erf(x / sqrt(2))). */
VM_INLINE float vm_geluf(float x)
{
    float z = x * x, w = VM_FMAF(z > 29.16f ? 29.16f : z, 0.0685871056f, -1.0f);
    float q = 6.73904942e-05f;
    q = VM_FMAF(q, w, -0.000194299471f);
    q = VM_FMAF(q, w, 0.000203569827f);
    q = VM_FMAF(q, w, -0.000339970109f);
    q = VM_FMAF(q, w, 0.00105213572f);
    q = VM_FMAF(q, w, -0.00215867604f);
    q = VM_FMAF(q, w, 0.00361926062f);
    q = VM_FMAF(q, w, -0.0060187187f);
    q = VM_FMAF(q, w, 0.00961812586f);
    q = VM_FMAF(q, w, -0.0142294513f);
    q = VM_FMAF(q, w, 0.0196667016f);
    q = VM_FMAF(q, w, -0.0256945267f);
    q = VM_FMAF(q, w, 0.0321122594f);
    q = VM_FMAF(q, w, -0.0392112546f);
    q = VM_FMAF(q, w, 0.0484998748f);
    q = VM_FMAF(q, w, -0.0653279424f);
    q = VM_FMAF(q, w, 0.130928114f);
    float p = VM_FMAF(q, x, 0.5f);
    return x * vm_clampf(p, 0.0f, 1.0f);
}

/* P(x) + x P'(x), of the same kind; it is 0 or 1 to the last digit beyond 6.  Infinities give NaN, as in PyTorch. */
VM_INLINE float vm_gelu_slopef(float x)
{
    float y = vm_clampf(x, -6.0f, 6.0f), w = VM_FMAF(y * y, 0.0555555556f, -1.0f);
    float q = -0.0012563793f;
    q = VM_FMAF(q, w, 0.00326342718f);
    q = VM_FMAF(q, w, -0.00116921123f);
    q = VM_FMAF(q, w, -0.000203716932f);
    q = VM_FMAF(q, w, -0.0093190521f);
    q = VM_FMAF(q, w, 0.0197184961f);
    q = VM_FMAF(q, w, -0.0215310622f);
    q = VM_FMAF(q, w, 0.027910471f);
    q = VM_FMAF(q, w, -0.0434207655f);
    q = VM_FMAF(q, w, 0.0563649125f);
    q = VM_FMAF(q, w, -0.0631091893f);
    q = VM_FMAF(q, w, 0.0662485957f);
    q = VM_FMAF(q, w, -0.0648900345f);
    q = VM_FMAF(q, w, 0.0588053502f);
    q = VM_FMAF(q, w, -0.0508679673f);
    q = VM_FMAF(q, w, 0.0445455834f);
    q = VM_FMAF(q, w, -0.0423691906f);
    q = VM_FMAF(q, w, 0.0460580587f);
    q = VM_FMAF(q, w, -0.0593427531f);
    q = VM_FMAF(q, w, 0.117897756f);
    return VM_FMAF(q, y, 0.5f) + (x - x);
}

/* top + log(1 + u) for 0 <= u <= 1. */
VM_INLINE float vm_plus_log1pf(float top, float u)
{
    float q = -0.0032439807f;                                   /* log(1 + u) / u */
    q = VM_FMAF(q, u, 0.0198512617f);
    q = VM_FMAF(q, u, -0.0569591597f);
    q = VM_FMAF(q, u, 0.106036171f);
    q = VM_FMAF(q, u, -0.153055698f);
    q = VM_FMAF(q, u, 0.196759313f);
    q = VM_FMAF(q, u, -0.249541327f);
    q = VM_FMAF(q, u, 0.333299637f);
    q = VM_FMAF(q, u, -0.499999017f);
    q = VM_FMAF(q, u, 1.0f);
    return VM_FMAF(q, u, top);
}

/* log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)), the last of a number between 0 and 1. */
VM_INLINE float vm_softplusf(float x) { return vm_plus_log1pf(x < 0.0f ? 0.0f : x, vm_expf(-__builtin_fabsf(x))); }

/* tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2), e = exp(x); it is 1 to the last digit from x = 20 on. */
VM_INLINE float vm_mishf(float x)
{
    float e = vm_expf(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
}

/* n / (n + 2) + 4 x e (1 + e) / (n + 2)^2; from 20 on the second term vanishes, but stays NaN for infinity as in PyTorch. */
VM_INLINE float vm_mish_slopef(float x)
{
    float e = vm_expf(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f), r = 1.0f / (n + 2.0f);
    float bend = 4.0f * e * r * ((1.0f + e) * r);
    return VM_FMAF(x, x > 20.0f ? 0.0f : bend, n * r);
}

/* ------------------------------------------------------------ float64 */

VM_INLINE double vm_gelu(double x) { return x * 0.5 * (1.0 + vm_erf(x * 0.70710678118654757)); }

VM_INLINE double vm_gelu_slope(double x)
{
    return 0.5 * (1.0 + vm_erf(x * 0.70710678118654757)) + x * (0.3989422804014327 * vm_exp(-0.5 * x * x));
}

VM_INLINE double vm_softplus(double x) { return (x < 0.0 ? 0.0 : x) + vm_log1p(vm_exp(-__builtin_fabs(x))); }

VM_INLINE double vm_mish(double x)
{
    double e = vm_exp(x > 20.0 ? 20.0 : x), n = e * (e + 2.0);
    return x * (n / (n + 2.0));
}

VM_INLINE double vm_mish_slope(double x)
{
    double e = vm_exp(x > 20.0 ? 20.0 : x), n = e * (e + 2.0), r = 1.0 / (n + 2.0);
    double bend = 4.0 * e * r * ((1.0 + e) * r);
    return VM_FMA(x, x > 20.0 ? 0.0 : bend, n * r);
}
