"""Preferences whose strength is measured, reward models that heed it, and ones that follow a shifted policy."""

from guerdon.core.card import Card

CARD = Card(
    slug="secrets-rm",
    title="Secrets of RLHF in large language models, part II: reward modeling",
    year=2024,
    claim="The vote of a few reward models tells which labels of a preference set are wrong; flipping or softening "
    "them and asking for a margin by strength holds accuracy, and MetaRM keeps a reward model discriminating as the "
    "policy moves away.",
    differs="The mean difference of M members' scores is a pair's strength, measured once, before any flip.\n"
    "Labels of low strength are flipped or smoothed; the strength is the margin that a pair must be told apart by.\n"
    "Contrastive terms work on features of pair members or on their differences.\n"
    "MetaRM goes up the difference loss on the new policy's own responses before each step on the old labels.\n"
    "Members, losses, votes and MetaRM's step are `prefer`'s; PPO is `train`'s; the world is `rlhf`'s desk.",
    sources=(
        "arXiv 2401.06080",
        "arXiv 2405.00438",
        "https://github.com/OpenLMLab/MOSS-RLHF",
        "https://huggingface.co/datasets/fnlp/hh-rlhf-strength-cleaned",
    ),
)
