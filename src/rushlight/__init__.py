"""rushlight: PyTorch's eager tensors, modules and training, lean and on the CPU.

    >>> import rushlight as torch
    >>> w = torch.tensor(2.0, requires_grad=True)
    >>> (2 * w ** 2 + 5).backward()
    >>> w.grad
    tensor(8.)

Names, signatures and semantics are PyTorch's; what is heavy is imported when it is first used.
"""

from __future__ import annotations

from rushlight import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

inf = float("inf")
nan = float("nan")
pi = 3.141592653589793
e = 2.718281828459045
newaxis = None

# Everything native that PyTorch has in its root: operations, types, dtypes.  From here on names such as `float`, `sum`
# and `max` mean ours, not Python's.
globals().update(_C._root)
Tensor = _C.Tensor

_SUBMODULES = frozenset(
    """nn optim autograd utils linalg fft special random cuda backends accelerator amp mps xpu version types
    overrides testing masked multiprocessing jit distributions func serialization return_types hub signal
    profiler compiler distributed _dynamo cpu""".split()
)

# Functions written in Python: name -> module.
_LAZY = {
    "save": "rushlight._io.serialization",
    "load": "rushlight._io.serialization",
    "set_printoptions": "rushlight._tensor_str",
    "__version__": "rushlight.version",
    **dict.fromkeys(
        """typename compile use_deterministic_algorithms are_deterministic_algorithms_enabled
        set_deterministic_debug_mode get_deterministic_debug_mode set_float32_matmul_precision
        get_float32_matmul_precision set_flush_denormal finfo iinfo get_num_interop_threads
        set_num_interop_threads hann_window hamming_window blackman_window bartlett_window kaiser_window
        stft istft vmap set_warn_always is_warn_always_enabled is_deterministic_algorithms_warn_only_enabled svd_lowrank
        pca_lowrank is_storage spmm
        is_deterministic_algorithms_warn_only_enabled""".split(),
        "rushlight._functions",
    ),
    **dict.fromkeys(
        """binary_cross_entropy_with_logits cosine_embedding_loss ctc_loss hinge_embedding_loss kl_div
        margin_ranking_loss poisson_nll_loss triplet_margin_loss embedding embedding_renorm_
        embedding_bag grid_sampler grid_sampler_2d grid_sampler_3d affine_grid_generator instance_norm
        norm_except_dim lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell
        rnn_relu_cell""".split(),
        "rushlight._signatures",
    ),
    **dict.fromkeys("fork_rng thread_safe_generator".split(), "rushlight.random"),
    **dict.fromkeys(
        """autocast GradScaler is_autocast_enabled get_autocast_dtype set_autocast_enabled set_autocast_dtype
        is_autocast_cpu_enabled get_autocast_cpu_dtype""".split(),
        "rushlight.amp",
    ),
    **dict.fromkeys(
        """bilinear cosine_similarity pairwise_distance pdist pixel_shuffle pixel_unshuffle channel_shuffle
        native_channel_shuffle""".split(),
        "rushlight.nn.functional",
    ),
    "OutOfMemoryError": "rushlight.cuda",
}


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES or name in ("_tensor_str", "_utils", "_C"):
        # `__import__`, not importlib: importing that would cost more than most of our modules
        try:
            __import__(f"rushlight.{name}")
        except ModuleNotFoundError as error:
            if error.name == f"rushlight.{name}":
                raise AttributeError(f"rushlight has no 'torch.{name}' (yet)") from None
            raise
        return globals()[name]
    if name in _LAZY:
        module = __import__(_LAZY[name], fromlist=["_"])
        value = getattr(module, name)
        globals()[name] = value
        return value
    raise AttributeError(f"rushlight has no 'torch.{name}' (yet)")


def __dir__() -> list[str]:
    return sorted({*globals(), *_SUBMODULES, *_LAZY})
