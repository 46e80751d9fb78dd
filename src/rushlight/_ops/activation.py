"""Activations: elementwise functions with a derivative of their own, and the few that pair or weigh elements."""

import re

from rushlight._ops.define import Op, composite, native, op

_LITERAL = re.compile(r"(?<![\w.])(\d+\.\d+)(?![\w.])")


def _real(text: str) -> dict[str, str]:
    """Kernels of floating dtypes: a literal has the type that the dtype is computed in."""
    return {"f64": text, "float": _LITERAL.sub(r"\1f", text)}


def _names(params: str) -> str:
    """ ", float alpha=1.0" -> ", alpha"."""
    return "".join(f", {p.split('=')[0].split()[-1]}" for p in params.split(",")[1:])


def _without_defaults(params: str) -> str:
    return re.sub(r"=[^,]*", "", params)


_FLAT = "zeros_like_shape(grad, grad.shape)"


def _backward(name: str, slope: str | dict[str, str], curve: str, *, params: str = "", node: str = "") -> Op:
    """`<name>_backward`: a * f'(b) as one kernel; its own derivative from `curve`, a formula for f''(input)."""
    return op(f"{name}_backward(Tensor grad_output, Tensor input{params}) -> Tensor", kind="binary",
              kernel=_real(slope) if isinstance(slope, str) else slope,
              derivative={"grad_output": f"{name}_backward(grad, input{_names(params)})",
                          "input": f"grad * grad_output * ({curve})" if curve else _FLAT},
              node=node, function=False, method=False)  # fmt: skip


def _switch(name: str, params: str, *, public: bool, check: str = "", doc: str = "") -> None:
    """The function's form, whose `inplace` argument chooses between f(x) and f_(x)."""
    c_params = "".join(f", double {p.strip()}" for p in _names(params).split(",")[1:])
    args = "input" + _names(params)
    native(f"{name}.switch(Tensor input{params}, bool inplace=False) -> Tensor", records=True, method=False,
           namespaces=() if public else ("nn.functional",), doc=doc, code=f"""
Tensor *rl_{name}_switch(Tensor *input{c_params}, bool inplace) {{{check}
    return inplace ? rl_{name}_({args}) : rl_{name}({args});
}}
""")  # fmt: skip


def _activation(name: str, kernel: str | dict[str, str], slope: str | dict[str, str] | None, curve: str = "", *, params: str = "",
                public: bool = False, switch: bool = True, method: bool = False, derivative: str = "", check: str = "",
                node: str = "", error: str = "", no_bool: str = "", positive: str = "", doc: str) -> None:  # fmt: skip
    """f as one kernel, with f_ and the function that switches between them, and its backward operation.

    Without `slope` the derivative is a formula given as `derivative`.  `no_bool` is what bool is refused with.
    `positive` is the kernel where no element is below 0.
    """
    if switch:
        _switch(name, params, public=public, check=check, doc=doc)
    op(f"{name}(Tensor input{params}) -> Tensor", kind="unary", kernel=_real(kernel) if isinstance(kernel, str) else kernel,
       derivative=derivative or f"{name}_backward(grad, input{_names(params)})", node=node, function=not switch, method=method,
       near={c: ("!(x < 0)", text) for c, text in _real(positive).items()} if positive else None,
       inplace=switch, out=not switch, namespaces=() if public else ("nn.functional",), doc=doc,
       check=f'rl_no_bool(input, "{no_bool}")' if no_bool else "", extra={"error_name": error or f"{name}_cpu"})  # fmt: skip
    if slope:
        _backward(name, slope, curve, params=_without_defaults(params))


# ---------------------------------------------------------------- rectifiers

