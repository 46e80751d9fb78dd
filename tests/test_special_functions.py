"""Special functions against values from Abramowitz and Stegun and against what defines them."""

import math

import pytest

import rushlight as torch

special = torch.special


def at(function, *points):
    return function(torch.tensor(points, dtype=torch.float64)).tolist()


@pytest.mark.parametrize(
    ("name", "x", "value"),
    [
        ("bessel_j0", 1.0, 0.765197686557967),
        ("bessel_j1", 1.0, 0.440050585744934),
        ("bessel_y0", 1.0, 0.088256964215677),
        ("bessel_y1", 1.0, -0.781212821300289),
        ("modified_bessel_i0", 1.0, 1.266065877752008),
        ("modified_bessel_i1", 1.0, 0.565159103992485),
        ("modified_bessel_k0", 1.0, 0.421024438240708),
        ("modified_bessel_k1", 1.0, 0.601907230197235),
        ("modified_bessel_k0", 5.0, 0.003691098334043),
        ("modified_bessel_k1", 5.0, 0.004044613445452),
        ("spherical_bessel_j0", 2.0, 0.454648713412841),
        ("airy_ai", 0.0, 0.355028053887817),
        ("airy_ai", 1.0, 0.135292416312881),
        ("airy_ai", 5.0, 0.000108344428136),
        ("airy_ai", -1.0, 0.535560883292352),
        ("airy_ai", -10.0, 0.040241238486444),
    ],
)
def test_tabulated(name, x, value):
    assert at(getattr(special, name), x)[0] == pytest.approx(value, abs=1e-14, rel=1e-11)


def test_scaled():
    points = torch.tensor([0.5, 2.0, 2.001, 30.0], dtype=torch.float64)
    for order in "01":
        plain = getattr(special, f"modified_bessel_k{order}")(points)
        scaled = getattr(special, f"scaled_modified_bessel_k{order}")(points)
        torch.testing.assert_close(scaled, plain * points.exp(), rtol=1e-13, atol=0)


def test_wronskian_of_modified_bessel_functions():
    x = torch.linspace(0.1, 20, 200, dtype=torch.float64)
    i0, i1 = special.modified_bessel_i0(x), special.modified_bessel_i1(x)
    k0, k1 = special.modified_bessel_k0(x), special.modified_bessel_k1(x)
    torch.testing.assert_close(i0 * k1 + i1 * k0, 1 / x, rtol=1e-12, atol=0)


def test_airy_solves_its_equation():
    h = 1e-3
    x = torch.linspace(-20, 5, 300, dtype=torch.float64)
    y, left, right = (special.airy_ai(x + d) for d in (0, -h, h))
    torch.testing.assert_close((left - 2 * y + right) / h**2, x * y, rtol=0, atol=1e-4)


def test_ends():
    inf, nan = math.inf, math.nan
    assert at(special.bessel_y0, 0.0, -1.0) == pytest.approx([-inf, nan], nan_ok=True)
    assert at(special.modified_bessel_k1, 0.0, -1.0) == pytest.approx([inf, nan], nan_ok=True)
    assert at(special.spherical_bessel_j0, 0.0, inf) == [1.0, 0.0]
    assert special.bessel_j0(torch.tensor([0, 1])).dtype is torch.float32
