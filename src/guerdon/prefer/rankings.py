"""Ranking oracles: of m answers, the k best, best first. And how rewards, pairwise judges and people become one.

A ranking oracle is a reward that judges groups and tells nothing but order: the score of an answer is how many of its
group it is known to beat. Answers that were not ranked beat none; equals beat the same; nothing can be compared
between groups. `levels(scores)` of a group gives its order back, `oracle.by_group(ranked)` rewards in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from guerdon.core.algebra import ranked, set_once
from guerdon.core.errors import ConfigError, RewardError
from guerdon.core.preference import Choice, Pair, Preference
from guerdon.core.reward import Reward, needs_of
from guerdon.core.rng import stream
from guerdon.core.score import Fault, FaultKind, Score
from guerdon.core.task import Case

if TYPE_CHECKING:
    from guerdon.core.rng import Rng

Ties = Literal["shuffle", "missing"]


@dataclass(frozen=True, kw_only=True)
class RankingOracle(Reward):
    """Base of all: write `places(cases, best, rng)`.

    Whoever hands in a group may ask for fewer than `best` by the note `best` (a line search asks for 1).

    Args:
        best: k, how many are ranked at most; 0 ranks all.
        seed: of the shuffles of ties and of whatever else is random.
    """

    best: int = 0
    seed: int = 0

    range = (0.0, math.inf)
    unit = "group"
    label: ClassVar[str | None] = "ranking"

    def __post_init__(self) -> None:
        if self.best < 0:
            raise ConfigError("best is 0 (all) or more", f"got {self.best}", "Raise it")

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """Rank one group."""
        places = self.places(cases, self.asked(cases), stream(self.seed, "ranking", cases[0].answer.group))
        if isinstance(places, Fault):
            return [Score(None, fault=places)] * len(cases)
        wins = iter(beaten([place for place in places if not isinstance(place, Fault)]))
        return [Score(None, fault=place) if isinstance(place, Fault) else Score(next(wins)) for place in places]

    def asked(self, cases: Sequence[Case]) -> int:
        """How many to rank of this group: the oracle's own, or the smaller number that its notes ask for."""
        most = self.best or len(cases)
        wanted = cases[0].answer.note.get("best")
        return min(most, wanted, len(cases)) if type(wanted) is int and wanted >= 1 else min(most, len(cases))

    def places(self, cases: Sequence[Case], best: int, rng: Rng) -> Sequence[int | Fault] | Fault:
        """The place of each answer from 0; all that are not among the `best` best share one. Or why there is none."""
        raise RewardError("an oracle has a method places", f"{type(self).__name__} has none", "Write places(...)")


def beaten(places: Sequence[int]) -> list[float]:
    """How many of a group each beats.

    >>> beaten([0, 2, 1, 2])
    [3.0, 0.0, 2.0, 0.0]
    """
    array = np.asarray(places, dtype=np.int64)
    order = np.sort(array)
    return [float(count) for count in len(order) - np.searchsorted(order, array, "right")]


@dataclass(frozen=True, kw_only=True)
class SortedBy(RankingOracle):
    """Any reward as a ranking oracle, by sorting. Its values are not told, in no part and no detail.

    A reward function written for TRL will do: `SortedBy(reward=guerdon.reward(f))`.

    Args:
        reward: sorts the answers, higher is better; an answer that it cannot judge is not ranked.
        noise: p; from the best to the worst, each two neighbours are swapped with this probability.
        ties: equal values are put in a random order ("shuffle"), or left without one ("missing").

    >>> from guerdon.core.reward import reward
    >>> from guerdon.core.task import Answer, Task
    >>> oracle = SortedBy(reward=reward(range=(0, 99))(lambda text: len(text)), best=1)
    >>> [s.value for s in oracle([Case(Task("t"), Answer("t", text)) for text in ("a", "abc", "ab")])]
    [0.0, 2.0, 0.0]
    """

    reward: Reward
    noise: float = 0.0
    ties: Ties = "shuffle"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.noise <= 1.0:
            raise ConfigError("noise is a probability", f"got {self.noise}", "Write noise=0.2")
        set_once(self, "needs", needs_of(self.reward))

    def places(self, cases: Sequence[Case], best: int, rng: Rng) -> Sequence[int | Fault]:
        """Sort, disturb, cut."""
        scores = self.reward(cases)
        rows = [i for i, score in enumerate(scores) if score.value is not None]
        found: list[int | Fault] = [_hushed(score.fault) for score in scores]
        values = [float(scores[i].value) for i in rows]  # type: ignore[arg-type]
        for row, place in zip(rows, self._placed(values, best, rng), strict=True):
            found[row] = place
        return found

    def _placed(self, values: Sequence[float], best: int, rng: Rng) -> list[int]:
        order = rng.permutation(len(values))
        order = order[np.argsort(-np.asarray(values, dtype=np.float64)[order], kind="stable")]
        if self.noise:
            order = _swapped(order, self.noise, rng)
        steps = [0, *(int(self.ties == "shuffle" or values[a] != values[b]) for a, b in pairwise(order))]
        places = np.empty(len(values), dtype=np.int64)
        places[order] = np.cumsum(steps[: len(values)])
        return [min(int(place), best) for place in places]


