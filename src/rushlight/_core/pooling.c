/* pooling.c -- pooling of tensors: arguments and their errors, then the kernels of pool.h.
 *
 * One-dimensional pooling is two-dimensional pooling of rows of height one (_ops/pool.py), but for a maximum that
 * needs no gradient, which is taken directly.
 */
#include "pool.h"
#include "rl_ops.h"
#include "runtime.h"
#include "sizes_text.h"

static const char *const words[] = {"", "one int", "two ints", "three ints"};

/* ---------------------------------------------------------------- windows: arguments and sizes */

typedef struct { int64_t kernel[3], stride[3], padding[3], dilation[3]; } Windows;

static int spread(Ints v, int nd, int64_t *out, const char *name, const char *text) {
    if (v.n != 1 && v.n != nd) {
        PyErr_Format(PyExc_RuntimeError, "%s: %s %s", name, text, words[nd]);
        return -1;
    }
    for (int i = 0; i < nd; i++) out[i] = v.v[v.n == 1 ? 0 : i];
    return 0;
}

static int read_windows(Windows *w, const char *name, int nd, Ints kernel, Ints stride, Ints padding, Ints dilation) {
    if (spread(kernel, nd, w->kernel, name, "kernel_size must either be a single int, or a tuple of") < 0) return -1;
    if (spread(stride.n > 0 ? stride : kernel, nd, w->stride, name,
               "stride must either be omitted, a single int, or a tuple of") < 0) return -1;
    if (spread(padding, nd, w->padding, name, "padding must either be a single int, or a tuple of") < 0) return -1;
    return spread(dilation, nd, w->dilation, name, "dilation must be either a single int, or a tuple of");
}

/* "kernel size should be greater than zero, but got kH: 0 kW: 0" */
static int positive(int nd, const int64_t *v, const char *what, const char *letter) {
    for (int i = 0; i < nd; i++)
        if (v[i] <= 0) {
            char text[160] = "";
            size_t at = 0;
            for (int k = 0; k < nd; k++)
                at += (size_t)snprintf(text + at, sizeof text - at, " %s%c: %lld", letter, "TDHW"[nd == 3 && k == 0 ? 0 : 4 - nd + k],
                                       (long long)v[k]);
            PyErr_Format(PyExc_RuntimeError, "%s should be greater than zero, but got%s", what, text);
            return -1;
        }
    return 0;
}

static int check_windows(const Windows *w, int nd) {
    for (int i = 0; i < nd; i++) {
        const int64_t reach = w->dilation[i] * (w->kernel[i] - 1) + 1;
        if (w->stride[i] == 0) { PyErr_SetString(PyExc_RuntimeError, "stride should not be zero"); return -1; }
        if (w->padding[i] < 0) {
            PyErr_Format(PyExc_RuntimeError, "pad must be non-negative, but got pad: %lld", (long long)w->padding[i]);
            return -1;
        }
        if (w->dilation[i] > 0 && w->padding[i] > reach / 2) {
            PyErr_Format(PyExc_RuntimeError, "pad should be at most half of effective kernel size, but got pad=%lld, kernel_size=%lld and "
                         "dilation=%lld", (long long)w->padding[i], (long long)w->kernel[i], (long long)w->dilation[i]);
            return -1;
        }
    }
    return positive(nd, w->kernel, "kernel size", "k") < 0 || positive(nd, w->stride, "stride", "d") < 0 ||
           positive(nd, w->dilation, "dilation", "dilation") < 0 ? -1 : 0;
}

static int check_input(Tensor *x, int nd) {
    SizesText text;
    if (x->ndim != nd + 1 && x->ndim != nd + 2) {
        PyErr_Format(PyExc_RuntimeError, "non-empty %dD or %dD (batch mode) tensor expected for input", nd + 1, nd + 2);
        return -1;
    }
    for (int i = x->ndim - nd - 1; i < x->ndim; i++)
        if (x->size[i] == 0) {
            PyErr_Format(PyExc_RuntimeError, "Expected %dD or %dD (batch mode) tensor with optional 0 dim batch size for input, but got:[%s]",
                         nd + 1, nd + 2, rl_shape_text(&text, x));
            return -1;
        }
    return 0;
}

