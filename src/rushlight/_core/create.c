/* create.c -- tensors from Python values: nested sequences of numbers, arrays, and PyTorch's older constructors. */
#include "create.h"
#include "rl_ops.h"
#include "types.h"

int rl_default_device = RL_CPU;

Tensor *rl_with_grad(Tensor *t, bool requires_grad) {
    if (!t || !requires_grad) return t;
    if (!RL_IS_INEXACT(t->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "Only Tensors of floating point and complex dtype can require gradients");
        rl_hint("it would be torch.%s; dtype=torch.float32 makes it floating-point", rl_dtypes[t->dtype].name);
        Py_DECREF(t);
        return NULL;
    }
    t->flags |= RLF_REQUIRES_GRAD;
    return t;
}

/* ---------------------------------------------------------------- nested sequences */

/* Sizes and dtype come from two looks at the data before anything is stored: the sizes from the first
 * element of each level, the dtype from all elements. Tensors among the elements count as numbers. */
typedef struct { int ndim; int64_t size[RL_MAXDIM]; RLDType dt; } Shape;

static bool is_sequence(PyObject *o) {
    return PyList_CheckExact(o) || PyTuple_CheckExact(o) ||
           (PySequence_Check(o) && !PyUnicode_Check(o) && !RL_IS_TENSOR(o) && !rl_is_numpy(o));
}

static int append_size(Shape *s, int64_t n, PyObject *o) {
    if (s->ndim == RL_MAXDIM) {
        PyErr_Format(PyExc_ValueError, "too many dimensions '%s'", rl_type_name(o));
        return -1;
    }
    s->size[s->ndim++] = n;
    return 0;
}

static int append_array_sizes(Shape *s, PyObject *o) {
    Tensor *t = rl_from_numpy_array(o, false);
    if (!t) return -1;
    int r = 0;
    for (int i = 0; r == 0 && i < t->ndim; i++) r = append_size(s, t->size[i], o);
    Py_DECREF(t);
    return r;
}

static int find_sizes(PyObject *o, Shape *s) {
    Py_INCREF(o);
    int r = 0;
    while (r == 0 && !PyFloat_CheckExact(o) && !PyLong_CheckExact(o) && !RL_IS_TENSOR(o)) {
        if (PyUnicode_Check(o)) {
            PyErr_SetString(PyExc_ValueError, "too many dimensions 'str'");
            r = -1;
        } else if (rl_is_numpy(o)) {
            r = append_array_sizes(s, o);
            break;
        } else if (is_sequence(o)) {
            Py_ssize_t n = PySequence_Size(o);
            if (n < 0 || append_size(s, n, o) < 0) { r = -1; break; }
            if (n == 0) break;
            PyObject *first = PySequence_GetItem(o, 0);
            if (!first) { r = -1; break; }
            Py_SETREF(o, first);
        } else {
            break;
        }
    }
    Py_DECREF(o);
    return r;
}

static inline void join(RLDType *dt, RLDType with) { *dt = *dt == RL_NODTYPE ? with : rl_promote(*dt, with); }

/* `levels`: how deep sequences may go on; what is deeper is left for fill() to complain about. */
static int find_dtype(PyObject *o, int levels, RLDType *dt) {
    if (PyFloat_CheckExact(o)) join(dt, rl_default_dtype);
    else if (PyBool_Check(o)) join(dt, RL_BOOL);
    else if (PyLong_Check(o)) join(dt, RL_I64);
    else if (RL_IS_TENSOR(o)) join(dt, (RLDType)((Tensor *)o)->dtype);
    else if (rl_is_numpy(o)) { /* before float: numpy.float64 is one, yet stays float64 */
        RLDType have = rl_numpy_dtype(o);
        if (have == RL_NODTYPE) return -1;
        join(dt, have);
    } else if (PyFloat_Check(o)) join(dt, rl_default_dtype);
    else if (PyComplex_Check(o)) join(dt, rl_default_complex());
    else if (PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "new(): invalid data type '%s'", rl_type_name(o));
        return -1;
    } else if (is_sequence(o)) {
        if (levels == 0) return 0;
        PyObject *items = PySequence_Fast(o, "not a sequence");
        if (!items) return -1;
        bool floats = false, ints = false;
        int r = 0;
        for (Py_ssize_t i = 0; r == 0 && i < PySequence_Fast_GET_SIZE(items); i++) {
            PyObject *e = PySequence_Fast_GET_ITEM(items, i);
            if (PyFloat_CheckExact(e)) floats = true;
            else if (PyLong_CheckExact(e)) ints = true;
            else r = find_dtype(e, levels - 1, dt);
        }
        Py_DECREF(items);
        if (floats) join(dt, rl_default_dtype);
        if (ints) join(dt, RL_I64);
        return r;
    } else {
        PyErr_Format(PyExc_RuntimeError, "Could not infer dtype of %s", rl_type_name(o));
        return -1;
    }
    return 0;
}

