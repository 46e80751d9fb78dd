/* special_slopes.c -- how a draw moves with the parameters of its distribution: -(d cdf / d parameter) / density, which is
 * the derivative of the draw when its place in the distribution is held (Figurnov et al., Implicit reparameterization
 * gradients (2018)).
 *
 * The expansions, their domains and the fitted coefficients are those of PyTorch (ATen/native/Distributions.h, by
 * F. Obermeyer), good to about four digits; anything more exact would give other gradients than PyTorch's. */
#include "special.h"
#include <math.h>

static double square(double x) { return x * x; }
static double or_zero(double x) { return isnan(x) ? 0 : x; }
static double cubic(const double *c, double x) { return c[0] + x * (c[1] + x * (c[2] + x * c[3])); }

/* ---------------------------------------------------------------- gamma */

/* The power series of the incomplete gamma function and of its derivative by a. */
static double gamma_near_zero(double a, double x) {
    double term = 1, first = 1 / a, second = 1 / square(a);
    for (int i = 1; i <= 5; i++) {
        term *= -x / i;
        first += term / (a + i);
        second += term / square(a + i);
    }
    const double cdf = pow(x, a) * first, slope = (log(x) - sf_digamma(a)) * cdf - pow(x, a) * second;
    return or_zero(-slope / (pow(x, a - 1) * exp(-x)));
}

/* Rice's saddle point expansion, and around its singularity at x = a a polynomial. */
static double gamma_large(double a, double x) {
    if (0.9 * a <= x && x <= 1.1 * a) {
        const double left = 1 + 24 * a * (1 + 12 * a);
        const double right = 1440 * a * a + 6 * x * (53 - 120 * x) - 65 * x * x / a + a * (107 + 3600 * x);
        return left * right / (1244160 * square(square(a)));
    }
    const double width = sqrt(8 * a), tail = pow(x - a - a * log(x / a), -1.5);
    const double both = width / (a - x) + (x < a ? -tail : tail);
    const double term = log(x / a) * both - sqrt(2 / a) * (a + x) / square(a - x);
    const double stirling = 1 + 1 / (12 * a) * (1 + 1 / (24 * a));
    return -stirling * x * term / width;
}

static double gamma_fitted(double a, double x) {
    static const double fit[3][8] = {
        {0.16009398, -0.094634809, 0.025146376, -0.0030648343, 1, 0.32668115, 0.10406089, 0.0014179084},
        {0.53487893, 0.1298071, 0.065735949, -0.0015649758, 0.16639465, 0.020070113, -0.0035938915, -0.00058392623},
        {0.040121004, -0.0065914022, -0.0026286047, -0.0013441777, 0.017050642, -0.0021309326, 0.00085092367, -1.5247877e-07}};
    const double u = log(x / a), v = log(a);
    double c[8];
    for (int i = 0; i < 8; i++) c[i] = fit[0][i] + u * (fit[1][i] + u * fit[2][i]);
    return exp(cubic(c, v) / cubic(c + 4, v));
}

double sf_gamma_slope(double a, double x) {
    return x < 0.8 ? gamma_near_zero(a, x) : a > 8 ? gamma_large(a, x) : gamma_fitted(a, x);
}

/* ---------------------------------------------------------------- beta, divided by 1 - x as the Dirichlet distribution wants it */

static double beta_near_zero(double x, double a, double b) {
    const double factor = sf_digamma(a) - sf_digamma(a + b) - log(x);
    double term = 1, series = (factor + 1 / a) / a;
    for (int i = 1; i <= 10; i++) {
        term *= (i - b) * x / i;
        series += term / (a + i) * (factor + 1 / (a + i));
    }
    return or_zero(x * pow(1 - x, -b) * series);
}

/* By b: x is near 0 here as well. */
static double beta_near_zero_by_b(double x, double a, double b) {
    const double factor = sf_digamma(a + b) - sf_digamma(b);
    double term = 1, product = 1, slope = 0, series = factor / a;
    for (int i = 1; i <= 8; i++) {
        term *= -x / i;
        slope = slope * (b - i) + product;
        product *= b - i;
        series += term / (a + i) * (slope + factor * product);
    }
    return or_zero(-pow(1 - x, 1 - b) * series);
}

