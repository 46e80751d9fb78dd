/* copy.h -- what copy_kernel.c and move_kernel.c provide for each instruction set. */
#ifndef RL_COPY_H
#define RL_COPY_H
#include "kernel.h"

#define RL_COPY_KERNELS(ISA)                                                           \
    extern const RLKernel rl_copy_kernels_##ISA[RL_NDTYPES][RL_NDTYPES]; /* to, from */ \
    void rl_fill_row_##ISA(void *to, const void *value, int64_t n, size_t size);       \
    void rl_move_##ISA(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *size); \
    void rl_get_rows_##ISA(char *to, const char *from, const int64_t *off, int64_t bytes, int64_t n); \
    void rl_put_rows_##ISA(char *to, const int64_t *off, const char *from, int64_t stride, int64_t bytes, int64_t n); \
    void rl_zip_##ISA(void *to, const void *a, const void *b, int64_t n, size_t size); \
    void rl_copy_bytes_##ISA(char *restrict to, const char *restrict from, size_t n);  \
    void rl_masked_fill_##ISA(void *to, const void *from, const void *mask, int64_t n, const void *value, size_t size);
RL_COPY_KERNELS(base)
#if defined(__x86_64__) || defined(_M_X64)
RL_COPY_KERNELS(avx2)
RL_COPY_KERNELS(avx512)
#endif

RLKernel rl_copy_kernel(RLDType to, RLDType from); /* NULL: there is no arithmetic on one of them */

/* move_kernel.c's, for this processor. */
typedef struct {
    RLKernel move;             /* params: the width of an element, an int64_t */
    void (*copy_bytes)(char *restrict to, const char *restrict from, size_t n);
    /* row i of so many bytes: packed in `to` and at from + off[i]; at to + off[i] and from + i * stride */
    void (*get_rows)(char *to, const char *from, const int64_t *off, int64_t bytes, int64_t n);
    void (*put_rows)(char *to, const int64_t *off, const char *from, int64_t stride, int64_t bytes, int64_t n);
    void (*zip)(void *to, const void *a, const void *b, int64_t n, size_t size); /* a[0], b[0], a[1], ... */
    /* to[i] = mask[i] ? value : from[i]; `to` and `from` are the same or apart */
    void (*masked_fill)(void *to, const void *from, const void *mask, int64_t n, const void *value, size_t size);
} RLMoves;
const RLMoves *rl_moves(void);
void rl_zip_all(char *to, const char *a, const char *b, int64_t n, int64_t item); /* on several threads */

#endif
