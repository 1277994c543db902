"""COCO's matching and averaging, literally: one category, image, area and threshold at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

AREAS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
RECALLS = np.linspace(0, 1, 101)


Row = Mapping[str, Any]


def overlap(d: Any, g: Any, crowd: bool) -> float:
    w = min(d[0] + d[2], g[0] + g[2]) - max(d[0], g[0])
    h = min(d[1] + d[3], g[1] + g[3]) - max(d[1], g[1])
    if w <= 0 or h <= 0:
        return 0.0
    own = d[2] * d[3]
    union = own if crowd else own + g[2] * g[3] - w * h
    return float(w * h / union)


def average(
    truths: Sequence[Row], found: Sequence[Row], category: int, threshold: float, area: str, most: int
) -> float | None:
    """The average precision of one category, or `None` where it has no truth that counts."""
    low, high = AREAS[area]
    rows, positives = [], 0
    images = sorted({each["image"] for each in (*truths, *found)})
    for image in images:
        there = [t for t in truths if t["image"] == image and t["category"] == category]
        skip = [t["ignore"] or t["crowd"] or not low <= t["area"] <= high for t in there]
        order = sorted(range(len(there)), key=lambda k: skip[k])
        here = [d for d in found if d["image"] == image and d["category"] == category]
        here.sort(key=lambda d: -float(d["score"]))
        positives += sum(not each for each in skip)
        free = [True] * len(there)
        for d in here[:most]:
            best, at = min(threshold, 1 - 1e-10), None
            for k in order:
                if not free[k] and not there[k]["crowd"]:
                    continue
                if at is not None and not skip[at] and skip[k]:
                    break
                shared = overlap(d["box"], there[k]["box"], there[k]["crowd"])
                if shared >= best:
                    best, at = shared, k
            if at is None:
                size = d["box"][2] * d["box"][3]
                rows.append((d["score"], False, not low <= size <= high))
            else:
                free[at] = False
                rows.append((d["score"], True, skip[at]))
    if not positives:
        return None
    rows.sort(key=lambda row: -row[0])
    right = tried = 0
    recall: list[float] = []
    value: list[float] = []
    for _, matched, ignored in rows:
        if not ignored:
            right, tried = right + matched, tried + 1
        recall.append(right / positives)
        value.append(right / tried if tried else 0.0)
    for k in range(len(value) - 2, -1, -1):
        value[k] = max(value[k], value[k + 1])
    total = 0.0
    for wanted in RECALLS:
        total += next((value[k] for k, each in enumerate(recall) if each >= wanted), 0.0)
    return total / len(RECALLS)
