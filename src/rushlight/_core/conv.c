/* conv.c -- convolutions as matrix products over unfolded input. */
#include "conv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gemm.h"

/* The unfolded block should stay in a second-level cache. */
#define BLOCK_BYTES (512 * 1024)
#define BLOCK_MIN 64 /* output positions: fewer would starve the products */

void rl_conv_geometry(RLConv *d, int nd, const int64_t *in, const int64_t *kernel, const int64_t *stride,
                      const int64_t *padding, const int64_t *dilation) {
    for (int i = 0; i < 3; i++) {
        const int j = i - (3 - nd);
        d->in[i] = j < 0 ? 1 : in[j];
        d->kernel[i] = j < 0 ? 1 : kernel[j];
        d->stride[i] = j < 0 ? 1 : stride[j];
        d->padding[i] = j < 0 ? 0 : padding[j];
        d->dilation[i] = j < 0 ? 1 : dilation[j];
        const int64_t room = d->in[i] + 2 * d->padding[i] - d->dilation[i] * (d->kernel[i] - 1) - 1;
        d->out[i] = room < 0 ? 0 : room / d->stride[i] + 1;
    }
}

static inline int64_t volume(const int64_t *v) { return v[0] * v[1] * v[2]; }

/* A kernel of one tap that meets every element once: x itself is its unfolding. */
static bool is_pointwise(const RLConv *d) {
    for (int i = 0; i < 3; i++)
        if (d->kernel[i] != 1 || d->stride[i] != 1 || d->padding[i] != 0) return false;
    return true;
}

static inline int64_t taps(const RLConv *d) { return d->in_channels / d->groups * volume(d->kernel); }

/* Output positions unfolded at a time. */
static int64_t block_positions(const RLConv *d, size_t itemsize) {
    const int64_t positions = volume(d->out), rows = taps(d);
    if (is_pointwise(d)) return positions;
    int64_t block = rows ? (int64_t)(BLOCK_BYTES / itemsize) / rows / BLOCK_MIN * BLOCK_MIN : positions;
    if (block < BLOCK_MIN) block = BLOCK_MIN;
    return block < positions ? block : positions;
}

size_t rl_conv_scratch(const RLConv *d, size_t itemsize) {
    return is_pointwise(d) ? 0 : itemsize * (size_t)(taps(d) * block_positions(d, itemsize));
}

/* *col becomes the caller's block or one to be freed; false when memory is short. */
static bool take_scratch(const RLConv *d, size_t itemsize, void *given, void **col) {
    *col = given;
    if (given || is_pointwise(d)) return true;
    const size_t size = rl_conv_scratch(d, itemsize);
    *col = malloc(size ? size : 1);
    return *col != NULL;
}

/* Smallest q >= 0 with q * step >= x. */
static inline int64_t ceil_div(int64_t x, int64_t step) { return x <= 0 ? 0 : (x + step - 1) / step; }
static inline int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

#define T float
#define NAME(x) x##_f32
#include "conv_template.h"
#undef T
#undef NAME

#define T double
#define NAME(x) x##_f64
#include "conv_template.h"
