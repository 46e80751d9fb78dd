/* interop.c -- memory shared with others: NumPy arrays, the buffer protocol, DLPack. */
#include "create.h"
#include <stdlib.h>

#define T(o) ((Tensor *)(o))

/* What has been lent out must not move: from now on resizing this storage is an error. */
static void release_block(Storage *s) { rl_dealloc(s->data, s->capacity); }

void rl_pin_block(Storage *s) {
    if (!s->resizable || s->owner || s->release || !s->data) return;
    s->resizable = false;
    s->release = release_block;
}

/* ---------------------------------------------------------------- from NumPy */

/* By name, so that NumPy need not be imported to find that an object is not one of its own. */
bool rl_is_numpy(PyObject *o) {
    for (PyTypeObject *type = Py_TYPE(o); type; type = type->tp_base)
        if (strcmp(type->tp_name, "numpy.ndarray") == 0 || strcmp(type->tp_name, "numpy.generic") == 0) return true;
    return false;
}

static RLDType dtype_of_format(const char *f, Py_ssize_t itemsize) {
    if (!f) f = "B";
    if (*f == '@' || *f == '=' || *f == '<' || *f == '^') f++;
    bool complex = *f == 'Z';
    if (complex) f++;
    if (f[0] == '\0' || f[1] != '\0') return RL_NODTYPE;
    if (strchr("bhilqn", *f)) return itemsize == 1 ? RL_I8 : itemsize == 2 ? RL_I16 : itemsize == 4 ? RL_I32 : RL_I64;
    if (strchr("BHILQN", *f)) return itemsize == 1 ? RL_U8 : itemsize == 2 ? RL_U16 : itemsize == 4 ? RL_U32 : RL_U64;
    switch (*f) {
        case '?': return RL_BOOL;
        case 'e': return complex ? RL_NODTYPE : RL_F16;
        case 'f': return complex ? RL_C64 : RL_F32;
        case 'd': return complex ? RL_C128 : RL_F64;
        default: return RL_NODTYPE;
    }
}

static void unsupported_array(PyObject *o) {
    PyObject *dtype = PyObject_GetAttrString(o, "dtype"), *type = dtype ? PyObject_GetAttrString(dtype, "type") : NULL;
    if (type && PyType_Check(type))
        PyErr_Format(PyExc_TypeError, "can't convert np.ndarray of type %s. The only supported types are: float64, float32, float16, "
                     "complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, uint8, and bool.", ((PyTypeObject *)type)->tp_name);
    Py_XDECREF(dtype);
    Py_XDECREF(type);
}

/* NumPy declines a buffer for some dtypes (dates); that and formats without a dtype of ours are one error. */
static RLDType view_array(PyObject *o, Py_buffer *view) {
    if (PyObject_GetBuffer(o, view, PyBUF_FORMAT | PyBUF_STRIDES) < 0) {
        PyErr_Clear();
        unsupported_array(o);
        return RL_NODTYPE;
    }
    RLDType dt = dtype_of_format(view->format, view->itemsize);
    if (dt == RL_NODTYPE) {
        if (view->format[0] == '>') PyErr_SetString(PyExc_ValueError, "given numpy array has byte order different from the native byte order. "
                                                    "Conversion between byte orders is currently not supported.");
        else unsupported_array(o);
        PyBuffer_Release(view);
    }
    return dt;
}

RLDType rl_numpy_dtype(PyObject *array) {
    Py_buffer view;
    RLDType dt = view_array(array, &view);
    if (dt != RL_NODTYPE) PyBuffer_Release(&view);
    return dt;
}

static int warn_read_only(void) {
    static bool warned;
    if (warned) return 0;
    warned = true;
    return PyErr_WarnEx(PyExc_UserWarning, "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This "
                        "means writing to this tensor will result in undefined behavior. You may want to copy the array to protect its "
                        "data or make it writable before converting it to a tensor. This type of warning will be suppressed for the "
                        "rest of this program.", 1);
}

