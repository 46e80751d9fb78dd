/* factory.c -- tensors made from a rule: constants, ranges, identity matrices, triangle indices. */
#include "copy.h"
#include "create.h"
#include "factory.h"
#include "isa.h"
#include "rl_ops.h"
#include "types.h"
#include <complex.h>
#include <math.h>

static const Scalar zero = {'i', {.i = 0}, 0};

static int check_sizes(Ints size) {
    for (int i = 0; i < size.n; i++) {
        if (RL_LIKELY(size.v[i] >= 0)) continue;
        PyObject *all = rl_size_object(size.n, size.v), *list = all ? PySequence_List(all) : NULL;
        if (list) PyErr_Format(PyExc_RuntimeError, "Trying to create tensor with negative dimension %lld: %R", (long long)size.v[i], list);
        Py_XDECREF(all);
        Py_XDECREF(list);
        return -1;
    }
    return 0;
}

/* Where the result goes: a fresh tensor, or `out` brought to the right size (its dtype must then agree). */
static Tensor *target(Tensor *out, Ints size, RLDType given, RLDType otherwise, int device) {
    RLDType dt = given != RL_NODTYPE ? given : otherwise;
    if (!out) return check_sizes(size) < 0 ? NULL : rl_empty(size.n, size.v, dt, device < 0 ? rl_default_device : device);
    if (given != RL_NODTYPE && given != out->dtype) {
        PyErr_Format(PyExc_RuntimeError, "dtype %s does not match dtype of out parameter (%s)", rl_dtypes[given].legacy, rl_dtypes[out->dtype].legacy);
        return NULL;
    }
    if (RL_REQUIRES_GRAD(out) && rl_grad_mode) {
        PyErr_SetString(PyExc_RuntimeError, "out=... arguments don't support automatic differentiation, but one of the arguments requires grad.");
        return NULL;
    }
    for (int i = 0; i < size.n; i++)
        if (size.v[i] < 0) { PyErr_Format(PyExc_RuntimeError, "Trying to resize a tensor to the negative size %lld", (long long)size.v[i]); return NULL; }
    if (rl_resize_for_out(out, size.n, size.v) < 0) return NULL;
    rl_bump(out);
    return (Tensor *)Py_NewRef((PyObject *)out);
}

static Tensor *fill_with(Tensor *t, Scalar v) {              /* takes over t */
    if (!t || t->numel == 0 || t->device != RL_CPU) return t;
    bool zeros = (v.kind == 'i' || v.kind == 'b') && v.u.i == 0;
    if (zeros && RL_IS_CONTIGUOUS(t)) {
        rl_zero(t);
        return t;
    }
    Tensor *s = rl_wrap_scalar(v);
    if (!s || rl_copy_raw(t, s) < 0) Py_CLEAR(t);
    Py_XDECREF(s);
    return t;
}

/* ---------------------------------------------------------------- constants */

#define UNUSED (void)layout, (void)pin_memory

Tensor *rl_empty_size(Ints size, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad, int memory_format) {
    UNUSED;
    Tensor *t = target(out, size, dtype, rl_default_dtype, device);
    if (t && memory_format > RL_PRESERVE_FORMAT && !out) {
        Tensor *r = rl_contiguous(t, memory_format);
        Py_SETREF(t, r);
    }
    return rl_with_grad(t, requires_grad);
}
Tensor *rl_zeros_size(Ints size, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    for (int i = 0; i < size.n; i++)
        if (size.v[i] < 0) { PyErr_SetString(PyExc_RuntimeError, "zeros: Dimension size must be non-negative."); return NULL; }
    return rl_with_grad(fill_with(target(out, size, dtype, rl_default_dtype, device), zero), requires_grad);
}
Tensor *rl_ones_size(Ints size, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    return rl_with_grad(fill_with(target(out, size, dtype, rl_default_dtype, device), RL_ONE), requires_grad);
}

