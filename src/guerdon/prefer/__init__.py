"""Preferences: data sets of them, annotators, agreement, ratings, calibration, reward models, and what to ask next.

`fit` fits ratings; reward models are trained by `guerdon.prefer.training.fit`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guerdon.prefer.acquisition import Acquisition, Proposal
    from guerdon.prefer.agreement import cohen, dawid_skene, fleiss, krippendorff, leave_one_out, on_gold, pool_quality
    from guerdon.prefer.annotators import Majority, Metered, Pool, Remembered, Simulated, costs, simulated_pool
    from guerdon.prefer.boards import by_library, elo
    from guerdon.prefer.ensembles import (
        Strength,
        averaged,
        combined,
        ensemble_of,
        standardised,
        strength,
        strength_by_folds,
    )
    from guerdon.prefer.files import Imported, export, margins_from, read, read_rows, rows_of, write
    from guerdon.prefer.judges import Judge, completing
    from guerdon.prefer.models import Backbone, LearnedReward, RewardModel, Rows, Vectors
    from guerdon.prefer.overoptimisation import Curve, best_of_n, best_of_n_by_prompt, best_of_n_kl
    from guerdon.prefer.pairs import Pairs
    from guerdon.prefer.people import HumanRanking
    from guerdon.prefer.queue import Item, Question, Queue, Ranked
    from guerdon.prefer.rankings import RankingOracle, SortedBy, Tournament, levels, rank_rewards
    from guerdon.prefer.ranks import Flip, bootstrap, fewest_to_flip, rank_intervals
    from guerdon.prefer.ratings import BradleyTerry, Ratings, fit
    from guerdon.prefer.sets import FIRST, SECOND, TIE, UNKNOWN, PreferenceSet
    from guerdon.prefer.training import Contrast, Fit, Fitted, Meta, metrics
    from guerdon.prefer.votes import Votes

_HOMES = {
    "acquisition": "Acquisition Proposal",
    "agreement": "cohen dawid_skene fleiss krippendorff leave_one_out on_gold pool_quality",
    "annotators": "Majority Metered Pool Remembered Simulated costs simulated_pool",
    "boards": "by_library elo",
    "ensembles": "Strength averaged combined ensemble_of standardised strength strength_by_folds",
    "files": "Imported export margins_from read read_rows rows_of write",
    "judges": "Judge completing",
    "models": "Backbone LearnedReward RewardModel Rows Vectors",
    "overoptimisation": "Curve best_of_n best_of_n_by_prompt best_of_n_kl",
    "pairs": "Pairs",
    "people": "HumanRanking",
    "queue": "Item Question Queue Ranked",
    "rankings": "RankingOracle SortedBy Tournament levels rank_rewards",
    "ranks": "Flip bootstrap fewest_to_flip rank_intervals",
    "ratings": "BradleyTerry Ratings fit",
    "sets": "FIRST SECOND TIE UNKNOWN PreferenceSet",
    "training": "Contrast Fit Fitted Meta metrics",
    "votes": "Votes",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "FIRST", "SECOND", "TIE", "UNKNOWN", "Acquisition", "Backbone", "BradleyTerry", "Contrast", "Curve", "Fit",
    "Fitted", "Flip", "HumanRanking", "Imported", "Item", "Judge", "LearnedReward", "Majority", "Meta", "Metered",
    "Pairs", "Pool", "PreferenceSet", "Proposal", "Question", "Queue", "Ranked", "RankingOracle", "Ratings",
    "Remembered", "RewardModel", "Rows", "Simulated", "SortedBy", "Strength", "Tournament", "Vectors", "Votes",
    "averaged", "best_of_n", "best_of_n_by_prompt", "best_of_n_kl", "bootstrap", "by_library", "cohen", "combined",
    "completing", "costs", "dawid_skene", "elo", "ensemble_of", "export", "fewest_to_flip", "fit", "fleiss",
    "krippendorff", "leave_one_out", "levels", "margins_from", "metrics", "on_gold", "pool_quality", "rank_intervals",
    "rank_rewards", "read", "read_rows", "rows_of", "simulated_pool", "standardised", "strength", "strength_by_folds",
    "write",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"guerdon.prefer.{_HOME_OF[name]}"), name)
