/* module_state.c -- what ModuleBase does with the members of one module: registering a parameter,
 * listing children, the containers' access by place, and state_dict().
 *
 * Each function takes the plain case, where a class overrides nothing that would be seen; the rest
 * is left to Python, in module.py and _state.py.
 */
#include "module.h"

/* ---------------------------------------------------------------- registering */

/* `module.name = parameter`: 1 done, 0 for Python to decide, -1 an error. `parameter` is exactly of the
 * class Parameter. A name that means anything else to the class or the instance is Python's. */
int rl_module_set_parameter(Module *m, PyObject *name, PyObject *parameter)
{
    PyObject *params = get_registry(m, PARAMETERS);
    if (!params || !m->dict || !module_inherits(Py_TYPE(m), rl_s_register_parameter)) return 0;
    int known = PyDict_Contains(params, name);
    if (known < 0) return -1;
    if (!known) {
        if (_PyType_Lookup(Py_TYPE(m), name) || PyUnicode_GET_LENGTH(name) == 0) return 0;
        if (PyUnicode_FindChar(name, '.', 0, PyUnicode_GET_LENGTH(name), 1) != -1) return 0;
        PyObject *const others[] = {m->dict, get_registry(m, BUFFERS), get_registry(m, MODULES)};
        for (int k = 0; k < 3; k++) {
            int taken = others[k] ? PyDict_Contains(others[k], name) : 0;
            if (taken) return taken < 0 ? -1 : 0;
        }
    }
    PyObject *made_by = PyObject_GetAttr(parameter, rl_s_grad_fn);
    if (!made_by) return -1;
    Py_DECREF(made_by);
    if (made_by != Py_None) return 0;
    return PyObject_SetItem(params, name, parameter) < 0 ? -1 : 1;
}

/* ---------------------------------------------------------------- children */

/* Whether a module equals one in the list, as a set would have it. */
static int is_listed(PyObject *list, PyObject *module)
{
    int found = 0;
    for (Py_ssize_t i = 0; !found && i < PyList_GET_SIZE(list); i++) {
        PyObject *other = PyList_GET_ITEM(list, i);
        if (other == module) return 1;
        /* Modules are equal to themselves alone, unless a class says otherwise. */
        if (Py_TYPE(module)->tp_richcompare != PyBaseObject_Type.tp_richcompare)
            found = PyObject_RichCompareBool(other, module, Py_EQ);
    }
    return found;
}

/* The modules directly below, each once, as a list; NULL without an error where a class overrides named_children, or
 * where there are many: Python then walks with a set. */
static PyObject *children_list(PyObject *self)
{
    enum { MANY = 64 };
    PyObject *registered = get_registry((Module *)self, MODULES), *key, *child;
    if (!registered || PyDict_GET_SIZE(registered) > MANY || !module_inherits(Py_TYPE(self), rl_s_named_children))
        return NULL;
    PyObject *modules = plain_dict(registered), *out = PyList_New(0);
    int status = modules && out ? 0 : -1;
    for (Py_ssize_t pos = 0; !status && PyDict_Next(modules, &pos, &key, &child);) {
        if (child == Py_None) continue;
        Py_INCREF(child);
        int listed = is_listed(out, child);
        status = listed < 0 ? -1 : listed ? 0 : PyList_Append(out, child);
        Py_DECREF(child);
    }
    Py_XDECREF(modules);
    if (status < 0) Py_CLEAR(out);
    return out;
}

PyObject *rl_module_children(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *list = children_list(self);
    if (!list) return PyErr_Occurred() ? NULL : PyObject_CallMethodNoArgs(self, rl_s__walk_children);
    PyObject *iterator = PyObject_GetIter(list);
    Py_DECREF(list);
    return iterator;
}

