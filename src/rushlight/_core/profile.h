/* profile.h -- spans: what the profiler records of operations, backward nodes, modules and labelled code. */
#ifndef RL_PROFILE_H
#define RL_PROFILE_H
#include <Python.h>
#include <stdint.h>

struct Node;
struct Tensor;

/* A span that has begun; index < 0: nobody records. */
typedef struct { int32_t index; uint32_t recording; } RLSpan;

RLSpan rl_span_module(PyObject *module);
/* The engine's handling of a node, and within it the node's own function. The former lasts until the pass turns to the
 * next node (NULL: there is none), which saves the engine a second question.  A leaf has no function: handling it is both. */
void rl_span_evaluate(struct Node *node, RLSpan spans[2]);
RLSpan rl_span_node(struct Node *node);
/* Notes the shapes of the gradients that went into a node and came out of it; NULL where there was none. */
void rl_span_gradients(RLSpan span, struct Tensor *const *in, int n_in, struct Tensor *const *out, int n_out);
/* `result` may be NULL; a tensor ties the span to the node that it leaves behind. */
void rl_span_end(RLSpan span, PyObject *result);

/* Why the engine must take its slow way round a node; 0 as a rule. */
enum { RL_WATCH_GRADIENTS = 1, RL_WATCH_SPANS = 2 };
extern int rl_node_watch;

void rl_module_spans(int on);                                /* module.c: whether calls of modules are spans */
int rl_profile_init(PyObject *module);
#endif
