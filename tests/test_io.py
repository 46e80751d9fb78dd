"""Saving and loading. The files under reference/pt were written by PyTorch 2.13."""

import io
import os
import pickle
import random
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest

import rushlight as torch
from rushlight.serialization import add_safe_globals, clear_safe_globals, get_safe_globals, load, safe_globals, save

REFERENCE = Path(__file__).parent / "reference" / "pt"


def saved(obj, **options):
    buffer = io.BytesIO()
    save(obj, buffer, **options)
    return buffer.getvalue()


def loaded(data, **options):
    return load(io.BytesIO(data), **options)


def with_record(data, name, content):
    """The archive with one record replaced."""
    source, target = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for entry in source.namelist():
            archive.writestr(entry, content if entry.endswith("/" + name) else source.read(entry))
    return target.getvalue()


# ---------------------------------------------------------------- files that PyTorch wrote


@pytest.mark.parametrize("mmap", [False, True])
def test_state_dict_of_pytorch(mmap):
    state = load(REFERENCE / "state_dict.pt", mmap=mmap)
    assert type(state) is OrderedDict
    assert list(state)[:3] == ["fc.weight", "fc.bias", "bn.weight"]
    assert state["fc.weight"].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert state["bn.num_batches_tracked"].dtype is torch.int64
    assert state._metadata["fc"] == {"version": 1}


@pytest.mark.parametrize("weights_only", [True, False])
def test_checkpoint_of_pytorch(weights_only):
    c = load(REFERENCE / "checkpoint.pt", weights_only=weights_only)
    assert (c["epoch"], c["name"], c["raw"], c["big"], c["set"]) == (3, "notes", b"\0\xff", 2**80, {1, 2})
    assert (c["z"], c["none"], c["flags"]) == (1 - 2j, None, (True, False))
    assert c["optimizer"]["param_groups"][0]["momentum"] == 0.9
    assert c["size"] == torch.Size([2, 3]) and type(c["size"]) is torch.Size
    assert c["device"] == torch.device("cpu") and c["dtype"] is torch.float32
    assert tuple(c["empty"].shape) == (0, 3)
    assert [t.tolist() for t in c["dtypes"]][1:] == [[0, 1, 2]] * 11
    assert type(c["param"]) is torch.nn.Parameter and c["param"].requires_grad


def test_views_share_their_storage_again():
    whole, transposed, row = load(REFERENCE / "checkpoint.pt")["views"]
    assert transposed.stride() == (1, 3)
    whole[1, 2] = 99
    assert transposed[2, 1].item() == 99 and row[2].item() == 99
    assert not transposed._is_view()


@pytest.mark.parametrize("weights_only", [True, False])
def test_format_before_1_6(weights_only):
    x, transposed, rest = load(REFERENCE / "legacy.pt", weights_only=weights_only)
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    x[0, 1] = 7
    assert transposed[1, 0].item() == 7
    assert rest["a"].tolist() == [0, 1, 2] and rest["a"].requires_grad


def test_numpy_forms_without_trust():
    numpy = pytest.importorskip("numpy")
    matrix, real, whole, flags = load(REFERENCE / "numpy.pt")
    assert matrix.dtype == numpy.float64 and matrix.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (real, whole, flags.tolist()) == (2.5, 3, [True])
    assert type(real) is numpy.float32


def test_module_of_pytorch():
    with pytest.raises(pickle.UnpicklingError, match=r"add_safe_globals\(\[torch.nn.modules.linear.Linear\]\)"):
        load(REFERENCE / "module.pt")
    layer = load(REFERENCE / "module.pt", weights_only=False)
    assert type(layer) is torch.nn.Linear
    assert layer(torch.ones(1, 2)).tolist() == [[2, 7, 12]]


def test_same_bytes_as_pytorch(tmp_path):
    """Our file of the same objects differs in the serialization id alone."""
    for name in ("state_dict", "tensor"):
        save(load(REFERENCE / f"{name}.pt"), tmp_path / f"{name}.pt")
        ours, theirs = (tmp_path / f"{name}.pt").read_bytes(), (REFERENCE / f"{name}.pt").read_bytes()
        end = theirs.index(b".data/serialization_id")
        assert ours[:end] == theirs[:end] and len(ours) == len(theirs)


