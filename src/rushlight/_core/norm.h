/* norm.h -- the arithmetic of normalisation on runs of contiguous elements. No Python.
 *
 * norm.c and batch_norm.c walk the tensors; here is what they do to one run of n elements of x, of its gradient g, and of
 * vectors that lie beside it.  Each instruction set provides these for float and double (norm_kernel.c), where `real` is
 * that type.
 */
#ifndef RL_NORM_H
#define RL_NORM_H

#include <stdint.h>

#define RL_NORM_ROWS 2

typedef struct { double mean, rstd, b, c; } RLNormRow; /* of a gradient rstd g w + b (x - mean) + c */

typedef struct {
    /* One run.  Sums are made of short ones in many lanes, which are added up in double. */
    void (*moments)(int64_t n, const void *x, double *mean, double *squares);
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
    /* acc_g += g, acc_gx += g (x - mean) rstd: real numbers, to be handed on by `flush` before they are many */
    void (*add_row)(int64_t n, const void *g, const void *x, double mean, double rstd, void *acc_g, void *acc_gx);
    /* The same for 1 or RL_NORM_ROWS rows of n elements, one after the other, with out = rstd g w + b (x - mean) + c; w may be NULL */
    void (*row_grads)(int64_t n, int rows, const RLNormRow *row, const void *g, const void *x, const void *w, void *out, void *acc_g,
                      void *acc_gx);
    void (*flush)(int64_t n, void *acc, double *total);                                     /* total += acc, acc = 0 */

    /* Rows of c columns, each column with numbers of its own. */
    void (*column_moments)(int64_t rows, int64_t c, const void *x, double *mean, double *squares);
    void (*column_products)(int64_t rows, int64_t c, const void *g, const void *x, const void *mean, double *sum_g, double *sum_gx);
    void (*scale_columns)(int64_t rows, int64_t c, const void *x, const void *mean, const void *a, const void *b, void *out);
    void (*combine_columns)(int64_t rows, int64_t c, const void *g, const void *x, const void *mean, const void *a, const void *b,
                            const void *k, void *out);                                      /* a g + b (x - mean) + k */
    void (*narrow)(int64_t n, const double *from, void *to);
} RLNormKernels;

#endif
