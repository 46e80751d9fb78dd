/* random.h -- PyTorch's CPU random streams, bit for bit, on raw pointers.
 *
 * The stream followed is the one PyTorch 2.13 produces on x86-64 with AVX2 (its AVX-512 build draws
 * the same numbers) and without MKL's own generators, i.e. on non-Intel processors.  What an
 * operator consumes and how it rounds is part of the contract: each function below names the
 * operator whose stream it reproduces.
 *
 * Functions that fill `double *` or `int64_t *` serve every output dtype and every layout:
 * PyTorch draws in that type, element after element, and then casts.  Callers draw a block,
 * cast it (float16 and bfloat16 through float) and store it with whatever stride they have; a
 * block split in two draws the same numbers as the whole.  Only rl_uniform_* and rl_normal_*
 * depend on the output dtype, and only rl_normal_* on the length and the layout.
 *
 * Nothing here checks arguments that PyTorch rejects with a message; callers do.  No function
 * allocates.  A generator is seeded before its first use, and used by one thread at a time.
 *
 * Compile with -O3 (the loops are written to be vectorised) and -ffp-contract=off (every fused
 * multiply-add of the stream is written out; the compiler must add none).
 */
#ifndef RL_RANDOM_H
#define RL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#define RL_MT_WORDS 624
#define RL_RANDOM_STATE_BYTES 5056        /* size of torch.get_rng_state() */
#define RL_DEFAULT_SEED 67280421310721ULL /* what an unseeded torch.Generator() starts from */

typedef struct RLRandom {
    uint64_t seed;
    uint32_t left;                        /* unread words of state, plus one: 1..624 between calls */
    uint32_t next;                        /* index of the first unread word */
    uint32_t state[RL_MT_WORDS];
    bool has_float, has_double;           /* is there a second Box-Muller normal left over? */
    float next_float;                     /* no CPU operator makes one: kept for set_state/get_state */
    double next_double;
} RLRandom;

/* ---------------------------------------------------------------- the generator */

void rl_random_seed(RLRandom *r, uint64_t seed);
uint32_t rl_random_u32(RLRandom *r);
uint64_t rl_random_u64(RLRandom *r);      /* the first word drawn is the high half */
double rl_random_unit(RLRandom *r);       /* uniform in [0, 1), 53 bits: costs two words */
double rl_random_normal(RLRandom *r);     /* standard normal: four words for every other one */

/* The tensor of torch.get_rng_state(), and back.  set_state returns -1, and leaves *r alone, where
 * PyTorch raises "Invalid mt19937 state" (and for positions that would read past the state). */
void rl_random_get_state(const RLRandom *r, uint8_t out[RL_RANDOM_STATE_BYTES]);
int rl_random_set_state(RLRandom *r, const uint8_t in[RL_RANDOM_STATE_BYTES]);

/* ---------------------------------------------------------------- real numbers */

/* uniform_(from, to): 24 random bits an element, 53 for double.  The 16-bit versions store raw bits. */
void rl_uniform_f32(RLRandom *r, float *out, int64_t n, double from, double to);
void rl_uniform_f64(RLRandom *r, double *out, int64_t n, double from, double to);
void rl_uniform_f16(RLRandom *r, uint16_t *out, int64_t n, double from, double to);
void rl_uniform_bf16(RLRandom *r, uint16_t *out, int64_t n, double from, double to);

/* normal_(mean, std) on a contiguous tensor of n elements in all.  From 16 elements on, PyTorch
 * transforms blocks of 16 and neither reads nor writes the left-over normal; below, it is
 * rl_normal_serial.  These calls cannot be split. */
void rl_normal_f32(RLRandom *r, float *out, int64_t n, double mean, double std);
void rl_normal_f64(RLRandom *r, double *out, int64_t n, double mean, double std);
void rl_normal_f16(RLRandom *r, uint16_t *out, int64_t n, double mean, double std);
void rl_normal_bf16(RLRandom *r, uint16_t *out, int64_t n, double mean, double std);

