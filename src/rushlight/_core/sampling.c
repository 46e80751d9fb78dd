/* sampling.c -- new tensors of random numbers: rand, randint, randperm, normal, bernoulli, multinomial, ... */
#include "create.h"
#include "fill.h"
#include "generator.h"
#include "rl_ops.h"
#include "runtime.h"
#include <math.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- what the numbers are drawn into */

/* `out` made as large as size, or a new tensor. */
static Tensor *target(Ints size, RLDType dtype, RLDType otherwise, int device, Tensor *out) {
    if (!out) return rl_empty(size.n, size.v, dtype == RL_NODTYPE ? otherwise : dtype, device < 0 ? rl_default_device : device);
    if (dtype != RL_NODTYPE && dtype != (RLDType)out->dtype) {
        PyErr_Format(PyExc_RuntimeError, "dtype %s does not match dtype of out parameter (%s)", rl_dtypes[dtype].legacy,
                     rl_dtypes[out->dtype].legacy);
        return NULL;
    }
    if (rl_check_inplace(out, rl_any_grad1(out)) < 0 || rl_resize_for_out(out, size.n, size.v) < 0) return NULL;
    rl_bump(out);
    return (Tensor *)Py_NewRef((PyObject *)out);
}

/* Uninitialised, shaped like t; the strides are t's unless another format is asked for. */
static Tensor *target_like(Tensor *t, RLDType dtype, int device, int format) {
    const RLDType dt = dtype == RL_NODTYPE ? (RLDType)t->dtype : dtype;
    const int where = device < 0 ? t->device : device, n = t->ndim;
    if (format == RL_CONTIGUOUS_FORMAT) return rl_empty(n, t->size, dt, where);
    if (format == RL_CHANNELS_LAST || format == RL_CHANNELS_LAST_3D) {
        if (n != (format == RL_CHANNELS_LAST ? 4 : 5)) {
            PyErr_Format(PyExc_RuntimeError, "required rank %d tensor to use channels_last%s format", format == RL_CHANNELS_LAST ? 4 : 5,
                         format == RL_CHANNELS_LAST ? "" : "_3d");
            return NULL;
        }
        int64_t stride[5], step = t->size[1];
        stride[1] = 1;
        for (int i = n - 1; i > 1; step *= t->size[i--]) stride[i] = step;
        stride[0] = step;
        return rl_empty_strided(n, t->size, stride, dt, where);
    }
    Tensor *like = rl_empty_like(t, dt);
    if (!like || like->device == where) return like;
    Tensor *there = rl_empty_strided(n, like->size, like->stride, dt, where);
    Py_DECREF(like);
    return there;
}

/* The filled tensor, or NULL where it was refused; takes over t. */
static Tensor *finished(Tensor *t, int bad, bool requires_grad) {
    if (!bad) return rl_with_grad(t, requires_grad);
    Py_DECREF(t);
    return NULL;
}

#define OPTIONS RLDType dtype, int layout, int device, int pin_memory, bool requires_grad
#define UNUSED_OPTIONS (void)layout, (void)pin_memory

Tensor *rl_rand(Ints size, PyObject *generator, Tensor *out, OPTIONS) {
    UNUSED_OPTIONS;
    Tensor *t = target(size, dtype, rl_default_dtype, device, out);
    return t ? finished(t, rl_fill_uniform(t, 0, 1, generator), requires_grad) : NULL;
}

Tensor *rl_randn(Ints size, PyObject *generator, Tensor *out, OPTIONS) {
    UNUSED_OPTIONS;
    Tensor *t = target(size, dtype, rl_default_dtype, device, out);
    return t ? finished(t, rl_fill_normal(t, 0, 1, generator), requires_grad) : NULL;
}

Tensor *rl_normal_size(double mean, double std, Ints size, PyObject *generator, Tensor *out, OPTIONS) {
    UNUSED_OPTIONS;
    Tensor *t = target(size, dtype, rl_default_dtype, device, out);
    return t ? finished(t, rl_fill_normal(t, mean, std, generator), requires_grad) : NULL;
}

Tensor *rl_randint_low(int64_t low, int64_t high, Ints size, PyObject *generator, Tensor *out, OPTIONS) {
    UNUSED_OPTIONS;
    Tensor *t = target(size, dtype, RL_I64, device, out);
    return t ? finished(t, rl_fill_random(t, low, high, generator), requires_grad) : NULL;
}

Tensor *rl_randint(int64_t high, Ints size, PyObject *generator, Tensor *out, OPTIONS) {
    return rl_randint_low(0, high, size, generator, out, dtype, layout, device, pin_memory, requires_grad);
}

