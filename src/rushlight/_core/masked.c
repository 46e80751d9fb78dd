/* masked.c -- operations that a mask steers: masked_fill, masked_select, masked_scatter, nonzero. */
#include "copy.h"
#include "gather.h"
#include "rl_ops.h"
#include "runtime.h"

/* ---------------------------------------------------------------- masked_fill */

#define GRAIN 16384 /* elements: a microsecond or two of any of the loops below */

typedef struct { char *to; const char *from, *mask; const void *value; int64_t item; } Fill;

static void fill_range(void *ctx, int64_t begin, int64_t end) {
    const Fill *f = ctx;
    const int64_t at = begin * f->item;
    rl_moves()->masked_fill(f->to + at, f->from + at, f->mask + begin, end - begin, f->value, (size_t)f->item);
}

void rl_masked_fill_bytes(void *to, const void *from, const char *mask, int64_t n, const void *value, int64_t item) {
    Fill f = {to, from, mask, value, item};
    if (n < RL_SHARE_FROM * GRAIN) fill_range(&f, 0, n);
    else rl_parallel_for(n, GRAIN, fill_range, &f);
}

static Tensor *fill_value(Tensor *input, Tensor *mask, Tensor *value) {
    if (mask->dtype != RL_BOOL) {
        PyErr_Format(PyExc_RuntimeError, "masked_fill_ only supports boolean masks, but got mask with dtype %s", rl_c_name((RLDType)mask->dtype));
        return NULL;
    }
    if (value->ndim) {
        PyErr_Format(PyExc_RuntimeError, "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with %d dimension(s).",
                     value->ndim);
        return NULL;
    }
    if (RL_IS_COMPLEX(value->dtype) && !RL_IS_COMPLEX(input->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "value cannot be converted to type %s without overflow", rl_c_name((RLDType)input->dtype));
        return NULL;
    }
    return rl_to_dtype_raw(value, (RLDType)input->dtype);
}

Tensor *impl_masked_fill(Tensor *input, Tensor *mask, Tensor *value) {
    int64_t size[RL_MAXDIM];
    Tensor *both[2] = {mask, input}, *v = fill_value(input, mask, value), *m = NULL, *out = NULL;
    if (!v) return NULL;
    int ndim = rl_broadcast_shapes(2, both, size);
    if (ndim < 0) goto done;
    const bool here = rl_take_here(input, 1, &mask) && RL_IS_CONTIGUOUS(input) && input->ndim == ndim &&
                      memcmp(size, input->size, (size_t)ndim * sizeof *size) == 0;
    if (here) out = (Tensor *)Py_NewRef((PyObject *)input);
    else out = rl_empty(ndim, size, (RLDType)input->dtype, input->device); /* contiguous whatever the input is */
    const bool plain = out && RL_IS_CONTIGUOUS(input) && rl_same_shape(input, out) && input->device == RL_CPU;
    if (!out || (!plain && rl_copy_raw(out, input) < 0)) { Py_CLEAR(out); goto done; }
    if (out->device != RL_CPU) goto done;
    if ((m = rl_broadcast_raw(mask, ndim, size)))
        rl_masked_fill_bytes(out->data, plain ? input->data : out->data, m->data, out->numel, v->data, RL_ITEMSIZE(out->dtype));
    if (!m) Py_CLEAR(out);
done:
    Py_XDECREF(m);
    Py_DECREF(v);
    return out;
}

/* ---------------------------------------------------------------- masked_select, masked_scatter */

/* Input and mask in their common shape, contiguous. */
static int together(Tensor *input, Tensor *mask, Tensor **t, Tensor **m) {
    int64_t size[RL_MAXDIM];
    Tensor *both[2] = {mask, input};
    int ndim = rl_broadcast_shapes(2, both, size);
    *t = *m = NULL;
    if (ndim < 0) return -1;
    *t = rl_broadcast_raw(input, ndim, size);
    *m = rl_broadcast_raw(mask, ndim, size);
    if (*t && *m) return 0;
    Py_CLEAR(*t);
    Py_CLEAR(*m);
    return -1;
}

/* The places where a mask holds, as byte offsets into a contiguous tensor of `item` bytes an element. */
static Tensor *set_offsets(const Tensor *m, int64_t item) {
    Tensor *places = rl_set_places(m);
    for (int64_t i = 0; places && i < places->numel; i++) ((int64_t *)places->data)[i] *= item;
    return places;
}

Tensor *impl_masked_select(Tensor *input, Tensor *mask) {
    Tensor *t, *m, *out = NULL;
    if (mask->dtype != RL_BOOL) { PyErr_SetString(PyExc_RuntimeError, "masked_select: expected BoolTensor for mask"); return NULL; }
    if (together(input, mask, &t, &m) < 0) return NULL;
    int64_t item = RL_ITEMSIZE(t->dtype);
    Tensor *off = set_offsets(m, item);
    if (off && (out = rl_empty(1, &off->numel, (RLDType)t->dtype, t->device)))
        rl_points(PT_GET, (RLDType)t->dtype, "masked_select")(t->data, (const int64_t *)off->data, out->data, (int64_t[]){item, 0, 0}, off->numel, 1);
    Py_XDECREF(off);
    Py_DECREF(t);
    Py_DECREF(m);
    return out;
}

