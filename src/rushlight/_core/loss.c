/* loss.c -- losses of an input and a target, element by element: mse, l1, smooth_l1, huber, binary cross entropy.
 *
 * The kernels take contiguous operands of one dtype; what is not so (broadcast, strided, float16) is made so
 * first.  float16 and bfloat16 are computed in float32.
 */
#include "loss.h"
#include "isa.h"
#include "parse.h"
#include "rl_ops.h"

extern const LossKernels *const rl_loss_kernels_base[2];
#if defined(__x86_64__) || defined(_M_X64)
extern const LossKernels *const rl_loss_kernels_avx2[2], *const rl_loss_kernels_avx512[2];
#endif

static const LossKernels *kernels_of(RLDType dt)
{
    static const LossKernels *const *best;
    if (RL_UNLIKELY(!best)) {
        best = rl_loss_kernels_base;
#if defined(__x86_64__) || defined(_M_X64)
        const RLIsa isa = rl_isa_best();
        if (isa >= RL_ISA_AVX512) best = rl_loss_kernels_avx512;
        else if (isa >= RL_ISA_AVX2) best = rl_loss_kernels_avx2;
#endif
    }
    return best[dt == RL_F64];
}

/* ---------------------------------------------------------------- what every loss checks */

static PyObject *tristate(int v)
{
    return v < 0 ? Py_None : v ? Py_True : Py_False;
}

int rl_loss_reduction(int size_average, int reduce, const char *reduction)
{
    if (RL_LIKELY(size_average < 0 && reduce < 0)) {
        if (RL_LIKELY(strcmp(reduction, "mean") == 0)) return LOSS_MEAN;
        if (strcmp(reduction, "sum") == 0) return LOSS_SUM;
        if (strcmp(reduction, "none") == 0) return LOSS_NONE;
    }
    PyObject *helpers = PyImport_ImportModule("rushlight.nn._reduction"), *number = NULL;
    if (!helpers) return -1;
    if (size_average >= 0 || reduce >= 0)
        number = PyObject_CallMethod(helpers, "legacy_get_enum", "OO", tristate(size_average), tristate(reduce));
    else
        number = PyObject_CallMethod(helpers, "get_enum", "s", reduction);
    Py_DECREF(helpers);
    if (!number) return -1;
    const int r = (int)PyLong_AsLong(number);
    Py_DECREF(number);
    return r;
}

PyObject *rl_sizes_list(Tensor *t)
{
    PyObject *list = PyList_New(t->ndim);
    for (int i = 0; list && i < t->ndim; i++) {
        PyObject *v = PyLong_FromLongLong(t->size[i]);
        if (!v) { Py_CLEAR(list); break; }
        PyList_SET_ITEM(list, i, v);
    }
    return list;
}

int rl_refuse_weight_grad(Tensor *weight, const char *function)
{
    if (!weight || !rl_any_grad1(weight)) return 0;
    PyErr_Format(PyExc_RuntimeError, "The function '%s' is not differentiable with respect to argument 'weight'. "
                 "This input cannot have requires_grad True.", function);
    return -1;
}

/* -1 with the sizes of target and input in an error of this type, or after a warning that is one. */
static int sizes_differ(PyObject *type, bool warn, const char *format, Tensor *input, Tensor *target)
{
    PyObject *a = rl_size_object(target->ndim, target->size), *b = rl_size_object(input->ndim, input->size);
    int r = -1;
    if (a && b && warn) r = PyErr_WarnFormat(type, 1, format, a, b);
    else if (a && b) PyErr_Format(type, format, a, b);
    Py_XDECREF(a);
    Py_XDECREF(b);
    return r;
}

static inline int check_sizes(Tensor *input, Tensor *target)
{
    if (RL_LIKELY(rl_same_shape(input, target))) return 0;
    return sizes_differ(PyExc_UserWarning, true, "Using a target size (%S) that is different to the input size (%S). This will likely "
                        "lead to incorrect results due to broadcasting. Please ensure they have the same size.", input, target);
}

static int check_weight_size(Tensor *weight, Tensor *input)
{
    if (rl_same_shape(weight, input)) return 0;
    PyErr_SetString(PyExc_ValueError, "Weights and input must have the same size.");
    return -1;
}

/* ---------------------------------------------------------------- operands */

enum { X, T, W, P, N_OPERANDS };

typedef struct {
    Tensor *v[N_OPERANDS];     /* contiguous, of one shape, of dtype `compute` */
    RLDType dtype, compute;
    int ndim;
    int64_t size[RL_MAXDIM], numel;
} Operands;

static void drop(Operands *o)
{
    for (int i = 0; i < N_OPERANDS; i++) Py_CLEAR(o->v[i]);
}

