/* gather.c -- reading and writing the elements that indices name: index and index_put, and the plans that these,
 * index_select, index_add, index_copy and index_fill make.
 *
 * A plan is a list of byte offsets, one a combination of indices, checked while it is made.  One walk (index_walk.c)
 * serves all plans, in whichever direction and with whatever combination of values.
 */
#include "gather.h"
#include "runtime.h"
#include "rl_ops.h"

/* ---------------------------------------------------------------- small shared things */

const char *rl_c_name(RLDType dt) {
    static const char *const names[RL_NDTYPES] = {
        [RL_BOOL] = "bool", [RL_U8] = "unsigned char", [RL_I8] = "signed char", [RL_I16] = "short int", [RL_I32] = "int",
        [RL_I64] = "long int", [RL_F16] = "c10::Half", [RL_BF16] = "c10::BFloat16", [RL_F32] = "float", [RL_F64] = "double",
        [RL_C64] = "c10::complex<float>", [RL_C128] = "c10::complex<double>"};
    return names[dt] ? names[dt] : rl_dtypes[dt].name;
}

PyObject *rl_ints_list(int n, const int64_t *v) {
    PyObject *l = PyList_New(n);
    for (int i = 0; l && i < n; i++) {
        PyObject *o = PyLong_FromLongLong(v[i]);
        if (!o) { Py_DECREF(l); return NULL; }
        PyList_SET_ITEM(l, i, o);
    }
    return l;
}

void rl_shape_error(PyObject *type, const char *format, int n1, const int64_t *s1, int n2, const int64_t *s2) {
    PyObject *a = rl_ints_list(n1, s1), *b = rl_ints_list(n2, s2);
    if (a && b) PyErr_Format(type, format, a, b);
    Py_XDECREF(a);
    Py_XDECREF(b);
}

Tensor *rl_zeros_as(Tensor *like, int ndim, const int64_t *size) {
    return rl_full_scalar(ndim, size, (Scalar){'i', {.i = 0}, 0}, (RLDType)like->dtype, like->device);
}

Tensor *rl_one_dim(Tensor *t) {
    static const int64_t one = 1;
    return t->ndim ? (Tensor *)Py_NewRef((PyObject *)t) : rl_alias(t, 1, &one, &one, t->data);
}

Tensor *rl_broadcast_raw(Tensor *t, int ndim, const int64_t *size) {
    if (t->ndim == ndim && memcmp(t->size, size, (size_t)ndim * sizeof(int64_t)) == 0) return rl_contiguous_raw(t);
    Tensor *r = rl_empty(ndim, size, (RLDType)t->dtype, t->device);
    if (r && rl_copy_raw(r, t) < 0) Py_CLEAR(r);
    return r;
}

int rl_index_dtype(Tensor *index, const char *op) {
    if (index->dtype == RL_I64 || index->dtype == RL_I32) return 0;
    if (index->numel == 0 && (strcmp(op, "gather") == 0 || strncmp(op, "scatter", 7) == 0)) return 0;
    PyErr_Format(PyExc_RuntimeError, "%s(): Expected dtype int32%sint64 for index", op,
                 strcmp(op, "index_select") == 0 ? " or " : "/");
    return -1;
}

Tensor *rl_as_index(Tensor *index) {
    Tensor *wide_index = rl_to_dtype_raw(index, RL_I64), *c = wide_index ? rl_contiguous_raw(wide_index) : NULL;
    Py_XDECREF(wide_index);
    return c;
}

/* ---------------------------------------------------------------- plans */

/* What one entry of an index list contributes: a factor of the offsets, broadcast with the others. */
typedef struct {
    Tensor *t;                 /* int64 */
    int64_t size, stride;      /* of the dimension it indexes; size < 0: t already holds checked offsets */
    int nr;                    /* among the indices, a mask counting once a dimension: for messages */
    int covers;                /* dimensions */
} Factor;

/* The offsets, in elements of t, at which the mask over its dimensions from dim on holds, in row-major order. */
static Tensor *mask_offsets(Tensor *t, int dim, Tensor *mask) {
    Tensor *m = rl_contiguous_raw(mask), *out = m ? rl_set_places(m) : NULL;
    Py_XDECREF(m);
    if (!out || mask->ndim == 0) return out;
    const int64_t *stride = t->stride + dim;
    int last = mask->ndim - 1;
    int64_t *o = (int64_t *)out->data, step = stride[last];
    bool merged = true;
    for (int d = last - 1; d >= 0 && merged; d--) merged = stride[d] == stride[d + 1] * mask->size[d + 1];
    if (merged) {
        if (step != 1) for (int64_t i = 0; i < out->numel; i++) o[i] *= step;
        return out;
    }
    for (int64_t i = 0; i < out->numel; i++) {
        int64_t place = o[i], at = 0;
        for (int d = last; d >= 0; place /= mask->size[d--]) at += place % mask->size[d] * stride[d];
        o[i] = at;
    }
    return out;
}

