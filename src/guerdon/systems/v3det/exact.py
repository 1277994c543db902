"""How far the fast judge is from the literal rules, on random small cases with everything that is awkward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from guerdon.systems.v3det.literal import average_precision
from guerdon.vision.detections import AREAS, Detections, Rules, Truths, match
from guerdon.vision.hierarchy import Tree, with_kinds
from guerdon.vision.precision import precision

IMAGES, CATEGORIES, MOST = 4, 5, 6
CHECKED = (0, 5, 9)
"""Places of the thresholds that are compared: 0.5, 0.75 and 0.95."""
Columns = dict[str, Any]


def differences(seeds: Iterable[int]) -> tuple[float, int]:
    """The largest difference of an average precision on cases of these seeds, and how many were compared.

    A value that one side has and the other has not is infinitely far away.
    """
    worst, count = 0.0, 0
    for seed in seeds:
        for fast, slow in _both(seed):
            count += slow is not None
            if slow is None or not np.isfinite(fast):
                worst = worst if slow is None and not np.isfinite(fast) else float("inf")
            else:
                worst = max(worst, abs(fast - slow))
    return worst, count


def _both(seed: int) -> list[tuple[float, float | None]]:
    truths, found, edges = case(seed)
    tree = Tree.of(CATEGORIES, edges)
    there = Truths.of(*(truths[name] for name in ("image", "category", "box")),
                      area=truths["area"], crowd=truths["crowd"])  # fmt: skip
    detected = Detections.of(*(found[name] for name in ("image", "category", "box", "score")))
    rules = Rules(areas=tuple(AREAS), most=MOST)
    told = precision(match(with_kinds(there, detected, tree), detected, CATEGORIES, rules))
    above = {k: tree.of_category(k).tolist() for k in range(CATEGORIES)}
    one, two = _rows(truths), _rows(found)
    return [
        (
            float(told.average[a, t, k]),
            average_precision(one, two, k, rules.thresholds[t], area=area, most=MOST, ancestors=above),
        )
        for a, area in enumerate(AREAS)
        for t in CHECKED
        for k in range(CATEGORIES)
    ]


def case(seed: int) -> tuple[Columns, Columns, list[tuple[int, int]]]:
    """Truths, detections and edges of a tree: close and equal boxes, crowds, equal scores, sizes about the limits."""
    rng = np.random.default_rng([seed, 9])
    n, m, scale = int(rng.integers(0, 20)), int(rng.integers(0, 50)), int(rng.choice([24, 60, 150]))
    truths, found = _columns(rng, n, scale), _columns(rng, m, scale)
    truths["crowd"] = rng.random(n) < 0.1
    truths["area"] = truths["box"][:, 2] * truths["box"][:, 3] * rng.choice([1.0, 0.5], n)
    found["score"] = rng.integers(0, 8, m) / 8
    if n and m:
        near = rng.integers(0, n, m // 2)
        moved = rng.integers(-2, 3, (m // 2, 4)) * (rng.random((m // 2, 1)) < 0.5)
        found["box"][: m // 2] = np.maximum(truths["box"][near] + moved, [0, 0, 1, 1])
        found["image"][: m // 2] = truths["image"][near]
        found["category"][: m // 2] = truths["category"][near]
        other = rng.random(m // 2) < 0.3  # at the right place, as another category: perhaps a kind of it
        found["category"][: m // 2][other] = rng.integers(0, CATEGORIES, int(other.sum()))
    edges = [(int(rng.integers(0, k)), k) for k in range(1, CATEGORIES) if rng.random() < 0.7]
    return truths, found, edges


def _columns(rng: np.random.Generator, n: int, scale: int) -> Columns:
    box = np.concatenate([rng.integers(0, scale, (n, 2)), rng.integers(1, scale, (n, 2))], 1).astype(float)
    return {"image": rng.integers(0, IMAGES, n), "category": rng.integers(0, CATEGORIES, n), "box": box}


def _rows(columns: Columns) -> list[dict[str, Any]]:
    return [{name: column[k] for name, column in columns.items()} for k in range(len(columns["image"]))]
