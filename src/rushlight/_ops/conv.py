"""Convolutions.

conv1d/2d/3d and their transposed forms check what PyTorch checks by name and go to `convolution`; it and its two
gradients are each other's derivatives, so that gradients exist to any order.
"""

from rushlight._ops.define import composite, native

_WHERE = "stride, padding, dilation, transposed, output_padding, groups"
_GEOMETRY = "int[] stride, int[] padding, int[] dilation, bool transposed, int[] output_padding, int groups"
_INTERNAL = dict(function=False, method=False)

native(f"convolution(Tensor input, Tensor weight, Tensor? bias, {_GEOMETRY}) -> Tensor", method=False,
       derivative={"input": f"conv_grad_input(grad, weight, input.shape, {_WHERE})",
                   "weight": f"conv_grad_weight(grad, input, weight.shape, {_WHERE})", "bias": "conv_grad_bias(grad)"},
       doc="The convolution in as many dimensions as weight has beyond two; `transposed` for the gradient-like form.")  # fmt: skip
native(f"conv_grad_input(Tensor grad_output, Tensor weight, int[] input_size, {_GEOMETRY}) -> Tensor", node="ConvolutionBackwardBackward0",
       derivative={"grad_output": f"convolution(grad, weight, None, {_WHERE})",
                   "weight": f"conv_grad_weight(grad_output, grad, weight.shape, {_WHERE})"}, **_INTERNAL)  # fmt: skip
native(f"conv_grad_weight(Tensor grad_output, Tensor input, int[] weight_size, {_GEOMETRY}) -> Tensor", node="ConvolutionBackwardBackward0",
       derivative={"grad_output": f"convolution(input, grad, None, {_WHERE})",
                   "input": f"conv_grad_input(grad_output, grad, input.shape, {_WHERE})"}, **_INTERNAL)  # fmt: skip
native("conv_grad_bias(Tensor grad_output) -> Tensor", node="ConvolutionBackwardBackward0",
       derivative="expand_channels(grad, grad_output.shape)", **_INTERNAL)  # fmt: skip
composite("expand_channels(Tensor input, int[] shape) -> Tensor", """
if len(shape) == 2:
    return expand(input, shape)
if len(shape) == 3:
    return expand_reduced(input, shape, [0, 2], False)
if len(shape) == 4:
    return expand_reduced(input, shape, [0, 2, 3], False)
return expand_reduced(input, shape, [0, 2, 3, 4], False)
""", **_INTERNAL)  # fmt: skip

_SHAPES = {1: ("L", "K"), 2: ("H, W", "KH, KW"), 3: ("D, H, W", "KD, KH, KW")}
_EXAMPLE = """

       >>> import rushlight as torch
       >>> torch.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), padding=1)
       tensor([[[[4., 6., 4.],
                 [6., 9., 6.],
                 [4., 6., 4.]]]])
       """

for _n, (_size, _kernel) in _SHAPES.items():
    _form = "result[n, o, q] = bias[o] + sum over c, t of weight[o, c, t] * input[n, c, q * stride - padding + t * dilation]"
    native(f"conv{_n}d(Tensor input, Tensor weight, Tensor? bias=None, int[{_n}] stride=1, int[{_n}] padding=0, "
           f"int[{_n}] dilation=1, int groups=1) -> Tensor", records=True, method=False, autocast="narrow",
           doc=f"""Cross-correlation: {_form}.

       input is (N, C, {_size}) or (C, {_size}), weight (O, C / groups, {_kernel}), bias (O,), of one dtype. padding may be
       "valid" (none) or "same" (the size is kept; stride must be 1). Errors: RuntimeError where sizes do not fit.
       """.rstrip() + (_EXAMPLE if _n == 2 else ""))  # fmt: skip
    native(f"conv{_n}d.padding(Tensor input, Tensor weight, Tensor? bias=None, int[{_n}] stride=1, str padding='valid', "
           f"int[{_n}] dilation=1, int groups=1) -> Tensor", records=True, method=False, autocast="narrow")  # fmt: skip
    native(f"conv_transpose{_n}d(Tensor input, Tensor weight, Tensor? bias=None, int[{_n}] stride=1, int[{_n}] padding=0, "
           f"int[{_n}] output_padding=0, int groups=1, int[{_n}] dilation=1) -> Tensor", records=True, method=False, autocast="narrow",
           doc=f"""The transposed convolution: what conv{_n}d's input gradient computes, as an operation of its own.

       input is (N, C, {_size}) or (C, {_size}), weight (C, O / groups, {_kernel}), bias (O,). Each size becomes
       (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1.
       """)  # fmt: skip

