"""Pooling: maxima and averages over windows, or over equal shares of the input."""

from rushlight._ops.define import composite, native

_INTERNAL = dict(function=False, method=False)
_NN = dict(namespaces=("nn.functional",), method=False)

# ---------------------------------------------------------------- maxima

_MAX = "int[{n}] kernel_size, int[{n}]? stride=None, int[{n}] padding=0, int[{n}] dilation=1, bool ceil_mode=False"
_EXAMPLE = """

       >>> import rushlight as torch
       >>> torch.max_pool2d(torch.arange(16.).view(1, 4, 4), 2)
       tensor([[[ 5.,  7.],
                [13., 15.]]])
       """

for _n, _size in ((2, "H, W"), (3, "D, H, W")):
    _args = _MAX.format(n=_n)
    native(f"max_pool{_n}d(Tensor input, {_args}) -> Tensor", records=True, method=False,
           doc=f"""The largest element of each window of (N, C, {_size}) or (C, {_size}); a NaN counts as the largest.

       stride is kernel_size when it is left out; padding is at most half a window; ceil_mode keeps a last window that
       reaches beyond the padded input.
       """.rstrip() + (_EXAMPLE if _n == 2 else ""))  # fmt: skip
    native(f"max_pool{_n}d_with_indices(Tensor input, {_args}) -> (Tensor, Tensor indices)", node=f"MaxPool{_n}DWithIndicesBackward0",
           derivative=f"max_pool_backward(grad0, indices, input.shape, {_n})",
           doc=f"max_pool{_n}d, and where in its plane each maximum lies.", **_NN)  # fmt: skip
    native(f"adaptive_max_pool{_n}d(Tensor input, int[{_n}] output_size) -> (Tensor, Tensor indices)",
           node=f"AdaptiveMaxPool{_n}DBackward0", derivative=f"max_pool_backward(grad0, indices, input.shape, {_n})",
           doc="The largest element of each of output_size equal shares of the input, and where it lies.", **_NN)  # fmt: skip

native("max_pool_backward(Tensor grad_output, Tensor indices, int[] input_size, int nd) -> Tensor", node="MaxPoolBackwardBackward0",
       edges=["grad_output"], derivative={"grad_output": "pick_maxima(grad, indices, nd)"}, **_INTERNAL)  # fmt: skip
composite("pick_maxima(Tensor input, Tensor indices, int nd) -> Tensor",
          "reshape(gather(flatten(input, -nd, -1), -1, flatten(indices, -nd, -1)), indices.shape)", **_INTERNAL)  # fmt: skip

native(f"max_pool1d(Tensor input, {_MAX.format(n=1)}) -> Tensor", records=True, method=False,
       doc="The largest element of each window of (N, C, L) or (C, L).")  # fmt: skip
composite(f"max_pool1d_with_indices(Tensor input, {_MAX.format(n=1)}) -> (Tensor, Tensor)", """
step = kernel_size[0]
if len(stride) > 0:
    step = stride[0]
values, indices = max_pool2d_with_indices(unsqueeze(input, -2), [1, kernel_size[0]], [1, step], [0, padding[0]], [1, dilation[0]], ceil_mode)
return squeeze_dim(values, [-2]), squeeze_dim(indices, [-2])
""", method=False, doc="max_pool1d, and where in its row each maximum lies.")  # fmt: skip

# ---------------------------------------------------------------- averages

_AVERAGE = ("int[{n}] kernel_size, int[{n}]? stride=None, int[{n}] padding=0, bool ceil_mode=False, bool count_include_pad=True, "
            "int? divisor_override=None")  # fmt: skip
_WHERE = "kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override"

