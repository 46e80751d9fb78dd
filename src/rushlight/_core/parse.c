/* parse.c -- reads the arguments of an operation by its signature, with PyTorch's overloads,
 * conversions and error messages. */
#include "runtime.h"
#include <stdlib.h>

/* ---------------------------------------------------------------- conversions */

int rl_as_int(PyObject *o, int64_t *out) {
    if (RL_LIKELY(PyLong_CheckExact(o))) {
        int overflow;
        *out = PyLong_AsLongLongAndOverflow(o, &overflow);
        if (overflow) { PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking long long"); return -1; }
        return *out == -1 && PyErr_Occurred() ? -1 : 1;
    }
    if (PyFloat_Check(o) || PyBytes_Check(o) || PyUnicode_Check(o)) return 0;
    if (RL_IS_TENSOR(o)) {
        Tensor *t = (Tensor *)o;
        if (t->numel != 1 || !RL_IS_INTEGRAL(t->dtype) || t->dtype == RL_BOOL || t->ndim > 1) return 0;
        Scalar s = rl_item(t);
        *out = s.u.i;
        return PyErr_Occurred() ? -1 : 1;
    }
    if (!PyIndex_Check(o)) return 0;
    PyObject *i = PyNumber_Index(o);
    if (!i) { PyErr_Clear(); return 0; }
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(i, &overflow);
    Py_DECREF(i);
    if (overflow) { PyErr_SetString(PyExc_RuntimeError, "Overflow when unpacking long long"); return -1; }
    return 1;
}

int rl_as_double(PyObject *o, double *out) {
    if (PyFloat_CheckExact(o)) { *out = PyFloat_AS_DOUBLE(o); return 1; }
    if (PyLong_CheckExact(o)) { *out = PyLong_AsDouble(o); return *out == -1.0 && PyErr_Occurred() ? -1 : 1; }
    Scalar s;
    int r = rl_scalar_from_py(o, &s);
    if (r <= 0) return r;
    if (s.kind == 'c') return 0;
    *out = rl_scalar_double(s);
    return 1;
}

int rl_as_sizes(PyObject *o, int64_t *buf, int max, int *n) {
    if (PyTuple_Check(o) || PyList_Check(o)) {
        Py_ssize_t len = PySequence_Fast_GET_SIZE(o);
        if (len > max) { PyErr_Format(PyExc_RuntimeError, "tensors may have at most %d dimensions, got %zd", RL_MAXDIM, len); return -1; }
        PyObject **items = PySequence_Fast_ITEMS(o);
        for (Py_ssize_t i = 0; i < len; i++) {
            int r = rl_as_int(items[i], &buf[i]);
            if (r <= 0) return r;
        }
        *n = (int)len;
        return 1;
    }
    if (RL_IS_TENSOR(o)) { /* a 1-d integer tensor stands for its numbers */
        Tensor *t = (Tensor *)o;
        if (t->ndim != 1 || !RL_IS_INTEGRAL(t->dtype) || t->numel > max) return 0;
        Tensor *l = rl_to_dtype_raw(t, RL_I64), *c = l ? rl_contiguous_raw(l) : NULL;
        Py_XDECREF(l);
        if (!c) return -1;
        memcpy(buf, c->data, (size_t)c->numel * sizeof(int64_t));
        *n = (int)c->numel;
        Py_DECREF(c);
        return 1;
    }
    return 0;
}

/* ---------------------------------------------------------------- __torch_function__ */

_Thread_local int rl_torch_function_off;
static PyObject *str_torch_function;

bool rl_has_torch_function(PyObject *o) {
    PyTypeObject *type = Py_TYPE(o);
    if (RL_IS_TENSOR_EXACT(o) || rl_torch_function_off || !(type->tp_flags & Py_TPFLAGS_HEAPTYPE)) return false;
    if (!str_torch_function) str_torch_function = PyUnicode_InternFromString("__torch_function__");
    PyObject *f = _PyType_Lookup(type, str_torch_function);
    if (!f || f == Py_None) return false;
    static PyObject *disabled;
    if (!disabled) disabled = PyUnicode_InternFromString("_torch_function_disabled");
    return !PyObject_HasAttr(f, disabled);
}

/* Distinct types, subclasses before their bases, otherwise left to right (NEP 18's rule). */
static int collect(PyObject *o, PyObject *found) {
    if (PyTuple_CheckExact(o) || PyList_CheckExact(o)) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); i++)
            if (rl_has_torch_function(PySequence_Fast_GET_ITEM(o, i)) && collect(PySequence_Fast_GET_ITEM(o, i), found) < 0) return -1;
        return 0;
    }
    if (!rl_has_torch_function(o)) return 0;
    Py_ssize_t n = PyList_GET_SIZE(found), at = n;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTypeObject *have = Py_TYPE(PyList_GET_ITEM(found, i));
        if (have == Py_TYPE(o)) return 0;
        if (at == n && PyType_IsSubtype(Py_TYPE(o), have)) at = i;
    }
    return PyList_Insert(found, at, o);
}

