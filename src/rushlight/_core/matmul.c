/* matmul.c -- matrix products: from tensors with strides to the kernels of gemm.h. */
#include "gemm.h"
#include "rl.h"
#include "rl_ops.h"
#include "runtime.h"
#include "sizes_text.h"

/* How a matrix lies in memory: rows or columns contiguous, so that no copy is needed. */
typedef struct { Tensor *t; const char *data; bool trans; int64_t ld; } Mat;

/* Rows contiguous: plain; columns contiguous: transposed; otherwise a copy.  Owns a reference to t. */
static int as_matrix(Tensor *t, int row, Mat *m) {
    int64_t r = t->size[row], c = t->size[row + 1], sr = t->stride[row], sc = t->stride[row + 1];
    int64_t least_r = c > 1 ? c : 1, least_c = r > 1 ? r : 1;
    if ((sc == 1 || c == 1) && (sr >= least_r || r == 1)) {
        *m = (Mat){(Tensor *)Py_NewRef((PyObject *)t), t->data, false, r == 1 ? least_r : sr};
        return 0;
    }
    if ((sr == 1 || r == 1) && (sc >= least_c || c == 1)) {
        *m = (Mat){(Tensor *)Py_NewRef((PyObject *)t), t->data, true, c == 1 ? least_c : sc};
        return 0;
    }
    Tensor *d = rl_contiguous_raw(t);
    if (!d) return -1;
    *m = (Mat){d, d->data, false, least_r};
    return 0;
}

static int same_dtype(Tensor *a, Tensor *b) {
    if (a->dtype == b->dtype) return 0;
    PyErr_Format(PyExc_RuntimeError, "expected m1 and m2 to have the same dtype, but got: %s != %s", rl_cpp_name((RLDType)a->dtype),
                 rl_cpp_name((RLDType)b->dtype));
    return -1;
}

/* C = alpha * op(A) op(B) + beta * C + bias for float32 and float64; the plain product for the others. */
static void product(RLDType dt, const Mat *a, const Mat *b, int64_t m, int64_t n, int64_t k, double alpha, double beta, void *c,
                    const void *bias) {
    const void *x = a->data, *y = b->data;
    const int64_t lda = a->ld, ldb = b->ld;
    const bool ta = a->trans, tb = b->trans;
    switch (dt) {
        case RL_F32: rl_gemm_bias_f32(ta, tb, m, n, k, (float)alpha, x, lda, y, ldb, (float)beta, c, n, bias); break;
        case RL_F64: rl_gemm_bias_f64(ta, tb, m, n, k, alpha, x, lda, y, ldb, beta, c, n, bias); break;
        case RL_U8: rl_gemm_u8(ta, tb, m, n, k, 1, x, lda, y, ldb, 0, c, n); break;
        case RL_I8: rl_gemm_i8(ta, tb, m, n, k, 1, x, lda, y, ldb, 0, c, n); break;
        case RL_I16: rl_gemm_i16(ta, tb, m, n, k, 1, x, lda, y, ldb, 0, c, n); break;
        case RL_I32: rl_gemm_i32(ta, tb, m, n, k, 1, x, lda, y, ldb, 0, c, n); break;
        case RL_I64: rl_gemm_i64(ta, tb, m, n, k, 1, x, lda, y, ldb, 0, c, n); break;
        case RL_F16: rl_gemm_f16(ta, tb, m, n, k, 1, x, lda, y, ldb, 0, c, n); break;
        case RL_BF16: rl_gemm_bf16(ta, tb, m, n, k, 1, x, lda, y, ldb, 0, c, n); break;
        case RL_C64: rl_gemm_c64(ta, tb, m, n, k, (RLComplex64){1, 0}, x, lda, y, ldb, (RLComplex64){0, 0}, c, n); break;
        case RL_C128: rl_gemm_c128(ta, tb, m, n, k, (RLComplex128){1, 0}, x, lda, y, ldb, (RLComplex128){0, 0}, c, n); break;
        default: break;
    }
}

