/* gradmode.c -- no_grad, enable_grad, set_grad_enabled and inference_mode: context managers that are
 * decorators too.  Entering and leaving is native; what wraps a function is Python (autograd/grad_mode.py). */
#include "pyautograd.h"

_Thread_local int rl_inference_mode;

/* A block may be entered again before it is left (a decorated function that recurs through one object),
 * so each keeps a stack of bits; deeper than 64, the outermost block is forgotten first. */
typedef struct {
    PyObject_HEAD
    uint64_t grad, inference;  /* what was on before */
    bool mode;                 /* of set_grad_enabled and inference_mode */
} Block;

static PyTypeObject NoGrad_Type, EnableGrad_Type, SetGradEnabled_Type, InferenceMode_Type;

static void push(Block *b, int grad, int inference) {
    b->grad = b->grad << 1 | (uint64_t)rl_grad_mode;
    b->inference = b->inference << 1 | (uint64_t)rl_inference_mode;
    rl_grad_mode = grad;
    rl_inference_mode = inference;
}

static PyObject *no_grad_enter(PyObject *self, PyObject *u) {
    (void)u;
    push((Block *)self, 0, rl_inference_mode);
    Py_RETURN_NONE;
}
static PyObject *enable_grad_enter(PyObject *self, PyObject *u) {
    (void)u;
    push((Block *)self, 1, rl_inference_mode);
    Py_RETURN_NONE;
}
static PyObject *inference_enter(PyObject *self, PyObject *u) {
    (void)u;
    push((Block *)self, !((Block *)self)->mode, ((Block *)self)->mode);
    Py_RETURN_NONE;
}
static PyObject *leave(PyObject *self, PyObject *const *args, Py_ssize_t n) {
    (void)args; (void)n;
    Block *b = (Block *)self;
    rl_grad_mode = b->grad & 1;
    rl_inference_mode = b->inference & 1;
    b->grad >>= 1;
    b->inference >>= 1;
    Py_RETURN_NONE;
}

/* set_grad_enabled(mode) acts when it is made; `with` only brings the end. */
static PyObject *set_enter(PyObject *self, PyObject *u) {
    (void)u;
    rl_grad_mode = ((Block *)self)->mode;
    Py_RETURN_NONE;
}
static PyObject *set_leave(PyObject *self, PyObject *const *args, Py_ssize_t n) {
    (void)args; (void)n;
    rl_grad_mode = (int)((Block *)self)->grad;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- making them */

static Block *block_new(PyTypeObject *type) {
    Block *b = (Block *)type->tp_alloc(type, 0);
    if (b) b->grad = b->inference = b->mode = 0;
    return b;
}

static PyObject *decorate(PyObject *self, PyObject *func) {
    PyObject *m = PyImport_ImportModule("rushlight.autograd.grad_mode");
    PyObject *r = m ? PyObject_CallMethod(m, "_decorate", "OO", self, func) : NULL;
    Py_XDECREF(m);
    return r;
}

static PyObject *decorated_by_new(PyTypeObject *type, PyObject *func) {
    PyObject *self = (PyObject *)block_new(type), *r = self ? decorate(self, func) : NULL;
    Py_XDECREF(self);
    return r;
}

static PyObject *plain_make(PyTypeObject *type, PyObject *func) {
    return func && func != Py_None ? decorated_by_new(type, func) : (PyObject *)block_new(type);
}

static PyObject *set_make(PyTypeObject *type, PyObject *mode) {
    if (!mode || !PyBool_Check(mode)) {
        if (mode) PyErr_Format(PyExc_TypeError, "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not %s", rl_type_name(mode));
        else PyErr_SetString(PyExc_TypeError, "set_grad_enabled.__init__() missing 1 required positional argument: 'mode'");
        return NULL;
    }
    Block *b = block_new(type);
    if (!b) return NULL;
    b->grad = (uint64_t)rl_grad_mode;
    b->mode = mode == Py_True;
    rl_grad_mode = b->mode;
    return (PyObject *)b;
}

static PyObject *inference_make(PyTypeObject *type, PyObject *mode) {
    if (mode && !PyBool_Check(mode)) {
        if (PyCallable_Check(mode)) {
            Block *b = block_new(type);
            if (!b) return NULL;
            b->mode = true;
            PyObject *r = decorate((PyObject *)b, mode);
            Py_DECREF(b);
            return r;
        }
        PyErr_Format(PyExc_TypeError, "_inference_mode(): argument 'mode' must be bool, not %s", rl_type_name(mode));
        return NULL;
    }
    Block *b = block_new(type);
    if (b) b->mode = mode != Py_False;
    return (PyObject *)b;
}

static PyObject *make(PyTypeObject *type, PyObject *arg) {
    if (PyType_IsSubtype(type, &SetGradEnabled_Type)) return set_make(type, arg);
    if (PyType_IsSubtype(type, &InferenceMode_Type)) return inference_make(type, arg);
    return plain_make(type, arg);
}

static PyObject *block_vectorcall(PyObject *type, PyObject *const *args, size_t nf, PyObject *kw) {
    Py_ssize_t n = PyVectorcall_NARGS(nf) + (kw ? PyTuple_GET_SIZE(kw) : 0);
    if (n > 1) return PyErr_Format(PyExc_TypeError, "%s() takes at most one argument", ((PyTypeObject *)type)->tp_name);
    return make((PyTypeObject *)type, n ? args[0] : NULL);
}

static PyObject *block_tp_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    PyObject *arg = NULL, *key;
    Py_ssize_t pos = 0;
    if (PyTuple_GET_SIZE(args)) arg = PyTuple_GET_ITEM(args, 0);
    else if (kw) PyDict_Next(kw, &pos, &key, &arg);
    return make(type, arg);
}