static int check_mask(Tensor *t, int dim, Tensor *mask) {
    for (int d = 0; d < mask->ndim; d++) {
        if (dim + d < t->ndim && mask->size[d] == t->size[dim + d]) continue;
        PyObject *a = rl_ints_list(mask->ndim, mask->size), *b = rl_ints_list(t->ndim, t->size);
        if (a && b) PyErr_Format(PyExc_IndexError, "The shape of the mask %S at index %d does not match the shape of the indexed "
                                 "tensor %S at index %d", a, d, b, dim + d);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return -1;
    }
    return 0;
}

/* Reads the index list into factors; marks the dimensions that they take. Returns their number or -1. */
static int factors(Tensor *t, Tensors indices, Factor *f, bool *taken) {
    int n = 0, dim = 0, nr = 0, wanted = 0;
    for (int k = 0; k < indices.n; k++) {
        Tensor *ix = indices.v[k];
        wanted += ix && (ix->dtype == RL_BOOL || ix->dtype == RL_U8) ? ix->ndim : 1;
    }
    if (wanted > t->ndim) {
        PyErr_Format(PyExc_IndexError, "too many indices for tensor of dimension %d (got %d)", t->ndim, wanted);
        return -1;
    }
    for (int k = 0; k < indices.n; k++) {
        Tensor *ix = indices.v[k];
        if (!ix) { dim++; continue; }
        f[n] = (Factor){NULL, t->size[dim], t->stride[dim], nr, 1};
        if (ix->dtype == RL_BOOL || ix->dtype == RL_U8) {
            if (ix->dtype == RL_U8 && PyErr_WarnEx(PyExc_UserWarning, "indexing with dtype torch.uint8 is now deprecated, please use a "
                                                   "dtype torch.bool instead.", 1) < 0) goto fail;
            if (check_mask(t, dim, ix) < 0) goto fail;
            f[n].t = mask_offsets(t, dim, ix);
            f[n].size = -1;
            f[n].stride = 1;
            f[n].covers = ix->ndim;
            for (int d = 0; d < ix->ndim; d++) taken[dim + d] = true;
            dim += ix->ndim;
            nr += ix->ndim;
        } else if (ix->dtype == RL_I64 || ix->dtype == RL_I32) {
            f[n].t = rl_to_dtype_raw(ix, RL_I64);
            taken[dim++] = true;
            nr++;
        } else {
            PyErr_SetString(PyExc_IndexError, "tensors used as indices must be long, int, byte or bool tensors");
            goto fail;
        }
        if (!f[n++].t) goto fail;
    }
    return n;
fail:
    for (int i = 0; i < n; i++) Py_CLEAR(f[i].t);
    return -1;
}

static int out_of_bounds(int64_t at, const Factor *f, const char *message) {
    if (message) PyErr_Format(PyExc_IndexError, message, (long long)at, f->nr, (long long)f->size);
    else PyErr_Format(PyExc_IndexError, "index %lld is out of bounds for dimension %d with size %lld", (long long)at, f->nr, (long long)f->size);
    return -1;
}

/* Adds the factor to the offsets, in bytes; the first one sets them. */
static int add_factor(RLPlan *p, const Factor *f, bool first, int ndim, const int64_t *shape, int64_t itemsize, const char *message) {
    Tensor *c = rl_broadcast_raw(f->t, ndim, shape);
    if (!c) return -1;
    const int64_t *v = (const int64_t *)c->data, step = f->stride * itemsize;
    int rc = 0;
    if (first && f->size >= 0) {
        const int64_t n = p->n_off, size = f->size, wrap = message ? 0 : size;
        int64_t *off = p->off, i = 0;
        for (; i < n; i++) {
            const int64_t at = v[i] + (v[i] >> 63 & wrap);
            if (RL_UNLIKELY((uint64_t)at >= (uint64_t)size)) break;
            off[i] = at * step;
        }
        if (i < n) rc = out_of_bounds(v[i], f, message);
        Py_DECREF(c);
        return rc;
    }
    if (first) memset(p->off, 0, (size_t)p->n_off * sizeof(int64_t));
    if (f->size < 0) {
        for (int64_t i = 0; i < p->n_off; i++) p->off[i] += v[i] * step;
    } else {
        const int64_t wrap = message ? 0 : f->size;
        for (int64_t i = 0; i < p->n_off; i++) {
            const int64_t at = v[i] + (v[i] >> 63 & wrap);
            if (RL_UNLIKELY((uint64_t)at >= (uint64_t)f->size)) { rc = out_of_bounds(v[i], f, message); break; }
            p->off[i] += at * step;
        }
    }
    Py_DECREF(c);
    return rc;
}

