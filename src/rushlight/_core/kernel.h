/* kernel.h -- what the kernels know: dtypes, and the forms in which they are called.  They see memory, never a Python
 * object, so they are compiled without Python.h, need no GIL and raise nothing. */
#ifndef RL_KERNEL_H
#define RL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define RL_MAXDIM 64          /* PyTorch's own limit */

#if defined(__GNUC__) || defined(__clang__)
#define RL_LIKELY(x) __builtin_expect(!!(x), 1)
#define RL_UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define RL_LIKELY(x) (x)
#define RL_UNLIKELY(x) (x)
#endif

typedef enum {
    RL_BOOL, RL_U8, RL_I8, RL_I16, RL_I32, RL_I64, RL_U16, RL_U32, RL_U64,
    RL_F16, RL_BF16, RL_F32, RL_F64, RL_C32, RL_C64, RL_C128,
    RL_F8E4M3FN, RL_F8E5M2, RL_F8E4M3FNUZ, RL_F8E5M2FNUZ, RL_F8E8M0FNU,
    RL_NDTYPES,
    RL_NODTYPE = -1
} RLDType;

typedef struct {
    const char *name;         /* "float32" */
    const char *legacy;       /* "Float": torch.FloatTensor, FloatStorage */
    uint8_t itemsize;
    bool is_floating, is_complex, is_signed, is_integral; /* is_integral excludes bool */
    char typecode;            /* PEP 3118 / numpy kind: '?', 'B', 'f', ... or 0 */
} DTypeInfo;

extern const DTypeInfo rl_dtypes[RL_NDTYPES];
#define RL_ITEMSIZE(dt) (rl_dtypes[dt].itemsize)
#define RL_IS_FLOAT(dt) (rl_dtypes[dt].is_floating)
#define RL_IS_COMPLEX(dt) (rl_dtypes[dt].is_complex)
#define RL_IS_INEXACT(dt) (rl_dtypes[dt].is_floating || rl_dtypes[dt].is_complex)
#define RL_IS_INTEGRAL(dt) (!RL_IS_INEXACT(dt)) /* bool included */

/* ---------------------------------------------------------------- elementwise */

/* p[0] is the output, p[1..] the inputs; s[k] the byte strides of the inner loop over n0 elements,
 * s[nop + k] those of the outer loop over n1. No Python, no allocation: may run without the GIL. */
typedef void (*RLKernel)(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *params);

typedef struct { double d, im; int64_t i; } EwParam;         /* a number, in all the forms a kernel may read */

/* Elements that lie `stride` bytes apart (0: one element, again and again) to a dense block, which is returned, and back. */
void rl_fill_row(void *to, const void *value, int64_t n, size_t size); /* value n times over; it may lie where `to` begins */
const void *rl_pull(void *block, const char *from, int64_t stride, int64_t n, size_t size);
void rl_push(char *to, int64_t stride, const void *block, int64_t n, size_t size);

/* ---------------------------------------------------------------- reductions */

/* Folds m outputs of n elements each, at once and for good: output j
 * is at out + j*so and folds the n elements at in + j*sm + i*sn (byte strides). */
typedef void (*RLReduce)(char *out, const char *in, int64_t n, int64_t sn, int64_t m, int64_t so, int64_t sm);

#endif