static Tensor *fitted(Tensor *t, const Operands *o)
{
    const bool whole = t->ndim == o->ndim && memcmp(t->size, o->size, o->ndim * sizeof *o->size) == 0;
    if (RL_LIKELY(t->dtype == o->compute && whole && RL_IS_CONTIGUOUS(t))) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *cast = rl_to_dtype_raw(t, o->compute), *wide = NULL, *dense = NULL;
    if (!cast) return NULL;
    int64_t stride[RL_MAXDIM];
    const int lead = o->ndim - cast->ndim;
    for (int i = 0; i < o->ndim; i++)
        stride[i] = i < lead || cast->size[i - lead] == 1 ? 0 : cast->stride[i - lead];
    wide = rl_alias(cast, o->ndim, o->size, stride, cast->data);
    if (wide) dense = rl_contiguous_raw(wide);
    Py_DECREF(cast);
    Py_XDECREF(wide);
    return dense;
}

static int gather_operands(Operands *o, const char *name, Tensor *const given[N_OPERANDS])
{
    Tensor *x = given[X], *t = given[T], *part[N_OPERANDS];
    int n = 0;
    memset(o->v, 0, sizeof o->v);
    for (int i = 0; i < N_OPERANDS; i++) if (given[i]) part[n++] = given[i];
    o->dtype = rl_promote((RLDType)x->dtype, (RLDType)t->dtype); /* after broadcasting, no operand counts as a mere number */
    if (RL_UNLIKELY(!RL_IS_FLOAT(o->dtype) || RL_ITEMSIZE(o->dtype) == 1)) {
        int64_t shape[RL_MAXDIM];
        return rl_broadcast_shapes(n, part, shape) < 0 ? -1 : rl_not_implemented(name, o->dtype);
    }
    o->compute = o->dtype == RL_F64 ? RL_F64 : RL_F32;
    if (RL_LIKELY(n == 2 && rl_same_shape(x, t))) {
        o->ndim = x->ndim;
        memcpy(o->size, x->size, x->ndim * sizeof *o->size);
    } else if ((o->ndim = rl_broadcast_shapes(n, part, o->size)) < 0) {
        return -1;
    }
    o->numel = 1;
    for (int i = 0; i < o->ndim; i++) o->numel *= o->size[i];
    for (int i = 0; i < N_OPERANDS; i++) {
        if (given[i] && !(o->v[i] = fitted(given[i], o))) {
            drop(o);
            return -1;
        }
    }
    return 0;
}

static inline void *data_of(Tensor *t)
{
    return t ? t->data : NULL;
}

static Tensor *as_dtype(Tensor *t, RLDType dt)
{
    if (RL_LIKELY(!t || t->dtype == dt)) return t;
    Tensor *r = rl_to_dtype_raw(t, dt);
    Py_DECREF(t);
    return r;
}

static int check_unit(const LossKernels *k, Tensor *t, const char *which)
{
    if (k->within_unit(t->data, t->numel)) return 0;
    PyErr_Format(PyExc_RuntimeError, "all elements of %s should be between 0 and 1", which);
    if (strcmp(which, "input") == 0) rl_hint("end the model with a sigmoid, or use BCEWithLogitsLoss, which has it built in");
    return -1;
}

/* ---------------------------------------------------------------- forward and backward */

/* ---------------------------------------------------------------- one pass over the operands, shared between threads */

#define GRAIN 16384            /* elements that repay a thread's waking */

typedef struct {
    const LossKernels *k;
    LossKind kind;
    const char *x, *t, *p, *w, *g; /* p: pos_weight, w: weight, or NULL; g: one number, or one for each */
    bool g_each;
    char *out;
    int64_t item;              /* bytes of an element */
    double count, q;
    int64_t numel;
    double part[64];           /* sums of the blocks */
} Pass;

static inline const char *from(const Pass *s, const char *p, int64_t at) { return p ? p + at * s->item : NULL; }

static void some_values(void *ctx, int64_t begin, int64_t end)
{
    const Pass *s = ctx;
    char *out = s->out + begin * s->item;
    s->k->value[s->kind](from(s, s->x, begin), from(s, s->t, begin), from(s, s->p, begin), out, end - begin, s->q);
    if (s->w) s->k->multiply(out, from(s, s->w, begin), end - begin);
}

static void some_slopes(void *ctx, int64_t begin, int64_t end)
{
    const Pass *s = ctx;
    char *out = s->out + begin * s->item;
    const char *g = s->g_each ? from(s, s->g, begin) : s->g;
    s->k->slope[s->kind](from(s, s->x, begin), from(s, s->t, begin), from(s, s->p, begin), g, s->g_each, s->count, out, end - begin, s->q);
    if (s->w) s->k->multiply(out, from(s, s->w, begin), end - begin);
}

