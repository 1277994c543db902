"""Boxes in columns: what is in images, what a detector found there, and which of the two belong together.

    match(truths, detections, rules) -> Matches      COCO's rules, for any number of categories

Nothing is done for an image and category that has no detection or no truth, so 13,204 categories cost no more than 80.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""Sizes of boxes in square pixels, both ends included."""
NONE, TRUE, IGNORED = 0, 1, 2
_PAIRS = 4_000_000  # pairs whose overlap is computed at once


@dataclass(frozen=True, eq=False)
class Truths:
    """n boxes that are in images.

    Args:
        image: (n,) indices.
        category: (n,) indices from 0.
        box: (n, 4) x, y, width, height in pixels.
        area: (n,) that decides about sizes; it need not be width times height.
        crowd: (n,) whether it stands for many objects: any number of detections may match it, and none counts.
        ignore: (n,) whether a match with it counts neither way.
    """

    image: Ints
    category: Ints
    box: Floats
    area: Floats
    crowd: Bools
    ignore: Bools

    @classmethod
    def of(
        cls,
        image: npt.ArrayLike,
        category: npt.ArrayLike,
        box: npt.ArrayLike,
        *,
        area: npt.ArrayLike | None = None,
        crowd: npt.ArrayLike = False,
        ignore: npt.ArrayLike = False,
    ) -> Truths:
        """Columns from lists; the area is width times height unless it is given, and crowds are ignored."""
        boxes = np.asarray(box, np.float64).reshape(-1, 4)
        n = len(boxes)
        many = np.broadcast_to(np.asarray(crowd, bool), (n,))
        size = boxes[:, 2] * boxes[:, 3] if area is None else np.asarray(area, np.float64)
        where, what = _indices(n, image, category)
        skipped = many | np.broadcast_to(np.asarray(ignore, bool), (n,))
        return cls(where, what, boxes, size, many, skipped)

    def __len__(self) -> int:
        return len(self.image)

    def take(self, which: npt.ArrayLike) -> Truths:
        """Some of them, by positions or a mask."""
        at = np.asarray(which)
        return replace(self, **{name: getattr(self, name)[at] for name in self.__dataclass_fields__})

    def __add__(self, other: Truths) -> Truths:
        """Those of both."""
        names = self.__dataclass_fields__
        return replace(self, **{name: np.concatenate([getattr(self, name), getattr(other, name)]) for name in names})


