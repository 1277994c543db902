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
        return replace(self, **_taken(self, which))

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
        return replace(self, **_taken(self, which))


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
    (x, y, width, height), (left, top, wide, high) = found.T, there.T
    across = np.minimum(x + width, left + wide) - np.maximum(x, left)
    down = np.minimum(y + height, top + high) - np.maximum(y, top)
    shared = np.where((across > 0) & (down > 0), across * down, 0.0)
    own = width * height
    union = np.where(crowd, own, own + wide * high - shared)
    share: Floats = np.divide(shared, union, out=np.zeros(len(shared)), where=union > 0)
    return share


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
    kept, key, by_key = _surest(detections, categories, rules.most)
    pairs = _pairs(truths, kept, _Joint.of(truths, key, by_key, categories), min(rules.thresholds))
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


def _taken(columns: Truths | Detections, which: npt.ArrayLike) -> dict[str, Any]:
    at = np.asarray(which)
    at = np.flatnonzero(at) if at.dtype == bool else at  # `take` copies a row as a whole
    return {name: np.take(getattr(columns, name), at, 0) for name in columns.__dataclass_fields__}


def _indices(n: int, *columns: npt.ArrayLike) -> list[Ints]:
    made = [np.asarray(column, np.int64).reshape(-1) for column in columns]
    if any(len(column) != n for column in made):
        raise ConfigError(f"columns of {n}", f"got {[len(column) for column in made]}", "Align the columns")
    return made


def _within(area: Floats, limits: Floats) -> Bools:
    """(areas, n)."""
    found: Bools = (area >= limits[:, :1]) & (area <= limits[:, 1:])
    return found


def _surest(detections: Detections, categories: int, most: int) -> tuple[Detections, Ints, Ints]:
    """The surest of each image and category: by category, then the surest first, then image, then their order.

    Returns:
        them, a number for the image and category of each, and their order by it.
    """
    kept = detections.take(_sorted(detections.category, order=_by_score(detections)))
    key = kept.image * categories + kept.category
    by_key = _sorted(key)
    alike = key[by_key]
    if (alike[most:] == alike[:-most]).any():
        few = np.zeros(len(key), bool)
        few[by_key[_ranks(alike) < most]] = True
        kept, key = kept.take(few), key[few]
        by_key = _sorted(key)
    return kept, key, by_key


def _by_score(detections: Detections) -> Ints:
    """(n,) the surest first; of equal scores by image, then as they stand."""
    order = np.argsort(-detections.score)
    falling = detections.score[order]
    new = falling[1:] != falling[:-1]
    if new.all():
        return order
    places = np.empty(len(order), np.int64)
    places[order] = np.cumsum(np.r_[False, new])
    return _sorted(places, detections.image)


def _sorted(*columns: Ints, order: Ints | None = None) -> Ints:
    """(n,) an order by columns of numbers from 0, the first foremost; equal rows keep theirs, or that of `order`.

    NumPy sorts digits of 16 bits by radix, twenty times as fast as it would sort numbers in a stable way.

    >>> _sorted(np.array([1, 0, 1, 0]), np.array([0, 70_000, 0, 5])).tolist()
    [3, 1, 0, 2]
    """
    order = np.arange(len(columns[0])) if order is None else order
    for column in reversed(columns):
        for digit in range(0, int(column.max(initial=0)).bit_length(), 16):
            order = order[np.argsort((column[order] >> digit).astype(np.uint16), kind="stable")]
    return order


def _ranks(key: Ints) -> Ints:
    """(n,) place of each among its like, of a sorted key.

    >>> _ranks(np.array([3, 3, 5])).tolist()
    [0, 1, 0]
    """
    at = np.arange(len(key))
    first = np.ones(len(key), bool)
    first[1:] = key[1:] != key[:-1]
    return at - np.maximum.accumulate(np.where(first, at, 0))


@dataclass(frozen=True, eq=False)
class _Joint:
    """Which truths are of the image and category of a detection.

    Args:
        order: (m,) positions of truths, those of an image and category side by side.
        hits: (d,) detections with such a truth, ascending.
        first: (d,) where theirs begin in `order`.
        count: (d,) of them.
    """

    order: Ints
    hits: Ints
    first: Ints
    count: Ints

    @classmethod
    def of(cls, truths: Truths, key: Ints, by_key: Ints, categories: int) -> _Joint:
        """Join truths with detections, whose numbers of image and category are `key`, ascending in `by_key`."""
        there = truths.image * categories + truths.category
        order = _sorted(there)
        known, first, count = np.unique(there[order], return_index=True, return_counts=True)
        low, high = (np.asarray(np.searchsorted(key[by_key], known, side)) for side in ("left", "right"))
        which = np.full(len(key), -1, np.int64)
        which[by_key[_ranges(low, high - low)]] = np.repeat(np.arange(len(known)), high - low)
        hits = np.flatnonzero(which >= 0)
        return cls(order, hits, first[which[hits]], count[which[hits]])


def _ranges(first: Ints, count: Ints) -> Ints:
    """Numbers from each first, so many of each.

    >>> _ranges(np.array([5, 1]), np.array([2, 3])).tolist()
    [5, 6, 1, 2, 3]
    """
    ends = np.cumsum(count)
    found: Ints = np.arange(int(count.sum())) + np.repeat(first - (ends - count), count)
    return found


def _pairs(truths: Truths, found: Detections, joint: _Joint, least: float) -> _Pairs:
    parts: list[tuple[Any, Any, Any]] = []
    ends = np.cumsum(joint.count)
    at = 0
    while at < len(joint.hits):
        done = int(ends[at - 1]) if at else 0
        stop = max(at + 1, int(np.searchsorted(ends, done + _PAIRS, "right")))
        who = np.repeat(joint.hits[at:stop], joint.count[at:stop])
        which = joint.order[_ranges(joint.first[at:stop], joint.count[at:stop])]
        near = _near(found.box, who, truths.box, which, least)
        who, which = who[near], which[near]
        overlap = overlaps(np.take(found.box, who, 0), np.take(truths.box, which, 0), truths.crowd[which])
        keep = overlap >= min(least, 1 - 1e-10)
        parts.append((who[keep], which[keep], overlap[keep]))
        at = stop
    if not parts:
        return _Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
    return _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _near(found: Floats, who: Ints, there: Floats, which: Ints, least: float) -> Ints:
    """Pairs that share enough of the found box's width for the least overlap: quickly seen, and true of few."""
    x, width = np.take(found[:, 0], who), np.take(found[:, 2], who)
    left, right = there[:, 0], there[:, 0] + there[:, 2]
    across = np.minimum(x + width, np.take(right, which)) - np.maximum(x, np.take(left, which))
    return np.flatnonzero(across >= min(least, 1.0) * (1 - 1e-6) * width)


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
