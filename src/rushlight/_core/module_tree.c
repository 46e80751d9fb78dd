/* module_tree.c -- what ModuleBase does to a whole tree of modules: train(), zero_grad(), and the walks
 * behind parameters(), buffers() and modules().
 *
 * User code may run in the middle (an overridden train(), a __hash__), so each value is held while it
 * is in use, and dicts are walked with PyDict_Next, which stays in bounds however they change.
 */
#include "module.h"

#include <string.h>

static int set_training(Module *m, PyObject *mode)
{
    PyTypeObject *tp = Py_TYPE(m);
    if (!m->dict || _PyType_Lookup(tp, rl_s_training)) return PyObject_SetAttr((PyObject *)m, rl_s_training, mode);
    if (LIKELY(PyDict_GetItemWithError(m->dict, rl_s_training) == mode)) return 0;
    if (!module_inherits(tp, rl_s___setattr__)) return PyObject_SetAttr((PyObject *)m, rl_s_training, mode);
    return PyDict_SetItem(m->dict, rl_s_training, mode);
}

static int train_tree(Module *m, PyObject *mode)
{
    if (set_training(m, mode) < 0) return -1;
    PyObject *registered = get_registry(m, MODULES);
    if (!registered || !PyDict_GET_SIZE(registered)) return 0;
    PyObject *modules = plain_dict(registered), *key, *child, *name, *earlier;
    if (!modules || Py_EnterRecursiveCall(" in Module.train")) {
        Py_XDECREF(modules);
        return -1;
    }
    Py_ssize_t size = PyDict_GET_SIZE(modules);
    int status = 0;
    for (Py_ssize_t pos = 0; !status && PyDict_Next(modules, &pos, &key, &child);) {
        if (child == Py_None) continue;
        Py_INCREF(child);
        if (PyObject_TypeCheck(child, rl_module_class) && module_inherits(Py_TYPE(child), rl_s_train))
            status = train_tree((Module *)child, mode);
        else {
            int again = 0; /* an override sees a child once, however many names it has */
            for (Py_ssize_t q = 0; PyDict_Next(modules, &q, &name, &earlier) && q < pos;) again |= earlier == child;
            PyObject *done = again ? Py_NewRef(Py_None) : PyObject_CallMethodOneArg(child, rl_s_train, mode);
            status = done ? 0 : -1;
            Py_XDECREF(done);
        }
        Py_DECREF(child);
        if (!status && PyDict_GET_SIZE(modules) != size) {
            PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
            status = -1;
        }
    }
    Py_LeaveRecursiveCall();
    Py_DECREF(modules);
    return status;
}

/* Parses one optional bool argument, by position or by the name given. */
static PyObject *one_flag(PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *method,
                          const char *word)
{
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (nargs + nkw == 0) return Py_True;
    if (nkw && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), word))
        PyErr_Format(PyExc_TypeError, "Module.%s() got an unexpected keyword argument '%S'", method,
                     PyTuple_GET_ITEM(kwnames, 0));
    else if (nargs + nkw > 1)
        PyErr_Format(PyExc_TypeError, "Module.%s() takes from 1 to 2 positional arguments but %zd were given", method,
                     nargs + nkw + 1);
    else
        return args[0];
    return NULL;
}

PyObject *rl_module_train(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *mode = one_flag(args, nargs, kwnames, "train", "mode");
    if (!mode) return NULL;
    if (!PyBool_Check(mode)) {
        PyErr_SetString(PyExc_ValueError, "training mode is expected to be boolean");
        return NULL;
    }
    return train_tree((Module *)self, mode) < 0 ? NULL : Py_NewRef(self);
}

PyObject *rl_module_eval(PyObject *self, PyObject *Py_UNUSED(none))
{
    if (!module_inherits(Py_TYPE(self), rl_s_train)) return PyObject_CallMethodOneArg(self, rl_s_train, Py_False);
    return train_tree((Module *)self, Py_False) < 0 ? NULL : Py_NewRef(self);
}

static int drop_gradients(Module *m)
{
    PyObject *registered = get_registry(m, PARAMETERS), *key, *value;
    PyObject *params = registered && PyDict_GET_SIZE(registered) ? plain_dict(registered) : NULL;
    int status = PyErr_Occurred() ? -1 : 0;
    for (Py_ssize_t pos = 0; params && !status && PyDict_Next(params, &pos, &key, &value);) {
        if (value == Py_None) continue;
        Py_INCREF(value);
        status = PyObject_SetAttr(value, rl_s_grad, Py_None);
        Py_DECREF(value);
    }
    Py_XDECREF(params);
    registered = get_registry(m, MODULES);
    if (status || !registered || !PyDict_GET_SIZE(registered)) return status;
    PyObject *modules = plain_dict(registered);
    if (!modules || Py_EnterRecursiveCall(" in Module.zero_grad")) {
        Py_XDECREF(modules);
        return -1;
    }
    for (Py_ssize_t pos = 0; !status && PyDict_Next(modules, &pos, &key, &value);)
        if (PyObject_TypeCheck(value, &rl_ModuleBase_Type)) {
            Py_INCREF(value);
            status = drop_gradients((Module *)value);
            Py_DECREF(value);
        }
    Py_LeaveRecursiveCall();
    Py_DECREF(modules);
    return status;
}

