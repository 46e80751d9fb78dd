"""Elementwise arithmetic, comparison and elementary functions."""

from rushlight._ops.define import binary, comparison, composite, native, op, unary

# ---------------------------------------------------------------- arithmetic

# Products with alpha are fused into the addition, as PyTorch's vectorised kernels do: one rounding.
binary("add", "FMA(alpha, b, a)", {"input": "grad", "other": "grad if alpha == 1 else grad * conj_number(alpha)"}, params="Scalar alpha=1", numbers_first=True,
       int="a + alpha * b", complex="a + MUL(alpha, b)", bool="a | (alpha != 0 && b)",
       doc="""input + alpha * other. Shapes broadcast; dtypes promote.

       >>> import rushlight as torch
       >>> torch.add(torch.tensor([1., 2.]), 3)
       tensor([4., 5.])
       """)  # fmt: skip
binary("sub", "FMA(-alpha, b, a)", {"input": "grad", "other": "-grad if alpha == 1 else grad * (-conj_number(alpha))"}, params="Scalar alpha=1", numbers_first=True,
       int="a - alpha * b", complex="a - MUL(alpha, b)", alias=("subtract",), check="rl_minus_allows(input, other)",
       doc="input - alpha * other. Shapes broadcast; dtypes promote; bool is refused.")  # fmt: skip
binary("rsub", "alpha * -a + b", {"input": "-grad if alpha == 1 else grad * (-conj_number(alpha))", "other": "grad"}, params="Scalar alpha=1",
       complex="b - MUL(alpha, a)", inplace=False, out=False, node="RsubBackward1", method=True, check="rl_minus_allows(input, other)",
       doc="other - alpha * input.")  # fmt: skip
binary("mul", "a * b", {"input": "grad * conj(other)", "other": "grad * conj(input)"}, complex="MUL(a, b)", bool="a & b",
       wide_number=True, alias=("multiply",), doc="input * other, element by element. Shapes broadcast; dtypes promote.")  # fmt: skip
op("div(Tensor input, Operand other) -> Tensor", kind="binary", kernel={"default": "a / b", "complex": "DIV(a, b)"}, in_rule="float", wide_number=True,
   derivative={"input": "grad / conj(other)", "other": "-grad * conj(input / other / other)"}, inplace=True, out=True,
   alias=("divide", "true_divide"), doc="input / other in floating point. Shapes broadcast; integers become the default float.")  # fmt: skip
native("div.rounding(Tensor input, Operand other, *, str? rounding_mode) -> Tensor", records=True, inplace=True, out=True, code="""
Tensor *rl_div_rounding(Tensor *input, Tensor *other, const char *rounding_mode) {
    if (!rounding_mode) return rl_div(input, other);
    if (strcmp(rounding_mode, "trunc") == 0) return rl_div_trunc(input, other);
    if (strcmp(rounding_mode, "floor") == 0) return rl_div_floor(input, other);
    PyErr_Format(PyExc_RuntimeError, "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '%s'", rounding_mode);
    return NULL;
}
""")  # fmt: skip
_FLOORED = {"float": ("floordiv_is_near(a, b)", "floordiv_near(a, b)"), "int": ("int_is_near(a, b)", "floordiv_int_near(a, b)")}
_TRUNCATED = {"int": ("int_is_near(a, b)", "truncdiv_int_near(a, b)")}
for _name, _real, _int, _near in (("trunc", "trunc(a / b)", "truncdiv_int(a, b)", _TRUNCATED), ("floor", "floordiv(a, b)", "floordiv(a, b)", _FLOORED)):
    op(f"div_{_name}(Tensor input, Tensor other) -> Tensor", kind="binary", kernel={"float": _real, "int": _int, "bool": "a & b"}, near=_near,
       derivative={"input": "zeros_like(grad)", "other": "zeros_like(grad)"}, check="rl_check_divisor(input, other)", node="DivBackward2",
       wide_number=True, function=False, method=False)  # fmt: skip
binary("floor_divide", "floordiv(a, b)", None, check="rl_check_divisor(input, other)", wide_number=True, near=_FLOORED,
       doc="floor(input / other), rounding towards minus infinity.")  # fmt: skip
binary("remainder", "pymod(a, b)", {"input": "grad", "other": "-grad * div_floor(input, other)"}, check="rl_check_divisor(input, other)",
       near={"float": ("pymod_is_near(a, b)", "pymod_near(a, b)"), "int": ("int_is_near(a, b)", "mod_int_near(a, b)")},
       doc="Python's %: the result has the sign of other.")  # fmt: skip
