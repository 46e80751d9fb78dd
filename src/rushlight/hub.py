"""`torch.hub`, as far as it can be had without running code from the network: downloading files and weights."""

from __future__ import annotations

import os
from typing import Any, NoReturn
from urllib.parse import urlparse
from urllib.request import Request, urlopen

__all__ = ["download_url_to_file", "get_dir", "load", "load_state_dict_from_url", "set_dir"]

_directory: str | None = None


def get_dir() -> str:
    """Where downloads are kept: what `set_dir` said, else $TORCH_HOME/hub, else ~/.cache/torch/hub."""
    if _directory is not None:
        return _directory
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.join(os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch"))), "hub")


def set_dir(d: str | os.PathLike[str]) -> None:
    """Sets where downloads are kept."""
    global _directory
    _directory = os.path.expanduser(d)


def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Downloads a file; RuntimeError when its SHA-256 does not begin with `hash_prefix`.

    The file appears under its name only when it is whole.
    """
    from hashlib import sha256

    digest = sha256()
    partial = f"{dst}.{os.getpid()}.partial"
    try:
        with urlopen(Request(url, headers={"User-Agent": "torch.hub"})) as answer, open(partial, "wb") as file:
            while block := answer.read(1 << 17):
                file.write(block)
                digest.update(block)
        if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
            raise RuntimeError(f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")')
        os.replace(partial, dst)
    finally:
        if os.path.exists(partial):
            os.remove(partial)


def load_state_dict_from_url(
    url: str,
    model_dir: str | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """`torch.load` of a file that is downloaded once and kept in `get_dir()/checkpoints`."""
    directory = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(directory, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        # PyTorch's own checkpoints are named model-<first digits of the hash>.pth
        stem = os.path.splitext(name)[0]
        prefix = stem.rpartition("-")[2] if check_hash and "-" in stem else None
        download_url_to_file(url, path, prefix, progress)
    from ._io.serialization import load

    return load(path, map_location=map_location, weights_only=weights_only)


def load(repo_or_dir: str, model: str, *args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError: it would run a repository's code."""
    raise RuntimeError(
        f"rushlight does not run code from {repo_or_dir!r}. Import the model's code yourself and load its weights with "
        "torch.hub.load_state_dict_from_url."
    )
