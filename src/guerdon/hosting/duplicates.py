"""Submissions of different teams that are the same, or nearly: for the organiser to look at."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

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
PIECES = 20_000_000
"""Lines, records and tasks of the newest submissions to a phase; beyond, older ones are compared as wholes only."""
Hashes = npt.NDArray[np.int64]
NONE = np.zeros(0, np.int64)


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
        hashes = self._all_hashes(phase, heads)
        near = [
            Duplicate(heads[i], heads[j], share)
            for i, j in sorted(candidates(hashes, agreement))
            if heads[i].team != heads[j].team and (share := shared(hashes[i], hashes[j], agreement)) > agreement
        ]
        return same + near

    def _all_hashes(self, phase: Phase, items: Sequence[Submission]) -> list[Hashes]:
        """Hashes of the pieces of each, oldest first; of the oldest none, where all together are too many."""
        found, count = list[Hashes](), 0
        for item in reversed(items):
            found.append(self._hashes(phase, item) if count < PIECES else NONE)
            count += len(found[-1])
        return found[::-1]

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
        return NONE
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


def candidates(lists: Sequence[Hashes], more_than: float) -> set[tuple[int, int]]:
    """Pairs of lists among which all are that have more than this share in common, by prefix filtering.

    Whoever shares more than a·n of n pieces shares one of any n - ⌊a·n⌋ of them, and so two such lists share one of
    their rarest (Bayardo, Ma & Srikant 2007, "Scaling up all pairs similarity search").

    Args:
        lists: sorted hashes of each.
        more_than: the share, between 0 and 1.

    Returns:
        Places in `lists`, the smaller first.
    """
    having: dict[int, list[int]] = {}
    found: set[tuple[int, int]] = set()
    for place, rare in enumerate(_rarest(lists, more_than)):
        for piece in rare:
            others = having.setdefault(piece, [])
            found.update((other, place) for other in others)
            others.append(place)
    return found


def _rarest(lists: Sequence[Hashes], more_than: float) -> Iterator[list[int]]:
    """So many of the rarest pieces of each list that one of them is shared by whoever shares enough."""
    marked = [_distinct(each) for each in lists]
    everything = np.concatenate(marked) if marked else NONE
    _, at, counts = np.unique(everything, return_inverse=True, return_counts=True)
    often, ends = counts[at], np.cumsum([0, *map(len, marked)])
    for pieces, (start, end) in zip(marked, pairwise(ends.tolist()), strict=True):
        enough = len(pieces) - math.floor(more_than * len(pieces) - 1e-9)
        yield pieces[np.lexsort((pieces, often[start:end]))][: max(enough, 0)].tolist()


def _distinct(hashes: Hashes) -> Hashes:
    """A number for each piece that stands for its hash and for how many equal ones stand before it."""
    starts = np.flatnonzero(np.diff(hashes, prepend=hashes[:1] - 1)) if len(hashes) else NONE
    runs = np.diff(starts, append=len(hashes))
    before = np.arange(len(hashes)) - np.repeat(starts, runs)
    return hashes + before * np.int64(0x5851F42D4C957F2D)


def shared(one: Hashes, two: Hashes, more_than: float) -> float:
    """The share of pieces, of the longer list, that both lists have; 0 where their lengths rule out more."""
    longer, shorter = max(len(one), len(two)), min(len(one), len(two))
    if longer == 0 or shorter / longer <= more_than:
        return 0.0
    values, counts = np.unique(one, return_counts=True)
    others, other_counts = np.unique(two, return_counts=True)
    _, at, other_at = np.intersect1d(values, others, assume_unique=True, return_indices=True)
    return float(np.minimum(counts[at], other_counts[other_at]).sum() / longer)
