/* engine.c -- the backward pass.
 *
 * Nodes are numbered in the order of their creation and an edge always points at an older node, so a
 * heap ordered by that number alone visits every node after all of its users: no counting of
 * dependencies beforehand.  Pending gradients lie in the nodes themselves; a second pass that meets
 * a node in use by another one (a hook that calls backward, another thread) keeps its own in a table.
 */
#include "rl.h"
#include "profile.h"
#include "pyautograd.h"
#include "rl_ops.h"
#include <stdlib.h>

typedef struct { Node *node; Tensor **grads; } Slot;
typedef struct { Node *leaf; int64_t users; } Waiting;

typedef struct Task {
    Node **heap;               /* owned references */
    int n, cap;
    Slot *slots;               /* pending gradients of nodes that another pass is using */
    int n_slots, cap_slots;
    bool keep_graph, create_graph, accumulate;
    /* when only some inputs are asked for: the nodes that lead to them, and where to put gradients */
    struct PtrSet *needed;
    int n_inputs;
    Edge *inputs;
    Tensor **captured;
    Waiting *leaves;           /* while there are hooks: how many edges each leaf has yet to hear from, by address */
    int n_leaves;
    Node *first_heap[32];
} Task;

/* ---------------------------------------------------------------- the set of needed nodes */

typedef struct PtrSet { uintptr_t *keys; size_t cap, n; } PtrSet;

static bool set_has(const PtrSet *s, Node *n) {
    size_t mask = s->cap - 1, h = ((uintptr_t)n >> 4) * 0x9E3779B97F4A7C15u & mask;
    for (; s->keys[h]; h = (h + 1) & mask) if (s->keys[h] == (uintptr_t)n) return true;
    return false;
}

static int set_add(PtrSet *s, Node *n) {
    if (2 * (s->n + 1) > s->cap) {
        PtrSet bigger = {calloc(s->cap ? 2 * s->cap : 64, sizeof(uintptr_t)), s->cap ? 2 * s->cap : 64, 0};
        if (!bigger.keys) { PyErr_NoMemory(); return -1; }
        for (size_t i = 0; i < s->cap; i++) if (s->keys[i]) set_add(&bigger, (Node *)s->keys[i]);
        free(s->keys);
        *s = bigger;
    }
    size_t mask = s->cap - 1, h = ((uintptr_t)n >> 4) * 0x9E3779B97F4A7C15u & mask;
    for (; s->keys[h]; h = (h + 1) & mask) if (s->keys[h] == (uintptr_t)n) return 0;
    s->keys[h] = (uintptr_t)n;
    s->n++;
    return 1;
}

static int by_seq(const void *a, const void *b) {
    uint64_t x = (*(Node *const *)a)->seq, y = (*(Node *const *)b)->seq;
    return x < y ? -1 : x > y;
}

/* All nodes reachable from the roots. */
static int reach(int n_roots, Node **roots, Node ***nodes, int *count) {
    PtrSet seen = {0};
    Node **all = NULL;
    int n = 0, cap = 0, done = 0, rc = -1;
    for (int i = 0; i < n_roots || done < n;) {
        Node *const from = done < n ? all[done++] : NULL;
        const int n_next = from ? from->n_edges : 1;
        for (int k = 0; k < n_next; k++) {
            Node *next = from ? from->edges[k].node : roots[i];
            int added = next ? set_add(&seen, next) : 0;
            if (added < 0) goto end;
            if (!added) continue;
            if (n == cap) {
                Node **p = realloc(all, (size_t)(cap = cap ? 2 * cap : 64) * sizeof *p);
                if (!p) { PyErr_NoMemory(); goto end; }
                all = p;
            }
            all[n++] = next;
        }
        i += !from;
    }
    rc = 0;
end:
    free(seen.keys);
    if (rc < 0) { free(all); all = NULL; }
    *nodes = all;
    *count = n;
    return rc;
}

