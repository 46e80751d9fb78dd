/* rearrange.c -- the same elements in other places: flip, roll, rot90, repeat_interleave, tril, triu; and
 * the operations that set one view of a copy. */
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"

/* ---------------------------------------------------------------- flip, roll, rot90 */

Tensor *impl_flip(Tensor *input, Ints dims) {
    int64_t stride[RL_MAXDIM];
    bool seen[RL_MAXDIM] = {false};
    char *data = input->data;
    memcpy(stride, input->stride, input->ndim * sizeof(int64_t));
    for (int i = 0; i < dims.n; i++) {
        int64_t d = rl_wrap_dim(dims.v[i], input->ndim);
        if (d == INT64_MIN) return NULL;
        if (seen[d]) {
            PyErr_Format(PyExc_RuntimeError, "dim %lld appears multiple times in the list of dims", (long long)d);
            return NULL;
        }
        seen[d] = true;
        if (input->ndim == 0 || input->numel == 0) continue;
        data += (input->size[d] - 1) * stride[d] * RL_ITEMSIZE(input->dtype);
        stride[d] = -stride[d];
    }
    Tensor *back = rl_alias(input, input->ndim, input->size, stride, data), *out = back ? rl_empty_like(input, (RLDType)input->dtype) : NULL;
    if (out && rl_copy_raw(out, back) < 0) Py_CLEAR(out);
    Py_XDECREF(back);
    return out;
}

Tensor *rl_fliplr(Tensor *input) {
    if (input->ndim < 2) { PyErr_SetString(PyExc_RuntimeError, "Input must be >= 2-d."); return NULL; }
    return rl_flip(input, (Ints){(const int64_t[]){1}, 1});
}

Tensor *rl_flipud(Tensor *input) {
    if (input->ndim < 1) { PyErr_SetString(PyExc_RuntimeError, "Input must be >= 1-d."); return NULL; }
    return rl_flip(input, (Ints){(const int64_t[]){0}, 1});
}

/* Copies n entries along dim. */
static int move_part(Tensor *to, int64_t to_at, Tensor *from, int64_t from_at, int64_t dim, int64_t n) {
    Tensor *a = impl_slice(to, dim, to_at, to_at + n, 1), *b = a ? impl_slice(from, dim, from_at, from_at + n, 1) : NULL;
    int rc = b ? rl_copy_raw(a, b) : -1;
    Py_XDECREF(a);
    Py_XDECREF(b);
    return rc;
}

static Tensor *roll_one(Tensor *t, int64_t shift, int64_t dim) {
    if (t->ndim == 0) {
        PyErr_Format(PyExc_IndexError, "Dimension specified as %lld but tensor has no dimensions", (long long)dim);
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, t->ndim)) == INT64_MIN) return NULL;
    if (t->numel == 0) return rl_clone_raw(t);
    int64_t n = t->size[dim], k = shift % n;
    if (k < 0) k += n;
    Tensor *out = rl_empty(t->ndim, t->size, (RLDType)t->dtype, t->device); /* contiguous, as cat() of the parts */
    if (out && (move_part(out, k, t, 0, dim, n - k) < 0 || move_part(out, 0, t, n - k, dim, k) < 0)) Py_CLEAR(out);
    return out;
}

