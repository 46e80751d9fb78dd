/* init.c -- the extension module: types, operations, and the functions of every file. */
#include "parse.h"
#include "pytensor.h"
#include "rl_ops.h"

void rl_matmul_init(void);

struct PyModuleDef rl_module = {PyModuleDef_HEAD_INIT, .m_name = "rushlight._C", .m_doc = "The compiled core of rushlight.", .m_size = -1};

Tensor *rl_alias_op(Tensor *t) { return rl_same(t); }

/* Users and our own Python halves may add methods to these types, as they may to PyTorch's. */
static int ready(PyTypeObject *type) {
    if (PyType_Ready(type) < 0) return -1;
#ifdef Py_TPFLAGS_IMMUTABLETYPE
    type->tp_flags &= ~Py_TPFLAGS_IMMUTABLETYPE;
#endif
    return 0;
}

static int add_operations(PyObject *m) {
    PyObject *root = PyList_New(0);
    if (!root) return -1;
    for (int i = 0; i < rl_op_count; i++) {
        const OpDef *d = &rl_op_table[i];
        PyObject *o = rl_op_object(d, d->method);
        if (!o) return -1;
        int bad = d->method ? PyDict_SetItemString(RLTensor_Type.tp_dict, d->name, o) : PyModule_AddObjectRef(m, d->name, o);
        if (bad == 0 && d->root && d->function) {
            PyObject *name = PyUnicode_InternFromString(d->name);
            bad = name ? PyList_Append(root, name) : -1;
            Py_XDECREF(name);
        }
        Py_DECREF(o);
        if (bad < 0) return -1;
    }
    PyType_Modified(&RLTensor_Type);
    int r = PyModule_AddObjectRef(m, "_root_names", root);
    Py_DECREF(root);
    return r;
}

PyMODINIT_FUNC PyInit__C(void) {
    PyObject *m = PyModule_Create(&rl_module);
    if (!m || PyState_AddModule(m, &rl_module) < 0) return NULL;
    rl_init_ops();
    rl_matmul_init();
    if (rl_pytypes_init(m) < 0 || PyType_Ready(&RLFunction_Type) < 0 || PyType_Ready(&RLMethod_Type) < 0) goto fail;
    if (ready(&RLTensor_Type) < 0 || ready(&RLParameter_Type) < 0) goto fail;
    if (PyModule_AddObjectRef(m, "Tensor", (PyObject *)&RLTensor_Type) < 0 ||
        PyModule_AddObjectRef(m, "Parameter", (PyObject *)&RLParameter_Type) < 0) goto fail;
    if (add_operations(m) < 0 || rl_create_init(m) < 0 || rl_autograd_init(m) < 0 || rl_generator_init(m) < 0) goto fail;
    if (rl_module_init(m) < 0 || rl_optim_init(m) < 0) goto fail;
    return m;
fail:
    Py_DECREF(m);
    return NULL;
}
