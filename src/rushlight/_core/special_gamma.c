/* special_gamma.c -- the regularised incomplete gamma functions P(a, x) and Q(a, x) = 1 - P(a, x).
 *
 * A power series below x = max(1, a) and a continued fraction, evaluated by Lentz's method, above: Abramowitz and
 * Stegun, Handbook of Mathematical Functions (1964), 6.5.29 and 6.5.31; Press et al., Numerical Recipes, section 6.2. */
#include "special.h"
#include <float.h>
#include <math.h>

enum { MOST_TERMS = 100000 };   /* about sqrt(a) are needed where x is near a large a */

static double factor(double a, double x) { return exp(a * log(x) - x - lgamma(a)); }

static double lower_series(double a, double x) {
    double term = 1 / a, sum = term;
    for (int n = 1; n < MOST_TERMS && term > sum * DBL_EPSILON / 4; n++) sum += term *= x / (a + n);
    return sum * factor(a, x);
}

static double upper_fraction(double a, double x) {
    const double tiny = DBL_MIN / DBL_EPSILON;
    double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;
    for (int n = 1; n < MOST_TERMS; n++) {
        const double an = -n * (n - a);
        b += 2;
        d = an * d + b;
        c = b + an / c;
        if (fabs(d) < tiny) d = tiny;
        if (fabs(c) < tiny) c = tiny;
        d = 1 / d;
        const double step = c * d;
        h *= step;
        if (fabs(step - 1) < DBL_EPSILON) break;
    }
    return h * factor(a, x);
}

double sf_igamma(double a, double x) {
    if (!(x >= 0) || !(a >= 0) || (a == 0 && x == 0)) return NAN;
    if (a == 0) return 1;
    if (x == 0) return 0;
    if (isinf(a)) return isinf(x) ? NAN : 0;
    if (isinf(x)) return 1;
    return x > 1 && x > a ? 1 - upper_fraction(a, x) : lower_series(a, x);
}

double sf_igammac(double a, double x) {
    if (!(x >= 0) || !(a >= 0) || (a == 0 && x == 0)) return NAN;
    if (a == 0) return 0;
    if (x == 0) return 1;
    if (isinf(a)) return isinf(x) ? NAN : 1;
    if (isinf(x)) return 0;
    return x > 1 && x > a ? upper_fraction(a, x) : 1 - lower_series(a, x);
}