/* One sweep, oldest first, finds the nodes that lead to an input. */
static int find_needed(Task *t, Node **all, int n) {
    if (n) qsort(all, (size_t)n, sizeof *all, by_seq);
    t->needed = calloc(1, sizeof(PtrSet));
    if (!t->needed) { PyErr_NoMemory(); return -1; }
    for (int i = 0; i < t->n_inputs; i++) if (t->inputs[i].node && set_add(t->needed, t->inputs[i].node) < 0) return -1;
    for (int i = 0; t->needed->n && i < n; i++) {
        for (int k = 0; k < all[i]->n_edges; k++) {
            Node *next = all[i]->edges[k].node;
            if (next && set_has(t->needed, next)) {
                if (set_add(t->needed, all[i]) < 0) return -1;
                break;
            }
        }
    }
    return 0;
}

static bool needed(Task *t, Node *n) {
    return !t->needed || (t->needed->n && set_has(t->needed, n));
}

/* ---------------------------------------------------------------- leaves, where hooks may tell when they are reached */

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)((const Waiting *)a)->leaf, y = (uintptr_t)((const Waiting *)b)->leaf;
    return x < y ? -1 : x > y;
}

static Waiting *waiting(Task *t, Node *leaf) {
    const Waiting key = {leaf, 0};
    return bsearch(&key, t->leaves, (size_t)t->n_leaves, sizeof key, by_address);
}

static int count_users_of_leaves(Task *t, int n_roots, Node **roots, Node **all, int n) {
    int leaves = 0;
    for (int i = 0; i < n; i++) leaves += all[i]->def == &rl_accumulate_def;
    if (!(t->leaves = malloc((size_t)(leaves + 1) * sizeof *t->leaves))) { PyErr_NoMemory(); return -1; }
    for (int i = 0; i < n; i++) if (all[i]->def == &rl_accumulate_def) t->leaves[t->n_leaves++] = (Waiting){all[i], 0};
    qsort(t->leaves, (size_t)leaves, sizeof *t->leaves, by_address);
    for (int i = -n_roots; i < n; i++) {
        for (int k = 0; k < (i < 0 ? 1 : all[i]->n_edges); k++) {
            Node *next = i < 0 ? roots[-1 - i] : all[i]->edges[k].node;
            if (next && next->def == &rl_accumulate_def) waiting(t, next)->users++;
        }
    }
    return 0;
}

/* ---------------------------------------------------------------- queue and pending gradients */

static int push(Task *t, Node *node) {
    if (t->n == t->cap) {
        int cap = 2 * t->cap;
        Node **p = t->heap == t->first_heap ? malloc((size_t)cap * sizeof *p) : realloc(t->heap, (size_t)cap * sizeof *p);
        if (!p) { PyErr_NoMemory(); return -1; }
        if (t->heap == t->first_heap) memcpy(p, t->first_heap, sizeof t->first_heap);
        t->heap = p;
        t->cap = cap;
    }
    int i = t->n++;
    while (i > 0) {
        int up = (i - 1) / 2;
        if (t->heap[up]->seq >= node->seq) break;
        t->heap[i] = t->heap[up];
        i = up;
    }
    t->heap[i] = node;
    Py_INCREF(node);
    return 0;
}

static Node *pop(Task *t) {
    Node *top = t->heap[0], *last = t->heap[--t->n];
    int i = 0;
    for (;;) {
        int k = 2 * i + 1;
        if (k >= t->n) break;
        if (k + 1 < t->n && t->heap[k + 1]->seq > t->heap[k]->seq) k++;
        if (t->heap[k]->seq <= last->seq) break;
        t->heap[i] = t->heap[k];
        i = k;
    }
    if (t->n) t->heap[i] = last;
    return top;
}

/* Counted leaves do not queue: they come when they have heard from all of their users. */
static int enqueue(Task *t, Node *node) {
    return RL_UNLIKELY(t->leaves != NULL) && node->def == &rl_accumulate_def ? 0 : push(t, node);
}

/* Where this pass keeps the gradients of a node's outputs; first use puts the node in the queue. */
static Tensor **pending_of(Task *t, Node *node) {
    if (RL_LIKELY(node->task == t)) return node->pending;
    if (RL_LIKELY(node->task == NULL)) {
        if (enqueue(t, node) < 0) return NULL;
        node->task = t;
        return node->pending;
    }
    for (int i = 0; i < t->n_slots; i++) if (t->slots[i].node == node) return t->slots[i].grads;
    if (t->n_slots == t->cap_slots) {
        int cap = t->cap_slots ? 2 * t->cap_slots : 8;
        Slot *p = realloc(t->slots, (size_t)cap * sizeof *p);
        if (!p) { PyErr_NoMemory(); return NULL; }
        t->slots = p;
        t->cap_slots = cap;
    }
    Tensor **grads = calloc(node->n_outputs, sizeof *grads);
    if (!grads) { PyErr_NoMemory(); return NULL; }
    if (enqueue(t, node) < 0) { free(grads); return NULL; }
    t->slots[t->n_slots++] = (Slot){node, grads};
    return grads;
}

