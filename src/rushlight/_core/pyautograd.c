/* pyautograd.c -- nodes as Python sees them, hooks, and the ways into the backward pass. */
#include "profile.h"
#include "pyautograd.h"
#include "pytensor.h"
#include "rl_ops.h"
#include "sizes_text.h"

/* ---------------------------------------------------------------- hooks */

static PyObject *add_hook(PyObject **slot, PyObject *hook) {
    static PyObject *handle_type, *s_id;
    if (!handle_type) {
        PyObject *m = PyImport_ImportModule("rushlight.utils.hooks");
        handle_type = m ? PyObject_GetAttrString(m, "RemovableHandle") : NULL;
        Py_XDECREF(m);
        if (!handle_type) return NULL;
    }
    if (!s_id && !(s_id = PyUnicode_InternFromString("id"))) return NULL;
    if (!*slot && !(*slot = PyODict_New())) return NULL;
    PyObject *handle = PyObject_CallOneArg(handle_type, *slot);
    PyObject *id = handle ? PyObject_GetAttr(handle, s_id) : NULL;
    if (!id || PyObject_SetItem(*slot, id, hook) < 0) Py_CLEAR(handle);
    Py_XDECREF(id);
    return handle;
}

static PyObject *add_counted_hook(PyObject **slot, PyObject *hook) {
    const bool first = !*slot;
    PyObject *handle = add_hook(slot, hook);
    if (first && *slot) rl_hooked++;
    return handle;
}

/* Hooks on the gradient of one output of a node: the value of tensor_pre for that output. */
static PyObject *add_output_hook(Node *fn, uint32_t nr, PyObject *hook) {
    NodeHooks *h = rl_node_hooks(fn);
    if (!h) return NULL;
    if (!h->tensor_pre) {
        if (!(h->tensor_pre = PyDict_New())) return NULL;
        rl_hooked++;
    }
    PyObject *key = PyLong_FromUnsignedLong(nr), *handle = NULL;
    if (!key) return NULL;
    PyObject *hooks = PyDict_GetItemWithError(h->tensor_pre, key);
    if (hooks) {
        handle = add_hook(&hooks, hook);
    } else if (!PyErr_Occurred()) {
        handle = add_hook(&hooks, hook);
        if (handle && PyDict_SetItem(h->tensor_pre, key, hooks) < 0) Py_CLEAR(handle);
        Py_XDECREF(hooks);
    }
    Py_DECREF(key);
    return handle;
}

static PyObject *through_torch_function(const char *method, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    PyObject *f = PyObject_GetAttrString((PyObject *)&RLTensor_Type, method);
    PyObject *r = f ? rl_call_torch_function(f, args, n, kw) : NULL;
    Py_XDECREF(f);
    return r;
}

PyObject *rl_py_register_hook(PyObject *self, PyObject *hook) {
    if (RL_UNLIKELY(rl_has_torch_function(self))) return through_torch_function("register_hook", (PyObject *[]){self, hook}, 2, NULL);
    Tensor *t = (Tensor *)self;
    if (!RL_REQUIRES_GRAD(t)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot register a hook on a tensor that doesn't require gradient");
        return NULL;
    }
    rl_track(t);
    Node *fn = rl_grad_fn(t);
    if (fn) return add_output_hook(fn, t->output_nr, hook);
    if (PyErr_Occurred()) return NULL;
    TensorExtra *e = rl_extra(t);
    return e ? add_counted_hook(&e->hooks, hook) : NULL;
}

PyObject *rl_py_register_post_hook(PyObject *self, PyObject *hook) {
    if (RL_UNLIKELY(rl_has_torch_function(self)))
        return through_torch_function("register_post_accumulate_grad_hook", (PyObject *[]){self, hook}, 2, NULL);
    Tensor *t = (Tensor *)self;
    if (!RL_REQUIRES_GRAD(t)) {
        PyErr_SetString(PyExc_RuntimeError, "cannot register a hook on a tensor that doesn't require gradient");
        return NULL;
    }
    if (rl_grad_fn(t) || PyErr_Occurred()) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors");
        return NULL;
    }
    rl_track(t);
    TensorExtra *e = rl_extra(t);
    return e ? add_counted_hook(&e->post_hooks, hook) : NULL;
}

/* ---------------------------------------------------------------- Node */

