"""A small convolutional network, LeNet's shape in miniature, reads scikit-learn's handwritten digits.

    rushlight run examples/digits_cnn.py

1797 pictures of 8 x 8 pixels come with scikit-learn. Some test pictures, with what the network made of them,
are saved as digits.png.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
order = torch.randperm(len(images))
train, test = order[:1400], order[1400:]


class SmallLeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.fc1 = nn.Linear(16 * 2 * 2, 48)
        self.fc2 = nn.Linear(48, 10)

    def forward(self, x):  # (n, 1, 8, 8)
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)  # (n, 8, 4, 4)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)  # (n, 16, 2, 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(x)


model = SmallLeNet()
print(model)
loader = DataLoader(TensorDataset(images[train], labels[train]), batch_size=64, shuffle=True)
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
for epoch in range(1, 9):
    total = 0.0
    for x, y in loader:
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}  loss {total / len(loader):.3f}")

model.eval()
with torch.no_grad():
    guesses = model(images[test]).argmax(1)
print(f"{(guesses == labels[test]).float().mean().item():.3f} of {len(test)} test pictures right")

figure, axes = plt.subplots(3, 8, figsize=(8, 3.6))
for ax, i, guess in zip(axes.flat, test, guesses, strict=False):  # as many as there are axes
    ax.imshow(images[i, 0], cmap="gray_r")
    ax.set_title(guess.item(), color="black" if guess == labels[i] else "red")
    ax.axis("off")
figure.savefig("digits.png", dpi=100)
print("saved digits.png")
