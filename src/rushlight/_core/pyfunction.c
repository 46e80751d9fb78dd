/* pyfunction.c -- autograd.Function: the context that a user's forward() gets is the node itself.
 *
 * Python's side (autograd/function.py) makes, for each Function class, a class `<Name>Backward` derived
 * from the type here, with the user's class in `_forward_cls`; the user's class has it in `_backward_cls`.
 */
#include "pyautograd.h"
#include "pytensor.h"
#include "rl_ops.h"
#include <stdlib.h>
#include <structmember.h>

typedef struct {
    Node node;
    PyObject *needs_input_grad, *to_save, *non_differentiable, *dirty; /* tuples or NULL */
    uint8_t *is_tensor;        /* which arguments of apply() were tensors; those have edges, in order */
    int n_inputs;
    char materialize_grads;
} FunctionNode;

enum { NOT_A_TENSOR = 0xFF };  /* OutMeta.dtype of an output that can have no gradient */

#define NAMES(X) X(_backward_cls) X(_forward_cls) X(_node_def) X(forward) X(backward) X(vjp) X(setup_context)
#define X(n) static PyObject *s_##n;
NAMES(X)
#undef X
static PyTypeObject *function_class; /* autograd.Function, handed over by function.py: tells "overridden" */

static bool contains(PyObject *tuple, PyObject *o) {
    for (Py_ssize_t i = 0; tuple && i < PyTuple_GET_SIZE(tuple); i++) if (PyTuple_GET_ITEM(tuple, i) == o) return true;
    return false;
}

static const char *short_name(PyTypeObject *type) {
    const char *dot = strrchr(type->tp_name, '.');
    return dot ? dot + 1 : type->tp_name;
}

static bool overridden(PyTypeObject *cls, PyObject *name) {
    return function_class && _PyType_Lookup(cls, name) != _PyType_Lookup(function_class, name);
}

/* ---------------------------------------------------------------- life */

static int apply_backward(Node *node, Tensor **in, Tensor **out);
static const NodeDef nameless = {"Function", apply_backward, 0, 0, NULL};

static void free_definition(PyObject *capsule) {
    NodeDef *def = PyCapsule_GetPointer(capsule, NULL);
    PyMem_Free((char *)def->name);
    PyMem_Free(def);
}

/* Each backward class owns the definition that its nodes point to, for the name in messages. */
static const NodeDef *definition_of(PyTypeObject *type) {
    PyObject *capsule = PyDict_GetItemWithError(type->tp_dict, s__node_def);
    if (RL_LIKELY(capsule != NULL)) return PyCapsule_GetPointer(capsule, NULL);
    if (PyErr_Occurred()) return NULL;
    if (!(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) return &nameless;
    const char *name = short_name(type);
    NodeDef *def = PyMem_Calloc(1, sizeof *def);
    char *copy = PyMem_Malloc(strlen(name) + 1);
    if (!def || !copy) { PyMem_Free(def); PyMem_Free(copy); PyErr_NoMemory(); return NULL; }
    strcpy(copy, name);
    *def = nameless;
    def->name = copy;
    capsule = PyCapsule_New(def, NULL, free_definition);
    if (!capsule) { PyMem_Free(def); PyMem_Free(copy); return NULL; }
    int bad = PyObject_SetAttr((PyObject *)type, s__node_def, capsule);
    Py_DECREF(capsule);
    return bad < 0 ? NULL : def;
}

static uint64_t next_sequence_nr(void) {
    Node *n = rl_node_new(&nameless, 0);
    uint64_t seq = n ? n->seq : 0;
    Py_XDECREF(n);
    return seq;
}

static PyObject *function_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    (void)args; (void)kw;
    const NodeDef *def = definition_of(type);
    if (!def) return NULL;
    uint64_t seq = next_sequence_nr();
    FunctionNode *f = seq ? (FunctionNode *)type->tp_alloc(type, 0) : NULL; /* zeroed */
    if (!f) return NULL;
    Node *n = &f->node;
    n->def = def;
    n->seq = seq;
    n->n_outputs = 1;
    n->is_python = true;
    n->edges = n->edges0;
    n->saved = n->saved0;
    n->args = n->args0;
    n->outs = &n->out0;
    n->out0.size = n->out0.dims;
    n->out0.dtype = NOT_A_TENSOR;
    n->pending = &n->pending0;
    f->materialize_grads = true;
    return (PyObject *)f;
}

