"""Average precision over categories, as COCO has it; its interval is in `resampling`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.vision.detections import IGNORED, NONE, TRUE, Matches

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
