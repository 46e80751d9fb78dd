/* scatter.c -- gather and scatter along a dimension, with an index for every element; embedding tables. */
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"
#include "types.h"

/* ---------------------------------------------------------------- the walk */

/* b's element at each place of index against t's element at the same place, except that along dim the
 * index says where.  bs: byte strides of b, NULL when one element stands for all. */
static int walk(int mode, Tensor *t, int dim, Tensor *index, char *b, const int64_t *bs, const char *op) {
    RLPoints points = rl_points(mode, (RLDType)t->dtype, op);
    if (!points) return -1;
    if (index->numel == 0 || t->device != RL_CPU) return 0;
    Tensor *ix = rl_as_index(index);
    if (!ix) return -1;
    int last = index->ndim - 1, rc = -1;
    int64_t item = RL_ITEMSIZE(t->dtype), n = index->size[last], limit = t->size[dim], count[RL_MAXDIM] = {0};
    int64_t along = t->stride[dim] * item, next = last == dim ? 0 : t->stride[last] * item, sb = bs ? bs[last] : 0;
    int64_t *off = rl_alloc((size_t)n * sizeof(int64_t));
    const int64_t *v = (const int64_t *)ix->data, *end = v + index->numel;
    char *a = t->data;
    if (!off) { PyErr_NoMemory(); goto done; }
    while (v < end) {
        for (int64_t i = 0; i < n; i++) {
            if (RL_UNLIKELY((uint64_t)v[i] >= (uint64_t)limit)) {
                PyErr_Format(PyExc_RuntimeError, "index %lld is out of bounds for dimension %d with size %lld", (long long)v[i], dim,
                             (long long)limit);
                goto done;
            }
            off[i] = v[i] * along + i * next;
        }
        points(a, off, b, sb, n);
        v += n;
        for (int d = last - 1; d >= 0; d--) {
            int64_t sa = d == dim ? 0 : t->stride[d] * item, s = bs ? bs[d] : 0;
            a += sa;
            b += s;
            if (++count[d] < index->size[d]) break;
            a -= sa * index->size[d];
            b -= s * index->size[d];
            count[d] = 0;
        }
    }
    rc = 0;
done:
    if (off) rl_dealloc(off, (size_t)n * sizeof(int64_t));
    Py_DECREF(ix);
    return rc;
}

/* ---------------------------------------------------------------- gather */

static int same_dims(Tensor *t, Tensor *index, const char *what) {
    int a = t->ndim ? t->ndim : 1, b = index->ndim ? index->ndim : 1;
    if (a == b || index->numel == 0) return 0;
    PyErr_Format(PyExc_RuntimeError, "Index tensor must have the same number of dimensions as %s tensor", what);
    return -1;
}

Tensor *impl_gather(Tensor *input, int64_t dim, Tensor *index, bool sparse_grad) {
    (void)sparse_grad;
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN || rl_index_dtype(index, "gather") < 0) return NULL;
    if (same_dims(input, index, "input") < 0) return NULL;
    Tensor *out = rl_empty(index->ndim, index->size, (RLDType)input->dtype, input->device);
    if (!out || index->numel == 0) return out;
    Tensor *t = rl_one_dim(input), *ix = rl_one_dim(index);
    int64_t bs[RL_MAXDIM] = {0}, step = RL_ITEMSIZE(input->dtype);
    int rc = t && ix ? 0 : -1;
    for (int d = rc == 0 ? ix->ndim - 1 : -1; d >= 0; d--) {
        if (d != dim && ix->size[d] > t->size[d]) {
            PyObject *a = rl_ints_list(ix->ndim, ix->size), *b = rl_ints_list(t->ndim, t->size);
            if (a && b) PyErr_Format(PyExc_RuntimeError, "Size does not match at dimension %d expected index %S to be no larger than self "
                                     "%S apart from dimension %lld", d, a, b, (long long)dim);
            Py_XDECREF(a);
            Py_XDECREF(b);
            rc = -1;
            break;
        }
        bs[d] = step;
        step *= ix->size[d];
    }
    if (rc == 0) rc = walk(PT_GET, t, (int)dim, ix, out->data, bs, "gather");
    if (rc < 0) Py_CLEAR(out);
    Py_XDECREF(t);
    Py_XDECREF(ix);
    return out;
}

