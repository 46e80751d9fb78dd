"""A recurrent network learns a wave from its past and carries it on by itself.

    rushlight run examples/time_series.py

The picture is saved as time_series.png.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
from torch import nn

torch.manual_seed(4)
time = torch.arange(400) * 0.2
wave = torch.sin(time) + 0.5 * torch.sin(2 * time + 1)
WINDOW, KNOWN = 20, 300
windows = wave[:KNOWN].unfold(0, WINDOW + 1, 2)  # (n, 21): twenty values and the one that follows
x, y = windows[:, :-1, None], windows[:, -1:]


class Forecast(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(input_size=1, hidden_size=24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        states, _ = self.gru(x)
        return self.out(states[:, -1])


model = Forecast()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
for epoch in range(1, 201):
    loss = nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    scheduler.step()
    if epoch % 50 == 0:
        print(f"epoch {epoch:3}  loss {loss.item():.5f}")

# From here on each forecast is an input of the next.
series = wave[:KNOWN].tolist()
with torch.no_grad():
    while len(series) < len(wave):
        recent = torch.tensor(series[-WINDOW:]).reshape(1, WINDOW, 1)
        series.append(model(recent).item())
error = (torch.tensor(series[KNOWN:]) - wave[KNOWN:]).abs().mean()
print(f"mean error of {len(wave) - KNOWN} steps ahead: {error:.2f}")

plt.figure(figsize=(8, 3))
plt.plot(time, wave, color="lightgray", linewidth=4, label="the wave")
plt.plot(time[KNOWN:], series[KNOWN:], label="carried on")
plt.legend()
plt.savefig("time_series.png", dpi=120)
print("saved time_series.png")
