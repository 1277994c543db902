"""Digests of files and folders of weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from guerdon.core.plain import digest


def file_digest(path: Path) -> str:
    """Hex SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path) -> str:
    """Digest of the names and bytes of the files in a folder, hidden ones left out."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    seen = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    return digest("folder", [[path.relative_to(folder).as_posix(), file_digest(path)] for path in seen])
