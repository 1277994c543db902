"""RewardFusion: the reward of a text is averaged with those of its near neighbours among the training texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.plain import Json, digest
from guerdon.core.reward import ANY, Range, Reward
from guerdon.core.score import Score
from guerdon.core.task import Answer, Case, Task
from guerdon.prefer.sets import prompt_of, response_of
from guerdon.rlhf.contrast import Encoder, Scorer, unit
from guerdon.rlhf.encoding import flat

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
TEMPLATE = "Question: {q}\n\nAnswer: {r}"
"""How an instruction and a response become one text; as published."""
BLOCK = 2_048


def texts_of(instructions: Sequence[str], responses: Sequence[str], template: str = TEMPLATE) -> list[str]:
    """One text of each instruction with its response."""
    pairs = zip(instructions, responses, strict=True)
    return [template.replace("{q}", asked, 1).replace("{r}", said, 1) for asked, said in pairs]


@dataclass(frozen=True, eq=False)
class Index:
    """Training texts, "instruction + preferred response", by the vectors of an encoder; no text is there twice.

    Args:
        instructions: of the training set only: with test texts in it, neighbours are the same instruction's answers.
        responses: the preferred ones.
        encode: texts to vectors.
        template: of a text.
    """

    instructions: tuple[str, ...]
    responses: tuple[str, ...]
    encode: Encoder
    template: str = TEMPLATE

    @classmethod
    def of(
        cls, instructions: Sequence[str], responses: Sequence[str], encode: Encoder, template: str = TEMPLATE
    ) -> Index:
        """An index of the different ones among some texts.

        Raises:
            ConfigError: there are none.
        """
        pairs = list(dict.fromkeys(zip(instructions, responses, strict=True)))
        if not pairs:
            raise ConfigError("training texts to look among", "got none", "Give the training set")
        return cls(tuple(a for a, _ in pairs), tuple(b for _, b in pairs), encode, template)

    def __len__(self) -> int:
        return len(self.instructions)

    @cached_property
    def texts(self) -> list[str]:
        """The texts."""
        return texts_of(self.instructions, self.responses, self.template)

    @cached_property
    def vectors(self) -> Floats:
        """(m, E) of length 1."""
        return unit(self.encode(self.texts))

    def near(self, texts: Sequence[str], most: int, threshold: float) -> tuple[Ints, Floats]:
        """The nearest texts to some texts, themselves left out.

        Args:
            texts: n of them.
            most: neighbours of each.
            threshold: lowest cosine.

        Returns:
            Positions (n, most) and cosines (n, most), nearest first; a cosine of 0 where there is no neighbour.
        """
        vectors = unit(self.encode(list(texts)))
        known = {text: k for k, text in enumerate(self.texts)}
        own = np.array([known.get(text, -1) for text in texts], np.int64)
        most = min(most, len(self))
        places, cosines = np.zeros((len(texts), most), np.int64), np.zeros((len(texts), most))
        for at in range(0, len(texts), BLOCK):
            some = slice(at, at + BLOCK)
            found = vectors[some] @ self.vectors.T
            itself = np.flatnonzero(own[some] >= 0)
            found[itself, own[some][itself]] = -1.0
            best = np.argsort(-found, axis=1, kind="stable")[:, :most]
            value = np.take_along_axis(found, best, 1)
            places[some], cosines[some] = best, np.where(value >= max(threshold, 1e-9), value, 0.0)
        return places, cosines

    def threshold(self, quantile: float = 0.95) -> float:
        """A quantile of the cosines of training texts to their nearest neighbours: a scale for any encoder.

        Raises:
            ConfigError: the quantile is not within 0 and 1.
        """
        if not 0 <= quantile <= 1:
            raise ConfigError("a quantile from 0 to 1", f"got {quantile}", "Use 0.95")
        _, cosines = self.near(self.texts, 1, -1.0)
        return float(np.quantile(cosines[:, 0], quantile))


@dataclass(frozen=True, eq=False)
class Fusion:
    """`R*(x) = sum_i w_i R(x_i)` over x and its neighbours; w is the cosine, 1 for x itself, scaled to sum 1.

    It is a scorer again: instructions and responses to scores (n,). An unknown score of a neighbour is left out, of x
    itself it stays unknown. Rewards of the index are asked for once.

    Args:
        score: the reward that is fused.
        index: of training texts.
        most: neighbours at most; 5.
        threshold: lowest cosine; 0.9 was published for SimCSE. See `Index.threshold` for other encoders.
    """

    score: Scorer
    index: Index
    most: int = 5
    threshold: float = 0.9

    @cached_property
    def _known(self) -> Floats:
        return np.asarray(self.score(self.index.instructions, self.index.responses), float)

    def __call__(self, instructions: Sequence[str], responses: Sequence[str]) -> Floats:
        """Scores (n,)."""
        own = np.asarray(self.score(instructions, responses), float)
        texts = texts_of(instructions, responses, self.index.template)
        places, cosines = self.index.near(texts, self.most, self.threshold)
        return fused(own, self._known[places], cosines)

    def used(self, instructions: Sequence[str], responses: Sequence[str]) -> float:
        """The share of texts that have a neighbour."""
        _, cosines = self.index.near(texts_of(instructions, responses, self.index.template), 1, self.threshold)
        return float((cosines > 0).any(1).mean())


def fused(own: npt.ArrayLike, near: npt.ArrayLike, cosines: npt.ArrayLike) -> Floats:
    """The weighted mean of a reward (n,) and those of neighbours (n, m), weights 1 and cosines (n, m).

    >>> fused([1.0, 1.0], [[4.0], [float("nan")]], [[0.5], [0.5]]).round(6).tolist()
    [2.0, 1.0]
    """
    one, others, weights = np.asarray(own, float), np.asarray(near, float), np.asarray(cosines, float)
    weights = np.where(np.isnan(others), 0.0, weights)
    total: Floats = (one + (weights * np.nan_to_num(others)).sum(1)) / (1 + weights.sum(1))
    return total


@dataclass(frozen=True)
class FusedReward(Reward):
    """Any reward, fused: a wrapper for use wherever the reward was used.

    Args:
        inner: the reward.
        index: of training texts.
        most: neighbours at most.
        threshold: lowest cosine.
        range: of the fused reward.
    """

    inner: Reward
    index: Index = field(metadata={"recipe": False})
    most: int = 5
    threshold: float = 0.9
    range: Range = field(default=ANY, metadata={"recipe": False})

    def fingerprint(self) -> Json:
        """Of the index; the reward inside and the settings are in the recipe."""
        return digest("reward-fusion", self.index.texts)

    def judge(self, cases: Sequence[Case]) -> list[Score | float]:
        """Score a batch; what the reward inside cannot judge stays so."""
        first = list(self.inner(cases))
        texts = texts_of(*_sides(cases), self.index.template)
        places, cosines = self.index.near(texts, self.most, self.threshold)
        wanted = sorted({int(k) for k in places[cosines > 0]})
        known = np.full(len(self.index), np.nan)
        for k, told in zip(wanted, self.inner([self._case(k) for k in wanted]), strict=True):
            known[k] = np.nan if told.value is None else told.value
        own = np.array([np.nan if told.value is None else told.value for told in first])
        values = fused(own, known[places], cosines)
        return [told if told.value is None else float(value) for told, value in zip(first, values, strict=True)]

    def _case(self, k: int) -> Case:
        task = Task(f"neighbour/{k}", {"prompt": self.index.instructions[k]})
        return Case(task, Answer(task.id, self.index.responses[k]), None)


def _sides(cases: Sequence[Case]) -> tuple[list[str], list[str]]:
    return [flat(prompt_of(case.task)) for case in cases], [flat(response_of(case.answer)) for case in cases]