static int supported(RLDType dt, const char *name) {
    switch (dt) {
        case RL_F32: case RL_F64: case RL_U8: case RL_I8: case RL_I16: case RL_I32: case RL_I64: case RL_F16: case RL_BF16:
        case RL_C64: case RL_C128: return 0;
        default: return rl_not_implemented(name, dt);
    }
}

/* out = alpha * a @ b + beta * out + bias; out is contiguous.  Takes over `out` and returns it. */
static Tensor *multiply_into(Tensor *out, Tensor *a, Tensor *b, double alpha, double beta, const void *bias) {
    Mat x, y;
    if (as_matrix(a, 0, &x) < 0) { Py_DECREF(out); return NULL; }
    if (as_matrix(b, 0, &y) < 0) { Py_DECREF(x.t); Py_DECREF(out); return NULL; }
    product((RLDType)out->dtype, &x, &y, a->size[0], b->size[1], a->size[1], alpha, beta, out->data, bias);
    Py_DECREF(x.t);
    Py_DECREF(y.t);
    return out;
}

Tensor *impl_mm(Tensor *a, Tensor *b) {
    if (a->ndim != 2) { PyErr_SetString(PyExc_RuntimeError, "self must be a matrix"); return NULL; }
    if (b->ndim != 2) { PyErr_Format(PyExc_RuntimeError, "mat2 must be a matrix, got %d-D tensor", b->ndim); return NULL; }
    if (same_dtype(a, b) < 0) return NULL;
    if (a->size[1] != b->size[0]) {
        PyErr_Format(PyExc_RuntimeError, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)", (long long)a->size[0],
                     (long long)a->size[1], (long long)b->size[0], (long long)b->size[1]);
        return NULL;
    }
    int64_t size[2] = {a->size[0], b->size[1]};
    Tensor *out = rl_empty(2, size, (RLDType)a->dtype, a->device);
    if (!out || out->device != RL_CPU || out->numel == 0) return out;
    if (supported((RLDType)a->dtype, "addmm_impl_cpu_") < 0) { Py_DECREF(out); return NULL; }
    return multiply_into(out, a, b, 1, 0, NULL);
}

static int check_batches(Tensor *a, Tensor *b) {
    if (a->ndim != 3) { PyErr_SetString(PyExc_RuntimeError, "batch1 must be a 3D tensor"); return -1; }
    if (b->ndim != 3) { PyErr_SetString(PyExc_RuntimeError, "batch2 must be a 3D tensor"); return -1; }
    if (same_dtype(a, b) < 0 || supported((RLDType)a->dtype, "bmm") < 0) return -1;
    if (a->size[0] != b->size[0] || a->size[2] != b->size[1]) {
        PyErr_Format(PyExc_RuntimeError, "Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but got: [%lld, %lld].",
                     (long long)a->size[0], (long long)a->size[2], (long long)b->size[0], (long long)b->size[1]);
        return -1;
    }
    return 0;
}

/* out = alpha * a @ b + beta * out; out is contiguous.  Takes over `out` and returns it. */
static Tensor *multiply_batches_into(Tensor *out, Tensor *a, Tensor *b, double alpha, double beta) {
    Mat x, y;
    if (as_matrix(a, 1, &x) < 0) { Py_DECREF(out); return NULL; }
    if (as_matrix(b, 1, &y) < 0) { Py_DECREF(x.t); Py_DECREF(out); return NULL; }
    const int64_t batch = out->size[0], m = out->size[1], n = out->size[2], k = a->size[2];
    const int64_t sa = x.t->stride[0], sb = y.t->stride[0];
    if (out->dtype == RL_F32) {
        rl_bgemm_f32(batch, x.trans, y.trans, m, n, k, (float)alpha, (float *)x.data, x.ld, sa, (float *)y.data, y.ld, sb, (float)beta,
                     (float *)out->data, n, m * n);
    } else if (out->dtype == RL_F64) {
        rl_bgemm_f64(batch, x.trans, y.trans, m, n, k, alpha, (double *)x.data, x.ld, sa, (double *)y.data, y.ld, sb, beta,
                     (double *)out->data, n, m * n);
    } else {
        const int64_t item = RL_ITEMSIZE(out->dtype);
        char *c = out->data;
        for (int64_t i = 0; i < batch; i++, x.data += sa * item, y.data += sb * item, c += m * n * item)
            product((RLDType)out->dtype, &x, &y, m, n, k, 1, 0, c, NULL);
    }
    Py_DECREF(x.t);
    Py_DECREF(y.t);
    return out;
}