static int function_traverse(PyObject *self, visitproc visit, void *arg) {
    FunctionNode *f = (FunctionNode *)self;
    Py_VISIT(f->needs_input_grad);
    Py_VISIT(f->to_save);
    Py_VISIT(f->non_differentiable);
    Py_VISIT(f->dirty);
    return rl_node_traverse(self, visit, arg);
}

static int clear_own(FunctionNode *f) {
    Py_CLEAR(f->needs_input_grad);
    Py_CLEAR(f->to_save);
    Py_CLEAR(f->non_differentiable);
    Py_CLEAR(f->dirty);
    return 0;
}
static int function_clear(PyObject *self) {
    clear_own((FunctionNode *)self);
    return rl_node_clear(self);
}
static void function_dealloc(PyObject *self) {
    PyObject_GC_UnTrack(self);
    clear_own((FunctionNode *)self);
    PyMem_Free(((FunctionNode *)self)->is_tensor);
    rl_node_dealloc(self);
}

/* ---------------------------------------------------------------- forward */

/* Edges to the tensors among the arguments, and what the context tells about them.  Returns whether
 * history is recorded, or -1. */
static int take_inputs(FunctionNode *f, PyObject *const *args, Py_ssize_t n) {
    Node *node = &f->node;
    int tensors = 0;
    bool wanted = false;
    f->needs_input_grad = PyTuple_New(n);
    f->is_tensor = PyMem_Malloc((size_t)n + 1);
    if (!f->needs_input_grad || !f->is_tensor) { if (!PyErr_Occurred()) PyErr_NoMemory(); return -1; }
    f->n_inputs = (int)n;
    for (Py_ssize_t i = 0; i < n; i++) {
        bool is_tensor = RL_IS_TENSOR(args[i]), needs = is_tensor && RL_REQUIRES_GRAD((Tensor *)args[i]);
        f->is_tensor[i] = is_tensor;
        tensors += is_tensor;
        wanted |= needs;
        PyTuple_SET_ITEM(f->needs_input_grad, i, Py_NewRef(needs ? Py_True : Py_False));
    }
    if (!wanted || !rl_grad_mode) return 0;
    if (tensors > UINT16_MAX) { PyErr_SetString(PyExc_RuntimeError, "a Function takes at most 65535 tensors"); return -1; }
    if (tensors > RL_NODE_EDGES) {
        Edge *edges = calloc((size_t)tensors, sizeof *edges);
        if (!edges) { PyErr_NoMemory(); return -1; }
        node->edges = edges;
    }
    node->n_edges = (uint16_t)tensors;
    int at = 0;
    for (Py_ssize_t i = 0; i < n; i++) 
        if (f->is_tensor[i] && rl_node_edge(node, at++, (Tensor *)args[i]) < 0) return -1;
    return 1;
}