/* ---------------------------------------------------------------- scatter */

static int check_scatter(Tensor *t, int64_t dim, Tensor *index, Tensor *src) {
    if (index->numel == 0) return 0;
    if (same_dims(t, index, "self") < 0 || (src && same_dims(src, index, "src") < 0)) return -1;
    bool fits = true;
    for (int d = 0; d < index->ndim; d++) {
        if (d != dim && index->size[d] > (t->ndim ? t->size[d] : 1)) fits = false;
        if (src && index->size[d] > (src->ndim ? src->size[d] : 1)) fits = false;
    }
    if (fits) return 0;
    PyObject *a = rl_ints_list(index->ndim, index->size), *b = rl_ints_list(t->ndim, t->size);
    PyObject *c = src ? rl_ints_list(src->ndim, src->size) : NULL;
    if (a && b && c) PyErr_Format(PyExc_RuntimeError, "Expected index %S to be no larger than self %S apart from dimension %lld and to be "
                                  "no larger size than src %S", a, b, (long long)dim, c);
    else if (a && b && !src) PyErr_Format(PyExc_RuntimeError, "Expected index %S to be no larger than self %S apart from dimension %lld",
                                          a, b, (long long)dim);
    Py_XDECREF(a);
    Py_XDECREF(b);
    Py_XDECREF(c);
    return -1;
}

/* Into out, in place; src without dimensions where `single`. */
static int scatter_into(Tensor *out, int64_t dim, Tensor *index, Tensor *src, bool single, int mode, const char *op) {
    Tensor *t = rl_one_dim(out), *ix = rl_one_dim(index);
    int64_t bs[RL_MAXDIM] = {0};
    int rc = t && ix ? 0 : -1;
    for (int d = 0; !single && d < src->ndim; d++) bs[d] = src->stride[d] * RL_ITEMSIZE(src->dtype);
    if (rc == 0) rc = walk(mode, t, (int)dim, ix, src->data, single ? NULL : bs, op);
    Py_XDECREF(t);
    Py_XDECREF(ix);
    return rc;
}

static Tensor *scatter_any(Tensor *input, int64_t dim, Tensor *index, Tensor *src, bool single, int mode, const char *op) {
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN || rl_index_dtype(index, op) < 0) return NULL;
    if (check_scatter(input, dim, index, single ? NULL : src) < 0) return NULL;
    if (src->dtype != input->dtype) {
        PyErr_Format(PyExc_RuntimeError, "%s(): Expected self.dtype to be equal to src.dtype", op);
        return NULL;
    }
    Tensor *out = rl_clone(input, RL_CONTIGUOUS_FORMAT);
    if (out && scatter_into(out, dim, index, src, single, mode, op) < 0) Py_CLEAR(out);
    return out;
}

static int mode_of(const char *reduce) {
    if (strcmp(reduce, "add") == 0) return PT_ADD;
    if (strcmp(reduce, "multiply") == 0) return PT_MUL;
    PyErr_SetString(PyExc_RuntimeError, "reduce argument must be either add or multiply.");
    return -1;
}

static Tensor *scatter_number(Tensor *input, int64_t dim, Tensor *index, Scalar value, int mode) {
    Tensor *v = rl_full_scalar(0, NULL, value, (RLDType)input->dtype, input->device);
    Tensor *out = v ? scatter_any(input, dim, index, v, true, mode, "scatter") : NULL;
    Py_XDECREF(v);
    return out;
}

Tensor *impl_scatter(Tensor *input, int64_t dim, Tensor *index, Tensor *src) {
    return scatter_any(input, dim, index, src, false, PT_PUT, "scatter");
}