/* The result's sizes: those of x with the pooled dimensions replaced. `out` holds RL_MAXDIM. */
static void result_size(const RLPool *d, Tensor *x, int nd, int64_t *out) {
    memcpy(out, x->size, x->ndim * sizeof *out);
    for (int i = 0; i < nd; i++) out[x->ndim - nd + i] = d->out[3 - nd + i];
}

static void set_planes(RLPool *d, const int64_t *size, int ndim, int nd) {
    d->planes = 1;
    for (int i = 0; i < ndim - nd; i++) d->planes *= size[i];
}

static void set_windows(RLPool *d, const Windows *w, int nd, const int64_t *size, int ndim, bool ceil_mode) {
    *d = (RLPool){0};
    rl_pool_windows(d, nd, size + ndim - nd, w->kernel, w->stride, w->padding, w->dilation, ceil_mode);
    set_planes(d, size, ndim, nd);
}

static int plan_windows(RLPool *d, const char *name, int nd, Tensor *x, Ints kernel, Ints stride, Ints padding, Ints dilation,
                        bool ceil_mode) {
    Windows w;
    if (read_windows(&w, name, nd, kernel, stride, padding, dilation) < 0 || check_windows(&w, nd) < 0 || check_input(x, nd) < 0) return -1;
    set_windows(d, &w, nd, x->size, x->ndim, ceil_mode);
    for (int i = 3 - nd; i < 3; i++)
        if (d->out[i] < 1) {
            int64_t in[4] = {x->size[x->ndim - nd - 1]}, out[4] = {in[0]};
            SizesText a, b;
            memcpy(in + 1, x->size + x->ndim - nd, (size_t)nd * sizeof *in);
            memcpy(out + 1, d->out + 3 - nd, (size_t)nd * sizeof *out);
            PyErr_Format(PyExc_RuntimeError, "Given input size: (%s). Calculated output size: (%s). Output size is too small",
                         rl_sizes_text(&a, (Ints){in, nd + 1}, "x"), rl_sizes_text(&b, (Ints){out, nd + 1}, "x"));
            return -1;
        }
    return 0;
}

/* ---------------------------------------------------------------- kernels */

typedef enum { MAX, MAX_BACK, AVG, AVG_BACK } Kind;
typedef struct {
    const RLPool *d;
    Kind kind;
    RLDType dtype;             /* RL_F32, RL_F64 or RL_I64 */
    char *from, *to;
    int64_t *indices;          /* may be NULL for MAX */
} Job;

#define RUN(T, S)                                                                                                 \
    switch (j->kind) {                                                                                            \
        case MAX: rl_max_pool_##S(&d, (T *)from, (T *)to, indices); break;                                        \
        case MAX_BACK: rl_max_pool_backward_##S(&d, (T *)from, indices, (T *)to); break;                          \
        case AVG: rl_avg_pool_##S(&d, (T *)from, (T *)to); break;                                                 \
        case AVG_BACK: rl_avg_pool_backward_##S(&d, (T *)from, (T *)to); break;                                   \
    }

static void chunk(void *ctx, int64_t begin, int64_t end) {
    const Job *j = ctx;
    RLPool d = *j->d;
    d.planes = end - begin;
    const int64_t in = d.in[0] * d.in[1] * d.in[2], out = d.out[0] * d.out[1] * d.out[2], item = RL_ITEMSIZE(j->dtype);
    const bool back = j->kind == MAX_BACK || j->kind == AVG_BACK;
    char *from = j->from + begin * item * (back ? out : in), *to = j->to + begin * item * (back ? in : out);
    int64_t *indices = j->indices ? j->indices + begin * out : NULL;
    if (j->dtype == RL_F32) RUN(float, f32)
    else if (j->dtype == RL_F64) RUN(double, f64)
    else RUN(int64_t, i64)
}
#undef RUN

