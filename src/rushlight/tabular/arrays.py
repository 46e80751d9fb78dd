"""Tensors in safetensors files, by the format's own description: a length, a JSON header, and the bytes.

https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from rushlight import Tensor

DTYPES = {"F64": ("float64", 8), "F32": ("float32", 4), "I64": ("int64", 8), "U8": ("uint8", 1)}


def bytes_of(torch: Any, tensor: Tensor) -> bytearray:
    """The elements' bytes; copied through a tensor on the buffer, which needs no array library."""
    content = bytearray(tensor.numel() * tensor.element_size())
    if content:
        torch.frombuffer(content, dtype=tensor.dtype).copy_(tensor.detach().reshape(-1))
    return content


def checksum(torch: Any, tensors: list[Tensor]) -> int:
    """CRC-32 of all elements."""
    from zlib import crc32

    total = 0
    for tensor in tensors:
        for rows in tensor.split(65536):
            total = crc32(bytes_of(torch, rows), total)
    return total


def save_arrays(torch: Any, path: str, tensors: dict[str, Tensor]) -> None:
    """Writes dense tensors of the dtypes above."""
    import json

    code_of = {getattr(torch, name): code for code, (name, _) in DTYPES.items()}
    header: dict[str, Any] = {}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": code_of[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    content = bytearray(end)
    for name, tensor in tensors.items():
        start, stop = header[name]["data_offsets"]
        if stop > start:  # copied through a tensor on the buffer, which needs no array library
            torch.frombuffer(content, dtype=tensor.dtype, count=tensor.numel(), offset=start).copy_(
                tensor.detach().reshape(-1)
            )
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.write(content)


def load_arrays(torch: Any, path: str) -> dict[str, Tensor]:
    """Reads what `save_arrays` wrote; ValueError for anything else."""
    import json

    with open(path, "rb") as file:
        content = bytearray(file.read())
    length = int.from_bytes(content[:8], "little")
    if length > len(content) - 8:
        raise ValueError(f"{path} is cut short")
    header = json.loads(content[8 : 8 + length])
    base = 8 + length
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype, size = DTYPES[entry["dtype"]]
        start, stop = entry["data_offsets"]
        count = (stop - start) // size
        if base + stop > len(content):
            raise ValueError(f"{path} is cut short")
        flat = (
            torch.frombuffer(content, dtype=getattr(torch, dtype), count=count, offset=base + start)
            if count
            else torch.empty(0, dtype=getattr(torch, dtype))
        )
        tensors[name] = flat.reshape(entry["shape"])
    return tensors
