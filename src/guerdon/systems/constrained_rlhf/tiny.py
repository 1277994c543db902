"""The desk-sized problem: two component rewards of the tiny text world, and what they are proxies for.

    rel    share of on-topic words                       1 when nothing else is said
    coh    how well neighbouring words go together       nearly 1 when the best pair is repeated
    eval   saturates in both, loses by repetition and by length that was not asked for

Both components are largest for degenerate repetition, which no component counts; the policy that starts learned from
careless demonstrations, so that it lies below the point where more of a component does harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.rng import stream
from guerdon.train.sampling import Drawn
from guerdon.train.tiny import Sft, TinyLM
from guerdon.train.tiny_nets import TinyGRU
from guerdon.worlds.tiny_text import FIRST_TOPIC, FIRST_WORD, LONGEST, N_WORDS, PER_TOPIC, VOCABULARY, TinyText, lengths

if TYPE_CHECKING:
    from guerdon.train.tiny import TinyPolicy

Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

COMPONENTS = ("rel", "coh")
MOST = LONGEST + 1


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What stands for people's judgement: `a S(rel) + b S(coh) − c repeated² − d miss`.

    S saturates: `S(x) = (1 − e^−kx) / (1 − e^−k)`.

    Args:
        rel: a.
        coh: b.
        repeated: c, for the square of the share of words that occurred before.
        miss: d, for the relative distance to the length that was asked for.
        bend: k, how early the components saturate.
    """

    rel: float = 0.8
    coh: float = 0.4
    repeated: float = 2.0
    miss: float = 0.8
    bend: float = 4.0

    def of(self, components: Floats, repeated: Floats, miss: Floats) -> Floats:
        """(n,) from components (n, 2), shares (n,) and distances (n,)."""
        gained = (1.0 - np.exp(-self.bend * components)) / (1.0 - np.exp(-self.bend))
        found: Floats = gained @ np.array([self.rel, self.coh]) - self.repeated * repeated**2 - self.miss * miss
        return found


@dataclass(frozen=True)
class Problem:
    """A world, the policy that starts in it, and what is measured.

    Args:
        seed: of everything that is drawn.
        world: the tiny text world.
        policy: learned from careless demonstrations; the reference.
        evaluation: the true evaluation.
    """

    seed: int
    world: TinyText
    policy: TinyLM
    evaluation: Evaluation

    @classmethod
    def make(
        cls, seed: int, *, demonstrations: int = 3_000, careless: float = 0.35, skill: float = 0.5, width: int = 32,
        epochs: int = 6, evaluation: Evaluation | None = None,
    ) -> Problem:  # fmt: skip
        """Draw a world and teach a policy.

        Args:
            seed: draws all of it.
            demonstrations: how many.
            careless: share of their words that are replaced by any word.
            skill: of the rest; see `TinyText.demonstrations`.
            width: units of the policy.
            epochs: of the teaching.
            evaluation: another one.
        """
        world = TinyText(seed=seed)
        asked = world.prompts(demonstrations, stream(seed, "prompts"))
        shown = world.demonstrations(asked, stream(seed, "demonstrations"), skill=skill)
        rng = stream(seed, "careless")
        replaced = (shown >= FIRST_WORD) & (rng.random(shown.shape) < careless)
        shown = np.where(replaced, FIRST_WORD + rng.integers(N_WORDS, size=shown.shape), shown)
        fresh = TinyLM.new(TinyGRU(vocabulary=len(VOCABULARY), width=width), stream(seed, "policy"))
        policy, _ = fresh.sft(asked, shown, stream(seed, "order"), Sft(epochs=epochs, lr=5e-3))
        return cls(seed, world, policy, evaluation or Evaluation())

    def prompts(self, n: int, *name: str | int) -> Ints:
        """(n, 2); the same name gives the same ones."""
        return self.world.prompts(n, stream(self.seed, "prompts", *name))

    def learner(self) -> TinyPolicy:
        """A fresh policy to train, with the one that starts as its reference."""
        from guerdon.train.tiny import TinyPolicy

        return TinyPolicy(self.policy)

    def components(self, prompts: npt.ArrayLike, drawn: Drawn) -> Floats:
        """(n, 2) rel and coh of answers, each from 0 to 1."""
        return components(self.world, prompts, drawn.ids)

    def measured(self, prompts: npt.ArrayLike, drawn: Drawn) -> Floats:
        """(n, 3) rel, coh and the true evaluation of answers."""
        found = self.components(prompts, drawn)
        dimensions = self.world.dimensions(prompts, drawn.ids)
        true = self.evaluation.of(found, -dimensions[:, 3], -dimensions[:, 4])
        return np.concatenate([found, true[:, None]], 1)


@lru_cache(maxsize=2)
def problem(seed: int, **settings: Any) -> Problem:
    """`Problem.make`, kept in the process: the arms of an experiment start from the same policy."""
    return Problem.make(seed, **settings)


def components(world: TinyText, prompts: npt.ArrayLike, ids: Ints) -> Floats:
    """(n, 2) components of answers (n, T).

    rel: on-topic words among the tokens. coh: mean over neighbouring words of the share of the hidden table that is
    not above their entry, by the normal distribution that it was drawn from. Both are 0 where there is
    nothing to count.
    """
    from scipy.special import ndtr

    asked, count = np.asarray(prompts), lengths(ids)
    there = np.arange(ids.shape[1]) < count[:, None]
    word = ids - FIRST_WORD
    real = there & (word >= 0)
    word = np.where(real, word, 0)
    rel = (real & (word // PER_TOPIC == asked[:, :1] - FIRST_TOPIC)).sum(1) / np.maximum(count, 1)
    pair = real[:, 1:] & real[:, :-1]
    going = np.where(pair, ndtr(world.bigrams[word[:, :-1], word[:, 1:]]), 0.0).sum(1)
    return np.stack([rel, going / np.maximum(count - 1, 1)], 1)