/* The array itself, not its buffer, is kept: NumPy refuses to move the memory of an array that others refer to. */
Tensor *rl_from_numpy_array(PyObject *array, bool warn) {
    Py_buffer view;
    RLDType dt = view_array(array, &view);
    if (dt == RL_NODTYPE) return NULL;
    Tensor *t = NULL;
    int64_t size[RL_MAXDIM], stride[RL_MAXDIM], extent = view.itemsize;
    if (view.ndim > RL_MAXDIM) { PyErr_Format(PyExc_RuntimeError, "tensors may have at most %d dimensions, got %d", RL_MAXDIM, view.ndim); goto done; }
    for (int i = 0; i < view.ndim; i++) {
        size[i] = view.shape[i];
        stride[i] = view.strides[i] / view.itemsize;
        if (view.strides[i] % view.itemsize) {
            PyErr_SetString(PyExc_ValueError, "given numpy array strides not a multiple of the element byte size. Copy the numpy array to reallocate the memory.");
            goto done;
        }
        if (stride[i] < 0) {
            PyErr_SetString(PyExc_ValueError, "At least one stride in the given numpy array is negative, and tensors with negative strides "
                            "are not currently supported. (You can probably work around this by making a copy of your array  with array.copy().) ");
            goto done;
        }
        extent = size[i] == 0 ? 0 : extent ? extent + (size[i] - 1) * view.strides[i] : 0;
    }
    if (warn && view.readonly && warn_read_only() < 0) goto done;
    Storage *s = rl_storage_foreign(view.buf, (size_t)extent, array);
    if (s) {
        t = rl_from_storage(s, 0, view.ndim, size, stride, dt);
        rl_storage_decref(s);
    }
done:
    PyBuffer_Release(&view);
    return t;
}

Tensor *impl_from_numpy(PyObject *ndarray) {
    bool array = false;
    for (PyTypeObject *type = Py_TYPE(ndarray); type && !array; type = type->tp_base) array = strcmp(type->tp_name, "numpy.ndarray") == 0;
    if (!array) { PyErr_Format(PyExc_TypeError, "expected np.ndarray (got %s)", rl_type_name(ndarray)); return NULL; }
    return rl_from_numpy_array(ndarray, true);
}

/* ---------------------------------------------------------------- to NumPy */

/* What NumPy asks for a buffer: the tensor's geometry in bytes. */
typedef struct { PyObject_HEAD Tensor *t; Py_ssize_t shape[RL_MAXDIM], strides[RL_MAXDIM]; } Export;

static int export_buffer(PyObject *self, Py_buffer *view, int flags) {
    static char *const formats[RL_NDTYPES] = {[RL_BOOL] = "?", [RL_U8] = "B", [RL_I8] = "b", [RL_I16] = "h", [RL_I32] = "i", [RL_I64] = "q",
                                              [RL_U16] = "H", [RL_U32] = "I", [RL_U64] = "Q", [RL_F16] = "e", [RL_F32] = "f", [RL_F64] = "d",
                                              [RL_C64] = "Zf", [RL_C128] = "Zd"};
    static char nothing;                                     /* a buffer's address may not be NULL, even when it is empty */
    (void)flags;
    Export *e = (Export *)self;
    Tensor *t = e->t;
    *view = (Py_buffer){.buf = t->data ? t->data : &nothing, .obj = Py_NewRef(self), .len = t->numel * RL_ITEMSIZE(t->dtype),
                        .itemsize = RL_ITEMSIZE(t->dtype), .ndim = t->ndim, .format = formats[t->dtype], .shape = e->shape, .strides = e->strides};
    return 0;
}
static void export_dealloc(PyObject *self) {
    Py_XDECREF(((Export *)self)->t);
    PyObject_Free(self);
}
static PyBufferProcs export_as_buffer = {.bf_getbuffer = export_buffer};
static PyTypeObject Export_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight._C.Export", .tp_basicsize = sizeof(Export), .tp_dealloc = export_dealloc,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_as_buffer = &export_as_buffer, .tp_doc = "The memory of a tensor, as the buffer protocol shows it."};

static PyObject *to_array(Tensor *t, bool force) {
    if (t->device == RL_META) {
        PyErr_SetString(PyExc_TypeError, "can't convert meta device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host memory first.");
        return NULL;
    }
    if (!force && rl_grad_mode && RL_REQUIRES_GRAD(t)) {
        PyErr_SetString(PyExc_RuntimeError, "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.");
        return NULL;
    }
    if (!rl_dtypes[t->dtype].typecode) {
        PyErr_Format(PyExc_TypeError, "Got unsupported ScalarType %s", rl_dtypes[t->dtype].legacy);
        return NULL;
    }
    static PyObject *asarray; /* NumPy is imported when it is first asked for */
    PyObject *numpy = asarray ? NULL : PyImport_ImportModule("numpy"), *array = NULL;
    if (numpy) asarray = PyObject_GetAttrString(numpy, "asarray");
    Py_XDECREF(numpy);
    Export *e = asarray ? PyObject_New(Export, &Export_Type) : NULL;
    if (e) {
        e->t = rl_shallow(t);
        for (int i = 0; i < t->ndim; i++) {
            e->shape[i] = t->size[i];
            e->strides[i] = t->stride[i] * RL_ITEMSIZE(t->dtype);
        }
        if (e->t) {
            rl_pin_block(t->storage);
            array = PyObject_CallOneArg(asarray, (PyObject *)e);
        }
    }
    Py_XDECREF(e);
    return array;
}

