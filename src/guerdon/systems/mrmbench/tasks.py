"""Probing tasks: one per dimension of preference, easy (two classes) and hard (three), and how they are built.

FOLDER/mrm_{easy|hard}/{dimension}/{train|test}.json     a list of {"input": str, "output": str, "label": int}
FOLDER/cuts.json                                         which ratings became which label, and the classes' sizes
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream

Level: TypeAlias = Literal["easy", "hard"]
Part: TypeAlias = Literal["train", "test"]
Ints: TypeAlias = npt.NDArray[np.int64]
DIMENSIONS = ("harmlessness", "helpfulness", "correctness", "coherence", "complexity", "verbosity")
LEVELS: tuple[Level, ...] = ("easy", "hard")
CLASSES: Mapping[Level, int] = {"easy": 2, "hard": 3}
SEEDS: Mapping[Level, int] = {"easy": 42, "hard": 1234}
"""Published seeds of the probes."""
SAFE: Mapping[Level, tuple[int, ...]] = {"easy": (1, 0, 0, 0), "hard": (2, 1, 0, 0)}
"""Label of each severity 0 to 3: easy {0} harmless, {1, 2, 3} not; hard {0}, {1}, {2, 3}. Larger is better."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A prompt with a response.

    Args:
        input: the prompt.
        output: the response.
        label: its class in one dimension.
    """

    input: str
    output: str
    label: int


@dataclass(frozen=True, slots=True)
class Rated:
    """A prompt with a response and its ratings, before they become labels.

    Args:
        input: the prompt.
        output: the response.
        ratings: whole numbers by dimension; `severity` 0 to 3 for harmlessness.
    """

    input: str
    output: str
    ratings: Mapping[str, int]


# ---- files -----------------------------------------------------------------------------------------------------------


def place(folder: Path, level: Level, dimension: str, part: Part) -> Path:
    """Where the samples of one part of a task are."""
    return folder / f"mrm_{level}" / dimension / f"{part}.json"


def load(folder: Path, level: Level, dimension: str, part: Part) -> list[Sample]:
    """The samples of one part of a task.

    Raises:
        ConfigError: the file is not there, or is not in this format.
    """
    path = place(folder, level, dimension, part)
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        do = "Give the folder that holds mrm_easy and mrm_hard (ifnoc/MRMBench on the hub), or build one"
        raise ConfigError(f"samples in {path}", str(error)[:200], do) from None
    if not isinstance(rows, list) or not rows:
        raise ConfigError(f"{path.name} is a list of samples", f"got {type(rows).__name__}", "Check the file")
    return [_sample(row, k, path, CLASSES[level]) for k, row in enumerate(rows)]


def _sample(row: Any, k: int, path: Path, classes: int) -> Sample:
    fine = isinstance(row, dict) and all(isinstance(row.get(name), str) for name in ("input", "output"))
    label = row.get("label") if fine else None
    if not isinstance(label, int) or isinstance(label, bool) or not 0 <= label < classes:
        expected = f"input and output texts and a label below {classes} in row {k} of {path.name}"
        raise ConfigError(expected, f"got {str(row)[:100]}", "Correct it or leave it out")
    return Sample(row["input"], row["output"], label)


def write(folder: Path, level: Level, dimension: str, part: Part, samples: Sequence[Sample]) -> Path:
    """Write the samples of one part of a task, and return its file."""
    path = place(folder, level, dimension, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"input": each.input, "output": each.output, "label": each.label} for each in samples]
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=0), encoding="utf-8")
    return path


def found_in(folder: Path) -> list[tuple[Level, str]]:
    """The tasks whose two parts are in a folder, in the order of `LEVELS` and `DIMENSIONS`, then by name."""
    found: list[tuple[Level, str]] = []
    for level in LEVELS:
        there = {path.parent.name for path in (folder / f"mrm_{level}").glob("*/test.json")}
        names = [name for name in there if place(folder, level, name, "train").exists()]
        order = {name: k for k, name in enumerate(DIMENSIONS)}
        found += [(level, name) for name in sorted(names, key=lambda name: (order.get(name, len(order)), name))]
    return found


# ---- from ratings to labels ------------------------------------------------------------------------------------------


def cuts(ratings: npt.ArrayLike, classes: int) -> tuple[float, ...]:
    """Where to cut ratings into classes as even as possible: a label is how many cuts a rating exceeds.

    The publication merges neighbouring ratings to offset imbalance without saying where; this makes the smallest class
    as large as can be, and of equal choices takes that with the smallest largest class, then the lowest cuts.

    Args:
        ratings: (n,) numbers, ordered.
        classes: 2 or more.

    Raises:
        ConfigError: there are fewer different ratings than classes.

    >>> cuts([0, 1, 1, 2, 2, 2, 3, 4], 2)
    (1.5,)
    """
    values, counts = np.unique(np.asarray(ratings, float), return_counts=True)
    if len(values) < classes:
        raise ConfigError(f"{classes} different ratings", f"got {values.tolist()}", "Use the easy level, or more data")
    if classes == 2:  # quick for continuous values too
        below = np.cumsum(counts)[:-1]
        at = int(np.argmin(np.abs(2 * below - counts.sum())))
        return (float(values[at] + values[at + 1]) / 2,)
    best: tuple[float, float, tuple[int, ...]] | None = None
    for ends in combinations(range(1, len(values)), classes - 1):
        sizes = [part.sum() for part in np.split(counts, ends)]
        told = (-float(min(sizes)), float(max(sizes)), ends)
        best = told if best is None or told < best else best
    chosen = best[2] if best else ()
    return tuple(float(values[k - 1] + values[k]) / 2 for k in chosen)


def labelled(ratings: npt.ArrayLike, at: Sequence[float]) -> Ints:
    """(n,) labels of ratings by cuts."""
    found: Ints = np.searchsorted(np.asarray(at, float), np.asarray(ratings, float), side="left").astype(np.int64)
    return found


def build(
    rated: Iterable[Rated],
    folder: Path,
    *,
    test: int = 1_000,
    seed: int = 0,
    dimensions: Sequence[str] = DIMENSIONS,
) -> dict[str, Any]:
    """Build tasks from ratings and write them, with `cuts.json`.

    Samples of one prompt are all in the same part. Cuts come from the ratings of the training part.

    Args:
        rated: of any dimensions; `severity` makes harmlessness.
        folder: where they are written.
        test: samples of the test part, about.
        seed: draws the parts.
        dimensions: which to build; those without a rating are left out.

    Returns:
        What is in `cuts.json`: by level and dimension, the cuts and the number of samples of each class.

    Raises:
        ConfigError: a dimension has too few different ratings.
    """
    pool = list(rated)
    card: dict[str, Any] = {"format": "mrmbench-tasks-1", "seed": seed, "levels": {}}
    for level in LEVELS:
        made: dict[str, Any] = {}
        for name in dimensions:
            key = "severity" if name == "harmlessness" else name
            own = [each for each in pool if key in each.ratings]
            if own:
                made[name] = _build_one(own, key, level, name, folder, test, seed)
        card["levels"][level] = made
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cuts.json").write_text(json.dumps(card, indent=1, ensure_ascii=False), encoding="utf-8")
    return card


def _build_one(
    own: Sequence[Rated], key: str, level: Level, name: str, folder: Path, test: int, seed: int
) -> dict[str, Any]:
    values = np.array([each.ratings[key] for each in own])
    held = _held_out([each.input for each in own], test, seed)
    if held.all() or not held.any():
        raise ConfigError(f"{name} has two prompts at least", f"got {len(own)} samples", "Give more")
    if key == "severity":
        if not ((values >= 0) & (values <= 3)).all():
            got = f"got {values.min()} to {values.max()}"
            raise ConfigError("severities from 0 (safe) to 3 (severe)", got, "Map them first")
        at: tuple[float, ...] = ()
        labels = np.array(SAFE[level], np.int64)[values]
    else:
        at = cuts(values[~held], CLASSES[level])
        labels = labelled(values, at)
    sizes = {}
    for part, mask in (("train", ~held), ("test", held)):
        some = [Sample(own[k].input, own[k].output, int(labels[k])) for k in np.flatnonzero(mask).tolist()]
        write(folder, level, name, "train" if part == "train" else "test", some)
        sizes[part] = np.bincount(labels[mask], minlength=CLASSES[level]).tolist()
    merged = {"severity": list(SAFE[level])} if key == "severity" else {"cuts": list(at)}
    return {**merged, "classes": sizes}


def _held_out(prompts: Sequence[str], test: int, seed: int) -> npt.NDArray[np.bool_]:
    """A mask of about `test` samples, whole prompts at a time and no more than half of all."""
    names = sorted(set(prompts))
    order = stream(seed, "mrmbench", "parts").permutation(len(names))
    sizes: dict[str, int] = {}
    for prompt in prompts:
        sizes[prompt] = sizes.get(prompt, 0) + 1
    chosen: set[str] = set()
    count = 0
    for k in order:
        if count + sizes[names[k]] > len(prompts) / 2 or count >= test:
            break
        chosen.add(names[k])
        count += sizes[names[k]]
    return np.array([prompt in chosen for prompt in prompts])


# ---- published ratings -----------------------------------------------------------------------------------------------


def from_helpsteer(rows: Iterable[Mapping[str, Any]]) -> list[Rated]:
    """Ratings 0 to 4 of HelpSteer and HelpSteer2 rows: prompt, response and five attributes.

    Raises:
        ConfigError: a row is not of this shape.
    """
    found = []
    for k, row in enumerate(rows):
        try:
            ratings = {name: int(row[name]) for name in DIMENSIONS[1:] if row.get(name) is not None}
            found.append(Rated(str(row["prompt"]), str(row["response"]), ratings))
        except (KeyError, TypeError, ValueError) as error:
            expected = f"prompt, response and {', '.join(DIMENSIONS[1:])} in row {k}"
            raise ConfigError(expected, repr(error)[:100], "Give rows of nvidia/HelpSteer or HelpSteer2") from None
    return found


def from_safe_rlhf(rows: Iterable[Mapping[str, Any]]) -> list[Rated]:
    """Severities of both responses of PKU-SafeRLHF rows: prompt, response_0, response_0_severity_level, and _1.

    A response that occurs in several pairs of a prompt is taken once.

    Raises:
        ConfigError: a row is not of this shape; the versions before severities were rated are not enough.
    """
    found: dict[tuple[str, str], Rated] = {}
    for k, row in enumerate(rows):
        try:
            for side in ("response_0", "response_1"):
                one = Rated(row["prompt"], row[side], {"severity": int(row[f"{side}_severity_level"])})
                found.setdefault((one.input, one.output), one)
        except (KeyError, TypeError, ValueError) as error:
            expected = f"prompt, responses and response_N_severity_level in row {k}"
            raise ConfigError(expected, repr(error)[:100], "Give rows of PKU-Alignment/PKU-SafeRLHF") from None
    return list(found.values())
