"""Votes drawn from a known truth."""

import numpy as np

from guerdon.prefer.outcomes import chances
from guerdon.prefer.votes import Votes


def drawn(seed, n=6, m=400, ties="half", tie=0.0, truth=None, first=0.0):
    """Votes drawn from a model."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n) if truth is None else truth
    i = rng.integers(n, size=m)
    j = (i + 1 + rng.integers(n - 1, size=m)) % n
    one, two, _ = chances(ties, truth[i] - truth[j] + first, tie)
    u = rng.random(m)
    points = np.where(u < one, 1.0, np.where(u < one + two, 0.0, 0.5))
    return Votes.from_codes([f"m{k}" for k in range(n)], i, j, points), truth - truth.mean()
