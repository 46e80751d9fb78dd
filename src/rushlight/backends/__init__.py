"""`torch.backends`: settings that programs write and questions that they ask; each backend is a small module.

Settings are kept and can be read back. rushlight's results are the same on every run whatever they say.
"""

from __future__ import annotations

_SUBMODULES = frozenset("cpu cuda cudnn mha mkl mkldnn mps nnpack openmp opt_einsum quantized".split())


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        __import__(f"{__name__}.{name}")
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES})
