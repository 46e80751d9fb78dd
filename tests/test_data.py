"""Datasets, samplers and the loader. Random orders are those that PyTorch 2.13 yields for the same seeds."""

import collections
import os
import random
import warnings

import pytest

import rushlight as torch
from rushlight.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)
from rushlight.utils.data._gather import plan


class Numbers(Dataset):
    """Samples of every kind of order-revealing value; may misbehave at index 5."""

    def __init__(self, length=7, trouble=None):
        self.length = length
        self.trouble = trouble

    def __len__(self):
        return self.length

    def __getitem__(self, i):
        if i == 5 and self.trouble == "raise":
            raise ValueError("bad sample")
        if i == 5 and self.trouble == "key":
            raise KeyError("bad key")
        if i == 5 and self.trouble == "die":
            os._exit(3)
        return torch.tensor([float(i)]), i


class Stream(IterableDataset):
    def __init__(self, length):
        self.length = length

    def __iter__(self):
        worker = get_worker_info()
        start, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        return iter(range(start, self.length, step))

    def __len__(self):
        return self.length - 1


def rows(n=10):
    x = torch.arange(n * 2.0).view(n, 2)
    return TensorDataset(x, torch.arange(n))


def order(loader):
    return [batch[1].tolist() for batch in loader]


# ---------------------------------------------------------------- random streams


def test_random_streams():
    data, result = rows(6), {}
    torch.manual_seed(0)
    loader = DataLoader(data, batch_size=4, shuffle=True)
    result["shuffle"] = [order(loader), order(loader), torch.randint(1000, (2,)).tolist()]
    result["sequential"] = [order(DataLoader(data, batch_size=4)), torch.randint(1000, (2,)).tolist()]
    generator = torch.Generator().manual_seed(1)
    loader = DataLoader(data, batch_size=4, shuffle=True, generator=generator)
    result["generator"] = [order(loader), order(loader), torch.randint(1000, (2,), generator=generator).tolist()]
    result["split"] = [part.indices for part in random_split(data, [0.5, 0.3, 0.2])]
    result["replacement"] = list(RandomSampler(data, replacement=True, num_samples=34))
    result["subset"] = list(SubsetRandomSampler([9, 8, 7]))
    result["weighted"] = list(WeightedRandomSampler([1.0, 0.0, 3.0], 6))
    result["distributed"] = list(DistributedSampler(data, 4, 1, seed=2))
    assert result == EXPECTED


# Printed by PyTorch 2.13.
EXPECTED = {
    "shuffle": [[[0, 4, 3, 5], [2, 1]], [[2, 3, 1, 5], [4, 0]], [497, 683]],
    "sequential": [[[0, 1, 2, 3], [4, 5]], [756, 399]],
    "generator": [[[0, 4, 5, 1], [2, 3]], [[1, 0, 4, 3], [2, 5]], [723, 676]],
    "split": [[4, 2, 1, 3], [0], [5]],
    "replacement": [
        3,
        3,
        1,
        5,
        3,
        3,
        5,
        0,
        5,
        2,
        0,
        5,
        2,
        3,
        3,
        3,
        2,
        2,
        0,
        4,
        0,
        2,
        1,
        1,
        3,
        0,
        2,
        4,
        5,
        5,
        3,
        5,
        4,
        3,
    ],
    "subset": [7, 9, 8],
    "weighted": [2, 2, 2, 2, 2, 0],
    "distributed": [3, 5],
}


# ---------------------------------------------------------------- gathering


def slow(loader):
    """The same loader with a collate function that the gathering path does not recognise."""
    loader.collate_fn = lambda batch: default_collate(batch)
    return loader


def datasets():
    generator = torch.Generator().manual_seed(3)
    base = rows(11)
    whole = ConcatDataset([base, Subset(rows(5), [4, 0, 2])])
    return {
        "tensors": base,
        "subset": Subset(base, [3, 1, 1, 9]),
        "negative": Subset(base, [-1, 2]),
        "concat": whole,
        "split": random_split(whole, [0.6, 0.4], generator=generator)[0],
        "nested": Subset(Subset(base, range(2, 9)), [6, 0]),
        "columns": TensorDataset(torch.arange(12.0).view(2, 6).t(), torch.arange(6)),
    }


@pytest.mark.parametrize("name", datasets())
@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_gathered_batches_equal_collated_ones(name, size, shuffle, drop_last):
    results = []
    for change in (lambda loader: loader, slow):
        torch.manual_seed(4)
        generator = torch.Generator().manual_seed(5)
        loader = change(DataLoader(datasets()[name], size, shuffle, drop_last=drop_last, generator=generator))
        seen = []
        for epoch in range(2):
            for i, batch in enumerate(loader):
                assert type(batch) is list
                seen.append([(t.dtype, t.stride(), t.tolist()) for t in batch])
                seen.append(generator.get_state().tolist())
                if epoch and i == 1:
                    break  # an abandoned epoch must leave the generators where PyTorch leaves them
        results.append([seen, torch.rand(1).item(), len(loader)])
    assert results[0] == results[1]