/* The state of a subclass's own making is its own business: accept what its __new__ accepted. */
static int block_init(PyObject *self, PyObject *args, PyObject *kw) { (void)self; (void)args; (void)kw; return 0; }

static PyObject *block_call(PyObject *self, PyObject *args, PyObject *kw) {
    PyObject *func;
    static char *names[] = {"orig_func", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O:__call__", names, &func)) return NULL;
    if (PyType_IsSubtype(Py_TYPE(self), &SetGradEnabled_Type)) rl_grad_mode = (int)((Block *)self)->grad;
    return decorate(self, func);
}

static PyObject *block_clone(PyObject *self, PyObject *u) {
    (void)u;
    PyTypeObject *type = Py_TYPE(self);
    bool has_mode = PyType_IsSubtype(type, &SetGradEnabled_Type) || PyType_IsSubtype(type, &InferenceMode_Type);
    return has_mode ? PyObject_CallOneArg((PyObject *)type, ((Block *)self)->mode ? Py_True : Py_False)
                    : PyObject_CallNoArgs((PyObject *)type);
}

static PyObject *set_repr(PyObject *self) {
    return PyUnicode_FromFormat("%s(mode=%s)", rl_type_name(self), ((Block *)self)->mode ? "True" : "False");
}
static PyObject *get_prev(PyObject *self, void *c) { (void)c; return PyBool_FromLong(((Block *)self)->grad & 1); }
static PyObject *get_mode(PyObject *self, void *c) { (void)c; return PyBool_FromLong(((Block *)self)->mode); }
static PyGetSetDef plain_getset[] = {{"prev", get_prev, NULL, NULL, NULL}, {0}};
static PyGetSetDef mode_getset[] = {{"prev", get_prev, NULL, NULL, NULL}, {"mode", get_mode, NULL, NULL, NULL}, {0}};

#define METHODS(NAME, ENTER, LEAVE)                                                     \
    static PyMethodDef NAME[] = {{"__enter__", ENTER, METH_NOARGS, NULL},               \
                                 {"__exit__", (PyCFunction)(void (*)(void))LEAVE, METH_FASTCALL, NULL}, \
                                 {"clone", block_clone, METH_NOARGS, "Another one like it."}, {0}};
METHODS(no_grad_methods, no_grad_enter, leave)
METHODS(enable_grad_methods, enable_grad_enter, leave)
METHODS(set_methods, set_enter, set_leave)
METHODS(inference_methods, inference_enter, leave)

#define BLOCK_TYPE(VAR, NAME, TABLE, GETSET, REPR, DOC)                                  \
    static PyTypeObject VAR = {                                                          \
        PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.autograd.grad_mode." NAME,       \
        .tp_basicsize = sizeof(Block),                                                   \
        .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,                            \
        .tp_methods = TABLE,                                                             \
        .tp_getset = GETSET,                                                             \
        .tp_repr = REPR,                                                                 \
        .tp_new = block_tp_new,                                                          \
        .tp_init = block_init,                                                           \
        .tp_call = block_call,                                                           \
        .tp_vectorcall = block_vectorcall,                                               \
        .tp_doc = DOC,                                                                   \
    };
BLOCK_TYPE(NoGrad_Type, "no_grad", no_grad_methods, plain_getset, NULL,
           "no_grad()\n--\n\nInside, operations record no history. A context manager and a decorator; of this thread alone.\n\n"
           ">>> import rushlight as torch\n>>> w = torch.ones(2, requires_grad=True)\n>>> with torch.no_grad():\n"
           "...     w -= 0.5\n>>> w\ntensor([0.5000, 0.5000], requires_grad=True)")
BLOCK_TYPE(EnableGrad_Type, "enable_grad", enable_grad_methods, plain_getset, NULL,
           "enable_grad()\n--\n\nInside, operations record history even within no_grad().")
BLOCK_TYPE(SetGradEnabled_Type, "set_grad_enabled", set_methods, mode_getset, set_repr,
           "set_grad_enabled(mode)\n--\n\nSwitches recording at once; as a context manager, until the block ends.")
BLOCK_TYPE(InferenceMode_Type, "inference_mode", inference_methods, mode_getset, NULL,
           "inference_mode(mode=True)\n--\n\nno_grad() that is_inference_mode_enabled() can see. Tensors made inside stay ordinary\n"
           "tensors: PyTorch's ban on using them in autograd later is not enforced.")

/* ---------------------------------------------------------------- module functions */

static PyObject *is_grad_enabled(PyObject *m, PyObject *u) { (void)m; (void)u; return PyBool_FromLong(rl_grad_mode); }
static PyObject *is_inference_mode_enabled(PyObject *m, PyObject *u) { (void)m; (void)u; return PyBool_FromLong(rl_inference_mode); }
static PyObject *set_grad(PyObject *m, PyObject *on) {
    (void)m;
    if (RL_UNLIKELY(!PyBool_Check(on)))
        return PyErr_Format(PyExc_TypeError, "set_grad_enabled(): argument 'enabled' (position 1) must be bool, not %s", rl_type_name(on));
    rl_grad_mode = on == Py_True;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"is_grad_enabled", is_grad_enabled, METH_NOARGS, "is_grad_enabled()\n--\n\nWhether operations record history in this thread."},
    {"is_inference_mode_enabled", is_inference_mode_enabled, METH_NOARGS, "is_inference_mode_enabled()\n--\n\nWhether inference_mode() is on in this thread."},
    {"_set_grad_enabled", set_grad, METH_O, NULL},
    {0}};

int rl_gradmode_init(PyObject *m) {
    if (PyModule_AddFunctions(m, functions) < 0) return -1;
    PyTypeObject *const types[] = {&NoGrad_Type, &EnableGrad_Type, &SetGradEnabled_Type, &InferenceMode_Type};
    for (int i = 0; i < 4; i++) if (PyModule_AddType(m, types[i]) < 0) return -1;
    return 0;
}
