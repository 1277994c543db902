"""How ratings are fitted: votes added up into a table, and a penalised likelihood climbed by Newton's method."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from guerdon.core.errors import ConfigError
from guerdon.prefer.outcomes import Terms, Ties, scores, terms
from guerdon.prefer.votes import Floats, Ints, Votes

if TYPE_CHECKING:
    from guerdon.prefer.ratings import BradleyTerry

DENSE = 5000
"""Above so many items the system is solved by conjugate gradients, and errors are not computed (nan)."""

FEWEST_ANNOTATORS = 10
"""Fewer clusters say next to nothing of how much they vary."""

REUSE = 5e-3
"""After a step that moved no parameter by more, the curvature is as good as the one there, and is not made anew."""

AT_ONCE = 131_072
"""Votes that are counted at once, or more where there are more cells to count them in."""

MANY_ROWS, GLANCE = 50_000, 16
"""From so many rows with covariates on, every so-manieth row is fitted first to start from."""

FEW_CELLS = 4_000_000
"""Up to so many pairs of items, votes are counted in a full table."""


@dataclass(frozen=True, slots=True)
class Table:
    """Votes added up: m rows of item i against item j, with covariates only where there are some.

    Args:
        names: of the n items.
        i: (m,) first sides.
        j: (m,) second sides.
        counts: (3, m) weighted wins of i, wins of j, ties.
        squares: (3, m) sums of squared weights.
        x: (m, d) covariates, or `None`.
        labels: of the covariates.
        order: (m,) the vote that is each row, where every vote is a row.
    """

    names: tuple[str, ...]
    i: Ints
    j: Ints
    counts: Floats
    squares: Floats
    x: Floats | None = None
    labels: tuple[str, ...] = ()
    order: Ints | None = None


def tabulate(votes: Votes, position: bool = False) -> Table:
    """Add up the votes on the same pair; with covariates every vote is a row of its own, sorted by pair."""
    if votes.features is not None:
        return _rows(votes, position)
    n = len(votes.names)
    plain = not len(votes) or bool((votes.weight == 1).all())
    few = n * n <= FEW_CELLS
    if few:
        pairs: Ints = np.arange(n * n)
        counts, squares = _counted(votes, 3 * n * n, plain)
    else:
        pairs, at = np.unique(votes.first * n + votes.second, return_inverse=True)
        cell = 3 * at + (2 * votes.points).astype(np.int64)
        counts = np.bincount(cell, votes.weight, 3 * len(pairs)).reshape(-1, 3).astype(float)
        squares = counts if plain else np.bincount(cell, votes.weight**2, 3 * len(pairs)).reshape(-1, 3).astype(float)
    if not position:
        pairs, counts, squares = _folded(pairs, counts, squares, n)
    used = np.flatnonzero(counts.any(axis=1))
    counts, squares = counts[used][:, [2, 0, 1]].T.copy(), squares[used][:, [2, 0, 1]].T.copy()
    x = np.ones((len(used), 1)) if position else None
    return Table(votes.names, pairs[used] // n, pairs[used] % n, counts, squares, x, ("first",) * position)


def _counted(votes: Votes, cells: int, plain: bool) -> tuple[Floats, Floats]:
    """(cells / 3, 3) weights and squared weights, second side, tie and first side, of all pairs of items.

    Some votes at a time: whole columns of what is in between would not stay near the processor.
    """
    counts = np.zeros(cells)
    squares = counts if plain else np.zeros(cells)
    rows = max(AT_ONCE, cells)
    for at in range(0, len(votes), rows):
        some = slice(at, at + rows)
        cell = votes.first[some] * len(votes.names)
        cell += votes.second[some]
        cell *= 3
        cell += (2 * votes.points[some]).astype(np.int64)  # 0 for the second side, 1 for a tie, 2 for the first side
        if plain:
            counts += np.bincount(cell, minlength=cells)
        else:
            counts += np.bincount(cell, votes.weight[some], cells)
            squares += np.bincount(cell, votes.weight[some] ** 2, cells)
    return counts.reshape(-1, 3), squares.reshape(-1, 3)


def _folded(pairs: Ints, counts: Floats, squares: Floats, n: int) -> tuple[Ints, Floats, Floats]:
    """The counts of j against i added to those of i against j, for i < j."""
    i, j = pairs // max(n, 1), pairs % max(n, 1)
    turned = i > j
    kept, back = np.unique(np.where(turned, j * n + i, pairs), return_inverse=True)
    both = []
    for each in (counts, squares):
        sides = np.where(turned[:, None], each[:, ::-1], each)
        both.append(np.stack([np.bincount(back, sides[:, k], len(kept)) for k in range(3)], axis=1).astype(float))
    return kept, both[0], both[1]


def _rows(votes: Votes, position: bool) -> Table:
    cells = votes.first * len(votes.names) + votes.second
    if len(votes.names) ** 2 <= 1 << 16:
        cells = cells.astype(np.uint16)  # sorted by counting
    order = np.argsort(cells, kind="stable")
    counts, rows = np.zeros((3, len(votes))), np.arange(len(votes))
    counts[_kinds(votes)[order], rows] = votes.weight[order]
    assert votes.features is not None
    x, labels = votes.features[order], votes.labels
    if position:
        x, labels = np.column_stack([x, np.ones(len(votes))]), (*labels, "first")
    return Table(votes.names, votes.first[order], votes.second[order], counts, counts**2, x, labels, order)


def _kinds(votes: Votes) -> Ints:
    """Which of the three counts each vote is added to: won by the first side, by the second, or neither."""
    return np.array([1, 2, 0])[(2 * votes.points).astype(np.int64)]


def connected(table: Table) -> tuple[Ints, Ints]:
    """Groups of items that have all beaten each other, directly or not, and groups that were compared at all."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(table.names)
    won, lost = table.counts[0] + table.counts[2] > 0, table.counts[1] + table.counts[2] > 0
    start = np.concatenate([table.i[won], table.j[lost]])
    end = np.concatenate([table.j[won], table.i[lost]])
    if n * n <= FEW_CELLS:  # each pair once
        met = np.zeros(n * n, bool)
        met[start * n + end] = True
        both = np.flatnonzero(met)
        start, end = both // max(n, 1), both % max(n, 1)
    graph = coo_array((np.ones(len(start)), (start, end)), shape=(n, n)).tocsr()
    groups = [connected_components(graph, connection=kind)[1].astype(np.int64) for kind in ("strong", "weak")]
    return groups[0], groups[1]


