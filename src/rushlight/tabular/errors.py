"""The one exception that users of `fit` and `predict` are meant to read."""

from __future__ import annotations


class DataError(ValueError):
    """Something about the data, the options or the folder has to change; str() says what, and what to do, in a line.

    The commands print it and end with exit status 2; from Python it is a ValueError.
    """