PyObject *rl_call_torch_function(PyObject *func, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    PyObject *found = PyList_New(0), *types = NULL, *pos = NULL, *kw = NULL, *result = NULL;
    if (!found) return NULL;
    for (Py_ssize_t i = 0; i < nargs + nkw; i++) if (collect(args[i], found) < 0) goto done;
    Py_ssize_t n = PyList_GET_SIZE(found);
    types = PyTuple_New(n);
    pos = PyTuple_New(nargs);
    kw = PyDict_New();
    if (!types || !pos || !kw) goto done;
    for (Py_ssize_t i = 0; i < n; i++) PyTuple_SET_ITEM(types, i, Py_NewRef((PyObject *)Py_TYPE(PyList_GET_ITEM(found, i))));
    for (Py_ssize_t i = 0; i < nargs; i++) PyTuple_SET_ITEM(pos, i, Py_NewRef(args[i]));
    for (Py_ssize_t i = 0; i < nkw; i++) if (PyDict_SetItem(kw, PyTuple_GET_ITEM(kwnames, i), args[nargs + i]) < 0) goto done;
    for (Py_ssize_t i = 0; i < n && !result; i++) {
        PyObject *f = PyObject_GetAttr((PyObject *)Py_TYPE(PyList_GET_ITEM(found, i)), str_torch_function);
        if (!f) goto done;
        PyObject *r = PyObject_CallFunctionObjArgs(f, func, types, pos, kw, NULL);
        Py_DECREF(f);
        if (!r) goto done;
        if (r == Py_NotImplemented) Py_DECREF(r);
        else result = r;
    }
    if (!result) PyErr_Format(PyExc_TypeError, "no implementation found for '%R' on types that implement __torch_function__: %R",
                              func, types);
done:
    Py_XDECREF(found);
    Py_XDECREF(types);
    Py_XDECREF(pos);
    Py_XDECREF(kw);
    return result;
}

/* ---------------------------------------------------------------- one overload */

#define MAX_PARAMS 24
#define MAX_LIST 32

typedef struct {
    Arg a[MAX_PARAMS];
    int64_t ints[256];
    int n_ints;
    PyObject *owned[8];        /* numbers that became tensors, lists */
    int n_owned;
    void *heap[4];             /* long tensor lists */
    int n_heap;
    Tensor *tensors[MAX_LIST];
    int n_tensors;
    PyObject *out;
} Parsed;

static void release(Parsed *p) {
    while (p->n_owned) Py_DECREF(p->owned[--p->n_owned]);
    while (p->n_heap) free(p->heap[--p->n_heap]);
}

static const char *type_name(const Param *p) {
    switch (p->type) {
        case AT_TENSOR: case AT_OPERAND: return "Tensor";
        case AT_TENSORS: return "tuple of Tensors";
        case AT_SCALAR: return "Number";
        case AT_INT: return "int";
        case AT_FLOAT: return "float";
        case AT_BOOL: return "bool";
        case AT_INTS: return "tuple of ints";
        case AT_FLOATS: return "tuple of floats";
        case AT_DTYPE: return "torch.dtype";
        case AT_DEVICE: return "torch.device";
        case AT_LAYOUT: return "torch.layout";
        case AT_MEMORY_FORMAT: return "torch.memory_format";
        case AT_STR: return "str";
        case AT_GENERATOR: return "torch.Generator";
        default: return "object";
    }
}

static int tensor_list(Parsed *ps, PyObject *o, Tensors *out, bool none_ok) {
    if (!PyTuple_Check(o) && !PyList_Check(o)) return 0;
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    Tensor **v = ps->tensors + ps->n_tensors;
    if (ps->n_tensors + n > MAX_LIST) {
        if (ps->n_heap == 4 || !(v = malloc((size_t)n * sizeof *v))) { PyErr_NoMemory(); return -1; }
        ps->heap[ps->n_heap++] = v;
    } else {
        ps->n_tensors += (int)n;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *e = PySequence_Fast_GET_ITEM(o, i);
        if (RL_IS_TENSOR(e)) v[i] = (Tensor *)e;
        else if (none_ok && e == Py_None) v[i] = NULL;
        else return 0;
    }
    *out = (Tensors){v, (int)n};
    return 1;
}