Tensor *impl_bmm(Tensor *a, Tensor *b) {
    if (check_batches(a, b) < 0) return NULL;
    int64_t size[3] = {a->size[0], a->size[1], b->size[2]};
    Tensor *out = rl_empty(3, size, (RLDType)a->dtype, a->device);
    if (!out || out->device != RL_CPU || out->numel == 0) return out;
    return multiply_batches_into(out, a, b, 1, 0);
}

/* A vector as a matrix of one row or one column, sharing its memory. */
static Tensor *as_row(Tensor *v) { return rl_alias(v, 2, (int64_t[]){1, v->size[0]}, (int64_t[]){v->size[0] * v->stride[0], v->stride[0]}, v->data); }
static Tensor *as_column(Tensor *v) { return rl_alias(v, 2, (int64_t[]){v->size[0], 1}, (int64_t[]){v->stride[0], 1}, v->data); }

Tensor *impl_mv(Tensor *a, Tensor *v) {
    if (a->ndim != 2 || v->ndim != 1) {
        PyErr_Format(PyExc_RuntimeError, "vector + matrix @ vector expected, got 1, %d, %d", a->ndim, v->ndim);
        return NULL;
    }
    if (a->size[1] != v->size[0]) {
        PyErr_Format(PyExc_RuntimeError, "size mismatch, got input (%lld), mat (%lldx%lld), vec (%lld)", (long long)a->size[0],
                     (long long)a->size[0], (long long)a->size[1], (long long)v->size[0]);
        return NULL;
    }
    Tensor *c = as_column(v), *r = c ? impl_mm(a, c) : NULL;
    Py_XDECREF(c);
    if (r) rl_set_geometry(r, 1, &a->size[0], NULL);
    return r;
}

Tensor *impl_dot(Tensor *a, Tensor *b) {
    if (a->ndim != 1 || b->ndim != 1) {
        PyErr_Format(PyExc_RuntimeError, "1D tensors expected, but got %dD and %dD tensors", a->ndim, b->ndim);
        return NULL;
    }
    if (a->dtype != b->dtype) {
        PyErr_Format(PyExc_RuntimeError, "dot : expected both vectors to have same dtype, but found %s and %s", rl_dtypes[a->dtype].legacy,
                     rl_dtypes[b->dtype].legacy);
        return NULL;
    }
    if (a->numel != b->numel) {
        PyErr_Format(PyExc_RuntimeError, "inconsistent tensor size, expected tensor [%lld] and src [%lld] to have the same number of elements, "
                     "but got %lld and %lld elements respectively", (long long)a->numel, (long long)b->numel, (long long)a->numel, (long long)b->numel);
        return NULL;
    }
    if (a->device == RL_CPU && (a->dtype == RL_F32 || a->dtype == RL_F64)) {
        Tensor *r = rl_empty(0, NULL, (RLDType)a->dtype, RL_CPU);
        if (!r) return NULL;
        if (a->dtype == RL_F32) *(float *)r->data = rl_dot_f32(a->numel, (float *)a->data, a->stride[0], (float *)b->data, b->stride[0]);
        else *(double *)r->data = rl_dot_f64(a->numel, (double *)a->data, a->stride[0], (double *)b->data, b->stride[0]);
        return r;
    }
    if (a->dtype == RL_BOOL) { rl_not_implemented("dot", RL_BOOL); return NULL; }
    Tensor *x = as_row(a), *y = as_column(b), *r = x && y ? impl_mm(x, y) : NULL;
    Py_XDECREF(x);
    Py_XDECREF(y);
    if (r) rl_set_geometry(r, 0, NULL, NULL);
    return r;
}

