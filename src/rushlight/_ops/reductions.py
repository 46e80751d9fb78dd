"""Sums, means, extremes and what is folded like them."""

from rushlight._ops.define import composite, native, reduction

_ZERO, _ADD = "0", "a + x"
_SUM = dict(identity={"default": "0", "complex": "0"}, step={"default": "a + x", "complex": "a + x"}, acc="wide", rule="sum")

reduction("sum(Tensor input, *, dtype? dtype=None) -> Tensor", derivative="expand(grad, input.shape)", doc="""The sum of all elements; integers add up in int64.

          >>> import rushlight as torch
          >>> torch.arange(4).sum()
          tensor(6)
          """, **_SUM)  # fmt: skip
reduction("sum.dim(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor", node="SumBackward1", out="typed",
          derivative="expand_reduced(grad, input.shape, dim, keepdim)", **_SUM)  # fmt: skip
reduction("prod(Tensor input, *, dtype? dtype=None) -> Tensor", autocast="float32", identity={"default": "1", "complex": "1"},
          step={"default": "a * x", "complex": "MUL(a, x)"}, acc="wide", rule="sum",
          derivative="prod_backward(grad, input, result)", doc="""The product of all elements.

       >>> import rushlight as torch
       >>> torch.tensor([2, 3, 4]).prod()
       tensor(24)
       """)  # fmt: skip
reduction("prod.dim(Tensor input, int dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor", autocast="float32", identity={"default": "1", "complex": "1"},
          step={"default": "a * x", "complex": "MUL(a, x)"}, acc="wide", rule="sum", node="ProdBackward1", out="typed",
          derivative="prod_dim_backward(grad, input, result, dim, keepdim)")  # fmt: skip
composite("prod_backward(Tensor grad, Tensor input, Tensor result) -> Tensor",
          "contiguous(grad) if input.ndim == 0 else grad * conj(reshape(prod_of_others(reshape(input, [-1]), 0), input.shape))", function=False, method=False)  # fmt: skip
composite("prod_dim_backward(Tensor grad, Tensor input, Tensor result, int dim, bool keepdim) -> Tensor", """
if input.ndim == 0:
    return clone(grad)
g = grad
if not keepdim:
    g = unsqueeze(grad, dim)
return g * conj(prod_of_others(input, dim))
""", function=False, method=False)  # fmt: skip
composite("prod_of_others(Tensor input, int dim) -> Tensor", """
n = input.shape[dim]
if n == 0:
    return ones_like(input)
before = cumprod(cat([ones_like(narrow(input, dim, 0, 1)), narrow(input, dim, 0, n - 1)], dim), dim)
after = flip(cumprod(cat([ones_like(narrow(input, dim, 0, 1)), narrow(flip(input, [dim]), dim, 0, n - 1)], dim), dim), [dim])
return before * after
""", function=False, method=False)  # fmt: skip

native("mean(Tensor input, *, dtype? dtype=None) -> Tensor", out=True, derivative="expand(grad, input.shape) / input.numel", code="""
static Tensor *mean_of(Tensor *t, Ints dim, bool keepdim, RLDType dtype) {
    RLDType dt = dtype == RL_NODTYPE ? (RLDType)t->dtype : dtype;
    if (!RL_IS_INEXACT(dt)) {
        PyErr_Format(PyExc_RuntimeError, dtype == RL_NODTYPE
                     ? "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. Got: %s"
                     : "mean(): optional dtype must be either a floating point or complex dtype. Got: %s", rl_dtypes[dt].legacy);
        return NULL;
    }
    Tensor *s = rl_sum_dim(t, dim, keepdim, dtype);
    if (!s) return NULL;
    if (RL_LIKELY(s->dtype == RL_F32 && s->numel <= 64)) { /* a fresh, contiguous sum; more of them repay a vectorised division */
        float count = (float)rl_dim_count(t, dim);
        for (int64_t i = 0; s->data && i < s->numel; i++) ((float *)s->data)[i] /= count;
        return s;
    }
    Tensor *n = rl_wrap_double((double)rl_dim_count(t, dim)), *r = n ? rl_div_(s, n) : NULL;
    Py_XDECREF(n);
    Py_DECREF(s);
    if (r) r->version->value = 0; /* not written since the user has had it */
    return r;
}
Tensor *impl_mean(Tensor *t, RLDType dtype) { return mean_of(t, (Ints){NULL, -1}, false, dtype); }
""", doc="""The mean of all elements, which must be floating point or complex.

       With `dim`, over those dimensions.

       >>> import rushlight as torch
       >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
       >>> x.mean()
       tensor(2.5000)
       >>> x.mean(dim=0)
       tensor([2., 3.])
       """)  # fmt: skip
