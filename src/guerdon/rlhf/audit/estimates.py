"""Shares, means and correlations with intervals that know that rows of one prompt are not independent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from guerdon.core.intervals import wilson
from guerdon.prefer.calibration import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NOTHING = Estimate(math.nan, math.nan, math.nan)


def effective(points: Floats, groups: Ints) -> float:
    """How many independent rows the mean of some points is worth, at most as many as there are.

    Few groups tell little of their own spread, so the number is lowered by the quantiles of Student's distribution
    (Korn and Graubard 1998).

    Args:
        points: (n,) from 0 to 1.
        groups: (n,) rows of one group may be alike; rows of different groups are independent.
    """
    from scipy.stats import t

    n, share = len(points), float(points.mean())
    many = len(np.unique(groups))
    if many < 2:
        return float(min(many, n))
    within = np.bincount(np.unique(groups, return_inverse=True)[1], points - share)
    variance = float((within**2).sum()) / n**2 * many / (many - 1)
    spread = share * (1 - share)
    if variance <= 0 or spread <= 0:
        return float(many)
    return min(float(n), spread / variance) * (1.0 if many == n else (1.96 / float(t.ppf(0.975, many - 1))) ** 2)


def share(points: npt.ArrayLike, groups: npt.ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """The mean of points from 0 to 1 with Wilson's interval at the effective number of rows; nan are left out.

    Args:
        points: (n,) 1, 0, or between for ties.
        groups: (n,) see `effective`; by default all rows are independent.
        level: of the interval.

    >>> share([1, 1, 0, 1]).value
    0.75
    """
    told = np.asarray(points, float)
    known = ~np.isnan(told)
    if not known.any():
        return Estimate(math.nan, 0.0, 1.0)
    some = told[known]
    own = np.arange(len(told)) if groups is None else np.asarray(groups)
    n = effective(some, own[known])
    mean = float(some.mean())
    return Estimate(mean, *wilson(mean * n, n, level))


def mean(values: npt.ArrayLike, groups: npt.ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """A mean with Student's interval over groups; nan are left out."""
    from scipy.stats import t

    told = np.asarray(values, float)
    known = ~np.isnan(told)
    some = told[known]
    own = (np.arange(len(told)) if groups is None else np.asarray(groups))[known]
    many = len(np.unique(own))
    if many < 2:
        return Estimate(float(some.mean()), -math.inf, math.inf) if many else NOTHING
    middle = float(some.mean())
    within = np.bincount(np.unique(own, return_inverse=True)[1], some - middle)
    error = math.sqrt(float((within**2).sum()) * many / (many - 1)) / len(some)
    half = float(t.ppf(0.5 + level / 2, many - 1)) * error
    return Estimate(middle, middle - half, middle + half)


def differs(one: tuple[Floats, Ints], two: tuple[Floats, Ints]) -> float:
    """p-value that two shares are the same, by the normal approximation at effective numbers of rows."""
    (a, ga), (b, gb) = one, two
    if not len(a) or not len(b):
        return 1.0
    na, nb = effective(a, ga), effective(b, gb)
    pooled = (float(a.mean()) * na + float(b.mean()) * nb) / (na + nb)
    variance = pooled * (1 - pooled) * (1 / na + 1 / nb)
    if variance <= 0:
        return 1.0
    z = abs(float(a.mean()) - float(b.mean())) / math.sqrt(variance)
    return 2 * (1 - NormalDist().cdf(z))


def holm(p: Sequence[float]) -> list[float]:
    """p-values that hold for all tests together (Holm 1979).

    >>> [round(each, 3) for each in holm([0.01, 0.04, 0.5])]
    [0.03, 0.08, 0.5]
    """
    order = sorted(range(len(p)), key=lambda k: p[k])
    found, highest = [0.0] * len(p), 0.0
    for rank, k in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[k]))
        found[k] = highest
    return found


def partial_correlation(x: npt.ArrayLike, y: npt.ArrayLike, control: npt.ArrayLike) -> Estimate:
    """Spearman's correlation of x and y with a third quantity held fixed, with Fisher's interval; nan if undefined."""
    from scipy.stats import rankdata

    columns = [rankdata(each) for each in (x, y, control)]
    n = len(columns[0])
    if n < 8 or any(np.ptp(each) == 0 for each in columns[:2]):
        return NOTHING
    given = np.column_stack([np.ones(n), columns[2]])
    rest = [each - given @ np.linalg.lstsq(given, each, rcond=None)[0] for each in columns[:2]]
    sizes = [float(np.sqrt((each**2).sum())) for each in rest]
    if min(sizes) < 1e-9 * n**1.5:
        return NOTHING
    r = float(np.clip(rest[0] @ rest[1] / (sizes[0] * sizes[1]), -1, 1))
    if abs(r) > 1 - 1e-12:
        return Estimate(r, r, r)
    half = 1.96 / math.sqrt(n - 4)
    return Estimate(r, math.tanh(math.atanh(r) - half), math.tanh(math.atanh(r) + half))