# The derivative reads the result, so that the input need not be kept; NaN counts as positive.
_activation("relu", {"default": "x < 0 ? 0 : x"}, None, derivative="threshold_backward(grad, result, 0.0)", public=True, method=True,
            no_bool="Boolean inputs not supported for relu",
            doc="""max(0, input); NaN stays.

            >>> import rushlight as torch
            >>> torch.relu(torch.tensor([-1., 2.]))
            tensor([0., 2.])
            """)  # fmt: skip
_activation("threshold", {"default": "x <= threshold ? value : x"}, None, derivative="threshold_backward(grad, input, threshold)",
            params=", float threshold, float value", public=True, doc="input where it exceeds threshold, else value.")  # fmt: skip
op("threshold_backward(Tensor grad_output, Tensor input, float threshold) -> Tensor", kind="binary", kernel="b <= threshold ? 0 : a",
   derivative={"grad_output": "threshold_backward(grad, input, threshold)", "input": _FLAT}, function=False, method=False)  # fmt: skip
_activation("hardtanh", {"default": "x < min_val ? min_val : x > max_val ? max_val : x"}, "b <= min_val || b >= max_val ? 0 : a",
            params=", float min_val=-1.0, float max_val=1.0", no_bool="Bool inputs not supported for hardtanh", check="""
    if (min_val > max_val) {
        PyErr_SetString(PyExc_ValueError, "min_val cannot be greater than max_val");
        return NULL;
    }""", doc="input, held between min_val and max_val.")  # fmt: skip
native("relu6(Tensor input, bool inplace=False) -> Tensor", records=True, method=False, namespaces=("nn.functional",), code="""
Tensor *rl_relu6(Tensor *input, bool inplace) { return inplace ? rl_hardtanh_(input, 0, 6) : rl_hardtanh(input, 0, 6); }
""", doc="min(max(0, input), 6).")  # fmt: skip
_activation("leaky_relu", "x > 0 ? x : x * negative_slope", "b > 0 ? a : a * negative_slope", params=", float negative_slope=0.01",
            doc="""input where positive, else negative_slope * input.

       >>> import rushlight as torch
       >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]), 0.1)
       tensor([-0.1000,  2.0000])
       """)  # fmt: skip

native("prelu(Tensor input, Tensor weight) -> Tensor", records=True, autocast="narrow", code="""
Tensor *rl_prelu(Tensor *input, Tensor *weight) {
    if (input->dtype != weight->dtype) {
        PyErr_Format(PyExc_RuntimeError, "prelu: Type promoting not supported. Got %s and %s", rl_dtypes[input->dtype].legacy,
                     rl_dtypes[weight->dtype].legacy);
        return NULL;
    }
    int64_t shape[RL_MAXDIM];
    for (int i = 0; i < input->ndim; i++) shape[i] = 1;
    if (weight->numel != 1) {
        if (input->ndim == 0) {
            PyErr_SetString(PyExc_RuntimeError, "Not allow zero-dim input tensor.");
            return NULL;
        }
        const int64_t channels = input->ndim > 1 ? input->size[1] : 1;
        if (channels != weight->numel) {
            PyErr_Format(PyExc_RuntimeError, "Mismatch of parameter numbers and input channel size. Found parameter numbers = %lld "
                         "and channel size = %lld.", (long long)weight->numel, (long long)channels);
            return NULL;
        }
        shape[1] = channels;
    }
    if (weight->ndim > 1) {
        PyErr_Format(PyExc_RuntimeError, "prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = %d", weight->ndim);
        return NULL;
    }
    Tensor *w = rl_reshape(weight, (Ints){shape, input->ndim}), *r = w ? rl__prelu_kernel(input, w) : NULL;
    Py_XDECREF(w);
    return r;
}
""", doc="input where positive, else weight * input; weight has one element or one for each channel (dimension 1).")  # fmt: skip
op("_prelu_kernel(Tensor input, Tensor weight) -> Tensor", kind="binary", kernel={"float": "a > 0 ? a : b * a"}, function=False, method=False,
   derivative={"input": "where(input > 0, grad, weight * grad)", "weight": "where(input > 0, 0.0, input * grad)"},
   extra={"error_name": "prelu_cpu"})  # fmt: skip

