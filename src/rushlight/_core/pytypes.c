/* pytypes.c -- the small objects around tensors: dtype, device, Size, layout, memory_format. */
#include "create.h"
#include "parse.h"

/* ---------------------------------------------------------------- how our types call themselves */

/* Types live in `rushlight`, where pickles find them, and print under PyTorch's names.  Tensor and Parameter have
 * bare names, because the interpreter's own messages quote those: 'Tensor' object has no attribute ... */
static const char *module_of(PyTypeObject *type) {
    return type == &RLTensor_Type ? "rushlight" : type == &RLParameter_Type ? "rushlight.nn.parameter" : NULL;
}
static PyObject *type_repr(PyObject *self) {
    PyTypeObject *type = (PyTypeObject *)self;
    const char *module = module_of(type), *name = type->tp_name;
    if (module) return PyUnicode_FromFormat("<class 'torch%s.%s'>", module + strlen("rushlight"), name);
    if (type->tp_flags & Py_TPFLAGS_HEAPTYPE || strncmp(name, "rushlight.", 10) != 0) return PyType_Type.tp_repr(self);
    return PyUnicode_FromFormat("<class 'torch.%s'>", name + 10);
}
static PyObject *plain_module(void) { /* borrowed; since Python 3.12 the interpreter's own types have no tp_dict */
    PyObject *name = PyUnicode_InternFromString("__module__"), *d = name ? _PyType_Lookup(&PyType_Type, name) : NULL;
    Py_XDECREF(name);
    return d;
}
static PyObject *type_module(PyObject *self, void *c) {
    (void)c;
    const char *module = module_of((PyTypeObject *)self);
    if (module) return PyUnicode_FromString(module);
    PyObject *d = plain_module();
    return d ? Py_TYPE(d)->tp_descr_get(d, self, (PyObject *)Py_TYPE(self)) : NULL;
}
static int type_set_module(PyObject *self, PyObject *value, void *c) {
    (void)c;
    PyObject *d = plain_module();
    return d ? Py_TYPE(d)->tp_descr_set(d, self, value) : -1;
}
static PyGetSetDef meta_getset[] = {{"__module__", type_module, type_set_module, NULL, NULL}, {0}};

PyTypeObject RLMeta_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight._C._TensorMeta", .tp_base = &PyType_Type, .tp_repr = type_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .tp_getset = meta_getset};

/* Readies a static type; users and our own Python halves may add attributes to it, as they may to PyTorch's. */
int rl_ready_type(PyTypeObject *type) {
    if (!(RLMeta_Type.tp_flags & Py_TPFLAGS_READY) && PyType_Ready(&RLMeta_Type) < 0) return -1;
    if (Py_TYPE(type) == NULL || Py_TYPE(type) == &PyType_Type) Py_SET_TYPE(type, &RLMeta_Type);
    if (PyType_Ready(type) < 0) return -1;
#ifdef Py_TPFLAGS_IMMUTABLETYPE
    type->tp_flags &= ~Py_TPFLAGS_IMMUTABLETYPE;
#endif
    return 0;
}

/* What an error message calls an argument: PyTorch's name for our types, the class's own name for others. */
const char *rl_type_name(PyObject *o) {
    const char *name = Py_TYPE(o)->tp_name;
    if (strncmp(name, "rushlight.", 10) != 0) return name;
    const char *dot = strrchr(name, '.');
    return RL_IS_TENSOR(o) ? dot + 1 : Py_TYPE(o) == &RLSize_Type ? "torch.Size" : Py_TYPE(o) == &RLDtype_Type ? "torch.dtype"
           : Py_TYPE(o) == &RLDevice_Type ? "torch.device" : dot + 1;
}

/* ---------------------------------------------------------------- dtype */

typedef struct { PyObject_HEAD RLDType dt; } DtypeObject;
static DtypeObject *dtype_objects[RL_NDTYPES];

