/* loss_kinds.h -- what loss.c asks of the kernels in loss_kernel.c. */
#ifndef RL_LOSS_KINDS_H
#define RL_LOSS_KINDS_H
#include "kernel.h"

/* The elementwise losses of an input x and a target t; q is beta or delta. */
typedef enum {
    LOSS_L1, LOSS_MSE, LOSS_SMOOTH_L1, LOSS_HUBER, LOSS_BCE, LOSS_LOGITS, LOSS_LOGITS_POS, N_LOSSES
} LossKind;

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
