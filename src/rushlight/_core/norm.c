/* norm.c -- layer, group and batch normalisation of tensors, over the kernels of norm.h.
 *
 *     out = (x - mean) * rstd * w + b,  rstd = 1 / sqrt(var + eps)
 *
 * with mean and var taken over a row (layer), a group of channels of one sample (group) or a channel of all samples
 * (batch).  With m elements in such a set and u = g * w,
 *     grad_x = rstd * (u - sum(u) / m - (x - mean) * rstd^2 * sum(u * (x - mean)) / m)
 *     grad_w = sum(g * (x - mean)) * rstd        grad_b = sum(g)
 * Layer and group norm take their statistics anew in the backward pass: the elements come into the cache anyway, and the
 * graph holds nothing but the input.  Half precision is computed in float32.
 */
#include <math.h>

#include "isa.h"
#include "norm.h"
#include "rl_ops.h"
#include "runtime.h"
#include "sizes_text.h"

extern const RLNormKernels *const rl_norm_kernels_base[2];
#if defined(__x86_64__) || defined(_M_X64)
extern const RLNormKernels *const rl_norm_kernels_avx2[2], *const rl_norm_kernels_avx512[2];
#endif

static const RLNormKernels *kernels_for(RLDType work) {
    static const RLNormKernels *const *best;
    if (RL_UNLIKELY(!best)) {
        best = rl_norm_kernels_base;
#if defined(__x86_64__) || defined(_M_X64)
        const RLIsa isa = rl_isa_best();
        best = isa >= RL_ISA_AVX512 ? rl_norm_kernels_avx512 : isa >= RL_ISA_AVX2 ? rl_norm_kernels_avx2 : best;
#endif
    }
    return best[work == RL_F64];
}

#define GRAIN 16384 /* elements: less is not worth a thread's waking */

/* One normalisation under way: what the threads share.  Pointers to elements are of the working dtype. */
typedef struct {
    const RLNormKernels *k;
    int64_t item;              /* bytes of an element */
    int64_t n, c, s;           /* samples, channels, positions; for layer norm rows, 1, columns */
    int64_t groups;
    double eps;
    bool training;
    const char *x, *g, *w, *b;
    char *out;                 /* the result, or grad_x, or NULL when that is not wanted */
    double *mean, *rstd;
    double *scale, *shift;     /* by channel: w and b as numbers */
    double *acc_g, *acc_gx;    /* by channel or column: sum(g), sum(g * (x - mean)) */
} Run;

static RLDType work_dtype(RLDType dt) { return dt == RL_F64 ? RL_F64 : RL_F32; }

/* A contiguous tensor of the dtype; NULL stays NULL without an error. */
static Tensor *as(Tensor *t, RLDType dt) {
    if (!t) return NULL;
    if (t->dtype == dt && RL_IS_CONTIGUOUS(t)) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *d = rl_to_dtype_raw(t, dt), *c = d ? rl_contiguous_raw(d) : NULL;
    Py_XDECREF(d);
    return c;
}

static Tensor *delivered(Tensor *t, RLDType dt) {
    if (!t || t->dtype == dt) return t;
    Tensor *r = rl_to_dtype_raw(t, dt);
    Py_DECREF(t);
    return r;
}

static Tensor *doubles(int64_t n, double fill) {
    Tensor *t = rl_empty(1, &n, RL_F64, RL_CPU);
    for (int64_t i = 0; t && i < n; i++) ((double *)t->data)[i] = fill;
    return t;
}
static inline double *numbers(Tensor *t) { return t ? (double *)t->data : NULL; }

/* Parameters share the input's dtype, or are float32 beside a half-precision input. */
static int check_dtypes(Tensor *x, const char *name, int n, Tensor *const *params) {
    if (!RL_IS_FLOAT(x->dtype) || RL_ITEMSIZE(x->dtype) < 2) return rl_not_implemented(name, (RLDType)x->dtype);
    for (int i = 0; i < n; i++) {
        if (!params[i] || params[i]->dtype == x->dtype) continue;
        if (params[i]->dtype == RL_F32 && (x->dtype == RL_F16 || x->dtype == RL_BF16)) continue;
        PyErr_SetString(PyExc_RuntimeError, params[i]->dtype == RL_F32 ? "mixed dtype (CPU): all inputs must share same datatype."
                                                                        : "mixed dtype (CPU): expect parameter to have scalar type of Float");
        return -1;
    }
    return 0;
}

