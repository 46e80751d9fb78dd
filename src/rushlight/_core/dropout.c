/* dropout.c -- dropout and its relatives: a product with random noise, which backward multiplies by again. */
#include "fill.h"
#include "generator.h"
#include "rl_ops.h"
#include "runtime.h"
#include <math.h>

/* ---------------------------------------------------------------- input * noise, in one pass */

static int mul_noise(Node *n, Tensor **in, Tensor **out) {
    if (!in[0]) return 0;
    Tensor *noise = rl_node_unpack(n, 0);
    if (!noise) return -1;
    out[0] = rl_mul(in[0], noise);
    Py_DECREF(noise);
    return out[0] ? 0 : -1;
}

static const char *const saved_other[] = {"other"}, *const saved_noise[] = {"noise"};
static const NodeDef mul_node = {"MulBackward0", mul_noise, 1, 0, saved_other};
static const NodeDef rrelu_node = {"RreluWithNoiseBackward0", mul_noise, 1, 0, saved_noise};
static const NodeDef rrelu_inplace_node = {"RreluWithNoiseBackward1", mul_noise, 1, 0, saved_noise};

static Node *noise_node(const NodeDef *def, int n_edges, Tensor *input, Tensor *noise) {
    Node *n = rl_node_new(def, n_edges);
    if (!n) return NULL;
    if (rl_node_edge(n, 0, input) < 0 || rl_node_save(n, 0, noise) < 0) Py_CLEAR(n);
    return n;
}

enum { BLOCK = 4096 };

#define MASKED(T)                                                                                \
    static void masked_##T(RLRandom *r, const T *x, T *out, T *noise, int64_t n, double keep) { \
        uint8_t kept[BLOCK];                                                                     \
        const T scale = (T)1 / (T)keep;                                                          \
        for (int64_t at = 0; at < n; at += BLOCK) {                                              \
            const int64_t part = n - at < BLOCK ? n - at : BLOCK;                                \
            rl_bernoulli(r, kept, part, keep);                                                   \
            for (int64_t i = 0; i < part; i++) {                                                 \
                const T m = kept[i] ? scale : 0;                                                 \
                out[at + i] = x[at + i] * m; /* a product: infinity and NaN times 0 are NaN */   \
                if (noise) noise[at + i] = m;                                                    \
            }                                                                                    \
        }                                                                                        \
    }
MASKED(float)
MASKED(double)

/* Without gaps: what rl_empty_like makes then has the same order in memory, PyTorch's order of draws. */
static bool dense(Tensor *t, Tensor *like) {
    return RL_IS_CONTIGUOUS(t) || memcmp(t->stride, like->stride, (size_t)t->ndim * sizeof *t->stride) == 0;
}

/* NULL without an error: not for this tensor. */
static Tensor *dropout_fused(Tensor *input, double p) {
    const RLDType dt = (RLDType)input->dtype;
    if (input->device != RL_CPU || (dt != RL_F32 && dt != RL_F64)) return NULL;
    const bool record = rl_any_grad1(input);
    Tensor *out = rl_empty_like(input, dt), *noise = NULL;
    Node *n = NULL;
    if (!out) return NULL;
    if (!dense(input, out)) goto fail;
    if (record && !(noise = rl_empty_like(input, dt))) goto fail;
    if (dt == RL_F32) masked_float(rl_rng(NULL), (float *)input->data, (float *)out->data, noise ? (float *)noise->data : NULL, input->numel, 1 - p);
    else masked_double(rl_rng(NULL), (double *)input->data, (double *)out->data, noise ? (double *)noise->data : NULL, input->numel, 1 - p);
    if (record) {
        if (!(n = noise_node(&mul_node, 2, input, noise))) goto fail;
        rl_set_history(out, n, 0);
        Py_DECREF(n);
        Py_DECREF(noise);
    }
    return out;
fail:
    Py_DECREF(out);
    Py_XDECREF(noise);
    return NULL;
}

/* ---------------------------------------------------------------- the composed family */

static Tensor *times(Tensor *input, Tensor *noise, bool inplace) { return inplace ? rl_mul_(input, noise) : rl_mul(input, noise); }

/* t is overwritten by op(t, number); -1 and an error otherwise.  Noise never has a history. */
static int scaled(Tensor *t, Tensor *(*op)(Tensor *, Tensor *), double by) {
    Tensor *number = rl_wrap_double(by), *same = number ? op(t, number) : NULL;
    Py_XDECREF(number);
    Py_XDECREF(same);
    return same ? 0 : -1;
}
static Tensor *add_one(Tensor *t, Tensor *number) { return rl_add_(t, number, RL_ONE); }

