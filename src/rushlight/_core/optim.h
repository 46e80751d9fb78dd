/* optim.h -- what optim.c asks of the kernels in optim_kernel.c. */
#ifndef RL_OPTIM_H
#define RL_OPTIM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    double neg_lr, momentum, one_minus_dampening, weight_decay;
    bool nesterov, maximize;
} SgdRule;

typedef struct {
    double one_minus_beta1, beta2, one_minus_beta2, eps;
    double weight_decay;       /* added to the gradient; 0 when decoupled */
    double shrink;             /* decoupled decay: p *= shrink first; 1 when there is none */
    double bias2_sqrt;         /* sqrt(1 - beta2^t) */
    double neg_step_size;      /* -lr / (1 - beta1^t) */
    bool maximize;
} AdamRule;

typedef struct {
    void (*sgd_f32)(float *p, const float *grad, float *buf, int64_t n, const SgdRule *);
    void (*sgd_f64)(double *p, const double *grad, double *buf, int64_t n, const SgdRule *);
    void (*adam_f32)(float *p, const float *grad, float *m, float *v, float *vmax, int64_t n, const AdamRule *);
    void (*adam_f64)(double *p, const double *grad, double *m, double *v, double *vmax, int64_t n, const AdamRule *);
} RLOptimKernels;

#endif
