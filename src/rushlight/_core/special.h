/* special.h -- special functions that kernel expressions of the table may name; computed in float64 for every dtype. */
#ifndef RL_SPECIAL_H
#define RL_SPECIAL_H
double sf_digamma(double x);
double sf_polygamma(double order, double x);
double sf_zeta(double s, double q);          /* Hurwitz's: the sum of (q + k) ** -s over k >= 0 */
double sf_erfinv(double y);
double sf_ndtri(double p);                   /* the inverse of the normal distribution function */
double sf_log_ndtr(double x);
double sf_erfcx(double x);                   /* exp(x * x) * erfc(x) */
double sf_igamma(double a, double x);           /* incomplete gamma functions, lower and upper, over gamma(a) */
double sf_igammac(double a, double x);
double sf_i0(double x);                      /* modified Bessel functions of the first kind */
double sf_i1(double x);
double sf_bessel_j0(double x);               /* Bessel functions of the first and second kind */
double sf_bessel_j1(double x);
double sf_bessel_y0(double x);
double sf_bessel_y1(double x);
double sf_spherical_j0(double x);            /* sin(x) / x */
double sf_k0(double x);                      /* modified Bessel functions of the second kind, and multiplied by exp(x) */
double sf_k1(double x);
double sf_k0e(double x);
double sf_k1e(double x);
double sf_airy_ai(double x);
double sf_gamma_slope(double a, double x);   /* the derivatives of draws by their distributions' parameters */
double sf_dirichlet_slope(double x, double a, double total);
/* orthogonal polynomials: the degree is a whole number, below 0 the value is 0 */
double sf_chebyshev_t(double x, double degree);
double sf_chebyshev_u(double x, double degree);
double sf_chebyshev_v(double x, double degree);
double sf_chebyshev_w(double x, double degree);
double sf_hermite_h(double x, double degree);
double sf_hermite_he(double x, double degree);
double sf_laguerre_l(double x, double degree);
double sf_legendre_p(double x, double degree);
#endif
