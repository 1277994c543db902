"""Ratings from comparisons: Bradley-Terry by Newton's method on counts, with honest errors.

Votes on the same pair are added up first, so that a fit costs one pass over the votes and then a few solutions of an
n × n system. Ratings are in natural units: a difference d wins with probability σ(d); `Ratings.rows` scales them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.prefer.fitting import System, check_determined, connected, newton, spread, tabulate
from guerdon.prefer.outcomes import TIES, Ties, chances, terms
from guerdon.prefer.votes import Floats, Ints, Votes

ELO = 400 / math.log(10)
"""Points of a chess-like scale for one natural unit."""

Errors = Literal["sandwich", "model", "annotators"]


@dataclass(frozen=True, kw_only=True)
class BradleyTerry:
    """P(i beats j) = σ(θ_i − θ_j + xᵀβ), with ties and covariates (Bradley and Terry 1952).

    Args:
        ties: what a tie is: half a win for each side, or an outcome of its own (see `guerdon.prefer.outcomes`).
        prior: standard deviation of a normal prior on θ and β, in natural units. It keeps items finite that never
            lost or were never compared, with a wide interval. `None` gives the maximum likelihood, and refuses
            votes that do not determine it.
        position: also estimate the advantage of being shown first.
        errors: "sandwich" (right if the model is not; votes independent), "model" (inverse information), or
            "annotators" (sandwich that takes all votes of an annotator as one; needs ten annotators). Where some items
            always won against the rest, a sandwich is far too narrow, and "model" is used instead.
        tolerance: stop when no parameter moves by more.
        steps: of Newton's method at most.
    """

    ties: Ties = "half"
    prior: float | None = 10.0
    position: bool = False
    errors: Errors = "sandwich"
    tolerance: float = 1e-9
    steps: int = 100

    def __post_init__(self) -> None:
        if self.ties not in TIES:
            raise ConfigError(f"ties is one of {', '.join(TIES)}", f"got {self.ties!r}", "Choose one")
        if self.errors not in ("sandwich", "model", "annotators"):
            raise ConfigError("errors is sandwich, model or annotators", f"got {self.errors!r}", "Choose one")
        if self.prior is not None and not 0 < self.prior < math.inf:
            raise ConfigError("prior is a standard deviation, or None", f"got {self.prior!r}", "Take 10, or None")

    def fit(self, votes: Votes, start: Floats | None = None) -> Ratings:
        """The ratings of all items of the votes.

        Args:
            votes: the comparisons.
            start: (n,) ratings to start from, for many similar fits.

        Raises:
            ConfigError: without a prior, when the votes do not determine the ratings.
        """
        table = tabulate(votes, self.position)
        strong, group = connected(table)
        if self.prior is None:
            check_determined(strong, table)
        system = System(self, table)
        found, inverse = newton(system, start)
        return _ratings(system, votes, found, inverse, strong, group)


def _ratings(system: System, votes: Votes, found: Floats, inverse: Floats | None, strong: Ints, group: Ints) -> Ratings:
    table, n = system.table, system.n
    covariance = None if inverse is None else spread(votes, system, found, inverse, bool((strong == 0).all()))
    own: Floats = found[:n] - (found[:n].mean() if n else 0.0)
    weight = table.counts.sum(axis=0)
    effects = {}
    for k, label in enumerate(table.labels):
        error = math.nan if covariance is None else math.sqrt(max(covariance[n + k, n + k], 0.0))
        effects[label] = (float(found[n + k]), error)
    return Ratings(
        names=votes.names,
        values=own,
        covariance=None if covariance is None else _centred(covariance[:n, :n]),
        weight=(np.bincount(table.i, weight, n) + np.bincount(table.j, weight, n)).astype(float),
        group=group,
        effects=effects,
        tie=system.tie(found),
        model=system.model,
        posterior=inverse,
    )


def _centred(spread: Floats) -> Floats:
    """The covariance of ratings less their mean."""
    if not len(spread):
        return spread
    across = spread.mean(axis=0)
    centred: Floats = spread - across[None, :] - across[:, None] + across.mean()
    return centred


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a board.

    Args:
        name: of the item.
        rating: on the scale asked for.
        low: lower end of its 95 % interval.
        high: upper end.
        best: the best rank that agrees with the votes.
        worst: the worst one.
        weight: of the votes it took part in.
        group: items of different groups were never compared, not even through others.
    """

    name: str
    rating: float
    low: float
    high: float
    best: int
    worst: int
    weight: float
    group: int


