"""Splitting a dataset between the processes of one job."""

from __future__ import annotations

from rushlight import _C
from rushlight.utils.data.sampler import Sampler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sized
    from typing import Any

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler):
    """Every `num_replicas`-th index, beginning at `rank`, of the order common to all processes.

    The order is `randperm` seeded with `seed + epoch` (`set_epoch` each epoch), or the natural one without
    `shuffle`. All ranks get the same number of indices: the order is repeated from its beginning to fill
    up, or cut with `drop_last`. `num_replicas` and `rank` default to those of `rushlight.distributed`.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None:
            num_replicas = _distributed().get_world_size()
        if rank is None:
            rank = _distributed().get_rank()
        if rank >= num_replicas or rank < 0:
            raise ValueError(f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        self.shuffle = shuffle
        self.seed = seed
        full, rest = divmod(len(dataset), num_replicas)
        self.num_samples = full + (rest > 0 and not drop_last)
        self.total_size = self.num_samples * num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            generator = _C.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = _C.randperm(n, generator=generator).tolist()
        else:
            indices = list(range(n))
        if n < self.total_size:
            indices *= -(-self.total_size // n)
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Chooses the shuffle of the next pass; without it every epoch has the same order."""
        self.epoch = epoch


def _distributed() -> Any:
    try:
        import rushlight.distributed as distributed
    except ImportError:
        distributed = None
    if distributed is None or not distributed.is_available():
        raise RuntimeError("Requires distributed package to be available")
    return distributed