@dataclass(frozen=True, eq=False)
class Detections:
    """n boxes that a detector found.

    Args:
        image: (n,) indices.
        category: (n,) indices from 0.
        box: (n, 4) x, y, width, height in pixels.
        score: (n,) how sure it is; equal scores keep their order.
    """

    image: Ints
    category: Ints
    box: Floats
    score: Floats

    @classmethod
    def of(cls, image: npt.ArrayLike, category: npt.ArrayLike, box: npt.ArrayLike, score: npt.ArrayLike) -> Detections:
        """Columns from lists."""
        boxes, scores = np.asarray(box, np.float64).reshape(-1, 4), np.asarray(score, np.float64)
        if scores.shape != (len(boxes),):
            raise ConfigError("a score for each box", f"got {scores.shape} for {len(boxes)}", "Align the columns")
        where, what = _indices(len(boxes), image, category)
        return cls(where, what, boxes, scores)

    def __len__(self) -> int:
        return len(self.image)

    def take(self, which: npt.ArrayLike) -> Detections:
        """Some of them, by positions or a mask."""
        at = np.asarray(which)
        return Detections(self.image[at], self.category[at], self.box[at], self.score[at])


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How detections are matched.

    Args:
        thresholds: least overlaps, each judged apart.
        areas: names of `AREAS`, each judged apart.
        most: detections of an image and category that count, the surest.
    """

    thresholds: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
    areas: tuple[str, ...] = ("all",)
    most: int = 100

    def __post_init__(self) -> None:
        odd = [name for name in self.areas if name not in AREAS]
        if odd or not self.areas or not self.thresholds or self.most < 1 or not 0 < min(self.thresholds) <= 1:
            got = f"got {self.thresholds}, {self.areas} and {self.most}"
            raise ConfigError(f"thresholds in (0, 1], areas of {sorted(AREAS)}, most of 1 or more", got, "Change them")


@dataclass(frozen=True, eq=False)
class Matches:
    """What became of each detection.

    Args:
        rules: how they were matched.
        truths: the boxes that are there.
        detections: those that count, by category, then the surest first, then image, then their order.
        where: (h,) positions of detections that overlap a truth enough for the lowest threshold.
        state: (areas, thresholds, h) of those: `NONE`, `TRUE` or `IGNORED`.
        outside: (areas, n) detections whose own size is outside of the area: unmatched, they count neither way.
        counted: (areas, m) truths that count.
        categories: K.
    """

    rules: Rules
    truths: Truths
    detections: Detections
    where: Ints
    state: npt.NDArray[np.uint8]
    outside: Bools
    counted: Bools
    categories: int
    starts: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """(K + 1,) where the detections of each category begin."""

    def positives(self, area: int = 0) -> Ints:
        """(K,) truths of each category that count in an area."""
        return np.bincount(self.truths.category[self.counted[area]], minlength=self.categories)


def overlaps(found: Floats, there: Floats, crowd: Bools) -> Floats:
    """(n,) intersection over union of box k of one list and box k of the other; over a crowd, over the found box.

    >>> a, b = np.array([[0.0, 0.0, 2.0, 2.0]]), np.array([[1.0, 0.0, 2.0, 2.0]])
    >>> overlaps(a, b, np.array([False])).round(3).tolist(), overlaps(a, b, np.array([True])).tolist()
    ([0.333], [0.5])
    """
    low = np.maximum(found[:, :2], there[:, :2])
    sides = np.minimum(found[:, :2] + found[:, 2:], there[:, :2] + there[:, 2:]) - low
    shared = np.where((sides > 0).all(1), sides[:, 0] * sides[:, 1], 0.0)
    own = found[:, 2] * found[:, 3]
    union = np.where(crowd, own, own + there[:, 2] * there[:, 3] - shared)
    return np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0)


def match(truths: Truths, detections: Detections, categories: int, rules: Rules | None = None) -> Matches:
    """Match detections as COCO's evaluation does, one image and category at a time, the surest first.

    A detection takes the free truth of highest overlap of at least the threshold (of equal ones the last), a truth
    that counts before one that is ignored. Equal to the reference implementation, up to rounding.

    Args:
        truths: what is there.
        detections: what was found.
        categories: K; indices are below it.
        rules: thresholds, areas, and how many count.

    Raises:
        ConfigError: a category is K or more, or an index is negative.
    """
    rules = rules or Rules()
    for some in (truths, detections):
        if len(some) and not (some.category.min() >= 0 and some.category.max() < categories and some.image.min() >= 0):
            got = f"got {some.category.min()} to {some.category.max()}"
            raise ConfigError(f"categories from 0 to {categories - 1}, images from 0", got, "Number them from 0")
    kept, key = _surest(detections, categories, rules.most)
    order = np.lexsort((-kept.score, kept.category))
    kept, key = kept.take(order), key[order]
    pairs = _pairs(truths, kept, key, categories, min(rules.thresholds))
    limits = np.array([AREAS[name] for name in rules.areas])
    counted = ~truths.ignore & _within(truths.area, limits)
    where, ranks = _ranked(kept, key, pairs)
    state = np.stack([_states(pairs, where, ranks, truths, each, rules.thresholds) for each in counted])
    outside = ~_within(kept.box[:, 2] * kept.box[:, 3], limits)
    starts = np.searchsorted(kept.category, np.arange(categories + 1))
    return Matches(rules, truths, kept, where, state, outside, counted, categories, starts)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Detections with truths of the same image and category that they overlap, by detection, then order of truths."""

    detection: Ints
    truth: Ints
    overlap: Floats


def _indices(n: int, *columns: npt.ArrayLike) -> list[Ints]:
    made = [np.asarray(column, np.int64).reshape(-1) for column in columns]
    if any(len(column) != n for column in made):
        raise ConfigError(f"columns of {n}", f"got {[len(column) for column in made]}", "Align the columns")
    return made


def _within(area: Floats, limits: Floats) -> Bools:
    """(areas, n)."""
    found: Bools = (area >= limits[:, :1]) & (area <= limits[:, 1:])
    return found


