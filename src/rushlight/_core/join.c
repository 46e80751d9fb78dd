/* join.c -- tensors put together (cat, stack, ...) and taken apart into views (split, unbind, ...). */
#include "copy.h"
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"

/* ---------------------------------------------------------------- cat */

/* Once upon a time any empty tensor could be concatenated; a vector of no elements still can. */
static inline bool skipped(const Tensor *t) { return t->ndim == 1 && t->numel == 0; }

/* Copies t to where out's slice along dim starts. */
static int place(Tensor *out, Tensor *t, int64_t dim, int64_t start, const int64_t *size) {
    Tensor *slot = rl_alias(out, out->ndim, size, out->stride, out->data ? out->data + start * out->stride[dim] * RL_ITEMSIZE(out->dtype) : NULL);
    int rc = slot ? rl_copy_raw(slot, t) : -1;
    Py_XDECREF(slot);
    return rc;
}

/* Contiguous tensors of one dtype: `outer` rows of `row` bytes, in each of which every tensor has its part. */
typedef struct {
    Tensors ts;
    int64_t dim, inner, row;   /* inner: bytes of one entry along dim */
    bool stacked;
    char *out;
} Join;

static inline int64_t part_of(const Join *j, int i) { return j->inner * (j->stacked ? 1 : skipped(j->ts.v[i]) ? 0 : j->ts.v[i]->size[j->dim]); }

#define STRETCH (1 << 14) /* bytes: parts that interleave are written while their lines are in the first-level cache */

static void join_rows(void *ctx, int64_t begin, int64_t end) {
    const Join *j = ctx;
    const RLMoves *moves = rl_moves();
    const int64_t byte = 1, step = j->row < STRETCH ? STRETCH / j->row : 1;
    for (int64_t at = begin; at < end; at += step) {
        char *to = j->out + at * j->row;
        for (int i = 0; i < j->ts.n; i++) {
            const int64_t part = part_of(j, i);
            if (part) moves->move((char *[]){to, j->ts.v[i]->data + at * part}, (int64_t[]){1, 1, j->row, part}, part, end - at < step ? end - at : step, &byte);
            to += part;
        }
    }
}

/* Bytes begin..end of a single row. */
static void join_bytes(void *ctx, int64_t begin, int64_t end) {
    const Join *j = ctx;
    int64_t at = 0;
    for (int i = 0; i < j->ts.n && at < end; i++) {
        const int64_t part = part_of(j, i), from = begin > at ? begin - at : 0, to = end - at < part ? end - at : part;
        if (from < to) rl_moves()->copy_bytes(j->out + at + from, j->ts.v[i]->data + from, (size_t)(to - from));
        at += part;
    }
}

static void join_plain(Join *j, int64_t outer) {
    const int64_t part = j->row / 2;
    if (j->ts.n == 2 && part_of(j, 0) == part && part_of(j, 1) == part && part <= 16 && (part & (part - 1)) == 0) {
        rl_zip_all(j->out, j->ts.v[0]->data, j->ts.v[1]->data, outer, part);
        return;
    }
    const bool large = outer * j->row >= 1 << 19 || outer * j->ts.n >= 1 << 15;
    if (outer == 1) {
        if (large) rl_parallel_for(j->row, 1 << 15, join_bytes, j);
        else join_bytes(j, 0, j->row);
    } else if (large) {
        rl_parallel_for(outer, (1 << 15) / j->row + 1, join_rows, j);
    } else {
        join_rows(j, 0, outer);
    }
}

