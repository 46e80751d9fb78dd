"""`torch.nn.functional`: the layers' arithmetic as functions.

A name that is one native operation comes straight from `_C`; the others are compositions, one file a
family under `_functional/`, imported when first used. An operation whose record keeps it out of `torch`'s
root is ours without being listed here.
"""

from __future__ import annotations

from .. import _C

# Native operations that PyTorch has here and in the root, and the in-place forms it shows.
_SHARED = frozenset(
    "relu relu_ sigmoid tanh hardtanh_ elu_ selu selu_ celu celu_ leaky_relu_ rrelu rrelu_ threshold threshold_ "
    "hardshrink prelu dropout embedding batch_norm layer_norm group_norm rms_norm "
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d avg_pool1d adaptive_avg_pool1d "
    "conv_tbc".split()
)
_ELSEWHERE = ("linalg_", "special_", "fft_")

_COMPOSED = {
    "activation": "softmax log_softmax softmin gumbel_softmax tanhshrink softsign _get_softmax_dim",
    "attention": "scaled_dot_product_attention multi_head_attention_forward _canonical_mask _none_or_dtype",
    "distance": "cosine_similarity pairwise_distance pdist normalize one_hot",
    "dropout": "dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout",
    "loss": "poisson_nll_loss gaussian_nll_loss hinge_embedding_loss margin_ranking_loss cosine_embedding_loss "
    "soft_margin_loss multilabel_margin_loss multilabel_soft_margin_loss multi_margin_loss triplet_margin_loss "
    "triplet_margin_with_distance_loss ctc_loss kl_div",
    "normalization": "instance_norm local_response_norm",
    "pooling": "max_pool1d max_pool2d max_pool3d max_pool1d_with_indices adaptive_max_pool1d adaptive_max_pool2d "
    "adaptive_max_pool3d adaptive_max_pool1d_with_indices adaptive_max_pool2d_with_indices "
    "adaptive_max_pool3d_with_indices adaptive_avg_pool2d adaptive_avg_pool3d max_unpool1d max_unpool2d max_unpool3d "
    "lp_pool1d lp_pool2d lp_pool3d fractional_max_pool2d fractional_max_pool3d "
    "fractional_max_pool2d_with_indices fractional_max_pool3d_with_indices",
    "resample": "interpolate upsample upsample_nearest upsample_bilinear grid_sample affine_grid",
    "sparse": "bilinear embedding_bag",
    "window": "pad pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle unfold fold",
}
_FILE_OF = {name: file for file, names in _COMPOSED.items() for name in names.split()}


def _is_native(name: str) -> bool:
    if name in _SHARED:
        return True
    hidden = name[0] == "_" or name[-1] == "_" or name in _C._root
    return not hidden and name in _C.__dict__ and not name.startswith(_ELSEWHERE)


def _public_names() -> list[str]:
    return sorted({*filter(_is_native, _C.__dict__), *(name for name in _FILE_OF if name[0] != "_")})


def __getattr__(name: str):
    if name in _FILE_OF:
        value = getattr(__import__(f"{__package__}._functional.{_FILE_OF[name]}", fromlist=("*",)), name)
    elif _is_native(name):
        value = getattr(_C, name)
    elif name == "__all__":
        value = _public_names()
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_public_names()})
