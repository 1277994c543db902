"""Gradients without derivatives: from rankings, and from values.

Gradients are those of a loss: a step is x − η g. Rankings are best first, so that no sign has to be chosen; values
are losses (pass −reward).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError
from guerdon.search.arrays import Floats, Ints, Rng, column, known, table, whole

Losses = Callable[[Floats], npt.ArrayLike]
"""Points (B, D) to their losses (B,)."""


def levels_of_ranking(ranked: npt.ArrayLike, count: int) -> Ints:
    """The level of each of `count` points from the indices of the k best, best first; unranked points share level k.

    Raises:
        SolverError: an index is out of range or twice there.

    >>> levels_of_ranking([2, 0], 4).tolist()
    [1, 2, 0, 2]
    """
    rows = whole("ranked", ranked, below=count)
    if len(np.unique(rows)) < len(rows):
        raise SolverError("a ranking names each point once", f"got {rows.tolist()}", "Rank each point once")
    levels_M = np.full(count, len(rows), dtype=np.int64)
    levels_M[rows] = np.arange(len(rows))
    return levels_M


def levels_of_scores(scores: npt.ArrayLike, best: int | None = None) -> Ints:
    """The level of each point from its score, higher is better; equal scores share a level, unknown ones are last.

    Args:
        scores: (M,).
        best: k, how many levels from the top to tell apart; all the rest share one. By default all.

    >>> levels_of_scores([1.0, 5.0, 5.0, None]).tolist()
    [1, 0, 0, 2]
    """
    _, levels_M = np.unique(-known(column("scores", scores)), return_inverse=True)
    return np.asarray(levels_M, dtype=np.int64) if best is None else np.minimum(levels_M, best).astype(np.int64)


def rankings_to_edges(levels: npt.ArrayLike) -> Ints:
    """The comparisons that a ranking implies, (E, 2) rows (winner, loser); points of one level have no edge.

    With k of m points ranked, E = k (k − 1)/2 + k (m − k) (Tang, Rybin and Chang, arXiv 2303.03751, section 2).

    >>> rankings_to_edges(levels_of_ranking([2], 3)).tolist()
    [[2, 0], [2, 1]]
    """
    levels_M = whole("levels", levels)
    return np.argwhere(levels_M[:, None] < levels_M[None, :]).astype(np.int64)


def edge_gradient(directions: npt.ArrayLike, edges: npt.ArrayLike) -> Floats:
    """The mean over edges (i, j) of ξⱼ − ξᵢ, the estimator g of ZO-RankSGD (arXiv 2303.03751, section 2).

    Any comparisons will do, contradictory ones included.

    Args:
        directions: (M, D), the ξ of the points x + μ ξ.
        edges: (E, 2) rows (winner, loser).

    Raises:
        SolverError: there are no edges.
    """
    direction_MD = table("directions", directions)
    edges_E2 = np.asarray(edges)
    if edges_E2.ndim != 2 or edges_E2.shape[1] != 2 or not len(edges_E2):
        raise SolverError("a ranking implies comparisons (E, 2)", f"got {edges_E2.shape}", "Ask for another ranking")
    rows = whole("edges", edges_E2.ravel(), below=len(direction_MD)).reshape(-1, 2)
    gradient_D: Floats = (direction_MD[rows[:, 1]] - direction_MD[rows[:, 0]]).mean(axis=0)
    return gradient_D


def rank_gradient(directions: npt.ArrayLike, levels: npt.ArrayLike) -> Floats:
    """The same estimator in closed form, O(m d) and ties included.

        g = −1/|E| Σᵢ cᵢ ξᵢ,   cᵢ = points worse than i − points better than i,   Σ cᵢ = 0

    Without ties cᵢ = (m − 1) − 2 r for the point ranked r, and −k for an unranked one.

    Args:
        directions: (M, D), the ξ of the points x + μ ξ.
        levels: (M,), from `levels_of_ranking` or `levels_of_scores`.

    Raises:
        SolverError: all points are on one level.

    >>> rank_gradient([[1.0], [2.0], [4.0]], levels_of_ranking([2], 3)).tolist()
    [-2.5]
    """
    direction_MD = table("directions", directions)
    levels_M = whole("levels", levels, len(direction_MD))
    order = np.sort(levels_M)
    better_M = np.searchsorted(order, levels_M, "left")
    worse_M = len(order) - np.searchsorted(order, levels_M, "right")
    edges = int(better_M.sum())
    if not edges:
        raise SolverError("a ranking implies comparisons", "got all points on one level", "Ask for another ranking")
    gradient_D: Floats = -((worse_M - better_M).astype(np.float64) @ direction_MD) / edges
    return gradient_D


def value_gradient(directions: npt.ArrayLike, losses: npt.ArrayLike, base: npt.ArrayLike, smoothing: float) -> Floats:
    """ZO-SGD (Ghadimi and Lan, arXiv 1309.5549): g = mean over i of (f(x + μ ξᵢ) − fᵢ)/μ · ξᵢ.

    Args:
        directions: (M, D), ξ.
        losses: (M,), f(x + μ ξ); points where it or its base is not known are left out.
        base: f(x), a number; or (M,), f(x − μ ξ), which gives the central difference over 2 μ.
        smoothing: μ.

    Raises:
        SolverError: no difference is known.
    """
    direction_MD = table("directions", directions)
    loss_M = column("losses", losses, len(direction_MD))
    base_M = np.asarray(base, dtype=np.float64)
    width = smoothing if base_M.ndim == 0 else 2 * smoothing
    usable_M = np.isfinite(loss_M) & np.isfinite(base_M)
    if not usable_M.any():
        raise SolverError("a gradient has differences to go by", "got none that is known", "Ask again")
    slope_N = (loss_M - base_M)[usable_M] / width
    gradient_D: Floats = slope_N @ direction_MD[usable_M] / len(slope_N)
    return gradient_D


def ladder(
    point: npt.ArrayLike, gradient: npt.ArrayLike, step: float, *, count: int = 5, shrink: float = 0.5
) -> Floats:
    """The candidates of a line search, (count, D): x, then x − η γⁱ g for i = 0 … count − 2.

    Asking for the best of them is an (l, 1) ranking (arXiv 2303.03751, algorithm 2). The incumbent comes first, so
    that a tie broken towards the first row stays.

    >>> ladder([0.0], [1.0], 4.0, count=4).tolist()
    [[0.0], [-4.0], [-2.0], [-1.0]]
    """
    if count < 2:
        raise SolverError("a ladder has the point and at least one step", f"got {count}", "Ask for 2 or more")
    point_D, gradient_D = column("point", point), column("gradient", gradient)
    steps_L = np.concatenate([[0.0], step * shrink ** np.arange(count - 1)])
    rungs_LD: Floats = point_D - steps_L[:, None] * gradient_D
    return rungs_LD


@dataclass(frozen=True, kw_only=True)
class Spsa:
    """Simultaneous perturbation (Spall 1992; gains of Spall 1998).

        g = (f(x + c_k Δ) − f(x − c_k Δ))/(2 c_k) · Δ⁻¹,   Δ = ±1 each
        a_k = a/(k + 1 + A)^α,   c_k = c/(k + 1)^γ

    Args:
        a: step gain.
        c: perturbation gain, about the standard deviation of the noise in f.
        stability: A, about a tenth of the steps.
        alpha: decay of steps.
        gamma: decay of perturbations.

    >>> spsa, rng = Spsa(a=0.2), np.random.default_rng(0)
    >>> x = np.ones(3)
    >>> for k in range(100):
    ...     x = spsa.step(x, k, lambda points: np.square(points).sum(axis=1), rng)
    >>> bool(np.abs(x).max() < 0.1)
    True
    """

    a: float = 0.1
    c: float = 0.1
    stability: float = 10.0
    alpha: float = 0.602
    gamma: float = 0.101

    def gains(self, k: int) -> tuple[float, float]:
        """a_k and c_k."""
        return self.a / (k + 1 + self.stability) ** self.alpha, self.c / (k + 1) ** self.gamma

    def ask(self, point: npt.ArrayLike, k: int, rng: Rng) -> Floats:
        """The two points (2, D) of step k."""
        point_D = column("point", point)
        offset_D = self.gains(k)[1] * rng.choice([-1.0, 1.0], size=len(point_D))
        return np.stack([point_D + offset_D, point_D - offset_D])

    def tell(self, point: npt.ArrayLike, k: int, points: npt.ArrayLike, losses: npt.ArrayLike) -> Floats:
        """The next point; the same one when a loss is not known."""
        point_D, loss_2 = column("point", point), column("losses", losses, 2)
        step, _ = self.gains(k)
        if not np.isfinite(loss_2).all():
            return point_D
        plus_D, minus_D = table("points", points, len(point_D))
        moved_D: Floats = point_D - step * (loss_2[0] - loss_2[1]) / (plus_D - minus_D)
        return moved_D

    def step(self, point: npt.ArrayLike, k: int, losses: Losses, rng: Rng) -> Floats:
        """Ask, evaluate, tell."""
        points_2D = self.ask(point, k, rng)
        return self.tell(point, k, points_2D, losses(points_2D))