def check_determined(strong: Ints, table: Table) -> None:
    """Raise where the maximum likelihood does not exist or is not unique."""
    if len(table.names) and strong.max() > 0:
        sizes = np.bincount(strong)
        few = [table.names[k] for k in np.flatnonzero(strong == int(sizes.argmin()))[:3]]
        raise ConfigError(
            "without a prior, every item has beaten every other, directly or through others",
            f"{', '.join(map(repr, few))} never lost to the rest, never won, or never met it",
            "Give a prior, such as prior=10",
        )


class System:
    """The penalised log-likelihood of a table, its gradient and its (negative) Hessian, for n + d (+ 1) parameters."""

    def __init__(self, model: BradleyTerry, table: Table) -> None:
        self.model, self.table = model, table
        self.n, self.d = len(table.names), len(table.labels)
        self.tied = model.ties != "half" and bool(table.counts[2].any())
        self.size = self.n + self.d + self.tied
        self.precision = 0.0 if model.prior is None else model.prior**-2
        self.cells = table.i * self.n + table.j
        # Rows are sorted by cell. Adding up neighbours first is one pass in the order of memory.
        self.starts = np.flatnonzero(np.diff(self.cells, prepend=-1))
        self.incidence: Any = None
        if table.x is not None and len(table.i):
            from scipy.sparse import csr_array

            i, j, pairs = table.i[self.starts], table.j[self.starts], np.arange(len(self.starts))
            sides = (np.repeat([1.0, -1.0], len(pairs)), (np.concatenate([i, j]), np.tile(pairs, 2)))
            self.incidence = csr_array(sides, shape=(self.n, len(pairs)))

    def start(self, given: Floats | None) -> Floats:
        """Where to begin: given ratings or zeros, and a tie parameter that gives the share of ties seen."""
        found = np.zeros(self.size)
        if given is not None:
            found[: self.n] = given
        if self.tied:
            even, rest = self.table.counts[2].sum(), self.table.counts[:2].sum()
            share = min(float(even / (even + rest)), 0.9)
            found[-1] = math.log(2 * share / (1 - share)) if self.model.ties == "davidson" else math.atanh(share)
        return found

    def tie(self, found: Floats) -> float:
        """The tie parameter, or what means no ties."""
        if self.tied:
            return float(found[-1])
        return -math.inf if self.model.ties == "davidson" else 0.0

    def gaps(self, found: Floats) -> Floats:
        """(m,) differences d of the rows."""
        gaps: Floats = found[self.table.i] - found[self.table.j]
        if self.table.x is not None:
            gaps = gaps + self.table.x @ found[self.n : self.n + self.d]
        return gaps

    def terms(self, found: Floats) -> Terms:
        """The log-likelihood and its derivatives."""
        ties: Ties = self.model.ties if self.tied else "half"
        return terms(ties, self.gaps(found), self.tie(found), *self.table.counts)

    def scores(self, found: Floats) -> tuple[tuple[Floats, ...], tuple[Floats, ...]]:
        """Derivatives of one win, one loss and one tie of each row."""
        return scores(self.model.ties if self.tied else "half", self.gaps(found), self.tie(found))

    def value(self, one: Terms, found: Floats) -> float:
        """The penalised log-likelihood."""
        return one.value - self.precision * float(found @ found) / 2

    def gradient(self, one: Terms, found: Floats) -> Floats:
        """(P,) its gradient."""
        sides = np.bincount(self.table.i, one.slope, self.n) - np.bincount(self.table.j, one.slope, self.n)
        parts: list[Floats] = [sides.astype(float)]
        if self.table.x is not None:
            parts.append(self.table.x.T @ one.slope)
        if self.tied:
            parts.append(np.array([one.tie_slope]))
        gradient: Floats = np.concatenate(parts) - self.precision * found
        return gradient

    def matrix(self, bend: Floats, cross: Floats, tie: float) -> Floats:
        """Σ over rows of bend · (e_i − e_j, x)(e_i − e_j, x)ᵀ, bordered by the tie parameter."""
        n, d = self.n, self.d
        full = np.zeros((self.size, self.size))
        together = np.add.reduceat(bend, self.starts) if len(bend) else bend
        beside = np.bincount(self.cells[self.starts], together, n * n).reshape(n, n)
        beside = beside + beside.T
        full[:n, :n] = np.diag(beside.sum(axis=1)) - beside
        if self.table.x is not None and len(self.table.i):
            full[:n, n : n + d] = self.incidence @ (self._by_pair(bend) @ self.table.x)
            full[n : n + d, :n] = full[:n, n : n + d].T
            full[n : n + d, n : n + d] = _weighed(self.table.x, bend)
        if self.tied:
            full[:n, -1] = np.bincount(self.table.i, cross, n) - np.bincount(self.table.j, cross, n)
            if self.table.x is not None:
                full[n : n + d, -1] = self.table.x.T @ cross
            full[-1, :-1] = full[:-1, -1]
            full[-1, -1] = tie
        return full

    def _by_pair(self, bend: Floats) -> Any:
        """(pairs, m) sparse: adds up the rows of each pair with these weights, in the order of memory."""
        from scipy.sparse import csr_array

        m = len(bend)
        return csr_array((bend, np.arange(m), np.append(self.starts, m)), shape=(len(self.starts), m))

    def curvature(self, one: Terms) -> Floats:
        """The negative Hessian with the prior, or with the sum of ratings held where there is none."""
        full = self.matrix(one.bend, one.cross, one.tie_bend)
        if self.precision:
            full[np.diag_indices(self.size)] += self.precision
        else:
            full[: self.n, : self.n] += max(float(one.bend.mean()), 1e-12) / self.n
        return full

    def solver(self, one: Terms) -> Callable[[Floats], Floats]:
        """From a gradient (P,) to Newton's step (P,), with the curvature where `one` was taken."""
        if self.n > DENSE:
            return lambda gradient: self._by_gradients(one, gradient)
        from scipy.linalg import LinAlgError, cho_factor, cho_solve

        try:
            factor = cho_factor(self.curvature(one), check_finite=False)
        except LinAlgError:
            raise ConfigError(
                "covariates that differ from each other and from the items",
                "they are collinear",
                "Remove one, or give a prior",
            ) from None

        def step(gradient: Floats) -> Floats:
            found: Floats = cho_solve(factor, gradient, check_finite=False)
            return found

        return step

    def _by_gradients(self, one: Terms, gradient: Floats) -> Floats:
        """The same step for very many items, without a matrix of n × n; covariates and ties are not offered there."""
        from scipy.sparse import coo_array, diags_array
        from scipy.sparse.linalg import cg

        if self.size > self.n:
            raise ConfigError(
                f"covariates and tie parameters with at most {DENSE} items",
                f"got {self.n}",
                'Use ties="half", or split the items',
            )
        i, j, n = self.table.i, self.table.j, self.n
        sides = (np.concatenate([one.bend, one.bend]), (np.concatenate([i, j]), np.concatenate([j, i])))
        beside = coo_array(sides, shape=(n, n)).tocsr()
        diagonal = np.asarray(beside.sum(axis=1)) + (self.precision or 1e-12)
        step, _ = cg(diags_array(diagonal) - beside, gradient, rtol=1e-10, M=diags_array(1 / diagonal))
        found: Floats = step
        return found