/* ---------------------------------------------------------------- beta * input + alpha * product */

/* Whether the kernels can add `input`: one float type throughout, and shapes that fit. */
static bool is_fused(Tensor *input, Tensor *a, Tensor *b, int ndim, const int64_t *size, Scalar beta, Scalar alpha) {
    if ((a->dtype != RL_F32 && a->dtype != RL_F64) || a->device != RL_CPU || b->device != RL_CPU || input->device != RL_CPU) return false;
    if (input->dtype != a->dtype || b->dtype != a->dtype || beta.kind == 'c' || alpha.kind == 'c' || input->ndim > ndim) return false;
    for (int i = 1; i <= input->ndim; i++)
        if (input->size[input->ndim - i] != 1 && input->size[input->ndim - i] != size[ndim - i]) return false;
    return true;
}

/* The same from a product that exists; takes over p. */
static Tensor *combined(Tensor *p, Tensor *input, Scalar beta, Scalar alpha) {
    Tensor *r = NULL, *s = NULL, *n = NULL;
    if (!p) return NULL;
    if (rl_scalar_double(alpha) != 1 || alpha.kind == 'c') {
        if (!(n = rl_wrap_scalar(alpha)) || !(s = rl_mul_(p, n))) goto done;
        Py_CLEAR(n);
        Py_CLEAR(s);
    }
    if (beta.kind != 'c' && rl_scalar_double(beta) == 0) { /* input may be NaN then */
        int64_t shape[RL_MAXDIM];
        Tensor *both[] = {input, p};
        if (rl_broadcast_shapes(2, both, shape) >= 0) r = (Tensor *)Py_NewRef((PyObject *)p);
        goto done;
    }
    {
        Tensor *e = rl_expand(input, (Ints){p->size, p->ndim}, false);
        if (!e) goto done;
        r = rl_add(p, e, beta);
        Py_DECREF(e);
    }
done:
    Py_XDECREF(n);
    Py_XDECREF(s);
    Py_DECREF(p);
    return r;
}

Tensor *impl_addmm(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha) {
    if (input->dtype != b->dtype || a->dtype != b->dtype) {
        PyErr_Format(PyExc_RuntimeError, "%s and mat2 must have the same dtype, but got %s and %s", input->dtype != b->dtype ? "self" : "mat1",
                     rl_dtypes[(input->dtype != b->dtype ? input : a)->dtype].legacy, rl_dtypes[b->dtype].legacy);
        return NULL;
    }
    if (a->ndim != 2 || b->ndim != 2 || a->size[1] != b->size[0]) return combined(rl_mm(a, b), input, beta, alpha); /* says what is wrong */
    const int64_t size[2] = {a->size[0], b->size[1]};
    if (!is_fused(input, a, b, 2, size, beta, alpha)) return combined(rl_mm(a, b), input, beta, alpha);
    Tensor *out = rl_empty(2, size, (RLDType)a->dtype, RL_CPU);
    if (!out || out->numel == 0) return out;
    const double keep = rl_scalar_double(beta);
    const bool row = keep == 1 && input->numel == size[1] && (size[1] == 1 || input->stride[input->ndim - 1] == 1) &&
                     (input->ndim == 1 || (input->ndim == 2 && input->size[0] == 1));
    if (keep != 0 && !row && rl_copy_raw(out, input) < 0) { Py_DECREF(out); return NULL; }
    return multiply_into(out, a, b, rl_scalar_double(alpha), row ? 0 : keep, row ? input->data : NULL);
}

/* Numbers take the dtype of the product. */
static Scalar number_as(RLDType dt, Scalar s) { return RL_IS_INEXACT(dt) ? s : (Scalar){'i', {.i = rl_scalar_int(s)}, 0}; }

