"""Small modules that more than one file of tests takes apart."""

import rushlight as torch
from rushlight import nn


class Affine(nn.Module):
    """A layer that needs nothing but Parameter and arithmetic."""

    def __init__(self, scale=2.0, shift=1.0):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([float(scale)]))
        self.shift = nn.Parameter(torch.tensor([shift]))

    def forward(self, x):
        return x * self.scale + self.shift

    def extra_repr(self):
        return "affine"


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(Affine(), Affine(3.0))
        self.head = Affine(1.0)
        self.register_buffer("seen", torch.zeros(1))
        self.register_buffer("cache", torch.zeros(1), persistent=False)

    def forward(self, x):
        return self.head(self.body(x))


class Fails(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


X = torch.tensor([1.0, 2.0])
