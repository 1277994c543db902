"""Zip archives, checked whole before any file in it is unpacked.

`zipfile` reads the directory; what it forgives is refused here: an archive whose directory, local headers and end
record do not tell the same story is read differently by different programs. Files are inflated from the place that was
checked, without reading the directory again, so that ten thousand of them cost no more than their bytes.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO

from guerdon.hosting.files.archives import (
    CHUNK,
    PACK_AGAIN,
    Archive,
    ArchiveCaps,
    Source,
    Tally,
    check_names,
    exactly,
    frozen,
    safe_name,
    too_large,
)
from guerdon.hosting.files.problems import FileProblemError, quoted

END = struct.Struct("<4s4H2LH")
LOCAL = struct.Struct("<4s5H3L2H")
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
ENTRY = 46
"""Bytes of an entry of the directory, without its name."""
ENCRYPTED, DESCRIPTOR, MASKED = 0x41, 0x8, 0x2000
METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}


def read_zip(source: Source, caps: ArchiveCaps | None = None, where: str = "the zip") -> Archive:
    """Open a zip archive that a stranger made.

    Args:
        source: a file, or its bytes.
        caps: what it may hold.
        where: what to call it in errors.

    Raises:
        FileProblemError: it is damaged, contradicts itself, or holds anything but plain files and folders with plain
            names.
        FileTooLargeError: it is over a cap.
    """
    caps = caps or ArchiveCaps()
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > caps.packed:
        raise too_large(f"{where} of at most {caps.packed:,} bytes", f"got {size:,}", "Shorten it")
    with _open(source) as file:
        start = _directory(file, size, caps, where)
        try:
            with zipfile.ZipFile(file) as found:
                entries = found.infolist()
                _check_count(entries, file, where)
                places = _check(entries, file, start, caps, where)
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, EOFError) as error:
            raise _damaged(where, str(error)) from None
    files = {safe_name(entry.filename, where): entry for entry in entries if not entry.is_dir()}
    sizes = {name: entry.file_size for name, entry in files.items()}

    def chunks(name: str) -> Iterator[bytes]:
        entry, crc = files[name], 0
        with _open(source) as file:
            file.seek(places[entry.header_offset])
            inflated = _Inflated(file, entry.compress_size, entry.compress_type == zipfile.ZIP_DEFLATED)
            try:
                for piece in exactly(inflated, entry.file_size, name, where):  # type: ignore[arg-type]
                    crc = zlib.crc32(piece, crc)
                    yield piece
            except zlib.error as error:
                raise _damaged(where, f"{quoted(name)}: {error}") from None
        if crc != entry.CRC or not inflated.ended:
            raise _damaged(where, f"{quoted(name)} has another CRC, or does not end where it says")

    return Archive(frozen(sizes), chunks)


class _Inflated:
    """The content of an entry, from its packed bytes, never more than a piece at a time."""

    def __init__(self, file: IO[bytes], packed: int, deflated: bool) -> None:
        self._file, self._left = file, packed
        self._inflate = zlib.decompressobj(-15) if deflated else None

    @property
    def ended(self) -> bool:
        """Whether all packed bytes were needed, and no more."""
        whole = self._inflate is None or (self._inflate.eof and not self._inflate.unused_data)
        return whole and not self._left

    def read(self, count: int) -> bytes:
        """The next bytes; none at the end."""
        if self._inflate is None:
            return self._packed(count)
        while not self._inflate.eof:
            piece = self._inflate.decompress(self._inflate.unconsumed_tail or self._packed(CHUNK), count)
            if piece:
                return piece
            if not self._left and not self._inflate.unconsumed_tail:
                break
        return b""

    def _packed(self, count: int) -> bytes:
        piece = self._file.read(min(count, self._left))
        self._left -= len(piece)
        return piece


def _open(source: Source) -> IO[bytes]:
    return io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")


def _damaged(where: str, why: str) -> FileProblemError:
    return FileProblemError(f"{where} is a whole zip archive", why or "it ends too early", "Pack it again")


def _directory(file: IO[bytes], size: int, caps: ArchiveCaps, where: str) -> int:
    """Where the directory starts; checks that it ends where the end record starts, which ends the file."""
    tail = _at(file, max(0, size - END.size - 0xFFFF), END.size + 0xFFFF)
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) - place < END.size:
        raise _damaged(where, "it has no end record, so it is cut short or no zip")
    _, disk, first, here, count, length, offset, comment = END.unpack_from(tail, place)
    if place + END.size + comment != len(tail):
        raise _damaged(where, "something follows its end")
    end = size - len(tail) + place
    if 0xFFFF in (here, count) or 0xFFFFFFFF in (length, offset):
        end, here, count, length, offset = _large(file, end, (here, count, length, offset), where)
    if disk or first or here != count:
        raise FileProblemError(f"{where} is one file", "it is one of several parts", "Pack it into one")
    if count > caps.entries:
        raise too_large(f"at most {caps.entries:,} entries in {where}", f"it says {count:,}", "Hand in fewer files")
    if offset + length != end or length < count * ENTRY:
        raise _damaged(where, f"its directory of {length:,} bytes at {offset:,} is not where it says")
    return int(offset)


def _large(file: IO[bytes], end: int, told: Sequence[int], where: str) -> tuple[int, int, int, int, int]:
    """The figures of a zip64 end record, which must agree with those of the short one."""
    locator = _at(file, end - LOCATOR.size, LOCATOR.size) if end >= LOCATOR.size else b""
    if len(locator) < LOCATOR.size or locator[:4] != b"PK\6\7":
        raise _damaged(where, "it says that it is a zip64 and has no zip64 record")
    place = LOCATOR.unpack(locator)[2]
    record = _at(file, place, END64.size)
    if len(record) < END64.size or record[:4] != b"PK\6\6" or place + END64.size != end - LOCATOR.size:
        raise _damaged(where, "its zip64 record is not where it says")
    here, count, length, offset = END64.unpack(record)[6:]
    for short, full, most in zip(told, (here, count, length, offset), (1 << 16, 1 << 16, 1 << 32, 1 << 32)):
        if short not in (most - 1, full):
            raise _damaged(where, "its two end records contradict each other")
    return place, here, count, length, offset


def _at(file: IO[bytes], place: int, count: int) -> bytes:
    if place < 0 or place > 1 << 62:
        return b""
    file.seek(place)
    return file.read(count)


def _check_count(entries: Sequence[zipfile.ZipInfo], file: IO[bytes], where: str) -> None:
    file.seek(0, io.SEEK_END)
    size = file.tell()
    tail = _at(file, max(0, size - END.size - 0xFFFF), END.size + 0xFFFF)
    told = END.unpack_from(tail, tail.rfind(b"PK\5\6"))[4]
    if told not in (len(entries), 0xFFFF):
        raise _damaged(where, f"its directory has {len(entries):,} entries and its end says {told:,}")


def _check(
    entries: Sequence[zipfile.ZipInfo], file: IO[bytes], start: int, caps: ArchiveCaps, where: str
) -> dict[int, int]:
    tally = Tally(caps, where)
    for entry in entries:
        safe_name(entry.orig_filename, where)
        _check_entry(entry, where)
        tally.entry(entry.filename, entry.file_size, entry.compress_size)
    tally.end()
    check_names(
        [entry.filename for entry in entries if not entry.is_dir()],
        [entry.filename.removesuffix("/") for entry in entries if entry.is_dir()],
        where,
    )
    return _places(entries, file, start, where)


def _check_entry(entry: zipfile.ZipInfo, where: str) -> None:
    name = quoted(entry.orig_filename)
    if entry.flag_bits & (ENCRYPTED | MASKED):
        raise FileProblemError(f"{where} without a password", f"{name} is encrypted", "Pack it without one")
    if entry.compress_type not in METHODS:
        got = f"{name} uses method {entry.compress_type}"
        raise FileProblemError(f"files in {where} are stored or deflated", got, "Pack them with the usual zip")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFDIR if entry.is_dir() else stat.S_IFREG):
        got = f"{name} is {_KINDS.get(kind, 'something else')}"
        raise FileProblemError(f"{where} holds files and folders", got, PACK_AGAIN)
    if entry.is_dir() and entry.file_size:
        raise _damaged(where, f"the folder {name} has content")


_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder whose name is a file's",
    stat.S_IFREG: "a file whose name is a folder's",
}


def _places(entries: Sequence[zipfile.ZipInfo], file: IO[bytes], start: int, where: str) -> dict[int, int]:
    """Where the bytes of each header begin: bytes of its own, before the directory, that it describes as that does."""
    free = 0
    places: dict[int, int] = {}
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        name = quoted(entry.filename)
        if entry.header_offset < free:
            raise _damaged(where, f"{name} lies over another entry")
        header = _at(file, entry.header_offset, LOCAL.size)
        if len(header) < LOCAL.size or header[:4] != b"PK\3\4":
            raise _damaged(where, f"{name} has no header")
        _, _, flags, method, _, _, crc, packed, size, length, extra = LOCAL.unpack(header)
        own = _at(file, entry.header_offset + LOCAL.size, length)
        if own != _raw(entry) or method != entry.compress_type or flags & 1 != entry.flag_bits & 1:
            raise _damaged(where, f"{name} is called or packed otherwise in its own header")
        told = (entry.CRC, entry.compress_size, entry.file_size)
        large = 0xFFFFFFFF in (packed, size)
        if not flags & DESCRIPTOR and not large and (crc, packed, size) != told:
            raise _damaged(where, f"{name} has other sizes in its own header")
        places[entry.header_offset] = entry.header_offset + LOCAL.size + length + extra
        free = places[entry.header_offset] + entry.compress_size
        if free > start:
            raise _damaged(where, f"{name} reaches into the directory")
    return places


def _raw(entry: zipfile.ZipInfo) -> bytes:
    return entry.orig_filename.encode("utf-8" if entry.flag_bits & 0x800 else "cp437", "surrogateescape")