PyObject *rl_dtype_object(RLDType dt) { return (PyObject *)dtype_objects[dt]; }

int rl_as_dtype(PyObject *o, RLDType *out) {
    if (RL_LIKELY(Py_TYPE(o) == &RLDtype_Type)) { *out = ((DtypeObject *)o)->dt; return 1; }
    if (o == (PyObject *)&PyFloat_Type) *out = RL_F64;
    else if (o == (PyObject *)&PyLong_Type) *out = RL_I64;
    else if (o == (PyObject *)&PyBool_Type) *out = RL_BOOL;
    else if (o == (PyObject *)&PyComplex_Type) *out = RL_C128;
    else return 0;
    return 1;
}

static PyObject *dtype_repr(PyObject *self) { return PyUnicode_FromFormat("torch.%s", rl_dtypes[((DtypeObject *)self)->dt].name); }
static PyObject *dtype_reduce(PyObject *self, PyObject *u) { (void)u; return PyUnicode_FromString(rl_dtypes[((DtypeObject *)self)->dt].name); }
static PyObject *dtype_itemsize(PyObject *self, void *c) { (void)c; return PyLong_FromLong(RL_ITEMSIZE(((DtypeObject *)self)->dt)); }
static PyObject *dtype_float(PyObject *self, void *c) { (void)c; return PyBool_FromLong(RL_IS_FLOAT(((DtypeObject *)self)->dt)); }
static PyObject *dtype_complex(PyObject *self, void *c) { (void)c; return PyBool_FromLong(RL_IS_COMPLEX(((DtypeObject *)self)->dt)); }
static PyObject *dtype_signed(PyObject *self, void *c) { (void)c; return PyBool_FromLong(rl_dtypes[((DtypeObject *)self)->dt].is_signed); }
static PyObject *dtype_to_real(PyObject *self, PyObject *u) { (void)u; return Py_NewRef(rl_dtype_object(rl_to_real(((DtypeObject *)self)->dt))); }
static PyObject *dtype_to_complex(PyObject *self, PyObject *u) { (void)u; return Py_NewRef(rl_dtype_object(rl_to_complex(((DtypeObject *)self)->dt))); }
static PyObject *dtype_module(PyObject *self, void *c) { (void)self; (void)c; return PyUnicode_FromString("rushlight"); }

static PyGetSetDef dtype_getset[] = {
    {"itemsize", dtype_itemsize, NULL, "Bytes of one element.", NULL},
    {"is_floating_point", dtype_float, NULL, NULL, NULL},
    {"is_complex", dtype_complex, NULL, NULL, NULL},
    {"is_signed", dtype_signed, NULL, NULL, NULL},
    {"__module__", dtype_module, NULL, NULL, NULL},
    {0}};
static PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, NULL},
                                      {"to_real", dtype_to_real, METH_NOARGS, NULL},
                                      {"to_complex", dtype_to_complex, METH_NOARGS, NULL}, {0}};

PyTypeObject RLDtype_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.dtype",
    .tp_basicsize = sizeof(DtypeObject),
    .tp_repr = dtype_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_getset = dtype_getset,
    .tp_methods = dtype_methods,
    .tp_doc = "The kind of number that a tensor's elements are.",
};

/* ---------------------------------------------------------------- device */

typedef struct { PyObject_HEAD int type, index; } DeviceObject;
static const char *const device_names[RL_NDEVICES] = {"cpu", "meta", "cuda", "mps", "xpu"};
static DeviceObject *plain_device[RL_NDEVICES];

static PyObject *device_new_raw(int type, int index) {
    if (index < 0 && plain_device[type]) return Py_NewRef((PyObject *)plain_device[type]);
    DeviceObject *d = PyObject_New(DeviceObject, &RLDevice_Type);
    if (!d) return NULL;
    d->type = type;
    d->index = index;
    if (index < 0) plain_device[type] = (DeviceObject *)Py_NewRef((PyObject *)d);
    return (PyObject *)d;
}

