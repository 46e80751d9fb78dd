/* gemm_kernel.c -- the float products of one instruction set (isa.h says how it is compiled for each). */
#include <stdlib.h>
#include <string.h>

#include "gemm.h"
#include "isa.h"

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* GCC has it from version 12, Clang always. */
#ifdef __has_builtin
#define RL_HAS_SHUFFLEVECTOR __has_builtin(__builtin_shufflevector)
#else
#define RL_HAS_SHUFFLEVECTOR 0
#endif

#define RL_KC 256              /* with NR columns: 32 KB at the widest, a first-level cache */
#define RL_MC 192              /* rows of A per copied block: 192 KB of float32; divisible by every RL_MR */
#define RL_NV_WIDE 8           /* vectors of columns held for a single row */
#define RL_LARGE (96 * 96 * 96) /* multiplications from which copying A pays */

#define T float
#define RL_GEMM_F64 0
#define NAME(x) x##_f32
#include "gemm_tile.h"
#undef T
#undef RL_GEMM_F64
#undef NAME

#define T double
#define RL_GEMM_F64 1
#define NAME(x) x##_f64
#include "gemm_tile.h"

const RLGemmKernels RL_ISA_NAME(rl_gemm_kernels) = {gemm_f32, gemm_f64, dot_f32, dot_f64};
