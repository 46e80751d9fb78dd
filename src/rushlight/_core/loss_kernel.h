/* loss_kernel.h -- elementwise losses.  A template: loss_kernel.c includes it once for each REAL, with
 *     REAL                float or double
 *     NAME(f)             f with a suffix for that type
 *     FABS, EXP, LOG, LOG1P, SOFTPLUS   of that type
 */

#define VALUE(loss, EXPR)                                                                                           \
    static void NAME(loss##_value)(const void *x_, const void *t_, const void *p_, void *out_, int64_t n, double q_) \
    {                                                                                                               \
        const REAL *xs = x_, *ts = t_, *ps = p_;                                                                    \
        REAL *out = out_;                                                                                           \
        const REAL q = (REAL)q_;                                                                                    \
        (void)q, (void)ps;                                                                                          \
        RL_IVDEP for (int64_t i = 0; i < n; i++) { const REAL x = xs[i], t = ts[i]; out[i] = EXPR; }                \
    }

#define SLOPE(loss, EXPR)                                                                                           \
    static void NAME(loss##_slope)(const void *x_, const void *t_, const void *p_, const void *g_, bool g_each,     \
                                   double count_, void *out_, int64_t n, double q_)                                  \
    {                                                                                                               \
        const REAL *xs = x_, *ts = t_, *ps = p_, *gs = g_;                                                          \
        REAL *out = out_;                                                                                           \
        const REAL q = (REAL)q_, count = (REAL)count_;                                                                \
        (void)q, (void)ps;                                                                                          \
        if (g_each) {                                                                                               \
            RL_IVDEP for (int64_t i = 0; i < n; i++) { const REAL x = xs[i], t = ts[i], g = gs[i]; out[i] = EXPR; } \
        } else {                                                                                                    \
            const REAL g = gs[0];                                                                                   \
            RL_IVDEP for (int64_t i = 0; i < n; i++) { const REAL x = xs[i], t = ts[i]; out[i] = EXPR; }            \
        }                                                                                                           \
    }

VALUE(l1, FABS(x - t))
SLOPE(l1, (x > t ? 1 : x < t ? -1 : x - t) * (g / count))

VALUE(mse, (x - t) * (x - t))
SLOPE(mse, 2 / count * (x - t) * g)

VALUE(smooth_l1, FABS(x - t) < q ? (REAL)0.5 * FABS(x - t) * FABS(x - t) / q : FABS(x - t) - (REAL)0.5 * q)
SLOPE(smooth_l1, x - t <= -q ? -(1 / count) * g : x - t >= q ? 1 / count * g : 1 / count * (x - t) * g / q)

VALUE(huber, FABS(x - t) <= q ? (REAL)0.5 * (x - t) * (x - t) : q * (FABS(x - t) - (REAL)0.5 * q))
SLOPE(huber, x - t <= -q ? -(1 / count) * g * q : x - t >= q ? 1 / count * g * q : 1 / count * (x - t) * g)

/* Logarithms are held above -100 and the quotient's denominator above 1e-12, as in PyTorch. */
INLINE REAL NAME(held)(REAL y) { return y < -100 ? -100 : y; }
VALUE(bce, (t - 1) * NAME(held)(LOG1P(-x)) - t * NAME(held)(LOG(x)))
INLINE REAL NAME(spread)(REAL x) { const REAL v = (1 - x) * x; return v < (REAL)1e-12 ? (REAL)1e-12 : v; }
SLOPE(bce, g * (x - t) / NAME(spread)(x) / count)

INLINE REAL NAME(log_sigmoid)(REAL x) { return -SOFTPLUS(-x); }
INLINE REAL NAME(sigmoid)(REAL x) { return 1 / (1 + EXP(-x)); }
VALUE(logits, (1 - t) * x - NAME(log_sigmoid)(x))
SLOPE(logits, (NAME(sigmoid)(x) - t) * g / count)
VALUE(logits_pos, (1 - t) * x - ((ps[i] - 1) * t + 1) * NAME(log_sigmoid)(x))
SLOPE(logits_pos, ((ps[i] * t + 1 - t) * NAME(sigmoid)(x) - ps[i] * t) * g / count)

static void NAME(multiply)(void *out_, const void *w_, int64_t n)
{
    REAL *out = out_;
    const REAL *w = w_;
    RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] *= w[i];
}

/* Pairwise over tiles, LANES parallel sums within one: the error grows with the logarithm of n. */
static REAL NAME(sum)(LossValue value, const REAL *x, const REAL *t, const REAL *p, const REAL *w, int64_t n, double q)
{
    if (n > TILE) {
        const int64_t half = (n / 2 + TILE - 1) / TILE * TILE;
        return NAME(sum)(value, x, t, p, w, half, q) +
               NAME(sum)(value, x + half, t + half, p ? p + half : NULL, w ? w + half : NULL, n - half, q);
    }
    REAL tile[TILE], lane[LANES] = {0}, rest = 0;
    int64_t i = 0;
    value(x, t, p, tile, n, q);
    if (w) NAME(multiply)(tile, w, n);
    if (n >= LANES) {
        for (; i + LANES <= n; i += LANES) for (int l = 0; l < LANES; l++) lane[l] += tile[i + l];
        for (int k = LANES / 2; k; k /= 2) for (int l = 0; l < k; l++) lane[l] += lane[l + k];
    }
    for (; i < n; i++) rest += tile[i];
    return lane[0] + rest;
}

static double NAME(total)(LossValue value, const void *x, const void *t, const void *p, const void *w, int64_t n, double q)
{
    return NAME(sum)(value, x, t, p, w, n, q);
}

static bool NAME(within_unit)(const void *x_, int64_t n)
{
    const REAL *x = x_;
    int outside = 0;
    for (int64_t i = 0; i < n; i++) outside |= !(x[i] >= 0 && x[i] <= 1);
    return !outside;
}

#define ENTRIES(f) {NAME(l1_##f), NAME(mse_##f), NAME(smooth_l1_##f), NAME(huber_##f), NAME(bce_##f), NAME(logits_##f), NAME(logits_pos_##f)}
static const LossKernels NAME(kernels) = {ENTRIES(value), ENTRIES(slope), NAME(total), NAME(multiply), NAME(within_unit)};
#undef ENTRIES
#undef VALUE
#undef SLOPE
