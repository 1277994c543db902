"""AlpacaFarm: a simulator of human feedback, an evaluation, and the methods that learn from it, in one loop."""

from guerdon.core.card import Card

CARD = Card(
    slug="alpaca-farm",
    title="AlpacaFarm: a simulation framework for methods that learn from human feedback",
    year=2023,
    claim="A pool of simulated annotators with noise of a human kind ranks methods that learn from feedback as people "
    "do, and shows the same over-optimisation of a reward model.",
    differs="Labels come from a pool of annotators, one drawn for each pair, half of them replaced by a coin.\n"
    "Models are compared by the same pool without coins, with lengths beside every win-rate.\n"
    "Eight reference methods learn from the same pairs; each is a setting of a shared learner.\n"
    "Annotators are language models of a configuration file, or simulated ones that lean.\n"
    "Pairs, judges, reward models, learners, win-rates and the text world are shared.",
    sources=(
        "arXiv 2305.14387",
        "https://github.com/tatsu-lab/alpaca_farm",
        "https://github.com/tatsu-lab/alpaca_eval",
    ),
)
