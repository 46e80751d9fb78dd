/* copy.c -- copies between any two dtypes and layouts. */
#include "rl.h"
#include "copy.h"
#include "isa.h"
#include "types.h"

/* value n times over */
void rl_fill_row(void *to, const void *value, int64_t n, size_t size) {
#if defined(__x86_64__) || defined(_M_X64)
    if (rl_isa_best() == RL_ISA_AVX512) { rl_fill_row_avx512(to, value, n, size); return; }
    if (rl_isa_best() == RL_ISA_AVX2) { rl_fill_row_avx2(to, value, n, size); return; }
#endif
    rl_fill_row_base(to, value, n, size);
}

RLKernel rl_copy_kernel(RLDType to, RLDType from) {
    RLKernel wide = NULL;
#if defined(__x86_64__) || defined(_M_X64)
    if (rl_isa_best() == RL_ISA_AVX512) wide = rl_copy_kernels_avx512[to][from];
    else if (rl_isa_best() == RL_ISA_AVX2) wide = rl_copy_kernels_avx2[to][from];
#endif
    return wide ? wide : rl_copy_kernels_base[to][from];
}

const RLMoves *rl_moves(void) {
#define MOVES(ISA) static const RLMoves ISA = {rl_move_##ISA, rl_copy_bytes_##ISA, rl_get_rows_##ISA, rl_put_rows_##ISA, rl_zip_##ISA, \
                                                 rl_masked_fill_##ISA};
    MOVES(base)
#if defined(__x86_64__) || defined(_M_X64)
    MOVES(avx2)
    MOVES(avx512)
    if (rl_isa_best() == RL_ISA_AVX512) return &avx512;
    if (rl_isa_best() == RL_ISA_AVX2) return &avx2;
#endif
    return &base;
#undef MOVES
}

#define GRAIN 8192 /* elements: a microsecond of copying */
#define SHARED_FROM (1 << 18) /* bytes: below, one thread is as fast */

typedef struct { uint64_t half[2]; } Sixteen;

typedef struct {
    void (*copy)(char *restrict to, const char *restrict from, size_t n);
    char *to;
    const char *from;
} Bytes;

static void copy_range(void *ctx, int64_t begin, int64_t end) {
    const Bytes *b = ctx;
    b->copy(b->to + begin, b->from + begin, (size_t)(end - begin));
}

static void zero_range(void *ctx, int64_t begin, int64_t end) { memset((char *)ctx + begin, 0, (size_t)(end - begin)); }

void rl_zero(Tensor *t) {
    const int64_t bytes = t->numel * RL_ITEMSIZE(t->dtype);
    if (bytes < SHARED_FROM) memset(t->data, 0, (size_t)bytes);
    else rl_parallel_for(bytes, 1 << 15, zero_range, t->data);
}

static void copy_same(Tensor *dst, Tensor *src, int64_t width) {
    const int64_t n = dst->numel * width;
    Bytes b = {rl_moves()->copy_bytes, dst->data, src->data};
    if (b.to < b.from + n && b.from < b.to + n) memmove(b.to, b.from, (size_t)n);
    else if (n < SHARED_FROM) b.copy(b.to, b.from, (size_t)n);
    else rl_parallel_for(n, 1 << 15, copy_range, &b);
}

typedef struct { char *to; const char *value; int64_t width; } Fill;

static void fill_range(void *ctx, int64_t begin, int64_t end) {
    const Fill *f = ctx;
    rl_fill_row(f->to + begin * f->width, f->value, end - begin, (size_t)f->width);
}

/* One number everywhere. Writes alone are done twice as fast as copies. */
static void fill_all(Tensor *dst, Tensor *src, int64_t width) {
    Sixteen value;
    memcpy(&value, src->data, (size_t)width); /* it may lie within dst */
    Fill f = {dst->data, (char *)&value, width};
    if (dst->numel * width < 2 * SHARED_FROM) fill_range(&f, 0, dst->numel);
    else rl_parallel_for(dst->numel, (1 << 16) / width, fill_range, &f);
}

typedef struct { char *to; const char *a, *b; int64_t item; } Pairs;

static void zip_range(void *ctx, int64_t begin, int64_t end) {
    const Pairs *p = ctx;
    const int64_t at = begin * p->item;
    rl_moves()->zip(p->to + 2 * at, p->a + at, p->b + at, end - begin, (size_t)p->item);
}

void rl_zip_all(char *to, const char *a, const char *b, int64_t n, int64_t item) {
    Pairs p = {to, a, b, item};
    if (2 * n * item < SHARED_FROM) zip_range(&p, 0, n);
    else rl_parallel_for(n, (1 << 14) / item, zip_range, &p);
}

