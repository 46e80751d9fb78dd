/* rl.h -- the vocabulary of the core: storages, tensors, graph nodes, and the calls that every other file
 * of the core may rely on.  Read this first, after kernel.h, which has what they share with the kernels.
 *
 * Ownership: a function that returns `Tensor *` returns a new reference, or NULL with a Python
 * exception set; arguments are borrowed.  Functions that return `int` return 0, or -1 with an
 * exception set.  Everything here runs under the GIL unless a comment says otherwise.
 */
#ifndef RL_H
#define RL_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "kernel.h"

enum { RL_CONTIGUOUS_FORMAT, RL_PRESERVE_FORMAT, RL_CHANNELS_LAST, RL_CHANNELS_LAST_3D };
#define RL_INLINE_DIMS 5      /* shapes up to here live inside the tensor */

/* Under the address sanitizer nothing is kept for reuse, so that a use after the end of its life is seen. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RL_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define RL_ASAN 1
#endif
#ifdef RL_ASAN
#define RL_KEPT_FREE 0
#else
#define RL_ASAN 0
#define RL_KEPT_FREE 512       /* tensors, and nodes, that wait for their next life */
#endif

/* ---------------------------------------------------------------- dtypes */

RLDType rl_promote(RLDType a, RLDType b);         /* of two dimensioned tensors */
extern RLDType rl_default_dtype;
RLDType rl_default_complex(void);
RLDType rl_to_real(RLDType dt);                   /* complex64 -> float32; others unchanged */
RLDType rl_to_complex(RLDType dt);
bool rl_can_cast(RLDType from, RLDType to);

/* ---------------------------------------------------------------- devices */

typedef enum { RL_CPU = 0, RL_META = 1, RL_CUDA = 2, RL_MPS = 3, RL_XPU = 4, RL_NDEVICES } RLDevice;

/* ---------------------------------------------------------------- storage */

/* Counts the in-place writes seen by a tensor and all its views. `x.data` gets one of its own. */
typedef struct Version {
    int32_t refs;             /* 0: embedded in a storage, lives as long as it does */
    uint32_t value;
} Version;

typedef struct Storage {
    int64_t refs;
    char *data;               /* 64-byte aligned, or NULL when nbytes == 0 or on `meta` */
    size_t nbytes;
    size_t capacity;          /* of the block behind data, for the allocator's free lists */
    PyObject *owner;          /* keeps foreign memory alive (a numpy array, a mmap); else NULL */
    void (*release)(struct Storage *); /* how to give foreign memory back; NULL: our allocator */
    Version version;
    uint8_t device;
    uint8_t bin;              /* allocator's size class */
    bool resizable;
    struct Retired *retired;  /* blocks left behind by a resize that other tensors may still point into */
    PyObject *weak_wrapper;   /* the UntypedStorage object now alive for it (borrowed), or NULL */
} Storage;

Storage *rl_storage_new(size_t nbytes, int device);        /* uninitialised */
Storage *rl_storage_foreign(void *data, size_t nbytes, PyObject *owner);
int rl_storage_resize(Storage *s, size_t nbytes);
void rl_storage_free(Storage *s);                          /* when refs reaches 0 */
static inline void rl_storage_decref(Storage *s) { if (--s->refs == 0) rl_storage_free(s); }
void *rl_alloc(size_t nbytes);                             /* scratch from the same free lists */
void rl_dealloc(void *p, size_t nbytes);
size_t rl_memory_allocated(void);
void rl_memory_trim(void);

/* ---------------------------------------------------------------- tensor */

struct Node;
struct TensorExtra;

enum {                         /* Tensor.flags */
    RLF_REQUIRES_GRAD = 1,     /* a leaf asked for gradients, or grad_fn is set */
    RLF_WRAPPED = 2,           /* made from a Python number: takes part weakly in promotion */
    RLF_CONTIGUOUS = 4,        /* row-major without gaps */
    RLF_OWN_VERSION = 8,       /* version is not the storage's */
    RLF_INFERENCE = 16,
    RLF_RETAINS_GRAD = 128,
    RLF_TRACKED = 256,         /* known to the garbage collector: it may be part of a cycle */
    RLF_DONATED = 512,         /* its one holder drops it after the elementwise operation it goes into next */
};

enum { RLV_DEFAULT, RLV_NO_GRAD, RLV_MULTI, RLV_CUSTOM_FUNCTION, RLV_INFERENCE }; /* Tensor.creation */