/* Moves the node's pending gradients into `grads` and frees it for other passes. */
static void take_pending(Task *t, Node *node, Tensor **grads) {
    if (RL_LIKELY(node->task == t)) {
        for (int i = 0; i < node->n_outputs; i++) { grads[i] = node->pending[i]; node->pending[i] = NULL; }
        node->task = NULL;
        return;
    }
    for (int i = 0; i < t->n_slots; i++) {
        if (t->slots[i].node != node) continue;
        memcpy(grads, t->slots[i].grads, node->n_outputs * sizeof *grads);
        free(t->slots[i].grads);
        t->slots[i] = t->slots[--t->n_slots];
        return;
    }
    for (int i = 0; i < node->n_outputs; i++) grads[i] = NULL;
}

/* Nobody else can see the tensor or its memory, so it may be written. */
static inline bool exclusive(Tensor *g) {
    return Py_REFCNT(g) == 1 && g->storage->refs == 1 && !g->storage->owner && RL_IS_CONTIGUOUS(g) && !g->base;
}

static int add_pending(Task *t, Node *node, uint32_t nr, Tensor *g) { /* takes over g */
    Tensor **slot = pending_of(t, node);
    if (RL_UNLIKELY(!slot)) { Py_DECREF(g); return -1; }
    slot += nr;
    if (RL_LIKELY(*slot == NULL)) {
        *slot = g;
        return 0;
    }
    Tensor *sum;
    if (!t->create_graph && exclusive(*slot) && (*slot)->dtype == g->dtype && rl_same_shape(*slot, g)) {
        sum = rl_add_(*slot, g, RL_ONE);
    } else {
        sum = rl_add(*slot, g, RL_ONE);
    }
    Py_DECREF(g);
    if (!sum) return -1;
    Py_DECREF(*slot);
    *slot = sum;
    return 0;
}

/* ---------------------------------------------------------------- shapes of gradients */

Tensor *rl_sum_to(Tensor *t, int ndim, const int64_t *size) {
    int64_t dims[RL_MAXDIM];
    int n = 0, lead = t->ndim - ndim;
    for (int i = 0; i < t->ndim; i++) if (i < lead || (size[i - lead] == 1 && t->size[i] != 1)) dims[n++] = i;
    Tensor *r = t;
    if (n == 0) { Py_INCREF(t); return t; }
    r = rl_sum_dim(t, (Ints){dims, n}, true, RL_NODTYPE);
    if (!r || lead == 0) return r;
    Tensor *v = rl_view(r, (Ints){size, ndim});
    Py_DECREF(r);
    return v;
}

static bool reducible_to(Tensor *g, OutMeta *m) {
    int lead = g->ndim - m->ndim;
    if (lead < 0) return false;
    for (int i = 0; i < m->ndim; i++) if (m->size[i] != 1 && m->size[i] != g->size[i + lead]) return false;
    return true;
}

static PyObject *shape_text(int ndim, const int64_t *size) {
    PyObject *l = PyList_New(ndim);
    if (!l) return NULL;
    for (int i = 0; i < ndim; i++) {
        PyObject *v = PyLong_FromLongLong(size[i]);
        if (!v) { Py_DECREF(l); return NULL; }
        PyList_SET_ITEM(l, i, v);
    }
    PyObject *s = PyObject_Str(l);
    Py_DECREF(l);
    return s;
}

