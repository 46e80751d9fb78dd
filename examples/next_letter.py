"""A character model: learn to spell the numbers, letter by letter, then write them out.

rushlight run examples/next_letter.py
"""

import torch
from torch import nn

torch.manual_seed(0)
text = "one two three four five six seven eight nine ten eleven twelve. " * 4
letters = sorted(set(text))
number = {letter: i for i, letter in enumerate(letters)}
codes = torch.tensor([number[letter] for letter in text])
print(f"{len(text)} letters, {len(letters)} different")


class Speller(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(letters), 12)
        self.lstm = nn.LSTM(12, 48, batch_first=True)
        self.out = nn.Linear(48, len(letters))

    def forward(self, codes, state=None):
        hidden, state = self.lstm(self.embed(codes), state)
        return self.out(hidden), state


model = Speller()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
x, y = codes[:-1].reshape(5, -1), codes[1:].reshape(5, -1)
for epoch in range(1, 61):
    scores, _ = model(x)
    loss = nn.functional.cross_entropy(scores.reshape(-1, len(letters)), y.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        print(f"epoch {epoch}  loss {loss.item():.3f}")

written, state = "one ", None
with torch.no_grad():
    code = torch.tensor([[number[letter] for letter in written]])
    for _ in range(36):
        scores, state = model(code, state)
        code = scores[:, -1:].argmax(-1)
        written += letters[code.item()]
print(written.strip())