/* A value that dt cannot hold is an error, except that negative numbers wrap in unsigned dtypes. */
static int check_fits(Scalar v, RLDType dt) {
    static const double max[] = {[RL_U8] = UINT8_MAX, [RL_I8] = INT8_MAX, [RL_I16] = INT16_MAX, [RL_I32] = INT32_MAX, [RL_I64] = 0x1p63,
                                 [RL_U16] = UINT16_MAX, [RL_U32] = UINT32_MAX, [RL_U64] = 0x1p64};
    static const char *const c_name[] = {[RL_U8] = "uint8_t", [RL_I8] = "int8_t", [RL_I16] = "int16_t", [RL_I32] = "int", [RL_I64] = "int64_t",
                                         [RL_U16] = "uint16_t", [RL_U32] = "uint32_t", [RL_U64] = "uint64_t"};
    if (!rl_dtypes[dt].is_integral || v.kind == 'b') return 0;
    double d = rl_scalar_double(v), min = rl_dtypes[dt].is_signed ? -max[dt] - (dt != RL_I64) : -max[dt];
    if (d >= min && d <= max[dt] && (v.kind != 'c' || v.im == 0)) return 0;
    PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", c_name[dt]);
    return -1;
}

static RLDType dtype_of(Scalar v) {
    return v.kind == 'b' ? RL_BOOL : v.kind == 'i' ? RL_I64 : v.kind == 'c' ? rl_default_complex() : rl_default_dtype;
}

Tensor *rl_full_size(Ints size, Scalar fill_value, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    RLDType dt = dtype != RL_NODTYPE ? dtype : out ? (RLDType)out->dtype : dtype_of(fill_value);
    if (check_fits(fill_value, dt) < 0) return NULL;
    return rl_with_grad(fill_with(target(out, size, dtype, dt, device), fill_value), requires_grad);
}

Tensor *impl_empty_strided_size(Ints size, Ints stride, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    if (size.n != stride.n) {
        PyErr_Format(PyExc_RuntimeError, "dimensionality of sizes (%d) must match dimensionality of strides (%d)", size.n, stride.n);
        return NULL;
    }
    if (check_sizes(size) < 0) return NULL;
    return rl_with_grad(rl_empty_strided(size.n, size.v, stride.v, dtype == RL_NODTYPE ? rl_default_dtype : dtype,
                                         device < 0 ? rl_default_device : device), requires_grad);
}

/* ---------------------------------------------------------------- like another tensor */

static Tensor *like(Tensor *input, RLDType dtype, int device, int memory_format) {
    RLDType dt = dtype == RL_NODTYPE ? (RLDType)input->dtype : dtype;
    if (device < 0) device = input->device;
    if (memory_format == RL_CONTIGUOUS_FORMAT) return rl_empty(input->ndim, input->size, dt, device);
    Tensor *t = rl_empty_like(input, dt);
    if (t && memory_format > RL_PRESERVE_FORMAT) {
        Tensor *r = rl_contiguous(t, memory_format);
        Py_SETREF(t, r);
    }
    if (t && device != t->device) {
        Tensor *r = rl_empty_strided(t->ndim, t->size, t->stride, dt, device);
        Py_SETREF(t, r);
    }
    return t;
}

#define LIKE_ARGS RLDType dtype, int layout, int device, int pin_memory, bool requires_grad, int memory_format
Tensor *impl_empty_like_tensor(Tensor *input, LIKE_ARGS) { UNUSED; return rl_with_grad(like(input, dtype, device, memory_format), requires_grad); }
Tensor *impl_zeros_like(Tensor *input, LIKE_ARGS) { UNUSED; return rl_with_grad(fill_with(like(input, dtype, device, memory_format), zero), requires_grad); }
Tensor *impl_ones_like(Tensor *input, LIKE_ARGS) { UNUSED; return rl_with_grad(fill_with(like(input, dtype, device, memory_format), RL_ONE), requires_grad); }
Tensor *impl_full_like(Tensor *input, Scalar fill_value, LIKE_ARGS) {
    UNUSED;
    if (check_fits(fill_value, dtype == RL_NODTYPE ? (RLDType)input->dtype : dtype) < 0) return NULL;
    return rl_with_grad(fill_with(like(input, dtype, device, memory_format), fill_value), requires_grad);
}

