"""The mistakes of a first week: the message is PyTorch's, and a note says what was given and what to do."""

import pickle

import pytest

import rushlight as torch
from rushlight import nn

X, W = torch.ones(3, 4), torch.ones(2, requires_grad=True)
LOGITS = torch.zeros(3, 5)


class Headless(nn.Module):
    def __init__(self):
        self.head = nn.Linear(2, 2)


def subtract_from_leaf():
    w = torch.ones(2, requires_grad=True)
    w -= 0.1


def write_into_leaf():
    torch.ones(2, requires_grad=True)[0] = 3.0


MISTAKES = {
    "linear, shape": (lambda: nn.Linear(9, 2)(X), RuntimeError, "mat1 and mat2 shapes cannot be multiplied (3x4 and 9x2)",
                      "last dimension has 4 elements, the weight takes 9"),
    "linear, dtype": (lambda: nn.Linear(4, 2)(X.double()), RuntimeError, "mat1 and mat2 must have the same dtype, but got Double and Float",
                      "the input is torch.float64 and the weight torch.float32: input.to(torch.float32)"),
    "linear, list": (lambda: nn.Linear(1, 1)([1.0]), TypeError, "linear(): argument 'input' (position 1) must be Tensor, not list",
                     "torch.tensor(value)"),
    "batch norm": (lambda: nn.BatchNorm1d(4)(torch.ones(2, 5)), RuntimeError, "running_mean should contain 5 elements not 4",
                   "the input is [2, 5]: dimension 1 is the features, of which the layer has 4"),
    "float classes": (lambda: nn.CrossEntropyLoss()(LOGITS, torch.ones(3)), RuntimeError,
                      "expected target dtype to be Long or Byte, but got Float", "target.long(); probabilities of the classes have the input's shape, [3, 5]"),
    "int32 classes": (lambda: nn.CrossEntropyLoss()(LOGITS, torch.ones(3, dtype=torch.int32)), RuntimeError,
                      "expected target dtype to be Long or Byte, but got Int", "target.long()"),
    "class too large": (lambda: nn.CrossEntropyLoss()(LOGITS, torch.tensor([0, 1, 5])), IndexError, "Target 5 is out of bounds.",
                        "the input has 5 classes, so targets are 0 to 4"),
    "column of classes": (lambda: nn.CrossEntropyLoss()(LOGITS, torch.tensor([[0], [1], [2]])), RuntimeError,
                          "0D or 1D target tensor expected, multi-target not supported", "the target is [3, 1], but one class number for each row of the input is [3]: target.squeeze(1)"),
    "BCE, dtype": (lambda: nn.BCELoss()(torch.rand(2), torch.tensor([0, 1])), RuntimeError, "Found dtype Long but expected Float",
                   "target.to(torch.float32)"),
    "BCE, range": (lambda: nn.BCELoss()(torch.tensor([1.5]), torch.tensor([1.0])), RuntimeError,
                   "all elements of input should be between 0 and 1", "BCEWithLogitsLoss"),
    "embedding": (lambda: nn.Embedding(3, 2)(torch.tensor([5])), IndexError, "index out of range in self", "3 rows, so indices are 0 to 2"),
    "broadcasting": (lambda: torch.ones(2, 3) + torch.ones(4), RuntimeError,
                     "The size of tensor a (3) must match the size of tensor b (4) at non-singleton dimension 1", "the shapes are [2, 3] and [4]"),
    "batched product": (lambda: torch.ones(2, 3, 4) @ torch.ones(5, 4, 3), RuntimeError,
                        "The size of tensor a (2) must match the size of tensor b (5) at non-singleton dimension 0", "the shapes are [2, 3, 4] and [5, 4, 3]"),
    "leaf": (subtract_from_leaf, RuntimeError, "a leaf Variable that requires grad is being used in an in-place operation.", "torch.no_grad()"),
    "part of a leaf": (write_into_leaf, RuntimeError, "a view of a leaf Variable that requires grad is being used in an in-place operation.",
                       "torch.no_grad()"),
    "loss of many": (lambda: (W * 2).backward(), RuntimeError, "grad can be implicitly created only for scalar outputs",
                     "its shape is [2]: take .mean() or .sum() first"),
    "loss of nothing": (lambda: torch.ones(1).backward(), RuntimeError, "element 0 of tensors does not require grad and does not have a grad_fn",
                        "requires_grad=True"),
    "item": (lambda: X.item(), RuntimeError, "a Tensor with 12 elements cannot be converted to Scalar", "its shape is [3, 4]"),
    "float": (lambda: float(X), ValueError, "only one element tensors can be converted to Python scalars", "x.mean()"),
    "format": (lambda: "%.3f" % X, ValueError, "only one element tensors can be converted to Python scalars", "x.mean()"),  # noqa: UP031
    "if": (lambda: bool(X > 0), RuntimeError, "Boolean value of Tensor with more than one value is ambiguous", "x.any() and x.all()"),
    "integers that learn": (lambda: torch.tensor([1, 2], requires_grad=True), RuntimeError,
                            "Only Tensors of floating point and complex dtype can require gradients", "it would be torch.int64"),
    "cuda": (lambda: X.cuda(), AssertionError, "Torch not compiled with CUDA enabled", "torch.cuda.is_available()"),
    "to cuda": (lambda: nn.Linear(1, 1).to("cuda"), AssertionError, "Torch not compiled with CUDA enabled", "torch.cuda.is_available()"),
    "cuda's memory": (lambda: torch.cuda.set_device(0), AssertionError, "Torch not compiled with CUDA enabled", "on the CPU only"),
    "optimizer of a model": (lambda: torch.optim.SGD(nn.Linear(1, 1), lr=0.1), TypeError, "'Linear' object is not iterable",
                             "SGD(model.parameters(), ...)"),
    "optimizer of a result": (lambda: torch.optim.SGD([W * 2], lr=0.1), ValueError, "can't optimize a non-leaf Tensor", "MulBackward0"),
    "no super().__init__()": (Headless, AttributeError, "cannot assign module before Module.__init__() call",
                              "begin Headless.__init__ with super().__init__()"),
    "state of a module": (lambda: nn.Linear(1, 1).load_state_dict(nn.Linear(1, 1)), TypeError, "Expected state_dict to be dict-like, got ",
                          "load_state_dict(other.state_dict())"),
    "state of a path": (lambda: nn.Linear(1, 1).load_state_dict("m.pt"), TypeError, "Expected state_dict to be dict-like, got ",
                        "load_state_dict(torch.load(path))"),
    "state of DataParallel": (lambda: nn.Linear(1, 1).load_state_dict(nn.DataParallel(nn.Linear(1, 1)).state_dict()), RuntimeError,
                              "Error(s) in loading state_dict for Linear:", "consume_prefix_in_state_dict_if_present"),
    "columns of two lengths": (lambda: torch.utils.data.TensorDataset(X, W), AssertionError, "Size mismatch between tensors",
                               "first dimensions are 3, 2"),
    "ragged batch": (lambda: list(torch.utils.data.DataLoader([X, W], batch_size=2)), RuntimeError, "stack expects each tensor to be equal size",
                     "collate_fn"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_hint(mistake):
    act, kind, message, hint = MISTAKES[mistake]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind and str(caught.value).startswith(message)
    assert [note for note in caught.value.__notes__ if note.startswith("hint: ") and hint in note]


def test_hint_stands_before_the_layer():
    with pytest.raises(RuntimeError) as caught:
        nn.Sequential(nn.ReLU(), nn.Linear(9, 2))(X)
    hint, layer = caught.value.__notes__
    assert hint.startswith("hint: ") and layer == "in Sequential.1: Linear(in_features=9, out_features=2, bias=True)"


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\x93NUMPY\x01\x00", b""])
def test_hint_of_a_file_that_is_something_else(tmp_path, content):
    path = tmp_path / "weights.csv"
    path.write_bytes(content)
    with pytest.raises((pickle.UnpicklingError, EOFError)) as caught:
        torch.load(path)
    (hint,) = caught.value.__notes__
    assert "weights.csv' was not written by torch.save" in hint and (repr(content) if content else "empty") in hint