static void go_over(Pass *s, void (*some)(void *, int64_t, int64_t))
{
    if (RL_LIKELY(s->numel < 2 * GRAIN)) some(s, 0, s->numel);
    else rl_parallel_for(s->numel, GRAIN, some, s);
}

/* Blocks are cut by the number of elements alone, so that the sum does not depend on who finds its parts. */
static inline int64_t block_of(const Pass *s) { return (s->numel / 64 / GRAIN + 1) * GRAIN; }

static void some_totals(void *ctx, int64_t begin, int64_t end)
{
    Pass *s = ctx;
    const int64_t block = block_of(s);
    for (int64_t i = begin; i < end; i++) {
        const int64_t at = i * block, n = s->numel - at < block ? s->numel - at : block;
        s->part[i] = s->k->total(s->k->value[s->kind], from(s, s->x, at), from(s, s->t, at), from(s, s->p, at), from(s, s->w, at), n, s->q);
    }
}

static double total_of(Pass *s)
{
    const int64_t block = block_of(s), blocks = (s->numel + block - 1) / block;
    double total = 0;
    if (RL_LIKELY(blocks <= 1)) some_totals(s, 0, 1);
    else rl_parallel_for(blocks, 1, some_totals, s);
    for (int64_t i = 0; i < (blocks ? blocks : 1); i++) total += s->part[i];
    return total;
}

Tensor *rl_loss_forward(LossKind kind, const char *name, Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight,
                        int reduction, double q)
{
    Operands o;
    if (RL_UNLIKELY(gather_operands(&o, name, (Tensor *const[]){input, target, weight, pos_weight}) < 0)) return NULL;
    const LossKernels *k = kernels_of(o.compute);
    const bool each = reduction == LOSS_NONE;
    Tensor *out = NULL;
    if (input->device != RL_CPU) {
        out = rl_empty(each ? o.ndim : 0, o.size, o.dtype, input->device);
        goto done;
    }
    if (kind == LOSS_BCE && (check_unit(k, o.v[X], "input") < 0 || check_unit(k, o.v[T], "target") < 0)) goto done;
    if (!(out = rl_empty(each ? o.ndim : 0, o.size, o.compute, RL_CPU))) goto done;
    const void *x = o.v[X]->data, *t = o.v[T]->data, *p = data_of(o.v[P]);
    Pass pass = {k, kind, x, t, p, data_of(o.v[W]), .out = out->data, .item = RL_ITEMSIZE(o.compute), .q = q, .numel = o.numel};
    if (each) {
        go_over(&pass, some_values);
    } else {
        double total = total_of(&pass);
        if (reduction == LOSS_MEAN) total /= (double)o.numel;
        if (o.compute == RL_F32) *(float *)out->data = (float)total;
        else *(double *)out->data = total;
    }
    out = as_dtype(out, o.dtype);
done:
    drop(&o);
    return out;
}

Tensor *rl_loss_backward(LossKind kind, Tensor *grad, Tensor *input, Tensor *target, Tensor *weight, Tensor *pos_weight,
                         int reduction, double q)
{
    Operands o;
    if (RL_UNLIKELY(gather_operands(&o, "loss_backward", (Tensor *const[]){input, target, weight, pos_weight}) < 0)) return NULL;
    const LossKernels *k = kernels_of(o.compute);
    const double count = reduction == LOSS_MEAN ? (double)o.numel : 1;
    const bool each = grad->numel != 1;
    Tensor *g = each ? fitted(grad, &o) : rl_to_dtype_raw(grad, o.compute);
    Tensor *out = g ? rl_empty(o.ndim, o.size, o.compute, input->device) : NULL;
    if (out && input->device == RL_CPU) {
        Pass pass = {k, kind, o.v[X]->data, o.v[T]->data, data_of(o.v[P]), data_of(o.v[W]), g->data, each, out->data,
                     RL_ITEMSIZE(o.compute), count, q, o.numel};
        go_over(&pass, some_slopes);
    }
    Py_XDECREF(g);
    out = as_dtype(out, o.dtype);
    drop(&o);
    return out;
}

/* ---------------------------------------------------------------- the public functions */

/* losses (taken over) times weight, reduced; the mean is over the weights. */
static Tensor *weighted(Tensor *losses, Tensor *weight, int reduction)
{
    Tensor *r = losses ? rl_loss_weighted(losses, weight, reduction) : NULL;
    Py_XDECREF(losses);
    return r;
}

Tensor *rl_mse_loss(Tensor *input, Tensor *target, int size_average, int reduce, const char *reduction, Tensor *weight)
{
    if (check_sizes(input, target) < 0) return NULL;
    const int r = rl_loss_reduction(size_average, reduce, reduction);
    if (r < 0) return NULL;
    if (RL_LIKELY(!weight)) return rl__mse_loss(input, target, r, 0);
    if (check_weight_size(weight, input) < 0) return NULL;
    return weighted(rl__mse_loss(input, target, LOSS_NONE, 0), weight, r);
}

