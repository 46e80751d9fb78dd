/* convert.c -- tensors of another dtype or device, and Python's own protocols: copying, pickling, formatting. */
#include "create.h"
#include "rl_ops.h"
#include "types.h"

#define T(o) ((Tensor *)(o))

/* ---------------------------------------------------------------- another device, another dtype */

Tensor *rl_to_device(Tensor *t, int device) {
    if (t->device == device) return (Tensor *)Py_NewRef((PyObject *)t);
    if (device == RL_META) return rl_empty_strided(t->ndim, t->size, t->stride, (RLDType)t->dtype, RL_META);
    PyErr_SetString(PyExc_NotImplementedError, "Cannot copy out of meta tensor; no data!");
    return NULL;
}

static Tensor *convert(Tensor *t, RLDType dt, int device, bool copy, int format) {
    if (device >= 0 && device != t->device) {
        Tensor *moved = rl_to_device(t, device);
        if (!moved) return NULL;
        Tensor *r = convert(moved, dt, -1, false, format);
        Py_DECREF(moved);
        return r;
    }
    bool same = dt == RL_NODTYPE || dt == t->dtype;
    if (same && !copy && format < 0) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *r = same ? (Tensor *)Py_NewRef((PyObject *)t) : rl_to_dtype(t, dt);
    if (!r || (!same && format < 0)) return r;
    if (same && !copy && format == RL_PRESERVE_FORMAT) return r;
    Tensor *laid_out = same && copy ? rl_clone(r, format < 0 ? RL_PRESERVE_FORMAT : format) : rl_contiguous(r, format);
    Py_DECREF(r);
    return laid_out;
}

static PyObject *overridden(const char *name, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    PyObject *f = PyDict_GetItemString(RLTensor_Type.tp_dict, name);
    return f ? rl_call_torch_function(f, args, n, kw) : NULL;
}

/* self as args[0], as __torch_function__ wants it */
static PyObject *overridden_method(const char *name, PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kw) {
    Py_ssize_t total = n + (kw ? PyTuple_GET_SIZE(kw) : 0);
    PyObject *all[16];
    if (total > 15) { PyErr_Format(PyExc_TypeError, "%s() takes fewer arguments than %zd", name, total); return NULL; }
    all[0] = self;
    memcpy(all + 1, args, (size_t)total * sizeof *args);
    return overridden(name, all, n + 1, kw);
}

typedef struct { RLDType dtype; int device; bool copy; int format; } Wanted;

static int one_flag(PyObject *o, bool *out) {
    int v = PyObject_IsTrue(o);
    *out = v > 0;
    return v < 0 ? -1 : 1;
}

/* 1 understood, 0 not, -1 error. to(dtype), to(device, dtype), to(tensor), then non_blocking and copy. */
static int read_to(PyObject *const *args, Py_ssize_t n, PyObject *kw, Wanted *w) {
    Py_ssize_t i = 0;
    bool ignored;
    if (n > 0) {
        PyObject *o = args[0];
        int r;
        if (RL_IS_TENSOR(o)) {
            w->dtype = (RLDType)T(o)->dtype;
            w->device = T(o)->device;
        } else if ((r = rl_as_dtype(o, &w->dtype)) <= 0) {
            if (r < 0 || (o != Py_None && (r = rl_as_device(o, &w->device)) <= 0)) return r;
            if (n > 1 && !PyBool_Check(args[1])) {
                if (args[1] != Py_None && (r = rl_as_dtype(args[1], &w->dtype)) <= 0) return r;
                i = 1;
            }
        }
        i++;
        if (n > i + 2) return 0;
        if (i < n && one_flag(args[i], &ignored) < 0) return -1;
        if (i + 1 < n && one_flag(args[i + 1], &w->copy) < 0) return -1;
    }
    for (Py_ssize_t k = 0; kw && k < PyTuple_GET_SIZE(kw); k++) {
        PyObject *key = PyTuple_GET_ITEM(kw, k), *o = args[n + k];
        int r = 0;
        if (PyUnicode_CompareWithASCIIString(key, "dtype") == 0) r = o == Py_None ? 1 : rl_as_dtype(o, &w->dtype);
        else if (PyUnicode_CompareWithASCIIString(key, "device") == 0) r = o == Py_None ? 1 : rl_as_device(o, &w->device);
        else if (PyUnicode_CompareWithASCIIString(key, "copy") == 0) r = one_flag(o, &w->copy);
        else if (PyUnicode_CompareWithASCIIString(key, "non_blocking") == 0) r = one_flag(o, &ignored);
        else if (PyUnicode_CompareWithASCIIString(key, "memory_format") == 0) r = o == Py_None ? 1 : rl_as_memory_format(o, &w->format);
        else if ((PyUnicode_CompareWithASCIIString(key, "other") == 0 || PyUnicode_CompareWithASCIIString(key, "tensor") == 0) && RL_IS_TENSOR(o)) {
            w->dtype = (RLDType)T(o)->dtype;
            w->device = T(o)->device;
            r = 1;
        }
        if (r <= 0) return r;
    }
    return 1;
}

