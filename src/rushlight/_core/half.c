/* half.c -- elementwise operations on half precision: float32's kernels, on blocks that are converted on the way.
 *
 * Results are those of computing in float32 and rounding once.  A block is some elements of a row, or some whole rows.
 */
#include "rl.h"
#include "copy.h"

#define BLOCK 1024 /* elements: four operands of it stay in the first-level cache */

typedef struct { int64_t n0, n1; } Extent;

/* The elements of a block of an operand, as float32s that lie densely; repeated ones are converted once. */
static void widen(RLKernel convert, char **p, int64_t *s0, int64_t *s1, float *block, Extent e) {
    const int64_t n0 = *s0 ? e.n0 : 1, n1 = *s1 ? e.n1 : 1, row = n0 * (int64_t)sizeof(float);
    convert((char *[]){(char *)block, *p}, (int64_t[]){sizeof(float), *s0, row, *s1}, n0, n1, NULL);
    *p = (char *)block;
    *s0 = *s0 ? (int64_t)sizeof(float) : 0;
    *s1 = *s1 ? row : 0;
}

void rl_ew_half(const EwDef *def, RLDType half, char **p, const int64_t *s, int64_t n0, int64_t n1, const void *params) {
    float block[RL_MAXOPS][BLOCK];
    const RLKernel to_float = rl_copy_kernel(RL_F32, half), to_half = rl_copy_kernel(half, RL_F32);
    const int n = def->n_in + 1;
    const bool narrow = def->out_rule == EW_SAME || def->out_rule == EW_REAL;
    const int64_t columns = n0 < BLOCK ? n0 : BLOCK, rows = columns ? BLOCK / columns : 1;
    for (int64_t j = 0; j < n1; j += rows) {
        for (int64_t i = 0; i < n0; i += columns) {
            const Extent e = {n0 - i < columns ? n0 - i : columns, n1 - j < rows ? n1 - j : rows};
            char *at[RL_MAXOPS];
            int64_t t[2 * RL_MAXOPS];
            for (int k = 0; k < n; k++) {
                at[k] = p[k] + i * s[k] + j * s[n + k];
                t[k] = s[k];
                t[n + k] = s[n + k];
                if (k && !(def->bool_mask >> (k - 1) & 1)) widen(to_float, &at[k], &t[k], &t[n + k], block[k], e);
            }
            char *const out = at[0];
            if (narrow) {
                at[0] = (char *)block[0];
                t[0] = sizeof(float);
                t[n] = e.n0 * (int64_t)sizeof(float);
            }
            def->kernel[RL_F32](at, t, e.n0, e.n1, params);
            if (narrow) to_half((char *[]){out, at[0]}, (int64_t[]){s[0], t[0], s[n], t[n]}, e.n0, e.n1, NULL);
        }
    }
}
