"""Running folds along a dimension, and reductions made of others: norms, logsumexp, distances."""

from rushlight._ops.define import composite, native

# ---------------------------------------------------------------- running folds

native("cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", inplace=True, out=True, derivative="reversed_cumsum(grad, dim)",
       doc="Sums of the elements so far along dim; integers add up in int64.")  # fmt: skip
native("cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", inplace=True, out=True,
       derivative="cumprod_backward(grad, input, result, dim)", doc="Products of the elements so far along dim.")  # fmt: skip
composite("reversed_cumsum(Tensor input, int dim) -> Tensor", """
if input.numel <= 1:
    return input
return flip(cumsum(flip(input, [dim]), dim), [dim])
""", function=False, method=False)  # fmt: skip
# d result[i] / d input[k] is the product of all elements up to i but the k-th: what comes before k is
# result[k - 1], and the rest, s[k] = grad[k] + input[k + 1] * s[k + 1], never divides, so zeros need no care.
composite("cumprod_backward(Tensor grad, Tensor input, Tensor result, int dim) -> Tensor", """
if input.numel <= 1:
    return grad
n = input.shape[dim]
one = ones_like(narrow(input, dim, 0, 1))
before = cat([one, narrow(result, dim, 0, n - 1)], dim)
factors = cat([narrow(input, dim, 1, n - 1), one], dim)
return conj(before) * flip(linear_recurrence(flip(conj(factors), [dim]), flip(grad, [dim]), dim), [dim])
""", function=False, method=False)  # fmt: skip
native("linear_recurrence(Tensor a, Tensor b, int dim) -> Tensor", function=False, method=False,
       derivative={"a": "linear_recurrence_backward_a(grad, a, result, dim)", "b": "linear_recurrence_backward_b(grad, a, dim)"},
       doc="s[k] = b[k] + a[k] * s[k - 1] along dim, from s[0] = b[0].")  # fmt: skip
composite("linear_recurrence_backward_b(Tensor grad, Tensor a, int dim) -> Tensor", """
n = a.shape[dim]
later = cat([narrow(a, dim, 1, n - 1), zeros_like(narrow(a, dim, 0, 1))], dim)
return flip(linear_recurrence(flip(conj(later), [dim]), flip(grad, [dim]), dim), [dim])
""", function=False, method=False)  # fmt: skip
composite("linear_recurrence_backward_a(Tensor grad, Tensor a, Tensor result, int dim) -> Tensor", """
before = cat([zeros_like(narrow(a, dim, 0, 1)), narrow(result, dim, 0, a.shape[dim] - 1)], dim)
return linear_recurrence_backward_b(grad, a, dim) * conj(before)
""", function=False, method=False)  # fmt: skip
