/* init.c -- the extension module: types, operations, and the functions of every file. */
#include "parse.h"
#include "pytensor.h"
#include "rl_ops.h"
#include "profile.h"


struct PyModuleDef rl_module = {PyModuleDef_HEAD_INIT, .m_name = "rushlight._C", .m_doc = "The compiled core of rushlight.", .m_size = -1};

Tensor *rl_alias_op(Tensor *t) { return rl_same(t); }

/* Operations under their names; those of nn.functional and other namespaces are kept out of the root. */
static int add_operations(PyObject *m, PyObject *hidden) {
    for (int i = 0; i < rl_op_count; i++) {
        const OpDef *d = &rl_op_table[i];
        PyObject *o = rl_op_object(d, d->method), *name = o ? PyUnicode_InternFromString(d->name) : NULL;
        if (!name) return -1;
        int bad = PyDict_SetItem(d->method ? RLTensor_Type.tp_dict : PyModule_GetDict(m), name, o);
        if (bad == 0 && d->function && !d->root) bad = PySet_Add(hidden, name);
        Py_DECREF(name);
        Py_DECREF(o);
        if (bad < 0) return -1;
    }
    PyType_Modified(&RLTensor_Type);
    return 0;
}

static int add_methods(PyMethodDef *methods) {
    for (PyMethodDef *d = methods; d->ml_name; d++) {
        PyObject *o = PyDescr_NewMethod(&RLTensor_Type, d);
        if (!o || PyDict_SetItemString(RLTensor_Type.tp_dict, d->ml_name, o) < 0) return -1;
        Py_DECREF(o);
    }
    PyType_Modified(&RLTensor_Type);
    return 0;
}

/* Libraries over torch call it in constructors; nothing is logged. */
static PyObject *log_api_usage_once(PyObject *m, PyObject *event) { (void)m; (void)event; Py_RETURN_NONE; }
static PyMethodDef functions[] = {{"_log_api_usage_once", log_api_usage_once, METH_O, NULL}, {0}};

/* What `import rushlight` puts into its namespace in one go. */
static int add_root(PyObject *m, PyObject *hidden) {
    PyObject *root = PyDict_New(), *key, *value;
    Py_ssize_t at = 0;
    if (!root) return -1;
    while (PyDict_Next(PyModule_GetDict(m), &at, &key, &value)) {
        if (PyUnicode_READ_CHAR(key, 0) == '_' || PySet_Contains(hidden, key)) continue;
        if (PyDict_SetItem(root, key, value) < 0) return -1;
    }
    int r = PyModule_AddObjectRef(m, "_root", root);
    Py_DECREF(root);
    return r;
}

PyMODINIT_FUNC PyInit__C(void) {
    PyObject *m = PyModule_Create(&rl_module), *hidden = PySet_New(NULL);
    if (!m || !hidden || PyState_AddModule(m, &rl_module) < 0) return NULL;
    rl_threads_init();
    rl_init_ops();
    if (PyModule_AddFunctions(m, functions) < 0 || rl_pytypes_init(m) < 0 || PyType_Ready(&RLFunction_Type) < 0 || PyType_Ready(&RLMethod_Type) < 0) goto fail;
    if (rl_ready_type(&RLTensor_Type) < 0 || rl_ready_type(&RLParameter_Type) < 0) goto fail;
    if (PyModule_AddObjectRef(m, "Tensor", (PyObject *)&RLTensor_Type) < 0 ||
        PyModule_AddObjectRef(m, "Parameter", (PyObject *)&RLParameter_Type) < 0) goto fail;
    if (add_operations(m, hidden) < 0 || add_methods(rl_create_methods) < 0 || rl_create_init(m) < 0 || rl_autograd_init(m) < 0 || rl_generator_init(m) < 0) goto fail;
    if (rl_module_init(m) < 0 || rl_optim_init(m) < 0 || rl_profile_init(m) < 0 || add_root(m, hidden) < 0) goto fail;
    Py_DECREF(hidden);
    return m;
fail:
    Py_DECREF(m);
    return NULL;
}
