/* index.c -- subscripts: what stands between the brackets of x[...] and x[...] = v.
 *
 * Whole numbers, slices, None and Ellipsis are applied at once, each a view of the one before; tensors,
 * masks and sequences are collected along the dimensions they fall on and handed to index or index_put.
 */
#include "gather.h"
#include "pytensor.h"
#include "rl_ops.h"
#include "runtime.h"

#define T(o) ((Tensor *)(o))

static PyObject *overridden(const char *name, PyObject *const *args, Py_ssize_t n) {
    PyObject *f = PyObject_GetAttrString((PyObject *)&RLTensor_Type, name);
    if (!f) return NULL;
    PyObject *r = rl_call_torch_function(f, args, n, NULL);
    Py_DECREF(f);
    return r;
}

static bool index_overrides(PyObject *index) {
    if (!PyTuple_CheckExact(index)) return rl_has_torch_function(index);
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(index); i++) if (rl_has_torch_function(PyTuple_GET_ITEM(index, i))) return true;
    return false;
}

/* ---------------------------------------------------------------- single entries */

typedef struct {
    Tensor *view;              /* owned: the input, seen through the basic entries so far */
    int dim;                   /* of view, that the next entry falls on */
    Tensor *found[RL_MAXDIM];  /* owned: index tensors by dimension of view */
    int n_found;
} State;

static void state_clear(State *s) {
    Py_CLEAR(s->view);
    for (int i = 0; i < s->n_found; i++) Py_CLEAR(s->found[i]);
}

static int become(State *s, Tensor *next) {
    if (!next) return -1;
    Py_SETREF(s->view, next);
    return 0;
}

static void no_dims_error(void) {
    PyErr_SetString(PyExc_IndexError, "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to "
                    "convert a 0-dim tensor to a number");
}

/* `position`: the index's own among the entries, which is what the message names. */
static Tensor *pick(Tensor *t, int dim, int64_t i, int position) {
    if (RL_UNLIKELY(t->ndim == 0)) { no_dims_error(); return NULL; }
    if (RL_UNLIKELY(i < -t->size[dim] || i >= t->size[dim])) {
        PyErr_Format(PyExc_IndexError, "index %lld is out of bounds for dimension %d with size %lld", (long long)i, position,
                     (long long)t->size[dim]);
        return NULL;
    }
    return rl_select(t, dim, i);
}

static int whole_number(PyObject *o, int64_t *out) {
    int overflow;
    *out = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (RL_LIKELY(!overflow)) return *out == -1 && PyErr_Occurred() ? -1 : 0;
    PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long");
    return -1;
}

static int read_slice(PyObject *o, int64_t *start, int64_t *stop, int64_t *step) {
    Py_ssize_t a, b, c;
    if (PySlice_Unpack(o, &a, &b, &c) < 0) return -1;
    if (c <= 0) { PyErr_SetString(PyExc_ValueError, "step must be greater than zero"); return -1; }
    *start = a;
    *stop = b;
    *step = c;
    return 0;
}

static int store(State *s, Tensor *index, int takes) {
    if (!index) return -1;
    if (s->dim >= RL_MAXDIM) { Py_DECREF(index); PyErr_SetString(PyExc_IndexError, "too many indices"); return -1; }
    while (s->n_found <= s->dim) s->found[s->n_found++] = NULL;
    s->found[s->dim] = index;
    s->dim += takes;
    return 0;
}

/* True takes a new dimension of one whole, False one of nothing. */
static int store_bool(State *s, bool value) {
    if (become(s, rl_unsqueeze(s->view, s->dim)) < 0) return -1;
    int64_t n = value;
    return store(s, rl_full_scalar(1, &n, (Scalar){'i', {.i = 0}, 0}, RL_I64, RL_CPU), 1);
}

static inline bool is_mask(const Tensor *t) { return t->dtype == RL_BOOL || t->dtype == RL_U8; }

