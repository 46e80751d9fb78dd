/* convolution.c -- convolutions of tensors: arguments and their errors, then the kernels of conv.h.
 *
 * Three operations are closed under differentiation, each linear in both of its tensors:
 *     convolution(x, w)          -> y
 *     conv_grad_input(y, w)      -> x
 *     conv_grad_weight(y, x)     -> w
 * A transposed convolution is the second of them read as the first: with `transposed` the kernels for x and y change
 * places, and the geometry handed to them is that of the convolution that leads from y to x.
 */
#include "conv.h"
#include "rl_ops.h"
#include "runtime.h"
#include "sizes_text.h"

/* ---------------------------------------------------------------- arguments */

typedef struct {
    int nd;
    int64_t stride[3], padding[3], dilation[3], output_padding[3], groups;
    bool transposed;
} Geometry;

/* One number stands for all dimensions. */
static int spread(Ints v, int nd, const char *name, int64_t *out) {
    if (v.n != 1 && v.n != nd) {
        SizesText text;
        PyErr_Format(PyExc_RuntimeError, "expected %s to be a single integer value or a list of %d values to match the convolution "
                     "dimensions, but got %s=[%s]", name, nd, name, rl_sizes_text(&text, v, ", "));
        return -1;
    }
    for (int i = 0; i < nd; i++) out[i] = v.v[v.n == 1 ? 0 : i];
    return 0;
}

static int refuse(const char *message) {
    PyErr_SetString(PyExc_RuntimeError, message);
    return -1;
}

static int64_t least(const int64_t *v, int n) {
    int64_t m = v[0];
    for (int i = 1; i < n; i++) if (v[i] < m) m = v[i];
    return m;
}

static int read_geometry(Geometry *g, Tensor *weight, Ints stride, Ints padding, Ints dilation, bool transposed, Ints output_padding,
                         int64_t groups) {
    g->nd = weight->ndim - 2;
    g->groups = groups;
    g->transposed = transposed;
    if (g->nd < 1) return refuse("weight should have at least three dimensions");
    if (g->nd > 3) return refuse("convolutions have one, two or three spatial dimensions");
    if (groups <= 0) return refuse("non-positive groups is not supported");
    if (spread(stride, g->nd, "stride", g->stride) < 0 || spread(padding, g->nd, "padding", g->padding) < 0 ||
        spread(dilation, g->nd, "dilation", g->dilation) < 0 ||
        spread(output_padding, g->nd, "output_padding", g->output_padding) < 0) return -1;
    if (least(g->padding, g->nd) < 0) return refuse("negative padding is not supported");
    if (least(g->output_padding, g->nd) < 0) return refuse("negative output_padding is not supported");
    if (least(g->stride, g->nd) <= 0) return refuse("non-positive stride is not supported");
    if (least(g->dilation, g->nd) <= 0) {
        SizesText text;
        PyErr_Format(PyExc_RuntimeError, "dilation should be greater than zero, but got [%s]",
                     rl_sizes_text(&text, (Ints){g->dilation, g->nd}, ", "));
        return -1;
    }
    return 0;
}

static int check_channels(const Geometry *g, Tensor *x, Tensor *w, Tensor *bias) {
    SizesText a, b;
    const long long groups = g->groups, rows = w->size[0];
    if (x->ndim != w->ndim) {
        PyErr_Format(PyExc_RuntimeError, "Expected %d-dimensional input for %d-dimensional weight [%s], but got %d-dimensional input of "
                     "size [%s] instead", w->ndim, w->ndim, rl_shape_text(&a, w), x->ndim, rl_shape_text(&b, x));
        return -1;
    }
    if (rows < groups) {
        PyErr_Format(PyExc_RuntimeError, "Given groups=%lld, expected weight to be at least %lld at dimension 0, but got weight of size "
                     "[%s] instead", groups, groups, rl_shape_text(&a, w));
        return -1;
    }
    if (rows % groups) {
        PyErr_Format(PyExc_RuntimeError, "Given groups=%lld, expected weight to be divisible by %lld at dimension 0, but got weight of "
                     "size [[%s]] instead", groups, groups, rl_shape_text(&a, w));
        return -1;
    }
    const long long wanted = g->transposed ? rows : w->size[1] * groups;
    if (x->size[1] != wanted) {
        PyErr_Format(PyExc_RuntimeError, "Given %s=%lld, weight of size [%s], expected input[%s] to have %lld channels, but got %lld "
                     "channels instead", g->transposed ? "transposed" : "groups", g->transposed ? 1 : groups, rl_shape_text(&a, w),
                     rl_shape_text(&b, x), wanted, (long long)x->size[1]);
        return -1;
    }
    const int64_t results = g->transposed ? w->size[1] * groups : rows;
    if (bias && (bias->ndim != 1 || bias->numel != results)) {
        PyErr_Format(PyExc_RuntimeError, "Given %sweight of size [%s], expected bias to be 1-dimensional with %lld elements, but got bias "
                     "of size [%s] instead", g->transposed ? "transposed=1, " : "", rl_shape_text(&a, w), (long long)results,
                     rl_shape_text(&b, bias));
        return -1;
    }
    return 0;
}