static int overflow(RLDType dt) {
    PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", rl_dtypes[dt].name);
    return -1;
}

static const struct { int64_t min, max; } int_range[] = {
    [RL_U8] = {0, UINT8_MAX}, [RL_I8] = {INT8_MIN, INT8_MAX}, [RL_I16] = {INT16_MIN, INT16_MAX}, [RL_I32] = {INT32_MIN, INT32_MAX},
    [RL_I64] = {INT64_MIN, INT64_MAX}, [RL_U16] = {0, UINT16_MAX}, [RL_U32] = {0, UINT32_MAX}};

/* Like PyTorch, negative numbers wrap in unsigned dtypes as long as their magnitude fits. */
static int to_integer(PyObject *o, RLDType dt, int64_t *out) {
    int64_t min = int_range[dt].min ? int_range[dt].min : -int_range[dt].max, max = int_range[dt].max;
    if (PyFloat_Check(o)) {
        double v = PyFloat_AS_DOUBLE(o);
        if (!(v >= (double)min && v <= (double)max) || v >= 0x1p63) return overflow(dt);
        *out = (int64_t)v;
        return 0;
    }
    int over = 0;
    if (RL_LIKELY(PyLong_CheckExact(o))) {
        *out = PyLong_AsLongLongAndOverflow(o, &over);
    } else {
        PyObject *i = RL_IS_TENSOR(o) ? PyNumber_Long(o) : PyNumber_Index(o);
        if (!i) return -1;
        *out = PyLong_AsLongLongAndOverflow(i, &over);
        Py_DECREF(i);
    }
    if (over) { PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long"); return -1; }
    if (*out == -1 && PyErr_Occurred()) return -1;
    return *out < min || *out > max ? overflow(dt) : 0;
}

static int to_uint64(PyObject *o, uint64_t *out) {
    PyObject *i = PyFloat_Check(o) ? PyNumber_Long(o) : PyNumber_Index(o);
    if (!i) return -1;
    *out = PyLong_AsUnsignedLongLong(i);
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        *out = (uint64_t)PyLong_AsLongLong(i);               /* a negative number wraps */
    }
    Py_DECREF(i);
    return PyErr_Occurred() ? -1 : 0;
}

static int store(PyObject *o, RLDType dt, char *at) {
    if (dt == RL_F32 && RL_LIKELY(PyFloat_CheckExact(o))) { *(float *)at = (float)PyFloat_AS_DOUBLE(o); return 0; }
    if (RL_IS_TENSOR(o) && ((Tensor *)o)->numel != 1) {
        PyErr_SetString(PyExc_ValueError, "only one element tensors can be converted to Python scalars");
        return -1;
    }
    if (dt == RL_BOOL) {
        int v = PyObject_IsTrue(o);
        if (v < 0) return -1;
        *(uint8_t *)at = (uint8_t)v;
        return 0;
    }
    if (dt == RL_U64) return to_uint64(o, (uint64_t *)at);
    if (rl_dtypes[dt].is_integral) {
        int64_t v;
        if (to_integer(o, dt, &v) < 0) return -1;
        memcpy(at, &v, RL_ITEMSIZE(dt));                     /* little-endian: the low bytes come first */
        return 0;
    }
    if (RL_IS_COMPLEX(dt)) {
        Py_complex v = PyComplex_AsCComplex(o);
        if (v.real == -1.0 && PyErr_Occurred()) return -1;
        if (dt == RL_C128) { ((double *)at)[0] = v.real; ((double *)at)[1] = v.imag; return 0; }
        if (dt == RL_C64) { ((float *)at)[0] = (float)v.real; ((float *)at)[1] = (float)v.imag; return 0; }
        return rl_not_implemented("tensor", dt);
    }
    double v = PyFloat_AsDouble(o);
    if (v == -1.0 && PyErr_Occurred()) return -1;
    switch (dt) {
        case RL_F32: *(float *)at = (float)v; return 0;
        case RL_F64: *(double *)at = v; return 0;
        case RL_F16: *(uint16_t *)at = rl_f32_to_f16((float)v); return 0;
        case RL_BF16: *(uint16_t *)at = rl_f32_to_bf16((float)v); return 0;
        default: return rl_not_implemented("tensor", dt);
    }
}

