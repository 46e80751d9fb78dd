"""Saving a model, loading it into a new one, and going on with training as if nothing had happened.

    rushlight run examples/save_and_load.py

The files are PyTorch's own `.pt` format: PyTorch reads what rushlight wrote, and the other way round.
"""

import os
import tempfile

import torch
from torch import nn

folder = tempfile.TemporaryDirectory()  # gone when the program ends
x = torch.linspace(-3, 3, 64).unsqueeze(1)
y = torch.sin(x)


class Curve(nn.Module):
    def __init__(self, hidden: int = 12):
        super().__init__()
        self.hidden = nn.Linear(1, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.out(torch.tanh(self.hidden(x)))


def train(model, optimizer, epochs: int) -> float:
    for _ in range(epochs):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


torch.manual_seed(2)
model = Curve()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
print(f"after 200 epochs: loss {train(model, optimizer, 200):.4f}")

# The weights alone are what to keep for predictions.
weights = os.path.join(folder.name, "curve.pt")
torch.save(model.state_dict(), weights)
for name, tensor in torch.load(weights).items():
    print(f"  {name:14}", tuple(tensor.shape))

copy = Curve()
print(copy.load_state_dict(torch.load(weights)))
copy.eval()
with torch.no_grad():
    at = torch.tensor([[1.0]])
    print(f"sin(1) is about {model(at).item():.4f}, and {copy(at).item():.4f} by the copy")

# To go on with training, the optimizer's state belongs to the checkpoint too.
checkpoint = os.path.join(folder.name, "checkpoint.pt")
torch.save({"epoch": 200, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, checkpoint)

saved = torch.load(checkpoint)
resumed = Curve()
resumed.load_state_dict(saved["model"])
resumed_optimizer = torch.optim.Adam(resumed.parameters(), lr=0.01)
resumed_optimizer.load_state_dict(saved["optimizer"])
print(f"200 more, resumed from epoch {saved['epoch']}: loss {train(resumed, resumed_optimizer, 200):.4f}")
print(f"200 more, never interrupted:     loss {train(model, optimizer, 200):.4f}")

try:
    Curve(hidden=8).load_state_dict(saved["model"])
except RuntimeError as error:
    print(str(error).splitlines()[1].strip())
