/* norm_run.c -- what norm.c and batch_norm.c have in common; norm_run.h says what each function is for. */
#include "norm_run.h"
#include "isa.h"

extern const RLNormKernels *const rl_norm_kernels_base[2];
#if defined(__x86_64__) || defined(_M_X64)
extern const RLNormKernels *const rl_norm_kernels_avx2[2], *const rl_norm_kernels_avx512[2];
#endif

static const RLNormKernels *kernels_for(RLDType work) {
    static const RLNormKernels *const *best;
    if (RL_UNLIKELY(!best)) {
        best = rl_norm_kernels_base;
#if defined(__x86_64__) || defined(_M_X64)
        const RLIsa isa = rl_isa_best();
        best = isa >= RL_ISA_AVX512 ? rl_norm_kernels_avx512 : isa >= RL_ISA_AVX2 ? rl_norm_kernels_avx2 : best;
#endif
    }
    return best[work == RL_F64];
}

Tensor *rl_norm_as(Tensor *t, RLDType dt) {
    if (!t) return NULL;
    if (t->dtype == dt && RL_IS_CONTIGUOUS(t)) return (Tensor *)Py_NewRef((PyObject *)t);
    Tensor *d = rl_to_dtype_raw(t, dt), *c = d ? rl_contiguous_raw(d) : NULL;
    Py_XDECREF(d);
    return c;
}

Tensor *rl_norm_delivered(Tensor *t, RLDType dt) {
    if (!t || t->dtype == dt) return t;
    Tensor *r = rl_to_dtype_raw(t, dt);
    Py_DECREF(t);
    return r;
}

Tensor *rl_norm_doubles(int64_t n, double fill) {
    Tensor *t = rl_empty(1, &n, RL_F64, RL_CPU);
    for (int64_t i = 0; t && i < n; i++) ((double *)t->data)[i] = fill;
    return t;
}

int rl_norm_check_dtypes(Tensor *x, const char *name, int n, Tensor *const *params) {
    if (!RL_IS_FLOAT(x->dtype) || RL_ITEMSIZE(x->dtype) < 2) return rl_not_implemented(name, (RLDType)x->dtype);
    for (int i = 0; i < n; i++) {
        if (!params[i] || params[i]->dtype == x->dtype) continue;
        if (params[i]->dtype == RL_F32 && (x->dtype == RL_F16 || x->dtype == RL_BF16)) continue;
        PyErr_SetString(PyExc_RuntimeError, params[i]->dtype == RL_F32 ? "mixed dtype (CPU): all inputs must share same datatype."
                                                                        : "mixed dtype (CPU): expect parameter to have scalar type of Float");
        return -1;
    }
    return 0;
}

void rl_norm_release(Held *h) {
    Py_XDECREF(h->x); Py_XDECREF(h->g); Py_XDECREF(h->w); Py_XDECREF(h->b); Py_XDECREF(h->out); Py_XDECREF(h->scratch);
}

int rl_norm_hold(Held *h, Run *r, Tensor *x, Tensor *g, Tensor *w, Tensor *b, RLDType w_dtype, bool with_out) {
    const RLDType work = rl_norm_dtype((RLDType)x->dtype);
    *h = (Held){.x = rl_norm_as(x, work)};
    if (!h->x || (g && !(h->g = rl_norm_as(g, work))) || (w && !(h->w = rl_norm_as(w, w_dtype))) || (b && !(h->b = rl_norm_as(b, w_dtype))) ||
        (with_out && !(h->out = rl_empty(x->ndim, x->size, work, RL_CPU)))) {
        rl_norm_release(h);
        return -1;
    }
    r->k = kernels_for(work);
    r->item = RL_ITEMSIZE(work);
    r->x = h->x->data;
    r->g = g ? h->g->data : NULL;
    r->w = w ? h->w->data : NULL;
    r->b = b ? h->b->data : NULL;
    r->out = with_out ? h->out->data : NULL;
    return 0;
}

Tensor *rl_norm_summed(const double *sums, Tensor *like, int ndim, const int64_t *size, RLDType dt) {
    Tensor *t = rl_empty(ndim, size, RL_F64, RL_CPU);
    if (!t) return NULL;
    memcpy(t->data, sums, (size_t)t->numel * sizeof *sums);
    return rl_norm_delivered(t, like ? (RLDType)like->dtype : dt);
}

int rl_norm_finish(Tensor **out, bool needs_input, bool needs_weight, bool needs_bias) {
    if ((!needs_input || out[0]) && (!needs_weight || out[1]) && (!needs_bias || out[2])) return 0;
    for (int i = 0; i < 3; i++) Py_CLEAR(out[i]);
    return -1;
}

void rl_norm_set_planes(Run *r, Tensor *x) {
    r->n = x->size[0];
    r->c = x->size[1];
    r->s = 1;
    for (int i = 2; i < x->ndim; i++) r->s *= x->size[i];
}