static int wrong_length(const Shape *s, int dim, int64_t got) {
    PyErr_Format(PyExc_ValueError, "expected sequence of length %lld at dim %d (got %lld)", (long long)s->size[dim], dim, (long long)got);
    return -1;
}

static int fill(PyObject *o, const Shape *s, int dim, char *at);

/* An ndarray among the elements, from dimension `dim` on. */
static int fill_from_array(PyObject *o, const Shape *s, int dim, char *at, Tensor *array) {
    int left = s->ndim - dim, r = -1;
    for (int i = 0; i < left && i < array->ndim; i++)
        if (array->size[i] != s->size[dim + i]) return wrong_length(s, dim + i, array->size[i]);
    if (array->ndim != left) {
        PyErr_Format(array->ndim < left ? PyExc_TypeError : PyExc_ValueError,
                     array->ndim < left ? "not a sequence" : "too many dimensions '%s'", rl_type_name(o));
        return -1;
    }
    Storage *part = rl_storage_foreign(at, (size_t)(array->numel * RL_ITEMSIZE(s->dt)), NULL);
    Tensor *dst = part ? rl_from_storage(part, 0, left, s->size + dim, array->stride, s->dt) : NULL;
    if (dst) {
        rl_set_geometry(dst, left, s->size + dim, NULL);
        r = rl_copy_raw(dst, array);
        Py_DECREF(dst);
    }
    if (part) rl_storage_decref(part);
    return r;
}

static int fill(PyObject *o, const Shape *s, int dim, char *at) {
    if (dim == s->ndim) return store(o, s->dt, at);
    if (rl_is_numpy(o)) {
        Tensor *array = rl_from_numpy_array(o, false);
        int r = array ? fill_from_array(o, s, dim, at, array) : -1;
        Py_XDECREF(array);
        return r;
    }
    if (!is_sequence(o) && !RL_IS_TENSOR(o)) { PyErr_SetString(PyExc_TypeError, "not a sequence"); return -1; }
    PyObject *items = PySequence_Fast(o, "not a sequence");
    if (!items) return -1;
    int64_t n = PySequence_Fast_GET_SIZE(items), step = RL_ITEMSIZE(s->dt);
    int r = n == s->size[dim] ? 0 : wrong_length(s, dim, n);
    for (int i = dim + 1; i < s->ndim; i++) step *= s->size[i];
    /* storing may run Python code, which could shorten the list */
    for (int64_t i = 0; r == 0 && i < n; i++) {
        if (i >= PySequence_Fast_GET_SIZE(items)) { r = wrong_length(s, dim, i); break; }
        PyObject *e = PySequence_Fast_GET_ITEM(items, i);
        Py_INCREF(e);
        r = fill(e, s, dim + 1, at + i * step);
        Py_DECREF(e);
    }
    Py_DECREF(items);
    return r;
}

static Tensor *from_sequence(PyObject *o, RLDType dtype) {
    Shape s = {0, {0}, dtype};
    if (PyUnicode_Check(o)) {
        PyErr_Format(PyExc_TypeError, "new(): invalid data type '%s'", rl_type_name(o));
        return NULL;
    }
    if (find_sizes(o, &s) < 0 || (dtype == RL_NODTYPE && find_dtype(o, s.ndim, &s.dt) < 0)) return NULL;
    if (s.dt == RL_NODTYPE) s.dt = rl_default_dtype;         /* no elements */
    Tensor *t = rl_empty(s.ndim, s.size, s.dt, RL_CPU);
    if (t && t->numel && fill(o, &s, 0, t->data) < 0) Py_CLEAR(t);
    return t;
}

/* ---------------------------------------------------------------- any Python value */