static Tensor *join(Tensors ts, int64_t dim, int ndim, int64_t *size, RLDType dt, bool stacked) {
    int first = 0;
    while (first < ts.n - 1 && skipped(ts.v[first])) first++;
    Tensor *out = rl_empty(ndim, size, dt, ts.v[first]->device);
    if (!out || out->numel == 0) return out;
    bool plain = true;
    int64_t outer = 1, inner = RL_ITEMSIZE(dt);
    for (int i = 0; i < ts.n && plain; i++) plain = ts.v[i]->dtype == dt && RL_IS_CONTIGUOUS(ts.v[i]) && ts.v[i]->device == RL_CPU;
    for (int d = 0; d < dim; d++) outer *= size[d];
    for (int d = (int)dim + 1; d < ndim; d++) inner *= size[d];
    if (plain) {
        join_plain(&(Join){ts, dim, inner, size[dim] * inner, stacked, out->data}, outer);
        return out;
    }
    int64_t start = 0;
    for (int i = 0; i < ts.n; i++) {
        Tensor *t = ts.v[i];
        if (!stacked && skipped(t)) continue;
        const int64_t here = stacked ? 1 : t->size[dim];
        Tensor *source = (Tensor *)Py_NewRef((PyObject *)t);
        if (stacked) Py_SETREF(source, impl_unsqueeze(t, dim));
        size[dim] = here;
        int rc = source ? place(out, source, dim, start, size) : -1;
        Py_XDECREF(source);
        if (rc < 0) { Py_DECREF(out); return NULL; }
        start += here;
    }
    return out;
}

static int cat_shape(Tensors ts, int64_t *dim, int64_t *size) {
    Tensor *like = NULL;
    for (int i = 0; i < ts.n; i++) {
        Tensor *t = ts.v[i];
        if (t->ndim == 0) {
            PyErr_Format(PyExc_RuntimeError, "zero-dimensional tensor (at position %d) cannot be concatenated", i);
            return -1;
        }
        if (!like && !skipped(t)) like = t;
    }
    if (!like) like = ts.v[0];
    if ((*dim = rl_wrap_dim(*dim, like->ndim)) == INT64_MIN) return -1;
    memcpy(size, like->size, like->ndim * sizeof(int64_t));
    size[*dim] = 0;
    for (int i = 0; i < ts.n; i++) {
        Tensor *t = ts.v[i];
        if (skipped(t)) continue;
        if (t->ndim != like->ndim) {
            PyErr_Format(PyExc_RuntimeError, "Tensors must have same number of dimensions: got %d and %d", like->ndim, t->ndim);
            return -1;
        }
        for (int d = 0; d < t->ndim; d++) {
            if (d == *dim || t->size[d] == size[d]) continue;
            PyErr_Format(PyExc_RuntimeError, "Sizes of tensors must match except in dimension %lld. Expected size %lld but got size %lld "
                         "for tensor number %d in the list.", (long long)*dim, (long long)size[d], (long long)t->size[d], i);
            return -1;
        }
        size[*dim] += t->size[*dim];
    }
    return like->ndim;
}

/* Records a join; sizes[i]: entries along dim that came from tensor i. */
static int record_join(const NodeDef *def, Tensor *out, Tensors ts, int64_t dim, const int64_t *sizes) {
    Node *n = rl_node_new(def, ts.n);
    if (!n) return -1;
    n->args[0].i = dim;
    int rc = 0;
    for (int i = 0; i < ts.n && rc == 0; i++) rc = rl_node_edge(n, i, ts.v[i]);
    if (rc == 0) rc = sizes ? rl_node_save_ints(n, 1, (Ints){sizes, ts.n}) : 0;
    if (rc == 0) rl_set_history(out, n, 0);
    Py_DECREF(n);
    return rc;
}

static int apply_cat(Node *n, Tensor **in, Tensor **out) {
    if (!in[0]) return 0;
    int64_t dim = n->args[0].i, start = 0;
    Ints sizes = n->args[1].ints;
    for (int i = 0; i < n->n_edges; i++) {
        int64_t none = 0;
        if (sizes.v[i] < 0) {
            if (n->edges[i].node && !(out[i] = rl_zeros_as(in[0], 1, &none))) return -1;
            continue;
        }
        if (n->edges[i].node && !(out[i] = rl_slice(in[0], dim, start, start + sizes.v[i], 1))) return -1;
        start += sizes.v[i];
    }
    return 0;
}

static int apply_stack(Node *n, Tensor **in, Tensor **out) {
    if (!in[0]) return 0;
    for (int i = 0; i < n->n_edges; i++)
        if (n->edges[i].node && !(out[i] = rl_select(in[0], n->args[0].i, i))) return -1;
    return 0;
}

static const NodeDef cat_def = {"CatBackward0", apply_cat, 0, 2, NULL};
static const NodeDef stack_def = {"StackBackward0", apply_stack, 0, 1, NULL};
/* PyTorch's CPU build gives the LSTM to oneDNN, a layer at a time; what a layer puts out shows it. */
static const NodeDef lstm_layer_def = {"MkldnnRnnLayerBackward0", apply_stack, 0, 1, NULL};