static PyObject *node_name(PyObject *self, PyObject *u) {
    (void)u;
    /* PyTorch names its hand-written nodes by their C++ names here, though not in their types'. */
    static const char *const by_hand[] = {"AccumulateGrad", "CopySlices", "CopyBackwards"};
    const char *name = ((Node *)self)->def->name;
    for (int i = 0; i < 3; i++)
        if (strcmp(name, by_hand[i]) == 0) return PyUnicode_FromFormat("torch::autograd::%s", name);
    return PyUnicode_FromString(name);
}
static PyObject *node_sequence_nr(PyObject *self, PyObject *u) { (void)u; return PyLong_FromUnsignedLongLong(((Node *)self)->seq); }

static PyObject *node_register_hook(PyObject *self, PyObject *hook) {
    NodeHooks *h = rl_node_hooks((Node *)self);
    return h ? add_counted_hook(&h->post, hook) : NULL;
}
static PyObject *node_register_prehook(PyObject *self, PyObject *hook) {
    NodeHooks *h = rl_node_hooks((Node *)self);
    return h ? add_counted_hook(&h->pre, hook) : NULL;
}

static PyObject *node_next_functions(PyObject *self, void *c) {
    (void)c;
    Node *n = (Node *)self;
    PyObject *all = PyTuple_New(n->n_edges);
    for (int i = 0; all && i < n->n_edges; i++) {
        uint32_t nr = n->edges[i].node ? n->edges[i].nr : 0;
        PyObject *pair = Py_BuildValue("(NI)", rl_node_object(n->edges[i].node), nr);
        if (!pair) { Py_DECREF(all); return NULL; }
        PyTuple_SET_ITEM(all, i, pair);
    }
    return all;
}

static PyObject *node_metadata(PyObject *self, void *c) {
    PyObject *dict = PyObject_GenericGetDict(self, c), *key = PyUnicode_InternFromString("metadata"), *r = NULL;
    PyObject *fresh = PyDict_New();
    if (dict && key && fresh) r = Py_XNewRef(PyDict_SetDefault(dict, key, fresh));
    Py_XDECREF(dict);
    Py_XDECREF(key);
    Py_XDECREF(fresh);
    return r;
}

/* Runs the node by itself: gradients of its outputs in, gradients of its inputs out. */
static PyObject *node_call(PyObject *self, PyObject *args, PyObject *kw) {
    Node *n = (Node *)self;
    if (kw && PyDict_GET_SIZE(kw)) return PyErr_Format(PyExc_TypeError, "%s() takes no keyword arguments", n->def->name);
    Py_ssize_t got = PyTuple_GET_SIZE(args);
    if (got != n->n_outputs)
        return PyErr_Format(PyExc_TypeError, "expected %d arguments, got %zd instead", n->n_outputs, got);
    for (Py_ssize_t i = 0; i < got; i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        if (o != Py_None && !RL_IS_TENSOR(o)) return PyErr_Format(PyExc_TypeError, "argument %zd is not a Variable", i);
    }
    Tensor **in = PyMem_Calloc((size_t)n->n_outputs + n->n_edges + 1, sizeof *in), **out = in + n->n_outputs;
    if (!in) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < got; i++) {
        PyObject *o = PyTuple_GET_ITEM(args, i);
        in[i] = o == Py_None ? NULL : (Tensor *)Py_NewRef(o);
    }
    PyObject *r = NULL;
    if (rl_node_call(n, in, out) == 0 && (r = PyTuple_New(n->n_edges)) != NULL) {
        for (int i = 0; i < n->n_edges; i++) PyTuple_SET_ITEM(r, i, Py_NewRef(out[i] ? (PyObject *)out[i] : Py_None));
        if (n->n_edges == 1) Py_SETREF(r, Py_NewRef(PyTuple_GET_ITEM(r, 0)));
    }
    for (int i = 0; i < n->n_outputs + n->n_edges; i++) Py_XDECREF(in[i]);
    PyMem_Free(in);
    return r;
}

static PyMethodDef node_methods[] = {
    {"name", node_name, METH_NOARGS, "Name of the operation's derivative."},
    {"_sequence_nr", node_sequence_nr, METH_NOARGS, NULL},
    {"register_hook", node_register_hook, METH_O, "hook(grad_inputs, grad_outputs) after the node has run; a result replaces grad_inputs."},
    {"register_prehook", node_register_prehook, METH_O, "hook(grad_outputs) before the node runs; a result replaces them."},
    {0}};
