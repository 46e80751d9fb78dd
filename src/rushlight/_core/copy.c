/* copy.c -- copies between any two dtypes and layouts. */
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

/* Dtypes without arithmetic (float8, complex32) are copied as bytes. */
static void copy_bytes(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *size) {
    int64_t width = *(const int64_t *)size;
    for (int64_t j = 0; j < n1; j++)
        for (int64_t i = 0; i < n0; i++) memcpy(p[0] + j * s[2] + i * s[0], p[1] + j * s[3] + i * s[1], (size_t)width);
}

#define GRAIN 8192 /* elements: a microsecond of copying */
#define SHARED_FROM (1 << 19) /* bytes: below, one thread is as fast */

typedef struct { char *to; const char *from; } Bytes;

static void copy_range(void *ctx, int64_t begin, int64_t end) {
    const Bytes *b = ctx;
    memcpy(b->to + begin, b->from + begin, (size_t)(end - begin));
}

static void zero_range(void *ctx, int64_t begin, int64_t end) { memset((char *)ctx + begin, 0, (size_t)(end - begin)); }

void rl_zero(Tensor *t) {
    const int64_t bytes = t->numel * RL_ITEMSIZE(t->dtype);
    if (bytes < SHARED_FROM) memset(t->data, 0, (size_t)bytes);
    else rl_parallel_for(bytes, 1 << 15, zero_range, t->data);
}

static void copy_same(Tensor *dst, Tensor *src, int64_t width) {
    const int64_t n = dst->numel * width;
    Bytes b = {dst->data, src->data};
    if (n < SHARED_FROM || dst->storage == src->storage) memmove(b.to, b.from, (size_t)n); /* they may overlap */
    else rl_parallel_for(n, 1 << 15, copy_range, &b);
}

int rl_copy_raw(Tensor *dst, Tensor *src) {
    RLKernel kernel = rl_copy_kernel((RLDType)dst->dtype, (RLDType)src->dtype);
    int64_t width = RL_ITEMSIZE(dst->dtype);
    if (!kernel) {
        if (dst->dtype != src->dtype) {
            PyErr_Format(PyExc_NotImplementedError, "conversion from %s to %s is not implemented",
                         rl_dtypes[src->dtype].name, rl_dtypes[dst->dtype].name);
            return -1;
        }
        kernel = copy_bytes;
    }
    if (dst->device != RL_CPU) return 0;
    if (src->device != RL_CPU) {
        PyErr_SetString(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!");
        return -1;
    }
    if (dst->numel == 0) return 0;
    if (RL_IS_CONTIGUOUS(dst) && RL_IS_CONTIGUOUS(src) && dst->numel == src->numel) {
        if (dst->dtype == src->dtype) { copy_same(dst, src, width); return 0; }
        char *p[2] = {dst->data, src->data};
        rl_walk_dense(kernel, 2, p, (int64_t[]){width, RL_ITEMSIZE(src->dtype)}, dst->numel, &width, GRAIN);
        return 0;
    }
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
