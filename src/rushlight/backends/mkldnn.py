"""`torch.backends.mkldnn` (oneDNN): absent; its settings are kept and change nothing."""

from __future__ import annotations

from ._flags import Flags

VERBOSE_OFF = 0
VERBOSE_ON = 1
VERBOSE_ON_CREATION = 2

enabled = True
deterministic = False
allow_tf32 = True
fp32_precision = "none"


def is_available() -> bool:
    """False."""
    return False


def is_acl_available() -> bool:
    """False."""
    return False


def flags(enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True) -> Flags:
    """`with flags(enabled=...)`: settings for a while."""
    return Flags(__name__, enabled=enabled, deterministic=deterministic, allow_tf32=allow_tf32)