static PyGetSetDef node_getset[] = {
    {"next_functions", node_next_functions, NULL, "(node, output_nr) for each input; (None, 0) where no gradient goes.", NULL},
    {"metadata", node_metadata, NULL, "A dict for the user's own notes.", NULL},
    {0}};

PyTypeObject RLNode_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.autograd.graph.Node",
    .tp_basicsize = sizeof(Node),
    .tp_dealloc = rl_node_dealloc,
    .tp_traverse = rl_node_traverse,
    .tp_clear = rl_node_clear,
    .tp_call = node_call,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_weaklistoffset = offsetof(Node, weakrefs),
    .tp_dictoffset = offsetof(Node, dict),
    .tp_methods = node_methods,
    .tp_getset = node_getset,
    .tp_free = PyObject_GC_Del,
    .tp_doc = "An operation in the graph that backward() walks.",
};

/* ---------------------------------------------------------------- one type for each operation */

static PyObject *saved_value(PyObject *self, void *index) {
    Tensor *t = rl_node_unpack((Node *)self, (int)(intptr_t)index);
    if (!t && PyErr_Occurred()) return NULL;
    return t ? (PyObject *)t : Py_NewRef(Py_None);
}
static PyObject *accumulate_variable(PyObject *self, void *c) {
    (void)c;
    Tensor *v = ((Node *)self)->variable;
    return Py_NewRef(v ? (PyObject *)v : Py_None);
}

/* These types live as long as the process, as the definitions do; being of the same layout as Node,
 * they can be given to nodes that exist. */
static PyTypeObject *new_node_type(const NodeDef *def) {
    int n = def->saved_names ? def->n_saved : 0;
    PyTypeObject *type = PyMem_Calloc(1, sizeof *type);
    PyGetSetDef *getset = PyMem_Calloc((size_t)n + 2, sizeof *getset);
    if (!type || !getset) { PyErr_NoMemory(); goto fail; }
    for (int i = 0; i < n; i++) {
        size_t room = sizeof "_saved_" + strlen(def->saved_names[i]);
        char *name = PyMem_Malloc(room);
        if (!name) { PyErr_NoMemory(); goto fail; }
        PyOS_snprintf(name, room, "_saved_%s", def->saved_names[i]);
        getset[i] = (PyGetSetDef){name, saved_value, NULL, NULL, (void *)(intptr_t)i};
    }
    if (def == &rl_accumulate_def) getset[n] = (PyGetSetDef){"variable", accumulate_variable, NULL, "The leaf.", NULL};
    Py_SET_REFCNT((PyObject *)type, 1);
    type->tp_name = def->name;
    type->tp_base = &RLNode_Type;
    type->tp_basicsize = sizeof(Node);
    type->tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION;
    type->tp_traverse = rl_node_traverse;
    type->tp_clear = rl_node_clear;
    type->tp_free = PyObject_GC_Del;
    type->tp_getset = getset;
    if (PyType_Ready(type) < 0) goto fail;
    return type;
fail:
    for (int i = 0; getset && i < n; i++) PyMem_Free((void *)getset[i].name);
    PyMem_Free(getset);
    PyMem_Free(type);
    return NULL;
}

PyObject *rl_node_object(Node *n) {
    static PyObject *types;    /* {address of the definition: type} */
    if (!n) Py_RETURN_NONE;
    if (Py_TYPE(n) != &RLNode_Type) return Py_NewRef((PyObject *)n);
    if (!types && !(types = PyDict_New())) return NULL;
    PyObject *key = PyLong_FromVoidPtr((void *)n->def);
    if (!key) return NULL;
    PyObject *type = PyDict_GetItemWithError(types, key);
    if (!type && !PyErr_Occurred()) {
        type = (PyObject *)new_node_type(n->def);
        if (type && PyDict_SetItem(types, key, type) < 0) type = NULL;
    }
    Py_DECREF(key);
    if (!type) return NULL;
    Py_SET_TYPE(n, (PyTypeObject *)type);
    return Py_NewRef((PyObject *)n);
}

/* ---------------------------------------------------------------- seeds */

