"""Novelty: how far an embedding lies from those seen before."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.search import saving
from guerdon.search.arrays import Bools, Floats, table

_ROWS = 256  # of a batch at a time, so that the distances of one step fit into memory
_LARGEST = 1e150  # entries whose squares are still floats


class KnnNovelty:
    """Mean distance to the k nearest of the vectors remembered (Lehman and Stanley 2011).

    Distances are 1 − cos, or Euclidean. The nearest are found by one matrix product; the distances of those k are then
    computed by difference, so that a duplicate is at distance 0 exactly. With fewer than k remembered the mean is over
    those there are; with none it is `first`.

    A vector that holds nan or anything beyond ±1e150, and for the cosine the zero vector, which has no direction, is
    not remembered, and its novelty is nan: unknown, neither new nor old.

    Args:
        dim: length of a vector.
        k: neighbours.
        metric: "cosine" or "euclid".
        capacity: vectors remembered; the oldest are forgotten. `None` for all.
        first: novelty while nothing is remembered.

    >>> memory = KnnNovelty(dim=2, k=1)
    >>> memory.add([[1.0, 0.0], [0.0, 0.0]]).tolist()
    [True, False]
    >>> memory.novelty([[2.0, 0.0], [0.0, 3.0], [0.0, 0.0]]).tolist()
    [0.0, 1.0, nan]
    """

    def __init__(
        self,
        *,
        dim: int,
        k: int = 10,
        metric: Literal["cosine", "euclid"] = "cosine",
        capacity: int | None = None,
        first: float = 1.0,
    ) -> None:
        if dim < 1 or k < 1 or metric not in ("cosine", "euclid") or (capacity is not None and capacity < 1):
            got = f"got {dim}, {k}, {metric!r}, {capacity}"
            raise ConfigError("dim, k and capacity are at least 1, metric is cosine or euclid", got, "Change them")
        self.dim, self.k, self.capacity, self.first = dim, k, capacity, first
        self.metric: Literal["cosine", "euclid"] = metric
        self._memory: Floats = np.zeros((16 if capacity is None else capacity, dim))
        self._square: Floats = np.zeros(len(self._memory))
        self._added = 0

    def __len__(self) -> int:
        return self._added if self.capacity is None else min(self._added, self.capacity)

    def add(self, vectors: npt.ArrayLike) -> Bools:
        """Remember a batch (B, D); returns which could be, (B,)."""
        vector_BD, usable_B = self._prepared(vectors)
        new_ND = vector_BD[usable_B]
        if self.capacity is None:
            self._grow(self._added + len(new_ND))
            at = np.arange(self._added, self._added + len(new_ND))
        else:
            skipped = max(0, len(new_ND) - self.capacity)
            new_ND = new_ND[skipped:]
            self._added += skipped
            at = np.arange(self._added, self._added + len(new_ND)) % self.capacity
        self._memory[at] = new_ND
        self._square[at] = np.einsum("nd,nd->n", new_ND, new_ND)
        self._added += len(new_ND)
        return usable_B

    def _grow(self, size: int) -> None:
        if size > len(self._memory):
            capacity = max(size, 2 * len(self._memory))
            more = capacity - len(self._memory)
            self._memory = np.concatenate([self._memory, np.zeros((more, self.dim))])
            self._square = np.concatenate([self._square, np.zeros(more)])

    def novelty(self, vectors: npt.ArrayLike) -> Floats:
        """Novelty of a batch (B, D) against what is remembered, not against each other; (B,), nan where unknown."""
        vector_BD, usable_B = self._prepared(vectors)
        found_B = np.full(len(vector_BD), np.nan)
        rows = np.flatnonzero(usable_B)
        if not len(self):
            found_B[rows] = self.first
            return found_B
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS]
            found_B[part] = self._mean_distance(vector_BD[part])
        return found_B

    def _mean_distance(self, vector_RD: Floats) -> Floats:
        size = len(self)
        memory_ND, k = self._memory[:size], min(self.k, size)
        # |a − b|² less |a|², which does not change who is nearest.
        square_RN = self._square[:size] - 2.0 * (vector_RD @ memory_ND.T)
        nearest_Rk = np.argpartition(square_RN, k - 1, axis=1)[:, :k]
        total_R = np.zeros(len(vector_RD))
        for column_R in nearest_Rk.T:
            gap_RD = vector_RD - memory_ND[column_R]
            square_R = np.einsum("rd,rd->r", gap_RD, gap_RD)
            total_R += square_R / 2 if self.metric == "cosine" else np.sqrt(square_R)
        mean_R: Floats = total_R / k
        return mean_R

    def _prepared(self, vectors: npt.ArrayLike) -> tuple[Floats, Bools]:
        vector_BD = table("vectors", vectors, self.dim)
        usable_B: Bools = np.all(np.abs(vector_BD) <= _LARGEST, axis=1)
        if self.metric == "euclid":
            return vector_BD, usable_B
        # Divided by the largest entry first: the squares of very small entries are zero.
        top_B = np.abs(np.where(usable_B[:, None], vector_BD, 0.0)).max(axis=1)
        usable_B &= top_B > 0
        scaled_BD = np.where(usable_B[:, None], vector_BD, 1.0) / np.where(usable_B, top_B, 1.0)[:, None]
        return scaled_BD / np.sqrt(np.einsum("bd,bd->b", scaled_BD, scaled_BD))[:, None], usable_B

    def save(self, folder: Path) -> None:
        """Write the memory into a folder."""
        arrays = {"memory": self._memory[: len(self)], "square": self._square[: len(self)]}
        about = {name: getattr(self, name) for name in ("dim", "k", "metric", "capacity", "first")}
        saving.write(folder, "KnnNovelty", arrays, {"settings": about, "added": self._added})

    @classmethod
    def load(cls, folder: Path) -> KnnNovelty:
        """Read what `save` wrote."""
        arrays, plain = saving.read(folder, "KnnNovelty")
        found = cls(**plain["settings"])
        size = len(arrays["memory"])
        if arrays["memory"].shape[1:] != (found.dim,):
            raise SolverError("a memory has the saved dimension", f"got {arrays['memory'].shape}", "Save it again")
        found._grow(size)
        found._memory[:size], found._square[:size], found._added = arrays["memory"], arrays["square"], plain["added"]
        return found
