"""Conservative ensembles of reward models: how much of a learned reward is real when it is optimised hard."""

from guerdon.core.card import Card

CARD = Card(
    slug="rm-ensembles",
    title="Reward model ensembles help mitigate overoptimization",
    year=2023,
    claim="Optimising the minimum of a few reward models, or their mean less their variance, ends at a higher true "
    "reward than optimising any one of them, and does not turn down where that one does.",
    differs="Members differ in the seed of head and order only; each is put on the scale of the policy's answers.\n"
    "Combined by mean, by minimum (WCO) or by mean - lambda * population variance (UWO).\n"
    "Optimised by best-of-n, without bias for every n from one drawing, and by PPO; the gold reward is never\n"
    "optimised and stays with its answer through every sorting.\n"
    "Training, combining and best-of-n are `prefer`'s, PPO is `train`'s, the world with its gold reward `rlhf`'s desk.",
    sources=(
        "arXiv 2310.02743",
        "https://github.com/tlc4418/llm_optimization",
        "arXiv 2210.10760",
        "arXiv 2312.09244",
    ),
)
