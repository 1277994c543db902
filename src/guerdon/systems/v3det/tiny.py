"""A tiny detector for plain grounds: what stands out is an object, and a linear map of its pixels says which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from guerdon.systems.v3det.classify import Floats, Linear, best_classes, cosines, ridge, word_vectors
from guerdon.systems.v3det.scenes import Pixels

Box = tuple[int, int, int, int]
GRID = 10
STANDS_OUT = 45.0
"""Distance of a pixel's colour from the ground's, of 255, from which it is part of an object."""
SMALLEST = 30


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled box: the picture, x, y, width and height, and the place of its category."""

    pixels: Pixels
    box: Box
    category: int


@dataclass(frozen=True, eq=False)
class Learned:
    """A detector.

    Args:
        linear: from features to the space of the categories' vectors.
        vectors: (K, e) of the categories.
        ids: of the categories.
    """

    linear: Linear
    vectors: Floats
    ids: Sequence[int]

    def detect(self, pixels: Pixels, each: int) -> list[dict[str, Any]]:
        """Entries without an image, the surest first, `each` categories for a region."""
        boxes = regions(pixels)
        if not boxes:
            return []
        scores = (1 + cosines(self.linear([features(pixels, box) for box in boxes]), self.vectors)) / 2
        rows, classes = best_classes(scores, each)
        found = [
            {"category_id": self.ids[k], "bbox": list(boxes[row]), "score": round(float(scores[row, k]), 6)}
            for row, k in zip(rows.tolist(), classes.tolist(), strict=True)
        ]
        return sorted(found, key=lambda entry: -float(str(entry["score"])))


def learn(
    examples: Sequence[Example], names: Sequence[str], ids: Sequence[int], *, alpha: float, words: bool
) -> Learned:
    """A detector from labelled boxes.

    Args:
        examples: at least one.
        names: of the categories.
        ids: of the categories.
        alpha: strength of the ridge.
        words: whether categories are known by the words of their names; else each is a direction of its own.
    """
    vectors = word_vectors(names) if words else np.eye(len(names))
    rows = [features(each.pixels, each.box) for each in examples]
    linear = ridge(rows, vectors[[each.category for each in examples]], alpha)
    return Learned(linear, vectors, ids)


def regions(pixels: Pixels) -> list[Box]:
    """Boxes around what stands out from the ground, whose colour is the median."""
    from scipy import ndimage

    far = np.linalg.norm(pixels - np.median(pixels, (0, 1)), axis=-1)
    marked, _ = ndimage.label(ndimage.median_filter(far, 3) > STANDS_OUT)
    found = []
    for rows, columns in ndimage.find_objects(marked):
        box = (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        if box[2] * box[3] >= SMALLEST:
            found.append(box)
    return found


def features(pixels: Pixels, box: Box) -> Floats:
    """(d,) of a region: a grid of how far its pixels are from the ground, and the colour of those that stand out."""
    x, y, width, height = (int(side) for side in box)
    crop = pixels[y : y + max(height, 1), x : x + max(width, 1)].astype(float)
    ground = np.median(pixels, (0, 1))
    rows = np.arange(GRID) * crop.shape[0] // GRID
    columns = np.arange(GRID) * crop.shape[1] // GRID
    far = np.linalg.norm(crop - ground, axis=-1)
    object_ = crop[far > STANDS_OUT] if (far > STANDS_OUT).any() else crop.reshape(-1, 3)
    colour = object_.mean(0) / 255
    share = colour / max(colour.sum(), 1e-6)
    grid = (far[np.ix_(rows, columns)] > STANDS_OUT).astype(float).reshape(-1)
    return np.concatenate([grid, 3 * colour, 10 * share, 10 * share**2])