# ---------------------------------------------------------------- exponential units

_SELU = ("1.6732632423543772", "1.0507009873554805")  # alpha and scale of Klambauer et al. (2017)
_activation("elu", "x < 0 ? expm1(x) * alpha : x", None, positive="x", derivative="elu_backward(grad, input, alpha, 1.0, 1.0)", params=", float alpha=1.0",
            doc="""input where positive, else alpha * (exp(input) - 1).

       >>> import rushlight as torch
       >>> torch.nn.functional.elu(torch.tensor([-1.0, 2.0]))
       tensor([-0.6321,  2.0000])
       """)  # fmt: skip
_activation("selu", f"x < 0 ? expm1(x) * ({_SELU[0]} * {_SELU[1]}) : x * {_SELU[1]}", None, positive=f"x * {_SELU[1]}", public=True, node="EluBackward0", error="elu_cpu",
            derivative=f"elu_backward(grad, input, {_SELU[0]}, {_SELU[1]}, 1.0)",
            doc="scale * elu(input, alpha), with the constants that keep mean 0 and variance 1 (Klambauer et al., 2017).")  # fmt: skip
_activation("celu", "x < 0 ? expm1(x * (1 / alpha)) * alpha : x", None, positive="x", derivative="elu_backward(grad, input, alpha, 1.0, 1.0 / alpha)",
            params=", float alpha=1.0", public=True, error="elu_cpu", check="""
    if (alpha == 0) {
        PyErr_SetString(PyExc_RuntimeError, "ZeroDivisionError: alpha cannot be 0 for CELU");
        return NULL;
    }""", doc="max(0, input) + min(0, alpha * (exp(input / alpha) - 1)).")  # fmt: skip
op("elu_backward(Tensor grad_output, Tensor input, float alpha, float scale, float input_scale) -> Tensor", kind="binary",
   kernel={"float": "b <= 0 ? a * input_scale * (alpha * scale) * exp(b * input_scale) : a * scale"},
   derivative={"grad_output": "elu_backward(grad, input, alpha, scale, input_scale)",
               "input": "where(input <= 0, grad * grad_output * exp(input * input_scale) * (alpha * scale * input_scale * input_scale), 0.0)"},
   function=False, method=False)  # fmt: skip

# ---------------------------------------------------------------- smooth units

_GATE = "DIV(1, (1 + exp(-b)))"
_activation("silu", {**_real("x / (1 + exp(-x))"), "complex": "DIV(x, (1 + exp(-x)))"},
            {**_real("a * (1 / (1 + exp(-b))) * (1 + b * (1 - 1 / (1 + exp(-b))))"),
             "complex": f"MUL(a, conj(MUL({_GATE}, 1 + MUL(b, 1 - {_GATE}))))"},
            "sigmoid(input) * (1 - sigmoid(input)) * (2 + input * (1 - 2 * sigmoid(input)))", doc="input * sigmoid(input).")  # fmt: skip
_activation("mish", "mish(x)", "a * mish_slope(b)",
            "sigmoid(input) * (1 - square(tanh(softplus(input)))) * "
            "(2 + input * (1 - sigmoid(input) - 2 * tanh(softplus(input)) * sigmoid(input)))",
            doc="input * tanh(log(1 + exp(input))).")  # fmt: skip
_activation("hardsigmoid", "(x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6", "b > -3 && b < 3 ? a * 0.16666666666666666 : 0",
            doc="min(max(input + 3, 0), 6) / 6.")  # fmt: skip
_activation("hardswish", "x * (x + 3 < 0 ? 0 : x + 3 > 6 ? 6 : x + 3) / 6", "b <= -3 ? 0 : b < 3 ? a * (b / 3 + 0.5) : a",
            "where(logical_and(input > -3, input < 3), 1.0 / 3.0, 0.0)", doc="input * min(max(input + 3, 0), 6) / 6.")  # fmt: skip
