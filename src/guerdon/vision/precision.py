"""Average precision over categories, with an interval: how it would differ if other images had been labelled."""

from __future__ import annotations

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
    found, truths = matches.detections, matches.truths
    least = 1 + int(max(found.image.max(initial=-1), truths.image.max(initial=-1)))
    n = least if images is None else images
    if n < max(least, 1):
        raise ConfigError(f"at least {max(least, 1)} images", f"got {n}", "Count all that were judged")
    masks = {"AP": np.ones(matches.categories, bool)} if groups is None else _masks(groups, matches.categories)
    whole = precision(matches)
    drawn = np.zeros((len(masks), resamples))
    for some in np.array_split(np.arange(resamples), max(1, resamples * max(len(found), 1) // 40_000_000)):
        weights = rng.multinomial(n, np.full(n, 1.0 / n), size=len(some)).T.astype(np.float32)  # exact up to 2^24
        drawn[:, some] = _resampled(matches, weights, list(masks.values()))
    made = {}
    for (name, mask), line in zip(masks.items(), drawn, strict=True):
        made[name] = _interval(whole.mean(mask), line[np.isfinite(line)], resamples)
    return made


def _interval(value: float | None, drawn: Floats, resamples: int) -> Interval:
    """Percentiles of resamples around their mean, put around the value.

    AP reads the highest precision from each recall on, and resamples have higher peaks than the sample, so that their
    mean lies above it: what is wanted is their spread.
    """
    if value is None or not len(drawn):
        return Interval(value, None, None, resamples)
    low, high = (np.percentile(drawn, [2.5, 97.5]) - drawn.mean() + value).clip(0.0, 1.0).tolist()
    return Interval(value, low, high, resamples)


def _masks(groups: dict[str, npt.ArrayLike], categories: int) -> dict[str, npt.NDArray[np.bool_]]:
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


def _resampled(matches: Matches, weights: Any, masks: list[npt.NDArray[np.bool_]]) -> Floats:
    """(groups, b) means of AP over thresholds and categories, with images that count `weights` (images, b) times."""
    found, truths, counted = matches.detections, matches.truths, matches.counted[0]
    there = truths.category[counted]
    order = np.argsort(there, kind="stable")
    positives = _summed(weights[truths.image[counted][order]], there[order], matches.categories)
    own = weights[found.image]
    total, number = np.zeros((2, len(masks), weights.shape[1]))
    seen, tried = None, own
    for t in range(len(matches.rules.thresholds)):
        hits, judged = _hits(matches, 0, t)
        if seen is None or not np.array_equal(seen, judged):  # as a rule all thresholds judge the same ones
            seen, tried = judged, np.cumsum(own * judged[:, None], 0, dtype=own.dtype)
        average = _weighted_at(matches, hits, tried, own, positives)
        for k, mask in enumerate(masks):
            some = positives[mask] > 0
            total[k] += np.where(some, average[mask], 0.0).sum(0)
            number[k] += some.sum(0)
    means: Floats = np.divide(total, number, out=np.full(total.shape, np.nan), where=number > 0)
    return means


def _weighted_at(matches: Matches, hits: Ints, tried: Floats, own: Floats, positives: Floats) -> Floats:
    """(K, b) average precision with weights, of which those that were judged are summed in `tried` (n, b)."""
    category = matches.detections.category[hits]
    average = np.zeros(positives.shape)
    first, ends = matches.starts, np.searchsorted(category, np.arange(matches.categories + 1))
    for k in np.unique(category).tolist():
        some = hits[ends[k] : ends[k + 1]]
        right = np.cumsum(own[some], 0)
        judged = tried[some] - (tried[first[k] - 1] if first[k] else 0.0)
        best = right / np.maximum(judged, 1e-9)
        for at in range(len(some) - 2, -1, -1):
            np.maximum(best[at], best[at + 1], out=best[at])
        reached = np.floor(right * (100.0 / np.maximum(positives[k], 1.0)) + 1e-4) + (right > 0)
        reached[1:] -= reached[:-1].copy()  # points of recall up to each; none before a weight
        average[k] = np.einsum("hb,hb->b", best, reached) / len(RECALLS)
    return average


def _summed(values: Floats, category: Ints, categories: int) -> Floats:
    """(K, b) sums of rows (n, b) over a sorted category."""
    found = np.zeros((categories, values.shape[1]))
    at = np.searchsorted(category, np.arange(categories))
    there = np.unique(category)
    if len(there):
        found[there] = np.add.reduceat(values, at[there], axis=0)
    return found
