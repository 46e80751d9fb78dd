"""Fit a network to a table or to images, and predict with it: `rushlight fit`, `rushlight predict`, and this module.

    >>> from rushlight import tabular
    >>> run = tabular.fit("blobs", hidden=[8], epochs=200)      # or a path, with target="column"
    >>> run.predict([{"x1": 1.0, "x2": 1.1}, {"x1": 1.0, "x2": -1.1}])
    ['same', 'opposite']

`fit` returns a `Run`; `run.save(folder)` writes what `rushlight fit` writes, and `load(folder)` reads it.
`RushlightClassifier` and `RushlightRegressor` are scikit-learn estimators.

How the parts fit together, for those who build on them:

- `engine.load(name)` gives the namespace, rushlight's or PyTorch's, that everything else calls `torch`.
- `source` reads raw cells chunk by chunk, `table` makes columns of them, `preprocess` inputs and targets, `split`
  chooses rows, `model` builds the network, `training` trains it, `metrics` measures, `folder` and `run` keep it all.
- A `Run` has `settings`, `preprocess` (`.features`, `.inputs`, `.target`), `model`, `history`, `results`, `tested`, and
  `data` when it has just been fitted; `outputs`, `probabilities`, `values`, `predict_rows` predict.
- `pictures.draw(run, folder)` and `report.write(run, folder)` are called by `Run.save(folder, pictures=True)` while
  the folder is being staged; `serve` and `export` start from `Run.load(folder)`, and have a `main(arguments)`.
- `DataError` is for whatever the user can put right; its text is one line.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight.tabular.errors import DataError
    from rushlight.tabular.estimators import RushlightClassifier, RushlightRegressor
    from rushlight.tabular.fitting import fit
    from rushlight.tabular.run import Run

__all__ = ["DataError", "Run", "RushlightClassifier", "RushlightRegressor", "fit", "load"]

_HOME = {
    "DataError": "errors",
    "Run": "run",
    "RushlightClassifier": "estimators",
    "RushlightRegressor": "estimators",
    "fit": "fitting",
}


def load(folder: str, engine: str = "rushlight") -> Run:
    """The `Run` that a folder holds, on the engine named."""
    from rushlight.tabular.run import Run

    return Run.load(folder, engine)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'rushlight.tabular' has no attribute {name!r}")
    value = getattr(__import__(f"rushlight.tabular.{_HOME[name]}", fromlist=["_"]), name)
    globals()[name] = value
    return value