/* The tensors of one call in their working form; release() gives all of it back. */
typedef struct { Tensor *x, *g, *w, *b, *out, *scratch; } Held;

static void release(Held *h) {
    Py_XDECREF(h->x); Py_XDECREF(h->g); Py_XDECREF(h->w); Py_XDECREF(h->b); Py_XDECREF(h->out); Py_XDECREF(h->scratch);
}

/* with_out: make room for a result like x. */
static int hold(Held *h, Run *r, Tensor *x, Tensor *g, Tensor *w, Tensor *b, RLDType w_dtype, bool with_out) {
    const RLDType work = work_dtype((RLDType)x->dtype);
    *h = (Held){.x = as(x, work)};
    if (!h->x || (g && !(h->g = as(g, work))) || (w && !(h->w = as(w, w_dtype))) || (b && !(h->b = as(b, w_dtype))) ||
        (with_out && !(h->out = rl_empty(x->ndim, x->size, work, RL_CPU)))) {
        release(h);
        return -1;
    }
    r->k = kernels_for(work);
    r->item = RL_ITEMSIZE(work);
    r->x = h->x->data;
    r->g = g ? h->g->data : NULL;
    r->w = w ? h->w->data : NULL;
    r->b = b ? h->b->data : NULL;
    r->out = with_out ? h->out->data : NULL;
    return 0;
}

static inline void moments(const Run *r, int64_t n, const char *x, double *mean, double *rstd) {
    *mean = r->k->sum(n, x) / (double)n;
    *rstd = 1 / sqrt(r->k->squares(n, x, *mean) / (double)n + r->eps);
}

/* Sums as a tensor of the parameter's shape and dtype. */
static Tensor *summed(const double *sums, Tensor *like, int ndim, const int64_t *size, RLDType dt) {
    Tensor *t = rl_empty(ndim, size, RL_F64, RL_CPU);
    if (!t) return NULL;
    memcpy(t->data, sums, (size_t)t->numel * sizeof *sums);
    return delivered(t, like ? (RLDType)like->dtype : dt);
}

static int finish(Tensor **out, bool needs_input, bool needs_weight, bool needs_bias) {
    if ((!needs_input || out[0]) && (!needs_weight || out[1]) && (!needs_bias || out[2])) return 0;
    for (int i = 0; i < 3; i++) Py_CLEAR(out[i]);
    return -1;
}

/* ---------------------------------------------------------------- layer norm */

static int check_layer_norm(Tensor *x, Ints shape, Tensor *w, Tensor *b) {
    SizesText a, c;
    if (shape.n < 1) {
        PyErr_Format(PyExc_RuntimeError, "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but "
                     "got normalized_shape = []");
        return -1;
    }
    Tensor *const params[] = {w, b};
    for (int i = 0; i < 2; i++) {
        Tensor *p = params[i];
        if (!p || (p->ndim == shape.n && memcmp(p->size, shape.v, (size_t)shape.n * sizeof *shape.v) == 0)) continue;
        PyErr_Format(PyExc_RuntimeError, "Expected %s to be of same shape as normalized_shape, but got %s of shape [%s] and normalized_shape = "
                     "[%s]", i ? "bias" : "weight", i ? "bias" : "weight", rl_shape_text(&a, p), rl_sizes_text(&c, shape, ", "));
        return -1;
    }
    if (x->ndim < shape.n || memcmp(x->size + x->ndim - shape.n, shape.v, (size_t)shape.n * sizeof *shape.v) != 0) {
        PyErr_Format(PyExc_RuntimeError, "Given normalized_shape=[%s], expected input with shape [*, %s], but got input of size[%s]",
                     rl_sizes_text(&a, shape, ", "), rl_sizes_text(&a, shape, ", "), rl_shape_text(&c, x));
        return -1;
    }
    return check_dtypes(x, "LayerNormKernelImpl", 2, params);
}

static void layer_rows(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i * r->s * r->item;
        double mean, rstd;
        moments(r, r->s, r->x + at, &mean, &rstd);
        r->k->affine(r->s, r->x + at, mean, rstd, r->w, r->b, r->out + at);
    }
}