/* Calls the user's forward (and setup_context) without recording. */
static PyObject *call_forward(PyTypeObject *cls, FunctionNode *f, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    PyObject *forward = PyObject_GetAttr((PyObject *)cls, s_forward), *result = NULL;
    if (!forward) return NULL;
    int mode = rl_grad_mode;
    rl_grad_mode = 0;
    if (!overridden(cls, s_setup_context)) {
        Py_ssize_t total = n + (kw ? PyTuple_GET_SIZE(kw) : 0);
        PyObject *small[8], **all = total < 8 ? small : PyMem_Malloc((size_t)(total + 1) * sizeof *all);
        if (all) {
            all[0] = (PyObject *)f;
            memcpy(all + 1, args, (size_t)total * sizeof *all);
            result = PyObject_Vectorcall(forward, all, (size_t)n + 1, kw);
            if (all != small) PyMem_Free(all);
        } else {
            PyErr_NoMemory();
        }
    } else if ((result = PyObject_Vectorcall(forward, args, (size_t)n, NULL)) != NULL) {
        PyObject *setup = PyObject_GetAttr((PyObject *)cls, s_setup_context), *inputs = PyTuple_New(n), *r = NULL;
        for (Py_ssize_t i = 0; inputs && i < n; i++) PyTuple_SET_ITEM(inputs, i, Py_NewRef(args[i]));
        if (setup && inputs) r = PyObject_CallFunctionObjArgs(setup, f, inputs, result, NULL);
        if (!r) Py_CLEAR(result);
        Py_XDECREF(r);
        Py_XDECREF(setup);
        Py_XDECREF(inputs);
    }
    rl_grad_mode = mode;
    Py_DECREF(forward);
    return result;
}

/* ---------------------------------------------------------------- outputs */

/* A view of the whole of an input that was returned as it is: it gets a history of its own. */
static Tensor *input_as_output(Tensor *t) {
    int mode = rl_grad_mode;
    rl_grad_mode = 0;
    Tensor *v = rl_shallow(t);
    if (v && rl_make_view(v, t) < 0) Py_CLEAR(v);
    rl_grad_mode = mode;
    return v;
}

static Tensor *without_history(Tensor *t, bool is_input, bool is_dirty) {
    if (!RL_REQUIRES_GRAD(t)) return is_input && !is_dirty ? input_as_output(t) : (Tensor *)Py_NewRef((PyObject *)t);
    if (is_input) return rl_shallow(t);
    if (t->base) return (Tensor *)Py_NewRef((PyObject *)t); /* as a view made under no_grad */
    return (Tensor *)PyObject_CallMethod((PyObject *)t, "detach_", NULL);
}

/* Remembers the output's shape alone: its gradient, always zero, is still handed to backward(). */
static int note_shape(Node *node, int nr, Tensor *t) {
    Tensor *stand_in = rl_shallow(t);
    if (!stand_in) return -1;
    rl_set_history(stand_in, node, nr);
    Py_DECREF(stand_in);
    return 0;
}

static int rebase_dirty(Node *node, int nr, Tensor *t, bool is_input, Py_ssize_t n_outputs) {
    if (RL_REQUIRES_GRAD(t) && !t->grad_fn) {
        PyErr_SetString(PyExc_RuntimeError, "a leaf Variable that requires grad has been used in an in-place operation.");
        return -1;
    }
    if (!is_input && PyErr_WarnEx(PyExc_UserWarning, "Only input Tensors should be given to ctx.mark_dirty(). If a Tensor is not an "
                                  "input, there is no need to pass it to mark_dirty().", 1) < 0)
        return -1;
    if (t->base && n_outputs > 1) {
        PyErr_SetString(PyExc_RuntimeError,
                        "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more "
                        "than one Tensor. This is not supported by the current autograd engine. You should either make sure the input is "
                        "not a view (using .clone() for example) or make your Function only return one Tensor (potentially splitting it "
                        "into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other "
                        "operations). You can ask on the forum https://discuss.pytorch.org/ if you need help to do this change.");
        return -1;
    }
    if (rl_check_inplace(t, true) < 0) return -1;
    Py_CLEAR(t->grad);
    return rl_rebase_history(t, node, nr);
}