PyObject *rl_device_object(int device) { return device_new_raw(device, -1); }

static int parse_device(const char *s, int *type, int *index) {
    *index = -1;
    for (int t = 0; t < RL_NDEVICES; t++) {
        size_t n = strlen(device_names[t]);
        if (strncmp(s, device_names[t], n) != 0) continue;
        if (s[n] == '\0') { *type = t; return 1; }
        if (s[n] == ':' && s[n + 1] >= '0' && s[n + 1] <= '9') {
            char *end;
            *index = (int)strtol(s + n + 1, &end, 10);
            if (*end == '\0') { *type = t; return 1; }
        }
    }
    PyErr_Format(PyExc_RuntimeError, "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, "
                 "xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start of device string: %s", s);
    return -1;
}

void rl_refuse_cuda(void) {
    PyErr_SetString(PyExc_AssertionError, "Torch not compiled with CUDA enabled");
    rl_hint("rushlight computes on the CPU; device = \"cuda\" if torch.cuda.is_available() else \"cpu\" suits both");
}

/* A device that tensors can be made on; cuda and its like raise PyTorch's error of a CPU build. */
int rl_as_device(PyObject *o, int *out) {
    int type, index;
    if (Py_TYPE(o) == &RLDevice_Type) {
        type = ((DeviceObject *)o)->type;
    } else if (PyUnicode_Check(o)) {
        const char *s = PyUnicode_AsUTF8(o);
        if (!s || parse_device(s, &type, &index) < 0) return -1;
    } else if (PyLong_CheckExact(o)) {
        type = RL_CUDA;
    } else {
        return 0;
    }
    if (type == RL_CUDA) { rl_refuse_cuda(); return -1; }
    if (type > RL_META) {
        PyErr_Format(PyExc_RuntimeError, "rushlight computes on the CPU; device '%s' is not available", device_names[type]);
        return -1;
    }
    *out = type;
    return 1;
}

static PyObject *device_tp_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    (void)type;
    static char *names[] = {"device", "index", NULL};
    static char *old[] = {"type", "index", NULL};
    PyObject *what;
    int t, index = -1, given = -1;
    PyObject *idx = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O|O:device", names, &what, &idx)) {
        PyErr_Clear();
        if (!PyArg_ParseTupleAndKeywords(args, kw, "O|O:device", old, &what, &idx)) return NULL;
    }
    if (idx != Py_None && (given = (int)PyLong_AsLong(idx)) < 0 && PyErr_Occurred()) return NULL;
    if (Py_TYPE(what) == &RLDevice_Type) return Py_NewRef(what);
    if (PyLong_Check(what)) return device_new_raw(RL_CUDA, (int)PyLong_AsLong(what));
    if (!PyUnicode_Check(what)) {
        PyErr_Format(PyExc_TypeError, "device(): argument 'type' must be str, not %s", Py_TYPE(what)->tp_name);
        return NULL;
    }
    const char *s = PyUnicode_AsUTF8(what);
    if (!s || parse_device(s, &t, &index) < 0) return NULL;
    if (given >= 0) {
        if (index >= 0) {
            PyErr_Format(PyExc_RuntimeError, "type (string) must not include an index because index was passed explicitly: %s", s);
            return NULL;
        }
        index = given;
    }
    return device_new_raw(t, index);
}