/* Makes a gradient fit the value it belongs to: undoes broadcasting, casts.  Takes over g. */
static Tensor *fit(Tensor *g, OutMeta *m, Node *from, int index) {
    if (RL_UNLIKELY(g->ndim != m->ndim || memcmp(g->size, m->size, m->ndim * sizeof(int64_t)) != 0)) {
        if (!reducible_to(g, m)) {
            PyObject *a = shape_text(g->ndim, g->size), *b = shape_text(m->ndim, m->size);
            if (a && b) PyErr_Format(PyExc_RuntimeError, "Function %s returned an invalid gradient at index %d - got %U but "
                                     "expected shape compatible with %U", from ? from->def->name : "Backward", index, a, b);
            Py_XDECREF(a);
            Py_XDECREF(b);
            Py_DECREF(g);
            return NULL;
        }
        Tensor *s = rl_sum_to(g, m->ndim, m->size);
        Py_DECREF(g);
        if (!s) return NULL;
        g = s;
    }
    if (RL_UNLIKELY(g->dtype != m->dtype)) {
        Tensor *c = g;
        if (RL_IS_COMPLEX(g->dtype) && !RL_IS_COMPLEX(m->dtype)) {
            c = rl_real(g);
            Py_DECREF(g);
            if (!c) return NULL;
        }
        if (c->dtype != m->dtype) {
            Tensor *d = rl_to_dtype(c, m->dtype);
            Py_DECREF(c);
            c = d;
        }
        return c;
    }
    return g;
}

static inline Tensor *fit_edge(Tensor *g, Node *node, int i) {
    const Edge *e = &node->edges[i];
    if (e->node->def != &rl_accumulate_def) return fit(g, &e->node->outs[e->nr], node, i);
    Tensor *v = e->node->variable;
    if (RL_LIKELY(rl_same_shape(g, v) && g->dtype == v->dtype)) return g;
    OutMeta m = {v->size, v->ndim, v->dtype, v->device, {0}};
    return fit(g, &m, node, i);
}

/* ---------------------------------------------------------------- leaves */

/* A gradient lies in memory as its leaf does, where that is without gaps and overlaps, else row by row. */
static bool lies_like(Tensor *g, Tensor *v) {
    if (RL_IS_CONTIGUOUS(v)) return RL_IS_CONTIGUOUS(g);
    if (!rl_is_dense(v)) return RL_IS_CONTIGUOUS(g);
    for (int i = 0; i < g->ndim; i++) if (g->size[i] != 1 && g->stride[i] != v->stride[i]) return false;
    return true;
}

static int accumulate(Tensor *var, Tensor *g, bool create_graph) {
    if (!var->grad) {
        Tensor *keep;
        if (!create_graph && Py_REFCNT(g) == 1 && g->storage->refs == 1 && !g->base && lies_like(g, var)) {
            keep = g;
            Py_INCREF(keep);
        } else if (create_graph && lies_like(g, var)) {
            keep = rl_clone(g, RL_PRESERVE_FORMAT);
        } else {
            keep = rl_is_dense(var) ? rl_empty_like(var, (RLDType)g->dtype) : rl_empty(var->ndim, var->size, (RLDType)g->dtype, g->device);
            if (keep && create_graph) {
                Tensor *same = rl_copy_(keep, g, false);
                if (same) Py_DECREF(same);
                else Py_CLEAR(keep);
            } else if (keep && rl_copy_raw(keep, g) < 0) {
                Py_CLEAR(keep);
            }
        }
        Py_DECREF(g);
        if (!keep) return -1;
        var->grad = keep;
        rl_track(var);
        return 0;
    }
    Tensor *sum = create_graph ? rl_add(var->grad, g, RL_ONE) : rl_add_(var->grad, g, RL_ONE);
    Py_DECREF(g);
    if (!sum) return -1;
    Py_SETREF(var->grad, sum);
    return 0;
}

/* No other thread may come between the look at var->grad and the change of it: it may be adding to the same leaf. */
int rl_accumulate_grad(Tensor *var, Tensor *g, bool create_graph) {
    const bool kept = rl_keep_gil;
    rl_keep_gil = true;
    const int rc = accumulate(var, g, create_graph);
    rl_keep_gil = kept;
    return rc;
}

/* ---------------------------------------------------------------- hooks */

static int wrong_result(PyObject *hook, const char *format, ...) {
    PyObject *name = PyObject_GetAttrString(hook, "__name__");
    if (!name) PyErr_Clear();
    va_list values;
    va_start(values, format);
    PyObject *text = PyUnicode_FromFormatV(format, values);
    va_end(values);
    if (text) PyErr_Format(PyExc_RuntimeError, "hook '%S' has %U", name ? name : Py_None, text);
    Py_XDECREF(name);
    Py_XDECREF(text);
    return -1;
}

