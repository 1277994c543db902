"""Dynamic RLHF: answers whose reward is not to be trusted, by their distance from centroids, teach nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from guerdon.core.rng import stream
from guerdon.prefer.models import RewardModel
from guerdon.rlhf.desk import MOST, Score
from guerdon.rlhf.probing import Centroids
from guerdon.systems.mrmbench.desk import Study
from guerdon.train.kl import FixedKL
from guerdon.train.learners import PPO
from guerdon.train.loop import train
from guerdon.train.rollouts import Sampling
from guerdon.train.sampling import Drawn

Floats: TypeAlias = npt.NDArray[np.float64]
Rule: TypeAlias = Literal["all", "near", "random"]


@dataclass(eq=False)
class Trusted:
    """A score for a training loop that is unknown (nan) where d_min exceeds a threshold, or for as many at random.

    Args:
        score: of prompts and answers.
        distance: d_min of prompts and answers (n,).
        threshold: d_tau.
        rule: "near" keeps what is near, "random" drops as many at random, "all" drops nothing.
        seed: draws whom "random" drops.
        dropped: shares of each call that were dropped.
    """

    score: Score
    distance: Any
    threshold: float
    rule: Rule = "near"
    seed: int = 0
    dropped: list[float] = field(default_factory=list)

    def __call__(self, prompts: Any, drawn: Drawn) -> Floats:
        """Scores (n,), nan where dropped."""
        told = np.array(self.score(prompts, drawn), float)
        far = np.asarray(self.distance(prompts, drawn)) > self.threshold
        if self.rule == "random":
            far = stream(self.seed, "trusted", len(self.dropped)).permutation(far)
        if self.rule == "all":
            far = np.zeros(len(told), bool)
        self.dropped.append(float(far.mean()))
        told[far] = np.nan
        return told


def trusted(study: Study, model: RewardModel, centroids: Centroids, rule: Rule, quantile: float = 0.95) -> Trusted:
    """The score of a reward model in a study's world, by one rule; d_tau is a quantile of validation samples."""
    desk = study.desk

    def distance(prompts: Any, drawn: Drawn) -> Floats:
        return centroids.nearest(model.features(desk.rows(prompts, drawn)))

    threshold = study.threshold(model, centroids, quantile)
    return Trusted(desk.score_of(model), distance, threshold, rule, study.seed)


def run(
    study: Study, rule: Rule, *, iterations: int = 80, batch: int = 128, kind: str = "noise 0.25"
) -> dict[str, float]:
    """PPO against a reward model under one rule, and what became of the gold reward.

    Args:
        study: the world.
        rule: which answers teach.
        iterations: of PPO.
        batch: answers of each.
        kind: of the reward model, a name in `KINDS`.

    Returns:
        Gold and learned reward of the last policy, their gain over the first, and the share that was dropped.
    """
    desk = study.desk
    model = study.model(kind).standardised(study.pool[0])
    score = trusted(study, model, study.centroids(model), rule)
    learner = PPO(lr=1e-3, critic_lr=3e-3, epochs=2, minibatch=64, kl=FixedKL(weight=0.03))
    policy, asked = desk.learner(), desk.prompts(2_000, "mrmbench", "ppo")
    made = train(
        policy, learner, asked, score, iterations=iterations, batch=batch, sampling=Sampling(most=MOST), seed=study.seed
    )
    last = policy.model_of(made.state.policy)
    asked = desk.prompts(1_024, "mrmbench", "after")
    before, after = (desk.draw(asked, "mrmbench", "after", policy=each) for each in (None, last))
    gold, first = desk.gold(asked, after).mean(), desk.gold(asked, before).mean()
    proxy = model.scores(desk.rows(asked, after)).mean() - model.scores(desk.rows(asked, before)).mean()
    return {
        "gold": float(gold),
        "gold gained": float(gold - first),
        "reward gained": float(proxy),
        "dropped": float(np.mean(score.dropped)),
        "dropped at the end": float(np.mean(score.dropped[-max(1, iterations // 10) :])),
        "threshold": score.threshold,
        "kl": float(made.history[-1].get("kl", np.nan)),
    }
