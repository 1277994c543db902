"""The log of trajectories: append-only, compact, walked back from any entry to the start."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from guerdon.core.errors import SolverError
from guerdon.core.plain import Json, canonical
from guerdon.search import saving

CHUNK = 4_000_000
"""Entries in one file."""


class Log:
    """Every stored step, once: its action and its reward, and which entry it continues.

    The publications log (previous entry, action, reward) for each step. Steps of one exploration follow one another, so
    here the previous entry is kept once for each exploration, and a reward only where it is not zero: 4 bytes a step.

    Entries are numbered from 1; entry 0 is the start state.

    >>> log = Log()
    >>> first = log.append(0, ["up", "up", "left"], [(3, 1.0)])
    >>> second = log.append(2, ["down"], [])
    >>> log.actions(first), log.actions(second), log.score(first)
    (['up', 'up', 'left'], ['up', 'up', 'down'], 1.0)
    """

    def __init__(self) -> None:
        self._starts, self._parents, self._lengths = array("q"), array("q"), array("q")
        self._actions = array("i")
        self._places, self._rewards = array("q"), array("d")
        self._alphabet: list[Json] = []
        self._letters: dict[Any, int] = {}

    @property
    def end(self) -> int:
        """The number of the last entry."""
        return len(self._actions)

    def append(self, parent: int, actions: Sequence[Json], rewards: Sequence[tuple[int, float]]) -> int:
        """Write steps that continue an entry.

        Args:
            parent: the entry.
            actions: plain, in order; at least one.
            rewards: (step, reward) with steps counted from 1.

        Returns:
            The number of the last entry.

        Raises:
            SolverError: there is no such entry, or no action.
        """
        if not 0 <= parent <= self.end or not actions:
            raise SolverError("steps that continue an entry", f"got {len(actions)} after {parent}", "Append in order")
        start = self.end + 1
        self._lengths.append(self.length(parent))
        self._starts.append(start)
        self._parents.append(parent)
        self._actions.extend(self._letter(action) for action in actions)
        for step, reward in rewards:
            self._places.append(start + step - 1)
            self._rewards.append(reward)
        return self.end

    def stretches(self, entry: int) -> list[tuple[int, int]]:
        """The entries from the start to this one, as (first, last) of unbroken stretches, in order."""
        found: list[tuple[int, int]] = []
        while entry:
            run = bisect_right(self._starts, entry) - 1
            found.append((self._starts[run], entry))
            entry = self._parents[run]
        return found[::-1]

    def length(self, entry: int) -> int:
        """Steps from the start to an entry."""
        if not entry:
            return 0
        run = bisect_right(self._starts, entry) - 1
        return self._lengths[run] + entry - self._starts[run] + 1

    def entries(self, entry: int) -> list[int]:
        """The entries from the start to this one."""
        return [each for first, last in self.stretches(entry) for each in range(first, last + 1)]

    def actions(self, entry: int) -> list[Json]:
        """The actions from the start to an entry."""
        letters = (letter for first, last in self.stretches(entry) for letter in self._actions[first - 1 : last])
        return [self._alphabet[letter] for letter in letters]

    def score(self, entry: int) -> float:
        """The sum of the rewards from the start to an entry."""
        total = 0.0
        for first, last in self.stretches(entry):
            low, high = bisect_left(self._places, first), bisect_right(self._places, last)
            total += sum(self._rewards[low:high])
        return total

    def save(self, folder: Path) -> None:
        """Write the log into a folder, actions in files of 4 million."""
        arrays = {
            "starts": np.array(self._starts),
            "parents": np.array(self._parents),
            "lengths": np.array(self._lengths),
            "places": np.array(self._places),
            "rewards": np.array(self._rewards),
        }
        for i, at in enumerate(range(0, self.end, CHUNK)):
            folder.mkdir(parents=True, exist_ok=True)
            np.save(folder / f"actions-{i:05d}.npy", np.array(self._actions[at : at + CHUNK]), allow_pickle=False)
        saving.write(folder, "Log", arrays, {"alphabet": self._alphabet, "end": self.end})

    @classmethod
    def load(cls, folder: Path) -> Log:
        """Read what `save` wrote.

        Raises:
            SolverError: a part is missing.
        """
        arrays, plain = saving.read(folder, "Log")
        log = cls()
        for action in plain["alphabet"]:
            log._letter(action)
        for path in sorted(folder.glob("actions-*.npy")):
            log._actions.frombytes(np.load(path, allow_pickle=False).astype(np.int32).tobytes())
        if log.end != plain["end"]:
            raise SolverError(f"a log of {plain['end']} entries", f"got {log.end}", "Use an older checkpoint")
        for name in ("starts", "parents", "lengths", "places"):
            getattr(log, f"_{name}").frombytes(arrays[name].astype(np.int64).tobytes())
        log._rewards.frombytes(arrays["rewards"].astype(np.float64).tobytes())
        return log

    def _letter(self, action: Json) -> int:
        name = action if type(action) is int else canonical(action)
        letter = self._letters.get(name)
        if letter is None:
            letter = self._letters[name] = len(self._alphabet)
            self._alphabet.append(action)
        return letter
