"""What runs inside a worker process, and how batches travel out of it."""

from __future__ import annotations

import os
import queue
import random
import sys
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# How often either side looks whether the other is still alive, in seconds.
MP_STATUS_CHECK_INTERVAL = 1.0

_worker_info: WorkerInfo | None = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What a worker knows about itself; `dataset` is this process's own copy."""

    id: int
    num_workers: int
    seed: int
    dataset: Any
    rng: Any = None
    worker_method: str | None = "multiprocessing"


def get_worker_info() -> WorkerInfo | None:
    return _worker_info


@dataclass(frozen=True)
class StreamEnded:
    """Sent in place of a batch: the worker's part of an iterable dataset is exhausted."""

    worker_id: int


class Resume:
    """Sent to persistent workers at the start of another pass, and sent back when they are ready."""


class KeyErrorMessage(str):
    """`KeyError` shows the repr of its argument, which would put a traceback on one line."""

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The exception being handled, in a form that survives the way to another process."""

    def __init__(self, where: str) -> None:
        from traceback import format_exc

        # The exception itself stays behind: it may not be picklable and holds on to its frames.
        self.exc_type = sys.exc_info()[0]
        self.exc_msg = format_exc()
        self.where = where

    def reraise(self) -> None:
        """Raises an exception of the same type whose message shows the original traceback."""
        message: str = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            message = KeyErrorMessage(message)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=message)  # type: ignore[call-arg]
        try:
            exception = self.exc_type(message)
        except Exception:  # its constructor wants other arguments than one message
            raise RuntimeError(message) from None
        try:
            raise exception
        finally:
            # The traceback holds this frame: without this the loader's iterator, which is on it, would
            # linger, workers and all, until the garbage collector comes by.
            del exception


def _rebuild(data: bytes, dtype: str, size: tuple, requires_grad: bool) -> _C.Tensor:
    kind = getattr(_C, dtype)
    flat = _C._tensor_from_bytes(data, kind) if data else _C.empty(0, dtype=kind)
    return flat.view(size).data.requires_grad_(requires_grad)


def _reduce(tensor: _C.Tensor) -> tuple:
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, "
            "since autograd does not support crossing process boundaries.  "
            "If you just want to transfer the data, call detach() on the tensor "
            "before serializing (e.g., putting it on the queue)."
        )
    dense = tensor.detach().contiguous()
    start = dense.storage_offset() * dense.element_size()
    data = _C._storage_bytes(dense)[start : start + dense.numel() * dense.element_size()]
    return _rebuild, (bytes(data), str(tensor.dtype)[len("torch.") :], tuple(tensor.shape), tensor.requires_grad)


def register_reductions() -> None:
    """Lets plain tensors cross between processes as their elements alone, whatever storage they view."""
    ForkingPickler.register(_C.Tensor, _reduce)


def _numpy_seed(base_seed: int, worker_id: int) -> list[int]:
    """Four words mixed from both numbers, so that neighbouring workers share no visible pattern.

    The mixing is that of NumPy's `SeedSequence` (after M. E. O'Neill, "Developing a seed_seq
    alternative", 2015) with an entropy pool of four words; PyTorch seeds NumPy with the same words.
    """
    mask = 0xFFFFFFFF
    multiplier, factor = 0x43B0D7E5, 0x931E8875

    def scramble(value: int) -> int:
        nonlocal multiplier
        value = (value ^ multiplier) & mask
        multiplier = multiplier * factor & mask
        value = value * multiplier & mask
        return value ^ value >> 16

    pool = [scramble(word) for word in (worker_id, base_seed & mask, base_seed >> 32, 0)]
    for source in range(4):
        for target in range(4):
            if source != target:
                mixed = (0xCA01F9DD * pool[target] - 0x4973F715 * scramble(pool[source])) & mask
                pool[target] = mixed ^ mixed >> 16
    multiplier, factor = 0x8B51F9DD, 0x58F38DED
    return [scramble(word) for word in pool]


def _worker_loop(
    dataset_kind: int,
    dataset: Any,
    index_queue: Any,
    result_queue: Any,
    done_event: Any,
    auto_collation: bool,
    collate_fn: Callable,
    drop_last: bool,
    base_seed: int,
    init_fn: Callable[[int], object] | None,
    worker_id: int,
    num_workers: int,
) -> None:
    """Answers each `(task, indices)` of the index queue with `(task, batch)` until it receives None."""
    from rushlight.utils.data.dataloader import _DatasetKind

    global _worker_info
    where = f"in DataLoader worker process {worker_id}"
    register_reductions()

    def send(task: Any, data: Any) -> None:
        # Pickled here rather than by the queue's own thread, which would lose the batch and the error.
        try:
            packed = ForkingPickler.dumps((task, data))
        except Exception:
            packed = ForkingPickler.dumps((task, ExceptionWrapper(where)))
        result_queue.put(bytes(packed))

    def new_fetch() -> Callable:
        return _DatasetKind.create_fetcher(dataset_kind, dataset, auto_collation, collate_fn, drop_last)

    try:
        _C.set_num_threads(1)
        seed = base_seed + worker_id
        random.seed(seed)
        _C.manual_seed(seed)
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(_numpy_seed(base_seed, worker_id))
        _worker_info = WorkerInfo(worker_id, num_workers, seed, dataset)

        failure = fetch = None
        try:
            if init_fn is not None:
                init_fn(worker_id)
            fetch = new_fetch()
        except Exception:
            failure = ExceptionWrapper(where)

        ended = False
        parent = os.getppid()
        while os.getppid() == parent:
            try:
                request = index_queue.get(timeout=MP_STATUS_CHECK_INTERVAL)
            except queue.Empty:
                if done_event.is_set():
                    break
                continue
            if request is None:
                break
            if done_event.is_set() or (ended and not isinstance(request, Resume)):
                continue
            if isinstance(request, Resume):
                ended = False
                fetch = new_fetch()
                send(request, None)
                continue
            task, indices = request
            if failure is not None:
                data, failure = failure, None
            else:
                try:
                    data = fetch(indices)
                except Exception as error:
                    if isinstance(error, StopIteration) and dataset_kind == _DatasetKind.Iterable:
                        data, ended = StreamEnded(worker_id), True
                    else:
                        data = ExceptionWrapper(where)
            send(task, data)
            del task, indices, request, data  # not kept alive while waiting
    except KeyboardInterrupt:
        pass  # the main process was interrupted too and reports it
    if done_event.is_set():
        # Nobody reads any more: do not wait for what is still in the pipe.
        result_queue.cancel_join_thread()
        result_queue.close()