int rl_copy_raw(Tensor *dst, Tensor *src) {
    const bool same = dst->dtype == src->dtype;
    RLKernel kernel = same ? rl_moves()->move : rl_copy_kernel((RLDType)dst->dtype, (RLDType)src->dtype);
    int64_t width = RL_ITEMSIZE(dst->dtype);
    if (!kernel) {
        PyErr_Format(PyExc_NotImplementedError, "conversion from %s to %s is not implemented", rl_dtypes[src->dtype].name,
                     rl_dtypes[dst->dtype].name);
        return -1;
    }
    if (dst->device != RL_CPU) return 0;
    if (src->device != RL_CPU) {
        PyErr_SetString(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!");
        return -1;
    }
    if (dst->numel == 0) return 0;
    if (RL_IS_CONTIGUOUS(dst) && RL_IS_CONTIGUOUS(src) && dst->numel == src->numel) {
        if (same) { copy_same(dst, src, width); return 0; }
        char *p[2] = {dst->data, src->data};
        rl_walk_dense(kernel, 2, p, (int64_t[]){width, RL_ITEMSIZE(src->dtype)}, dst->numel, &width, GRAIN);
        return 0;
    }
    if (same && src->numel == 1 && RL_IS_CONTIGUOUS(dst)) { fill_all(dst, src, width); return 0; }
    int64_t sd[RL_MAXDIM], ss[RL_MAXDIM];
    const int nd = dst->ndim, shift = nd - src->ndim;
    for (int i = 0; i < nd; i++) {
        sd[i] = dst->stride[i] * width;
        ss[i] = i < shift || src->size[i - shift] == 1 ? 0 : src->stride[i - shift] * RL_ITEMSIZE(src->dtype);
    }
    rl_walk(kernel, 2, nd, dst->size, (const int64_t *[]){sd, ss}, NULL, (char *[]){dst->data, src->data}, &width, GRAIN);
    return 0;
}

Tensor *rl_to_dtype_raw(Tensor *t, RLDType dt) {
    if (t->dtype == dt) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *r = rl_empty_like(t, dt);
    if (r && rl_copy_raw(r, t) < 0) Py_CLEAR(r);
    return r;
}

Tensor *rl_contiguous_raw(Tensor *t) {
    if (RL_IS_CONTIGUOUS(t)) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *r = rl_empty(t->ndim, t->size, (RLDType)t->dtype, t->device);
    if (r && rl_copy_raw(r, t) < 0) Py_CLEAR(r);
    return r;
}

Scalar rl_item(Tensor *t) {
    Scalar s = {'d', {.d = 0}, 0};
    if (t->device != RL_CPU || !t->data) {
        PyErr_SetString(PyExc_RuntimeError, "Tensor.item() cannot be called on meta tensors");
        return s;
    }
    const char *p = t->data;
    switch (t->dtype) {
        case RL_BOOL: s.kind = 'b'; s.u.i = *(const uint8_t *)p != 0; break;
        case RL_U8: s.kind = 'i'; s.u.i = *(const uint8_t *)p; break;
        case RL_I8: s.kind = 'i'; s.u.i = *(const int8_t *)p; break;
        case RL_I16: s.kind = 'i'; s.u.i = *(const int16_t *)p; break;
        case RL_I32: s.kind = 'i'; s.u.i = *(const int32_t *)p; break;
        case RL_I64: case RL_U64: s.kind = 'i'; s.u.i = *(const int64_t *)p; break;
        case RL_U16: s.kind = 'i'; s.u.i = *(const uint16_t *)p; break;
        case RL_U32: s.kind = 'i'; s.u.i = *(const uint32_t *)p; break;
        case RL_F16: s.u.d = rl_f16_to_f32(*(const uint16_t *)p); break;
        case RL_BF16: s.u.d = rl_bf16_to_f32(*(const uint16_t *)p); break;
        case RL_F32: s.u.d = *(const float *)p; break;
        case RL_F64: s.u.d = *(const double *)p; break;
        case RL_C64: s.kind = 'c'; s.u.d = ((const float *)p)[0]; s.im = ((const float *)p)[1]; break;
        case RL_C128: s.kind = 'c'; s.u.d = ((const double *)p)[0]; s.im = ((const double *)p)[1]; break;
        default: rl_not_implemented("item", (RLDType)t->dtype);
    }
    return s;
}

Tensor *rl_full_scalar(int ndim, const int64_t *size, Scalar v, RLDType dt, int device) {
    Tensor *t = rl_empty(ndim, size, dt, device);
    if (!t || t->numel == 0 || device != RL_CPU) return t;
    bool zero = v.kind == 'd' ? v.u.d == 0 && !signbit(v.u.d) : v.kind == 'c' ? v.u.d == 0 && v.im == 0 : v.u.i == 0;
    if (zero) { rl_zero(t); return t; }
    Tensor *s = rl_wrap_scalar(v);
    if (!s || rl_copy_raw(t, s) < 0) Py_CLEAR(t);
    Py_XDECREF(s);
    return t;
}
