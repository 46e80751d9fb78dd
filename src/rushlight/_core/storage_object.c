/* storage_object.c -- storages as Python sees them: UntypedStorage (bytes) and TypedStorage (numbers). */
#include "create.h"
#include "rl_ops.h"
#if !defined(_WIN32)
#include <sys/mman.h>
#endif

/* There is one UntypedStorage per Storage while any is alive, so that `is` and id() tell shared memory. */
typedef struct {
    PyObject_HEAD
    Storage *s;
    RLDType dt;                /* of the elements shown; RL_U8 for an UntypedStorage */
    PyObject *weakrefs;
} StorageObject;

#define S(o) (((StorageObject *)(o))->s)

static PyObject *storage_object(PyTypeObject *type, Storage *s, RLDType dt) {
    StorageObject *o = PyObject_New(StorageObject, type);
    if (!o) return NULL;
    s->refs++;
    o->s = s;
    o->dt = dt;
    o->weakrefs = NULL;
    return (PyObject *)o;
}

PyObject *rl_storage_object(Storage *s) {
    if (s->weak_wrapper) return Py_NewRef(s->weak_wrapper);
    return s->weak_wrapper = storage_object(&RLUntypedStorage_Type, s, RL_U8);
}

Storage *rl_storage_of(PyObject *o, RLDType *dtype) {
    *dtype = RL_NODTYPE;
    if (Py_TYPE(o) == &RLTypedStorage_Type) *dtype = ((StorageObject *)o)->dt;
    else if (Py_TYPE(o) != &RLUntypedStorage_Type) return NULL;
    return S(o);
}

static void storage_dealloc(PyObject *self) {
    StorageObject *o = (StorageObject *)self;
    if (o->weakrefs) PyObject_ClearWeakRefs(self);
    if (o->s->weak_wrapper == self) o->s->weak_wrapper = NULL;
    rl_storage_decref(o->s);
    PyObject_Free(self);
}

static int64_t count(PyObject *self) { return (int64_t)(S(self)->nbytes / RL_ITEMSIZE(((StorageObject *)self)->dt)); }

/* The elements as a flat tensor: what reads and writes of a storage go through. */
static Tensor *flat(PyObject *self) {
    int64_t n = count(self), one = 1;
    return rl_from_storage(S(self), 0, 1, &n, &one, ((StorageObject *)self)->dt);
}

PyObject *rl_py_untyped_storage(PyObject *self, PyObject *unused) { (void)unused; return rl_storage_object(((Tensor *)self)->storage); }

PyObject *rl_py_storage(PyObject *self, PyObject *unused) {
    (void)unused;
    static bool warned;
    if (!warned) {
        warned = true;
        if (PyErr_WarnEx(PyExc_UserWarning, "TypedStorage is deprecated. It will be removed in the future and UntypedStorage will be the "
                         "only storage class. This should only matter to you if you are using storages directly.  To access UntypedStorage "
                         "directly, use tensor.untyped_storage() instead of tensor.storage()", 1) < 0) return NULL;
    }
    return storage_object(&RLTypedStorage_Type, ((Tensor *)self)->storage, (RLDType)((Tensor *)self)->dtype);
}

/* ---------------------------------------------------------------- methods of both */

static PyObject *data_ptr(PyObject *self, PyObject *u) { (void)u; return PyLong_FromVoidPtr(S(self)->data); }
static PyObject *nbytes(PyObject *self, PyObject *u) { (void)u; return PyLong_FromSize_t(S(self)->nbytes); }
static PyObject *size(PyObject *self, PyObject *u) { (void)u; return PyLong_FromLongLong(count(self)); }
static PyObject *element_size(PyObject *self, PyObject *u) { (void)u; return PyLong_FromLong(RL_ITEMSIZE(((StorageObject *)self)->dt)); }
static PyObject *size_of(PyObject *self, PyObject *u) { (void)u; return PyLong_FromSize_t((size_t)Py_TYPE(self)->tp_basicsize + S(self)->nbytes); }
static PyObject *is_false(PyObject *self, PyObject *u) { (void)self; (void)u; Py_RETURN_FALSE; }
static PyObject *same(PyObject *self, PyObject *u) { (void)u; return Py_NewRef(self); }
static PyObject *untyped(PyObject *self, PyObject *u) { (void)u; return rl_storage_object(S(self)); }
static Py_ssize_t length(PyObject *self) { return (Py_ssize_t)count(self); }

static PyObject *tolist(PyObject *self, PyObject *u) {
    (void)u;
    Tensor *t = flat(self);
    PyObject *r = t ? PyObject_CallMethod((PyObject *)t, "tolist", NULL) : NULL;
    Py_XDECREF(t);
    return r;
}