Tensor *impl_roll(Tensor *input, Ints shifts, Ints dims) {
    if (shifts.n <= 0) { PyErr_SetString(PyExc_RuntimeError, "`shifts` required"); return NULL; }
    if (dims.n <= 0 && shifts.n == 1) {
        Tensor *flat = rl_contiguous_raw(input), *rolled = NULL;
        int64_t one = 1;
        if (flat) Py_SETREF(flat, rl_alias(flat, 1, &flat->numel, &one, flat->data));
        if (flat && (rolled = roll_one(flat, shifts.v[0], 0))) {
            int64_t stride[RL_MAXDIM], step = 1;
            for (int d = input->ndim - 1; d >= 0; d--) { stride[d] = step; step *= input->size[d]; }
            rl_set_geometry(rolled, input->ndim, input->size, stride);
        }
        Py_XDECREF(flat);
        return rolled;
    }
    if (shifts.n != (dims.n < 0 ? 0 : dims.n)) {
        PyErr_Format(PyExc_RuntimeError, "shifts and dimensions must align. shifts: %d, dims:%d", shifts.n, dims.n < 0 ? 0 : dims.n);
        return NULL;
    }
    Tensor *out = (Tensor *)Py_NewRef((PyObject *)input);
    for (int i = 0; out && i < dims.n; i++) Py_SETREF(out, roll_one(out, shifts.v[i], dims.v[i]));
    return out;
}

Tensor *rl_roll_backward(Tensor *grad, Ints shifts, Ints dims) {
    int64_t back[RL_MAXDIM];
    for (int i = 0; i < shifts.n && i < RL_MAXDIM; i++) back[i] = -shifts.v[i];
    return rl_roll(grad, (Ints){back, shifts.n}, dims);
}

Tensor *impl_rot90(Tensor *input, int64_t k, Ints dims) {
    if (dims.n != 2) {
        PyErr_Format(PyExc_RuntimeError, "expected total rotation dims == 2, but got dims = %d", dims.n);
        return NULL;
    }
    if (input->ndim < 2) {
        PyErr_Format(PyExc_RuntimeError, "expected total dims >= 2, but got total dims = %d", input->ndim);
        return NULL;
    }
    int64_t a = dims.v[0], b = dims.v[1];
    if (a == b || (a < 0 ? a + input->ndim : a) == (b < 0 ? b + input->ndim : b)) {
        PyErr_Format(PyExc_RuntimeError, "expected rotation dims to be different, but got dim0 = %lld and dim1 = %lld", (long long)a, (long long)b);
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (dims.v[i] >= input->ndim || dims.v[i] < -input->ndim) {
            PyErr_Format(PyExc_RuntimeError, "Rotation dim%d out of range, dim%d = %lld", i, i, (long long)dims.v[i]);
            return NULL;
        }
    }
    k = (k % 4 + 4) % 4;
    if (k == 0) return rl_clone_raw(input);
    if (k == 2) return impl_flip(input, dims);
    Tensor *f = impl_flip(input, (Ints){k == 1 ? &b : &a, 1}), *out = f ? impl_transpose(f, a, b) : NULL;
    Py_XDECREF(f);
    return out;
}

/* ---------------------------------------------------------------- triangles */

typedef struct {
    const char *from;
    char *to;
    int64_t rows, cols, item, above; /* in row i, columns before i + above are the lower part */
    bool lower;
} Triangle;

/* Rows begin..end of all matrices, n of them at once where they are whole: of a tall matrix most are. */
static void triangle_rows(void *ctx, int64_t begin, int64_t end) {
    const Triangle *t = ctx;
    const int64_t row = t->cols * t->item;
    for (int64_t at = begin, n; at < end; at += n) {
        const int64_t i = at % t->rows, left = t->rows - i < end - at ? t->rows - i : end - at;
        int64_t edge = i + t->above;
        n = 1;
        if (edge <= 0) n = 1 - edge < left ? 1 - edge : left;
        else if (edge >= t->cols) n = left;
        edge = edge < 0 ? 0 : edge > t->cols ? t->cols : edge;
        char *o = t->to + at * row;
        const char *s = t->from + at * row;
        const size_t lower = (size_t)(edge == t->cols ? n * row : edge * t->item), upper = (size_t)(n * row) - lower;
        if (o != s) memcpy(o + (t->lower ? 0 : lower), s + (t->lower ? 0 : lower), t->lower ? lower : upper);
        memset(o + (t->lower ? lower : 0), 0, t->lower ? upper : lower);
    }
}

