/* gemm_generic.h -- what gemm_generic_kernel.c provides for each instruction set. */
#ifndef RL_GEMM_GENERIC_H
#define RL_GEMM_GENERIC_H

#include "gemm.h"

typedef struct {
    void (*u8)(RL_GEMM_SIGNATURE(uint8_t, int64_t));
    void (*i8)(RL_GEMM_SIGNATURE(int8_t, int64_t));
    void (*i16)(RL_GEMM_SIGNATURE(int16_t, int64_t));
    void (*i32)(RL_GEMM_SIGNATURE(int32_t, int64_t));
    void (*i64)(RL_GEMM_SIGNATURE(int64_t, int64_t));
    void (*f16)(RL_GEMM_SIGNATURE(uint16_t, float));
    void (*bf16)(RL_GEMM_SIGNATURE(uint16_t, float));
    void (*c64)(RL_GEMM_SIGNATURE(RLComplex64, RLComplex64));
    void (*c128)(RL_GEMM_SIGNATURE(RLComplex128, RLComplex128));
} RLGenericKernels;

#endif
