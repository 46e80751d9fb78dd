/* pytensor.c -- Tensor as Python sees it: attributes, operators, and the methods that are not operations. */
#include "parse.h"
#include "rl_ops.h"
#include "runtime.h"
#include "pytensor.h"
#include "pyautograd.h"
#include "create.h"
#include "sizes_text.h"

#define T(o) ((Tensor *)(o))

/* Subclasses that speak __torch_function__ get the call; `name` is the method's. */
static PyObject *overridden(const char *name, PyObject *a, PyObject *b) {
    PyObject *f = PyDict_GetItemString(RLTensor_Type.tp_dict, name);
    if (!f) { PyErr_Format(PyExc_AttributeError, "Tensor has no operation %s", name); return NULL; }
    PyObject *args[2] = {a, b};
    return rl_call_torch_function(f, args, b ? 2 : 1, NULL);
}

static inline bool special(PyObject *o) {
    return RL_UNLIKELY(!RL_IS_TENSOR_EXACT(o) && (Py_TYPE(o)->tp_flags & Py_TPFLAGS_HEAPTYPE) && rl_has_torch_function(o));
}

/* An operand of an operator: 1 tensor (borrowed), 2 a number turned into one (new), 0 neither, -1 error. */
static inline int operand(PyObject *o, Tensor **out) {
    if (RL_LIKELY(RL_IS_TENSOR_EXACT(o) || PyObject_TypeCheck(o, &RLTensor_Type))) { *out = T(o); return 1; }
    if (PyFloat_CheckExact(o)) { *out = rl_wrap_double(PyFloat_AS_DOUBLE(o)); return *out ? 2 : -1; }
    Scalar s;
    int r = rl_scalar_from_py(o, &s);
    if (r <= 0) return r;
    *out = rl_wrap_scalar(s);
    return *out ? 2 : -1;
}

typedef Tensor *(*Binary)(Tensor *, Tensor *);

/* The method that is handed to __torch_function__ belongs to the tensor: 1 - t is t.__rsub__(1). */
static PyObject *overridden_operator(const char *name, PyObject *a, PyObject *b) {
    static const char *const reflected[][2] = {
        {"add", "__radd__"}, {"sub", "__rsub__"}, {"mul", "__rmul__"}, {"div", "__rtruediv__"}, {"floor_divide", "__rfloordiv__"},
        {"remainder", "__rmod__"}, {"matmul", "__rmatmul__"}, {"pow", "__rpow__"}, {"bitwise_and", "__rand__"},
        {"bitwise_or", "__ror__"}, {"bitwise_xor", "__rxor__"}, {"bitwise_left_shift", "__rlshift__"},
        {"bitwise_right_shift", "__rrshift__"}};
    if (RL_IS_TENSOR(a)) return overridden(name, a, b);
    for (size_t i = 0; i < sizeof reflected / sizeof *reflected; i++)
        if (strcmp(name, reflected[i][0]) == 0) return overridden(reflected[i][1], b, a);
    return overridden(name, a, b);
}

/* What an expression leaves to nobody may be overwritten by the operator that takes it.  Nothing is when the result is
 * recorded: its node may save the operand. */
#define TEMPORARY_FROM 65536   /* elements: below, finding out costs more */

__attribute__((cold, noinline)) static void donate_temporary(Tensor *x, Tensor *y) {
    if (rl_any_grad2(x, y) || !RL_IS_TENSOR_EXACT(x) || !RL_IS_TENSOR_EXACT(y)) return;
    Tensor *t = Py_REFCNT(x) == 1 && x->numel >= TEMPORARY_FROM ? x : y;
    if (Py_REFCNT(t) != 1 || t->numel < TEMPORARY_FROM) return;
#if PY_VERSION_HEX >= 0x030E0000
    if (PyUnstable_Object_IsUniqueReferencedTemporary((PyObject *)t)) t->flags |= RLF_DONATED;
#else
    if (rl_called_by_interpreter()) t->flags |= RLF_DONATED;
#endif
}