Tensor *impl_layer_norm(Tensor *x, Ints shape, Tensor *w, Tensor *b, double eps, bool cudnn_enable) {
    (void)cudnn_enable;
    if (check_layer_norm(x, shape, w, b) < 0) return NULL;
    if (x->device != RL_CPU || x->numel == 0) return rl_empty(x->ndim, x->size, (RLDType)x->dtype, x->device);
    Held h;
    Run r = {.s = rl_count_of(shape), .eps = eps};
    if (hold(&h, &r, x, NULL, w, b, work_dtype((RLDType)x->dtype), true) < 0) return NULL;
    rl_parallel_for(x->numel / r.s, GRAIN / r.s + 1, layer_rows, &r);
    Tensor *out = h.out;
    h.out = NULL;
    release(&h);
    return delivered(out, (RLDType)x->dtype);
}

static void layer_grad_rows(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const double n = (double)r->s;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i * r->s * r->item;
        double sum_g, sum_gx;
        moments(r, r->s, r->x + at, &r->mean[i], &r->rstd[i]);
        if (!r->out) continue;
        const double mean = r->mean[i], rstd = r->rstd[i];
        if (r->w) r->k->weighted(r->s, r->g + at, r->x + at, r->w, mean, &sum_g, &sum_gx);
        else r->k->products(r->s, r->g + at, r->x + at, mean, &sum_g, &sum_gx);
        const double b = -rstd * rstd * rstd * sum_gx / n, c = -rstd * sum_g / n;
        if (r->w) r->k->combine_weighted(r->s, r->g + at, r->x + at, r->w, mean, rstd, b, c, r->out + at);
        else r->k->combine(r->s, r->g + at, r->x + at, mean, rstd, b, c, r->out + at);
    }
}

static void layer_grad_columns(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t i = 0; i < r->n; i++) {
        const int64_t at = (i * r->s + begin) * r->item;
        r->k->add_row(end - begin, r->g + at, r->x + at, r->mean[i], r->rstd[i], r->acc_g + begin, r->acc_gx + begin);
    }
}

int rl_layer_norm_backward(Tensor *grad, Tensor *x, Ints shape, Tensor *w, double eps, bool needs_input, bool needs_weight, bool needs_bias,
                           Tensor **out) {
    if (rl_any_grad_list((Tensors){(Tensor *[]){grad, x, w}, 3}) && x->numel)
        return rl_layer_norm_backward_composed(grad, x, shape, w, eps, needs_input, needs_weight, needs_bias, out);
    const RLDType dt = (RLDType)x->dtype;
    Held h;
    Run r = {.s = rl_count_of(shape), .eps = eps};
    if (hold(&h, &r, x, grad, w, NULL, work_dtype(dt), needs_input) < 0) return -1;
    r.n = x->numel ? x->numel / r.s : 0;
    if (!(h.scratch = doubles(2 * r.n + 2 * r.s, 0))) { release(&h); return -1; }
    r.mean = numbers(h.scratch);
    r.rstd = r.mean + r.n;
    r.acc_g = r.rstd + r.n;
    r.acc_gx = r.acc_g + r.s;
    if (x->numel) {
        rl_parallel_for(r.n, GRAIN / r.s + 1, layer_grad_rows, &r);
        if (needs_weight || needs_bias) rl_parallel_for(r.s, GRAIN / r.n + 16, layer_grad_columns, &r);
    }
    if (needs_input) { out[0] = delivered(h.out, dt); h.out = NULL; }
    if (needs_weight) out[1] = summed(r.acc_gx, w, shape.n, shape.v, dt);
    if (needs_bias) out[2] = summed(r.acc_g, w, shape.n, shape.v, dt);
    release(&h);
    return finish(out, needs_input, needs_weight, needs_bias);
}

/* ---------------------------------------------------------------- group norm */

