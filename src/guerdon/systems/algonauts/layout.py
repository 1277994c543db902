"""The folders and files of the challenge: one folder for each subject, exactly as the organisers lay them out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.systems.algonauts.mapping import read_mapping

Split: TypeAlias = Literal["training", "test"]
Hemisphere: TypeAlias = Literal["lh", "rh"]
Mask: TypeAlias = npt.NDArray[np.bool_]
HEMISPHERES: tuple[Hemisphere, ...] = get_args(Hemisphere)
FSAVERAGE = 163_842
"""Vertices of one hemisphere of the common surface."""
CLASSES: Mapping[str, tuple[str, ...]] = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "streams": ("early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"),
}
"""Classes of regions and their regions; not every subject has all of them."""
COUNTS: Mapping[int, tuple[int, int]] = {
    **dict.fromkeys((1, 2, 5, 7), (9841, 159)), **dict.fromkeys((3, 6), (9082, 293)),
    **dict.fromkeys((4, 8), (8779, 395)),
}  # fmt: skip
"""Training and test images of each subject (source: arXiv 2301.03198)."""
VERTICES: Mapping[int, tuple[int, int]] = {
    **dict.fromkeys((1, 2, 3, 4, 5, 7), (19_004, 20_544)), 6: (18_978, 20_220), 8: (18_981, 20_530),
}  # fmt: skip
"""Vertices of the left and the right hemisphere."""
IMAGE = re.compile(r"(train|test)-(\d{4,})_nsd-(\d{5,})\.(png|jpe?g)")
PICTURE = re.compile(r"\.(png|jpe?g)$", re.IGNORECASE)
SUBJECT = re.compile(r"subj\d{2}")


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject's folder.

    Args:
        folder: `.../subj01`.
    """

    folder: Path

    @property
    def name(self) -> str:
        """Such as subj01."""
        return self.folder.name

    def images(self, split: Split) -> list[Path]:
        """The pictures of a split in the order of the rows of its responses: sorted by file name.

        Raises:
            ConfigError: there are none, one is called otherwise, or numbers are missing.
        """
        folder = self.folder / f"{split}_split" / f"{split}_images"
        found = sorted(each for each in _listed(folder) if not each.name.startswith("."))
        word = "train" if split == "training" else "test"
        for at, each in enumerate(found, start=1):
            told = IMAGE.fullmatch(each.name)
            if told is None or told[1] != word or int(told[2]) != at:
                do = "Keep the pictures of the split there and nothing else, numbered from 0001 on"
                raise ConfigError(f"{folder.name}/{word}-{at:04d}_nsd-XXXXX.png", f"got {each.name!r:.80}", do)
        if not found:
            raise ConfigError(f"pictures in {folder}", "there are none", "Unpack the challenge's data there")
        return found

    def fmri_path(self, split: Split, hemisphere: Hemisphere) -> Path:
        """Where the responses (images, vertices) of a split are."""
        return self.folder / f"{split}_split" / f"{split}_fmri" / f"{hemisphere}_{split}_fmri.npy"

    def fmri(self, split: Split, hemisphere: Hemisphere) -> npt.NDArray[np.float32]:
        """Responses (images, vertices), memory-mapped.

        Raises:
            ConfigError: they are not there, or are no table of numbers.
        """
        found: npt.NDArray[np.float32] = read_table(self.fmri_path(split, hemisphere), 2)
        return found

    def ceiling_path(self, hemisphere: Hemisphere) -> Path:
        """Where the noise ceiling of each vertex is."""
        return self.folder / "test_split" / "noise_ceiling" / f"{hemisphere}_noise_ceiling.npy"

    def ceiling(self, hemisphere: Hemisphere) -> npt.NDArray[np.float64]:
        """Explainable share of variance of each vertex.

        Raises:
            ConfigError: it is not there, or not between 0 and 1.
        """
        path = self.ceiling_path(hemisphere)
        found = np.asarray(read_table(path, 1), np.float64)
        if not (shares := (found >= 0) & (found <= 1)).all():
            vertex = int(np.argmin(shares))
            got = f"that of vertex {vertex} is {found[vertex]:g}"
            do = "Divide percents by 100, and leave out vertices without a ceiling"
            raise ConfigError(f"{path.name} holds shares from 0 to 1", got, do)
        return found

    def vertices(self, hemisphere: Hemisphere) -> int:
        """How many vertices a hemisphere has, from whatever says so."""
        for path in (self.fmri_path("training", hemisphere), self.fmri_path("test", hemisphere)):
            if path.exists():
                return int(read_table(path, 2).shape[1])
        return len(self.ceiling(hemisphere))

    def region_labels(self, hemisphere: Hemisphere) -> dict[str, tuple[npt.NDArray[np.int64], dict[int, str]]]:
        """Label of each vertex and names of labels, by class of regions; only classes that are there.

        Raises:
            ConfigError: a label has no name, or the file is of another hemisphere.
        """
        found = {}
        for kind in CLASSES:
            path = self.folder / "roi_masks" / f"{hemisphere}.{kind}_challenge_space.npy"
            if not path.exists():
                continue
            table = read_table(path, 1)
            if not (np.isfinite(table).all() and (np.trunc(table) == table).all()):
                raise ConfigError(f"{path.name} holds whole labels", "it holds others", "0 is no region")
            labels = np.asarray(table, np.int64)
            if len(labels) != self.vertices(hemisphere):
                got = f"it has {len(labels)}"
                raise ConfigError(f"{path.name} has {self.vertices(hemisphere)} labels", got, "Check the hemisphere")
            names = read_mapping(path.parent / f"mapping_{kind}.npy")
            unknown = sorted(set(np.unique(labels).tolist()) - {0} - set(names))
            if unknown:
                raise ConfigError(
                    f"every label of {path.name} has a name", f"{unknown} have none", "Extend its mapping"
                )
            found[kind] = labels, names
        return found

    def regions(self, hemisphere: Hemisphere) -> dict[str, Mask]:
        """Which vertices belong to each named region; regions without a vertex are there and empty."""
        return {
            name: labels == label
            for labels, names in self.region_labels(hemisphere).values()
            for label, name in names.items()
            if label != 0
        }


def _listed(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


def read_table(path: Path, sides: int) -> Any:
    """A table of numbers in a `.npy` file, of which only what is used is read.

    Args:
        path: the file.
        sides: 1 or 2.

    Raises:
        ConfigError: it is not there, or is something else.
    """
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        do = "Unpack the challenge's data, or prepare your own"
        raise ConfigError(f"{path.parent.name}/{path.name}", "it is not there", do) from None
    except (ValueError, EOFError) as error:
        raise ConfigError(f"{path.name} is an array of numbers", str(error)[:120], "Save it with numpy.save") from None
    if not isinstance(found, np.ndarray):
        found.close()
        raise ConfigError(f"{path.name} is an array of numbers", "it is a zip", "Save one array with numpy.save")
    if found.ndim != sides or found.dtype.kind not in "biuf":
        got = f"got {found.shape} of {found.dtype}"
        raise ConfigError(f"{path.name} has {sides} side{'s' if sides > 1 else ''} and numbers", got, "Save it anew")
    return found


def subjects(root: Path) -> list[Subject]:
    """The subjects in a folder, in order.

    Raises:
        ConfigError: there are none.
    """
    found = sorted(each for each in _listed(root) if each.is_dir() and SUBJECT.fullmatch(each.name))
    if not found:
        do = "Name the folder that holds subj01 and the others"
        raise ConfigError(f"folders subj01, subj02, ... in {root}", "there are none", do)
    return [Subject(each) for each in found]