#define GRAIN 16384 /* elements read: less is not worth a thread's waking */

static RLDType work_dtype(RLDType dt) {
    if (dt == RL_F16 || dt == RL_BF16) return RL_F32;
    return RL_IS_FLOAT(dt) ? dt : RL_I64;
}

/* Pools `x` into a new tensor of `size`; indices are read or written, and may be NULL for MAX. */
static Tensor *pool(const RLPool *d, Kind kind, Tensor *x, int ndim, const int64_t *size, Tensor *indices) {
    const RLDType dt = (RLDType)x->dtype, work = work_dtype(dt);
    if (x->device != RL_CPU) return rl_empty(ndim, size, dt, x->device);
    Tensor *cast = rl_to_dtype_raw(x, work), *in = cast ? rl_contiguous_raw(cast) : NULL;
    Tensor *out = in ? rl_empty(ndim, size, work, RL_CPU) : NULL, *result = NULL;
    Py_XDECREF(cast);
    if (out) {
        Job job = {d, kind, work, in->data, out->data, indices ? (int64_t *)indices->data : NULL};
        const int64_t plane = d->in[0] * d->in[1] * d->in[2] + d->out[0] * d->out[1] * d->out[2];
        if (d->planes) rl_parallel_for(d->planes, GRAIN / (plane + 1) + 1, chunk, &job);
        result = rl_to_dtype_raw(out, dt);
    }
    Py_XDECREF(in);
    Py_XDECREF(out);
    return result;
}

static int check_dtype(Tensor *x, const char *name, bool integers, bool all_integers) {
    const RLDType dt = (RLDType)x->dtype;
    const bool good = dt == RL_F32 || dt == RL_F64 || dt == RL_F16 || dt == RL_BF16 || (integers && dt == RL_I64) ||
                      (all_integers && (dt == RL_U8 || dt == RL_I8 || dt == RL_I16 || dt == RL_I32));
    return good ? 0 : rl_not_implemented(name, dt);
}

/* ---------------------------------------------------------------- maxima */

/* With indices NULL only the values are made. */
static Tensor *maxima(const RLPool *d, Tensor *x, int nd, Tensor **indices) {
    int64_t size[RL_MAXDIM];
    result_size(d, x, nd, size);
    if (indices && !(*indices = rl_empty(x->ndim, size, RL_I64, x->device))) return NULL;
    Tensor *out = pool(d, MAX, x, x->ndim, size, indices ? *indices : NULL);
    if (!out && indices) Py_CLEAR(*indices);
    return out;
}

static int max_pool_with_indices(const char *name, int nd, Tensor *x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil_mode,
                                 Tensor **out) {
    RLPool d;
    if (plan_windows(&d, name, nd, x, kernel, stride, padding, dilation, ceil_mode) < 0 || check_dtype(x, name, true, true) < 0) return -1;
    return (out[0] = maxima(&d, x, nd, &out[1])) ? 0 : -1;
}

/* Indices are made only for a gradient to come. */
static Tensor *max_pool(const char *name, int nd, Tensor *x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil_mode) {
    if (rl_any_grad1(x)) {
        Tensor *out[2] = {NULL};
        const int r = nd == 2 ? rl_max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil_mode, out)
                              : rl_max_pool3d_with_indices(x, kernel, stride, padding, dilation, ceil_mode, out);
        Py_XDECREF(out[1]);
        return r < 0 ? NULL : out[0];
    }
    RLPool d;
    if (plan_windows(&d, name, nd, x, kernel, stride, padding, dilation, ceil_mode) < 0 || check_dtype(x, name, true, true) < 0) return NULL;
    return maxima(&d, x, nd, NULL);
}

