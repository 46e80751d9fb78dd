/* profile.c -- the profiler's recorder.
 *
 * Nothing here runs, and no operation asks, while nobody records: starting a recording exchanges the
 * entries by which Python reaches operations (the vectorcall of every operation object, the tensor
 * types' slots for operators and indexing, the C functions of a few methods), and stopping it puts
 * them back.  The interpreter reads each of these at every call, so that code which holds an
 * operation from before is seen too.  What C calls inside C is part of the operation that called it;
 * the engine reports nodes itself.
 *
 * Spans of a thread nest, and each knows its parent, so self times need no search afterwards.
 * Recordings may overlap (a program that profiles a part of itself may be profiled as a whole): all
 * write to one list, of which each gets what was begun since its start, with all that any asked for.
 * Relies on the GIL for that list, which may grow whenever an object is made (a collection of garbage
 * may run operations): pointers into it do not outlive that.
 */
#include "profile.h"
#include "parse.h"
#include "pyautograd.h"
#include <stdlib.h>
#include <time.h>

enum { WITH_SHAPES = 1, WITH_STACK = 2, WITH_MODULES = 4 }; /* autograd/profiler.py has the same */
enum Kind { OPERATION, EVALUATE, NODE, LABEL, MODULE, MEMORY };

typedef struct {
    const char *name;          /* of operations and nodes; lives as long as the process */
    PyObject *label;           /* instead of name: a str, or the module that was called */
    PyObject *shapes, *result_shapes, *stack;
    int64_t start, end;        /* ns; end 0: still open */
    int64_t bytes;             /* allocated less freed */
    uint64_t sequence, thread;
    int32_t parent;
    uint8_t kind;
} Span;

static struct {
    Span *spans;
    int32_t n, cap;
    int flags;
    int active;                /* recordings that go on */
    uint32_t number;           /* of the list: a span begun in an earlier one must not touch this one */
    int64_t outside;           /* bytes allocated when the last outermost span ended */
} rec;

static _Thread_local struct { uint32_t recording; int32_t open; uint64_t thread; } here;

int rl_node_watch;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---------------------------------------------------------------- what a span carries */

static PyObject *shape_of(PyObject *o) {
    if (RL_IS_TENSOR(o)) return rl_size_object(((Tensor *)o)->ndim, ((Tensor *)o)->size);
    if (!PyTuple_CheckExact(o) && !PyList_CheckExact(o)) return PyTuple_New(0);
    Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    bool tensors = n > 0;
    for (Py_ssize_t i = 0; i < n && tensors; i++) tensors = RL_IS_TENSOR(PySequence_Fast_GET_ITEM(o, i));
    PyObject *list = PyTuple_New(tensors ? n : 0);
    for (Py_ssize_t i = 0; list && tensors && i < n; i++) {
        PyObject *s = shape_of(PySequence_Fast_GET_ITEM(o, i));
        if (!s) { Py_CLEAR(list); break; }
        PyTuple_SET_ITEM(list, i, s);
    }
    return list;
}

static PyObject *shapes_of(PyObject *const *args, Py_ssize_t n) {
    PyObject *all = PyTuple_New(n);
    for (Py_ssize_t i = 0; all && i < n; i++) {
        PyObject *s = args[i] ? shape_of(args[i]) : PyTuple_New(0);
        if (!s) { Py_CLEAR(all); break; }
        PyTuple_SET_ITEM(all, i, s);
    }
    return all;
}

/* (code, line) of each Python frame, innermost first. */
static PyObject *frames(void) {
    PyObject *list = PyList_New(0);
    PyFrameObject *f = PyThreadState_GetFrame(PyThreadState_Get());
    while (list && f) {
        PyCodeObject *code = PyFrame_GetCode(f);
        PyObject *entry = Py_BuildValue("(Ni)", code, PyFrame_GetLineNumber(f));
        if (!entry || PyList_Append(list, entry) < 0) Py_CLEAR(list);
        Py_XDECREF(entry);
        PyFrameObject *back = PyFrame_GetBack(f);
        Py_DECREF(f);
        f = back;
    }
    Py_XDECREF(f);
    return list;
}

