"""`profile`: a recording that follows a schedule of steps."""

from __future__ import annotations

from ..autograd import profiler as _recording
from ..autograd.profiler_util import EventList, ProfilerActivity
from ._schedule import ProfilerAction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

_RECORDING = (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
_warned_of_cycles = False


def supported_activities() -> set[ProfilerActivity]:
    """What can be recorded here: the CPU."""
    return {ProfilerActivity.CPU}


def _parse(activities: Iterable[Any] | None) -> set[ProfilerActivity]:
    if activities is None:
        return supported_activities()
    found: set[ProfilerActivity] = set()
    for item in activities:
        if not isinstance(item, (ProfilerActivity, dict)):
            raise TypeError(f"Expected ProfilerActivity or dict, got {type(item)}")
        for activity in item if isinstance(item, dict) else (item,):
            if activity in found:
                raise ValueError(f"Activity {activity} specified more than once")
            found.add(activity)
    if not found:
        raise AssertionError("No valid profiler activities found")
    return found


def _always(step: int) -> ProfilerAction:
    return ProfilerAction.RECORD


class profile:
    """Records what runs inside the block, or between `start()` and `stop()`.

    `activities` may name devices that are not here, which then contribute nothing. With a `schedule`, `step()` ends
    each step, and `on_trace_ready(profiler)` is called at the end of each cycle; without one, when recording stops.
    `record_shapes` notes the shapes of inputs, `profile_memory` shows bytes allocated less bytes freed, `with_stack`
    the user's lines, `with_flops` the work of products and convolutions, `with_modules` the layers that were called.

    Differs from PyTorch: all threads are recorded, profiles may be nested, and what an operation does inside (`addmm`
    within `linear`) is part of it. `with_modules` works for ordinary modules.

    >>> import rushlight as torch
    >>> with torch.profiler.profile(record_shapes=True) as prof:
    ...     _ = torch.mm(torch.ones(2, 3), torch.ones(3, 4))
    >>> [row.input_shapes for row in prof.key_averages(group_by_input_shape=True) if row.key == "aten::mm"]
    [[[2, 3], [3, 4]]]
    """

    def __init__(
        self,
        *,
        activities: Iterable[Any] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        experimental_config: object = None,
        execution_trace_observer: object = None,
        acc_events: bool = False,
        use_cuda: bool | None = None,
        custom_trace_id_callback: Callable[[], str] | None = None,
        post_processing_timeout_s: float | None = None,
    ) -> None:
        if use_cuda is not None:
            import warnings

            warnings.warn("`use_cuda` is deprecated, use `activities` argument instead", FutureWarning, stacklevel=2)
        self.activities = _parse(activities)
        self.record_shapes = record_shapes
        self.profile_memory = profile_memory
        self.with_stack = with_stack
        self.with_flops = with_flops
        self.with_modules = with_modules
        self.acc_events = acc_events
        self.custom_trace_id_callback = custom_trace_id_callback
        self.schedule = schedule or _always
        self.record_steps = schedule is not None
        self.on_trace_ready = on_trace_ready
        self.step_num = 0
        self.current_action = self.schedule(0)
        self.profiler: _recording.profile | None = None
        self._step_span: _recording.record_function | None = None
        self._metadata: dict[str, Any] = {}

    # ------------------------------------------------------------ running

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(self) -> None:
        self._move(ProfilerAction.NONE, self.current_action)
        self._begin_step()

    def stop(self) -> None:
        self._end_step()
        self._move(self.current_action, None)

    def step(self) -> None:
        """The next step of the program begins."""
        self._end_step()
        before, self.step_num = self.current_action, self.step_num + 1
        self.current_action = self.schedule(self.step_num)
        self._move(before, self.current_action)
        self._begin_step()

    def _begin_step(self) -> None:
        if self.record_steps:
            self._step_span = _recording.record_function(f"ProfilerStep#{self.step_num}")
            self._step_span.__enter__()

    def _end_step(self) -> None:
        if self._step_span is not None:
            self._step_span.__exit__(None, None, None)
            self._step_span = None

    def _move(self, before: ProfilerAction, after: ProfilerAction | None) -> None:
        """Starts and stops recording between two steps; `after` is None at the end of all."""
        save = before is ProfilerAction.RECORD_AND_SAVE or (before is ProfilerAction.RECORD and after is None)
        goes_on = before is ProfilerAction.RECORD and after in _RECORDING
        unfinished = before is ProfilerAction.RECORD and not goes_on and not save
        if unfinished or (before is ProfilerAction.WARMUP and after is ProfilerAction.NONE):
            import warnings

            warnings.warn(f"Incorrect schedule: {before.name} followed by {after.name}", stacklevel=4)  # type: ignore[union-attr]
        if before in _RECORDING and not goes_on:
            self.stop_trace()
        if save and self.on_trace_ready is not None:
            self.on_trace_ready(self)
        if after in _RECORDING and not goes_on:
            self.prepare_trace()
            self.start_trace()

    def prepare_trace(self) -> None:
        """Makes the recording of the next cycle; with `acc_events`, the earlier one goes on."""
        global _warned_of_cycles
        if self.profiler is not None and self.acc_events:
            return
        if self.profiler is not None and not _warned_of_cycles:
            import warnings

            _warned_of_cycles = True
            warnings.warn(
                "Warning: Profiler clears events at the end of each cycle. "
                "Only events from the current cycle will be reported. "
                "To keep events across cycles, set acc_events=True.",
                stacklevel=5,
            )
        self.profiler = _recording.profile(
            use_cpu=ProfilerActivity.CPU in self.activities,
            record_shapes=self.record_shapes,
            with_flops=self.with_flops,
            profile_memory=self.profile_memory,
            with_stack=self.with_stack,
            with_modules=self.with_modules,
            acc_events=self.acc_events,
            custom_trace_id_callback=self.custom_trace_id_callback,
        )

    def start_trace(self) -> None:
        self._ready("starting trace").__enter__()

    def stop_trace(self) -> None:
        self._ready("stopping trace").__exit__(None, None, None)

    def _ready(self, purpose: str) -> _recording.profile:
        if self.profiler is None:
            raise AssertionError(f"Profiler must be initialized before {purpose}")
        return self.profiler

    # ------------------------------------------------------------ results

    def events(self) -> EventList:
        """Every event of the last cycle, in the order in which they began."""
        return self._ready("accessing events").function_events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """Sums by name; also by input shapes, or by the `group_by_stack_n` innermost lines. See `EventList.table`."""
        return self._ready("getting key averages").key_averages(
            group_by_input_shape, group_by_stack_n, group_by_overload_name
        )

    def export_chrome_trace(self, path: str, use_python_export: bool = False) -> None:
        """Writes the last cycle for chrome://tracing or Perfetto; `.gz` compresses."""
        self._ready("exporting chrome trace").export_chrome_trace(path, self._metadata)

    def export_stacks(self, path: str, metric: str = "self_cpu_time_total") -> None:
        """Writes stacks with a metric in FlameGraph's input format; needs `with_stack=True`."""
        self._ready("exporting stacks").export_stacks(path, metric)

    def add_metadata(self, key: str, value: str) -> None:
        """Adds a text to the trace."""
        self._metadata[key] = value

    def add_metadata_json(self, key: str, value: str) -> None:
        """Adds a value, given as JSON, to the trace."""
        import json

        self._metadata[key] = json.loads(value)

    preset_metadata_json = add_metadata_json

    def toggle_collection_dynamic(self, enable: bool, activities: Iterable[ProfilerActivity]) -> None:
        """Switches recording off and on again within a cycle."""
        recording = self.profiler
        if recording is None or ProfilerActivity.CPU not in activities or recording.entered == enable:
            return
        if enable:
            recording._start(keep=True)
        else:
            recording.__exit__()

    def get_trace_id(self) -> str | None:
        """The identifier of the trace: the callback's, or a random one."""
        return None if self.profiler is None else self.profiler.trace_id
