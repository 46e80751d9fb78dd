/* gemm_kernel.c -- the float products of one instruction set (isa.h says how it is compiled for each). */
#include <string.h>

#include "gemm_kernel.h"
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

#define NR (2 * VL)            /* columns of a tile */
#define RL_KC RL_GEMM_DEPTH
#define RL_KC_DOTS 2048        /* sums along k are cut here, which bounds their rounding errors */
#define RL_DOTS_WIDE 16        /* vectors of the longer side that meet all of the shorter at a time */
#define RL_NV_WIDE 8           /* vectors of columns held for a single row */
#define INLINE static inline __attribute__((always_inline))

#define T float
#define RL_GEMM_F64 0
#define NAME(x) x##_f32
#include "gemm_simd.h"
#include "gemm_tile.h"
#include "gemm_pack.h"
#include "gemm_product.h"
const RLGemmKernels_f32 RL_ISA_NAME(rl_gemm_kernels_f32) = {
    RL_MR, NR, in_place_f32, dot_rows_f32, pack_rows_f32, pack_columns_f32, multiply_f32, dot_f32,
};
#undef T
#undef RL_GEMM_F64
#undef NAME

#define T double
#define RL_GEMM_F64 1
#define NAME(x) x##_f64
#include "gemm_simd.h"
#include "gemm_tile.h"
#include "gemm_pack.h"
#include "gemm_product.h"
const RLGemmKernels_f64 RL_ISA_NAME(rl_gemm_kernels_f64) = {
    RL_MR, NR, in_place_f64, dot_rows_f64, pack_rows_f64, pack_columns_f64, multiply_f64, dot_f64,
};