/* ---------------------------------------------------------------- spans */

static Span *append(enum Kind kind) {
    if (rec.n == rec.cap) {
        int32_t cap = rec.cap ? 2 * rec.cap : 4096;
        Span *more = rec.cap > INT32_MAX / 2 ? NULL : realloc(rec.spans, (size_t)cap * sizeof *more);
        if (!more) return NULL;  /* what comes now goes unrecorded; the program itself goes on */
        rec.spans = more;
        rec.cap = cap;
    }
    if (here.recording != rec.number) {
        here.recording = rec.number;
        here.open = -1;
        here.thread = PyThread_get_thread_native_id();
    }
    Span *s = &rec.spans[rec.n++];
    memset(s, 0, sizeof *s);
    s->kind = (uint8_t)kind;
    s->parent = here.open;
    s->thread = here.thread;
    return s;
}

static RLSpan begin(enum Kind kind, const char *name, PyObject *label, PyObject *const *args, Py_ssize_t n_args) {
    RLSpan none = {-1, 0};
    if (!rec.active) return none;
    PyObject *error_type, *error, *trace, *shapes = NULL, *stack = NULL;
    PyErr_Fetch(&error_type, &error, &trace);
    if (args && rec.flags & WITH_SHAPES) shapes = shapes_of(args, n_args);
    if (kind == OPERATION && rec.flags & WITH_STACK) stack = frames();
    PyErr_Restore(error_type, error, trace);

    const int64_t bytes = (int64_t)rl_memory_allocated();
    bool outermost = here.recording != rec.number || here.open < 0;
    Span *between = outermost && bytes != rec.outside ? append(MEMORY) : NULL;
    if (between) {
        between->bytes = bytes - rec.outside;
        between->start = between->end = now();
    }
    Span *s = append(kind);
    if (!s) {
        Py_XDECREF(shapes);
        Py_XDECREF(stack);
        return none;
    }
    s->name = name;
    s->label = Py_XNewRef(label);
    s->shapes = shapes;
    s->stack = stack;
    s->bytes = -bytes;
    here.open = (int32_t)(s - rec.spans);
    RLSpan span = {here.open, rec.number};
    s->start = now();          /* last: what recording costs belongs to the parent */
    return span;
}

void rl_span_end(RLSpan span, PyObject *result) {
    if (span.index < 0 || span.recording != rec.number || !rec.active) return;
    Span *s = &rec.spans[span.index];
    s->end = now();
    const int64_t bytes = (int64_t)rl_memory_allocated();
    s->bytes += bytes;
    if (s->parent < 0) rec.outside = bytes;
    if (result && RL_IS_TENSOR(result) && ((Tensor *)result)->grad_fn) s->sequence = ((Tensor *)result)->grad_fn->seq;
    /* Labels may be closed out of order: a generator that is abandoned closes its own late. */
    int32_t open = here.recording == rec.number ? here.open : -1;
    while (open >= 0 && open != span.index) open = rec.spans[open].parent;
    if (open >= 0) here.open = s->parent;
    if (result && s->kind == OPERATION && rec.flags & WITH_SHAPES) {
        PyObject *shapes = shapes_of(&result, 1);
        if (!shapes) PyErr_Clear();
        rec.spans[span.index].result_shapes = shapes;
    }
}

RLSpan rl_span_module(PyObject *module) { return begin(MODULE, NULL, module, NULL, 0); }

static RLSpan begin_node(Node *node, enum Kind kind) {
    PyObject *label = node->is_python ? PyUnicode_FromString(Py_TYPE(node)->tp_name) : NULL;
    if (node->is_python && !label) PyErr_Clear();
    RLSpan span = begin(kind, node->def->name, label, NULL, 0);
    Py_XDECREF(label);
    if (span.index >= 0) rec.spans[span.index].sequence = node->seq;
    return span;
}

RLSpan rl_span_node(Node *node) { return begin_node(node, NODE); }

