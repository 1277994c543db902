"""Average precision over categories, with an interval: how it would differ if other images had been labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.vision.detections import IGNORED, NONE, TRUE, Matches

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
RECALLS = np.linspace(0.0, 1.0, 101)
"""Where precision is read off."""
_CELLS = 40_000_000  # of weights of detections in resamples that are computed at once


@dataclass(frozen=True, eq=False)
class Precision:
    """Average precision and highest recall of each category.

    Args:
        average: (areas, thresholds, K), from 0 to 1; nan where a category has no truth that counts.
        recall: the same of the highest recall.
    """

    average: Floats
    recall: Floats

    def mean(
        self, categories: npt.ArrayLike | None = None, *, threshold: int | None = None, area: int = 0
    ) -> float | None:
        """AP, over categories that have a truth and over thresholds; `None` if no category has one.

        Args:
            categories: a mask (K,), or positions; by default all.
            threshold: position of one threshold; by default all.
            area: position of the area.
        """
        some = self.average[area] if threshold is None else self.average[area, threshold][None]
        some = some if categories is None else some[:, np.asarray(categories)]
        there = np.isfinite(some)
        return float(some[there].mean()) if there.any() else None


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


def precision(matches: Matches) -> Precision:
    """Average precision at 101 recalls of each category, for each area and threshold, as COCO's evaluation has it."""
    shape = (len(matches.rules.areas), len(matches.rules.thresholds), matches.categories)
    average, recall = np.full(shape, np.nan), np.full(shape, np.nan)
    for a in range(shape[0]):
        positives = matches.positives(a)
        for t in range(shape[1]):
            hits, judged = _hits(matches, a, t)
            average[a, t], recall[a, t] = _at(matches, hits, judged, positives)
    return Precision(average, recall)


def bootstrap(
    matches: Matches,
    rng: Rng,
    *,
    groups: dict[str, npt.ArrayLike] | None = None,
    images: int | None = None,
    resamples: int = 1000,
) -> dict[str, Interval]:
    """AP of the first area with intervals: images are drawn anew, with replacement, and all else follows.

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
    masks = {"AP": np.ones(matches.categories, bool)} if groups is None else _masks(groups, matches.categories)
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
    found, truths = matches.detections, matches.truths
    least = 1 + int(max(found.image.max(initial=-1), truths.image.max(initial=-1)))
    n = least if images is None else images
    if n < max(least, 1):
        raise ConfigError(f"at least {max(least, 1)} images", f"got {n}", "Count all that were judged")
    masks = list(_masks(dict(enumerate(groups)), matches.categories).values())
    drawn = np.zeros((len(masks), len(matches.rules.thresholds), resamples))
    cells = max(len(found), matches.categories, n, 1)
    for some in np.array_split(np.arange(resamples), max(1, resamples * cells // _CELLS)):
        weights = rng.multinomial(n, np.full(n, 1.0 / n), size=len(some)).T.astype(np.float32)  # exact up to 2^24
        drawn[:, :, some] = _resampled(matches, weights, masks, area)
    return drawn


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


def _masks(groups: Mapping[Any, npt.ArrayLike], categories: int) -> dict[Any, npt.NDArray[np.bool_]]:
    found = {}
    for name, group in groups.items():
        found[name] = np.zeros(categories, bool)
        found[name][np.asarray(group)] = True
    return found


def _hits(matches: Matches, area: int, threshold: int) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Positions of true detections, and a mask of all that count either way."""
    state = matches.state[area, threshold]
    judged = ~matches.outside[area]
    judged[matches.where[state != NONE]] = True
    judged[matches.where[state == IGNORED]] = False
    return matches.where[state == TRUE], judged


def _at(matches: Matches, hits: Ints, judged: npt.NDArray[np.bool_], positives: Ints) -> tuple[Floats, Floats]:
    category = matches.detections.category[hits]
    before = np.concatenate([[0], np.cumsum(judged)])
    tried = before[hits + 1] - before[matches.starts[category]]
    right = _place(category) + 1
    reached = right / np.maximum(positives[category], 1)
    best = _best_from_here(right / np.maximum(tried, 1), category)
    ends = np.searchsorted(RECALLS, reached, "right")
    points = ends - np.where(right == 1, 0, np.r_[0, ends[:-1]])
    some = positives > 0
    average = np.bincount(category, best * points, minlength=len(positives)) / len(RECALLS)
    highest = np.bincount(category, minlength=len(positives)) / np.maximum(positives, 1)
    return np.where(some, average, np.nan), np.where(some, highest, np.nan)


