"""Preferences: data sets of them, annotators, agreement, ratings, calibration, and which pair to ask about next."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guerdon.prefer.acquisition import Acquisition, Proposal
    from guerdon.prefer.agreement import cohen, dawid_skene, fleiss, krippendorff, leave_one_out, on_gold, pool_quality
    from guerdon.prefer.annotators import (
        Judge,
        Majority,
        Metered,
        Pool,
        Remembered,
        Simulated,
        completing,
        costs,
        simulated_pool,
    )
    from guerdon.prefer.boards import by_library, elo
    from guerdon.prefer.files import Imported, export, margins_from, read, read_rows, write
    from guerdon.prefer.ranks import Flip, bootstrap, fewest_to_flip, rank_intervals
    from guerdon.prefer.ratings import BradleyTerry, Ratings, fit
    from guerdon.prefer.sets import FIRST, SECOND, TIE, UNKNOWN, PreferenceSet
    from guerdon.prefer.votes import Votes

_HOMES = {
    "acquisition": "Acquisition Proposal",
    "agreement": "cohen dawid_skene fleiss krippendorff leave_one_out on_gold pool_quality",
    "annotators": "Judge Majority Metered Pool Remembered Simulated completing costs simulated_pool",
    "boards": "by_library elo",
    "files": "Imported export margins_from read read_rows write",
    "ranks": "Flip bootstrap fewest_to_flip rank_intervals",
    "ratings": "BradleyTerry Ratings fit",
    "sets": "FIRST SECOND TIE UNKNOWN PreferenceSet",
    "votes": "Votes",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "FIRST", "SECOND", "TIE", "UNKNOWN", "Acquisition", "BradleyTerry", "Flip", "Imported", "Judge", "Majority",
    "Metered", "Pool", "PreferenceSet", "Proposal", "Ratings", "Remembered", "Simulated", "Votes", "bootstrap",
    "by_library", "cohen", "completing", "costs", "dawid_skene", "elo", "export", "fewest_to_flip", "fit", "fleiss",
    "krippendorff", "leave_one_out", "margins_from", "on_gold", "pool_quality", "rank_intervals", "read", "read_rows",
    "simulated_pool", "write",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"guerdon.prefer.{_HOME_OF[name]}"), name)
