"""Layer, RMS, group and batch normalisation.

Forward and backward are fused kernels (_core/norm.c, _core/batch_norm.c). A gradient that is to be differentiated again is composed of
operations instead: the *_backward_composed below, the same formulas.
"""

from rushlight._ops.define import composite, native, python

_INTERNAL = dict(function=False, method=False)
_NEEDS = "bool needs_input, bool needs_weight, bool needs_bias"
_GRADS = "(Tensor, Tensor, Tensor)"
_needs = "needs_input, needs_weight, needs_bias"

# dx = rstd (u - mean(u) - xhat mean(u xhat)), means over the dimensions `over` of a set's own statistics
_THREE = "return (reshape(dx, input.shape) if needs_input else None), ({w} if needs_weight else None), ({b} if needs_bias else None)"

# ---------------------------------------------------------------- layer norm

native("layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enable=True) "
       "-> Tensor", method=False, node="NativeLayerNormBackward0",
       derivative={"input, weight, bias": f"layer_norm_backward(grad, input, normalized_shape, weight, eps, {_needs})"},
       doc="""(x - mean) / sqrt(var + eps) * weight + bias, mean and var over the last dimensions, normalized_shape (Ba et al., 2016).

       weight and bias have the shape normalized_shape. var divides by the count.

       >>> import rushlight as torch
       >>> torch.layer_norm(torch.tensor([[0., 2.]]), (2,), eps=0.)
       tensor([[-1.,  1.]])
       """)  # fmt: skip
native(f"layer_norm_backward(Tensor grad_output, Tensor input, int[] normalized_shape, Tensor? weight, float eps, {_NEEDS}) -> {_GRADS}",
       records=True, **_INTERNAL)  # fmt: skip
composite(f"layer_norm_backward_composed(Tensor grad_output, Tensor input, int[] normalized_shape, Tensor? weight, float eps, {_NEEDS}) "
          f"-> {_GRADS}", """
columns = prod(normalized_shape)
rows = input.numel // columns
x = reshape(input, [rows, columns])
g = reshape(grad_output, [rows, columns])
u = g * reshape(weight, [columns]) if weight is not None else g
centred = x - mean_dim(x, [1], True)
rstd = rsqrt(mean_dim(centred * centred, [1], True) + eps)
xhat = centred * rstd
dx = rstd * (u - mean_dim(u, [1], True) - xhat * mean_dim(u * xhat, [1], True))
""" + _THREE.format(w="reshape(sum_dim(g * xhat, [0]), normalized_shape)", b="reshape(sum_dim(g, [0]), normalized_shape)"), **_INTERNAL)  # fmt: skip

# ---------------------------------------------------------------- RMS norm

native("rms_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, float? eps=None) -> Tensor", records=True, method=False,
       doc="""input / sqrt(mean(input^2) + eps) * weight, the mean over the last dimensions, normalized_shape (Zhang and Sennrich, 2019).

       eps None is the machine epsilon of the computation.

       >>> import rushlight as torch
       >>> torch.rms_norm(torch.tensor([[3., 4.]]), (2,), torch.tensor([1., 2.]), eps=0.)
       tensor([[0.8485, 2.2627]])
       """)  # fmt: skip
native("rms_norm_fused(Tensor input, int[] normalized_shape, Tensor? weight, float eps) -> Tensor", node="MulBackward0",
       derivative={"input, weight": "rms_norm_backward(grad, input, normalized_shape, weight, eps, needs_input, needs_weight)"}, **_INTERNAL)  # fmt: skip
native("rms_norm_backward(Tensor grad_output, Tensor input, int[] normalized_shape, Tensor? weight, float eps, bool needs_input, "
       "bool needs_weight) -> (Tensor, Tensor)", records=True, **_INTERNAL)  # fmt: skip
composite("rms_norm_composed(Tensor input, int[] normalized_shape, Tensor? weight, float eps) -> Tensor", """
columns = prod(normalized_shape)
x = reshape(input, [-1, columns])
scaled = reshape(x * rsqrt(mean_dim(x * x, [1], True) + eps), input.shape)
return scaled * weight if weight is not None else scaled
""", **_INTERNAL)  # fmt: skip
composite("rms_norm_backward_composed(Tensor grad_output, Tensor input, int[] normalized_shape, Tensor? weight, float eps, bool needs_input, "
          "bool needs_weight) -> (Tensor, Tensor)", """
columns = prod(normalized_shape)
rows = input.numel // columns
x = reshape(input, [rows, columns])
g = reshape(grad_output, [rows, columns])
u = g * reshape(weight, [columns]) if weight is not None else g
rstd = rsqrt(mean_dim(x * x, [1], True) + eps)
xhat = x * rstd
dx = rstd * (u - xhat * mean_dim(u * xhat, [1], True))
return (reshape(dx, input.shape) if needs_input else None), (reshape(sum_dim(g * xhat, [0]), normalized_shape) if needs_weight else None)
""", **_INTERNAL)  # fmt: skip

# ---------------------------------------------------------------- group norm

native("group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05, bool cudnn_enabled=True) -> Tensor",
       method=False, node="NativeGroupNormBackward0",
       derivative={"input, weight, bias": f"group_norm_backward(grad, input, num_groups, weight, eps, {_needs})"},
       doc="""(x - mean) / sqrt(var + eps) * weight + bias, mean and var over num_groups groups of each sample's channels (Wu and He, 2018).

       input is (N, C, ...), C a multiple of num_groups; weight and bias are (C,).
       """)  # fmt: skip