static Tensor *own_copy(Tensor *t, RLDType dt) {
    Tensor *r = t->device == RL_META ? rl_empty_strided(t->ndim, t->size, t->stride, dt, RL_META) : rl_empty_like(t, dt);
    if (r && r->device == RL_CPU && rl_copy_raw(r, t) < 0) Py_CLEAR(r);
    return r;
}

Tensor *rl_tensor_from_py(PyObject *o, RLDType dtype, bool copy) {
    if (PyList_CheckExact(o) || PyTuple_CheckExact(o) || PyFloat_CheckExact(o) || PyLong_Check(o)) return from_sequence(o, dtype);
    if (RL_IS_TENSOR(o)) {
        Tensor *t = (Tensor *)o;
        if (copy) return own_copy(t, dtype == RL_NODTYPE ? (RLDType)t->dtype : dtype);
        return dtype == RL_NODTYPE || dtype == t->dtype ? (Tensor *)Py_NewRef(o) : rl_to_dtype(t, dtype);
    }
    Tensor *shared;
    if (rl_is_numpy(o)) shared = rl_from_numpy_array(o, !copy);
    else if (PyUnicode_Check(o) || PyBytes_Check(o) || PyComplex_Check(o) || !PyObject_HasAttrString(o, "__dlpack__")) return from_sequence(o, dtype);
    else shared = rl_from_dlpack_object(o);
    if (!shared) return NULL;
    Tensor *r = copy ? own_copy(shared, dtype == RL_NODTYPE ? (RLDType)shared->dtype : dtype)
                     : rl_to_dtype_raw(shared, dtype == RL_NODTYPE ? (RLDType)shared->dtype : dtype);
    Py_DECREF(shared);
    return r;
}

static Tensor *placed(Tensor *t, int device) {               /* takes over t */
    if (!t || device == t->device) return t;
    Tensor *r = rl_to_device(t, device);
    Py_DECREF(t);
    return r;
}

Tensor *impl_tensor(PyObject *data, RLDType dtype, int device, int pin_memory, bool requires_grad) {
    (void)pin_memory;
    if (RL_IS_TENSOR(data)) {
        if (PyErr_WarnEx(PyExc_UserWarning, "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() "
                         "or sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).", 1) < 0) return NULL;
        if (device < 0) device = ((Tensor *)data)->device;
    }
    Tensor *t = rl_tensor_from_py(data, dtype, true);
    return rl_with_grad(placed(t, device < 0 ? rl_default_device : device), requires_grad);
}

Tensor *impl_as_tensor(PyObject *data, RLDType dtype, int device) {
    Tensor *t = rl_tensor_from_py(data, dtype, false);
    if (device < 0) device = RL_IS_TENSOR(data) ? ((Tensor *)data)->device : rl_default_device;
    return placed(t, device);
}

Tensor *impl_new_tensor(Tensor *input, PyObject *data, RLDType dtype, int device, int pin_memory, bool requires_grad) {
    (void)pin_memory;
    if (dtype == RL_NODTYPE) dtype = (RLDType)input->dtype;
    return rl_with_grad(placed(rl_tensor_from_py(data, dtype, true), device < 0 ? input->device : device), requires_grad);
}

Tensor *impl_scalar_tensor(Scalar s, RLDType dtype, int layout, int device, int pin_memory, bool requires_grad) {
    (void)layout;
    (void)pin_memory;
    if (dtype == RL_NODTYPE) dtype = rl_default_dtype;
    return rl_with_grad(rl_full_scalar(0, NULL, s, dtype, device < 0 ? rl_default_device : device), requires_grad);
}

