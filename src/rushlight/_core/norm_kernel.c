/* norm_kernel.c -- normalisation for one instruction set (isa.h says how it is compiled for each). */
#include "isa.h"
#include "lanes.h"
#include "norm.h"
#include "types.h"

#define TILE 32
#define STRIP 128

#define REAL float
#define NAME(f) f##_f32
#include "norm_kernel.h"
#undef REAL
#undef NAME

#define REAL double
#define NAME(f) f##_f64
#include "norm_kernel.h"
#undef REAL
#undef NAME

/* float32, float64 */
const RLNormKernels *const RL_ISA_NAME(rl_norm_kernels)[2] = {&kernels_f32, &kernels_f64};