# ---------------------------------------------------------------- round trips


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_round_trip(protocol):
    x = torch.arange(6.0).view(2, 3)
    obj = {"x": x, "t": [x.t(), x[0]], "n": (1, 2.5, "é", b"\0", None, True, -(2**70), {3}, bytearray(b"q"))}
    for weights_only in (True, False):
        back = loaded(saved(obj, pickle_protocol=protocol), weights_only=weights_only)
        assert back["n"] == obj["n"]
        assert back["t"][0].tolist() == x.t().tolist()
        assert back["t"][0].data_ptr() == back["x"].data_ptr() == back["t"][1].data_ptr()


def test_leaf_flags_and_attributes():
    p = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    p.tag = "kept"
    x, q = loaded(saved([torch.ones(2, requires_grad=True), p]))
    assert x.requires_grad and x.is_leaf
    assert type(q) is torch.nn.Parameter and not q.requires_grad and q.tag == "kept"


def test_whole_module_under_pytorchs_names():
    data = saved(torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.ReLU()))
    names = zipfile.ZipFile(io.BytesIO(data)).read("archive/data.pkl")
    assert b"ctorch.nn.modules.linear\nLinear\n" in names and b"rushlight" not in names
    assert type(loaded(data, weights_only=False)[0]) is torch.nn.Linear


def test_our_own_classes_under_pytorchs_names():
    from rushlight.utils.data import Subset

    data = saved(Subset([10, 20], [1]))
    assert b"ctorch.utils.data.dataset\nSubset\n" in data and b"rushlight" not in data
    assert loaded(data, weights_only=False)[0] == 20
    with safe_globals([Subset]):
        assert loaded(data)[0] == 20


def test_both_byte_orders():
    data = saved(torch.tensor([1, 256], dtype=torch.int16))
    big = with_record(with_record(data, "byteorder", b"big"), "data/0", b"\0\1\1\0")
    assert loaded(big).tolist() == [1, 256]


def test_records_are_aligned_and_stored():
    data = saved([torch.ones(3), torch.ones(5, dtype=torch.uint8), torch.ones(1)])
    for entry in zipfile.ZipFile(io.BytesIO(data)).infolist():
        length, extra = data[entry.header_offset + 26], data[entry.header_offset + 28]
        assert (entry.header_offset + 30 + length + extra) % 64 == 0 and entry.compress_type == 0
    assert zipfile.ZipFile(io.BytesIO(data)).testzip() is None


def test_mapped_file_is_not_written(tmp_path):
    save(torch.ones(4), tmp_path / "x.pt")
    before = (tmp_path / "x.pt").read_bytes()
    x = load(tmp_path / "x.pt", mmap=True)
    x += 1
    assert x.tolist() == [2] * 4 and (tmp_path / "x.pt").read_bytes() == before


# ---------------------------------------------------------------- where tensors go


def on_cuda():
    data = saved(torch.ones(2))
    content = zipfile.ZipFile(io.BytesIO(data)).read("archive/data.pkl")
    return with_record(data, "data.pkl", content.replace(b"X\3\0\0\0cpu", b"X\6\0\0\0cuda:0"))


def test_cuda_location_is_refused_with_advice():
    with pytest.raises(RuntimeError, match="Attempting to deserialize object on a CUDA device but torch.cuda.is_avai"):
        loaded(on_cuda())


@pytest.mark.parametrize(
    "where",
    ["cpu", torch.device("cpu"), {"cuda:0": "cpu"}, lambda storage, location: storage],
    ids=["str", "device", "dict", "callable"],
)
def test_map_location(where):
    assert loaded(on_cuda(), map_location=where).tolist() == [1, 1]


def test_map_location_meta_reads_nothing():
    assert loaded(on_cuda(), map_location="meta").device.type == "meta"


# ---------------------------------------------------------------- nothing that a file names is called


class Harmful:
    def __reduce__(self):
        return os.system, ("echo harm",)


class Evaluates:
    def __reduce__(self):
        return eval, ("1/0",)


class Mine:
    pass


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("obj", [Harmful(), Evaluates()])
def test_calls_are_refused(obj, weights_only):
    with pytest.raises(pickle.UnpicklingError):
        loaded(saved(obj), weights_only=weights_only)


def test_unimported_module_is_named():
    pickled = b"cwave_of_tomorrow\nThing\n."
    with pytest.raises(pickle.UnpicklingError, match="import wave_of_tomorrow"):
        loaded(with_record(saved(1), "data.pkl", pickled), weights_only=False)


def test_safe_globals():
    data = saved(Mine())
    with safe_globals([Mine]):
        assert type(loaded(data)) is Mine
        assert get_safe_globals() == [Mine]
    with pytest.raises(pickle.UnpicklingError, match="torch.serialization.add_safe_globals"):
        loaded(data)
    add_safe_globals([Mine])
    clear_safe_globals()
    assert get_safe_globals() == []