static PyObject *resize_storage(PyObject *self, PyObject *n) {
    int64_t v;
    int r = rl_as_int(n, &v);
    if (r == 0) PyErr_Format(PyExc_TypeError, "resize_ expects an int, but got %s", rl_type_name(n));
    if (r > 0 && v < 0) PyErr_SetString(PyExc_RuntimeError, "a storage cannot have a negative size");
    if (PyErr_Occurred()) return NULL;
    size_t bytes = (size_t)v * RL_ITEMSIZE(((StorageObject *)self)->dt);
    return rl_storage_resize(S(self), bytes) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *fill(PyObject *self, PyObject *value) {
    Tensor *t = flat(self);
    PyObject *r = t ? PyObject_CallMethod((PyObject *)t, "fill_", "O", value) : NULL;
    Py_XDECREF(t);
    Py_XDECREF(r);
    return r ? Py_NewRef(self) : NULL;
}

static PyObject *copy_from(PyObject *self, PyObject *args) {
    PyObject *from, *ignored = NULL;
    if (!PyArg_ParseTuple(args, "O|O:copy_", &from, &ignored)) return NULL;
    RLDType dt;
    if (!rl_storage_of(from, &dt)) { PyErr_Format(PyExc_TypeError, "copy_(): expected a storage, not %s", rl_type_name(from)); return NULL; }
    Tensor *dst = flat(self), *src = flat(from);
    int r = dst && src ? 0 : -1;
    if (r == 0 && dst->numel != src->numel) {
        PyErr_SetString(PyExc_RuntimeError, "size does not match, self was of another size than source");
        r = -1;
    }
    if (r == 0) r = rl_copy_raw(dst, src);
    Py_XDECREF(dst);
    Py_XDECREF(src);
    return r < 0 ? NULL : Py_NewRef(self);
}

static PyObject *clone_storage(PyObject *self, PyObject *u) {
    (void)u;
    Storage *s = rl_storage_new(S(self)->nbytes, S(self)->device);
    if (!s) return NULL;
    if (s->data) memcpy(s->data, S(self)->data, s->nbytes);
    PyObject *r = Py_TYPE(self) == &RLUntypedStorage_Type ? rl_storage_object(s) : storage_object(&RLTypedStorage_Type, s, ((StorageObject *)self)->dt);
    rl_storage_decref(s);
    return r;
}

/* Slices of an UntypedStorage are storages over the same memory; of a TypedStorage, PyTorch does not offer them. */
static PyObject *slice(PyObject *self, PyObject *index) {
    Py_ssize_t start, stop, step, n;
    if (PySlice_Unpack(index, &start, &stop, &step) < 0) return NULL;
    n = PySlice_AdjustIndices(length(self), &start, &stop, step);
    if (Py_TYPE(self) == &RLTypedStorage_Type) {
        PyErr_SetString(PyExc_RuntimeError, "slices are only supported in UntypedStorage.__getitem__");
        return NULL;
    }
    if (step != 1) { PyErr_Format(PyExc_RuntimeError, "Trying to slice with a step of %zd, but only a step of 1 is supported", step); return NULL; }
    PyObject *whole = rl_storage_object(S(self));
    Storage *s = whole ? rl_storage_foreign(S(self)->data + start, (size_t)n, whole) : NULL;
    Py_XDECREF(whole);
    if (!s) return NULL;
    rl_pin_block(S(self));
    PyObject *r = rl_storage_object(s);
    rl_storage_decref(s);
    return r;
}

static Tensor *element(PyObject *self, PyObject *index) {
    Tensor *t = flat(self);
    Py_ssize_t i = t ? PyNumber_AsSsize_t(index, PyExc_IndexError) : -1;
    if (!t || (i == -1 && PyErr_Occurred())) { Py_XDECREF(t); return NULL; }
    if (i < 0) i += (Py_ssize_t)t->numel;
    Tensor *e = NULL;
    if (i < 0 || i >= t->numel)
        PyErr_Format(PyExc_IndexError, "index %zd out of range for storage of size %lld", i, (long long)t->numel);
    else
        e = rl_alias(t, 0, NULL, NULL, t->data + i * RL_ITEMSIZE(t->dtype));
    Py_DECREF(t);
    return e;
}

static PyObject *subscript(PyObject *self, PyObject *index) {
    if (PySlice_Check(index)) return slice(self, index);
    Tensor *e = element(self, index);
    if (!e) return NULL;
    Scalar s = rl_item(e);
    Py_DECREF(e);
    return PyErr_Occurred() ? NULL : rl_scalar_to_py(s);
}

static int assign(PyObject *self, PyObject *index, PyObject *value) {
    if (!value) { PyErr_SetString(PyExc_TypeError, "elements of a storage cannot be deleted"); return -1; }
    Tensor *e = NULL;
    if (PySlice_Check(index)) {
        PyObject *part = slice(self, index);
        e = part ? flat(part) : NULL;
        Py_XDECREF(part);
    } else {
        e = element(self, index);
    }
    Tensor *v = e ? rl_tensor_from_py(value, RL_NODTYPE, false) : NULL;
    int r = v ? rl_copy_raw(e, v) : -1;
    Py_XDECREF(e);
    Py_XDECREF(v);
    return r;
}

static PyObject *repr(PyObject *self) {
    PyObject *values = tolist(self, NULL), *lines = values ? PyList_New(0) : NULL, *r = NULL, *nl = NULL, *body = NULL;
    if (!lines) goto done;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(values); i++) {
        PyObject *line = PyUnicode_FromFormat(" %S", PyList_GET_ITEM(values, i));
        int bad = line ? PyList_Append(lines, line) : -1;
        Py_XDECREF(line);
        if (bad < 0) goto done;
    }
    nl = PyUnicode_FromString("\n");
    body = nl ? PyUnicode_Join(nl, lines) : NULL;
    const char *device = S(self)->device == RL_META ? "meta" : "cpu";
    if (!body) goto done;
    if (Py_TYPE(self) == &RLUntypedStorage_Type)
        r = PyUnicode_FromFormat("%U\n[torch.storage.UntypedStorage(device=%s) of size %zd]", body, device, length(self));
    else
        r = PyUnicode_FromFormat("%U\n[torch.storage.TypedStorage(dtype=torch.%s, device=%s) of size %zd]", body,
                                 rl_dtypes[((StorageObject *)self)->dt].name, device, length(self));
done:
    Py_XDECREF(values);
    Py_XDECREF(lines);
    Py_XDECREF(nl);
    Py_XDECREF(body);
    return r;
}