PyObject *rl_py_to(FASTKW_ARGS) {
    if (RL_UNLIKELY(!RL_IS_TENSOR_EXACT(self)) && rl_has_torch_function(self)) return overridden_method("to", self, args, n, kw);
    Wanted w = {RL_NODTYPE, -1, false, -1};
    int r = read_to(args, n, kw, &w);
    if (r == 0)
        PyErr_SetString(PyExc_TypeError, "to() received an invalid combination of arguments - expected one of:\n"
                        " * (torch.device device = None, torch.dtype dtype = None, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
                        " * (torch.dtype dtype, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n"
                        " * (Tensor tensor, bool non_blocking = False, bool copy = False, *, torch.memory_format memory_format = None)\n");
    return r <= 0 ? NULL : (PyObject *)convert(T(self), w.dtype, w.device, w.copy, w.format);
}

PyObject *rl_py_cuda(FASTKW_ARGS) {
    (void)self; (void)args; (void)n; (void)kw;
    rl_refuse_cuda();
    return NULL;
}

Tensor *impl_cpu(Tensor *input, int memory_format) { return convert(input, RL_NODTYPE, RL_CPU, false, memory_format); }
Tensor *impl_type_as(Tensor *input, Tensor *other) { return convert(input, (RLDType)other->dtype, other->device, false, -1); }

#define CAST(NAME, DT) \
    Tensor *impl_##NAME(Tensor *input, int memory_format) { return convert(input, DT, -1, false, memory_format); }
CAST(float, RL_F32)
CAST(double, RL_F64)
CAST(half, RL_F16)
CAST(bfloat16, RL_BF16)
CAST(int, RL_I32)
CAST(long, RL_I64)
CAST(short, RL_I16)
CAST(char, RL_I8)
CAST(byte, RL_U8)
CAST(bool, RL_BOOL)
CAST(cfloat, RL_C64)
CAST(cdouble, RL_C128)

/* x.type() names the dtype the old way; x.type(dtype or name) converts. */
PyObject *impl_type(Tensor *input, PyObject *dtype, bool non_blocking) {
    (void)non_blocking;
    if (!dtype || dtype == Py_None)
        return PyUnicode_FromFormat("torch.%sTensor", rl_dtypes[input->dtype].legacy);
    RLDType dt = rl_tensortype_dtype(dtype);
    if (Py_TYPE(dtype) == &RLDtype_Type) {
        rl_as_dtype(dtype, &dt);
    } else if (PyUnicode_Check(dtype)) {
        for (int i = 0; i < RL_NDTYPES && dt == RL_NODTYPE; i++) {
            char name[64];
            snprintf(name, sizeof name, "torch.%sTensor", rl_dtypes[i].legacy);
            if (PyUnicode_CompareWithASCIIString(dtype, name) == 0) dt = (RLDType)i;
        }
    }
    if (dt == RL_NODTYPE) {
        if (PyUnicode_Check(dtype)) PyErr_Format(PyExc_ValueError, "invalid type: %R", dtype);
        else PyErr_Format(PyExc_ValueError, "invalid type: '%s'", PyType_Check(dtype) ? ((PyTypeObject *)dtype)->tp_name : rl_type_name(dtype));
        return NULL;
    }
    return (PyObject *)convert(input, dt, -1, false, -1);
}

/* ---------------------------------------------------------------- questions about dtypes */

PyObject *impl_is_floating_point(Tensor *input) { return PyBool_FromLong(RL_IS_FLOAT(input->dtype)); }
PyObject *impl_is_complex(Tensor *input) { return PyBool_FromLong(RL_IS_COMPLEX(input->dtype)); }
PyObject *impl_is_signed(Tensor *input) { return PyBool_FromLong(rl_dtypes[input->dtype].is_signed); }
PyObject *impl_numel(Tensor *input) { return PyLong_FromLongLong(input->numel); }
PyObject *impl_get_device(Tensor *input) { (void)input; return PyLong_FromLong(-1); }
PyObject *impl_is_pinned(Tensor *input, int device) { (void)input; (void)device; Py_RETURN_FALSE; }
Tensor *impl_pin_memory(Tensor *input, int device) {
    (void)input;
    (void)device;
    PyErr_SetString(PyExc_RuntimeError, "Cannot access accelerator device when none is available.");
    return NULL;
}