static inline PyObject *binary(PyObject *a, PyObject *b, const char *name, Binary forward, Binary reflected, bool elementwise) {
    if (special(a) || special(b)) return overridden_operator(name, a, b);
    Tensor *x, *y;
    int rx = operand(a, &x), ry = rx > 0 ? operand(b, &y) : 0;
    if (RL_UNLIKELY(rx <= 0 || ry <= 0)) {
        if (rx == 2) Py_DECREF(x);
        if (rx < 0 || ry < 0) return NULL;
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (elementwise && RL_UNLIKELY((x->numel | y->numel) >= TEMPORARY_FROM)) donate_temporary(x, y);
    Tensor *r = RL_UNLIKELY(rx == 2) && reflected ? reflected(y, x) : forward(x, y);
    if (rx == 2) Py_DECREF(x);
    if (ry == 2) Py_DECREF(y);
    return (PyObject *)r;
}

static Tensor *f_add(Tensor *a, Tensor *b) { return rl_add(a, b, RL_ONE); }
static Tensor *f_sub(Tensor *a, Tensor *b) { return rl_sub(a, b, RL_ONE); }
static Tensor *f_rsub(Tensor *a, Tensor *b) { return rl_rsub(a, b, RL_ONE); }
static Tensor *f_mul(Tensor *a, Tensor *b) { return rl_mul(a, b); }
static Tensor *f_div(Tensor *a, Tensor *b) { return rl_div(a, b); }
static Tensor *f_rdiv(Tensor *a, Tensor *number) {
    Tensor *r = rl_reciprocal(a), *out = r ? rl_mul(r, number) : NULL;
    Py_XDECREF(r);
    return out;
}
static Tensor *f_add_(Tensor *a, Tensor *b) { return rl_add_(a, b, RL_ONE); }
static Tensor *f_sub_(Tensor *a, Tensor *b) { return rl_sub_(a, b, RL_ONE); }

static Tensor *f_matmul(Tensor *a, Tensor *b) {
    if (RL_LIKELY(rl_autocast == RL_NODTYPE)) return rl_matmul(a, b);
    Tensor *x = rl_autocast_tensor(a, AUTOCAST_NARROW), *y = x ? rl_autocast_tensor(b, AUTOCAST_NARROW) : NULL;
    Tensor *r = y ? rl_matmul(x, y) : NULL;
    Py_XDECREF(x);
    Py_XDECREF(y);
    return r;
}
#define SLOT(NAME, METHOD, F, R) static PyObject *NAME(PyObject *a, PyObject *b) { return binary(a, b, METHOD, F, R, R != NULL); }
SLOT(nb_add, "add", f_add, f_add)
SLOT(nb_sub, "sub", f_sub, f_rsub)
SLOT(nb_mul, "mul", f_mul, f_mul)
SLOT(nb_floordiv, "floor_divide", rl_floor_divide, NULL)
SLOT(nb_mod, "remainder", rl_remainder, NULL)
SLOT(nb_matmul, "matmul", f_matmul, NULL)
SLOT(nb_and, "bitwise_and", rl_bitwise_and, NULL)
SLOT(nb_or, "bitwise_or", rl_bitwise_or, NULL)
SLOT(nb_xor, "bitwise_xor", rl_bitwise_xor, NULL)
SLOT(nb_lshift, "bitwise_left_shift", rl_bitwise_left_shift, NULL)
SLOT(nb_rshift, "bitwise_right_shift", rl_bitwise_right_shift, NULL)
SLOT(nb_iadd, "add_", f_add_, NULL)
SLOT(nb_isub, "sub_", f_sub_, NULL)
SLOT(nb_imul, "mul_", rl_mul_, NULL)
SLOT(nb_idiv, "div_", rl_div_, NULL)
SLOT(nb_ifloordiv, "floor_divide_", rl_floor_divide_, NULL)
SLOT(nb_imod, "remainder_", rl_remainder_, NULL)
SLOT(nb_iand, "bitwise_and_", rl_bitwise_and_, NULL)
SLOT(nb_ior, "bitwise_or_", rl_bitwise_or_, NULL)
SLOT(nb_ixor, "bitwise_xor_", rl_bitwise_xor_, NULL)
SLOT(nb_ilshift, "bitwise_left_shift_", rl_bitwise_left_shift_, NULL)
SLOT(nb_irshift, "bitwise_right_shift_", rl_bitwise_right_shift_, NULL)
/* x ** number and number ** x are operations of their own: the first's gradient needs no tests for zeros, and x ** 2 no logarithm. */
static PyObject *nb_pow(PyObject *a, PyObject *b, PyObject *m) {
    (void)m;
    Scalar s;
    if (RL_IS_TENSOR_EXACT(a) && !RL_IS_TENSOR(b) && rl_scalar_from_py(b, &s) == 1) return (PyObject *)rl_pow_Tensor_Scalar(T(a), s);
    if (RL_IS_TENSOR_EXACT(b) && !RL_IS_TENSOR(a) && rl_scalar_from_py(a, &s) == 1) return (PyObject *)rl_pow_of_number(s, T(b));
    return PyErr_Occurred() ? NULL : binary(a, b, "pow", rl_pow, NULL, false);
}
static PyObject *nb_ipow(PyObject *a, PyObject *b, PyObject *m) {
    (void)m;
    Scalar s;
    if (RL_IS_TENSOR_EXACT(a) && !RL_IS_TENSOR(b) && rl_scalar_from_py(b, &s) == 1) return (PyObject *)rl_pow_Tensor_Scalar_(T(a), s);
    return PyErr_Occurred() ? NULL : binary(a, b, "pow_", rl_pow_, NULL, false);
}

/* array / tensor is the one reflected operator that PyTorch gives arrays too; the others raise TypeError. */
static PyObject *nb_div(PyObject *a, PyObject *b) {
    PyObject *r = binary(a, b, "div", f_div, f_rdiv, true);
    if (RL_LIKELY(r != Py_NotImplemented) || !rl_is_numpy(a)) return r;
    Py_DECREF(r);
    PyObject *array = (PyObject *)rl_from_numpy_array(a, false);
    r = array ? binary(array, b, "div", f_div, f_rdiv, true) : NULL;
    Py_XDECREF(array);
    return r;
}

#define UNARY(NAME, METHOD, F) \
    static PyObject *NAME(PyObject *a) { return special(a) ? overridden(METHOD, a, NULL) : (PyObject *)F(T(a)); }
UNARY(nb_neg, "neg", rl_neg)
UNARY(nb_abs, "abs", rl_abs)
UNARY(nb_invert, "bitwise_not", rl_bitwise_not)
UNARY(nb_pos, "positive", rl_positive)

static PyObject *richcompare(PyObject *a, PyObject *b, int op) {
    static const char *const names[] = {"lt", "le", "eq", "ne", "gt", "ge"};
    static const Binary f[] = {rl_lt, rl_le, rl_eq, rl_ne, rl_gt, rl_ge};
    PyObject *r = binary(a, b, names[op], f[op], NULL, false);
    if (RL_LIKELY(r != Py_NotImplemented) || (op != Py_EQ && op != Py_NE) || !rl_is_numpy(b)) return r;
    /* Python would compare identities next. */
    Py_DECREF(r);
    PyObject *array = (PyObject *)rl_from_numpy_array(b, false);
    r = array ? binary(a, array, names[op], f[op], NULL, false) : NULL;
    Py_XDECREF(array);
    return r;
}

static int one_value(Tensor *t, const char *what) {
    if (t->numel == 1) return 0;
    PyErr_Format(PyExc_RuntimeError, "%s", what);
    return -1;
}

static int nb_bool(PyObject *o) {
    Tensor *t = T(o);
    if (t->numel == 0) { PyErr_SetString(PyExc_RuntimeError, "Boolean value of Tensor with no values is ambiguous"); return -1; }
    if (one_value(t, "Boolean value of Tensor with more than one value is ambiguous") < 0) {
        rl_hint("x.any() and x.all() make one value of many; between tensors, `and`, `or`, `not` are &, |, ~");
        return -1;
    }
    Scalar s = rl_item(t);
    if (PyErr_Occurred()) return -1;
    return s.kind == 'd' ? s.u.d != 0 : s.kind == 'c' ? s.u.d != 0 || s.im != 0 : s.u.i != 0;
}

static void hint_not_one(Tensor *t) {
    SizesText shape;
    rl_hint("its shape is [%s]: x[i] picks an element, x.mean() or x.sum() makes one of all, x.tolist() gives a list",
            rl_shape_text(&shape, t));
}

/* For float(), int(), complex(), whose error is another than item()'s. */
static int number_of(Tensor *t, Scalar *s) {
    if (t->numel != 1) {
        PyErr_SetString(PyExc_ValueError, "only one element tensors can be converted to Python scalars");
        hint_not_one(t);
        return -1;
    }
    *s = rl_item(t);
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *nb_float(PyObject *o) {
    Scalar s;
    if (number_of(T(o), &s) < 0) return NULL;
    if (s.kind == 'c' && s.im != 0) { PyErr_SetString(PyExc_RuntimeError, "value cannot be converted to type double without overflow"); return NULL; }
    return PyFloat_FromDouble(rl_scalar_double(s));
}
static PyObject *nb_int(PyObject *o) {
    Scalar s;
    if (number_of(T(o), &s) < 0) return NULL;
    return s.kind == 'd' || s.kind == 'c' ? PyLong_FromDouble(s.u.d) : PyLong_FromLongLong(s.u.i);
}
static PyObject *nb_index(PyObject *o) {
    Tensor *t = T(o);
    if (!RL_IS_INTEGRAL(t->dtype) || t->numel != 1) {
        PyErr_SetString(PyExc_TypeError, "only integer tensors of a single element can be converted to an index");
        return NULL;
    }
    return nb_int(o);
}

/* ---------------------------------------------------------------- reading values */

static PyObject *item(PyObject *self, PyObject *u) {
    (void)u;
    Scalar s;
    if (T(self)->numel != 1) {
        PyErr_Format(PyExc_RuntimeError, "a Tensor with %lld elements cannot be converted to Scalar", (long long)T(self)->numel);
        hint_not_one(T(self));
        return NULL;
    }
    s = rl_item(T(self));
    if (PyErr_Occurred()) return NULL;
    if (T(self)->dtype == RL_U64) return PyLong_FromUnsignedLongLong((uint64_t)s.u.i);
    return rl_scalar_to_py(s);
}

static PyObject *list_level(Tensor *one, int dim, char *data) {
    Tensor *t = one;
    if (dim == t->ndim) {
        Tensor at = *t; /* a look at one element: never leaves this frame */
        at.data = data;
        Scalar s = rl_item(&at);
        if (PyErr_Occurred()) return NULL;
        if (t->dtype == RL_U64) return PyLong_FromUnsignedLongLong((uint64_t)s.u.i);
        return rl_scalar_to_py(s);
    }
    PyObject *l = PyList_New(t->size[dim]);
    int64_t step = t->stride[dim] * RL_ITEMSIZE(t->dtype);
    for (int64_t i = 0; l && i < t->size[dim]; i++) {
        PyObject *v;
        if (dim == t->ndim - 1 && t->dtype == RL_F32) v = PyFloat_FromDouble(*(float *)(data + i * step));
        else if (dim == t->ndim - 1 && t->dtype == RL_I64) v = PyLong_FromLongLong(*(int64_t *)(data + i * step));
        else v = list_level(t, dim + 1, data + i * step);
        if (!v) { Py_DECREF(l); return NULL; }
        PyList_SET_ITEM(l, i, v);
    }
    return l;
}

static PyObject *tolist(PyObject *self, PyObject *u) {
    (void)u;
    if (T(self)->device != RL_CPU) { PyErr_SetString(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!"); return NULL; }
    return list_level(T(self), 0, T(self)->data);
}

/* ---------------------------------------------------------------- shape */

static PyObject *get_shape(PyObject *o, void *c) { (void)c; return rl_size_object(T(o)->ndim, T(o)->size); }
static PyObject *size(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    PyObject *which = n ? args[0] : kw && PyTuple_GET_SIZE(kw) ? args[0] : NULL;
    if (!which || which == Py_None) return get_shape(self, NULL);
    int64_t d;
    if (rl_as_int(which, &d) <= 0) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "size(): argument 'dim' (position 1) must be int, not %s", rl_type_name(which));
        return NULL;
    }
    if (T(self)->ndim == 0) {
        PyErr_Format(PyExc_IndexError, "Dimension specified as %lld but tensor has no dimensions", (long long)d);
        return NULL;
    }
    if ((d = rl_wrap_dim(d, T(self)->ndim)) == INT64_MIN) return NULL;
    return PyLong_FromLongLong(T(self)->size[d]);
}
static PyObject *stride(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    Tensor *t = T(self);
    PyObject *which = n ? args[0] : kw && PyTuple_GET_SIZE(kw) ? args[0] : NULL;
    if (!which || which == Py_None) {
        PyObject *r = PyTuple_New(t->ndim);
        for (int i = 0; r && i < t->ndim; i++) PyTuple_SET_ITEM(r, i, PyLong_FromLongLong(t->stride[i]));
        return r;
    }
    int64_t d;
    if (rl_as_int(which, &d) <= 0) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "stride(): argument 'dim' (position 1) must be int, not %s", rl_type_name(which));
        return NULL;
    }
    if (t->ndim == 0) { PyErr_SetString(PyExc_IndexError, "Dimension specified as 0 but tensor has no dimensions"); return NULL; }
    if ((d = rl_wrap_dim(d, t->ndim)) == INT64_MIN) return NULL;
    return PyLong_FromLongLong(t->stride[d]);
}
static PyObject *dim(PyObject *self, PyObject *u) { (void)u; return PyLong_FromLong(T(self)->ndim); }
static PyObject *numel(PyObject *self, PyObject *u) { (void)u; return PyLong_FromLongLong(T(self)->numel); }
static PyObject *element_size(PyObject *self, PyObject *u) { (void)u; return PyLong_FromLong(RL_ITEMSIZE(T(self)->dtype)); }
static PyObject *storage_offset(PyObject *self, PyObject *u) {
    (void)u;
    return PyLong_FromLongLong(T(self)->data ? RL_OFFSET(T(self)) : 0);
}
static PyObject *data_ptr(PyObject *self, PyObject *u) { (void)u; return PyLong_FromVoidPtr(T(self)->numel ? T(self)->data : NULL); }