Tensor *rl_rand_like(Tensor *input, PyObject *generator, OPTIONS, int memory_format) {
    UNUSED_OPTIONS;
    Tensor *t = target_like(input, dtype, device, memory_format);
    return t ? finished(t, rl_fill_uniform(t, 0, 1, generator), requires_grad) : NULL;
}

Tensor *rl_randn_like(Tensor *input, PyObject *generator, OPTIONS, int memory_format) {
    UNUSED_OPTIONS;
    Tensor *t = target_like(input, dtype, device, memory_format);
    return t ? finished(t, rl_fill_normal(t, 0, 1, generator), requires_grad) : NULL;
}

Tensor *rl_randint_like_low(Tensor *input, int64_t low, int64_t high, PyObject *generator, OPTIONS, int memory_format) {
    UNUSED_OPTIONS;
    Tensor *t = target_like(input, dtype, device, memory_format);
    return t ? finished(t, rl_fill_random(t, low, high, generator), requires_grad) : NULL;
}

Tensor *rl_randint_like(Tensor *input, int64_t high, PyObject *generator, OPTIONS, int memory_format) {
    return rl_randint_like_low(input, 0, high, generator, dtype, layout, device, pin_memory, requires_grad, memory_format);
}

/* ---------------------------------------------------------------- permutations */

/* PyTorch's limits: an integer dtype must hold n - 1; floats lose integers from 2^digits + 2 on, and nobody minds in bfloat16. */
static int permutation_fits(int64_t n, RLDType dt) {
    switch (dt) {
        case RL_U8: case RL_I8: case RL_I16: case RL_I32: {
            const int64_t most = dt == RL_U8 ? UINT8_MAX : dt == RL_I8 ? INT8_MAX : dt == RL_I16 ? INT16_MAX : INT32_MAX;
            const char *name = dt == RL_U8 ? "uint8_t" : dt == RL_I8 ? "int8_t" : dt == RL_I16 ? "int16_t" : "int";
            if (n - 1 <= most) return 0;
            PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", name);
            return -1;
        }
        case RL_I64: case RL_BF16: return 0;
        case RL_F16: case RL_F32: case RL_F64: {
            const int64_t most = dt == RL_F16 ? 2049 : dt == RL_F32 ? 16777217 : INT64_C(9007199254740993);
            if (n <= most) return 0;
            PyErr_Format(PyExc_RuntimeError, "n cannot be greater than %lld for %s type.", (long long)most, rl_dtypes[dt].legacy);
            return -1;
        }
        default: return rl_not_implemented("randperm", dt);
    }
}

Tensor *rl_randperm_n(int64_t n, PyObject *generator, Tensor *out, OPTIONS) {
    UNUSED_OPTIONS;
    Tensor *t = target((Ints){&n, 1}, dtype, RL_I64, device, out);
    if (!t) return NULL;
    int bad = permutation_fits(n, (RLDType)t->dtype);
    if (!bad && t->device == RL_CPU) {
        const bool direct = t->dtype == RL_I64 && RL_IS_CONTIGUOUS(t);
        Tensor *order = direct ? (Tensor *)Py_NewRef((PyObject *)t) : rl_empty(1, &n, RL_I64, RL_CPU);
        if (order) rl_randperm(rl_rng(generator), (int64_t *)order->data, n);
        bad = !order ? -1 : direct ? 0 : rl_copy_raw(t, order);
        Py_XDECREF(order);
    }
    return finished(t, bad, requires_grad);
}

/* ---------------------------------------------------------------- normal with tensors */

static Tensor *normal_into(Tensor *t, double std, Tensor *scale, Tensor *shift, PyObject *generator) {
    if (!t || rl_fill_normal(t, 0, std, generator) < 0) goto fail;
    for (int k = 0; k < 2; k++) {
        Tensor *by = k ? shift : scale, *same = !by ? NULL : k ? rl_add_(t, by, RL_ONE) : rl_mul_(t, by);
        if (by && !same) goto fail;
        Py_XDECREF(same);
    }
    return t;
fail:
    Py_XDECREF(t);
    return NULL;
}

static int check_std(Tensor *std) {
    if (RL_IS_COMPLEX(std->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "normal expects standard deviation to be non-complex");
        return -1;
    }
    if (std->numel == 0 || std->device != RL_CPU) return 0;
    Tensor *exact = rl_to_dtype_raw(std, RL_F64), *flat = exact ? rl_contiguous_raw(exact) : NULL;
    int bad = flat ? 0 : -1;
    for (int64_t i = 0; !bad && i < flat->numel; i++) bad = !(((double *)flat->data)[i] >= 0);
    if (bad > 0) PyErr_SetString(PyExc_RuntimeError, "normal expects all elements of std >= 0.0");
    Py_XDECREF(exact);
    Py_XDECREF(flat);
    return bad ? -1 : 0;
}