binary("fmod", "fmod(a, b)", {"input": "grad", "other": "-grad * div_trunc(input, other)"}, int="fmod_int(a, b)",
       check="rl_check_divisor(input, other)",
       near={"float": ("fmod_is_near(a, b)", "fmod_near(a, b)"), "int": ("int_is_near(a, b)", "fmod_int_near(a, b)")},
       doc="C's fmod: the result has the sign of input.")  # fmt: skip

unary("neg", "-x", "-grad", complex="-x", alias=("negative",), check="rl_minus_allows(input, NULL)", doc="-input.")
unary("abs", "fabs(x)", "grad * sgn(input)", int="(x < 0 ? -x : x)", complex="abs(x)", result="real", alias=("absolute",),
      doc="""|input|; of complex numbers the modulus.

       >>> import rushlight as torch
       >>> torch.abs(torch.tensor([-1.5, 2.0]))
       tensor([1.5000, 2.0000])
       """)  # fmt: skip
op("sign(Tensor input) -> Tensor", kind="unary", inplace=True, out=True, derivative="grad * 0",
   kernel={"float": "((x > 0) - (x < 0))", "int": "((x > 0) - (x < 0))", "bool": "x"},
   inplace_function=False, doc="-1, 0 or 1 by the sign of each element; 0 for NaN.")  # fmt: skip
native("sgn(Tensor input) -> Tensor", inplace=True, out=True, derivative="sgn_backward(grad, input)", code="""
Tensor *impl_sgn(Tensor *input) { return RL_IS_COMPLEX(input->dtype) ? rl_direction(input) : rl_sign(input); }
""", doc="input / |input|, 0 at 0.")  # fmt: skip
op("direction(Tensor input) -> Tensor", kind="unary", kernel={"complex": "direction(x)"}, function=False, method=False)
composite("sgn_backward(Tensor grad, Tensor input) -> Tensor", """
if is_complex(input.dtype):
    a = abs(input)
    s = sgn(input)
    return masked_fill((grad - real(grad * conj(s)) * s) / a, a == 0, 0.0)
return grad * 0
""", function=False, method=False)  # fmt: skip
unary("reciprocal", "1 / x", "-grad * conj(result * result)", complex="DIV(1, x)", float_result=True, doc="1 / input.")
unary("squared", "x * x", "grad * (2 * conj(input))", complex="MUL(x, x)", node="PowBackward0", function=False, method=False)
op("cubed(Tensor input) -> Tensor", kind="unary", kernel={"float": "x * x * x", "complex": "MUL(MUL(x, x), x)"},
   derivative="grad * (3 * conj(input * input))", node="PowBackward0", function=False, method=False)
native("square(Tensor input) -> Tensor", records=True, inplace=True, out=True, code="""
Tensor *rl_square(Tensor *input) {
    if (RL_LIKELY(input->dtype != RL_BOOL)) return rl_squared(input);
    Tensor *wide = rl_to_dtype_raw(input, RL_I64), *r = wide ? rl_squared(wide) : NULL; /* as input ** 2 promotes */
    Py_XDECREF(wide);
    return r;
}
""", inplace_function=True, doc="input ** 2.")  # fmt: skip
native("positive(Tensor input) -> Tensor", records=True, code="""
Tensor *rl_positive(Tensor *input) {
    if (input->dtype != RL_BOOL) return (Tensor *)Py_NewRef((PyObject *)input);
    PyErr_SetString(PyExc_RuntimeError, "The `+` operator, on a bool tensor is not supported.");
    return NULL;
}
""", doc="+input: the tensor itself.")  # fmt: skip
op("conj_physical(Tensor input) -> Tensor", kind="unary", kernel={"default": "x", "bool": "x", "complex": "conj(x)"}, inplace=True, out=True,
   derivative="conj(grad)", node="ConjPhysicalBackward0", doc="The complex conjugate, computed at once.")  # fmt: skip
native("conj(Tensor input) -> Tensor", records=True, code="""
Tensor *rl_conj(Tensor *input) {
    if (RL_LIKELY(!RL_IS_COMPLEX(input->dtype))) return (Tensor *)Py_NewRef((PyObject *)input);
    return rl_conj_physical(input);
}
""", doc="The complex conjugate; real tensors are returned as they are. Unlike PyTorch's it is not a lazy view.")  # fmt: skip

# ---------------------------------------------------------------- powers

# before the one with a number, which would take a 0-dim tensor too
op("pow(Tensor input, Tensor exponent) -> Tensor", kind="binary", inplace=True, out=True, node="PowBackward1",
   kernel={"float": "pow(a, b)", "int": "pow_int(a, b)", "bool": "(a | !b)", "complex": "pow(a, b)"}, near={"f64": ("pow_is_near(a, b)", "pow_near(a, b)")},
   derivative={"input": "pow_backward_base(grad, input, exponent)", "exponent": "pow_backward_exponent(grad, input, exponent, result)"},
   doc="""input ** exponent. Shapes broadcast; dtypes promote.

       >>> import rushlight as torch
       >>> torch.tensor([1.0, 2.0, 3.0]) ** 2
       tensor([1., 4., 9.])
       """)  # fmt: skip