PyObject *rl_module_zero_grad(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Module *m = (Module *)self;
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *to_none = one_flag(args, nargs, kwnames, "zero_grad", "set_to_none");
    if (!to_none) return NULL;
    if (to_none != Py_True || !module_inherits(tp, rl_s_parameters) || !module_inherits(tp, rl_s_named_parameters) ||
        !module_inherits(tp, rl_s_named_modules) || (m->dict && PyDict_GetItemWithError(m->dict, rl_s__is_replica)))
        return PyObject_CallMethodOneArg(self, rl_s__zero_grad, to_none);
    if (drop_gradients(m) < 0) return NULL;
    Py_RETURN_NONE;
}

typedef struct {
    int registry;          /* what is asked for */
    PyObject *out;         /* list of values, or of (name, value) */
    PyObject *seen_modules, *seen_members; /* sets, or NULL: keep duplicates */
    int overridden;        /* met a named_modules of the user's: the walk is void */
} Walk;

static int first_time(PyObject *seen, PyObject *value)
{
    if (!seen) return 1;
    Py_ssize_t before = PySet_GET_SIZE(seen);
    if (PySet_Add(seen, value) < 0) return -1;
    return PySet_GET_SIZE(seen) > before;
}

static PyObject *join_path(PyObject *prefix, PyObject *name)
{
    Py_ssize_t before = PyUnicode_GET_LENGTH(prefix);
    if (!before) return Py_NewRef(name);
    if (!PyUnicode_CheckExact(name) || !PyUnicode_IS_COMPACT_ASCII(prefix) || !PyUnicode_IS_COMPACT_ASCII(name))
        return PyUnicode_FromFormat("%U.%S", prefix, name);
    Py_ssize_t after = PyUnicode_GET_LENGTH(name);
    PyObject *path = PyUnicode_New(before + 1 + after, 127);
    if (!path) return NULL;
    char *text = PyUnicode_DATA(path);
    memcpy(text, PyUnicode_DATA(prefix), (size_t)before);
    text[before] = '.';
    memcpy(text + before + 1, PyUnicode_DATA(name), (size_t)after);
    return path;
}

static int emit(Walk *w, PyObject *path, PyObject *value) /* takes over path, if any */
{
    PyObject *item = path ? PyTuple_Pack(2, path, value) : Py_NewRef(value);
    Py_XDECREF(path);
    int status = item ? PyList_Append(w->out, item) : -1;
    Py_XDECREF(item);
    return status;
}

/* prefix NULL: names are not wanted. */
static int walk(Walk *w, Module *m, PyObject *prefix, int recurse)
{
    int status = first_time(w->seen_modules, (PyObject *)m);
    if (status <= 0) return status;
    status = 0;
    PyObject *key, *value;
    if (w->registry == MODULES)
        status = emit(w, Py_XNewRef(prefix), (PyObject *)m);
    else {
        PyObject *registered = get_registry(m, w->registry);
        PyObject *members = registered ? plain_dict(registered) : PyDict_New();
        if (!members) return -1;
        for (Py_ssize_t pos = 0; status >= 0 && PyDict_Next(members, &pos, &key, &value);) {
            if (value == Py_None) continue;
            Py_INCREF(key);
            Py_INCREF(value);
            status = first_time(w->seen_members, value);
            if (status > 0) {
                PyObject *path = prefix ? join_path(prefix, key) : NULL;
                status = prefix && !path ? -1 : emit(w, path, value);
            }
            Py_DECREF(key);
            Py_DECREF(value);
        }
        Py_DECREF(members);
    }
    PyObject *registered = get_registry(m, MODULES);
    if (status < 0 || !recurse || !registered || !PyDict_GET_SIZE(registered)) return status < 0 ? -1 : 0;
    PyObject *modules = plain_dict(registered);
    if (!modules || Py_EnterRecursiveCall(" in a walk over modules")) {
        Py_XDECREF(modules);
        return -1;
    }
    for (Py_ssize_t pos = 0; status >= 0 && PyDict_Next(modules, &pos, &key, &value);) {
        if (value == Py_None) continue;
        if (!PyObject_TypeCheck(value, &rl_ModuleBase_Type) || !module_inherits(Py_TYPE(value), rl_s_named_modules)) {
            w->overridden = 1;
            break;
        }
        Py_INCREF(value);
        PyObject *path = prefix ? join_path(prefix, key) : NULL;
        status = prefix && !path ? -1 : walk(w, (Module *)value, path, 1);
        Py_XDECREF(path);
        Py_DECREF(value);
    }
    Py_LeaveRecursiveCall();
    Py_DECREF(modules);
    return status < 0 ? -1 : 0;
}

/* _members(registry, prefix or None, recurse, remove_duplicate) -> list, or None where a class
 * overrides named_modules and Python must walk. */
PyObject *rl_module_members(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (wrong_count("_members", nargs, 4)) return NULL;
    int recurse = PyObject_IsTrue(args[2]), once = PyObject_IsTrue(args[3]);
    Walk w = {.registry = (int)PyLong_AsLong(args[0])};
    if (recurse < 0 || once < 0 || PyErr_Occurred()) return NULL;
    if (recurse && !module_inherits(Py_TYPE(self), rl_s_named_modules)) Py_RETURN_NONE;
    w.out = PyList_New(0);
    if (once && recurse) w.seen_modules = PySet_New(NULL);
    if (once) w.seen_members = PySet_New(NULL);
    if (PyErr_Occurred() || walk(&w, (Module *)self, args[1] == Py_None ? NULL : args[1], recurse) < 0) Py_CLEAR(w.out);
    Py_XDECREF(w.seen_modules);
    Py_XDECREF(w.seen_members);
    if (!w.out || !w.overridden) return w.out;
    Py_DECREF(w.out);
    Py_RETURN_NONE;
}
