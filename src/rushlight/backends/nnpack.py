"""`torch.backends.nnpack`: absent."""

enabled = True


def is_available() -> bool:
    """False."""
    return False
