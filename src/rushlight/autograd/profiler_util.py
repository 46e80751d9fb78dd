"""What a profile consists of: events, their sums by name, and the table that shows them.

Nothing here is loaded before a program asks for a profile, so modules of the standard library are welcome.
"""

from __future__ import annotations

import enum
import json
import os

from ._profiler_table import format_time, render

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["DeviceType", "EventList", "FunctionEvent", "FunctionEventAvg", "Interval", "ProfilerActivity"]

MEMORY_EVENT_NAME = "[memory]"


class DeviceType(enum.Enum):
    """Where an event ran. Only CPU occurs here."""

    CPU = 0
    CUDA = 1
    XPU = 12
    MPS = 13
    HPU = 15
    MTIA = 19
    PrivateUse1 = 20


class ProfilerActivity(enum.Enum):
    """What a program may ask to be recorded. Devices other than the CPU are accepted and contribute nothing."""

    CPU = 0
    XPU = 1
    CUDA = 2
    HPU = 3
    MTIA = 4
    PrivateUse1 = 5


class Interval:
    """From `start` to `end`, in microseconds since the profile began."""

    def __init__(self, start: float, end: float) -> None:
        self.start = start
        self.end = end

    def elapsed_us(self) -> float:
        return self.end - self.start


class _Times:
    """Averages and texts derived from `cpu_time_total`, `self_cpu_time_total` and `count`; no device has any time."""

    count: int
    cpu_time_total: float
    self_cpu_time_total: float
    device_time = device_time_total = self_device_time_total = 0.0
    device_memory_usage = self_device_memory_usage = 0
    device_type = DeviceType.CPU
    use_device: str | None = None
    is_async = is_remote = is_legacy = False
    overload_name = ""

    @property
    def cpu_time(self) -> float:
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        return format_time(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        return format_time(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        return format_time(self.self_cpu_time_total)

    device_time_str = device_time_total_str = self_device_time_total_str = "0.000us"


class FunctionEvent(_Times):
    """One span: an operation, a node of backward, a module's call or a block with a label.

    `scope` tells them apart as PyTorch's RecordScope does: 0 operation, 1 backward node, 7 label or module.
    `sequence_nr` ties a node to the operation that made it; `stack` holds the user's lines, innermost first.
    """

    count = 1
    node_id = -1

    def __init__(self, id: int, name: str, thread: int, start_us: float, end_us: float) -> None:
        self.id = id
        self.name = self.trace_name = name
        self.thread = self.device_resource_id = thread
        self.fwd_thread: int | None = None
        self.time_range = Interval(start_us, end_us)
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []
        self.kernels: list[Any] = []
        self.input_shapes: Any = []
        self.structured_input_shapes: Any = []
        self.stack: list[str] = []
        self.module_hierarchy = ""
        self.scope = 0
        self.sequence_nr = -1
        self.cpu_memory_usage = 0
        self.flops = 0
        self.is_user_annotation = False
        self.tid = thread  # the operating system's number of the thread

    @property
    def key(self) -> str:
        return self.name

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} overload_name={self.overload_name} "
            f"device_type={self.device_type} node_id={self.node_id} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start} end_us={self.time_range.end} "
            f"cpu_children={[child.id for child in self.cpu_children]} {self.use_device}_time={self.device_time_str} "
            f"name={self.name} thread={self.thread} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} {self.use_device}_memory_usage={self.device_memory_usage} "
            f"is_async={self.is_async} is_remote={self.is_remote} seq_nr={self.sequence_nr} is_legacy={self.is_legacy}>"
        )


class FunctionEventAvg(_Times):
    """Sums over the events of one key; `cpu_time` is the average."""

    def __init__(self) -> None:
        self.key: str | None = None
        self.count = 0
        self.node_id = -1
        self.scope = 0
        self.input_shapes: Any = None
        self.stack: list[str] = []
        self.cpu_parent: FunctionEvent | None = None
        self.cpu_children: list[FunctionEvent] = []
        self.is_user_annotation = False
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.cpu_memory_usage = self.self_cpu_memory_usage = 0
        self.flops = 0

    def add(self, other: FunctionEvent | FunctionEventAvg) -> FunctionEventAvg:
        """Takes another event of the same key into the sums; the first one gives the rest."""
        if self.key is None:
            self.key = other.key
            for name in "node_id scope input_shapes stack cpu_parent cpu_children is_user_annotation".split():
                setattr(self, name, getattr(other, name))
        if other.key != self.key:
            raise AssertionError(f"Expected keys to match, but got {other.key} vs {self.key}")
        self.cpu_time_total += other.cpu_time_total
        self.self_cpu_time_total += other.self_cpu_time_total
        self.cpu_memory_usage += other.cpu_memory_usage
        self.self_cpu_memory_usage += other.self_cpu_memory_usage
        self.count += other.count
        self.flops += other.flops
        return self

    __iadd__ = add

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str}  self_cuda_time={self.self_device_time_total_str} "
            f"cuda_time={self.device_time_str} input_shapes={self.input_shapes} "
            f"cpu_memory_usage={self.cpu_memory_usage} cuda_memory_usage={self.device_memory_usage}>"
        )


