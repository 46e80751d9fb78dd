/* walk.c -- leads a kernel over the elements of strided operands: order, merging, tiles, threads. */
#include "rl.h"

/* Loops over plain memory: at the level at which the rest is compiled, GCC leaves them scalar. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

/* PyTorch's order of dimensions, innermost first: by stride, the first operand deciding first. */
void rl_iter_order(int n_ops, int ndim, const int64_t *shape, const int64_t *const *strides, int *perm) {
    for (int i = 0; i < ndim; i++) perm[i] = ndim - 1 - i;
    for (int i = 1; i < ndim; i++) {
        int at = i;
        for (int j = i - 1; j >= 0; j--) {
            int a = perm[j], b = perm[at], verdict = 0;
            for (int k = 0; k < n_ops && !verdict; k++) {
                int64_t sa = strides[k][a], sb = strides[k][b];
                if (sa == 0 || sb == 0) continue;
                if (sa < sb) verdict = -1;
                else if (sa > sb) verdict = 1;
                else if (shape[a] > shape[b]) verdict = 1;
            }
            if (verdict > 0) { perm[j] = b; perm[at] = a; at = j; }
            else if (verdict < 0) break;
        }
    }
}

/* ---------------------------------------------------------------- blocks */

typedef struct { uint64_t half[2]; } Sixteen;

#define EACH_SIZE(DO) \
    switch (size) { case 1: DO(uint8_t) case 2: DO(uint16_t) case 4: DO(uint32_t) case 8: DO(uint64_t) default: DO(Sixteen) }

const void *rl_pull(void *block, const char *from, int64_t stride, int64_t n, size_t size) {
    if (stride == 0) { rl_fill_row(block, from, n, size); return block; }
#define GATHER(T) {                                                                                     \
        T *to = block;                                                                                  \
        for (int64_t i = 0; i < n; i++, from += stride) to[i] = *(const T *)from;                       \
        return block;                                                                                   \
    }
    EACH_SIZE(GATHER)
#undef GATHER
}

void rl_push(char *to, int64_t stride, const void *block, int64_t n, size_t size) {
#define SCATTER(T) {                                                                                    \
        const T *from = block;                                                                          \
        for (int64_t i = 0; i < n; i++, to += stride) *(T *)to = from[i];                               \
        return;                                                                                         \
    }
    EACH_SIZE(SCATTER)
#undef SCATTER
}

/* ---------------------------------------------------------------- walks */

typedef struct {
    RLKernel kernel;
    const void *params;
    int n_ops, ndim;
    bool tiled;                /* dimensions 0 and 1 are walked in tiles */
    bool small;                /* dimensions 0 and 1 are so small that 0 and 2 are walked at once, 1 around them */
    bool joined;               /* rows are short, and some are brought together for each call of the kernel */
    int64_t size[RL_MAXOPS];   /* of elements, where rows are joined */
    int64_t shape[RL_MAXDIM];  /* innermost first */
    int64_t stride[RL_MAXDIM][RL_MAXOPS];
    char *data[RL_MAXOPS];
} Walk;

/* Where rows of an operand lie apart, a tile of so many rows uses each line of them whole; its length is what the second-level
 * cache can hold of them. Measured on 4-byte elements: shorter tiles pay more for pages that are met anew. */
#define TILE 128
#define TILE_LENGTH 512

/* Rows that are shorter than this are joined, unless there is little of them: a call of the kernel, and vector code for what is no whole number of vectors, cost
 * more than bringing operands that are broadcast or lie apart into blocks. */
#define SHORT_ROW 64
#define FEW 256
#define JOINED 512
#define MOST_BYTES 16

static void gather_rows(void *block, const char *from, int64_t s0, int64_t s1, int64_t n0, int64_t rows, int64_t size) {
#define GATHER(T) {                                                                                                     \
        T *to = block;                                                                                                  \
        if (s0 == 0)                                                                                                    \
            for (int64_t r = 0; r < rows; r++, from += s1)                                                              \
                for (int64_t i = 0; i < n0; i++) *to++ = *(const T *)from;                                              \
        else if (llabs(s1) < llabs(s0))                                                                                 \
            for (int64_t i = 0; i < n0; i++, from += s0)                                                                \
                for (int64_t r = 0; r < rows; r++) to[r * n0 + i] = *(const T *)(from + r * s1);                        \
        else                                                                                                            \
            for (int64_t r = 0; r < rows; r++, from += s1)                                                              \
                for (int64_t i = 0; i < n0; i++) *to++ = *(const T *)(from + i * s0);                                   \
        return;                                                                                                         \
    }
    EACH_SIZE(GATHER)
#undef GATHER
}

static void scatter_rows(char *to, int64_t s0, int64_t s1, const void *block, int64_t n0, int64_t rows, int64_t size) {
#define SCATTER(T) {                                                                                                    \
        const T *from = block;                                                                                          \
        for (int64_t r = 0; r < rows; r++, to += s1)                                                                    \
            for (int64_t i = 0; i < n0; i++) *(T *)(to + i * s0) = *from++;                                             \
        return;                                                                                                         \
    }
    EACH_SIZE(SCATTER)
