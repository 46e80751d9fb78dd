/* copy.c -- copies between any two dtypes and layouts. */
#include "rl.h"
#include "types.h"

/* Loops over plain memory: at the level at which the rest is compiled, GCC leaves them scalar. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("O3")
#endif

/* Floats become integers through int64, so that negative values wrap as they do in PyTorch. */
#define TO_int(T, v) ((T)(int64_t)(v))
#define TO_num(T, v) ((T)(v))
#define TO_bool(T, v) ((T)((v) != 0))
#define TO_f16(T, v) rl_f32_to_f16((float)(v))
#define TO_bf16(T, v) rl_f32_to_bf16((float)(v))

#define COPY(D, S, TD, TS, CONV)                                                                  \
    static void copy_##D##_##S(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *q) { \
        (void)q;                                                                                  \
        for (int64_t j = 0; j < n1; j++) {                                                        \
            char *o = p[0] + j * s[2];                                                            \
            const char *x = p[1] + j * s[3];                                                      \
            TD *restrict od = (TD *)o;                                                            \
            const TS *restrict xs = (const TS *)x;                                                \
            if (s[0] == (int64_t)sizeof(TD) && s[1] == (int64_t)sizeof(TS)) {                     \
                for (int64_t i = 0; i < n0; i++) { const TS v = xs[i]; od[i] = CONV; }            \
            } else if (s[0] == (int64_t)sizeof(TD) && s[1] == 0) {                                \
                const TS v = *xs;                                                                 \
                const TD number = CONV;                                                           \
                for (int64_t i = 0; i < n0; i++) od[i] = number;                                  \
            } else {                                                                              \
                for (int64_t i = 0; i < n0; i++, o += s[0], x += s[1]) {                          \
                    const TS v = *(const TS *)x;                                                  \
                    *(TD *)o = CONV;                                                              \
                }                                                                                 \
            }                                                                                     \
        }                                                                                         \
    }

/* One line a source dtype: how its values are read as a number (L) and as a real number (R). */
#define FROM_EACH(D, TD, TO, TOF)                         \
    COPY(D, BOOL, TD, uint8_t, TO(TD, (v != 0)))          \
    COPY(D, U8, TD, uint8_t, TO(TD, v))                   \
    COPY(D, I8, TD, int8_t, TO(TD, v))                    \
    COPY(D, I16, TD, int16_t, TO(TD, v))                  \
    COPY(D, I32, TD, int32_t, TO(TD, v))                  \
    COPY(D, I64, TD, int64_t, TO(TD, v))                  \
    COPY(D, U16, TD, uint16_t, TO(TD, v))                 \
    COPY(D, U32, TD, uint32_t, TO(TD, v))                 \
    COPY(D, U64, TD, uint64_t, TO(TD, v))                 \
    COPY(D, F16, TD, uint16_t, TOF(TD, rl_f16_to_f32(v))) \
    COPY(D, BF16, TD, uint16_t, TOF(TD, rl_bf16_to_f32(v))) \
    COPY(D, F32, TD, float, TOF(TD, v))                   \
    COPY(D, F64, TD, double, TOF(TD, v))

#define TO_REAL(D, TD, TO, TOF)                  \
    FROM_EACH(D, TD, TO, TOF)                    \
    COPY(D, C64, TD, c64, TOF(TD, RE(v)))        \
    COPY(D, C128, TD, c128, TOF(TD, RE(v)))

#define TO_c64(T, v) rl_c64((float)(v), 0)
#define TO_c128(T, v) rl_c128((double)(v), 0)