static int store_tensor(State *s, Tensor *t, int position) {
    if (t->ndim == 0 && RL_IS_INTEGRAL(t->dtype)) {
        Scalar v = rl_item(t);
        if (PyErr_Occurred()) return -1;
        return is_mask(t) ? store_bool(s, v.u.i != 0) : become(s, pick(s->view, s->dim, v.u.i, position));
    }
    return store(s, (Tensor *)Py_NewRef((PyObject *)t), is_mask(t) ? t->ndim : 1);
}

static Tensor *sequence_tensor(PyObject *o) {
    if (PyUnicode_Check(o)) { PyErr_SetString(PyExc_TypeError, "new(): invalid data type 'str'"); return NULL; }
    Tensor *t = rl_tensor_from_py(o, RL_NODTYPE, true);
    if (t && !is_mask(t)) Py_SETREF(t, rl_to_dtype_raw(t, RL_I64));
    return t;
}

static int wrong_type(PyObject *o) {
    PyErr_Format(PyExc_IndexError, "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
                 "(got %s)", rl_type_name(o));
    return -1;
}

/* ---------------------------------------------------------------- several entries */

/* How many of the input's dimensions the entries name. */
static int named_dims(PyObject *const *items, Py_ssize_t n) {
    int count = 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *o = items[i];
        if (o == Py_None || o == Py_Ellipsis || o == Py_True || o == Py_False) continue;
        count += RL_IS_TENSOR(o) && is_mask(T(o)) ? T(o)->ndim : 1;
    }
    return count;
}

static int apply_one(State *s, PyObject *o, int position, int named, int ndim) {
    int64_t i;
    if (PyLong_Check(o) && !PyBool_Check(o)) {
        if (whole_number(o, &i) < 0) return -1;
        return become(s, pick(s->view, s->dim, i, position));
    }
    if (PySlice_Check(o)) {
        int64_t start, stop, step;
        if (read_slice(o, &start, &stop, &step) < 0) return -1;
        if (s->dim < s->view->ndim && start == 0 && step == 1 && stop >= s->view->size[s->dim]) { s->dim++; return 0; }
        return become(s, rl_slice(s->view, s->dim++, start, stop, step));
    }
    if (o == Py_None) return become(s, rl_unsqueeze(s->view, s->dim++));
    if (o == Py_Ellipsis) { s->dim += ndim - named; return 0; }
    if (PyBool_Check(o)) return store_bool(s, o == Py_True);
    if (RL_IS_TENSOR(o)) return store_tensor(s, T(o), position);
    if (PySequence_Check(o)) {
        Tensor *t = sequence_tensor(o);
        return t ? store(s, t, is_mask(t) && t->ndim ? t->ndim : 1) : -1;
    }
    PyObject *number = PyNumber_Index(o);
    if (!number) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear();
        return wrong_type(o);
    }
    int rc = whole_number(number, &i);
    Py_DECREF(number);
    return rc < 0 ? -1 : become(s, pick(s->view, s->dim, i, position));
}

/* On an error the state is empty. */
static int apply(State *s, Tensor *t, PyObject *const *items, Py_ssize_t n) {
    s->view = (Tensor *)Py_NewRef((PyObject *)t);
    s->dim = s->n_found = 0;
    int named = named_dims(items, n);
    if (named > t->ndim) {
        if (t->ndim == 0 && n == 1) no_dims_error();
        else PyErr_Format(PyExc_IndexError, "too many indices for tensor of dimension %d", t->ndim);
        state_clear(s);
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) if (apply_one(s, items[i], (int)i, named, t->ndim) < 0) { state_clear(s); return -1; }
    return 0;
}

/* The list that index expects: a mask stands once for all the dimensions it covers. */
static Tensors index_list(State *s, Tensor **buffer) {
    int n = 0;
    for (int d = 0; d < s->n_found; n++) {
        Tensor *t = buffer[n] = s->found[d];
        d += t && is_mask(t) ? t->ndim : 1;
    }
    return (Tensors){buffer, n};
}

