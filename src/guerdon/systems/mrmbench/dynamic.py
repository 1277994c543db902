"""Dynamic RLHF: answers whose reward is not to be trusted, by their distance from centroids, teach nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.rng import stream
from guerdon.prefer.models import RewardModel
from guerdon.rlhf.desk import MOST, Score
from guerdon.systems.mrmbench.desk import Study
from guerdon.train.kl import FixedKL
from guerdon.train.learners import PPO
from guerdon.train.loop import train
from guerdon.train.rollouts import Sampling
from guerdon.train.sampling import Drawn
from guerdon.train.tiny import TinyLM

Floats: TypeAlias = npt.NDArray[np.float64]
Rule: TypeAlias = Literal["all", "near", "random"]


@dataclass(eq=False)
class Trusted:
    """A score for a training loop that is unknown (nan) where d_min exceeds a threshold, or for as many at random.

    Args:
        score: of prompts and answers.
        distance: d_min of prompts and answers (n,).
        threshold: d_tau; infinite drops nothing.
        shares: of each call in turn, to drop at random instead: what another run dropped.
        seed: draws them.
        dropped: shares of each call that were dropped.
    """

    score: Score
    distance: Any
    threshold: float = np.inf
    shares: Sequence[float] | None = None
    seed: int = 0
    dropped: list[float] = field(default_factory=list)

    def __call__(self, prompts: Any, drawn: Drawn) -> Floats:
        """Scores (n,), nan where dropped."""
        told = np.array(self.score(prompts, drawn), float)
        far = np.asarray(self.distance(prompts, drawn)) > self.threshold
        if self.shares is not None:
            call = len(self.dropped)
            order = stream(self.seed, "trusted", call).permutation(len(told))
            far = order < round(self.shares[call] * len(told))
        self.dropped.append(float(far.mean()))
        told[far] = np.nan
        return told


@dataclass(frozen=True, kw_only=True)
class Dynamic:
    """PPO against a reward model whose rewards are not to be trusted everywhere.

    Args:
        kind: of the reward model, a name in `KINDS`.
        iterations: of PPO.
        batch: answers of each.
        kl: weight of the penalty on the divergence.
        quantile: of d_min on validation samples, which sets d_tau.
    """

    kind: str = "noise 0.25"
    iterations: int = 80
    batch: int = 128
    kl: float = 0.1
    quantile: float = 0.95

    def measures(self, study: Study, rule: Rule) -> dict[str, float]:
        """What became of the gold reward under one rule.

        Args:
            study: the world.
            rule: "near" drops answers beyond d_tau, "random" as many in each iteration at random, "all" none.

        Returns:
            Gold reward of the last policy and its gain, the gain in the learned reward, and what was dropped.
        """
        model = study.model(self.kind).standardised(study.pool[0])
        centroids = study.centroids(model)
        score, desk = study.desk.score_of(model), study.desk
        threshold = study.threshold(model, centroids, self.quantile)

        def distance(prompts: Any, drawn: Drawn) -> Floats:
            return centroids.nearest(model.features(desk.rows(prompts, drawn)))

        trusted = Trusted(score, distance, np.inf if rule == "all" else threshold, seed=study.seed)
        last = self._trained(study, trusted)
        if rule == "random":
            trusted = Trusted(score, distance, shares=trusted.dropped, seed=study.seed)
            last = self._trained(study, trusted)
        return _gained(study, model, last) | {
            "dropped": float(np.mean(trusted.dropped)),
            "dropped at the end": float(np.mean(trusted.dropped[-max(1, self.iterations // 10) :])),
            "threshold": threshold,
        }

    def _trained(self, study: Study, score: Trusted) -> TinyLM:
        learner = PPO(lr=1e-3, critic_lr=3e-3, epochs=2, minibatch=64, kl=FixedKL(weight=self.kl))
        policy, asked = study.desk.learner(), study.desk.prompts(2_000, "mrmbench", "ppo")
        made = train(
            policy,
            learner,
            asked,
            score,
            iterations=self.iterations,
            batch=self.batch,
            sampling=Sampling(most=MOST),
            seed=study.seed,
        )
        return policy.model_of(made.state.policy)


def _gained(study: Study, model: RewardModel, last: TinyLM) -> dict[str, float]:
    """Rewards of a policy on prompts of its own, and what they are more than those of the first."""
    desk = study.desk
    asked = desk.prompts(1_024, "mrmbench", "after")
    before, after = (desk.draw(asked, "mrmbench", "after", policy=each) for each in (None, last))
    gold, first = desk.gold(asked, after).mean(), desk.gold(asked, before).mean()
    learned = [model.scores(desk.rows(asked, each)).mean() for each in (before, after)]
    moved = (after.logprobs - desk.policy.logprobs(asked, after.ids)).sum(1).mean()
    return {
        "gold": float(gold),
        "gold gained": float(gold - first),
        "reward gained": float(learned[1] - learned[0]),
        "kl": float(moved),
    }
