"""What can be chosen about a fit: one table gives the command line's options, Python's keywords and the checks."""

from __future__ import annotations

from rushlight.tabular.engine import ENGINES
from rushlight.tabular.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

TASKS = ("regression", "binary", "multiclass")
MODELS = ("linear", "mlp", "cnn")
ACTIVATIONS = {
    "relu": "ReLU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "gelu": "GELU",
    "elu": "ELU",
    "silu": "SiLU",
    "leaky_relu": "LeakyReLU",
    "softplus": "Softplus",
}
OPTIMIZERS = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad"}
LOSSES = {
    "bce": "BCELoss",
    "bce_logits": "BCEWithLogitsLoss",
    "cross_entropy": "CrossEntropyLoss",
    "mse": "MSELoss",
    "l1": "L1Loss",
    "huber": "HuberLoss",
    "smooth_l1": "SmoothL1Loss",
}
TASK_OF_LOSS = {
    **dict.fromkeys(("bce", "bce_logits"), ("binary",)),
    "cross_entropy": ("binary", "multiclass"),
    **dict.fromkeys(("mse", "l1", "huber", "smooth_l1"), ("regression",)),
}
DEFAULT_LOSS = {"binary": "bce_logits", "multiclass": "cross_entropy", "regression": "mse"}
RATES = {"sgd": 0.1, "adagrad": 0.05}  # of the others, by the width of the network
# AdamW takes rate x decay off a weight at each step. That much keeps small data from overfitting; but a weight must
# last for some epochs, or else many rows, which are many steps, could not be learnt (Wang and Aitchison, 2024).
ADAMW_DECAY = 1.0
DECAY_EPOCHS = 20
FULL_BATCH_ROWS = 1000  # up to here the default is one step an epoch over all rows
DEFAULT_BATCH = 64


class Option:
    """One setting: its default, how text becomes its value, and what it may be."""

    __slots__ = ("check", "default", "group", "help", "metavar", "name", "parse")

    def __init__(
        self,
        name: str,
        default: Any,
        parse: Callable[[str], Any] | None,
        help: str,
        check: Callable[[Any], str | None] | None = None,
        metavar: str | None = None,
        group: str = "training",
    ) -> None:
        self.name, self.default, self.parse, self.help = name, default, parse, help
        self.check, self.metavar, self.group = check, metavar, group

    @property
    def flag(self) -> str:
        """How the command line spells it; a switch whose default is on is spelt as its negation."""
        prefix = "--no-" if self.parse is None and self.default is True else "--"
        return prefix + self.name.replace("_", "-")


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part.strip()]


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _delimiter(text: str) -> str:
    return "\t" if text == "\\t" else text  # which shells leave as it is


def _batch(text: str) -> int | str:
    return text if text in ("full", "auto") else int(text)


def _part(text: str) -> float | int:
    return float(text) if "." in text or "e" in text.lower() else int(text)


def _one_of(*choices: str) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        return None if value in choices else f"must be one of {', '.join(choices)}"

    return check


def _at_least(least: float, strictly: bool = False) -> Callable[[Any], str | None]:
    def check(value: Any) -> str | None:
        good = isinstance(value, (int, float)) and (value > least or (value == least and not strictly))
        return None if good and value < float("inf") else f"must be {'above' if strictly else 'at least'} {least}"

    return check


def _seed(value: Any) -> str | None:
    return None if isinstance(value, int) and 0 <= value < 2**63 else "must be a whole number from 0 to 2^63 - 1"


def _widths(value: Any) -> str | None:
    good = isinstance(value, (list, tuple)) and all(isinstance(width, int) and width > 0 for width in value)
    return None if good else "must be positive widths, as in 6,4"


def _batch_size(value: Any) -> str | None:
    good = value in ("full", "auto") or (isinstance(value, int) and value > 0)
    return None if good else "must be a positive number of rows, or full"


def _fraction_or_rows(value: Any) -> str | None:
    good = isinstance(value, (int, float)) and (0 <= value < 1 or (value >= 1 and value == int(value)))
    return None if good else "must be a fraction below 1, or a number of rows"


