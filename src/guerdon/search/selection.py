"""Whom to continue from: rules that turn counters or scores into weights, and weights into rows.

Scores that are unknown (`None`, nan, ±inf) get no weight as long as any score is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError
from guerdon.search.arrays import Bools, Floats, Ints, Rng, column, known


def draw(weights: npt.ArrayLike, count: int, rng: Rng) -> Ints:
    """Rows drawn with replacement, probability = weight / Σ weight.

    Raises:
        SolverError: there are no rows, a weight is negative, nan or infinite, or none is positive.

    >>> draw([0.0, 1.0, 0.0], 3, np.random.default_rng(0)).tolist()
    [1, 1, 1]
    """
    weights_N = column("weights", weights)
    if not len(weights_N) or not np.isfinite(weights_N).all() or weights_N.min() < 0 or weights_N.max() <= 0:
        got = f"got {weights_N[:8].tolist()} of {len(weights_N)}"
        raise SolverError("weights are finite, at least 0, and one of them positive", got, "Add rows, or weigh them")
    total_N = np.cumsum(weights_N / weights_N.max())
    rows: Ints = np.searchsorted(total_N, rng.random(count) * total_N[-1], side="right")
    last = int(np.flatnonzero(weights_N)[-1])
    return np.minimum(rows, last)


@dataclass(frozen=True, kw_only=True)
class GoExplore2019:
    """Cell weights of the first Go-Explore paper (arXiv 1901.10995, section 2.1.4 and appendix A.5).

        W(c) = L(c) · [1 + Σ_d w_d miss_d(c) + Σ_a (w_a · (1/(v_a + ε₁))^p_a + ε₂)]
        L(c) = base^(max level − level of c),   a ∈ {chosen, chosen since new, seen},   d ∈ {horizontal, vertical, more}

    Args:
        chosen: weight of how often the cell was chosen.
        since_new: weight of how often it was chosen since it led to something new.
        seen: weight of how often it was visited; the paper's table has 0.3, the released script 3.0.
        horizontal: weight of having no known neighbour to the left or right.
        vertical: weight of having none above or below.
        more: weight of having no cell at the same place with more objects.
        power: p of all counters.
        power_since_new: p of `since_new`, where it differs.
        level_base: base of the level factor.
        epsilon: ε₁.
        floor: ε₂.

    >>> GoExplore2019(seen=0.3).weights(seen=[0, 8]).round(3).tolist()
    [10.487, 1.106]
    """

    chosen: float = 0.1
    since_new: float = 0.0
    seen: float = 0.3
    horizontal: float = 0.0
    vertical: float = 0.0
    more: float = 0.0
    power: float = 0.5
    power_since_new: float = 0.5
    level_base: float = 0.1
    epsilon: float = 0.001
    floor: float = 0.00001

    def weights(
        self,
        *,
        chosen: npt.ArrayLike | None = None,
        since_new: npt.ArrayLike | None = None,
        seen: npt.ArrayLike | None = None,
        missing: npt.ArrayLike | None = None,
        levels: npt.ArrayLike | None = None,
    ) -> Floats:
        """Weights (C,) from counters (C,), missing neighbours (C, 3: horizontal, vertical, more) and levels (C,)."""
        counters = {"chosen": chosen, "since_new": since_new, "seen": seen}
        wanted = (self.horizontal, self.vertical, self.more)
        total = 1.0 + _missing(wanted, missing)
        for name, weight, power in (
            ("chosen", self.chosen, self.power),
            ("since_new", self.since_new, self.power_since_new),
            ("seen", self.seen, self.power),
        ):
            if counters[name] is not None:
                total = total + weight * (1.0 / (column(name, counters[name]) + self.epsilon)) ** power + self.floor
        return total * _level(self.level_base, levels)


@dataclass(frozen=True, kw_only=True)
class GoExplore2021:
    """Cell weights of the second Go-Explore paper (arXiv 2004.12919, methods).

        W(c) = L(c) · [Σ_d w_d miss_d(c) + Σ_a w_a / √(v_a + 1)]

    With the defaults, those of the runs without domain knowledge, W = 1/√(seen + 1).

    Args:
        chosen: weight of how often the cell was chosen.
        since_new: weight of how often it was chosen since it led to something new.
        seen: weight of how often it was visited.
        horizontal: weight of having no known neighbour to the left or right.
        vertical: weight of having none above or below.
        more: weight of having no cell at the same place with more objects.
        level_base: base of the level factor.

    >>> GoExplore2021().weights(seen=[0, 3]).tolist()
    [1.0, 0.5]
    """

    chosen: float = 0.0
    since_new: float = 0.0
    seen: float = 1.0
    horizontal: float = 0.0
    vertical: float = 0.0
    more: float = 0.0
    level_base: float = 0.1

    def weights(
        self,
        *,
        chosen: npt.ArrayLike | None = None,
        since_new: npt.ArrayLike | None = None,
        seen: npt.ArrayLike | None = None,
        missing: npt.ArrayLike | None = None,
        levels: npt.ArrayLike | None = None,
    ) -> Floats:
        """Weights (C,) from counters (C,), missing neighbours (C, 3: horizontal, vertical, more) and levels (C,)."""
        total = _missing((self.horizontal, self.vertical, self.more), missing)
        for weight, values in ((self.chosen, chosen), (self.since_new, since_new), (self.seen, seen)):
            if values is not None:
                total = total + weight / np.sqrt(column("counts", values) + 1.0)
        return total * _level(self.level_base, levels)


GO_EXPLORE_RUNS: Mapping[str, GoExplore2019 | GoExplore2021] = MappingProxyType(
    {
        "2019 montezuma": GoExplore2019(),
        "2019 montezuma, domain knowledge": GoExplore2019(chosen=0, seen=0, horizontal=0.3, vertical=0.1, more=10),
        "2019 pitfall, domain knowledge": GoExplore2019(
            chosen=1, since_new=1, seen=0, horizontal=1, more=0.5, power_since_new=1.0
        ),
        "2021 no domain knowledge": GoExplore2021(),
        "2021 montezuma, domain knowledge": GoExplore2021(more=1, horizontal=0.1),
        "2021 pitfall, domain knowledge": GoExplore2021(),
    }
)
"""The published settings, by run."""


def _missing(weights: tuple[float, float, float], missing: npt.ArrayLike | None) -> Floats:
    if missing is None:
        return np.zeros(1)
    miss_CD = np.asarray(missing, dtype=np.float64)
    if miss_CD.ndim != 2 or miss_CD.shape[1] != 3:
        got = f"got {miss_CD.shape}"
        raise SolverError("missing has the shape (C, 3): horizontal, vertical, more", got, "Add the columns")
    return miss_CD @ np.array(weights, dtype=np.float64)


def _level(base: float, levels: npt.ArrayLike | None) -> Floats:
    if levels is None:
        return np.ones(1)
    level_C = column("levels", levels)
    factor_C: Floats = np.power(base, level_C.max(initial=-np.inf) - level_C)
    return factor_C


def softmax(scores: npt.ArrayLike, temperature: float = 1.0) -> Floats:
    """P(i) = exp(sᵢ/τ) / Σ exp(sⱼ/τ); uniform over all when no score is known.

    >>> softmax([0.0, None, 0.0]).tolist()
    [0.5, 0.0, 0.5]
    """
    if not temperature > 0:
        raise SolverError("a temperature is positive", f"got {temperature}", "Use rank or the maximum for zero")
    score_N = known(column("scores", scores))
    if not (score_N > -np.inf).any():
        return np.full(len(score_N), 1 / max(1, len(score_N)))
    power_N: Floats = np.exp((score_N - score_N.max()) / temperature)
    share_N: Floats = power_N / power_N.sum()
    return share_N


def rank(scores: npt.ArrayLike, pressure: float = 2.0) -> Floats:
    """Linear ranking (Baker 1985): P(i) = (2 − s + 2 (s − 1) rᵢ/(n − 1)) / n, rᵢ = 0 worst … n − 1 best.

    Equal scores share their mean rank; unknown scores are the worst.

    Args:
        scores: (N,).
        pressure: s from 1 (uniform) to 2 (the worst gets nothing).

    >>> rank([1.0, 3.0, 2.0]).round(3).tolist()
    [0.0, 0.667, 0.333]
    """
    if not 1 <= pressure <= 2:
        raise SolverError("the pressure of linear ranking is from 1 to 2", f"got {pressure}", "Choose such a number")
    score_N = known(column("scores", scores))
    count = len(score_N)
    if count < 2:
        return np.ones(count)
    order = np.sort(score_N)
    low, high = np.searchsorted(order, score_N, "left"), np.searchsorted(order, score_N, "right")
    ranks_N: Floats = (low + high - 1) / 2
    return (2 - pressure + 2 * (pressure - 1) * ranks_N / (count - 1)) / count


def tournament(scores: npt.ArrayLike, size: int, count: int, rng: Rng) -> Ints:
    """Rows that each win a tournament among `size` rows drawn with replacement (Goldberg and Deb 1991).

    Of equal scores the one drawn first wins, which is a fair choice as the draw is uniform.

    Raises:
        SolverError: there are no rows, or the size is not positive.
    """
    score_N = known(column("scores", scores))
    if not len(score_N) or size < 1:
        raise SolverError("a tournament has rows and a size", f"got {len(score_N)} rows, size {size}", "Add rows first")
    rows_CS = rng.integers(len(score_N), size=(count, size))
    best_C: Ints = score_N[rows_CS].argmax(axis=1)
    winner_C: Ints = rows_CS[np.arange(count), best_C]
    return winner_C


def epsilon_greedy(scores: npt.ArrayLike, epsilon: float, count: int, rng: Rng) -> Ints:
    """With probability 1 − ε a best row (of several, each equally likely), else any row (Sutton and Barto, 2.2)."""
    score_N = known(column("scores", scores))
    if not len(score_N):
        raise SolverError("a choice has rows to choose from", "got none", "Add rows first")
    best = np.flatnonzero(score_N == score_N.max())
    greedy_C = best[rng.integers(len(best), size=count)]
    return np.where(rng.random(count) < epsilon, rng.integers(len(score_N), size=count), greedy_C)


def ucb(values: npt.ArrayLike, visits: npt.ArrayLike, c: float = 2**0.5) -> Floats:
    """UCB1 (Auer, Cesa-Bianchi and Fischer 2002): vᵢ + c √(ln N / nᵢ), N = Σ nᵢ; +inf for a row never visited.

    >>> ucb([0.5, 0.0], [1, 0]).tolist()
    [0.5, inf]
    """
    value_N, visit_N = column("values", values), column("visits", visits)
    tried_N: Bools = visit_N > 0
    total = max(float(visit_N.sum()), 1.0)
    bonus_N = c * np.sqrt(np.log(total) / np.where(tried_N, visit_N, 1.0))
    return np.where(tried_N, known(value_N) + bonus_N, np.inf)
