"""Orthogonal polynomials of torch.special: f(x, n) is that of degree n at x. None has a gradient, as in PyTorch."""

from rushlight._ops.define import binary, composite

_NS = dict(method=False, namespaces=("special",))

for _name, _kernel, _doc in (
    ("chebyshev_polynomial_t", "sf_chebyshev_t({x}, b)", "Chebyshev's polynomial of the first kind"),
    ("chebyshev_polynomial_u", "sf_chebyshev_u({x}, b)", "Chebyshev's polynomial of the second kind"),
    ("chebyshev_polynomial_v", "sf_chebyshev_v({x}, b)", "Chebyshev's polynomial of the third kind"),
    ("chebyshev_polynomial_w", "sf_chebyshev_w({x}, b)", "Chebyshev's polynomial of the fourth kind"),
    ("hermite_polynomial_h", "sf_hermite_h({x}, b)", "The physicist's Hermite polynomial"),
    ("hermite_polynomial_he", "sf_hermite_he({x}, b)", "The probabilist's Hermite polynomial"),
    ("laguerre_polynomial_l", "sf_laguerre_l({x}, b)", "Laguerre's polynomial"),
    ("legendre_polynomial_p", "sf_legendre_p({x}, b)", "Legendre's polynomial"),
):
    for _shift in ("", "shifted_") if _name.startswith("chebyshev") else ("",):
        binary(f"special_{_shift}{_name}", _kernel.format(x="2 * a - 1" if _shift else "a"), float_result=True, inplace=False, **_NS,
               doc=f"{_doc}, of degree `other`{' at 2 input - 1' if _shift else ' at input'}.")  # fmt: skip
        composite(f"special_{_shift}{_name}.number(Scalar input, Tensor other) -> Tensor",
                  f"special_{_shift}{_name}(pow_base(input), other)", out=True, **_NS)  # fmt: skip