static void keep(RLPlan *p, Tensor *t, int d, bool before) {
    int64_t stride = t->stride[d] * RL_ITEMSIZE(t->dtype);
    if (before) {
        p->pre_size[p->n_pre] = t->size[d];
        p->pre_stride[p->n_pre++] = stride;
        p->n_pre_total *= t->size[d];
    } else {
        p->post_size[p->n_post] = t->size[d];
        p->post_stride[p->n_post++] = stride;
        p->n_post_total *= t->size[d];
    }
}

static void broadcast_error(int n, const Factor *f) {
    PyErr_Clear();
    PyObject *text = PyUnicode_FromString("");
    for (int i = 0; i < n; i++) {
        PyObject *l = rl_ints_list(f[i].t->ndim, f[i].t->size);
        for (int k = 0; text && k < f[i].covers; k++)
            Py_SETREF(text, l ? PyUnicode_FromFormat("%U%s%S", text, i || k ? ", " : "", l) : NULL);
        Py_XDECREF(l);
    }
    if (text) PyErr_Format(PyExc_IndexError, "shape mismatch: indexing tensors could not be broadcast together with shapes %U", text);
    Py_XDECREF(text);
}

/* Whether `values` may be written to what the plan describes. */
static int check_values(const RLPlan *p, Tensor *t, Tensor *values) {
    int64_t shape[RL_MAXDIM];
    Tensor like = {.ndim = (uint8_t)p->ndim, .size = (int64_t *)p->size}, *both[2] = {&like, values};
    int nd = rl_broadcast_shapes(2, both, shape);
    if (nd != p->ndim || memcmp(shape, p->size, (size_t)nd * sizeof(int64_t)) != 0) {
        PyErr_Clear();
        rl_shape_error(PyExc_RuntimeError, "shape mismatch: value tensor of shape %S cannot be broadcast to indexing result of shape %S",
                       values->ndim, values->size, p->ndim, p->size);
        return -1;
    }
    if (t->dtype == values->dtype) return 0;
    PyErr_Format(PyExc_RuntimeError, "Index put requires the source and destination dtypes match, got %s for the destination and "
                 "%s for the source.", rl_dtypes[t->dtype].legacy, rl_dtypes[values->dtype].legacy);
    return -1;
}

static int plan(RLPlan *p, Tensor *t, int n, Factor *f, const bool *taken, const char *message, Tensor *values) {
    Tensor *ts[RL_MAXDIM] = {NULL};
    int64_t shape[RL_MAXDIM];
    int rc = -1, nd, first = -1, last = -1;
    bool adjacent = true;
    p->off = NULL; /* its arrays are filled as far as they are used */
    p->n_pre = p->n_post = 0;
    p->n_off = p->n_pre_total = p->n_post_total = 1;
    for (int i = 0; i < n; i++) ts[i] = f[i].t;
    if ((nd = rl_broadcast_shapes(n, ts, shape)) < 0) { broadcast_error(n, f); goto done; }
    for (int i = 0; i < nd; i++) p->n_off *= shape[i];
    if (!(p->off = rl_alloc((size_t)(p->n_off + 1) * sizeof(int64_t)))) { PyErr_NoMemory(); goto done; }
    for (int d = 0; d < t->ndim; d++) {
        if (!taken[d]) continue;
        if (first < 0) first = d;
        if (last >= 0 && d != last + 1) adjacent = false;
        last = d;
    }
    /* neighbours are replaced where they stand; otherwise the result's index dimensions come first */
    for (int d = 0; d < t->ndim; d++) if (!taken[d]) keep(p, t, d, adjacent && d < first);
    if (p->n_pre + nd + p->n_post > RL_MAXDIM) { PyErr_SetString(PyExc_RuntimeError, "indexing result has too many dimensions"); goto done; }
    memcpy(p->size, p->pre_size, (size_t)p->n_pre * sizeof(int64_t));
    memcpy(p->size + p->n_pre, shape, (size_t)nd * sizeof(int64_t));
    memcpy(p->size + p->n_pre + nd, p->post_size, (size_t)p->n_post * sizeof(int64_t));
    p->ndim = p->n_pre + nd + p->n_post;
    for (int i = 0; values && p->n_off && i < n; i++) {
        if (f[i].size != 0) continue;
        PyErr_SetString(PyExc_IndexError, "index is out of bounds for dimension with size 0");
        goto done;
    }
    if (values && check_values(p, t, values) < 0) goto done;
    /* as in PyTorch, indices into what has no elements are not looked at */
    bool empty = p->n_pre_total * p->n_post_total == 0;
    for (int i = 0; i < n && !empty; i++) if (add_factor(p, &f[i], i == 0, nd, shape, RL_ITEMSIZE(t->dtype), message) < 0) goto done;
    rc = 0;
done:
    for (int i = 0; i < n; i++) Py_DECREF(f[i].t);
    if (rc < 0) rl_plan_free(p);
    return rc;
}