static bool channels_last(Tensor *t, int spatial) {
    if (t->ndim != spatial + 2) return false;
    int64_t step = 1;
    int order[5];
    order[0] = 1;
    for (int i = 0; i < spatial; i++) order[i + 1] = t->ndim - 1 - i;
    order[spatial + 1] = 0;
    for (int i = 0; i < t->ndim; i++) {
        int d = order[i];
        if (t->size[d] != 1 && t->stride[d] != step) return false;
        step *= t->size[d];
    }
    return true;
}
static PyObject *is_contiguous(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    int format = RL_CONTIGUOUS_FORMAT;
    if (n + (kw ? PyTuple_GET_SIZE(kw) : 0) && rl_as_memory_format(args[0], &format) <= 0) {
        PyErr_SetString(PyExc_TypeError, "is_contiguous(): argument 'memory_format' must be torch.memory_format");
        return NULL;
    }
    if (format == RL_CHANNELS_LAST) return PyBool_FromLong(channels_last(T(self), 2));
    if (format == RL_CHANNELS_LAST_3D) return PyBool_FromLong(channels_last(T(self), 3));
    return PyBool_FromLong(RL_IS_CONTIGUOUS(T(self)) != 0);
}
static Py_ssize_t length(PyObject *o) {
    if (T(o)->ndim == 0) { PyErr_SetString(PyExc_TypeError, "len() of a 0-d tensor"); return -1; }
    return (Py_ssize_t)T(o)->size[0];
}

