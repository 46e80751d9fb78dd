/* search.c -- where values stand in sorted ones: searchsorted, bucketize, isin; one_hot. */
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"

/* The first place at which v could be inserted, or with `right` the last; a NaN goes to the end.  Which half goes on is
 * chosen without a branch, and eight searches take their steps together, so that none waits for another's memory. */
#define TOGETHER 8
#define EACH _Pragma("GCC unroll 8") for (int l = 0; l < TOGETHER; l++)
#define INLINE static inline __attribute__((always_inline))

#define BISECT(T)                                                                                          \
    INLINE void steps_##T(const T *a, int64_t n, bool right, const T *v, int64_t *place) {                 \
        int64_t p[TOGETHER] = {0};                                                                         \
        for (; n > 1; n -= n / 2)                                                                          \
            EACH {                                                                                         \
                const T m = a[p[l] + n / 2 - 1];                                                           \
                p[l] += n / 2 & -(int64_t)(right ? !(m > v[l]) : !(m >= v[l]));                            \
            }                                                                                              \
        EACH place[l] = p[l] + (n > 0 && (right ? !(a[p[l]] > v[l]) : !(a[p[l]] >= v[l])));                \
    }                                                                                                      \
    /* Through an order, or where NaN at the end make the outcome depend on the steps: those of PyTorch's bisection. */ \
    static int64_t plain_##T(const T *a, const int64_t *order, int64_t n, bool right, T v) {               \
        int64_t lo = 0, hi = n;                                                                            \
        while (lo < hi) {                                                                                  \
            const int64_t mid = lo + (hi - lo) / 2;                                                        \
            const T m = a[order ? order[mid] : mid];                                                       \
            if (right ? !(m > v) : !(m >= v)) lo = mid + 1;                                                \
            else hi = mid;                                                                                 \
        }                                                                                                  \
        return lo;                                                                                         \
    }                                                                                                      \
    static void bisect_##T(const T *a, const int64_t *order, int64_t n, bool right, const T *v, int64_t m, int64_t *place) { \
        int64_t i = 0;                                                                                     \
        if (!order && (n == 0 || a[n - 1] == a[n - 1]))                                                    \
            for (; i + TOGETHER <= m; i += TOGETHER) {                                                     \
                if (right) steps_##T(a, n, true, v + i, place + i);                                        \
                else steps_##T(a, n, false, v + i, place + i);                                             \
            }                                                                                              \
        for (; i < m; i++) place[i] = plain_##T(a, order, n, right, v[i]);                                 \
    }
BISECT(int32_t)
BISECT(int64_t)
BISECT(float)
BISECT(double)

/* `m` values of dtype dt among n sorted ones. */
static void bisect(RLDType dt, const char *a, const int64_t *order, int64_t n, bool right, const char *v, int64_t m, int64_t *place) {
    switch (dt) {
        case RL_I32: bisect_int32_t((const int32_t *)a, order, n, right, (const int32_t *)v, m, place); break;
        case RL_I64: bisect_int64_t((const int64_t *)a, order, n, right, (const int64_t *)v, m, place); break;
        case RL_F32: bisect_float((const float *)a, order, n, right, (const float *)v, m, place); break;
        default: bisect_double((const double *)a, order, n, right, (const double *)v, m, place);
    }
}

static Tensor *wide_copy(Tensor *t, RLDType dt) {
    Tensor *w = rl_to_dtype_raw(t, dt), *c = w ? rl_contiguous_raw(w) : NULL;
    Py_XDECREF(w);
    return c;
}

/* Their own where it is one, else int64 or double, in which both can be compared. */
static RLDType common_type(Tensor *a, Tensor *b) {
    if (a->dtype == b->dtype && (a->dtype == RL_F32 || a->dtype == RL_I32)) return (RLDType)a->dtype;
    return RL_IS_INEXACT(a->dtype) || RL_IS_INEXACT(b->dtype) ? RL_F64 : RL_I64;
}

#define BLOCK 256
#define GRAIN 1024             /* searches */

typedef struct {
    RLDType dt;
    const char *sorted, *values;
    const int64_t *order;      /* of the sorted, or NULL */
    int64_t n, per;            /* elements of a row of the sorted, and values that are looked up in it */
    bool right;
    char *out;
    int out_item;              /* 8, 4: places; 1: whether the value is there, which `invert` turns round */
    bool invert;
} Search;

