/* gemm.c -- dense products of float32 and float64: the kernels of this processor, and memory and threads for them. */
#include "gemm.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "gemm_kernel.h"
#include "isa.h"
#include "rl.h"

#ifndef _WIN32
#include <pthread.h>
#endif

extern const RLGemmKernels_f32 rl_gemm_kernels_f32_base;
extern const RLGemmKernels_f64 rl_gemm_kernels_f64_base;

/* Chosen while the module is loaded; never change afterwards. */
static const RLGemmKernels_f32 *kernels_f32 = &rl_gemm_kernels_f32_base;
static const RLGemmKernels_f64 *kernels_f64 = &rl_gemm_kernels_f64_base;

#if defined(__x86_64__) || defined(_M_X64)
extern const RLGemmKernels_f32 rl_gemm_kernels_f32_avx2, rl_gemm_kernels_f32_avx512;
extern const RLGemmKernels_f64 rl_gemm_kernels_f64_avx2, rl_gemm_kernels_f64_avx512;

__attribute__((constructor)) static void choose_kernels(void) {
    const RLIsa isa = rl_isa_best();
    if (isa >= RL_ISA_AVX512) {
        kernels_f32 = &rl_gemm_kernels_f32_avx512;
        kernels_f64 = &rl_gemm_kernels_f64_avx512;
    } else if (isa >= RL_ISA_AVX2) {
        kernels_f32 = &rl_gemm_kernels_f32_avx2;
        kernels_f64 = &rl_gemm_kernels_f64_avx2;
    }
}
#endif

static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t align_up(int64_t a, int64_t b) { return a <= b ? b : ceil_div(a, b) * b; }

/* ---------------------------------------------------------------- room for packed operands */

/* One block a thread, kept from call to call; RL_SIDE bounds it to 8 MB. A thread gives its own back when it ends. */
static _Thread_local struct {
    void *memory;
    size_t size;
    uint64_t number;           /* of the narrow product whose short operand lies there */
} kept;

#ifndef _WIN32
static pthread_key_t at_exit;
__attribute__((constructor)) static void make_key(void) { pthread_key_create(&at_exit, free); }
#endif

static void *scratch(size_t size) {
    kept.number = 0;
    if (size > kept.size) {
        free(kept.memory);
        kept.memory = NULL;
        kept.size = 0;
#ifdef _WIN32
        kept.memory = _aligned_malloc(size, 64);
#else
        if (posix_memalign(&kept.memory, 64, size) != 0) kept.memory = NULL;
        pthread_setspecific(at_exit, kept.memory);
#endif
        if (kept.memory) kept.size = size;
    }
    return kept.memory;
}

/* ---------------------------------------------------------------- sizes of work, in multiplications unless said otherwise */

#define RL_SIDE 2048                    /* rows of A and columns of B packed at a time */
#define RL_UNIT_STRIPS 12               /* strips of A that a unit of work runs over: they fit a second-level cache */
#define RL_PANEL ((int64_t)96 << 10)    /* bytes of a strip of the long operand of a narrow product: on the stack */
#define RL_EVEN 4                       /* groups of its rows are a multiple of this, so that threads have as many each */
#define RL_NARROW 256                   /* rows or columns up to which a product is narrow if its short operand has at most */
#define RL_NARROW_MOST (1 << 20)        /* so many bytes; */
#define RL_NARROW_ANY (640 << 10)       /* any product is whose short operand leaves room in a second-level cache */
#define RL_ROWS_FROM 128
#define RL_FEW 8                        /* rows or columns up to which dots win over turning an operand, */
#define RL_FEW_DEEP 32                  /* and where sums are at least so long: */
#define RL_DEEP 256
#define RL_DOTS_STEP 16                 /* where C may be cut: multiples of the kernels' own steps */
#define RL_ROWS_STEP 24
#define RL_COLUMNS_STEP 128
#define RL_SHARED (96.0 * 96 * 96)      /* below, waking a thread costs more than it brings */
#define RL_WORK_GRAIN ((int64_t)1 << 18)
#define RL_READ_GRAIN ((int64_t)1 << 17) /* for products that do little more than read their operands */
#define RL_PACK_GRAIN ((int64_t)1 << 14) /* elements copied */
#define RL_PACKED_FROM (96.0 * 96 * 96)
#define RL_PACKED_SIDE 24
#define RL_PARTS 16                     /* into which a long k is cut */
#define RL_PARTS_FROM 4096
#define RL_PARTS_SIZE 8192              /* elements of C */
#define RL_BATCH_DEALT 16               /* entries of a batch */
#define RL_WRITING 8                    /* what an element of C takes to write, */
#define RL_ENTRY 1500                   /* and an entry of a batch to begin */
#define RL_TINY 32                      /* products of a batch that loops do sooner than kernels, */
#define RL_TINY_TIME 256                /* and what one of them takes */
#define RL_DOT_SHARED (1 << 16)         /* elements */

/* On this thread alone, or shared in chunks of `grain` or more. */
static inline void share(bool alone, int64_t n, int64_t grain, void (*fn)(void *, int64_t, int64_t), void *ctx) {
    if (alone)
        fn(ctx, 0, n);
    else
        rl_parallel_for(n, max64(grain, 1), fn, ctx);
}

#define T float
#define NAME(x) x##_f32
#define KERNELS kernels_f32
#include "gemm_plan.h"
#undef T
#undef NAME
#undef KERNELS

#define T double
#define NAME(x) x##_f64
#define KERNELS kernels_f64
#include "gemm_plan.h"