#define MAX_POOL(ND)                                                                                                              \
    int impl_max_pool##ND##d_with_indices(Tensor *x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil_mode, Tensor **out) { \
        return max_pool_with_indices("max_pool" #ND "d", ND, x, kernel, stride, padding, dilation, ceil_mode, out);               \
    }                                                                                                                             \
    Tensor *rl_max_pool##ND##d(Tensor *x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil_mode) {                \
        return max_pool("max_pool" #ND "d", ND, x, kernel, stride, padding, dilation, ceil_mode);                                 \
    }
MAX_POOL(2)
MAX_POOL(3)

Tensor *impl_max_pool_backward(Tensor *grad, Tensor *indices, Ints size, int64_t nd) {
    RLPool d = {0};
    rl_pool_adaptive(&d, (int)nd, size.v + size.n - nd, grad->size + grad->ndim - nd);
    set_planes(&d, size.v, size.n, (int)nd);
    Tensor *places = rl_contiguous_raw(indices), *r = places ? pool(&d, MAX_BACK, grad, size.n, size.v, places) : NULL;
    Py_XDECREF(places);
    return r;
}

/* ---- in one dimension PyTorch has its own messages */

static int one_int(Ints v, const char *text) {
    if (v.n == 1) return 0;
    PyErr_Format(PyExc_RuntimeError, "max_pool1d() %s of size 1 but got size %d", text, v.n);
    return -1;
}

static int at_least(int64_t value, int64_t bound, const char *text) {
    if (value >= bound) return 0;
    PyErr_Format(PyExc_RuntimeError, "max_pool1d() %s, but got %lld", text, (long long)value);
    return -1;
}

static int check_max_pool1d(Tensor *x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil_mode) {
    SizesText text;
    if ((x->ndim != 2 && x->ndim != 3) || x->size[x->ndim - 1] == 0 || x->size[x->ndim - 2] == 0) {
        PyErr_Format(PyExc_RuntimeError, "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
                     "got:[%s]", rl_shape_text(&text, x));
        return -1;
    }
    if (stride.n < 1) stride = kernel;
    if (one_int(kernel, "kernel_size must be an int, list of ints or tuple of ints") < 0 ||
        one_int(stride, "stride must be None, an int, list of ints, or tuple of ints") < 0 ||
        one_int(padding, "padding must be an int, list of ints, or tuple of ints") < 0 ||
        one_int(dilation, "dilation must be an int, list of ints or tuple of ints") < 0 ||
        at_least(kernel.v[0], 1, "kernel_size must be greater than zero") < 0 ||
        at_least(stride.v[0], 1, "stride must be greater than zero") < 0 ||
        at_least(padding.v[0], 0, "padding must be non-negative") < 0 ||
        at_least(dilation.v[0], 1, "dilation must be greater than zero") < 0) return -1;
    if (padding.v[0] > kernel.v[0] / 2) {
        PyErr_Format(PyExc_RuntimeError, "max_pool1d() padding should be at most half of kernel size, but got padding=%lld and kernel_size=%lld",
                     (long long)padding.v[0], (long long)kernel.v[0]);
        return -1;
    }
    const int64_t n = rl_pool_size(x->size[x->ndim - 1], kernel.v[0], stride.v[0], padding.v[0], dilation.v[0], ceil_mode);
    if (n < 1) {
        PyErr_Format(PyExc_RuntimeError, "max_pool1d() Invalid computed output size: %lld", (long long)n);
        return -1;
    }
    return check_dtype(x, "max_pool1d_impl", false, false);
}

