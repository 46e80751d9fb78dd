"""Profiles of a training step: the same names, tables of the same form, the same count of operations."""

from __future__ import annotations

import re

import pytest

import rushlight

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.oracle


def step_of(engine, **options):
    nn = engine.nn
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3), nn.Tanh())
    optimizer = engine.optim.Adam(model.parameters())
    loader = engine.utils.data.DataLoader([(engine.ones(5), engine.ones(3))] * 8, batch_size=8)

    def step() -> None:
        for x, y in loader:
            optimizer.zero_grad()
            prediction = model(x)
            loss = ((prediction - y) ** 2).mean() + nn.functional.smooth_l1_loss(prediction, y)
            loss.backward()
            optimizer.step()
            loss.item()

    step()  # an optimizer makes its state in its first step
    with engine.profiler.profile(**options) as prof:
        step()
    return prof


# What a program calls, and what backward runs; PyTorch shows besides what these call in turn.
CALLED = "linear relu tanh sub pow mean smooth_l1_loss add item stack".split()


def is_node(name: str) -> bool:
    return name.startswith("autograd::") or re.fullmatch(r"\w+Backward0|torch::autograd::\w+", name) is not None


def test_the_names_of_a_training_step():
    ours, theirs = ({row.key: row.count for row in step_of(engine).key_averages()} for engine in (rushlight, torch))
    operations = {name for name in ours if name.startswith("aten::")}
    assert operations <= theirs.keys()
    assert {f"aten::{name}" for name in CALLED} <= operations
    nodes = [{name: count for name, count in seen.items() if is_node(name)} for seen in (ours, theirs)]
    for transposed in ("TBackward0", "autograd::engine::evaluate_function: TBackward0"):
        del nodes[1][transposed]  # of the weight: part of AddmmBackward0 here
    assert nodes[0] == nodes[1]
    labels = [{name: count for name, count in seen.items() if "#" in name} for seen in (ours, theirs)]
    assert labels[0] == labels[1]


def test_the_form_of_the_table():
    options = dict(profile_memory=True, record_shapes=True, with_flops=True)

    def form(engine) -> tuple[list[str], set[int], str]:
        rows = step_of(engine, **options).key_averages(group_by_input_shape=True)
        for row in rows:
            row.input_shapes = ["-" * 30]
            row.key = row.key.ljust(60, "-")
        lines = rows.table(sort_by="self_cpu_time_total", row_limit=4).splitlines()
        titles = re.split(r" {2,}", lines[1].strip())
        return titles, {len(line) for line in lines[:-1]}, lines[-1].partition(":")[0]

    assert form(rushlight) == form(torch)


def test_the_operations_of_products():
    ours, theirs = (
        sum(e.flops or 0 for e in step_of(engine, with_flops=True).events() if re.search("mm|linear", e.name, re.I))
        for engine in (rushlight, torch)
    )
    assert ours == theirs


def test_the_schedule():
    for wait, warmup, active, repeat, skip, skip_wait in [(1, 1, 2, 0, 0, 0), (0, 1, 1, 2, 3, 0), (3, 2, 1, 2, 1, 1)]:
        plans = [
            engine.profiler.schedule(
                wait=wait, warmup=warmup, active=active, repeat=repeat, skip_first=skip, skip_first_wait=skip_wait
            )
            for engine in (rushlight, torch)
        ]
        assert [plans[0](i).name for i in range(30)] == [plans[1](i).name for i in range(30)]


def test_enumerations():
    for name in ("ProfilerActivity", "ProfilerAction", "DeviceType"):
        ours, theirs = (
            {member: int(value.value) for member, value in getattr(engine.profiler, name).__members__.items()}
            for engine in (rushlight, torch)
        )
        assert ours.items() <= theirs.items(), name