#undef SCATTER
}

/* As many rows at a time as blocks hold: operands whose rows follow each other stay where they are, the rest goes through a
 * block, into which a row that all have in common is brought once. */
static void joined_rows(const Walk *w, char *const *at, int64_t n0, int64_t n1) {
    const int n = w->n_ops;
    const int64_t step = JOINED / n0, most = n1 < step ? n1 : step;
    Sixteen block[RL_MAXOPS][JOINED * MOST_BYTES / sizeof(Sixteen)];
    bool dense[RL_MAXOPS], common[RL_MAXOPS];
    int64_t s[2 * RL_MAXOPS];
    char *p[RL_MAXOPS];
    for (int k = 0; k < n; k++) {
        dense[k] = w->stride[0][k] == w->size[k] && w->stride[1][k] == n0 * w->size[k];
        common[k] = k > 0 && w->stride[1][k] == 0;
        s[k] = w->size[k];
        s[n + k] = 0;
        if (common[k]) gather_rows(block[k], at[k], w->stride[0][k], 0, n0, most, w->size[k]);
    }
    for (int64_t j = 0; j < n1; j += step) {
        const int64_t rows = n1 - j < step ? n1 - j : step;
        for (int k = 0; k < n; k++) {
            char *from = at[k] + j * w->stride[1][k];
            p[k] = dense[k] ? from : (char *)block[k];
            if (k > 0 && !dense[k] && !common[k]) gather_rows(block[k], from, w->stride[0][k], w->stride[1][k], n0, rows, w->size[k]);
        }
        w->kernel(p, s, rows * n0, 1, w->params);
        if (!dense[0]) scatter_rows(at[0] + j * w->stride[1][0], w->stride[0][0], w->stride[1][0], block[0], n0, rows, w->size[0]);
    }
}

static void plane(const Walk *w, char *const *at, int64_t n0, int64_t n1) {
    if (w->joined && n1 > 1) { joined_rows(w, at, n0, n1); return; }
    const int n = w->n_ops;
    int64_t s[2 * RL_MAXOPS];
    char *p[RL_MAXOPS];
    for (int k = 0; k < n; k++) {
        s[k] = w->stride[0][k];
        s[n + k] = w->ndim > 1 ? w->stride[1][k] : 0;
    }
    if (!w->tiled) {
        for (int k = 0; k < n; k++) p[k] = at[k];
        w->kernel(p, s, n0, n1, w->params);
        return;
    }
    for (int64_t j = 0; j < n1; j += TILE) {
        for (int64_t i = 0; i < n0; i += TILE_LENGTH) {
            for (int k = 0; k < n; k++) p[k] = at[k] + i * s[k] + j * s[n + k];
            w->kernel(p, s, n0 - i < TILE_LENGTH ? n0 - i : TILE_LENGTH, n1 - j < TILE ? n1 - j : TILE, w->params);
        }
    }
}

/* A kernel call costs as much as so many elements. */
#define SMALL 64
#define SMALL_ROWS 256 /* at once: the cache keeps their lines for the next entry of dimension 1 */

/* n entries of dimension 2, of which all of dimensions 0 and 1. */
static void small_planes(const Walk *w, char *const *at, int64_t n) {
    const int k = w->n_ops;
    int64_t s[2 * RL_MAXOPS];
    char *p[RL_MAXOPS];
    for (int i = 0; i < k; i++) { s[i] = w->stride[0][i]; s[k + i] = w->stride[2][i]; }
    for (int64_t begin = 0; begin < n; begin += SMALL_ROWS) {
        for (int64_t j = 0; j < w->shape[1]; j++) {
            for (int i = 0; i < k; i++) p[i] = at[i] + j * w->stride[1][i] + begin * w->stride[2][i];
            w->kernel(p, s, w->shape[0], n - begin < SMALL_ROWS ? n - begin : SMALL_ROWS, w->params);
        }
    }
}