static int check_group_norm(Tensor *x, int64_t groups, Tensor *w, Tensor *b) {
    SizesText a, c;
    if (x->ndim < 2) {
        PyErr_Format(PyExc_RuntimeError, "Expected at least 2 dimensions for input tensor but received %d", x->ndim);
        return -1;
    }
    if (groups == 0) {
        PyErr_SetString(PyExc_ZeroDivisionError, "integer division or modulo by zero");
        return -1;
    }
    if (groups < 0) {
        PyErr_Format(PyExc_RuntimeError, "Expected num groups to be greater than 0, got %lld", (long long)groups);
        return -1;
    }
    /* A group of one element is its own mean. PyTorch counts like this, channels that do not divide evenly included. */
    int64_t count = x->size[0] * x->size[1] / groups;
    for (int i = 2; i < x->ndim; i++) count *= x->size[i];
    if (count == 1) {
        PyErr_Format(PyExc_ValueError, "Expected more than 1 value per channel when training, got input size [%s]", rl_shape_text(&a, x));
        return -1;
    }
    if (x->size[1] % groups) {
        PyErr_Format(PyExc_RuntimeError, "Expected number of channels in input to be divisible by num_groups, but got input of shape [%s] and "
                     "num_groups=%lld", rl_shape_text(&a, x), (long long)groups);
        return -1;
    }
    Tensor *const params[] = {w, b};
    for (int i = 0; i < 2; i++)
        if (params[i] && (params[i]->ndim != 1 || params[i]->numel != x->size[1])) {
            PyErr_Format(PyExc_RuntimeError, "Expected %s to be a vector of size equal to the number of channels in input, but got %s of shape "
                         "[%s] and input of shape [%s]", i ? "bias" : "weight", i ? "bias" : "weight", rl_shape_text(&a, params[i]),
                         rl_shape_text(&c, x));
            return -1;
        }
    return check_dtypes(x, "GroupNormKernelImpl", 2, params);
}

static void set_planes(Run *r, Tensor *x) {
    r->n = x->size[0];
    r->c = x->size[1];
    r->s = 1;
    for (int i = 2; i < x->ndim; i++) r->s *= x->size[i];
}

static void group_runs(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const int64_t per = r->c / r->groups;
    for (int64_t i = begin; i < end; i++) {
        double mean, rstd;
        const char *x = r->x + i * per * r->s * r->item;
        char *out = r->out + i * per * r->s * r->item;
        moments(r, per * r->s, x, &mean, &rstd);
        for (int64_t c = i % r->groups * per, last = c + per; c < last; c++, x += r->s * r->item, out += r->s * r->item)
            r->k->scale(r->s, x, mean, r->scale ? rstd * r->scale[c] : rstd, r->shift ? r->shift[c] : 0, out);
    }
}

Tensor *impl_group_norm(Tensor *x, int64_t groups, Tensor *w, Tensor *b, double eps, bool cudnn_enabled) {
    (void)cudnn_enabled;
    if (check_group_norm(x, groups, w, b) < 0) return NULL;
    if (x->device != RL_CPU || x->numel == 0) return rl_empty(x->ndim, x->size, (RLDType)x->dtype, x->device);
    Held h;
    Run r = {.groups = groups, .eps = eps};
    if (hold(&h, &r, x, NULL, w, b, RL_F64, true) < 0) return NULL;
    set_planes(&r, x);
    r.scale = numbers(h.w);
    r.shift = numbers(h.b);
    rl_parallel_for(r.n * groups, GRAIN / (r.c / groups * r.s) + 1, group_runs, &r);
    Tensor *out = h.out;
    h.out = NULL;
    release(&h);
    return delivered(out, (RLDType)x->dtype);
}

/* By groups, so that one thread sees all samples of a channel. */
static void group_grads(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const int64_t per = r->c / r->groups, step = r->s * r->item;
    const double count = (double)(per * r->s);
    for (int64_t group = begin; group < end; group++)
        for (int64_t i = 0; i < r->n; i++) {
            const int64_t first = group * per, at = (i * r->c + first) * step;
            double mean, rstd, sum_u = 0, sum_ux = 0, sum_g, sum_gx;
            moments(r, per * r->s, r->x + at, &mean, &rstd);
            for (int64_t k = 0; k < per; k++) {
                const double w = r->scale ? r->scale[first + k] : 1;
                r->k->products(r->s, r->g + at + k * step, r->x + at + k * step, mean, &sum_g, &sum_gx);
                sum_u += w * sum_g;
                sum_ux += w * sum_gx;
                r->acc_g[first + k] += sum_g;
                r->acc_gx[first + k] += sum_gx * rstd;
            }
            if (!r->out) continue;
            const double b = -rstd * rstd * rstd * sum_ux / count, c = -rstd * sum_u / count;
            for (int64_t k = 0; k < per; k++) {
                const int64_t here = at + k * step;
                r->k->combine(r->s, r->g + here, r->x + here, mean, r->scale ? rstd * r->scale[first + k] : rstd, b, c, r->out + here);
            }
        }
}