PyObject *impl_result_type_of(Tensor *tensor, Tensor *other) {
    RLDType dt = rl_result_type(2, (Tensor *[]){tensor, other});
    return PyErr_Occurred() ? NULL : Py_NewRef(rl_dtype_object(dt));
}
PyObject *impl_promote_types(RLDType type1, RLDType type2) { return Py_NewRef(rl_dtype_object(rl_promote(type1, type2))); }
PyObject *impl_can_cast_to(RLDType from, RLDType to) { return PyBool_FromLong(rl_can_cast(from, to)); }

/* ---------------------------------------------------------------- deepcopy */

static PyObject *deepcopy_of(PyObject *o, PyObject *memo) {
    PyObject *m = PyImport_ImportModule("copy"), *r = m ? PyObject_CallMethod(m, "deepcopy", "OO", o, memo) : NULL;
    Py_XDECREF(m);
    return r;
}

/* Tensors that share a storage go on sharing one: the copy of a storage is kept in the memo, under the
 * number of its wrapper (which the memo keeps alive beside it, so that the number stays its own). */
static Storage *copied_storage(Storage *s, PyObject *memo) {
    PyObject *wrapper = rl_storage_object(s), *key = wrapper ? PyLong_FromVoidPtr(wrapper) : NULL, *pair = NULL;
    Storage *copy = NULL;
    if (!key) goto done;
    pair = Py_XNewRef(PyDict_GetItemWithError(memo, key));
    if (!pair && !PyErr_Occurred() && (copy = rl_storage_new(s->nbytes, s->device))) {
        if (copy->data) memcpy(copy->data, s->data, s->nbytes);
        PyObject *made = rl_storage_object(copy);
        rl_storage_decref(copy);
        copy = NULL;
        pair = made ? PyTuple_Pack(2, made, wrapper) : NULL;
        Py_XDECREF(made);
        if (pair && PyDict_SetItem(memo, key, pair) < 0) Py_CLEAR(pair);
    }
    RLDType dt;
    if (pair) {
        copy = rl_storage_of(PyTuple_GET_ITEM(pair, 0), &dt);
        copy->refs++;
    }
done:
    Py_XDECREF(wrapper);
    Py_XDECREF(key);
    Py_XDECREF(pair);
    return copy;
}

PyObject *rl_py_deepcopy(PyObject *self, PyObject *memo) {
    Tensor *t = T(self);
    if (!PyDict_Check(memo)) { PyErr_SetString(PyExc_TypeError, "__deepcopy__(): memo must be a dict"); return NULL; }
    if (rl_has_torch_function(self)) return overridden("__deepcopy__", (PyObject *[]){self, memo}, 2, NULL);
    if (RL_REQUIRES_GRAD(t) && (rl_grad_fn(t) || PyErr_Occurred())) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at "
                        "the moment.  If you were attempting to deepcopy a module, this may be because of a torch.nn.utils.weight_norm "
                        "usage, see https://github.com/pytorch/pytorch/pull/103001");
        return NULL;
    }
    PyObject *key = PyLong_FromVoidPtr(self), *known = key ? PyDict_GetItemWithError(memo, key) : NULL;
    if (known || PyErr_Occurred()) { Py_XDECREF(key); return Py_XNewRef(known); }
    bool parameter = PyObject_TypeCheck(self, &RLParameter_Type);
    Tensor *plain = NULL, *r = NULL;
    if (parameter) {                                         /* a parameter gets memory of its own */
        plain = rl_empty_like(t, (RLDType)t->dtype);
        if (plain && t->device == RL_CPU && rl_copy_raw(plain, t) < 0) goto done;
    } else {
        Storage *s = copied_storage(t->storage, memo);
        if (!s) goto done;
        plain = rl_from_storage(s, t->data ? t->data - t->storage->data : 0, t->ndim, t->size, t->stride, (RLDType)t->dtype);
        rl_storage_decref(s);
    }
    if (!plain) goto done;
    r = Py_TYPE(self) == &RLTensor_Type ? T(Py_NewRef((PyObject *)plain)) : rl_tensor_of_type(Py_TYPE(self), plain);
    if (!r) goto done;
    r->flags |= t->flags & RLF_REQUIRES_GRAD;
    if (PyDict_SetItem(memo, key, (PyObject *)r) < 0) Py_CLEAR(r);
    if (r && !parameter && t->grad) {
        rl_track(r);
        if (!(r->grad = T(deepcopy_of((PyObject *)t->grad, memo)))) Py_CLEAR(r);
    }
    if (r && !parameter && t->dict && PyDict_GET_SIZE(t->dict)) {
        rl_track(r);
        if (!(r->dict = deepcopy_of(t->dict, memo))) Py_CLEAR(r);
    }
