"""Ridge regression for very many targets, each with its own penalty chosen by cross-validation.

For X (n, p) and Y (n, t), t in the tens of thousands, work on X alone is cheap and done in double precision: one Gram
matrix for each fold, whose sum less its own is that of the rows it is predicted from, and one eigendecomposition for
each. What touches Y is a few products of matrices in its own precision, block after block of targets:

    p at most the rows of any fold  no prediction is made: with V, l the eigenvectors and values of the training rows'
                                    Gram matrix, z = V'X'y and w = z / (l + a), a fold's squared error is
                                    y'y − 2 w'(V'c) + w'(V'GV)w with c = X'y and G = X'X of the held-out rows
    otherwise                       predictions (X V) w

The intercept is not penalised: every sum is taken about the training rows' means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.numerics.folds import split

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Wide: TypeAlias = npt.NDArray[np.float64]
Select: TypeAlias = Literal["mse", "r"]
ALPHAS = tuple(10.0**k for k in range(7))
MEMORY_MB = 512.0


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """A fitted map from features to targets.

    Args:
        weights: (p, t).
        intercept: (t,).
        alphas: (t,), the penalty of each target.
        scores: (t,), its mean score over folds: minus the mean squared error, or r. Empty where nothing was chosen.
        features: (p,), means of the features, about which weights are meant.
    """

    weights: Floats
    intercept: Floats
    alphas: Wide
    scores: Wide
    features: Wide

    def predict(self, x: Floats, out: Floats | None = None) -> Floats:
        """Predictions (m, t) for rows (m, p)."""
        found = np.matmul(np.asarray(x, self.weights.dtype), self.weights, out=out)
        found += self.intercept
        return found


@dataclass(frozen=True, eq=False)
class _Fold:
    """What is known of a fold before any target is seen; columns are the training rows' eigenvectors.

    Args:
        rows: held-out rows.
        others: the training rows.
        values: (r,), eigenvalues of the training rows' Gram matrix.
        vectors: (p, r).
        mean: (p,), of the training rows.
        held_sum: (p,), over the held-out rows.
        quadratic: held' held (r, r), where errors come as quadratic forms, else `None`.
        held: X of the held-out rows about the training means, rotated (m, r), where they come as predictions.
        train: the same of the training rows (n − m, r).
    """

    rows: npt.NDArray[np.int64]
    others: npt.NDArray[np.int64]
    values: Wide
    vectors: Wide
    mean: Wide
    held_sum: Wide
    quadratic: Floats | None = None
    held: Floats | None = None
    train: Floats | None = None


@dataclass(frozen=True, eq=False)
class _Features:
    """Everything about X that all targets share."""

    x: Floats
    means: Wide
    folds: Sequence[_Fold] = field(default=())
    values: Wide = field(default_factory=lambda: np.empty(0))
    vectors: Floats = field(default_factory=lambda: np.empty((0, 0)))


def _decomposed(gram: Wide) -> tuple[Wide, Wide]:
    """Eigenvalues and vectors of what is not rounding."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(values[-1], 0.0) * len(values) * np.finfo(np.float64).eps * 10
    return values[kept], vectors[:, kept]


def _prepared(x: Floats, dtype: Any, folds: Sequence[npt.NDArray[np.int64]]) -> _Features:
    means = _mean(x)
    moved = np.asarray(x - means, dtype)
    grams = [_gram(moved[rows]) for rows in folds]
    whole = np.sum(grams, axis=0) if grams else _gram(moved)
    few = moved.shape[1] <= min(map(len, folds), default=0)
    found = [_fold(moved, rows, gram, whole, few) for rows, gram in zip(folds, grams)]
    values, vectors = _decomposed(whole)
    return _Features(moved, means, found, values, np.asarray(vectors, dtype))


def _mean(x: Floats) -> Wide:
    return np.asarray(sum(np.asarray(x[at : at + 1024], np.float64).sum(0) for at in range(0, len(x), 1024)) / len(x))


def _gram(rows: Floats) -> Wide:
    """X'X in double precision, a few rows at a time."""
    found = np.zeros((rows.shape[1],) * 2)
    for at in range(0, len(rows), 1024):
        part = np.asarray(rows[at : at + 1024], np.float64)
        found += part.T @ part
    return found


