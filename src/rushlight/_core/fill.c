/* fill.c -- the methods that overwrite a tensor with random numbers: normal_, uniform_, random_, ... */
#include "fill.h"
#include "generator.h"
#include "rl_ops.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

/* ---------------------------------------------------------------- drawing into any layout */

typedef struct {
    double a, b;               /* the distribution's parameters */
    uint64_t range;
    int64_t base;
    bool wide;
    RLDType dtype;             /* of the buffer drawn into */
} Law;

typedef void (*Draw)(RLRandom *r, void *out, int64_t n, const Law *law);

enum { BLOCK = 4096 };

/* t with its dimensions in the order of perm (innermost first). */
static Tensor *permuted(Tensor *t, const int *perm) {
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    for (int i = 0; i < t->ndim; i++) {
        size[i] = t->size[perm[t->ndim - 1 - i]];
        stride[i] = t->stride[perm[t->ndim - 1 - i]];
    }
    return rl_alias(t, t->ndim, size, stride, t->data);
}

static int copy_part(Tensor *to, Tensor *block, int64_t at, int64_t n) {
    const int64_t one = 1;
    Tensor *target = rl_alias(to, 1, &n, &one, to->data + at * RL_ITEMSIZE(to->dtype));
    Tensor *source = rl_alias(block, 1, &n, &one, block->data);
    int bad = target && source ? rl_copy_raw(target, source) : -1;
    Py_XDECREF(target);
    Py_XDECREF(source);
    return bad;
}

/* Draws numbers of type `drawn` and casts them into self, in the order of its memory: PyTorch's serial
 * loops run through the dimensions by stride. */
static int fill(Tensor *self, RLDType drawn, Draw draw, const Law *law, PyObject *generator) {
    if (rl_check_overlap(self, 0, NULL) < 0) return -1;
    if (self->numel == 0 || self->device != RL_CPU) return 0;
    RLRandom *rng = rl_rng(generator);
    if (RL_IS_CONTIGUOUS(self) && self->dtype == drawn) {
        draw(rng, self->data, self->numel, law);
        return 0;
    }
    int perm[RL_MAXDIM], bad = -1;
    const int64_t *strides[] = {self->stride};
    rl_iter_order(1, self->ndim, self->size, strides, perm);
    Tensor *order = permuted(self, perm), *block = NULL;
    if (!order) return -1;
    if (!RL_IS_CONTIGUOUS(order)) {
        block = rl_empty(order->ndim, order->size, drawn, RL_CPU);
        if (!block) goto done;
        draw(rng, block->data, block->numel, law);
        bad = rl_copy_raw(order, block);
    } else if (self->dtype == drawn) {
        draw(rng, self->data, self->numel, law);
        bad = 0;
    } else {
        int64_t n = self->numel, step = n < BLOCK ? n : BLOCK;
        block = rl_empty(1, &step, drawn, RL_CPU);
        if (!block) goto done;
        bad = 0;
        for (int64_t at = 0; at < n && !bad; at += step) {
            int64_t part = n - at < step ? n - at : step;
            draw(rng, block->data, part, law);
            bad = copy_part(order, block, at, part);
        }
    }
done:
    Py_DECREF(order);
    Py_XDECREF(block);
    return bad;
}

/* A complex tensor as the real one of shape (..., 2) over the same memory. */
static Tensor *real_view(Tensor *t) {
    static const RLDType part[] = {[RL_C32] = RL_F16, [RL_C64] = RL_F32, [RL_C128] = RL_F64};
    int64_t size[RL_MAXDIM + 1], stride[RL_MAXDIM + 1];
    for (int i = 0; i < t->ndim; i++) {
        size[i] = t->size[i];
        stride[i] = 2 * t->stride[i];
    }
    size[t->ndim] = 2;
    stride[t->ndim] = 1;
    return rl_from_storage(t->storage, t->data - t->storage->data, t->ndim + 1, size, stride, part[t->dtype]);
}

