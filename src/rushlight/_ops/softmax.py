"""Softmax and its logarithm. The kernels are in _core/softmax.c."""

from rushlight._ops.define import native

native("softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor", out="exact", derivative="_softmax_backward_data(grad, result, dim)",
       doc="""exp(input) / sum(exp(input)) along dim, computed in dtype if given.

       >>> import rushlight as torch
       >>> torch.softmax(torch.tensor([0., 1., 2.]), 0)
       tensor([0.0900, 0.2447, 0.6652])
       """)  # fmt: skip
native("log_softmax(Tensor input, int dim, dtype? dtype=None) -> Tensor", out="exact",
       derivative="_log_softmax_backward_data(grad, result, dim)",
       doc="log(softmax(input, dim)), exact where softmax would vanish; computed in dtype if given.")  # fmt: skip
native("_softmax_backward_data(Tensor grad_output, Tensor output, int dim) -> Tensor", function=False, method=False,
       derivative={"grad_output": "_softmax_backward_data(grad, output, dim)",
                   "output": "grad * (grad_output - sum_dim(grad_output * output, dim, True)) - "
                             "grad_output * sum_dim(grad * output, dim, True)"})  # fmt: skip
native("_log_softmax_backward_data(Tensor grad_output, Tensor output, int dim) -> Tensor", function=False, method=False,
       derivative={"grad_output": "grad - sum_dim(grad * exp(output), dim, True)",
                   "output": "-(grad * exp(output) * sum_dim(grad_output, dim, True))"})  # fmt: skip
