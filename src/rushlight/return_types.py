"""`torch.return_types`: the named tuples that operations return.

The core makes each type when its operation first returns; asking for it here runs the operation once.
"""

from __future__ import annotations

from . import _C

# What each type's operation is called with.
_RECIPES = {
    **dict.fromkeys("max min median nanmedian mode cummax cummin".split(), lambda op: op(_C.zeros(1), 0)),
    **dict.fromkeys("sort aminmax frexp".split(), lambda op: op(_C.zeros(1))),
    **dict.fromkeys("topk kthvalue".split(), lambda op: op(_C.zeros(1), 1)),
    **dict.fromkeys(
        "svd qr slogdet geqrf linalg_svd linalg_qr linalg_slogdet linalg_eig linalg_eigh linalg_lu".split(),
        lambda op: op(_C.eye(1)),
    ),
    "histogram": lambda op: op(_C.zeros(1), 1),
}


def __getattr__(name: str) -> type:
    if name not in _RECIPES or not hasattr(_C, name):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = type(_RECIPES[name](getattr(_C, name)))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_RECIPES)