native("pow.Tensor_Scalar(Tensor input, Scalar exponent) -> Tensor", inplace=True, out=True, node="PowBackward0",
       derivative="pow_scalar_backward(grad, input, exponent)", code="""
Tensor *impl_pow_Tensor_Scalar(Tensor *input, Scalar exponent) {
    double e = rl_scalar_double(exponent);
    if (RL_IS_INEXACT(input->dtype) && exponent.kind != 'c') {
        if (e == 2) return rl_square(input);
        if (e == 1) return rl_clone_raw(input);
        if (e == 0.5) return rl_sqrt(input);
        if (e == -0.5) return rl_rsqrt(input);
        if (e == -1) return rl_reciprocal(input);
        if (e == 3) return rl_cubed(input);
        if (e == -2) {
            Tensor *s = rl_square(input), *r = s ? rl_reciprocal(s) : NULL;
            Py_XDECREF(s);
            return r;
        }
    }
    if (RL_IS_INTEGRAL(input->dtype) && exponent.kind == 'i' && exponent.u.i < 0) {
        PyErr_SetString(PyExc_RuntimeError, "Integers to negative integer powers are not allowed.");
        return NULL;
    }
    Tensor *n = rl_wrap_scalar(exponent), *r = n ? rl_pow(input, n) : NULL;
    Py_XDECREF(n);
    return r;
}
""", doc="input ** exponent.")  # fmt: skip
composite("pow.Scalar(Scalar input, Tensor exponent) -> Tensor", "pow_of_number(input, exponent)", out=True, method=False)  # fmt: skip
native("pow_of_number(Scalar input, Tensor exponent) -> Tensor", function=False, method=False, node="PowBackward2",
       derivative={"exponent": "pow_backward_exponent(grad, pow_base(input), exponent, result)"}, code="""
Tensor *impl_pow_of_number(Scalar input, Tensor *exponent) {
    Tensor *n = rl_wrap_scalar(input), *r = n ? rl_pow(n, exponent) : NULL;
    Py_XDECREF(n);
    return r;
}
""")  # fmt: skip
composite("pow_scalar_backward(Tensor grad, Tensor input, Scalar exponent) -> Tensor", """
if exponent == 0:
    return zeros_like(input)
if exponent == 2:
    return grad * conj(input * 2)
return grad * conj(pow_Tensor_Scalar(input, exponent - 1) * exponent)
""", function=False, method=False)  # fmt: skip
composite("pow_backward_base(Tensor grad, Tensor input, Tensor exponent) -> Tensor",
          "grad * conj(masked_fill(exponent * pow(input, exponent - 1), exponent == 0, 0.0))", function=False, method=False)  # fmt: skip
composite("pow_backward_exponent(Tensor grad, Tensor input, Tensor exponent, Tensor result) -> Tensor", """
if is_complex(exponent.dtype):
    none = logical_and(input == 0, real(exponent) >= 0)
else:
    none = logical_and(input == 0, exponent >= 0)
return grad * conj(masked_fill(result * log(input), none, 0.0))
""", function=False, method=False)  # fmt: skip
unary("sqrt", "sqrt(x)", "grad / (2 * conj(result))", complex="sqrt(x)", float_result=True, doc="The square root; NaN below zero.")
unary("rsqrt", "rsqrt(x)", "-0.5 * grad * conj(result * result * result)", complex="DIV(1, sqrt(x))", float_result=True,
      doc="1 / sqrt(input).")  # fmt: skip

# ---------------------------------------------------------------- elementary functions

_E = dict(float_result=True)
unary("exp", "exp(x)", "grad * conj(result)", complex="exp(x)", **_E, doc="e ** input.")
unary("exp2", "exp2(x)", "grad * conj(result) * 0.6931471805599453", complex="exp(x * 0.6931471805599453)", **_E, doc="2 ** input.")
unary("expm1", "expm1(x)", "grad * conj(result + 1)", complex="exp(x) - 1", **_E, doc="exp(input) - 1, exact near zero.")
unary("log", "log(x)", "grad / conj(input)", complex="log(x)", **_E, doc="The natural logarithm.")
unary("log2", "log2(x)", "grad / conj(input * 0.6931471805599453)", complex="log(x) * 1.4426950408889634", **_E, doc="The logarithm to base 2.")
unary("log10", "log10(x)", "grad / conj(input * 2.302585092994046)", complex="log(x) * 0.4342944819032518", **_E,
      doc="The logarithm to base 10.")  # fmt: skip
