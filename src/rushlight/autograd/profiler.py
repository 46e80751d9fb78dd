"""Recording what runs: the context manager behind `rushlight.profiler`, and labels for one's own code.

While nothing records, a label costs one native call and operations cost nothing (`_core/profile.c` says how).
"""

from __future__ import annotations

import os
import sys

from .. import _C
from . import _profiler_flops as flops, profiler_util
from .profiler_util import EventList, FunctionEvent, chrome_trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

__all__ = ["EventList", "FunctionEvent", "emit_itt", "emit_nvtx", "profile", "record_function"]

# As in _core/profile.c.
_WITH_SHAPES, _WITH_STACK, _WITH_MODULES = 1, 2, 4
_OPERATION, _EVALUATE, _NODE, _LABEL, _MODULE, _MEMORY = range(6)
_SCOPES = {_OPERATION: 0, _EVALUATE: 0, _NODE: 1, _LABEL: 7, _MODULE: 7, _MEMORY: 0}

# Operations of PyTorch's that begin with an underscore; ours alone go under our own name.
_SHARED = frozenset("_fft_c2c _fft_c2r _fft_r2c _sample_dirichlet _standard_gamma _unique2".split())

_enter, _leave = _C._profile_enter, _C._profile_leave


class record_function:
    """Shows a block, or each call of a decorated function, under a name in the profile.

    >>> import rushlight as torch
    >>> with torch.profiler.profile() as prof:
    ...     with torch.profiler.record_function("loss"):
    ...         _ = torch.ones(3).sum()
    >>> [event.name for event in prof.events() if event.cpu_parent is None]
    ['loss']
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name = name
        self.args = args
        self._handles: list[int] = []

    def __enter__(self) -> record_function:
        self._handles.append(_enter(self.name))
        return self

    def __exit__(self, *exception: object) -> None:
        _leave(self._handles.pop())

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _labelled(function, lambda *args: self.name)


def _labelled(function: Callable[..., Any], label: Callable[..., str]) -> Callable[..., Any]:
    """`function` with a span around each call, which `label` names by the first argument."""
    from functools import wraps

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        handle = _enter(label(*args[:1]))
        try:
            return function(*args, **kwargs)
        finally:
            _leave(handle)

    return wrapped


# ---------------------------------------------------------------- optimizers and loaders


class _PythonSpans:
    """Spans around steps of optimizers and batches of loaders: methods exchanged while anything records."""

    def __init__(self) -> None:
        self.active = 0
        self.exchanged: list[tuple[type, str, Any, Any]] = []

    def start(self) -> None:
        self.active += 1
        if self.active > 1:
            return
        import rushlight

        torch: Any = rushlight  # its parts are imported when they are named
        optimizer = torch.optim.Optimizer
        self._label(optimizer, "zero_grad", lambda self: f"Optimizer.zero_grad#{type(self).__name__}.zero_grad")
        waiting = [optimizer]
        while waiting:
            cls = waiting.pop()
            waiting += cls.__subclasses__()
            if "_in_use" in vars(cls):
                self._label_step(cls)
        initialise = optimizer.__init__

        def __init__(instance: Any, *args: Any, **kwargs: Any) -> None:
            initialise(instance, *args, **kwargs)
            self._label_step(type(instance))

        self._exchange(optimizer, "__init__", __init__)
        batches = torch.utils.data.dataloader._BaseDataLoaderIter
        self._label(batches, "__next__", lambda self: f"enumerate(DataLoader)#{type(self).__name__}.__next__")

    def stop(self) -> None:
        self.active -= 1
        if self.active:
            return
        for cls, name, before, ours in reversed(self.exchanged):
            if vars(cls).get(name) is not ours:
                continue  # somebody wrapped it once more, as registering a hook does: then it stays, and costs little
            if before is None:
                delattr(cls, name)
            else:
                setattr(cls, name, before)
        self.exchanged.clear()

    def _label_step(self, cls: type) -> None:
        if not any(known is cls and name == "step" for known, name, _, _ in self.exchanged):
            self._label(cls, "step", lambda self: f"Optimizer.step#{type(self).__name__}.step")

    def _label(self, cls: type, name: str, label: Callable[..., str]) -> None:
        self._exchange(cls, name, _labelled(getattr(cls, name), label))

    def _exchange(self, cls: type, name: str, ours: Any) -> None:
        self.exchanged.append((cls, name, vars(cls).get(name), ours))
        setattr(cls, name, ours)


_python_spans = _PythonSpans()


# ---------------------------------------------------------------- from spans to events


class _Lines:
    """Frames as `file.py(12): function`, without those of rushlight itself: the first one is the user's line."""

    def __init__(self) -> None:
        self.ours = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
        folders = {os.path.abspath(folder) + os.sep for folder in sys.path}
        self.folders = sorted(folders, key=len, reverse=True)
        self.files: dict[str, str | None] = {}

    def name(self, file: str) -> str | None:
        if file not in self.files:
            path = os.path.abspath(file) if os.path.exists(file) else file
            folder = next((folder for folder in self.folders if path.startswith(folder)), "")
            self.files[file] = None if path.startswith(self.ours) else path[len(folder) :]
        return self.files[file]

    def __call__(self, frames: list[tuple[CodeType, int]] | None) -> list[str]:
        named = ((self.name(code.co_filename), line, code.co_name) for code, line in frames or ())
        return [f"{file}({line}): {function}" for file, line, function in named if file is not None]


