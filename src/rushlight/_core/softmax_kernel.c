/* softmax_kernel.c -- softmax for one instruction set (isa.h says how it is compiled for each). */
#include "isa.h"
#include "softmax.h"
#include "types.h"
#include "vmath.h"

#define BLOCK 1024
#define LANES 16

#define REAL float
#define NAME(f) f##_f32
#define EXP vm_expf
#define LOG vm_logf
#include "softmax_kernel.h"
#undef REAL
#undef NAME
#undef EXP
#undef LOG

#define REAL double
#define NAME(f) f##_f64
#define EXP vm_exp
#define LOG vm_log
#include "softmax_kernel.h"

const SoftmaxKernels RL_ISA_NAME(rl_softmax_kernels)[2] = {
    {softmax_f32, log_softmax_f32, softmax_backward_f32, log_softmax_backward_f32, norms_f32, scaled_f32},
    {softmax_f64, log_softmax_f64, softmax_backward_f64, log_softmax_backward_f64, norms_f64, scaled_f64},
};
