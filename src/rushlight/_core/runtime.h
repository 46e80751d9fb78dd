/* runtime.h -- what rendered code calls besides operations. */
#ifndef RL_RUNTIME_H
#define RL_RUNTIME_H
#include "parse.h"

static inline int64_t rl_dim_at(Ints v, int64_t i) { return v.v[i < 0 ? i + v.n : i]; }
static inline int64_t rl_count_of(Ints v) {
    int64_t p = 1;
    for (int i = 0; i < v.n; i++) p *= v.v[i];
    return p;
}
int64_t rl_dim_count(Tensor *t, Ints dims);                  /* elements folded by a reduction over dims */
int64_t rl_dim_count_of(Ints shape, Ints dims);
Tensor *rl_squeeze_dims(Tensor *self, Ints dims);           /* view.c */
Tensor *rl_empty_format(Tensor *t, int format);              /* channels last */
Scalar rl_scalar_arith(char op, Scalar a, Scalar b);
static inline Scalar rl_scalar_conj(Scalar s) {
    if (s.kind == 'c') s.im = -s.im;
    return s;
}
static inline bool rl_scalar_equal(Scalar a, Scalar b) {
    return rl_scalar_double(a) == rl_scalar_double(b) && (a.kind == 'c' ? a.im : 0) == (b.kind == 'c' ? b.im : 0);
}
/* The number as an element of dt would hold it: integers drop its fraction. */
static inline Scalar rl_scalar_as(Scalar s, RLDType dt) {
    if (RL_IS_INEXACT(dt)) return s;
    const int64_t i = rl_scalar_int(s);
    return dt == RL_BOOL ? (Scalar){'b', {.i = i != 0}, 0} : (Scalar){'i', {.i = i}, 0};
}
int rl_no_bool(Tensor *t, const char *what);
Tensor *rl_clone_raw(Tensor *t);
const char *rl_cpp_name(RLDType dt);
int rl_check_addcdiv(Tensor *a, Tensor *b);                 /* floats: whole numbers were once divided otherwise */
int rl_check_lerp(Tensor *input, Tensor *end);              /* floats of one dtype */
int rl_check_divisor(Tensor *a, Tensor *b);                 /* ZeroDivisionError of integers */
int rl_minus_allows(Tensor *a, Tensor *b);                   /* `-` refuses bool, which it would make numbers; b may be NULL */
int rl_node_save_str(Node *n, int i, const char *s);
/* grad of a reduction, seen in the input's shape */
Tensor *rl_expand_reduced(Tensor *grad, Ints shape, Ints dims, bool keepdim);

/* In-place forms of operations without a kernel that writes in place: run the plain form on a stand-in
 * for self as it was, then write the result back and take over its history. */
Tensor *rl_inplace_begin(Tensor *self, bool record);
/* The tensor that an operation in place offers to be written into, while it calls the impl_ of a `direct` record. True,
 * once, if that is `input` and nothing that is read lies in its storage. A thread has its own: another may run before it is taken. */
extern _Thread_local Tensor *rl_here;
bool rl_take_here(Tensor *input, int n, Tensor *const *reads);
Tensor *rl_inplace_finish(Tensor *self, Tensor *result);     /* takes over result */
Tensor *rl_inplace_view(Tensor *self, Tensor *view);         /* takes over view: t_, squeeze_, ... */

PyObject *rl_return_struct(PyTypeObject **type, const char *name, int n, const char *const *fields, Tensor **out);
PyObject *rl_return_tuple(int n, Tensor **out);
PyObject *rl_multi_views(Tensor *self, int n, Tensor *(*make)(void *ctx, int i), void *ctx);

/* Bodies in Python; these take over the argument references. */
PyObject *rl_py_tensor(Tensor *t);
PyObject *rl_py_tensors(Tensors ts);
PyObject *rl_py_int(int64_t v);
PyObject *rl_py_bool(int v);
PyObject *rl_py_ints(Ints v);
PyObject *rl_py_dtype(RLDType dt);
PyObject *rl_py_device(int d);
PyObject *rl_py_str(const char *s);
PyObject *rl_py_object(PyObject *o);
PyObject *rl_call_python(const char *module, const char *function, PyObject **args, int n);
Tensor *rl_call_python_tensor(const char *module, const char *function, PyObject **args, int n);
int rl_call_python_multi(const char *module, const char *function, PyObject **args, int n, int n_out, Tensor **out);
#endif