/* Rows begin..end of all dimensions but the innermost, as one range. */
static void some_rows(void *ctx, int64_t begin, int64_t end) {
    const Walk *w = ctx;
    const int n = w->n_ops;
    int64_t count[RL_MAXDIM], rest = begin;
    char *at[RL_MAXOPS];
    for (int k = 0; k < n; k++) at[k] = w->data[k];
    for (int d = 1; d < w->ndim; d++) {
        count[d] = rest % w->shape[d];
        rest /= w->shape[d];
        for (int k = 0; k < n; k++) at[k] += count[d] * w->stride[d][k];
    }
    while (begin < end) {
        const int64_t left = w->ndim > 1 ? w->shape[1] - count[1] : 1;
        int64_t rows = left < end - begin ? left : end - begin;
        if (w->small && count[1] == 0 && end - begin >= w->shape[1]) {
            int64_t planes = (end - begin) / w->shape[1];
            if (planes > w->shape[2] - count[2]) planes = w->shape[2] - count[2];
            small_planes(w, at, planes);
            count[2] += planes - 1; /* the last of them is counted below */
            for (int k = 0; k < n; k++) at[k] += (planes - 1) * w->stride[2][k];
            begin += (planes - 1) * w->shape[1];
            rows = w->shape[1];
        } else {
            plane(w, at, w->shape[0], rows);
        }
        begin += rows;
        if (begin >= end) return;
        count[1] += rows; /* a whole dimension is done: carry */
        for (int k = 0; k < n; k++) at[k] += rows * w->stride[1][k];
        for (int d = 1; d + 1 < w->ndim && count[d] == w->shape[d]; d++) {
            for (int k = 0; k < n; k++) at[k] += w->stride[d + 1][k] - w->shape[d] * w->stride[d][k];
            count[d] = 0;
            count[d + 1]++;
        }
    }
}

/* Elements begin..end of every row: for few and long rows. */
static void some_columns(void *ctx, int64_t begin, int64_t end) {
    const Walk *whole = ctx;
    Walk w = *whole;
    int64_t rows = 1;
    for (int d = 1; d < w.ndim; d++) rows *= w.shape[d];
    for (int k = 0; k < w.n_ops; k++) w.data[k] += begin * w.stride[0][k];
    w.shape[0] = end - begin;
    some_rows(&w, 0, rows);
}

void rl_walk_dense(RLKernel kernel, int n_ops, char **data, const int64_t *stride, int64_t n, const void *params, int64_t grain) {
    Walk w = {.kernel = kernel, .params = params, .n_ops = n_ops, .ndim = 1, .shape = {n}};
    for (int k = 0; k < n_ops; k++) {
        w.data[k] = data[k];
        w.stride[0][k] = stride[k];
    }
    if (n < RL_SHARE_FROM * grain) some_columns(&w, 0, n);
    else rl_parallel_for(n, grain, some_columns, &w);
}

/* Whether no two of the output's elements in the inner dimensions share memory, as they do in windows that overlap: there each
 * row must see what the one before it has written. */
static bool rows_apart(const Walk *w) {
    const int64_t s0 = llabs(w->stride[0][0]), s1 = llabs(w->stride[1][0]);
    return s1 >= w->shape[0] * s0 || s0 >= w->shape[1] * s1;
}

void rl_walk(RLKernel kernel, int n_ops, int ndim, const int64_t *shape, const int64_t *const *strides, const int64_t *sizes,
             char *const *data, const void *params, int64_t grain) {
    Walk w = {.kernel = kernel, .params = params, .n_ops = n_ops};
    int perm[RL_MAXDIM], nd = 0;
    int64_t total = 1;
    rl_iter_order(n_ops, ndim, shape, strides, perm);
    for (int i = 0; i < ndim; i++) { /* merge dimensions that all operands walk in one stride */
        const int d = perm[i];
        if (shape[d] == 1) continue;
        total *= shape[d];
        bool merge = nd > 0;
        for (int k = 0; k < n_ops && merge; k++) merge = strides[k][d] == w.shape[nd - 1] * w.stride[nd - 1][k];
        if (merge) { w.shape[nd - 1] *= shape[d]; continue; }
        w.shape[nd] = shape[d];
        for (int k = 0; k < n_ops; k++) w.stride[nd][k] = strides[k][d];
        nd++;
    }
    if (nd == 0) {
        w.shape[0] = 1;
        for (int k = 0; k < n_ops; k++) w.stride[0][k] = 0;
        nd = 1;
    }
    w.ndim = nd;
    for (int k = 0; k < n_ops; k++) w.data[k] = data[k];
    if (nd > 1 && w.shape[0] > 4 && w.shape[1] > 4)
        for (int k = 0; k < n_ops; k++) w.tiled |= w.stride[1][k] != 0 && llabs(w.stride[1][k]) < llabs(w.stride[0][k]);
    if (sizes && nd > 1 && w.shape[0] < SHORT_ROW && w.shape[1] > 1 && total >= FEW && rows_apart(&w)) {
        w.joined = true;
        w.tiled = false;
        for (int k = 0; k < n_ops; k++) w.size[k] = sizes[k];
    }
    w.small = !w.joined && nd > 2 && w.shape[0] * w.shape[1] < SMALL && w.shape[2] >= 8;
    const int64_t n0 = w.shape[0], rows = total / n0;
    if (total < RL_SHARE_FROM * grain) some_rows(&w, 0, rows);
    else if (rows == 1 || (rows < 16 && n0 >= 16 * grain / rows)) rl_parallel_for(n0, (grain / rows + 64) / 64 * 64, some_columns, &w);
    else rl_parallel_for(rows, (grain / n0 + (w.tiled ? TILE : 1)) / (w.tiled ? TILE : 1) * (w.tiled ? TILE : 1), some_rows, &w);
}