static int convert(Parsed *ps, const Param *p, PyObject *o, Arg *a) {
    if (o == Py_None && p->optional) { *a = p->has_default ? p->dflt : (Arg){.t = NULL};
        if (!p->has_default || p->type == AT_SCALAR) switch (p->type) {
            case AT_INT: a->i = RL_NO_INT; break;
            case AT_BOOL: a->i = -1; break;
            case AT_FLOAT: case AT_SCALAR: a->s = RL_NO_SCALAR; break;
            case AT_INTS: case AT_FLOATS: a->ints = (Ints){NULL, -1}; break;
            case AT_DTYPE: a->i = RL_NODTYPE; break;
            case AT_DEVICE: case AT_LAYOUT: case AT_MEMORY_FORMAT: a->i = -1; break;
            case AT_TENSORS: a->ts = (Tensors){NULL, -1}; break;
            default: break;
        }
        return 1;
    }
    switch (p->type) {
        case AT_TENSOR:
            if (!RL_IS_TENSOR(o)) return 0;
            a->t = (Tensor *)o;
            return 1;
        case AT_OPERAND: {
            if (RL_LIKELY(RL_IS_TENSOR(o))) { a->t = (Tensor *)o; return 1; }
            Scalar s;
            int r = rl_scalar_from_py(o, &s);
            if (r <= 0) return r;
            Tensor *t = rl_wrap_scalar(s);
            if (!t) return -1;
            ps->owned[ps->n_owned++] = (PyObject *)t;
            a->t = t;
            return 1;
        }
        case AT_TENSORS: return tensor_list(ps, o, &a->ts, p->optional);
        case AT_SCALAR: return rl_scalar_from_py(o, &a->s);
        case AT_INT: return rl_as_int(o, &a->i);
        case AT_FLOAT: {
            double d;
            int r = rl_as_double(o, &d);
            if (p->optional) a->s = (Scalar){'d', {.d = d}, 0};
            else a->d = d;
            return r;
        }
        case AT_BOOL:
            if (PyBool_Check(o)) { a->i = o == Py_True; return 1; }
            if (strncmp(Py_TYPE(o)->tp_name, "numpy.bool", 10) == 0) { a->i = PyObject_IsTrue(o); return 1; }
            return 0;
        case AT_INTS: {
            int64_t *buf = ps->ints + ps->n_ints;
            int room = (int)(sizeof ps->ints / sizeof *ps->ints) - ps->n_ints, n = 0;
            int r = rl_as_sizes(o, buf, room < RL_MAXDIM ? room : RL_MAXDIM, &n);
            if (r == 0 && p->fixed) {
                r = rl_as_int(o, buf);
                if (r == 1) for (n = 1; n < p->fixed; n++) buf[n] = buf[0];
            }
            if (r <= 0) return r;
            ps->n_ints += n;
            a->ints = (Ints){buf, n};
            return 1;
        }
        case AT_DTYPE: {
            RLDType dt;
            int r = rl_as_dtype(o, &dt);
            a->i = dt;
            return r;
        }
        case AT_DEVICE: {
            int d = 0;
            int r = rl_as_device(o, &d);
            a->i = d;
            return r;
        }
        case AT_LAYOUT: a->i = 0; return Py_TYPE(o) == &RLLayout_Type;
        case AT_MEMORY_FORMAT: {
            int m = 0;
            int r = rl_as_memory_format(o, &m);
            a->i = m;
            return r;
        }
        case AT_STR:
            if (!PyUnicode_Check(o)) return 0;
            a->str = PyUnicode_AsUTF8(o);
            return a->str ? 1 : -1;
        case AT_GENERATOR:
            a->o = o;
            return Py_TYPE(o) == &RLGenerator_Type;
        default:
            a->o = o;
            return 1;
    }
}

/* NumPy's names for the same things. */
static const char *const other_names[][2] = {{"axis", "dim"}, {"keepdims", "keepdim"}, {"x", "input"}, {"a", "input"},
                                             {"x1", "input"}, {"x2", "other"}, {"axis0", "dim0"}, {"axis1", "dim1"}};

/* For what looks like numbers in a place for a tensor. */
static void hint_tensor(PyObject *given) {
    if (strcmp(rl_type_name(given), "numpy.ndarray") == 0) rl_hint("torch.from_numpy(array) is a tensor over the same memory");
    else if (PyList_Check(given) || PyTuple_Check(given) || PyFloat_Check(given) || PyLong_Check(given))
        rl_hint("torch.tensor(value) makes a tensor of it");
}

