/* create.h -- the ways in and out of the core: what create.c, convert.c, interop.c, storage_object.c and
 * factory.c share. */
#ifndef RL_CREATE_H
#define RL_CREATE_H
#include "pytensor.h"

extern int rl_default_device;                                /* torch.set_default_device */
extern PyMethodDef rl_create_methods[];                      /* methods of Tensor, beside those of pytensor.c */
extern PyTypeObject RLTensorType_Type, RLUntypedStorage_Type, RLTypedStorage_Type;

Tensor *rl_with_grad(Tensor *t, bool requires_grad);         /* takes over t; NULL when its dtype has no gradients */
Tensor *rl_to_device(Tensor *t, int device);                 /* new reference, maybe t itself */
PyObject *rl_legacy_new(PyObject *args, PyObject *kw, RLDType dtype, bool typed);
RLDType rl_tensortype_dtype(PyObject *o);                    /* of torch.FloatTensor; RL_NODTYPE: not one */

/* convert.c: FASTCALL or METH_* functions for the table in create.c */
PyObject *rl_py_cuda(FASTKW_ARGS);
PyObject *rl_py_deepcopy(PyObject *self, PyObject *memo);
PyObject *rl_py_reduce_ex(PyObject *self, PyObject *protocol);
PyObject *rl_py_format(PyObject *self, PyObject *spec);
PyObject *rl_py_complex(PyObject *self, PyObject *unused);

/* interop.c */
bool rl_is_numpy(PyObject *o);                               /* an ndarray or one of NumPy's scalars */
Tensor *rl_from_numpy_array(PyObject *array, bool warn);     /* over the same memory */
RLDType rl_numpy_dtype(PyObject *array);                     /* RL_NODTYPE and an error: no dtype of ours */
Tensor *rl_from_dlpack_object(PyObject *o);
Tensor *rl_from_buffer(PyObject *o, RLDType dt, int64_t count, int64_t offset);
void rl_pin_block(Storage *s);                               /* its address has been handed out: no more resizing */
PyObject *rl_py_array(FASTKW_ARGS);
PyObject *rl_py_array_wrap(FASTKW_ARGS);
PyObject *rl_py_dlpack(FASTKW_ARGS);
PyObject *rl_py_dlpack_device(PyObject *self, PyObject *unused);
int rl_interop_init(PyObject *m);

/* storage_object.c */
PyObject *rl_storage_object(Storage *s);                     /* the one UntypedStorage of s */
Storage *rl_storage_of(PyObject *o, RLDType *dtype);         /* borrowed; NULL: not a storage. dtype: NODTYPE if untyped */
PyObject *rl_py_storage(PyObject *self, PyObject *unused);
PyObject *rl_py_untyped_storage(PyObject *self, PyObject *unused);
int rl_storage_init(PyObject *m);
#endif
