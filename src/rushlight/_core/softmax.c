/* softmax.c -- softmax and log_softmax along any dimension, and their derivatives.
 *
 * The kernels work on contiguous tensors: on rows where the dimension is the last one, else on columns, many side by side.
 * If there are only a few of those, the dimension is brought last by copying.  float16 and bfloat16 are computed in float32.
 */
#include "softmax.h"
#include "isa.h"
#include "rl.h"
#include "rl_ops.h"

extern const SoftmaxKernels *const rl_softmax_kernels_base[2];
#if defined(__x86_64__) || defined(_M_X64)
extern const SoftmaxKernels *const rl_softmax_kernels_avx2[2], *const rl_softmax_kernels_avx512[2];
#endif

#define GRAIN 8192             /* elements that repay a thread's waking: each is an exp */
#define FEW 16                 /* columns that do not repay being walked side by side */

const SoftmaxKernels *rl_softmax_kernels(int dtype)
{
    static const SoftmaxKernels *const *best;
    if (RL_UNLIKELY(!best)) {
        best = rl_softmax_kernels_base;
#if defined(__x86_64__) || defined(_M_X64)
        const RLIsa isa = rl_isa_best();
        if (isa >= RL_ISA_AVX512) best = rl_softmax_kernels_avx512;
        else if (isa >= RL_ISA_AVX2) best = rl_softmax_kernels_avx2;
#endif
    }
    return best[dtype == RL_F64];
}

/* ---------------------------------------------------------------- rows and columns */

typedef struct {
    const SoftmaxKernels *kernels;
    SoftmaxKind kind;
    const char *x, *y;         /* y: the derivatives' second input */
    char *out;
    int64_t n, inner, strips;  /* of (outer, n, inner); strips of columns in one of the outer */
    int64_t item;
} Job;

static void some_rows(void *ctx, int64_t begin, int64_t end)
{
    const Job *j = ctx;
    const int64_t at = begin * j->n * j->item;
    j->kernels->rows[j->kind](j->x + at, j->y + at, j->out + at, end - begin, j->n);
}

static void some_strips(void *ctx, int64_t begin, int64_t end)
{
    const Job *j = ctx;
    for (int64_t i = begin; i < end; i++) {
        const int64_t first = i % j->strips * SOFTMAX_STRIP, left = j->inner - first;
        const int64_t at = (i / j->strips * j->n * j->inner + first) * j->item;
        j->kernels->columns[j->kind](j->x + at, j->y + at, j->out + at, j->n, j->inner, left < SOFTMAX_STRIP ? left : SOFTMAX_STRIP);
    }
}

static void run(Job *j, int64_t numel)
{
    if (j->inner == 1) {
        if (RL_LIKELY(numel < 2 * GRAIN)) some_rows(j, 0, numel / j->n);
        else rl_parallel_for(numel / j->n, GRAIN / j->n + 1, some_rows, j);
        return;
    }
    const int64_t w = j->inner < SOFTMAX_STRIP ? j->inner : SOFTMAX_STRIP;
    rl_parallel_for(numel / (j->n * j->inner) * j->strips, GRAIN / (j->n * w) + 1, some_strips, j);
}

/* View of t with dim swapped with the last one. */
static Tensor *swapped(Tensor *t, int dim)
{
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM];
    memcpy(size, t->size, t->ndim * sizeof *size);
    memcpy(stride, t->stride, t->ndim * sizeof *stride);
    const int last = t->ndim - 1;
    size[dim] = t->size[last], size[last] = t->size[dim];
    stride[dim] = t->stride[last], stride[last] = t->stride[dim];
    return rl_alias(t, t->ndim, size, stride, t->data);
}