def _fold(x: Floats, rows: npt.NDArray[np.int64], gram: Wide, whole: Wide, few: bool) -> _Fold:
    others = np.setdiff1d(np.arange(len(x)), rows, assume_unique=True)
    held_sum = np.asarray(x[rows], np.float64).sum(0)
    mean = -held_sum / len(others)  # x has the mean 0 over all rows
    values, vectors = _decomposed(whole - gram - len(others) * np.outer(mean, mean))
    about = gram - np.outer(held_sum, mean) - np.outer(mean, held_sum) + len(rows) * np.outer(mean, mean)
    common = {"rows": rows, "others": others, "values": values, "vectors": vectors, "mean": mean, "held_sum": held_sum}
    dtype = x.dtype
    if few:
        return _Fold(**common, quadratic=np.asarray(vectors.T @ about @ vectors, dtype))
    held, train = (np.asarray((x[part] - mean) @ vectors, dtype) for part in (rows, others))
    return _Fold(**common, held=held, train=train)


def _errors(fold: _Fold, y: Floats, cross: Floats, whole: Floats, alphas: Wide) -> Iterator[tuple[Wide, Wide, Wide]]:
    """For each alpha: w'(V'c), w'(V'GV)w and y'y of the held-out rows, all about the training means, each (t,)."""
    shift = np.asarray(y[fold.rows].sum(0, dtype=np.float64))
    mean = -shift / len(fold.others)  # y has the mean 0 over all rows
    total = np.einsum("nt,nt->t", y[fold.rows], y[fold.rows]).astype(np.float64)
    total += -2 * mean * shift + len(fold.rows) * mean * mean
    if fold.quadratic is None:
        yield from _predicted(fold, y, mean, total, alphas)
        return
    dtype = y.dtype
    turn = np.asarray(fold.vectors.T, dtype)
    outer = np.outer(fold.vectors.T @ fold.mean, mean) * len(fold.others)
    z = turn @ (whole - cross) - outer.astype(dtype)
    # Σ (x − m)(y − μ) over held-out rows, with their sums: c − s_x μ − m s_y + k m μ
    held = turn @ cross
    held -= np.outer(fold.vectors.T @ (fold.held_sum - len(fold.rows) * fold.mean), mean).astype(dtype)
    held -= np.outer(fold.vectors.T @ fold.mean, shift).astype(dtype)
    held *= z
    shrunk = 1.0 / (fold.values[None, :] + alphas[:, None])
    crosses = shrunk.astype(dtype) @ held
    for a in range(len(alphas)):
        w = np.multiply(z, shrunk[a].astype(dtype)[:, None], out=held)
        yield crosses[a].astype(np.float64), np.einsum("pt,pt->t", w, fold.quadratic @ w).astype(np.float64), total


def _predicted(fold: _Fold, y: Floats, mean: Wide, total: Wide, alphas: Wide) -> Iterator[tuple[Wide, Wide, Wide]]:
    assert fold.held is not None
    assert fold.train is not None
    moved = np.asarray(y[fold.rows] - mean, y.dtype)
    z = fold.train.T @ y[fold.others]  # the training rows of X have the mean 0: that of y does not matter
    for alpha in alphas:
        guess = (fold.held / (fold.values + alpha).astype(y.dtype)) @ z
        cross = np.einsum("nt,nt->t", guess, moved).astype(np.float64)
        yield cross, np.einsum("nt,nt->t", guess, guess).astype(np.float64), total


def _scores(x: _Features, y: Floats, crosses: Sequence[Floats], whole: Floats, alphas: Wide, select: Select) -> Wide:
    """(A, t): mean over folds."""
    found = np.zeros((len(alphas), y.shape[1]))
    for fold, cross in zip(x.folds, crosses or [whole] * len(x.folds)):
        for a, (inner, square, total) in enumerate(_errors(fold, y, cross, whole, alphas)):
            lost = (total - 2 * inner + square) / len(fold.rows)
            found[a] += _r(inner, square, total) if select == "r" else -lost
    return found / len(x.folds)


