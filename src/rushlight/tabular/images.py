"""Images: from .npz arrays, from a folder with a subfolder for each class, and how they enter the network."""

from __future__ import annotations

import os
from math import sqrt

from rushlight.tabular.errors import DataError
from rushlight.tabular.source import find_array, find_file, from_array, open_arrays
from rushlight.tabular.table import Column

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from rushlight import Tensor
    from rushlight.tabular.preprocess import Target
    from rushlight.tabular.run import Run
    from rushlight.tabular.settings import Settings

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
ROWS = 256  # images that `predict` holds at a time


class ImagePreprocess:
    """Images (rows, channels, height, width) enter as (x - offset) / scale, with one offset and scale a channel.

    `gray` says how files are opened; `resized` that they are brought to this size, where others are refused.
    """

    kind = "image"
    named = True

    def __init__(
        self, shape: Sequence[int], offset: list[float], scale: list[float], gray: bool, resized: bool, target: Target
    ) -> None:
        self.shape, self.offset, self.scale = list(shape), offset, scale
        self.gray, self.resized, self.target = gray, resized, target

    @classmethod
    def learn(cls, pixels: Tensor, gray: bool, resized: bool, target: Target, rows: Tensor, standardize: bool) -> Any:
        """From the training images; where nothing is standardised, bytes are still brought to 0..1."""
        whole = not pixels.is_floating_point()
        channels = pixels.shape[1]
        if standardize:
            pairs = [_moments(pixels[:, channel][rows]) for channel in range(channels)]
        else:
            pairs = [(0.0, 255.0 if whole else 1.0)] * channels
        return cls(pixels.shape[1:], [a for a, _ in pairs], [b for _, b in pairs], gray, resized, target)

    @property
    def inputs(self) -> list[str]:
        """Names of the network's inputs."""
        channels, height, width = self.shape
        return [f"channel {c} row {y} column {x}" for c in range(channels) for y in range(height) for x in range(width)]

    @property
    def names(self) -> list[str]:
        """Names of the columns that a row as a dict has: its pixels, as nested lists."""
        return ["image"]

    def encode(self, torch: Any, pixels: Tensor) -> Tensor:
        """(rows, channels, height, width) in single precision."""
        if list(pixels.shape[1:]) != self.shape:
            sizes = ["x".join(map(str, size)) for size in (pixels.shape[1:], self.shape)]
            raise DataError(f"images of {sizes[0]} (channels x height x width) where the model takes {sizes[1]}")
        offset = torch.tensor(self.offset, dtype=torch.float32).view(1, -1, 1, 1)
        scale = torch.tensor(self.scale, dtype=torch.float32).view(1, -1, 1, 1)
        return (pixels.float() - offset) / scale

    def predictions(self, run: Run, data: Any) -> Iterator[tuple[list[Any], Tensor | None, list[str] | None]]:
        """(values, probabilities, file names) for each few images of a folder or an array."""
        for pixels, names in self._chunks(run.torch, data):
            outputs = run.outputs(self.encode(run.torch, pixels))
            yield run.values(outputs), run.probabilities(outputs) if self.target.classes else None, names

    def _chunks(self, torch: Any, data: Any) -> Iterator[tuple[Tensor, list[str] | None]]:
        if isinstance(data, (str, os.PathLike)):
            path = os.fspath(data)
            if not path.lower().endswith(".npz"):
                folder = path if os.path.isdir(path) else os.path.dirname(find_file(path)) or "."
                files = image_files(path) if folder == path else [path]
                size = self.shape[1], self.shape[2]
                for start in range(0, len(files), ROWS):
                    chosen = files[start : start + ROWS]
                    pixels = open_images(torch, chosen, self.gray, size, refused=not self.resized)
                    yield pixels, [os.path.relpath(file, folder) for file in chosen]
                return
            data = find_array(open_arrays(path), path)[1]
        pixels = arranged(from_array(torch, data))
        for part in pixels.split(ROWS):
            yield part, None

    def to_dict(self) -> dict[str, Any]:
        names = ("kind", "shape", "offset", "scale", "gray", "resized")
        return {**{name: getattr(self, name) for name in names}, "target": self.target.to_dict()}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> ImagePreprocess:
        from rushlight.tabular.preprocess import Target

        names = ("shape", "offset", "scale", "gray", "resized")
        return cls(**{name: saved[name] for name in names}, target=Target(**saved["target"]))


