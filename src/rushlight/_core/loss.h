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

Tensor *rl_nll_forward(Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index);
Tensor *rl_nll_backward(Tensor *grad, Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index);

/* The elementwise losses of an input x and a target t; q is beta or delta. */
typedef enum {
    LOSS_L1, LOSS_MSE, LOSS_SMOOTH_L1, LOSS_HUBER, LOSS_BCE, LOSS_LOGITS, LOSS_LOGITS_POS, N_LOSSES
} LossKind;

/* Weight and pos_weight may be NULL; operands broadcast. */
Tensor *rl_loss_forward(LossKind kind, const char *name, Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight,
                        int reduction, double q);
Tensor *rl_loss_backward(LossKind kind, Tensor *grad, Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight,
                         int reduction, double q);

/* The loss of n elements, or its derivative with respect to x times g / count; p is pos_weight, g one number
 * for all or one for each. */
typedef void (*LossValue)(const void *x, const void *t, const void *p, void *out, int64_t n, double q);
typedef void (*LossSlope)(const void *x, const void *t, const void *p, const void *g, bool g_each, double count, void *out,
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