static PyObject *wrap_output(FunctionNode *f, PyObject *o, int nr, Py_ssize_t n_outputs, bool is_input, bool recording, int *differentiable) {
    Node *node = &f->node;
    if (!RL_IS_TENSOR(o)) {
        if (recording) node->outs[nr].dtype = NOT_A_TENSOR;
        return Py_NewRef(o);
    }
    Tensor *t = (Tensor *)o;
    bool is_dirty = contains(f->dirty, o), plain = is_input && is_dirty;
    if (is_dirty) rl_bump(t); /* mark_dirty counts as a write of its own */
    if (!recording || contains(f->non_differentiable, o) || !RL_IS_INEXACT(t->dtype)) {
        if (recording && note_shape(node, nr, t) < 0) return NULL;
        t = without_history(t, is_input, is_dirty);
    } else if (is_dirty) {
        ++*differentiable;
        if (rebase_dirty(node, nr, t, is_input, n_outputs) < 0) return NULL;
        Py_INCREF(t);
    } else {
        ++*differentiable;
        t = is_input ? input_as_output(t) : (Tensor *)Py_NewRef(o);
        if (!t) return NULL;
        rl_set_history(t, node, nr);
        t->view_version = t->version->value;
    }
    if (t && t->base && !plain) t->creation = RLV_CUSTOM_FUNCTION;
    return (PyObject *)t;
}

static PyObject *wrap_outputs(FunctionNode *f, PyObject *raw, PyObject *const *args, Py_ssize_t n_args, bool recording) {
    Py_ssize_t n = PyTuple_GET_SIZE(raw);
    int differentiable = 0;
    for (Py_ssize_t i = 0; f->dirty && i < PyTuple_GET_SIZE(f->dirty); i++) {
        if (contains(raw, PyTuple_GET_ITEM(f->dirty, i))) continue;
        PyErr_SetString(PyExc_RuntimeError, "Some elements marked as dirty during the forward method were not returned as output. The inputs "
                        "that are modified inplace must all be outputs of the Function.");
        return NULL;
    }
    if (n > UINT16_MAX) return PyErr_Format(PyExc_RuntimeError, "a Function returns at most 65535 values");
    if (recording && rl_node_outputs(&f->node, (int)n) < 0) return NULL;
    PyObject *result = PyTuple_New(n);
    for (Py_ssize_t i = 0; result && i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(raw, i);
        bool is_input = false;
        for (Py_ssize_t k = 0; k < n_args && !is_input; k++) is_input = args[k] == o;
        PyObject *w = wrap_output(f, o, (int)i, n, is_input, recording, &differentiable);
        if (!w) { Py_DECREF(result); return NULL; }
        PyTuple_SET_ITEM(result, i, w);
    }
    for (Py_ssize_t i = 0; result && differentiable > 1 && i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(result, i);
        if (RL_IS_TENSOR(o) && ((Tensor *)o)->creation == RLV_CUSTOM_FUNCTION) ((Tensor *)o)->creation = RLV_MULTI;
    }
    return result;
}