/* apply(fn): calls fn with each module of the tree, children first. */
PyObject *rl_module_apply(PyObject *self, PyObject *fn)
{
    PyObject *children = module_inherits(Py_TYPE(self), rl_s_children) ? children_list(self) : NULL;
    if (!children && !PyErr_Occurred()) {
        PyObject *walked = PyObject_CallMethodNoArgs(self, rl_s_children);
        children = walked ? PySequence_List(walked) : NULL;
        Py_XDECREF(walked);
    }
    if (!children || Py_EnterRecursiveCall(" in Module.apply")) {
        Py_XDECREF(children);
        return NULL;
    }
    PyObject *done = Py_NewRef(Py_None);
    for (Py_ssize_t i = 0; done && i < PyList_GET_SIZE(children); i++) {
        PyObject *child = PyList_GET_ITEM(children, i);
        int plain = PyObject_TypeCheck(child, rl_module_class) && module_inherits(Py_TYPE(child), rl_s_apply);
        Py_SETREF(done, plain ? rl_module_apply(child, fn) : PyObject_CallMethodOneArg(child, rl_s_apply, fn));
    }
    Py_LeaveRecursiveCall();
    Py_DECREF(children);
    if (done) Py_SETREF(done, PyObject_CallOneArg(fn, self));
    if (!done) return NULL;
    Py_DECREF(done);
    return Py_NewRef(self);
}

static PyObject *children_dict(PyObject *self) /* borrowed */
{
    PyObject *modules = get_registry((Module *)self, MODULES);
    if (!modules && !PyErr_Occurred()) PyErr_SetString(PyExc_AttributeError, "_modules");
    return modules;
}

/* len() of a container. */
static Py_ssize_t container_length(PyObject *self)
{
    PyObject *modules = children_dict(self);
    return modules ? PyDict_GET_SIZE(modules) : -1;
}

PyObject *rl_module_count(PyObject *self, PyObject *Py_UNUSED(none))
{
    Py_ssize_t n = container_length(self);
    return n < 0 ? NULL : PyLong_FromSsize_t(n);
}

/* iter() of a row of modules. */
PyObject *rl_module_iterate(PyObject *self, PyObject *Py_UNUSED(none))
{
    PyObject *modules = children_dict(self);
    PyObject *values = modules ? PyObject_CallMethodNoArgs(modules, rl_s_values) : NULL;
    PyObject *iterator = values ? PyObject_GetIter(values) : NULL;
    Py_XDECREF(values);
    return iterator;
}

/* _get(name) and _has(name): the child of a name. */
PyObject *rl_module_get(PyObject *self, PyObject *name)
{
    PyObject *modules = children_dict(self);
    return modules ? PyObject_GetItem(modules, name) : NULL;
}

PyObject *rl_module_has(PyObject *self, PyObject *name)
{
    PyObject *modules = children_dict(self);
    int found = modules ? PyDict_Contains(modules, name) : -1;
    return found < 0 ? NULL : PyBool_FromLong(found);
}

/* _at(i): the child at a place, counted from the end where negative; what _slice makes of a slice. */
PyObject *rl_module_at(PyObject *self, PyObject *index)
{
    if (PySlice_Check(index)) return PyObject_CallMethodOneArg(self, rl_s__slice, index);
    PyObject *registered = children_dict(self), *key, *child = NULL;
    if (!registered) return NULL;
    Py_ssize_t i = PyNumber_AsSsize_t(index, PyExc_IndexError), n = PyDict_GET_SIZE(registered);
    if (i == -1 && PyErr_Occurred()) return NULL;
    if (i < -n || i >= n) return PyErr_Format(PyExc_IndexError, "index %zd is out of range", i);
    PyObject *modules = plain_dict(registered);
    if (!modules) return NULL;
    i += i < 0 ? n + 1 : 1;
    for (Py_ssize_t pos = 0; i > 0 && PyDict_Next(modules, &pos, &key, &child);) i--;
    Py_XINCREF(child);
    Py_DECREF(modules);
    return child;
}

static PyObject *container_iterate(PyObject *self) { return rl_module_iterate(self, NULL); }

