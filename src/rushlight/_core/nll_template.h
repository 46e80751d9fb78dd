/* nll_template.h -- the negative log likelihood of classes.  A template: nll.c includes it once for each REAL, with
 *     REAL       float or double
 *     NAME(f)    f with a suffix for that type
 *
 * x is (n, classes, inner), target (n, inner).  Where norms is given, x holds logits and row i's
 * log-probabilities are x - norms[i] - norms[n + i]; inner is then 1.
 */

/* Weight of the targets that count. */
static REAL NAME(counted)(const Nll *s)
{
    const REAL *w = s->w;
    REAL total = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < s->n * s->inner; i++) {
        if (s->target[i] == s->ignore) continue;
        if (w) total += w[s->target[i]];
        else count++;
    }
    return w ? total : (REAL)count;
}

/* Adds in PyTorch's order, so that the last digits agree: a cascade of partial sums, each handed up when
 * 2^power of its elements are in. */
static REAL NAME(forward)(const Nll *s, REAL *each)
{
    const REAL *x = s->x, *w = s->w, *norms = s->norms;
    const int64_t total = s->n * s->inner;
    int power = 4;
    while (power < 8 && ((int64_t)1 << (power * LEVELS)) < total) power++;
    const int64_t mask = ((int64_t)1 << power) - 1;
    REAL loss[LEVELS] = {0}, weight[LEVELS] = {0};
    int64_t count = 0;
    for (int64_t i = 0; i < total; i++) {
        const int64_t y = s->target[i];
        if (y == s->ignore) {
            if (each) each[i] = 0;
            continue;
        }
        REAL v = x[place(s, i)];
        if (norms) v = v - norms[i] - norms[s->n + i];
        if (each) { each[i] = w ? -v * w[y] : -v; continue; }
        if (w) { loss[0] -= v * w[y]; weight[0] += w[y]; }
        else { loss[0] -= v; count++; }
        for (int j = 0; j + 1 < LEVELS && !(i & (mask << (j * power))); j++) {
            loss[j + 1] += loss[j];
            weight[j + 1] += weight[j];
            loss[j] = weight[j] = 0;
        }
    }
    REAL loss_sum = 0, weight_sum = 0;
    for (int j = 0; j < LEVELS; j++) { loss_sum += loss[j]; weight_sum += weight[j]; }
    if (s->reduction == LOSS_MEAN) return loss_sum / (w ? weight_sum : (REAL)count);
    return loss_sum;
}

/* The gradient of log-probability i's target: 0 where it is ignored. */
static inline REAL NAME(share)(const Nll *s, const REAL *grad, REAL total, int64_t i)
{
    const int64_t y = s->target[i];
    if (y == s->ignore) return 0;
    const REAL g = s->reduction == LOSS_NONE ? grad[i] : s->reduction == LOSS_MEAN ? grad[0] / total : grad[0];
    return s->w ? -((const REAL *)s->w)[y] * g : -g;
}

static void NAME(backward)(const Nll *s, const REAL *grad, REAL *out)
{
    const REAL total = s->reduction == LOSS_MEAN ? NAME(counted)(s) : 1;
    for (int64_t i = 0; i < s->n * s->inner; i++) {
        if (s->target[i] == s->ignore) continue;
        out[place(s, i)] = NAME(share)(s, grad, total, i);
    }
}

/* Of the logits: softmax times minus the target's share, and that share at the target. */
static void NAME(fused_backward)(const Nll *s, const REAL *grad, REAL *out, REAL *shares)
{
    const REAL total = s->reduction == LOSS_MEAN ? NAME(counted)(s) : 1;
    for (int64_t i = 0; i < s->n; i++) shares[i] = NAME(share)(s, grad, total, i);
    scaled_softmax(s, sizeof(REAL) == 8 ? RL_F64 : RL_F32, shares, out);
    for (int64_t i = 0; i < s->n; i++) if (s->target[i] != s->ignore) out[i * s->classes + s->target[i]] += shares[i];
}
