"""What is handed in: a result list, the text of one, or a file with it, which may be zipped.

    read_entry(path, labels) -> Detections      or a FileProblemError with the entry, its line and field

A contest looks at a file before it judges it. At full size reading takes longer than judging, so what was read is kept
for whoever reads the same file next, once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable
from pathlib import Path

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Blob, Json, canonical
from guerdon.hosting.errors import HostingError
from guerdon.hosting.files import ArchiveCaps, read_zip
from guerdon.vision.coco import FileProblemError, Labels
from guerdon.vision.detections import Detections
from guerdon.vision.submission import BYTES, MOST, read_submission

PACK = "Zip the one result file, or hand it in as it is"
_LEFT_BEHIND = ("__MACOSX", ".DS_Store", "Thumbs.db")  # by operating systems
_read: dict[Hashable, Detections] = {}


def read_answer(
    content: Json | Blob, labels: Labels, *, most: int = MOST, stored: str = "", keep: bool = False
) -> Detections:
    """The detections in an answer: a list of entries, the text of a result file, or a stored one (also a zip).

    Args:
        content: of the answer.
        labels: of the data set that it is about; boxes are not needed.
        most: entries of one image at most.
        stored: folder of stored files.
        keep: hold what is in a file for the next call that wants the same.

    Raises:
        FileProblemError: with the entry, its line and field.
        ConfigError: a stored file is not there.
    """
    if isinstance(content, Blob):
        place = _place(content, stored)
        mark = _mark(place, labels, most)
        found = _read.pop(mark, None)
        _read.clear()
        found = read_entry(place, labels, most=most) if found is None else found
        if keep:
            _read[mark] = found
        return found
    if isinstance(content, str):
        return read_entry(content.encode("utf-8", "replace"), labels, most=most)
    if not isinstance(content, list):
        raise FileProblemError("a list of detections", f"got a {type(content).__name__}", "Hand in a COCO result list")
    return read_submission(canonical(content).encode(), labels, most=most)


def _place(content: Blob, stored: str) -> Path:
    path = getattr(content, "path", "")  # of a file that was handed in to a contest
    place = Path(path) if path else Path(stored) / content.digest[:2] / content.digest
    if not (path or stored) or not place.is_file():
        raise ConfigError("the folder of stored files", f"{content.digest[:12]} is not in it", "Set --stored")
    return place


def _mark(place: Path, labels: Labels, most: int) -> Hashable:
    """What decides about what is read."""
    told = place.stat()
    ids = hashlib.sha256(labels.images.tobytes() + b"|" + labels.categories.tobytes()).digest()
    return place.resolve(), told.st_ino, told.st_size, told.st_mtime_ns, most, ids


def read_entry(source: Path | bytes, labels: Labels, *, most: int = MOST) -> Detections:
    """Read a result file, or a zip that holds one and nothing else.

    Args:
        source: a file, or its content.
        labels: of the data set that it is about.
        most: entries of one image at most.

    Raises:
        FileProblemError: with the entry, its line and field; or with what is wrong with the zip.
    """
    try:
        data = _unzipped(source)
        return read_submission(source if data is None else data, labels, most=most)
    except HostingError as problem:
        raise FileProblemError(problem.expected, problem.got, problem.do) from None


def _unzipped(source: Path | bytes) -> bytes | None:
    """The result file in a zip; `None` if it is no zip."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            start = file.read(2)
    else:
        start = source[:2]
    if start != b"PK":
        return None
    archive = read_zip(source, ArchiveCaps(packed=BYTES, entries=100, entry=BYTES, total=BYTES + (1 << 20)))
    names = [name for name in archive if not any(part.startswith(("._", *_LEFT_BEHIND)) for part in name.split("/"))]
    if len(names) != 1:
        raise FileProblemError("a zip with one file", f"got {len(names)}", PACK)
    if not names[0].endswith(".json"):
        raise FileProblemError("one file that ends in .json", f"got {ascii(names[0])[:80]}", PACK)
    return archive.read(names[0])