/* Python calls the methods of a class by looking them up.  Where a container has these as they are, its slots lead to
 * them at once. */
void rl_module_adopt_container(PyTypeObject *tp)
{
    PyHeapTypeObject *heap = (PyHeapTypeObject *)tp;
#define HAS(NAME, METHOD) (_PyType_Lookup(tp, rl_s_##NAME) == _PyType_Lookup(&rl_ModuleBase_Type, rl_s_##METHOD))
    if (HAS(__iter__, _iterate)) tp->tp_iter = container_iterate;
    if (HAS(__len__, _count)) heap->as_sequence.sq_length = heap->as_mapping.mp_length = container_length;
    if (HAS(__getitem__, _at)) heap->as_mapping.mp_subscript = rl_module_at;
    if (HAS(__getitem__, _get)) heap->as_mapping.mp_subscript = rl_module_get;
#undef HAS
}

/* ---------------------------------------------------------------- hooks */

/* Whether no hook of this module wants gradients, keyword arguments, or to be called after an error. Looks at the
 * instance alone. -1: an error. */
int rl_module_hooks_are_plain(Module *m)
{
    PyObject *const others[] = {rl_s__backward_hooks, rl_s__backward_pre_hooks, rl_s__forward_hooks_always_called,
                                rl_s__forward_hooks_with_kwargs, rl_s__forward_pre_hooks_with_kwargs};
    for (int k = 0; m->dict && k < 5; k++) {
        PyObject *own = PyDict_GetItemWithError(m->dict, others[k]);
        int any = own ? PyObject_IsTrue(own) : PyErr_Occurred() ? -1 : 0;
        if (any) return any < 0 ? -1 : 0;
    }
    return 1;
}

/* The hooks of a kind in their order, as (id, hook) pairs; NULL without an error: there are none. */
static PyObject *hooks_of(Module *m, PyObject *kind)
{
    PyObject *hooks = m->dict ? PyDict_GetItemWithError(m->dict, kind) : NULL;
    int any = hooks ? PyObject_IsTrue(hooks) : 0;
    return any > 0 ? PyMapping_Items(hooks) : NULL;
}

static PyObject *keyword_dict(PyObject *const *values, PyObject *names)
{
    PyObject *dict = PyDict_New();
    for (Py_ssize_t i = 0; dict && names && i < PyTuple_GET_SIZE(names); i++)
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(names, i), values[i]) < 0) Py_CLEAR(dict);
    return dict;
}

/* What the hooks make of `*arguments`, a tuple that is replaced. */
static int run_pre_hooks(PyObject *self, PyObject *hooks, PyObject **arguments)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(hooks); i++) {
        PyObject *hook = PyTuple_GET_ITEM(PyList_GET_ITEM(hooks, i), 1);
        PyObject *made = PyObject_Vectorcall(hook, (PyObject *[]){self, *arguments}, 2, NULL);
        if (!made) return -1;
        if (made == Py_None) Py_DECREF(made);
        else if (PyTuple_Check(made)) Py_SETREF(*arguments, made);
        else {
            PyObject *one = PyTuple_Pack(1, made);
            Py_DECREF(made);
            if (!one) return -1;
            Py_SETREF(*arguments, one);
        }
    }
    return 0;
}

