"""PyTorch's `.pt` container: a zip archive of stored records, each aligned for mapping into memory.

Written as PyTorch's own writer (miniz) does it, byte for byte but for the serialization id: its
reader computes the place of a record from the previous one, so padding and descriptors are part of the
format. Layout of zip: PKWARE APPNOTE 6.3.
"""

from __future__ import annotations

from struct import calcsize, error, pack, unpack

from .._hints import hinted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

ALIGNMENT = 64
_U32 = 0xFFFFFFFF

_LOCAL = "<4s5H3L2H"
_CENTRAL = "<4s6H3L5H2L"
_END = "<4s4H2LH"
_END64 = "<4sQ2H2L4Q"
_LOCATOR64 = "<4sLQL"


class ArchiveWriter:
    """Writes records `prefix/name` to a binary file, from its current position on."""

    def __init__(self, file: IO[bytes], prefix: str) -> None:
        self._file = file
        self._prefix = prefix
        self._position = 0
        self._directory: list[bytes] = []
        self._names: list[str] = []
        self._content_hash = 0

    def write(self, name: str, data: bytes | memoryview) -> None:
        from zlib import crc32

        path = f"{self._prefix}/{name}".encode()
        size, start = len(data), self._position
        checksum = crc32(data)
        # Which of the numbers need 64 bits decides what the extra field holds, in this order.
        wide = pack("<2Q", size, size) if size >= _U32 else b""
        if start >= _U32:
            wide += pack("<Q", start)
        if wide:
            wide = pack("<2H", 1, len(wide)) + wide
        padding = -(start + calcsize(_LOCAL) + len(path) + len(wide) + 4) % ALIGNMENT
        extra = wide + pack("<2sH", b"FB", padding) + b"Z" * padding
        flags = 0x0808 if size else 0x0800  # UTF-8 name; sizes and checksum follow the data
        self._put(pack(_LOCAL, b"PK\3\4", 0, flags, 0, 0, 0, 0, 0, 0, len(path), len(extra)) + path + extra)
        self._put(data)
        if size:
            self._put(pack("<4sL2Q" if wide else "<4s3L", b"PK\7\b", checksum, size, size))
        narrow, place = min(size, _U32), min(start, _U32)
        entry = (b"PK\1\2", 0, 0, flags, 0, 0, 0, checksum, narrow, narrow, len(path), len(wide), 0, 0, 0, 0, place)
        self._directory.append(pack(_CENTRAL, *entry) + path + wide)
        self._names.append(name)
        self._content_hash = _hash_combine(self._content_hash, checksum)

    def close(self) -> None:
        """Adds the format's closing records and the directory."""
        from zlib import crc32

        self.write("version", b"3\n")
        names_hash = 0
        for name in sorted(self._names):
            names_hash = _hash_combine(names_hash, crc32(name.encode()))
        self.write(".data/serialization_id", b"%020d%020d" % (names_hash, self._content_hash))
        start, count = self._position, len(self._directory)
        for entry in self._directory:
            self._put(entry)
        size, end = self._position - start, self._position
        self._put(pack(_END64, b"PK\6\6", 44, 0x031E, 45, 0, 0, count, count, size, start))
        self._put(pack(_LOCATOR64, b"PK\6\7", 0, end, 1))
        few, size, start = min(count, 0xFFFF), min(size, _U32), min(start, _U32)
        self._put(pack(_END, b"PK\5\6", 0, 0, few, few, size, start, 0))

    def _put(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self._position += len(data)


def _hash_combine(seed: int, value: int) -> int:
    """Boost's mixing of a value into a 64-bit hash."""
    return (seed ^ (value + 0x9E3779B9 + (seed << 6) + (seed >> 2))) & 0xFFFFFFFFFFFFFFFF


class ArchiveReader:
    """The records of an archive by name, without the prefix they share. RuntimeError where it is damaged."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._start = file.tell()
        self._size = file.seek(0, 2) - self._start
        try:
            self._entries = self._read_directory()
        except (error, ValueError, UnicodeDecodeError, OverflowError):
            raise _damaged("failed finding central directory") from None

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def size(self, name: str) -> int:
        return self._entry(name)[1]

    def read(self, name: str) -> bytes:
        buffer = bytearray(self.size(name))
        self.read_into(name, memoryview(buffer))
        return bytes(buffer)

    def place(self, name: str) -> int:
        """Where in the file the data of a record begin."""
        header, size, method = self._entry(name)
        if method:
            raise _damaged(f"record {name} is compressed, which PyTorch's format does not allow")
        fields = unpack(_LOCAL, self._at(header, calcsize(_LOCAL)))
        place = header + calcsize(_LOCAL) + fields[9] + fields[10]
        if fields[0] != b"PK\3\4" or place + size > self._size:
            raise _damaged(f"record {name} lies outside the file")
        return self._start + place

    def read_into(self, name: str, target: memoryview) -> None:
        """Fills `target` with the first bytes of a record."""
        if len(target) > self.size(name):
            raise _damaged(f"record {name} holds {self.size(name)} bytes where {len(target)} are needed")
        self._file.seek(self.place(name))
        done = 0
        while done < len(target):
            if hasattr(self._file, "readinto"):
                count = self._file.readinto(target[done:])
            else:
                piece = self._file.read(len(target) - done)
                count = len(piece)
                target[done : done + count] = piece
            if not count:
                raise _damaged(f"record {name} ends early")
            done += count

    def _entry(self, name: str) -> tuple[int, int, int]:
        try:
            return self._entries[name]
        except KeyError:
            raise RuntimeError(f"PytorchStreamReader failed locating file {name}: file not found") from None

    def _at(self, position: int, count: int) -> bytes:
        if position < 0 or count < 0 or position + count > self._size:
            raise _damaged("invalid header or archive is corrupted")
        self._file.seek(self._start + position)
        return self._file.read(count)

    def _read_directory(self) -> dict[str, tuple[int, int, int]]:
        tail_start = max(0, self._size - calcsize(_END) - 0xFFFF)
        tail = self._at(tail_start, self._size - tail_start)
        found = tail.rfind(b"PK\5\6")
        if found < 0:
            raise hinted(
                _damaged("failed finding central directory"),
                "the end of the file is missing: it was copied in part, or the program that saved it was interrupted",
            )
        fields = unpack(_END, tail[found : found + calcsize(_END)])
        count, size, start = fields[4:7]
        locator = tail_start + found - calcsize(_LOCATOR64)
        if locator >= 0:
            magic, _, end64, _ = unpack(_LOCATOR64, self._at(locator, calcsize(_LOCATOR64)))
            if magic == b"PK\6\7":
                count, size, start = unpack(_END64, self._at(end64, calcsize(_END64)))[7:]
        directory = self._at(start, size)
        entries: dict[str, tuple[int, int, int]] = {}
        position = 0
        for _ in range(count):
            fields = unpack(_CENTRAL, directory[position : position + calcsize(_CENTRAL)])
            if fields[0] != b"PK\1\2":
                raise _damaged("invalid header or archive is corrupted")
            method, packed, size, header = fields[4], fields[8], fields[9], fields[16]
            position += calcsize(_CENTRAL)
            path = directory[position : position + fields[10]].decode()
            extra = directory[position + fields[10] : position + fields[10] + fields[11]]
            size, packed, header = _widen(extra, size, packed, header)
            position += fields[10] + fields[11] + fields[12]
            if not method and (packed != size or header + size > self._size):
                raise _damaged("invalid header or archive is corrupted")
            prefix, slash, name = path.partition("/")
            if not slash:
                raise RuntimeError(f"file in archive is not in a subdirectory: {prefix}")
            entries[name] = (header, size, method)
        return entries


def _widen(extra: bytes, *values: int) -> list[int]:
    """Replaces the values that did not fit 32 bits by those of the zip64 extra field."""
    wide = b""
    while len(extra) >= 4:
        kind, length = unpack("<2H", extra[:4])
        if kind == 1:
            wide = extra[4 : 4 + length]
        extra = extra[4 + length :]
    result = []
    for value in values:
        if value == _U32:
            (value,) = unpack("<Q", wide[:8])
            wide = wide[8:]
        result.append(value)
    return result


def _damaged(reason: str) -> RuntimeError:
    return RuntimeError(f"PytorchStreamReader failed reading zip archive: {reason}")