static Tensor *l1(Tensor *input, Tensor *target, int reduction)
{
    if (!RL_IS_FLOAT(input->dtype) || !RL_IS_FLOAT(target->dtype)) {
        Tensor *d = rl_sub(input, target, RL_ONE), *a = d ? rl_abs(d) : NULL, *r = a ? rl_loss_reduce(a, reduction) : NULL;
        Py_XDECREF(d);
        Py_XDECREF(a);
        return r;
    }
    switch (reduction) {
        case LOSS_MEAN: return rl__l1_loss_mean(input, target, reduction, 0);
        case LOSS_SUM: return rl__l1_loss_sum(input, target, reduction, 0);
        default: return rl__l1_loss_none(input, target, reduction, 0);
    }
}

Tensor *rl_l1_loss(Tensor *input, Tensor *target, int size_average, int reduce, const char *reduction, Tensor *weight)
{
    if (check_sizes(input, target) < 0) return NULL;
    const int r = rl_loss_reduction(size_average, reduce, reduction);
    if (r < 0) return NULL;
    if (RL_LIKELY(!weight)) return l1(input, target, r);
    if (check_weight_size(weight, input) < 0) return NULL;
    return weighted(l1(input, target, LOSS_NONE), weight, r);
}

Tensor *rl_smooth_l1_loss(Tensor *input, Tensor *target, int size_average, int reduce, const char *reduction, double beta)
{
    if (check_sizes(input, target) < 0) return NULL;
    const int r = rl_loss_reduction(size_average, reduce, reduction);
    if (r < 0) return NULL;
    if (beta == 0) return l1(input, target, r);
    if (beta < 0) {
        PyErr_SetString(PyExc_RuntimeError, "smooth_l1_loss does not support negative values for beta.");
        return NULL;
    }
    return rl__smooth_l1_loss(input, target, r, beta);
}

Tensor *rl_huber_loss(Tensor *input, Tensor *target, const char *reduction, double delta, Tensor *weight)
{
    if (check_sizes(input, target) < 0) return NULL;
    const int r = rl_loss_reduction(-1, -1, reduction);
    if (r < 0) return NULL;
    if (!(delta > 0)) {
        PyErr_SetString(PyExc_RuntimeError, "huber_loss does not support non-positive values for delta.");
        return NULL;
    }
    if (RL_LIKELY(!weight)) return rl__huber_loss(input, target, r, delta);
    if (check_weight_size(weight, input) < 0) return NULL;
    /* Unlike the others, PyTorch's weighted Huber loss divides by the number of elements. */
    Tensor *losses = rl__huber_loss(input, target, LOSS_NONE, delta), *product = losses ? rl_mul(losses, weight) : NULL;
    Tensor *result = product ? rl_loss_reduce(product, r) : NULL;
    Py_XDECREF(losses);
    Py_XDECREF(product);
    return result;
}

Tensor *rl_binary_cross_entropy(Tensor *input, Tensor *target, Tensor *weight, int size_average, int reduce, const char *reduction)
{
    const int r = rl_loss_reduction(size_average, reduce, reduction);
    if (r < 0) return NULL;
    if (RL_UNLIKELY(!rl_same_shape(input, target))) {
        sizes_differ(PyExc_ValueError, false, "Using a target size (%S) that is different to the input size (%S) is deprecated. "
                     "Please ensure they have the same size.", input, target);
        return NULL;
    }
    if (RL_UNLIKELY(input->dtype != target->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "Found dtype %s but expected %s", rl_dtypes[target->dtype].legacy, rl_dtypes[input->dtype].legacy);
        rl_hint("the target has the input's dtype: target.to(torch.%s)", rl_dtypes[input->dtype].name);
        return NULL;
    }
    if (rl_refuse_weight_grad(weight, "binary_cross_entropy") < 0) return NULL;
    return rl__binary_cross_entropy(input, target, weight, r);
}

Tensor *rl_binary_cross_entropy_with_logits(Tensor *input, Tensor *target, Tensor *weight, int size_average, int reduce,
                                            const char *reduction, Tensor *pos_weight)
{
    const int r = rl_loss_reduction(size_average, reduce, reduction);
    if (r < 0) return NULL;
    if (RL_UNLIKELY(!rl_same_shape(input, target))) {
        sizes_differ(PyExc_ValueError, false, "Target size (%S) must be the same as input size (%S)", input, target);
        return NULL;
    }
    if (rl_refuse_weight_grad(weight, "binary_cross_entropy_with_logits") < 0) return NULL;
    return rl_logits_loss(input, target, weight, pos_weight, r);
}