def _place(category: Ints) -> Ints:
    """(n,) place of each among its like, of a sorted column."""
    at = np.arange(len(category))
    first = np.ones(len(category), bool)
    first[1:] = category[1:] != category[:-1]
    return at - np.maximum.accumulate(np.where(first, at, 0))


def _best_from_here(values: Floats, category: Ints) -> Floats:
    """The highest value from each place on, among the same category; `values` may be vectors."""
    found, step = values.copy(), 1
    longest = int(np.bincount(category).max(initial=0)) if len(category) else 0
    while step < longest:
        same = category[step:] == category[:-step]
        found[:-step] = np.where(same, np.maximum(found[:-step], found[step:]), found[:-step])
        step *= 2
    return found


def _resampled(matches: Matches, weights: Any, masks: Sequence[npt.NDArray[np.bool_]], area: int = 0) -> Floats:
    """(groups, thresholds, b) means of AP over categories, with images that count `weights` (images, b) times."""
    found, truths, counted = matches.detections, matches.truths, matches.counted[area]
    there = truths.category[counted]
    order = np.argsort(there, kind="stable")
    positives = _summed(weights[truths.image[counted][order]], there[order], matches.categories)
    own = weights[found.image]
    each = np.stack(masks).astype(float)
    number = each @ (positives > 0)
    means = np.full((len(masks), len(matches.rules.thresholds), weights.shape[1]), np.nan)
    seen, tried = None, own
    for t in range(len(matches.rules.thresholds)):
        hits, judged = _hits(matches, area, t)
        if seen is None or not np.array_equal(seen, judged):  # as a rule all thresholds judge the same ones
            seen, tried = judged, np.cumsum(own * judged[:, None], 0, dtype=own.dtype)
        total = each @ _weighted_at(matches, hits, tried, own, positives)
        np.divide(total, number, out=means[:, t], where=number > 0)
    return means


def _weighted_at(matches: Matches, hits: Ints, tried: Floats, own: Floats, positives: Floats) -> Floats:
    """(K, b) average precision with weights, of which those that were judged are summed in `tried` (n, b)."""
    category = matches.detections.category[hits]
    average = np.zeros(positives.shape)
    if not len(hits):
        return average
    starts = np.flatnonzero(np.r_[True, category[1:] != category[:-1]])
    lengths = np.diff(np.r_[starts, len(hits)])
    some = own[hits]
    right = np.cumsum(some, 0, dtype=own.dtype)
    right -= np.repeat(right[starts] - some[starts], lengths, 0)
    first = matches.starts[category[starts]]
    before = np.where(first[:, None] > 0, tried[np.maximum(first, 1) - 1], 0)
    best = right / np.maximum(tried[hits] - np.repeat(before, lengths, 0), 1e-9)
    _raise_from_here(best, category, starts, lengths)
    reached = np.floor(right * (100.0 / np.maximum(positives[category], 1.0)) + 1e-4) + (right > 0)
    points = reached.copy()  # points of recall up to each; none before a weight
    points[1:] -= reached[:-1]
    points[starts] = reached[starts]
    average[category[starts]] = np.add.reduceat(best * points, starts, axis=0) / len(RECALLS)
    return average


def _raise_from_here(best: Floats, category: Ints, starts: Ints, lengths: Ints) -> None:
    """Make each row (n, b) the highest from it on, among the same category."""
    for step in (1, 2, 4):
        if len(best) > step:
            same = (category[step:] == category[:-step])[:, None]
            np.maximum(best[:-step], best[step:], out=best[:-step], where=same)
    for k in np.flatnonzero(lengths > 8).tolist():
        rows = best[starts[k] : starts[k] + lengths[k]][::-1]
        np.maximum.accumulate(rows, axis=0, out=rows)


def _summed(values: Floats, category: Ints, categories: int) -> Floats:
    """(K, b) sums of rows (n, b) over a sorted category."""
    found = np.zeros((categories, values.shape[1]))
    at = np.searchsorted(category, np.arange(categories))
    there = np.unique(category)
    if len(there):
        found[there] = np.add.reduceat(values, at[there], axis=0)
    return found
