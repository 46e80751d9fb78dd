/* optim_kernel.h -- the arithmetic of SGD and Adam on raw memory.  A template: optim_kernel.c
 * includes it once for each REAL, with
 *     REAL       float or double
 *     NAME(f)    f with a suffix for that type
 *     FMA, SQRT  the type's fused multiply-add and square root
 *
 * The rounding sequence is that of PyTorch's CPU operators, found by comparing bits over sizes
 * 1..4099 on its AVX2 and AVX-512 paths:
 *     x.add(y, alpha=a)               fma(y, a, x)
 *     x.addcmul(y, z, value=a)        fma(a * y, z, x)
 *     x.addcdiv(y, z, value=a)        x + (a * y) / z
 *     x.lerp(y, w), |w| < 1/2         fma(w, y - x, x)
 *     x.lerp(y, w) otherwise          fma(w - 1, y - x, y)
 * Only the products named here may be fused (the build's -ffp-contract=off).  SGD then agrees with
 * PyTorch to the bit.  So does Adam, but for the square root: PyTorch takes MKL's, which is off by
 * one unit in the last place for a fifth of all float32 values; ours is correctly rounded.
 *
 * Where FMA is not an instruction (x86 before AVX2) it is the C library's exact function: slow, and
 * the same bits.
 */

/* buf NULL: no momentum. */
static void NAME(sgd)(REAL *p, const REAL *grad, REAL *buf, int64_t n, const SgdRule *rule)
{
    const REAL neg_lr = (REAL)rule->neg_lr, decay = (REAL)rule->weight_decay;
    const REAL momentum = (REAL)rule->momentum, fresh = (REAL)rule->one_minus_dampening;
    const REAL sign = rule->maximize ? (REAL)-1 : (REAL)1;
    const bool decays = rule->weight_decay != 0, nesterov = rule->nesterov;

    if (!buf && !decays) {
        for (int64_t i = 0; i < n; i++)
            p[i] = FMA(sign * grad[i], neg_lr, p[i]);
        return;
    }
    if (!buf) {
        for (int64_t i = 0; i < n; i++)
            p[i] = FMA(FMA(p[i], decay, sign * grad[i]), neg_lr, p[i]);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        REAL g = sign * grad[i];
        /* Not fma with decay 0: that would turn -0 into 0 and an infinite p into NaN. */
        if (decays) g = FMA(p[i], decay, g);
        REAL b = FMA(g, fresh, buf[i] * momentum);
        buf[i] = b;
        p[i] = FMA(nesterov ? FMA(b, momentum, g) : b, neg_lr, p[i]);
    }
}

/* One loop for each kind: a vectorised loop that only asks inside whether there is a vmax loads through the null pointer
 * under an empty mask, which costs hundreds of cycles. */
static inline __attribute__((always_inline)) void NAME(adam_kind)(REAL *p, const REAL *grad, REAL *m, REAL *v, REAL *vmax, int64_t n,
                                                                  const AdamRule *rule, const bool amsgrad)
{
    const REAL w = (REAL)rule->one_minus_beta1, beta2 = (REAL)rule->beta2;
    const REAL fresh2 = (REAL)rule->one_minus_beta2, eps = (REAL)rule->eps;
    const REAL decay = (REAL)rule->weight_decay, shrink = (REAL)rule->shrink;
    const REAL bias2_sqrt = (REAL)rule->bias2_sqrt, neg_step = (REAL)rule->neg_step_size;
    const REAL sign = rule->maximize ? (REAL)-1 : (REAL)1;
    const bool decays = rule->weight_decay != 0, near = w < (REAL)0.5;
    const REAL lerp_w = near ? w : w - 1;

    for (int64_t i = 0; i < n; i++) {
        REAL g = sign * grad[i], x = p[i] * shrink;
        if (decays) g = FMA(x, decay, g);
        REAL mi = FMA(lerp_w, g - m[i], near ? m[i] : g);
        REAL vi = FMA(fresh2 * g, g, v[i] * beta2);
        m[i] = mi;
        v[i] = vi;
        if (amsgrad) {         /* torch.maximum: NaN wins */
            vi = vi > vmax[i] || vi != vi ? vi : vmax[i];
            vmax[i] = vi;
        }
        REAL denom = SQRT(vi) / bias2_sqrt + eps;
        p[i] = x + neg_step * mi / denom;
    }
}

/* vmax NULL: no AMSGrad. */
static void NAME(adam)(REAL *p, const REAL *grad, REAL *m, REAL *v, REAL *vmax, int64_t n, const AdamRule *rule)
{
    if (vmax) NAME(adam_kind)(p, grad, m, v, vmax, n, rule, true);
    else NAME(adam_kind)(p, grad, m, v, vmax, n, rule, false);
}
