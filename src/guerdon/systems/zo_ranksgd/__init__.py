"""ZO-RankSGD: descend on rankings alone, by code, by a pairwise judge or by a person."""

from guerdon.core.card import Card

_HERE = "guerdon.systems.zo_ranksgd"

CARD = Card(
    slug="zo-ranksgd",
    title="ZO-RankSGD: zeroth-order optimization by ranking oracles",
    year=2023,
    claim="From rankings of a few random perturbations alone, descent needs far fewer queries to come near an optimum "
    "than comparison-based search, and not many more than descent that knows the values.",
    differs="The judge ranks a group of points and tells nothing but order; what the values were is recorded later.\n"
    "A solver turns each (partial) ranking into a descent direction and asks one more ranking for the step size;\n"
    "the variant for people keeps incumbents in the race and averages directions until one helps.\n"
    "Oracles (rewards, pairwise judges, people) and their queue are in `prefer`, estimators and the baselines'\n"
    "search in `search`, MuJoCo in `worlds`.",
    sources=(
        "arXiv 2303.03751",
        "https://github.com/TZW1998/Taming-Stable-Diffusion-with-Human-Ranking-Feedback",
        "arXiv 1911.06317",
        "arXiv 1309.5549",
        "arXiv 1604.00772",
    ),
    challenge=f"{_HERE}.challenge:RankedFunction",
    challenges=(
        ("ranked-policy", f"{_HERE}.policy:RankedPolicy"),
        ("ranked-by-people", f"{_HERE}.people:RankedByPeople"),
        ("ranked-latents", f"{_HERE}.latents:RankedLatents"),
    ),
    solvers=(
        ("zo-ranksgd", f"{_HERE}.solver:ZoRankSgd"),
        ("human-loop", f"{_HERE}.solver:HumanLoop"),
        ("comparison", f"{_HERE}.solver:Comparison"),
        ("zo-sgd", f"{_HERE}.baselines:ZoSgd"),
        ("gld-fast", f"{_HERE}.baselines:Gld"),
        ("cma-es", f"{_HERE}.baselines:Cma"),
        ("random", f"{_HERE}.baselines:Random"),
    ),
)
