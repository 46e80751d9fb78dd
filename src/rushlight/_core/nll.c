/* nll.c -- losses of class targets: nll_loss and cross_entropy.
 *
 * cross_entropy of classes over a matrix of logits is one operation that keeps, besides its inputs, two
 * numbers a row (the maximum and the logarithm of the sum); its gradient is one pass over the logits.
 * Every other form is composed of log_softmax and nll_loss.
 */
#include "loss.h"
#include "parse.h"
#include "rl_ops.h"
#include "sizes_text.h"
#include "softmax.h"

#define LEVELS 8

typedef struct {
    const void *x, *w;
    void *norms;
    const int64_t *target;
    int64_t n, classes, inner, ignore;
    int reduction;
} Nll;

/* Where the log-probability of target i lies. */
static inline int64_t place(const Nll *s, int64_t i)
{
    if (RL_LIKELY(s->inner == 1)) return i * s->classes + s->target[i];
    return (i / s->inner * s->classes + s->target[i]) * s->inner + i % s->inner;
}

/* ---------------------------------------------------------------- rows of logits, shared between threads */

#define GRAIN 8192             /* elements that repay a thread's waking: each is an exp */

typedef struct {
    const SoftmaxKernels *kernels;
    const char *x, *shares;
    char *tops, *logs, *out;
    int64_t classes, item;
} Rows;

static void some_norms(void *ctx, int64_t begin, int64_t end)
{
    const Rows *r = ctx;
    const int64_t at = begin * r->item;
    r->kernels->norms(r->x + at * r->classes, r->tops + at, r->logs + at, end - begin, r->classes);
}

static void some_scaled(void *ctx, int64_t begin, int64_t end)
{
    const Rows *r = ctx;
    const int64_t at = begin * r->item;
    r->kernels->scaled(r->x + at * r->classes, r->tops + at, r->logs + at, r->shares + at, r->out + at * r->classes, end - begin, r->classes);
}

static void each_row(const Nll *s, RLDType dt, const void *shares, void *out, void (*some)(void *, int64_t, int64_t))
{
    const int64_t item = RL_ITEMSIZE(dt);
    Rows r = {rl_softmax_kernels(dt), s->x, shares, s->norms, (char *)s->norms + s->n * item, out, s->classes, item};
    if (RL_LIKELY(s->n * s->classes < 2 * GRAIN)) some(&r, 0, s->n);
    else rl_parallel_for(s->n, GRAIN / s->classes + 1, some, &r);
}

/* s->norms = the rows' maxima, then the logarithms of their sums */
static void find_norms(const Nll *s, RLDType dt) { each_row(s, dt, NULL, NULL, some_norms); }

/* out = -shares[row] * softmax(x) */
static void scaled_softmax(const Nll *s, RLDType dt, const void *shares, void *out) { each_row(s, dt, shares, out, some_scaled); }

#define REAL float
#define NAME(f) f##_f32
#include "nll_template.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(f) f##_f64
#include "nll_template.h"

/* ---------------------------------------------------------------- checks */

/* An error about sizes: `format` reads one list, or two. */
static int size_error(PyObject *type, const char *format, Tensor *a, Tensor *b)
{
    PyObject *p = rl_sizes_list(a), *q = b ? rl_sizes_list(b) : NULL;
    if (p && (q || !b)) PyErr_Format(type, format, p, q);
    Py_XDECREF(p);
    Py_XDECREF(q);
    return -1;
}