/* ---------------------------------------------------------------- attributes */

static PyObject *get_dtype(PyObject *o, void *c) { (void)c; return Py_NewRef(rl_dtype_object((RLDType)T(o)->dtype)); }
static PyObject *get_device(PyObject *o, void *c) { (void)c; return rl_device_object(T(o)->device); }
static PyObject *get_layout(PyObject *o, void *c) {
    (void)o; (void)c;
    return PyObject_GetAttrString(PyState_FindModule(&rl_module), "strided");
}
static PyObject *get_ndim(PyObject *o, void *c) { (void)c; return PyLong_FromLong(T(o)->ndim); }
static PyObject *get_itemsize(PyObject *o, void *c) { (void)c; return PyLong_FromLong(RL_ITEMSIZE(T(o)->dtype)); }
static PyObject *get_nbytes(PyObject *o, void *c) { (void)c; return PyLong_FromLongLong(T(o)->numel * RL_ITEMSIZE(T(o)->dtype)); }
static PyObject *get_requires_grad(PyObject *o, void *c) { (void)c; return PyBool_FromLong(RL_REQUIRES_GRAD(T(o)) != 0); }
static PyObject *get_is_leaf(PyObject *o, void *c) {
    (void)c;
    Node *fn = RL_REQUIRES_GRAD(T(o)) ? rl_grad_fn(T(o)) : NULL;
    return !fn && PyErr_Occurred() ? NULL : PyBool_FromLong(fn == NULL);
}
static PyObject *get_grad_fn(PyObject *o, void *c) {
    (void)c;
    Node *fn = rl_grad_fn(T(o));
    return !fn && PyErr_Occurred() ? NULL : rl_node_object(fn);
}
static PyObject *get_grad(PyObject *o, void *c) {
    (void)c;
    Tensor *t = T(o);
    if (t->grad) return Py_NewRef((PyObject *)t->grad);
    if (RL_UNLIKELY(t->grad_fn != NULL) && !(t->flags & RLF_RETAINS_GRAD) &&
        PyErr_WarnEx(PyExc_UserWarning,
                     "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad attribute won't be "
                     "populated during autograd.backward(). If you indeed want the .grad field to be populated for a non-leaf "
                     "Tensor, use .retain_grad() on the non-leaf Tensor. If you access the non-leaf Tensor by mistake, make sure "
                     "you access the leaf Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more informations.", 1) < 0)
        return NULL;
    Py_RETURN_NONE;
}
static int set_grad(PyObject *o, PyObject *v, void *c) {
    (void)c;
    Tensor *t = T(o);
    if (v == NULL || v == Py_None) { Py_CLEAR(t->grad); return 0; }
    if (!RL_IS_TENSOR(v)) {
        PyErr_Format(PyExc_TypeError, "assigned grad expected to be a Tensor or None but got grad of type %s", rl_type_name(v));
        return -1;
    }
    if (v == o) { PyErr_SetString(PyExc_RuntimeError, "can't assign Variable as its own grad"); return -1; }
    if (T(v)->dtype != t->dtype) {
        PyErr_Format(PyExc_RuntimeError, "attempting to assign a gradient with dtype '%s' to a tensor with grad_dtype '%s'. The gradient "
                     "must match the tensor's grad_dtype (defaults to the tensor's dtype). You can set the tensor's grad_dtype attribute with "
                     "a specific dtype, or None to allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and "
                     "its gradient may break downstream systems that assume they match.", rl_cpp_name((RLDType)T(v)->dtype),
                     rl_dtypes[t->dtype].legacy);
        return -1;
    }
    if (!rl_same_shape(t, T(v))) {
        PyObject *given = rl_size_object(T(v)->ndim, T(v)->size), *wanted = rl_size_object(t->ndim, t->size);
        PyObject *a = given ? PySequence_List(given) : NULL, *b = wanted ? PySequence_List(wanted) : NULL;
        if (a && b) PyErr_Format(PyExc_RuntimeError, "attempting to assign a gradient of size '%S' to a tensor of size '%S'. Please "
                                 "ensure that the gradient and the tensor are the same size", a, b);
        Py_XDECREF(given); Py_XDECREF(wanted); Py_XDECREF(a); Py_XDECREF(b);
        return -1;
    }
    rl_track(t);
    Py_XSETREF(t->grad, T(Py_NewRef(v)));
    return 0;
}

