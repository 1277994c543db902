"""Whether stated probabilities come true, and what sways a judge: pure functions on arrays.

`chance` is the stated probability that the first side wins, `won` what happened: 1, 0, or 0.5 for a tie. For a reward
model the chance is σ(r_first − r_second); a logit is the difference itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.intervals import wilson
from guerdon.prefer.agreement import Accuracy
from guerdon.prefer.votes import Floats


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about the same probability.

    Args:
        count: how many.
        stated: their mean probability.
        seen: how often it happened.
        low: lower end of the 95 % Wilson interval of `seen`.
        high: upper end.
    """

    count: int
    stated: float
    seen: float
    low: float
    high: float


def _pairs(chance: npt.ArrayLike, won: npt.ArrayLike) -> tuple[Floats, Floats]:
    p, y = np.asarray(chance, float), np.asarray(won, float)
    if p.ndim != 1 or p.shape != y.shape:
        raise ConfigError("chances and outcomes of one length", f"got shapes {p.shape} and {y.shape}", "Align them")
    if not ((p >= 0) & (p <= 1)).all():
        raise ConfigError("chances are from 0 to 1", f"got {p[~((p >= 0) & (p <= 1))][0]}", "Pass σ(difference)")
    _check_outcomes(y)
    return p, y


def _check_outcomes(y: Floats) -> None:
    good = (y == 0) | (y == 0.5) | (y == 1)
    if not good.all():
        raise ConfigError("outcomes are 0, 0.5 or 1", f"got {y[~good][0]}", "Leave out skipped pairs")


def _edges(p: Floats, bins: int, equal_counts: bool) -> Floats:
    if bins < 1:
        raise ConfigError("at least one bin", f"got {bins}", "Take 10")
    if not equal_counts:
        return np.linspace(0, 1, bins + 1)
    return np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)))


def _binned(p: Floats, bins: int, equal_counts: bool) -> tuple[npt.NDArray[np.int64], int]:
    edges = _edges(p, bins, equal_counts)
    many = max(len(edges) - 1, 1)
    return np.clip(np.searchsorted(edges, p, side="right") - 1, 0, many - 1), many


