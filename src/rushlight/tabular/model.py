"""The networks that can be fitted, and what their outputs mean."""

from __future__ import annotations

from rushlight.tabular.errors import DataError
from rushlight.tabular.settings import ACTIVATIONS, LOSSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rushlight import Tensor
    from rushlight.nn import Module
    from rushlight.tabular.preprocess import Target
    from rushlight.tabular.settings import Settings


def build(torch: Any, settings: Settings, shape: Sequence[int], target: Target) -> Module:
    """The network for inputs of `shape`: (features,) or (channels, height, width).

    Layers are made in the order in which they are applied, so that a seed gives the weights that a program written by
    hand would get.
    """
    nn = torch.nn
    activation = getattr(nn, ACTIVATIONS[settings.activation])
    layers: list[Module] = []
    if settings.model == "cnn":
        channels, height, width = shape
        for wanted in settings.channels:
            layers += [nn.Conv2d(channels, wanted, 3, padding=1), activation(), nn.MaxPool2d(2)]
            channels, height, width = wanted, height // 2, width // 2
            if not height or not width:
                raise DataError(
                    f"images of {shape[1]}x{shape[2]} are too small for {len(settings.channels)} convolutions"
                )
        features = channels * height * width
    else:
        features = 1
        for length in shape:
            features *= length
    if len(shape) > 1:
        layers.append(nn.Flatten())
    for hidden in settings.hidden if settings.model != "linear" else ():
        layers += [nn.Linear(features, hidden), activation()]
        features = hidden
    outputs = len(target.classes) if settings.loss == "cross_entropy" else 1
    layers.append(nn.Linear(features, outputs))
    if settings.loss == "bce":
        layers.append(nn.Sigmoid())
    return nn.Sequential(*layers)


def loss_function(torch: Any, settings: Settings) -> Module:
    """The criterion, averaging over rows."""
    return getattr(torch.nn, LOSSES[settings.loss])()


def optimizer_for(torch: Any, settings: Settings, model: Module, rate: float, rows: int) -> Any:
    """The optimizer of the settings for so many training rows, over all parameters."""
    from rushlight.tabular.settings import OPTIMIZERS

    more = {"momentum": settings.momentum} if settings.optimizer in ("sgd", "rmsprop") else {}
    if settings.momentum and not more:
        raise DataError(f"--momentum is for sgd and rmsprop, not for {settings.optimizer}")
    kind = getattr(torch.optim, OPTIMIZERS[settings.optimizer])
    return kind(model.parameters(), lr=rate, weight_decay=settings.decay(rows), **more)


def probabilities(torch: Any, loss: str, outputs: Tensor) -> Tensor:
    """(rows, classes) from a classifier's outputs."""
    if loss == "cross_entropy":
        return torch.softmax(outputs, 1)
    second = outputs if loss == "bce" else torch.sigmoid(outputs)
    return torch.cat([1 - second, second], 1)


def targets_for(loss: str, values: Tensor) -> Tensor:
    """Codes or scaled numbers in the shape and dtype that the loss compares outputs with."""
    return values if loss == "cross_entropy" else values.float().unsqueeze(1)