Tensor *impl_asarray(PyObject *obj, RLDType dtype, int device, int copy, bool requires_grad) {
    Tensor *t;
    bool array = RL_IS_TENSOR(obj) || rl_is_numpy(obj), buffer = false;
    if (!array && !PyList_Check(obj) && !PyTuple_Check(obj) && PyObject_CheckBuffer(obj)) {
        buffer = true;                                       /* raw memory, read as elements of dtype */
        Tensor *raw = rl_from_buffer(obj, dtype == RL_NODTYPE ? rl_default_dtype : dtype, -1, 0);
        t = raw && copy == 1 ? own_copy(raw, (RLDType)raw->dtype) : (Tensor *)Py_XNewRef((PyObject *)raw);
        Py_XDECREF(raw);
    } else {
        t = rl_tensor_from_py(obj, dtype, copy == 1);
    }
    if (t && copy == 0 && !buffer) {
        bool alias = array || PyObject_HasAttrString(obj, "__dlpack__");
        RLDType have = RL_IS_TENSOR(obj) ? (RLDType)((Tensor *)obj)->dtype : alias && rl_is_numpy(obj) ? rl_numpy_dtype(obj) : (RLDType)t->dtype;
        if (!alias) PyErr_SetString(PyExc_ValueError, "can't alias arbitrary sequence into a tensor.");
        else if (have != t->dtype) PyErr_Format(PyExc_ValueError, "can't alias tensor with dtype '%s' into dtype '%s'.",
                                                rl_dtypes[have].legacy, rl_dtypes[t->dtype].legacy);
        if (PyErr_Occurred()) Py_CLEAR(t);
    }
    if (device < 0) device = RL_IS_TENSOR(obj) ? ((Tensor *)obj)->device : rl_default_device;
    t = placed(t, device);
    if (t && RL_IS_TENSOR(obj) && !requires_grad && copy != 1 && RL_REQUIRES_GRAD(t)) Py_SETREF(t, rl_shallow(t));
    return rl_with_grad(t, requires_grad);
}

/* ---------------------------------------------------------------- PyTorch's older constructors */

static Tensor *over_storage(Storage *s, RLDType dt) {
    int64_t n = (int64_t)(s->nbytes / RL_ITEMSIZE(dt)), one = 1;
    return rl_from_storage(s, 0, 1, &n, &one, dt);
}

/* Tensor(2, 3), Tensor([1, 2]), Tensor(other), Tensor(storage); `typed`: FloatTensor and its like, which insist
 * on their dtype. */
PyObject *rl_legacy_new(PyObject *args, PyObject *kw, RLDType dtype, bool typed) {
    int device = rl_default_device;
    Py_ssize_t n = PyTuple_GET_SIZE(args);
    PyObject *first = n ? PyTuple_GET_ITEM(args, 0) : NULL, *key, *value;
    for (Py_ssize_t pos = 0; kw && PyDict_Next(kw, &pos, &key, &value);) {
        if (PyUnicode_CompareWithASCIIString(key, "device") == 0 && (value == Py_None || rl_as_device(value, &device) > 0)) continue;
        if (n == 0 && (PyUnicode_CompareWithASCIIString(key, "data") == 0 || PyUnicode_CompareWithASCIIString(key, "size") == 0)) { first = value; continue; }
        if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "new() got an unexpected keyword argument '%U'", key);
        return NULL;
    }
    int64_t size[RL_MAXDIM] = {0};
    if (!first) return (PyObject *)rl_empty(1, size, dtype, device);
    if (n <= 1) {
        RLDType have;
        Storage *s = rl_storage_of(first, &have);
        if (s) return (PyObject *)over_storage(s, dtype);
        if (RL_IS_TENSOR(first)) {
            Tensor *t = (Tensor *)first;
            if (!typed || t->dtype == dtype) return (PyObject *)rl_shallow(t);
            PyErr_Format(PyExc_TypeError, "expected a tensor of dtype %s (got one of dtype %s)", rl_dtypes[dtype].name, rl_dtypes[t->dtype].name);
            return NULL;
        }
        int ndim;
        if (Py_TYPE(first) == &RLSize_Type) return rl_as_sizes(first, size, RL_MAXDIM, &ndim) > 0 ? (PyObject *)rl_empty(ndim, size, dtype, device) : NULL;
        if (!PyIndex_Check(first) || rl_is_numpy(first)) {
            bool number = rl_is_numpy(first) && PyIndex_Check(first) && !PySequence_Check(first);
            if (!number) {
                if (!PySequence_Check(first)) {
                    PyErr_Format(PyExc_TypeError, "new(): data must be a sequence (got %s)", rl_type_name(first));
                    return NULL;
                }
                return (PyObject *)placed(rl_tensor_from_py(first, dtype, true), device);
            }
        }
    }
    if (n > RL_MAXDIM) { PyErr_Format(PyExc_RuntimeError, "tensors may have at most %d dimensions, got %zd", RL_MAXDIM, n); return NULL; }
    if (n == 0) { n = 1; if (rl_as_int(first, &size[0]) <= 0) goto wrong; }
    else for (Py_ssize_t i = 0; i < n; i++) if (rl_as_int(PyTuple_GET_ITEM(args, i), &size[i]) <= 0) goto wrong;
    return (PyObject *)rl_empty((int)n, size, dtype, device);
