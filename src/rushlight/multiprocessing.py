"""`torch.multiprocessing`: Python's multiprocessing, plus `spawn`.

It differs from PyTorch in what a queue carries: tensors are copied to the other process rather than shared.
"""

from __future__ import annotations

from multiprocessing import *  # noqa: F403
from multiprocessing import Process, __all__ as _names, get_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = [*_names, "set_sharing_strategy", "get_sharing_strategy", "get_all_sharing_strategies", "spawn"]

_strategy = "file_descriptor"


def get_all_sharing_strategies() -> set[str]:
    """The names that `set_sharing_strategy` takes."""
    return {"file_descriptor", "file_system"}


def get_sharing_strategy() -> str:
    """What was set last; tensors are copied in any case."""
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Keeps the name."""
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        raise AssertionError(f"invalid sharing strategy: {new_strategy}")
    _strategy = new_strategy


class ProcessException(Exception):
    """A process of `spawn` has failed."""

    def __init__(self, msg: str, error_index: int, pid: int | None) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.pid = pid


class ProcessRaisedException(ProcessException):
    """It raised; the message has its traceback."""


class ProcessExitedException(ProcessException):
    """It ended with another exit code than 0."""

    def __init__(self, msg: str, error_index: int, error_pid: int | None, exit_code: int) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code


def _run(fn: Callable, i: int, args: tuple, errors: Any) -> None:
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        import sys
        from traceback import format_exc

        errors.put(format_exc())
        sys.exit(1)


class SpawnContext:
    """The processes that `spawn(join=False)` started."""

    def __init__(self, processes: list[Process], errors: list[Any]) -> None:
        self.processes = processes
        self._errors = errors

    def pids(self) -> list[int | None]:
        """Their ids."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None) -> bool:
        """Waits for one of them; True when all have ended well. A failure ends the others and raises."""
        from multiprocessing.connection import wait

        wait([process.sentinel for process in self.processes if process.is_alive()], timeout)
        for i, process in enumerate(self.processes):
            if process.exitcode:
                self._fail(i, process)
        return not any([process.is_alive() for process in self.processes])

    def _fail(self, i: int, failed: Process) -> None:
        for process in self.processes:
            if process.is_alive():
                process.terminate()
            process.join()
        code = failed.exitcode or 0
        if not self._errors[i].empty():
            report = f"\n\n-- Process {i} terminated with the following error:\n{self._errors[i].get()}"
            raise ProcessRaisedException(report, i, failed.pid)
        how = f"exit code {code}" if code > 0 else f"signal {-code}"
        raise ProcessExitedException(f"process {i} terminated with {how}", i, failed.pid, code)


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> SpawnContext | None:
    """Runs `fn(i, *args)` in `nprocs` new processes."""
    context: Any = get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        queue = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, i, args, queue), daemon=daemon)
        process.start()
        processes.append(process)
        errors.append(queue)
    started = SpawnContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> SpawnContext | None:
    """Runs `fn(i, *args)` in `nprocs` fresh interpreters and waits for them unless join=False.

    Raises ProcessRaisedException, with the traceback, when one of them raises, and ends the others.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)