static Tensor *triangle(Tensor *input, int64_t diagonal, bool lower) {
    if (input->ndim < 2) {
        PyErr_Format(PyExc_RuntimeError, "%s: input tensor must have at least 2 dimensions", lower ? "tril" : "triu");
        return NULL;
    }
    Tensor *src = rl_contiguous_raw(input), *out = NULL;
    if (src) out = rl_take_here(input, 0, NULL) && src == input ? (Tensor *)Py_NewRef((PyObject *)input)
                                                                 : rl_empty(input->ndim, input->size, (RLDType)input->dtype, input->device);
    if (out && out->device == RL_CPU && out->numel) {
        Triangle t = {src->data, out->data, input->size[input->ndim - 2], input->size[input->ndim - 1], RL_ITEMSIZE(input->dtype),
                      diagonal + lower, lower};
        const int64_t rows = out->numel / t.cols;
        if (out->numel * t.item < 1 << 19) triangle_rows(&t, 0, rows);
        else rl_parallel_for(rows, (1 << 15) / (t.cols * t.item) + 1, triangle_rows, &t);
    }
    Py_XDECREF(src);
    return out;
}

Tensor *impl_tril(Tensor *input, int64_t diagonal) { return triangle(input, diagonal, true); }
Tensor *impl_triu(Tensor *input, int64_t diagonal) { return triangle(input, diagonal, false); }

/* ---------------------------------------------------------------- repeat_interleave */

static int check_output_size(int64_t want, int64_t have) {
    if (want == RL_NO_INT || want == have) return 0;
    PyErr_Format(PyExc_RuntimeError, "repeat_interleave: Invalid output_size, expected %lld but got %lld", (long long)have, (long long)want);
    return -1;
}

/* 0 repeated repeats[0] times, 1 repeated repeats[1] times, ... */
Tensor *impl_repeat_interleave_index(Tensor *repeats, int64_t output_size) {
    if (repeats->ndim != 1) { PyErr_SetString(PyExc_RuntimeError, "repeat_interleave only accept 1D vector as repeat"); return NULL; }
    if (repeats->dtype != RL_I64 && repeats->dtype != RL_I32) {
        PyErr_SetString(PyExc_RuntimeError, "repeats has to be Long or Int tensor");
        return NULL;
    }
    Tensor *c = rl_as_index(repeats), *out = NULL;
    if (!c) return NULL;
    const int64_t *v = (const int64_t *)c->data;
    int64_t total = 0;
    for (int64_t i = 0; i < c->numel; i++) {
        if (v[i] < 0) { PyErr_SetString(PyExc_RuntimeError, "repeats can not be negative"); goto done; }
        total += v[i];
    }
    if (check_output_size(output_size, total) < 0 || !(out = rl_empty(1, &total, RL_I64, RL_CPU))) goto done;
    int64_t *o = (int64_t *)out->data;
    for (int64_t i = 0; i < c->numel; i++) for (int64_t k = 0; k < v[i]; k++) *o++ = i;
done:
    Py_DECREF(c);
    return out;
}

/* The input, flattened when no dimension was asked for. */
static Tensor *along(Tensor *input, int64_t *dim) {
    static const int64_t flat = -1;
    if (*dim == RL_NO_INT) { *dim = 0; return rl_reshape(input, (Ints){&flat, 1}); }
    if ((*dim = rl_wrap_dim(*dim, input->ndim)) == INT64_MIN) return NULL;
    return input->ndim ? (Tensor *)Py_NewRef((PyObject *)input) : rl_reshape(input, (Ints){&flat, 1});
}