static PyObject *device_repr(PyObject *self) {
    DeviceObject *d = (DeviceObject *)self;
    return d->index < 0 ? PyUnicode_FromFormat("device(type='%s')", device_names[d->type])
                        : PyUnicode_FromFormat("device(type='%s', index=%d)", device_names[d->type], d->index);
}
static PyObject *device_str(PyObject *self) {
    DeviceObject *d = (DeviceObject *)self;
    return d->index < 0 ? PyUnicode_FromString(device_names[d->type]) : PyUnicode_FromFormat("%s:%d", device_names[d->type], d->index);
}
static Py_hash_t device_hash(PyObject *self) { DeviceObject *d = (DeviceObject *)self; return d->type * 1000 + d->index + 2; }
static PyObject *device_compare(PyObject *a, PyObject *b, int op) {
    if ((op != Py_EQ && op != Py_NE) || Py_TYPE(a) != &RLDevice_Type || Py_TYPE(b) != &RLDevice_Type) Py_RETURN_NOTIMPLEMENTED;
    DeviceObject *x = (DeviceObject *)a, *y = (DeviceObject *)b;
    bool same = x->type == y->type && x->index == y->index;
    return PyBool_FromLong(same == (op == Py_EQ));
}
static PyObject *device_type(PyObject *self, void *c) { (void)c; return PyUnicode_FromString(device_names[((DeviceObject *)self)->type]); }
static PyObject *device_index(PyObject *self, void *c) {
    (void)c;
    int i = ((DeviceObject *)self)->index;
    if (i < 0) Py_RETURN_NONE;
    return PyLong_FromLong(i);
}
static PyObject *device_reduce(PyObject *self, PyObject *u) { (void)u; return Py_BuildValue("O(N)", &RLDevice_Type, device_str(self)); }

/* `with torch.device("meta"):` makes it the default. What was the default before is a bit each: there are two devices. */
static uint64_t defaults_before;

static PyObject *device_enter(PyObject *self, PyObject *u) {
    (void)u;
    int device;
    if (rl_as_device(self, &device) <= 0) return NULL;
    defaults_before = defaults_before << 1 | (rl_default_device == RL_META);
    rl_default_device = device;
    return Py_NewRef(self);
}
static PyObject *device_exit(PyObject *self, PyObject *u) {
    (void)self; (void)u;
    rl_default_device = defaults_before & 1 ? RL_META : RL_CPU;
    defaults_before >>= 1;
    Py_RETURN_NONE;
}
static PyGetSetDef device_getset[] = {{"type", device_type, NULL, NULL, NULL}, {"index", device_index, NULL, NULL, NULL}, {0}};
static PyMethodDef device_methods[] = {{"__reduce__", device_reduce, METH_NOARGS, NULL},
                                       {"__enter__", device_enter, METH_NOARGS, NULL},
                                       {"__exit__", device_exit, METH_VARARGS, NULL}, {0}};

PyTypeObject RLDevice_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.device",
    .tp_basicsize = sizeof(DeviceObject),
    .tp_repr = device_repr,
    .tp_str = device_str,
    .tp_hash = device_hash,
    .tp_richcompare = device_compare,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = device_tp_new,
    .tp_getset = device_getset,
    .tp_methods = device_methods,
    .tp_doc = "device(type, index=None): where a tensor lives; `cpu`, or `meta` for shapes without data.",
};

/* ---------------------------------------------------------------- Size */

/* Programs ask for the same few shapes again and again: those of late are kept, by a hash of their sizes. */
#define KEPT_SHAPES 64
#define KEPT_NDIM 4
static struct { PyObject *object; int n; int64_t v[KEPT_NDIM]; } kept[KEPT_SHAPES];

PyObject *rl_size_object(int n, const int64_t *v) {
    uint64_t hash = (uint64_t)n;
    const bool keep = n <= KEPT_NDIM;
    for (int i = 0; keep && i < n; i++) hash = (hash ^ (uint64_t)v[i]) * 0x9E3779B97F4A7C15u; /* Fibonacci hashing (Knuth, 6.4) */
    const int at = (int)(hash >> 58) % KEPT_SHAPES;
    if (keep && kept[at].object && kept[at].n == n && memcmp(kept[at].v, v, (size_t)n * sizeof *v) == 0)
        return Py_NewRef(kept[at].object);
    PyObject *t = RLSize_Type.tp_alloc(&RLSize_Type, n);
    if (!t) return NULL;
    for (int i = 0; i < n; i++) {
        PyObject *o = PyLong_FromLongLong(v[i]);
        if (!o) { Py_DECREF(t); return NULL; }
        PyTuple_SET_ITEM(t, i, o);
    }
    if (keep) {
        PyObject *old = kept[at].object;
        kept[at].object = Py_NewRef(t);
        kept[at].n = n;
        memcpy(kept[at].v, v, (size_t)n * sizeof *v);
        Py_XDECREF(old);
    }
    return t;
}