PyObject *rl_py_numpy(FASTKW_ARGS) {
    bool force = false;
    if (n > 0) { PyErr_Format(PyExc_TypeError, "numpy() takes 0 positional arguments but %zd %s given", n, n == 1 ? "was" : "were"); return NULL; }
    for (Py_ssize_t i = 0; kw && i < PyTuple_GET_SIZE(kw); i++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kw, i), "force") != 0) {
            PyErr_Format(PyExc_TypeError, "numpy() got an unexpected keyword argument '%U'", PyTuple_GET_ITEM(kw, i));
            return NULL;
        }
        int v = PyObject_IsTrue(args[i]);
        if (v < 0) return NULL;
        force = v;
    }
    return to_array(T(self), force);
}

/* __array__(dtype=None, copy=None) */
PyObject *rl_py_array(FASTKW_ARGS) {
    PyObject *dtype = n > 0 ? args[0] : Py_None, *copy = n > 1 ? args[1] : Py_None;
    for (Py_ssize_t i = 0; kw && i < PyTuple_GET_SIZE(kw); i++) {
        if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kw, i), "dtype") == 0) dtype = args[n + i];
        else if (PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(kw, i), "copy") == 0) copy = args[n + i];
    }
    PyObject *a = to_array(T(self), false);
    if (a && dtype != Py_None) Py_SETREF(a, PyObject_CallMethod(a, "astype", "OssOO", dtype, "K", "unsafe", Py_True, Py_False));
    if (a && copy == Py_True) Py_SETREF(a, PyObject_CallMethod(a, "copy", NULL));
    return a;
}

/* Results of NumPy's functions on tensors; their bool came back as uint8 before PyTorch had bool, and still does. */
PyObject *rl_py_array_wrap(FASTKW_ARGS) {
    (void)self;
    if (n < 1) { PyErr_SetString(PyExc_TypeError, "__array_wrap__() missing 1 required positional argument: 'array'"); return NULL; }
    (void)kw;
    RLDType dt = rl_numpy_dtype(args[0]);
    if (dt == RL_NODTYPE) return NULL;
    PyObject *a = dt == RL_BOOL ? PyObject_CallMethod(args[0], "astype", "s", "uint8") : Py_NewRef(args[0]);
    PyObject *r = a ? (PyObject *)rl_from_numpy_array(a, true) : NULL;
    Py_XDECREF(a);
    return r;
}

/* ---------------------------------------------------------------- raw memory */