unary("log1p", "log1p(x)", "grad / conj(input + 1)", complex="log(1 + x)", **_E, doc="log(1 + input), exact near zero.")
unary("sin", "sin(x)", "grad * conj(cos(input))", complex="sin(x)", near={"float": ("trig_is_near(x)", "sin_near(x)")}, **_E, doc="Sine of each element, in radians.")
unary("cos", "cos(x)", "grad * conj(-sin(input))", complex="cos(x)", near={"float": ("trig_is_near(x)", "cos_near(x)")}, **_E, doc="Cosine of each element, in radians.")
unary("tan", "tan(x)", "grad * conj(1 + result * result)", complex="tan(x)", near={"float": ("trig_is_near(x)", "tan_near(x)")}, **_E, doc="Tangent of each element, in radians.")
unary("asin", "asin(x)", "grad * conj(rsqrt(1 - input * input))", complex="asin(x)", **_E, alias=("arcsin",), doc="Inverse sine, in radians.")
unary("acos", "acos(x)", "grad * -conj(rsqrt(1 - input * input))", complex="acos(x)", **_E, alias=("arccos",), doc="Inverse cosine, in radians.")
unary("atan", "atan(x)", "grad / conj(input * input + 1)", complex="atan(x)", **_E, alias=("arctan",), doc="Inverse tangent, in radians.")
unary("sinh", "sinh(x)", "grad * conj(cosh(input))", complex="sinh(x)", **_E, doc="Hyperbolic sine.")
unary("cosh", "cosh(x)", "grad * conj(sinh(input))", complex="cosh(x)", **_E, doc="Hyperbolic cosine.")
unary("tanh", "tanh(x)", "tanh_backward(grad, result)", complex="tanh(x)", **_E, doc="Hyperbolic tangent.")
unary("asinh", "asinh(x)", "grad * conj(rsqrt(input * input + 1))", complex="asinh(x)", **_E, alias=("arcsinh",), doc="Inverse hyperbolic sine.")
unary("acosh", "acosh(x)", "grad * conj(rsqrt(input - 1) * rsqrt(input + 1))", complex="acosh(x)", **_E, alias=("arccosh",),
      doc="Inverse hyperbolic cosine.")  # fmt: skip
unary("atanh", "atanh(x)", "grad / conj(1 - input * input)", complex="atanh(x)", **_E, alias=("arctanh",), doc="Inverse hyperbolic tangent.")
unary("sigmoid", "sigmoid(x)", "sigmoid_backward(grad, result)", complex="DIV(1, (1 + exp(-x)))", **_E, alias=(),
      doc="""1 / (1 + exp(-input)).

       >>> import rushlight as torch
       >>> torch.sigmoid(torch.tensor([0.0, 2.0]))
       tensor([0.5000, 0.8808])
       """)  # fmt: skip
unary("erf", "erf(x)", "grad * exp(-input * input) * 1.1283791670955126", **_E, doc="The error function.")
unary("erfc", "erfc(x)", "grad * exp(-input * input) * -1.1283791670955126", **_E, doc="1 - erf(input), exact for large input.")
# + 0 because float32's fit gives -0 at 1
unary("lgamma", "lgamma(x) + 0", "grad * digamma(input)", **_E, inplace_function=False, doc="log |gamma(input)|.")
op("sigmoid_backward(Tensor grad_output, Tensor output) -> Tensor", kind="binary", kernel={"float": "a * (b * (1 - b))", "complex": "MUL(a, conj(MUL(b, 1 - b)))"},
   derivative={"grad_output": "sigmoid_backward(grad, output)", "output": "grad * conj(grad_output) * (1 - 2 * output)"}, function=False, method=False,
   node="SigmoidBackwardBackward0")  # fmt: skip
op("tanh_backward(Tensor grad_output, Tensor output) -> Tensor", kind="binary", kernel={"float": "a * (1 - b * b)", "complex": "MUL(a, conj(1 - MUL(b, b)))"},
   derivative={"grad_output": "tanh_backward(grad, output)", "output": "grad * conj(grad_output) * output * -2"}, function=False, method=False,
   node="TanhBackwardBackward0")  # fmt: skip
binary("atan2", "atan2(a, b)", {"input": "grad * other / (input * input + other * other)", "other": "grad * -input / (input * input + other * other)"},
       float_result=True, other="Tensor", alias=("arctan2",), doc="The angle of the point (other, input), in radians.")  # fmt: skip
