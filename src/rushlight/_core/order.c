/* order.c -- the order of a row of keys, and its k-th.
 *
 * A few keys are ranked, each by the number of those before it, which vectorises and has no branch to guess.  More are
 * sorted from the least digit up (LSD radix sort), which is stable, in words that hold the leading bits of a key above
 * the element's position: sorting moves eight bytes an element whatever the dtype.  The k-th is found from the greatest
 * digit down (radix selection): only the keys that share its digits so far go on.
 */
#include "order.h"
#include "isa.h"

extern const OrderKernels rl_order_kernels_base;
#if defined(__x86_64__) || defined(_M_X64)
extern const OrderKernels rl_order_kernels_avx2, rl_order_kernels_avx512;
#endif

const OrderKernels *rl_order_kernels(void) {
#if defined(__x86_64__) || defined(_M_X64)
    if (rl_isa_best() >= RL_ISA_AVX512) return &rl_order_kernels_avx512;
    if (rl_isa_best() >= RL_ISA_AVX2) return &rl_order_kernels_avx2;
#endif
    return &rl_order_kernels_base;
}

static int bits_of(uint64_t v) { return v ? 64 - __builtin_clzll(v) : 0; }

#define DIGIT 8
#define DIGITS (1 << DIGIT)

/* Sorts words by their bits low..high; in which of the two arrays they end is returned. */
static uint64_t *radix_sort(uint64_t *from, uint64_t *to, int64_t n, int low, int high) {
    int64_t count[64 / DIGIT][DIGITS];
    const int passes = (high - low + DIGIT - 1) / DIGIT;
    if (passes == 0) return from;
    memset(count, 0, (size_t)passes * sizeof *count);
    for (int64_t i = 0; i < n; i++) {
        uint64_t v = from[i] >> low;
        for (int b = 0; b < passes; b++, v >>= DIGIT) count[b][v & (DIGITS - 1)]++;
    }
    for (int b = 0; b < passes; b++, low += DIGIT) {
        if (count[b][from[0] >> low & (DIGITS - 1)] == n) continue;
        int64_t begin = 0;
        for (int v = 0; v < DIGITS; v++) { const int64_t c = count[b][v]; count[b][v] = begin; begin += c; }
        for (int64_t i = 0; i < n; i++) { const uint64_t v = from[i]; to[count[b][v >> low & (DIGITS - 1)]++] = v; }
        uint64_t *t = from; from = to; to = t;
    }
    return from;
}

/* Puts right what was sorted by leading bits alone; false where that is too much work. */
static bool insert_rest(const uint64_t *key, uint64_t *a, int64_t n, uint64_t mask) {
    int64_t work = 4 * n;
    for (int64_t i = 1; i < n; i++) {
        const uint64_t x = a[i], k = key[x & mask];
        int64_t j = i;
        for (; j > 0 && key[a[j - 1] & mask] > k; j--) a[j] = a[j - 1];
        a[j] = x;
        if ((work -= i - j) < 0) return false;
    }
    return true;
}

#define FEW 8                  /* ranked without vectors */

void rl_order_rank(const OrderWork *w, int n, int32_t *rank) {
    const uint64_t *key = w->key;
    if (n > FEW) {
        w->kernels->rank(key, n, rank);
        return;
    }
    rank[0] = 0;
    for (int i = 1; i < n; i++) {
        int32_t before = 0;
        for (int j = 0; j < i; j++) {
            const int first = key[j] <= key[i];
            before += first;
            rank[j] += !first;
        }
        rank[i] = before;
    }
}

const uint64_t *rl_order(const OrderWork *w, int64_t n, uint64_t *mask) {
    const uint64_t *key = w->key;
    uint64_t least, most, *a = w->a, *b = w->b;
    *mask = UINT64_MAX;
    if (n <= w->kernels->rank_most) {
        int32_t rank[RL_RANK_MOST];
        rl_order_rank(w, (int)n, rank);
        for (int i = 0; i < n; i++) a[rank[i]] = (uint64_t)i;
        return a;
    }
    w->kernels->range(key, n, &least, &most);
    const int place = bits_of((uint64_t)n - 1), bits = bits_of(most - least);
    *mask = (UINT64_C(1) << place) - 1;
    /* Twice the bits of a position tell nearly all keys apart, where they are spread evenly. */
    const int room = 64 - place, enough = n <= 1 << 16 ? 32 : 40, keep = bits <= enough ? bits : enough < room ? enough : room;
    const int drop = bits - keep;
    for (int64_t i = 0; i < n; i++) a[i] = (key[i] - least) >> drop << place | (uint64_t)i;
    a = radix_sort(a, b, n, place, place + keep);
    if (drop == 0 || insert_rest(key, a, n, *mask)) return a;
    /* Many keys differ in their last bits only: by as many bits at once as there is room for, from the last up. */
    for (int64_t i = 0; i < n; i++) a[i] = (uint64_t)i;
    for (int low = 0; low < bits; low += room) {
        for (int64_t i = 0; i < n; i++) { const uint64_t at = a[i] & *mask; a[i] = (key[at] - least) >> low << place | at; }
        const int high = bits - low < room ? bits - low : room;
        a = radix_sort(a, a == w->a ? w->b : w->a, n, place, place + high);
    }
    return a;
}

uint64_t rl_order_select(const OrderWork *w, int64_t n, int64_t k, int64_t *less) {
    const uint64_t *key = w->key;
    *less = 0;
    for (;;) {
        uint64_t least, most;
        w->kernels->range(key, n, &least, &most);
        if (least == most) return least;
        const int digit_bits = n < 2048 ? 6 : DIGIT, bits = bits_of(most - least), drop = bits > digit_bits ? bits - digit_bits : 0;
        int64_t count[2][DIGITS], c, i = 0;
        for (int b = 0; b < 2; b++) memset(count[b], 0, sizeof **count << digit_bits);
        for (; i + 2 <= n; i += 2) { /* two tables: equal neighbours need not wait for each other */
            count[0][(key[i] - least) >> drop]++;
            count[1][(key[i + 1] - least) >> drop]++;
        }
        if (i < n) count[0][(key[i] - least) >> drop]++;
        uint64_t digit = 0;
        for (; k >= (c = count[0][digit] + count[1][digit]); digit++) { k -= c; *less += c; }
        if (drop == 0) return least + digit;
        int64_t m = 0;
        for (i = 0; i < n; i++) { /* may write over keys already read */
            const uint64_t v = key[i];
            w->a[m] = v;
            m += (v - least) >> drop == digit;
        }
        key = w->a;
        n = m;
    }
}
