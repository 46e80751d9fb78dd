"""A wide and deep classifier on a table of measurements.

rushlight run examples/wide_and_deep.py                      # scikit-learn's breast cancer set
rushlight run examples/wide_and_deep.py diabetes.csv.gz      # any CSV of numbers, the last column 0 or 1
"""

import sys

import numpy as np
import torch
from torch import nn

torch.manual_seed(0)
if len(sys.argv) > 1:
    table = np.loadtxt(sys.argv[1], delimiter=",", dtype=np.float32)
    features, labels = table[:, :-1], table[:, [-1]]
else:
    from sklearn.datasets import load_breast_cancer

    features, labels = load_breast_cancer(return_X_y=True)
    features, labels = features.astype(np.float32), labels.astype(np.float32)[:, None]

features = (features - features.mean(0)) / features.std(0)
order = torch.randperm(len(features))
x, y = torch.from_numpy(features)[order], torch.from_numpy(labels)[order]
cut = len(x) * 3 // 4
x_train, y_train, x_test, y_test = x[:cut], y[:cut], x[cut:], y[cut:]
print("training", tuple(x_train.shape), "test", tuple(x_test.shape))


class WideAndDeep(nn.Module):
    """A straight path from input to output beside a path through hidden layers; their scores add up."""

    def __init__(self, inputs: int):
        super().__init__()
        self.wide = nn.Linear(inputs, 1)
        self.deep = nn.Sequential(nn.Linear(inputs, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, x):
        return self.wide(x) + self.deep(x)


def accuracy(x, y) -> float:
    model.eval()
    with torch.no_grad():
        return ((model(x) > 0).float() == y).float().mean().item()


model = WideAndDeep(x.shape[1])
print(sum(p.numel() for p in model.parameters()), "parameters")
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(1, 101):
    model.train()
    loss = criterion(model(x_train), y_train)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        print(f"epoch {epoch:3}  loss {loss.item():.4f}")
print(f"right: {accuracy(x_train, y_train):.3f} of the training rows, {accuracy(x_test, y_test):.3f} of the others")
