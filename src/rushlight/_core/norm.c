/* norm.c -- layer, RMS and group normalisation of tensors, over the kernels of norm.h.
 *
 *     out = (x - mean) * rstd * w + b,  rstd = 1 / sqrt(var + eps)
 *
 * with mean and var taken over a row (layer) or a group of channels of one sample (group); RMS norm leaves mean at 0.  With
 * m elements in such a set and u = g * w,
 *     grad_x = rstd * (u - sum(u) / m - (x - mean) * rstd^2 * sum(u * (x - mean)) / m)
 *     grad_w = sum(g * (x - mean)) * rstd        grad_b = sum(g)
 * The statistics are taken anew in the backward pass: the elements come into the cache anyway, and the graph holds nothing
 * but the input.  Half precision is computed in float32.
 */
#include <float.h>
#include <math.h>

#include "norm_run.h"
#include "rl_ops.h"
#include "runtime.h"
#include "sizes_text.h"

/* ---------------------------------------------------------------- rows
 *
 * Rows of s elements, normalised each on its own; row i has the weights i % groups.  Layer norm has one set of weights, group
 * norm without positions one for each group. */

static inline void moments(const Run *r, int64_t n, const char *x, double *mean, double *rstd) {
    double squares;
    *mean = 0;
    if (r->centred) r->k->moments(n, x, mean, &squares);
    else squares = r->k->squares(n, x, 0);
    *rstd = 1 / sqrt(squares / (double)n + r->eps);
}

static inline const char *beside(const Run *r, const char *weights, int64_t row) {
    return weights && r->groups > 1 ? weights + row % r->groups * r->s * r->item : weights;
}

static void some_rows(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i * r->s * r->item;
        double mean, rstd;
        moments(r, r->s, r->x + at, &mean, &rstd);
        r->k->affine(r->s, r->x + at, mean, rstd, beside(r, r->w, i), beside(r, r->b, i), r->out + at);
    }
}

static void rows_forward(Run *r) {
    rl_parallel_for(r->n, NORM_GRAIN / r->s + 1, some_rows, r);
}

/* What the gradient of row i is made of. */
static inline RLNormRow row_terms(const Run *r, int64_t i, double mean, double rstd) {
    const int64_t at = i * r->s * r->item;
    const char *w = beside(r, r->w, i);
    const double n = (double)r->s;
    double sum_g, sum_gx;
    if (w) r->k->weighted(r->s, r->g + at, r->x + at, w, mean, &sum_g, &sum_gx);
    else r->k->products(r->s, r->g + at, r->x + at, mean, &sum_g, &sum_gx);
    return (RLNormRow){mean, rstd, -rstd * rstd * rstd * sum_gx / n, r->centred ? -rstd * sum_g / n : 0};
}

static inline void row_grad(const Run *r, int64_t i, double mean, double rstd) {
    const int64_t at = i * r->s * r->item;
    const char *w = beside(r, r->w, i);
    const RLNormRow t = row_terms(r, i, mean, rstd);
    if (w) r->k->combine_weighted(r->s, r->g + at, r->x + at, w, mean, rstd, t.b, t.c, r->out + at);
    else r->k->combine(r->s, r->g + at, r->x + at, mean, rstd, t.b, t.c, r->out + at);
}

/* Rows whose sums of columns nobody wants, or that are so long that `some_columns` finds those. */
static void some_row_grads(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    for (int64_t i = begin; i < end; i++) {
        moments(r, r->s, r->x + i * r->s * r->item, &r->mean[i], &r->rstd[i]);
        if (r->out) row_grad(r, i, r->mean[i], r->rstd[i]);
    }
}

#define FLUSH 64 /* additions to a column before its sum is handed on */

static void some_columns(void *ctx, int64_t begin, int64_t end) {
    enum { STRIP = 512 };
    const Run *r = ctx;
    double part_g[STRIP] = {0}, part_gx[STRIP] = {0}; /* large enough for either type */
    for (int64_t first = begin; first < end; first += STRIP) {
        const int64_t w = end - first < STRIP ? end - first : STRIP;
        for (int64_t i = 0; i < r->n; i++) {
            const int64_t at = (i * r->s + first) * r->item;
            r->k->add_row(w, r->g + at, r->x + at, r->mean[i], r->rstd[i], part_g, part_gx);
            if (i % FLUSH == FLUSH - 1 || i == r->n - 1) {
                r->k->flush(w, part_g, r->acc_g + first);
                r->k->flush(w, part_gx, r->acc_gx + first);
            }
        }
    }
}

