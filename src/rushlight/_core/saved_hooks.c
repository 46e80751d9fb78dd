/* saved_hooks.c -- torch.autograd.graph.saved_tensors_hooks: what a node saves goes through a user's pack(), and
 * comes back through unpack() when it is needed.
 *
 * pack() sees the tensor without history, under no_grad.  What it returns is kept with the edge at which the
 * tensor's gradient arrives, so that the unpacked tensor can be differentiated again. */
#include "pyautograd.h"
#include <stdlib.h>

typedef struct { PyObject *pack, *unpack; } Pair;

static _Thread_local Pair *stack;
static _Thread_local int depth, capacity;
static int pairs;              /* of all threads */
static PyObject *disabled;     /* the message of disable_saved_tensors_hooks */

bool rl_saving_hooked;         /* whether any thread has hooks: all that the path without them looks at */

bool rl_packs_saved(void) { return depth > 0; }

PyObject *rl_pack_saved(Tensor *t, Node *owner) {
    PyObject *unpack = Py_NewRef(stack[depth - 1].unpack), *pack = Py_NewRef(stack[depth - 1].pack), *packed = NULL, *kept = NULL;
    uint32_t nr = 0;
    Node *fn = owner ? NULL : rl_gradient_edge(t, &nr);
    Tensor *bare = fn || !PyErr_Occurred() ? rl_shallow(t) : NULL;
    const int grad = rl_grad_mode;
    const uint32_t version = t->version->value;
    rl_grad_mode = 0;
    if (bare) packed = PyObject_CallOneArg(pack, (PyObject *)bare);
    rl_grad_mode = grad;
    if (packed && t->version->value != version)
        PyErr_SetString(PyExc_RuntimeError, "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook "
                                            "can not be modified by in-place operations as this can lead to unexpected side-effects. Please "
                                            "open an issue if you need to perform in-place operations on the input to a pack hook.");
    else if (packed)
        kept = Py_BuildValue("(OOOI)", unpack, packed, fn ? (PyObject *)fn : Py_None, nr);
    Py_DECREF(unpack);
    Py_DECREF(pack);
    Py_XDECREF(fn);
    Py_XDECREF(bare);
    Py_XDECREF(packed);
    return kept;
}

static int pass_through(Node *n, Tensor **in, Tensor **out) {
    (void)n;
    out[0] = (Tensor *)Py_XNewRef((PyObject *)in[0]);
    return 0;
}
static const NodeDef through_def = {"AliasBackward0", pass_through, 0, 0, NULL};

Tensor *rl_unpack_saved(PyObject *kept, Node *owner, uint32_t owner_nr) {
    PyObject *fn = PyTuple_GET_ITEM(kept, 2);
    const int grad = rl_grad_mode;
    rl_grad_mode = 0;
    PyObject *value = PyObject_CallOneArg(PyTuple_GET_ITEM(kept, 0), PyTuple_GET_ITEM(kept, 1));
    rl_grad_mode = grad;
    if (!value) return NULL;
    if (!PyObject_TypeCheck(value, &RLTensor_Type)) {
        PyErr_Format(PyExc_TypeError, "Output of saved tensor unpack_hook expected to be a Tensor but got result of type %s", rl_type_name(value));
        Py_DECREF(value);
        return NULL;
    }
    Node *node = owner ? owner : fn == Py_None ? NULL : (Node *)fn;
    Tensor *t = rl_shallow((Tensor *)value);
    Py_DECREF(value);
    if (!t || !node || !rl_grad_mode) return t;
    Node *n = rl_node_new(&through_def, 1);
    if (!n) { Py_DECREF(t); return NULL; }
    n->edges[0] = (Edge){(Node *)Py_NewRef((PyObject *)node), owner ? owner_nr : (uint32_t)PyLong_AsUnsignedLong(PyTuple_GET_ITEM(kept, 3))};
    rl_set_history(t, n, 0);
    Py_DECREF(n);
    return t;
}

/* ---------------------------------------------------------------- from Python */

static PyObject *push(PyObject *m, PyObject *args) {
    (void)m;
    PyObject *pack, *unpack;
    if (!PyArg_ParseTuple(args, "OO:_push_saved_hooks", &pack, &unpack)) return NULL;
    if (disabled) { PyErr_SetObject(PyExc_RuntimeError, disabled); return NULL; }
    if (depth == capacity) {
        Pair *more = realloc(stack, (size_t)(2 * capacity + 4) * sizeof(Pair));
        if (!more) return PyErr_NoMemory();
        stack = more;
        capacity = 2 * capacity + 4;
    }
    stack[depth++] = (Pair){Py_NewRef(pack), Py_NewRef(unpack)};
    rl_saving_hooked = ++pairs > 0;
    Py_RETURN_NONE;
}

static PyObject *pop(PyObject *m, PyObject *u) {
    (void)m; (void)u;
    if (depth == 0) { PyErr_SetString(PyExc_RuntimeError, "no saved tensor hooks to remove"); return NULL; }
    Pair top = stack[--depth];
    rl_saving_hooked = --pairs > 0;
    Py_DECREF(top.pack);
    Py_DECREF(top.unpack);
    Py_RETURN_NONE;
}

/* The message that pushing raises from now on, or None; returns what it was. */
static PyObject *disable(PyObject *m, PyObject *message) {
    (void)m;
    if (message != Py_None && depth > 0) { PyErr_SetObject(PyExc_RuntimeError, message); return NULL; }
    PyObject *before = disabled ? disabled : Py_NewRef(Py_None);
    disabled = message == Py_None ? NULL : Py_NewRef(message);
    return before;
}

int rl_saved_hooks_init(PyObject *m) {
    static PyMethodDef functions[] = {
        {"_push_saved_hooks", push, METH_VARARGS, "From now on saved tensors go through pack() and unpack()."},
        {"_pop_saved_hooks", pop, METH_NOARGS, "Removes the hooks that came last."},
        {"_disable_saved_hooks", disable, METH_O, "Makes pushing hooks an error of that message; None allows it again."},
        {NULL, NULL, 0, NULL},
    };
    return PyModule_AddFunctions(m, functions);
}