def _r(inner: Wide, square: Wide, total: Wide) -> Wide:
    """A correlation about the training rows' means: as good to rank penalties, and needs no sums of its own."""
    with np.errstate(divide="ignore", invalid="ignore"):
        r = inner / np.sqrt(np.maximum(square, 0.0) * total)
    return np.nan_to_num(r)


@dataclass(frozen=True, kw_only=True)
class Ridge:
    """Ridge regression with an intercept, each target's penalty chosen by cross-validation.

    Args:
        alphas: penalties to choose from; with a single one nothing is chosen.
        folds: how many, neighbouring rows together (shuffle rows yourself where that is wanted).
        select: by the mean squared error over folds, or by correlation (about the training rows' means).
        memory_mb: what may be held beside X, the result, and Y where it is an array in memory, in MiB.

    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 3)).astype(np.float32)
    >>> fit = Ridge(alphas=(0.1, 10.0), folds=3).fit(x, x @ np.eye(3, 5, dtype=np.float32))
    >>> fit.alphas.tolist()
    [0.1, 0.1, 0.1, 0.1, 0.1]
    """

    alphas: tuple[float, ...] = ALPHAS
    folds: int = 5
    select: Select = "mse"
    memory_mb: float = MEMORY_MB

    def __post_init__(self) -> None:
        if not self.alphas or not all(np.isfinite(a) and a > 0 for a in self.alphas):
            raise ConfigError("penalties above 0", f"got {self.alphas}", "Give for example (1.0, 10.0, 100.0)")
        if self.select not in ("mse", "r"):
            raise ConfigError("select is mse or r", f"got {self.select!r}", "Choose one")

    def fit(
        self,
        x: Floats,
        y: Floats | Path,
        groups: npt.ArrayLike | None = None,
        on_block: Callable[[int, int], None] = lambda done, of: None,
    ) -> RidgeFit:
        """Fit.

        Args:
            x: features (n, p); float32 or float64, which is the precision of all work on y.
            y: targets (n, t); or a `.npy` file, of which a block of columns at a time is read.
            groups: (t,), labels of targets that share a penalty, chosen by the mean of their scores; by default each
                has its own.
            on_block: told how many targets are done, and of how many.

        Raises:
            ConfigError: shapes do not fit, numbers are not finite, or the memory is too little for one target.
        """
        shape = _opened(y).shape
        dtype = np.dtype(np.float32 if x.dtype == np.float32 else np.float64)
        if x.ndim != 2 or len(shape) != 2 or len(x) != shape[0]:
            raise ConfigError("x (n, p) and y (n, t)", f"got {x.shape} and {shape}", "Give rows for the same items")
        if not np.isfinite(np.sum(x, dtype=np.float64)):
            raise ConfigError("finite features", "some are not", "Leave them out, or fill them in")
        choosing = len(self.alphas) > 1
        features = _prepared(x, dtype, split(len(x), self.folds) if choosing else [])
        work = _Work(self, features, y, shape, dtype)
        labels = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
        if labels is not None and labels.shape != (shape[1],):
            raise ConfigError(f"a group for each of {shape[1]} targets", f"got {labels.shape}", "Give one per column")
        if choosing and labels is not None:
            scores = np.concatenate([work.scored(part) for part in work.parts()], axis=1)
            return work.fitted(*_by_group(scores, labels), on_block)
        return work.fitted(None, None, on_block)


def _by_group(scores: Wide, labels: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Wide]:
    """The position of the penalty of each target, and its own score there."""
    sums = np.zeros((len(scores), int(labels.max()) + 1))
    for a, row in enumerate(scores):
        sums[a] = np.bincount(labels, row, minlength=sums.shape[1])
    picked = sums.argmax(0)[labels]
    return picked, scores[picked, np.arange(len(picked))]


def _opened(y: Floats | Path) -> Floats:
    return np.load(y, mmap_mode="r", allow_pickle=False) if isinstance(y, Path) else y