static inline uint8_t any_c64(c64 v) { return RE(v) != 0 || IM(v) != 0; }
static inline uint8_t any_c128(c128 v) { return RE(v) != 0 || IM(v) != 0; }
FROM_EACH(BOOL, uint8_t, TO_bool, TO_bool)
COPY(BOOL, C64, uint8_t, c64, any_c64(v))
COPY(BOOL, C128, uint8_t, c128, any_c128(v))
TO_REAL(U8, uint8_t, TO_num, TO_int)
TO_REAL(I8, int8_t, TO_num, TO_int)
TO_REAL(I16, int16_t, TO_num, TO_int)
TO_REAL(I32, int32_t, TO_num, TO_num)
TO_REAL(I64, int64_t, TO_num, TO_num)
TO_REAL(U16, uint16_t, TO_num, TO_int)
TO_REAL(U32, uint32_t, TO_num, TO_int)
TO_REAL(U64, uint64_t, TO_num, TO_num)
TO_REAL(F16, uint16_t, TO_f16, TO_f16)
TO_REAL(BF16, uint16_t, TO_bf16, TO_bf16)
TO_REAL(F32, float, TO_num, TO_num)
TO_REAL(F64, double, TO_num, TO_num)
FROM_EACH(C64, c64, TO_c64, TO_c64)
COPY(C64, C64, c64, c64, v)
COPY(C64, C128, c64, c128, rl_c64((float)RE(v), (float)IM(v)))
FROM_EACH(C128, c128, TO_c128, TO_c128)
COPY(C128, C64, c128, c64, rl_c128(RE(v), IM(v)))
COPY(C128, C128, c128, c128, v)

#define ROW(D)                                                                                               \
    [RL_##D] = {[RL_BOOL] = copy_##D##_BOOL, [RL_U8] = copy_##D##_U8, [RL_I8] = copy_##D##_I8,               \
                [RL_I16] = copy_##D##_I16, [RL_I32] = copy_##D##_I32, [RL_I64] = copy_##D##_I64,             \
                [RL_U16] = copy_##D##_U16, [RL_U32] = copy_##D##_U32, [RL_U64] = copy_##D##_U64,             \
                [RL_F16] = copy_##D##_F16, [RL_BF16] = copy_##D##_BF16, [RL_F32] = copy_##D##_F32,           \
                [RL_F64] = copy_##D##_F64, [RL_C64] = copy_##D##_C64, [RL_C128] = copy_##D##_C128}

static const RLKernel kernels[RL_NDTYPES][RL_NDTYPES] = {
    ROW(BOOL), ROW(U8), ROW(I8), ROW(I16), ROW(I32), ROW(I64), ROW(U16), ROW(U32), ROW(U64),
    ROW(F16), ROW(BF16), ROW(F32), ROW(F64), ROW(C64), ROW(C128),
};

/* Dtypes without arithmetic (float8, complex32) are copied as bytes. */
static void copy_bytes(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *size) {
    int64_t width = *(const int64_t *)size;
    for (int64_t j = 0; j < n1; j++)
        for (int64_t i = 0; i < n0; i++) memcpy(p[0] + j * s[2] + i * s[0], p[1] + j * s[3] + i * s[1], (size_t)width);
}

#define GRAIN 8192 /* elements: a microsecond of copying */

typedef struct { char *to; const char *from; } Bytes;

static void copy_range(void *ctx, int64_t begin, int64_t end) {
    const Bytes *b = ctx;
    memcpy(b->to + begin, b->from + begin, (size_t)(end - begin));
}

static void copy_same(Tensor *dst, Tensor *src, int64_t width) {
    const int64_t n = dst->numel * width;
    Bytes b = {dst->data, src->data};
    if (n < 1 << 19 || dst->storage == src->storage) memmove(b.to, b.from, (size_t)n); /* they may overlap */
    else rl_parallel_for(n, 1 << 15, copy_range, &b);
}

int rl_copy_raw(Tensor *dst, Tensor *src) {
    RLKernel kernel = kernels[dst->dtype][src->dtype];
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
    rl_walk(kernel, 2, nd, dst->size, (const int64_t *[]){sd, ss}, (char *[]){dst->data, src->data}, &width, GRAIN);
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
    if (zero) { memset(t->data, 0, (size_t)t->numel * RL_ITEMSIZE(dt)); return t; }
    Tensor *s = rl_wrap_scalar(v);
    if (!s || rl_copy_raw(t, s) < 0) Py_CLEAR(t);
    Py_XDECREF(s);
    return t;
}