/* ---------------------------------------------------------------- what a number must be */

/* PyTorch prints parameters as C++ streams do: six significant digits. */
static int refuse(const char *format, ...) {
    char text[320];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    PyErr_SetString(PyExc_RuntimeError, text);
    return -1;
}

typedef struct {
    const char *cpp;           /* the type's name in messages */
    double lowest, max;
    int digits;                /* integers up to 2^digits are exact */
} Limits;

static const Limits limits[RL_NDTYPES] = {
    [RL_BOOL] = {"bool", 0, 1, 1},
    [RL_U8] = {"unsigned char", 0, UINT8_MAX, 8},
    [RL_I8] = {"signed char", INT8_MIN, INT8_MAX, 7},
    [RL_I16] = {"short int", INT16_MIN, INT16_MAX, 15},
    [RL_I32] = {"int", INT32_MIN, INT32_MAX, 31},
    [RL_I64] = {"long int", (double)INT64_MIN, (double)INT64_MAX, 63},
    [RL_F16] = {"c10::Half", -65504, 65504, 11},
    [RL_BF16] = {"c10::BFloat16", -3.3895313892515355e38, 3.3895313892515355e38, 8},
    [RL_F32] = {"float", -3.4028234663852886e38, 3.4028234663852886e38, 24},
    [RL_F64] = {"double", -1.7976931348623157e308, 1.7976931348623157e308, 53},
};

static int in_range(double v, const char *name, RLDType dt) {
    const Limits *l = &limits[dt];
    return v >= l->lowest && v <= l->max ? 0 : refuse("%s is out of bounds for %s", name, l->cpp);
}

/* ---------------------------------------------------------------- real numbers */

/* Where a check asks for elements first: PyTorch comes to it only after it has let empty tensors go. */

static void draw_uniform(RLRandom *r, void *out, int64_t n, const Law *law) {
    switch (law->dtype) {
        case RL_F64: rl_uniform_f64(r, out, n, law->a, law->b); break;
        case RL_F32: rl_uniform_f32(r, out, n, law->a, law->b); break;
        case RL_F16: rl_uniform_f16(r, out, n, law->a, law->b); break;
        default: rl_uniform_bf16(r, out, n, law->a, law->b); break;
    }
}

int rl_fill_uniform(Tensor *self, double from, double to, PyObject *generator) {
    const RLDType dt = (RLDType)self->dtype;
    if (RL_IS_COMPLEX(dt)) {
        Tensor *real = real_view(self);
        int bad = real ? rl_fill_uniform(real, from, to, generator) : -1;
        Py_XDECREF(real);
        return bad;
    }
    const Limits *l = &limits[dt];
    if (!RL_IS_FLOAT(dt) || !l->cpp) return rl_not_implemented("check_uniform_bounds", dt);
    if (in_range(from, "from", dt) < 0 || in_range(to, "to", dt) < 0) return -1;
    if (!(from <= to)) return refuse("uniform_ expects to return a [from, to) range, but found from=%g > to=%g", from, to);
    if (!(to - from <= l->max))
        return refuse("uniform_ expects to-from <= std::numeric_limits<%s>::max(), but found to=%g and from=%g which result in "
                      "to-from to exceed the limit", rl_dtypes[dt].legacy, to, from);
    return fill(self, dt, draw_uniform, &(Law){.a = from, .b = to, .dtype = dt}, generator);
}

static void draw_normal(RLRandom *r, void *out, int64_t n, const Law *law) {
    switch (law->dtype) {
        case RL_F64: rl_normal_f64(r, out, n, law->a, law->b); break;
        case RL_F32: rl_normal_f32(r, out, n, law->a, law->b); break;
        case RL_F16: rl_normal_f16(r, out, n, law->a, law->b); break;
        default: rl_normal_bf16(r, out, n, law->a, law->b); break;
    }
}
static void draw_normal_serial(RLRandom *r, void *out, int64_t n, const Law *law) { rl_normal_serial(r, out, n, law->a, law->b); }

