/* random.c -- the generator of random.h, and what it fills in blocks: uniforms, normals, integers,
 * Bernoulli masks.  random_samplers.c has the distributions drawn one number at a time.
 *
 * Loops over blocks are plain C for the compiler to vectorise; on x86-64 they are compiled twice, and
 * the AVX2+FMA copy runs where the processor has both.  The copies give the same bits: integer work
 * is exact, and the roundings of floating-point work are spelt out with fma().  (Without hardware
 * FMA, fma() is a library call: right, but slow.)
 */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3") /* the block loops are worth vectorising */
#endif

#include "random.h"
#include "isa.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static inline
#endif

/* TWICE(name, (parameters), (arguments)) defines `name` from the inline function `name_body`. */
#if defined(__GNUC__) && defined(__x86_64__) && !defined(__FMA__)
#define TWICE(name, params, args)                                                                 \
    __attribute__((target("avx2,fma"))) static void name##_avx2 params { name##_body args; }      \
    static void name##_plain params { name##_body args; }                                         \
    static void name params                                                                       \
    {                                                                                             \
        if (rl_isa_best() >= RL_ISA_AVX2)                                                         \
            name##_avx2 args;                                                                     \
        else                                                                                      \
            name##_plain args;                                                                    \
    }
#else
#define TWICE(name, params, args) static void name params { name##_body args; }
#endif

#define BLOCK 1024 /* words drawn at a time: stays in the first-level cache */
#define PI 3.14159265358979323846

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---------------------------------------------------------------- words: MT19937
 *
 * M. Matsumoto, T. Nishimura: Mersenne Twister: a 623-dimensionally equidistributed uniform
 * pseudo-random number generator. ACM TOMACS 8(1), 1998; seeding as in the authors' revision of 2002.
 */

#define MT_SHIFT 397

INLINE uint32_t twisted(uint32_t high, uint32_t low, uint32_t far)
{
    return far ^ (((high & 0x80000000u) | (low & 0x7fffffffu)) >> 1) ^ (-(low & 1u) & 0x9908b0dfu);
}

/* The new words of the second loop feed later ones only at distance 227: both loops vectorise. */
INLINE void twist_body(uint32_t *s)
{
    for (int i = 0; i < RL_MT_WORDS - MT_SHIFT; i++)
        s[i] = twisted(s[i], s[i + 1], s[i + MT_SHIFT]);
    for (int i = RL_MT_WORDS - MT_SHIFT; i < RL_MT_WORDS - 1; i++)
        s[i] = twisted(s[i], s[i + 1], s[i + MT_SHIFT - RL_MT_WORDS]);
    s[RL_MT_WORDS - 1] = twisted(s[RL_MT_WORDS - 1], s[0], s[MT_SHIFT - 1]);
}
TWICE(twist, (uint32_t *s), (s))

