/* pytensor.h -- the parts of the Python-facing Tensor that live in files of their own. */
#ifndef RL_PYTENSOR_H
#define RL_PYTENSOR_H
#include "parse.h"

#define FASTKW_ARGS PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kw
extern struct PyModuleDef rl_module;
void rl_tensor_dealloc(PyObject *self);
int rl_tensor_traverse(PyObject *self, visitproc visit, void *arg);
int rl_tensor_clear(PyObject *self);
Tensor *rl_alias_op(Tensor *t);                              /* alias() with its history */

PyObject *rl_getitem(PyObject *self, PyObject *index);       /* index.c */
int rl_setitem(PyObject *self, PyObject *index, PyObject *value);
int rl_contains(PyObject *self, PyObject *value);
PyObject *rl_iter(PyObject *self);

PyObject *rl_py_backward(FASTKW_ARGS);                       /* pyautograd.c */
PyObject *rl_py_register_hook(PyObject *self, PyObject *hook);
PyObject *rl_py_register_post_hook(PyObject *self, PyObject *hook);
int rl_autograd_init(PyObject *m);

PyObject *rl_py_to(FASTKW_ARGS);                             /* create.c */
PyObject *rl_py_numpy(FASTKW_ARGS);
PyObject *rl_py_storage_bytes(PyObject *self, PyObject *u);
PyObject *rl_tensor_tp_new(PyTypeObject *type, PyObject *args, PyObject *kw);
Tensor *rl_tensor_from_py(PyObject *o, RLDType dtype, bool copy);
int rl_create_init(PyObject *m);
extern PyMethodDef rl_create_methods[];                      /* Tensor methods of create.c and interop.c */

int rl_pytypes_init(PyObject *m);
int rl_generator_init(PyObject *m);
int rl_module_init(PyObject *m);
int rl_optim_init(PyObject *m);
void rl_init_ops(void);
#endif