@dataclass(frozen=True, eq=False)
class Ratings:
    """Fitted ratings of n items.

    Args:
        names: of the items.
        values: (n,) ratings in natural units, with mean 0.
        covariance: (n, n) of the values; `None` for more than 5,000 items.
        weight: (n,) total weight of the votes an item took part in.
        group: (n,) items of one group are comparable, directly or through others.
        effects: of the covariates: value and standard error.
        tie: τ of the model of ties.
        model: how it was fitted.
        posterior: (P, P) inverse of the curvature of ratings, effects and tie parameter, before centring.
    """

    names: tuple[str, ...]
    values: Floats
    covariance: Floats | None
    weight: Floats
    group: Ints
    effects: dict[str, tuple[float, float]] = field(default_factory=dict)
    tie: float = 0.0
    model: BradleyTerry = field(default_factory=BradleyTerry)
    posterior: Floats | None = None

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """The position of an item.

        Raises:
            ConfigError: there is no such item.
        """
        try:
            return self.names.index(name)
        except ValueError:
            raise ConfigError("the name of a rated item", f"got {name!r}", "Take one of .names") from None

    @property
    def errors(self) -> Floats:
        """(n,) standard errors of the values."""
        if self.covariance is None:
            return np.full(len(self), math.nan)
        errors: Floats = np.sqrt(np.maximum(np.diag(self.covariance), 0.0))
        return errors

    def difference(self, one: str, two: str) -> tuple[float, float]:
        """θ_one − θ_two and its standard error."""
        i, j = self.index(one), self.index(two)
        value = float(self.values[i] - self.values[j])
        if self.covariance is None:
            return value, math.nan
        spread = self.covariance[i, i] + self.covariance[j, j] - 2 * self.covariance[i, j]
        return value, math.sqrt(max(float(spread), 0.0))

    def chance(self, one: str, two: str) -> tuple[float, float, float]:
        """P(one wins), P(two wins), P(tie), with all covariates equal."""
        gap = np.array([self.difference(one, two)[0]])
        first, second, tie = (float(each[0]) for each in chances(self.model.ties, gap, self.tie))
        return first, second, tie

    def order(self) -> Ints:
        """(n,) positions of the items, the best first; of equal ones the first."""
        return np.argsort(-self.values, kind="stable")

    def rows(self, scale: float = ELO, base: float = 1000.0, anchor: str | None = None) -> list[Row]:
        """The board, the best first.

        Args:
            scale: points for a natural unit.
            base: rating of the mean, or of the anchor.
            anchor: an item whose rating is `base` exactly; intervals are then those of differences to it.
        """
        from guerdon.prefer.ranks import rank_intervals

        values, errors = self.values, self.errors
        if anchor is not None:
            gaps = [self.difference(name, anchor) for name in self.names]
            values, errors = np.array([gap for gap, _ in gaps]), np.array([error for _, error in gaps])
        best, worst = rank_intervals(self)
        shown, half = base + scale * values, scale * 1.959963984540054 * errors
        return [
            Row(
                self.names[k],
                float(shown[k]),
                float(shown[k] - half[k]),
                float(shown[k] + half[k]),
                int(best[k]),
                int(worst[k]),
                float(self.weight[k]),
                int(self.group[k]),
            )
            for k in self.order().tolist()
        ]

    def after(self, first: str, second: str, points: float, weight: float = 1.0) -> Ratings:
        """The ratings after one more vote, in O(n²) and without a look at the old ones.

        The old votes are taken as a normal posterior (the Laplace approximation), in which the new vote has its
        exact likelihood; covariates other than the position are equal. A fit of all votes corrects what that leaves.

        Args:
            first: the item shown first.
            second: the other one.
            points: 1, 0.5 or 0 for the first.
            weight: of the vote.

        Raises:
            ConfigError: points or weight are not usable, or errors were not computed.
        """
        i, j = self.index(first), self.index(second)
        vote = Votes.from_codes(self.names, [i], [j], [points], weight=[weight])
        if self.posterior is None or not len(vote):
            raise ConfigError("a vote, and ratings with errors", "one of them is missing", "Fit all votes instead")
        lever = np.zeros((len(self.posterior), 2))  # what moves d, and what moves the tie parameter
        lever[i, 0], lever[j, 0] = 1.0, -1.0
        if "first" in self.effects:
            lever[len(self) + list(self.effects).index("first"), 0] = 1.0
        tied = len(self.posterior) > len(self) + len(self.effects)
        lever[-1, 1] = float(tied)
        across = self.posterior @ lever
        slope, bend = self._local(vote, lever.T @ across, tied)
        share = np.linalg.solve(np.eye(2) + bend @ (lever.T @ across), bend)
        posterior = self.posterior - across @ share @ across.T
        moved = across @ slope
        values, more, group = self.values + moved[: len(self)], self.weight.copy(), self.group
        more[[i, j]] += weight
        if group[i] != group[j]:
            group = np.where(group == group[j], group[i], group)
        change = dict(zip(self.effects, moved[len(self) :].tolist()))
        return replace(
            self,
            values=values - values.mean(),
            covariance=_centred(posterior[: len(self), : len(self)]),
            weight=more,
            group=group,
            effects={name: (value + change[name], error) for name, (value, error) in self.effects.items()},
            tie=self.tie + float(moved[-1]) if tied else self.tie,
            posterior=posterior,
        )

    def _local(self, vote: Votes, reach: Floats, tied: bool) -> tuple[Floats, Floats]:
        """Gradient (2,) and curvature (2, 2) of the vote in (d, τ), where posterior and vote meet."""
        ties: Ties = self.model.ties if tied else "half"
        counts = [vote.weight * (vote.points == each) for each in (1.0, 0.0, 0.5)]
        gap = float(self.values[vote.first[0]] - self.values[vote.second[0]]) + self.effects.get("first", (0.0, 0.0))[0]
        begin = np.array([gap, self.tie if tied else 0.0])
        at = begin.copy()
        for _ in range(50):
            one = terms(ties, at[:1], float(at[1]), *counts)
            slope = np.array([one.slope[0], one.tie_slope])
            bend = np.array([[one.bend[0], one.cross[0]], [one.cross[0], one.tie_bend]])
            step = np.linalg.solve(np.eye(2) + reach @ bend, begin + reach @ slope - at)
            if ties == "rao-kupper":
                step[1] = max(step[1], -0.9 * at[1])  # δ stays above 0
            at = at + step
            if np.abs(step).max() < 1e-10:
                break
        return slope, bend


def fit(votes: Votes, model: BradleyTerry | None = None) -> Ratings:
    """Ratings by the default model or the one given.

    >>> found = fit(Votes.of(["a", "a", "b"], ["b", "c", "c"], ["first", "first", "tie"]))
    >>> [row.name for row in found.rows()]
    ['a', 'b', 'c']
    """
    return (model or BradleyTerry()).fit(votes)
