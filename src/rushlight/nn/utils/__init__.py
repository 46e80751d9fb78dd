"""Helpers around modules: clipping gradients, flat parameter vectors, padded sequences, weight normalisation."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    # `as` tells type checkers that a name is passed on: they cannot work out `__all__`.
    from . import rnn as rnn
    from .clip_grad import (
        clip_grad_norm as clip_grad_norm,
        clip_grad_norm_ as clip_grad_norm_,
        clip_grad_value_ as clip_grad_value_,
        clip_grads_with_norm_ as clip_grads_with_norm_,
        get_total_norm as get_total_norm,
    )
    from .convert_parameters import (
        parameters_to_vector as parameters_to_vector,
        vector_to_parameters as vector_to_parameters,
    )
    from .fusion import (
        fuse_conv_bn_eval as fuse_conv_bn_eval,
        fuse_conv_bn_weights as fuse_conv_bn_weights,
        fuse_linear_bn_eval as fuse_linear_bn_eval,
        fuse_linear_bn_weights as fuse_linear_bn_weights,
    )
    from .init import skip_init as skip_init
    from .spectral_norm import remove_spectral_norm as remove_spectral_norm, spectral_norm as spectral_norm
    from .weight_norm import remove_weight_norm as remove_weight_norm, weight_norm as weight_norm

_HOME = {
    "clip_grad": "clip_grad_norm clip_grad_norm_ clip_grad_value_ clip_grads_with_norm_ get_total_norm",
    "convert_parameters": "parameters_to_vector vector_to_parameters",
    "fusion": "fuse_conv_bn_eval fuse_conv_bn_weights fuse_linear_bn_eval fuse_linear_bn_weights",
    "init": "skip_init",
    "parametrizations": "",
    "parametrize": "",
    "prune": "",
    "rnn": "",
    "stateless": "",
    "spectral_norm": "remove_spectral_norm spectral_norm",
    "weight_norm": "remove_weight_norm weight_norm",
}
_FILE_OF = {name: file for file, names in _HOME.items() for name in names.split()}

__all__ = sorted(["parametrizations", "parametrize", "rnn", *_FILE_OF])


def __getattr__(name: str):
    file = _FILE_OF.get(name, name)
    if file not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = __import__(f"{__name__}.{file}", fromlist=("*",))
    # All names of the file at once: importing a file binds its own name here, which may be a function's as well.
    for public in _HOME[file].split():
        globals()[public] = getattr(module, public)
    return globals()[name]


def __dir__():
    return sorted({*globals(), *__all__, *_HOME})