/* A short list that holds slices or sequences was once taken for a tuple, and still is. */
static int is_old_tuple(PyObject *o) {
    if (!PySequence_Check(o) || RL_IS_TENSOR(o) || PyUnicode_Check(o) || PyObject_CheckBuffer(o)) return 0;
    Py_ssize_t n = PySequence_Size(o);
    if (n < 0) { PyErr_Clear(); return 0; }
    if (n >= 32) return 0;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *e = PySequence_GetItem(o, i);
        if (!e) { PyErr_Clear(); return 0; }
        bool yes = RL_IS_TENSOR(e) || PySequence_Check(e) || PySlice_Check(e) || e == Py_Ellipsis || e == Py_None;
        Py_DECREF(e);
        if (!yes) continue;
        return PyErr_WarnEx(PyExc_UserWarning,
                            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch 2.9; "
                            "use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
                            "x[torch.tensor(seq)], which will result either in an error or a different result", 1) < 0 ? -1 : 1;
    }
    return 0;
}

/* The entries of an index as a tuple (new reference), or NULL: with an error, or when it is one entry. */
static PyObject *as_tuple(PyObject *index) {
    if (PyTuple_Check(index)) return Py_NewRef(index);
    int old = is_old_tuple(index);
    return old > 0 ? PySequence_Tuple(index) : NULL;
}

static int apply_index(State *s, Tensor *t, PyObject *index) {
    PyObject *entries = as_tuple(index);
    if (!entries && PyErr_Occurred()) return -1;
    int rc = entries ? apply(s, t, &PyTuple_GET_ITEM(entries, 0), PyTuple_GET_SIZE(entries)) : apply(s, t, &index, 1);
    Py_XDECREF(entries);
    return rc;
}

/* ---------------------------------------------------------------- reading */

PyObject *rl_getitem(PyObject *self, PyObject *index) {
    if (RL_UNLIKELY(rl_has_torch_function(self) || index_overrides(index)))
        return overridden("__getitem__", (PyObject *[]){self, index}, 2);
    Tensor *t = T(self);
    if (PyLong_CheckExact(index)) {
        int64_t i;
        return whole_number(index, &i) < 0 ? NULL : (PyObject *)pick(t, 0, i, 0);
    }
    if (PySlice_Check(index)) {
        int64_t start, stop, step;
        if (t->ndim == 0) { PyErr_SetString(PyExc_IndexError, "slice() cannot be applied to a 0-dim tensor."); return NULL; }
        if (read_slice(index, &start, &stop, &step) < 0) return NULL;
        return (PyObject *)rl_slice(t, 0, start, stop, step);
    }
    State s;
    if (apply_index(&s, t, index) < 0) return NULL;
    PyObject *out;
    if (s.n_found) {
        Tensor *list[RL_MAXDIM];
        out = (PyObject *)rl_index(s.view, index_list(&s, list));
    } else {
        out = s.view == t ? (PyObject *)rl_alias_op(t) : Py_NewRef((PyObject *)s.view);
    }
    state_clear(&s);
    return out;
}

/* ---------------------------------------------------------------- writing */

/* The value as a tensor; Python numbers in t's dtype. */
static Tensor *value_tensor(Tensor *t, PyObject *value) {
    if (RL_IS_TENSOR(value)) return (Tensor *)Py_NewRef(value);
    Scalar v;
    int r = rl_scalar_from_py(value, &v);
    if (r < 0) return NULL;
    if (r == 0) {
        PyErr_Format(PyExc_TypeError, "can't assign a %s to a torch.%sTensor", rl_type_name(value), rl_dtypes[t->dtype].legacy);
        return NULL;
    }
    if (v.kind == 'c' && !RL_IS_COMPLEX(t->dtype)) {
        if (v.im != 0) {
            PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow",
                         rl_c_name((RLDType)t->dtype));
            return NULL;
        }
        v.kind = 'd';
    }
    return rl_full_scalar(0, NULL, v, (RLDType)t->dtype, RL_CPU);
}