static double beta_large(double x, double a, double b) {
    const double total = a + b, mean = a / total, deviation = sqrt(a * b / (total + 1)) / total;
    if (fabs(x - mean) <= 0.1 * deviation) {
        const double poly = 47 * x * square(square(b)) + a * ((43 + 20 * (16 + 27 * b) * x) * b * b * b +
                            a * (3 * (59 + 180 * b - 90 * x) * b * b + a * ((453 + 1620 * b * (1 - x) - 455 * x) * b +
                            a * (8 * (1 - x) * (135 * b - 11)))));
        return (1 + 12 * a) * (1 + 12 * b) / square(total) / (1 - x) * poly / (12960 * a * a * a * b * b * (1 + 12 * total));
    }
    const double away = a * (x - 1) + b * x;
    const double stirling = (1 + 1 / (12 * a) + 1 / (288 * a * a)) * (1 + 1 / (12 * b) + 1 / (288 * b * b)) /
                            (1 + 1 / (12 * total) + 1 / (288 * total * total));
    const double term1 = (2 * a * a * (x - 1) + a * b * (x - 1) - x * b * b) / (sqrt(2 * a / b) * pow(total, 1.5) * square(away));
    const double tail = pow(b * log(b / (total * (1 - x))) + a * log(a / (total * x)), -1.5);
    const double term2 = 0.5 * log(a / (total * x)) * (sqrt(8 * a * b / total) / away + (x < mean ? tail : -tail));
    return stirling * -x / sqrt(2 * a * b / total) * (term1 + term2);
}

/* A rational correction to the slope that x has in expectation. */
static double beta_fitted(double x, double a, double total) {
    static const double fit[2][3][3][4] = {
        {{{1.003668233, -0.01061107488, -0.0657888334, 0.01201642863},
          {0.6336835991, -0.3557432599, 0.05486251648, -0.001465281033},
          {-0.03276231906, 0.004474107445, 0.002429354597, -0.0001557569013}},
         {{0.221950385, -0.3187676331, 0.01799915743, 0.01074823814},
          {-0.2951249643, 0.06219954479, 0.01535556598, 0.001550077057},
          {0.02155310298, 0.004170831599, 0.001292462449, 6.976601077e-05}},
         {{-0.05980841433, 0.008441916499, 0.01085618172, 0.002319392565},
          {0.02911413504, 0.01400243777, -0.002721828457, 0.000751041181},
          {0.005900514878, -0.001936558688, -9.495446725e-06, 5.385558597e-05}}},
        {{{1, -0.02924021934, -0.04438342661, 0.007285809825},
          {0.6357567472, -0.3473456711, 0.05454656494, -0.002407477521},
          {-0.03301322327, 0.004845219414, 0.00231480583, -0.0002307248149}},
         {{0.5925320577, -0.1757678135, 0.01505928619, 0.000564515273},
          {0.1014815858, -0.06589186703, 0.01272886114, -0.0007316646956},
          {-0.007258481865, 0.001096195486, 0.0003934994223, -4.12701925e-05}},
         {{0.06469649321, -0.0236701437, 0.002902096474, -5.896963079e-05},
          {0.001925008108, -0.002869809258, 0.0008000589141, -6.063713228e-05},
          {-0.0003477407336, 6.959756487e-05, 1.097287507e-05, -1.650964693e-06}}}};
    const double u = log(x), v = log(a) - u, w = log(total) - v;
    const double powers_u[] = {1, u, u * u}, powers_v[] = {1, v, v * v};
    double sums[2] = {0, 0};
    for (int k = 0; k < 2; k++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++) sums[k] += powers_u[i] * powers_v[j] * cubic(fit[k][i][j], w);
    return sums[0] / sums[1] * x * (sf_digamma(total) - sf_digamma(a)) / (total - a);
}

double sf_dirichlet_slope(double x, double a, double total) {
    const double b = total - a, boundary = total * x * (1 - x);
    if (x <= 0.5 && boundary < 2.5) return beta_near_zero(x, a, b);
    if (x >= 0.5 && boundary < 0.75) return -beta_near_zero_by_b(1 - x, b, a);
    return a > 6 && b > 6 ? beta_large(x, a, b) : beta_fitted(x, a, total);
}