for _n, _size in ((2, "H, W"), (3, "D, H, W")):
    native(f"avg_pool{_n}d(Tensor input, {_AVERAGE.format(n=_n)}) -> Tensor", out=True, node=f"AvgPool{_n}DBackward0",
           derivative=f"avg_pool_backward(grad, input.shape, {_n}, {_WHERE})",
           doc=f"""The mean of each window of (N, C, {_size}) or (C, {_size}).

       Padding counts as zeros, or with count_include_pad=False not at all; divisor_override replaces the count.
       """, **_NN)  # fmt: skip
    native(f"adaptive_avg_pool{_n}d(Tensor input, int[{_n}] output_size) -> Tensor", records=True,
           doc="The mean of each of output_size equal shares of the input.", **_NN)  # fmt: skip
    native(f"_adaptive_avg_pool{_n}d(Tensor input, int[{_n}] output_size) -> Tensor", node=f"AdaptiveAvgPool{_n}DBackward0",
           derivative=f"adaptive_avg_pool_backward(grad, input.shape, {_n})", **_INTERNAL)  # fmt: skip

native("avg_pool_backward(Tensor grad_output, int[] input_size, int nd, int[] kernel_size, int[]? stride, int[] padding, bool ceil_mode, "
       "bool count_include_pad, int? divisor_override) -> Tensor", node="AvgPoolBackwardBackward0",
       derivative=f"avg_pool2d(grad, {_WHERE}) if nd == 2 else avg_pool3d(grad, {_WHERE})", **_INTERNAL)  # fmt: skip
native("adaptive_avg_pool_backward(Tensor grad_output, int[] input_size, int nd) -> Tensor", node="AdaptiveAvgPoolBackwardBackward0",
       derivative="shares_like(grad, grad_output.shape, nd)", **_INTERNAL)  # fmt: skip
composite("shares_like(Tensor input, int[] shape, int nd) -> Tensor", """
if nd == 2:
    return _adaptive_avg_pool2d(input, [shape[-2], shape[-1]])
return _adaptive_avg_pool3d(input, [shape[-3], shape[-2], shape[-1]])
""", **_INTERNAL)  # fmt: skip

# One dimension: rows of height one.
_DIMS = """check(input.ndim == 2 or input.ndim == 3, "RuntimeError",
      "Expected 2 to 3 dimensions, but got %lld-dimensional tensor for argument #1 'self' (while checking arguments for {name})", input.ndim)
"""
_ONE = """check(len({arg}) == 1, "RuntimeError", "{name}() argument '{arg}' should contain one int (got %lld)", len({arg}))
"""

composite(f"avg_pool1d(Tensor input, {_AVERAGE.format(n=1).rpartition(',')[0]}) -> Tensor",
          _DIMS.format(name="avg_pool1d") + "".join(_ONE.format(name="avg_pool1d", arg=a) for a in ("kernel_size", "padding")) + """
step = kernel_size[0]
if len(stride) > 0:
    check(len(stride) == 1, "RuntimeError", "avg_pool1d() argument 'stride' should contain one int (got %lld)", len(stride))
    step = stride[0]
return squeeze_dim(avg_pool2d(unsqueeze(input, -2), [1, kernel_size[0]], [1, step], [0, padding[0]], ceil_mode, count_include_pad), [-2])
""", method=False, doc="The mean of each window of (N, C, L) or (C, L).")  # fmt: skip
composite("adaptive_avg_pool1d(Tensor input, int[1] output_size) -> Tensor",
          _DIMS.format(name="adaptive_avg_pool1d") + _ONE.format(name="adaptive_avg_pool1d", arg="output_size") +
          "return squeeze_dim(_adaptive_avg_pool2d(unsqueeze(input, -2), [1, output_size[0]]), [-2])",
          method=False, doc="The mean of each of output_size equal shares of (N, C, L) or (C, L).")  # fmt: skip
composite("adaptive_max_pool1d(Tensor input, int[1] output_size) -> (Tensor, Tensor)",
          _DIMS.format(name="adaptive_max_pool1d") + _ONE.format(name="adaptive_max_pool1d", arg="output_size") + """
values, indices = adaptive_max_pool2d(unsqueeze(input, -2), [1, output_size[0]])
return squeeze_dim(values, [-2]), squeeze_dim(indices, [-2])
""", method=False, doc="The largest element of each of output_size equal shares of (N, C, L), and where it lies.")  # fmt: skip