static int save(FunctionNode *f) {
    Node *node = &f->node;
    PyObject *values = f->to_save;
    if (!values) return 0;
    Py_ssize_t n = PyTuple_GET_SIZE(values);
    if (n > UINT16_MAX) { PyErr_SetString(PyExc_RuntimeError, "save_for_backward: too many tensors"); return -1; }
    if (n <= RL_NODE_SAVED) node->n_saved = (uint16_t)n; /* the inline room was zeroed when the node was made */
    else if (rl_node_saved_room(node, (int)n) < 0) return -1;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(values, i);
        if (o == Py_None) continue;
        if (!RL_IS_TENSOR(o)) {
            PyErr_Format(PyExc_TypeError, "save_for_backward can only save variables, but argument %zd is of type %s", i, rl_type_name(o));
            return -1;
        }
        Tensor *t = (Tensor *)o;
        int bad = rl_grad_fn(t) == node ? rl_node_save_output(node, (int)i, t, (int)t->output_nr) : rl_node_save(node, (int)i, t);
        if (bad < 0) return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- apply */

/* Arguments by name or left to their defaults: setup_context() must see all of them, in order. */
static bool needs_binding(PyTypeObject *cls, Py_ssize_t n, PyObject *kw) {
    if (!overridden(cls, s_setup_context)) return false;
    if (kw && PyTuple_GET_SIZE(kw)) return true;
    PyObject *f = _PyType_Lookup(cls, s_forward);
    if (f && Py_TYPE(f) == &PyStaticMethod_Type) {
        PyObject *inner = PyObject_GetAttr((PyObject *)cls, s_forward);
        bool fits = inner && PyFunction_Check(inner) && ((PyCodeObject *)PyFunction_GET_CODE(inner))->co_argcount == n &&
                    !((PyCodeObject *)PyFunction_GET_CODE(inner))->co_kwonlyargcount;
        Py_XDECREF(inner);
        return !fits;
    }
    return true;
}

static PyObject *bound_arguments(PyTypeObject *cls, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    PyObject *m = PyImport_ImportModule("rushlight.autograd.function");
    PyObject *bind = m ? PyObject_GetAttrString(m, "_bind") : NULL, *r = NULL;
    Py_ssize_t nkw = kw ? PyTuple_GET_SIZE(kw) : 0;
    PyObject **all = bind ? PyMem_Malloc((size_t)(n + nkw + 1) * sizeof *all) : NULL;
    if (all) {
        all[0] = (PyObject *)cls;
        memcpy(all + 1, args, (size_t)(n + nkw) * sizeof *all);
        r = PyObject_Vectorcall(bind, all, (size_t)n + 1, kw);
        PyMem_Free(all);
    }
    Py_XDECREF(m);
    Py_XDECREF(bind);
    return r;
}

static PyObject *function_apply(PyObject *cls_object, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    PyTypeObject *cls = (PyTypeObject *)cls_object;
    PyObject *backward_cls = _PyType_Lookup(cls, s__backward_cls);
    if (!backward_cls || !PyType_Check(backward_cls) || !PyType_IsSubtype((PyTypeObject *)backward_cls, &RLFunctionNode_Type))
        return PyErr_Format(PyExc_TypeError, "%s.apply: not a subclass of torch.autograd.Function", cls->tp_name);
    PyObject *bound = NULL, *raw = NULL, *result = NULL;
    if (RL_UNLIKELY(needs_binding(cls, n, kw))) {
        if (!(bound = bound_arguments(cls, args, n, kw))) return NULL;
        args = &PyTuple_GET_ITEM(bound, 0);
        n = PyTuple_GET_SIZE(bound);
        kw = NULL;
    }
    FunctionNode *f = (FunctionNode *)function_new((PyTypeObject *)backward_cls, NULL, NULL);
    int recording = f ? take_inputs(f, args, n) : -1;
    if (recording >= 0) raw = call_forward(cls, f, args, n, kw);
    if (!raw) goto end;
    bool single = !PyTuple_Check(raw);
    if (single) {
        PyObject *tuple = PyTuple_Pack(1, raw);
        Py_SETREF(raw, tuple);
        if (!raw) goto end;
    }
    /* what was saved may be an output, so outputs get their history first */
    result = wrap_outputs(f, raw, args, n, recording);
    if (result && recording && save(f) < 0) Py_CLEAR(result);
    if (result && single) Py_SETREF(result, Py_NewRef(PyTuple_GET_ITEM(result, 0)));
    Py_CLEAR(f->to_save);
    Py_CLEAR(f->non_differentiable);
    Py_CLEAR(f->dirty);
end:
    Py_XDECREF(raw);
    Py_XDECREF(f);
    Py_XDECREF(bound);
    return result;
}

/* ---------------------------------------------------------------- backward */

static PyObject *backward_function(FunctionNode *f) {
    PyObject *cls = _PyType_Lookup(Py_TYPE(f), s__forward_cls);
    if (!cls || !PyType_Check(cls)) return PyErr_Format(PyExc_RuntimeError, "%s has no forward class", f->node.def->name);
    bool vjp = overridden((PyTypeObject *)cls, s_vjp);
    if (vjp && overridden((PyTypeObject *)cls, s_backward)) {
        PyErr_SetString(PyExc_RuntimeError, "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only "
                        "implement one of them.");
        return NULL;
    }
    return PyObject_GetAttr(cls, vjp ? s_vjp : s_backward);
}

/* Hands the user's gradients, one for each argument of apply(), to the edges. */
static int take_gradients(FunctionNode *f, PyObject *grads, Tensor **out) {
    const char *name = f->node.def->name;
    Py_ssize_t n = PyTuple_GET_SIZE(grads);
    while (n > f->n_inputs && PyTuple_GET_ITEM(grads, n - 1) == Py_None) n--;
    if (n != f->n_inputs) {
        PyErr_Format(PyExc_RuntimeError, "function %s returned an incorrect number of gradients (expected %d, got %zd)", name, f->n_inputs,
                     PyTuple_GET_SIZE(grads));
        return -1;
    }
    int edge = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *g = PyTuple_GET_ITEM(grads, i);
        if (!f->is_tensor[i]) {
            if (g == Py_None) continue;
            PyErr_Format(PyExc_RuntimeError, "function %s returned a gradient different than None at position %zd, but the corresponding "
                         "forward input was not a Variable", name, i + 1);
            return -1;
        }
        if (g != Py_None && !RL_IS_TENSOR(g)) {
            PyErr_Format(PyExc_RuntimeError, "expected Variable or None (got %s)", rl_type_name(g));
            return -1;
        }
        out[edge++] = g == Py_None ? NULL : (Tensor *)Py_NewRef(g);
    }
    return 0;
}

