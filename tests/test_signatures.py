"""Functions that PyTorch has twice: in the root, where options are numbers, and in nn.functional."""

import pytest

import rushlight as torch

F = torch.nn.functional
X = torch.tensor([[0.5, -1.0, 2.0], [1.0, 0.3, -0.2]])
Y = torch.tensor([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])


@pytest.mark.parametrize(("number", "word"), list(enumerate(("none", "mean", "sum"))))
def test_losses(number, word):
    sign, lengths = 2 * Y - 1, torch.tensor([2, 1])
    log_probs, targets = torch.zeros(4, 2, 3).log_softmax(-1), torch.tensor([[1, 2], [2, 1]])
    pairs = [
        (torch.binary_cross_entropy_with_logits(X, Y, None, None, number), F.binary_cross_entropy_with_logits(X, Y, reduction=word)),
        (torch.hinge_embedding_loss(X, sign, 1.0, number), F.hinge_embedding_loss(X, sign, reduction=word)),
        (torch.kl_div(X, Y, number), F.kl_div(X, Y, reduction=word)),
        (torch.margin_ranking_loss(X, Y, sign, 0.1, number), F.margin_ranking_loss(X, Y, sign, 0.1, reduction=word)),
        (torch.poisson_nll_loss(X, Y, True, False, 1e-8, number), F.poisson_nll_loss(X, Y, reduction=word)),
        (torch.triplet_margin_loss(X, Y, -X, reduction=number), F.triplet_margin_loss(X, Y, -X, reduction=word)),
        (torch.cosine_embedding_loss(X, Y, sign[:, 0], 0.0, number), F.cosine_embedding_loss(X, Y, sign[:, 0], reduction=word)),
        (torch.ctc_loss(log_probs, targets, [4, 4], lengths, 0, number), F.ctc_loss(log_probs, targets, [4, 4], lengths, reduction=word)),
    ]  # fmt: skip
    for root, functional in pairs:
        torch.testing.assert_close(root, functional)


def test_tables():
    table, at = torch.arange(6.0).reshape(3, 2), torch.tensor([2, 0, 2])
    assert torch.equal(torch.embedding(table, at), F.embedding(at, table))
    assert torch.equal(
        torch.embedding_bag(table, at, torch.tensor([0, 2]), mode=1)[0],
        F.embedding_bag(at, table, torch.tensor([0, 2])),
    )
    assert torch.embedding_renorm_(table, torch.tensor([1]), 1.0, 2.0)[1].norm().item() == pytest.approx(1.0)


def test_grids_and_norms():
    picture, theta = torch.arange(16.0).reshape(1, 1, 4, 4), torch.eye(2, 3).unsqueeze(0)
    grid = torch.affine_grid_generator(theta, [1, 1, 3, 3], False)
    assert torch.equal(grid, F.affine_grid(theta, [1, 1, 3, 3], align_corners=False))
    assert torch.equal(
        torch.grid_sampler(picture, grid, 1, 1, False), F.grid_sample(picture, grid, "nearest", "border", False)
    )
    assert torch.equal(
        torch.instance_norm(picture, None, None, None, None, True, 0.1, 1e-5, False), F.instance_norm(picture)
    )
    assert torch.norm_except_dim(X, 2, 1).shape == (1, 3)
    weight = torch.arange(12.0).reshape(2, 2, 3)
    by_time = torch.conv_tbc(torch.ones(5, 1, 2), weight, torch.zeros(3), 1)
    assert torch.equal(by_time[:, 0].t(), F.conv1d(torch.ones(2, 5), weight.permute(2, 1, 0), padding=1))


@pytest.mark.parametrize(("name", "kind"), [("lstm", "LSTM"), ("gru", "GRU"), ("rnn_tanh", "RNN")])
def test_recurrent_networks(name, kind):
    torch.manual_seed(0)
    layer, cell = getattr(torch.nn, kind)(3, 2), getattr(torch.nn, f"{kind}Cell")(3, 2)
    x, state = torch.randn(4, 2, 3), torch.zeros(1, 2, 2)
    hx = [state, state] if kind == "LSTM" else state
    run = getattr(torch, name)
    out, *_ = run(x, hx, layer._flat_weights, True, 1, 0.0, False, False, False)
    assert torch.equal(out, layer(x)[0])
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, [4, 2])
    data, *_ = run(packed.data, packed.batch_sizes, hx, layer._flat_weights, True, 1, 0.0, False, False)
    assert torch.equal(data, layer(packed)[0].data)
    step = [s[0] for s in hx] if kind == "LSTM" else hx[0]
    new = getattr(torch, f"{name}_cell")(x[0], step, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    expected = cell(x[0], tuple(step) if kind == "LSTM" else step)
    torch.testing.assert_close(tuple(new) if kind == "LSTM" else new, expected)


def test_histogram_of_points():
    points = torch.tensor([[0.0, 0.0], [0.5, 2.0], [1.0, 1.0], [3.0, 0.0]])
    hist, edges = torch.histogramdd(points, [2, 2], range=[0.0, 1.0, 0.0, 2.0])
    assert hist.tolist() == [[1.0, 0.0], [0.0, 2.0]] and edges[1].tolist() == [0.0, 1.0, 2.0]
    dense = torch.histogramdd(points, [2, 2], range=[0.0, 1.0, 0.0, 2.0], density=True)
    assert (dense.hist.sum() * 0.5 * 1.0).item() == pytest.approx(1.0)


def test_segments():
    x = torch.arange(6.0)
    assert torch.segment_reduce(x, "sum", lengths=torch.tensor([2, 0, 4])).tolist() == [1.0, 0.0, 14.0]
    assert torch.segment_reduce(x, "max", offsets=torch.tensor([0, 1, 6])).tolist() == [0.0, 5.0]
    with pytest.raises(RuntimeError, match="unsafe"):
        torch.segment_reduce(x, "sum", lengths=torch.tensor([2, 2]))


def test_small_methods():
    x = torch.ones(2, dtype=torch.float64)
    assert (x * 2).float_power_(3).tolist() == [8.0, 8.0] and x.__rdiv__(3).tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="requires dtype Double"):
        x.float().float_power_(2)
    assert x.is_set_to(x.view(2)) and not x.is_set_to(x[:1]) and x.to_dense() is x
    assert torch.arange(2.0).map2_(x.float(), x.float(), lambda a, b, c: a + b + c).tolist() == [2.0, 3.0]


def test_help_begins_with_the_ways_to_call():
    assert torch.cat.__doc__.startswith(
        "cat(tuple of Tensors tensors, int dim = 0, *, Tensor out = None)\n\nTensors one after"
    )
    assert torch.Tensor.view.__doc__.startswith(
        "view(tuple of ints size)\nview(torch.dtype dtype)\n\nThe same elements"
    )