Tensor *impl_normal(Tensor *mean, Tensor *std, PyObject *generator) {
    Tensor *both[] = {mean, std};
    int64_t size[RL_MAXDIM];
    int ndim = rl_broadcast_shapes(2, both, size);
    if (ndim < 0 || check_std(std) < 0) return NULL;
    return normal_into(rl_empty(ndim, size, (RLDType)mean->dtype, mean->device), 1, std, mean, generator);
}

Tensor *impl_normal_mean(Tensor *mean, double std, PyObject *generator) {
    return normal_into(rl_empty(mean->ndim, mean->size, (RLDType)mean->dtype, mean->device), std, NULL, mean, generator);
}

Tensor *impl_normal_std(double mean, Tensor *std, PyObject *generator) {
    if (check_std(std) < 0) return NULL;
    Tensor *shift = rl_wrap_double(mean);
    Tensor *t = shift ? normal_into(rl_empty(std->ndim, std->size, (RLDType)std->dtype, std->device), 1, std, shift, generator) : NULL;
    Py_XDECREF(shift);
    return t;
}

/* ---------------------------------------------------------------- choices */

Tensor *impl_bernoulli_tensor(Tensor *input, PyObject *generator) {
    Tensor *t = rl_empty(input->ndim, input->size, (RLDType)input->dtype, input->device);
    return t ? finished(t, rl_fill_bernoulli_each(t, input, generator), false) : NULL;
}

Tensor *impl_bernoulli_p(Tensor *input, double p, PyObject *generator) {
    Tensor *t = rl_empty(input->ndim, input->size, (RLDType)input->dtype, input->device);
    return t ? finished(t, rl_fill_bernoulli(t, p, generator), false) : NULL;
}

/* Row-major copy in another dtype. */
static Tensor *flat_as(Tensor *t, RLDType dt) {
    Tensor *cast = rl_to_dtype_raw(t, dt), *flat = cast ? rl_contiguous_raw(cast) : NULL;
    Py_XDECREF(cast);
    return flat;
}

typedef struct { double key; int64_t index; } Keyed;

