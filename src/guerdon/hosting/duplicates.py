"""Submissions of different teams that are the same, or nearly: for the organiser to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from guerdon.core.plain import Blob, canonical
from guerdon.hosting.contests import Contests
from guerdon.hosting.may import Action, ensure
from guerdon.hosting.records import Records, phase_key
from guerdon.hosting.store import Store
from guerdon.hosting.things import Actor, Contest, Phase, Submission
from guerdon.ledger.blobs import Blobs

AGREEMENT = 0.99
NEWEST = 2000
"""Of more submissions to a phase, so many of the newest are compared."""
LARGEST = 64 << 20
"""Larger files are compared as wholes only."""
Hashes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Two submissions of different teams.

    Args:
        first: the earlier.
        second: the later.
        agreement: share of items (tasks, or lines and records of a file) that are the same; 1 for the same content.
    """

    first: Submission
    second: Submission
    agreement: float


class Duplicates:
    """Compares what teams handed in."""

    def __init__(self, store: Store, contests: Contests, records: Records) -> None:
        self._store, self._contests, self._records = store, contests, records

    def near(self, actor: Actor, contest: str, agreement: float = AGREEMENT) -> list[Duplicate]:
        """Pairs of submissions of different teams with the same digest, or that agree on more than this share.

        Args:
            actor: an organiser.
            contest: slug.
            agreement: between 0 and 1.

        Returns:
            The most alike first. Of more than 2,000 submissions to a phase the newest are compared.
        """
        found = self._contests.get(actor, contest)
        ensure(actor, Action.SEE_DUPLICATES, found)
        pairs = [pair for phase in found.phases for pair in self._in_phase(found, phase, agreement)]
        return sorted(pairs, key=lambda pair: (-pair.agreement, pair.first.number, pair.second.number))

    def _in_phase(self, contest: Contest, phase: Phase, agreement: float) -> list[Duplicate]:
        where = f"c.id = ? AND s.phase = ? AND s.digest <> '' ORDER BY s.seq DESC LIMIT {NEWEST}"
        items = [item for item, _, _ in self._records.bare(where, phase_key(contest, phase))][::-1]
        unique: dict[str, list[Submission]] = {}
        for item in items:
            unique.setdefault(item.digest, []).append(item)
        same = [
            Duplicate(one, two, 1.0)
            for group in unique.values()
            for one, two in combinations(group, 2)
            if one.team != two.team
        ]
        heads = [group[0] for group in unique.values()]
        hashes = [self._hashes(phase, item) for item in heads]
        near = [
            Duplicate(heads[i], heads[j], share)
            for i, j in combinations(range(len(heads)), 2)
            if heads[i].team != heads[j].team and (share := shared(hashes[i], hashes[j], agreement)) > agreement
        ]
        return same + near

    def _hashes(self, phase: Phase, item: Submission) -> Hashes:
        rows = self._store.ledger.attempts(phase.run, step=item.number)
        if len(rows) > 1:
            return _hashed([canonical([row.answer.task, row.answer.digest]).encode() for row in rows])
        content = rows[0].answer.content
        return (
            file_hashes(content, self._store.ledger.blobs) if isinstance(content, Blob) else _hashed(_pieces(content))
        )


def file_hashes(blob: Blob, blobs: Blobs) -> Hashes:
    """Hashes of a file's lines and records."""
    if blob.size > LARGEST or blob not in blobs:
        return np.zeros(0, np.int64)
    data = blobs.get(blob)
    return _hashed(data.replace(b"},", b"},\n").replace(b"],", b"],\n").split(b"\n"))


def _pieces(content: object) -> list[bytes]:
    if isinstance(content, str):
        return content.encode("utf-8", "surrogatepass").split(b"\n")
    if isinstance(content, dict):
        return [canonical([name, value]).encode() for name, value in content.items()]
    if isinstance(content, (list, tuple)):
        return [canonical([place, value]).encode() for place, value in enumerate(content)]
    return [canonical(content).encode()]


def _hashed(pieces: Sequence[bytes]) -> Hashes:
    """A sorted hash of each piece that is not empty."""
    return np.sort(np.array([hash(piece) for piece in pieces if piece.strip()], np.int64))


def shared(one: Hashes, two: Hashes, more_than: float) -> float:
    """The share of pieces, of the longer list, that both lists have; 0 where their lengths rule out more."""
    longer, shorter = max(len(one), len(two)), min(len(one), len(two))
    if longer == 0 or shorter / longer <= more_than:
        return 0.0
    values, counts = np.unique(one, return_counts=True)
    others, other_counts = np.unique(two, return_counts=True)
    _, at, other_at = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    return float(np.minimum(counts[at], other_counts[other_at]).sum() / longer)
