/* loss.h -- what the losses have in common: reductions, checks, and the kernels of loss_kernel.c. */
#ifndef RL_LOSS_H
#define RL_LOSS_H
#include "rl.h"

enum { LOSS_NONE, LOSS_MEAN, LOSS_SUM };

/* `reduction` as a number, from the names or the two booleans (-1: None) that preceded them; -1 on error. */
int rl_loss_reduction(int size_average, int reduce, const char *reduction);
PyObject *rl_sizes_list(Tensor *t);                        /* [2, 3] */
/* 0, or -1 with an error: a loss has no derivative with respect to its weight. */
int rl_refuse_weight_grad(Tensor *weight, const char *function);

/* The elementwise losses of an input x and a target t; q is beta or delta. */
typedef enum {
    LOSS_L1, LOSS_MSE, LOSS_SMOOTH_L1, LOSS_HUBER, LOSS_BCE, LOSS_LOGITS, LOSS_LOGITS_POS, N_LOSSES
} LossKind;

/* Loss, or the derivative with respect to x times norm times g, of n elements; p is pos_weight, g one number
 * for all or one for each. */
typedef void (*LossValue)(const void *x, const void *t, const void *p, void *out, int64_t n, double q);
typedef void (*LossSlope)(const void *x, const void *t, const void *p, const void *g, bool g_each, double norm, void *out,
                          int64_t n, double q);
typedef struct {
    LossValue value[N_LOSSES];
    LossSlope slope[N_LOSSES];
    /* The sum of the losses, each times its weight if w is given. */
    double (*total)(LossValue value, const void *x, const void *t, const void *p, const void *w, int64_t n, double q);
    void (*multiply)(void *out, const void *w, int64_t n);
    bool (*within_unit)(const void *x, int64_t n);         /* all in [0, 1] */
} LossKernels;

#endif
