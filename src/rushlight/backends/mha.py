"""`torch.backends.mha`: whether attention may take a fast path; kept, and changes nothing."""

_fastpath_enabled = True


def get_fastpath_enabled() -> bool:
    """What was set last."""
    return _fastpath_enabled


def set_fastpath_enabled(value: bool) -> None:
    """Keeps the setting."""
    global _fastpath_enabled
    _fastpath_enabled = value
