"""Populations: who survives, islands, Pareto fronts. Members are named by attempts: lineage is the ledger's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
from guerdon.search import saving
from guerdon.search.arrays import Bools, Floats, Ints, Rng, column, known, table, whole
from guerdon.search.selection import tournament


def truncation(scores: npt.ArrayLike, count: int) -> Ints:
    """The `count` best rows, best first; of equal scores the earlier row. Unknown scores come last.

    >>> truncation([1.0, 3.0, None, 3.0], 3).tolist()
    [1, 3, 0]
    """
    return np.argsort(-known(column("scores", scores)), kind="stable")[: max(count, 0)]


def youngest(born: npt.ArrayLike, count: int) -> Ints:
    """The `count` rows born last, youngest first (aging evolution, Real et al., arXiv 1802.01548, drops the oldest).

    >>> youngest([5, 1, 9], 2).tolist()
    [2, 0]
    """
    return np.argsort(-whole("born", born), kind="stable")[: max(count, 0)]


def fronts(objectives: npt.ArrayLike) -> Ints:
    """The number of the non-dominated front of each row, 0 the Pareto front (Deb et al. 2002, NSGA-II).

    A row dominates another when it is at least as high everywhere and higher somewhere. Equal rows share a front. A
    value that is not known counts as −inf.

    Args:
        objectives: (N, M), higher is better.

    >>> fronts([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]).tolist()
    [0, 0, 1]
    """
    value_NM = known(table("objectives", objectives))
    count = len(value_NM)
    front_N = np.full(count, -1, dtype=np.int64)
    # From the lexicographically highest down, nothing later dominates anything earlier: one pass places each row in
    # the first front that holds nobody who dominates it.
    members: list[list[int]] = []
    for row in np.lexsort(-value_NM.T[::-1]).tolist() if value_NM.size else range(count):
        at = 0
        while at < len(members) and _dominated(value_NM[row], value_NM[members[at]]):
            at += 1
        if at == len(members):
            members.append([])
        members[at].append(row)
        front_N[row] = at
    return front_N


def _dominated(value_M: Floats, others_KM: Floats) -> bool:
    above_KM, higher_KM = others_KM >= value_M, others_KM > value_M
    return bool(np.any(np.all(above_KM, axis=1) & np.any(higher_KM, axis=1)))


def crowding(objectives: npt.ArrayLike, front: npt.ArrayLike) -> Floats:
    """The crowding distance of each row within its front (Deb et al. 2002).

    Σ over objectives of (next higher − next lower)/(max − min) in the front; +inf at both ends of an objective. An
    objective on which all of a front agree adds nothing.
    """
    value_NM, front_N = known(table("objectives", objectives)), whole("front", front)
    distance_N = np.zeros(len(value_NM))
    for number in np.unique(front_N):
        rows = np.flatnonzero(front_N == number)
        for values in value_NM[rows].T:
            order = np.argsort(values, kind="stable")
            ends = values[order[[0, -1]]]
            span = ends[1] - ends[0] if np.isfinite(ends).all() else 0.0
            distance_N[rows[order[[0, -1]]]] = np.inf
            if span > 0:
                distance_N[rows[order[1:-1]]] += (values[order[2:]] - values[order[:-2]]) / span
    return distance_N


def nsga2(objectives: npt.ArrayLike, count: int) -> Ints:
    """The survivors of NSGA-II: by front, within a front by crowding distance, then the earlier row.

    >>> nsga2([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]], 2).tolist()
    [0, 2]
    """
    front_N = fronts(objectives)
    distance_N = crowding(objectives, front_N)
    return np.lexsort((np.arange(len(front_N)), -distance_N, front_N))[: max(count, 0)]


@dataclass(frozen=True, slots=True)
class Members:
    """Members of islands, as tuples and arrays with a shared first axis: attempt, parents, score, island, birth."""

    attempts: tuple[str, ...]
    parents: tuple[tuple[str, ...], ...]
    scores: Floats
    islands: Ints
    born: Ints

    def __len__(self) -> int:
        return len(self.attempts)


class Islands:
    """Populations that evolve apart, with migration and extinction.

    A member is an attempt id, with its parents' ids, score and birth; what it is stands in the ledger. Where an
    island is full its worst member leaves, of equal ones the oldest. A member whose score is unknown is not admitted.

    Args:
        count: islands.
        capacity: members of each.

    >>> islands = Islands(count=2, capacity=2)
    >>> islands.add([0, 0, 0, 1], ["a", "b", "c", "d"], [1.0, 3.0, 2.0, None]).tolist()
    [False, True, True, False]
    >>> islands.members(0).attempts
    ('b', 'c')
    """

    def __init__(self, *, count: int, capacity: int) -> None:
        if count < 1 or capacity < 1:
            raise ConfigError("there is at least one island with one member", f"got {count}, {capacity}", "Raise them")
        self.count, self.capacity = count, capacity
        self._members: list[list[tuple[float, int, str, tuple[str, ...]]]] = [[] for _ in range(count)]
        self._births = 0

    def add(
        self,
        islands: npt.ArrayLike,
        attempts: Sequence[str],
        scores: Sequence[float | None] | npt.ArrayLike,
        parents: Sequence[Sequence[str]] | None = None,
    ) -> Bools:
        """Offer members, one after another; returns which are members after the batch, (B,)."""
        island_B = whole("islands", islands, len(attempts), self.count).tolist()
        score_B = column("scores", scores, len(attempts)).tolist()
        above = [()] * len(attempts) if parents is None else parents
        births = []
        for island, attempt, score, names in zip(island_B, attempts, score_B, above, strict=True):
            births.append(self._births)
            self._births += 1
            if np.isfinite(score):
                self._members[island].append((score, births[-1], attempt, tuple(names)))
                self._trim(island)
        alive = {member[1] for members in self._members for member in members}
        return np.array([birth in alive for birth in births], dtype=np.bool_)

    def _trim(self, island: int) -> None:
        members = self._members[island]
        if len(members) > self.capacity:
            members.remove(min(members, key=lambda member: member[:2]))

    def members(self, island: int | None = None) -> Members:
        """The members of one island, or of all, in order of birth within each."""
        chosen = range(self.count) if island is None else [island]
        rows = [(number, *member) for number in chosen for member in self._members[number]]
        return Members(
            tuple(row[3] for row in rows),
            tuple(row[4] for row in rows),
            np.array([row[1] for row in rows], dtype=np.float64),
            np.array([row[0] for row in rows], dtype=np.int64),
            np.array([row[2] for row in rows], dtype=np.int64),
        )

    def sample(self, island: int, size: int, count: int, rng: Rng) -> list[str]:
        """Attempts that win tournaments of `size` on an island.

        Raises:
            SolverError: it has no members.
        """
        members = self.members(island)
        return [members.attempts[row] for row in tournament(members.scores, size, count, rng).tolist()]

    def migrate(self, count: int = 1) -> None:
        """Copy the best `count` members of each island to the next one in a ring, all at once."""
        leaving = [sorted(members, key=lambda member: (-member[0], member[1]))[:count] for members in self._members]
        for island, members in enumerate(leaving):
            target = (island + 1) % self.count
            present = {member[2] for member in self._members[target]}
            for score, _, attempt, parents in members:
                if attempt not in present:
                    self._members[target].append((score, self._births, attempt, parents))
                    self._births += 1
                    self._trim(target)

    def reset_worst(self, count: int, rng: Rng) -> list[int]:
        """Empty the `count` islands whose best member is worst, and found each anew by the best member of a surviving
        island chosen at random (FunSearch, Romera-Paredes et al. 2023, resets the worse half).

        Returns:
            The islands that were reset.
        """
        best = [max((member[0] for member in members), default=-np.inf) for members in self._members]
        order = sorted(range(self.count), key=lambda island: (best[island], island))
        reset = order[: min(count, self.count - 1)]
        founders = [island for island in order[len(reset) :] if self._members[island]]
        if not founders:
            raise SolverError("an island is founded by a member of another", "got no members", "Add members first")
        for island in reset:
            source = founders[int(rng.integers(len(founders)))]
            score, _, attempt, parents = max(self._members[source], key=lambda member: (member[0], -member[1]))
            self._members[island] = [(score, self._births, attempt, parents)]
            self._births += 1
        return reset

    def save(self, folder: Path) -> None:
        """Write the islands into a folder."""
        members = self.members()
        arrays = {"scores": members.scores, "islands": members.islands, "born": members.born}
        plain: dict[str, Json] = {
            "count": self.count,
            "capacity": self.capacity,
            "births": self._births,
            "attempts": list(members.attempts),
            "parents": [list(names) for names in members.parents],
        }
        saving.write(folder, "Islands", arrays, plain)

    @classmethod
    def load(cls, folder: Path) -> Islands:
        """Read what `save` wrote."""
        arrays, plain = saving.read(folder, "Islands")
        found = cls(count=plain["count"], capacity=plain["capacity"])
        found._births = plain["births"]
        columns = (arrays[name].tolist() for name in ("islands", "scores", "born"))
        for island, score, born, attempt, names in zip(*columns, plain["attempts"], plain["parents"], strict=True):
            found._members[island].append((score, born, attempt, tuple(names)))
        return found