wrong:
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "new(): expected sizes as integers, a sequence of numbers, or a tensor");
    return NULL;
}

PyObject *rl_tensor_tp_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    PyObject *t = rl_legacy_new(args, kw, rl_default_dtype, false);
    if (!t || type == &RLTensor_Type) return t;
    PyObject *r = (PyObject *)rl_tensor_of_type(type, (Tensor *)t);
    Py_DECREF(t);
    return r;
}

static PyObject *py_new(PyObject *self, PyObject *args, PyObject *kw) {
    Tensor *t = (Tensor *)self;
    return rl_legacy_new(args, kw, (RLDType)t->dtype, true);
}

/* ---------------------------------------------------------------- torch.FloatTensor and its like */

typedef struct { PyObject_HEAD RLDType dt; } TensorTypeObject;

RLDType rl_tensortype_dtype(PyObject *o) {
    return Py_TYPE(o) == &RLTensorType_Type ? ((TensorTypeObject *)o)->dt : RL_NODTYPE;
}

static PyObject *tensortype_call(PyObject *self, PyObject *args, PyObject *kw) {
    return rl_legacy_new(args, kw, ((TensorTypeObject *)self)->dt, true);
}
static PyObject *tensortype_repr(PyObject *self) {
    return PyUnicode_FromFormat("<class 'torch.%sTensor'>", rl_dtypes[((TensorTypeObject *)self)->dt].legacy);
}
static PyObject *tensortype_name(PyObject *self, void *c) {
    (void)c;
    return PyUnicode_FromFormat("%sTensor", rl_dtypes[((TensorTypeObject *)self)->dt].legacy);
}
static PyObject *tensortype_module(PyObject *self, void *c) { (void)self; (void)c; return PyUnicode_FromString("torch"); }
static PyObject *tensortype_dtype(PyObject *self, void *c) { (void)c; return Py_NewRef(rl_dtype_object(((TensorTypeObject *)self)->dt)); }
static PyObject *tensortype_instancecheck(PyObject *self, PyObject *o) {
    return PyBool_FromLong(RL_IS_TENSOR(o) && ((Tensor *)o)->dtype == ((TensorTypeObject *)self)->dt && ((Tensor *)o)->device == RL_CPU);
}
/* `FloatTensor | None` in annotations: these are not classes, so the union is typing's. */
static PyObject *tensortype_or(PyObject *a, PyObject *b) {
    PyObject *m = PyImport_ImportModule("typing"), *u = m ? PyObject_GetAttrString(m, "Union") : NULL;
    PyObject *both = PyTuple_Pack(2, a, b), *r = u && both ? PyObject_GetItem(u, both) : NULL;
    Py_XDECREF(m);
    Py_XDECREF(u);
    Py_XDECREF(both);
    return r;
}
static PyNumberMethods tensortype_number = {.nb_or = tensortype_or};
static PyGetSetDef tensortype_getset[] = {{"__name__", tensortype_name, NULL, NULL, NULL}, {"__qualname__", tensortype_name, NULL, NULL, NULL},
                                          {"__module__", tensortype_module, NULL, NULL, NULL}, {"dtype", tensortype_dtype, NULL, NULL, NULL}, {0}};
static PyMethodDef tensortype_methods[] = {{"__instancecheck__", tensortype_instancecheck, METH_O, NULL}, {0}};

PyTypeObject RLTensorType_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.tensortype",
    .tp_basicsize = sizeof(TensorTypeObject),
    .tp_call = tensortype_call,
    .tp_repr = tensortype_repr,
    .tp_as_number = &tensortype_number,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_getset = tensortype_getset,
    .tp_methods = tensortype_methods,
    .tp_doc = "Makes tensors of one dtype: from sizes, a sequence, or a tensor of that dtype.",
};

