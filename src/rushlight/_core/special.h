/* special.h -- special functions that kernel expressions of the table may name; computed in float64 for every dtype. */
#ifndef RL_SPECIAL_H
#define RL_SPECIAL_H
double sf_digamma(double x);
double sf_polygamma(double order, double x);
double rl_zeta(double s, double q);          /* Hurwitz's: the sum of (q + k) ** -s over k >= 0 */
double rl_sinc(double x);                    /* sin(pi x) / (pi x) */
double rl_erfinv(double y);
double rl_ndtri(double p);                   /* the inverse of the normal distribution function */
double rl_log_ndtr(double x);
double rl_erfcx(double x);                   /* exp(x * x) * erfc(x) */
double rl_i0(double x);                      /* modified Bessel functions of the first kind, and divided by exp(|x|) */
double rl_i0e(double x);
double rl_i1(double x);
double rl_i1e(double x);
#endif
