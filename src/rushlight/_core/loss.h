/* loss.h -- what the losses have in common: reductions and checks. */
#ifndef RL_LOSS_H
#define RL_LOSS_H
#include "loss_kinds.h"
#include "rl.h"

enum { LOSS_NONE, LOSS_MEAN, LOSS_SUM };

/* `reduction` as a number, from the names or the two booleans (-1: None) that preceded them; -1 on error. */
int rl_loss_reduction(int size_average, int reduce, const char *reduction);
PyObject *rl_sizes_list(Tensor *t);                        /* [2, 3] */
/* 0, or -1 with an error: a loss has no derivative with respect to its weight. */
int rl_refuse_weight_grad(Tensor *weight, const char *function);

Tensor *rl_nll_forward(Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index);
Tensor *rl_nll_backward(Tensor *grad, Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index);

/* Weight and pos_weight may be NULL; operands broadcast. */
Tensor *rl_loss_forward(LossKind kind, const char *name, Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight,
                        int reduction, double q);
Tensor *rl_loss_backward(LossKind kind, Tensor *grad, Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight,
                         int reduction, double q);

#endif