#define NEW_ARGS RLDType dtype, int layout, int device, int pin_memory, bool requires_grad
#define NEW_TARGET target(NULL, size, dtype, (RLDType)input->dtype, device < 0 ? input->device : device)
Tensor *impl_new_empty(Tensor *input, Ints size, NEW_ARGS) { UNUSED; return rl_with_grad(NEW_TARGET, requires_grad); }
Tensor *impl_new_zeros(Tensor *input, Ints size, NEW_ARGS) { UNUSED; return rl_with_grad(fill_with(NEW_TARGET, zero), requires_grad); }
Tensor *impl_new_ones(Tensor *input, Ints size, NEW_ARGS) { UNUSED; return rl_with_grad(fill_with(NEW_TARGET, RL_ONE), requires_grad); }
Tensor *impl_new_full(Tensor *input, Ints size, Scalar fill_value, NEW_ARGS) {
    UNUSED;
    if (check_fits(fill_value, dtype == RL_NODTYPE ? (RLDType)input->dtype : dtype) < 0) return NULL;
    return rl_with_grad(fill_with(NEW_TARGET, fill_value), requires_grad);
}
Tensor *impl_new_empty_strided(Tensor *input, Ints size, Ints stride, NEW_ARGS) {
    return impl_empty_strided_size(size, stride, dtype == RL_NODTYPE ? (RLDType)input->dtype : dtype, layout,
                                   device < 0 ? input->device : device, pin_memory, requires_grad);
}

/* ---------------------------------------------------------------- ranges */

/* Element i of t is EXPR. */
#define EACH(t, T, EXPR) \
    { T *p_ = (T *)(t)->data; for (int64_t i = 0; i < (t)->numel; i++) p_[i] = (T)(EXPR); break; }

/* Writes through a contiguous stand-in where `t` (an out=) has gaps. */
static Tensor *written(Tensor *t, int (*write)(Tensor *, const void *), const void *ctx) {
    if (!t || t->numel == 0 || t->device != RL_CPU) return t;
    Tensor *dense = RL_IS_CONTIGUOUS(t) ? (Tensor *)Py_NewRef((PyObject *)t) : rl_empty(t->ndim, t->size, (RLDType)t->dtype, RL_CPU);
    int r = dense ? write(dense, ctx) : -1;
    if (r == 0 && dense != t) r = rl_copy_raw(t, dense);
    Py_XDECREF(dense);
    if (r < 0) Py_CLEAR(t);
    return t;
}

typedef struct { double start, step; int64_t istart, istep; } Arange;

/* PyTorch computes W values at once from the first of them (which it rounds to the dtype), two such vectors at a
 * time, and what is left one by one; so do we, for the sake of the same last bits (float32 and float64: factory_kernel.c). */
#define VECTORS(t, T, W, ACC, FMA, LD, ST)                                                             \
    {                                                                                                  \
        T *p = (T *)(t)->data;                                                                         \
        const int64_t n = (t)->numel, in_vectors = n / (2 * W) * (2 * W);                              \
        const ACC start = (ACC)a->start, step = (ACC)a->step;                                          \
        for (int64_t i = 0; i < n; i++) {                                                              \
            int64_t first = i < in_vectors ? i / W * W : i;                                            \
            T base = ST(FMA(step, (ACC)first, start));                                                 \
            p[i] = ST(FMA((ACC)(i - first), step, (ACC)LD(base)));                                     \
        }                                                                                              \
        break;                                                                                         \
    }

#define GRAIN 16384 /* elements: some microseconds of writing; a multiple of what is computed at once */

typedef struct { const RLFactory *f; RLRange range; RLDType dtype; bool linear; } Rule;

static void by_rule(void *ctx, int64_t begin, int64_t end) {
    const Rule *r = ctx;
    const RLFactory *f = r->f;
    if (r->linear) (r->dtype == RL_F32 ? f->linspace_f32 : f->linspace_f64)(&r->range, begin, end);
    else (r->dtype == RL_F32 ? f->arange_f32 : r->dtype == RL_F64 ? f->arange_f64 : f->arange_i64)(&r->range, begin, end);
}