static PyObject *size_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    PyObject *t = PyTuple_Type.tp_new(type, args, kw);
    if (!t) return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(t); i++) {
        PyObject *o = PyTuple_GET_ITEM(t, i);
        if (PyLong_Check(o)) continue;
        int64_t v;
        int r = rl_as_int(o, &v);
        if (r == 0) PyErr_Format(PyExc_TypeError, "torch.Size() takes an iterable of 'int' (item %zd is '%s')", i, Py_TYPE(o)->tp_name);
        PyObject *n = r > 0 ? PyLong_FromLongLong(v) : NULL;
        if (!n) { Py_DECREF(t); return NULL; }
        PyTuple_SET_ITEM(t, i, n);
        Py_DECREF(o);
    }
    return t;
}

static PyObject *size_repr(PyObject *self) {
    PyObject *l = PySequence_List(self);
    PyObject *r = l ? PyUnicode_FromFormat("torch.Size(%R)", l) : NULL;
    Py_XDECREF(l);
    return r;
}
static PyObject *size_numel(PyObject *self, PyObject *u) {
    (void)u;
    int64_t n = 1;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self); i++) n *= PyLong_AsLongLong(PyTuple_GET_ITEM(self, i));
    return PyErr_Occurred() ? NULL : PyLong_FromLongLong(n);
}
static PyObject *as_size(PyObject *t) {
    if (!t || t == Py_NotImplemented) return t;
    PyObject *args = PyTuple_Pack(1, t);
    PyObject *r = args ? PyTuple_Type.tp_new(&RLSize_Type, args, NULL) : NULL;
    Py_XDECREF(args);
    Py_DECREF(t);
    return r;
}
static PyObject *size_concat(PyObject *a, PyObject *b) { return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b)); }
static PyObject *size_repeat(PyObject *a, Py_ssize_t n) { return as_size(PyTuple_Type.tp_as_sequence->sq_repeat(a, n)); }
static PyObject *size_subscript(PyObject *a, PyObject *i) {
    PyObject *r = PyTuple_Type.tp_as_mapping->mp_subscript(a, i);
    return r && PySlice_Check(i) ? as_size(r) : r;
}
static PyObject *size_radd(PyObject *a, PyObject *b) {
    if (!PyTuple_Check(a) || !PyTuple_Check(b)) Py_RETURN_NOTIMPLEMENTED;
    return as_size(PyTuple_Type.tp_as_sequence->sq_concat(a, b));
}
static PyObject *size_reduce(PyObject *self, PyObject *u) {
    (void)u;
    PyObject *t = PySequence_Tuple(self), *l = t ? PySequence_List(self) : NULL;
    Py_XDECREF(t);
    return l ? Py_BuildValue("O(N)", &RLSize_Type, l) : NULL;
}
static PySequenceMethods size_sequence = {.sq_concat = size_concat, .sq_repeat = size_repeat};
static PyMappingMethods size_mapping = {.mp_subscript = size_subscript};
static PyNumberMethods size_number = {.nb_add = size_radd};
static PyMethodDef size_methods[] = {{"numel", size_numel, METH_NOARGS, "Product of the sizes."},
                                     {"__reduce__", size_reduce, METH_NOARGS, NULL}, {0}};

