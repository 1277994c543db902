"""A submission to a detection contest: a result file, checked before anything is counted.

read_submission(path, labels) -> Detections      or a FileProblemError with the entry, its line and field
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from guerdon.vision.coco import FileProblemError, Floats, Ints, Labels, read_results
from guerdon.vision.detections import Detections

MOST = 300
"""Entries of one image, by the rules of V3Det's challenge."""
BYTES = 4 << 30
"""A result file that is larger is not read: three times that of 300 detections in each of 29,863 images."""


def read_submission(source: Path | bytes, labels: Labels, *, most: int = MOST, largest: int = BYTES) -> Detections:
    """Read a list of results in which no detection is there twice.

    Args:
        source: a file, or its content.
        labels: of the data set that it is about.
        most: entries of one image at most.
        largest: bytes of the file at most.

    Raises:
        FileProblemError: with the entry, its line and field.
    """
    size = source.stat().st_size if isinstance(source, Path) else len(source)
    if size > largest:
        raise FileProblemError(f"at most {largest:,} bytes", f"got {size:,}", "Keep fewer detections or digits")
    found = read_results(source, labels, most=most)
    _no_twins(found, labels)
    return found


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