static int write_by_rule(Tensor *t, RLRange range, bool linear) {
#define FACTORY(ISA) {rl_arange_f32_##ISA, rl_arange_f64_##ISA, rl_arange_i64_##ISA, rl_linspace_f32_##ISA, rl_linspace_f64_##ISA}
    static const RLFactory base = FACTORY(base);
    Rule r = {&base, range, (RLDType)t->dtype, linear};
#if defined(__x86_64__) || defined(_M_X64)
    static const RLFactory avx2 = FACTORY(avx2), avx512 = FACTORY(avx512);
    if (rl_isa_best() == RL_ISA_AVX512) r.f = &avx512;
    else if (rl_isa_best() == RL_ISA_AVX2) r.f = &avx2;
#endif
    r.range.to = t->data;
    r.range.n = t->numel;
    if (t->numel < RL_SHARE_FROM * GRAIN) by_rule(&r, 0, t->numel);
    else rl_parallel_for(t->numel, GRAIN, by_rule, &r);
    return 0;
#undef FACTORY
}

#define SAME(v) (v)

static int write_arange(Tensor *t, const void *ctx) {
    const Arange *a = ctx;
    switch (t->dtype) {
        case RL_F32: case RL_F64: case RL_I64:
            return write_by_rule(t, (RLRange){.start = a->start, .step = a->step, .istart = a->istart, .istep = a->istep}, false);
        case RL_F16: VECTORS(t, uint16_t, 16, float, fmaf, rl_f16_to_f32, rl_f32_to_f16)
        case RL_BF16: VECTORS(t, uint16_t, 16, float, fmaf, rl_bf16_to_f32, rl_f32_to_bf16)
        case RL_I32: EACH(t, int32_t, a->istart + a->istep * i)
        case RL_I16: EACH(t, int16_t, a->istart + a->istep * i)
        case RL_I8: EACH(t, int8_t, a->istart + a->istep * i)
        case RL_U8: EACH(t, uint8_t, a->istart + a->istep * i)
        default: return rl_not_implemented("arange_cpu", (RLDType)t->dtype);
    }
    return 0;
}

static int check_range(double start, double end, double step) {
    if (step == 0) PyErr_SetString(PyExc_RuntimeError, "step must be nonzero");
    else if (!isfinite(start) || !isfinite(end)) {
        char sa[32], sb[32];
        snprintf(sa, sizeof sa, "%g", start);
        snprintf(sb, sizeof sb, "%g", end);
        PyErr_Format(PyExc_RuntimeError, "unsupported range: %s -> %s", sa, sb);
    } else if ((step > 0 && end < start) || (step < 0 && end > start)) {
        PyErr_SetString(PyExc_RuntimeError, "upper bound and lower bound inconsistent with step sign");
    } else {
        return 0;
    }
    return -1;
}

static bool whole(Scalar v) { return v.kind == 'i' || v.kind == 'b'; }

static int real_number(Scalar v) {
    if (v.kind != 'c' || v.im == 0) return 0;
    PyErr_SetString(PyExc_RuntimeError, "value cannot be converted to type double without overflow");
    return -1;
}

Tensor *rl_arange_start_step(Scalar start, Scalar end, Scalar step, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    if (real_number(start) < 0 || real_number(end) < 0 || real_number(step) < 0) return NULL;
    Arange a = {rl_scalar_double(start), rl_scalar_double(step), rl_scalar_int(start), rl_scalar_int(step)};
    double last = rl_scalar_double(end), count;
    if (check_range(a.start, last, a.step) < 0) return NULL;
    bool all_whole = whole(start) && whole(end) && whole(step);
    RLDType dt = dtype != RL_NODTYPE ? dtype : out ? (RLDType)out->dtype : all_whole ? RL_I64 : rl_default_dtype;
    if (dt == RL_I64) {                                      /* in integers: doubles would lose steps beyond 2^53 */
        if (a.istep == 0) { PyErr_SetString(PyExc_ValueError, "step must be nonzero"); return NULL; }
        int64_t sign = a.istep > 0 ? 1 : -1, iend = rl_scalar_int(end);
        count = (double)((iend - a.istart + a.istep - sign) / a.istep);
    } else {
        count = ceil((last - a.start) / a.step);
    }
    if (!(count >= 0 && count < 0x1p63)) { PyErr_SetString(PyExc_RuntimeError, "invalid size, possible overflow?"); return NULL; }
    int64_t n = (int64_t)count;
    return rl_with_grad(written(target(out, (Ints){&n, 1}, dtype, dt, device), write_arange, &a), requires_grad);
}
Tensor *rl_arange_start(Scalar start, Scalar end, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    return rl_arange_start_step(start, end, RL_ONE, out, dtype, layout, device, pin_memory, requires_grad);
}
Tensor *rl_arange(Scalar end, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    return rl_arange_start_step(zero, end, RL_ONE, out, dtype, layout, device, pin_memory, requires_grad);
}