/* The sums of one block of rows: in double, and those not yet handed on to them. */
typedef struct { double *total_g, *total_gx; char *part_g, *part_gx; } Sums;

/* Columns are often a power of two, and then rows and sums would compete for the same few places of the first-level cache. */
enum { APART = 24 };

static inline int64_t sums_bytes(int64_t columns) { return 4 * (columns + APART) * (int64_t)sizeof(double); }
static inline Sums sums_of(const Run *r, int64_t block) {
    const int64_t columns = r->groups * r->s, size = columns + APART;
    double *at = (double *)(r->parts + block * sums_bytes(columns));
    return (Sums){at, at + size, (char *)(at + 2 * size), (char *)(at + 3 * size)};
}

static void some_blocks(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const int64_t columns = r->groups * r->s;
    for (int64_t block = begin; block < end; block++) {
        const Sums sums = sums_of(r, block);
        memset(sums.total_g, 0, (size_t)sums_bytes(columns));
        const int64_t first = block * r->block, last = first + r->block < r->n ? first + r->block : r->n;
        for (int64_t i = first, rows; i < last; i += rows) {
            const int64_t at = i * r->s * r->item, column = i % r->groups * r->s * r->item;
            /* Rows that share their weights together; FLUSH is a multiple of that many. */
            rows = r->out && r->groups == 1 && last - i >= RL_NORM_ROWS ? RL_NORM_ROWS : 1;
            RLNormRow row[RL_NORM_ROWS];
            for (int64_t k = 0; k < rows; k++) {
                moments(r, r->s, r->x + at + k * r->s * r->item, &row[k].mean, &row[k].rstd);
                if (r->out) row[k] = row_terms(r, i + k, row[k].mean, row[k].rstd);
            }
            char *part_g = sums.part_g + column, *part_gx = sums.part_gx + column;
            if (r->out)
                r->k->row_grads(r->s, (int)rows, row, r->g + at, r->x + at, beside(r, r->w, i), r->out + at, part_g, part_gx);
            else
                r->k->add_row(r->s, r->g + at, r->x + at, row->mean, row->rstd, part_g, part_gx);
            if ((i + rows - first) % (FLUSH * r->groups) == 0 || i + rows == last) {
                r->k->flush(columns, sums.part_g, sums.total_g);
                r->k->flush(columns, sums.part_gx, sums.total_gx);
            }
        }
    }
}

/* Always in the order of the blocks: the digits do not depend on who computed them. */
static void some_totals(void *ctx, int64_t begin, int64_t end) {
    const Run *r = ctx;
    const Sums sums = sums_of(r, 0);
    for (int64_t block = 1; block * r->block < r->n; block++) {
        const Sums more = sums_of(r, block);
        for (int64_t i = begin; i < end; i++) {
            sums.total_g[i] += more.total_g[i];
            sums.total_gx[i] += more.total_gx[i];
        }
    }
}

/* One pass over memory for all three gradients: while a row is in the cache, it is also added to the sums of its block. */
static int rows_backward(Run *r, Held *h, bool needs_sums) {
    enum { MAX_BLOCKS = 16, LONG = 16384 };
    const int64_t columns = r->groups * r->s, laps = r->n / r->groups;
    if (!needs_sums || r->n == 0 || (columns > LONG && r->groups == 1)) {
        if (!(h->scratch = rl_norm_doubles(2 * r->n + 2 * columns, 0))) return -1;
        r->mean = rl_norm_numbers(h->scratch);
        r->rstd = r->mean + r->n;
        r->acc_g = r->rstd + r->n;
        r->acc_gx = r->acc_g + columns;
        if (r->n == 0) return 0;
        rl_parallel_for(r->n, NORM_GRAIN / r->s + 1, some_row_grads, r);
        if (needs_sums) rl_parallel_for(r->s, NORM_GRAIN / r->n + 512, some_columns, r);
        return 0;
    }
    const int64_t grain = NORM_GRAIN / columns + 1, share = (laps + MAX_BLOCKS - 1) / MAX_BLOCKS;
    r->block = (grain > share ? grain : share) * r->groups;
    const int64_t blocks = (r->n + r->block - 1) / r->block, bytes = blocks * sums_bytes(columns);
    if (!(h->scratch = rl_empty(1, &bytes, RL_U8, RL_CPU))) return -1;
    r->parts = h->scratch->data;
    rl_parallel_for(blocks, 1, some_blocks, r);
    if (blocks > 1) rl_parallel_for(columns, NORM_GRAIN / blocks, some_totals, r);
    r->acc_g = sums_of(r, 0).total_g;
    r->acc_gx = sums_of(r, 0).total_gx;
    return 0;
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
    return rl_norm_check_dtypes(x, "LayerNormKernelImpl", 2, params);
}

