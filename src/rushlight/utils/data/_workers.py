"""The loader's side of worker processes: handing out tasks, putting batches back in order, shutting down.

Each worker has its own queue of tasks; all share one queue of results. At most `prefetch_factor` tasks per
worker are under way. Tasks go round the workers in turn and batches come back in the order of the tasks
(`in_order`), so that what a program sees does not depend on which worker is faster.
"""

from __future__ import annotations

import os
import pickle
import queue
import sys
from itertools import cycle
from warnings import warn

from rushlight.utils.data._utils import worker as _worker
from rushlight.utils.data._utils.worker import MP_STATUS_CHECK_INTERVAL, ExceptionWrapper, Resume, StreamEnded
from rushlight.utils.data.dataloader import DataLoader, _BaseDataLoaderIter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """One pass over the loader with workers; with `persistent_workers`, all of its passes in turn."""

    _shutdown = True  # until there is something to shut down

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        import multiprocessing

        context = loader.multiprocessing_context or multiprocessing
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        if self._prefetch_factor <= 0:
            raise AssertionError("prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter")
        _worker.register_reductions()
        self._result_queue = context.Queue()
        self._done_event = context.Event()
        self._index_queues: list[Any] = []
        self._workers: list[Any] = []
        self._alive: list[bool] = []
        self._shutdown = False
        self._pid = os.getpid()
        for i in range(self._num_workers):
            index_queue = context.Queue()
            index_queue.cancel_join_thread()
            process = context.Process(
                target=_worker._worker_loop,
                args=(
                    self._dataset_kind,
                    self._dataset,
                    index_queue,
                    self._result_queue,
                    self._done_event,
                    self._auto_collation,
                    self._collate_fn,
                    self._drop_last,
                    self._base_seed,
                    loader.worker_init_fn,
                    i,
                    self._num_workers,
                ),
                daemon=True,
            )
            try:
                process.start()
            except (TypeError, AttributeError, pickle.PicklingError):
                warn(
                    "Got pickle error when attempting to start a worker Process. "
                    "This might be because the worker Process arguments are not picklable. "
                    "Python 3.14+ changed the multiprocessing start method in non-Mac POSIX platforms "
                    "to 'forkserver', which requires the worker Process arguments to be picklable. "
                    "You can also try multiprocessing.set_start_method('fork').",
                    stacklevel=2,
                )
                raise
            self._index_queues.append(index_queue)
            self._workers.append(process)
            self._alive.append(True)
        self._reset(loader, first_iter=True)

    def _reset(self, loader: DataLoader, first_iter: bool = False) -> None:
        if not first_iter:
            super()._reset(loader)
            for index_queue in self._index_queues:
                index_queue.put(Resume())
            ready = 0
            while ready < self._num_workers:  # batches of an abandoned pass are read and dropped
                task, _ = self._receive()
                ready += isinstance(task, Resume)
        self._sent = 0  # number of the next task to hand out
        self._next = 0  # number of the next batch to yield
        self._owner: dict[int, int] = {}  # task under way -> worker
        self._early: dict[int, tuple[int, Any]] = {}  # task -> (worker, batch) that came before its turn
        self._active = [True] * self._num_workers
        self._load = [0] * self._num_workers
        self._turns = cycle(range(self._num_workers))
        for _ in range(self._prefetch_factor * self._num_workers):
            self._hand_out()

    def _hand_out(self) -> None:
        try:
            indices = self._next_index()
        except StopIteration:
            return
        fair_share = self._prefetch_factor * self._num_workers // max(sum(self._active), 1)
        for _ in range(self._num_workers):
            i = next(self._turns)
            if self._active[i] and (self._in_order or self._load[i] < fair_share):
                break
        else:
            return
        self._index_queues[i].put((self._sent, indices))
        self._owner[self._sent] = i
        self._load[i] += 1
        self._sent += 1

    def _next_data(self) -> Any:
        while True:
            # Tasks of a worker whose stream has ended are never answered.
            while self._next < self._sent and not self._expects(self._next):
                self._owner.pop(self._next, None)
                self._next += 1
            if self._next == self._sent:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            if self._next in self._early:
                i, data = self._early.pop(self._next)
                self._next += 1
                return self._deliver(i, data)
            task, data = self._receive()
            i = self._owner.pop(task)
            if isinstance(data, StreamEnded):
                self._load[i] -= 1
                self._active[i] = False
                if not self._persistent_workers:
                    self._dismiss(i)
                self._hand_out()
            elif task == self._next:
                self._next += 1
                return self._deliver(i, data)
            elif self._in_order:
                self._early[task] = (i, data)
            else:
                return self._deliver(i, data)

    def _expects(self, task: int) -> bool:
        return task in self._early or (task in self._owner and self._active[self._owner[task]])

    def _deliver(self, i: int, data: Any) -> Any:
        self._load[i] -= 1
        self._hand_out()
        if isinstance(data, ExceptionWrapper):
            data.reraise()
        return data

    def _receive(self) -> tuple[Any, Any]:
        waited = 0.0
        while True:
            step = min(MP_STATUS_CHECK_INTERVAL, self._timeout - waited) if self._timeout else MP_STATUS_CHECK_INTERVAL
            try:
                return pickle.loads(self._result_queue.get(timeout=step))
            except queue.Empty:
                self._raise_for_dead_workers()
            waited += step
            if self._timeout and waited >= self._timeout:
                raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds")

    def _raise_for_dead_workers(self) -> None:
        dead = [w for w, alive in zip(self._workers, self._alive) if alive and not w.is_alive()]
        if not dead:
            return
        pids = ", ".join([str(w.pid) for w in dead])
        cause = None
        if (dead[0].exitcode or 0) < 0:
            from signal import strsignal

            name = strsignal(-dead[0].exitcode)
            cause = RuntimeError(f"DataLoader worker (pid {dead[0].pid}) is killed by signal: {name}. ")
        self._shutdown_workers()
        raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from cause

    def _dismiss(self, i: int) -> None:
        self._index_queues[i].put(None)
        self._alive[i] = False

    def _shutdown_workers(self) -> None:
        if self._shutdown:
            return
        self._shutdown = True
        try:
            self._done_event.set()
            for i, alive in enumerate(self._alive):
                if alive:
                    self._dismiss(i)
            for process in self._workers:
                process.join(timeout=5 * MP_STATUS_CHECK_INTERVAL)
            for index_queue in self._index_queues:
                index_queue.close()
        finally:
            for process in self._workers:
                if process.is_alive():
                    process.terminate()
                    process.join(timeout=MP_STATUS_CHECK_INTERVAL)

    def __del__(self) -> None:
        # A forked process holds a copy of this iterator, and must not end workers that are not its own.
        # At interpreter exit the workers, being daemons, are ended by multiprocessing itself.
        if not self._shutdown and not sys.is_finalizing() and self._pid == os.getpid():
            self._shutdown_workers()
