"""The files in an Inspect log, also where the process that wrote it died before it wrote the directory.

Names in it are never used as paths, so any name will do; sizes are checked while a file is unpacked.
"""

from __future__ import annotations

import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import IO, Protocol

from guerdon.interop.logs.things import LINE, damaged

LOCAL = struct.Struct("<4s5H3L2H")
STORED, DEFLATED, ZSTANDARD = 0, 8, 93
DESCRIPTOR, ENCRYPTED = 0x8, 0x1
MOST = 1_000_000
"""Files in a log."""

Files = Mapping[str, Callable[[], bytes]]


class _Decompressor(Protocol):
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


def files_of(path: Path) -> tuple[Files, str]:
    """The files of a zip by name, each to be read by a call, and what is wrong with the zip as a whole (or nothing).

    A call raises `ValueError` where the file is damaged or too long.

    Raises:
        ConfigError: it is no zip, or not a file.
    """
    places, trouble = _directory(path)
    if not places:
        raise damaged(path, "a log in a zip", trouble or "it holds no file")
    return {name: _reader(path, *place) for name, place in places.items()}, trouble


Place = tuple[int, int, int, int, int]
"""Where the local header is, how it is compressed, bytes packed and unpacked, and the check sum."""


def _directory(path: Path) -> tuple[dict[str, Place], str]:
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()[: MOST + 1]
        if len(found) > MOST:
            raise damaged(path, f"a log of at most {MOST:,} samples", "it has more", "Split it")
        places = {
            each.filename: (each.header_offset, each.compress_type, each.compress_size, each.file_size, each.CRC)
            for each in found
        }
    except (zipfile.BadZipFile, UnicodeDecodeError, struct.error, EOFError, NotImplementedError):
        with path.open("rb") as file:
            return dict(_walk(file)), "its directory is missing: what wrote it died, or it was not copied whole"
    except OSError as error:
        raise damaged(path, "a file that can be read", error.strerror or str(error), "Name another one") from None
    return places, ""


def _walk(file: IO[bytes]) -> Iterator[tuple[str, Place]]:
    """The files that stand whole one after the other from the start, by their own headers."""
    size = file.seek(0, 2)
    at = 0
    while at + LOCAL.size <= size:
        file.seek(at)
        head, _, flags, method, _, _, crc, packed, full, name, extra = LOCAL.unpack(file.read(LOCAL.size))
        end = at + LOCAL.size + name + extra + packed
        if head != b"PK\x03\x04" or flags & (DESCRIPTOR | ENCRYPTED) or end > size:
            return
        yield file.read(name).decode("utf-8", "replace"), (at, method, packed, full, crc)
        at = end


def _reader(path: Path, at: int, method: int, packed: int, full: int, crc: int) -> Callable[[], bytes]:
    def read() -> bytes:
        if full > LINE:
            raise ValueError(f"{full:,} bytes, of at most {LINE:,}")
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if not 0 <= at <= size or not 0 <= packed <= size:  # else as much memory would be asked for
                raise ValueError("the directory places it outside of the file")
            file.seek(at)
            header = file.read(LOCAL.size)
            if len(header) < LOCAL.size or header[:4] != b"PK\x03\x04":
                raise ValueError("its header is not where the directory says")
            file.seek(sum(LOCAL.unpack(header)[-2:]), 1)
            data = _unpacked(file.read(packed), method, full)
        if len(data) != full or zlib.crc32(data) != crc:
            raise ValueError("its bytes do not agree with its check sum")
        return data

    return read


def _unpacked(data: bytes, method: int, full: int) -> bytes:
    """At most one byte more than there should be, whatever is packed."""
    if method == STORED:
        return data
    if method not in (DEFLATED, ZSTANDARD):
        raise ValueError(f"it is compressed by method {method}; known are stored, deflate and zstandard")
    made, broken = _deflate() if method == DEFLATED else _zstandard()
    try:
        return made.decompress(data, full + 1)
    except (broken, EOFError) as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None


def _deflate() -> tuple[_Decompressor, type[Exception]]:
    return zlib.decompressobj(-zlib.MAX_WBITS), zlib.error


def _zstandard() -> tuple[_Decompressor, type[Exception]]:
    """Python's own from 3.14 on, and its backport before."""
    zstd = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    return zstd.ZstdDecompressor(), zstd.ZstdError
