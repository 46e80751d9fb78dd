/* generator.c -- torch.Generator, the default generator, and the module functions that speak of it. */
#include "pytensor.h"
#include "generator.h"

typedef struct { PyObject_HEAD RLRandom rng; } Generator;

static Generator *default_generator;

RLRandom *rl_rng(PyObject *o) { return o && o != Py_None ? &((Generator *)o)->rng : &default_generator->rng; }

/* ---------------------------------------------------------------- seeds */

/* 53 bits of the system's entropy: PyTorch keeps such seeds exact as doubles. */
static int entropy(uint64_t *seed) {
    /* not `os`, which a bare interpreter has not loaded */
#if defined(_WIN32)
    PyObject *os = PyImport_ImportModule("nt");
#else
    PyObject *os = PyImport_ImportModule("posix");
#endif
    PyObject *bytes = os ? PyObject_CallMethod(os, "urandom", "i", (int)sizeof *seed) : NULL;
    Py_XDECREF(os);
    if (!bytes) return -1;
    memcpy(seed, PyBytes_AS_STRING(bytes), sizeof *seed);
    *seed &= (UINT64_C(1) << 53) - 1;
    Py_DECREF(bytes);
    return 0;
}

/* -2**63 .. 2**64 - 1; negative numbers are their two's complement. */
static int seed_from_int(PyObject *o, uint64_t *seed) {
    int overflow;
    long long v = PyLong_AsLongLongAndOverflow(o, &overflow);
    *seed = (uint64_t)v;
    if (overflow > 0) {
        *seed = PyLong_AsUnsignedLongLong(o);
        overflow = PyErr_Occurred() != NULL;
    }
    if (overflow) PyErr_SetString(PyExc_ValueError, "Overflow when unpacking long long");
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *gen_manual_seed(PyObject *self, PyObject *o) {
    if (!PyIndex_Check(o) || PyBool_Check(o)) {
        PyErr_Format(PyExc_RuntimeError, "manual_seed expected a long, but got %s", rl_type_name(o));
        return NULL;
    }
    PyObject *i = PyNumber_Index(o);
    uint64_t seed;
    int bad = i ? seed_from_int(i, &seed) : -1;
    Py_XDECREF(i);
    if (bad < 0) return NULL;
    rl_random_seed(rl_rng(self), seed);
    return Py_NewRef(self);
}

static PyObject *gen_seed(PyObject *self, PyObject *unused) {
    (void)unused;
    uint64_t seed;
    if (entropy(&seed) < 0) return NULL;
    rl_random_seed(rl_rng(self), seed);
    return PyLong_FromUnsignedLongLong(seed);
}

static PyObject *gen_initial_seed(PyObject *self, PyObject *unused) {
    (void)unused;
    return PyLong_FromUnsignedLongLong(rl_rng(self)->seed);
}

/* ---------------------------------------------------------------- states */

static PyObject *gen_get_state(PyObject *self, PyObject *unused) {
    (void)unused;
    Tensor *state = rl_empty(1, (const int64_t[]){RL_RANDOM_STATE_BYTES}, RL_U8, RL_CPU);
    if (state) rl_random_get_state(rl_rng(self), (uint8_t *)state->data);
    return (PyObject *)state;
}

static int restore(RLRandom *rng, PyObject *o) {
    if (!RL_IS_TENSOR(o)) {
        PyErr_Format(PyExc_TypeError, "expected a torch.ByteTensor, but got %s", rl_type_name(o));
        return -1;
    }
    Tensor *t = (Tensor *)o;
    if (t->dtype != RL_U8 || t->device != RL_CPU) {
        PyErr_SetString(PyExc_TypeError, "RNG state must be a torch.ByteTensor");
        return -1;
    }
    if (t->numel != RL_RANDOM_STATE_BYTES) {
        PyErr_Format(PyExc_RuntimeError, "Expected a CPUGeneratorImplState of size %d but found the input RNG state size to be %lld",
                     RL_RANDOM_STATE_BYTES, (long long)t->numel);
        return -1;
    }
    Tensor *bytes = rl_contiguous_raw(t);
    if (!bytes) return -1;
    int bad = rl_random_set_state(rng, (const uint8_t *)bytes->data);
    Py_DECREF(bytes);
    if (bad < 0) PyErr_SetString(PyExc_RuntimeError, "Invalid mt19937 state");
    return bad;
}

static PyObject *gen_set_state(PyObject *self, PyObject *state) {
    return restore(rl_rng(self), state) < 0 ? NULL : Py_NewRef(self);
}

static PyObject *gen_clone_state(PyObject *self, PyObject *unused) {
    (void)unused;
    Generator *copy = PyObject_New(Generator, &RLGenerator_Type);
    if (copy) copy->rng = *rl_rng(self);
    return (PyObject *)copy;
}

/* PyTorch's pickle: (seed, offset, state), where only other devices have an offset. */
static PyObject *gen_reduce(PyObject *self, PyObject *unused) {
    PyObject *state = gen_get_state(self, unused);
    if (!state) return NULL;
    return Py_BuildValue("O(N)(KON)", &RLGenerator_Type, rl_device_object(RL_CPU), (unsigned long long)rl_rng(self)->seed, Py_None, state);
}

static PyObject *gen_setstate(PyObject *self, PyObject *args) {
    PyObject *seed, *offset, *state;
    if (!PyArg_ParseTuple(args, "OOO:__setstate__", &seed, &offset, &state)) return NULL;
    PyObject *done = gen_manual_seed(self, seed);
    if (!done) return NULL;
    Py_DECREF(done);
    if (restore(rl_rng(self), state) < 0) return NULL;
    Py_RETURN_NONE;
}

/* ---------------------------------------------------------------- the type */

static PyObject *gen_new(PyTypeObject *type, PyObject *args, PyObject *kw) {
    (void)type;
    static char *names[] = {"device", NULL};
    PyObject *where = NULL;
    int device = RL_CPU;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "|O:Generator", names, &where)) return NULL;
    int r = where ? rl_as_device(where, &device) : 1;
    if (r < 0) return NULL;
    if (r == 0) {
        PyErr_Format(PyExc_TypeError, "Generator(): argument 'device' (position 1) must be torch.device, not %s", rl_type_name(where));
        return NULL;
    }
    if (device != RL_CPU) {
        PyErr_SetString(PyExc_RuntimeError, "META device type not an accelerator.");
        return NULL;
    }
    Generator *self = PyObject_New(Generator, &RLGenerator_Type);
    if (self) rl_random_seed(&self->rng, RL_DEFAULT_SEED);
    return (PyObject *)self;
}

