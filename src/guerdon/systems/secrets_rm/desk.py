"""What the three experiments share: noisy pairs of the tiny text world, three validation sets, small reward models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from guerdon.bench.experiment import Scale
from guerdon.prefer.pairs import Pairs
from guerdon.rlhf.desk import Desk

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ARM = "25 % flips"
FLIPS = 0.25
ROOMS = (
    "guerdon.systems.secrets_rm.desk",
    "guerdon.systems.secrets_rm.methods",
    "guerdon.prefer.ensembles",
    "guerdon.prefer.training",
    "guerdon.prefer.objectives",
    "guerdon.prefer.models",
    "guerdon.prefer.pairs",
    "guerdon.rlhf.desk",
    "guerdon.worlds.tiny_text",
    "guerdon.train.tiny",
    "guerdon.train.tiny_nets",
)
TRAIN = ("guerdon.train.loop", "guerdon.train.rollouts", "guerdon.train.kl", "guerdon.train.learners")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large a run is.

    Args:
        pairs: whose strength is measured.
        used: of them, that methods train on.
        held: pairs of each validation set.
        members: M.
        plain: pairs that MetaRM and its baseline train on.
        contrasted: pairs that models with contrastive terms train on.
        epochs: of the members; few, since members lean to the labels they see.
        longer: epochs of methods.
        shorter: epochs of contrastive terms and of MetaRM.
        runs: seeds of each method.
        demonstrations: that the policy learns from.
        prompts: of the shifted policy's responses.
        steps: of PPO in a round.
        rounds: of MetaRM.
    """

    pairs: int = 6_000
    used: int = 2_500
    held: int = 4_000
    plain: int = 4_000
    contrasted: int = 2_000
    members: int = 10
    epochs: int = 3
    longer: int = 8
    shorter: int = 2
    runs: int = 1
    demonstrations: int = 8_000
    prompts: int = 384
    steps: int = 10
    rounds: int = 4


SIZES: Mapping[Scale, Sizes] = {
    "smoke": Sizes(
        pairs=200, used=120, held=100, plain=120, contrasted=64, members=3, epochs=1, longer=1, shorter=1,
        demonstrations=300, prompts=12, steps=1, rounds=2,
    ),
    "desk": Sizes(),
    "full": Sizes(
        pairs=150_000, used=150_000, held=17_000, plain=150_000, contrasted=150_000, runs=3, steps=2_000
    ),
}  # fmt: skip


def body() -> Any:
    """A GRU reward model, which votes and learns fast."""
    from guerdon.train.tiny_nets import TinyGRU
    from guerdon.worlds.tiny_text import VOCABULARY

    return TinyGRU(vocabulary=len(VOCABULARY), width=32)


def larger() -> Any:
    """A causal transformer with three times the weights, which learns wrong labels by heart."""
    from guerdon.train.tiny_nets import TinyTransformer
    from guerdon.worlds.tiny_text import VOCABULARY

    return TinyTransformer(vocabulary=len(VOCABULARY))


def made(desk: Desk, n: int, name: str) -> tuple[Pairs, Pairs, Bools]:
    """Noisy pairs, the same with true labels, and which labels are wrong (n,)."""
    noisy, true = desk.pairs(n, name, flips=FLIPS)
    wrong: Bools = (noisy.chosen.values != true.chosen.values).any(1)
    return noisy, true, wrong


@dataclass(frozen=True, eq=False)
class Validation:
    """Fresh pairs and their three labellings: as labelled, as the gold reward says, and where both agree.

    Args:
        true: pairs with true labels.
        wrong: (n,) where the original labels are wrong.
    """

    true: Pairs
    wrong: Bools

    @classmethod
    def of(cls, desk: Desk, n: int) -> Validation:
        """The validation pairs of a desk."""
        _, true, wrong = made(desk, n, "validation")
        return cls(true, wrong)

    @property
    def watch(self) -> dict[str, Pairs]:
        """What training watches: each pair once, with its true label."""
        return {"agreement": self.true.take(~self.wrong), "wrong": self.true.take(self.wrong)}

    def accuracies(self, history: Any) -> dict[str, Floats]:
        """Accuracy (epochs,) on the sets `original`, `gold` and `agreement`, averaged over seeds."""
        agree, other = (_by_epoch(history, name) for name in ("agreement", "wrong"))
        share = float(self.wrong.mean())
        return {
            "original": (1 - share) * agree + share * (1 - other),
            "gold": (1 - share) * agree + share * other,
            "agreement": agree,
        }


def _by_epoch(history: Any, name: str) -> Floats:
    rows = [row for row in history if row["set"] == name]
    epochs = sorted({row["epoch"] for row in rows})
    return np.array([np.mean([row["accuracy"] for row in rows if row["epoch"] == epoch]) for epoch in epochs])


def right(chosen: npt.ArrayLike, rejected: npt.ArrayLike) -> float:
    """Share of pairs told right, equal scores half."""
    gap = np.asarray(chosen, float) - np.asarray(rejected, float)
    return float(np.mean((gap > 0) + 0.5 * (gap == 0)))
