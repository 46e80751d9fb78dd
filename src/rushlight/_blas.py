"""Finds OpenBLAS, which the PyPI package scipy-openblas32 brings; asked for at the first large product."""

from __future__ import annotations


def path() -> str | None:
    """The library's path, or None when the package is not installed (products are then our own kernels')."""
    import importlib.util
    import os

    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = os.path.join(spec.submodule_search_locations[0], "lib")
    if not os.path.isdir(folder):
        return None
    for name in sorted(os.listdir(folder)):
        if name.startswith("libscipy_openblas") and name.endswith((".so", ".dylib", ".dll")):
            return os.path.join(folder, name)
    return None
