/* pyautograd.h -- what the files behind rushlight.autograd share. */
#ifndef RL_PYAUTOGRAD_H
#define RL_PYAUTOGRAD_H
#include "parse.h"

/* node.c: the slots of Node, for the types derived from it. */
void rl_node_dealloc(PyObject *self);
int rl_node_traverse(PyObject *self, visitproc visit, void *arg);
int rl_node_clear(PyObject *self);

/* A node as Python sees it (new reference): from then on its type is that of its operation, so that
 * type(y.grad_fn).__name__ is "MulBackward0" and grad_fn._saved_self exists.  NULL gives None. */
PyObject *rl_node_object(Node *n);
/* Adds a hook to the OrderedDict in *slot, which is made if need be; returns its RemovableHandle. */

extern PyTypeObject RLFunctionNode_Type;                     /* pyfunction.c: contexts of autograd.Function */
int rl_function_init(PyObject *m);

extern _Thread_local int rl_inference_mode;                  /* gradmode.c */
int rl_gradmode_init(PyObject *m);
int rl_autocast_init(PyObject *m);
int rl_saved_hooks_init(PyObject *m);
/* Called with each node's name and the tuple of gradients it made, before its hooks; NULL when nobody looks. */
extern PyObject *rl_gradient_check;
#endif