native(f"group_norm_backward(Tensor grad_output, Tensor input, int num_groups, Tensor? weight, float eps, {_NEEDS}) -> {_GRADS}",
       records=True, **_INTERNAL)  # fmt: skip
composite(f"group_norm_backward_composed(Tensor grad_output, Tensor input, int num_groups, Tensor? weight, float eps, {_NEEDS}) -> {_GRADS}", """
n = input.shape[0]
c = input.shape[1]
s = input.numel // (n * c)
rows = n * num_groups
columns = c * s // num_groups
x = reshape(input, [rows, columns])
g = reshape(grad_output, [n, c, s])
u = reshape(g * reshape(weight, [1, c, 1]) if weight is not None else g, [rows, columns])
centred = x - mean_dim(x, [1], True)
rstd = rsqrt(mean_dim(centred * centred, [1], True) + eps)
xhat = centred * rstd
dx = rstd * (u - mean_dim(u, [1], True) - xhat * mean_dim(u * xhat, [1], True))
""" + _THREE.format(w="sum_dim(g * reshape(xhat, [n, c, s]), [0, 2])", b="sum_dim(g, [0, 2])"), **_INTERNAL)  # fmt: skip

# ---------------------------------------------------------------- batch norm

native("batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight=None, Tensor? bias=None, bool training=False, "
       "float momentum=0.1, float eps=1e-05) -> Tensor", records=True, method=False,
       doc="""(x - mean) / sqrt(var + eps) * weight + bias, a channel of all samples at a time (Ioffe and Szegedy, 2015).

       input is (N, C, ...). In training mean and var are the batch's, and the running ones move towards them by
       momentum (var with the unbiased divisor); otherwise they are the running ones. torch.batch_norm's own order
       (input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled) is understood as well.
       """)  # fmt: skip
native("batch_norm.native(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, "
       "float momentum, float eps, bool cudnn_enabled) -> Tensor", records=True, method=False)  # fmt: skip
native("batch_norm_apply(Tensor input, Tensor? weight, Tensor? bias, Tensor stats, bool training, float eps) -> Tensor",
       node="NativeBatchNormBackward0", edges=["input", "weight", "bias"],
       derivative={"input, weight, bias": f"batch_norm_backward(grad, input, weight, stats, training, eps, {_needs})"}, **_INTERNAL)  # fmt: skip
native(f"batch_norm_backward(Tensor grad_output, Tensor input, Tensor? weight, Tensor stats, bool training, float eps, {_NEEDS}) -> {_GRADS}",
       records=True, **_INTERNAL)  # fmt: skip
composite(f"batch_norm_backward_composed(Tensor grad_output, Tensor input, Tensor? weight, Tensor stats, bool training, float eps, {_NEEDS}) "
          f"-> {_GRADS}", """
n = input.shape[0]
c = input.shape[1]
s = input.numel // (n * c)
x = reshape(input, [n, c, s])
g = reshape(grad_output, [n, c, s])
u = g * reshape(weight, [1, c, 1]) if weight is not None else g
if training:
    centred = x - mean_dim(x, [0, 2], True)
    rstd = rsqrt(mean_dim(centred * centred, [0, 2], True) + eps)
    xhat = centred * rstd
    dx = rstd * (u - mean_dim(u, [0, 2], True) - xhat * mean_dim(u * xhat, [0, 2], True))
else:
    known = reshape(to_dtype(stats, input.dtype), [2, 1, c, 1])
    rstd = select(known, 0, 1)
    xhat = (x - select(known, 0, 0)) * rstd
    dx = u * rstd
""" + _THREE.format(w="sum_dim(g * xhat, [0, 2])", b="sum_dim(g, [0, 2])"), **_INTERNAL)  # fmt: skip

# ---------------------------------------------------------------- the statistics beside the result


@python("native_layer_norm(Tensor input, int[] normalized_shape, Tensor? weight, Tensor? bias, float eps) -> (Tensor, Tensor, Tensor)", method=False,
        doc="layer_norm(), the means and the reciprocal standard deviations.")  # fmt: skip
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    from rushlight import _C

    out = _C.layer_norm(input, normalized_shape, weight, bias, eps)
    with _C.no_grad():
        dims = list(range(-len(normalized_shape), 0))
        mean = input.mean(dims, keepdim=True)
        return out, mean, (input.var(dims, correction=0, keepdim=True) + eps).rsqrt()


@python("native_group_norm(Tensor input, Tensor? weight, Tensor? bias, int N, int C, int HxW, int group, float eps) -> (Tensor, Tensor, Tensor)",
        method=False, doc="group_norm() of N samples of C channels, the means and the reciprocal standard deviations.")  # fmt: skip
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    from rushlight import _C

    sets = input.reshape(N, group, C // group * HxW)
    return _C.group_norm(input, group, weight, bias, eps), sets.mean(-1), (sets.var(-1, correction=0) + eps).rsqrt()


@python("native_batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training, float momentum, "
        "float eps) -> (Tensor, Tensor, Tensor)", method=False, out=True,
        doc="batch_norm(), and in training the means and reciprocal standard deviations (else two empty tensors).")  # fmt: skip
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    from rushlight import _C

    out = _C.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return out, input.new_empty(0), input.new_empty(0)
    with _C.no_grad():
        dims = [0, *range(2, input.dim())]
        return out, input.mean(dims), (input.var(dims, correction=0) + eps).rsqrt()