static int find_param(const Overload *ov, PyObject *key) {
    Py_ssize_t len;
    const char *k = PyUnicode_AsUTF8AndSize(key, &len);
    if (!k) { PyErr_Clear(); return -1; }
    for (int i = 0; i < ov->n; i++) if (strcmp(ov->params[i].name, k) == 0) return i;
    for (size_t j = 0; j < sizeof other_names / sizeof *other_names; j++) {
        if (strcmp(other_names[j][0], k) != 0) continue;
        for (int i = 0; i < ov->n; i++) if (strcmp(ov->params[i].name, other_names[j][1]) == 0) return i;
    }
    return -1;
}

/* 1: matched.  0: did not; when `name` is given the reason is set as an error.  -1: error. */
static int match(const Overload *ov, Parsed *ps, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, bool method,
                 const char *name) {
    bool given[MAX_PARAMS] = {false};
    int npos = ov->n_pos;
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    int first = method ? 1 : 0;
    ps->n_ints = ps->n_owned = ps->n_heap = ps->n_tensors = 0;
    ps->out = NULL;

    Py_ssize_t use = nargs;
    int list_at = method ? 1 : 0;
    if (ov->varargs && npos == list_at + 1 && nargs > list_at && ov->params[list_at].type == AT_INTS) {
        PyObject *o = args[list_at];
        if (nargs > list_at + 1 || !(PyTuple_Check(o) || PyList_Check(o) || o == Py_None || (RL_IS_TENSOR(o) && ((Tensor *)o)->ndim == 1))) {
            int64_t *buf = ps->ints;
            if (nargs - list_at > RL_MAXDIM) goto positional;
            for (Py_ssize_t i = list_at; i < nargs; i++) {
                int r = rl_as_int(args[i], &buf[i - list_at]);
                if (r < 0) return -1;
                if (r == 0) {
                    if (name) PyErr_Format(PyExc_TypeError, "%s(): argument '%s' (position %d) must be tuple of ints, but found element of type %s at pos %zd",
                                           name, ov->params[list_at].name, 1, rl_type_name(args[i]), i - list_at);
                    return 0;
                }
            }
            ps->a[list_at].ints = (Ints){buf, (int)(nargs - list_at)};
            ps->n_ints = (int)(nargs - list_at);
            given[list_at] = true;
            use = list_at;
        }
    }
    /* f(a, b) means f([a, b]): the last positional parameter takes all that is left */
    const uint8_t last = ov->varargs ? ov->params[npos - 1].type : AT_INTS;
    if (last == AT_OBJECT || (last == AT_TENSORS && nargs >= npos && RL_IS_TENSOR(args[npos - 1]))) {
        PyObject *rest = PyTuple_New(nargs > npos - 1 ? nargs - (npos - 1) : 0);
        if (!rest) return -1;
        ps->owned[ps->n_owned++] = rest;
        for (Py_ssize_t i = npos - 1; i < nargs; i++) PyTuple_SET_ITEM(rest, i - (npos - 1), Py_NewRef(args[i]));
        int r = convert(ps, &ov->params[npos - 1], rest, &ps->a[npos - 1]);
        if (r < 0) return -1;
        if (r > 0) {
            given[npos - 1] = true;
            use = npos - 1;
        }
    }
positional:
    if (RL_UNLIKELY(use > npos)) {
        if (name) PyErr_Format(PyExc_TypeError, "%s() takes %d positional argument%s but %zd were given", name, npos - first,
                               npos - first == 1 ? "" : "s", use - first);
        return 0;
    }
    for (Py_ssize_t i = 0; i < use; i++) {
        const Param *p = &ov->params[i];
        int r = convert(ps, p, args[i], &ps->a[i]);
        if (r < 0) return -1;
        if (r == 0) {
            if (name) {
                if (p->type == AT_TENSORS && (PyTuple_Check(args[i]) || PyList_Check(args[i]))) {
                    Py_ssize_t bad = 0;
                    while (bad < PySequence_Fast_GET_SIZE(args[i]) && RL_IS_TENSOR(PySequence_Fast_GET_ITEM(args[i], bad))) bad++;
                    PyErr_Format(PyExc_TypeError, "expected Tensor as element %zd in argument %zd, but got %s", bad, i - first,
                                 rl_type_name(PySequence_Fast_GET_ITEM(args[i], bad)));
                } else {
                    PyErr_Format(PyExc_TypeError, "%s(): argument '%s' (position %zd) must be %s, not %s", name, p->name,
                                 i - first + 1, type_name(p), rl_type_name(args[i]));
                    if (p->type == AT_TENSOR) hint_tensor(args[i]);
                }
            }
            return 0;
        }
        given[i] = true;
    }
    for (Py_ssize_t k = 0; k < nkw; k++) {
        PyObject *key = PyTuple_GET_ITEM(kwnames, k), *o = args[nargs + k];
        int i = find_param(ov, key);
        if (i < 0 && ov->out && PyUnicode_CompareWithASCIIString(key, "out") == 0) {
            if (o != Py_None) ps->out = o;
            continue;
        }
        if (i < 0 || given[i]) {
            if (name) {
                if (i < 0) PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", name, key);
                else PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%U'", name, key);
            }
            return 0;
        }
        int r = convert(ps, &ov->params[i], o, &ps->a[i]);
        if (r < 0) return -1;
        if (r == 0) {
            if (name) {
                PyErr_Format(PyExc_TypeError, "%s(): argument '%s' must be %s, not %s", name, ov->params[i].name,
                             type_name(&ov->params[i]), rl_type_name(o));
                if (ov->params[i].type == AT_TENSOR) hint_tensor(o);
            }
            return 0;
        }
        given[i] = true;
    }
    int missing = 0;
    for (int i = 0; i < ov->n; i++) {
        if (given[i]) continue;
        if (ov->params[i].has_default) ps->a[i] = ov->params[i].dflt;
        else missing++;
    }
    if (RL_UNLIKELY(missing)) {
        if (name) {
            PyObject *list = PyUnicode_FromString("");
            for (int i = 0; list && i < ov->n; i++) {
                if (given[i] || ov->params[i].has_default) continue;
                PyObject *next = PyUnicode_FromFormat("%U%s\"%s\"", list, PyUnicode_GetLength(list) ? ", " : "", ov->params[i].name);
                Py_SETREF(list, next);
            }
            if (list) PyErr_Format(PyExc_TypeError, "%s() missing %d required positional arguments: %U", name, missing, list);
            Py_XDECREF(list);
        }
        return 0;
    }
    return 1;
}