def _hushed(fault: Fault | None) -> Fault:
    """A fault that may be told: what a solver did wrong, but nothing that a reward says of its values."""
    if fault is not None and (fault.kind is FaultKind.INVALID or not fault.detail):
        return fault
    return Fault(fault.kind if fault else FaultKind.JUDGE, "could not be ranked", fault.whose if fault else None)


def _swapped(order: np.ndarray, chance: float, rng: Rng) -> np.ndarray:
    swapped = order.copy()
    for i in np.flatnonzero(rng.random(max(len(order) - 1, 0)) < chance).tolist():
        swapped[[i, i + 1]] = swapped[[i + 1, i]]
    return swapped


@dataclass(frozen=True, kw_only=True)
class Tournament(RankingOracle):
    """A pairwise judge as a ranking oracle: a knockout for the best, then one among those who lost to a winner only.

    m − 1 comparisons give the best, about log₂ m more each further one. All pairs of a round are asked in one batch.
    Ties and skips are decided by a coin; a comparison that fails leaves the whole group unranked.

    Args:
        preference: compares two answers.
    """

    preference: Preference

    label: ClassVar[str | None] = "tournament"

    def __post_init__(self) -> None:
        super().__post_init__()
        set_once(self, "needs", self.preference.needs)

    def places(self, cases: Sequence[Case], best: int, rng: Rng) -> Sequence[int | Fault] | Fault:
        """Knockouts until the best are known."""
        boss: dict[int, int] = {}  # to whom each lost last
        places = [best] * len(cases)
        players = [int(i) for i in rng.permutation(len(cases))]
        for place in range(min(best, len(cases))):
            while len(players) > 1:
                pairs = list(zip(players[::2], players[1::2], strict=False))
                choices = self.preference(
                    [Pair(cases[a].task, cases[a].answer, cases[b].answer, cases[a].key) for a, b in pairs]
                )
                fault = next((choice.fault for choice in choices if choice.fault is not None), None)
                if fault is not None:
                    return fault
                for (a, b), choice in zip(pairs, choices, strict=True):
                    winner, loser = (a, b) if _left_wins(choice, rng) else (b, a)
                    boss[loser] = winner
                players = [player for player in players if player not in boss]
            places[players[0]] = place
            players = [loser for loser, winner in boss.items() if winner == players[0]]
            boss = {loser: winner for loser, winner in boss.items() if loser not in players}
        return places


def _left_wins(choice: Choice, rng: Rng) -> bool:
    coin = bool(rng.random() < 0.5)
    return choice.outcome == "left" if choice.outcome in ("left", "right") else coin


def levels(scores: Sequence[Score | float | None]) -> list[int | None]:
    """The places that the scores of one group stand for.

    >>> levels([3.0, 0.0, None, 2.0, 0.0])
    [0, 2, None, 1, 2]
    """
    values = [score.value if isinstance(score, Score) else score for score in scores]
    order = {value: place for place, value in enumerate(sorted({v for v in values if v is not None}, reverse=True))}
    return [None if value is None else order[value] for value in values]


def rank_rewards(oracle: RankingOracle) -> Reward:
    """A ranking oracle as rewards in [0, 1]: mid-ranks in each group, for trainers that want a number per answer.

    With `guerdon.interop.trl.as_reward_func` it is a reward function for GRPO, whose groups are those of one prompt.
    """
    return oracle.by_group(ranked)