void rl_span_evaluate(Node *node, RLSpan spans[2]) {
    rl_span_end(spans[1], NULL);
    rl_span_end(spans[0], NULL);
    spans[0] = spans[1] = (RLSpan){-1, 0};
    if (!node) return;
    spans[0] = begin_node(node, EVALUATE);
    if (node->def == &rl_accumulate_def) spans[1] = rl_span_node(node);
}

void rl_span_gradients(RLSpan span, Tensor *const *in, int n_in, Tensor *const *out, int n_out) {
    if (span.index < 0 || !(rec.flags & WITH_SHAPES) || span.recording != rec.number || !rec.active) return;
    PyObject *before = shapes_of((PyObject *const *)in, n_in), *after = shapes_of((PyObject *const *)out, n_out);
    if (!before || !after) PyErr_Clear();
    rec.spans[span.index].shapes = before;
    rec.spans[span.index].result_shapes = after;
}

/* ---------------------------------------------------------------- entries of operations */

static vectorcallfunc plain_function, plain_method;

static const char *aten_name(const OpDef *def) {
    static const char *const others[][2] = {
        {"cross_entropy", "cross_entropy_loss"}, {"nll_loss", "nll_loss_nd"}, {"logsigmoid", "log_sigmoid"}, {"unique", "_unique2"},
        {"float", "to"}, {"double", "to"}, {"half", "to"}, {"bfloat16", "to"}, {"long", "to"}, {"int", "to"}, {"short", "to"},
        {"char", "to"}, {"byte", "to"}, {"bool", "to"}, {"cfloat", "to"}, {"cdouble", "to"}, {"type", "to"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(others[i][0], def->name) == 0) return others[i][1];
    return def->name;
}

static PyObject *call_op(vectorcallfunc plain, PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    Py_ssize_t n = PyVectorcall_NARGS(nargsf) + (kwnames ? PyTuple_GET_SIZE(kwnames) : 0);
    RLSpan span = begin(OPERATION, aten_name(((OpObject *)self)->def), NULL, args, n);
    PyObject *result = plain(self, args, nargsf, kwnames);
    rl_span_end(span, result);
    return result;
}
static PyObject *function_entry(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    return call_op(plain_function, self, args, nargsf, kwnames);
}
static PyObject *method_entry(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    return call_op(plain_method, self, args, nargsf, kwnames);
}

static void exchange_operations(PyObject *module, bool on) {
    for (int i = 0; i < rl_op_count; i++) {
        const OpDef *def = &rl_op_table[i];
        PyObject *o = PyDict_GetItemString(def->method ? RLTensor_Type.tp_dict : PyModule_GetDict(module), def->name);
        if (!o || (Py_TYPE(o) != &RLMethod_Type && Py_TYPE(o) != &RLFunction_Type)) continue;
        bool method = Py_TYPE(o) == &RLMethod_Type;
        vectorcallfunc *plain = method ? &plain_method : &plain_function, *entry = &((OpObject *)o)->vectorcall;
        if (!*plain) *plain = *entry;
        *entry = !on ? *plain : method ? method_entry : function_entry;
    }
}

/* ---------------------------------------------------------------- slots of the tensor types */

static PyNumberMethods plain_number;
static PyMappingMethods plain_mapping;
static richcmpfunc plain_compare;

static PyObject *binary(const char *name, binaryfunc plain, PyObject *a, PyObject *b) {
    PyObject *args[2] = {a, b};
    RLSpan span = begin(OPERATION, name, NULL, args, 2);
    PyObject *result = plain(a, b);
    rl_span_end(span, result);
    return result;
}
static PyObject *unary(const char *name, unaryfunc plain, PyObject *a) {
    RLSpan span = begin(OPERATION, name, NULL, &a, 1);
    PyObject *result = plain(a);
    rl_span_end(span, result);
    return result;
}
static PyObject *power(const char *name, ternaryfunc plain, PyObject *a, PyObject *b, PyObject *m) {
    PyObject *args[2] = {a, b};
    RLSpan span = begin(OPERATION, name, NULL, args, 2);
    PyObject *result = plain(a, b, m);
    rl_span_end(span, result);
    return result;
}

#define BINARY_SLOTS(X) \
    X(nb_add, "add") X(nb_subtract, RL_IS_TENSOR(a) ? "sub" : "rsub") X(nb_multiply, "mul") X(nb_true_divide, "div") \
    X(nb_floor_divide, "floor_divide") X(nb_remainder, "remainder") X(nb_matrix_multiply, "matmul") X(nb_and, "bitwise_and") \
    X(nb_or, "bitwise_or") X(nb_xor, "bitwise_xor") X(nb_lshift, "bitwise_left_shift") X(nb_rshift, "bitwise_right_shift") \
    X(nb_inplace_add, "add_") X(nb_inplace_subtract, "sub_") X(nb_inplace_multiply, "mul_") X(nb_inplace_true_divide, "div_") \
    X(nb_inplace_floor_divide, "floor_divide_") X(nb_inplace_remainder, "remainder_") X(nb_inplace_and, "bitwise_and_") \
    X(nb_inplace_or, "bitwise_or_") X(nb_inplace_xor, "bitwise_xor_") X(nb_inplace_lshift, "bitwise_left_shift_") \
    X(nb_inplace_rshift, "bitwise_right_shift_")
#define UNARY_SLOTS(X) X(nb_negative, "neg") X(nb_absolute, "abs") X(nb_invert, "bitwise_not")
#define POWER_SLOTS(X) X(nb_power, "pow") X(nb_inplace_power, "pow_")

#define X(SLOT, NAME) static PyObject *SLOT(PyObject *a, PyObject *b) { return binary(NAME, plain_number.SLOT, a, b); }
BINARY_SLOTS(X)
#undef X
#define X(SLOT, NAME) static PyObject *SLOT(PyObject *a) { return unary(NAME, plain_number.SLOT, a); }
UNARY_SLOTS(X)
#undef X
#define X(SLOT, NAME) static PyObject *SLOT(PyObject *a, PyObject *b, PyObject *m) { return power(NAME, plain_number.SLOT, a, b, m); }
POWER_SLOTS(X)
#undef X

static PyObject *compare(PyObject *a, PyObject *b, int op) {
    static const char *const names[] = {"lt", "le", "eq", "ne", "gt", "ge"};
    PyObject *args[2] = {a, b};
    RLSpan span = begin(OPERATION, names[op], NULL, args, 2);
    PyObject *result = plain_compare(a, b, op);
    rl_span_end(span, result);
    return result;
}

/* Whether an index gathers elements, by tensors or lists of numbers, rather than describing a view. */
static bool gathers(PyObject *index) {
    if (RL_IS_TENSOR(index)) return ((Tensor *)index)->ndim > 0 || ((Tensor *)index)->dtype == RL_BOOL;
    if (PyList_Check(index)) return true;
    for (Py_ssize_t i = 0; PyTuple_Check(index) && i < PyTuple_GET_SIZE(index); i++)
        if (gathers(PyTuple_GET_ITEM(index, i))) return true;
    return false;
}

static bool has_number(PyObject *index) {
    for (Py_ssize_t i = 0; PyTuple_Check(index) && i < PyTuple_GET_SIZE(index); i++)
        if (has_number(PyTuple_GET_ITEM(index, i))) return true;
    return PyIndex_Check(index);
}

static PyObject *subscript(PyObject *self, PyObject *index) {
    const char *name = gathers(index) ? "index" : has_number(index) ? "select" : index == Py_None ? "unsqueeze" : "slice";
    PyObject *args[2] = {self, index};
    RLSpan span = begin(OPERATION, name, NULL, args, 2);
    PyObject *result = plain_mapping.mp_subscript(self, index);
    rl_span_end(span, result);
    return result;
}

static int assign_subscript(PyObject *self, PyObject *index, PyObject *value) {
    const char *name = gathers(index) ? "index_put_" : value && RL_IS_TENSOR(value) ? "copy_" : "fill_";
    PyObject *args[3] = {self, index, value};
    RLSpan span = begin(OPERATION, name, NULL, args, 3);
    int bad = plain_mapping.mp_ass_subscript(self, index, value);
    rl_span_end(span, NULL);
    return bad;
}

typedef void (*AnyFunction)(void);
typedef struct { size_t at; AnyFunction plain, entry; } Slot; /* at: offset in its table */

#define NUMBER(SLOT, NAME) {offsetof(PyNumberMethods, SLOT), (AnyFunction)plain_number.SLOT, (AnyFunction)SLOT},

static void exchange_table(void *table, const Slot *slots, size_t n, bool on) {
    for (size_t i = 0; table && i < n; i++) {
        AnyFunction *f = (AnyFunction *)((char *)table + slots[i].at);
        if (*f == (on ? slots[i].plain : slots[i].entry)) *f = on ? slots[i].entry : slots[i].plain;
    }
}

/* A class that does not override an operator has the pointer of its base: each class that still has it gets ours. */
static int exchange_slots(PyTypeObject *type, bool on) {
    const Slot number[] = {BINARY_SLOTS(NUMBER) UNARY_SLOTS(NUMBER) POWER_SLOTS(NUMBER)};
    const Slot mapping[] = {
        {offsetof(PyMappingMethods, mp_subscript), (AnyFunction)plain_mapping.mp_subscript, (AnyFunction)subscript},
        {offsetof(PyMappingMethods, mp_ass_subscript), (AnyFunction)plain_mapping.mp_ass_subscript, (AnyFunction)assign_subscript}};
    const Slot own[] = {{offsetof(PyTypeObject, tp_richcompare), (AnyFunction)plain_compare, (AnyFunction)compare}};
    exchange_table(type->tp_as_number, number, sizeof number / sizeof *number, on);
    exchange_table(type->tp_as_mapping, mapping, sizeof mapping / sizeof *mapping, on);
    exchange_table(type, own, 1, on);
    PyObject *derived = PyObject_CallMethod((PyObject *)type, "__subclasses__", NULL);
    if (!derived) return -1;
    int bad = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(derived) && !bad; i++)
        bad = exchange_slots((PyTypeObject *)PyList_GET_ITEM(derived, i), on);
    Py_DECREF(derived);
    return bad;
}