static inline bool equal_at(const Search *s, int64_t place, int64_t i) {
    if (s->n == 0) return false;
    place -= place == s->n; /* what belongs behind the last is not equal to it: no branch is needed to know */
    switch (s->dt) {
        case RL_I32: return ((const int32_t *)s->sorted)[place] == ((const int32_t *)s->values)[i];
        case RL_I64: return ((const int64_t *)s->sorted)[place] == ((const int64_t *)s->values)[i];
        case RL_F32: return ((const float *)s->sorted)[place] == ((const float *)s->values)[i];
        default: return ((const double *)s->sorted)[place] == ((const double *)s->values)[i];
    }
}

static void some_values(void *ctx, int64_t begin, int64_t end) {
    const Search *s = ctx;
    const int64_t item = RL_ITEMSIZE(s->dt);
    int64_t place[BLOCK];
    while (begin < end) {
        const int64_t row = begin / s->per * s->n, left = s->per - begin % s->per; /* in this row of the sorted */
        int64_t m = end - begin < left ? end - begin : left;
        if (m > BLOCK) m = BLOCK;
        bisect(s->dt, s->sorted + row * item, s->order ? s->order + row : NULL, s->n, s->right, s->values + begin * item, m, place);
        if (s->out_item == 8) memcpy(s->out + begin * 8, place, (size_t)m * 8);
        else if (s->out_item == 4) for (int64_t i = 0; i < m; i++) ((int32_t *)s->out)[begin + i] = (int32_t)place[i];
        else for (int64_t i = 0; i < m; i++) s->out[begin + i] = equal_at(s, place[i], begin + i) != s->invert;
        begin += m;
    }
}

static Tensor *search(Tensor *sorted, Tensor *values, bool out_int32, bool right, Tensor *sorter) {
    const RLDType dt = common_type(sorted, values);
    Tensor *s = wide_copy(sorted, dt), *v = wide_copy(values, dt), *order = sorter ? rl_as_index(sorter) : NULL;
    Tensor *out = s && v && (order || !sorter) ? rl_empty(values->ndim, values->size, out_int32 ? RL_I32 : RL_I64, RL_CPU) : NULL;
    if (out && out->numel) {
        Search job = {dt, s->data, v->data, order ? (const int64_t *)order->data : NULL, sorted->size[sorted->ndim - 1],
                      sorted->ndim > 1 ? values->size[values->ndim - 1] : values->numel, right, out->data, out_int32 ? 4 : 8, false};
        rl_parallel_for(values->numel, GRAIN, some_values, &job);
    }
    Py_XDECREF(s);
    Py_XDECREF(v);
    Py_XDECREF(order);
    return out;
}

static int check_search(Tensor *sorted, Tensor *values, const char *side, bool *right, Tensor *sorter) {
    if (side && strcmp(side, "left") && strcmp(side, "right")) {
        PyErr_Format(PyExc_RuntimeError, "torch.searchsorted(): side can only be 'left' or 'right' but got %s", side);
        return -1;
    }
    if (side && *right && strcmp(side, "left") == 0) {
        PyErr_SetString(PyExc_RuntimeError, "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True");
        return -1;
    }
    if (side && strcmp(side, "right") == 0) *right = true;
    if (sorted->ndim == 0) {
        PyErr_SetString(PyExc_RuntimeError, "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension");
        return -1;
    }
    bool match = sorted->ndim == 1 || sorted->ndim == values->ndim;
    for (int d = 0; match && sorted->ndim > 1 && d + 1 < sorted->ndim; d++) match = sorted->size[d] == values->size[d];
    if (!match) {
        rl_shape_error(PyExc_RuntimeError, "torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
                       "boundaries tensor and input value tensor must match, but we got boundaries tensor %S and input value tensor %S",
                       sorted->ndim, sorted->size, values->ndim, values->size);
        return -1;
    }
    if (sorter && !rl_same_shape(sorter, sorted)) {
        rl_shape_error(PyExc_RuntimeError, "torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor %S and "
                       "got sorter tensor %S", sorted->ndim, sorted->size, sorter->ndim, sorter->size);
        return -1;
    }
    if (sorter && sorter->dtype != RL_I64) {
        PyErr_Format(PyExc_RuntimeError, "torch.searchsorted(): sorter must be a tensor of long dtype but got dtype %s", rl_dtypes[sorter->dtype].legacy);
        return -1;
    }
    if (sorter && sorter->numel) {
        Tensor *ix = rl_as_index(sorter);
        if (!ix) return -1;
        int64_t n = sorted->size[sorted->ndim - 1];
        bool inside = true;
        for (int64_t i = 0; i < ix->numel && inside; i++) inside = (uint64_t)((const int64_t *)ix->data)[i] < (uint64_t)n;
        Py_DECREF(ix);
        if (!inside) { PyErr_SetString(PyExc_RuntimeError, "torch.searchsorted(): sorter index out of range"); return -1; }
    }
    return 0;
}