/* Puts what a hook returned for a gradient, unless it is None, in its place. */
static int replace_gradient(PyObject *hook, Tensor **g, PyObject *with) {
    if (with == Py_None) return 0;
    if (!*g) { PyErr_SetString(PyExc_RuntimeError, "can't replace a None gradient with a non-None value"); return -1; }
    if (!RL_IS_TENSOR(with)) {
        PyErr_Format(PyExc_TypeError, "expected Variable, but hook returned '%s'", rl_type_name(with));
        return -1;
    }
    Tensor *r = (Tensor *)with;
    if (r->dtype != (*g)->dtype)
        return wrong_result(hook, "changed the type of value (was torch.%sTensor got torch.%sTensor)", rl_dtypes[(*g)->dtype].legacy,
                            rl_dtypes[r->dtype].legacy);
    if (r->device != (*g)->device) return wrong_result(hook, "changed the device of value");
    if (!rl_same_shape(r, *g)) return wrong_result(hook, "changed the size of value");
    Py_SETREF(*g, (Tensor *)Py_NewRef(with));
    return 0;
}

/* Calls each hook of an OrderedDict with the gradient; a result that is not None replaces it. */
static int run_tensor_hooks(PyObject *hooks, Tensor **g) {
    PyObject *list = PyMapping_Values(hooks); /* hooks may add or remove hooks */
    if (!list) return -1;
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *hook = PyList_GET_ITEM(list, i), *r = PyObject_CallOneArg(hook, *g ? (PyObject *)*g : Py_None);
        rc = r ? replace_gradient(hook, g, r) : -1;
        Py_XDECREF(r);
    }
    Py_DECREF(list);
    return rc;
}

static PyObject *grads_tuple(Tensor **g, int n) {
    PyObject *t = PyTuple_New(n);
    if (!t) return NULL;
    for (int i = 0; i < n; i++) {
        PyObject *o = g[i] ? (PyObject *)g[i] : Py_None;
        Py_INCREF(o);
        PyTuple_SET_ITEM(t, i, o);
    }
    return t;
}

/* Node hooks: hook(grad_outputs) before, hook(grad_inputs, grad_outputs) after. */
static int run_node_hooks(PyObject *hooks, Tensor **g, int n, PyObject *other) {
    PyObject *list = PyMapping_Values(hooks);
    if (!list) return -1;
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(list); i++) {
        PyObject *hook = PyList_GET_ITEM(list, i), *mine = grads_tuple(g, n);
        PyObject *r = mine ? PyObject_CallFunctionObjArgs(hook, mine, other, NULL) : NULL; /* without other, NULL ends the list early */
        Py_XDECREF(mine);
        PyObject *results = !r || PyTuple_Check(r) || r == Py_None ? Py_XNewRef(r) : PyTuple_Pack(1, r);
        Py_XDECREF(r);
        if (!results) rc = -1;
        else if (results != Py_None && PyTuple_GET_SIZE(results) != n)
            rc = wrong_result(hook, "returned an incorrect number of values (got %zd, but expected %d)", PyTuple_GET_SIZE(results), n);
        else if (results != Py_None)
            for (int k = 0; rc == 0 && k < n; k++) rc = replace_gradient(hook, &g[k], PyTuple_GET_ITEM(results, k));
        Py_XDECREF(results);
    }
    Py_DECREF(list);
    return rc;
}

/* What tensors asked for: it sees the gradient that autograd.grad() hands out. The node's own hooks come later, and only
 * when the node runs. */
static int tensor_hooks(Node *node, Tensor **in) {
    NodeHooks *h = node->hooks;
    if (h->tensor_pre && PyDict_GET_SIZE(h->tensor_pre)) {
        PyObject *items = PyDict_Items(h->tensor_pre); /* in the order in which the tensors asked */
        if (!items) return -1;
        int rc = 0;
        for (Py_ssize_t i = 0; rc == 0 && i < PyList_GET_SIZE(items); i++) {
            PyObject *item = PyList_GET_ITEM(items, i);
            const long output = PyLong_AsLong(PyTuple_GET_ITEM(item, 0));
            rc = run_tensor_hooks(PyTuple_GET_ITEM(item, 1), &in[output]); /* with None, where only other outputs have a gradient */
        }
        Py_DECREF(items);
        if (rc < 0) return -1;
    }
    for (int i = 0; i < h->n_retain; i++) {
        Tensor *t = h->retain[i].t, *g = in[h->retain[i].output_nr];
        if (!g) continue;
        Tensor *keep = t->grad ? rl_add(t->grad, g, RL_ONE) : rl_clone(g, RL_CONTIGUOUS_FORMAT);
        if (!keep) return -1;
        Py_XSETREF(t->grad, keep);
        rl_track(t);
    }
    return 0;
}

