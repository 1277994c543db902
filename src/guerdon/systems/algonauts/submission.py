"""The zip that is handed in: one float32 array for each subject and hemisphere, and what may be wrong with it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, did_you_mean
from guerdon.hosting.errors import HostingError
from guerdon.hosting.files import Archive, ArchiveCaps, read_npy, read_zip
from guerdon.systems.algonauts.layout import HEMISPHERES, Subject

Shapes: TypeAlias = Mapping[str, Mapping[str, Sequence[int]]]
"""Subject → hemisphere → (test images, vertices)."""
Predictions: TypeAlias = Mapping[str, Mapping[str, npt.NDArray[np.floating[Any]]]]
FOLDER = "algonauts_2023_challenge_submission"
SPARE = 1 << 12
"""Bytes that the header of an array may take."""
EPOCH = (2023, 1, 1, 0, 0, 0)
"""One time for every file, so that the same predictions make the same zip."""


def shapes_of(found: Sequence[Subject]) -> dict[str, dict[str, list[int]]]:
    """What is to be predicted for these subjects."""
    return {
        subject.name: {side: [len(subject.images("test")), subject.vertices(side)] for side in HEMISPHERES}
        for subject in found
    }


def write(predictions: Predictions, target: Path | io.BytesIO) -> None:
    """Write the zip.

    Args:
        predictions: (test images, vertices) by subject and hemisphere.
        target: a file, or a buffer.

    Raises:
        ConfigError: an array has another shape than two sides, or numbers that are not finite.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for subject, sides in sorted(predictions.items()):
            for side, table in sorted(sides.items()):
                array = np.ascontiguousarray(table, np.float32)
                if array.ndim != 2 or not np.isfinite(array).all():
                    got = f"got {array.shape}" if array.ndim != 2 else "some are not"
                    do = "Predict a finite number for each image and vertex"
                    raise ConfigError(f"finite predictions (images, vertices) of {subject} {side}", got, do)
                file = io.BytesIO()
                np.save(file, array, allow_pickle=False)
                name = zipfile.ZipInfo(f"{FOLDER}/{subject}/{side}_pred_test.npy", EPOCH)
                name.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(name, file.getbuffer())


def caps_of(shapes: Shapes) -> ArchiveCaps:
    """What a zip of these shapes may hold, as double precision at most."""
    sizes = [int(np.prod(shape)) * 8 + SPARE for sides in shapes.values() for shape in sides.values()]
    count = 8 * len(sizes) + 64
    return ArchiveCaps(
        packed=2 * sum(sizes) + (1 << 20), entries=count, entry=max(sizes), total=sum(sizes) + (1 << 20), ratio=2000
    )


class Submission:
    """A zip that was checked for its names; arrays are read when they are asked for.

    Args:
        source: the zip, or its bytes.
        shapes: what is to be predicted.

    Raises:
        HostingError: it is damaged, a file is missing or is not expected.
    """

    def __init__(self, source: Path | bytes, shapes: Shapes) -> None:
        self.shapes = shapes
        self.archive: Archive = read_zip(source, caps_of(shapes), "the submission")
        wanted = {f"{subject}/{side}_pred_test.npy": (subject, side) for subject in shapes for side in shapes[subject]}
        self.names: dict[tuple[str, str], str] = {}
        for name in self.archive:
            short = name.removeprefix(FOLDER + "/")
            if short in wanted:
                if wanted[short] in self.names:
                    raise HostingError(f"one {short}", "it is there twice", f"Keep the one in {FOLDER}")
                self.names[wanted[short]] = name
            elif not _ignored(name):
                do = did_you_mean(short, wanted) if len(wanted) < 20 else "Put in SUBJECT/{lh,rh}_pred_test.npy only"
                raise HostingError("no other files than predictions", f"got {ascii(name)[:80]}", do)
        missing = [name for name, pair in wanted.items() if pair not in self.names]
        if missing:
            got = f"{len(missing)} of {len(wanted)} are missing, the first is {missing[0]}"
            raise HostingError(f"{FOLDER}/SUBJECT/SIDE_pred_test.npy for each subject and hemisphere", got, "Add them")

    def read(self, subject: str, side: str) -> npt.NDArray[np.float32]:
        """One table of predictions.

        Raises:
            HostingError: it is no float32 array of finite numbers in the right shape; names the file.
        """
        name = f"{subject}/{side}_pred_test.npy"
        found = read_npy(self.archive.read(self.names[subject, side]), tuple(self.shapes[subject][side]), where=name)
        if found.dtype != np.float32:
            raise HostingError(f"{name} holds float32", f"got {found.dtype}", "Save array.astype(numpy.float32)")
        return found

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.names)


def _ignored(name: str) -> bool:
    """What operating systems leave in archives."""
    parts = name.split("/")
    return parts[0] == "__MACOSX" or parts[-1] in (".DS_Store", "Thumbs.db") or parts[-1].startswith("._")


def problem(source: Path | bytes, shapes: Shapes) -> str | None:
    """The first thing that is wrong with a submission, naming the file; `None` if nothing is."""
    try:
        found = Submission(source, shapes)
        for subject, side in found:
            found.read(subject, side)
    except HostingError as error:
        return str(error)
    return None