INLINE uint32_t tempered(uint32_t y)
{
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

INLINE void temper_body(uint32_t *restrict out, const uint32_t *restrict state, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = tempered(state[i]);
}
TWICE(temper, (uint32_t *restrict out, const uint32_t *restrict state, int64_t n), (out, state, n))

void rl_random_seed(RLRandom *r, uint64_t seed)
{
    uint32_t *s = r->state;
    s[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < RL_MT_WORDS; i++)
        s[i] = 1812433253u * (s[i - 1] ^ (s[i - 1] >> 30)) + i;
    r->seed = seed;
    r->left = 1;
    r->next = 0;
    r->has_float = r->has_double = false;
    r->next_float = 0;
    r->next_double = 0;
}

/* `left` counts one more than there are words, so that a fresh state gives 625 for a moment: the
 * caller reads at least one word and so restores the range that get_state publishes. */
static void refill(RLRandom *r)
{
    twist(r->state);
    r->left = RL_MT_WORDS + 1;
    r->next = 0;
}

uint32_t rl_random_u32(RLRandom *r)
{
    if (r->left == 1)
        refill(r);
    r->left--;
    return tempered(r->state[r->next++]);
}

uint64_t rl_random_u64(RLRandom *r)
{
    uint64_t high = rl_random_u32(r);
    return high << 32 | rl_random_u32(r);
}

static void draw_words(RLRandom *r, uint32_t *out, int64_t n)
{
    while (n > 0) {
        if (r->left == 1)
            refill(r);
        uint32_t run = (uint32_t)smaller(n, r->left - 1);
        temper(out, r->state + r->next, run);
        r->next += run;
        r->left -= run;
        out += run;
        n -= run;
    }
}

/* ---------------------------------------------------------------- state
 *
 * PyTorch's CPUGeneratorImplState: a struct of the Lua days with 64-bit words, then the cached float.
 */

typedef struct {
    uint64_t seed;
    int32_t left, seeded;
    uint64_t next;
    uint64_t state[RL_MT_WORDS];
    double normal_x, normal_y, normal_rho; /* only normal_y is alive: the cached double */
    int32_t normal_is_valid, pad;
    float next_float;
    uint8_t has_float, tail[3];
} LegacyState;

_Static_assert(sizeof(LegacyState) == RL_RANDOM_STATE_BYTES, "torch.get_rng_state() has 5056 bytes");

void rl_random_get_state(const RLRandom *r, uint8_t out[RL_RANDOM_STATE_BYTES])
{
    LegacyState s = {.seed = r->seed, .left = (int32_t)r->left, .seeded = 1, .next = r->next,
                     .normal_is_valid = r->has_double, .has_float = r->has_float};
    for (int i = 0; i < RL_MT_WORDS; i++)
        s.state[i] = r->state[i];
    if (r->has_double)
        s.normal_y = r->next_double;
    if (r->has_float)
        s.next_float = r->next_float;
    memcpy(out, &s, sizeof s);
}

int rl_random_set_state(RLRandom *r, const uint8_t in[RL_RANDOM_STATE_BYTES])
{
    LegacyState s;
    memcpy(&s, in, sizeof s);
    uint32_t next = (uint32_t)s.next;
    if (!s.seeded || s.left <= 0 || s.left > RL_MT_WORDS || next > RL_MT_WORDS ||
        next + (uint32_t)s.left > RL_MT_WORDS + 1)
        return -1;
    r->seed = s.seed;
    r->left = (uint32_t)s.left;
    r->next = next;
    for (int i = 0; i < RL_MT_WORDS; i++)
        r->state[i] = (uint32_t)s.state[i];
    r->has_double = s.normal_is_valid != 0;
    r->next_double = s.normal_y;
    r->has_float = s.has_float != 0;
    r->next_float = s.next_float;
    return 0;
}

/* ---------------------------------------------------------------- uniforms */

/* As many low bits of a draw as the type has in its significand, scaled into [0, 1): exact. */
INLINE float unit_f32(uint32_t word) { return (float)(int32_t)(word & 0xffffffu) * 0x1p-24f; }

INLINE int64_t low53(const uint32_t *pair) { return (int64_t)(pair[0] & 0x1fffffu) << 32 | pair[1]; }

INLINE double unit_f64(const uint32_t *pair) { return (double)low53(pair) * 0x1p-53; }

double rl_random_unit(RLRandom *r)
{
    uint32_t pair[2] = {rl_random_u32(r), 0};
    pair[1] = rl_random_u32(r);
    return unit_f64(pair);
}

INLINE void scale_f32_body(float *restrict out, const uint32_t *restrict words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = unit_f32(words[i]);
}
TWICE(scale_f32, (float *restrict out, const uint32_t *restrict words, int64_t n), (out, words, n))

INLINE void scale_f64_body(double *restrict out, const uint32_t *restrict words, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = unit_f64(words + 2 * i);
}
TWICE(scale_f64, (double *restrict out, const uint32_t *restrict words, int64_t n), (out, words, n))

static void unit_fill_f32(RLRandom *r, float *out, int64_t n)
{
    uint32_t words[BLOCK];
    for (int64_t done = 0, k; done < n; done += k) {
        k = smaller(n - done, BLOCK);
        draw_words(r, words, k);
        scale_f32(out + done, words, k);
    }
}

static void unit_fill_f64(RLRandom *r, double *out, int64_t n)
{
    uint32_t words[BLOCK];
    for (int64_t done = 0, k; done < n; done += k) {
        k = smaller(n - done, BLOCK / 2);
        draw_words(r, words, 2 * k);
        scale_f64(out + done, words, k);
    }
}

/* Rounding may carry a number up to the excluded bound; PyTorch then returns the lower one. */
INLINE void stretch_f32_body(float *x, int64_t n, float from, float to)
{
    for (int64_t i = 0; i < n; i++) {
        float v = fmaf(x[i], to - from, from);
        x[i] = v == to ? from : v;
    }
}
TWICE(stretch_f32, (float *x, int64_t n, float from, float to), (x, n, from, to))

INLINE void stretch_f64_body(double *x, int64_t n, double from, double to)
{
    for (int64_t i = 0; i < n; i++) {
        double v = fma(x[i], to - from, from);
        x[i] = v == to ? from : v;
    }
}
TWICE(stretch_f64, (double *x, int64_t n, double from, double to), (x, n, from, to))

void rl_uniform_f32(RLRandom *r, float *out, int64_t n, double from, double to)
{
    unit_fill_f32(r, out, n);
    if (from != 0 || to != 1)
        stretch_f32(out, n, (float)from, (float)to);
}

void rl_uniform_f64(RLRandom *r, double *out, int64_t n, double from, double to)
{
    unit_fill_f64(r, out, n);
    if (from != 0 || to != 1)
        stretch_f64(out, n, from, to);
}

/* ---------------------------------------------------------------- 16-bit floats */

typedef uint16_t (*Narrow)(float);

INLINE uint32_t bits_of(float x) { uint32_t u; memcpy(&u, &x, sizeof u); return u; }
INLINE float float_of(uint32_t u) { float x; memcpy(&x, &u, sizeof x); return x; }

/* Both round to nearest, ties to even. */
static uint16_t to_f16(float x)
{
    uint32_t sign = bits_of(x) >> 16 & 0x8000u, u = bits_of(x) & 0x7fffffffu;
    if (u >= 0x47800000u)                     /* 2^16 and above, infinity, NaN */
        u = u > 0x7f800000u ? 0x7e00u : 0x7c00u;
    else if (u < 0x38800000u)                 /* subnormal: 0.5 has the unit 2^-24 in its last bit */
        u = bits_of(float_of(u) + 0.5f) - bits_of(0.5f);
    else
        u = (u - (112u << 23) + 0xfffu + (u >> 13 & 1u)) >> 13;
    return (uint16_t)(sign | u);
}

static uint16_t to_bf16(float x)
{
    uint32_t u = bits_of(x);
    if (x != x)
        return 0x7fc0u;
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static void uniform_narrow(RLRandom *r, uint16_t *out, int64_t n, double from, double to, Narrow narrow)
{
    float x[BLOCK], low = (float)from, high = (float)to;
    uint16_t low16 = narrow(low), high16 = narrow(high);
    for (int64_t done = 0, k; done < n; done += k) {
        k = smaller(n - done, BLOCK);
        unit_fill_f32(r, x, k);
        for (int64_t i = 0; i < k; i++) {
            uint16_t v = narrow(fmaf(x[i], high - low, low));
            bool same = v == high16 || !((v | high16) & 0x7fffu); /* -0 == 0 */
            out[done + i] = same ? low16 : v;
        }
    }
}

void rl_uniform_f16(RLRandom *r, uint16_t *out, int64_t n, double from, double to)
{
    uniform_narrow(r, out, n, from, to, to_f16);
}

void rl_uniform_bf16(RLRandom *r, uint16_t *out, int64_t n, double from, double to)
{
    uniform_narrow(r, out, n, from, to, to_bf16);
}

/* ---------------------------------------------------------------- normals
 *
 * G. E. P. Box, M. E. Muller: A note on the generation of random normal deviates. Ann. Math. Stat.
 * 29(2), 1958.  In blocks of 16 uniforms, element i of the first eight gives the radius and element
 * i + 8 the angle.  For float PyTorch evaluates log, sin and cos by the single-precision polynomials
 * of S. L. Moshier's Cephes library in the AVX arrangement of J. Pommier and G. Garberoglio
 * (sse_mathfun, avx_mathfun); compiled with FMA, each product that feeds an addition is fused.
 * Arguments are known here to lie in (0, 1] and [0, 2 pi), so the special cases are gone.
 */

INLINE float cephes_log(float x)
{
    uint32_t u = bits_of(x);
    float e = (float)((int32_t)(u >> 23) - 126);
    float m = float_of((u & 0x7fffffu) | 0x3f000000u); /* x = m 2^e, 0.5 <= m < 1 */
    bool low = m < 0.707106781186547524f;
    e -= low ? 1.0f : 0.0f;
    x = (m - 1.0f) + (low ? m : 0.0f);
    float z = x * x;
    float y = 7.0376836292e-2f;
    y = fmaf(y, x, -1.1514610310e-1f);
    y = fmaf(y, x, 1.1676998740e-1f);
    y = fmaf(y, x, -1.2420140846e-1f);
    y = fmaf(y, x, 1.4249322787e-1f);
    y = fmaf(y, x, -1.6668057665e-1f);
    y = fmaf(y, x, 2.0000714765e-1f);
    y = fmaf(y, x, -2.4999993993e-1f);
    y = fmaf(y, x, 3.3333331174e-1f);
    y = fmaf(y * x, z, e * -2.12194440e-4f);
    y = fmaf(z, -0.5f, y);
    return fmaf(e, 0.693359375f, x + y);
}

INLINE void cephes_sincos(float x, float *sine, float *cosine)
{
    uint32_t octant = ((uint32_t)(int32_t)(x * 1.27323954473516f) + 1u) & ~1u;
    float y = (float)(int32_t)octant;
    x = fmaf(y, -0.78515625f, x); /* pi/4 in three pieces */
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);
    float z = x * x;
    float c = fmaf(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fmaf(c, z, 4.166664568298827e-2f);
    c = fmaf(c * z, z, -0.5f * z) + 1.0f;
    float s = fmaf(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fmaf(s, z, -1.6666654611e-1f);
    s = fmaf(s * z, x, x);
    bool swap = octant & 2u;
    *sine = float_of(bits_of(swap ? c : s) ^ (octant & 4u) << 29);
    *cosine = float_of(bits_of(swap ? s : c) ^ (~(octant - 2u) & 4u) << 29);
}

INLINE void box_muller_f32_body(float *x, int64_t n, float mean, float std)
{
    for (int64_t block = 0; block + 16 <= n; block += 16, x += 16)
        for (int i = 0; i < 8; i++) {
            float radius = sqrtf(-2.0f * cephes_log(1.0f - x[i])), sine, cosine;
            cephes_sincos((float)(2 * PI) * x[i + 8], &sine, &cosine);
            x[i] = fmaf(radius * cosine, std, mean);
            x[i + 8] = fmaf(radius * sine, std, mean);
        }
}
TWICE(box_muller_f32, (float *x, int64_t n, float mean, float std), (x, n, mean, std))

static void box_muller_f64(double *x, int64_t n, double mean, double std)
{
    for (int64_t block = 0; block + 16 <= n; block += 16, x += 16)
        for (int i = 0; i < 8; i++) {
            double radius = sqrt(-2 * log(1 - x[i])), angle = 2 * PI * x[i + 8];
            x[i] = fma(radius * cos(angle), std, mean);
            x[i + 8] = fma(radius * sin(angle), std, mean);
        }
}

/* One pair costs two uniforms; the sine half waits in the generator for the next call. */
double rl_random_normal(RLRandom *r)
{
    if (r->has_double) {
        r->has_double = false;
        return r->next_double;
    }
    double angle = 2 * PI * rl_random_unit(r);
    double radius = sqrt(-2.0 * log1p(-rl_random_unit(r)));
    r->next_double = radius * sin(angle);
    r->has_double = true;
    return radius * cos(angle);
}

void rl_normal_serial(RLRandom *r, double *out, int64_t n, double mean, double std)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = fma(rl_random_normal(r), std, mean);
}

/* A length that is no multiple of 16 has its last 16 elements drawn afresh, over the end of the
 * whole blocks and after uniforms for the rest that nobody sees. */
void rl_normal_f32(RLRandom *r, float *out, int64_t n, double mean, double std)
{
    if (n < 16) {
        double x[16];
        rl_normal_serial(r, x, n, mean, std);
        for (int64_t i = 0; i < n; i++)
            out[i] = (float)x[i];
        return;
    }
    for (int64_t done = 0, k; done < n; done += k) {
        k = smaller(n - done, BLOCK);
        unit_fill_f32(r, out + done, k);
        box_muller_f32(out + done, k, (float)mean, (float)std);
    }
    if (n % 16) {
        unit_fill_f32(r, out + n - 16, 16);
        box_muller_f32(out + n - 16, 16, (float)mean, (float)std);
    }
}

void rl_normal_f64(RLRandom *r, double *out, int64_t n, double mean, double std)
{
    if (n < 16) {
        rl_normal_serial(r, out, n, mean, std);
        return;
    }
    for (int64_t done = 0, k; done < n; done += k) {
        k = smaller(n - done, BLOCK);
        unit_fill_f64(r, out + done, k);
        box_muller_f64(out + done, k, mean, std);
    }
    if (n % 16) {
        unit_fill_f64(r, out + n - 16, 16);
        box_muller_f64(out + n - 16, 16, mean, std);
    }
}

/* The 16-bit types go through float, and draw nothing for the rest that is drawn afresh. */
static void normal_narrow(RLRandom *r, uint16_t *out, int64_t n, double mean, double std, Narrow narrow)
{
    if (n < 16) {
        double x[16];
        rl_normal_serial(r, x, n, mean, std);
        for (int64_t i = 0; i < n; i++)
            out[i] = narrow((float)x[i]);
        return;
    }
    for (int64_t done = 0; done < n; done += 16) {
        int64_t at = smaller(done, n - 16);
        float x[16];
        unit_fill_f32(r, x, 16);
        box_muller_f32(x, 16, (float)mean, (float)std);
        for (int i = 0; i < 16; i++)
            out[at + i] = narrow(x[i]);
    }
}

void rl_normal_f16(RLRandom *r, uint16_t *out, int64_t n, double mean, double std)
{
    normal_narrow(r, out, n, mean, std, to_f16);
}

void rl_normal_bf16(RLRandom *r, uint16_t *out, int64_t n, double mean, double std)
{
    normal_narrow(r, out, n, mean, std, to_bf16);
}

/* ---------------------------------------------------------------- integers */

/* Word modulo range by floating-point division, which vectorises as integer division does not.  No
 * quotient of numbers below 2^32 is so close under an integer that it would round up to it. */
INLINE void modulo_body(int64_t *restrict out, const uint32_t *restrict words, int64_t n, double range)
{
    for (int64_t i = 0; i < n; i++) {
        double word = (double)(int32_t)(words[i] ^ 0x80000000u) + 0x1p31;
        out[i] = (int32_t)(word - range * floor(word / range));
    }
}
TWICE(modulo, (int64_t *restrict out, const uint32_t *restrict words, int64_t n, double range),
      (out, words, n, range))

void rl_random_full(RLRandom *r, int64_t *out, int64_t n, uint64_t range, bool wide)
{
    uint32_t words[BLOCK];
    for (int64_t done = 0, k; done < n; done += k, out += k) {
        k = smaller(n - done, BLOCK / 2);
        draw_words(r, words, wide ? 2 * k : k);
        if (wide)
            for (int64_t i = 0; i < k; i++)
                out[i] = (int64_t)(((uint64_t)words[2 * i] << 32 | words[2 * i + 1]) % range);
        else
            modulo(out, words, k, (double)range);
    }
}

void rl_random_from_to(RLRandom *r, int64_t *out, int64_t n, uint64_t range, int64_t base)
{
    if (range == 0) {
        for (int64_t i = 0; i < n; i++)
            out[i] = (int64_t)rl_random_u64(r);
        return;
    }
    rl_random_full(r, out, n, range, range >= 1u << 28);
    for (int64_t i = 0; i < n; i++)
        out[i] = (int64_t)((uint64_t)out[i] + (uint64_t)base);
}

/* R. Durstenfeld: Algorithm 235: Random permutation. CACM 7(7), 1964; for lengths where the modulus
 * would skew 32-bit draws, its inside-out form with 64-bit ones. */
void rl_randperm(RLRandom *r, int64_t *out, int64_t n)
{
    if (n >= UINT32_MAX / 20) {
        for (int64_t i = 0; i < n; i++) {
            int64_t j = (int64_t)(rl_random_u64(r) % (uint64_t)(i + 1));
            out[i] = out[j];
            out[j] = i;
        }
        return;
    }
    for (int64_t i = 0; i < n; i++)
        out[i] = i;
    for (int64_t i = 0; i < n - 1; i++) {
        int64_t j = i + rl_random_u32(r) % (uint32_t)(n - i);
        int64_t kept = out[i];
        out[i] = out[j];
        out[j] = kept;
    }
}

/* ---------------------------------------------------------------- choices */

INLINE void below_body(uint8_t *restrict out, const uint32_t *restrict words, int64_t n, int64_t limit)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = low53(words + 2 * i) < limit;
}
TWICE(below, (uint8_t *restrict out, const uint32_t *restrict words, int64_t n, int64_t limit),
      (out, words, n, limit))

/* k 2^-53 < p exactly when k < ceil(p 2^53): no floating point for each element. */
void rl_bernoulli(RLRandom *r, uint8_t *out, int64_t n, double p)
{
    uint32_t words[BLOCK];
    int64_t limit = (int64_t)ceil(p * 0x1p53);
    for (int64_t done = 0, k; done < n; done += k) {
        k = smaller(n - done, BLOCK / 2);
        draw_words(r, words, 2 * k);
        below(out + done, words, k, limit);
    }
}

int64_t rl_bernoulli_f32(RLRandom *r, uint8_t *out, const float *p, int64_t n)
{
    int64_t i = 0;
    for (; i < n && p[i] >= 0 && p[i] <= 1; i++)
        out[i] = unit_f32(rl_random_u32(r)) < p[i];
    return i;
}

int64_t rl_bernoulli_f64(RLRandom *r, uint8_t *out, const double *p, int64_t n)
{
    int64_t i = 0;
    for (; i < n && p[i] >= 0 && p[i] <= 1; i++)
        out[i] = rl_random_unit(r) < p[i];
    return i;
}