Tensor *rl_max_pool1d(Tensor *x, Ints kernel, Ints stride, Ints padding, Ints dilation, bool ceil_mode) {
    if (check_max_pool1d(x, kernel, stride, padding, dilation, ceil_mode) < 0) return NULL;
    if (rl_any_grad1(x)) {
        Tensor *out[2] = {NULL};
        if (rl_max_pool1d_with_indices(x, kernel, stride, padding, dilation, ceil_mode, out) < 0) return NULL;
        Py_XDECREF(out[1]);
        return out[0];
    }
    Windows w = {{kernel.v[0]}, {stride.n < 1 ? kernel.v[0] : stride.v[0]}, {padding.v[0]}, {dilation.v[0]}};
    RLPool d;
    set_windows(&d, &w, 1, x->size, x->ndim, ceil_mode);
    return maxima(&d, x, 1, NULL);
}

/* ---------------------------------------------------------------- averages */

static int plan_average(RLPool *d, int nd, Tensor *x, Ints kernel, Ints stride, Ints padding, bool ceil_mode, bool count_include_pad,
                        int64_t divisor_override) {
    const char *name = nd == 2 ? "avg_pool2d" : "avg_pool3d";
    if (divisor_override == 0) { PyErr_SetString(PyExc_RuntimeError, "divisor must be not zero"); return -1; }
    const Ints one = {(const int64_t[]){1}, 1};
    if (plan_windows(d, name, nd, x, kernel, stride, padding, one, ceil_mode) < 0 || check_dtype(x, name, true, false) < 0) return -1;
    d->count_include_pad = count_include_pad;
    d->divisor_override = divisor_override == RL_NO_INT ? 0 : divisor_override;
    return 0;
}

static Tensor *avg_pool(int nd, Tensor *x, Ints kernel, Ints stride, Ints padding, bool ceil_mode, bool count_include_pad,
                        int64_t divisor_override) {
    RLPool d;
    int64_t size[RL_MAXDIM];
    if (plan_average(&d, nd, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override) < 0) return NULL;
    result_size(&d, x, nd, size);
    return pool(&d, AVG, x, x->ndim, size, NULL);
}

Tensor *impl_avg_pool2d(Tensor *x, Ints kernel, Ints stride, Ints padding, bool ceil_mode, bool count_include_pad, int64_t divisor_override) {
    return avg_pool(2, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override);
}

Tensor *impl_avg_pool3d(Tensor *x, Ints kernel, Ints stride, Ints padding, bool ceil_mode, bool count_include_pad, int64_t divisor_override) {
    return avg_pool(3, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override);
}

Tensor *impl_avg_pool_backward(Tensor *grad, Ints size, int64_t nd, Ints kernel, Ints stride, Ints padding, bool ceil_mode,
                               bool count_include_pad, int64_t divisor_override) {
    Windows w;
    RLPool d;
    if (read_windows(&w, "avg_pool", (int)nd, kernel, stride, padding, (Ints){(const int64_t[]){1}, 1}) < 0) return NULL;
    set_windows(&d, &w, (int)nd, size.v, size.n, ceil_mode);
    d.count_include_pad = count_include_pad;
    d.divisor_override = divisor_override == RL_NO_INT ? 0 : divisor_override;
    return pool(&d, AVG_BACK, grad, size.n, size.v, NULL);
}

/* ---------------------------------------------------------------- adaptive */

static int check_adaptive(const char *name, int nd, Tensor *x, const char *got) {
    SizesText text;
    if (x->ndim != nd + 1 && x->ndim != nd + 2) {
        PyErr_Format(PyExc_RuntimeError, "%s(): Expected %dD or %dD tensor, but got%s [%s]", name, nd + 1, nd + 2, got, rl_shape_text(&text, x));
        return -1;
    }
    for (int i = x->ndim - nd - 1; i < x->ndim; i++)
        if (x->size[i] == 0) {
            PyErr_Format(PyExc_RuntimeError, "%s(): Expected input to have non-zero size for non-batch dimensions, but input has sizes [%s] with "
                         "dimension %d being empty", name, rl_shape_text(&text, x), i);
            return -1;
        }
    return 0;
}

