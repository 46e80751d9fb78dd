/* extreme.h -- what extreme.c asks of the kernels in extreme_kernel.c. */
#ifndef RL_EXTREME_H
#define RL_EXTREME_H

#include "kernel.h"

/* The first extreme of each of m runs of n elements and its position; NaN wins.  Run j starts at in + j*sm and steps by
 * sn bytes; its results are value[j] (value may be NULL) and index[j]. */
typedef void (*RLExtreme)(const char *in, int64_t n, int64_t sn, int64_t m, int64_t sm, char *value, int64_t *index);

typedef struct { RLExtreme max, min; } ExtremeKernels;

#endif
