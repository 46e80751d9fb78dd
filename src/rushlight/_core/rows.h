/* rows.h -- walks the rows of some tensors along one dimension: all of the same shape, strides of any kind. */
#ifndef RL_ROWS_H
#define RL_ROWS_H
#include "rl.h"
#include "row.h"

/* `for (rl_rows_begin(&r, dim, n, tensors); r.left; rl_rows_next(&r))`; dim has been wrapped. A tensor without
 * dimensions is a row of one element. Tensors may differ in size along dim: r.n is that of the first. */
static inline void rl_rows_begin(Rows *r, int64_t dim, int n, Tensor *const *t) {
    const int ndim = t[0]->ndim;
    int m = 0;
    r->n_tensors = n;
    r->n = ndim ? t[0]->size[dim] : 1;
    r->left = 1;
    for (int d = 0; d < ndim; d++) {
        const int64_t size = t[0]->size[d];
        if (d == dim || size == 1) continue;
        r->left *= size;
        bool merge = m > 0;
        for (int k = 0; merge && k < n; k++) merge = r->stride[m - 1][k] == t[k]->stride[d] * size * RL_ITEMSIZE(t[k]->dtype);
        if (!merge) { r->size[m] = 1; m++; }
        r->size[m - 1] *= size;
        r->count[m - 1] = 0;
        for (int k = 0; k < n; k++) r->stride[m - 1][k] = t[k]->stride[d] * RL_ITEMSIZE(t[k]->dtype);
    }
    r->ndim = m;
    for (int k = 0; k < n; k++) {
        r->p[k] = t[k]->data;
        r->step[k] = ndim ? t[k]->stride[dim] * RL_ITEMSIZE(t[k]->dtype) : 0;
        r->side[k] = m ? r->stride[m - 1][k] : 0;
    }
}

/* From the first row to row `at`. */
static inline void rl_rows_seek(Rows *r, int64_t at) {
    r->left -= at;
    for (int d = r->ndim - 1; d >= 0; d--) {
        r->count[d] = at % r->size[d];
        at /= r->size[d];
        for (int k = 0; k < r->n_tensors; k++) r->p[k] += r->count[d] * r->stride[d][k];
    }
}

/* How many rows lie on one line from here on, at most `most`. */
static inline int64_t rl_rows_beside(const Rows *r, int64_t most) {
    const int64_t m = r->ndim ? r->size[r->ndim - 1] - r->count[r->ndim - 1] : 1;
    return m < most ? m : most;
}

/* Past m rows, which lie on one line. */
static inline void rl_rows_skip(Rows *r, int64_t m) {
    r->left -= m;
    for (int d = r->ndim - 1; d >= 0; d--, m = 1) {
        r->count[d] += m;
        const bool carry = r->count[d] == r->size[d];
        if (carry) r->count[d] = 0;
        for (int k = 0; k < r->n_tensors; k++) r->p[k] += r->stride[d][k] * (carry ? m - r->size[d] : m);
        if (!carry) return;
    }
}
static inline void rl_rows_next(Rows *r) { rl_rows_skip(r, 1); }
#endif
