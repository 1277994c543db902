"""The closed loop in a world whose truth is known: people, a pool that simulates them, labels and evaluation.

    people        four annotators with leanings and noise of their own
    p_ann         thirteen simulated ones, one drawn for each pair, and a coin for half of the labels: to train on
    p_eval        the same thirteen without coins: to evaluate with

A leaning is a vector: an annotator weighs each dimension of the gold reward somewhat more or less than the gold reward
does, and always by the same amount. So a pool is right on average, and each of its members is wrong in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from guerdon.core.preference import FromReward, Pair, Preference
from guerdon.core.reward import ANY, Range, Reward
from guerdon.core.rng import stream
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.agreement import PoolQuality, pool_quality
from guerdon.prefer.annotators import Majority, Pool, Simulated
from guerdon.prefer.models import Rows
from guerdon.prefer.pairs import Pairs
from guerdon.rlhf.desk import MOST, Desk
from guerdon.rlhf.winrate import Compared, compared
from guerdon.train.sampling import Drawn
from guerdon.train.tokens import Tokens
from guerdon.worlds.tiny_text import DIMENSIONS, TinyText, lengths, read, say

if TYPE_CHECKING:
    from guerdon.train.tiny import Sft

    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

PEOPLE, MEMBERS = 4, 13
WEIGHTS = (0.7, 0.4, 1.6, 1.5, 0.7)
"""Of the dimensions in the gold reward. Which words are good counts most, which words go together little: so one or two
thousand noisy pairs are enough to learn from, as ten thousand are for a language model."""
MEMBER_LEANING, MEMBER_SCALE = 0.36, 0.20
"""One member agrees with the gold reward on about 0.80 of pairs of the policy's answers (seeds 101 to 103)."""
PERSON_LEANING, PERSON_SCALE = 0.25, 0.80
"""One person agrees with the majority of the others on about two thirds of them, as people did in the publication."""


@dataclass(frozen=True)
class Leaning(Reward):
    """The gold reward, and a weight more or less for each of its dimensions.

    Args:
        world: calibrated.
        lean: added for each standard deviation of a dimension, in units of the gold reward.
        centre: mean of each dimension.
        spread: standard deviation of each.
    """

    world: TinyText
    lean: tuple[float, ...] = (0.0,) * len(DIMENSIONS)
    centre: tuple[float, ...] = (0.0,) * len(DIMENSIONS)
    spread: tuple[float, ...] = (1.0,) * len(DIMENSIONS)
    label: ClassVar[str] = "leaning"
    range: Range = ANY

    def judge(self, cases: Sequence[Case]) -> list[float]:
        """Read texts and score them."""
        prompts = np.array([read(str(case.task.data["prompt"])) for case in cases], np.int64)
        answers = [read(str(case.answer.content)) for case in cases]
        ids = np.zeros((len(cases), MOST + 1), np.int64)
        for row, answer in zip(ids, answers, strict=True):
            row[: len(answer)] = answer
        dimensions = self.world.dimensions(prompts, ids)
        extra = (dimensions - np.asarray(self.centre)) / np.asarray(self.spread) @ np.asarray(self.lean)
        found: list[float] = (self.world.gold(prompts, ids) + extra).tolist()
        return found