class _ModuleNames:
    """`nn.Module: Linear_0`: numbered within each class in the order of their first calls."""

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.counts: dict[str, int] = {}

    def __call__(self, module: Any) -> str:
        if id(module) not in self.names:
            cls = type(module).__name__
            number = self.counts[cls] = self.counts.get(cls, -1) + 1
            self.names[id(module)] = f"nn.Module: {cls}_{number}"
        return self.names[id(module)]


def _lists(shape: Any) -> Any:
    return [_lists(size) for size in shape] if isinstance(shape, tuple) else shape


def _name(kind: int, name: Any, module_name: _ModuleNames) -> str:
    if kind == _OPERATION:
        return ("rushlight::" if name[0] == "_" and name not in _SHARED else "aten::") + name
    if kind == _MODULE:
        return module_name(name)
    if kind == _MEMORY:
        return profiler_util.MEMORY_EVENT_NAME
    if name == "AccumulateGrad":
        name = "torch::autograd::AccumulateGrad"
    return "autograd::engine::evaluate_function: " + name if kind == _EVALUATE else name


def _events(rows: list[tuple], origin: int, wants: profile) -> list[FunctionEvent]:
    """The events of `_C._profile_stop`'s rows, in the order in which they began; `origin` is the time zero in ns.

    Rows may hold more than is wanted here, for another recording that goes on at the same time.
    """
    lines, module_name = _Lines(), _ModuleNames()
    threads: dict[int, int] = {}
    made: list[FunctionEvent] = []
    standing: list[FunctionEvent | None] = []  # for each row: its event, or who has its children instead
    children = [0] * len(rows)
    for row in rows:
        if row[5] >= 0:
            children[row[5]] += 1
    forward: dict[int, FunctionEvent] = {}
    for i, (name, kind, tid, start, end, parent, nbytes, sequence, inputs, results, frames) in enumerate(rows):
        above = standing[parent] if parent >= 0 else None
        name = _name(kind, name, module_name)
        # One call that comes by twice, as those of tensor subclasses do, counts once.
        again = above is not None and above.name == name and children[parent] == 1
        if again:
            children[parent] = children[i]
        if again or (kind == _MODULE and not wants.with_modules) or (kind == _MEMORY and not wants.profile_memory):
            standing.append(above)
            continue
        thread = threads.setdefault(tid, len(threads) + 1)
        event = FunctionEvent(
            len(wants._earlier) + len(made), name, thread, (start - origin) / 1e3, (end - origin) / 1e3
        )
        standing.append(event)
        made.append(event)
        event.tid = tid
        event.scope = _SCOPES[kind]
        event.is_user_annotation = kind == _LABEL
        event.cpu_memory_usage = nbytes
        event.sequence_nr = sequence or -1
        event.cpu_parent = above
        if above is not None:
            above.cpu_children.append(event)
            event.module_hierarchy = above.module_hierarchy
        if kind == _MODULE:
            event.module_hierarchy = ".".join(filter(None, (event.module_hierarchy, name.removeprefix("nn.Module: "))))
        if wants.with_stack:
            event.stack = lines(frames)
        if wants.with_flops:
            event.flops = flops.count(name, kind == _NODE, inputs, results)
        if wants.record_shapes and inputs is not None:
            shapes = event.structured_input_shapes = _lists(inputs)
            event.input_shapes = [[] if shape and isinstance(shape[0], list) else shape for shape in shapes]
        if kind == _OPERATION and sequence:
            forward.setdefault(sequence, event)
        elif kind in (_EVALUATE, _NODE) and sequence in forward:
            event.fwd_thread = forward[sequence].thread
            event.stack = forward[sequence].stack
    return made


# ---------------------------------------------------------------- the recording