static PyObject *gen_device(PyObject *self, void *closure) {
    (void)self;
    (void)closure;
    return rl_device_object(RL_CPU);
}

static PyObject *gen_repr(PyObject *self) { return PyUnicode_FromFormat("<torch._C.Generator object at %p>", self); }

static PyGetSetDef gen_getset[] = {{"device", gen_device, NULL, "Where the generator draws: the CPU.", NULL}, {0}};
static PyMethodDef gen_methods[] = {
    {"manual_seed", gen_manual_seed, METH_O,
     "manual_seed(seed) -> Generator\n\nStarts the stream of `seed`, an int from -2**63 to 2**64 - 1 (negative ones wrap).\n"
     "ValueError outside."},
    {"seed", gen_seed, METH_NOARGS, "seed() -> int\n\nStarts the stream of a seed from the system's entropy, and returns it."},
    {"initial_seed", gen_initial_seed, METH_NOARGS, "initial_seed() -> int\n\nThe seed that the stream was started from."},
    {"get_state", gen_get_state, METH_NOARGS, "get_state() -> Tensor\n\nThe whole state, as 5056 bytes in PyTorch's format."},
    {"set_state", gen_set_state, METH_O,
     "set_state(state) -> Generator\n\nGoes on from a state that get_state() returned, here or in PyTorch."},
    {"clone_state", gen_clone_state, METH_NOARGS, "clone_state() -> Generator\n\nA generator of its own that draws what this one would."},
    {"__reduce__", gen_reduce, METH_NOARGS, NULL},
    {"__setstate__", gen_setstate, METH_O, NULL},
    {0}};

