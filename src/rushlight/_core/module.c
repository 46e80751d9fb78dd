/* module.c -- ModuleBase: the part of nn.Module that runs at every layer call, attribute access,
 * train(), zero_grad() and walk over parameters (the last three in module_tree.c).  Needs Python.h
 * alone; rushlight/nn/modules/module.py derives `Module` from it and holds everything that may be slow.
 *
 * An instance is its `__dict__`, as in PyTorch: `training` and the registries `_parameters`,
 * `_buffers`, `_modules`.  The struct only remembers what it would otherwise look up there, under
 * one invariant: each way to replace an entry of the dict passes through here (`__setattr__`,
 * `__setstate__`, assignment to `__dict__`), except for code that was given the dict itself.
 * Reading `__dict__` therefore sets EXPOSED, and from then on nothing remembered is trusted.
 *
 * Hook dicts come into being when they are first read (`module._forward_hooks`), so an instance
 * without the HOOKED mark cannot have a hook, however one tries to add it.
 *
 * Relies on the GIL: borrowed references from dicts and from the type cache.
 */
#include "module.h"
#include "profile.h"

#include <stddef.h>
#include <string.h>

static const char *type_name(PyObject *o) /* type(o).__name__ */
{
    const char *name = Py_TYPE(o)->tp_name, *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static PyObject *module_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames);

/* What module.py hands over once (_bind), and the descriptors that tell "inherited" from "overridden". */
PyTypeObject *rl_module_class;
static PyTypeObject *tensor_type, *parameter_type;
static PyObject *base_getattr, *base_getattribute;
/* What a call must look at beyond the instance: HOOKED_BY_ALL is sticky (someone has registered a hook
 * common to all modules), SPANS is on while the profiler records calls. */
enum { HOOKED_BY_ALL = 1, SPANS = 2 };
static int global_call_watch, global_registration_hooks;

/* Entries of an instance dict that mean something to this file, by name: a PyLong. */
enum Special { IS_CALL_HOOKS = N_REGISTRIES, IS_HOOKS, IS_SET }; /* below these: the registries */
static PyObject *specials;

#define X(n) PyObject *rl_s_##n;
NAMES(X)
#undef X
static PyObject *registry_names[N_REGISTRIES];

/* ---------------------------------------------------------------- the instance dict */

PyObject *rl_module_exposed_registry(Module *m, int which)
{
    PyObject *d = m->dict ? PyDict_GetItemWithError(m->dict, registry_names[which]) : NULL;
    return d && PyDict_Check(d) ? d : NULL;
}

static int special_kind(PyObject *name) /* a registry, a Special, or -1 */
{
    PyObject *kind = PyDict_GetItemWithError(specials, name);
    if (!kind) {
        PyErr_Clear();
        return -1;
    }
    return (int)PyLong_AsLong(kind);
}

/* Brings the struct into step with the dict after entries of it may have been replaced. */
static void resync(Module *m)
{
    for (int k = 0; k < N_REGISTRIES; k++) {
        PyObject *d = m->dict ? PyDict_GetItemWithError(m->dict, registry_names[k]) : NULL;
        Py_XSETREF(m->registry[k], d && PyDict_Check(d) ? Py_NewRef(d) : NULL);
    }
    PyObject *const hooks[] = {rl_s__forward_hooks, rl_s__forward_pre_hooks, rl_s__backward_hooks,
                               rl_s__backward_pre_hooks};
    for (int i = 0; m->dict && i < 4; i++)
        if (PyDict_GetItemWithError(m->dict, hooks[i])) m->watch |= HOOKED;
    PyErr_Clear();
}

static PyObject *module_get_dict(PyObject *self, void *closure)
{
    ((Module *)self)->watch |= EXPOSED;
    return PyObject_GenericGetDict(self, closure);
}

static int module_set_dict(PyObject *self, PyObject *value, void *closure)
{
    if (PyObject_GenericSetDict(self, value, closure) < 0) return -1;
    ((Module *)self)->watch |= EXPOSED; /* whoever made the dict may still hold it */
    resync((Module *)self);
    return 0;
}