_activation("softplus", "x * beta > threshold ? x : softplus(x * beta) / beta",
            "b * beta > threshold ? a : a * exp(b * beta) / (exp(b * beta) + 1)",
            "where(input * beta > threshold, 0.0, sigmoid(input * beta) * (1 - sigmoid(input * beta)) * beta)",
            params=", float beta=1.0, float threshold=20.0", switch=False,
            doc="log(1 + exp(beta * input)) / beta; input itself where beta * input exceeds threshold.")  # fmt: skip
_activation("logsigmoid", "-softplus(-x)", None, derivative="log_sigmoid_backward(grad, input)", switch=False,
            node="LogSigmoidBackward0", error="log_sigmoid_cpu", doc="""log(sigmoid(input)), exact for large input.

       >>> import rushlight as torch
       >>> torch.nn.functional.logsigmoid(torch.tensor([0.0, 2.0]))
       tensor([-0.6931, -0.1269])
       """)  # fmt: skip
_backward("log_sigmoid", "a * ((b < 0 ? 1 : 0) - (b < 0 ? 1 : -1) * (exp(-fabs(b)) / (1 + exp(-fabs(b)))))",
          "-(sigmoid(input) * (1 - sigmoid(input)))")  # fmt: skip

# (1 + tanh(u)) / 2 is sigmoid(2 u). gelu'' is (2 - x^2) times the normal density; of the tanh form, with
# u = beta (x + kappa x^3) and t = tanh(u), it is (1 - t^2) (u' + x / 2 (u'' - 2 t u'^2)).
_TANH_GATE = "sigmoid(1.5957691216057308 * (b + 0.044715 * (b * b * b)))"
_T = "tanh(0.7978845608028654 * (input + 0.044715 * input * square(input)))"
_U1 = "((square(input) * 0.134145 + 1) * 0.7978845608028654)"
for _form, _kernel, _slope, _curve in (
    ("erf", "gelu(x)", "a * gelu_slope(b)", "(2 - square(input)) * exp(square(input) * -0.5) * 0.3989422804014327"),
    ("tanh", "x * sigmoid(1.5957691216057308 * (x + 0.044715 * (x * x * x)))",
     f"a * ({_TANH_GATE} + b * ({_TANH_GATE} * (1 - {_TANH_GATE}) * (1.5957691216057308 * (1 + 3 * 0.044715 * (b * b)))))",
     f"(1 - square({_T})) * ({_U1} + input * 0.5 * (input * 0.21406444881780676 - 2 * {_T} * square({_U1})))"),
):  # fmt: skip
    op(f"gelu_{_form}(Tensor input) -> Tensor", kind="unary", kernel=_real(_kernel), derivative=f"gelu_{_form}_backward(grad, input)",
       node="GeluBackward0", function=False, method=False, extra={"error_name": "GeluKernelImpl"})  # fmt: skip
    _backward(f"gelu_{_form}", _slope, _curve, node="GeluBackwardBackward0")
native("gelu(Tensor input, *, str approximate='none') -> Tensor", records=True, out=True, method=False, namespaces=("nn.functional",), code="""
Tensor *rl_gelu(Tensor *input, const char *approximate) {
    if (strcmp(approximate, "none") == 0) return rl_gelu_erf(input);
    if (strcmp(approximate, "tanh") == 0) return rl_gelu_tanh(input);
    PyErr_SetString(PyExc_RuntimeError, "approximate argument must be either none or tanh.");
    return NULL;
}
""", doc="""input * Phi(input), Phi being the normal distribution function (Hendrycks and Gimpel, 2016).

       approximate="tanh": 0.5 * input * (1 + tanh(sqrt(2 / pi) * (input + 0.044715 * input**3))).

       >>> import rushlight as torch
       >>> torch.nn.functional.gelu(torch.tensor([-1., 0., 1.]))
       tensor([-0.1587,  0.0000,  0.8413])
       """)  # fmt: skip

