/* parse.h -- how Python calls arrive at operations: signatures as data, and the callables over them. */
#ifndef RL_PARSE_H
#define RL_PARSE_H
#include "rl.h"

typedef enum {
    AT_TENSOR, AT_TENSORS, AT_OPERAND, /* a tensor, or a number that becomes one */
    AT_SCALAR, AT_INT, AT_FLOAT, AT_BOOL, AT_INTS, AT_DTYPE, AT_DEVICE, AT_LAYOUT, AT_MEMORY_FORMAT, AT_STR,
    AT_GENERATOR, AT_OBJECT, AT_FLOATS
} ArgType;

typedef struct {
    const char *name;
    uint8_t type;
    bool optional;             /* None is allowed */
    bool kwonly, has_default;
    uint8_t fixed;             /* int[2]: a single number stands for all of them */
    Arg dflt;
} Param;

enum {                         /* Overload.out: takes out=, and what it asks of that tensor */
    OUT_TAKEN = 1,
    OUT_EXACT = 2,             /* the result's own dtype, not one it can be cast to */
    OUT_APART = 4,             /* no memory shared with an input, unless it is all of it */
    OUT_DISTINCT = 8,          /* nor that */
    OUT_TYPED = 16,            /* its dtype is that of the computation, which `dtype` may only confirm */
};

enum { AUTOCAST_NOT, AUTOCAST_NARROW, AUTOCAST_FLOAT32 }; /* Overload.autocast: to what tensors are cast */
extern _Thread_local int rl_autocast;                      /* autocast.c: the narrow dtype, or RL_NODTYPE */
Tensor *rl_autocast_tensor(Tensor *t, int rule);           /* new reference, maybe t itself */

typedef struct {
    const char *text;          /* "(Tensor input, Tensor other, *, Number alpha = 1)": for error messages */
    const Param *params;
    uint8_t n, n_pos;
    uint8_t out;               /* OUT_* */
    bool varargs;              /* f(2, 3) means f((2, 3)) */
    PyObject *(*call)(Arg *a);
    int8_t n_out;              /* tensors that out= holds */
    uint8_t autocast;          /* AUTOCAST_* */
    bool numbers_first;        /* the old order is understood too: x.add_(alpha, other), addmm(beta, x, alpha, a, b) */
} Overload;

typedef struct {
    const char *name, *doc;
    const Overload *overloads;
    uint8_t n_overloads;
    bool function, method;     /* where it is found: _C.name, Tensor.name */
    bool root;                 /* and rushlight.name */
} OpDef;

extern const OpDef rl_op_table[];
extern const int rl_op_count;

extern PyTypeObject RLFunction_Type, RLMethod_Type;
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall; /* profile.c puts another one here while it records */
    const OpDef *def;
} OpObject;

PyObject *rl_op_object(const OpDef *def, bool method);
PyObject *rl_op_call(const OpDef *def, bool method, PyObject *func, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* Conversions shared with hand-written entry points: 1 converted, 0 wrong type, -1 error set. */
int rl_as_int(PyObject *o, int64_t *out);
int rl_as_double(PyObject *o, double *out);
int rl_as_dtype(PyObject *o, RLDType *out);
int rl_as_device(PyObject *o, int *out);
void rl_refuse_cuda(void);
int rl_as_sizes(PyObject *o, int64_t *buf, int max, int *n); /* list or tuple of ints */
int rl_as_memory_format(PyObject *o, int *out);

/* __torch_function__ */
extern _Thread_local int rl_torch_function_off;
bool rl_has_torch_function(PyObject *o);
PyObject *rl_call_torch_function(PyObject *func, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* Python faces of small things (pytypes.c) */
extern PyTypeObject RLDtype_Type, RLDevice_Type, RLSize_Type, RLLayout_Type, RLMemoryFormat_Type, RLGenerator_Type;
int rl_ready_type(PyTypeObject *type);

PyObject *rl_dtype_object(RLDType dt);                       /* borrowed */
PyObject *rl_device_object(int device);
PyObject *rl_size_object(int n, const int64_t *v);
#endif