Tensor *impl_baddbmm(Tensor *input, Tensor *a, Tensor *b, Scalar beta, Scalar alpha) {
    if (check_batches(a, b) < 0) return NULL;
    const int64_t size[3] = {a->size[0], a->size[1], b->size[2]};
    if (!is_fused(input, a, b, 3, size, beta, alpha))
        return combined(rl_bmm(a, b), input, number_as((RLDType)a->dtype, beta), number_as((RLDType)a->dtype, alpha));
    Tensor *out = rl_empty(3, size, (RLDType)a->dtype, RL_CPU);
    if (!out || out->numel == 0) return out;
    const double keep = rl_scalar_double(beta);
    if (keep != 0 && rl_copy_raw(out, input) < 0) { Py_DECREF(out); return NULL; }
    return multiply_batches_into(out, a, b, rl_scalar_double(alpha), keep);
}

/* ---------------------------------------------------------------- matmul */

static Tensor *folded(Tensor *a, Tensor *b) { /* (..., n, k) @ (k, m) as one product */
    int64_t rows = -1, k = a->size[a->ndim - 1], size[RL_MAXDIM];
    Tensor *flat = rl_reshape(a, (Ints){(int64_t[]){rows, k}, 2});
    if (!flat && k == 0) { PyErr_Clear(); flat = rl_reshape(a, (Ints){(int64_t[]){a->numel / (k ? k : 1), k}, 2}); }
    Tensor *p = flat ? rl_mm(flat, b) : NULL;
    Py_XDECREF(flat);
    if (!p) return NULL;
    memcpy(size, a->size, a->ndim * sizeof(int64_t));
    size[a->ndim - 1] = b->size[1];
    Tensor *r = rl__unsafe_view(p, (Ints){size, a->ndim});
    Py_DECREF(p);
    return r;
}

static Tensor *batched(Tensor *a, Tensor *b) {
    int na = a->ndim - 2, nb = b->ndim - 2, n = na > nb ? na : nb;
    int64_t batch[RL_MAXDIM], ea[RL_MAXDIM], eb[RL_MAXDIM], count = 1;
    for (int i = 0; i < n; i++) {
        int64_t x = i >= n - na ? a->size[i - (n - na)] : 1, y = i >= n - nb ? b->size[i - (n - nb)] : 1;
        if (x != y && x != 1 && y != 1) {
            PyErr_Format(PyExc_RuntimeError, "The size of tensor a (%lld) must match the size of tensor b (%lld) at non-singleton dimension %d",
                         (long long)x, (long long)y, i);
            SizesText sa, sb;
            rl_hint("the shapes are [%s] and [%s]", rl_shape_text(&sa, a), rl_shape_text(&sb, b));
            return NULL;
        }
        ea[i] = eb[i] = batch[i] = x == 1 ? y : x;
        count *= batch[i];
    }
    int64_t rows = a->size[na], k = a->size[na + 1], k2 = b->size[nb], cols = b->size[nb + 1];
    ea[n] = rows; ea[n + 1] = k; eb[n] = k2; eb[n + 1] = cols;
    Tensor *xa = rl_expand(a, (Ints){ea, n + 2}, false), *xb = xa ? rl_expand(b, (Ints){eb, n + 2}, false) : NULL;
    Tensor *fa = xb ? rl_reshape(xa, (Ints){(int64_t[]){count, rows, k}, 3}) : NULL;
    Tensor *fb = fa ? rl_reshape(xb, (Ints){(int64_t[]){count, k2, cols}, 3}) : NULL;
    Tensor *p = fb ? rl_bmm(fa, fb) : NULL, *r = NULL;
    batch[n] = rows;
    batch[n + 1] = cols;
    if (p) r = rl__unsafe_view(p, (Ints){batch, n + 2});
    Py_XDECREF(xa); Py_XDECREF(xb); Py_XDECREF(fa); Py_XDECREF(fb); Py_XDECREF(p);
    return r;
}

