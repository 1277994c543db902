"""Reward consistency: does a reward model notice that the instruction changed, and what follows if it does not?"""

from guerdon.core.card import Card

CARD = Card(
    slug="rm-consistency",
    title="Contrast Instructions, ConvexDA and RewardFusion: consistency of reward models",
    year=2023,
    claim="Reward models that rank answers to one instruction well are near chance when the instruction changes to one "
    "worded like it; more consistent ones give more useful policies.",
    differs="Two repairs of a reward model that learned from pairs under one prompt. ConvexDA replaces each preferred\n"
    "response by an extreme rewording, a vertex of the convex hull of rewordings. RewardFusion averages a reward with\n"
    "those of near neighbours among training texts, for any reward. Contrast pairs among training instructions are\n"
    "the strong reference. Contrast sets, C_res and C_ins are in `rlhf`, reward models in `prefer`.",
    sources=("arXiv 2309.16155", "https://github.com/shadowkiller33/Contrast-Instruction", "arXiv 2104.08821"),
)