/* What PyTorch checks of class targets, in its order. */
static int check_classes(Tensor *input, Tensor *target, Tensor *weight)
{
    const int nd = input->ndim;
    if (nd < 1) {
        PyErr_Format(PyExc_ValueError, "Expected 1 or more dimensions (got %d)", nd);
        return -1;
    }
    if (nd != 1 && (target->ndim < 1 || input->size[0] != target->size[0])) {
        PyErr_Format(PyExc_ValueError, "Expected input batch_size (%lld) to match target batch_size (%lld).", (long long)input->size[0],
                     (long long)(target->ndim ? target->size[0] : 1));
        return -1;
    }
    if (nd <= 2 && target->ndim > 1) {
        PyErr_SetString(PyExc_RuntimeError, "0D or 1D target tensor expected, multi-target not supported");
        SizesText given;
        rl_hint("the target is [%s], but one class number for each row of the input is [%lld]%s", rl_shape_text(&given, target),
                (long long)input->size[0], target->ndim == 2 && target->size[1] == 1 ? ": target.squeeze(1)" : "");
        return -1;
    }
    if (nd == 1 && target->ndim == 1 && target->size[0] != 1) {
        PyErr_Format(PyExc_ValueError, "For 1D input, 1D target must have size 1, but got target size: %lld", (long long)target->size[0]);
        return -1;
    }
    if (nd > 2) {
        if (nd == 4 && target->ndim != 3) {
            PyErr_Format(PyExc_RuntimeError, "only batches of spatial targets supported (3D tensors) but got targets of dimension: %d",
                         target->ndim);
            return -1;
        }
        if (target->ndim != nd - 1 || memcmp(target->size + 1, input->size + 2, (nd - 2) * sizeof *input->size) != 0) {
            if (nd == 4) return size_error(PyExc_RuntimeError, "size mismatch (got input: %S , target: %S", input, target);
            int64_t size[RL_MAXDIM];
            size[0] = input->size[0];
            for (int i = 2; i < nd; i++) size[i - 1] = input->size[i];
            Tensor *expected = rl_empty(nd - 1, size, RL_BOOL, RL_META);
            if (expected) size_error(PyExc_RuntimeError, "Expected target size %S, got %S", expected, target);
            Py_XDECREF(expected);
            return -1;
        }
    }
    const int64_t classes = input->size[nd > 1];
    if (weight && (weight->ndim != 1 || weight->numel != classes)) {
        PyObject *shape = rl_sizes_list(weight);
        if (shape) PyErr_Format(PyExc_RuntimeError, "weight tensor should be defined either for all %lld classes or no classes but got "
                                "weight tensor of shape: %S", (long long)classes, shape);
        Py_XDECREF(shape);
        return -1;
    }
    if (RL_UNLIKELY(target->dtype != RL_I64 && target->dtype != RL_U8)) {
        PyErr_Format(PyExc_RuntimeError, "expected target dtype to be Long or Byte, but got %s", rl_dtypes[target->dtype].legacy);
        SizesText wanted;
        if (RL_IS_FLOAT(target->dtype))
            rl_hint("class numbers are integers: target.long(); probabilities of the classes have the input's shape, [%s]",
                    rl_shape_text(&wanted, input));
        else rl_hint("class numbers are int64: target.long()");
        return -1;
    }
    if (weight && weight->dtype != input->dtype) {
        PyErr_Format(PyExc_RuntimeError, "expected scalar type %s but found %s", rl_dtypes[input->dtype].legacy, rl_dtypes[weight->dtype].legacy);
        return -1;
    }
    return 0;
}