@pytest.mark.parametrize(
    "pickled",
    [
        b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",  # an int would allocate
        b"cbuiltins\neval\n.",
        b"ctorch\nTensor\nJ\xff\xff\xff\x7f\x85R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n}X\1\0\0\0aNsb.",  # state of a function
        b"ctorch._tensor\n_rebuild_from_type_v2\n(ctorch\nTensor\nh\0J\0\0\0\x7f\x85}tR.",
        b"r\xff\xff\xff\x7f.",
        b"X\xff\xff\xff\x7f.",
        b"(" * 1000 + b".",
        b"}" + b")" + b"\x85" * 100_000 + b"Ns.",  # a key whose hash would recurse
    ],
)
def test_hostile_pickles(pickled):
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        loaded(with_record(saved(1), "data.pkl", pickled))


# ---------------------------------------------------------------- damaged files


def tensor_pickle(numel, offset, size, stride):

    content = zipfile.ZipFile(io.BytesIO(saved(torch.ones(3)))).read("archive/data.pkl")
    place = b"K\x03tq\x05QK\0K\x03\x85q\x06K\x01\x85"
    assert place in content
    number = lambda n: b"J" + n.to_bytes(4, "little", signed=True)  # noqa: E731
    return content.replace(
        place, number(numel) + b"tq\x05Q" + number(offset) + number(size) + b"\x85q\x06" + number(stride) + b"\x85"
    )


@pytest.mark.parametrize(
    ("numel", "offset", "size", "stride"),
    [
        (3, 1, 3, 1),
        (3, 0, 3, 2),
        (3, -1, 3, 1),
        (3, 0, -3, 1),
        (3, 2, 3, -1),
        (2**31 - 1, 0, 3, 1),
        (4, 0, 3, 1),
        (-1, 0, 0, 1),
    ],
)
def test_memory_outside_the_storage_is_never_read(numel, offset, size, stride):
    data = with_record(saved(torch.ones(3)), "data.pkl", tensor_pickle(numel, offset, size, stride))
    with pytest.raises((RuntimeError, pickle.UnpicklingError)):
        loaded(data)


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "no.pt")
    with pytest.raises(EOFError):
        loaded(b"")
    with pytest.raises(pickle.UnpicklingError, match="Weights only load failed"):
        loaded(b"hello world")
    with pytest.raises(RuntimeError, match="failed finding central directory") as caught:
        loaded(saved(torch.ones(2))[:-90])
    assert "the end of the file is missing" in caught.value.__notes__[0]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("archive/version", "3")
    with pytest.raises(RuntimeError, match="failed locating file data.pkl: file not found"):
        loaded(archive.getvalue())
    with pytest.raises(ValueError, match="must be a file path in order to use the mmap"):
        loaded(saved(1), mmap=True)


def test_flipped_bits_raise_cleanly():
    rng = random.Random(0)
    files = [(REFERENCE / f"{name}.pt").read_bytes() for name in ("checkpoint", "legacy", "numpy")]
    for _ in range(1500):
        data = bytearray(rng.choice(files))
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(min(len(data), 4000))] ^= 1 << rng.randrange(8)
        try:
            loaded(bytes(data[: rng.choice((len(data), rng.randrange(len(data))))]))
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
            pass


# ---------------------------------------------------------------- saving


def test_failed_save_leaves_the_old_file(tmp_path):
    save(1, tmp_path / "x.pt")
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save([torch.ones(2), lambda: 1], tmp_path / "x.pt")
    assert load(tmp_path / "x.pt") == 1
    assert os.listdir(tmp_path) == ["x.pt"]


def test_save_follows_links_and_keeps_the_mode(tmp_path):
    save(1, tmp_path / "x.pt")
    (tmp_path / "x.pt").chmod(0o600)
    (tmp_path / "link.pt").symlink_to(tmp_path / "x.pt")
    save(2, str(tmp_path / "link.pt"))
    assert load(tmp_path / "x.pt") == 2 and (tmp_path / "link.pt").is_symlink()
    assert (tmp_path / "x.pt").stat().st_mode & 0o777 == 0o600


def test_save_errors(tmp_path):
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        save(1, tmp_path / "no" / "x.pt")
    with pytest.raises(AttributeError, match="expected 'f' to be string, path, or a file-like object"):
        save(1, 3)
    x = torch.ones(4)
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        saved([x, x.view(torch.int32)])