static Tensor *implicit_seed(Tensor *root, int i) {
    if (RL_UNLIKELY(!RL_REQUIRES_GRAD(root))) {
        PyErr_Format(PyExc_RuntimeError, "element %d of tensors does not require grad and does not have a grad_fn", i);
        rl_hint("nothing it was computed from has requires_grad=True, or it was computed under torch.no_grad() or detached");
        return NULL;
    }
    if (RL_UNLIKELY(root->numel != 1)) {
        PyErr_SetString(PyExc_RuntimeError, "grad can be implicitly created only for scalar outputs");
        SizesText shape;
        rl_hint("its shape is [%s]: take .mean() or .sum() first, or give backward() a gradient of that shape", rl_shape_text(&shape, root));
        return NULL;
    }
    if (RL_UNLIKELY(!RL_IS_FLOAT(root->dtype))) {
        PyErr_Format(PyExc_RuntimeError, "grad can be implicitly created only for real scalar outputs but got torch.%s", rl_dtypes[root->dtype].name);
        return NULL;
    }
    return rl_full_scalar(root->ndim, root->size, RL_ONE, (RLDType)root->dtype, root->device);
}

static Tensor *seed(Tensor *root, PyObject *given, int i) {
    if (!given || given == Py_None) return implicit_seed(root, i);
    if (!RL_IS_TENSOR(given)) {
        PyErr_Format(PyExc_TypeError, "gradients can be either Tensors or None, but got %s", rl_type_name(given));
        return NULL;
    }
    Tensor *g = (Tensor *)given;
    if (!rl_same_shape(root, g)) {
        PyObject *a = rl_size_object(g->ndim, g->size), *b = rl_size_object(root->ndim, root->size);
        if (a && b) PyErr_Format(PyExc_RuntimeError, "Mismatch in shape: grad_output[%d] has a shape of %R and output[%d] has a shape of %R.", i, a, i, b);
        Py_XDECREF(a);
        Py_XDECREF(b);
        return NULL;
    }
    if (RL_IS_COMPLEX(root->dtype) != RL_IS_COMPLEX(g->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "For complex Tensors, both grad_output and output are required to have the same dtype. "
                     "Mismatch in dtype: grad_output[%d] has a dtype of torch.%s and output[%d] has a dtype of torch.%s.",
                     i, rl_dtypes[g->dtype].name, i, rl_dtypes[root->dtype].name);
        return NULL;
    }
    if (g->dtype != root->dtype) return rl_to_dtype(g, (RLDType)root->dtype);
    return (Tensor *)Py_NewRef(given);
}

/* ---------------------------------------------------------------- running */

static int warn_create_graph(void) {
    static bool said;
    if (said) return 0;
    said = true;
    return PyErr_WarnEx(PyExc_UserWarning,
                        "Using backward() with create_graph=True will create a reference cycle between the parameter and its "
                        "gradient which can cause a memory leak. We recommend using autograd.grad when creating the graph to "
                        "avoid this. If you have to use this function, make sure to reset the .grad fields of your parameters "
                        "to None after use to break the cycle and avoid the leak.", 1);
}

/* The edge that a gradient with respect to `o` arrives at; o is a tensor or a GradientEdge. */
static int input_edge(PyObject *o, bool accumulate, Edge *edge) {
    edge->node = NULL;
    if (PyTuple_Check(o) && PyTuple_GET_SIZE(o) >= 2 && PyObject_TypeCheck(PyTuple_GET_ITEM(o, 0), &RLNode_Type)) {
        edge->nr = (uint32_t)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(o, 1));
        if (PyErr_Occurred()) return -1;
        edge->node = (Node *)Py_NewRef(PyTuple_GET_ITEM(o, 0));
        if (edge->nr < edge->node->n_outputs) return 0;
        PyErr_SetString(PyExc_IndexError, "GradientEdge: output_nr out of range");
        return -1;
    }
    if (!RL_IS_TENSOR(o)) {
        PyErr_Format(PyExc_RuntimeError, "all inputs have to be Tensors or GradientEdges, but got %s", rl_type_name(o));
        return -1;
    }
    Tensor *t = (Tensor *)o;
    if (!RL_REQUIRES_GRAD(t)) {
        PyErr_SetString(PyExc_RuntimeError, accumulate ? "can't retain_grad on Tensor that has requires_grad=False"
                                                       : "One of the differentiated Tensors does not require grad");
        return -1;
    }
    if (accumulate && rl_grad_fn(t) && rl_retain_grad(t) < 0) return -1;
    edge->node = rl_gradient_edge(t, &edge->nr);
    /* No node and no error: a view whose base came to require grad after it was made; no gradient ever reaches it. */
    return edge->node || !PyErr_Occurred() ? 0 : -1;
}

