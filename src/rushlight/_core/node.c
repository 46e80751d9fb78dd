/* node.c -- nodes of the autograd graph: creation, saved values, history of tensors and views.
 *
 * A node is a Python object, so that the garbage collector sees cycles through hooks and user
 * contexts, but nothing of Python runs while ordinary nodes are made, differentiated or dropped.
 */
#include "rl.h"
#include <stdlib.h>

_Thread_local int rl_grad_mode = 1;

int64_t rl_hooked;
static Node *free_nodes;       /* linked through ->inner */
static int n_free;
static uint64_t next_seq = 1;

/* ---------------------------------------------------------------- creation */

static void *room(void *own, int own_n, int n, size_t size) {
    if (RL_LIKELY(n <= own_n)) return own;
    void *p = calloc((size_t)n, size);
    if (!p) PyErr_NoMemory();
    return p;
}

Node *rl_node_new(const NodeDef *def, int n_edges) {
    Node *n = free_nodes;
    if (RL_LIKELY(n != NULL)) {
        free_nodes = n->inner;
        n_free--;
        Py_SET_REFCNT((PyObject *)n, 1);
    } else {
        n = PyObject_GC_New(Node, &RLNode_Type);
        if (!n) return NULL;
    }
    n->def = def;
    n->seq = def == &rl_accumulate_def ? 0 : next_seq++;
    n->n_edges = (uint16_t)n_edges;
    n->n_outputs = 1;
    n->n_saved = def->n_saved;
    n->n_args = def->n_args;
    n->released = false;
    n->is_python = false;
    n->edges = n->edges0;
    n->saved = n->saved0;
    n->args = n->args0;
    n->outs = &n->out0;
    n->out0.size = n->out0.dims;
    n->out0.ndim = 0;
    n->task = NULL;
    n->pending = &n->pending0;
    n->pending0 = NULL;
    n->hooks = NULL;
    n->variable = NULL;
    n->inner = NULL;
    n->dict = NULL;
    n->weakrefs = NULL;
    n->owned_args = NULL;
    for (int i = 0; i < RL_NODE_EDGES; i++) n->edges0[i].node = NULL;
    for (int i = 0; i < n->n_saved && i < RL_NODE_SAVED; i++) n->saved0[i].t = NULL;
    if (RL_UNLIKELY(n_edges > RL_NODE_EDGES || n->n_saved > RL_NODE_SAVED || n->n_args > RL_NODE_ARGS)) {
        Edge *e = room(n->edges0, RL_NODE_EDGES, n_edges, sizeof(Edge));
        Saved *s = room(n->saved0, RL_NODE_SAVED, n->n_saved, sizeof(Saved));
        Arg *a = room(n->args0, RL_NODE_ARGS, n->n_args, sizeof(Arg));
        if (e) n->edges = e; else n->n_edges = 0;
        if (s) n->saved = s; else n->n_saved = 0;
        if (a) n->args = a;
        if (!e || !s || !a) { Py_DECREF(n); return NULL; }
    }
    PyObject_GC_Track((PyObject *)n);
    return n;
}

/* Room for more outputs than one, or more saved tensors than the definition tells (lists). */
int rl_node_outputs(Node *n, int count) {
    if (count <= 1) return 0;
    OutMeta *o = calloc((size_t)count, sizeof(OutMeta));
    Tensor **p = calloc((size_t)count, sizeof(Tensor *));
    if (!o || !p) { free(o); free(p); PyErr_NoMemory(); return -1; }
    for (int i = 0; i < count; i++) o[i].size = o[i].dims;
    n->outs = o;
    n->pending = p;
    n->n_outputs = (uint16_t)count;
    return 0;
}

int rl_node_saved_room(Node *n, int count) {
    if (count <= n->n_saved) return 0;
    Saved *s = calloc((size_t)count, sizeof(Saved));
    if (!s) { PyErr_NoMemory(); return -1; }
    memcpy(s, n->saved, n->n_saved * sizeof(Saved));
    if (n->saved != n->saved0) free(n->saved);
    n->saved = s;
    n->n_saved = (uint16_t)count;
    return 0;
}

NodeHooks *rl_node_hooks(Node *n) {
    if (!n->hooks) {
        n->hooks = calloc(1, sizeof(NodeHooks));
        if (!n->hooks) PyErr_NoMemory();
    }
    return n->hooks;
}

/* ---------------------------------------------------------------- edges */