static int apply_backward(Node *node, Tensor **in, Tensor **out) {
    FunctionNode *f = (FunctionNode *)node;
    int n = node->n_outputs;
    PyObject *user = backward_function(f);
    PyObject **args = user ? PyMem_Calloc((size_t)n + 1, sizeof *args) : NULL;
    PyObject *grads = NULL;
    int rc = -1;
    if (!args) { if (user) PyErr_NoMemory(); goto end; }
    args[0] = Py_NewRef((PyObject *)node);
    for (int i = 0; i < n; i++) {
        if (in[i]) args[i + 1] = Py_NewRef((PyObject *)in[i]);
        else if (f->materialize_grads && node->outs[i].dtype != NOT_A_TENSOR) args[i + 1] = (PyObject *)rl_out_zeros(node, i);
        else args[i + 1] = Py_NewRef(Py_None);
        if (!args[i + 1]) goto end;
    }
    grads = PyObject_Vectorcall(user, args, (size_t)n + 1, NULL);
    if (!grads) goto end;
    if (!PyTuple_Check(grads)) {
        PyObject *tuple = PyTuple_Pack(1, grads);
        Py_SETREF(grads, tuple);
        if (!grads) goto end;
    }
    rc = take_gradients(f, grads, out);
end:
    for (int i = 0; args && i <= n; i++) Py_XDECREF(args[i]);
    PyMem_Free(args);
    Py_XDECREF(user);
    Py_XDECREF(grads);
    return rc;
}

/* ---------------------------------------------------------------- the context's methods */

static PyObject *keep_tuple(PyObject **slot, PyObject *args) {
    Py_XSETREF(*slot, Py_NewRef(args));
    Py_RETURN_NONE;
}
static PyObject *save_for_backward(PyObject *self, PyObject *args) { return keep_tuple(&((FunctionNode *)self)->to_save, args); }
static PyObject *mark_dirty(PyObject *self, PyObject *args) { return keep_tuple(&((FunctionNode *)self)->dirty, args); }
static PyObject *mark_non_differentiable(PyObject *self, PyObject *args) {
    return keep_tuple(&((FunctionNode *)self)->non_differentiable, args);
}
static PyObject *set_materialize_grads(PyObject *self, PyObject *value) {
    int v = PyObject_IsTrue(value);
    if (v < 0) return NULL;
    ((FunctionNode *)self)->materialize_grads = (char)v;
    Py_RETURN_NONE;
}

