/* runtime.c -- what rendered code calls besides operations. */
#include "runtime.h"
#include "rl_ops.h"
#include <stdarg.h>
#include <stdlib.h>
#include <structmember.h>

void rl_hint(const char *format, ...) {
    PyObject *type, *error, *tb;
    PyErr_Fetch(&type, &error, &tb);
    PyErr_NormalizeException(&type, &error, &tb);
    va_list args;
    va_start(args, format);
    PyObject *body = PyUnicode_FromFormatV(format, args);
    va_end(args);
    PyObject *text = body ? PyUnicode_FromFormat("hint: %U", body) : NULL;
    PyObject *done = text ? PyObject_CallMethod(error, "add_note", "O", text) : NULL;
    if (!done) PyErr_Clear(); /* the error matters more */
    Py_XDECREF(body);
    Py_XDECREF(text);
    Py_XDECREF(done);
    PyErr_Restore(type, error, tb);
}

int64_t rl_dim_count(Tensor *t, Ints dims) {
    bool mask[RL_MAXDIM];
    if (rl_dim_mask(t, dims, mask) < 0) { PyErr_Clear(); return 1; }
    int64_t n = 1;
    for (int i = 0; i < t->ndim; i++) if (mask[i]) n *= t->size[i];
    return n;
}

int64_t rl_dim_count_of(Ints shape, Ints dims) {
    if (dims.n <= 0) return rl_count_of(shape);
    int64_t n = 1;
    for (int i = 0; i < dims.n; i++) if (shape.n) n *= rl_dim_at(shape, dims.v[i]);
    return n;
}

Tensor *rl_empty_format(Tensor *t, int format) {
    int spatial = format == RL_CHANNELS_LAST ? 2 : 3;
    if (t->ndim != spatial + 2) {
        PyErr_Format(PyExc_RuntimeError, "required rank %d tensor to use channels_last%s format", spatial + 2, spatial == 3 ? "_3d" : "");
        return NULL;
    }
    int64_t stride[5], step = 1;
    for (int i = 0; i < t->ndim; i++) {
        int d = i == 0 ? 1 : i == t->ndim - 1 ? 0 : t->ndim - i;
        stride[d] = step;
        step *= t->size[d] > 1 ? t->size[d] : 1;
    }
    return rl_empty_strided(t->ndim, t->size, stride, (RLDType)t->dtype, t->device);
}

Scalar rl_scalar_arith(char op, Scalar a, Scalar b) {
    if (a.kind == 'c' || b.kind == 'c') {
        double ar = rl_scalar_double(a), ai = a.im, br = rl_scalar_double(b), bi = b.im;
        Scalar r = {'c', {.d = 0}, 0};
        switch (op) {
            case '+': r.u.d = ar + br; r.im = ai + bi; break;
            case '-': r.u.d = ar - br; r.im = ai - bi; break;
            case '*': r.u.d = ar * br - ai * bi; r.im = ar * bi + ai * br; break;
            default: {
                double m = br * br + bi * bi;
                r.u.d = (ar * br + ai * bi) / m;
                r.im = (ai * br - ar * bi) / m;
            }
        }
        return r;
    }
    if (a.kind != 'd' && b.kind != 'd' && op != '/') {
        int64_t x = a.u.i, y = b.u.i;
        return (Scalar){'i', {.i = op == '+' ? x + y : op == '-' ? x - y : x * y}, 0};
    }
    double x = rl_scalar_double(a), y = rl_scalar_double(b);
    return (Scalar){'d', {.d = op == '+' ? x + y : op == '-' ? x - y : op == '*' ? x * y : x / y}, 0};
}

Tensor *rl_clone_raw(Tensor *t) {
    Tensor *r = rl_empty_like(t, (RLDType)t->dtype);
    if (r && rl_copy_raw(r, t) < 0) Py_CLEAR(r);
    return r;
}

int rl_node_save_str(Node *n, int i, const char *s) {
    size_t len = s ? strlen(s) + 1 : 0;
    n->args[i].str = NULL;
    if (!s) return 0;
    char *copy = malloc(sizeof(void *) + len);
    if (!copy) { PyErr_NoMemory(); return -1; }
    *(void **)copy = n->owned_args;
    n->owned_args = copy;
    memcpy(copy + sizeof(void *), s, len);
    n->args[i].str = copy + sizeof(void *);
    return 0;
}

