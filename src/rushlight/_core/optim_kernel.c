/* optim_kernel.c -- the optimizers' arithmetic for one instruction set (isa.h says how it is compiled for each). */
#include "isa.h"
#include "optim.h"

#define REAL float
#define NAME(f) f##_f32
#define FMA __builtin_fmaf
#define SQRT __builtin_sqrtf
#include "optim_kernel.h"
#undef REAL
#undef NAME
#undef FMA
#undef SQRT

#define REAL double
#define NAME(f) f##_f64
#define FMA __builtin_fma
#define SQRT __builtin_sqrt
#include "optim_kernel.h"

const RLOptimKernels RL_ISA_NAME(rl_optim_kernels) = {
    sgd_f32, sgd_f64, adam_f32, adam_f64, rmsprop_f32, rmsprop_f64, adagrad_f32, adagrad_f64, adadelta_f32, adadelta_f64
};
