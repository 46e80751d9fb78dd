"""Regression on several inputs: columns one by one, then as one matrix product, then as `nn.Linear`.

    rushlight run examples/several_inputs.py

The price of a flat, made up: so much a square metre, a room, and a kilometre from the station.
"""

import torch
from torch import nn

torch.manual_seed(11)
flats = 60
area = 30 + 90 * torch.rand(flats)
rooms = torch.randint(1, 6, (flats,)).float()
distance = 8 * torch.rand(flats)
price = 4.0 * area + 15.0 * rooms - 12.0 * distance + 50.0 + 5 * torch.randn(flats)

columns = torch.stack([area, rooms, distance], dim=1)
mean, std = columns.mean(0), columns.std(0)
x = (columns - mean) / std

# One weight for each column, written out.
weights = [torch.zeros(1, requires_grad=True) for _ in range(3)]
bias = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([*weights, bias], lr=0.1)
for _ in range(150):
    guess = weights[0] * x[:, 0] + weights[1] * x[:, 1] + weights[2] * x[:, 2] + bias
    loss = ((guess - price) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"written out:    loss {loss.item():.4f}, weights", torch.cat(weights).detach())

# The same as a product: (60, 3) @ (3, 1) -> (60, 1).
w = torch.zeros(3, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.SGD([w, b], lr=0.1)
for _ in range(150):
    loss = ((x @ w + b - price.unsqueeze(1)) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"matrix product: loss {loss.item():.4f}, weights", w.detach().squeeze())

# And as a layer, which starts from random weights and ends at the same place.
layer = nn.Linear(3, 1)
optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
for _ in range(150):
    loss = nn.functional.mse_loss(layer(x).squeeze(1), price)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"{layer}: loss {loss.item():.4f}")

with torch.no_grad():
    new_flat = (torch.tensor([70.0, 3.0, 1.5]) - mean) / std
    print(f"70 square metres, 3 rooms, 1.5 km: {layer(new_flat).item():.1f}")