Tensor *rl_repeat_interleave_tensor(Tensor *input, Tensor *repeats, int64_t dim, int64_t output_size) {
    Tensor *t = along(input, &dim), *r = (Tensor *)Py_NewRef((PyObject *)repeats), *index = NULL, *out = NULL;
    if (!t) goto done;
    if (repeats->ndim == 0 || (repeats->ndim == 1 && repeats->numel == 1)) {
        Py_SETREF(r, rl_broadcast_raw(repeats, 1, &t->size[dim]));
        if (!r) goto done;
    } else if (repeats->ndim == 1 && repeats->numel != t->size[dim]) {
        PyErr_Format(PyExc_RuntimeError, "repeats must have the same size as input along dim, but got repeats.size(0) = %lld and "
                     "input.size(%lld) = %lld", (long long)repeats->numel, (long long)dim, (long long)t->size[dim]);
        goto done;
    }
    if ((index = rl_repeat_interleave_index(r, output_size))) out = rl_index_select(t, dim, index);
done:
    Py_XDECREF(t);
    Py_XDECREF(r);
    Py_XDECREF(index);
    return out;
}

/* Through a broadcast view, whose gradient is a plain sum. */
Tensor *rl_repeat_interleave(Tensor *input, int64_t repeats, int64_t dim, int64_t output_size) {
    int64_t size[RL_MAXDIM + 1];
    if (repeats < 0) { PyErr_SetString(PyExc_RuntimeError, "Repeats must be non-negative"); return NULL; }
    Tensor *t = along(input, &dim), *wider = NULL, *repeated = NULL, *out = NULL;
    if (!t || check_output_size(output_size, t->size[dim] * repeats) < 0) goto done;
    for (int d = 0; d <= t->ndim; d++) size[d] = d <= dim ? t->size[d] : d == dim + 1 ? repeats : t->size[d - 1];
    if (!(wider = rl_unsqueeze(t, dim + 1)) || !(repeated = rl_expand(wider, (Ints){size, t->ndim + 1}, false))) goto done;
    Py_SETREF(repeated, rl_clone(repeated, RL_CONTIGUOUS_FORMAT));
    memcpy(size, t->size, t->ndim * sizeof(int64_t));
    size[dim] *= repeats;
    if (repeated) out = rl_view(repeated, (Ints){size, t->ndim});
done:
    Py_XDECREF(t);
    Py_XDECREF(wider);
    Py_XDECREF(repeated);
    return out;
}

/* ---------------------------------------------------------------- a copy with one view of it replaced */

static Tensor *replaced(Tensor *copy, Tensor *slot, Tensor *src) {
    if (copy && slot && !rl_same_shape(slot, src)) {
        rl_shape_error(PyExc_RuntimeError, "expected src to have a size equal to the slice of self. src size = %S, slice size = %S",
                       src->ndim, src->size, slot->ndim, slot->size);
        Py_CLEAR(copy);
    } else if (!slot || rl_copy_raw(slot, src) < 0) {
        Py_CLEAR(copy);
    }
    Py_XDECREF(slot);
    return copy;
}

Tensor *impl_select_scatter(Tensor *input, Tensor *src, int64_t dim, int64_t index) {
    Tensor *c = rl_clone_raw(input);
    return c ? replaced(c, impl_select(c, dim, index), src) : NULL;
}

Tensor *impl_slice_scatter(Tensor *input, Tensor *src, int64_t dim, int64_t start, int64_t end, int64_t step) {
    Tensor *c = rl_clone_raw(input);
    return c ? replaced(c, impl_slice(c, dim, start, end, step), src) : NULL;
}

Tensor *impl_diagonal_scatter(Tensor *input, Tensor *src, int64_t offset, int64_t dim1, int64_t dim2) {
    Tensor *c = rl_clone_raw(input);
    return c ? replaced(c, impl_diagonal(c, offset, dim1, dim2), src) : NULL;
}

/* ---------------------------------------------------------------- narrow, take_along_dim */

