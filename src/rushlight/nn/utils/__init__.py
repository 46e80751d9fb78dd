"""Helpers around modules: clipping gradients, flat parameter vectors, padded sequences, weight normalisation."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import rnn
    from .clip_grad import clip_grad_norm, clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
    from .convert_parameters import parameters_to_vector, vector_to_parameters
    from .init import skip_init
    from .spectral_norm import remove_spectral_norm, spectral_norm
    from .weight_norm import remove_weight_norm, weight_norm

_HOME = {
    "clip_grad": "clip_grad_norm clip_grad_norm_ clip_grad_value_ clip_grads_with_norm_ get_total_norm",
    "convert_parameters": "parameters_to_vector vector_to_parameters",
    "init": "skip_init",
    "rnn": "",
    "spectral_norm": "remove_spectral_norm spectral_norm",
    "weight_norm": "remove_weight_norm weight_norm",
}
_FILE_OF = {name: file for file, names in _HOME.items() for name in names.split()}

__all__ = sorted(["rnn", *_FILE_OF])


def __getattr__(name: str):
    if name in _FILE_OF:
        value = getattr(__import__(f"{__name__}.{_FILE_OF[name]}", fromlist=("*",)), name)
    elif name in _HOME:
        value = __import__(f"{__name__}.{name}", fromlist=("*",))
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *__all__, *_HOME})