static Tensor *layer_forward(Tensor *x, Ints shape, Tensor *w, Tensor *b, double eps, bool centred) {
    if (x->device != RL_CPU || x->numel == 0) return rl_empty(x->ndim, x->size, (RLDType)x->dtype, x->device);
    Held h;
    Run r = {.s = rl_count_of(shape), .groups = 1, .eps = eps, .centred = centred};
    r.n = x->numel / r.s;
    if (rl_norm_hold(&h, &r, x, NULL, w, b, rl_norm_dtype((RLDType)x->dtype), true) < 0) return NULL;
    rows_forward(&r);
    Tensor *out = h.out;
    h.out = NULL;
    rl_norm_release(&h);
    return rl_norm_delivered(out, (RLDType)x->dtype);
}

static int layer_backward(Tensor *grad, Tensor *x, Ints shape, Tensor *w, double eps, bool centred, bool needs_input, bool needs_weight,
                          bool needs_bias, Tensor **out) {
    const RLDType dt = (RLDType)x->dtype;
    Held h;
    Run r = {.s = rl_count_of(shape), .groups = 1, .eps = eps, .centred = centred};
    if (rl_norm_hold(&h, &r, x, grad, w, NULL, rl_norm_dtype(dt), needs_input) < 0) return -1;
    r.n = x->numel ? x->numel / r.s : 0;
    if (rows_backward(&r, &h, needs_weight || needs_bias) == 0) {
        if (needs_input) { out[0] = rl_norm_delivered(h.out, dt); h.out = NULL; }
        if (needs_weight) out[1] = rl_norm_summed(r.acc_gx, w, shape.n, shape.v, dt);
        if (needs_bias) out[2] = rl_norm_summed(r.acc_g, w, shape.n, shape.v, dt);
    }
    rl_norm_release(&h);
    return rl_norm_finish(out, needs_input, needs_weight, needs_bias);
}

Tensor *impl_layer_norm(Tensor *x, Ints shape, Tensor *w, Tensor *b, double eps, bool cudnn_enable) {
    (void)cudnn_enable;
    if (check_layer_norm(x, shape, w, b) < 0) return NULL;
    return layer_forward(x, shape, w, b, eps, true);
}

int rl_layer_norm_backward(Tensor *grad, Tensor *x, Ints shape, Tensor *w, double eps, bool needs_input, bool needs_weight, bool needs_bias,
                           Tensor **out) {
    if (rl_any_grad_list((Tensors){(Tensor *[]){grad, x, w}, 3}) && x->numel)
        return rl_layer_norm_backward_composed(grad, x, shape, w, eps, needs_input, needs_weight, needs_bias, out);
    return layer_backward(grad, x, shape, w, eps, true, needs_input, needs_weight, needs_bias, out);
}

/* ---------------------------------------------------------------- RMS norm */