Tensor *rl_narrow(Tensor *input, int64_t dim, int64_t start, int64_t length) {
    if (input->ndim == 0) { PyErr_SetString(PyExc_RuntimeError, "narrow() cannot be applied to a 0-dim tensor."); return NULL; }
    if (length < 0) { PyErr_SetString(PyExc_RuntimeError, "narrow(): length must be non-negative."); return NULL; }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    int64_t n = input->size[dim];
    if (start < -n || start > n) {
        PyErr_Format(PyExc_IndexError, "start out of range (expected to be in range of [%lld, %lld], but got %lld)", (long long)-n, (long long)n,
                     (long long)start);
        return NULL;
    }
    if (start < 0) start += n;
    if (start > n - length) {
        PyErr_Format(PyExc_RuntimeError, "start (%lld) + length (%lld) exceeds dimension size (%lld).", (long long)start, (long long)length,
                     (long long)n);
        return NULL;
    }
    return rl_slice(input, dim, start, start + length, 1);
}

Tensor *rl_narrow_tensor(Tensor *input, int64_t dim, Tensor *start, int64_t length) {
    if (start->ndim || RL_IS_INEXACT(start->dtype) || start->dtype == RL_BOOL) {
        PyErr_SetString(PyExc_RuntimeError, "start must be an 0-dim integral Tensor.");
        return NULL;
    }
    return rl_narrow(input, dim, rl_item(start).u.i, length);
}

/* Negative indices count from the end. */
static Tensor *from_start(Tensor *indices, int64_t n) {
    Tensor *r = rl_clone_raw(indices);
    int64_t *v = r ? (int64_t *)r->data : NULL;
    for (int64_t i = 0; v && i < r->numel; i++) if (v[i] < 0) v[i] += n; /* a clone is dense, in whatever order */
    return r;
}

Tensor *rl_take_along_dim(Tensor *input, Tensor *indices, int64_t dim) {
    static const int64_t flat = -1;
    if (indices->dtype != RL_I64) {
        PyErr_Format(PyExc_RuntimeError, "torch.take_along_dim(): dtype of indices should be Long but got %s", rl_dtypes[indices->dtype].legacy);
        return NULL;
    }
    Tensor *t = NULL, *ix = NULL, *out = NULL;
    if (dim == RL_NO_INT) {
        if ((t = rl_reshape(input, (Ints){&flat, 1})) && (ix = rl_reshape(indices, (Ints){&flat, 1}))) {
            Py_SETREF(ix, from_start(ix, t->numel));
            if (ix) out = rl_gather(t, 0, ix, false);
        }
        goto done;
    }
    if (input->ndim != indices->ndim) {
        PyErr_Format(PyExc_RuntimeError, "torch.take_along_dim(): input and indices should have the same number of dimensions, but got %d "
                     "dimensions for input, and %d dimensions for indices", input->ndim, indices->ndim);
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    int64_t a[RL_MAXDIM], b[RL_MAXDIM], common[RL_MAXDIM];
    memcpy(a, input->size, input->ndim * sizeof(int64_t));
    memcpy(b, indices->size, indices->ndim * sizeof(int64_t));
    if (input->ndim) a[dim] = b[dim] = 1;
    Tensor left = {.ndim = input->ndim, .size = a}, right = {.ndim = indices->ndim, .size = b}, *both[2] = {&left, &right};
    if (rl_broadcast_shapes(2, both, common) < 0) return NULL;
    memcpy(a, common, input->ndim * sizeof(int64_t));
    memcpy(b, common, input->ndim * sizeof(int64_t));
    if (input->ndim) {
        a[dim] = input->size[dim];
        b[dim] = indices->size[dim];
    }
    if ((t = rl_expand(input, (Ints){a, input->ndim}, false)) && (ix = from_start(indices, input->ndim ? input->size[dim] : 1))) {
        Py_SETREF(ix, rl_expand(ix, (Ints){b, input->ndim}, false));
        if (ix) out = rl_gather(t, dim, ix, false);
    }
done:
    Py_XDECREF(t);
    Py_XDECREF(ix);
    return out;
}
