/* norm.h -- the arithmetic of normalisation on runs of contiguous elements. No Python.
 *
 * norm.c walks the tensors; here is what it does to one run of n elements of x, of its gradient g, and of vectors that
 * lie beside it.  Each instruction set provides these for float and double (norm_kernel.c).
 */
#ifndef RL_NORM_H
#define RL_NORM_H

#include <stdint.h>

typedef struct {
    /* One run, statistics in double: short stretches are summed in sixteen lanes, the stretches in double. */
    double (*sum)(int64_t n, const void *x);
    double (*squares)(int64_t n, const void *x, double mean);                               /* sum of (x - mean)^2 */
    void (*products)(int64_t n, const void *g, const void *x, double mean, double *sum_g, double *sum_gx);
    void (*weighted)(int64_t n, const void *g, const void *x, const void *w, double mean, double *sum_g, double *sum_gx);

    /* One run, the same numbers for all of it. */
    void (*scale)(int64_t n, const void *x, double mean, double a, double b, void *out);    /* a (x - mean) + b */
    void (*combine)(int64_t n, const void *g, const void *x, double mean, double a, double b, double c, void *out);
                                                                                            /* a g + b (x - mean) + c */

    /* One run, weights beside it; w and b may be NULL. */
    void (*affine)(int64_t n, const void *x, double mean, double rstd, const void *w, const void *b, void *out);
    void (*combine_weighted)(int64_t n, const void *g, const void *x, const void *w, double mean, double a, double b, double c,
                             void *out);

    /* One run as a row of columns, each with its own numbers. */
    void (*add)(int64_t n, const void *x, double *acc);
    void (*add_squares)(int64_t n, const void *x, const double *mean, double *acc);
    void (*add_products)(int64_t n, const void *g, const void *x, const double *mean, double *acc_g, double *acc_gx);
    void (*add_row)(int64_t n, const void *g, const void *x, double mean, double rstd, double *acc_g, double *acc_gx);
    void (*scale_columns)(int64_t n, const void *x, const double *mean, const double *a, const double *b, void *out);
    void (*combine_columns)(int64_t n, const void *g, const void *x, const double *mean, const double *a, const double *b,
                            const double *c, void *out);
} RLNormKernels;

#endif