/* What the hooks make of `result`, which is taken over. */
static PyObject *run_hooks(PyObject *self, PyObject *hooks, PyObject *arguments, PyObject *const *keywords, PyObject *kwnames,
                           PyObject *result)
{
    /* forward may just have added a hook that wants keyword arguments */
    PyObject *with_kwargs = PyDict_GetItemWithError(((Module *)self)->dict, rl_s__forward_hooks_with_kwargs);
    Py_XINCREF(with_kwargs);
    for (Py_ssize_t i = 0; result && i < PyList_GET_SIZE(hooks); i++) {
        PyObject *pair = PyList_GET_ITEM(hooks, i), *hook = PyTuple_GET_ITEM(pair, 1), *made = NULL;
        int wanted = with_kwargs ? PySequence_Contains(with_kwargs, PyTuple_GET_ITEM(pair, 0)) : 0;
        if (wanted > 0) {
            PyObject *kwargs = keyword_dict(keywords, kwnames);
            if (kwargs) made = PyObject_Vectorcall(hook, (PyObject *[]){self, arguments, kwargs, result}, 4, NULL);
            Py_XDECREF(kwargs);
        } else if (wanted == 0) {
            made = PyObject_Vectorcall(hook, (PyObject *[]){self, arguments, result}, 3, NULL);
        }
        if (made == Py_None) Py_DECREF(made);
        else Py_SETREF(result, made);
    }
    Py_XDECREF(with_kwargs);
    return result;
}

/* The usual call with hooks: those of this module alone, around forward, that asked for nothing special. */
PyObject *rl_module_call_hooked(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames)
{
    PyObject *const *keywords = args + nargs;
    PyObject *arguments = PyTuple_New(nargs), *result = NULL, *forward = NULL, *hooks = NULL;
    if (!arguments) return NULL;
    for (Py_ssize_t i = 0; i < nargs; i++) PyTuple_SET_ITEM(arguments, i, Py_NewRef(args[i]));
    hooks = hooks_of((Module *)self, rl_s__forward_pre_hooks);
    if (hooks ? run_pre_hooks(self, hooks, &arguments) < 0 : PyErr_Occurred() != NULL) goto done;
    forward = PyObject_GetAttr(self, rl_s_forward);
    if (!forward) goto done;
    if (!hooks) {
        result = PyObject_Vectorcall(forward, args, (size_t)nargs, kwnames);
    } else {
        PyObject *kwargs = kwnames ? keyword_dict(keywords, kwnames) : NULL;
        if (kwargs || !kwnames) result = PyObject_Call(forward, arguments, kwargs);
        Py_XDECREF(kwargs);
    }
    if (!result) goto done;
    Py_XSETREF(hooks, hooks_of((Module *)self, rl_s__forward_hooks));
    if (hooks) result = run_hooks(self, hooks, arguments, keywords, kwnames, result);
    else if (PyErr_Occurred()) Py_CLEAR(result);
done:
    Py_XDECREF(hooks);
    Py_XDECREF(forward);
    Py_DECREF(arguments);
    return result;
}

/* ---------------------------------------------------------------- state_dict */

typedef struct {
    PyObject *destination, *metadata; /* metadata NULL: not wanted */
    PyObject *keep_vars;
} Saving;

/* True where state_dict() of this module does what Module.state_dict does, no more. */
static int saves_plainly(Module *m)
{
    PyTypeObject *tp = Py_TYPE(m);
    PyObject *const methods[] = {rl_s_state_dict, rl_s__save_to_state_dict, rl_s__persistent_state, rl_s_get_extra_state};
    PyObject *const hooks[] = {rl_s__state_dict_hooks, rl_s__state_dict_pre_hooks};
    for (int k = 0; k < 4; k++)
        if (!module_inherits(tp, methods[k])) return 0;
    for (int k = 0; k < N_REGISTRIES; k++)
        if (!get_registry(m, k)) return 0;
    for (int k = 0; k < 2; k++) {
        PyObject *own = PyDict_GetItemWithError(m->dict, hooks[k]);
        if (own && PyObject_IsTrue(own)) return 0;
    }
    return 1;
}

