"""Preferences: pairs of answers in, choices out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from guerdon.core.reward import Need, Range, Reward
from guerdon.core.rng import stream
from guerdon.core.score import Fault, FaultKind, Score
from guerdon.core.task import Answer, Case, Key, Task

Outcome = Literal["left", "right", "tie", "skip"]
_SWAPPED: dict[Outcome, Outcome] = {"left": "right", "right": "left", "tie": "tie", "skip": "skip"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one task."""

    task: Task
    left: Answer
    right: Answer
    key: Key = None

    def swapped(self) -> Pair:
        """The same pair with its sides exchanged."""
        return replace(self, left=self.right, right=self.left)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which side was preferred, how strongly, by whom; or `None` with a fault."""

    outcome: Outcome | None
    strength: float = 1.0
    judge: str = ""
    fault: Fault | None = None
    note: Mapping[str, float] = field(default_factory=dict)

    def swapped(self) -> Choice:
        """The same choice about the swapped pair."""
        return self if self.outcome is None else replace(self, outcome=_SWAPPED[self.outcome])


SPENT = ("calls", "characters", "tokens")
"""Notes that say what a choice cost; they add up where several are asked."""


class Preference:
    """Base of every preference. Subclass as a frozen dataclass and write `choose`."""

    needs: frozenset[Need] = frozenset()

    @property
    def name(self) -> str:
        """Name for people."""
        return type(self).__name__.lower()

    def choose(self, pairs: Sequence[Pair]) -> Sequence[Choice]:
        """Choose for each pair. Same length and order."""
        return [Choice(None, fault=Fault(FaultKind.JUDGE, f"{self.name} has no choose method"))] * len(pairs)

    def __call__(self, pairs: Sequence[Pair]) -> list[Choice]:
        """Choose under the contract: as many choices as pairs; an exception is a fault of the judge."""
        if not pairs:
            return []
        try:
            choices = list(self.choose(pairs))
        except Exception as error:  # noqa: BLE001  # whatever an author's code raises is a fault, not a crash
            if len(pairs) > 1:
                return [self([pair])[0] for pair in pairs]
            return [self._broken(f"raised {type(error).__name__}: {str(error)[:200]}")]
        if len(choices) != len(pairs):
            return [self._broken(f"returned {len(choices)} choices for {len(pairs)} pairs")] * len(pairs)
        return choices

    def _broken(self, what: str) -> Choice:
        return Choice(None, judge=self.name, fault=Fault(FaultKind.JUDGE, f"{self.name} {what}"))


@dataclass(frozen=True)
class FunctionPreference(Preference):
    """A function of two texts (and the task) that returns "left", "right", "tie" or "skip"."""

    function: Callable[[Pair], Outcome]

    @property
    def name(self) -> str:
        """The function's name."""
        return getattr(self.function, "__name__", "preference")

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """Call the function for each pair."""
        return [self._one(self.function(pair)) for pair in pairs]

    def _one(self, outcome: Outcome) -> Choice:
        return Choice(outcome, judge=self.name) if outcome in _SWAPPED else self._broken(f"chose {outcome!r}")


@dataclass(frozen=True)
class BothOrders(Preference):
    """Asks twice with the sides exchanged and keeps what survives; what flips is a tie, noted as `flipped`."""

    inner: Preference

    @property
    def name(self) -> str:
        """The inner name, marked."""
        return f"both-orders({self.inner.name})"

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """One batch for both orders."""
        both = self.inner([*pairs, *(pair.swapped() for pair in pairs)])
        return [_agreed(one, two.swapped()) for one, two in zip(both[: len(pairs)], both[len(pairs) :], strict=True)]


def _agreed(one: Choice, two: Choice) -> Choice:
    known = {**one.note, **two.note}
    spent = {name: one.note.get(name, 0.0) + two.note.get(name, 0.0) for name in SPENT if name in known}
    one, two = (replace(each, note={**each.note, **spent}) for each in (one, two))
    if one.fault or two.fault:
        return one if one.fault else two
    if one.outcome == two.outcome:
        return replace(one, strength=(one.strength + two.strength) / 2)
    if "skip" in (one.outcome, two.outcome):
        return replace(one, outcome="skip")
    return replace(one, outcome="tie", note={**one.note, "flipped": 1.0})


@dataclass(frozen=True)
class FromReward(Preference):
    """Prefers the higher reward; with a temperature, by the Bradley-Terry probability of the difference.

    With temperature T > 0 the left side wins with probability σ((r_left - r_right)/T), drawn by key from the pair,
    so the same pair always gets the same choice. Differences of at most `margin` are ties at T = 0.
    """

    reward: Reward
    temperature: float = 0.0
    margin: float = 0.0
    seed: int = 0

    @property
    def name(self) -> str:
        """prefer(reward)."""
        return f"prefer({self.reward.name})"

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """Score both sides in one batch, then compare."""
        cases = [Case(p.task, side, p.key) for p in pairs for side in (p.left, p.right)]
        scores = self.reward(cases)
        return [self._one(pair, *scores[2 * i : 2 * i + 2]) for i, pair in enumerate(pairs)]

    def _one(self, pair: Pair, left: Score, right: Score) -> Choice:
        if left.value is None or right.value is None:
            return Choice(None, judge=self.name, fault=left.fault or right.fault)
        difference = left.value - right.value
        if self.temperature > 0:
            chance = 1 / (1 + math.exp(min(max(-difference / self.temperature, -700), 700)))
            drawn = float(stream(self.seed, "prefer", pair.task.id, pair.left.digest, pair.right.digest).random())
            return Choice("left" if drawn < chance else "right", strength=abs(2 * chance - 1), judge=self.name)
        if abs(difference) <= self.margin:
            return Choice("tie", judge=self.name)
        return Choice("left" if difference > 0 else "right", strength=abs(difference), judge=self.name)


@dataclass(frozen=True)
class Against(Reward):
    """The share of a pool of answers that an answer beats (a tie is half): a preference as a reward.

    The pool's answers are used for every task; those of other tasks are relabelled.
    """

    pool: tuple[Answer, ...]
    preference: Preference
    range: Range = (0.0, 1.0)

    @property
    def name(self) -> str:
        """against(preference)."""
        return f"against({self.preference.name})"

    def judge(self, cases: Sequence[Case]) -> list[Score]:
        """All answers against all of the pool in one batch."""
        width = len(self.pool)
        pairs = [Pair(c.task, c.answer, replace(a, task=c.task.id), c.key) for c in cases for a in self.pool]
        choices = self.preference(pairs)
        return [_win_rate(choices[i * width : (i + 1) * width]) for i in range(len(cases))]


def _win_rate(choices: Sequence[Choice]) -> Score:
    points = {"left": 1.0, "tie": 0.5, "right": 0.0}
    known = [points[choice.outcome] for choice in choices if choice.outcome in points]
    if known:
        return Score(sum(known) / len(known), {"compared": float(len(known))})
    fault = next((choice.fault for choice in choices if choice.fault), None)
    return Score(None, fault=fault or Fault(FaultKind.ABSENT, "nothing to compare with"))


def both_orders(preference: Preference) -> Preference:
    """Ask in both orders; what flips is a tie."""
    return BothOrders(preference)


def from_reward(reward: Reward, temperature: float = 0.0, margin: float = 0.0) -> Preference:
    """Prefer the higher reward."""
    return FromReward(reward, temperature, margin)


def against(pool: Sequence[Answer], preference: Preference) -> Reward:
    """The win rate against a pool, as a reward."""
    return Against(tuple(pool), preference)
