"""`torch.backends.mkl`: absent; products run in rushlight's own kernels."""

VERBOSE_OFF = 0
VERBOSE_ON = 1


def is_available() -> bool:
    """False."""
    return False
