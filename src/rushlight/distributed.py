"""`torch.distributed`, as far as programs ask whether it is there: it is not.

`if torch.distributed.is_available() and torch.distributed.is_initialized():` takes the way of a single process.
"""

from __future__ import annotations

__all__ = ["is_available", "is_initialized"]


def is_available() -> bool:
    """False.

    >>> import rushlight as torch
    >>> torch.distributed.is_available()
    False
    """
    return False


is_initialized = is_torchelastic_launched = is_available
is_mpi_available = is_gloo_available = is_nccl_available = is_ucc_available = is_available
