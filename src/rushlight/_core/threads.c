/* threads.c -- the one door to parallel loops. */
#include "rl.h"

int rl_num_threads = 1;

/* Kernels hand over independent chunks; here they run one after another, on the thread that asked. */
void rl_parallel_for(int64_t n, int64_t grain, void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx) {
    (void)grain;
    if (n > 0) fn(ctx, 0, n);
}