typedef struct Tensor {
    PyObject_HEAD
    Storage *storage;
    char *data;                /* first element */
    int64_t numel;
    int64_t *size, *stride;    /* in elements; point at dims[] or at a block of their own */
    uint8_t dtype, ndim, device;
    uint8_t creation;          /* for views: why in-place is forbidden; see view.c */
    uint32_t flags;
    uint32_t output_nr;        /* which output of grad_fn this is */
    uint32_t view_version;     /* for views: version at which grad_fn was right */
    struct Node *grad_fn;      /* strong */
    struct Tensor *grad;       /* strong */
    struct Tensor *base;       /* strong: the tensor this one is a (differentiable) view of */
    Version *version;
    struct TensorExtra *extra; /* what few tensors have: hooks, ... */
    PyObject *dict, *weakrefs;
    int64_t dims[2 * RL_INLINE_DIMS];
} Tensor;

typedef struct TensorExtra {
    struct Node *accumulator;  /* leaf: the live AccumulateGrad, borrowed */
    PyObject *hooks;           /* leaf: OrderedDict of gradient hooks, or NULL */
    PyObject *post_hooks;      /* leaf: post-accumulate-grad hooks, or NULL */
    PyObject *backward_hooks_dict;
} TensorExtra;

extern PyTypeObject RLTensor_Type, RLParameter_Type;
#define RL_IS_TENSOR_EXACT(o) (Py_TYPE(o) == &RLTensor_Type || Py_TYPE(o) == &RLParameter_Type)
#define RL_IS_TENSOR(o) (RL_IS_TENSOR_EXACT(o) || PyObject_TypeCheck((PyObject *)(o), &RLTensor_Type))
/* A view also requires grad when its base has come to do so through an in-place write. */
#define RL_REQUIRES_GRAD(t) \
    (((t)->flags & RLF_REQUIRES_GRAD) || ((t)->base && ((t)->base->flags & RLF_REQUIRES_GRAD)))
#define RL_IS_CONTIGUOUS(t) ((t)->flags & RLF_CONTIGUOUS)
#define RL_IS_LEAF(t) ((t)->grad_fn == NULL)
#define RL_OFFSET(t) (((t)->data - (t)->storage->data) / RL_ITEMSIZE((t)->dtype))

typedef struct { const int64_t *v; int n; } Ints;           /* n < 0: None */
typedef struct { Tensor **v; int n; } Tensors;              /* elements may be NULL (None) */
typedef struct {
    char kind;                 /* 'b' bool, 'i' int, 'd' float, 'c' complex, 0 none */
    union { int64_t i; double d; } u;
    double im;
} Scalar;

/* Creation.  Contents are uninitialised unless said otherwise. */
Tensor *rl_empty(int ndim, const int64_t *size, RLDType dt, int device);
Tensor *rl_empty_strided(int ndim, const int64_t *size, const int64_t *stride, RLDType dt, int device);
Tensor *rl_empty_like(Tensor *t, RLDType dt);               /* PyTorch's preserve_format strides */
bool rl_is_dense(const Tensor *t);                          /* fills its extent of memory, each place once */
Tensor *rl_full_scalar(int ndim, const int64_t *size, Scalar v, RLDType dt, int device);
Tensor *rl_wrap_double(double v);                           /* 0-dim, RLF_WRAPPED */
Tensor *rl_wrap_int(int64_t v);
Tensor *rl_wrap_scalar(Scalar v);
Tensor *rl_from_storage(Storage *s, int64_t offset_bytes, int ndim, const int64_t *size,
                        const int64_t *stride, RLDType dt); /* new reference to s is taken */
/* Shares storage and version; no history. Geometry may differ (a view); `base` is not set. */
Tensor *rl_alias(Tensor *t, int ndim, const int64_t *size, const int64_t *stride, char *data);
Tensor *rl_shallow(Tensor *t);                              /* the same geometry: detach() */
int rl_own_version(Tensor *t);                              /* before t leaves its storage; its version goes on */
void rl_set_geometry(Tensor *t, int ndim, const int64_t *size, const int64_t *stride);
int64_t rl_count_elements(int ndim, const int64_t *size);    /* -1 and an error when they overflow */
int rl_resize_for_out(Tensor *out, int ndim, const int64_t *size);