int rl_fill_normal(Tensor *self, double mean, double std, PyObject *generator) {
    const RLDType dt = (RLDType)self->dtype;
    if (!(std >= 0)) return refuse("normal expects std >= 0.0, but found std %g", std);
    if (RL_IS_COMPLEX(dt)) { /* each part has half of the variance */
        Tensor *real = real_view(self);
        int bad = real ? rl_fill_normal(real, mean, std / sqrt(2.0), generator) : -1;
        Py_XDECREF(real);
        return bad;
    }
    if ((!RL_IS_FLOAT(dt) || !limits[dt].cpp) && self->numel) return rl_not_implemented("normal_kernel_cpu", dt);
    const Law law = {.a = mean, .b = std, .dtype = dt};
    if (RL_IS_CONTIGUOUS(self)) return fill(self, dt, draw_normal, &law, generator);
    return fill(self, RL_F64, draw_normal_serial, &law, generator);
}

static void draw_exponential(RLRandom *r, void *out, int64_t n, const Law *law) { rl_exponential(r, out, n, law->a); }
static void draw_geometric(RLRandom *r, void *out, int64_t n, const Law *law) { rl_geometric(r, out, n, law->a); }
static void draw_cauchy(RLRandom *r, void *out, int64_t n, const Law *law) { rl_cauchy(r, out, n, law->a, law->b); }
static void draw_log_normal(RLRandom *r, void *out, int64_t n, const Law *law) { rl_log_normal(r, out, n, law->a, law->b); }

int rl_fill_exponential(Tensor *self, double lambda, PyObject *generator) {
    if (!RL_IS_FLOAT(self->dtype) && self->numel)
        return refuse("Exponential distribution is a continuous probability distribution. dtype must be a floating point but you "
                      "specified %s", rl_dtypes[self->dtype].legacy);
    if (!(lambda > 0)) return refuse("exponential_ expects lambda > 0.0, but found lambda=%g", lambda);
    return fill(self, RL_F64, draw_exponential, &(Law){.a = lambda}, generator);
}

static int fill_geometric(Tensor *self, double p, PyObject *generator) {
    if (!(p > 0 && p < 1)) return refuse("geometric_ expects p to be in (0, 1), but got p=%g", p);
    if ((RL_IS_COMPLEX(self->dtype) || self->dtype == RL_BOOL) && self->numel) return rl_not_implemented("geometric_cpu", (RLDType)self->dtype);
    return fill(self, RL_F64, draw_geometric, &(Law){.a = p}, generator);
}

static int fill_cauchy(Tensor *self, double median, double sigma, PyObject *generator) {
    if (!(sigma > 0)) return refuse("cauchy_ expects sigma > 0.0, but found sigma=%g", sigma);
    if (!RL_IS_FLOAT(self->dtype))
        return refuse("Cauchy distribution is a continuous probability distribution. dtype must be a floating point but you "
                      "specified %s", self->dtype == RL_C64    ? "c10::complex<float>"
                                      : self->dtype == RL_C128 ? "c10::complex<double>"
                                      : limits[self->dtype].cpp ? limits[self->dtype].cpp : rl_dtypes[self->dtype].name);
    return fill(self, RL_F64, draw_cauchy, &(Law){.a = median, .b = sigma}, generator);
}

static int fill_log_normal(Tensor *self, double mean, double std, PyObject *generator) {
    if (!(std > 0)) return refuse("log_normal_ expects std > 0.0, but found std=%g", std);
    if (!RL_IS_FLOAT(self->dtype) && self->numel) return rl_not_implemented("log_normal_cpu", (RLDType)self->dtype);
    return fill(self, RL_F64, draw_log_normal, &(Law){.a = mean, .b = std}, generator);
}

/* ---------------------------------------------------------------- choices */

static void draw_bernoulli(RLRandom *r, void *out, int64_t n, const Law *law) { rl_bernoulli(r, out, n, law->a); }

