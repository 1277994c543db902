"""Reuse of states by PUCT: every attempt starts from an archived state, chosen by rank and by its best child."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.search import saving
from guerdon.search.arrays import Bools, Floats, Ints, column, whole


@dataclass(frozen=True, kw_only=True)
class ReusePolicy:
    """Settings of the state archive of TTT-Discover (arXiv 2601.16175, appendix).

    Args:
        c: weight of exploration.
        keep_children: best children kept of each expanded parent and step.
        capacity: best states kept, all seeds besides.
        visits: what counts as one visit: the group of attempts from one start (the paper), or each attempt of it
            (what the released code does).
    """

    c: float = 1.0
    keep_children: int = 2
    capacity: int = 1000
    visits: Literal["group", "attempt"] = "group"

    def __post_init__(self) -> None:
        if self.keep_children < 1 or self.capacity < 0 or self.visits not in ("group", "attempt"):
            got = f"got {self.keep_children}, {self.capacity}, {self.visits!r}"
            raise ConfigError("keep_children >= 1, capacity >= 0, visits is group or attempt", got, "Change them")


class StateArchive:
    """Archived states with a PUCT score (rank prior, maximum backup).

        score(s) = Q(s) + c · scale · P(s) · √(1 + T) / (1 + n(s))
        Q(s) = m(s), the best value among direct children, once there is one, else the state's own value R(s)
        P(s) = (|H| − rank) / Σ (|H| − rank′), rank 0 the best of the archive H
        scale = max − min of the values of states that are not seeds once any exist (else of all), at least 1e-6

    After a state p is expanded with best child y: m(p) = max(m(p), y), for p alone; n += 1 for p and all its
    ancestors; T += 1. States are named by the order in which they were made; a state that is dropped keeps its name.

    Args:
        policy: settings.

    >>> archive = StateArchive(ReusePolicy())
    >>> archive.seed([0.0, 1.0], ["a", "b"]).tolist()
    [0, 1]
    >>> archive.select(1).tolist()
    [1]
    >>> archive.update([1], [[3.0, 2.0, None, 1.0]], [["c", "d", "e", "f"]])
    [array([ 2,  3, -1, -1])]
    >>> archive.best, archive.select(2).tolist()
    (2, [2, 3])
    """

    def __init__(self, policy: ReusePolicy | None = None) -> None:
        self.policy = policy or ReusePolicy()
        self._value: list[float] = []
        self._parent: list[int] = []
        self._alive: list[bool] = []
        self._seeds = 0
        self._visits: list[float] = []
        self._best_child: list[float] = []
        self._digests: list[str] = []
        self._known: set[str] = set()
        self._total = 0.0

    def __len__(self) -> int:
        return len(self.alive)

    @property
    def alive(self) -> Ints:
        """The states in the archive, in the order they were made."""
        return np.flatnonzero(np.array(self._alive, dtype=np.bool_))

    @property
    def best(self) -> int:
        """The state with the highest value, of equals the first.

        Raises:
            SolverError: there is none.
        """
        if not len(self):
            raise SolverError("an archive that is asked has a state", "got none", "Seed it first")
        return int(self.alive[np.array(self._value)[self.alive].argmax()])

    def values(self, states: npt.ArrayLike) -> Floats:
        """Their own values, (N,)."""
        return np.array(self._value, dtype=np.float64)[whole("states", states, below=len(self._value))]

    def parents(self, states: npt.ArrayLike) -> Ints:
        """The state each was made from; −1 for a seed."""
        return np.array(self._parent, dtype=np.int64)[whole("states", states, below=len(self._value))]

    def visits(self, states: npt.ArrayLike) -> Floats:
        """n(s), (N,)."""
        return np.array(self._visits, dtype=np.float64)[whole("states", states, below=len(self._value))]

    def seed(self, values: Sequence[float], digests: Sequence[str]) -> Ints:
        """Add start states, before anything else; they are never dropped.

        Raises:
            SolverError: a value is not finite, or the search has begun.
        """
        value_N = column("values", values, len(digests))
        if not np.isfinite(value_N).all() or len(self._value) > self._seeds:
            raise SolverError("seeds have finite values and come first", "got others", "Judge them, then seed once")
        states = [self._append(value, -1, digest) for value, digest in zip(value_N.tolist(), digests, strict=True)]
        self._seeds += len(states)
        return np.array(states, dtype=np.int64)

    def _append(self, value: float, parent: int, digest: str) -> int:
        self._value.append(value)
        self._parent.append(parent)
        self._alive.append(True)
        self._visits.append(0.0)
        self._best_child.append(-np.inf)
        self._digests.append(digest)
        self._known.add(digest)
        return len(self._value) - 1

    def scores(self) -> Floats:
        """The PUCT score of each living state, in the order of `alive`."""
        states = self.alive
        value_H = np.array(self._value, dtype=np.float64)[states]
        child_H = np.array(self._best_child, dtype=np.float64)[states]
        visit_H = np.array(self._visits, dtype=np.float64)[states]
        q_H = np.where(child_H > -np.inf, child_H, value_H)
        order = np.argsort(-value_H, kind="stable")
        weight_H = np.empty(len(states))
        weight_H[order] = np.arange(len(states), 0, -1)
        prior_H = weight_H / max(weight_H.sum(), 1.0)
        made_H = value_H[states >= self._seeds]
        spanned = made_H if len(made_H) else value_H
        scale = max(float(np.ptp(spanned)) if len(spanned) else 0.0, 1e-6)
        bonus_H: Floats = self.policy.c * scale * prior_H * np.sqrt(1.0 + self._total) / (1.0 + visit_H)
        return q_H + bonus_H

    def select(self, count: int) -> Ints:
        """Up to `count` start states of distinct lineages: after a pick all its ancestors and descendants are blocked.

        Equal scores go to the higher own value, then to the earlier state.
        """
        states = self.alive
        order = np.lexsort((states, -self.values(states), -self.scores()))
        parent_N, free_N = np.array(self._parent, dtype=np.int64), np.ones(len(self._value), dtype=np.bool_)
        picked: list[int] = []
        for state in states[order].tolist():
            if len(picked) == count:
                break
            if free_N[state]:
                picked.append(state)
                free_N &= ~self._lineage(state, parent_N)
        return np.array(picked, dtype=np.int64)

    def _lineage(self, state: int, parent_N: Ints) -> Bools:
        found_N = np.zeros(len(parent_N), dtype=np.bool_)
        found_N[state] = True
        size, below = 0, found_N.copy()
        later = np.flatnonzero(parent_N >= state)  # children are made after their parents
        while below.sum() > size:
            size = int(below.sum())
            below[later] |= below[parent_N[later]]
        for ancestor in self._ancestors(state):
            found_N[ancestor] = True
        return found_N | below

    def _ancestors(self, state: int) -> list[int]:
        found = []
        at = self._parent[state]
        while at >= 0:
            found.append(at)
            at = self._parent[at]
        return found

    def update(
        self,
        parents: npt.ArrayLike,
        values: Sequence[Sequence[float | None]],
        digests: Sequence[Sequence[str]],
    ) -> list[Ints]:
        """Record one step: each parent's attempts, of which the best children join the archive.

        A value that is unknown is an attempt without a child; a group without any still counts as a visit. A child
        whose digest is known, from this step or before, is dropped.

        Args:
            parents: (P,) states that were expanded.
            values: for each parent the values of its attempts; higher is better.
            digests: for each parent the digests of what the attempts made.

        Returns:
            For each parent the new state of each attempt, −1 where it did not join.
        """
        rows = whole("parents", parents, below=len(self._value)).tolist()
        if not len(rows) == len(values) == len(digests):
            got = f"got {len(rows)}, {len(values)}, {len(digests)}"
            raise SolverError("each parent has values and digests", got, "Align them")
        found = []
        for parent, group, names in zip(rows, values, digests, strict=True):
            value_K = column("values", group, len(names))
            found.append(self._join(parent, value_K, names))
            self._visit(parent, value_K)
        self._drop()
        for made in found:
            made[[state >= 0 and not self._alive[state] for state in made.tolist()]] = -1
        return found

    def _join(self, parent: int, value_K: Floats, names: Sequence[str]) -> Ints:
        made = np.full(len(value_K), -1, dtype=np.int64)
        order = np.argsort(-value_K, kind="stable")  # nan last
        best = [i for i in order.tolist() if np.isfinite(value_K[i])][: self.policy.keep_children]
        for i in best:  # the published order: first the best, then without those already known
            if names[i] not in self._known:
                made[i] = self._append(float(value_K[i]), parent, names[i])
        return made

    def _visit(self, parent: int, value_K: Floats) -> None:
        valid = value_K[np.isfinite(value_K)]
        if len(valid):
            self._best_child[parent] = max(self._best_child[parent], float(valid.max()))
        amount = 1.0 if self.policy.visits == "group" else float(len(value_K))
        for state in (parent, *self._ancestors(parent)):
            self._visits[state] += amount
        self._total += amount

    def _drop(self) -> None:
        made = self.alive[self.alive >= self._seeds]
        if len(made) <= self.policy.capacity:
            return
        order = np.lexsort((made, -self.values(made)))
        for state in made[order[self.policy.capacity :]].tolist():
            self._alive[state] = False

    def save(self, folder: Path) -> None:
        """Write the archive into a folder."""
        arrays = {
            "value": np.array(self._value, dtype=np.float64),
            "parent": np.array(self._parent, dtype=np.int64),
            "alive": np.array(self._alive, dtype=np.bool_),
            "visits": np.array(self._visits, dtype=np.float64),
            "best_child": np.array(self._best_child, dtype=np.float64),
        }
        policy: Json = {name: getattr(self.policy, name) for name in ReusePolicy.__annotations__}
        plain: dict[str, Json] = {
            "policy": policy,
            "digests": self._digests,
            "seeds": self._seeds,
            "total": self._total,
        }
        saving.write(folder, "StateArchive", arrays, plain)

    @classmethod
    def load(cls, folder: Path) -> StateArchive:
        """Read what `save` wrote."""
        arrays, plain = saving.read(folder, "StateArchive")
        archive = cls(ReusePolicy(**plain["policy"]))
        for name in ("value", "parent", "alive", "visits", "best_child"):
            setattr(archive, f"_{name}", arrays[name].tolist())
        archive._digests, archive._known = plain["digests"], set(plain["digests"])
        archive._seeds, archive._total = plain["seeds"], plain["total"]
        return archive
