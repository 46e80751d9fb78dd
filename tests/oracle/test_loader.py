"""Batches of DataLoader, and the random numbers drawn on the way, beside PyTorch's."""

import pytest

import rushlight

torch = pytest.importorskip("torch", reason="needs PyTorch", exc_type=ImportError)
pytestmark = pytest.mark.oracle

SIZE = 37


def datasets(engine):
    data = engine.utils.data
    base = data.TensorDataset(engine.arange(SIZE * 3.0).view(SIZE, 3), engine.arange(SIZE))
    more = data.TensorDataset(engine.arange(30.0).view(10, 3), engine.arange(10) + 100)
    parts = data.random_split(base, [0.5, 0.3, 0.2], generator=engine.Generator().manual_seed(7))

    class Own(data.Dataset):
        def __len__(self):
            return SIZE

        def __getitem__(self, i):
            return {"row": base[i][0], "number": i, "pair": (float(i), [i, "name"])}

    return {
        "tensors": base,
        "subset": data.Subset(base, range(3, 30, 2)),
        "split": parts[0],
        "split of a split": data.random_split(parts[0], [10, 9])[1],
        "concatenated": data.ConcatDataset([base, more, parts[2]]),
        "own": Own(),
    }


def loaders(engine, dataset):
    data = engine.utils.data
    n = len(dataset)

    def generator():
        return engine.Generator().manual_seed(5)

    for size in (1, 7, 32, 256):
        yield data.DataLoader(dataset, size)
        yield data.DataLoader(dataset, size, shuffle=True)
        yield data.DataLoader(dataset, size, shuffle=True, drop_last=True, generator=generator())
    yield data.DataLoader(dataset, 4, sampler=data.SubsetRandomSampler(range(1, n, 2)))
    yield data.DataLoader(dataset, 4, sampler=data.SubsetRandomSampler([3, 3, 0], generator=generator()))
    yield data.DataLoader(dataset, 4, sampler=data.WeightedRandomSampler([float(i + 1) for i in range(n)], 11))
    yield data.DataLoader(dataset, 4, sampler=data.RandomSampler(dataset, replacement=True, num_samples=50))
    yield data.DataLoader(dataset, 4, sampler=[4, 2, 2, 0, n - 1])
    yield data.DataLoader(dataset, batch_sampler=data.BatchSampler(data.RandomSampler(dataset), 6, True))
    yield data.DataLoader(dataset, batch_sampler=[[0, 2], [1], [n - 1, 0, 0]])
    yield data.DataLoader(dataset, 4, shuffle=True, collate_fn=lambda rows: [str(row) for row in rows])
    yield data.DataLoader(dataset, None, shuffle=True)


def shown(value):
    """Values, dtypes and containers, without the name of the engine."""
    if hasattr(value, "tolist"):
        return [str(value.dtype), tuple(value.stride()), value.tolist()]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *[shown(item) for item in value]]
    return value


def seen(engine, name):
    engine.manual_seed(3)
    found = []
    for loader in loaders(engine, datasets(engine)[name]):
        found.append([shown(batch) for batch in loader])
        for i, batch in enumerate(loader):  # a second pass, abandoned
            found.append(shown(batch))
            if i == 1:
                break
        found.append([len(loader), engine.rand(1).item()])
    return found


@pytest.mark.parametrize("name", ["tensors", "subset", "split", "split of a split", "concatenated", "own"])
def test_batches_and_their_order(name):
    for ours, theirs in zip(seen(rushlight, name), seen(torch, name), strict=True):
        assert ours == theirs