static int check_range(const Nll *s)
{
    for (int64_t i = 0; i < s->n * s->inner; i++) {
        const int64_t y = s->target[i];
        if (RL_LIKELY((uint64_t)y < (uint64_t)s->classes) || y == s->ignore) continue;
        PyErr_Format(PyExc_IndexError, "Target %lld is out of bounds.", (long long)y);
        rl_hint("the input has %lld classes, so targets are 0 to %lld, or ignore_index", (long long)s->classes, (long long)s->classes - 1);
        return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- operands */

/* The operands as the template takes them; `owned` holds what must live as long. */
typedef struct { Nll nll; RLDType dtype, compute; Tensor *owned[4]; } Job;

static void drop(Job *j)
{
    for (int i = 0; i < 4; i++) Py_XDECREF(j->owned[i]);
}

static Tensor *plain(Tensor *t, RLDType dt)
{
    if (RL_LIKELY(t->dtype == dt && RL_IS_CONTIGUOUS(t))) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *cast = rl_to_dtype_raw(t, dt), *dense = cast ? rl_contiguous_raw(cast) : NULL;
    Py_XDECREF(cast);
    return dense;
}

/* input NULL: only its sizes are known (the derivative of nll_loss). */
static int prepare(Job *j, Tensor *input, Ints sizes, RLDType dt, Tensor *target, Tensor *weight, int reduction, int64_t ignore)
{
    memset(j, 0, sizeof *j);
    if (!RL_IS_FLOAT(dt) || RL_ITEMSIZE(dt) == 1) return rl_not_implemented("nll_loss_out_frame", dt);
    j->dtype = dt;
    j->compute = dt == RL_F64 ? RL_F64 : RL_F32;
    if ((input && !(j->owned[0] = plain(input, j->compute))) || !(j->owned[1] = plain(target, RL_I64)) ||
        (weight && !(j->owned[2] = plain(weight, j->compute)))) {
        drop(j);
        return -1;
    }
    Nll *s = &j->nll;
    s->x = input ? j->owned[0]->data : NULL;
    s->target = (const int64_t *)j->owned[1]->data;
    s->w = weight ? j->owned[2]->data : NULL;
    s->n = sizes.n > 1 ? sizes.v[0] : 1;
    s->classes = sizes.v[sizes.n > 1];
    s->inner = 1;
    for (int i = 2; i < sizes.n; i++) s->inner *= sizes.v[i];
    s->reduction = sizes.n == 1 && reduction == LOSS_NONE ? LOSS_SUM : reduction; /* of one element: the same */
    s->ignore = ignore;
    if (check_range(s) < 0) {
        drop(j);
        return -1;
    }
    return 0;
}

static Tensor *finished(Tensor *t, RLDType dt)
{
    if (RL_LIKELY(!t || t->dtype == dt)) return t;
    Tensor *r = rl_to_dtype_raw(t, dt);
    Py_DECREF(t);
    return r;
}

static Tensor *forward(Job *j, Tensor *target)
{
    const bool each = j->nll.reduction == LOSS_NONE;
    Tensor *out = rl_empty(each ? target->ndim : 0, target->size, j->compute, RL_CPU);
    if (!out) return NULL;
    if (j->compute == RL_F64) {
        double *p = (double *)out->data, r = forward_f64(&j->nll, each ? p : NULL);
        if (!each) *p = r;
    } else {
        float *p = (float *)out->data, r = forward_f32(&j->nll, each ? p : NULL);
        if (!each) *p = r;
    }
    return finished(out, j->dtype);
}

/* ---------------------------------------------------------------- nll_loss */

Tensor *rl_nll_forward(Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index)
{
    Job j;
    if (prepare(&j, input, (Ints){input->size, input->ndim}, (RLDType)input->dtype, target, weight, reduction, ignore_index) < 0) return NULL;
    Tensor *out = forward(&j, target);
    drop(&j);
    return out;
}

Tensor *rl_nll_backward(Tensor *grad, Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index)
{
    Job j;
    const Ints sizes = {input->size, input->ndim};
    if (prepare(&j, NULL, sizes, (RLDType)grad->dtype, target, weight, reduction, ignore_index) < 0) return NULL;
    Tensor *g = j.owned[3] = plain(grad, j.compute);
    Tensor *out = g ? rl_full_scalar(sizes.n, sizes.v, (Scalar){'i', {.i = 0}, 0}, j.compute, RL_CPU) : NULL;
    if (out && j.compute == RL_F64) backward_f64(&j.nll, (double *)g->data, (double *)out->data);
    else if (out) backward_f32(&j.nll, (float *)g->data, (float *)out->data);
    drop(&j);
    return finished(out, (RLDType)grad->dtype);
}

Tensor *rl_nll_loss_classes(Tensor *input, Tensor *target, Tensor *weight, int64_t reduction, int64_t ignore_index)
{
    if (check_classes(input, target, weight) < 0 || rl_refuse_weight_grad(weight, "nll_loss_forward") < 0) return NULL;
    return input->ndim <= 2 ? rl_nll_loss_1d(input, target, weight, reduction, ignore_index)
                            : rl_nll_loss_2d(input, target, weight, reduction, ignore_index);
}

Tensor *rl_nll_loss(Tensor *input, Tensor *target, Tensor *weight, int size_average, int64_t ignore_index, int reduce, const char *reduction)
{
    const int r = rl_loss_reduction(size_average, reduce, reduction);
    return r < 0 ? NULL : rl_nll_loss_classes(input, target, weight, r, ignore_index);
}

/* ---------------------------------------------------------------- cross_entropy of logits, fused */

enum { S_INPUT, S_TARGET, S_WEIGHT, S_NORMS, N_SAVED };
enum { A_REDUCTION, A_IGNORE, N_ARGS };

static int apply_cross_entropy(Node *node, Tensor **in, Tensor **out)
{
    if (!in[0]) return 0;
    Tensor *saved[N_SAVED];
    const int reduction = (int)node->args[A_REDUCTION].i;
    const int64_t ignore = node->args[A_IGNORE].i;
    int rc = -1;
    for (int i = 0; i < N_SAVED; i++) saved[i] = rl_node_unpack(node, i);
    if (PyErr_Occurred()) goto done;
    Tensor *input = saved[S_INPUT], *target = saved[S_TARGET], *weight = saved[S_WEIGHT], *shares = NULL;
    if (rl_grad_mode) {
        out[0] = rl_cross_entropy_grad(in[0], input, target, weight, reduction, ignore);
        rc = out[0] ? 0 : -1;
        goto done;
    }
    Job j;
    if (prepare(&j, input, (Ints){input->size, input->ndim}, (RLDType)input->dtype, target, weight, reduction, ignore) < 0) goto done;
    Tensor *g = j.owned[3] = plain(in[0], j.compute);
    out[0] = g ? rl_empty(input->ndim, input->size, j.compute, RL_CPU) : NULL;
    shares = out[0] ? rl_empty(1, &j.nll.n, j.compute, RL_CPU) : NULL;
    if (shares) {
        j.nll.norms = saved[S_NORMS]->data;
        if (j.compute == RL_F64) fused_backward_f64(&j.nll, (double *)g->data, (double *)out[0]->data, (double *)shares->data);
        else fused_backward_f32(&j.nll, (float *)g->data, (float *)out[0]->data, (float *)shares->data);
        rc = 0;
    }
    Py_XDECREF(shares);
    drop(&j);
done:
    for (int i = 0; i < N_SAVED; i++) Py_XDECREF(saved[i]);
    return rc;
}

static const char *const saved_names[N_SAVED] = {"self", "target", "weight", "norms"};
static const NodeDef cross_entropy_node = {"NllLossBackward0", apply_cross_entropy, N_SAVED, N_ARGS, saved_names};

static Tensor *fused(Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index)
{
    Job j;
    if (prepare(&j, input, (Ints){input->size, input->ndim}, (RLDType)input->dtype, target, weight, reduction, ignore_index) < 0) return NULL;
    const int64_t n_norms = 2 * j.nll.n;
    Tensor *norms = j.owned[3] = rl_empty(1, &n_norms, j.compute, RL_CPU), *out = NULL;
    if (!norms) goto done;
    j.nll.norms = norms->data;
    find_norms(&j.nll, j.compute);
    out = forward(&j, target);
    if (out && rl_any_grad1(input)) {
        Node *node = rl_node_new(&cross_entropy_node, 1);
        if (!node || rl_node_edge(node, 0, input) < 0) { Py_XDECREF(node); Py_CLEAR(out); goto done; }
        rl_node_save(node, S_INPUT, input);
        rl_node_save(node, S_TARGET, target);
        rl_node_save(node, S_WEIGHT, weight);
        rl_node_save(node, S_NORMS, norms);
        node->args[A_REDUCTION].i = reduction;
        node->args[A_IGNORE].i = ignore_index;
        rl_set_history(out, node, 0);
        Py_DECREF(node);
    }
done:
    drop(&j);
    return out;
}

/* ---------------------------------------------------------------- cross_entropy */

static Tensor *of_probabilities(Tensor *input, Tensor *target, Tensor *weight, int reduction, int64_t ignore_index, double smoothing)
{
    if (!RL_IS_FLOAT(target->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "Expected floating point type for target with class probabilities, got %s", rl_dtypes[target->dtype].legacy);
        return NULL;
    }
    if (ignore_index >= 0) {
        PyErr_SetString(PyExc_RuntimeError, "ignore_index is not supported for floating point target");
        return NULL;
    }
    const int64_t classes = input->ndim ? input->size[input->ndim > 1] : 1;
    if (weight && (weight->ndim != 1 || weight->numel != classes)) {
        PyObject *shape = rl_sizes_list(weight);
        if (shape) PyErr_Format(PyExc_RuntimeError, "cross_entropy: weight tensor should be defined either for all %lld classes or no classes "
                                "but got weight tensor of shape: %S", (long long)classes, shape);
        Py_XDECREF(shape);
        return NULL;
    }
    return rl_cross_entropy_probabilities(input, target, weight, reduction, smoothing);
}

Tensor *rl_cross_entropy(Tensor *input, Tensor *target, Tensor *weight, int size_average, int64_t ignore_index, int reduce,
                         const char *reduction, double label_smoothing)
{
    const int r = rl_loss_reduction(size_average, reduce, reduction);
    if (r < 0) return NULL;
    if (RL_UNLIKELY(rl_same_shape(input, target))) return of_probabilities(input, target, weight, r, ignore_index, label_smoothing);
    if (RL_UNLIKELY(!(label_smoothing >= 0 && label_smoothing <= 1))) {
        char text[96];
        PyOS_snprintf(text, sizeof text, "label_smoothing must be between 0.0 and 1.0. Got: %g", label_smoothing);
        PyErr_SetString(PyExc_RuntimeError, text);
        return NULL;
    }
    if (label_smoothing > 0) return rl_cross_entropy_smoothed(input, target, weight, r, ignore_index, label_smoothing);
    if (RL_LIKELY((input->ndim == 2 || input->ndim == 1) && (input->dtype == RL_F32 || input->dtype == RL_F64) && input->device == RL_CPU)) {
        if (check_classes(input, target, weight) < 0 || rl_refuse_weight_grad(weight, "nll_loss_forward") < 0) return NULL;
        return fused(input, target, weight, r, ignore_index);
    }
    Tensor *logs = rl_log_softmax(input, input->ndim > 1, RL_NODTYPE);
    Tensor *out = logs ? rl_nll_loss_classes(logs, target, weight, r, ignore_index) : NULL;
    Py_XDECREF(logs);
    return out;
}