PyTypeObject RLGenerator_Type = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "rushlight.Generator",
    .tp_basicsize = sizeof(Generator),
    .tp_repr = gen_repr,
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = gen_new,
    .tp_getset = gen_getset,
    .tp_methods = gen_methods,
    .tp_doc = "Generator(device='cpu')\n--\n\n"
              "A random stream of its own: the Mersenne Twister (Matsumoto & Nishimura, 1998), drawing what PyTorch's CPU\n"
              "generator draws.  Functions that draw take one as `generator=`.\n\n"
              ">>> import rushlight as torch\n"
              ">>> g = torch.Generator().manual_seed(0)\n"
              ">>> torch.randint(10, (4,), generator=g)\n"
              "tensor([4, 9, 3, 0])",
};

/* ---------------------------------------------------------------- the default generator */

static PyObject *manual_seed(PyObject *m, PyObject *args, PyObject *kw) {
    (void)m;
    static char *names[] = {"seed", NULL};
    PyObject *o;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O:manual_seed", names, &o)) return NULL;
    PyObject *i = PyNumber_Long(o); /* as torch.manual_seed does: 1.5 and "3" are seeds too */
    if (!i) return NULL;
    PyObject *r = gen_manual_seed((PyObject *)default_generator, i);
    Py_DECREF(i);
    return r;
}
static PyObject *seed(PyObject *m, PyObject *unused) { (void)m; return gen_seed((PyObject *)default_generator, unused); }
static PyObject *initial_seed(PyObject *m, PyObject *unused) { (void)m; return gen_initial_seed((PyObject *)default_generator, unused); }
static PyObject *get_rng_state(PyObject *m, PyObject *unused) { (void)m; return gen_get_state((PyObject *)default_generator, unused); }
static PyObject *set_rng_state(PyObject *m, PyObject *args, PyObject *kw) {
    (void)m;
    static char *names[] = {"new_state", NULL};
    PyObject *state;
    if (!PyArg_ParseTupleAndKeywords(args, kw, "O:set_rng_state", names, &state)) return NULL;
    if (restore(&default_generator->rng, state) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"manual_seed", (PyCFunction)(void (*)(void))manual_seed, METH_VARARGS | METH_KEYWORDS,
     "manual_seed(seed)\n--\n\nStarts the default generator's stream of `seed`, and returns the generator.\n\n"
     ">>> import rushlight as torch\n>>> _ = torch.manual_seed(0)\n>>> torch.rand(2)\ntensor([0.4963, 0.7682])"},
    {"seed", seed, METH_NOARGS, "seed()\n--\n\nSeeds the default generator from the system's entropy, and returns the seed."},
    {"initial_seed", initial_seed, METH_NOARGS, "initial_seed()\n--\n\nThe seed that the default generator was started from."},
    {"get_rng_state", get_rng_state, METH_NOARGS, "get_rng_state()\n--\n\nThe default generator's state, as a tensor of bytes."},
    {"set_rng_state", (PyCFunction)(void (*)(void))set_rng_state, METH_VARARGS | METH_KEYWORDS,
     "set_rng_state(new_state)\n--\n\nSets the default generator's state."},
    {0}};

int rl_generator_init(PyObject *m) {
    uint64_t start;
    if (rl_ready_type(&RLGenerator_Type) < 0 || entropy(&start) < 0) return -1;
    default_generator = PyObject_New(Generator, &RLGenerator_Type);
    if (!default_generator) return -1;
    rl_random_seed(&default_generator->rng, start);
    if (PyModule_AddObjectRef(m, "Generator", (PyObject *)&RLGenerator_Type) < 0) return -1;
    if (PyModule_AddObjectRef(m, "default_generator", (PyObject *)default_generator) < 0) return -1;
    return PyModule_AddFunctions(m, functions);
}