Tensor *rl_expand_reduced(Tensor *grad, Ints shape, Ints dims, bool keepdim) {
    Tensor *g = grad;
    Py_INCREF(g);
    if (!keepdim && shape.n > 0 && dims.n > 0) {
        int64_t full[RL_MAXDIM];
        for (int i = 0; i < shape.n; i++) full[i] = shape.v[i];
        for (int i = 0; i < dims.n; i++) full[dims.v[i] < 0 ? dims.v[i] + shape.n : dims.v[i]] = 1;
        Tensor *v = rl_reshape(g, (Ints){full, shape.n});
        Py_DECREF(g);
        if (!v) return NULL;
        g = v;
    }
    Tensor *e = rl_expand(g, shape, false);
    Py_DECREF(g);
    return e;
}

/* ---------------------------------------------------------------- in place */

int rl_check_addcdiv(Tensor *a, Tensor *b) {
    if (RL_LIKELY(RL_IS_INEXACT(a->dtype) || RL_IS_INEXACT(b->dtype))) return 0;
    PyErr_SetString(PyExc_RuntimeError,
                    "Integer division with addcdiv is no longer supported, and in a future  release addcdiv will perform a true division of "
                    "tensor1 and tensor2. The historic addcdiv behavior can be implemented as (input + value * torch.trunc(tensor1 / "
                    "tensor2)).to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for float inputs. The future "
                    "addcdiv behavior is just the latter implementation: (input + value * tensor1 / tensor2), for all dtypes.");
    return -1;
}

int rl_check_lerp(Tensor *input, Tensor *end) {
    if (RL_UNLIKELY(input->dtype != end->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "expected dtype %s for `end` but got dtype %s", rl_cpp_name((RLDType)input->dtype),
                     rl_cpp_name((RLDType)end->dtype));
        return -1;
    }
    if (RL_LIKELY(RL_IS_INEXACT(input->dtype))) return 0;
    int64_t shape[RL_MAXDIM];
    return rl_broadcast_shapes(2, (Tensor *[]){input, end}, shape) < 0 ? -1 : rl_not_implemented("lerp_kernel_scalar", (RLDType)input->dtype);
}

int rl_check_divisor(Tensor *a, Tensor *b) {
    if (RL_IS_INEXACT(a->dtype) || RL_IS_INEXACT(b->dtype) || b->device != RL_CPU) return 0;
    Tensor *every = rl_all(b);
    const bool fine = every && *(uint8_t *)every->data;
    if (every && !fine) PyErr_SetString(PyExc_RuntimeError, "ZeroDivisionError");
    Py_XDECREF(every);
    return fine ? 0 : -1;
}

int rl_minus_allows(Tensor *a, Tensor *b) {
    if (RL_LIKELY(a->dtype != RL_BOOL && (!b || b->dtype != RL_BOOL))) return 0;
    if (b && a->dtype == b->dtype)
        PyErr_SetString(PyExc_RuntimeError, "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
                        "`logical_xor()` operator instead.");
    else
        PyErr_Format(PyExc_RuntimeError, "%s, the `-` operator, %s a bool tensor is not supported. If you are trying to invert a mask, "
                     "use the `~` or `logical_not()` operator instead.", b ? "Subtraction" : "Negation", b ? "with" : "on");
    return -1;
}

int rl_no_bool(Tensor *t, const char *what) {
    if (RL_LIKELY(t->dtype != RL_BOOL)) return 0;
    PyErr_Format(PyExc_RuntimeError, "%s", what);
    return -1;
}

/* Some of PyTorch's messages name dtypes as C++ does. */
const char *rl_cpp_name(RLDType dt) {
    switch (dt) {
        case RL_BOOL: return "bool";
        case RL_U8: return "unsigned char";
        case RL_I8: return "signed char";
        case RL_I16: return "short int";
        case RL_I32: return "int";
        case RL_I64: return "long int";
        case RL_F16: return "c10::Half";
        case RL_BF16: return "c10::BFloat16";
        case RL_F32: return "float";
        case RL_F64: return "double";
        case RL_C64: return "c10::complex<float>";
        case RL_C128: return "c10::complex<double>";
        default: return rl_dtypes[dt].name;
    }
}