static PyObject *no_overload(const OpDef *def, bool method, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    PyObject *got = PyUnicode_FromString(""), *want = PyUnicode_FromString("");
    Py_ssize_t nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    for (Py_ssize_t i = method; got && i < nargs + nkw; i++) {
        const char *type = Py_TYPE(args[i])->tp_name, *dot = strrchr(type, '.');
        const char *sep = PyUnicode_GetLength(got) ? ", " : "";
        PyObject *next = i < nargs ? PyUnicode_FromFormat("%U%s%s", got, sep, dot ? dot + 1 : type)
                                   : PyUnicode_FromFormat("%U%s%U=%s", got, sep, PyTuple_GET_ITEM(kwnames, i - nargs), dot ? dot + 1 : type);
        Py_SETREF(got, next);
    }
    for (int k = 0; want && k < def->n_overloads; k++) {
        PyObject *next = PyUnicode_FromFormat("%U\n * %s", want, def->overloads[k].text);
        Py_SETREF(want, next);
    }
    if (got && want) PyErr_Format(PyExc_TypeError, "%s() received an invalid combination of arguments - got (%U), but expected one of:%U\n",
                                  def->name, got, want);
    Py_XDECREF(got);
    Py_XDECREF(want);
    return NULL;
}

/* ---------------------------------------------------------------- the old order of numbers */

static PyObject *warn_of_old_order(const char *name, const Overload *ov, bool method, int moved, const int *where) {
    PyObject *old = PyUnicode_FromString("");
    for (int i = method, tensor = method, number = 0; old && i < ov->n_pos + moved; i++) {
        bool is_number = number < moved && where[number] == i;
        const Param *p = &ov->params[is_number ? ov->n_pos + number++ : tensor++];
        PyObject *next = PyUnicode_FromFormat("%U%s%s %s", old, PyUnicode_GetLength(old) ? ", " : "", is_number ? "Number" : "Tensor", p->name);
        Py_SETREF(old, next);
    }
    if (old && PyErr_WarnFormat(PyExc_UserWarning, 1, "This overload of %s is deprecated:\n\t%s(%U)\nConsider using one of the following "
                                "signatures instead:\n\t%s%s", name, name, old, name, ov->text) < 0) Py_CLEAR(old);
    return old;
}

/* x.add_(alpha, other) and addmm(beta, x, alpha, a, b), as programs were written before numbers went by keyword: called
 * again in today's order.  NULL without an error: it is not that. */