Node *rl_gradient_edge(Tensor *t, uint32_t *nr) {
    Node *fn = rl_grad_fn(t);
    if (fn) {
        *nr = t->output_nr;
        Py_INCREF(fn);
        return fn;
    }
    *nr = 0;
    /* A view made under no_grad requires grad as its base does, but has no gradient of its own. */
    if (!(t->flags & RLF_REQUIRES_GRAD) || PyErr_Occurred()) return NULL;
    TensorExtra *e = rl_extra(t);
    if (!e) return NULL;
    if (e->accumulator) {
        Py_INCREF(e->accumulator);
        return e->accumulator;
    }
    Node *acc = rl_node_new(&rl_accumulate_def, 0);
    if (!acc) return NULL;
    Py_INCREF(t);
    acc->variable = t;
    e->accumulator = acc;
    rl_track(t);
    return acc;
}

int rl_node_edge(Node *n, int i, Tensor *input) {
    Edge *e = &n->edges[i];
    if (RL_LIKELY(input->base == NULL)) {
        if (!(input->flags & RLF_REQUIRES_GRAD)) { e->node = NULL; return 0; }
        if (input->grad_fn) {
            Py_INCREF(input->grad_fn);
            e->node = input->grad_fn;
            e->nr = input->output_nr;
            return 0;
        }
    }
    e->node = rl_gradient_edge(input, &e->nr);
    if (!e->node) return PyErr_Occurred() ? -1 : 0;
    /* A view whose base was written gets its node only now: n, which nobody knows yet, must stay the younger one. */
    if (e->node->seq > n->seq) n->seq = next_seq++;
    return 0;
}

bool rl_any_grad_list(Tensors ts) {
    if (!rl_grad_mode) return false;
    for (int i = 0; i < ts.n; i++) if (ts.v[i] && RL_REQUIRES_GRAD(ts.v[i])) return true;
    return false;
}

/* ---------------------------------------------------------------- saved values */

int rl_node_save(Node *n, int i, Tensor *t) {
    Saved *s = &n->saved[i];
    s->is_output = s->is_packed = false;
    if (RL_UNLIKELY(rl_saving_hooked) && t && rl_packs_saved()) {
        s->is_packed = true;
        return (s->t = (Tensor *)rl_pack_saved(t, NULL)) ? 0 : -1;
    }
    Py_XINCREF(t);
    s->t = t;
    if (t) s->version = t->version->value;
    return 0;
}

/* An own output is kept as a copy without history: node -> output -> node would be a cycle. */
int rl_node_save_output(Node *n, int i, Tensor *out, int output_nr) {
    Saved *s = &n->saved[i];
    s->is_output = true;
    s->output_nr = (uint32_t)output_nr;
    if (RL_UNLIKELY((s->is_packed = rl_saving_hooked && rl_packs_saved()))) return (s->t = (Tensor *)rl_pack_saved(out, n)) ? 0 : -1;
    s->t = rl_shallow(out);
    s->version = out->version->value;
    return s->t ? 0 : -1;
}

int rl_node_save_ints(Node *n, int i, Ints v) {
    if (v.n <= 0) { n->args[i].ints = v; return 0; }
    int64_t *copy = malloc((size_t)(v.n + 1) * sizeof(int64_t));
    if (!copy) { PyErr_NoMemory(); n->args[i].ints = (Ints){NULL, 0}; return -1; }
    *(void **)copy = n->owned_args;        /* a chain of what to free */
    n->owned_args = copy;
    memcpy(copy + 1, v.v, (size_t)v.n * sizeof(int64_t));
    n->args[i].ints = (Ints){copy + 1, v.n};
    return 0;
}

static const NodeDef copy_slices_def;

/* What a message calls a node: the operation that the user wrote. Exp for ExpBackward0, Max1 for MaxBackward1. */
static void name_operation(const Node *fn, char *word, size_t room) {
    const char *name = fn->def->name, *tail = strstr(name, "Backward");
    if (tail) PyOS_snprintf(word, room, "%.*s%s", (int)(tail - name), name, strcmp(tail, "Backward0") ? tail + 8 : "");
    else PyOS_snprintf(word, room, "%s%s", fn->def == &copy_slices_def ? "torch::autograd::" : "", name);
}

