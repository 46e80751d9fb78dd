/* softmax_kernel.c -- softmax for one instruction set (isa.h says how it is compiled for each). */
#include "softmax.h"
#include "isa.h"
#include "lanes.h"
#include "types.h"
#include "vmath.h"

#define BLOCK 1024
#define SHORT 16               /* rows below this are taken by columns */
#define LONG 128               /* rows below this share the loop over exp */

/* Bytes of vectors whose comparisons the target has whole: GCC takes wider ones apart by the element. */
#if defined(__AVX2__)
#define COMPARED 32
#else
#define COMPARED 16
#endif

#define REAL float
#define BITS int32_t
#define NAME(f) f##_f32
#define EXP vm_expf
#define LOG vm_logf
#include "softmax_kernel.h"
#undef REAL
#undef BITS
#undef NAME
#undef EXP
#undef LOG

#define REAL double
#define BITS int64_t
#define NAME(f) f##_f64
#define EXP vm_exp
#define LOG vm_log
#include "softmax_kernel.h"

const SoftmaxKernels *const RL_ISA_NAME(rl_softmax_kernels)[2] = {&kernels_f32, &kernels_f64};