/* C's name of a dtype, which is what PyTorch prints when a bias differs. */
static const char *c_name(RLDType dt) {
    switch (dt) {
        case RL_F32: return "float";
        case RL_F64: return "double";
        case RL_F16: return "c10::Half";
        case RL_BF16: return "c10::BFloat16";
        case RL_C64: return "c10::complex<float>";
        case RL_C128: return "c10::complex<double>";
        case RL_I64: return "long int";
        case RL_I32: return "int";
        case RL_I16: return "short int";
        case RL_I8: return "signed char";
        case RL_U8: return "unsigned char";
        default: return rl_dtypes[dt].name;
    }
}

static int check_dtypes(Tensor *x, Tensor *w, Tensor *bias) {
    if (bias && bias->dtype != x->dtype) {
        PyErr_Format(PyExc_RuntimeError, "Input type (%s) and bias type (%s) should be the same", c_name((RLDType)x->dtype),
                     c_name((RLDType)bias->dtype));
        return -1;
    }
    if (x->dtype != w->dtype) {
        PyErr_Format(PyExc_RuntimeError, "expected scalar type %s but found %s", rl_dtypes[x->dtype].legacy, rl_dtypes[w->dtype].legacy);
        return -1;
    }
    if (x->dtype == RL_BOOL) return rl_not_implemented("slow_conv2d_cpu", RL_BOOL);
    return 0;
}

/* The spatial sizes of the result. */
static int result_sizes(const Geometry *g, Tensor *x, Tensor *w, int64_t *size) {
    int64_t padded[3];
    SizesText a, b;
    bool fits = true;
    for (int i = 0; i < g->nd; i++) {
        const int64_t in = x->size[2 + i], reach = g->dilation[i] * (w->size[2 + i] - 1) + 1;
        if (g->transposed) {
            size[i] = (in - 1) * g->stride[i] - 2 * g->padding[i] + reach + g->output_padding[i];
            fits &= size[i] > 0;
        } else {
            padded[i] = in + 2 * g->padding[i];
            fits &= padded[i] >= reach;
            size[i] = (padded[i] - reach) / g->stride[i] + 1;
        }
    }
    if (fits) return 0;
    if (g->transposed) {
        PyErr_Format(PyExc_RuntimeError, "Given input size per channel: (%s). Calculated output size per channel: (%s). Output size is too "
                     "small", rl_sizes_text(&a, (Ints){x->size + 2, g->nd}, " x "), rl_sizes_text(&b, (Ints){size, g->nd}, " x "));
        return -1;
    }
    int64_t kernel[3];
    for (int i = 0; i < g->nd; i++) kernel[i] = g->dilation[i] * (w->size[2 + i] - 1) + 1;
    PyErr_Format(PyExc_RuntimeError, "Calculated padded input size per channel: (%s). Kernel size: (%s). Kernel size can't be greater than "
                 "actual input size", rl_sizes_text(&a, (Ints){padded, g->nd}, " x "), rl_sizes_text(&b, (Ints){kernel, g->nd}, " x "));
    return -1;
}

