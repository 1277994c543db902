"""Which pair to ask about next, so that a board is known after fewer votes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.prefer.outcomes import Ties, chances, terms
from guerdon.prefer.ratings import Ratings
from guerdon.prefer.votes import Floats, Ints

Rule = Literal["information", "top", "uncertainty", "random"]
RULES: tuple[Rule, ...] = ("information", "top", "uncertainty", "random")

MANY = 200_000
"""Of more pairs than this, so many are looked at, drawn anew each time."""

_NODES, _MASS = np.polynomial.hermite_e.hermegauss(15)
_MASS = _MASS / _MASS.sum()


@dataclass(frozen=True, slots=True)
class Proposal:
    """A pair to ask about.

    Args:
        first: the item to show first (drawn at random, so that a preference for a side cancels).
        second: the other.
        gain: expected information in nats for "information"; for "top" weighted by what it says of the top; for
            "uncertainty" the entropy of the outcome; 0 for "random".
        cost: of asking.
    """

    first: str
    second: str
    gain: float
    cost: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """A rule for choosing pairs.

    With d = θ_i − θ_j normal under the Laplace posterior and y the outcome (win, loss, tie):

        information    I(y; d) = H(E_d P(y | d)) − E_d H(P(y | d))     (Houlsby et al., arXiv 1112.5745), by quadrature
        top            I(y; d) · (h_i + h_j), h the entropy of whether an item is among the best `best`
        uncertainty    H(P(y | E d)): pairs that look even, known or not
        random         each pair as likely as any other

    Pairs of one batch see the expected effect of those chosen before them. A pair is not in a batch twice, and not
    the same as the last one asked.

    Args:
        rule: which of these.
        best: how many of the top "top" is about.
        seed: of sides, of ties between pairs and of draws.
    """

    rule: Rule = "information"
    best: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in RULES:
            raise ConfigError(f"rule is one of {', '.join(RULES)}", f"got {self.rule!r}", "Choose one")
        if self.best < 1:
            raise ConfigError("best is at least 1", f"got {self.best}", "Take 1")

    def propose(
        self,
        ratings: Ratings,
        count: int = 1,
        *,
        asked: int = 0,
        last: tuple[str, str] | None = None,
        allowed: Iterable[tuple[str, str]] | None = None,
        costs: npt.ArrayLike | None = None,
        left: float = float("inf"),
    ) -> list[Proposal]:
        """The next pairs, the most telling first; fewer than asked for when no other may be had or paid.

        Args:
            ratings: what is known; from `BradleyTerry.fit` or `Ratings.after`. No vote at all is fine.
            count: how many pairs.
            asked: how many votes were asked for before; a key of the random numbers.
            last: the pair asked about last, in either order; it is not proposed first.
            allowed: the pairs that may be asked about; all by default.
            costs: (n, n) symmetric price of asking about each pair, 1 by default; gain per price is what counts.
            left: budget; pairs that it cannot pay are not proposed.

        Raises:
            ConfigError: ratings without errors, an unknown item, or costs that are not positive.
        """
        if ratings.covariance is None or ratings.posterior is None:
            raise ConfigError("ratings with errors", "they were not computed", "Rate at most 5,000 items")
        rng = np.random.default_rng([self.seed, asked, 20_244])
        i, j = self._pairs(ratings, allowed, rng)
        price = _prices(costs, len(ratings), i, j)
        spread = ratings.posterior[: len(ratings), : len(ratings)].copy()
        free = np.ones(len(i), bool)
        blocked = _position(ratings, last, i, j)
        found: list[Proposal] = []
        while len(found) < count:
            may = free & (price <= left)
            if blocked is not None and not found:
                may[blocked] = False
            if not may.any():
                break
            gain = self._gains(ratings, spread, i, j, rng)
            worth = np.where(may, gain / price + 1e-12 * rng.random(len(i)), -np.inf)
            k = int(worth.argmax())
            found.append(_proposal(ratings, int(i[k]), int(j[k]), float(gain[k]), float(price[k]), rng, self.rule))
            free[k], left = False, left - float(price[k])
            spread = _expected(ratings, spread, int(i[k]), int(j[k]))
        return found

    def _pairs(
        self, ratings: Ratings, allowed: Iterable[tuple[str, str]] | None, rng: np.random.Generator
    ) -> tuple[Ints, Ints]:
        if allowed is not None:
            index = {name: k for k, name in enumerate(ratings.names)}
            try:
                pairs = {tuple(sorted((index[one], index[two]))) for one, two in allowed if one != two}
            except KeyError as error:
                raise ConfigError(
                    "pairs of rated items", f"got {error.args[0]!r}", "Add it to the votes' names"
                ) from None
            table = np.array(sorted(pairs), np.int64).reshape(-1, 2)
            return table[:, 0], table[:, 1]
        n = len(ratings)
        if n * (n - 1) // 2 <= MANY:
            return np.triu_indices(n, 1)
        one, two = rng.integers(n, size=MANY), rng.integers(n - 1, size=MANY)
        two = two + (two >= one)
        key = np.unique(np.minimum(one, two) * n + np.maximum(one, two))
        return key // n, key % n

    def _gains(self, ratings: Ratings, spread: Floats, i: Ints, j: Ints, rng: np.random.Generator) -> Floats:
        if self.rule == "random":
            return rng.random(len(i))
        ties = _ties(ratings)
        mean = ratings.values[i] - ratings.values[j]
        if self.rule == "uncertainty":
            return _entropy(*chances(ties, mean, ratings.tie))
        diagonal = np.diag(spread)
        variance = np.maximum(diagonal[i] + diagonal[j] - 2 * spread[i, j], 0.0)
        gain = information(mean, variance, ties, ratings.tie)
        if self.rule == "top":
            open_ = _undecided(ratings.values, spread, self.best, rng)
            gain = gain * (open_[i] + open_[j] + 1e-9)
        return gain


def information(mean: Floats, variance: Floats, ties: Ties = "half", tie: float = 0.0) -> Floats:
    """(m,) nats that one comparison is expected to tell about differences d ~ N(mean, variance).

    >>> information(np.array([0.0, 3.0]), np.array([1.0, 1.0])).round(3).tolist()
    [0.094, 0.029]
    """
    d = mean[:, None] + np.sqrt(variance)[:, None] * _NODES
    each = chances(ties, d, tie)
    gain: Floats = _entropy(*(p @ _MASS for p in each)) - _entropy(*each) @ _MASS
    return np.maximum(gain, 0.0)


def _entropy(*parts: Floats) -> Floats:
    total: Floats = -sum(p * np.log(np.maximum(p, 1e-300)) for p in parts)  # type: ignore[assignment]
    return total


def _undecided(values: Floats, spread: Floats, best: int, rng: np.random.Generator, draws: int = 400) -> Floats:
    """(n,) entropy of whether each item is among the best, from draws of the posterior."""
    n = len(values)
    if best >= n:
        return np.ones(n)
    numbers, vectors = np.linalg.eigh(spread)
    drawn = values + (rng.standard_normal((draws, n)) * np.sqrt(np.maximum(numbers, 0.0))) @ vectors.T
    top = np.argpartition(-drawn, best - 1, axis=1)[:, :best]
    share = (np.bincount(top.ravel(), minlength=n) + 0.5) / (draws + 1)
    return _entropy(share, 1 - share)


def _expected(ratings: Ratings, spread: Floats, i: int, j: int) -> Floats:
    """The covariance after a vote on a pair, whatever its outcome, by the information at the present difference."""
    gap = np.array([ratings.values[i] - ratings.values[j]])
    counts = chances(_ties(ratings), gap, ratings.tie)
    bend = float(terms(_ties(ratings), gap, ratings.tie, *counts).bend[0])
    column = spread[:, i] - spread[:, j]
    after: Floats = spread - bend / (1 + bend * float(column[i] - column[j])) * np.outer(column, column)
    return after


def _ties(ratings: Ratings) -> Ties:
    return ratings.model.ties if np.isfinite(ratings.tie) and ratings.tie != 0 else "half"


def _prices(costs: npt.ArrayLike | None, n: int, i: Ints, j: Ints) -> Floats:
    if costs is None:
        return np.ones(len(i))
    table = np.asarray(costs, float)
    if table.shape != (n, n) or not (table[i, j] > 0).all() or not np.isfinite(table[i, j]).all():
        raise ConfigError(f"costs are an ({n}, {n}) table of positive numbers", f"got {table.shape}", "Price each pair")
    return np.asarray(table[i, j], float)


def _position(ratings: Ratings, last: tuple[str, str] | None, i: Ints, j: Ints) -> Ints | None:
    if last is None:
        return None
    low, high = sorted((ratings.index(last[0]), ratings.index(last[1])))
    return np.flatnonzero((i == low) & (j == high))


def _proposal(
    ratings: Ratings, i: int, j: int, gain: float, price: float, rng: np.random.Generator, rule: Rule
) -> Proposal:
    if rng.random() < 0.5:
        i, j = j, i
    return Proposal(ratings.names[i], ratings.names[j], 0.0 if rule == "random" else gain, price)