static int add_tensortypes(PyObject *m) {
    static const uint8_t with_type[] = {RL_F32, RL_F64, RL_F16, RL_BF16, RL_I64, RL_I32, RL_I16, RL_I8, RL_U8, RL_BOOL};
    if (PyType_Ready(&RLTensorType_Type) < 0) return -1;
    for (size_t i = 0; i < sizeof with_type; i++) {
        TensorTypeObject *o = PyObject_New(TensorTypeObject, &RLTensorType_Type);
        if (!o) return -1;
        o->dt = (RLDType)with_type[i];
        char name[32];
        snprintf(name, sizeof name, "%sTensor", rl_dtypes[o->dt].legacy);
        int r = PyModule_AddObjectRef(m, name, (PyObject *)o);
        Py_DECREF(o);
        if (r < 0) return -1;
    }
    return 0;
}

/* ---------------------------------------------------------------- defaults */

static PyObject *set_default_dtype(PyObject *m, PyObject *d) {
    (void)m;
    RLDType dt;
    if (Py_TYPE(d) != &RLDtype_Type) {
        PyErr_SetString(PyExc_TypeError, "invalid dtype object: only floating-point types are supported as the default type");
        return NULL;
    }
    rl_as_dtype(d, &dt);
    if (dt != RL_F32 && dt != RL_F64 && dt != RL_F16 && dt != RL_BF16) {
        PyErr_SetString(PyExc_TypeError, "only floating-point types are supported as the default type");
        return NULL;
    }
    rl_default_dtype = dt;
    Py_RETURN_NONE;
}
static PyObject *get_default_dtype(PyObject *m, PyObject *u) { (void)m; (void)u; return Py_NewRef(rl_dtype_object(rl_default_dtype)); }

static PyObject *set_default_tensor_type(PyObject *m, PyObject *t) {
    RLDType dt = rl_tensortype_dtype(t);
    if (PyUnicode_Check(t)) {
        const char *s = PyUnicode_AsUTF8(t);
        for (int i = 0; s && i < RL_NDTYPES && dt == RL_NODTYPE; i++) {
            char name[64];
            snprintf(name, sizeof name, "torch.%sTensor", rl_dtypes[i].legacy);
            if (strcmp(s, name) == 0) dt = (RLDType)i;
        }
    }
    if (dt == RL_NODTYPE) { PyErr_SetString(PyExc_TypeError, "invalid type object"); return NULL; }
    return set_default_dtype(m, rl_dtype_object(dt));
}

static PyObject *set_default_device(PyObject *m, PyObject *d) {
    (void)m;
    int device = RL_CPU;
    int r = d == Py_None ? 1 : rl_as_device(d, &device);
    if (r == 0) PyErr_Format(PyExc_TypeError, "device must be a string or torch.device, not %s", rl_type_name(d));
    if (r <= 0) return NULL;
    rl_default_device = device;
    Py_RETURN_NONE;
}
static PyObject *get_default_device(PyObject *m, PyObject *u) { (void)m; (void)u; return rl_device_object(rl_default_device); }

static PyObject *set_num_threads(PyObject *m, PyObject *v) {
    (void)m;
    int64_t n;
    int r = PyBool_Check(v) ? 0 : rl_as_int(v, &n);
    if (r < 0) return NULL;
    if (r == 0) PyErr_Format(PyExc_RuntimeError, "set_num_threads expects an int, but got %s", rl_type_name(v));
    else if (n <= 0 || n > INT32_MAX) PyErr_SetString(PyExc_RuntimeError, "set_num_threads expects a positive integer");
    if (PyErr_Occurred()) return NULL;
    rl_num_threads = (int)n;
    Py_RETURN_NONE;
}
static PyObject *empty_cache(PyObject *m, PyObject *u) {
    (void)m; (void)u;
    rl_memory_trim();
    Py_RETURN_NONE;
}
static PyObject *get_num_threads(PyObject *m, PyObject *u) { (void)m; (void)u; return PyLong_FromLong(rl_num_threads); }

/* ---------------------------------------------------------------- questions about values */

static PyObject *is_tensor(PyObject *m, PyObject *o) { (void)m; return PyBool_FromLong(RL_IS_TENSOR(o)); }
static PyObject *is_storage(PyObject *m, PyObject *o) { (void)m; RLDType dt; return PyBool_FromLong(rl_storage_of(o, &dt) != NULL); }

