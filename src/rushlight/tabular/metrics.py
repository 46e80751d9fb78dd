"""How good a model is on a part of the data."""

from __future__ import annotations

from math import fsum, sqrt

from rushlight.tabular.model import probabilities, targets_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight import Tensor
    from rushlight.nn import Module
    from rushlight.tabular.preprocess import Target

ROWS = 4096  # of a forward pass: bounds the memory of a wide network or of images


class Part:
    """Rows that are used together: inputs, and target codes or scaled numbers."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.y)


def outputs_of(torch: Any, model: Module, x: Tensor) -> Tensor:
    """The network's outputs, without history."""
    model.eval()
    with torch.no_grad():
        outputs = torch.cat([model(rows) for rows in x.split(ROWS)]) if len(x) > ROWS else model(x)
    model.train()
    return outputs


def loss_of(loss: str, criterion: Module, outputs: Tensor, y: Tensor) -> float:
    """The mean loss over rows."""
    return criterion(outputs, targets_for(loss, y)).item()


def score_of(torch: Any, loss: str, target: Target, outputs: Tensor, y: Tensor) -> float:
    """Accuracy of a classifier, R2 of a regression; the latter is 0 where the target is constant."""
    if target.classes:
        return (predicted_codes(torch, loss, outputs) == y).double().mean().item()
    y, predicted = y.double(), outputs.squeeze(1).double()
    around = ((y - y.mean()) ** 2).sum().item()
    return 1 - ((y - predicted) ** 2).sum().item() / around if around else 0.0


def predicted_codes(torch: Any, loss: str, outputs: Tensor) -> Tensor:
    """The most probable class of each row."""
    return probabilities(torch, loss, outputs).argmax(1)


def evaluate(torch: Any, loss: str, criterion: Module, target: Target, model: Module, part: Part) -> dict[str, Any]:
    """Loss and scores; errors of a regression are in the target's own units."""
    outputs = outputs_of(torch, model, part.x)
    result: dict[str, Any] = {
        "rows": len(part),
        "loss": loss_of(loss, criterion, outputs, part.y),
        score_name(target): score_of(torch, loss, target, outputs, part.y),
    }
    if target.classes:
        result["confusion"] = confusion(
            part.y.tolist(), predicted_codes(torch, loss, outputs).tolist(), len(target.classes)
        )
    else:
        errors = ((outputs.squeeze(1).double() - part.y.double()) * target.scale).tolist()
        result["rmse"] = sqrt(fsum([error * error for error in errors]) / len(errors))
        result["mae"] = fsum(map(abs, errors)) / len(errors)
    return result


def score_name(target: Target) -> str:
    """What `score_of` measures."""
    return "accuracy" if target.classes else "r2"


def confusion(true: list[int], predicted: list[int], classes: int) -> list[list[int]]:
    """Counts: a row for each true class, a column for each predicted one."""
    counts = [[0] * classes for _ in range(classes)]
    for row, column in zip(true, predicted):
        counts[row][column] += 1
    return counts


def commonest(counts: list[list[int]]) -> tuple[int, float]:
    """The class that most rows of a confusion matrix have, and their share: what knowing nothing else would reach."""
    rows = [sum(row) for row in counts]
    most = max(rows)
    return rows.index(most), most / sum(rows)
