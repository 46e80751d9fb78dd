/* batch_norm.c -- batch normalisation of tensors, over the kernels of norm.h.
 *
 *     out = (x - mean) * rstd * w + b,  rstd = 1 / sqrt(var + eps)
 *
 * with mean and var of a channel of all samples; the gradients are those of norm.c.  Samples without positions (N, C) are
 * rows of channels and have kernels of their own, which go along the rows.
 */
#include <math.h>

#include "norm_run.h"
#include "rl_ops.h"
#include "runtime.h"
#include "sizes_text.h"

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
            SizesText shape;
            rl_hint("the input is [%s]: dimension 1 is the features, of which the layer has %lld", rl_shape_text(&shape, x),
                    (long long)given[i]->numel);
            return -1;
        }
    }
    return rl_norm_check_dtypes(x, "batch_norm", 4, given);
}

/* Rows are taken in blocks that depend on the shape alone.  Makes room for two numbers a column in each; -1 on error. */
static int64_t cut_rows(Run *r, Held *h) {
    enum { MAX_BLOCKS = 16, MIN_ROWS = 32 };
    const int64_t grain = NORM_GRAIN / r->c + 1, share = (r->n + MAX_BLOCKS - 1) / MAX_BLOCKS;
    r->block = grain > share ? grain : share;
    if (r->block < MIN_ROWS) r->block = MIN_ROWS;
    const int64_t blocks = (r->n + r->block - 1) / r->block, size = 2 * r->c * blocks;
    if (!(h->scratch = rl_empty(1, &size, RL_F64, RL_CPU))) return -1;
    r->parts = h->scratch->data;
    return blocks;
}

static inline int64_t block_rows(const Run *r, int64_t i) {
    return r->n - i * r->block < r->block ? r->n - i * r->block : r->block;
}

/* Numbers of the columns in the type of the elements, as the kernels of rows read them. */
static Tensor *narrowed(const Run *r, int n, const double *const *from) {
    const int64_t size = n * r->c * r->item;
    Tensor *t = rl_empty(1, &size, RL_U8, RL_CPU);
    for (int i = 0; t && i < n; i++) r->k->narrow(r->c, from[i], t->data + i * r->c * r->item);
    return t;
}

/* Plane by plane, joined as column_moments joins tiles. */
static void batch_moments(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t c = begin; c < end; c++) {
        double mean = 0, squares = 0;
        for (int64_t i = 0; i < r->n; i++) {
            const char *x = r->x + (i * r->c + c) * r->s * r->item;
            double own, own_squares;
            r->k->moments(r->s, x, &own, &own_squares);
            const double d = own - mean, share = 1 / (double)(i + 1);
            squares += own_squares + d * d * (double)(i * r->s) * share;
            mean += d * share;
        }
        r->mean[c] = mean;
        r->rstd[c] = squares / (double)(r->n * r->s);
    }
}

/* Without positions a sample is a row of channels: blocks of rows give moments, which are joined in the blocks' order. */
static void some_moments(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t i = begin; i < end; i++) {
        double *mean = (double *)r->parts + 2 * r->c * i;
        r->k->column_moments(block_rows(r, i), r->c, r->x + i * r->block * r->c * r->item, mean, mean + r->c);
    }
}

static int batch_moments_of_rows(Run *r, Held *h) {
    const int64_t blocks = cut_rows(r, h);
    if (blocks < 0) return -1;
    rl_parallel_for(blocks, 1, some_moments, r);
    for (int64_t i = 0; i < blocks; i++) {
        const double *mean = (double *)r->parts + 2 * r->c * i, *squares = mean + r->c;
        const double before = (double)(i * r->block), share = (double)block_rows(r, i) / (before + (double)block_rows(r, i));
        for (int64_t c = 0; c < r->c; c++) {
            const double d = mean[c] - r->mean[c];
            r->mean[c] += d * share;
            r->rstd[c] += squares[c] + d * d * before * share;
        }
    }
    for (int64_t c = 0; c < r->c; c++) r->rstd[c] /= (double)r->n;
    return 0;
}

