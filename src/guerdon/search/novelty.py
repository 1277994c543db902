"""Novelty: how far an embedding lies from those seen before, and how few n-grams of a text have been seen."""

from __future__ import annotations

import bisect
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError, SolverError
from guerdon.core.plain import Json
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


Words: TypeAlias = Sequence[str]
_WORD = re.compile(r"\w+|[^\w\s]")


def words(text: str) -> list[str]:
    """A text as words and single marks, case kept.

    >>> words("Don't stop.")
    ['Don', "'", 't', 'stop', '.']
    """
    return _WORD.findall(text)


class NgramNovelty:
    """1 − BLEU against all texts remembered (Papineni et al. 2002; as a reward for novelty arXiv 2402.19464).

        BLEU_n = min(1, e^(1 − r/c)) · (p_1 · … · p_n)^(1/n)

    c is the length of the text and r that of the remembered text nearest to it in length (of two the shorter). p_k is
    the share of its k-grams that are remembered, each counted at most as often as in the one remembered text that has
    it most; where none is, `smoothing` stands in their place, unless not even a word is known: then BLEU is 0.
    The result is the mean over `orders`. All of it equals the usual computation over the whole pool, but a text
    costs its own length, however many are remembered.

    A text without words is not remembered, and its novelty is nan: unknown.

    Args:
        orders: the n of the BLEU scores that are averaged.
        smoothing: for a count of 0 ("method 1" of Chen and Cherry 2014).
        first: novelty while nothing is remembered.

    >>> memory = NgramNovelty(orders=(2,))
    >>> memory.novelty(["a first text"]).tolist(), memory.add(["one two three", ""]).tolist()
    ([1.0], [True, False])
    >>> memory.novelty(["one two three", "four five six", ""]).tolist()
    [0.0, 1.0, nan]
    """

    def __init__(self, *, orders: Sequence[int] = (2, 3, 4, 5), smoothing: float = 0.1, first: float = 1.0) -> None:
        if not orders or any(type(n) is not int or n < 1 for n in orders) or not 0 < smoothing <= 1:
            got = f"got {orders!r}, {smoothing}"
            raise ConfigError("orders are whole numbers from 1, smoothing is above 0 and at most 1", got, "Change them")
        self.orders, self.smoothing, self.first = tuple(orders), smoothing, first
        self._texts: list[list[str]] = []
        self._lengths: list[int] = []  # sorted
        # Of each gram: the highest count in a text, which text that is, and the highest count in any other.
        self._grams: dict[tuple[str, ...], tuple[int, int, int]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, texts: Sequence[str | Words]) -> Bools:
        """Remember a batch of texts, or of lists of tokens; returns which could be, (B,)."""
        return np.array([self._add(_tokens(text)) for text in texts], dtype=np.bool_)

    def _add(self, tokens: list[str]) -> bool:
        if not tokens:
            return False
        owner = len(self._texts)
        self._texts.append(tokens)
        bisect.insort(self._lengths, len(tokens))
        for n in range(1, max(self.orders) + 1):
            for gram, count in Counter(_grams(tokens, n)).items():
                best, who, second = self._grams.get(gram, (0, -1, 0))
                if count > best:
                    self._grams[gram] = (count, owner, best)
                elif count > second:
                    self._grams[gram] = (best, who, count)
        return True

    def novelty(self, texts: Sequence[str | Words]) -> Floats:
        """Novelty of a batch against what is remembered, not against each other; (B,), nan where unknown."""
        return np.array([self._novelty(_tokens(text)) for text in texts], dtype=np.float64)

    def _novelty(self, tokens: list[str]) -> float:
        if not tokens:
            return math.nan
        return 1.0 - self._bleu(tokens, -1) if self._texts else self.first

    def among(self) -> Floats:
        """1 − self-BLEU: the novelty of each remembered text against all the others, (N,)."""
        if len(self._texts) < 2:
            return np.full(len(self._texts), self.first)
        return np.array([1.0 - self._bleu(tokens, i) for i, tokens in enumerate(self._texts)])

    def _bleu(self, tokens: list[str], own: int) -> float:
        """The mean of BLEU over the orders, against all but the remembered text `own` (−1: against all)."""
        logs, total = [], 0.0
        for n in range(1, max(self.orders) + 1):
            counts = Counter(_grams(tokens, n))
            met = sum(min(count, self._most(gram, own)) for gram, count in counts.items())
            if n == 1 and not met:
                return 0.0
            logs.append(math.log((met or self.smoothing) / max(1, len(tokens) - n + 1)))
        brief = min(0.0, 1.0 - self._nearest(len(tokens), own >= 0) / len(tokens))
        for n in self.orders:
            total += math.exp(brief + sum(logs[:n]) / n)
        return total / len(self.orders)

    def _most(self, gram: tuple[str, ...], own: int) -> int:
        best, who, second = self._grams.get(gram, (0, -1, 0))
        return second if who == own and own >= 0 else best

    def _nearest(self, length: int, left_out: bool) -> int:
        """The remembered length nearest to `length`, one text of that length left out if asked."""
        at = bisect.bisect_left(self._lengths, length)
        if left_out:  # it stands at `at`, so its neighbours are what is left
            near = self._lengths[max(at - 1, 0) : at] + self._lengths[at + 1 : at + 2]
        else:
            near = self._lengths[max(at - 1, 0) : at + 1]
        return min(near, key=lambda other: (abs(other - length), other))

    def save(self, folder: Path) -> None:
        """Write the memory into a folder."""
        about: dict[str, Json] = {"orders": list(self.orders), "smoothing": self.smoothing, "first": self.first}
        plain: dict[str, Json] = {"settings": about, "texts": self._texts}
        saving.write(folder, "NgramNovelty", {}, plain)

    @classmethod
    def load(cls, folder: Path) -> NgramNovelty:
        """Read what `save` wrote."""
        _, plain = saving.read(folder, "NgramNovelty")
        found = cls(**plain["settings"])
        found.add(plain["texts"])
        return found


def _tokens(text: str | Words) -> list[str]:
    tokens = words(text) if isinstance(text, str) else list(text)
    if not all(isinstance(token, str) for token in tokens):
        raise SolverError("texts are strings or lists of strings", f"got {tokens!r:.60}", "Convert the tokens")
    return tokens


def _grams(tokens: list[str], n: int) -> Iterator[tuple[str, ...]]:
    return zip(*(tokens[i:] for i in range(n)))