/* What a transposed convolution adds at one end must be less than a step, or it would be a row of its own. */
static int check_output_padding(const Geometry *g) {
    bool good = true;
    for (int i = 0; i < g->nd; i++) good &= g->output_padding[i] < g->stride[i] || g->output_padding[i] < g->dilation[i];
    if (good || !g->transposed) return 0;
    static const char *const names[] = {"depth", "height", "width"};
    const int shown = g->nd == 3 ? 3 : 2; /* a one-dimensional one is told as rows of height one */
    const struct { const char *name; const int64_t *v; int64_t absent; } lists[] = {
        {"output_padding", g->output_padding, 0}, {"stride", g->stride, 1}, {"dilation", g->dilation, 1}};
    char text[512];
    size_t at = 0;
    for (int l = 0; l < 3; l++)
        for (int i = 0; i < shown; i++) {
            const int j = i - (shown - g->nd);
            at += (size_t)snprintf(text + at, sizeof text - at, " %s_%s: %lld", lists[l].name, names[i + 3 - shown],
                                   (long long)(j < 0 ? lists[l].absent : lists[l].v[j]));
        }
    PyErr_Format(PyExc_RuntimeError, "output padding must be smaller than either stride or dilation, but got%s", text);
    return -1;
}

/* ---------------------------------------------------------------- kernels */

/* One of the three products over raw memory: small(n, o, *out) is what the convolution w leads to from big(n, c, *in). */
typedef enum { TO_SMALL, TO_BIG, TO_WEIGHT } Product;

typedef struct {
    RLConv d;
    Product product;
    bool wide;                 /* float64, else float32 */
    char *big, *small, *w, *bias;
    int failed;                /* set by any thread that finds no memory */
} Job;

static void set_conv(RLConv *d, const Geometry *g, const int64_t *big, const int64_t *small, const int64_t *w) {
    rl_conv_geometry(d, g->nd, big + 2, w + 2, g->stride, g->padding, g->dilation);
    /* output_padding may let `big` hold one more position than `small` has; the last is then met by no tap. */
    for (int i = 0; i < g->nd; i++) d->out[3 - g->nd + i] = small[2 + i];
    d->batch = big[0];
    d->in_channels = big[1];
    d->out_channels = small[1];
    d->groups = g->groups;
}

static int run_part(const Job *j, int64_t begin, int64_t end, void *scratch) {
    RLConv d = j->d;
    d.batch = end - begin;
    const int64_t item = j->wide ? 8 : 4;
    char *big = j->big + begin * item * d.in_channels * d.in[0] * d.in[1] * d.in[2];
    char *small = j->small + begin * item * d.out_channels * d.out[0] * d.out[1] * d.out[2];
    if (j->wide) switch (j->product) {
        case TO_SMALL: return rl_conv_forward_f64(&d, (double *)big, (double *)j->w, (double *)j->bias, (double *)small, scratch);
        case TO_BIG: return rl_conv_grad_input_f64(&d, (double *)small, (double *)j->w, (double *)j->bias, (double *)big, scratch);
        default: return rl_conv_grad_weight_f64(&d, (double *)big, (double *)small, (double *)j->w, scratch);
    }
    switch (j->product) {
        case TO_SMALL: return rl_conv_forward_f32(&d, (float *)big, (float *)j->w, (float *)j->bias, (float *)small, scratch);
        case TO_BIG: return rl_conv_grad_input_f32(&d, (float *)small, (float *)j->w, (float *)j->bias, (float *)big, scratch);
        default: return rl_conv_grad_weight_f32(&d, (float *)big, (float *)small, (float *)j->w, scratch);
    }
}

/* Each thread takes scratch of its own: our allocator serves only the holder of the GIL. */
static void run_chunk(void *ctx, int64_t begin, int64_t end) {
    Job *j = ctx;
    if (run_part(j, begin, end, NULL) < 0) __atomic_store_n(&j->failed, 1, __ATOMIC_RELAXED);
}

static int run(Job *j) {
    if (rl_num_threads > 1 && j->d.batch > 1 && j->product != TO_WEIGHT) {
        rl_parallel_for(j->d.batch, 1, run_chunk, j);
    } else {
        const size_t room = rl_conv_scratch(&j->d, j->wide ? 8 : 4);
        void *scratch = room ? rl_alloc(room) : NULL;
        if (room && !scratch) { PyErr_NoMemory(); return -1; }
        j->failed = run_part(j, 0, j->d.batch, scratch) < 0;
        if (scratch) rl_dealloc(scratch, room);
    }
    if (j->failed) PyErr_NoMemory();
    return j->failed ? -1 : 0;
}