void rl_plan_free(RLPlan *p) {
    if (p->off) rl_dealloc(p->off, (size_t)(p->n_off + 1) * sizeof(int64_t));
    p->off = NULL;
}

/* Unlike elementwise writes, this may neither read what it writes nor be told where by it. */
static int check_apart(Tensor *self, Tensor *t) {
    if (!t || t->storage != self->storage || !t->numel || !self->numel || !rl_is_dense(t) || !rl_is_dense(self)) return 0;
    if (t->data >= self->data + self->numel * RL_ITEMSIZE(self->dtype) || self->data >= t->data + t->numel * RL_ITEMSIZE(t->dtype)) return 0;
    PyErr_SetString(PyExc_RuntimeError, "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
                    "single memory location. Please clone() the tensor before performing the operation.");
    return -1;
}

int rl_plan_index(RLPlan *p, Tensor *t, Tensors indices, Tensor *values) {
    Factor f[RL_MAXDIM];
    bool taken[RL_MAXDIM] = {false};
    int n = factors(t, indices, f, taken);
    bool apart = n >= 0 && (!values || check_apart(t, values) == 0);
    for (int i = 0; values && apart && i < indices.n; i++) apart = check_apart(t, indices.v[i]) == 0;
    if (apart) return plan(p, t, n, f, taken, NULL, values);
    for (int i = 0; i < n; i++) Py_DECREF(f[i].t);
    return -1;
}

int rl_plan_dim(RLPlan *p, Tensor *t, int64_t dim, Tensor *index, const char *out_of_range) {
    bool taken[RL_MAXDIM] = {false};
    taken[dim] = true;
    Tensor *flat = rl_one_dim(index), *wide_index = flat ? rl_to_dtype_raw(flat, RL_I64) : NULL;
    Py_XDECREF(flat);
    if (!wide_index) return -1;
    Factor f = {wide_index, t->size[dim], t->stride[dim], (int)dim, 1};
    return plan(p, t, 1, &f, taken, out_of_range, NULL);
}

/* ---------------------------------------------------------------- reading and writing by a plan */

/* Writes `value`, broadcast to the plan's shape. */
int rl_plan_write(const RLPlan *p, int mode, Tensor *t, Tensor *value, const char *op) {
    if (value->numel == 1) return rl_plan_run(p, mode, t, value->data, true, op);
    Tensor *v = rl_broadcast_raw(value, p->ndim, p->size);
    if (!v) return -1;
    int rc = rl_plan_run(p, mode, t, v->data, false, op);
    Py_DECREF(v);
    return rc;
}

Tensor *rl_plan_read(const RLPlan *p, Tensor *t, const char *op) {
    Tensor *out = rl_empty(p->ndim, p->size, (RLDType)t->dtype, t->device);
    if (out && rl_plan_run(p, PT_GET, t, out->data, false, op) < 0) Py_CLEAR(out);
    return out;
}

/* ---------------------------------------------------------------- index */

static int save_indices(Node *n, int first, Tensors indices) {
    if (rl_node_saved_room(n, first + indices.n) < 0) return -1;
    for (int i = 0; i < indices.n; i++) rl_node_save(n, first + i, indices.v[i]);
    return 0;
}