Tensor *rl_matmul(Tensor *a, Tensor *b) {
    if (RL_LIKELY(a->ndim == 2 && b->ndim == 2)) return rl_mm(a, b);
    if (a->ndim == 0 || b->ndim == 0) {
        PyErr_Format(PyExc_RuntimeError, "both arguments to matmul need to be at least 1D, but they are %dD and %dD", a->ndim, b->ndim);
        return NULL;
    }
    if (a->ndim == 1 && b->ndim == 1) return rl_dot(a, b);
    if (a->ndim == 2 && b->ndim == 1) return rl_mv(a, b);
    Tensor *x = a->ndim == 1 ? rl_unsqueeze(a, 0) : (Tensor *)Py_NewRef((PyObject *)a);
    Tensor *y = x && b->ndim == 1 ? rl_unsqueeze(b, 1) : (Tensor *)Py_NewRef((PyObject *)b), *p = NULL, *r = NULL;
    if (!x || !y) goto done;
    if (x->size[x->ndim - 1] != y->size[y->ndim - 2]) {
        if (x->ndim == 2 || y->ndim == 2)
            PyErr_Format(PyExc_RuntimeError, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)",
                         (long long)(x->size[x->ndim - 1] ? x->numel / x->size[x->ndim - 1] : 0), (long long)x->size[x->ndim - 1],
                         (long long)y->size[y->ndim - 2], (long long)y->size[y->ndim - 1]);
        else
            PyErr_Format(PyExc_RuntimeError, "Expected size for first two dimensions of batch2 tensor to be: [%lld, %lld] but got: [%lld, %lld].",
                         (long long)x->size[0], (long long)x->size[x->ndim - 1], (long long)y->size[0], (long long)y->size[y->ndim - 2]);
        goto done;
    }
    p = y->ndim == 2 && x->ndim > 2 ? folded(x, y) : x->ndim == 2 && y->ndim == 2 ? rl_mm(x, y) : batched(x, y);
    if (!p) goto done;
    if (a->ndim == 1) r = rl_squeeze_dim_(p, (Ints){(int64_t[]){-2}, 1});
    else if (b->ndim == 1) r = rl_squeeze_dim_(p, (Ints){(int64_t[]){-1}, 1});
    else r = (Tensor *)Py_NewRef((PyObject *)p);
done:
    Py_XDECREF(x);
    Py_XDECREF(y);
    Py_XDECREF(p);
    return r;
}

/* ---------------------------------------------------------------- linear */

/* All dimensions but the last as rows. */
static int matrix_of_rows(Tensor *x, Mat *m) {
    if (x->ndim == 2) return as_matrix(x, 0, m);
    Tensor *d = rl_contiguous_raw(x);
    if (!d) return -1;
    const int64_t k = d->size[d->ndim - 1];
    *m = (Mat){d, d->data, false, k ? k : 1};
    return 0;
}

/* product + bias, where the bias is not one number a column. Takes over product. */
static Tensor *with_bias(Tensor *product, Tensor *bias) {
    Tensor *sum = product ? rl_add(product, bias, (Scalar){.kind = 'i', .u.i = 1}) : NULL;
    if (sum && !rl_same_shape(sum, product)) {
        PyObject *given = rl_size_object(bias->ndim, bias->size), *wanted = rl_size_object(product->ndim, product->size);
        if (given && wanted) PyErr_Format(PyExc_RuntimeError, "linear: a bias of shape %S does not broadcast to the result's shape %S", given, wanted);
        Py_XDECREF(given);
        Py_XDECREF(wanted);
        Py_CLEAR(sum);
    }
    Py_XDECREF(product);
    return sum;
}