static PyObject *tensor_from_bytes(PyObject *m, PyObject *args) {
    (void)m;
    PyObject *data, *dtype;
    RLDType dt;
    if (!PyArg_ParseTuple(args, "OO:_tensor_from_bytes", &data, &dtype)) return NULL;
    if (rl_as_dtype(dtype, &dt) <= 0) { PyErr_SetString(PyExc_TypeError, "_tensor_from_bytes(): the second argument must be a dtype"); return NULL; }
    Py_buffer view;
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) < 0) return NULL;
    int64_t n = view.len / RL_ITEMSIZE(dt);
    Tensor *t = NULL;
    if (n * RL_ITEMSIZE(dt) != view.len)
        PyErr_Format(PyExc_ValueError, "%zd bytes are not a whole number of elements of %d bytes", view.len, RL_ITEMSIZE(dt));
    else if ((t = rl_empty(1, &n, dt, RL_CPU)) && n)
        memcpy(t->data, view.buf, (size_t)view.len);
    PyBuffer_Release(&view);
    return (PyObject *)t;
}

static PyObject *storage_bytes(PyObject *m, PyObject *t) {
    (void)m;
    if (RL_IS_TENSOR(t)) return rl_py_storage_bytes(t, NULL);
    PyErr_Format(PyExc_TypeError, "_storage_bytes(): argument must be Tensor, not %s", rl_type_name(t));
    return NULL;
}

/* ---------------------------------------------------------------- registration */

#define FAST(f) ((PyCFunction)(void (*)(void))(f)), METH_FASTCALL | METH_KEYWORDS
#define VARKW(f) ((PyCFunction)(void (*)(void))(f)), METH_VARARGS | METH_KEYWORDS

PyMethodDef rl_create_methods[] = {
    {"new", VARKW(py_new), "A new tensor of this dtype from sizes or data (older constructor)."},
    {"cuda", FAST(rl_py_cuda), "Raises: there is no CUDA device here."},
    {"storage", rl_py_storage, METH_NOARGS, "The storage as numbers of this dtype."},
    {"untyped_storage", rl_py_untyped_storage, METH_NOARGS, "The storage as bytes."},
    {"__array__", FAST(rl_py_array), "A NumPy array, for numpy.asarray."},
    {"__array_wrap__", FAST(rl_py_array_wrap), "A NumPy result as a tensor."},
    {"__dlpack__", FAST(rl_py_dlpack), "A DLPack capsule over the same memory."},
    {"__dlpack_device__", rl_py_dlpack_device, METH_NOARGS, "(device type, device id) as DLPack numbers them."},
    {"__deepcopy__", rl_py_deepcopy, METH_O, NULL},
    {"__reduce_ex__", rl_py_reduce_ex, METH_O, NULL},
    {"__format__", rl_py_format, METH_O, NULL},
    {"__complex__", rl_py_complex, METH_NOARGS, NULL},
    {0}};

static PyMethodDef functions[] = {
    {"_tensor_from_bytes", tensor_from_bytes, METH_VARARGS, "A copy of a buffer as a one-dimensional tensor."},
    {"_storage_bytes", storage_bytes, METH_O, "A memoryview of all of a tensor's storage."},
    {"set_default_dtype", set_default_dtype, METH_O, "The dtype that Python floats become."},
    {"get_default_dtype", get_default_dtype, METH_NOARGS, "The dtype that Python floats become."},
    {"set_default_tensor_type", set_default_tensor_type, METH_O, "As set_default_dtype, by tensor type or its name."},
    {"set_default_device", set_default_device, METH_O, "The device on which tensors are made."},
    {"get_default_device", get_default_device, METH_NOARGS, "The device on which tensors are made."},
    {"set_num_threads", set_num_threads, METH_O, "How many threads an operation may use."},
    {"_empty_cache", empty_cache, METH_NOARGS, "Gives memory that lies idle back to the system."},
    {"get_num_threads", get_num_threads, METH_NOARGS, "How many threads an operation may use."},
    {"is_tensor", is_tensor, METH_O, "Whether an object is a tensor."},
    {"is_storage", is_storage, METH_O, "Whether an object is a storage."},
    {0}};

int rl_create_init(PyObject *m) {
    if (PyModule_AddFunctions(m, functions) < 0 || add_tensortypes(m) < 0) return -1;
    return rl_interop_init(m) < 0 || rl_storage_init(m) < 0 ? -1 : 0;
}