/* Half precision is computed in float32, integers in float64 (exact up to 2^53). */
static RLDType work_dtype(RLDType dt) {
    return dt == RL_F32 || dt == RL_F16 || dt == RL_BF16 ? RL_F32 : RL_F64;
}

static Tensor *operand(Tensor *t, RLDType work) {
    if (t->dtype == work && RL_IS_CONTIGUOUS(t)) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *d = rl_to_dtype_raw(t, work), *c = d ? rl_contiguous_raw(d) : NULL;
    Py_XDECREF(d);
    return c;
}

static Tensor *delivered(Tensor *t, RLDType dt) {
    if (t->dtype == dt) return t;
    /* integers wrap around */
    Tensor *whole = RL_IS_INTEGRAL(dt) ? rl_to_dtype_raw(t, RL_I64) : (Tensor *)Py_NewRef((PyObject *)t);
    Py_DECREF(t);
    Tensor *r = whole ? rl_to_dtype_raw(whole, dt) : NULL;
    Py_XDECREF(whole);
    return r;
}

/* The product of two of big, small and w; the third, NULL on entry, is made with `size`. Takes no references. */
static Tensor *compute(const Geometry *g, Product product, Tensor *big, Tensor *small, Tensor *w, Tensor *bias, int ndim,
                       const int64_t *size) {
    Tensor *any = big ? big : small;
    const RLDType dt = (RLDType)any->dtype, work = work_dtype(dt);
    if (any->device != RL_CPU) return rl_empty(ndim, size, dt, any->device);
    Tensor *given[4] = {big, small, w, bias}, *in[4] = {NULL}, *out = NULL;
    Job job = {.product = product, .wide = work == RL_F64};
    for (int i = 0; i < 4; i++)
        if (given[i] && !(in[i] = operand(given[i], work))) goto done;
    out = rl_empty(ndim, size, work, RL_CPU);
    if (!out) goto done;
    in[product == TO_BIG ? 0 : product == TO_SMALL ? 1 : 2] = (Tensor *)Py_NewRef((PyObject *)out);
    set_conv(&job.d, g, in[0]->size, in[1]->size, in[2]->size);
    job.big = in[0]->data;
    job.small = in[1]->data;
    job.w = in[2]->data;
    job.bias = in[3] ? in[3]->data : NULL;
    if (out->numel && run(&job) < 0) Py_CLEAR(out);
done:
    for (int i = 0; i < 4; i++) Py_XDECREF(in[i]);
    return out ? delivered(out, dt) : NULL;
}

/* ---------------------------------------------------------------- the three operations */

Tensor *impl_convolution(Tensor *x, Tensor *w, Tensor *bias, Ints stride, Ints padding, Ints dilation, bool transposed,
                         Ints output_padding, int64_t groups) {
    Geometry g;
    int64_t size[5];
    if (read_geometry(&g, w, stride, padding, dilation, transposed, output_padding, groups) < 0 || check_channels(&g, x, w, bias) < 0 ||
        result_sizes(&g, x, w, size + 2) < 0 || check_output_padding(&g) < 0 || check_dtypes(x, w, bias) < 0) return NULL;
    size[0] = x->size[0];
    size[1] = transposed ? w->size[1] * groups : w->size[0];
    return transposed ? compute(&g, TO_BIG, NULL, x, w, bias, g.nd + 2, size) : compute(&g, TO_SMALL, x, NULL, w, bias, g.nd + 2, size);
}

Tensor *impl_conv_grad_input(Tensor *grad, Tensor *w, Ints size, Ints stride, Ints padding, Ints dilation, bool transposed,
                             Ints output_padding, int64_t groups) {
    Geometry g;
    if (read_geometry(&g, w, stride, padding, dilation, transposed, output_padding, groups) < 0 || check_dtypes(grad, w, NULL) < 0) return NULL;
    return transposed ? compute(&g, TO_SMALL, grad, NULL, w, NULL, size.n, size.v) : compute(&g, TO_BIG, NULL, grad, w, NULL, size.n, size.v);
}