static PyObject *call_in_new_order(const OpDef *def, const Overload *ov, bool method, PyObject *func, PyObject *const *args,
                                   Py_ssize_t nargs, PyObject *kwnames) {
    Py_ssize_t moved = nargs - ov->n_pos, nkw = kwnames ? PyTuple_GET_SIZE(kwnames) : 0;
    int numbers = ov->n - ov->n_pos;
    int where[2] = {numbers == 2 && !method ? 0 : 1, 2};
    if (moved > numbers || nargs + nkw > MAX_PARAMS) return NULL;
    for (int k = 0; k < moved; k++) {
        Scalar s;
        int r = RL_IS_TENSOR(args[where[k]]) ? 0 : rl_scalar_from_py(args[where[k]], &s);
        if (r <= 0) return NULL;
    }
    static bool said;
    if (!said) {
        PyObject *text = warn_of_old_order(def->name, ov, method, (int)moved, where);
        if (!text) return NULL;
        Py_DECREF(text);
        said = true;
    }
    PyObject *now[MAX_PARAMS], *names = PyTuple_New(moved + nkw), *result = NULL;
    Py_ssize_t tensors = 0, number = 0;
    for (Py_ssize_t i = 0; i < nargs; i++) {
        if (number < moved && where[number] == i) now[ov->n_pos + number++] = args[i];
        else now[tensors++] = args[i];
    }
    for (Py_ssize_t k = 0; names && k < moved + nkw; k++) {
        PyObject *key = k < moved ? PyUnicode_FromString(ov->params[ov->n_pos + k].name) : Py_NewRef(PyTuple_GET_ITEM(kwnames, k - moved));
        if (!key) Py_CLEAR(names);
        else PyTuple_SET_ITEM(names, k, key);
    }
    for (Py_ssize_t k = 0; k < nkw; k++) now[nargs + k] = args[nargs + k];
    if (names) result = rl_op_call(def, method, func, now, ov->n_pos, names);
    Py_XDECREF(names);
    return result;
}

/* ---------------------------------------------------------------- out= */

static int no_history_for_out(const char *op) {
    PyErr_Format(PyExc_RuntimeError, "%s(): functions with out=... arguments don't support automatic differentiation, but one of "
                 "the arguments requires grad.", op);
    return -1;
}

static int check_apart(Tensor *out, Tensor *in, bool distinct) {
    if (!in || in->storage != out->storage) return 0;
    if (distinct && (in == out || (in->numel && out->numel && in->data == out->data))) {
        PyErr_SetString(PyExc_RuntimeError, RL_OVERLAP_TEXT);
        return -1;
    }
    return rl_check_overlap(out, 1, &in);
}

/* Before out is resized, since that may give it memory of its own. */
static int check_apart_from_inputs(const Overload *ov, const Arg *a, Tensor *out) {
    const bool distinct = ov->out & OUT_DISTINCT;
    for (int i = 0; i < ov->n; i++) {
        const uint8_t type = ov->params[i].type;
        if (type == AT_TENSOR || type == AT_OPERAND) {
            if (check_apart(out, a[i].t, distinct) < 0) return -1;
        } else if (type == AT_TENSORS) {
            for (int k = 0; k < a[i].ts.n; k++) if (check_apart(out, a[i].ts.v[k], distinct) < 0) return -1;
        }
    }
    return 0;
}

static int store_one(const char *op, const Overload *ov, const Arg *a, Tensor *out, Tensor *r) {
    if (out == r) return 0;
    if (RL_REQUIRES_GRAD(out) && rl_grad_mode) return no_history_for_out(op);
    if (ov->out & OUT_EXACT && out->dtype != r->dtype) {
        PyErr_Format(PyExc_RuntimeError, "Expected out tensor to have dtype %s, but got %s instead",
                     rl_cpp_name((RLDType)r->dtype), rl_cpp_name((RLDType)out->dtype));
        return -1;
    }
    if (r->numel && ov->out & (OUT_APART | OUT_DISTINCT) && check_apart_from_inputs(ov, a, out) < 0) return -1;
    if (!rl_can_cast((RLDType)r->dtype, (RLDType)out->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "result type %s can't be cast to the desired output type %s",
                     rl_dtypes[r->dtype].legacy, rl_dtypes[out->dtype].legacy);
        return -1;
    }
    const bool resized = !rl_same_shape(out, r);
    if (rl_resize_for_out(out, r->ndim, r->size) < 0) return -1;
    if (resized && !RL_IS_CONTIGUOUS(r) && rl_is_dense(r)) rl_set_geometry(out, r->ndim, r->size, r->stride);
    if (rl_check_overlap(out, 0, NULL) < 0 || rl_copy_raw(out, r) < 0) return -1;
    rl_bump(out);
    return 0;
}