/* ---------------------------------------------------------------- the pass */

int rl_node_call(Node *node, Tensor **in, Tensor **out) { return node->def->apply(node, in, out); }

static int accumulate_apply(Node *node, Tensor **in, Tensor **out) {
    (void)out;
    if (!in[0]) return 0;
    Tensor *g = in[0];
    in[0] = NULL;
    return rl_accumulate_grad(node->variable, g, rl_grad_mode);
}

const NodeDef rl_accumulate_def = {"AccumulateGrad", accumulate_apply, 0, 0, NULL};

static int run_accumulate(Node *node, Tensor **in, bool create_graph) {
    Tensor *var = node->variable;
    if (!var || !(var->flags & RLF_REQUIRES_GRAD)) return 0; /* it may have been switched off since */
    TensorExtra *e = var->extra;
    Tensor *g = in[0];
    in[0] = NULL;
    if (g && rl_accumulate_grad(var, g, create_graph) < 0) return -1;
    if (e && e->post_hooks && PyObject_Length(e->post_hooks) > 0) {
        PyObject *list = PyMapping_Values(e->post_hooks);
        if (!list) return -1;
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); i++) {
            PyObject *r = PyObject_CallOneArg(PyList_GET_ITEM(list, i), (PyObject *)var);
            if (!r) { Py_DECREF(list); return -1; }
            Py_DECREF(r);
        }
        Py_DECREF(list);
    }
    return 0;
}

PyObject *rl_gradient_check = NULL;