# ---------------------------------------------------------------- shrinking

_activation("hardshrink", "x >= -lambd && x <= lambd ? 0 : x", "b >= -lambd && b <= lambd ? 0 : a", params=", float lambd=0.5", public=True,
            method=True, switch=False, doc="0 where |input| <= lambd, else input.")  # fmt: skip
# 0 * x rather than 0: NaN stays.
op("shrink_softly(Tensor input, float lambd) -> Tensor", kind="unary", kernel={"float": "x > lambd ? x - lambd : x < -lambd ? x + lambd : 0 * x"},
   derivative="softshrink_backward(grad, input, lambd)", node="SoftshrinkBackward0", function=False, method=False,
   extra={"error_name": "softshrink_check"})  # fmt: skip
_backward("softshrink", "b >= -lambd && b <= lambd ? 0 : a", "", params=", float lambd")
native("softshrink(Tensor input, float lambd=0.5) -> Tensor", records=True, out=True, method=False, namespaces=("nn.functional",), code="""
Tensor *rl_softshrink(Tensor *input, double lambd) {
    if (RL_UNLIKELY(!(lambd >= 0)) && RL_IS_FLOAT(input->dtype)) {
        const double most = input->dtype == RL_F64 ? 1.7976931348623157e308 : input->dtype == RL_F16 ? 65504
                          : input->dtype == RL_BF16 ? 3.3895313892515355e38 : 3.4028234663852886e38;
        char text[160];
        PyOS_snprintf(text, sizeof text, "lambda must be in range [0, %g] for input dtype %s, but found %g", most,
                      rl_dtypes[input->dtype].legacy, lambd);
        PyErr_SetString(PyExc_RuntimeError, text);
        return NULL;
    }
    return rl_shrink_softly(input, lambd);
}
""", doc="input moved towards 0 by lambd, and 0 where |input| <= lambd.")  # fmt: skip

# ---------------------------------------------------------------- gated

native("glu(Tensor input, int dim=-1) -> Tensor", method=False, namespaces=("nn.functional",), derivative="glu_backward(grad, input, dim)", code="""
Tensor *impl_glu(Tensor *input, int64_t dim) {
    if (input->ndim == 0) {
        PyErr_SetString(PyExc_RuntimeError, "glu does not support scalars because halving size must be even");
        return NULL;
    }
    if ((dim = rl_wrap_dim(dim, input->ndim)) == INT64_MIN) return NULL;
    if (input->size[dim] % 2) {
        PyErr_Format(PyExc_RuntimeError, "Halving dimension must be even, but dimension %lld is size %lld", (long long)dim,
                     (long long)input->size[dim]);
        return NULL;
    }
    if (!RL_IS_FLOAT(input->dtype)) {
        rl_not_implemented("glu_cpu", (RLDType)input->dtype);
        return NULL;
    }
    const int64_t half = input->size[dim] / 2;
    Tensor *a = rl_narrow(input, dim, 0, half), *b = rl_narrow(input, dim, half, half);
    Tensor *gate = b ? rl_sigmoid(b) : NULL, *r = a && gate ? rl_mul(a, gate) : NULL;
    Py_XDECREF(a); Py_XDECREF(b); Py_XDECREF(gate);
    return r;
}
""", doc="The first half along dim times the sigmoid of the second (Dauphin et al., 2016).")  # fmt: skip
composite("glu_backward(Tensor grad, Tensor input, int dim) -> Tensor", """
half = input.shape[dim] // 2
first = narrow(input, dim, 0, half)
gate = sigmoid(narrow(input, dim, half, half))
return cat([grad * gate, grad * first * gate * (1 - gate)], dim)
""", function=False, method=False)  # fmt: skip