int rl_fill_bernoulli(Tensor *self, double p, PyObject *generator) {
    if (!(p >= 0 && p <= 1)) return refuse("bernoulli_ expects p to be in [0, 1], but got p=%g", p);
    if (RL_IS_COMPLEX(self->dtype) && self->numel) return rl_not_implemented("bernoulli_scalar_cpu_", (RLDType)self->dtype);
    return fill(self, self->dtype == RL_BOOL ? RL_BOOL : RL_U8, draw_bernoulli, &(Law){.a = p}, generator);
}

int rl_fill_bernoulli_each(Tensor *self, Tensor *p, PyObject *generator) {
    if (!RL_IS_FLOAT(p->dtype)) return rl_not_implemented("bernoulli_tensor_cpu_p_", (RLDType)p->dtype);
    if (rl_check_overlap(self, 0, NULL) < 0) return -1;
    const int mode = rl_grad_mode;
    rl_grad_mode = 0;
    Tensor *wide = rl_expand(p, (Ints){self->size, self->ndim}, false);
    rl_grad_mode = mode;
    if (!wide) return -1;
    Tensor *order = NULL, *probs = NULL, *exact = NULL, *flat = NULL, *drawn = NULL;
    int perm[RL_MAXDIM], bad = -1;
    const int64_t *strides[] = {self->stride, wide->stride};
    if (self->numel == 0 || self->device != RL_CPU) { bad = 0; goto done; }
    rl_iter_order(2, self->ndim, self->size, strides, perm);
    order = permuted(self, perm);
    probs = permuted(wide, perm);
    exact = probs ? rl_to_dtype_raw(probs, p->dtype == RL_F64 ? RL_F64 : RL_F32) : NULL;
    flat = exact ? rl_contiguous_raw(exact) : NULL;
    drawn = order && flat ? rl_empty(order->ndim, order->size, RL_U8, RL_CPU) : NULL;
    if (!drawn) goto done;
    uint8_t *to = (uint8_t *)drawn->data;
    int64_t n = self->numel, made = flat->dtype == RL_F64 ? rl_bernoulli_f64(rl_rng(generator), to, (double *)flat->data, n)
                                                          : rl_bernoulli_f32(rl_rng(generator), to, (float *)flat->data, n);
    if (made < n) {
        refuse("Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, please "
               "report an enhancement request to PyTorch.)");
        goto done;
    }
    bad = rl_copy_raw(order, drawn);
done:
    Py_DECREF(wide);
    Py_XDECREF(order);
    Py_XDECREF(probs);
    Py_XDECREF(exact);
    Py_XDECREF(flat);
    Py_XDECREF(drawn);
    return bad;
}

/* ---------------------------------------------------------------- integers */

static void draw_from_to(RLRandom *r, void *out, int64_t n, const Law *law) { rl_random_from_to(r, out, n, law->range, law->base); }
static void draw_full(RLRandom *r, void *out, int64_t n, const Law *law) { rl_random_full(r, out, n, law->range, law->wide); }

/* v as a number of the dtype, and back. */
static int64_t rounded(int64_t v, RLDType dt) {
    switch (dt) {
        case RL_F32: return (int64_t)(float)v;
        case RL_F64: return (int64_t)(double)v;
        default: {             /* float16, bfloat16: keep `digits` bits of the float, ties to even */
            int e;
            double m = frexp((double)(float)v, &e);
            return (int64_t)ldexp(nearbyint(ldexp(m, limits[dt].digits)), e - limits[dt].digits);
        }
    }
}

/* Spacing of the dtype's numbers around v. */
static int64_t spacing(int64_t v, RLDType dt) {
    int n = 0;
    for (uint64_t u = v < 0 ? (uint64_t)-v : (uint64_t)v; u >>= 1;) n++;
    return INT64_C(1) << (n - limits[dt].digits + 1);
}

