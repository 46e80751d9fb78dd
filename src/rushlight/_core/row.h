/* row.h -- where the rows of some tensors lie that are walked together; rows.h does the walking. */
#ifndef RL_ROW_H
#define RL_ROW_H
#include "kernel.h"

#define RL_ROWS_TENSORS 4

/* The dimensions besides the row's own, those of one element left out and neighbours that are one walk merged, so that
 * as many rows as possible lie on one line: a constant distance apart. */
typedef struct {
    int n_tensors, ndim;
    int64_t left;                        /* rows still to come */
    int64_t n;                           /* elements of a row */
    char *p[RL_ROWS_TENSORS];            /* where the row begins in each tensor */
    int64_t step[RL_ROWS_TENSORS];       /* bytes from one element of the row to the next */
    int64_t side[RL_ROWS_TENSORS];       /* bytes from one row of the line to the next */
    int64_t size[RL_MAXDIM], count[RL_MAXDIM];
    int64_t stride[RL_MAXDIM][RL_ROWS_TENSORS];
} Rows;

#endif