static int check_gradients(Node *node, Tensor **out, int n) {
    PyObject *grads = grads_tuple(out, n);
    PyObject *done = grads ? PyObject_CallFunction(rl_gradient_check, "sO", node->def->name, grads) : NULL;
    Py_XDECREF(grads);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int apply_watched(Node *node, Tensor **in, Tensor **out) {
    const bool record = rl_node_watch & RL_WATCH_SPANS;
    RLSpan span = {-1, 0};
    if (record) span = rl_span_node(node);
    int bad = node->def->apply(node, in, out);
    if (record) rl_span_end(span, NULL);
    if (bad < 0) return bad;
    if (record) rl_span_gradients(span, in, node->n_outputs, out, node->n_edges);
    return rl_gradient_check ? check_gradients(node, out, node->n_edges) : 0;
}

#define STACK_GRADS 8

static int run_node(Task *t, Node *node);

/* After `n` edges have had their say: leaves that wait for no other run at once, as PyTorch's do. */
static int run_complete_leaves(Task *t, const Edge *edges, int n) {
    for (int i = 0; i < n; i++) {
        Node *leaf = edges[i].node;
        if (!leaf || leaf->def != &rl_accumulate_def || --waiting(t, leaf)->users || !needed(t, leaf)) continue;
        if (run_node(t, leaf) < 0) return -1;
    }
    return 0;
}

/* Where no gradient has arrived, none leaves: only a Function of the user's may make one of nothing. */
static int apply_node(Node *node, Tensor **in, Tensor **out) {
    bool any = node->is_python;
    for (int i = 0; !any && i < node->n_outputs; i++) any = in[i] != NULL;
    if (RL_LIKELY(any)) return RL_UNLIKELY(rl_node_watch) ? apply_watched(node, in, out) : node->def->apply(node, in, out);
    if (!node->released) return 0;
    rl_released_error();
    return -1;
}

static int run_node(Task *t, Node *node) {
    Tensor *in_own[STACK_GRADS], *out_own[STACK_GRADS];
    Tensor **in = in_own, **out = out_own;
    int n_in = node->n_outputs, n_out = node->n_edges, rc = -1;
    if (RL_UNLIKELY(n_in > STACK_GRADS)) in = malloc((size_t)n_in * sizeof *in);
    if (RL_UNLIKELY(n_out > STACK_GRADS)) out = malloc((size_t)n_out * sizeof *out);
    if (!in || !out) { PyErr_NoMemory(); n_in = n_out = 0; goto end; }
    for (int i = 0; i < n_out; i++) out[i] = NULL;
    take_pending(t, node, in);

    if (RL_UNLIKELY(node->hooks != NULL) && tensor_hooks(node, in) < 0) goto end;
    bool leaf = node->def == &rl_accumulate_def;
    if (leaf && node->variable && node->variable->extra && node->variable->extra->hooks &&
        PyObject_Length(node->variable->extra->hooks) > 0 &&
        run_tensor_hooks(node->variable->extra->hooks, &in[0]) < 0) goto end;

    if (RL_UNLIKELY(t->needed != NULL)) {
        bool asked = false;
        for (int i = 0; i < t->n_inputs; i++) {
            if (t->inputs[i].node != node) continue;
            asked = true;
            Py_XSETREF(t->captured[i], (Tensor *)Py_XNewRef((PyObject *)in[t->inputs[i].nr]));
        }
        if (asked) {
            bool on = false;
            for (int k = 0; k < node->n_edges && !on; k++) on = node->edges[k].node && needed(t, node->edges[k].node);
            if (!on && !t->accumulate) { rc = 0; goto end; } /* what backward() was asked for has its turn, as in PyTorch */
        }
    }
    if (RL_UNLIKELY(node->hooks != NULL) && node->hooks->pre && PyObject_Length(node->hooks->pre) > 0 &&
        run_node_hooks(node->hooks->pre, in, n_in, NULL) < 0) goto end;
    PyObject *grad_outputs = NULL;
    bool post = node->hooks && node->hooks->post && PyObject_Length(node->hooks->post) > 0;
    if (RL_UNLIKELY(post) && !(grad_outputs = grads_tuple(in, n_in))) goto end;
    int bad = leaf ? t->accumulate ? run_accumulate(node, in, t->create_graph) : 0 : apply_node(node, in, out);
    if (RL_UNLIKELY(post)) {
        for (int i = 0; bad == 0 && i < n_out; i++) { /* hooks see what will be handed on */
            if (!out[i]) continue;
            if (!node->edges[i].node || !needed(t, node->edges[i].node)) Py_CLEAR(out[i]);
            else if (!(out[i] = fit_edge(out[i], node, i))) bad = -1;
        }
        if (bad == 0) bad = run_node_hooks(node->hooks->post, out, n_out, grad_outputs);
        Py_DECREF(grad_outputs);
    }
    if (RL_UNLIKELY(bad < 0)) goto end;
    if (!t->keep_graph) rl_node_release(node);

    for (int i = 0; i < n_out; i++) {
        Edge *e = &node->edges[i];
        Tensor *g = out[i];
        out[i] = NULL;
        if (!e->node || (RL_UNLIKELY(t->needed != NULL) && !needed(t, e->node))) { Py_XDECREF(g); continue; }
        if (RL_UNLIKELY(!g)) {
            if (!pending_of(t, e->node)) goto end; /* it has its turn nevertheless, for its hooks */
            continue;
        }
        if (RL_UNLIKELY(!(g = fit_edge(g, node, i)))) goto end;
        if (RL_UNLIKELY(add_pending(t, e->node, e->nr, g) < 0)) goto end;
    }
    rc = RL_UNLIKELY(t->leaves != NULL) ? run_complete_leaves(t, node->edges, n_out) : 0;
end:
    for (int i = 0; i < n_in; i++) Py_XDECREF(in[i]);
    for (int i = 0; i < n_out; i++) Py_XDECREF(out[i]);
    if (in != in_own) free(in);
    if (out != out_own) free(out);
    return rc;
}

/* After an error: nodes must not keep half-summed gradients of this pass. */
static void abandon(Task *t) {
    while (t->n) {
        Node *node = t->heap[--t->n];
        if (node->task == t) {
            node->task = NULL;
            for (int i = 0; i < node->n_outputs; i++) Py_CLEAR(node->pending[i]);
        }
        Py_DECREF(node);
    }
    for (int i = 0; i < t->n_leaves; i++) {
        if (t->leaves[i].leaf->task != t) continue;
        t->leaves[i].leaf->task = NULL;
        Py_CLEAR(t->leaves[i].leaf->pending[0]);
    }
    for (int i = 0; i < t->n_slots; i++) {
        for (int k = 0; k < t->slots[i].node->n_outputs; k++) Py_XDECREF(t->slots[i].grads[k]);
        free(t->slots[i].grads);
    }
}

/* What has to be known of the graph before the pass begins, where anything has. */
static int prepare(Task *t, int n_roots, Node **roots, bool chosen) {
    Node **all;
    int n, rc = reach(n_roots, roots, &all, &n);
    if (rc == 0 && rl_hooked) rc = count_users_of_leaves(t, n_roots, roots, all, n);
    if (rc == 0 && chosen) rc = find_needed(t, all, n);
    free(all);
    return rc;
}

int rl_backward(int n_roots, Tensor **roots, Tensor **grads, bool keep_graph, bool create_graph, int n_inputs,
                Edge *inputs, Tensor **captured, bool accumulate) {
    Task t;
    RLSpan spans[2] = {{-1, 0}, {-1, 0}};
    t.heap = t.first_heap;
    t.n = 0;
    t.cap = 32;
    t.slots = NULL;
    t.n_slots = t.cap_slots = 0;
    t.keep_graph = keep_graph;
    t.create_graph = create_graph;
    t.accumulate = accumulate;
    t.needed = NULL;
    t.leaves = NULL;
    t.n_leaves = 0;
    t.n_inputs = n_inputs;
    t.inputs = inputs;
    t.captured = captured;
    int saved_mode = rl_grad_mode, rc = -1;
    rl_grad_mode = create_graph;
    Node *root_nodes_own[8], **root_nodes = root_nodes_own;
    uint32_t nr_own[8], *nr = nr_own;
    if (n_roots > 8 && !(root_nodes = calloc((size_t)n_roots, sizeof *root_nodes))) { PyErr_NoMemory(); goto out; }
    for (int i = 0; i < n_roots; i++) root_nodes[i] = NULL;
    if (n_roots > 8 && !(nr = malloc((size_t)n_roots * sizeof *nr))) { PyErr_NoMemory(); goto out; }
    for (int i = 0; i < n_roots; i++) {
        root_nodes[i] = rl_gradient_edge(roots[i], &nr[i]);
        if (!root_nodes[i]) {
            if (!PyErr_Occurred())
                PyErr_Format(PyExc_RuntimeError, "element %d of tensors does not require grad and does not have a grad_fn", i);
            goto out;
        }
    }
    if (RL_UNLIKELY(inputs || rl_hooked) && prepare(&t, n_roots, root_nodes, inputs != NULL) < 0) goto out;
    for (int i = 0; i < n_roots; i++) {
        if (!needed(&t, root_nodes[i])) continue;
        if (add_pending(&t, root_nodes[i], nr[i], (Tensor *)Py_NewRef((PyObject *)grads[i])) < 0) goto out;
    }
    for (int i = 0; t.leaves && i < n_roots; i++) if (run_complete_leaves(&t, &(Edge){root_nodes[i], 0}, 1) < 0) goto out;
    unsigned ticks = 0;
    while (t.n) {
        Node *node = pop(&t);
        if (RL_UNLIKELY(rl_node_watch & RL_WATCH_SPANS)) rl_span_evaluate(node, spans);
        int bad = run_node(&t, node);
        if (RL_UNLIKELY(bad < 0) && node->task == &t) { /* popped but not yet taken */
            node->task = NULL;
            for (int i = 0; i < node->n_outputs; i++) Py_CLEAR(node->pending[i]);
        }
        Py_DECREF(node);
        if (bad < 0) goto out;
        if (RL_UNLIKELY((++ticks & 1023) == 0) && PyErr_CheckSignals() < 0) goto out;
    }
    rc = 0;
out:
    if (RL_UNLIKELY(spans[0].index >= 0)) rl_span_evaluate(NULL, spans);
    if (rc < 0) abandon(&t);
    rl_grad_mode = saved_mode;
    if (t.heap != t.first_heap) free(t.heap);
    free(t.slots);
    free(t.leaves);
    if (t.needed) { free(t.needed->keys); free(t.needed); }
    for (int i = 0; root_nodes && i < n_roots; i++) Py_XDECREF(root_nodes[i]);
    if (root_nodes != root_nodes_own) free(root_nodes);
    if (nr != nr_own) free(nr);
    return rc;
}