Tensor *impl_scatter_value(Tensor *input, int64_t dim, Tensor *index, Scalar value) {
    return scatter_number(input, dim, index, value, PT_PUT);
}

Tensor *impl_scatter_reduce_op(Tensor *input, int64_t dim, Tensor *index, Tensor *src, const char *reduce) {
    int mode = mode_of(reduce);
    return mode < 0 ? NULL : scatter_any(input, dim, index, src, false, mode, "scatter");
}

Tensor *impl_scatter_value_reduce(Tensor *input, int64_t dim, Tensor *index, Scalar value, const char *reduce) {
    int mode = mode_of(reduce);
    return mode < 0 ? NULL : scatter_number(input, dim, index, value, mode);
}

Tensor *impl_scatter_add(Tensor *input, int64_t dim, Tensor *index, Tensor *src) {
    return scatter_any(input, dim, index, src, false, PT_ADD, "scatter_add");
}

/* ---------------------------------------------------------------- scatter_reduce */

/* Divides sums by how many values went into each. */
static int mean_of(Tensor *sum, int64_t dim, Tensor *index, bool include_self) {
    Tensor *one = rl_full_scalar(0, NULL, RL_ONE, (RLDType)sum->dtype, sum->device);
    Tensor *count = rl_full_scalar(sum->ndim, sum->size, include_self ? RL_ONE : (Scalar){'i', {.i = 0}, 0}, (RLDType)sum->dtype, sum->device);
    Tensor *q = NULL, *safe = NULL;
    int rc = -1;
    if (!one || !count || scatter_into(count, dim, index, one, true, PT_ADD, "scatter_reduce") < 0) goto done;
    if (!(safe = rl_full_scalar(sum->ndim, sum->size, RL_ONE, (RLDType)sum->dtype, sum->device))) goto done;
    Py_SETREF(count, rl_maximum(count, safe));
    if (!count || !(q = RL_IS_INEXACT(sum->dtype) ? rl_div(sum, count) : rl_floor_divide(sum, count))) goto done;
    rc = rl_copy_raw(sum, q);
done:
    Py_XDECREF(one);
    Py_XDECREF(count);
    Py_XDECREF(safe);
    Py_XDECREF(q);
    return rc;
}