/* running = (1 - momentum) * running + momentum * value */
static int blend(Tensor *running, double momentum, const double *value, double factor) {
    Tensor *t = rl_norm_as(running, RL_F64);
    Tensor *blended = t ? rl_empty(running->ndim, running->size, RL_F64, RL_CPU) : NULL;
    for (int64_t c = 0; blended && c < running->numel; c++)
        rl_norm_numbers(blended)[c] = (1 - momentum) * rl_norm_numbers(t)[c] + momentum * factor * value[c];
    const int bad = !blended || rl_copy_raw(running, blended) < 0;
    Py_XDECREF(t);
    Py_XDECREF(blended);
    rl_bump(running);
    return bad ? -1 : 0;
}

/* Mean and 1 / sqrt(var + eps) of each channel, as one float64 tensor (2, C); brings running statistics up to date. */
static Tensor *batch_statistics(Tensor *x, Tensor *mean, Tensor *var, bool training, double momentum, double eps) {
    const int64_t c = x->size[1];
    Tensor *stats = rl_norm_doubles(2 * c, 0);
    if (!stats || x->numel == 0 || x->device != RL_CPU) return stats;
    Run r = {.mean = rl_norm_numbers(stats), .rstd = rl_norm_numbers(stats) + c};
    if (training) {
        Held h;
        if (rl_norm_hold(&h, &r, x, NULL, NULL, NULL, RL_F64, false) < 0) goto fail;
        rl_norm_set_planes(&r, x);
        const double count = (double)(r.n * r.s);
        if (r.s == 1 && batch_moments_of_rows(&r, &h) < 0) { rl_norm_release(&h); goto fail; }
        if (r.s != 1) rl_parallel_for(c, NORM_GRAIN / (r.n * r.s) + 1, batch_moments, &r);
        rl_norm_release(&h);
        if (mean && blend(mean, momentum, r.mean, 1) < 0) goto fail;
        if (var && blend(var, momentum, r.rstd, count / (count - 1)) < 0) goto fail;
    } else {
        Tensor *m = rl_norm_as(mean, RL_F64), *v = m ? rl_norm_as(var, RL_F64) : NULL;
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
    if (eps < 0 || (training && eps == 0)) {
        PyObject *number = PyFloat_FromDouble(eps);
        if (number) PyErr_Format(PyExc_ValueError, "batch_norm eps must be %s, but got %R", training ? "positive during training" : "non-negative", number);
        Py_XDECREF(number);
        return NULL;
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

static void batch_scale_rows(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const int64_t row = r->c * r->item;
    r->k->scale_columns(end - begin, r->c, r->x + begin * row, r->parts, r->parts + row, r->parts + 2 * row, r->out + begin * row);
}

Tensor *impl_batch_norm_apply(Tensor *x, Tensor *w, Tensor *b, Tensor *stats, bool training, double eps) {
    (void)training, (void)eps; /* for the backward pass */
    if (x->device != RL_CPU || x->numel == 0) return rl_empty(x->ndim, x->size, (RLDType)x->dtype, x->device);
    Held h;
    Run r = {0};
    if (rl_norm_hold(&h, &r, x, NULL, w, b, RL_F64, true) < 0) return NULL;
    rl_norm_set_planes(&r, x);
    Tensor *out = NULL, *narrow = NULL;
    if (!(h.scratch = rl_norm_doubles(2 * r.c, 0))) goto done;
    r.mean = rl_norm_numbers(stats);
    r.rstd = r.mean + r.c;
    r.scale = rl_norm_numbers(h.scratch);
    r.shift = r.scale + r.c;
    for (int64_t c = 0; c < r.c; c++) {
        r.scale[c] = h.w ? r.rstd[c] * rl_norm_numbers(h.w)[c] : r.rstd[c];
        r.shift[c] = h.b ? rl_norm_numbers(h.b)[c] : 0;
    }
    if (r.s == 1) {
        if (!(narrow = narrowed(&r, 3, (const double *const[]){r.mean, r.scale, r.shift}))) goto done;
        r.parts = narrow->data;
        rl_parallel_for(r.n, NORM_GRAIN / r.c + 1, batch_scale_rows, &r);
    } else {
        rl_parallel_for(r.n * r.c, NORM_GRAIN / r.s + 1, batch_scale, &r);
    }
    out = h.out;
    h.out = NULL;
done:
    Py_XDECREF(narrow);
    rl_norm_release(&h);
    return rl_norm_delivered(out, (RLDType)x->dtype);
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

static void some_products(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const int64_t row = r->c * r->item;
    for (int64_t i = begin; i < end; i++) {
        double *sum_g = (double *)r->parts + 2 * r->c * i;
        const int64_t at = i * r->block * row;
        r->k->column_products(block_rows(r, i), r->c, r->g + at, r->x + at, r->centre, sum_g, sum_g + r->c);
    }
}

static void batch_combine_rows(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const int64_t row = r->c * r->item, at = begin * row;
    r->k->combine_columns(end - begin, r->c, r->g + at, r->x + at, r->centre, r->parts, r->parts + row, r->parts + 2 * row, r->out + at);
}

static int batch_grads_of_rows(Run *r, Held *h) {
    const int64_t blocks = cut_rows(r, h);
    if (blocks < 0) return -1;
    Tensor *mean = narrowed(r, 1, (const double *const[]){r->mean}), *factors = NULL, *narrow = NULL;
    int rc = -1;
    if (!mean) return -1;
    r->centre = mean->data;
    rl_parallel_for(blocks, 1, some_products, r);
    for (int64_t i = 0; i < blocks; i++) {
        const double *sum_g = (double *)r->parts + 2 * r->c * i, *sum_gx = sum_g + r->c;
        for (int64_t c = 0; c < r->c; c++) {
            r->acc_g[c] += sum_g[c];
            r->acc_gx[c] += sum_gx[c];
        }
    }
    if (r->out) {
        if (!(factors = rl_norm_doubles(3 * r->c, 0))) goto done;
        double *a = rl_norm_numbers(factors), *b = a + r->c, *k = b + r->c;
        for (int64_t c = 0; c < r->c; c++) batch_factors(r, c, &a[c], &b[c], &k[c]);
        if (!(narrow = narrowed(r, 3, (const double *const[]){a, b, k}))) goto done;
        r->parts = narrow->data;
        rl_parallel_for(r->n, NORM_GRAIN / r->c + 1, batch_combine_rows, r);
    }
    rc = 0;
done:
    Py_DECREF(mean);
    Py_XDECREF(factors);
    Py_XDECREF(narrow);
    return rc;
}

int rl_batch_norm_backward(Tensor *grad, Tensor *x, Tensor *w, Tensor *stats, bool training, double eps, bool needs_input,
                           bool needs_weight, bool needs_bias, Tensor **out) {
    if (rl_any_grad_list((Tensors){(Tensor *[]){grad, x, w}, 3}) && x->numel)
        return rl_batch_norm_backward_composed(grad, x, w, stats, training, eps, needs_input, needs_weight, needs_bias, out);
    const RLDType dt = (RLDType)x->dtype;
    Held h;
    Run r = {.training = training, .eps = eps, .mean = rl_norm_numbers(stats)};
    if (rl_norm_hold(&h, &r, x, grad, w, NULL, RL_F64, needs_input) < 0) return -1;
    rl_norm_set_planes(&r, x);
    r.rstd = r.mean + r.c;
    r.scale = rl_norm_numbers(h.w);
    Tensor *sums = rl_norm_doubles(2 * r.c, 0);
    if (!sums) { rl_norm_release(&h); return -1; }
    r.acc_g = rl_norm_numbers(sums);
    r.acc_gx = r.acc_g + r.c;
    if (x->numel && r.s == 1) {
        if (batch_grads_of_rows(&r, &h) < 0) { Py_DECREF(sums); rl_norm_release(&h); return -1; }
    } else if (x->numel) {
        rl_parallel_for(r.c, NORM_GRAIN / (r.n * r.s) + 1, batch_grads, &r);
    }
    for (int64_t c = 0; c < r.c; c++) r.acc_gx[c] *= r.rstd[c];
    if (needs_input) { out[0] = rl_norm_delivered(h.out, dt); h.out = NULL; }
    if (needs_weight) out[1] = rl_norm_summed(r.acc_gx, w, 1, &r.c, dt);
    if (needs_bias) out[2] = rl_norm_summed(r.acc_g, w, 1, &r.c, dt);
    Py_DECREF(sums);
    rl_norm_release(&h);
    return rl_norm_finish(out, needs_input, needs_weight, needs_bias);
}