/* Each way to ask words its refusal in its own way: `only` is what comes before the word dtype. */
static int require_float(Tensor *t, const char *only) {
    if (RL_IS_INEXACT(t->dtype)) return 0;
    PyErr_Format(PyExc_RuntimeError, "%s dtype can require gradients", only);
    rl_hint("it is torch.%s; x.float() is a floating-point copy", rl_dtypes[t->dtype].name);
    return -1;
}
static int set_requires(Tensor *t, bool on, const char *only) {
    if (on && require_float(t, only) < 0) return -1;
    if (t->grad_fn) {
        if (on) return 0;
        PyErr_SetString(PyExc_RuntimeError,
                        "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                        "subgraph that doesn't require differentiation use var_no_grad = var.detach().");
        return -1;
    }
    if (on) t->flags |= RLF_REQUIRES_GRAD;
    else t->flags &= ~(uint32_t)RLF_REQUIRES_GRAD;
    return 0;
}
static int set_requires_grad(PyObject *o, PyObject *v, void *c) {
    (void)c;
    if (T(o)->grad_fn && v == Py_True) {
        PyErr_SetString(PyExc_RuntimeError, "you can only change requires_grad flags of leaf variables.");
        return -1;
    }
    if (!v || !PyBool_Check(v)) {
        int on = v ? PyObject_IsTrue(v) : -1;
        if (on < 0) { if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "requires_grad must be a bool"); return -1; }
        return set_requires(T(o), on, "only Tensors of floating point and complex");
    }
    return set_requires(T(o), v == Py_True, "only Tensors of floating point and complex");
}
static PyObject *requires_grad_(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    bool on = true;
    if (n + (kw ? PyTuple_GET_SIZE(kw) : 0)) {
        int v = PyObject_IsTrue(args[0]);
        if (v < 0) return NULL;
        on = v;
    }
    if (set_requires(T(self), on, "only Tensors of floating point") < 0) return NULL;
    return Py_NewRef(self);
}

/* x.data shares memory but neither history nor version: writes through it are not seen. */
static PyObject *get_data(PyObject *o, void *c) {
    (void)c;
    Tensor *r = rl_tensor_of_type(Py_TYPE(o) == &RLParameter_Type ? &RLTensor_Type : Py_TYPE(o), T(o));
    if (!r) return NULL;
    Version *v = calloc(1, sizeof *v);
    if (!v) { Py_DECREF(r); return PyErr_NoMemory(); }
    if (r->flags & RLF_OWN_VERSION) r->version->refs--;
    v->refs = 1;
    r->version = v;
    r->flags |= RLF_OWN_VERSION;
    return (PyObject *)r;
}
static int set_data(PyObject *o, PyObject *v, void *c) {
    (void)c;
    if (!v || !RL_IS_TENSOR(v)) {
        PyErr_Format(PyExc_TypeError, "Variable data has to be a tensor, but got %s", v ? rl_type_name(v) : "nothing");
        return -1;
    }
    Tensor *t = T(o), *src = T(v);
    if (RL_REQUIRES_GRAD(t) && !RL_IS_INEXACT(src->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "data set to a tensor that requires gradients must be floating point or complex dtype");
        return -1;
    }
    if (rl_own_version(t) < 0) return -1; /* which goes on: PyTorch does not count an assignment to .data as a write */
    src->storage->refs++;
    Storage *old = t->storage;
    t->storage = src->storage;
    t->data = src->data;
    t->dtype = src->dtype;
    t->device = src->device;
    rl_set_geometry(t, src->ndim, src->size, src->stride);
    rl_storage_decref(old);
    return 0;
}
static PyObject *get_T(PyObject *o, void *c) {
    (void)c;
    if (special(o)) return overridden("t", o, NULL);
    Tensor *t = T(o);
    int64_t dims[RL_MAXDIM];
    for (int i = 0; i < t->ndim; i++) dims[i] = t->ndim - 1 - i;
    return (PyObject *)rl_permute(t, (Ints){dims, t->ndim});
}
static PyObject *get_mT(PyObject *o, void *c) {
    (void)c;
    if (T(o)->ndim == 0) return get_T(o, c);
    if (T(o)->ndim < 2) {
        PyErr_Format(PyExc_RuntimeError, "tensor.mT is only supported on matrices or batches of matrices. Got %d-D tensor.", T(o)->ndim);
        return NULL;
    }
    return (PyObject *)rl_transpose(T(o), -2, -1);
}
static PyObject *get_mH(PyObject *o, void *c) {
    Tensor *m = (Tensor *)get_mT(o, c), *r = m ? rl_conj(m) : NULL;
    Py_XDECREF(m);
    return (PyObject *)r;
}
static PyObject *get_real(PyObject *o, void *c) { (void)c; return (PyObject *)rl_real(T(o)); }
static PyObject *get_imag(PyObject *o, void *c) { (void)c; return (PyObject *)rl_imag(T(o)); }
static PyObject *get_version(PyObject *o, void *c) { (void)c; return PyLong_FromUnsignedLong(T(o)->version->value); }
static PyObject *get_base(PyObject *o, void *c) { (void)c; return Py_NewRef(T(o)->base ? (PyObject *)T(o)->base : Py_None); }
static PyObject *get_output_nr(PyObject *o, void *c) { (void)c; return PyLong_FromUnsignedLong(T(o)->output_nr); }
static PyObject *get_retains(PyObject *o, void *c) { (void)c; return PyBool_FromLong((T(o)->flags & RLF_RETAINS_GRAD) != 0); }
static PyObject *get_false(PyObject *o, void *c) { (void)o; (void)c; Py_RETURN_FALSE; }
static PyObject *get_none(PyObject *o, void *c) { (void)o; (void)c; Py_RETURN_NONE; }
static PyObject *get_is_cpu(PyObject *o, void *c) { (void)c; return PyBool_FromLong(T(o)->device == RL_CPU); }
static PyObject *get_is_meta(PyObject *o, void *c) { (void)c; return PyBool_FromLong(T(o)->device == RL_META); }
static PyObject *get_name(PyObject *o, void *c) { (void)o; (void)c; Py_RETURN_NONE; }
static PyObject *get_backward_hooks(PyObject *o, void *c) {
    (void)c;
    PyObject *h = T(o)->extra ? T(o)->extra->hooks : NULL;
    return Py_NewRef(h ? h : Py_None);
}
static int set_ignored(PyObject *o, PyObject *v, void *c) { (void)o; (void)v; (void)c; return 0; }

