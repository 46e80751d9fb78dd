"""Tensors print as PyTorch 2.13 prints them; reference/make_tensor_str.py wrote the expected texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import rushlight as torch

CASES = json.loads((Path(__file__).parent / "reference" / "tensor_str.json").read_text())


@pytest.fixture(autouse=True)
def default_options():
    torch.set_printoptions(profile="default")
    yield
    torch.set_printoptions(profile="default")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['make'][:40]}-{case['options']}")
def test_text_is_pytorch_s(case):
    tensor = eval(case["make"], {"torch": torch})
    torch.set_printoptions(**case["options"])
    assert repr(tensor) == case["text"]
    assert str(tensor) == case["text"]


def test_subclass_names_itself():
    class Celsius(torch.Tensor):
        pass

    assert repr(torch.ones(2).as_subclass(Celsius)) == "Celsius([1., 1.])"
    assert repr(torch.ones(2, dtype=torch.float64).as_subclass(Celsius)) == "Celsius([1., 1.], dtype=torch.float64)"


def test_default_dtype_needs_no_suffix():
    torch.set_default_dtype(torch.float64)
    try:
        assert repr(torch.ones(1)) == "tensor([1.])"
        assert repr(torch.ones(1, dtype=torch.float32)) == "tensor([1.], dtype=torch.float32)"
        assert repr(torch.ones(1, dtype=torch.complex128)) == "tensor([1.+0.j])"
    finally:
        torch.set_default_dtype(torch.float32)


def test_options_are_kept_and_restored():
    default = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
    assert torch._tensor_str.get_printoptions() == default
    with torch._tensor_str.printoptions(precision=2, sci_mode=False):
        assert torch._tensor_str.get_printoptions() == default | {"precision": 2, "sci_mode": False}
        assert repr(torch.tensor(1e-6)) == "tensor(0.00)"
    assert torch._tensor_str.get_printoptions() == default


def test_printing_a_summary_records_nothing():
    tensor = torch.ones(2000, requires_grad=True)
    text = repr(tensor)
    assert text == "tensor([1., 1., 1.,  ..., 1., 1., 1.], requires_grad=True)"
    assert torch.is_grad_enabled() and tensor.grad_fn is None
