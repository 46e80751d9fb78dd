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
    double neg_lr, alpha, one_minus_alpha, eps, weight_decay, momentum;
    bool maximize;
} RmspropRule;

typedef struct {
    double neg_lr, eps, weight_decay;      /* neg_lr: decayed already */
    bool maximize;
} AdagradRule;

typedef struct {
    double neg_lr, rho, one_minus_rho, eps, weight_decay;
    bool maximize;
} AdadeltaRule;

typedef struct {
    void (*sgd_f32)(float *p, const float *grad, float *buf, int64_t n, const SgdRule *);
    void (*sgd_f64)(double *p, const double *grad, double *buf, int64_t n, const SgdRule *);
    void (*adam_f32)(float *p, const float *grad, float *m, float *v, float *vmax, int64_t n, const AdamRule *);
    void (*adam_f64)(double *p, const double *grad, double *m, double *v, double *vmax, int64_t n, const AdamRule *);
    void (*rmsprop_f32)(float *p, const float *grad, float *square, float *mean, float *buf, int64_t n, const RmspropRule *);
    void (*rmsprop_f64)(double *p, const double *grad, double *square, double *mean, double *buf, int64_t n, const RmspropRule *);
    void (*adagrad_f32)(float *p, const float *grad, float *sum, int64_t n, const AdagradRule *);
    void (*adagrad_f64)(double *p, const double *grad, double *sum, int64_t n, const AdagradRule *);
    void (*adadelta_f32)(float *p, const float *grad, float *square, float *delta, int64_t n, const AdadeltaRule *);
    void (*adadelta_f64)(double *p, const double *grad, double *square, double *delta, int64_t n, const AdadeltaRule *);
} RLOptimKernels;

#endif