/* normal_(mean, std) on a non-contiguous tensor of any size and dtype. */
void rl_normal_serial(RLRandom *r, double *out, int64_t n, double mean, double std);

void rl_exponential(RLRandom *r, double *out, int64_t n, double lambda);
void rl_cauchy(RLRandom *r, double *out, int64_t n, double median, double sigma);
void rl_log_normal(RLRandom *r, double *out, int64_t n, double mean, double std);
void rl_geometric(RLRandom *r, double *out, int64_t n, double p);

/* ---------------------------------------------------------------- integers */

/* random_(from, to) and randint with base = from, range = to - from; range 0 means 2^64, which is
 * random_(-2^63, None).  PyTorch draws 64 bits an element from range 2^28 on, else 32. */
void rl_random_from_to(RLRandom *r, int64_t *out, int64_t n, uint64_t range, int64_t base);

/* random_() without bounds: draws of 64 (wide) or 32 bits modulo `range`.  By dtype:
 *   bool 2; uint8 2^8; int8 2^7; int16 2^15; int32 2^31; int64 2^63, wide;
 *   bfloat16 2^8 + 1; float16 2^11 + 1; float32 2^24 + 1; float64 2^53 + 1, wide. */
void rl_random_full(RLRandom *r, int64_t *out, int64_t n, uint64_t range, bool wide);

void rl_randperm(RLRandom *r, int64_t *out, int64_t n);

/* ---------------------------------------------------------------- choices */

/* bernoulli_(p) with a number: 1 or 0 for every element, whatever the output dtype.
 * dropout(x, p) is x * (mask / (1 - p)) with the mask of bernoulli_(1 - p). */
void rl_bernoulli(RLRandom *r, uint8_t *out, int64_t n, double p);

/* bernoulli_(p) with a tensor: 32 bits an element unless p is float64 (cast float16 and bfloat16
 * to float).  Stops at the first p outside [0, 1] and returns how many elements were drawn. */
int64_t rl_bernoulli_f32(RLRandom *r, uint8_t *out, const float *p, int64_t n);
int64_t rl_bernoulli_f64(RLRandom *r, uint8_t *out, const double *p, int64_t n);

typedef enum {
    RL_PROBS_OK,
    RL_PROBS_NEGATIVE,   /* "... (encountering probability entry < 0)" */
    RL_PROBS_NOT_FINITE, /* "... (encountering probability entry = infinity or NaN)" */
    RL_PROBS_ZERO        /* "... (sum of probabilities <= 0)" */
} RLProbs;

/* multinomial(p, samples, replacement=True) for one row of unnormalised probabilities; cdf is
 * scratch for `categories` numbers.  float16 and bfloat16 rows are cast to float. */
RLProbs rl_multinomial_f32(RLRandom *r, int64_t *out, int64_t samples, const float *p, float *cdf,
                           int64_t categories);
RLProbs rl_multinomial_f64(RLRandom *r, int64_t *out, int64_t samples, const double *p, double *cdf,
                           int64_t categories);

/* multinomial(p, k) without replacement, and multinomial(p, 1) either way, over all rows at once:
 * keys[i] = p[i] / Exp(1).  The sample is argmax(keys) for k == 1, else topk(keys, k). */
void rl_multinomial_keys_f32(RLRandom *r, float *keys, const float *p, int64_t n);
void rl_multinomial_keys_f64(RLRandom *r, double *keys, const double *p, int64_t n);

/* ---------------------------------------------------------------- one sample at a time */

/* Parameters and results of a float32 tensor are passed as doubles with single = true: PyTorch
 * rounds some intermediate results to the tensor's dtype. */
double rl_sample_poisson(RLRandom *r, double rate);                               /* poisson */
double rl_sample_binomial(RLRandom *r, double count, double prob, bool single);   /* binomial */
double rl_sample_gamma(RLRandom *r, double alpha, bool single);                   /* _standard_gamma */

/* _sample_dirichlet for one row of k concentrations; out may be alpha. */
void rl_sample_dirichlet(RLRandom *r, double *out, const double *alpha, int64_t k, bool single);

#endif
