/* rows.h -- walks the rows of some tensors along one dimension: all of the same shape, strides of any kind. */
#ifndef RL_ROWS_H
#define RL_ROWS_H
#include "rl.h"

#define RL_ROWS_TENSORS 4

typedef struct {
    int n_tensors, ndim, dim;
    int64_t left;                        /* rows still to come */
    int64_t n;                           /* elements of a row */
    const int64_t *size;
    int64_t count[RL_MAXDIM];
    char *p[RL_ROWS_TENSORS];            /* where the row begins in each tensor */
    int64_t step[RL_ROWS_TENSORS];       /* bytes from one element of the row to the next */
    Tensor *t[RL_ROWS_TENSORS];
} Rows;

/* `for (rl_rows_begin(&r, dim, n, tensors); r.left; rl_rows_next(&r))`; dim has been wrapped. A tensor without
 * dimensions is a row of one element. Tensors may differ in size along dim: r.n is that of the first. */
static inline void rl_rows_begin(Rows *r, int64_t dim, int n, Tensor *const *t) {
    r->n_tensors = n;
    r->ndim = t[0]->ndim;
    r->dim = (int)dim;
    r->size = t[0]->size;
    r->n = r->ndim ? t[0]->size[dim] : 1;
    r->left = 1;
    for (int d = 0; d < r->ndim; d++) {
        r->count[d] = 0;
        if (d != dim) r->left *= r->size[d];
    }
    for (int k = 0; k < n; k++) {
        r->t[k] = t[k];
        r->p[k] = t[k]->data;
        r->step[k] = r->ndim ? t[k]->stride[dim] * RL_ITEMSIZE(t[k]->dtype) : 0;
    }
}

static inline void rl_rows_next(Rows *r) {
    r->left--;
    for (int d = r->ndim - 1; d >= 0; d--) {
        if (d == r->dim) continue;
        const bool carry = ++r->count[d] == r->size[d];
        if (carry) r->count[d] = 0;
        for (int k = 0; k < r->n_tensors; k++) {
            const int64_t step = r->t[k]->stride[d] * RL_ITEMSIZE(r->t[k]->dtype);
            r->p[k] += carry ? step * (1 - r->size[d]) : step;
        }
        if (!carry) return;
    }
}
#endif
