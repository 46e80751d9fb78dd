"""Special functions."""

from rushlight._ops.define import binary, composite, native, op, unary

unary("digamma", "digamma(x)", "grad * polygamma(1, input)", float_result=True, near={"float": ("digamma_is_near(x)", "digamma_near(x)")},
      inplace_function=False, doc="The logarithmic derivative of the gamma function.")  # fmt: skip
composite("polygamma(int n, Tensor input) -> Tensor", "polygamma_of(input, n)", out=True, doc="The n-th derivative of digamma.")
composite("polygamma.method(Tensor input, int n) -> Tensor", "polygamma_of(input, n)", function=False, inplace=True)
op("polygamma_of(Tensor input, int order) -> Tensor", kind="unary", kernel={"float": "sf_polygamma(order, x)"}, in_rule="float", near={"float": ("(order == 1) & (x > 0)", "trigamma(x)")},
   derivative="grad * polygamma_of(input, order + 1)", node="PolygammaBackward0", function=False, method=False)  # fmt: skip
native("mvlgamma_halves(Tensor input, int p) -> Tensor", records=True, function=False, method=False, code="""
Tensor *rl_mvlgamma_halves(Tensor *input, int64_t p) { /* input - i / 2 for each i < p, in a new last dimension */
    Tensor *x = rl_unsqueeze(input, -1), *halves = rl_empty(1, &p, RL_IS_FLOAT(input->dtype) ? (RLDType)input->dtype : rl_default_dtype, RL_CPU);
    Tensor *steps = halves ? rl_empty(1, &p, RL_F64, RL_CPU) : NULL, *r = NULL;
    for (int64_t i = 0; steps && i < p; i++) ((double *)steps->data)[i] = (double)i / 2;
    if (x && steps && rl_copy_raw(halves, steps) == 0) r = rl_sub(x, halves, RL_ONE);
    Py_XDECREF(x); Py_XDECREF(halves); Py_XDECREF(steps);
    return r;
}
""")
composite("mvlgamma(Tensor input, int p) -> Tensor", """
check(p >= 1, "RuntimeError", "p has to be greater than or equal to 1")
return sum_dim(lgamma(mvlgamma_halves(input, p)), [-1]) + 0.28618247146235004 * p * (p - 1)
""", inplace=True, out=True, doc="The logarithm of the multivariate gamma function of dimension p.")  # fmt: skip
unary("erfinv", "erfinv(x)", "grad * exp(result * result) * 0.886226925452758", float_result=True, inplace_function=False, doc="The inverse of erf.")
unary("i0", "i0(x)", "grad * special_i1(input)", float_result=True, doc="The modified Bessel function of the first kind, of order 0.")
unary("sinc", "sinc(x)", "grad * conj(sinc_slope(input))", float_result=True,
      complex="x == 0 ? 1 : DIV(sin(x * 3.141592653589793), (x * 3.141592653589793))", doc="sin(pi x) / (pi x), and 1 at 0.")
composite("sinc_slope(Tensor input) -> Tensor", """
x = input * 3.141592653589793
return masked_fill((cos(x) - sinc(input)) / input, input == 0, 0.0)
""", function=False, method=False)  # fmt: skip
native("logit(Tensor input, float? eps=None) -> Tensor", records=True, inplace=True, out=True, code="""
Tensor *rl_logit(Tensor *input, Scalar eps) {
    return eps.kind ? rl_logit_clamped(input, eps.u.d) : rl_logit_values(input);
}
""", inplace_function=True, doc="log(input / (1 - input)), of input clamped to [eps, 1 - eps] when eps is given.")  # fmt: skip
unary("logit_values", "log(x / (1 - x))", "grad / (input * (1 - input))", float_result=True, node="LogitBackward0", function=False, method=False,
      inplace=False, out=False)  # fmt: skip
unary("logit_clamped", "log((x < eps ? eps : x > 1 - eps ? 1 - eps : x) / (1 - (x < eps ? eps : x > 1 - eps ? 1 - eps : x)))",
      "masked_fill(grad / (input * (1 - input)), logical_or(input < eps, input > 1 - eps), 0.0)", params="float eps", float_result=True,
      node="LogitBackward0", function=False, method=False, inplace=False, out=False)  # fmt: skip

# ---------------------------------------------------------------- torch.special

_NS = dict(method=False, namespaces=("special",))
_F = dict(float_result=True, inplace=False, **_NS)

op("special_ndtr(Tensor input) -> Tensor", kind="unary", in_rule="float", out=True, inplace_function=True,
   kernel={"float": "0.5f * erfc(-x * 0.7071067811865476f)", "f64": "0.5 * erfc(-x * 0.7071067811865476)"}, **_NS,
   derivative="grad * exp(input * input * -0.5) * 0.3989422804014327", doc="The distribution function of the normal distribution.")  # fmt: skip
unary("special_ndtri", "sf_ndtri(x)", "grad * exp(result * result * 0.5) * 2.5066282746310002", **_F, near={"float": ("ndtri_is_near(x)", "ndtri_near(x)")}, doc="The inverse of ndtr().")
unary("special_log_ndtr", "sf_log_ndtr(x)", "grad * exp(input * input * -0.5 - result) * 0.3989422804014327", **_F,
      near={"float": ("log_ndtr_is_near(x)", "log_ndtr_near(x)")}, doc="log(ndtr(input)).")
