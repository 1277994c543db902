"""The archive of Go-Explore: cells named by any hashable key, each with the best way known to reach it."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import SolverError
from guerdon.core.plain import Json
from guerdon.search import saving
from guerdon.search.arrays import Bools, Floats, Ints, Rng, column, whole
from guerdon.search.grid import BETTER, KEPT_OUT, NEW, REFUSED
from guerdon.search.selection import draw

Key = Hashable
"""Bytes, text, whole numbers, or tuples of these."""


@dataclass(frozen=True, slots=True)
class CellRecord:
    """A cell as it was when it was sampled.

    A later item of the same batch may replace the cell's snapshot; actions that follow *this* snapshot must be
    appended to *this* pointer, or the trajectory is one that nobody has played.

    Args:
        key: the cell.
        row: its row in the archive's arrays.
        score: of the trajectory that leads there.
        length: of that trajectory.
        pointer: into the caller's log of trajectories.
        snapshot: bytes that restore the state.
    """

    key: Key
    row: int
    score: float
    length: int
    pointer: int
    snapshot: bytes


class CellArchive:
    """Cells with an acceptance rule and counters (Ecoffet et al., arXiv 1901.10995 and 2004.12919).

    An offer takes a cell when the cell is new, its score is higher, or its score is equal and its trajectory shorter.
    A batch means the same as its items one after another. A score that is not finite is refused (status −1).

    Args:
        reset_counters: whether an accepted offer sets the cell's counters to zero (on in all runs of 2021).

    >>> archive = CellArchive()
    >>> archive.add([(0, 1), (0, 1), (0, 2)], [0.0, 0.0, 5.0], [9, 7, 8]).tolist()
    [2, 1, 2]
    >>> archive.record((0, 1)).length, len(archive)
    (7, 2)
    """

    def __init__(self, *, reset_counters: bool = True) -> None:
        self.reset_counters = reset_counters
        self._keys: list[Key] = []
        self._rows: dict[Key, int] = {}
        self._snapshots: list[bytes] = []
        self._score: list[float] = []
        self._length: list[int] = []
        self._pointer: list[int] = []
        self._chosen: Ints = np.zeros(16, dtype=np.int64)
        self._since_new: Ints = np.zeros(16, dtype=np.int64)
        self._seen: Ints = np.zeros(16, dtype=np.int64)

    def add(
        self,
        keys: Sequence[Key],
        scores: Sequence[float | None] | npt.ArrayLike,
        lengths: npt.ArrayLike,
        pointers: npt.ArrayLike | None = None,
        snapshots: Sequence[bytes] | None = None,
    ) -> npt.NDArray[np.int8]:
        """Offer a batch of B ways to reach cells.

        Returns:
            status_B: NEW, BETTER (a higher score, or as high and shorter), KEPT_OUT or REFUSED.
        """
        count = len(keys)
        score_B = column("scores", scores, count).tolist()
        length_B = whole("lengths", lengths, count).tolist()
        pointer_B = [0] * count if pointers is None else whole("pointers", pointers, count).tolist()
        bytes_B = [b""] * count if snapshots is None else snapshots
        if len(bytes_B) != count:
            raise SolverError("a batch has one snapshot for each key", f"got {len(bytes_B)} for {count}", "Align them")
        offers = zip(keys, score_B, length_B, pointer_B, bytes_B, strict=True)
        return np.fromiter((self._offer(*offer) for offer in offers), dtype=np.int8, count=count)

    def _offer(self, key: Key, score: float, length: int, pointer: int, snapshot: bytes) -> int:
        if not math.isfinite(score):
            return REFUSED
        row = self._rows.get(key)
        if row is None:
            self._append(key, score, length, pointer, snapshot)
            return NEW
        if score < self._score[row] or (score == self._score[row] and length >= self._length[row]):
            return KEPT_OUT
        self._score[row], self._length[row], self._pointer[row] = score, length, pointer
        self._snapshots[row] = snapshot
        if self.reset_counters:
            self._chosen[row] = self._since_new[row] = self._seen[row] = 0
        return BETTER

    def _append(self, key: Key, score: float, length: int, pointer: int, snapshot: bytes) -> None:
        row = self._rows[key] = len(self._keys)
        self._keys.append(key)
        self._score.append(score)
        self._length.append(length)
        self._pointer.append(pointer)
        self._snapshots.append(snapshot)
        if row == len(self._chosen):
            grown = [
                np.concatenate([each, np.zeros_like(each)]) for each in (self._chosen, self._since_new, self._seen)
            ]
            self._chosen, self._since_new, self._seen = grown

    def sample(self, weights: npt.ArrayLike, count: int, rng: Rng) -> list[CellRecord]:
        """Draw cells with replacement, probability = weight / Σ weight, and count them as chosen.

        Args:
            weights: (C,) for the rows of this archive; 0 for a cell that is never to be chosen.
            count: how many.
            rng: randomness.

        Returns:
            Frozen records, in the order drawn.

        Raises:
            SolverError: the archive is empty, or no weight is positive.
        """
        records = self.drawn(weights, count, rng)
        self.choose([record.row for record in records])
        return records

    def drawn(self, weights: npt.ArrayLike, count: int, rng: Rng) -> list[CellRecord]:
        """What `sample` draws, without counting: for a search that must not change its state while it asks."""
        return [self._record(row) for row in draw(column("weights", weights, len(self)), count, rng).tolist()]

    def choose(self, rows: npt.ArrayLike) -> None:
        """Count cells as chosen, once for each time a row is named."""
        row_B = whole("rows", rows, below=len(self))
        np.add.at(self._chosen, row_B, 1)
        np.add.at(self._since_new, row_B, 1)

    def see(self, keys: Iterable[Key]) -> None:
        """Add 1 to `seen` of each cell once, however often it is named: call it once for each exploration.

        Keys that are not in the archive are passed over.
        """
        rows = [self._rows[key] for key in set(keys) if key in self._rows]
        self._seen[rows] += 1

    def found_new(self, keys: Sequence[Key]) -> None:
        """Set `chosen_since_new` of the cells from which an accepted offer was reached to 0."""
        self._since_new[[self.row(key) for key in keys]] = 0

    def row(self, key: Key) -> int:
        """The row of a cell in all arrays of this archive; it never changes.

        Raises:
            SolverError: the cell is not in the archive.
        """
        if key not in self._rows:
            raise SolverError("a cell is in the archive", f"got {key!r:.60}", "Ask with `in` first")
        return self._rows[key]

    def record(self, key: Key) -> CellRecord:
        """A cell as it is now."""
        return self._record(self.row(key))

    def _record(self, row: int) -> CellRecord:
        about = self._score[row], self._length[row], self._pointer[row], self._snapshots[row]
        return CellRecord(self._keys[row], row, *about)

    def contains(self, keys: Sequence[Key]) -> Bools:
        """Whether each key has a cell, (B,)."""
        return np.fromiter((key in self._rows for key in keys), dtype=np.bool_, count=len(keys))

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def keys(self) -> tuple[Key, ...]:
        """All cells, by row."""
        return tuple(self._keys)

    @property
    def scores(self) -> Floats:
        """(C,) scores, by row."""
        return np.array(self._score, dtype=np.float64)

    @property
    def lengths(self) -> Ints:
        """(C,) lengths of the trajectories, by row."""
        return np.array(self._length, dtype=np.int64)

    @property
    def chosen(self) -> Ints:
        """(C,) times chosen, by row."""
        return self._chosen[: len(self)].copy()

    @property
    def since_new(self) -> Ints:
        """(C,) times chosen since it last led to an accepted offer, by row."""
        return self._since_new[: len(self)].copy()

    @property
    def seen(self) -> Ints:
        """(C,) explorations that have visited it, by row."""
        return self._seen[: len(self)].copy()

    def rekeyed(self, name: Callable[[Sequence[CellRecord]], Sequence[Key]]) -> CellArchive:
        """The same content under other keys, cells that now coincide merged by the acceptance rule.

        The counters of merged cells add up: the papers do not say what becomes of them, and the effort was spent.

        Args:
            name: gives the new key of each record.
        """
        records = [self._record(row) for row in range(len(self))]
        names = list(name(records))
        merged = CellArchive(reset_counters=self.reset_counters)
        merged.add(
            names,
            self.scores,
            self.lengths,
            np.array(self._pointer, dtype=np.int64),
            self._snapshots,
        )
        rows = np.array([merged._rows[key] for key in names], dtype=np.int64)
        for attribute in ("_chosen", "_since_new", "_seen"):
            sums = np.zeros(max(16, len(merged)), dtype=np.int64)
            np.add.at(sums, rows, getattr(self, attribute)[: len(self)])
            setattr(merged, attribute, sums)
        return merged

    def save(self, folder: Path) -> None:
        """Write the archive into a folder; keys are bytes, text, whole numbers, booleans or tuples of these."""
        arrays: dict[str, npt.NDArray[Any]] = {
            "scores": self.scores,
            "lengths": self.lengths,
            "pointers": np.array(self._pointer, dtype=np.int64),
            "chosen": self.chosen,
            "since_new": self.since_new,
            "seen": self.seen,
            "sizes": np.array([len(each) for each in self._snapshots], dtype=np.int64),
            "snapshots": np.frombuffer(b"".join(self._snapshots), dtype=np.uint8),
        }
        plain: dict[str, Json] = {"reset_counters": self.reset_counters, "keys": [_plain(key) for key in self._keys]}
        saving.write(folder, "CellArchive", arrays, plain)

    @classmethod
    def load(cls, folder: Path) -> CellArchive:
        """Read what `save` wrote."""
        arrays, plain = saving.read(folder, "CellArchive")
        archive = cls(reset_counters=plain["reset_counters"])
        ends = np.cumsum(arrays["sizes"]).tolist()
        whole_bytes = arrays["snapshots"].tobytes()
        snapshots = [whole_bytes[start:end] for start, end in zip([0, *ends], ends)]
        keys = [_key(each) for each in plain["keys"]]
        archive.add(keys, arrays["scores"], arrays["lengths"], arrays["pointers"], snapshots)
        for name in ("chosen", "since_new", "seen"):
            getattr(archive, f"_{name}")[: len(keys)] = arrays[name]
        return archive


def _plain(key: Any) -> Any:
    if type(key) is bytes:
        return {"bytes": key.hex()}
    if type(key) is tuple:
        return [_plain(each) for each in key]
    if type(key) in (bool, int, str, float) or key is None:
        return key
    raise SolverError("a cell's key is bytes, text, a number or a tuple of these", f"got {key!r:.60}", "Convert it")


def _key(plain: Any) -> Key:
    if isinstance(plain, dict):
        return bytes.fromhex(plain["bytes"])
    return tuple(_key(each) for each in plain) if isinstance(plain, list) else plain
