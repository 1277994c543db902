"""Constrained RLHF: bring each component of a reward to the point up to which it is a good proxy, and hold it there."""

from guerdon.core.card import Card

CARD = Card(
    slug="constrained-rlhf",
    title="Constrained RLHF: Lagrange multipliers at proxy points",
    year=2023,
    claim="Policies that are trained to hold each component of a composite reward at its proxy point, with learned "
    "weights, end with a higher true evaluation than policies that maximise the sum, and keep it when trained longer.",
    differs="Weights of component rewards are multipliers that learn within PPO, one step for each minibatch.\n"
    "With equality constraints they may be negative: a component above its threshold is pushed back.\n"
    "Thresholds are the top of a surface fitted to single-component runs, where there were points,\n"
    "or searched in one run by a simplex on the true evaluation.\n"
    "PPO with a value head for each component, the loop, policies and the simplex are the shared rooms'.",
    sources=(
        "arXiv 2310.04373",
        "https://github.com/tedmoskovitz/ConstrainedRL4LMs",
        "arXiv 2210.01241",
        "arXiv 2210.10760",
        "arXiv 2007.03964",
    ),
)
