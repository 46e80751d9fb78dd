/* norm_run.h -- what norm.c and batch_norm.c have in common: one normalisation under way and the tensors it holds. */
#ifndef RL_NORM_RUN_H
#define RL_NORM_RUN_H

#include "norm.h"
#include "rl.h"

#define NORM_GRAIN 16384 /* elements: less is not worth a thread's waking */

/* What the threads share.  Pointers to elements are of the working dtype. */
typedef struct {
    const RLNormKernels *k;
    int64_t item;              /* bytes of an element */
    int64_t n, c, s;           /* samples, channels, positions; for layer norm rows, 1, columns */
    int64_t groups;
    double eps;
    bool training;
    bool centred;              /* false: RMS norm, which does not subtract the mean */
    const char *x, *g, *w, *b;
    char *out;                 /* the result, or grad_x, or NULL when that is not wanted */
    double *mean, *rstd;
    double *scale, *shift;     /* by channel: w and b as numbers */
    double *acc_g, *acc_gx;    /* by channel or column: sum(g), sum(g * (x - mean)) */
    int64_t block;             /* rows whose sums are kept apart; depends on shapes alone */
    char *parts;               /* those sums, or numbers of columns in the type of the elements */
    const char *centre;        /* the means of columns, in that type */
} Run;

/* The tensors of one call in their working form; rl_norm_release() gives all of it back. */
typedef struct { Tensor *x, *g, *w, *b, *out, *scratch; } Held;

void rl_norm_release(Held *h);
/* with_out: make room for a result like x.  0, or -1 with an error and nothing held. */
int rl_norm_hold(Held *h, Run *r, Tensor *x, Tensor *g, Tensor *w, Tensor *b, RLDType w_dtype, bool with_out);
void rl_norm_set_planes(Run *r, Tensor *x);

Tensor *rl_norm_as(Tensor *t, RLDType dt);                     /* contiguous; NULL stays NULL without an error */
Tensor *rl_norm_delivered(Tensor *t, RLDType dt);              /* takes over t */
Tensor *rl_norm_doubles(int64_t n, double fill);
/* Sums as a tensor of the parameter's shape and dtype. */
Tensor *rl_norm_summed(const double *sums, Tensor *like, int ndim, const int64_t *size, RLDType dt);
int rl_norm_finish(Tensor **out, bool needs_input, bool needs_weight, bool needs_bias);
/* Parameters share the input's dtype, or are float32 beside a half-precision input. */
int rl_norm_check_dtypes(Tensor *x, const char *name, int n, Tensor *const *params);

static inline RLDType rl_norm_dtype(RLDType dt) { return dt == RL_F64 ? RL_F64 : RL_F32; }
static inline double *rl_norm_numbers(Tensor *t) { return t ? (double *)t->data : NULL; }

#endif
