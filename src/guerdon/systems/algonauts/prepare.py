"""From your own responses to a challenge: sessions, repeats, training and test images, noise ceilings."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.numerics.noise import average_repeats, noise_ceiling, signal_to_noise, zscore_sessions
from guerdon.systems.algonauts.layout import HEMISPHERES, PICTURE, Hemisphere, Subject
from guerdon.systems.algonauts.mapping import write_mapping

WITHHELD = 3
"""Sessions at the end whose images are the test split (source: 3)."""
VERTICES_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class Recording:
    """The single trials of one subject.

    Args:
        name: such as subj01.
        items: (M,), number of the image of each trial.
        sessions: (M,), its session, counted in time.
        betas: (M, vertices) of each hemisphere: arrays, also memory-mapped.
        images: the file of each image.
        regions: for each hemisphere, by class of regions: label of each vertex (0 is none), and names of labels.
        ncsnr: for each hemisphere (vertices,), where it is known; else it is estimated from repeats.
    """

    name: str
    items: npt.NDArray[np.int64]
    sessions: npt.NDArray[np.int64]
    betas: Mapping[Hemisphere, npt.NDArray[Any]]
    images: Mapping[int, Path]
    regions: Mapping[Hemisphere, Mapping[str, tuple[npt.NDArray[np.int64], Mapping[int, str]]]] = field(
        default_factory=dict
    )
    ncsnr: Mapping[Hemisphere, npt.NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Divided:
    """Which trials are for what.

    Args:
        training: images of the training split, sorted.
        test: images of the test split, sorted.
        first: trials of the training sessions (a mask).
    """

    training: list[int]
    test: list[int]
    first: npt.NDArray[np.bool_]


def divide(
    items: npt.ArrayLike, sessions: npt.ArrayLike, *, withheld: int = WITHHELD, elsewhere: Collection[int] = ()
) -> Divided:
    """The split: what was shown in the last sessions only is for testing, all images before for training.

    Args:
        items: (M,), image of each trial.
        sessions: (M,), session of each trial.
        withheld: sessions at the end.
        elsewhere: images that other subjects saw too. They are left out of the test split, but for those that this
            subject saw three times within the withheld sessions.

    Raises:
        ConfigError: no session or no image is left for one of the two.
    """
    shown, when = np.asarray(items), np.asarray(sessions)
    if shown.shape != when.shape or shown.ndim != 1:
        raise ConfigError("an image and a session for each trial", f"got {shown.shape} and {when.shape}", "Fill both")
    order = np.unique(when)
    if not 0 < withheld < len(order):
        raise ConfigError(f"1 to {len(order) - 1} withheld sessions", f"got {withheld}", "Withhold fewer")
    first = when < order[-withheld]
    training = set(shown[first].tolist())
    late, counts = np.unique(shown[~first], return_counts=True)
    shared = set(elsewhere)
    test = [i for i, n in zip(late.tolist(), counts.tolist()) if i not in training and (i not in shared or n >= 3)]
    if not test:
        do = "Withhold more sessions, or show some images in the last ones only"
        raise ConfigError("images that only the last sessions show", "there are none", do)
    return Divided(sorted(training), test, first)


def prepare(
    recording: Recording,
    root: Path,
    *,
    withheld: int = WITHHELD,
    elsewhere: Collection[int] = (),
    hide_test: bool = False,
    on_step: Callable[[str], None] = lambda text: None,
) -> Subject:
    """Write one subject's folder. Responses are read and written a few thousand vertices at a time.

    Args:
        recording: single trials.
        root: gets a folder with the subject's name.
        withheld: sessions at the end for testing.
        elsewhere: images that other subjects saw too, see `divide`.
        hide_test: leave out test responses and ceilings: the folder that entrants are given.
        on_step: told what is being done.

    Raises:
        ConfigError: trials, images or regions do not fit, or a number is not finite. Nothing is left behind.
    """
    parts = divide(recording.items, recording.sessions, withheld=withheld, elsewhere=elsewhere)
    missing = [item for item in [*parts.training, *parts.test] if item not in recording.images]
    if missing:
        raise ConfigError("a file for each image", f"{len(missing)} have none, the first is {missing[0]}", "Add them")
    odd = [name for item in [*parts.training, *parts.test] if not PICTURE.search(name := recording.images[item].name)]
    if odd:
        raise ConfigError(
            "pictures in PNG or JPEG", f"{len(odd)} are others, the first is {odd[0]!r:.80}", "Convert them"
        )
    subject = Subject(root / recording.name)
    if subject.folder.exists():
        raise ConfigError(f"a folder {recording.name} that is not there yet", "it is", "Remove it, or name another")
    on_step(f"{recording.name}: {len(parts.training)} training and {len(parts.test)} test images")
    try:
        for split, items in (("training", parts.training), ("test", parts.test)):
            _copy_images(subject, split, items, recording.images)
        for side in HEMISPHERES:
            on_step(f"{recording.name}: {side}")
            _responses(recording, parts, subject, side, hide_test)
            _regions(recording, subject, side)
    except BaseException:
        shutil.rmtree(subject.folder, ignore_errors=True)
        raise
    return subject


def _copy_images(subject: Subject, split: str, items: Sequence[int], images: Mapping[int, Path]) -> None:
    folder = subject.folder / f"{split}_split" / f"{split}_images"
    folder.mkdir(parents=True)
    word = "train" if split == "training" else "test"
    width = max(4, len(str(len(items))))  # so that names sort as their numbers do
    for at, item in enumerate(items, start=1):
        shutil.copyfile(images[item], folder / f"{word}-{at:0{width}d}_nsd-{item:05d}{images[item].suffix.lower()}")


def _responses(recording: Recording, parts: Divided, subject: Subject, side: Hemisphere, hide_test: bool) -> None:
    betas = recording.betas[side]
    if betas.ndim != 2 or len(betas) != len(recording.items):
        got = f"got {betas.shape}"
        raise ConfigError(f"betas of {side} for {len(recording.items)} trials", got, "Give one row for each trial")
    count = betas.shape[1]
    kept = {"training": parts.first, "test": np.isin(recording.items, parts.test)}
    rows = {"training": len(parts.training), "test": len(parts.test)}
    shown = [split for split in ("training", "test") if split == "training" or not hide_test]
    out = {split: _new(subject.fmri_path(split, side), (rows[split], count)) for split in shown}  # type: ignore[arg-type]
    given = recording.ncsnr.get(side)
    ceiling = np.empty(count)
    if given is not None and (given.shape != (count,) or not np.isfinite(given).all()):
        got = f"got {given.shape}" if given.shape != (count,) else "some are not finite"
        raise ConfigError(f"a finite ncsnr for each of {count} vertices of {side}", got, "Check its side")
    for start in range(0, count, VERTICES_AT_ONCE):
        block = slice(start, start + VERTICES_AT_ONCE)
        trials = np.asarray(betas[:, block])
        if not (finite := np.isfinite(trials).all(0)).all():
            first = start + int(np.argmin(finite))
            raise ConfigError(f"finite betas of {side}", f"vertex {first} has others", "Leave such vertices out")
        scored = zscore_sessions(trials, recording.sessions)
        repeats = None
        for split, table in out.items():
            _, means, repeats = average_repeats(scored[kept[split]], recording.items[kept[split]])
            table[:, block] = means
        if not hide_test and repeats is not None:
            ncsnr = signal_to_noise(scored, recording.items) if given is None else given[block]
            ceiling[block] = noise_ceiling(ncsnr, repeats)
    for table in out.values():
        table.flush()
    if not hide_test:
        subject.ceiling_path(side).parent.mkdir(parents=True, exist_ok=True)
        np.save(subject.ceiling_path(side), ceiling)


def _new(path: Path, shape: tuple[int, int]) -> np.memmap[Any, np.dtype[np.float32]]:
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)


def _regions(recording: Recording, subject: Subject, side: Hemisphere) -> None:
    folder = subject.folder / "roi_masks"
    folder.mkdir(exist_ok=True)
    for kind, (labels, names) in recording.regions.get(side, {}).items():
        if len(labels) != recording.betas[side].shape[1]:
            got = f"{kind} has {len(labels)}"
            raise ConfigError(f"a label for each of {recording.betas[side].shape[1]} vertices", got, "Check its side")
        np.save(folder / f"{side}.{kind}_challenge_space.npy", np.asarray(labels, np.int32))
        write_mapping(folder / f"mapping_{kind}.npy", {0: "Unknown", **names})
