"""`torch.backends.openmp`: absent; rushlight has a thread pool of its own."""


def is_available() -> bool:
    """False."""
    return False
