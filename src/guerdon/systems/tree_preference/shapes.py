"""Topologies: how many responses a prompt gets, what they share, and which of them are compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from guerdon.core.errors import ConfigError

if TYPE_CHECKING:
    from guerdon.core.rng import Rng


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A tree of responses to one prompt. The chain is the tree of one level with two leaves and one pair.

    Args:
        breadth: children of a node on each level; their number is the depth D. D = 3 and B = 2 are ours: the
            publication's are not known.
        pairs: compared in each tree, drawn uniformly among its leaves.
        trees: grown for each prompt.
        inner: compare incomplete responses as well (an ablation).
        coldest: temperature that is tried first.
        hottest: the last one.
        step: added for each try, until siblings differ.
    """

    breadth: tuple[int, ...] = (2, 2, 2)
    pairs: int = 4
    trees: int = 1
    inner: bool = False
    coldest: float = 0.7
    hottest: float = 1.3
    step: float = 0.1

    def __post_init__(self) -> None:
        if not self.breadth or min(self.breadth) < 1 or self.leaves < 2 or min(self.pairs, self.trees) < 1:
            got = f"got breadth {self.breadth}, {self.pairs} pairs and {self.trees} trees"
            raise ConfigError("a tree of two leaves or more, a pair and a tree at least", got, "Change them")
        if not 0 <= self.coldest <= self.hottest or not self.step > 0:
            got = f"got {self.coldest}, {self.hottest} and {self.step}"
            raise ConfigError("temperatures that rise by a step above 0", got, "Change them")

    @classmethod
    def chain(cls, pairs: int, coldest: float = 0.7, hottest: float = 1.3) -> Shape:
        """The baseline: so many pairs of independent responses to each prompt."""
        return cls(breadth=(2,), pairs=1, trees=pairs, coldest=coldest, hottest=hottest)

    @property
    def depth(self) -> int:
        """D."""
        return len(self.breadth)

    @property
    def leaves(self) -> int:
        """Complete responses in a tree, if all of them differ."""
        found = 1
        for each in self.breadth:
            found *= each
        return found

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Those that are tried in turn.

        >>> Shape().temperatures
        (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3)
        """
        count = int((self.hottest - self.coldest) / self.step + 1e-9) + 1
        return tuple(round(self.coldest + k * self.step, 9) for k in range(count))

    @property
    def generated(self) -> float:
        """Response lengths that are sampled for a tree, with parts of equal length: 14 / 3 for 8 leaves by default.

        Twice the leaves would be needed for as many responses without sharing.
        """
        found, nodes = 0.0, 1
        for each in self.breadth:
            nodes *= each
            found += nodes / self.depth
        return found


def leaf_paths(shape: Shape) -> list[str]:
    """Names of all leaves: the number of the child on each level, such as "0.1.0"."""
    return [".".join(map(str, path)) for path in product(*map(range, shape.breadth))]


def lcp(one: str, two: str) -> int:
    """Levels that two paths share.

    >>> lcp("0.1.0", "0.1.1"), lcp("0.1.0", "1.1.0")
    (2, 0)
    """
    shared = 0
    for a, b in zip(one.split("."), two.split("."), strict=False):
        if a != b:
            break
        shared += 1
    return shared


def pairs_of(paths: list[str], most: int, rng: Rng) -> list[tuple[str, str]]:
    """At most so many pairs, drawn uniformly without repetition; no node is paired with its own beginning."""
    every = [(a, b) for k, a in enumerate(paths) for b in paths[k + 1 :] if not _within(a, b)]
    order = rng.permutation(len(every))[:most]
    return [every[k] for k in order.tolist()]


def _within(one: str, two: str) -> bool:
    short, long = sorted((one, two), key=len)
    return f"{long}.".startswith(f"{short}.")