op("hypot(Tensor input, Tensor other) -> Tensor", kind="binary", kernel={"float": "hypot(a, b)"},
       derivative={"input": "grad * (input / result)", "other": "grad * (other / result)"}, inplace=True, out=True,
       doc="sqrt(input**2 + other**2).")  # fmt: skip

# ---------------------------------------------------------------- rounding

for _name, _c, _doc in (("floor", "floor(x)", "The largest integer not above."), ("ceil", "ceil(x)", "The smallest integer not below."),
                        ("trunc", "trunc(x)", "The integer part.")):  # fmt: skip
    op(f"{_name}(Tensor input) -> Tensor", kind="unary", inplace=True, out=True, kernel={"float": _c, "int": "x"}, derivative="grad * 0",
       alias=("fix",) if _name == "trunc" else (), doc=_doc)  # fmt: skip
op("round(Tensor input) -> Tensor", kind="unary", inplace=True, out=True, kernel={"float": "nearbyint(x)", "int": "x"},
   derivative="grad * 0", doc="""The nearest integer, halves to even.

       >>> import rushlight as torch
       >>> torch.tensor([0.5, 1.5, 2.6]).round()
       tensor([0., 2., 3.])
       """)  # fmt: skip
composite("round.decimals(Tensor input, *, int decimals) -> Tensor", "round_scaled(input, 10.0 ** decimals)", inplace=True, out=True)
op("round_scaled(Tensor input, float scale) -> Tensor", kind="unary", kernel={"float": "nearbyint(x * scale) / scale"},
   derivative="grad * 0", function=False, method=False)  # fmt: skip
op("frac(Tensor input) -> Tensor", kind="unary", inplace=True, out=True, kernel={"float": "x - trunc(x)"}, derivative="grad",
   doc="input - trunc(input).")  # fmt: skip

# ---------------------------------------------------------------- comparison and logic

comparison("eq", "a == b", complex="a == b", doc="""input == other.

       >>> import rushlight as torch
       >>> torch.tensor([1, 2, 3]) == torch.tensor([1, 5, 3])
       tensor([ True, False,  True])
       """)
comparison("ne", "a != b", complex="a != b", alias=("not_equal",), doc="input != other.")
comparison("lt", "a < b", alias=("less",), doc="input < other.")
comparison("le", "a <= b", alias=("less_equal",), doc="input <= other.")
comparison("gt", "a > b", alias=("greater",), doc="input > other.")
comparison("ge", "a >= b", alias=("greater_equal",), doc="input >= other.")
comparison("logical_and", other="Tensor", kernel="(a != 0) && (b != 0)", complex="(a != 0) && (b != 0)", doc="Both are non-zero.")
comparison("logical_or", other="Tensor", kernel="(a != 0) || (b != 0)", complex="(a != 0) || (b != 0)", doc="One is non-zero.")
comparison("logical_xor", other="Tensor", kernel="(a != 0) != (b != 0)", complex="(a != 0) != (b != 0)", doc="Exactly one is non-zero.")
unary("logical_not", "x == 0", bool="!x", complex="x == 0", result="bool", inplace_function=False, doc="The element is zero.")
for _name, _c, _b in (("bitwise_and", "a & b", "a & b"), ("bitwise_or", "a | b", "a | b"), ("bitwise_xor", "a ^ b", "a ^ b")):
    op(f"{_name}(Tensor input, Operand other) -> Tensor", kind="binary", inplace=True, out=True, kernel={"int": _c, "bool": _b},
       doc=f"{_c.split()[1]} of the bits; of booleans the logical operation.")  # fmt: skip
op("bitwise_not(Tensor input) -> Tensor", kind="unary", inplace=True, out=True, kernel={"int": "~x", "bool": "!x"}, inplace_function=False, doc="The bits inverted.")
for _name, _c in (("bitwise_left_shift", "(b < 0) | (b >= (int)sizeof(a) * 8) ? 0 : shl(a, b)"),
                  ("bitwise_right_shift", "(b < 0) | (b >= (int)sizeof(a) * 8) ? -(a < 0) : shr(a, b)")):  # fmt: skip
    op(f"{_name}(Tensor input, Operand other) -> Tensor", kind="binary", inplace=True, out=True, kernel={"int": _c}, doc="Bits shifted.")
unary("isnan", "x != x", int="0", bool="0", complex="(RE(x) != RE(x)) || (IM(x) != IM(x))", result="bool", inplace=False, out=False, doc="""The element is NaN.

       >>> import rushlight as torch
       >>> torch.tensor([1.0, float("nan")]).isnan()
       tensor([False,  True])
       """)
unary("isinf", "isinf(x)", int="0", bool="0", complex="isinf(RE(x)) || isinf(IM(x))", result="bool", inplace=False, out=False, doc="The element is infinite.")
unary("isfinite", "x - x == 0", int="1", bool="1", complex="(RE(x) - RE(x) == 0) && (IM(x) - IM(x) == 0)", result="bool", inplace=False, out=False,
      doc="Neither infinite nor NaN.")  # fmt: skip