/* ---------------------------------------------------------------- methods that are not operations */

static PyCFunction plain_item, plain_to;

static PyObject *item_entry(PyObject *self, PyObject *unused) {
    RLSpan span = begin(OPERATION, "item", NULL, &self, 1);
    PyObject *result = plain_item(self, unused);
    rl_span_end(span, NULL);
    return result;
}

static PyObject *to_entry(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *kwnames) {
    RLSpan span = begin(OPERATION, "to", NULL, &self, 1);
    PyObject *result = ((_PyCFunctionFastWithKeywords)(void (*)(void))plain_to)(self, args, n, kwnames);
    rl_span_end(span, result);
    return result;
}

static void exchange_method(const char *name, PyCFunction *plain, PyCFunction entry, bool on) {
    PyObject *descriptor = PyDict_GetItemString(RLTensor_Type.tp_dict, name);
    PyMethodDef *def = ((PyMethodDescrObject *)descriptor)->d_method;
    if (!*plain) *plain = def->ml_meth;
    def->ml_meth = on ? entry : *plain;
}

static int exchange(PyObject *module) {
    const bool on = rec.active > 0;
    if (!plain_compare) {
        plain_number = *RLTensor_Type.tp_as_number;
        plain_mapping = *RLTensor_Type.tp_as_mapping;
        plain_compare = RLTensor_Type.tp_richcompare;
    }
    exchange_operations(module, on);
    exchange_method("item", &plain_item, item_entry, on);
    exchange_method("to", &plain_to, (PyCFunction)(void (*)(void))to_entry, on);
    rl_node_watch = on ? rl_node_watch | RL_WATCH_SPANS : rl_node_watch & ~RL_WATCH_SPANS;
    rl_module_spans(on && rec.flags & WITH_MODULES);
    return exchange_slots(&RLTensor_Type, on);
}