int rl_group_norm_backward(Tensor *grad, Tensor *x, int64_t groups, Tensor *w, double eps, bool needs_input, bool needs_weight,
                           bool needs_bias, Tensor **out) {
    if (rl_any_grad_list((Tensors){(Tensor *[]){grad, x, w}, 3}) && x->numel)
        return rl_group_norm_backward_composed(grad, x, groups, w, eps, needs_input, needs_weight, needs_bias, out);
    const RLDType dt = (RLDType)x->dtype;
    Held h;
    Run r = {.groups = groups, .eps = eps};
    if (hold(&h, &r, x, grad, w, NULL, RL_F64, needs_input) < 0) return -1;
    set_planes(&r, x);
    r.scale = numbers(h.w);
    if (!(h.scratch = doubles(2 * r.c, 0))) { release(&h); return -1; }
    r.acc_g = numbers(h.scratch);
    r.acc_gx = r.acc_g + r.c;
    if (x->numel) rl_parallel_for(groups, GRAIN / (x->numel / groups) + 1, group_grads, &r);
    if (needs_input) { out[0] = delivered(h.out, dt); h.out = NULL; }
    if (needs_weight) out[1] = summed(r.acc_gx, w, 1, &r.c, dt);
    if (needs_bias) out[2] = summed(r.acc_g, w, 1, &r.c, dt);
    release(&h);
    return finish(out, needs_input, needs_weight, needs_bias);
}

/* ---------------------------------------------------------------- batch norm */

static int check_batch_norm(Tensor *x, Tensor *mean, Tensor *var, Tensor *w, Tensor *b, bool training) {
    static const char *const names[] = {"running_mean", "running_var", "weight", "bias"};
    Tensor *const given[] = {mean, var, w, b};
    const int64_t c = x->ndim > 1 ? x->size[1] : 0;
    if (!mean != !var && training) {
        PyErr_SetString(PyExc_ValueError, "running_mean and running_var must either both be None or neither be None");
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        if (i < 2 && !given[i] && !training) {
            PyErr_Format(PyExc_RuntimeError, "%s must be defined in evaluation mode", names[i]);
            return -1;
        }
        if (given[i] && given[i]->numel != c) {
            PyErr_Format(PyExc_RuntimeError, "%s should contain %lld elements not %lld", names[i], (long long)c, (long long)given[i]->numel);
            return -1;
        }
    }
    return check_dtypes(x, "batch_norm", 4, given);
}

static void batch_moments(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const double count = (double)(r->n * r->s);
    for (int64_t c = begin; c < end; c++) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < r->n; i++) sum += r->k->sum(r->s, r->x + (i * r->c + c) * r->s * r->item);
        r->mean[c] = sum / count;
        for (int64_t i = 0; i < r->n; i++) squares += r->k->squares(r->s, r->x + (i * r->c + c) * r->s * r->item, r->mean[c]);
        r->rstd[c] = squares / count;
    }
}

/* Without positions a sample is a row of channels. */
static void batch_moments_of_rows(const Run *r) {
    for (int64_t i = 0; i < r->n; i++) r->k->add(r->c, r->x + i * r->c * r->item, r->mean);
    for (int64_t c = 0; c < r->c; c++) r->mean[c] /= (double)r->n;
    for (int64_t i = 0; i < r->n; i++) r->k->add_squares(r->c, r->x + i * r->c * r->item, r->mean, r->rstd);
    for (int64_t c = 0; c < r->c; c++) r->rstd[c] /= (double)r->n;
}

/* running = (1 - momentum) * running + momentum * value */
static int blend(Tensor *running, double momentum, const double *value, double factor) {
    Tensor *t = as(running, RL_F64);
    Tensor *blended = t ? rl_empty(running->ndim, running->size, RL_F64, RL_CPU) : NULL;
    for (int64_t c = 0; blended && c < running->numel; c++)
        numbers(blended)[c] = (1 - momentum) * numbers(t)[c] + momentum * factor * value[c];
    const int bad = !blended || rl_copy_raw(running, blended) < 0;
    Py_XDECREF(t);
    Py_XDECREF(blended);
    rl_bump(running);
    return bad ? -1 : 0;
}

