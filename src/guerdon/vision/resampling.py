"""How average precision would differ if other images had been labelled: images are drawn anew, and all else follows.

    bootstrap(matches, rng) -> {"AP": Interval}
    resampled(matches, rng, groups) -> (groups, thresholds, R)      the same images for equal generators: paired

Detections that overlap no truth only ever count as tried: those between two that do are summed in one sparse product.
Resamples lie side by side in memory, so that one category after another is computed in vectors of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
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
_CELLS = 1 << 23  # of detections or images in resamples that are held at once


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
    parts = [fixed.means(weights, masks) for weights in _weights(rng, n, resamples, fixed)]
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


def _weights(rng: Rng, images: int, resamples: int, fixed: Prepared) -> Iterator[Any]:
    """(b, images) how often each image was drawn; one resample after another, so that b makes no difference."""
    longest = int(np.diff(fixed.starts).max(initial=1))
    b = int(np.clip(_CELLS // max(images, longest), 8, 1024))
    for at in range(0, resamples, b):
        weights = np.empty((min(b, resamples - at), images), fixed.positives.dtype)
        for line in weights:
            line[:] = np.bincount(rng.integers(0, images, images), minlength=images)
        yield weights


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is the same in all resamples, of c categories that have a truth and h detections that overlap one.

    Args:
        kinds: (c,) categories.
        positives: (c, images) sparse: truths that count.
        image: (h,) of the detections, which are ordered by category and score.
        starts: (c + 1,) where those of each category begin.
        between: (h, images) sparse: detections that overlap nothing, since the last of those that do.
        judged: (thresholds, h) whether each counts either way.
        hits: of each threshold, the places of those that are hits.
    """

    kinds: Ints
    positives: Any
    image: Ints
    starts: Ints
    between: Any
    judged: Bools
    hits: Sequence[Ints]

    def means(self, weights: Any, masks: Bools) -> Floats:
        """(groups, thresholds, b) means over categories, with images that count `weights` (b, images) times."""
        drawn = np.ascontiguousarray(weights.T)
        positives = self.positives @ drawn
        each = masks[:, self.kinds]
        number = each.astype(drawn.dtype) @ (positives > 0).astype(drawn.dtype)
        found = np.zeros((len(masks), len(self.hits), len(weights)))
        for kind, t, average in self._averages(drawn, positives):
            for group in np.flatnonzero(each[:, kind]):
                found[group, t] += average
        there = np.broadcast_to(number[:, None] > 0, found.shape)
        means: Floats = np.divide(found, number[:, None], out=np.full(found.shape, np.nan), where=there)
        return means

    def _averages(self, drawn: Any, positives: Any) -> Iterator[tuple[int, int, Any]]:
        """Category, threshold, and their (b,) average precision; those without a hit are left out."""
        cuts = [np.searchsorted(hits, self.starts) for hits in self.hits]
        for kind, rows, between in self._between(drawn):
            points = 100.0 / np.maximum(positives[kind], 1.0)
            own = drawn[self.image[rows]]
            seen, tried = None, own
            for t, (hits, cut) in enumerate(zip(self.hits, cuts, strict=True)):
                some = hits[cut[kind] : cut[kind + 1]] - rows.start
                if not len(some):
                    continue
                judged = self.judged[t, rows]
                if seen is None or not np.array_equal(seen, judged):  # as a rule all thresholds judge the same ones
                    seen, tried = judged, _tried(between, own, judged)
                yield kind, t, _average(own[some], tried[some], points)

    def _between(self, drawn: Any) -> Iterator[tuple[int, slice, Any]]:
        """Categories with detections, their rows, and how often there are detections between these (rows, b)."""
        most = max(_CELLS // drawn.shape[1], 1)
        low = 0
        while low < len(self.kinds):
            high = max(low + 1, int(np.searchsorted(self.starts, self.starts[low] + most, "right")) - 1)
            first = int(self.starts[low])
            tried = self.between[first : int(self.starts[high])] @ drawn
            for kind in range(low, high):
                rows = slice(int(self.starts[kind]), int(self.starts[kind + 1]))
                if rows.stop > rows.start:
                    yield kind, rows, tried[rows.start - first : rows.stop - first]
            low = high


def _tried(between: Any, own: Any, judged: Bools) -> Any:
    """(n, b) detections up to each of n that count either way, and never 0, by which nothing could be divided."""
    tried = own * judged[:, None].astype(own.dtype)
    tried += between
    _add_up(tried)
    return np.maximum(tried, 1.0, out=tried)


def _average(own: Any, tried: Any, points: Any) -> Any:
    """(b,) average precision of one category, of n hits that count `own` (n, b) times; both arrays are used up.

    Args:
        own: of the surest first.
        tried: (n, b) detections up to each.
        points: (b,) of recall for each hit.
    """
    _add_up(own)
    best = np.divide(own, tried, out=tried)
    lines = list(best)
    for worse, better in zip(lines[-2::-1], lines[:0:-1], strict=True):
        np.maximum(worse, better, out=worse)
    own *= points
    own += 1e-4
    reached = np.floor(own, out=own)  # points of recall up to each, without that at 0
    gained = np.einsum("nb,nb->b", best[1:], np.diff(reached, axis=0))
    return (gained + best[0] * (reached[0] + 1.0)) / len(RECALLS)


def _add_up(rows: Any) -> None:
    """Running sums down the rows, in place: much faster than `cumsum`, which would go down each column apart."""
    lines = list(rows)
    for one, following in pairwise(lines):
        following += one


def prepared(matches: Matches, images: int, area: int = 0) -> Prepared:
    """What all resamples of these images share."""
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
    exact = np.float32 if np.diff(matches.starts).max(initial=0) < 1 << 23 else np.float64  # counts up to 2^24
    between = _counts(following[good], found.image[others[good]], (h, images), exact)
    positives = _counts(kind_of_truth, truths.image[counted], (len(kinds), images), exact)
    starts = np.searchsorted(place[found.category[where]], np.arange(len(kinds) + 1))
    hits = [np.flatnonzero(line == TRUE) for line in state]
    return Prepared(kinds, positives, found.image[where], starts, between, judged, hits)


def _counts(row: Ints, column: Ints, shape: tuple[int, int], dtype: Any) -> Any:
    """How often each pair is there, sparse."""
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(row), dtype), (row, column)), shape=shape)