static void modified_error(Node *n, Saved *s) {
    const DTypeInfo *d = &rl_dtypes[s->t->dtype];
    PyObject *shape = PyList_New(0);
    for (int i = 0; shape && i < s->t->ndim; i++) {
        PyObject *v = PyLong_FromLongLong(s->t->size[i]);
        if (v) { PyList_Append(shape, v); Py_DECREF(v); }
    }
    PyObject *origin = NULL;
    const uint32_t output_nr = s->is_output ? s->output_nr : s->t->output_nr;
    Node *fn = !s->is_output ? rl_grad_fn(s->t) : RL_IS_INEXACT(s->t->dtype) ? n : NULL; /* indices have no history */
    if (fn) {
        char word[80];
        name_operation(fn, word, sizeof word);
        origin = PyUnicode_FromFormat(", which is output %u of %s,", output_nr, word);
    } else if (PyErr_Occurred()) { /* a view that may not be written */
        Py_XDECREF(shape);
        return;
    } else {
        origin = PyUnicode_FromString("");
    }
    if (shape && origin) {
        PyErr_Format(PyExc_RuntimeError,
                     "one of the variables needed for gradient computation has been modified by an inplace operation: "
                     "[torch.%sTensor %S]%U is at version %u; expected version %u instead. Hint: enable anomaly detection "
                     "to find the operation that failed to compute its gradient, with "
                     "torch.autograd.set_detect_anomaly(True, check_nan=False).",
                     d->legacy, shape, origin, s->t->version->value, s->version);
    }
    Py_XDECREF(shape);
    Py_XDECREF(origin);
}

void rl_released_error(void) {
    PyErr_SetString(PyExc_RuntimeError,
                    "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                    "already been freed). Saved intermediate values of the graph are freed when you call .backward() or "
                    "autograd.grad(). Specify retain_graph=True if you need to backward through the graph a second time or "
                    "if you need to access saved tensors after calling backward.");
}

Tensor *rl_node_unpack(Node *n, int i) {
    Saved *s = &n->saved[i];
    if (RL_UNLIKELY(n->released)) { rl_released_error(); return NULL; }
    Tensor *t = s->t;
    if (!t) return NULL;
    if (RL_UNLIKELY(s->is_packed)) return rl_unpack_saved((PyObject *)t, s->is_output ? n : NULL, s->output_nr);
    if (RL_UNLIKELY(t->version->value != s->version)) { modified_error(n, s); return NULL; }
    if (s->is_output && rl_grad_mode) {
        Tensor *alive = rl_shallow(t);
        if (!alive) return NULL;
        Py_INCREF(n);
        alive->grad_fn = n;
        alive->output_nr = s->output_nr;
        alive->flags |= RLF_REQUIRES_GRAD;
        rl_track(alive);
        return alive;
    }
    Py_INCREF(t);
    return t;
}

void rl_node_release(Node *n) {
    if (n->n_saved == 0 && !n->is_python && !n->inner) return;
    n->released = true;
    for (int i = 0; i < n->n_saved; i++) Py_CLEAR(n->saved[i].t);
    if (n->inner) rl_node_release(n->inner);
}

/* ---------------------------------------------------------------- history */

static void set_out_meta(OutMeta *m, Tensor *t) {
    m->dtype = t->dtype;
    m->device = t->device;
    if (RL_UNLIKELY(m->size != m->dims)) { free(m->size); m->size = m->dims; }
    m->ndim = t->ndim;
    if (RL_UNLIKELY(t->ndim > RL_INLINE_DIMS)) {
        m->size = malloc(t->ndim * sizeof(int64_t));
        if (!m->size) { m->size = m->dims; m->ndim = 0; return; }
    }
    memcpy(m->size, t->size, t->ndim * sizeof(int64_t));
}

void rl_set_history(Tensor *out, Node *n, int output_nr) {
    Node *old = out->grad_fn;
    Py_INCREF(n);
    out->grad_fn = n;
    out->output_nr = (uint32_t)output_nr;
    out->flags |= RLF_REQUIRES_GRAD;
    rl_track(out);
    set_out_meta(&n->outs[output_nr], out);
    Py_XDECREF(old);
}

Tensor *rl_out_zeros(Node *n, int output_nr) {
    OutMeta *m = &n->outs[output_nr];
    return rl_full_scalar(m->ndim, m->size, (Scalar){'i', {.i = 0}, 0}, m->dtype, m->device);
}

int rl_make_view(Tensor *view, Tensor *self) {
    Tensor *root = self->base ? self->base : self;
    Py_INCREF(root);
    view->base = root;
    view->view_version = view->version->value;
    view->creation = rl_grad_mode ? self->base ? self->creation : RLV_DEFAULT : RLV_NO_GRAD;
    rl_track(view);
    return 0;
}

