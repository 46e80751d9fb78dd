/* search.c -- where values stand in sorted ones: searchsorted, bucketize, isin; one_hot. */
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"
#include <stdlib.h>

/* The first place at which v could be inserted, or with `right` the last; a NaN goes to the end. */
#define BISECT(NAME, T)                                                                              \
    static int64_t NAME(const T *a, const int64_t *order, int64_t n, T v, bool right) {                    \
        int64_t lo = 0, hi = n;                                                                            \
        while (lo < hi) {                                                                                  \
            int64_t mid = lo + (hi - lo) / 2;                                                              \
            T m = a[order ? order[mid] : mid];                                                             \
            if (right ? !(m > v) : !(m >= v)) lo = mid + 1;                                                 \
            else hi = mid;                                                                                 \
        }                                                                                                  \
        return lo;                                                                                         \
    }
BISECT(bisect_int, int64_t)
BISECT(bisect_real, double)

static Tensor *wide_copy(Tensor *t, RLDType dt) {
    Tensor *w = rl_to_dtype_raw(t, dt), *c = w ? rl_contiguous_raw(w) : NULL;
    Py_XDECREF(w);
    return c;
}

/* int64 or double, in which both can be compared. */
static RLDType common_type(Tensor *a, Tensor *b) { return RL_IS_INEXACT(a->dtype) || RL_IS_INEXACT(b->dtype) ? RL_F64 : RL_I64; }

static Tensor *search(Tensor *sorted, Tensor *values, bool out_int32, bool right, Tensor *sorter) {
    RLDType dt = common_type(sorted, values);
    Tensor *s = wide_copy(sorted, dt), *v = wide_copy(values, dt), *order = sorter ? rl_as_index(sorter) : NULL;
    Tensor *out = s && v && (order || !sorter) ? rl_empty(values->ndim, values->size, RL_I64, RL_CPU) : NULL;
    int64_t n = sorted->size[sorted->ndim - 1], per = values->ndim ? values->size[values->ndim - 1] : 1;
    for (int64_t i = 0; out && i < values->numel; i++) {
        int64_t row = sorted->ndim > 1 ? i / per * n : 0;
        const int64_t *o = order ? (const int64_t *)order->data + row : NULL;
        ((int64_t *)out->data)[i] = dt == RL_I64 ? bisect_int((const int64_t *)s->data + row, o, n, ((const int64_t *)v->data)[i], right)
                                                 : bisect_real((const double *)s->data + row, o, n, ((const double *)v->data)[i], right);
    }
    Py_XDECREF(s);
    Py_XDECREF(v);
    Py_XDECREF(order);
    if (out && out_int32) Py_SETREF(out, rl_to_dtype_raw(out, RL_I32));
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

static int order_int(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}
/* NaN last */
#define REAL_LESS(x, y) ((x) < (y) || ((y) != (y) && (x) == (x)))
static int order_real(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return REAL_LESS(y, x) - REAL_LESS(x, y);
}

Tensor *impl_isin(Tensor *elements, Tensor *test_elements, bool assume_unique, bool invert) {
    (void)assume_unique;
    RLDType dt = common_type(elements, test_elements);
    Tensor *e = wide_copy(elements, dt), *c = wide_copy(test_elements, dt), *test = c ? rl_clone_raw(c) : NULL;
    Tensor *out = e && test ? rl_empty(elements->ndim, elements->size, RL_BOOL, RL_CPU) : NULL;
    int64_t n = test_elements->numel;
    if (out) qsort(test->data, (size_t)n, 8, dt == RL_I64 ? order_int : order_real);
    /* NaN equals nothing; sorted last, it would only mislead the bisection */
    if (out && dt == RL_F64) while (n > 0 && ((const double *)test->data)[n - 1] != ((const double *)test->data)[n - 1]) n--;
    for (int64_t i = 0; out && i < e->numel; i++) {
        bool found;
        if (dt == RL_I64) {
            int64_t v = ((const int64_t *)e->data)[i], at = bisect_int((const int64_t *)test->data, NULL, n, v, false);
            found = at < n && ((const int64_t *)test->data)[at] == v;
        } else {
            double v = ((const double *)e->data)[i];
            int64_t at = bisect_real((const double *)test->data, NULL, n, v, false);
            found = at < n && ((const double *)test->data)[at] == v;
        }
        out->data[i] = found != invert;
    }
    Py_XDECREF(e);
    Py_XDECREF(c);
    Py_XDECREF(test);
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
