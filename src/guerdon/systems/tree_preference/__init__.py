"""Tree preferences: reward models from comparisons of responses that share beginnings."""

from guerdon.core.card import Card

CARD = Card(
    slug="tree-preference",
    title="Reward generalization in RLHF: a topological perspective",
    year=2024,
    claim="Comparing the leaves of a tree of responses rather than independent responses, at equal cost, gives a "
    "reward model whose optimum is preferred more often.",
    differs="Only the collection: responses to a prompt are grown as a tree by continuing prefixes and its leaves are\n"
    "compared; the file says which tree, which paths, and how many tokens they share.\n"
    "Networks of responses with Gaussian edges, whose effective resistance is the inference distance, say when\n"
    "that should help. Annotators, files, reward models, best-of-n, and training are those of the rooms.",
    sources=("arXiv 2402.10184", "https://aclanthology.org/2025.findings-acl.820", "arXiv 2410.12854"),
)