/* ---------------------------------------------------------------- Python's side */

static void clear(void) {
    for (int32_t i = 0; i < rec.n; i++) {
        Py_XDECREF(rec.spans[i].label);
        Py_XDECREF(rec.spans[i].shapes);
        Py_XDECREF(rec.spans[i].result_shapes);
        Py_XDECREF(rec.spans[i].stack);
    }
    free(rec.spans);
    rec.spans = NULL;
    rec.n = rec.cap = 0;
}

/* The time and the number of the first span to come: what _profile_stop wants back. */
static PyObject *start(PyObject *module, PyObject *flags) {
    long value = PyLong_AsLong(flags);
    if (value == -1 && PyErr_Occurred()) return NULL;
    if (!rec.active++) {
        rec.number++;
        rec.flags = 0;
        rec.outside = (int64_t)rl_memory_allocated();
    }
    rec.flags |= (int)value;
    if (exchange(module) < 0) return NULL;
    return Py_BuildValue("(Li)", (long long)now(), (int)rec.n);
}

static PyObject *or_none(PyObject *o) { return o ? o : Py_None; }

/* A span still open is cut at `end`, where this recording stops; another may go on with it. */
static PyObject *row(const Span *s, int32_t first, int64_t end) {
    PyObject *name = s->label ? Py_NewRef(s->label) : PyUnicode_FromString(s->name ? s->name : "");
    const int64_t bytes = s->end ? s->bytes : s->bytes + (int64_t)rl_memory_allocated();
    return Py_BuildValue("(NiKLLiLKOOO)", name, s->kind, (unsigned long long)s->thread, (long long)s->start,
                         (long long)(s->end ? s->end : end), s->parent < first ? -1 : (int)(s->parent - first), (long long)bytes,
                         (unsigned long long)s->sequence, or_none(s->shapes), or_none(s->result_shapes), or_none(s->stack));
}