static PyObject *store_out(const char *op, const Overload *ov, const Arg *a, PyObject *out, PyObject *result) {
    int n = ov->n_out;
    if (n == 1 && RL_IS_TENSOR(out) && RL_IS_TENSOR(result)) {
        if (RL_REQUIRES_GRAD((Tensor *)result)) {
            no_history_for_out(op);
            Py_DECREF(result);
            return NULL;
        }
        int bad = store_one(op, ov, a, (Tensor *)out, (Tensor *)result);
        Py_DECREF(result);
        return bad < 0 ? NULL : Py_NewRef(out);
    }
    PyObject *outs = PySequence_Fast(out, "argument 'out' must be tuple of Tensors");
    if (!outs) { Py_DECREF(result); return NULL; }
    if (!PyTuple_Check(result) || PySequence_Fast_GET_SIZE(outs) != PyTuple_GET_SIZE(result)) {
        PyErr_SetString(PyExc_TypeError, "argument 'out' must be a tuple of as many tensors as there are results");
        goto fail;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(result); i++) {
        PyObject *o = PySequence_Fast_GET_ITEM(outs, i);
        if (!RL_IS_TENSOR(o)) { PyErr_Format(PyExc_TypeError, "argument 'out' must be Tensor, not %s", rl_type_name(o)); goto fail; }
        if (store_one(op, ov, a, (Tensor *)o, (Tensor *)PyTuple_GET_ITEM(result, i)) < 0) goto fail;
    }
    PyObject *named = PyObject_CallOneArg((PyObject *)Py_TYPE(result), outs); /* keeps the namedtuple's type */
    Py_DECREF(outs);
    Py_DECREF(result);
    return named;
fail:
    Py_DECREF(outs);
    Py_DECREF(result);
    return NULL;
}

static PyObject *call_with_out(const char *op, const Overload *ov, Arg *a, PyObject *out) {
    if (ov->out & OUT_TYPED && RL_IS_TENSOR(out)) {
        for (int i = 0; i < ov->n; i++)
            if (ov->params[i].type == AT_DTYPE && a[i].i == RL_NODTYPE) a[i].i = ((Tensor *)out)->dtype;
    }
    PyObject *result = ov->call(a);
    return result ? store_out(op, ov, a, out, result) : NULL;
}

/* ---------------------------------------------------------------- the call */

static int autocast(const Overload *ov, Parsed *ps) {
    for (int i = 0; i < ov->n; i++) {
        if (ov->params[i].type != AT_TENSOR || !ps->a[i].t) continue;
        Tensor *t = rl_autocast_tensor(ps->a[i].t, ov->autocast);
        if (!t) return -1;
        ps->owned[ps->n_owned++] = (PyObject *)t;
        ps->a[i].t = t;
    }
    return 0;
}

PyObject *rl_op_call(const OpDef *def, bool method, PyObject *func, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames) {
    Py_ssize_t total = nargs + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    for (Py_ssize_t i = 0; i < total; i++) {
        PyObject *o = args[i];
        if (RL_LIKELY(RL_IS_TENSOR_EXACT(o))) continue;
        if (PyTuple_CheckExact(o) || PyList_CheckExact(o)) {
            for (Py_ssize_t k = 0; k < PySequence_Fast_GET_SIZE(o); k++) {
                PyObject *e = PySequence_Fast_GET_ITEM(o, k);
                if (!PyLong_CheckExact(e) && rl_has_torch_function(e)) return rl_call_torch_function(func, args, nargs, kwnames);
            }
        } else if (RL_UNLIKELY((Py_TYPE(o)->tp_flags & Py_TPFLAGS_HEAPTYPE) && rl_has_torch_function(o))) {
            return rl_call_torch_function(func, args, nargs, kwnames);
        }
    }
    Parsed ps;
    for (int k = 0; k < def->n_overloads; k++) {
        const Overload *ov = &def->overloads[k];
        bool only = def->n_overloads == 1;
        if (RL_UNLIKELY(nargs > ov->n_pos && ov->numbers_first)) {
            PyObject *result = call_in_new_order(def, ov, method, func, args, nargs, kwnames);
            if (result || PyErr_Occurred()) return result;
        }
        int r = match(ov, &ps, args, nargs, kwnames, method, only ? def->name : NULL);
        if (RL_LIKELY(r > 0)) {
            PyObject *result = NULL;
            if (RL_LIKELY(!ov->autocast || rl_autocast == RL_NODTYPE) || autocast(ov, &ps) == 0)
                result = RL_UNLIKELY(ps.out != NULL) ? call_with_out(def->name, ov, ps.a, ps.out) : ov->call(ps.a);
            release(&ps);
            return result;
        }
        release(&ps);
        if (r < 0 || only) return NULL;
    }
    return no_overload(def, method, args, nargs, kwnames);
}

/* ---------------------------------------------------------------- callables */

static PyObject *call_function(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    return rl_op_call(((OpObject *)self)->def, false, self, args, PyVectorcall_NARGS(nargsf), kwnames);
}