Tensor *impl_conv_grad_weight(Tensor *grad, Tensor *x, Ints size, Ints stride, Ints padding, Ints dilation, bool transposed,
                              Ints output_padding, int64_t groups) {
    Geometry g;
    /* only the number of dimensions is read from the weight's stand-in, and it has those of x */
    if (read_geometry(&g, x, stride, padding, dilation, transposed, output_padding, groups) < 0 || check_dtypes(grad, x, NULL) < 0) return NULL;
    return transposed ? compute(&g, TO_WEIGHT, grad, x, NULL, NULL, size.n, size.v) : compute(&g, TO_WEIGHT, x, grad, NULL, NULL, size.n, size.v);
}

Tensor *impl_conv_grad_bias(Tensor *grad) {
    const RLDType dt = (RLDType)grad->dtype, work = work_dtype(dt);
    Tensor *out = rl_empty(1, &grad->size[1], work, grad->device);
    if (!out || out->device != RL_CPU) return out ? delivered(out, dt) : NULL;
    Tensor *t = operand(grad, work);
    if (!t) { Py_DECREF(out); return NULL; }
    RLConv d = {.batch = t->size[0], .out_channels = t->size[1], .out = {1, 1, 1}};
    for (int i = 2; i < t->ndim; i++) d.out[2] *= t->size[i];
    if (work == RL_F64) rl_conv_grad_bias_f64(&d, (double *)t->data, (double *)out->data);
    else rl_conv_grad_bias_f32(&d, (float *)t->data, (float *)out->data);
    Py_DECREF(t);
    return delivered(out, dt);
}

/* ---------------------------------------------------------------- conv2d and its kin */

static const Ints zero = {(const int64_t[]){0}, 1};

/* PyTorch reads a number as one for each dimension before it looks at the weight: its messages show the list. */
static Ints widened(Ints v, int nd, int64_t *buffer) {
    if (v.n != 1) return v;
    for (int i = 0; i < nd; i++) buffer[i] = v.v[0];
    return (Ints){buffer, nd};
}

typedef struct { Ints stride, padding, dilation, output_padding; int64_t groups; bool transposed; } Options;

/* (a + bi) * (c + di) as three real convolutions (Gauss): p = ac, q = bd, s = (a + b)(c + d); p - q + (s - p - q)i. */
static Tensor *complex_convolution(Tensor *x, Tensor *w, Tensor *bias, const Options *o) {
    Tensor *part[3][2] = {{NULL}}, *product[3] = {NULL}, *re = NULL, *s = NULL, *im = NULL, *sum = NULL, *shaped = NULL, *out = NULL;
    for (int k = 0; k < 2; k++) {
        Tensor *t = k ? w : x;
        if (!(part[0][k] = rl_real(t)) || !(part[1][k] = rl_imag(t)) || !(part[2][k] = rl_add(part[0][k], part[1][k], RL_ONE))) goto done;
    }
    for (int i = 0; i < 3; i++)
        if (!(product[i] = rl_convolution(part[i][0], part[i][1], NULL, o->stride, o->padding, o->dilation, o->transposed,
                                          o->output_padding, o->groups))) goto done;
    if (!(re = rl_sub(product[0], product[1], RL_ONE)) || !(s = rl_sub(product[2], product[0], RL_ONE)) ||
        !(im = rl_sub(s, product[1], RL_ONE)) || !(sum = rl_complex(re, im))) goto done;
    if (!bias) {
        out = (Tensor *)Py_NewRef((PyObject *)sum);
        goto done;
    }
    int64_t size[5] = {1, -1, 1, 1, 1};
    if ((shaped = rl_reshape(bias, (Ints){size, sum->ndim}))) out = rl_add(sum, shaped, RL_ONE);
done:
    for (int i = 0; i < 3; i++) { Py_XDECREF(part[i][0]); Py_XDECREF(part[i][1]); Py_XDECREF(product[i]); }
    Py_XDECREF(re); Py_XDECREF(s); Py_XDECREF(im); Py_XDECREF(sum); Py_XDECREF(shaped);
    return out;
}

static Tensor *batched(Tensor *x, Tensor *w, Tensor *bias, const Options *o) {
    if (RL_UNLIKELY(RL_IS_COMPLEX(x->dtype) && x->dtype == w->dtype)) return complex_convolution(x, w, bias, o);
    return rl_convolution(x, w, bias, o->stride, o->padding, o->dilation, o->transposed, o->output_padding, o->groups);
}