native("mean.dim(Tensor input, int[1]? dim, bool keepdim=False, *, dtype? dtype=None) -> Tensor", node="MeanBackward1", out=True,
       derivative="expand_reduced(grad, input.shape, dim, keepdim) / dim_count_of(input.shape, dim)", code="""
Tensor *impl_mean_dim(Tensor *t, Ints dim, bool keepdim, RLDType dtype) { return mean_of(t, dim, keepdim, dtype); }
""")  # fmt: skip

_TOP = {"float": "(-INFINITY)", "u8": "0", "i8": "INT8_MIN", "i16": "INT16_MIN", "i32": "INT32_MIN", "i64": "INT64_MIN", "bool": "0"}
_BOTTOM = {"float": "INFINITY", "u8": "UINT8_MAX", "i8": "INT8_MAX", "i16": "INT16_MAX", "i32": "INT32_MAX", "i64": "INT64_MAX", "bool": "1"}
_MAX = {"float": "(a > x) | (a != a) ? a : x", "int": "a > x ? a : x", "bool": "a | x"}
_MIN = {"float": "(a < x) | (a != a) ? a : x", "int": "a < x ? a : x", "bool": "a & x"}
for _name, _identity, _step in (("max", _TOP, _MAX), ("min", _BOTTOM, _MIN)):
    reduction(f"{_name}(Tensor input) -> Tensor", identity=_identity, step=_step, needs_elements=True, out=True,
              derivative="evenly_backward(grad, input, result)", node=f"{_name.title()}Backward1", doc=f"The {_name}imum of all elements; NaN wins.")  # fmt: skip
    reduction(f"a{_name}(Tensor input, int[1] dim=[], bool keepdim=False) -> Tensor", identity=_identity, step=_step, needs_elements=True,
              out=True, derivative="extreme_dim_backward(grad, input, result, dim, keepdim)",
              doc=f"The {_name}imum along dimensions; equal elements share the gradient.")  # fmt: skip
composite("evenly_backward(Tensor grad, Tensor input, Tensor result) -> Tensor", """
mask = logical_or(input == result, logical_and(isnan(input), isnan(result)))
return mask * (grad / sum(mask))
""", function=False, method=False)  # fmt: skip
composite("extreme_dim_backward(Tensor grad, Tensor input, Tensor result, int[] dim, bool keepdim) -> Tensor", """
g = expand_reduced(grad, input.shape, dim, keepdim)
r = expand_reduced(result, input.shape, dim, keepdim)
mask = logical_or(input == r, logical_and(isnan(input), isnan(r)))
return mask * g / sum_dim(mask, dim, True)
""", function=False, method=False)  # fmt: skip
for _name, _identity, _step in (("all", "1", "a && x"), ("any", "0", "a || x")):
    _spec: dict = dict(identity={"default": _identity, "complex": _identity}, step={"default": _step, "complex": _step}, load="x != 0", joined_by=_name,
                 acc="bool", rule="bool", out=True)  # fmt: skip
    reduction(f"{_name}(Tensor input) -> Tensor", doc=f"Whether {_name} elements are non-zero.", **_spec)
    reduction(f"{_name}.dim(Tensor input, int[1]? dim, bool keepdim=False) -> Tensor", **_spec)

reduction("sum_of_squares(Tensor input, int[]? dim, bool keepdim) -> Tensor", identity="0", step="a + x", load="x * x", joined_by="sum", acc="wide",
          rule="same", function=False, method=False)  # fmt: skip
reduction("nansum(Tensor input, int[1]? dim=None, bool keepdim=False, *, dtype? dtype=None) -> Tensor", identity="0", step="a + x",
          load="x != x ? 0 : x", joined_by="sum", acc="wide", rule="sum", out=True,
          derivative="expand_reduced(grad, input.shape, dim, keepdim) * logical_not(isnan(input))", doc="The sum of what is not NaN.")  # fmt: skip

# ---------------------------------------------------------------- positions of extremes

native("argmax(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", out="exact", code="""
Tensor *impl_argmax(Tensor *t, int64_t dim, bool keepdim) { return rl_arg_extreme(t, dim, keepdim, true, "argmax"); }
""", doc="""The position of the (first) maximum: of all elements, or along dim.

       >>> import rushlight as torch
       >>> torch.tensor([[1, 5], [7, 2]]).argmax(dim=1)
       tensor([1, 0])
       """)  # fmt: skip
