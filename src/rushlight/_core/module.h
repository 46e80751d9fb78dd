/* module.h -- what module.c (the type: attributes and calls), module_tree.c (walks) and module_state.c (members) share. */
#ifndef RL_MODULE_H
#define RL_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#if defined(__GNUC__) || defined(__clang__)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define LIKELY(x) (x)
#endif

enum { PARAMETERS, BUFFERS, MODULES, N_REGISTRIES };
enum { HOOKED = 1, EXPOSED = 2 };

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *dict, *weakrefs;
    PyObject *registry[N_REGISTRIES]; /* strong, the same objects as in dict; NULL before __init__ */
    unsigned watch;                   /* 0: no hook can exist, registry[] is right */
} Module;

extern PyTypeObject rl_ModuleBase_Type;
extern PyTypeObject *rl_module_class; /* nn.Module, once module.py has bound it */

/* Interned: rl_s_forward is "forward". */
#define NAMES(X) \
    X(forward) X(training) X(train) X(grad) X(parameters) X(named_parameters) X(named_modules) \
    X(call_super_init) X(__init__) X(__getattr__) X(__setattr__) X(__getattribute__) X(name) X(obj) \
    X(_call_with_hooks) X(_annotate_error) X(_assign) X(_zero_grad) X(_is_replica) \
    X(_compiled_call_impl) X(_non_persistent_buffers_set) \
    X(_forward_hooks) X(_forward_pre_hooks) X(_backward_hooks) X(_backward_pre_hooks) \
    X(register_parameter) X(children) X(named_children) X(apply) X(grad_fn) X(values) X(detach) X(version) X(_version) \
    X(state_dict) X(_save_to_state_dict) X(_persistent_state) X(get_extra_state) \
    X(_state_dict_hooks) X(_state_dict_pre_hooks) X(_forward_hooks_always_called) \
    X(_slice) X(_forward_hooks_with_kwargs) X(_forward_pre_hooks_with_kwargs) \
    X(_walk_children) X(_iterate) X(__iter__) X(_count) X(__len__) X(_at) X(_get) X(__getitem__)
#define X(n) extern PyObject *rl_s_##n;
NAMES(X)
#undef X

PyObject *rl_module_exposed_registry(Module *m, int which);

static inline PyObject *get_registry(Module *m, int which) /* borrowed; NULL without an error: not there */
{
    return LIKELY(!(m->watch & EXPOSED)) ? m->registry[which] : rl_module_exposed_registry(m, which);
}

/* A dict that PyDict_Next walks in the right order: an OrderedDict keeps its order elsewhere. */
static inline PyObject *plain_dict(PyObject *d) /* new reference */
{
    if (LIKELY(PyDict_CheckExact(d))) return Py_NewRef(d);
    return PyObject_CallOneArg((PyObject *)&PyDict_Type, d);
}

static inline int wrong_count(const char *method, Py_ssize_t got, Py_ssize_t wanted)
{
    if (got == wanted) return 0;
    PyErr_Format(PyExc_TypeError, "%s() takes exactly %zd arguments (%zd given)", method, wanted, got);
    return 1;
}

static inline int module_inherits(PyTypeObject *tp, PyObject *name) /* not overridden below nn.Module */
{
    return tp == rl_module_class || _PyType_Lookup(tp, name) == _PyType_Lookup(rl_module_class, name);
}

/* Methods that module_tree.c gives to the type. */
PyObject *rl_module_train(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *rl_module_eval(PyObject *self, PyObject *none);
PyObject *rl_module_zero_grad(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *rl_module_members(PyObject *self, PyObject *const *args, Py_ssize_t nargs);

/* And module_state.c. */
int rl_module_set_parameter(Module *m, PyObject *name, PyObject *parameter);
PyObject *rl_module_children(PyObject *self, PyObject *none);
PyObject *rl_module_apply(PyObject *self, PyObject *fn);
PyObject *rl_module_count(PyObject *self, PyObject *none);
PyObject *rl_module_iterate(PyObject *self, PyObject *none);
PyObject *rl_module_get(PyObject *self, PyObject *name);
PyObject *rl_module_has(PyObject *self, PyObject *name);
PyObject *rl_module_at(PyObject *self, PyObject *index);
void rl_module_adopt_container(PyTypeObject *tp);
int rl_module_hooks_are_plain(Module *m);
PyObject *rl_module_call_hooked(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
PyObject *rl_module_save_tree(PyObject *self, PyObject *const *args, Py_ssize_t nargs);

#endif
