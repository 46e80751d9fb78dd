"""`torch.version`: which toolkits rushlight was built with (none), and which PyTorch it stands for.

Programs compare `torch.__version__` with PyTorch releases, so that is what it says first; rushlight's own version is
the local part: "2.13.0+rushlight.0.1.0".  `rushlight --version` and the package's metadata give the latter alone.
"""

from __future__ import annotations

from ._version import __version__ as _own

__all__ = ["__version__", "cuda", "debug", "git_version", "hip", "rocm", "xpu"]

__version__ = f"2.13.0+rushlight.{_own}"
cuda: str | None = None
hip: str | None = None
rocm: str | None = None
xpu: str | None = None
debug = False
git_version = "Unknown"