Tensor *impl_masked_scatter(Tensor *input, Tensor *mask, Tensor *source) {
    Tensor *t, *m, *out = NULL, *src = NULL;
    if (input->dtype != source->dtype) {
        PyErr_Format(PyExc_RuntimeError, "masked_scatter: expected self and source to have same dtypes but got%s and %s",
                     rl_dtypes[input->dtype].legacy, rl_dtypes[source->dtype].legacy);
        return NULL;
    }
    if (mask->dtype != RL_BOOL) {
        PyErr_Format(PyExc_RuntimeError, "masked_scatter_ only supports boolean masks, but got mask with dtype %s", rl_dtypes[mask->dtype].legacy);
        return NULL;
    }
    if (together(input, mask, &t, &m) < 0) return NULL;
    int64_t item = RL_ITEMSIZE(t->dtype);
    Tensor *off = set_offsets(m, item);
    const bool here = rl_take_here(input, 2, (Tensor *[]){mask, source}) && t == input;
    if (off && source->numel < off->numel) {
        PyErr_SetString(PyExc_RuntimeError, "Number of elements of source < number of ones in mask");
        goto done;
    }
    if (off && (src = rl_contiguous_raw(source)) && (out = here ? (Tensor *)Py_NewRef((PyObject *)input) : rl_clone_raw(t)))
        rl_points(PT_PUT, (RLDType)t->dtype, "masked_scatter")(out->data, (const int64_t *)off->data, src->data, (int64_t[]){item, 0, 0}, off->numel, 1);
done:
    Py_XDECREF(off);
    Py_XDECREF(src);
    Py_DECREF(t);
    Py_DECREF(m);
    return out;
}

/* grad of masked_select: its elements put back where they came from. */
Tensor *rl_masked_select_backward(Tensor *grad, Ints shape, Tensor *mask) {
    int64_t size[RL_MAXDIM];
    Tensor like = {.ndim = (uint8_t)shape.n, .size = (int64_t *)shape.v}, *both[2] = {mask, &like};
    int ndim = rl_broadcast_shapes(2, both, size);
    Tensor *zeros = ndim < 0 ? NULL : rl_zeros_as(grad, ndim, size), *full = zeros ? rl_masked_scatter(zeros, mask, grad) : NULL;
    Tensor *out = full ? rl_sum_to(full, shape.n, shape.v) : NULL;
    Py_XDECREF(zeros);
    Py_XDECREF(full);
    return out;
}

/* grad of masked_scatter for source, of which only as many elements as the mask holds were used. */
Tensor *rl_masked_scatter_backward(Tensor *grad, Tensor *mask, Ints shape) {
    Tensor *used = rl_masked_select(grad, mask), *rest = NULL, *all = NULL, *out = NULL;
    if (!used) return NULL;
    int64_t left = rl_count_of(shape) - used->numel;
    if ((rest = rl_zeros_as(grad, 1, &left)) && (all = rl_cat((Tensors){(Tensor *[]){used, rest}, 2}, 0))) out = rl_reshape(all, shape);
    Py_DECREF(used);
    Py_XDECREF(rest);
    Py_XDECREF(all);
    return out;
}

/* ---------------------------------------------------------------- nonzero */

#if defined(__GNUC__) && !defined(__clang__) /* at the level at which the rest is compiled, GCC leaves this loop scalar */
__attribute__((optimize("O3")))
#endif
static int64_t count_set(const char *mask, int64_t n) {
    int64_t total = 0, i = 0;
    while (i + 64 <= n) { /* in bytes, which 255 rounds do not overflow */
        uint8_t lanes[64] = {0};
        const int64_t end = n - i > 255 * 64 ? i + 255 * 64 : n;
        for (; i + 64 <= end; i += 64) for (int k = 0; k < 64; k++) lanes[k] = (uint8_t)(lanes[k] + (mask[i + k] != 0));
        for (int k = 0; k < 64; k++) total += lanes[k];
    }
    for (; i < n; i++) total += mask[i] != 0;
    return total;
}

/* The places that are set; `out` has room for one more. */
static void list_places(const char *mask, int64_t n, int64_t *out) {
    for (int64_t i = 0; i < n; i += 8) {
        uint64_t eight = 0;
        const int64_t end = n - i < 8 ? n : i + 8;
        memcpy(&eight, mask + i, (size_t)(end - i));
        if (!eight) continue;
        if (eight == 0x0101010101010101) {
            for (int k = 0; k < 8; k++) out[k] = i + k;
            out += 8;
            continue;
        }
        /* written in any case, kept when set: a branch would be guessed wrong half of the time */
        for (int64_t j = i; j < end; j++) { *out = j; out += mask[j] != 0; }
    }
}

