"""Normalisations composed of others."""

from __future__ import annotations

from ... import _C

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..._C import Tensor

__all__ = ["instance_norm", "local_response_norm"]


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Batch norm of (N, C, ...) with each sample on its own (Ulyanov et al., 2016)."""
    batch, channels, *spatial = input.shape
    if use_input_stats:
        count = 1
        for size in spatial:
            count *= size
        if count == 1:
            raise ValueError(f"Expected more than 1 spatial element when training, got input size {input.size()}")
    elif running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")

    def per_sample(values: Tensor | None) -> Tensor | None:
        return None if values is None else values.repeat(batch)

    # Samples side by side are channels of one image.
    mean, var = per_sample(running_mean), per_sample(running_var)
    output = _C.batch_norm(
        input.reshape(1, batch * channels, *spatial), mean, var, per_sample(weight), per_sample(bias),
        use_input_stats, momentum, eps,
    )  # fmt: skip
    if use_input_stats:
        for running, updated in ((running_mean, mean), (running_var, var)):
            if running is not None:
                running.copy_(updated.view(batch, channels).mean(0))
    return output.view(input.shape)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha mean(x^2))^beta, the mean over `size` neighbouring channels (Krizhevsky et al., 2012)."""
    dim = input.dim()
    if dim < 3:
        # The run of blanks is PyTorch's.
        raise ValueError(f"Expected 3D or higher dimensionality                          input (got {dim} dimensions)")
    if input.numel() == 0:
        return input
    # Channels become the depth of a one-channel volume; zero padding counts as neighbours.
    squares = (input * input).flatten(2).unsqueeze(1)
    squares = _C.constant_pad_nd(squares, (0, 0, size // 2, (size - 1) // 2))
    mean = _C.avg_pool2d(squares, (size, 1), stride=1).squeeze(1).reshape(input.shape)
    return input / (mean * alpha + k) ** beta