unary("special_erfcx", "sf_erfcx(x)", "grad * (2 * input * result - 1.1283791670955126)", **_F,
      near={"float": ("erfcx_is_near(x)", "erfcx_near(x)")}, doc="exp(input ** 2) * erfc(input).")
unary("special_i0e", "i0e(x)", "grad * (special_i1e(input) - sgn(input) * result)", **_F, doc="i0() divided by exp(|input|).")
unary("special_i1", "i1(x)", "grad * bessel_i1_slope(input, special_i0(input), result, 0)", **_F,
      doc="The modified Bessel function of the first kind, of order 1.")  # fmt: skip
unary("special_i1e", "i1e(x)", "grad * bessel_i1_slope(input, special_i0e(input), result, 1)", **_F, doc="i1() divided by exp(|input|).")
composite("bessel_i1_slope(Tensor input, Tensor i0, Tensor i1, int damped) -> Tensor", """
slope = i0 - i1 * (sgn(input) * damped + reciprocal(input))
return masked_fill(slope, input == 0, 0.5)
""", function=False, method=False)  # fmt: skip

# PyTorch has no derivatives for these.
for _name, _kernel, _doc in (
    ("bessel_j0", "sf_bessel_j0", "The Bessel function of the first kind, of order 0."),
    ("bessel_j1", "sf_bessel_j1", "The Bessel function of the first kind, of order 1."),
    ("bessel_y0", "sf_bessel_y0", "The Bessel function of the second kind, of order 0; -inf at 0, NaN below."),
    ("bessel_y1", "sf_bessel_y1", "The Bessel function of the second kind, of order 1; -inf at 0, NaN below."),
    ("modified_bessel_i0", "i0", "i0()."),
    ("modified_bessel_i1", "i1", "i1()."),
    ("modified_bessel_k0", "sf_k0", "The modified Bessel function of the second kind, of order 0."),
    ("modified_bessel_k1", "sf_k1", "The modified Bessel function of the second kind, of order 1."),
    ("scaled_modified_bessel_k0", "sf_k0e", "exp(input) * modified_bessel_k0(input)."),
    ("scaled_modified_bessel_k1", "sf_k1e", "exp(input) * modified_bessel_k1(input)."),
    ("spherical_bessel_j0", "sf_spherical_j0", "sin(input) / input, and 1 at 0."),
    ("airy_ai", "sf_airy_ai", "Airy's function Ai: the solution of y'' = input * y that decays to the right."),
):
    unary(f"special_{_name}", f"{_kernel}(x)", **_F, doc=_doc)
unary("special_entr", "x != x ? x : x > 0 ? -x * log(x) : x == 0 ? 0 : -INFINITY", "grad * where(input < 0, nan, -log(input) - 1)", **_F,
      doc="-input * log(input), 0 at 0 and -inf below.")  # fmt: skip
binary("special_xlog1py", "b != b ? b : a == 0 ? 0 : a * log1p(b)",
       {"input": "grad * masked_fill(log1p(other), logical_and(input == 0, other <= -1), 0.0)", "other": "grad * input / (other + 1)"},
       **_F, doc="input * log1p(other), and 0 where input is 0.")  # fmt: skip
binary("special_zeta", "sf_zeta(a, b)", {"input": "not_implemented", "other": "grad * -input * special_zeta(input + 1, other)"}, **_F,
       doc="Hurwitz's zeta function: the sum of (other + k) ** -input over k >= 0.")  # fmt: skip

# What torch.special has under another name or as well.
for _name, _of in (("erf", ""), ("erfc", ""), ("erfinv", ""), ("exp2", ""), ("expm1", ""), ("log1p", ""), ("sinc", ""), ("i0", ""), ("round", ""),
                   ("digamma", ""), ("psi", "digamma"), ("gammaln", "lgamma"), ("expit", "sigmoid")):  # fmt: skip
    composite(f"special_{_name}(Tensor input) -> Tensor", f"{_of or _name}(input)", out=True, **_NS, doc=f"{_of or _name}().")
composite("special_round.decimals(Tensor input, *, int decimals) -> Tensor", "round_decimals(input, decimals=decimals)", out=True, **_NS)
composite("special_logit(Tensor input, float? eps=None) -> Tensor", "logit(input, eps)", out=True, **_NS, doc="logit().")
composite("special_polygamma(int n, Tensor input) -> Tensor", "polygamma_of(input, n)", out=True, **_NS, doc="polygamma().")
composite("special_multigammaln(Tensor input, int p) -> Tensor", "mvlgamma(input, p)", out=True, **_NS, doc="mvlgamma().")
composite("special_xlogy(Tensor input, Operand other) -> Tensor", "xlogy(input, other)", out=True, **_NS, doc="xlogy().")
composite("special_logsumexp(Tensor input, int[1] dim, bool keepdim=False) -> Tensor", "logsumexp(input, dim, keepdim)", out=True, **_NS,
          doc="logsumexp().")  # fmt: skip
_IGAMMA_SLOPE = "grad * exp((input - 1) * log(other) - other - lgamma(input))"
binary("igamma", "sf_igamma(a, b)", {"other": _IGAMMA_SLOPE}, other="Tensor", float_result=True, alias=("special_gammainc",),
       doc="The lower incomplete gamma function of (input, other), divided by gamma(input).")  # fmt: skip
binary("igammac", "sf_igammac(a, b)", {"other": f"-({_IGAMMA_SLOPE})"}, other="Tensor", float_result=True, alias=("special_gammaincc",),
       doc="The upper incomplete gamma function of (input, other), divided by gamma(input).")  # fmt: skip
