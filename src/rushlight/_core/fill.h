/* fill.h -- overwriting a tensor with random numbers, from C.
 *
 * Each call checks its arguments as the method of that name does, then draws into self in PyTorch's
 * order whatever its strides and dtype; on `meta` nothing is drawn.  Versions and history are the
 * caller's.  `generator` is a Generator, or NULL for the default one.
 */
#ifndef RL_FILL_H
#define RL_FILL_H
#include "rl.h"

int rl_fill_uniform(Tensor *self, double from, double to, PyObject *generator);
int rl_fill_normal(Tensor *self, double mean, double std, PyObject *generator);
int rl_fill_exponential(Tensor *self, double lambda, PyObject *generator);
int rl_fill_bernoulli(Tensor *self, double p, PyObject *generator);
int rl_fill_bernoulli_each(Tensor *self, Tensor *p, PyObject *generator);
/* Integers from..to-1; to == RL_NO_INT: up to the largest that the dtype holds exactly. */
int rl_fill_random(Tensor *self, int64_t from, int64_t to, PyObject *generator);

/* A gradient of zeros for every edge; args[i] are the sizes of edge i's tensor. */
int rl_zero_gradients(struct Node *n, Tensor **in, Tensor **out);

#endif