/* The bounds moved inside [from, to) where the dtype's rounding would leave it. */
static int64_t from_inside(int64_t from, RLDType dt) {
    int64_t next = rounded(from + 1, dt);
    return next < from ? next + spacing(from + 1, dt) : from;
}
static int64_t to_inside(int64_t to, RLDType dt) {
    int64_t last = rounded(to - 1, dt);
    return last >= to ? last - spacing(to - 1, dt) : to;
}

static int representable(int64_t v, const char *name, RLDType dt) {
    if (in_range((double)v, name, dt) < 0) return -1;
    const int64_t exact = INT64_C(1) << limits[dt].digits;
    if (!RL_IS_FLOAT(dt) || (v >= -exact && v <= exact)) return 0;
    return PyErr_WarnFormat(PyExc_UserWarning, 1,
                            "%s is out of bounds [-(2^%d), 2^%d]. Due to precision limitations %s can support discrete uniform "
                            "distribution only within this range. This warning will become an error in version 1.7 release, please "
                            "fix the code in advance", name, limits[dt].digits, limits[dt].digits, limits[dt].cpp);
}

int rl_fill_random(Tensor *self, int64_t from, int64_t to, PyObject *generator) {
    const RLDType dt = (RLDType)self->dtype;
    const bool is_float = RL_IS_FLOAT(dt);
    if (to == RL_NO_INT && from == INT64_MIN) { /* every int64: a range of 2^64, which is written 0 */
        static const char kernel[] = "random_full_64_bits_range_kernel_cpu";
        if (self->numel && (dt == RL_BOOL || dt == RL_F16 || RL_IS_COMPLEX(dt))) return rl_not_implemented(kernel, dt);
        if (self->numel && dt != RL_I64 && dt != RL_F64 && dt != RL_F32 && dt != RL_BF16)
            return refuse("%s handles only int64, double, float and bfloat16", kernel);
        return fill(self, RL_I64, draw_from_to, &(Law){.range = 0, .base = from}, generator);
    }
    int64_t last;
    if (to != RL_NO_INT) {
        if (!(from < to)) return refuse("random_ expects 'from' to be less than 'to', but got from=%lld >= to=%lld", (long long)from, (long long)to);
        if (is_float) {
            from = from_inside(from, dt);
            to = to_inside(to, dt);
            if (!(from < to))
                return refuse("random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from=%lld >= to=%lld",
                              (long long)from, (long long)to);
        }
        last = to - 1;
    } else if (is_float) {
        last = INT64_C(1) << limits[dt].digits;
        from = from_inside(from, dt);
        if (!(from < last))
            return refuse("random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' casted to dtype, but got "
                          "from=%lld > to_inc=%lld", (long long)from, (long long)last);
    } else {
        last = dt == RL_I64 ? INT64_MAX : (int64_t)limits[dt].max;
    }
    if (!limits[dt].cpp)
        return refuse("%s handles only integral, floating-point and boolean types", to == RL_NO_INT ? "random_from_to_impl" : "check_random_bounds");
    if (representable(from, "from", dt) < 0 || representable(last, "to - 1", dt) < 0) return -1;
    return fill(self, RL_I64, draw_from_to, &(Law){.range = (uint64_t)last - (uint64_t)from + 1, .base = from}, generator);
}

/* random_() without bounds: every value of an integer type, and of a float's exact integers 0 .. 2^digits. */
static int fill_random_full(Tensor *self, PyObject *generator) {
    const RLDType dt = (RLDType)self->dtype;
    if (!limits[dt].cpp) return self->numel ? rl_not_implemented("random_kernel_cpu", dt) : 0;
    Law law = {.range = (UINT64_C(1) << limits[dt].digits) + RL_IS_FLOAT(dt), .wide = dt == RL_I64 || dt == RL_F64};
    return fill(self, RL_I64, draw_full, &law, generator);
}

/* ---------------------------------------------------------------- methods: versions and history */

