"""A submission to a detection contest: a result file, or a zip with one in it, checked before anything is counted.

read_submission(path, labels) -> Detections      or a FileProblemError with the entry, its line and field
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np

from guerdon.vision.coco import FileProblemError, Floats, Ints, Labels, read_results
from guerdon.vision.detections import Detections

MOST = 300
"""Entries of one image, by the rules of V3Det's challenge."""
BYTES = 4 << 30
"""A result file that is larger is not read: three times that of 300 detections in each of 29,863 images."""
_RATIO = 100  # of a zip's content to its size


def read_submission(source: Path | bytes, labels: Labels, *, most: int = MOST, largest: int = BYTES) -> Detections:
    """Read a list of results, or a zip that holds one `.json` file and nothing else.

    Args:
        source: a file, or its content.
        labels: of the data set that it is about.
        most: entries of one image at most.
        largest: bytes of the result file at most.

    Raises:
        FileProblemError: with the entry, its line and field; or with what is wrong with the zip.
    """
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > largest:
        raise FileProblemError(f"at most {largest:,} bytes", f"got {size:,}", "Keep fewer detections or digits")
    data = source.read_bytes() if isinstance(source, Path) else source
    if data[:2] == b"PK":
        data = _unzipped(data, largest)
    found = read_results(data, labels, most=most)
    _no_twins(found, labels)
    return found


def _unzipped(data: bytes, largest: int) -> bytes:
    do = "Zip the one result file, without folders, or hand it in as it is"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            if len(entries) != 1 or entries[0].is_dir():
                raise FileProblemError("a zip with one file", f"got {len(entries)} entries", do)
            one = entries[0]
            name = PurePosixPath(one.filename)
            if len(name.parts) != 1 or name.suffix != ".json" or "\\" in one.filename or one.external_attr >> 28 == 0xA:
                raise FileProblemError("one file that ends in .json", f"got {one.filename[:80]!r}", do)
            if one.flag_bits & 1:
                raise FileProblemError("a zip without a password", "it is encrypted", do)
            if one.file_size > min(largest, _RATIO * max(len(data), 1)):
                got = f"it says that {one.file_size:,} bytes are in {len(data):,}"
                raise FileProblemError(f"at most {largest:,} bytes, {_RATIO} for each of the zip's", got, do)
            with archive.open(one) as content:
                text = content.read(one.file_size + 1)  # of a lying directory no more than it says
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, ValueError, RuntimeError) as error:
        raise FileProblemError("a zip that can be read", " ".join(str(error).split())[:120], do) from None
    if len(text) != one.file_size:
        raise FileProblemError(f"{one.file_size:,} bytes", f"got {len(text):,}", do)
    return text


def _no_twins(found: Detections, labels: Labels) -> None:
    """Refuse two entries with the same image, category and box."""
    marks = _marks(found)
    order = np.argsort(marks, kind="stable")
    alike = np.flatnonzero(marks[order][1:] == marks[order][:-1])
    if not len(alike):
        return
    one, two = order[alike], order[alike + 1]
    same = (found.image[one] == found.image[two]) & (found.category[one] == found.category[two])
    same &= (found.box[one] == found.box[two]).all(1)
    if same.any():
        at = int(np.argmin(np.where(same, two, len(found))))
        image = int(labels.images[found.image[two[at]]])
        got = f"entry {int(two[at])} has image, category and box of entry {int(one[at])} (image_id {image})"
        more = int(same.sum()) - 1
        raise FileProblemError("no detection twice", got + (f", and {more} more" if more else ""), "Keep the surer one")


def _marks(found: Detections) -> Ints:
    """(n,) numbers that are equal for equal entries, and hardly ever for others."""
    sides: Floats = np.ascontiguousarray(found.box + 0.0)  # no negative zeros
    columns = [found.image, found.category, *sides.view(np.int64).T]
    mark = np.zeros(len(found), np.uint64)
    for column in columns:
        mark = (mark ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mark ^= mark >> np.uint64(32)
    return mark.view(np.int64)