def _weighed(x: Floats, weight: Floats, rows: int = 2048) -> Floats:
    """Xᵀ diag(weight) X with weights of at least 0, a few rows at a time, so that products stay near the processor."""
    found = np.zeros((x.shape[1], x.shape[1]))
    root, kept = np.sqrt(np.maximum(weight, 0.0)), np.empty((min(rows, len(x)), x.shape[1]))
    for first in range(0, len(x), rows):
        some = x[first : first + rows]
        half = np.multiply(some, root[first : first + rows, None], out=kept[: len(some)])
        found += half.T @ half  # half of a general product's work
    return found


def climb(system: System, start: Floats | None) -> tuple[Floats, Terms]:
    """The maximum, by Newton's method, and the terms there."""
    found = system.start(start)
    if start is None:
        _glance(system, found)
    one = system.terms(found)
    moved, solve = math.inf, system.solver(one)
    for k in range(system.model.steps):
        if k and moved > REUSE:
            solve = system.solver(one)
        gradient = system.gradient(one, found)
        step = solve(gradient)
        found, one = _halved(system, found, one, step, float(gradient @ step))
        moved = float(np.abs(step).max(initial=0.0))
        if moved <= system.model.tolerance:
            break
    return found, one


def _glance(system: System, found: Floats) -> None:
    """Put the maximum for a part of very many rows with covariates into `found`: few steps on all are left then."""
    model, table = system.model, system.table
    if table.x is None or len(table.i) < MANY_ROWS:
        return
    every = slice(None, None, GLANCE)
    part = Table(
        table.names,
        table.i[every],
        table.j[every],
        table.counts[:, every].copy(),
        table.squares[:, every].copy(),
        table.x[every].copy(),
        table.labels,
    )
    near = System(replace(model, prior=min(model.prior or 10.0, 10.0), tolerance=REUSE), part)
    seen, _ = climb(near, None)
    both = system.n + system.d
    found[:both] = seen[:both]
    if system.tied and near.tied:
        found[-1] = seen[-1]