/* One draw an element, or a channel of (N, C, ...). */
static Tensor *noise_like(Tensor *input, bool channels) {
    if (!channels) return rl_empty_like(input, (RLDType)input->dtype);
    if (input->ndim < 2) {
        PyErr_SetString(PyExc_RuntimeError, "Feature dropout requires at least 2 dimensions in the input");
        return NULL;
    }
    int64_t size[RL_MAXDIM];
    for (int i = 0; i < input->ndim; i++) size[i] = i < 2 ? input->size[i] : 1;
    return rl_empty(input->ndim, size, (RLDType)input->dtype, input->device);
}

/* What SELU tends to for x -> -inf, negated: alpha dropout puts dropped elements there, then restores mean 0
 * and variance 1 (Klambauer et al., 2017). */
static const double SELU_FLOOR = 1.7580993408473766;

static Tensor *dropped(Tensor *input, double p, bool channels, bool keep_moments, bool inplace) {
    Tensor *shift = NULL, *out = NULL, *noise;
    if (p == 1) {
        noise = rl_full_scalar(0, NULL, (Scalar){'i', {.i = 0}, 0}, (RLDType)input->dtype, input->device);
        out = noise ? times(input, noise, inplace) : NULL;
        Py_XDECREF(noise);
        return out;
    }
    noise = noise_like(input, channels);
    if (!noise || rl_fill_bernoulli(noise, 1 - p, NULL) < 0) goto done;
    if (keep_moments) {
        const double a = 1 / sqrt((SELU_FLOOR * SELU_FLOOR * p + 1) * (1 - p));
        shift = rl_clone_raw(noise);
        if (!shift || scaled(shift, add_one, -1) < 0 || scaled(shift, rl_mul_, SELU_FLOOR * a) < 0 ||
            scaled(shift, add_one, SELU_FLOOR * a * p) < 0 || scaled(noise, rl_mul_, a) < 0)
            goto done;
    } else if (scaled(noise, rl_div_, 1 - p) < 0) {
        goto done;
    }
    out = times(input, noise, inplace);
    if (out && shift) {
        Tensor *moved = rl_add_(out, shift, RL_ONE);
        Py_DECREF(out);
        out = moved;
    }
done:
    Py_XDECREF(noise);
    Py_XDECREF(shift);
    return out;
}

static bool valid(double p, PyObject *error) {
    if (RL_LIKELY(p >= 0 && p <= 1)) return true;
    PyObject *number = PyFloat_FromDouble(p);
    if (number) PyErr_Format(error, "dropout probability has to be between 0 and 1, but got %R", number);
    Py_XDECREF(number);
    return false;
}

#define IDENTITY(t, p, training) (!(training) || (p) == 0 || (t)->numel == 0)
#define SAME(t) ((Tensor *)Py_NewRef((PyObject *)(t)))

Tensor *rl_dropout(Tensor *input, double p, bool training, bool inplace) {
    if (!valid(p, PyExc_ValueError)) return NULL;
    if (IDENTITY(input, p, training)) return SAME(input);
    if (!inplace && p < 1) {
        Tensor *out = dropout_fused(input, p);
        if (out || PyErr_Occurred()) return out;
    }
    return dropped(input, p, false, false, inplace);
}

#define FAMILY(NAME, CHANNELS, MOMENTS, INPLACE)                          \
    Tensor *NAME(Tensor *input, double p, bool train) {                   \
        if (!valid(p, PyExc_RuntimeError)) return NULL;                   \
        if (IDENTITY(input, p, train)) return SAME(input);                \
        return dropped(input, p, CHANNELS, MOMENTS, INPLACE);             \
    }
FAMILY(rl_dropout_, false, false, true)
FAMILY(rl_alpha_dropout, false, true, false)
FAMILY(rl_alpha_dropout_, false, true, true)
FAMILY(rl_feature_dropout, true, false, false)
FAMILY(rl_feature_dropout_, true, false, true)
FAMILY(rl_feature_alpha_dropout, true, true, false)
FAMILY(rl_feature_alpha_dropout_, true, true, true)

Tensor *rl_dropout_train(Tensor *input, double p, bool train) {
    return valid(p, PyExc_RuntimeError) ? rl_dropout(input, p, train, false) : NULL;
}

/* ---------------------------------------------------------------- rrelu */