static Tensor *as_mask(Tensor *t) {
    Tensor *b = rl_to_dtype_raw(t, RL_BOOL), *c = b ? rl_contiguous_raw(b) : NULL;
    Py_XDECREF(b);
    return c;
}

/* A row of coordinates for each place of `to` - `from`, which rise; width: of the last dimension. */
static void write_rows(const Tensor *input, const int64_t *places, int64_t n, int64_t first, int64_t *o) {
    const int nd = input->ndim, last = nd - 1;
    int64_t at[RL_MAXDIM] = {0};
    const int64_t width = input->size[last];
    int64_t begin = -width;
    for (int64_t i = 0; i < n; i++) {
        const int64_t place = first + places[i];
        if (place >= begin + width) {
            int64_t row = place / width;
            begin = row * width;
            for (int d = last - 1; d >= 0; row /= input->size[d--]) at[d] = row % input->size[d];
        }
        if (nd == 2) { /* the rest of this row */
            const int64_t past = begin + width - first;
            for (; i < n && places[i] < past; i++, o += 2) {
                o[0] = at[0];
                o[1] = first + places[i] - begin;
            }
            i--;
            continue;
        }
        for (int d = 0; d < last; d++) *o++ = at[d];
        *o++ = place - begin;
    }
}

typedef struct {
    const char *mask;
    int64_t n, *before;        /* before: how many are set in the stretches before each, and in all */
    const Tensor *input;       /* NULL: places; else rows of its coordinates */
    int64_t *out;
} Places;

#define STRETCH 4096

static void count_stretches(void *ctx, int64_t begin, int64_t end) {
    const Places *p = ctx;
    for (int64_t k = begin; k < end; k++) {
        const int64_t at = k * STRETCH;
        p->before[k + 1] = count_set(p->mask + at, p->n - at < STRETCH ? p->n - at : STRETCH);
    }
}

static void list_stretches(void *ctx, int64_t begin, int64_t end) {
    const Places *p = ctx;
    int64_t some[STRETCH + 8];
    for (int64_t k = begin; k < end; k++) {
        const int64_t at = k * STRETCH, n = p->n - at < STRETCH ? p->n - at : STRETCH, count = p->before[k + 1] - p->before[k];
        if (!count) continue;
        list_places(p->mask + at, n, some);
        if (p->input) write_rows(p->input, some, count, at, p->out + p->before[k] * p->input->ndim);
        else for (int64_t i = 0; i < count; i++) p->out[p->before[k] + i] = at + some[i];
    }
}

/* Where a mask holds: by place, or as rows of coordinates in `input`. */
static Tensor *set_in(const Tensor *mask, const Tensor *input) {
    const int64_t stretches = (mask->numel + STRETCH - 1) / STRETCH;
    const size_t room = (size_t)(stretches + 1) * sizeof(int64_t);
    Places p = {mask->data, mask->numel, rl_alloc(room), input, NULL};
    if (!p.before) { PyErr_NoMemory(); return NULL; }
    const bool share = mask->numel >= RL_SHARE_FROM * STRETCH;
    if (share) rl_parallel_for(stretches, 4, count_stretches, &p);
    else count_stretches(&p, 0, stretches);
    p.before[0] = 0;
    for (int64_t k = 0; k < stretches; k++) p.before[k + 1] += p.before[k];
    const int64_t size[2] = {p.before[stretches], input ? input->ndim : 1};
    Tensor *out = rl_empty(input ? 2 : 1, size, RL_I64, RL_CPU);
    if (out && out->numel) {
        p.out = (int64_t *)out->data;
        if (share) rl_parallel_for(stretches, 1, list_stretches, &p);
        else list_stretches(&p, 0, stretches);
    }
    rl_dealloc(p.before, room);
    return out;
}

Tensor *rl_set_places(const Tensor *mask) { return set_in(mask, NULL); }

Tensor *impl_argwhere(Tensor *input) {
    Tensor *m = as_mask(input), *out = NULL;
    if (m && input->ndim) {
        out = set_in(m, input);
    } else if (m) {
        const int64_t size[2] = {m->numel && m->data[0], 0};
        out = rl_empty(2, size, RL_I64, RL_CPU);
    }
    Py_XDECREF(m);
    return out;
}

PyObject *rl_nonzero(Tensor *input, bool as_tuple) {
    Tensor *at = rl_argwhere(input);
    if (!at || !as_tuple) return (PyObject *)at;
    PyObject *out = NULL;
    if (input->ndim) {
        out = rl_unbind(at, 1);
    } else {
        /* a single number counts as a vector of one */
        Tensor *row = rl_full_scalar(1, &at->size[0], (Scalar){'i', {.i = 0}, 0}, RL_I64, RL_CPU);
        out = row ? rl_return_tuple(1, &row) : NULL;
    }
    Py_DECREF(at);
    return out;
}

PyObject *rl_where_cond(Tensor *condition) { return rl_nonzero(condition, true); }
