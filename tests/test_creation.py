"""How values get in and out: factories, Python data, arrays and buffers, DLPack, storages, dtypes, copies."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

import rushlight as torch

# ---------------------------------------------------------------- from Python data


@pytest.mark.parametrize(
    ("data", "dtype", "shape"),
    [
        (1, "int64", ()),
        (True, "bool", ()),
        (1.5, "float32", ()),
        (1j, "complex64", ()),
        ([], "float32", (0,)),
        ([[], []], "float32", (2, 0)),
        ([1, 2.5], "float32", (2,)),
        ([True, 2], "int64", (2,)),
        ([1, 2j], "complex64", (2,)),
        (((1, 2), (3, 4), (5, 6)), "int64", (3, 2)),
        (range(4), "int64", (4,)),
    ],
)
def test_tensor_infers_dtype_and_shape(data, dtype, shape):
    t = torch.tensor(data)
    assert t.dtype is getattr(torch, dtype)
    assert tuple(t.shape) == shape


def test_tensors_among_the_elements_are_numbers():
    assert torch.tensor([torch.tensor(1), torch.tensor([2.0])]).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="only one element tensors can be converted to Python scalars"):
        torch.tensor([torch.tensor([1, 2]), torch.tensor([3, 4])])


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([[1, 2], [1, 2, 3]], ValueError, r"expected sequence of length 2 at dim 1 \(got 3\)"),
        ([[1, 2], 3], TypeError, "not a sequence"),
        ([1, [2, 3]], TypeError, "'list' object cannot be interpreted as an integer"),
        ("abc", TypeError, r"new\(\): invalid data type 'str'"),
        (["abc"], ValueError, "too many dimensions 'str'"),
        ([None], RuntimeError, "Could not infer dtype of NoneType"),
        ({1: 2}, RuntimeError, "Could not infer dtype of dict"),
        ([2**63], ValueError, "Overflow when unpacking long long"),
    ],
)
def test_tensor_refuses(data, error, message):
    with pytest.raises(error, match=message):
        torch.tensor(data)


def test_a_list_that_contains_itself():
    data = []
    data.append(data)
    with pytest.raises(ValueError, match="too many dimensions 'list'"):
        torch.tensor(data)


def test_conversion_checks_the_range():
    assert torch.tensor([1.9, -1.9], dtype=torch.int64).tolist() == [1, -1]
    assert torch.tensor([-1], dtype=torch.uint8).item() == 255
    for value, dtype in ((300, "uint8"), (128, "int8"), (1e30, "int64"), (math.nan, "int32")):
        with pytest.raises(RuntimeError, match=f"value cannot be converted to type {dtype} without overflow"):
            torch.tensor([value], dtype=getattr(torch, dtype))
    assert torch.tensor([2**64 - 1], dtype=torch.uint64).item() == 2**64 - 1


def test_tensor_copies_and_as_tensor_does_not():
    x = torch.ones(2)
    with pytest.warns(UserWarning, match="recommended to use sourceTensor.detach"):
        assert torch.tensor(x).data_ptr() != x.data_ptr()
    assert torch.as_tensor(x) is x
    assert torch.as_tensor(x, dtype=torch.float64).dtype is torch.float64
    with pytest.raises(ValueError, match="can't alias arbitrary sequence into a tensor."):
        torch.asarray([1], copy=False)


def test_only_inexact_dtypes_require_grad():
    assert torch.tensor([1.0], requires_grad=True).is_leaf
    for make in (
        lambda: torch.tensor([1], requires_grad=True),
        lambda: torch.zeros(2, dtype=torch.int64, requires_grad=True),
    ):
        with pytest.raises(
            RuntimeError, match="Only Tensors of floating point and complex dtype can require gradients"
        ):
            make()


# ---------------------------------------------------------------- factories


def test_sizes_come_in_any_form():
    for t in (
        torch.zeros(2, 3),
        torch.zeros((2, 3)),
        torch.zeros([2, 3]),
        torch.zeros(torch.Size([2, 3])),
        torch.zeros(size=(2, 3)),
    ):
        assert tuple(t.shape) == (2, 3)
        assert t.tolist() == [[0.0] * 3] * 2
    assert torch.zeros(()).shape == ()


def test_full_infers_its_dtype():
    dtypes = [torch.full((2,), v).dtype for v in (1, True, 1.5, 1j)]
    assert dtypes == [torch.int64, torch.bool, torch.float32, torch.complex64]
    with pytest.raises(RuntimeError, match="value cannot be converted to type uint8_t without overflow"):
        torch.full((2,), 300, dtype=torch.uint8)


def test_out_keeps_its_own_dtype():
    out = torch.empty(5, dtype=torch.int32)
    assert torch.ones(3, out=out) is out
    assert out.tolist() == [1, 1, 1]
    assert torch.arange(2.0, out=torch.empty(0)).tolist() == [0.0, 1.0]
    with pytest.raises(RuntimeError, match=r"dtype Half does not match dtype of out parameter \(Float\)"):
        torch.arange(5, dtype=torch.float16, out=torch.empty(0))


def test_out_with_gaps_is_written_in_place():
    base = torch.zeros(6)
    torch.linspace(1, 3, 3, out=base[::2])
    assert base.tolist() == [1.0, 0.0, 2.0, 0.0, 3.0, 0.0]


def test_like_keeps_strides():
    x = torch.zeros(2, 3).t()
    assert torch.zeros_like(x).stride() == (1, 3)
    assert torch.ones_like(x, memory_format=torch.contiguous_format).stride() == (2, 1)
    assert torch.full_like(x, 2, dtype=torch.int32).dtype is torch.int32
    assert x.new_full((2,), 3.5).tolist() == [3.5, 3.5]
    assert x.new_zeros(2, 2).shape == (2, 2)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((5,), [0, 1, 2, 3, 4]),
        ((1, 4), [1, 2, 3]),
        ((5, 0, -2), [5, 3, 1]),
        ((1, 2.5, 0.5), [1.0, 1.5, 2.0]),
        ((2**60, 2**60 + 2), [2**60, 2**60 + 1]),
        ((3, 3), []),
    ],
)
def test_arange(args, expected):
    t = torch.arange(*args)
    assert t.tolist() == expected
    assert t.dtype is (torch.float32 if any(isinstance(a, float) for a in args) else torch.int64)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((3, 0), "upper bound and lower bound inconsistent with step sign"),
        ((0, 3, 0), "step must be nonzero"),
        ((0, math.inf), "unsupported range: 0 -> inf"),
    ],
)
def test_arange_refuses(args, message):
    with pytest.raises(RuntimeError, match=message):
        torch.arange(*args)


def test_ranges_to_the_last_bit():
    def words(t):  # the sums are PyTorch's
        return sum(t.view(torch.int32).tolist())

    assert words(torch.arange(0.0, 100.3, 0.1)) == 1110774684044
    assert words(torch.linspace(-3.3, 7.7, 100)) == 43029457923


def test_linspace_between_complex_numbers():
    expected = torch.tensor([1j, 1 + 0.5j, 2])
    assert torch.equal(torch.linspace(1j, 2, 3), expected)
    assert torch.equal(torch.linspace(torch.tensor(1j), torch.tensor(2.0), 3), expected)
    with pytest.raises(RuntimeError, match="can't be safely cast to passed dtype Float"):
        torch.linspace(1j, 2, 3, dtype=torch.float32)
    with pytest.raises(RuntimeError, match="cannot be converted to type float"):
        torch.linspace(1j, 2, 3, out=torch.empty(3))


def test_linspace_is_symmetric_and_exact_at_both_ends():
    t = torch.linspace(-0.7, 0.7, 101)
    assert t[0].item() == -t[-1].item() == torch.tensor(-0.7).item()
    assert (t + t.flip(0)).abs().max().item() < 1e-7
    assert torch.linspace(3, 7, 1).tolist() == [3.0]
    assert torch.linspace(0, 10, 5, dtype=torch.int64).tolist() == [0, 2, 5, 7, 10]
    assert torch.logspace(0, 3, 4, base=2).tolist() == [1.0, 2.0, 4.0, 8.0]
    with pytest.raises(RuntimeError, match="number of steps must be non-negative"):
        torch.linspace(0, 1, -1)


def test_matrices():
    assert torch.eye(2, 3).tolist() == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert torch.tril_indices(3, 2, -1).tolist() == [[1, 2, 2], [0, 0, 1]]
    assert torch.triu_indices(3, 2, 1, dtype=torch.int32).tolist() == [[0], [1]]


@pytest.mark.parametrize(
    "make", [torch.empty, torch.ones, lambda n: torch.full((n,), 1.0), lambda n: torch.ones(1).new_zeros(n)]
)
def test_negative_sizes(make):
    with pytest.raises(RuntimeError, match=r"Trying to create tensor with negative dimension -1: \[-1\]"):
        make(-1)


def test_complex_and_its_gradient():
    a, b = torch.ones(2, requires_grad=True), torch.full((2,), 2.0, requires_grad=True)
    z = torch.complex(a, b)
    assert z.tolist() == [1 + 2j, 1 + 2j]
    (z * z).real.sum().backward()
    assert (a.grad.tolist(), b.grad.tolist()) == ([2.0, 2.0], [-4.0, -4.0])


def test_defaults():
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.tensor(1.5).dtype is torch.zeros(1).dtype is torch.float64
        assert torch.tensor(1j).dtype is torch.complex128
    finally:
        torch.set_default_dtype(torch.float32)
    with pytest.raises(TypeError, match="only floating-point types are supported as the default type"):
        torch.set_default_dtype(torch.int64)
    torch.set_default_device("meta")
    try:
        assert torch.zeros(2).is_meta
    finally:
        torch.set_default_device("cpu")


# ---------------------------------------------------------------- the older constructors


def test_legacy_constructors():
    assert torch.Tensor(2, 3).shape == torch.Tensor(torch.Size([2, 3])).shape == (2, 3)
    assert torch.Tensor((1, 2)).tolist() == [1.0, 2.0]
    assert torch.Tensor().shape == (0,)
    assert torch.LongTensor([1, 2]).dtype is torch.int64
    assert torch.FloatTensor([-1, 1]).dtype is torch.float32
    assert isinstance(torch.ones(1), torch.FloatTensor)
    assert not isinstance(torch.ones(1), torch.LongTensor)
    with pytest.raises(TypeError, match=r"new\(\): data must be a sequence \(got float\)"):
        torch.Tensor(2.0)


def test_subclasses_are_constructed():
    class Mine(torch.Tensor):
        pass

    t = Mine([1, 2])
    assert type(t) is Mine
    t.note = "kept"
    twin = copy.deepcopy(t)
    assert type(twin) is Mine
    assert twin.note == "kept"


# ---------------------------------------------------------------- dtype and device


def test_to_returns_self_when_nothing_changes():
    x = torch.ones(2, 3)
    assert x.to(torch.float32) is x.to("cpu") is x.to(torch.ones(1)) is x.float() is x
    assert x.to(dtype=torch.float32, copy=True) is not x
    assert x.to("cpu", torch.int32).dtype is torch.int32
    assert x.to("meta").is_meta
    assert x.type() == "torch.FloatTensor"
    assert x.type(torch.LongTensor).dtype is x.type("torch.LongTensor").dtype is torch.int64
    with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
        x.to("cuda")
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor; no data!"):
        x.to("meta").to("cpu")


def test_conversion_is_differentiable():
    x = torch.ones(2, requires_grad=True)
    x.double().sum().backward()
    assert x.grad.dtype is torch.float32


def test_promotion_questions():
    assert torch.result_type(torch.tensor([1], dtype=torch.int8), 3) is torch.int8
    assert torch.result_type(1, 1.0) is torch.float32
    assert torch.promote_types(torch.int8, torch.uint8) is torch.int16
    assert not torch.can_cast(torch.float32, torch.int32)


# ---------------------------------------------------------------- NumPy


def test_numpy_shares_memory_both_ways():
    numpy = pytest.importorskip("numpy")
    x = torch.arange(6.0).reshape(2, 3)
    a = x.t().numpy()
    assert a.strides == (4, 12)
    a[0, 1] = 9
    assert x[1, 0].item() == 9
    y = torch.from_numpy(a)
    assert (y.data_ptr(), y.stride()) == (x.data_ptr(), (1, 3))
    assert numpy.asarray(x, dtype=numpy.float64).dtype == numpy.float64
    assert torch.zeros(0, 3).numpy().shape == (0, 3)
    for dtype in (torch.bool, torch.uint16, torch.int8, torch.float16, torch.complex64, torch.float64):
        t = torch.ones(3).to(dtype)
        assert torch.from_numpy(t.numpy()).dtype is dtype


def test_memory_lent_out_cannot_move():
    pytest.importorskip("numpy")
    x = torch.ones(2)
    a = x.numpy()
    with pytest.raises(RuntimeError, match="resiz"):
        x.resize_(1000)
    assert a.tolist() == [1.0, 1.0]


def test_numpy_refuses():
    numpy = pytest.importorskip("numpy")
    with pytest.raises(RuntimeError, match=r"Use tensor.detach\(\).numpy\(\) instead"):
        torch.ones(2, requires_grad=True).numpy()
    assert torch.ones(2, requires_grad=True).numpy(force=True).tolist() == [1.0, 1.0]
    with pytest.raises(TypeError, match="Got unsupported ScalarType BFloat16"):
        torch.ones(2, dtype=torch.bfloat16).numpy()
    with pytest.raises(TypeError, match=r"expected np.ndarray \(got list\)"):
        torch.from_numpy([1])
    with pytest.raises(ValueError, match="negative strides are not currently supported"):
        torch.from_numpy(numpy.arange(3)[::-1])
    with pytest.raises(ValueError, match="byte order different from the native"):
        torch.from_numpy(numpy.arange(3).astype(">i4"))
    with pytest.raises(TypeError, match="can't convert np.ndarray of type numpy.object_"):
        torch.from_numpy(numpy.array([object()]))


def test_numpy_values_in_lists():
    numpy = pytest.importorskip("numpy")
    assert torch.tensor([numpy.float64(1)]).dtype is torch.float64
    assert torch.tensor([numpy.arange(2), numpy.arange(2.0)]).tolist() == [[0.0, 1.0], [0.0, 1.0]]
    with pytest.raises(ValueError, match=r"expected sequence of length 2 at dim 1 \(got 3\)"):
        torch.tensor([numpy.arange(2), numpy.arange(3)])


# ---------------------------------------------------------------- buffers, DLPack, storages


def test_frombuffer():
    memory = bytearray(b"\x01\x00\x02\x00\x03\x00")
    t = torch.frombuffer(memory, dtype=torch.int16, offset=2)
    assert t.tolist() == [2, 3]
    t[0] = 7
    assert memory[2] == 7
    with pytest.raises(BufferError):
        memory.append(1)
    with pytest.raises(ValueError, match=r"both buffer length \(0\) and count \(-1\) must not be 0"):
        torch.frombuffer(b"", dtype=torch.float32)
    with pytest.raises(ValueError, match="must be a multiple of element size"):
        torch.frombuffer(bytearray(5), dtype=torch.float32)


def test_dlpack():
    x = torch.arange(6).reshape(2, 3).t()
    for capsule in (x.__dlpack__(), x.__dlpack__(max_version=(1, 0)), torch.to_dlpack(x)):
        y = torch.from_dlpack(capsule)
        assert (y.data_ptr(), y.stride(), y.tolist()) == (x.data_ptr(), x.stride(), x.tolist())
        with pytest.raises(RuntimeError, match="consumed only once"):
            torch.from_dlpack(capsule)
    assert x.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError, match="require gradient"):
        torch.ones(2, requires_grad=True).__dlpack__()


def test_storages():
    x = torch.arange(4, dtype=torch.int16)
    s = x.untyped_storage()
    assert s is x[1:].untyped_storage()
    assert (len(s), s.nbytes(), s.tolist()) == (8, 8, [0, 0, 1, 0, 2, 0, 3, 0])
    s[0] = 5
    assert x[0].item() == 5
    assert torch.empty(0, dtype=torch.int16).set_(s, 1, (2,), (2,)).tolist() == [1, 3]
    assert torch.is_storage(s)
    assert torch.UntypedStorage([1, 2, 3]).tolist() == [1, 2, 3]


def test_shared_memory():
    x = torch.ones(3)
    assert not x.is_shared()
    assert x.share_memory_() is x
    assert x.is_shared()
    assert x.tolist() == [1.0, 1.0, 1.0]


# ---------------------------------------------------------------- copying, pickling, formatting


def test_deepcopy_keeps_sharing_and_grad():
    x = torch.arange(4.0)
    a, b = copy.deepcopy([x, x[1:]])
    a[1] = 9
    assert b[0].item() == 9
    assert x[1].item() == 1
    p = torch.ones(2, requires_grad=True)
    p.sum().backward()
    q = copy.deepcopy(p)
    assert q.requires_grad
    assert q.grad.tolist() == [1.0, 1.0]
    assert q.grad is not p.grad
    with pytest.raises(RuntimeError, match="Only Tensors created explicitly by the user"):
        copy.deepcopy(p * 2)


def test_pickle():
    p = torch.nn.Parameter(torch.arange(3.0))
    x = torch.arange(6.0).reshape(2, 3).t()
    q, y = pickle.loads(pickle.dumps((p, x)))
    assert isinstance(q, torch.nn.Parameter)
    assert q.tolist() == p.tolist()
    assert (y.tolist(), y.stride()) == (x.tolist(), x.stride())


def test_format():
    assert f"{torch.tensor(2.5):.2f}" == "2.50"
    assert f"{torch.tensor(3):4d}" == "   3"
    with pytest.raises(TypeError, match="unsupported format string passed to Tensor.__format__"):
        format(torch.ones(2), ".2f")
    assert complex(torch.tensor(1 + 2j)) == 1 + 2j
