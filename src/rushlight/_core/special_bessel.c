/* special_bessel.c -- Bessel functions of the second kind, modified ones of the second kind, and Airy's function.
 *
 * No tables: the modified functions come from their power series near 0 and from
 *     exp(x) K_nu(x) = integral over t > 0 of exp(-x (cosh t - 1)) cosh(nu t)
 * elsewhere (Watson, A Treatise on the Theory of Bessel Functions (1922), 6.22), to which the trapezoidal rule converges
 * geometrically since the integrand is analytic in a strip (Trefethen and Weideman, SIAM Review 56 (2014)). */
#include "special.h"
#include <math.h>

#ifdef _WIN32
#define j0 _j0
#define j1 _j1
#define y0 _y0
#define y1 _y1
#endif
#define PI 3.14159265358979323846

/* At infinity the phase is lost, and with it, in PyTorch, the value. */
double sf_bessel_j0(double x) { return isinf(x) ? NAN : j0(x); }
double sf_bessel_j1(double x) { return isinf(x) ? NAN : j1(x); }
double sf_bessel_y0(double x) { return x == 0 ? -INFINITY : x < 0 || isinf(x) ? NAN : y0(x); }
double sf_bessel_y1(double x) { return x == 0 ? -INFINITY : x < 0 || isinf(x) ? NAN : y1(x); }

double sf_spherical_j0(double x) { return isinf(x) ? 0 : x == 0 ? 1 : sin(x) / x; }

/* ---------------------------------------------------------------- modified, of the second kind */

/* Steps of 0.3 / sqrt(x): the integrand is nearly a Gaussian of width 1 / sqrt(x). */
static double scaled_k_integral(double nu, double x) {
    const double step = 0.3 / sqrt(x);
    double sum = 0.5;
    for (int n = 1;; n++) {
        const double t = n * step, s = sinh(t / 2), depth = 2 * x * s * s; /* x (cosh t - 1) */
        if (!(depth <= 45)) return step * sum; /* NaN included: of x, and at infinity */
        sum += exp(-depth) * cosh(nu * t);
    }
}

/* The sum of H_k (x^2 / 4)^k / k!^2 less (log(x / 2) + Euler's constant) I_0(x), where H_k = 1 + 1/2 + ... + 1/k. */
static double k0_series(double x) {
    const double euler = 0.57721566490153286061, q = x * x / 4;
    double term = 1, harmonic = 0, sum = 0;
    for (int k = 1; k < 30; k++) {
        term *= q / ((double)k * k);
        harmonic += 1.0 / k;
        sum += term * harmonic;
    }
    return sum - (log(x / 2) + euler) * sf_i0(x);
}

/* From the Wronskian I_0 K_1 + I_1 K_0 = 1 / x, in which nothing cancels. */
static double k1_small(double x) { return (1 / x - sf_i1(x) * k0_series(x)) / sf_i0(x); }

double sf_k0(double x) { return x == 0 ? INFINITY : x < 0 ? NAN : x <= 2 ? k0_series(x) : exp(-x) * scaled_k_integral(0, x); }
double sf_k1(double x) { return x == 0 ? INFINITY : x < 0 ? NAN : x <= 2 ? k1_small(x) : exp(-x) * scaled_k_integral(1, x); }
double sf_k0e(double x) { return x == 0 ? INFINITY : x < 0 ? NAN : x <= 2 ? exp(x) * k0_series(x) : scaled_k_integral(0, x); }
double sf_k1e(double x) { return x == 0 ? INFINITY : x < 0 ? NAN : x <= 2 ? exp(x) * k1_small(x) : scaled_k_integral(1, x); }

/* ---------------------------------------------------------------- Airy's function Ai, the solution of y'' = x y that decays */

/* y and y' at x + h from those at x: the Taylor coefficients satisfy (n + 2)(n + 1) c[n + 2] = x c[n] + c[n - 1]. */
static void airy_step(double x, double h, double *y, double *slope) {
    double before = 0, now = *y, next = *slope, power = 1, value = 0, derivative = 0; /* c[n - 1], c[n], c[n + 1], h^n */
    for (int n = 0; n < 40; n++) {
        const double after = (x * now + before) / ((n + 2.0) * (n + 1));
        value += now * power;
        derivative += (n + 1) * next * power;
        power *= h;
        before = now, now = next, next = after;
    }
    *y = value;
    *slope = derivative;
}

/* Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 10.4.60: two series in 1 / z^2, cut off where terms no longer fall. */
static double airy_far_left(double x) {
    const double z = 2.0 / 3 * x * sqrt(x), angle = z + PI / 4;
    double term = 1, sums[2] = {1, 0};
    for (int k = 1; k < 30; k++) {
        const double next = term * (6 * k - 5) * (6 * k - 3) * (6 * k - 1) / (216.0 * k * (2 * k - 1) * z);
        if (!(next < term)) break;
        term = next;
        sums[k & 1] += k & 2 ? -term : term;
    }
    return (sin(angle) * sums[0] - cos(angle) * sums[1]) / (sqrt(PI) * sqrt(sqrt(x)));
}

double sf_airy_ai(double x) {
    if (isinf(x) || x != x) return NAN;
    if (x > 2) {
        const double z = 2.0 / 3 * x * sqrt(x);
        return sqrt(x / 3) / PI * exp(-z) * scaled_k_integral(1.0 / 3, z);
    }
    if (x < -9) return airy_far_left(-x);
    /* Short steps away from 0: to the left the solutions oscillate, so that errors do not grow. */
    double at = 0, y = 0.35502805388781723926, slope = -0.25881940379280679840;
    while (at != x) {
        const double h = x - at < -1 ? -1 : x - at > 1 ? 1 : x - at;
        airy_step(at, h, &y, &slope);
        at = fabs(x - at) <= 1 ? x : at + h;
    }
    return y;
}
