/* generator.h -- from a `generator=` argument to the random stream behind it. */
#ifndef RL_GENERATOR_H
#define RL_GENERATOR_H
#include "rl.h"
#include "random.h"

/* The stream of a Generator, or the default one for NULL and None. */
RLRandom *rl_rng(PyObject *generator_or_null);

#endif