/* ---------------------------------------------------------------- autograd */

static PyObject *py_retain_grad(PyObject *self, PyObject *u) {
    (void)u;
    if (rl_retain_grad(T(self)) < 0) return NULL;
    Py_RETURN_NONE;
}
static PyObject *detach_(PyObject *self, PyObject *u) {
    (void)u;
    Tensor *t = T(self);
    if (t->base) {
        PyErr_SetString(PyExc_RuntimeError, "Can't detach views in-place. Use detach() instead. If you are using "
                        "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as True, gradients are views of "
                        "DDP buckets, and hence detach_() cannot be called on these gradients. To fix this error, please refer to the "
                        "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution.");
        return NULL;
    }
    if (t->flags & RLF_RETAINS_GRAD) rl_forget_retained(t);
    Py_CLEAR(t->grad_fn);
    t->output_nr = 0;
    t->flags &= ~(uint32_t)RLF_REQUIRES_GRAD;
    return Py_NewRef(self);
}
static PyObject *is_view(PyObject *self, PyObject *u) { (void)u; return PyBool_FromLong(T(self)->base != NULL); }
static PyObject *bump_version(PyObject *self, PyObject *u) { (void)u; rl_bump(T(self)); Py_RETURN_NONE; }

/* ---------------------------------------------------------------- Python halves, imported when first needed */

static PyObject *python_half(const char *module, const char *name) {
    PyObject *m = PyImport_ImportModule(module);
    PyObject *f = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return f;
}
static PyObject *formatted(PyObject *self, const char *name) {
    PyObject *f = python_half("rushlight._tensor_str", name);
    rl_torch_function_off++;
    PyObject *r = f ? PyObject_CallOneArg(f, self) : NULL;
    rl_torch_function_off--;
    Py_XDECREF(f);
    return r;
}
static PyObject *repr(PyObject *self) { return special(self) ? overridden("__repr__", self, NULL) : formatted(self, "_str"); }

/* ---------------------------------------------------------------- pickling, copying */

static PyObject *make_subclass(PyObject *cls, PyObject *args, PyObject *kw) {
    (void)cls;
    static char *names[] = {"cls", "data", "require_grad", NULL};
    PyObject *type, *data;
    int requires = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O!O!|p:_make_subclass", names, &PyType_Type, &type, &RLTensor_Type, &data, &requires)) return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)type, &RLTensor_Type)) {
        PyErr_SetString(PyExc_TypeError, "cls must be a type (got type)");
        return NULL;
    }
    Tensor *r = rl_tensor_of_type((PyTypeObject *)type, T(data));
    if (r && requires && set_requires(r, true, "Only Tensors of floating point and complex") < 0) Py_CLEAR(r);
    return (PyObject *)r;
}
static PyObject *as_subclass(PyObject *self, PyObject *cls) {
    if (!PyType_Check(cls) || !PyType_IsSubtype((PyTypeObject *)cls, &RLTensor_Type)) {
        PyErr_SetString(PyExc_TypeError, "as_subclass(): cls must be a subclass of Tensor");
        return NULL;
    }
    Tensor *a = rl_alias_op(T(self));
    if (!a) return NULL;
    if ((PyTypeObject *)cls == &RLTensor_Type) return (PyObject *)a;
    Tensor *r = rl_tensor_of_type((PyTypeObject *)cls, a);
    if (r) {
        r->grad_fn = a->grad_fn;
        Py_XINCREF(r->grad_fn);
        r->output_nr = a->output_nr;
        r->flags |= a->flags & RLF_REQUIRES_GRAD;
        r->base = a->base;
        Py_XINCREF(r->base);
        r->view_version = a->view_version;
    }
    Py_DECREF(a);
    return (PyObject *)r;
}

/* The default __torch_function__: run plainly, then give results the subclass. */
static PyObject *convert_results(PyObject *r, PyObject *cls) {
    if (RL_IS_TENSOR_EXACT(r) && Py_TYPE(r) == &RLTensor_Type) {
        PyObject *n = as_subclass(r, cls);
        Py_DECREF(r);
        return n;
    }
    if (PyTuple_CheckExact(r) || PyList_CheckExact(r)) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(r); i++) {
            PyObject *e = convert_results(Py_NewRef(PySequence_Fast_GET_ITEM(r, i)), cls);
            if (!e) { Py_DECREF(r); return NULL; }
            PyObject **at = &PySequence_Fast_ITEMS(r)[i];
            Py_SETREF(*at, e);
        }
    }
    return r;
}
static PyObject *torch_function(PyObject *cls, PyObject *args, PyObject *kwargs) {
    PyObject *func, *types, *pos = NULL, *kw = NULL;
    static char *names[] = {"func", "types", "args", "kwargs", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO|OO:__torch_function__", names, &func, &types, &pos, &kw)) return NULL;
    PyObject *seq = PySequence_Fast(types, "types must be a sequence");
    if (!seq) return NULL;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(seq); i++) {
        PyObject *t = PySequence_Fast_GET_ITEM(seq, i);
        if (!PyType_Check(t) || !PyType_IsSubtype((PyTypeObject *)cls, (PyTypeObject *)t)) { Py_DECREF(seq); Py_RETURN_NOTIMPLEMENTED; }
    }
    Py_DECREF(seq);
    PyObject *empty = pos && pos != Py_None ? PySequence_Tuple(pos) : PyTuple_New(0);
    if (!empty) return NULL;
    rl_torch_function_off++;
    PyObject *r = PyObject_Call(func, empty, kw && kw != Py_None ? kw : NULL);
    rl_torch_function_off--;
    Py_DECREF(empty);
    return r && cls != (PyObject *)&RLTensor_Type && cls != (PyObject *)&RLParameter_Type ? convert_results(r, cls) : r;
}

/* ---------------------------------------------------------------- the types */

