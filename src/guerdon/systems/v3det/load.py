"""Labels and detections of realistic size: V3Det's long tail, in columns, without any picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.vision.coco import Labels
from guerdon.vision.detections import Detections, Truths
from guerdon.vision.hierarchy import Tree

IMAGES_OF = ((0.0, 0), (0.05, 7), (0.25, 13), (0.5, 15), (0.75, 17), (0.9, 32), (0.95, 69), (0.99, 631), (1.0, 15_357))
"""Quantiles of images with a category in the training set (from the released metadata)."""
BOXES_OF = ((0.0, 0), (0.5, 22), (0.9, 110), (0.99, 1_127), (1.0, 47_517))
"""Quantiles of boxes of a category in the training set."""
VAL = {"images": 29_821, "boxes": 220_429, "categories": 13_204}
"""Size of the validation set."""
PER_IMAGE = 300
SIZE = (640.0, 480.0)


def long_tail(categories: int, quantiles: Sequence[tuple[float, float]] = BOXES_OF) -> npt.NDArray[np.float64]:
    """(K,) counts, ascending, with these quantiles; between two of them they grow geometrically.

    >>> long_tail(5, [(0, 1), (1, 100)]).round().tolist()
    [2.0, 5.0, 13.0, 30.0, 67.0]
    """
    at = (np.arange(categories) + 0.5) / categories
    share, value = np.array(quantiles, float).T
    found: npt.NDArray[np.float64] = np.expm1(np.interp(at, share, np.log1p(value)))
    return found


def labels_like(images: int, boxes: int, categories: int, seed: int = 0) -> Labels:
    """Labels with a long tail; half of the categories are base ones, as in V3Det.

    Args:
        images: how many.
        boxes: how many; a category may have none.
        categories: how many.
        seed: draws everything.
    """
    rng = np.random.default_rng([seed, 1])
    counts = rng.permutation(long_tail(categories))
    category = np.sort(rng.choice(categories, boxes, p=counts / counts.sum()))
    image = rng.integers(0, images, boxes)
    again = np.flatnonzero((rng.random(boxes) < 0.35) & np.r_[False, category[1:] == category[:-1]])
    image[again] = image[again - 1]  # several of a kind are often in one image
    truths = Truths.of(image, category, _boxes(rng, boxes))
    k = np.arange(categories)
    return Labels(
        np.arange(1, images + 1), [f"{each:06d}.jpg" for each in range(images)],
        np.tile(np.array(SIZE, np.int64), (images, 1)), k + 1, [f"category {each}" for each in range(categories)],
        rng.permutation(categories) >= round(0.508 * categories), truths,
    )  # fmt: skip


def detections_like(labels: Labels, per_image: int = PER_IMAGE, seed: int = 0, found: float = 0.6) -> Detections:
    """Detections: some near a truth, most of them wrong, as many in every image.

    Args:
        labels: what is there.
        per_image: of each image.
        seed: draws everything.
        found: share of truths that are found.
    """
    rng = np.random.default_rng([seed, 2])
    truths, n = labels.truths, len(labels.images)
    near = rng.permutation(np.flatnonzero(rng.random(len(truths)) < found))
    rank = _ranks(truths.image[near])
    near, rank = near[rank < per_image], rank[rank < per_image]
    image = np.repeat(np.arange(n), per_image)
    wrong = rng.choice(len(truths), n * per_image)  # wrong ones follow the tail too
    category, box = truths.category[wrong], _boxes(rng, n * per_image)
    score = rng.beta(1, 6, n * per_image)
    at = truths.image[near] * per_image + rank
    sides = truths.box[near]
    category[at] = truths.category[near]
    box[at] = sides + rng.normal(0, 0.06, sides.shape) * np.tile(sides[:, 2:], 2)
    box[:, 2:] = np.maximum(box[:, 2:], 1.0)
    score[at] = rng.beta(3, 3, len(at))
    return Detections(image, category, box.round(2), score.round(5))


def tree_like(categories: int, seed: int = 0) -> Tree:
    """A tree of three levels: a tenth of the categories have kinds."""
    rng = np.random.default_rng([seed, 3])
    order = rng.permutation(categories)
    top, middle = max(1, categories // 50), max(2, categories // 10)
    parent = np.where(np.arange(categories) < middle, rng.integers(0, top, categories),
                      rng.integers(top, middle, categories))  # fmt: skip
    pairs = [(int(order[parent[k]]), int(order[k])) for k in range(top, categories)]
    return Tree.of(categories, pairs)


def annotations_of(labels: Labels) -> dict[str, Any]:
    """Labels as an annotation file has them, ids of boxes from 1 on."""
    truths = labels.truths
    rows = zip(
        labels.images[truths.image].tolist(), labels.categories[truths.category].tolist(), truths.box.tolist(),
        truths.area.tolist(), truths.crowd.tolist(), strict=True,
    )  # fmt: skip
    return {
        "images": [
            {"id": k, "file_name": name, "width": size[0], "height": size[1]}
            for k, name, size in zip(labels.images.tolist(), labels.names, labels.sizes.tolist(), strict=True)
        ],
        "categories": [
            {"id": k, "name": name, "novel": novel}
            for k, name, novel in zip(
                labels.categories.tolist(), labels.category_names, labels.novel.tolist(), strict=True
            )
        ],
        "annotations": [
            {"id": k, "image_id": image, "category_id": kind, "bbox": box, "area": area, "iscrowd": int(crowd)}
            for k, (image, kind, box, area, crowd) in enumerate(rows, 1)
        ],
    }


def _boxes(rng: np.random.Generator, n: int) -> npt.NDArray[np.float64]:
    sides = np.exp(rng.uniform(np.log(8), np.log(400), (n, 2)))
    sides = np.minimum(sides, np.array(SIZE) - 1)
    return np.concatenate([rng.random((n, 2)) * (np.array(SIZE) - sides), sides], 1).round(2)


def _ranks(column: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    order = np.argsort(column, kind="stable")
    there = column[order]
    first = np.r_[True, there[1:] != there[:-1]] if len(there) else np.zeros(0, bool)
    at = np.arange(len(there))
    found = np.empty(len(there), np.int64)
    found[order] = at - np.maximum.accumulate(np.where(first, at, 0))
    return found
