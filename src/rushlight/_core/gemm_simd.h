/* gemm_simd.h -- the few vector operations that the products need, for one element type and one instruction set.
 *
 * Included by gemm_kernel.c with T (float or double) and RL_GEMM_F64 (0 or 1) defined.  Everything that compilers
 * express as plain operators on vector types is left to them; named here are fused multiply-add (contraction is off
 * for the whole core, so it must be asked for), loads and stores of the first `n` lanes, and the sum over lanes.
 *
 *     V, VL        the vector type and its lanes
 *     RL_MR        rows of the register tile: RL_MR x 2 accumulators, two vectors of B and one of A fit the registers
 *     RL_MR_PLACE  the same where A is read in place: each row is an address of its own, and those must fit too
 *     RL_DOTS      sums held for each of four rows along k
 *     RL_FREE_MASKS  whether load_part and store_part cost no more than load and store
 */
#undef V
#undef VL
#undef VU
#undef RL_VECTOR_BYTES
#undef RL_MR
#undef RL_MR_PLACE
#undef RL_DOTS
#undef RL_FREE_MASKS
#define V NAME(vec)
#define VU NAME(vec_unaligned)
#define VL ((int)(RL_VECTOR_BYTES / sizeof(T)))

#if defined(__AVX512F__)
#define RL_VECTOR_BYTES 64
#define RL_MR 14
#define RL_MR_PLACE 8
#define RL_DOTS 4
#define RL_FREE_MASKS 1
#elif defined(__AVX2__) && defined(__FMA__)
#define RL_VECTOR_BYTES 32
#define RL_MR 6
#define RL_MR_PLACE 6
#define RL_DOTS 2
#elif defined(__aarch64__)
#define RL_VECTOR_BYTES 16
#define RL_MR 14
#define RL_MR_PLACE 8
#define RL_DOTS 4
#else
#define RL_VECTOR_BYTES 16
#define RL_MR 4
#define RL_MR_PLACE 4
#define RL_DOTS 2
#endif

#ifndef RL_FREE_MASKS
#define RL_FREE_MASKS 0
#endif

typedef T V __attribute__((vector_size(RL_VECTOR_BYTES)));
typedef T VU __attribute__((vector_size(RL_VECTOR_BYTES), aligned(sizeof(T)), may_alias));

static inline V NAME(load)(const T *p) { return *(const VU *)p; }
static inline void NAME(store)(T *p, V v) { *(VU *)p = v; }
static inline V NAME(splat)(T x) { return x - (V){0}; } /* x - 0 is x, signed zeros included */

#if defined(__AVX512F__) && RL_GEMM_F64
static inline V NAME(fma)(V a, V b, V c) { return (V)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
static inline V NAME(load_part)(const T *p, int n) { return (V)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p); }
static inline void NAME(store_part)(T *p, V v, int n) {
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}
static inline T NAME(sum)(V v) { return _mm512_reduce_add_pd((__m512d)v); }

#elif defined(__AVX512F__)
static inline V NAME(fma)(V a, V b, V c) { return (V)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
static inline V NAME(load_part)(const T *p, int n) { return (V)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
static inline void NAME(store_part)(T *p, V v, int n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
static inline T NAME(sum)(V v) { return _mm512_reduce_add_ps((__m512)v); }

#elif defined(__AVX2__) && defined(__FMA__) && RL_GEMM_F64
/* Lanes whose mask has the top bit set are moved: &mask[4 - n] begins with n such. */
static const int64_t NAME(mask)[8] = {-1, -1, -1, -1, 0, 0, 0, 0};
#define RL_MASK(n) _mm256_loadu_si256((const __m256i *)&NAME(mask)[4 - (n)])
static inline V NAME(fma)(V a, V b, V c) { return (V)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
static inline V NAME(load_part)(const T *p, int n) { return (V)_mm256_maskload_pd(p, RL_MASK(n)); }
static inline T NAME(sum)(V v) { return (v[0] + v[2]) + (v[1] + v[3]); }
#undef RL_MASK

#elif defined(__AVX2__) && defined(__FMA__)
static const int32_t NAME(mask)[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
#define RL_MASK(n) _mm256_loadu_si256((const __m256i *)&NAME(mask)[8 - (n)])
static inline V NAME(fma)(V a, V b, V c) { return (V)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
static inline V NAME(load_part)(const T *p, int n) { return (V)_mm256_maskload_ps(p, RL_MASK(n)); }
static inline T NAME(sum)(V v) {
    __m128 h = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    h = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(h, _mm_movehdup_ps(h)));
}
#undef RL_MASK

#else
#if defined(__aarch64__) && RL_GEMM_F64
static inline V NAME(fma)(V a, V b, V c) { return (V)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
#elif defined(__aarch64__)
static inline V NAME(fma)(V a, V b, V c) { return (V)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#else
static inline V NAME(fma)(V a, V b, V c) { return a * b + c; }
#endif
static inline V NAME(load_part)(const T *p, int n) {
    V v = {0};
    for (int i = 0; i < VL; i++)
        if (i < n) v[i] = p[i];
    return v;
}
static inline T NAME(sum)(V v) {
#if RL_GEMM_F64
    return v[0] + v[1];
#else
    return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}
#endif

#if !defined(__AVX512F__)
/* By halves: AVX2's masked stores take tens of cycles on AMD's processors. */
static inline void NAME(store_part)(T *p, V v, int n) {
    int i = 0;
    for (int step = VL / 2; step; step /= 2)
        if (n & step) {
            for (int l = 0; l < step; l++) p[i + l] = v[i + l];
            i += step;
        }
}
#endif

/* dst(W, W) = src(W, W).T on squares of one 128-bit vector a side. */
#undef W
#define W ((int)(16 / sizeof(T)))
typedef T NAME(quad) __attribute__((vector_size(16), aligned(sizeof(T)), may_alias));

static inline void NAME(turn_square)(const T *src, int64_t src_row, T *dst, int64_t dst_row) {
#if RL_HAS_SHUFFLEVECTOR && RL_GEMM_F64
    NAME(quad) a = *(const NAME(quad) *)src, b = *(const NAME(quad) *)(src + src_row);
    *(NAME(quad) *)dst = __builtin_shufflevector(a, b, 0, 2);
    *(NAME(quad) *)(dst + dst_row) = __builtin_shufflevector(a, b, 1, 3);
#elif RL_HAS_SHUFFLEVECTOR
    NAME(quad) a = *(const NAME(quad) *)src, b = *(const NAME(quad) *)(src + src_row);
    NAME(quad) c = *(const NAME(quad) *)(src + 2 * src_row), d = *(const NAME(quad) *)(src + 3 * src_row);
    NAME(quad) ab01 = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab23 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    NAME(quad) cd01 = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd23 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(NAME(quad) *)dst = __builtin_shufflevector(ab01, cd01, 0, 1, 4, 5);
    *(NAME(quad) *)(dst + dst_row) = __builtin_shufflevector(ab01, cd01, 2, 3, 6, 7);
    *(NAME(quad) *)(dst + 2 * dst_row) = __builtin_shufflevector(ab23, cd23, 0, 1, 4, 5);
    *(NAME(quad) *)(dst + 3 * dst_row) = __builtin_shufflevector(ab23, cd23, 2, 3, 6, 7);
#else
    for (int i = 0; i < W; i++)
        for (int j = 0; j < W; j++) dst[j * dst_row + i] = src[i * src_row + j];
#endif
}