/* For reading and writing files: not to be kept over a resize, so the block is not pinned. */
PyObject *rl_py_storage_bytes(PyObject *self, PyObject *unused) {
    (void)unused;
    Storage *s = T(self)->storage;
    int64_t n = (int64_t)s->nbytes, one = 1;
    if (s->device != RL_CPU) { PyErr_SetString(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!"); return NULL; }
    Export *e = PyObject_New(Export, &Export_Type);
    if (!e) return NULL;
    e->shape[0] = n;
    e->strides[0] = 1;
    e->t = rl_from_storage(s, 0, 1, &n, &one, RL_U8);
    PyObject *view = e->t ? PyMemoryView_FromObject((PyObject *)e) : NULL;
    Py_DECREF(e);
    return view;
}

/* A memoryview keeps the exporter from moving its memory for as long as the tensor lives. */
Tensor *rl_from_buffer(PyObject *o, RLDType dt, int64_t count, int64_t offset) {
    if (!PyObject_CheckBuffer(o)) { PyErr_SetString(PyExc_ValueError, "object does not implement Python buffer protocol."); return NULL; }
    PyObject *owner = PyMemoryView_FromObject(o);
    if (!owner) return NULL;
    Py_buffer *view = PyMemoryView_GET_BUFFER(owner);
    int64_t len = view->len, size = RL_ITEMSIZE(dt), one = 1;
    Tensor *t = NULL;
    if (!PyBuffer_IsContiguous(view, 'C')) PyErr_SetString(PyExc_BufferError, "ndarray is not C-contiguous");
    else if (len == 0 || count == 0)
        PyErr_Format(PyExc_ValueError, "both buffer length (%lld) and count (%lld) must not be 0", (long long)len, (long long)count);
    else if (offset < 0 || offset >= len)
        PyErr_Format(PyExc_ValueError, "offset (%lld bytes) must be non-negative and no greater than buffer length (%lld bytes) minus 1",
                     (long long)offset, (long long)len);
    else if (count < 0 && (len - offset) % size)
        PyErr_Format(PyExc_ValueError, "buffer length (%lld bytes) after offset (%lld bytes) must be a multiple of element size (%lld)",
                     (long long)(len - offset), (long long)offset, (long long)size);
    else if (count > (len - offset) / size)
        PyErr_Format(PyExc_ValueError, "requested buffer length (%lld * %lld bytes) after offset (%lld bytes) must not be greater than actual "
                     "buffer length (%lld bytes)", (long long)count, (long long)size, (long long)offset, (long long)len);
    else if (!view->readonly || warn_read_only() == 0) {
        if (count < 0) count = (len - offset) / size;
        Storage *s = rl_storage_foreign((char *)view->buf + offset, (size_t)(count * size), owner);
        if (s) {
            t = rl_from_storage(s, 0, 1, &count, &one, dt);
            rl_storage_decref(s);
        }
    }
    Py_DECREF(owner);
    return t;
}

Tensor *impl_frombuffer(PyObject *buffer, RLDType dtype, int64_t count, int64_t offset, bool requires_grad) {
    return rl_with_grad(rl_from_buffer(buffer, dtype, count, offset), requires_grad);
}

/* ---------------------------------------------------------------- DLPack (dlpack.h of DMLC, versions 0.8 and 1.0) */

typedef struct { int32_t type, id; } DLDevice;
typedef struct { uint8_t code, bits; uint16_t lanes; } DLDtype;
typedef struct { void *data; DLDevice device; int32_t ndim; DLDtype dtype; int64_t *shape, *strides; uint64_t byte_offset; } DLTensor;
typedef struct DLManaged { DLTensor tensor; void *context; void (*deleter)(struct DLManaged *); } DLManaged;
typedef struct DLVersioned {
    struct { uint32_t major, minor; } version;
    void *context;
    void (*deleter)(struct DLVersioned *);
    uint64_t flags;
    DLTensor tensor;
} DLVersioned;
enum { DL_INT, DL_UINT, DL_FLOAT, DL_BFLOAT = 4, DL_COMPLEX = 5, DL_BOOL = 6, DL_CPU = 1 };

/* The consumer may call a deleter from any thread. */
static void drop_tensor(void *tensor) {
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF((PyObject *)tensor);
    PyGILState_Release(gil);
}
static void managed_deleter(DLManaged *m) { drop_tensor(m->context); free(m); }
static void versioned_deleter(DLVersioned *m) { drop_tensor(m->context); free(m); }

/* A consumer renames the capsule it takes; one still under its first name was never consumed. */
static void capsule_destructor(PyObject *capsule) {
    if (PyCapsule_IsValid(capsule, "dltensor")) {
        DLManaged *m = PyCapsule_GetPointer(capsule, "dltensor");
        m->deleter(m);
    } else if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        DLVersioned *m = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        m->deleter(m);
    }
}

static DLTensor describe(Tensor *t) {
    const DTypeInfo *info = &rl_dtypes[t->dtype];
    uint8_t code = t->dtype == RL_BOOL ? DL_BOOL : t->dtype == RL_BF16 ? DL_BFLOAT : info->is_complex ? DL_COMPLEX
                   : info->is_floating ? DL_FLOAT : info->is_signed ? DL_INT : DL_UINT;
    return (DLTensor){t->data, {DL_CPU, 0}, t->ndim, {code, (uint8_t)(info->itemsize * 8), 1}, t->size, t->stride, 0};
}

static PyObject *to_dlpack(Tensor *t, bool versioned) {
    if (RL_REQUIRES_GRAD(t)) { PyErr_SetString(PyExc_BufferError, "Can't export tensors that require gradient, use tensor.detach()"); return NULL; }
    if (t->device != RL_CPU) { PyErr_SetString(PyExc_BufferError, "Cannot pack tensors on meta"); return NULL; }
    if (RL_ITEMSIZE(t->dtype) == 1 && RL_IS_FLOAT(t->dtype)) { PyErr_Format(PyExc_BufferError, "%s types are not supported by dlpack", rl_dtypes[t->dtype].legacy); return NULL; }
    Tensor *kept = rl_shallow(t);                            /* its geometry stays as it is now */
    if (!kept) return NULL;
    rl_pin_block(t->storage);
    void *m;
    if (versioned) {
        DLVersioned *v = m = calloc(1, sizeof *v);
        if (v) { v->version.major = 1; v->context = kept; v->deleter = versioned_deleter; v->tensor = describe(kept); }
    } else {
        DLManaged *v = m = calloc(1, sizeof *v);
        if (v) { v->context = kept; v->deleter = managed_deleter; v->tensor = describe(kept); }
    }
    PyObject *capsule = m ? PyCapsule_New(m, versioned ? "dltensor_versioned" : "dltensor", capsule_destructor) : PyErr_NoMemory();
    if (!capsule) { free(m); Py_DECREF(kept); }
    return capsule;
}

/* __dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None) */
PyObject *rl_py_dlpack(FASTKW_ARGS) {
    bool versioned = false, copy = false;
    for (Py_ssize_t i = 0; kw && i < PyTuple_GET_SIZE(kw); i++) {
        PyObject *key = PyTuple_GET_ITEM(kw, i), *v = args[n + i];
        if (PyUnicode_CompareWithASCIIString(key, "max_version") == 0 && PyTuple_Check(v) && PyTuple_GET_SIZE(v) > 0)
            versioned = PyLong_AsLong(PyTuple_GET_ITEM(v, 0)) >= 1;
        else if (PyUnicode_CompareWithASCIIString(key, "copy") == 0) copy = v == Py_True;
    }
    if (PyErr_Occurred()) return NULL;
    if (!copy || RL_REQUIRES_GRAD(T(self))) return to_dlpack(T(self), versioned);
    Tensor *own = rl_empty_like(T(self), (RLDType)T(self)->dtype);
    PyObject *r = own && rl_copy_raw(own, T(self)) == 0 ? to_dlpack(own, versioned) : NULL;
    Py_XDECREF(own);
    return r;
}

PyObject *rl_py_dlpack_device(PyObject *self, PyObject *unused) {
    (void)unused;
    if (T(self)->device == RL_CPU) return Py_BuildValue("(ii)", DL_CPU, 0);
    PyErr_SetString(PyExc_ValueError, "Unknown device type meta for Dlpack");
    return NULL;
}

static RLDType dtype_from_dl(DLDtype d) {
    static const struct { uint8_t code, bits, dt; } table[] = {
        {DL_INT, 8, RL_I8}, {DL_INT, 16, RL_I16}, {DL_INT, 32, RL_I32}, {DL_INT, 64, RL_I64}, {DL_UINT, 8, RL_U8}, {DL_UINT, 16, RL_U16},
        {DL_UINT, 32, RL_U32}, {DL_UINT, 64, RL_U64}, {DL_FLOAT, 16, RL_F16}, {DL_FLOAT, 32, RL_F32}, {DL_FLOAT, 64, RL_F64},
        {DL_BFLOAT, 16, RL_BF16}, {DL_COMPLEX, 32, RL_C32}, {DL_COMPLEX, 64, RL_C64}, {DL_COMPLEX, 128, RL_C128}, {DL_BOOL, 8, RL_BOOL}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].code == d.code && table[i].bits == d.bits && d.lanes == 1) return (RLDType)table[i].dt;
    PyErr_Format(PyExc_BufferError, "Unsupported kind of number in a DLPack tensor: code %d, %d bits, %d lanes", d.code, d.bits, d.lanes);
    return RL_NODTYPE;
}