@dataclass(frozen=True)
class Farm:
    """A desk-sized AlpacaFarm.

    Args:
        desk: the world and the policy that SFT made.
        people: who the simulation is to stand for.
        members: of the simulated pool.
    """

    desk: Desk
    people: tuple[Simulated, ...]
    members: tuple[Simulated, ...]

    @classmethod
    def make(cls, seed: int, *, demonstrations: int = 4_000, sft: Sft | None = None, width: int = 48) -> Farm:
        """Draw a world, a policy and annotators from a seed."""
        world = TinyText(seed=seed, weights=WEIGHTS)
        desk = Desk.make(seed, world=world, demonstrations=demonstrations, sft=sft, width=width, calibrate_on=2_000)
        asked = desk.prompts(2_000, "annotators")
        dimensions = desk.world.dimensions(asked, desk.draw(asked, "annotators").ids)
        people = _annotators(desk, dimensions, "person", PEOPLE, PERSON_LEANING, PERSON_SCALE)
        members = _annotators(desk, dimensions, "simulated", MEMBERS, MEMBER_LEANING, MEMBER_SCALE)
        return cls(desk, people, members)

    # ---- who judges --------------------------------------------------------------------------------------------------

    @property
    def gold(self) -> Preference:
        """The truth."""
        return FromReward(Leaning(self.desk.world))

    @property
    def p_human(self) -> Pool:
        """One of the people for each pair: labels to train on."""
        return Pool(members=self.people, seed=self.desk.seed)

    @property
    def panel(self) -> Majority:
        """All of the people, an even split being a draw: to evaluate with."""
        return Majority(members=self.people)

    @property
    def p_ann(self) -> Pool:
        """The pool with 25 % flips: labels to train on."""
        return Pool(members=self.members, noise=0.5, seed=self.desk.seed)

    @property
    def p_eval(self) -> Pool:
        """The pool as it is: to evaluate with."""
        return Pool(members=self.members, seed=self.desk.seed)

    # ---- labels ------------------------------------------------------------------------------------------------------

    def labelled(self, annotators: Preference, n: int, *name: str | int) -> Pairs:
        """Pairs of the policy's answers with labels; the same name gives the same pairs. Draws are smoothed by half."""
        asked, one, two = self._sides(n, *name)
        choices = annotators(_pairs(asked, one, two))
        outcome = np.array([choice.outcome or "skip" for choice in choices])
        pairs = Pairs.of(
            self.desk.rows(asked, one), self.desk.rows(asked, two), smoothing=np.where(outcome == "tie", 0.5, 0.0)
        )
        return pairs.flipped(outcome == "right").take(outcome != "skip")

    def agreement(self, annotators: Preference, n: int = 1_000) -> float:
        """How often one label is that of the gold reward, on pairs of the policy's answers."""
        pairs = _pairs(*self._sides(n, "agreement"))
        told = zip(annotators(pairs), self.gold(pairs), strict=True)
        return float(np.mean([one.outcome == truth.outcome for one, truth in told]))

    def quality(self, n: int = 400) -> PoolQuality:
        """Agreement, bias and variance of the pool against the people."""
        pairs = _pairs(*self._sides(n, "agreement"))
        tables = [
            np.array([[choice.outcome for choice in each(pairs)] for each in side]).T.tolist()
            for side in (self.members, self.people)
        ]
        return pool_quality(*tables)

    def _sides(self, n: int, *name: str | int) -> tuple[Ints, Drawn, Drawn]:
        asked = self.desk.prompts(n, "labelled", *name)
        one, two = (self.desk.draw(asked, "labelled", side, *name) for side in ("first", "second"))
        return asked, one, two

    # ---- evaluation --------------------------------------------------------------------------------------------------

    def evaluated(
        self, answers: npt.ArrayLike, annotators: Preference, n: int = 400, *, asked: Ints | None = None
    ) -> Compared:
        """Answers to the evaluation prompts against those of a fixed writer of more skill.

        Args:
            answers: (n, A) ids, one for each prompt.
            annotators: who compares.
            n: prompts.
            asked: other prompts than those of `evaluation(n)`.
        """
        prompts = self.evaluation(n) if asked is None else asked
        baseline = self.baseline(n, asked=prompts)
        ours, theirs = _texts(answers), _texts(baseline)
        long, base = ([len(text.split()) for text in side] for side in (ours, theirs))
        return compared(annotators, [_task(prompt) for prompt in prompts], ours, theirs, lengths=(long, base))

    def baseline(self, n: int = 400, *, asked: Ints | None = None) -> Ints:
        """(n, A) what the fixed writer answers."""
        prompts = self.evaluation(n) if asked is None else asked
        rng = stream(self.desk.seed, "alpaca-farm", "baseline")
        return self.desk.world.demonstrations(prompts, rng, skill=0.7)

    def evaluation(self, n: int = 400) -> Ints:
        """(n, 2) prompts to evaluate on, which no method is trained on."""
        return self.desk.prompts(n, "evaluation")


def _annotators(
    desk: Desk, dimensions: Floats, name: str, count: int, leaning: float, scale: float
) -> tuple[Simulated, ...]:
    found = []
    drawn = stream(desk.seed, "alpaca-farm", name).normal(0, leaning, size=(count, dimensions.shape[1]))
    centre, spread = tuple(dimensions.mean(0).tolist()), tuple(dimensions.std(0).tolist())
    for k, lean in enumerate(drawn.tolist()):
        reward = Leaning(desk.world, tuple(lean), centre, spread)
        found.append(Simulated(reward=reward, label=f"{name}-{k}", scale=scale, seed=desk.seed))
    return tuple(found)


def _pairs(asked: Ints, one: Drawn, two: Drawn) -> list[Pair]:
    found = []
    for prompt, left, right in zip(asked, _texts(one.ids), _texts(two.ids), strict=True):
        task = _task(prompt)
        found.append(Pair(task, Answer(task.id, left), Answer(task.id, right)))
    return found


def _texts(answers: npt.ArrayLike) -> list[str]:
    """Texts of answers (n, A), up to the first end or padding, as the gold reward reads them."""
    ids = np.asarray(answers)
    return [say(row[:n]) for row, n in zip(ids, lengths(ids).tolist(), strict=True)]


def _task(prompt: Any) -> Task:
    text = say(prompt)
    return Task(text, {"prompt": text})


def tokens_of(rows: Rows, width: int = 2) -> list[Tokens]:
    """Rows whose first `width` ids are a prompt, as what a policy did."""
    return [
        Tokens(ids[:width], ids[width:n]) for ids, n in zip(rows.values.tolist(), rows.lengths.tolist(), strict=True)
    ]
