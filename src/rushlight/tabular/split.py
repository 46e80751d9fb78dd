"""Which rows train, which choose the best epoch, which test."""

from __future__ import annotations

from rushlight.tabular.errors import DataError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from rushlight import Tensor


class Split:
    """Row numbers of each part, in the data's order; a part may be empty."""

    def __init__(self, train: Tensor, validation: Tensor, test: Tensor) -> None:
        self.train, self.validation, self.test = train, validation, test


def split_rows(torch: Any, codes: Tensor | None, rows: int, test: float, validation: float, seed: int) -> Split:
    """Draws test and validation rows; with classes (`codes`), from each class in proportion.

    The draw is one permutation from a generator of its own:

        order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))

    and each class gives its first members in that order to the test part, the next to validation.
    """
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    groups = [order] if codes is None else [order[codes[order] == code] for code in range(int(codes.max()) + 1)]
    parts: tuple[list[Tensor], ...] = ([], [], [])
    test, validation = (size / rows if size >= 1 else size for size in (test, validation))
    if test + validation >= 1:
        raise DataError(f"{rows} rows leave none to train on: lower --test-size or --validation-size")
    for group in groups:
        count = len(group)
        # every class keeps a row to train on; halves are rounded up
        tested = min(int(test * count + 0.5), count - 1)
        validated = min(int(validation * count + 0.5), count - 1 - tested)
        parts[0].append(group[tested + validated :])
        parts[1].append(group[tested : tested + validated])
        parts[2].append(group[:tested])
    split = Split(*(torch.cat(part).sort().values for part in parts))
    if len(split.train) < 2:
        raise DataError(f"{rows} rows leave {len(split.train)} to train on: lower --test-size and --validation-size")
    for name, size, part in (("test", test, split.test), ("validation", validation, split.validation)):
        if size and not len(part):
            raise DataError(f"{rows} rows are too few for a {name} part: say --{name}-size 0")
    return split


def class_counts(codes: Iterable[int], classes: int) -> list[int]:
    """How many rows each class has."""
    counts = [0] * classes
    for code in codes:
        counts[code] += 1
    return counts
