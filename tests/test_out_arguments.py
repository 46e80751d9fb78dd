"""What `out=` asks of the tensor it is given."""

import pytest

import rushlight as torch

OVERLAP = "some elements of the input tensor and the written-to tensor refer to a single memory location"
INDEX = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: torch.gather(x, 1, INDEX, out=out),
        lambda x, out: torch.mm(x, x, out=out),
        lambda x, out: torch.tril(x, out=out),
        lambda x, out: torch.softmax(x, 1, out=out),
        lambda x, out: torch.aminmax(x, dim=0, out=(torch.empty(2), out)),
        lambda x, out: torch.topk(x, 2, out=(out, torch.empty(0, dtype=torch.int64))),
    ],
)
def test_dtype_of_the_result(call):
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype float, but got double instead"):
        call(torch.eye(2), torch.empty(2, 2, dtype=torch.float64))


def test_arithmetic_may_widen():
    out = torch.empty(2, dtype=torch.float64)
    assert torch.add(torch.ones(2), 1, out=out).tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    "call",
    [
        lambda x, out: torch.exp(x, out=out),
        lambda x, out: torch.add(x, 1, out=out),
        lambda x, out: torch.take(x, torch.tensor([0, 1, 2]), out=out),
        lambda x, out: torch.masked_select(x, torch.ones(3, dtype=torch.bool), out=out),
        lambda x, out: torch.index_select(x, 0, torch.tensor([0, 1, 2]), out=out),
        lambda x, out: torch.cat([x], out=out),
        lambda x, out: torch.sort(x, out=(out, torch.empty(3, dtype=torch.int64))),
        lambda x, out: torch.cumsum(x, 0, out=out),
    ],
)
def test_memory_shared_in_part(call):
    memory = torch.arange(4.0)
    with pytest.raises(RuntimeError, match=OVERLAP):
        call(memory[:3], memory[1:])
    assert memory.tolist() == [0.0, 1.0, 2.0, 3.0]
    call(memory[:2].repeat(2)[:3], memory[1:])


def test_memory_shared_as_a_whole():
    x = torch.tensor([2.0, 1.0])
    assert torch.exp(x, out=x) is x
    torch.sort(x, out=(x, torch.empty(2, dtype=torch.int64)))
    assert x[0] < x[1]
    for call in (lambda: torch.cat([x, torch.ones(2)], out=x), lambda: torch.take(x, torch.tensor([1, 0]), out=x)):
        with pytest.raises(RuntimeError, match=OVERLAP):
            call()
    values = torch.arange(3.0)
    with pytest.raises(RuntimeError, match=OVERLAP):
        torch.kthvalue(values, 2, out=(values, torch.empty(0, dtype=torch.int64)))


def test_out_of_functions_that_return_python_sequences():
    parts = [torch.empty(2), torch.empty(2)]
    torch.unbind_copy(torch.eye(2), out=parts)
    assert parts[1].tolist() == [0.0, 1.0]
    found = torch.empty(0, dtype=torch.int64)
    assert torch.nonzero(torch.tensor([0, 3, 5]), out=found) is found and found.tolist() == [[1], [2]]
    LU, pivots, info = torch.empty(2, 2), torch.empty(2, dtype=torch.int32), torch.empty((), dtype=torch.int32)
    torch.lu(torch.tensor([[1.0, 2.0], [4.0, 1.0]]), get_infos=True, out=(LU, pivots, info))
    assert LU[0].tolist() == [4.0, 1.0] and pivots.tolist() == [2, 2]
    assert torch.lu(torch.eye(2), get_infos=True).LU.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_arange_from_start_to_end():
    out = torch.empty(0)
    assert torch.arange(1, 4, out=out) is out and out.tolist() == [1.0, 2.0, 3.0]


def test_sums_are_computed_in_the_dtype_of_out():
    x = torch.tensor([1.6, 2.7, 3.0])
    assert torch.sum(x, 0, out=torch.zeros((), dtype=torch.int64)).item() == 6
    assert torch.sum(x > 0, 0, out=torch.zeros((), dtype=torch.bool)).item() is True
    assert torch.cumsum(x, 0, out=torch.zeros(3, dtype=torch.int64)).tolist() == [1, 3, 6]
    with pytest.raises(RuntimeError, match="Expected out tensor to have dtype double, but got float instead"):
        torch.sum(x, 0, dtype=torch.float64, out=torch.zeros(()))


def test_an_empty_out_lies_in_memory_as_the_result_would():
    x = torch.ones(2, 3).t()
    assert torch.exp(x, out=torch.empty(0)).stride() == (1, 3)