static PyObject *saved_tensors(PyObject *self, void *c) {
    (void)c;
    Node *n = (Node *)self;
    if (n->released) { rl_released_error(); return NULL; }
    PyObject *r = PyTuple_New(n->n_saved);
    for (int i = 0; r && i < n->n_saved; i++) {
        Tensor *t = rl_node_unpack(n, i);
        if (!t && PyErr_Occurred()) { Py_DECREF(r); return NULL; }
        PyTuple_SET_ITEM(r, i, t ? (PyObject *)t : Py_NewRef(Py_None));
    }
    return r;
}

/* _bind_function(Function): which methods count as overridden */
static PyObject *bind_function(PyObject *m, PyObject *cls) {
    (void)m;
    if (!PyType_Check(cls)) return PyErr_Format(PyExc_TypeError, "_bind_function takes a class");
    Py_XSETREF(function_class, (PyTypeObject *)Py_NewRef(cls));
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"apply", (PyCFunction)(void (*)(void))function_apply, METH_FASTCALL | METH_KEYWORDS | METH_CLASS, "Runs forward() and records backward()."},
    {"save_for_backward", save_for_backward, METH_VARARGS, "Keeps tensors (or None) for backward(), where ctx.saved_tensors gives them."},
    {"mark_dirty", mark_dirty, METH_VARARGS, "Names the inputs that forward() has written in place; each must be returned."},
    {"mark_non_differentiable", mark_non_differentiable, METH_VARARGS, "Names the outputs that no gradient passes."},
    {"set_materialize_grads", set_materialize_grads, METH_O, "Whether backward() gets zeros (the default) or None for gradients that are missing."},
    {0}};
static PyMemberDef members[] = {
    {"needs_input_grad", T_OBJECT, offsetof(FunctionNode, needs_input_grad), 0, "For each argument of apply(): does it require a gradient?"},
    {"to_save", T_OBJECT, offsetof(FunctionNode, to_save), READONLY, NULL},
    {"non_differentiable", T_OBJECT, offsetof(FunctionNode, non_differentiable), READONLY, NULL},
    {"dirty_tensors", T_OBJECT, offsetof(FunctionNode, dirty), READONLY, NULL},
    {"materialize_grads", T_BOOL, offsetof(FunctionNode, materialize_grads), 0, NULL},
    {0}};
static PyGetSetDef getset[] = {
    {"saved_tensors", saved_tensors, NULL, "What save_for_backward() kept; checked against later writes in place.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {0}};

PyTypeObject RLFunctionNode_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "torch._C._FunctionBase",
    .tp_base = &RLNode_Type,
    .tp_basicsize = sizeof(FunctionNode),
    .tp_dealloc = function_dealloc,
    .tp_traverse = function_traverse,
    .tp_clear = function_clear,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_methods = methods,
    .tp_members = members,
    .tp_getset = getset,
    .tp_new = function_new,
    .tp_free = PyObject_GC_Del,
    .tp_doc = "The native part of autograd.Function and of its contexts.",
};

static PyMethodDef functions[] = {{"_bind_function", bind_function, METH_O, NULL}, {0}};

int rl_function_init(PyObject *m) {
#define X(n) if (!(s_##n = PyUnicode_InternFromString(#n))) return -1;
    NAMES(X)
#undef X
    if (PyType_Ready(&RLFunctionNode_Type) < 0 || PyModule_AddFunctions(m, functions) < 0) return -1;
    return PyModule_AddObjectRef(m, "_FunctionBase", (PyObject *)&RLFunctionNode_Type);
}
