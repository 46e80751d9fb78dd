"""Loss curves of several optimizers on one problem, drawn from lists of tensors.

    rushlight run examples/loss_curves.py

The picture is saved as loss_curves.png.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import nn, optim

torch.manual_seed(1)
x = torch.rand(200, 2) * 4 - 2
y = torch.sin(x[:, :1]) * torch.cos(x[:, 1:]) + 0.05 * torch.randn(200, 1)

OPTIMIZERS = {
    "SGD": lambda p: optim.SGD(p, lr=0.1),
    "SGD with momentum": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "RMSprop": lambda p: optim.RMSprop(p, lr=0.005),
    "Adam": lambda p: optim.Adam(p, lr=0.01),
    "AdamW": lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
}


def losses_with(make_optimizer) -> list[torch.Tensor]:
    torch.manual_seed(1)  # each starts from the same weights
    model = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 1))
    optimizer = make_optimizer(model.parameters())
    losses = []
    for _ in range(200):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())  # a tensor each: no need to ask for the number now
    return losses


plt.figure(figsize=(6, 4))
for name, make_optimizer in OPTIMIZERS.items():
    losses = losses_with(make_optimizer)
    print(f"{name:18} {losses[0]:.4f} -> {losses[-1]:.4f}, lowest {torch.stack(losses).min():.4f}")
    plt.plot(range(len(losses)), losses, label=name)
plt.yscale("log")
plt.xlabel("epoch")
plt.ylabel("mean squared error")
plt.legend()
plt.savefig("loss_curves.png", dpi=120)
print("saved loss_curves.png")
