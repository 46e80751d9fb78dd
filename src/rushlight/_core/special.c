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
double rl_zeta(double s, double q) {
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
        return M_PI * M_PI / (s * s) - rl_zeta(2, 1 - x);
    }
    return (fmod(order, 2) == 0 ? -1 : 1) * tgamma(order + 1) * rl_zeta(order + 1, x);
}
