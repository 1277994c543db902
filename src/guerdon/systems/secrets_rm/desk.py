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


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How large a run is.

    Args:
        pairs: whose strength is measured.
        used: of them, that methods train on.
        held: pairs of each validation set.
        members: M.
        epochs: of the members; few, since members lean to the labels they see.
        longer: epochs of methods.
        runs: seeds of each method.
        demonstrations: that the policy learns from.
        prompts: of the shifted policy's responses.
        steps: of PPO in a round.
        rounds: of MetaRM.
    """

    pairs: int = 6_000
    used: int = 4_000
    held: int = 4_000
    members: int = 10
    epochs: int = 3
    longer: int = 8
    runs: int = 2
    demonstrations: int = 8_000
    prompts: int = 384
    steps: int = 15
    rounds: int = 4


SIZES: Mapping[Scale, Sizes] = {
    "smoke": Sizes(
        pairs=200, used=120, held=100, members=3, epochs=1, longer=1, runs=1, demonstrations=300, prompts=12, steps=1,
        rounds=2,
    ),
    "desk": Sizes(),
    "full": Sizes(pairs=150_000, used=150_000, held=17_000, runs=3, steps=2_000),
}  # fmt: skip


def body() -> Any:
    """A GRU reward model."""
    from guerdon.train.tiny_nets import TinyGRU
    from guerdon.worlds.tiny_text import VOCABULARY

    return TinyGRU(vocabulary=len(VOCABULARY), width=32)


def made(desk: Desk, n: int, name: str) -> tuple[Pairs, Pairs, Bools]:
    """Noisy pairs, the same with true labels, and which labels are wrong (n,)."""
    noisy, true = desk.pairs(n, name, flips=FLIPS)
    wrong: Bools = (noisy.chosen.values != true.chosen.values).any(1)
    return noisy, true, wrong


def validation(desk: Desk, n: int) -> dict[str, Pairs]:
    """The three sets: as labelled, as the gold reward says, and where both agree."""
    noisy, true, wrong = made(desk, n, "validation")
    return {"original": noisy, "gold": true, "agreement": noisy.take(~wrong)}


def mean_by_epoch(history: Any, measure: str, name: str) -> Floats:
    """(epochs,) a measure on one validation set, averaged over seeds."""
    rows = [row for row in history if row["set"] == name and row["slice"] == ""]
    epochs = sorted({row["epoch"] for row in rows})
    return np.array([np.mean([row[measure] for row in rows if row["epoch"] == epoch]) for epoch in epochs])


def right(chosen: npt.ArrayLike, rejected: npt.ArrayLike) -> float:
    """Share of pairs told right, equal scores half."""
    gap = np.asarray(chosen, float) - np.asarray(rejected, float)
    return float(np.mean((gap > 0) + 0.5 * (gap == 0)))
