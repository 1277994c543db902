"""Means with honest intervals, and pass@k."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from guerdon.core.intervals import wilson

Interval = tuple[float, float]

_FEWEST = 5  # below this a bootstrap interval is too narrow to be shown
_MANY = 200  # above this the mean is normal enough, and resampling only costs time
_RESAMPLES = 2000


def mean_interval(values: Sequence[float]) -> tuple[float, Interval | None]:
    """The mean, and its 95 % interval over what was sampled, the same for the same values.

    Two or more zeros and ones get a Wilson interval, 5 to 200 values a BCa bootstrap (2,000 resamples), more the normal
    interval of the standard error. Fewer than five values give none.

    >>> mean_interval([0.0, 1.0, 1.0, 1.0])[0]
    0.75
    """
    n = len(values)
    mean = math.fsum(values) / n
    if all(value in (0.0, 1.0) for value in values):
        return mean, wilson(round(math.fsum(values)), n) if n > 1 else None
    if n < _FEWEST:
        return mean, None
    array = np.asarray(values, float)
    if np.ptp(array) == 0.0:
        return mean, (mean, mean)
    if n > _MANY:
        half = 1.959963984540054 * float(array.std(ddof=1)) / math.sqrt(n)
        return mean, (mean - half, mean + half)
    return mean, bca_interval(array)


def bca_interval(array: np.ndarray, resamples: int = _RESAMPLES) -> Interval:
    """The 95 % BCa bootstrap interval of a mean, the same for the same values; percentile where BCa is undefined."""
    from scipy.stats import bootstrap

    found: Interval = (math.nan, math.nan)
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            result = bootstrap(
                (array,), np.mean, n_resamples=resamples, method=method, rng=np.random.default_rng(0)
            ).confidence_interval
        found = (float(result.low), float(result.high))
        if all(map(math.isfinite, found)):
            break
    return found


def pass_probability(n: int, solved: int, k: int) -> float:
    """1 − C(n−c, k)/C(n, k): the chance that k of n answers, c of them right, hold a right one.

    Unbiased for n >= k (Chen et al., arXiv 2107.03374, equation 1).

    >>> pass_probability(10, 3, 1), pass_probability(4, 3, 2)
    (0.3, 1.0)
    """
    if n - solved < k:
        return 1.0
    if solved == 0:
        return 0.0
    if k == 1:
        return solved / n
    return 1.0 - float(np.prod(1.0 - k / np.arange(n - solved + 1, n + 1)))