static void view_error(Tensor *self, bool indirect);

/* After a write. What asked to retain its gradient means the new one's; hooks stay with the old. */
static int set_new_history(Tensor *t, Node *n, int output_nr) {
    const bool retained = t->flags & RLF_RETAINS_GRAD;
    if (retained) rl_forget_retained(t);
    rl_set_history(t, n, output_nr);
    return retained ? rl_retain_grad(t) : 0;
}

Node *rl_grad_fn(Tensor *t) {
    if (RL_LIKELY(t->base == NULL)) return t->grad_fn;
    if (t->view_version == t->version->value || !(t->grad_fn || t->base->flags & RLF_REQUIRES_GRAD)) return t->grad_fn;
    if (RL_UNLIKELY(t->creation)) { view_error(t, true); return NULL; }
    Node *n = rl_as_strided_node(t->base, (Ints){t->size, t->ndim}, (Ints){t->stride, t->ndim}, RL_OFFSET(t));
    if (!n) return NULL;
    t->view_version = t->version->value;
    const int bad = set_new_history(t, n, 0);
    Py_DECREF(n);
    return bad < 0 ? NULL : t->grad_fn;
}

/* Why a view may not be written in place; `indirect`: not it, but its base or another view of it was written. */
static void view_error(Tensor *self, bool indirect) {
    const char *written = indirect ? "its base or another view of its base has been" : "is being", *rule = "";
    char head[256], word[80];
    if (!self->grad_fn) { /* whatever made it, it was made where nothing is recorded */
        PyOS_snprintf(head, sizeof head, "A view was created in no_grad mode and %s modified inplace with grad mode enabled.", written);
    } else {
        name_operation(self->grad_fn, word, sizeof word);
        PyOS_snprintf(head, sizeof head, self->creation == RLV_NO_GRAD
                      ? "Output %u of %s is a view of a view which was created in no_grad mode and %s modified inplace with grad mode enabled."
                      : "Output %u of %s is a view and %s modified inplace.", self->output_nr, word, written);
    }
    switch (self->creation) {
        case RLV_MULTI:
            rule = "This view is the output of a function that returns multiple views. Such functions do not allow the output views to be "
                   "modified inplace. You should replace the inplace operation by an out-of-place one.";
            break;
        case RLV_NO_GRAD:
            rule = "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view "
                   "and the inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if you "
                   "want the inplace to be tracked).";
            break;
        case RLV_CUSTOM_FUNCTION:
            rule = "This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle "
                   "view+inplace would override the custom backward associated with the custom Function, leading to incorrect gradients. This "
                   "behavior is forbidden. You can fix this by cloning the output of the custom Function.";
    }
    PyErr_Format(PyExc_RuntimeError, "%s %s", head, rule);
}

static void hint_leaf(void) {
    rl_hint("write to a parameter within `with torch.no_grad():`, as optimizers do, or give the result a name of its own");
}