Tensor *rl_cat(Tensors tensors, int64_t dim) {
    int64_t size[RL_MAXDIM];
    if (tensors.n <= 0) { PyErr_SetString(PyExc_ValueError, "torch.cat(): expected a non-empty list of Tensors"); return NULL; }
    int ndim = cat_shape(tensors, &dim, size);
    if (ndim < 0) return NULL;
    Tensor *out = join(tensors, dim, ndim, size, rl_result_type(tensors.n, tensors.v), false);
    if (!out || !rl_any_grad_list(tensors) || !RL_IS_INEXACT(out->dtype)) return out;
    int64_t *sizes = PyMem_Malloc((size_t)tensors.n * sizeof(int64_t));
    int rc = -1;
    if (sizes) {
        for (int i = 0; i < tensors.n; i++) sizes[i] = skipped(tensors.v[i]) ? -1 : tensors.v[i]->size[dim];
        rc = record_join(&cat_def, out, tensors, dim, sizes);
    } else {
        PyErr_NoMemory();
    }
    PyMem_Free(sizes);
    if (rc < 0) Py_CLEAR(out);
    return out;
}

static Tensor *stack(Tensors tensors, int64_t dim, const NodeDef *def) {
    int64_t size[RL_MAXDIM + 1];
    if (tensors.n <= 0) { PyErr_SetString(PyExc_RuntimeError, "stack expects a non-empty TensorList"); return NULL; }
    Tensor *t = tensors.v[0];
    if ((dim = rl_wrap_dim(dim, t->ndim + 1)) == INT64_MIN) return NULL;
    for (int i = 1; i < tensors.n; i++) {
        if (rl_same_shape(t, tensors.v[i])) continue;
        PyObject *a = rl_ints_list(t->ndim, t->size), *b = rl_ints_list(tensors.v[i]->ndim, tensors.v[i]->size);
        if (a && b) PyErr_Format(PyExc_RuntimeError, "stack expects each tensor to be equal size, but got %S at entry 0 and %S at entry %d", a, b, i);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    for (int d = 0; d < t->ndim; d++) size[d < dim ? d : d + 1] = t->size[d];
    size[dim] = tensors.n;
    Tensor *out = join(tensors, dim, t->ndim + 1, size, rl_result_type(tensors.n, tensors.v), true);
    if (out && rl_any_grad_list(tensors) && RL_IS_INEXACT(out->dtype) && record_join(def, out, tensors, dim, NULL) < 0) Py_CLEAR(out);
    return out;
}

Tensor *rl_stack(Tensors tensors, int64_t dim) { return stack(tensors, dim, &stack_def); }
Tensor *rl__lstm_layer_output(Tensors tensors) { return stack(tensors, 0, &lstm_layer_def); }

/* ---------------------------------------------------------------- hstack and its kin */

static Tensor *at_least(Tensor *t, int ndim) {
    Tensor *r = (Tensor *)Py_NewRef((PyObject *)t);
    if (r->ndim == 0) Py_SETREF(r, rl_reshape(t, (Ints){(const int64_t[]){1}, 1}));
    if (r && r->ndim == 1 && ndim >= 2) Py_SETREF(r, rl_unsqueeze(r, 0));
    if (r && r->ndim == 2 && ndim >= 3) Py_SETREF(r, rl_unsqueeze(r, 2));
    return r;
}

static Tensor *column(Tensor *t, int unused) {
    (void)unused;
    return t->ndim <= 1 ? rl_reshape(t, (Ints){(const int64_t[]){t->numel, 1}, 2}) : (Tensor *)Py_NewRef((PyObject *)t);
}

/* Reshapes each tensor, then concatenates; dim < 0: 0 for vectors and 1 otherwise. */
static Tensor *shaped_cat(Tensors ts, Tensor *(*shape)(Tensor *, int), int ndim, int64_t dim, const char *name) {
    if (ts.n <= 0) { PyErr_Format(PyExc_RuntimeError, "%s expects a non-empty TensorList", name); return NULL; }
    Tensor **v = PyMem_Calloc((size_t)ts.n, sizeof(Tensor *)), *out = NULL;
    if (!v) { PyErr_NoMemory(); return NULL; }
    int i = 0;
    while (i < ts.n && (v[i] = shape(ts.v[i], ndim))) i++;
    if (i == ts.n) out = rl_cat((Tensors){v, ts.n}, dim >= 0 ? dim : v[0]->ndim > 1);
    for (i = 0; i < ts.n; i++) Py_XDECREF(v[i]);
    PyMem_Free(v);
    return out;
}

Tensor *rl_hstack(Tensors tensors) { return shaped_cat(tensors, at_least, 1, -1, "hstack"); }
Tensor *rl_vstack(Tensors tensors) { return shaped_cat(tensors, at_least, 2, 0, "vstack"); }
Tensor *rl_dstack(Tensors tensors) { return shaped_cat(tensors, at_least, 3, 2, "dstack"); }
Tensor *rl_column_stack(Tensors tensors) { return shaped_cat(tensors, column, 0, 1, "column_stack"); }

/* ---------------------------------------------------------------- several views of one tensor */

typedef struct {
    Tensor *t;
    Node *node;                /* NULL: nothing to record */
    int64_t dim;
    const int64_t *sizes;      /* of the pieces; NULL: unbind */
    int64_t at;
    bool separate;             /* too many for one node: each view records for itself */
} Pieces;

static Tensor *piece(void *ctx, int i) {
    Pieces *p = ctx;
    if (p->separate) {
        int64_t start = p->at;
        if (p->sizes) p->at += p->sizes[i];
        return p->sizes ? rl_slice(p->t, p->dim, start, p->at, 1) : rl_select(p->t, p->dim, i);
    }
    Tensor *v = p->sizes ? impl_slice(p->t, p->dim, p->at, p->at + p->sizes[i], 1) : impl_select(p->t, p->dim, i);
    if (!v) return NULL;
    if (p->sizes) p->at += p->sizes[i];
    rl_make_view(v, p->t);
    if (p->node) rl_set_history(v, p->node, i);
    return v;
}

/* Gradients of the outputs, zeros where there is none. */
static int all_grads(Node *n, Tensor **in, Tensor **grads) {
    for (int i = 0; i < n->n_outputs; i++) {
        grads[i] = in[i] ? (Tensor *)Py_NewRef((PyObject *)in[i]) : rl_out_zeros(n, i);
        if (!grads[i]) { while (i-- > 0) Py_DECREF(grads[i]); return -1; }
    }
    return 0;
}

static int apply_pieces(Node *n, Tensor **in, Tensor **out, Tensor *(*together)(Tensors, int64_t)) {
    if (!n->edges[0].node) return 0;
    bool any = false;
    for (int i = 0; i < n->n_outputs && !any; i++) any = in[i] != NULL;
    if (!any) return 0;
    Tensor **grads = PyMem_Calloc(n->n_outputs, sizeof(Tensor *));
    if (!grads) { PyErr_NoMemory(); return -1; }
    if (all_grads(n, in, grads) == 0) {
        out[0] = together((Tensors){grads, n->n_outputs}, n->args[0].i);
        for (int i = 0; i < n->n_outputs; i++) Py_DECREF(grads[i]);
    }
    PyMem_Free(grads);
    return out[0] ? 0 : -1;
}

static int apply_unbind(Node *n, Tensor **in, Tensor **out) { return apply_pieces(n, in, out, rl_stack); }
static int apply_split(Node *n, Tensor **in, Tensor **out) { return apply_pieces(n, in, out, rl_cat); }
static const NodeDef unbind_def = {"UnbindBackward0", apply_unbind, 0, 1, NULL};
static const NodeDef split_def = {"SplitBackward0", apply_split, 0, 1, NULL};
static const NodeDef split_sizes_def = {"SplitWithSizesBackward0", apply_split, 0, 1, NULL};

static PyObject *pieces(Tensor *t, const NodeDef *def, int64_t dim, int64_t count, const int64_t *sizes) {
    Pieces p = {t, NULL, dim, sizes, 0, count > UINT16_MAX};
    if (count > INT32_MAX) { PyErr_SetString(PyExc_OverflowError, "too many pieces"); return NULL; }
    if (count == 0) return PyTuple_New(0);
    if (rl_any_grad1(t) && !p.separate) {
        if (!(p.node = rl_node_new(def, 1))) return NULL;
        p.node->args[0].i = dim;
        if (rl_node_edge(p.node, 0, t) < 0 || rl_node_outputs(p.node, (int)count) < 0) { Py_DECREF(p.node); return NULL; }
    }
    PyObject *out = rl_multi_views(t, (int)count, piece, &p);
    Py_XDECREF(p.node);
    return out;
}

PyObject *rl_unbind(Tensor *input, int64_t dim) {
    if (input->ndim == 0) { PyErr_SetString(PyExc_IndexError, "Dimension specified as 0 but tensor has no dimensions"); return NULL; }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    return pieces(input, &unbind_def, dim, input->size[dim], NULL);
}

static PyObject *in_equal_parts(Tensor *t, const NodeDef *def, int64_t part, int64_t dim, int64_t count) {
    int64_t n = t->size[dim], *sizes = PyMem_Malloc((size_t)(count + 1) * sizeof(int64_t));
    if (!sizes) return PyErr_NoMemory();
    for (int64_t i = 0; i < count; i++) sizes[i] = i + 1 < count ? part : n - part * (count - 1);
    PyObject *out = pieces(t, def, dim, count, sizes);
    PyMem_Free(sizes);
    return out;
}

PyObject *rl_split(Tensor *tensor, int64_t split_size_or_sections, int64_t dim) {
    int64_t part = split_size_or_sections;
    if (tensor->ndim == 0) { PyErr_SetString(PyExc_RuntimeError, "split expects at least a 1-dimensional tensor"); return NULL; }
    if (part < 0) {
        PyErr_Format(PyExc_RuntimeError, "split expects split_size be non-negative, but got split_size=%lld", (long long)part);
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, tensor->ndim)) == INT64_MIN) return NULL;
    int64_t n = tensor->size[dim];
    if (part == 0 && n != 0) {
        PyErr_Format(PyExc_RuntimeError, "split_size can only be 0 if dimension size is 0, but got dimension size of %lld", (long long)n);
        return NULL;
    }
    int64_t count = part ? (n + part - 1) / part : 1;
    return in_equal_parts(tensor, &split_def, part, dim, count ? count : 1);
}

