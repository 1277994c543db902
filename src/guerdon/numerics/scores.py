"""Correlations at many places at once, as a share of what the noise leaves, with intervals over what was shown.

Predictions and truth are (N, V): N items (images), V places. All places of one table share the items; so an interval
must leave out or resample whole items, never places.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError

Floats: TypeAlias = npt.NDArray[np.floating[Any]]
Wide: TypeAlias = npt.NDArray[np.float64]
BLOCK = 4096
"""Places that are worked on at once."""
LEAST_CEILING = 1e-14
"""Stands for a ceiling of 0."""
FLAT = 1e-14
"""A variance below this share of the mean square is rounding, so that the place does not vary."""
LOST = 1e-6
"""Where one item holds all but this share of a sum, what the others hold is not found by taking it away."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums over items of one block of places, each (V,), of centred numbers."""

    xx: Wide
    yy: Wide
    xy: Wide


def _centred(table: Floats) -> tuple[Wide, npt.NDArray[np.bool_]]:
    """Columns without their means, and which of them vary."""
    wide = np.asarray(table, np.float64)
    mean = wide.mean(0)
    moved = wide - mean
    return moved, (moved * moved).sum(0) > FLAT * len(wide) * np.maximum(mean * mean, np.finfo(np.float32).tiny)


def _blocks(predicted: Floats, truth: Floats) -> Iterator[tuple[slice, Floats, Floats]]:
    if predicted.ndim != 2 or predicted.shape != truth.shape:
        got = f"got {predicted.shape} and {truth.shape}"
        raise ConfigError("predictions and truth of one shape (items, places)", got, "Check rows and columns")
    for start in range(0, predicted.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        yield part, predicted[:, part], truth[:, part]


def correlations(predicted: Floats, truth: Floats) -> Wide:
    """Pearson's r at each place.

    Args:
        predicted: (N, V).
        truth: (N, V).

    Returns:
        (V,), nan where either side does not vary.
    """
    found = np.full(truth.shape[1], np.nan)
    for part, one, two in _blocks(predicted, truth):
        (x, moves), (y, varies) = _centred(one), _centred(two)
        found[part] = _r(Moments((x * x).sum(0), (y * y).sum(0), (x * y).sum(0)), moves & varies)
    return found


def _r(sums: Moments, there: npt.NDArray[np.bool_]) -> Wide:
    with np.errstate(divide="ignore", invalid="ignore"):
        r = sums.xy / np.sqrt(sums.xx * sums.yy)
    return np.where(there, np.clip(r, -1.0, 1.0), np.nan)


def normalised(r: npt.ArrayLike, ceiling: npt.ArrayLike) -> Wide:
    """Explained share of what can be explained, in percent: min(100 max(r, 0)² / ceiling, 100).

    Args:
        r: correlations, any shape (..., V); nan, a place that does not vary, counts as 0.
        ceiling: (V,), explainable share of variance; 0 counts as 1e-14.

    >>> normalised([0.5, -0.5, 0.9], [0.5, 0.5, 0.0]).tolist()
    [50.0, 0.0, 100.0]
    """
    r = np.maximum(np.nan_to_num(np.asarray(r, np.float64), nan=0.0), 0.0)
    most = np.asarray(ceiling, np.float64)
    return np.minimum(100.0 * (r * r) / np.where(most == 0.0, LEAST_CEILING, most), 100.0)


def without_each(predicted: Floats, truth: Floats, ceiling: npt.ArrayLike, members: npt.NDArray[np.bool_]) -> Wide:
    """Mean scores of groups of places, with each item left out in turn.

    Args:
        predicted: (N, V).
        truth: (N, V).
        ceiling: (V,).
        members: (G, V), which places belong to which group.

    Returns:
        (N, G), sums of scores over a group's places with item n left out: divide by the group's size for the mean.
    """
    most, count = np.asarray(ceiling, np.float64), len(truth)
    found = np.zeros((count, len(members)))
    if count < 3:
        return np.full_like(found, np.nan)
    for part, one, two in _blocks(predicted, truth):
        (x, moves), (y, varies) = _centred(one), _centred(two)
        # Leaving out row i of centred columns takes n/(n − 1) of its product with itself from every sum.
        share = count / (count - 1)
        sums = Moments(*((a * b).sum(0) - share * (a * b) for a, b in ((x, x), (y, y), (x, y))))
        r = _r(sums, moves & varies)
        _anew(r, (sums.xx < LOST * (x * x).sum(0)) | (sums.yy < LOST * (y * y).sum(0)), one, two)
        found += normalised(r, most[part]) @ members[:, part].T
    return found


def _anew(r: Wide, lost: npt.NDArray[np.bool_], predicted: Floats, truth: Floats) -> None:
    """Fill in r where it was lost (N, V), from the rows without the item."""
    for item in np.flatnonzero(lost.any(1)):
        at = np.flatnonzero(lost[item])
        r[item, at] = correlations(np.delete(predicted[:, at], item, 0), np.delete(truth[:, at], item, 0))


def jackknife_error(left_out: Wide) -> Wide:
    """Standard error of a figure from its values with each of N items left out, (N, ...) to (...).

    >>> values = np.array([1.0, 2.0, 4.0, 5.0])
    >>> means = (values.sum() - values) / 3
    >>> bool(np.isclose(jackknife_error(means), values.std(ddof=1) / 2))
    True
    """
    count = len(left_out)
    return np.asarray(np.sqrt((count - 1) / count * ((left_out - left_out.mean(0)) ** 2).sum(0)))
