/* order.h -- rows of elements as keys, and the order of keys: what sort.c asks of order.c, and that of order_kernel.c. */
#ifndef RL_ORDER_H
#define RL_ORDER_H

#include "kernel.h"

/* A key is an unsigned integer in whose order elements are: the sign of numbers is flipped in, NaN is the largest,
 * -0 equals 0; descending order is the complement. */
typedef void (*RLKeys)(const char *p, int64_t step, int64_t n, bool down, uint64_t *key);

typedef struct {
    RLKeys keys[RL_NDTYPES];
    void (*range)(const uint64_t *key, int64_t n, uint64_t *least, uint64_t *most);
    int64_t (*below)(const uint64_t *key, int64_t from, int64_t n, uint64_t limit);  /* the first key < limit, or n */
    /* the position of each of at most rank_most keys in their stable order: how many come before it */
    void (*rank)(const uint64_t *key, int n, int32_t *rank);
    int rank_most;
} OrderKernels;

#define RL_RANK_MOST 192       /* of any kernel */

const OrderKernels *rl_order_kernels(void);

/* Scratch for rows of n keys; a and b are taken by the functions below. */
typedef struct { const OrderKernels *kernels; uint64_t *key, *a, *b; } OrderWork;

/* As kernels->rank. */
void rl_order_rank(const OrderWork *w, int n, int32_t *rank);

/* The stable order of w->key[0..n): position i of it holds element result[i] & *mask. The result is w->a or w->b. */
const uint64_t *rl_order(const OrderWork *w, int64_t n, uint64_t *mask);

/* The k-th least key, counted from 0, and how many are less. Uses w->a. */
uint64_t rl_order_select(const OrderWork *w, int64_t n, int64_t k, int64_t *less);

#endif
