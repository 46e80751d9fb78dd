"""What programs ask of devices, backends, settings and tools around the core."""

import warnings

import pytest

import rushlight as torch
from rushlight import testing


def test_no_cuda():
    assert not torch.cuda.is_available() and torch.cuda.device_count() == 0
    torch.cuda.manual_seed_all(0)
    torch.cuda.empty_cache()
    assert torch.cuda.memory_allocated() == 0
    for command in (torch.cuda.synchronize, torch.cuda.current_device, torch.cuda.get_device_name):
        with pytest.raises(AssertionError, match="Torch not compiled with CUDA enabled"):
            command()
    with pytest.raises(TypeError, match="type torch.cuda.FloatTensor not available"):
        torch.cuda.FloatTensor(2)
    assert not isinstance(torch.ones(1), torch.cuda.FloatTensor)


def test_no_other_device_either():
    assert not torch.backends.mps.is_available() and not torch.xpu.is_available()
    assert torch.accelerator.current_accelerator() is None and not torch.accelerator.is_available()
    with pytest.raises(RuntimeError, match="Cannot access accelerator device when none is available"):
        torch.accelerator.synchronize()
    assert torch.version.cuda is None


def test_settings_are_kept():
    torch.backends.cudnn.deterministic = True
    assert torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = False
    with torch.backends.cudnn.flags(enabled=False):
        assert not torch.backends.cudnn.enabled
    assert torch.backends.cudnn.enabled
    torch.use_deterministic_algorithms(True)
    assert torch.are_deterministic_algorithms_enabled() and torch.get_deterministic_debug_mode() == 2
    torch.set_deterministic_debug_mode("default")
    assert not torch.are_deterministic_algorithms_enabled()
    torch.set_float32_matmul_precision("high")
    assert torch.get_float32_matmul_precision() == "high"
    torch.set_float32_matmul_precision("highest")


def test_autocast_and_scaler_without_cuda():
    with pytest.warns(UserWarning, match="CUDA is not available"):
        context = torch.amp.autocast("cuda")
    with context:
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype is torch.float32
    with pytest.warns(UserWarning, match="GradScaler is enabled, but CUDA is not available"):
        scaler = torch.amp.GradScaler("cuda")
    loss = torch.ones(1)
    assert scaler.scale(loss) is loss and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.amp.autocast("cpu", enabled=False)
    with pytest.raises(RuntimeError, match="Expected one of cpu, cuda"):
        torch.amp.autocast("nowhere")


def test_scaler_skips_steps_that_overflowed():
    w = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([w], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    scaler.scale(w.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.5 and scaler.get_scale() == 8.0
    w.grad = torch.tensor([float("inf")])
    scaler.step(optimizer)
    scaler.update()
    assert w.item() == 0.5 and scaler.get_scale() == 4.0


def test_limits_of_dtypes():
    text = "finfo(resolution=1e-06, min=-3.40282e+38, max=3.40282e+38, eps=1.19209e-07, smallest_normal=1.17549e-38, "
    assert repr(torch.finfo(torch.float32)) == text + "tiny=1.17549e-38, dtype=float32)"
    assert torch.finfo(torch.bfloat16).eps == 0.0078125 and torch.finfo().bits == 32
    assert torch.finfo(torch.float64).max == 1.7976931348623157e308
    assert repr(torch.iinfo(torch.int8)) == "iinfo(min=-128, max=127, dtype=int8)"
    assert torch.iinfo(torch.uint8).max == 255 and torch.iinfo(torch.int64).min == -(2**63)
    with pytest.raises(TypeError, match="Use torch.iinfo to handle 'torch.finfo'"):
        torch.finfo(torch.int8)


def test_compiling_and_scripting_change_nothing():
    layer = torch.nn.Linear(2, 2)
    assert torch.compile(layer, mode="max-autotune")._orig_mod is layer and torch.jit.script(layer) is layer

    @torch.compile(fullgraph=True)
    def double(x):
        return 2 * x

    assert double(3) == 6
    with pytest.raises(RuntimeError, match="TorchScript archives"):
        torch.jit.save(layer, "model.pt")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hann", [0.0, 0.5, 1.0, 0.5]),
        ("hamming", [0.08, 0.54, 1.0, 0.54]),
        ("blackman", [0.0, 0.34, 1.0, 0.34]),
        ("bartlett", [0.0, 0.5, 1.0, 0.5]),
        ("kaiser", [5.2773e-05, 0.215672, 1.0, 0.215672]),
    ],
)
def test_windows(name, expected):
    window = getattr(torch, f"{name}_window")
    testing.assert_close(window(4), torch.tensor(expected), rtol=1e-4, atol=1e-5)
    testing.assert_close(window(5, periodic=False)[:4], torch.tensor(expected), rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="requires non-negative window_length"):
        window(-1)


