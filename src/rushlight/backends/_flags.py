"""`with torch.backends.X.flags(...)`: sets attributes of a module for a while."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Flags:
    """Sets the settings that are not None on entry, and what they were before on exit."""

    def __init__(self, module: str, **settings: Any) -> None:
        self._module = sys.modules[module]
        self._settings = {name: value for name, value in settings.items() if value is not None}

    def __enter__(self) -> None:
        self._before = {name: getattr(self._module, name) for name in self._settings}
        self._module.__dict__.update(self._settings)

    def __exit__(self, *error: object) -> None:
        self._module.__dict__.update(self._before)
