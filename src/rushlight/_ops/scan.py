"""Running folds along a dimension, and reductions made of others: norms, logsumexp, distances."""

from rushlight._ops.define import composite, native

# ---------------------------------------------------------------- running folds

native("cumsum(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", inplace=True, out="apart typed", derivative="reversed_cumsum(grad, dim)",
       doc="""Sums of the elements so far along dim; integers add up in int64.

       >>> import rushlight as torch
       >>> torch.tensor([1, 2, 3]).cumsum(0)
       tensor([1, 3, 6])
       """)  # fmt: skip
native("cumprod(Tensor input, int dim, *, dtype? dtype=None) -> Tensor", inplace=True, out="apart typed",
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
for _name, _doc in (("cummax", "largest"), ("cummin", "smallest")):
    native(f"{_name}(Tensor input, int dim) -> (Tensor values, Tensor indices)", out=True,
           derivative="scatter_add(zeros_like(input), dim, indices, grad_values)",
           doc=f"The {_doc} element so far along dim (the last of equals), and where it is; NaN wins.")  # fmt: skip
native("logcumsumexp(Tensor input, int dim) -> Tensor", out=True, derivative="logcumsumexp_backward(grad, input, result, dim)",
       doc="log of the sums of exp(input) so far along dim, without overflow.")  # fmt: skip
# Positive and negative gradients apart, in logarithms, so that no exponential leaves its range.
composite("logcumsumexp_backward(Tensor grad, Tensor input, Tensor result, int dim) -> Tensor", """
if is_complex(input.dtype):
    return conj(logcumsumexp_share(conj(grad), input, result, dim))
up = logcumsumexp_share(where(grad > 0, grad, 0.0), input, result, dim)
down = logcumsumexp_share(where(grad < 0, -grad, 0.0), input, result, dim)
return up - down
""", function=False, method=False)  # fmt: skip
composite("logcumsumexp_share(Tensor grad, Tensor input, Tensor result, int dim) -> Tensor",
          "exp(flip(logcumsumexp(flip(log(grad) - result, [dim]), dim), [dim]) + input)", function=False, method=False)  # fmt: skip

# ---------------------------------------------------------------- sums of exponentials and of what is a number

composite("logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor", """
x = input
if not is_inexact(input.dtype):
    x = input * 1.0
if x.numel == 0:
    return log(sum_dim(exp(x), dim, keepdim))
top = real(x)
top = amax(top, dim, True)
top = masked_fill(top, isinf(top), 0.0)
total = log(sum_dim(exp(x - top), dim, True)) + top
if keepdim:
    return total
return squeeze_dim(total, dim)
""", out=True, derivative="grad_of_logsumexp(grad, input, result, dim, keepdim)",
          doc="""log(sum(exp(input))) along dim, without overflow.

       >>> import rushlight as torch
       >>> torch.tensor([1000.0, 1000.0]).logsumexp(0)
       tensor(1000.6932)
       """)  # fmt: skip
composite("grad_of_logsumexp(Tensor grad, Tensor input, Tensor result, int[] dim, bool keepdim) -> Tensor",
          "expand_reduced(grad, input.shape, dim, keepdim) * conj(exp(input - expand_reduced(result, input.shape, dim, keepdim)))",
          function=False, method=False)  # fmt: skip
composite("nanmean(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor",
          "nansum(input, dim, keepdim, dtype=dtype) / sum_dim(logical_not(isnan(input)), dim, keepdim)", out=True,
          doc="The mean of what is not NaN.")  # fmt: skip
composite("count_nonzero(Tensor input, int[1]? dim=None) -> Tensor", "sum_dim(input != 0, dim)", doc="How many elements are not zero.")
for _name in ("var", "std"):
    composite(f"{_name}_mean(Tensor input, bool unbiased) -> (Tensor, Tensor)", f"return ({_name}(input, unbiased), mean(input))")
    composite(f"{_name}_mean.dim(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> (Tensor, Tensor)",
              f"return ({_name}_dim(input, dim, unbiased, keepdim), mean_dim(input, dim, keepdim))")  # fmt: skip
    composite(f"{_name}_mean.correction(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> (Tensor, Tensor)",
              f"return ({_name}_correction(input, dim, correction=correction, keepdim=keepdim), mean_dim(input, dim, keepdim))",
              doc=f"{_name}() and mean() together.")  # fmt: skip
composite("aminmax(Tensor input, *, int? dim=None, bool keepdim=False) -> (Tensor min, Tensor max)", """
if dim is None:
    return (amin(input, [], keepdim), amax(input, [], keepdim))
return (amin(input, [dim], keepdim), amax(input, [dim], keepdim))
""", out="exact apart", doc="The least and the largest element, of all or along dim.")  # fmt: skip
composite("trace(Tensor input) -> Tensor", """
check(input.ndim == 2, "RuntimeError", "trace: expected a matrix")
return sum(diagonal(input))
""", autocast="float32", derivative="trace_backward(grad, input.shape)", doc="The sum of the main diagonal.")  # fmt: skip
composite("trace_backward(Tensor grad, int[] sizes) -> Tensor", """
n = sizes[0] if sizes[0] < sizes[1] else sizes[1]
return diagonal_backward(expand(grad, [n]), sizes, 0, 0, 1)
""", function=False, method=False)  # fmt: skip

# ---------------------------------------------------------------- norms and distances

composite("linalg_vector_norm(Tensor x, Scalar ord=2, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor", """
a = x
if not (dtype is None):
    a = to_dtype(x, dtype)
check(is_inexact(a.dtype), "RuntimeError", "linalg.vector_norm: Expected a floating point or complex tensor as input.")
if is_complex(a.dtype):
    a = abs(a)
p = double(ord)
if p == 2:
    return sqrt(sum_of_squares(a, dim, keepdim))
if p == 0:
    return to_dtype(sum_dim(a != 0, dim, keepdim), a.dtype)
a = abs(a)
if p == 1:
    return sum_dim(a, dim, keepdim)
if p == inf:
    if a.numel == 0:
        return sum_dim(a, dim, keepdim)
    if dim is None:
        return amax(a, [], keepdim)
    return amax(a, dim, keepdim)
if p == -inf:
    if dim is None:
        return amin(a, [], keepdim)
    return amin(a, dim, keepdim)
return pow_Tensor_Scalar(sum_dim(pow_Tensor_Scalar(a, ord), dim, keepdim), 1.0 / p)
""", out=True, method=False, namespaces=("linalg",), derivative="vector_norm_backward(grad, x, ord, result, dim, keepdim)",
          doc="""The norm of all elements, or along dim: (sum |x|**ord) ** (1/ord); inf and -inf are extremes, 0 counts what is not 0.

          >>> import rushlight as torch
          >>> torch.linalg.vector_norm(torch.tensor([3., 4.]))
          tensor(5.)
          """)  # fmt: skip
composite("vector_norm_backward(Tensor grad, Tensor x, Scalar ord, Tensor result, int[]? dim, bool keepdim) -> Tensor", """
p = double(ord)
if p == 0:
    return zeros_like(x)
g = expand_reduced(grad, x.shape, dim, keepdim)
if p == 1:
    return sgn(x) * g
r = expand_reduced(result, x.shape, dim, keepdim)
if p == 2:
    return g * masked_fill(x / r, r == 0, 0.0)
a = abs(x)
if p == inf or p == -inf:
    top = logical_or(a == r, logical_and(isnan(a), isnan(r)))
    return sgn(x) * (top * (g / sum_dim(top, dim, True)))
scale = g / pow_Tensor_Scalar(r, p - 1.0)
if p < 1:
    return masked_fill(sgn(x) * pow_Tensor_Scalar(a, p - 1.0), x == 0, 0.0) * (g * pow_Tensor_Scalar(r, 1.0 - p))
if p < 2:
    return sgn(x) * pow_Tensor_Scalar(a, p - 1.0) * masked_fill(scale, r == 0, 0.0)
return x * pow_Tensor_Scalar(a, p - 2.0) * masked_fill(scale, r == 0, 0.0)
""", function=False, method=False)  # fmt: skip
composite("norm(Tensor input, Scalar? p=None, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor", """
if p is None:
    return linalg_vector_norm(input, 2, dim, keepdim, dtype=dtype)
return linalg_vector_norm(input, p, dim, keepdim, dtype=dtype)
""", out=True)  # fmt: skip
composite("norm.str(Tensor input, str p='fro', int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor", """
if p == "fro":
    return linalg_vector_norm(input, 2, dim, keepdim, dtype=dtype)
check(p == "nuc", "RuntimeError", "only valid string values are 'fro' and 'nuc', found %s", p)
return nuclear_norm(input, dim, keepdim)
""", out=True, doc="""The norm of all elements or along dim; the Euclidean one unless p says otherwise.

       >>> import rushlight as torch
       >>> torch.norm(torch.tensor([3.0, 4.0]))
       tensor(5.)
       """)  # fmt: skip
composite("dist(Tensor input, Tensor other, Scalar p=2) -> Tensor", "linalg_vector_norm(input - other, p)", doc="The p-norm of input - other.")
composite("cdist(Tensor x1, Tensor x2, Scalar p=2.0, str? compute_mode=None) -> Tensor", """
check(x1.ndim >= 2, "RuntimeError", "cdist only supports at least 2D tensors, X1 got: %lldD", x1.ndim)
check(x2.ndim >= 2, "RuntimeError", "cdist only supports at least 2D tensors, X2 got: %lldD", x2.ndim)
check(x1.shape[-1] == x2.shape[-1], "RuntimeError", "X1 and X2 must have the same number of columns. X1: %lld X2: %lld", x1.shape[-1], x2.shape[-1])
check(double(p) >= 0, "RuntimeError", "cdist only supports non-negative p values")
if double(p) == 2 and (x1.shape[-2] > 25 or x2.shape[-2] > 25):
    return euclidean_dist(x1, x2)
return linalg_vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, [-1])
""", method=False, autocast="float32", doc="The p-norm distance of each row of x1 from each row of x2: (..., n, d), (..., m, d) -> (..., n, m).")  # fmt: skip
composite("euclidean_dist(Tensor x1, Tensor x2) -> Tensor", """
squares = sum_dim(x1 * x1, [-1], True) + transpose(sum_dim(x2 * x2, [-1], True), -2, -1)
return sqrt(clamp_min(squares - 2 * matmul(x1, transpose(x2, -2, -1)), 0))
""", function=False, method=False, node="EuclideanDistBackward0",
          derivative={"x1": "euclidean_dist_backward(grad, x1, x2, result)",
                      "x2": "euclidean_dist_backward(transpose(grad, -2, -1), x2, x1, transpose(result, -2, -1))"})  # fmt: skip
composite("euclidean_dist_backward(Tensor grad, Tensor x1, Tensor x2, Tensor result) -> Tensor", """
ratio = masked_fill(grad / result, result == 0, 0.0)
return x1 * sum_dim(ratio, [-1], True) - matmul(ratio, x2)
""", function=False, method=False)  # fmt: skip
composite("frobenius_norm(Tensor input, int[1]? dim=None, bool keepdim=False) -> Tensor", "linalg_vector_norm(input, 2, dim, keepdim)", out=True,
          method=False, doc="The root of the sum of squares.")  # fmt: skip
