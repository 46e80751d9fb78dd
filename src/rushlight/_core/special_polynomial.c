/* special_polynomial.c -- orthogonal polynomials of degree n at x, by their recurrences of three terms.
 *
 * Abramowitz and Stegun, Handbook of Mathematical Functions (1964), table 22.7. */
#include "special.h"
#include <math.h>
#include <stdint.h>

/* p(0) = 1, p(1) = FIRST, and p(k + 1) = NEXT of p(k) = q and p(k - 1) = p */
#define RECURRENCE(NAME, FIRST, NEXT)                    \
    double NAME(double x, double degree) {               \
        const int64_t n = (int64_t)degree;               \
        if (n < 0) return 0;                             \
        if (n == 0) return 1;                            \
        double p = 1, q = FIRST;                         \
        for (int64_t k = 1; k < n && !isnan(q); k++) {   \
            const double r = NEXT;                       \
            p = q;                                       \
            q = r;                                       \
        }                                                \
        return q;                                        \
    }

RECURRENCE(sf_chebyshev_t, x, 2 * x * q - p)
RECURRENCE(sf_chebyshev_u, 2 * x, 2 * x * q - p)
RECURRENCE(sf_chebyshev_v, 2 * x - 1, 2 * x * q - p)
RECURRENCE(sf_chebyshev_w, 2 * x + 1, 2 * x * q - p)
RECURRENCE(sf_hermite_h, 2 * x, 2 * x * q - 2 * (double)k * p)
RECURRENCE(sf_hermite_he, x, x * q - (double)k * p)
RECURRENCE(sf_laguerre_l, 1 - x, ((2 * (double)k + 1 - x) * q - (double)k * p) / (double)(k + 1))
RECURRENCE(sf_legendre_p, x, ((2 * (double)k + 1) * x * q - (double)k * p) / (double)(k + 1))