Tensor *rl_to_dtype_raw(Tensor *t, RLDType dt);             /* no history; new ref (maybe t itself) */
Tensor *rl_contiguous_raw(Tensor *t);                       /* no history; new ref (maybe t itself) */
int rl_copy_raw(Tensor *dst, Tensor *src);                  /* broadcast, cast, any strides; no history */
void rl_zero(Tensor *t);                                    /* t must be contiguous, on the CPU */
Scalar rl_item(Tensor *t);                                  /* numel must be 1 */
static inline double rl_scalar_double(Scalar s) { return s.kind == 'd' || s.kind == 'c' ? s.u.d : (double)s.u.i; }
static inline int64_t rl_scalar_int(Scalar s) { return s.kind == 'd' || s.kind == 'c' ? (int64_t)s.u.d : s.u.i; }
int rl_scalar_from_py(PyObject *o, Scalar *out);            /* 1 yes, 0 not a number, -1 error */
PyObject *rl_scalar_to_py(Scalar s);
static inline bool rl_same_shape(const Tensor *a, const Tensor *b) {
    return a->ndim == b->ndim && memcmp(a->size, b->size, a->ndim * sizeof(int64_t)) == 0;
}
Tensor *rl_tensor_of_type(PyTypeObject *type, Tensor *src); /* shallow copy as an instance of type */
TensorExtra *rl_extra(Tensor *t);
void rl_track(Tensor *t);                                   /* before t may become part of a cycle */
int64_t rl_wrap_dim(int64_t dim, int ndim);                 /* -1..; IndexError outside; INT64_MIN on error */
int rl_broadcast_shapes(int n, Tensor *const *ts, int64_t *size); /* returns ndim or -1 */


const char *rl_type_name(PyObject *o);                       /* what an error message calls an argument */
/* Adds a note to the error just raised: what was given and what to do.  The message itself stays PyTorch's. */
void rl_hint(const char *format, ...);

/* ---------------------------------------------------------------- autograd */

typedef union Arg {            /* one parsed argument, or one value saved for backward */
    Tensor *t;
    int64_t i;
    double d;
    Ints ints;
    Tensors ts;
    Scalar s;
    PyObject *o;
    const char *str;
} Arg;

typedef struct { struct Node *node; uint32_t nr; } Edge;    /* node NULL: no gradient wanted */

typedef struct {
    Tensor *t;                 /* strong; own outputs are saved as shallow copies */
    uint32_t version;
    bool is_output, is_packed; /* packed: t is what saved_hooks.c makes of a tensor */
    uint32_t output_nr;
} Saved;

typedef struct { int64_t *size; uint8_t ndim, dtype, device; int64_t dims[RL_INLINE_DIMS]; } OutMeta;

typedef struct NodeDef {
    const char *name;          /* "MulBackward0": PyTorch's own */
    /* grads_in: one per output, NULL where undefined.  Fill grads_out (new refs) for every edge
     * whose node is set; NULL means zero. */
    int (*apply)(struct Node *self, Tensor **grads_in, Tensor **grads_out);
    uint8_t n_saved, n_args;
    const char *const *saved_names; /* for grad_fn._saved_self ... */
} NodeDef;

#define RL_ONE ((Scalar){'i', {.i = 1}, 0})
#define RL_NO_SCALAR ((Scalar){0, {.i = 0}, 0})
#define RL_NO_INT INT64_MIN    /* None for int? */
#define RL_NODE_EDGES 3
#define RL_NODE_SAVED 4
#define RL_NODE_ARGS 6

typedef struct Node {
    PyObject_HEAD
    const NodeDef *def;
    uint64_t seq;              /* creation order; backward runs from high to low */
    uint16_t n_edges, n_outputs, n_saved, n_args;
    bool released;             /* saved values were freed by a backward pass */
    bool is_python;            /* a torch.autograd.Function context */
    Edge *edges;               /* inline or heap */
    Saved *saved;
    Arg *args;
    OutMeta *outs;             /* shape and dtype that each output had */
    void *task;                /* the backward pass whose pending gradients are in pending[] */
    Tensor **pending;          /* one per output */
    struct NodeHooks *hooks;
    Tensor *variable;          /* AccumulateGrad: its leaf (strong) */
    struct Node *inner;        /* CopySlices: the node of the op that wrote (strong) */
    PyObject *dict, *weakrefs;
    Tensor *pending0;
    OutMeta out0;
    Edge edges0[RL_NODE_EDGES];
    Saved saved0[RL_NODE_SAVED];
    Arg args0[RL_NODE_ARGS];
    void *owned_args;          /* heap copy behind Ints / strings in args */
} Node;

typedef struct { uint32_t output_nr; Tensor *t; } Retain;   /* borrowed: the tensor tells us when it dies */

typedef struct NodeHooks {
    PyObject *tensor_pre;      /* {output_nr: OrderedDict of hooks} */
    PyObject *pre, *post;      /* OrderedDicts */
    Retain *retain;
    int n_retain;
} NodeHooks;

