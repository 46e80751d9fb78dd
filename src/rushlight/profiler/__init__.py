"""What a program spends its time on: operation by operation, with bytes, source lines and a timeline.

>>> import rushlight as torch
>>> from rushlight.profiler import ProfilerActivity, profile
>>> w = torch.ones(3, requires_grad=True)
>>> with profile(activities=[ProfilerActivity.CPU]) as prof:
...     (2 * w).sum().backward()
>>> {row.key: row.count for row in prof.key_averages()}["aten::mul"]
1
"""

from __future__ import annotations

from ..autograd.profiler import record_function
from ..autograd.profiler_util import DeviceType, ProfilerActivity
from ._profile import ProfilerAction, profile, supported_activities
from ._schedule import schedule, tensorboard_trace_handler

__all__ = [
    "DeviceType",
    "ProfilerAction",
    "ProfilerActivity",
    "kineto_available",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


def kineto_available() -> bool:
    """Whether profiles hold timelines: always. (There is no Kineto here; programs ask this before they profile.)"""
    return True