Tensor *impl_scatter_reduce(Tensor *input, int64_t dim, Tensor *index, Tensor *src, const char *reduce, bool include_self) {
    static const char *const names[] = {"sum", "prod", "mean", "amax", "amin"};
    static const int modes[] = {PT_ADD, PT_MUL, PT_ADD, PT_MAX, PT_MIN};
    int k = 0;
    while (k < 5 && strcmp(reduce, names[k])) k++;
    if (k == 5) {
        PyErr_Format(PyExc_RuntimeError, "reduce argument must be either sum, prod, mean, amax or amin, got %s", reduce);
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    Tensor *start = input;
    Py_INCREF(start);
    if (!include_self) {
        /* what is overwritten starts from the identity; of extremes any of the values will do */
        if (k >= 3) Py_SETREF(start, scatter_any(input, dim, index, src, false, PT_PUT, "scatter_reduce"));
        else Py_SETREF(start, scatter_number(input, dim, index, (Scalar){'i', {.i = k == 1}, 0}, PT_PUT));
        if (!start) return NULL;
    }
    Tensor *out = scatter_any(start, dim, index, src, false, modes[k], "scatter_reduce");
    Py_DECREF(start);
    if (out && k == 2 && mean_of(out, dim, index, include_self) < 0) Py_CLEAR(out);
    return out;
}

/* ---------------------------------------------------------------- embedding */

static int check_embedding_index(Tensor *indices) {
    if (indices->dtype == RL_I64 || indices->dtype == RL_I32) return 0;
    PyErr_Format(PyExc_RuntimeError, "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; "
                 "but got torch.%sTensor instead (while checking arguments for embedding)", rl_dtypes[indices->dtype].legacy);
    return -1;
}

static Tensor *flat_index(Tensor *indices) {
    Tensor *c = rl_as_index(indices);
    int64_t one = 1;
    if (c && c->ndim != 1) Py_SETREF(c, rl_alias(c, 1, &c->numel, &one, c->data));
    return c;
}

Tensor *impl_embedding_lookup(Tensor *weight, Tensor *indices, int64_t padding_idx, bool scale_grad_by_freq) {
    (void)padding_idx;
    (void)scale_grad_by_freq;
    RLPlan p;
    if (weight->ndim != 2) { PyErr_SetString(PyExc_RuntimeError, "'weight' must be 2-D"); return NULL; }
    if (check_embedding_index(indices) < 0) return NULL;
    Tensor *ix = flat_index(indices), *out = NULL;
    if (!ix) return NULL;
    if (rl_plan_dim(&p, weight, 0, ix, "index out of range in self") == 0) {
        int64_t size[RL_MAXDIM + 1];
        memcpy(size, indices->size, indices->ndim * sizeof(int64_t));
        size[indices->ndim] = weight->size[1];
        out = rl_empty(indices->ndim + 1, size, (RLDType)weight->dtype, weight->device);
        if (out && rl_plan_run(&p, PT_GET, weight, out->data, false, "embedding") < 0) Py_CLEAR(out);
        rl_plan_free(&p);
    }
    Py_DECREF(ix);
    return out;
}

/* Rows of grad divided by how often their index occurs. */
static Tensor *scale_by_frequency(Tensor *rows, Tensor *ix, int64_t num_weights) {
    Tensor *count = rl_full_scalar(1, &num_weights, (Scalar){'i', {.i = 0}, 0}, RL_I64, RL_CPU), *r = NULL, *f = NULL;
    int64_t shape[2] = {ix->numel, 1};
    if (!count || !(f = rl_empty(2, shape, RL_I64, RL_CPU))) goto done;
    int64_t *c = (int64_t *)count->data;
    const int64_t *v = (const int64_t *)ix->data;
    for (int64_t i = 0; i < ix->numel; i++) if (v[i] >= 0 && v[i] < num_weights) c[v[i]]++;
    for (int64_t i = 0; i < ix->numel; i++) ((int64_t *)f->data)[i] = v[i] >= 0 && v[i] < num_weights ? c[v[i]] : 1;
    Py_SETREF(f, rl_to_dtype_raw(f, (RLDType)rows->dtype));
    if (f) r = rl_div(rows, f);
done:
    Py_XDECREF(count);
    Py_XDECREF(f);
    return r;
}

Tensor *impl_embedding_dense_backward(Tensor *grad_output, Tensor *indices, int64_t num_weights, int64_t padding_idx, bool scale_grad_by_freq) {
    if (check_embedding_index(indices) < 0) return NULL;
    int64_t width = grad_output->size[grad_output->ndim - 1], size[2] = {num_weights, width}, item = RL_ITEMSIZE(grad_output->dtype);
    int64_t shape[2] = {indices->numel, width}, stride[2] = {width, 1}, *off = NULL;
    RLPoints add = rl_points(PT_ADD, (RLDType)grad_output->dtype, "embedding_backward");
    Tensor *out = add ? rl_zeros_as(grad_output, 2, size) : NULL, *ix = flat_index(indices), *c = rl_contiguous_raw(grad_output), *rows = NULL;
    int rc = -1;
    if (!out || !ix || !c || !(rows = rl_alias(c, 2, shape, stride, c->data))) goto done;
    if (scale_grad_by_freq) {
        Py_SETREF(rows, scale_by_frequency(rows, ix, num_weights));
        if (!rows) goto done;
    }
    if (!(off = rl_alloc((size_t)(width + 1) * sizeof(int64_t)))) { PyErr_NoMemory(); goto done; }
    for (int64_t j = 0; j < width; j++) off[j] = j * item;
    const int64_t *v = (const int64_t *)ix->data;
    for (int64_t i = 0; i < ix->numel; i++) {
        if (v[i] == padding_idx) continue;
        if (v[i] < 0 || v[i] >= num_weights) { PyErr_SetString(PyExc_IndexError, "index out of range in self"); goto done; }
        add(out->data + v[i] * width * item, off, rows->data + i * width * item, item, width);
    }
    rc = 0;
done:
    if (off) rl_dealloc(off, (size_t)(width + 1) * sizeof(int64_t));
    Py_XDECREF(ix);
    Py_XDECREF(c);
    Py_XDECREF(rows);
    if (rc < 0) Py_CLEAR(out);
    return out;
}

/* Rows that are looked up and longer than max_norm are shortened in place, without history. */
static int renorm_rows(Tensor *weight, Tensor *indices, double max_norm, double norm_type) {
    Tensor *ix = flat_index(indices), *row = NULL;
    bool *seen = PyMem_Calloc((size_t)weight->size[0] + 1, 1);
    int rc = -1, mode = rl_grad_mode;
    rl_grad_mode = 0;
    if (!ix || !seen) { if (!seen) PyErr_NoMemory(); goto done; }
    const int64_t *v = (const int64_t *)ix->data;
    for (int64_t i = 0; i < ix->numel; i++) {
        if (v[i] < 0 || v[i] >= weight->size[0]) { PyErr_SetString(PyExc_IndexError, "index out of range in self"); goto done; }
        if (seen[v[i]]) continue;
        seen[v[i]] = true;
        row = rl_alias(weight, 1, &weight->size[1], &weight->stride[1], weight->data + v[i] * weight->stride[0] * RL_ITEMSIZE(weight->dtype));
        Tensor *wide_row = row ? rl_to_dtype_raw(row, RL_F64) : NULL;
        if (!wide_row) goto done;
        Tensor *flat = rl_contiguous_raw(wide_row);
        Py_DECREF(wide_row);
        if (!flat) goto done;
        double norm = 0;
        const double *x = (const double *)flat->data;
        for (int64_t j = 0; j < flat->numel; j++) {
            double a = fabs(x[j]);
            norm = isinf(norm_type) ? (a > norm ? a : norm) : norm + (norm_type == 2 ? a * a : norm_type == 1 ? a : pow(a, norm_type));
        }
        if (!isinf(norm_type)) norm = norm_type == 2 ? sqrt(norm) : norm_type == 1 ? norm : pow(norm, 1 / norm_type);
        Py_DECREF(flat);
        if (norm > max_norm) {
            Tensor *scale = rl_wrap_double(max_norm / (norm + 1e-7)), *short_row = scale ? rl_mul(row, scale) : NULL;
            int bad = short_row ? rl_copy_raw(row, short_row) : -1;
            Py_XDECREF(scale);
            Py_XDECREF(short_row);
            if (bad < 0) goto done;
        }
        Py_CLEAR(row);
    }
    rl_bump(weight);
    rc = 0;
done:
    rl_grad_mode = mode;
    PyMem_Free(seen);
    Py_XDECREF(row);
    Py_XDECREF(ix);
    return rc;
}

Tensor *rl_embedding(Tensor *input, Tensor *weight, int64_t padding_idx, Scalar max_norm, double norm_type, bool scale_grad_by_freq, bool sparse) {
    if (sparse) { PyErr_SetString(PyExc_NotImplementedError, "embedding(): sparse gradients are not supported"); return NULL; }
    if (padding_idx == RL_NO_INT) {
        padding_idx = -1;
    } else if (weight->ndim == 2) {
        int64_t n = weight->size[0];
        if (padding_idx >= n || padding_idx < -n) {
            PyErr_SetString(PyExc_AssertionError, "Padding_idx must be within num_embeddings");
            return NULL;
        }
        if (padding_idx < 0) padding_idx += n;
    }
    if (max_norm.kind && weight->ndim == 2 && check_embedding_index(input) == 0 &&
        renorm_rows(weight, input, rl_scalar_double(max_norm), norm_type) < 0) return NULL;
    if (PyErr_Occurred()) return NULL;
    return rl_embedding_lookup(weight, input, padding_idx, scale_grad_by_freq);
}