@pytest.mark.parametrize("name", datasets())
def test_gathered_batches_of_other_samplers(name):
    dataset = datasets()[name]
    last = len(dataset) - 1

    def options():
        yield {"sampler": SubsetRandomSampler([last, 0, 0, 1])}
        yield {"sampler": SubsetRandomSampler(range(last))}
        yield {"sampler": WeightedRandomSampler([0.5] * len(dataset), 7)}
        yield {"sampler": [last, 0, -1]}
        yield {"batch_sampler": [[last], [0, 1, 1]]}

    for given in options():
        results = []
        for change in (lambda loader: loader, slow):
            torch.manual_seed(4)
            batches = [[t.tolist() for t in batch] for batch in change(DataLoader(dataset, **given))]
            results.append([batches, torch.rand(1).item()])
        assert results[0] == results[1]


def test_indices_out_of_range_are_refused():
    data = TensorDataset(torch.arange(3))
    for sampler in ([0, 3], SubsetRandomSampler([5])):
        with pytest.raises(IndexError):
            list(DataLoader(data, sampler=sampler))


def test_what_is_gathered():
    def is_gathered(dataset, **options):
        loader = DataLoader(dataset, batch_size=2, **options)
        return plan(dataset, loader.batch_sampler) is not None

    class Own(TensorDataset):
        pass

    x = torch.ones(4, 2)
    for name in ("tensors", "subset", "concat", "split", "nested"):
        assert is_gathered(datasets()[name], shuffle=True), name
    assert not is_gathered(Own(x))
    assert not is_gathered(TensorDataset(x.clone().requires_grad_()))
    assert not is_gathered(Subset(TensorDataset(x), [True, 0]))
    assert not is_gathered(TensorDataset(x), sampler=[0, 1])


def test_batches_are_fresh_memory():
    data = TensorDataset(torch.zeros(4, 2))
    for shuffle in (False, True):
        next(iter(DataLoader(data, batch_size=2, shuffle=shuffle)))[0].add_(1)
    assert data.tensors[0].sum().item() == 0


def test_gradients_reach_the_dataset():
    x = torch.ones(4, 2, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=3)))
    batch.sum().backward()
    assert x.grad.tolist() == [[1, 1]] * 3 + [[0, 0]]


# ---------------------------------------------------------------- collating

Point = collections.namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("batch", "shown"),
    [
        ([1, 2], "tensor([1, 2])"),
        ([1.5, 2], "tensor([1.5000, 2.0000], dtype=torch.float64)"),
        ([True, False], "tensor([ True, False])"),
        (["a", "b"], "['a', 'b']"),
        ([(1, "a"), (2, "b")], "[tensor([1, 2]), ('a', 'b')]"),
        ([[1, 2], [3, 4]], "[tensor([1, 3]), tensor([2, 4])]"),
        ([{"a": 1}, {"a": 2}], "{'a': tensor([1, 2])}"),
        ([Point(1, 2), Point(3, 4)], "Point(x=tensor([1, 3]), y=tensor([2, 4]))"),
        ([collections.OrderedDict(a=1)], f"{collections.OrderedDict(a=torch.tensor([1]))!r}"),
        ([range(2), range(2)], "[tensor([0, 0]), tensor([1, 1])]"),
    ],
)
def test_default_collate(batch, shown):
    assert repr(default_collate(batch)) == shown


def test_collate_errors():
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors, numpy arrays, numbers, dicts"):
        default_collate([object()])
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([(1,), (1, 2)])


def test_numpy_samples():
    numpy = pytest.importorskip("numpy")
    assert default_collate([numpy.ones(2), numpy.zeros(2)]).tolist() == [[1, 1], [0, 0]]
    assert default_collate([numpy.float32(1), numpy.float32(2)]).dtype is torch.float32
    assert default_convert((numpy.ones(1), "a"))[0].dtype is torch.float64
    with pytest.raises(TypeError, match="found <U1"):
        default_collate([numpy.array(["a"])])


# ---------------------------------------------------------------- datasets


def test_stack_concat_chain():
    pair = StackDataset(rows(3), Numbers(3))
    assert pair[1][1][1] == 1 and len(pair) == 3
    assert [sample[1][1] for sample in pair.__getitems__([2, 0])] == [2, 0]
    assert StackDataset(a=[1, 2]).__getitems__([1]) == [{"a": 2}]
    both = Numbers(2) + Numbers(3)
    assert [both[i][1] for i in (0, 1, 2, -1)] == [0, 1, 0, 2]
    assert list(Stream(2) + Stream(3)) == [0, 1, 0, 1, 2]
    assert len(ChainDataset([Stream(2), Stream(3)])) == 3


def test_generic_subscripts():
    class Typed(Dataset[int]):
        pass

    assert issubclass(Typed, Dataset)
    assert DataLoader[int] and BatchSampler[int]


