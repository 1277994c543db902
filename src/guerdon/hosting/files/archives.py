"""What zip and tar have in common: caps, names, and what an opened archive is."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import IO

from guerdon.hosting.files.problems import FileProblemError, FileTooLargeError, quoted

CHUNK = 1 << 18
NAME_BYTES = 200
PACK_AGAIN = "Pack the folder again with plain files only"
Source = bytes | Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveCaps:
    """What an archive may hold.

    >>> ArchiveCaps(entries=10).ratio
    100
    """

    packed: int = 1 << 30
    """Bytes of the archive itself."""
    entries: int = 10_000
    """Files and folders in it."""
    entry: int = 512 << 20
    """Bytes of one file, unpacked."""
    total: int = 1 << 30
    """Bytes of all files, unpacked."""
    ratio: int = 100
    """Unpacked to packed bytes, of each file and in all."""
    free: int = 64 << 10
    """Bytes up to which the ratio does not matter: a short file of zeros packs better than any cap."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Archive:
    """The checked files of an archive, by name. Archives in it are files like others: they are not opened.

    Args:
        sizes: bytes of each file.
        chunks: gives a file's bytes in pieces; raises if there are more than its size says.
    """

    sizes: Mapping[str, int]
    chunks: Callable[[str], Iterator[bytes]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sizes)

    def __contains__(self, name: object) -> bool:
        return name in self.sizes

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises:
            FileProblemError: it is damaged, or is not there.
        """
        if name not in self.sizes:
            there = ", ".join(quoted(each, 30) for each in list(self.sizes)[:5]) or "nothing"
            raise FileProblemError(f"a file {quoted(name)} in the archive", f"there is {there}", "Add it")
        return b"".join(self.chunks(name))

    def unpack(self, folder: Path, under: str = "") -> list[Path]:
        """Write the files into a new folder that nobody else writes to.

        Args:
            folder: made if it is not there; must be empty.
            under: only the files below this folder of the archive, without its name.

        Raises:
            FileProblemError: a file is damaged. What was written before stays for the caller to remove.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FileProblemError("an empty folder to unpack into", f"{folder} holds files", "Name another one")
        prefix = f"{under}/" if under else ""
        written = []
        for name in self.sizes:
            if name.startswith(prefix):
                target = folder / name[len(prefix) :]
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    file.writelines(self.chunks(name))
                written.append(target)
        return written


def safe_name(name: str, where: str = "the archive") -> str:
    """A relative path with plain components, or a refusal. Nothing is decoded: `%2e` is four characters.

    Args:
        name: as it stands in the archive; a folder's may end with a slash.
        where: what is being read.

    Raises:
        FileProblemError: absolute, `..`, a backslash, a drive, a control character, not NFC, or over 200 bytes.

    >>> safe_name("a/b.txt")
    'a/b.txt'
    """
    plain = name.removesuffix("/")
    if problem := _bad(plain):
        raise FileProblemError(f"names in {where} are plain relative paths", f"{quoted(name)} {problem}", PACK_AGAIN)
    return plain


def _bad(name: str) -> str:
    if not name:
        return "is empty"
    if "\0" in name:
        return "holds a NUL"
    try:
        if len(name.encode("utf-8")) > NAME_BYTES:
            return f"is longer than {NAME_BYTES} bytes"
    except UnicodeEncodeError:
        return "is not Unicode text"
    if name.startswith("/"):
        return "is absolute"
    if "\\" in name:
        return "holds a backslash"
    if name[1:2] == ":":
        return "names a drive"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "has an empty part, '.' or '..'"
    if not name.isprintable():
        return "holds a character that cannot be shown"
    if not unicodedata.is_normalized("NFC", name):
        return "is not in Unicode normal form C"
    return ""


def check_names(files: Iterable[str], folders: Iterable[str], where: str) -> None:
    """Refuse two files of one name (also where only the case differs), and a file that is also a folder.

    Raises:
        FileProblemError: with the name.
    """
    seen: set[str] = set()
    names = list(files)
    for name in names:
        if name.casefold() in seen:
            raise FileProblemError(f"each name in {where} once", f"got {quoted(name)} twice", PACK_AGAIN)
        seen.add(name.casefold())
    parents = {str(parent).casefold() for name in names for parent in PurePosixPath(name).parents}
    parents |= {name.casefold() for name in folders}
    if both := next((name for name in names if name.casefold() in parents), None):
        raise FileProblemError(f"names in {where} are of files or folders", f"{quoted(both)} is both", PACK_AGAIN)


class Tally:
    """Counts what an archive says it holds, and refuses what is over a cap."""

    def __init__(self, caps: ArchiveCaps, where: str) -> None:
        self.caps, self.where = caps, where
        self.entries = self.total = self.packed = 0

    def entry(self, name: str, size: int, packed: int | None = None) -> None:
        """Count one entry.

        Raises:
            FileTooLargeError: it is one too many, too large, or too densely packed.
        """
        caps = self.caps
        self.entries += 1
        self.total += size
        self.packed += packed or 0
        if self.entries > caps.entries:
            raise too_large(
                f"at most {caps.entries:,} entries in {self.where}", "there are more", "Hand in fewer files"
            )
        if size > caps.entry:
            raise too_large(f"files of at most {caps.entry:,} bytes", f"{quoted(name)} has {size:,}", "Shorten it")
        if self.total > caps.total:
            raise too_large(f"at most {caps.total:,} bytes in {self.where}", f"{self.total:,} and more", "Shorten them")
        if packed is not None and size > caps.free and size > caps.ratio * packed:
            raise too_large(
                f"files packed to no less than 1/{caps.ratio}", f"{quoted(name)} has {packed:,} bytes for {size:,}",
                "Pack it less densely: zip -0",
            )  # fmt: skip

    def end(self) -> None:
        """Check the whole."""
        if self.packed and self.total > self.caps.free and self.total > self.caps.ratio * self.packed:
            got = f"{self.packed:,} bytes for {self.total:,}"
            raise too_large(f"an archive packed to no less than 1/{self.caps.ratio}", got, "Pack it less densely")


def too_large(expected: str, got: str, do: str) -> FileTooLargeError:
    """The refusal of something over a cap."""
    return FileTooLargeError(expected, got, do)


def exactly(file: IO[bytes], size: int, name: str, where: str) -> Iterator[bytes]:
    """The bytes of a file that says how many it has.

    Raises:
        FileProblemError: it has more, or fewer.
    """
    left = size
    while piece := file.read(CHUNK):
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        got = f"{quoted(name)} has {'more' if left < 0 else 'fewer'} bytes than the {size:,} it says"
        raise FileProblemError(f"an undamaged {where}", got, "Pack it again")


def frozen(sizes: dict[str, int]) -> Mapping[str, int]:
    """A read-only view."""
    return MappingProxyType(sizes)