done:
    Py_XDECREF(key);
    Py_XDECREF(plain);
    return (PyObject *)r;
}

/* ---------------------------------------------------------------- pickling */

static PyObject *from_utils(const char *name) {
    PyObject *m = PyImport_ImportModule("rushlight._utils"), *f = m ? PyObject_GetAttrString(m, name) : NULL;
    Py_XDECREF(m);
    return f;
}

static PyObject *empty_ordered_dict(void) {
    PyObject *m = PyImport_ImportModule("collections"), *d = m ? PyObject_CallMethod(m, "OrderedDict", NULL) : NULL;
    Py_XDECREF(m);
    return d;
}

/* (function, arguments) that make this tensor anew, its subclass and attributes left aside. */
static PyObject *reduce_plain(PyObject *self, bool parameter, PyObject *state) {
    if (!parameter) {
        PyObject *f = from_utils("_reduce_tensor"), *r = f ? PyObject_CallOneArg(f, self) : NULL;
        Py_XDECREF(f);
        return r;
    }
    PyObject *f = from_utils(state ? "_rebuild_parameter_with_state" : "_rebuild_parameter");
    PyObject *data = (PyObject *)rl_shallow(T(self)), *hooks = empty_ordered_dict();
    if (!f || !data || !hooks) { Py_XDECREF(f); Py_XDECREF(data); Py_XDECREF(hooks); return NULL; }
    PyObject *requires = PyBool_FromLong(RL_REQUIRES_GRAD(T(self)) != 0);
    return state ? Py_BuildValue("N(NNNO)", f, data, requires, hooks, state) : Py_BuildValue("N(NNN)", f, data, requires, hooks);
}

PyObject *rl_py_reduce_ex(PyObject *self, PyObject *protocol) {
    if (rl_has_torch_function(self)) return overridden("__reduce_ex__", (PyObject *[]){self, protocol}, 2, NULL);
    bool exact = RL_IS_TENSOR_EXACT(self), parameter = PyObject_TypeCheck(self, &RLParameter_Type);
    PyObject *dict = T(self)->dict && PyDict_GET_SIZE(T(self)->dict) ? T(self)->dict : NULL;
    if (exact && (!dict || parameter)) return reduce_plain(self, parameter, dict);
    PyObject *plain = reduce_plain(self, parameter && Py_TYPE(self) == &RLParameter_Type, NULL);
    PyObject *rebuild = plain ? from_utils("_rebuild_from_type_v2") : NULL;
    PyObject *state = rebuild ? PyObject_CallMethod(self, "__getstate__", NULL) : NULL;
    PyObject *r = NULL;
    if (state)
        r = Py_BuildValue("O(OOOO)", rebuild, PyTuple_GET_ITEM(plain, 0), (PyObject *)Py_TYPE(self), PyTuple_GET_ITEM(plain, 1), state);
    Py_XDECREF(plain);
    Py_XDECREF(rebuild);
    Py_XDECREF(state);
    return r;
}

/* ---------------------------------------------------------------- numbers in Python's eyes */

PyObject *rl_py_format(PyObject *self, PyObject *spec) {
    if (rl_has_torch_function(self)) return overridden("__format__", (PyObject *[]){self, spec}, 2, NULL);
    if (T(self)->ndim == 0 && T(self)->device == RL_CPU && Py_TYPE(self) == &RLTensor_Type) {
        PyObject *v = PyObject_CallMethod(self, "item", NULL), *r = v ? PyObject_Format(v, spec) : NULL;
        Py_XDECREF(v);
        return r;
    }
    if (PyUnicode_Check(spec) && PyUnicode_GetLength(spec) == 0) return PyObject_Str(self);
    const char *name = strrchr(rl_type_name(self), '.');
    PyErr_Format(PyExc_TypeError, "unsupported format string passed to %s.__format__", name ? name + 1 : rl_type_name(self));
    return NULL;
}

PyObject *rl_py_complex(PyObject *self, PyObject *unused) {
    (void)unused;
    if (T(self)->numel != 1) {
        PyErr_Format(PyExc_RuntimeError, "a Tensor with %lld elements cannot be converted to Scalar", (long long)T(self)->numel);
        return NULL;
    }
    Scalar s = rl_item(T(self));
    return PyErr_Occurred() ? NULL : PyComplex_FromDoubles(rl_scalar_double(s), s.kind == 'c' ? s.im : 0);
}
