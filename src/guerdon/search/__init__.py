"""Search: archives, trees, populations, novelty, selection rules, evolution and zeroth-order steps.

Small parts that a solver puts together. All of them maximise, take batches with a shared first axis and give back as
many results in the same order, draw randomness from the generator that is passed in, and save their state into a
folder without pickle. A score that is not known (`None`, nan, ±inf) never wins, and never stops a batch.
"""

from guerdon.search.cells import CellArchive, CellRecord
from guerdon.search.cma_es import CmaEs
from guerdon.search.downscaling import Downscale
from guerdon.search.evolution import Centre, GldFast, MuPlusLambda, OneFifth, OpenAIES, Parents, RandomSearch
from guerdon.search.grid import BETTER, KEPT_OUT, NEW, REFUSED, Elites, GridArchive
from guerdon.search.nelder_mead import NelderMead, Simplex
from guerdon.search.novelty import KnnNovelty, NgramNovelty
from guerdon.search.populations import Islands, Members, crowding, fronts, nsga2, truncation, youngest
from guerdon.search.reuse import ReusePolicy, StateArchive
from guerdon.search.saving import load_state, save_state
from guerdon.search.selection import (
    GO_EXPLORE_RUNS,
    GoExplore2019,
    GoExplore2021,
    draw,
    epsilon_greedy,
    rank,
    softmax,
    tournament,
    ucb,
)
from guerdon.search.space import Space
from guerdon.search.tree import Tree, TreePolicy, puct, uct
from guerdon.search.zeroth_order import (
    Spsa,
    edge_gradient,
    ladder,
    levels_of_ranking,
    levels_of_scores,
    rank_gradient,
    rankings_to_edges,
    value_gradient,
)

__all__ = [
    "BETTER", "GO_EXPLORE_RUNS", "KEPT_OUT", "NEW", "REFUSED", "CellArchive", "CellRecord", "Centre", "CmaEs",
    "Downscale", "Elites", "GldFast", "GoExplore2019", "GoExplore2021", "GridArchive", "Islands", "KnnNovelty",
    "Members", "MuPlusLambda", "NelderMead", "NgramNovelty", "OneFifth", "OpenAIES", "Parents", "RandomSearch",
    "ReusePolicy", "Simplex", "Space", "Spsa", "StateArchive", "Tree", "TreePolicy", "crowding", "draw",
    "edge_gradient", "epsilon_greedy", "fronts", "ladder", "levels_of_ranking", "levels_of_scores", "load_state",
    "nsga2", "puct", "rank", "rank_gradient", "rankings_to_edges", "save_state", "softmax", "tournament", "truncation",
    "ucb", "uct", "value_gradient", "youngest",
]  # fmt: skip