PyTypeObject RLSize_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.Size",
    .tp_base = &PyTuple_Type,
    .tp_itemsize = sizeof(PyObject *),
    .tp_basicsize = sizeof(PyTupleObject) - sizeof(PyObject *),
    .tp_repr = size_repr,
    .tp_as_sequence = &size_sequence,
    .tp_as_mapping = &size_mapping,
    .tp_as_number = &size_number,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_TUPLE_SUBCLASS,
    .tp_new = size_new,
    .tp_methods = size_methods,
    .tp_doc = "The sizes of a tensor's dimensions: a tuple of ints.",
};

/* ---------------------------------------------------------------- layout and memory format */

typedef struct { PyObject_HEAD const char *name; int value; } NamedObject;
static PyObject *named_repr(PyObject *self) { return PyUnicode_FromFormat("torch.%s", ((NamedObject *)self)->name); }
static PyObject *named_reduce(PyObject *self, PyObject *u) { (void)u; return PyUnicode_FromString(((NamedObject *)self)->name); }
static PyMethodDef named_methods[] = {{"__reduce__", named_reduce, METH_NOARGS, NULL}, {0}};

PyTypeObject RLLayout_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.layout", .tp_basicsize = sizeof(NamedObject), .tp_repr = named_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_methods = named_methods, .tp_doc = "How elements are laid out; here always strided."};
PyTypeObject RLMemoryFormat_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.memory_format", .tp_basicsize = sizeof(NamedObject), .tp_repr = named_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT, .tp_methods = named_methods, .tp_doc = "The order of strides that a copy should have."};

int rl_as_memory_format(PyObject *o, int *out) {
    if (Py_TYPE(o) != &RLMemoryFormat_Type) return 0;
    *out = ((NamedObject *)o)->value;
    return 1;
}

static int add_named(PyObject *m, PyTypeObject *type, const char *name, int value) {
    NamedObject *o = PyObject_New(NamedObject, type);
    if (!o) return -1;
    o->name = name;
    o->value = value;
    int r = PyModule_AddObjectRef(m, name, (PyObject *)o);
    Py_DECREF(o);
    return r;
}

int rl_pytypes_init(PyObject *m) {
    PyTypeObject *types[] = {&RLDtype_Type, &RLDevice_Type, &RLSize_Type, &RLLayout_Type, &RLMemoryFormat_Type};
    const char *names[] = {"dtype", "device", "Size", "layout", "memory_format"};
    for (int i = 0; i < 5; i++)
        if (rl_ready_type(types[i]) < 0 || PyModule_AddObjectRef(m, names[i], (PyObject *)types[i]) < 0) return -1;
    for (int i = 0; i < RL_NDTYPES; i++) {
        dtype_objects[i] = PyObject_New(DtypeObject, &RLDtype_Type);
        if (!dtype_objects[i]) return -1;
        dtype_objects[i]->dt = (RLDType)i;
        if (PyModule_AddObjectRef(m, rl_dtypes[i].name, (PyObject *)dtype_objects[i]) < 0) return -1;
    }
    static const struct { const char *name; RLDType dt; } aliases[] = {
        {"float", RL_F32}, {"double", RL_F64}, {"half", RL_F16}, {"int", RL_I32}, {"long", RL_I64}, {"short", RL_I16},
        {"cfloat", RL_C64}, {"cdouble", RL_C128}, {"chalf", RL_C32}};
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (PyModule_AddObjectRef(m, aliases[i].name, rl_dtype_object(aliases[i].dt)) < 0) return -1;
    static const char *const layouts[] = {"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc", "jagged"};
    for (int i = 0; i < 7; i++) if (add_named(m, &RLLayout_Type, layouts[i], i) < 0) return -1;
    static const char *const formats[] = {"contiguous_format", "preserve_format", "channels_last", "channels_last_3d"};
    for (int i = 0; i < 4; i++) if (add_named(m, &RLMemoryFormat_Type, formats[i], i) < 0) return -1;
    return 0;
}
