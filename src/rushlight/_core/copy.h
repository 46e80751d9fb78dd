/* copy.h -- what copy_kernel.c provides for each instruction set. */
#ifndef RL_COPY_H
#define RL_COPY_H
#include "rl.h"

#define RL_COPY_KERNELS(ISA)                                                           \
    extern const RLKernel rl_copy_kernels_##ISA[RL_NDTYPES][RL_NDTYPES]; /* to, from */ \
    void rl_fill_row_##ISA(void *to, const void *value, int64_t n, size_t size);
RL_COPY_KERNELS(base)
#if defined(__x86_64__) || defined(_M_X64)
RL_COPY_KERNELS(avx2)
RL_COPY_KERNELS(avx512)
#endif

RLKernel rl_copy_kernel(RLDType to, RLDType from); /* NULL: there is no arithmetic on one of them */

#endif
