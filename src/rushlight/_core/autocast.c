/* autocast.c -- the dtype in which calls compute inside torch.autocast("cpu"). The table says which operations take part:
 * products go to the narrow dtype, losses to float32. Only calls from Python are cast (parse.c, and the operator @): what
 * an operation is made of, and derivatives, compute in the dtype of what they are given. */
#include "runtime.h"
#include "pyautograd.h"
#include "rl_ops.h"

_Thread_local int rl_autocast = RL_NODTYPE;

Tensor *rl_autocast_tensor(Tensor *t, int rule) {
    RLDType to = rule == AUTOCAST_NARROW ? (RLDType)rl_autocast : RL_F32;
    bool casts = t->dtype != to && (t->dtype == RL_F32 || t->dtype == RL_BF16 || t->dtype == RL_F16);
    return casts ? rl_to_dtype(t, to) : (Tensor *)Py_NewRef((PyObject *)t);
}

static PyObject *get(PyObject *m, PyObject *u) {
    (void)m; (void)u;
    if (rl_autocast == RL_NODTYPE) Py_RETURN_NONE;
    return rl_py_dtype((RLDType)rl_autocast);
}

static PyObject *set(PyObject *m, PyObject *dtype) {
    RLDType to = RL_NODTYPE;
    if (dtype != Py_None) {
        int r = rl_as_dtype(dtype, &to);
        if (r <= 0) return r < 0 ? NULL : PyErr_Format(PyExc_TypeError, "autocast: dtype must be torch.dtype, not %s", rl_type_name(dtype));
    }
    PyObject *before = get(m, NULL);
    if (before) rl_autocast = to;
    return before;
}

static PyMethodDef functions[] = {
    {"_get_autocast", get, METH_NOARGS, "The dtype of products in this thread's autocast block; None: there is none."},
    {"_set_autocast", set, METH_O, "Sets what `_get_autocast` says and returns what it said."},
    {0}};

int rl_autocast_init(PyObject *m) { return PyModule_AddFunctions(m, functions); }