PyObject *rl_split_with_sizes(Tensor *input, Ints split_sizes, int64_t dim) {
    int64_t total = 0;
    if (input->ndim == 0) { PyErr_SetString(PyExc_RuntimeError, "split expects at least a 1-dimensional tensor"); return NULL; }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    bool negative = false;
    for (int i = 0; i < split_sizes.n; i++) {
        negative |= split_sizes.v[i] < 0;
        total += split_sizes.v[i];
    }
    if (negative || total != input->size[dim]) {
        PyObject *l = rl_ints_list(split_sizes.n, split_sizes.v);
        if (l && negative) PyErr_Format(PyExc_RuntimeError, "split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes=%S", l);
        else if (l) PyErr_Format(PyExc_RuntimeError, "split_with_sizes expects split_sizes to sum exactly to %lld (input tensor's size at "
                                 "dimension %lld), but got split_sizes=%S", (long long)input->size[dim], (long long)dim, l);
        Py_XDECREF(l);
        return NULL;
    }
    return pieces(input, &split_sizes_def, dim, split_sizes.n, split_sizes.v);
}

PyObject *rl_split_sizes(Tensor *tensor, Ints split_size_or_sections, int64_t dim) {
    return rl_split_with_sizes(tensor, split_size_or_sections, dim);
}
PyObject *rl_split_method(Tensor *input, int64_t split_size, int64_t dim) { return rl_split(input, split_size, dim); }
PyObject *rl_split_method_sizes(Tensor *input, Ints split_size, int64_t dim) { return rl_split_with_sizes(input, split_size, dim); }

