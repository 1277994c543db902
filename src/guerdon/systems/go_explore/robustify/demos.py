"""Demonstrations: what phase 1 found, as something to start from at any step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.train.advantages import discounted

Array: TypeAlias = npt.NDArray[Any]
Token: TypeAlias = Any


@dataclass(frozen=True)
class Demo:
    """One demonstration, played without noise.

    Args:
        observations: `(L + 1, ...)`, what the policy would have seen; all are kept, for the memory's warm-up.
        actions: `(L,)` of int64, indices.
        rewards: `(L,)`, as the world gave them.
        states: the world's state before every `every`-th action, from the first.
        every: steps between states; between two the demonstration is played on.
        virtual: it stands for the true start alone: it has no steps to follow, and no lagging behind it.
    """

    observations: Array
    actions: Array
    rewards: Array
    states: tuple[Token, ...]
    every: int = 1
    virtual: bool = False

    def __post_init__(self) -> None:
        length = len(self.actions)
        if len(self.observations) != length + 1 or len(self.rewards) != length or not self.states:
            got = f"got {length}, {len(self.observations)}, {len(self.rewards)} and {len(self.states)}"
            raise ConfigError("L actions and rewards, L + 1 observations and a state", got, "Record it again")
        if not length and not self.virtual:
            raise ConfigError("a demonstration of one step or more", "got none", "Give another")

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def returns(self) -> Array:
        """The score after each number of steps `(L + 1,)`."""
        return np.concatenate(([0.0], np.cumsum(self.rewards, dtype=np.float64)))

    @property
    def score(self) -> float:
        """The score at its end."""
        return float(self.returns[-1])

    def start(self) -> Demo:
        """The virtual demonstration of its true start (arXiv 2004.12919, methods)."""
        return Demo(self.observations[:1], self.actions[:0], self.rewards[:0], self.states[:1], virtual=True)


def reward_scale(demos: Sequence[Demo], gamma: float, size: float = 10.0) -> float:
    """The factor that makes the mean absolute discounted return over all steps of the demonstrations `size`.

    Raises:
        ConfigError: their returns are all zero.

    >>> demo = Demo(np.zeros((3, 1)), np.zeros(2, int), np.array([0.0, 4.0]), (b"",))
    >>> reward_scale([demo], gamma=0.5)
    3.3333333333333335
    """
    steps = [np.abs(discounted(demo.rewards, gamma)) for demo in demos if len(demo)]
    mean = float(np.concatenate(steps).mean()) if steps else 0.0
    if mean == 0.0:
        raise ConfigError("demonstrations with a reward", "got none", "Give those of phase 1, or set rewards to raw")
    return size / mean
