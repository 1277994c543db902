"""Where to start: the backward algorithm's window of start points, which moves from a demonstration's end to its start.

Salimans and Chen 2018 (arXiv 1812.03381), as used in both publications of Go-Explore (arXiv 1901.10995, 2004.12919).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Window:
    """Settings of the start points; the defaults are those of 2021."""

    size: int = 160
    """Start points in the window (D): 160 in 2021, 320 in 2019."""
    random: float = 0.2
    """Share of starts that are drawn between the lane's slot and the demonstration's end."""
    threshold: float = 0.1
    """Cumulated success over the window that moves it: 0.1 in both releases, 0.2 in the original method."""
    check_every: int = 200
    """Steps of the lanes between two moves, for each demonstration."""
    raise_by: int = 100
    """How far the window goes forward again where no start point has the success that is asked for."""


class Curriculum:
    """The start points of one demonstration.

    Args:
        length: steps of the demonstration; start point s is the state before action s.
        window: settings.

    Attributes:
        maximum: the latest start point of the window.
        rate: last known success rate of each start point `(length,)`.
    """

    def __init__(self, length: int, window: Window) -> None:
        self.length, self.window = length, window
        self.maximum = max(length - 1, 0)
        self.rate: Floats = np.zeros(max(length, 1))
        self._tried: Floats = np.zeros(max(length, 1))
        self._won: Floats = np.zeros(max(length, 1))

    def slots(self, lanes: Ints, n: int) -> Ints:
        """The start points of some of `n` lanes, which are spread evenly over the window."""
        points = self.maximum - self.window.size + 1 + ((lanes + 1) * self.window.size - 1) // n
        return np.clip(points, 0, self.maximum)

    def draw(self, lanes: Ints, n: int, rng: Rng) -> Ints:
        """A start point for each of some lanes: its slot, or now and then one between it and the end."""
        slots = self.slots(lanes, n)
        anywhere = rng.integers(slots, max(self.length, 1))
        return np.where(rng.random(len(lanes)) < self.window.random, anywhere, slots)

    def tell(self, starts: Ints, won: npt.NDArray[np.bool_]) -> None:
        """Note episodes that have ended."""
        np.add.at(self._tried, starts, 1.0)
        np.add.at(self._won, starts, won)

    def move(self) -> int:
        """Take over the rates since the last move and place the window; returns the new maximum."""
        fresh = self._tried > 0
        self.rate[fresh] = self._won[fresh] / self._tried[fresh]
        self._tried[:], self._won[:] = 0.0, 0.0
        enough = np.flatnonzero(np.cumsum(self.rate) / self.window.size >= self.window.threshold)
        ahead = min(self.maximum + self.window.raise_by, max(self.length - 1, 0))
        self.maximum = int(enough[0]) if len(enough) else ahead
        return self.maximum

    def arrays(self) -> Arrays:
        """All it knows."""
        return {"maximum": np.array(self.maximum), "rate": self.rate, "tried": self._tried, "won": self._won}

    def put(self, arrays: Arrays) -> None:
        """Take over what `arrays` gave."""
        self.maximum, self.rate = int(arrays["maximum"]), arrays["rate"].copy()
        self._tried, self._won = arrays["tried"].copy(), arrays["won"].copy()