/* Leading dimensions of size one do not count when a value is assigned. */
static Tensor *without_leading_ones(Tensor *v) {
    int k = 0;
    while (k < v->ndim && v->size[k] == 1) k++;
    return rl_view(v, (Ints){v->size + k, v->ndim - k});
}

static int assign(Tensor *place, Tensor *value) {
    Tensor *v = NULL, *done = NULL;
    if (rl_same_shape(place, value)) {
        done = rl_copy_(place, value, false);
    } else if (value->ndim == 0) {
        done = rl_fill_(place, value);
    } else if ((v = without_leading_ones(value))) {
        if (!rl_same_shape(place, v)) Py_SETREF(v, rl_expand(v, (Ints){place->size, place->ndim}, true));
        if (v) done = rl_copy_(place, v, false);
    }
    Py_XDECREF(v);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

static int assign_found(State *s, Tensor *value) {
    Tensor *list[RL_MAXDIM];
    Tensor *v = value->ndim && value->size[0] == 1 ? without_leading_ones(value) : (Tensor *)Py_NewRef((PyObject *)value);
    Tensor *done = v ? rl_index_put_(s->view, index_list(s, list), v, false) : NULL;
    Py_XDECREF(v);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

int rl_setitem(PyObject *self, PyObject *index, PyObject *value) {
    if (!value) { PyErr_SetString(PyExc_TypeError, "Tensor does not support deleting items"); return -1; }
    if (RL_UNLIKELY(rl_has_torch_function(self) || index_overrides(index) || rl_has_torch_function(value))) {
        PyObject *r = overridden("__setitem__", (PyObject *[]){self, index, value}, 3);
        Py_XDECREF(r);
        return r ? 0 : -1;
    }
    Tensor *t = T(self), *v = value_tensor(t, value);
    if (!v) return -1;
    State s;
    int rc = -1;
    if (index == Py_False) {
        rc = 0;
    } else if (index == Py_True) {
        Tensor *row = rl_unsqueeze(t, 0);
        if (row) rc = assign(row, v);
        Py_XDECREF(row);
    } else if (apply_index(&s, t, index) == 0) {
        rc = s.n_found ? assign_found(&s, v) : assign(s.view, v);
        state_clear(&s);
    }
    Py_DECREF(v);
    return rc;
}

/* ---------------------------------------------------------------- membership, iteration */

int rl_contains(PyObject *self, PyObject *value) {
    if (RL_UNLIKELY(rl_has_torch_function(self) || rl_has_torch_function(value))) {
        PyObject *r = overridden("__contains__", (PyObject *[]){self, value}, 2);
        int yes = r ? PyObject_IsTrue(r) : -1;
        Py_XDECREF(r);
        return yes;
    }
    Scalar v;
    int number = RL_IS_TENSOR(value) ? 0 : rl_scalar_from_py(value, &v);
    if (number < 0) return -1;
    if (!number && !RL_IS_TENSOR(value)) {
        PyErr_Format(PyExc_RuntimeError, "Tensor.__contains__ only supports Tensor or scalar, but you passed in a %R.", Py_TYPE(value));
        return -1;
    }
    Tensor *other = number ? rl_wrap_scalar(v) : (Tensor *)Py_NewRef(value);
    Tensor *same = other ? rl_eq(T(self), other) : NULL;
    int yes = same ? memchr(same->data, 1, (size_t)same->numel) != NULL : -1; /* fresh, hence without gaps */
    Py_XDECREF(other);
    Py_XDECREF(same);
    return yes;
}

PyObject *rl_iter(PyObject *self) {
    if (RL_UNLIKELY(rl_has_torch_function(self))) return overridden("__iter__", &self, 1);
    if (T(self)->ndim == 0) { PyErr_SetString(PyExc_TypeError, "iteration over a 0-d tensor"); return NULL; }
    PyObject *rows = rl_unbind(T(self), 0), *it = rows ? PyObject_GetIter(rows) : NULL;
    Py_XDECREF(rows);
    return it;
}
