"""Big contents as files named by their digest."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, BinaryIO

from guerdon.core.errors import LedgerError
from guerdon.core.plain import Blob
from guerdon.ledger import troubles

_CHUNK = 1 << 20
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


class Blobs:
    """A content-addressed folder: a blob is whole or absent, and is checked when it is read.

    Args:
        folder: gives the folder; asked on first use.
    """

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder

    def path(self, blob: Blob) -> Path:
        """Where a blob is, or would be.

        Raises:
            LedgerError: its digest is not 64 hexadecimal digits.
        """
        if not _DIGEST.fullmatch(blob.digest):
            raise LedgerError("a blob's digest is 64 hexadecimal digits", f"got {blob.digest[:80]!r}", "Use Blob.of")
        return self._folder() / blob.digest[:2] / blob.digest

    def put(self, content: bytes | Path, media: str = "application/octet-stream") -> Blob:
        """Store bytes or the content of a file; storing it twice is storing it once.

        Raises:
            LedgerError: it cannot be written. Nothing is left behind.
        """
        try:
            with self._source(content) as chunks:
                return self._keep(chunks, media, None)
        except OSError as error:
            raise troubles.of_system(error, f"the blobs in {self._folder()}") from error

    def take(self, file: IO[bytes], digest: str) -> bool:
        """Store what a file holds if it has this digest; say whether it had."""
        chunks = iter(lambda: file.read(_CHUNK), b"")
        return self._keep(chunks, "", digest).digest == digest

    def _keep(self, chunks: Iterator[bytes], media: str, only: str | None) -> Blob:
        with self._temporary() as (file, name):
            sha, size = hashlib.sha256(), 0
            for chunk in chunks:
                sha.update(chunk)
                size += len(chunk)
                file.write(chunk)
            blob = Blob(sha.hexdigest(), size, media)
            target = self.path(blob)
            if only in (None, blob.digest) and not _holds(target, blob):
                file.flush()
                os.fsync(file.fileno())
                target.parent.mkdir(exist_ok=True)
                name.replace(target)
                _sync_folder(target.parent)
        return blob

    def get(self, blob: Blob) -> bytes:
        """The bytes of a blob.

        Raises:
            LedgerError: it is not there, or is not what its name says.
        """
        path = self.path(blob)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise LedgerError(
                "a stored blob", f"there is no {path}", "Import a bundle that has it, or restore the folder"
            ) from None
        except OSError as error:
            raise troubles.of_system(error, str(path)) from error
        if hashlib.sha256(data).hexdigest() != blob.digest:
            raise LedgerError("a blob that is what its name says", f"{path} was changed", "Restore it from a backup")
        return data

    def remove(self, blob: Blob) -> None:
        """Delete a blob; twice is once. Whoever does so has made sure that nothing names it."""
        try:
            self.path(blob).unlink(missing_ok=True)
        except OSError as error:
            raise troubles.of_system(error, str(self.path(blob))) from error

    def __contains__(self, blob: Blob) -> bool:
        return _size(self.path(blob)) == blob.size

    @contextlib.contextmanager
    def _source(self, content: bytes | Path) -> Iterator[Iterator[bytes]]:
        if isinstance(content, bytes):
            yield iter((content,))
            return
        with Path(content).open("rb") as file:
            yield iter(lambda: file.read(_CHUNK), b"")

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[tuple[BinaryIO, Path]]:
        folder = self._folder()
        folder.mkdir(parents=True, exist_ok=True)
        handle, text = tempfile.mkstemp(prefix=".new-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file, Path(text)
        finally:
            Path(text).unlink(missing_ok=True)


def _holds(path: Path, blob: Blob) -> bool:
    """Whether a file is what its name says: one that was damaged is replaced by whoever stores it again."""
    try:
        with path.open("rb") as file:
            return _size(path) == blob.size and hashlib.file_digest(file, "sha256").hexdigest() == blob.digest
    except FileNotFoundError:
        return False


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