Tensor *rl_inplace_begin(Tensor *self, bool record) {
    if (!record) return (Tensor *)Py_NewRef((PyObject *)self);
    Tensor *before = rl_clone_raw(self);
    if (!before) return NULL;
    Node *fn = rl_grad_fn(self);
    if (!fn && PyErr_Occurred()) { Py_DECREF(before); return NULL; }
    if (fn) {
        Py_INCREF(fn);
        before->grad_fn = fn;
        before->output_nr = self->output_nr;
        before->flags |= RLF_REQUIRES_GRAD;
        rl_track(before);
    }
    return before;
}

_Thread_local Tensor *rl_here;

bool rl_take_here(Tensor *input, int n, Tensor *const *reads) {
    if (RL_LIKELY(rl_here != input)) return false;
    rl_here = NULL;
    for (int i = 0; i < n; i++) if (reads[i] && reads[i]->storage == input->storage) return false;
    return rl_is_dense(input);
}

Tensor *rl_inplace_finish(Tensor *self, Tensor *result) {
    if (!result) return NULL;
    if (result == self) { rl_bump(self); return result; }
    if (!rl_can_cast((RLDType)result->dtype, (RLDType)self->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "result type %s can't be cast to the desired output type %s",
                     rl_dtypes[result->dtype].legacy, rl_dtypes[self->dtype].legacy);
        goto fail;
    }
    if (!rl_same_shape(self, result)) {
        PyObject *a = rl_size_object(self->ndim, self->size), *b = rl_size_object(result->ndim, result->size);
        PyObject *la = a ? PySequence_List(a) : NULL, *lb = b ? PySequence_List(b) : NULL;
        if (la && lb) PyErr_Format(PyExc_RuntimeError, "output with shape %S doesn't match the broadcast shape %S", la, lb);
        Py_XDECREF(a); Py_XDECREF(b); Py_XDECREF(la); Py_XDECREF(lb);
        goto fail;
    }
    if (rl_check_overlap(self, 0, NULL) < 0 || rl_copy_raw(self, result) < 0) goto fail;
    rl_bump(self);
    if (result->grad_fn && RL_IS_INEXACT(self->dtype) && rl_rebase_history(self, result->grad_fn, (int)result->output_nr) < 0) goto fail;
    Py_DECREF(result);
    return (Tensor *)Py_NewRef((PyObject *)self);
fail:
    Py_DECREF(result);
    return NULL;
}

Tensor *rl_inplace_view(Tensor *self, Tensor *view) {
    if (!view) return NULL;
    rl_set_geometry(self, view->ndim, view->size, view->stride);
    self->data = view->data;
    rl_bump(self);
    if (view->grad_fn) {
        Py_XSETREF(self->grad_fn, (Node *)Py_NewRef((PyObject *)view->grad_fn));
        self->output_nr = view->output_nr;
        if (self->base) self->view_version = self->version->value;
    }
    Py_DECREF(view);
    return (Tensor *)Py_NewRef((PyObject *)self);
}

/* ---------------------------------------------------------------- several results */

static PyObject *struct_repr(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject *out = PyUnicode_FromFormat("%s(", type->tp_name);
    for (Py_ssize_t i = 0; out && i < PyTuple_GET_SIZE(self); i++) {
        PyObject *next = PyUnicode_FromFormat("%U%s%s=%R", out, i ? ",\n" : "\n", type->tp_members[i].name, PyTuple_GET_ITEM(self, i));
        Py_SETREF(out, next);
    }
    if (out) Py_SETREF(out, PyUnicode_FromFormat("%U)", out));
    return out;
}

PyObject *rl_return_struct(PyTypeObject **type, const char *name, int n, const char *const *fields, Tensor **out) {
    if (!*type) {
        PyStructSequence_Field f[9] = {{0}};
        for (int i = 0; i < n; i++) f[i].name = fields[i];
        char full[128];
        snprintf(full, sizeof full, "torch.return_types.%s", name);
        PyStructSequence_Desc desc = {strdup(full), NULL, f, n};
        *type = PyStructSequence_NewType(&desc);
        if (!*type) goto fail;
        (*type)->tp_repr = struct_repr;
    }
    PyObject *r = PyStructSequence_New(*type);
    if (!r) goto fail;
    for (int i = 0; i < n; i++) PyStructSequence_SET_ITEM(r, i, out[i] ? (PyObject *)out[i] : Py_NewRef(Py_None));
    return r;
fail:
    for (int i = 0; i < n; i++) Py_XDECREF(out[i]);
    return NULL;
}