/* Python subclasses get generic slots because the base has `__getattr__`, and Python 3.11 does not
 * let them inherit vectorcall.  Both are put right at a class's first instance; until then, or where
 * a class is changed afterwards, the generic slots give the same answers more slowly. */
static void adopt(Module *m)
{
    PyTypeObject *tp = Py_TYPE(m);
    m->vectorcall = module_vectorcall;
    if (tp->tp_getattro != rl_ModuleBase_Type.tp_getattro &&
        _PyType_Lookup(tp, rl_s___getattribute__) == base_getattribute) {
        tp->tp_getattro = rl_ModuleBase_Type.tp_getattro;
        PyType_Modified(tp);
    }
    if (tp->tp_as_mapping && tp->tp_as_mapping->mp_length) rl_module_adopt_container(tp);
    if (tp->tp_call == rl_ModuleBase_Type.tp_call) tp->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
}

static int module_init(PyObject *self, PyObject *args, PyObject *kwargs)
{
    Module *m = (Module *)self;
    PyTypeObject *tp = Py_TYPE(self);
    int extra = PyTuple_GET_SIZE(args) || (kwargs && PyDict_GET_SIZE(kwargs));
    PyObject *cooperative = _PyType_Lookup(tp, rl_s_call_super_init);
    int call_super = cooperative && cooperative != Py_False ? PyObject_IsTrue(cooperative) : 0;
    if (call_super < 0) return -1;
    if (extra && !call_super) {
        if (kwargs && PyDict_GET_SIZE(kwargs)) {
            PyObject *key, *value;
            Py_ssize_t pos = 0;
            PyDict_Next(kwargs, &pos, &key, &value);
            PyErr_Format(PyExc_TypeError, "%s.__init__() got an unexpected keyword argument '%S'",
                         type_name(self), key);
        } else
            PyErr_Format(PyExc_TypeError, "%s.__init__() takes 1 positional argument but %zd were given",
                         type_name(self), PyTuple_GET_SIZE(args) + 1);
        return -1;
    }
    adopt(m);
    if (!m->dict && !(m->dict = PyDict_New())) return -1;
    PyObject *property = _PyType_Lookup(tp, rl_s_training);
    if (LIKELY(!property) ? PyDict_SetItem(m->dict, rl_s_training, Py_True)
                          : PyObject_GenericSetAttr(self, rl_s_training, Py_True))
        return -1;
    for (int k = 0; k < N_REGISTRIES; k++) {
        PyObject *d = PyDict_New();
        if (!d || PyDict_SetItem(m->dict, registry_names[k], d) < 0) {
            Py_XDECREF(d);
            return -1;
        }
        Py_XSETREF(m->registry[k], d);
    }
    if (!call_super) return 0;
    PyObject *parent = PyObject_CallFunctionObjArgs((PyObject *)&PySuper_Type, &rl_ModuleBase_Type, self, NULL);
    PyObject *init = parent ? PyObject_GetAttr(parent, rl_s___init__) : NULL;
    PyObject *done = init ? PyObject_Call(init, args, kwargs) : NULL;
    Py_XDECREF(parent);
    Py_XDECREF(init);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int module_traverse(PyObject *self, visitproc visit, void *arg)
{
    Module *m = (Module *)self;
    Py_VISIT(m->dict);
    for (int k = 0; k < N_REGISTRIES; k++) Py_VISIT(m->registry[k]);
    return 0;
}

static int module_clear(PyObject *self)
{
    Module *m = (Module *)self;
    for (int k = 0; k < N_REGISTRIES; k++) Py_CLEAR(m->registry[k]);
    Py_CLEAR(m->dict);
    return 0;
}

static void module_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    if (((Module *)self)->weakrefs) PyObject_ClearWeakRefs(self);
    module_clear(self);
    Py_TYPE(self)->tp_free(self);
}