extern PyTypeObject RLNode_Type;
NodeHooks *rl_node_hooks(Node *n);
extern int64_t rl_hooked;      /* dictionaries of hooks now alive, on nodes and on leaves */
static inline void rl_drop_hooks(PyObject **slot) {
    if (!*slot) return;
    rl_hooked--;
    Py_CLEAR(*slot);
}
int rl_retain_grad(Tensor *t);
void rl_forget_retained(Tensor *t);
extern _Thread_local int rl_grad_mode;                      /* torch.is_grad_enabled() */

extern const NodeDef rl_accumulate_def;
Node *rl_node_new(const NodeDef *def, int n_edges);
Node *rl_gradient_edge(Tensor *t, uint32_t *nr);            /* new reference; NULL: needs no gradient, or an error */
Tensor *rl_out_zeros(Node *n, int output_nr);               /* zeros shaped like that output */
/* The whole backward pass; captures (NULL entries allowed on return) when inputs is given. */
int rl_backward(int n_roots, Tensor **roots, Tensor **grads, bool keep_graph, bool create_graph,
                int n_inputs, Edge *inputs, Tensor **captured, bool accumulate);
int rl_accumulate_grad(Tensor *variable, Tensor *grad, bool create_graph); /* takes over grad */
Tensor *rl_sum_to(Tensor *t, int ndim, const int64_t *size);/* undoes broadcasting; differentiable */
int rl_node_call(Node *n, Tensor **grads_in, Tensor **grads_out);
int rl_node_edge(Node *n, int i, Tensor *input);            /* points edge i at input's gradient */
int rl_node_save(Node *n, int i, Tensor *t);                /* an input */
int rl_node_save_output(Node *n, int i, Tensor *out, int output_nr);
extern bool rl_saving_hooked;                               /* saved_hooks.c: by any thread */
bool rl_packs_saved(void);                                  /* by this one */
PyObject *rl_pack_saved(Tensor *t, Node *owner);            /* owner: the node whose output t is */
Tensor *rl_unpack_saved(PyObject *packed, Node *owner, uint32_t output_nr);
int rl_node_save_ints(Node *n, int i, Ints v);              /* copies */
Tensor *rl_node_unpack(Node *n, int i);                     /* version-checked; new ref; NULL + no error: None */
int rl_node_outputs(Node *n, int count);                    /* before set_history of a multi-output op */
int rl_node_saved_room(Node *n, int count);
void rl_node_release(Node *n);
void rl_released_error(void);
void rl_set_history(Tensor *out, Node *n, int output_nr);   /* takes over nothing; n keeps its own ref */
/* In-place: checks leaf and view rules before the write (-1: error), bumps and rebases after it. */
int rl_check_inplace(Tensor *self, bool recording);
Tensor *rl_before_write(Tensor *t);                         /* a copy that keeps t's values and its place in the graph */
int rl_rebase_history(Tensor *self, Node *n, int output_nr);
static inline void rl_bump(Tensor *t) { t->version->value++; }
/* Marks `view` as a differentiable view of `self` (sets base); then set its history as usual. */
int rl_make_view(Tensor *view, Tensor *self);

Node *rl_as_strided_node(Tensor *base, Ints size, Ints stride, int64_t offset); /* view.c */
struct Node *rl_grad_fn(Tensor *t);                         /* borrowed; a stale view's is made anew, or refused: NULL and an error */
static inline bool rl_any_grad1(Tensor *a) { return RL_REQUIRES_GRAD(a) && rl_grad_mode; }
static inline bool rl_any_grad2(Tensor *a, Tensor *b) {
    return (RL_REQUIRES_GRAD(a) || RL_REQUIRES_GRAD(b)) && rl_grad_mode;
}
static inline bool rl_any_grad3(Tensor *a, Tensor *b, Tensor *c) {
    return (RL_REQUIRES_GRAD(a) || RL_REQUIRES_GRAD(b) || RL_REQUIRES_GRAD(c)) && rl_grad_mode;
}
bool rl_any_grad_list(Tensors ts);                          /* NULL elements allowed */

/* ---------------------------------------------------------------- elementwise kernels */

