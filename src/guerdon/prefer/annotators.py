"""Annotators: simulated ones with known noise, a language model as judge, pools and majorities, all `Preference`s.

Every draw is a hash of a seed and the pair without its order: the same pair gets the same annotator, noise and label
however it is batched and whichever side comes first. What an answer cost is in the note of its choice
(`calls`, `characters`, `tokens`); `costs` adds it up.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from guerdon.core.errors import ConfigError
from guerdon.core.plain import canonical
from guerdon.core.preference import SPENT, Choice, Outcome, Pair, Preference
from guerdon.core.reward import Reward
from guerdon.core.rng import entropy
from guerdon.core.score import Fault, FaultKind
from guerdon.core.task import Answer, Case
from guerdon.prefer.judges import MENU, TEMPLATE, Complete, Judge, Reply, completing, identical, key_of_pair
from guerdon.prefer.texts import response_of

__all__ = [
    "COIN", "MENU", "TEMPLATE", "Complete", "Judge", "Majority", "Metered", "Pool", "Remembered", "Reply", "Simulated",
    "completing", "costs", "simulated_pool",
]  # fmt: skip

COIN = "coin"
"""The judge of a label that was drawn by a coin."""


def costs(choices: Iterable[Choice]) -> dict[str, float]:
    """What choices cost: the sums of their notes `calls`, `characters` and `tokens`, and how many there are."""
    found = {"choices": 0.0, "calls": 0.0, "characters": 0.0, "tokens": 0.0}
    for choice in choices:
        found["choices"] += 1
        for name in SPENT:
            found[name] += float(choice.note.get(name, 0.0))
    return found


def _uniform(seed: int, purpose: str, *key: str) -> float:
    return float(entropy(seed, purpose, *key) / 2**128)


def _in_order(pair: Pair) -> bool:
    """Whether the left side is the one that sorts first."""
    return pair.left.digest <= pair.right.digest


# ---- simulated -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Simulated(Preference):
    """An annotator who follows a coded reward, with noise and leanings of a known size.

        x = [r(left) − r(right) + taste · (z_left − z_right)] / scale + length · log(|left| / |right|) + first
        bradley-terry   left with probability σ(x)
        threshold       the side that x favours; a fair coin where |x| <= threshold

    z are standard normal numbers fixed by annotator and answer: a taste that is always the same, unlike noise.

    Args:
        reward: the truth that is followed.
        label: the annotator's name; annotators of different names have different tastes and noise.
        noise: which of the two.
        scale: of the reward; smaller is surer.
        threshold: below it, sides cannot be told apart.
        tie: say "tie" below the threshold rather than throw a coin.
        taste: standard deviation of the taste, in units of the reward.
        length: leaning to longer answers.
        first: leaning to the side shown first (left), in log-odds.
        seed: of all draws.
    """

    reward: Reward
    label: str = "simulated"
    noise: Literal["bradley-terry", "threshold"] = "bradley-terry"
    scale: float = 1.0
    threshold: float = 0.0
    tie: bool = False
    taste: float = 0.0
    length: float = 0.0
    first: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.noise not in ("bradley-terry", "threshold"):
            raise ConfigError("noise is bradley-terry or threshold", f"got {self.noise!r}", "Choose one")
        if not self.scale > 0:
            raise ConfigError("scale is above 0", f"got {self.scale!r}", "Take 1")

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """Score both sides in one batch, then lean and draw."""
        scores = self.reward([Case(pair.task, side, pair.key) for pair in pairs for side in (pair.left, pair.right)])
        found = []
        for pair, left, right in zip(pairs, scores[::2], scores[1::2]):
            if left.value is None or right.value is None:
                found.append(Choice(None, judge=self.label, fault=left.fault or right.fault))
            else:
                found.append(self._one(pair, left.value - right.value))
        return found

    def _one(self, pair: Pair, difference: float) -> Choice:
        x = (difference + self._taste(pair)) / self.scale + self.first
        if self.length:
            x += self.length * (math.log1p(_size(pair.left)) - math.log1p(_size(pair.right)))
        unsure = abs(x) <= self.threshold
        if unsure and self.tie:
            return Choice("tie", judge=self.label, note={"calls": 1.0})
        lead = math.tanh(x / 2) if self.noise == "bradley-terry" else 0.0 if unsure else math.copysign(1.0, x)
        chance = 0.5 * (1 + lead)
        drawn = _uniform(self.seed, f"noise/{self.label}", *key_of_pair(pair))
        left = drawn < chance if _in_order(pair) else 1 - drawn < chance
        return Choice("left" if left else "right", abs(lead), self.label, note={"calls": 1.0})

    def _taste(self, pair: Pair) -> float:
        if not self.taste:
            return 0.0
        return self.taste * (self._normal(pair, pair.left) - self._normal(pair, pair.right))

    def _normal(self, pair: Pair, answer: Answer) -> float:
        from statistics import NormalDist

        drawn = _uniform(self.seed, f"taste/{self.label}", pair.task.digest, answer.digest)
        return NormalDist().inv_cdf(min(max(drawn, 1e-12), 1 - 1e-12))


def _size(answer: Answer) -> int:
    content = answer.content
    return len(content) if isinstance(content, str) else len(canonical(response_of(answer)))


def simulated_pool(
    reward: Reward,
    *,
    size: int = 13,
    scale: float = 1.0,
    taste: float = 0.0,
    length: float = 0.0,
    first: float = 0.0,
    noise: float = 0.5,
    seed: int = 0,
) -> Pool:
    """AlpacaFarm's pool of 13 annotators over a coded reward (arXiv 2305.14387).

    The published pool differs in models and prompts; here its members differ in taste, and lean to length and to the
    first side by amounts that are drawn.

    Args:
        reward: the truth.
        size: members.
        scale: of the reward, for all members.
        taste: standard deviation of each member's own taste.
        length: standard deviation of the members' leanings to longer answers.
        first: standard deviation of their leanings to the first side.
        noise: chance that a label is replaced by a fair coin; 0.5 trains (25 % flips), 0 evaluates.
        seed: of all draws.
    """
    from statistics import NormalDist

    def drawn(k: int, what: str, spread: float) -> float:
        return spread * NormalDist().inv_cdf(min(max(_uniform(seed, what, str(k)), 1e-12), 1 - 1e-12))

    members = tuple(
        Simulated(
            reward=reward,
            label=f"simulated-{k}",
            scale=scale,
            taste=taste,
            length=drawn(k, "length", length),
            first=drawn(k, "first", first),
            seed=seed,
        )
        for k in range(size)
    )
    return Pool(members=members, noise=noise, seed=seed)


# ---- pools -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Pool(Preference):
    """One annotator of several for each pair, with AlpacaFarm's noise.

    Identical answers are a tie without asking. With chance `noise` the label is a fair coin, decided before anybody is
    asked, so a coin costs nothing; its choice has the judge "coin" and the note `noised`. Else one member, drawn by a
    hash of the pair, is shown the sides in an order drawn by another hash.

    Args:
        members: the annotators.
        noise: chance of a coin: 0.5 for labels to train on (25 % flips), 0 to evaluate.
        seed: of all draws.
    """

    members: tuple[Preference, ...]
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.members:
            raise ConfigError("a pool of at least one annotator", "it is empty", "Add members")
        if not 0 <= self.noise <= 1:
            raise ConfigError("noise is a chance from 0 to 1", f"got {self.noise!r}", "Take 0.5, or 0")

    @property
    def name(self) -> str:
        """pool(n)."""
        return f"pool({len(self.members)})"

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """Coins first, then one batch for each member that is asked."""
        found: list[Choice | None] = [None] * len(pairs)
        asked: dict[int, list[int]] = {}
        for k, pair in enumerate(pairs):
            if identical(pair):
                found[k] = Choice("tie", judge=self.name, note={"calls": 0.0})
            elif _uniform(self.seed, "noised", *key_of_pair(pair)) < self.noise:
                found[k] = self._coin(pair)
            else:
                member = int(_uniform(self.seed, "member", *key_of_pair(pair)) * len(self.members))
                asked.setdefault(member, []).append(k)
        for member, places in sorted(asked.items()):
            shown = [self._shown(pairs[k]) for k in places]
            told = self.members[member](shown)
            for k, pair, choice in zip(places, shown, told):
                found[k] = choice if pair is pairs[k] else choice.swapped()
        return [choice for choice in found if choice is not None]

    def _coin(self, pair: Pair) -> Choice:
        first = _uniform(self.seed, "coin", *key_of_pair(pair)) < 0.5
        side: Outcome = "left" if first == _in_order(pair) else "right"
        return Choice(side, 0.0, COIN, note={"noised": 1.0, "calls": 0.0})

    def _shown(self, pair: Pair) -> Pair:
        """The pair as it is shown: the side that sorts first is left or right by a coin, whatever it was."""
        first_left = _uniform(self.seed, "side", *key_of_pair(pair)) < 0.5
        return pair if first_left == _in_order(pair) else pair.swapped()


@dataclass(frozen=True, kw_only=True)
class Majority(Preference):
    """What most of several annotators choose; an even split is a tie.

    The strength is the lead of the winner as a share of the votes; the notes count votes, faults and costs.

    Args:
        members: the annotators, all of whom are asked.
        quorum: how many must answer; with fewer the first fault is the answer.
    """

    members: tuple[Preference, ...]
    quorum: int = 1

    @property
    def name(self) -> str:
        """majority(n)."""
        return f"majority({len(self.members)})"

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """One batch for each member."""
        return [self._one(told) for told in zip(*(member(pairs) for member in self.members))]

    def _one(self, told: tuple[Choice, ...]) -> Choice:
        tally = Counter(choice.outcome for choice in told if choice.outcome in ("left", "right", "tie"))
        answered, spent = sum(tally.values()), costs(told)
        note = {
            "left": float(tally["left"]),
            "right": float(tally["right"]),
            "tie": float(tally["tie"]),
            "unknown": float(len(told) - answered),
            **{name: spent[name] for name in SPENT},
        }
        if answered < self.quorum:
            fault = next((choice.fault for choice in told if choice.fault), None)
            missing = Fault(FaultKind.ABSENT, f"{answered} of {self.quorum} answered")
            return Choice(None, judge=self.name, fault=fault or missing, note=note)
        lead = tally["left"] - tally["right"]
        outcome: Outcome = "left" if lead > 0 else "right" if lead < 0 else "tie"
        if tally["tie"] > max(tally["left"], tally["right"]):
            outcome = "tie"
        return Choice(outcome, abs(lead) / answered if outcome != "tie" else 0.0, self.name, note=note)


@dataclass(frozen=True)
class Remembered(Preference):
    """Asks about a pair once. Faults and noised labels are never remembered.

    Args:
        inner: who is asked.
        memory: what was answered, by the pair as shown; pass one to keep it, it is not part of the identity.
    """

    inner: Preference
    memory: dict[tuple[str, str, str, str], Choice] = field(
        default_factory=dict, compare=False, repr=False, metadata={"recipe": False}
    )

    @property
    def name(self) -> str:
        """The inner name."""
        return self.inner.name

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """One batch of what is new; a remembered choice costs nothing."""
        keys = [(self.inner.name, pair.task.digest, pair.left.digest, pair.right.digest) for pair in pairs]
        fresh = {key: pair for key, pair in zip(keys, pairs) if key not in self.memory}
        told = dict(zip(fresh, self.inner(list(fresh.values()))))
        for key, choice in told.items():
            if choice.fault is None and not choice.note.get("noised"):
                self.memory[key] = replace(choice, note={**choice.note, **dict.fromkeys(SPENT, 0.0)})
        found = []
        for key in keys:
            if key not in told:
                found.append(self.memory[key])
            else:
                found.append(told.pop(key) if key in self.memory else told[key])
        return found


@dataclass(frozen=True)
class Metered(Preference):
    """Counts what passes through it, and asks no more once it has cost enough.

    Put it around what costs, inside `both_orders` and the like, which merge choices and their notes.

    Args:
        inner: who is asked.
        most_calls: after so many calls the answer is a fault of kind "budget"; a batch that has begun is finished.
        spent: the sums of `costs` so far; not part of the identity.
    """

    inner: Preference
    most_calls: float = math.inf
    spent: dict[str, float] = field(default_factory=dict, compare=False, repr=False, metadata={"recipe": False})

    @property
    def name(self) -> str:
        """The inner name."""
        return self.inner.name

    def choose(self, pairs: Sequence[Pair]) -> list[Choice]:
        """As the inner one."""
        if self.spent.get("calls", 0.0) >= self.most_calls:
            fault = Fault(FaultKind.BUDGET, f"{self.most_calls:g} calls are spent")
            return [Choice(None, judge=self.name, fault=fault)] * len(pairs)
        told = self.inner(pairs)
        for name, value in costs(told).items():
            self.spent[name] = self.spent.get(name, 0.0) + value
        return told