OPTIONS = (
    Option("target", None, str, "the column to predict: its name, or its position (-1 is the last)", None, "COLUMN", "data"),
    Option("header", None, None, "take the first line as names even if it looks like numbers", None, None, "data"),
    Option("no_header", False, None, "the file has no line of names: columns are x0, x1, ...", None, None, "data"),
    Option("delimiter", None, _delimiter, "what separates fields (default: comma, in .tsv files a tab)", None, "CHARACTER", "data"),
    Option("decimal", ".", str, "what stands before a fraction: a comma where 1.234,5 is written (default: .)", _one_of(".", ","), "CHARACTER", "data"),
    Option("encoding", "utf-8", str, "of text files (default: utf-8)", None, "NAME", "data"),
    Option("drop", [], _names, "columns to leave out", None, "COLUMN,...", "data"),
    Option("categorical", [], _names, "columns of numbers that are names of categories", None, "COLUMN,...", "data"),
    Option("ordinal", [], _names, "text columns that have an order: size=small<medium<large", None, "COLUMN[=A<B],...", "data"),
    Option("max_categories", 100, int, "refuse text columns of more different values (default: 100)", _at_least(1), "N", "data"),
    Option("image_size", None, _numbers, "height,width that images are resized to", _widths, "H,W", "data"),
    Option("task", None, str, "regression, binary or multiclass (default: seen from the target)", _one_of(*TASKS), "TASK", "data"),
    Option("test_size", 0.2, _part, "fraction or number of rows to test on (default: 0.2; 0 for none)", _fraction_or_rows, "PART", "data"),
    Option("validation_size", 0, _part, "rows set aside to choose the best epoch by (default: 0; 0.1 with --early-stopping)", _fraction_or_rows, "PART", "data"),
    Option("standardize", True, None, "leave features (and a regression's target) in their own units", None, None, "data"),
    Option("seed", 0, int, "of the split, the initial weights and the batches (default: 0)", _seed, "N", "data"),
    Option("model", None, str, "linear, mlp or cnn (default: mlp, for images cnn)", _one_of(*MODELS), "MODEL", "model"),
    Option("hidden", [64, 32], _numbers, "widths of the hidden layers (default: 64,32)", _widths, "N,N", "model"),
    Option("channels", [16, 32], _numbers, "channels of a cnn's convolutions (default: 16,32)", _widths, "N,N", "model"),
    Option("activation", "relu", str, f"{', '.join(ACTIVATIONS)} (default: relu)", _one_of(*ACTIVATIONS), "NAME", "model"),
    Option("loss", None, str, f"{', '.join(LOSSES)} (default: by task)", _one_of(*LOSSES), "NAME", "model"),
    Option("optimizer", "adamw", str, f"{', '.join(OPTIMIZERS)} (default: adamw)", _one_of(*OPTIMIZERS), "NAME"),
    Option("lr", None, float, "learning rate (default: by optimizer and width)", _at_least(0, strictly=True), "RATE"),
    Option("momentum", 0.0, float, "of sgd and rmsprop (default: 0)", _at_least(0), "M"),
    Option("weight_decay", None, float, "pull of the weights towards zero (default: for adamw 1, and less for many rows, else 0)", _at_least(0), "D"),
    Option("epochs", 100, int, "times through the training rows (default: 100)", _at_least(1), "N"),
    Option("batch_size", "auto", _batch, f"rows a step, or full (default: full up to {FULL_BATCH_ROWS} rows, then {DEFAULT_BATCH})", _batch_size, "N"),
    Option("early_stopping", False, None, "stop when the validation loss has not fallen for --patience epochs; keep the best"),
    Option("patience", 10, int, "epochs without a better validation loss (default: 10)", _at_least(1), "N"),
    Option("lr_find", False, None, "try rising learning rates first, show the curve and pick one"),
    Option("engine", "rushlight", str, "rushlight or torch, an installed PyTorch (default: rushlight)", _one_of(*ENGINES), "NAME"),
)  # fmt: skip


class Settings:
    """The chosen values, one attribute an option; unknown names and values out of range are a DataError.

    >>> from rushlight.tabular.settings import Settings
    >>> Settings(hidden=[6, 4], activation="sigmoid").hidden
    [6, 4]
    """

    def __init__(self, **given: Any) -> None:
        known = {option.name: option for option in OPTIONS}
        for name in given:
            if name not in known:
                raise DataError(f"no setting {name!r}: there are {', '.join(known)}")
        for option in OPTIONS:
            value = given.get(option.name)
            if value is None:
                value = option.default
            if value is not None and option.check is not None:
                wrong = option.check(value)
                if wrong:
                    raise DataError(f"{option.flag} {value}: {wrong}")
            setattr(self, option.name, list(value) if isinstance(value, (list, tuple)) else value)
        if self.loss and self.task and self.task not in TASK_OF_LOSS[self.loss]:
            raise DataError(f"--loss {self.loss} is not for {self.task}: leave one of them out")
        if self.early_stopping and not given.get("validation_size"):
            self.validation_size = 0.1
        try:
            "".encode(self.encoding)
        except LookupError:
            raise DataError(
                f"--encoding {self.encoding}: Python knows no such encoding; try utf-8 or latin-1"
            ) from None

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    def to_dict(self) -> dict[str, Any]:
        """The values by name, as they go into settings.json."""
        return {option.name: getattr(self, option.name) for option in OPTIONS}

    @property
    def rate(self) -> float:
        """The learning rate; the default of Adam and its kin falls with the widest layer, which makes one constant do for
        all widths (Yang et al., "Tensor Programs V", 2022).
        """
        if self.lr is not None:
            return self.lr
        widest = max(self.hidden, default=0) if self.model != "linear" else 0
        return RATES.get(self.optimizer) or round(min(0.03, 0.2 / max(widest, 1)), 6)

    def decay(self, rows: int) -> float:
        """The weight decay for so many training rows."""
        if self.weight_decay is not None:
            return self.weight_decay
        if self.optimizer != "adamw":
            return 0.0
        steps = -(-rows // self.rows_per_step(rows))
        return min(ADAMW_DECAY, float(f"{1 / (DECAY_EPOCHS * steps * self.rate):.2g}"))

    def rows_per_step(self, rows: int) -> int:
        """How many of `rows` training rows go into a step."""
        if self.batch_size == "full" or (self.batch_size == "auto" and rows <= FULL_BATCH_ROWS):
            return rows
        return min(rows, DEFAULT_BATCH if self.batch_size == "auto" else self.batch_size)
