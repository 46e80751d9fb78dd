"""Writes the files under pt/ with PyTorch: `python record_pt.py` in a virtual environment that has it."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

target = Path(__file__).parent / "pt"
target.mkdir(exist_ok=True)

net = torch.nn.Sequential(OrderedDict(fc=torch.nn.Linear(2, 3), bn=torch.nn.BatchNorm1d(3)))
with torch.no_grad():
    for i, parameter in enumerate(net.parameters()):
        parameter.copy_(torch.arange(parameter.numel()).view_as(parameter) + i)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
x = torch.arange(6.0).view(2, 3)
dtypes = [torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64] + [
    torch.float16,
    torch.bfloat16,
    torch.float32,
    torch.float64,
    torch.complex64,
    torch.complex128,
]

torch.save(net.state_dict(), target / "state_dict.pt")
torch.save(x, target / "tensor.pt")
torch.save(net.fc, target / "module.pt")
torch.save([np.arange(6.0).reshape(2, 3), np.float32(2.5), np.int64(3), np.array([True])], target / "numpy.pt")
torch.save(
    [x, x.t(), {"a": torch.nn.Parameter(x[0].clone())}], target / "legacy.pt", _use_new_zipfile_serialization=False
)
torch.save(
    {
        "epoch": 3,
        "optimizer": optimizer.state_dict(),
        "name": "notes",
        "raw": b"\x00\xff",
        "big": 2**80,
        "set": {1, 2},
        "z": 1 - 2j,
        "none": None,
        "flags": (True, False),
        "views": [x, x.t(), x[1]],
        "param": torch.nn.Parameter(x),
        "size": torch.Size([2, 3]),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "empty": torch.empty(0, 3),
        "dtypes": [torch.tensor([0, 1, 2]).to(dtype) for dtype in dtypes],
    },
    target / "checkpoint.pt",
)