def test_empty_split_warns():
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(range(1), [0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: TensorDataset(torch.ones(2), torch.ones(3)), AssertionError, "Size mismatch between tensors"),
        (lambda: StackDataset(), ValueError, "At least one dataset should be passed"),
        (lambda: ConcatDataset([]), AssertionError, "datasets should not be an empty iterable"),
        (lambda: ConcatDataset([[1]])[-2], ValueError, "absolute value of index should not exceed dataset length"),
        (lambda: random_split(range(3), [1, 1]), ValueError, "Sum of input lengths does not equal the length"),
        (lambda: random_split(range(3), [1.5, -0.5]), ValueError, "Fraction at index 0 is not between 0 and 1"),
        (lambda: RandomSampler([]), ValueError, "num_samples should be a positive integer value"),
        (lambda: BatchSampler([1], 0, False), ValueError, "batch_size should be a positive integer value"),
        (lambda: DataLoader([1], num_workers=-1), ValueError, "num_workers option should be non-negative"),
        (lambda: DataLoader([1], prefetch_factor=1), ValueError, "prefetch_factor option could only be specified"),
        (lambda: DataLoader([1], sampler=[0], shuffle=True), ValueError, "sampler option is mutually exclusive"),
        (lambda: DataLoader([1], batch_sampler=[[0]], batch_size=2), ValueError, "batch_sampler option is mutually"),
        (
            lambda: DataLoader(Stream(1), shuffle=True),
            ValueError,
            "expected unspecified shuffle option, but got shuffl",
        ),
        (
            lambda: setattr(DataLoader([1]), "dataset", [2]),
            ValueError,
            "dataset attribute should not be set after Data",
        ),
        (lambda: DistributedSampler([1], 2, 2), ValueError, "Invalid rank 2, rank should be in the interval"),
        (lambda: Dataset()[0], NotImplementedError, "Subclasses of Dataset should implement __getitem__."),
        (lambda: IterableDataset(), TypeError, "abstract class IterableDataset"),
    ],
)
def test_errors(make, error, message):
    with pytest.raises(error, match=message):
        make()


# ---------------------------------------------------------------- streams and workers


@pytest.mark.parametrize(("size", "drop_last"), [(None, False), (2, False), (2, True)])
def test_streams(size, drop_last):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = [b.tolist() if size else b for b in DataLoader(Stream(5), batch_size=size, drop_last=drop_last)]
    assert got == {None: [0, 1, 2, 3, 4], 2: [[0, 1], [2, 3], [4]][: 2 if drop_last else 3]}[size]


def test_length_of_a_stream_is_checked():
    loader = DataLoader(Stream(3), batch_size=1)
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2"):
        list(loader)


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}, {"prefetch_factor": 1, "drop_last": True}])
def test_workers_keep_the_order(options):
    torch.manual_seed(1)
    loader = DataLoader(Numbers(), batch_size=2, shuffle=True, num_workers=2, **options)
    got = [order(loader), order(loader)]
    torch.manual_seed(1)
    alone = DataLoader(Numbers(), batch_size=2, shuffle=True, drop_last=options.get("drop_last", False))
    expected = [order(alone), order(alone)]
    assert got[0] == expected[0]
    # Persistent workers keep their seed: the second pass draws none, and shuffles otherwise.
    assert got[1] == expected[1] or "persistent_workers" in options
    assert sorted(i for batch in got[1] for i in batch) == list(range(7)) or "drop_last" in options


def test_streams_are_shared_out():
    assert [b.tolist() for b in DataLoader(Stream(5), batch_size=2, num_workers=2)] == [[0, 2], [1, 3], [4]]


class Drawn(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, i):
        info = get_worker_info()
        return info.id, info.num_workers, info.seed, random.random(), torch.rand(1).item()


def test_workers_are_seeded():
    torch.manual_seed(0)
    iterator = iter(DataLoader(Drawn(), batch_size=None, num_workers=2))
    for i, (worker, workers, seed, plain, uniform) in enumerate(iterator):
        assert (worker, workers, seed) == (i, 2, iterator._base_seed + i)
        assert plain == random.Random(seed).random()
        assert uniform == torch.rand(1, generator=torch.Generator().manual_seed(seed)).item()
    assert get_worker_info() is None


@pytest.mark.parametrize(("trouble", "error"), [("raise", ValueError), ("key", KeyError)])
def test_worker_errors_come_with_their_traceback(trouble, error):
    with pytest.raises(error, match=r"in DataLoader worker process \d.\nOriginal Traceback[\s\S]*bad"):
        list(DataLoader(Numbers(trouble=trouble), batch_size=2, num_workers=2))


def test_dead_worker_is_noticed():
    with pytest.raises(RuntimeError, match=r"DataLoader worker \(pid\(s\) \d+\) exited unexpectedly"):
        list(DataLoader(Numbers(trouble="die"), batch_size=2, num_workers=1))