/* Mean and 1 / sqrt(var + eps) of each channel, as one float64 tensor (2, C); brings running statistics up to date. */
static Tensor *batch_statistics(Tensor *x, Tensor *mean, Tensor *var, bool training, double momentum, double eps) {
    const int64_t c = x->size[1];
    Tensor *stats = doubles(2 * c, 0);
    if (!stats || x->numel == 0 || x->device != RL_CPU) return stats;
    Run r = {.mean = numbers(stats), .rstd = numbers(stats) + c};
    if (training) {
        Held h;
        if (hold(&h, &r, x, NULL, NULL, NULL, RL_F64, false) < 0) goto fail;
        set_planes(&r, x);
        const double count = (double)(r.n * r.s);
        if (r.s == 1) batch_moments_of_rows(&r);
        else rl_parallel_for(c, GRAIN / (r.n * r.s) + 1, batch_moments, &r);
        release(&h);
        if (mean && blend(mean, momentum, r.mean, 1) < 0) goto fail;
        if (var && blend(var, momentum, r.rstd, count / (count - 1)) < 0) goto fail;
    } else {
        Tensor *m = as(mean, RL_F64), *v = m ? as(var, RL_F64) : NULL;
        if (v) {
            memcpy(r.mean, m->data, (size_t)c * sizeof(double));
            memcpy(r.rstd, v->data, (size_t)c * sizeof(double));
        }
        Py_XDECREF(m);
        Py_XDECREF(v);
        if (!v) goto fail;
    }
    for (int64_t i = 0; i < c; i++) r.rstd[i] = 1 / sqrt(r.rstd[i] + eps);
    return stats;
fail:
    Py_DECREF(stats);
    return NULL;
}

static Tensor *batch_norm(Tensor *x, Tensor *mean, Tensor *var, Tensor *w, Tensor *b, bool training, double momentum, double eps) {
    if (check_batch_norm(x, mean, var, w, b, training) < 0) return NULL;
    if (x->ndim == 1 && x->numel == 0) return rl_clone(x, -1); /* no channels: PyTorch lets it pass */
    if (x->ndim < 2) {
        PyErr_SetString(PyExc_IndexError, "Dimension out of range (expected to be in range of [-1, 0], but got 1)");
        return NULL;
    }
    Tensor *stats = batch_statistics(x, mean, var, training, momentum, eps);
    Tensor *out = stats ? rl_batch_norm_apply(x, w, b, stats, training, eps) : NULL;
    Py_XDECREF(stats);
    return out;
}

Tensor *rl_batch_norm(Tensor *x, Tensor *mean, Tensor *var, Tensor *w, Tensor *b, bool training, double momentum, double eps) {
    if (training) {
        int64_t count = x->ndim ? x->size[0] : 1;
        for (int i = 2; i < x->ndim; i++) count *= x->size[i];
        if (count == 1) {
            SizesText text;
            PyErr_Format(PyExc_ValueError, "Expected more than 1 value per channel when training, got input size torch.Size([%s])",
                         rl_shape_text(&text, x));
            return NULL;
        }
    }
    return batch_norm(x, mean, var, w, b, training, momentum, eps);
}

Tensor *rl_batch_norm_native(Tensor *x, Tensor *w, Tensor *b, Tensor *mean, Tensor *var, bool training, double momentum, double eps,
                             bool cudnn_enabled) {
    (void)cudnn_enabled;
    return batch_norm(x, mean, var, w, b, training, momentum, eps);
}

static void batch_scale(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t c = i % r->c, at = i * r->s * r->item;
        r->k->scale(r->s, r->x + at, r->mean[c], r->scale[c], r->shift[c], r->out + at);
    }
}

Tensor *impl_batch_norm_apply(Tensor *x, Tensor *w, Tensor *b, Tensor *stats, bool training, double eps) {
    (void)training, (void)eps; /* for the backward pass */
    if (x->device != RL_CPU || x->numel == 0) return rl_empty(x->ndim, x->size, (RLDType)x->dtype, x->device);
    Held h;
    Run r = {0};
    if (hold(&h, &r, x, NULL, w, b, RL_F64, true) < 0) return NULL;
    set_planes(&r, x);
    if (!(h.scratch = doubles(2 * r.c, 0))) { release(&h); return NULL; }
    r.mean = numbers(stats);
    r.rstd = r.mean + r.c;
    r.scale = numbers(h.scratch);
    r.shift = r.scale + r.c;
    for (int64_t c = 0; c < r.c; c++) {
        r.scale[c] = h.w ? r.rstd[c] * numbers(h.w)[c] : r.rstd[c];
        r.shift[c] = h.b ? numbers(h.b)[c] : 0;
    }
    if (r.s == 1)
        for (int64_t i = 0; i < r.n; i++)
            r.k->scale_columns(r.c, r.x + i * r.c * r.item, r.mean, r.scale, r.shift, r.out + i * r.c * r.item);
    else
        rl_parallel_for(r.n * r.c, GRAIN / r.s + 1, batch_scale, &r);
    Tensor *out = h.out;
    h.out = NULL;
    release(&h);
    return delivered(out, (RLDType)x->dtype);
}

