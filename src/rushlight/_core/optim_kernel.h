/* optim_kernel.h -- the arithmetic of the optimizers on raw memory.  A template: optim_kernel.c
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
 * PyTorch to the bit.  So do the others, but for the square root: PyTorch takes MKL's, which is off by
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

/* One loop for each kind, as for Adam. */
static inline __attribute__((always_inline)) void NAME(rmsprop_kind)(REAL *p, const REAL *grad, REAL *square, REAL *mean, REAL *buf,
                                                                     int64_t n, const RmspropRule *rule, const bool centered,
                                                                     const bool buffered)
{
    const REAL neg_lr = (REAL)rule->neg_lr, alpha = (REAL)rule->alpha, fresh = (REAL)rule->one_minus_alpha;
    const REAL eps = (REAL)rule->eps, decay = (REAL)rule->weight_decay, momentum = (REAL)rule->momentum;
    const REAL sign = rule->maximize ? (REAL)-1 : (REAL)1;
    const bool decays = rule->weight_decay != 0, near = fresh < (REAL)0.5;
    const REAL lerp_w = near ? fresh : fresh - 1;

    for (int64_t i = 0; i < n; i++) {
        REAL g = sign * grad[i];
        if (decays) g = FMA(p[i], decay, g);
        REAL v = FMA(fresh * g, g, square[i] * alpha);
        square[i] = v;
        if (centered) {
            REAL m = FMA(lerp_w, g - mean[i], near ? mean[i] : g);
            mean[i] = m;
            v = FMA(-m, m, v);
        }
        REAL root = SQRT(v) + eps;
        if (buffered) {
            REAL b = buf[i] * momentum + g / root;
            buf[i] = b;
            p[i] = FMA(b, neg_lr, p[i]);
        } else {
            p[i] = p[i] + neg_lr * g / root;
        }
    }
}

/* mean NULL: not centered; buf NULL: no momentum. */
static void NAME(rmsprop)(REAL *p, const REAL *grad, REAL *square, REAL *mean, REAL *buf, int64_t n, const RmspropRule *rule)
{
    if (mean && buf) NAME(rmsprop_kind)(p, grad, square, mean, buf, n, rule, true, true);
    else if (mean) NAME(rmsprop_kind)(p, grad, square, mean, buf, n, rule, true, false);
    else if (buf) NAME(rmsprop_kind)(p, grad, square, mean, buf, n, rule, false, true);
    else NAME(rmsprop_kind)(p, grad, square, mean, buf, n, rule, false, false);
}

static void NAME(adagrad)(REAL *p, const REAL *grad, REAL *sum, int64_t n, const AdagradRule *rule)
{
    const REAL neg_lr = (REAL)rule->neg_lr, eps = (REAL)rule->eps, decay = (REAL)rule->weight_decay;
    const REAL sign = rule->maximize ? (REAL)-1 : (REAL)1;
    const bool decays = rule->weight_decay != 0;

    for (int64_t i = 0; i < n; i++) {
        REAL g = sign * grad[i];
        if (decays) g = FMA(p[i], decay, g);
        REAL s = FMA(g, g, sum[i]);
        sum[i] = s;
        p[i] = p[i] + neg_lr * g / (SQRT(s) + eps);
    }
}

static void NAME(adadelta)(REAL *p, const REAL *grad, REAL *square, REAL *delta, int64_t n, const AdadeltaRule *rule)
{
    const REAL neg_lr = (REAL)rule->neg_lr, rho = (REAL)rule->rho, fresh = (REAL)rule->one_minus_rho;
    const REAL eps = (REAL)rule->eps, decay = (REAL)rule->weight_decay;
    const REAL sign = rule->maximize ? (REAL)-1 : (REAL)1;
    const bool decays = rule->weight_decay != 0;

    for (int64_t i = 0; i < n; i++) {
        REAL g = sign * grad[i];
        if (decays) g = FMA(p[i], decay, g);
        REAL v = FMA(fresh * g, g, square[i] * rho);
        REAL d = SQRT(delta[i] + eps) / SQRT(v + eps) * g;
        square[i] = v;
        delta[i] = FMA(fresh * d, d, delta[i] * rho);
        p[i] = FMA(d, neg_lr, p[i]);
    }
}
