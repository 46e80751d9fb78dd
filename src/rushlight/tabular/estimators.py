"""scikit-learn estimators: a rushlight network where a pipeline or a grid search wants one.

They are fitted by the same Trainer as `rushlight fit`.  Features are expected as numbers, as scikit-learn's own
networks expect them, and standardised unless `standardize` is False; encoding is another step of a pipeline.
"""

from __future__ import annotations

from rushlight.tabular.errors import DataError

try:
    import numpy
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise DataError(f"the estimators need scikit-learn ({error}): pip install 'rushlight[tabular]'") from None

from rushlight.tabular import engine as engines
from rushlight.tabular.metrics import Part, outputs_of
from rushlight.tabular.model import build, probabilities
from rushlight.tabular.preprocess import Target
from rushlight.tabular.settings import DEFAULT_LOSS, Settings
from rushlight.tabular.split import split_rows
from rushlight.tabular.training import Trainer, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from rushlight import Tensor


def plain(value: Any) -> Any:
    """Numbers of NumPy, which searches draw parameters from, as Python's."""
    if isinstance(value, (numpy.generic, numpy.ndarray)):
        return value.tolist()
    return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


class _Network(BaseEstimator):  # type: ignore[misc]
    """What both estimators share: parameters, training, outputs."""

    def __init__(
        self,
        hidden: tuple[int, ...] = (64, 32),
        activation: str = "relu",
        loss: str | None = None,
        optimizer: str = "adamw",
        lr: float | None = None,
        momentum: float = 0.0,
        weight_decay: float | None = None,
        epochs: int = 100,
        batch_size: int | str = "auto",
        early_stopping: bool = False,
        validation_size: float = 0,
        patience: int = 10,
        standardize: bool = True,
        engine: str = "rushlight",
        random_state: Any = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.loss = loss
        self.optimizer = optimizer
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.early_stopping = early_stopping
        self.validation_size = validation_size
        self.patience = patience
        self.standardize = standardize
        self.engine = engine
        self.random_state = random_state

    def _fit(self, x: Any, values: Any, target: Target) -> Self:
        """Trains on inputs and on codes of classes, or on numbers."""
        from sklearn.utils import check_random_state

        if len(x) < 2:
            raise DataError("the data have one sample only: there is nothing to learn from it")
        given = {name: plain(value) for name, value in self.get_params().items() if name != "random_state"}
        if isinstance(given["hidden"], int):
            given["hidden"] = [given["hidden"]]
        state = self.random_state
        seed = (
            int(check_random_state(state).randint(2**31)) if not isinstance(state, (int, numpy.integer)) else int(state)
        )
        task = target.task
        model = "linear" if given["hidden"] is not None and not len(given["hidden"]) else "mlp"
        settings = Settings(**given, seed=seed, model=model, task=task)
        settings.loss = settings.loss or DEFAULT_LOSS[task]
        torch = engines.load(self.engine)
        classes = len(target.classes)
        codes = torch.from_numpy(numpy.array(values, dtype=numpy.int64 if classes else numpy.float64))
        split = split_rows(torch, codes if classes else None, len(x), 0, settings.validation_size, seed)
        trained = x[split.train.numpy()]
        self.offset_ = trained.mean(0) if self.standardize else numpy.zeros(x.shape[1])
        scale = trained.std(0) if self.standardize else numpy.ones(x.shape[1])
        self.scale_ = numpy.where(scale > 1e-12 * abs(self.offset_), scale, 1.0)
        if not classes and self.standardize:
            numbers = codes[split.train].numpy()
            target.offset, target.scale = float(numbers.mean()), float(numbers.std()) or 1.0
        self.target_, self.loss_ = target, settings.loss
        inputs = self._scaled(torch, x)
        y = codes if classes else ((codes - target.offset) / target.scale).float()
        parts = {
            name: Part(inputs[rows], y[rows])
            for name, rows in (("training", split.train), ("validation", split.validation), ("test", split.test))
        }
        rng = torch.get_rng_state()
        try:
            torch.manual_seed(seed)
            self.model_ = build(torch, settings, inputs.shape[1:], target)
            trainer = Trainer(torch, settings, self.model_, target, parts)
            trainer.run(Watch())
        finally:
            torch.set_rng_state(rng)
        trainer.keep_best()
        self.n_iter_ = trainer.epoch
        self.loss_curve_ = [record["loss"] for record in trainer.history]
        return self

    def _scaled(self, torch: Any, x: Any) -> Tensor:
        return torch.from_numpy(((x - self.offset_) / self.scale_).astype(numpy.float32))

    def _outputs(self, x: Any) -> tuple[Any, Tensor]:
        check_is_fitted(self)
        x = validate_data(self, x, dtype=numpy.float64, reset=False)
        torch = engines.load(self.engine)
        return torch, outputs_of(torch, self.model_, self._scaled(torch, x))


class RushlightClassifier(ClassifierMixin, _Network):  # type: ignore[misc]
    """A network that classifies, for two classes or more.

    Parameters are those of `rushlight fit`; `random_state` is its seed.  After `fit`: `classes_`, `model_` (a Module),
    `loss_curve_`, `n_iter_`.

    >>> from rushlight.tabular import RushlightClassifier
    >>> network = RushlightClassifier(random_state=0).fit([[0.0], [1.0], [2.0], [3.0]], ["a", "a", "b", "b"])
    >>> network.predict([[-1.0], [4.0]])
    array(['a', 'b'], dtype='<U1')
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Trains on rows X and classes y."""
        X, y = validate_data(self, X, y, dtype=numpy.float64)
        check_classification_targets(y)
        self.classes_, codes = numpy.unique(y, return_inverse=True)
        classes = len(self.classes_)
        if classes < 2:
            raise DataError("the target has one class only: there is nothing to learn from it")
        task = "binary" if classes == 2 else "multiclass"
        return self._fit(X, codes, Target("target", task, [str(label) for label in self.classes_]))

    def predict_proba(self, X: Any) -> Any:
        """(rows, classes) probabilities, in the order of `classes_`."""
        torch, outputs = self._outputs(X)
        return probabilities(torch, self.loss_, outputs).double().numpy()

    def predict(self, X: Any) -> Any:
        """The most probable class of each row."""
        codes = self.predict_proba(X).argmax(1)
        return self.classes_[codes]


class RushlightRegressor(RegressorMixin, _Network):  # type: ignore[misc]
    """A network that predicts a number; parameters as of RushlightClassifier."""

    def fit(self, X: Any, y: Any) -> Self:
        """Trains on rows X and numbers y."""
        X, y = validate_data(self, X, y, dtype=numpy.float64, y_numeric=True)
        return self._fit(X, y, Target("target", "regression", []))

    def predict(self, X: Any) -> Any:
        """A number for each row."""
        _, outputs = self._outputs(X)
        return outputs.squeeze(1).double().numpy() * self.target_.scale + self.target_.offset
