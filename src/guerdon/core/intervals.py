"""The interval of a share, for whoever counts successes."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(right: float, count: float, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share; (0, 1) without a trial.

    >>> [round(end, 3) for end in wilson(8, 10)]
    [0.49, 0.943]
    """
    if count <= 0:
        return 0.0, 1.0
    z2, share = NormalDist().inv_cdf(0.5 + level / 2) ** 2, right / count
    middle = share + z2 / (2 * count)
    half = math.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2)))
    scale = 1 + z2 / count
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
