/* reduce_integers_kernel.c -- sums, extremes and truths of frequent integers, for one instruction set (isa.h says how it is compiled
 * for each): the rendered kernels of integers know the base level only, which has no 64-bit comparison. */
#include "reduce.h"
#include "isa.h"

#define ADD(a, x) ((a) + (x))
#define GREATER(a, x) ((a) > (x) ? (a) : (x))
#define LESS(a, x) ((a) < (x) ? (a) : (x))
#define WIDE(v) ((int64_t)(v))
#define TRUTH(v) ((int64_t)((v) != 0))
#define TRUE(v) ((uint8_t)((v) != 0))
#define OR(a, x) ((a) | (x))
#define AND(a, x) ((a) & (x))

RL_REDUCE(sum_I64, 4, int64_t, WIDE, int64_t, int64_t, WIDE, 0, ADD, ADD)
RL_REDUCE(sum_I32, 4, int32_t, WIDE, int64_t, int64_t, WIDE, 0, ADD, ADD)
RL_REDUCE(sum_BOOL, 4, uint8_t, TRUTH, int64_t, int64_t, WIDE, 0, ADD, ADD)
RL_REDUCE(any_BOOL, 4, uint8_t, TRUE, uint8_t, uint8_t, TRUE, 0, OR, OR)
RL_REDUCE(all_BOOL, 4, uint8_t, TRUE, uint8_t, uint8_t, TRUE, 1, AND, AND)
RL_REDUCE(max_I64, 1, int64_t, WIDE, int64_t, int64_t, WIDE, INT64_MIN, GREATER, GREATER)
RL_REDUCE(min_I64, 1, int64_t, WIDE, int64_t, int64_t, WIDE, INT64_MAX, LESS, LESS)

extern const ReduceIntegers RL_ISA_NAME(rl_reduce_integers)[];
const ReduceIntegers RL_ISA_NAME(rl_reduce_integers)[] = {
    {"sum", RL_I64, sum_I64}, {"sum", RL_BOOL, sum_BOOL}, {"sum", RL_I32, sum_I32},
    {"any", RL_BOOL, any_BOOL}, {"all", RL_BOOL, all_BOOL},
    {"max", RL_I64, max_I64}, {"amax", RL_I64, max_I64}, {"min", RL_I64, min_I64}, {"amin", RL_I64, min_I64},
    {NULL, RL_NODTYPE, NULL}};
