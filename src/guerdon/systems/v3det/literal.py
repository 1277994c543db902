"""The judge's rules one at a time, without any thought of speed: what the fast judge is measured against."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

RECALLS: list[float] = np.linspace(0, 1, 101).tolist()
AREAS = {"all": (0.0, 1e10), "small": (0.0, 1024.0), "medium": (1024.0, 9216.0), "large": (9216.0, 1e10)}
Row = Mapping[str, Any]


def average_precision(
    truths: Sequence[Row],
    found: Sequence[Row],
    category: int,
    threshold: float,
    *,
    area: str = "all",
    most: int = 300,
    ancestors: Mapping[int, Collection[int]] | None = None,
) -> float | None:
    """AP of one category at one threshold, or `None` where it has no truth that counts.

    Args:
        truths: rows with image, category, box, area and crowd.
        found: rows with image, category, box and score.
        category: whose.
        threshold: least overlap.
        area: name of a range of sizes.
        most: detections of an image that count.
        ancestors: of each category; where one was found in an image, its ancestors' boxes there are ignored ones.
    """
    positives = 0
    judged: list[tuple[float, bool]] = []
    for image in sorted({row["image"] for row in (*truths, *found)}):
        mine = sorted(
            (row for row in found if (row["image"], row["category"]) == (image, category)),
            key=lambda row: -row["score"],
        )[:most]
        there = [(row, _skipped(row, area)) for row in truths if (row["image"], row["category"]) == (image, category)]
        positives += sum(not skipped for _, skipped in there)
        if mine:
            above = set((ancestors or {}).get(category, ())) - {category}
            there += [(row, True) for row in truths if row["image"] == image and row["category"] in above]
        judged += _matched(mine, sorted(there, key=lambda pair: pair[1]), threshold, AREAS[area])
    if not positives:
        return None
    judged.sort(key=lambda pair: -pair[0])
    return _interpolated([hit for _, hit in judged], positives)


def _skipped(truth: Row, area: str) -> bool:
    low, high = AREAS[area]
    return bool(truth["crowd"]) or not low <= truth["area"] <= high


def _matched(
    mine: Sequence[Row], there: Sequence[tuple[Row, bool]], threshold: float, limits: tuple[float, float]
) -> list[tuple[float, bool]]:
    """Scores of the detections that count, and whether each is a hit."""
    free = [True] * len(there)
    judged = []
    for row in mine:
        best, at = min(threshold, 1 - 1e-10), None
        for k, (truth, skipped) in enumerate(there):
            if not free[k] and not truth["crowd"]:
                continue
            if skipped and at is not None and not there[at][1]:
                break
            shared = _overlap(row["box"], truth["box"], truth["crowd"])
            if shared >= best:
                best, at = shared, k
        if at is None:
            if limits[0] <= row["box"][2] * row["box"][3] <= limits[1]:
                judged.append((row["score"], False))
            continue
        free[at] = False
        if not there[at][1]:
            judged.append((row["score"], True))
    return judged


def _overlap(one: Sequence[float], two: Sequence[float], crowd: bool) -> float:
    width = min(one[0] + one[2], two[0] + two[2]) - max(one[0], two[0])
    height = min(one[1] + one[3], two[1] + two[3]) - max(one[1], two[1])
    if width <= 0 or height <= 0:
        return 0.0
    own = one[2] * one[3]
    return width * height / (own if crowd else own + two[2] * two[3] - width * height)


def _interpolated(hits: Sequence[bool], positives: int) -> float:
    """The mean over 101 recalls of the highest precision at that recall or above."""
    curve = []
    right = 0
    for tried, hit in enumerate(hits, 1):
        right += hit
        curve.append((right / positives, right / tried))
    return sum(max((p for r, p in curve if r >= recall), default=0.0) for recall in RECALLS) / len(RECALLS)