Tensor *rl_range(Scalar start, Scalar end, Scalar step, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    if (PyErr_WarnEx(PyExc_UserWarning, "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent "
                     "with Python's range builtin. Instead, use torch.arange, which produces values in [start, end).", 1) < 0) return NULL;
    Arange a = {rl_scalar_double(start), rl_scalar_double(step), rl_scalar_int(start), rl_scalar_int(step)};
    double last = rl_scalar_double(end);
    if (check_range(a.start, last, a.step) < 0) return NULL;
    int64_t n = (int64_t)((last - a.start) / a.step + 1);
    return rl_with_grad(written(target(out, (Ints){&n, 1}, dtype, rl_default_dtype, device), write_arange, &a), requires_grad);
}

typedef struct { Scalar start, end; double base; int64_t steps; bool log; } Linspace;

/* From both ends towards the middle, so that the last value is exactly `end` and the values are symmetric. */
#define TOWARDS(T, S, START, END, POWER, FMA, ST)                                                           \
    {                                                                                                       \
        const S lo = START, hi = END, step = n > 1 ? (hi - lo) / (S)(n - 1) : 0;                            \
        T *p = (T *)t->data;                                                                                \
        for (int64_t i = 0; i < n; i++) {                                                                   \
            S v = i < n / 2 || n == 1 ? FMA(step, (S)i, lo) : FMA(-step, (S)(n - i - 1), hi);               \
            p[i] = ST(l->log ? POWER((S)l->base, v) : v);                                                   \
        }                                                                                                   \
        break;                                                                                              \
    }
#define REAL(T, S, POWER, FMA, ST) TOWARDS(T, S, (S)rl_scalar_double(l->start), (S)rl_scalar_double(l->end), POWER, FMA, ST)
/* both ends lose their fractions first */
#define WHOLE(T) TOWARDS(T, double, (double)(T)rl_scalar_int(l->start), (double)(T)rl_scalar_int(l->end), pow, fma, (T))
#define COMPLEX(T, MAKE, POWER) TOWARDS(T, T, MAKE(rl_scalar_double(l->start), l->start.im), MAKE(rl_scalar_double(l->end), l->end.im), POWER, \
                                       PLUS, SAME)
#define PLUS(a, b, c) ((a) * (b) + (c))

static int write_linspace(Tensor *t, const void *ctx) {
    const Linspace *l = ctx;
    const int64_t n = l->steps;
    if (!l->log && (t->dtype == RL_F32 || t->dtype == RL_F64))
        return write_by_rule(t, (RLRange){.start = rl_scalar_double(l->start), .end = rl_scalar_double(l->end)}, true);
    switch (t->dtype) {
        case RL_F32: REAL(float, float, powf, fmaf, SAME)
        case RL_F64: REAL(double, double, pow, fma, SAME)
        case RL_F16: REAL(uint16_t, float, powf, fmaf, rl_f32_to_f16)
        case RL_BF16: REAL(uint16_t, float, powf, fmaf, rl_f32_to_bf16)
        case RL_U8: WHOLE(uint8_t)
        case RL_I8: WHOLE(int8_t)
        case RL_I16: WHOLE(int16_t)
        case RL_I32: WHOLE(int32_t)
        case RL_I64: WHOLE(int64_t)
        case RL_C64: COMPLEX(float complex, rl_c64, cpowf)
        case RL_C128: COMPLEX(double complex, rl_c128, cpow)
        default: return rl_not_implemented(l->log ? "logspace_cpu" : "linspace_cpu", (RLDType)t->dtype);
    }
    return 0;
}

