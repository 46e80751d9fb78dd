/* order_kernel.c -- keys, their extremes, and the order of a few, for one instruction set (isa.h says how it is compiled
 * for each). */
#include "order.h"
#include "isa.h"
#include "types.h"

#define TOP (UINT64_C(1) << 63)

#define KEY_INT(v) ((uint64_t)(int64_t)(v) ^ TOP)
#define KEY_SMALL(v) ((uint32_t)(int32_t)(v) ^ UINT32_C(1) << 31)
static inline uint32_t key_of_f32(float v) {
    const uint32_t u = rl_f32_bits(v + 0.0f); /* -0 + 0 is 0 */
    return v != v ? UINT32_MAX : u ^ ((uint32_t)((int32_t)u >> 31) | UINT32_C(1) << 31);
}
static inline uint64_t key_of_f64(double v) {
    uint64_t u;
    v += 0.0;
    memcpy(&u, &v, sizeof u);
    return v != v ? UINT64_MAX : u ^ ((uint64_t)((int64_t)u >> 63) | TOP);
}

#define KEYS(D, K, KEY)                                                                              \
    static void keys_##D(const char *p, int64_t step, int64_t n, bool down, uint64_t *out) {         \
        const K flip = down ? (K)-1 : 0;                                                             \
        if (step == (int64_t)sizeof(T_##D)) {                                                        \
            const T_##D *v = (const T_##D *)p;                                                       \
            RL_IVDEP for (int64_t i = 0; i < n; i++) out[i] = (K)(KEY(LD_##D(v[i])) ^ flip);         \
            return;                                                                                  \
        }                                                                                            \
        for (int64_t i = 0; i < n; i++, p += step) out[i] = (K)(KEY(LD_##D(*(const T_##D *)p)) ^ flip); \
    }
KEYS(BOOL, uint32_t, KEY_SMALL)
KEYS(U8, uint32_t, KEY_SMALL)
KEYS(I8, uint32_t, KEY_SMALL)
KEYS(I16, uint32_t, KEY_SMALL)
KEYS(I32, uint32_t, KEY_SMALL)
KEYS(I64, uint64_t, KEY_INT)
KEYS(F16, uint32_t, key_of_f32)
KEYS(BF16, uint32_t, key_of_f32)
KEYS(F32, uint32_t, key_of_f32)
KEYS(F64, uint64_t, key_of_f64)

static void range(const uint64_t *key, int64_t n, uint64_t *least, uint64_t *most) {
    uint64_t low = UINT64_MAX, high = 0;
    for (int64_t i = 0; i < n; i++) {
        low = key[i] < low ? key[i] : low;
        high = key[i] > high ? key[i] : high;
    }
    *least = low;
    *most = high;
}

static int64_t below(const uint64_t *key, int64_t i, int64_t n, uint64_t limit) {
    const int64_t bound = (int64_t)(limit ^ TOP); /* vectors compare signed integers */
    for (; i + 32 <= n; i += 32) {
        int hits = 0;
        for (int l = 0; l < 32; l++) hits |= (int64_t)(key[i + l] ^ TOP) < bound;
        if (hits) break;
    }
    while (i < n && key[i] >= limit) i++;
    return i;
}

/* Vectors whose comparisons the target has whole: GCC takes wider ones apart by the element, and of 64 bytes they would
 * be masks, to be made into numbers again. */
#if defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif

/* Two vectors at a time share the loop over the others. */
#define RANK(NAME, T, UT, FLIP)                                                                                     \
    typedef T NAME##Lanes __attribute__((vector_size(BYTES), aligned(sizeof(T)), may_alias));                       \
    static void NAME(const uint64_t *key, int n, uint64_t least, int32_t *rank) {                                   \
        typedef NAME##Lanes Lanes;                                                                                  \
        enum { COUNT = BYTES / sizeof(T), PAIR = 2 * COUNT };                                                       \
        const Lanes none = {0};                                                                                     \
        T k[RL_RANK_MOST + PAIR], place[PAIR], number[PAIR];                                                        \
        for (int l = 0; l < PAIR; l++) number[l] = l;                                                               \
        const Lanes low = *(const Lanes *)number, high = *(const Lanes *)(number + COUNT);                          \
        for (int i = 0; i < n; i++) k[i] = (T)((UT)(key[i] - least) ^ FLIP); /* vectors compare signed integers */  \
        for (int l = 0; l < PAIR; l++) k[n + l] = 0;                                                                \
        for (int i = 0; i < n; i += PAIR) {                                                                         \
            const Lanes x = *(const Lanes *)(k + i), y = *(const Lanes *)(k + i + COUNT);                           \
            const int m = n - i < PAIR ? n - i : PAIR;                                                              \
            Lanes a = none + (T)i, b = a; /* true is -1 */                                                          \
            for (int j = 0; j < i; j++) {                                                                           \
                const Lanes v = none + k[j];                                                                        \
                a += (Lanes)(v > x);                                                                                \
                b += (Lanes)(v > y);                                                                                \
            }                                                                                                       \
            for (int j = 0; j < m; j++) {                                                                           \
                const Lanes v = none + k[i + j], at = none + (T)j;                                                  \
                a -= (Lanes)(x > v) | ((Lanes)(x == v) & (Lanes)(low > at));                                        \
                b -= (Lanes)(y > v) | ((Lanes)(y == v) & (Lanes)(high > at));                                       \
            }                                                                                                       \
            for (int j = i + m; j < n; j++) {                                                                       \
                const Lanes v = none + k[j];                                                                        \
                a -= (Lanes)(x > v);                                                                                \
                b -= (Lanes)(y > v);                                                                                \
            }                                                                                                       \
            memcpy(place, &a, sizeof a);                                                                            \
            memcpy(place + COUNT, &b, sizeof b);                                                                    \
            for (int l = 0; l < m; l++) rank[i + l] = (int32_t)place[l];                                            \
        }                                                                                                           \
    }
RANK(rank32, int32_t, uint32_t, UINT32_C(1) << 31)
RANK(rank64, int64_t, uint64_t, TOP)

static void rank(const uint64_t *key, int n, int32_t *rank) {
    uint64_t least, most;
    range(key, n, &least, &most);
    if (most - least <= UINT32_MAX) rank32(key, n, least, rank);
    else rank64(key, n, least, rank);
}

#define ENTRY(D) [RL_##D] = keys_##D
extern const OrderKernels RL_ISA_NAME(rl_order_kernels);
const OrderKernels RL_ISA_NAME(rl_order_kernels) = {
    .keys = {ENTRY(BOOL), ENTRY(U8), ENTRY(I8), ENTRY(I16), ENTRY(I32), ENTRY(I64), ENTRY(F16), ENTRY(BF16), ENTRY(F32), ENTRY(F64)},
    .range = range,
    .below = below,
    .rank = rank,
#if defined(__AVX2__)
    .rank_most = RL_RANK_MOST,
#else
    .rank_most = 64,
#endif
};