static PyObject *module_getstate(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *dict = ((Module *)self)->dict;
    PyObject *state = dict ? PyDict_Copy(dict) : PyDict_New(), *name = rl_s__compiled_call_impl;
    if (state && PyDict_GetItemWithError(state, name) && PyDict_DelItem(state, name) < 0) Py_CLEAR(state);
    return state;
}

static PyObject *module_setstate(PyObject *self, PyObject *state)
{
    Module *m = (Module *)self;
    adopt(m);
    if (!m->dict && !(m->dict = PyDict_New())) return NULL;
    if (PyDict_Update(m->dict, state) < 0) return NULL;
    resync(m);
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- attributes */

static PyObject *no_attribute(PyObject *self, PyObject *name)
{
    PyObject *text = PyUnicode_FromFormat("'%s' object has no attribute '%U'", type_name(self), name);
    PyObject *error = text ? PyObject_CallOneArg(PyExc_AttributeError, text) : NULL;
    Py_XDECREF(text);
    if (!error) return NULL;
    /* Python's "Did you mean" reads these two. */
    if (!PyObject_SetAttr(error, rl_s_name, name) && !PyObject_SetAttr(error, rl_s_obj, self))
        PyErr_SetObject(PyExc_AttributeError, error);
    Py_DECREF(error);
    return NULL;
}

/* Module.__getattr__: what neither the class nor the instance dict has. */
static PyObject *module_getattr(PyObject *self, PyObject *name)
{
    Module *m = (Module *)self;
    if (!PyUnicode_Check(name)) return PyErr_Format(PyExc_TypeError, "attribute name must be string");
    for (int k = 0; k < N_REGISTRIES; k++) {
        PyObject *d = get_registry(m, k);
        if (!d || !PyDict_GET_SIZE(d)) continue;
        PyObject *value = PyDict_GetItemWithError(d, name);
        if (value) return Py_NewRef(value);
        if (PyErr_Occurred()) return NULL;
    }
    int kind = get_registry(m, PARAMETERS) ? special_kind(name) : -1;
    if (kind < IS_CALL_HOOKS) return no_attribute(self, name);
    PyObject *made = kind == IS_SET ? PySet_New(NULL) : PyODict_New();
    if (made && PyDict_SetItem(m->dict, name, made) < 0) Py_CLEAR(made);
    if (kind == IS_CALL_HOOKS) m->watch |= HOOKED;
    return made;
}

static PyObject *not_found(PyObject *self, PyObject *name)
{
    PyObject *own = _PyType_Lookup(Py_TYPE(self), rl_s___getattr__);
    if (LIKELY(own == base_getattr)) return module_getattr(self, name);
    Py_INCREF(own);
    PyObject *bound = Py_TYPE(own)->tp_descr_get
        ? Py_TYPE(own)->tp_descr_get(own, self, (PyObject *)Py_TYPE(self)) : Py_NewRef(own);
    PyObject *value = bound ? PyObject_CallOneArg(bound, name) : NULL;
    Py_DECREF(own);
    Py_XDECREF(bound);
    return value;
}

/* A property raised AttributeError: as in Python, `__getattr__` is asked next.  PyTorch then loses
 * the property's own error; here it stays as the context of the one that is raised. */
static PyObject *descriptor_failed(PyObject *self, PyObject *name)
{
    if (!PyErr_ExceptionMatches(PyExc_AttributeError)) return NULL;
    PyObject *type, *error, *tb;
    PyErr_Fetch(&type, &error, &tb);
    PyErr_NormalizeException(&type, &error, &tb);
    if (tb) PyException_SetTraceback(error, tb);
    PyObject *value = not_found(self, name);
    if (!value) {
        PyObject *type2, *error2, *tb2;
        PyErr_Fetch(&type2, &error2, &tb2);
        PyErr_NormalizeException(&type2, &error2, &tb2);
        if (error2 != error) PyException_SetContext(error2, Py_NewRef(error));
        PyErr_Restore(type2, error2, tb2);
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(tb);
    return value;
}

static PyObject *module_getattro(PyObject *self, PyObject *name)
{
    PyTypeObject *tp = Py_TYPE(self);
    PyObject *dict = ((Module *)self)->dict, *value;
    if (!PyUnicode_Check(name)) return PyObject_GenericGetAttr(self, name); /* raises */
    PyObject *descr = _PyType_Lookup(tp, name);
    descrgetfunc get = NULL;
    if (descr) {
        Py_INCREF(descr);
        get = Py_TYPE(descr)->tp_descr_get;
        if (get && Py_TYPE(descr)->tp_descr_set) {
            value = get(descr, self, (PyObject *)tp);
            Py_DECREF(descr);
            return LIKELY(value != NULL) ? value : descriptor_failed(self, name);
        }
    }
    if (dict) {
        value = PyDict_GetItemWithError(dict, name);
        if (value) {
            Py_INCREF(value);
            Py_XDECREF(descr);
            return value;
        }
        if (PyErr_Occurred()) {
            Py_XDECREF(descr);
            return NULL;
        }
    }
    if (!descr) return not_found(self, name);
    if (!get) return descr;
    value = get(descr, self, (PyObject *)tp);
    Py_DECREF(descr);
    return LIKELY(value != NULL) ? value : descriptor_failed(self, name);
}

/* Plain values and submodules are dealt with here; parameters, buffers and refusals in Python.
 * A method and not tp_setattro, because Python refuses `object.__setattr__(module, ...)` (the usual
 * way to hold a module without registering it) to a type with a native slot. */
static PyObject *module_setattr(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (wrong_count("__setattr__", nargs, 2)) return NULL;
    Module *m = (Module *)self;
    PyObject *name = args[0], *value = args[1];
    int is_module = PyObject_TypeCheck(value, rl_module_class);
    if (!PyUnicode_Check(name)) goto python;
    if (Py_TYPE(value) == parameter_type && !global_registration_hooks) {
        int done = rl_module_set_parameter(m, name, value);
        if (done < 0) return NULL;
        if (done) Py_RETURN_NONE;
    }
    if (tensor_type && PyObject_TypeCheck(value, tensor_type)) goto python;
    for (int k = 0; k < N_REGISTRIES; k++) {
        PyObject *d = get_registry(m, k);
        if (!d || !PyDict_GET_SIZE(d)) continue;
        int found = PyDict_Contains(d, name);
        if (found < 0) return NULL;
        if (found && !(is_module && k == MODULES)) goto python;
    }
    if (is_module) {
        PyObject *modules = get_registry(m, MODULES);
        if (!modules || global_registration_hooks) goto python;
        int shadow = PyDict_Contains(m->dict, name);
        if (shadow < 0 || (shadow && PyDict_DelItem(m->dict, name) < 0)) return NULL;
        if (PyObject_SetItem(modules, name, value) < 0) return NULL;
        Py_RETURN_NONE;
    }
    if (PyObject_GenericSetAttr(self, name, value) < 0) return NULL;
    if (special_kind(name) >= 0) resync(m);
    Py_RETURN_NONE;
python:
    return PyObject_CallMethodObjArgs(self, rl_s__assign, name, value, NULL);
}

static PyObject *module_delattr(PyObject *self, PyObject *name)
{
    Module *m = (Module *)self;
    for (int k = 0; k < N_REGISTRIES; k++) {
        PyObject *d = get_registry(m, k);
        int found = d ? PyDict_Contains(d, name) : 0;
        if (found < 0) return NULL;
        if (!found) continue;
        if (PyObject_DelItem(d, name) < 0) return NULL;
        PyObject *unsaved = k == BUFFERS ? PyDict_GetItemWithError(m->dict, rl_s__non_persistent_buffers_set) : NULL;
        if (unsaved && PySet_Check(unsaved) && PySet_Discard(unsaved, name) < 0) return NULL;
        Py_RETURN_NONE;
    }
    if (PyObject_GenericSetAttr(self, name, NULL) < 0) return NULL;
    if (PyUnicode_Check(name) && special_kind(name) >= 0) resync(m);
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- calls */

static int nonempty(PyObject *dict, PyObject *name)
{
    PyObject *hooks = PyDict_GetItemWithError(dict, name);
    return hooks && (!PyDict_Check(hooks) || PyDict_GET_SIZE(hooks));
}

static int has_hooks(Module *m)
{
    if (global_call_watch & HOOKED_BY_ALL) return 1;
    PyObject *d = m->dict;
    return d && (nonempty(d, rl_s__forward_hooks) || nonempty(d, rl_s__forward_pre_hooks) ||
                 nonempty(d, rl_s__backward_hooks) || nonempty(d, rl_s__backward_pre_hooks));
}

/* f(self, *args): in place where the caller left room before args, as bound methods do it. */
static PyObject *call_with_self(PyObject *f, PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (LIKELY(nargsf & PY_VECTORCALL_ARGUMENTS_OFFSET)) {
        PyObject **room = (PyObject **)args - 1, *kept = room[0];
        room[0] = self;
        PyObject *result = PyObject_Vectorcall(f, room, n + 1, kwnames);
        room[0] = kept;
        return result;
    }
    Py_ssize_t total = n + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    PyObject *few[8], **all = total < 8 ? few : PyMem_Malloc((total + 1) * sizeof(PyObject *));
    if (!all) return PyErr_NoMemory();
    all[0] = self;
    for (Py_ssize_t i = 0; i < total; i++) all[i + 1] = args[i];
    PyObject *result = PyObject_Vectorcall(f, all, n + 1, kwnames);
    if (all != few) PyMem_Free(all);
    return result;
}

/* Lets Python add the layer's path to the exception that is passing; never replaces it. */
static void annotate(PyObject *self)
{
    if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_StopIteration) ||
        PyErr_ExceptionMatches(PyExc_StopAsyncIteration))
        return;
    PyObject *type, *error, *tb;
    PyErr_Fetch(&type, &error, &tb);
    PyErr_NormalizeException(&type, &error, &tb);
    PyObject *done = PyObject_CallMethodOneArg(self, rl_s__annotate_error, error);
    if (!done) PyErr_Clear();
    Py_XDECREF(done);
    PyErr_Restore(type, error, tb);
}

static PyObject *call_named(PyObject *self, PyObject *name, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    PyObject *f = PyObject_GetAttr(self, name), *result = f ? PyObject_Vectorcall(f, args, nargsf, kwnames) : NULL;
    Py_XDECREF(f);
    if (!result) annotate(self);
    return result;
}

static PyObject *invoke(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    Module *m = (Module *)self;
    int hooked = 0;
    if (!LIKELY(!(m->watch | global_call_watch))) {
        hooked = has_hooks(m);
        if (global_call_watch & SPANS) {
            RLSpan span = rl_span_module(self);
            PyObject *result = call_named(self, hooked ? rl_s__call_with_hooks : rl_s_forward, args, nargsf, kwnames);
            rl_span_end(span, result);
            return result;
        }
    }
    if (LIKELY(!hooked)) {
        int own = m->dict && PyDict_GetItemWithError(m->dict, rl_s_forward); /* then it is not a method */
        PyObject *f = own ? NULL : _PyType_Lookup(Py_TYPE(self), rl_s_forward);
        if (LIKELY(f && PyType_HasFeature(Py_TYPE(f), Py_TPFLAGS_METHOD_DESCRIPTOR) &&
                   Py_TYPE(self)->tp_getattro == module_getattro)) {
            Py_INCREF(f);
            PyObject *result = call_with_self(f, self, args, nargsf, kwnames);
            Py_DECREF(f);
            if (!LIKELY(result != NULL)) annotate(self);
            return result;
        }
    } else if (!(global_call_watch & HOOKED_BY_ALL)) {
        const int plain = rl_module_hooks_are_plain(m);
        if (plain) {
            PyObject *result = plain < 0 ? NULL : rl_module_call_hooked(self, args, PyVectorcall_NARGS(nargsf), kwnames);
            if (!result) annotate(self);
            return result;
        }
    }
    return call_named(self, hooked ? rl_s__call_with_hooks : rl_s_forward, args, nargsf, kwnames);
}

void rl_module_spans(int on)
{
    global_call_watch = on ? global_call_watch | SPANS : global_call_watch & ~SPANS;
}

static PyObject *module_call(PyObject *self, PyObject *args, PyObject *kwargs)
{
    adopt((Module *)self); /* here because the instance was made without __init__, or by super().__call__ */
    Py_ssize_t n = PyTuple_GET_SIZE(args), nkw = kwargs ? PyDict_GET_SIZE(kwargs) : 0;
    if (!nkw) return invoke(self, &PyTuple_GET_ITEM(args, 0), n, NULL);
    PyObject *kwnames = PyTuple_New(nkw), *result = NULL;
    PyObject **all = PyMem_Malloc((n + nkw) * sizeof(PyObject *));
    if (!kwnames || !all) {
        PyErr_NoMemory();
        goto done;
    }
    for (Py_ssize_t i = 0; i < n; i++) all[i] = PyTuple_GET_ITEM(args, i);
    PyObject *key, *value;
    for (Py_ssize_t pos = 0, i = 0; PyDict_Next(kwargs, &pos, &key, &value); i++) {
        PyTuple_SET_ITEM(kwnames, i, Py_NewRef(key));
        all[n + i] = value;
    }
    result = invoke(self, all, n, kwnames);
done:
    Py_XDECREF(kwnames);
    PyMem_Free(all);
    return result;
}

static PyObject *module_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames)
{
    if (LIKELY(Py_TYPE(self)->tp_call == module_call)) return invoke(self, args, nargsf, kwnames);
    /* `__call__` was assigned to the class after its first instance (Python 3.11 keeps the flag). */
    Py_ssize_t n = PyVectorcall_NARGS(nargsf), nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *tuple = PyTuple_New(n), *kwargs = nkw ? PyDict_New() : NULL, *result = NULL;
    if (!tuple || (nkw && !kwargs)) goto done;
    for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; i < nkw; i++)
        if (PyDict_SetItem(kwargs, PyTuple_GET_ITEM(kwnames, i), args[n + i]) < 0) goto done;
    result = Py_TYPE(self)->tp_call(self, tuple, kwargs);
