"""A straight line through noisy points, fitted by hand, with an optimizer, and as a module.

    rushlight run examples/line_three_ways.py

All three take the same steps and end at the same line.
"""

import torch
from torch import nn

torch.manual_seed(3)
celsius = torch.linspace(-10, 35, 40).reshape(-1, 1)
fahrenheit = 1.8 * celsius + 32 + 2 * torch.randn(40, 1)
x = (celsius - celsius.mean()) / celsius.std()  # steps of one size suit both unknowns
EPOCHS, RATE = 80, 0.1


def by_hand() -> tuple[float, float, float]:
    slope = torch.zeros(1, requires_grad=True)
    offset = torch.zeros(1, requires_grad=True)
    for _ in range(EPOCHS):
        loss = ((slope * x + offset - fahrenheit) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for p in (slope, offset):
                p -= RATE * p.grad
                p.grad.zero_()
    return slope.item(), offset.item(), loss.item()


def with_an_optimizer() -> tuple[float, float, float]:
    slope = torch.zeros(1, requires_grad=True)
    offset = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([slope, offset], lr=RATE)
    for _ in range(EPOCHS):
        loss = nn.functional.mse_loss(slope * x + offset, fahrenheit)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return slope.item(), offset.item(), loss.item()


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return self.linear(x)


def as_a_module() -> tuple[float, float, float]:
    model, criterion = Line(), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    for _ in range(EPOCHS):
        loss = criterion(model(x), fahrenheit)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.linear.weight.item(), model.linear.bias.item(), loss.item()


for way in (by_hand, with_an_optimizer, as_a_module):
    slope, offset, loss = way()
    slope /= celsius.std().item()
    offset -= slope * celsius.mean().item()
    print(f"{way.__name__:>18}: F = {slope:.3f} C + {offset:.3f}, loss {loss:.4f}")