unary("isposinf", "isinf(x) && x > 0", int="0", bool="0", result="bool", inplace=False, doc="The element is +inf.")
unary("isneginf", "isinf(x) && x < 0", int="0", bool="0", result="bool", inplace=False, doc="The element is -inf.")
unary("signbit", "signbit(x)", int="x < 0", bool="0", result="bool", inplace=False, doc="The sign bit is set.")

# ---------------------------------------------------------------- extremes

for _name, _cmp, _alias in (("maximum", ">", ()), ("minimum", "<", ())):
    op(f"{_name}(Tensor input, Tensor other) -> Tensor", kind="binary", out=True,
       kernel={"float": f"(a {_cmp} b) | (a != a) ? a : b", "int": f"a {_cmp} b ? a : b", "bool": "a | b" if _cmp == ">" else "a & b"},
       derivative={"input": f"where(input == other, grad / 2, masked_fill(grad, input {'<' if _cmp == '>' else '>'} other, 0.0))",
                   "other": f"where(input == other, grad / 2, masked_fill(grad, input {_cmp} other, 0.0))"},
       doc=f"The {_name[:7]} of two elements; NaN wins.")  # fmt: skip
for _name, _cmp in (("fmax", ">="), ("fmin", "<=")):
    op(f"{_name}(Tensor input, Tensor other) -> Tensor", kind="binary", out=True,
       kernel={"float": f"a != a ? b : b != b ? a : a {_cmp} b ? a : b", "int": f"a {_cmp[0]} b ? a : b", "bool": "a | b" if _cmp == ">=" else "a & b"},
       derivative={"input": f"masked_fill(grad, logical_not(logical_or(input {_cmp} other, isnan(other))), 0.0)",
                   "other": f"masked_fill(grad, logical_or(input {_cmp} other, isnan(other)), 0.0)"},
       doc="Like the extreme of two elements, but numbers win over NaN.")  # fmt: skip
# Here and below the overload with tensors comes first: the one with numbers would take 0-dim tensors too.
native("clamp.Tensor(Tensor input, Tensor? min=None, Tensor? max=None) -> Tensor", inplace=True, out=True, node="ClampBackward0",
       derivative={"input": "clamp_backward(grad, input, min, max)", "min": "clamp_backward_min(grad, input, min, max)",
                   "max": "clamp_backward_max(grad, input, min, max)"}, code="""
Tensor *impl_clamp_Tensor(Tensor *input, Tensor *min, Tensor *max) {
    if (!min && !max) {
        PyErr_SetString(PyExc_RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None");
        return NULL;
    }
    Tensor *a = min ? rl_maximum(input, min) : (Tensor *)Py_NewRef((PyObject *)input);
    Tensor *r = a && max ? rl_minimum(a, max) : a ? (Tensor *)Py_NewRef((PyObject *)a) : NULL;
    Py_XDECREF(a);
    return r;
}
""")  # fmt: skip
composite("clamp_backward(Tensor grad, Tensor input, Tensor? min, Tensor? max) -> Tensor", """
if max is None:
    return where(input >= min, grad, 0.0)
if min is None:
    return where(input <= max, grad, 0.0)
return where(logical_and(input >= min, input <= max), grad, 0.0)
""", function=False, method=False)  # fmt: skip
composite("clamp_backward_min(Tensor grad, Tensor input, Tensor min, Tensor? max) -> Tensor", """
if max is None:
    return where(input < min, grad, 0.0)
return where(logical_and(input < min, min < max), grad, 0.0)
""", function=False, method=False)  # fmt: skip
composite("clamp_backward_max(Tensor grad, Tensor input, Tensor? min, Tensor max) -> Tensor", """
if min is None:
    return where(input > max, grad, 0.0)
return where(logical_or(input > max, max < min), grad, 0.0)
""", function=False, method=False)  # fmt: skip
op("clamp(Tensor input, Scalar? min=None, Scalar? max=None) -> Tensor", kind="native", inplace=True, out=True, alias=("clip",),
   node="ClampBackward1", derivative="clamp_grad(grad, input, min, max)", code="""
static const Scalar BELOW_ALL = {'d', {.d = -INFINITY}, 0}, ABOVE_ALL = {'d', {.d = INFINITY}, 0};
static bool is_nan(Scalar s) { return s.kind == 'd' && s.u.d != s.u.d; }

Tensor *impl_clamp(Tensor *input, Scalar min, Scalar max) {
    if (!min.kind && !max.kind) {
        PyErr_SetString(PyExc_RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None");
        return NULL;
    }
    if (RL_IS_FLOAT(input->dtype) && min.kind != 'c' && max.kind != 'c' && !is_nan(min) && !is_nan(max))
        return rl_clamp_between(input, min.kind ? min : BELOW_ALL, max.kind ? max : ABOVE_ALL);
    if (RL_IS_INTEGRAL(input->dtype) && input->dtype != RL_BOOL && (!min.kind || min.kind == 'i') && (!max.kind || max.kind == 'i')) {
        const int64_t top = INT64_MAX >> (64 - 8 * RL_ITEMSIZE(input->dtype)), least = input->dtype == RL_U8 ? 0 : -top - 1;
        const int64_t most = input->dtype == RL_U8 ? 255 : top;
        const int64_t low = min.kind ? min.u.i : least, high = max.kind ? max.u.i : most;
        if (low >= least && low <= most && high >= least && high <= most)
            return rl_clamp_between(input, (Scalar){'i', {.i = low}, 0}, (Scalar){'i', {.i = high}, 0});
    }
    if (input->dtype == RL_BOOL && (!min.kind || min.kind == 'b') && (!max.kind || max.kind == 'b')) {
        rl_not_implemented(!min.kind ? "clamp_max_scalar_cpu" : !max.kind ? "clamp_min_scalar_cpu" : "clamp_scalar_cpu", RL_BOOL);
        return NULL;
    }
    Tensor *lo = min.kind ? rl_wrap_scalar(min) : NULL, *hi = max.kind ? rl_wrap_scalar(max) : NULL;
    Tensor *a = lo ? rl_maximum(input, lo) : (Tensor *)Py_NewRef((PyObject *)input);
    Tensor *r = a && hi ? rl_minimum(a, hi) : a ? (Tensor *)Py_NewRef((PyObject *)a) : NULL;
    Py_XDECREF(a); Py_XDECREF(lo); Py_XDECREF(hi);
    return r;
}
""", inplace_function=True, doc="""Elements below min become min, above max become max.

       NaN stays.

       >>> import rushlight as torch
       >>> torch.tensor([-2.0, 0.5, 3.0]).clamp(min=0, max=1)
       tensor([0.0000, 0.5000, 1.0000])
       """)  # fmt: skip
