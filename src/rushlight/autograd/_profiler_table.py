"""The table of a profile, in PyTorch's columns and widths."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

COLUMN = 12
GAP = "  "
UNITS = {"s": 1e6, "ms": 1e3, "us": 1.0}
FLOPS = ("FLOPs", "KFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")


def format_time(us: float, unit: str | None = None) -> str:
    """`1.234ms`: in the given unit, or in the largest of s, ms and us that is not below one."""
    if unit not in UNITS:
        unit = "s" if us >= 1e6 else "ms" if us >= 1e3 else "us"
    return f"{us / UNITS[unit]:.3f}{unit}"


def format_memory(nbytes: int) -> str:
    """`1.50 KB`, or `12 B` below 1024."""
    for power, unit in ((30, "GB"), (20, "MB"), (10, "KB")):
        if abs(nbytes) >= 1 << power:
            return f"{nbytes / (1 << power):.2f} {unit}"
    return f"{nbytes} B"


def format_share(us: float, total: float) -> str:
    return f"{us * 100.0 / total:.2f}%" if total else "NaN"


def _width(texts: list[str], limit: int | None) -> int:
    width = max(map(len, texts), default=0) + 4
    return width if limit is None else min(width, limit)


def _tail(path: str, width: int) -> str:
    """The end of a path that is too long for its column: the line's number and the function matter most."""
    return path if len(path) <= width else "..." + path[len(path) - width + 3 :]


def render(
    events: list[Any],
    *,
    row_limit: int,
    max_src_column_width: int | None,
    max_name_column_width: int | None,
    max_shapes_column_width: int | None,
    header: str | None,
    top_level_events_only: bool,
    time_unit: str | None,
    profile_memory: bool,
    with_flops: bool,
) -> str:
    """The events in the order given; see `EventList.table`."""
    if not events:
        return ""
    total = sum(event.self_cpu_time_total for event in events)
    with_shapes = any(event.input_shapes for event in events)
    lines = [line for event in events for line in event.stack]
    operations = [event.flops for event in events if event.flops > 0] if with_flops else []
    scale = min(max(int(math.log10(min(operations)) / 3), 0), len(FLOPS) - 1) if operations else 0

    name_width = _width([event.key for event in events], max_name_column_width)
    shape_width = _width([str(event.input_shapes) for event in events], max_shapes_column_width)
    line_width = _width(lines, max_src_column_width)

    columns = [("Name", name_width)]
    columns += [(title, COLUMN) for title in ("Self CPU %", "Self CPU", "CPU total %", "CPU total", "CPU time avg")]
    if profile_memory:
        columns += [("CPU Mem", COLUMN), ("Self CPU Mem", COLUMN)]
    columns.append(("# of Calls", COLUMN))
    if with_shapes:
        columns.append(("Input Shapes", shape_width))
    source = len(columns) if lines else -1
    if lines:
        columns.append(("Source Location", line_width))
    if operations:
        columns.append((f"Total {FLOPS[scale]}", COLUMN))

    def text(values: list[str]) -> str:
        cells = (
            value.ljust(width) if i == source else value.rjust(width)
            for i, (value, (_, width)) in enumerate(zip(values, columns))
        )
        return "".join(cell + GAP for cell in cells)

    def continued(line: str) -> str:
        return text([_tail(line, line_width) if i == source else "" for i in range(len(columns))])

    rule = "".join("-" * width + GAP for _, width in columns)
    length = len(rule) - len(GAP)
    rows = []
    if header is not None:
        rows += ["=" * length, header]
    if top_level_events_only:
        rows += ["=" * length, "This report only display top-level ops statistics"]
    rows += [rule, text([title for title, _ in columns]), rule]

    shown = [event for event in events if not (top_level_events_only and event.cpu_parent is not None)]
    for event in shown if row_limit < 0 else shown[:row_limit]:
        name = event.key
        if max_name_column_width is not None and len(name) >= max_name_column_width - 3:
            name = name[: max_name_column_width - 3] + "..."
        values = [
            name,
            format_share(event.self_cpu_time_total, total),
            format_time(event.self_cpu_time_total, time_unit),
            format_share(event.cpu_time_total, total),
            format_time(event.cpu_time_total, time_unit),
            format_time(event.cpu_time, time_unit),
        ]
        if profile_memory:
            values += [format_memory(event.cpu_memory_usage), format_memory(event.self_cpu_memory_usage)]
        values.append(str(event.count))
        if with_shapes:
            values.append(str(event.input_shapes)[:shape_width])
        if lines:
            values.append(_tail(event.stack[0], line_width) if event.stack else "")
        if operations:
            values.append(f"{event.flops / 1000**scale:8.3f}" if event.flops > 0 else "--")
        rows.append(text(values))
        if lines:
            rows += [continued(line) for line in event.stack[1:]]
            rows.append(continued(""))

    rows += [rule, f"Self CPU time total: {format_time(total, time_unit)}", ""]
    return "\n".join(rows)
