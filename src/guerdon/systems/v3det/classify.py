"""Classifiers of regions by vectors of names: ridge regression into the space of the names, and cosines there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Linear:
    """A linear map of standardised features.

    Args:
        middle: (d,) subtracted from features.
        spread: (d,) that they are divided by.
        weights: (d, e).
        offset: (e,).
    """

    middle: Floats
    spread: Floats
    weights: Floats
    offset: Floats

    def __call__(self, features: npt.ArrayLike) -> Floats:
        """(n, e) of features (n, d)."""
        found: Floats = (np.asarray(features, float) - self.middle) / self.spread @ self.weights + self.offset
        return found


def ridge(features: npt.ArrayLike, targets: npt.ArrayLike, alpha: float = 1.0) -> Linear:
    """Ridge regression on standardised features, its strength relative to the number of rows.

    Args:
        features: (n, d).
        targets: (n, e).
        alpha: α; α n is added to the diagonal.
    """
    x, y = np.asarray(features, float), np.asarray(targets, float)
    middle, spread = x.mean(0), x.std(0)
    spread[spread < 1e-9] = 1.0
    x = (x - middle) / spread
    offset = y.mean(0)
    n, d = x.shape
    if n < d:  # the dual has the smaller matrix
        weights = x.T @ np.linalg.solve(x @ x.T + alpha * n * np.eye(n), y - offset)
    else:
        weights = np.linalg.solve(x.T @ x + alpha * n * np.eye(d), x.T @ (y - offset))
    return Linear(middle, spread, weights, offset)


def unit(rows: npt.ArrayLike) -> Floats:
    """(n, d) rows of length 1; one of length 0 stays."""
    found = np.asarray(rows, float)
    length = np.linalg.norm(found, axis=-1, keepdims=True)
    return found / np.where(length > 0, length, 1.0)


def cosines(rows: npt.ArrayLike, vectors: npt.ArrayLike) -> Floats:
    """(n, m) cosines of rows (n, d) and vectors (m, d)."""
    found: Floats = unit(rows) @ unit(vectors).T
    return found


def word_vectors(names: Sequence[str]) -> Floats:
    """(n, w) vectors of names that need no model: which of all their words each has.

    >>> word_vectors(["red disc", "disc"]).round(2).tolist()
    [[0.71, 0.71], [1.0, 0.0]]
    """
    split = [re.findall(r"\w+", name.lower()) for name in names]
    words = {word: k for k, word in enumerate(sorted({word for each in split for word in each}))}
    found = np.zeros((len(names), max(len(words), 1)))
    for row, each in zip(found, split, strict=True):
        row[[words[word] for word in each]] = 1.0
    return unit(found)


def best_classes(scores: Floats, most: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and classes of the highest scores of each row, as many as `most` each."""
    n = min(most, scores.shape[1])
    classes = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    return np.repeat(np.arange(len(scores)), n), classes.reshape(-1)
