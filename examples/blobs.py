"""Two classes of points that no straight line separates, and the border that a small network draws.

    rushlight run examples/blobs.py

Watch the loss fall; the picture is saved as blobs.png.
"""

import sys
import time

import torch
from torch import nn

torch.manual_seed(7)
centres = torch.tensor([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
blob = torch.arange(600) % 4
points = centres[blob] + 0.4 * torch.randn(600, 2)
labels = (blob >= 2).float()  # opposite corners belong together
x_train, y_train, x_test, y_test = points[:400], labels[:400], points[400:], labels[400:]

model = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
EPOCHS = 4000


def show_progress(epoch: int, loss: float) -> None:
    """One line that is written over itself, and only where somebody is looking."""
    if sys.stderr.isatty():
        bar = "#" * (30 * epoch // EPOCHS)
        print(f"\r[{bar:30}] epoch {epoch:4}/{EPOCHS}  loss {loss:.4f} ", end="", file=sys.stderr, flush=True)


start = time.perf_counter()
for epoch in range(EPOCHS + 1):
    optimizer.zero_grad()
    loss = criterion(model(x_train).squeeze(1), y_train)
    loss.backward()
    optimizer.step()
    if epoch == 0:
        first = loss.item()
    if epoch % 40 == 0:
        show_progress(epoch, loss.item())
seconds = time.perf_counter() - start
if sys.stderr.isatty():
    print(f"\n{1e6 * seconds / EPOCHS:.0f} microseconds a step", file=sys.stderr)

with torch.no_grad():
    right = ((model(x_test).squeeze(1) > 0) == (y_test > 0)).float().mean().item()
print(f"loss {first:.4f} -> {loss.item():.4f}, {100 * right:.1f} % of the test points right")

import matplotlib

matplotlib.use("Agg")  # draws into a file, with or without a screen
import matplotlib.pyplot as plt

side = torch.linspace(-2.8, 2.8, 200)
grid = torch.cartesian_prod(side, side)
with torch.no_grad():
    chance = torch.sigmoid(model(grid)).reshape(200, 200).T
plt.figure(figsize=(5, 5))
plt.contourf(side, side, chance, levels=20, cmap="RdBu", vmin=0, vmax=1, alpha=0.7)
plt.contour(side, side, chance, levels=[0.5], colors="black")
for label, colour in ((0, "darkred"), (1, "darkblue")):
    chosen = points[labels == label]
    plt.scatter(chosen[:, 0], chosen[:, 1], s=8, color=colour)
plt.title("where the network draws the border")
plt.savefig("blobs.png", dpi=120)
print("saved blobs.png")
