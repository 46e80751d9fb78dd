/* gemm_generic.c -- products of integers, half floats and complex numbers: the kernels of this processor, rows of C shared
 * by threads. */
#include "gemm_generic.h"

#include "isa.h"
#include "rl.h"

extern const RLGenericKernels rl_generic_kernels_base;
static const RLGenericKernels *kernels = &rl_generic_kernels_base;

#if defined(__x86_64__) || defined(_M_X64)
extern const RLGenericKernels rl_generic_kernels_avx2, rl_generic_kernels_avx512;

__attribute__((constructor)) static void choose_kernels(void) {
    const RLIsa isa = rl_isa_best();
    if (isa >= RL_ISA_AVX512)
        kernels = &rl_generic_kernels_avx512;
    else if (isa >= RL_ISA_AVX2)
        kernels = &rl_generic_kernels_avx2;
}
#endif

#define GRAIN ((double)(1 << 18)) /* multiplications */
#define STEP 16                   /* rows */

/* n > 0, k > 0 */
static int64_t grain(int64_t n, int64_t k) {
    const double rows = GRAIN / ((double)n * (double)k);
    return rows < STEP ? STEP : (int64_t)(rows / STEP + 1) * STEP;
}

#define DEFINE(SUFFIX, T, S)                                                                                      \
    typedef struct { bool ta, tb; int64_t n, k, lda, ldb, ldc; S alpha, beta; const T *a, *b; T *c; } Job_##SUFFIX; \
    static void some_rows_##SUFFIX(void *ctx, int64_t begin, int64_t end) {                                       \
        const Job_##SUFFIX *w = ctx;                                                                              \
        kernels->SUFFIX(w->ta, w->tb, end - begin, w->n, w->k, w->alpha, w->a + begin * (w->ta ? 1 : w->lda),     \
                        w->lda, w->b, w->ldb, w->beta, w->c + begin * w->ldc, w->ldc);                            \
    }                                                                                                             \
    void rl_gemm_##SUFFIX(RL_GEMM_SIGNATURE(T, S)) {                                                              \
        Job_##SUFFIX w = {ta, tb, n, k, lda, ldb, ldc, alpha, beta, a, b, c};                                     \
        if (n > 0) rl_parallel_for(m, k > 0 ? grain(n, k) : m, some_rows_##SUFFIX, &w);                           \
    }

DEFINE(u8, uint8_t, int64_t)
DEFINE(i8, int8_t, int64_t)
DEFINE(i16, int16_t, int64_t)
DEFINE(i32, int32_t, int64_t)
DEFINE(i64, int64_t, int64_t)
DEFINE(f16, uint16_t, float)
DEFINE(bf16, uint16_t, float)
DEFINE(c64, RLComplex64, RLComplex64)
DEFINE(c128, RLComplex128, RLComplex128)