static int unpack_indices(Node *n, Tensor **out) {
    for (int i = 0; i < n->n_saved; i++) {
        out[i] = rl_node_unpack(n, i);
        if (!out[i] && PyErr_Occurred()) {
            while (i-- > 0) Py_XDECREF(out[i]);
            return -1;
        }
    }
    return 0;
}

static int apply_index(Node *n, Tensor **in, Tensor **out) {
    Tensor *indices[RL_MAXDIM];
    if (!in[0] || !n->edges[0].node) return 0;
    if (unpack_indices(n, indices) < 0) return -1;
    Ints size = n->args[0].ints;
    Tensor *zeros = rl_zeros_as(in[0], size.n, size.v);
    if (zeros) out[0] = rl_index_put(zeros, (Tensors){indices, n->n_saved}, in[0], true);
    Py_XDECREF(zeros);
    for (int i = 0; i < n->n_saved; i++) Py_XDECREF(indices[i]);
    return out[0] ? 0 : -1;
}

static const NodeDef index_def = {"IndexBackward0", apply_index, 0, 1, NULL};

/* What is read from a permuted tensor lies in memory in the order of the dimensions that stayed: PyTorch's loop gives
 * its output that order, and dimensions of indices, on which the input does not move, keep their place. */
static Tensor *as_input_lies(Tensor *out, const RLPlan *p) {
    int64_t step[RL_MAXDIM] = {0}, stride[RL_MAXDIM], at = 1;
    const int64_t *strides[] = {step};
    int perm[RL_MAXDIM], first_post = p->ndim - p->n_post;
    memcpy(step, p->pre_stride, (size_t)p->n_pre * sizeof(int64_t));
    memcpy(step + first_post, p->post_stride, (size_t)p->n_post * sizeof(int64_t));
    rl_iter_order(1, p->ndim, p->size, strides, perm);
    for (int i = 0; i < p->ndim; i++) {
        stride[perm[i]] = at;
        at *= p->size[perm[i]] > 1 ? p->size[perm[i]] : 1;
    }
    if (memcmp(stride, out->stride, (size_t)p->ndim * sizeof(int64_t)) == 0) return out;
    Tensor *ordered = rl_empty_strided(p->ndim, p->size, stride, (RLDType)out->dtype, out->device);
    if (ordered && rl_copy_raw(ordered, out) < 0) Py_CLEAR(ordered);
    Py_DECREF(out);
    return ordered;
}

static Tensor *read_indexed(Tensor *input, Tensors indices) {
    RLPlan p;
    if (rl_plan_index(&p, input, indices, NULL) < 0) return NULL;
    Tensor *out = rl_plan_read(&p, input, "index_cpu");
    if (out && !RL_IS_CONTIGUOUS(input)) out = as_input_lies(out, &p);
    rl_plan_free(&p);
    return out;
}

/* A vector by one list of places, without a plan. An index outside of it is left to the plan, which has the words. */
static Tensor *read_vector(Tensor *input, Tensors indices) {
    Tensor *ix = indices.n == 1 ? indices.v[0] : NULL;
    if (!ix || input->ndim != 1 || ix->dtype != RL_I64 || !RL_IS_CONTIGUOUS(ix) || !ix->numel || input->device != RL_CPU) return NULL;
    Tensor *out = rl_empty(ix->ndim, ix->size, (RLDType)input->dtype, RL_CPU);
    const int64_t item = RL_ITEMSIZE(input->dtype);
    if (out && !rl_take_places(input->data, input->stride[0] * item, input->size[0], true, (const int64_t *)ix->data, ix->numel, out->data, item))
        Py_CLEAR(out);
    return out;
}

Tensor *rl_index(Tensor *input, Tensors indices) {
    Tensor *out = read_vector(input, indices);
    if (!out && (PyErr_Occurred() || !(out = read_indexed(input, indices)))) return NULL;
    if (!rl_any_grad1(input)) return out;
    Node *n = rl_node_new(&index_def, 1);
    if (!n) goto fail;
    n->args[0].ints = (Ints){NULL, 0};
    if (rl_node_edge(n, 0, input) < 0 || rl_node_save_ints(n, 0, (Ints){input->size, input->ndim}) < 0 || save_indices(n, 0, indices) < 0) goto fail;
    rl_set_history(out, n, 0);
    Py_DECREF(n);
    return out;
fail:
    Py_XDECREF(n);
    Py_DECREF(out);
    return NULL;
}