def reliability(chance: npt.ArrayLike, won: npt.ArrayLike, *, bins: int = 10, equal_counts: bool = False) -> list[Bin]:
    """The reliability curve; empty bins are left out.

    Args:
        chance: (m,) stated probabilities.
        won: (m,) what happened.
        bins: how many.
        equal_counts: bins with as many predictions each rather than of equal width.

    >>> [(one.count, one.seen) for one in reliability([0.1, 0.2, 0.9, 0.9], [0, 0, 1, 0], bins=2)]
    [(2, 0.0), (2, 0.5)]
    """
    p, y = _pairs(chance, won)
    if not len(p):
        return []
    place, many = _binned(p, bins, equal_counts)
    found = []
    for k in range(many):
        inside = place == k
        count = int(inside.sum())
        if count:
            hits = float(y[inside].sum())
            found.append(Bin(count, float(p[inside].mean()), hits / count, *wilson(hits, count)))
    return found


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def expected_error(
    chance: npt.ArrayLike,
    won: npt.ArrayLike,
    *,
    bins: int = 10,
    equal_counts: bool = True,
    resamples: int = 500,
    seed: int = 0,
) -> Estimate:
    """The expected calibration error Σ n_b/m |seen_b − stated_b| with a bootstrap interval; nan without data.

    The value is above 0 even for a perfectly calibrated judge, since bins are noisy: compare it with `floor_error`.

    Args:
        chance: (m,) stated probabilities.
        won: (m,) what happened.
        bins: how many.
        equal_counts: bins with as many predictions each.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    p, y = _pairs(chance, won)
    if not len(p):
        return Estimate(math.nan, math.nan, math.nan)
    place, many = _binned(p, bins, equal_counts)
    value = _error(place, many, y - p)
    rng = np.random.default_rng([seed, 20_242])
    again = np.empty(resamples)
    for k in range(resamples):
        rows = rng.integers(len(p), size=len(p))
        again[k] = _error(place[rows], many, (y - p)[rows])
    low, high = np.quantile(again, [0.025, 0.975]) if resamples else (math.nan, math.nan)
    return Estimate(value, float(low), float(high))


def _error(place: npt.NDArray[np.int64], many: int, off: Floats) -> float:
    return float(np.abs(np.bincount(place, off, many)).sum() / len(off))


def floor_error(
    chance: npt.ArrayLike, *, bins: int = 10, equal_counts: bool = True, draws: int = 200, seed: int = 0
) -> float:
    """The mean expected calibration error of outcomes drawn from the stated chances: what perfect calibration shows."""
    p, _ = _pairs(chance, np.zeros(len(np.asarray(chance, float))))
    if not len(p):
        return math.nan
    place, many = _binned(p, bins, equal_counts)
    rng = np.random.default_rng([seed, 20_243])
    return float(np.mean([_error(place, many, (rng.random(len(p)) < p) - p) for _ in range(draws)]))


def brier(chance: npt.ArrayLike, won: npt.ArrayLike) -> float:
    """The mean squared error of the chances; 0.25 is what always saying one half gets. nan without data."""
    p, y = _pairs(chance, won)
    return float(((p - y) ** 2).mean()) if len(p) else math.nan


def log_loss(logit: npt.ArrayLike, won: npt.ArrayLike) -> float:
    """The mean of −[y log σ(x) + (1 − y) log σ(−x)] for logits x; finite for any finite logit. nan without data."""
    x, y = _logits(logit, won)
    return float((y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)).mean()) if len(x) else math.nan


def _logits(logit: npt.ArrayLike, won: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(logit, float), np.asarray(won, float)
    if x.ndim != 1 or x.shape != y.shape:
        raise ConfigError("logits and outcomes of one length", f"got shapes {x.shape} and {y.shape}", "Align them")
    if not np.isfinite(x).all():
        raise ConfigError("logits are finite", f"got {x[~np.isfinite(x)][0]}", "Leave out unknown scores")
    _check_outcomes(y)
    return x, y


# ---- making them come true -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Scaling:
    """σ(a x + b): temperature scaling where b = 0 (the temperature is 1/a), Platt's scaling otherwise.

    Args:
        slope: a.
        offset: b.
    """

    slope: float
    offset: float = 0.0

    def __call__(self, logit: npt.ArrayLike) -> Floats:
        """(m,) calibrated chances."""
        x = self.slope * np.asarray(logit, float) + self.offset
        chances: Floats = 0.5 * (1 + np.tanh(x / 2))
        return chances


def temperature(logit: npt.ArrayLike, won: npt.ArrayLike) -> Scaling:
    """The slope that makes the log loss least (Guo et al., arXiv 1706.04599); swapping sides changes nothing.

    Raises:
        ConfigError: the outcomes do not bound it: no pair is judged wrongly, or none rightly.
    """
    x, y = _logits(logit, won)
    return Scaling(float(_fitted(x[:, None], y)[0]))


def platt(logit: npt.ArrayLike, won: npt.ArrayLike) -> Scaling:
    """Slope and offset that make the log loss least (Platt 1999, without his smoothed targets).

    On pairs with random sides an offset away from 0 is a preference for a side: prefer `temperature` there.

    Raises:
        ConfigError: the outcomes do not bound them.
    """
    x, y = _logits(logit, won)
    slope, offset = _fitted(np.column_stack([x, np.ones(len(x))]), y)
    return Scaling(float(slope), float(offset))


def _fitted(x: Floats, y: Floats) -> Floats:
    scale = np.maximum(np.abs(x).max(axis=0, initial=0.0), 1e-300)
    x = x / scale
    found = np.zeros(x.shape[1])
    for _ in range(100):
        p = 0.5 * (1 + np.tanh(x @ found / 2))
        curve = x.T @ (x * (p * (1 - p))[:, None])
        if not len(x) or np.linalg.cond(curve) > 1e12:
            break
        gradient = x.T @ (y - p)
        step, share = np.linalg.solve(curve, gradient), 1.0
        before = _loss(x @ found, y)
        while share > 1e-6 and _loss(x @ (found + share * step), y) > before - 1e-4 * share * float(gradient @ step):
            share /= 2
            if abs(float(gradient @ step)) < 1e-14 * (1 + before):
                break
        found = found + share * step
        if np.abs(step).max() < 1e-10 * (1 + np.abs(found).max()):
            fitted: Floats = found / scale
            return fitted
        if np.abs(found).max() > 1e4:
            break
    raise ConfigError(
        "outcomes that bound a scaling: some for and some against each sign of the logit",
        f"got {len(y)} that are all on one side, or logits that do not differ",
        "Pass more pairs",
    )


def _loss(x: Floats, y: Floats) -> float:
    return float((y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x)).sum())


def isotonic(logit: npt.ArrayLike, won: npt.ArrayLike) -> Any:
    """A monotone map from logits to chances, by scikit-learn's `IsotonicRegression`; call `.predict(logits)`.

    Raises:
        ConfigError: scikit-learn is not installed.
    """
    x, y = _logits(logit, won)
    try:
        from sklearn.isotonic import IsotonicRegression
    except ImportError:
        raise ConfigError(
            "isotonic calibration needs scikit-learn", "it is not installed", 'Run pip install "guerdon[search]"'
        ) from None
    return IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(x, y)


# ---- accuracy by slice, and what sways a judge -----------------------------------------------------------------------


def accuracy_by(
    right: Sequence[float] | npt.NDArray[Any], *slices: Sequence[Any]
) -> Mapping[tuple[Any, ...], Accuracy]:
    """Accuracy with a Wilson interval for each combination of slice values, and under `()` for all, largest first.

    Args:
        right: 1 or True for right, 0 or False for wrong; nan is left out (a tie, or an unknown score).
        slices: columns of the same length (category, language, annotator ...).

    >>> accuracy_by([1, 0, 1], ["maths", "maths", "chat"])[("maths",)].share
    0.5
    """
    values = np.asarray(right, float)
    known = ~np.isnan(values)
    if not np.isin(values[known], (0.0, 1.0)).all():
        raise ConfigError("right is 0, 1 or nan", "something else came", "Compare before")
    for column in slices:
        if len(column) != len(values):
            raise ConfigError(f"a slice value for each of {len(values)}", f"got {len(column)}", "Align the columns")
    tally: dict[tuple[Any, ...], list[int]] = {(): [0, 0]}
    for k in np.flatnonzero(known).tolist():
        keys = [(), tuple(column[k] for column in slices)] if slices else [()]
        for key in keys:
            one = tally.setdefault(key, [0, 0])
            one[0] += int(values[k])
            one[1] += 1
    ordered = sorted(tally.items(), key=lambda item: (-item[1][1], str(item[0])))
    return {key: Accuracy(hits, count, *wilson(hits, count)) for key, (hits, count) in ordered}


def position_bias(points: npt.ArrayLike) -> Estimate:
    """How often the side shown first was chosen, ties left out; 0.5 when sides are random and the judge is fair."""
    y = np.asarray(points, float)
    _check_outcomes(y)
    decided = y[y != 0.5]
    share = float(decided.mean()) if len(decided) else math.nan
    return Estimate(share, *wilson(float(decided.sum()), len(decided)))


def flip_rate(one: Sequence[Any], swapped: Sequence[Any]) -> Estimate:
    """How often a judge changed its mind when the sides were exchanged.

    Args:
        one: what the first side got (1, 0.5, 0) in the first order.
        swapped: what the side shown first got in the other order, on the same pairs; nan on either is left out.
    """
    first, second = np.asarray(one, float), np.asarray(swapped, float)
    if first.shape != second.shape:
        raise ConfigError("the same pairs in both orders", f"got {first.shape} and {second.shape}", "Align them")
    known = ~(np.isnan(first) | np.isnan(second))
    flips = int((first[known] != 1 - second[known]).sum())
    count = int(known.sum())
    return Estimate(flips / count if count else math.nan, *wilson(flips, count))


@dataclass(frozen=True, slots=True)
class LengthBias:
    """What length has to do with being chosen.

    Args:
        longer: how often the longer side was chosen, with its interval; equal lengths and ties are left out.
        effect: change of the log-odds per unit of log(length_first / length_second), by logistic regression.
        error: its standard error.
        correlation: Spearman's, of the difference in log length and the points.
    """

    longer: Estimate
    effect: float
    error: float
    correlation: float


def length_bias(length_first: npt.ArrayLike, length_second: npt.ArrayLike, points: npt.ArrayLike) -> LengthBias:
    """How much a judge leans to longer answers.

    A lean is no proof of bias, since longer answers may be better: compare it with that of people or of gold labels on
    the same pairs, or take the length as a covariate into the ratings.

    Args:
        length_first: (m,) lengths of the first sides, at least 0.
        length_second: (m,) lengths of the second sides.
        points: (m,) 1, 0.5 or 0 for the first side.
    """
    from scipy.stats import spearmanr

    one, two, y = (np.asarray(each, float) for each in (length_first, length_second, points))
    if not one.shape == two.shape == y.shape:
        raise ConfigError("lengths and points of one length", f"got {one.shape}, {two.shape}, {y.shape}", "Align them")
    if not (np.isfinite(one) & np.isfinite(two) & (one >= 0) & (two >= 0)).all():
        raise ConfigError("lengths are finite and at least 0", "one is not", "Count characters or tokens")
    _check_outcomes(y)
    gap = np.log1p(one) - np.log1p(two)
    decided = (y != 0.5) & (gap != 0)
    hits, count = int(((gap > 0) == (y == 1))[decided].sum()), int(decided.sum())
    longer = Estimate(hits / count if count else math.nan, *wilson(hits, count))
    varied = len(y) > 2 and np.ptp(gap) > 0 and np.ptp(y) > 0
    correlation = float(spearmanr(gap, y).statistic) if varied else math.nan
    try:
        effect = temperature(gap, y).slope
    except ConfigError:
        return LengthBias(longer, math.nan, math.nan, correlation)
    p = 0.5 * (1 + np.tanh(effect * gap / 2))
    bend = float((gap**2 * p * (1 - p)).sum())
    meat = float((gap**2 * (y - p) ** 2).sum())
    return LengthBias(longer, effect, math.sqrt(meat) / bend, correlation)
