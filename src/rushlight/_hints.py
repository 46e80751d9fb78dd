"""What an error says beyond PyTorch's words: what was given, and what to do. In C it is `rl_hint` (_core/runtime.c)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    E = TypeVar("E", bound=BaseException)


def hinted(error: E, hint: str) -> E:
    """The error with the hint as a note: tracebacks show it, and the message stays PyTorch's."""
    error.add_note(f"hint: {hint}")
    return error