static Tensor *spaced(Linspace l, Tensor *out, RLDType dtype, int device, bool requires_grad) {
    if (l.steps < 0) { PyErr_SetString(PyExc_RuntimeError, "number of steps must be non-negative"); return NULL; }
    const bool complex_ends = l.start.kind == 'c' || l.end.kind == 'c';
    if (complex_ends && dtype != RL_NODTYPE && !RL_IS_COMPLEX(dtype)) {
        PyErr_Format(PyExc_RuntimeError, "torch.%s(): inferred dtype c10::complex<%s> can't be safely cast to passed dtype %s",
                     l.log ? "logspace" : "linspace", rl_default_dtype == RL_F64 ? "double" : "float", rl_dtypes[dtype].legacy);
        return NULL;
    }
    if (complex_ends && out && !RL_IS_COMPLEX(out->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "value cannot be converted to type float without overflow");
        return NULL;
    }
    const RLDType otherwise = complex_ends ? rl_default_complex() : rl_default_dtype;
    return rl_with_grad(written(target(out, (Ints){&l.steps, 1}, dtype, otherwise, device), write_linspace, &l), requires_grad);
}
Tensor *rl_linspace(Scalar start, Scalar end, int64_t steps, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    return spaced((Linspace){start, end, 0, steps, false}, out, dtype, device, requires_grad);
}
Tensor *rl_logspace(Scalar start, Scalar end, int64_t steps, double base, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    return spaced((Linspace){start, end, base, steps, true}, out, dtype, device, requires_grad);
}

/* Ends that are tensors and no numbers, those of one element having passed for numbers: what is wrong with them. */
static Tensor *not_points(const char *name, Tensor *start, Tensor *end) {
    PyErr_Format(PyExc_RuntimeError, "%s only supports 0-dimensional start and end tensors, but got start with %d dimension(s) and end with "
                 "%d dimension(s).", name, start->ndim, end->ndim);
    return NULL;
}
Tensor *rl_linspace_tensors(Tensor *start, Tensor *end, int64_t steps, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    if (start->ndim || end->ndim) return not_points("linspace", start, end);
    return rl_linspace(rl_item(start), rl_item(end), steps, out, dtype, layout, device, pin_memory, requires_grad);
}
Tensor *rl_logspace_tensors(Tensor *start, Tensor *end, int64_t steps, double base, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    if (start->ndim || end->ndim) return not_points("logspace", start, end);
    return rl_logspace(rl_item(start), rl_item(end), steps, base, out, dtype, layout, device, pin_memory, requires_grad);
}

/* ---------------------------------------------------------------- matrices */

Tensor *rl_eye_m(int64_t n, int64_t m, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    UNUSED;
    if (n < 0 || m < 0) {
        PyErr_Format(PyExc_RuntimeError, "%c must be greater or equal to 0, got %lld", n < 0 ? 'n' : 'm', (long long)(n < 0 ? n : m));
        return NULL;
    }
    int64_t size[2] = {n, m};
    Tensor *t = fill_with(target(out, (Ints){size, 2}, dtype, rl_default_dtype, device), zero);
    if (!t || t->numel == 0 || t->device != RL_CPU) return rl_with_grad(t, requires_grad);
    int64_t length = n < m ? n : m, stride = t->stride[0] + t->stride[1];
    Tensor *diagonal = rl_alias(t, 1, &length, &stride, t->data);
    if (!diagonal) Py_CLEAR(t);
    Py_XDECREF((PyObject *)fill_with(diagonal, RL_ONE));
    return rl_with_grad(t, requires_grad);
}
Tensor *rl_eye(int64_t n, Tensor *out, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    return rl_eye_m(n, n, out, dtype, layout, device, pin_memory, requires_grad);
}