/* t as contiguous rows of dtype dt along dim: a new reference, perhaps to t itself. */
static Tensor *as_rows(Tensor *t, int dim, RLDType dt)
{
    if (RL_LIKELY(t->dtype == dt && dim >= t->ndim - 1 && RL_IS_CONTIGUOUS(t))) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *cast = rl_to_dtype_raw(t, dt);
    Tensor *turned = !cast ? NULL : dim < t->ndim - 1 ? swapped(cast, dim) : (Tensor *)Py_NewRef((PyObject *)cast);
    Tensor *rows = turned ? rl_contiguous_raw(turned) : NULL;
    Py_XDECREF(cast);
    Py_XDECREF(turned);
    return rows;
}

static Tensor *from_rows(Tensor *rows, int dim, RLDType dt)
{
    if (RL_LIKELY(rows->dtype == dt && dim >= rows->ndim - 1)) return (Tensor *)Py_NewRef((PyObject *)rows);
    Tensor *turned = dim < rows->ndim - 1 ? swapped(rows, dim) : (Tensor *)Py_NewRef((PyObject *)rows);
    Tensor *out = turned ? rl_empty(turned->ndim, turned->size, dt, RL_CPU) : NULL;
    if (out && rl_copy_raw(out, turned) < 0) Py_CLEAR(out);
    Py_XDECREF(turned);
    return out;
}

static Tensor *apply(SoftmaxKind kind, Tensor *x, Tensor *y, int64_t dim, RLDType dt)
{
    if ((dim = rl_wrap_dim(dim, x->ndim)) == INT64_MIN) return NULL;
    if (!RL_IS_FLOAT(dt) || RL_ITEMSIZE(dt) == 1) {
        const bool last = dim >= x->ndim - 1;
        rl_not_implemented(kind == SOFTMAX ? (last ? "softmax_lastdim_kernel_impl" : "softmax_kernel_impl")
                           : (last ? "log_softmax_lastdim_kernel_impl" : "log_softmax_kernel_impl"), dt);
        return NULL;
    }
    if (x->device != RL_CPU) return rl_empty(x->ndim, x->size, dt, x->device);
    const RLDType compute = dt == RL_F64 ? RL_F64 : RL_F32;
    int64_t inner = 1;
    for (int i = (int)dim + 1; i < x->ndim; i++) inner *= x->size[i];
    const int turn = inner > 1 && inner < FEW ? (int)dim : x->ndim; /* the dimension to bring last */
    Tensor *a = as_rows(x, turn, compute), *b = y ? as_rows(y, turn, compute) : NULL, *result = NULL;
    Tensor *out = a && (b || !y) ? rl_empty(a->ndim, a->size, compute, RL_CPU) : NULL;
    if (!out) goto done;
    if (turn < x->ndim) inner = 1;
    if (a->numel) {
        const int64_t n = x->ndim ? x->size[dim] : 1;
        Job job = {rl_softmax_kernels(compute), kind, a->data, b ? b->data : a->data, out->data, n, inner,
                   (inner + SOFTMAX_STRIP - 1) / SOFTMAX_STRIP, RL_ITEMSIZE(compute)};
        run(&job, a->numel);
    }
    result = from_rows(out, turn, dt);
done:
    Py_XDECREF(a);
    Py_XDECREF(b);
    Py_XDECREF(out);
    return result;
}

/* ---------------------------------------------------------------- operations */

Tensor *impl_softmax(Tensor *input, int64_t dim, RLDType dtype)
{
    return apply(SOFTMAX, input, NULL, dim, dtype == RL_NODTYPE ? (RLDType)input->dtype : dtype);
}

Tensor *impl_log_softmax(Tensor *input, int64_t dim, RLDType dtype)
{
    return apply(LOG_SOFTMAX, input, NULL, dim, dtype == RL_NODTYPE ? (RLDType)input->dtype : dtype);
}

Tensor *impl__softmax_backward_data(Tensor *grad_output, Tensor *output, int64_t dim)
{
    return apply(SOFTMAX_BACKWARD, grad_output, output, dim, (RLDType)output->dtype);
}

Tensor *impl__log_softmax_backward_data(Tensor *grad_output, Tensor *output, int64_t dim)
{
    return apply(LOG_SOFTMAX_BACKWARD, grad_output, output, dim, (RLDType)output->dtype);
}