static PyObject *captured_tuple(Tensor **captured, int n, bool allow_unused) {
    PyObject *r = PyTuple_New(n);
    for (int i = 0; r && i < n; i++) {
        if (!captured[i] && !allow_unused) {
            PyErr_Format(PyExc_RuntimeError, "The differentiated Tensor at index %d appears to not have been used in the graph. "
                         "Set allow_unused=True if this is the desired behavior.", i);
            Py_CLEAR(r);
            break;
        }
        PyTuple_SET_ITEM(r, i, Py_NewRef(captured[i] ? (PyObject *)captured[i] : Py_None));
    }
    return r;
}

/* roots, seeds (NULL: ones), inputs (NULL: all leaves) are tuples.  Returns None, or what was captured. */
static PyObject *run(PyObject *roots, PyObject *seeds, bool keep, bool create, PyObject *inputs, bool allow_unused, bool accumulate) {
    int n = (int)PyTuple_GET_SIZE(roots), n_in = inputs ? (int)PyTuple_GET_SIZE(inputs) : 0;
    if (seeds && PyTuple_GET_SIZE(seeds) != n)
        return PyErr_Format(PyExc_RuntimeError, "got %d tensors and %zd gradients", n, PyTuple_GET_SIZE(seeds));
    for (int i = 0; i < n; i++) {
        PyObject *o = PyTuple_GET_ITEM(roots, i);
        if (!RL_IS_TENSOR(o)) return PyErr_Format(PyExc_TypeError, "element %d of tensors tuple is not a Tensor", i);
    }
    if (accumulate && create && warn_create_graph() < 0) return NULL;
    Tensor **grads = PyMem_Calloc((size_t)n + (size_t)n_in + 1, sizeof *grads), **captured = grads + n;
    Edge *edges = PyMem_Calloc((size_t)n_in + 1, sizeof *edges);
    PyObject *result = NULL;
    if (!grads || !edges) { PyErr_NoMemory(); goto end; }
    for (int i = 0; i < n; i++)
        if (!(grads[i] = seed((Tensor *)PyTuple_GET_ITEM(roots, i), seeds ? PyTuple_GET_ITEM(seeds, i) : NULL, i))) goto end;
    for (int i = 0; i < n_in; i++) if (input_edge(PyTuple_GET_ITEM(inputs, i), accumulate, &edges[i]) < 0) goto end;
    if (rl_backward(n, (Tensor **)&PyTuple_GET_ITEM(roots, 0), grads, keep, create, n_in, inputs ? edges : NULL, captured, accumulate) < 0) goto end;
    result = accumulate ? Py_NewRef(Py_None) : captured_tuple(captured, n_in, allow_unused);
end:
    for (int i = 0; grads && i < n + n_in; i++) Py_XDECREF(grads[i]);
    for (int i = 0; edges && i < n_in; i++) Py_XDECREF(edges[i].node);
    PyMem_Free(grads);
    PyMem_Free(edges);
    return result;
}

/* _run_backward(tensors, grad_tensors, keep_graph, create_graph, inputs, allow_unreachable, accumulate_grad) */
static PyObject *run_backward(PyObject *m, PyObject *const *args, Py_ssize_t n) {
    (void)m;
    if (n != 7 || !PyTuple_Check(args[0])) return PyErr_Format(PyExc_TypeError, "_run_backward: expected a tuple and six more arguments");
    bool flag[7];
    static const uint8_t flags[] = {2, 3, 5, 6};
    for (int i = 0; i < 4; i++) {
        int v = PyObject_IsTrue(args[flags[i]]);
        if (v < 0) return NULL;
        flag[flags[i]] = v;
    }
    PyObject *seeds = args[1] == Py_None ? NULL : args[1], *inputs = args[4] == Py_None ? NULL : args[4];
    if ((seeds && !PyTuple_Check(seeds)) || (inputs && !PyTuple_Check(inputs)))
        return PyErr_Format(PyExc_TypeError, "_run_backward: gradients and inputs must be tuples or None");
    return run(args[0], seeds, flag[2], flag[3], inputs, flag[5], flag[6]);
}

/* ---------------------------------------------------------------- Tensor.backward */