/* What keeps the producer's memory: a capsule of ours that calls its deleter. */
static void managed_done(PyObject *owner) {
    DLManaged *m = PyCapsule_GetPointer(owner, NULL);
    if (m->deleter) m->deleter(m);
}
static void versioned_done(PyObject *owner) {
    DLVersioned *m = PyCapsule_GetPointer(owner, NULL);
    if (m->deleter) m->deleter(m);
}

static Tensor *from_capsule(PyObject *capsule) {
    bool versioned = PyCapsule_IsValid(capsule, "dltensor_versioned");
    const char *name = versioned ? "dltensor_versioned" : "dltensor";
    void *m = PyCapsule_GetPointer(capsule, name);
    if (!m) {
        PyErr_SetString(PyExc_RuntimeError, "from_dlpack received an invalid capsule. Note that DLTensor capsules can be consumed only once, "
                        "so you might have already constructed a tensor from it once.");
        return NULL;
    }
    DLTensor *d = versioned ? &((DLVersioned *)m)->tensor : &((DLManaged *)m)->tensor;
    if (versioned && ((DLVersioned *)m)->version.major > 1) { PyErr_SetString(PyExc_BufferError, "this version of DLPack is not known"); return NULL; }
    if (d->device.type != DL_CPU) { PyErr_SetString(PyExc_BufferError, "only DLPack tensors in CPU memory can be taken"); return NULL; }
    if (d->ndim > RL_MAXDIM) { PyErr_Format(PyExc_RuntimeError, "tensors may have at most %d dimensions, got %d", RL_MAXDIM, d->ndim); return NULL; }
    RLDType dt = dtype_from_dl(d->dtype);
    if (dt == RL_NODTYPE) return NULL;
    int64_t stride[RL_MAXDIM], step = 1, extent = RL_ITEMSIZE(dt);
    for (int i = d->ndim - 1; i >= 0; step *= d->shape[i--]) stride[i] = d->strides ? d->strides[i] : step;
    for (int i = 0; i < d->ndim; i++) {
        if (stride[i] < 0) { PyErr_SetString(PyExc_BufferError, "tensors with negative strides are not supported"); return NULL; }
        extent = d->shape[i] && extent ? extent + (d->shape[i] - 1) * stride[i] * RL_ITEMSIZE(dt) : 0;
    }
    PyObject *owner = PyCapsule_New(m, NULL, versioned ? versioned_done : managed_done);
    if (!owner) return NULL;
    PyCapsule_SetName(capsule, versioned ? "used_dltensor_versioned" : "used_dltensor");
    Storage *s = rl_storage_foreign((char *)d->data + d->byte_offset, (size_t)extent, owner);
    Py_DECREF(owner);
    Tensor *t = s ? rl_from_storage(s, 0, d->ndim, d->shape, stride, dt) : NULL;
    if (s) rl_storage_decref(s);
    return t;
}

