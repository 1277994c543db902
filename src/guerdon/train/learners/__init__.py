"""Learners of language models: frozen settings with an `update` from answers and scores to a new state."""

from guerdon.train.learners.base import Learner
from guerdon.train.learners.group import GRPO, RLOO, left_out_advantages, relative_advantages
from guerdon.train.learners.imitation import SFT, BestOfN, ExpertIteration, Quark, RewardConditioning
from guerdon.train.learners.ppo import PPO, token_gae
from guerdon.train.learners.preference import DPO

__all__ = [
    "DPO",
    "GRPO",
    "PPO",
    "RLOO",
    "SFT",
    "BestOfN",
    "ExpertIteration",
    "Learner",
    "Quark",
    "RewardConditioning",
    "left_out_advantages",
    "relative_advantages",
    "token_gae",
]