static PyObject *compare(PyObject *a, PyObject *b, int op) {
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != Py_TYPE(b)) Py_RETURN_NOTIMPLEMENTED;
    return PyBool_FromLong((S(a) == S(b)) == (op == Py_EQ));
}
static Py_hash_t hash(PyObject *self) { return _Py_HashPointer(S(self)); }

static PyObject *get_device(PyObject *self, void *c) { (void)c; return rl_device_object(S(self)->device); }
static PyObject *get_dtype(PyObject *self, void *c) { (void)c; return Py_NewRef(rl_dtype_object(((StorageObject *)self)->dt)); }
static PyObject *get_cdata(PyObject *self, void *c) { (void)c; return PyLong_FromVoidPtr(S(self)); }
static PyObject *get_false(PyObject *self, void *c) { (void)self; (void)c; Py_RETURN_FALSE; }

/* UntypedStorage(), UntypedStorage(5), UntypedStorage([1, 2, 3]) */
static PyObject *untyped_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    (void)type;
    PyObject *what = NULL, *device = Py_None;
    static char *names[] = {"", "device", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O$O:UntypedStorage", names, &what, &device)) return NULL;
    int64_t n = 0;
    int on = RL_CPU;
    if (device != Py_None && rl_as_device(device, &on) <= 0) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "UntypedStorage(): argument 'device' must be torch.device");
        return NULL;
    }
    Storage *s;
    if (what && PySequence_Check(what)) {
        Tensor *t = rl_tensor_from_py(what, RL_U8, true);
        if (!t) return NULL;
        PyObject *r = rl_storage_object(t->storage);
        Py_DECREF(t);
        return r;
    }
    if (what && rl_as_int(what, &n) <= 0) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_TypeError, "UntypedStorage(): expected a size or a sequence, not %s", rl_type_name(what));
        return NULL;
    }
    if (n < 0) { PyErr_Format(PyExc_RuntimeError, "a storage cannot have %lld bytes", (long long)n); return NULL; }
    if (!(s = rl_storage_new((size_t)n, on))) return NULL;
    PyObject *r = rl_storage_object(s);
    rl_storage_decref(s);
    return r;
}

