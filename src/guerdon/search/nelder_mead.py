"""Nelder and Mead's simplex search, turned inside out: it asks for points and is told their scores.

So a score may take hours, come from elsewhere, or be looked up; scipy's version calls a function instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search.arrays import Floats, column, known, table


@dataclass(frozen=True, slots=True)
class Simplex:
    """Where a search stands.

    Args:
        points: the vertices (D + 1, D), best first once they are scored.
        scores: of the vertices (D + 1,); −inf where unknown.
        phase: what is asked: "start", "reflect", "expand", "outside", "inside" or "shrink".
        trial: the points that are asked (B, D).
        mirrored: the reflected point (D,) of this round.
        mirrored_score: its score.
    """

    points: Floats
    scores: Floats
    phase: str
    trial: Floats
    mirrored: Floats
    mirrored_score: float = -math.inf


@dataclass(frozen=True, kw_only=True)
class NelderMead:
    """The downhill simplex method (Nelder and Mead 1965), climbing, for few and costly evaluations.

    Per round the worst vertex w is mirrored at the centroid c of the others, `r = c + α (c − w)`. Better than the best:
    `c + γ (r − c)` is tried too, and the better of both stays. Better than the second worst: r stays. Else a point
    between is tried, `c + ρ (r − c)` if r beats w and `c + ρ (w − c)` if not; where that fails, all vertices move
    towards the best by σ.

    Args:
        reflection: α.
        expansion: γ.
        contraction: ρ.
        shrinkage: σ.

    >>> search = NelderMead()
    >>> state = search.start([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> for _ in range(80):
    ...     points = search.ask(state)
    ...     state = search.tell(state, points, -((points - 0.3) ** 2).sum(axis=1))
    >>> state.points[0].round(3).tolist()
    [0.3, 0.3]
    """

    reflection: float = 1.0
    expansion: float = 2.0
    contraction: float = 0.5
    shrinkage: float = 0.5

    def __post_init__(self) -> None:
        if not (self.reflection > 0 and self.expansion > 1 and 0 < self.contraction < 1 and 0 < self.shrinkage < 1):
            got = f"got {self.reflection}, {self.expansion}, {self.contraction} and {self.shrinkage}"
            raise ConfigError("reflection > 0, expansion > 1, contraction and shrinkage within 0 and 1", got, "Fix it")

    def start(self, points: npt.ArrayLike) -> Simplex:
        """Before anything is scored.

        Args:
            points: the vertices (D + 1, D).

        Raises:
            SolverError: they are not D + 1, or not finite.
        """
        points_BD = table("points", points)
        if len(points_BD) != points_BD.shape[1] + 1 or len(points_BD) < 2 or not np.isfinite(points_BD).all():
            raise SolverError("D + 1 finite vertices (D + 1, D)", f"got {points_BD.shape}", "Give one more than axes")
        unknown = np.full(len(points_BD), -np.inf)
        return Simplex(points_BD, unknown, "start", points_BD, points_BD[0])

    def ask(self, state: Simplex) -> Floats:
        """Points to score (B, D): all vertices at first, all but one after a shrinkage, else one."""
        return state.trial

    def tell(self, state: Simplex, points: npt.ArrayLike, scores: object) -> Simplex:
        """The next state.

        Args:
            state: the one that asked.
            points: what it asked for.
            scores: of them (B,); larger is better, and what is not finite is worse than all else.

        Raises:
            SolverError: other points than were asked for.
        """
        points_BD = table("points", points, state.points.shape[1])
        if not np.array_equal(points_BD, state.trial):
            raise SolverError("the points that were asked for", f"got {points_BD[:2].tolist()}", "Tell what ask gave")
        scores_B = known(column("scores", scores, len(points_BD)))
        if state.phase == "start":
            return self._round(points_BD, scores_B)
        if state.phase == "shrink":
            return self._round(np.vstack([state.points[:1], points_BD]), np.append(state.scores[:1], scores_B))
        return self._judged(state, points_BD[0], float(scores_B[0]))

    def spread(self, state: Simplex) -> float:
        """Standard deviation of the vertices' scores; infinite while one is unknown."""
        return float(state.scores.std()) if np.isfinite(state.scores).all() else math.inf

    def _judged(self, state: Simplex, point: Floats, score: float) -> Simplex:
        if state.phase == "reflect":
            return self._reflected(state, point, score)
        if state.phase == "expand":
            better = score > state.mirrored_score
            return self._replaced(state, *((point, score) if better else (state.mirrored, state.mirrored_score)))
        enough = score >= state.mirrored_score if state.phase == "outside" else score > state.scores[-1]
        if enough:
            return self._replaced(state, point, score)
        best = state.points[:1]
        return replace(state, phase="shrink", trial=best + self.shrinkage * (state.points[1:] - best))

    def _reflected(self, state: Simplex, point: Floats, score: float) -> Simplex:
        if state.scores[0] >= score > state.scores[-2]:
            return self._replaced(state, point, score)
        centre, worst = state.points[:-1].mean(0), state.points[-1]
        if score > state.scores[0]:
            phase, trial = "expand", centre + self.expansion * (point - centre)
        elif score > state.scores[-1]:
            phase, trial = "outside", centre + self.contraction * (point - centre)
        else:
            phase, trial = "inside", centre + self.contraction * (worst - centre)
        return replace(state, phase=phase, trial=trial[None], mirrored=point, mirrored_score=score)

    def _replaced(self, state: Simplex, point: Floats, score: float) -> Simplex:
        return self._round(np.vstack([state.points[:-1], point]), np.append(state.scores[:-1], score))

    def _round(self, points: Floats, scores: Floats) -> Simplex:
        """Sorted, the worst vertex mirrored at the centroid of the others."""
        order = np.argsort(-scores, kind="stable")
        points, scores = points[order], scores[order]
        centre = points[:-1].mean(0)
        mirrored = centre + self.reflection * (centre - points[-1])
        return Simplex(points, scores, "reflect", mirrored[None], mirrored)
