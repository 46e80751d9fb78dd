/* random_samplers.c -- the distributions of random.h that are made of uniforms and normals by formula
 * or by rejection.  The streams depend on the C library's log, exp, sin... in double; those of
 * glibc, which PyTorch uses on Linux, are the reference.
 */
#include "random.h"

#include <float.h>
#include <math.h>

#define PI 3.14159265358979323846

/* ---------------------------------------------------------------- inverses of distribution functions */

void rl_exponential(RLRandom *r, double *out, int64_t n, double lambda)
{
    rl_uniform_f64(r, out, n, 0, 1);
    for (int64_t i = 0; i < n; i++)
        out[i] = -1.0 / lambda * log1p(-out[i]);
}

void rl_cauchy(RLRandom *r, double *out, int64_t n, double median, double sigma)
{
    rl_uniform_f64(r, out, n, 0, 1);
    for (int64_t i = 0; i < n; i++)
        out[i] = fma(sigma, tan(PI * (out[i] - 0.5)), median);
}

void rl_log_normal(RLRandom *r, double *out, int64_t n, double mean, double std)
{
    rl_normal_serial(r, out, n, mean, std);
    for (int64_t i = 0; i < n; i++)
        out[i] = exp(out[i]);
}

void rl_geometric(RLRandom *r, double *out, int64_t n, double p)
{
    rl_uniform_f64(r, out, n, 0, 1);
    for (int64_t i = 0; i < n; i++)
        out[i] = ceil(log(out[i]) / log1p(-p));
}

/* ---------------------------------------------------------------- multinomial */

/* Accumulates in the type of the probabilities, but compares in double.  The last entry is set to 1
 * because rounding may have left it below. */
#define MULTINOMIAL(suffix, real)                                                                     \
    RLProbs rl_multinomial_##suffix(RLRandom *r, int64_t *out, int64_t samples, const real *p,        \
                                    real *cdf, int64_t categories)                                    \
    {                                                                                                 \
        real sum = 0;                                                                                 \
        for (int64_t i = 0; i < categories; i++) {                                                    \
            if (!(p[i] >= 0))                                                                         \
                return RL_PROBS_NEGATIVE;                                                             \
            if (!isfinite(p[i]))                                                                      \
                return RL_PROBS_NOT_FINITE;                                                           \
            cdf[i] = sum += p[i];                                                                     \
        }                                                                                             \
        if (!(sum > 0))                                                                               \
            return RL_PROBS_ZERO;                                                                     \
        for (int64_t i = 0; i < categories; i++)                                                      \
            cdf[i] /= sum;                                                                            \
        cdf[categories - 1] = 1;                                                                      \
        for (int64_t i = 0; i < samples; i++) {                                                       \
            double u = rl_random_unit(r);                                                             \
            int64_t low = 0, high = categories;                                                       \
            while (low < high) {                                                                      \
                int64_t middle = low + (high - low) / 2;                                              \
                if (cdf[middle] < u)                                                                  \
                    low = middle + 1;                                                                 \
                else                                                                                  \
                    high = middle;                                                                    \
            }                                                                                         \
            out[i] = low;                                                                             \
        }                                                                                             \
        return RL_PROBS_OK;                                                                           \
    }
MULTINOMIAL(f32, float)
MULTINOMIAL(f64, double)

/* The smallest of independent exponential waiting times with rates p is at i with probability
 * p[i] / sum(p); the next smallest samples from the rest.  Keys are inverse times. */
void rl_multinomial_keys_f32(RLRandom *r, float *keys, const float *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        keys[i] = p[i] / (float)-log1p(-rl_random_unit(r));
}

void rl_multinomial_keys_f64(RLRandom *r, double *keys, const double *p, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        keys[i] = p[i] / -log1p(-rl_random_unit(r));
}

/* ---------------------------------------------------------------- samplers of one number
 *
 * These follow PyTorch's translation units that are compiled without FMA: no product is fused.
 */

/* W. Hoermann: The transformed rejection method for generating Poisson random variables. Insurance:
 * Mathematics and Economics 12(1), 1993 (algorithm PTRS); small rates by Knuth's product of uniforms. */
double rl_sample_poisson(RLRandom *r, double rate)
{
    if (rate == 0)
        return 0;
    if (rate < 10) {
        double bound = exp(-rate), product = rl_random_unit(r);
        int64_t k = 0;
        for (; product > bound; k++)
            product *= rl_random_unit(r);
        return (double)k;
    }
    double b = 0.931 + 2.53 * sqrt(rate);
    double a = -0.059 + 0.02483 * b;
    double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
    double v_r = 0.9277 - 3.6224 / (b - 2);
    for (;;) {
        double u = rl_random_unit(r) - 0.5, v = rl_random_unit(r);
        double us = 0.5 - fabs(u);
        double k = floor((2 * a / us + b) * u + rate + 0.43);
        if (us >= 0.07 && v <= v_r)
            return k;
        if (k < 0 || (us < 0.013 && v > us))
            continue;
        if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <= -rate + k * log(rate) - lgamma(k + 1))
            return k;
    }
}

/* Where PyTorch computes in the tensor's dtype: an operation on two floats in double, rounded once
 * more, is the float operation (53 >= 2 * 24 + 2 bits, so the double rounding is harmless). */
static double rounded(double x, bool single) { return single ? (double)(float)x : x; }

/* log(k!) minus Stirling's formula for it. */
static double stirling_tail(double k)
{
    static const double table[] = {0.0810614667953272,  0.0413406959554092,  0.0276779256849983,
                                   0.02079067210376509, 0.0166446911898211,  0.0138761288230707,
                                   0.0118967099458917,  0.0104112652619720,  0.00925546218271273,
                                   0.00833056343336287};
    if (k < 10)
        return table[(int)k];
    double square = (k + 1) * (k + 1);
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1);
}

