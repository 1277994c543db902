"""How average precision would differ if other images had been labelled: images are drawn anew, and all else follows.

    bootstrap(matches, rng) -> {"AP": Interval}
    resampled(matches, rng, groups) -> (groups, thresholds, R)      the same images for equal generators: paired

Detections that overlap no truth only ever count as tried: those between two that do are summed in one sparse product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.vision.detections import IGNORED, NONE, TRUE, Matches
from guerdon.vision.precision import RECALLS, precision

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
_CELLS = 400_000  # of detections in resamples that are computed at once: they should fit a cache


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval over images.

    Args:
        value: on the images as they are.
        low: its lower end.
        high: its upper end.
        resamples: how many.
    """

    value: float | None
    low: float | None
    high: float | None
    resamples: int


def bootstrap(
    matches: Matches,
    rng: Rng,
    *,
    groups: Mapping[str, npt.ArrayLike] | None = None,
    images: int | None = None,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """AP of the first area with intervals.

    A category whose truths are all in images that were not drawn has no AP in that resample.

    Args:
        matches: from `match`.
        rng: draws images.
        groups: masks (K,) of categories by name; the mean of each is given. By default `{"AP": all}`.
        images: number of images, those without any box included; by default as many as the highest index says.
        resamples: how often.

    Raises:
        ConfigError: there are no images, or a box is in one that is not counted.
    """
    masks: Mapping[str, npt.ArrayLike] = {"AP": np.ones(matches.categories, bool)} if groups is None else groups
    whole = precision(matches)
    drawn = resampled(matches, rng, list(masks.values()), images=images, resamples=resamples).mean(1)
    return {name: interval(whole.mean(mask), line) for (name, mask), line in zip(masks.items(), drawn, strict=True)}


def resampled(
    matches: Matches,
    rng: Rng,
    groups: Sequence[npt.ArrayLike],
    *,
    images: int | None = None,
    resamples: int = 1000,
    area: int = 0,
) -> Floats:
    """AP of each resample of the images.

    Two calls with equal generators and numbers of images draw the same images, whatever was found there, so that
    differences are paired.

    Args:
        matches: from `match`.
        rng: draws images.
        groups: masks (K,), or positions, of categories whose mean is taken.
        images: number of images; by default as many as the highest index says.
        resamples: R.
        area: position of the area.

    Returns:
        (groups, thresholds, R) means over categories; nan where none of a group has a truth.

    Raises:
        ConfigError: there are no images, or a box is in one that is not counted.
    """
    least = 1 + int(max(matches.detections.image.max(initial=-1), matches.truths.image.max(initial=-1)))
    n = least if images is None else images
    if n < max(least, 1):
        raise ConfigError(f"at least {max(least, 1)} images", f"got {n}", "Count all that were judged")
    masks = np.zeros((len(groups), matches.categories), bool)
    for mask, group in zip(masks, groups, strict=True):
        mask[np.asarray(group)] = True
    fixed = prepared(matches, n, area)
    parts = [fixed.means(weights, masks) for weights in _weights(rng, n, resamples, len(fixed.image))]
    return np.concatenate(parts, 2) if parts else np.zeros((len(masks), len(matches.rules.thresholds), 0))


def interval(value: float | None, drawn: Floats, limits: tuple[float, float] = (0.0, 1.0)) -> Interval:
    """Percentiles of resamples around their mean, put around the value.

    AP reads the highest precision from each recall on, and resamples have higher peaks than the sample, so that their
    mean lies above it: what is wanted is their spread.

    Args:
        value: on the images as they are.
        drawn: (R,) of the resamples; nan where there is none.
        limits: that no such value can pass.
    """
    there = drawn[np.isfinite(drawn)]
    if value is None or not len(there):
        return Interval(value, None, None, len(drawn))
    low, high = (np.percentile(there, [2.5, 97.5]) - there.mean() + value).clip(*limits).tolist()
    return Interval(value, low, high, len(drawn))


def _weights(rng: Rng, images: int, resamples: int, rows: int) -> Iterator[Any]:
    """(b, images) how often each image was drawn; one resample after another, so that b makes no difference."""
    b = int(np.clip(_CELLS // max(rows, 1), 8, 1024))
    for at in range(0, resamples, b):
        drawn = [np.bincount(rng.integers(0, images, images), minlength=images) for _ in range(min(b, resamples - at))]
        yield np.stack(drawn).astype(np.float64 if rows > 1 << 20 else np.float32)  # exact up to 2^24


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is the same in all resamples, of c categories that have a truth and h detections that overlap one.

    Args:
        kinds: (c,) categories.
        positives: (c, images) sparse: truths that count.
        image: (h,) of the detections, which are ordered by category and score.
        kind: (h,) places in `kinds`.
        between: (h, images) sparse: detections that overlap nothing, since the last of those that do.
        judged: (thresholds, h) whether each counts either way.
        hits: of each threshold, the places of those that are hits.
    """

    kinds: Ints
    positives: Any
    image: Ints
    kind: Ints
    between: Any
    judged: Bools
    hits: Sequence[Ints]

    def means(self, weights: Any, masks: Bools) -> Floats:
        """(groups, thresholds, b) means over categories, with images that count `weights` (b, images) times."""
        positives = (self.positives @ weights.T).T
        each = masks[:, self.kinds].astype(float).T
        number = ((positives > 0) @ each).T
        own, between = np.take(weights, self.image, 1), (self.between @ weights.T).T
        found = np.full((len(masks), len(self.hits), len(weights)), np.nan)
        seen, tried = None, own
        for t, (hits, judged) in enumerate(zip(self.hits, self.judged, strict=True)):
            if seen is None or not np.array_equal(seen, judged):  # as a rule all thresholds judge the same ones
                seen, tried = judged, np.cumsum(between + own * judged, 1, dtype=own.dtype)
            kinds, average = self._average(hits, np.take(own, hits, 1), tried, positives)
            np.divide((average @ each[kinds]).T, number, out=found[:, t], where=number > 0)
        return found

    def _average(self, hits: Ints, own: Any, tried: Any, positives: Any) -> tuple[Ints, Any]:
        """Categories with a hit, and their (b, ·) average precision, of hits that count `own` (b, hits) times."""
        kind = self.kind[hits]
        if not len(hits):
            return kind, np.zeros((len(own), 0))
        starts = np.flatnonzero(np.r_[True, kind[1:] != kind[:-1]])
        which = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(hits)]))
        right = np.cumsum(own, 1, dtype=own.dtype)
        right -= np.take(right[:, starts] - own[:, starts], which, 1)
        first = np.searchsorted(self.kind, kind[starts])
        before = np.where(first > 0, tried[:, np.maximum(first, 1) - 1], 0)
        judged = np.take(tried, hits, 1)
        judged -= np.take(before, which, 1)
        best = right / np.maximum(judged, 1e-9, dtype=float)
        apart = 2.0 * (len(starts) - which)  # an earlier category is above all later ones, so that none goes on
        best += apart
        back = best[:, ::-1]
        np.maximum.accumulate(back, 1, out=back)
        best -= apart
        highest = best[:, starts]  # at recall 0
        right *= np.take(100.0 / np.maximum(positives, 1.0), kind, 1)
        right += 1e-4
        reached = np.floor(right, out=right)  # points of recall up to each, without that at 0
        best[:, 1:] *= np.diff(reached, axis=1)
        best[:, starts] = highest * reached[:, starts]
        return kind[starts], (np.add.reduceat(best, starts, axis=1) + highest) / len(RECALLS)


def prepared(matches: Matches, images: int, area: int = 0) -> Prepared:
    """What all resamples of these images share."""
    from scipy.sparse import csr_array

    found, truths = matches.detections, matches.truths
    counted = np.flatnonzero(matches.counted[area])
    kinds, kind_of_truth = np.unique(truths.category[counted], return_inverse=True)
    place = np.full(matches.categories, -1, np.int64)
    place[kinds] = np.arange(len(kinds))
    mine = np.flatnonzero(place[found.category[matches.where]] >= 0)
    where, state = matches.where[mine], matches.state[area][:, mine]
    h = len(where)
    plain = ~matches.outside[area]
    judged = np.where(state == NONE, plain[where], state != IGNORED)
    plain[matches.where] = False
    others = np.flatnonzero(plain)
    following = np.searchsorted(where, others)
    good = following < h
    good[good] = found.category[where[following[good]]] == found.category[others[good]]
    ones = np.ones(int(good.sum()), np.float32)
    between = csr_array((ones, (following[good], found.image[others[good]])), shape=(h, images))
    positives = csr_array(
        (np.ones(len(counted), np.float32), (kind_of_truth, truths.image[counted])), shape=(len(kinds), images)
    )
    hits = [np.flatnonzero(line == TRUE) for line in state]
    return Prepared(kinds, positives, found.image[where], place[found.category[where]], between, judged, hits)
