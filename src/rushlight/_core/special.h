/* special.h -- special functions that kernel expressions of the table may name; computed in float64 for every dtype. */
#ifndef RL_SPECIAL_H
#define RL_SPECIAL_H
double sf_digamma(double x);
double sf_polygamma(double order, double x);
double rl_zeta(double s, double q);          /* Hurwitz's: the sum of (q + k) ** -s over k >= 0 */
#endif
