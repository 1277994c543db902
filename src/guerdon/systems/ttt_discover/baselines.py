"""What TTT-Discover is compared with, under equal evaluations: the same moves without training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from guerdon.systems.ttt_discover.solver import TttDiscover


@dataclass(frozen=True, kw_only=True)
class BestOfN(TttDiscover):
    """The first proposer, never trained, from fresh seeds in each step; the best of all attempts counts.

    Args:
        objective: nothing is learned.
        reuse: nothing is reused.
    """

    name: ClassVar[str] = "best-of-n"

    objective: Literal["adaptive", "constant", "mean", "none"] = "none"
    reuse: Literal["puct", "epsilon-greedy", "mu-plus-lambda", "none"] = "none"


@dataclass(frozen=True, kw_only=True)
class Evolution(TttDiscover):
    """(μ + λ) evolution: the first proposer's moves as mutations, never trained; parents are any of the μ best.

    Args:
        groups: λ, offspring of a generation.
        rollouts: one of each parent.
        objective: nothing is learned.
        reuse: of the μ best.
    """

    name: ClassVar[str] = "evolution"

    groups: int = 64
    rollouts: int = 1
    objective: Literal["adaptive", "constant", "mean", "none"] = "none"
    reuse: Literal["puct", "epsilon-greedy", "mu-plus-lambda", "none"] = "mu-plus-lambda"