done:
    Py_XDECREF(tuple);
    Py_XDECREF(kwargs);
    return result;
}

static PyObject *module_call_impl(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    return invoke(self, args, nargs, kwnames);
}

/* Sequential.forward: each child in turn, without a Python frame between them. */
static PyObject *module_chain(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    if (nkw && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kwnames, 0), "input"))
        return PyErr_Format(PyExc_TypeError, "%s.forward() got an unexpected keyword argument '%S'",
                            type_name(self), PyTuple_GET_ITEM(kwnames, 0));
    if (nargs + nkw == 0)
        return PyErr_Format(PyExc_TypeError, "%s.forward() missing 1 required positional argument: 'input'",
                            type_name(self));
    if (nargs + nkw > 1)
        return PyErr_Format(PyExc_TypeError, "%s.forward() takes 2 positional arguments but %zd were given",
                            type_name(self), nargs + nkw + 1);
    PyObject *registered = get_registry((Module *)self, MODULES);
    PyObject *modules = registered ? plain_dict(registered) : PyDict_New();
    if (!modules) return NULL;
    PyObject *x = Py_NewRef(args[0]), *key, *child;
    Py_ssize_t size = PyDict_GET_SIZE(modules);
    for (Py_ssize_t pos = 0; PyDict_Next(modules, &pos, &key, &child);) {
        PyObject *room[2] = {NULL, x};
        Py_INCREF(child);
        PyObject *y = PyObject_Vectorcall(child, room + 1, 1 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
        Py_DECREF(child);
        Py_SETREF(x, y);
        if (!x) break;
        if (PyDict_GET_SIZE(modules) != size) {
            PyErr_SetString(PyExc_RuntimeError, "dictionary changed size during iteration");
            Py_CLEAR(x);
            break;
        }
    }
    Py_DECREF(modules);
    return x;
}

