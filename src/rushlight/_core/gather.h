/* gather.h -- moving elements to and from places that indices name; shared by the files that do so. */
#ifndef RL_GATHER_H
#define RL_GATHER_H
#include "rl.h"

/* `rows` times n elements: those at a + off[i] against those at b + i * s[0] (bytes), a and b moving on by s[1] and
 * s[2] from row to row.  GET reads a into b, the others write a.  Offsets have been checked by whoever made them. */
typedef void (*RLPoints)(char *a, const int64_t *off, char *b, const int64_t *s, int64_t n, int64_t rows);
enum { PT_GET, PT_PUT, PT_ADD, PT_MUL, PT_MIN, PT_MAX };
RLPoints rl_points(int mode, RLDType dt, const char *op);    /* NULL and an error where there is none */

/* Where an index expression leads: the input's dimensions that no index names, before and after the
 * place of the indexed ones, and the byte offset that each combination of indices adds. */
typedef struct {
    int64_t *off, n_off;
    int n_pre, n_post;
    int64_t pre_size[RL_MAXDIM], pre_stride[RL_MAXDIM], n_pre_total;
    int64_t post_size[RL_MAXDIM], post_stride[RL_MAXDIM], n_post_total;
    int ndim;
    int64_t size[RL_MAXDIM];   /* of the result */
} RLPlan;

int rl_plan_index(RLPlan *p, Tensor *t, Tensors indices, Tensor *values); /* values: what will be written there, or NULL */
/* One vector of indices along dim; `out_of_range` replaces the usual message and forbids negatives. */
int rl_plan_dim(RLPlan *p, Tensor *t, int64_t dim, Tensor *index, const char *out_of_range);
void rl_plan_free(RLPlan *p);
/* to[i] = what lies at from + places[i] * step; false where a place is not below `limit` (or, with `wrap`, not at or
 * above -limit). */
bool rl_take_places(const char *from, int64_t step, int64_t limit, bool wrap, const int64_t *places, int64_t n, char *to, int64_t item);
/* b: contiguous in the plan's shape, or a single element when `single`. */
int rl_plan_run(const RLPlan *p, int mode, Tensor *t, char *b, bool single, const char *op);

Tensor *rl_set_places(const Tensor *mask);                   /* where it holds, by place in the flattened mask */
void rl_masked_fill_bytes(void *to, const void *from, const char *mask, int64_t n, const void *value, int64_t itemsize);

int rl_index_dtype(Tensor *index, const char *op);           /* int32 or int64, else -1 */
Tensor *rl_as_index(Tensor *index);                          /* contiguous int64 */
Tensor *rl_zeros_as(Tensor *like, int ndim, const int64_t *size);
int rl_plan_write(const RLPlan *p, int mode, Tensor *t, Tensor *value, const char *op); /* broadcasts value */
Tensor *rl_plan_read(const RLPlan *p, Tensor *t, const char *op);
void rl_shape_error(PyObject *type, const char *format, int n1, const int64_t *s1, int n2, const int64_t *s2);
const char *rl_c_name(RLDType dt);                          /* "float", "long int": as some messages have it */
PyObject *rl_ints_list(int n, const int64_t *v);
Tensor *rl_broadcast_raw(Tensor *t, int ndim, const int64_t *size); /* contiguous, no history */
Tensor *rl_one_dim(Tensor *t);                               /* a 0-dim tensor seen as (1,); else t itself */
#endif