class EventList(list):
    """Events, or their sums, with the ways to look at them."""

    def __init__(self, events: Iterable[Any] = (), *, profile_memory: bool = False, with_flops: bool = False) -> None:
        super().__init__(events)
        self._profile_memory = profile_memory
        self._with_flops = with_flops

    def __str__(self) -> str:
        return self.table()

    @property
    def self_cpu_time_total(self) -> float:
        return sum(event.self_cpu_time_total for event in self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int | None = 75,
        max_name_column_width: int | None = 55,
        max_shapes_column_width: int | None = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events as text, one a line, in PyTorch's columns.

        `sort_by` names an attribute, largest first (`self_cpu_time_total`, `cpu_memory_usage`, `count`, ...);
        `row_limit=-1` prints all; `time_unit` is `"s"`, `"ms"` or `"us"` instead of what suits each figure.
        """
        events = list(self)
        if sort_by is not None:
            for device in ("cuda", "xpu", "privateuse1"):
                sort_by = sort_by.replace(device, "device")
            events.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        return render(
            events,
            row_limit=row_limit,
            max_src_column_width=max_src_column_width,
            max_name_column_width=max_name_column_width,
            max_shapes_column_width=max_shapes_column_width,
            header=header,
            top_level_events_only=top_level_events_only,
            time_unit=time_unit,
            profile_memory=self._profile_memory,
            with_flops=self._with_flops,
        )

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """Sums of the events of each name; also of each tuple of input shapes, or of the innermost lines."""
        sums: dict[tuple[str, ...], FunctionEventAvg] = {}
        for event in self:
            key = event.key, *event.stack[:group_by_stack_n], *([str(event.input_shapes)] * group_by_input_shapes)
            if key not in sums:
                sums[key] = FunctionEventAvg()
            sums[key].add(event)
        for total in sums.values():
            total.stack = total.stack[:group_by_stack_n]
            if not group_by_input_shapes:
                total.input_shapes = ""
        return EventList(sums.values(), profile_memory=self._profile_memory, with_flops=self._with_flops)

    def total_average(self) -> FunctionEventAvg:
        """One sum over all events, whatever their names."""
        total = FunctionEventAvg()
        for event in self:
            total.key = event.key if total.count else None
            total.add(event)
        total.key = "Total"
        return total

    def export_chrome_trace(self, path: str) -> None:
        """Writes the events for chrome://tracing and Perfetto; see `chrome_trace`."""
        with open(path, "w") as file:
            json.dump(chrome_trace(self), file)

    def supported_export_stacks_metrics(self) -> list[str]:
        return [f"self_{device}_time_total" for device in ("cpu", "cuda", "xpu", "privateuse1")]

    def export_stacks(self, path: str, metric: str) -> None:
        """Writes a line `outermost;...;innermost microseconds` for each event with a stack: FlameGraph's input."""
        if metric not in self.supported_export_stacks_metrics():
            raise ValueError("metric should be one of: " + str(self.supported_export_stacks_metrics()))
        for device in ("cuda", "xpu", "privateuse1"):
            metric = metric.replace(device, "device")
        forbidden = str.maketrans(" ;\t\n", "____")
        with open(path, "w") as file:
            for event in self:
                value = int(getattr(event, metric))
                if event.stack and value > 0:
                    file.write(";".join(line.translate(forbidden) for line in reversed(event.stack)) + f" {value}\n")


def chrome_trace(events: Iterable[FunctionEvent], base_us: float = 0.0, **header: Any) -> dict[str, Any]:
    """The events in Google's Trace Event Format, times from `base_us` on; `header` is added to the top level.

    A flow arrow leads from each operation to the node of backward that it left behind.

    Source: "Trace Event Format" (Google, 2016).
    """
    pid = os.getpid()
    rows: list[dict[str, Any]] = [_metadata("process_name", pid, 0, "python")]
    threads: set[int] = set()
    forward: dict[int, FunctionEvent] = {}
    for event in events:
        if event.tid not in threads:
            threads.add(event.tid)
            rows.append(_metadata("thread_name", pid, event.tid, f"thread {event.tid} (python)"))
        start = base_us + event.time_range.start
        place = {"pid": pid, "tid": event.tid, "ts": start}
        details: dict[str, Any] = {"Ev Idx": event.id}
        if event.sequence_nr >= 0:
            details["Sequence number"] = event.sequence_nr
        if event.input_shapes:
            details["Input Dims"] = event.structured_input_shapes
        if event.stack:
            details["Call stack"] = ";".join(event.stack)
        if event.module_hierarchy:
            details["Module Hierarchy"] = event.module_hierarchy
        if event.flops:
            details["flops"] = event.flops
        if event.name == MEMORY_EVENT_NAME:
            details["Bytes"] = event.cpu_memory_usage
            rows.append({"ph": "i", "cat": "cpu_instant_event", "name": event.name, "s": "t", "args": details, **place})
            continue
        category = (
            "user_annotation" if event.is_user_annotation else "python_function" if event.scope == 7 else "cpu_op"
        )
        duration = event.time_range.elapsed_us()
        rows.append({"ph": "X", "cat": category, "name": event.name, "dur": duration, "args": details, **place})
        if event.sequence_nr < 0:
            continue
        flow = {"cat": "fwdbwd", "name": "fwdbwd", "id": event.sequence_nr, **place}
        if event.scope == 0 and not event.name.startswith("autograd::"):
            forward[event.sequence_nr] = event
        elif event.scope == 1 and event.sequence_nr in forward:
            source = forward.pop(event.sequence_nr)
            rows.append({**flow, "ph": "s", "tid": source.tid, "ts": base_us + source.time_range.start})
            rows.append({**flow, "ph": "f", "bp": "e"})
    return {"schemaVersion": 1, **header, "displayTimeUnit": "ms", "traceEvents": rows}


def _metadata(name: str, pid: int, tid: int, value: str) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": pid, "tid": tid, "ts": 0, "args": {"name": value}}