static int descending(const void *a, const void *b) {
    const Keyed *x = a, *y = b;
    if (x->key != y->key) return x->key > y->key ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

static int check_weights(Tensor *weights, int64_t rows, int64_t categories) {
    const double *w = (const double *)weights->data;
    bool some_empty = false;
    for (int64_t r = 0; r < rows; r++) {
        bool any = false;
        for (int64_t i = 0; i < categories; i++, w++) {
            if (!(*w >= 0 && *w < INFINITY)) {
                PyErr_SetString(PyExc_RuntimeError, "probability tensor contains either `inf`, `nan` or element < 0");
                return -1;
            }
            any |= *w > 0;
        }
        some_empty |= !any;
    }
    if (some_empty) PyErr_SetString(PyExc_RuntimeError, "invalid multinomial distribution (sum of probabilities <= 0)");
    return some_empty ? -1 : 0;
}

/* Without replacement: the largest of p / Exp(1) (the exponential form of the Gumbel top-k trick). */
static int choose_distinct(Tensor *input, int64_t *out, int64_t rows, int64_t categories, int64_t k, PyObject *generator) {
    Tensor *weights = flat_as(input, RL_F64), *clock = NULL, *race = NULL, *keys = NULL;
    Keyed *row = NULL;
    int bad = -1;
    if (!weights || check_weights(weights, rows, categories) < 0) goto done;
    clock = rl_empty_like(input, (RLDType)input->dtype);
    if (!clock || rl_fill_exponential(clock, 1, generator) < 0) goto done;
    race = rl_div(input, clock);
    keys = race ? flat_as(race, RL_F64) : NULL;
    if (!keys) goto done;
    if (k > 1 && !(row = malloc((size_t)categories * sizeof *row))) { PyErr_NoMemory(); goto done; }
    for (int64_t r = 0; r < rows; r++, out += k) {
        const double *key = (const double *)keys->data + r * categories;
        if (k == 1) {
            *out = 0;
            for (int64_t i = 1; i < categories; i++) if (key[i] > key[*out]) *out = i;
            continue;
        }
        for (int64_t i = 0; i < categories; i++) row[i] = (Keyed){key[i], i};
        qsort(row, (size_t)categories, sizeof *row, descending);
        for (int64_t i = 0; i < k; i++) out[i] = row[i].index;
    }
    bad = 0;
done:
    free(row);
    Py_XDECREF(weights);
    Py_XDECREF(clock);
    Py_XDECREF(race);
    Py_XDECREF(keys);
    return bad;
}

static int choose_repeatedly(Tensor *input, int64_t *out, int64_t rows, int64_t categories, int64_t k, PyObject *generator) {
    static const char *const messages[] = {
        [RL_PROBS_NEGATIVE] = "invalid multinomial distribution (encountering probability entry < 0)",
        [RL_PROBS_NOT_FINITE] = "invalid multinomial distribution (encountering probability entry = infinity or NaN)",
        [RL_PROBS_ZERO] = "invalid multinomial distribution (sum of probabilities <= 0)"};
    const RLDType dt = input->dtype == RL_F64 ? RL_F64 : RL_F32;
    Tensor *weights = flat_as(input, dt), *cdf = weights ? rl_empty(1, &categories, dt, RL_CPU) : NULL;
    RLProbs found = RL_PROBS_OK;
    for (int64_t r = 0; cdf && !found && r < rows; r++, out += k) {
        const char *p = weights->data + r * categories * RL_ITEMSIZE(dt);
        if (dt == RL_F64) found = rl_multinomial_f64(rl_rng(generator), out, k, (const double *)p, (double *)cdf->data, categories);
        else found = rl_multinomial_f32(rl_rng(generator), out, k, (const float *)p, (float *)cdf->data, categories);
    }
    int bad = cdf && !found ? 0 : -1;
    if (found) PyErr_SetString(PyExc_RuntimeError, messages[found]);
    Py_XDECREF(weights);
    Py_XDECREF(cdf);
    return bad;
}

static int multinomial_refused(Tensor *input, int64_t k, bool replacement, Tensor *out) {
    const char *why = NULL;
    if (input->ndim < 1 || input->ndim > 2) why = "prob_dist must be 1 or 2 dim";
    else if (!RL_IS_FLOAT(input->dtype))
        return PyErr_Format(PyExc_RuntimeError, "multinomial only supports floating-point dtypes for input, got: %s", rl_dtypes[input->dtype].legacy), -1;
    else if (out && out->dtype != RL_I64)
        return PyErr_Format(PyExc_RuntimeError, "multinomial expects Long tensor out, got: %s", rl_dtypes[out->dtype].legacy), -1;
    else if (k <= 0) why = "cannot sample n_sample <= 0 samples";
    else if (!replacement && k > input->size[input->ndim - 1])
        why = "cannot sample n_sample > prob_dist.size(-1) samples without replacement";
    else if (input->size[input->ndim - 1] > (1 << 24)) why = "number of categories cannot exceed 2^24";
    if (why) PyErr_SetString(PyExc_RuntimeError, why);
    return why ? -1 : 0;
}

Tensor *rl_multinomial(Tensor *input, int64_t num_samples, bool replacement, PyObject *generator, Tensor *out) {
    if (multinomial_refused(input, num_samples, replacement, out) < 0) return NULL;
    const int mode = rl_grad_mode;
    const int64_t rows = input->ndim == 2 ? input->size[0] : 1, categories = input->size[input->ndim - 1];
    int64_t size[] = {rows, num_samples};
    Tensor *chosen = rl_empty(input->ndim, input->ndim == 2 ? size : size + 1, RL_I64, input->device);
    if (!chosen) return NULL;
    int bad = 0;
    if (chosen->numel && chosen->device == RL_CPU) {
        rl_grad_mode = 0;
        bad = (!replacement || num_samples == 1 ? choose_distinct : choose_repeatedly)
              (input, (int64_t *)chosen->data, rows, categories, num_samples, generator);
        rl_grad_mode = mode;
    }
    if (!bad && out) {
        bad = rl_resize_for_out(out, chosen->ndim, chosen->size) < 0 ? -1 : rl_copy_raw(out, chosen);
        rl_bump(out);
        Py_SETREF(chosen, (Tensor *)Py_NewRef((PyObject *)out));
    }
    return finished(chosen, bad, false);
}

/* ---------------------------------------------------------------- one sample at a time */

Tensor *impl_poisson(Tensor *input, PyObject *generator) {
    if (!RL_IS_FLOAT(input->dtype)) return rl_not_implemented("poisson_cpu", (RLDType)input->dtype), NULL;
    if (input->device != RL_CPU) return rl_empty(input->ndim, input->size, (RLDType)input->dtype, input->device);
    Tensor *rate = flat_as(input, RL_F64), *drawn = rate ? rl_empty(rate->ndim, rate->size, RL_F64, RL_CPU) : NULL, *out = NULL;
    for (int64_t i = 0; drawn && i < drawn->numel; i++) {
        const double lambda = ((double *)rate->data)[i];
        if (!(lambda >= 0)) {
            PyErr_SetString(PyExc_RuntimeError, "invalid Poisson rate, expected rate to be non-negative");
            goto done;
        }
        ((double *)drawn->data)[i] = rl_sample_poisson(rl_rng(generator), lambda);
    }
    if (drawn) out = rl_to_dtype_raw(drawn, (RLDType)input->dtype);
done:
    Py_XDECREF(rate);
    Py_XDECREF(drawn);
    return out;
}

static int floats_only(Tensor *t, const char *what) {
    if (RL_IS_FLOAT(t->dtype)) return 0;
    PyErr_Format(PyExc_ValueError, "binomial only supports floating-point dtypes for %s, got: %s", what, rl_dtypes[t->dtype].legacy);
    return -1;
}

Tensor *impl_binomial(Tensor *count, Tensor *prob, PyObject *generator) {
    if (floats_only(count, "count") < 0 || floats_only(prob, "prob") < 0) return NULL;
    if (count->dtype != prob->dtype) {
        PyErr_Format(PyExc_RuntimeError, "Found dtype %s but expected %s", rl_dtypes[prob->dtype].legacy, rl_dtypes[count->dtype].legacy);
        return NULL;
    }
    if (count->dtype != RL_F32 && count->dtype != RL_F64) return rl_not_implemented("binomial_cpu", (RLDType)count->dtype), NULL;
    Tensor *both[] = {count, prob}, *wide[2] = {NULL, NULL}, *flat[2] = {NULL, NULL}, *drawn = NULL, *out = NULL;
    int64_t size[RL_MAXDIM];
    const int ndim = rl_broadcast_shapes(2, both, size);
    if (ndim < 0) return NULL;
    if (count->device != RL_CPU) return rl_empty(ndim, size, (RLDType)count->dtype, count->device);
    for (int k = 0; k < 2; k++) {
        wide[k] = rl_expand(both[k], (Ints){size, ndim}, false);
        flat[k] = wide[k] ? flat_as(wide[k], RL_F64) : NULL;
        if (!flat[k]) goto done;
    }
    drawn = rl_empty(ndim, size, RL_F64, RL_CPU);
    if (!drawn) goto done;
    for (int64_t i = 0; i < drawn->numel; i++)
        ((double *)drawn->data)[i] = rl_sample_binomial(rl_rng(generator), ((double *)flat[0]->data)[i], ((double *)flat[1]->data)[i],
                                                        count->dtype == RL_F32);
    out = rl_to_dtype_raw(drawn, (RLDType)count->dtype);
done:
    for (int k = 0; k < 2; k++) {
        Py_XDECREF(wide[k]);
        Py_XDECREF(flat[k]);
    }
    Py_XDECREF(drawn);
    return out;
}

/* For each row of `width` concentrations a point of the Dirichlet distribution; width 0: a gamma each. */
static Tensor *concentrations(Tensor *alpha, int64_t width, PyObject *generator) {
    const bool single = alpha->dtype == RL_F32;
    if (!single && alpha->dtype != RL_F64) return rl_not_implemented(width ? "dirichlet" : "gamma_cpu", (RLDType)alpha->dtype), NULL;
    if (alpha->device != RL_CPU) return rl_empty(alpha->ndim, alpha->size, (RLDType)alpha->dtype, alpha->device);
    Tensor *given = flat_as(alpha, RL_F64), *drawn = given ? rl_empty(given->ndim, given->size, RL_F64, RL_CPU) : NULL;
    for (int64_t i = 0; drawn && i < drawn->numel; i += width ? width : 1) {
        const double *a = (const double *)given->data + i;
        double *out = (double *)drawn->data + i;
        if (width) rl_sample_dirichlet(rl_rng(generator), out, a, width, single);
        else *out = rl_sample_gamma(rl_rng(generator), *a, single);
    }
    Tensor *out = drawn ? rl_to_dtype_raw(drawn, (RLDType)alpha->dtype) : NULL;
    Py_XDECREF(given);
    Py_XDECREF(drawn);
    return out;
}

Tensor *impl__standard_gamma(Tensor *input, PyObject *generator) { return concentrations(input, 0, generator); }

Tensor *impl__sample_dirichlet(Tensor *input, PyObject *generator) {
    return concentrations(input, input->ndim ? input->size[input->ndim - 1] : 1, generator);
}
