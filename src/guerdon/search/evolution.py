"""Evolution strategies and random searches over real vectors, as recipes with `start`, `ask` and `tell`.

All maximise. `ask` does not change the state; `tell` returns the next one and depends on its arguments alone. States
are frozen dataclasses of arrays and numbers: save them by `save_state(state, folder)`, load them by
`load_state(type, folder)`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search.arrays import Floats, Rng, column, known, table
from guerdon.search.populations import truncation


@dataclass(frozen=True, slots=True)
class Centre:
    """A point that moves.

    Args:
        point: (D,).
        score: its score, −inf while it is not known.
        size: of a step or of a search radius.
        step: how often it has been told something.
    """

    point: Floats
    score: float
    size: float
    step: int = 0


@dataclass(frozen=True, slots=True)
class Parents:
    """The parents of a generation: points (M, D) and scores (M,), best first."""

    points: Floats
    scores: Floats


def _centre(point: npt.ArrayLike, size: float) -> Centre:
    point_D = column("the start point", point)
    if not np.isfinite(point_D).all() or not len(point_D):
        raise SolverError("a start point has finite entries", f"got {point_D[:8].tolist()}", "Start elsewhere")
    return Centre(point_D, -math.inf, size)


def _positive(**fields: float) -> None:
    for name, value in fields.items():
        if not (math.isfinite(value) and value > 0):
            raise ConfigError(f"{name} is positive and finite", f"got {value}", "Change it")


def _told(points: npt.ArrayLike, scores: object, width: int) -> tuple[Floats, Floats]:
    points_BD = table("points", points, width)
    return points_BD, known(column("scores", scores, len(points_BD)))


def _better(state: Centre, points_BD: Floats, scores_B: Floats) -> tuple[Floats, float, bool]:
    """The best of the centre and the points; a tie goes to the centre."""
    if len(scores_B) and scores_B.max() > state.score:
        best = int(scores_B.argmax())
        return points_BD[best], float(scores_B[best]), True
    return state.point, state.score, False


@dataclass(frozen=True, kw_only=True)
class MuPlusLambda:
    """(μ + λ) evolution with Gaussian mutation: the μ best of parents and offspring survive, of equals the parents.

    Args:
        mu: parents.
        offspring: λ, drawn from parents chosen uniformly.
        sigma: standard deviation of the mutation.

    >>> es = MuPlusLambda(mu=2, offspring=4)
    >>> state, rng = es.start([1.0, 1.0]), np.random.default_rng(0)
    >>> for _ in range(50):
    ...     points = es.ask(state, rng)
    ...     state = es.tell(state, points, -np.square(points).sum(axis=1))
    >>> bool(state.scores[0] > -0.1)
    True
    """

    mu: int = 5
    offspring: int = 35
    sigma: float = 0.1

    def __post_init__(self) -> None:
        _positive(mu=self.mu, offspring=self.offspring, sigma=self.sigma)

    def start(self, point: npt.ArrayLike) -> Parents:
        """One parent, whose score is not known."""
        return Parents(_centre(point, self.sigma).point[None, :], np.array([-np.inf]))

    def ask(self, state: Parents, rng: Rng) -> Floats:
        """Offspring (λ, D)."""
        chosen = rng.integers(len(state.points), size=self.offspring)
        return state.points[chosen] + self.sigma * rng.standard_normal((self.offspring, state.points.shape[1]))

    def tell(self, state: Parents, points: npt.ArrayLike, scores: object) -> Parents:
        """The next parents; points with unknown scores never survive one that is known."""
        points_BD, scores_B = _told(points, scores, state.points.shape[1])
        all_points, all_scores = np.concatenate([state.points, points_BD]), np.concatenate([state.scores, scores_B])
        order = truncation(all_scores, self.mu)
        order = order[all_scores[order] > -np.inf]
        return Parents(all_points[order], all_scores[order]) if len(order) else state


@dataclass(frozen=True, kw_only=True)
class OneFifth:
    """The (1+1)-ES with the one-fifth success rule (Rechenberg 1973; constants of Auger 2009).

    A success, as good as the parent or better, moves and multiplies σ by `up`; a failure multiplies it by up^(−1/4).

    Args:
        sigma: at the start.
        up: factor at a success.

    >>> OneFifth(sigma=1.0).tell(OneFifth().start([0.0]), [[1.0]], [5.0]).size
    1.5
    """

    sigma: float = 1.0
    up: float = 1.5

    def __post_init__(self) -> None:
        _positive(sigma=self.sigma, up=self.up)

    def start(self, point: npt.ArrayLike) -> Centre:
        """At a point whose score is not known."""
        return _centre(point, self.sigma)

    def ask(self, state: Centre, rng: Rng) -> Floats:
        """One point, (1, D)."""
        return (state.point + state.size * rng.standard_normal(len(state.point)))[None, :]

    def tell(self, state: Centre, points: npt.ArrayLike, scores: object) -> Centre:
        """The next state, points taken one after another."""
        points_BD, scores_B = _told(points, scores, len(state.point))
        for point_D, score in zip(points_BD, scores_B.tolist(), strict=True):
            if score > -np.inf and score >= state.score:
                state = Centre(point_D, score, state.size * self.up, state.step + 1)
            else:
                state = Centre(state.point, state.score, state.size * self.up**-0.25, state.step + 1)
        return state


@dataclass(frozen=True, kw_only=True)
class OpenAIES:
    """Evolution strategies as a gradient estimate (Salimans et al., arXiv 1703.03864).

        x ← x + α · 1/(n σ) Σ u(fᵢ) εᵢ,   εᵢ in pairs ±ε,   u the centred ranks in [−1/2, 1/2]

    Equal scores share their mean rank. A pair of which one score is unknown is left out.

    Args:
        pairs: n/2.
        sigma: of the perturbation.
        rate: α.
        decay: of x at each step.
    """

    pairs: int = 16
    sigma: float = 0.1
    rate: float = 0.05
    decay: float = 0.0

    def __post_init__(self) -> None:
        _positive(pairs=self.pairs, sigma=self.sigma, rate=self.rate)

    def start(self, point: npt.ArrayLike) -> Centre:
        """At a point; its score is not used."""
        return _centre(point, self.sigma)

    def ask(self, state: Centre, rng: Rng) -> Floats:
        """Points (2 · pairs, D): x + σε for all pairs, then x − σε in the same order."""
        noise_PD = rng.standard_normal((self.pairs, len(state.point)))
        return state.point + self.sigma * np.concatenate([noise_PD, -noise_PD])

    def tell(self, state: Centre, points: npt.ArrayLike, scores: object) -> Centre:
        """One step.

        Raises:
            SolverError: the points are not pairs.
        """
        points_BD, scores_B = _told(points, scores, len(state.point))
        half, odd = divmod(len(points_BD), 2)
        if odd:
            raise SolverError("points come in pairs", f"got {len(points_BD)}", "Tell all that was asked, in its order")
        whole_P = (scores_B[:half] > -np.inf) & (scores_B[half:] > -np.inf)
        used_B = np.concatenate([whole_P, whole_P])
        count = int(used_B.sum())
        if not count:
            return Centre(state.point, state.score, state.size, state.step + 1)
        noise_ND = (points_BD[used_B] - state.point) / self.sigma
        gradient_D = centred_ranks(scores_B[used_B]) @ noise_ND / (count * self.sigma)
        point_D = (1 - self.decay) * state.point + self.rate * gradient_D
        return Centre(point_D, -math.inf, state.size, state.step + 1)


def centred_ranks(scores: npt.ArrayLike) -> Floats:
    """Mid-ranks scaled to [−1/2, 1/2], which sum to 0; a single score gets 0.

    >>> centred_ranks([3.0, 1.0, 3.0]).tolist()
    [0.25, -0.5, 0.25]
    """
    score_N = known(column("scores", scores))
    if len(score_N) < 2:
        return np.zeros(len(score_N))
    order = np.sort(score_N)
    low, high = np.searchsorted(order, score_N, "left"), np.searchsorted(order, score_N, "right")
    ranks_N: Floats = (low + high - 1) / 2 / (len(score_N) - 1) - 0.5
    return ranks_N


@dataclass(frozen=True, kw_only=True)
class GldFast:
    """Gradientless descent with fast binary search, GLD-Fast (Golovin et al., arXiv 1911.06317, algorithm 2).

    Each step tries x + v_k with v_k uniform in the ball of radius 2^(−k) R for k = −K … K, K = log(4 √Q), and moves
    to the best, if that is better than x. R is halved every H = D · Q · log Q steps (log Q being at least 1 here). The
    source leaves the base of the logarithms and the distribution in the ball open: here 2, with K rounded up, and
    uniform.

    Args:
        radius: R at the start, the diameter of where the optimum may be.
        condition: Q, a bound of the condition number, at least 1.

    >>> len(GldFast(condition=4.0).ask(GldFast().start([0.0, 0.0]), np.random.default_rng(0)))
    7
    """

    radius: float = 1.0
    condition: float = 10.0

    def __post_init__(self) -> None:
        _positive(radius=self.radius, condition=self.condition)
        if self.condition < 1:
            raise ConfigError("a condition number is at least 1", f"got {self.condition}", "Raise it")

    def start(self, point: npt.ArrayLike) -> Centre:
        """At a point whose score is not known."""
        return _centre(point, self.radius)

    def ask(self, state: Centre, rng: Rng) -> Floats:
        """Points (2 K + 1, D), largest radius first."""
        width, most = len(state.point), math.ceil(math.log2(4 * math.sqrt(self.condition)))
        radius_K = state.size * 2.0 ** np.arange(most, -most - 1, -1)
        return state.point + radius_K[:, None] * in_ball(len(radius_K), width, rng)

    def tell(self, state: Centre, points: npt.ArrayLike, scores: object) -> Centre:
        """Move to the best, and halve the radius when it is time."""
        points_BD, scores_B = _told(points, scores, len(state.point))
        point_D, score, _ = _better(state, points_BD, scores_B)
        every = max(1, math.ceil(len(state.point) * self.condition * math.log2(max(self.condition, 2.0))))
        step = state.step + 1
        return Centre(point_D, score, state.size / 2 if step % every == 0 else state.size, step)


def in_ball(count: int, dim: int, rng: Rng) -> Floats:
    """Points (count, dim) drawn uniformly from the unit ball."""
    direction = rng.standard_normal((count, dim))
    direction /= np.maximum(np.sqrt(np.einsum("nd,nd->n", direction, direction)), 1e-300)[:, None]
    points: Floats = direction * rng.random((count, 1)) ** (1.0 / dim)
    return points


@dataclass(frozen=True, kw_only=True)
class RandomSearch:
    """Gaussian points around the start, which never moves the centre of the draw; the best is kept.

    Args:
        batch: points of one step.
        sigma: of the draw.
    """

    batch: int = 16
    sigma: float = 1.0

    def __post_init__(self) -> None:
        _positive(batch=self.batch, sigma=self.sigma)

    def start(self, point: npt.ArrayLike) -> Parents:
        """Rows: the centre of the draw, and the best point so far."""
        point_D = _centre(point, self.sigma).point
        return Parents(np.stack([point_D, point_D]), np.array([-np.inf, -np.inf]))

    def ask(self, state: Parents, rng: Rng) -> Floats:
        """Points (batch, D)."""
        noise_BD = rng.standard_normal((self.batch, state.points.shape[1]))
        points_BD: Floats = state.points[0] + self.sigma * noise_BD
        return points_BD

    def tell(self, state: Parents, points: npt.ArrayLike, scores: object) -> Parents:
        """Keep the best in row 1."""
        points_BD, scores_B = _told(points, scores, state.points.shape[1])
        centre = Centre(state.points[1], float(state.scores[1]), self.sigma)
        point_D, score, _ = _better(centre, points_BD, scores_B)
        return Parents(np.stack([state.points[0], point_D]), np.array([-np.inf, score]))