static PyObject *call_method(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    const OpDef *def = ((OpObject *)self)->def;
    Py_ssize_t n = PyVectorcall_NARGS(nargsf);
    if (RL_UNLIKELY(n == 0 || !RL_IS_TENSOR(args[0]))) {
        if (n && rl_has_torch_function(args[0])) return rl_call_torch_function(self, args, n, kwnames);
        PyErr_Format(PyExc_TypeError, "descriptor '%s' for 'torch._C.TensorBase' objects doesn't apply to a '%s' object", def->name,
                     n ? rl_type_name(args[0]) : "nothing");
        return NULL;
    }
    return rl_op_call(def, true, self, args, n, kwnames);
}

PyObject *rl_op_object(const OpDef *def, bool method) {
    OpObject *o = PyObject_New(OpObject, method ? &RLMethod_Type : &RLFunction_Type);
    if (!o) return NULL;
    o->def = def;
    o->vectorcall = method ? call_method : call_function;
    return (PyObject *)o;
}

static PyObject *op_repr(PyObject *self) {
    bool m = Py_TYPE(self) == &RLMethod_Type;
    return m ? PyUnicode_FromFormat("<method '%s' of 'torch._C.TensorBase' objects>", ((OpObject *)self)->def->name)
             : PyUnicode_FromFormat("<built-in method %s of type object at %p>", ((OpObject *)self)->def->name, ((OpObject *)self)->def);
}

static PyObject *op_name(PyObject *self, void *c) { (void)c; return PyUnicode_FromString(((OpObject *)self)->def->name); }
static PyObject *op_signatures(PyObject *self, void *c) {
    (void)c;
    const OpDef *d = ((OpObject *)self)->def;
    PyObject *list = PyTuple_New(d->n_overloads);
    for (int i = 0; list && i < d->n_overloads; i++) {
        PyObject *s = PyUnicode_FromFormat("%s%s", d->name, d->overloads[i].text);
        if (!s) { Py_DECREF(list); return NULL; }
        PyTuple_SET_ITEM(list, i, s);
    }
    return list;
}
/* The overloads, a line each, then what the record says: help() has no other way to the arguments. */
static PyObject *op_doc(PyObject *self, void *c) {
    const char *doc = ((OpObject *)self)->def->doc;
    PyObject *calls = op_signatures(self, c), *newline = calls ? PyUnicode_FromString("\n") : NULL;
    PyObject *text = newline ? PyUnicode_Join(newline, calls) : NULL;
    if (text && doc) Py_SETREF(text, PyUnicode_FromFormat("%U\n\n%s", text, doc));
    Py_XDECREF(calls);
    Py_XDECREF(newline);
    return text;
}
static PyObject *op_module(PyObject *self, void *c) { (void)self; (void)c; return PyUnicode_FromString("rushlight"); }
static PyObject *op_reduce(PyObject *self, PyObject *unused) {
    (void)unused;
    const char *name = ((OpObject *)self)->def->name;
    if (Py_TYPE(self) == &RLFunction_Type) return PyUnicode_FromFormat("_C.%s", name);
    return Py_BuildValue("N(Os)", PyObject_GetAttrString(PyImport_AddModule("builtins"), "getattr"), &RLTensor_Type, name);
}
static PyObject *method_get(PyObject *self, PyObject *obj, PyObject *type) {
    (void)type;
    if (!obj || obj == Py_None) return Py_NewRef(self);
    return PyMethod_New(self, obj);
}

static PyGetSetDef op_getset[] = {
    {"__name__", op_name, NULL, NULL, NULL},   {"__qualname__", op_name, NULL, NULL, NULL},
    {"__doc__", op_doc, NULL, NULL, NULL},     {"__module__", op_module, NULL, NULL, NULL},
    {"__signatures__", op_signatures, NULL, "The overloads, as text.", NULL}, {0}};
static PyMethodDef op_methods[] = {{"__reduce__", op_reduce, METH_NOARGS, NULL}, {0}};

PyTypeObject RLFunction_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight._C.Function",
    .tp_basicsize = sizeof(OpObject),
    .tp_vectorcall_offset = offsetof(OpObject, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_repr = op_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .tp_getset = op_getset,
    .tp_methods = op_methods,
    .tp_doc = "An operation of the table, called as a function.",
};

PyTypeObject RLMethod_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight._C.Method",
    .tp_basicsize = sizeof(OpObject),
    .tp_vectorcall_offset = offsetof(OpObject, vectorcall),
    .tp_call = PyVectorcall_Call,
    .tp_repr = op_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR,
    .tp_descr_get = method_get,
    .tp_getset = op_getset,
    .tp_methods = op_methods,
    .tp_doc = "An operation of the table, called as a method of a tensor.",
};