/* A single sample is a batch of one. */
static Tensor *convolve(const char *name, int nd, Tensor *x, Tensor *w, Tensor *bias, Options o) {
    int64_t room[4][3];
    o.stride = widened(o.stride, nd, room[0]);
    o.padding = widened(o.padding, nd, room[1]);
    o.dilation = widened(o.dilation, nd, room[2]);
    o.output_padding = widened(o.output_padding, nd, room[3]);
    if (RL_LIKELY(x->ndim == nd + 2)) return batched(x, w, bias, &o);
    if (x->ndim != nd + 1) {
        SizesText text;
        PyErr_Format(PyExc_RuntimeError, "Expected %dD (unbatched) or %dD (batched) input to %s, but got input of size: [%s]", nd + 1, nd + 2,
                     name, rl_shape_text(&text, x));
        return NULL;
    }
    Tensor *b = rl_unsqueeze(x, 0), *y = b ? batched(b, w, bias, &o) : NULL, *r = y ? rl_squeeze_dim(y, zero) : NULL;
    Py_XDECREF(b);
    Py_XDECREF(y);
    return r;
}

/* "valid" is no padding, "same" as much as keeps the size; what is odd of it goes to the right, as zeros of x itself. */
static Tensor *convolve_padded(const char *name, int nd, Tensor *x, Tensor *w, Tensor *bias, Ints stride, const char *padding,
                               Ints dilation, int64_t groups) {
    Options o = {stride, zero, dilation, zero, groups, false};
    if (strcmp(padding, "valid") == 0) return convolve(name, nd, x, w, bias, o);
    if (strcmp(padding, "same") != 0) {
        PyErr_Format(PyExc_RuntimeError, "Invalid padding string: '%s'", padding);
        return NULL;
    }
    for (int i = 0; i < stride.n; i++)
        if (stride.v[i] != 1) {
            PyErr_SetString(PyExc_RuntimeError, "padding='same' is not supported for strided convolutions");
            return NULL;
        }
    int64_t room[3], each[3], extra[6] = {0};
    o.dilation = widened(dilation, nd, room);
    if (w->ndim != nd + 2 || o.dilation.n != nd) return convolve(name, nd, x, w, bias, o);
    bool even = true;
    for (int i = 0; i < nd; i++) {
        const int64_t total = o.dilation.v[i] * (w->size[2 + i] - 1);
        each[i] = total / 2;
        if (total % 2) extra[2 * (nd - 1 - i) + 1] = 1;
        even &= total % 2 == 0;
    }
    o.padding = (Ints){each, nd};
    if (even || x->ndim < nd) return convolve(name, nd, x, w, bias, o);
    Tensor *wider = rl_constant_pad_nd(x, (Ints){extra, 2 * nd}, (Scalar){'i', {.i = 0}, 0});
    Tensor *r = wider ? convolve(name, nd, wider, w, bias, o) : NULL;
    Py_XDECREF(wider);
    return r;
}

#define CONV(ND)                                                                                                                       \
    Tensor *rl_conv##ND##d(Tensor *x, Tensor *w, Tensor *bias, Ints stride, Ints padding, Ints dilation, int64_t groups) {             \
        return convolve("conv" #ND "d", ND, x, w, bias, (Options){stride, padding, dilation, zero, groups, false});                    \
    }                                                                                                                                  \
    Tensor *rl_conv##ND##d_padding(Tensor *x, Tensor *w, Tensor *bias, Ints stride, const char *padding, Ints dilation, int64_t groups) { \
        return convolve_padded("conv" #ND "d", ND, x, w, bias, stride, padding, dilation, groups);                                     \
    }                                                                                                                                  \
    Tensor *rl_conv_transpose##ND##d(Tensor *x, Tensor *w, Tensor *bias, Ints stride, Ints padding, Ints output_padding, int64_t groups, \
                                     Ints dilation) {                                                                                  \
        return convolve("conv_transpose" #ND "d", ND, x, w, bias, (Options){stride, padding, dilation, output_padding, groups, true}); \
    }

CONV(1)
CONV(2)
CONV(3)