/* ---------------------------------------------------------------- index_put */

static int apply_index_put(Node *n, Tensor **in, Tensor **out) {
    Tensor *indices[RL_MAXDIM], *zero = NULL;
    int rc = -1;
    if (!in[0]) return 0;
    if (unpack_indices(n, indices) < 0) return -1;
    Tensors list = {indices, n->n_saved};
    if (n->edges[0].node) {
        if (n->args[1].i) out[0] = (Tensor *)Py_NewRef((PyObject *)in[0]);
        else if ((zero = rl_zeros_as(in[0], 0, NULL))) out[0] = rl_index_put(in[0], list, zero, false);
        if (!out[0]) goto done;
    }
    if (n->edges[1].node) {
        Tensor *g = rl_index(in[0], list);
        if (!g) goto done;
        out[1] = rl_sum_to(g, n->args[0].ints.n, n->args[0].ints.v);
        Py_DECREF(g);
        if (!out[1]) goto done;
    }
    rc = 0;
done:
    Py_XDECREF(zero);
    for (int i = 0; i < list.n; i++) Py_XDECREF(indices[i]);
    return rc;
}

static const NodeDef index_put_def = {"IndexPutBackward0", apply_index_put, 0, 2, NULL};

static Node *index_put_node(Tensor *self, Tensors indices, Tensor *values, bool accumulate) {
    Node *n = rl_node_new(&index_put_def, 2);
    if (!n) return NULL;
    n->args[0].ints = (Ints){NULL, 0};
    n->args[1].i = accumulate;
    if (rl_node_edge(n, 0, self) < 0 || rl_node_edge(n, 1, values) < 0 || rl_node_save_ints(n, 0, (Ints){values->size, values->ndim}) < 0 || save_indices(n, 0, indices) < 0) Py_CLEAR(n);
    return n;
}

static int index_put_raw(Tensor *self, Tensors indices, Tensor *values, bool accumulate) {
    RLPlan p;
    if (rl_plan_index(&p, self, indices, values) < 0) return -1;
    int rc = rl_plan_write(&p, accumulate ? PT_ADD : PT_PUT, self, values, "index_put");
    rl_plan_free(&p);
    return rc;
}

/* x[mask] = number, without a list of places. */
static bool is_plain_fill(Tensor *self, Tensors indices, Tensor *values, bool accumulate) {
    Tensor *mask = indices.n == 1 ? indices.v[0] : NULL;
    return mask && mask->dtype == RL_BOOL && mask->ndim && values->ndim == 0 && !accumulate && self->dtype == values->dtype &&
           rl_same_shape(mask, self) && RL_IS_CONTIGUOUS(mask) && RL_IS_CONTIGUOUS(self) && mask->storage != self->storage;
}

static int write_indexed(Tensor *self, Tensors indices, Tensor *values, bool accumulate) {
    if (!is_plain_fill(self, indices, values, accumulate)) return index_put_raw(self, indices, values, accumulate);
    if (self->device == RL_CPU) rl_masked_fill_bytes(self->data, self->data, indices.v[0]->data, self->numel, values->data, RL_ITEMSIZE(self->dtype));
    return 0;
}

Tensor *rl_index_put(Tensor *input, Tensors indices, Tensor *values, bool accumulate) {
    Tensor *out = rl_clone_raw(input);
    if (!out || write_indexed(out, indices, values, accumulate) < 0) goto fail;
    if (rl_any_grad2(input, values) && RL_IS_INEXACT(out->dtype)) {
        Node *n = index_put_node(input, indices, values, accumulate);
        if (!n) goto fail;
        rl_set_history(out, n, 0);
        Py_DECREF(n);
    }
    return out;
fail:
    Py_XDECREF(out);
    return NULL;
}

Tensor *rl_index_put_(Tensor *input, Tensors indices, Tensor *values, bool accumulate) {
    const bool record = rl_any_grad2(input, values) && RL_IS_INEXACT(input->dtype);
    Node *n = NULL;
    if (rl_check_inplace(input, record) < 0) return NULL;
    if (record && !(n = index_put_node(input, indices, values, accumulate))) return NULL;
    if (write_indexed(input, indices, values, accumulate) < 0) goto fail;
    rl_bump(input);
    if (n && rl_rebase_history(input, n, 0) < 0) goto fail;
    Py_XDECREF(n);
    return (Tensor *)Py_NewRef((PyObject *)input);
fail:
    Py_XDECREF(n);
    return NULL;
}