def _moments(pixels: Tensor) -> tuple[float, float]:
    """Mean and deviation; to nine digits, which no engine's order of adding can change."""
    count, total, squares = 0, 0.0, 0.0
    for part in pixels.split(ROWS):
        part = part.double()
        count += part.numel()
        total += part.sum().item()
        squares += (part * part).sum().item()
    mean = total / count
    scale = sqrt(max(squares / count - mean * mean, 0.0))
    return float(f"{mean:.9g}"), float(f"{scale:.9g}") if scale > 1e-6 * max(1.0, abs(mean)) else 1.0


def arranged(pixels: Tensor) -> Tensor:
    """(rows, channels, height, width) from that, from channels last, or from images without channels."""
    if pixels.dim() == 3:
        return pixels.unsqueeze(1)
    if pixels.dim() != 4:
        raise DataError(
            f"an array of {pixels.dim()} dimensions: images are rows x height x width, with channels or without"
        )
    if pixels.shape[3] in (1, 3, 4) and pixels.shape[1] not in (1, 3, 4):
        return pixels.permute(0, 3, 1, 2).contiguous()
    return pixels


def class_folders(folder: str) -> list[str]:
    """Names of the subfolders, one for each class."""
    return sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith("."))


def image_files(folder: str) -> list[str]:
    """Paths of the images in a folder and in its subfolders, sorted."""
    found = [
        os.path.join(place, name)
        for place, _, names in os.walk(folder)
        for name in names
        if name.lower().endswith(ENDINGS)
    ]
    if not found:
        raise DataError(f"{folder} has no images ({', '.join(ENDINGS)})")
    return sorted(found)


def read_folder(torch: Any, folder: str, settings: Settings) -> tuple[Tensor, Column, bool]:
    """Images, their classes, and whether they are gray."""
    classes = class_folders(folder)
    if not classes:
        raise DataError(f"{folder} has no subfolders: images are sorted into one for each class")
    files: list[str] = []
    labels = Column("class", text=True)
    for name in classes:
        inside = image_files(os.path.join(folder, name))
        files += inside
        labels.add([name] * len(inside), range(len(inside)))
    gray = _open(files[0]).mode in ("1", "L", "LA", "I", "I;16")
    size = settings.image_size
    if size is not None and len(size) != 2:
        raise DataError("--image-size takes two numbers, height and width, as in 28,28")
    return open_images(torch, files, gray, tuple(size) if size else None), labels, gray


def _open(path: str) -> Any:
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise DataError("reading images needs Pillow: pip install 'rushlight[images]'") from None
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError) as error:
        raise DataError(
            f"{path} is not an image that can be read ({type(error).__name__}): remove it, or save it anew"
        ) from None


def open_images(
    torch: Any, paths: list[str], gray: bool, size: tuple[int, ...] | None, refused: bool = False
) -> Tensor:
    """(rows, channels, height, width) bytes; resized to `size` (or `refused` if of another), or all of one size."""
    content, wanted = bytearray(), size
    for path in paths:
        with _open(path) as file:
            try:
                image = file.convert("L" if gray else "RGB")
            except (OSError, SyntaxError) as error:
                raise DataError(f"{path} is damaged ({error}): remove it, or save it anew") from None
        found = (image.height, image.width)
        if wanted is None:
            wanted = found
        elif found != wanted and refused:
            raise DataError(
                f"{path} is {found[0]}x{found[1]}, where the model takes {wanted[0]}x{wanted[1]}: "
                f"bring it to that size, or fit with --image-size"
            )
        elif found != wanted and size is None:
            raise DataError(
                f"{path} is {found[0]}x{found[1]} and others are {wanted[0]}x{wanted[1]}: "
                f"bring them to one size with --image-size {wanted[0]},{wanted[1]}"
            )
        elif found != wanted:
            image = image.resize((wanted[1], wanted[0]))
        content += image.tobytes()
    assert wanted is not None
    pixels = torch.frombuffer(content, dtype=torch.uint8)
    if gray:
        return pixels.view(len(paths), 1, *wanted)
    return pixels.view(len(paths), *wanted, 3).permute(0, 3, 1, 2).contiguous()