static PyNumberMethods number = {
    .nb_add = nb_add, .nb_subtract = nb_sub, .nb_multiply = nb_mul, .nb_true_divide = nb_div, .nb_floor_divide = nb_floordiv,
    .nb_remainder = nb_mod, .nb_power = nb_pow, .nb_matrix_multiply = nb_matmul, .nb_negative = nb_neg, .nb_positive = nb_pos,
    .nb_absolute = nb_abs, .nb_invert = nb_invert, .nb_and = nb_and, .nb_or = nb_or, .nb_xor = nb_xor, .nb_lshift = nb_lshift,
    .nb_rshift = nb_rshift, .nb_bool = nb_bool, .nb_float = nb_float, .nb_int = nb_int, .nb_index = nb_index,
    .nb_inplace_add = nb_iadd, .nb_inplace_subtract = nb_isub, .nb_inplace_multiply = nb_imul, .nb_inplace_true_divide = nb_idiv,
    .nb_inplace_floor_divide = nb_ifloordiv, .nb_inplace_remainder = nb_imod, .nb_inplace_power = nb_ipow, .nb_inplace_and = nb_iand,
    .nb_inplace_or = nb_ior, .nb_inplace_xor = nb_ixor, .nb_inplace_lshift = nb_ilshift, .nb_inplace_rshift = nb_irshift};
static PyMappingMethods mapping = {.mp_length = length, .mp_subscript = rl_getitem, .mp_ass_subscript = rl_setitem};
static PySequenceMethods sequence = {.sq_length = length, .sq_contains = rl_contains};