static int save_members(const Saving *s, PyObject *registered, PyObject *prefix, PyObject *unsaved)
{
    if (!PyDict_GET_SIZE(registered)) return 0;
    PyObject *members = plain_dict(registered), *key, *value;
    int status = members ? 0 : -1;
    for (Py_ssize_t pos = 0; !status && PyDict_Next(members, &pos, &key, &value);) {
        if (value == Py_None) continue;
        int skip = unsaved ? PySet_Contains(unsaved, key) : 0;
        if (skip > 0) continue;
        PyObject *path = skip < 0 ? NULL : PyUnicode_Concat(prefix, key);
        PyObject *saved = !path ? NULL
                        : s->keep_vars == Py_True ? Py_NewRef(value) : PyObject_CallMethodNoArgs(value, rl_s_detach);
        status = saved ? PyObject_SetItem(s->destination, path, saved) : -1;
        Py_XDECREF(path);
        Py_XDECREF(saved);
    }
    Py_XDECREF(members);
    return status;
}

static int save(const Saving *s, Module *m, PyObject *prefix);

static int save_child(const Saving *s, PyObject *child, PyObject *prefix)
{
    if (PyObject_TypeCheck(child, &rl_ModuleBase_Type) && saves_plainly((Module *)child))
        return save(s, (Module *)child, prefix);
    if (PyErr_Occurred()) return -1;
    PyObject *method = PyObject_GetAttr(child, rl_s_state_dict), *none = PyTuple_New(0), *done = NULL;
    PyObject *words = Py_BuildValue("{sOsOsO}", "destination", s->destination, "prefix", prefix, "keep_vars", s->keep_vars);
    if (method && none && words) done = PyObject_Call(method, none, words);
    Py_XDECREF(method);
    Py_XDECREF(none);
    Py_XDECREF(words);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int save(const Saving *s, Module *m, PyObject *prefix)
{
    if (s->metadata) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(prefix);
        PyObject *path = PyUnicode_Substring(prefix, 0, length ? length - 1 : 0), *about = PyDict_New();
        PyObject *version = path && about ? PyObject_GetAttr((PyObject *)m, rl_s__version) : NULL;
        int failed = !version || PyDict_SetItem(about, rl_s_version, version) < 0 ||
                     PyObject_SetItem(s->metadata, path, about) < 0;
        Py_XDECREF(path);
        Py_XDECREF(about);
        Py_XDECREF(version);
        if (failed) return -1;
    }
    PyObject *unsaved = PyDict_GetItemWithError(m->dict, rl_s__non_persistent_buffers_set);
    if (unsaved && !(PySet_Check(unsaved) && PySet_GET_SIZE(unsaved))) unsaved = NULL;
    if (save_members(s, get_registry(m, PARAMETERS), prefix, NULL) < 0) return -1;
    if (save_members(s, get_registry(m, BUFFERS), prefix, unsaved) < 0) return -1;
    PyObject *registered = get_registry(m, MODULES), *key, *child;
    if (!PyDict_GET_SIZE(registered)) return 0;
    PyObject *modules = plain_dict(registered);
    if (!modules || Py_EnterRecursiveCall(" in Module.state_dict")) {
        Py_XDECREF(modules);
        return -1;
    }
    int status = 0;
    for (Py_ssize_t pos = 0; !status && PyDict_Next(modules, &pos, &key, &child);) {
        if (child == Py_None) continue;
        Py_INCREF(child);
        PyObject *path = PyUnicode_FromFormat("%U%U.", prefix, key);
        status = path ? save_child(s, child, path) : -1;
        Py_XDECREF(path);
        Py_DECREF(child);
    }
    Py_LeaveRecursiveCall();
    Py_DECREF(modules);
    return status;
}

/* _save_tree(destination, metadata or None, prefix, keep_vars) -> bool: False, and nothing done, where this module
 * needs Python; below it each module decides for itself. */
PyObject *rl_module_save_tree(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (wrong_count("_save_tree", nargs, 4)) return NULL;
    if (!PyUnicode_Check(args[2]) || !PyBool_Check(args[3]) || !saves_plainly((Module *)self))
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
    const Saving s = {args[0], args[1] == Py_None ? NULL : args[1], args[3]};
    return save(&s, (Module *)self, args[2]) < 0 ? NULL : Py_NewRef(Py_True);
}