def newton(system: System, start: Floats | None) -> tuple[Floats, Floats | None]:
    """The maximum, and the inverse of the curvature there (`None` for too many items)."""
    found, one = climb(system, start)
    if system.n > DENSE:
        return found, None
    inverse: Floats = np.linalg.inv(system.curvature(one)).astype(float)
    return found, inverse


def _halved(system: System, found: Floats, one: Terms, step: Floats, gain: float) -> tuple[Floats, Terms]:
    """A Newton step, halved until the value grows by a tenth of a thousandth of what its slope promises."""
    before, share = system.value(one, found), 1.0
    slack = 1e-9 * (1 + abs(before))
    while share > 1e-8:
        there = found + share * step
        if not (system.tied and system.model.ties == "rao-kupper" and there[-1] <= 0):
            then = system.terms(there)
            if system.value(then, there) >= before + 1e-4 * share * gain - slack:
                return there, then
        share /= 2
    return found, one


def spread(votes: Votes, system: System, found: Floats, inverse: Floats, mixed: bool) -> Floats:
    """(P, P) covariance of all parameters; `mixed` says that every item has beaten every other, if indirectly."""
    model = system.model
    if model.errors == "model" or not mixed or not len(votes):
        return inverse
    by_gap, by_tie = system.scores(found)
    if model.errors == "annotators":
        middle = _by_annotator(votes, system, by_gap, by_tie)
    else:
        squares = system.table.squares
        bend = sum(s * g**2 for s, g in zip(squares, by_gap))
        cross = sum(s * g * t for s, g, t in zip(squares, by_gap, by_tie))
        tie = sum(float(s @ t**2) for s, t in zip(squares, by_tie))
        middle = system.matrix(np.asarray(bend), np.asarray(cross), tie)
    if system.precision:
        middle[np.diag_indices(system.size)] += system.precision  # the prior is an observation, too
    covariance: Floats = inverse @ middle @ inverse
    return covariance