static PyGetSetDef getset[] = {
    {"shape", get_shape, NULL, "Sizes of the dimensions.", NULL},
    {"dtype", get_dtype, NULL, "Kind of number.", NULL},
    {"device", get_device, NULL, "Where the data is.", NULL},
    {"layout", get_layout, NULL, "How the elements are laid out: torch.strided.", NULL},
    {"ndim", get_ndim, NULL, "Number of dimensions.", NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of an element.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of all elements.", NULL},
    {"requires_grad", get_requires_grad, set_requires_grad, "Whether gradients are wanted.", NULL},
    {"is_leaf", get_is_leaf, NULL, "Made by the user, not by an operation.", NULL},
    {"grad_fn", get_grad_fn, NULL, "The node that made this tensor.", NULL},
    {"grad", get_grad, set_grad, "The gradient that backward() has left.", NULL},
    {"data", get_data, set_data, "The same memory without history.", NULL},
    {"T", get_T, NULL, "Dimensions reversed.", NULL},
    {"H", get_mH, NULL, "Conjugate transpose.", NULL},
    {"mT", get_mT, NULL, "Last two dimensions exchanged.", NULL},
    {"mH", get_mH, NULL, "Conjugate transpose of the last two dimensions.", NULL},
    {"real", get_real, NULL, "Real part.", NULL},
    {"imag", get_imag, NULL, "Imaginary part.", NULL},
    {"_version", get_version, NULL, "In-place writes so far.", NULL},
    {"_base", get_base, NULL, "The tensor this one is a view of.", NULL},
    {"output_nr", get_output_nr, NULL, "Which result of grad_fn this is.", NULL},
    {"retains_grad", get_retains, NULL, "Whether retain_grad() was called on a tensor that is not a leaf.", NULL},
    {"is_cpu", get_is_cpu, NULL, "Whether it is on the CPU.", NULL},
    {"is_meta", get_is_meta, NULL, "Whether it has a shape and no data.", NULL},
    {"is_cuda", get_false, NULL, "False: there is only the CPU.", NULL},
    {"is_mps", get_false, NULL, "False: there is only the CPU.", NULL},
    {"is_xpu", get_false, NULL, "False: there is only the CPU.", NULL},
    {"is_sparse", get_false, NULL, "False: all tensors are strided.", NULL},
    {"is_sparse_csr", get_false, NULL, "False: all tensors are strided.", NULL},
    {"is_quantized", get_false, NULL, "False: there are no quantised tensors.", NULL},
    {"is_mkldnn", get_false, NULL, "False: all tensors are strided.", NULL},
    {"is_nested", get_false, NULL, "False: there are no nested tensors.", NULL},
    {"name", get_name, NULL, "None; PyTorch keeps a name of its former graphs here.", NULL},
    {"names", get_none, NULL, "None: dimensions have no names.", NULL},
    {"_backward_hooks", get_backward_hooks, set_ignored, NULL, NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {0}};

#define FAST(f) ((PyCFunction)(void (*)(void))(f)), METH_FASTCALL | METH_KEYWORDS
static PyMethodDef methods[] = {
    {"item", item, METH_NOARGS,
     "item()\n"
     "\n"
     "The one element as a Python number. RuntimeError where there are more, or none.\n"
     "\n"
     ">>> import rushlight as torch\n"
     ">>> torch.tensor([2.5]).item()\n"
     "2.5"},
    {"tolist", tolist, METH_NOARGS,
     "tolist()\n"
     "\n"
     "The elements as nested lists of Python numbers; of a 0-dimensional tensor the number.\n"
     "\n"
     ">>> import rushlight as torch\n"
     ">>> torch.tensor([[1, 2], [3, 4]]).tolist()\n"
     "[[1, 2], [3, 4]]"},
    {"size", FAST(size),
     "size(dim=None)\n"
     "\n"
     "Sizes as a torch.Size, or the size of one dimension.\n"
     "\n"
     ">>> import rushlight as torch\n"
     ">>> x = torch.zeros(2, 3)\n"
     ">>> x.size(), x.size(-1)\n"
     "(torch.Size([2, 3]), 3)"},
    {"stride", FAST(stride), "Distances in elements between neighbours along each dimension."},
    {"dim", dim, METH_NOARGS, "Number of dimensions."},
    {"ndimension", dim, METH_NOARGS, "Number of dimensions."},
    {"numel", numel, METH_NOARGS, "Number of elements."},
    {"nelement", numel, METH_NOARGS, "Number of elements."},
    {"element_size", element_size, METH_NOARGS, "Bytes of an element."},
    {"storage_offset", storage_offset, METH_NOARGS, "Position of the first element in the storage."},
    {"data_ptr", data_ptr, METH_NOARGS, "Address of the first element."},
    {"is_contiguous", FAST(is_contiguous), "Whether elements lie in row-major order without gaps."},
    {"requires_grad_", FAST(requires_grad_),
     "requires_grad_(requires_grad=True)\n"
     "\n"
     "Asks for gradients, or no longer; returns self. RuntimeError for integers and bool.\n"
     "\n"
     ">>> import rushlight as torch\n"
     ">>> torch.ones(2).requires_grad_()\n"
     "tensor([1., 1.], requires_grad=True)"},
    {"retain_grad", py_retain_grad, METH_NOARGS, "Keeps the gradient of a tensor that is not a leaf."},
    {"detach_", detach_, METH_NOARGS, "Cuts the history off, in place."},
    {"_is_view", is_view, METH_NOARGS, NULL},
    {"_bump_version", bump_version, METH_NOARGS, NULL},
    {"as_subclass", as_subclass, METH_O, "The same tensor as an instance of a subclass."},
    {"_make_subclass", (PyCFunction)(void (*)(void))make_subclass, METH_VARARGS | METH_KEYWORDS | METH_STATIC, NULL},
    {"__torch_function__", (PyCFunction)(void (*)(void))torch_function, METH_VARARGS | METH_KEYWORDS | METH_CLASS, NULL},
    {"backward", FAST(rl_py_backward),
     "backward(gradient=None, retain_graph=None, create_graph=False, inputs=None)\n"
     "\n"
     "Adds the derivative of this tensor to the .grad of each leaf it was computed from.\n"
     "\n"
     "gradient has this tensor's shape and weighs its elements; a single element needs none. The graph is freed\n"
     "unless retain_graph; with create_graph the derivatives can be differentiated again. inputs: only these.\n"
     "RuntimeError where nothing requires grad, or the graph was freed, or a value it needs was overwritten.\n"
     "\n"
     ">>> import rushlight as torch\n"
     ">>> x = torch.tensor([1.0, 2.0], requires_grad=True)\n"
     ">>> (x ** 2).sum().backward()\n"
     ">>> x.grad\n"
     "tensor([2., 4.])"},
    {"register_hook", rl_py_register_hook, METH_O, "Calls a function with the gradient when it is known."},
    {"register_post_accumulate_grad_hook", rl_py_register_post_hook, METH_O, "Calls a function when .grad has been updated."},
    {"to", FAST(rl_py_to),
     "to(dtype), to(device, dtype=None), to(other)\n"
     "\n"
     "With another dtype or device, or those of another tensor; self when nothing changes.\n"
     "\n"
     "AssertionError for \"cuda\": tensors live on the CPU, or on \"meta\" as shapes without data.\n"
     "\n"
     ">>> import rushlight as torch\n"
     ">>> torch.tensor([1.7, -1.7]).to(torch.int64)\n"
     "tensor([ 1, -1])"},
    {"numpy", FAST(rl_py_numpy),
     "numpy(*, force=False)\n"
     "\n"
     "A NumPy array over the same memory. RuntimeError where the tensor requires grad, unless force, which detaches.\n"
     "\n"
     ">>> import rushlight as torch\n"
     ">>> torch.tensor([1.0, 2.0]).numpy()\n"
     "array([1., 2.], dtype=float32)"},
    {"_storage_bytes", rl_py_storage_bytes, METH_NOARGS, NULL},
    {0}};

static Py_hash_t hash(PyObject *o) { return _Py_HashPointer(o); }

PyTypeObject RLTensor_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "Tensor",
    .tp_basicsize = sizeof(Tensor),
    .tp_dealloc = rl_tensor_dealloc,
    .tp_repr = repr,
    .tp_as_number = &number,
    .tp_as_mapping = &mapping,
    .tp_as_sequence = &sequence,
    .tp_hash = hash,
    .tp_iter = rl_iter,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_doc = "A multi-dimensional array of one kind of number, with gradients.",
    .tp_traverse = rl_tensor_traverse,
    .tp_clear = rl_tensor_clear,
    .tp_richcompare = richcompare,
    .tp_weaklistoffset = offsetof(Tensor, weakrefs),
    .tp_dictoffset = offsetof(Tensor, dict),
    .tp_methods = methods,
    .tp_getset = getset,
    .tp_new = rl_tensor_tp_new,
    .tp_free = PyObject_GC_Del,
};

static PyObject *parameter_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    static char *names[] = {"data", "requires_grad", NULL};
    PyObject *data = Py_None, *requires = Py_True;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|OO:Parameter", names, &data, &requires)) return NULL;
    int on = PyObject_IsTrue(requires);
    if (on < 0) return NULL;
    Tensor *src;
    if (data == Py_None) {
        int64_t zero = 0;
        src = rl_empty(1, &zero, rl_default_dtype, RL_CPU);
    } else if (RL_IS_TENSOR(data)) {
        src = T(Py_NewRef(data));
    } else {
        PyErr_Format(PyExc_TypeError, "Parameter data must be a Tensor, not %s", rl_type_name(data));
        return NULL;
    }
    if (!src) return NULL;
    Tensor *r = NULL;
    if (!on || require_float(src, "Only Tensors of floating point and complex") == 0) r = rl_tensor_of_type(type, src);
    Py_DECREF(src);
    if (r && on) r->flags |= RLF_REQUIRES_GRAD;
    return (PyObject *)r;
}

static PyObject *parameter_repr(PyObject *self) { return formatted(self, "_parameter_str"); }
static int parameter_init(PyObject *self, PyObject *args, PyObject *kw) { (void)self; (void)args; (void)kw; return 0; }

PyTypeObject RLParameter_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "Parameter",
    .tp_base = &RLTensor_Type,
    .tp_basicsize = sizeof(Tensor),
    .tp_repr = parameter_repr,
    .tp_dealloc = rl_tensor_dealloc,
    .tp_hash = hash,
    .tp_richcompare = richcompare,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .tp_traverse = rl_tensor_traverse,
    .tp_clear = rl_tensor_clear,
    .tp_new = parameter_new,
    .tp_init = parameter_init,
    .tp_free = PyObject_GC_Del,
    .tp_doc = "Parameter(data=None, requires_grad=True): a tensor that modules register and optimizers train.\n\n"
              ">>> import rushlight as torch\n>>> torch.nn.Parameter(torch.zeros(2))\n"
              "Parameter containing:\ntensor([0., 0.], requires_grad=True)",
};
