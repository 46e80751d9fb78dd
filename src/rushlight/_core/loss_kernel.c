/* loss_kernel.c -- elementwise losses for one instruction set (isa.h says how it is compiled for each). */
#include "isa.h"
#include "loss_kinds.h"
#include "types.h"
#include "vmath.h"

#define TILE 256
#define LANES 16
/* A call in a loop keeps it from becoming vector code. */
#define INLINE static inline __attribute__((always_inline))

#define REAL float
#define NAME(f) f##_f32
#define FABS __builtin_fabsf
#define EXP vm_expf
#define LOG vm_logf
#define LOG1P vm_log1pf
#define SOFTPLUS vm_softplusf
#include "loss_kernel.h"
#undef REAL
#undef NAME
#undef FABS
#undef EXP
#undef LOG
#undef LOG1P
#undef SOFTPLUS

#define REAL double
#define NAME(f) f##_f64
#define FABS __builtin_fabs
#define EXP vm_exp
#define LOG vm_log
#define LOG1P vm_log1p
#define SOFTPLUS vm_softplus
#include "loss_kernel.h"

const LossKernels *const RL_ISA_NAME(rl_loss_kernels)[2] = {&kernels_f32, &kernels_f64};