# ---------------------------------------------------------------- padding with a constant

native("constant_pad_nd(Tensor input, int[] pad, Scalar value=0) -> Tensor", method=False,
       derivative="constant_pad_nd_backward(grad, pad)",
       doc="Widens the last dimensions with a value; pad is (left, right) of the last, then of the one before; negative sizes crop.",
       code="""
Tensor *impl_constant_pad_nd(Tensor *input, Ints pad, Scalar value) {
    const int nd = input->ndim, first = nd - pad.n / 2;
    if (pad.n % 2) {
        PyErr_Format(PyExc_RuntimeError, "Length of pad must be even but instead it equals %d", pad.n);
        return NULL;
    }
    if (first < 0) {
        PyErr_Format(PyExc_RuntimeError, "Length of pad should be no more than twice the number of dimensions of the input. Pad length is %d"
                     "while the input has %ddimensions.", pad.n, nd);
        return NULL;
    }
    /* the part of the input that stays, and where it lies in the result */
    int64_t size[RL_MAXDIM], kept[RL_MAXDIM], from = 0, to = 0;
    bool grows = false;
    for (int d = 0; d < nd; d++) {
        const int64_t *p = d < first ? (const int64_t[]){0, 0} : pad.v + 2 * (nd - 1 - d);
        size[d] = input->size[d] + p[0] + p[1];
        kept[d] = input->size[d] + (p[0] < 0 ? p[0] : 0) + (p[1] < 0 ? p[1] : 0);
        if (kept[d] < 0) {
            PyErr_SetString(PyExc_RuntimeError, "narrow(): length must be non-negative.");
            return NULL;
        }
        if (size[d] < 0) {
            PyErr_Format(PyExc_RuntimeError, "The input size %lld, plus negative padding %lld and %lld, resulted in a negative output size, "
                         "which is invalid. Check dimension %d of your input.", (long long)input->size[d], (long long)p[0], (long long)p[1], d);
            return NULL;
        }
        grows |= p[0] > 0 || p[1] > 0;
    }
    Tensor *out = grows ? rl_full_scalar(nd, size, value, (RLDType)input->dtype, input->device)
                        : rl_empty(nd, size, (RLDType)input->dtype, input->device);
    if (!out || out->device != RL_CPU) return out;
    for (int d = first; d < nd; d++) {
        const int64_t left = pad.v[2 * (nd - 1 - d)];
        if (left < 0) from -= left * input->stride[d];
        else to += left * out->stride[d];
    }
    const int item = RL_ITEMSIZE(out->dtype);
    Tensor *source = rl_alias(input, nd, kept, input->stride, input->data + from * item);
    Tensor *target = source ? rl_alias(out, nd, kept, out->stride, out->data + to * item) : NULL;
    const int bad = !target || (target->numel && rl_copy_raw(target, source) < 0);
    Py_XDECREF(source);
    Py_XDECREF(target);
    if (bad) Py_CLEAR(out);
    return out;
}
""")  # fmt: skip
native("constant_pad_nd_backward(Tensor grad, int[] pad) -> Tensor", records=True, function=False, method=False, code="""
Tensor *rl_constant_pad_nd_backward(Tensor *grad, Ints pad) {
    int64_t back[2 * RL_MAXDIM];
    for (int i = 0; i < pad.n; i++) back[i] = -pad.v[i];
    return rl_constant_pad_nd(grad, (Ints){back, pad.n}, (Scalar){'i', {.i = 0}, 0});
}
""")  # fmt: skip