def test_stft_round_trip():
    x = torch.randn(2, 256)
    window = torch.hann_window(64)
    spectrum = torch.stft(x, 64, window=window, return_complex=True)
    assert spectrum.shape == (2, 33, 17) and spectrum.dtype is torch.complex64
    testing.assert_close(torch.istft(spectrum, 64, window=window), x, rtol=1e-4, atol=1e-4)


MESSAGES = [
    (
        lambda: (torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 3.0, 3.0])),
        "Tensor-likes are not close!\n\nMismatched elements: 1 / 3 (33.3%)\n"
        "Greatest absolute difference: 1.0 at index (1,) (up to 1e-05 allowed)\n"
        "Greatest relative difference: 0.3333333432674408 at index (1,) (up to 1.3e-06 allowed)",
    ),
    (
        lambda: (1.0, 2.0),
        "Scalars are not close!\n\nExpected 2.0 but got 1.0.\nAbsolute difference: 1.0 (up to 1e-07 allowed)\n"
        "Relative difference: 0.5 (up to 1e-07 allowed)",
    ),
    (
        lambda: ({"a": [torch.tensor([1])]}, {"a": [torch.tensor([2])]}),
        "Tensor-likes are not equal!\n\nMismatched elements: 1 / 1 (100.0%)\n"
        "Greatest absolute difference: 1 at index (0,)\nGreatest relative difference: 0.5 at index (0,)\n\n"
        "The failure occurred for item ['a'][0]",
    ),
    (
        lambda: (torch.ones(2), torch.ones(3)),
        "The values for attribute 'shape' do not match: torch.Size([2]) != torch.Size([3]).",
    ),
    (
        lambda: (torch.ones(1), torch.ones(1, dtype=torch.float64)),
        "The values for attribute 'dtype' do not match: torch.float32 != torch.float64.",
    ),
    (lambda: ([1, 2], [1]), "The length of the sequences mismatch: 2 != 1"),
    (lambda: (True, False), "Booleans mismatch: True is not False"),
]


@pytest.mark.parametrize("case", range(len(MESSAGES)))
def test_assert_close(case):
    pair, message = MESSAGES[case]
    with pytest.raises(AssertionError) as caught:
        testing.assert_close(*pair())
    assert str(caught.value) == message


def test_make_tensor():
    x = testing.make_tensor((3, 4), dtype=torch.float32, device="cpu", low=-1, high=1, noncontiguous=True)
    assert x.shape == (3, 4) and not x.is_contiguous() and x.abs().max() <= 1
    whole = testing.make_tensor(100, dtype=torch.int64, device="cpu", exclude_zero=True)
    assert whole.min() >= -9 and whole.max() < 10 and (whole != 0).all()


class _Measured:
    """Not a tensor; answers for itself."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, types


def test_overrides():
    from rushlight import overrides

    assert overrides.is_tensor_like(_Measured()) and not overrides.has_torch_function((torch.ones(1), 2))
    assert overrides.has_torch_function((1, _Measured()))
    name, types = torch.add(_Measured(), torch.ones(1))
    assert name == "add" and types == (_Measured,)

    def public(x):
        return overrides.handle_torch_function(public, (x,), x)

    assert public(_Measured()) == ("public", (_Measured,))


def test_names_and_types():
    assert torch.typename(torch.ones(1)) == "torch.FloatTensor" and torch.typename(3) == "int"
    assert type(torch.ones(2).max(0)) is torch.return_types.max
    assert torch.types.Device is not None