Tensor *rl_rms_norm(Tensor *x, Ints shape, Tensor *w, Scalar eps_) {
    SizesText a, c;
    if (shape.n < 1) {
        PyErr_SetString(PyExc_RuntimeError, "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but "
                        "got normalized_shape = []");
        return NULL;
    }
    if (x->ndim < shape.n || memcmp(x->size + x->ndim - shape.n, shape.v, (size_t)shape.n * sizeof *shape.v) != 0) {
        PyErr_Format(PyExc_RuntimeError, "Given normalized_shape=[%s], expected input with shape [*, %s], but got input of size[%s]",
                     rl_sizes_text(&a, shape, ", "), rl_sizes_text(&a, shape, ", "), rl_shape_text(&c, x));
        return NULL;
    }
    const double eps = eps_.kind ? rl_scalar_double(eps_) : x->dtype == RL_F64 ? DBL_EPSILON : FLT_EPSILON;
    const bool alike = !w || (w->dtype == x->dtype && w->ndim == shape.n && memcmp(w->size, shape.v, (size_t)shape.n * sizeof *shape.v) == 0);
    if (RL_LIKELY(alike && (x->dtype == RL_F32 || x->dtype == RL_F64))) return rl_rms_norm_fused(x, shape, w, eps);
    /* Half precision is squared in float32, where the squares do not overflow. */
    Tensor *wide = x->dtype == RL_F16 || x->dtype == RL_BF16 ? rl_to_dtype(x, RL_F32) : (Tensor *)Py_NewRef((PyObject *)x);
    Tensor *out = wide ? rl_rms_norm_composed(wide, shape, w, eps) : NULL, *result = out ? rl_to_dtype(out, (RLDType)x->dtype) : NULL;
    Py_XDECREF(wide);
    Py_XDECREF(out);
    return result;
}

Tensor *impl_rms_norm_fused(Tensor *x, Ints shape, Tensor *w, double eps) { return layer_forward(x, shape, w, NULL, eps, false); }

int rl_rms_norm_backward(Tensor *grad, Tensor *x, Ints shape, Tensor *w, double eps, bool needs_input, bool needs_weight, Tensor **out) {
    if (rl_any_grad_list((Tensors){(Tensor *[]){grad, x, w}, 3}) && x->numel)
        return rl_rms_norm_backward_composed(grad, x, shape, w, eps, needs_input, needs_weight, out);
    Tensor *three[3] = {NULL};
    if (layer_backward(grad, x, shape, w, eps, false, needs_input, needs_weight, false, three) < 0) return -1;
    out[0] = three[0];
    out[1] = three[1];
    return 0;
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
    return rl_norm_check_dtypes(x, "GroupNormKernelImpl", 2, params);
}

/* Without positions a group is a row of its own. */
static void as_rows(Run *r) {
    r->s = r->c / r->groups;
    r->n *= r->groups;
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
    Run r = {.groups = groups, .eps = eps, .centred = true};
    rl_norm_set_planes(&r, x);
    const bool rows = r.s == 1;
    if (rl_norm_hold(&h, &r, x, NULL, w, b, rows ? rl_norm_dtype((RLDType)x->dtype) : RL_F64, true) < 0) return NULL;
    if (rows) {
        as_rows(&r);
        rows_forward(&r);
    } else {
        r.scale = rl_norm_numbers(h.w);
        r.shift = rl_norm_numbers(h.b);
        rl_parallel_for(r.n * groups, NORM_GRAIN / (r.c / groups * r.s) + 1, group_runs, &r);
    }
    Tensor *out = h.out;
    h.out = NULL;
    rl_norm_release(&h);
    return rl_norm_delivered(out, (RLDType)x->dtype);
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
    Run r = {.groups = groups, .eps = eps, .centred = true};
    rl_norm_set_planes(&r, x);
    const int64_t channels = r.c;
    const bool rows = r.s == 1 && x->numel;
    if (rl_norm_hold(&h, &r, x, grad, w, NULL, rows ? rl_norm_dtype(dt) : RL_F64, needs_input) < 0) return -1;
    if (rows) {
        as_rows(&r);
        if (rows_backward(&r, &h, needs_weight || needs_bias) < 0) { rl_norm_release(&h); return -1; }
    } else {
        r.scale = rl_norm_numbers(h.w);
        if (!(h.scratch = rl_norm_doubles(2 * channels, 0))) { rl_norm_release(&h); return -1; }
        r.acc_g = rl_norm_numbers(h.scratch);
        r.acc_gx = r.acc_g + channels;
        if (x->numel) rl_parallel_for(groups, NORM_GRAIN / (x->numel / groups) + 1, group_grads, &r);
    }
    if (needs_input) { out[0] = rl_norm_delivered(h.out, dt); h.out = NULL; }
    if (needs_weight) out[1] = rl_norm_summed(r.acc_gx, w, 1, &channels, dt);
    if (needs_bias) out[2] = rl_norm_summed(r.acc_g, w, 1, &channels, dt);
    rl_norm_release(&h);
    return rl_norm_finish(out, needs_input, needs_weight, needs_bias);
}