/* W. Hoermann: The generation of binomial random variates. J. Stat. Comput. Simul. 46, 1993
 * (algorithm BTRS), with the constants of TensorFlow's implementation. */
static double binomial_rejection(RLRandom *r, double count, double prob, bool single)
{
    double mean = rounded(count * prob, single), complement = rounded(1 - prob, single);
    double deviation = rounded(sqrt(rounded(mean * complement, single)), single);
    double b = 1.15 + 2.53 * deviation;
    double a = -0.0873 + 0.0248 * b + 0.01 * prob;
    double v_r = 0.92 - 4.2 / b;
    double odds = rounded(prob / complement, single);
    double alpha = (2.83 + 5.1 / b) * deviation;
    double mode = floor(rounded(rounded(count + 1, single) * prob, single));
    for (;;) {
        double u = rl_random_unit(r) - 0.5, v = rl_random_unit(r);
        double us = 0.5 - fabs(u);
        double k = rounded(floor((2 * a / us + b) * u + (mean + 0.5)), single);
        if (k < 0 || k > count)
            continue;
        if (us >= 0.07 && v <= v_r)
            return k;
        double rest = rounded(rounded(count - k, single) + 1, single);
        double bound = (mode + 0.5) * log((mode + 1) / (odds * (count - mode + 1))) +
                       rounded(count + 1, single) * log((count - mode + 1) / rest) +
                       (k + 0.5) * log(odds * rest / rounded(k + 1, single)) + stirling_tail(mode) +
                       stirling_tail(count - mode) - stirling_tail(k) - stirling_tail(rounded(count - k, single));
        if (log(v * alpha / (a / (us * us) + b)) <= bound)
            return k;
    }
}

/* Counts the geometric waiting times that fit into `count` trials. */
static double binomial_waiting(RLRandom *r, double count, double prob, bool single)
{
    double log_failure = single ? (double)log1pf((float)-prob) : log1p(-prob);
    double trials = 0, hits = 0;
    for (;;) {
        trials += ceil(log(rl_random_unit(r)) / log_failure);
        if (trials > count)
            return hits;
        hits = rounded(hits + 1, single);
    }
}

double rl_sample_binomial(RLRandom *r, double count, double prob, bool single)
{
    if (count <= 0 || prob <= 0)
        return 0;
    if (prob >= 1)
        return count;
    if (count != count || prob != prob) /* PyTorch never returns for a NaN count */
        return NAN;
    bool flip = prob > 0.5;
    double p = flip ? rounded(1 - prob, single) : prob;
    double hits = rounded(count * p, single) >= 10 ? binomial_rejection(r, count, p, single)
                                                   : binomial_waiting(r, count, p, single);
    return flip ? rounded(count - hits, single) : hits;
}

/* G. Marsaglia, W. W. Tsang: A simple method for generating gamma variables. ACM TOMS 26(3), 2000.
 * Below 1, Gamma(alpha) = Gamma(alpha + 1) U^(1/alpha).  The constants are PyTorch's float ones. */
static double draw_gamma(RLRandom *r, double alpha, bool single)
{
    double scale = 1;
    if (alpha < 1) {
        if (alpha == 0)
            return 0;
        scale = pow(1 - rl_random_unit(r), rounded(1 / alpha, single));
        alpha = rounded(alpha + 1, single);
    }
    double d = rounded(alpha - 1.0f / 3.0f, single);
    double c = 1 / sqrt(9 * d);
    for (;;) {
        double x, y;
        do {
            x = rl_random_normal(r);
            y = 1 + c * x;
        } while (y <= 0);
        double v = y * y * y, u = 1 - rl_random_unit(r), xx = x * x;
        if (u < 1 - (double)0.0331f * xx * xx || log(u) < 0.5 * xx + d * (1 - v + log(v)))
            return rounded(scale * d * v, single);
    }
}

double rl_sample_gamma(RLRandom *r, double alpha, bool single)
{
    double smallest = single ? (double)FLT_MIN : DBL_MIN, x = draw_gamma(r, alpha, single);
    return x > smallest ? x : smallest;
}

/* The order in which PyTorch's sum adds a contiguous row of doubles with AVX2: four vectors of four
 * lanes in turn, the remainder before the lanes.  (From 256 numbers on it adds up in stages, which
 * may differ in the last bit.) */
static double sum_in_lanes(const double *x, int64_t n)
{
    double lanes[4][4] = {{0}}, sum = 0;
    int64_t vectors = n / 4, whole = vectors / 4 * 4;
    for (int64_t v = 0; v < vectors; v++)
        for (int i = 0; i < 4; i++)
            lanes[v < whole ? v % 4 : 0][i] += x[4 * v + i];
    for (int64_t i = 4 * vectors; i < n; i++)
        sum += x[i];
    for (int i = 0; i < 4; i++)
        sum += ((lanes[0][i] + lanes[1][i]) + lanes[2][i]) + lanes[3][i];
    return sum;
}

/* Normalised gamma variables, kept inside (0, 1) where the dtype would round them to a bound. */
void rl_sample_dirichlet(RLRandom *r, double *out, const double *alpha, int64_t k, bool single)
{
    double low = single ? (double)FLT_MIN : DBL_MIN;
    double high = single ? (double)nextafterf(1, 0) : nextafter(1, 0);
    for (int64_t i = 0; i < k; i++)
        out[i] = rl_sample_gamma(r, alpha[i], false);
    double sum = sum_in_lanes(out, k);
    for (int64_t i = 0; i < k; i++)
        out[i] = fmin(high, fmax(low, rounded(out[i] / sum, single)));
}
