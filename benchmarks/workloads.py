"""Training and inference as users write them; each function returns one step as a function without arguments.

`import torch` is whichever engine the process runs under.
"""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

POINTS = 80


def blobs(seed: int = 0):
    """Two clouds of points with labels 0 and 1."""
    torch.manual_seed(seed)
    x = torch.randn(POINTS, 2)
    x[: POINTS // 2] += 1.5
    x[POINTS // 2 :] -= 1.5
    y = torch.zeros(POINTS, 1)
    y[: POINTS // 2] = 1
    return x, y


class Classifier(nn.Module):
    def __init__(self, hidden: int = 5):
        super().__init__()
        self.hidden = nn.Linear(2, hidden)
        self.relu = nn.ReLU()
        self.out = nn.Linear(hidden, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        return self.sigmoid(self.out(self.relu(self.hidden(x))))


def classifier(variant: str = "", seed: int = 0):
    """The 2-5-1 classifier on 80 points."""
    x, y = blobs(seed)
    model, criterion = Classifier(), nn.BCELoss()
    if variant == "adam":
        optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    else:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1000, gamma=0.99)

    def step():
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def step_item():
        step_loss = criterion(model(x), y)
        optimizer.zero_grad()
        step_loss.backward()
        optimizer.step()
        return step_loss.item()

    def step_modes():
        model.train()
        step()
        model.eval()
        with torch.no_grad():
            model(x)

    def step_clipped():
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    def step_scheduled():
        step()
        schedule.step()

    def step_by_hand():
        weights = list(model.parameters())
        loss = ((model(x) - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for w in weights:
                w -= 0.03 * w.grad
                w.grad.zero_()

    steps = {"item": step_item, "modes": step_modes, "clip": step_clipped, "schedule": step_scheduled,
             "hand": step_by_hand}  # fmt: skip
    return steps.get(variant, step)


def many_small(count: int = 200):
    """One step of each of many small models."""
    steps = [classifier(seed=seed) for seed in range(count)]

    def step():
        for each in steps:
            each()

    return step


def loader(batch: int = 32, shuffle: bool = True):
    """One step of an 8-6-4-1 network on the next batch of a DataLoader."""
    torch.manual_seed(0)
    x = torch.randn(768, 8)
    y = (x.sum(1, keepdim=True) > 0).float()
    model = nn.Sequential(
        nn.Linear(8, 6), nn.Sigmoid(), nn.Linear(6, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Sigmoid()
    )  # fmt: skip
    criterion, optimizer = nn.BCELoss(), torch.optim.SGD(model.parameters(), lr=0.1)
    data = DataLoader(TensorDataset(x, y), batch_size=batch, shuffle=shuffle)
    batches = itertools.chain.from_iterable(itertools.repeat(data))

    def step():
        inputs, labels = next(batches)
        loss = criterion(model(inputs), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def mlp(*widths: int, batch: int = 64, optimizer: str = "SGD", lr: float = 1e-3):
    """A step of a network with ReLU between its linear layers, on fixed data of ten classes."""
    torch.manual_seed(0)
    model, criterion = layers(*widths), nn.CrossEntropyLoss()
    x, y = torch.randn(batch, widths[0]), torch.randint(0, widths[-1], (batch,))
    updater = getattr(torch.optim, optimizer)(model.parameters(), lr=lr)

    def step():
        loss = criterion(model(x), y)
        updater.zero_grad()
        loss.backward()
        updater.step()

    return step


def layers(*widths: int) -> nn.Sequential:
    parts: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(widths):
        parts += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*parts[:-1])


def gelu_norm(size: int = 1024):
    """x + LayerNorm(GELU(x)), forward and backward."""
    norm = nn.LayerNorm(size)
    x, upstream = torch.randn(size, size, requires_grad=True), torch.randn(size, size)

    def step():
        norm.zero_grad()
        x.grad = None
        (x + norm(nn.functional.gelu(x))).backward(upstream)

    return step


def matmul(size: int = 1024):
    a, b = torch.randn(size, size), torch.randn(size, size)
    return lambda: a @ b


def inference(*widths: int):
    """One sample through a network, and the result read."""
    model = layers(*widths).eval()
    x = torch.randn(1, widths[0])

    def step():
        with torch.no_grad():
            return model(x).tolist()

    return step