native("argmin(Tensor input, int? dim=None, bool keepdim=False) -> Tensor", out="exact", code="""
Tensor *impl_argmin(Tensor *t, int64_t dim, bool keepdim) { return rl_arg_extreme(t, dim, keepdim, false, "argmin"); }
""", doc="The position of the (first) minimum: of all elements, or along dim.")  # fmt: skip
for _name in ("max", "min"):
    # first: dim would take an integer tensor of one element too
    composite(f"{_name}.other(Tensor input, Tensor other) -> Tensor", f"{_name}imum(input, other)", out=True)
    native(f"{_name}.dim(Tensor input, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)", out="exact apart", node=f"{_name.title()}Backward0",
           derivative="value_selecting_backward(grad_values, dim, indices, input.shape, keepdim)", code=f"""
int impl_{_name}_dim(Tensor *t, int64_t dim, bool keepdim, Tensor **out) {{
    return rl_extreme_along(t, dim, keepdim, {"true" if _name == "max" else "false"}, &out[0], &out[1], "{_name}");
}}
""")  # fmt: skip
composite("value_selecting_backward(Tensor grad, int dim, Tensor indices, int[] sizes, bool keepdim) -> Tensor", """
out = zeros_like_shape(grad, sizes)
if len(sizes) == 0:
    return grad + out
if keepdim:
    return scatter(out, dim, indices, grad)
return scatter(out, dim, unsqueeze(indices, dim), unsqueeze(grad, dim))
""", function=False, method=False)  # fmt: skip

# ---------------------------------------------------------------- spread

# Before the overloads with dim, which would take a bool for an int.
for _name in ("var", "std"):
    composite(f"{_name}(Tensor input, bool unbiased) -> Tensor", f"{_name}_correction(input, None, correction=1 if unbiased else 0)")
native("var.correction(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", out=True, node="VarBackward0",
       derivative="var_backward(grad, input, dim, correction, keepdim)", code="""
static Tensor *variance(Tensor *t, Ints dim, Scalar correction, bool keepdim, const char *name) {
    if (!RL_IS_INEXACT(t->dtype)) {
        PyErr_Format(PyExc_RuntimeError, "std and var only support floating point and complex dtypes");
        return NULL;
    }
    double c = correction.kind ? rl_scalar_double(correction) : 1, n = (double)rl_dim_count(t, dim) - c;
    Tensor *m = rl_mean_dim(t, dim, true, RL_NODTYPE), *d = m ? rl_sub(t, m, RL_ONE) : NULL;
    Py_XDECREF(m);
    if (!d) return NULL;
    if (RL_IS_COMPLEX(d->dtype)) { Tensor *a = rl_abs(d); Py_DECREF(d); if (!(d = a)) return NULL; }
    Tensor *sq = rl_square(d), *s = sq ? rl_sum_dim(sq, dim, keepdim, RL_NODTYPE) : NULL;
    Py_XDECREF(sq);
    Py_DECREF(d);
    if (!s) return NULL;
    if (n <= 0 && PyErr_WarnEx(PyExc_UserWarning, "var(): degrees of freedom is <= 0. Correction should be strictly less than the reduction factor "
                               "(input numel divided by output numel).", 1) < 0) { Py_DECREF(s); return NULL; }
    Tensor *count = rl_wrap_double(n < 0 ? 0 : n), *r = count ? rl_div_(s, count) : NULL;
    Py_XDECREF(count);
    Py_DECREF(s);
    if (r) r->version->value = 0; /* not written since the user has had it */
    return r;
}
Tensor *impl_var_correction(Tensor *t, Ints dim, Scalar correction, bool keepdim) { return variance(t, dim, correction, keepdim, "var"); }
""", doc="The variance; correction is subtracted from the count (1: Bessel's).")  # fmt: skip
native("std.correction(Tensor input, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False) -> Tensor", out=True, node="StdBackward0",
       derivative="std_backward(grad, result, input, dim, correction, keepdim)", code="""
Tensor *impl_std_correction(Tensor *t, Ints dim, Scalar correction, bool keepdim) {
    Tensor *v = variance(t, dim, correction, keepdim, "std"), *r = v ? rl_sqrt_(v) : NULL;
    Py_XDECREF(v);
    if (r) r->version->value = 0;
    return r;
}
""", doc="The standard deviation; correction is subtracted from the count (1: Bessel's).")  # fmt: skip
for _name in ("var", "std"):
    composite(f"{_name}.dim(Tensor input, int[1]? dim, bool unbiased, bool keepdim=False) -> Tensor",
              f"{_name}_correction(input, dim, correction=1 if unbiased else 0, keepdim=keepdim)", out=True)  # fmt: skip
composite("var_backward(Tensor grad, Tensor input, int[]? dim, Scalar? correction, bool keepdim) -> Tensor", """
c = 1.0
if not (correction is None):
    c = double(correction)
n = dim_count(input, dim) - c
g = expand_reduced(grad, input.shape, dim, keepdim)
return (2.0 / n) * g * (input - mean_dim(input, dim, True))
""", function=False, method=False)  # fmt: skip
composite("std_backward(Tensor grad, Tensor result, Tensor input, int[]? dim, Scalar? correction, bool keepdim) -> Tensor",
          "var_backward(masked_fill(grad / (result * 2), result == 0, 0.0), input, dim, correction, keepdim)", function=False, method=False)  # fmt: skip