static void plan_shares(RLPool *d, int nd, Tensor *x, const int64_t *out, int64_t *size) {
    *d = (RLPool){0};
    rl_pool_adaptive(d, nd, x->size + x->ndim - nd, out);
    set_planes(d, x->size, x->ndim, nd);
    result_size(d, x, nd, size);
}

/* A global average is a mean, which is quicker and is what PyTorch records. */
static Tensor *adaptive_average(const char *name, int nd, Tensor *x, Ints out) {
    int64_t size[3];
    bool global = true, negative = false;
    if (out.n != nd && out.n != 1) {
        PyErr_Format(PyExc_RuntimeError, "%s: output_size must be %d", name, nd);
        return NULL;
    }
    for (int i = 0; i < nd; i++) {
        size[i] = out.v[out.n == 1 ? 0 : i];
        global &= size[i] == 1;
        negative |= size[i] < 0;
    }
    if (negative) {
        SizesText text;
        PyErr_Format(PyExc_RuntimeError, "%s: elements of output_size must be greater than or equal to 0 but received {%s}", name,
                     rl_sizes_text(&text, (Ints){size, nd}, ", "));
        return NULL;
    }
    if (check_adaptive(name, nd, x, "") < 0) return NULL;
    if (global && RL_IS_FLOAT(x->dtype))
        return rl_mean_dim(x, (Ints){(const int64_t[]){-1, -2, -3}, nd}, true, RL_NODTYPE);
    return nd == 2 ? rl__adaptive_avg_pool2d(x, (Ints){size, 2}) : rl__adaptive_avg_pool3d(x, (Ints){size, 3});
}

static Tensor *shares_average(const char *name, int nd, Tensor *x, Ints out) {
    RLPool d;
    int64_t size[RL_MAXDIM];
    if (check_dtype(x, name, false, false) < 0) return NULL;
    plan_shares(&d, nd, x, out.v, size);
    return pool(&d, AVG, x, x->ndim, size, NULL);
}

static int adaptive_maxima(const char *name, int nd, Tensor *x, Ints out, Tensor **result) {
    RLPool d;
    int64_t size[RL_MAXDIM], wanted[3];
    if (check_adaptive(name, nd, x, ":") < 0) return -1;
    if (out.n != nd && out.n != 1) {
        PyErr_Format(PyExc_RuntimeError, "%s(): internal error: output_size.size() must be %d", name, nd);
        return -1;
    }
    for (int i = 0; i < nd; i++) wanted[i] = out.v[out.n == 1 ? 0 : i];
    if (check_dtype(x, name, false, false) < 0) return -1;
    plan_shares(&d, nd, x, wanted, size);
    return (result[0] = maxima(&d, x, nd, &result[1])) ? 0 : -1;
}

#define ADAPTIVE(ND)                                                                                                                  \
    Tensor *rl_adaptive_avg_pool##ND##d(Tensor *x, Ints out) { return adaptive_average("adaptive_avg_pool" #ND "d", ND, x, out); }    \
    Tensor *impl__adaptive_avg_pool##ND##d(Tensor *x, Ints out) { return shares_average("adaptive_avg_pool" #ND "d", ND, x, out); }   \
    int impl_adaptive_max_pool##ND##d(Tensor *x, Ints out, Tensor **result) {                                                         \
        return adaptive_maxima("adaptive_max_pool" #ND "d", ND, x, out, result);                                                      \
    }
ADAPTIVE(2)
ADAPTIVE(3)

Tensor *impl_adaptive_avg_pool_backward(Tensor *grad, Ints size, int64_t nd) {
    RLPool d = {0};
    rl_pool_adaptive(&d, (int)nd, size.v + size.n - nd, grad->size + grad->ndim - nd);
    set_planes(&d, size.v, size.n, (int)nd);
    return pool(&d, AVG_BACK, grad, size.n, size.v, NULL);
}
