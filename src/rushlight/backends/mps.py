"""`torch.backends.mps`: absent."""


def is_available() -> bool:
    """False."""
    return False


def is_built() -> bool:
    """False."""
    return False


def is_macos_or_newer(major: int, minor: int) -> bool:
    """False: PyTorch, too, answers so when it is built without MPS."""
    return False


def is_macos13_or_newer(minor: int = 0) -> bool:
    """False, as `is_macos_or_newer`."""
    return False