/* Negative elements times a slope drawn from [lower, upper), bounds rounded to T; rng NULL: times the middle of them. */
#define SLOPED(T)                                                                                            \
    static void sloped_##T(RLRandom *rng, const T *x, T *out, T *noise, int64_t n, double lower, double upper) { \
        for (int64_t i = 0; i < n; i++) {                                                                    \
            double slope = 1;                                                                                \
            if (!(x[i] > 0)) {                                                                               \
                slope = (lower + upper) / 2;                                                                 \
                if (rng && x[i] <= 0) slope = rl_random_unit(rng) * ((double)(T)upper - (T)lower) + (T)lower; \
            }                                                                                                \
            noise[i] = (T)slope;                                                                             \
            out[i] = x[i] * noise[i];                                                                        \
        }                                                                                                    \
    }
SLOPED(float)
SLOPED(double)

/* Both results in float or double, row-major. */
static int rrelu_raw(Tensor *input, double lower, double upper, RLRandom *rng, Tensor **out, Tensor **noise) {
    const RLDType dt = input->dtype == RL_F64 ? RL_F64 : RL_F32;
    Tensor *cast = rl_to_dtype_raw(input, dt), *x = cast ? rl_contiguous_raw(cast) : NULL;
    Py_XDECREF(cast);
    *out = x ? rl_empty(x->ndim, x->size, dt, x->device) : NULL;
    *noise = *out ? rl_empty(x->ndim, x->size, dt, x->device) : NULL;
    if (!*noise) {
        Py_XDECREF(x);
        Py_CLEAR(*out);
        return -1;
    }
    if (x->device != RL_CPU) ;
    else if (dt == RL_F64) sloped_double(rng, (double *)x->data, (double *)(*out)->data, (double *)(*noise)->data, x->numel, lower, upper);
    else sloped_float(rng, (float *)x->data, (float *)(*out)->data, (float *)(*noise)->data, x->numel, lower, upper);
    Py_DECREF(x);
    return 0;
}

static Tensor *rrelu(Tensor *input, double lower, double upper, bool training, bool inplace, PyObject *generator) {
    const RLDType dt = (RLDType)input->dtype;
    if (!(lower <= upper)) {
        PyErr_SetString(PyExc_RuntimeError, "Lower bound should be less than or equal to the upper bound");
        return NULL;
    }
    if (!RL_IS_FLOAT(dt) || (training && dt == RL_F16))
        return rl_not_implemented(training ? "rrelu_with_noise_out_cpu" : "leaky_relu_cpu", dt), NULL;
    const bool record = rl_any_grad1(input);
    if (inplace && (rl_check_inplace(input, record) < 0 || rl_check_overlap(input, 0, NULL) < 0)) return NULL;
    Tensor *raw = NULL, *noise = NULL, *slopes = NULL, *out = NULL;
    Node *n = NULL;
    if (rrelu_raw(input, lower, upper, training ? rl_rng(generator) : NULL, &raw, &noise) < 0) return NULL;
    out = inplace ? SAME(input) : RL_IS_CONTIGUOUS(input) ? rl_to_dtype_raw(raw, dt) : rl_empty_like(input, dt);
    if (!out) goto fail;
    if ((inplace || !RL_IS_CONTIGUOUS(input)) && rl_copy_raw(out, raw) < 0) goto fail;
    if (inplace) rl_bump(input);
    if (record) {
        slopes = rl_to_dtype_raw(noise, dt);
        n = slopes ? noise_node(inplace ? &rrelu_inplace_node : &rrelu_node, 1, input, slopes) : NULL;
        if (!n) goto fail;
        if (!inplace) rl_set_history(out, n, 0);
        else if (rl_rebase_history(input, n, 0) < 0) goto fail;
    }
    goto done;
fail:
    Py_CLEAR(out);
done:
    Py_XDECREF(raw);
    Py_XDECREF(noise);
    Py_XDECREF(slopes);
    Py_XDECREF(n);
    return out;
}

Tensor *rl_rrelu(Tensor *input, double lower, double upper, bool training, bool inplace) {
    return rrelu(input, lower, upper, training, inplace, NULL);
}
Tensor *rl_rrelu_generator(Tensor *input, double lower, double upper, bool training, PyObject *generator) {
    return rrelu(input, lower, upper, training, false, generator);
}
Tensor *rl_rrelu_(Tensor *input, double lower, double upper, bool training, PyObject *generator) {
    return rrelu(input, lower, upper, training, true, generator);
}