Tensor *impl_searchsorted(Tensor *sorted_sequence, Tensor *input, bool out_int32, bool right, const char *side, Tensor *sorter) {
    if (check_search(sorted_sequence, input, side, &right, sorter) < 0) return NULL;
    return search(sorted_sequence, input, out_int32, right, sorter);
}

Tensor *impl_bucketize(Tensor *input, Tensor *boundaries, bool out_int32, bool right) {
    if (boundaries->ndim != 1) {
        PyErr_Format(PyExc_RuntimeError, "boundaries tensor must be 1 dimension, but got dim(%d)", boundaries->ndim);
        return NULL;
    }
    return search(boundaries, input, out_int32, right, NULL);
}

/* ---------------------------------------------------------------- isin */

Tensor *impl_isin(Tensor *elements, Tensor *test_elements, bool assume_unique, bool invert) {
    (void)assume_unique;
    const RLDType dt = common_type(elements, test_elements);
    Tensor *e = wide_copy(elements, dt), *c = wide_copy(test_elements, dt), *sorted[2] = {NULL, NULL};
    Tensor *flat = e && c ? rl_alias(c, 1, &c->numel, (int64_t[]){1}, c->data) : NULL;
    Tensor *out = flat && rl_sort_stable(flat, 1, 0, false, sorted) == 0 ? rl_empty(elements->ndim, elements->size, RL_BOOL, RL_CPU) : NULL;
    if (out && out->numel) {
        int64_t n = flat->numel;
        /* NaN equals nothing; sorted last, it would only mislead the bisection */
        if (dt == RL_F64) while (n > 0 && ((const double *)sorted[0]->data)[n - 1] != ((const double *)sorted[0]->data)[n - 1]) n--;
        if (dt == RL_F32) while (n > 0 && ((const float *)sorted[0]->data)[n - 1] != ((const float *)sorted[0]->data)[n - 1]) n--;
        Search job = {dt, sorted[0]->data, e->data, NULL, n, e->numel, false, out->data, 1, invert};
        rl_parallel_for(e->numel, GRAIN, some_values, &job);
    }
    Py_XDECREF(e);
    Py_XDECREF(c);
    Py_XDECREF(flat);
    Py_XDECREF(sorted[0]);
    Py_XDECREF(sorted[1]);
    return out;
}

/* ---------------------------------------------------------------- one_hot */

Tensor *impl_one_hot(Tensor *tensor, int64_t num_classes) {
    if (tensor->dtype != RL_I64) { PyErr_SetString(PyExc_RuntimeError, "one_hot is only applicable to index tensor of type LongTensor."); return NULL; }
    if (tensor->numel == 0 && num_classes <= 0) {
        PyErr_SetString(PyExc_RuntimeError, "Can not infer total number of classes from empty tensor.");
        return NULL;
    }
    Tensor *ix = rl_as_index(tensor), *out = NULL;
    if (!ix) return NULL;
    const int64_t *v = (const int64_t *)ix->data;
    int64_t low = 0, high = -1, size[RL_MAXDIM + 1];
    for (int64_t i = 0; i < ix->numel; i++) {
        if (v[i] < low) low = v[i];
        if (v[i] > high) high = v[i];
    }
    if (low < 0) { PyErr_SetString(PyExc_RuntimeError, "Class values must be non-negative."); goto done; }
    if (num_classes == -1) num_classes = high + 1;
    else if (num_classes < 1 && ix->numel) { PyErr_SetString(PyExc_RuntimeError, "num_classes should be positive"); goto done; }
    else if (high >= num_classes) { PyErr_SetString(PyExc_RuntimeError, "Class values must be smaller than num_classes."); goto done; }
    memcpy(size, tensor->size, tensor->ndim * sizeof(int64_t));
    size[tensor->ndim] = num_classes;
    if ((out = rl_zeros_as(tensor, tensor->ndim + 1, size)))
        for (int64_t i = 0; i < ix->numel; i++) ((int64_t *)out->data)[i * num_classes + v[i]] = 1;
done:
    Py_DECREF(ix);
    return out;
}