class profile:
    """Records what runs inside the block; `rushlight.profiler.profile` adds schedules and traces to it.

    `record_shapes`, `with_stack`, `with_flops` and `with_modules` note more about each event, and cost time while
    they do. All threads are recorded (PyTorch: the one that started). Recordings may be nested.

    >>> import rushlight as torch
    >>> w = torch.ones(2, requires_grad=True)
    >>> with torch.autograd.profiler.profile() as prof:
    ...     (w * 3).sum().backward()
    >>> [event.name for event in prof.function_events if event.scope == 1][:2]
    ['SumBackward0', 'MulBackward0']
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        use_kineto: bool = True,
        use_cpu: bool = True,
        experimental_config: object = None,
        acc_events: bool = False,
        custom_trace_id_callback: Callable[[], str] | None = None,
    ) -> None:
        self.enabled = enabled and use_cpu
        self.record_shapes = record_shapes
        self.with_flops = with_flops
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_modules = with_modules
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.entered = False
        self._origin = 0
        self._trace_id: str | None = None
        self._earlier: list[FunctionEvent] = []
        self._rows: list[tuple] | None = None
        self._list: EventList | None = None

    def __enter__(self) -> profile:
        if not self.enabled:
            return self
        if self.entered:
            raise RuntimeError("Profiler context manager is not reentrant")
        self._start(keep=self.acc_events)
        return self

    def _start(self, keep: bool) -> None:
        """Begins to record; with `keep`, after the events that there are."""
        keep = keep and self._rows is not None
        self._earlier = list(self.function_events) if keep else []
        asked = ((self.record_shapes or self.with_flops, _WITH_SHAPES), (self.with_stack, _WITH_STACK))
        flags = sum(flag for wanted, flag in (*asked, (self.with_modules, _WITH_MODULES)) if wanted)
        _python_spans.start()
        time, self._first = _C._profile_start(flags)
        if not keep:
            self._origin = time
        self.entered = True

    def __exit__(self, *exception: object) -> None:
        if not self.entered:
            return
        self.entered = False
        self._rows = _C._profile_stop(self._first)
        self._list = None
        _python_spans.stop()

    @property
    def function_events(self) -> EventList:
        """The events, made when they are first asked for."""
        if self._rows is None and self.enabled:
            raise RuntimeError("Profiler didn't finish running")
        if self._list is None:
            events = [*self._earlier, *_events(self._rows or [], self._origin, self)]
            self._list = EventList(events, profile_memory=self.profile_memory, with_flops=self.with_flops)
        return self._list

    @property
    def trace_id(self) -> str:
        """The callback's name for this recording, or a random one."""
        if self._trace_id is None:
            from uuid import uuid4

            self._trace_id = (self.custom_trace_id_callback or (lambda: uuid4().hex.upper()))()
        return self._trace_id

    def __str__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._rows is None else str(self.function_events)

    def __repr__(self) -> str:
        return "<unfinished torch.autograd.profile>" if self._rows is None else repr(self.function_events)

    @property
    def self_cpu_time_total(self) -> float:
        return self.function_events.self_cpu_time_total

    def table(self, *args: Any, **kwargs: Any) -> str:
        """As `EventList.table`, one line an event."""
        return self.function_events.table(*args, **kwargs)

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """As `EventList.key_averages`."""
        return self.function_events.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def total_average(self) -> profiler_util.FunctionEventAvg:
        """As `EventList.total_average`."""
        return self.function_events.total_average()

    def export_chrome_trace(self, path: str, metadata: dict[str, Any] | None = None) -> None:
        """Writes the events for chrome://tracing and Perfetto; a path that ends in `.gz` is compressed."""
        import gzip
        import json
        from time import monotonic_ns, time_ns

        options = "record_shapes profile_memory with_stack with_flops with_modules".split()
        header = {option: 1 for option in options if getattr(self, option)}
        header["baseTimeNanoseconds"] = time_ns() - monotonic_ns()
        trace = chrome_trace(self.function_events, self._origin / 1e3, **header, **(metadata or {}))
        with gzip.open(path, "wt") if path.endswith(".gz") else open(path, "w") as file:
            json.dump(trace, file)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """As `EventList.export_stacks`; needs `with_stack=True`."""
        if not self.with_stack:
            raise AssertionError("export_stacks() requires with_stack=True")
        self.function_events.export_stacks(path, metric)


# ---------------------------------------------------------------- tools that are not here


class emit_itt:
    """Annotations for Intel's VTune: accepted, without effect."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        pass

    def __enter__(self) -> emit_itt:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class emit_nvtx:
    """Annotations for NVIDIA's tools: as in a PyTorch without CUDA, entering raises AssertionError."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled = enabled

    def __enter__(self) -> emit_nvtx:
        if self.enabled:
            raise AssertionError("Torch not compiled with CUDA enabled")
        return self

    def __exit__(self, *exception: object) -> None:
        pass
