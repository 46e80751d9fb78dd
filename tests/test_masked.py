"""torch.masked: reductions of what a mask leaves in, against the same reductions of just these elements."""

import pytest

import rushlight as torch

X = torch.tensor([[0.5, -1.0, 2.0, 0.25], [1.5, 3.0, -0.5, 1.0]], dtype=torch.float64)
MASK = torch.tensor([[True, False, True, True], [False, True, True, False]])

PLAIN = {
    "sum": torch.sum,
    "prod": torch.prod,
    "mean": torch.mean,
    "amax": torch.amax,
    "amin": torch.amin,
    "var": torch.var,
    "std": torch.std,
    "median": lambda x: torch.median(x),
    "norm": lambda x: torch.linalg.vector_norm(x),
    "logsumexp": lambda x: torch.logsumexp(x, 0),
}


@pytest.mark.parametrize("name", PLAIN)
def test_reductions(name):
    rows = torch.stack([PLAIN[name](x[m]) for x, m in zip(X, MASK)])
    torch.testing.assert_close(getattr(torch.masked, name)(X, dim=1, mask=MASK), rows)
    kept = getattr(torch.masked, name)(X, dim=1, mask=MASK, keepdim=True)
    assert kept.shape == (2, 1)
    if name != "median":
        torch.testing.assert_close(getattr(torch.masked, name)(X, mask=MASK), PLAIN[name](X[MASK]))
        torch.testing.assert_close(getattr(torch.masked, name)(X, mask=None), PLAIN[name](X.flatten()))


def test_nothing_left_in():
    none = torch.zeros(3, dtype=torch.bool)
    x = torch.ones(3)
    assert torch.masked.sum(x, mask=none) == 0 and torch.masked.prod(x, mask=none) == 1
    assert torch.masked.amax(x, mask=none) == -float("inf") and torch.masked.mean(x, mask=none).isnan()
    assert torch.masked.amin(x.int(), mask=none) == torch.iinfo(torch.int32).max


@pytest.mark.parametrize("name", ["softmax", "softmin", "log_softmax"])
def test_normalisations(name):
    result = getattr(torch.masked, name)(X, 1, mask=MASK)
    plain = getattr(torch.nn.functional, name)
    for row, x, m in zip(result, X, MASK):
        torch.testing.assert_close(row[m], plain(x[m], 0))
        assert (row[~m] == (-float("inf") if name == "log_softmax" else 0)).all()


def test_normalize_and_running_sums():
    torch.testing.assert_close(
        torch.masked.normalize(X, 2.0, 1, mask=MASK).norm(dim=1), torch.ones(2, dtype=torch.float64)
    )
    torch.testing.assert_close(torch.masked.cumsum(X, 1, mask=MASK), (X * MASK).cumsum(1))
    torch.testing.assert_close(torch.masked.cumprod(X, 1, mask=MASK), torch.where(MASK, X, 1.0).cumprod(1))


def test_masks_broadcast_and_gradients_stay_inside():
    x = X.clone().requires_grad_()
    torch.masked.mean(x, mask=MASK[0]).backward()
    assert x.grad[:, 1].tolist() == [0.0, 0.0] and x.grad[0, 0] == pytest.approx(1 / 6)
    with pytest.raises(IndexError, match="mask dimensionality higher"):
        torch.masked.sum(X[0], mask=MASK)