/* (name, kind, thread, start, end, parent, bytes, sequence, shapes, result shapes, frames) of each span since the first. */
static PyObject *stop(PyObject *module, PyObject *number) {
    const int64_t end = now();
    const long first = PyLong_AsLong(number);
    if (first == -1 && PyErr_Occurred()) return NULL;
    if (!rec.active || first < 0 || first > rec.n) return PyErr_Format(PyExc_RuntimeError, "no recording to stop");
    PyObject *all = PyList_New(rec.n - first);
    for (Py_ssize_t i = 0; all && i < PyList_GET_SIZE(all); i++) {
        PyObject *r = row(&rec.spans[first + i], (int32_t)first, end);
        if (!r) Py_CLEAR(all);
        else PyList_SET_ITEM(all, i, r);
    }
    if (--rec.active == 0) {
        if (exchange(module) < 0) Py_CLEAR(all);
        clear();
    }
    return all;
}

static PyObject *enter(PyObject *self, PyObject *label) {
    (void)self;
    RLSpan span = begin(LABEL, NULL, label, NULL, 0);
    return PyLong_FromLongLong(span.index < 0 ? -1 : (long long)span.recording << 32 | span.index);
}

static PyObject *leave(PyObject *self, PyObject *handle) {
    (void)self;
    long long h = PyLong_AsLongLong(handle);
    if (h == -1 && PyErr_Occurred()) return NULL;
    if (h >= 0) rl_span_end((RLSpan){(int32_t)(h & INT32_MAX), (uint32_t)(h >> 32)}, NULL);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"_profile_start", start, METH_O, "Records from now on; returns (time, number of the first span)."},
    {"_profile_stop", stop, METH_O, "Ends the recording that began with a span's number and returns its spans."},
    {"_profile_enter", enter, METH_O, "Begins a span with a label; returns a handle, -1 when nobody records."},
    {"_profile_leave", leave, METH_O, "Ends the span of a handle."},
    {0}};

int rl_profile_init(PyObject *module) { return PyModule_AddFunctions(module, functions); }