op("clamp_between(Tensor input, Scalar low, Scalar high) -> Tensor", kind="unary", inplace=False, out=False, function=False, method=False,
   kernel=dict.fromkeys(("float", "int"), "x < low ? (low > high ? high : low) : x > high ? high : x"))  # fmt: skip
native("clamp_grad(Tensor grad, Tensor input, Scalar? min, Scalar? max) -> Tensor", function=False, method=False, edges=["grad"],
       derivative={"grad": "clamp_grad(grad, input, min, max)"}, code="""
Tensor *impl_clamp_grad(Tensor *grad, Tensor *input, Scalar min, Scalar max) {
    return rl_clamp_pass(grad, input, min.kind ? min : BELOW_ALL, max.kind ? max : ABOVE_ALL);
}
""")  # fmt: skip
op("clamp_pass(Tensor grad, Tensor input, Scalar low, Scalar high) -> Tensor", kind="binary", inplace=False, out=False, function=False,
   method=False, kernel={"float": "(b >= low) & (b <= high) ? a : 0"})  # fmt: skip
composite("clamp_min.Tensor(Tensor input, Tensor min) -> Tensor", "maximum(input, min)", inplace=True, out=True, node="ClampMinBackward1",
          derivative={"input": "where(input >= min, grad, 0.0)", "min": "where(input < min, grad, 0.0)"})  # fmt: skip
composite("clamp_min(Tensor input, Scalar min) -> Tensor", "clamp(input, min, None)", inplace=True, out=True, inplace_function=True, doc="Elements below min become min.")
composite("clamp_max.Tensor(Tensor input, Tensor max) -> Tensor", "minimum(input, max)", inplace=True, out=True, node="ClampMaxBackward1",
          derivative={"input": "where(input <= max, grad, 0.0)", "max": "where(input > max, grad, 0.0)"})  # fmt: skip
composite("clamp_max(Tensor input, Scalar max) -> Tensor", "clamp(input, None, max)", inplace=True, out=True, inplace_function=True, doc="Elements above max become max.")

# ---------------------------------------------------------------- three operands

op("where(Tensor condition, Operand input, Operand other) -> Tensor", kind="ternary", bool_mask=1, out=True,
   kernel={"default": "a ? b : c", "bool": "a ? b : c", "complex": "a ? b : c"},
   derivative={"input": "where(condition, grad, 0.0)", "other": "where(condition, 0.0, grad)"},
   method=False, doc="input where condition holds, other elsewhere.")  # fmt: skip
