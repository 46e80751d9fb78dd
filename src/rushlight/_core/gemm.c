/* gemm.c -- chooses who computes a product: our kernels for this processor, or OpenBLAS for large ones. */
#include "gemm.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "isa.h"

#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <dlfcn.h>
#endif

extern const RLGemmKernels rl_gemm_kernels_base;
#if defined(__x86_64__) || defined(_M_X64)
extern const RLGemmKernels rl_gemm_kernels_avx2, rl_gemm_kernels_avx512;
#endif

/* Chosen while the module is loaded; never changes afterwards. */
static const RLGemmKernels *kernels = &rl_gemm_kernels_base;

#if defined(__x86_64__) || defined(_M_X64)
__attribute__((constructor)) static void choose_kernels(void) {
    const RLIsa isa = rl_isa_best();
    if (isa >= RL_ISA_AVX512)
        kernels = &rl_gemm_kernels_avx512;
    else if (isa >= RL_ISA_AVX2)
        kernels = &rl_gemm_kernels_avx2;
}
#endif

/* ---------------------------------------------------------------- OpenBLAS */

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* CBLAS's constants */

typedef void SGemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                   const float *b, int ldb, float beta, float *c, int ldc);
typedef void DGemm(int order, int ta, int tb, int m, int n, int k, double alpha, const double *a, int lda,
                   const double *b, int ldb, double beta, double *c, int ldc);

typedef struct {
    SGemm *sgemm;
    DGemm *dgemm;
    void (*set_threads)(int);
} Blas;

static _Atomic(Blas *) loaded;
static atomic_bool asked;      /* rl_blas_wanted has returned: what is not loaded by now stays out */
static atomic_int threads = 1;

void (*rl_blas_wanted)(void);

static void *open_library(const char *path) {
#ifdef _WIN32
    return (void *)LoadLibraryA(path);
#else
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
#endif
}

static void close_library(void *library) {
#ifdef _WIN32
    FreeLibrary((HMODULE)library);
#else
    dlclose(library);
#endif
}

/* Copies the function's address into *target: ISO C has no cast from object to function pointers. */
static bool find_symbol(void *library, const char *name, void *target) {
#ifdef _WIN32
    FARPROC f = GetProcAddress((HMODULE)library, name);
#else
    void *f = dlsym(library, name);
#endif
    memcpy(target, &f, sizeof f);
    return f != NULL;
}

int rl_blas_load(const char *path) {
    if (atomic_load(&loaded)) return 0;
    void *library = open_library(path);
    if (!library) return -1;
    Blas *found = malloc(sizeof *found), *none = NULL;
    if (!found || !find_symbol(library, "scipy_cblas_sgemm", &found->sgemm) ||
        !find_symbol(library, "scipy_cblas_dgemm", &found->dgemm) ||
        !find_symbol(library, "scipy_openblas_set_num_threads", &found->set_threads)) {
        free(found);
        close_library(library);
        return -1;
    }
    found->set_threads(atomic_load(&threads));
    if (!atomic_compare_exchange_strong(&loaded, &none, found)) free(found); /* another thread was first */
    return 0;
}

void rl_blas_set_threads(int n) {
    atomic_store(&threads, n < 1 ? 1 : n);
    const Blas *blas = atomic_load(&loaded);
    if (blas) blas->set_threads(n < 1 ? 1 : n);
}

/* Our kernels start at once and are as fast up to about this many multiplications; above, OpenBLAS's prefetching and
 * deeper blocking win, and its 3 ms of loading are soon repaid. Products with few rows or columns are bound by memory,
 * whoever computes them. */
#define BLAS_FROM (256.0 * 256.0 * 256.0)
#define BLAS_SIDE 16

/* OpenBLAS if it should do this product, else NULL.  The answer depends on the shapes and on whether the library can be
 * had, never on which of several threads asks first: each waits for its own search, so that results do not vary. */
