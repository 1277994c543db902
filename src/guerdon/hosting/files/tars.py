"""Tar archives, plain or gzipped: headers are walked before `tarfile` sees them; its filter has the last word."""

from __future__ import annotations

import gzip
import io
import tarfile
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
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

BLOCK = 512
HEADER_TEXT = 64 << 10
"""Bytes of an extended header: longer names than we take would need more."""
_KINDS = {
    tarfile.SYMTYPE: "a link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.CONTTYPE: "a contiguous file",
}


_TEXTS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
"""Headers that are followed by text about the next one."""


def read_tar(source: Source, caps: ArchiveCaps | None = None, where: str = "the tar") -> Archive:
    """Open a tar archive that a stranger made, gzipped or not. It is held in a temporary file while in use.

    Args:
        source: a file, or its bytes.
        caps: what it may hold.
        where: what to call it in errors.

    Raises:
        FileProblemError: it is damaged, or holds anything but plain files and folders with plain names.
        FileTooLargeError: it is over a cap.
    """
    caps = caps or ArchiveCaps()
    plain = _unpacked(source, caps, where)
    try:
        _walk(plain, caps, where)
        members = _members(plain, caps, where)
    except BaseException:
        plain.close()
        raise
    sizes = {name: member.size for name, member in members.items()}

    def chunks(name: str) -> Iterator[bytes]:
        member = members[name]
        plain.seek(member.offset_data)
        yield from exactly(_Part(plain, member.size), member.size, name, where)  # type: ignore[arg-type]

    archive = Archive(frozen(sizes), chunks)
    weakref.finalize(archive, plain.close)
    return archive


class _Part:
    """The next so many bytes of a file."""

    def __init__(self, file: IO[bytes], left: int) -> None:
        self.file, self.left = file, left

    def read(self, count: int) -> bytes:
        piece = self.file.read(min(count, self.left))
        self.left -= len(piece)
        return piece


def _damaged(where: str, why: str) -> FileProblemError:
    return FileProblemError(f"{where} is a whole tar archive", why, "Pack it again")


def _unpacked(source: Source, caps: ArchiveCaps, where: str) -> IO[bytes]:
    """The plain tar in a temporary file; a gzipped one is unpacked up to the cap."""
    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    if size > caps.packed:
        raise too_large(f"{where} of at most {caps.packed:,} bytes", f"got {size:,}", "Shorten it")
    out = tempfile.SpooledTemporaryFile(CHUNK * 16)  # noqa: SIM115  # lives as long as the archive
    most = min(caps.total + caps.entries * 4 * BLOCK, max(caps.free, caps.ratio * size) + 32 * BLOCK)
    try:
        with _pieces(source) as stream:
            while piece := stream.read(CHUNK):
                if out.tell() + len(piece) > most:
                    expected = f"{where} of at most {caps.total:,} bytes, and {caps.ratio} times its packed size"
                    raise too_large(expected, "it unpacks to more", "Shorten it")
                out.write(piece)
    except (OSError, EOFError, zlib.error) as error:
        out.close()
        raise _damaged(where, str(error)) from None
    except BaseException:
        out.close()
        raise
    out.seek(0)
    return out


@contextmanager
def _pieces(source: Source) -> Iterator[IO[bytes]]:
    with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        yield gzip.GzipFile(fileobj=file) if zipped else file  # type: ignore[misc]


def _walk(file: IO[bytes], caps: ArchiveCaps, where: str) -> None:
    """Count headers and look at extended ones, whose text `tarfile` would take into memory whole."""
    file.seek(0)
    count = 0
    while (block := file.read(BLOCK)) and block.strip(b"\0"):
        if len(block) < BLOCK:
            raise _damaged(where, "it is cut short")
        try:
            size = tarfile.nti(block[124:136])  # type: ignore[attr-defined]
            told = tarfile.nti(block[148:156])  # type: ignore[attr-defined]
            sums = tarfile.calc_chksums(block)  # type: ignore[attr-defined]
        except tarfile.TarError as error:
            raise _damaged(where, f"header {count + 1}: {error}") from None
        if told not in sums or size < 0:
            raise _damaged(where, f"header {count + 1} is not one")
        count += 1
        _check_header(file, block, size, f"header {count}", where)
        if count > 3 * caps.entries:
            raise too_large(f"at most {caps.entries:,} entries in {where}", "there are more", "Hand in fewer files")
        if size > caps.total:
            raise too_large(f"at most {caps.total:,} bytes in {where}", f"header {count} says {size:,}", "Shorten it")
        file.seek((size + BLOCK - 1) // BLOCK * BLOCK, 1)


def _check_header(file: IO[bytes], block: bytes, size: int, which: str, where: str) -> None:
    """Refuse where `tarfile` would go another way than this walk: kinds but files and folders, sizes told twice.

    An extended header with a negative size sends some versions of `tarfile` round in circles.
    """
    kind, name = block[156:157], block[:100].split(b"\0")[0]
    if kind in _TEXTS:
        if size > HEADER_TEXT:
            raise too_large(f"short headers in {where}", f"{which} has {size:,} bytes", PACK_AGAIN)
        text = file.read(size)
        file.seek(-len(text), 1)
        if kind in (tarfile.XHDTYPE, tarfile.XGLTYPE) and (b" size=" in text or b" GNU.sparse" in text):
            raise FileProblemError(f"plain headers in {where}", f"{which} tells a size of its own", PACK_AGAIN)
        return
    shown = quoted(name.decode("utf-8", "replace"))
    if kind not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        what = _KINDS.get(kind, f"of type {kind!r}")
        raise FileProblemError(f"{where} holds files and folders", f"{shown} is {what}", PACK_AGAIN)
    folder = kind == tarfile.DIRTYPE or (kind == tarfile.AREGTYPE and name.endswith(b"/"))
    if folder and size:
        raise _damaged(where, f"the folder {shown} has content")


def _members(file: IO[bytes], caps: ArchiveCaps, where: str) -> dict[str, tarfile.TarInfo]:
    file.seek(0)
    try:
        with tarfile.open(fileobj=file, mode="r:") as found:
            entries = found.getmembers()
    except (tarfile.TarError, EOFError, ValueError, UnicodeError) as error:
        raise _damaged(where, str(error)) from None
    tally = Tally(caps, where)
    files: dict[str, tarfile.TarInfo] = {}
    folders: list[str] = []
    for entry in entries:
        name = safe_name(entry.name.removeprefix("./") if entry.name != "." else "root", where)
        _check_entry(entry, name, where)
        tally.entry(name, entry.size)
        if entry.isdir():
            folders.append(name)
            continue
        if name in files:
            raise FileProblemError(f"each name in {where} once", f"got {quoted(name)} twice", PACK_AGAIN)
        files[name] = entry
    check_names(files, folders, where)
    return files


def _check_entry(entry: tarfile.TarInfo, name: str, where: str) -> None:
    if entry.issparse() or entry.type not in (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE):
        kind = "a sparse file" if entry.issparse() else _KINDS.get(entry.type, f"of type {entry.type!r}")
        raise FileProblemError(f"{where} holds files and folders", f"{quoted(name)} is {kind}", PACK_AGAIN)
    if entry.mode & 0o6000:
        raise FileProblemError(f"plain permissions in {where}", f"{quoted(name)} is setuid or setgid", PACK_AGAIN)
    try:
        tarfile.data_filter(entry, "/nowhere")
    except tarfile.FilterError as error:
        raise FileProblemError(f"{where} holds what is safe to unpack", str(error), PACK_AGAIN) from None
