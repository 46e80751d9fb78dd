"""Data sets to try things on: scikit-learn's bundled ones by name, and four blobs made here."""

from __future__ import annotations

from rushlight.tabular.errors import DataError
from rushlight.tabular.source import MemorySource, matrix_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.tabular.settings import Settings

SKLEARN = ("iris", "wine", "breast_cancer", "digits", "diabetes")
EXAMPLES = ("blobs", *SKLEARN)
TARGET = "target"


def blobs(rows: int = 400) -> MemorySource:
    """Four round clouds of points, opposite corners of one class: no straight line separates the two.

    Python's own generator draws them, so they are the same points under every engine.
    """
    from random import Random

    random = Random(2)
    x1, x2, labels = [], [], []
    for i in range(rows):
        centre = ((1, 1), (-1, -1), (1, -1), (-1, 1))[i % 4]
        x1.append(round(random.gauss(centre[0], 0.35), 4))
        x2.append(round(random.gauss(centre[1], 0.35), 4))
        labels.append("same" if i % 4 < 2 else "opposite")
    return MemorySource("blobs", {"x1": x1, "x2": x2, TARGET: labels})


def bundled(name: str) -> Any:
    """scikit-learn's bundle of that name."""
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(f"the example {name!r} is scikit-learn's: pip install 'rushlight[tabular]'") from None
    return getattr(datasets, "load_" + name)()


def example(name: str, settings: Settings) -> MemorySource:
    """The rows of an example; its target is the column `target` unless another is asked for."""
    if settings.target is None:
        settings.target = TARGET
    if name == "blobs":
        return blobs()
    bundle = bundled(name)
    labels = bundle.target
    if hasattr(bundle, "target_names") and name != "digits":
        labels = [str(bundle.target_names[i]) for i in labels]
    return matrix_source(name, bundle.data, labels, bundle.feature_names, TARGET)