/* ---------------------------------------------------------------- the type */

/* An entry of the instance dict, or None: for Python code that must not make hook dicts by reading
 * them, nor mark the instance as EXPOSED. */
static PyObject *module_peek(PyObject *self, PyObject *name)
{
    PyObject *dict = ((Module *)self)->dict;
    PyObject *value = dict ? PyDict_GetItemWithError(dict, name) : NULL;
    if (!value && PyErr_Occurred()) return NULL;
    return Py_NewRef(value ? value : Py_None);
}

static PyObject *module_drop(PyObject *self, PyObject *name)
{
    PyObject *dict = ((Module *)self)->dict;
    int found = dict ? PyDict_Contains(dict, name) : 0;
    if (found < 0 || (found && PyDict_DelItem(dict, name) < 0)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *module_bind(PyObject *Py_UNUSED(none), PyObject *const *args, Py_ssize_t nargs)
{
    if (wrong_count("_bind", nargs, 3)) return NULL;
    if (!PyType_Check(args[0]) || !PyType_Check(args[1]) || !PyType_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "_bind() wants the classes Module, Tensor and Parameter");
        return NULL;
    }
    Py_XSETREF(rl_module_class, (PyTypeObject *)Py_NewRef(args[0]));
    Py_XSETREF(tensor_type, (PyTypeObject *)Py_NewRef(args[1]));
    Py_XSETREF(parameter_type, (PyTypeObject *)Py_NewRef(args[2]));
    Py_RETURN_NONE;
}

static PyObject *module_watch_calls(PyObject *Py_UNUSED(none), PyObject *Py_UNUSED(args))
{
    global_call_watch |= HOOKED_BY_ALL;
    Py_RETURN_NONE;
}

static PyObject *module_watch_registration(PyObject *Py_UNUSED(none), PyObject *Py_UNUSED(args))
{
    global_registration_hooks = 1;
    Py_RETURN_NONE;
}

#define FAST(f) (PyCFunction)(void (*)(void))f
static PyMethodDef module_methods[] = {
    {"__getattr__", module_getattr, METH_O, NULL},
    {"__setattr__", FAST(module_setattr), METH_FASTCALL, NULL},
    {"__delattr__", module_delattr, METH_O, NULL},
    {"__getstate__", module_getstate, METH_NOARGS, NULL},
    {"__setstate__", module_setstate, METH_O, NULL},
    {"_call_impl", FAST(module_call_impl), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_wrapped_call_impl", FAST(module_call_impl), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"_chain", FAST(module_chain), METH_FASTCALL | METH_KEYWORDS, NULL},
    {"train", FAST(rl_module_train), METH_FASTCALL | METH_KEYWORDS,
     "train($self, mode=True)\n--\n\nPuts this module and all below it in training mode (or, with False, in "
     "evaluation mode): Dropout and\nnormalisation layers behave differently in the two. Returns the module."},
    {"eval", rl_module_eval, METH_NOARGS,
     "eval($self)\n--\n\nPuts the module in evaluation mode: train(False). Returns the module."},
    {"zero_grad", FAST(rl_module_zero_grad), METH_FASTCALL | METH_KEYWORDS,
     "zero_grad($self, set_to_none=True)\n--\n\nDrops the gradients of all parameters, or fills them with zeros."},
    {"apply", rl_module_apply, METH_O,
     "apply($self, fn)\n--\n\nCalls ``fn`` with each module of the tree, children first; the usual way to "
     "initialise weights."},
    {"_members", FAST(rl_module_members), METH_FASTCALL, NULL},
    {"children", rl_module_children, METH_NOARGS,
     "children($self)\n--\n\nThe modules directly below this one, each once."},
    {"_count", rl_module_count, METH_NOARGS, NULL},
    {"_iterate", rl_module_iterate, METH_NOARGS, NULL},
    {"_get", rl_module_get, METH_O, NULL},
    {"_has", rl_module_has, METH_O, NULL},
    {"_at", rl_module_at, METH_O, NULL},
    {"_save_tree", FAST(rl_module_save_tree), METH_FASTCALL, NULL},
    {"_peek", module_peek, METH_O, NULL},
    {"_drop", module_drop, METH_O, NULL},
    {"_bind", FAST(module_bind), METH_FASTCALL | METH_STATIC, NULL},
    {"_watch_calls", module_watch_calls, METH_NOARGS | METH_STATIC, NULL},
    {"_watch_registration", module_watch_registration, METH_NOARGS | METH_STATIC, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef module_getset[] = {
    {"__dict__", module_get_dict, module_set_dict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyTypeObject rl_ModuleBase_Type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "rushlight._C.ModuleBase",
    .tp_doc = "The native base of nn.Module: calls, attributes, train() and walks over the tree.",
    .tp_basicsize = sizeof(Module),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_init = module_init,
    .tp_dealloc = module_dealloc,
    .tp_traverse = module_traverse,
    .tp_clear = module_clear,
    .tp_getattro = module_getattro,
    .tp_call = module_call,
    .tp_vectorcall_offset = offsetof(Module, vectorcall),
    .tp_dictoffset = offsetof(Module, dict),
    .tp_weaklistoffset = offsetof(Module, weakrefs),
    .tp_methods = module_methods,
    .tp_getset = module_getset,
};

static int add_special(const char *name, int kind)
{
    PyObject *key = PyUnicode_InternFromString(name), *value = PyLong_FromLong(kind);
    int status = key && value ? PyDict_SetItem(specials, key, value) : -1;
    if (!status && kind < N_REGISTRIES) registry_names[kind] = Py_NewRef(key);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return status;
}

int rl_module_init(PyObject *ext_module)
{
#define X(n) if (!(rl_s_##n = PyUnicode_InternFromString(#n))) return -1;
    NAMES(X)
#undef X
    static const struct { const char *name; int kind; } entries[] = {
        {"_parameters", PARAMETERS}, {"_buffers", BUFFERS}, {"_modules", MODULES},
        {"_forward_hooks", IS_CALL_HOOKS}, {"_forward_pre_hooks", IS_CALL_HOOKS},
        {"_backward_hooks", IS_CALL_HOOKS}, {"_backward_pre_hooks", IS_CALL_HOOKS},
        {"_forward_hooks_with_kwargs", IS_HOOKS}, {"_forward_hooks_always_called", IS_HOOKS},
        {"_forward_pre_hooks_with_kwargs", IS_HOOKS}, {"_state_dict_hooks", IS_HOOKS},
        {"_state_dict_pre_hooks", IS_HOOKS}, {"_load_state_dict_pre_hooks", IS_HOOKS},
        {"_load_state_dict_post_hooks", IS_HOOKS}, {"_non_persistent_buffers_set", IS_SET},
    };
    rl_module_class = (PyTypeObject *)Py_NewRef(&rl_ModuleBase_Type); /* until _bind */
    if (!(specials = PyDict_New())) return -1;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (add_special(entries[i].name, entries[i].kind) < 0) return -1;
    rl_ModuleBase_Type.tp_new = PyBaseObject_Type.tp_new; /* so that object.__new__(Net) is allowed, as in PyTorch */
    if (PyType_Ready(&rl_ModuleBase_Type) < 0) return -1;
    base_getattr = _PyType_Lookup(&rl_ModuleBase_Type, rl_s___getattr__);
    base_getattribute = _PyType_Lookup(&rl_ModuleBase_Type, rl_s___getattribute__);
    return PyModule_AddObjectRef(ext_module, "ModuleBase", (PyObject *)&rl_ModuleBase_Type);
}
