/* optim_groups.c -- one option of all parameter groups, read or written in one call: what a schedule does at each step.
 *
 *     _group_values(groups, key) -> list             [copy of group[key] for each group]
 *     _group_values(groups, key, factor) -> list     [group[key] * factor for each group]
 *     _set_group_values(groups, key, values) -> list | None      writes them; None: nothing was done
 *
 * A tensor is copied where it is read, since it is written in place; writing to it is left to Python
 * (optim/lr_scheduler/_base.py), as is whatever is not a list of dicts.
 */
#include "rl.h"

#include "rl_ops.h"

/* A new reference, or NULL with an error: KeyError where the group lacks the key. */
static PyObject *value_of(PyObject *group, PyObject *key)
{
    if (!PyDict_CheckExact(group)) return PyObject_GetItem(group, key);
    PyObject *value = PyDict_GetItemWithError(group, key);
    if (!value && !PyErr_Occurred()) PyErr_SetObject(PyExc_KeyError, key);
    return Py_XNewRef(value);
}

static PyObject *copied(PyObject *value)
{
    return RL_IS_TENSOR(value) ? (PyObject *)rl_clone((Tensor *)value, -1) : Py_NewRef(value);
}

/* Copying and multiplying may run a user's code: everything in hand is held, and the length read anew each time. */
static PyObject *group_values(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 2 && nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "expected parameter groups, a key and perhaps a factor");
        return NULL;
    }
    PyObject *groups = PySequence_Fast(args[0], "parameter groups must be a sequence"), *result = groups ? PyList_New(0) : NULL;
    for (Py_ssize_t i = 0; result && i < PySequence_Fast_GET_SIZE(groups); i++) {
        PyObject *group = Py_NewRef(PySequence_Fast_GET_ITEM(groups, i)), *value = value_of(group, args[1]), *out = NULL;
        if (value) out = nargs == 3 ? PyNumber_Multiply(value, args[2]) : copied(value);
        if (!out || PyList_Append(result, out) < 0) Py_CLEAR(result);
        Py_XDECREF(out);
        Py_XDECREF(value);
        Py_DECREF(group);
    }
    Py_XDECREF(groups);
    return result;
}

static bool settable(PyObject *groups, PyObject *key, PyObject *values)
{
    if (!PyList_CheckExact(groups) || !PyList_CheckExact(values) || !PyUnicode_CheckExact(key)
        || PyList_GET_SIZE(groups) != PyList_GET_SIZE(values))
        return false;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(groups); i++) {
        PyObject *group = PyList_GET_ITEM(groups, i);
        PyObject *old = PyDict_CheckExact(group) ? PyDict_GetItemWithError(group, key) : NULL;
        /* Numbers only: dropping one runs no user's code that could change the lists meanwhile. */
        if (!old || !PyFloat_CheckExact(old) || RL_IS_TENSOR(PyList_GET_ITEM(values, i))) {
            PyErr_Clear();
            return false;
        }
    }
    return true;
}

static PyObject *set_group_values(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t nargs)
{
    if (nargs != 3 || !settable(args[0], args[1], args[2])) Py_RETURN_NONE;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(args[0]); i++)
        if (PyDict_SetItem(PyList_GET_ITEM(args[0], i), args[1], PyList_GET_ITEM(args[2], i)) < 0) return NULL;
    return PyList_GetSlice(args[2], 0, PyList_GET_SIZE(args[2]));
}

static PyMethodDef methods[] = {
    {"_group_values", (PyCFunction)(void (*)(void))group_values, METH_FASTCALL, NULL},
    {"_set_group_values", (PyCFunction)(void (*)(void))set_group_values, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL}
};

int rl_optim_groups_init(PyObject *module)
{
    return PyModule_AddFunctions(module, methods);
}