def _by_annotator(votes: Votes, system: System, by_gap: tuple[Floats, ...], by_tie: tuple[Floats, ...]) -> Floats:
    """m/(m−1) Σ over m annotators of the outer product of the sum of their scores; unnamed votes stand alone."""
    from scipy.sparse import csr_array

    units = int((votes.annotator < 0).sum()) + len(np.unique(votes.annotator[votes.annotator >= 0]))
    if units < FEWEST_ANNOTATORS:
        raise ConfigError(
            f"errors by annotator with at least {FEWEST_ANNOTATORS} annotators (an unnamed vote is one)",
            f"got {units}, from which errors would come out far too small",
            'Use errors="sandwich"',
        )

    row, kind = row_of(votes, system)
    gap, tie = np.stack(by_gap)[kind, row] * votes.weight, np.stack(by_tie)[kind, row] * votes.weight
    turned = votes.first != system.table.i[row]
    named = votes.annotator >= 0
    who = np.where(named, votes.annotator, len(votes.annotators) + np.cumsum(~named) - 1)
    many, n = int(who.max()) + 1, system.n
    first, second = np.where(turned, votes.second, votes.first), np.where(turned, votes.first, votes.second)
    parts = [(who, first, gap), (who, second, -gap)]
    for k in range(system.d):
        assert system.table.x is not None
        parts.append((who, np.full(len(who), n + k), gap * system.table.x[row, k]))
    if system.tied:
        parts.append((who, np.full(len(who), system.size - 1), tie))
    rows, columns, values = (np.concatenate(each) for each in zip(*parts))
    sums = csr_array((values, (rows, columns)), shape=(many, system.size))
    middle: Floats = (sums.T @ sums).toarray() * (units / (units - 1))
    return middle


def row_of(votes: Votes, system: System) -> tuple[Ints, Ints]:
    """The row of the table that each vote was added to, and which of its three counts."""
    kind = _kinds(votes)
    order = system.table.order
    if order is not None:
        rows = np.empty_like(order)
        rows[order] = np.arange(len(order))
        return rows, kind
    first, second = votes.first, votes.second
    if not system.model.position:
        turned = first > second
        first, second = np.where(turned, second, first), np.where(turned, first, second)
        kind = np.where(turned & (kind < 2), 1 - kind, kind)
    found = np.searchsorted(system.cells, first * system.n + second)
    return np.minimum(found, max(len(system.cells) - 1, 0)), kind  # votes of no weight may have no row
