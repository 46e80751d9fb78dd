"""Anomaly detection: backward stops at the first NaN and names the operation."""

import pytest

import rushlight as torch


def root_of_a_negative_number():
    return torch.tensor(-1.0, requires_grad=True).sqrt()


def test_the_operation_is_named_inside_the_block_only():
    with torch.autograd.set_detect_anomaly(True):
        with pytest.raises(RuntimeError, match=r"Function 'SqrtBackward0' returned nan values in its 0th output\."):
            root_of_a_negative_number().backward()
        with torch.autograd.set_detect_anomaly(True, check_nan=False):
            root_of_a_negative_number().backward()
    root_of_a_negative_number().backward()


def test_detect_anomaly_warns_of_its_cost():
    with pytest.warns(UserWarning, match="Anomaly Detection has been enabled"):
        block = torch.autograd.detect_anomaly()
    with block, pytest.raises(RuntimeError, match="SqrtBackward0"):
        root_of_a_negative_number().backward()
    root_of_a_negative_number().backward()