Tensor *rl_from_dlpack_object(PyObject *o) {
    if (PyCapsule_CheckExact(o)) return from_capsule(o);
    PyObject *f = PyObject_GetAttrString(o, "__dlpack__");
    if (!f) return NULL;
    PyObject *none = PyTuple_New(0), *kw = Py_BuildValue("{s:(ii)}", "max_version", 1, 0);
    PyObject *capsule = none && kw ? PyObject_Call(f, none, kw) : NULL;
    if (!capsule && PyErr_ExceptionMatches(PyExc_TypeError)) { /* a producer from before version 1 */
        PyErr_Clear();
        capsule = PyObject_CallNoArgs(f);
    }
    Py_DECREF(f);
    Py_XDECREF(none);
    Py_XDECREF(kw);
    Tensor *t = capsule ? from_capsule(capsule) : NULL;
    Py_XDECREF(capsule);
    return t;
}

Tensor *impl_from_dlpack(PyObject *ext_tensor, int device, int copy) {
    Tensor *t = rl_from_dlpack_object(ext_tensor);
    if (t && copy == 1) {
        Tensor *own = rl_empty_like(t, (RLDType)t->dtype);
        if (own && rl_copy_raw(own, t) < 0) Py_CLEAR(own);
        Py_SETREF(t, own);
    }
    if (t && device >= 0) Py_SETREF(t, rl_to_device(t, device));
    return t;
}
PyObject *impl_to_dlpack(Tensor *tensor) { return to_dlpack(tensor, false); }

int rl_interop_init(PyObject *m) {
    (void)m;
    if (PyType_Ready(&Export_Type) < 0) return -1;
    /* Makes `np.float64(2) * tensor` ours to answer: NumPy's scalars give way to a higher priority. */
    PyObject *priority = PyLong_FromLong(1000);
    const int r = priority ? PyDict_SetItemString(RLTensor_Type.tp_dict, "__array_priority__", priority) : -1;
    Py_XDECREF(priority);
    return r;
}
