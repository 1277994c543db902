"""The how-to world with its reward models: standard, ConvexDA, fused, fine-tuned on contrasts, and what they do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.rng import stream
from guerdon.prefer.models import RewardModel, Rows, Vectors
from guerdon.prefer.pairs import Pairs
from guerdon.prefer.training import Fit, fit
from guerdon.rlhf.contrast import Consistency, ContrastSet, Scorer, consistency, overlap, quantile_band, unit
from guerdon.systems.rm_consistency.augmentation import ConvexDA, table
from guerdon.systems.rm_consistency.encoders import Kept, sentence_encoder
from guerdon.systems.rm_consistency.fusion import Fusion, Index, texts_of
from guerdon.systems.rm_consistency.world import SYNONYMS, HowTo, Task, labelled, useful

Floats: TypeAlias = npt.NDArray[np.float64]
FIT = Fit(epochs=30, batch=32, warmup=10)


@dataclass(frozen=True)
class Workshop:
    """One how-to world with an encoder.

    Args:
        seed: of everything.
        encoder: "minilm", "words", or another; see `sentence_encoder`.
        train: instructions to learn from.
        items: contrast items at most.
        judged: unseen instructions with a pool to choose from.
        settings: of the training.
    """

    seed: int
    encoder: str = "minilm"
    train: int = 100
    items: int = 150
    judged: int = 40
    settings: Fit = FIT

    @cached_property
    def world(self) -> HowTo:
        """Instructions and answers."""
        return HowTo(self.seed, self.train)

    @cached_property
    def learned(self) -> tuple[list[str], list[str], list[str]]:
        """Instructions, right and wrong answers to learn from."""
        return labelled(self.world, self.world.tasks[0], self.world.kinds)

    @cached_property
    def encode(self) -> Kept:
        """The encoder."""
        return sentence_encoder(self.encoder, [*self.learned[0], *self.learned[1]])

    # ---- reward models -----------------------------------------------------------------------------------------------

    def rows(self, instructions: Sequence[str], responses: Sequence[str]) -> Rows:
        """Vectors of whole texts."""
        return Rows.of_vectors(self.encode(texts_of(instructions, responses)))

    def model(self, pairs: Pairs) -> RewardModel:
        """A perceptron of 64 units over frozen vectors, trained on pairs."""
        body = Vectors(inputs=pairs.chosen.values.shape[1], layers=(64,))
        return fit(body, pairs, self.settings, seeds=(self.seed,)).models[0]

    def scorer(self, model: RewardModel) -> Scorer:
        """A reward model of instructions and responses."""
        return lambda instructions, responses: model.scores(self.rows(instructions, responses))

    @cached_property
    def pairs(self) -> Pairs:
        """What a standard reward model learns from."""
        asked, right, wrong = self.learned
        return Pairs.of(self.rows(asked, right), self.rows(asked, wrong))

    @cached_property
    def augmented(self) -> Pairs:
        """The same number of pairs, each right answer replaced by an extreme rewording of it."""
        asked, right, wrong = self.learned
        made = ConvexDA(seed=self.seed)(right, table(SYNONYMS), self.encode).texts
        return Pairs.of(self.rows(asked, made), self.rows(asked, wrong))

    def contrasted(self, start: Pairs) -> Pairs:
        """Pairs with those of contrasts among training instructions added: `(i1, r1) > (i1, r2)`, both ways."""
        tasks = self.world.tasks[0]
        items = self.contrasts(tasks, len(tasks))
        asked, right, wrong = [*items.i1, *items.i2], [*items.r1, *items.r2], [*items.r2, *items.r1]
        more = Pairs.of(self.rows(asked, right), self.rows(asked, wrong))
        return Pairs.of(start.chosen + more.chosen, start.rejected + more.rejected)

    def named(self, arm: str) -> Scorer:
        """The reward of an arm: parts of its name are "overlap", "convex", "contrast" and "fusion"."""
        if arm == "overlap":
            return overlap
        pairs = self.augmented if "convex" in arm else self.pairs
        if "contrast" in arm:
            pairs = self.contrasted(pairs)
        score = self.scorer(self.model(pairs))
        return self.fusion(score) if "fusion" in arm else score

    def fusion(self, score: Scorer) -> Fusion:
        """A reward fused over training texts, with the threshold set by a quantile."""
        index = Index.of(self.learned[0], self.learned[1], self.encode)
        return Fusion(score, index, threshold=index.threshold(0.95))

    # ---- what is measured --------------------------------------------------------------------------------------------

    def contrasts(self, tasks: Sequence[Task], most: int) -> ContrastSet:
        """Contrast items among instructions: pairs whose cosine is in `band`, drawn by the seed."""
        asked, right = [task.text for task in tasks], [self.world.right(task) for task in tasks]
        return in_band(asked, right, self.encode(asked), self.band, most, stream(self.seed, "how-to", "contrasts"))

    @cached_property
    def band(self) -> tuple[float, float]:
        """Cosines of instructions that are alike for this encoder: the upper quarter of all pairs, without the top."""
        asked = [task.text for part in self.world.tasks for task in part]
        return quantile_band(self.encode(asked), 0.75, 0.995)

    def consistency(self, score: Scorer) -> Consistency:
        """On items of unseen instructions."""
        return consistency(self.contrasts(self.world.tasks[1], self.items), score)

    def measures(self, arm: str) -> dict[str, float]:
        """What the claims are about, for one reward."""
        score = self.named(arm)
        found = self.consistency(score)
        used = score.used(*self._asked()) if isinstance(score, Fusion) else 0.0
        return {
            "C_res": found.res.value,
            "C_ins": found.ins.value,
            "mean consistency": (found.res.value + found.ins.value) / 2,
            "items": float(len(found.res_points)),
            "accuracy": self.accuracy(score),
            "usefulness": self.usefulness(score),
            "texts with a neighbour": used,
        }

    def _asked(self) -> tuple[list[str], list[str]]:
        items = self.contrasts(self.world.tasks[1], self.items)
        return [*items.i1, *items.i1], [*items.r1, *items.r2]

    def accuracy(self, score: Scorer) -> float:
        """Accuracy on unseen instructions with unseen kinds of wrong answers."""
        asked, right, wrong = labelled(self.world, self.world.tasks[1], self.world.unseen)
        gap = np.asarray(score(asked, right)) - np.asarray(score(asked, wrong))
        return float(((gap > 0) + 0.5 * (gap == 0)).mean())

    def usefulness(self, score: Scorer) -> float:
        """Share of useful answers among the best of 16 by a reward, over `judged` unseen instructions."""
        everything = [task for part in self.world.tasks for task in part]
        found = []
        for task in self.world.tasks[1][: self.judged]:
            pool = self.world.pool(task, everything)
            best = int(np.argmax(score([task.text] * len(pool), pool)))
            found.append(useful(task, pool[best]))
        return float(np.mean(found))


def in_band(
    instructions: Sequence[str],
    responses: Sequence[str],
    vectors: npt.ArrayLike,
    band: tuple[float, float],
    most: int,
    rng: np.random.Generator,
) -> ContrastSet:
    """At most so many items whose cosine is in a band and whose responses differ, drawn from all such pairs."""
    made = unit(vectors)
    cosines = made @ made.T
    first, second = np.triu_indices(len(made), 1)
    alike = cosines[first, second]
    differ = np.array([responses[i] != responses[j] for i, j in zip(first.tolist(), second.tolist(), strict=True)])
    fine = np.flatnonzero((alike >= band[0]) & (alike <= band[1]) & differ)
    chosen = np.sort(rng.permutation(fine)[:most])
    one, two = first[chosen].tolist(), second[chosen].tolist()
    i1, r1, i2, r2 = ([texts[k] for k in at] for at in (one, two) for texts in (instructions, responses))
    return ContrastSet(i1, r1, i2, r2, alike[chosen])
