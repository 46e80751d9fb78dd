"""float16 and bfloat16 are computed in float32 and rounded once, whatever lies how in memory."""

import itertools
import math

import pytest

import rushlight as torch

HALVES = [torch.float16, torch.bfloat16]
EXTREMES = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 65504.0, 6e-8, -6.1e-5, 3e38]


def numbers(count: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, generator=generator) * 3
    spread = count // len(EXTREMES)
    x[: spread * len(EXTREMES) : spread] = torch.tensor(EXTREMES)
    return x.to(dtype)


def layouts(x: torch.Tensor) -> dict[str, torch.Tensor]:
    return {
        "dense": x,
        "steps": x[::3],
        "transposed": x[:3000].view(30, 100).t(),
        "short rows": x[:3000].view(1000, 3)[:, :2],
        "long rows apart": x.view(2, -1)[:, :1500],
        "a number repeated": x[7].expand(1300),
        "rows repeated": x[:5].expand(700, 5),
        "columns repeated": x[:700].view(700, 1).expand(700, 3),
        "one": x[3],
        "none": x[:0],
    }


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and torch.equal(a.isnan(), b.isnan())
        and torch.equal(a.nan_to_num(), b.nan_to_num())
    )


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", ["exp", "tanh", "sqrt", "neg", "reciprocal", "isnan", "sign", "erf", "logical_not"])
def test_functions(name, dtype):
    function = getattr(torch, name)
    for layout, x in layouts(numbers(4000, dtype, 1)).items():
        wide = function(x.float())
        assert same(function(x), wide.to(dtype) if wide.is_floating_point() else wide), layout


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", ["add", "mul", "div", "pow", "maximum", "fmod", "lt", "eq"])
def test_pairs(name, dtype):
    function = getattr(torch, name)
    left, right = layouts(numbers(4000, dtype, 2)), layouts(numbers(4000, dtype, 3))
    for a, b in itertools.chain(
        ((left[k], right[k]) for k in left),
        [(left["transposed"], right["dense"][:30]), (left["dense"][:700, None], right["rows repeated"])],
        [(left["dense"], right["one"]), (left["one"], right["steps"])],
    ):
        wide = function(a.float(), b.float())
        assert same(function(a, b), wide.to(dtype) if wide.is_floating_point() else wide)


@pytest.mark.parametrize("dtype", HALVES)
def test_masks_and_results_in_place(dtype):
    x, y = numbers(4000, dtype, 4), numbers(4000, dtype, 5)
    mask = x > 0
    assert same(torch.where(mask, x, y), torch.where(mask, x.float(), y.float()).to(dtype))
    assert same(torch.where(mask[::2], x[0], y[::2]), torch.where(mask[::2], x[0].float(), y[::2].float()).to(dtype))
    expected = (x.float() * y.float()).to(dtype)
    assert same(x.clone().mul_(y), expected)
    turned = x[:3000].clone().view(30, 100)
    turned.t().mul_(y[:3000].view(100, 30))
    assert same(turned.t(), (x[:3000].view(30, 100).t().float() * y[:3000].view(100, 30).float()).to(dtype))
    out = torch.zeros(8000, dtype=dtype)
    torch.mul(x, y, out=out[::2])
    assert same(out[::2], expected)
    assert not out[1::2].any()


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", ["sum", "prod", "nansum", "any"])
def test_reductions(name, dtype):
    function = getattr(torch, name)
    x = (numbers(6000, dtype, 6).nan_to_num() / 65504).view(20, 30, 10)
    for dims in (0, 1, 2, (0, 2), (1, 2)):
        if name == "prod" and isinstance(dims, tuple):
            continue
        wide = function(x.float(), dims)
        assert same(function(x, dims), wide.to(dtype) if wide.is_floating_point() else wide), dims
    assert function(x[:0], 0).shape == (30, 10)