Tensor *impl_linear(Tensor *x, Tensor *w, Tensor *bias) {
    if (w->ndim != 2 || x->ndim == 0) {
        if (w->ndim == 1 && x->ndim >= 1 && !bias) return rl_matmul(x, w);
        if (w->ndim == 1 && x->ndim >= 1 && x->ndim != 2 && bias->ndim == 0) return with_bias(rl_matmul(x, w), bias);
        if (w->ndim == 0 || x->ndim == 0)
            PyErr_Format(PyExc_RuntimeError, "both arguments to linear need to be at least 1D, but they are %dD and %dD", x->ndim, w->ndim);
        else PyErr_Format(PyExc_RuntimeError, "mat2 must be a matrix, got %d-D tensor", w->ndim);
        return NULL;
    }
    int64_t k = x->size[x->ndim - 1], n = w->size[0], rows = 1, size[RL_MAXDIM];
    for (int i = 0; i + 1 < x->ndim; i++) rows *= (size[i] = x->size[i]);
    size[x->ndim - 1] = n;
    if (RL_UNLIKELY(k != w->size[1])) {
        if (x->ndim == 1)
            PyErr_Format(PyExc_RuntimeError, "size mismatch, got input (%lld), mat (%lldx%lld), vec (%lld)", (long long)n, (long long)n,
                         (long long)w->size[1], (long long)k);
        else
            PyErr_Format(PyExc_RuntimeError, "mat1 and mat2 shapes cannot be multiplied (%lldx%lld and %lldx%lld)", (long long)rows,
                         (long long)k, (long long)w->size[1], (long long)n);
        rl_hint("the input's last dimension has %lld elements, the weight takes %lld", (long long)k, (long long)w->size[1]);
        return NULL;
    }
    if (RL_UNLIKELY(x->dtype != w->dtype || (bias && bias->dtype != x->dtype))) {
        PyErr_Format(PyExc_RuntimeError, "mat1 and mat2 must have the same dtype, but got %s and %s", rl_dtypes[x->dtype].legacy,
                     rl_dtypes[(x->dtype != w->dtype ? w : bias)->dtype].legacy);
        if (x->dtype != w->dtype)
            rl_hint("the input is torch.%s and the weight torch.%s: input.to(torch.%s)", rl_dtypes[x->dtype].name,
                    rl_dtypes[w->dtype].name, rl_dtypes[w->dtype].name);
        return NULL;
    }
    if (RL_UNLIKELY(bias && bias->ndim > 1)) return with_bias(impl_linear(x, w, NULL), bias);
    if (RL_UNLIKELY(bias && bias->numel != n && bias->numel != 1)) {
        PyErr_Format(PyExc_RuntimeError, "The expanded size of the tensor (%lld) must match the existing size (%lld) at non-singleton dimension %d.",
                     (long long)n, (long long)bias->numel, x->ndim - 1);
        return NULL;
    }
    const RLDType dt = (RLDType)x->dtype;
    const bool plain_bias = !bias || (RL_IS_CONTIGUOUS(bias) && bias->numel == n);
    if (RL_LIKELY((dt == RL_F32 || dt == RL_F64) && x->device == RL_CPU && w->device == RL_CPU && plain_bias)) {
        Tensor *out = rl_empty(x->ndim, size, dt, RL_CPU);
        if (!out || out->numel == 0) return out;
        const void *add = bias ? bias->data : NULL;
        Mat a = {x, x->data, false, k ? k : 1}, b = {w, w->data, true, k ? k : 1};
        const bool owned = !RL_IS_CONTIGUOUS(x) || !RL_IS_CONTIGUOUS(w);
        if (RL_UNLIKELY(owned)) {
            if (matrix_of_rows(x, &a) < 0) { Py_DECREF(out); return NULL; }
            if (as_matrix(w, 0, &b) < 0) { Py_DECREF(a.t); Py_DECREF(out); return NULL; }
            b.trans = !b.trans; /* w is used transposed */
        }
        product(dt, &a, &b, rows, n, k, 1, 0, out->data, add);
        if (owned) { Py_DECREF(a.t); Py_DECREF(b.t); }
        return out;
    }
    Tensor *wt = rl_t(w), *p = wt ? rl_matmul(x, wt) : NULL, *r = p;
    Py_XDECREF(wt);
    if (p && bias) { r = rl_add(p, bias, RL_ONE); Py_DECREF(p); }
    return r;
}
