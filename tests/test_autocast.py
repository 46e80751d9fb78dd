"""autocast("cpu"): which calls change dtype, and where the block ends. What PyTorch casts was read off PyTorch 2.13."""

from __future__ import annotations

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.nn import functional as F

X, W, Q = torch.rand(4, 6) / 10, torch.rand(4, 6), torch.rand(1, 2, 5, 4)
IMAGE = torch.rand(2, 3, 8, 8)
NARROW = {
    "linear": lambda x: F.linear(x, W, W[:, 0]),
    "mm": lambda x: x.mm(W.T),
    "@": lambda x: x @ W.T,
    "reflected @": lambda x: W.T @ x,
    "matrix @ vector": lambda x: x @ W[0],
    "matmul": lambda x: torch.matmul(x, W.T),
    "bmm": lambda x: x[None].bmm(W.T[None]),
    "addmm": lambda x: torch.addmm(W[:, :4], x, W.T),
    "baddbmm": lambda x: torch.baddbmm(W[None, :, :4], x[None], W.T[None]),
    "addbmm": lambda x: torch.addbmm(W[:, :4], x[None], W.T[None]),
    "einsum": lambda x: torch.einsum("ij,kj->ik", x, W),
    "conv2d": lambda x: F.conv2d(IMAGE.to(x.dtype), torch.ones(2, 3, 3, 3)),
    "conv_transpose2d": lambda x: F.conv_transpose2d(IMAGE.to(x.dtype), torch.ones(3, 2, 3, 3), torch.ones(2)),
    "prelu": lambda x: F.prelu(x, torch.tensor([0.2])),
    "attention": lambda x: F.scaled_dot_product_attention(Q.to(x.dtype), Q, Q),
}
FLOAT32 = {
    "cross_entropy": lambda x: F.cross_entropy(x, torch.arange(4)),
    "nll_loss": lambda x: F.nll_loss(x, torch.arange(4)),
    "mse_loss": lambda x: F.mse_loss(x, W),
    "l1_loss": lambda x: F.l1_loss(x, W.to(x.dtype)),
    "huber_loss": lambda x: F.huber_loss(x, W),
    "smooth_l1_loss": lambda x: F.smooth_l1_loss(x, W),
    "binary_cross_entropy": lambda x: F.binary_cross_entropy(x, W.to(x.dtype)),
    "binary_cross_entropy_with_logits": lambda x: F.binary_cross_entropy_with_logits(x, W.to(x.dtype)),
    "kl_div": lambda x: F.kl_div(x, W.to(x.dtype), reduction="batchmean"),
    "soft_margin_loss": lambda x: F.soft_margin_loss(x, W.to(x.dtype)),
    "cosine_embedding_loss": lambda x: F.cosine_embedding_loss(x, W.to(x.dtype), torch.ones(4)),
    "triplet_margin_loss": lambda x: F.triplet_margin_loss(x, W.to(x.dtype), W.to(x.dtype)),
    "margin_ranking_loss": lambda x: F.margin_ranking_loss(x, W.to(x.dtype), torch.ones(4, 6)),
    "poisson_nll_loss": lambda x: F.poisson_nll_loss(x, W.to(x.dtype)),
    "hinge_embedding_loss": lambda x: F.hinge_embedding_loss(x, torch.ones(4, 6).to(x.dtype)),
    "multi_margin_loss": lambda x: F.multi_margin_loss(x, torch.arange(4)),
    "prod": lambda x: x.prod(),
    "cdist": lambda x: torch.cdist(x, W),
}
LEFT = {
    "softmax": lambda x: x.softmax(1),
    "layer_norm": lambda x: F.layer_norm(x, (6,)),
    "exp": lambda x: x.exp(),
    "sum": lambda x: x.sum(),
    "in place": lambda x: torch.zeros(4, 4, dtype=x.dtype).addmm_(x, W.T.to(x.dtype)),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", [*NARROW, *FLOAT32, *LEFT])
def test_dtype_of_results(name, dtype):
    call = {**NARROW, **FLOAT32, **LEFT}[name]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = call(X.to(dtype))
    assert got.dtype is (torch.bfloat16 if name in NARROW else torch.float32 if name in FLOAT32 else dtype)


def test_products_are_those_of_the_narrow_dtype():
    with torch.autocast("cpu"):
        assert torch.equal(X @ W.T, X.bfloat16() @ W.bfloat16().T)
        assert (X.double() @ W.double().T).dtype is torch.float64
        with torch.autocast("cpu", enabled=False):
            assert (X @ W.T).dtype is torch.float32
        with torch.autocast("cpu", dtype=torch.float16):
            assert (X @ W.T).dtype is torch.get_autocast_dtype("cpu") is torch.float16
        assert torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
    assert not torch.is_autocast_enabled("cpu") and (X @ W.T).dtype is torch.float32


def test_block_ends_with_an_exception_and_may_be_a_decorator():
    with pytest.raises(KeyError), torch.autocast("cpu"):
        raise KeyError
    assert not torch.is_autocast_cpu_enabled()

    @torch.autocast("cpu")
    def product(x):
        """Documented."""
        return x @ W.T

    assert product(X).dtype is torch.bfloat16 and product.__doc__ == "Documented."
    assert not torch.is_autocast_enabled("cpu")


def test_training_keeps_weights_and_gradients_in_float32():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        with torch.autocast("cpu"):
            output = model(W)
            loss = F.cross_entropy(output, torch.tensor([0, 1, 2, 0]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert output.dtype is torch.bfloat16 and loss.dtype is torch.float32 and losses[-1] < losses[0]
    assert all(p.dtype is p.grad.dtype is torch.float32 for p in model.parameters())


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU])
def test_recurrent_layers_take_what_products_give(layer):
    rnn = layer(4, 3)
    with torch.autocast("cpu"):
        output, _ = rnn(X @ W.T)
        assert rnn(X @ W.T, rnn(X @ W.T)[1])[0].dtype is output.dtype is torch.float32


def test_other_dtypes_disable_with_a_warning():
    with pytest.warns(UserWarning, match="target dtype is not supported"):
        context = torch.autocast("cpu", dtype=torch.float32)
    with context:
        assert (X @ W.T).dtype is torch.float32


def test_older_names():
    with pytest.warns(FutureWarning, match="torch.amp.autocast"), torch.cpu.amp.autocast():
        assert (X @ W.T).dtype is torch.bfloat16
    with pytest.warns(FutureWarning, match="torch.amp.GradScaler"):
        assert torch.cpu.amp.GradScaler(init_scale=8.0).get_scale() == 8.0