def _columns(y: Floats | Path, part: slice, dtype: Any) -> Floats:
    """A copy of some columns. Of a file they are read row by row: pages of a map would count as memory held."""
    table = _opened(y)
    if not isinstance(y, Path) or not isinstance(table, np.memmap) or not table.flags.c_contiguous:
        return np.array(table[:, part], dtype)
    block = np.empty((len(table), part.stop - part.start), table.dtype)
    with y.open("rb", buffering=0) as file:
        for at, row in enumerate(block):
            file.seek(table.offset + at * table.strides[0] + part.start * table.itemsize)
            if file.readinto(row) != row.nbytes:
                raise ConfigError(f"{y.name} as long as its header says", "it is cut short", "Save it anew")
    return np.asarray(block, dtype)


class _Work:
    """Targets, block after block."""

    def __init__(self, recipe: Ridge, x: _Features, y: Floats | Path, shape: tuple[int, ...], dtype: Any) -> None:
        self.alphas, self.select = np.asarray(recipe.alphas, np.float64), recipe.select
        self.x, self.y, self.dtype = x, y, dtype
        self.rows, self.targets = shape
        self.width = len(x.means)
        self.block = self._block(recipe.memory_mb * 2**20)

    def _block(self, memory: float) -> int:
        """Targets at once: y, its products with each fold, and what an error needs."""
        width, folds = self.width, len(self.x.folds)
        small = [fold.quadratic is not None for fold in self.x.folds]
        own = 2 * self.rows + width * (3 + (folds + 4 if all(small) else 1))
        if not all(small):
            own += 4 * max(len(fold.rows) for fold in self.x.folds)
        each = own * self.dtype.itemsize + 8 * 4 * len(self.alphas)
        count = int(memory // each)
        if count < 1:
            do = f"Raise memory_mb to {each / 2**20 + 1:.0f}"
            raise ConfigError("memory for one target", f"got {memory / 2**20:g} MiB", do)
        return min(count, self.targets)

    def parts(self) -> Iterator[slice]:
        for start in range(0, self.targets, self.block):
            yield slice(start, min(start + self.block, self.targets))

    def _centred(self, part: slice) -> tuple[Floats, Wide]:
        block = _columns(self.y, part, self.dtype)
        mean = block.mean(0, dtype=np.float64)
        if not np.isfinite(mean).all():
            at = part.start + int(np.flatnonzero(~np.isfinite(mean))[0])
            raise ConfigError("finite targets", f"column {at} has others", "Leave it out, or fill it in")
        block -= mean.astype(self.dtype)
        return block, mean

    def _crosses(self, block: Floats) -> tuple[list[Floats], Floats]:
        """X'Y of each fold where folds want it, and of all rows."""
        if self.x.folds and all(fold.quadratic is not None for fold in self.x.folds):
            found: list[Floats] = [self.x.x[fold.rows].T @ block[fold.rows] for fold in self.x.folds]
            return found, np.asarray(np.add.reduce(found))
        return [], self.x.x.T @ block

    def scored(self, part: slice) -> Wide:
        block, _ = self._centred(part)
        return _scores(self.x, block, *self._crosses(block), self.alphas, self.select)

    def fitted(
        self, picked: npt.NDArray[np.int64] | None, scores: Wide | None, on_block: Callable[[int, int], None]
    ) -> RidgeFit:
        weights = np.empty((self.width, self.targets), self.dtype)
        intercept = np.empty(self.targets, self.dtype)
        chosen = np.zeros(self.targets, np.int64) if picked is None else picked
        told = np.full(self.targets, np.nan) if scores is None else scores
        for part in self.parts():
            block, mean = self._centred(part)
            crosses, whole = self._crosses(block)
            if picked is None and self.x.folds:
                table = _scores(self.x, block, crosses, whole, self.alphas, self.select)
                chosen[part] = table.argmax(0)
                told[part] = table.max(0)
            crosses.clear()
            z = self.x.vectors.T @ whole
            shrunk = 1.0 / (self.x.values[:, None] + self.alphas[None, :])
            z *= shrunk.astype(self.dtype)[:, chosen[part]]
            np.matmul(self.x.vectors, z, out=weights[:, part])
            intercept[part] = mean - self.x.means @ weights[:, part]
            on_block(part.stop, self.targets)
        return RidgeFit(weights, intercept, self.alphas[chosen], told, self.x.means)