/* a, b, c of grad_x = a g + b (x - mean) + c; running statistics do not depend on x. */
static inline void batch_factors(const Run *r, int64_t c, double *a, double *b, double *k) {
    const double count = (double)(r->n * r->s), rstd = r->rstd[c];
    *a = rstd * (r->scale ? r->scale[c] : 1);
    *b = r->training ? -*a * rstd * rstd * r->acc_gx[c] / count : 0;
    *k = r->training ? -*a * r->acc_g[c] / count : 0;
}

static void batch_grads(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t c = begin; c < end; c++) {
        double sum_g, sum_gx, a, b, k;
        for (int64_t i = 0; i < r->n; i++) {
            const int64_t at = (i * r->c + c) * r->s * r->item;
            r->k->products(r->s, r->g + at, r->x + at, r->mean[c], &sum_g, &sum_gx);
            r->acc_g[c] += sum_g;
            r->acc_gx[c] += sum_gx;
        }
        if (!r->out) continue;
        batch_factors(r, c, &a, &b, &k);
        for (int64_t i = 0; i < r->n; i++) {
            const int64_t at = (i * r->c + c) * r->s * r->item;
            r->k->combine(r->s, r->g + at, r->x + at, r->mean[c], a, b, k, r->out + at);
        }
    }
}

static int batch_grads_of_rows(const Run *r) {
    const int64_t row = r->c * r->item;
    for (int64_t i = 0; i < r->n; i++) r->k->add_products(r->c, r->g + i * row, r->x + i * row, r->mean, r->acc_g, r->acc_gx);
    if (!r->out) return 0;
    Tensor *factors = doubles(3 * r->c, 0);
    if (!factors) return -1;
    double *a = numbers(factors), *b = a + r->c, *k = b + r->c;
    for (int64_t c = 0; c < r->c; c++) batch_factors(r, c, &a[c], &b[c], &k[c]);
    for (int64_t i = 0; i < r->n; i++) r->k->combine_columns(r->c, r->g + i * row, r->x + i * row, r->mean, a, b, k, r->out + i * row);
    Py_DECREF(factors);
    return 0;
}

int rl_batch_norm_backward(Tensor *grad, Tensor *x, Tensor *w, Tensor *stats, bool training, double eps, bool needs_input,
                           bool needs_weight, bool needs_bias, Tensor **out) {
    if (rl_any_grad_list((Tensors){(Tensor *[]){grad, x, w}, 3}) && x->numel)
        return rl_batch_norm_backward_composed(grad, x, w, stats, training, eps, needs_input, needs_weight, needs_bias, out);
    const RLDType dt = (RLDType)x->dtype;
    Held h;
    Run r = {.training = training, .eps = eps, .mean = numbers(stats)};
    if (hold(&h, &r, x, grad, w, NULL, RL_F64, needs_input) < 0) return -1;
    set_planes(&r, x);
    r.rstd = r.mean + r.c;
    r.scale = numbers(h.w);
    if (!(h.scratch = doubles(2 * r.c, 0))) { release(&h); return -1; }
    r.acc_g = numbers(h.scratch);
    r.acc_gx = r.acc_g + r.c;
    if (x->numel && r.s == 1) {
        if (batch_grads_of_rows(&r) < 0) { release(&h); return -1; }
    } else if (x->numel) {
        rl_parallel_for(r.c, GRAIN / (r.n * r.s) + 1, batch_grads, &r);
    }
    for (int64_t c = 0; c < r.c; c++) r.acc_gx[c] *= r.rstd[c];
    if (needs_input) { out[0] = delivered(h.out, dt); h.out = NULL; }
    if (needs_weight) out[1] = summed(r.acc_gx, w, 1, &r.c, dt);
    if (needs_bias) out[2] = summed(r.acc_g, w, 1, &r.c, dt);
    release(&h);
    return finish(out, needs_input, needs_weight, needs_bias);
}