PyObject *rl_return_tuple(int n, Tensor **out) {
    PyObject *t = PyTuple_New(n);
    for (int i = 0; i < n; i++) {
        if (!t) { Py_XDECREF(out[i]); continue; }
        PyTuple_SET_ITEM(t, i, out[i] ? (PyObject *)out[i] : Py_NewRef(Py_None));
    }
    return t;
}

/* ---------------------------------------------------------------- bodies in Python */

PyObject *rl_py_tensor(Tensor *t) {
    if (!t) Py_RETURN_NONE;
    if (t->flags & RLF_WRAPPED) { /* a number became a tensor on the way in: give the number back */
        Scalar s = rl_item(t);
        return rl_scalar_to_py(s);
    }
    return Py_NewRef((PyObject *)t);
}
PyObject *rl_py_tensors(Tensors ts) {
    if (ts.n < 0) Py_RETURN_NONE;
    PyObject *l = PyList_New(ts.n);
    for (int i = 0; l && i < ts.n; i++) PyList_SET_ITEM(l, i, ts.v[i] ? Py_NewRef((PyObject *)ts.v[i]) : Py_NewRef(Py_None));
    return l;
}
PyObject *rl_py_int(int64_t v) { if (v == RL_NO_INT) Py_RETURN_NONE; return PyLong_FromLongLong(v); }
PyObject *rl_py_bool(int v) { if (v < 0) Py_RETURN_NONE; return PyBool_FromLong(v); }
PyObject *rl_py_ints(Ints v) {
    if (v.n < 0) Py_RETURN_NONE;
    PyObject *t = PyTuple_New(v.n);
    for (int i = 0; t && i < v.n; i++) PyTuple_SET_ITEM(t, i, PyLong_FromLongLong(v.v[i]));
    return t;
}
PyObject *rl_py_dtype(RLDType dt) { return Py_NewRef(dt == RL_NODTYPE ? Py_None : rl_dtype_object(dt)); }
PyObject *rl_py_device(int d) { if (d < 0) Py_RETURN_NONE; return rl_device_object(d); }
PyObject *rl_py_str(const char *s) { if (!s) Py_RETURN_NONE; return PyUnicode_FromString(s); }
PyObject *rl_py_object(PyObject *o) { return Py_NewRef(o ? o : Py_None); }

PyObject *rl_call_python(const char *module, const char *function, PyObject **args, int n) {
    PyObject *result = NULL, *m = NULL, *f = NULL;
    for (int i = 0; i < n; i++) if (!args[i]) goto done;
    m = PyImport_ImportModule(module);
    f = m ? PyObject_GetAttrString(m, function) : NULL;
    if (f) result = PyObject_Vectorcall(f, args, (size_t)n, NULL);
done:
    for (int i = 0; i < n; i++) Py_XDECREF(args[i]);
    Py_XDECREF(m);
    Py_XDECREF(f);
    return result;
}

Tensor *rl_call_python_tensor(const char *module, const char *function, PyObject **args, int n) {
    PyObject *r = rl_call_python(module, function, args, n);
    if (r && !RL_IS_TENSOR(r)) {
        PyErr_Format(PyExc_TypeError, "%s.%s returned %s instead of a tensor", module, function, rl_type_name(r));
        Py_CLEAR(r);
    }
    return (Tensor *)r;
}

int rl_call_python_multi(const char *module, const char *function, PyObject **args, int n, int n_out, Tensor **out) {
    PyObject *r = rl_call_python(module, function, args, n);
    if (!r) return -1;
    if (!PyTuple_Check(r) || PyTuple_GET_SIZE(r) != n_out) {
        PyErr_Format(PyExc_TypeError, "%s.%s must return a tuple of %d tensors", module, function, n_out);
        Py_DECREF(r);
        return -1;
    }
    for (int i = 0; i < n_out; i++) {
        PyObject *o = PyTuple_GET_ITEM(r, i);
        out[i] = o == Py_None ? NULL : (Tensor *)Py_NewRef(o);
    }
    Py_DECREF(r);
    return 0;
}