static PyMethodDef methods[] = {
    {"data_ptr", data_ptr, METH_NOARGS, "Address of the first byte."},
    {"nbytes", nbytes, METH_NOARGS, "Number of bytes."},
    {"size", size, METH_NOARGS, "Number of elements."},
    {"__sizeof__", size_of, METH_NOARGS, NULL},
    {"element_size", element_size, METH_NOARGS, "Bytes of an element."},
    {"tolist", tolist, METH_NOARGS, "The elements as a list of numbers."},
    {"resize_", resize_storage, METH_O, "Makes room for so many elements, in place."},
    {"fill_", fill, METH_O, "Sets all elements to one number."},
    {"copy_", copy_from, METH_VARARGS, "Copies the elements of another storage."},
    {"clone", clone_storage, METH_NOARGS, "A copy."},
    {"cpu", same, METH_NOARGS, "The storage itself."},
    {"untyped", untyped, METH_NOARGS, "The storage as bytes."},
    {"is_shared", is_false, METH_NOARGS, NULL},
    {"is_pinned", is_false, METH_VARARGS, NULL},
    {0}};
static PyGetSetDef untyped_getset[] = {{"device", get_device, NULL, NULL, NULL}, {"is_cuda", get_false, NULL, NULL, NULL},
                                       {"_cdata", get_cdata, NULL, NULL, NULL}, {0}};
static PyGetSetDef typed_getset[] = {{"device", get_device, NULL, NULL, NULL}, {"is_cuda", get_false, NULL, NULL, NULL},
                                     {"dtype", get_dtype, NULL, NULL, NULL}, {"_cdata", get_cdata, NULL, NULL, NULL}, {0}};
static PyMappingMethods mapping = {.mp_length = length, .mp_subscript = subscript, .mp_ass_subscript = assign};

#define STORAGE_TYPE(NAME, GETSET, NEW, DOC)                                                                                  \
    {                                                                                                                         \
        PyVarObject_HEAD_INIT(NULL, 0).tp_name = NAME, .tp_basicsize = sizeof(StorageObject), .tp_dealloc = storage_dealloc,  \
        .tp_repr = repr, .tp_as_mapping = &mapping, .tp_hash = hash, .tp_richcompare = compare, .tp_flags = Py_TPFLAGS_DEFAULT, \
        .tp_weaklistoffset = offsetof(StorageObject, weakrefs), .tp_methods = methods, .tp_getset = GETSET, .tp_new = NEW,    \
        .tp_doc = DOC,                                                                                                        \
    }
PyTypeObject RLUntypedStorage_Type = STORAGE_TYPE("torch.storage.UntypedStorage", untyped_getset, untyped_new, "The memory behind tensors, as bytes.");
PyTypeObject RLTypedStorage_Type = STORAGE_TYPE("torch.storage.TypedStorage", typed_getset, NULL, "The memory behind tensors, as numbers of one dtype.");

int rl_storage_init(PyObject *m) {
    if (PyType_Ready(&RLUntypedStorage_Type) < 0 || PyType_Ready(&RLTypedStorage_Type) < 0) return -1;
    if (PyModule_AddObjectRef(m, "UntypedStorage", (PyObject *)&RLUntypedStorage_Type) < 0) return -1;
    return PyModule_AddObjectRef(m, "TypedStorage", (PyObject *)&RLTypedStorage_Type);
}

/* ---------------------------------------------------------------- a tensor on another storage, or of another size */

/* Points t at s; whoever follows t's version goes on doing so. */
static int put_on(Tensor *t, Storage *s, int64_t offset, int ndim, const int64_t *size, const int64_t *stride) {
    int64_t last = 0, numel = 1, item = RL_ITEMSIZE(t->dtype);
    for (int i = 0; i < ndim; i++) {
        numel *= size[i];
        if (stride) last += (size[i] - 1) * stride[i];
    }
    size_t need = numel ? (size_t)((offset + (stride ? last + 1 : numel)) * item) : 0;
    if (offset < 0) { PyErr_Format(PyExc_RuntimeError, "Tensor: invalid storage offset %lld", (long long)offset); return -1; }
    if (need > s->nbytes && rl_storage_resize(s, need) < 0) return -1;
    if (s != t->storage) {
        if (rl_own_version(t) < 0) return -1; /* a write to t is none to what else is on s */
        s->refs++;
        rl_storage_decref(t->storage);
        t->storage = s;
        t->device = s->device;
    }
    t->data = s->data ? s->data + offset * item : NULL;
    rl_set_geometry(t, ndim, size, stride);
    rl_bump(t);
    return 0;
}