static PyObject *backward_with_inputs(Tensor *t, PyObject *gradient, bool keep, bool create, PyObject *inputs) {
    PyObject *list = RL_IS_TENSOR(inputs) ? PyTuple_Pack(1, inputs) : PySequence_Tuple(inputs);
    if (!list) return NULL;
    PyObject *r = NULL, *roots = PyTuple_Pack(1, t), *seeds = gradient ? PyTuple_Pack(1, gradient) : NULL;
    if (PyTuple_GET_SIZE(list) == 0) PyErr_SetString(PyExc_RuntimeError, "`inputs` argument to `backward()` cannot be empty.");
    else if (roots && (seeds || !gradient)) r = run(roots, seeds, keep, create, list, true, true);
    Py_DECREF(list);
    Py_XDECREF(roots);
    Py_XDECREF(seeds);
    return r;
}

static int backward_arguments(PyObject *const *args, Py_ssize_t n, PyObject *kw, PyObject **out) {
    static const char *const names[] = {"gradient", "retain_graph", "create_graph", "inputs"};
    if (n > 4) {
        PyErr_Format(PyExc_TypeError, "Tensor.backward() takes from 1 to 5 positional arguments but %zd were given", n + 1);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) out[i] = args[i];
    for (Py_ssize_t k = 0; kw && k < PyTuple_GET_SIZE(kw); k++) {
        PyObject *key = PyTuple_GET_ITEM(kw, k);
        int i = 0;
        while (i < 4 && PyUnicode_CompareWithASCIIString(key, names[i]) != 0) i++;
        if (i == 4) { PyErr_Format(PyExc_TypeError, "Tensor.backward() got an unexpected keyword argument '%U'", key); return -1; }
        if (out[i]) { PyErr_Format(PyExc_TypeError, "Tensor.backward() got multiple values for argument '%U'", key); return -1; }
        out[i] = args[n + k];
    }
    for (int i = 0; i < 4; i++) if (out[i] == Py_None) out[i] = NULL;
    return 0;
}

PyObject *rl_py_backward(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    Tensor *t = (Tensor *)self;
    PyObject *given[4] = {NULL};
    bool keep = false, create = false;
    if (RL_UNLIKELY(!RL_IS_TENSOR_EXACT(self) && rl_has_torch_function(self))) {
        Py_ssize_t nkw = kw ? PyTuple_GET_SIZE(kw) : 0;
        PyObject *all[8] = {self};
        if (n + nkw > 7) return PyErr_Format(PyExc_TypeError, "Tensor.backward() takes from 1 to 5 arguments");
        for (Py_ssize_t i = 0; i < n + nkw; i++) all[i + 1] = args[i];
        return through_torch_function("backward", all, n + 1, kw);
    }
    if (n || kw) {
        if (backward_arguments(args, n, kw, given) < 0) return NULL;
        int flag = given[2] ? PyObject_IsTrue(given[2]) : 0;
        if (flag < 0) return NULL;
        create = flag;
        flag = given[1] ? PyObject_IsTrue(given[1]) : create;
        if (flag < 0) return NULL;
        keep = flag;
        if (given[3]) return backward_with_inputs(t, given[0], keep, create, given[3]);
        if (create && warn_create_graph() < 0) return NULL;
    }
    Tensor *grad = seed(t, given[0], 0);
    if (!grad) return NULL;
    int bad = rl_backward(1, &t, &grad, keep, create, 0, NULL, NULL, true);
    Py_DECREF(grad);
    if (bad < 0) return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- module */

static PyObject *set_gradient_check(PyObject *self, PyObject *check) {
    (void)self;
    Py_XSETREF(rl_gradient_check, check == Py_None ? NULL : Py_NewRef(check));
    rl_node_watch = rl_gradient_check ? rl_node_watch | RL_WATCH_GRADIENTS : rl_node_watch & ~RL_WATCH_GRADIENTS;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_set_gradient_check", set_gradient_check, METH_O, NULL},
    {"_run_backward", (PyCFunction)(void (*)(void))run_backward, METH_FASTCALL, NULL},
    {0}};

int rl_autograd_init(PyObject *m) {
    if (PyType_Ready(&RLNode_Type) < 0 || PyModule_AddObjectRef(m, "_Node", (PyObject *)&RLNode_Type) < 0) return -1;
    if (PyModule_AddFunctions(m, functions) < 0) return -1;
    return rl_gradmode_init(m) < 0 || rl_autocast_init(m) < 0 || rl_saved_hooks_init(m) < 0 || rl_function_init(m) < 0 ? -1 : 0;
}