/* What an elementwise op is made of, and a reduction below; rendered from its record. */
enum { EW_PROMOTE, EW_FLOAT };                              /* integers stay / become the default float */
enum { EW_SAME, EW_BOOL, EW_REAL, EW_INT64, EW_INT32 };               /* dtype of the result */
typedef struct EwDef {
    const char *name;
    uint8_t n_in, in_rule, out_rule;
    uint8_t bool_mask;         /* inputs read as bool and left out of promotion (where's condition) */
    uint8_t cost;              /* of an element against that of an addition, as a power of two */
    bool wide_number;          /* a 0-dim second operand of half-precision arithmetic keeps float32's digits */
    RLKernel kernel[RL_NDTYPES];
} EwDef;
Tensor *rl_ew(const EwDef *def, Tensor *const *in, const EwParam *params);
Tensor *rl_ew_into(const EwDef *def, Tensor *out, Tensor *const *in, const EwParam *params); /* in-place or out= */
/* half.c: float32's kernel on operands in half precision, which are converted in blocks. */
void rl_ew_half(const EwDef *def, RLDType half, char **p, const int64_t *s, int64_t n0, int64_t n1, const void *params);
#define RL_EW_HALF(OP, DTYPE)                                                                                           \
    static void half_##OP##_##DTYPE(char **p, const int64_t *s, int64_t n0, int64_t n1, const void *params) {           \
        rl_ew_half(&ew_##OP, RL_##DTYPE, p, s, n0, n1, params);                                                         \
    }
RLDType rl_result_type(int n, Tensor *const *ts);
int rl_check_overlap(Tensor *out, int n, Tensor *const *in);

#define RL_OVERLAP_TEXT                                                                                                \
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory "     \
    "location. Please clone() the tensor before performing the operation."

/* Says that t is about to be dropped: the elementwise operation that is called next may write its result there. */
#define RL_DONATE_FROM 4096    /* elements: below, the look costs more than the memory */
static inline void rl_donate(Tensor *t) {
    if (RL_UNLIKELY(t->numel >= RL_DONATE_FROM) && Py_REFCNT(t) == 1 && !rl_grad_mode) t->flags |= RLF_DONATED;
}
bool rl_called_by_interpreter(void);                        /* temporary.c: an operator of Python's, on operands of its stack */

/* walk.c: leads a kernel over all elements.  Strides are in bytes, 0 along broadcast dimensions.  `sizes`: of the operands'
 * elements, for a kernel of which an element depends on its own operands alone, so that short rows may be joined; or NULL. */
#define RL_MAXOPS 5
#define RL_SHARE_FROM 10       /* grains: less is done sooner than another thread has begun */
void rl_walk(RLKernel kernel, int n_ops, int ndim, const int64_t *shape, const int64_t *const *strides, const int64_t *sizes,
             char *const *data, const void *params, int64_t grain);
void rl_walk_dense(RLKernel kernel, int n_ops, char **data, const int64_t *stride, int64_t n, const void *params, int64_t grain);
void rl_iter_order(int n_ops, int ndim, const int64_t *shape, const int64_t *const *strides, int *perm);
static inline EwParam rl_ew_param(Scalar s) {
    EwParam p = {rl_scalar_double(s), s.im, rl_scalar_int(s)};
    return p;
}
int rl_not_implemented(const char *op, RLDType dt);

enum { RED_SAME, RED_SUM, RED_BOOL };                       /* RED_SUM: integers and bool become int64 */
typedef struct RedDef {
    const char *name;
    uint8_t dtype_rule;
    bool needs_elements;       /* no identity: an empty dimension is an error */
    const struct RedDef *join; /* reduces results of parts to the result of the whole; NULL: nothing does */
    RLReduce kernel[RL_NDTYPES];
} RedDef;
void rl_reduce_integers(RedDef *def);                       /* at its start: kernels of the best level for frequent integers */
Tensor *rl_reduce(const RedDef *def, Tensor *t, Ints dims, bool keepdim, RLDType dtype);
/* Positions of the first extremes, and their values where `value` is not NULL. */
Tensor *rl_arg_extreme(Tensor *t, int64_t dim, bool keepdim, bool top, const char *name);  /* dim RL_NO_INT: of all */
int rl_extreme_along(Tensor *t, int64_t dim, bool keepdim, bool top, Tensor **value, Tensor **index, const char *name);
int rl_dim_mask(Tensor *t, Ints dims, bool *mask);          /* empty or None: all */

/* ---------------------------------------------------------------- threads */

/* Calls fn(ctx, begin, end) over [0, n), cut at multiples of `grain` (or of a multiple of it), on the pool when it repays.
 * The cuts depend on n and grain alone; with one thread there are none.  fn must be free of Python and of rl_alloc. */
void rl_parallel_for(int64_t n, int64_t grain, void (*fn)(void *ctx, int64_t begin, int64_t end), void *ctx);
extern int rl_num_threads;
extern bool rl_keep_gil;       /* while set, long jobs do not let other Python threads in */
void rl_threads_init(void);

#endif
