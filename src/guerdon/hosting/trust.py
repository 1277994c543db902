"""How much an annotator's votes weigh: by gold questions, or by agreement with the others; a bot's nothing.

An annotator who is right with chance p weighs log(p / (1 − p)), the weight that makes a vote of several as right as it
can be (Nitzan and Paroush 1982), beside that of somebody of whom nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from guerdon.prefer import BradleyTerry, Ratings, Votes, dawid_skene
from guerdon.prefer.agreement import Accuracy, Suspicion, suspicions

Weights = Literal["auto", "gold", "consensus", "none"]
WEIGHTS = get_args(Weights)
USUAL = 0.8
"""How often somebody of whom nothing is known is taken to be right,"""
COUNT = 8.0
"""as if that had been seen on so many questions."""
ENOUGH = 10
"""So many gold answers of a project, or pairs that several have answered, before weights are used."""
FLOOD = 0.8
"""Somebody with a larger share of at least 100 votes weighs no more than all the others together."""
LEFT_OUT = ("one side", "alternating", "gold")
APART = 50
"""Up to so many annotators, each is predicted by ratings from which their own votes were left out."""
Floats = npt.NDArray[np.float64]
Table = Sequence[Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Trust:
    """What is known of an annotator.

    Args:
        weight: of each of their votes; 1 for somebody of whom nothing is known.
        flags: reasons for suspicion.
        gold: accuracy on gold questions.
    """

    weight: float = 1.0
    flags: tuple[str, ...] = ()
    gold: Accuracy | None = None


def log_odds(right: float, count: float) -> float:
    """The weight of somebody who was right so often, with `COUNT` questions' worth of being usual before.

    >>> log_odds(0, 0), log_odds(0, 40), log_odds(40, 40) > 2
    (1.0, 0.0, True)
    """
    p = (right + COUNT * USUAL) / (count + COUNT)
    return max(math.log(p / (1 - p)), 0.0) / math.log(USUAL / (1 - USUAL))


def basis(mode: str, gold: Sequence[Accuracy | None], shared: Table) -> Literal["gold", "consensus", "none"]:
    """By what votes are weighted: what was asked for, as soon as enough is known for it; "auto" asks for gold."""
    known = {"gold": sum(each.count for each in gold if each), "consensus": len(shared)}
    wanted = "gold" if mode == "auto" else mode
    if known.get(wanted, 0) < ENOUGH:
        return "none"
    return "gold" if wanted == "gold" else "consensus"


def trust_of(
    people: Sequence[str], mode: str, gold: Sequence[Accuracy | None], shared: Table,
    by: Sequence[str], points: Sequence[float],
) -> dict[str, Trust]:  # fmt: skip
    """What each annotator's votes weigh.

    Args:
        people: the annotators.
        mode: of the project; "none" flags, but weighs everybody alike.
        gold: accuracy on gold questions of each.
        shared: labels of pairs that several have answered, a column for each annotator.
        by: who gave each vote, in their order.
        points: of the first side in each vote; nan for a skip.
    """
    told = {name: each for name, each in zip(people, gold, strict=True) if each is not None and each.count}
    flags: dict[str, list[Suspicion]] = {}
    for each in suspicions(by, points, gold=told, share=FLOOD):
        flags.setdefault(each.annotator, []).append(each)
    used = basis(mode, gold, shared)
    weights = dict.fromkeys(people, 1.0)
    if used == "gold":
        weights.update((name, log_odds(each.right, each.count)) for name, each in told.items())
    elif used == "consensus":
        weights.update(_by_consensus(people, shared))
    if mode != "none":
        _weigh_down(weights, flags, by, points)
    return {
        name: Trust(weights[name], tuple(each.reason for each in flags.get(name, ())), told.get(name))
        for name in people
    }


def _by_consensus(people: Sequence[str], shared: Table) -> dict[str, float]:
    """By how often each gave the label that Dawid and Skene's model takes for true."""
    chances = dawid_skene(shared).reliability
    counts = [sum(row[k] is not None for row in shared) for k in range(len(people))]
    return {
        name: log_odds(chance * count, count) for name, chance, count in zip(people, chances.tolist(), counts) if count
    }


def _weigh_down(
    weights: dict[str, float], flags: Mapping[str, Sequence[Suspicion]], by: Sequence[str], points: Sequence[float]
) -> None:
    for name, found in flags.items():
        if any(each.reason in LEFT_OUT for each in found):
            weights[name] = 0.0
    total: dict[str, float] = {}
    for name, point in zip(by, points):
        if not math.isnan(point):
            total[name] = total.get(name, 0.0) + weights[name]
    for name, found in flags.items():
        others = sum(total.values()) - total.get(name, 0.0)
        if weights[name] and total[name] > others > 0 and any(each.reason == "burst" for each in found):
            weights[name] *= others / total[name]


def weighted(votes: Votes, trust: Mapping[str, Trust]) -> Votes:
    """Votes with their annotators' weights, scaled so that together they weigh what they are worth (Kish 1965).

    Weighing some votes less than others loses information: m votes are worth (Σw)² / Σw² equal ones. Intervals would be
    too narrow if heavy votes counted as several.
    """
    own = np.array([trust[name].weight if name in trust else 1.0 for name in votes.annotators], float)
    each = np.where(votes.annotator >= 0, own[votes.annotator] if len(own) else 1.0, 1.0) * votes.weight
    squares = float((each**2).sum())
    return replace(votes, weight=each * (float(each.sum()) / squares if squares else 1.0))


def surprises(votes: Votes, model: BradleyTerry) -> dict[str, float]:
    """How unlike the others' each annotator's votes are, in standard deviations; far below 0 is against everybody.

    The log-likelihood of somebody's votes under ratings fitted without them, less what it would be on average if they
    voted as those ratings say. Ties tell nothing here and are left out.
    """
    apart = len(votes.annotators) <= APART
    whole = None if apart else model.fit(votes)
    found: dict[str, float] = {}
    for k, name in enumerate(votes.annotators):
        mine = votes.take((votes.annotator == k) & (votes.points != 0.5))
        ratings = whole or model.fit(votes.take(votes.annotator != k))
        score = _surprise(mine, ratings) if len(mine) else None
        if score is not None:
            found[name] = score
    return found


def _surprise(mine: Votes, ratings: Ratings) -> float | None:
    if ratings.covariance is None:
        return None
    gap = ratings.values[mine.first] - ratings.values[mine.second]
    spread = np.diag(ratings.covariance)
    doubt = spread[mine.first] + spread[mine.second] - 2 * ratings.covariance[mine.first, mine.second]
    logit = gap / np.sqrt(1 + math.pi * np.maximum(doubt, 0.0) / 8)  # what is not sure predicts little (MacKay 1992)
    chance = 1 / (1 + np.exp(-logit))
    log_first, log_second = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    seen = np.where(mine.points == 1, log_first, log_second).sum()
    usual = (chance * log_first + (1 - chance) * log_second).sum()
    variance = float((chance * (1 - chance) * logit**2).sum())
    return float((seen - usual) / math.sqrt(variance)) if variance > 1e-9 else None