def _surest(detections: Detections, categories: int, most: int) -> tuple[Detections, Ints]:
    """The surest of each image and category, ordered by these and by score; and a number for image and category."""
    key = detections.image * categories + detections.category
    order = np.lexsort((-detections.score, key))
    key = key[order]
    keep = _ranks(key) < most
    return detections.take(order[keep]), key[keep]


def _ranks(key: Ints) -> Ints:
    """(n,) place of each among its like, of a sorted key.

    >>> _ranks(np.array([3, 3, 5])).tolist()
    [0, 1, 0]
    """
    at = np.arange(len(key))
    first = np.ones(len(key), bool)
    first[1:] = key[1:] != key[:-1]
    return at - np.maximum.accumulate(np.where(first, at, 0))


def _pairs(truths: Truths, found: Detections, key: Ints, categories: int, least: float) -> _Pairs:
    there = truths.image * categories + truths.category
    order = np.argsort(there, kind="stable")
    there = there[order]
    first, last = np.searchsorted(there, key, "left"), np.searchsorted(there, key, "right")
    counts = last - first
    hits = np.flatnonzero(counts)
    parts: list[tuple[Any, Any, Any]] = []
    ends = np.cumsum(counts[hits])
    at = 0
    while at < len(hits):
        done = int(ends[at - 1]) if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, done + _PAIRS, "right")))
        some = hits[at:stop]
        who = np.repeat(some, counts[some])
        which = order[np.arange(len(who)) - np.repeat(ends[at:stop] - counts[some] - done, counts[some]) + first[who]]
        overlap = overlaps(found.box[who], truths.box[which], truths.crowd[which])
        keep = overlap >= min(least, 1 - 1e-10)
        parts.append((who[keep], which[keep], overlap[keep]))
        at = stop
    if not parts:
        return _Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _ranked(found: Detections, key: Ints, pairs: _Pairs) -> tuple[Ints, Ints]:
    """Detections of the pairs, in order, and the place of each among those of its image and category."""
    where = np.unique(pairs.detection)
    own = key[where]
    order = np.argsort(own, kind="stable")  # the surest come first already
    ranks = np.empty(len(where), np.int64)
    ranks[order] = _ranks(own[order])
    return where, ranks


def _states(
    pairs: _Pairs, where: Ints, ranks: Ints, truths: Truths, counted: Bools, thresholds: tuple[float, ...]
) -> npt.NDArray[np.uint8]:
    """(thresholds, h) what became of the detections `where`: in rounds, the k-th of every image and category in one."""
    least = np.minimum(np.asarray(thresholds), 1 - 1e-10)
    state = np.zeros((len(where), len(least)), np.uint8)
    taken = np.zeros((len(truths), len(least)), bool)
    of = np.searchsorted(where, pairs.detection)
    order = np.argsort(ranks[of], kind="stable")
    rounds = np.searchsorted(ranks[of][order], np.arange(int(ranks.max(initial=-1)) + 2))
    for low, high in pairwise(rounds):
        some = order[low:high]
        starts = np.flatnonzero(np.r_[True, np.diff(of[some]) != 0])
        chosen = _chosen(pairs.truth[some], pairs.overlap[some], starts, least, taken, truths.crowd, counted)
        hit = chosen >= 0
        truth = pairs.truth[some][np.maximum(chosen, 0)]
        state[of[some][starts]] = np.where(hit, np.where(counted[truth], TRUE, IGNORED), NONE)
        taken[truth[hit], np.nonzero(hit)[1]] = True
    return state.T


def _chosen(
    truth: Ints, overlap: Floats, starts: Ints, least: Floats, taken: Bools, crowd: Bools, counted: Bools
) -> Ints:
    """(d, thresholds) the pair that each of d detections takes, or -1; pairs of a detection stand side by side."""
    lengths = np.diff(np.r_[starts, len(truth)])
    free = (~taken[truth] | crowd[truth][:, None]) & (overlap[:, None] >= least)
    real = counted[truth][:, None]
    some_real = np.repeat(np.logical_or.reduceat(free & real, starts), lengths, 0)
    free &= real == some_real
    value = np.where(free, overlap[:, None], -1.0)
    best = np.repeat(np.maximum.reduceat(value, starts), lengths, 0)
    at = np.where(free & (value == best), np.arange(len(truth))[:, None], -1)
    found: Ints = np.maximum.reduceat(at, starts)
    return found
