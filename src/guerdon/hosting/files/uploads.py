"""What comes in over the wire: counted while it comes, and kept by its digest."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path
from typing import Protocol

from guerdon.core.plain import Blob
from guerdon.hosting.files.problems import FileTooLargeError


class Store(Protocol):
    """Where files lie by digest: the ledger's blobs."""

    def put(self, content: bytes | Path, media: str = ...) -> Blob:
        """Store it."""


class Intake:
    """Takes a file in piece by piece and never more than a cap. Also a context manager: nothing is left behind.

    Args:
        most: bytes.
        what: what to call it in errors.

    >>> with Intake(4) as file:
    ...     file.add(b"abc")
    ...     file.size
    3
    """

    def __init__(self, most: int, what: str = "a file") -> None:
        self.most, self.what, self.size = most, what, 0
        self._file = tempfile.NamedTemporaryFile(prefix="guerdon-upload-")  # noqa: SIM115  # closed by `close`

    def add(self, piece: bytes) -> None:
        """Take the next piece.

        Raises:
            FileTooLargeError: it is one byte too many; nothing more is written.
        """
        self.size += len(piece)
        if self.size > self.most:
            raise FileTooLargeError(f"{self.what} of at most {self.most:,} bytes", "got more", "Shorten it")
        self._file.write(piece)

    def path(self) -> Path:
        """Where it is, until this is closed."""
        self._file.flush()
        return Path(self._file.name)

    def keep(self, blobs: Store, media: str = "application/octet-stream") -> Blob:
        """Store it by its digest."""
        return blobs.put(self.path(), media)

    def close(self) -> None:
        """Forget it."""
        self._file.close()

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shown_name(name: str, most: int = 100) -> str:
    """The name under which a file was handed in, fit to be shown. It is never a path of ours.

    >>> shown_name("../../etc/passwd")
    'passwd'
    """
    last = unicodedata.normalize("NFC", name.replace("\\", "/")).rsplit("/", 1)[-1]
    plain = "".join(each for each in last if each.isprintable()).strip(". ")
    return plain[:most] or "file"