/* `recording`: the write will be recorded (some input requires grad). */
int rl_check_inplace(Tensor *self, bool recording) {
    if (!recording) return 0;
    if (self->base) {
        if (RL_UNLIKELY(self->creation)) { view_error(self, false); return -1; }
        if (RL_REQUIRES_GRAD(self) && self->base->grad_fn == NULL) {
            PyErr_SetString(PyExc_RuntimeError,
                            "a view of a leaf Variable that requires grad is being used in an in-place operation.");
            hint_leaf();
            return -1;
        }
    }
    if (RL_REQUIRES_GRAD(self) && self->grad_fn == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation.");
        hint_leaf();
        return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- CopySlices */

#include "rl_ops.h"
#include "runtime.h"

/* The write went through a view: the base's gradient passes untouched outside of the view, and
 * through the op's own derivative inside.  args: base ints size/stride, view size/stride, offset. */
static int copy_slices_apply(Node *n, Tensor **in, Tensor **out) {
    Tensor *grad = in[0];
    if (!grad) return 0;
    Ints bsize = n->args[0].ints, bstride = n->args[1].ints, vsize = n->args[2].ints, vstride = n->args[3].ints;
    int64_t offset = n->args[4].i;
    if (n->released) { rl_released_error(); return -1; }
    Tensor *result = NULL, *slice = NULL, *piece = NULL;
    Tensor *inner[64] = {0};
    int rc = -1;
    result = rl_empty_strided(bsize.n, bsize.v, bstride.v, grad->dtype, grad->device);
    if (!result) goto done;
    Tensor *same = rl_copy_(result, grad, false);
    if (!same) goto done;
    Py_DECREF(same);
    slice = rl_as_strided(result, vsize, vstride, offset);
    if (!slice) goto done;
    piece = rl_clone(slice, RL_PRESERVE_FORMAT);
    if (!piece) goto done;
    if (n->inner->n_edges > 64) { PyErr_SetString(PyExc_RuntimeError, "CopySlices: too many inputs"); goto done; }
    Tensor *inner_in[1] = {piece};
    if (rl_node_call(n->inner, inner_in, inner) < 0) goto done;
    for (int i = 0; i < n->n_edges; i++) {
        if (!n->edges[i].node) continue;
        if (i > 0) { out[i] = inner[i]; inner[i] = NULL; continue; }
        Tensor *g = inner[0];
        if (g) same = rl_copy_(slice, g, false);
        else same = rl_zero_(slice);
        if (!same) goto done;
        Py_DECREF(same);
        out[0] = result;
        result = NULL;
    }
    rc = 0;
done:
    Py_XDECREF(result);
    Py_XDECREF(slice);
    Py_XDECREF(piece);
    for (int i = 0; i < n->inner->n_edges && i < 64; i++) Py_XDECREF(inner[i]);
    return rc;
}

static const NodeDef copy_slices_def = {"CopySlices", copy_slices_apply, 0, 5, NULL};

Tensor *rl_before_write(Tensor *t) {
    Node *fn = rl_grad_fn(t);
    if (!fn && PyErr_Occurred()) return NULL;
    Tensor *before = rl_clone_raw(t);
    if (!before || !fn) return before;
    Py_INCREF(fn);
    before->grad_fn = fn;
    before->output_nr = t->output_nr;
    before->flags |= RLF_REQUIRES_GRAD;
    rl_track(before);
    return before;
}

int rl_rebase_history(Tensor *self, Node *fn, int output_nr) {
    if (!self->base) return set_new_history(self, fn, output_nr);
    Tensor *base = self->base;
    Node *n = rl_node_new(&copy_slices_def, fn->n_edges);
    if (!n) return -1;
    if (rl_node_edge(n, 0, base) < 0) { Py_DECREF(n); return -1; }
    for (int i = 1; i < fn->n_edges; i++) {
        n->edges[i] = fn->edges[i];
        Py_XINCREF(n->edges[i].node);
    }
    rl_node_save_ints(n, 0, (Ints){base->size, base->ndim});
    rl_node_save_ints(n, 1, (Ints){base->stride, base->ndim});
    rl_node_save_ints(n, 2, (Ints){self->size, self->ndim});
    rl_node_save_ints(n, 3, (Ints){self->stride, self->ndim});
    n->args[4].i = (self->data - base->data) / RL_ITEMSIZE(self->dtype);
    Py_INCREF(fn);
    n->inner = fn;
    /* the inner node is called with one gradient, shaped like the view */
    set_out_meta(&fn->outs[0], self);
    const int bad = set_new_history(base, n, 0);
    Py_DECREF(n);
    if (bad < 0) return -1;
    self->view_version = self->version->value - 1; /* stale: made anew from the base when asked for */
    rl_grad_fn(self);
    return PyErr_Occurred() ? -1 : 0;
}

/* ---------------------------------------------------------------- retain_grad */

int rl_retain_grad(Tensor *t) {
    if (!RL_REQUIRES_GRAD(t)) {
        PyErr_SetString(PyExc_RuntimeError, "can't retain_grad on Tensor that has requires_grad=False");
        return -1;
    }
    if (!t->grad_fn || (t->flags & RLF_RETAINS_GRAD)) return 0; /* a leaf, or a view that has not noticed yet that it is none */
    Node *fn = rl_grad_fn(t);
    if (!fn) return -1;
    NodeHooks *h = rl_node_hooks(fn);
    if (!h) return -1;
    Retain *r = realloc(h->retain, (size_t)(h->n_retain + 1) * sizeof *r);
    if (!r) { PyErr_NoMemory(); return -1; }
    r[h->n_retain++] = (Retain){t->output_nr, t};
    h->retain = r;
    t->flags |= RLF_RETAINS_GRAD;
    return 0;
}

void rl_forget_retained(Tensor *t) {
    NodeHooks *h = t->grad_fn ? t->grad_fn->hooks : NULL;
    if (h) for (int i = 0; i < h->n_retain; i++) {
        if (h->retain[i].t == t) { h->retain[i] = h->retain[--h->n_retain]; break; }
    }
    t->flags &= ~(uint32_t)RLF_RETAINS_GRAD;
}

/* ---------------------------------------------------------------- teardown */

static Node *doomed;           /* linked through ->task: nodes whose last reference went while another died */
static bool tearing_down;

static void node_free_one(Node *n, bool deferred) {
    if (n->weakrefs) PyObject_ClearWeakRefs((PyObject *)n);
    if (n->variable) {
        if (n->variable->extra && n->variable->extra->accumulator == n) n->variable->extra->accumulator = NULL;
        Py_CLEAR(n->variable);
    }
    Py_CLEAR(n->inner);
    for (int i = 0; i < n->n_saved; i++) Py_CLEAR(n->saved[i].t);
    for (int i = 0; i < n->n_edges; i++) Py_CLEAR(n->edges[i].node);
    for (int i = 0; i < n->n_outputs; i++) Py_CLEAR(n->pending[i]);
    Py_CLEAR(n->dict);
    if (n->hooks) {
        rl_drop_hooks(&n->hooks->tensor_pre);
        rl_drop_hooks(&n->hooks->pre);
        rl_drop_hooks(&n->hooks->post);
        free(n->hooks->retain);
        free(n->hooks);
    }
    if (RL_UNLIKELY(n->out0.size != n->out0.dims)) free(n->out0.size);
    if (RL_UNLIKELY(n->outs != &n->out0)) {
        for (int i = 0; i < n->n_outputs; i++) if (n->outs[i].size != n->outs[i].dims) free(n->outs[i].size);
        free(n->outs);
        free(n->pending);
    }
    if (RL_UNLIKELY(n->edges != n->edges0)) free(n->edges);
    if (RL_UNLIKELY(n->saved != n->saved0)) free(n->saved);
    if (RL_UNLIKELY(n->args != n->args0)) free(n->args);
    while (n->owned_args) {
        void *next = *(void **)n->owned_args;
        free(n->owned_args);
        n->owned_args = next;
    }
    if (Py_TYPE(n) == &RLNode_Type && n_free < RL_KEPT_FREE) {
        n->inner = free_nodes;
        free_nodes = n;
        n_free++;
    } else {
        PyTypeObject *type = Py_TYPE(n);
        type->tp_free((PyObject *)n);
        if (deferred && (type->tp_flags & Py_TPFLAGS_HEAPTYPE)) Py_DECREF(type);
    }
}

void rl_node_dealloc(PyObject *self) {
    Node *n = (Node *)self;
    PyObject_GC_UnTrack(self);
    if (tearing_down) {
        /* a Function's context class must outlive the wait: subtype_dealloc drops its own reference */
        if (Py_TYPE(n)->tp_flags & Py_TPFLAGS_HEAPTYPE) Py_INCREF(Py_TYPE(n));
        n->task = doomed;
        doomed = n;
        return;
    }
    tearing_down = true;
    node_free_one(n, false);
    while (doomed) {
        Node *next = doomed;
        doomed = next->task;
        node_free_one(next, true);
    }
    tearing_down = false;
}

int rl_node_traverse(PyObject *self, visitproc visit, void *arg) {
    Node *n = (Node *)self;
    Py_VISIT(n->variable);
    Py_VISIT(n->inner);
    for (int i = 0; i < n->n_saved; i++) Py_VISIT(n->saved[i].t);
    for (int i = 0; i < n->n_edges; i++) Py_VISIT(n->edges[i].node);
    for (int i = 0; i < n->n_outputs; i++) Py_VISIT(n->pending[i]);
    Py_VISIT(n->dict);
    if (n->hooks) {
        Py_VISIT(n->hooks->tensor_pre);
        Py_VISIT(n->hooks->pre);
        Py_VISIT(n->hooks->post);
    }
    return 0;
}

int rl_node_clear(PyObject *self) {
    Node *n = (Node *)self;
    for (int i = 0; i < n->n_saved; i++) Py_CLEAR(n->saved[i].t);
    for (int i = 0; i < n->n_edges; i++) Py_CLEAR(n->edges[i].node);
    Py_CLEAR(n->dict);
    if (n->hooks) {
        rl_drop_hooks(&n->hooks->tensor_pre);
        rl_drop_hooks(&n->hooks->pre);
        rl_drop_hooks(&n->hooks->post);
    }
    return 0;
}