Tensor *impl_set_(Tensor *input, PyObject *source, int64_t storage_offset, Ints size, Ints stride) {
    RLDType dt = RL_NODTYPE;
    int64_t zero = 0, n, one = 1;
    int r;
    Storage *s = source ? rl_storage_of(source, &dt) : NULL;
    if (RL_REQUIRES_GRAD(input) && rl_grad_mode && RL_IS_LEAF(input)) {
        PyErr_SetString(PyExc_RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation.");
        return NULL;
    }
    if (!source || source == Py_None) {
        if (!(s = rl_storage_new(0, input->device))) return NULL;
        r = put_on(input, s, 0, 1, &zero, NULL);
        rl_storage_decref(s);
    } else if (s) {
        if (dt != RL_NODTYPE && dt != input->dtype) {
            PyErr_Format(PyExc_RuntimeError, "Expected a Storage of type %s or an UntypedStorage, but got type %s for argument 1 'storage'",
                         rl_dtypes[input->dtype].legacy, rl_dtypes[dt].legacy);
            return NULL;
        }
        n = (int64_t)(s->nbytes / RL_ITEMSIZE(input->dtype)) - storage_offset;
        r = size.n < 0 ? put_on(input, s, storage_offset, 1, &n, &one) : put_on(input, s, storage_offset, size.n, size.v, stride.n == size.n ? stride.v : NULL);
    } else if (RL_IS_TENSOR(source)) {
        Tensor *t = (Tensor *)source;
        if (t->dtype != input->dtype) {
            PyErr_Format(PyExc_RuntimeError, "Could not set tensor of type %s to a tensor of type %s", rl_dtypes[t->dtype].name, rl_dtypes[input->dtype].name);
            return NULL;
        }
        int64_t offset = t->data ? RL_OFFSET(t) : 0;
        r = size.n < 0 ? put_on(input, t->storage, offset, t->ndim, t->size, t->stride)
                       : put_on(input, t->storage, storage_offset, size.n, size.v, stride.n == size.n ? stride.v : NULL);
    } else {
        PyErr_Format(PyExc_TypeError, "set_(): argument 'source' (position 1) must be Tensor, not %s", rl_type_name(source));
        return NULL;
    }
    return r < 0 ? NULL : (Tensor *)Py_NewRef((PyObject *)input);
}

Tensor *impl_resize_(Tensor *input, Ints size, int memory_format) {
    (void)memory_format;
    if (RL_REQUIRES_GRAD(input)) { PyErr_SetString(PyExc_RuntimeError, "cannot resize variables that require grad"); return NULL; }
    for (int i = 0; i < size.n; i++)
        if (size.v[i] < 0) { PyErr_Format(PyExc_RuntimeError, "Trying to resize a tensor to the negative size %lld", (long long)size.v[i]); return NULL; }
    if (size.n == input->ndim && memcmp(size.v, input->size, (size_t)size.n * sizeof(int64_t)) == 0)
        return (Tensor *)Py_NewRef((PyObject *)input); /* no write, to those who count them */
    if (rl_resize_for_out(input, size.n, size.v) < 0) return NULL;
    rl_bump(input);
    return (Tensor *)Py_NewRef((PyObject *)input);
}

Tensor *impl_resize_as_(Tensor *input, Tensor *the_template, int memory_format) {
    return impl_resize_(input, (Ints){the_template->size, the_template->ndim}, memory_format);
}

/* ---------------------------------------------------------------- memory shared with forked processes */

#if defined(_WIN32)
Tensor *impl_share_memory_(Tensor *input) {
    (void)input;
    PyErr_SetString(PyExc_NotImplementedError, "share_memory_() needs processes that fork");
    return NULL;
}
PyObject *impl_is_shared(Tensor *input) { (void)input; Py_RETURN_FALSE; }
#else
static void release_shared(Storage *s) { munmap(s->data, s->capacity); }

PyObject *impl_is_shared(Tensor *input) { return PyBool_FromLong(input->storage->release == release_shared); }

Tensor *impl_share_memory_(Tensor *input) {
    Storage *s = input->storage;
    if (s->release == release_shared || s->nbytes == 0 || s->device != RL_CPU) return (Tensor *)Py_NewRef((PyObject *)input);
    if (s->refs > 1 || !s->resizable) {                      /* others hold addresses into it */
        PyErr_SetString(PyExc_RuntimeError, "share_memory_(): the memory is in use by other tensors or arrays");
        return NULL;
    }
    char *p = mmap(NULL, s->nbytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return (Tensor *)PyErr_SetFromErrno(PyExc_OSError);
    memcpy(p, s->data, s->nbytes);
    input->data = p + (input->data - s->data);
    rl_dealloc(s->data, s->capacity);
    s->data = p;
    s->capacity = s->nbytes;
    s->resizable = false;
    s->release = release_shared;
    return (Tensor *)Py_NewRef((PyObject *)input);
}
#endif