PyObject *rl_chunk(Tensor *input, int64_t chunks, int64_t dim) {
    if (input->ndim == 0) { PyErr_SetString(PyExc_RuntimeError, "chunk expects at least a 1-dimensional tensor"); return NULL; }
    if (chunks <= 0) {
        PyErr_Format(PyExc_RuntimeError, "chunk expects `chunks` to be greater than 0, got: %lld", (long long)chunks);
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    int64_t n = input->size[dim], part = (n + chunks - 1) / chunks;
    if (n == 0) return in_equal_parts(input, &split_sizes_def, 0, dim, chunks);
    return in_equal_parts(input, &split_def, part, dim, (n + part - 1) / part);
}

/* ---------------------------------------------------------------- tensor_split: independent slices */

static PyObject *slices(Tensor *t, int64_t dim, int64_t n, const int64_t *ends) {
    PyObject *out = PyTuple_New(n + 1);
    int64_t start = 0;
    for (int64_t i = 0; out && i <= n; i++) {
        int64_t end = i < n ? ends[i] : t->size[dim];
        Tensor *v = rl_slice(t, dim, start, end, 1);
        if (!v) { Py_DECREF(out); return NULL; }
        PyTuple_SET_ITEM(out, i, (PyObject *)v);
        start = end;
    }
    return out;
}

PyObject *rl_tensor_split_sections(Tensor *input, int64_t sections, int64_t dim) {
    if (input->ndim == 0) {
        PyErr_SetString(PyExc_RuntimeError, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (sections <= 0) {
        PyErr_Format(PyExc_RuntimeError, "number of sections must be larger than 0, got %lld", (long long)sections);
        return NULL;
    }
    int64_t n = input->size[dim], *ends = PyMem_Malloc((size_t)sections * sizeof(int64_t)), at = 0;
    if (!ends) return PyErr_NoMemory();
    for (int64_t i = 0; i + 1 < sections; i++) ends[i] = at += n / sections + (i < n % sections);
    PyObject *out = slices(input, dim, sections - 1, ends);
    PyMem_Free(ends);
    return out;
}

PyObject *rl_tensor_split_indices(Tensor *input, Ints indices, int64_t dim) {
    if (input->ndim == 0) {
        PyErr_SetString(PyExc_RuntimeError, "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims");
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    return slices(input, dim, indices.n, indices.v);
}

PyObject *rl_tensor_split_tensor(Tensor *input, Tensor *tensor_indices_or_sections, int64_t dim) {
    Tensor *which = tensor_indices_or_sections;
    if (which->ndim > 1 || which->dtype != RL_I64) {
        PyErr_SetString(PyExc_RuntimeError, which->dtype != RL_I64
                        ? "tensor_split expected tensor_indices_or_sections to have dtype of long"
                        : "tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor");
        return NULL;
    }
    Tensor *c = rl_contiguous_raw(which);
    if (!c) return NULL;
    const int64_t *v = (const int64_t *)c->data;
    PyObject *out = c->ndim ? rl_tensor_split_indices(input, (Ints){v, (int)c->numel}, dim) : rl_tensor_split_sections(input, *v, dim);
    Py_DECREF(c);
    return out;
}

/* hsplit, vsplit, dsplit: tensor_split along a fixed dimension, in parts that must be equal. */
static int fixed_dim(Tensor *t, int need, const char *name) {
    if (t->ndim >= need) return 0;
    PyErr_Format(PyExc_RuntimeError, "torch.%s requires a tensor with at least %d dimension, but got a tensor with %d dimensions!", name,
                 need, t->ndim);
    return -1;
}

static PyObject *equal_split(Tensor *t, int64_t sections, int64_t dim, const char *name) {
    if (sections == 0 || t->size[dim] % sections) {
        PyErr_Format(PyExc_RuntimeError, "torch.%s attempted to split along dimension %lld, but the size of the dimension %lld is not "
                     "divisible by the split_size %lld!", name, (long long)dim, (long long)t->size[dim], (long long)sections);
        return NULL;
    }
    return rl_tensor_split_sections(t, sections, dim);
}

#define FIXED_SPLIT(NAME, NEED, DIM)                                                                                         \
    PyObject *rl_##NAME##_sections(Tensor *input, int64_t sections) {                                                        \
        return fixed_dim(input, NEED, #NAME) < 0 ? NULL : equal_split(input, sections, DIM, #NAME);                          \
    }                                                                                                                        \
    PyObject *rl_##NAME##_indices(Tensor *input, Ints indices) {                                                             \
        return fixed_dim(input, NEED, #NAME) < 0 ? NULL : rl_tensor_split_indices(input, indices, DIM);                      \
    }
FIXED_SPLIT(hsplit, 1, input->ndim > 1)
FIXED_SPLIT(vsplit, 2, 0)
FIXED_SPLIT(dsplit, 3, 2)
