"""Saving and loading under PyTorch's module name, and what a file may name when it is loaded."""

from rushlight._io.names import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from rushlight._io.serialization import load, save

__all__ = ["add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save"]
