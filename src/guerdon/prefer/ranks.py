"""What may be said of a board: ranks that agree with the votes, bootstrap, and how few votes hold up rank 1."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.prefer.fitting import System, climb, newton, row_of, tabulate
from guerdon.prefer.ratings import BradleyTerry, Ratings
from guerdon.prefer.votes import Floats, Ints, Votes

LEVEL = 1e-9
"""Ratings that differ by no more are level."""


def rank_intervals(ratings: Ratings, level: float = 0.95, *, simultaneous: bool = False) -> tuple[Ints, Ints]:
    """(n,) best and (n,) worst ranks that agree with the votes; 1 is the top.

    An item's best rank is 1 + the number of items that are better beyond doubt; its worst is n − the number of those
    that are worse beyond doubt. Beyond doubt: the interval of the *difference* excludes 0, which is not the same as
    two intervals that do not overlap. Items of groups that were never compared are never beyond doubt.

    Args:
        ratings: the board.
        level: of each comparison; or, when
        simultaneous: of all comparisons together (the largest of the differences in 4,000 draws; Mogstad et al.,
            "Inference for Ranks", Review of Economic Studies 2024, in its normal form).
    """
    n = len(ratings)
    if ratings.covariance is None or n < 2:
        return np.ones(n, np.int64), np.full(n, n, np.int64)
    variance = np.diag(ratings.covariance)
    error = np.sqrt(np.maximum(variance[:, None] + variance[None, :] - 2 * ratings.covariance, 1e-300))
    bound = _largest(ratings.covariance, error, level) if simultaneous else _two_sided(level)
    better = (ratings.values[:, None] - ratings.values[None, :]) > bound * error
    better &= ratings.group[:, None] == ratings.group[None, :]
    return 1 + better.sum(axis=0), n - better.sum(axis=1)


def _two_sided(level: float) -> float:
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise ConfigError("a level is between 0 and 1", f"got {level!r}", "Take 0.95")
    return float(ndtri(0.5 + level / 2))


def _largest(covariance: Floats, error: Floats, level: float, draws: int = 4000) -> float:
    """The quantile of max |z_i − z_j| / error_ij over pairs, by simulation with a fixed seed."""
    _two_sided(level)
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(20_240)
    i, j = np.triu_indices(len(covariance), 1)
    scale, largest = error[i, j], np.empty(draws)
    size = max(1, 4_000_000 // max(len(i), 1))
    for first in range(0, draws, size):
        z = rng.standard_normal((min(size, draws - first), len(root))) @ root.T
        largest[first : first + len(z)] = (np.abs(z[:, i] - z[:, j]) / scale).max(axis=1)
    return float(np.quantile(largest, level))


def bootstrap(
    votes: Votes, model: BradleyTerry | None = None, *, resamples: int = 200, seed: int = 0, by_annotator: bool = False
) -> Floats:
    """(resamples, n) ratings of resampled votes; their spread needs no model of the errors.

    Args:
        votes: the comparisons.
        model: how to fit; it needs a prior, since a resample may lack what determines the ratings.
        resamples: how many.
        seed: of the resampling.
        by_annotator: draw whole annotators rather than votes; unnamed votes stand alone.

    Raises:
        ConfigError: the model has no prior.
    """
    model = model or BradleyTerry()
    if model.prior is None:
        raise ConfigError("a bootstrap needs a prior", "got prior=None", "Take a wide one, such as prior=10")
    rng = np.random.default_rng([seed, 20_241])
    start = model.fit(votes).values
    found = np.empty((resamples, len(votes.names)))
    for k, weight in enumerate(_resampled(votes, resamples, rng, by_annotator)):
        chosen = votes.take(weight > 0)
        found[k] = _values(model, chosen, weight[weight > 0], start)
    return found


def _resampled(votes: Votes, resamples: int, rng: np.random.Generator, by_annotator: bool) -> Iterator[Floats]:
    """How often each vote was drawn."""
    unit = np.arange(len(votes))
    if by_annotator:
        named = votes.annotator >= 0
        unit = np.where(named, votes.annotator, len(votes.annotators) + np.cumsum(~named))
        unit = np.unique(unit, return_inverse=True)[1]
    many = int(unit.max(initial=-1)) + 1
    for _ in range(resamples):
        drawn = np.bincount(rng.integers(many, size=many), minlength=many) if many else np.zeros(0, np.int64)
        yield drawn[unit].astype(float)


def _values(model: BradleyTerry, votes: Votes, times: Floats | Ints, start: Floats | None) -> Floats:
    system = System(model, tabulate(replace(votes, weight=votes.weight * times), model.position))
    values = climb(system, start)[0][: len(votes.names)]
    return values - values.mean() if len(values) else values


@dataclass(frozen=True, slots=True)
class Flip:
    """Votes whose removal gives the board another top.

    Args:
        count: how many; an upper bound of the smallest number, confirmed by a fit without them.
        share: of all votes.
        top: who is first with all votes.
        instead: who is first without them.
        rows: (count,) positions of the votes.
    """

    count: int
    share: float
    top: str
    instead: str
    rows: Ints


def fewest_to_flip(votes: Votes, model: BradleyTerry | None = None, *, challengers: int = 5) -> Flip | None:
    """The fewest votes found whose removal puts another item first; `None` if removing votes cannot do it.

    For each challenger, votes are removed in the order of their influence on θ_top − θ_challenger (gradient times
    inverse curvature), found anew after each stretch, until a fit says that the challenger is level; the last stretch
    is then searched for the shortest one that suffices. A small number means that rank 1 hangs on a few votes.

    Args:
        votes: the comparisons.
        model: how to fit; it needs a prior.
        challengers: how many of those next to the top are tried.
    """
    model = model or BradleyTerry()
    if model.prior is None:
        raise ConfigError("removing votes needs a prior", "got prior=None", "Take a wide one, such as prior=10")
    if len(votes.names) < 2 or not len(votes):
        return None
    kinds, of_vote, times = _kinds(votes)
    values = _values(model, kinds, times, None)
    order = np.argsort(-values, kind="stable").tolist()
    best: tuple[float, Ints] | None = None
    for challenger in order[1 : 1 + challengers]:
        gone = _Removal(kinds, times, model, order[0], challenger).search(values, math.inf if best is None else best[0])
        if gone is not None and (best is None or gone.sum() < best[0]):
            best = (float(gone.sum()), gone)
    if best is None:
        return None
    instead = _values(model, kinds, times - best[1], values)
    instead[order[0]] = -math.inf
    rows = _some_of_each(of_vote, best[1])
    return Flip(len(rows), len(rows) / len(votes), votes.names[order[0]], votes.names[int(instead.argmax())], rows)


def _kinds(votes: Votes) -> tuple[Votes, Ints, Ints]:
    """Votes that cannot be told apart, once each; the kind of every vote; and how many there are of each kind."""
    if votes.features is not None:
        return votes, np.arange(len(votes)), np.ones(len(votes), np.int64)
    weight = np.unique(votes.weight, return_inverse=True)[1]
    n = len(votes.names)
    key = ((votes.first * n + votes.second) * 3 + (2 * votes.points).astype(np.int64)) * (weight.max() + 1) + weight
    _, rows, of_vote, times = np.unique(key, return_index=True, return_inverse=True, return_counts=True)
    return votes.take(rows), of_vote, times


def _some_of_each(of_vote: Ints, wanted: Ints) -> Ints:
    """Positions of so many votes of each kind, the first ones."""
    order = np.argsort(of_vote, kind="stable")
    start = np.concatenate([[0], np.cumsum(np.bincount(of_vote, minlength=len(wanted)))[:-1]])
    place = np.arange(len(of_vote)) - start[of_vote[order]]
    return np.sort(order[place < wanted[of_vote[order]]])


@dataclass(frozen=True, slots=True)
class _Removal:
    """Which votes to remove, by kinds of votes, so that one item is no longer above another."""

    kinds: Votes
    times: Ints
    model: BradleyTerry
    top: int
    other: int

    def level(self, gone: Ints, values: Floats) -> Floats | None:
        """The ratings without these votes if the top is still above, else `None`."""
        after = _values(self.model, self.kinds, self.times - gone, values)
        return after if after[self.top] > after[self.other] + LEVEL else None

    def search(self, values: Floats, most: float) -> Ints | None:
        """How many votes of each kind to remove; `None` if it cannot be done with fewer than `most`."""
        gone = np.zeros(len(self.kinds), np.int64)
        while gone.sum() < min(most, self.times.sum()):
            gain, here = self.influence(gone, values)
            ranked = np.argsort(-gain, kind="stable")
            ranked = ranked[(gain[ranked] > 0) & ((self.times - gone)[ranked] > 0)]
            if not len(ranked):
                return None
            left = (self.times - gone)[ranked]
            after = np.cumsum(left)
            by_then = np.concatenate([[0.0], np.cumsum(gain[ranked] * left)])
            k = (
                min(int(np.searchsorted(by_then, here)), len(ranked)) - 1
            )  # the kind in which a straight line gets there
            needed = int(after[k] - left[k]) + math.ceil(max(here - by_then[k], 0.0) / gain[ranked[k]])
            stretch = max(1, min(needed, int(after[-1]), int((self.times - gone).sum()) // 10))
            then = self.level(gone + _prefix(ranked, left, stretch, len(gone)), values)
            if then is None:
                return self.shortest(gone, ranked, left, stretch, values)
            gone, values = gone + _prefix(ranked, left, stretch, len(gone)), then
        return None

    def shortest(self, gone: Ints, ranked: Ints, left: Ints, high: int, values: Floats) -> Ints:
        """The shortest stretch that still suffices, by bisection; `high` does."""
        low = 0
        while high - low > 1:
            middle = (low + high) // 2
            then = self.level(gone + _prefix(ranked, left, middle, len(gone)), values)
            low, high = (low, middle) if then is None else (middle, high)
        return gone + _prefix(ranked, left, high, len(gone))

    def influence(self, gone: Ints, values: Floats) -> tuple[Floats, float]:
        """How much removing a vote of each kind lowers θ_top − θ_other, to first order; and the difference now."""
        kinds = replace(self.kinds, weight=self.kinds.weight * (self.times - gone))
        table = tabulate(kinds, self.model.position)
        system = System(self.model, table)
        found, inverse = newton(system, values)
        if inverse is None:
            raise ConfigError("at most 5,000 items", f"got {len(kinds.names)}", "Look at the best of them only")
        by_gap, by_tie = (np.stack(each) for each in system.scores(found))
        row, kind = row_of(kinds, system)
        lever: Floats = inverse[self.top] - inverse[self.other]
        reach = lever[table.i] - lever[table.j]
        if table.x is not None:
            reach = reach + table.x @ lever[system.n : system.n + system.d]
        gain = by_gap[kind, row] * reach[row]
        if system.tied:
            gain = gain + by_tie[kind, row] * lever[-1]
        return self.kinds.weight * gain, float(found[self.top] - found[self.other])


def _prefix(ranked: Ints, left: Ints, count: int, size: int) -> Ints:
    """The first `count` votes in this order of kinds."""
    taken = np.zeros(size, np.int64)
    taken[ranked] = np.clip(count - (np.cumsum(left) - left), 0, left)
    return taken
