"""Vast and open vocabulary in miniature: one artist's pictures to learn from, another's to be found in scenes.

pictures(file) -> Pictures      features of emoji by two artists, made by tools/picture_features.py
pictures("") -> Pictures        generated features of 1,152 combinations of three attributes; no pictures at all
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.systems.v3det.classify import best_classes, cosines, ridge, unit, word_vectors
from guerdon.vision.coco import Labels
from guerdon.vision.detections import Detections, Truths
from guerdon.vision.hierarchy import Tree

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
COLOURS = ["red", "orange", "yellow", "green", "teal", "blue", "violet", "pink", "brown", "black", "white", "grey"]
THINGS = ["cup", "chair", "boat", "bird", "fish", "tree", "lamp", "drum", "key", "bell", "hat", "shoe"]
LOOKS = ["striped", "dotted", "plain", "woven", "glossy", "rusty", "wooden", "furry"]
WIDTH, SHARED, OWN, ARTIST = 1280, 0.15, 1.5, 1.6
"""Of generated features: their number, and the sizes of what attributes, the category and the artist add."""
EACH, ALPHA = 20, 0.02
"""Categories handed in for a region, and the strength of the ridge."""
IN_SCENE, CELL = 8, 80


@dataclass(frozen=True, eq=False)
class Pictures:
    """Two pictures of each of K categories, as features.

    Args:
        names: of the categories.
        parents: (K,) place of each one's parent in `parent_names`.
        parent_names: of the level above.
        train: (K, d) features of the first artist's pictures.
        test: (K, d) of the second's.
        text: (K, e) vectors of the names.
    """

    names: Sequence[str]
    parents: Ints
    parent_names: Sequence[str]
    train: Floats
    test: Floats
    text: Floats


def pictures(file: str = "") -> Pictures:
    """Features of pictures from a file; without one, generated features.

    Raises:
        ConfigError: the file is another.
    """
    return _read(file) if file else generated()


@lru_cache(maxsize=2)
def _read(file: str) -> Pictures:
    try:
        with np.load(Path(file), allow_pickle=False) as told:
            names = ("names", "parents", "parent_names", "train", "test", "text")
            held = {name: told[name] for name in names}
    except (OSError, ValueError, KeyError) as error:
        do = "Make it with tools/picture_features.py"
        raise ConfigError("a file of features", f"{Path(file).name}: {error}"[:200], do) from None
    return Pictures(
        held["names"].tolist(), held["parents"].astype(np.int64), held["parent_names"].tolist(),
        *(held[name].astype(float) for name in ("train", "test", "text")),
    )  # fmt: skip


@lru_cache(maxsize=1)
def generated() -> Pictures:
    """Combinations of a colour, a thing and a look: their features add up, but for a part of each pair's own."""
    rng = np.random.default_rng(41)
    kinds = [(c, t, look) for t in range(len(THINGS)) for c in range(len(COLOURS)) for look in range(len(LOOKS))]
    colour, thing, look = np.array(kinds).T
    parts = [rng.normal(size=(len(words), WIDTH)) for words in (COLOURS, THINGS, LOOKS)]
    own = rng.normal(size=(len(kinds), WIDTH))
    whole = SHARED * (parts[0][colour] + parts[1][thing] + parts[2][look]) + OWN * own
    artists = [whole + ARTIST * rng.normal(size=whole.shape) for _ in range(2)]
    names = [f"{LOOKS[k]} {COLOURS[c]} {THINGS[t]}" for c, t, k in kinds]
    return Pictures(names, thing, THINGS, artists[0], artists[1], word_vectors(names))


def vectors_of(some: Pictures, kind: str, seed: int) -> Floats:
    """(K, e) vectors of the categories: their names' (`text`), names' in disorder (`shuffled`), random (`closed`)."""
    rng = np.random.default_rng([seed, 5])
    if kind == "text":
        return unit(some.text - some.text.mean(0))
    if kind == "shuffled":
        return unit(some.text - some.text.mean(0))[rng.permutation(len(some.text))]
    return unit(rng.normal(size=some.text.shape))


def scores_of(some: Pictures, vectors: Floats, known: npt.NDArray[np.bool_], rows: Floats | None = None) -> Floats:
    """(n, K) scores from 0 to 1 of test pictures, of a classifier that has seen the training pictures of `known`."""
    linear = ridge(some.train[known], vectors[known], ALPHA)
    return (1 + cosines(linear(some.test if rows is None else rows), vectors)) / 2


def top(scores: Floats, truth: Ints, k: int) -> npt.NDArray[np.bool_]:
    """(n,) whether the true class is among the k of highest score."""
    own = scores[np.arange(len(truth)), truth]
    found: npt.NDArray[np.bool_] = (scores > own[:, None]).sum(1) < k
    return found


@dataclass(frozen=True, eq=False)
class Scenes:
    """Pictures pasted into scenes, and the regions that a class-agnostic detector proposes there.

    Args:
        labels: of the scenes: K categories, and after them their parents.
        image: (n,) of each picture.
        category: (n,) what it shows.
        box: (n, 4) where it is.
        proposal: (n, 4) where it was found.
    """

    labels: Labels
    image: Ints
    category: Ints
    box: Floats
    proposal: Floats

    def detections(self, scores: Floats, each: int = EACH) -> Detections:
        """The regions under their best categories, from (n, K) scores."""
        rows, classes = best_classes(scores, each)
        return Detections(self.image[rows], classes, self.proposal[rows], scores[rows, classes])


def scenes_of(
    some: Pictures, novel: npt.NDArray[np.bool_], seed: int, *, copies: int = 1, by_parent: float = 0.0
) -> Scenes:
    """Every picture `copies` times, eight in a scene, of which a share is labelled with its parent only."""
    rng = np.random.default_rng([seed, 6])
    k = len(some.names)
    category = rng.permutation(np.repeat(np.arange(k), copies))
    n = len(category)
    place = np.arange(n) % IN_SCENE
    corner = np.stack([place % 4, place // 4], 1) * CELL + rng.integers(0, 12, (n, 2))
    box = np.concatenate([corner, rng.integers(44, 65, (n, 2))], 1).astype(float)
    proposal = box + rng.normal(0, 1.5, box.shape)
    label = np.where(rng.random(n) < by_parent, k + some.parents[category], category)
    images = -(-n // IN_SCENE)
    names = [*some.names, *some.parent_names]
    labels = Labels(
        np.arange(images), [f"{each}.png" for each in range(images)],
        np.tile(np.array([4 * CELL, 2 * CELL]), (images, 1)), np.arange(len(names)), names,
        np.r_[novel, np.zeros(len(some.parent_names), bool)],
        Truths.of(np.arange(n) // IN_SCENE, label, box),
    )  # fmt: skip
    return Scenes(labels, np.arange(n) // IN_SCENE, category, box, proposal)


def tree_of(some: Pictures) -> Tree:
    """Categories under their parents."""
    k = len(some.names)
    pairs = [(k + int(parent), child) for child, parent in enumerate(some.parents.tolist())]
    return Tree.of(k + len(some.parent_names), pairs)
