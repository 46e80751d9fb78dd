"""Mini-batches: a Dataset class of one's own, split in two and served shuffled by a DataLoader.

rushlight run examples/minibatches.py
"""

import torch
from sklearn.datasets import load_diabetes
from torch import nn
from torch.utils.data import DataLoader, Dataset, random_split

torch.manual_seed(5)


class Patients(Dataset):
    """Ten measurements of a patient, and how far the illness had gone a year later."""

    def __init__(self):
        measurements, progress = load_diabetes(return_X_y=True)
        self.x = torch.tensor(measurements, dtype=torch.float32)
        self.x = (self.x - self.x.mean(0)) / self.x.std(0)
        self.y = torch.tensor(progress, dtype=torch.float32).unsqueeze(1) / 100

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        return self.x[index], self.y[index]


train, test = random_split(Patients(), [342, 100])
train_loader = DataLoader(train, batch_size=32, shuffle=True)
test_loader = DataLoader(test, batch_size=100)
x, y = next(iter(train_loader))
print(f"{len(train)} patients in {len(train_loader)} batches of", tuple(x.shape), "and", tuple(y.shape))

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1))
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=5, gamma=0.5)

for epoch in range(1, 16):
    model.train()
    total = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    scheduler.step()
    if epoch % 5 == 0:
        model.eval()
        with torch.no_grad():
            test_loss = sum(criterion(model(x), y).item() for x, y in test_loader) / len(test_loader)
        rate = scheduler.get_last_lr()[0]
        print(f"epoch {epoch:2}  train {total / len(train):.4f}  test {test_loss:.4f}  next rate {rate:.5f}")
