"""Policies that learn by PPO on a reward model of this system, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from guerdon.systems.secrets_rm.desk import Sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from guerdon.prefer.models import RewardModel
    from guerdon.rlhf.desk import Desk
    from guerdon.train.state import State
    from guerdon.train.tiny import TinyLM

NOISY = ("baseline", "margin")
CLEANED = ("flip 20 % + margin", "soft + margin")
PARTS = 3
"""How often a policy is measured on its way."""


def ppo(
    desk: Desk, model: RewardModel, iterations: int, start: State | None, weight: float = 0.05
) -> tuple[State, TinyLM]:
    """Go on with a policy by PPO up to so many iterations in all.

    Args:
        desk: whose policy it starts as.
        model: a standardised reward model.
        iterations: with those of `start`.
        start: where to begin; by default the first policy.
        weight: of the divergence per token; 0.05 in MetaRM's runs, 0 in the comparison of cleaned data.
    """
    from guerdon.train.kl import FixedKL
    from guerdon.train.learners import PPO
    from guerdon.train.loop import train
    from guerdon.train.rollouts import Sampling
    from guerdon.worlds.tiny_text import END, LONGEST, PAD

    policy = desk.learner()
    done = train(
        policy,
        PPO(lr=5e-4, kl=FixedKL(weight=weight) if weight else None),
        desk.prompts(2_000, "ppo"),
        desk.score_of(model),
        iterations=iterations,
        batch=64,
        sampling=Sampling(most=LONGEST + 1, end=END, pad=PAD),
        seed=desk.seed,
        start=start,
    )
    return done.state, policy.model_of(done.state.policy)


def told_of(desk: Desk, policy: TinyLM, n: int) -> tuple[float, float]:
    """Mean gold reward of n answers, and their divergence from the first policy: log ratios, summed over tokens."""
    asked = desk.prompts(n, "policies")
    ids = desk.draw(asked, "policies", policy=policy)
    off = policy.logprobs(asked, ids.ids).astype(float) - desk.policy.logprobs(asked, ids.ids)
    return float(desk.gold(asked, ids).mean()), float(off.sum(1).mean())


def optimised(desk: Desk, models: Mapping[str, RewardModel], sizes: Sizes) -> dict[str, float | None]:
    """PPO without a penalty on the reward models of the methods; gold reward and divergence on the way.

    Args:
        desk: whose policy learns.
        models: by method; those of `NOISY` and `CLEANED` are used.
        sizes: three times `steps` iterations in all.
    """
    asked = desk.prompts(sizes.held, "scale")
    held = desk.rows(asked, desk.draw(asked, "scale"))
    found: dict[str, float | None] = {}
    ends: dict[str, tuple[float, float]] = {}
    for name in (*NOISY, *CLEANED):
        model, now = models[name].standardised(held), None
        for part in range(1, PARTS + 1):
            now, policy = ppo(desk, model, part * sizes.steps, now, weight=0.0)
            gold, kl = ends[name] = told_of(desk, policy, sizes.prompts)
            found |= {f"gold, {name} @ iteration = {part * sizes.steps}": gold}
            found |= {f"KL, {name} @ iteration = {part * sizes.steps}": kl}
    noisy, cleaned = (np.mean([ends[name] for name in some], 0) for some in (NOISY, CLEANED))
    return found | {
        "PPO: gold, cleaned over noisy": float(cleaned[0] - noisy[0]),
        "PPO: KL, cleaned over noisy": float(cleaned[1] - noisy[1]),
    }
