"""Ridge regression for very many targets, each with its own penalty chosen by cross-validation.

For X (n, p) and Y (n, t), t in the tens of thousands, work on X alone is cheap and done in double precision; it is in
`spectra`. What touches Y is a few products of matrices in its own precision, block after block of targets:

    p at most the rows of any fold  no prediction is made: with V, l the eigenvectors and values of the training rows'
                                    Gram matrix, z = V'X'y and w = z / (l + a), a fold's squared error is
                                    y'y − 2 w'(V'c) + w'(V'GV)w with c = X'y and G = X'X of the held-out rows
    otherwise                       predictions, by one matrix for all penalties, from X'Y, or from Y where p is large

The intercept is not penalised: every sum is taken about the training rows' means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.numerics.folds import split
from guerdon.numerics.spectra import Features, Floats, Fold, Wide, prepared

Select: TypeAlias = Literal["mse", "r"]
ALPHAS = tuple(10.0**k for k in range(7))
MEMORY_MB = 512.0
CACHE = 1 << 22
"""Predictions that are made at once: they should fit a cache."""
ROOM = 4
"""One part in so many of the memory is for what predicts, as much again for predictions."""


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


def _errors(
    fold: Fold, y: Floats, cross: Floats | None, whole: Floats | None, alphas: Wide, cells: int
) -> tuple[Wide, Wide, Wide]:
    """For each penalty w'(V'c) and w'(V'GV)w (A, t), and y'y (t,) of the held-out rows, all about the training means.

    Args:
        fold: which.
        y: (n, t), with the mean 0.
        cross: X'y of the held-out rows (p, t), where errors or predictions are made of it.
        whole: X'y of all rows.
        alphas: the penalties.
        cells: predictions that are made at once.
    """
    held = y[fold.rows]
    shift = np.asarray(held.sum(0, dtype=np.float64))
    mean = -shift / len(fold.others)  # y has the mean 0 over all rows
    total = np.einsum("nt,nt->t", held, held).astype(np.float64)
    total += -2 * mean * shift + len(fold.rows) * mean * mean
    if fold.quadratic is not None:
        assert cross is not None
        assert whole is not None
        return *_quadratic(fold, cross, whole - cross, (mean, shift), alphas), total
    if cross is None or whole is None:
        known = y[fold.others]  # the training rows of X have the mean 0: that of y does not matter
    else:
        known = whole - cross
        known -= _outer(fold.mean, mean * len(fold.others), y.dtype)
    held -= mean.astype(y.dtype)
    return *_predicted(fold, known, held, alphas, cells), total


def _quadratic(fold: Fold, cross: Floats, rest: Floats, means: tuple[Wide, Wide], alphas: Wide) -> tuple[Wide, Wide]:
    dtype, turn = cross.dtype, fold.turn
    mean, shift = means
    along = turn @ fold.mean
    z = turn @ rest
    z -= _outer(along, mean * len(fold.others), dtype)
    # Σ (x − m)(y − μ) over held-out rows, with their sums: c − s_x μ − m s_y + k m μ
    held = turn @ cross
    held -= _outer(turn @ (fold.held_sum - len(fold.rows) * fold.mean), mean, dtype)
    held -= _outer(along, shift, dtype)
    held *= z
    shrunk = 1.0 / (fold.values[None, :] + alphas[:, None])
    inner = (shrunk.astype(dtype) @ held).astype(np.float64)
    square = np.empty_like(inner)
    for a, line in enumerate(shrunk.astype(dtype)):
        w = np.multiply(z, line[:, None], out=held)
        square[a] = np.einsum("pt,pt->t", w, fold.quadratic @ w)
    return inner, square


def _outer(one: Floats, two: Floats, dtype: Any) -> Floats:
    return np.outer(one.astype(dtype), two.astype(dtype))


def _predicted(fold: Fold, known: Floats, held: Floats, alphas: Wide, cells: int) -> tuple[Wide, Wide]:
    """Products of predictions with targets and with themselves, (A, t) each, `cells` predictions at once."""
    inner, square = np.empty((len(alphas), held.shape[1])), np.empty((len(alphas), held.shape[1]))
    known = fold.turn @ known if fold.smooth is None else known
    for some, predictor in fold.predictors(alphas):
        step = max(1, cells // len(predictor))
        for at in range(0, held.shape[1], step):
            part = slice(at, at + step)
            guesses = (predictor @ known[:, part]).reshape(some.stop - some.start, len(held), -1)
            for a, guess in enumerate(guesses, some.start):
                inner[a, part] = np.einsum("nt,nt->t", guess, held[:, part])
                square[a, part] = np.einsum("nt,nt->t", guess, guess)
    return inner, square


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
        alphas, room = np.asarray(self.alphas, np.float64), int(self.memory_mb * 2**20 / ROOM / dtype.itemsize)
        features = prepared(x, dtype, split(len(x), self.folds) if choosing else [], alphas, room)
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

    def __init__(self, recipe: Ridge, x: Features, y: Floats | Path, shape: tuple[int, ...], dtype: Any) -> None:
        self.alphas, self.select = np.asarray(recipe.alphas, np.float64), recipe.select
        self.x, self.y, self.dtype = x, y, dtype
        self.rows, self.targets = shape
        self.width = len(x.means)
        memory = recipe.memory_mb * 2**20
        self.cells = min(CACHE, int(memory / ROOM / dtype.itemsize))
        self.block = self._block(memory)

    def _block(self, memory: float) -> int:
        """Targets at once: y, its products with each fold, and what an error needs."""
        held = max((len(fold.rows) for fold in self.x.folds), default=0)
        own = 2 * self.rows + 3 * held
        if self.x.by_rows:
            own += 2 * self.rows
        else:
            own += self.width * (7 + len(self.x.folds))
        each = own * self.dtype.itemsize + 8 * 4 * len(self.alphas)
        kept = sum(fold.smooth.nbytes for fold in self.x.folds if fold.smooth is not None)
        guesses = 0 if self.x.way == "quadratic" else self.cells * self.dtype.itemsize
        count = int((memory - kept - guesses) // each)
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

    def _crosses(self, block: Floats) -> tuple[list[Floats | None], Floats | None]:
        """X'Y of each fold and of all rows, unless targets come as they are."""
        if self.x.by_rows:
            return [None] * len(self.x.folds), None
        if not self.x.folds:
            return [], self.x.x.T @ block
        found = [self.x.x[fold.rows].T @ block[fold.rows] for fold in self.x.folds]
        whole = found[0].copy()
        for each in found[1:]:
            whole += each
        return list(found), whole

    def scored(self, part: slice) -> Wide:
        block, _ = self._centred(part)
        return self._scores(block, *self._crosses(block))

    def _scores(self, y: Floats, crosses: Sequence[Floats | None], whole: Floats | None) -> Wide:
        """(A, t): mean over folds."""
        found = np.zeros((len(self.alphas), y.shape[1]))
        for fold, cross in zip(self.x.folds, crosses):
            inner, square, total = _errors(fold, y, cross, whole, self.alphas, self.cells)
            if self.select == "r":
                found += _r(inner, square, total)
            else:
                found -= (total - 2 * inner + square) / len(fold.rows)
        return found / len(self.x.folds)

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
                table = self._scores(block, crosses, whole)
                chosen[part] = table.argmax(0)
                told[part] = table.max(0)
            crosses.clear()
            z = self.x.turn @ (block if whole is None else whole)
            shrunk = 1.0 / (self.x.values[:, None] + self.alphas[None, :])
            z *= shrunk.astype(self.dtype)[:, chosen[part]]
            np.matmul(self.x.back, z, out=weights[:, part])
            intercept[part] = mean - self.x.means @ weights[:, part]
            on_block(part.stop, self.targets)
        return RidgeFit(weights, intercept, self.alphas[chosen], told, self.x.means)