composite("where.self(Tensor input, Tensor condition, Operand other) -> Tensor", "where(condition, input, other)", function=False)
op("addcmul(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", kind="ternary", inplace=True, out=True, numbers_first=True,
   kernel={"float": "FMA(value * b, c, a)", "int": "a + value * b * c", "complex": "a + MUL(MUL(value, b), c)"},
   derivative={"input": "grad", "tensor1": "grad * conj(tensor2 * value)", "tensor2": "grad * conj(tensor1 * value)"},
   doc="input + value * tensor1 * tensor2.")  # fmt: skip
op("addcdiv(Tensor input, Tensor tensor1, Tensor tensor2, *, Scalar value=1) -> Tensor", kind="ternary", inplace=True, out=True, numbers_first=True,
   check="rl_check_addcdiv(tensor1, tensor2)",
   kernel={"float": "a + value * b / c", "complex": "a + DIV(MUL(value, b), c)"},
   derivative={"input": "grad", "tensor1": "grad * conj(value / tensor2)", "tensor2": "-grad * conj(value * tensor1 / (tensor2 * tensor2))"},
   doc="input + value * tensor1 / tensor2.")  # fmt: skip
op("lerp(Tensor input, Tensor end, Operand weight) -> Tensor", kind="ternary", inplace=True, out=True, check="rl_check_lerp(input, end)",
   kernel={"float": "(fabs(c) < 0.5f ? FMA(c, b - a, a) : FMA(-(b - a), 1 - c, b))", "complex": "a + MUL(c, b - a)"},
   derivative={"input": "grad * conj(1 - weight)", "end": "grad * conj(weight)", "weight": "grad * conj(end - input)"},
   doc="""input + weight * (end - input).

       >>> import rushlight as torch
       >>> torch.lerp(torch.tensor(0.0), torch.tensor(10.0), 0.3)
       tensor(3.)
       """)  # fmt: skip

# ---------------------------------------------------------------- complex parts

native("real(Tensor input) -> Tensor", records=True, code="""
Tensor *rl_real(Tensor *input) {
    if (!RL_IS_COMPLEX(input->dtype)) return (Tensor *)Py_NewRef((PyObject *)input);
    Tensor *pair = rl_view_as_real(input), *r = pair ? rl_select(pair, -1, 0) : NULL;
    Py_XDECREF(pair);
    return r;
}
""", method=False, doc="The real part, as a view; real tensors are returned as they are.")  # fmt: skip
native("imag(Tensor input) -> Tensor", records=True, code="""
Tensor *rl_imag(Tensor *input) {
    if (!RL_IS_COMPLEX(input->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "imag is not implemented for tensors with non-complex dtypes.");
        return NULL;
    }
    Tensor *pair = rl_view_as_real(input), *r = pair ? rl_select(pair, -1, 1) : NULL;
    Py_XDECREF(pair);
    return r;
}
""", method=False, doc="The imaginary part, as a view.")  # fmt: skip

# ---------------------------------------------------------------- parts of numbers

op("frexp_mantissa(Tensor input) -> Tensor", kind="unary", kernel={"f32": "frexp_mantissa(x)", "f64": "frexp_mantissa(x)"}, function=False, method=False)
op("frexp_exponent(Tensor input) -> Tensor", kind="unary", kernel={"f32": "frexp_exponent(x)", "f64": "frexp_exponent(x)"}, out_rule="int32",
   function=False, method=False)  # fmt: skip
native("frexp(Tensor input) -> (Tensor mantissa, Tensor exponent)", derivative="grad_mantissa / exp2(to_dtype(exponent, float64))", out=True, code="""
int impl_frexp(Tensor *input, Tensor **out) {
    if (!RL_IS_FLOAT(input->dtype)) {
        PyErr_SetString(PyExc_RuntimeError, "torch.frexp() only supports floating-point dtypes");
        return -1;
    }
    const bool half = input->dtype == RL_F16 || input->dtype == RL_BF16;
    Tensor *wide = rl_to_dtype_raw(input, half ? RL_F32 : (RLDType)input->dtype), *mantissa = wide ? rl_frexp_mantissa(wide) : NULL;
    out[0] = mantissa ? rl_to_dtype_raw(mantissa, (RLDType)input->dtype) : NULL;
    out[1] = out[0] ? rl_frexp_exponent(wide) : NULL;
    Py_XDECREF(wide);
    Py_XDECREF(mantissa);
    if (out[1]) return 0;
    Py_CLEAR(out[0]);
    return -1;
}
""", doc="mantissa * 2 ** exponent = input, with the mantissa's magnitude in [0.5, 1).")  # fmt: skip
