"""A desk-sized setting for learning from preferences, with everything known: a world, a policy, and a gold reward.

    demonstrations -> policy by SFT -> answers -> pairs that the gold reward labels, some of them wrongly

Systems that learn or use rewards differ in what they do with the pairs; what comes before is this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.errors import ConfigError
from guerdon.core.rng import stream
from guerdon.prefer.models import RewardModel, Rows
from guerdon.prefer.pairs import Pairs
from guerdon.train.sampling import Drawn
from guerdon.train.tiny import Sft, TinyLM
from guerdon.train.tiny_nets import TinyGRU
from guerdon.worlds.tiny_text import LONGEST, VOCABULARY, TinyText

if TYPE_CHECKING:
    from guerdon.train.tiny import TinyPolicy

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]
Score: TypeAlias = Callable[[Sequence[Sequence[int]], Drawn], Floats]
"""What a training loop asks for: a number for each answer to prompts `(n, 2)` of ids."""

MOST = LONGEST + 1
"""Tokens of an answer at most, END included."""


@dataclass(frozen=True)
class Desk:
    """A tiny text world and the policy that starts in it.

    Args:
        seed: of everything that is drawn.
        world: its gold reward has mean 0 and sd 1 on the policy's answers.
        policy: learned from demonstrations; every later policy starts as this one.
    """

    seed: int
    world: TinyText
    policy: TinyLM

    @classmethod
    def make(
        cls,
        seed: int,
        *,
        world: TinyText | None = None,
        demonstrations: int = 8_000,
        skill: float = 0.5,
        sft: Sft | None = None,
        width: int = 64,
        calibrate_on: int = 4_000,
    ) -> Desk:
        """Draw a world, learn from its demonstrations, and put its gold reward on the policy's scale.

        Args:
            seed: draws the world, demonstrations, weights and answers.
            world: another world; by default `TinyText(seed=seed)`.
            demonstrations: how many there are.
            skill: how good they are; see `TinyText.demonstrations`.
            sft: settings of the learning.
            width: units of the policy's GRU.
            calibrate_on: answers that set the gold reward's mean and sd.
        """
        world = world or TinyText(seed=seed)
        asked = world.prompts(demonstrations, stream(seed, "desk", "prompts"))
        shown = world.demonstrations(asked, stream(seed, "desk", "demonstrations"), skill=skill)
        fresh = TinyLM.new(TinyGRU(vocabulary=len(VOCABULARY), width=width), stream(seed, "desk", "policy"))
        policy, _ = fresh.sft(asked, shown, stream(seed, "desk", "order"), sft)
        made = cls(seed, world, policy)
        asked = made.prompts(calibrate_on, "calibration")
        return cls(seed, world.calibrated(asked, made.draw(asked, "calibration").ids), policy)

    def prompts(self, n: int, *name: str | int) -> Ints:
        """(n, 2) prompts; the same name gives the same ones."""
        return self.world.prompts(n, stream(self.seed, "desk", "prompts", *name))

    def draw(
        self,
        prompts: npt.ArrayLike,
        *name: str | int,
        temperature: float = 1.0,
        top_p: float = 1.0,
        policy: TinyLM | None = None,
    ) -> Drawn:
        """An answer to each prompt, by the policy that starts or by another; the same name draws the same numbers."""
        rng = stream(self.seed, "desk", "answers", *name)
        return (policy or self.policy).sample(prompts, rng, most=MOST, temperature=temperature, top_p=top_p)

    def gold(self, prompts: npt.ArrayLike, drawn: Drawn) -> Floats:
        """(n,) gold rewards of answers."""
        return self.world.gold(prompts, drawn.ids)

    def rows(self, prompts: npt.ArrayLike, drawn: Drawn) -> Rows:
        """Prompts with their answers, END included, as a reward model reads them."""
        asked = np.asarray(prompts, np.int64)
        return Rows.of_ids(np.concatenate([asked, drawn.ids], 1), drawn.lengths + asked.shape[1])

    def pairs(
        self, n: int, *name: str | int, flips: float = 0.25, policy: TinyLM | None = None, temperature: float = 1.0
    ) -> tuple[Pairs, Pairs]:
        """Pairs of answers to one prompt each, labelled by the gold reward.

        Args:
            n: how many.
            name: the same name gives the same pairs.
            flips: share of labels that are wrong, drawn for each pair.
            policy: whose answers; by default of the policy that starts.
            temperature: of their drawing.

        Returns:
            The pairs with wrong labels among them, and the same with true labels.

        Raises:
            ConfigError: flips is no share.
        """
        if not 0 <= flips <= 1:
            raise ConfigError("flips is a share from 0 to 1", f"got {flips}", "Use 0.25")
        asked = self.prompts(n, "pairs", *name)
        sides = [
            self.draw(asked, "pairs", side, *name, policy=policy, temperature=temperature)
            for side in ("first", "second")
        ]
        one, two = (self.rows(asked, each) for each in sides)
        worse = self.gold(asked, sides[0]) < self.gold(asked, sides[1])
        true = Pairs.of(one, two).flipped(worse)
        wrong = stream(self.seed, "desk", "flips", *name).random(n) < flips
        return true.flipped(wrong), true

    def gold_score(self) -> Score:
        """The gold reward as a training loop asks for it."""
        return lambda prompts, drawn: self.gold(np.asarray(prompts), drawn)

    def score_of(self, model: RewardModel) -> Score:
        """A reward model as a training loop asks for it."""
        return lambda prompts, drawn: model.scores(self.rows(prompts, drawn))

    def learner(self, **settings: Any) -> TinyPolicy:
        """A fresh policy to train, which starts as `policy` and has it as its reference."""
        from guerdon.train.tiny import TinyPolicy

        return TinyPolicy(self.policy, **settings)
