/* conv.h -- convolution in one, two and three dimensions on contiguous memory, forward and backward. No Python.
 *
 *     out[n, o, q] = bias[o] + sum over c, t of w[o, c, t] * x[n, c0(o) + c, q * stride - padding + t * dilation]
 *
 * for positions q of the output and taps t of the kernel; elements outside x are zero, and c0(o) is the first channel
 * of o's group.  x is (batch, in_channels, *in), w (out_channels, in_channels / groups, *kernel) and out (batch,
 * out_channels, *out).  Fewer than three dimensions are three with leading dimensions of size one.
 *
 * A transposed convolution is the input gradient of the convolution that leads from its result to its argument:
 * describe that one, call grad_input for the forward pass and forward for its input gradient; grad_weight takes the
 * transposed convolution's output gradient as x and its argument as grad.
 */
#ifndef RL_CONV_H
#define RL_CONV_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t batch, in_channels, out_channels, groups;
    int64_t in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
} RLConv;

/* Fills the six geometry fields from arrays of nd (1..3) numbers; `out` is computed. The counts are left alone. */
void rl_conv_geometry(RLConv *d, int nd, const int64_t *in, const int64_t *kernel, const int64_t *stride,
                      const int64_t *padding, const int64_t *dilation);

/* Bytes of scratch, bounded by about a megabyte (more where a single tap row is larger), 0 where none is needed. */
size_t rl_conv_scratch(const RLConv *d, size_t itemsize);

/* All results are overwritten.  `scratch` has rl_conv_scratch bytes, or is NULL: then the call allocates it itself and
 * returns -1 when memory is short, else 0.  bias may be NULL; grad_input's has in_channels entries and is what its
 * result starts from (the bias of a transposed convolution). */
#define RL_CONV_DECLARE(T, SUFFIX)                                                                                  \
    int rl_conv_forward_##SUFFIX(const RLConv *d, const T *x, const T *w, const T *bias, T *out, void *scratch);    \
    int rl_conv_grad_input_##SUFFIX(const RLConv *d, const T *grad, const T *w, const T *bias, T *grad_x,           \
                                    void *scratch);                                                                 \
    int rl_conv_grad_weight_##SUFFIX(const RLConv *d, const T *x, const T *grad, T *grad_w, void *scratch);         \
    void rl_conv_grad_bias_##SUFFIX(const RLConv *d, const T *grad, T *grad_bias);

RL_CONV_DECLARE(float, f32)
RL_CONV_DECLARE(double, f64)
#undef RL_CONV_DECLARE

#endif
