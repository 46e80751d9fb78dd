/* special.c -- special functions in float64.
 *
 * The methods and, where a function says so, the coefficients are those of S. Moshier's Cephes Mathematical
 * Library (1984-2000); the rest is cited where it is.
 */
#include "special.h"
#include <float.h>
#include <math.h>

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

double sf_digamma(double x) {
    if (x == 0) return copysign(INFINITY, -x);
    double reflected = 0;
    if (x < 0) {
        const double part = x - trunc(x);
        if (part == 0) return NAN;
        reflected = -M_PI / tan(M_PI * part); /* psi(1 - x) - psi(x) = pi / tan(pi x) */
        x = 1 - x;
    }
    double sum = 0;
    for (; x < 10; x += 1) sum -= 1 / x;
    if (x == 10 && sum == 0) return 2.25175258906672110764 + reflected;
    /* log x - 1 / 2x - the sum of B(2k) / (2k x**2k) */
    static const double b[] = {1. / 12, -1. / 120, 1. / 252, -1. / 240, 1. / 132, -691. / 32760, 1. / 12};
    const double z = 1 / (x * x);
    double tail = 0;
    if (x < 1e17) for (int i = COUNT(b) - 1; i >= 0; i--) tail = (tail + b[i]) * z;
    return sum + log(x) - 0.5 / x - tail + reflected;
}

/* Euler and Maclaurin's formula from the tenth term on. */
double sf_zeta(double s, double q) {
    /* (2k)! / B(2k) */
    static const double a[] = {12, -720, 30240, -1209600, 47900160, -1.8924375803183791606e9, 7.47242496e10,
                               -2.950130727918164224e12, 1.1646782814350067249e14, -4.5979787224074726105e15,
                               1.8152105401943546773e17, -7.1661652561756670113e18};
    if (s == 1) return INFINITY;
    if (s < 1) return NAN;
    if (q <= 0) {
        if (q == floor(q)) return INFINITY;
        if (s != floor(s)) return NAN; /* of q ** -s */
    }
    double sum = pow(q, -s), at = q, term = 0;
    for (int i = 0; i < 9 || at <= 9; i++) {
        at += 1;
        term = pow(at, -s);
        sum += term;
        if (fabs(term) < DBL_EPSILON / 2 * fabs(sum)) return sum;
    }
    sum += term * at / (s - 1) - 0.5 * term;
    double rising = 1;
    for (int i = 0, k = 0; i < COUNT(a); i++, k += 2) {
        rising *= s + k;
        term /= at;
        const double t = rising * term / a[i];
        sum += t;
        if (fabs(t / sum) < DBL_EPSILON / 2) return sum;
        rising *= s + k + 1;
        term /= at;
    }
    return sum;
}

double sf_polygamma(double order, double x) {
    if (order == 0) return sf_digamma(x);
    if (order == 1 && x < 0.5) { /* reflected: zeta(2, x) has no value below 0 */
        const double s = sin(M_PI * x);
        return M_PI * M_PI / (s * s) - sf_zeta(2, 1 - x);
    }
    return (fmod(order, 2) == 0 ? -1 : 1) * tgamma(order + 1) * sf_zeta(order + 1, x);
}

/* Winitzki's approximation (2008), then Newton's and Halley's steps on erf and erfc, which are exact to the last bits. */
double sf_erfinv(double y) {
    if (!(fabs(y) <= 1)) return NAN;
    if (fabs(y) == 1) return copysign(INFINITY, y);
    if (y == 0) return y;
    const double a = 0.147, l = log1p(-y * y), b = 2 / (M_PI * a) + l / 2;
    double x = copysign(sqrt(sqrt(b * b - l / a) - b), y);
    for (int i = 0; i < 3; i++) {
        const double away = fabs(y) < 0.5 ? erf(x) - y : (y < 0 ? -1 : 1) * ((1 - fabs(y)) - erfc(fabs(x)));
        const double step = away / (1.1283791670955126 * exp(-x * x));
        x -= step / (1 + x * step);
    }
    return x;
}

double sf_ndtri(double p) {
    if (!(p >= 0 && p <= 1)) return NAN;
    if (p == 0 || p == 1) return p == 0 ? -INFINITY : INFINITY;
    double x = p > 1e-15 ? M_SQRT2 * sf_erfinv(2 * p - 1) : -sqrt(-2 * log(p));
    for (int i = 0; i < 4; i++) { /* Newton on log Phi where Phi itself has lost its digits, else on Phi */
        if (p < 0.02) {
            const double l = sf_log_ndtr(x);
            x -= (l - log(p)) / (exp(-x * x / 2 - l) * 0.3989422804014327);
        } else {
            const double away = p < 0.5 ? 0.5 * erfc(-x * M_SQRT1_2) - p : (1 - p) - 0.5 * erfc(x * M_SQRT1_2);
            x -= away / (0.3989422804014327 * exp(-x * x / 2));
        }
    }
    return x;
}

/* By its continued fraction for large x (Lentz), from its definition elsewhere. */
double sf_erfcx(double x) {
    if (x != x) return x;
    if (x < 25) {
        if (x < -26.7) return INFINITY;
        const double hi = rint(x * 0x1p20) * 0x1p-20, lo = x - hi; /* x * x in two parts, so that exp keeps its digits */
        return exp(hi * hi) * exp((x + hi) * lo) * erfc(x);
    }
    double f = x;
    for (int k = 40; k > 0; k--) f = x + 0.5 * k / f;
    return 0.5641895835477563 / f;
}

double sf_log_ndtr(double x) {
    if (x < -1) return log(sf_erfcx(-x * M_SQRT1_2) / 2) - x * x / 2;
    return log1p(-erfc(x * M_SQRT1_2) / 2);
}

/* The power series for small x, the asymptotic one (Abramowitz and Stegun, 9.7.1) for large; mu = 4 order ** 2. */
static double bessel_ie(int order, double x) {
    x = fabs(x);
    if (x != x) return x;
    if (x < 30) {
        const double q = x * x / 4;
        double term = order ? x / 2 : 1, sum = term;
        for (int k = 1; term > DBL_EPSILON / 4 * sum; k++) { term *= q / ((double)k * (k + order)); sum += term; }
        return sum * exp(-x);
    }
    const double mu = 4. * order * order;
    double term = 1, sum = 1;
    for (int k = 1; k < 30; k++) {
        const double next = term * -(mu - (2. * k - 1) * (2. * k - 1)) / (k * 8 * x);
        if (fabs(next) > fabs(term) || fabs(next) < DBL_EPSILON / 4) break;
        term = next;
        sum += term;
    }
    return isinf(x) ? 0 : sum / sqrt(2 * M_PI * x);
}

/* At infinity PyTorch's value is NaN, of infinity over infinity. */
double sf_i0(double x) { return isinf(x) ? NAN : bessel_ie(0, x) * exp(fabs(x) / 2) * exp(fabs(x) / 2); }
double sf_i1(double x) { return isinf(x) ? NAN : copysign(bessel_ie(1, x) * exp(fabs(x) / 2) * exp(fabs(x) / 2), x); }