/* (row, column) of each element with column - row <= offset (lower) or >= offset (upper), row by row. */
static Tensor *triangle(int64_t row, int64_t col, int64_t offset, bool lower, RLDType dtype, int device) {
    if (row < 0 || col < 0) {
        PyErr_Format(PyExc_RuntimeError, "%s must be non-negative, got%lld", row < 0 ? "row" : "col", (long long)(row < 0 ? row : col));
        return NULL;
    }
    if (dtype == RL_NODTYPE) dtype = RL_I64;
    if (dtype != RL_I64 && dtype != RL_I32) { rl_not_implemented(lower ? "tril_indices" : "triu_indices", dtype); return NULL; }
    int64_t n = 0, size[2] = {2, 0};
    for (int64_t r = 0; r < row; r++) {
        int64_t edge = lower ? r + offset + 1 : col - r - offset; /* elements of this row */
        n += edge < 0 ? 0 : edge > col ? col : edge;
    }
    size[1] = n;
    Tensor *t = rl_empty(2, size, dtype, device < 0 ? rl_default_device : device);
    if (!t || t->device != RL_CPU) return t;
    int64_t k = 0;
    for (int64_t r = 0; r < row; r++) {
        int64_t from = lower ? 0 : r + offset, to = lower ? r + offset + 1 : col;
        for (int64_t c = from < 0 ? 0 : from; c < to && c < col; c++, k++) {
            if (dtype == RL_I64) { ((int64_t *)t->data)[k] = r; ((int64_t *)t->data)[n + k] = c; }
            else { ((int32_t *)t->data)[k] = (int32_t)r; ((int32_t *)t->data)[n + k] = (int32_t)c; }
        }
    }
    return t;
}
Tensor *impl_tril_indices(int64_t row, int64_t col, int64_t offset, RLDType dtype, int layout, int device, int pin_memory) {
    UNUSED;
    return triangle(row, col, offset, true, dtype, device);
}
Tensor *impl_triu_indices(int64_t row, int64_t col, int64_t offset, RLDType dtype, int layout, int device, int pin_memory) {
    UNUSED;
    return triangle(row, col, offset, false, dtype, device);
}

/* ---------------------------------------------------------------- complex numbers from two parts */

static int check_parts(Tensor *a, Tensor *b) {
    if (!RL_IS_FLOAT(a->dtype) || !RL_IS_FLOAT(b->dtype))
        PyErr_Format(PyExc_RuntimeError, "Expected both inputs to be Half, Float or Double tensors but got %s and %s",
                     rl_dtypes[a->dtype].legacy, rl_dtypes[b->dtype].legacy);
    else if (a->dtype != b->dtype)
        PyErr_Format(PyExc_RuntimeError, "Expected object of scalar type %s but got scalar type %s for second argument",
                     rl_dtypes[a->dtype].legacy, rl_dtypes[b->dtype].legacy);
    else if (a->dtype != RL_F32 && a->dtype != RL_F64) return rl_not_implemented("complex_cpu", (RLDType)a->dtype);
    else return 0;
    return -1;
}

/* The result as a real tensor with a last dimension of two: part k of it. */
static Tensor *part(Tensor *z, int k) {
    int64_t stride[RL_MAXDIM];
    for (int i = 0; i < z->ndim; i++) stride[i] = z->stride[i] * 2;
    RLDType real = rl_to_real((RLDType)z->dtype);
    return rl_from_storage(z->storage, z->data - z->storage->data + k * RL_ITEMSIZE(real), z->ndim, z->size, stride, real);
}

Tensor *impl_complex(Tensor *real, Tensor *imag) {
    int64_t size[RL_MAXDIM];
    int ndim;
    if (check_parts(real, imag) < 0 || (ndim = rl_broadcast_shapes(2, (Tensor *[]){real, imag}, size)) < 0) return NULL;
    Tensor *z = rl_empty(ndim, size, rl_to_complex((RLDType)real->dtype), real->device);
    if (!z || z->device != RL_CPU || z->numel == 0) return z;
    if (RL_IS_CONTIGUOUS(real) && RL_IS_CONTIGUOUS(imag) && real->numel == z->numel && imag->numel == z->numel) {
        rl_zip_all(z->data, real->data, imag->data, z->numel, RL_ITEMSIZE(real->dtype));
        return z;
    }
    Tensor *re = part(z, 0), *im = part(z, 1);
    if (!re || !im || rl_copy_raw(re, real) < 0 || rl_copy_raw(im, imag) < 0) Py_CLEAR(z);
    Py_XDECREF(re);
    Py_XDECREF(im);
    return z;
}

Tensor *impl_polar(Tensor *abs, Tensor *angle) {
    if (check_parts(abs, angle) < 0) return NULL;
    Tensor *c = rl_cos(angle), *s = c ? rl_sin(angle) : NULL, *re = s ? rl_mul(abs, c) : NULL, *im = re ? rl_mul(abs, s) : NULL;
    Tensor *z = im ? impl_complex(re, im) : NULL;
    Py_XDECREF(c);
    Py_XDECREF(s);
    Py_XDECREF(re);
    Py_XDECREF(im);
    return z;
}
