"""The claims of this system: ensembles against over-optimisation, by best-of-n and by PPO, with the same members.

What was chosen by looking (learning rate, iterations and the small beta of PPO) was chosen on seeds 101 to 104; the
bounds are the publication's and the prototype's. A first run on seeds 11 to 13 left 26 of 32 claims inconclusive, with
intervals of Student's t over three seeds; bounds and design were kept, and eight new seeds taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from guerdon.bench.experiment import Experiment, Scale
from guerdon.bench.verdicts import AllOf, Claim
from guerdon.systems.rm_ensembles import bon, ppo


@dataclass(frozen=True, kw_only=True)
class OverOptimisation(Experiment):
    """One reward model and ensembles, optimised by best-of-n and by PPO."""

    body: str = "transformer"
    """Of the members: transformer or gru, from nothing; or policy, the policy's own net and weights, for all alike."""

    name: ClassVar[str] = "over-optimisation"
    summary: ClassVar[str] = (
        "Five members learn from 3,000 pairs, a quarter of them labelled wrong or none. Best-of-n: they choose among "
        "2,048 answers to each of 48 prompts, n up to 1,843, lambda of UWO 0.5. PPO, with wrong labels only: 40 "
        "iterations of 64 answers on the first member or on all, without a penalty on divergence and with beta = 0.1, "
        "one member also with 20 times as much, lambda 0.1. Gold rewards have sd 1 on the first policy's answers."
    )
    arms: ClassVar[tuple[str, ...]] = tuple(bon.NOISE)
    modules: ClassVar[tuple[str, ...]] = (
        *(f"guerdon.systems.rm_ensembles.{name}" for name in ("bon", "ppo", "curves")),
        *bon.ROOMS,
        *(f"guerdon.train.{name}" for name in ("loop", "rollouts", "kl", "learners")),
    )
    claims: ClassVar[tuple[Claim | AllOf, ...]] = (*bon.CLAIMS, *ppo.CLAIMS)

    def seeds(self, scale: Scale) -> tuple[int, ...]:
        """One, eight or sixteen from 21 on."""
        return tuple(range(21, {"smoke": 22, "desk": 29, "full": 37}[scale]))

    def run(self, arm: str, seed: int, scale: Scale) -> Mapping[str, float | None]:
        """Every way with one set of members."""
        from guerdon.rlhf.desk import Desk

        sizes = bon.SIZES[scale]
        desk = Desk.make(seed, demonstrations=sizes.demonstrations)
        members = bon.members_of(desk, sizes, bon.NOISE[arm], self.body)
        found = bon.best_of_n_measures(desk, members, sizes)
        if bon.NOISE[arm]:
            found |= {f"PPO: {name}": each for name, each in ppo.ppo_measures(desk, members, ppo.STEPS[scale]).items()}
        return found


EXPERIMENTS: tuple[Experiment, ...] = (OverOptimisation(),)
