/* factory.h -- what factory_kernel.c provides for each instruction set. */
#ifndef RL_FACTORY_H
#define RL_FACTORY_H
#include "kernel.h"

/* Elements of a vector `to` of n: from `start` by `step` (integers: istart, istep), or evenly from `start` to `end`. */
typedef struct {
    void *to;
    int64_t n, istart, istep;
    double start, step, end;
} RLRange;

typedef void (*RLRangeFn)(const RLRange *r, int64_t begin, int64_t end); /* writes elements begin..end */
typedef struct { RLRangeFn arange_f32, arange_f64, arange_i64, linspace_f32, linspace_f64; } RLFactory;

#define RL_FACTORY_KERNELS(ISA)                                                                              \
    void rl_arange_f32_##ISA(const RLRange *r, int64_t begin, int64_t end);                                  \
    void rl_arange_f64_##ISA(const RLRange *r, int64_t begin, int64_t end);                                  \
    void rl_arange_i64_##ISA(const RLRange *r, int64_t begin, int64_t end);                                  \
    void rl_linspace_f32_##ISA(const RLRange *r, int64_t begin, int64_t end);                                \
    void rl_linspace_f64_##ISA(const RLRange *r, int64_t begin, int64_t end);
RL_FACTORY_KERNELS(base)
#if defined(__x86_64__) || defined(_M_X64)
RL_FACTORY_KERNELS(avx2)
RL_FACTORY_KERNELS(avx512)
#endif

#endif