int rl_zero_gradients(Node *n, Tensor **in, Tensor **out) {
    if (!in[0]) return 0;
    for (int i = 0; i < n->n_edges; i++) {
        if (!n->edges[i].node) continue;
        Ints size = n->args[i].ints;
        out[i] = rl_full_scalar(size.n, size.v, (Scalar){'i', {.i = 0}, 0}, (RLDType)in[0]->dtype, in[0]->device);
        if (!out[i]) return -1;
    }
    return 0;
}

#define FORGETS(NAME, SHOWN) static const NodeDef NAME = {SHOWN, rl_zero_gradients, 0, 2, NULL};
FORGETS(normal_node, "NormalBackward0")
FORGETS(uniform_node, "UniformBackward0")
FORGETS(random_from_node, "RandomBackward0")
FORGETS(random_to_node, "RandomBackward1")
FORGETS(random_node, "RandomBackward2")
FORGETS(bernoulli_each_node, "BernoulliBackward1")
FORGETS(bernoulli_node, "BernoulliBackward2")
FORGETS(exponential_node, "ExponentialBackward0")
FORGETS(geometric_node, "GeometricBackward0")
FORGETS(cauchy_node, "CauchyBackward0")
FORGETS(log_normal_node, "LogNormalBackward0")

/* After the write: what self was no longer matters, so its gradient (and p's) is zero. */
static Tensor *overwritten(Tensor *self, Tensor *p, const NodeDef *def) {
    rl_bump(self);
    if (p ? rl_any_grad2(self, p) : rl_any_grad1(self)) {
        Node *n = rl_node_new(def, p ? 2 : 1);
        if (!n) return NULL;
        int bad = rl_node_edge(n, 0, self);
        bad |= rl_node_save_ints(n, 0, (Ints){self->size, self->ndim});
        if (p) {
            bad |= rl_node_edge(n, 1, p);
            bad |= rl_node_save_ints(n, 1, (Ints){p->size, p->ndim});
        }
        if (!bad) bad = rl_rebase_history(self, n, 0);
        Py_DECREF(n);
        if (bad) return NULL;
    }
    return (Tensor *)Py_NewRef((PyObject *)self);
}

#define METHOD(SIGNATURE, FILL, P, NODE)                                             \
    Tensor *SIGNATURE {                                                              \
        if (rl_check_inplace(self, rl_any_grad1(self)) < 0 || FILL < 0) return NULL; \
        return overwritten(self, P, &NODE);                                          \
    }
METHOD(rl_normal_(Tensor *self, double mean, double std, PyObject *g), rl_fill_normal(self, mean, std, g), NULL, normal_node)
METHOD(rl_uniform_(Tensor *self, double from, double to, PyObject *g), rl_fill_uniform(self, from, to, g), NULL, uniform_node)
METHOD(rl_random__from(Tensor *self, int64_t from, int64_t to, PyObject *g), rl_fill_random(self, from, to, g), NULL, random_from_node)
METHOD(rl_random__to(Tensor *self, int64_t to, PyObject *g), rl_fill_random(self, 0, to, g), NULL, random_to_node)
METHOD(rl_random_(Tensor *self, PyObject *g), fill_random_full(self, g), NULL, random_node)
METHOD(rl_bernoulli_(Tensor *self, double p, PyObject *g), rl_fill_bernoulli(self, p, g), NULL, bernoulli_node)
METHOD(rl_bernoulli__tensor(Tensor *self, Tensor *p, PyObject *g), rl_fill_bernoulli_each(self, p, g), p, bernoulli_each_node)
METHOD(rl_exponential_(Tensor *self, double lambd, PyObject *g), rl_fill_exponential(self, lambd, g), NULL, exponential_node)
METHOD(rl_geometric_(Tensor *self, double p, PyObject *g), fill_geometric(self, p, g), NULL, geometric_node)
METHOD(rl_cauchy_(Tensor *self, double median, double sigma, PyObject *g), fill_cauchy(self, median, sigma, g), NULL, cauchy_node)
METHOD(rl_log_normal_(Tensor *self, double mean, double std, PyObject *g), fill_log_normal(self, mean, std, g), NULL, log_normal_node)