static const Blas *choose_blas(bool ta, bool tb, int64_t m, int64_t n, int64_t k, int64_t lda, int64_t ldb,
                               int64_t ldc) {
    if (m < BLAS_SIDE || n < BLAS_SIDE || k < BLAS_SIDE || (double)m * (double)n * (double)k < BLAS_FROM) return NULL;
    if (m > INT32_MAX || n > INT32_MAX || k > INT32_MAX || lda > INT32_MAX || ldb > INT32_MAX || ldc > INT32_MAX)
        return NULL;
    if (lda < (ta ? m : k) || ldb < (tb ? k : n) || ldc < n) return NULL; /* rows that overlap: not for CBLAS */
    const Blas *blas = atomic_load_explicit(&loaded, memory_order_acquire);
    if (!blas && rl_blas_wanted && !atomic_load(&asked)) {
        rl_blas_wanted();
        atomic_store(&asked, true);
        blas = atomic_load(&loaded);
    }
    return blas;
}

/* ---------------------------------------------------------------- float32 and float64 */

#define DEFINE(T, SUFFIX, CBLAS)                                                                                   \
    static inline void gemm_bias_##SUFFIX(RL_GEMM_SIGNATURE(T, T), const T *bias) {                                \
        const Blas *blas = choose_blas(ta, tb, m, n, k, lda, ldb, ldc);                                            \
        if (!blas) {                                                                                               \
            kernels->gemm_##SUFFIX(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, bias);                    \
            return;                                                                                                \
        }                                                                                                          \
        if (bias) { /* only asked with beta == 0 */                                                                \
            for (int64_t i = 0; i < m; i++) memcpy(c + i * ldc, bias, (size_t)n * sizeof(T));                      \
            beta = 1;                                                                                              \
        }                                                                                                          \
        blas->CBLAS(ROW_MAJOR, ta ? TRANS : NO_TRANS, tb ? TRANS : NO_TRANS, (int)m, (int)n, (int)k, alpha, a,     \
                   (int)lda, b, (int)ldb, beta, c, (int)ldc);                                                      \
    }                                                                                                              \
                                                                                                                   \
    void rl_gemm_##SUFFIX(RL_GEMM_SIGNATURE(T, T)) {                                                               \
        gemm_bias_##SUFFIX(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, NULL);                            \
    }                                                                                                              \
                                                                                                                   \
    void rl_linear_##SUFFIX(int64_t m, int64_t n, int64_t k, const T *x, int64_t ldx, const T *w, int64_t ldw,     \
                            const T *bias, T *out, int64_t ldo) {                                                  \
        gemm_bias_##SUFFIX(false, true, m, n, k, 1, x, ldx, w, ldw, 0, out, ldo, bias);                            \
    }                                                                                                              \
                                                                                                                   \
    void rl_bgemm_##SUFFIX(int64_t batch, bool ta, bool tb, int64_t m, int64_t n, int64_t k, T alpha, const T *a,  \
                           int64_t lda, int64_t sa, const T *b, int64_t ldb, int64_t sb, T beta, T *c,             \
                           int64_t ldc, int64_t sc) {                                                              \
        if (sb == 0 && !ta && sa == m * lda && sc == m * ldc) { /* one tall product */                             \
            m *= batch;                                                                                            \
            batch = 1;                                                                                             \
        }                                                                                                          \
        for (int64_t i = 0; i < batch; i++)                                                                        \
            rl_gemm_##SUFFIX(ta, tb, m, n, k, alpha, a + i * sa, lda, b + i * sb, ldb, beta, c + i * sc, ldc);     \
    }                                                                                                              \
                                                                                                                   \
    void rl_gemv_##SUFFIX(bool ta, int64_t m, int64_t n, T alpha, const T *a, int64_t lda, const T *x,             \
                          int64_t incx, T beta, T *y, int64_t incy) {                                              \
        kernels->gemm_##SUFFIX(ta, false, m, 1, n, alpha, a, lda, x, incx, beta, y, incy, NULL);                   \
    }                                                                                                              \
                                                                                                                   \
    T rl_dot_##SUFFIX(int64_t n, const T *x, int64_t incx, const T *y, int64_t incy) {                             \
        if (incx == 1 && incy == 1) return kernels->dot_##SUFFIX(n, x, y);                                         \
        T z = 0;                                                                                                   \
        kernels->gemm_##SUFFIX(true, false, 1, 1, n, 1, x, incx, y, incy, 0, &z, 1, NULL);                         \
        return z;                                                                                                  \
    }

DEFINE(float, f32, sgemm)
DEFINE(double, f64, dgemm)
