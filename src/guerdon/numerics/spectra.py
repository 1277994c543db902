"""What ridge regression knows of its features before it sees a target, for each fold: all of it in double precision.

Which way a fold's errors come depends on p features, the m rows held out and the n − m that are left:

    p ≤ m              no prediction is made: the held-out rows' Gram matrix makes errors quadratic forms
    m < p ≤ n − m      predictions are S c, where c = X'y of the training rows and S = X V (l + a)⁻¹ V' for penalty a
    n − m < p          predictions are S y, with S = K U (l + a)⁻¹ U' and K = X X': p does not matter any more

V, U and l are eigenvectors and values of the training rows' X'X or X X', X are held-out rows about the training means.
The S of all penalties, below each other, are one product with the targets; where they would take too much memory,
targets are turned to eigenvectors first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Wide: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Way: TypeAlias = Literal["quadratic", "features", "rows"]
_PIECE = 1024  # rows that are summed at once in double precision


@dataclass(frozen=True, eq=False)
class Fold:
    """What is known of a fold before any target is seen.

    Args:
        rows: held-out rows.
        others: the training rows.
        values: (r,), eigenvalues of the training rows' matrix.
        turn: (r, s), from what targets come with (X'y of the training rows, or y) to eigenvectors.
        mean: (p,), of the training rows' features.
        held_sum: (p,), over the held-out rows.
        quadratic: held' held (r, r), where errors come as quadratic forms, else `None`.
        smooth: (A m, s), from what targets come with to predictions, penalty below penalty.
        held: (m, r), of the held-out rows about the training means, where there is no room for that.
    """

    rows: Ints
    others: Ints
    values: Wide
    turn: Floats
    mean: Wide
    held_sum: Wide
    quadratic: Floats | None = None
    smooth: Floats | None = None
    held: Floats | None = None

    def predictors(self, alphas: Wide) -> Iterator[tuple[slice, Floats]]:
        """Penalties, and what predicts with these, one below the other: all, or one after another.

        Without `smooth` it predicts from targets that are turned.
        """
        if self.smooth is not None:
            yield slice(0, len(alphas)), self.smooth
            return
        assert self.held is not None
        for a, alpha in enumerate(alphas):
            yield slice(a, a + 1), self.held / (self.values + alpha).astype(self.held.dtype)


@dataclass(frozen=True, eq=False)
class Features:
    """Everything about X that all targets share.

    Args:
        x: (n, p) about its means.
        means: (p,).
        way: in which errors come.
        values: (r,), eigenvalues of all rows' matrix.
        turn: (r, s), from X'y (or y) to eigenvectors.
        back: (p, r), from there to weights.
        folds: for cross-validation.
    """

    x: Floats
    means: Wide
    way: Way
    values: Wide
    turn: Floats
    back: Floats
    folds: Sequence[Fold] = field(default=())

    @property
    def by_rows(self) -> bool:
        """Whether targets come as they are, and not as X'y."""
        return self.way == "rows"


def prepared(x: Floats, dtype: Any, folds: Sequence[Ints], alphas: Wide, room: int) -> Features:
    """Look at the features.

    Args:
        x: (n, p).
        dtype: of all work on targets.
        folds: held-out rows of each.
        alphas: penalties.
        room: numbers that the smoothers of all folds may have together.
    """
    means = _mean(x)
    moved = np.asarray(x - means, dtype)
    n, p = moved.shape
    penalties = alphas if len(alphas) * n * min(n, p) <= room else np.empty(0)
    if p > n - max(map(len, folds), default=0):
        return _by_rows(moved, means, folds, penalties)
    grams = [_gram(moved[rows]) for rows in folds]
    whole = np.sum(grams, axis=0) if grams else _gram(moved)
    few = p <= min(map(len, folds), default=0)
    found = [_fold(moved, rows, gram, whole, penalties, few) for rows, gram in zip(folds, grams)]
    values, vectors = _decomposed(whole)
    back = np.asarray(vectors, dtype)
    return Features(moved, means, "quadratic" if few else "features", values, back.T, back, found)


def _decomposed(gram: Wide) -> tuple[Wide, Wide]:
    """Eigenvalues and vectors of what is not rounding."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps * 10
    return values[kept], vectors[:, kept]


def _mean(x: Floats) -> Wide:
    pieces = range(0, len(x), _PIECE)
    return np.asarray(sum(np.asarray(x[at : at + _PIECE], np.float64).sum(0) for at in pieces) / len(x))


def _gram(rows: Floats) -> Wide:
    """X'X in double precision, a few rows at a time."""
    found = np.zeros((rows.shape[1],) * 2)
    for at in range(0, len(rows), _PIECE):
        part = np.asarray(rows[at : at + _PIECE], np.float64)
        found += part.T @ part
    return found


def _others(count: int, rows: Ints) -> Ints:
    return np.setdiff1d(np.arange(count), rows, assume_unique=True)


def _fold(x: Floats, rows: Ints, gram: Wide, whole: Wide, alphas: Wide, few: bool) -> Fold:
    others = _others(len(x), rows)
    held_sum = np.asarray(x[rows], np.float64).sum(0)
    mean = -held_sum / len(others)  # x has the mean 0 over all rows
    values, vectors = _decomposed(whole - gram - len(others) * np.outer(mean, mean))
    told = {"rows": rows, "others": others, "values": values, "mean": mean, "held_sum": held_sum}
    if few:
        about = gram - np.outer(held_sum, mean) - np.outer(mean, held_sum) + len(rows) * np.outer(mean, mean)
        quadratic = np.asarray(vectors.T @ about @ vectors, x.dtype)
        return Fold(**told, turn=np.asarray(vectors.T, x.dtype), quadratic=quadratic)
    held = (np.asarray(x[rows], np.float64) - mean) @ vectors
    return _predicting(told, held, vectors.T, alphas, x.dtype)


def _by_rows(x: Floats, means: Wide, folds: Sequence[Ints], alphas: Wide) -> Features:
    """For more features than training rows: products of rows take the place of those of features."""
    gram = _gram(x.T)
    found = []
    for rows in folds:
        others = _others(len(x), rows)
        own, across = gram[np.ix_(others, others)], gram[np.ix_(rows, others)]
        middle, total = own.mean(0), own.mean()
        values, vectors = _decomposed(own - middle - middle[:, None] + total)
        held = (across - across.mean(1, keepdims=True) - middle + total) @ vectors
        sums = np.asarray(x[rows], np.float64).sum(0)
        told = {"rows": rows, "others": others, "values": values, "mean": -sums / len(others), "held_sum": sums}
        found.append(_predicting(told, held, vectors.T, alphas, x.dtype))
    values, vectors = _decomposed(gram)
    turn = np.asarray(vectors.T, x.dtype)
    return Features(x, means, "rows", values, turn, x.T @ turn.T, found)


def _predicting(told: dict[str, Any], held: Wide, turn: Wide, alphas: Wide, dtype: Any) -> Fold:
    if not len(alphas):
        return Fold(**told, turn=np.asarray(turn, dtype), held=np.asarray(held, dtype))
    smooth = np.empty((len(alphas) * len(held), turn.shape[1]), dtype)
    for part, alpha in zip(np.split(smooth, len(alphas)), alphas, strict=True):
        part[:] = (held / (told["values"] + alpha)) @ turn
    return Fold(**told, turn=np.empty((0, 0), dtype), smooth=smooth)
