"""Special functions."""

from rushlight._ops.define import composite, op, unary

unary("digamma", "sf_digamma(x)", "grad * polygamma(1, input)", float_result=True,
      doc="The logarithmic derivative of the gamma function.")  # fmt: skip
composite("polygamma(int n, Tensor input) -> Tensor", "polygamma_of(input, n)", out=True, doc="The n-th derivative of digamma.")
composite("polygamma.method(Tensor input, int n) -> Tensor", "polygamma_of(input, n)", function=False, inplace=True)
op("polygamma_of(Tensor input, int order) -> Tensor", kind="unary", kernel={"float": "sf_polygamma(order, x)"}, in_rule="float",
   derivative="grad * polygamma_of(input, order + 1)", node="PolygammaBackward0", function=False, method=False)  # fmt: skip
